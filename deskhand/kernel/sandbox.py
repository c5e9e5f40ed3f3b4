"""Runs Python code that people of the account wrote, in a process of its own that can do nothing but compute (R-WFA-12).

    our process ──JSON──▶ a bare interpreter (`sandbox_inside.py`) walls itself in, runs main(event) ──JSON──▶ our process

Where a wall can't be put up, nothing runs: `Unwalled`. The guarded children of `children.py` run our own code on foreign
bytes, many items to a process; here the code itself is foreign, so that each run has a new process, which dies with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from deskhand.kernel.children import MEGABYTE
from deskhand.kernel.errors import Misconfigured

SECONDS = 20  # of wall time, and of the processor's (R-WFA-12)
MEMORY = 128 * MEGABYTE  # of addresses, the interpreter's own included (R-WFA-12)
MOST_RESULT = 256 * 1024  # bytes of JSON that come back
MOST_PRINTED = 8 * 1024  # bytes of what is printed that are kept; more is thrown away as it comes
_GRACE = 2.0  # seconds for the interpreter to begin and end
_LATE = (-signal.SIGALRM, -signal.SIGXCPU)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to: `returned` what main(event) gave back, or why not, for people who know the code.

    `failed` is one of "", "timeout", "memory", "output", "died", or the error's own words; `line` is where it happened.
    """

    returned: Any = None
    failed: str = ""
    line: int = 0
    printed: str = ""


class Unwalled(Misconfigured):
    """The walls can't be put up on this machine, so that nothing was run."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "CUSTOM_CODE", why, "a machine on which code can be walled in; see docs/howto/custom-code.md"
        )


def run(
    code: str,
    event: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Ran:
    """Run main(event) of the code; secrets stand in os.environ there. Takes at most `seconds` of wall time.

    Raises Unwalled.
    """
    given = {
        "code": code, "event": event, "secrets": dict(secrets or {}), "parent": os.getpid(),
        "limits": {"seconds": seconds, "memory": memory},
    }  # fmt: skip
    result, ours = os.pipe()
    with tempfile.TemporaryDirectory(prefix="code-") as empty:
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-u", "-X", "utf8", "-c", _inside(), str(ours)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(ours,), cwd=empty, env={},
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(ours)
        try:
            answer, printed, is_late = _listen(child, result, json.dumps(given).encode(), seconds + _GRACE)
        finally:
            _end(child)
            os.close(result)
    return _read(answer, printed.decode("utf-8", "replace"), is_late or child.returncode in _LATE)


def check() -> None:
    """Raise Unwalled where the walls can't be put up here."""
    run("def main(event):\n    return {}", {}, seconds=10)


@lru_cache(maxsize=1)
def _inside() -> str:
    return Path(__file__).with_name("sandbox_inside.py").read_text(encoding="utf-8")


def _listen(
    child: subprocess.Popen[bytes], result: int, given: bytes, seconds: float
) -> tuple[bytes | None, bytes, bool]:
    """Write what it is given, and read until it ends. The answer is None when it was too long."""
    assert child.stdin is not None
    assert child.stdout is not None
    deadline = time.monotonic() + seconds
    answer, printed, rest = bytearray(), bytearray(), memoryview(given)
    with selectors.DefaultSelector() as selector:
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(result, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(answer), bytes(printed), True
            for key, _events in selector.select(left):
                if key.fileobj is child.stdin:
                    try:
                        rest = rest[os.write(key.fd, rest[:65_536]) :]
                    except BrokenPipeError:
                        rest = rest[:0]
                    if not rest:
                        selector.unregister(child.stdin)
                        child.stdin.close()
                    continue
                data = os.read(key.fd, 65_536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == result:
                    answer += data
                    if len(answer) > MOST_RESULT:
                        return None, bytes(printed), False
                else:
                    printed += data[: MOST_PRINTED - len(printed)]
    return bytes(answer), bytes(printed), False


def _end(child: subprocess.Popen[bytes]) -> None:
    """It and whatever it may have begun."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _read(answer: bytes | None, printed: str, is_late: bool) -> Ran:
    if answer is None:
        return Ran(failed="output", printed=printed)
    if is_late:
        return Ran(failed="timeout", printed=printed)
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(
        told.get("failed", {}), dict
    ):  # foreign code may write there, too
        return Ran(failed="died", printed=printed)
    if "open" in told:
        raise Unwalled(str(told["open"]))
    if "memory" in told:
        return Ran(failed="memory", printed=printed)
    if "failed" in told:
        wrong, line = told["failed"], told["failed"].get("line")
        words = f"{wrong.get('type')}: {wrong.get('message')}"
        return Ran(failed=words, line=line if isinstance(line, int) else 0, printed=printed)
    return Ran(told.get("returned"), printed=printed)
