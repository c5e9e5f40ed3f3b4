"""Forms on other people's pages, and what was sent in by them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Form(models.Model):
    """A form; its channel account says where what it brings begins, and how it is routed."""

    account_id = models.BigIntegerField()
    guid = models.UUIDField(unique=True)
    channel_account_id = models.BigIntegerField()  # desk.ChannelAccount
    name = models.TextField()
    #: Groups of fields, what follows sending, and consent: as the contract writes them (api.md §3.8).
    definition = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "id"], name="form_of_account")]


class SubmissionState(models.TextChoices):
    WAITING = "WAITING"  # stored and acknowledged, to be filed
    DONE = "DONE"


class Submission(models.Model):
    """What was sent in, as it came. A queue table, claimed across accounts."""

    account_id = models.BigIntegerField()
    form = models.ForeignKey(Form, models.PROTECT, related_name="+", db_index=False)
    values = models.JSONField(default=list)  # [{"objectTypeId", "name", "value"}]
    page_url = models.TextField(default="")
    page_name = models.TextField(default="")
    consent = models.JSONField(null=True)
    subscriptions = models.JSONField(default=dict)  # {number of a kind of mail: whether they want it}
    submitted_at = models.DateTimeField()  # as the sender says
    received_at = models.DateTimeField()
    state = models.TextField(
        choices=SubmissionState.choices, default=SubmissionState.WAITING, db_default=SubmissionState.WAITING
    )
    due_at = models.DateTimeField(db_default=Now())
    attempts = models.IntegerField(default=0, db_default=0)
    error = models.TextField(default="", db_default="")
    outcome = models.TextField(default="", db_default="")  # desk.types.Outcome
    left_out = models.JSONField(default=list)  # names of values that the records would not take
    message_ref = models.BigIntegerField(null=True)  # desk.Message it became
    ticket_ref = models.BigIntegerField(null=True)  # crm.Ticket it created
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=SubmissionState.values), name="form_submission_known_state"
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "form", "id"], name="form_submission_of_form"),
            models.Index(fields=["form", "received_at"], name="form_submission_pace"),
            models.Index(
                fields=["due_at"], name="form_submission_due", condition=Q(state=SubmissionState.WAITING)
            ),
        ]
