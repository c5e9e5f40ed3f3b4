"""Pictures of the demo's screens in Debian's Chromium: into shots/ with sheets of them, and the README's into docs/img/.

python scripts/shots.py [STATE …]     (default: all states, and the sheets)

Starts Deskhand with a data directory that it throws away.
"""

from __future__ import annotations

import base64
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

from playwright.sync_api import Browser, Error, Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import stage, states  # noqa: E402

SHOTS, IMAGES = ROOT / "shots", ROOT / "docs" / "img"


#: States that stand in the README, light and 1440 wide, sharp on dense screens, and small enough to load at once.
README = {"ticket": "inbox.webp", "board": "board.webp", "automate": "automate.webp"}
DENSITY, QUALITY, LARGEST = 2, 82, 250_000  # pixels per CSS pixel; of WebP; bytes
#: Pictures on one sheet, and how wide each stands there (CSS pixels).
SHEETS = {1440: (12, 720), 390: (24, 300)}


def main(wanted: list[str]) -> None:
    SHOTS.mkdir(exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    chosen = {name: step for name, step in states.STATES.items() if name in wanted or not wanted}
    failed: list[str] = []
    with serving() as (address, name, password), stage.chromium() as browser:
        for width in (1440, 390):
            for dark in (False, True):
                page = stage.window(browser, address, width=width, dark=dark).new_page()
                states.sign_in(page, name, password)
                look = f"{width}-{'dark' if dark else 'light'}"
                failed += shoot(page, look, chosen)
                page.context.close()
                if not wanted:
                    lay_out(browser, width, look, [name for name in chosen if f"{name}-{look}" not in failed])
        page = stage.window(browser, address, device_scale_factor=DENSITY).new_page()
        states.sign_in(page, name, password)
        for state, image in README.items():
            if state in chosen:
                picture(page, chosen[state], IMAGES / image)
    if failed:
        raise SystemExit("No picture of: " + ", ".join(failed))


def shoot(page: Page, look: str, chosen: dict[str, states.Step]) -> list[str]:
    """Take the pictures; return those that could not be taken."""
    cookies = page.context.cookies()
    failed = []
    for name, step in chosen.items():
        page.context.clear_cookies()
        page.context.add_cookies(cookies)  # type: ignore[arg-type]
        try:
            step(page)
            states.settle(page)
        except Error as problem:
            print(f"{name}-{look}: {problem}", file=sys.stderr)
            failed.append(f"{name}-{look}")
        page.screenshot(path=SHOTS / f"{name}-{look}.png")
        print(f"shots/{name}-{look}.png")
    return failed


def picture(page: Page, step: states.Step, path: Path) -> None:
    """One for the README. Raises SystemExit when it is too large."""
    step(page)
    states.settle(page)
    chrome = page.context.new_cdp_session(page)
    width, height = stage.SIZES[1440]
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": DENSITY}
    how = {"format": "webp", "quality": QUALITY, "clip": clip}
    taken = chrome.send("Page.captureScreenshot", how)
    path.write_bytes(base64.b64decode(taken["data"]))
    print(path.relative_to(ROOT), path.stat().st_size)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path.name} has more than {LARGEST} bytes.")


def lay_out(browser: Browser, width: int, look: str, names: list[str]) -> None:
    """Put the pictures of one look together to sheets."""
    number, shown = SHEETS[width]
    for begin in range(0, len(names), number):
        figures = "".join(
            f'<figure><img src="{(SHOTS / f"{name}-{look}.png").as_uri()}" width="{shown}"><figcaption>{name}</figcaption></figure>'
            for name in names[begin : begin + number]
        )
        style = "body{display:flex;flex-wrap:wrap;gap:8px;margin:8px;background:#888;font:13px sans-serif}figure{margin:0}"
        source = SHOTS / "sheet.html"
        source.write_text(f"<!doctype html><style>{style}</style>{figures}")
        page = browser.new_page(viewport={"width": 2200 if width > 400 else 1860, "height": 600})
        page.goto(source.as_uri())
        page.screenshot(path=SHOTS / f"sheet-{look}-{begin // number + 1}.png", full_page=True)
        page.close()
        source.unlink()


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
    main(sys.argv[1:])
