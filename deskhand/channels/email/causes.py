"""What stands in the way of a mail server, told apart so that people can be told what to do."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from enum import StrEnum

from imapclient.exceptions import IMAPClientError

from deskhand.delivery.transports.smtp import NotAllowed
from deskhand.kernel.errors import DeskhandError, Invalid, Rejected


class Refused(DeskhandError):
    """The server refused the name or the password; only a person can help."""


class NoFolder(IMAPClientError):  # type: ignore[misc]
    """The folder to read is not there."""


class Cause(StrEnum):
    """What stands in the way of a mail server."""

    REFUSED = "REFUSED"  # the name or the password
    UNKNOWN_HOST = "UNKNOWN_HOST"
    CERTIFICATE = "CERTIFICATE"
    NO_TLS = "NO_TLS"  # another kind of encryption, or none
    CLOSED = "CLOSED"  # nobody listens at this port
    SILENT = "SILENT"
    NOT_ALLOWED = "NOT_ALLOWED"  # in a network where settings may not lead us
    NO_FOLDER = "NO_FOLDER"
    UNREADABLE_PASSWORD = "UNREADABLE_PASSWORD"
    BUSY = "BUSY"  # too many trials at once
    OTHER = "OTHER"


_PRINTED_BYTES = re.compile(r"""^b(['"])(.*)\1$""")  # as imapclient quotes an answer

_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Cause], ...] = (
    ((Refused, smtplib.SMTPAuthenticationError), Cause.REFUSED),
    ((Rejected, NotAllowed), Cause.NOT_ALLOWED),
    ((socket.gaierror, UnicodeError), Cause.UNKNOWN_HOST),
    (ssl.SSLCertVerificationError, Cause.CERTIFICATE),
    ((ssl.SSLError, smtplib.SMTPNotSupportedError), Cause.NO_TLS),
    (ConnectionRefusedError, Cause.CLOSED),
    (TimeoutError, Cause.SILENT),
    (NoFolder, Cause.NO_FOLDER),
    (Invalid, Cause.UNREADABLE_PASSWORD),
)


def cause_of(failure: Exception) -> Cause:
    if isinstance(failure.__cause__ or failure.__context__, TimeoutError):
        return Cause.SILENT
    return next((cause for kinds, cause in _CAUSES if isinstance(failure, kinds)), Cause.OTHER)


def words_of(failure: Exception) -> str:
    """What the other side said, in one line; never anything of ours that is secret."""
    match failure:
        case smtplib.SMTPResponseException():
            said = failure.smtp_error
            text = (
                f"{failure.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
            )
        case ssl.SSLCertVerificationError():
            text = failure.verify_message
        case Invalid():
            text = ""
        case _:
            text = _PRINTED_BYTES.sub(r"\2", str(failure)) or type(failure).__name__
    return " ".join(text.split())[:300]
