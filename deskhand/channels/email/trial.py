"""Trying a mail server as it is set up: a real log-in within bounded time, and what was in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from smtplib import SMTPException

from imapclient.exceptions import IMAPClientError

from deskhand.channels.email import imap
from deskhand.channels.email.causes import Cause, cause_of, words_of
from deskhand.channels.email.models import EmailAccount
from deskhand.delivery.relays import Relay
from deskhand.delivery.transports.smtp import try_relay
from deskhand.kernel.errors import DeskhandError

SECONDS = 20.0  # for everything, however the bytes drip
AT_ONCE = threading.BoundedSemaphore(8)  # of a process: a server that never ends an answer holds its thread


@dataclass(frozen=True, slots=True)
class Outcome:
    """`cause` None: it works. `detail` is what the other side said."""

    cause: Cause | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.cause is None


def try_incoming(mailbox: EmailAccount) -> Outcome:
    """Log in and look into the folder, changing nothing. Reads and writes no tables."""
    return _bounded(lambda: imap.look(mailbox))


def try_outgoing(relay: Relay, address: str) -> Outcome:
    """Log in, begin a mail from the address to itself, and send nothing."""
    return _bounded(lambda: try_relay(replace(relay, seconds=SECONDS / 2), address))


def _bounded(work: Callable[[], None]) -> Outcome:
    """Do it in a thread of its own and wait no longer than SECONDS."""
    if not AT_ONCE.acquire(blocking=False):
        return Outcome(Cause.BUSY)
    found: list[Outcome] = []

    def run() -> None:
        try:
            work()
            found.append(Outcome())
        except (OSError, SMTPException, IMAPClientError, DeskhandError, UnicodeError) as failure:
            found.append(Outcome(cause_of(failure), words_of(failure)))
        finally:
            AT_ONCE.release()

    thread = threading.Thread(target=run, name="trial", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else Outcome(Cause.SILENT if thread.is_alive() else Cause.OTHER)
