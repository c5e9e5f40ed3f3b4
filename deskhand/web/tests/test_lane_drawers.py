"""The drawers of a lane have the forms of the editor of workflows, for who may not open that too (R-ACT-5, R-ACT-23)."""

import json
import re
from datetime import date, timedelta
from html import unescape

import lxml.html
import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, Plan
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import viewer_for
from deskhand.automation import access, lanes, templates, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    IfThen,
    Missed,
    OnFailure,
    OutputOf,
    Part,
    RandomSplit,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
)
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.types import Kind

HTMX = {"HX-Request": "true"}
URGENT = AnyOf(
    (AllOf((Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",)),)),)
)  # as forms keep it
CANCEL = {"cancel-f": json.dumps(to_json(URGENT)), "cancel-edit": ""}
FLOW = ("delay", "if-then", "value-equals", "random-split", "go-to")


@pytest.fixture
def place(office):
    """The default pipeline and its status New."""
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        return [world.tickets.default.id, world.stage("New")]


@pytest.fixture
def client(office, sign_in, place):
    """Somebody with Account access who may not open workflows (R-ACT-40, R-ACT-42)."""
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    with office.inside() as world:
        assert not access.may_open(viewer_for(world.account.pk, world.grace.pk), world.account)
    return sign_in(office.world.grace)


@pytest.fixture
def lane(office, client, place):
    """[task, delay, task] in the lane New."""
    with office.inside() as world:
        by, new = world.ada.pk, place[1]
        lanes.add_step("ticket", new, "create_task", {"title": "Ring"}, by=by)
        lanes.add_step("ticket", new, "delay", {"minutes": 90}, after="1", by=by)
        lanes.add_step("ticket", new, "create_task", {"title": "Write"}, after="2", by=by)
    return place


def url(name, *args, **query):
    return reverse(name, args=args) + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")


def text(response):
    return unescape(response.content.decode())


def definition_of(office, place):
    with office.inside():
        return workflows.definition_of(lanes.lane_of(place[1], "ticket"))


def plan(office, name, **features):
    Account.objects.filter(pk=office.world.account.pk).update(plan=name, features=features)


def saved(office, place, change):
    """Change a lane as the engine does, without a form."""
    with office.inside():
        workflow = lanes.lane_of(place[1], "ticket")
        return workflows.save(workflow, change(workflows.definition_of(workflow)))


def as_drawn(client, place, step_id):
    """What a browser would send of the form as it stands."""
    page = lxml.html.fromstring(client.get(url("lane-step-edit", *place, step_id)).content.decode())
    [form] = page.xpath("//form[contains(@class, 'drawer-form')]")
    sent = {}
    for name, value in form.form_values():
        sent.setdefault(name, []).append(value)
    return sent


# ── the six kinds of delay ───────────────────────────────────────────────────────────────────────────────────────────

THREE_DAYS = timedelta(days=3)
DELAYS = [
    ({"wait": "amount", "amount_days": "3", "working": "1"}, ForAmount(THREE_DAYS, is_working_time=True), "Wait 72 hours of working time", "Cancelled"),
    ({"wait": "date", "day": "2026-12-24", "time": "09:00", "if_past": "otherwise"}, UntilDate(date(2026, 12, 24), 540, Missed.OTHERWISE), "Until 24 Dec 2026, 09:00", "Otherwise"),
    ({"wait": "property", "property": "closed_date", "side": "before", "offset_days": "2", "if_past": "next", "if_empty": "otherwise"},
     UntilProperty("closed_date", days=-2, if_empty=Missed.OTHERWISE), "Until 2 days before Close date", "Otherwise"),
    ({"wait": "event", "event-kind": "ticket.closed", "at_most_days": "3"}, UntilEvent(EventMatch("ticket.closed"), THREE_DAYS), "at most 3 days", "Otherwise"),
    ({"wait": "weekday", "days": ["0", "4"], "time": "09:00"}, UntilWeekday((0, 4), 540), "Until Monday, Friday, 09:00", "Cancelled"),
    ({"wait": "time", "time": "09:00"}, UntilTime(540), "Until 09:00", "Cancelled"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "wait", "words", "other"), DELAYS)
def test_all_six_kinds_of_delay_are_made_in_the_drawer_R_ACT_23_R_DELAY_1(office, client, lane, typed, wait, words, other):  # fmt: skip
    added = client.post(url("lane-step-add", *lane), {"kind": "delay", "after": "3", **typed, **CANCEL})

    assert added.status_code == 302
    delay = definition_of(office, lane).by_id["4"]
    assert (delay.wait, delay.cancel_if, delay.if_cancelled) == (wait, URGENT, Missed.OTHERWISE)
    page = text(client.get(url("automate", lane[0])))
    assert words in page
    assert re.findall(r'<div class="lane-way-head">.*?<b class="truncate" title="([^"]*)"', page)[1:] == [
        other
    ]
    assert "/workflows/" not in page


def test_days_stand_in_their_order_whichever_are_chosen_R_DELAY_7(office, client, lane):
    saved(office, lane, lambda d: edit.update(d, Delay("2", UntilWeekday((2, 4), 540))))

    drawn = text(client.get(url("lane-step-edit", *lane, "2")))

    assert re.findall(r'name="days" value="(\d)"', drawn) == list("0123456")


@pytest.mark.parametrize("wait", [wait for _typed, wait, _words, _other in DELAYS])
@pytest.mark.parametrize("cancels", [None, URGENT])
def test_a_delay_saved_as_it_stands_is_the_same_R_ACT_5_R_DELAY_1(office, client, lane, wait, cancels):
    made = Delay("2", wait, cancel_if=cancels, if_cancelled=Missed.NEXT)
    saved(office, lane, lambda definition: edit.update(definition, made))
    before = definition_of(office, lane)

    sent = client.post(url("lane-step-save", *lane, "2"), as_drawn(client, lane, "2"))

    assert sent.status_code == 302
    assert definition_of(office, lane) == before


def test_what_cancels_a_delay_is_said_where_the_delay_is_R_DELAY_4(office, client, sign_in, lane):
    """A long condition by what it looks at; names of steps stay short."""
    named = Filter("subject", Kind.TEXT, Operator.CONTAINS, ("the refund that nobody has seen yet",))
    long = AnyOf((AllOf((*URGENT.parts[0].parts, named)),))
    boss = sign_in(office.world.ada)
    for cancels, words in (
        (URGENT, "Wait 3 days, unless Priority is any of High"),
        (long, "Wait 3 days, unless filters on Priority, Subject are met"),
    ):
        step = Delay("2", ForAmount(THREE_DAYS), cancel_if=cancels)
        workflow = saved(office, lane, lambda d, step=step: edit.update(d, step))
        canvas = text(boss.get(reverse("workflow-edit", args=[workflow.pk])))

        assert words in text(client.get(url("automate", lane[0])))
        assert words in canvas
        spots = text(boss.get(reverse("workflow-edit-step-place", args=[workflow.pk, 1])))
        assert "In “Cancelled” of: Wait 3 days<" in spots


def test_a_delay_becomes_one_of_another_kind_and_keeps_what_cancels_it_R_DELAY_1(office, client, lane):
    saved(office, lane, lambda d: edit.update(d, Delay("2", UntilTime(540), cancel_if=URGENT)))
    sent = as_drawn(client, lane, "2") | {"wait": "amount", "redraw": "wait"}

    drawn = text(client.post(url("lane-step-save", *lane, "2"), sent, headers=HTMX))
    assert "How long" in drawn
    assert "Count only working time" in drawn
    del sent["redraw"]
    done = client.post(url("lane-step-save", *lane, "2"), sent | {"amount_hours": "5"})

    assert done.status_code == 302
    delay = definition_of(office, lane).by_id["2"]
    assert (delay.wait, delay.cancel_if, delay.next) == (ForAmount(timedelta(hours=5)), URGENT, Edge("3"))


def test_a_delay_waits_for_the_task_of_an_earlier_step_of_the_lane_R_DELAY_6(office, client, lane):
    typed = {"kind": "delay", "after": "1", "wait": "event", "event-kind": "task.done"}
    drawn = text(client.post(url("lane-step-add", *lane), typed | {"redraw": "event-kind"}))
    assert re.search(r'<option value="1"[^>]*>1\. Create task: Ring', drawn)

    client.post(url("lane-step-add", *lane), typed | {"of_step": "1"})

    assert definition_of(office, lane).by_id["4"].wait.of_step == "1"


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"wait": "amount"}, "amount", "“How long” is missing."),
        ({"wait": "amount", "amount_days": "soon"}, "amount", "soon is not a whole number."),
        ({"wait": "date"}, "day", "“Date” is missing."),
        ({"wait": "property"}, "property", "“Which date” is missing."),
        ({"wait": "property", "property": "closed_date", "side": "before"}, "offset", "is missing"),
        ({"wait": "weekday"}, "days", "“Days” is missing."),
        ({"wait": "time", "time": "25:00"}, "time", "Give a time such as 09:00."),
        ({"wait": "event"}, "event-kind", "“What happens” is missing."),
    ],
)
def test_what_is_wrong_in_a_delay_is_said_under_its_field(office, client, place, typed, field, words):
    refused = client.post(url("lane-step-add", *place), {"kind": "delay", **typed}, headers=HTMX)

    assert refused.status_code == 422
    error = lxml.html.fromstring(refused.content.decode()).get_element_by_id(f"error-{field}")
    assert words in error.text_content()
    with office.inside():
        assert lanes.lane_of(place[1], "ticket") is None  # what is refused makes no lane


# ── what goes with a change ──────────────────────────────────────────────────────────────────────────────────────────


def test_steps_go_with_a_change_only_when_somebody_agreed_R_ACT_5(office, client, lane):
    saved(office, lane, lambda d: edit.update(d, Delay("2", ForAmount(THREE_DAYS), cancel_if=URGENT)))
    add = {"kind": "create_task", "title": "Hurry", "after": "2", "slot": "otherwise"}
    client.post(url("lane-step-add", *lane), add)
    without = as_drawn(client, lane, "2") | {"cancel-f": [""]}

    refused = client.post(url("lane-step-save", *lane, "2"), without, headers=HTMX)
    assert refused.status_code == 422
    assert "This also deletes 1 step: Create task: Hurry" in text(refused)
    assert 'name="loss"' in text(refused)
    assert "4" in definition_of(office, lane).by_id
    done = client.post(url("lane-step-save", *lane, "2"), without | {"loss": "1"})

    assert done.status_code == 302
    assert sorted(definition_of(office, lane).by_id) == ["1", "2", "3"]


def test_a_branch_goes_with_its_steps_only_when_somebody_agreed_R_BR_1(office, client, lane):
    fork = IfThen("", (Branch("Urgent", URGENT), Branch("Also", URGENT)))
    saved(office, lane, lambda d: edit.insert(d, fork, edit.Place("3"))[0])
    client.post(url("lane-step-add", *lane), {"kind": "create_task", "title": "Hurry", "after": "4", "slot": "1"})  # fmt: skip
    sent = {name: value for name, value in as_drawn(client, lane, "4").items() if not name.startswith("way1")}

    refused = client.post(url("lane-step-save", *lane, "4"), sent | {"way": ["0"]})
    assert "This also deletes 1 step: Create task: Hurry" in text(refused)
    client.post(url("lane-step-save", *lane, "4"), sent | {"way": ["0"], "loss": "1"})

    assert [one.name for one in definition_of(office, lane).by_id["4"].branches] == ["Urgent"]


# ── forks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_branch_by_value_is_made_in_the_drawer_R_ACT_23_R_BR_4(office, client, lane):
    of = {"kind": "value-equals", "after": "3", "of": "hs_ticket_priority"}
    drawn = text(client.post(url("lane-step-add", *lane), of | {"redraw": "ways all"}, headers=HTMX))
    assert drawn.count('name="way"') == 4  # one for each priority
    ways = {"way": ["0", "1"], "way0-value": "HIGH", "way1-value": "LOW"}

    assert client.post(url("lane-step-add", *lane), of | ways).status_code == 302

    assert definition_of(office, lane).by_id["4"].cases == (Case("HIGH"), Case("LOW"))
    page = text(client.get(url("automate", lane[0])))
    assert "By Priority" in page
    names = re.findall(r'<div class="lane-way-head">.*?<b class="truncate" title="([^"]*)"', page)
    assert names == ["High", "Low", "Any other value"]


def test_a_random_split_is_made_in_the_drawer_R_ACT_23_R_BR_5(office, client, lane):
    typed = {"kind": "random-split", "after": "1", "way": ["0", "1"], "way0-value": "30", "way1-value": "70"}
    drawn = text(client.get(url("lane-step-new", *lane, kind="random-split", after="1")))
    assert "What follows here goes on in the first part." in drawn

    assert client.post(url("lane-step-add", *lane), typed).status_code == 302

    split = definition_of(office, lane).by_id["4"]
    assert [(part.weight, part.next) for part in split.parts] == [(30, Edge("2")), (70, None)]
    assert "30 % / 70 %" in text(client.get(url("automate", lane[0])))


FORKS = [
    IfThen("", (Branch("Urgent", URGENT), Branch("", URGENT)), default_name="The rest"),
    ValueEquals("", "hs_ticket_priority", (Case("HIGH"), Case("GONE"))),
    ValueEquals("", OutputOf("1", "task_id"), (Case("7"),)),
    RandomSplit("", (Part(1, "A few"), Part(9))),
]


@pytest.mark.parametrize("fork", FORKS)
def test_a_fork_saved_as_it_stands_is_the_same_R_ACT_5(office, client, lane, fork):
    saved(office, lane, lambda definition: edit.insert(definition, fork, edit.Place("1"))[0])
    before = definition_of(office, lane)

    sent = client.post(url("lane-step-save", *lane, "4"), as_drawn(client, lane, "4"))

    assert sent.status_code == 302
    assert definition_of(office, lane) == before


def test_a_split_of_no_weight_is_refused_at_its_line_R_BR_5(client, lane):
    typed = {"kind": "random-split", "after": "3", "way": ["0", "1"], "way0-value": "x", "way1-value": "70"}

    refused = client.post(url("lane-step-add", *lane), typed, headers=HTMX)

    assert refused.status_code == 422
    row = lxml.html.fromstring(refused.content.decode()).get_element_by_id("way-row-0")
    assert "x is not a whole number." in row.text_content()


# ── going elsewhere ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def forked(office, lane):
    """[task, delay, task, branch with a task on its first way]."""
    fork = IfThen("", (Branch("Urgent", URGENT),))
    saved(office, lane, lambda d: edit.insert(d, fork, edit.Place("3"))[0])
    saved(office, lane, lambda d: edit.insert(d, Action("", "create_task", {"title": "Hurry"}), edit.Place("4", "0"))[0])  # fmt: skip
    return lane


def test_a_way_goes_to_another_step_is_led_elsewhere_and_ended_R_ACT_23_R_BR_9(office, client, forked):
    at = {"after": "4", "slot": "default"}
    drawn = text(client.get(url("lane-step-new", *forked, kind="go-to", **at)))
    assert "5. Create task: Hurry" in drawn

    assert (
        client.post(url("lane-step-add", *forked), {"kind": "go-to", "target": "5", **at}).status_code == 302
    )
    assert definition_of(office, forked).by_id["4"].default == Edge("5", is_goto=True)
    page = text(client.get(url("automate", forked[0])))
    assert "End here instead of going to Create task: Hurry" in page
    change = url("lane-step-new", *forked, after="4", slot="default", kind="go-to")
    assert f'href="{change}"' in page
    assert re.search(r'<option value="5" selected', text(client.get(change)))
    client.post(url("lane-step-add", *forked), {"kind": "go-to", "target": "2", **at})
    assert definition_of(office, forked).by_id["4"].default == Edge("2", is_goto=True)

    ended = client.post(url("lane-jump-end", *forked, **at), headers=HTMX)

    assert "End here instead" not in text(ended)
    assert definition_of(office, forked).by_id["4"].default is None


def test_a_go_to_at_the_end_of_a_chain_is_drawn_and_steps_are_put_before_it_R_BR_9(office, client, forked):
    client.post(url("lane-step-add", *forked), {"kind": "go-to", "target": "2", "after": "5"})
    assert "End here instead of going to Wait 1 hour 30 minutes" in text(
        client.get(url("automate", forked[0]))
    )

    client.post(url("lane-step-add", *forked), {"kind": "create_task", "title": "Last", "after": "5"})

    found = definition_of(office, forked)
    assert (found.by_id["5"].next, found.by_id["6"].next) == (Edge("6"), Edge("2", is_goto=True))


def test_a_way_back_without_a_delay_is_refused_under_its_field_R_BR_9(office, client, forked):
    typed = {"kind": "go-to", "after": "5", "target": "3"}

    refused = client.post(url("lane-step-add", *forked), typed, headers=HTMX)

    assert refused.status_code == 422
    assert 'id="error-target"' in text(refused)
    assert definition_of(office, forked).by_id["5"].next is None


def test_a_go_to_is_offered_at_ends_alone_R_BR_9(client, forked):
    inside = text(client.get(url("lane-step-new", *forked, after="1")))
    at_end = text(client.get(url("lane-step-new", *forked, after="5")))

    assert "Only at the end of a branch." in inside
    assert "kind=go-to" not in inside
    assert "kind=go-to" in at_end
    refused = client.post(url("lane-step-add", *forked), {"kind": "go-to", "after": "1", "target": "5"})
    assert refused.status_code == 422


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_earlier_steps_told_can_be_put_into_texts_R_WFA_2(office, client, lane):
    drawn = text(client.get(url("lane-step-new", *lane, kind="create_note", after="3")))
    token = "{{ step_1.task_id }}"
    assert f'data-token="{token}">ID of the task (Create task)' in drawn

    client.post(url("lane-step-add", *lane), {"kind": "create_note", "after": "3", "text": f"See {token}"})

    assert definition_of(office, lane).by_id["4"].settings["text"] == f"See {token}"
    shown = text(client.get(url("automate", lane[0])))
    assert '<span class="token">ID of the task (Create task)</span>' in shown


def test_what_becomes_of_a_failure_is_chosen_in_the_drawer_R_LOG_8(office, client, lane):
    sent = as_drawn(client, lane, "3")
    assert sent["on_failure"] == ["continue"]
    client.post(url("lane-step-save", *lane, "3"), sent | {"on_failure": "stop"})
    assert definition_of(office, lane).by_id["3"].on_failure is OnFailure.STOP

    client.post(
        url("lane-step-save", *lane, "3"), {"title": "Write now", "assignee": "owner"}
    )  # nothing said of it

    step = definition_of(office, lane).by_id["3"]
    assert (step.settings["title"], step.on_failure) == ("Write now", OnFailure.STOP)


def test_what_a_form_does_not_ask_for_stays_as_it_is_R_ACT_5(office, client, lane):
    kept = {"title": "Ring", "assignee": "owner", "of_old": "kept"}
    saved(office, lane, lambda definition: edit.update_settings(definition, "1", kept))

    client.post(url("lane-step-save", *lane, "1"), as_drawn(client, lane, "1") | {"title": "Call"})

    settings = definition_of(office, lane).by_id["1"].settings
    assert (settings["title"], settings["of_old"]) == ("Call", "kept")


# ── who may, and which plan ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "features", "there"),
    [
        (Plan.FREE, {}, ()),
        (Plan.STARTER, {}, ("random-split",)),
        (Plan.PROFESSIONAL, {}, FLOW),
        (Plan.ENTERPRISE, {}, FLOW),
        (Plan.EVERYTHING, {Feature.RANDOM_SPLIT: False}, ("delay", "if-then", "value-equals", "go-to")),
    ],
)
def test_the_plan_says_what_holds_and_directs_a_lane_T_ACT_10_R_TIER_1_R_BR_5(
    office, client, forked, name, features, there
):
    drawn_before = text(client.get(url("lane-step-new", *forked, after="5")))
    plan(office, name, **features)

    drawn = text(client.get(url("lane-step-new", *forked, after="5")))

    assert all(f"kind={kind}" in drawn_before for kind in FLOW)
    for kind in FLOW:
        assert (f"kind={kind}" in drawn) is (kind in there), kind
        status = client.get(url("lane-step-new", *forked, after="5", kind=kind)).status_code
        assert status == (200 if kind in there else 404)
        if kind not in there:
            assert client.post(url("lane-step-add", *forked), {"kind": kind, "after": "5"}).status_code == 404


def test_ending_a_way_of_a_status_without_a_workflow_makes_none_R_ACT_4(office, client, place):
    answer = client.post(url("lane-jump-end", *place))

    assert answer.status_code == 404
    with office.inside():
        assert lanes.lane_of(place[1], "ticket") is None


def test_a_lane_beyond_the_plan_keeps_its_go_to_A34(office, client, forked):
    client.post(url("lane-step-add", *forked), {"kind": "go-to", "target": "2", "after": "5"})
    plan(office, Plan.STARTER)

    page = text(client.get(url("automate", forked[0])))
    refused = client.post(url("lane-jump-end", *forked, after="5"))

    assert "Wait 1 hour 30 minutes" in page
    assert "End here instead" not in page
    assert refused.status_code == 403
    assert definition_of(office, forked).by_id["5"].next == Edge("2", is_goto=True)


@pytest.fixture
def coded(office, lane, settings):
    """The lane New; its fourth step takes a permission of its own."""
    settings.CUSTOM_CODE = True
    plan(office, Plan.EVERYTHING, **{Feature.CUSTOM_CODE: True})
    code = Action("", "custom_code", {"code": "def main(event): return {}"})
    saved(office, lane, lambda d: edit.insert(d, code, edit.Place("3"))[0])
    return lane


def test_what_takes_a_permission_of_its_own_is_for_who_has_it_R_WFA_12(office, client, sign_in, coded):
    lane = coded
    before = definition_of(office, lane)
    boss = sign_in(office.world.ada)

    told = text(client.get(url("lane-step-edit", *lane, "4")))

    assert "You don't have permission to use this." in told
    assert "drawer-form" not in told
    assert client.post(url("lane-step-save", *lane, "4"), {"code": "x"}).status_code == 403
    assert client.get(url("lane-step-new", *lane, kind="custom_code")).status_code == 404
    assert "kind=custom_code" not in text(client.get(url("lane-step-new", *lane)))
    assert "kind=custom_code" in text(boss.get(url("lane-step-new", *lane)))
    assert "drawer-form" in text(boss.get(url("lane-step-edit", *lane, "4")))
    assert definition_of(office, lane) == before


@pytest.mark.parametrize(
    ("step", "to", "sent"),
    [("4", "", {"copy": "1"}), ("3", "", {"copy": "1", "following": "1"}), ("4", "Waiting on contact", {}),
     ("2", "Waiting on contact", {"following": "1"})],
)  # fmt: skip
def test_what_takes_a_permission_of_its_own_is_put_elsewhere_by_who_has_it_R_WFA_12_R_ACT_9(
    office, client, sign_in, coded, step, to, sent
):
    before = definition_of(office, coded)
    with office.inside() as world:
        stage = world.stage(to) if to else coded[1]
    placed = {"to": f"{stage}:", **sent}
    address = url("lane-step-placed", *coded, step)

    refused = client.post(address, placed)

    assert refused.status_code == 403
    assert "You don't have permission to use this." in text(refused)
    assert definition_of(office, coded) == before
    with office.inside():
        assert stage == coded[1] or lanes.lane_of(stage, "ticket") is None
    assert sign_in(office.world.ada).post(address, placed).status_code == 302
    assert definition_of(office, coded) != before
    with office.inside():
        assert lanes.lane_of(stage, "ticket") is not None


def test_a_lane_that_takes_a_permission_is_switched_on_by_who_has_it_R_WFA_12(office, client, sign_in, coded):
    refused = client.post(url("lane-switch", *coded), {"on": "1", "present": "0"})

    assert refused.status_code == 403
    assert "takes a permission that you don't have" in text(refused)
    sign_in(office.world.ada).post(url("lane-switch", *coded), {"on": "1", "present": "0"})
    with office.inside():
        assert lanes.lane_of(coded[1], "ticket").is_on
    assert client.post(url("lane-switch", *coded), {"on": "0"}).status_code == 302


def test_a_step_that_takes_a_permission_is_moved_within_its_lane_by_anybody_R_ACT_9(office, client, coded):
    asked = text(client.get(url("lane-step-place", *coded, "4")))

    assert re.search(r'name="copy" value="1"[^>]* disabled', asked)
    assert "You don't have permission to copy this." in asked
    assert client.post(url("lane-step-placed", *coded, "4"), {"to": f"{coded[1]}:"}).status_code == 302
    assert definition_of(office, coded).start == Edge("4")


def test_lanes_of_deals_have_the_same_drawers_for_who_edits_workflows_R_ACT_41_R_OBJ_2(
    office, client, sign_in
):
    office.role(office.world.bob, "workflow_editor")
    with office.inside():
        found = pipelines_of("deal").default
        place = [found.id, found.first_open.id]
    typed = {"kind": "delay", "wait": "property", "property": "createdate", "side": "on"}

    editor = sign_in(office.world.bob)
    assert editor.post(url("lane-step-add", *place), typed).status_code == 302
    with office.inside():
        wait = workflows.definition_of(lanes.lane_of(place[1], "deal")).by_id["1"].wait
    assert wait == UntilProperty("createdate")
    assert client.post(url("lane-step-add", *place), typed).status_code in (403, 404)


def test_actions_are_found_by_their_words_without_scripts(client, lane):
    found = text(client.get(url("lane-step-new", *lane, after="3", q="branch+value")))

    assert "kind=value-equals" in found
    assert "kind=create_task" not in found
    assert "Nothing is called that." in text(client.get(url("lane-step-new", *lane, after="3", q="zebra")))


def test_the_page_asks_as_much_for_many_steps_of_all_kinds_as_for_one(
    office, client, lane, django_assert_max_num_queries
):
    client.get(url("automate", lane[0]))
    with django_assert_max_num_queries(200) as few:
        client.get(url("automate", lane[0]))
    at = edit.Place("3")
    for fork in FORKS:
        saved(office, lane, lambda d, fork=fork, at=at: edit.insert(d, fork, at)[0])
        at = edit.Place(str(definition_of(office, lane).next_id - 1), "0")
        for wait in (
            UntilTime(540),
            UntilProperty("closed_date"),
            UntilEvent(EventMatch("ticket.closed"), THREE_DAYS),
        ):
            saved(
                office,
                lane,
                lambda d, wait=wait, at=at: edit.insert(d, Delay("", wait, cancel_if=URGENT), at)[0],
            )
            at = edit.Place(str(definition_of(office, lane).next_id - 1))

    with django_assert_max_num_queries(len(few.captured_queries) + 3):
        client.get(url("automate", lane[0]))
