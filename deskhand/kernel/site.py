"""The address that `serve` was last reached at, kept in the data directory: other commands name it, too."""

from __future__ import annotations

import contextlib
import os

from deskhand.kernel.database.url import data_directory

DEFAULT = "http://127.0.0.1:8321"
_FILE = "site"


def keep(address: str) -> None:
    """Not where nothing is kept on disk, or no space is left: what is served is served without it, too."""
    folder = data_directory()
    if not folder.is_dir():
        return
    with contextlib.suppress(OSError):
        draft = folder / f".{_FILE}.{os.getpid()}"
        draft.write_text(f"{address}\n")
        draft.replace(folder / _FILE)


def kept() -> str:
    """The default address where none was kept."""
    try:
        return (data_directory() / _FILE).read_text().strip() or DEFAULT
    except OSError:
        return DEFAULT
