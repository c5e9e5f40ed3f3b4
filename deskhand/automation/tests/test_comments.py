"""Comments on steps: threads, settled ones, and who is told (R-ACT-6, R-EDIT-1)."""

import pytest

from deskhand.accounts import roles, users
from deskhand.automation import comments, lanes, workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, Manual
from deskhand.automation.models import StepComment
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import Actor
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.notifications.models import Notification


@pytest.fixture
def lane(world):
    return lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)


@pytest.fixture
def said(world, lane):
    return comments.add(lane, "1", "Is this still right?", by=world.ada.pk)


def shown(lane):
    return [(t.comment.text, [r.text for r in t.replies]) for t in comments.threads_of(lane, "1")]


def test_answers_stand_under_what_they_answer(world, lane, said):
    first = comments.add(lane, "1", "Yes", by=world.grace.pk, reply_to=said.pk)
    comments.add(lane, "1", "Good", by=world.ada.pk, reply_to=first.pk)
    comments.add(lane, "1", "Another matter", by=world.bob.pk)

    assert shown(lane) == [("Is this still right?", ["Yes", "Good"]), ("Another matter", [])]


def test_a_settled_thread_is_counted_no_more_and_an_answer_opens_it_again(world, lane, said):
    comments.add(lane, "1", "Yes", by=world.grace.pk, reply_to=said.pk)
    comments.add(lane, "1", "Open", by=world.grace.pk)

    comments.resolve(lane, said.pk, True)
    assert [t.comment.text for t in comments.threads_of(lane, "1")] == ["Open", "Is this still right?"]
    assert counted(world) == 1
    comments.add(lane, "1", "Not quite", by=world.bob.pk, reply_to=said.pk)
    assert counted(world) == 4
    comments.resolve(lane, said.pk, True)
    comments.resolve(lane, said.pk, False)
    assert counted(world) == 4


def counted(world):
    return lanes.lanes_of(world.tickets.default)[0].steps[0].comments


def test_people_change_and_delete_their_own_only(world, lane, said):
    comments.edit(lane, said.pk, "Is that right?", by=world.ada.pk)
    comments.add(lane, "1", "Yes", by=world.grace.pk, reply_to=said.pk)
    for act in (lambda: comments.edit(lane, said.pk, "x", by=world.bob.pk), lambda: comments.delete(lane, said.pk, by=world.bob.pk)):  # fmt: skip
        with pytest.raises(Forbidden):
            act()

    assert shown(lane) == [("Is that right?", ["Yes"])]
    comments.delete(lane, said.pk, by=world.ada.pk)
    assert not StepComment.objects.exists()


@pytest.mark.parametrize("text", ["", "  ", "x" * 5001])
def test_what_says_nothing_or_too_much_is_refused(world, lane, text):
    with pytest.raises(Invalid) as refusal:
        comments.add(lane, "1", text, by=world.ada.pk)
    assert refusal.value.field == "text"


def test_what_is_not_there_is_not_found(world, lane, said):
    other = lanes.add_step("ticket", world.stage("Closed"), "create_task", {"title": "x"}, by=world.ada.pk)

    with pytest.raises(NotFound):
        comments.add(lane, "99", "x", by=world.ada.pk)
    with pytest.raises(NotFound):
        comments.resolve(other, said.pk, True)
    with pytest.raises(NotFound):
        comments.add(other, "1", "x", by=world.ada.pk, reply_to=said.pk)


def test_who_is_called_and_may_open_it_is_told_once_R_WORK_5(world, lane):
    ada, grace = world.ada.username, world.grace.username

    made = comments.add(lane, "1", f"@{ada} @{ada} @{grace} what do you think?", by=world.bob.pk)
    comments.edit(lane, made.pk, f"@{ada} and what now?", by=world.bob.pk)

    told = Notification.objects.get()  # an agent may not open ticket lanes
    assert (told.user_id, told.topic, told.about_kind, told.about_id) == (
        world.ada.pk,
        "mention",
        "workflow",
        lane.pk,
    )
    assert OutboxEntry.objects.get().payload["subject"].startswith("Bob Noyce mentioned you")


def test_nobody_tells_themselves(world, lane):
    comments.add(lane, "1", f"@{world.ada.username} remember", by=world.ada.pk)

    assert not Notification.objects.exists()


def test_steps_of_deals_are_talked_about_alike_R_OBJ_2(world):
    stage = pipelines_of("deal").default.first_open.id
    lane = lanes.add_step("deal", stage, "create_task", {"title": "Call"}, by=world.ada.pk)

    comments.add(lane, "1", "Is this still right?", by=world.grace.pk)

    assert shown(lane) == [("Is this still right?", [])]


def test_a_workflow_that_stands_alone_is_opened_by_who_edits_workflows_R_PERM_8(world):
    """Also one for tickets, whose lanes take account access."""
    step = Action("1", "create_task", {"title": "Call"})
    alone = Definition("ticket", Manual(), start=Edge("1"), steps=(step,), next_id=2)
    flow = workflows.create(world.account.pk, "Calls", alone)
    editor = roles.preset(world.account.pk, "workflow_editor").pk
    users.set_role(world.account.pk, world.grace.pk, role_id=editor, by=Actor.user(world.ada.pk))

    comments.add(flow, "1", f"@{world.grace.username} what do you think?", by=world.ada.pk)

    assert Notification.objects.get().user_id == world.grace.pk
