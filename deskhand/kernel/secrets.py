"""The product's own keys: made at the first start, kept in the data directory, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from deskhand.kernel import env
from deskhand.kernel.database.url import data_directory
from deskhand.kernel.errors import Misconfigured


def kept(name: str, size: int = 48) -> str:
    """Return the secret called `name`, making it first where there is none. Safe when two processes race.

    Raises Misconfigured when the data directory can't be read or written.
    """
    try:
        return _kept(data_directory() / "secrets", name, size)
    except (PermissionError, NotADirectoryError, FileNotFoundError, FileExistsError) as failure:
        allowed = f"a directory that can be read and written ({failure.filename}: {failure.strerror})"
        raise Misconfigured("DESKHAND_DATA", str(data_directory()), allowed) from failure


def _kept(folder: Path, name: str, size: int) -> str:
    path = folder / name
    try:
        return _read(path)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{name}.{secrets.token_hex(8)}"  # two containers may have the same process number
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_urlsafe(size))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails when another process was first; its value then counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    value = path.read_text().strip()
    if not value:
        allowed = f"a directory with whole keys ({path} is empty; restore it from a backup)"
        raise Misconfigured("DESKHAND_DATA", str(path.parent.parent), allowed)
    return value


def secret_key() -> str:
    """Signs sessions and forms."""
    return env.secret("SECRET_KEY") or kept("secret_key")


def encryption_key() -> str:
    """Encrypts stored credentials; 43 characters of url-safe base64 or any long text."""
    return env.secret("ENCRYPTION_KEY") or kept("encryption_key", 32)
