"""What a test run needs before Django's settings are read: a PostgreSQL and a data directory of its own.

Loaded by `-p` (pyproject.toml), because pytest-django reads the settings before any conftest.py. With `DATABASE_URL`
set, the tests use that server. Under `CI=true` a skip fails the run, unless its reason is that `../shared` is absent.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from deskhand.kernel.database.embedded import EmbeddedPostgres

ALLOWED_SKIP = "../shared"
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}

_skips: dict[str, int] = {}
_data: Path | None = None
_server: EmbeddedPostgres | None = None


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _prepare()
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _server.stop()
    if _data is not None:
        shutil.rmtree(_data, ignore_errors=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _count(report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _count(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    is_refused = any(ALLOWED_SKIP not in reason for reason in _skips)
    if os.environ.get("CI") == "true" and is_refused and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skips:
        return
    terminalreporter.section("skipped")
    for reason, count in sorted(_skips.items()):
        refused = os.environ.get("CI") == "true" and ALLOWED_SKIP not in reason
        terminalreporter.line(f"{count} × {reason}{' (not allowed in CI)' if refused else ''}")


def _prepare() -> None:
    global _data, _server
    if "DESKHAND_DATA" not in os.environ:
        _data = Path(tempfile.mkdtemp(prefix="deskhand-test-"))
        _data.chmod(0o711)  # the database's own user passes through
        os.environ["DESKHAND_DATA"] = str(_data)
    if "DATABASE_URL" not in os.environ:
        place = Path(os.environ["DESKHAND_DATA"]) / "tests"
        _server = EmbeddedPostgres(place, settings=FAST).start()
        os.environ["DATABASE_URL"] = _server.dsn


def _count(longrepr: object) -> None:
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    reason = str(reason).removeprefix("Skipped: ")
    _skips[reason] = _skips.get(reason, 0) + 1
