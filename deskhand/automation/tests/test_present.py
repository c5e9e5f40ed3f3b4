"""Records that are in a status already when its lane is switched on (R-ACT-12)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import AuditEntry
from deskhand.automation import enroll, lanes, workflows
from deskhand.automation.engine.definition import EventMatch, Leaving, Manual, WhenCalled, WhenEvent, WhenTrue
from deskhand.automation.models import Enrollment, Workflow
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.testing.fixtures import NOON
from deskhand.testing.jobs import run_jobs

EARLIER = NOON - timedelta(days=2)


@pytest.fixture
def lane(world, settle):
    """The lane of New makes a task; it is off."""
    with clock.stopped(NOON):
        yield lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Look"}, by=world.ada.pk)


@pytest.fixture
def rest(settle):
    def run():
        run_hooks()
        settle()
        run_hooks()

    return run


def new(world, count=1, at=EARLIER, **more):
    asked = [NewTicket(f"Refund {n}", **more) for n in range(count)]
    return [one.id for one in tickets.create_many(asked, by=SYSTEM, at=at)]


def enrolled():
    return sorted(Enrollment.objects.values_list("record_id", flat=True))


def off_and_on(lane, at, **more):
    with clock.stopped(at):
        workflows.switch(lane, False)
        return workflows.switch(lane, True, **more)


def test_without_being_asked_those_who_are_there_stay_out(world, lane, rest):
    new(world)
    workflows.switch(lane, True)
    rest()

    assert enrolled() == []


def test_who_is_there_runs_when_asked_for(world, lane, rest):
    inside = new(world, 3)
    new(world, stage_id=world.stage("Closed"))
    spam = new(world, is_spam=True)
    archived, merged = new(world, 2)
    Ticket.objects.filter(pk=archived).update(archived_at=NOON)
    Ticket.objects.filter(pk=merged).update(merged_into_id=inside[0])
    chat = new(world, source_type="CHAT")  # R-ACT-30
    rest()
    workflows.switch(lane, True, by=world.ada.pk, include_present=True)
    rest()

    assert enrolled() == inside
    assert not {*spam, *chat} & set(enrolled())
    assert Task.objects.count() == 3
    assert AuditEntry.objects.get(action="workflow.enabled").after["include_present"] is True


def test_told_twice_everybody_runs_once(world, lane, rest):
    inside = new(world, 3)
    on = workflows.switch(lane, True, include_present=True)
    workflows.switch(lane, True, include_present=True)
    rest()
    assert enroll.enroll_present(world.account.pk, on.pk, on.on_since) is None
    rest()

    assert enrolled() == inside


def test_who_ran_already_runs_again_only_where_every_time_is_chosen(world, lane, rest):
    """R-ACT-11."""
    [ticket] = new(world)
    workflows.switch(lane, True, include_present=True)
    rest()
    off_and_on(lane, NOON + timedelta(hours=1), include_present=True)
    rest()
    assert enrolled() == [ticket]

    lanes.set_every_time(Workflow.objects.get(pk=lane.pk), True, by=world.ada.pk)
    on = off_and_on(lane, NOON + timedelta(hours=2), include_present=True)
    with clock.stopped(NOON + timedelta(hours=3)):
        rest()
        enroll.enroll_present(world.account.pk, on.pk, on.on_since)
        rest()
    assert enrolled() == [ticket, ticket]


def test_who_comes_after_the_switch_runs_by_their_event(world, lane, rest):
    """Neither twice nor never, even where every time is chosen."""
    lanes.set_every_time(Workflow.objects.get(pk=lane.pk), True, by=world.ada.pk)
    [before] = new(world, at=NOON - timedelta(seconds=1))
    on = workflows.switch(lane, True, include_present=True)
    [after] = new(world, at=NOON)
    rest()
    enroll.enroll_present(world.account.pk, on.pk, on.on_since)
    rest()

    assert enrolled() == [before, after]


def test_who_would_be_kept_out_is_not_counted_R_WF_22_R_UN_4(world, lane, rest):
    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))
    inside = new(world, 2)
    Ticket.objects.filter(pk=inside[1]).update(priority="URGENT")
    definition = replace(workflows.definition_of(lane), leaving=Leaving(condition=urgent))
    lane = workflows.save(lane, definition, by=world.ada.pk)
    rest()
    assert enroll.count_present(world.account.pk, lane.pk, NOON) == 1

    workflows.switch(lane, True, include_present=True)
    rest()
    assert enrolled() == inside[:1]


@pytest.mark.parametrize(("trigger", "met"), [
    (Manual(), False), (WhenCalled("number", "hs_ticket_id"), False), (WhenEvent((EventMatch("ticket.closed"),)), False),
    (WhenTrue(Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))), True),
])  # fmt: skip
def test_a_lane_whose_trigger_was_changed_lets_its_old_status_be_R_ACT_12_R_WF_20_R_WF_22(
    world, lane, rest, trigger, met
):
    """Who counts and who enters are those whom the trigger means now."""
    new(world, 2)
    [urgent] = new(world, stage_id=world.stage("Waiting on us"))
    Ticket.objects.filter(pk=urgent).update(priority="URGENT")
    rest()
    lane = workflows.save(lane, replace(workflows.definition_of(lane), trigger=trigger), by=world.ada.pk)
    assert enroll.count_present(world.account.pk, lane.pk, NOON) == met

    workflows.switch(lane, True, include_present=True)
    rest()
    assert enrolled() == [urgent] * met


def test_a_lane_that_asks_for_more_is_one_still_and_another_status_is_not_R_ACT_12(world, lane, rest):
    """As the editor saves it: each filter in a group of its own."""
    inside, [elsewhere] = new(world, 2), new(world, stage_id=world.stage("Waiting on us"))
    Ticket.objects.filter(pk__in=(inside[1], elsewhere)).update(priority="URGENT")
    rest()
    old = workflows.definition_of(lane)
    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))
    grouped = tuple(replace(one, about=AnyOf((AllOf((one.about,)),))) for one in old.trigger.events)
    lane = workflows.save(lane, replace(old, trigger=WhenEvent(grouped, urgent)), by=world.ada.pk)
    assert enroll.count_present(world.account.pk, lane.pk, NOON) == 1

    other = lanes.lane_trigger("ticket", world.stage("Waiting on us"))
    lane = workflows.save(lane, replace(old, trigger=other), by=world.ada.pk)
    assert enroll.count_present(world.account.pk, lane.pk, NOON) == 0
    workflows.switch(lane, True, include_present=True)
    rest()
    assert enrolled() == []


def test_many_go_on_in_a_slow_job(world, lane, rest, monkeypatch):
    monkeypatch.setattr(enroll, "STEP", 2)
    inside = new(world, 7)
    workflows.switch(lane, True, include_present=True)
    assert enrolled() == inside[:2]

    assert run_jobs() == 1
    rest()

    assert enrolled() == inside
    assert run_jobs() == 0


def test_a_job_killed_half_way_goes_on_where_nobody_was_enrolled(world, lane, rest, monkeypatch):
    monkeypatch.setattr(enroll, "STEP", 2)
    inside = new(world, 7)
    on = workflows.switch(lane, True, include_present=True)
    enroll.enroll_present(world.account.pk, on.pk, on.on_since, inside[1])  # as far as it came
    rest()
    run_jobs()

    assert enrolled() == inside


@pytest.mark.parametrize("again", [False, True])
def test_a_job_of_an_earlier_switch_ends(world, lane, monkeypatch, again):
    monkeypatch.setattr(enroll, "STEP", 2)
    inside = new(world, 5)
    workflows.switch(lane, True, include_present=True)
    with clock.stopped(NOON + timedelta(minutes=1)):
        workflows.switch(lane, False)
        if again:
            workflows.switch(lane, True)
    run_jobs()

    assert enrolled() == inside[:2]


def test_the_number_of_queries_does_not_grow_with_the_records(world, lane):
    def count(records):
        Enrollment.objects.all().delete()
        new(world, records)
        on = Workflow.objects.get(pk=lane.pk)
        with CaptureQueriesContext(connection) as made:
            enroll.enroll_present(world.account.pk, on.pk, on.on_since)
        return len(made)

    workflows.switch(lane, True)
    count(1)
    assert count(2) == count(60)
