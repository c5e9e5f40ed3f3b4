"""Tags that follow rules: put on and taken off by what is true of a ticket (R-BOARD-3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.filters.types import (
    AllOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
)
from deskhand.crm.records import contacts, membership, store, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import tags
from deskhand.crm.schema.types import Kind, Option
from deskhand.crm.segments import segments, tag_rules
from deskhand.crm.segments.looks import SEGMENT
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.tests.test_segments import CITY, HIGH, told
from deskhand.events import queries as events
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import current_account_id, settle
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.testing.jobs import run_jobs

URGENT, VIP, LOUD = "1", "2", "3"


@pytest.fixture
def ours(world, monkeypatch) -> list[int]:
    """Three tickets and three tags; the second ticket has high priority."""
    from deskhand.kernel import jobs

    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)
    tag_rules.arrange([Option("", name) for name in ("Urgent", "VIP", "Loud")], by=SYSTEM)
    made = tickets.create_many([NewTicket(f"Chair {n}") for n in range(3)], by=SYSTEM)
    tickets.update(made[1].id, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    told()
    return [one.id for one in made]


def worn(ticket_id: int) -> list[str]:
    return Ticket.objects.get(pk=ticket_id).properties.get(tags.TAGS, [])


def filled() -> None:
    settle()
    run_jobs()
    told()


def priority(ticket_id: int, value: str | None, by: Actor = SYSTEM, **more) -> None:
    tickets.update(ticket_id, {"hs_ticket_priority": value}, by=by, **more)
    told()


def test_a_new_rule_looks_at_all_tickets(ours):
    """R-BOARD-3: by a slow job, in sets; a change of the rule looks at all again."""
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    assert [worn(pk) for pk in ours] == [[], [], []]
    filled()

    assert [worn(pk) for pk in ours] == [[], [URGENT], []]
    assert tag_rules.rules()[URGENT].is_filled
    chair = Filter("subject", Kind.TEXT, Operator.CONTAINS, ("Chair 2",))
    tag_rules.set_rule(URGENT, chair, by=SYSTEM)
    assert not tag_rules.rules()[URGENT].is_filled
    filled()
    assert [worn(pk) for pk in ours] == [[], [], [URGENT]]


def test_a_ticket_that_comes_to_meet_a_rule_is_tagged_and_loses_the_tag_when_it_does_no_more(world, ours):
    """R-BOARD-3: with what did it in its history."""
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    ticket = ours[0]

    priority(ticket, "HIGH", by=Actor.user(world.ada.pk))
    assert worn(ticket) == [URGENT]
    priority(ticket, "LOW")
    assert worn(ticket) == []

    changes = list(PropertyChange.objects.filter(record_id=ticket, property=tags.TAGS).order_by("pk"))
    assert [(one.old, one.new) for one in changes] == [(None, [URGENT]), ([URGENT], [])]
    assert {(one.actor_kind, one.source) for one in changes} == {("system", "CALCULATED")}
    causes = events.causes_of(current_account_id(), [one.event_id for one in changes])
    assert {cause["rule"] for cause in causes.values()} == {store.TAG_RULE}
    caused = PropertyChange.objects.filter(record_id=ticket, property="hs_ticket_priority").order_by("pk")
    assert [causes[one.event_id]["event_id"] for one in changes] == [one.event_id for one in caused]


def test_a_new_ticket_that_meets_a_rule_is_tagged(ours):
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    made = tickets.create(NewTicket("Lamp", priority="HIGH"), by=SYSTEM)
    told()

    assert worn(made.id) == [URGENT]


def test_tags_put_on_by_hand_stay_beside_those_of_rules(ours):
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    tickets.update(ours[1], {tags.TAGS: [VIP, URGENT]}, by=SYSTEM)
    told()
    assert worn(ours[1]) == [VIP, URGENT]

    priority(ours[1], "LOW")
    assert worn(ours[1]) == [VIP]


def test_nobody_and_nothing_else_puts_on_or_takes_off_a_tag_that_follows_a_rule(ours):
    """R-BOARD-3: who writes all tags of a ticket, as merging, undoing or a workflow does, leaves those of rules as they are."""
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    without, with_it = ours[0], ours[1]
    tickets.update(without, {tags.TAGS: [URGENT, VIP]}, by=Actor(ActorKind.WORKFLOW, 7))
    tickets.update(with_it, {tags.TAGS: [LOUD]}, by=SYSTEM)

    assert worn(without) == [VIP]
    assert worn(with_it) == [LOUD, URGENT]
    with pytest.raises(Invalid, match="follows its rule"):
        tag_rules.require_by_hand(URGENT)
    tag_rules.require_by_hand(VIP)


def test_without_its_rule_a_tag_stays_where_it_is_and_is_peoples_again(ours):
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    tag_rules.drop_rule(URGENT, by=SYSTEM)
    tag_rules.drop_rule(URGENT, by=SYSTEM)  # safe to repeat

    priority(ours[1], "LOW")
    assert worn(ours[1]) == [URGENT]
    tickets.update(ours[1], {tags.TAGS: []}, by=SYSTEM)
    assert worn(ours[1]) == []
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)  # a new one beside the old
    assert tag_rules.automatic() == {URGENT}


def test_a_retired_tags_rule_rests_until_it_is_back(ours):
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    rows = [Option(one.value, one.label, one.tone, one.value == URGENT) for one in tags.tags()]
    tag_rules.arrange(rows, by=SYSTEM)
    priority(ours[0], "HIGH")
    priority(ours[1], "LOW")
    assert (worn(ours[0]), worn(ours[1])) == ([], [URGENT])
    with pytest.raises(Conflict):
        tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)

    tag_rules.arrange([Option(one.value, one.label) for one in tags.tags()], by=SYSTEM)
    filled()
    assert (worn(ours[0]), worn(ours[1])) == ([URGENT], [])


def test_deleted_tickets_and_spam_stay_as_they_are_until_they_are_back(ours):
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    tickets.archive([ours[1]], by=SYSTEM)
    priority(ours[1], "LOW")
    assert worn(ours[1]) == [URGENT]

    tickets.restore([ours[1]], by=SYSTEM)
    told()
    assert worn(ours[1]) == []


def test_a_rule_looks_at_what_a_ticket_is_linked_to(ours):
    """The same conditions as everywhere: the city of the ticket's contact."""
    contact = contacts.upsert_many([Person("a@fjallbo.example", "a")], by=SYSTEM)["a@fjallbo.example"]
    made = tickets.create(NewTicket("Lamp", contact_id=contact), by=SYSTEM)
    tag_rules.set_rule(VIP, Associated("contact", CITY), by=SYSTEM)
    filled()
    assert worn(made.id) == []

    contacts.update(contact, {"city": "Oslo"}, by=SYSTEM)
    told()
    assert worn(made.id) == [VIP]


def test_what_time_alone_makes_true_is_found_by_the_timer(ours):
    old = Filter("createdate", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(2, Unit.HOUR),))
    tag_rules.set_rule(LOUD, old, by=SYSTEM)
    filled()
    assert worn(ours[0]) == []

    rule = Segment.objects.get(name=LOUD)
    with clock.stopped(clock.now() + timedelta(hours=3)):
        rung = timers.DueTimer(1, current_account_id(), segments.SWEEP, str(rule.pk), clock.now(), {})
        membership.sweep(current_account_id(), [rung])
    assert [worn(pk) for pk in ours] == [[LOUD]] * 3


def test_a_rule_can_look_at_another_tag_but_never_lead_back_to_its_own(ours):
    """No two rules can switch each other on and off for ever, neither by way of a segment."""
    asks = {tag: Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, (tag,)) for tag in (URGENT, VIP, LOUD)}
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    tag_rules.set_rule(VIP, asks[URGENT], by=SYSTEM)
    filled()
    assert worn(ours[1]) == [URGENT, VIP]
    priority(ours[1], "LOW")
    assert worn(ours[1]) == []

    for tag, condition in (
        (VIP, asks[VIP]),
        (URGENT, Filter(tags.TAGS, Kind.MULTI, Operator.NONE_OF, (VIP,))),
        (URGENT, Filter(tags.TAGS, Kind.MULTI, Operator.KNOWN)),
    ):
        with pytest.raises(Invalid, match="depend on itself"):
            tag_rules.set_rule(tag, condition, by=SYSTEM)
    tagged = segments.create("ticket", "Tagged", SegmentKind.FILTER, asks[URGENT], by=SYSTEM)
    with pytest.raises(Invalid, match="depend on itself"):
        tag_rules.set_rule(URGENT, MemberOf(SEGMENT, (tagged.pk,), False), by=SYSTEM)
    with pytest.raises(Invalid, match="last changed"):
        tag_rules.set_rule(
            LOUD,
            Filter("hs_lastmodifieddate", Kind.DATETIME, Operator.LESS_THAN_AGO, (Span(1, Unit.HOUR),)),
            by=SYSTEM,
        )
    with pytest.raises(Invalid):
        tag_rules.set_rule(LOUD, AllOf(()), by=SYSTEM)
    with pytest.raises(NotFound):
        tag_rules.set_rule("99", HIGH, by=SYSTEM)


def test_a_segment_that_a_rule_asks_for_is_not_archived_and_rules_are_no_segments(ours):
    asked = segments.create("ticket", "High", SegmentKind.FILTER, HIGH, by=SYSTEM)
    tag_rules.set_rule(VIP, MemberOf(SEGMENT, (asked.pk,)), by=SYSTEM)
    filled()

    assert worn(ours[1]) == [VIP]
    with pytest.raises(Conflict, match="VIP"):
        segments.archive(asked.pk, by=SYSTEM)
    rule = Segment.objects.get(name=VIP)
    assert rule.pk not in {one.pk for one in segments.of_type("ticket")}
    with pytest.raises(NotFound):
        segments.find(rule.pk)


def test_what_followed_from_a_workflow_keeps_its_depth(ours):
    """So that a workflow and a rule which set each other off come to an end."""
    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    tickets.update(ours[0], {"hs_ticket_priority": "HIGH"}, by=Actor(ActorKind.WORKFLOW, 7), depth=4)
    heard = told()

    assert [one.depth for one in heard if tags.TAGS in one.data["changes"]] == [5]


def test_it_asks_as_often_for_many_tickets_and_rules_as_for_one(ours):
    def asked(*ids: int) -> int:
        store.change_many("ticket", [Change(pk, {"priority": None}) for pk in ids], by=SYSTEM)
        told()
        store.change_many("ticket", [Change(pk, {"priority": "HIGH"}) for pk in ids], by=SYSTEM)
        with CaptureQueriesContext(connection) as queries:
            told()
        return len(queries)

    tag_rules.set_rule(URGENT, HIGH, by=SYSTEM)
    filled()
    few = asked(ours[0])
    tag_rules.set_rule(VIP, HIGH, by=SYSTEM)
    tag_rules.set_rule(LOUD, HIGH, by=SYSTEM)
    filled()
    many = [one.id for one in tickets.create_many([NewTicket("x")] * 20, by=SYSTEM)]
    told()

    assert asked(*many) == few
    assert worn(many[0]) == [URGENT, VIP, LOUD]
