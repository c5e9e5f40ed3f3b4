"""Writing a reply with files and people, taking it back, sending it later."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from deskhand.accounts import policy
from deskhand.desk import snippets
from deskhand.desk.models import Attachment, Draft, LaterReply
from deskhand.desk.types import Mailbox

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c636060f80f00010401006f"
    "4d7f2e0000000049454e44ae426082"
)


def written(page):
    return page.get_by_role("textbox", name="Message", exact=True)


def look(page, name: str) -> None:
    if os.environ.get("LOOK"):
        page.wait_for_timeout(300)
        page.screenshot(path=f"{os.environ['LOOK']}/{name}.png")


def test_a_file_is_attached_removed_attached_again_and_sent(tab, office) -> None:
    """R-WORK-1"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    choose = page.get_by_label("Attach files")

    choose.set_input_files([{"name": "label.png", "mimeType": "image/png", "buffer": PNG}])
    expect(page.locator("#composer-files")).to_contain_text("label.png")
    page.get_by_role("button", name="Remove label.png").click()
    expect(page.locator("#composer-files")).not_to_contain_text("label.png")
    choose.set_input_files(
        [
            {"name": "label.png", "mimeType": "image/png", "buffer": PNG},
            {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 " + b"x" * 2000},
        ]
    )
    expect(page.locator("#composer-files li")).to_have_count(2)
    page.reload()
    expect(page.locator("#composer-files li")).to_have_count(2)
    written(page).fill("Here are the label and the invoice.")
    look(page, "files")
    page.keyboard.press("Control+Enter")

    said = page.locator("#thread article", has_text="Here are the label")
    expect(said.locator("img")).to_have_js_property("complete", True)
    expect(page.locator("#composer-files li")).to_have_count(0)
    look(page, "files-sent")
    with office.inside():
        assert sorted(Attachment.objects.values_list("name", flat=True)) == ["invoice.pdf", "label.png"]


def test_people_are_chips_that_the_keyboard_makes_and_takes_away(tab, office) -> None:
    ticket = office.mail("Refund still missing", cc=(Mailbox("per@fjallbo.example", "Per Holm"),))
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    chips = page.locator("#composer .person-chip")
    expect(chips).to_have_text([re.compile("Astrid Lindqvist"), re.compile("Per Holm")])

    copies = page.get_by_role("combobox", name="Cc", exact=True)
    copies.fill("ida@x.example")
    copies.press("Enter")
    copies.fill("nonsense")
    copies.press(",")
    expect(chips).to_have_count(4)
    look(page, "people")
    written(page).fill("Hello all")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("nonsense is not an e-mail address.")

    page.get_by_role("button", name="Remove nonsense").click()
    expect(copies).to_be_focused()
    page.locator("[data-send]").click()
    expect(page.locator("#thread article", has_text="Hello all")).to_be_visible()
    sent = office.messages(ticket)[-1].recipients
    assert [box["email"] for box in sent["cc"]] == ["per@fjallbo.example", "ida@x.example"]


def test_a_reply_is_taken_back_with_a_key(tab, office, settings) -> None:
    settings.UNDO_SEND_SECONDS = 60
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    written(page).fill("Too fast")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".later-card")).to_contain_text("Being sent")
    expect(written(page)).to_have_value("")
    look(page, "undo")
    page.locator("#conversation").focus()
    page.keyboard.press("z")

    expect(written(page)).to_have_value("Too fast")
    expect(page.locator(".later-card")).to_have_count(0)
    assert len(office.messages(ticket)) == 1


def test_a_reply_is_planned_and_sent_at_once_after_all(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    written(page).fill("Good morning")
    page.get_by_role("button", name="Send later").click()
    look(page, "later-menu")
    page.get_by_role("button", name="Tomorrow morning").click()
    expect(page.locator(".later-card")).to_contain_text("Leaves")
    look(page, "planned")
    with office.inside():
        assert LaterReply.objects.get().is_planned

    page.get_by_role("button", name="Send now").click()
    expect(page.locator(".later-card")).to_have_count(0)
    expect(page.locator("#thread article", has_text="Good morning")).to_be_visible()
    assert office.messages(ticket)[-1].text == "Good morning"


def snippet(office, shortcut: str, body: str) -> None:
    with office.inside() as world:
        viewer = policy.viewer_for(world.account.pk, world.ada.pk)
        snippets.create(viewer, snippets.NewSnippet(f"About {shortcut}", shortcut, body, "EVERYONE"))


def test_a_snippet_is_put_in_by_its_shortcut_with_the_customers_name(tab, office) -> None:
    ticket = office.mail("Refund still missing")
    snippet(office, "refund", "Hi {{ contact.first_name }},\n\nyour refund is on its way.")
    snippet(office, "return", "Send it back.")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("r")
    page.keyboard.type("/re")
    expect(page.locator("#picks").get_by_role("option")).to_have_count(2)
    look(page, "snippets")
    page.keyboard.type("f")
    expect(page.locator("#picks").get_by_role("option")).to_have_text([re.compile("About refund")])
    page.keyboard.press("Enter")
    expect(written(page)).to_have_value("Hi Astrid,\n\nyour refund is on its way.")
    expect(page.locator("#picks").get_by_role("option")).to_have_count(0)

    page.keyboard.type(" {subj")
    expect(page.locator("#picks").get_by_role("option")).to_have_text([re.compile("Ticket: subject")])
    page.keyboard.press("Tab")
    expect(written(page)).to_have_value("Hi Astrid,\n\nyour refund is on its way. Refund still missing")


def test_a_colleague_is_called_in_a_comment_and_a_reply_becomes_one(tab, office) -> None:
    """R-WORK-4"""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    page.keyboard.press("r")
    page.keyboard.type("@")
    page.get_by_role("option", name="Make it a comment").click()
    page.keyboard.type("bob")
    expect(page.locator("#picks").get_by_role("option")).to_have_text([re.compile("Bob Noyce")])
    look(page, "mention")
    page.keyboard.press("Enter")
    page.keyboard.type("please look")
    page.keyboard.press("Control+Enter")

    note = page.locator("article[data-kind=note]")
    expect(note.locator(".mention")).to_have_text(f"@{office.world.bob.username}")
    bob = tab(office.world.bob, "/inbox/mentions")
    expect(bob.get_by_role("link", name="Refund still missing")).to_be_visible()


def test_two_agents_see_each_other_look_and_write_and_leave(tab, office) -> None:
    """R-WORK-2"""
    ticket = office.mail("Refund still missing")
    bob = tab(office.world.bob, f"/inbox/all-open/{ticket.pk}")
    grace = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    expect(bob.locator("#room")).to_contain_text("Grace Hopper is looking at this")
    desk = bob.viewport_size
    bob.set_viewport_size({"width": 390, "height": 844})
    expect(bob.get_by_role("button", name="Details", exact=True)).to_be_in_viewport(ratio=1)
    bob.set_viewport_size(desk)
    written(grace).press_sequentially("Dear")
    expect(bob.locator("#room-bar")).to_contain_text("Grace Hopper is writing a reply")
    look(bob, "presence")
    grace.locator(".composer-tab", has_text="Comment").click()
    written(grace).press_sequentially(" Bob")
    expect(bob.locator("#room-bar")).to_contain_text("Grace Hopper is writing a comment")

    grace.on("dialog", lambda asked: asked.accept())  # what she typed last may not be kept yet
    grace.close(run_before_unload=True)
    expect(bob.locator("#room-bar")).to_be_empty()
    expect(bob.locator("#room")).not_to_contain_text("Grace")


def test_words_are_formatted_filled_in_called_and_sent(tab, office) -> None:
    """R-WORK-1: rich text, with everything that the plain field can do"""
    ticket = office.mail("Refund still missing")
    snippet(office, "refund", "Hi {{ contact.first_name }},\n\nit is on its way.")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    written(page).fill("Dear <all>")
    page.get_by_role("button", name="Formatting", exact=True).click()
    editor = page.locator("#composer [contenteditable=true]")
    expect(editor).to_be_focused()
    expect(editor).to_have_text("Dear <all>")
    page.keyboard.press("Enter")
    page.keyboard.type("/refund")
    expect(page.locator("#picks").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(editor.locator("p")).to_have_text(["Dear <all>", "Hi Astrid,", "it is on its way."])
    page.keyboard.press("Control+b")
    page.keyboard.type(" Soon.")
    expect(page.get_by_role("button", name="Bold", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="List", exact=True).click()
    page.keyboard.type("one")
    page.get_by_role("button", name="Link", exact=True).click()
    page.keyboard.type("shop.example/r")
    page.keyboard.press("Enter")
    expect(editor.locator("li a")).to_have_attribute("href", "https://shop.example/r")
    look(page, "rich")
    expect(page.locator("[data-saved-line]")).to_have_text("Draft saved")

    page.reload()
    expect(editor.locator("li a")).to_be_visible()
    page.keyboard.press("r")
    expect(editor).to_be_focused()
    page.keyboard.press("Control+Enter")
    said = page.locator("#thread article[data-kind=out]")
    expect(said.locator("strong")).to_contain_text("Soon.")
    expect(editor).to_have_text("")
    look(page, "rich-sent")
    sent = office.messages(ticket)[-1]
    assert "<strong> Soon.</strong>" in sent.html
    assert "- " in sent.text
    assert "<strong>" not in sent.text
    page.wait_for_timeout(800)  # longer than a draft waits for the next key
    with office.inside():
        assert not Draft.objects.exclude(body="").exists()

    editor.click()
    page.keyboard.type("See here")
    for _letter in "here":
        page.keyboard.press("Shift+ArrowLeft")
    page.get_by_role("button", name="Link", exact=True).click()
    page.keyboard.type("shop.example/r")
    page.keyboard.press("Enter")
    expect(editor.locator("a")).to_have_text("here")
    page.get_by_role("button", name="Formatting", exact=True).click()
    expect(written(page)).to_have_value("See here <https://shop.example/r>")
    assert written(page).evaluate("one => one.tagName") == "TEXTAREA"
