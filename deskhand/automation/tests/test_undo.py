"""Taking back what a run, or a workflow's bad hour, did to records."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership
from deskhand.automation import lanes, undo, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Definition, Edge, WhenTrue
from deskhand.automation.models import Enrollment
from deskhand.automation.undo import Extent, TakenBack, Why
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import stage_property
from deskhand.crm.records import archive, objects, store
from deskhand.crm.records.models import Contact, Task, Ticket
from deskhand.crm.records.tables import model_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import Actor, ActorKind, Cause
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.scope import settle as settle_hooks
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world


@pytest.fixture
def closing(world, settle):
    """A lane that gives new tickets to Grace, makes them high, closes them, and makes a task."""
    new, by = world.stage("New"), world.ada.pk
    for name, value in (
        ("hubspot_owner_id", world.grace.pk),
        ("hs_ticket_priority", "HIGH"),
        ("hs_pipeline_stage", world.stage("Closed")),
    ):
        lane = lanes.add_step(
            "ticket", new, "set_property", {"property": name, "value": value}, after=_last(new), by=by
        )
    lane = lanes.add_step("ticket", new, "create_task", {"title": "Ask"}, after=_last(new), by=by)
    return workflows.switch(lane, True, by=by)


def _last(stage_id):
    lane = lanes.lane_of(stage_id, "ticket")
    return workflows.definition_of(lane).steps[-1].id if lane else ""


def run_all(settle):
    for _round in range(4):
        settle_hooks()
        settle()


def extent(lane):
    now = clock.now()
    return Extent(lane.pk, now - timedelta(hours=1), now + timedelta(minutes=1))


def run_of(ticket):
    run = Enrollment.objects.get(record_id=ticket.pk)
    return undo.extent_of_run(run.workflow_id, run, clock.now())


def test_a_run_comes_back_whole_with_the_dates_of_its_move_R_CLOSE_2(world, closing, settle):
    ticket = world.ticket()
    other = world.ticket()
    run_all(settle)
    ticket.refresh_from_db()
    assert (ticket.owner_id, ticket.priority, ticket.is_closed) == (world.grace.pk, "HIGH", True)
    assert undo.undo(run_of(ticket), by=Actor.user(world.ada.pk), at=clock.now()) == (4, 0, False)
    ticket.refresh_from_db()
    assert (ticket.owner_id, ticket.priority, ticket.stage_id) == (None, None, world.stage("New"))
    assert (ticket.is_closed, ticket.closed_at, ticket.last_closed_at, ticket.reopened_at) == (False, None, None, None)  # fmt: skip
    assert ticket.assigned_team_ids == []
    other.refresh_from_db()
    assert other.is_closed


def test_what_people_changed_since_stays_and_is_told(world, closing, settle):
    ticket = world.ticket()
    run_all(settle)
    store.change("ticket", ticket.pk, {"priority": "LOW"}, by=Actor.user(world.bob.pk))
    found = undo.look(run_of(ticket))
    assert [(one.property, one.why, one.by) for one in found.staying] == [
        ("hs_ticket_priority", Why.CHANGED_SINCE, Actor.user(world.bob.pk))
    ]
    undo.undo(run_of(ticket), by=Actor.user(world.ada.pk), at=clock.now())
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.is_closed) == ("LOW", False)


def test_a_change_by_people_between_two_of_the_workflow_comes_back(world, closing, settle):
    """A to B by the workflow, B to C by Bob, C to D by the workflow: Bob's C stands again."""
    ticket = world.ticket()
    run_all(settle)
    flow = Actor(store.ActorKind.WORKFLOW, closing.pk)
    store.change("ticket", ticket.pk, {"priority": "LOW"}, by=Actor.user(world.bob.pk))
    store.change("ticket", ticket.pk, {"priority": "URGENT"}, by=flow)
    undo.undo(extent(closing), by=Actor.user(world.ada.pk), at=clock.now())
    ticket.refresh_from_db()
    assert ticket.priority == "LOW"


def test_a_bad_hour_is_taken_back_in_sets_and_only_once(world, closing, settle, monkeypatch):
    tickets = [world.ticket() for _number in range(5)]
    run_all(settle)
    monkeypatch.setattr(undo, "BATCH", 2)
    by = Actor.user(world.ada.pk)

    def queries(limit):
        with CaptureQueriesContext(connection) as asked:
            undo.look(extent(closing), limit=limit)
        return len(asked)

    assert queries(1) == queries(5)
    after, number = undo.BEGINNING, 0
    while after is not None:
        count, _taken, after = undo._step(extent(closing), after, by, clock.now())
        number += count
    assert number == 5 * 4
    assert {Ticket.objects.get(pk=one.pk).stage_id for one in tickets} == {world.stage("New")}
    assert undo.undo(extent(closing), by=by, at=clock.now())[0] == 0


def test_what_came_back_of_a_run_is_told_with_who_took_it_back_and_when(world, closing, settle):
    """By itself, with others of a bad hour, and not by whom another run was taken back, nor by whom changed it since."""
    alone, one, other, kept = (world.ticket() for _number in range(4))
    run_all(settle)
    ada, bob, now = Actor.user(world.ada.pk), Actor.user(world.bob.pk), clock.now()
    store.change("ticket", kept.pk, {"priority": "LOW"}, by=bob)
    store.change("ticket", other.pk, {"priority": "LOW"}, by=bob)
    assert undo.taken_back(run_of(alone)) == []

    number, _more, _stays = undo.undo(run_of(alone), by=ada, at=now)
    with CaptureQueriesContext(connection) as asked:
        found = undo.taken_back(run_of(alone))
    assert (found, len(asked)) == ([TakenBack(now, ada, number)], 2)  # one of them for the run
    assert [undo.taken_back(run_of(ticket)) for ticket in (one, other, kept)] == [[], [], []]

    later = now + timedelta(seconds=1)
    undo.undo(extent(closing), by=bob, at=later)
    assert undo.taken_back(run_of(alone)) == found
    assert undo.taken_back(run_of(one)) == [TakenBack(later, bob, number)]
    assert undo.taken_back(run_of(other)) == [TakenBack(later, bob, number - 1)]


def test_a_run_is_not_told_of_what_came_back_of_a_later_one(world, closing, settle):
    """The workflow set the priority, somebody another one, then the workflow once more in another run, which came back."""
    ticket, other = world.ticket(), world.ticket()
    run_all(settle)
    first, second = run_of(ticket), Enrollment.objects.get(record_id=other.pk)
    store.change("ticket", ticket.pk, {"priority": "LOW"}, by=Actor.user(world.bob.pk))
    cause = Cause(workflow_id=closing.pk, enrollment_id=second.pk)
    store.change(
        "ticket", ticket.pk, {"priority": "URGENT"}, by=Actor(ActorKind.WORKFLOW, closing.pk), cause=cause
    )
    later = replace(undo.extent_of_run(closing.pk, second, clock.now()), until=clock.now())

    undo.undo(later, by=Actor.user(world.ada.pk), at=clock.now())

    ticket.refresh_from_db()
    assert ticket.priority == "LOW"
    assert undo.taken_back(first) == []


def test_what_stands_again_as_before_is_not_listed_any_more(world, closing, settle):
    """Nobody changed it since: it was taken back."""
    world.ticket()
    run_all(settle)
    undo.undo(extent(closing), by=Actor.user(world.ada.pk), at=clock.now())

    assert undo.look(extent(closing)).reversals == ()


def test_deleted_contacts_are_told_too(world, settle):
    contact = world.contact()
    always = WhenTrue(Filter("email", Kind.TEXT, Operator.KNOWN))
    steps = (Action("1", "delete_contact", {}),)
    flow = workflows.create(
        world.account.pk, "Forget", Definition("contact", always, start=Edge("1"), steps=steps, next_id=2), by=world.ada.pk
    )  # fmt: skip
    workflows.switch(flow, True, include_present=True)
    settle()
    assert Contact.objects.get(pk=contact.pk).archived_at is not None

    left = undo.stays(Extent(flow.pk, clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1)))

    assert [(one.kind, one.count) for one in left] == [("delete_contact", 1)]


def test_segments_stay_and_are_told_and_what_was_only_worked_out_is_not(world, settle):
    ticket = world.ticket()
    segment = segments.create("ticket", "Loyal", SegmentKind.STATIC, by=Actor.user(world.ada.pk))
    steps = (
        Action("1", "format_data", {"function": "upper", "value": "loyal"}, next=Edge("2")),
        Action("2", "add_to_segment", {"segment": str(segment.pk)}),
    )
    assert ACTIONS["custom_code"].is_pure
    always = WhenTrue(Filter("subject", Kind.TEXT, Operator.KNOWN))
    flow = workflows.create(
        world.account.pk, "Loyal", Definition("ticket", always, start=Edge("1"), steps=steps, next_id=3), by=world.ada.pk
    )  # fmt: skip
    workflows.switch(flow, True, include_present=True)
    run_all(settle)

    left = undo.stays(extent(flow))

    assert members.of_records("ticket", [ticket.pk]) == {ticket.pk: {segment.pk}}
    assert [(one.kind, one.count) for one in left] == [("add_to_segment", 1)]


def test_what_can_not_be_taken_back_is_told(world, closing, settle):
    ticket = world.ticket()
    run_all(settle)
    assert [(one.kind, one.count) for one in undo.stays(run_of(ticket))] == [("create_task", 1)]
    undo.undo(run_of(ticket), by=Actor.user(world.ada.pk), at=clock.now())
    assert Task.objects.count() == 1


def test_where_nothing_can_come_back_to_it_stays(world, closing, settle):
    gone, left = world.ticket(), world.ticket()
    run_all(settle)
    archive.archive("ticket", [gone.pk], by=Actor.user(world.ada.pk))
    assert {one.why for one in undo.look(run_of(gone)).staying} == {Why.RECORD_GONE}
    Membership.objects.filter(user_id=world.bob.pk).update(is_active=False)
    flow = Actor(store.ActorKind.WORKFLOW, closing.pk)
    store.change("ticket", left.pk, {"owner_id": world.bob.pk}, by=Actor.user(world.ada.pk))
    store.change("ticket", left.pk, {"owner_id": world.ada.pk}, by=flow)
    found = {one.property: one for one in undo.look(extent(closing)).staying if one.record_id == left.pk}
    assert found["hubspot_owner_id"].why is Why.PERSON_GONE
    assert found["hubspot_owner_id"].back == world.bob.pk


@pytest.mark.parametrize("kind", ["deal", "project"])
def test_a_move_to_another_pipeline_is_one_value_that_comes_back(world, kind):
    """The pipeline comes with the status, whatever a kind of record calls it."""
    by = Actor.user(world.ada.pk)
    name = {"deal": "dealname", "project": "hs_name"}[kind]
    record = objects.create(kind, {name: "Fjällbo"}, by=by).id
    began = pipelines_of(kind).default
    pipelines.create(
        world.account.pk, kind, "Renewals", [NewStage("Asked", OPEN), NewStage("Lost", CLOSED)], by=by
    )
    there = next(one for one in pipelines_of(kind).pipelines if one.id != began.id)
    lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Ask"}, by=world.ada.pk)

    store.change(kind, record, {"stage_id": there.first_open.id}, by=Actor(ActorKind.WORKFLOW, lane.pk))

    assert [one.property for one in undo.look(extent(lane)).coming_back] == [stage_property(kind)]
    assert undo.undo(extent(lane), by=by, at=clock.now()) == (1, 0, False)
    moved = model_of(kind)._default_manager.get(pk=record)
    assert (moved.pipeline_id, moved.stage_id) == (began.id, began.first_open.id)


def test_taking_back_starts_no_automation(world, closing, settle):
    """A ticket that comes back into a status does not run its lane again, even one that runs every time."""
    lanes.set_every_time(closing, True, by=world.ada.pk)
    ticket = world.ticket()
    run_all(settle)
    undo.undo(run_of(ticket), by=Actor.user(world.ada.pk), at=clock.now())
    run_all(settle)
    ticket.refresh_from_db()
    assert not ticket.is_closed
    assert Enrollment.objects.filter(record_id=ticket.pk).count() == 1


def test_a_rule_of_the_pipeline_is_no_obstacle_R_RULE_9(world, closing, settle):
    from deskhand.crm.pipelines.rules import Rules

    ticket = world.ticket()
    run_all(settle)
    found = pipelines.find("ticket", world.tickets.default.id)
    pipelines.set_rules(found, Rules(forbids_going_back=True), by=Actor.user(world.ada.pk))
    undo.undo(run_of(ticket), by=Actor.user(world.bob.pk), at=clock.now())
    ticket.refresh_from_db()
    assert ticket.stage_id == world.stage("New")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_somebody_changes_while_it_comes_back_is_not_lost():
    made = make_world()
    account_id, now = made.account.pk, clock.now()
    with account_scope(account_id):
        ticket = made.ticket()
        store.change("ticket", ticket.pk, {"priority": "HIGH"}, by=Actor(ActorKind.WORKFLOW, 7))
    has_changed, may_end = threading.Event(), threading.Event()

    def bob() -> None:
        with account_scope(account_id):
            store.change("ticket", ticket.pk, {"priority": "LOW"}, by=Actor.user(made.bob.pk))
            has_changed.set()
            may_end.wait(30)

    def take_back() -> None:
        asked = Extent(7, now - timedelta(hours=1), now + timedelta(hours=1))
        with account_scope(account_id):
            undo._step(asked, undo.BEGINNING, Actor.user(made.ada.pk), clock.now())

    writer = in_thread(bob)
    assert has_changed.wait(30)
    taker = in_thread(take_back)
    until_somebody_waits()
    may_end.set()
    writer.join(30)
    taker.join(30)

    with account_scope(account_id):
        ticket.refresh_from_db()
    assert ticket.priority == "LOW"


def in_thread(work):
    def run():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
