"""What leaves the product: the outbox, the fence before it, and the built-in mailbox that the demo sends to."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now


class State(models.TextChoices):
    WAITING = "WAITING"  # to be sent at due_at; without one, until there is a server to send through
    SENDING = "SENDING"  # claimed until lease_until
    SENT = "SENT"  # the other side took it
    FAILED = "FAILED"  # the other side refused it for good, or never took it
    HELD = "HELD"  # a person decides


class OutboxEntry(models.Model):
    """One send. A queue table: the sender reads it across accounts, so row-level security is off (every query
    names the account itself)."""

    account_id = models.BigIntegerField()
    transport = models.TextField()  # a name in wiring's list: mail, webhook
    channel_account_id = models.BigIntegerField(null=True)  # whose server sends it; null: the installation's
    state = models.TextField(choices=State, default=State.WAITING, db_default=State.WAITING)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    tried_since = models.DateTimeField(null=True)  # giving up counts from here
    attempts = models.IntegerField(
        default=0, db_default=0
    )  # also the token of a claim: a late claimer's is stale
    ambiguous = models.IntegerField(
        default=0, db_default=0
    )  # tries whose end nobody knows; copies <= 1 + these
    idempotency_key = models.TextField()
    message_id = models.TextField()  # with its angle brackets; the same in every try
    envelope_from = models.TextField(default="", db_default="")  # empty: the null sender, for pure notices
    recipients = ArrayField(models.TextField())
    answers = models.JSONField(default=dict, db_default={})  # recipient → the definite answer it got
    payload = models.JSONField()  # what the transport renders
    reference_type = models.TextField(default="", db_default="")  # what it carries, in the caller's words
    reference_id = models.BigIntegerField(null=True)
    last_answer = models.TextField(default="", db_default="")
    error = models.TextField(default="", db_default="")  # why it isn't sent yet, for people
    held_reason = models.TextField(default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "idempotency_key"], name="outbox_once_per_key"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="outbox_known_state"),
            models.CheckConstraint(
                condition=Q(state=State.SENDING, lease_until__isnull=False)
                | (~Q(state=State.SENDING) & Q(lease_until__isnull=True)),
                name="outbox_lease_only_while_sending",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.SENT) | Q(sent_at__isnull=False), name="outbox_sent_has_its_time"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.HELD) | ~Q(held_reason=""), name="outbox_held_has_a_reason"
            ),
        ]
        indexes = [
            # The claim goes account by account, so that one account's flood doesn't stop the others.
            models.Index(
                fields=["account_id", "due_at"],
                condition=Q(state=State.WAITING, due_at__isnull=False),
                name="outbox_due_by_account",
            ),
            models.Index(fields=["due_at"], condition=Q(state=State.WAITING), name="outbox_due"),
            models.Index(
                F("account_id"),
                F("transport"),
                Coalesce("channel_account_id", 0),
                condition=Q(state=State.WAITING, due_at__isnull=True),
                name="outbox_unplugged",
            ),
            models.Index(fields=["lease_until"], condition=Q(state=State.SENDING), name="outbox_leases"),
            models.Index(F("account_id"), F("state"), F("id").desc(), name="outbox_screen"),
            models.Index(
                fields=["account_id", "reference_type", "reference_id"],
                condition=Q(reference_id__isnull=False),
                name="outbox_by_reference",
            ),
        ]


class Fence(models.Model):
    """Stands after a restore, for the whole installation: while its one row is there, new sends are held."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    reason = models.TextField()
    raised_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="one_fence"),
            models.CheckConstraint(condition=~Q(reason=""), name="fence_has_a_reason"),
        ]


class Home(models.Model):
    """Where these tables were made, in one row: a database that was restored from a dump is somewhere else.

    So a copy is known, however it was made, from the moment it can be seen; until the fence stands in it, nobody sends.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    place = models.TextField()  # the cluster's own number, and the one that PostgreSQL gave to this table

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_home")]


class SinkMail(models.Model):
    """A mail that the built-in mailbox took instead of the world; read in the browser."""

    account_id = models.BigIntegerField()
    entry_id = models.BigIntegerField()
    envelope_from = models.TextField()
    recipients = ArrayField(models.TextField())
    message_id = models.TextField()
    subject = models.TextField()
    raw = models.BinaryField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "entry_id"], name="sink_once_per_entry"),
        ]
        indexes = [models.Index(F("account_id"), F("id").desc(), name="sink_newest")]
