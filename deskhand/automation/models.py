"""Workflows, their revisions, the records going through them, and what each step did."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Workflow(models.Model):
    """One automation of one kind of record. A lane has an origin: the stage it belongs to (R-ACT-2)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    object_type = models.TextField()
    is_on = models.BooleanField(default=False)  # R-ACT-4
    #: Only events after this moment enroll (R-TRIG-10, R-ACT-12); None while off.
    on_since = models.DateTimeField(null=True)
    revision_number = models.IntegerField(default=0)  # the newest
    origin_pipeline_id = models.BigIntegerField(null=True)  # crm.Pipeline
    origin_stage_id = models.BigIntegerField(null=True)  # crm.Stage
    #: Why somebody must look: a deleted stage, a deactivated person (R-LOG-7). Empty: all is well.
    needs_review = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "object_type", "origin_stage_id"], name="one_lane_per_stage",
                condition=Q(origin_stage_id__isnull=False, archived_at=None),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["account_id", "object_type"],
                name="workflow_on",
                condition=Q(is_on=True, archived_at=None),
            )
        ]


class WorkflowRevision(models.Model):
    """What a workflow was at one time; never changed, so that a run can always be explained (R-EDIT-4)."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="revisions")
    number = models.IntegerField()
    definition = models.JSONField()
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "workflow", "number"], name="revision_once")
        ]


class EnrollmentState(models.TextChoices):
    DUE = "DUE"  # to be advanced at due_at
    WAITING = "WAITING"  # for an event
    ENDED = "ENDED"


class Enrollment(models.Model):
    """One record going through one workflow. A queue table: claimed when due, across accounts."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="enrollments", db_index=False)
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    revision_number = models.IntegerField()  # that `position` was found in; runs follow the newest (R-EDIT-5)
    position = models.TextField(default="")  # where it goes on, as engine/advance.py says
    step_id = models.TextField(default="")  # the step it is shown at (R-LOG-4)
    state = models.TextField(choices=EnrollmentState.choices, default=EnrollmentState.DUE)
    due_at = models.DateTimeField(null=True)
    #: The kind of event, or "property:<name>", whose arrival goes on at `happened` before the time is up.
    waits_for = models.TextField(default="")
    happened = models.TextField(default="")
    attempts = models.SmallIntegerField(default=0)
    depth = models.SmallIntegerField(default=0)
    #: Actions performed so far; tells a step's second time from its first where the way leads back (R-EXEC-23).
    acted = models.IntegerField(db_default=0)
    event_id = models.BigIntegerField(null=True)  # what enrolled it
    outputs = models.JSONField(default=dict)  # {step id: {name: value}} for tokens and branches
    enrolled_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "workflow", "object_type", "record_id"], name="enrolled_once_at_a_time",
                condition=~Q(state="ENDED"),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["due_at"], name="enrollment_due", condition=Q(state="DUE")),
            models.Index(
                fields=["account_id", "due_at"], name="enrollment_due_account", condition=Q(state="DUE")
            ),
            models.Index(fields=["account_id", "object_type", "record_id"], name="enrollment_of_record"),
            models.Index(fields=["account_id", "workflow", "id"], name="enrollment_of_workflow"),
            models.Index(
                fields=["account_id", "object_type", "record_id", "waits_for"],
                name="enrollment_waiting_for",
                condition=~Q(waits_for=""),
            ),
        ]


class StepStatus(models.TextChoices):
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    SCHEDULED = "SCHEDULED"


class StepLog(models.Model):
    """What one step did for one record, and why (R-LOG-2)."""

    account_id = models.BigIntegerField()
    workflow_id = models.BigIntegerField()
    enrollment_id = models.BigIntegerField()
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    revision_number = models.IntegerField()
    step_id = models.TextField()
    kind = models.TextField()
    status = models.TextField(choices=StepStatus.choices)
    message = models.TextField(default="")
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "enrollment_id", "id"], name="step_of_enrollment"),
            models.Index(fields=["account_id", "workflow_id", "-id"], name="step_of_workflow"),
        ]


class StepComment(models.Model):
    """A note on a step for other editors; it stays with the step's id (R-ACT-6)."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="comments")
    step_id = models.TextField()
    author_id = models.BigIntegerField()
    text = models.TextField()
    reply_to = models.ForeignKey("self", models.CASCADE, null=True, related_name="replies")
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow", "step_id"], name="comment_of_step")]


class MailTemplate(models.Model):
    """A mail that automation sends. The two built-in ones are made with the account and may be edited (R-MAIL-1)."""

    account_id = models.BigIntegerField()
    key = models.TextField(default="")  # ticket_received, ticket_closed; "" for the account's own
    name = models.TextField()
    subject = models.TextField()
    body = models.TextField()  # Liquid; plain words, made into HTML when sent
    is_transactional = models.BooleanField(
        default=True
    )  # R-MAIL-2; else to marketing contacts only (R-MAIL-4)
    revision = models.IntegerField(default=1)
    updated_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)  # not to be chosen any more; no workflow sends it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "key"], name="built_in_template_once", condition=~Q(key="")
            ),
        ]
