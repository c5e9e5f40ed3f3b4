"""What people were told, and what they want to be told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Notification(models.Model):
    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    event_id = models.BigIntegerField()
    topic = models.TextField()
    ticket_id = models.BigIntegerField(null=True)  # crm.Ticket
    #: Tickets it leads to instead, the first that the reader may see, once that one is gone.
    others = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    about_kind = models.TextField(
        default="", db_default=""
    )  # types.Kind or the type of a record, of what is about no ticket; or "task"
    about_id = models.BigIntegerField(null=True)
    about_name = models.TextField(default="", db_default="")  # as it was called then
    text = models.TextField(default="", db_default="")  # what a workflow says
    pops_up = models.BooleanField(default=False, db_default=False)  # on the page that is open (R-NOT-4)
    digest = models.BooleanField(default=False, db_default=False)  # waits to be named in a mail with others
    #: Of failures, or of tickets handed over, that are told as one.
    number = models.IntegerField(default=1, db_default=1)
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
            models.Index(
                fields=["account_id", "user_id"],
                name="notification_unread_others",
                condition=models.Q(read_at=None) & ~models.Q(others=[]),
            ),
            models.Index(
                fields=["account_id", "user_id"],
                name="notification_to_digest",
                condition=models.Q(digest=True),
            ),
        ]


class DefaultWish(models.Model):
    """By which ways those of an account are told of a topic who chose nothing themselves, where an administrator said so
    (R-NOT-3); locked, it holds for everybody (R-NOT-12)."""

    account_id = models.BigIntegerField()
    topic = models.TextField()
    ways = ArrayField(models.TextField())  # wishes.Way
    is_locked = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "topic"], name="default_wish_once")]


class Wish(models.Model):
    """By which ways somebody is told of a topic, where they chose."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    topic = models.TextField()
    ways = ArrayField(models.TextField())  # wishes.Way

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id", "topic"], name="wish_once")]


class Personal(models.Model):
    """What somebody said of all topics at once."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    is_quiet = models.BooleanField(
        default=True, db_default=True
    )  # all but the bell waits while they are away (R-NOT-14)
    off = ArrayField(
        models.TextField(), default=list, db_default=[]
    )  # wishes.Way: switched off, whatever was chosen (R-NOT-5)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="personal_once")]


class MailLimit(models.Model):
    """How many mails of one topic a person gets in an hour, where an administrator said so; the rest comes as one mail."""

    account_id = models.BigIntegerField()
    hourly = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id"], name="mail_limit_once")]


class Mailed(models.Model):
    """Mails that left for one person about one topic at one time, as long as a limit counts them."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    topic = models.TextField()
    number = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "user_id", "at"], name="mailed_lately")]


class Browser(models.Model):
    """A browser that somebody allowed to show what they are told; its address and keys are encrypted."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    name = models.TextField()  # as it called itself
    mark = models.TextField()  # reaching.mark_of
    endpoint = models.TextField()
    key = models.TextField()
    secret = models.TextField()
    added_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "mark"], name="browser_once")]
        indexes = [models.Index(fields=["account_id", "user_id"], name="browser_of_user")]


class Chat(models.Model):
    """The incoming webhook of a chat in which somebody wants to be told; its address is encrypted."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    service = models.TextField()  # delivery.chats.NAMES
    address = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="chat_once")]


class PushKey(models.Model):
    """The one key by which push services know this installation, encrypted."""

    private = models.TextField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_push_key")]
