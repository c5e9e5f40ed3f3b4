"""`deskhand restore FILE`: bring back what `deskhand backup` wrote, into an empty installation.

Behind a fence: what the backup has as unsent may have been sent after it was made, and automations will do again what
they did after it. So what was unsent is held, and so is what they queue, until somebody releases it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.cli import postgres_tools
from deskhand.cli.backup import DUMP, FILES, FORMAT, MANIFEST, SECRETS
from deskhand.kernel.errors import Conflict, Invalid

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LEAVING = 2  # seconds; a connection that was just closed is still counted for a moment


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("restore", help="bring back a backup; what may have been sent is held")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--replace", action="store_true", help="throw away what this installation has now")


def run(args: argparse.Namespace) -> int:
    from django.conf import settings

    with (
        _open(args.file) as archive,
        tempfile.TemporaryDirectory(dir=_existing(settings.DATA_DIR)) as directory,
    ):
        _require_known(archive)
        if not args.replace:
            postgres_tools.require_empty()
        _require_stopped()
        unpacked = Path(directory)
        _unpack(archive, unpacked)
        print("Restoring the database …", flush=True)
        postgres_tools.restore(unpacked / DUMP)
        held = _raise_fence()
        print("Restoring files and secrets …", flush=True)
        _move_into(unpacked / FILES, settings.FILES_ROOT)
        _move_into(unpacked / SECRETS, settings.DATA_DIR / "secrets", mode=0o600)
    print("Restored. Start Deskhand with the release that made the backup, or a newer one.")
    if held:
        print(f"{held} unsent mails are held, because they may have left after the backup was made.")
    print(
        "What automations send from now on is held too: they may have sent it already. Replies leave at once."
    )
    print("See it with `deskhand outbox list`, send it with `deskhand outbox release`.")
    return 0


def _open(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file)
    except (OSError, tarfile.TarError) as failure:
        raise Invalid(f"{file} is not a backup that can be read: {failure}") from failure


def _require_known(archive: tarfile.TarFile) -> None:
    try:
        member = archive.extractfile(MANIFEST)
        found = json.load(member)["format"] if member else None
    except (KeyError, ValueError) as failure:
        raise Invalid(
            f"{archive.name!s} was not made by `deskhand backup`: it has no {MANIFEST}."
        ) from failure
    if found != FORMAT:
        raise Invalid(f"{archive.name!s} has format {found}; this release of Deskhand reads format {FORMAT}.")


def _require_stopped() -> None:
    give_up_at = time.monotonic() + LEAVING
    while others := postgres_tools.others_connected():
        if time.monotonic() < give_up_at:
            time.sleep(0.1)
            continue
        raise Conflict(
            f"The database is in use by {others} other connections. Stop Deskhand first, then restore."
        )


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Plain files below `folder` only, whatever a forged backup says."""
    for member in archive:
        place = (folder / member.name).resolve()
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or folder.resolve() not in place.parents:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            shutil.copyfileobj(content, file)


def _raise_fence() -> int:
    from deskhand.delivery import outbox

    return outbox.fence(outbox.RESTORED)


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _move_into(source: Path, target: Path, mode: int | None = None) -> None:
    """What the target has under other names stays; the same name is replaced."""
    for path in sorted(source.rglob("*")):
        if not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if mode is not None:
            path.chmod(mode)
        path.replace(place)
