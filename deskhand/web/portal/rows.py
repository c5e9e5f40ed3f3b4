"""What the templates of the portal show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from deskhand.web.choices import Choice, Tab
from deskhand.web.filters.bar import Bar
from deskhand.web.inbox.rows import File, Label
from deskhand.web.shell import Person


@dataclass(frozen=True)
class Frame:
    """What is around every page of a portal. `who` is the address of who is signed in."""

    name: str
    home_url: str
    new_url: str
    sign_in_url: str
    sign_out_url: str
    who: str = ""
    accent: str = ""
    accent_dark: str = ""

    @property
    def style(self) -> str:
        """Sets the account's own colors; each was checked to be readable."""
        light, dark = self.accent or "var(--accent-day)", self.accent_dark or "var(--accent-night)"
        return f"--brand: light-dark({light}, {dark})" if self.accent or self.accent_dark else ""


@dataclass(frozen=True)
class SignInPage:
    url: str
    email: str = ""
    request_id: str = ""  # what was to be opened
    sent_text: str = ""  # set once it was asked for
    error: str = ""


@dataclass(frozen=True)
class LinkPage:
    url: str
    email: str


@dataclass(frozen=True)
class RequestLine:
    subject: str
    number: str
    url: str
    status: Label
    at: datetime
    asked_by: str = ""


@dataclass(frozen=True)
class ListPage:
    title: str
    lines: tuple[RequestLine, ...]
    states: tuple[Choice, ...]
    scopes: tuple[Tab, ...] = ()  # empty: only one's own are seen
    text: str = ""
    of: str = ""
    more_url: str = ""
    first_url: str = ""  # set on a following page
    all_url: str = ""  # of an answer without lines: what else there is
    notice: str = ""


@dataclass(frozen=True)
class Said:
    id: int
    author: Person
    at: datetime
    is_own: bool
    paragraphs: tuple[str, ...]
    html: Markup | None = None
    files: tuple[File, ...] = ()
    is_automatic: bool = False


@dataclass(frozen=True)
class WriteForm:
    """POST to `url`: subject, body, file, form_key."""

    url: str
    form_key: str
    body: str = ""
    subject: str = ""
    errors: tuple[tuple[str, str], ...] = ()  # field, sentence
    largest_text: str = ""

    def error(self, field: str) -> str:
        return dict(self.errors).get(field, "")


@dataclass(frozen=True)
class RequestPage:
    subject: str
    number: str
    status: Label
    opened_at: datetime
    asked_by: str
    items: tuple[Said, ...]
    form: WriteForm
    back_url: str
    is_closed: bool = False
    is_sent: bool = False


@dataclass(frozen=True)
class StageLine:
    id: int
    label: str
    tone: str
    said: str
    is_hidden: bool
    error: str = ""


@dataclass(frozen=True)
class PipelinePart:
    label: str
    stages: tuple[StageLine, ...]


@dataclass(frozen=True)
class SettingsPage:
    address: str
    is_on: bool
    name: str
    account: str
    accent: str
    accent_dark: str
    takes_strangers: bool
    reaches: tuple[tuple[Choice, str], ...]  # with what it means
    channels: tuple[Choice, ...]
    pipelines: tuple[PipelinePart, ...]
    condition: str  # in words
    errors: dict[str, str]


@dataclass(frozen=True)
class ContactsPage:
    bar: Bar
    fields: tuple[tuple[str, str], ...]
    count_text: str
    error: str = ""
