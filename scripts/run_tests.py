"""Run everything that CI runs, in stages; go on after a failure, and close with one table and one line of totals.

python scripts/run_tests.py [static|unit|browser|mail|debian|pooled …]     (default: all)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SLOWEST = 6  # files of a stage whose times are told
NO_TESTS = 5  # pytest's exit code for a selection that is empty


Told = IO[str] | None  # where a stage's words go; None: to where ours go


@dataclass
class Result:
    is_good: bool
    counts: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # of each file's tests, set-up included


def static(_told: Told = None) -> Result:
    failures = []
    quiet = {"DATABASE_POOL": "0"}  # no database is needed; nobody waits for one
    for name, command in {
        "ruff check": [BIN / "ruff", "check", "."],
        "ruff format": [BIN / "ruff", "format", "--check", "--quiet", "."],
        "codespell": [BIN / "codespell"],
        "mypy": [BIN / "mypy"],
        "lint-imports": [BIN / "lint-imports"],
        "migrations": [
            *(sys.executable, "-W", "ignore::RuntimeWarning", "-m", "django", "makemigrations"),
            *("--check", "--dry-run", "--settings", "deskhand.settings"),
        ],
        "translations": [sys.executable, ROOT / "scripts" / "messages.py", "check"],
    }.items():
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **quiet},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"  {name}: {'good' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode:
            print(done.stdout, flush=True)
            failures.append(name)
    return Result(not failures, failures=failures)


def pytest(
    selection: str, *options: str, told: Told = None, server: str = "", of: Sequence[str] = ()
) -> Result:
    """Run the tests of a selection; `of`: those in these folders."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [
            BIN / "pytest",
            "-m",
            selection,
            f"--junitxml={report}",
            "-p",
            "no:cacheprovider",
            *options,
            *of,
        ]
        env = {**os.environ, "DESKHAND_TEST_SERVER": server}
        code = subprocess.run(command, cwd=ROOT, env=env, stdout=told, stderr=told).returncode
        result = _read(report) if report.exists() else Result(False)
    result.is_good = code in (0, NO_TESTS)
    if not result.is_good and not result.failures:
        result.failures.append(f"pytest's exit code {code}")
    return result


def _read(report: Path) -> Result:
    result = Result(True)
    for case in ElementTree.parse(report).iter("testcase"):
        result.seconds[str(case.get("classname"))] += float(case.get("time") or 0)
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.counts["failed"] += 1
            result.failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif skip is not None and skip.get("type") != "pytest.xfail":
            result.counts["skipped"] += 1
            result.skips[skip.get("message") or "no reason given"] += 1
        else:
            result.counts["passed"] += 1
    return result


#: Of the screens the walls around every address, and so each page once, and the stream. The others say nothing to the
#: database that their areas don't.
SCREENS = [f"deskhand/web/tests/test_{screen}.py" for screen in ("live", "walls")]
#: All that speaks to the database.
SPEAKING = [
    *(
        f"deskhand/{folder.name}"
        for folder in sorted((ROOT / "deskhand").iterdir())
        if folder.is_dir() and folder.name not in ("web", "channels")
    ),
    "deskhand/channels/email/tests",
    *SCREENS,
    "tests",
]
UNIT = "not browser and not mail and not faults and not slow"
STAGES: dict[str, Callable[[Told], Result]] = {
    "static": static,
    "unit": lambda told: pytest(UNIT, "-n", "2", "-q", told=told),
    "browser": lambda told: pytest("browser", "-n", "2", "-q", told=told),
    "mail": lambda told: pytest(
        "(mail or faults or slow) and not browser", "-n", "2", "--dist", "loadfile", "-q", told=told
    ),
    # PostgreSQL 15, a twelfth of the tests a commit (conftest.py). One that commits nothing has one connection, so a
    # pooler before it would show nothing.
    "debian": lambda told: pytest(
        f"{UNIT} and not commits", "-n", "2", "-q", told=told, server="debian", of=SPEAKING
    ),
    # That one behind PgBouncer, which gives each transaction another connection: a sixth of the tests a commit.
    "pooled": lambda told: pytest(
        f"{UNIT} and commits", "-n", "2", "-q", told=told, server="pgbouncer", of=SPEAKING
    ),
}
#: It waits for servers, and for time to pass, more than it computes: it runs beside the stages behind it.
BESIDE = "mail"


def main() -> int:
    wanted = sys.argv[1:] or list(STAGES)
    ran: dict[str, Ran] = {}
    with tempfile.TemporaryFile("w+") as log, ThreadPoolExecutor(1) as another:
        beside: Future[Ran] | None = None
        for name in wanted:
            if name == BESIDE and name != wanted[-1]:
                print(f"\n== {name} goes on beside what follows", flush=True)
                beside = another.submit(run, name, log)
            else:
                print(f"\n== {name}", flush=True)
                ran[name] = run(name)
        if beside is not None:
            ran[BESIDE] = beside.result()
            log.seek(0)
            print(f"\n== {BESIDE}, which went on beside\n{log.read()}", flush=True)
    _close(ran)
    return 0 if all(one.result.is_good for one in ran.values()) else 1


@dataclass
class Ran:
    result: Result
    seconds: float


def run(name: str, told: Told = None) -> Ran:
    began = time.monotonic()
    return Ran(STAGES[name](told), time.monotonic() - began)


def _close(ran: dict[str, Ran]) -> None:
    print()
    for name, one in ran.items():
        counted = ", ".join(f"{number} {word}" for word, number in sorted(one.result.counts.items()))
        print(f"{name:8} {'good' if one.result.is_good else 'FAILED':7} {one.seconds:5.0f} s  {counted}")
    for name, one in ran.items():
        slowest = sorted(one.result.seconds.items(), key=lambda spent: -spent[1])[:SLOWEST]
        if slowest:
            print(f"{name:8} longest: " + ", ".join(f"{file} {spent:.0f} s" for file, spent in slowest))
    totals: Counter[str] = Counter()
    for name, one in ran.items():
        totals += one.result.counts
        for failure in one.result.failures:
            print(f"FAILED {name}: {failure}")
    for one in ran.values():
        for reason, number in sorted(one.result.skips.items()):
            print(f"SKIPPED {number} × {reason}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
