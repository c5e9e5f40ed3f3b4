"""The Automate tab's lanes (behaviour.md §7)."""

import pytest

from deskhand.accounts import roles, users
from deskhand.accounts.models import Plan
from deskhand.accounts.policy import viewer_for
from deskhand.automation import lanes, templates, workflows
from deskhand.automation.engine import edit
from deskhand.automation.models import StepComment, Workflow
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Forbidden, Invalid


@pytest.fixture
def new(world):
    templates.ensure_defaults(world.account.pk)
    return world.stage("New")


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


def test_deleting_the_middle_joins_its_neighbours_T_ACT_5(world, new, chain):
    lanes.delete_step(chain, "2", and_following=False, by=world.ada.pk)

    assert kinds(world, new) == ["send_email", "create_task"]


def test_deleting_the_middle_and_all_after_leaves_the_first_T_ACT_6(world, new, chain):
    lanes.delete_step(chain, "2", and_following=True, by=world.ada.pk)

    assert kinds(world, new) == ["send_email"]


def test_a_delay_is_shown_in_words(world, new, chain):
    lane = lanes.lanes_of(world.tickets.default)[0]

    assert lane.steps[1].summary == "1 hour 30 minutes"


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


def test_starter_offers_mail_and_notification_only_T_ACT_10(world):
    world.account.plan = Plan.STARTER
    assert lanes.offered(world.account) == ("send_email", "internal_email")
    world.account.plan = Plan.PROFESSIONAL
    assert set(lanes.offered(world.account)) == set(lanes.OFFERED)
    world.account.plan = Plan.FREE
    assert lanes.offered(world.account) == ()


@pytest.mark.parametrize(
    ("role", "may_edit"),
    [("admin", {"ticket"}), ("workflow_editor", {"deal", "project"}), ("agent", set())],
)
def test_account_access_edits_ticket_lanes_and_workflow_edit_all_others_T_ACT_11(world, role, may_edit):
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


def test_a_comment_on_an_action_stays_with_it_T_ACT_13(world, new, chain):
    lanes.comment(chain, "3", "Is this still right?", by=world.grace.pk)
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
    lanes.change_step(chain, "3", {"title": "Write"}, by=world.ada.pk, seen_revision=seen)

    with pytest.raises(Conflict):
        lanes.change_step(chain, "3", {"title": "Shout"}, by=world.grace.pk, seen_revision=seen)


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
