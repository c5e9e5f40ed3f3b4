"""The list behind the bell: what somebody was told of tickets that they may see now, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.events import live
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.notifications.telling import signal_of
from deskhand.notifications.types import Topic

PAGE = 50
CAP = 100  # the count stops here and says 99+


@dataclass(frozen=True)
class Line:
    id: int
    topic: Topic
    ticket_id: int
    number: int
    subject: str
    actor_name: str  # "" for a machine
    at: datetime
    is_unread: bool


_FROM = "notifications_notification n join crm_ticket t on t.account_id = n.account_id and t.id = n.ticket_id"


def lines(viewer: Viewer, *, before: int = 0, limit: int = PAGE) -> tuple[list[Line], int]:
    """One page, and the place of the next one (0 at the end)."""
    reach, own = visible(viewer, "ticket").sql("t")
    found = sql.rows(
        f"""
        select n.id, n.topic, t.id, t.number, t.subject,
               coalesce(case n.actor_kind when 'user' then u.name when 'visitor' then coalesce(nullif(c.name, ''), c.email) end, ''),
               n.created_at, n.read_at is null
        from {_FROM} left join accounts_user u on n.actor_kind = 'user' and u.id = n.actor_id
        left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
        where n.account_id = %s and n.user_id = %s and (%s = 0 or n.id < %s) and t.archived_at is null and ({reach})
        order by n.id desc limit %s
        """,
        [viewer.account_id, viewer.user_id, before, before, *own, limit + 1],
    )
    shown = [Line(pk, Topic(topic), *rest) for pk, topic, *rest in found[:limit]]
    return shown, shown[-1].id if len(found) > limit else 0


def unread(viewer: Viewer) -> int:
    """How many are unread; none counted past CAP."""
    reach, own = visible(viewer, "ticket").sql("t")
    found = sql.row(
        f"select count(*) from (select 1 from {_FROM} where n.account_id = %s and n.user_id = %s and n.read_at is null"
        f" and t.archived_at is null and ({reach}) limit {CAP}) x",
        [viewer.account_id, viewer.user_id, *own],
    )
    return int(found[0]) if found else 0


def mark_read(viewer: Viewer, at: datetime, ticket_id: int | None = None) -> int:
    """All of them, or those of one ticket. Returns how many were unread."""
    done = sql.execute(
        "update notifications_notification set read_at = %s where account_id = %s and user_id = %s and read_at is null"
        " and (%s::bigint is null or ticket_id = %s)",
        [at, viewer.account_id, viewer.user_id, ticket_id, ticket_id],
    )
    if done:
        live.signal(viewer.account_id, [signal_of(viewer.user_id)])
    return done


def require(viewer: Viewer, ticket_id: int) -> None:
    """Raises NotFound when the viewer was told nothing about this ticket, or may not see it."""
    reach, own = visible(viewer, "ticket").sql("t")
    found = sql.row(
        f"select 1 from {_FROM} where n.account_id = %s and n.user_id = %s and n.ticket_id = %s and ({reach}) limit 1",
        [viewer.account_id, viewer.user_id, ticket_id, *own],
    )
    if found is None:
        raise NotFound(_("There is no notification about this ticket."))
