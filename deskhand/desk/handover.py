"""Handing tickets over: each gets a new owner, or a team's queue, and one comment that sums up where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from typing import Any, NamedTuple

from babel.dates import format_datetime, format_skeleton, format_time
from django.utils import timezone
from django.utils.translation import gettext as _

from deskhand.accounts import queries as people
from deskhand.accounts.policy import visible
from deskhand.accounts.queries import TeamRow
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.desk import bulk, notes
from deskhand.desk.bulk import Done, Known
from deskhand.desk.models import Snooze
from deskhand.desk.notes import Note
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.kernel.locales import of_reader
from deskhand.kernel.text import one_line

#: The rule that new owners and comments of a hand-over name as their cause; nobody is told of these one by one.
RULE = "hand_over"
#: What who gets tickets is told of, once for all of them: an event of the first, or of the next that is there still.
HANDED_OVER = "ticket.handed_over"
NAMED = 20  # tickets that the event names
LINE = 200  # characters of what the customer wrote
MOST = 3000  # tickets at once
NOTE = 2000  # of what who hands over adds


@dataclass(frozen=True)
class Receivers:
    """Colleagues, who get tickets in turn; or a team, in whose queue they wait without an owner."""

    user_ids: tuple[int, ...] = ()
    team_id: int | None = None


def open_tickets(viewer: Viewer, owner_id: int) -> list[int]:
    """Somebody's open tickets that the viewer may give to others, the oldest first; one more than MOST where there are more."""
    reach = visible(viewer, "ticket", Verb.EDIT).q()
    theirs = Ticket.objects.filter(
        reach,
        account_id=viewer.account_id,
        owner_id=owner_id,
        is_closed=False,
        is_spam=False,
        archived_at=None,
    )
    return list(theirs.order_by("id").values_list("pk", flat=True)[: MOST + 1])


def hand_over(
    viewer: Viewer,
    ticket_ids: Sequence[int],
    to: Receivers,
    note: str,
    *,
    at: datetime,
    shown_at: datetime | None = None,
) -> tuple[Done, dict[int, int]]:
    """Hand over those that are open and that the viewer may change; the others are told with the reason.

    What somebody got after `shown_at`, when they were chosen, stays theirs: a second click hands nothing on. Returns also how
    many each colleague got. Raises Invalid without a receiver, for a team that there is not, and for too many tickets or words.
    """
    if not to.user_ids and to.team_id is None:
        raise Invalid(_("Choose who gets the tickets."), field="to", value="")
    if len(ticket_ids) > MOST:
        raise Invalid(
            _("Hand over at most %(count)s tickets at once.") % {"count": MOST}, field="ids", value=""
        )
    if len(note) > NOTE:
        raise Invalid(_("The note is too long."), field="note", value=note[:40])
    teams = people.teams(viewer.account_id) if to.team_id is not None else []
    team = next((one for one in teams if one.id == to.team_id), None)
    if to.team_id is not None and team is None:
        raise Invalid(_("There is no such team."), field="to", value=to.team_id)
    facts = _facts(viewer.account_id, ticket_ids)
    gets: dict[int, int] = {}
    done = bulk.change(viewer, ticket_ids, _plan(to, facts, gets, shown_at), at=at, rule=RULE)
    _comment(viewer, [facts[pk] for pk in done.changed], gets, team, note, at)
    got: dict[int | None, list[int]] = {}
    for ticket_id in done.changed:
        got.setdefault(gets.get(ticket_id), []).append(ticket_id)
    _tell(viewer, got, team, at)
    return done, {user_id: len(ids) for user_id, ids in got.items() if user_id is not None}


def _plan(
    to: Receivers, facts: Mapping[int, _Facts], gets: dict[int, int], shown_at: datetime | None
) -> bulk.Plan:
    """Whom each ticket goes to, kept in `gets`; nobody gets their own."""
    turns = cycle(to.user_ids)

    def plan(ticket: Known) -> Mapping[str, Any] | str:
        if facts[ticket.id].is_closed:
            return _("It is closed.")
        given_at = facts[ticket.id].given_at
        if shown_at and given_at and given_at > shown_at:
            return _("It has been given to somebody meanwhile.")
        if to.team_id is not None:
            return {"owner_id": None, "assigned_team_ids": [to.team_id]}
        chosen = next(turns)
        if chosen == ticket.owner_id and len(to.user_ids) > 1:
            chosen = next(turns)
        gets[ticket.id] = chosen
        return {"owner_id": chosen}

    return plan


def _tell(
    viewer: Viewer, got: Mapping[int | None, Sequence[int]], team: TeamRow | None, at: datetime
) -> None:
    """One event for each colleague, or for all members of the team, with the whole number."""
    members = {*team.main_user_ids, *team.extra_user_ids} if team else ()
    firsts = Ticket.objects.filter(account_id=viewer.account_id, pk__in=[ids[0] for ids in got.values()])
    versions = dict(firsts.values_list("pk", "version"))
    log.record_many([
        NewEvent(
            HANDED_OVER, "ticket", ids[0], versions[ids[0]], Actor.user(viewer.user_id), at,
            {
                "users": sorted(members) if user_id is None else [user_id],
                "team": team.name if team else "",
                "number": len(ids),
                "tickets": list(ids[:NAMED]),
            },
        )
        for user_id, ids in got.items()
    ])  # fmt: skip


# ── the comment ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Facts(NamedTuple):
    """Where a ticket stands."""

    id: int
    is_closed: bool
    stage_id: int
    owner_id: int | None
    last_sent_at: datetime | None
    waits_since: datetime | None  # the customer, for us
    said: str | None
    said_at: datetime | None
    given_at: datetime | None


_FACTS = """
select t.id, t.is_closed, t.stage_id, t.owner_id, t.last_sent_at, w.at, x.text, x.created_at, t.owner_assigned_at
from crm_ticket t
left join lateral (
    select left(m.text, 2000) as text, m.created_at from desk_message m
    where m.account_id = t.account_id and m.ticket_id = t.id and m.kind = 'MESSAGE' and m.direction = 'IN'
      and not m.is_automatic and not m.is_unverified
    order by m.id desc limit 1
) x on true
left join lateral (
    select min(m.created_at) as at from desk_message m
    where m.account_id = t.account_id and m.ticket_id = t.id and m.kind = 'MESSAGE' and m.direction = 'IN'
      and not m.is_automatic and not m.is_unverified and m.created_at > coalesce(t.last_sent_at, '-infinity')
) w on true
where t.account_id = %s and t.id = any(%s) order by t.id for no key update of t
"""


def _facts(account_id: int, ticket_ids: Collection[int]) -> dict[int, _Facts]:
    """Locked, so that what the comments say is what is handed over."""
    return {row[0]: _Facts(*row) for row in sql.rows(_FACTS, [account_id, sorted(set(ticket_ids))])}


_TASKS = """
select l.record_id, k.title, k.due_at from crm_tasklink l
join crm_task k on k.account_id = l.account_id and k.id = l.task_id
where l.account_id = %s and l.object_type = 'ticket' and l.record_id = any(%s) and k.completed_at is null and k.archived_at is null
order by k.due_at nulls last, k.id
"""


def _comment(
    viewer: Viewer,
    handed: Sequence[_Facts],
    gets: Mapping[int, int],
    team: TeamRow | None,
    note: str,
    at: datetime,
) -> None:
    ids = [one.id for one in handed]
    tasks: dict[int, list[str]] = {}
    for ticket_id, title, due_at in sql.rows(_TASKS, [viewer.account_id, ids]):
        due = _("due %(when)s") % {"when": _moment(due_at)} if due_at else ""
        tasks.setdefault(ticket_id, []).append(f"{title} ({due})" if due else title)
    asleep = {
        one.ticket_id: one
        for one in Snooze.objects.filter(account_id=viewer.account_id, ticket_id__in=ids).order_by("pk")
    }
    names = people.names_of(
        {viewer.user_id, *gets.values(), *(one.owner_id for one in handed if one.owner_id)}
    )
    to = team.name if team else ""
    by, cause = Actor.user(viewer.user_id), Cause(rule=RULE)
    made = []
    for one in handed:
        undone = _("Open tasks: %(tasks)s") % {"tasks": "; ".join(tasks.get(one.id, ()))}
        lines = [
            _head(viewer, one, names, names.get(gets.get(one.id, 0), to)), note.strip(), *_standing(one),
            undone if one.id in tasks else "", _asleep(asleep.get(one.id)),
        ]  # fmt: skip
        text = "\n".join(line for line in lines if line)
        made.append(Note(one.id, text, by, cause, author=names.get(viewer.user_id, "")))
    notes.add_many(made, at=at)


def _head(viewer: Viewer, one: _Facts, names: Mapping[int, str], to: str) -> str:
    words = {
        "name": names.get(viewer.user_id, ""),
        "to": to,
        "owner": names.get(one.owner_id or 0, ""),
    }
    if one.owner_id in (None, viewer.user_id):
        return _("%(name)s hands this over to %(to)s.") % words
    return _("%(name)s hands this over from %(owner)s to %(to)s.") % words


def _standing(one: _Facts) -> list[str]:
    status = _(pipelines_of("ticket").stage(one.stage_id).label)
    lines = [_("Status: %(status)s") % {"status": status}]
    if one.waits_since:
        lines.append(_("The customer has waited for us since %(when)s.") % {"when": _moment(one.waits_since)})
    elif one.last_sent_at:
        lines.append(
            _("We have waited for the customer since %(when)s.") % {"when": _moment(one.last_sent_at)}
        )
    first = next((line for text in (one.said or "").splitlines() if (line := one_line(text))), "")
    if first and one.said_at:
        said = first if len(first) <= LINE else first[:LINE].rstrip() + "…"
        lines.append(
            _("Last from the customer, %(when)s: “%(text)s”") % {"when": _moment(one.said_at), "text": said}
        )
    return lines


def _asleep(snooze: Snooze | None) -> str:
    if snooze is None:
        return ""
    if snooze.until is None:
        return _("Snoozed until the customer writes")
    return _("Snoozed until %(when)s") % {"when": _moment(snooze.until)}


def _moment(at: datetime) -> str:
    """With the zone: others read it elsewhere."""
    local = at.astimezone(timezone.get_current_timezone())
    locale = of_reader()
    day = format_skeleton("yMMMd", local, locale=locale)
    return (
        f"{day}, {format_time(local, 'short', locale=locale)} {format_datetime(local, 'zzz', locale=locale)}"
    )
