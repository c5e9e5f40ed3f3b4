"""Finding tickets, contacts, companies and deals by their words. Newest first; what the viewer may not see is not there.

What is found follows the records by their events (`follow`, after commit), whoever wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.events.types import Event
from deskhand.kernel import search
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 20
WIDTH = 1000  # candidates that one page looks through at most; the next page goes on after them
TICKET, CONTACT, COMPANY, DEAL = "T", "C", "O", "D"
OF_CONTACT = 1000  # tickets that follow their requester's new name

Hit = TypeVar("Hit")


@dataclass(frozen=True)
class Found(Generic[Hit]):
    """One page. `after` names the next one: older records, "" when there are none."""

    hits: list[Hit]
    after: str = ""


@dataclass(frozen=True)
class TicketHit:
    id: int
    number: int
    subject: str
    stage_id: int
    is_spam: bool
    sort_at: datetime
    contact_name: str


@dataclass(frozen=True)
class ContactHit:
    id: int
    name: str
    email: str
    company_name: str


@dataclass(frozen=True)
class CompanyHit:
    id: int
    name: str
    domain: str


@dataclass(frozen=True)
class DealHit:
    id: int
    name: str


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def tickets(viewer: Viewer, query: str, *, after: str = "", limit: int = PAGE) -> Found[TicketHit]:
    """By number, subject and requester; the ticket with just this number comes first."""
    found = _find(viewer, "ticket", TICKET, _TICKETS, TicketHit, query, after, limit)
    number = re.fullmatch(r"#?([0-9]{1,18})", query.strip())
    if after or not number:
        return found
    reach, params = visible(viewer, "ticket").sql("t")
    exact = [
        TicketHit(*row)
        for row in sql.rows(
            f"select {_TICKETS} where t.account_id = %s and t.archived_at is null and ({reach}) and t.id = ({_NUMBERED})",
            [viewer.account_id, *params, viewer.account_id, int(number[1])],
        )
    ]
    return Found(exact + [hit for hit in found.hits if hit not in exact], found.after)


def contacts(viewer: Viewer, query: str, *, after: str = "", limit: int = PAGE) -> Found[ContactHit]:
    """By name, address and telephone number."""
    return _find(viewer, "contact", CONTACT, _CONTACTS, ContactHit, query, after, limit)


def companies(viewer: Viewer, query: str, *, after: str = "", limit: int = PAGE) -> Found[CompanyHit]:
    """By name and domain."""
    return _find(viewer, "company", COMPANY, _COMPANIES, CompanyHit, query, after, limit)


def deals(viewer: Viewer, query: str, *, after: str = "", limit: int = PAGE) -> Found[DealHit]:
    """By name."""
    return _find(viewer, "deal", DEAL, _DEALS, DealHit, query, after, limit)


#: What has this number, or what it was merged into (R-MERGE-6).
_NUMBERED = (
    "select coalesce(n.merged_into_id, n.id) from crm_ticket n where n.account_id = %s and n.number = %s"
)
_TICKETS = (
    "t.id, t.number, t.subject, t.stage_id, t.is_spam, t.sort_at, coalesce(nullif(c.name, ''), c.email, '')"
    " from crm_ticket t left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id"
)
_CONTACTS = (
    "t.id, t.name, t.email, coalesce(o.name, '')"
    " from crm_contact t left join crm_company o on o.account_id = t.account_id and o.id = t.company_id"
)
_COMPANIES = "t.id, t.name, t.domain from crm_company t"
_DEALS = "t.id, t.name from crm_deal t"


_KINDS = {"ticket": TICKET, "contact": CONTACT, "company": COMPANY, "deal": DEAL}
MOST_OF_QUESTION = 10_000  # records that a question finds in a list of another order, the newest


def finder(account_id: int, object_type: str, query: str) -> tuple[str, list[Any]] | None:
    """SQL that gives the ids of the newest records with these words, and its parameters; None for kinds that are found by
    nothing but their names. Who may see them is asked by the caller."""
    kind = _KINDS.get(object_type)
    if kind is None:
        return None
    asked = search.words_of(query, search.MOST_ASKED)
    if not asked:
        return "select null::bigint where false", []
    source, params = search.candidates(account_id, kind, asked, limit=MOST_OF_QUESTION)
    return f"select record_id from ({source}) found", params


def _find(
    viewer: Viewer,
    object_type: str,
    kind: str,
    columns: str,
    shape: Callable[..., Hit],
    query: str,
    after: str,
    limit: int,
) -> Found[Hit]:
    words = search.words_of(query, search.MOST_ASKED)
    if not words:
        return Found([])
    source, params = search.candidates(viewer.account_id, kind, words, before=place(after), limit=WIDTH)
    reach, own = visible(viewer, object_type).sql("t")
    rows = sql.rows(
        f"with found as materialized ({source}), seen as (select (select count(*) from found) as count, (select min(record_id) from found) as last)"
        f" select seen.count, seen.last, h.* from seen left join lateral (select {columns}"
        f" where t.account_id = %s and t.id = any(array(select record_id from found)) and t.archived_at is null and ({reach})"
        " order by t.id desc limit %s) h on true order by h.id desc nulls last",
        [*params, viewer.account_id, *own, limit + 1],
    )
    hits = [row[2:] for row in rows if row[2] is not None]
    return Found([shape(*hit) for hit in hits[:limit]], next_place(hits, limit, *rows[0][:2]))


def next_place(hits: Sequence[tuple[Any, ...]], limit: int, looked_at: int, last: int | None) -> str:
    """Where the next page goes on: below the last one shown, or below the last one that was looked at."""
    if len(hits) > limit:
        return str(hits[limit - 1][0])
    return str(last) if looked_at >= WIDTH else ""


def place(after: str) -> int:
    """Raises NotFound for a place that is none of ours."""
    if not after:
        return search.FIRST
    if (found := whole(after)) is None:
        raise NotFound(_("There is no such page."))
    return found


# ── following the records ────────────────────────────────────────────────────────────────────────────────────────────

CHANGED = {
    "ticket.updated", "ticket.moved", "ticket.assigned", "ticket.linked", "ticket.unlinked", "ticket.split", "ticket.copied",
    "ticket.split_taken_back", "deal.moved",
}  # fmt: skip  # most of it leaves the words as they are


def follow(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: let records be found by what they are called now. Safe to repeat."""
    touched: dict[str, set[int]] = {kind: set() for kind in _TEXTS}
    for event in events:
        if event.object_type in touched and _renames(event):
            touched[event.object_type].add(event.object_id)
    if touched["contact"]:
        touched["ticket"].update(_tickets_of(account_id, touched["contact"], events))
    for object_type, ids in touched.items():
        if ids:
            index(account_id, object_type, ids)


def _renames(event: Event) -> bool:
    return event.kind not in CHANGED or not {"subject", "dealname"}.isdisjoint(event.data.get("changes", {}))


def _tickets_of(account_id: int, contact_ids: set[int], events: Sequence[Event]) -> list[int]:
    """The newest tickets of contacts who are called otherwise now; a new contact has none yet."""
    renamed = {e.object_id for e in events if e.object_type == "contact" and e.kind != "contact.created"}
    found = sql.rows(
        "select t.id from unnest(%s::bigint[]) c(id) cross join lateral (select id from crm_ticket t"
        " where t.account_id = %s and t.contact_id = c.id order by t.sort_at desc limit %s) t",
        [sorted(contact_ids & renamed), account_id, OF_CONTACT],
    )
    return [row[0] for row in found]


def index(account_id: int, object_type: str, ids: set[int]) -> None:
    """Write the words of these records anew; those that are gone lose theirs."""
    kind, text = _TEXTS[object_type]
    found = sql.rows(
        f"{text} where t.account_id = %s and t.id = any(%s) and t.archived_at is null",
        [account_id, sorted(ids)],
    )
    texts = {pk: " ".join(part for part in parts if part) for pk, *parts in found}
    search.put(account_id, kind, texts)
    search.drop(account_id, kind, ids - texts.keys())


_TEXTS = {
    "ticket": (
        TICKET,
        "select t.id, t.number::text, t.subject, c.name, c.email from crm_ticket t"
        " left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id",
    ),
    "contact": (
        CONTACT,
        "select t.id, t.name, t.first_name, t.last_name, t.email, t.phone,"
        " regexp_replace(t.phone, '[^0-9]', '', 'g') from crm_contact t",
    ),
    "company": (COMPANY, "select t.id, t.name, t.domain from crm_company t"),
    "deal": (DEAL, "select t.id, t.name from crm_deal t"),
}
