"""R-PIPE-10: what names a status or a pipeline that is to go: listed with its place, and marked when it is gone."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from deskhand.accounts import policy
from deskhand.automation import lanes, uses, workflows
from deskhand.automation.models import Workflow
from deskhand.automation.tests.naming import WAYS, groups, is_in, second_pipeline
from deskhand.channels.portal import portals
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import Associated
from deskhand.crm.pipelines import pipelines, rules
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import refiling
from deskhand.crm.schema import tags
from deskhand.crm.schema.types import Option
from deskhand.crm.segments import segments, tag_rules
from deskhand.crm.segments.models import SegmentKind
from deskhand.desk.custom_views import Gone
from deskhand.desk.models import ChannelAccount, CustomView, Sharing
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.routing import skill_sets, skills
from deskhand.web.objects import usage
from deskhand.web.tests.conftest import queries_of

NAMES_IT = "It names a status, a pipeline or a task queue that was deleted."
ASKS_FOR_IT = "Its filters ask for a status or a pipeline that was deleted. Choose another one."


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def returns(wired, office):
    with office.inside() as world:
        return second_pipeline(world.account.pk)


def on_hold(returns) -> int:
    return returns.stages[1].id


@pytest.fixture
def named(office, returns):
    """The status "On hold", and something of each kind that names it."""
    with office.inside() as world:
        at, by = on_hold(returns), Actor.user(world.ada.pk)
        chase = workflows.create(world.account.pk, "Chase", WAYS["filters"].naming(at), by=world.ada.pk)
        lanes.add_step("ticket", at, "create_task", {"title": "Call"}, by=world.ada.pk)
        setting = {"property": "hs_pipeline_stage", "value": str(at)}
        lanes.add_step("ticket", world.stage("New"), "set_property", setting, by=world.ada.pk)
        row = Pipeline.objects.get(pk=returns.id)
        pipelines.set_policy(
            row, by=by, sent_stage_id=at, reply_stage_id=at, options={"reopen": {"stage_id": at}}
        )
        asks = rules.Rules(True, (at,), asks={at: (rules.Ask("content", True),)})
        pipelines.set_rules(row, asks, by=by)
        segment = segments.create("ticket", "On hold now", SegmentKind.FILTER, groups(is_in(at)), by=by)
        tags.arrange([Option("", "Slow", "red")], by=by)
        tag = tags.tags()[0].value
        tag_rules.set_rule(tag, groups(is_in(at)), by=by)
        portals.change(portals.Settings(True, stages={str(at): {"label": "Your turn"}}), by=by)
        channel = ChannelAccount.objects.order_by("pk")[0]
        ChannelAccount.objects.filter(pk=channel.pk).update(pipeline_id=returns.id, stage_id=at)
        view = CustomView.objects.create(
            account_id=world.account.pk, owner_id=world.ada.pk, name="Held", sharing=Sharing.EVERYONE, created_at=clock.now(),
            condition=to_json(groups(is_in(at))), pipeline_id=None,
        )  # fmt: skip
        rule_set = skill_sets.create(world.account.pk, "Mail", by=by)
        [billing] = skills.create(
            world.account.pk,
            skills.create_category(world.account.pk, "Subjects", by=by).pk,
            ["Billing"],
            by=by,
        )
        asking = skill_sets.NewRule("Waiting ones", groups(is_in(at)), [billing.pk])
        rule = skill_sets.add_rule(world.account.pk, rule_set.pk, asking, by=by)
        return {
            "Skill rule “Waiting ones”": reverse("skill-rule", args=[rule_set.pk, rule.pk]),
            "Workflow “Returns: On hold”": f"{reverse('automate', args=[returns.id])}#lane-{at}",
            "Workflow “Chase”": reverse("workflow-edit", args=[chase.pk]),
            "Workflow “Support pipeline: New”": f"{reverse('automate', args=[world.tickets.default.id])}#lane-{world.stage('New')}",
            "It is set when an email is sent to a customer.": f"{reverse('automate', args=[returns.id])}#rule-sent",
            "It is set when a customer replies to an email.": f"{reverse('automate', args=[returns.id])}#rule-reply",
            "Tickets that are reopened begin in it.": f"{reverse('automate', args=[returns.id])}#rule-reopening",
            "Tickets may be created in it by a rule.": reverse("pipeline-rules", args=[returns.id]),
            "It asks for properties.": reverse("pipeline-rules", args=[returns.id]),
            "Segment “On hold now”": reverse("segment", args=[segment.pk]),
            "The rule of the tag “Slow”": reverse("tag-rule", args=[tag]),
            "View “Held”": reverse("view-table", args=[view.pk]),
            f"New tickets of “{channel.name}” begin in it.": reverse("channel", args=[channel.pk]),
            "In the portal customers read “Your turn” for it.": reverse("portal-settings"),
        }


def test_every_use_of_a_status_is_listed_and_leads_to_where_it_stands(office, admin, returns, named):
    page = html.unescape(
        admin.get(reverse("status-delete", args=[returns.id, on_hold(returns)])).content.decode()
    )

    found = {
        words: url for url, words in re.findall(r'<a class="link" href="([^"]*)">([^<]*)</a></li>', page)
    }
    assert found == named
    for url in set(named.values()):
        assert admin.get(url, follow=True).status_code == 200, url


def test_a_pipeline_lists_what_names_its_statuses_once(office, admin, returns, named):
    page = html.unescape(admin.get(reverse("pipeline-delete", args=[returns.id])).content.decode())

    of_status_alone = {
        "It is set when an email is sent to a customer.", "It is set when a customer replies to an email.",
        "Tickets that are reopened begin in it.", "Tickets may be created in it by a rule.", "It asks for properties.",
    }  # fmt: skip
    listed = re.findall(r'<a class="link" href="[^"]*">([^<]*)</a></li>', page)
    assert sorted(listed) == sorted(set(named) - of_status_alone)


def test_who_may_not_go_there_sees_what_it_is_without_the_way(office, returns, named):
    with office.inside() as world:
        grace = policy.viewer_for(world.account.pk, world.grace.pk)
        now = pipelines_of("ticket").pipeline(returns.id)
        found = usage.of_status(grace, world.account, now, now.stages[1])

    assert {one.text for one in found} == set(named)
    ways = {one.text: one.url for one in found}
    assert (
        ways["Workflow “Chase”"] == ways["It asks for properties."] == ways["Skill rule “Waiting ones”"] == ""
    )
    assert ways["In the portal customers read “Your turn” for it."] == ""
    assert ways["View “Held”"] == named["View “Held”"]


def test_what_named_a_deleted_status_says_so_where_it_stands(office, admin, returns, named):
    admin.post(reverse("status-deleted", args=[returns.id, on_hold(returns)]))

    def said(words):
        return html.unescape(admin.get(named[words].partition("#")[0], follow=True).content.decode())

    assert NAMES_IT in said("Workflow “Chase”")
    assert NAMES_IT in said("Workflow “Support pipeline: New”")
    assert ASKS_FOR_IT in said("Segment “On hold now”")
    assert ASKS_FOR_IT in said("The rule of the tag “Slow”")
    assert "The status “On hold” is deleted, and this view asks for it." in said("View “Held”")
    assert "The status that this set was deleted." in said("It is set when an email is sent to a customer.")
    assert "Needs a look" in html.unescape(admin.get(reverse("segments")).content.decode())
    assert "Check the rule" in html.unescape(admin.get(reverse("ticket-tags")).content.decode())


def test_a_view_of_deals_in_a_deleted_status_or_pipeline_says_so(office, wired):
    with office.inside() as world:
        made = pipelines.create(
            world.account.pk, "deal", "Rent", [NewStage("A", "OPEN"), NewStage("B", "OPEN")], by=SYSTEM
        )
        rent = pipelines_of("deal").pipeline(made.pk)
        asked = [
            Associated("deal", is_in(rent.stages[1].id, "dealstage")), Associated("deal", is_in(rent.id, "pipeline")),
        ]  # fmt: skip
        views = [
            CustomView.objects.create(
                account_id=world.account.pk, owner_id=world.ada.pk, name=str(place), sharing=Sharing.EVERYONE, created_at=clock.now(),
                condition=to_json(groups(one)),
            )
            for place, one in enumerate(asked)
        ]  # fmt: skip
        refiling.delete_stage(_row(rent, rent.stages[1].id), move_to=None, by=SYSTEM)
        refiling.delete_pipeline(pipelines.find("deal", rent.id), move_to=None, by=SYSTEM)

    with office.inside():
        found = [CustomView.objects.get(pk=one.pk).gone for one in views]
    assert found == [[vars(Gone("status", "B"))], [vars(Gone("pipeline", "Rent"))]]


def test_the_list_takes_as_many_queries_for_many_workflows(office, admin, returns):
    address = reverse("status-delete", args=[returns.id, on_hold(returns)])
    with office.inside() as world:
        workflows.create(world.account.pk, "One", WAYS["filters"].naming(on_hold(returns)), by=world.ada.pk)
    admin.get(address)
    few = queries_of(admin, address)
    with office.inside() as world:
        for way in WAYS.values():
            workflows.create(world.account.pk, "More", way.naming(on_hold(returns)), by=world.ada.pk)

    assert queries_of(admin, address) <= few


def _row(pipeline, stage_id):
    return Pipeline.objects.get(pk=pipeline.id).stages.get(pk=stage_id)


@pytest.mark.parametrize("way", ["event", "filters", "branch", "branch by value", "set"])
def test_the_editor_the_review_and_the_switch_say_what_is_gone_R_PIPE_10_R_EDIT_6(
    office, admin, returns, way
):
    with office.inside() as world:
        flow = workflows.create(
            world.account.pk, "Chase", WAYS[way].naming(on_hold(returns)), by=world.ada.pk
        )
        refiling.delete_stage(_row(returns, on_hold(returns)), move_to=None, by=SYSTEM)

    def said(name, **more):
        return html.unescape(admin.get(reverse(name, args=[flow.pk]), **more).content.decode())

    for name in ("workflow-edit", "workflow-edit-review", "workflow-edit-switch"):
        assert "names “On hold”, which is not there any more. Choose another one." in said(name), name
    refused = admin.post(reverse("workflow-edit-switched", args=[flow.pk]), {"on": "1", "token": "1.0"})
    assert "On hold" in html.unescape(refused.content.decode())
    admin.post(reverse("workflow-looked", args=[flow.pk]))
    with office.inside():
        found = Workflow.objects.get(pk=flow.pk)
        assert (found.is_on, found.needs_review) == (False, uses.NAMES_GONE)
    assert "It still names a status, a pipeline or a task queue that was deleted." in html.unescape(
        admin.get(reverse("workflows-review")).content.decode()
    )


def test_a_lane_whose_step_names_what_is_gone_is_not_switched_on_R_PIPE_10(office, admin, returns):
    with office.inside() as world:
        setting = {"property": "hs_pipeline_stage", "value": str(on_hold(returns))}
        new = world.stage("New")
        lanes.add_step("ticket", new, "set_property", setting, by=world.ada.pk)
        refiling.delete_stage(_row(returns, on_hold(returns)), move_to=None, by=SYSTEM)
        place = [world.tickets.default.id, new]

    answer = html.unescape(admin.post(reverse("lane-switch", args=place), {"on": "1"}).content.decode())

    assert "“Ticket status” names “On hold”, which is not there any more. Choose another one." in answer
    with office.inside():
        assert not Workflow.objects.get().is_on
