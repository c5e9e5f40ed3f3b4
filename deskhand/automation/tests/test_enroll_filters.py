"""Filter triggers: who comes to meet a standing condition enters (behaviour.md §10.2, §10.5, §10.6)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Account
from deskhand.automation import enroll, workflows
from deskhand.automation.engine.definition import Delay, Edge, ForAmount, Leaving, Reenrollment, WhenTrue
from deskhand.automation.enrolling import baseline, guards, standing
from deskhand.automation.models import Enrollment, TriggerMatch, Workflow
from deskhand.automation.tests.enrolling_cases import TASK, has, is_known, office
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf, Operator, Span, Unit
from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import properties, tags
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.types import Option as Tag
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.desk import merging, splitting, threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.errors import Invalid
from deskhand.kernel.models import Timer
from deskhand.testing.fixtures import NOON
from deskhand.testing.jobs import run_jobs

__all__ = ["office"]
HIGH, LOW = has("hs_ticket_priority", "HIGH"), has("hs_ticket_priority", "LOW")
BILLING = has("hs_ticket_category", "BILLING_ISSUE")
OLD = Filter("createdate", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(2, Unit.DAY),))


def put(ticket, **properties):
    names = {"priority": "hs_ticket_priority", "category": "hs_ticket_category"}
    tickets.update(ticket.pk, {names.get(name, name): value for name, value in properties.items()}, by=SYSTEM)


def test_who_comes_to_meet_it_enters_and_who_meets_it_still_does_not_again_R_TRIG_1(world, office):
    office.flow(WhenTrue(HIGH), again=True)
    calm, urgent = world.ticket(priority="LOW"), world.ticket(priority="HIGH")
    office.rest()
    assert office.inside() == [urgent.pk]

    put(calm, priority="HIGH")
    put(urgent, category="BILLING_ISSUE")
    office.rest()
    assert office.inside() == [urgent.pk, calm.pk]


@pytest.mark.parametrize("opted_in", [False, True])
def test_t_wf_1_who_meets_it_at_the_switch_stays_out_unless_asked_for(world, office, opted_in):
    """R-WF-20, R-WF-22: the number is shown before."""
    there = world.ticket(priority="HIGH")
    world.ticket(priority="LOW")
    office.rest()
    flow = office.flow(WhenTrue(HIGH), is_on=False)
    assert enroll.count_present(world.account.pk, flow.pk, NOON) == 1

    workflows.switch(flow, True, include_present=opted_in)
    office.rest()
    put(there, category="BILLING_ISSUE")
    office.rest()

    assert office.inside() == ([there.pk] if opted_in else [])
    if opted_in:
        assert Enrollment.objects.get().reason == {"by": "present"}


def test_publishing_other_filters_asks_the_same_R_WF_21(world, office):
    low, high = world.ticket(priority="LOW"), world.ticket(priority="HIGH")
    office.rest()
    flow = office.flow(WhenTrue(HIGH))
    definition = workflows.definition_of(flow)
    wider = replace(definition, trigger=WhenTrue(AnyOf((HIGH, LOW))))
    assert enroll.count_present(world.account.pk, flow.pk, NOON, wider) == 1

    flow = workflows.save(flow, wider)
    office.rest()
    assert office.inside() == []

    with office.at(NOON + timedelta(minutes=1)):
        billing = world.ticket(category="BILLING_ISSUE", priority="MEDIUM")
        office.rest()
        workflows.save(
            flow, replace(definition, trigger=WhenTrue(AnyOf((HIGH, BILLING)))), include_present=True
        )
        office.rest()
    assert office.inside() == [billing.pk]
    assert set(TriggerMatch.objects.values_list("record_id", flat=True)) == {high.pk, billing.pk}
    assert low.pk not in office.inside()


def test_many_who_are_there_go_on_in_a_slow_job(world, office, monkeypatch):
    monkeypatch.setattr(baseline, "STEP", 2)
    there = [tickets.create(NewTicket(f"T {n}", priority="HIGH"), by=SYSTEM).id for n in range(7)]
    office.rest()
    office.flow(WhenTrue(HIGH), include_present=True)
    assert office.inside() == there[:2]

    run_jobs()
    assert office.inside() == there


def test_off_it_forgets_and_on_again_it_begins_anew(world, office):
    flow = office.flow(WhenTrue(HIGH))
    world.ticket(priority="HIGH")
    office.rest()
    workflows.switch(flow, False)
    assert not TriggerMatch.objects.exists()

    later = world.ticket(priority="HIGH")
    office.rest()
    workflows.switch(flow, True)
    put(later, category="BILLING_ISSUE")
    office.rest()
    assert len(office.inside()) == 1
    assert TriggerMatch.objects.count() == 2


# ── once more ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_wf_3_again_only_when_the_chosen_filter_fires_and_all_filters_hold(world, office):
    """R-RE-2, R-RE-3, R-RE-4."""
    office.flow(WhenTrue(AllOf((HIGH, BILLING))), again=True, on=(HIGH,))
    ticket = world.ticket(priority="HIGH", category="BILLING_ISSUE")
    office.rest()
    assert len(office.inside()) == 1

    put(ticket, category="PRODUCT_ISSUE")
    put(ticket, category="BILLING_ISSUE")  # all hold again, but this filter was not chosen
    office.rest()
    put(ticket, category="PRODUCT_ISSUE", priority="LOW")
    put(ticket, priority="HIGH")  # fires, but the others do not hold
    office.rest()
    assert len(office.inside()) == 1

    put(ticket, category="BILLING_ISSUE", priority="LOW")
    office.rest()
    put(ticket, priority="HIGH")
    office.rest()
    assert len(office.inside()) == 2


def test_t_wf_4_who_is_inside_is_not_enrolled_again(world, office):
    """R-RE-6."""
    wait = Delay("1", ForAmount(timedelta(days=3650)), Edge("2"))
    office.flow(WhenTrue(HIGH), again=True, on=(HIGH,), steps=(wait, TASK_2))
    ticket = world.ticket(priority="HIGH")
    for to in ("LOW", "HIGH"):
        office.rest()
        put(ticket, priority=to)
    office.rest()

    assert office.inside() == [ticket.pk]


TASK_2 = replace(TASK, id="2")


def test_t_wf_5_is_known_fires_on_each_value(world, office):
    """R-RE-5: the first value, too."""
    known = is_known("hs_ticket_priority")
    office.flow(WhenTrue(known), again=True, on=(known,))
    ticket = world.ticket()
    for expected, to in enumerate(("LOW", "HIGH", None, "HIGH"), 1):
        put(ticket, priority=to)
        office.rest()
        assert len(office.inside()) == min(expected, 2 if to != "HIGH" or expected < 4 else 3)


def test_without_re_enrolment_once_for_ever_R_RE_1(world, office):
    office.flow(WhenTrue(HIGH))
    ticket = world.ticket(priority="HIGH")
    for to in ("LOW", "HIGH"):
        office.rest()
        put(ticket, priority=to)
    office.rest()

    assert office.inside() == [ticket.pk]


def test_what_can_be_chosen_to_enroll_again_R_RE_10(world):
    assert standing.may_fire_again("ticket", HIGH)
    for name, kind in (("time_to_close", Kind.DURATION), ("hs_last_message_received_at", Kind.DATETIME)):
        assert not standing.may_fire_again("ticket", is_known(name, kind))
    changed = is_known("hs_lastmodifieddate", Kind.DATETIME)
    quiet = Filter("hs_last_message_received_at", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(2, Unit.DAY),))
    assert [standing.may_fire_again("ticket", leaf) for leaf in (changed, quiet)] == [False, True]


@pytest.mark.parametrize("what", ["condition", "goal", "segments"])
def test_who_would_be_kept_out_is_not_counted_R_WF_22_R_UN_3_R_UN_5(world, office, what):
    there, billing = world.ticket(priority="HIGH"), world.ticket(priority="HIGH", category="BILLING_ISSUE")
    office.rest()
    if what == "segments":
        away = segments.create("ticket", "Away", SegmentKind.STATIC, by=SYSTEM)
        members.add(away.pk, [billing.pk], by=SYSTEM)
    leaving = Leaving(segments=(away.pk,)) if what == "segments" else Leaving(**{what: BILLING})
    flow = office.flow(WhenTrue(HIGH), is_on=False, leaving=leaving)

    assert enroll.count_present(world.account.pk, flow.pk, NOON) == 1
    workflows.switch(flow, True, include_present=True)
    office.rest()
    assert office.inside() == [there.pk]


# ── linked records, messages, time ───────────────────────────────────────────────────────────────────────────────────


def test_a_change_of_a_linked_record_counts_R_TRIG_4_R_TRIG_5(world, office):
    named = Filter("jobtitle", Kind.TEXT, Operator.ANY_OF, ("Captain",))
    flow = office.flow(WhenTrue(AllOf((HIGH, Associated("contact", named)))))
    timers.drop_timer(world.account.pk, standing.SWEEP, str(flow.pk))
    contact = world.contact()
    ticket = world.ticket(priority="HIGH", contact_id=contact.pk)
    world.ticket(priority="LOW", contact_id=contact.pk)
    office.rest()
    assert office.inside() == []

    contacts.update(contact.pk, {"jobtitle": "Captain"}, by=SYSTEM)
    office.rest()
    assert office.inside() == [ticket.pk]


def test_a_split_asks_again_about_both_tickets_and_so_does_taking_it_back_R_TRIG_1(world, office):
    """What messages change in a ticket has no event of its own there."""
    sender = Mailbox("astrid@fjallbo.example", "Astrid")
    said = [
        InboundMessage(f"m{n}@x", sender, "Refund", f"Text {n}", clock.now(), answers=("m0@x",) if n else ())
        for n in range(2)
    ]
    received = [threads.receive(Incoming(world.channel.pk, one)) for one in said]
    ticket_id = received[0].ticket_id
    one = Filter("hs_num_times_contacted", Kind.NUMBER, Operator.ANY_OF, (Decimal(1),))
    two = Filter("hs_num_times_contacted", Kind.NUMBER, Operator.ANY_OF, (Decimal(2),))
    office.rest()
    flows = [office.flow(WhenTrue(filters), again=True) for filters in (one, two)]
    for flow in flows:
        timers.drop_timer(world.account.pk, standing.SWEEP, str(flow.pk))

    wanted = splitting.Wanted("Other", world.stage("New"), (received[1].message_id,))
    made = splitting.split(ticket_id, wanted, by=Actor.user(world.ada.pk))
    office.rest()
    assert sorted(office.inside(flows[0])) == [ticket_id, made.ticket_id]
    assert office.inside(flows[1]) == []

    splitting.take_back(made.ticket_id, by=Actor.user(world.ada.pk))
    office.rest()
    assert office.inside(flows[1]) == [ticket_id]


def test_blank_is_not_zero_R_TRIG_6(world, office):
    properties.create("ticket", "weight", "Weight", Kind.NUMBER)
    office.flow(WhenTrue(Filter("weight", Kind.NUMBER, Operator.ANY_OF, (Decimal(0),))))
    blank, zero = world.ticket(), world.ticket(properties={"weight": 0})
    office.rest()

    assert office.inside() == [zero.pk]
    assert Ticket.objects.filter(pk=blank.pk).exists()


def test_time_alone_lets_in_by_the_sweep(world, office):
    office.flow(WhenTrue(OLD))
    ticket = world.ticket()
    enroll.sweep(world.account.pk, due())
    assert office.inside() == []

    with office.at(NOON + timedelta(days=3)):
        world.ticket()
        for _ in range(2):
            enroll.sweep(world.account.pk, due())
    assert office.inside() == [ticket.pk]
    assert Enrollment.objects.get().reason["by"] == "filter"
    assert timers.waiting(world.account.pk, standing.SWEEP) == [{}]


def test_who_was_in_a_status_long_enough_comes_by_the_sweep_R_PROP_3(world, office):
    """A clock grows by itself; and whoever leaves the status before does not come."""
    new = world.stage("New")
    asked = Filter(f"hs_v2_latest_time_in_{new}", Kind.DURATION, Operator.GREATER, (Decimal(7_200_000),))
    office.flow(WhenTrue(asked))
    slow, quick = world.ticket(), world.ticket()
    with office.at(NOON + timedelta(hours=1)):
        tickets.move(quick.pk, to=world.stage("Closed"), by=SYSTEM)
        enroll.sweep(world.account.pk, due())
    assert office.inside() == []

    with office.at(NOON + timedelta(hours=3)):
        enroll.sweep(world.account.pk, due())
    assert office.inside() == [slow.pk]


@pytest.mark.parametrize("begins", ["hs_v2_date_entered", "hs_date_entered"])
def test_who_comes_to_a_status_comes_by_its_clock_R_PROP_3_B16(world, office, begins):
    office.flow(WhenTrue(Filter(f"{begins}_{world.stage('Closed')}", Kind.DATETIME, Operator.KNOWN)))
    ticket = world.ticket()
    world.ticket()
    office.rest()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    office.rest()

    assert office.inside() == [ticket.pk]


def test_who_was_closed_quickly_comes_by_a_duration_R_PROP_5(world, office):
    office.flow(WhenTrue(Filter("time_to_close", Kind.DURATION, Operator.AT_MOST, (Decimal(3_600_000),))))
    quick, slow = world.ticket(), world.ticket()
    office.rest()

    for hours, ticket in ((1, quick), (2, slow)):
        with office.at(NOON + timedelta(hours=hours)):
            tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
            office.rest()

    assert office.inside() == [quick.pk]


def due():
    flow = Workflow.objects.get()
    return [timers.DueTimer(1, flow.account_id, standing.SWEEP, str(flow.pk), NOON, {})]


def test_only_what_time_can_change_is_swept_more_than_once(world, office):
    office.flow(WhenTrue(HIGH))
    assert timers.waiting(world.account.pk, standing.SWEEP) == [{}]

    ring_sweep(world)
    assert timers.waiting(world.account.pk, standing.SWEEP) == []


def ring_sweep(world):
    """As the loop of timers does, whose clock is the database's."""
    found = list(Timer.objects.filter(account_id=world.account.pk, kind=standing.SWEEP))
    Timer.objects.filter(pk__in=[one.pk for one in found]).delete()
    enroll.sweep(
        world.account.pk,
        [timers.DueTimer(one.pk, one.account_id, one.kind, one.key, one.due_at, {}) for one in found],
    )


def test_being_in_another_workflow_can_be_asked_for_R_TRIG_4(world, office):
    wait = Delay("1", ForAmount(timedelta(days=3650)), Edge("2"))
    first = office.flow(WhenTrue(HIGH), steps=(wait, TASK_2))
    inside = world.ticket(priority="HIGH")
    world.ticket(priority="LOW")
    office.rest()
    second = office.flow(WhenTrue(MemberOf("workflow", (first.pk,))), is_on=False)

    assert enroll.count_present(world.account.pk, second.pk, NOON) == 1
    assert inside.pk in office.inside(first)


def test_joining_a_segment_counts_and_members_of_a_suppressed_one_stay_out_R_TRIG_4_R_UN_3(world, office):
    vip, never = (segments.create("ticket", name, SegmentKind.STATIC, by=SYSTEM) for name in ("VIP", "Never"))
    flow = office.flow(WhenTrue(MemberOf("segment", (vip.pk,))), leaving=Leaving(segments=(never.pk,)))
    ticket, kept_out = world.ticket(), world.ticket()
    members.add(never.pk, [kept_out.pk], by=SYSTEM)
    office.rest()
    assert office.inside() == []

    members.add(vip.pk, [ticket.pk, kept_out.pk], by=SYSTEM)
    office.rest()
    assert office.inside(flow) == [ticket.pk]
    ring_sweep(world)
    assert timers.waiting(world.account.pk, standing.SWEEP) == []


def test_a_filter_on_what_is_no_more_refuses_the_switch_and_asks_for_a_look_later(world, office):
    gone = Filter("no_such", Kind.TEXT, Operator.KNOWN)
    with pytest.raises(Invalid):
        office.flow(WhenTrue(gone))
    flow = Workflow.objects.get()
    Workflow.objects.update(is_on=True, on_since=NOON)
    world.ticket()
    fine = office.flow(WhenTrue(HIGH))
    high = world.ticket(priority="HIGH")
    office.rest()

    flow.refresh_from_db()
    assert flow.needs_review == guards.BROKEN
    assert office.inside() == [high.pk] == office.inside(fine)


def test_what_lies_in_spam_meets_nothing(world, office):
    office.flow(WhenTrue(HIGH))
    world.ticket(priority="HIGH", is_spam=True)
    office.rest()

    assert office.inside() == []


def test_a_workflow_that_made_the_record_does_not_take_it_in_R_EXEC_20(world, office):
    from deskhand.events.types import Actor, ActorKind, Cause

    flow = office.flow(WhenTrue(HIGH))
    made = tickets.create(
        NewTicket("Mine", priority="HIGH"), by=Actor(ActorKind.WORKFLOW, flow.pk), depth=1,
        cause=Cause(workflow_id=flow.pk, step_id="1", enrollment_id=1),
    )  # fmt: skip
    office.rest()
    tickets.update(made.id, {"hs_ticket_category": "BILLING_ISSUE"}, by=SYSTEM)
    office.rest()

    assert office.inside() == []


def test_heard_twice_it_enters_once(world, office):
    known = is_known("hs_ticket_priority")
    office.flow(WhenTrue(known), again=True, on=(known,))
    ticket = world.ticket(priority="LOW")
    office.rest()
    Enrollment.objects.update(state="ENDED", ended_at=NOON)
    event = tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM).event
    for _ in range(2):
        enroll.enroll_matching(world.account.pk, [event])
        Enrollment.objects.update(state="ENDED", ended_at=NOON)

    assert len(office.inside()) == 2


def test_queries_grow_neither_with_workflows_nor_with_records_nor_with_events(world, office):
    linked = AllOf((HIGH, Associated("contact", is_known("email", Kind.TEXT))))
    contact = world.contact()

    def count(flows, records):
        for _ in range(flows):
            office.flow(WhenTrue(linked), again=True, on=(HIGH,))
        new = [NewTicket(f"T {n}", priority="HIGH", contact_id=contact.pk) for n in range(records)]
        events = [one.event for one in tickets.create_many(new, by=SYSTEM)]
        enroll.enroll_matching(world.account.pk, events[:1])
        with CaptureQueriesContext(connection) as made:
            enroll.enroll_matching(world.account.pk, events)
        return len(made)

    few, many = count(1, 2), count(5, 40)
    assert many <= few + 1
    assert Ticket.objects.count() == 42


def test_reenrollment_can_be_switched_on_later_without_running_anybody(world, office):
    flow = office.flow(WhenTrue(HIGH))
    world.ticket(priority="HIGH")
    office.rest()
    workflows.save(flow, replace(workflows.definition_of(flow), reenrollment=Reenrollment(True)))
    office.rest()

    assert len(office.inside()) == 1


@pytest.mark.parametrize("chosen", [False, True])
def test_a_merge_brings_nobody_back_by_filters_R_UN_9(world, office, chosen):
    """The survivor that meets them now was inside before; one that never was comes in, and later changes count again."""
    tags.arrange([Tag("", "Billing")], by=SYSTEM)
    billing = Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, ("1",))
    flow = office.flow(WhenTrue(billing), again=True, on=(billing,) if chosen else ())
    known, new, *parts = (world.ticket() for _ in range(4))
    for ticket in (known, *parts):
        tickets.update(ticket.pk, {tags.TAGS: ["1"]}, by=SYSTEM)
    office.rest()
    tickets.update(known.pk, {tags.TAGS: []}, by=SYSTEM)
    office.rest()
    for survivor, part in ((known, parts[0]), (new, parts[1])):
        merging.merge(survivor.pk, part.pk, by=Actor.user(world.ada.pk))
    office.rest()
    assert [office.inside(flow).count(one.pk) for one in (known, new)] == [1, 1]

    tickets.update(known.pk, {tags.TAGS: []}, by=SYSTEM)
    office.rest()
    tickets.update(known.pk, {tags.TAGS: ["1"]}, by=SYSTEM)
    office.rest()
    assert office.inside(flow).count(known.pk) == 2


def test_a_filter_comes_to_hold_by_the_days_of_the_accounts_zone_R_RE_4(world, office):
    """1 January, 13:00 in UTC is the 2nd in Auckland, as is the 2nd, 5:00."""
    Account.objects.filter(pk=world.account.pk).update(zone="Pacific/Auckland")
    second = Filter("closed_date", Kind.DATETIME, Operator.ON, (date(2026, 1, 2),))
    flow = office.flow(WhenTrue(second), again=True, on=(second,))
    ticket = world.ticket()
    found = []
    for day, hour in ((1, 5), (1, 13), (2, 5), (2, 13), (1, 13)):
        put(ticket, closed_date=datetime(2026, 1, day, hour, tzinfo=UTC).isoformat())
        office.rest()
        found.append(len(office.inside(flow)))
    assert found == [0, 1, 1, 1, 2]
