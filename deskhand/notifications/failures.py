"""Telling those who can set it right that something failed for good: in the bell, and by mail who asked for it.

Once an event and person (R-NOT-15). What fails again within an hour, while the first is unread, is the same line with a
higher number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.events.types import Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.notifications import pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import Away, nobody, plan
from deskhand.notifications.telling import ring
from deskhand.notifications.types import Failure, Kind, Topic
from deskhand.notifications.wishes import Ways, columns_of
from deskhand.notifications.wording import failed, heading

OLD = timedelta(days=1)
TOGETHER = timedelta(hours=1)

#: Who is told: whoever may open the page on which it is set right.
SEEN_BY = {
    Kind.AUTOMATION: Action.EDIT_LANES,
    Kind.RECEIVING: Action.CONNECT_CHANNELS,
    Kind.SENDING: Action.EDIT_ACCOUNT,
    Kind.QUARANTINE: Action.EDIT_ACCOUNT,
    Kind.WORK: Action.EDIT_ACCOUNT,
    Kind.BUDGET: Action.EDIT_ACCOUNT,
    Kind.RATE: Action.EDIT_LANES,
    Kind.PACE: Action.EDIT_LANES,
}
#: What its owner is told of, too, who may edit workflows (R-EXEC-9).
OWNED = (Kind.AUTOMATION, Kind.RATE, Kind.PACE)
FAILED = {
    "workflow.failed": Kind.AUTOMATION,
    "channel.stopped": Kind.RECEIVING,
    "channel.not_sending": Kind.SENDING,
    "channel.quarantined": Kind.QUARANTINE,
    "job.given_up": Kind.WORK,
    "automation.stopped": Kind.BUDGET,
    "workflow.busy": Kind.RATE,
    "workflow.pace_changed": Kind.PACE,
}


def kinds_for(viewer: Viewer) -> list[Kind]:
    """What somebody is told of, and sees."""
    is_owner = policy.can(viewer, Action.EDIT_WORKFLOWS)
    return [
        kind for kind, action in SEEN_BY.items() if policy.can(viewer, action) or (is_owner and kind in OWNED)
    ]


def url_of(kind: Kind, object_id: int) -> str:
    """The page on which it is set right, or run again."""
    match kind:
        case Kind.AUTOMATION | Kind.RATE | Kind.PACE:
            return pages.workflow(object_id)
        case Kind.RECEIVING:
            return pages.channel(object_id)
    part = {
        Kind.SENDING: "mails",
        Kind.QUARANTINE: "quarantine",
        Kind.WORK: "jobs",
        Kind.BUDGET: "automation",
    }[kind]
    return f"{pages.SYSTEM}#{part}"


def gather(events: Iterable[Event]) -> list[Failure]:
    """Pure. Of each object one, with all that failed of it."""
    found: dict[tuple[Kind, int], Failure] = {}
    for event in events:
        if event.kind in FAILED:
            key = (FAILED[event.kind], event.object_id)
            before = found[key].number if key in found else 0
            number = before + event.data.get("number", 1)
            owner_id = event.data.get("owner_id")
            found[key] = Failure(*key, event.data.get("name", ""), number, event.id, owner_id)
    return list(found.values())


def tell(
    account_id: int, events: Sequence[Event], at: datetime | None = None, *, away: Away = nobody
) -> None:
    """Tell all who can set it right; what is older than OLD is no news. Safe to repeat. `away` as for telling.tell."""
    at = at or clock.now()
    failures = gather(event for event in events if event.at > at - OLD)
    if not failures:
        return
    told = [
        (viewer.user_id, failure)
        for viewer in policy.viewers_of(account_id)
        for failure in failures
        if _is_told(viewer, failure)
    ]
    planned = plan(account_id, [(user_id, Topic.FAILURE) for user_id, _failure in told], at, away)
    ways = {user_id: planned.ways(user_id, Topic.FAILURE) for user_id, _failure in told}
    fresh = _keep(account_id, [(*pair, ways[pair[0]]) for pair in told if ways[pair[0]].is_kept], at)
    ring(account_id, fresh)
    leave(account_id, [_leaving(user_id, failure, ways[user_id], at) for user_id, failure in told], at)


def _is_told(viewer: Viewer, failure: Failure) -> bool:
    """A busy workflow's owner asked to be told; where it has none, the administrators are."""
    if failure.owner_id == viewer.user_id and policy.can(viewer, Action.EDIT_WORKFLOWS):
        return True
    is_asked_for = failure.kind in (Kind.RATE, Kind.PACE) and failure.owner_id is not None
    return not is_asked_for and policy.can(viewer, SEEN_BY[failure.kind])


def _keep(account_id: int, told: Sequence[tuple[int, Failure, Ways]], at: datetime) -> set[int]:
    """Write the rows; returns whose bell has changed."""
    if not told:
        return set()
    columns: list[list[Any]] = [
        [user_id for user_id, _failure, _ways in told],
        [failure.event_id for _user, failure, _ways in told],
        [failure.kind.value for _user, failure, _ways in told],
        [failure.object_id for _user, failure, _ways in told],
        [failure.name for _user, failure, _ways in told],
        [failure.number for _user, failure, _ways in told],
        *columns_of([ways for _user, _failure, ways in told], at),
    ]
    given = {"account": account_id, "at": at, "since": at - TOGETHER, "topic": Topic.FAILURE.value}
    names = ("users", "events", "kinds", "objects", "names", "numbers", "popping", "digests", "read")
    return {row[0] for row in sql.rows(_KEEP, given | dict(zip(names, columns, strict=True)))}


_KEEP = f"""
with given as (
    select * from unnest(%(users)s::bigint[], %(events)s::bigint[], %(kinds)s::text[], %(objects)s::bigint[],
        %(names)s::text[], %(numbers)s::int[], %(popping)s::boolean[], %(digests)s::boolean[], %(read)s::timestamptz[])
        x(user_id, event_id, kind, object_id, name, number, pops_up, digest, read_at)
), new as (
    select g.* from given g where not exists (
        select from {Notification._meta.db_table} n where n.account_id = %(account)s and n.user_id = g.user_id
            and n.about_kind = g.kind and n.about_id = g.object_id and n.event_id >= g.event_id)
), more as (
    update {Notification._meta.db_table} n set number = n.number + g.number, event_id = g.event_id, about_name = g.name, digest = n.digest or g.digest
    from new g where n.account_id = %(account)s and n.user_id = g.user_id and n.about_kind = g.kind
        and n.about_id = g.object_id and n.read_at is null and n.created_at > %(since)s
    returning n.user_id, g.kind, g.object_id
), first as (
    insert into {Notification._meta.db_table}
        (account_id, created_at, topic, actor_kind, user_id, event_id, about_kind, about_id, about_name, number, pops_up, digest, read_at)
    select %(account)s, %(at)s, %(topic)s, 'system', g.* from new g
    where (g.user_id, g.kind, g.object_id) not in (select * from more)
    on conflict (account_id, user_id, event_id) do nothing returning user_id
)
select user_id from more union select user_id from first
"""


def _leaving(user_id: int, failure: Failure, ways: Ways, at: datetime) -> Leaving:
    """At most one an hour of what fails again and again."""
    hour = at.timestamp() // TOGETHER.total_seconds()
    key = f"failure:{failure.kind}:{failure.object_id}:{user_id}:{hour:.0f}"
    return Leaving(user_id, Topic.FAILURE, key, ways, partial(_said, failure))


def _said(failure: Failure, _people: People) -> Said:
    what = {"title": heading(failure.kind, failure.name), "what": failed(failure.kind, failure.number)}
    title = _("%(title)s: %(what)s") % what
    return Said(title=title, text=title, path=url_of(failure.kind, failure.object_id))
