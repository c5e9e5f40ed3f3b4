"""Timers: anything that must happen at a time is a row here, claimed by one loop."""

from __future__ import annotations

from django.db import models


class Timer(models.Model):
    """`kind` names the handler in wiring; the same key twice is one timer."""

    account_id = models.BigIntegerField()
    kind = models.TextField()
    key = models.TextField()
    due_at = models.DateTimeField()
    payload = models.JSONField(default=dict)
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(default="")
    quarantined_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "kind", "key"], name="timer_once")]
        indexes = [
            models.Index(fields=["due_at"], name="timer_due", condition=models.Q(quarantined_at=None)),
            models.Index(
                fields=["account_id", "due_at"],
                name="timer_due_account",
                condition=models.Q(quarantined_at=None),
            ),
        ]
