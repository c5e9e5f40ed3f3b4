"""The Automate page's drawers, by mouse and by keyboard: nothing typed is lost in silence, and focus goes back."""

from __future__ import annotations

import re
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from deskhand.automation import lanes, templates, workflows
from deskhand.automation.engine.definition import Edge, Missed, UntilDate
from deskhand.automation.models import Enrollment

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

PATH = "/settings/pipelines/automate"


@pytest.fixture
def lane(office):
    """[mail, task] in the lane New."""
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        new, by = world.stage("New"), world.ada.pk
        lanes.add_step("ticket", new, "send_email", {"template": "ticket_received"}, by=by)
        lanes.add_step("ticket", new, "create_task", {"title": "Call"}, after="1", by=by)
    return office


@pytest.fixture
def page(tab, lane) -> Page:
    return tab(lane.world.ada, PATH)


def titles(office) -> list[str]:
    with office.inside() as world:
        found = next(
            one for one in lanes.lanes_of(world.tickets.default) if one.stage_id == world.stage("New")
        )
        return [step.settings.get("title", "") for step in found.steps]


def open_task_form(page: Page):
    """From the first + of the page; returns the +."""
    plus = page.locator(".lane-plus").first
    plus.click()
    page.locator("#drawer .offer", has_text="Create task").click()
    expect(page.get_by_label("Title")).to_be_focused()
    return plus


def drawer(page: Page):
    return page.locator("#drawer")


def question(page: Page):
    return page.get_by_role("alertdialog", name="Discard changes?")


def by_escape(page: Page) -> None:
    page.keyboard.press("Escape")


def by_the_close_button(page: Page) -> None:
    drawer(page).get_by_role("link", name="Close").click()


def by_cancel(page: Page) -> None:
    drawer(page).get_by_role("link", name="Cancel").click()


def by_the_page_behind(page: Page) -> None:
    page.mouse.click(300, 400)


def by_going_back(page: Page) -> None:
    drawer(page).get_by_role("link", name="Back").click()


LEAVING = [by_escape, by_the_close_button, by_cancel, by_the_page_behind]


@pytest.mark.parametrize("leave", LEAVING)
def test_an_untouched_drawer_closes_at_once_and_focus_goes_back(page, leave) -> None:
    plus = open_task_form(page)

    leave(page)

    expect(drawer(page)).to_be_hidden()
    expect(plus).to_be_focused()


@pytest.mark.parametrize("leave", [*LEAVING, by_going_back])
def test_what_was_typed_is_not_thrown_away_unasked(page, leave) -> None:
    open_task_form(page)
    page.keyboard.type("Call Astrid")

    leave(page)
    expect(question(page)).to_be_visible()
    expect(page.get_by_role("button", name="Keep editing")).to_be_focused()
    page.keyboard.press("Escape")

    expect(question(page)).to_be_hidden()
    expect(page.get_by_label("Title")).to_have_value("Call Astrid")
    expect(page.get_by_label("Title")).to_be_visible()


@pytest.mark.parametrize("leave", LEAVING)
def test_discarding_closes_and_focus_goes_back(page, lane, leave) -> None:
    plus = open_task_form(page)
    page.keyboard.type("Call Astrid")

    leave(page)
    page.get_by_role("button", name="Discard changes").click()

    expect(drawer(page)).to_be_hidden()
    expect(plus).to_be_focused()
    assert titles(lane) == ["", "Call"]


def test_going_back_after_discarding_leads_to_the_choice(page) -> None:
    open_task_form(page)
    page.keyboard.type("Call Astrid")

    by_going_back(page)
    page.get_by_role("button", name="Discard changes").click()

    expect(drawer(page).get_by_role("heading", name="Choose an action")).to_be_visible()


def test_the_browser_asks_before_it_leaves_a_changed_form(page) -> None:
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    open_task_form(page)
    page.keyboard.type("Call Astrid")

    page.evaluate("location.assign('/inbox/all-open')")
    page.wait_for_timeout(300)

    assert asked == ["beforeunload"]
    expect(page.get_by_label("Title")).to_have_value("Call Astrid")


def test_a_step_is_added_with_the_keyboard_alone(page, lane) -> None:
    plus = page.locator(".lane-plus").nth(1)  # after the first step
    plus.focus()
    page.keyboard.press("Enter")
    choose(page, "create task")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.type("Call Astrid")
    page.keyboard.press("Enter")

    expect(drawer(page)).to_be_hidden()
    expect(page.locator(".bubble").nth(1)).to_contain_text("Call Astrid")
    expect(plus).to_be_focused()
    assert titles(lane) == ["", "Call Astrid", "Call"]


def choose(page: Page, words: str) -> None:
    """An action by its words, in the drawer that was just opened."""
    expect(drawer(page).get_by_role("searchbox", name="Find an action")).to_be_focused()
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def tab_to(page: Page, wanted) -> None:
    for _press in range(40):
        page.keyboard.press("Tab")
        if wanted.count() and wanted.first.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("The keyboard does not get there.")


def test_a_lane_with_a_date_a_cancelled_wait_and_a_go_to_is_built_by_keyboard_R_ACT_23(page, lane) -> None:
    """R-DELAY-1, R-DELAY-3, R-BR-9"""
    page.locator(".lane-plus").nth(1).focus()  # between the mail and the task
    page.keyboard.press("Enter")
    choose(page, "delay")
    kind = page.get_by_label("Wait", exact=True)
    expect(kind).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Date", exact=True)).to_be_visible()
    expect(kind).to_be_focused()  # the form was drawn anew
    expect(kind).to_have_value("date")
    page.keyboard.press("Tab")
    page.keyboard.type("12242026")
    tab_to(page, page.get_by_label("If that is past already"))
    page.keyboard.press("ArrowDown")
    tab_to(page, drawer(page).locator(".condition [name=redraw]"))
    page.keyboard.press("Enter")
    asked = drawer(page).locator(".condition-open")
    prop, high = asked.get_by_label("Property"), asked.get_by_role("checkbox", name="High")
    expect(prop).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")  # the list stays open until one is chosen
    page.keyboard.type("Priority")
    page.keyboard.press("Enter")
    expect(high).to_be_visible()
    tab_to(page, high)
    page.keyboard.press("Space")
    by_escape(page)
    expect(question(page)).to_be_visible()  # what was typed before the form was drawn anew is not lost either
    page.keyboard.press("Escape")
    tab_to(page, drawer(page).get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(drawer(page)).to_be_hidden()
    expect(page.locator(".bubble").nth(1)).to_contain_text("Until 24 Dec 2026")

    page.locator(".lane-way").nth(1).locator(".lane-plus").focus()
    page.keyboard.press("Enter")
    choose(page, "another step")
    expect(page.get_by_label("Which step")).to_be_focused()
    page.keyboard.type("3")
    tab_to(page, drawer(page).get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(drawer(page)).to_be_hidden()
    jump = page.locator(".lane-way").nth(1).get_by_role("link", name="Go to Create task: Call")
    expect(jump).to_be_visible()

    with lane.inside() as world:
        delay = workflows.definition_of(lanes.lane_of(world.stage("New"), "ticket")).by_id["3"]
    assert delay.wait == UntilDate(date(2026, 12, 24), if_past=Missed.OTHERWISE)
    assert delay.cancel_if is not None
    assert (delay.next, delay.otherwise) == (Edge("2"), Edge("2", is_goto=True))

    page.get_by_role("button", name="End here instead of going to Create task: Call").focus()
    page.keyboard.press("Enter")
    expect(jump).to_be_hidden()


def test_a_card_shows_what_can_be_done_with_it_when_it_has_focus(page) -> None:
    tools = page.locator(".bubble-tools").first
    expect(tools).to_have_css("opacity", "0")

    page.locator(".bubble-main").first.focus()
    expect(tools).to_have_css("opacity", "1")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Comment on Send email")).to_be_focused()
    page.keyboard.press("Tab")
    edit = page.get_by_role("link", name="Edit Send email")
    expect(edit).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Mail", exact=True)).to_be_focused()
    page.keyboard.press("Escape")

    expect(edit).to_be_focused()


def test_focus_stays_in_the_lane_when_the_card_is_gone(page, lane) -> None:
    page.locator(".bubble-main").nth(1).focus()
    page.get_by_role("link", name="Delete Create task").click()
    drawer(page).get_by_role("button", name="Delete").click()

    expect(drawer(page)).to_be_hidden()
    expect(page.locator(".lane-plus").first).to_be_focused()
    assert titles(lane) == [""]


def test_a_step_goes_where_it_is_told_and_the_page_shows_it(page, lane) -> None:
    page.locator(".bubble-main").first.focus()
    page.get_by_role("link", name="Move or copy Send email").click()
    after_task = drawer(page).get_by_role("radio", name="New: After “Create task”")
    expect(drawer(page).get_by_role("radio", name="New: At the beginning")).to_be_hidden()  # it stands there
    drawer(page).get_by_role("checkbox", name="With the one after it").check()
    expect(after_task).to_be_hidden()
    drawer(page).get_by_role("checkbox", name="With the one after it").uncheck()
    after_task.check()
    drawer(page).get_by_role("button", name="Move").click()

    expect(drawer(page)).to_be_hidden()
    expect(page.locator(".bubble-main")).to_contain_text(["Create task", "Send email"])
    expect(page.get_by_role("link", name="Move or copy Send email")).to_be_focused()
    assert titles(lane) == ["Call", ""]


def test_a_copy_shows_in_the_other_lane(page, lane) -> None:
    page.locator(".bubble-main").nth(1).focus()
    page.get_by_role("link", name="Move or copy Create task").click()
    drawer(page).get_by_text("Copy", exact=True).first.click()
    drawer(page).get_by_role("radio", name="Closed: At the beginning").check()
    drawer(page).get_by_role("button", name="Copy").click()

    expect(drawer(page)).to_be_hidden()
    expect(page.locator(".lane").last.locator(".bubble-main")).to_contain_text(["Create task"])
    expect(page.locator(".lane").first.locator(".bubble")).to_have_count(2)


def test_switching_on_asks_only_when_somebody_is_there(page, lane) -> None:
    switch = page.get_by_role("switch", name=re.compile("Workflow is (on|off)")).first
    switch.click()
    expect(switch).to_be_checked()
    switch.click()
    expect(switch).not_to_be_checked()
    lane.mail("Refund still missing")
    switch.click()
    drawer(page).get_by_role("radio", name="Also the one that is here now").check()
    drawer(page).get_by_role("button", name="Switch on").click()

    expect(drawer(page)).to_be_hidden()
    expect(switch).to_be_checked()
    expect(switch).to_be_focused()
    expect(page.locator(".bubble").first).to_contain_text("1 inside")


def test_a_refusal_puts_focus_where_it_is_wrong_and_leaving_still_asks(page) -> None:
    open_task_form(page)
    page.get_by_label("Days", exact=True).fill("soon")
    drawer(page).get_by_role("button", name="Save").click()

    expect(page.get_by_label("Days", exact=True)).to_be_focused()
    expect(page.get_by_text("soon is not a whole number.")).to_be_visible()
    by_escape(page)
    expect(question(page)).to_be_visible()


def test_a_save_that_fails_is_said_in_the_drawer_and_keeps_what_was_typed(page, lane) -> None:
    open_task_form(page)
    page.keyboard.type("Call Astrid")
    page.route("**/steps", lambda route: route.fulfill(status=500, body="down"))
    save = drawer(page).get_by_role("button", name="Save")

    save.click()

    expect(drawer(page).get_by_role("alert")).to_contain_text("That did not work. Nothing was changed.")
    expect(page.get_by_label("Title")).to_have_value("Call Astrid")
    expect(save).to_be_enabled()
    assert titles(lane) == ["", "Call"]


def test_a_save_under_way_is_not_sent_twice(page) -> None:
    sent = []
    open_task_form(page)
    page.keyboard.type("Call Astrid")
    page.route("**/steps", lambda route: sent.append(route))
    save = drawer(page).get_by_role("button", name="Save")

    save.click()
    expect(save).to_be_disabled()
    page.get_by_label("Title").press("Enter")
    page.wait_for_timeout(200)

    assert len(sent) == 1
    sent[0].continue_()
    expect(drawer(page)).to_be_hidden()


def test_a_token_is_put_in_where_the_cursor_is(page) -> None:
    open_task_form(page)
    title = page.get_by_label("Title")
    page.keyboard.type("Call  back")
    title.evaluate("element => element.setSelectionRange(5, 5)")

    drawer(page).get_by_role("button", name="Insert token").first.click()
    page.get_by_role("button", name="First name").click()

    expect(title).to_have_value("Call {{ contact.first_name }} back")
    expect(title).to_be_focused()


def test_escape_closes_the_list_of_tokens_before_the_drawer(page) -> None:
    open_task_form(page)
    drawer(page).get_by_role("button", name="Insert token").first.click()
    expect(page.locator("#tokens-title")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.locator("#tokens-title")).to_be_hidden()
    expect(drawer(page)).to_be_visible()


def test_a_colleague_is_called_by_keyboard_and_led_to_the_comment_R_ACT_6(page, tab, lane) -> None:
    """Who has Account access alone, and may open no workflows (R-ACT-42)."""
    lane.role(lane.world.grace, records={}, capabilities=["account_access"])
    page.locator(".bubble-main").nth(1).focus()
    page.get_by_role("link", name="Comment on Create task").press("Enter")
    text = page.get_by_label("Your comment")
    text.press("Control+End")
    page.keyboard.type("Look here @")
    offered = drawer(page).get_by_role("option")
    expect(offered).to_contain_text([lane.world.grace.name, "Support"])
    page.keyboard.press("Escape")
    expect(offered).to_have_count(0)
    expect(drawer(page)).to_be_visible()
    page.keyboard.type(lane.world.grace.username[:2])
    expect(offered).to_have_count(1)
    page.keyboard.press("Enter")
    expect(text).to_have_value(f"Look here @{lane.world.grace.username} ")
    drawer(page).get_by_role("button", name="Add comment").press("Enter")
    expect(drawer(page)).to_contain_text("Look here")

    with lane.inside() as world:
        workflow = lanes.lane_of(world.stage("New"), "ticket")
    reader = tab(lane.world.grace, f"/settings/pipelines/workflows/{workflow.pk}?comment=last")
    expect(drawer(reader)).to_contain_text("Look here")
    by_escape(reader)

    expect(reader.get_by_role("link", name="1 comment on Create task")).to_be_focused()


def test_who_is_inside_a_step_is_listed_in_the_drawer_R_LOG_4(tab, lane) -> None:
    with lane.inside() as world:
        workflow = lanes.lane_of(world.stage("New"), "ticket")
        Enrollment.objects.create(
            account_id=world.account.pk, workflow=workflow, object_type="ticket", record_id=world.ticket("Broken lamp").pk, revision_number=1,
            step_id="2", enrolled_at=lane.at,
        )  # fmt: skip
    page = tab(lane.world.ada, PATH)

    page.get_by_role("link", name="1 inside").click()

    expect(drawer(page).get_by_role("link", name=re.compile("Broken lamp"))).to_be_visible()
    by_escape(page)
    expect(page.get_by_role("link", name="1 inside")).to_be_focused()


def test_another_pipeline_is_shown_as_soon_as_it_is_chosen(tab, lane) -> None:
    from deskhand.crm.pipelines import pipelines
    from deskhand.crm.pipelines.models import StageState
    from deskhand.crm.pipelines.pipelines import NewStage

    with lane.inside() as world:
        stages = [NewStage("Arrived", StageState.OPEN), NewStage("Refunded", StageState.CLOSED)]
        pipelines.create(world.account.pk, "ticket", "Returns", stages)
    page = tab(lane.world.ada, PATH)

    page.get_by_label("Pipeline", exact=True).select_option("Returns")

    expect(page.get_by_role("heading", name="Refunded")).to_be_visible()


def test_without_scripts_a_step_is_added_on_pages_of_their_own(tab, lane) -> None:
    page = tab(lane.world.ada, PATH, java_script_enabled=False)

    page.locator(".lane-plus").first.click()
    page.get_by_role("link", name=re.compile("^Create task")).click()
    page.get_by_label("Title").fill("Call Astrid")
    page.get_by_role("button", name="Save").click()

    expect(page.locator(".bubble").first).to_contain_text("Call Astrid")
