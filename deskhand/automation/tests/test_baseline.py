"""Switching on over many records: a slow job looks up who meets the filters, and it comes to what one moment had come to."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import enroll, workflows
from deskhand.automation.engine.definition import Manual, WhenTrue
from deskhand.automation.enrolling import baseline, before, explaining, standing
from deskhand.automation.enrolling.baseline import Progress
from deskhand.automation.enrolling.index import Opening, entry_of
from deskhand.automation.models import Baseline, TriggerMatch, Workflow
from deskhand.automation.tests.enrolling_cases import has, office
from deskhand.automation.tests.runs import enroll as enroll_run
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.records import archive, associations, contacts, labeling, tickets
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import association_labels, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.desk import merging, replies, spam
from deskhand.desk.replies import NewReply
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import timers
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.errors import Conflict
from deskhand.kernel.jobs import Job, Later
from deskhand.testing.fixtures import NOON
from deskhand.testing.jobs import run_jobs

__all__ = ["office"]
HIGH, LOW = has("hs_ticket_priority", "HIGH"), has("hs_ticket_priority", "LOW")
CAPTAIN = Associated("contact", Filter("jobtitle", Kind.TEXT, Operator.ANY_OF, ("Captain",)))
MAIL = Filter("email", Kind.TEXT, Operator.KNOWN)
HEARD = Filter("hs_last_message_from_visitor", Kind.BOOL, Operator.ANY_OF, (False,))
TALKED = Filter("hs_num_times_contacted", Kind.NUMBER, Operator.ANY_OF, (Decimal(1),))


class Slowly:
    """Everything that may happen to a few records while a workflow is being switched on."""

    def __init__(self, world, office, chance):
        self.world, self.office, self.chance = world, office, chance
        self.by = Actor.user(world.ada.pk)
        self.people = [world.contact(f"p{n}@fjallbo.example", f"P {n}") for n in range(2)]
        contacts.update(self.people[0].pk, {"jobtitle": "Captain"}, by=SYSTEM)
        self.segment = segments.create("ticket", "VIP", SegmentKind.STATIC, by=SYSTEM).pk
        self.tickets = [
            world.ticket(f"T {n}", priority=chance.choice(("HIGH", "LOW")), contact_id=self.person())
            for n in range(10)
        ]
        members.add(self.segment, [one.pk for one in self.tickets[:4]], by=SYSTEM)
        office.rest()

    def person(self):
        return self.chance.choice(self.people).pk

    def do(self):
        """Something that really happens to one of them."""
        one = self.chance.choice(self.tickets).pk
        if Ticket.objects.get(pk=one).archived_at is not None:
            return tickets.restore([one], by=self.by)
        if Ticket.objects.get(pk=one).merged_into_id is not None:
            return None
        return self.chance.choice((self.set, self.set, self.leave, self.link, self.join, self.promote, self.spam, self.make, self.answer, self.merge))(one)  # fmt: skip

    def set(self, one):
        tickets.update(one, {"hs_ticket_priority": self.chance.choice(("HIGH", "LOW", None))}, by=self.by)

    def leave(self, one):
        tickets.archive([one], by=self.by)

    def link(self, one):
        pair = ("ticket", one, "contact", self.person())
        if not associations.connect(*pair, by=self.by):
            associations.part(*pair, by=self.by)

    def join(self, one):
        if not members.add(self.segment, [one], by=self.by):
            members.remove(self.segment, [one], by=self.by)

    def promote(self, one):
        title = self.chance.choice(("Captain", "Cook"))
        contacts.update(self.person(), {"jobtitle": title}, by=SYSTEM)

    def spam(self, one):
        is_spam = Ticket.objects.get(pk=one).is_spam
        (spam.unmark if is_spam else spam.mark)(one, by=self.by)

    def make(self, one):
        self.tickets.append(self.world.ticket("New", priority="HIGH", contact_id=self.person()))

    def answer(self, one):
        replies.reply(NewReply(one, "We look into it."), by=self.world.ada)

    def merge(self, one):
        other = self.chance.choice(self.tickets).pk
        if other != one and Ticket.objects.get(pk=other).merged_into_id is None and Ticket.objects.get(pk=other).archived_at is None:  # fmt: skip
            merging.merge(one, other, by=self.by)


def job(flow):
    kept = Baseline.objects.get(workflow=flow)
    args = {"workflow": flow.pk, "baseline": kept.pk}
    return Job(1, flow.account_id, args, threading.Event())


def next_page(flow):
    """As the slow job does it; returns whether it was the last."""
    given = job(flow).args
    return baseline.go_on(flow.account_id, given["workflow"], given["baseline"], zone_named("UTC"))


def memory(flow):
    found = TriggerMatch.objects.filter(baseline_id=Baseline.objects.get(workflow=flow).pk, is_met=True)
    return sorted(found.values_list("record_id", flat=True))


def conditions(slowly):
    vip = MemberOf("segment", (slowly.segment,))
    return (
        HIGH, AllOf((HIGH, CAPTAIN)), AnyOf((LOW, vip)), HEARD, TALKED,
        Filter("hs_ticket_priority", Kind.ENUM, Operator.EVER, ("HIGH",)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_it_comes_to_what_one_moment_had_come_to_R_TRIG_1_R_WF_20(world, office, monkeypatch, seed):
    """One workflow looks up everything at once, its twin two records at a time while they change."""
    chance = random.Random(seed)
    slowly = Slowly(world, office, chance)
    condition = conditions(slowly)[seed % 6]
    include = chance.random() < 0.5
    with office.at(NOON + timedelta(minutes=1)):
        at_once, by_pages = (office.flow(WhenTrue(condition), again=True, is_on=False) for _ in range(2))
        workflows.switch(at_once, True, include_present=include)
        monkeypatch.setattr(baseline, "STEP", 2)
        workflows.switch(by_pages, True, include_present=include)
    assert not Baseline.objects.get(workflow=by_pages).is_done
    timers.drop_timer(world.account.pk, standing.SWEEP, str(at_once.pk))

    for minute in range(2, 40):
        with office.at(NOON + timedelta(minutes=minute)):
            slowly.do()
            if chance.random() < 0.6:
                office.rest()
            if minute % 6 == 0 and not Baseline.objects.get(workflow=by_pages).is_done:
                next_page(by_pages)
    with office.at(NOON + timedelta(minutes=50)):
        office.rest()
        run_jobs()
        timers.drop_timer(world.account.pk, standing.SWEEP, str(by_pages.pk))
        office.rest()
        assert Baseline.objects.get(workflow=by_pages).is_done
        assert memory(by_pages) == memory(at_once)
        assert sorted(office.inside(by_pages)) == sorted(office.inside(at_once))


def many(office, count=7):
    made = [tickets.create(NewTicket(f"T {n}", priority="HIGH"), by=SYSTEM).id for n in range(count)]
    office.rest()
    return made


def test_it_shows_how_far_it_is_and_is_on_when_it_is_through_R_WF_20(world, office, monkeypatch):
    monkeypatch.setattr(baseline, "STEP", 2)
    there = many(office)
    flow = office.flow(WhenTrue(HIGH))
    account_id = world.account.pk
    assert baseline.progress(account_id, [flow.pk]) == {flow.pk: Progress(2, None, is_change=False)}

    next_page(flow)
    assert baseline.progress(account_id, [flow.pk]) == {flow.pk: Progress(4, 7, is_change=False)}
    assert explaining.explain(flow, there[-1], NOON).verdict == explaining.OPENING

    run_jobs()
    assert baseline.progress(account_id, [flow.pk]) == {}
    assert memory(flow) == there
    assert office.inside() == []


def test_switching_off_meanwhile_cancels_it_and_on_again_begins_anew_R_WF_20(world, office, monkeypatch):
    monkeypatch.setattr(baseline, "STEP", 2)
    there = many(office)
    flow = office.flow(WhenTrue(HIGH), include_present=True)
    assert office.inside() == there[:2]

    workflows.switch(flow, False)
    run_jobs()
    assert office.inside() == there[:2]
    assert not TriggerMatch.objects.exists()

    workflows.switch(flow, True)
    run_jobs()
    assert memory(flow) == there
    assert office.inside() == there[:2]


def test_other_filters_are_compared_with_who_met_those_before_R_WF_21(world, office, monkeypatch):
    """Who is new by them enters if that is asked for, however many pages it takes."""
    there = many(office)
    low = [tickets.create(NewTicket(f"L {n}", priority="LOW"), by=SYSTEM).id for n in range(5)]
    office.rest()
    flow = office.flow(WhenTrue(HIGH))
    wider = replace(workflows.definition_of(flow), trigger=WhenTrue(AnyOf((HIGH, LOW))))
    monkeypatch.setattr(baseline, "STEP", 2)

    flow = workflows.save(flow, wider, include_present=True)
    assert baseline.progress(world.account.pk, [flow.pk])[flow.pk].is_change
    with pytest.raises(Conflict):
        workflows.save(flow, replace(wider, trigger=WhenTrue(LOW)))
    assert workflows.definition_of(Workflow.objects.get(pk=flow.pk)) == wider
    run_jobs()
    run_jobs()

    assert office.inside() == low
    assert memory(flow) == [*there, *low]
    assert TriggerMatch.objects.count() == 12


def test_switched_off_between_two_filters_it_forgets_who_met_either_R_WF_20(world, office, monkeypatch):
    many(office)
    flow = office.flow(WhenTrue(HIGH))
    monkeypatch.setattr(baseline, "STEP", 2)
    wider = replace(workflows.definition_of(flow), trigger=WhenTrue(AnyOf((HIGH, LOW))))
    flow = workflows.save(flow, wider)
    assert baseline.progress(world.account.pk, [flow.pk])[flow.pk].is_change

    workflows.switch(flow, False)
    run_jobs()
    assert not TriggerMatch.objects.exists()


def test_while_much_waits_to_be_told_the_job_waits(world, office, monkeypatch):
    monkeypatch.setattr(baseline, "STEP", 2)
    many(office)
    flow = office.flow(WhenTrue(HIGH))
    monkeypatch.setattr(baseline, "UNHEARD", 3)
    many_more = [tickets.create(NewTicket(f"N {n}", priority="HIGH"), by=SYSTEM).id for n in range(5)]
    with pytest.raises(Later):
        enroll.take_baseline(job(flow))

    office.rest()
    enroll.take_baseline(job(flow))
    assert office.inside() == many_more


def test_what_is_asked_of_the_database_does_not_grow_with_the_records(world, office, monkeypatch):
    many(office, 60)
    counts = []
    for step in (5, 25):
        monkeypatch.setattr(baseline, "STEP", step)
        flow = office.flow(WhenTrue(HIGH))
        next_page(flow)  # which counts them
        with CaptureQueriesContext(connection) as asked:
            assert not next_page(flow) or step == 25
        counts.append(len(asked))
    assert counts[0] == counts[1]


def answers(flow, *record_ids):
    """Whether each met the filters when the switching on began, however it changed since."""
    entry = entry_of(flow.account_id, flow.pk, NOON)
    kept = Baseline.objects.get(workflow=flow)
    opening = Opening(kept.pk, kept.at, kept.after_event, kept.includes_present, kept.previous)
    met = before.met_then(flow.account_id, entry, record_ids, opening, zone_named("UTC"))
    return [pk in met for pk in record_ids]


def opened(office, condition, **more):
    with office.at(NOON + timedelta(minutes=1)):
        return office.flow(WhenTrue(condition), **more)


def test_labels_of_links_count_as_they_were_R_TRIG_5(world, office):
    vip = association_labels.create("ticket", "contact", "VIP", "Is VIP of", by=SYSTEM)
    captain = world.contact("captain@fjallbo.example").pk
    contacts.update(captain, {"jobtitle": "Captain"}, by=SYSTEM)
    bare, borne, none = (("ticket", world.ticket(f"T {n}").pk, "contact", captain) for n in range(3))
    for link, labels in ((bare, ()), (borne, (vip.type_id,))):
        labeling.connect(link, labels, by=SYSTEM)
    office.rest()
    any_captain = opened(office, CAPTAIN)
    vip_captain = opened(office, replace(CAPTAIN, type_id=vip.type_id))
    any_vip = opened(office, Associated("contact", MAIL, vip.type_id))

    with office.at(NOON + timedelta(minutes=2)):
        labeling.relabel(bare, Labeling(add=frozenset({vip.type_id})), by=SYSTEM)
        labeling.relabel(borne, Labeling(remove=frozenset({vip.type_id})), by=SYSTEM)
        labeling.connect(none, (vip.type_id,), by=SYSTEM)

    own = [link[1] for link in (bare, borne, none)]
    assert answers(any_captain, *own) == [True, True, False]
    assert answers(vip_captain, *own) == [False, True, False]
    assert answers(any_vip, *own) == [False, True, False]


def test_links_among_contacts_count_as_they_were(world, office):
    """Also a label that is called something else from its other end."""
    boss = association_labels.create("contact", "contact", "Manager", "Employee", by=SYSTEM)
    mia, nil, ove = (world.contact(f"{name}@fjallbo.example").pk for name in ("mia", "nil", "ove"))
    labeling.connect(("contact", mia, "contact", nil), (boss.type_id,), by=SYSTEM)
    office.rest()
    led = opened(office, Associated("contact", MAIL, boss.inverse_id), object_type="contact")
    linked = opened(office, Associated("contact", MAIL), object_type="contact")

    with office.at(NOON + timedelta(minutes=2)):
        labeling.relabel(("contact", nil, "contact", mia), Labeling(replaces=True), by=SYSTEM)
        labeling.connect(("contact", ove, "contact", mia), (boss.inverse_id,), by=SYSTEM)

    assert answers(linked, mia, nil, ove) == [True, True, False]
    assert sorted(answers(led, mia, nil, ove)) == [False, False, True]
    assert answers(led, ove) == [False]


def test_who_was_put_away_since_was_linked_then(world, office):
    captain = world.contact("captain@fjallbo.example").pk
    contacts.update(captain, {"jobtitle": "Captain"}, by=SYSTEM)
    ticket = world.ticket("T", contact_id=captain).pk
    associations.connect("ticket", ticket, "contact", captain, by=SYSTEM)
    office.rest()
    flow = opened(office, CAPTAIN)

    with office.at(NOON + timedelta(minutes=2)):
        archive.archive("contact", [captain], by=SYSTEM)

    assert answers(flow, ticket) == [True]


def test_looking_back_asks_as_often_for_many_as_for_few(world, office):
    first = office.flow(Manual())
    there = [
        world.ticket(f"T {n}", contact_id=world.contact(f"c{n}@fjallbo.example").pk).pk for n in range(12)
    ]
    for pk in there[::2]:
        enroll_run(first, pk, state="HELD", due_at=None)
        associations.connect("ticket", pk, "contact", Ticket.objects.get(pk=pk).contact_id, by=SYSTEM)
    office.rest()
    condition = AllOf(
        (AnyOf((MemberOf("workflow", (first.pk,)), CAPTAIN)), MemberOf("workflow", (first.pk,)))
    )
    flow = opened(office, condition)
    with office.at(NOON + timedelta(minutes=2)):
        for pk in there[::2]:
            associations.part("ticket", pk, "contact", Ticket.objects.get(pk=pk).contact_id, by=SYSTEM)

    counts = []
    answers(flow, *there[:2])  # which reads what is read once
    for some in (there[:2], there):
        with CaptureQueriesContext(connection) as asked:
            answers(flow, *some)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_job_that_is_told_late_forgets_nothing_of_a_later_switching_on_R_WF_21(world, office, monkeypatch):
    """It was killed when it had done all but say so, and publishing began anew before it was tried again."""
    monkeypatch.setattr(baseline, "STEP", 2)
    there = many(office)
    flow = office.flow(WhenTrue(HIGH))
    killed = job(flow)
    run_jobs()
    wider = replace(workflows.definition_of(flow), trigger=WhenTrue(AnyOf((HIGH, LOW))))
    flow = workflows.save(flow, wider, include_present=True)

    enroll.take_baseline(killed)
    run_jobs()

    assert office.inside() == []
    assert memory(flow) == there


def test_a_restored_one_goes_on_though_the_server_counts_its_transactions_anew_R_WF_20(
    world, office, monkeypatch
):
    """A backup brings the number of a transaction that this server has yet to come to."""
    monkeypatch.setattr(baseline, "STEP", 2)
    tickets_there = [world.ticket(f"T {n}", priority="HIGH").pk for n in range(5)]
    office.rest()
    flow = office.flow(WhenTrue(HIGH), is_on=False)
    workflows.switch(flow, True)
    Baseline.objects.filter(workflow=flow).update(began_in=2**40)

    while not next_page(flow):
        pass

    assert memory(flow) == tickets_there


@pytest.mark.parametrize("is_change", [False, True])
def test_what_can_not_be_switched_on_is_off_and_says_why_R_WF_20(world, office, monkeypatch, is_change):
    """What the filters name was deleted before the job was through. Who is inside from before is held."""
    many(office)
    flow = office.flow(WhenTrue(HIGH)) if is_change else None
    monkeypatch.setattr(baseline, "STEP", 2)
    properties.create("ticket", "plan", "Plan", Kind.TEXT, by=SYSTEM)
    asked = WhenTrue(Filter("plan", Kind.TEXT, Operator.UNKNOWN))
    if flow is None:
        flow = office.flow(asked)
    else:
        flow = workflows.save(flow, replace(workflows.definition_of(flow), trigger=asked))
    own = job(flow)
    properties.archive("ticket", "plan", by=SYSTEM)

    enroll.take_baseline(own)

    flow.refresh_from_db()
    assert (flow.is_on, flow.is_paused) == (False, is_change)
    assert "switched off" in flow.needs_review
    assert not baseline.progress(world.account.pk, [flow.pk])
    Workflow.objects.filter(pk=flow.pk).update(needs_review="")
    enroll.take_baseline(own)  # once more: nothing is left of it
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""
