"""Deals, projects and a kind of record of the demo company's own, so that their screens are lived in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deskhand.automation import lanes, workflows
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, StageRow, find
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import associations, notes, objects, refiling, task_queues, tasks
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import Actor

#: Name, amount, status, days since it was begun.
DEALS = (
    ("Frame agreement, 40 stoves", "18400", "appointmentscheduled", 2), ("Spring tents for rental", "62000", "appointmentscheduled", 5),
    ("Sleeping bags, scouts", "9900", "qualifiedtobuy", 9), ("Staff outfits 2027", "31500", "qualifiedtobuy", 12),
    ("Ropes and harnesses", "24750", "contractsent", 17), ("Festival order", "12300", "contractsent", 21),
    ("Winter camp", "47000", "closedwon", 33), ("Shelters for the council", "80500", "closedwon", 48),
    ("Second season, kayaks", "15200", "closedlost", 40),
)  # fmt: skip
PROJECTS = (
    ("New web shop", "project_in_progress", 30),
    ("Warranty handbook", "project_not_started", 6),
    ("Move of the Gothenburg store", "project_completed", 61),
)
#: Name, number, status.
RENTALS = (
    ("Expedition tent 4", "NR-204", 0), ("Sledge and harness", "NR-118", 0), ("Avalanche set", "NR-092", 1), ("Canoe, two seats", "NR-301", 1),
    ("Stove kit", "NR-077", 1), ("Snow shoes, pair 12", "NR-212", 2), ("Family tent", "NR-145", 3),
)  # fmt: skip
STATUSES = (
    ("Booked", OPEN, "blue"), ("With the customer", OPEN, "amber"), ("Being checked", OPEN, "violet"), ("Back in stock", CLOSED, "green"),
)  # fmt: skip


def make(people: Sequence[int], now: datetime) -> None:
    """`people` own them in turn. Nothing is made twice: the own kind comes first and is looked for."""
    if object_types.all_of_them():
        return
    by = Actor.user(people[0])
    _segments(by)
    rentals = _rentals(by)
    firms = list(Company.objects.order_by("id").values_list("pk", flat=True)[: len(DEALS)])
    for n, (name, amount, status, days) in enumerate(DEALS):
        given = {
            "dealname": name, "amount": amount, "deal_currency_code": "EUR", "hubspot_owner_id": people[n % len(people)],
            "closedate": now + timedelta(days=30 - days), **({"hs_priority": "high"} if n % 3 == 1 else {}),
        }  # fmt: skip
        made = _make("deal", given, status, now - timedelta(days=days), by)
        if n < len(firms):
            associations.connect("deal", made, "company", firms[n], by=by, at=now)
    for n, (name, status, days) in enumerate(PROJECTS):
        _make("project", {"hs_name": name, "hubspot_owner_id": people[n % len(people)]}, status, now - timedelta(days=days), by)  # fmt: skip
    stages = [stage.id for stage in pipelines_of(rentals).default.stages]
    for n, (name, number, place) in enumerate(RENTALS):
        given = {"hs_name": name, "serial_number": number, "hubspot_owner_id": people[n % len(people)]}
        made = objects.create(rentals, given, by=by, at=now - timedelta(days=9 - n)).id
        if place:
            objects.move(rentals, made, to=stages[place], by=by, at=now - timedelta(days=7 - n))
    _lanes(rentals, stages, people[0])


def _segments(by: Actor) -> None:
    """One that people fill, and one by filter."""
    loyal = segments.create("contact", "Loyal customers", SegmentKind.STATIC, by=by)
    members.add(loyal.pk, list(Contact.objects.order_by("id").values_list("pk", flat=True)[:8]), by=by)
    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH", "URGENT"))
    condition = AnyOf((AllOf((Associated("ticket", urgent),)),))
    segments.create("contact", "Had an urgent ticket", SegmentKind.FILTER, condition, by=by)


def _rentals(by: Actor) -> str:
    own = object_types.create("rentals", "Rental", "Rentals", by=by)
    object_types.set_icon(own.key, "package", by=by)
    properties.create(own.key, "serial_number", "Serial number", Kind.TEXT, by=by)
    properties.create(own.key, "due_back", "Due back", Kind.DATE, by=by)
    objects.switch_pipelines(own.key, True, by=by)
    pipeline = find(own.key, pipelines_of(own.key).default.id)
    rows = [StageRow(label, state, tone) for label, state, tone in STATUSES]
    refiling.arrange(pipeline, [*rows, *_old(own.key)], by=by)
    for stage in pipeline.stages.exclude(label__in=[label for label, _state, _tone in STATUSES]):
        refiling.delete_stage(stage, by=by)
    return own.key


def _old(key: str) -> list[StageRow]:
    return [
        StageRow(stage.label, OPEN if stage.is_open else CLOSED, stage.tone, stage.id)
        for stage in pipelines_of(key).default.stages
    ]


def _make(object_type: str, given: Mapping[str, Any], status: str, at: datetime, by: Actor) -> int:
    stage = next(one for one in pipelines_of(object_type).default.stages if one.key == status)
    made = objects.create(object_type, given, by=by, at=at).id
    objects.move(object_type, made, to=stage.id, by=by, at=at + timedelta(hours=30))
    if object_type == "deal" and stage.is_open:
        notes.add("deal", made, "They asked for delivery before the season.", by=by, at=at + timedelta(hours=31))  # fmt: skip
        tasks.create("deal", made, Wanted("Send the offer", assignee_id=given["hubspot_owner_id"], due_at=at + timedelta(days=14)), by=by)  # fmt: skip
        call = Wanted("Call about delivery", "They asked for it before the season.", due_at=at + timedelta(days=16), kind="CALL", queue_id=_calls(by))  # fmt: skip
        tasks.create("deal", made, call, by=by)
    return made


def _calls(by: Actor) -> int:
    """The queue of calls that nobody has yet."""
    there = next((queue.pk for queue in task_queues.queues() if queue.name == "Calls"), None)
    return there or task_queues.create(NewQueue("Calls"), by=by).pk


def _lanes(rentals: str, stages: Sequence[int], by: int) -> None:
    lane = lanes.add_step(rentals, stages[2], "create_task", {"title": "Check for damage", "assignee": "owner"}, by=by)  # fmt: skip
    workflows.switch(lane, True)
    won = next(one.id for one in pipelines_of("deal").default.stages if one.key == "closedwon")
    sold = lanes.add_step("deal", won, "internal_email", {"owner": True, "subject": "A deal was won"}, by=by)
    workflows.switch(sold, True)
