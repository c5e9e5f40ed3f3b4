"""The canvas of a workflow by keyboard: walk, open, add, delete, undo; nothing typed is lost on the way."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from deskhand.automation import drafts, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Action, Definition, Delay, ForAmount
from deskhand.automation.engine.edit import START, Place
from deskhand.automation.models import Workflow
from deskhand.desk.channels import ApprovedTemplate
from deskhand.testing.channels import DAY, Phones, connect, plugged_in
from deskhand.web.tests.conftest import being_switched_on, look_up

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

SOON = 20_000  # milliseconds: it asks every 3 seconds


@pytest.fixture
def flow(office) -> Workflow:
    """[task, delay]"""
    grown, _id = edit.insert(
        Definition("ticket"), Action("", "create_task", {"title": "Call", "assignee": "owner"}), START
    )
    grown, _id = edit.insert(grown, Delay("", ForAmount(timedelta(days=1))), Place("1"))
    with office.inside() as world:
        return workflows.create(world.account.pk, "Triage", grown, by=world.ada.pk)


@pytest.fixture
def page(tab, office, flow) -> Page:
    return tab(office.world.ada, f"/workflows/{flow.pk}")


def kinds(office, flow) -> list[str]:
    with office.inside():
        definition = drafts.of(Workflow.objects.get(pk=flow.pk)).definition
        return [getattr(step, "kind", "delay") for step in definition.steps]


def test_the_keyboard_walks_adds_deletes_and_undoes(page, office, flow):
    panel, keys = page.locator("#panel"), page.keyboard
    page.locator("#node-trigger").focus()
    keys.press("ArrowDown")
    expect(page.locator("#node-1")).to_be_focused()

    keys.press("n")
    expect(panel.get_by_role("heading", name="Choose an action")).to_be_visible()
    expect(panel.get_by_role("searchbox")).to_be_focused()
    keys.type("add a comment")
    expect(panel.locator(".offer", has_text="Delay")).to_be_hidden()
    keys.press("Enter")
    panel.get_by_label("Comment", exact=True).fill("Look at this")
    panel.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#node-3")).to_be_focused()
    assert sorted(kinds(office, flow)) == ["create_note", "create_task", "delay"]

    keys.press("Delete")
    panel.get_by_role("button", name="Delete").click()
    expect(page.locator("#node-3")).to_have_count(0)
    keys.press("Control+z")
    expect(page.locator("#node-3")).to_be_visible()


def test_what_is_typed_is_saved_before_another_step_opens(page, office, flow):
    panel = page.locator("#panel")
    page.locator("#node-1").press("Enter")
    panel.get_by_label("Title").fill("Write first")

    page.locator("#node-2").click()

    expect(panel.get_by_role("heading", name="Delay")).to_be_visible()
    expect(page.locator("#node-1")).to_contain_text("Write first")
    expect(page.locator("#node-2")).to_have_attribute("aria-current", "true")


def test_a_form_that_opens_is_at_work_from_when_it_is_seen_however_slow_its_script_comes(page, flow):
    """The first choice in it was lost, and Enter in a search left the page."""
    page.route("**/js/redraws*", lambda route: (time.sleep(0.8), route.continue_()))
    page.goto(f"/workflows/{flow.pk}")
    panel = page.locator("#panel")
    page.locator("#node-1").focus()
    page.keyboard.press("n")
    panel.locator(".offer", has_text="Create record").click()

    panel.get_by_label("Kind of record").select_option("company")

    expect(panel.get_by_role("checkbox", name="Industry")).to_be_visible()


def test_what_is_ticked_brings_the_fields_that_belong_to_it(page):
    panel = page.locator("#panel")
    page.locator("#node-1").focus()
    page.keyboard.press("n")
    panel.locator(".offer", has_text="Create record").click()
    panel.get_by_label("Kind of record").select_option("company")
    box = panel.get_by_role("checkbox", name="Industry")

    box.check()

    expect(panel.get_by_role("textbox", name="Industry")).to_be_visible()
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    box.uncheck()
    expect(panel.get_by_role("textbox", name="Industry")).to_be_hidden()


def test_who_is_at_the_button_that_stops_a_replay_stays_there_while_it_goes_on(page, flow):
    page.goto(f"/workflows/{flow.pk}/replay")
    page.get_by_role("button", name="Replay", exact=True).click()
    stop = page.get_by_role("button", name="Stop")
    stop.focus()
    before = stop.element_handle()
    assert before
    page.wait_for_function("old => !old.isConnected", arg=before)

    expect(page.locator("#replay-stop")).to_be_focused()


def test_what_is_typed_stays_while_the_workflow_is_being_switched_on_R_WF_20(tab, office, monkeypatch):
    flow = being_switched_on(office, monkeypatch)
    page = tab(office.world.ada, f"/workflows/{flow.pk}")
    title, pill = page.locator("#panel").get_by_label("Title"), page.locator("#wf-state")
    page.locator("#node-1").press("Enter")
    title.fill("Write first")
    expect(pill).to_have_text("Being switched on: 0 %")

    look_up(office, flow)
    expect(pill).to_have_text("Being switched on: 66 %", timeout=SOON)
    look_up(office, flow)
    expect(pill).to_have_text("On", timeout=SOON)

    expect(title).to_have_value("Write first")
    expect(title).to_be_focused()


@pytest.fixture
def numbers(office):
    """A number for SMS, and one for WhatsApp with an approved template."""
    approved = [ApprovedTemplate("parcel_sent", "Hello {{1}}, your parcel {{2}} is on its way.")]
    with plugged_in(Phones("sms"), Phones("whatsapp", window=DAY, approved=approved)):
        with office.inside() as world:
            connect(world.channel.inbox)
        yield


def test_a_message_to_phones_is_offered_where_a_number_is_connected_R_WA_2(office, flow, numbers, tab):
    page = tab(office.world.ada, f"/workflows/{flow.pk}")
    panel = page.locator("#panel")
    page.locator("#node-2").focus()
    page.keyboard.press("n")
    expect(panel.locator(".offer", has_text="Send SMS")).to_be_visible()
    expect(panel.locator(".offer", has_text="Send survey")).to_have_count(0)
    panel.locator(".offer", has_text="Send WhatsApp message").click()

    panel.get_by_label("Text").fill("We look into it.")
    panel.get_by_label("Approved template").select_option("parcel_sent")
    panel.get_by_label("Blank 1").fill("{{ contact.first_name }}")
    expect(panel.get_by_label("Text")).to_have_value("We look into it.")
    panel.get_by_label("Blank 2").fill("{{ ticket.number }}")
    panel.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#node-3")).to_be_visible()

    with office.inside():
        definition = drafts.of(Workflow.objects.get(pk=flow.pk)).definition
    (added,) = [step for step in definition.steps if step.id == "3"]
    assert added.settings["value_2"] == "{{ ticket.number }}"
