"""Rendering a mail: structured headers of our own spelling, a body by the standard library, nothing hidden in either."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime

from django.conf import settings
from django.utils.translation import gettext as _

from deskhand.delivery import headers
from deskhand.delivery.types import Attached, Mail
from deskhand.kernel import files
from deskhand.kernel.errors import Invalid

INSTANCE_HEADER = "X-Deskhand-Instance"
NAME_LIMIT = 120  # characters of an attachment's name

_TYPE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}/[a-z0-9][a-z0-9.+_-]{0,63}", re.IGNORECASE)
_CONTENT_ID = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{1,200}")
_AUTOMATIC = ("", "auto-replied", "auto-generated")


def instance_id(account_id: int) -> str:
    """Marks an account's own mail, so that it knows it again when it comes back (B1). Not a secret.

    One for each account: what one of them writes to another is a stranger's mail.
    """
    key = f"deskhand instance\0{account_id}\0{settings.SECRET_KEY}"
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def render(
    mail: Mail, *, account_id: int, message_id: str, at: datetime, read: Callable[[str], bytes] = files.get
) -> bytes:
    """Return the mail as it goes over the wire, lines ending in CRLF; always the same bytes for the same mail.

    `at` becomes its Date. Free text (subject, names) is put on one line and Message-IDs of others that can't stand in
    a header are left out, for customers' mails are where both come from; anything else that would break a header
    raises Invalid (S22). Raises NotFound when a file is gone.
    """
    head = "".join(_headers(mail, account_id, message_id, at))
    body = _body(mail, read)
    for number, part in enumerate(part for part in body.walk() if part.is_multipart()):
        part.set_boundary(_boundary(message_id, number))
    return head.encode() + body.as_bytes()


def _boundary(message_id: str, number: int) -> str:
    """No line of a part: neither quoted-printable nor base64 writes `=_`."""
    return f"=_{hashlib.sha256(f'{message_id} {number}'.encode()).hexdigest()[:40]}"


def check(mail: Mail, message_id: str = "") -> None:
    """Raise Invalid for what `render` would refuse, without reading files."""
    for _line in _headers(
        mail, 0, message_id or "<check@deskhand.invalid>", datetime.fromtimestamp(0).astimezone()
    ):
        pass
    for attached in mail.attachments:
        if attached.content_id and not _CONTENT_ID.fullmatch(attached.content_id):
            raise Invalid(
                _("This can't be a Content-ID."), field="content_id", value=attached.content_id[:80]
            )


def _headers(mail: Mail, account_id: int, message_id: str, at: datetime) -> list[str]:
    if mail.automatic not in _AUTOMATIC:
        raise Invalid(
            _("%(automatic)r is no kind of automatic mail.") % {"automatic": mail.automatic[:40]},
            field="automatic",
        )
    lines = [
        f"Date: {format_datetime(at)}\r\n",
        headers.addresses_header("From", [mail.sender]),
        *_recipients(mail),
        headers.text_header("Subject", headers.one_line(mail.subject)),
        headers.ids_header("Message-ID", [message_id]),
        *_thread(mail),
        *(headers.extra_header(name, value) for name, value in mail.headers),
        f"{INSTANCE_HEADER}: {instance_id(account_id)}\r\n",
    ]
    if mail.automatic:
        lines += [f"Auto-Submitted: {mail.automatic}\r\n", "X-Auto-Response-Suppress: All\r\n"]
    return lines


def _recipients(mail: Mail) -> list[str]:
    named = (("To", mail.to), ("Cc", mail.cc), ("Reply-To", mail.reply_to))
    lines = [headers.addresses_header(name, addresses) for name, addresses in named if addresses]
    return lines if mail.to or mail.cc else ["To: undisclosed-recipients:;\r\n", *lines]


def _thread(mail: Mail) -> list[str]:
    """What this answers, of which only our own part is sure to be well formed."""
    answered, before = headers.usable_ids([mail.in_reply_to]), headers.usable_ids(mail.references)
    lines = [headers.ids_header("In-Reply-To", answered)] if answered else []
    return [*lines, headers.ids_header("References", before)] if before else lines


def _body(mail: Mail, read: Callable[[str], bytes]) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    _set_text(message, mail.text, "plain")
    inside = [one for one in mail.attachments if one.content_id and f"cid:{one.content_id}" in mail.html]
    if mail.html:
        message.add_alternative("", subtype="html")
        html = message.get_payload(1)
        assert isinstance(html, MIMEPart)
        _set_text(html, mail.html, "html")
        for attached in inside:
            _relate(html, attached, read(attached.sha256))
    for attached in mail.attachments:
        if attached not in inside:
            _attach(message, attached, read(attached.sha256))
    return message


def _set_text(part: MIMEPart, text: str, subtype: str) -> None:
    clean = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    letters = sum(1 for character in clean if not character.isascii())
    part.set_content(
        clean,
        subtype=subtype,
        charset="utf-8",
        cte="base64" if letters * 6 > len(clean) else "quoted-printable",
    )


def _relate(html: MIMEPart, attached: Attached, data: bytes) -> None:
    if not _CONTENT_ID.fullmatch(attached.content_id):
        raise Invalid(_("This can't be a Content-ID."), field="content_id", value=attached.content_id[:80])
    main, sub = _type(attached)
    html.add_related(
        data,
        main,
        sub,
        cid=f"<{attached.content_id}>",
        disposition="inline",
        filename=_file_name(attached.name),
    )


def _attach(message: EmailMessage, attached: Attached, data: bytes) -> None:
    main, sub = _type(attached)
    message.add_attachment(data, main, sub, filename=_file_name(attached.name))


def _type(attached: Attached) -> tuple[str, str]:
    """The declared type, where a base64 part may have it."""
    main, _slash, sub = attached.type.lower().partition("/")
    if not _TYPE.fullmatch(attached.type) or main in ("multipart", "message"):
        return "application", "octet-stream"
    return main, sub


def _file_name(name: str) -> str:
    clean = headers.one_line(name).replace("/", "_").replace("\\", "_") or "file"
    if len(clean) <= NAME_LIMIT:
        return clean
    stem, dot, extension = clean.rpartition(".")
    if not dot or len(extension) > 12:
        return clean[:NAME_LIMIT]
    return f"{stem[: NAME_LIMIT - len(extension) - 1]}.{extension}"
