"""`deskhand backup FILE`: database, files and secrets in one tar, while everything runs.

The database is dumped first, from one snapshot; files are written before the rows that name them and never change, so
every file that the dump names is there when the files are read.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.cli import postgres_tools

if TYPE_CHECKING:
    from argparse import _SubParsersAction

FORMAT = 1
MANIFEST, DUMP, FILES, SECRETS = "manifest.json", "database.dump", "files", "secrets"


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("backup", help="write database, files and secrets to one file")
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="is replaced if it exists; keep it safe: it holds the keys"
    )


def run(args: argparse.Namespace) -> int:
    from deskhand.delivery import outbox
    from deskhand.kernel import clock

    outbox.settle()  # so that a copy is known for one
    unfinished = args.file.with_name(f"{args.file.name}.unfinished")
    with tempfile.TemporaryDirectory(dir=args.file.resolve().parent) as directory:
        dump = Path(directory) / DUMP
        print("Dumping the database …", flush=True)
        postgres_tools.dump(dump)
        manifest = {"format": FORMAT, "made_at": clock.now().isoformat()}
        print("Adding files and secrets …", flush=True)
        try:
            _write(unfinished, json.dumps(manifest, indent=2), dump)
        except BaseException:
            unfinished.unlink(missing_ok=True)  # the disk may be full because of it
            raise
    unfinished.replace(args.file)
    print(f"{args.file}: {args.file.stat().st_size / 1e6:.1f} MB. It holds the keys too: keep it safe.")
    return 0


def _write(file: Path, manifest: str, dump: Path) -> None:
    from django.conf import settings

    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        with tarfile.open(fileobj=output, mode="w") as archive:
            _add_text(archive, MANIFEST, manifest)
            archive.add(dump, DUMP)
            _add_folder(archive, settings.DATA_DIR / "secrets", SECRETS)
            _add_folder(archive, settings.FILES_ROOT, FILES)
        output.flush()
        os.fsync(output.fileno())


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    archive.addfile(entry, io.BytesIO(text.encode()))


def _add_folder(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    """Files that are being written (a leading dot) or removed meanwhile are not named by the dump."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            try:
                archive.add(path, f"{name}/{path.relative_to(folder)}")
            except FileNotFoundError:
                continue
