"""The list of workflows and the pages around one of them (R-EDIT-3, R-EDIT-8, R-EDIT-9, R-ACT-42)."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.accounts.models import Plan
from deskhand.automation import (
    budget,
    drafts,
    emptying,
    folders,
    history,
    hooks,
    integrations,
    lanes,
    retention,
    secrets,
    templates,
    workflows,
)
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    IfThen,
    Leaving,
    Manual,
    Timing,
    UntilEvent,
    UntilProperty,
    ValueEquals,
    WhenTrue,
)
from deskhand.automation.models import (
    Enrollment,
    HookCall,
    SendingHour,
    StepLog,
    Workflow,
    WorkflowFolder,
    WorkflowRevision,
)
from deskhand.automation.runner import Runner
from deskhand.automation.tests.runs import enroll, go, make_unreadable
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import archive, associations, contacts, objects, search
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.web.records.kinds import record_url
from deskhand.web.tests.conftest import being_switched_on, look_up, queries_of, text_of
from deskhand.web.tests.test_inbox import texts
from deskhand.web.tests.test_walls import bytes_of
from deskhand.web.workflows import call_views


def task(title="Call"):
    return Definition(
        "ticket", start=Edge("1"), steps=(Action("1", "create_task", {"title": title}),), next_id=2
    )


def make(office, name="Onboarding", **more):
    with office.inside() as world:
        made = workflows.create(world.account.pk, name, task(), by=world.ada.pk)
        for field, value in more.items():
            setattr(made, field, value)
        made.save()
        return made


def enrolled(office, workflow, record_id=1, *, days=0, ended="", **more):
    at = office.at - timedelta(days=days)
    values = {
        "state": "ENDED" if ended else "WAITING", "ended_at": at if ended else None, "end_reason": ended, "step_id": "1",
        "position": "1>next", "revision_number": 1, "enrolled_at": at, "object_type": "ticket",
    } | more  # fmt: skip
    with office.inside() as world:
        return Enrollment.objects.create(
            account_id=world.account.pk, workflow=workflow, record_id=record_id, **values
        )


def logged(office, workflow, run, status="FAILED", *, days=0, **more):
    values = {
        "object_type": "ticket", "record_id": run.record_id, "revision_number": 1, "step_id": "1", "kind": "create_task",
        "message": "", "at": office.at - timedelta(days=days),
    } | more  # fmt: skip
    with office.inside() as world:
        return StepLog.objects.create(
            account_id=world.account.pk,
            workflow_id=workflow.pk,
            enrollment_id=run.pk,
            status=status,
            **values,
        )


def now(office, workflow):
    with office.inside():
        return Workflow.objects.get(pk=workflow.pk)


def following(page):
    """The address of the next page of a list."""
    found = re.search(r'<p class="wf-more"><a class="button" href="([^"]*)"', page)
    return html.unescape(found[1]) if found else ""


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


def test_each_workflow_is_listed_with_what_it_has_been_doing(office, admin):
    flow = make(office, owner_id=office.world.grace.pk)
    run = enrolled(office, flow)
    enrolled(office, flow, 2, days=10, ended="completed")
    enrolled(office, flow, 3, days=40, ended="completed")
    logged(office, flow, run)
    logged(office, flow, run, days=8)

    shown = texts(admin.get("/workflows"))

    for said in ("Onboarding", "Started by hand or by another workflow", "Grace Hopper", "1 / 2", "Tickets"):
        assert said in shown


def test_lanes_are_listed_with_their_pipeline_and_status(office, admin):
    with office.inside() as world:
        lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
        label = world.tickets.default.label

    page = admin.get("/workflows")

    assert f'title="{label} › New"' in page.content.decode()
    assert f"When it reaches “New” in {label}" in texts(page)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("?q=beta", {"Beta"}),
        ("?type=deal", set()),
        ("?state=on", {"Alpha"}),
        ("?state=off", {"Beta", "Gamma"}),
        ("?state=review", {"Gamma"}),
        ("?state=archived", {"Delta"}),
        ("?state=nonsense&sort=nonsense&after=x&owner=y", {"Alpha", "Beta", "Gamma"}),
    ],
)
def test_the_list_is_narrowed_by_what_the_address_asks(office, admin, asked, found):
    make(office, "Alpha", is_on=True)
    make(office, "Beta", description="about beta")
    make(office, "Gamma", needs_review="It broke.")
    make(office, "Delta", archived_at=office.at)

    shown = texts(admin.get(f"/workflows{asked}"))

    assert {name for name in ("Alpha", "Beta", "Gamma", "Delta") if name in shown} == found


@pytest.mark.parametrize("sort", ["name", "changed", "created"])
def test_pages_follow_each_other_without_gap_or_repetition(office, admin, sort, monkeypatch):
    monkeypatch.setattr("deskhand.web.workflows.lists.SHOWN", 2)
    for name in ("Echo", "Bravo", "Delta", "Alpha", "Charlie"):
        make(office, name)
    url, seen = f"/workflows?sort={sort}", []
    while url:
        page = admin.get(url).content.decode()
        seen += re.findall(r'<a class="wf-name"[^>]*>([^<]*)', page)
        url = following(page)

    expected = ["Alpha", "Bravo", "Charlie", "Delta", "Echo"]
    assert seen == (expected if sort == "name" else ["Charlie", "Alpha", "Delta", "Bravo", "Echo"])


def test_a_longer_list_takes_no_more_queries(office, admin):
    first = make(office, owner_id=office.world.ada.pk)
    enrolled(office, first)
    few = queries_of(admin, "/workflows")
    for number in range(6):
        enrolled(office, make(office, f"More {number}", owner_id=office.world.bob.pk))

    assert queries_of(admin, "/workflows") == few


def test_without_the_permission_there_is_no_list_R_ACT_42(office, sign_in):
    client = sign_in(office.world.bob)

    assert client.get("/workflows").status_code == 403
    assert "/workflows" not in client.get("/inbox/all-open").content.decode()


def test_a_plan_without_the_full_editor_has_no_list_R_WF_10(office, admin):
    with office.inside() as world:
        world.account.plan = Plan.STARTER
        world.account.save()

    assert admin.get("/workflows").status_code == 403


def test_who_may_only_look_changes_nothing(office, sign_in):
    flow = make(office)
    office.role(office.world.bob, capabilities=["workflow_view"])
    client = sign_in(office.world.bob)

    assert client.get("/workflows").status_code == 200
    for path in ("switch", "details/save", "clone", "archived", "restore"):
        assert client.post(f"/workflows/{flow.pk}/{path}", {"name": "Other"}).status_code == 403
    assert now(office, flow).name == "Onboarding"


# ── on and off ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_workflow_is_switched_on_and_off_in_the_list(office, admin):
    flow = make(office)

    admin.post(f"/workflows/{flow.pk}/switch", {"on": "1"})
    assert now(office, flow).is_on
    part = admin.post(f"/workflows/{flow.pk}/switch", {"on": "0"}, headers={"HX-Request": "true"})
    assert part.content.decode().strip().startswith(f'<tr id="workflow-{flow.pk}"')
    assert not now(office, flow).is_on


def test_switching_on_asks_about_those_who_fit_already_R_ACT_12(office, admin):
    with office.inside() as world:
        flow = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
        with clock.stopped(office.at - timedelta(hours=1)):
            world.ticket(stage="New")

    answer = admin.post(f"/workflows/{flow.pk}/switch", {"on": "1"})
    assert answer.url.startswith(f"/workflows/{flow.pk}/switch-on")
    assert "Also the one that fits now" in texts(admin.get(answer.url))
    assert not now(office, flow).is_on

    admin.post(f"/workflows/{flow.pk}/switch", {"on": "1", "present": "1"})
    with office.inside():
        assert Enrollment.objects.filter(workflow=flow).count() == 1


def test_what_cannot_work_stays_off_and_says_why_R_EDIT_6(office, admin):
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Empty", Definition("ticket"), by=world.ada.pk)

    answer = admin.post(f"/workflows/{flow.pk}/switch", {"on": "1"}, follow=True)

    assert "There is nothing to do yet. Add an action first." in texts(answer)
    assert not now(office, flow).is_on


@pytest.mark.parametrize(("may_choose", "capabilities"), [(False, []), (True, ["workflow_edit"])])
def test_the_line_of_what_is_being_switched_on_is_asked_for_by_itself_R_WF_20(
    office, sign_in, monkeypatch, may_choose, capabilities
):
    flow = being_switched_on(office, monkeypatch)
    office.role(office.world.bob, capabilities=["workflow_view", *capabilities])
    client = sign_in(office.world.bob)
    asked = re.search(
        r'<tr id="workflow-\d+" hx-get="([^"]*)"', client.get("/workflows?state=on").content.decode()
    )
    assert asked
    assert asked[1] == f"/workflows/{flow.pk}/row?back=/workflows%3Fstate%3Don"

    look_up(office, flow)
    before = client.get(html.unescape(asked[1])).content.decode().strip()
    look_up(office, flow)
    after = client.get(html.unescape(asked[1])).content.decode().strip()

    assert before.startswith(f'<tr id="workflow-{flow.pk}" hx-get="{asked[1]}"')
    assert "Being switched on: 2 of 3 records looked at" in before
    assert after.startswith(f'<tr id="workflow-{flow.pk}">')
    assert [f'id="choose-{flow.pk}"' in part for part in (before, after)] == [may_choose] * 2


def test_a_line_of_the_archive_says_how_many_have_left_R_EDIT_8(office, admin, monkeypatch):
    monkeypatch.setattr(emptying, "STEP", 1)
    flow = make(office)
    for number in range(2):
        enrolled(office, flow, number)
    admin.post(f"/workflows/{flow.pk}/archived")

    part = admin.get(f"/workflows/{flow.pk}/row?back=/workflows%3Fstate%3Darchived").content.decode()

    assert "Records are leaving: 1 of 2" in part
    assert 'name="back" value="/workflows?state=archived"' in part


def test_an_archived_workflow_without_records_says_nothing_of_them(office, admin):
    flow = make(office, "Empty")

    answer = admin.post(f"/workflows/{flow.pk}/archived", follow=True)

    assert "“Empty” is archived." in texts(answer)
    assert "left it" not in texts(answer)


# ── what it is called, copies, the archive ───────────────────────────────────────────────────────────────────────────


def test_name_description_owner_and_folder_are_kept_R_EDIT_9(office, admin):
    flow = make(office)
    with office.inside() as world:
        folder = folders.create(world.account.pk, "Sales", by=SYSTEM)
    given = {
        "name": " Welcome ",
        "description": "For new ones",
        "owner": office.world.grace.pk,
        "folder": folder.pk,
    }

    admin.post(f"/workflows/{flow.pk}/details/save", given)

    kept = now(office, flow)
    assert (kept.name, kept.description, kept.owner_id, kept.folder_id) == (
        "Welcome", "For new ones", office.world.grace.pk, folder.pk,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "  "}, "A workflow needs a name."),
        ({"name": "x" * 201}, "A name has at most 200 characters."),
        ({"name": "Fine", "owner": "999999"}, "This person is not active here any more."),
        ({"name": "Fine", "description": "x" * 4001}, "A description has at most 4000 characters."),
    ],
)
def test_what_is_refused_says_why_and_keeps_what_was_typed(office, admin, given, said):
    flow = make(office)

    answer = admin.post(f"/workflows/{flow.pk}/details/save", given)

    assert answer.status_code == 422
    assert said in texts(answer)
    assert now(office, flow).name == "Onboarding"


def test_a_copy_is_off_and_empty_and_a_lanes_copy_stands_alone_R_EDIT_3_R_ACT_10(office, admin):
    with office.inside() as world:
        lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
        workflows.switch(lane, True)
    enrolled(office, lane)

    admin.post(f"/workflows/{lane.pk}/clone")

    with office.inside():
        made = Workflow.objects.exclude(pk=lane.pk).get()
        assert (made.is_on, made.origin_stage_id, made.owner_id) == (False, None, office.world.ada.pk)
        assert made.name == f"{lane.name} (copy)"
        assert not Enrollment.objects.filter(workflow=made).exists()
        assert workflows.definition_of(made) == workflows.definition_of(lane)


def test_archiving_says_how_many_leave_and_keeps_the_history_R_EDIT_8(office, admin):
    flow = make(office, is_on=True)
    inside, over = enrolled(office, flow), enrolled(office, flow, 2, ended="completed")

    assert "1 record is inside." in texts(admin.get(f"/workflows/{flow.pk}/archive"))
    admin.post(f"/workflows/{flow.pk}/archived")

    with office.inside():
        ends = {run.pk: (run.state, run.end_reason) for run in Enrollment.objects.filter(workflow=flow)}
    assert ends == {inside.pk: ("ENDED", "deleted"), over.pk: ("ENDED", "completed")}
    kept = now(office, flow)
    assert kept.archived_at
    assert not kept.is_on

    admin.post(f"/workflows/{flow.pk}/restore")
    assert now(office, flow).archived_at is None


def test_a_lane_is_not_archived_here(office, admin):
    with office.inside() as world:
        lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)

    assert admin.post(f"/workflows/{lane.pk}/archived").status_code == 403
    assert now(office, lane).archived_at is None


def test_an_archived_workflow_only_rests(office, admin):
    flow = make(office, archived_at=office.at)

    assert admin.post(f"/workflows/{flow.pk}/switch", {"on": "1"}).status_code == 409


# ── folders and several at once ──────────────────────────────────────────────────────────────────────────────────────


def test_folders_are_made_renamed_and_deleted_without_their_workflows_R_EDIT_9(office, admin):
    admin.post("/workflows/folders/add", {"name": "Sales"})
    with office.inside():
        folder = WorkflowFolder.objects.get()
    flow = make(office, folder=folder)

    admin.post(f"/workflows/folders/{folder.pk}/rename", {"name": "Support"})
    assert "Support" in texts(admin.get(f"/workflows?folder={folder.pk}"))
    admin.post(f"/workflows/folders/{folder.pk}/delete")

    assert now(office, flow).folder_id is None


@pytest.mark.parametrize("name", ["", "sales", "x" * 81])
def test_a_folders_name_is_needed_and_its_own(office, admin, name):
    admin.post("/workflows/folders/add", {"name": "Sales"})

    answer = admin.post("/workflows/folders/add", {"name": name})

    assert answer.status_code == 422
    assert f'value="{name}"' in answer.content.decode()


def test_several_are_moved_and_switched_off_at_once(office, admin):
    with office.inside() as world:
        folder = folders.create(world.account.pk, "Sales", by=SYSTEM)
    both = [make(office, name, is_on=True) for name in ("One", "Two")]
    ids = [one.pk for one in both]

    admin.post("/workflows/many", {"ids": ids, "do": "move", "folder": folder.pk})
    assert {now(office, one).folder_id for one in both} == {folder.pk}
    admin.post("/workflows/many", {"ids": ids, "do": "off"})
    assert not any(now(office, one).is_on for one in both)


def test_the_way_back_is_never_another_site(office, admin):
    flow = make(office)

    answer = admin.post(f"/workflows/{flow.pk}/switch", {"on": "1", "back": "https://elsewhere.example/"})

    assert answer.url == "/workflows"


# ── history and log ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_history_tells_who_was_enrolled_why_and_how_it_ended_R_LOG_1(office, admin):
    flow = make(office)
    first, second = office.mail("Refund"), office.mail("Parcel")
    enrolled(office, flow, first.pk, ended="completed", reason={"by": "manual", "user": office.world.ada.pk})
    enrolled(office, flow, second.pk, due_at=office.at + timedelta(hours=1))

    shown = texts(admin.get(f"/workflows/{flow.pk}/history"))

    for said in (
        f"#{first.number} Refund", "Ada Lovelace enrolled it", "It went through to the end.", f"#{second.number} Parcel",
        "Create task", "Inside",
    ):  # fmt: skip
        assert said in shown


def test_a_run_that_went_on_after_a_failure_says_so_R_LOG_1_R_LOG_8(office, admin):
    """In the history, on its own page, beside its record, and where somebody asks why it entered."""
    flow = make(office)
    ticket = office.mail("Refund")
    run = enrolled(office, flow, ticket.pk, ended="completed")
    why = f"/workflows/{flow.pk}/why?record={ticket.pk}"
    pages = [reverse("workflow-run", args=[flow.pk, run.pk]), f"/inbox/all-open/{ticket.pk}", why]
    rows = r'class="truncate">(Completed|With failures)</span>'
    history = f"/workflows/{flow.pk}/history"
    assert re.findall(rows, admin.get(history).content.decode()) == ["Completed"]

    logged(office, flow, run)

    assert re.findall(rows, admin.get(history).content.decode()) == ["With failures"]
    for page in pages:
        assert re.findall(rows, admin.get(page).content.decode()) == ["With failures"], page


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("state=inside", {"Parcel"}),
        ("state=completed", {"Refund"}),
        ("state=failed", {"Invoice"}),
        ("state=left", {"Lamp"}),
        ("q=lamp", {"Lamp"}),
        ("until=2000-01-01", set()),
        ("since=x&until=y&before=z&record=w", {"Refund", "Parcel", "Invoice", "Lamp"}),
    ],
)
def test_the_history_is_narrowed_by_what_the_address_asks(office, admin, asked, found):
    flow = make(office)
    ends = {"Refund": "completed", "Parcel": "", "Invoice": "completed", "Lamp": "goal"}
    for name, ended in ends.items():
        run = enrolled(office, flow, office.mail(name).pk, ended=ended)
        if name == "Invoice":
            logged(office, flow, run)

    shown = texts(admin.get(f"/workflows/{flow.pk}/history?{asked}"))

    expected = found if asked != "state=completed" else {"Refund", "Invoice"}
    assert {name for name in ends if name in shown} == expected


def test_pages_of_the_history_and_the_log_follow_each_other(office, admin, monkeypatch):
    monkeypatch.setattr("deskhand.web.workflows.history_views.SHOWN", 2)
    flow = make(office)
    for number in range(5):
        run = enrolled(office, flow, office.mail(f"No {number}").pk, days=number % 2)
        logged(office, flow, run, "SUCCEEDED", days=number % 2)
    for page_of in ("history", "log"):
        url, seen = f"/workflows/{flow.pk}/{page_of}", []
        while url:
            page = admin.get(url).content.decode()
            seen += re.findall(r'<a class="wf-record"[^>]*>#\d+ ([^<]*)', page)
            url = following(page)
        assert seen == ["No 4", "No 2", "No 0", "No 3", "No 1"]


@pytest.mark.parametrize("kind", ["create_task", "enroll_in_workflow"])
def test_more_runs_take_no_more_queries(office, admin, kind):
    """Nor where what a step does is told by a name that is looked up."""
    flow = make(office)
    with office.inside() as world:
        settings = {"title": "Call"} if kind == "create_task" else {"workflow": flow.pk}
        workflows.save(
            flow,
            Definition("ticket", start=Edge("1"), steps=(Action("1", kind, settings),), next_id=2),
            by=world.ada.pk,
        )

    pages = [f"/workflows/{flow.pk}/{path}" for path in ("history", "log", "waiting?step=1")]
    admin.get(pages[1])  # the definition is read once a process
    logged(office, flow, enrolled(office, flow, office.mail("First").pk))
    few = [queries_of(admin, page) for page in pages]
    for number in range(4):
        reason = {"by": "event", "kind": "ticket.created", "actor": "user", "actor_id": office.world.bob.pk}
        logged(office, flow, enrolled(office, flow, office.mail(f"More {number}").pk, reason=reason))

    assert [queries_of(admin, page) for page in pages] == [few[0] + 1, few[1], few[2] + 1]  # the name of Bob


def test_what_one_may_not_see_is_in_no_list_and_no_file(office, sign_in):
    flow, ticket = make(office), office.mail("Secret")
    run = enrolled(office, flow, ticket.pk)
    logged(office, flow, run)
    with office.inside():
        Ticket.objects.update(owner_id=office.world.ada.pk)
    office.role(office.world.bob, capabilities=["workflow_view"], records={"ticket": {"view": "own"}})
    client = sign_in(office.world.bob)

    for path in ("history", "log", "waiting?step=1", "log/file", "history/file"):
        assert b"Secret" not in bytes_of(client.get(f"/workflows/{flow.pk}/{path}"))
    assert client.get(f"/workflows/{flow.pk}/history/{run.pk}").status_code == 404


def test_a_run_shows_its_way_step_by_step(office, admin):
    flow, ticket = make(office), office.mail()
    run = enrolled(office, flow, ticket.pk, attempts=2, due_at=office.at)
    logged(office, flow, run, "SUCCEEDED", message="Made the task.", data={"outputs": {"task": 7}})
    logged(office, flow, run, "SCHEDULED", kind="delayed", data={"until": "2026-11-22T10:00:00+00:00"})

    shown = texts(admin.get(f"/workflows/{flow.pk}/history/{run.pk}"))

    for said in ("Made the task.", "task", "7", "2 tries failed; the next is at", "Waiting until"):
        assert said in shown


def test_a_step_and_what_it_told_are_named_as_people_know_them_R_WFA_2(office, admin):
    with office.inside() as world:
        step = Action("1", "create_task", {"title": "Call about {{ ticket.subject }}"})
        flow = workflows.create(
            world.account.pk, "Call", Definition("ticket", Manual(), start=Edge("1"), steps=(step,), next_id=2), by=world.ada.pk
        )  # fmt: skip
    ticket = office.mail()
    run = enrolled(office, flow, ticket.pk)
    logged(office, flow, run, "SUCCEEDED", message="Made it.", data={"outputs": {"task_id": 7, "old": 8}})

    for path in (f"history/{run.pk}", "log"):
        shown = texts(admin.get(f"/workflows/{flow.pk}/{path}"))
        assert "ID of the task" in shown
        assert "old" in shown
        assert "Call about Subject" in shown
        assert not any("{{" in said or said == "task_id" for said in shown)


def test_what_an_integration_told_is_said_in_words_and_what_it_left_out_is_not_there_R_WFA_3(office, admin):
    with office.inside() as world:
        outputs = [{"name": "is_good", "value": "boolean"}, {"name": "score", "value": "number"}]
        integrations.add(
            world.account.pk, "Bank", {"url": "https://bank.example/", "outputs": outputs}, by=SYSTEM
        )
        step = Action("1", "custom_action", {"integration": "Bank"})
        flow = workflows.create(
            world.account.pk, "Ask", Definition("ticket", Manual(), start=Edge("1"), steps=(step,), next_id=2), by=world.ada.pk
        )  # fmt: skip
    run = enrolled(office, flow, office.mail().pk)
    told = {"is_good": True, "score": None, "old": False}
    logged(office, flow, run, "SUCCEEDED", data={"outputs": told}, kind="custom_action")

    shown = texts(admin.get(f"/workflows/{flow.pk}/log"))

    assert "old false is_good Yes" in shown
    assert "score" not in shown


def test_a_delay_of_working_time_says_so_in_hours_R_DELAY_9(office, admin):
    """Ten hours of work a day make no day of 24."""
    with office.inside() as world:
        step = Delay("1", ForAmount(timedelta(hours=49), is_working_time=True))
        flow = workflows.create(
            world.account.pk, "Wait", Definition("ticket", Manual(), start=Edge("1"), steps=(step,), next_id=2), by=world.ada.pk
        )  # fmt: skip
    run = enrolled(office, flow, office.mail().pk)

    shown = texts(admin.get(f"/workflows/{flow.pk}/history/{run.pk}"))

    assert "49 hours of working time" in shown
    assert "2 days" not in shown


def test_the_log_is_a_file_too_and_no_formula_R_LOG_2(office, admin):
    flow, ticket = make(office), office.mail("=1+1")
    logged(office, flow, enrolled(office, flow, ticket.pk), "FAILED", message="=cmd()")
    logged(
        office, flow, enrolled(office, flow, ticket.pk + 0, ended="completed"), "SKIPPED", message="No owner"
    )

    file = bytes_of(admin.get(f"/workflows/{flow.pk}/log/file?status=FAILED")).decode()

    assert file.count("\r\n") == 2
    assert "'=cmd()" in file


def test_the_history_is_a_file_by_the_same_filters_and_no_formula_R_LOG_1(office, admin):
    flow, ticket = make(office), office.mail("=1+1")
    enrolled(office, flow, ticket.pk, days=1, ended="completed")
    enrolled(office, flow, office.mail("Other").pk)

    file = bytes_of(admin.get(f"/workflows/{flow.pk}/history/file")).decode()
    ended = bytes_of(admin.get(f"/workflows/{flow.pk}/history/file?state=completed")).decode()
    page = admin.get(f"/workflows/{flow.pk}/history?state=completed").content.decode()

    head, *lines = csv.reader(io.StringIO(file))
    assert head == [
        "Record",
        "Why",
        "Enrolled",
        "State",
        "Step",
        "Waits for",
        "Ended",
        "How it ended",
        "Run",
        "Version",
    ]
    assert [line[3] for line in lines] == ["Inside", "Completed"]
    assert "It went through to the end." in ended
    assert "Other" not in ended
    assert f"/workflows/{flow.pk}/history/file?state=completed" in page


def test_a_name_that_is_a_formula_is_text_in_the_history_s_file_R_LOG_1(office, admin):
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Greet", Definition("contact", Manual()))
        contact = contacts.create(Person("x@y.example", "=HYPERLINK(1)"), by=SYSTEM)
        Enrollment.objects.create(
            account_id=world.account.pk, workflow=flow, object_type="contact", record_id=contact.pk, revision_number=1, enrolled_at=office.at
        )  # fmt: skip
    file = bytes_of(admin.get(f"/workflows/{flow.pk}/history/file")).decode()
    assert list(csv.reader(io.StringIO(file)))[1][0] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("number", [1, 5])
def test_the_history_s_file_is_read_in_parts(office, admin, monkeypatch, number):
    """One query a part for the runs, however many there are in it."""
    monkeypatch.setattr("deskhand.automation.history.PART", 2)
    flow = make(office)
    for one in range(number):
        enrolled(office, flow, office.mail(f"Nr {one}").pk)
    with CaptureQueriesContext(connection) as found:
        answer = admin.get(f"/workflows/{flow.pk}/history/file")
        assert bytes_of(answer).count(b"\r\n") == number + 1
    assert sum("from automation_enrollment e join" in one["sql"] for one in found) == number // 2 + 1


def test_the_file_is_read_in_parts(office, admin, monkeypatch):
    monkeypatch.setattr("deskhand.automation.history.PART", 2)
    flow = make(office)
    run = enrolled(office, flow, office.mail().pk)
    for _number in range(5):
        logged(office, flow, run)

    assert bytes_of(admin.get(f"/workflows/{flow.pk}/log/file")).count(b"\r\n") == 6


def test_the_history_says_how_many_reach_the_goal_by_the_week_of_entering_R_UN_5(office, admin):
    """Of those who entered, not of those who left; who entered before the twelve weeks is in no figure."""
    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    flow, plain = make(office), make(office, "Plain")
    with office.inside():
        workflows.save(flow, replace(task(), leaving=Leaving(goal=high)))
    address = reverse("workflow-history", args=[flow.pk])
    assert "Nobody entered in the last 12 weeks." in admin.get(address).content.decode()

    for number, (days, ended) in enumerate(
        [(0, "goal"), (0, ""), (8, "goal"), (8, "completed"), (8, "goal"), (100, "goal")]
    ):
        enrolled(office, flow, number + 1, days=days, ended=ended)

    page = html.unescape(admin.get(address).content.decode())
    assert "Priority is any of High" in re.sub(r"\s+", " ", page)
    assert "3 of 5 records that entered in the last 12 weeks reached it: 60 %" in page
    assert "1 record is still inside" in page
    with office.inside():
        found = history.goal_of(flow, clock.now(), ZoneInfo("Europe/Berlin"))
    assert [(week.entered, week.met, week.inside) for week in found.weeks[-3:] if week.entered][-1] == (
        2,
        1,
        1,
    )
    assert len(found.weeks) == history.WEEKS
    assert "Goal" not in admin.get(reverse("workflow-history", args=[plain.pk])).content.decode()


def test_the_goal_is_counted_by_indexes_and_who_waits_for_a_run_before_is_inside_R_UN_5(office):
    flow = make(office)
    for number, state in enumerate(("WAITING", "DUE", "HELD", "QUEUED")):
        enrolled(office, flow, number + 1, state=state)
    enrolled(office, flow, 9, ended="goal")

    with office.inside():
        sql.execute("set local enable_seqscan = off")
        sql.execute("set local enable_bitmapscan = off")
        sql.execute("set constraints all immediate")
        sql.execute("reindex table automation_enrollment")  # what tests before left made the right ones dear
        with CaptureQueriesContext(connection) as queries:
            found = history.goal_of(flow, clock.now(), ZoneInfo("UTC"))
        plan = str(sql.rows("explain " + queries[-1]["sql"].replace("%", "%%")))

    assert (found.entered, found.met, found.inside) == (5, 1, 4)
    for index in ("enrollment_of_workflow", "enrollment_of_goal"):
        assert f"Index Only Scan using {index}" in plan


def called(office, flow, **values):
    with office.inside() as world:
        given = {
            "key": f"{HookCall.objects.count()}", "received_at": office.at, "body": b'{"email": "a@x.example", "token": "abc"}',
        } | values  # fmt: skip
        return HookCall.objects.create(account_id=world.account.pk, workflow=flow, **given)


def test_calls_from_outside_are_listed_with_the_reason_and_read_again_R_TRIG_21(office, admin, sign_in):
    flow = make(office)
    address = reverse("workflow-calls", args=[flow.pk])
    assert "Nobody has called yet" in admin.get(address).content.decode()
    assert address not in admin.get(reverse("workflow-history", args=[flow.pk])).content.decode()
    with office.inside() as world:
        hooks.make_address(flow, by=world.ada.pk)
    wrong = [
        called(office, flow, state="FAILED", error="No record has this value: 7"),
        called(office, flow, state="REFUSED", error=hooks.NOT_GENUINE),
    ]
    called(office, flow, state="REFUSED", error=hooks.TOO_LARGE, body=b"")
    called(office, flow, state="DONE")

    page = html.unescape(admin.get(address).content.decode())
    assert all(
        said in page
        for said in ("No record has this value: 7", hooks.NOT_GENUINE, hooks.TOO_LARGE, "Used", "a@x.example")
    )
    assert "abc" not in page
    assert re.findall(r'name="ids" value="(\d+)"', page) == [str(one.pk) for one in reversed(wrong)]
    narrowed = html.unescape(admin.get(address, {"state": "unused"}).content.decode())
    assert "Used" not in re.findall(r'<span class="pill[^>]*>([^<]*)', narrowed)

    again = reverse("workflow-calls-again", args=[flow.pk])
    assert 'value="all"' in page
    admin.post(again, {"do": "all", "back": address})
    with office.inside():
        assert [HookCall.objects.get(pk=one.pk).state for one in wrong] == ["RECEIVED", "REFUSED"]
    assert (
        'value="all"' not in admin.get(address).content.decode()
    )  # what was refused is taken by choice alone
    answer = admin.post(again, {"do": "chosen", "ids": [wrong[1].pk], "back": address})
    assert answer["Location"] == address
    with office.inside():
        assert [HookCall.objects.get(pk=one.pk).state for one in wrong] == ["RECEIVED", "RECEIVED"]
        assert list(HookCall.objects.filter(state="REFUSED").values_list("error", flat=True)) == [
            hooks.TOO_LARGE
        ]
    office.role(office.world.bob, capabilities=["workflow_view"])
    looking = sign_in(office.world.bob).get(address).content.decode()
    assert "No record has this value: 7" not in looking  # it is read again by now
    assert "a@x.example" not in looking
    assert 'name="do"' not in looking
    assert "There was nothing to do." in html.unescape(
        admin.post(again, {"do": "all", "back": address}, follow=True).content.decode()
    )


def test_a_call_leads_to_its_record_for_who_may_see_that_R_TRIG_21(office, admin, sign_in):
    """Whoever may look at the workflow, but not at the record, reads that there is one."""
    flow = make(office)
    with office.inside() as world:
        hooks.make_address(flow, by=world.ada.pk)
        hers, his = world.ticket("Hers", owner_id=world.ada.pk), world.ticket("His", owner_id=world.bob.pk)
        gone = world.ticket("Gone")
        Ticket.objects.filter(pk=gone.pk).update(archived_at=office.at)
    for ticket in (hers, his, gone):
        called(office, flow, state="DONE", record_id=ticket.pk)
    called(office, flow, state="FAILED", error="The call has no “email”.")
    office.role(office.world.bob, capabilities=["workflow_view"], records={"ticket": {"view": "own"}})
    address = reverse("workflow-calls", args=[flow.pk])

    def shown(client):
        page = html.unescape(client.get(address).content.decode())
        cells = re.findall(r'<td data-label="Record">(.*?)</td>', page)
        return [(re.findall(r'href="([^"]*)"', cell), re.sub(r"<[^>]+>", "", cell)) for cell in cells]

    none, deleted = ([], "–"), ([], f"#{gone.number} Gone")
    one, other = (([record_url("ticket", one.pk)], f"#{one.number} {one.subject}") for one in (hers, his))
    assert shown(admin) == [none, deleted, other, one]
    unseen = ([], "A record that you may not see")
    assert shown(sign_in(office.world.bob)) == [none, unseen, other, unseen]
    few = queries_of(admin, address)
    for _number in range(20):
        called(office, flow, state="DONE", record_id=hers.pk)
    assert queries_of(admin, address) == few


def test_calls_follow_each_other_page_by_page_R_TRIG_21(office, admin, monkeypatch):
    monkeypatch.setattr(call_views, "SHOWN", 2)
    flow = make(office)
    for number in range(5):
        called(office, flow, key=f"{number}", state="FAILED", error=f"Reason {number}")
    seen, address = [], reverse("workflow-calls", args=[flow.pk])
    while address:
        page = html.unescape(admin.get(address).content.decode())
        seen += re.findall(r"Reason (\d)", page)
        address = following(page)
    assert seen == list("43210")


def test_who_waits_at_a_step_is_listed_R_LOG_4(office, admin):
    flow = make(office)
    enrolled(office, flow, office.mail("Here").pk, due_at=office.at)
    enrolled(office, flow, office.mail("Elsewhere").pk, step_id="2")
    enrolled(office, flow, office.mail("Gone").pk, ended="completed")

    shown = texts(admin.get(f"/workflows/{flow.pk}/waiting?step=1"))

    assert {name for name in ("Here", "Elsewhere", "Gone") if name in shown} == {"Here"}
    assert admin.get(f"/workflows/{flow.pk}/waiting?step=").status_code == 404


def test_counters_of_steps_R_LOG_4(office):
    flow = make(office)
    run = enrolled(office, flow)
    enrolled(office, flow, 2, ended="completed")
    for status, days in (("SUCCEEDED", 0), ("SUCCEEDED", 31), ("FAILED", 1), ("SKIPPED", 0)):
        logged(office, flow, run, status, days=days)

    with office.inside():
        found = history.counts(flow, office.at)

    assert found == {"1": history.Counts(waiting=1, succeeded=1, failed=1)}


# ── what is done with runs ───────────────────────────────────────────────────────────────────────────────────────────


def again(office, run):
    with office.inside():
        return Enrollment.objects.get(pk=run.pk)


def test_those_chosen_leave_or_go_on_at_once_R_UN_8(office, admin):
    flow = make(office, is_on=True)
    stays, leaves, goes = (
        enrolled(office, flow, office.mail(name).pk, state="DUE", due_at=office.at + timedelta(days=999))
        for name in ("One", "Two", "Three")
    )

    admin.post(f"/workflows/{flow.pk}/runs", {"ids": leaves.pk, "do": "leave"})
    admin.post(f"/workflows/{flow.pk}/runs", {"ids": goes.pk, "do": "go"})

    assert again(office, leaves).end_reason == "by_hand"
    assert again(office, goes).due_at == office.at
    assert again(office, stays).due_at == office.at + timedelta(days=999)


def test_a_changed_delay_is_counted_anew_for_who_waits_when_that_is_pressed_R_DELAY_11(office, admin):
    """Offered for delays that give a time, to those who may edit the workflow."""
    flow = make(office)
    moved = Edge("2")
    with office.inside():
        steps = (
            Delay("1", ForAmount(timedelta(hours=5)), moved),
            Delay("2", UntilEvent(EventMatch("ticket.moved"))),
        )
        workflows.save(
            flow, Definition("ticket", start=Edge("1"), steps=steps, next_id=3), by=office.world.ada.pk
        )
    run = enrolled(
        office, flow, office.mail().pk, state="DUE", position="1>next", due_at=office.at + timedelta(hours=2)
    )
    began = again(office, run).enrolled_at
    page = f"/workflows/{flow.pk}/waiting"
    assert "Recalculate for all" in texts(admin.get(f"{page}?step=1"))
    assert again(office, run).due_at == office.at + timedelta(hours=2)

    done = admin.post(
        f"/workflows/{flow.pk}/runs", {"step": "1", "do": "recalculate", "back": f"{page}?step=1"}
    )

    assert done.url == f"{page}?step=1"
    assert again(office, run).due_at == began + timedelta(hours=5)
    other = enrolled(
        office, flow, office.mail("Other").pk, step_id="2", position="2>next", waits_for="ticket.moved"
    )
    assert "Other" in texts(admin.get(f"{page}?step=2"))
    assert "Recalculate" not in texts(admin.get(f"{page}?step=2"))
    assert admin.post(f"/workflows/{flow.pk}/runs", {"step": "7", "do": "recalculate"}).status_code == 404
    assert again(office, other).due_at is None


def test_who_waits_for_an_event_goes_on_as_if_it_happened(office, admin):
    flow = make(office)
    waits = enrolled(
        office, flow, office.mail().pk, waits_for="ticket.closed", happened="1>next", position="1>otherwise"
    )

    admin.post(f"/workflows/{flow.pk}/runs", {"ids": waits.pk, "do": "go"})

    moved = again(office, waits)
    assert (moved.state, moved.position, moved.waits_for) == ("DUE", "1>next", "")


def test_a_failed_run_goes_on_from_its_step_and_does_it_once_R_LOG_7(office, admin):
    """What was done before is not done again, and the step's effect is not doubled (R-EXEC-23)."""
    flow = make(office, is_on=True)
    run = enrolled(office, flow, office.mail().pk, ended="step_failed", acted=1)

    assert "Run again from the failed step" in texts(admin.get(f"/workflows/{flow.pk}/history/{run.pk}"))
    for _twice in range(2):
        admin.post(f"/workflows/{flow.pk}/runs", {"ids": run.pk, "do": "again"})
    with office.inside():
        Runner().work(office.world.account.pk, Runner().claim(office.world.account.pk, 10))
        titles = list(Task.objects.values_list("title", flat=True))

    assert titles == ["Call"]
    assert again(office, run).end_reason == "completed"


def test_all_that_failed_run_again_but_who_came_anew_R_LOG_7(office, admin):
    flow = make(office)
    first = enrolled(office, flow, office.mail("One").pk, ended="step_failed")
    second = enrolled(office, flow, office.mail("Two").pk, ended="failed: no answer", position="1")
    renewed = enrolled(office, flow, first.record_id + 0, ended="completed")
    assert renewed.pk > first.pk

    admin.post(f"/workflows/{flow.pk}/runs", {"do": "all"})

    assert [again(office, run).state for run in (first, second)] == ["ENDED", "DUE"]


def test_runs_of_records_that_one_may_not_change_stay(office, sign_in):
    flow = make(office)
    run = enrolled(office, flow, office.mail().pk)
    office.role(
        office.world.bob, capabilities=["workflow_edit"], records={"ticket": {"view": "all", "edit": "none"}}
    )

    sign_in(office.world.bob).post(f"/workflows/{flow.pk}/runs", {"ids": run.pk, "do": "leave"})

    assert again(office, run).state == "WAITING"


# ── what needs a look ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_wrong_is_listed_with_the_way_out_R_LOG_7(office, admin):
    flow = make(office, needs_review="Nobody is there.")
    enrolled(office, flow, office.mail().pk, ended="step_failed")

    shown = texts(admin.get("/workflows/review"))
    for said in ("Onboarding", "Nobody is there.", "1 run failed", "The history shows where it failed."):
        assert said in shown

    admin.post(f"/workflows/{flow.pk}/looked")
    assert now(office, flow).needs_review == ""
    assert "All is well" in texts(admin.get("/workflows/review"))


def test_notices_lead_to_what_failed_and_archived_ones_say_so(office, admin):
    flow = make(office, archived_at=office.at)

    answer = admin.get(f"/settings/pipelines/workflows/{flow.pk}", follow=True)

    assert answer.redirect_chain[-1][0] == f"/workflows/{flow.pk}/history?state=failed"
    assert "This workflow is archived." in texts(answer)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def changed(office):
    flow = make(office)
    with office.inside() as world:
        longer = Definition(
            "ticket", start=Edge("1"), next_id=3,
            steps=(Action("1", "create_task", {"title": "Write"}, next=Edge("2")), Action("2", "create_task", {"title": "Thank"})),
        )  # fmt: skip
        return workflows.save(flow, longer, by=world.grace.pk)


def test_versions_tell_who_changed_what_R_EDIT_4(office, admin, changed):
    shown = texts(admin.get(f"/workflows/{changed.pk}/revisions"))

    for said in ("Grace Hopper", "1 step added", "1 step changed", "The first version", "Runs now"):
        assert said in shown
    compared = texts(admin.get(f"/workflows/{changed.pk}/revisions/compare?older=1&newer=2"))
    for said in ("Added", "Changed", "Call", "Write"):
        assert said in compared


def test_a_version_is_read_and_brought_back_as_a_new_one_R_EDIT_4(office, admin, changed):
    assert "Bring this version back" in texts(admin.get(f"/workflows/{changed.pk}/revisions/1"))

    admin.post(f"/workflows/{changed.pk}/revisions/1/restore")

    with office.inside():
        rows = {row.number: row for row in WorkflowRevision.objects.filter(workflow=changed)}
    assert rows[3].definition == {**rows[1].definition, "next_id": 3}
    assert (rows[3].restores, now(office, changed).revision_number) == (1, 3)


def test_a_version_comes_back_to_a_workflow_that_is_on_as_its_draft_R_WF_21_R_EDIT_6(office, admin, changed):
    """What it names may be gone by now, and who is inside may have to go on elsewhere: that is asked at publishing."""
    with office.inside() as world:
        workflows.switch(changed, True, by=world.ada.pk)

    page = admin.post(f"/workflows/{changed.pk}/revisions/1/restore", follow=True)

    assert "Version 1 is in the draft. Look it over, then publish it." in texts(page)
    with office.inside() as world:
        draft = drafts.of(now(office, changed))
        assert (draft.published, now(office, changed).revision_number) == (
            workflows.definition_of(changed),
            2,
        )
        first = WorkflowRevision.objects.get(workflow=changed, number=1)
        assert draft.definition.to_json() == {**first.definition, "next_id": 3}
        assert drafts.publish(changed, by=world.ada.pk).revision_number == 3


def test_versions_say_all_that_a_step_says_and_what_differs_in_it_R_EDIT_4_R_DELAY_4(office, admin):
    urgent, low = (
        AllOf((Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, (name,)),))
        for name in ("HIGH", "LOW")
    )
    first = Definition(
        "ticket", start=Edge("1"), next_id=5,
        steps=(
            Delay("1", ForAmount(timedelta(days=2)), next=Edge("2"), cancel_if=urgent),
            ValueEquals("2", "hs_ticket_priority", (Case("HIGH", Edge("3")),)),
            IfThen("3", (Branch("Urgent", urgent, Edge("4")),)),
            Delay("4", UntilProperty("closed_date", days=-1)),
        ),
    )  # fmt: skip
    changes = {
        "1": {"cancel_if": low}, "3": {"branches": (Branch("Urgent", low, Edge("4")),)}, "4": {"wait": UntilProperty("closed_date", days=-3)},
    }  # fmt: skip
    steps = tuple(replace(step, **changes.get(step.id, {})) for step in first.steps)
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Onboarding", first, by=world.ada.pk)
        later = replace(first, steps=steps, timing=Timing(pause_days=(date(2026, 12, 24),)))
        workflows.save(flow, later, by=world.ada.pk)

    read = texts(admin.get(f"/workflows/{flow.pk}/revisions/1"))
    differs = texts(admin.get(f"/workflows/{flow.pk}/revisions/compare?older=1&newer=2"))

    assert "Wait 2 days, unless Priority is any of High" in read
    assert "By Priority" in read
    assert "Branch by value By Priority High If/then branch" in read
    for was, became in (
        ("Cancel the wait as soon as Priority is any of High", "Priority is any of Low"),
        ("Urgent Priority is any of High", "Priority is any of Low"),
        ("Wait Until 1 day before Close date", "Until 3 days before Close date"),
        ("When actions run Nothing set", "Days without actions: 24 Dec 2026"),
    ):
        assert f"{was} → {became}" in differs


def test_a_version_that_can_not_be_read_says_so(office, admin, changed):
    with office.inside():
        make_unreadable(changed)

    read = admin.get(f"/workflows/{changed.pk}/revisions/2")
    compared = admin.get(f"/workflows/{changed.pk}/revisions/compare?older=1&newer=2", follow=True)
    with office.inside():
        WorkflowRevision.objects.filter(workflow=changed, number=1).update(definition={"format": 999})
    restored = admin.post(f"/workflows/{changed.pk}/revisions/1/restore", follow=True)

    assert read.status_code == 200
    assert "This version of the workflow can't be read." in unescape(texts(read))
    assert "It has no steps." not in texts(read)
    for answer in (compared, restored):
        assert answer.redirect_chain == [(f"/workflows/{changed.pk}/revisions", 302)]
        assert "read" in unescape(texts(answer))
    assert "Bring this version back" not in texts(admin.get(f"/workflows/{changed.pk}/revisions/1"))


@pytest.mark.parametrize("path", ["revisions/9", "revisions/compare?older=1&newer=9"])
def test_a_version_that_never_was_is_not_found(office, admin, changed, path):
    assert admin.get(f"/workflows/{changed.pk}/{path}").status_code == 404


def test_the_newest_version_is_not_brought_back(office, admin, changed):
    answer = admin.post(f"/workflows/{changed.pk}/revisions/2/restore", follow=True)

    assert "This is the version that runs." in texts(answer)


# ── by hand, and why ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def running(office):
    flow = make(office)
    with office.inside() as world:
        return workflows.switch(flow, True, by=world.ada.pk)


def test_a_ticket_is_enrolled_by_hand_and_taken_out_beside_it_R_EDIT_7(office, admin, running):
    ticket = office.mail()
    page = texts(admin.get(f"/workflows/choose?type=ticket&ids={ticket.pk}"))
    assert "Onboarding" in page

    admin.post("/workflows/enrolled", {"ids": ticket.pk, "workflow": running.pk, "type": "ticket"})

    with office.inside():
        run = Enrollment.objects.get(record_id=ticket.pk)
    assert run.reason["by"] == "manual"
    beside = admin.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert "Take out of “Onboarding”" in beside
    admin.post(f"/workflows/{running.pk}/runs", {"ids": run.pk, "do": "leave"})
    assert again(office, run).end_reason == "by_hand"


def test_several_tickets_are_enrolled_from_the_list_R_EDIT_7(office, admin, running):
    both = [office.mail(name).pk for name in ("One", "Two")]

    answer = admin.post("/inbox/all-open/bulk", {"ids": both, "enroll": "1"})
    assert answer.url == "/workflows/choose?type=ticket&back=%2Finbox%2Fall-open"
    assert f'name="ids" value="{both[0]},{both[1]}"' in admin.get(answer.url).content.decode()
    admin.post("/workflows/enrolled", {"ids": ",".join(map(str, both)), "workflow": running.pk})

    with office.inside():
        assert {run.record_id for run in Enrollment.objects.all()} == set(both)


@pytest.fixture
def offers(office):
    """A workflow for deals that is on, and two deals."""
    with office.inside() as world:
        flow = workflows.create(
            world.account.pk, "Offers", replace(task(), object_type="deal"), by=world.ada.pk
        )
        workflows.switch(flow, True, by=world.ada.pk)
        return flow, [objects.create("deal", {"dealname": name}, by=SYSTEM).id for name in ("One", "Two")]


def test_a_deal_is_enrolled_and_taken_out_on_its_page_R_EDIT_7_R_UN_8(office, admin, offers):
    flow, (deal, _other) = offers
    page = html.unescape(admin.get(f"/records/deals/{deal}").content.decode())
    assert "In no workflow." in page
    (url,) = re.findall(r'href="(/workflows/choose[^"]+)"', page)
    assert "Offers" in texts(admin.get(url))

    answer = admin.post(
        "/workflows/enrolled",
        {"ids": deal, "workflow": flow.pk, "type": "deal", "back": f"/records/deals/{deal}"},
        follow=True,
    )

    assert "Take out of “Offers”" in html.unescape(answer.content.decode())
    with office.inside():
        archive.archive("deal", [deal], by=SYSTEM)
    assert "/workflows/choose" not in admin.get(f"/records/deals/{deal}").content.decode()


def test_deals_are_enrolled_from_their_table_and_their_board_R_EDIT_7(office, admin, offers):
    _flow, deals = offers
    with office.inside():
        pipeline = pipelines_of("deal").default.id
    page = admin.get("/records/deals/table").content.decode()
    for deal in deals:
        assert f'name="ids" value="{deal}" form="ticked"' in page

    choosing = admin.post("/records/deals/table/ticked", {"enroll": "1", "ids": deals})

    assert choosing.url.startswith("/workflows/choose?type=deal&back=")
    assert all(said in texts(admin.get(choosing.url)) for said in ("One", "Two", "Offers"))
    assert admin.post("/records/deals/table/ticked", {"enroll": "1"}).status_code == 400
    board = html.unescape(admin.get("/records/deals/board").content.decode())
    assert (
        f'href="/workflows/choose?type=deal&back=%2Frecords%2Fdeals%2Fboard%3Fpipeline%3D{pipeline}" data-enroll'
        in board
    )


def test_contacts_are_enrolled_from_their_list_and_their_page_R_EDIT_7(office, admin):
    astrid = office.mail().contact_id
    page = admin.get("/contacts").content.decode()
    assert f'name="ids" value="{astrid}" form="people-form"' in page
    assert 'formaction="/workflows/ticked?type=contact&amp;back=/contacts"' in page
    assert (
        f"/workflows/choose?type=contact&amp;ids={astrid}"
        in admin.get(f"/contacts/{astrid}").content.decode()
    )

    there = "/workflows/ticked?type=contact&back=/contacts"
    answer = admin.post(there, {"ids": astrid, "segment": ""})

    assert answer.url == "/workflows/choose?type=contact&back=%2Fcontacts"
    assert f'name="ids" value="{astrid}"' in admin.get(answer.url).content.decode()
    assert admin.get("/workflows/choose?type=ticket").status_code == 404, "these are contacts, not tickets"
    assert "Choose records first." in texts(admin.post(there, {"segment": ""}, follow=True))


def test_who_may_not_enroll_is_offered_it_nowhere_R_EDIT_7(office, sign_in, offers):
    _flow, (deal, _other) = offers
    contact = office.mail().contact_id
    client = sign_in(office.world.bob)

    for path in (
        f"/records/deals/{deal}",
        "/records/deals/table",
        "/records/deals/board",
        "/contacts",
        f"/contacts/{contact}",
    ):
        shown = client.get(path)
        assert shown.status_code == 200
        assert not re.findall("/workflows/(choose|ticked)", shown.content.decode())


def test_a_lane_is_seen_in_the_editor_by_who_may_only_look_R_ACT_2(office, sign_in):
    with office.inside() as world:
        lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
    office.role(office.world.bob, capabilities=["workflow_view"])
    client = sign_in(office.world.bob)
    (url,) = re.findall(r'class="wf-name" href="([^"]+)"', client.get("/workflows").content.decode())

    assert url == f"/workflows/{lane.pk}"
    assert "Call" in texts(client.get(url))


def test_without_a_choice_the_form_says_so(office, admin, running):
    ticket = office.mail()

    answer = admin.post("/workflows/enrolled", {"ids": ticket.pk, "type": "ticket"})

    assert answer.status_code == 422
    assert "Choose a workflow." in texts(answer)


def test_who_was_inside_before_is_told_why_not_R_RE_8(office, admin, running):
    ticket = office.mail()
    enrolled(office, running, ticket.pk, ended="completed")

    answer = admin.post("/workflows/enrolled", {"ids": ticket.pk, "workflow": running.pk}, follow=True)

    assert "1 record is not enrolled. The record was in the workflow before" in texts(answer)


def test_records_are_found_for_a_workflow(office, admin, running):
    ticket = office.mail("Lamp broken")
    index(office.world.account.pk, "ticket", {ticket.pk}, office)

    assert "Lamp broken" in texts(admin.get(f"/workflows/{running.pk}/enroll?q=lamp"))
    assert "Lamp broken" in texts(admin.get(f"/workflows/{running.pk}/enroll"))  # the newest, for no words
    assert "Lamp broken" not in texts(admin.get(f"/workflows/{running.pk}/enroll?q=chair"))


def index(account_id, object_type, ids, office):
    with office.inside():
        search.index(account_id, object_type, ids)


def test_the_tester_says_why_R_LOG_5(office, admin, running):
    ticket = office.mail("Lamp broken")
    index(office.world.account.pk, "ticket", {ticket.pk}, office)

    found = f'href="/workflows/{running.pk}/why?record={ticket.pk}"'
    for query, is_listed in (
        ("", True),
        ("?q=lamp", True),
        ("?q=chair", False),
        (f"?record={ticket.pk}", False),
    ):
        assert (found in admin.get(f"/workflows/{running.pk}/why{query}").content.decode()) is is_listed
    shown = texts(admin.get(f"/workflows/{running.pk}/why?record={ticket.pk}"))
    assert "Nothing starts this workflow by itself" in shown
    assert admin.get(f"/workflows/{running.pk}/why?record=999999").status_code == 404


def test_the_tester_shows_each_condition_with_the_value_R_LOG_5(office, admin):
    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    asks = replace(task(), trigger=WhenTrue(AllOf((urgent,))))
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Urgent", asks, by=world.ada.pk)
        workflows.switch(flow, True, by=world.ada.pk)
    ticket = office.mail()

    shown = texts(admin.get(f"/workflows/{flow.pk}/why?record={ticket.pk}"))

    for said in ("The record does not meet the filters.", "Priority", "is any of", "High", "Does not hold"):
        assert said in shown


def test_the_tester_reads_conditions_on_any_kind_of_record_R_LOG_5(office, admin):
    with office.inside() as world:
        best = segments.create("deal", "Best", SegmentKind.STATIC, by=SYSTEM)
        large = Filter("amount", Kind.NUMBER, Operator.GREATER, (Decimal(500),))
        person = Associated("contact", Filter("email", Kind.TEXT, Operator.CONTAINS, ("astrid",)))
        asks = Definition("deal", WhenTrue(AllOf((large, MemberOf("segment", (best.pk,)), person))))
        flow = workflows.create(world.account.pk, "Large", asks, by=world.ada.pk)
        deal = objects.create("deal", {"dealname": "Kiosk", "amount": "750"}, by=SYSTEM).id
        contact = contacts.create(Person("astrid@fjallbo.example"), by=SYSTEM)
        associations.connect("deal", deal, "contact", contact.pk, by=SYSTEM)
        members.add(best.pk, [deal], by=SYSTEM)

    shown = texts(admin.get(f"/workflows/{flow.pk}/why?record={deal}"))

    for said in (
        "Amount",
        "is greater than",
        "500",
        "Is: 750",
        "is in any of",
        "Is: Best",
        "Contact: Email",
        "Is: astrid@fjallbo.example",
    ):
        assert said in shown
    assert "Does not hold" not in shown


# ── used in ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_names_a_workflow_is_told_before_it_goes_R_EDIT_9(office, admin):
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Onboarding", task(), by=world.ada.pk)
        over = Action("1", "enroll_in_workflow", {"workflow": str(flow.pk), "over": False})
        calls = Definition("ticket", start=Edge("1"), steps=(over,), next_id=2)
        caller = workflows.create(world.account.pk, "Caller", calls, by=world.ada.pk)
        asks = replace(task(), trigger=WhenTrue(MemberOf("workflow", (flow.pk,))))
        workflows.create(world.account.pk, "Asker", asks, by=world.ada.pk)
        workflows.create(world.account.pk, "Stranger", task(str(flow.pk)), by=world.ada.pk)

    for path in ("archive", "details"):
        page = admin.get(f"/workflows/{flow.pk}/{path}").content.decode()
        assert re.findall(r'class="wf-uses".*?</div>', page, re.S)
        assert f'<a class="link" href="/workflows/{caller.pk}">Caller</a>' in page
        assert ">Asker</a>" in page
        assert "Stranger" not in page
    assert "wf-uses" not in admin.get(f"/workflows/{caller.pk}/archive").content.decode()


def test_secrets_mails_and_properties_lead_to_the_workflows_that_name_them_R_EDIT_9(office, admin):
    with office.inside() as world:
        secrets.add(world.account.pk, "SHOP_KEY", "open-sesame", by=SYSTEM)
        mail = templates.create(world.account.pk, "Welcome", by=SYSTEM)
        shelf = properties.create("ticket", "shelf", "Shelf", Kind.TEXT, by=SYSTEM)
        steps = (
            Action("1", "create_task", {"title": "{{ secret.SHOP_KEY }}"}, Edge("2")),
            Action("2", "send_email", {"template": str(mail.pk)}, Edge("3")),
            Action("3", "set_property", {"object_type": "ticket", "property": "shelf", "value": "7"}),
        )
        uses = Definition("ticket", start=Edge("1"), steps=steps, next_id=4)
        flow = workflows.create(world.account.pk, "Everything", uses, by=world.ada.pk)

    for path in (
        "/settings/secrets",
        "/settings/mails",
        reverse("property-archive", args=["tickets", shelf.pk]),
    ):
        assert re.search(
            rf'href="/workflows/{flow.pk}"[^>]*>[^<]*Everything', admin.get(path).content.decode()
        ), path


# ── how long it is kept ──────────────────────────────────────────────────────────────────────────────────────────────


def test_where_the_budget_goes_what_is_held_and_the_way_on_R_MAIL_12(office, admin):
    """What is used now, the last 24 hours by workflow, the limit, what is held back, and the resume button."""

    def page():
        return text_of(admin.get("/settings/automation-sending").content.decode())

    assert "Workflows have sent nothing in the last 24 hours." in page()
    assert admin.post("/settings/automation-sending/save", {"per_hour": "3"}).status_code == 302
    with office.inside() as world:
        mails = Action("1", "internal_email", {"users": [world.ada.pk, world.grace.pk]})
        flow = workflows.create(
            world.account.pk, "Tell two", Definition("ticket", start=Edge("1"), steps=(mails,), next_id=2)
        )
        other = workflows.create(world.account.pk, "Silent", Definition("ticket"))
        Workflow.objects.filter(pk=flow.pk).update(is_on=True)
        flow.refresh_from_db()
        for subject in ("one", "two", "three"):
            enroll(flow, world.ticket(subject).pk)
        go()
        SendingHour.objects.create(
            account_id=world.account.pk, workflow_id=999, hour=clock.now() - timedelta(hours=5), count=70
        )
        SendingHour.objects.create(
            account_id=world.account.pk, workflow_id=other.pk, hour=clock.now() - timedelta(hours=30), count=8
        )

    said = page()
    assert "2 of 3 Begins anew:" in said
    assert "“Tell two” would have sent more (" in said
    assert "Held back Tell two 2 runs" in said
    assert re.search("A workflow that was deleted 70 70 Tell two 2 2 All together: 72", said), said
    assert "Silent" not in said
    assert "Until automation may send again" in texts(admin.get(f"/workflows/{flow.pk}/history"))
    answer = admin.post("/settings/system/automation/resume", {"back": "/settings/automation-sending"})
    assert answer.headers["Location"] == "/settings/automation-sending"
    assert "Held back" not in page()
    with office.inside():
        assert Enrollment.objects.filter(state="DUE").count() == 2


@pytest.mark.parametrize(
    ("typed", "says"), [("0", "1 to 1000000"), ("1000001", "1 to 1000000"), ("many", "not a number")]
)
def test_a_limit_that_is_none_is_refused_and_an_empty_one_is_the_installation_s(office, admin, typed, says):
    answer = admin.post("/settings/automation-sending/save", {"per_hour": typed})
    assert (answer.status_code, says in answer.content.decode()) == (422, True)
    assert f'value="{typed}"' in answer.content.decode()
    admin.post("/settings/automation-sending/save", {"per_hour": "7"})
    assert admin.post("/settings/automation-sending/save", {"per_hour": ""}).status_code == 302
    with office.inside() as world:
        assert budget.of(world.account.pk).per_hour is None
    assert "0 of 20,000" in admin.get("/settings/automation-sending").content.decode()


def test_how_long_the_log_is_kept_is_the_accounts_choice_R_LOG_3(office, admin):
    assert (
        'name="days" inputmode="numeric" value="180"' in admin.get("/settings/workflow-log").content.decode()
    )

    assert admin.post("/settings/workflow-log/save", {"days": "30"}).status_code == 302

    with office.inside() as world:
        assert retention.days_kept(world.account.pk) == 30
    for typed, said in (("6", "7 to 3650 days"), ("soon", "is not a number"), ("", "is not a number")):
        refused = admin.post("/settings/workflow-log/save", {"days": typed})
        assert refused.status_code == 422
        assert said in texts(refused)
