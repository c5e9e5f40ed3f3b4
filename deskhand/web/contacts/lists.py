"""The lists of contacts and companies, and choosing one of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from deskhand.accounts import policy, queries
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.records import directory
from deskhand.crm.records.directory import List, Row, Sort
from deskhand.desk import customers
from deskhand.desk.customers import Standing
from deskhand.web.contacts.rows import Candidate, Heading, ListPage, ListRow
from deskhand.web.contacts.words import EMPTY, KINDS, Kind
from deskhand.web.frame import count_text
from deskhand.web.middleware import AccountRequest
from deskhand.web.segments.offers import offered_for
from deskhand.web.shell import Person
from deskhand.web.workflows import card

TEXT_LIMIT = 200
AnyEnum = TypeVar("AnyEnum", bound=StrEnum)


def one_of(kinds: type[AnyEnum], text: str, default: AnyEnum) -> AnyEnum:
    """The member of an enumeration that an address names; what it does not know is the default."""
    try:
        return kinds(text)
    except ValueError:
        return default


def list_page(request: AccountRequest, kind: Kind) -> ListPage:
    asked = request.GET
    which = one_of(List, asked.get("list", ""), List.ALL)
    sort = one_of(Sort, asked.get("sort", ""), Sort.NAME)
    text = asked.get("q", "").strip()[:TEXT_LIMIT]
    viewer = request.viewer
    page = directory.rows(viewer, kind.key, which, text=text, sort=sort, after=asked.get("after", ""))
    here = {
        name: value
        for name, value in (("list", which if which is not List.ALL else ""), ("q", text))
        if value
    }
    title, explains = _empty(kind, which, text)
    return ListPage(
        kind=kind.key, title=str(kind.lists[which]), url=kind.url("s"), count_text=count_text(directory.count(viewer, kind.key, which, text=text)),
        rows=list_rows(viewer, kind, page.rows), by_name=_heading(kind, _("Name"), sort, (Sort.NAME, Sort.NAME_BACK), here),
        text=text, which=which, sort=sort,
        more_url=_url(kind, here | {"sort": sort, "after": page.following}) if page.following else "",
        new_url=kind.url("new") if may_make(viewer, kind) else "", new_label=str(kind.new), search_label=str(kind.search), empty_title=title, empty_text=explains,
        segments=offered_for(viewer, kind.key) if which is not List.ARCHIVED else (),
        enrolls=which is not List.ARCHIVED and card.may_choose(viewer, request.account, kind.key),
    )  # fmt: skip


def may_make(viewer: Viewer, kind: Kind) -> bool:
    """Who may change some of them may make new ones."""
    return policy.reaches_any(viewer, kind.key, Verb.EDIT)


def _empty(kind: Kind, which: List, text: str) -> tuple[str, str]:
    if text:
        return str(kind.not_found), _("Look for the beginning of a name, an address or a domain.")
    title, explains = EMPTY.get(which, (kind.none_title, kind.none_text))
    return str(title), str(explains)


def _heading(kind: Kind, label: str, sort: Sort, ways: tuple[Sort, Sort], here: dict[str, str]) -> Heading:
    """The first way is the one that a press brings; pressed again, the other."""
    following = ways[1] if sort is ways[0] else ways[0]
    rising = {Sort.NAME, Sort.OLDEST}
    direction = "none" if sort not in ways else "ascending" if sort in rising else "descending"
    return Heading(label, _url(kind, here | {"sort": following}), direction)  # type: ignore[arg-type]


def _url(kind: Kind, query: dict[str, str]) -> str:
    return f"{kind.url('s')}?{urlencode(query)}"


def list_rows(viewer: Viewer, kind: Kind, found: Sequence[Row]) -> tuple[ListRow, ...]:
    standings = customers.standings(viewer, kind.key, [row.id for row in found])
    owners = queries.names_of(row.owner_id for row in found if row.owner_id)
    return tuple(_row(kind, row, standings[row.id], owners.get(row.owner_id or 0, "")) for row in found)


def _row(kind: Kind, row: Row, standing: Standing, owner: str) -> ListRow:
    company_url = KINDS["company"].url("", row.company_id) if row.company_id and row.company else ""
    return ListRow(
        id=row.id, url=kind.url("", row.id), person=named(row.title), address=row.address, company=row.company, company_url=company_url,
        owner=Person.named(owner) if owner else None, open_tickets=str(standing.open_tickets) if standing.open_tickets else "",
        last_at=standing.last_at, archived_at=row.archived_at,
    )  # fmt: skip


def named(name: str) -> Person:
    return Person.named(name or _("No name"))


def candidates(viewer: Viewer, kind: Kind, text: str, without: Sequence[int]) -> tuple[tuple[Row, Standing], ...]:  # fmt: skip
    """Those who fit, with how they stand; the first ones by name while nothing is asked."""
    found = directory.rows(viewer, kind.key, text=text, limit=12, without=without).rows
    standings = customers.standings(viewer, kind.key, [row.id for row in found])
    return tuple((row, standings[row.id]) for row in found)


def candidate(row: Row, standing: Standing, **more: str) -> Candidate:
    return Candidate(
        row.id, named(row.title), row.address, row.company, standing.last_at, standing.open_tickets, **more
    )
