"""Connecting team addresses, and saying how each is read and answered (R-EM-1). Who may is for the caller to ask.

Passwords are sealed before they are stored, and stand in no audit entry, log or page; where none is given the stored
one stays, but for the server alone that it was given for: another one would be told it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.delivery.relays import Relay
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.events.types import Actor
from deskhand.kernel import hosts
from deskhand.kernel.errors import Invalid, Rejected
from deskhand.kernel.text import one_line

CONNECTED, CHANGED = "channel_account.connected", "channel_account.updated"
_HOST = re.compile(r"(?=.{1,253}$)[^\W_](?:[\w-]{0,61}\w)?(?:\.[^\W_](?:[\w-]{0,61}\w)?)*\.?")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server as people give it. An empty `password` leaves the stored one, while host and encryption stay."""

    host: str
    port: int
    security: Security = Security.TLS
    user: str = ""
    password: str = ""


def connect(inbox: Inbox, address: str, name: str, *, by: Actor) -> ChannelAccount:
    """Take mail for one of our addresses from now on, as it is handed to the listener.

    Raises Invalid for what is no address, or one that is connected already.
    """
    address, name = one_line(address).lower(), one_line(name)
    try:
        validate_email(address)
    except ValidationError as failure:
        raise Invalid(
            _("This is not an email address."), field="address", value=address,
            hint=_("Write it like support@example.com."),
        ) from failure  # fmt: skip
    channel = inboxes.add_channel_account(inbox, channel="email", name=name or address, address=address)
    channel.creates_tickets = inboxes.makes_tickets(inbox)
    channel.save(update_fields=["creates_tickets"])
    EmailAccount.objects.create(account_id=channel.account_id, channel_account=channel)
    audit.record(
        CONNECTED, by=by, target_type="channel_account", target_id=channel.pk, after={"address": address, "name": channel.name}
    )  # fmt: skip
    return channel


def of_channel(channel: ChannelAccount) -> EmailAccount:
    """How the address is read and answered; a new one where nothing was set up yet, not stored."""
    found = EmailAccount.objects.filter(account_id=channel.account_id, channel_account=channel).first()
    return found or EmailAccount(account_id=channel.account_id, channel_account=channel)


def with_incoming(mailbox: EmailAccount, server: Server, folder: str, processed: str) -> EmailAccount:
    """The mailbox as it would be read, not stored. Raises Invalid, naming the field."""
    folder = one_line(folder) or "INBOX"
    if not server.user.strip():
        raise _missing("imap_user", _("Give the user name of the mailbox."))
    if not server.password:
        if not mailbox.imap_password_sealed:
            raise _missing("imap_password", _("Give the password of the mailbox."))
        _refuse_to_tell("imap", server, mailbox.imap_host, mailbox.imap_security)
    if one_line(processed) == folder:
        raise Invalid(
            _("Mail can't be moved to where it is read."), field="processed_folder", value=processed,
            hint=_("Name another folder, or leave it empty."),
        )  # fmt: skip
    mailbox.imap_host, mailbox.imap_port = _checked(server, "imap")
    mailbox.imap_security, mailbox.imap_user = Security(server.security), one_line(server.user)
    mailbox.imap_folder, mailbox.processed_folder = folder, one_line(processed)
    if server.password:
        mailbox.set_imap_password(server.password)
    mailbox.state = MailboxState.WAITING
    return mailbox


def with_outgoing(mailbox: EmailAccount, server: Server) -> EmailAccount:
    """The mailbox with a server of its own to send through, not stored. Raises Invalid, naming the field."""
    if server.user and not server.password:
        if not mailbox.smtp_password_sealed:
            raise _missing("smtp_password", _("Give the password of the mail server."))
        _refuse_to_tell("smtp", server, mailbox.smtp_host, mailbox.smtp_security)
    mailbox.smtp_host, mailbox.smtp_port = _checked(server, "smtp")
    mailbox.smtp_security, mailbox.smtp_user = Security(server.security), one_line(server.user)
    if server.password:
        mailbox.set_smtp_password(server.password)
    if not server.user:
        mailbox.smtp_password_sealed = ""  # or the next server with a user would be told it
    return mailbox


def save(mailbox: EmailAccount, *, by: Actor) -> None:
    """Store what `with_incoming`, `with_outgoing` or the two below made; read and sent so within seconds."""
    before = EmailAccount.objects.filter(pk=mailbox.pk).first() if mailbox.pk else None
    mailbox.retry_at, mailbox.failures, mailbox.last_error, mailbox.last_cause = None, 0, "", ""
    if before is None:
        mailbox.save()
    else:
        mailbox.save(update_fields=[*_SHOWN, *_SEALED, "state", "retry_at", "failures", "last_error", "last_cause"])  # fmt: skip
    was, now = (_facts(one) if one else {} for one in (before, mailbox))
    changed = sorted(name for name in now if was.get(name) != now[name])
    new_passwords = [name for name in _SEALED if before and getattr(before, name) != getattr(mailbox, name)]
    audit.record(
        CHANGED, by=by, target_type="channel_account", target_id=mailbox.channel_account_id,
        before={name: was.get(name) for name in changed},
        after={name: now[name] for name in changed} | {name.removesuffix("_sealed"): "changed" for name in new_passwords},
    )  # fmt: skip


def without_incoming(mailbox: EmailAccount) -> EmailAccount:
    """Not stored: mail comes by the listener alone. The settings stay, to be switched on again; the password goes."""
    mailbox.state, mailbox.imap_password_sealed = MailboxState.OFF, ""
    return mailbox


def without_outgoing(mailbox: EmailAccount) -> EmailAccount:
    """Not stored: the installation's server sends."""
    mailbox.smtp_host = mailbox.smtp_user = mailbox.smtp_password_sealed = ""
    return mailbox


def relay_of(mailbox: EmailAccount) -> Relay:
    """The server of its own that sends for a mailbox. Raises Invalid for a password that can't be read."""
    security = mailbox.smtp_security
    return Relay(
        host=mailbox.smtp_host, port=mailbox.smtp_port, tls=security == Security.TLS, user=mailbox.smtp_user,
        password=mailbox.smtp_password, starttls="required" if security == Security.STARTTLS else "never", is_ours=False,
    )  # fmt: skip


_SHOWN = (
    "imap_host", "imap_port", "imap_security", "imap_user", "imap_folder", "processed_folder",
    "smtp_host", "smtp_port", "smtp_security", "smtp_user",
)  # fmt: skip
_SEALED = ("imap_password_sealed", "smtp_password_sealed")


def _facts(mailbox: EmailAccount) -> dict[str, Any]:
    facts = {name: getattr(mailbox, name) for name in _SHOWN}
    return facts | {"reads_mailbox": mailbox.state != MailboxState.OFF}


def _refuse_to_tell(kind: str, server: Server, host: str, security: str) -> None:
    """A stored password goes to no other server than before, and not with less encryption."""
    is_same = one_line(server.host).lower().strip("[]") == host
    if not is_same or (server.security == Security.NONE and security != Security.NONE):
        raise _missing(f"{kind}_password", _("Give the password again: it was given for another server."))


def _missing(field: str, message: str) -> Invalid:
    return Invalid(message, field=field, hint="")


def _checked(server: Server, kind: str) -> tuple[str, int]:
    """The server's name and port. Raises Invalid for what is none, or lies where settings may not lead us (S18)."""
    host, field = one_line(server.host).lower().strip("[]"), f"{kind}_host"
    if not (_HOST.fullmatch(host) or _is_ip(host)):
        raise Invalid(
            _("This is not the name of a server."), field=field, value=host, hint=_("Write it like mail.example.com.")
        )  # fmt: skip
    if not 0 < server.port < 65536:
        raise Invalid(_("A port is a number from 1 to 65535."), field=f"{kind}_port", value=server.port)
    try:
        hosts.mail_server(host, server.port)
    except Rejected as refusal:
        raise Invalid(
            str(refusal), field=field, value=host,
            hint=_("Who runs this installation can allow it with ALLOW_PRIVATE_HOSTS."),
        ) from refusal  # fmt: skip
    except (OSError, UnicodeError):
        pass  # a name that is not known today: the trial and the page of the channel say so
    return host, server.port


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
