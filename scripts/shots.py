"""Pictures of the demo's screens in Debian's Chromium: into shots/, and the README's into docs/img/.

Starts Deskhand with a data directory that it throws away.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import stage, states  # noqa: E402

SHOTS, IMAGES = ROOT / "shots", ROOT / "docs" / "img"


def main() -> None:
    SHOTS.mkdir(exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    with serving() as (address, name, password), stage.chromium() as browser:
        for width in (1440, 390):
            for dark in (False, True):
                page = stage.window(browser, address, width=width, dark=dark).new_page()
                states.sign_in(page, name, password)
                shoot(page, f"{width}-{'dark' if dark else 'light'}")
                page.context.close()
    shutil.copy(SHOTS / "ticket-1440-light.png", IMAGES / "inbox.png")


def shoot(page: Page, look: str) -> None:
    cookies = page.context.cookies()
    for name, step in states.STATES.items():
        page.context.clear_cookies()
        page.context.add_cookies(cookies)  # type: ignore[arg-type]
        step(page)
        states.settle(page)
        page.screenshot(path=SHOTS / f"{name}-{look}.png")
        print(f"shots/{name}-{look}.png")


@contextmanager
def serving() -> Iterator[tuple[str, str, str]]:
    """Yield the address, and the first log-in."""
    data = Path(tempfile.mkdtemp(prefix="deskhand-shots-"))
    data.chmod(0o711)
    ports = [f"--{name}={free_port()}" for name in ("port", "smtp-port", "lmtp-port")]
    command = [sys.executable, "-m", "deskhand", "serve", "--demo", "--no-customers", "--no-open", *ports]
    environment = {**os.environ, "DESKHAND_DATA": str(data)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        for line in process.stdout or []:
            said += line
            if line.startswith("Ctrl-C"):
                break
        address = re.search(r"http://\S+", said)
        log_in = re.search(r"^ +(\w+) +(\S+)", said, re.MULTILINE)
        if not address or not log_in:
            raise SystemExit(f"Deskhand did not start:\n{said}")
        yield address[0], log_in[1], log_in[2]
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(data, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
