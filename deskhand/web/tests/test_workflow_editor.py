"""The editor of workflows, by plain forms and in parts."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.accounts.models import Account, Membership, Plan, Team
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import viewer_for
from deskhand.automation import drafts, lanes, templates, uses, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Edge,
    Ends,
    EventMatch,
    ForAmount,
    IfThen,
    Manual,
    Reenrollment,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.engine.edit import START
from deskhand.automation.models import Enrollment, StepLog, Workflow, WorkflowRevision
from deskhand.automation.tests.runs import enroll, go
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator, leaves
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.records import associations, companies, objects, tickets
from deskhand.crm.records.models import PropertyChange
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import association_labels, object_types, properties, tags
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.types import Option as Tag
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.routing.types import Strategy
from deskhand.testing.world import add_stage
from deskhand.web.tests.conftest import add_statuses, being_switched_on, look_up, options, queries_of, text_of
from deskhand.web.workflows.editor.events import AskedOfEvent

HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(office, sign_in):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
    return sign_in(office.world.ada)


@pytest.fixture
def flow(office, admin):
    with office.inside() as world:
        return workflows.create(world.account.pk, "Triage", Definition("ticket"), by=world.ada.pk)


class Editor:
    """What somebody does in it."""

    def __init__(self, office, client, workflow):
        self.office, self.client, self.workflow = office, client, workflow

    def url(self, name, *args, **query):
        address = reverse(f"workflow-edit{'-' if name else ''}{name}", args=[self.workflow.pk, *args])
        return address + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")

    def page(self, name="", *args, **query):
        return unescape(self.client.get(self.url(name, *args, **query)).content.decode())

    def token(self):
        with self.office.inside():
            return drafts.of(Workflow.objects.get(pk=self.workflow.pk)).token

    def post(self, name, *args, data=None, htmx=False, **more):
        sent = {"token": self.token()} | (data or {}) | more
        return self.client.post(self.url(name, *args), sent, headers=HTMX if htmx else {})

    def add(self, kind, after="", slot="", **typed):
        return self.post("added", data={"kind": kind, "after": after, "slot": slot, **typed})

    def definition(self):
        with self.office.inside():
            return drafts.of(Workflow.objects.get(pk=self.workflow.pk)).definition


@pytest.fixture
def editor(office, admin, flow):
    return Editor(office, admin, flow)


def test_an_empty_workflow_shows_its_trigger_and_where_to_begin(editor):
    page = editor.page()

    assert "Enroll by hand" in page
    assert "Add the first action" in page
    assert page.count("need attention") + page.count("needs attention") == 1


def test_how_it_stands_is_told_by_itself_while_it_is_being_switched_on_R_WF_20(office, admin, monkeypatch):
    flow = being_switched_on(office, monkeypatch)
    url = reverse("workflow-edit-state", args=[flow.pk])
    assert f'hx-get="{url}"' in admin.get(reverse("workflow-edit", args=[flow.pk])).content.decode()

    look_up(office, flow)
    before = admin.get(url, headers=HTMX).content.decode().strip()
    look_up(office, flow)
    after = admin.get(url, headers=HTMX).content.decode().strip()

    for said in ('title="Being switched on: 2 of 3 records looked at"', f'hx-get="{url}"', "66 %</span>"):
        assert said in before
    for part in (before, after):
        assert part.startswith('<span class="pill wf-state"')
        assert "hx-partial" not in part
    assert after.endswith("On</span>")
    assert "hx-get" not in after


def test_actions_are_added_edited_and_deleted_in_the_draft(editor):
    added = editor.add("create_task", title="Call", assignee="owner")
    assert added.status_code == 302

    editor.add("delay", "1", wait="amount", amount_days="2")
    page = editor.page()
    assert all(words in page for words in ("Wait 2 days", "Call", "Draft"))

    editor.post("step-save", 1, title="Write", assignee="owner")
    assert editor.definition().by_id["1"].settings["title"] == "Write"
    assert editor.definition().by_id["2"].wait == ForAmount(timedelta(days=2))

    editor.post("step-deleted", 1, what="one")
    assert [step.id for step in editor.definition().steps] == ["2"]
    with editor.office.inside():
        assert WorkflowRevision.objects.filter(workflow=editor.workflow).count() == 1


NAMED = {"deal": {"dealname": "Boat"}, "project": {"hs_name": "Boat"}}


@pytest.mark.parametrize("object_type", ["contact", "company", "deal", "project"])
def test_every_kind_of_record_has_mail_and_notes_R_MAIL_9(office, admin, wired, object_type):
    with office.inside() as world:
        own = templates.create(world.account.pk, "Welcome", by=SYSTEM)
        flow = workflows.create(world.account.pk, "All", Definition(object_type, Manual()), by=world.ada.pk)
        contact = world.contact()
        record = contact.pk
        if object_type != "contact":
            record = (
                companies.create("Fjällbo", by=SYSTEM).pk
                if object_type == "company"
                else objects.create(object_type, NAMED[object_type], by=SYSTEM).id
            )
            associations.connect(object_type, record, "contact", contact.pk, by=SYSTEM)
    editor = Editor(office, admin, flow)
    offered = editor.page("add")
    assert "Send email" in offered
    assert "Add a note" in offered

    editor.add("send_email", template=str(own.pk), recipients="first")
    editor.add("create_note", "1", text="Told {{ contact.email }}")
    assert "Welcome" in editor.page()
    with office.inside() as world:
        drafts.publish(Workflow.objects.get(pk=flow.pk), by=world.ada.pk)
        workflows.switch(Workflow.objects.get(pk=flow.pk), True, by=world.ada.pk)
        run = enroll(Workflow.objects.get(pk=flow.pk), record, object_type=object_type)
        go()
        steps = list(
            StepLog.objects.filter(enrollment_id=run.pk).order_by("id").values_list("status", "message")
        )
        notes = PropertyChange.objects.filter(object_type=object_type, record_id=record, property="@note")
        assert [one.new["text"] for one in notes] == ["Told astrid@fjallbo.example"]
        assert EventRow.objects.get(kind=f"{object_type}.noted").cause["workflow_id"] == flow.pk

    assert steps == [("SUCCEEDED", "Sent to astrid@fjallbo.example"), ("SUCCEEDED", "Added a note")]
    if object_type in ("contact", "company"):
        page = admin.get(reverse(object_type, args=[record])).content.decode()
        assert "Told astrid@fjallbo.example" in page


def test_all_panels_open(editor):
    editor.add("create_task", title="Call", assignee="owner")
    editor.add(
        "if-then",
        "1",
        way="0",
        **{
            "way0-name": "Urgent",
            "way0-when-f": "",
            "way0-when-edit": "0.0",
            "way0-when-prop": "ticket.hs_ticket_priority",
            "way0-when-op": "any_of",
            "way0-when-value": ["HIGH"],
        },
    )
    assert isinstance(editor.definition().by_id["2"], IfThen)
    for name, args in [
        ("add", []),
        ("trigger", []),
        ("settings", []),
        ("review", []),
        ("switch", []),
        ("step", [1]),
        ("step", [2]),
        ("step-delete", [2]),
        ("step-place", [1]),
        ("step-comments", [1]),
    ]:
        assert "panel-title" in editor.page(name, *args), name
        assert editor.client.get(editor.url(name, *args), headers=HTMX).status_code == 200
    for kind in (
        "delay",
        "if-then",
        "value-equals",
        "random-split",
        "send_email",
        "internal_email",
        "set_property",
    ):
        assert "panel-form" in editor.page("add", kind=kind), kind
    page = editor.page()
    assert "Urgent" in page
    assert "None met" in page


# ── back and forth, and others at work ───────────────────────────────────────────────────────────────────────────────


def test_a_choice_has_one_empty_option_where_it_says_what_empty_is_R_WFA_8(editor):
    panel = editor.page("add", kind="create_task")

    empty = re.findall(r'<option value=""[^>]*>([^<]*)</option>', panel)
    assert sorted(empty) == ["No reminder", "No task queue"]


def test_what_is_ticked_stays_where_it_is_while_the_form_is_drawn_anew(editor):
    typed = {"kind": "create_record", "record_type": "company"}
    offered = re.compile(r'name="also" value="(\w+)"( checked)?')

    drawn = editor.post("added", data=typed | {"redraw": "record_type"})
    before = [name for name, _checked in offered.findall(drawn.content.decode())]
    last = before[-1]
    drawn = editor.post("added", data=typed | {"also": last, "redraw": "also", "redraw-box": last})

    found = offered.findall(drawn.content.decode())
    assert [name for name, _checked in found] == before
    assert [name for name, checked in found if checked] == [last]
    assert re.search(rf'data-drawn-again autofocus name="also" value="{last}"', drawn.content.decode())


@pytest.mark.parametrize("kind", ["update_association_labels", "remove_association_labels"])
def test_where_there_are_no_labels_of_links_the_form_leads_to_where_they_are_made(office, editor, kind):
    place = 'href="/settings/tickets/links"'
    said = "There are no labels between these kinds of records."
    lacking = editor.page("add", kind=kind)
    with office.inside():
        association_labels.create("ticket", "contact", "VIP", "Is VIP of", by=SYSTEM)
    having = editor.page("add", kind=kind)

    assert (place in lacking, said in lacking) == (True, True)
    assert (place in having, said in having) == (False, False)


def test_edits_are_undone_and_redone_by_buttons(editor):
    editor.add("create_task", title="Call", assignee="owner")

    assert editor.post("undo").status_code == 302
    assert editor.definition().steps == ()
    answer = editor.post("redo", htmx=True)
    assert "node-1" in answer.content.decode()
    assert editor.post("redo").status_code == 422
    editor.post("discard")
    assert "Draft" not in editor.page()


def test_who_was_overtaken_sees_what_came_and_keeps_what_was_typed(editor):
    seen = editor.token()
    editor.add("create_task", title="Call", assignee="owner")

    answer = editor.post(
        "added",
        data={
            "token": seen,
            "kind": "create_task",
            "after": "",
            "slot": "",
            "title": "Write first",
            "assignee": "owner",
        },
    )

    page = unescape(answer.content.decode())
    assert answer.status_code == 409
    assert "Ada Sørensen added “Create task”." in page or "added “Create task”." in page
    assert 'value="Write first"' in page
    assert editor.token() in page
    assert len(editor.definition().steps) == 1


# ── branches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def fork(editor, *names):
    typed = {"kind": "if-then", "after": "", "slot": "", "way": [str(n) for n, _name in enumerate(names)]}
    for n, name in enumerate(names):
        begin = f"way{n}"
        typed |= {f"{begin}-name": name, f"{begin}-when-f": "", f"{begin}-when-edit": "0.0", f"{begin}-when-prop": "ticket.subject", f"{begin}-when-op": "contains", f"{begin}-when-value": name}  # fmt: skip
    return editor.post("added", data=typed)


def test_branches_keep_their_steps_when_they_are_put_in_order_R_BR_3(editor):
    fork(editor, "one", "two")
    editor.add("create_task", "1", "0", title="First", assignee="owner")
    page = editor.page("step", 1)
    stored = re.findall(
        r'name="way(\d)-when-f" value="([^"]*)"', editor.client.get(editor.url("step", 1)).content.decode()
    )
    typed = {f"way{n}-when-f": unescape(text) for n, text in stored} | {
        "way0-name": "one",
        "way1-name": "two",
        "way0-origin": "0",
        "way1-origin": "1",
    }

    assert 'name="way0-name"' in page
    drawn = editor.post("step-save", 1, data=typed | {"way": ["0", "1"], "redraw": "ways down 0"})
    assert re.findall(r'name="way" value="(\d)"', drawn.content.decode()) == ["1", "0"]
    editor.post("step-save", 1, data=typed | {"way": ["1", "0"]})

    step = editor.definition().by_id["1"]
    assert [(branch.name, branch.next.to if branch.next else "") for branch in step.branches] == [
        ("two", ""),
        ("one", "2"),
    ]


def test_a_copied_branch_takes_its_steps_along_R_BR_3(editor):
    fork(editor, "one")
    editor.add("create_task", "1", "0", title="First", assignee="owner")
    stored = unescape(
        re.search(
            r'name="way0-when-f" value="([^"]*)"', editor.client.get(editor.url("step", 1)).content.decode()
        )[1]
    )
    both = {
        "way0-when-f": stored,
        "way1-when-f": stored,
        "way0-name": "one",
        "way1-name": "more",
        "way0-origin": "0",
        "way1-copies": "0",
    }

    editor.post("step-save", 1, data=both | {"way": ["0", "1"]})

    branches = editor.definition().by_id["1"].branches
    assert [branch.next.to for branch in branches] == ["2", "3"]


def test_a_fork_goes_with_one_branch_kept_R_ACT_8(editor):
    fork(editor, "one", "two")
    editor.add("create_task", "1", "1", title="Stay", assignee="owner")

    assert "keep:1" in editor.page("step-delete", 1)
    editor.post("step-deleted", 1, what="keep:1")

    assert [step.id for step in editor.definition().steps] == ["2"]


def test_a_way_back_without_a_delay_is_refused_R_BR_9(editor):
    editor.add("create_task", title="Call", assignee="owner")

    refused = editor.add("go-to", "1", target="1")
    assert refused.status_code == 422
    editor.add("delay", "1", wait="amount", amount_days="1")
    assert editor.add("go-to", "2", target="1").status_code == 302
    assert "End here instead" in editor.page()
    editor.client.post(editor.url("end", after="2"), {"token": editor.token()})
    assert editor.definition().by_id["2"].next is None


@pytest.mark.parametrize(
    ("typed", "wait"),
    [
        ({"wait": "date", "day": "2026-12-24", "time": "09:30", "if_past": "otherwise"}, "UntilDate"),
        ({"wait": "property", "property": "createdate", "side": "before", "offset_days": "2", "if_past": "next", "if_empty": "otherwise"}, "UntilProperty"),
        ({"wait": "weekday", "days": ["0", "4"], "time": "08:00"}, "UntilWeekday"),
        ({"wait": "time", "time": "17:00"}, "UntilTime"),
        ({"wait": "event", "event-kind": "ticket.reply_sent", "at_most_days": "2"}, "UntilEvent"),
    ],
)  # fmt: skip
def test_all_kinds_of_delay_are_set_R_DELAY_1(editor, typed, wait):
    assert editor.add("delay", **typed).status_code == 302

    assert type(editor.definition().by_id["1"].wait).__name__ == wait
    assert "panel-form" in editor.page("step", 1)


def test_a_delay_waits_for_the_task_of_an_earlier_step_R_DELAY_6(editor):
    editor.add("create_task", title="Call back", assignee="owner")
    editor.add("delay", "1", wait="event", **{"event-kind": "task.done", "of_step": "any"})
    assert editor.definition().by_id["2"].wait.of_step == ""
    drawn = unescape(editor.page("step", 2))
    assert "Any task of the record" in drawn
    assert re.search(r'<option value="1"[^>]*>1\. Create task: ', drawn)

    editor.post("step-save", 2, data={"wait": "event", "event-kind": "task.done", "of_step": "1"})
    assert editor.definition().by_id["2"].wait.of_step == "1"
    assert re.search(r'<option value="1"[^>]*selected', editor.page("step", 2))

    gone = editor.post("step-save", 2, data={"wait": "event", "event-kind": "task.done", "of_step": "9"})
    assert gone.status_code == 422
    editor.post("step-save", 2, data={"wait": "event", "event-kind": "ticket.reply_sent", "of_step": "1"})
    assert editor.definition().by_id["2"].wait.of_step == ""
    assert "Any task of the record" not in editor.page("step", 2)


# ── the trigger ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_are_built_without_scripts_R_TRIG_2(editor):
    drawn = editor.post(
        "trigger-save", data={"kind": "filter", "when-f": "", "when-edit": "", "redraw": "when or"}
    ).content.decode()
    assert 'id="when-prop"' in drawn
    drawn = editor.post(
        "trigger-save",
        data={
            "kind": "filter",
            "when-f": "",
            "when-edit": "0.0",
            "when-prop": "ticket.hs_ticket_priority",
            "redraw": "when draw",
        },
    ).content.decode()
    assert 'name="when-value" value="HIGH"' in drawn

    editor.post("trigger-save", data={
        "kind": "filter", "when-f": "", "when-edit": "0.0", "when-prop": "ticket.hs_ticket_priority", "when-op": "any_of", "when-value": ["HIGH"],
        "again": "1", "again_on": ["0"],
    })  # fmt: skip

    definition = editor.definition()
    assert isinstance(definition.trigger, WhenTrue)
    assert definition.reenrollment.is_on
    assert len(definition.reenrollment.on) == 1
    assert "is any of" in editor.page()


def test_only_filters_that_can_fire_are_offered_to_bring_records_back_R_RE_10(office, editor):
    """What messages set is told by no change; of a linked contact any filter may be chosen."""
    condition = AllOf((
        Filter("hs_last_message_received_at", Kind.DATETIME, Operator.KNOWN),
        Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",)),
        Associated("contact", Filter("city", Kind.TEXT, Operator.KNOWN)),
    ))  # fmt: skip
    typed = {"kind": "filter", "when-f": json.dumps(to_json(condition)), "again": "1"}
    drawn = editor.post("trigger-save", data=typed | {"redraw": "again"}).content.decode()
    assert re.findall(r'name="again_on"[^>]* value="(\d)"', drawn) == ["1", "2"]
    assert "calculated or set by messages" in drawn

    editor.post("trigger-save", data=typed | {"again_on": ["0", "1"]})
    again = editor.definition().reenrollment
    assert [leaf.property for leaf in again.on] == ["hs_ticket_priority"]

    editor.add("create_task", title="Call", assignee="owner")
    late = replace(editor.definition(), reenrollment=replace(again, on=(condition.parts[0],)))
    with office.inside() as world:
        drafts.change(Workflow.objects.get(pk=editor.workflow.pk), lambda _old: late, did={}, by=world.ada.pk)
    assert "set by messages can't enroll again" in unescape(editor.post("publish").content.decode())


def test_being_in_a_segment_or_a_workflow_is_asked_like_a_property_R_TRIG_4(office, editor):
    with office.inside():
        vip = segments.create("ticket", "Watched", SegmentKind.STATIC, by=SYSTEM)
        segments.create("contact", "Best customers", SegmentKind.STATIC, by=SYSTEM)
    where = {"kind": "filter", "when-f": "", "when-edit": ""}
    drawn = editor.post("trigger-save", data=where | {"redraw": "when or"}).content.decode()
    for offered in ("ticket.*segment", "ticket.*workflow", "contact.*segment"):
        assert f'value="{offered}"' in drawn
    assert "contact.*workflow" not in drawn
    opened = where | {"when-edit": "0.0", "when-prop": "ticket.*segment"}
    drawn = unescape(editor.post("trigger-save", data=opened | {"redraw": "when draw"}).content.decode())
    assert "is in any of" in drawn
    assert f'name="when-value" value="{vip.pk}"' in drawn
    wrong = editor.post("trigger-save", data=opened | {"when-op": "none_of", "when-value": ["999"]})
    assert wrong.status_code == 422
    assert "Choose from the list." in unescape(wrong.content.decode())

    editor.post("trigger-save", data=opened | {"when-op": "none_of", "when-value": [str(vip.pk)]})

    (found,) = leaves(editor.definition().trigger.condition)
    assert found == MemberOf("segment", (vip.pk,), is_member=False)
    assert all(said in editor.page() for said in ("Segment", "is in none of", "Watched"))
    with office.inside() as world:
        assert [use.name for use in uses.segments(world.account.pk, [vip.pk])[vip.pk]] == ["Triage"]


def test_who_enters_leaves_the_workflows_that_are_chosen_R_UN_6(office, editor):
    with office.inside() as world:
        other = workflows.create(world.account.pk, "Reminders", Definition("ticket"), by=world.ada.pk)
        workflows.create(world.account.pk, "Of contacts", Definition("contact"), by=world.ada.pk)
    typed = {"name": "Triage", "others": "these"}
    drawn = editor.post("settings-save", data=typed | {"redraw": "others"}).content.decode()
    assert list(boxes(drawn, "ends")) == [str(other.pk)]
    assert editor.post("settings-save", data=typed).status_code == 422

    editor.post("settings-save", data=typed | {"ends": [str(other.pk)]})
    assert editor.definition().leaving.ends == Ends((other.pk,))
    with office.inside() as world:
        assert [use.name for use in uses.workflows(world.account.pk, [other.pk])[other.pk]] == ["Triage"]
    page = editor.page("settings")
    assert boxes(page, "ends") == {str(other.pk): True}

    editor.post("settings-save", data={"name": "Triage", "others": "all"})
    assert editor.definition().leaving.ends == Ends()


def test_segments_stay_out_of_a_workflow_R_UN_3(office, editor):
    assert "Segments that stay out" not in editor.page("settings")
    with office.inside():
        vip = segments.create("ticket", "Watched", SegmentKind.STATIC, by=SYSTEM)
    assert "Segments that stay out" in editor.page("settings")

    editor.post("settings-save", data={"name": "Triage", "segments": [str(vip.pk)]})

    assert editor.definition().leaving.segments == (vip.pk,)
    assert f'name="segments" value="{vip.pk}" checked' in editor.page("settings")
    assert "Watched" in editor.page("review")
    editor.post("settings-save", data={"name": "Triage"})
    assert editor.definition().leaving.segments == ()


def test_records_are_called_as_the_account_calls_them_R_OBJ_5(office, admin):
    with office.inside() as world:
        object_types.rename("deal", "Offer", "Offers", by=SYSTEM)
        made = workflows.create(world.account.pk, "Won", Definition("deal"), by=world.ada.pk)

    assert "Offers" in admin.get(f"/workflows/{made.pk}").content.decode()
    assert ">Offers<" in admin.get("/workflows/new").content.decode()


def test_a_filter_that_misses_its_value_is_told(editor):
    answer = editor.post(
        "trigger-save",
        data={
            "kind": "filter",
            "when-f": "",
            "when-edit": "0.0",
            "when-prop": "ticket.subject",
            "when-op": "contains",
            "when-value": "",
        },
    )

    assert answer.status_code == 422
    assert "Give a value." in answer.content.decode()


@pytest.mark.parametrize(
    ("typed", "trigger"),
    [
        ({"kind": "manual"}, "Manual"),
        ({"kind": "event", "event": "0", "event0-kind": "ticket.closed"}, "WhenEvent"),
        ({"kind": "schedule", "every": "week", "weekdays": ["0"], "time": "08:00", "when-f": ""}, "WhenScheduled"),
        ({"kind": "date", "property": "createdate", "side": "after", "days": "3", "time": "08:00", "when-f": ""}, "WhenDated"),
        ({"kind": "call", "field": "number", "unique": "hs_ticket_id"}, "WhenCalled"),
    ],
)  # fmt: skip
def test_all_kinds_of_trigger_are_set_R_WF_2(editor, typed, trigger):
    if trigger == "Manual":
        editor.post("trigger-save", data={"kind": "event", "event": "0", "event0-kind": "ticket.closed"})
    assert editor.post("trigger-save", data=typed).status_code == 302

    assert type(editor.definition().trigger).__name__ == trigger
    assert "panel-form" in editor.page("trigger")


def test_calls_make_records_only_by_what_can_be_given_R_TRIG_21(editor):
    """Tickets get their number from Deskhand alone: nobody would find one by it that a call has made."""
    called = {"kind": "call", "field": "number", "unique": "hs_ticket_id", "may_create": "1"}

    assert (
        'name="may_create"'
        not in editor.post("trigger-save", data={**called, "redraw": "unique"}).content.decode()
    )
    editor.post("trigger-save", data=called)

    assert not editor.definition().trigger.may_create


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"kind": "schedule", "redraw": "kind"}, {"time": "09:00"}),
        ({"kind": "schedule", "every": "month", "time": "", "redraw": "every"}, {"time": "", "day": "1"}),
        ({"kind": "schedule", "every": "month", "time": "08:00", "day": "", "redraw": "every"}, {"time": "08:00", "day": ""}),
        ({"kind": "date", "redraw": "kind"}, {"time": "09:00"}),
    ],
)  # fmt: skip
def test_fields_that_come_with_what_starts_it_begin_with_their_defaults_R_WF_2(editor, typed, fields):
    """And what somebody has cleared stays so."""
    page = editor.post("trigger-save", data={"when-f": "", **typed}).content.decode()

    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        if (name := re.search(r'\bname="(\w+)"', tag)) and name[1] in fields:
            found[name[1]] = value[1] if (value := re.search(r'\bvalue="([^"]*)"', tag)) else ""
    assert found == fields


def test_a_property_change_is_an_event_with_values_R_TRIG_18(editor):
    editor.post(
        "trigger-save",
        data={
            "kind": "event",
            "event": "0",
            "event0-kind": "ticket.property_changed",
            "event0-property": "hs_ticket_priority",
            "event0-after": ["HIGH"],
        },
    )

    assert 'Priority <i>changed</i> <span class="tag">to High</span>' in re.sub(
        r"<span>|(?<=Priority)</span>", "", editor.page()
    )


def test_the_channel_of_a_message_is_chosen_as_in_filters_R_TRIG_18(office):
    with office.inside():
        ours, me = office.world.channel, viewer_for(office.world.account.pk, office.world.ada.pk)
        asked = AskedOfEvent(me, "ticket", "message.received")
        offered = asked.choices_of("ticket", asked.facts["channel_account_id"])

    assert [(one.value, one.label) for one in offered] == [(str(ours.pk), f"{ours.name} ({ours.address})")]


def left(office, person):
    with office.inside():
        Membership.objects.filter(user=person).update(is_active=False)


def boxes(page, name):
    """{value: whether it is ticked} of check boxes."""
    found = re.findall(rf'<input type="checkbox" name="{name}"[^>]* value="([^"]*)"([^>]*)>', page)
    return {value: "checked" in rest for value, rest in found}


def test_who_left_stays_in_a_trigger_and_is_shown_so_R_TRIG_18(office, editor):
    """The event would answer to any owner, if the one that can't be chosen any more fell out with the next save."""
    grace = office.world.grace
    typed = {
        "kind": "event",
        "event": "0",
        "event0-kind": "ticket.property_changed",
        "event0-property": "hubspot_owner_id",
    }
    editor.post("trigger-save", data=typed | {"event0-after": [str(grace.pk)]})
    before = editor.definition().trigger
    left(office, grace)

    drawn = editor.page("trigger")
    assert boxes(drawn, "event0-after")[str(grace.pk)]
    assert "Grace Hopper (not there any more)" in drawn
    assert "to Grace Hopper (not there any more)" in editor.page()
    kept = [value for value, ticked in boxes(drawn, "event0-after").items() if ticked]
    editor.post("trigger-save", data=typed | {"event0-after": kept, "again": "1"})
    assert editor.definition().trigger == before

    editor.post("trigger-save", data=typed)
    assert "Grace" not in editor.page("trigger")
    wrong = editor.post("trigger-save", data=typed | {"event0-after": [str(office.world.eve.pk), "999"]})
    assert wrong.status_code == 422


def test_a_deleted_segment_and_status_stay_in_filters_until_they_are_unticked_R_TRIG_4(office, editor):
    with office.inside() as world:
        vip = segments.create("ticket", "Watched", SegmentKind.STATIC, by=SYSTEM)
        stage = world.stage("Closed")
    condition = AllOf((
        Filter("hs_pipeline_stage", Kind.ENUM, Operator.NONE_OF, (str(stage), "999")), MemberOf("segment", (vip.pk, 998)),
    ))  # fmt: skip
    typed = {"kind": "filter", "when-f": json.dumps(to_json(condition))}
    assert editor.post("trigger-save", data=typed).status_code == 302
    assert "#999 (not there any more)" in editor.page()

    drawn = unescape(editor.post("trigger-save", data=typed | {"redraw": "when edit 0.0"}).content.decode())
    ticked = [value for value, on in boxes(drawn, "when-value").items() if on]
    assert ticked == [str(stage), "999"]
    opened = typed | {"when-edit": "0.0", "when-prop": "ticket.hs_pipeline_stage", "when-op": "none_of"}
    editor.post("trigger-save", data=opened | {"when-value": ticked})
    assert next(iter(leaves(editor.definition().trigger.condition))).values == (str(stage), "999")

    drawn = unescape(editor.post("trigger-save", data=typed | {"redraw": "when edit 0.1"}).content.decode())
    assert boxes(drawn, "when-value") == {str(vip.pk): True, "998": True}
    opened = typed | {"when-edit": "0.1", "when-prop": "ticket.*segment", "when-op": "any_of"}
    wrong = editor.post("trigger-save", data=opened | {"when-value": [str(vip.pk), "998"]})
    assert "Choose from the list." in unescape(wrong.content.decode())


def statuses_of(drawn: str) -> dict[str, bool]:
    """The statuses that an open filter offers, and which one is chosen."""
    return {pk: is_chosen for pk, _label, is_chosen in options(drawn, "when-status")}


def test_times_by_status_are_offered_once_and_the_filter_asks_for_the_status_R_PROP_3(office, editor):
    with office.inside() as world:
        new, closed = world.stage("New"), world.stage("Closed")
    typed = {"kind": "filter", "when-f": "", "when-edit": "0.0"}

    offered = unescape(editor.post("trigger-save", data=typed | {"redraw": "when draw"}).content.decode())
    assert re.findall(r'<option value="(ticket\.hs_v2\w*)">([^<]*)<', offered) == [
        ("ticket.hs_v2_date_entered", "Date entered a status"),
        ("ticket.hs_v2_date_exited", "Date left a status"),
        ("ticket.hs_v2_latest_time_in", "Latest time in a status"),
        ("ticket.hs_v2_cumulative_time_in", "Total time in a status"),
    ]
    typed |= {"when-prop": "ticket.hs_v2_cumulative_time_in"}
    drawn = unescape(editor.post("trigger-save", data=typed | {"redraw": "when draw"}).content.decode())
    assert statuses_of(drawn)[str(new)] is False
    assert True not in statuses_of(drawn).values()

    typed |= {"when-op": "greater", "when-value": "2", "when-unit": "hour"}
    for status, refusal in (("", "Choose a status."), ("999", "Choose from the list.")):
        wrong = editor.post("trigger-save", data=typed | {"when-status": status})
        assert wrong.status_code == 422
        assert refusal in unescape(wrong.content.decode())
    assert editor.post("trigger-save", data=typed | {"when-status": str(closed)}).status_code == 302
    (leaf,) = leaves(editor.definition().trigger.condition)
    assert leaf == Filter(f"hs_v2_cumulative_time_in_{closed}", Kind.DURATION, Operator.GREATER, (Decimal(7_200_000),))  # fmt: skip
    assert "Total time in “Closed” is greater than 2 hours" in text_of(editor.page())

    kept = {"kind": "filter", "when-f": json.dumps(to_json(leaf)), "redraw": "when edit 0.0"}
    again = unescape(editor.post("trigger-save", data=kept).content.decode())
    assert [pk for pk, is_chosen in statuses_of(again).items() if is_chosen] == [str(closed)]


def test_a_filter_by_the_times_of_a_deleted_status_says_so_and_takes_another_R_PIPE_10(office, editor):
    with office.inside() as world:
        held = add_stage(pipelines.find("ticket", world.tickets.default.id), "On hold", StageState.OPEN)
        new, old = world.stage("New"), str(held.pk)
    leaf = Filter(f"hs_v2_date_entered_{old}", Kind.DATETIME, Operator.KNOWN)
    typed = {"kind": "filter", "when-f": json.dumps(to_json(leaf))}
    assert editor.post("trigger-save", data=typed).status_code == 302
    with office.inside():
        pipelines.delete_stage(held, in_use=0, by=SYSTEM)

    assert "Date entered “On hold” (not there any more) is known" in text_of(editor.page())
    drawn = unescape(editor.post("trigger-save", data=typed | {"redraw": "when edit 0.0"}).content.decode())
    assert statuses_of(drawn)[old] is True
    assert "On hold (not there any more)</option>" in drawn
    opened = typed | {"when-edit": "0.0", "when-prop": "ticket.hs_v2_date_entered", "when-op": "known"}
    editor.post("trigger-save", data=opened | {"when-status": old})
    assert next(iter(leaves(editor.definition().trigger.condition))) == leaf
    editor.post("trigger-save", data=opened | {"when-status": str(new)})
    assert next(iter(leaves(editor.definition().trigger.condition))).property == f"hs_v2_date_entered_{new}"


def test_a_condition_is_as_long_with_many_statuses_as_with_few_R_PROP_3(office, editor):
    """Until a time by status is asked for, and then by their list alone; nor does it take more queries."""
    typed = {"kind": "filter", "when-f": "", "when-edit": "0.0", "redraw": "when draw"}
    of_a_status = typed | {"when-prop": "ticket.hs_v2_date_entered"}

    def drawn(data):
        with CaptureQueriesContext(connection) as seen:
            page = editor.post("trigger-save", data=data).content.decode()
        return page, len(seen)

    few, few_of_a_status = drawn(typed), drawn(of_a_status)
    options = add_statuses(office, 60)
    many, many_of_a_status = drawn(typed), drawn(of_a_status)

    assert "Station 7" not in many[0]
    assert options in many_of_a_status[0]
    assert len(many[0]) == len(few[0])
    assert len(many_of_a_status[0]) - len(few_of_a_status[0]) == len(options)
    assert (many[1], many_of_a_status[1]) == (few[1], few_of_a_status[1])


def test_what_a_step_names_and_is_gone_is_not_dropped_without_a_word_R_WFA_7(office, editor):
    grace, ada = office.world.grace, office.world.ada
    editor.add("notify", users=[str(grace.pk), str(ada.pk)], subject="Look")
    (step,) = editor.definition().steps
    left(office, grace)

    drawn = editor.page("step", step.id)
    assert boxes(drawn, "users") == boxes(drawn, "users") | {str(grace.pk): True, str(ada.pk): True}
    assert "Grace Hopper (not there any more)" in drawn
    saved = editor.post("step-save", step.id, data={"users": [str(grace.pk), str(ada.pk)], "subject": "Look"})
    assert saved.status_code == 422
    assert "names “Grace Hopper”, which is not there any more." in unescape(saved.content.decode())


OWN = {
    "hubspot_owner_id": None, "hs_assigned_team_ids": None, tags.TAGS: None, "subject": None, "closed_date": None,
    "vip": Kind.BOOL, "parts": Kind.MULTI, "weight": Kind.NUMBER, "due": Kind.DATE,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "typed", "was", "meant", "other"),
    [
        ("hubspot_owner_id", {"after": "ada"}, None, "ada", "grace"),
        ("hubspot_owner_id", {"before": "grace", "after": "ada"}, "grace", "ada", None),
        ("hs_assigned_team_ids", {"after": "front"}, ["back"], ["back", "front"], []),
        ("hs_assigned_team_ids", {"before": "front"}, ["front", "back"], ["back"], ["front"]),
        (tags.TAGS, {"after": "1"}, ["2"], ["2", "1"], []),
        ("vip", {"after": "true"}, False, True, None),
        ("vip", {"before": "true", "after": "false"}, True, False, None),
        ("parts", {"after": "lamp"}, ["bulb"], ["bulb", "lamp"], []),
        ("parts", {"before": "bulb", "after": "lamp"}, ["bulb"], ["lamp"], ["bulb", "lamp"]),
        ("subject", {"after": "Refund; return"}, "Lamp", "REFUND", "Refund of a lamp"),
        ("weight", {"before": "1,5", "after": "0; 2"}, 1.5, 0, 3),
        ("due", {"after": "2026-03-01"}, "2026-02-01", "2026-03-01", "2026-03-02"),
        ("due", {"before": "2026-02-01", "after": "2026-03-01"}, "2026-02-01", "2026-03-01", None),
        ("closed_date", {"after": "2026-03-01"}, None, "2026-03-01T15:00:00Z", "2026-03-02T15:00:00Z"),
    ],
)  # fmt: skip
def test_any_property_may_be_asked_from_what_to_what_it_changed_R_TRIG_18(
    office, editor, settle, name, typed, was, meant, other
):
    """As it is typed in the form and heard by the worker. Of two tickets one comes to be as it is `meant`."""
    with office.inside() as world:
        ids = {"ada": world.ada.pk, "grace": world.grace.pk}
        ids |= {key: Team.objects.create(account=world.account, name=key).pk for key in ("front", "back")}
        tags.arrange([Tag("", "Billing"), Tag("", "VIP")], by=SYSTEM)
        if OWN.get(name):
            options = [{"value": one, "label": one} for one in ("lamp", "bulb")] if name == "parts" else []
            properties.create("ticket", name, name.title(), OWN[name], options=options)
        one, two = (tickets.create(NewTicket("Lamp"), by=SYSTEM).id for _ in range(2))
        for ticket in (one, two):
            tickets.update(ticket, {name: _with_ids(was, ids)}, by=SYSTEM)
    sides = {f"event0-{side}": str(ids.get(value, value)) for side, value in typed.items()}
    asked = {"kind": "event", "event": "0", "event0-kind": "ticket.property_changed", "event0-property": name}
    assert editor.post("trigger-save", data=asked | sides).status_code == 302
    editor.add("create_task", title="Call", assignee="owner")
    again = editor.page("trigger")
    assert editor.post("publish").status_code == 200
    settle()
    with office.inside() as world:
        workflows.switch(Workflow.objects.get(pk=editor.workflow.pk), True, by=world.ada.pk)
        for ticket, to in ((one, meant), (two, other)):
            tickets.update(ticket, {name: _with_ids(to, ids)}, by=SYSTEM)
    settle()

    with office.inside():
        found = Enrollment.objects.filter(workflow=editor.workflow)
        assert list(found.values_list("record_id", flat=True)) == [one]
    for field, value in sides.items():
        chosen = re.search(rf'name="{field}"[^>]* value="{value.replace(",", ".")}"( checked)?', again)
        assert chosen is not None, field


def _with_ids(value, ids):
    return [ids.get(one, one) for one in value] if isinstance(value, list) else ids.get(value, value)


def test_a_wrong_value_is_told_at_its_field_and_another_property_begins_empty_R_TRIG_18(office, editor):
    with office.inside():
        properties.create("ticket", "weight", "Weight", Kind.NUMBER)
    typed = {
        "kind": "event", "event": "0", "event0-kind": "ticket.property_changed", "event0-property": "weight", "event0-after": "heavy",
    }  # fmt: skip
    refused = editor.post("trigger-save", data=typed)
    assert refused.status_code == 422
    said = re.search(r'id="error-event0-after".*?</svg>(.{,120})', refused.content.decode(), re.DOTALL)
    assert said is not None
    assert "This is not a number." in said.group(1)

    drawn = editor.post(
        "trigger-save", data=typed | {"event0-property": "subject", "redraw": "event0-property"}
    )
    assert "heavy" not in drawn.content.decode()
    assert 'name="event0-after"' in drawn.content.decode()


def test_a_tag_that_is_put_on_is_an_event_of_its_own_R_TRIG_18(office, editor):
    """Any tag, or those that are chosen; said in a sentence."""
    with office.inside():
        tags.arrange([Tag("", "Billing", "red"), Tag("", "VIP")], by=SYSTEM)
    billing = json.dumps(to_json(Filter("tag_added", Kind.MULTI, Operator.ANY_OF, ("1",))))
    typed = {
        "kind": "event",
        "event": "0",
        "event0-kind": "ticket.tag_added",
        "event0-was": "ticket.tag_added",
        "event0-about-f": billing,
    }
    assert editor.post("trigger-save", data=typed).status_code == 302

    offered = editor.page("trigger")
    assert 'value="ticket.tag_added" selected' in offered
    assert 'value="ticket.tag_removed"' in offered
    shown = text_of(editor.page())
    assert "Tag added" in shown
    assert "Tag is any of Billing" in shown


@pytest.mark.parametrize("mode", ["restart", "queue", "parallel"])
def test_what_is_chosen_for_who_is_inside_is_in_nobodys_way_once_records_come_no_more_R_RE_6(
    office, editor, mode
):
    """Once that is not ticked any more, its field is hidden."""
    event = {"kind": "event", "event": "0", "event0-kind": "ticket.closed"}
    editor.add("create_task", title="Call", assignee="owner")
    editor.post("trigger-save", data=event | {"again": "1", "while_inside": mode})
    editor.post("publish")
    assert editor.post("trigger-save", data=event).status_code == 302
    assert not editor.definition().reenrollment.is_on
    assert 'name="while_inside"' not in editor.page("trigger")

    assert "is published" in editor.post("publish").content.decode()
    assert (
        editor.client.post(reverse("workflow-switch", args=[editor.workflow.pk]), {"on": "1"}).status_code
        == 302
    )
    with office.inside():
        assert Workflow.objects.get(pk=editor.workflow.pk).is_on


# ── publishing, on and off ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_review_tells_what_differs_and_publishes_R_EDIT_4(editor):
    editor.add("create_task", title="Call", assignee="owner")
    review = editor.page("review")
    assert "Added" in review
    assert "1 change" in review

    answer = editor.post("publish", note="Begin")
    assert "Version 2 is published." in answer.content.decode()
    editor.post("step-save", 1, title="Write", assignee="owner")
    review = editor.page("review")
    assert "<del>Call</del>" in review
    assert "<ins>Write</ins>" in review


def test_the_review_names_days_so_that_nobody_takes_the_month_for_the_day_R_EDIT_4(editor):
    editor.post("settings-save", data={"name": "Triage", "pauses": "2026-12-10", "off_after": "2027-02-03"})

    review = editor.page("review")

    assert "10 Dec 2026" in review
    assert "3 Feb 2027" in review


def test_the_review_shows_a_change_in_the_midst_of_a_long_list_R_EDIT_4(office, editor):
    """Elsewhere only the first three values of a filter are told."""

    def asking(*values):
        any_of = Filter("subject", Kind.TEXT, Operator.CONTAINS, values)
        steps = (
            IfThen("1", (Branch("Meant", any_of, Edge("2")),)),
            Action("2", "create_task", {"title": "Call"}),
        )
        return Definition("ticket", WhenTrue(any_of), start=Edge("1"), steps=steps, next_id=3)

    with office.inside():
        flow = Workflow.objects.get(pk=editor.workflow.pk)
        by = flow.created_by_id
        workflows.save(flow, asking("one", "two", "three", "four", "five"), by=by)
        flow.refresh_from_db()
        drafts.change(flow, lambda _old: asking("one", "two", "three", "vier", "five"), did={}, by=by)
    review = editor.page("review")
    assert review.count("vier") == 2
    assert review.count("four") == 2
    assert "more" not in re.sub(r"<[^>]*>", "", re.search(r"<del>.*?</ins>", review, re.S)[0])


def test_problems_lead_to_their_step_and_bar_publishing_R_EDIT_6(editor):
    fork(editor, "one")

    review = editor.page("review")
    assert "Add at least one action." in review
    assert editor.post("publish").status_code == 422


def test_switching_on_asks_and_off_can_be_undone_R_WF_20(editor):
    assert "Add at least one action." in editor.page("switch")
    editor.add("create_task", title="Call", assignee="owner")
    editor.post("publish")
    asked = editor.page("switch")
    assert "People and other workflows choose which." in asked
    assert "No record meets the trigger now." not in asked

    on = editor.client.post(editor.url("switched"), {"to": "on", "present": "0"}).content.decode()
    assert "The workflow is on." in on
    assert 'name="to" value="off"' in on
    editor.client.post(editor.url("switched"), {"to": "pause"})
    with editor.office.inside():
        assert Workflow.objects.get(pk=editor.workflow.pk).is_paused
    assert editor.client.post(editor.url("switched"), {"to": "sideways"}).status_code == 422


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_may_only_look_sees_no_buttons_R_ACT_42(office, sign_in, editor):
    editor.add("create_task", title="Call", assignee="owner")
    office.role(office.world.grace, capabilities=["workflow_view"])
    looking = Editor(office, sign_in(office.world.grace), editor.workflow)

    page = looking.page()
    assert "Call" in page
    assert "wire-plus" not in page
    assert "<dd>Call</dd>" in looking.page("step", 1)
    assert looking.client.get(looking.url("add")).status_code == 403
    assert looking.post("undo").status_code == 403


def test_a_plan_without_workflows_has_no_editor_R_WF_10(office, editor):
    with office.inside() as world:
        Account.objects.filter(pk=world.account.pk).update(plan=Plan.STARTER)

    assert editor.client.get(editor.url("")).status_code == 403
    assert editor.client.get(reverse("workflow-new")).status_code == 403


def test_a_lane_keeps_its_trigger_until_that_is_unlocked_R_ACT_10(office, admin):
    with office.inside() as world:
        lane = lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": "ticket_received"}, by=world.ada.pk
        )
    editor = Editor(office, admin, lane)
    before = editor.definition().trigger

    page = editor.page()
    assert "Reached a status" in page
    editor.post("trigger-save", data={"again": "1"})
    assert (editor.definition().trigger, editor.definition().reenrollment.is_on) == (before, True)
    editor.post("trigger-save", data={"unlock": "1", "kind": "manual"})
    assert editor.definition().trigger != before


def test_whom_one_chose_stands_first_in_a_long_list(office, editor):
    with office.inside() as world:
        chosen = [str(world.grace.pk)]
    editor.add("rotate_owner", property="hubspot_owner_id", users=chosen, strategy=Strategy.RANDOM.value)

    people = re.findall(
        r'name="users" value="\d+"( checked)?[^>]*>(?:<[^>]*>)*([^<]+)', editor.page("step", 1)
    )

    assert people[0] == (" checked", "Grace Hopper")
    assert [name for _chosen, name in people[1:]] == ["Ada Lovelace", "Bob Noyce", "Eve Curie"]


def test_what_earlier_steps_tell_is_named_wherever_the_step_is_told_R_WFA_2(office, editor):
    editor.add("format_data", function="upper", value="{{ ticket.subject }}")
    editor.add("create_note", "1", text="Said {{ step_1.result }}")
    assert [one.kind for one in editor.definition().steps] == ["format_data", "create_note"]

    editor.post("publish")
    pages = [
        editor.page(),
        editor.client.get(f"/workflows/{editor.workflow.pk}/revisions/2").content.decode(),
    ]
    for page in pages:
        assert "(Format data)" in page
        assert "step_1." not in page


def test_a_workflow_is_begun_from_a_ready_made_start(office, admin):
    page = unescape(admin.get(reverse("workflow-new")).content.decode())
    assert "Remind the owner after two days without an answer" in page

    for start in ("remind", "close", "lead", "follow"):
        made = admin.post(reverse("workflow-made"), {"start": start, "type": "ticket", "name": ""})
        assert admin.get(made.headers["Location"]).status_code == 200
    empty = admin.post(reverse("workflow-made"), {"start": "scratch", "type": "deal", "name": ""})
    assert empty.status_code == 422
    deal = admin.post(reverse("workflow-made"), {"start": "scratch", "type": "deal", "name": "Deals"})
    assert "Deals" in admin.get(deal.headers["Location"]).content.decode()
    with office.inside() as world:
        assert set(Workflow.objects.values_list("owner_id", flat=True)) == {world.ada.pk}  # R-EXEC-9


SETTINGS = {
    "owner": True, "property": "hubspot_owner_id", "value": 1, "users": [1], "teams": [1], "template": "ticket_received", "workflow": 1,
    "segment": 1, "subscription": "1", "title": "Call", "assignee": "owner", "url": "https://shop.example",
}  # fmt: skip


def test_the_page_asks_as_much_for_many_steps_of_all_kinds_as_for_one(office, admin, flow):
    editor = Editor(office, admin, flow)

    def asked(times):
        definition = Definition("ticket")
        for kind in list(ACTIONS) * times:
            definition, _id = edit.insert(definition, Action("", kind, SETTINGS), START)
        with office.inside() as world:
            drafts.change(Workflow.objects.get(pk=flow.pk), lambda _old: definition, did={}, by=world.ada.pk)
        return queries_of(editor.client, editor.url(""))

    asked(1)
    assert asked(1) == asked(4)


def test_calls_from_outside_get_an_address_whose_key_is_shown_once_R_TRIG_21(editor):
    assert editor.post("hook").status_code == 404  # nothing is started by calls yet
    editor.post("trigger-save", data={"kind": "call", "field": "number", "unique": "hs_ticket_id"})
    assert "Make an address" in editor.page("trigger")

    made = editor.post("hook", signed="1").content.decode()
    address, key = (re.search(rf'id="secret-{name}" value="([^"]+)"', made)[1] for name in ("address", "key"))
    assert address.startswith("http://testserver/hooks/")
    page = editor.page("trigger")
    assert address in page
    assert key not in page
    assert "Only calls that are signed with the key are taken." in page


def test_the_review_counts_who_meets_a_changed_trigger_R_WF_21_R_WF_22(office, editor):
    editor.add("create_task", title="Call", assignee="owner")
    editor.post("publish")
    editor.client.post(editor.url("switched"), {"to": "on", "present": "0"})
    office.mail("Refund")
    typed = {
        "kind": "filter",
        "when-f": "",
        "when-edit": "0.0",
        "when-prop": "ticket.subject",
        "when-op": "contains",
        "when-value": "Refund",
    }
    editor.post("trigger-save", data=typed)

    assert "Enroll the one there is, too" in editor.page("review")
    editor.post("publish", present="1")
    with office.inside():
        assert Enrollment.objects.filter(workflow=editor.workflow).count() == 1


def test_the_review_warns_of_workflows_that_start_each_other_R_EXEC_21(editor):
    status = {"object_type": "ticket", "property": "hs_ticket_priority", "value": "HIGH"}
    with editor.office.inside() as world:
        began = Definition(
            "ticket", WhenEvent((EventMatch("ticket.property_changed"),)), Reenrollment(is_on=True)
        )
        grown, _id = edit.insert(began, Action("", "set_property", status), START)
        drafts.change(
            Workflow.objects.get(pk=editor.workflow.pk), lambda _old: grown, did={}, by=world.ada.pk
        )

    assert "These workflows can start each other" in editor.page("review")


def test_a_lane_leads_to_its_workflow_for_who_may_open_it_R_ACT_2(office, sign_in, admin):
    with office.inside() as world:
        lane = lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": "ticket_received"}, by=world.ada.pk
        )
        tab = reverse("automate", args=[world.tickets.default.id])
    address = reverse("workflow-edit", args=[lane.pk])

    assert address in admin.get(tab).content.decode()
    office.role(office.world.grace, capabilities=["account_access"])
    assert address not in sign_in(office.world.grace).get(tab).content.decode()


# ── what takes a permission of its own ───────────────────────────────────────────────────────────────────────────────


def test_a_step_that_takes_a_permission_is_copied_by_who_may_add_it_R_WFA_12(
    office, editor, sign_in, settings
):
    """Others move it, for that adds nothing."""
    settings.CUSTOM_CODE = True
    Account.objects.filter(pk=office.world.account.pk).update(features={Feature.CUSTOM_CODE: True})
    editor.add("create_task", title="Ring")
    editor.add("custom_code", after="1", code="def main(event): return {}")
    before = editor.definition()
    assert [step.kind for step in before.steps] == ["create_task", "custom_code"]
    office.role(office.world.bob, "workflow_editor")
    other = Editor(office, sign_in(office.world.bob), editor.workflow)

    asked = other.page("step-place", 2)
    copied = [
        other.post("step-placed", 2, data={"to": "start.next", "copy": "1"}),
        other.post("step-placed", 1, data={"to": "2.next", "copy": "1", "following": "1"}),
    ]

    assert "You don't have permission to copy this." in asked
    assert "You don't have permission to copy this." not in other.page("step-place", 1)
    assert [answer.status_code for answer in copied] == [403, 403]
    assert editor.definition() == before
    assert other.post("step-placed", 2, data={"to": "start.next"}).status_code == 302
    assert editor.definition().start == Edge("2")
    assert editor.post("step-placed", 2, data={"to": "1.next", "copy": "1"}).status_code == 302
    assert len(editor.definition().steps) == 3


def test_a_step_that_takes_a_permission_runs_only_when_who_has_it_lets_it_R_WFA_12(
    office, editor, sign_in, settings
):
    """However it came there: a copy of a workflow has it too."""
    settings.CUSTOM_CODE = True
    Account.objects.filter(pk=office.world.account.pk).update(features={Feature.CUSTOM_CODE: True})
    editor.add("custom_code", code="def main(event): return {}")
    office.role(office.world.bob, "workflow_editor")
    bob = sign_in(office.world.bob)
    other = Editor(office, bob, editor.workflow)

    def is_on():
        with office.inside():
            return Workflow.objects.get(pk=editor.workflow.pk).is_on

    assert "You don't have permission to use this." in other.page("review")
    assert other.post("publish").status_code == 403
    assert "is published" in unescape(editor.post("publish").content.decode())
    assert "You don't have permission to use this." in other.page("switch")
    assert other.post("switched", data={"to": "on"}).status_code == 403
    listed = bob.post(reverse("workflow-switch", args=[editor.workflow.pk]), {"on": "1"}, follow=True)
    assert "takes a permission that you don't have" in unescape(listed.content.decode())
    assert not is_on()
    editor.post("switched", data={"to": "on"})
    assert is_on()
    other.post("switched", data={"to": "off"})
    assert not is_on()
