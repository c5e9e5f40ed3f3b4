"""Steps that put records into segments and take them out; who names a segment; segments that keep records out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import drafts, records, triggers, uses, workflows
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Doing
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Edge,
    EventMatch,
    IfThen,
    Leaving,
    WhenEvent,
)
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doing import do
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.records import associations, objects
from deskhand.crm.schema import object_types
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind, SegmentMember
from deskhand.desk import custom_views
from deskhand.desk.models import CustomView
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock

ADD, REMOVE = ACTIONS["add_to_segment"], ACTIONS["remove_from_segment"]


def segment(name: str = "Late payers", object_type: str = "ticket") -> int:
    return segments.create(object_type, name, SegmentKind.STATIC, by=SYSTEM).pk


def by_filter() -> int:
    known = Filter("subject", Kind.TEXT, Operator.KNOWN)
    return segments.create("ticket", "All", SegmentKind.FILTER, known, by=SYSTEM).pk


def inside(segment_id: int) -> list[int]:
    return sorted(SegmentMember.objects.filter(segment_id=segment_id).values_list("record_id", flat=True))


@pytest.fixture
def doings(world):
    """Tickets at one step."""
    tickets = [world.ticket(f"Number {number}") for number in range(3)]

    def make(count: int, **settings: Any) -> list[Doing]:
        loaded = records.load("ticket", [ticket.pk for ticket in tickets])
        return [
            Doing(
                world.account.pk, 100 + number, 7, 2, "4", settings, "ticket", ticket.pk, loaded[ticket.pk], {}, None, 1, 0, clock.now(),
            )
            for number, ticket in enumerate(tickets[:count])
        ]  # fmt: skip

    return make


def test_records_join_a_segment_as_one_set(doings):
    """R-WFA-1: 0-63809083; one event with its cause and depth (R-EXEC-21)"""
    segment_id = segment()
    batch = doings(3, segment=str(segment_id))
    members.add(segment_id, [batch[0].record_id], by=SYSTEM)

    done = ADD.run(batch)

    assert [one.message for one in done] == [
        "It was in the segment already.", "Add to “Late payers”", "Add to “Late payers”",
    ]  # fmt: skip
    assert inside(segment_id) == [one.record_id for one in batch]
    event = EventRow.objects.filter(kind="segment.joined").latest("id")
    assert event.data["record_ids"] == [one.record_id for one in batch[1:]]
    assert (event.actor_kind, event.actor_id, event.depth) == ("workflow", 7, 2)
    assert event.cause == {"workflow_id": 7, "revision": 2, "step_id": "4"}


def test_records_leave_a_segment_as_one_set(doings):
    """0-63863438"""
    segment_id = segment()
    batch = doings(2, segment=str(segment_id))
    members.add(segment_id, [batch[0].record_id], by=SYSTEM)

    assert [one.message for one in REMOVE.run(batch)] == [
        "Remove from “Late payers”", "It was not in the segment.",
    ]  # fmt: skip
    assert inside(segment_id) == []


@pytest.mark.parametrize("action", [ADD, REMOVE])
def test_as_many_statements_for_any_number_of_records(doings, action):
    def cost(count: int) -> int:
        segment_id = segment(f"For {count}")
        if action is REMOVE:
            members.add(segment_id, [one.record_id for one in doings(count)], by=SYSTEM)
        with CaptureQueriesContext(connection) as spent:
            action.run(doings(count, segment=str(segment_id)))
        return len(spent)

    assert cost(1) == cost(3) <= 14


def test_it_may_be_about_the_contacts_of_the_record(world, doings):
    segment_id = segment("Late contacts", "contact")
    batch = doings(2, segment=str(segment_id), target="contact")
    contact = world.contact()
    associations.link_many([("ticket", batch[0].record_id, "contact", contact.pk)], clock.now())

    done = ADD.run(batch)

    assert inside(segment_id) == [contact.pk]
    assert [one.status for one in done] == [StepStatus.SUCCEEDED, StepStatus.SKIPPED]


def test_a_rehearsal_says_the_same_and_moves_nobody(doings):
    segment_id = segment()
    batch = doings(2, segment=str(segment_id))
    members.add(segment_id, [batch[0].record_id], by=SYSTEM)

    for action in (ADD, REMOVE):
        rehearsed = action.rehearse(batch)
        assert inside(segment_id) == [batch[0].record_id]
        assert rehearsed == action.run(batch)
        members.remove(segment_id, [batch[1].record_id], by=SYSTEM)
        members.add(segment_id, [batch[0].record_id], by=SYSTEM)


def test_a_segment_that_is_gone_or_by_filter_or_of_others_fails_the_step(doings):
    people = segment("People", "contact")
    for segment_id in ("999", str(by_filter()), str(people), ""):
        batch = doings(2, segment=segment_id)
        for done in (ADD.run(batch), ADD.rehearse(batch)):
            assert {one.status for one in done} == {StepStatus.FAILED}
    assert inside(people) == []


def test_what_is_missing_is_said_before_it_is_switched_on(doings):
    """R-EDIT-6"""
    gone = segment()
    segments.archive(gone, by=SYSTEM)

    assert ADD.problems({}) == [("segment", "Choose a segment.")]
    assert ADD.problems({"segment": str(gone)}) == [("segment", "The segment is not there any more.")]
    assert ADD.problems({"segment": str(by_filter())})[0][0] == "segment"
    assert ADD.problems({"segment": str(segment())}) == []
    assert ADD.summary({"segment": str(gone)}) == "Add to “a deleted segment”"


def test_the_form_offers_segments_of_the_records_that_it_is_about(world):
    late, people, _filter = segment(), segment("People", "contact"), by_filter()
    around = reading.around("ticket")

    def offered(**chosen: str) -> list[str]:
        return [option.value for option in ADD.form(around, chosen)[1].options]

    assert offered() == [str(late)]
    assert offered(target="contact") == [str(people)]
    whom = [option.value for option in ADD.form(around, {})[0].options]
    assert whom == ["", "ticket", "contact", "company", "deal", "project"]


def test_it_may_be_about_linked_records_of_any_kind_R_OBJ_8(world):
    """From projects and own kinds, and to them."""
    own = object_types.create("bike", "Bike", "Bikes", by=SYSTEM).key
    for object_type in ("project", own):
        targets = [option.value for option in ADD.form(reading.around(object_type), {})[0].options]
        assert targets == ["", "ticket", "contact", "company", "deal", "project", own]
    project = objects.create("project", {"hs_name": "Move"}, by=SYSTEM).id
    bike = objects.create(own, {"hs_name": "Zed"}, by=SYSTEM).id
    associations.link_many([("project", project, own, bike)], clock.now())
    segment_id = segment("Bikes of projects", own)

    [done] = do(
        world.account.pk, "add_to_segment", {"segment": str(segment_id), "target": own}, [project], "project"
    )

    assert (done.status, inside(segment_id)) == (StepStatus.SUCCEEDED, [bike])


def test_workflows_that_look_at_a_kind_of_record_are_known_R_EDIT_9(world):
    own = object_types.create("bike", "Bike", "Bikes", by=SYSTEM).key
    linked = Associated(own, Filter("hs_name", Kind.TEXT, Operator.KNOWN))
    steps = {
        "makes": Action("1", "create_record", {"record_type": own, "value_hs_name": "Zed"}),
        "sets": Action("1", "set_property", {"on": own, "property": "hs_name", "value": "Zed"}),
        "tells": Action("1", "notify", {"associate": [f"{own}:12"], "subject": "x"}),
        "asks": IfThen("1", (Branch("", AllOf((linked,))),)),
        "else": Action("1", "create_note", {"text": own}),
    }
    for name, step in steps.items():
        workflows.create(
            world.account.pk, name, Definition("ticket", start=Edge("1"), steps=(step,), next_id=2)
        )
    workflows.create(world.account.pk, "about", Definition(own))
    to_own = Filter(triggers.TO_TYPE, Kind.ENUM, Operator.ANY_OF, (own,))
    heard = WhenEvent((EventMatch("ticket.linked", to_own),))
    workflows.create(world.account.pk, "hears", Definition("ticket", heard))

    plain = Definition(
        "ticket", start=Edge("1"), steps=(Action("1", "create_note", {"text": "x"}),), next_id=2
    )
    drawn = workflows.create(world.account.pk, "draws", plain)
    workflows.switch(drawn, True)
    drafts.change(
        drawn, lambda now: replace(now, steps=(steps["makes"],)), did={"did": "step"}, by=world.ada.pk
    )
    assert workflows.definition_of(drawn) == plain  # what runs knows nothing of it
    left = workflows.create(world.account.pk, "leaves it", replace(plain, steps=(steps["makes"],)))
    workflows.save(left, plain)

    found = uses.object_types(world.account.pk, own)

    assert [one.name for one in found] == ["about", "asks", "draws", "hears", "makes", "sets", "tells"]


def test_workflows_that_name_a_segment_are_known(world):
    """R-EDIT-9: in conditions, however deep, among those kept out, and in actions"""
    asked, out, filled, unused = (segment(name) for name in ("a", "b", "c", "d"))
    deep = AllOf(
        (Associated("contact", Filter("email", Kind.TEXT, Operator.KNOWN)), MemberOf("segment", (asked, out)))
    )
    steps = (
        Action("1", "add_to_segment", {"segment": str(filled)}, Edge("2")),
        Action("3", "create_task", {"title": "x", "segment": str(unused)}),
        IfThen("2", (Branch("b", deep, Edge("3")),)),
    )
    definition = Definition(
        "ticket", leaving=Leaving(segments=(out,)), start=Edge("1"), steps=steps, next_id=4
    )
    made = workflows.create(world.account.pk, "Remind them", definition)

    found = uses.segments(world.account.pk, [asked, out, filled, unused])

    assert {pk: [(use.id, use.name) for use in found[pk]] for pk in found} == {
        pk: [(made.pk, "Remind them")] for pk in (asked, out, filled)
    }


def test_views_that_name_a_segment_are_known(world):
    asked = segment()
    condition = {"any": [{"all": [{"member_of": "segment", "ids": [asked]}]}]}
    made = CustomView.objects.create(
        account_id=world.account.pk, owner_id=world.ada.pk, name="Late", condition=condition, sharing="ME", created_at=clock.now()
    )  # fmt: skip

    assert custom_views.asking_for_segments(world.account.pk, [asked, 9])[asked][0].id == made.pk
