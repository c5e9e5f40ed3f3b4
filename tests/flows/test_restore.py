"""A backup, mails that leave after it, a restore: automations run again, and nobody gets a mail twice unasked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.delivery.tests.peers import Peer, smtp_peer
from deskhand.kernel.database import embedded
from deskhand.testing.product import Product, lay_out, wait_until
from tests.flows.office import open_office

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DESK = "support@desk.test"
LETTER = f"""From: Astrid <astrid@fjallbo.example>
To: {DESK}
Subject: Refund
Message-ID: <refund@fjallbo.example>

Where is my refund?
"""
REPLY = """
from deskhand import wiring
from deskhand.accounts.models import Account, User
from deskhand.crm.records.models import Ticket
from deskhand.desk import replies
from deskhand.kernel.database.scope import account_scope

wiring.connect()
with account_scope(Account.objects.get().pk):
    replies.reply(replies.NewReply(Ticket.objects.get().pk, "It is on its way."), by=User.objects.get())
"""


@pytest.fixture
def peer() -> Iterator[Peer]:
    with smtp_peer() as found:
        yield found


@pytest.fixture
def product(peer: Peer) -> Iterator[Product]:
    with Product(SMTP_URL=f"smtp://127.0.0.1:{peer.port}?starttls=never") as made:
        lay_out(made.data)
        yield made


def test_what_automations_send_again_after_a_restore_waits_for_its_release(
    product: Product, peer: Peer, tmp_path: Path
) -> None:
    letter, backup = tmp_path / "letter.eml", product.folder / "backup.tar"
    letter.write_text(LETTER)
    with embedded.running(product.data):
        product.python(f"from {open_office.__module__} import open_office; open_office()")
        said(product, "ingest", str(letter), "--channel", DESK)
        said(product, "backup", str(backup))
    product.start()
    wait_until(lambda: len(peer.taken) == 1, "the mail that the backup has not sent yet")
    product.stop()

    said(product, "restore", str(backup), "--replace")
    assert "deskhand.W006" in said(product, "check")
    product.start()
    wait_until(lambda: states(product) == ["HELD"], "automations to run again")
    product.python(REPLY)
    wait_until(lambda: states(product) == ["HELD", "SENT"], "the agent's reply to leave")
    assert [text(raw) for raw in bodies(peer)] == ["received", "reply"]
    assert "A fence stands since" in said(product, "outbox", "list")

    (held,) = product.rows("select message_id from delivery_outboxentry where state = 'HELD'")[0]
    said(product, "outbox", "release")
    wait_until(lambda: states(product) == ["SENT", "SENT"], "what was released to leave")
    assert [text(raw) for raw in bodies(peer)] == ["received", "reply", "received"]
    assert f"Message-ID: {held}".encode() in bodies(peer)[-1]
    assert "All is well." in said(product, "check")


def said(product: Product, *command: str) -> str:
    done = product.run(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(product: Product) -> list[str]:
    return [state for (state,) in product.rows("select state from delivery_outboxentry order by state")]


def bodies(peer: Peer) -> list[bytes]:
    return [raw for _sender, _recipients, raw in peer.taken]


def text(raw: bytes) -> str:
    return "reply" if b"It is on its way." in raw else "received"
