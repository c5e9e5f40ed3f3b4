"""What people were told, and what they want to be told."""

from __future__ import annotations

from django.db import models


class Notification(models.Model):
    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    event_id = models.BigIntegerField()
    topic = models.TextField()
    ticket_id = models.BigIntegerField(null=True)  # crm.Ticket
    about_kind = models.TextField(
        default="", db_default=""
    )  # types.Kind or the type of a record, of what is about no ticket; or "task"
    about_id = models.BigIntegerField(null=True)
    about_name = models.TextField(default="", db_default="")  # as it was called then
    text = models.TextField(default="", db_default="")  # what a workflow says
    number = models.IntegerField(default=1, db_default=1)  # of failures that are told as one
    actor_kind = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id", "event_id"], name="notification_once"),
            models.CheckConstraint(
                condition=models.Q(ticket_id__isnull=False) | ~models.Q(about_kind=""),
                name="notification_about_something",
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "user_id", "-id"], name="notification_newest"),
            models.Index(
                fields=["account_id", "user_id", "ticket_id"],
                name="notification_unread",
                condition=models.Q(read_at=None),
            ),
        ]


class DefaultWish(models.Model):
    """By which ways those of an account are told of a topic who chose nothing themselves, where an administrator said so
    (R-NOT-3)."""

    account_id = models.BigIntegerField()
    topic = models.TextField()
    bell = models.BooleanField()
    mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "topic"], name="default_wish_once")]


class Wish(models.Model):
    """By which ways somebody is told of a topic, where they chose."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    topic = models.TextField()
    bell = models.BooleanField()
    mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id", "topic"], name="wish_once")]


class Quiet(models.Model):
    """Whether mail waits in the bell while somebody is away (R-NOT-14), where they said so."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    is_on = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="quiet_once")]
