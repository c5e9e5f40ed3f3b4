"""The Automate tab's lanes (behaviour.md §7)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from deskhand.accounts import plans, roles, users
from deskhand.accounts.models import Plan
from deskhand.accounts.policy import viewer_for
from deskhand.automation import comments, gating, lanes, templates, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Delay,
    ForAmount,
    Reenrollment,
    WhileInside,
)
from deskhand.automation.lanes import LanePlace
from deskhand.automation.models import Enrollment, StepComment, Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.records.models import Task
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid


@pytest.fixture
def new(world):
    templates.ensure_defaults(world.account.pk)
    return world.stage("New")


def retitled(stage, title, **more):
    """Give the task of a lane another title."""

    def put(definition):
        return edit.update_settings(definition, "3", {"title": title}), "3"

    return lanes.put_step("ticket", stage, put, **more)


@pytest.fixture
def chain(world, new):
    """[mail, delay, task] in the lane New."""
    by = world.ada.pk
    lanes.add_step("ticket", new, "send_email", {"template": "ticket_received"}, by=by)
    lanes.add_step("ticket", new, "delay", {"minutes": 90}, after="1", by=by)
    return lanes.add_step("ticket", new, "create_task", {"title": "Call"}, after="2", by=by)


def kinds(world, stage):
    lane = next(lane for lane in lanes.lanes_of(world.tickets.default) if lane.stage_id == stage)
    return [step.kind for step in lane.steps]


def test_the_first_action_makes_the_lane_which_is_off_R_ACT_4(world, new):
    made = lanes.add_step("ticket", new, "send_email", {"template": "ticket_received"}, by=world.ada.pk)

    assert not made.is_on
    assert kinds(world, new) == ["send_email"]


def test_t_act_5_deleting_the_middle_joins_its_neighbours(world, new, chain):
    lanes.delete_step(chain, "2", and_following=False, by=world.ada.pk)

    assert kinds(world, new) == ["send_email", "create_task"]


def test_t_act_6_deleting_the_middle_and_all_after_leaves_the_first(world, new, chain):
    lanes.delete_step(chain, "2", and_following=True, by=world.ada.pk)

    assert kinds(world, new) == ["send_email"]


@pytest.mark.parametrize(
    ("step", "after", "following", "left"),
    [
        ("3", "", False, ["create_task", "send_email", "delay"]),
        ("1", "2", False, ["delay", "send_email", "create_task"]),
        ("2", "", True, ["delay", "create_task", "send_email"]),
    ],
)
def test_a_step_is_moved_in_its_lane_R_ACT_9(world, new, chain, step, after, following, left):
    lanes.move_step(chain, step, LanePlace(new, after), with_following=following, by=world.ada.pk)

    assert kinds(world, new) == left


@pytest.mark.parametrize(
    ("act", "following", "here", "there"),
    [
        (lanes.move_step, False, ["send_email", "create_task"], ["create_task", "delay"]),
        (lanes.move_step, True, ["send_email"], ["create_task", "delay", "create_task"]),
        (lanes.copy_step, False, ["send_email", "delay", "create_task"], ["create_task", "delay"]),
        (lanes.copy_step, True, ["send_email", "delay", "create_task"], ["create_task", "delay", "create_task"]),
    ],
)  # fmt: skip
def test_a_step_comes_into_another_lane_R_ACT_9(world, new, chain, act, following, here, there):
    closed = world.stage("Closed")
    lanes.add_step("ticket", closed, "create_task", {"title": "Thank"}, by=world.ada.pk)

    act(chain, "2", LanePlace(closed, "1"), with_following=following, by=world.ada.pk)

    assert (kinds(world, new), kinds(world, closed)) == (here, there)


def test_a_copy_makes_the_lane_that_it_comes_to_which_is_off_R_ACT_4_R_ACT_9(world, new, chain):
    workflows.switch(chain, True)

    lanes.copy_step(chain, "1", LanePlace(world.stage("Closed")), with_following=True, by=world.ada.pk)

    made = lanes.lane_of(world.stage("Closed"), "ticket")
    assert (kinds(world, world.stage("Closed")), made.is_on) == (
        ["send_email", "delay", "create_task"],
        False,
    )


def test_a_lane_that_everything_was_moved_out_of_is_off(world, new, chain):
    workflows.switch(chain, True)

    lanes.move_step(chain, "1", LanePlace(world.stage("Closed")), with_following=True, by=world.ada.pk)

    assert (kinds(world, new), lanes.lane_of(new, "ticket").is_on) == ([], False)


def test_comments_move_along_and_are_not_copied_R_ACT_6(world, new, chain):
    closed = world.stage("Closed")
    comments.add(chain, "3", "Is this still right?", by=world.grace.pk)
    lanes.copy_step(chain, "2", LanePlace(closed), with_following=True, by=world.ada.pk)
    lanes.move_step(chain, "3", LanePlace(closed), by=world.ada.pk)

    found = {lane.stage_id: [step.comments for step in lane.steps] for lane in lanes.lanes_of(world.tickets.default)}  # fmt: skip
    assert (found[new], found[closed]) == ([0, 0], [1, 0, 0])


def test_a_record_inside_a_step_that_moves_away_goes_on_with_what_follows_R_EDIT_5(world, new, chain, settle):
    workflows.switch(chain, True)
    ticket = world.ticket()
    settle()
    assert Enrollment.objects.get().step_id == "2"

    lanes.move_step(lanes.lane_of(new, "ticket"), "2", LanePlace(world.stage("Closed")), by=world.ada.pk)
    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle()

    assert Task.objects.get().title == "Call"
    assert Enrollment.objects.get(record_id=ticket.pk).end_reason == "completed"


@pytest.mark.parametrize(
    ("step", "after", "following"), [("2", "1", False), ("2", "2", False), ("1", "3", True), ("3", "2", True)]
)
def test_a_step_that_would_not_move_is_refused(world, new, chain, step, after, following):
    with pytest.raises(Invalid) as refusal:
        lanes.move_step(chain, step, LanePlace(new, after), with_following=following, by=world.ada.pk)

    assert refusal.value.field == "to"
    assert kinds(world, new) == ["send_email", "delay", "create_task"]


@pytest.mark.parametrize("act", [lanes.move_step, lanes.copy_step])
@pytest.mark.parametrize("status", ["New", "Closed"])
def test_what_somebody_else_changed_is_neither_moved_nor_copied(world, new, chain, act, status):
    seen = chain.revision_number
    retitled(new, "Write", by=world.grace.pk)

    with pytest.raises(Conflict):
        act(chain, "3", LanePlace(world.stage(status)), by=world.ada.pk, seen_revision=seen)


CANCELLED = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))


@pytest.fixture
def delayed(world, new, chain):
    """[mail, delay of working time], on which the task stands, and a second task where the wait is cancelled."""
    delay = Delay("2", ForAmount(timedelta(minutes=90), is_working_time=True), cancel_if=CANCELLED)
    definition = edit.update(workflows.definition_of(chain), delay)
    grown, _id = edit.insert(
        definition, Action("", "create_task", {"title": "Hurry"}), edit.Place("2", "otherwise")
    )
    return workflows.save(chain, grown, by=world.ada.pk)


def test_both_ways_of_a_delay_are_in_its_lane_R_DELAY_5(world, new, delayed):
    lane = lanes.lanes_of(world.tickets.default)[0]

    assert kinds(world, new) == ["send_email", "delay"]
    assert [(way.slot, [one.id for one in way.steps]) for way in lane.steps[1].ways] == [("next", ["3"]), ("otherwise", ["4"])]  # fmt: skip


@pytest.mark.parametrize(("keep", "left"), [("next", "3"), ("otherwise", "4")])
def test_a_delay_of_two_ways_is_deleted_with_one_of_them_R_ACT_8(world, new, delayed, keep, left):
    lanes.delete_step(delayed, "2", and_following=False, keep=keep, by=world.ada.pk)

    lane = lanes.lanes_of(world.tickets.default)[0]
    assert [step.id for step in lane.steps] == ["1", left]


def test_an_empty_lane_cannot_be_switched_on_R_EDIT_6(world, new, chain):
    emptied = lanes.delete_step(chain, "1", and_following=True, by=world.ada.pk)

    with pytest.raises(Invalid, match="nothing to do"):
        workflows.switch(emptied, True)


@pytest.mark.parametrize(
    ("break_it", "field"),
    [
        (lambda d: edit.update_settings(d, "1", {"template": ""}), "template"),
        (lambda d: edit.delete_one(edit.delete_one(d, "1"), "3"), "steps"),  # only the delay is left
        (lambda d: edit.go_to(edit.delete_one(d, "2"), edit.Place("3"), "1"), "next"),
    ],
)
def test_what_can_not_work_can_not_be_switched_on_R_EDIT_6(world, new, chain, break_it, field):
    broken = workflows.save(chain, break_it(workflows.definition_of(chain)))

    with pytest.raises(Invalid) as refusal:
        workflows.switch(broken, True)

    assert refusal.value.field == field
    assert not Workflow.objects.get().is_on


MAILS = ("send_email", "internal_email")


def test_t_act_10_starter_offers_mail_and_notification_only(world):
    """And the random split, which is of all plans where something can be done (R-BR-5)."""
    world.account.plan = Plan.STARTER
    assert lanes.offered(world.account) == (*MAILS, "random-split")
    world.account.plan = Plan.PROFESSIONAL
    assert {
        *MAILS,
        "create_task",
        "set_property",
        "rotate_owner",
        "delay",
        "if-then",
        "value-equals",
        "random-split",
        "go-to",
    } <= set(lanes.offered(world.account))
    assert not {"send_webhook", "format_data", "delete_contact"} & set(lanes.offered(world.account))
    world.account.plan = Plan.EVERYTHING
    on_tickets = {
        kind
        for kind, one in ACTIONS.items()
        if (one.object_types is None or "ticket" in one.object_types) and one.feature not in plans.OPT_IN
    } - {
        "custom_action",
        "send_whatsapp",
        "send_sms",
        "send_survey",
    }  # as long as nothing of the kind is connected
    assert set(lanes.offered(world.account)) == {*on_tickets, *gating.FLOW}
    world.account.plan = Plan.FREE
    assert lanes.offered(world.account) == ()


@pytest.mark.parametrize(
    ("role", "may_edit"),
    [("admin", {"ticket"}), ("workflow_editor", {"deal", "project"}), ("agent", set())],
)
def test_t_act_11_account_access_edits_ticket_lanes_and_workflow_edit_all_others(world, role, may_edit):
    """R-ACT-40, R-ACT-41"""
    key = roles.preset(world.account.pk, role).pk
    users.set_role(world.account.pk, world.grace.pk, role_id=key, by=Actor.user(world.ada.pk))
    grace, ada = (viewer_for(world.account.pk, user.pk) for user in (world.grace, world.ada))

    for object_type in ("ticket", "deal", "project"):
        lanes.require(ada, object_type)  # a super admin
        if object_type in may_edit:
            lanes.require(grace, object_type)
        else:
            with pytest.raises(Forbidden):
                lanes.require(grace, object_type)


def test_what_a_lane_does_with_who_is_inside_outlasts_its_switch_for_every_time_R_RE_6(world, chain):
    definition = workflows.definition_of(chain)
    again = Reenrollment(True, while_inside=WhileInside.QUEUE)
    lane = workflows.save(chain, replace(definition, reenrollment=again), by=world.ada.pk)

    off = lanes.set_every_time(lane, False, by=world.ada.pk)
    saved = lanes.set_every_time(off, True, by=world.ada.pk)

    assert workflows.definition_of(saved).reenrollment == again


def test_t_act_13_a_comment_on_an_action_stays_with_it(world, new, chain):
    comments.add(chain, "3", "Is this still right?", by=world.grace.pk)
    lanes.delete_step(chain, "2", and_following=False, by=world.ada.pk)

    assert StepComment.objects.get().step_id == "3"
    assert [step.comments for step in lanes.lanes_of(world.tickets.default)[0].steps] == [0, 1]


@pytest.mark.parametrize(
    ("kind", "settings", "field"),
    [("send_email", {}, "template"), ("internal_email", {}, "users"), ("create_task", {"title": " "}, "title"),
     ("set_property", {}, "property"), ("delay", {"minutes": 0}, "minutes"), ("teleport", {}, "kind"),
     ("create_task", {"title": "Call", "notes": "{{ ticket."}, "notes"), ("internal_email", {"owner": True, "body": "{% if"}, "body")],
)  # fmt: skip
def test_what_is_missing_is_named(world, new, kind, settings, field):
    with pytest.raises(Invalid) as refusal:
        lanes.add_step("ticket", new, kind, settings, by=world.ada.pk)

    assert refusal.value.field == field


def test_two_editors_do_not_overwrite_each_other(world, new, chain):
    seen = chain.revision_number
    retitled(new, "Write", by=world.ada.pk, seen_revision=seen)

    with pytest.raises(Conflict):
        retitled(new, "Shout", by=world.grace.pk, seen_revision=seen)


def test_what_is_refused_makes_no_lane_R_ACT_4(world, new):
    def refused(definition):
        raise Invalid("No", field="title")

    with pytest.raises(Invalid):
        lanes.put_step("ticket", new, refused, by=world.ada.pk)

    assert not Workflow.objects.exists()


def test_of_two_who_begin_a_lane_at_once_one_is_told(world, new, chain, monkeypatch):
    monkeypatch.setattr(lanes, "lane_of", lambda *_: None)  # the other one's was not there yet

    with pytest.raises(Conflict):
        lanes.add_step("ticket", new, "create_task", {"title": "Write"}, by=world.ada.pk)

    assert kinds(world, new) == ["send_email", "delay", "create_task"]


def test_lanes_are_read_with_as_many_queries_for_four_as_for_one(
    world, new, chain, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6):
        lanes.lanes_of(world.tickets.default)


def test_who_edits_a_lane_that_was_edited_meanwhile_is_told_and_takes_nothing_back_R_EDIT_4(world, chain):
    lanes.leave_out_chat(chain, False, by=world.grace.pk)

    with pytest.raises(Conflict):
        lanes.set_every_time(chain, True, by=world.ada.pk)

    assert not lanes.lanes_of(world.tickets.default)[0].leaves_out_chat
