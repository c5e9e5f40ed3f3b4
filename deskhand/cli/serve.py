"""`deskhand serve`: everything on one machine. One supervisor, PostgreSQL, one web process, one worker.

The supervisor stays small: it imports no Django, and lets children migrate and seed.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.cli import ports, stopping, worker
from deskhand.kernel import site
from deskhand.kernel.database import url
from deskhand.kernel.database.embedded import EmbeddedPostgres, die_with_parent
from deskhand.kernel.errors import DeskhandError, Unreachable

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LOOK_EVERY = 0.2  # seconds
PATIENCE = 15  # seconds a child may take to finish what it has in hand
LAST_WORDS = 0.5  # seconds it has to print its stacks before it is killed
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a child that died is started again
LONGEST_DATABASE_PAUSE = 5.0  # seconds; where a fault ends, all works again within half a minute
SPACE_EVERY = 2.0  # seconds between looks at the disk
NEARLY_FULL = 64_000_000  # bytes left
CUSTOMERS_EVERY, CUSTOMERS = 8, 40  # seconds between two of the demo's requests, and how many after a start
HEALTHY_AFTER = 60  # seconds; a child that lived so long starts with the first pause again


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="run everything on this machine: database, web, workers, mail")
    parser.add_argument("--host", default="127.0.0.1", help="address of the web pages (default: %(default)s)")
    parser.add_argument(
        "--port", type=ports.number, default=ports.WEB, help="port of the web pages (default: %(default)s)"
    )
    worker.add_mail_ports(parser)
    parser.add_argument("--demo", action="store_true", help="fill an empty database with a demo company")
    parser.add_argument(
        "--no-customers", action="store_true", help="with --demo: let none of its customers write"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open the browser")


def run(args: argparse.Namespace) -> int:
    stop = stopping.on_signals()
    _require_ports(args)
    os.environ["SITE_URL"] = os.environ.get("SITE_URL") or f"http://{_reachable(args.host)}:{args.port}"
    if args.demo:
        os.environ.setdefault("DESKHAND_DEMO", "true")
    _say(f"Data directory: {url.data_directory()}")
    with contextlib.ExitStack() as stack:
        postgres = None if _has_own_database() else stack.enter_context(_embedded())
        log_ins = _call("migrate", *(["--demo"] if args.demo else []))
        site.keep(os.environ["SITE_URL"])
        set_up = "" if args.demo else _call("setup", "--if-empty").strip()
        children = stack.enter_context(_children(args))
        if _wait_for_web(args, children, stop):
            _greet(args, log_ins, set_up)
            if _has_customers(args):
                children.append(_customers(args))
        _watch(Watch(url.data_directory(), postgres), children, stop)
        _say("Stopping …")
    _say("Stopped.")
    return 0


@dataclass
class Watch:
    """What the supervisor itself looks after: the embedded server, and the space it has. Says each thing once."""

    folder: Path
    postgres: EmbeddedPostgres | None
    start_at: float = 0.0
    pause: float = FIRST_PAUSE
    is_down: bool = False
    look_at: float = 0.0
    is_full: bool = False

    def look(self) -> None:
        now = time.monotonic()
        if now >= self.look_at:
            self.look_at = now + SPACE_EVERY
            self._look_for_space()
        if self.postgres is not None and now >= self.start_at:
            self._look_after(self.postgres)

    def _look_after(self, postgres: EmbeddedPostgres) -> None:
        if postgres.has_died and not self.is_down:
            _say("PostgreSQL ended unexpectedly; starting it again.")
        try:
            postgres.revive()
        except DeskhandError as problem:
            if not self.is_down:
                _say(f"{problem}\nIt is tried again and again.")
            self.is_down, self.start_at = True, time.monotonic() + self.pause
            self.pause = min(self.pause * 2, LONGEST_DATABASE_PAUSE)
            return
        if self.is_down:
            _say("PostgreSQL runs again.")
        self.is_down, self.pause = False, FIRST_PAUSE

    def _look_for_space(self) -> None:
        if not self.folder.exists():  # with a database and keys from elsewhere nothing is kept in it
            return
        free = shutil.disk_usage(self.folder).free
        if not self.is_full and free < NEARLY_FULL:
            _say(
                f"The disk of {self.folder} has {free / 1e6:.0f} MB left. When it is full, mail is refused for the "
                "time being, and senders try again; make space."
            )
            self.is_full = True
        elif self.is_full and free > 2 * NEARLY_FULL:
            _say(f"The disk of {self.folder} has space again: {free / 1e6:.0f} MB.")
            self.is_full = False


@dataclass
class Child:
    """A role that is started again whenever it ends; one that may end by itself isn't, once it has."""

    command: list[str]
    may_end: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = field(default=FIRST_PAUSE)

    @property
    def name(self) -> str:
        return self.command[0]

    def look(self) -> None:
        now = time.monotonic()
        if self.process is not None and (code := self.process.poll()) is not None:
            if code == 0 and self.may_end:
                self.process, self.start_at = None, math.inf
                return
            self.pause = (
                FIRST_PAUSE if now - self.started_at > HEALTHY_AFTER else min(self.pause * 2, LONGEST_PAUSE)
            )
            self.start_at = now + self.pause
            self.process = None
            _say(f"The {self.name} process ended ({_ending(code)}); starting it again in {self.pause:g} s.")
        if self.process is None and now >= self.start_at:
            self.started_at = now
            self.process = _spawn(self.command)

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, until: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _say(f"The {self.name} process does not stop; killing it. What it had in hand is done again.")
            self._let_it_say_where_it_hangs(self.process)
            self.process.kill()
            self.process.wait()

    @staticmethod
    def _let_it_say_where_it_hangs(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS)


def _require_ports(args: argparse.Namespace) -> None:
    ports.require_different(
        {"--port": args.port, "--smtp-port": args.smtp_port, "--lmtp-port": args.lmtp_port}
    )
    ports.require_free(args.host, args.port, "--port")
    for option, port in (("--smtp-port", args.smtp_port), ("--lmtp-port", args.lmtp_port)):
        if port:
            ports.require_free("127.0.0.1", port, option)


def _has_own_database() -> bool:
    return bool(os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"))


def _embedded() -> EmbeddedPostgres:
    return EmbeddedPostgres(url.data_directory(), report=lambda sentence: _say(f"{sentence} …"))


def _call(*command: str) -> str:
    """Run a command of ours to its end, also on Ctrl-C; return what it printed. Raises Unreachable if it fails."""
    child = _spawn(list(command), stdout=subprocess.PIPE)
    printed, _ = child.communicate()
    if child.returncode:
        raise Unreachable(f"`deskhand {' '.join(command)}` failed; see above. Nothing was started.")
    return printed.decode()


def _spawn(command: list[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "deskhand", *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        start_new_session=True,  # Ctrl-C is for the supervisor
        preexec_fn=die_with_parent(signal.SIGTERM),
    )


@contextlib.contextmanager
def _children(args: argparse.Namespace) -> Iterator[list[Child]]:
    mail = [f"--smtp-port={args.smtp_port}", f"--lmtp-port={args.lmtp_port}"]
    children = [
        Child(["web", f"--host={args.host}", f"--port={args.port}"]),
        Child(["worker", "--with-mail-in", *mail]),
    ]
    try:
        for child in children:
            child.look()
        yield children
    finally:
        for child in children:
            child.ask_to_stop()
        until = time.monotonic() + PATIENCE
        for child in children:
            child.wait(until)


def _has_customers(args: argparse.Namespace) -> bool:
    return bool(args.demo and args.smtp_port and not args.no_customers)


def _customers(args: argparse.Namespace) -> Child:
    """The demo's customers write for some minutes, so that whoever looks sees tickets come and go."""
    how = [f"--smtp-port={args.smtp_port}", f"--every={CUSTOMERS_EVERY}", f"--count={CUSTOMERS}", "--quiet"]
    return Child(["demo", "customers", *how], may_end=True)


def _wait_for_web(args: argparse.Namespace, children: list[Child], stop: threading.Event) -> bool:
    """Return whether the pages answer; False if we are told to stop first."""
    while not stop.wait(0.05):
        for child in children:
            child.look()
        with (
            contextlib.suppress(OSError),
            socket.create_connection((_reachable(args.host), args.port), timeout=1),
        ):
            return True
    return False


def _watch(watch: Watch, children: list[Child], stop: threading.Event) -> None:
    while not stop.wait(LOOK_EVERY):
        watch.look()
        for child in children:
            child.look()


def _greet(args: argparse.Namespace, log_ins: str, set_up: str) -> None:
    """`set_up`: where the first account is made, "" once there is one."""
    address = f"http://{_reachable(args.host)}:{args.port}"
    _say(f"\nDeskhand is ready: {address}")
    if set_up:
        _say(f"Nobody can sign in yet. Make your help desk here; the address works once:\n\n  {set_up}\n")
        address = set_up
    if args.smtp_port:
        _say(f"It takes mail by SMTP on 127.0.0.1:{args.smtp_port}.")
    if log_ins:
        _say(log_ins.rstrip())
    if _has_customers(args):
        minutes = round(CUSTOMERS_EVERY * CUSTOMERS / 60)
        _say(f"For {minutes} minutes its customers write, and answer you. `deskhand demo customers` goes on.")
    _say("Ctrl-C stops it; the data stay.\n")
    has_screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_screen and sys.stdout.isatty() and not args.no_open:
        webbrowser.open(address)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "", "::") else host


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _say(sentence: str) -> None:
    print(sentence, flush=True)
