"""Fills the disk under a running installation: `unshare --mount python -m tests.faults.full_disk FOLDER`.

Prints one JSON object: what senders were told, what `serve` and `check` said, and what is stored in the end. The disk is
a tmpfs that nobody outside this process's mount namespace sees.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg

from deskhand.kernel.database import url
from deskhand.testing.product import Product, wait_until
from tests.faults.sending import send

DISK = "260m"
MAILS = 8  # while the disk is full
PATIENCE = 60.0  # seconds until a mail is taken once there is space
BODY = b"x" * 70 + b"\r\n"


def main(folder: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=711", "tmpfs", folder], check=True)
    with Product(folder=Path(folder)) as product:
        product.log = Path(folder).with_suffix(".log")  # not on the disk that gets full
        product.start()
        product.python("from tests.flows.office import open_office; open_office()")
        connection = psycopg.connect(url.embedded(product.data, role="postgres"), autocommit=True)
        before = [_send(product, number) for number in range(3)]
        ballast = Path(folder) / "ballast"
        _fill(ballast)
        full = [_send(product, 100 + number) for number in range(MAILS)]
        check = product.run("check")
        _break_postgresql(product, connection)
        down = _send(product, 100)
        page = httpx.get(f"{product.address}/inbox", cookies={"sessionid": "x" * 32}, timeout=PATIENCE)
        backup = product.run("backup", str(Path(folder) / "backup.tar"))
        ballast.unlink()
        freed_at = time.monotonic()
        after = [_send_until_taken(product, number) for number in (*range(100, 100 + MAILS), 200)]
        recovered = time.monotonic() - freed_at
        wait_until(lambda: _unfinished(product) == 0, "all mail to be filed", PATIENCE)
        stored = product.rows(
            "select sender_address, count(*)::int from desk_message where direction = 'IN' group by 1"
        )
        wait_until(lambda: "has space again" in product.said(), "serve to say that there is space")
        result = {
            "told": {"before": before, "full": full, "down": down, "after": after},
            "recovered": recovered,
            "stored": dict(stored),
            "page": [page.status_code, page.text],
            "check": check.stdout + check.stderr,
            "backup": backup.stdout + backup.stderr,
            "said": product.said(),
        }
        print(json.dumps(result))


def _fill(ballast: Path) -> None:
    """Take what is left, as another program would that writes its log there."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    os.sync()


def _break_postgresql(product: Product, connection: psycopg.Connection[Any]) -> None:
    """Ask for log files that there is no space for: the server gives up, and can't start while the disk is full."""
    until = time.monotonic() + PATIENCE
    while not connection.closed and time.monotonic() < until:
        with contextlib.suppress(psycopg.OperationalError):
            connection.execute("select pg_logical_emit_message(true, 'x', 'y'), pg_switch_wal()")
        _fill(product.folder / "ballast")
    wait_until(lambda: "PostgreSQL ended unexpectedly" in product.said(), "PostgreSQL to end", PATIENCE)


def _send(product: Product, number: int) -> str:
    """Return what the sender of a mail of a megabyte was told."""
    customer = f"c{number}@customers.example"
    head = f"From: {customer}\r\nTo: support@desk.test\r\nSubject: Order {number}\r\nMessage-ID: <{customer}>\r\n\r\n"
    return send(product.smtp_port, customer, "support@desk.test", head.encode() + BODY * 14_000)


def _send_until_taken(product: Product, number: int) -> str:
    until = time.monotonic() + PATIENCE
    while not (told := _send(product, number)).startswith("250") and time.monotonic() < until:
        time.sleep(0.3)
    return told


def _unfinished(product: Product) -> int:
    return int(product.value("select count(*) from email_inboundmail where state <> 'DONE'"))


if __name__ == "__main__":
    main(sys.argv[1])
