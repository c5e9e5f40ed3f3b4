"""Inboxes, channel accounts, threads and what was said in them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from deskhand.desk import unwritten


class InboxKind(models.TextChoices):
    HELP_DESK = "HELP_DESK"
    INBOX = "INBOX"


class Inbox(models.Model):
    """A set of channels worked together: the help desk, or a plain inbox."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    kind = models.TextField(choices=InboxKind.choices, default=InboxKind.HELP_DESK)
    display_order = models.IntegerField(default=0)
    archived_at = models.DateTimeField(null=True)


class ChannelAccount(models.Model):
    """One way in: our address on a channel, with what becomes of its new conversations."""

    account_id = models.BigIntegerField()
    inbox = models.ForeignKey(Inbox, models.PROTECT, related_name="channel_accounts")
    channel = models.TextField()  # email, form, chat, …: known to wiring
    name = models.TextField()
    address = models.TextField()  # lower case for e-mail
    creates_tickets = models.BooleanField(default=True)  # R-CC-2; off: threads without tickets
    pipeline_id = models.BigIntegerField(null=True)  # crm.Pipeline; None: the default one
    stage_id = models.BigIntegerField(null=True)  # crm.Stage; None: its first OPEN one (R-CC-11)
    from_name = models.TextField(default="")  # what customers read before the address; empty: `name`
    shows_agent = models.BooleanField(default=True)  # "Grace Hopper (Support)" instead of "Support"
    signature = models.TextField(default="")  # under every reply, in plain words
    quotes_history = models.BooleanField(default=True)  # replies carry what was said before
    is_default = models.BooleanField(default=False)  # R-MAIL-10
    settings = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address"], name="channel_address_once", condition=Q(archived_at=None)
            ),
        ]
        indexes = [models.Index(fields=["account_id", "inbox"], name="channel_account_of_inbox")]


class Thread(models.Model):
    """One conversation on one channel account. A ticket may own several (R-DM-10)."""

    account_id = models.BigIntegerField()
    inbox = models.ForeignKey(Inbox, models.PROTECT, related_name="+")
    channel_account = models.ForeignKey(ChannelAccount, models.PROTECT, related_name="+")
    ticket_id = models.BigIntegerField(null=True)  # crm.Ticket
    contact_id = models.BigIntegerField(null=True)  # crm.Contact
    subject = models.TextField(default="")
    is_open = models.BooleanField(default=True)
    is_spam = models.BooleanField(default=False)
    is_side = models.BooleanField(default=False)  # a forward to a third party (R-EM-8)
    closed_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)
    #: Whose it is while it belongs to no ticket; a ticket's conversations are its owner's (R-DM-10).
    assignee_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    last_message_at = models.DateTimeField()
    last_received_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    preview = models.TextField(default="")
    message_count = models.IntegerField(default=0)
    #: The conversation that it was split off from, and whose tokens its older messages carry; always the first one.
    split_from_id = models.BigIntegerField(null=True)
    #: Lower-case addresses of the people in it; who else is no stranger is in `senders` (R-STAT-17).
    participants = ArrayField(models.TextField(), default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ticket_id=None) | Q(assignee_id=None), name="thread_of_ticket_is_its_owner_s"
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "ticket_id"], name="thread_of_ticket"),
            models.Index(fields=["account_id", "contact_id", "-last_message_at"], name="thread_of_contact"),
            models.Index(
                fields=["account_id", "-last_message_at", "-id"],
                name="thread_without_ticket",
                condition=Q(ticket_id=None, is_spam=False, archived_at=None),
            ),
            models.Index(
                fields=["account_id", "-last_message_at", "-id"],
                name="thread_filtered",
                condition=Q(ticket_id=None, is_spam=True, archived_at=None),
            ),
        ]


class Direction(models.TextChoices):
    IN = "IN"
    OUT = "OUT"
    NONE = "NONE"


class MessageKind(models.TextChoices):
    MESSAGE = "MESSAGE"
    COMMENT = "COMMENT"
    EVENT = "EVENT"


class Delivery(models.TextChoices):
    """How far an outgoing message came."""

    NONE = "NONE"
    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"
    BOUNCED = "BOUNCED"


class Message(models.Model):
    """What was said, said privately, or happened, in one thread."""

    account_id = models.BigIntegerField()
    thread = models.ForeignKey(Thread, models.PROTECT, related_name="messages")
    ticket_id = models.BigIntegerField(null=True)  # the thread's, kept for reading a ticket in one query
    kind = models.TextField(choices=MessageKind.choices, default=MessageKind.MESSAGE)
    direction = models.TextField(choices=Direction.choices, default=Direction.NONE)
    actor_kind = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    sender_name = models.TextField(default="")
    sender_address = models.TextField(default="")
    recipients = models.JSONField(default=dict)  # {"to": [{"name","email"}], "cc": […], "bcc": […]}
    subject = models.TextField(default="")
    text = models.TextField(default="")  # own words, after trimming the quote
    quoted = models.TextField(default="")
    html = models.TextField(default="")  # sanitised; empty when text says all
    #: What the words of an automatic mail will be made of; null once they stand here. See `unwritten`.
    filling = models.JSONField(null=True)
    external_id = models.TextField(default="")  # Message-ID without brackets
    in_reply_to = models.TextField(default="")
    #: Which rule or workflow wrote it, for automatic mail and system lines.
    cause = models.JSONField(null=True)
    is_automatic = models.BooleanField(default=False)  # ours (R-MAIL-13) or theirs (R-STAT-18)
    is_forward = models.BooleanField(default=False)
    is_unverified = models.BooleanField(default=False)  # a stranger on a known thread
    #: Of what arrived into Spam and was heard by nobody: whose request it would be, and whether only a machine says how
    #: it went: {"requester": {"email", "name"}, "is_machine"}.
    filtered = models.JSONField(null=True)
    delivery = models.TextField(choices=Delivery.choices, default=Delivery.NONE)
    delivery_error = models.TextField(default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    date_text = models.TextField(default="")  # the sender's own Date, for show
    #: The form's own key: the same form sent twice is one message.
    send_key = models.TextField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "send_key"], name="message_sent_once")]
        indexes = [
            models.Index(fields=["account_id", "ticket_id", "id"], name="message_of_ticket"),
            models.Index(fields=["account_id", "thread", "id"], name="message_of_thread"),
            models.Index(
                fields=["account_id", "external_id"],
                name="message_by_external_id",
                condition=~Q(external_id=""),
            ),
        ]

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any) -> Message:
        """A mail that is not written yet reads as it will be written; who loads its text must load its `filling`."""
        message = super().from_db(db, field_names, values)
        filling = message.__dict__.get("filling")
        if filling is not None:
            words = unwritten.read(filling)
            message.subject, message.text, message.html = words.subject, words.text, words.html
        return message


class Attachment(models.Model):
    account_id = models.BigIntegerField()
    message = models.ForeignKey(Message, models.CASCADE, related_name="attachments")
    position = models.SmallIntegerField(default=0)
    name = models.TextField()
    content_type = models.TextField()
    size = models.BigIntegerField()
    sha256 = models.TextField()
    content_id = models.TextField(default="")
    is_inline = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["account_id", "message"], name="attachment_of_message")]


class Draft(models.Model):
    """What a person has typed and not sent, per ticket and mode (R-WORK-6)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    mode = models.TextField(default="reply")  # reply, comment
    body = models.TextField(default="")
    html = models.TextField(default="")  # sanitised; empty when the body says all
    recipients = models.JSONField(default=dict)  # {"to", "cc", "bcc"}: as typed
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id", "ticket_id", "mode"], name="draft_once")
        ]
        indexes = [models.Index(fields=["account_id", "ticket_id"], name="draft_of_ticket")]


class DraftFile(models.Model):
    """A file that goes along with what a person is writing in a ticket; its bytes are in the file store."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    name = models.TextField()
    content_type = models.TextField()
    size = models.BigIntegerField()
    sha256 = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "user_id", "ticket_id"], name="draft_file_of_user"),
        ]


class LaterReply(models.Model):
    """A reply that is written and leaves at a moment: in some seconds, so that it can be taken back, or when planned.

    Until then nothing has happened: no message, no status, no owner.
    """

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    text = models.TextField()
    html = models.TextField(default="")
    recipients = models.JSONField(default=dict)  # {"to": [{"name","email"}], "cc": […], "bcc": […]}
    files = models.JSONField(default=list)  # StoredFile, flat
    stage_id = models.BigIntegerField(null=True)
    properties = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # what that status asks for
    send_key = models.TextField(null=True)
    is_planned = models.BooleanField(default=False)  # else it only waits to be taken back
    leaves_at = models.DateTimeField()
    created_at = models.DateTimeField()
    error = models.TextField(default="")  # why it could not leave, for people

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "send_key"], name="later_reply_once")]
        indexes = [models.Index(fields=["account_id", "ticket_id"], name="later_reply_of_ticket")]


class Audience(models.TextChoices):
    """Who has a snippet."""

    PRIVATE = "PRIVATE"
    TEAM = "TEAM"
    EVERYONE = "EVERYONE"


class Snippet(models.Model):
    """A text that agents put into what they write by its shortcut."""

    account_id = models.BigIntegerField()
    owner_id = models.BigIntegerField()  # who wrote it; theirs alone while PRIVATE
    audience = models.TextField(choices=Audience.choices, default=Audience.PRIVATE)
    team_id = models.BigIntegerField(null=True)  # of TEAM
    name = models.TextField()
    shortcut = models.TextField()  # lower case, without the slash
    body = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "shortcut", "id"], name="snippet_by_shortcut")]


class Presence(models.Model):
    """Who has a ticket open this minute, and whether they write. Unlogged, and short-lived: a crash may empty it."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    state = models.TextField()  # viewing, writing, idle
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "ticket_id", "user_id"], name="presence_once")
        ]


class Follower(models.Model):
    """Who follows a ticket, or has said not to: an explicit "no" beats automatic following (R-WORK-10)."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    follows = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id", "ticket_id"], name="follower_once")
        ]
        indexes = [models.Index(fields=["account_id", "ticket_id"], name="follower_of_ticket")]


class Mention(models.Model):
    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    message = models.ForeignKey(Message, models.CASCADE, related_name="mentions")
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "message", "user_id"], name="mention_once")
        ]
        indexes = [
            models.Index(fields=["account_id", "user_id", "ticket_id"], name="mention_of_user"),
            models.Index(fields=["account_id", "ticket_id"], name="mention_of_ticket"),
        ]


class Seen(models.Model):
    """When a person last read a ticket (R-WORK-13)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id", "ticket_id"], name="seen_once")
        ]
        indexes = [models.Index(fields=["account_id", "ticket_id"], name="seen_of_ticket")]


class Sharing(models.TextChoices):
    PRIVATE = "PRIVATE"
    TEAM = "TEAM"
    EVERYONE = "EVERYONE"


class CustomView(models.Model):
    """Filters, columns and an order that somebody gave a name (R-VIEW-5)."""

    account_id = models.BigIntegerField()
    owner_id = models.BigIntegerField()  # accounts.User
    name = models.TextField()
    sharing = models.TextField(choices=Sharing.choices, default=Sharing.PRIVATE)
    team_id = models.BigIntegerField(null=True)  # accounts.Team, when it is shared with one
    pipeline_id = models.BigIntegerField(null=True)  # crm.Pipeline; None: of all of them
    condition = models.JSONField(default=dict)  # as crm.filters.as_json writes it
    columns = ArrayField(models.TextField(), default=list)
    sort = models.TextField()
    #: What it asked for and is deleted, by name, until somebody saves it anew: [{"kind": "pipeline" | "status", "label"}].
    gone = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "owner_id", "name"], name="custom_view_name_once")
        ]


class Preferences(models.Model):
    """How somebody wants the inbox: how dense the list is, what is pinned in the panel, which parts are folded."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    is_compact = models.BooleanField(default=False)
    writes_rich = models.BooleanField(default=False)  # with formatting; else plain words
    pinned = ArrayField(
        models.TextField(), default=list
    )  # names of ticket properties, in the order of pinning
    folded = ArrayField(models.TextField(), default=list)  # keys of sections
    columns = models.JSONField(default=dict)  # of tables, by what they show: {"pipeline-7": [property, …]}
    view_order = ArrayField(models.BigIntegerField(), default=list)  # custom views; others come after
    collapsed = models.JSONField(
        default=dict
    )  # columns of boards, by status: {"12": true}; others as R-BOARD-4 says

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="preferences_once")]


class Snooze(models.Model):
    """A ticket that somebody, or the whole account, wants to see no sooner than `until`, or than the customer writes
    (R-WORK-9)."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    user_id = models.BigIntegerField(null=True)  # None: for everybody
    until = models.DateTimeField(null=True)  # None: until the customer replies
    set_by = models.BigIntegerField()
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "ticket_id", "user_id"], name="snooze_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["account_id", "user_id", "ticket_id"], name="snooze_of_user")]


class Merge(models.Model):
    """One ticket went into another one; `moved` is what it takes to part them again (R-MERGE-8)."""

    account_id = models.BigIntegerField()
    survivor_id = models.BigIntegerField()  # crm.Ticket
    merged_id = models.BigIntegerField()  # crm.Ticket
    merged_at = models.DateTimeField()
    merged_by = models.BigIntegerField()
    moved = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "survivor_id"], name="merge_of_survivor"),
            models.Index(fields=["account_id", "merged_id"], name="merge_of_merged"),
        ]


class Split(models.Model):
    """Messages of one ticket became another one, or were copied into it; `moved` is what it takes to undo that."""

    account_id = models.BigIntegerField()
    from_id = models.BigIntegerField()  # crm.Ticket
    to_id = models.BigIntegerField()  # crm.Ticket
    is_copy = models.BooleanField(default=False)
    at = models.DateTimeField()
    by_id = models.BigIntegerField(null=True)  # accounts.User
    moved = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "to_id"], name="split_into")]


class BlockedSender(models.Model):
    """An address whose mail is spam at once (R-SPAM-2)."""

    account_id = models.BigIntegerField()
    address = models.TextField()  # lower case
    blocked_at = models.DateTimeField()
    blocked_by = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "address"], name="blocked_sender_once")]
