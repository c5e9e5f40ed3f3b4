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
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SLOWEST = 6  # files of a stage whose times are told
NO_TESTS = 5  # pytest's exit code for a selection that is empty


@dataclass
class Result:
    is_good: bool
    counts: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # of each file's tests, set-up included


def static() -> Result:
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


def pytest(selection: str, *options: str, server: str = "", of: Sequence[str] = ()) -> Result:
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
        code = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "DESKHAND_TEST_SERVER": server}
        ).returncode
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
STAGES: dict[str, Callable[[], Result]] = {
    "static": static,
    "unit": lambda: pytest(UNIT, "-n", "2", "-q"),
    "browser": lambda: pytest("browser", "-n", "2", "-q"),
    # Much of it waits for servers and for time to pass.
    "mail": lambda: pytest("(mail or faults or slow) and not browser", "-n", "3", "--dist", "loadfile", "-q"),
    # PostgreSQL 15. A test that commits nothing has one connection, so a pooler before it would show nothing.
    "debian": lambda: pytest(f"{UNIT} and not commits", "-n", "2", "-q", server="debian", of=SPEAKING),
    # That one behind PgBouncer, which gives each transaction another connection.
    "pooled": lambda: pytest(f"{UNIT} and commits", "-n", "2", "-q", server="pgbouncer", of=SPEAKING),
}


def main() -> int:
    wanted = sys.argv[1:] or list(STAGES)
    results = {}
    lines = []
    for name in wanted:
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        results[name] = result = STAGES[name]()
        counted = ", ".join(f"{number} {word}" for word, number in sorted(result.counts.items()))
        seconds = round(time.monotonic() - began)
        lines.append(f"{name:8} {'good' if result.is_good else 'FAILED':7} {seconds:5} s  {counted}")
    _close(results, lines)
    return 0 if all(result.is_good for result in results.values()) else 1


def _close(results: dict[str, Result], lines: list[str]) -> None:
    print("\n" + "\n".join(lines))
    totals: Counter[str] = Counter()
    for name, result in results.items():
        slowest = sorted(result.seconds.items(), key=lambda one: -one[1])[:SLOWEST]
        if slowest:
            print(f"{name:8} longest: " + ", ".join(f"{file} {spent:.0f} s" for file, spent in slowest))
    for name, result in results.items():
        totals += result.counts
        for failure in result.failures:
            print(f"FAILED {name}: {failure}")
    for result in results.values():
        for reason, number in sorted(result.skips.items()):
            print(f"SKIPPED {number} × {reason}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
