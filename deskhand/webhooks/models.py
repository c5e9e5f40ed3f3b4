"""Where apps want to be told, of what, and what was sent to them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

MOST_AT_ONCE = 100  # requests at once that an app may ask for


class Target(models.Model):
    """Where an app is told, and how much at a time."""

    account_id = models.BigIntegerField()
    app = models.OneToOneField("accounts.App", models.CASCADE, related_name="+")
    url = models.TextField()
    max_concurrent = models.IntegerField()
    paused_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)  # the first try that failed since the last that did not
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_concurrent__gte=1, max_concurrent__lte=MOST_AT_ONCE),
                name="webhook_some_at_once",
            )
        ]


class Subscription(models.Model):
    """What an app wants to be told of."""

    account_id = models.BigIntegerField()
    app = models.ForeignKey("accounts.App", models.CASCADE, related_name="+", db_index=False)
    event_type = models.TextField()  # types.EVENT_TYPES
    property_name = models.TextField(default="")  # where a change of one is meant
    object_type = models.TextField(default="")  # of "object.…": the kind of record
    active = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "event_type", "property_name", "object_type"], name="webhook_told_once"
            )
        ]
        indexes = [models.Index(fields=["account_id"], condition=Q(active=True), name="webhook_active")]


class Delivery(models.Model):
    """One request to an app: its events, and what each try came to. Whether it is sent says its entry in the outbox."""

    account_id = models.BigIntegerField()
    app = models.ForeignKey("accounts.App", models.CASCADE, related_name="+", db_index=False)
    entry_id = models.BigIntegerField(null=True)  # delivery.OutboxEntry, of the last time that it was put in
    events = models.JSONField()  # as they are sent, but for the number of the try
    is_test = models.BooleanField(default=False)
    rounds = models.IntegerField(default=0)  # how often somebody had it sent again
    #: The last tries, oldest first: {"at", "attempt", "status"?, "text"}.
    tries = models.JSONField(default=list)
    busy_until = models.DateTimeField(null=True)  # while it is asked; a worker that dies leaves it to run out
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(F("account_id"), F("app_id"), F("id").desc(), name="webhook_log"),
            models.Index(fields=["account_id", "created_at"], name="webhook_by_age"),
            models.Index(fields=["app"], condition=Q(busy_until__isnull=False), name="webhook_busy"),
        ]
