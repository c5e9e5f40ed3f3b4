"""The file store: bytes under the SHA-256 of themselves, written once, never changed.

Files are put before the row that names them commits, so a file may be without a row, never a row without its file.
Who may read a file is decided by the row that names it; the store knows no accounts.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.translation import gettext as _

from deskhand.kernel.errors import DeskhandError, NotFound, Unreachable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreFull(Unreachable):
    """No room for the file; nothing of it was kept. Try again once there is room."""


class Damaged(DeskhandError):
    """A stored file is not what was put there."""


@dataclass(frozen=True, slots=True)
class FileRef:
    sha256: str
    size: int  # bytes


def put(data: bytes) -> FileRef:
    """Store `data` durably (fsync) before returning. Safe to repeat, and from several processes at once.

    Raises StoreFull when the disk is full, Unreachable when the store can't be written.
    """
    ref = FileRef(hashlib.sha256(data).hexdigest(), len(data))
    name = _name(ref.sha256)
    try:
        if isinstance(default_storage, FileSystemStorage):
            _put_in_directory(Path(default_storage.path(name)), Path(default_storage.location), data)
        elif not default_storage.exists(name):
            default_storage.save(name, ContentFile(data))
    except OSError as failure:
        if failure.errno in _FULL:
            raise StoreFull(_("The disk of the file store is full.")) from failure
        raise Unreachable(
            _("The file store can't be written: %s") % (failure.strerror or failure)
        ) from failure
    return ref


def get(sha256: str) -> bytes:
    """Return the bytes. Raises NotFound, or Damaged when they are not those that were put."""
    with open(sha256) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Damaged(_("The stored file %s is damaged.") % sha256[:12])
    return data


def open(sha256: str) -> IO[bytes]:
    """Open for reading; the caller closes. The bytes are not checked. Raises NotFound."""
    try:
        return default_storage.open(_name(sha256), "rb")
    except FileNotFoundError as failure:
        raise NotFound(_("The stored file %s is missing.") % sha256[:12]) from failure


def exists(sha256: str) -> bool:
    return default_storage.exists(_name(sha256))


def _name(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise NotFound(_("This is not the name of a stored file."))
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _put_in_directory(path: Path, root: Path, data: bytes) -> None:
    if path.exists() and path.stat().st_size == len(data):
        _sync_folder(path.parent)  # another process may have renamed it this moment
        return
    _make_folders(path.parent, root)
    draft = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        _write(draft, data)
        draft.replace(path)  # two writers of the same bytes: either one's file is right
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    _sync_folder(path.parent)


def _make_folders(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(folder.parent, root)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
