"""`deskhand upgrade-db`: data that an older PostgreSQL wrote, rewritten for the one that comes with this release.

The new cluster is made beside the old one and takes its place when it is whole; the old one is kept. Killed at any
moment, either the old data are in their place, and the command can be repeated, or the new ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.cli import postgres_tools
from deskhand.kernel.database import url
from deskhand.kernel.database.embedded import EmbeddedPostgres, major_version
from deskhand.kernel.errors import Conflict

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    commands.add_parser(
        "upgrade-db",
        help="rewrite the embedded database for this release's PostgreSQL",
        description="Rewrites the data of the embedded PostgreSQL for the major version that comes with this release. "
        "Needs space for a second copy; the old data are kept beside the new ones. Stop Deskhand first.",
    )


def run(args: argparse.Namespace) -> int:
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        raise Conflict("DATABASE_URL names a PostgreSQL of your own: upgrade that one as its documents say.")
    installed = EmbeddedPostgres(url.data_directory())
    found = installed.written_by
    if found in ("", major_version()):
        print(
            f"Nothing to do: {installed.data_dir} has {f'data of PostgreSQL {found}' if found else 'no data'}."
        )
        return 0
    programs = installed.programs_of(found)
    if programs is None:
        installed.start()  # says what else can be done
        return 1
    _upgrade(EmbeddedPostgres(installed.data_dir, programs=programs), found)
    return 0


def _upgrade(old: EmbeddedPostgres, found: str) -> None:
    with tempfile.TemporaryDirectory(dir=old.data_dir, prefix="upgrade-") as directory:
        place = Path(directory)
        place.chmod(0o711)
        print(f"Reading what PostgreSQL {found} wrote …", flush=True)
        with old:
            if not old.is_ours:
                raise Conflict("The database is in use. Stop Deskhand first.")
            postgres_tools.dump(place / "dump", url.embedded(old.data_dir, role="postgres"))
        print(f"Writing it for PostgreSQL {major_version()} …", flush=True)
        with EmbeddedPostgres(place) as new:
            address = url.embedded(new.data_dir, role="postgres")
            postgres_tools.restore(place / "dump", address)
            _move_home(address)
        shutil.rmtree(old.upgraded, ignore_errors=True)  # of a try that was killed
        new.cluster.rename(old.upgraded)
    kept = old.home / f"cluster.of-{found}"
    shutil.rmtree(kept, ignore_errors=True)
    old.cluster.rename(kept)
    old.upgraded.rename(old.cluster)
    print(f"Done. The old data are kept in {kept}: delete them when all is well.")


def _move_home(address: str) -> None:
    """This is no copy: the mail that waits has not been sent by anybody else."""
    import psycopg

    from deskhand.delivery.claims import PLACE

    with psycopg.connect(address) as connection:
        known = connection.execute("SELECT to_regclass('public.delivery_home') IS NOT NULL").fetchone()
        if known and known[0]:
            connection.execute(f"UPDATE delivery_home SET place = ({PLACE})".encode())
