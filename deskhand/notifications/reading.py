"""The list behind the bell: what somebody was told of what they may see now, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts.permissions import ANY_TYPE
from deskhand.accounts.policy import reaches_any, visible
from deskhand.accounts.types import Viewer
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.notifications.failures import kinds_for
from deskhand.notifications.models import Notification
from deskhand.notifications.telling import ring
from deskhand.notifications.types import ABOUT_RECORDS, AVAILABILITY, Topic

PAGE = 50
CAP = 100  # the count stops here and says 99+


@dataclass(frozen=True)
class Line:
    id: int
    topic: Topic
    ticket_id: int | None
    number: int | None
    subject: str | None
    actor_name: str  # "" for a machine
    at: datetime
    is_unread: bool
    about_kind: str = (
        ""  # of what is about no ticket, a Kind; "task" of a ticket's task; the type of a record
    )
    about_id: int | None = None
    about_name: str = ""
    times: int = 1
    text: str = ""  # what a workflow says; of a record's task, what is to be done
    pops_up: bool = False


def _rows(viewer: Viewer) -> tuple[str, list[object]]:
    """Rows `n` with the ticket `t` that they lead to, where the viewer may see it.

    Of tickets that were handed over together it is the first that the viewer may see.
    """
    reach, own = visible(viewer, "ticket").sql("t")
    rows = (
        "notifications_notification n left join lateral (select t.id, t.number, t.subject, t.account_id, t.contact_id from crm_ticket t"
        f" where t.account_id = n.account_id and t.id = any(n.ticket_id || n.others) and t.archived_at is null and ({reach})"
        " order by t.id <> n.ticket_id, t.id limit 1) t on true"
    )
    return rows, list(own)


def _seen(viewer: Viewer) -> tuple[str, list[object]]:
    """What the viewer may see of `_rows`."""
    known, others = _types(viewer)
    seen = (
        "(t.id is not null or (n.ticket_id is null and n.topic <> all(%s) and n.about_kind = any(%s))"
        f" or (n.ticket_id is null and n.topic = any(%s) and {'n.about_kind <> all(%s)' if others else 'n.about_kind = any(%s)'}))"
    )
    of_records = sorted(ABOUT_RECORDS)
    return seen, [of_records, _kinds(viewer), of_records, known]


def _kinds(viewer: Viewer) -> list[str]:
    """What the viewer may see that is about no record."""
    return [AVAILABILITY, *(kind.value for kind in kinds_for(viewer))]


def _types(viewer: Viewer) -> tuple[list[str], bool]:
    """Whether the viewer sees types of records that no rule names, and the others: those hidden, else those seen.

    Who was told of a record could see it then (R-NOT-16); here it counts whether they still see any of its type.
    """
    others = reaches_any(viewer, ANY_TYPE)
    named = {*BUILT_IN, *viewer.permissions.records}
    return [name for name in sorted(named) if reaches_any(viewer, name) is not others], others


def lines(
    viewer: Viewer, *, before: int = 0, limit: int = PAGE, only: Sequence[int] | None = None
) -> tuple[list[Line], int]:
    """One page, and the place of the next one (0 at the end); of all there is, or of `only` these."""
    (rows, reach), (seen, own) = _rows(viewer), _seen(viewer)
    found = sql.rows(
        f"""
        select n.id, n.topic, t.id, t.number, t.subject,
               coalesce(case n.actor_kind when 'user' then u.name when 'visitor' then coalesce(nullif(c.name, ''), c.email) end, ''),
               n.created_at, n.read_at is null, n.about_kind, n.about_id, n.about_name, n.number, n.text, n.pops_up
        from {rows} left join accounts_user u on n.actor_kind = 'user' and u.id = n.actor_id
        left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
        where n.account_id = %s and n.user_id = %s and (%s = 0 or n.id < %s) and (%s::bigint[] is null or n.id = any(%s)) and {seen}
        order by n.id desc limit %s
        """,
        [*reach, viewer.account_id, viewer.user_id, before, before, *2 * [only], *own, limit + 1],
    )
    shown = [Line(pk, Topic(topic), *rest) for pk, topic, *rest in found[:limit]]
    return shown, shown[-1].id if len(found) > limit else 0


def unread(viewer: Viewer) -> int:
    """How many are unread; none counted past CAP."""
    (rows, reach), (seen, own) = _rows(viewer), _seen(viewer)
    found = sql.row(
        f"select count(*) from (select 1 from {rows} where n.account_id = %s and n.user_id = %s and n.read_at is null"
        f" and {seen} limit {CAP}) x",
        [*reach, viewer.account_id, viewer.user_id, *own],
    )
    return int(found[0]) if found else 0


def mark_read(viewer: Viewer, at: datetime, ticket_id: int | None = None) -> int:
    """All of them, or those that lead to one ticket. Returns how many were unread."""
    rows, reach = _rows(viewer)
    which, asked = "", []
    if ticket_id is not None:
        # Each half has an index: who opens a ticket asks this, and may have thousands that are unread.
        which = (
            f" and (ticket_id = %s or id = any(array(select n.id from {rows} where n.account_id = %s and n.user_id = %s"
            " and n.read_at is null and n.others <> '{}' and %s = any(n.others) and t.id = %s)))"
        )
        asked = [ticket_id, *reach, viewer.account_id, viewer.user_id, ticket_id, ticket_id]
    done = sql.execute(
        "update notifications_notification set read_at = %s where account_id = %s and user_id = %s and read_at is null"
        + which,
        [at, viewer.account_id, viewer.user_id, *asked],
    )
    if done:
        ring(viewer.account_id, [viewer.user_id])
    return done


def mark_about(
    viewer: Viewer, at: datetime, kinds: Collection[str], object_ids: Collection[int] | None = None
) -> None:
    """What was told of these kinds is read, failures or types of records; `object_ids` None: of all there are."""
    done = sql.execute(
        "update notifications_notification set read_at = %s where account_id = %s and user_id = %s and read_at is null"
        " and ticket_id is null and about_kind = any(%s) and (%s::bigint[] is null or about_id = any(%s))",
        [
            at,
            viewer.account_id,
            viewer.user_id,
            list(kinds),
            *2 * [object_ids and list(object_ids)],
        ],
    )
    if done:
        ring(viewer.account_id, [viewer.user_id])


def require(viewer: Viewer, ticket_id: int) -> None:
    """Raises NotFound when the viewer was told nothing about this ticket, or may not see it."""
    reach, own = visible(viewer, "ticket").sql("t")
    found = sql.row(
        "select 1 from notifications_notification n join crm_ticket t on t.account_id = n.account_id and t.id = any(n.ticket_id || n.others)"
        f" where n.account_id = %s and n.user_id = %s and t.id = %s and ({reach}) limit 1",
        [viewer.account_id, viewer.user_id, ticket_id, *own],
    )
    if found is None:
        raise NotFound(_("There is no notification about this ticket."))


def require_about(viewer: Viewer, kind: str, object_id: int) -> None:
    """Raises NotFound when the viewer was told of no such thing, or may not see it any more."""
    told = Notification.objects.filter(
        account_id=viewer.account_id,
        user_id=viewer.user_id,
        ticket_id=None,
        about_kind=kind,
        about_id=object_id,
    )
    topics = set(told.values_list("topic", flat=True))
    is_seen = reaches_any(viewer, kind) if topics <= ABOUT_RECORDS else kind in _kinds(viewer)
    if not topics or not is_seen:
        raise NotFound(_("There is no such notification."))
