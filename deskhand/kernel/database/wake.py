"""Waking sleeping claimers and open pages: one NOTIFY per process and name per 20 ms, after commit.

A NOTIFY inside every writing transaction would serialise all commits, so a thread with its own connection sends
them. Nothing depends on a wake-up arriving: who waits also polls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import transaction

log = structlog.get_logger()

PAUSE = 0.02  # seconds in which equal wake-ups are joined into one
CHANNEL = "deskhand"
PAYLOAD_LIMIT = 7500  # bytes; PostgreSQL allows 8000


def wake(*names: str) -> None:
    """Wake whoever listens to one of `names` once the present transaction has committed."""
    transaction.on_commit(lambda: _sender.add(names))


_NOTIFY = "select pg_notify(%s, name) from unnest(%s::text[]) name"


class _Sender:
    """Collects names and sends each once per pause."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._guard = threading.Lock()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, names: Sequence[str]) -> None:
        for hear in _local.copy():  # a listener may leave meanwhile
            for name in names:
                hear(name)
        with self._guard:
            self._names.update(names)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wake-sender", daemon=True)
                self._thread.start()
        self._filled.set()

    def _take(self) -> set[str]:
        with self._guard:
            self._filled.clear()
            names, self._names = self._names, set()
            return names

    def shut(self) -> None:
        """Send what is left and let go of the connection; the next wake-up starts anew."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._closing = True
            self._filled.set()
            thread.join(5)
            self._closing = False

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while True:
            self._filled.wait()
            threading.Event().wait(PAUSE)
            is_last = self._closing
            names = self._take()
            try:
                if names and (connection is None or connection.closed):
                    connection = psycopg.connect(listen_address(), autocommit=True)
                if names and connection is not None:
                    connection.execute(_NOTIFY, [CHANNEL, [name[:PAYLOAD_LIMIT] for name in names]])
            except psycopg.Error as failure:
                log.warning("wake-up not sent", error=str(failure))
                connection = None
            if is_last:
                if connection is not None:
                    connection.close()
                return


_sender = _Sender()
shut = _sender.shut
_local: list[Callable[[str], None]] = []


def hear_locally(hear: Callable[[str], None]) -> None:
    """Call `hear(name)` at once for wake-ups of this same process."""
    _local.append(hear)


def forget_locally(hear: Callable[[str], None]) -> None:
    _local.remove(hear)


def listen_address() -> str:
    """The direct address of the database, in psycopg's form; never PgBouncer's."""
    return str(psycopg.conninfo.make_conninfo(_libpq(settings.DATABASE_LISTEN_URL), dbname=database_name()))


def _libpq(url: str) -> str:
    return (
        url.replace("&pgbouncer=transaction", "")
        .replace("?pgbouncer=transaction&", "?")
        .replace("?pgbouncer=transaction", "")
    )


def database_name() -> str:
    """The database in use (tests use another one than the settings name)."""
    from django.db import connection

    return str(connection.settings_dict["NAME"])


def listen(hear: Callable[[str], None], stop: threading.Event) -> None:
    """Call `hear(name)` for every wake-up until `stop` is set; reconnects by itself. Blocks; run it in a thread."""
    while not stop.is_set():
        try:
            with psycopg.connect(listen_address(), autocommit=True) as connection:
                connection.execute(f"listen {CHANNEL}")
                hear("")  # whatever came while nobody listened
                while not stop.is_set():
                    for note in connection.notifies(timeout=0.5):
                        hear(note.payload)
        except psycopg.Error as failure:
            log.warning("listening interrupted", error=str(failure))
            stop.wait(1)
