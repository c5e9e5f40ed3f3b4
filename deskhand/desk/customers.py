"""What there is about a contact or a company: their tickets, what was said in them, and what happened; newest first.

A company's are its own and its contacts'. Everything is read by queries whose number does not grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.desk import conversations, unwritten
from deskhand.kernel import places
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 30
TICKETS = 10  # of a record that are listed beside it
SHOWN = 900  # characters of a message

# The ids of the tickets of record x.id, however they came to it.
_TICKET_IDS = {
    "contact": "select a.to_id from crm_association a where a.account_id = %(account)s and a.from_type = 'contact'"
    " and a.from_id = x.id and a.to_type = 'ticket'",
    "company": "select a.to_id from crm_association a where a.account_id = %(account)s and a.from_type = 'company'"
    " and a.from_id = x.id and a.to_type = 'ticket' union"
    " select a.to_id from crm_contact k join crm_association a on a.account_id = k.account_id and a.from_type = 'contact'"
    " and a.from_id = k.id and a.to_type = 'ticket' where k.account_id = %(account)s and k.company_id = x.id",
}
_THREADS = {
    "contact": "h.contact_id = x.id",
    "company": "h.contact_id in (select k.id from crm_contact k where k.account_id = %(account)s and k.company_id = x.id)",
}


@dataclass(frozen=True)
class Standing:
    """How a contact or company stands with us: open tickets, and when something was last said."""

    open_tickets: int = 0
    last_at: datetime | None = None


def standings(viewer: Viewer, object_type: str, record_ids: Sequence[int]) -> dict[int, Standing]:
    """{id: how it stands} of every record asked for. One query."""
    if not record_ids:
        return {}
    seen, apart, params = _seen(viewer)
    found = sql.rows(
        _STANDINGS.format(
            ids=_TICKET_IDS[object_type],
            threads=_THREADS[object_type],
            seen=seen,
            apart=apart,
            owned=conversations.OWNED,
        ),
        params | {"ids": list(record_ids)},
    )
    return {record_id: Standing(open_tickets, last_at) for record_id, open_tickets, last_at in found}


_STANDINGS = """
select x.id, coalesce(said.open, 0), greatest(said.last_at, apart.last_at)
from unnest(%(ids)s::bigint[]) x(id)
left join lateral (
    select count(*) filter (where not t.is_closed) as open, max(t.sort_at) as last_at from crm_ticket t
    where t.account_id = %(account)s and t.id in ({ids}) and t.archived_at is null and not t.is_spam and {seen}
) said on true
left join lateral (
    select max(h.last_message_at) as last_at from desk_thread h {owned}
    where h.account_id = %(account)s and {threads} and h.ticket_id is null and not h.is_spam and h.archived_at is null and {apart}
) apart on true
"""


@dataclass(frozen=True)
class TicketRow:
    id: int
    number: int
    subject: str
    stage_id: int
    is_closed: bool
    owner_id: int | None
    sort_at: datetime


def tickets_of(
    viewer: Viewer, object_type: str, record_id: int, *, limit: int = TICKETS
) -> tuple[list[TicketRow], bool]:
    """The record's tickets that the viewer may see, open ones first, and whether there are more. One query."""
    seen, _apart, params = _seen(viewer)
    found = sql.rows(
        "select t.id, t.number, t.subject, t.stage_id, t.is_closed, t.owner_id, t.sort_at from (select %(record)s::bigint as id) x join crm_ticket t"
        f" on t.account_id = %(account)s and t.id in ({_TICKET_IDS[object_type]})"
        f" where t.archived_at is null and not t.is_spam and {seen} order by t.is_closed, t.sort_at desc, t.id desc limit {int(limit) + 1}",
        params | {"record": record_id},
    )
    return [TicketRow(*row) for row in found[:limit]], len(found) > limit


def hand_over(contact_id: int, into_id: int) -> None:
    """Conversations of a contact that became part of another are that one's (R-MERGE-7)."""
    sql.execute(
        "update desk_thread set contact_id = %s where account_id = %s and contact_id = %s",
        [into_id, current_account_id(), contact_id],
    )


def hand_back(contact_id: int, from_id: int) -> None:
    """And again the contact's own: those of its tickets, and those without a ticket that its addresses take part in."""
    sql.execute(_HAND_BACK, {"account": current_account_id(), "contact": contact_id, "from": from_id})


_HAND_BACK = """
update desk_thread h set contact_id = %(contact)s where h.account_id = %(account)s and h.contact_id = %(from)s and (
    exists (select 1 from crm_ticket t where t.account_id = h.account_id and t.id = h.ticket_id and t.contact_id = %(contact)s)
    or h.ticket_id is null and h.participants && array(
        select email from crm_contact where account_id = %(account)s and id = %(contact)s and email <> ''
        union all select email from crm_contactaddress where account_id = %(account)s and contact_id = %(contact)s))
"""


# ── the timeline ─────────────────────────────────────────────────────────────────────────────────────────────────────


class What(IntEnum):
    """What happened; at the same moment the greater one comes first."""

    CHANGE = 1
    OPENED = 2
    REOPENED = 3
    CLOSED = 4
    MESSAGE = 5


@dataclass(frozen=True)
class Item:
    """One thing that happened. Of messages: who wrote what; of changes: which property, from what to what."""

    at: datetime
    what: What
    id: int
    ticket_id: int | None = None
    number: int | None = None
    subject: str = ""
    text: str = ""
    author: str = ""
    is_ours: bool = False
    is_automatic: bool = False
    delivery: str = ""
    filling: Any = None  # of a mail that is not written yet
    property: str = ""
    old: Any = None
    new: Any = None
    actor_kind: str = ""
    actor_id: int | None = None
    event_id: int | None = None
    source: str = ""


def timeline(
    viewer: Viewer, object_type: str, record_id: int, *, after: str = "", limit: int = PAGE
) -> tuple[list[Item], str]:
    """One page of what happened, newest first, and the place of the next one. Raises NotFound for a place of none.

    What was said in tickets that the viewer may not see is not there. One query.
    """
    seen, apart, params = _seen(viewer)
    at, what, item_id = _position(after)
    found = sql.rows(
        _TIMELINE.format(ids=_TICKET_IDS[object_type], threads=_THREADS[object_type], seen=seen, apart=apart, owned=conversations.OWNED),
        params
        | {
            "record": record_id, "type": object_type, "limit": int(limit) + 1, "at": at, "what": what, "after": item_id,
            "shown": SHOWN, **{kind.name.lower(): int(kind) for kind in What},
        },
    )  # fmt: skip
    items = [_item(row) for row in found]
    return items[:limit], _place(items[limit - 1]) if len(items) > limit else ""


def _item(row: tuple[Any, ...]) -> Item:
    values = dict(zip((field.name for field in fields(Item)), row, strict=True))
    values |= {"what": What(values["what"]), "old": sql.loads(values["old"]), "new": sql.loads(values["new"])}
    if values["filling"] is not None:
        words = unwritten.read(sql.loads(values["filling"]))
        values |= {"subject": words.subject or values["subject"], "text": _cut(words.text), "filling": None}
    return Item(**values)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_TIMELINE = """
with x as (select %(record)s::bigint as id),
tickets as materialized (
    select t.id, t.number, t.subject, t.created_at, t.reopened_at, t.last_closed_at, t.is_closed, t.created_by_kind, t.created_by_id
    from x join crm_ticket t on t.account_id = %(account)s and t.id in ({ids})
    where t.archived_at is null and not t.is_spam and {seen}
),
apart as materialized (
    select h.id, h.subject from x join desk_thread h on h.account_id = %(account)s and {threads} {owned}
    where h.ticket_id is null and not h.is_spam and h.archived_at is null and {apart}
),
said as (
    select m.*, t.id as of_ticket, t.number, t.subject as about from tickets t cross join lateral (
        select * from desk_message m where m.account_id = %(account)s and m.ticket_id = t.id and m.kind = 'MESSAGE'
        and (m.created_at, %(message)s, m.id) < (%(at)s, %(what)s, %(after)s) order by m.created_at desc, m.id desc limit %(limit)s) m
    union all
    select m.*, null, null, h.subject from apart h cross join lateral (
        select * from desk_message m where m.account_id = %(account)s and m.thread_id = h.id and m.kind = 'MESSAGE'
        and (m.created_at, %(message)s, m.id) < (%(at)s, %(what)s, %(after)s) order by m.created_at desc, m.id desc limit %(limit)s) m
),
moved as (
    select created_at as at, %(opened)s as what, tickets.* from tickets
    union all select reopened_at, %(reopened)s, tickets.* from tickets where reopened_at is not null
    union all select last_closed_at, %(closed)s, tickets.* from tickets where last_closed_at is not null and is_closed
),
everything as (
    select s.created_at as at, %(message)s as what, s.id, s.of_ticket, s.number, coalesce(nullif(s.subject, ''), s.about) as subject,
        left(s.text, %(shown)s) || case when length(s.text) > %(shown)s then '…' else '' end as text, coalesce(nullif(s.sender_name, ''), s.sender_address) as author, s.direction = 'OUT' as ours, s.is_automatic,
        s.delivery, s.filling, '' as property, null::jsonb as old, null::jsonb as new, s.actor_kind, s.actor_id, null::bigint as event_id, '' as source
    from said s
    union all
    select m.at, m.what, m.id, m.id, m.number, m.subject, '', '', false, false, '', null, '', null, null, m.created_by_kind, m.created_by_id, null, ''
    from moved m where (m.at, m.what, m.id) < (%(at)s, %(what)s, %(after)s)
    union all
    select c.changed_at, %(change)s, c.id, null, null, '', '', '', false, false, '', null, c.property, c.old, c.new, c.actor_kind, c.actor_id, c.event_id, c.source
    from crm_propertychange c where c.account_id = %(account)s and c.object_type = %(type)s and c.record_id = %(record)s
    and (c.changed_at, %(change)s, c.id) < (%(at)s, %(what)s, %(after)s)
)
select * from everything order by at desc, what desc, id desc limit %(limit)s
"""

_END = datetime(9999, 1, 1, tzinfo=UTC)


def _place(item: Item) -> str:
    return f"{places.written(item.at)}-{int(item.what)}-{item.id}"


def _position(text: str) -> tuple[datetime, int, int]:
    if not text:
        return _END, 0, 0
    ticks, _dash, rest = text.partition("-")
    kind, _dash, number = rest.partition("-")
    moment, what, item_id = places.moment_of(ticks), whole(kind), whole(number)
    if moment is None or what is None or item_id is None or len(kind) > 1:
        raise NotFound(_("There is no such page."))
    return moment, what, item_id


def _seen(viewer: Viewer) -> tuple[str, str, dict[str, Any]]:
    """Which tickets `t` the viewer may see, which conversations `h` that are none, and the parameters of both."""
    tickets, seen = sql.named(visible(viewer, "ticket").sql("t"), "seen")
    threads, apart = sql.named(conversations.reach(viewer), "apart")
    return tickets, threads, {"account": viewer.account_id, **seen, **apart}
