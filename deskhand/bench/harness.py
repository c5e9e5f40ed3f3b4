"""A database of its own, the product's processes, and figures in one shape."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deskhand.kernel.database.embedded import EmbeddedPostgres


@dataclass
class Result:
    """One benchmark. Rates are per second, times in milliseconds, memory in MB; `cpu_ms` is all processes' per item."""

    name: str
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    peak_mb: float
    floor_per_s: float
    ratio_to_floor: float
    details: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        return json.dumps(
            {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self).items()}
        )


@contextlib.contextmanager
def scratch() -> Iterator[EmbeddedPostgres]:
    """A fresh server in a temporary folder, chosen for this process and its children; migrated and wired."""
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        Path(folder).chmod(0o755)  # the server's own user must reach its part
        server = EmbeddedPostgres(data)
        server.start()
        os.environ |= {
            "DATABASE_URL": server.dsn,
            "DESKHAND_DATA": str(data),
            "SMTP_URL": "",
            "DATABASE_POOL": "0",
        }
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield server
        finally:
            _let_go()
            server.stop()


def _let_go() -> None:
    from django.db import connections

    from deskhand.kernel.database import wake

    wake.shut()
    connections.close_all()


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours, stopped at the end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "deskhand", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


@contextlib.contextmanager
def paused(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stand still, so that what is laid out now is begun all at once."""
    child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.send_signal(signal.SIGCONT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    if len(milliseconds) < 2:
        only = milliseconds[0] if milliseconds else 0.0
        return only, only, only
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


class Meter:
    """CPU time and peak memory (proportional set size) of processes and all below them, while it is open."""

    def __init__(self, *roots: int) -> None:
        self.roots = roots
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0
        self.seen: set[int] = set()  # processes
        self._stop = threading.Event()

    def __enter__(self) -> Meter:
        self._before = self._cpu()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = self._cpu() - self._before
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak_mb = max(self.peak_mb, self.memory_mb())
            self._stop.wait(0.5)

    def memory_mb(self) -> float:
        self.seen = self._tree()
        return sum(_pss_kb(pid) for pid in self.seen) / 1024

    def _cpu(self) -> float:
        return sum(_cpu_seconds(pid) for pid in self._tree())

    def _tree(self) -> set[int]:
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found, waiting = set(), list(self.roots)
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting += parents.get(pid, [])
        return found


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _cpu_seconds(pid: int) -> float:
    """Own time and that of children that ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(fields[i]) for i in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def server_pid(server: EmbeddedPostgres) -> int:
    return int((server.cluster / "postmaster.pid").read_text().split()[0])


def wait_for_port(port: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"Nothing listens on {port}.")
