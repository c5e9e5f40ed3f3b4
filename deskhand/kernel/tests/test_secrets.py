"""The keys that the product makes for itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskhand.kernel import secrets
from deskhand.kernel.errors import Misconfigured


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESKHAND_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.race
def test_all_who_start_at_once_get_the_same_key(data: Path) -> None:
    """Two containers with one volume have one process number, as the threads here do."""
    for round_ in range(20):
        together = threading.Barrier(8)

        def make(name: str = f"key{round_}", together: threading.Barrier = together) -> str:
            together.wait()
            return secrets.kept(name)

        with ThreadPoolExecutor(8) as pool:
            made = {future.result() for future in [pool.submit(make) for _ in range(8)]}

        assert made == {(data / "secrets" / f"key{round_}").read_text()}
    assert not list((data / "secrets").glob(".*"))


def test_an_empty_key_is_refused(data: Path) -> None:
    """A machine that lost power may have left one; everybody would know such a key."""
    (data / "secrets").mkdir()
    (data / "secrets" / "encryption_key").write_text("\n")

    with pytest.raises(Misconfigured, match="encryption_key"):
        secrets.kept("encryption_key")


def test_a_key_is_for_its_owner_only(data: Path) -> None:
    secrets.kept("secret_key")

    assert (data / "secrets").stat().st_mode & 0o777 == 0o700
    assert (data / "secrets" / "secret_key").stat().st_mode & 0o777 == 0o600
