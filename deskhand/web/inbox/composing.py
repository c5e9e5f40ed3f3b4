"""The reply form and what waits to be sent, put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, Literal

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from markupsafe import Markup

from deskhand.accounts.models import User
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.desk import addresses, drafts, later, preferences, replies, tokens, uploads
from deskhand.desk.models import ChannelAccount, Draft, DraftFile, LaterReply, Message
from deskhand.desk.types import Mailbox
from deskhand.kernel.text import paragraphs
from deskhand.kernel.written import is_plain
from deskhand.web.files import PICTURES
from deskhand.web.inbox import later_times, rows
from deskhand.web.shell import Person

Mode = Literal["reply", "comment"]
SHOWN_PICTURE = 5 * 1024 * 1024  # bytes; a larger one is not fetched to be a small picture

_ICONS = {
    "application/pdf": "file-text", "text/plain": "file-text", "text/csv": "file-spreadsheet",
    "application/zip": "file-archive", "application/gzip": "file-archive", "message/rfc822": "mail", "text/calendar": "calendar",
}  # fmt: skip


@dataclass(frozen=True)
class Typed:
    """What was in a form that was not sent, and why."""

    mode: Mode
    body: str
    lines: Mapping[str, str]
    notice: rows.Notice | None = None
    html: str = ""


def composer(
    viewer: Viewer,
    view: str,
    ticket: Ticket,
    messages: Sequence[Message],
    *,
    typed: Typed | None,
    statuses: tuple[rows.StatusOption, ...],
    may_reply: bool,
    reply_hint: str,
    placeholder: str,
) -> rows.Composer:
    found = typed or _of_draft(drafts.latest(viewer, ticket.pk))
    people = _people(viewer.account_id, ticket, messages)
    lines = (found.lines if found else None) or _lines(people)
    return rows.Composer(
        url=reverse("ticket-reply", args=[view, ticket.pk]), draft_url=reverse("ticket-draft", args=[ticket.pk]),
        files_url=reverse("ticket-files", args=[ticket.pk]), picks_url=reverse("ticket-picks", args=[ticket.pk]), last_seen_message_id=max((m.pk for m in messages), default=0),
        send_key=token_urlsafe(12), placeholder=placeholder, to=lines.get("to", ""), cc=lines.get("cc", ""), bcc=lines.get("bcc", ""),
        people=tuple(rows.Known(box.name, box.email, addresses.written(box)) for box in people.everybody),
        files=draft_files(viewer, ticket.pk), largest=uploads.largest(), largest_text=filesizeformat(uploads.largest()),
        times=later_times.offered(), earliest=later_times.earliest(), statuses=statuses, mode=found.mode if found and may_reply else "reply",
        body=found.body if found else "", html=found.html if found else "", rich_url=reverse("inbox-writing"),
        is_rich=bool(found and found.html) or preferences.of(viewer).writes_rich, may_reply=may_reply, quotes=may_reply and replies.quotes(ticket), reply_hint=reply_hint,
        notice=found.notice if found else None,
    )  # fmt: skip


def _of_draft(draft: Draft | None) -> Typed | None:
    if draft is None:
        return None
    return Typed(
        "comment" if draft.mode == "comment" else "reply", draft.body, draft.recipients, html=draft.html
    )


def _lines(people: People) -> dict[str, str]:
    """Whom a new reply goes to: who wrote last, and all whom they wrote to besides us (R-EM-10)."""
    return {
        "to": ", ".join(map(addresses.written, people.to)),
        "cc": ", ".join(map(addresses.written, people.cc)),
    }


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class People:
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    everybody: tuple[Mailbox, ...]


def _people(account_id: int, ticket: Ticket, messages: Sequence[Message]) -> People:
    ours = set(
        ChannelAccount.objects.filter(account_id=account_id, channel="email").values_list(
            "address", flat=True
        )
    )
    contact = ticket.contact
    requester = [Mailbox(contact.email, contact.name)] if contact and contact.email else []
    incoming = [
        m for m in messages
        if m.direction == "IN" and m.sender_address and m.actor_kind != "user" and not (m.is_unverified or m.is_automatic)
    ]  # fmt: skip
    last = incoming[-1] if incoming else None
    to = _once([Mailbox(last.sender_address, last.sender_name)], ours) if last else ()
    to = to or _once(requester, ours)
    said = _boxes(last) if last else []
    cc = _once(said, ours | {box.key for box in to})
    everybody = _once([*requester, *(box for m in messages for box in [*_sender(m), *_boxes(m)])], ours)
    return People(to, cc, everybody)


def _sender(m: Message) -> list[Mailbox]:
    is_theirs = m.direction == "IN" and m.sender_address
    return [Mailbox(m.sender_address, m.sender_name)] if is_theirs else []


def _boxes(m: Message) -> list[Mailbox]:
    return [
        Mailbox(box["email"], box.get("name", ""))
        for line in ("to", "cc")
        for box in m.recipients.get(line, ())
    ]


def _once(boxes: Iterable[Mailbox], without: set[str]) -> tuple[Mailbox, ...]:
    found: dict[str, Mailbox] = {}
    for box in boxes:
        if not _is_one_of(box.key, without) and (box.key not in found or not found[box.key].name):
            found[box.key] = box
    return tuple(found.values())


def _is_one_of(address: str, known: set[str]) -> bool:
    """Also with a tag: answers come to our address with one."""
    local, _at, domain = address.rpartition("@")
    return any(f"{name}@{domain}" in known for name in tokens.untagged(local))


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def file_row(name: str, content_type: str, size: int, url: str) -> rows.File:
    is_picture = content_type.lower() in PICTURES
    return rows.File(
        name,
        filesizeformat(size),
        url,
        icon_of(content_type),
        url if is_picture and size <= SHOWN_PICTURE else "",
    )


def icon_of(content_type: str) -> str:
    kind = content_type.lower()
    if kind in _ICONS:
        return _ICONS[kind]
    if kind.startswith("image/"):
        return "image"
    if "spreadsheet" in kind or "excel" in kind:
        return "file-spreadsheet"
    return "file-text" if "word" in kind or "opendocument.text" in kind else "paperclip"


def draft_files(viewer: Viewer, ticket_id: int) -> tuple[rows.File, ...]:
    return tuple(_draft_file(file) for file in uploads.of_draft(viewer, ticket_id))


def _draft_file(file: DraftFile) -> rows.File:
    url = reverse("ticket-file-remove", args=[file.ticket_id, file.pk])
    return rows.File(file.name, filesizeformat(file.size), url, icon_of(file.content_type))


# ── what has not left ────────────────────────────────────────────────────────────────────────────────────────────────


def later_replies(
    viewer: Viewer, view: str, ticket: Ticket, users: Mapping[int, User], *, may_reply: bool
) -> list[rows.Later]:
    return [_later_row(one, view, users, may_reply) for one in later.of_ticket(viewer.account_id, ticket.pk)]


def _later_row(one: LaterReply, view: str, users: Mapping[int, User], may_reply: bool) -> rows.Later:
    writer = users.get(one.user_id)
    place = [view, one.ticket_id, one.pk]
    return rows.Later(
        id=one.pk, author=Person.named(writer.name if writer else "?"), at=one.leaves_at, is_planned=one.is_planned,
        paragraphs=paragraphs(one.text), html=own_markup(one.html),
        to=sent_to(one.recipients),
        files=tuple(rows.File(f["name"], filesizeformat(f["size"]), "", icon_of(f["content_type"])) for f in one.files),
        refused=_(one.error) if one.error else "", status=_status(one.stage_id),
        take_back_url=reverse("ticket-later-take-back", args=place) if may_reply else "",
        send_now_url=reverse("ticket-later-send", args=place) if may_reply and (one.is_planned or one.error) else "",
    )  # fmt: skip


def sent_to(recipients: Mapping[str, Any]) -> str:
    """Everybody who gets it: colleagues must see who was told besides."""
    return ", ".join(box["email"] for line in ("to", "cc", "bcc") for box in recipients.get(line, ()))


def own_markup(html: str) -> Markup | None:
    """What was written with our editor, to stand in the page; None for anything else."""
    return Markup(html) if html and is_plain(html) else None


def _status(stage_id: int | None) -> str:
    stage = pipelines_of("ticket").find(stage_id) if stage_id else None
    return _(stage.label) if stage else ""
