"""What the inbox shows, ready to print: the views fill these, the templates read them and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from deskhand.web.shell import Person, Tone

if TYPE_CHECKING:
    from deskhand.web.inbox.panel_rows import Panel


@dataclass(frozen=True)
class Label:
    """A status or a priority: always a word, the tone only helps."""

    text: str
    tone: Tone | None = None


@dataclass(frozen=True)
class TicketRow:
    """One ticket in the list. `url` is the ticket inside this view, `row_url` this row alone."""

    id: int
    number: str
    url: str
    row_url: str
    contact_name: str
    message_count: int
    last_at: datetime
    subject: str
    preview: str
    status: Label
    channel_icon: str
    channel_label: str
    priority: Label | None = None
    has_draft: bool = False
    unread: bool = False
    current: bool = False
    snoozed: bool = False
    tags: tuple[Label, ...] = ()


@dataclass(frozen=True)
class FirstThing:
    """`url` empty: only somebody else can do it."""

    title: str
    text: str
    url: str = ""
    label: str = ""


@dataclass(frozen=True)
class TicketList:
    """The middle left pane: a view and its first rows."""

    key: str
    title: str
    url: str
    rows: tuple[TicketRow, ...]
    count_text: str = ""
    refresh_url: str = ""  # answers with inbox/fragments/list.html
    new_url: str = ""  # names the newest row; answers with inbox/fragments/new_tickets.html
    more_url: str = ""  # the next page; for htmx inbox/fragments/more_rows.html; empty: this was the last
    empty_text: str = ""  # one sentence when there is nothing: what this view is for
    first: FirstThing | None = None  # what to do instead of reading nothing
    filtered: ThreadList | None = None  # in the view of spam: what is no ticket
    bulk: BulkBar | None = None  # None: the list alone
    view_url: str = ""  # a saved view as a table, where it can be changed
    gone: str = ""  # what it asks for and is deleted
    density_url: str = ""  # POST compact=1|0
    is_compact: bool = False


@dataclass(frozen=True)
class ThreadRow:
    """A conversation that is no ticket."""

    subject: str
    preview: str
    name: str
    channel: str
    message_count: int
    last_at: datetime
    make_ticket_url: str  # POST
    spam_url: str  # POST spam=1|0
    owner_url: str
    owner: Person | None  # whose it is
    may_edit: bool
    id: int = 0
    address: str = ""  # where `name` is another
    paragraphs: tuple[str, ...] = ()  # the beginning of what was said first


@dataclass(frozen=True)
class ThreadList:
    rows: tuple[ThreadRow, ...]
    more_url: str = ""  # answers with inbox/fragments/more_threads.html, of spam with more_filtered.html


@dataclass(frozen=True)
class StatusOption:
    id: str
    label: str
    tone: Tone | None
    current: bool = False
    disabled: bool = False
    reason: str = ""  # why it is disabled


@dataclass(frozen=True)
class OwnerOption:
    """`id` is posted: `user:12`, `team:3`, or empty for nobody. `load_text` e.g. "4 open" or "4/10"."""

    id: str
    name: str
    person: Person | None = None  # a user; None for teams and nobody
    is_team: bool = False
    is_viewer: bool = False
    load_text: str = ""
    is_full: bool = False  # may be given more by hand all the same (R-CAP-7)
    current: bool = False
    disabled: bool = False
    reason: str = ""


@dataclass(frozen=True)
class StatusGroup:
    """The statuses of one pipeline; without a label there is no other one."""

    label: str
    statuses: tuple[StatusOption, ...]


@dataclass(frozen=True)
class BulkBar:
    """What can be done with selected tickets: POST ids, or all=1, and one of status, owner, priority, tag, untag,
    close, spam, deleted, seen."""

    url: str
    all_text: str  # "All 73 tickets of this view"
    may_edit: bool
    groups: tuple[StatusGroup, ...] = ()
    owners: tuple[OwnerOption, ...] = ()
    priorities: tuple[StatusOption, ...] = ()
    tags: tuple[StatusOption, ...] = ()
    is_spam: bool = False
    is_deleted: bool = False
    may_delete: bool = False
    may_enroll: bool = False


@dataclass(frozen=True)
class Snoozing:
    """POST `until`, one of the offers, "reply", or "at" with `until_at`; `everybody` 1. `text` while it is put off."""

    url: str
    wake_url: str  # POST
    offers: tuple[PlannedTime, ...]
    earliest: str
    text: str = ""


@dataclass(frozen=True)
class TicketHead:
    """The bar over a conversation. Status, owner and close post to `status_url` and `owner_url`."""

    list_url: str
    status: Label
    status_url: str  # POST status=<id>
    owner_url: str  # POST owner=<id>
    statuses: tuple[StatusOption, ...]
    owners: tuple[OwnerOption, ...]
    owner: Person | None = None
    owner_team: str = ""  # the team when it waits for one of its members
    close_status: str = ""  # id of the status that closes; empty when it is closed already
    previous_url: str = ""
    next_url: str = ""
    may_edit: bool = True
    priority: Label | None = None
    priorities: tuple[StatusOption, ...] = ()
    priority_url: str = ""  # POST priority=<value>, or empty
    spam_url: str = ""  # POST spam=1|0
    is_spam: bool = False
    delete_url: str = ""  # POST deleted=1|0; empty for who may not
    deleted_at: datetime | None = None
    snooze: Snoozing | None = None  # None: the viewer may not put tickets off
    merge_url: str = ""
    block_url: str = ""
    enroll_url: str = ""  # choosing a workflow for it
    follow_url: str = ""  # POST follows=1|0
    follows: bool = False


@dataclass(frozen=True)
class File:
    name: str
    size_text: str
    url: str  # of a draft's file: where to take it away
    icon: str = "paperclip"
    preview_url: str = ""  # of pictures


@dataclass(frozen=True)
class Delivery:
    """How an outgoing message fares. `text` is for people: "Sent", "Waiting for the mail server"…"""

    state: Literal["queued", "sent", "failed"]
    text: str
    reason: str = ""
    detail: str = ""  # what the mail server said
    retry_url: str = ""  # POST: send again, only when that is safe


@dataclass(frozen=True)
class Said:
    """A message or an internal comment. Either `html` (sanitized) or `paragraphs`."""

    id: int
    kind: Literal["in", "out", "note"]
    author: Person
    at: datetime
    html: Markup | None = None
    framed: bool = False  # the mail brings its own layout: show it in a sandboxed frame
    paragraphs: tuple[str, ...] = ()
    quoted: Markup | None = None  # earlier mail below the answer, folded; sanitized
    via: str = ""  # "Email"
    to: str = ""
    files: tuple[File, ...] = ()
    delivery: Delivery | None = None
    notice: str = ""  # "The signature was not checked."
    pictures_url: str = (
        ""  # of pictures from elsewhere, which are not shown until asked for; their number follows
    )
    lang: str = ""
    split_url: str = ""  # where it is moved to a new ticket, with copy=1 copied; empty for who may not


@dataclass(frozen=True)
class Happened:
    """A system line. `text` may carry <b> for values; `cause` says what did it, linked when there is a page."""

    icon: str
    text: Markup | str
    at: datetime
    cause: str = ""
    cause_url: str = ""


@dataclass(frozen=True)
class Divider:
    """A day, or where the unread part starts."""

    kind: Literal["day", "new"]
    text: str


@dataclass(frozen=True)
class Later:
    """A reply that has not left. `refused` says why it could not."""

    id: int
    author: Person
    at: datetime  # when it leaves
    is_planned: bool  # else it leaves in a moment
    paragraphs: tuple[str, ...]
    to: str
    files: tuple[File, ...] = ()
    refused: str = ""
    status: str = ""  # is set when it leaves
    html: Markup | None = None  # instead of the paragraphs, where it is formatted
    take_back_url: str = ""  # POST: a draft again
    send_now_url: str = ""  # POST
    kind: Literal["later"] = "later"


@dataclass(frozen=True)
class Earlier:
    """The middle of a long conversation, folded."""

    items: tuple[Said | Happened, ...]
    kind: Literal["earlier"] = "earlier"


Item = Said | Happened | Divider | Later | Earlier


@dataclass(frozen=True)
class Notice:
    """Something in the way of sending. `collision`: the thread moved on while the agent was writing; `file`: it speaks of
    a file that is not there; `mention`: a reply that calls a colleague. `again` is what whoever sends it anyway posts."""

    kind: Literal["collision", "error", "file", "mention"]
    text: str
    again: str = ""


@dataclass(frozen=True)
class Known:
    """Somebody who can be written to."""

    name: str
    email: str
    line: str  # both, as the line of addresses takes them


@dataclass(frozen=True)
class PlannedTime:
    """A moment to send at: `key` is posted as `later`."""

    key: str
    label: str
    hint: str = ""


@dataclass(frozen=True)
class Composer:
    """The reply form. POST to `url`: mode, body, html, to, cc, bcc, file, last_seen_message_id, send_key, set_status, anyway,
    checked, as_comment, attach, later, leaves_at."""

    url: str
    draft_url: str  # POST the form; answers 204
    files_url: str  # POST file; answers with the list of files
    picks_url: str  # what "/", "{" and "@" offer, as JSON
    last_seen_message_id: int
    send_key: str  # the same key never sends twice
    placeholder: str
    to: str = ""
    cc: str = ""
    bcc: str = ""
    people: tuple[Known, ...] = ()
    files: tuple[File, ...] = ()
    largest: int = 0  # bytes of all files
    largest_text: str = ""
    times: tuple[PlannedTime, ...] = ()
    earliest: str = ""  # what may be planned, as the browser's field writes it
    statuses: tuple[StatusOption, ...] = ()
    mode: Literal["reply", "comment"] = "reply"
    body: str = ""
    html: str = ""  # the same with formatting
    is_rich: bool = False  # begins in the editor with formatting
    rich_url: str = ""  # POST rich=1|0: how the next one begins
    may_reply: bool = True
    quotes: bool = False  # what was said before goes along, as far as those it goes to had it
    reply_hint: str = ""  # why replying is not possible: only comments then
    notice: Notice | None = None


@dataclass(frozen=True)
class InRoom:
    person: Person
    state: str  # viewing, replying, commenting, idle
    text: str


@dataclass(frozen=True)
class Room:
    """Who else is in a ticket. `url` answers with inbox/fragments/room.html; POST state to `say_url`."""

    ticket_id: int
    url: str
    say_url: str
    people: tuple[InRoom, ...] = ()
    more: str = ""
    writing: tuple[Person, ...] = ()
    writing_text: str = ""


@dataclass(frozen=True)
class TicketPage:
    """An open ticket. `thread_url` answers with inbox/fragments/thread.html."""

    id: int
    number: str
    subject: str
    url: str
    thread_url: str
    head: TicketHead
    items: tuple[Item, ...]
    panel: Panel
    room: Room
    composer: Composer | None = None  # None: the viewer may only read
    priority: Label | None = None
    channel_icon: str = "mail"
    channel_label: str = ""
    row: TicketRow | None = None  # to refresh the row in the list along with the thread
    leaves_view: bool = False  # its row goes: it became spam, or is none any more


@dataclass(frozen=True)
class InboxPage:
    """`pane` is what the phone shows: the list, or the ticket when the address names one."""

    tickets: TicketList
    ticket: TicketPage | None = None
    pane: Literal["list", "ticket"] = field(default="list")
