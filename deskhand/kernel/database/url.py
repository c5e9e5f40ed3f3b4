"""Where the database is, as an address, and what Django makes of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from deskhand.kernel import env
from deskhand.kernel.errors import Misconfigured

SYSTEM_DATA = Path("/var/lib/deskhand")
SOCKET_PATH_LIMIT = 90  # bytes; a Unix socket's path may have 107 with the file's own name


def data_directory() -> Path:
    """The folder of all that the product keeps on disk: `DESKHAND_DATA`, or `var` in the working directory.

    As root, where the embedded server's own user can't pass through to `var`, it is /var/lib/deskhand.
    """
    chosen = env.text("DESKHAND_DATA")
    usual = Path(chosen or "var").resolve()
    return usual if chosen or os.geteuid() != 0 or others_can_reach(usual) else SYSTEM_DATA


def others_can_reach(path: Path) -> bool:
    """Whether any user may pass through each folder of `path` that exists."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.exists())


def socket_directory(data: Path) -> Path:
    """Where the embedded server's socket lives: inside `data`, or in a short place when that path is long."""
    inside = data / "postgres" / "socket"
    if len(str(inside).encode()) <= SOCKET_PATH_LIMIT:
        return inside
    return Path("/tmp") / f"deskhand-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"


def embedded(data: Path, *, role: str = "deskhand", database: str = "deskhand") -> str:
    """The embedded server's address; it need not run yet."""
    return f"postgresql://{role}@/{database}?host={quote(str(socket_directory(data)), safe='/')}&port=5432"


def django_settings(url: str, *, pool: int = 0) -> dict[str, Any]:
    """Return the DATABASES entry for a postgresql:// address.

    The query may name `host`, `port`, `sslmode` and other libpq options, and `pgbouncer=transaction`, which
    turns off what transaction pooling does not carry (prepared statements, server-side cursors).
    """
    require_address("DATABASE_URL", url)
    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    port = options.pop("port", "") or str(parts.port or "")
    pooled = options.pop("pgbouncer", "") == "transaction"
    if pooled:
        options["prepare_threshold"] = None
    if pool:
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 20, "reconnect_timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "deskhand",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
        "DISABLE_SERVER_SIDE_CURSORS": pooled,
        "CONN_MAX_AGE": 0,
    }


def require_address(name: str, address: str) -> None:
    """Raises Misconfigured, without showing a password, for what can't be the address of a PostgreSQL."""
    import psycopg  # late: the supervisor reads this module and stays small

    parts = urlsplit(address)
    allowed = "an address such as postgresql://user:password@host:5432/name"
    if parts.scheme not in ("postgres", "postgresql"):
        raise Misconfigured(name, f"{parts.scheme}://…", allowed)
    try:
        psycopg.conninfo.conninfo_to_dict(for_libpq(address))
        int(parts.port or 0)
    except (psycopg.Error, ValueError) as failure:
        reason = " ".join(str(failure).split())
        raise Misconfigured(name, f"{parts.scheme}://…", f"{allowed} ({reason})") from failure


def for_libpq(address: str) -> str:
    """The address without what only we understand."""
    parts = urlsplit(address)
    known = [(name, value) for name, value in parse_qsl(parts.query) if name != "pgbouncer"]
    return parts._replace(query=urlencode(known, safe="/")).geturl()
