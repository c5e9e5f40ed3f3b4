"""What the built-in mailbox shows: mail the product sent, kept here instead of leaving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SinkRow:
    url: str
    recipient: str
    subject: str
    at: datetime


@dataclass(frozen=True)
class SinkMail:
    """One mail. `headers` are pairs in the order of the message."""

    back_url: str
    subject: str
    sender: str
    recipient: str
    at: datetime
    headers: tuple[tuple[str, str], ...]
    text: str
