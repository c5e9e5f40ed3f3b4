"""Putting into words what a search found, for the page and for the palette."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import search as records
from deskhand.crm.records.search import CompanyHit, ContactHit, Found, TicketHit
from deskhand.desk import search as said
from deskhand.desk.search import MessageHit
from deskhand.kernel import search as words
from deskhand.kernel.errors import NotFound
from deskhand.web import frame, settings_side
from deskhand.web.choices import Tab
from deskhand.web.inbox.words import status
from deskhand.web.middleware import AccountRequest
from deskhand.web.search.rows import Group, Option, Result, ResultPage
from deskhand.web.shell import Person

LONGEST = 200  # letters of a question
IN_PALETTE = 6  # lines of each kind


@dataclass(frozen=True)
class Kind:
    """A tab: what is asked, whose permission counts, and how a hit becomes a line."""

    key: str
    label: str | Promise
    object_type: str
    find: Callable[..., Found[Any]]
    line: Callable[[Any, Sequence[str]], Result]


def kinds_of(viewer: Viewer) -> list[Kind]:
    """The kinds of which the viewer may see any."""
    return [kind for kind in KINDS if reaches_any(viewer, kind.object_type)]


def results(viewer: Viewer, query: str, key: str, after: str) -> ResultPage:
    """One page of one kind. Raises NotFound for a kind or a place that does not exist for this viewer."""
    query = query.strip()[:LONGEST]
    kinds = kinds_of(viewer)
    kind = next((one for one in kinds if one.key == (key or kinds[0].key)), None) if kinds else None
    if kind is None:
        raise NotFound(_("There is no such search."))
    asked = words.words_of(query, words.MOST_ASKED)
    found = kind.find(viewer, query, after=after) if query else Found([])
    return ResultPage(
        query=query,
        kind=kind.key,
        tabs=tuple(Tab(str(one.label), address(query, one.key), one is kind) for one in kinds),
        title=str(kind.label),
        results=tuple(kind.line(hit, asked) for hit in found.hits),
        more_url=address(query, kind.key, found.after) if found.after else "",
        is_further=bool(found.after and not found.hits),
    )


def address(query: str, kind: str = "", after: str = "") -> str:
    given = {"q": query, "kind": kind, "after": after}
    return f"{reverse('search')}?{urlencode({name: value for name, value in given.items() if value})}"


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ticket_url(ticket_id: int) -> str:
    return reverse("inbox-ticket", args=["all-open", ticket_id])


def _ticket(hit: TicketHit, asked: Sequence[str]) -> Result:
    name = hit.contact_name or _("Unknown sender")
    return Result(
        ticket_url(hit.id),
        words.marked(hit.subject, asked),
        Person.named(name),
        about=words.marked(name, asked),
        number=f"#{hit.number}",
        status=status(pipelines_of("ticket").stage(hit.stage_id)),
        note=_("Spam") if hit.is_spam else "",
        at=hit.sort_at,
    )


def _contact(hit: ContactHit, asked: Sequence[str]) -> Result:
    name = hit.name or hit.email
    about = " · ".join(part for part in (hit.email if hit.email != name else "", hit.company_name) if part)
    return Result(
        reverse("contact", args=[hit.id]),
        words.marked(name, asked),
        Person.named(name),
        about=words.marked(about, asked),
    )


def _company(hit: CompanyHit, asked: Sequence[str]) -> Result:
    return Result(
        reverse("company", args=[hit.id]),
        words.marked(hit.name or hit.domain, asked),
        icon="building-2",
        about=words.marked(hit.domain if hit.name else "", asked),
    )


def _message(hit: MessageHit, asked: Sequence[str]) -> Result:
    name = hit.sender or _("Unknown sender")
    return Result(
        f"{ticket_url(hit.ticket_id)}#message-{hit.id}",
        words.marked(words.excerpt(hit.text, asked), asked),
        Person.named(name),
        about=words.marked(f"{name} · {hit.subject}", asked),
        number=f"#{hit.number}",
        note=_("Comment") if hit.is_comment else "",
        at=hit.at,
    )


KINDS = (
    Kind("tickets", gettext_lazy("Tickets"), "ticket", records.tickets, _ticket),
    Kind("contacts", gettext_lazy("Contacts"), "contact", records.contacts, _contact),
    Kind("companies", gettext_lazy("Companies"), "company", records.companies, _company),
    Kind("messages", gettext_lazy("Messages"), "ticket", said.messages, _message),
)
PALETTE_KINDS = ("tickets", "contacts", "companies")


# ── the palette ──────────────────────────────────────────────────────────────────────────────────────────────────────


def groups(request: AccountRequest, query: str) -> list[Group]:
    """What the palette offers: records and pages; without a question, what was looked at last."""
    query = query.strip()[:LONGEST]
    asked = words.words_of(query, words.MOST_ASKED)
    found = _records(request.viewer, query, asked) if asked else [_recent(request.viewer)]
    found.append(Group(_("Go to"), tuple(_places(request, asked))))
    if asked:
        everywhere = Option(
            address(query),
            [(_("Search everywhere for “%(words)s”") % {"words": query}, False)],
            icon="search",
        )
        found.append(Group(_("More"), (everywhere,)))
    return [group for group in found if group.options]


def _records(viewer: Viewer, query: str, asked: Sequence[str]) -> list[Group]:
    kinds = [kind for kind in kinds_of(viewer) if kind.key in PALETTE_KINDS]
    return [
        Group(
            str(kind.label),
            tuple(_option(kind.line(hit, asked)) for hit in kind.find(viewer, query, limit=IN_PALETTE).hits),
        )
        for kind in kinds
    ]


def _option(line: Result) -> Option:
    hint = line.number or "".join(part for part, _is_found in line.about)
    return Option(line.url, line.title, line.person, line.icon, hint)


def _recent(viewer: Viewer) -> Group:
    hits = said.recent(viewer, IN_PALETTE)
    return Group(
        _("Recent"),
        tuple(
            Option(
                ticket_url(hit.id),
                [(hit.subject, False)],
                Person.named(hit.contact_name or _("Unknown sender")),
                hint=f"#{hit.number}",
            )
            for hit in hits
        ),
    )


def _places(request: AccountRequest, asked: Sequence[str]) -> list[Option]:
    """Views and pages of the settings that are called so; all areas when nothing was asked."""
    links = [(item.label, item.icon, item.url, "") for item in frame.areas(request)]
    if asked:
        links += [(str(label), icon, url, _("View")) for label, icon, url in frame.view_links(request)]
        for section in settings_side.sections(request.viewer, request.account, ""):
            links += [(link.label, link.icon, link.url, _("Settings")) for link in section.links]
    return [
        Option(url, words.marked(label, asked), icon=icon, hint=hint)
        for label, icon, url, hint in links
        if _is_called(label, asked)
    ][: 2 * IN_PALETTE]


def _is_called(label: str, asked: Sequence[str]) -> bool:
    called = words.words_of(label)
    return all(any(word.startswith(one) for word in called) for one in asked)
