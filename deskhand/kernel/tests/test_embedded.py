"""The embedded server keeps what it acknowledged, whoever is killed, and leaves nothing half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deskhand.kernel.database import url
from deskhand.kernel.database.embedded import EmbeddedPostgres, major_version
from deskhand.kernel.errors import Misconfigured
from deskhand.testing.servers import data_directory

OWNER = """
import sys, time
from deskhand.kernel.database.embedded import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1], settings={"fsync": sys.argv[2]}).start()
print(server._postmaster.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    with data_directory() as directory:
        yield directory


@pytest.fixture
def server(data: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data, settings={"fsync": "off"})
    yield server
    server.stop()


@pytest.fixture
def start_owner(data: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start a process that supervises the server; return it and the server's number."""
    owners: list[subprocess.Popen[str]] = []

    def start(fsync: str = "off") -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", OWNER, str(data), fsync]
        owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        owners.append(owner)
        assert owner.stdout
        return owner, int(owner.stdout.readline())

    yield start
    for owner in owners:
        owner.kill()
        owner.wait()


def write(server: EmbeddedPostgres, number: int) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def kept(server: EmbeddedPostgres) -> list[int]:
    with psycopg.connect(server.dsn) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM kept ORDER BY number")]


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_the_first_start_makes_a_role_that_row_level_security_binds(server: EmbeddedPostgres) -> None:
    server.start()

    with psycopg.connect(server.dsn) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba), datlocprovider, pg_encoding_to_char(encoding) "
            "FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        checksums = connection.execute("SHOW data_checksums").fetchone()
    assert role == (False, False, True)
    assert owner == ("deskhand", "b", "UTF8")
    assert checksums == ("on",)


def test_the_data_survive_a_clean_restart(server: EmbeddedPostgres) -> None:
    server.start()
    write(server, 1)
    server.stop()

    server.start()

    assert kept(server) == [1]


def test_stopping_twice_and_starting_twice_do_no_harm(server: EmbeddedPostgres) -> None:
    server.start()
    first = server._postmaster
    server.start()
    assert server._postmaster is first
    server.stop()
    server.stop()

    assert not server.is_ours
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn)


def test_a_second_process_shares_the_server_and_does_not_stop_it(
    server: EmbeddedPostgres, data: Path, start_owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    start_owner()

    server.start()
    write(server, 1)
    server.stop()

    assert not server.is_ours
    assert kept(server) == [1]


@pytest.mark.faults
def test_the_server_ends_with_its_killed_owner_and_starts_again_at_once(
    server: EmbeddedPostgres, start_owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    owner, _ = start_owner("on")
    write(server, 1)

    owner.kill()
    owner.wait(10)  # until then its lock holds, and its server answers
    server.start()

    assert server.is_ours
    assert kept(server) == [1]


@pytest.mark.faults
def test_a_killed_server_is_brought_back_by_its_owner(server: EmbeddedPostgres) -> None:
    server.start()
    write(server, 1)
    assert server._postmaster

    os.kill(server._postmaster.pid, signal.SIGKILL)
    wait_for(lambda: server.has_died)
    revived = [server.revive(), server.revive()]

    assert revived == [True, False]
    assert kept(server) == [1]


@pytest.mark.faults
def test_owner_and_server_killed_together_lose_nothing_acknowledged(
    server: EmbeddedPostgres, start_owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    acknowledged = []
    for number in range(3):
        owner, postmaster = start_owner("on")
        write(server, number)
        acknowledged.append(number)
        os.kill(postmaster, signal.SIGKILL)
        owner.kill()

    server.start()

    assert kept(server) == acknowledged


@pytest.mark.faults
def test_a_stale_number_that_another_process_got_is_not_taken_for_the_server(
    server: EmbeddedPostgres, start_owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    owner, postmaster = start_owner()
    os.kill(postmaster, signal.SIGKILL)
    owner.kill()
    pid_file = server.cluster / "postmaster.pid"
    _, rest = pid_file.read_text().split("\n", 1)
    pid_file.write_text(f"{os.getpid()}\n{rest}")  # a living process that is not the server

    server.start()

    assert server.is_ours


@pytest.mark.faults
@pytest.mark.parametrize("after", [0.05, 0.2, 0.5, 0.8])
def test_a_first_start_killed_at_any_moment_leaves_nothing_half(
    server: EmbeddedPostgres, data: Path, after: float
) -> None:
    victim = subprocess.Popen([sys.executable, "-c", OWNER, str(data), "off"], stdout=subprocess.DEVNULL)
    wait_for(lambda: (data / "postgres").exists())
    time.sleep(after)
    victim.kill()
    victim.wait()

    server.start()

    write(server, 1)
    assert kept(server) == [1]
    assert not list(server.home.glob("*unfinished*"))


def test_data_of_another_major_version_stop_the_start_with_the_way_out(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.cluster / "PG_VERSION").write_text("12\n")

    with pytest.raises(
        Misconfigured, match=rf"PostgreSQL {major_version()}; these are of 12.*deskhand backup"
    ):
        server.start()


def test_who_shares_the_server_takes_over_when_its_owner_ends(
    server: EmbeddedPostgres, start_owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    owner, _ = start_owner()
    server.start()
    assert not server.revive()

    owner.terminate()
    owner.wait()

    assert server.revive()
    assert server.is_ours


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)

    assert len(str(url.socket_directory(long))) < 90
    assert url.socket_directory(long) != url.socket_directory(long / "other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_as_root_a_place_the_servers_user_cannot_reach_is_refused_with_the_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    with pytest.raises(Misconfigured, match="deskhand-db can reach"):
        EmbeddedPostgres(tmp_path / "data").start()


def test_looking_whether_it_answers_leaves_no_complaints_in_the_log(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()

    assert "does not exist" not in server.log.read_text()  # a role or a database that nobody asked for


def test_the_log_is_nobody_elses_to_read(server: EmbeddedPostgres) -> None:
    server.start()

    assert server.log.stat().st_mode & 0o077 == 0
