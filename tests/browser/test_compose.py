"""Writing a reply with files and people, taking it back, sending it later."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from deskhand.desk.models import Attachment, LaterReply
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
