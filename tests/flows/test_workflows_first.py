"""A channel that lets workflows choose first: routing fills an owner that is empty still (R-ROUTE-71)."""

from datetime import timedelta

import pytest

from deskhand import wiring
from deskhand.automation import lanes, workflows
from deskhand.automation.models import Enrollment
from deskhand.automation.runner import Runner
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import TimerLoop
from deskhand.routing import availability, rules
from deskhand.routing.models import Decision
from deskhand.routing.types import Option, Reason, Status
from deskhand.testing.fixtures import NOON


@pytest.fixture
def office(world, settle):
    """Grace takes what no workflow gives to somebody else."""
    with clock.stopped(NOON):
        ada = Actor.user(world.ada.pk)
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], by=ada,
            after_workflows=True,
        )  # fmt: skip
        availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=ada)
        run_hooks()
        settle()
        yield world


def lane(world, kind, settings, **more):
    made = lanes.add_step("ticket", world.stage("New"), kind, settings, by=world.ada.pk, **more)
    return made if made.is_on else workflows.switch(made, True)


def arrive(world, *, at=NOON):
    made = tickets.create(NewTicket("Refund", channel_account_id=world.channel.pk), by=SYSTEM, at=at)
    run_hooks()
    return made.id


def look(*queues):
    for queue in queues:
        queue().run_once()
        run_hooks()


def owner(ticket_id):
    return Ticket.objects.get(pk=ticket_id).owner_id


def test_a_workflow_that_sets_the_owner_wins(office, settle):
    lane(office, "set_property", {"property": "hubspot_owner_id", "value": office.bob.pk})
    ticket = arrive(office)
    settle()

    assert owner(ticket) == office.bob.pk
    assert Decision.objects.get(ticket_id=ticket).reason == Reason.ALREADY_OWNED
    owners = [
        e.data["changes"].get("hubspot_owner_id") for e in EventRow.objects.filter(kind="ticket.assigned")
    ]
    assert owners == [[None, office.bob.pk]]  # never somebody else in between
    assert not Timer.objects.filter(kind=wiring.AFTER_WORKFLOWS).exists()


def test_a_workflow_that_names_nobody_leaves_it_to_routing(office, settle):
    lane(office, "create_task", {"title": "Call"})
    ticket = arrive(office)
    look(Dispatcher)
    assert owner(ticket) is None

    settle()

    assert owner(ticket) == office.grace.pk
    cause = EventRow.objects.filter(kind="ticket.assigned").latest("id").cause
    assert cause["event_id"] == EventRow.objects.get(kind="ticket.created", object_id=ticket).pk


def test_without_a_workflow_nobody_waits(office):
    ticket = arrive(office)
    look(Dispatcher)

    assert owner(ticket) == office.grace.pk


def test_a_workflow_that_sleeps_is_not_waited_for(office, settle):
    lane(office, "create_task", {"title": "Call"})
    lane(office, "delay", {"minutes": 60 * 24 * 365})
    ticket = arrive(office)
    settle()

    assert Enrollment.objects.get(record_id=ticket).state != "ENDED"
    assert owner(ticket) == office.grace.pk


def test_a_lane_that_leads_to_another_one_is_followed(office, settle):
    lane(office, "set_property", {"property": "hs_pipeline_stage", "value": office.stage("Waiting on us")})
    gives = {"property": "hubspot_owner_id", "value": office.bob.pk}
    next_lane = lanes.add_step(
        "ticket", office.stage("Waiting on us"), "set_property", gives, by=office.ada.pk
    )
    workflows.switch(next_lane, True)
    ticket = arrive(office)
    for _round in range(5):
        look(Dispatcher, Runner, TimerLoop)
    settle()

    assert owner(ticket) == office.bob.pk
    owners = [e.data["changes"]["hubspot_owner_id"] for e in EventRow.objects.filter(kind="ticket.assigned")]
    assert owners == [[None, office.bob.pk]]


def test_a_stuck_workflow_is_waited_for_no_longer_than_seconds(office):
    lane(office, "set_property", {"property": "hubspot_owner_id", "value": office.bob.pk})
    ticket = arrive(office)
    look(Dispatcher, TimerLoop)
    with clock.stopped(NOON + wiring.ASK_UP_TO - timedelta(seconds=1)):
        look(TimerLoop)
        assert owner(ticket) is None

    with clock.stopped(NOON + wiring.ASK_UP_TO):
        look(TimerLoop)
        assert owner(ticket) == office.grace.pk
    assert not Timer.objects.filter(kind=wiring.AFTER_WORKFLOWS).exists()


def test_a_step_that_failed_and_is_tried_again_is_waited_for(office):
    lane(office, "set_property", {"property": "hubspot_owner_id", "value": office.bob.pk})
    ticket = arrive(office)
    look(Dispatcher)
    Enrollment.objects.update(attempts=1, due_at=NOON + timedelta(seconds=2))
    look(TimerLoop)

    assert owner(ticket) is None


def test_only_the_tickets_that_workflows_have_in_hand_wait(office):
    """A hand's breadth of tickets, one question."""
    lane(office, "create_task", {"title": "Call"})
    waits = arrive(office)
    passes = tickets.create(
        NewTicket("Other", channel_account_id=office.channel.pk, stage_id=office.stage("Waiting on us")),
        by=SYSTEM,
    )
    run_hooks()
    look(Dispatcher)

    assert (owner(waits), owner(passes.id)) == (None, office.grace.pk)
    [timer] = Timer.objects.filter(kind=wiring.AFTER_WORKFLOWS)
    assert [ticket for ticket, _cause in timer.payload["causes"]] == [waits]


def test_what_is_restored_while_workflows_are_waited_for_is_routed_after_them_alone(office, settle):
    """R-ROUTE-71: once, and not before."""
    lane(office, "create_task", {"title": "Call"})
    ticket = arrive(office)
    look(Dispatcher)
    assert Timer.objects.filter(kind=wiring.AFTER_WORKFLOWS).exists()

    tickets.archive([ticket], by=SYSTEM)
    tickets.restore([ticket], by=SYSTEM)
    run_hooks()
    look(Dispatcher)
    assert not Decision.objects.exists()

    settle()
    assert owner(ticket) == office.grace.pk
    assert Decision.objects.count() == 1
