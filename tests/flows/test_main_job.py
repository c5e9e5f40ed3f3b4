"""The main job, from the customer's first mail to the last, through the real parts.

Postfix brings mail in, `deskhand serve` does the work, an agent uses Chromium, the customer reads at Dovecot by IMAP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from deskhand.testing.product import Product, wait_until
from tests.browser import stage
from tests.flows.office import PASSWORD
from tests.mailstack.fixtures import office_behind
from tests.mailstack.stack import MailStack

#: Not `browser`: those tests share one Playwright for their session, and there can be only one.
pytestmark = [pytest.mark.mail, pytest.mark.timeout(180)]

DESK = "support@desk.test"
ASTRID = "astrid@fjallbo.example"


@pytest.fixture
def product(mail_stack: MailStack) -> Iterator[Product]:
    with office_behind(mail_stack, SMTP_URL=f"smtp://127.0.0.1:{mail_stack.smtp_port}") as made:
        yield made


def test_a_request_from_its_first_mail_to_its_end(product: Product, mail_stack: MailStack) -> None:
    """R-CC-1, R-ROUTE-1, R-STAT-1, R-STAT-2, R-CLOSE-1, R-ACT-2, T1."""
    inbox = mail_stack.mailbox(ASTRID)
    first = mail("Refund for order 48213", "Hello, where is my refund? Best, Astrid")
    mail_stack.send(first, sender=ASTRID, to=[DESK])

    (received,) = inbox.wait_for(1, subject="We have received")
    assert (status_of(product), owner_of(product)) == ("New", "Ada Lovelace")
    assert received["In-Reply-To"] == first["Message-ID"]
    assert received["Auto-Submitted"] == "auto-replied"

    with tab(product) as page:
        sign_in(page)
        page.get_by_role("link", name="Refund for order 48213").click()
        expect(page.get_by_role("button", name="Owner: Ada Lovelace")).to_be_visible()
        expect(page.locator("#thread")).to_contain_text("where is my refund?")
        answer(page, "It left our bank yesterday.")

        (answered,) = [m for m in inbox.wait_for(2) if "left our bank" in text_of(m)]
        assert_in_the_same_thread(answered, first)
        expect(page.get_by_role("button", name="Status: Waiting on contact")).to_be_visible()

        mail_stack.send(
            reply_to(answered, "It is here, thank you!"), sender=ASTRID, to=[reply_address(answered)]
        )
        expect(page.locator("#thread")).to_contain_text("It is here, thank you!", timeout=20_000)
        expect(page.get_by_role("button", name="Status: Waiting on us")).to_be_visible()
        assert product.value("select count(*) from crm_ticket") == 1
        assert product.value("select closed_at from crm_ticket") is None
        assert load_of_all(product) == 1

        ticket = page.url
        page.locator("#ticket-head").get_by_role("button", name="Close", exact=True).click()
        expect(page.locator(".row-link")).to_have_count(0)
        page.goto(ticket)
        expect(page.get_by_role("button", name="Status: Closed")).to_be_visible()

    assert product.value("select closed_at is not null and is_closed from crm_ticket")
    assert load_of_all(product) == 0  # R-ROUTE-22: what was closed in the browser counts no more
    (closed,) = inbox.wait_for(1, subject="is closed")
    assert_in_the_same_thread(closed, first)
    settled(product)
    assert product.rows("select state, count(*) from delivery_outboxentry group by 1") == [("SENT", 3)]
    assert len(inbox.mails()) == 3


def mail(subject: str, text: str, **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = f"Astrid Lindqvist <{ASTRID}>", DESK, subject
    made["Message-ID"] = f"<{abs(hash(text))}@fjallbo.example>"
    made["Date"] = "Sat, 21 Nov 2026 09:00:00 +0100"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def reply_to(answered: EmailMessage, text: str) -> EmailMessage:
    """As a mail program answers: under the quoted mail, naming it and what it named."""
    quoted = "\n".join(f"> {line}" for line in text_of(answered).splitlines())
    return mail(
        f"Re: {answered['Subject']}",
        f"{text}\n\nOn Sat, 21 Nov 2026 at 10:00, Fjällbo Support wrote:\n\n{quoted}\n",
        In_Reply_To=answered["Message-ID"],
        References=f"{answered['References']} {answered['Message-ID']}",
    )


def reply_address(answered: EmailMessage) -> str:
    found = answered["Reply-To"] or answered["From"]
    return str(found.addresses[0].addr_spec)


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def assert_in_the_same_thread(message: EmailMessage, first: EmailMessage) -> None:
    assert first["Message-ID"] in message["References"].split()
    assert message["In-Reply-To"] in message["References"].split()


@contextmanager
def tab(product: Product) -> Iterator[Page]:
    with stage.chromium() as browser:
        context = stage.window(browser, product.address)
        yield context.new_page()
        context.close()


def sign_in(page: Page) -> None:
    page.goto("/inbox/all-open")
    page.get_by_label("Email or user name").fill("ada@desk.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/inbox/"))


def answer(page: Page, text: str) -> None:
    stage.live_is_up(page)
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.locator("[data-send]").click()
    expect(page.locator("#thread article", has_text=text)).to_be_visible()


def status_of(product: Product) -> str:
    return str(product.value("select s.label from crm_ticket t join crm_stage s on s.id = t.stage_id"))


def owner_of(product: Product) -> str:
    return str(product.value("select u.name from crm_ticket t join accounts_user u on u.id = t.owner_id"))


def load_of_all(product: Product) -> int:
    return int(product.value("select count(*) from routing_ticketload"))


def settled(product: Product) -> None:
    """Nothing waits in any queue."""
    waiting = "select (select count(*) from delivery_outboxentry where state <> 'SENT') + (select count(*) from email_inboundmail where state <> 'DONE') + (select count(*) from events_pendingevent)"
    wait_until(lambda: product.value(waiting) == 0, "the queues to be empty")
