"""The worker as a whole."""

from __future__ import annotations

import threading

import pytest

from deskhand import wiring
from deskhand.channels.email import imap


def test_a_worker_that_has_lost_a_part_ends(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody starts it anew; a worker without a door for mail would look healthy for ever."""

    def fail(_stop: threading.Event) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(imap, "run_pollers", fail)
    stop = threading.Event()
    guard = threading.Timer(20, stop.set)
    guard.start()

    with pytest.raises(RuntimeError, match="new thread"):
        wiring.run_worker(stop=stop, roles={"mail-in"})

    guard.cancel()
    wiring.disconnect()
