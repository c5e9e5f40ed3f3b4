"""The Automate tab: templated automations, lanes and their mails, by plain forms and in parts."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from deskhand.accounts import roles, teams, users
from deskhand.accounts.models import Account, AuditEntry, Plan
from deskhand.accounts.policy import viewer_for
from deskhand.automation import access, lanes, templates, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Manual,
    Missed,
    Part,
    RandomSplit,
    Reenrollment,
    UntilEvent,
    UntilProperty,
    ValueEquals,
    WhileInside,
)
from deskhand.automation.models import Enrollment, MailTemplate, StepComment, StepLog, Workflow
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema.types import Kind
from deskhand.desk import threads
from deskhand.desk.models import Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.notifications.models import Notification
from deskhand.routing import rules
from deskhand.routing.types import Option
from deskhand.web.pipelines import page as pages

HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(office, sign_in):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
    return sign_in(office.world.ada)


@pytest.fixture
def place(office):
    """The default pipeline and its status New."""
    with office.inside() as world:
        return [world.tickets.default.id, world.stage("New")]


@pytest.fixture
def closed(office, place):
    """The default pipeline and its status Closed."""
    with office.inside() as world:
        return [place[0], world.stage("Closed")]


@pytest.fixture
def chain(office, admin, place):
    """[mail, delay, task] in the lane New."""
    with office.inside() as world:
        by, new = world.ada.pk, place[1]
        lanes.add_step("ticket", new, "send_email", {"template": "ticket_received"}, by=by)
        lanes.add_step("ticket", new, "delay", {"minutes": 90}, after="1", by=by)
        return lanes.add_step("ticket", new, "create_task", {"title": "Call"}, after="2", by=by)


def url(name, *args, **query):
    return reverse(name, args=args) + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")


def policy(office, place):
    with office.inside():
        return Pipeline.objects.get(pk=place[0])


def steps_of(office, place):
    with office.inside() as world:
        lane = next(one for one in lanes.lanes_of(world.tickets.default) if one.stage_id == place[1])
        return [(step.kind, dict(step.settings)) for step in lane.steps]


def text(response):
    return response.content.decode()


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_shows_channels_rules_and_a_lane_for_every_status(admin, place, chain):
    page = text(admin.get(url("automate", place[0])))

    assert "support@nordlys.example" in page
    assert "An email is sent to a customer" in page
    assert page.count('class="lane"') == 4
    assert "Nothing happens when a ticket reaches Waiting on us." in page
    assert "Closes the ticket" in page
    assert "1 hour 30 minutes" in page


def test_the_navigation_leads_to_the_default_pipeline(admin, place):
    assert 'href="/settings/tickets"' in text(admin.get("/account/password/change/"))
    assert admin.get("/settings/pipelines/automate").headers["Location"] == url("automate", place[0])


def test_the_switcher_leads_to_the_chosen_pipeline(office, admin):
    with office.inside() as world:
        second = pipelines.create(world.account.pk, "ticket", "Returns", [NewStage("Open", StageState.OPEN)])

    chosen = admin.get(url("automate-home", pipeline=second.pk))

    assert chosen.headers["Location"] == url("automate", second.pk)
    assert "Returns" in text(admin.get(chosen.headers["Location"]))
    assert admin.get(url("automate-home", pipeline=second.pk + 999)).status_code == 404


def test_who_may_not_edit_lanes_gets_no_page_and_no_way_to_it_T_ACT_11(office, sign_in, place):
    client = sign_in(office.world.grace)

    assert client.get(url("automate", place[0])).status_code == 403
    assert not {"/settings/tickets/pipelines", "/settings/tickets"} & set(
        text(client.get("/account/password/change/")).split('"')
    )


def test_the_page_takes_as_many_queries_with_long_lanes_as_with_short_ones(office, admin, place, chain, django_assert_max_num_queries):  # fmt: skip
    page = url("automate", place[0])
    admin.get(page)
    with django_assert_max_num_queries(30) as few:
        admin.get(page)
    asked = len(few.captured_queries)
    with office.inside() as world:
        for stage in world.tickets.default.stages:
            lanes.add_step("ticket", stage.id, "create_task", {"title": "More"}, by=world.ada.pk)
    admin.get(page)  # a version is read once a process

    with django_assert_max_num_queries(asked):
        admin.get(page)


# ── templated automations ────────────────────────────────────────────────────────────────────────────────────────────


def test_t_cc_5_a_channel_without_the_ticket_switch_is_not_listed_under_the_pipeline(office, admin, place):
    """R-CC-2, R-CC-3: the list is for reading; each line leads to the switch."""
    channel = office.world.channel
    switch = url("channel-automation", channel.pk)
    before = office.mail()
    page = text(admin.get(url("automate", place[0])))
    assert f'<a class="link" href="{switch}"><b>{channel.address}</b></a>' in page

    admin.post(url("channel-tickets", channel.pk), {"begins": ""})

    page = text(admin.get(url("automate", place[0])))
    assert channel.address not in page
    assert "No channel makes tickets in this pipeline." in page
    assert office.again(before).is_closed is False
    with office.inside():
        sender = Mailbox("bo@x.example", "Bo")
        received = threads.receive(
            Incoming(channel.pk, InboundMessage("off@x.example", sender, "Another", "Hello", office.at))
        )
        assert received.ticket_id is None
        assert Thread.objects.get(pk=received.thread_id).ticket_id is None
        assert Ticket.objects.count() == 1

    admin.post(url("channel-tickets", channel.pk), {"creates_tickets": "1", "begins": ""})
    assert channel.address in text(admin.get(url("automate", place[0])))


@pytest.mark.parametrize(("rule", "switch"), [("sent", "moves_on_sent"), ("reply", "moves_on_reply")])
def test_each_status_rule_has_its_own_switch_R_STAT_1_R_STAT_14(office, admin, place, rule, switch):
    admin.post(url("automate-status", place[0], rule), {"on": "0"})

    changed = policy(office, place)
    assert {"moves_on_sent": changed.moves_on_sent, "moves_on_reply": changed.moves_on_reply} == {
        "moves_on_sent": True,
        "moves_on_reply": True,
        switch: False,
    }


@pytest.mark.parametrize(("plan", "are_there"), [(Plan.FREE, False), (Plan.STARTER, True)])
def test_t_stat_14_the_status_rules_come_with_the_starter_plan(office, admin, place, plan, are_there):
    Account.objects.filter(pk=office.world.account.pk).update(plan=plan)

    page = text(admin.get(url("automate", place[0])))
    switched = admin.post(url("automate-status", place[0], "sent"), {"on": "0"}, headers=HTMX)

    assert ("An email is sent to a customer" in page) is are_there
    assert switched.status_code == (200 if are_there else 404)
    assert ("Update ticket status" in page) is are_there
    assert policy(office, place).moves_on_sent is not are_there


def test_a_status_rule_takes_another_target_R_STAT_2(office, admin, place):
    part = admin.post(url("automate-status", place[0], "sent"), {"stage": place[1]}, headers=HTMX)

    assert policy(office, place).sent_stage_id == place[1]
    assert 'id="templated"' in text(part)
    assert "<html" not in text(part)


@pytest.mark.parametrize("stage", ["999999", "x", ""])
def test_a_target_of_no_pipeline_is_refused(office, admin, place, stage):
    before = policy(office, place).sent_stage_id

    assert admin.post(url("automate-status", place[0], "sent"), {"stage": stage}).status_code == 400
    assert policy(office, place).sent_stage_id == before


def test_what_an_answer_to_a_closed_ticket_does_is_chosen_and_said_R_REOPEN_2(office, admin, place):
    address = url("automate-reopening", place[0])
    with office.inside() as world:
        us, closed = world.stage("Waiting on us"), world.stage("Closed")
    assert "An answer to a closed ticket reopens it as “New”." in text(admin.get(url("automate", place[0])))

    part = admin.post(address, {"mode": "within_days"}, headers=HTMX)
    assert "<html" not in text(part)
    assert "An answer within 14 days of closing reopens the ticket as “New”." in text(part)
    admin.post(address, {"mode": "within_days", "days": "1", "stage": str(us)})
    assert policy(office, place).options["reopen"] == {"mode": "within_days", "days": 1, "stage_id": us}
    page = text(admin.get(url("automate", place[0])))
    assert page.count("An answer within 1 day of closing reopens the ticket as “Waiting on us”.") == 2
    assert 'name="days" value="1"' in page

    for wrong in (
        {"days": "x"},
        {"days": "0"},
        {"mode": "sometimes"},
        {"stage": str(closed)},
        {"stage": "999999"},
    ):
        assert admin.post(address, wrong).status_code == 400
    assert policy(office, place).options["reopen"]["days"] == 1

    never = text(admin.post(address, {"mode": "never"}, headers=HTMX))
    assert "opens a new ticket, which is linked to the closed one. The closed one stays closed." in never
    assert "reopening-stage" not in never
    again = text(admin.post(address, {"mode": "always", "stage": ""}, headers=HTMX))
    assert "An answer to a closed ticket reopens it as “New”." in again


@pytest.mark.parametrize(
    "option",
    ["all-channels", "stay-closed-on-sent", "reopen-then-apply-reply-target", "ignore-acknowledgements"],
)
def test_options_are_switched_one_by_one_R_STAT_13_R_STAT_21(office, admin, place, option):
    admin.post(url("automate-reopening", place[0]), {"days": "5"})

    admin.post(url("automate-option", place[0], option), {"on": "1"})

    kept = policy(office, place).options
    assert [name for name, value in kept.items() if value is True] == [option.replace("-", "_")]
    assert kept["reopen"]["days"] == 5
    page = text(admin.get(url("automate", place[0])))
    assert f'id="option-{option}" role="switch" aria-checked="true"' in page
    assert page.count('aria-checked="true"') == text(admin.post(url("automate-option", place[0], option), {"on": "0"}, headers=HTMX)).count('aria-checked="true"') + 1  # fmt: skip
    assert admin.post(url("automate-option", place[0], "nonsense"), {"on": "1"}).status_code == 404


@pytest.mark.parametrize("plan", [Plan.FREE, Plan.EVERYTHING])
def test_thanks_that_reopen_nothing_are_switched_on_in_every_plan_and_say_so_R_REOPEN_2(
    office, admin, place, plan
):
    Account.objects.filter(pk=office.world.account.pk).update(plan=plan)
    title = "Keep a closed ticket closed when the answer only says thanks"
    assert title in text(admin.get(url("automate", place[0])))

    admin.post(url("automate-option", place[0], "ignore-acknowledgements"), {"on": "1"})

    assert policy(office, place).options["ignore_acknowledgements"] is True
    page = text(admin.get(url("automate", place[0])))
    assert 'id="option-ignore-acknowledgements" role="switch" aria-checked="true"' in page
    ticket = office.mail()
    with office.inside() as world:
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    office.mail(external_id="ta@x.example", text="Thanks!", answers=("Refund still missing@fjallbo.example",))
    assert office.again(ticket).is_closed
    read = text(admin.get(url("inbox-ticket", "all-closed", ticket.pk)))
    assert "It only says thanks, so the ticket stayed closed." in read


def test_what_is_said_of_reopening_is_what_happens(office, admin, place):
    admin.post(url("automate-option", place[0], "reopen-then-apply-reply-target"), {"on": "1"})
    admin.post(url("automate-option", place[0], "stay-closed-on-sent"), {"on": "1"})

    page = text(admin.get(url("automate", place[0])))
    assert "A reopened ticket gets “Waiting on us”." in page
    assert "An answer to a closed ticket reopens it as “Waiting on us”." in page
    assert "A closed ticket stays closed." in page
    ticket = office.mail()
    with office.inside() as world:
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
        us = world.stage("Waiting on us")
    office.mail(external_id="again@fjallbo.example", answers=("Refund still missing@fjallbo.example",))
    assert office.again(ticket).stage_id == us


def test_a_status_chosen_for_reopened_tickets_that_is_gone_is_told(office, admin, place):
    with office.inside():
        Pipeline.objects.filter(pk=place[0]).update(options={"reopen": {"stage_id": 999999, "days": "x"}})

    page = text(admin.get(url("automate", place[0])))
    assert "The status chosen here was deleted or closed, so the first open one is taken." in page
    assert "An answer to a closed ticket reopens it as “New”." in page
    assert admin.post(url("automate-option", place[0], "all-channels"), {"on": "1"}).status_code == 302
    assert "was deleted or closed" not in text(admin.get(url("automate", place[0])))


def test_reopening_is_set_in_every_plan_the_other_options_with_the_statuses(office, admin, place):
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.FREE)

    page = text(admin.get(url("automate", place[0])))

    assert "A customer answers a closed ticket" in page
    assert "option-all-channels" not in page
    assert "option-stay-closed-on-sent" not in page
    assert admin.post(url("automate-option", place[0], "all-channels"), {"on": "1"}).status_code == 404
    assert admin.post(url("automate-reopening", place[0]), {"mode": "never"}).status_code == 302


def test_the_close_date_has_a_switch_for_setting_and_none_for_clearing_R_CLOSE_3_R_CLOSE_5(office, admin, place):  # fmt: skip
    admin.post(url("automate-close-date", place[0]), {"on": "0"})

    assert not policy(office, place).sets_close_date
    page = text(admin.get(url("automate", place[0])))
    assert "Always on" in page
    assert "2 of 4 on" not in page
    assert "3 of 4 on" in page


def test_a_rule_says_what_never_moves_the_status_R_STAT_8(admin, place):
    page = text(admin.get(url("automate", place[0])))

    assert "These never change the status" in page
    assert "forwarded emails and answers to them" in page


# ── adding and changing ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_action_makes_the_lane_which_is_off_R_ACT_4(office, admin, place):
    response = admin.post(url("lane-step-add", *place), {"kind": "send_email", "template": "ticket_received"})

    assert response.headers["Location"] == f"{url('automate', place[0])}#lane-{place[1]}"
    assert [kind for kind, _settings in steps_of(office, place)] == ["send_email"]
    assert "Workflow is off" in text(admin.get(url("automate", place[0])))


def test_a_step_goes_behind_the_one_it_was_added_to(office, admin, place, chain):
    form = {"kind": "set_property", "property": "hs_ticket_priority", "value": "HIGH", "after": "1"}

    part = admin.post(url("lane-step-add", *place), form | {"revision": chain.revision_number}, headers=HTMX)

    assert [kind for kind, _settings in steps_of(office, place)] == [
        "send_email",
        "set_property",
        "delay",
        "create_task",
    ]
    assert f'id="lane-{place[1]}"' in text(part)
    assert "Priority: High" in text(part)


def test_the_choice_of_actions_is_what_the_plan_offers_R_ACT_26(office, admin, place):
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.STARTER)

    panel = text(admin.get(url("lane-step-new", *place)))

    assert "Internal notification" in panel
    assert "Create task" not in panel
    assert admin.get(url("lane-step-new", *place, kind="delay")).status_code == 404
    assert admin.post(url("lane-step-add", *place), {"kind": "delay", "amount_days": "1"}).status_code == 404


def test_a_lane_that_the_plan_does_not_have_can_only_be_looked_at_and_shortened_A34(
    office, admin, place, chain
):
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.STARTER)

    shown = text(admin.get(url("automate", place[0])))

    lane = shown[shown.index(f'id="lane-{place[1]}"') :].partition("</section>")[0]
    assert "Delete Create task" in lane
    assert "Edit Create task" not in lane
    assert "lane-plus" not in lane
    assert lane.count(" disabled") == 3
    assert admin.post(url("lane-every-time", *place), {"on": "1"}).status_code == 403


ON_TICKETS = [
    kind for kind, action in ACTIONS.items()
    if (action.object_types is None or "ticket" in action.object_types)
    and kind not in ("custom_action", "custom_code")  # offered once there is an integration; in the editor of workflows alone
    and kind not in ("send_whatsapp", "send_sms", "send_survey")  # offered once something is connected: test_texting.py
]  # fmt: skip


@pytest.mark.parametrize("kind", [*ON_TICKETS, "delay", "if-then", "value-equals", "random-split"])
def test_every_action_has_its_form_R_ACT_20_R_ACT_21_R_ACT_24(admin, place, kind):
    page = admin.get(url("lane-step-new", *place, kind=kind))
    part = admin.get(url("lane-step-new", *place, kind=kind), headers=HTMX)

    assert page.status_code == part.status_code == 200
    assert "<html" in text(page)
    assert text(part).lstrip().startswith("<hx-partial")


def test_a_property_offers_its_own_values(office, admin, place):
    form = {"kind": "set_property", "property": "hs_pipeline_stage", "redraw": "property"}

    drawn = admin.post(url("lane-step-add", *place), form)
    unknown = admin.post(url("lane-step-add", *place), form | {"property": "createdate"})

    assert drawn.status_code == unknown.status_code == 200
    assert "Waiting on contact" in text(drawn)
    assert 'name="value"' not in text(unknown)
    assert steps_of(office, place) == []


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        ({"kind": "internal_email", "users": "{grace}", "teams": "{team}", "owner": "1", "subject": "Look", "body": "Now"},
         {"users": ["{grace}"], "teams": ["{team}"], "owner": True, "subject": "Look", "body": "Now"}),
        ({"kind": "create_task", "title": "Call", "notes": "Soon", "due_in_minutes_days": "1", "due_in_minutes_hours": "2", "assignee": "{grace}"},
         {"title": "Call", "notes": "Soon", "due_in_minutes": 1560, "assignee": "{grace}"}),
        ({"kind": "delay", "amount_days": "1", "amount_hours": "2", "amount_minutes": "3"}, {"minutes": 1563}),
        ({"kind": "set_property", "property": "hs_pipeline_stage", "value": "{new}"}, {"property": "hs_pipeline_stage", "value": "{new}"}),
    ],
)  # fmt: skip
def test_what_is_filled_in_is_kept_and_shown_again_R_ACT_5(office, admin, place, form, kept):
    names = {"{grace}": office.world.grace.pk, "{team}": office.world.team.pk, "{new}": place[1]}
    admin.post(url("lane-step-add", *place), {name: names.get(value, value) for name, value in form.items()})

    [(kind, settings)] = steps_of(office, place)
    edited = admin.get(url("lane-step-edit", *place, "1"))

    plain = {key: [str(one) for one in value] if isinstance(value, list) else value for key, value in settings.items()}  # fmt: skip
    for name, value in kept.items():
        wanted = [str(names[value[0]])] if isinstance(value, list) else names.get(value, value) if isinstance(value, str) else value  # fmt: skip
        assert str(plain[name]) == str(wanted)
    assert kind == form["kind"]
    assert edited.status_code == 200


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"kind": "send_email", "template": ""}, "template"),
        ({"kind": "send_email", "template": "999999"}, "template"),
        ({"kind": "internal_email", "subject": "Kept words"}, "users"),
        ({"kind": "internal_email", "users": "999999"}, "users"),
        ({"kind": "internal_email", "owner": "1", "body": "{% if"}, "body"),
        ({"kind": "create_task", "title": " "}, "title"),
        ({"kind": "create_task", "title": "Call", "due_in_minutes_days": "soon"}, "due_in_minutes"),
        ({"kind": "create_task", "title": "Call", "assignee": "999999"}, "assignee"),
        ({"kind": "set_property", "property": "hs_ticket_priority", "value": "SHOUTING"}, "value"),
        ({"kind": "set_property", "property": "hs_pipeline_stage", "value": ""}, "value"),
        ({"kind": "delay", "amount_days": "0"}, "amount"),
        ({"kind": "delay", "amount_days": "-1"}, "amount"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_is_wrong_is_said_under_its_field_and_nothing_is_lost(office, admin, place, form, field, headers):  # fmt: skip
    response = admin.post(url("lane-step-add", *place), form, headers=headers)

    assert response.status_code == 422
    assert f'id="error-{field}"' in text(response)
    assert form.get("subject", "") in text(response)
    assert steps_of(office, place) == []


def test_a_token_that_cannot_be_read_is_explained_and_shown_as_the_machine_says_it(admin, place):
    form = {"kind": "create_task", "title": "Call {{ contact.name"}

    page = text(admin.post(url("lane-step-add", *place), form, headers=HTMX))

    assert "A token in the text can&#39;t be read. Tokens look like {{ ticket.number }}." in page
    assert re.search(r'<code class="field-detail">[^<]*expected[^<]*</code>', page)


def test_a_card_names_the_tokens_of_its_title(office, admin, place):
    title = "Ask {{ contact.first_name | default: 'them' }} about {{ unknown.thing }}"
    with office.inside() as world:
        lanes.add_step("ticket", place[1], "create_task", {"title": title}, by=world.ada.pk)

    page = text(admin.get(url("automate", place[0])))

    assert 'Ask <span class="token">First name</span> about' in page


def test_two_editors_do_not_overwrite_each_other(office, admin, place, chain):
    form = {"title": "Mine", "assignee": "owner", "revision": chain.revision_number - 1}

    response = admin.post(url("lane-step-save", *place, "3"), form)

    assert response.status_code == 409
    assert 'value="Mine"' in text(response)
    assert steps_of(office, place)[2][1]["title"] == "Call"
    again = form | {"revision": chain.revision_number}
    assert admin.post(url("lane-step-save", *place, "3"), again).status_code == 302
    assert steps_of(office, place)[2][1]["title"] == "Mine"


def test_people_of_another_account_cannot_be_told(office, neighbour, admin, place):
    stranger = neighbour.world.grace.pk

    response = admin.post(url("lane-step-add", *place), {"kind": "internal_email", "users": stranger})

    assert response.status_code == 422


def test_a_status_of_another_pipeline_is_not_found(office, admin, place):
    with office.inside() as world:
        second = pipelines.create(world.account.pk, "ticket", "Returns", [NewStage("Open", StageState.OPEN)])

    assert admin.get(url("lane-step-new", second.pk, place[1])).status_code == 404


# ── deleting, comments, switches ─────────────────────────────────────────────────────────────────────────────────────


def test_deleting_asks_and_says_how_many_are_inside(office, admin, place, chain):
    with office.inside() as world:
        ticket = world.ticket()
        Enrollment.objects.create(
            account_id=world.account.pk, workflow=chain, object_type="ticket", record_id=ticket.pk, revision_number=1, step_id="2",
            enrolled_at=office.at,
        )  # fmt: skip

    asked = text(admin.get(url("lane-step-delete", *place, "2")))

    assert "This step and the one after it" in asked
    assert asked.count("1 ticket is inside now; it goes on with what follows.") == 2
    assert len(steps_of(office, place)) == 3


def test_who_is_inside_a_step_is_listed_for_who_sees_the_lane_R_LOG_4_R_ACT_42(office, admin, sign_in, place, chain):  # fmt: skip
    with office.inside() as world:
        for subject, owner in (("Broken lamp", world.grace), ("Hidden one", world.bob)):
            Enrollment.objects.create(
                account_id=world.account.pk, workflow=chain, object_type="ticket", record_id=world.ticket(subject, owner_id=owner.pk).pk, revision_number=1,
                step_id="2", enrolled_at=office.at,
            )  # fmt: skip
    office.role(office.world.grace, records={"ticket": {"view": "own"}}, capabilities=["account_access"])
    others = sign_in(office.world.grace)
    there, all_there = url("lane-step-inside", *place, "2"), url("workflow-waiting", chain.pk, step="2")

    pages = [text(client.get(url("automate", place[0]))) for client in (admin, others)]
    lists = [text(client.get(there, headers=HTMX)) for client in (admin, others)]

    assert all(page.count(f'href="{there}"') == 1 for page in pages)
    assert all("2 inside" in page for page in pages)
    assert all("2 records are here" in shown and "Broken lamp" in shown for shown in lists)
    assert ["Hidden one" in shown for shown in lists] == [True, False]
    assert ["Only records that you may see are listed." in shown for shown in lists] == [False, True]
    assert [f'href="{all_there}"' in shown for shown in lists] == [True, False]
    assert "/workflows/" not in lists[1]


def test_a_page_of_who_is_inside_does_not_claim_that_others_are_kept_back_R_LOG_4(
    office, admin, place, chain, monkeypatch
):
    """Nor does one who is counted and still waits for the run before."""
    monkeypatch.setattr(pages, "INSIDE", 1)
    with office.inside() as world:
        for state in ("WAITING", "WAITING", "QUEUED"):
            Enrollment.objects.create(
                account_id=world.account.pk, workflow=chain, object_type="ticket", record_id=world.ticket().pk, revision_number=1, step_id="2",
                enrolled_at=office.at, state=state,
            )  # fmt: skip

    first = text(admin.get(url("lane-step-inside", *place, "2")))
    second = text(admin.get(re.search(r'href="([^"]*inside\?after=\d+)"', first)[1]))

    assert first.count("inside-run") == second.count("inside-run") == 1
    assert "Only records that you may see are listed." not in first + second


def test_who_waits_gets_the_time_of_a_changed_delay_when_somebody_asks_R_DELAY_11(
    office, admin, place, chain
):
    with office.inside() as world:
        Enrollment.objects.create(
            account_id=world.account.pk, workflow=chain, object_type="ticket", record_id=world.ticket().pk, revision_number=chain.revision_number,
            step_id="2", position="2>next", enrolled_at=office.at, state="DUE", due_at=office.at + timedelta(minutes=90),
        )  # fmt: skip

    def due():
        with office.inside():
            return Enrollment.objects.get().due_at

    admin.post(url("lane-step-save", *place, "2"), {"wait": "amount", "amount_hours": "5"})
    assert due() == office.at + timedelta(minutes=90)
    assert "Recalculate for all" in text(admin.get(url("lane-step-inside", *place, "2")))

    done = admin.post(url("lane-step-recalculate", *place, "2"), headers=HTMX)

    assert "Who waits here waits as the delay says now." in text(done)
    assert due() == office.at + timedelta(hours=5)
    assert admin.post(url("lane-step-recalculate", *place, "1")).status_code == 404


@pytest.mark.parametrize(("following", "left"), [("0", ["send_email", "create_task"]), ("1", ["send_email"])])
def test_one_step_goes_or_all_after_it_too_R_ACT_7(office, admin, place, chain, following, left):
    admin.post(url("lane-step-deleted", *place, "2"), {"following": following, "revision": chain.revision_number})  # fmt: skip

    assert [kind for kind, _settings in steps_of(office, place)] == left


@pytest.mark.parametrize(
    ("form", "here", "there"),
    [
        ({"copy": "0"}, ["send_email", "create_task"], ["delay"]),
        ({"copy": "1"}, ["send_email", "delay", "create_task"], ["delay"]),
        ({"copy": "1", "following": "1"}, ["send_email", "delay", "create_task"], ["delay", "create_task"]),
    ],
)
def test_a_step_is_moved_or_copied_R_ACT_9(office, admin, place, closed, chain, form, here, there):
    form |= {"to": f"{closed[1]}:", "revision": chain.revision_number}

    assert f'value="{closed[1]}:"' in text(admin.get(url("lane-step-place", *place, "2")))
    assert admin.post(url("lane-step-placed", *place, "2"), form).status_code == 302

    found = [[kind for kind, _settings in steps_of(office, lane)] for lane in (place, closed)]
    assert found == [here, there]


def test_a_step_like_it_in_another_lane_stands_in_no_ones_way_R_ACT_9(office, admin, place, closed, chain):
    with office.inside() as world:
        lanes.add_step("ticket", closed[1], "send_email", {"template": "ticket_received"}, by=world.ada.pk)

    offered = re.findall(
        r'<label class="check"([^>]*)><input type="radio" name="to" value="(\d+):',
        text(admin.get(url("lane-step-place", *place, "1"))),
    )

    assert {stage for blocked, stage in offered if blocked} == {str(place[1])}
    assert [blocked for blocked, stage in offered if stage == str(closed[1])] == ["", ""]


def test_both_lanes_come_back_when_a_step_changes_lanes(admin, place, closed, chain):
    part = text(admin.post(url("lane-step-placed", *place, "2"), {"to": f"{closed[1]}:"}, headers=HTMX))

    assert [part.count(f'id="lane-{stage}"') for stage in (place[1], closed[1])] == [1, 1]


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("", "Choose a place."),
        ("{new}:2", "A step can&#39;t be moved into itself."),
        ("{new}:1", "It stands there already."),
        ("{new}:9", "This choice is not there any more."),
        ("77:", "This choice is not there any more."),
        ("x", "This choice is not there any more."),
    ],
)
def test_a_place_that_is_none_is_refused_and_the_choice_stays(office, admin, place, chain, to, sentence):
    form = {"to": to.format(new=place[1]), "following": "1"}
    answer = admin.post(url("lane-step-placed", *place, "2"), form)

    assert answer.status_code == 422
    assert sentence in text(answer)
    assert 'name="following" value="1" checked' in text(answer)
    assert len(steps_of(office, place)) == 3


def test_moving_and_copying_come_with_the_plan_R_ACT_9(office, admin, place, chain):
    Account.objects.update(plan=Plan.STARTER)

    assert "Move or copy" not in text(admin.get(url("automate", place[0])))
    assert admin.get(url("lane-step-place", *place, "1")).status_code == 404
    assert admin.post(url("lane-step-placed", *place, "1"), {"to": f"{place[1]}:2"}).status_code == 404


def test_comments_are_left_and_listed_R_ACT_6(office, admin, place, chain):
    address = url("lane-step-comment", *place, "3")

    assert admin.post(address, {"text": " "}).status_code == 422
    assert admin.post(address, {"text": "Is this still right?"}).status_code == 302
    part = text(admin.post(address, {"text": "I think so."}, headers=HTMX))

    assert "Is this still right?" in text(admin.get(url("lane-step-comments", *place, "3")))
    assert "2 comments on Create task" in part
    with office.inside():
        assert StepComment.objects.count() == 2


def test_a_lane_is_switched_on_and_off_R_ACT_3(office, admin, place, chain):
    assert "Workflow is on" in text(admin.post(url("lane-switch", *place), {"on": "1"}, headers=HTMX))
    admin.post(url("lane-switch", *place), {"on": "0"})

    with office.inside():
        assert not lanes.lane_of(place[1], "ticket").is_on


@pytest.mark.parametrize(("answer", "taken_in"), [("0", 0), ("1", 2)])
def test_switching_on_asks_about_who_is_there_already_R_ACT_12(office, admin, place, chain, answer, taken_in):
    with clock.stopped(office.at - timedelta(hours=1)), office.inside() as world:
        for status in ("New", "New", "Closed"):
            world.ticket(stage=status)

    asked = text(admin.post(url("lane-switch", *place), {"on": "1"}))
    assert "Also the 2 that are here now" in asked
    with office.inside():
        assert not lanes.lane_of(place[1], "ticket").is_on

    admin.post(url("lane-switch", *place), {"on": "1", "present": answer})
    with office.inside():
        assert lanes.lane_of(place[1], "ticket").is_on
        assert Enrollment.objects.count() == taken_in


def test_a_channel_says_that_its_routing_names_a_team_that_is_gone_R_TEAM_5(office, admin, place):
    page = url("automate", place[0])
    with office.inside() as world:
        by = Actor.user(world.ada.pk)
        rules.set_rule(world.account.pk, world.channel.pk, Option.TEAMS, team_ids=[world.team.pk], by=by)
        assert "was deleted" not in text(admin.get(page))
        teams.delete(world.account.pk, world.team.pk, by=by)

    assert "Its routing names 1 team that was deleted." in text(admin.get(page))


def test_a_lane_may_run_every_time_R_ACT_11(office, admin, place, chain):
    admin.post(url("lane-every-time", *place), {"on": "1"})

    with office.inside():
        assert workflows.definition_of(lanes.lane_of(place[1], "ticket")).reenrollment.is_on


def test_a_lane_that_queued_and_runs_once_now_can_be_switched_on_R_RE_6_R_ACT_11(office, admin, place, chain):
    with office.inside() as world:
        queued = replace(
            workflows.definition_of(chain), reenrollment=Reenrollment(True, while_inside=WhileInside.QUEUE)
        )
        workflows.save(chain, queued, by=world.ada.pk)
        workflows.switch(chain, False)
    admin.post(url("lane-every-time", *place), {"on": ""})
    admin.post(url("lane-switch", *place), {"on": "1"})

    with office.inside():
        lane = lanes.lane_of(place[1], "ticket")
        assert lane.is_on
        assert not workflows.definition_of(lane).reenrollment.is_on


def test_failures_and_what_needs_a_look_are_said(office, admin, place, chain):
    with office.inside() as world:
        chain.needs_review = "Grace is not active any more."
        chain.save()
        StepLog.objects.create(
            account_id=world.account.pk, workflow_id=chain.pk, enrollment_id=1, object_type="ticket", record_id=1, revision_number=1,
            step_id="1", kind="send_email", status="FAILED", at=clock.now(),
        )  # fmt: skip

    page = text(admin.get(url("automate", place[0])))

    assert "1 step failed in the last 30 days" in page
    assert "Needs a look" in page
    assert '<code class="field-detail">Grace is not active any more.</code>' in page


@pytest.mark.parametrize("name", ["edit", "delete", "comments"])
def test_a_step_that_is_gone_is_not_found(admin, place, chain, name):
    assert admin.get(url(f"lane-step-{name}", *place, "99")).status_code == 404


# ── mails ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def received(office, admin):
    with office.inside():
        return MailTemplate.objects.get(key="ticket_received")


def test_a_mail_is_shown_for_a_sample_ticket_R_MAIL_1(admin, received):
    page = text(admin.get(url("mail-template", received.pk)))

    assert "{{ ticket.number }}" in page
    assert "Hello Astrid" in page


def test_a_preview_saves_nothing(office, admin, received):
    form = {"subject": "Got it, {{ contact.first_name }}", "body": "B", "preview": "1", "revision": 1}

    assert "Got it, Astrid" in text(admin.post(url("mail-template-save", received.pk), form))
    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).subject == received.subject


def test_a_mail_is_saved_R_MAIL_1(office, admin, received):
    form = {"subject": "We have it", "body": "Line\r\nNext", "revision": received.revision}

    response = admin.post(url("mail-template-save", received.pk), form, follow=True)

    assert "The mail is saved." in text(response)
    with office.inside():
        saved = MailTemplate.objects.get(pk=received.pk)
    assert (saved.subject, saved.body) == ("We have it", "Line\nNext")


@pytest.mark.parametrize(
    ("subject", "body", "field"), [("", "x", "subject"), ("x", " ", "body"), ("x", "{{ open", "body")]
)
def test_a_mail_that_cannot_be_sent_is_refused_and_kept_on_the_page(office, admin, received, subject, body, field):  # fmt: skip
    form = {"subject": subject, "body": body, "revision": received.revision}

    response = admin.post(url("mail-template-save", received.pk), form)

    assert response.status_code == 422
    assert f'id="error-{field}"' in text(response)
    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).revision == received.revision


def test_a_mail_that_somebody_else_changed_is_not_overwritten(office, admin, received):
    form = {"subject": "Mine", "body": "Mine", "revision": received.revision - 1}

    assert admin.post(url("mail-template-save", received.pk), form).status_code == 409
    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).subject == received.subject


# ── the audit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_changed_what_here_is_kept_and_only_what_changed(office, admin, place, chain):
    with office.inside():
        mail = MailTemplate.objects.get(key="ticket_closed")
    for _again in range(2):
        admin.post(url("lane-switch", *place), {"on": "1"})
        admin.post(url("channel-tickets", office.world.channel.pk), {"begins": ""})
    admin.post(url("automate-close-date", place[0]), {"on": "0"})
    admin.post(
        url("mail-template-save", mail.pk), {"subject": "Bye", "body": "Bye", "revision": mail.revision}
    )

    with office.inside():
        kept = AuditEntry.objects.filter(actor_id=office.world.ada.pk).order_by("number")
        assert [one.action for one in kept] == [
            "workflow.enabled", "channel_account.updated", "pipeline.updated", "mail_template.updated"
        ]  # fmt: skip


def test_on_again_is_on_since_it_was_first(office, admin, place, chain):
    admin.post(url("lane-switch", *place), {"on": "1"})
    with office.inside():
        since = Workflow.objects.get().on_since

    admin.post(url("lane-switch", *place), {"on": "1"})

    with office.inside():
        assert Workflow.objects.get().on_since == since


def test_t_act_13_a_comment_is_seen_answered_settled_and_changed(office, admin, place, chain, sign_in):
    """R-ACT-6"""
    there = [*place, "1"]
    admin.post(url("lane-step-comment", *there), {"text": "Is this still right?"})
    with office.inside():
        said = StepComment.objects.get().pk
    change = url("lane-comment", *there, said)

    admin.post(url("lane-step-comment", *there), {"text": "Yes", "reply_to": str(said)})
    open_forms = [
        text(admin.get(url("lane-step-comments", *there, **{do: said}))) for do in ("reply", "edit")
    ]
    changed = admin.post(change, {"do": "edit", "text": "Is that right?"}, headers=HTMX)
    settled = admin.post(change, {"do": "resolve"}, headers=HTMX)
    empty = admin.post(change, {"do": "edit", "text": " "}, headers=HTMX)

    assert "Your answer" in open_forms[0]
    assert "Is this still right?</textarea>" in open_forms[1]
    assert "Is that right?" in text(changed)
    assert "Settled" in text(settled)
    assert empty.status_code == 422
    assert "The comment is empty." in text(empty)
    assert admin.post(change, {"do": "shout"}).status_code == 422
    admin.post(change, {"do": "reopen"})
    admin.post(change, {"do": "delete"})
    with office.inside():
        assert not StepComment.objects.exists()


def test_a_mention_on_a_step_leads_from_the_bell_to_the_comment_R_ACT_6(office, admin, place, chain, sign_in):
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    grace = office.world.grace.username
    admin.post(url("lane-step-comment", *place, "1"), {"text": f"@{grace} look"})
    admin.post(url("lane-step-comment", *place, "3"), {"text": f"@{grace} and here"})
    reader = sign_in(office.world.grace)

    page = text(reader.get(url("notifications")))
    assert "mentioned you" in page
    link = re.search(rf'href="(/settings/pipelines/workflows/{chain.pk}[^"]*)"', page)[1]
    with office.inside():
        first = StepComment.objects.order_by("id").first()
    there = [
        reader.get(one).headers["Location"] for one in (link, f"{link.partition('?')[0]}?comment={first.pk}")
    ]

    assert there == [f"{url('automate', place[0])}#comment-{place[1]}-{step}" for step in ("3", "1")]
    drawn = text(reader.get(url("automate", place[0])))
    assert f'id="comment-{place[1]}-3"' in drawn
    with office.inside():
        StepComment.objects.all().delete()
    assert reader.get(link).headers["Location"] == f"{url('automate', place[0])}#lane-{place[1]}"


def test_a_mention_in_a_workflow_that_stands_alone_leads_to_its_editor_R_EDIT_1(office, admin, sign_in):
    with office.inside() as world:
        task = Action("1", "create_task", {"title": "Call"})
        flow = workflows.create(world.account.pk, "Calls", Definition("ticket", Manual(), start=Edge("1"), steps=(task,), next_id=2))  # fmt: skip
        users.set_role(world.account.pk, world.grace.pk, role_id=roles.preset(world.account.pk, "workflow_editor").pk, by=Actor.user(world.ada.pk))  # fmt: skip
    said = {"text": f"@{office.world.grace.username} and @{office.world.bob.username} look"}
    answer = text(admin.post(reverse("workflow-edit-step-comment", args=[flow.pk, 1]), said, headers=HTMX))
    assert f"{office.world.bob.name} may not open this page and was not told." in answer

    link = reverse("automate-workflow", args=[flow.pk]) + "?comment=last"

    assert sign_in(office.world.grace).get(link).headers["Location"] == reverse("workflow-edit-step-comments", args=[flow.pk, 1])  # fmt: skip
    assert sign_in(office.world.bob).get(link).status_code == 403


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_who_writes_is_told_who_cannot_be_reached_R_ACT_6_R_WORK_5(office, admin, place, chain, headers):
    grace, bob = office.world.grace, office.world.bob
    office.role(grace, records={}, capabilities=["account_access"])
    said = {"text": f"@{grace.username} @{bob.username} @support look"}

    answer = admin.post(url("lane-step-comment", *place, "1"), said, headers=headers)
    shown = text(answer if headers else admin.get(answer.headers["Location"]))

    with office.inside():
        assert {one.user_id for one in Notification.objects.all()} == {grace.pk}
    assert f"{bob.name} may not open this page and was not told." in shown
    assert f"{grace.name} may not" not in shown


def test_only_who_may_open_the_page_can_be_called_R_ACT_6(office, admin, sign_in, place, chain):
    there = url("automate-callable", place[0])
    assert admin.get(there).json()["@"] == []  # agents may not

    office.role(office.world.grace, records={}, capabilities=["account_access"])

    names = [one["name"] for one in admin.get(there).json()["@"]]
    assert office.world.grace.name in names
    assert office.world.bob.name not in names
    assert sign_in(office.world.bob).get(there).status_code == 403
    assert f'data-picks="{there}"' in text(admin.get(url("lane-step-comments", *place, "1")))


def test_the_chat_exclusion_is_seen_and_taken_away_on_the_lane_R_ACT_32(office, admin, place, chain):
    assert "Leave out live chat and Messenger" in text(admin.get(url("automate", place[0])))

    admin.post(url("lane-chat", *place), {"on": "0"})
    with office.inside():
        assert workflows.definition_of(lanes.lane_of(place[1], "ticket")).trigger.refine is None
    admin.post(url("lane-chat", *place), {"on": "1"})

    with office.inside():
        assert workflows.definition_of(lanes.lane_of(place[1], "ticket")).trigger.refine == lanes.NOT_CHAT


URGENT = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
ONE_GROUP = AnyOf((AllOf((URGENT,)),))  # as forms keep it


def branching(name="Urgent ones", number=0, origin="", **more):
    """A form with one branch, as the drawer sends it."""
    way = f"way{number}"
    condition = json.dumps(to_json(URGENT))
    return {
        "kind": "if-then", "way": str(number), f"{way}-origin": origin, f"{way}-name": name, f"{way}-when-f": condition, f"{way}-when-edit": "", **more,
    }  # fmt: skip


def definition_of(place):
    return workflows.definition_of(lanes.lane_of(place[1], "ticket"))


@pytest.fixture
def forked(office, admin, place, chain):
    """[mail, branch, in which the delay and the task stand on the way for all others] in the lane New."""
    assert admin.post(url("lane-step-add", *place), branching(after="1", default_name="The rest")).status_code == 302  # fmt: skip
    return "4"


def test_a_branch_in_the_middle_takes_what_follows_on_the_way_for_all_others_R_ACT_23(office, place, forked):
    with office.inside():
        definition = definition_of(place)

    fork = definition.by_id[forked]
    assert definition.by_id["1"].next == Edge(forked)
    assert fork.branches == (Branch("Urgent ones", ONE_GROUP),)
    assert (fork.default, fork.default_name) == (Edge("2"), "The rest")
    assert definition.by_id["2"].next == Edge("3")


def test_a_branch_can_be_the_first_step_of_a_lane_R_ACT_4_R_ACT_23(office, admin, place):
    page = text(admin.get(url("lane-step-new", *place)))
    assert "Split the records by conditions." in page

    admin.post(url("lane-step-add", *place), branching())

    with office.inside():
        workflow = lanes.lane_of(place[1], "ticket")
        assert not workflow.is_on
        assert workflows.definition_of(workflow).by_id["1"].branches == (Branch("Urgent ones", ONE_GROUP),)


def test_the_condition_is_made_in_the_drawer_R_ACT_23(office, admin, place, chain):
    form = {"kind": "if-then", "after": "3", "way": "0", "way0-name": "Urgent ones", "way0-when-f": "", "way0-when-edit": ""}  # fmt: skip
    opened = admin.post(url("lane-step-add", *place), form | {"redraw": "way0-when or"}, headers=HTMX)
    assert "Choose a property" in text(opened)
    assert 'value="Urgent ones"' in text(opened)

    typed = {"way0-when-edit": "0.0", "way0-when-prop": "ticket.hs_ticket_priority", "way0-when-op": "any_of", "way0-when-value": "HIGH"}  # fmt: skip
    done = admin.post(url("lane-step-add", *place), form | typed | {"redraw": "way0-when done"}, headers=HTMX)
    assert "Priority" in text(done)
    saved = admin.post(url("lane-step-add", *place), form | typed)

    assert saved.status_code == 302
    with office.inside():
        assert definition_of(place).by_id["4"].branches == (Branch("Urgent ones", ONE_GROUP),)


def test_a_branch_without_a_condition_is_refused_beside_what_was_typed_R_ACT_23(office, admin, place, chain):
    form = branching(after="3") | {"way0-when-f": ""}
    refused = admin.post(url("lane-step-add", *place), form, headers=HTMX)

    assert refused.status_code == 422
    assert "Add at least one filter." in text(refused)
    assert 'value="Urgent ones"' in text(refused)
    assert len(steps_of(office, place)) == 3


def test_branches_are_shown_with_what_stands_on_them_R_ACT_23(office, admin, place, forked):
    page = text(admin.get(url("automate", place[0])))

    assert "Urgent ones" in page
    assert "0 steps" in page
    assert "The rest" in page
    assert "2 steps" in page
    assert f'id="bubble-{place[1]}-3"' in page


def test_other_forks_are_shown_by_the_names_of_their_ways_R_BR_4_R_BR_5(office, admin, place, chain):
    by_value = ValueEquals("4", "hs_ticket_priority", (Case("HIGH"), Case("LOW")), Edge("5"))
    by_chance = RandomSplit("5", (Part(1, "Half of them"), Part(1)))
    with office.inside():
        definition = definition_of(place)
        task = replace(definition.by_id["3"], next=Edge("4"))
        grown = replace(definition, steps=(*definition.steps[:2], task, by_value, by_chance), next_id=6)
        workflows.save(lanes.lane_of(place[1], "ticket"), grown)

    page = admin.get(url("automate", place[0])).content.decode()

    names = re.findall(r'<div class="lane-way-head">.*?<b class="truncate" title="([^"]*)"', page)
    assert names == ["High", "Low", "Any other value", "Half of them 50 %", "B 50 %"]


def test_steps_are_added_and_changed_on_a_branch_R_ACT_23(office, admin, place, forked):
    at = {"after": forked, "slot": "0"}
    assert admin.get(url("lane-step-new", *place, **at, kind="create_task")).status_code == 200
    admin.post(url("lane-step-add", *place), {"kind": "create_task", "title": "Ring", **at})
    admin.post(url("lane-step-save", *place, "5"), {"title": "Ring now"})
    admin.post(url("lane-step-add", *place), branching("Inner", after="5"))

    with office.inside():
        definition = definition_of(place)
    assert definition.by_id[forked].branches[0].next == Edge("5")
    assert definition.by_id["5"].settings["title"] == "Ring now"
    assert definition.by_id["6"].branches[0].name == "Inner"
    for wrong in ({"after": forked}, {"after": forked, "slot": "7"}, {"after": "1", "slot": "0"}):
        refused = admin.get(url("lane-step-new", *place, **wrong))
        assert refused.status_code == 404
        assert "There is no such step." in text(refused)
        assert admin.post(url("lane-step-add", *place), {"kind": "delay", **wrong}).status_code == 404


def test_branches_are_renamed_and_added_and_keep_their_steps_R_BR_1(office, admin, place, forked):
    admin.post(url("lane-step-add", *place), {"kind": "create_task", "title": "Ring", "after": forked, "slot": "0"})  # fmt: skip
    shown = text(admin.get(url("lane-step-edit", *place, forked)))
    assert 'value="Urgent ones"' in shown
    assert 'value="The rest"' in shown

    more = {"way": ["1", "0"], "way1-name": "Also urgent", "way1-when-f": json.dumps(to_json(URGENT))}
    saved = admin.post(url("lane-step-save", *place, forked), branching("Most urgent", origin="0") | more)

    assert saved.status_code == 302
    with office.inside():
        fork = definition_of(place).by_id[forked]
    assert [(one.name, one.next) for one in fork.branches] == [("Also urgent", None), ("Most urgent", Edge("5"))]  # fmt: skip
    assert fork.default == Edge("2")


def test_a_branch_that_somebody_else_changed_is_not_overwritten_R_EDIT_4(office, admin, place, forked):
    with office.inside() as world:
        seen = str(lanes.lane_of(place[1], "ticket").revision_number)
        lanes.add_step("ticket", place[1], "delay", {"minutes": 5}, by=world.ada.pk)

    form = branching("Mine", origin="0", revision=seen)
    drawn = admin.post(url("lane-step-save", *place, forked), form | {"redraw": "ways add"})
    assert f'name="revision" value="{seen}"' in text(drawn)
    refused = admin.post(url("lane-step-save", *place, forked), form)

    assert refused.status_code == 409
    assert 'value="Mine"' in text(refused)


def test_a_branch_is_deleted_alone_or_with_all_on_it_R_ACT_7_R_ACT_8(office, admin, place, forked):
    admin.post(url("lane-step-add", *place), {"kind": "create_task", "title": "Ring", "after": forked, "slot": "0"})  # fmt: skip
    asked = text(admin.get(url("lane-step-delete", *place, forked)))
    assert 'value="keep:0"' in asked
    assert 'value="keep:default"' in asked
    assert "This step and the 3 after it" in asked
    refused = admin.post(url("lane-step-deleted", *place, forked), {"following": "0"})
    assert refused.status_code == 422

    admin.post(url("lane-step-deleted", *place, forked), {"following": "keep:default"})

    assert [kind for kind, _settings in steps_of(office, place)] == ["send_email", "delay", "create_task"]


def test_steps_move_to_and_from_branches_R_ACT_9(office, admin, place, forked):
    shown = text(admin.get(url("lane-step-place", *place, "1")))
    assert f'value="{place[1]}:{forked}.0"' in shown
    assert admin.get(url("lane-step-place", *place, "3")).status_code == 200

    moved = admin.post(url("lane-step-placed", *place, "3"), {"to": f"{place[1]}:{forked}.0"})
    wrong = admin.post(url("lane-step-placed", *place, "2"), {"to": f"{place[1]}:{forked}"})

    assert moved.status_code == 302
    assert wrong.status_code == 422
    with office.inside():
        definition = definition_of(place)
    assert definition.by_id[forked].branches[0].next == Edge("3")
    assert definition.by_id["2"].next is None


def test_who_has_no_workflows_makes_branches_and_is_led_nowhere_else_R_ACT_40_R_ACT_42(
    office, sign_in, admin, place
):
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    with office.inside() as world:
        assert not access.may_open(viewer_for(world.account.pk, world.grace.pk), world.account)
    lanes_only = sign_in(office.world.grace)

    assert lanes_only.post(url("lane-step-add", *place), branching()).status_code == 302
    page = text(lanes_only.get(url("automate", place[0])))

    assert "Urgent ones" in page
    assert "/workflows/" not in page


@pytest.mark.parametrize("plan", [Plan.STARTER, Plan.FREE])
def test_a_plan_without_branches_offers_none_T_ACT_10(office, admin, place, plan):
    with office.inside() as world:
        Account.objects.filter(pk=world.account.pk).update(plan=plan)

    assert "Split the records" not in text(admin.get(url("lane-step-new", *place)))
    assert admin.get(url("lane-step-new", *place, kind="if-then")).status_code == 404
    assert admin.post(url("lane-step-add", *place), branching()).status_code == 404


def test_a_lane_in_the_editor_leads_back_to_its_pipeline_R_ACT_2(office, admin, place, chain):
    page = text(admin.get(reverse("workflow-edit", args=[chain.pk])))

    assert f'href="{reverse("automate", args=[place[0]])}#lane-{place[1]}" aria-label="Back"' in page


# ── delays that the editor of workflows made ─────────────────────────────────────────────────────────────────────────


def delaying(office, place, delay, *others):
    """Put a delay in the place of that of the lane New, and actions on its second way."""
    with office.inside():
        workflow = lanes.lane_of(place[1], "ticket")
        grown, at = edit.update(workflows.definition_of(workflow), delay), edit.Place("2", "otherwise")
        for title in others:
            grown, added = edit.insert(grown, Action("", "create_task", {"title": title}), at)
            at = edit.Place(added)
        return workflows.save(workflow, grown)


IN_THREE_DAYS = UntilEvent(EventMatch("ticket.closed"), at_most=timedelta(days=3))


@pytest.mark.parametrize(
    ("delay", "names"),
    [
        (Delay("2", IN_THREE_DAYS), ["It happened", "Time is up"]),
        (Delay("2", UntilProperty("closed_date", if_empty=Missed.OTHERWISE)), ["The date came", "No date"]),
        (Delay("2", ForAmount(timedelta(hours=1)), cancel_if=ONE_GROUP), ["Time is up", "Cancelled"]),
    ],
)
def test_both_ways_of_a_delay_are_shown_and_their_steps_open_R_DELAY_1(office, admin, place, chain, delay, names):  # fmt: skip
    delaying(office, place, delay, "Hurry", "Run")

    page = text(admin.get(url("automate", place[0])))

    ways = re.findall(
        r'<b class="truncate" title="([^"]*)">[^<]*</b><span class="muted num">(\d+) step', page
    )
    assert ways == [(names[0], "1"), (names[1], "2")]
    assert f'id="bubble-{place[1]}-5"' in page
    assert 'value="Run"' in text(admin.get(url("lane-step-edit", *place, "5")))


def test_steps_are_added_and_moved_to_both_ways_of_a_delay_R_ACT_9(office, admin, place, chain):
    delaying(office, place, Delay("2", IN_THREE_DAYS))

    for slot in ("next", "otherwise"):
        form = {"kind": "create_task", "title": slot, "after": "2", "slot": slot}
        assert admin.post(url("lane-step-add", *place), form).status_code == 302
    spots = text(admin.get(url("lane-step-place", *place, "1")))
    assert "In “Time is up” of: Delay" in spots
    moved = admin.post(url("lane-step-placed", *place, "3"), {"to": f"{place[1]}:2.otherwise"})

    assert moved.status_code == 302
    with office.inside():
        definition = definition_of(place)
    assert (definition.by_id["2"].next, definition.by_id["2"].otherwise) == (Edge("4"), Edge("3"))
    assert definition.by_id["3"].next == Edge("5")


@pytest.mark.parametrize(("what", "left"), [("keep:next", ["1", "3"]), ("keep:otherwise", ["1", "4", "5"]), ("1", ["1"])])  # fmt: skip
def test_a_delay_of_two_ways_is_deleted_as_the_drawer_says_R_ACT_7_R_ACT_8(office, admin, place, chain, what, left):  # fmt: skip
    made = delaying(office, place, Delay("2", IN_THREE_DAYS), "Hurry", "Run")
    with office.inside() as world:
        for step_id in ("2", "3", "5"):
            Enrollment.objects.create(
                account_id=world.account.pk, workflow=made, object_type="ticket", record_id=world.ticket().pk, revision_number=1, step_id=step_id,
                enrolled_at=office.at,
            )  # fmt: skip

    asked = text(admin.get(url("lane-step-delete", *place, "2")))
    assert "Only this, and keep the steps of “It happened”" in asked
    assert "Only this, and keep the steps of “Time is up”" in asked
    assert "This step and the 3 after it" in asked
    # One stands in the fork itself, one on either way.
    assert asked.count("2 tickets are inside now") == 2
    assert asked.count("3 tickets are inside now") == 1
    done = admin.post(url("lane-step-deleted", *place, "2"), {"following": what})

    assert done.status_code == 302
    with office.inside():
        assert sorted(definition_of(place).by_id) == left


def test_a_delay_whose_ways_lead_elsewhere_is_deleted_with_one_of_them_R_ACT_8_R_BR_9(office, admin, place, chain):  # fmt: skip
    delaying(office, place, Delay("2", IN_THREE_DAYS))
    with office.inside():
        workflow = lanes.lane_of(place[1], "ticket")
        cut = edit.delete_from(workflows.definition_of(workflow), "3")
        for slot in ("next", "otherwise"):
            cut = edit.go_to(cut, edit.Place("2", slot), "1")
        workflows.save(workflow, cut)

    asked = text(admin.get(url("lane-step-delete", *place, "2")))
    kept = re.findall(r'name="following" value="([^"]*)"', asked)
    done = admin.post(url("lane-step-deleted", *place, "2"), {"following": kept[0]})

    assert kept == ["keep:next", "keep:otherwise"]
    assert done.status_code == 302
    assert [kind for kind, _settings in steps_of(office, place)] == ["send_email"]
