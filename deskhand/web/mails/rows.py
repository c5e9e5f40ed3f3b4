"""What the pages of the mails show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.automation.fields import Field


@dataclass(frozen=True)
class Use:
    """A workflow that sends the mail."""

    label: str
    url: str


@dataclass(frozen=True)
class Line:
    name: str
    url: str
    subject: str
    updated_at: datetime
    uses: tuple[Use, ...]
    is_archived: bool = False


@dataclass(frozen=True)
class MailPage:
    name: str
    url: str
    archive_url: str
    revision: int
    fields: tuple[Field, ...]
    tokens: tuple[tuple[str, str], ...]
    ticket: Field  # whose contact the mail is shown for
    shown_for: str
    preview_to: str
    preview_subject: str
    preview_text: str
    uses: tuple[Use, ...] = ()
    is_archived: bool = False
    notice: str = ""
