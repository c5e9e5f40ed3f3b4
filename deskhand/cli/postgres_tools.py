"""pg_dump and pg_restore, and the few questions that they leave open. They speak as a role that sees every account."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from deskhand.kernel import env
from deskhand.kernel.database import embedded, url
from deskhand.kernel.errors import Conflict, Unreachable

if TYPE_CHECKING:
    import psycopg


def dump(file: Path, address: str = "") -> None:
    """`address`: of another database than the installation's."""
    _run(
        "pg_dump",
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--file={file}",
        f"--dbname={address or _admin_url()}",
    )


def restore(file: Path, address: str = "") -> None:
    """Replace all tables by those of the dump, or change nothing. `address` as for `dump`."""
    with _connect(address) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    owner = "" if address else urlsplit(_product_url()).username
    _restore_into(address or _admin_url(), file, owner or "deskhand")


def _restore_into(address: str, file: Path, owner: str) -> None:
    options = ["--no-owner", "--no-privileges", f"--role={owner}", "--exit-on-error", "--single-transaction"]
    _run("pg_restore", *options, f"--dbname={address}", str(file))


def require_empty() -> None:
    with _connect() as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if found and found[0]:
        raise Conflict(
            "This installation is not empty, and a restore replaces all it has. Restore into another data directory "
            "(--data DIR), or say --replace."
        )


def others_connected() -> int:
    """How many other connections the database has: a restore needs it for itself."""
    with _connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
    return int(found[0]) if found else 0


def _connect(address: str = "") -> psycopg.Connection:
    import psycopg  # late: `deskhand --help` reads this module

    return psycopg.connect(address or _admin_url())


def _product_url() -> str:
    return env.secret("DATABASE_URL") or url.embedded(url.data_directory())


def _admin_url() -> str:
    """Of a role that row-level security does not bind; a dump by any other would be refused."""
    given = env.secret("DATABASE_ADMIN_URL") or env.secret("DATABASE_URL")
    if not given:
        return url.embedded(url.data_directory(), role="postgres")
    url.require_address("DATABASE_ADMIN_URL", given)
    return url.for_libpq(given)


def _run(program: str, *options: str) -> None:
    done = subprocess.run([_path(program), *options], capture_output=True, text=True, check=False)
    if done.returncode:
        hint = ""
        if "row-level security" in done.stderr:
            hint = " Set DATABASE_ADMIN_URL to a role that may bypass row-level security."
        raise Unreachable(f"{program} failed: {done.stderr.strip()[-2000:]}{hint}")


def _path(program: str) -> str:
    """Ours, or the system's where the server wants TLS, which ours do not speak."""
    wants_tls = "sslmode" in dict(parse_qsl(urlsplit(_admin_url()).query))
    system = shutil.which(program) if wants_tls else None
    return system or os.fspath(embedded.wheel_directory() / "pginstall" / "bin" / program)
