"""Verbs on tickets. Creation and changes take lists, because mail and automation come in sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import archive as archives
from deskhand.crm.records import associations, filterable, guard, store, unique
from deskhand.crm.records.checking import checked as checked  # automation and screens check with it, too
from deskhand.crm.records.checking import require
from deskhand.crm.records.models import Ticket, TicketType
from deskhand.crm.records.store import Applied, Change
from deskhand.crm.schema.tags import TAGS
from deskhand.events import log
from deskhand.events.types import Actor, Cause, Event, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, NotFound

CREATED, MOVED, ASSIGNED, UPDATED = "ticket.created", "ticket.moved", "ticket.assigned", "ticket.updated"
SUBJECT = 500  # characters that people may give one; mail brings what it brings


@dataclass(frozen=True)
class NewTicket:
    """A ticket to be. Without a stage it begins in the pipeline's first open status (R-DM-4, R-CC-11)."""

    subject: str
    content: str = ""
    pipeline_id: int | None = None
    stage_id: int | None = None
    contact_id: int | None = None
    company_id: int | None = None
    owner_id: int | None = None
    source_type: str | None = None
    ticket_type: TicketType = TicketType.EMAIL_OTHER
    priority: str | None = None
    category: str | None = None
    in_help_desk: bool = True
    is_spam: bool = False
    inbox_id: int | None = None
    channel_account_id: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # columns such as preview, last_received_at
    properties: dict[str, Any] = field(default_factory=dict)
    creation_key: str | None = None
    cause: Cause | None = None  # this one's own; else the set's


@dataclass(frozen=True)
class Created:
    id: int
    number: int
    event: Event


def create_many(
    new: Sequence[NewTicket],
    *,
    by: Actor,
    cause: Cause | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> list[Created]:
    """Create tickets in order, numbered without gaps (R-GAP-2), with clocks, associations and one event each.

    Raises Invalid where people may not create tickets in that status (R-RULE-5).
    """
    if not new:
        return []
    at = at or clock.now()
    teams = store.main_teams({item.owner_id for item in new if item.owner_id})
    rows = [_row(item, teams.get(item.owner_id or 0), by, at) for item in new]
    ids = sql.ids("crm_ticket", len(new))
    given = {ticket_id: item.properties for ticket_id, item in zip(ids, new, strict=True)}
    unique.follow("ticket", given, are_new=True)
    numbers = _next_numbers(len(new))
    bulk.insert(
        Ticket,
        [
            {"id": ticket_id, "number": number, **row}
            for ticket_id, number, row in zip(ids, numbers, rows, strict=True)
        ],
    )
    filterable.follow("ticket", given, are_new=True)
    store.start_clocks("ticket", ids, [row["stage_id"] for row in rows], at)
    associations.link_many(
        [
            ("ticket", ticket_id, "contact", item.contact_id)
            for ticket_id, item in zip(ids, new, strict=True)
            if item.contact_id
        ]
        + [
            ("ticket", ticket_id, "company", item.company_id)
            for ticket_id, item in zip(ids, new, strict=True)
            if item.company_id
        ],
        at,
    )
    events = log.record_many(
        [
            NewEvent(
                CREATED, "ticket", ticket_id, 1, by, at, _facts_of_creation(row), item.cause or cause, depth
            )
            for ticket_id, row, item in zip(ids, rows, new, strict=True)
        ]
    )
    return [Created(*found) for found in zip(ids, numbers, events, strict=True)]


def create(
    new: NewTicket, *, by: Actor, cause: Cause | None = None, depth: int = 0, at: datetime | None = None
) -> Created:
    return create_many([new], by=by, cause=cause, depth=depth, at=at)[0]


def _row(item: NewTicket, team_id: int | None, by: Actor, at: datetime) -> dict[str, Any]:
    require("ticket", "subject", item.subject)
    pipelines = pipelines_of("ticket")
    if item.stage_id is None:
        pipeline = pipelines.pipeline(item.pipeline_id) if item.pipeline_id else pipelines.default
        stage = guard.first_stage(pipeline, by)
    else:
        pipeline, stage = pipelines.of_stage(item.stage_id), pipelines.stage(item.stage_id)
        guard.check_creation(pipeline, stage, by)
    closed_at = at if not stage.is_open and pipeline.sets_close_date else None  # R-CLOSE-9
    return {
        "account_id": current_account_id(), "version": 1, "created_at": at, "updated_at": at, "sort_at": at,
        "pipeline_id": pipeline.id, "stage_id": stage.id, "is_closed": not stage.is_open, "stage_entered_at": at,
        "closed_at": closed_at, "last_closed_at": None if stage.is_open else at,
        "subject": item.subject, "content": item.content, "contact_id": item.contact_id, "owner_id": item.owner_id,
        "assigned_team_ids": [team_id] if team_id else [],  # R-ROUTE-50
        "owner_assigned_at": at if item.owner_id else None, "first_assigned_at": at if item.owner_id else None,
        "assignment_method": ("manual" if item.owner_id else None),
        "source_type": item.source_type, "ticket_type": item.ticket_type, "priority": item.priority, "category": item.category,
        "in_help_desk": item.in_help_desk, "is_spam": item.is_spam, "inbox_id": item.inbox_id,
        "channel_account_id": item.channel_account_id, "properties": dict(item.properties),
        "created_by_kind": by.kind.value, "created_by_id": by.id, "creation_key": item.creation_key, **item.facts,
    }  # fmt: skip


def _facts_of_creation(row: dict[str, Any]) -> dict[str, Any]:
    """What subscribers need without reading the ticket again."""
    return {
        "pipeline_id": row["pipeline_id"], "stage_id": row["stage_id"], "source_type": row["source_type"], "owner_id": row["owner_id"],
        "channel_account_id": row["channel_account_id"], "contact_id": row["contact_id"], "ticket_type": str(row["ticket_type"]),
        "in_help_desk": row["in_help_desk"], "is_spam": row["is_spam"],
        **({TAGS: row["properties"][TAGS]} if row["properties"].get(TAGS) else {}),
    }  # fmt: skip


def _next_numbers(count: int) -> list[int]:
    """The counter's row stays locked until commit: a rolled-back number is given again, so there is no gap."""
    found = sql.row(
        "insert into crm_ticketcounter (account_id, last_number) values (%s, %s)"
        " on conflict (account_id) do update set last_number = crm_ticketcounter.last_number + excluded.last_number returning last_number",
        [current_account_id(), count],
    )
    assert found is not None
    return list(range(found[0] - count + 1, found[0] + 1))


def hold(account_id: int, ticket_ids: Collection[int]) -> None:
    """Lock them in the order of their ids, as everywhere; others may read them, and refer to them."""
    if ticket_ids:
        sql.rows(
            "select from crm_ticket where account_id = %s and id = any(%s) order by id for no key update",
            [account_id, sorted(ticket_ids)],
        )


def change_many(changes: Sequence[Change], *, by: Actor, **more: Any) -> list[Applied]:
    return store.change_many("ticket", changes, by=by, **more)


def move(
    ticket_id: int,
    *,
    to: int,
    by: Actor,
    seen_in: int | None = None,
    properties: Mapping[str, Any] | None = None,
    rule: str | None = None,
    **more: Any,
) -> Applied:
    """Move a ticket to stage `to`, with its close date and clocks (§4). No event when it stands there already.

    `seen_in` is the stage that the mover saw it in. Raises Conflict when somebody has moved it elsewhere since.
    `properties` are what the stage asks for, written in the same change (R-REQ-1).
    """
    if seen_in is not None:
        _refuse_when_moved_since(ticket_id, seen_in, to)
    values = {**checked("ticket", properties or {}), "stage_id": to}
    return _one(Change(ticket_id, values, rule=rule), by=by, **more)


def _refuse_when_moved_since(ticket_id: int, seen_in: int, to: int) -> None:
    found = sql.row(
        "select stage_id from crm_ticket where account_id = %s and id = %s for no key update",
        [current_account_id(), ticket_id],
    )
    if found and found[0] not in (seen_in, to):
        status = _(pipelines_of("ticket").stage(found[0]).label)
        raise Conflict(_("Somebody has moved this ticket to “%(status)s” meanwhile.") % {"status": status})


def assign(
    ticket_id: int, *, owner_id: int | None, by: Actor, team_ids: Sequence[int] | None = None, **more: Any
) -> Applied:
    """Give the ticket to a user, to teams, or to nobody (R-ROUTE-6, R-ROUTE-51)."""
    values: dict[str, Any] = {"owner_id": owner_id}
    if team_ids is not None:
        values["assigned_team_ids"] = list(team_ids)
    return _one(Change(ticket_id, values), by=by, **more)


def update(ticket_id: int, properties: dict[str, Any], *, by: Actor, **more: Any) -> Applied:
    """Set properties by their API names; None clears. Raises Invalid for unknown and read-only ones and wrong values."""
    return _one(Change(ticket_id, checked("ticket", properties)), by=by, **more)


def _one(change: Change, *, by: Actor, **more: Any) -> Applied:
    done = change_many([change], by=by, **more)
    if not done:
        raise NotFound(_("There is no ticket %(record_id)s.") % {"record_id": change.record_id})
    return done[0]


def archive(ticket_ids: Sequence[int], *, by: Actor, at: datetime | None = None) -> list[int]:
    """Put tickets away; they can be restored. Returns the ids that were there and not away already."""
    return archives.archive("ticket", ticket_ids, by=by, at=at)


def restore(ticket_ids: Sequence[int], *, by: Actor) -> list[int]:
    """Bring tickets back. Raises NotUnique where a value of one is another's by now."""
    ours = Ticket.objects.filter(account_id=current_account_id(), pk__in=ticket_ids, merged_into=None)
    return archives.restore("ticket", list(ours.values_list("pk", flat=True)), by=by)
