"""Drafts: edits beside the revision that runs, back and forth for everybody, and publishing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.automation import drafts, keeping, timing, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    ForAmount,
    Leaving,
    Manual,
    Part,
    RandomSplit,
    WhenTrue,
)
from deskhand.automation.engine.diff import difference, reading_order
from deskhand.automation.engine.edit import START, Place
from deskhand.automation.models import DraftVersion, Enrollment, Workflow, WorkflowDraft, WorkflowRevision
from deskhand.crm.filters.types import Filter, MemberOf, Operator
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid

TASK = Action("", "create_task", {"title": "Call", "assignee": "owner"})


@pytest.fixture
def flow(world):
    return workflows.create(world.account.pk, "Triage", Definition("ticket"), by=world.ada.pk)


def add(step, after=""):
    return lambda definition: edit.insert(definition, step, Place(after) if after else START)[0]


def grow(flow, by, *steps):
    for place, step in enumerate(steps):
        drafts.change(
            flow,
            add(step, str(place) if place else ""),
            did={"did": "insert", "name": "Create task"},
            by=by.pk,
        )
    return drafts.of(flow)


def ids(draft):
    return [step.id for step in draft.definition.steps]


def test_edits_stay_in_the_draft_until_they_are_published(world, flow):
    draft = grow(flow, world.ada, TASK)

    assert draft.has_changes
    assert workflows.definition_of(flow).steps == ()

    published = drafts.publish(flow, by=world.ada.pk, note="Call people", seen=draft.token)
    row = WorkflowRevision.objects.get(workflow=flow, number=2)
    assert (published.revision_number, row.note, row.created_by_id) == (2, "Call people", world.ada.pk)
    assert [step.id for step in workflows.definition_of(published).steps] == ["1"]
    assert not drafts.of(published).has_changes
    assert not WorkflowDraft.objects.exists()
    assert not DraftVersion.objects.exists()
    assert AuditEntry.objects.filter(action="workflow.published", target_id=flow.pk).exists()


def test_edits_go_back_and_forth_for_everybody(world, flow):
    grow(flow, world.ada, TASK, Delay("", ForAmount(timedelta(hours=1))))

    back = drafts.undo(flow, by=world.grace.pk)
    assert (ids(back), back.can_undo, back.can_redo) == (["1"], True, True)
    first = drafts.undo(flow, by=world.ada.pk)
    assert (ids(first), first.can_undo, first.has_changes) == ([], False, False)
    with pytest.raises(Invalid):
        drafts.undo(flow, by=world.ada.pk)

    drafts.redo(flow, by=world.ada.pk)
    assert ids(drafts.redo(flow, by=world.ada.pk)) == ["1", "2"]
    with pytest.raises(Invalid):
        drafts.redo(flow, by=world.ada.pk)


def test_another_edit_takes_the_place_of_what_was_undone(world, flow):
    grow(flow, world.ada, TASK, TASK)
    drafts.undo(flow, by=world.ada.pk)

    draft = drafts.change(
        flow, add(Delay("", ForAmount(timedelta(hours=1))), "1"), did={"did": "insert"}, by=world.ada.pk
    )

    assert not draft.can_redo
    assert [type(step) for step in draft.definition.steps] == [Action, Delay]


def test_what_is_there_no_more_is_not_switched_on_R_EDIT_6(world):
    """By the list, a lane or a file as little as by publishing."""
    account_id = world.account.pk
    properties.create("ticket", "mood", "Mood", Kind.TEXT, by=SYSTEM)
    vip = segments.create("ticket", "VIP", SegmentKind.STATIC, by=SYSTEM)
    glad = Filter("mood", Kind.TEXT, Operator.KNOWN)
    task = replace(TASK, id="1")
    whole = Definition("ticket", WhenTrue(glad), start=Edge("1"), steps=(task,), next_id=2)
    cases = {
        "trigger": whole,
        "goal": replace(whole, trigger=Manual(), leaving=Leaving(goal=glad)),
        "leaving": replace(whole, trigger=Manual(), leaving=Leaving(segments=(vip.pk,))),
        "condition": replace(whole, trigger=WhenTrue(MemberOf("segment", (vip.pk,)))),
    }
    made = {name: workflows.create(account_id, name, one, by=world.ada.pk) for name, one in cases.items()}
    for flow in made.values():
        workflows.switch(workflows.switch(flow, True), False)
    properties.archive("ticket", "mood", by=SYSTEM)
    Segment.objects.filter(pk=vip.pk).update(archived_at=clock.now())

    for flow in made.values():
        with pytest.raises(Invalid):
            workflows.switch(flow, True)


def test_nobody_changes_what_they_did_not_see(world, flow):
    seen = drafts.of(flow).token
    grow(flow, world.grace, TASK)

    with pytest.raises(drafts.Overtaken) as overtaken:
        drafts.change(flow, add(TASK), did={"did": "insert"}, by=world.ada.pk, seen=seen)
    came = overtaken.value.edits[0]
    assert (came.by_id, came.did["name"]) == (world.grace.pk, "Create task")
    for act in (drafts.undo, drafts.redo, drafts.discard, drafts.publish):
        with pytest.raises(drafts.Overtaken):
            act(flow, by=world.ada.pk, seen=seen)


def test_what_is_no_change_makes_no_version(world, flow):
    draft = drafts.change(flow, lambda definition: definition, did={}, by=world.ada.pk)

    assert draft.version_id == 0
    assert not WorkflowDraft.objects.exists()


def test_a_discarded_draft_leaves_what_runs(world, flow):
    grow(flow, world.ada, TASK)
    drafts.discard(flow, by=world.ada.pk)

    assert not drafts.of(flow).has_changes
    assert not DraftVersion.objects.exists()


def test_a_revision_that_was_saved_elsewhere_is_told(world, flow):
    grow(flow, world.ada, TASK)
    saved = workflows.save(flow, add(TASK)(Definition("ticket")), by=world.grace.pk)

    draft = drafts.of(saved)
    assert draft.is_behind
    assert draft.has_changes is False  # both say the same by chance
    drafts.discard(saved, by=world.ada.pk)
    assert not drafts.of(saved).is_behind


def test_what_can_not_work_is_not_published_R_EDIT_6(world, flow):
    grow(flow, world.ada, Action("", "create_task", {}))

    with pytest.raises(Invalid) as refused:
        drafts.publish(flow, by=world.ada.pk)
    assert (refused.value.field, refused.value.value) == ("title", "1")
    with pytest.raises(Invalid):
        drafts.publish(workflows.create(world.account.pk, "Other", Definition("ticket")), by=world.ada.pk)


def test_the_review_tells_where_runs_go_on_R_EDIT_5(world, flow):
    grow(flow, world.ada, Delay("", ForAmount(timedelta(days=1))), TASK)
    saved = drafts.publish(flow, by=world.ada.pk)
    Enrollment.objects.create(
        account_id=world.account.pk, workflow=saved, object_type="ticket", record_id=world.ticket().pk, revision_number=2, position="1",
        step_id="1", enrolled_at=clock.now(), due_at=clock.now() + timedelta(days=1),
    )  # fmt: skip

    draft = drafts.change(saved, lambda definition: edit.delete_one(definition, "1"), did={}, by=world.ada.pk)
    assert drafts.in_flight(draft) == [drafts.Inside("1", "2", 1)]
    draft = drafts.change(
        saved, lambda definition: edit.delete_from(definition, "2"), did={}, by=world.ada.pk
    )
    assert drafts.in_flight(draft) == [drafts.Inside("1", "", 1)]
    Workflow.objects.update(is_pinned=True)
    assert drafts.in_flight(drafts.of(Workflow.objects.get(pk=saved.pk))) == []


def test_only_so_many_versions_are_kept(world, flow, monkeypatch):
    monkeypatch.setattr(drafts, "KEPT", 3)
    for _round in range(6):
        drafts.change(flow, add(TASK), did={"did": "insert"}, by=world.ada.pk)

    assert DraftVersion.objects.count() == 3
    assert drafts.undo(flow, by=world.ada.pk).definition != drafts.of(flow).published
    assert not drafts.undo(flow, by=world.ada.pk).can_undo


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def chain(*steps):
    definition, at = Definition("ticket"), START
    for step in steps:
        definition, step_id = edit.insert(definition, step, at)
        at = Place(step_id)
    return definition


def test_differences_are_told_by_step():
    old = chain(TASK, TASK, TASK)
    changed = edit.update_settings(old, "2", {"title": "Write", "assignee": "owner"})
    grown, added = edit.insert(changed, Delay("", ForAmount(timedelta(days=1))), Place("1"))
    new = edit.delete_one(grown, "3")

    found = difference(old, new)

    assert (found.added, found.removed, found.changed, found.moved) == ((added,), ("3",), ("2",), ())
    assert not difference(old, old)


def test_a_step_that_follows_another_one_than_before_was_moved():
    old = chain(TASK, TASK, TASK)

    assert difference(old, edit.move(old, "3", START)).moved == ("3",)
    assert difference(old, replace(old, reenrollment=replace(old.reenrollment, is_on=True))).parts == (
        "reenrollment",
    )


def test_branches_in_another_order_move_nothing_and_another_branch_does():
    step = Action("2", "create_task", {"title": "Call"})

    def forked(*ways):
        fork = RandomSplit("1", tuple(Part(50, name, Edge(to) if to else None) for name, to in ways))
        return Definition("ticket", start=Edge("1"), steps=(fork, step), next_id=3)

    old = forked(("A", "2"), ("B", ""))

    assert difference(old, forked(("B", ""), ("A", "2"))).moved == ()
    assert difference(old, forked(("A", ""), ("B", "2"))).moved == ("2",)


def test_steps_are_read_down_each_way():
    definition = chain(TASK, TASK)

    assert reading_order(edit.move(definition, "2", START)) == ["2", "1"]


def test_a_copy_has_what_is_being_worked_on_R_EDIT_3(world, flow):
    drafts.change(flow, lambda old: edit.insert(old, TASK, START)[0], did={}, by=world.ada.pk)

    made = keeping.clone(flow, by=world.ada.pk)

    assert workflows.definition_of(made) == drafts.of(flow).definition
    assert not drafts.of(made).has_changes


# ── what its owner is told ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_owner_is_told_of_is_kept_R_EXEC_9(world, flow):
    by = Actor.user(world.ada.pk)
    timing.alert(flow, errors=False, rate_per_hour=500, by=by)

    assert Workflow.objects.get(pk=flow.pk).alerts == {"errors": False, "rate_per_hour": 500}
    timing.alert(flow, errors=False, rate_per_hour=500, by=by)
    assert AuditEntry.objects.filter(action="workflow.alerts_changed").count() == 1
