"""Debian's PostgreSQL and PgBouncer on sockets of their own, for tests against an external database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from deskhand.kernel.database.embedded import Identity, die_with_parent, unprivileged
from deskhand.kernel.errors import Unreachable

POSTGRES = Path("/usr/lib/postgresql/15/bin")
PGBOUNCER = Path("/usr/sbin/pgbouncer")
PORT, POOLER_PORT = 5432, 6432  # names of sockets
PATIENCE = 30  # seconds

POOLER = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr =
listen_port = {pooler_port}
unix_socket_dir = {place}
auth_type = trust
auth_file = {place}/users
pool_mode = transaction
max_client_conn = 500
default_pool_size = 10
server_idle_timeout = 1
ignore_startup_parameters = extra_float_digits,options
"""


@contextlib.contextmanager
def data_directory() -> Iterator[Path]:
    """A short path that the server's own user can reach, which pytest's directories are not."""
    directory = Path(tempfile.mkdtemp(prefix="dh"))
    directory.chmod(0o711)
    yield directory
    until = time.monotonic() + PATIENCE
    while directory.exists():  # a server that is just ending takes its own files away meanwhile
        shutil.rmtree(directory, ignore_errors=time.monotonic() < until)


@contextlib.contextmanager
def debian_postgres(home: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a fresh PostgreSQL 15 below `home` and yield the address of its role `deskhand`."""
    place = _folder(home / "pg15")
    cluster = place / "cluster"
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    _finish([str(POSTGRES / "initdb"), "-D", str(cluster), *options], place)
    command = [str(POSTGRES / "postgres"), "-D", str(cluster), "-k", str(place), "-c", "listen_addresses="]
    command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with _running(command, place, place / f".s.PGSQL.{PORT}"):
        psql = [str(POSTGRES / "psql"), "-qh", str(place), "-U", "postgres", "-v", "ON_ERROR_STOP=1"]
        _finish([*psql, "-c", "CREATE ROLE deskhand LOGIN CREATEDB"], place, tries=50)
        _finish([*psql, "-c", "CREATE DATABASE deskhand OWNER deskhand"], place)
        yield f"postgresql://deskhand@/deskhand?host={place}&port={PORT}"


@contextlib.contextmanager
def pgbouncer(home: Path, behind: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode before the server at `behind`, and yield the address to use."""
    place = _folder(home / "pgbouncer")
    host = parse_qs(urlsplit(behind).query)["host"][0]
    (place / "users").write_text('"deskhand" ""\n')
    (place / "pgbouncer.ini").write_text(
        POOLER.format(host=host, port=PORT, pooler_port=POOLER_PORT, place=place)
    )
    with _running([str(PGBOUNCER), str(place / "pgbouncer.ini")], place, place / f".s.PGSQL.{POOLER_PORT}"):
        yield f"postgresql://deskhand@/deskhand?host={place}&port={POOLER_PORT}&pgbouncer=transaction"


def _folder(place: Path) -> Path:
    for folder in (place.parent, place):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
    who = unprivileged()
    if who.user is not None and who.group is not None:
        os.chown(place, who.user, who.group)
    return place


@contextlib.contextmanager
def _running(command: list[str], place: Path, socket: Path) -> Iterator[None]:
    with (place / "log").open("ab") as log:
        process = _start(command, place, unprivileged(), log.fileno())
    try:
        give_up_at = time.monotonic() + PATIENCE
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise Unreachable(f"{command[0]} did not start: {(place / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def _finish(command: list[str], place: Path, tries: int = 1) -> None:
    for _ in range(tries):
        process = _start(command, place, unprivileged(), subprocess.PIPE)
        output, _error = process.communicate()
        if process.returncode == 0:
            return
        time.sleep(0.1)
    raise Unreachable(f"{command[0]} failed: {output.decode()[-2000:]}")


def _start(command: list[str], place: Path, who: Identity, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=who.user,
        group=who.group,
        extra_groups=who.extra_groups,
        preexec_fn=die_with_parent(signal.SIGINT),
    )
