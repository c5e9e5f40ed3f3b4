"""The file store keeps what it was given, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from django.core.files.storage import InMemoryStorage, default_storage

from deskhand.kernel import files
from deskhand.kernel.errors import NotFound, Unreachable


@pytest.fixture(autouse=True)
def root(settings, tmp_path: Path) -> Path:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        },
    }
    return tmp_path / "files"


def kept_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_file_is_found_again_by_its_contents(root: Path) -> None:
    ref = files.put(b"hello")
    assert ref == files.FileRef(hashlib.sha256(b"hello").hexdigest(), 5)
    assert files.exists(ref.sha256)
    assert files.get(ref.sha256) == b"hello"
    with files.open(ref.sha256) as file:
        assert file.read(2) == b"he"


def test_the_same_bytes_are_kept_once(root: Path) -> None:
    assert files.put(b"hello") == files.put(b"hello")
    assert len(kept_in(root)) == 1


def test_an_empty_file_is_a_file(root: Path) -> None:
    assert files.get(files.put(b"").sha256) == b""


def test_only_the_owner_may_read(root: Path) -> None:
    files.put(b"hello")
    (path,) = kept_in(root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in [path.parent, path.parent.parent, root]} == {
        0o700
    }


def test_what_is_not_there_is_not_found(root: Path) -> None:
    assert not files.exists("0" * 64)
    with pytest.raises(NotFound):
        files.get("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65])
def test_only_the_name_of_a_file_names_a_file(root: Path, name: str) -> None:
    with pytest.raises(NotFound):
        files.open(name)
    with pytest.raises(NotFound):
        files.exists(name)


def test_a_damaged_file_is_not_handed_out(root: Path) -> None:
    ref = files.put(b"hello")
    (path,) = kept_in(root)
    path.write_bytes(b"hullo")
    with pytest.raises(files.Damaged):
        files.get(ref.sha256)


def test_a_file_cut_short_is_written_again(root: Path) -> None:
    ref = files.put(b"hello")
    (path,) = kept_in(root)
    path.write_bytes(b"he")
    files.put(b"hello")
    assert files.get(ref.sha256) == b"hello"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write", "fsync", "replace", "mkdir"])
def test_a_full_disk_says_so_and_leaves_nothing_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        match step:
            case "write":
                broken.setattr(files, "_write", _half_written(full))
            case "fsync":
                broken.setattr(os, "fsync", full)
            case "replace":
                broken.setattr(Path, "replace", full)
            case "mkdir":
                broken.setattr(Path, "mkdir", full)
        with pytest.raises(files.StoreFull):
            files.put(b"hello")
    assert kept_in(root) == []
    assert files.get(files.put(b"hello").sha256) == b"hello"


def _half_written(full):
    def write(path: Path, data: bytes) -> None:
        path.write_bytes(data[:2])
        full()

    return write


def test_a_store_that_cannot_be_written_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.parent.mkdir(exist_ok=True)
    root.write_text("a file stands where the folder should be")
    with pytest.raises(Unreachable, match="can't be written"):
        files.put(b"hello")


def _put_many(numbers: range) -> None:
    for number in numbers:
        files.put(b"x" * 10_000 + bytes([number]))


def test_processes_that_put_the_same_bytes_do_not_disturb_each_other(root: Path) -> None:
    files.put(b"")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_put_many, args=[range(40)]) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert len(kept_in(root)) == 41
    for number in range(40):
        data = b"x" * 10_000 + bytes([number])
        assert files.get(hashlib.sha256(data).hexdigest()) == data


def test_another_storage_does_as_well(settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    assert isinstance(default_storage, InMemoryStorage)
    ref = files.put(b"hello")
    assert files.put(b"hello") == ref
    assert files.get(ref.sha256) == b"hello"
