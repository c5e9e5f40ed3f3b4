"""Telling people of tickets: a row for the bell, and what leaves for them, each once an event and person.

Called after commit, in the dispatcher's transaction. What one may no longer see is not told: the list asks at every
reading, what leaves when it is written (R-NOT-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from deskhand.accounts.models import User
from deskhand.accounts.policy import viewers_of, visible
from deskhand.accounts.types import Viewer
from deskhand.crm.records.models import Ticket
from deskhand.events import live
from deskhand.events.types import Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.notifications import deciding, pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import Away, nobody, plan
from deskhand.notifications.types import Concerned, Notice, Topic
from deskhand.notifications.wishes import Ways, columns_of
from deskhand.notifications.wording import sentence

OLD = timedelta(days=1)


def ring(account_id: int, user_ids: Iterable[int]) -> None:
    """Their open pages read the bell again."""
    live.signal(account_id, [f"bell-{user_id}" for user_id in sorted(set(user_ids))])


def tell(
    account_id: int,
    events: Sequence[Event],
    concerned: Concerned,
    at: datetime | None = None,
    *,
    away: Away = nobody,
) -> None:
    """Tell all whom the events concern; what is older than OLD is no news. Safe to repeat.

    `away` says which of some people are: for those who want quiet, all stays in the bell (R-NOT-14).
    """
    at = at or clock.now()
    events = [event for event in events if event.at > at - OLD]
    ticket_ids = {pk for event in events for pk in deciding.tickets_of(event)}
    if not ticket_ids:
        return
    tickets = Ticket.objects.filter(account_id=account_id, pk__in=ticket_ids, archived_at=None, is_spam=False)
    known = {ticket.pk: ticket for ticket in tickets.select_related("contact", "stage")}
    events = [deciding.led_by(event, known) for event in events]
    owners = {pk: ticket.owner_id for pk, ticket in known.items()}
    notices = [_with_status(n, known[n.ticket_id]) for n in deciding.decide(events, owners, concerned)]
    planned = plan(account_id, [(n.user_id, n.topic) for n in notices], at, away)
    told = [(n, planned.ways(n.user_id, n.topic)) for n in notices]
    fresh = _keep(account_id, [(n, ways) for n, ways in told if ways.is_kept], at)
    ring(account_id, fresh)
    _leave(account_id, [(n, ways) for n, ways in told if ways.is_loud], known, at)


def _with_status(notice: Notice, ticket: Ticket) -> Notice:
    """A change of status says which it is now."""
    return replace(notice, task=ticket.stage.label) if notice.topic is Topic.STATUS else notice


def _keep(account_id: int, told: Sequence[tuple[Notice, Ways]], at: datetime) -> set[int]:
    """Write the rows; returns who has a new one."""
    if not told:
        return set()
    notices = [n for n, _ways in told]
    columns: list[list[Any]] = [
        [n.user_id for n in notices],
        [n.event_id for n in notices],
        [n.topic.value for n in notices],
        [n.ticket_id for n in notices],
        [n.actor_kind for n in notices],
        [n.actor_id for n in notices],
        ["task" if n.task_id else "" for n in notices],
        [n.task_id for n in notices],
        [n.task for n in notices],
        [n.number for n in notices],
        *columns_of([ways for _n, ways in told], at),
        [f"{{{','.join(map(str, n.others))}}}" for n in notices],
    ]
    return {row[0] for row in sql.rows(_KEEP, [account_id, at, *columns])}


_COLUMNS = (
    "user_id, event_id, topic, ticket_id, actor_kind, actor_id, about_kind, about_id, about_name, number,"
    " pops_up, digest, read_at, others"
)
_KEEP = f"""
insert into {Notification._meta.db_table} (account_id, created_at, {_COLUMNS})
select %s, %s, {_COLUMNS}::bigint[] from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::text[],
    %s::bigint[], %s::text[], %s::int[], %s::boolean[], %s::boolean[], %s::timestamptz[], %s::text[]) x ({_COLUMNS})
on conflict (account_id, user_id, event_id) do nothing returning user_id
"""


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _leave(
    account_id: int, told: Sequence[tuple[Notice, Ways]], tickets: Mapping[int, Ticket], at: datetime
) -> None:
    if not told:
        return
    viewers = {viewer.user_id: viewer for viewer in viewers_of(account_id, {n.user_id for n, _ways in told})}
    going = [
        Leaving(n.user_id, n.topic, f"notification:{n.event_id}:{n.user_id}", ways, partial(_said, ticket, n))
        for n, ways in told
        if (viewer := viewers.get(n.user_id)) and (ticket := _first(viewer, n, tickets))  # who left hears nothing
    ]  # fmt: skip
    leave(account_id, going, at, {n.actor_id for n, _ways in told if n.actor_kind == "user" and n.actor_id})


def _first(viewer: Viewer, notice: Notice, tickets: Mapping[int, Ticket]) -> Ticket | None:
    """What it leads to, of what the viewer may see."""
    there = (tickets[pk] for pk in (notice.ticket_id, *notice.others) if pk in tickets)
    return next((one for one in there if visible(viewer, "ticket").reaches(one)), None)


def _said(ticket: Ticket, notice: Notice, people: People) -> Said:
    line = sentence(notice.topic, actor_name(notice, people, ticket), notice.task, notice.number)
    name = f"#{ticket.number} {ticket.subject}"
    return Said(
        title=f"[#{ticket.number}] {ticket.subject}",
        text=f"{line}\n\n{name}",
        path=pages.ticket(ticket.pk, notice.task_id),
        line=line,
    )


def actor_name(notice: Notice, people: Mapping[int, User], ticket: Ticket) -> str:
    """Who did it, "" for a machine."""
    if notice.actor_kind == "user":
        found = people.get(notice.actor_id or 0)
        return found.name if found else ""
    if notice.actor_kind == "visitor" and ticket.contact:
        return ticket.contact.name or ticket.contact.email
    return ""
