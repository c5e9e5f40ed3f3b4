"""How an account's customer portal is set up, who is signed in to it, and what came through it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Reach(models.TextChoices):
    """Whose requests a customer sees besides their own (R-POR-3)."""

    OWN = "OWN"  # nobody's
    COMPANY = "COMPANY"  # everybody's of their primary company
    CHOSEN = "CHOSEN"  # the same, for contacts who meet `Portal.condition`


class Portal(models.Model):
    """The portal of an account; off until somebody switches it on."""

    account_id = models.BigIntegerField(unique=True)
    is_on = models.BooleanField(default=False)
    name = models.TextField(default="")  # empty: the account's
    accent = models.TextField(default="")  # "#rrggbb", by day; empty: ours
    accent_dark = models.TextField(default="")  # by night
    takes_strangers = models.BooleanField(
        default=True
    )  # who is no contact yet becomes one by signing in (R-POR-6)
    reach = models.TextField(choices=Reach.choices, default=Reach.OWN)
    condition = models.JSONField(default=dict)  # of contacts, as crm.filters.as_json writes it
    channel_account_id = models.BigIntegerField(
        null=True
    )  # desk.ChannelAccount of new requests (R-POR-5); None: the default
    #: {id of a status: {"label": what customers read, "is_hidden": they read "Open" or "Closed"}} (R-POR-10)
    stages = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(reach__in=Reach.values), name="portal_known_reach"),
        ]


class SignInLink(models.Model):
    """A link that was mailed to an address. Only its signature in the mail opens it, and only once."""

    account_id = models.BigIntegerField()
    email = models.TextField()  # lower case
    ticket_id = models.BigIntegerField(null=True)  # crm.Ticket that was asked for
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "expires_at"], name="portal_link_by_end")]


class Session(models.Model):
    """A customer who is signed in. The cookie has the token; here is its digest."""

    account_id = models.BigIntegerField()
    digest = models.TextField()
    email = models.TextField()  # whose mailbox opened the link, lower case
    contact_id = models.BigIntegerField()  # crm.Contact
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "digest"], name="portal_session_once")]
        indexes = [models.Index(fields=["account_id", "expires_at"], name="portal_session_by_end")]


class PostState(models.TextChoices):
    WAITING = "WAITING"  # stored and acknowledged, to be filed
    DONE = "DONE"


class Post(models.Model):
    """What a customer sent by a form, as it came. A queue table, claimed across accounts."""

    account_id = models.BigIntegerField()
    contact_id = models.BigIntegerField()  # crm.Contact
    email = models.TextField()
    name = models.TextField(default="")
    form_key = models.TextField()  # digest of the form and what it held: the same sent twice is one post
    ticket_id = models.BigIntegerField(null=True)  # crm.Ticket that is answered; None: a new request
    subject = models.TextField(default="")
    body = models.TextField()
    files = models.JSONField(default=list)  # StoredFile, flat
    received_at = models.DateTimeField()
    state = models.TextField(
        choices=PostState.choices, default=PostState.WAITING, db_default=PostState.WAITING
    )
    due_at = models.DateTimeField(db_default=Now())
    attempts = models.IntegerField(default=0, db_default=0)
    error = models.TextField(default="", db_default="")
    outcome = models.TextField(default="", db_default="")  # desk.types.Outcome
    outcome_detail = models.TextField(default="", db_default="")  # why, for people
    message_ref = models.BigIntegerField(null=True)  # desk.Message it became
    ticket_ref = models.BigIntegerField(null=True)  # crm.Ticket it created or joined
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "form_key"], name="portal_post_once"),
            models.CheckConstraint(condition=Q(state__in=PostState.values), name="portal_post_known_state"),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="portal_post_due", condition=Q(state=PostState.WAITING)),
        ]
