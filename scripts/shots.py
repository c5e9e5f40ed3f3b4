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

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SHOTS, IMAGES = ROOT / "shots", ROOT / "docs" / "img"
CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def main() -> None:
    SHOTS.mkdir(exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    with serving() as (address, name, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for look, size, scheme in (("", WIDE, "light"), ("-dark", WIDE, "dark"), ("-phone", PHONE, "light")):
            page = browser.new_page(viewport=size, color_scheme=scheme, base_url=address)
            shoot(page, f"sign-in{look}", "/account/login/")
            page.fill("input[name=login]", name)
            page.fill("input[name=password]", password)
            page.press("input[name=password]", "Enter")
            page.wait_for_url(re.compile(r"^(?!.*login)"))
            shoot(page, f"inbox{look}", page.url)
            shoot(page, f"ticket{look}", page.locator("a.row-link").first.get_attribute("href") or "/")
            if not look:
                page.screenshot(path=IMAGES / "inbox.png")
            page.close()
        browser.close()


def shoot(page: Page, name: str, path: str) -> None:
    page.goto(path, wait_until="load")  # the stream of live changes never ends
    page.wait_for_timeout(800)
    page.screenshot(path=SHOTS / f"{name}.png")
    print(f"shots/{name}.png")


@contextmanager
def serving() -> Iterator[tuple[str, str, str]]:
    """Yield the address, and the first log-in."""
    data = Path(tempfile.mkdtemp(prefix="deskhand-shots-"))
    data.chmod(0o711)
    ports = [f"--{name}={free_port()}" for name in ("port", "smtp-port", "lmtp-port")]
    command = [sys.executable, "-m", "deskhand", "serve", "--demo", "--no-open", *ports]
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
