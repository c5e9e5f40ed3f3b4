"""A test run in CI does not pass by skipping."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("reason", "ci", "exit_code"),
    [
        ("no Chromium here", "true", 1),
        ("no Chromium here", "", 0),
        ("../shared is absent", "true", 0),
        ("this machine lets nobody mount a disk in a namespace of their own", "true", 0),
    ],
)
def test_ci_refuses_every_skip_but_those_of_what_a_machine_may_lack(
    tmp_path: Path, reason: str, ci: str, exit_code: int
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_it.py").write_text(
        f"import pytest\ndef test_good(): pass\n@pytest.mark.skip(reason={reason!r})\ndef test_skipped(): pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "deskhand.testing.session",
        "-p",
        "no:django",
        str(tmp_path),
    ]

    run = subprocess.run(
        command, env={**os.environ, "CI": ci}, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == exit_code, run.stdout
    assert f"1 × {reason}" in run.stdout
    assert "1 passed, 1 skipped" in run.stdout.splitlines()[-1]
