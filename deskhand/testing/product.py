"""The whole product as people run it: `deskhand serve` with a data directory, ports and a database of its own.

For tests and measurements that look from outside: they speak SMTP and HTTP, and read the database as its superuser.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg

from deskhand.kernel.database import url

PATIENCE = 90.0  # seconds; a first start makes a database
READY = "Deskhand is ready"
#: What the surrounding run set for itself.
NOT_OURS = (
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "DATABASE_LISTEN_URL",
    "DESKHAND_TEST_DATABASE",
    "STATIC_ROOT",
)


class Product:
    """One installation. `program` is what is run in place of `deskhand`'s own entry point, as Python code."""

    def __init__(self, *, program: str = "", folder: Path | None = None, **environment: str) -> None:
        self._own_folder = None if folder else tempfile.mkdtemp(prefix="deskhand-product-")
        self.folder = folder or Path(self._own_folder or "")
        self.folder.chmod(0o711)  # the database's own user passes through
        self.data = self.folder / "data"
        self.log = self.folder / "serve.log"
        self.web_port, self.smtp_port, self.lmtp_port = free_port(), free_port(), free_port()
        self._program = program
        self.environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        self.environment |= {
            "DESKHAND_DATA": str(self.data),
            "SITE_URL": self.address,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    # --- running ----------------------------------------------------------------------------------------------

    def start(self, **environment: str) -> Self:
        """Start `serve` and wait until it says that it is ready. Raises RuntimeError with its words if it ends."""
        self.process = self.serve(**environment)
        process, starts_at = self.process, self._log_size
        wait_until(
            lambda: READY in self.said(starts_at) or process.poll() is not None, "serve to be ready", PATIENCE
        )
        if process.poll() is not None:
            raise RuntimeError(f"serve ended: {self.said(starts_at)}")
        return self

    def serve(self, **environment: str) -> subprocess.Popen[bytes]:
        self._log_size = self.log.stat().st_size if self.log.exists() else 0
        ports = [f"--port={self.web_port}", f"--smtp-port={self.smtp_port}", f"--lmtp-port={self.lmtp_port}"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self._entry(), "serve", "--no-open", *ports],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self, since: int = 0) -> str:
        """What `serve` and its children said, from that byte on."""
        return self.log.read_bytes()[since:].decode(errors="replace") if self.log.exists() else ""

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does, and wait for it. Returns its exit code."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(PATIENCE)
        finally:
            process.kill()

    def remove(self) -> None:
        if self._own_folder:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.remove()

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run another `deskhand` command to its end."""
        return self._finish([sys.executable, "-m", "deskhand", *command], environment)

    def python(self, code: str) -> str:
        """Run code in a process with the product's settings; return what it printed. Raises RuntimeError."""
        prepared = f"import django; django.setup()\n{code}"
        more = {
            "DATABASE_URL": url.embedded(self.data),
            "DATABASE_POOL": "0",
            "DJANGO_SETTINGS_MODULE": "deskhand.settings",
        }
        done = self._finish([sys.executable, "-c", prepared], more)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def _entry(self) -> list[str]:
        return [sys.executable, "-c", self._program] if self._program else [sys.executable, "-m", "deskhand"]

    def _finish(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    # --- looking ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def connected(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees every account's rows."""
        with psycopg.connect(url.embedded(self.data, role="postgres"), autocommit=True) as found:
            yield found

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.connected() as database:
            return database.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: object) -> Any:
        return self.rows(query, *parameters)[0][0]

    def children(self) -> dict[int, str]:
        """Every process below `serve` by its id, with the role it has: web, worker, postgres or helper."""
        assert self.process is not None
        found: dict[int, str] = {}
        waiting = [(pid, "") for pid in children_of(self.process.pid)]
        while waiting:
            pid, role = waiting.pop()
            found[pid] = _role(pid) or (role if role == "postgres" else "helper")
            waiting += [(child, found[pid]) for child in children_of(pid)]
        return found


def lay_out(data: Path) -> None:
    """Fill `data`, which does not exist or is empty, with what `deskhand migrate` makes. Quick from the second time on.

    For tests that are not about the first start. Secrets and database are the same in all copies of one process.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", f"{_laid_out_once()}/.", str(data)], check=True)


@functools.cache
def _laid_out_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dh"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o711)
    with Product(folder=folder) as made:
        done = made.run("migrate")
    if done.returncode:
        raise RuntimeError(done.stderr)
    return made.data


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def _role(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[0].endswith(b"/postgres"):
            return "postgres"
        if words[1:3] == [b"-m", b"deskhand"]:
            return words[3].decode()
    return ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str, patience: float = 30.0) -> None:
    """Look every 50 ms for at most `patience` seconds. Raises TimeoutError naming `what` was waited for."""
    until = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"Waited {patience:.0f} s in vain for {what}.")
        time.sleep(0.05)
