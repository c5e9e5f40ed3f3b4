"""What a test run needs before Django's settings are read: a PostgreSQL and a data directory of its own.

Loaded by `-p` (pyproject.toml), because pytest-django reads the settings before any conftest.py. With `DATABASE_URL`
set, the tests use that server. `DESKHAND_TEST_SERVER` chooses another kind: `debian` for Debian's PostgreSQL 15, or
`pgbouncer` for that one behind PgBouncer in transaction mode. Under `CI=true` a skip fails the run, unless its reason is that `../shared` is absent.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis

from deskhand.kernel.database.embedded import EmbeddedPostgres
from deskhand.testing import servers

#: What a machine may lack: the papers, and the right to mount a disk that gets full.
ALLOWED_SKIPS = ("../shared", "lets nobody mount a disk")
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}

#: The name under which a test records (`record_property`) a heading and lines that the run closes with.
SHOWN = "shown"

_shown: list[str] = []
_skips: dict[str, int] = {}
_data: Path | None = None
_servers = contextlib.ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _prepare()
    return (yield)


def pytest_configure() -> None:
    # No test of ours may fail because the machine is busy.
    hypothesis.register_profile("unhurried", hypothesis.default, deadline=None)
    hypothesis.load_profile("unhurried")
    _hash_cheaply()


def _hash_cheaply() -> None:
    """What guards a stolen table takes 100 MB and a tenth of a second a password; tests have the same, at its least cost."""
    from django.contrib.auth.hashers import Argon2PasswordHasher as Hasher

    Hasher.time_cost, Hasher.memory_cost, Hasher.parallelism = 1, 8, 1


def pytest_unconfigure(config: pytest.Config) -> None:
    _servers.close()
    if _data is not None:
        shutil.rmtree(_data, ignore_errors=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _shown.extend(str(value) for name, value in report.user_properties if name == SHOWN)
    if report.skipped and not hasattr(report, "wasxfail"):
        _count(report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _count(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    is_refused = any(not _is_allowed(reason) for reason in _skips)
    if os.environ.get("CI") == "true" and is_refused and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for text in _shown:
        terminalreporter.section(text.partition("\n")[0])
        terminalreporter.write_line(text.partition("\n")[2])
    if not _skips:
        return
    terminalreporter.section("skipped")
    for reason, count in sorted(_skips.items()):
        refused = os.environ.get("CI") == "true" and not _is_allowed(reason)
        terminalreporter.line(f"{count} × {reason}{' (not allowed in CI)' if refused else ''}")


def _is_allowed(reason: str) -> bool:
    return any(allowed in reason for allowed in ALLOWED_SKIPS)


def _prepare() -> None:
    global _data
    if "DESKHAND_DATA" not in os.environ:
        _data = Path(tempfile.mkdtemp(prefix="deskhand-test-"))
        _data.chmod(0o711)  # the database's own user passes through
        os.environ["DESKHAND_DATA"] = str(_data)
    if "DATABASE_URL" not in os.environ:
        _start_server(Path(os.environ["DESKHAND_DATA"]) / "tests", os.environ.get("DESKHAND_TEST_SERVER", ""))


def _start_server(place: Path, kind: str) -> None:
    if not kind:
        os.environ["DATABASE_URL"] = _servers.enter_context(EmbeddedPostgres(place, settings=FAST)).dsn
        return
    debian = _servers.enter_context(servers.debian_postgres(place, FAST))
    os.environ["DATABASE_URL"] = debian
    if kind == "pgbouncer":
        os.environ["DATABASE_LISTEN_URL"] = debian
        os.environ["DATABASE_URL"] = _servers.enter_context(servers.pgbouncer(place, debian))


def _count(longrepr: object) -> None:
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    reason = str(reason).removeprefix("Skipped: ")
    _skips[reason] = _skips.get(reason, 0) + 1
