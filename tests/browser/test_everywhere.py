"""What is on every screen: the palette and the keyboard, the bell, and the first minutes of a new help desk."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from deskhand.desk import replies
from deskhand.events.dispatch import Dispatcher
from deskhand.kernel import clock
from deskhand.notifications.models import Notification
from tests.browser import states
from tests.browser.stage import live_is_up

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def let_all_hear() -> None:
    while Dispatcher().run_once():
        pass


def chosen(page):
    return page.locator("#palette [role=option][aria-selected=true]")


def test_a_ticket_is_found_and_opened_with_the_keyboard_alone(tab, office) -> None:
    office.mail("Refund still missing")
    office.mail("Refund for the lamp", external_id="2@x")
    office.mail("Something else", external_id="3@x")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open")

    page.keyboard.press("Control+k")
    page.keyboard.type("refu mis")
    expect(chosen(page)).to_contain_text("Refund still missing")
    expect(page.get_by_role("combobox")).to_have_attribute(
        "aria-activedescendant", chosen(page).get_attribute("id") or "-"
    )
    expect(page.locator("#palette [role=status]")).to_have_text(re.compile(r"\d+ results?"))
    page.keyboard.press("Enter")

    expect(page.locator("#subject")).to_have_text("Refund still missing")


def test_arrows_walk_through_the_palette_and_escape_closes_it(tab, office) -> None:
    office.mail("Refund still missing")
    office.mail("Refund for the lamp", external_id="2@x")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open")

    page.keyboard.press("Control+k")
    page.keyboard.type("refund")
    expect(chosen(page)).to_contain_text("Refund for the lamp")
    page.keyboard.press("ArrowDown")
    expect(chosen(page)).to_contain_text("Refund still missing")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_contain_text("Search everywhere for “refund”")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=refund$"))

    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_the_palette_takes_what_was_typed_not_what_still_stands_there(tab, office) -> None:
    office.mail("Refund still missing")
    lamp = office.mail("The lamp is broken", external_id="2@x")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open")
    slow = []
    page.route("**/search/palette?q=lamp", lambda route: slow.append(route))

    page.keyboard.press("Control+k")
    page.keyboard.type("refund")
    expect(chosen(page)).to_contain_text("Refund still missing")
    page.keyboard.press("Control+a")
    page.keyboard.type("lamp")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    expect(page.locator("#palette")).to_be_visible()
    slow[0].continue_()
    page.wait_for_url(re.compile(rf"/inbox/all-open/{lamp.pk}$"))


def test_an_answer_that_comes_late_is_not_taken_for_what_stands_there_now(tab, office) -> None:
    office.mail("Refund still missing")
    lamp = office.mail("The lamp is broken", external_id="2@x")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open")
    slow = []
    page.route(re.compile(r"/search/palette\?q=(refund|lamp)$"), lambda route: slow.append(route))

    page.keyboard.press("Control+k")
    page.keyboard.type("refund")
    while not slow:
        page.wait_for_timeout(50)
    page.keyboard.press("Control+a")
    page.keyboard.type("lamp")
    page.keyboard.press("Enter")
    slow[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#palette")).to_be_visible()
    slow[1].continue_()

    page.wait_for_url(re.compile(rf"/inbox/all-open/{lamp.pk}$"))


def test_what_somebody_walked_to_stays_chosen_when_the_answer_comes(tab, office) -> None:
    office.mail("Refund still missing")
    office.mail("Refund for the lamp", external_id="2@x")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open")
    slow = []
    page.route("**/search/palette?q=refund", lambda route: slow.append(route))

    page.keyboard.press("Control+k")
    page.keyboard.type("refun")
    expect(chosen(page)).to_contain_text("Refund for the lamp")
    expect(
        page.get_by_role("option", name="Search everywhere for “refun”")
    ).to_be_visible()  # not what “refu” found
    page.keyboard.type("d")
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_contain_text("Search everywhere for “refun”")
    page.wait_for_timeout(300)
    slow[0].continue_()
    expect(chosen(page)).to_contain_text("Search everywhere for “refund”")


def test_what_can_be_done_with_the_open_ticket_is_done_from_the_palette(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("Control+k")
    expect(page.locator(".palette-scope")).to_have_text("Refund still missing")
    page.keyboard.type("assign to me")
    expect(chosen(page)).to_contain_text("Assigned to me")
    page.keyboard.press("ArrowDown")
    expect(chosen(page)).to_have_text(re.compile("Assign to me"))
    expect(chosen(page).locator("kbd")).to_have_text("M")
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Owner: Ada Lovelace")).to_be_visible()


def test_backspace_lets_go_of_the_ticket(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("Control+k")
    expect(page.locator("#palette").get_by_text("Assign to me")).to_be_visible()
    page.keyboard.press("Backspace")

    expect(page.locator(".palette-scope")).to_be_hidden()
    expect(page.locator("#palette").get_by_text("Assign to me")).to_have_count(0)


def test_arrows_walk_round_the_account_menu_past_what_is_for_phones(tab, office) -> None:
    page = tab(office.world.ada, "/inbox/all-open")
    shown = page.locator("#me-menu .menu-item:visible").count
    page.locator("#me").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#me-menu")).to_be_visible()

    page.keyboard.press("Home")
    for _press in range(shown() - 1):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Available").last).to_be_focused()


def test_two_keys_lead_to_places(tab, office) -> None:
    page = tab(office.world.ada, "/inbox/all-open")

    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/inbox/unassigned$"))
    live_is_up(page)
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("/inbox/my-open$"))


def test_keys_walk_through_the_list_and_open_a_ticket(tab, office) -> None:
    office.mail("The first question")
    office.mail("The second question", external_id="2@x")
    page = tab(office.world.ada, "/inbox/all-open")

    page.keyboard.press("j")
    expect(page.get_by_role("link", name="The second question")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="The first question")).to_be_focused()
    page.keyboard.press("o")
    expect(page.locator("#subject")).to_have_text("The first question")


def test_the_sheet_of_shortcuts_opens_and_closes(tab, office) -> None:
    page = tab(office.world.ada, "/inbox/all-open")

    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_hidden()


def test_the_search_works_without_scripts(tab, office) -> None:
    office.mail("Refund still missing")
    let_all_hear()
    page = tab(office.world.ada, "/inbox/all-open", java_script_enabled=False)

    page.get_by_role("link", name="Search").first.click()
    page.get_by_label("Search tickets").fill("refund")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Refund still missing").click()

    expect(page.locator("#subject")).to_have_text("Refund still missing")


def test_the_bell_rings_while_one_works(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open")
    bell = page.locator("#bell-button")
    expect(bell).to_have_attribute("aria-label", "Notifications")

    with office.inside() as world:
        replies.comment(ticket.pk, f"@{world.grace.username} can you look?", by=world.ada)
    let_all_hear()
    expect(bell).to_have_attribute("aria-label", "Notifications: 1 unread")
    expect(page).to_have_title(re.compile(r"^\(1\) All open"))

    bell.click()
    expect(page.locator("#bell-menu").get_by_text("Ada Lovelace mentioned you")).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(bell).to_have_attribute("aria-label", "Notifications")
    expect(page).to_have_title(re.compile("^All open"))


def test_what_fails_to_start_stops_nothing_that_appears_with_it(tab, office) -> None:
    page = tab(office.world.grace, "/inbox/all-open")
    page.evaluate("""() => {
        addEventListener("unhandledrejection", (event) => event.preventDefault());
        addEventListener("error", (event) => event.preventDefault());
        window.made = (id) => {
            const toast = document.createElement("div");
            toast.id = id;
            toast.dataset.behavior = "toast";
            toast.innerHTML = "<button data-close-toast>x</button>";
            return toast;
        };
        document.body.append(made("first"));
    }""")
    page.wait_for_function(
        "() => { document.querySelector('#first button')?.click(); return !window.first; }"
    )

    page.evaluate("""() => {
        const both = document.createElement("div");
        both.append(made("broken"), made("whole"));
        both.firstChild.addEventListener = () => { throw new Error("broken"); };
        document.body.append(both);
    }""")
    page.evaluate("document.querySelector('#whole button').click()")

    expect(page.locator("#whole")).to_have_count(0)
    expect(page.locator("#broken")).to_have_count(1)


HIDING = "Object.defineProperty(document, 'hidden', { get: () => window.isAway === true })"


def turn(page, *, away: bool) -> None:
    page.evaluate(
        "away => { window.isAway = away; document.dispatchEvent(new Event('visibilitychange')); }", away
    )


def test_what_is_chosen_while_a_page_is_still_coming_is_not_lost(tab, office) -> None:
    """The fields that belong to it come with the script, however late that comes."""
    page = tab(office.world.ada)
    states.holidays(page)
    held, is_late = [], True
    page.route("**/js/redraws*", lambda route: held.append(route) if is_late else route.continue_())
    page.evaluate("location.assign('/settings/hours?late')")
    page.wait_for_url("**late", wait_until="commit")
    page.locator("#country").select_option("DE")
    expect(page.locator("#region")).to_have_count(0)

    is_late = False
    for route in held:
        route.continue_()

    page.locator("#region").wait_for()


def test_what_came_while_one_looked_elsewhere_pops_up_no_more_R_NOT_4(tab, office) -> None:
    """Whether the bell read itself while the tab was hidden, or reads itself when one comes back: it waits in the bell."""
    tickets = [office.mail(subject, external_id=f"{subject}@x").pk for subject in ("Lamp", "Chair", "Desk")]
    page = tab(office.world.grace, "/inbox/all-open")
    page.add_init_script(HIDING)
    page.reload()
    live_is_up(page)
    bell, toasts = page.locator("#bell-button"), page.locator("#toasts .toast")

    def mention(ticket_id):
        with office.inside() as world:
            replies.comment(ticket_id, f"@{world.grace.username} look", by=world.ada)
        let_all_hear()

    turn(page, away=True)
    mention(tickets[0])
    page.locator("#bell-menu").dispatch_event("open")  # as what was on its way when the tab was left
    expect(bell).to_have_attribute("aria-label", "Notifications: 1 unread")
    mention(tickets[1])
    with office.inside():
        old = Notification.objects.filter(ticket_id=tickets[1])
        old.update(created_at=clock.now() - timedelta(seconds=30))
    turn(page, away=False)
    expect(bell).to_have_attribute("aria-label", "Notifications: 2 unread")
    page.reload()  # what this tab has missed it knows on its next page, too
    live_is_up(page)
    with office.inside():
        Notification.objects.filter(ticket_id=tickets[0]).update(created_at=clock.now())
    mention(tickets[2])

    expect(toasts).to_have_count(1)
    expect(toasts).to_contain_text("Desk")


def test_single_keys_are_off_for_who_switched_them_off(tab, office) -> None:
    """WCAG 2.1.4"""
    page = tab(office.world.grace, "/settings/profile")
    page.get_by_label("Keyboard shortcuts of a single key").uncheck()
    page.get_by_role("button", name="Save").click()
    live_is_up(page)

    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
