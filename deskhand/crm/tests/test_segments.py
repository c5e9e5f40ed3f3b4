"""Segments hold whom people put there, or whom their filter finds, whatever makes a record fit or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import AuditEntry
from deskhand.crm.filters.types import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
)
from deskhand.crm.records import (
    archive,
    associations,
    companies,
    contacts,
    joining,
    membership,
    objects,
    tickets,
)
from deskhand.crm.records.contacts import Person
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.looks import LINKS, NIGHTLY, OFTEN, SOON, looks_of, pause_of
from deskhand.crm.segments.models import Segment, SegmentKind, SegmentMember
from deskhand.crm.segments.segments import Use
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM, Actor, ActorKind, Cause, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id, settle
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.testing.jobs import run_jobs

CITY = Filter("city", Kind.TEXT, Operator.ANY_OF, ("Oslo",))
HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))


def by_filter(name: str, condition: Condition, object_type: str = "contact") -> int:
    return segments.create(object_type, name, SegmentKind.FILTER, condition, by=SYSTEM).pk


def by_hand(name: str = "Beta testers", object_type: str = "contact") -> int:
    return segments.create(object_type, name, SegmentKind.STATIC, by=SYSTEM).pk


def inside(segment_id: int) -> list[int]:
    found = SegmentMember.objects.filter(segment_id=segment_id).order_by("record_id")
    return list(found.values_list("record_id", flat=True))


def size(segment_id: int) -> int:
    return Segment.objects.get(pk=segment_id).size


def told() -> list[Event]:
    """Tell what is pending to the segments, and what comes of it in turn; returns all of it."""
    every: list[Event] = []
    while found := sql.rows(
        "select id from events_pendingevent where account_id = %s", [current_account_id()]
    ):
        ids = [pk for (pk,) in found]
        events = dispatch.stored(current_account_id(), ids, clock.now() - timedelta(days=9))
        sql.execute("delete from events_pendingevent where id = any(%s)", [ids])
        membership.follow(current_account_id(), events)
        every += events
    return every


@pytest.fixture
def people(world, handlers) -> list[int]:
    """Three contacts; the first one lives in Oslo."""
    made = contacts.upsert_many(
        [Person(f"{name}@fjallbo.example", name) for name in ("a", "b", "c")], by=SYSTEM
    )
    ids = sorted(made.values())
    contacts.update(ids[0], {"city": "Oslo"}, by=SYSTEM)
    told()
    return ids


@pytest.fixture
def handlers(monkeypatch):
    from deskhand.kernel import jobs

    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sets_join_and_leave_with_one_event_each(world, people):
    segment_id = by_hand()
    told()

    assert members.add(segment_id, people, by=Actor.user(world.ada.pk)) == people
    assert members.add(segment_id, people[:1], by=SYSTEM) == []
    assert members.remove(segment_id, [*people[1:], 999], by=SYSTEM) == people[1:]

    events = told()
    assert [(e.kind, e.object_id, e.data) for e in events] == [
        ("segment.joined", segment_id, {"object_type": "contact", "record_ids": people}),
        ("segment.left", segment_id, {"object_type": "contact", "record_ids": people[1:]}),
    ]
    assert events[0].by == Actor.user(world.ada.pk)
    assert (inside(segment_id), size(segment_id)) == (people[:1], 1)


def test_as_many_statements_for_any_number_of_records(world, people):
    one, many = by_hand("One"), by_hand("Many")

    def cost(segment_id: int, ids: list[int]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as spent:
            members.add(segment_id, ids, by=SYSTEM)
            members.remove(segment_id, ids, by=SYSTEM)
        return len(spent)

    assert cost(one, people[:1]) == cost(many, people) <= 12


def test_nobody_is_put_by_hand_where_a_filter_decides(world):
    segment_id = by_filter("Oslo", CITY)

    with pytest.raises(Invalid, match="follows from its filters"):
        members.add(segment_id, [1], by=SYSTEM)
    with pytest.raises(NotFound):
        members.remove(segment_id + 1, [1], by=SYSTEM)


def test_archived_records_do_not_count_and_come_back_with_their_place(world, people):
    segment_id = by_hand()
    members.add(segment_id, people, by=SYSTEM)

    archive.archive("contact", people[:2], by=SYSTEM)
    told()
    assert size(segment_id) == 1

    archive.restore("contact", people[:1], by=SYSTEM)
    told()
    assert (size(segment_id), inside(segment_id)) == (2, people)


def test_what_is_merged_brings_its_places_along(world, people):
    """R-MERGE-7"""
    segment_id = by_hand()
    members.add(segment_id, people[1:2], by=SYSTEM)

    joining.join("contact", people[0], people[1], by=Actor.user(world.ada.pk))
    told()

    assert people[0] in inside(segment_id)
    assert size(segment_id) == 1


# ── names, archiving ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "Beta testers", "\x00"])
def test_a_name_is_one_and_nobody_elses(world, name):
    by_hand()

    with pytest.raises(Invalid) as refusal:
        by_hand(name)
    assert refusal.value.field == "name"


def test_what_admins_did_is_kept(world):
    segment_id = by_hand()
    segments.rename(segment_id, "Alpha testers", by=Actor.user(world.ada.pk))
    segments.rename(segment_id, "Alpha testers", by=SYSTEM)  # nothing new
    segments.archive(segment_id, by=SYSTEM)

    assert list(AuditEntry.objects.order_by("number").values_list("action", flat=True)) == [
        "segment.created", "segment.renamed", "segment.archived",
    ]  # fmt: skip
    with pytest.raises(NotFound):
        segments.find(segment_id)
    by_hand("Alpha testers")  # the name is free again


def test_what_is_asked_for_is_not_archived(world, monkeypatch):
    """R-EDIT-9: used in"""
    segment_id = by_hand()
    user = by_filter("Both", MemberOf("segment", (segment_id,)))

    with pytest.raises(Conflict, match="Both"):
        segments.archive(segment_id, by=SYSTEM)
    segments.archive(user, by=SYSTEM)

    monkeypatch.setattr(
        segments, "users", [lambda _account, ids: {ids[0]: [Use("workflow", 1, "Thank them")]}]
    )
    with pytest.raises(Conflict, match="Thank them"):
        segments.archive(segment_id, by=SYSTEM)


# ── by filter ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_one_is_filled_by_a_slow_job(world, people, monkeypatch):
    segment_id = by_filter("Oslo", CITY)
    assert inside(segment_id) == []

    monkeypatch.setattr(membership, "STEP", 2)
    assert run_jobs() == 1

    assert (inside(segment_id), size(segment_id)) == (people[:1], 1)
    assert Segment.objects.get(pk=segment_id).filled_at
    assert membership._fill_step(world.account.pk, segment_id) is False  # the job may come twice


def test_records_join_and_leave_as_they_change(world, people):
    segment_id = by_filter("Oslo", CITY)
    run_jobs()
    told()

    contacts.update(people[1], {"city": "Oslo"}, by=SYSTEM)
    contacts.update(people[0], {"city": "Bergen"}, by=Actor(ActorKind.WORKFLOW, 5))
    events = [e for e in told() if e.object_type == "segment"]

    assert inside(segment_id) == people[1:2]
    assert [(e.kind, e.data["record_ids"]) for e in events] == [
        ("segment.left", people[:1]), ("segment.joined", people[1:2]),
    ]  # fmt: skip
    new = contacts.make({"email": "new@fjallbo.example", "city": "Oslo"}, by=SYSTEM)
    told()
    archive.archive("contact", people[1:2], by=SYSTEM)
    told()
    assert (inside(segment_id), size(segment_id)) == ([new], 1)


def test_what_a_workflow_causes_keeps_its_cause_and_depth(world, people):
    """R-EXEC-21"""
    by_filter("Oslo", CITY)
    run_jobs()
    told()

    workflow = Actor(ActorKind.WORKFLOW, 5)
    from deskhand.crm.records import store

    store.change(
        "contact", people[1], {"city": "Oslo"}, by=workflow, depth=3, cause=Cause(workflow_id=5, step_id="2")
    )
    event = next(e for e in told() if e.kind == "segment.joined")

    assert (event.by, event.depth) == (workflow, 3)
    assert event.cause is not None
    assert (event.cause.workflow_id, event.cause.step_id) == (5, "2")
    assert event.cause.event_id


def test_only_segments_that_look_at_what_changed_look_again(world, people):
    by_filter("Oslo", CITY)
    run_jobs()
    told()
    index = membership.index_of(world.account.pk)
    contacts.update(people[0], {"jobtitle": "Carpenter"}, by=SYSTEM)
    events = [e for e in _pending() if e.object_type == "contact"]

    with CaptureQueriesContext(connection) as spent:
        membership.follow(world.account.pk, events)

    assert len(spent) == 1, [query["sql"] for query in spent]  # whether the index still holds
    assert membership.index_of(world.account.pk) is index


def _pending() -> list[Event]:
    ids = [
        pk
        for (pk,) in sql.rows(
            "select id from events_pendingevent where account_id = %s", [current_account_id()]
        )
    ]
    return dispatch.stored(current_account_id(), ids, clock.now() - timedelta(days=9))


def test_a_batch_costs_the_same_for_any_number_of_records_and_segments(world, people):
    def cost(ids: list[int], city: str) -> int:
        for pk in ids:
            contacts.update(pk, {"city": city}, by=SYSTEM)
        events = [e for e in _pending() if e.object_type == "contact"]
        membership.index_of(world.account.pk)
        with CaptureQueriesContext(connection) as spent:
            membership.follow(world.account.pk, events)
        told()
        return len(spent)

    by_filter("Oslo", CITY)
    run_jobs()
    told()
    one = cost(people[:1], "Bergen")
    for number in range(3):
        by_filter(f"Oslo {number}", CITY)
    run_jobs()
    told()

    assert cost(people, "Oslo") == one <= 12


def test_neighbours_decide_too(world, people):
    """R-TRIG-5: what changes in an associated record, and which are associated"""
    ticket = world.ticket("Broken lamp")
    near = by_filter("Tickets from Oslo", Associated("contact", CITY), "ticket")
    far = by_filter(
        "Companies with urgent tickets", Associated("contact", Associated("ticket", HIGH)), "company"
    )
    run_jobs()
    told()

    associations.connect("ticket", ticket.pk, "contact", people[0], by=SYSTEM)
    told()
    assert inside(near) == [ticket.pk]
    contacts.update(people[0], {"city": "Bergen"}, by=SYSTEM)
    told()
    assert inside(near) == []

    company = companies.make({"name": "Fjällbo"}, by=SYSTEM)
    companies.add_contact(company, people[0], by=SYSTEM)
    tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    told()
    assert inside(far) == [company]
    other = companies.make({"name": "Hytteliv"}, by=SYSTEM)
    companies.add_contact(other, people[0], by=SYSTEM)  # a second one
    told()
    assert inside(far) == [company, other]
    companies.remove_contact(company, people[0], by=SYSTEM)
    companies.remove_contact(other, people[0], by=SYSTEM)
    told()
    assert inside(far) == []


def test_segments_may_ask_for_segments_but_not_for_themselves(world, people):
    """R-TRIG-4"""
    hand = by_hand()
    both = by_filter("Oslo testers", AllOf((CITY, MemberOf("segment", (hand,)))))
    run_jobs()
    told()

    members.add(hand, people, by=SYSTEM)
    told()
    assert inside(both) == people[:1]
    members.remove(hand, people[:1], by=SYSTEM)
    told()
    assert inside(both) == []

    last = by_filter("Through another", MemberOf("segment", (both,), is_member=False))
    with pytest.raises(Invalid, match="depend on itself"):
        segments.change_condition(both, MemberOf("segment", (last,)), by=SYSTEM)
    for named in (999, by_hand("Tickets", "ticket")):
        with pytest.raises(Invalid, match="no such segment"):
            by_filter("Wrong", MemberOf("segment", (named,)))


@pytest.mark.parametrize(
    "condition",
    [None, AllOf(), AnyOf((AllOf(),)), Filter("nonsense", Kind.TEXT, Operator.KNOWN), Filter("city", Kind.NUMBER, Operator.KNOWN),
     Associated("nonsense", CITY), MemberOf("club", (1,))],
)  # fmt: skip
def test_what_can_not_be_asked_makes_no_segment(world, condition):
    with pytest.raises(Invalid):
        segments.create("contact", "x", SegmentKind.FILTER, condition, by=SYSTEM)


def test_another_condition_finds_others(world, people):
    segment_id = by_filter("Oslo", CITY)
    run_jobs()
    told()

    segments.change_condition(segment_id, Filter("city", Kind.TEXT, Operator.UNKNOWN), by=SYSTEM)
    assert inside(segment_id) == people[:1]  # until the job has looked
    run_jobs()

    assert (inside(segment_id), size(segment_id)) == (people[1:], 2)
    with pytest.raises(Invalid, match="People choose"):
        segments.change_condition(by_hand(), CITY, by=SYSTEM)


def test_time_alone_moves_members(world, people, noon):
    """R-TRIG-3: relative windows"""
    fresh = Filter("createdate", Kind.DATETIME, Operator.LESS_THAN_AGO, (Span(2, Unit.HOUR),))
    with clock.stopped(noon):
        new = contacts.make({"email": "new@fjallbo.example"}, by=SYSTEM)
        segment_id = by_filter("New ones", fresh)
        run_jobs()
    assert new in inside(segment_id)

    rung = timers.DueTimer(1, world.account.pk, segments.SWEEP, str(segment_id), noon, {})
    with clock.stopped(noon + timedelta(hours=3)):
        membership.sweep(world.account.pk, [rung])
        assert inside(segment_id) == []
        assert _due(segment_id) == noon + timedelta(hours=3) + SOON
    assert size(segment_id) == 0


def test_a_sweep_moves_many_a_step_at_a_time(world, people, monkeypatch):
    segment_id = by_filter("All", Filter("email", Kind.TEXT, Operator.KNOWN))
    monkeypatch.setattr(membership, "STEP", 2)
    rung = timers.DueTimer(1, world.account.pk, segments.SWEEP, str(segment_id), clock.now(), {})

    with clock.stopped(clock.now()):
        membership.sweep(world.account.pk, [rung])
        assert inside(segment_id) == people[:2]
        assert _due(segment_id) == clock.now()
        membership.sweep(world.account.pk, [rung])
        assert _due(segment_id) == clock.now() + NIGHTLY
    assert (inside(segment_id), size(segment_id)) == (people, 3)


def _due(segment_id: int) -> Any:
    return sql.rows(
        "select due_at from kernel_timer where kind = %s and key = %s", [segments.SWEEP, str(segment_id)]
    )[0][0]


def test_a_property_that_goes_leaves_the_members_and_says_so(world, people):
    properties.create("contact", "club", "Club", Kind.TEXT)
    segment_id = by_filter("Club", Filter("club", Kind.TEXT, Operator.KNOWN))
    run_jobs()
    contacts.update(people[0], {"club": "Chess"}, by=SYSTEM)
    told()
    from deskhand.crm.schema.models import PropertyDefinition
    from deskhand.crm.schema.queries import forget

    PropertyDefinition.objects.filter(name="club").delete()
    forget("contact")
    archive.archive("contact", people[1:2], by=SYSTEM)
    told()

    assert inside(segment_id) == people[:1]
    assert "club" in Segment.objects.get(pk=segment_id).problem


def test_every_kind_of_record_has_segments(world, handlers):
    own = object_types.create("boat", "Boat", "Boats", by=SYSTEM)
    properties.create(own.key, "color", "Color", Kind.TEXT)
    red = Filter("color", Kind.TEXT, Operator.ANY_OF, ("red",))
    boats = by_filter("Red boats", red, own.key)
    deals = by_filter("Big deals", Filter("dealname", Kind.TEXT, Operator.CONTAINS, ("big",)), "deal")
    run_jobs()

    made = objects.create(own.key, {"hs_name": "Svala", "color": "red"}, by=SYSTEM)
    deal = objects.create("deal", {"dealname": "A big one"}, by=SYSTEM)
    told()

    assert (inside(boats), inside(deals)) == ([made.id], [deal.id])
    with pytest.raises(NotFound):
        by_filter("x", red, "2-999")


def test_tickets_in_spam_are_in_no_segment(world, handlers):
    """R-CC-12"""
    segment_id = by_filter("All", Filter("subject", Kind.TEXT, Operator.KNOWN), "ticket")
    ticket = world.ticket("Hello")
    told()
    assert inside(segment_id) == [ticket.pk]

    from deskhand.crm.records import store

    store.change("ticket", ticket.pk, {"is_spam": True}, by=SYSTEM)
    told()

    assert inside(segment_id) == []


# ── what conditions look at ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_condition_looks_at():
    condition = AnyOf(
        (CITY, AllOf((MemberOf("segment", (3,)), Associated("company", Associated("ticket", HIGH)))))
    )

    looks = {look.path: look for look in looks_of(condition, "contact")}

    assert looks[()].properties == {"city", LINKS}
    assert looks[()].segments == {3}
    assert looks["company",].properties == {LINKS}
    assert looks["company", "ticket"].properties == {"hs_ticket_priority"}
    assert looks["company", "ticket"].object_type == "ticket"


def test_whether_there_is_any_linked_record_is_looked_at_too():
    paths = {look.path: look.properties for look in looks_of(Associated("company", EVERYTHING), "contact")}

    assert paths == {(): {LINKS}, ("company",): set()}


@pytest.mark.parametrize(
    ("values", "pause"), [((Span(1, Unit.HOUR),), SOON), ((Span(3, Unit.DAY),), OFTEN), (None, NIGHTLY)]
)
def test_how_often_time_alone_makes_it_look(values, pause):
    leaf = Filter("createdate", Kind.DATETIME, Operator.LESS_THAN_AGO, values) if values else CITY

    assert pause_of(AllOf((CITY, leaf))) == pause


def test_the_scope_may_be_settled_without_segments(world):
    """An account without segments by filter pays one small query a batch."""
    world.contact()
    settle()
    events = _pending()

    with CaptureQueriesContext(connection) as spent:
        membership.follow(world.account.pk, events)
    assert len(spent) <= 2
