"""What stands in the log, as a process writes it."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import logging, structlog
from deskhand.kernel import logs
logs.set_up()
log = structlog.get_logger()
def send(password):
    raise ValueError("no answer")
log.info("begun", mails=2)
try:
    send("hunter2")
except ValueError:
    log.exception("failed", mail=7)
    logging.getLogger("some.library").exception("failed too")
logging.getLogger("psycopg.pool").warning("again and again")
logging.getLogger("some.library").info("details")
"""


def test_every_line_is_an_object_without_the_values_of_variables() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("begun", "info"),
        ("failed", "error"),
        ("failed too", "error"),
    ]
    assert (lines[0]["mails"], lines[1]["mail"]) == (2, 7)
    assert all("ValueError: no answer" in line["exception"] for line in lines[1:])
    assert "hunter2" not in done.stderr.replace('send("hunter2")', "")
    assert done.stdout == ""
