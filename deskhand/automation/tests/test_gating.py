"""What becomes of workflows when the account's plan is lowered (R-TIER-1, R-ACT-26, A34)."""

import pytest

from deskhand.accounts import accounts
from deskhand.accounts.models import Account, Plan
from deskhand.accounts.plans import PRESETS, Feature
from deskhand.automation import drafts, gating, lanes, templates, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Edge,
    IfThen,
    Manual,
    Part,
    RandomSplit,
)
from deskhand.automation.lanes import LanePlace
from deskhand.automation.models import MailTemplate, Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import settle
from deskhand.kernel.errors import Forbidden, Invalid

HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))

pytestmark = pytest.mark.usefixtures("wired")


def mail(world):
    return {"users": [world.ada.pk], "subject": "Look"}


@pytest.fixture
def lane(world):
    """It tells Ada by mail, which the smallest plan with lanes has, and makes a task, which it has not."""
    new, by = world.stage("New"), world.ada.pk
    made = lanes.add_step("ticket", new, "internal_email", mail(world), by=by)
    made = lanes.add_step("ticket", new, "create_task", {"title": "Call"}, after="1", by=by)
    return workflows.switch(made, True, by=by)


@pytest.fixture
def small(world):
    """A lane that does nothing but tell by mail."""
    made = lanes.add_step("ticket", world.stage("Closed"), "internal_email", mail(world), by=world.ada.pk)
    return workflows.switch(made, True, by=world.ada.pk)


def change(world, **values):
    accounts.update(world.account.pk, by=SYSTEM, **values)
    settle()  # as before a commit


def now(workflow):
    return Workflow.objects.get(pk=workflow.pk)


@pytest.fixture
def lowered(world, lane, small):
    change(world, plan=Plan.STARTER)


def test_a_lane_that_does_more_than_the_plan_has_is_off_and_says_why_A34(lane, small, lowered):
    assert (now(lane).is_on, now(lane).needs_review) == (False, gating.BEYOND)
    assert (now(small).is_on, now(small).needs_review) == (True, "")


def retyped(world, step_id, settings):
    """Give a step of the lane New other settings."""
    put = lambda definition: (edit.update_settings(definition, step_id, settings), step_id)  # noqa: E731
    return lanes.put_step("ticket", world.stage("New"), put, by=world.ada.pk)


def test_its_steps_can_be_looked_at_and_taken_out_A34(world, lane, lowered):
    by = world.ada.pk
    for act in (
        lambda: lanes.add_step("ticket", world.stage("New"), "internal_email", mail(world), by=by),
        lambda: retyped(world, "1", mail(world)),
        lambda: lanes.move_step(now(lane), "2", LanePlace(world.stage("New")), by=by),
        lambda: lanes.copy_step(now(lane), "1", LanePlace(world.stage("Closed")), by=by),
        lambda: lanes.set_every_time(now(lane), True, by=by),
        lambda: lanes.leave_out_chat(now(lane), False, by=by),
    ):
        with pytest.raises(Forbidden):
            act()
    with pytest.raises(Invalid, match="plan"):
        workflows.switch(now(lane), True, by=by)
    assert not lanes.lanes_of(world.tickets.default)[0].needs <= PRESETS[Plan.STARTER]

    left = lanes.delete_step(now(lane), "2", and_following=False, by=by)
    assert workflows.switch(left, True, by=by).needs_review == ""


def test_more_is_given_by_a_larger_plan_but_nothing_is_switched_on_by_itself(world, lane, lowered):
    change(world, plan=Plan.PROFESSIONAL)

    assert not now(lane).is_on
    assert workflows.switch(now(lane), True, by=world.ada.pk).is_on


def alone(world, *steps):
    definition = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=9)
    return workflows.switch(workflows.create(world.account.pk, "Alone", definition), True)


def test_workflows_that_stand_alone_take_the_plan_of_the_editor_R_WF_10(world):
    flow = alone(world, Action("1", "internal_email", mail(world)))

    change(world, plan=Plan.STARTER)

    assert not now(flow).is_on


def test_a_single_feature_that_is_switched_off_counts_too_R_TIER_1(world):
    split = RandomSplit("1", (Part(50, "A", Edge("2")), Part(50, "B")))
    flow = alone(world, split, Action("2", "internal_email", mail(world)))
    other = alone(
        world,
        IfThen("1", (Branch("All", HIGH, Edge("2")),)),
        Action("2", "create_task", {"title": "x"}),
    )

    change(world, features={Feature.RANDOM_SPLIT: False})

    assert (now(flow).is_on, now(other).is_on) == (False, True)


def test_what_is_on_is_not_published_with_what_the_plan_does_not_have(world):
    change(world, plan=Plan.PROFESSIONAL)
    flow = alone(world, Action("1", "create_task", {"title": "x"}))
    hook = Action("", "send_webhook", {"url": "https://a.example/"})
    drafts.change(flow, lambda old: edit.insert(old, hook, edit.START)[0], did={}, by=world.ada.pk)

    with pytest.raises(Invalid, match="plan"):
        drafts.publish(flow, by=world.ada.pk)

    assert now(flow).is_on


@pytest.fixture
def own(world):
    templates.ensure_defaults(world.account.pk)
    return templates.create(world.account.pk, "Welcome", by=SYSTEM)


def test_own_mails_in_lanes_are_a_plans_matter_R_MAIL_5(world, own):
    by, received = world.ada.pk, MailTemplate.objects.get(key="ticket_received")
    ready = lanes.add_step(
        "ticket", world.stage("Closed"), "send_email", {"template": str(received.pk)}, by=by
    )
    ready = workflows.switch(ready, True, by=by)
    made = lanes.add_step("ticket", world.stage("New"), "send_email", {"template": str(own.pk)}, by=by)
    made = workflows.switch(made, True, by=by)
    flow = alone(world, Action("1", "send_email", {"template": str(own.pk)}))

    change(world, plan=Plan.PROFESSIONAL)

    assert (now(made).is_on, now(made).needs_review) == (False, gating.BEYOND)
    assert now(ready).is_on
    assert now(flow).is_on
    with pytest.raises(Invalid, match="no mails of your own") as refusal:
        workflows.switch(now(made), True, by=by)
    assert "ready-made mail" in refusal.value.hint
    change(world, features={Feature.LANE_CUSTOM_EMAILS: True})
    assert workflows.switch(now(made), True, by=by).is_on


def test_what_was_on_before_the_plan_was_asked_runs_on_until_it_is_changed_R_MAIL_5(world, own):
    by = world.ada.pk
    made = lanes.add_step("ticket", world.stage("New"), "send_email", {"template": str(own.pk)}, by=by)
    made = workflows.switch(made, True, by=by)
    Account.objects.filter(pk=world.account.pk).update(plan=Plan.PROFESSIONAL)  # as by an earlier release

    change(world, name="Nordlys Ski")

    assert now(made).is_on
    with pytest.raises(Forbidden):
        retyped(world, "1", {"template": str(own.pk), "recipients": "all"})


@pytest.mark.parametrize(
    ("object_type", "plan", "switches", "is_offered"),
    [
        ("ticket", Plan.STARTER, {}, True),
        ("deal", Plan.STARTER, {}, False),
        ("deal", Plan.PROFESSIONAL, {}, False),
        ("deal", Plan.STARTER, {Feature.LANE_CUSTOM_EMAILS: True}, True),
        ("deal", Plan.EVERYTHING, {}, True),
    ],
)
def test_mail_is_offered_where_the_plan_has_one_to_send_R_ACT_26_R_MAIL_5(
    world, object_type, plan, switches, is_offered
):
    account = Account(pk=world.account.pk, plan=plan, features=switches)

    assert ("send_email" in lanes.offered(account, object_type)) is is_offered


def test_own_mails_to_everybody_are_a_plans_matter_R_MAIL_6(world, own):
    assert own.is_transactional
    change(world, plan=Plan.ENTERPRISE)
    kept = templates.edit(own, subject="Hello", body="Hello", is_transactional=True)
    assert kept.is_transactional

    news = templates.create(world.account.pk, "News", by=SYSTEM)

    assert not news.is_transactional
    with pytest.raises(Invalid, match="marketing contacts only") as refusal:
        templates.edit(news, subject="Hello", body="Hello", is_transactional=True)
    assert refusal.value.field == "is_transactional"
    change(world, features={Feature.OWN_TRANSACTIONAL_EMAILS: True})
    assert templates.edit(news, subject="Hello", body="Hello", is_transactional=True).is_transactional


def test_own_kinds_of_records_take_a_plan_of_their_own_R_OBJ_4(world):
    own, definition = Workflow(object_type="2-1"), Definition("2-1", Manual())

    assert not gating.needed(own, definition) <= PRESETS[Plan.PROFESSIONAL]
    assert gating.needed(own, definition) <= PRESETS[Plan.ENTERPRISE]


@pytest.mark.parametrize("plan", [Plan.STARTER, Plan.PROFESSIONAL, Plan.ENTERPRISE])
def test_a_lane_that_splits_at_random_is_of_every_plan_R_BR_5(world, plan):
    change(world, plan=plan)
    split = RandomSplit("", (Part(50, "A"), Part(50, "B")))
    made = lanes.add_step("ticket", world.stage("New"), "internal_email", mail(world), by=world.ada.pk)
    made = lanes.put_step(
        "ticket", world.stage("New"), lambda old: edit.insert(old, split, edit.Place("1")), by=world.ada.pk
    )

    assert workflows.switch(made, True, by=world.ada.pk).is_on
