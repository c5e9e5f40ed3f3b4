"""S1, S2, S28: mail that wants to run, call home or lead away is only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from deskhand.channels.email import guarded
from deskhand.desk.types import Mailbox

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "mail-dev" / "synthetic"
MAILS = sorted([*SHARED.glob("html/*.eml"), *SHARED.glob("inject/*.eml")])

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/mail-dev is absent"),
]


def opened_safely(page: Page, address: str) -> list[str]:
    """Open a ticket, and return what it did that a mail must not do."""
    done: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((page.url.split("/inbox")[0], "data:", "about:")):
            done.append(f"request to {request.url}")

    page.on("request", asked)
    page.goto(address)
    expect(page.locator("#thread article").first).to_be_visible()
    page.wait_for_timeout(150)  # for what waits a moment before it strikes
    if page.evaluate("window.canary !== undefined || document.title.includes('pwned')"):
        done.append("a script ran")
    if not page.url.endswith(address):
        done.append(f"led away to {page.url}")
    page.remove_listener("request", asked)
    return done


def test_hostile_mails_only_get_read(tab, office) -> None:
    page = tab(office.world.ada, "/inbox/all-open")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("popup", lambda popup: dialogs.append(f"a window: {popup.url}"))
    found = {}
    for number, file in enumerate(MAILS):
        mail = guarded.read(file.read_bytes())
        sender = mail.sender.email if mail.sender else "nobody@x.example"
        ticket = office.mail(
            mail.subject or "(none)", external_id=f"{number}@x", text=mail.text, html=mail.html, quoted=mail.quoted,
            sender=Mailbox(sender, mail.sender.name if mail.sender else ""),
        )  # fmt: skip
        done = opened_safely(page, f"/inbox/all-open/{ticket.pk}")
        if done or dialogs:
            found[file.name] = [*done, *dialogs]
            dialogs.clear()

    assert len(MAILS) > 25
    assert not found
    page.goto("/inbox/all-open")
    assert not dialogs
