"""One change to many tickets: in sets, each asked for itself whether it may be changed, and told why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.records import guard, moving, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema import tags
from deskhand.crm.segments import tag_rules
from deskhand.desk import spam
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid


@dataclass(frozen=True)
class Known:
    """A chosen ticket as it stands."""

    id: int
    number: int
    subject: str
    pipeline_id: int
    owner_id: int | None
    team_ids: Sequence[int]
    tag_ids: Sequence[str]


@dataclass(frozen=True)
class Refused:
    """A ticket that was left as it is, and why."""

    number: int
    subject: str
    why: str


@dataclass(frozen=True)
class Done:
    changed: tuple[int, ...]
    refused: tuple[Refused, ...]


#: The new values of one ticket, by column; or why it stays as it is.
Plan = Callable[[Known], Mapping[str, Any] | str]


def to_status(stage_id: int) -> Plan:
    """Raises Invalid for a status that there is not."""
    pipeline = pipelines_of("ticket").of_stage(stage_id)

    def plan(ticket: Known) -> Mapping[str, Any] | str:
        if ticket.pipeline_id != pipeline.id:
            return _("It is in another pipeline.")
        return {"stage_id": stage_id}

    return plan


def to_closed(ticket: Known) -> Mapping[str, Any] | str:
    """The first closed status of its own pipeline."""
    closed = pipelines_of("ticket").pipeline(ticket.pipeline_id).first_closed
    return {"stage_id": closed.id} if closed else _("Its pipeline has no closed status.")


def to_tag(tag: str, is_on: bool) -> Plan:
    """With this tag more, or less. Raises Invalid for a tag that there is not, and for one that follows a rule."""
    tag_rules.require_by_hand(tag)

    def plan(ticket: Known) -> Mapping[str, Any] | str:
        rest = [one for one in ticket.tag_ids if one != tag]
        return {tags.TAGS: [*rest, tag] if is_on else rest} if (tag in ticket.tag_ids) is not is_on else {}

    return plan


def to_values(values: Mapping[str, Any]) -> Plan:
    return lambda ticket: values


def change(
    viewer: Viewer,
    ticket_ids: Sequence[int],
    plan: Plan,
    *,
    at: datetime,
    given: Mapping[str, Any] = MappingProxyType({}),
    rule: str | None = None,
) -> Done:
    """Change those that the viewer may change; what the viewer may not see is not spoken of.

    `rule` is what the changes name as their cause. `given`, by property, goes to those that lack it and move into a status that asks for it, in the same change (R-REQ-3).
    """
    known = {ticket.id: ticket for ticket in _known(viewer, ticket_ids)}
    changes, why = _planned(viewer, known.values(), plan)
    changes = moving.filled_in("ticket", changes, given)
    by = Actor.user(viewer.user_id)
    for ticket_id, reason in moving.kept_back("ticket", changes.values(), by).items():
        why[ticket_id] = reason
        del changes[ticket_id]
    taken: dict[int, Invalid] = {}  # what was given, and only one may have
    named = [one._replace(rule=rule) for one in changes.values()]
    done = tickets.change_many(named, by=by, at=at, refused=taken)
    why |= {ticket_id: refusal.message for ticket_id, refusal in taken.items()}
    refused = tuple(Refused(known[pk].number, known[pk].subject, why[pk]) for pk in sorted(why))
    return Done(tuple(one.record_id for one in done if one.changes), refused)


def _planned(viewer: Viewer, found: Iterable[Known], plan: Plan) -> tuple[dict[int, Change], dict[int, str]]:
    """By ticket: how it is to change; or why it stays as it is."""
    reach, changes, why = visible(viewer, "ticket", Verb.EDIT), dict[int, Change](), dict[int, str]()
    for ticket in found:
        may_edit = reach.allows(ticket.owner_id, ticket.team_ids)
        values = plan(ticket) if may_edit else _("You may not change this ticket.")
        if isinstance(values, str):
            why[ticket.id] = values
        else:
            changes[ticket.id] = Change(ticket.id, values)
    return changes, why


def moves(viewer: Viewer, ticket_ids: Sequence[int], plan: Plan) -> list[tuple[Ticket, StageValue]]:
    """The tickets that would go to a status that asks for something, and to which; without those that a rule keeps back."""
    changes, _why = _planned(viewer, _known(viewer, ticket_ids), plan)
    by, stages = Actor.user(viewer.user_id), pipelines_of("ticket")
    wanted = {pk: change.values.get("stage_id") for pk, change in changes.items()}
    asking = {
        to: stages.stage(to) for to in set(wanted.values()) if to and guard.asks("ticket", stages.stage(to))
    }
    there = {pk: to for pk, to in wanted.items() if to is not None and to in asking}
    found = Ticket.objects.filter(account_id=viewer.account_id, pk__in=there).order_by("id") if there else ()
    return moving.going("ticket", found, there, by)


def set_spam(viewer: Viewer, ticket_ids: Sequence[int], is_spam: bool, *, at: datetime) -> Done:
    """Into Spam or out of it, with all their threads (R-SPAM-1)."""
    why = _("You may not change this ticket.")
    allowed, refused = _allowed(viewer, Verb.EDIT, _known(viewer, ticket_ids), why)
    change_many = spam.mark_many if is_spam else spam.unmark_many
    return Done(tuple(change_many(allowed, by=Actor.user(viewer.user_id), at=at)), refused)


def set_deleted(viewer: Viewer, ticket_ids: Sequence[int], is_deleted: bool, *, at: datetime) -> Done:
    """Put tickets away, or bring them back; what waited in workflows does not go on (R-UN-7)."""
    why = _("You may not delete this ticket.") if is_deleted else _("You may not restore this ticket.")
    found = _known(viewer, ticket_ids, is_deleted=not is_deleted)
    allowed, refused = _allowed(viewer, Verb.DELETE, found, why)
    by = Actor.user(viewer.user_id)
    if is_deleted:
        return Done(tuple(tickets.archive(allowed, by=by, at=at)), refused)
    try:
        return Done(tuple(tickets.restore(allowed, by=by)), refused)
    except NotUnique as refusal:
        kept = refusal.refused
    refused += tuple(
        Refused(one.number, one.subject, kept[one.id].message) for one in found if one.id in kept
    )
    return Done(tuple(tickets.restore([pk for pk in allowed if pk not in kept], by=by)), refused)


def _allowed(
    viewer: Viewer, verb: Verb, found: Sequence[Known], why: str
) -> tuple[list[int], tuple[Refused, ...]]:
    """The ids of those that the viewer may treat so; and the others, with the reason."""
    reach = visible(viewer, "ticket", verb)
    may = {ticket.id: reach.allows(ticket.owner_id, ticket.team_ids) for ticket in found}
    refused = tuple(Refused(ticket.number, ticket.subject, why) for ticket in found if not may[ticket.id])
    return [ticket.id for ticket in found if may[ticket.id]], refused


def _known(viewer: Viewer, ticket_ids: Sequence[int], *, is_deleted: bool = False) -> list[Known]:
    reach, params = visible(viewer, "ticket").sql("t")
    away = "t.archived_at is not null and t.merged_into_id is null" if is_deleted else "t.archived_at is null"
    found = sql.rows(
        "select t.id, t.number, t.subject, t.pipeline_id, t.owner_id, t.assigned_team_ids,"
        f" array(select jsonb_array_elements_text(t.properties->'{tags.TAGS}')) from crm_ticket t"
        f" where t.account_id = %s and t.id = any(%s) and {away} and ({reach}) order by t.id",
        [viewer.account_id, sorted(set(ticket_ids)), *params],
    )
    return [Known(*row) for row in found]
