"""Foreign code in its own process: what it can do, and what it can't (R-WFA-12). Real processes, real attempts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deskhand.kernel import sandbox
from deskhand.kernel.sandbox import Ran, Unwalled

ROOT = Path(__file__).resolve().parents[3]


def run(*lines: str, seconds: float = 5.0, before: str = "") -> Ran:
    body = "\n".join(f"    {line}" for line in lines)
    return sandbox.run(
        f"{before}\ndef main(event):\n{body}\n", {"inputFields": {"a": 2}}, {"KEY": "sesame"}, seconds=seconds
    )


def test_it_returns_what_main_returns_and_keeps_what_it_prints():
    ran = run("print('Ärger', file=__import__('sys').stderr)", "return {'b': event['inputFields']['a'] * 21}")
    assert ran == Ran({"b": 42}, printed="Ärger\n")


def test_secrets_stand_in_its_environment_alone():
    ran = run("import os", "return dict(os.environ)")
    assert ran.returned == {"KEY": "sesame", "LC_CTYPE": "C.UTF-8"} or ran.returned == {"KEY": "sesame"}


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import socket; socket.socket(socket.AF_UNIX)",
        "open('/etc/passwd').read()",
        "open('/proc/1/environ').read()",
        "open('written', 'w')",
        "open('/tmp/written', 'w')",
        "import os; os.mkdir('/tmp/made')",
        "import os; os.listdir('/')",
        "import os; os.fork()",
        "import os; os.execv('/bin/ls', ['ls'])",
        "import os; os.posix_spawn('/bin/ls', ['ls'], {})",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.setuid(0)",
        "import os; os.chmod('/tmp', 0)",
        "import os; os.memfd_create('x')",
        "import threading; threading.Thread(target=print).start()",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import ctypes; 1 / (ctypes.CDLL(None).ptrace(16, 1, 0, 0) + 1)",
        "import ctypes; 1 / (ctypes.CDLL(None).unshare(0x10000000) + 1)",
    ],
)
def test_it_reaches_nothing_outside_itself(attempt):
    ran = run(attempt, "return 'it could'")
    assert ran.returned is None
    assert ran.failed.startswith(
        ("PermissionError", "FileNotFoundError", "RuntimeError", "ValueError", "ZeroDivisionError", "ModuleNotFoundError")
    ), ran.failed  # fmt: skip
    assert ran.line == 3


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ("x = bytearray(300_000_000)", "memory"),
        ("return 'x' * 300_000", "output"),
        ("import os; os._exit(0)", "died"),
        ("import ctypes; ctypes.string_at(0)", "died"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("return object()", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_what_goes_wrong_is_told(body, failed):
    assert run(body).failed == failed


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(30)"])
def test_it_has_so_much_time_and_no_more(body):
    began = time.monotonic()
    ran = run("print('begun')", body, seconds=1)
    assert (ran.failed, ran.printed) == ("timeout", "begun\n")
    assert time.monotonic() - began < 6


def test_who_takes_the_clock_away_is_stopped_all_the_same():
    began = time.monotonic()
    ran = run("import signal", "signal.signal(signal.SIGALRM, signal.SIG_IGN)", "while True: pass", seconds=1)
    assert ran.failed == "timeout"
    assert time.monotonic() - began < 8


def test_what_it_prints_without_end_is_thrown_away():
    ran = run("for _ in range(20000): print('x' * 1000)", "return 1", seconds=15)
    assert (ran.returned, len(ran.printed)) == (1, sandbox.MOST_PRINTED)


def test_its_own_tale_of_missing_walls_is_only_a_tale():
    """It can write what it likes where its answer is read: that comes to nothing but its own answer."""
    for told in ("{'failed': 7}", "{'failed': {'line': 'x'}}", "[1]", "7"):
        ran = run(
            "import os, json, sys", f"os.write(int(sys.argv[1]), json.dumps({told}).encode())", "os._exit(0)"
        )
        assert ran.returned is None
        assert ran.failed in ("died", "None: None")


def test_the_library_can_be_used_as_far_as_it_is_there():
    ran = run(
        "import datetime, decimal, hashlib, re, zoneinfo",
        "at = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Oslo'))",
        "return [str(at.utcoffset()), str(decimal.Decimal('0.1') * 3), hashlib.sha256(b'a').hexdigest()[:4]]",
    )
    assert ran.returned == ["2:00:00", "0.3", "ca97"]


def test_it_dies_with_who_began_it(tmp_path):
    """A worker that is killed leaves nothing that goes on computing."""
    code = "def main(event):\n    while True: pass"
    program = f"from deskhand.kernel import sandbox; sandbox.run({code!r}, {{}}, seconds=60)"
    worker = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    child = _until(lambda: _children(worker.pid))[0]
    _until(lambda: _seconds_of(child) > 0.3)
    worker.kill()
    worker.wait()
    _until(lambda: not Path(f"/proc/{child}").exists() or _state(child) == "Z")


def test_where_a_wall_is_missing_nothing_is_run(monkeypatch):
    monkeypatch.setattr(sandbox, "_inside", lambda: Path(sandbox.__file__).with_name("sandbox_inside.py").read_text().replace('"x86_64": (', '"other": (').replace('"aarch64": (', '"another": ('))  # fmt: skip
    with pytest.raises(Unwalled, match="system calls can't be told apart"):
        run("return 1")


def test_here_the_walls_stand():
    sandbox.check()


def _until(true):
    deadline = time.monotonic() + 20
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _seconds_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
