"""Mail as it came in, which mails were seen already, and how our team addresses reach their mailboxes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from deskhand.desk.models import ChannelAccount
from deskhand.kernel import crypto

IMAP_PASSWORD, SMTP_PASSWORD = "imap password", "smtp password"  # what their keys are for


class MailState(models.TextChoices):
    WAITING = "WAITING"  # stored and acknowledged, to be read
    DONE = "DONE"  # `outcome` says what became of it
    QUARANTINED = "QUARANTINED"  # could not be filed; a person looks


# Outcomes of a mail that its server does not hand over (R15): the row stands in for it, without a byte of it.
NOT_FETCHED = "not-fetched"  # in quarantine
FETCH_AGAIN = "fetch-again"  # still there, and a person asked for another try
GONE = "gone"  # at that try there was no such mail any more


class InboundMail(models.Model):
    """One mail for one of our addresses, byte for byte. A queue table, claimed across accounts.

    Ids in place of foreign keys: accepting a mail takes no locks on what it is for.
    """

    account_id = models.BigIntegerField()
    channel_account_id = models.BigIntegerField()
    transport = models.TextField()  # lmtp, smtp, imap, ingest
    #: Names this delivery to its transport (R10), e.g. folder, UIDVALIDITY and UID; empty where it has no name.
    transport_key = models.TextField(default="", db_default="")
    envelope_from = models.TextField(default="", db_default="")  # empty: the null sender
    recipient = models.TextField()  # as the sender wrote it, tag and all (R5)
    received_at = models.DateTimeField(db_default=Now())
    sha256 = models.TextField()  # of `raw`
    size = (
        models.BigIntegerField()
    )  # bytes on the other side; more than `raw` has where only the head was taken
    raw = models.BinaryField()
    is_head_only = models.BooleanField(default=False, db_default=False)  # too large: headers without the body
    state = models.TextField(choices=MailState, default=MailState.WAITING, db_default=MailState.WAITING)
    attempts = models.SmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now())
    #: created, joined, threaded, duplicate, bounce, auto-reply, spam, loop, quarantined, not-fetched, fetch-again, gone
    outcome = models.TextField(default="", db_default="")
    outcome_detail = models.TextField(default="", db_default="")  # why, for people
    error = models.TextField(default="", db_default="")
    message_ref = models.BigIntegerField(null=True)  # desk.Message it became
    ticket_ref = models.BigIntegerField(null=True)  # crm.Ticket it created or joined
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "transport", "transport_key"],
                condition=~Q(transport_key=""),
                name="inbound_mail_once_per_key",
            ),
            models.CheckConstraint(condition=Q(state__in=MailState.values), name="inbound_mail_known_state"),
            models.CheckConstraint(
                condition=Q(state=MailState.WAITING) | (Q(done_at__isnull=False) & ~Q(outcome="")),
                name="inbound_mail_end_has_an_outcome",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "due_at", "id"],
                condition=Q(state=MailState.WAITING),
                name="inbound_mail_due_account",
            ),
            models.Index(fields=["due_at"], condition=Q(state=MailState.WAITING), name="inbound_mail_due"),
            models.Index(F("account_id"), F("state"), F("id").desc(), name="inbound_mail_screen"),
            models.Index(
                fields=["id"], condition=Q(state=MailState.QUARANTINED), name="inbound_mail_quarantine"
            ),
            models.Index(
                fields=["account_id", "message_ref"],
                condition=Q(message_ref__isnull=False),
                name="inbound_mail_of_message",
            ),
        ]


class SeenMail(models.Model):
    """That a channel account has filed this very mail (R9): the insert decides, never a look before it (R10)."""

    account_id = models.BigIntegerField()
    channel_account_id = models.BigIntegerField()
    message_id = models.TextField()
    fingerprint = (
        models.TextField()
    )  # of what a person reads in it; the same id with another text is another mail
    seen_at = models.DateTimeField(db_default=Now())
    times = models.IntegerField(default=1, db_default=1)  # how often it came

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "channel_account_id", "message_id", "fingerprint"],
                name="seen_mail_once",
            ),
        ]


class Security(models.TextChoices):
    TLS = "TLS"
    STARTTLS = "STARTTLS"
    NONE = "NONE"


class MailboxState(models.TextChoices):
    OFF = "OFF"  # no mailbox to read: mail comes by the listener
    WAITING = "WAITING"  # to be read, not tried yet
    OK = "OK"
    RETRYING = "RETRYING"  # in trouble; `last_error` says which, `retry_at` when next
    REFUSED = "REFUSED"  # name or password refused: a person must act, tried rarely


class EmailAccount(models.Model):
    """How one of our addresses is read and answered: a mailbox by IMAP, a server to send through (R-EM-1).

    Passwords are sealed, each with a key of its own; `set_imap_password` and `imap_password` are the way to them.
    """

    account_id = models.BigIntegerField()
    channel_account = models.OneToOneField(ChannelAccount, models.CASCADE, related_name="email")
    imap_host = models.TextField(default="", db_default="")
    imap_port = models.IntegerField(default=993, db_default=993)
    imap_security = models.TextField(choices=Security, default=Security.TLS, db_default=Security.TLS)
    imap_user = models.TextField(default="", db_default="")
    imap_password_sealed = models.TextField(default="", db_default="")
    imap_folder = models.TextField(default="INBOX", db_default="INBOX")
    #: Read mail is moved here; empty: it stays, and the last UID says how far we are.
    processed_folder = models.TextField(default="Processed", db_default="Processed")

    smtp_host = models.TextField(default="", db_default="")  # empty: the installation's server sends
    smtp_port = models.IntegerField(default=587, db_default=587)
    smtp_security = models.TextField(
        choices=Security, default=Security.STARTTLS, db_default=Security.STARTTLS
    )
    smtp_user = models.TextField(default="", db_default="")
    smtp_password_sealed = models.TextField(default="", db_default="")

    state = models.TextField(choices=MailboxState, default=MailboxState.OFF, db_default=MailboxState.OFF)
    read_from = models.TextField(default="", db_default="")  # the server's folder that the next two are about
    uidvalidity = models.BigIntegerField(null=True)
    last_uid = models.BigIntegerField(default=0, db_default=0)  # all up to here are stored
    last_success_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="")
    last_cause = models.TextField(default="", db_default="")  # causes.Cause of it
    retry_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0, db_default=0)  # in a row
    rescanned_at = models.DateTimeField(null=True)  # when the server last numbered the folder anew (R11)
    #: Mail that came earlier stays where it is; null: all of it is taken.
    take_since = models.DateTimeField(null=True, db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=MailboxState.values), name="email_account_known_state"
            ),
            models.CheckConstraint(
                condition=Q(imap_security__in=Security.values, smtp_security__in=Security.values),
                name="email_account_known_security",
            ),
            models.CheckConstraint(
                condition=Q(state=MailboxState.OFF) | ~Q(imap_host=""), name="email_account_read_has_a_host"
            ),
        ]
        indexes = [models.Index(fields=["account_id", "channel_account"], name="email_account_of_channel")]

    @property
    def imap_password(self) -> str:
        return crypto.decrypt(self.imap_password_sealed, account_id=self.account_id, purpose=IMAP_PASSWORD)

    def set_imap_password(self, plain: str) -> None:
        self.imap_password_sealed = crypto.encrypt(plain, account_id=self.account_id, purpose=IMAP_PASSWORD)
        self.retry_at, self.failures = None, 0  # tried at once

    @property
    def smtp_password(self) -> str:
        return crypto.decrypt(self.smtp_password_sealed, account_id=self.account_id, purpose=SMTP_PASSWORD)

    def set_smtp_password(self, plain: str) -> None:
        self.smtp_password_sealed = crypto.encrypt(plain, account_id=self.account_id, purpose=SMTP_PASSWORD)
