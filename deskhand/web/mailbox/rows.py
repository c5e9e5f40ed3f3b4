"""What the demo's sink mailbox shows: mail the product sent, kept here instead of leaving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup


@dataclass(frozen=True)
class SinkRow:
    url: str
    sender: str
    recipient: str
    subject: str
    preview: str
    at: datetime
    kind: str = ""  # "Reply", "Ticket received"


@dataclass(frozen=True)
class SinkMail:
    """One mail. `headers` are pairs in the order of the message; either `html` (sanitized) or `text`."""

    back_url: str
    subject: str
    sender: str
    recipient: str
    at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    html: Markup | None = None
    text: str = ""
