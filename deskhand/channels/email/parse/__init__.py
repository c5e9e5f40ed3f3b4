"""Reads mails: bytes in, `ParsedMail` out. Pure: no Django, no network, no clock; never raises."""

from deskhand.channels.email.parse.mail import fingerprint, parse_mail, unreadable
from deskhand.channels.email.parse.types import (
    Address,
    AutoKind,
    Bounce,
    Invitation,
    ParsedAttachment,
    ParsedMail,
    Protection,
)

__all__ = [
    "Address",
    "AutoKind",
    "Bounce",
    "Invitation",
    "ParsedAttachment",
    "ParsedMail",
    "Protection",
    "fingerprint",
    "parse_mail",
    "unreadable",
]
