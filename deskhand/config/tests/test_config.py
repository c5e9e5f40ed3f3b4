"""Configuration as a file: out and in again, into the same account and into an empty one."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from deskhand.accounts import teams
from deskhand.accounts.models import AuditEntry, Membership, Team
from deskhand.automation import folders, integrations, lanes, secrets, templates, timing, triggers, workflows
from deskhand.automation.actions.forms import Around, Input
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    Ends,
    EventMatch,
    IfThen,
    Leaving,
    Manual,
    UntilProperty,
    ValueEquals,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.models import MailTemplate, Workflow
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach
from deskhand.config import definitions, document, plan
from deskhand.config.plan import Did, Difference, differences
from deskhand.crm.filters.types import AnyOf, Associated, Filter, MemberOf, Operator, leaves
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.options import parse
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import objects, subscriptions, task_queues, tasks, tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.schema import association_labels, groups, object_types, properties, tags
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.types import Option as Tag
from deskhand.crm.segments import segments, tag_rules
from deskhand.crm.segments.models import SegmentKind
from deskhand.desk import inboxes
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.routing import capacity, skill_sets, skills
from deskhand.routing import rules as routing
from deskhand.routing.hours import of_rule
from deskhand.routing.models import RoutingRule
from deskhand.routing.ringing import Ringing
from deskhand.routing.skill_sets import NewRule
from deskhand.routing.types import Measure, Option
from deskhand.testing.world import World, make_world


@pytest.fixture
def full(world: World) -> World:
    """An account with something in each section."""
    return fill(world)


def fill(world: World) -> World:
    account = world.account.pk
    templates.ensure_defaults(account)
    machine = object_types.create("machine", "Machine", "Machines", by=SYSTEM)
    properties.create(machine.key, "serial", "Serial number", Kind.TEXT, by=SYSTEM)
    objects.choose_primary(machine.key, "serial", by=SYSTEM)
    object_types.update(machine.key, required=["serial"], by=SYSTEM)
    objects.switch_pipelines(machine.key, True, by=SYSTEM)
    object_types.set_icon(machine.key, "truck", by=SYSTEM)
    object_types.rename("deal", "Order", "Orders", by=SYSTEM)
    groups.arrange("ticket", [(None, "Order")], by=SYSTEM)
    properties.create("ticket", "size", "Size", Kind.ENUM, options=[{"value": "s", "label": "Small"}], group="order", by=SYSTEM)  # fmt: skip
    tags.arrange([Tag("", "Billing", "red"), Tag("", "Old", "", True)], by=SYSTEM)
    sub = teams.create(account, "Returns", parent_id=world.team.pk, by=SYSTEM)
    teams.add_member(account, sub.pk, world.bob.pk, is_main=False, by=SYSTEM)
    support = Pipeline.objects.get(account_id=account, object_type="ticket")
    new, closed = world.stage("New"), world.stage("Closed")
    pipelines.set_rules(
        support,
        Rules(True, (new,), True, False, {closed: (Ask("hs_resolution", True),)}), by=SYSTEM,
    )  # fmt: skip
    pipelines.set_cards(support, ["hs_ticket_priority", "size", "contact"], by=SYSTEM)
    pipelines.set_policy(support, options={"reopen": {"mode": "within_days", "days": 3, "stage_id": new}})
    pipelines.create(account, "ticket", "Returns", [NewStage("Open", OPEN), NewStage("Done", CLOSED)])
    news = subscriptions.add_kind("News", "What is new", by=SYSTEM)
    integrations.add(
        world.account.pk, "Credit check",
        {"url": "https://bank.example/check", "inputs": [{"name": "amount", "value": "number"}], "object_types": ["deal"]}, by=SYSTEM,
    )  # fmt: skip
    templates.set_archived(templates.create(account, "Please rate us", by=SYSTEM), True, by=SYSTEM)
    mail = templates.create(account, "Please rate us", by=SYSTEM)
    templates.edit(
        mail,
        subject="How was it",
        body=f"Hello,\n\nplease say. It took {{{{ ticket.hs_v2_latest_time_in_{new} }}}}.",
        is_transactional=False,
        subscription_type_id=news.pk,
    )
    urgent = segments.create(
        "ticket", "Urgent", SegmentKind.FILTER,
        AnyOf((
            Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (str(new),)),
            Filter(f"hs_v2_date_entered_{closed}", Kind.DATETIME, Operator.KNOWN),
        )), by=Actor.user(world.ada.pk),
    )  # fmt: skip
    tag_rules.set_rule("1", MemberOf("segment", (urgent.pk,)), by=SYSTEM)
    watched = segments.create("ticket", "Watched", SegmentKind.STATIC, by=Actor.user(world.ada.pk))
    by = world.ada.pk
    lanes.add_step("ticket", new, "send_email", {"template": str(mail.pk)}, by=by)
    lanes.add_step("ticket", new, "internal_email", {"users": [by], "teams": [sub.pk], "subject": "x", "body": "y"}, by=by)  # fmt: skip
    lane = lanes.add_step("ticket", new, "set_property", {"property": "hs_pipeline_stage", "value": closed}, by=by)  # fmt: skip
    workflows.switch(lane, True, by=by)
    lanes.add_step("ticket", new, "add_to_segment", {"segment": str(watched.pk)}, by=by)
    lanes.add_step(
        "ticket", new, "manage_subscription", {"subscription": str(news.pk), "change": "on"}, by=by
    )
    lanes.add_step(
        "ticket",
        new,
        "create_record",
        {"record_type": machine.key, "value_serial": "1", "owner": str(by)},
        by=by,
    )
    broken = association_labels.create("ticket", machine.key, "Broken", "Breaks in", by=SYSTEM)
    twin = association_labels.create("contact", "ticket", "Witness", by=SYSTEM)
    lanes.add_step(
        "ticket", new, "update_association_labels", {"to": machine.key, "labels": [str(broken.type_id)], "label": "", "how": "add"}, by=by
    )  # fmt: skip
    lanes.add_step("ticket", new, "remove_association", {"to": "contact", "label": str(twin.type_id)}, by=by)
    also = [
        "contact",
        f"contact:{twin.type_id}",
        "contact:9001",
        machine.key,
        f"{machine.key}:{broken.type_id}",
    ]
    lanes.add_step("ticket", new, "create_task", {"title": "Ask them", "associate": also}, by=by)
    of_primary = {"on": "contact", "label": "9001", "property": "phone", "value": "112"}
    lanes.add_step("ticket", new, "set_property", of_primary, by=by)
    named = Filter("email", Kind.TEXT, Operator.KNOWN)
    parts = tuple(Associated("contact", named, number) for number in (twin.type_id, 9001))
    won = pipelines_of("deal").default.stages[-1].id  # a status of the linked record's kind
    sold = Associated("deal", Filter(f"hs_v2_date_entered_{won}", Kind.DATETIME, Operator.KNOWN))
    segments.create("ticket", "Of a deal that was won", SegmentKind.FILTER, AnyOf((sold,)), by=Actor.user(by))
    segments.create("ticket", "Seen by somebody", SegmentKind.FILTER, AnyOf(parts), by=Actor.user(by))
    own = pipelines_of(machine.key).default.first_open.id
    calls = task_queues.create(NewQueue("Calls", False, [world.bob.pk], [sub.pk]), by=SYSTEM).pk
    lanes.add_step(
        machine.key,
        own,
        "create_task",
        {"title": "Look at it", "assignee": str(by), "queue": str(calls)},
        by=by,
    )
    known = properties_of("ticket")
    moves = (
        triggers.property_changed("ticket", known["hubspot_owner_id"], [world.grace.pk], [by]),
        triggers.property_changed("ticket", known["hs_assigned_team_ids"], after=[sub.pk]),
        triggers.property_changed("ticket", known["hs_pipeline_stage"], [str(new)]),
    )
    told = (
        ("comment.added", triggers.BY_USER, Kind.REF, by), ("comment.added", "mentioned", Kind.REFS, world.grace.pk),
        ("task.done", "assignee_id", Kind.REF, by), ("message.received", "channel_account_id", Kind.REF, world.channel.pk),
        ("ticket.linked", triggers.TO_TYPE, Kind.ENUM, machine.key),
    )  # fmt: skip
    moves += tuple((event, Filter(fact, kind, Operator.ANY_OF, (pk,))) for event, fact, kind, pk in told)
    handed = WhenEvent(tuple(EventMatch(kind, about) for kind, about in moves))
    workflows.create(account, "Handed over", Definition("ticket", Manual()), by=by)
    over = workflows.create(account, "Handed over", Definition("ticket", handed), by=by)
    workflows.create(
        account,
        "By hand",
        Definition(
            "ticket",
            WhenTrue(MemberOf("segment", (urgent.pk,))),
            leaving=Leaving(segments=(watched.pk,), ends=Ends((over.pk,))),
        ),
        by=by,
    )
    entered = f"hs_v2_date_entered_{closed}"
    steps = (
        Action("1", "create_task", {"title": f"Since {{{{ ticket.{entered} | default: '-' }}}}"}, Edge("2")),
        Delay("2", UntilProperty(entered), Edge("3")),
        ValueEquals("3", f"hs_v2_date_exited_{new}", (Case("2026-11-16", Edge("4")),)),
        Action("4", "create_task", {"title": "Gone"}),
    )
    workflows.create(account, "Times", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=5), by=by)  # fmt: skip
    held = workflows.create(account, "By hand", Definition("deal", Manual()), by=by)
    workflows.pin(workflows.pause(held, by=by), True, by=by)
    timing.alert(held, errors=False, rate_per_hour=50, by=Actor.user(by))
    folders.move(account, [held.pk], folders.create(account, "Sales", by=Actor.user(by)))
    german, danish = skills.create(
        account, skills.ensure_languages(account).pk, ["German", "Danish"], by=SYSTEM
    )
    [billing] = skills.create(
        account, skills.create_category(account, "Subjects", by=SYSTEM).pk, ["Billing"], by=SYSTEM
    )
    skills.set_of_team(account, sub.pk, [billing.pk, danish.pk], by=SYSTEM)
    asks = skill_sets.create(account, "Mail", by=SYSTEM)
    is_new = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (str(new),))
    for rule in (
        NewRule("New ones", is_new, [german.pk, danish.pk], [billing.pk], any_will_do=True),
        NewRule("Urgent ones", MemberOf("segment", (urgent.pk,)), [german.pk]),
    ):
        skill_sets.add_rule(account, asks.pk, rule, by=SYSTEM)
    routing.set_rule(
        account, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], team_ids=[world.team.pk],
        skill_rule_set_id=asks.pk, by=SYSTEM,
    )  # fmt: skip
    capacity.set_limits(account, [world.ada.pk], total=12, share=50, by=SYSTEM)
    capacity.set_limits(
        account, [world.grace.pk], measure=Measure.BY_TYPE, by_type={"CALL": 1, "MESSAGE": 0}, by=SYSTEM
    )
    capacity.set_settings(
        account,
        capacity.Settings(
            (new,), 30, True, True, {"CALL": 3}, {world.channel.pk: 2}, {"URGENT": 2, "LOW": -1}, 14, 40
        ), by=SYSTEM,
    )  # fmt: skip
    portals.change(
        portals.Settings(
            True, "Nordlys help", "#1a5fb4", "#99c1f1", False, Reach.CHOSEN, world.channel.pk,
            {str(new): {"label": "We have it"}, str(closed): {"is_hidden": True}},
        ), by=SYSTEM,
    )  # fmt: skip
    managers = segments.create("contact", "Managers", SegmentKind.STATIC, by=Actor.user(by))
    portals.change_condition(MemberOf("segment", (managers.pk,)), by=SYSTEM)
    return world


def exported(world: World) -> dict[str, Any]:
    return document.read(document.write(plan.export(world.account.pk)))


def test_what_is_exported_changes_nothing_when_it_is_applied(full: World) -> None:
    given = exported(full)
    assert all(given[section.name] for section in plan.SECTIONS)
    assert plan.plan(full.account.pk, given).changes == []
    assert plan.apply(full.account.pk, given, delete=True).changes == []


@pytest.mark.django_db
def test_an_empty_account_becomes_the_same() -> None:
    """The round trip through another account is exact; who is not there is added first."""
    full, other = make_world(), make_world("fjallbo")
    with account_scope(full.account.pk):
        given = exported(fill(full))
    text = document.write(given).replace("@nordlys.example", "@fjallbo.example")
    wanted = document.read(text)
    with account_scope(other.account.pk):
        templates.ensure_defaults(other.account.pk)
    plan.apply(other.account.pk, wanted, delete=True)
    assert plan.export(other.account.pk) == wanted
    with account_scope(other.account.pk):
        lane = Workflow.objects.get(account_id=other.account.pk, origin_stage_id=other.stage("New"))
        assert lane.is_on
        steps = workflows.definition_of(lane).to_json()["steps"]
        assert steps[2]["settings"]["value"] == other.stage("Closed")
        assert steps[1]["settings"]["users"] == [other.ada.pk]
        times = workflows.definition_of(Workflow.objects.get(account_id=other.account.pk, name="Times"))
        title, until, value = times.steps[0].settings["title"], times.steps[1].wait, times.steps[2].of
        entered = f"hs_v2_date_entered_{other.stage('Closed')}"  # R-PROP-3, wherever a status is named
        assert title == f"Since {{{{ ticket.{entered} | default: '-' }}}}"
        assert (until.property, value) == (entered, f"hs_v2_date_exited_{other.stage('New')}")
        rated = MailTemplate.objects.get(account_id=other.account.pk, name="Please rate us")
        assert f"ticket.hs_v2_latest_time_in_{other.stage('New')} " in rated.body
        _namesake, over = Workflow.objects.filter(account_id=other.account.pk, name="Handed over").order_by(
            "pk"
        )
        handed = workflows.definition_of(over)
        named = [leaf.values for event in handed.trigger.events for leaf in leaves(event.about)]
        sub = Team.objects.get(account_id=other.account.pk, name="Returns")
        by_hand = Workflow.objects.get(account_id=other.account.pk, name="By hand", object_type="ticket")
        assert workflows.definition_of(by_hand).leaving.ends == Ends((over.pk,))  # R-UN-6
        assert named[1:3] == [(other.grace.pk,), (other.ada.pk,)]  # R-TRIG-18
        assert named[4:7:2] == [(sub.pk,), (str(other.stage("New")),)]
        assert named[7:-1] == [(other.ada.pk,), (other.grace.pk,), (other.ada.pk,), (other.channel.pk,)]
        (machine,) = object_types.all_of_them()
        assert named[-1] == (machine,)


def test_a_portal_is_opened_and_closed_by_a_file(full: World) -> None:
    """R-POR-3, R-POR-10: by names; what a file leaves out stays, and what can't be read is refused as on the page."""
    [item] = exported(full)["portal"]
    assert item["channel"] == "support@nordlys.example"
    assert [(one["label"], one["is_hidden"]) for one in item["statuses"]] == [
        ("We have it", False),
        ("", True),
    ]
    assert item["condition"]["ids"] == ["Managers"]
    account = full.account.pk

    assert plan.apply(account, {"portal": [{"reach": "OWN", "statuses": []}]}).changes
    with pytest.raises(Invalid, match="its contrast is"):
        plan.apply(account, {"portal": [{"accent": "#ffcc00"}]})
    portal = Portal.objects.get(account_id=account)
    assert (portal.is_on, portal.accent, portal.reach, portal.stages) == (True, "#1a5fb4", "OWN", {})
    plan.apply(account, {"portal": []}, delete=True)

    assert not Portal.objects.get(account_id=account).is_on


def test_labels_are_named_by_the_kinds_that_they_join(full: World) -> None:
    given = exported(full)
    assert given["association_labels"] == [
        {
            "from": "ticket",
            "to": "machine",
            "name": "broken",
            "label": "Broken",
            "inverse_label": "Breaks in",
        },
        {"from": "contact", "to": "ticket", "name": "witness", "label": "Witness", "inverse_label": ""},
    ]
    seen = next(one for one in given["segments"] if one["name"] == "Seen by somebody")
    asked = seen["condition"]["any"]
    assert [one["type_id"] for one in asked] == ["contact/ticket/witness", 9001]
    steps = _steps(given)
    told = {step["kind"]: step["settings"] for step in steps if "association" in step.get("kind", "")}
    assert told["update_association_labels"]["labels"] == ["ticket/machine/broken"]
    assert told["update_association_labels"]["to"] == "machine"
    assert told["remove_association"]["label"] == "contact/ticket/witness"
    also = [step["settings"]["associate"] for step in steps if step.get("settings", {}).get("associate")]
    assert also == [
        [
            "contact",
            "contact:contact/ticket/witness",
            "contact:9001",
            "machine",
            "machine:ticket/machine/broken",
        ]
    ]
    [of_primary] = [step["settings"] for step in steps if step.get("settings", {}).get("property") == "phone"]
    assert of_primary["label"] == "9001"


def test_a_label_is_renamed_and_one_that_is_used_stays(full: World, wired: None) -> None:
    given = exported(full)
    given["association_labels"][0]["inverse_label"] = "Fails in"
    plan.apply(full.account.pk, given)
    assert exported(full)["association_labels"][0]["inverse_label"] == "Fails in"
    given["association_labels"] = []
    with pytest.raises(Invalid, match="is used by"):
        plan.apply(full.account.pk, given, delete=True)
    given = exported(full)
    given["association_labels"][0]["inverse_label"] = ""
    with pytest.raises(Invalid, match="stays single"):
        plan.apply(full.account.pk, given)


def _steps(part: Any) -> list[dict[str, Any]]:
    """All actions anywhere in it."""
    if isinstance(part, list):
        return [step for one in part for step in _steps(one)]
    if not isinstance(part, dict):
        return []
    own = [part] if "kind" in part and "settings" in part else []
    return own + [step for one in part.values() for step in _steps(one)]


def test_a_plan_shows_what_changes_and_writes_nothing(full: World) -> None:
    given = exported(full)
    given["pipelines"][0]["label"] = "Help"
    given["pipelines"][0]["statuses"][1]["label"] = "Waiting"
    given["teams"].append({"name": "Night"})
    before = counts()
    found = plan.plan(full.account.pk, given)
    assert counts() == before
    assert [(c.section, c.key, c.did) for c in found.changes] == [
        ("teams", "Night", Did.CREATE), ("pipelines", "ticket 0", Did.CHANGE),
    ]  # fmt: skip
    shown = {one.path: (one.old, one.new) for one in found.changes[1].differences}
    assert shown == {
        "label": ("Support pipeline", "Help"), "statuses[2].label": ("Waiting on contact", "Waiting"),
    }  # fmt: skip


def counts() -> list[tuple[Any, ...]]:
    tables = (
        "crm_pipeline",
        "crm_stage",
        "accounts_team",
        "events_event",
        "accounts_auditentry",
        "automation_workflowrevision",
    )
    return [sql.rows(f"select count(*), max(id) from {table}")[0] for table in tables]


def test_a_status_with_tickets_goes_when_it_is_said_where_they_go(full: World) -> None:
    """R-PIPE-8, R-PIPE-10"""
    ticket, account, gone = full.ticket(stage="Waiting on us"), full.account.pk, full.stage("Waiting on us")
    stands = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (str(gone),))
    workflows.create(account, "Remind us", Definition("ticket", WhenTrue(stands)), by=full.ada.pk)
    lanes.add_step("ticket", gone, "create_task", {"title": "Answer"}, by=full.ada.pk)
    given = exported(full)
    given["workflows"] = []
    support = given["pipelines"][0]
    support["statuses"] = [one for one in support["statuses"] if one["label"] != "Waiting on us"]
    support["automation"]["reply_status"] = "1"
    with pytest.raises(Invalid) as refused:
        plan.plan(full.account.pk, given)
    assert "moved" in refused.value.hint
    said = str(refused.value)
    assert said.startswith("pipelines ticket 0: ")
    assert (said.count("ticket 0"), refused.value.field) == (1, "pipelines.moved")
    support["moved"] = {"3": "2"}
    found = plan.apply(full.account.pk, given)
    assert found.changes[0].effects == (
        "1 record in “Waiting on us” go to “Waiting on contact”",
        "the automation “Support pipeline: Waiting on us” goes with its status",
        "the workflow “Remind us” names a status that goes, and asks for a look",
    )
    assert Ticket.objects.get(pk=ticket.pk).stage_id == full.stage("Waiting on contact")
    assert plan.plan(full.account.pk, given).changes == []


def test_what_the_file_does_not_name_stays_unless_it_is_to_go(full: World) -> None:
    given = exported(full)
    given = {"workflows": [one for one in given["workflows"] if "lane" in one]}
    found = plan.plan(full.account.pk, given)
    assert not found.changes
    alone = ["deal By hand", "ticket By hand", "ticket Handed over", "ticket Handed over #2", "ticket Times"]
    assert sorted(found.left_alone) == [("workflows", name) for name in alone]
    done = plan.apply(full.account.pk, given, delete=True)
    assert [change.did for change in done.changes] == [Did.DELETE] * 5
    assert not Workflow.objects.filter(
        name__in=("By hand", "Handed over", "Times"), archived_at=None
    ).exists()


def test_a_task_queue_that_goes_leaves_its_tasks_R_WFA_8(full: World) -> None:
    [item] = exported(full)["task_queues"]
    assert item == {
        "name": "Calls",
        "everyone": False,
        "users": ["bob@nordlys.example"],
        "teams": ["Returns"],
    }
    assert plan.apply(full.account.pk, {"task_queues": [item, {"name": "Letters"}]}).changes
    letters = task_queues.queues()[1]
    assert letters.is_for_everyone
    tasks.create("ticket", full.ticket().pk, tasks.Wanted("Write", queue_id=letters.pk), by=SYSTEM)

    [change] = plan.apply(full.account.pk, {"task_queues": [item]}, delete=True).changes

    assert (change.did, change.effects) == (Did.DELETE, ("1 task stays, in no queue",))
    assert Task.objects.get().queue_id is None


def test_the_plan_names_the_workflows_that_miss_a_task_queue_R_WFA_8_R_EDIT_9(full: World) -> None:
    [change] = plan.plan(full.account.pk, {"task_queues": []}, delete=True).changes

    [lane] = [one for one in Workflow.objects.all() if "'queue'" in str(workflows.definition_of(one))]
    assert (change.did, change.effects) == (
        Did.DELETE,
        (f"steps of the workflow “{lane.name}” name it, and fail until another one is chosen",),
    )


def test_a_task_queue_of_a_team_that_is_gone_names_it_no_more_R_WFA_8(full: World) -> None:
    sub = Team.objects.get(account_id=full.account.pk, name="Returns")
    teams.delete(full.account.pk, sub.pk, by=SYSTEM)

    given = exported(full)

    assert given["task_queues"][0]["teams"] == []
    assert plan.plan(full.account.pk, {"task_queues": given["task_queues"]}).changes == []


def test_half_of_a_file_is_never_applied(full: World) -> None:
    given = exported(full)
    given["teams"].append({"name": "Night"})
    given["routing"][0]["users"] = ["nobody@nordlys.example"]
    before = counts()
    with pytest.raises(Invalid) as refused:
        plan.apply(full.account.pk, given)
    assert refused.value.field == "routing[0].users[0]"
    assert "nobody@nordlys.example" in str(refused.value)
    assert counts() == before


def test_what_changed_since_the_plan_was_seen_stops_it(full: World) -> None:
    given = exported(full)
    given["teams"].append({"name": "Night"})
    seen = plan.plan(full.account.pk, given)
    teams.create(full.account.pk, "Night", by=SYSTEM)
    with pytest.raises(Conflict):
        plan.apply(full.account.pk, given, seen=seen)


@pytest.mark.parametrize(
    ("section", "item", "path"),
    [
        ("teams", {"name": "X", "under": "Nowhere"}, "teams"),
        ("teams", {"subject": "X"}, "teams"),
        ("mails", {"id": "new", "subject": "{{ broken", "body": "x"}, "mails"),
        ("pipelines", {"of": "ship", "id": "1"}, "pipelines"),
        ("pipelines", {"of": "ticket", "id": "9", "label": "No open", "statuses": [{"id": "91", "state": "CLOSED"}]}, "pipelines"),
        ("workflows", {"of": "ticket", "id": "Broken", "definition": {"format": 1}}, "definition"),
        ("workflows", {"of": "ticket", "id": "a", "lane": "1", "definition": {}}, "workflows"),
        ("properties", {"of": "ticket", "name": "Bad Name"}, "properties"),
        ("nothing", {}, "nothing"),
    ],
)  # fmt: skip
def test_refusals_name_the_place(full: World, section: str, item: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        plan.plan(full.account.pk, {section: [item]})
    assert path in refused.value.field + str(refused.value)


def calling(settings: dict[str, Any]) -> dict[str, Any]:
    """A workflow of one call as people write it, without what goes without saying."""
    return {
        "format": 1, "object_type": "ticket", "trigger": {"type": "manual"}, "start": {"to": "1"}, "next_id": 2,
        "steps": [{"id": "1", "type": "action", "kind": "send_webhook", "settings": settings}],
    }  # fmt: skip


def test_a_definition_may_leave_out_what_goes_without_saying(full: World) -> None:
    call = {"method": "POST", "url": "https://shop.example"}
    given = {"workflows": [{"of": "ticket", "id": "Call", "is_on": True, "definition": calling(call)}]}
    assert len(plan.apply(full.account.pk, given).changes) == 1
    stored = next(one for one in exported(full)["workflows"] if one.get("id") == "Call")
    assert stored["definition"]["start"] == {"to": "1", "is_goto": False}
    assert plan.plan(full.account.pk, given).changes == []


def test_a_channels_hours_and_ringing_come_and_go_with_the_document(full: World) -> None:
    """R-ROUTE-81, R-ROUTE-90, R-ROUTE-94: of the kind that its channel is."""
    line = inboxes.add_channel_account(
        full.channel.inbox, channel="calling", name="Line", address="+4520000009"
    )
    hours = WeeklyHours("Europe/Oslo", (Block(0, 540, 1020), Block(4, 540, 900)))
    routing.set_rule(
        full.account.pk, line.pk, Option.USERS_AND_TEAMS, user_ids=[full.ada.pk], kind="calling", hours=hours,
        ringing=Ringing(True, 25, "Nobody is free.", "We are closed."), by=SYSTEM,
    )  # fmt: skip
    routing.set_rule(full.account.pk, full.channel.pk, Option.USERS_AND_TEAMS, user_ids=[full.ada.pk], sticky_hours=8, wait_list=True, landing_minutes=45, by=SYSTEM)  # fmt: skip
    given = exported(full)
    routing.set_rule(full.account.pk, line.pk, Option.NONE, kind="calling", by=SYSTEM)
    routing.set_rule(full.account.pk, full.channel.pk, Option.NONE, by=SYSTEM)

    assert len(plan.apply(full.account.pk, given).changes) == 2
    kept = RoutingRule.objects.get(channel_account_id=line.pk)
    assert (of_rule(kept), kept.ring_all, kept.ring_seconds) == (hours, True, 25)
    assert (kept.unanswered_message, kept.closed_message) == ("Nobody is free.", "We are closed.")
    of_mail = RoutingRule.objects.get(channel_account_id=full.channel.pk)
    assert (of_mail.sticky_hours, of_mail.landing_minutes) == (8, 45)
    mail = next(one for one in given["routing"] if one["channel"] == "support@nordlys.example")
    mail["hours"] = {"zone": "Europe/Oslo", "blocks": [[0, 540, 1020]]}
    with pytest.raises(Invalid, match="no hours of its own"):
        plan.plan(full.account.pk, given)


def test_limits_and_what_counts_come_and_go_with_the_document(full: World) -> None:
    """R-CAP-5, R-CAP-9, R-CAP-11, R-CAP-12: 0 and none are told apart, and all of it can be taken away."""
    account = full.account.pk
    given = exported(full)
    [ada, grace] = sorted(given["capacity"], key=lambda one: one["share"])
    assert (ada["total"], ada["share"]) == (12, 50)
    assert (grace["measure"], grace["call"], grace["message"], grace["email_other"]) == (
        "BY_TYPE",
        1,
        0,
        None,
    )
    settings = capacity.settings_of(account)

    taken = plan.apply(account, {"capacity": [], "effort": []}, delete=True)
    assert len(taken.changes) == 3
    assert (capacity.settings_of(account), exported(full)["capacity"]) == (capacity.Settings(), [])
    plan.apply(account, {"capacity": given["capacity"], "effort": given["effort"]})

    assert exported(full) == given
    assert capacity.settings_of(account) == settings
    Membership.objects.filter(user_id=full.grace.pk).update(has_seat=False)
    assert plan.plan(account, given).changes == []
    ada_only = [item for item in given["capacity"] if item["share"] == 50]
    plan.apply(account, {"capacity": ada_only}, delete=True)
    with pytest.raises(Invalid, match="only active people with a seat") as refused:
        plan.plan(account, {"capacity": given["capacity"]})
    assert refused.value.field == "capacity.user"
    Membership.objects.filter(user_id=full.grace.pk).update(has_seat=True)
    plan.apply(account, {"capacity": given["capacity"]})
    assert plan.plan(account, given).changes == []
    with pytest.raises(Invalid, match="no status"):
        plan.plan(account, {"effort": [{"excluded_statuses": ["nowhere"]}]})


def test_what_a_document_can_not_make_is_told_at_once_and_nothing_is_done(full: World) -> None:
    """People, channels and secrets; whether workflows sign calls, fill texts or an integration signs."""
    given = exported(full)
    given["teams"][0]["main_members"] = ["trudy@nordlys.example"]
    given["routing"][0]["channel"] = "night@nordlys.example"
    given["integrations"][0]["secret"] = "BANK"
    call = {
        "method": "POST",
        "url": "https://shop.example/{{ secret.PATH }}",
        "auth": "signed",
        "secret": "SIGN",
    }
    given["workflows"].append({"of": "ticket", "id": "Call", "is_on": True, "definition": calling(call)})
    before = counts()
    found = plan.plan(full.account.pk, given)
    assert {(str(one.thing), one.name) for one in found.lacking} == {
        ("user", "trudy@nordlys.example"), ("channel", "night@nordlys.example"),
        ("secret", "BANK"), ("secret", "PATH"), ("secret", "SIGN"),
    }  # fmt: skip
    assert len(found.lacking) == 5
    assert ("workflows", "ticket Call") in {(one.section, one.key) for one in found.changes}
    with pytest.raises(Invalid, match="secret BANK"):
        plan.apply(full.account.pk, given)
    assert counts() == before
    for name in ("BANK", "PATH", "SIGN"):
        secrets.add(full.account.pk, name, "x", by=SYSTEM)
    assert {one.thing for one in plan.plan(full.account.pk, given).lacking} == {"user", "channel"}


def test_what_a_workflow_names_that_is_gone_is_refused_with_its_place_R_PIPE_10(full: World) -> None:
    """Off it may come; a status is looked up by its name either way."""
    asks = Filter("size", Kind.ENUM, Operator.ANY_OF, ("xl",))
    step = IfThen("1", (Branch("", asks, Edge("2")),))
    found = Definition(
        "ticket", start=Edge("1"), steps=(step, Action("2", "create_task", {"title": "Call"})), next_id=3
    )
    given: dict[str, Any] = {"of": "ticket", "id": "Large", "is_on": False, "definition": found.to_json()}
    plan.apply(full.account.pk, {"workflows": [given]})

    with pytest.raises(Invalid, match="workflows ticket Large step 1: “Size” names “xl”, which"):
        plan.apply(full.account.pk, {"workflows": [{**given, "is_on": True}]})
    with pytest.raises(Invalid, match="workflows ticket New step 1: “Size” names “xl”, which"):
        plan.apply(full.account.pk, {"workflows": [{**given, "id": "New", "is_on": True}]})
    asks = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, ("gone: 12",))
    found = replace(found, steps=(IfThen("1", (Branch("", asks, Edge("2")),)), *found.steps[1:]))
    with pytest.raises(Invalid, match=r"workflows ticket Large.definition.* “gone: 12”"):
        plan.apply(full.account.pk, {"workflows": [{**given, "definition": found.to_json()}]})


def test_whether_thanks_reopen_tickets_is_kept_in_files_R_REOPEN_2(full: World) -> None:
    given = exported(full)
    support = next(one for one in given["pipelines"] if one["of"] == "ticket")
    support["automation"]["options"] = {"ignore_acknowledgements": True}

    plan.apply(full.account.pk, given)

    assert exported(full)["pipelines"] == given["pipelines"]
    stored = Pipeline.objects.filter(account_id=full.account.pk, object_type="ticket").order_by("pk")[0]
    assert parse(stored.options).ignore_acknowledgements


def test_what_is_no_address_is_refused_with_its_place(full: World) -> None:
    with pytest.raises(Invalid) as refused:
        plan.plan(full.account.pk, {"teams": [{"name": "X", "main_members": ["not an address"]}]})
    assert refused.value.field == "teams[0].main_members[0]"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"reopen": {"mode": "within_days", "days": "x"}}, "options.reopen.days"),
        ({"reopen": {"mode": "sometimes"}}, "options.reopen.mode"),
        ({"reopen": {"status": "Closed"}}, "options.reopen.stage_id"),
        ({"reopen": "always"}, "options.reopen"),
        ({"stays_closed": True}, "options"),
        ({"all_channels": "yes"}, "options.all_channels"),
        ({"ignore_acknowledgements": 1}, "options.ignore_acknowledgements"),
    ],
)
def test_options_of_a_pipeline_are_checked_R_REOPEN_2(
    full: World, options: dict[str, Any], field: str
) -> None:
    given = exported(full)
    support = next(one for one in given["pipelines"] if one["of"] == "ticket")
    closed = next(one["id"] for one in support["statuses"] if one["state"] == "CLOSED")
    if options.get("reopen") == {"status": "Closed"}:
        options = {"reopen": {"status": closed}}
    support["automation"]["options"] = options

    with pytest.raises(Invalid) as refusal:
        plan.apply(full.account.pk, given)

    assert refusal.value.field == f"pipelines.{field}"
    assert refusal.value.hint
    assert exported(full)["pipelines"] != given["pipelines"]


def test_what_cards_show_is_kept_in_files_and_checked_R_BOARD_2(full: World) -> None:
    given = exported(full)
    support = next(one for one in given["pipelines"] if one["of"] == "ticket")
    assert support["cards"] == ["hs_ticket_priority", "size", "contact"]
    assert next(one for one in given["pipelines"] if one["of"] == "deal")["cards"][0] == "amount"

    support["cards"] = ["nonsense"]
    with pytest.raises(Invalid) as refusal:
        plan.apply(full.account.pk, given)
    assert refusal.value.field == "pipelines.cards[0]"

    support["cards"] = []
    plan.apply(full.account.pk, given)
    assert exported(full)["pipelines"] == given["pipelines"]


def test_a_property_with_unique_values_comes_goes_and_is_refused_where_records_share_one(full: World) -> None:
    given = exported(full)
    order = {"of": "ticket", "name": "order_no", "label": "Order", "kind": "string", "has_unique_value": True}
    given["properties"].append(order)
    plan.apply(full.account.pk, given)
    back = next(one for one in exported(full)["properties"] if one["name"] == "order_no")
    assert back["has_unique_value"] is True

    def changed(is_unique: bool) -> dict[str, Any]:
        given = exported(full)
        next(one for one in given["properties"] if one["name"] == "order_no")["has_unique_value"] = is_unique
        return given

    assert "several records may have a value" in str(plan.plan(full.account.pk, changed(False)))
    plan.apply(full.account.pk, changed(False))
    with account_scope(full.account.pk):
        twins = [full.ticket(properties={"order_no": "A-1"}) for _ in range(2)]
    with pytest.raises(Invalid) as refused:
        plan.plan(full.account.pk, changed(True))
    assert (refused.value.field, "1 value" in str(refused.value)) == ("properties.has_unique_value", True)
    with account_scope(full.account.pk):
        tickets.update(twins[0].pk, {"order_no": None}, by=SYSTEM)
    plan.apply(full.account.pk, changed(True))
    assert exported(full)["properties"] == changed(True)["properties"]


def test_a_kind_of_a_property_stays(full: World) -> None:
    given = exported(full)
    size = next(one for one in given["properties"] if one["name"] == "size")
    size["kind"] = "number"
    with pytest.raises(Invalid) as refused:
        plan.plan(full.account.pk, given)
    said = "properties ticket.size: kind can't be changed, because values are stored by it."
    assert (str(refused.value), refused.value.field) == (said, "properties.kind")
    assert refused.value.hint == "Leave it as enumeration, or make another property."
    row = PropertyDefinition.objects.get(name="size")
    assert row.kind == Kind.ENUM


def test_who_did_it_is_kept(full: World) -> None:
    given = exported(full)
    given["pipelines"][0]["label"] = "Help"
    plan.apply(full.account.pk, given, by=Actor.user(full.ada.pk))
    entry = AuditEntry.objects.filter(action="pipeline.updated").latest("id")
    assert entry.actor_id == full.ada.pk


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deskhand: 1\nteams:\n  - name: A\n    name: B\n", "twice"),
        ("deskhand: 1\nteams: [", "Line"),
        ("teams: []", "no configuration"),
        ("deskhand: 2", "no configuration"),
        ("- 1", "no configuration"),
        ("deskhand: 1\n1: x", "quoted"),
        ("a: &a [*a]", "no configuration"),
        ("deskhand: 1\nteams: !!python/object/apply:os.system ['true']", "Line"),
        ("\0", "read"),
    ],
)
def test_a_file_that_can_not_be_read_says_where(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        document.read(text)


def test_what_older_yaml_took_for_yes_or_no_is_a_text() -> None:
    read = document.read(
        "deskhand: 1\nteams:\n  - on: record\n    country: NO\n    is_on: true\n    was: False\n"
    )
    assert read == {"teams": [{"on": "record", "country": "NO", "is_on": True, "was": False}]}


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        (None, "–", "null"), (True, "true", "true"), (3, "3", "3"), ("3", "3", "'3'"), ("two\nlines", "two\nlines", '"two\\nlines"'),
        (["1", "2"], "1, 2", "['1', '2']"), ([], "[]", "[]"), ({}, "{}", "{}"), ([{"id": 1}], "[{id: 1}]", "[{id: 1}]"),
        ({"label": "Über", "is_on": False}, "label: Über, is_on: false", "{label: Über, is_on: false}"),
    ],
)  # fmt: skip
def test_values_are_said_as_a_file_has_them(value: Any, text: str, exact: str) -> None:
    assert (document.inline(value), document.exact(value)) == (text, exact)


def test_texts_come_back_as_they_were() -> None:
    texts = [
        "on",
        "null",
        "1",
        "2026-11-21",
        "a: b",
        "two\nlines",
        "trailing \nspace",
        " x",
        "#",
        "æøå 🙂",
        "{{ x }}",
        "",
        "tab\tend",
        "\n",
    ]
    given: document.Document = {"mails": [{"id": text, "list": [True, None, 1, 0.5]} for text in texts]}
    assert document.read(document.write(given)) == given


def test_differences_are_told_by_name_and_order() -> None:
    old = {"statuses": [{"id": "1", "label": "A"}, {"id": "2", "label": "B"}], "x": [1]}
    new = copy.deepcopy(old)
    new["statuses"].reverse()
    new["statuses"][0]["label"] = "C"
    new["x"] = [1, 2]
    assert list(differences(old, new)) == [
        Difference("statuses[2].label", "B", "C"),
        Difference("statuses (order)", ["1", "2"], ["2", "1"]),
        Difference("x", [1], [1, 2]),
    ]


def test_tickets_still_come_in_afterwards(full: World) -> None:
    given = exported(full)
    given["pipelines"][0]["statuses"].insert(1, {"id": "triage", "label": "Triage", "tone": "pink"})
    plan.apply(full.account.pk, given)
    made = tickets.create(tickets.NewTicket("After", stage_id=full.stage("Triage")), by=SYSTEM)
    assert Ticket.objects.get(pk=made.id).stage_id == full.stage("Triage")


def test_every_setting_that_holds_an_id_is_known(full: World) -> None:
    """An id would mean another thing in another account; so each place where one stands is named here."""
    around = Around(full.account.pk, "ticket")
    asked = [(kind, setting) for kind, action in ACTIONS.items() for setting in action.form(around, {})]
    unknown = {
        (kind, setting.name)
        for kind, setting in asked
        if setting.name not in definitions.SETTINGS.keys() | definitions.AMOUNTS
        and (
            setting.input in (Input.USERS, Input.TEAMS)
            or (
                setting.input in (Input.CHOICE, Input.MANY)
                and any(one.value.isdigit() for one in setting.options)
            )
        )
    }
    assert not unknown


@pytest.mark.parametrize(
    ("alerts", "path"), [({"rate_per_hour": "many"}, "rate_per_hour"), ({"rate_per_hour": 0}, "rate_per_hour"), ({"mail": True}, "mail")]
)  # fmt: skip
def test_what_an_owner_is_told_of_is_checked_R_EXEC_9(full: World, alerts: dict[str, Any], path: str) -> None:
    given = exported(full)
    given["workflows"][0]["alerts"] = alerts

    with pytest.raises(Invalid) as refusal:
        plan.plan(full.account.pk, given)

    assert refusal.value.field == f"workflows[0].alerts.{path}"


def test_an_unusual_rate_is_not_asked_for_any_more_R_EXEC_9(full: World) -> None:
    given = exported(full)
    [flow] = [one for one in given["workflows"] if "rate_per_hour" in one["alerts"]]
    flow["alerts"]["rate_per_hour"] = None
    flow["is_paused"] = False

    plan.apply(full.account.pk, given)

    with account_scope(full.account.pk):
        assert Workflow.objects.get(alerts={"errors": False}).is_paused is False


@pytest.mark.django_db
def test_skills_and_their_rules_are_changed_and_taken_away(full: World) -> None:
    """R-SKILL-3, R-SKILL-10, R-SKILL-11: the category of languages stays, by whatever name; rules that a channel follows
    stay while it does."""
    given = exported(full)
    [mail] = given["skill_rules"]
    languages, subjects = given["skill_categories"]
    assert [one["needs"] for one in mail["rules"]] == [
        ["Languages/German", "Languages/Danish"],
        ["Languages/German"],
    ]
    mail["rules"].reverse()
    assert plan.apply(full.account.pk, {"skill_rules": [mail]}).changes
    assert exported(full)["skill_rules"] == [mail]

    with pytest.raises(Invalid, match="1 channel follows"):
        plan.apply(full.account.pk, {"skill_rules": []}, delete=True)
    [routed] = given["routing"]
    plan.apply(
        full.account.pk,
        {
            "skill_categories": [languages | {"name": "Sprog"}], "skills": [], "skill_rules": [],
            "routing": [routed | {"skills": ""}],
        }, delete=True,
    )  # fmt: skip
    left = exported(full)
    assert left["skill_categories"] == [{"name": "Sprog", "languages": True}]
    assert left["skills"] == left["skill_rules"] == []
    assert subjects["name"] == "Subjects"
