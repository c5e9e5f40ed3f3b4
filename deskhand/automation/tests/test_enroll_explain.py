"""Why did it, why didn't it (R-LOG-5)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import workflows
from deskhand.automation.engine.definition import (
    EventMatch,
    Every,
    Leaving,
    Manual,
    WhenCalled,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.enrolling import by_hand, explaining
from deskhand.automation.enrolling.explaining import explain
from deskhand.automation.enrolling.guards import Barred
from deskhand.automation.models import Enrollment, Workflow
from deskhand.automation.tests.enrolling_cases import has, is_known, office
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.records import tasks, tickets
from deskhand.crm.records.tasks import Wanted as NewTask
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.testing.fixtures import NOON

__all__ = ["office"]
HIGH, URGENT = has("hs_ticket_priority", "HIGH"), has("hs_ticket_priority", "URGENT")


def why(flow, ticket, at=NOON):
    return explain(Workflow.objects.get(pk=flow.pk), ticket.pk, at)


def test_each_filter_says_whether_it_holds_and_what_it_found(world, office):
    contact = world.contact()
    named = Filter("email", Kind.TEXT, Operator.STARTS_WITH, ("grace",))
    flow = office.flow(
        WhenTrue(AllOf((HIGH, AnyOf((Associated("contact", named), is_known("hs_ticket_category"))))))
    )
    told = why(flow, world.ticket(priority="HIGH", contact_id=contact.pk))
    high, either = told.trigger.parts
    linked, known = either.parts

    assert (told.verdict, told.trigger.holds) == (explaining.NOT_MET, False)
    assert (high.holds, high.value) == (True, "HIGH")
    assert (known.holds, known.value) == (False, None)
    assert [(one.record_id, one.value, one.holds) for one in linked.parts] == [
        (contact.pk, contact.email, False)
    ]
    assert told.sentence == "The record does not meet the filters."


def test_who_met_the_filters_before_the_switch_is_told_so(world, office):
    ticket = world.ticket(priority="HIGH")
    office.rest()
    flow = office.flow(WhenTrue(HIGH))
    told = why(flow, ticket)

    assert (told.verdict, told.met_since) == (explaining.MET_BEFORE, NOON)


def test_who_is_in_or_was_in_is_told_by_what(world, office):
    flow = office.flow(WhenTrue(HIGH))
    ticket = world.ticket(priority="HIGH")
    office.rest()
    told = why(flow, ticket)
    assert (told.verdict, told.runs[0].reason["by"]) == (by_hand.BEFORE, "filter")

    Enrollment.objects.update(state="WAITING")
    told = why(flow, ticket)
    assert (told.verdict, told.is_inside) == (explaining.IN, True)


def test_what_stops_it_is_named(world, office):
    urgent = world.ticket(priority="URGENT")
    suppresses = office.flow(WhenTrue(is_known("hs_ticket_priority")), leaving=Leaving(URGENT))
    told = why(suppresses, urgent)
    assert (told.verdict, told.kept_out.parts[0].value) == (Barred.SUPPRESSED, "URGENT")

    workflows.switch(Workflow.objects.get(), False)
    assert why(suppresses, urgent).verdict == by_hand.OFF
    tickets.archive([urgent.pk], by=SYSTEM)
    assert why(suppresses, urgent).verdict == by_hand.GONE


def test_events_are_shown_with_whether_they_were_meant(world, office):
    ticket = world.ticket(priority="LOW")
    flow = office.flow(WhenEvent((EventMatch("ticket.owner_set"), EventMatch("task.created")), HIGH))
    assert why(flow, ticket).verdict == explaining.NO_EVENT

    with office.at(NOON + timedelta(minutes=1)):
        tickets.update(ticket.pk, {"hs_ticket_category": "BILLING_ISSUE"}, by=SYSTEM)
        tasks.create("ticket", ticket.pk, NewTask("Call"), by=SYSTEM)
        told = why(flow, ticket)
    assert told.verdict == explaining.REFINED
    assert [(one.event.kind, one.is_meant) for one in told.happened[:2]] == [
        ("task.created", True),
        ("ticket.updated", False),
    ]
    assert (told.trigger.holds, told.trigger.value) == (False, "LOW")


@pytest.mark.parametrize(
    ("trigger", "verdict"),
    [(Manual(), explaining.MANUAL), (WhenCalled("n", "hs_ticket_id"), explaining.CALL), (WhenScheduled(HIGH, Every.DAY, 540), explaining.TIME)],
)  # fmt: skip
def test_other_triggers_are_told_too(world, office, trigger, verdict):
    told = why(office.flow(trigger), world.ticket(priority="HIGH"))

    assert told.verdict == verdict
    assert (told.next_at is not None) == isinstance(trigger, WhenScheduled)
    assert told.sentence.endswith(".")


def test_what_can_not_be_asked_any_more_is_said(world, office):
    flow = office.flow(WhenTrue(HIGH), is_on=False)
    gone = Filter("no_such", Kind.TEXT, Operator.KNOWN)
    workflows.save(flow, type(workflows.definition_of(flow))("ticket", WhenTrue(gone)))
    told = why(flow, world.ticket())

    assert (told.trigger.holds, bool(told.trigger.error)) == (False, True)


def test_the_number_of_queries_is_fixed(world, office):
    flow = office.flow(WhenEvent((EventMatch("ticket.owner_set"),), HIGH))
    few, many = world.ticket(), world.ticket()
    for n in range(20):
        tickets.assign(many.pk, owner_id=(world.ada, world.bob)[n % 2].pk, by=SYSTEM)

    def count(ticket):
        with CaptureQueriesContext(connection) as made:
            why(flow, ticket)
        return len(made)

    count(few)
    assert count(few) == count(many)
