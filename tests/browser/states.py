"""The states that the screens are looked at in: for pictures (make shots), and to search them for obstacles."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.browser.stage import live_is_up

Step = Callable[[Page], None]

CHAT, LINE = "chat.nordlys.example", "+4520000003"  # addresses of the office's channels beside mail
#: A point on P-256, as browsers give their keys: the curve's own.
PUSH_KEY = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"


def settle(page: Page) -> None:
    """Wait until fonts are there and frames have measured themselves."""
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/account/login/")
    page.get_by_label("Email or user name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/inbox/**")


def login(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/account/login/")


def the_list(page: Page) -> None:
    page.goto("/inbox/all-open")


def ticket(page: Page) -> None:
    page.goto("/inbox/all-open")
    page.goto(page.locator(".row-link").nth(2).get_attribute("href") or "")


def comment(page: Page) -> None:
    ticket(page)
    page.locator(".composer-tab", has_text="Comment").click()
    page.get_by_label("Message", exact=True).fill(
        "@mette can you check the parcel number with the warehouse?"
    )


def composer_full(page: Page) -> None:
    ticket(page)
    page.locator(".composer-tab", has_text="Reply").click()
    if page.locator(".composer-copies:not([open])").count():  # the draft of an earlier look has it open
        page.locator(".composer-copies summary").click()
    page.get_by_role("combobox", name="Cc", exact=True).fill("not an address")
    page.get_by_label("Attach files").set_input_files(
        [{"name": "return-label.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}]
    )
    page.get_by_label("Message", exact=True).fill("The label is attached.")
    page.locator("#composer-files li").first.wait_for()


def formatted(page: Page) -> None:
    page.route("**/me/writing", lambda route: route.fulfill(status=204))  # the other states write plainly
    page.route("**/draft", lambda route: route.fulfill(status=204))
    ticket(page)
    page.locator(".composer-tab", has_text="Reply").click()
    page.locator("[data-formatting]").click()
    page.locator("#composer [contenteditable=true]").click()
    page.keyboard.type("- The label")
    page.keyboard.press("Enter")
    page.keyboard.type("The box")
    page.locator("[data-format=link]").click()


def picks(page: Page) -> None:
    ticket(page)
    page.get_by_label("Message", exact=True).press_sequentially("Hi {")
    page.get_by_role("option").first.wait_for()


def later_menu(page: Page) -> None:
    ticket(page)
    page.locator(".composer-tab", has_text="Reply").click()
    page.locator("[popovertarget=later-menu]").click()


def view_changed(page: Page) -> None:
    page.goto("/views")
    if not page.get_by_role("link", name="Newest first", exact=True).count():
        page.goto("/views/new")
        page.locator("#view-name").fill("Newest first")
        page.get_by_role("button", name="Save", exact=True).click()
        page.goto("/views")
    page.get_by_role("link", name="“Newest first” as a table").click()
    page.goto(re.sub(r"sort=[^&]*", "sort=hs_ticket_id", page.url))


def snippet_list(page: Page) -> None:
    page.goto("/settings/snippets")


def new_snippet(page: Page) -> None:
    page.goto("/settings/snippets/new")
    page.locator("#snippet-tokens summary").click()


def skills(page: Page) -> None:
    page.goto("/settings/routing/skills")
    if not page.locator(".skill-chip").count():
        page.get_by_label("Add languages").fill("German, Danish")
        page.get_by_role("button", name="Add", exact=True).first.click()
        page.locator(".skill-chip").first.wait_for()


def skill(page: Page) -> None:
    skills(page)
    page.goto(page.locator(".skill-chip").first.get_attribute("href") or "")


def skill_rules(page: Page) -> None:
    page.goto("/settings/routing/rules")


def skill_rule_set(page: Page) -> None:
    """With a rule, which is made by the form step by step."""
    skills(page)
    skill_rules(page)
    if page.locator(".set-what a").count():
        page.locator(".set-what a").first.click()
    else:
        page.get_by_label("Name", exact=True).fill("Customer mail")
        page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("link", name="Add rule").wait_for()
    if not page.locator("[data-row]").count():
        skill_rule_filter(page)
        page.locator("[name=when-value]").first.check()
        page.locator("[name=needed]").first.check()
        page.get_by_label("Name", exact=True).fill("The urgent ones")
        page.get_by_role("button", name="Save rule").click()
        page.locator("[data-row]").first.wait_for()


def skill_rule_filter(page: Page) -> None:
    page.get_by_role("link", name="Add rule").click()
    page.get_by_role("button", name="Add a filter").click()
    page.locator("#when-prop").select_option("ticket.hs_ticket_priority")
    page.locator("[name=when-value]").first.wait_for()


def skill_rule(page: Page) -> None:
    skill_rule_set(page)
    skill_rule_filter(page)


def owner_menu(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=owner-menu]").click()


def status_menu(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=status-menu]").click()


def views(page: Page) -> None:
    page.goto("/inbox/all-open")
    if page.locator("[popovertarget=side]").is_visible():
        page.locator("[popovertarget=side]").click()


def details(page: Page) -> None:
    ticket(page)
    if page.locator("[popovertarget=properties]").is_visible():
        page.locator("[popovertarget=properties]").click()


def property_editor(page: Page) -> None:
    details(page)
    page.locator("#property-hs_ticket_category .prop-value").click()
    page.locator("#property-hs_ticket_category select").wait_for()


def all_properties(page: Page) -> None:
    ticket(page)
    page.goto(page.url.rstrip("/") + "/properties")
    if page.locator("[popovertarget=properties]").is_visible():
        page.locator("[popovertarget=properties]").click()


def times_by_status(page: Page) -> None:
    all_properties(page)
    page.locator("#section-times").scroll_into_view_if_needed()
    page.locator("#section-times dd").last.scroll_into_view_if_needed()


def task_form(page: Page) -> None:
    """A task that is overdue, one that is done, and the form for a third one."""
    ticket(page)
    for title, due in (("Call the warehouse", "2020-01-01T10:00"), ("Thank the customer", "")):
        page.goto(page.url.split("/tasks")[0] + "/tasks/new")
        if page.locator("[popovertarget=properties]").is_visible():
            page.locator("[popovertarget=properties]").click()
        page.get_by_label("What is to be done?").fill(title)
        page.get_by_label("Due", exact=True).fill(due)
        page.locator("#task-new [name=also][type=checkbox]").first.check()
        page.locator("#task-new").get_by_role("button", name="Save").click()
        page.locator(".task-title", has_text=title).first.wait_for(state="attached")
    page.locator("#section-tasks").get_by_role("button", name="Tick off: Thank").last.click()
    page.locator("#tasks-done summary").first.click()
    page.locator("#task-new a").click()
    page.locator("#task-new-title").wait_for()
    page.locator("#task-new-reminder").select_option("at")
    page.locator("#task-new-remind_at").wait_for()


def links(page: Page) -> None:
    """A ticket that is linked to another one, and the search for more."""
    ticket(page)
    address = page.url
    if not page.locator(".linked[id]").count():  # an earlier look has linked them
        page.goto(f"{address}/links/new?kind=ticket&q=1")
        if page.locator("[popovertarget=properties]").is_visible():
            page.locator("[popovertarget=properties]").click()
        page.locator("#link-new button[name=id]").first.click()
        page.locator(".linked[id]").first.wait_for(state="attached")
    page.goto(f"{address}/links/new?kind=ticket&q=2")
    if page.locator("[popovertarget=properties]").is_visible():
        page.locator("[popovertarget=properties]").click()


def split(page: Page) -> None:
    ticket(page)
    page.locator(".message").first.hover()
    page.locator(".message-more").first.click()
    page.locator(".message-more + .menu a").first.click()
    page.get_by_label("Subject").wait_for()


def message_menu(page: Page) -> None:
    ticket(page)
    page.locator(".message").first.hover()
    page.locator(".message-more").first.click()


def merge_many(page: Page) -> None:
    the_list(page)
    for number in range(3):
        page.locator(".row-check input").nth(number).check()
    page.locator("[popovertarget=bulk-more]").click()
    page.get_by_role("button", name="Merge …").click()
    page.locator("input[name=keep]").first.wait_for()


def hand_over(page: Page) -> None:
    selected(page)
    page.locator("[popovertarget=bulk-more]").click()
    page.get_by_role("button", name="Hand over …").click()
    page.locator("#handover-note").wait_for()


def hand_over_refused(page: Page) -> None:
    hand_over(page)
    page.locator("form.handover .ask-foot button").click()
    page.locator("#handover-error").wait_for()


def selected(page: Page) -> None:
    the_list(page)
    page.locator(".row-check input").nth(1).check()


def selected_menu(page: Page) -> None:
    selected(page)
    page.locator("[popovertarget=bulk-priority]").click()


def snooze_menu(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=snooze-menu]").click()


def history(page: Page) -> None:
    ticket(page)
    page.goto(page.url.rstrip("/") + "/history")
    if page.locator("[popovertarget=properties]").is_visible():
        page.locator("[popovertarget=properties]").click()


def merge(page: Page) -> None:
    ticket(page)
    page.goto(page.url.rstrip("/") + "/merge?q=e")


def block(page: Page) -> None:
    ticket(page)
    page.goto(page.url.rstrip("/") + "/block")


def blocked_senders(page: Page) -> None:
    page.goto("/settings/blocked")


def empty_view(page: Page) -> None:
    page.goto("/inbox/mentions")


def conversations(page: Page) -> None:
    page.goto("/inbox/conversations")


def thread_owner(page: Page) -> None:
    page.goto("/inbox/conversations")
    page.locator("a.thread-owner").first.click()
    page.get_by_label("Owner", exact=True).wait_for()


def board(page: Page) -> None:
    page.goto("/tickets")
    live_is_up(page)


def move_menu(page: Page) -> None:
    board(page)
    page.locator(".card-move").first.focus()
    page.keyboard.press("Enter")
    page.locator("#move-menu:popover-open").wait_for()


def lifted(page: Page) -> None:
    board(page)
    page.locator(".card-link").first.focus()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")


def move_page(page: Page) -> None:
    board(page)
    page.goto(page.locator(".card-move").first.get_attribute("href") or "")


def filter_form(page: Page) -> None:
    board(page)
    page.locator("[popovertarget=filter-offers]").click()
    page.locator("#filter-offers [href*=ticket_priority]").click()
    page.locator(".filter-editor [value=HIGH]").check()
    page.get_by_text("Matches").wait_for()


def activity_filter(page: Page) -> None:
    board(page)
    page.locator("[popovertarget=filter-offers]").click()
    page.locator("#filter-offers [href*='task.hs_task_status']").click()
    page.locator(".filter-editor [value=NOT_STARTED]").check()
    page.get_by_role("button", name="Apply").click()
    page.locator(".filter-chip").wait_for()
    page.locator("[popovertarget=filter-offers]").click()
    page.locator("#filter-offers [href*='task.hs_timestamp']").click()
    page.locator(".filter-editor [name=label]").wait_for()


def duration_filter(page: Page) -> None:
    board(page)
    page.locator("[popovertarget=filter-offers]").click()
    page.locator("#filter-offers [href*=v2_cumulative]").first.click()
    page.locator(".filter-editor [name=op][data-htmx-powered]").wait_for()
    page.locator(".filter-editor [name=status]").select_option(index=2)
    page.locator(".filter-editor [name=op]").select_option("between")
    page.locator(".filter-editor [name=value]").nth(1).wait_for()
    for place, hours in enumerate(("1", "36")):
        page.locator(".filter-editor [name=value]").nth(place).fill(hours)
    page.locator(".filter-editor [name=unit]").select_option("hour")
    page.get_by_text("Matches").wait_for()


def filtered_board(page: Page) -> None:
    filter_form(page)
    page.get_by_role("button", name="Apply").click()
    page.locator(".filter-chip").wait_for()


def filter_offers(page: Page) -> None:
    board(page)
    page.locator("[popovertarget=filter-offers]").click()


def table(page: Page) -> None:
    board(page)
    page.get_by_role("link", name="Table", exact=True).click()
    page.locator(".ticket-table").wait_for()
    live_is_up(page)


def cell_editor(page: Page) -> None:
    table(page)
    page.locator(".cell-value").nth(1).click()
    page.locator(".cell-form").wait_for()


def deal_cell_editor(page: Page) -> None:
    deals_table(page)
    page.locator(".cell-value").first.click()
    page.locator(".cell-form").wait_for()


def columns(page: Page) -> None:
    table(page)
    page.locator("[popovertarget=columns]").click()


def save_view(page: Page) -> None:
    filtered_board(page)
    page.get_by_role("link", name="Save as view").click()
    page.locator("#view-name").wait_for()


def custom_views(page: Page) -> None:
    save_view(page)
    page.locator("#view-name").fill(f"High {page.evaluate('Date.now()')}")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/inbox/custom-*")
    page.goto("/views")


def create_ticket(page: Page) -> None:
    board(page)
    page.keyboard.press("n")
    page.locator("#drawer #new-subject").wait_for()


def create_refused(page: Page) -> None:
    page.goto("/tickets/new")
    page.locator(".drawer-foot button", has_text="Create ticket").click()
    page.locator(".field-error").wait_for()


def portal_settings(page: Page) -> None:
    page.goto("/settings/portal")


def portal_refused(page: Page) -> None:
    portal_settings(page)
    page.locator("#accent").fill("#ffcc00")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#accent-error").wait_for()


def portal_contacts(page: Page) -> None:
    page.goto("/settings/portal/contacts?begun=1&edit=0.0&prop=contact.email")


def portal_sign_in(page: Page) -> None:
    address = _portal(page)
    page.context.clear_cookies(name="portal")
    page.goto(address)
    page.locator("#email").wait_for()


def portal_sent(page: Page) -> None:
    portal_sign_in(page)
    page.locator("#email").fill("nobody@else.example")
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()


def _portal(page: Page) -> str:
    portal_settings(page)
    return urlsplit(page.locator(".set-card .field-help a").first.get_attribute("href") or "").path


def _newest_link(page: Page) -> str:
    page.goto("/mailbox")
    mail = page.get_by_role("link", name="Sign in to").first
    return (mail.get_attribute("href") or "") if mail.count() else ""


def portal(page: Page) -> None:
    """Signed in as the customer of a ticket, by the link of the mail in the built-in mailbox."""
    address = _portal(page)
    page.goto(address)
    if page.locator(".portal-who").count():
        return
    ticket(page)
    found = page.evaluate("document.body.textContent.match(/[a-z.]+@[a-z.-]+[.]example/g)")
    who, before = next(one for one in found if "nordlys" not in one), _newest_link(page)
    page.goto(address)
    page.locator("#email").fill(who)
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()
    while (mail := _newest_link(page)) == before:
        page.wait_for_timeout(200)
    page.goto(mail)
    page.goto(re.search(r"/portal/\S+/sign-in/[\w/-]+", page.locator("main").inner_text())[0])  # type: ignore[index]
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator(".portal-who").wait_for()


def portal_company(page: Page) -> None:
    portal(page)
    page.goto(f"{_portal(page)}?of=company&state=all")


def portal_none(page: Page) -> None:
    portal(page)
    page.goto(f"{_portal(page)}?q=nothing-of-this-name")


def portal_request(page: Page) -> None:
    portal(page)
    page.goto(f"{_portal(page)}?state=all")
    page.locator(".portal-line a").first.click()
    page.locator(".portal-message").first.wait_for()


def portal_new(page: Page) -> None:
    portal(page)
    page.goto(f"{_portal(page)}requests/new")


def portal_new_refused(page: Page) -> None:
    portal_new(page)
    page.locator(".portal-write button").click()
    page.locator(".field-error").first.wait_for()


def portal_signed_out(page: Page) -> None:
    """Sent when the session was over: what was typed is there."""
    portal_new(page)
    page.locator("#subject").fill("A lamp fell down")
    page.locator("#body").fill("It hung over the table for a week.\n\nWhat can we do?")
    page.context.clear_cookies(name="portal")
    page.locator(".portal-write form button").click()
    page.get_by_role("heading", name="You are signed out").wait_for()


def portal_nothing(page: Page) -> None:
    portal(page)
    page.goto(f"{_portal(page)}requests/999999999")


def mailbox(page: Page) -> None:
    page.goto("/mailbox")


def channels(page: Page) -> None:
    page.goto("/settings/channels")


def channel_new(page: Page) -> None:
    page.goto("/settings/channels/new")
    page.get_by_label("Where its conversations go").select_option("new")


def channel(page: Page) -> None:
    channels(page)
    page.goto(page.locator(".channel-name").first.get_attribute("href") or "")
    page.get_by_label("Fetch it from a mailbox").check()


def channel_refused(page: Page) -> None:
    channel(page)
    page.get_by_role("button", name="Save and test").first.click()
    page.locator(".field-error").first.wait_for()


def channel_automation(page: Page) -> None:
    channels(page)
    page.goto((page.locator(".channel-name").first.get_attribute("href") or "") + "/automation")
    for more in page.locator(".channel-more > summary").all():
        more.click()


def channel_automation_of_chat(page: Page) -> None:
    _automation_of(page, CHAT)


def channel_automation_of_calls(page: Page) -> None:
    """Hours of the line, and how people are rung."""
    _automation_of(page, LINE)
    page.locator("input[name=option][value=USERS_AND_TEAMS]").check()
    if page.locator("input[name=opens]").count():  # the demo has no line
        page.locator("input[name=opens]").last.check()


def _automation_of(page: Page, address: str) -> None:
    """Of the channel with this address, which the office of the tests has; the demo's channels all take mail."""
    channels(page)
    found = page.locator(".channel-name").get_by_text(address)
    if not found.count():
        found = page.locator(".channel-name")
    page.goto((found.first.get_attribute("href") or "") + "/automation")


def channel_sender(page: Page) -> None:
    channels(page)
    page.goto((page.locator(".channel-name").first.get_attribute("href") or "") + "/sender")


def availability(page: Page) -> None:
    page.goto("/settings/availability")


def default_hours(page: Page) -> None:
    page.goto("/settings/hours")


def capacity(page: Page) -> None:
    page.goto("/settings/capacity")


def limits_refused(page: Page) -> None:
    capacity(page)
    page.locator("[name=ids]").first.check()
    page.locator("#limit-total").fill("many")
    page.get_by_role("button", name="Save limits").click()
    page.locator("#limit-total-error").wait_for()


def limits_by_type(page: Page) -> None:
    capacity(page)
    page.locator("[name=measure][value=BY_TYPE]").check()
    page.locator("#limit-call").wait_for()


def effort(page: Page) -> None:
    page.goto("/settings/capacity/effort")


def effort_refused(page: Page) -> None:
    effort(page)
    page.locator("#ramp_days").fill("soon")
    page.get_by_role("button", name="Save").click()
    page.locator("#ramp_days-error").wait_for()


def holidays(page: Page) -> None:
    default_hours(page)
    if not page.locator("#country").count():  # they are of working hours
        page.get_by_role("button", name="Monday to Friday, 9 to 17").click()
        page.locator("[name=fill]").wait_for(state="detached")
        page.get_by_role("button", name="Save the hours").click()
        page.locator(".toast").first.wait_for()
        default_hours(page)
    page.locator("#country").select_option("DE")
    page.locator("#region").wait_for()


def hours_refused(page: Page) -> None:
    availability(page)
    page.locator("[name=add][value='6']").click()
    page.locator("[name=start6]").fill("12:00")
    page.locator("[name=end6]").fill("09:00")
    page.get_by_role("button", name="Save the hours").click()
    page.locator(".field-error").first.wait_for()


def who_is_available(page: Page) -> None:
    page.goto("/settings/availability/team")


def system(page: Page) -> None:
    page.goto("/settings/system")


def contacts(page: Page) -> None:
    page.goto("/contacts")


def contacts_none(page: Page) -> None:
    page.goto("/contacts?q=nobody-of-this-name")


def contact(page: Page) -> None:
    page.goto("/contacts")
    page.goto(page.locator(".people-name").first.get_attribute("href") or "")


def contact_property(page: Page) -> None:
    contact(page)
    page.locator("#property-phone .property-open").focus()
    page.keyboard.press("Enter")
    page.locator("#property-phone form").wait_for()


def segments(page: Page) -> None:
    page.goto("/segments")


def segment_new(page: Page) -> None:
    page.goto("/segments/new")


def segment(page: Page) -> None:
    page.goto("/segments")
    page.goto(page.locator(".segments .people-name").first.get_attribute("href") or "")


def segment_filters(page: Page) -> None:
    page.goto("/segments/build?type=contact&name=Nordlys&edit=0.0&prop=contact.country&op=any_of")


def contact_new(page: Page) -> None:
    page.goto("/contacts/new")


def contact_link(page: Page) -> None:
    contact(page)
    page.goto(page.url + "/link")


def contact_link_as(page: Page) -> None:
    """What may be linked besides, and as what."""
    object_labels(page)
    page.goto("/contacts")
    other = page.locator(".people-name").last.inner_text().split()[0]
    contact(page)
    page.goto(f"{page.url}/others?kind=contact&q={other}")
    page.get_by_label("Manager", exact=True).wait_for()


def contact_linked_as(page: Page) -> None:
    """Linked to another one, with a label, and the boxes of its labels open."""
    contact(page)
    if not page.locator("#others .link-chips").count():
        contact_link_as(page)
        page.get_by_label("Manager", exact=True).check()
        page.locator("main button[name=id]").first.click()
    page.locator("#others .link-labels summary").first.click()
    page.get_by_text("Linked as").first.wait_for()


def contact_merge(page: Page) -> None:
    contact(page)
    page.goto(page.url + "/merge")


def contact_merge_with(page: Page) -> None:
    contact_merge(page)
    page.goto(page.locator("#found a.button").first.get_attribute("href") or "")


def contact_email(page: Page) -> None:
    contact(page)
    page.goto(page.url + "/email")


def companies(page: Page) -> None:
    page.goto("/companies")


def company(page: Page) -> None:
    page.goto("/companies")
    page.goto(page.locator(".people-name").first.get_attribute("href") or "")


def start(page: Page) -> None:
    page.goto("/start")


def users(page: Page) -> None:
    page.goto("/settings/users")


def user(page: Page) -> None:
    users(page)
    page.locator(".people-who a").nth(1).click()
    page.get_by_role("button", name="End all sessions").wait_for()


def user_leaves(page: Page) -> None:
    user(page)
    page.get_by_role("link", name="Deactivate", exact=True).click()
    page.locator(".button--danger").wait_for()


def user_new(page: Page) -> None:
    page.goto("/settings/users/invite")


def user_refused(page: Page) -> None:
    user_new(page)
    page.get_by_role("button", name="Send the invitation").click()
    page.locator(".field-error").wait_for()


def teams(page: Page) -> None:
    page.goto("/settings/teams")


def team(page: Page) -> None:
    teams(page)
    page.locator(".people-link").first.click()
    page.locator("#members").wait_for()


def team_deleted(page: Page) -> None:
    team(page)
    page.get_by_role("link", name="Delete the team").click()
    page.locator(".button--danger").wait_for()


def roles(page: Page) -> None:
    page.goto("/settings/roles")


def role(page: Page) -> None:
    roles(page)
    page.locator(".people-link").nth(2).click()
    page.locator(".people-matrix").wait_for()


def account(page: Page) -> None:
    page.goto("/settings/account")


def api_tokens(page: Page) -> None:
    page.goto("/settings/tokens")


def token_new(page: Page) -> None:
    page.goto("/settings/tokens/new")


def token_refused(page: Page) -> None:
    token_new(page)
    page.get_by_role("button", name="Make the token").click()
    page.locator(".field-error").first.wait_for()


def audit_log(page: Page) -> None:
    page.goto("/settings/audit?check=1")


def mail(page: Page) -> None:
    page.goto("/mailbox")
    page.locator(".mail-line").first.click()


def statuses(page: Page) -> None:
    page.goto("/settings/tickets")


def pipeline_cards(page: Page) -> None:
    statuses(page)
    page.locator(".pipeline-parts").get_by_role("link", name="Cards").click()
    page.locator("#cards-title").wait_for()


def pipelines(page: Page) -> None:
    page.goto("/settings/tickets/pipelines")


def deals_board(page: Page) -> None:
    page.goto("/records/deals/board")


def deals_table(page: Page) -> None:
    page.goto("/records/deals/table")


def deals_ticked(page: Page) -> None:
    deals_table(page)
    page.locator("#rows [name=ids]").first.check()
    page.locator("#ticked").wait_for()


def tasks_list(page: Page) -> None:
    page.goto("/tasks?list=all")
    page.locator(".worklist-line").first.wait_for()


def tasks_ticked(page: Page) -> None:
    tasks_list(page)
    page.locator(".worklist [name=ids]").first.check()
    page.get_by_role("button", name="Task queue …").click()


def task_queues(page: Page) -> None:
    page.goto("/tasks/queues")


def task_queue_new(page: Page) -> None:
    page.goto("/tasks/queues/new")
    page.get_by_label("Chosen people and teams").check()


def task_queue_work(page: Page) -> None:
    task_queues(page)
    page.get_by_role("link", name="Start queue: Calls").click()


def task_queue_end(page: Page) -> None:
    """All of it was skipped."""
    task_queue_work(page)
    while page.get_by_role("link", name="Skip", exact=True).count():
        page.get_by_role("link", name="Skip", exact=True).click()
    page.get_by_role("link", name="Start again").wait_for()


def task_queue_delete(page: Page) -> None:
    task_queues(page)
    page.get_by_role("link", name="Edit: Calls").click()
    page.get_by_role("link", name="Delete task queue").click()


def deal(page: Page) -> None:
    deals_board(page)
    page.goto(page.locator(".card-link").first.get_attribute("href") or "")


def own_objects(page: Page) -> None:
    page.goto("/settings/objects")


def pipeline_rules(page: Page) -> None:
    statuses(page)
    page.get_by_role("link", name="Rules", exact=True).click()


def status_asks(page: Page) -> None:
    """The next status of a deal asks for something; whoever moves one there is shown the form."""
    page.goto("/settings/deals")
    page.get_by_role("link", name="Rules", exact=True).click()
    offers = page.locator(".ask-block").nth(1).locator("select").nth(-2)
    if offers.locator("option[value=description]").count():
        offers.select_option("description")
        page.locator(".rules-form .button--primary").click()
    page.goto("/records/deals/board")
    card = page.locator(".board-column").first.locator(".card-link").first
    page.goto(card.get_attribute("href") or "")
    page.locator(".progress-step button").first.click()
    page.locator("#drawer .field").first.wait_for()


def status_goes(page: Page) -> None:
    statuses(page)
    page.get_by_role("link", name="Delete “Waiting on us”").click()


def ticket_setup(page: Page) -> None:
    page.goto("/settings/tickets/setup")


def ticket_properties(page: Page) -> None:
    page.goto("/settings/tickets/properties")


def new_property(page: Page) -> None:
    page.goto("/settings/tickets/properties/new")
    page.get_by_label("Type").select_option("enumeration:select")


def unique_property(page: Page) -> None:
    """An order's number, which no two tickets may share."""
    page.goto("/settings/tickets/properties")
    if page.get_by_role("link", name="Order number").count() == 0:
        page.goto("/settings/tickets/properties/new")
        page.get_by_label("Label", exact=True).fill("Order number")
        page.get_by_label("No two records may have the same value").check()
        page.get_by_role("button", name="Create property").click()
        page.get_by_text("The property “Order number” is there.").wait_for()
    page.get_by_role("link", name="Order number").click()
    page.get_by_label("No two records may have the same value").wait_for()


def unique_property_refused(page: Page) -> None:
    """A date can't be unique, and the tick says so."""
    page.goto("/settings/tickets/properties/new")
    page.get_by_label("Label", exact=True).fill("Day of the order")
    page.get_by_label("Type").select_option("date:date")
    page.get_by_label("No two records may have the same value").check()
    page.get_by_role("button", name="Create property").click()
    page.locator("#has_unique_value-error").wait_for()


def object_labels(page: Page) -> None:
    page.goto("/settings/contacts/links")
    for to, label, inverse in (
        ("contact", "Manager", "Employee"),
        ("contact", "Colleague", ""),
        ("deal", "Decision maker", ""),
    ):
        if page.get_by_role("link", name=f"Delete “{label}”").count() == 0:
            page.get_by_label("Linked record", exact=True).select_option(to)
            page.get_by_label("What the linked record is").fill(label)
            page.get_by_label("What this one is to it").fill(inverse)
            page.get_by_role("button", name="Add label").click()
            page.get_by_text("The label is there.").wait_for()
    page.goto("/settings/contacts/links")


def object_label_delete(page: Page) -> None:
    object_labels(page)
    page.get_by_role("link", name="Delete “Manager”").click()
    page.get_by_role("button", name="Delete label").wait_for()


def ticket_tags(page: Page) -> None:
    page.goto("/settings/tickets/tags")
    for name, tone in (("Refund", "red"), ("Press", "violet")):
        if page.locator(f'input[value="{name}"]').count():
            continue
        page.get_by_role("button", name="Add tag").click()
        row = page.locator("[data-rows] > [data-row]").last
        row.locator("input.input").fill(name)
        row.locator("select").select_option(tone)
    page.get_by_role("button", name="Save tags").click()
    page.get_by_text("The tags are saved.").wait_for()


def tagged_list(page: Page) -> None:
    """Tickets that wear tags: in the list, and beside the one that is open."""
    ticket_tags(page)
    page.goto("/inbox/all-open")
    for tag in ("Refund", "Press") if not page.locator(".ticket-list .ticket-tag").count() else ():
        rows = page.locator(".row-check input")
        for place in range(4):
            rows.nth(place).evaluate("box => box.scrollIntoView({block: 'center'})")  # from under the bars
            rows.nth(place).check(force=True)
        page.locator("[popovertarget=bulk-tags]").click()
        page.locator("#bulk-tags").get_by_role("button", name=tag).first.click()
        page.locator(".ticket-list .ticket-tag", has_text=tag).first.wait_for()
    page.locator(".row-link").first.click()
    page.locator("#properties .ticket-tag").first.wait_for(state="attached")


def ticket_tag_rule(page: Page) -> None:
    ticket_tags(page)
    page.locator(".tag-rule-link[href]").first.click()
    page.get_by_text("On a card").wait_for()
    if "f=" not in page.url:
        page.goto(
            f"{page.url}?begun=1&edit=0.0&prop=ticket.hs_ticket_priority&op=any_of&value=URGENT&value=HIGH"
        )
        page.get_by_role("button", name="Apply").click()
    page.get_by_text("Matches").wait_for()


def property_groups(page: Page) -> None:
    page.goto("/settings/tickets/properties/groups")
    page.get_by_role("button", name="Add group").click()


def sidebar_layout(page: Page) -> None:
    page.goto("/settings/tickets/layout")


def automate(page: Page) -> None:
    page.goto("/settings/pipelines/automate")


def automate_closed(page: Page) -> None:
    """What an answer to a closed ticket does, with a number of days."""
    automate(page)
    page.get_by_label("What to do").select_option("within_days")
    page.get_by_label("Days after closing").wait_for()
    page.locator("#rule-reopening-title").evaluate("one => one.scrollIntoView({block: 'center'})")
    settle(page)


def lanes(page: Page) -> None:
    automate(page)
    page.locator("#lanes-title").scroll_into_view_if_needed()
    page.locator(".lane").first.scroll_into_view_if_needed()


def drawer(page: Page) -> None:
    automate(page)
    page.locator(".lane-plus").first.click()
    page.locator("#drawer .offer").first.wait_for()


def step_form(page: Page) -> None:
    drawer(page)
    page.locator("#drawer .offer").nth(1).click()
    page.locator("#drawer textarea").wait_for()


def task_step(page: Page) -> None:
    """The task of a workflow, which is about linked records, too."""
    drawer(page)
    page.locator("#drawer .offer[href*='kind=create_task']").click()
    page.locator("#drawer [name=title]").fill("Call them")
    page.locator("#drawer [name=associate]").first.check()
    page.locator("#drawer [name=which]").scroll_into_view_if_needed()


def webhooks(page: Page) -> None:
    page.goto("/settings/webhooks")


def webhook_new(page: Page) -> None:
    page.goto("/settings/webhooks/new")
    page.get_by_text("Changes of properties").first.click()


def webhook_refused(page: Page) -> None:
    page.goto("/settings/webhooks/new")
    page.get_by_role("button", name="Make the webhook").click()


def webhook(page: Page) -> None:
    """Made by the first look; later ones find it."""
    page.goto("/settings/webhooks")
    if not page.locator(".set-list a").count():
        page.goto("/settings/webhooks/new")
        page.locator("#name").fill("Shop")
        page.locator("#url").fill("https://shop.example/hear")
        page.locator("input[value='ticket.creation']").check()
        page.locator("input[value='conversation.newMessage']").check()
        page.locator("form[action$='/webhooks/add'] button[type=submit]").click()
        page.locator("#secret").wait_for()
        page.goto("/settings/webhooks")
    page.locator(".set-list a").first.click()
    if not page.locator("section[aria-labelledby=log] li").count():
        page.locator("form[action$='/test'] button").click()
        page.locator("section[aria-labelledby=log] li").first.wait_for()


def webhook_delivery(page: Page) -> None:
    webhook(page)
    page.locator("section[aria-labelledby=log] li a").first.click()


def webhook_secret(page: Page) -> None:
    webhook(page)
    page.locator("form[action$='/secret'] button").click()
    page.locator("#secret").wait_for()


def tokens(page: Page) -> None:
    step_form(page)
    page.locator("[popovertarget=tokens-subject]").click()


def step_refused(page: Page) -> None:
    drawer(page)
    page.locator("#drawer .offer[href*='kind=delay']").click()
    page.locator("#drawer [inputmode]").first.wait_for()
    page.locator("#drawer .drawer-foot [type=submit]").click()
    page.locator("#drawer .field-error").wait_for()


def lane_branch(page: Page) -> None:
    drawer(page)
    page.locator("#drawer .offer[href*='kind=if-then']").click()
    page.locator("#drawer [id=way0-name]").fill("Urgent ones")
    page.locator("#drawer .condition [name=redraw]").first.click()
    page.locator("#drawer .condition-open select").select_option("ticket.hs_ticket_priority")
    page.locator("#drawer .condition-open [type=checkbox]").last.check()


def lane_status_time(page: Page) -> None:
    """A branch by the time in a status, which is chosen in the filter."""
    drawer(page)
    page.locator("#drawer .offer[href*='kind=if-then']").click()
    page.locator("#drawer [id=way0-name]").fill("Waited long")
    page.locator("#drawer .condition [name=redraw]").first.click()
    page.locator("#drawer .condition-open select").select_option("ticket.hs_v2_cumulative_time_in")
    page.locator("#drawer .condition-open [name$=-status]").select_option(index=2)


def lane_delay(page: Page) -> None:
    """Until a date of the record, cancelled by a condition."""
    drawer(page)
    page.locator("#drawer .offer[href*='kind=delay']").click()
    page.locator("#field-wait").select_option("property")
    page.locator("#field-side").wait_for()
    page.locator("#field-side").select_option("before")
    page.get_by_text("How long before or after").wait_for()
    page.locator("#field-property").select_option("closed_date")
    page.locator("#field-offset_days").fill("2")
    page.locator("#drawer .condition [name=redraw]").first.click()
    page.locator("#drawer .condition-open select").select_option("ticket.hs_ticket_priority")
    page.locator("#drawer .condition-open [type=checkbox]").last.check()


def lane_forks(page: Page) -> None:
    """A lane with branches by value, a way that goes on elsewhere, and steps on both ways of a delay."""
    automate(page)
    page.locator(".lane:has(.jump) .lane-ways").first.scroll_into_view_if_needed()


def lane_inside(page: Page) -> None:
    """Who stands at a step."""
    automate(page)
    page.locator("a.badge[id^=inside-]").first.click()
    page.locator("#drawer .inside").wait_for()


def discard(page: Page) -> None:
    step_form(page)
    page.get_by_label("Subject").fill("A new ticket")
    page.keyboard.press("Escape")
    page.locator("#discard[open]").wait_for()


def lane_tools(page: Page) -> None:
    automate(page)
    page.locator(".bubble-main").first.focus()


def delete_step(page: Page) -> None:
    lane_tools(page)
    page.locator("[id^=delete-]").first.click()
    page.locator("#drawer .button--danger").wait_for()


def place_step(page: Page) -> None:
    lane_tools(page)
    page.locator("[id^=place-]").first.click()
    page.locator("#drawer .spots").wait_for()


def switch_on(page: Page) -> None:
    automate(page)
    page.locator("[id^=lane-on-][aria-checked=false]").first.click()
    page.locator("#drawer [name=present]").first.wait_for()


def step_comments(page: Page) -> None:
    automate(page)
    page.locator("a.badge[id^=comment-]").first.click()
    page.locator("#drawer textarea").wait_for()


def subscription_types(page: Page) -> None:
    page.goto("/settings/subscriptions")


def automation_sending(page: Page) -> None:
    page.goto("/settings/automation-sending")


def workflow_log_kept(page: Page) -> None:
    page.goto("/settings/workflow-log")


def integration(page: Page) -> None:
    """A new one, with rows for what it is asked."""
    page.goto("/settings/integrations/new")
    page.get_by_label("Name", exact=True).first.fill("Credit check")
    page.get_by_role("button", name="Add a row").first.click()


def secrets(page: Page) -> None:
    page.goto("/settings/secrets")


def mails(page: Page) -> None:
    page.goto("/settings/mails")


def mail_editor(page: Page) -> None:
    mails(page)
    page.goto(page.locator(".mails-name").first.get_attribute("href") or "")


def mail_refused(page: Page) -> None:
    mail_editor(page)
    page.get_by_label("Number of a ticket").fill("999999")
    page.get_by_role("button", name="Preview").click()
    page.locator(".field-error").wait_for()


def account_menu(page: Page) -> None:
    page.goto("/inbox/all-open")
    page.locator("[popovertarget=me-menu]:visible").click()


def password(page: Page) -> None:
    page.goto("/account/password/change/")


def password_refused(page: Page) -> None:
    password(page)
    page.get_by_role("button", name="Save the password").click()


def reset(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/account/password/reset/")


def not_found(page: Page) -> None:
    page.goto("/inbox/nothing-here")


#: Every state that is looked at and searched for obstacles.
def search(page: Page) -> None:
    page.goto("/search?q=re")


def search_messages(page: Page) -> None:
    page.goto("/search?q=par&kind=messages")


def palette(page: Page) -> None:
    ticket(page)
    page.evaluate("document.querySelector('[data-open-palette]').click()")
    page.locator("#palette [role=option]").first.wait_for()


def palette_found(page: Page) -> None:
    palette(page)
    page.locator("#palette input").fill("astr")
    page.locator("#palette mark").first.wait_for()


def shortcuts(page: Page) -> None:
    ticket(page)
    page.evaluate("document.querySelector('[data-open-keys]').click()")


def profile(page: Page) -> None:
    page.goto("/settings/profile")


def notifications(page: Page) -> None:
    page.goto("/notifications")


def notification_settings(page: Page) -> None:
    page.goto("/settings/notifications")


def notification_defaults(page: Page) -> None:
    page.goto("/settings/notifications/defaults")


def notification_locked(page: Page) -> None:
    """One topic is set for everybody."""
    notification_defaults(page)
    page.locator("input[name=locked]").first.check()
    page.locator(".bell-topics + .set-buttons [type=submit]").click()
    page.locator(".toast").wait_for()
    notification_settings(page)
    page.locator(".bell-locked").first.scroll_into_view_if_needed()


def notification_browsers(page: Page) -> None:
    """A browser that somebody allowed: one without a service to push to can't be asked itself."""
    notification_settings(page)
    if not page.locator("[data-mark]").count():
        for name, value in {
            "endpoint": "https://push.example/1",
            "key": PUSH_KEY,
            "secret": "A" * 22,
        }.items():
            page.locator(f".bell-allow [name={name}]").evaluate(
                "(field, value) => field.value = value", value
            )
        page.locator(".bell-allow").evaluate("(form) => form.submit()")
    page.locator("[data-mark]").first.wait_for()
    page.locator("#browsers-title").scroll_into_view_if_needed()


def bell(page: Page) -> None:
    page.goto("/inbox/all-open")
    if page.locator("#bell-button").is_visible():
        page.locator("#bell-button[role=button]").click()
        page.locator("#bell .bell-head").wait_for()


def workflow_list(page: Page) -> None:
    page.goto("/workflows")


def workflow_new(page: Page) -> None:
    page.goto("/workflows/new")


def workflow_editor(page: Page) -> None:
    workflow_new(page)
    page.locator("[name=start][value=close]").check(force=True)
    page.locator("#main form [type=submit]").click()
    page.locator("#flow").wait_for()


def workflow_step(page: Page) -> None:
    workflow_editor(page)
    page.locator("#node-1").click()
    page.locator("#panel .panel-foot").wait_for()


def workflow_trigger(page: Page) -> None:
    workflow_editor(page)
    page.locator("#node-trigger").click()
    page.locator("#panel .panel-foot").wait_for()


def workflow_publish(page: Page) -> None:
    workflow_editor(page)
    page.locator("#wf-review").click()
    page.locator("#panel .panel-head").wait_for()


def workflow_menu(page: Page) -> None:
    workflow_list(page)
    page.locator("[popovertarget^=menu-]").first.click()


def workflow_details(page: Page) -> None:
    workflow_menu(page)
    page.get_by_role("link", name="Name, owner and folder").first.click()


def workflow_folders(page: Page) -> None:
    page.goto("/workflows/folders")


def workflow_history(page: Page) -> None:
    """Of the workflow in which most has happened."""
    workflow_list(page)
    rows = page.locator("tr:has([popovertarget^=menu-])")
    done = rows.evaluate_all(
        "all => all.map((row) => [...row.querySelectorAll('.num')].reduce((sum, e) => sum + (parseInt(e.textContent) || 0), 0))"
    )
    rows.nth(done.index(max(done))).locator("[popovertarget^=menu-]").click()
    page.locator(".menu:popover-open").get_by_role("link", name="History", exact=True).click()


def workflow_run(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="The whole run of").first.click()


def workflow_run_canvas(page: Page) -> None:
    workflow_run(page)
    page.get_by_role("link", name="Show on the canvas").click()
    page.locator("#path-title").wait_for()


def workflow_log(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="Log", exact=True).click()


def workflow_calls(page: Page) -> None:
    """Of a workflow that nobody has called."""
    workflow_history(page)
    page.goto(page.url.partition("?")[0].removesuffix("history") + "calls")


def workflow_try(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="Try it", exact=True).click()
    page.locator(".wf-choices a").first.click()
    page.locator("#way-title").wait_for()


def workflow_replay(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="Replay", exact=True).click()
    page.locator("#replay").wait_for()
    if not page.locator(".wf-figures, progress").count():  # nothing yet, or it was stopped
        page.get_by_role("button", name="Replay", exact=True).click()
    page.locator(".wf-figures, progress").first.wait_for()  # as far as it has come where no worker is at it


def workflow_replay_stopped(page: Page) -> None:
    """Stopped while it goes on, or with what it found where it was quicker."""
    workflow_replay(page)
    if page.locator(".wf-stop").count():
        page.locator(".wf-stop [type=submit]").click()
    page.locator(".wf-rests").wait_for()


def simulator(page: Page) -> None:
    """Ada off on Mondays, beside today: as far as it has come where no worker is at it."""
    page.goto("/settings/routing/simulator")
    if not page.locator("#simulation progress").count():
        page.locator("input[name=people]").first.check()
        page.locator("#off").select_option("0")
        page.get_by_role("button", name="Simulate").click()
    page.locator(".sim-headline, #simulation progress").first.wait_for()


def simulator_done(page: Page) -> None:
    """What came of one, with all that can be opened."""
    page.goto("/settings/routing/simulator")
    if not page.locator(".sim-headline").count():
        if (
            page.locator("#simulation progress").count()
            and page.locator("[aria-labelledby=earlier-title] a").count()
        ):
            page.locator("[aria-labelledby=earlier-title] a").last.click()
        elif not page.locator("#simulation progress").count():
            simulator(page)
    page.locator(".sim-headline").wait_for()
    page.locator("#simulation details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")


def workflow_replay_none(page: Page) -> None:
    """Of a workflow that nobody replayed yet."""
    workflow_editor(page)
    page.goto(page.url.split("/edit")[0].split("?")[0].rstrip("/") + "/replay")
    page.locator(".empty").wait_for()


def workflow_undo(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="Take back", exact=True).click()


def workflow_review(page: Page) -> None:
    page.goto("/workflows/review")


def workflow_versions(page: Page) -> None:
    workflow_history(page)
    page.get_by_role("link", name="Versions", exact=True).click()


def workflow_compare(page: Page) -> None:
    workflow_versions(page)
    page.get_by_role("link", name="What version").first.click()


def workflow_why(page: Page) -> None:
    workflow_history(page)
    been = page.locator(".wf-record").first.inner_text()
    page.get_by_role("link", name="Who enters", exact=True).click()
    page.get_by_label("Search by record").fill(been)
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".wf-found .link").first.click()


def workflow_enroll(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=more-menu]").click()
    page.locator("#more-menu").get_by_role("link", name="Enroll in workflow").click()


STATES: dict[str, Step] = {
    "login": login,
    "start": start,
    "default-hours": default_hours,
    "capacity": capacity,
    "limits-refused": limits_refused,
    "limits-by-type": limits_by_type,
    "effort": effort,
    "effort-refused": effort_refused,
    "holidays": holidays,
    "automation-sending": automation_sending,
    "workflow-log-kept": workflow_log_kept,
    "list": the_list,
    "ticket": ticket,
    "comment": comment,
    "composer": composer_full,
    "formatted": formatted,
    "picks": picks,
    "later-menu": later_menu,
    "view-changed": view_changed,
    "integration": integration,
    "secrets": secrets,
    "portal-settings": portal_settings,
    "portal-refused": portal_refused,
    "portal-contacts": portal_contacts,
    "portal-sign-in": portal_sign_in,
    "portal-sent": portal_sent,
    "portal": portal,
    "portal-company": portal_company,
    "portal-none": portal_none,
    "portal-request": portal_request,
    "portal-new": portal_new,
    "portal-new-refused": portal_new_refused,
    "portal-signed-out": portal_signed_out,
    "portal-nothing": portal_nothing,
    "subscription-types": subscription_types,
    "skills": skills,
    "skill": skill,
    "skill-rules": skill_rules,
    "skill-rule-set": skill_rule_set,
    "skill-rule": skill_rule,
    "snippets": snippet_list,
    "new-snippet": new_snippet,
    "owner-menu": owner_menu,
    "status-menu": status_menu,
    "views": views,
    "details": details,
    "property-editor": property_editor,
    "selected": selected,
    "block": block,
    "blocked-senders": blocked_senders,
    "merge": merge,
    "task-form": task_form,
    "task-step": task_step,
    "links": links,
    "merge-many": merge_many,
    "hand-over": hand_over,
    "hand-over-refused": hand_over_refused,
    "split": split,
    "message-menu": message_menu,
    "snooze-menu": snooze_menu,
    "history": history,
    "selected-menu": selected_menu,
    "all-properties": all_properties,
    "times-by-status": times_by_status,
    "empty-view": empty_view,
    "contacts": contacts,
    "contacts-none": contacts_none,
    "contact": contact,
    "contact-property": contact_property,
    "contact-new": contact_new,
    "segments": segments,
    "segment-new": segment_new,
    "segment": segment,
    "segment-filters": segment_filters,
    "contact-link": contact_link,
    "contact-link-as": contact_link_as,
    "contact-linked-as": contact_linked_as,
    "contact-merge": contact_merge,
    "contact-merge-with": contact_merge_with,
    "contact-email": contact_email,
    "companies": companies,
    "company": company,
    "conversations": conversations,
    "thread-owner": thread_owner,
    "board": board,
    "pipeline-cards": pipeline_cards,
    "move-menu": move_menu,
    "lifted": lifted,
    "move-page": move_page,
    "filter-offers": filter_offers,
    "filter-form": filter_form,
    "activity-filter": activity_filter,
    "duration-filter": duration_filter,
    "filtered-board": filtered_board,
    "table": table,
    "cell-editor": cell_editor,
    "columns": columns,
    "save-view": save_view,
    "custom-views": custom_views,
    "create-ticket": create_ticket,
    "create-refused": create_refused,
    "mailbox": mailbox,
    "system": system,
    "availability": availability,
    "hours-refused": hours_refused,
    "who-is-available": who_is_available,
    "channels": channels,
    "channel-new": channel_new,
    "channel": channel,
    "channel-refused": channel_refused,
    "channel-automation": channel_automation,
    "channel-automation-of-chat": channel_automation_of_chat,
    "channel-automation-of-calls": channel_automation_of_calls,
    "channel-sender": channel_sender,
    "users": users,
    "user": user,
    "user-leaves": user_leaves,
    "user-new": user_new,
    "user-refused": user_refused,
    "teams": teams,
    "team": team,
    "team-deleted": team_deleted,
    "roles": roles,
    "role": role,
    "account": account,
    "api-tokens": api_tokens,
    "token-new": token_new,
    "token-refused": token_refused,
    "audit-log": audit_log,
    "mail": mail,
    "statuses": statuses,
    "pipelines": pipelines,
    "deals-board": deals_board,
    "deals-table": deals_table,
    "deals-ticked": deals_ticked,
    "tasks": tasks_list,
    "tasks-ticked": tasks_ticked,
    "task-queues": task_queues,
    "task-queue-new": task_queue_new,
    "task-queue-work": task_queue_work,
    "task-queue-end": task_queue_end,
    "task-queue-delete": task_queue_delete,
    "deal-cell-editor": deal_cell_editor,
    "deal": deal,
    "own-objects": own_objects,
    "pipeline-rules": pipeline_rules,
    "status-asks": status_asks,
    "status-goes": status_goes,
    "ticket-setup": ticket_setup,
    "ticket-properties": ticket_properties,
    "new-property": new_property,
    "unique-property": unique_property,
    "unique-property-refused": unique_property_refused,
    "property-groups": property_groups,
    "ticket-tags": ticket_tags,
    "ticket-tag-rule": ticket_tag_rule,
    "object-labels": object_labels,
    "object-label-delete": object_label_delete,
    "tagged-list": tagged_list,
    "sidebar-layout": sidebar_layout,
    "automate": automate,
    "automate-closed": automate_closed,
    "lanes": lanes,
    "drawer": drawer,
    "step-form": step_form,
    "tokens": tokens,
    "webhook": webhook,
    "webhook-delivery": webhook_delivery,
    "webhook-new": webhook_new,
    "webhook-refused": webhook_refused,
    "webhook-secret": webhook_secret,
    "webhooks": webhooks,
    "step-refused": step_refused,
    "discard": discard,
    "lane-tools": lane_tools,
    "lane-branch": lane_branch,
    "lane-status-time": lane_status_time,
    "lane-delay": lane_delay,
    "lane-forks": lane_forks,
    "lane-inside": lane_inside,
    "delete-step": delete_step,
    "place-step": place_step,
    "switch-on": switch_on,
    "step-comments": step_comments,
    "workflows": workflow_list,
    "workflow-new": workflow_new,
    "workflow-editor": workflow_editor,
    "workflow-step": workflow_step,
    "workflow-trigger": workflow_trigger,
    "workflow-publish": workflow_publish,
    "workflow-menu": workflow_menu,
    "workflow-details": workflow_details,
    "workflow-folders": workflow_folders,
    "workflow-history": workflow_history,
    "workflow-run": workflow_run,
    "workflow-run-canvas": workflow_run_canvas,
    "workflow-log": workflow_log,
    "workflow-calls": workflow_calls,
    "workflow-try": workflow_try,
    "simulator": simulator,
    "simulator-done": simulator_done,
    "workflow-replay": workflow_replay,
    "workflow-replay-stopped": workflow_replay_stopped,
    "workflow-replay-none": workflow_replay_none,
    "workflow-undo": workflow_undo,
    "workflow-review": workflow_review,
    "workflow-versions": workflow_versions,
    "workflow-compare": workflow_compare,
    "workflow-why": workflow_why,
    "workflow-enroll": workflow_enroll,
    "mails": mails,
    "mail-editor": mail_editor,
    "mail-refused": mail_refused,
    "account-menu": account_menu,
    "password": password,
    "password-refused": password_refused,
    "reset": reset,
    "not-found": not_found,
    "search": search,
    "search-messages": search_messages,
    "palette": palette,
    "palette-found": palette_found,
    "shortcuts": shortcuts,
    "profile": profile,
    "notifications": notifications,
    "notification-settings": notification_settings,
    "notification-defaults": notification_defaults,
    "notification-locked": notification_locked,
    "notification-browsers": notification_browsers,
    "bell": bell,
}
