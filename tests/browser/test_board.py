"""The board with mouse, keyboard and menu in a real browser (R-PIPE-5, R-PIPE-11)."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import objects, refiling, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.events.live import signal
from deskhand.events.types import SYSTEM, Actor
from tests.browser.test_access import RULES

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def column(page: Page, name: str):
    return page.locator(".board-column").filter(has=page.get_by_role("heading", name=name, exact=True))


def card(page: Page, subject: str):
    return page.locator(".ticket-card:not(.ticket-card--ghost)").filter(has_text=subject)


def drag(page: Page, subject: str, to: str) -> None:
    start, end = card(page, subject).bounding_box(), column(page, to).bounding_box()
    page.mouse.move(start["x"] + 40, start["y"] + 30)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + 40)
    page.mouse.move(end["x"] + min(80, end["width"] / 2), end["y"] + 120, steps=5)
    expect(page.locator(".ticket-card--ghost")).to_be_visible()
    page.mouse.up()


def stands_in(office, ticket) -> str:
    again = office.again(ticket)
    with office.inside() as world:
        return world.tickets.stage(again.stage_id).label


def test_a_card_is_dragged_counted_and_taken_back(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")

    drag(page, "Refund still missing", "Waiting on us")

    expect(column(page, "Waiting on us").locator(".ticket-card")).to_have_count(1)
    expect(column(page, "Waiting on us").locator("[data-count]")).to_have_text("1")
    expect(column(page, "New").locator("[data-count]")).to_have_text("0")
    expect(page.locator("#toasts")).to_contain_text("Moved to Waiting on us")
    assert stands_in(office, ticket) == "Waiting on us"
    assert page.url.endswith("/board")  # letting go opens nothing

    page.get_by_role("button", name="Undo").click()

    expect(column(page, "New").locator(".ticket-card")).to_have_count(1)
    expect(page.locator("#toasts")).not_to_contain_text("Moved")
    assert stands_in(office, ticket) == "New"


def test_what_the_server_refuses_goes_back_and_says_why(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open")
    # What the board shows stays as it was before.
    page.route(
        "**/pipelines/*/board*",
        lambda route: route.continue_() if route.request.is_navigation_request() else None,
    )
    page.goto("/tickets")
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    drag(page, "Refund still missing", "Closed")

    expect(page.locator("#toasts")).to_contain_text("You may not change this ticket.")
    expect(column(page, "New").locator(".ticket-card")).to_have_count(1)
    expect(column(page, "New").locator("[data-count]")).to_have_text("1")
    assert stands_in(office, ticket) == "New"


def test_a_card_one_may_not_change_stays_and_says_so(tab, office) -> None:
    office.mail("Look, don't touch")
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    page = tab(office.world.grace, "/tickets")

    page.locator(".card-link").focus()
    page.keyboard.press(" ")

    expect(page.locator("#announce")).to_have_text("You may see this ticket, but not move it.")
    expect(page.locator("[data-lifted]")).to_have_count(0)


def test_a_board_that_is_read_late_takes_no_card_out_of_the_hand(tab, office) -> None:
    office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")
    asked = []
    page.route("**/pipelines/*/board*", lambda route: asked.append(route))
    page.locator("#board").dispatch_event("refresh")
    while not asked:
        page.wait_for_timeout(50)

    page.locator(".card-link").focus()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    with page.expect_event("requestfinished"):
        asked[0].continue_()
    page.wait_for_timeout(300)
    page.keyboard.press("ArrowRight")

    expect(page.locator("#announce")).to_have_text("Waiting on us, status 3 of 4")


def test_the_keyboard_lifts_moves_drops_and_puts_back(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")
    page.locator(".card-link").focus()

    page.keyboard.press(" ")
    expect(page.locator("#announce")).to_contain_text("Refund still missing lifted from New.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#announce")).to_have_text("Waiting on us, status 3 of 4")
    page.keyboard.press("Escape")
    expect(page.locator("#announce")).to_have_text("Refund still missing is back in New.")
    assert stands_in(office, ticket) == "New"

    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")

    expect(page.locator("#toasts")).to_contain_text("Moved to Waiting on contact")
    expect(page.locator(".card-link")).to_be_focused()
    assert stands_in(office, ticket) == "Waiting on contact"

    page.keyboard.press("z")
    expect(column(page, "New").locator(".ticket-card")).to_have_count(1)


def test_the_menu_of_a_card_leads_on_to_a_workflow_R_EDIT_7(tab, office) -> None:
    office.mail("Parcel lost")
    office.mail("Refund still missing")
    page = tab(office.world.ada, "/tickets")

    page.get_by_role("link", name="Move “Refund still missing”").press("Enter")
    page.locator("#move-menu").get_by_role("link", name="Enroll in workflow …").click()

    expect(page.get_by_role("heading", name="Enroll in workflow")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Refund still missing")
    expect(page.locator("main")).not_to_contain_text("Parcel lost")


def test_the_menu_of_a_card_does_what_dragging_does(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")

    page.get_by_role("link", name="Move “Refund still missing”").press("Enter")
    expect(page.locator("#move-menu")).to_be_visible()
    page.locator("#move-menu").get_by_role("button", name="Closed").click()

    expect(column(page, "Closed").locator("[data-count]")).to_have_text("1")
    expect(page.locator("#toasts")).to_contain_text("Moved to Closed")
    expect(page.get_by_role("button", name="Open “Closed”")).to_be_focused()
    assert stands_in(office, ticket) == "Closed"


def test_the_menu_of_a_card_leaves_out_a_status_that_was_deleted(tab, office) -> None:
    office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")
    with office.inside() as world:
        gone = Pipeline.objects.get(key="0", object_type="ticket").stages.get(pk=world.stage("Waiting on us"))
        refiling.delete_stage(gone, move_to=None, by=SYSTEM)
        signal(world.account.pk, ["views"])
    expect(column(page, "Waiting on us")).to_have_count(0)

    page.get_by_role("link", name="Move “Refund still missing”").press("Enter")

    expect(page.locator("#move-menu").get_by_role("button", name="Closed")).to_be_enabled()
    expect(page.locator("#move-menu").get_by_text("Waiting on us")).to_be_hidden()


def test_without_scripts_the_same_link_leads_to_a_page(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets", java_script_enabled=False)

    page.get_by_role("link", name="Move “Refund still missing”").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Closed").click()

    expect(column(page, "Closed").locator("[data-count]")).to_have_text("1")
    assert stands_in(office, ticket) == "Closed"


def test_what_others_do_shows_but_not_while_a_card_is_held(tab, office) -> None:
    office.mail("Refund still missing")
    other = office.mail("Parcel is broken", external_id="2@x")
    page = tab(office.world.grace, "/tickets")
    card(page, "Refund still missing").locator(".card-link").focus()
    page.keyboard.press(" ")

    with office.inside() as world:
        tickets.move(other.pk, to=world.stage("Closed"), by=SYSTEM)
    page.evaluate("document.getElementById('live').dispatchEvent(new Event('views'))")
    page.wait_for_timeout(300)
    expect(column(page, "New").locator(".ticket-card")).to_have_count(2)
    page.keyboard.press("Escape")

    expect(column(page, "Closed").locator("[data-count]")).to_have_text("1")
    expect(card(page, "Refund still missing").locator(".card-link")).to_be_focused()


def test_a_ticket_is_created_from_its_column_and_opened(tab, office) -> None:
    page = tab(office.world.grace, "/tickets")

    page.get_by_role("link", name="Create a ticket in Waiting on us").click()
    expect(page.locator("#new-subject")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_contain_text("A ticket needs a subject.")
    page.locator("#new-subject").fill("A call about order 7")
    page.locator("#new-email").fill("eva@fjord.example")
    page.locator("#drawer").get_by_role("button", name="Create ticket").click()

    expect(page.locator("#subject")).to_have_text("A call about order 7")
    with office.inside():
        ticket = Ticket.objects.get()
    assert stands_in(office, ticket) == "Waiting on us"
    assert page.url.endswith(f"/inbox/all-open/{ticket.pk}")


def asks_for(office, status: str, *asked: Ask) -> None:
    """What a status asks for; “Order number” and “Note” are the account's own."""
    with office.inside() as world:
        properties.create("ticket", "order_number", "Order number", Kind.NUMBER, by=SYSTEM)
        properties.create("ticket", "note", "Note", Kind.TEXT, by=SYSTEM)
        pipeline = Pipeline.objects.get(key="0", object_type="ticket")
        pipelines.set_rules(pipeline, Rules(asks={world.stage(status): asked}), by=Actor.user(world.ada.pk))


@pytest.fixture
def asking(office) -> None:
    """“New” asks for an order number and a priority."""
    asks_for(office, "New", Ask("order_number", True), Ask("hs_ticket_priority", True))


def test_the_form_asks_for_what_the_chosen_status_requires_R_REQ_1(tab, office, asking) -> None:
    page = tab(office.world.grace, "/tickets")
    drawer = page.locator("#drawer")
    page.get_by_role("link", name="Create a ticket in Waiting on us").click()
    drawer.locator("#new-subject").fill("A call about order 7")
    expect(drawer.get_by_label("Order number")).to_have_count(0)

    drawer.locator("#new-status").select_option(label="New")
    expect(drawer.get_by_label("Order number")).to_be_visible()
    expect(drawer.locator("#new-status")).to_be_focused()
    expect(drawer.locator("#new-subject")).to_have_value("A call about order 7")
    drawer.locator("#new-subject").press("Enter")
    expect(drawer.locator(".field-error")).to_have_count(2)
    expect(drawer.locator("#new-priority")).to_be_focused()
    assert Axe().run(page, options=RULES).response["violations"] == []

    drawer.locator("#new-priority").select_option(label="Low")
    drawer.get_by_label("Order number").fill("30783")
    drawer.get_by_label("Order number").press("Enter")
    page.wait_for_url("**/inbox/all-open/*")
    with office.inside():
        assert Ticket.objects.get().properties == {"order_number": 30783}


def test_the_order_of_pipelines_is_saved_as_it_is_made(tab, office) -> None:
    with office.inside() as world:
        pipelines.create(world.account.pk, "ticket", "Returns", [pipelines.NewStage("Asked", "OPEN")])
    page = tab(office.world.ada, "/settings/tickets/pipelines")
    expect(page.get_by_role("button", name="Save order")).to_have_count(0)

    with page.expect_response("**/settings/tickets/pipelines/order"):
        page.locator("[data-row]", has_text="Returns").locator("[data-move=up]").click()
    page.reload()
    expect(page.locator("[data-row]").first).to_contain_text("Returns")


def test_a_card_goes_nowhere_the_rules_forbid_and_says_why_R_RULE_8(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    with office.inside() as world:
        pipeline = Pipeline.objects.get(key="0", object_type="ticket")
        pipelines.set_rules(pipeline, Rules(forbids_skipping=True), by=Actor.user(world.ada.pk))
    page = tab(office.world.grace, "/tickets")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    why = "Records of “Support pipeline” can't skip a status. Allowed: Waiting on contact."

    page.get_by_role("link", name="Move “Refund still missing”").press("Enter")
    item = page.locator("#move-menu").get_by_role("button", name="Closed")
    expect(item).to_be_disabled()
    expect(item).to_contain_text(why)
    expect(
        page.locator("#move-menu").get_by_role("button", name="Waiting on contact", exact=True)
    ).to_be_enabled()
    page.keyboard.press("Escape")

    drag(page, "Refund still missing", "Closed")
    expect(column(page, "New").locator(".ticket-card")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text(why)
    page.locator("[data-close-toast]").click()

    page.locator(".card-link").focus()
    for key in (" ", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#announce")).to_have_text(f"Waiting on us, status 3 of 4. It can't go here: {why}")
    page.keyboard.press(" ")
    expect(page.locator("#toasts")).to_contain_text(why)
    expect(page.locator(".card-link")).to_be_focused()
    expect(column(page, "New").locator("[data-count]")).to_have_text("1")
    assert (stands_in(office, ticket), [url for url in sent if "moved" in url]) == ("New", [])


@pytest.fixture
def closing_asks(office) -> None:
    """“Closed” requires a resolution and shows a note."""
    asks_for(office, "Closed", Ask("hs_resolution", True), Ask("note", False))


def test_a_dragged_card_waits_until_what_its_status_asks_for_is_given_R_REQ_1(
    tab, office, closing_asks
) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")
    drawer = page.locator("#drawer")

    drag(page, "Refund still missing", "Closed")
    expect(drawer.get_by_role("heading", name="Move “Refund still missing”")).to_be_visible()
    expect(drawer.get_by_label("Resolution")).to_be_focused()
    expect(column(page, "New").locator(".ticket-card")).to_have_count(1)
    expect(column(page, "New").locator("[data-count]")).to_have_text("1")
    assert Axe().run(page, options=RULES).response["violations"] == []
    drawer.get_by_role("link", name="Cancel").click()
    expect(drawer).not_to_be_visible()
    assert stands_in(office, ticket) == "New"

    drag(page, "Refund still missing", "Closed")
    drawer.get_by_label("Note").fill("Paid by hand")
    drawer.get_by_role("button", name="Move", exact=True).last.click()
    expect(drawer.locator(".field-error")).to_have_count(1)
    expect(drawer.get_by_label("Resolution")).to_be_focused()
    expect(drawer.get_by_label("Note")).to_have_value("Paid by hand")
    drawer.get_by_label("Resolution").select_option(index=1)
    drawer.get_by_role("button", name="Move", exact=True).last.click()

    expect(column(page, "Closed").locator("[data-count]")).to_have_text("1")
    expect(drawer).not_to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Moved to Closed")
    assert stands_in(office, ticket) == "Closed"
    assert office.again(ticket).properties == {"note": "Paid by hand"}


def test_by_keyboard_alone_a_status_asks_and_is_answered_or_left_R_REQ_1(tab, office, closing_asks) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets")
    drawer = page.locator("#drawer")
    page.locator(".card-link").focus()

    for key in (" ", "ArrowRight", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    expect(drawer.get_by_label("Resolution")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).not_to_be_visible()
    expect(page.locator(".card-link")).to_be_focused()
    assert stands_in(office, ticket) == "New"

    for key in (" ", "ArrowRight", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    expect(drawer.get_by_label("Resolution")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("Paid by hand")
    page.keyboard.press("Enter")

    expect(column(page, "Closed").locator("[data-count]")).to_have_text("1")
    expect(drawer).not_to_be_visible()
    assert stands_in(office, ticket) == "Closed"


def test_the_inbox_asks_in_the_drawer_for_status_reply_and_many_R_REQ_1_R_REQ_3(
    tab, office, closing_asks
) -> None:
    first, second = office.mail("Refund still missing"), office.mail("Parcel is broken")
    page = tab(office.world.grace, f"/inbox/all-open/{first.pk}")
    drawer = page.locator("#drawer")

    page.keyboard.press("s")
    page.locator("#status-menu").get_by_role("button", name="Closed").click()
    expect(drawer.get_by_label("Resolution")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).not_to_be_visible()
    assert stands_in(office, first) == "New"

    page.locator("textarea.composer-text").fill("It is on its way.")
    page.get_by_role("button", name="Send and set the status").click()
    page.locator("#send-menu").get_by_role("button", name="Closed").click()
    expect(drawer.get_by_role("heading", name="Send and set the status")).to_be_visible()
    drawer.get_by_label("Resolution").select_option(index=1)
    drawer.get_by_role("button", name="Send", exact=True).last.click()
    expect(page.locator("#conversation")).to_contain_text("It is on its way.")
    expect(drawer).not_to_be_visible()
    expect(page.locator("textarea.composer-text")).to_have_value("")
    assert stands_in(office, first) == "Closed"

    page.goto("/inbox/all-open")
    page.locator(f"#row-{second.pk} .row-check input").check()
    page.locator("#bulk").get_by_role("button", name="Close", exact=True).click()
    expect(drawer.get_by_role("heading", name="Move 1 ticket")).to_be_visible()
    expect(page.locator(f"#row-{second.pk} .row-check input")).to_be_checked()
    drawer.get_by_label("Resolution").select_option(index=1)
    drawer.get_by_role("button", name="Move", exact=True).last.click()
    expect(page.locator(f"#row-{second.pk}")).to_have_count(0)
    expect(drawer).not_to_be_visible()
    assert stands_in(office, second) == "Closed"


def test_the_page_of_a_record_asks_in_the_drawer_R_REQ_1(tab, office) -> None:
    with office.inside() as world:
        deal = objects.create("deal", {"dealname": "Barn"}, by=SYSTEM).id
        pipeline = pipelines_of("deal").default
        second = pipeline.stages[1]
        rules = Rules(asks={second.id: (Ask("description", True),)})
        pipelines.set_rules(pipelines.find("deal", pipeline.id), rules, by=Actor.user(world.ada.pk))
    page = tab(office.world.grace, f"/records/deals/{deal}")
    drawer = page.locator("#drawer")

    page.locator(".progress").get_by_role("button", name=second.label).click()
    expect(drawer.locator("#ask-description")).to_be_focused()
    drawer.get_by_role("button", name="Move", exact=True).last.click()
    expect(drawer.locator(".field-error")).to_have_count(1)
    drawer.locator("#ask-description").fill("A red one")
    drawer.get_by_role("button", name="Move", exact=True).last.click()

    expect(page.locator(".progress [aria-current=step]")).to_contain_text(second.label)
    expect(drawer).not_to_be_visible()


def test_a_collapsed_column_takes_cards_and_opens_by_mouse_and_by_key_R_BOARD_4(tab, office) -> None:
    first = office.mail("Refund still missing")
    second = office.mail("Parcel is broken", external_id="2@x")
    page = tab(office.world.grace, "/tickets")
    closed = column(page, "Closed")
    expect(closed).to_have_attribute("data-collapsed", "")
    assert closed.bounding_box()["width"] < 60

    drag(page, "Refund still missing", "Closed")
    expect(page.locator("#toasts")).to_contain_text("Moved to Closed")
    expect(closed.locator("[data-count]")).to_have_text("1")
    expect(closed.locator(".ticket-card")).to_have_count(0)
    assert stands_in(office, first) == "Closed"

    # In the hand a card can be seen over the column, and after the drop its opener has the focus.
    card(page, "Parcel is broken").locator(".card-link").focus()
    page.keyboard.press(" ")
    for _step in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#announce")).to_have_text("Closed, status 4 of 4")
    expect(closed.locator(".ticket-card")).to_be_visible()
    page.keyboard.press(" ")
    expect(closed.locator("[data-count]")).to_have_text("2")
    expect(closed.locator(".ticket-card")).to_have_count(0)
    opener = page.get_by_role("button", name="Open “Closed”")
    expect(opener).to_be_focused()
    assert stands_in(office, second) == "Closed"
    assert Axe().run(page, options=RULES).response["violations"] == []

    page.keyboard.press("Enter")
    expect(closed.locator(".ticket-card")).to_have_count(2)
    closing = page.get_by_role("button", name="Collapse “Closed”")
    expect(closing).to_be_focused()
    assert Axe().run(page, options=RULES).response["violations"] == []
    page.reload()
    expect(closed.locator(".ticket-card")).to_have_count(2)  # it is remembered

    closing.click()
    expect(closed).to_have_attribute("data-collapsed", "")
    expect(closed.locator(".ticket-card")).to_have_count(0)
    box = closed.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(closed.locator(".ticket-card")).to_have_count(2)


def test_a_collapsed_column_opens_without_scripts_R_BOARD_4(tab, office) -> None:
    office.mail("Refund still missing")
    page = tab(office.world.grace, "/tickets", java_script_enabled=False)

    page.get_by_role("button", name="Collapse “New”").click()
    expect(page.locator(".ticket-card")).to_have_count(0)
    page.get_by_role("button", name="Open “New”").click()
    expect(page.locator(".ticket-card")).to_have_count(1)
