"""What an agent does all day, done with mouse, keyboard and a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from deskhand.desk import replies
from deskhand.desk.models import Draft
from deskhand.desk.types import Mailbox
from deskhand.events.live import signal
from deskhand.kernel.database.scope import account_scope

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

PASSWORD = "correct horse battery"


def subject(page):
    return page.locator("#subject")


def status(page, name: str):
    return page.get_by_role("button", name=f"Status: {name}")


def owner(page, name: str):
    return page.get_by_role("button", name=f"Owner: {name}")


def tell(office, *names: str) -> None:
    """What the dispatcher tells open pages."""
    with account_scope(office.world.account.pk):
        signal(office.world.account.pk, names)


def test_signing_in_and_out(window, office) -> None:
    page = window().new_page()
    page.goto("/")
    page.get_by_label("Email or user name").fill("ada@nordlys.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/inbox/my-open$"))

    page.locator("#me").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_ticket_opens_by_click_and_by_keyboard_and_going_back_works(tab, office) -> None:
    office.mail("The first question")
    office.mail("The second question", external_id="2@x")
    page = tab(office.world.ada, "/inbox/all-open")

    page.get_by_role("link", name="The second question").click()
    expect(subject(page)).to_have_text("The second question")
    expect(page).to_have_title(re.compile("The second question"))
    expect(page.locator("[aria-current=true]", has_text="The second question")).to_be_visible()

    page.keyboard.press("j")
    expect(subject(page)).to_have_text("The first question")
    page.keyboard.press("k")
    expect(subject(page)).to_have_text("The second question")

    page.go_back()
    expect(subject(page)).to_have_text("The first question")

    page.goto("/inbox/all-open")
    page.get_by_role("link", name="The first question").focus()
    page.keyboard.press("Enter")
    expect(subject(page)).to_have_text("The first question")
    expect(subject(page)).to_be_focused()


def test_a_reply_is_sent_and_everything_about_it_shows_at_once(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("r")
    page.keyboard.type("It is on its way.")
    page.keyboard.press("Control+Enter")

    expect(page.locator("#thread article", has_text="It is on its way.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("")
    expect(status(page, "Waiting on contact")).to_be_visible()
    expect(owner(page, "Grace Hopper")).to_be_visible()
    expect(page.locator(f"#row-{ticket.pk}")).to_contain_text("Waiting on contact")
    assert office.messages(ticket)[-1].delivery == "QUEUED"


def test_a_second_click_on_send_sends_and_says_nothing_more(tab, office) -> None:
    """R-WORK-5: while the first one is under way."""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.get_by_role("textbox", name="Message", exact=True).fill("It is on its way.")
    posted: list[str] = []
    page.on(
        "request", lambda request: posted.append(request.url) if request.url.endswith("/answer") else None
    )
    page.locator("#composer [data-send]").dblclick()

    expect(page.locator("#thread article", has_text="It is on its way.")).to_have_count(1)
    expect(page.locator(".toast")).to_have_count(0)
    assert len(posted) == 1
    assert [one.text for one in office.messages(ticket)].count("It is on its way.") == 1


def test_reply_and_set_the_status_in_one_go(tab, office) -> None:
    """R-WORK-7"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.get_by_role("textbox", name="Message", exact=True).fill("Done.")
    page.get_by_role("button", name="Send and set the status").click()
    page.locator("#send-menu").get_by_role("button", name="Closed").click()

    expect(status(page, "Closed")).to_be_visible()
    assert office.again(ticket).is_closed


def test_an_answer_that_comes_late_leaves_the_ticket_alone_that_was_opened_since(tab, office) -> None:
    first = office.mail("Refund still missing")
    office.mail("Parcel is broken", external_id="2@x", sender=Mailbox("jonas@x.example", "Jonas Vik"))
    page = tab(office.world.grace, f"/inbox/all-open/{first.pk}")
    held = []
    page.route("**/answer", lambda route: held.append(route))

    page.get_by_role("textbox", name="Message", exact=True).fill("It is on its way.")
    page.keyboard.press("Control+Enter")
    page.get_by_role("link", name="Parcel is broken").click()
    expect(subject(page)).to_have_text("Parcel is broken")
    with page.expect_response("**/answer"):
        held[0].continue_()
    expect(page.locator(f"#row-{first.pk}")).to_contain_text("Waiting on contact")

    expect(page.locator("#composer .person-chip")).to_have_text(re.compile("Jonas Vik"))
    expect(page.locator("#composer-to")).to_have_value("Jonas Vik <jonas@x.example>")
    expect(page.locator("#properties")).to_contain_text("jonas@x.example")
    expect(owner(page, "No owner")).to_be_visible()
    assert office.again(first).owner_id == office.world.grace.pk


def test_an_internal_comment_looks_like_one_before_and_after(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("c")
    expect(page.get_by_text("Only your team sees it")).to_be_visible()
    page.keyboard.type("Ask the bank first.")
    page.locator("[data-send]").click()

    note = page.locator("article[data-kind=note]")
    expect(note).to_contain_text("Internal comment")
    expect(note).to_contain_text("Ask the bank first.")
    assert office.messages(ticket)[-1].kind == "COMMENT"


def test_status_and_owner_are_set_from_menus_with_the_keyboard(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("s")
    expect(page.locator("#status-menu")).to_be_visible()
    page.keyboard.press("3")
    expect(status(page, "Waiting on us")).to_be_visible()

    page.keyboard.press("a")
    page.keyboard.type("bob")
    page.keyboard.press("Enter")
    expect(owner(page, "Bob Noyce")).to_be_visible()

    page.keyboard.press("m")
    expect(owner(page, "Grace Hopper")).to_be_visible()

    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    ticket = office.again(ticket)
    assert (ticket.is_closed, ticket.owner_id) == (True, office.world.grace.pk)


def test_keys_do_nothing_while_somebody_types(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    text = page.get_by_role("textbox", name="Message", exact=True)
    text.click()
    page.keyboard.type("please see me")

    expect(text).to_have_value("please see me")
    assert office.again(ticket).stage_id == ticket.stage_id


def test_another_tab_shows_what_happened_without_being_touched(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    other = tab(office.world.bob, f"/inbox/all-open/{ticket.pk}")
    mine = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    other.get_by_role("textbox", name="Message", exact=True).fill("Half a sentence")

    mine.get_by_role("textbox", name="Message", exact=True).fill("It is on its way.")
    mine.locator("[data-send]").click()
    expect(mine.locator("#thread article", has_text="It is on its way.")).to_be_visible()
    tell(office, f"ticket-{ticket.pk}", "views")

    expect(other.locator("#thread article", has_text="It is on its way.")).to_be_visible()
    expect(owner(other, "Grace Hopper")).to_be_visible()
    expect(other.get_by_role("textbox", name="Message", exact=True)).to_have_value("Half a sentence")
    expect(other.locator("#announce")).to_have_text("New message from Grace Hopper")


def test_what_happens_before_the_stream_is_open_shows_too(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, "/inbox/all-open")
    held = []
    page.route("**/live?*", lambda route: held.append(route))
    page.goto(f"/inbox/all-open/{ticket.pk}")

    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "It is on its way."), by=world.grace)
    tell(office, f"ticket-{ticket.pk}", "views")
    page.wait_for_timeout(500)  # longer than a signal takes
    held[-1].continue_()

    expect(page.locator("#thread article", has_text="It is on its way.")).to_be_visible()


def test_what_happens_while_a_ticket_is_on_its_way_shows_too(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, "/inbox/all-open")
    drawn = []

    def late(route) -> None:
        drawn.append((route, route.fetch()))

    page.route(f"**/inbox/all-open/{ticket.pk}*", late)
    page.get_by_role("link", name="Refund still missing").click()
    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "It is on its way."), by=world.grace)
    tell(office, f"ticket-{ticket.pk}", "views")
    expect(page.locator(f"#row-{ticket.pk}")).to_contain_text("It is on its way.")
    while not drawn:
        page.wait_for_timeout(50)
    route, response = drawn[0]
    route.fulfill(response=response)

    expect(subject(page)).to_have_text("Refund still missing")
    expect(page.locator("#thread article", has_text="It is on its way.")).to_be_visible()


def test_new_tickets_wait_behind_a_button(tab, office) -> None:
    office.mail("The first question")
    page = tab(office.world.ada, "/inbox/all-open")

    office.mail("The second question", external_id="2@x")
    tell(office, "views")
    expect(page.get_by_role("link", name="1 new ticket")).to_be_visible()
    expect(page.locator("#tickets .row")).to_have_count(1)
    expect(page.locator("#view-all-open")).to_contain_text("2")

    page.get_by_role("link", name="1 new ticket").click()
    expect(page.locator("#tickets .row")).to_have_count(2)


def test_nobody_overlooks_what_a_colleague_wrote(tab, office) -> None:
    """R-WORK-3"""
    ticket = office.mail("Refund still missing")
    bob = tab(office.world.bob, f"/inbox/all-open/{ticket.pk}")
    # a page that learns nothing of the signal
    bob.route("**/thread", lambda route: route.fulfill(status=204))
    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "Grace was faster."), by=world.grace)

    text = bob.get_by_role("textbox", name="Message", exact=True)
    text.fill("My long answer")
    bob.locator("[data-send]").click()
    expect(bob.get_by_role("alert")).to_contain_text("Grace Hopper wrote in the meantime.")
    expect(text).to_have_value("My long answer")

    bob.get_by_role("button", name="Send anyway").click()
    expect(bob.locator("#thread article", has_text="My long answer")).to_be_visible()


def test_a_draft_survives_the_tab(tab, office) -> None:
    """R-WORK-6"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    page.get_by_role("textbox", name="Message", exact=True).fill("Half a sentence")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.close()

    again = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    expect(again.get_by_role("textbox", name="Message", exact=True)).to_have_value("Half a sentence")
    expect(again.locator(f"#row-{ticket.pk}")).to_contain_text("Draft")


def test_a_comment_begun_as_a_reply_is_no_reply_though_a_save_was_lost(tab, office) -> None:
    """R-WORK-4, R-WORK-6"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    text = page.get_by_role("textbox", name="Message", exact=True)
    text.fill("The customer")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.get_by_role("radio", name="Comment").check(force=True)
    page.route("**/draft", lambda route: route.abort(), times=1)
    text.fill("The customer lies")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    text.fill("The customer lies.")
    expect(page.get_by_text("Draft saved")).to_be_visible()

    with office.inside():
        assert [draft.mode for draft in Draft.objects.all()] == ["comment"]


def test_a_refused_change_is_said_and_changes_nothing(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    page.keyboard.press("e")

    expect(page.locator("#toasts")).to_contain_text("You may not change this ticket.")
    assert not office.again(ticket).is_closed


def test_who_is_signed_out_elsewhere_is_led_to_the_sign_in(tab, office) -> None:
    office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open")
    page.context.clear_cookies()

    page.get_by_role("link", name="All closed").click()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_mail_with_its_own_layout_is_shown_whole_and_runs_nothing(tab, office) -> None:
    """S1, S29"""
    html = "<p>First line</p><table width=600><tr><td>A table</td></tr></table><p>Last line</p>"
    ticket = office.mail("Layout", html=html)
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    frame = page.frame_locator(".message-frame")

    expect(frame.get_by_text("First line")).to_be_visible()
    expect(frame.get_by_text("Last line")).to_be_in_viewport()
    assert page.locator(".message-frame").bounding_box()["height"] > 60


def test_light_and_dark_turn_at_once_and_stay(tab, office) -> None:
    page = tab(office.world.grace, "/inbox/all-open")

    with page.expect_event("requestfinished", lambda request: request.url.endswith("/me/theme")):
        page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html[data-theme=dark]")).to_be_attached()
    page.reload()

    expect(page.locator("html[data-theme=dark]")).to_be_attached()


def test_everything_an_agent_must_do_works_without_scripts(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open", java_script_enabled=False)

    page.get_by_role("link", name="Refund still missing").click()
    expect(subject(page)).to_have_text("Refund still missing")

    page.get_by_role("textbox", name="Message", exact=True).fill("It is on its way.")
    page.locator("[data-send]").click()
    expect(page.locator("#thread")).to_contain_text("It is on its way.")
    expect(status(page, "Waiting on contact")).to_be_visible()

    page.locator(".composer-tab", has_text="Comment").click()
    page.get_by_role("textbox", name="Message", exact=True).fill("Ask the bank first.")
    page.locator("[data-send]").click()
    expect(page.locator("article[data-kind=note]")).to_contain_text("Ask the bank first.")

    page.locator("[popovertarget=owner-menu]").click()
    page.locator("#owner-menu").get_by_role("button", name="Bob Noyce").click()
    expect(owner(page, "Bob Noyce")).to_be_visible()

    page.locator("[popovertarget=status-menu]").click()
    page.locator("#status-menu").get_by_role("button", name="Closed").click()
    expect(status(page, "Closed")).to_be_visible()

    assert office.again(ticket).is_closed
    assert [message.kind for message in office.messages(ticket)] == ["MESSAGE", "MESSAGE", "COMMENT"]


def test_without_scripts_a_refusal_gives_back_what_was_typed(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.bob, f"/inbox/all-open/{ticket.pk}", java_script_enabled=False)
    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "Grace was faster."), by=world.grace)

    page.get_by_role("textbox", name="Message", exact=True).fill("My long answer")
    page.locator("[data-send]").click()

    expect(page.get_by_role("alert")).to_contain_text("Grace Hopper wrote in the meantime.")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("My long answer")
    page.get_by_role("button", name="Send anyway").click()
    expect(page.locator("#thread")).to_contain_text("My long answer")


def test_on_a_phone_one_pane_is_shown_at_a_time(tab, office) -> None:
    office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open", width=390)

    page.get_by_role("link", name="Refund still missing").click()
    expect(subject(page)).to_be_visible()
    expect(page.locator("#tickets")).to_be_hidden()

    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#tickets")).to_be_visible()


def test_a_property_is_edited_in_place_with_the_keyboard_and_taken_back(tab, office) -> None:
    """Enter saves, Esc restores, focus stays on the value, Z takes back."""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, f"/inbox/all-open/{ticket.pk}")
    value = page.locator("#property-hs_ticket_priority .prop-value")

    value.focus()
    page.keyboard.press("Enter")
    choice = page.locator("#property-hs_ticket_priority form[data-ready] select")
    expect(choice).to_be_focused()
    page.keyboard.press("Escape")
    expect(value).to_be_focused()

    page.keyboard.press("Enter")
    choice.select_option("HIGH")
    page.keyboard.press("Enter")
    expect(value).to_have_text("High")
    expect(value).to_be_focused()
    expect(page.locator("#tickets")).to_contain_text("High")

    page.keyboard.press("z")
    expect(value).to_have_text("–")


def test_closing_goes_on_with_the_next_ticket_and_can_be_undone(tab, office) -> None:
    office.mail("The first question")
    second = office.mail("The second question", external_id="2@x")
    page = tab(office.world.ada, f"/inbox/all-open/{second.pk}")

    page.keyboard.press("e")

    expect(subject(page)).to_have_text("The first question")
    expect(page.locator(".row-link")).to_have_count(1)
    page.keyboard.press("z")
    expect(page.locator(".row-link")).to_have_count(2)
    expect(subject(page)).to_have_text("The first question")


def test_many_tickets_are_selected_by_range_and_key_and_taken_back_at_once(tab, office) -> None:
    """R-WORK-8: Shift takes all between, X the one at hand, one Undo takes all back."""
    for number in range(4):
        office.mail(f"Question {number}", external_id=f"{number}@x")
    page = tab(office.world.ada, "/inbox/all-open")
    boxes = page.locator(".row-check input")

    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.locator(".row-link").nth(3).focus()
    page.keyboard.press("x")
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.keyboard.press("x")
    expect(page.get_by_text("3 selected")).to_be_visible()

    page.locator("#bulk").get_by_role("button", name="Close").click()
    expect(page.locator(".row-link")).to_have_count(1)
    expect(page.locator(".bulk-bar")).to_be_hidden()

    page.keyboard.press("z")
    expect(page.locator(".row-link")).to_have_count(4)
    expect(page.locator(".row-check :checked")).to_have_count(0)


def test_a_ticket_is_snoozed_with_the_keyboard_and_looked_at_again(tab, office) -> None:
    """R-WORK-9"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.ada, f"/inbox/unassigned/{ticket.pk}")

    page.keyboard.press("h")
    expect(page.locator("#snooze-menu")).to_be_visible()
    page.keyboard.press("2")
    notice = page.locator("#ticket-notice")
    expect(notice).to_contain_text("You snoozed this ticket until")
    expect(page.locator(f"#row-{ticket.pk} .row-snoozed")).to_be_visible()

    notice.get_by_role("button", name="Look at it again").click()
    expect(notice).to_be_empty()
