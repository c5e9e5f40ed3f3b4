"""Through whichever door a change comes in, the same follows from it: every process is wired alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.testing.product import Product, lay_out

pytestmark = pytest.mark.mail

MAIL = b"""\
From: Astrid Lindqvist <astrid@fjallbo.example>
To: support@desk.test
Subject: Refund for order 48213
Message-ID: <1@fjallbo.example>
Date: Sat, 21 Nov 2026 09:00:00 +0100

Hello, where is my refund?
"""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product() as made:
        lay_out(made.data)
        made.start()
        made.python("from tests.flows.office import open_office; open_office()")
        yield made


def test_what_is_taken_in_from_a_file_is_routed_and_counted(product: Product, tmp_path: Path) -> None:
    """R-ROUTE-1, R-ROUTE-22"""
    file = tmp_path / "mail.eml"
    file.write_bytes(MAIL)

    told = product.run("ingest", str(file), "--channel", "support@desk.test")

    assert json.loads(told.stdout)["outcome"] == "created"
    assert product.rows(
        "select u.name, count(l.ticket_id) from crm_ticket t join accounts_user u on u.id = t.owner_id"
        " left join routing_ticketload l on l.ticket_id = t.id group by 1"
    ) == [("Ada Lovelace", 1)]


def test_a_web_process_is_wired_however_it_is_started() -> None:
    """As `uvicorn deskhand.asgi:application` would have it."""
    code = "import deskhand.asgi; from deskhand import wiring; from deskhand.events import log; print(log.in_transaction == wiring.IN_TRANSACTION)"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "True"


def test_other_commands_name_the_address_that_is_served() -> None:
    """Whatever port it is, with nothing set; and while it rests, the one of last time."""
    with Product(SITE_URL="") as product:
        lay_out(product.data)
        product.start()
        meanwhile = product.run("setup")
        product.stop()
        afterwards = product.run("setup")
        elsewhere = product.run("setup", SITE_URL="https://desk.example")

        assert f"{product.address}/setup/" in product.said()
    assert meanwhile.stdout.startswith(f"{product.address}/setup/")
    assert afterwards.stdout.startswith(f"{product.address}/setup/")
    assert elsewhere.stdout.startswith("https://desk.example/setup/")
