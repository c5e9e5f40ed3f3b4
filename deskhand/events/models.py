"""The append-only log, and the queue of events that subscribers have yet to hear."""

from __future__ import annotations

from django.db import models


class EventRow(models.Model):
    """One fact. The table is partitioned by month; old months may be dropped, the history of properties not."""

    id = models.BigAutoField(primary_key=True)
    account_id = models.BigIntegerField()
    kind = models.TextField()
    object_type = models.TextField()
    object_id = models.BigIntegerField()
    version = models.BigIntegerField()
    actor_kind = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    cause = models.JSONField(null=True)
    depth = models.SmallIntegerField(default=0)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "events_event"
        indexes = [
            models.Index(fields=["account_id", "object_type", "object_id", "id"], name="event_of_record")
        ]


class PendingEvent(models.Model):
    """An event that AFTER_COMMIT subscribers have not heard yet; its id is the event's."""

    id = models.BigIntegerField(primary_key=True)
    account_id = models.BigIntegerField()
    object_type = models.TextField()
    object_id = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    attempts = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    error = models.TextField(default="")
    quarantined_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id", "id"],
                name="pending_of_account",
                condition=models.Q(quarantined_at=None),
            ),
            models.Index(fields=["account_id", "object_type", "object_id", "id"], name="pending_of_record"),
        ]
