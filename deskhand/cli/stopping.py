"""Being told to stop: Ctrl-C and SIGTERM become an event that loops and threads look at."""

from __future__ import annotations

import signal
import threading


def on_signals() -> threading.Event:
    """Return what is set once SIGTERM or SIGINT arrives. For the main thread.

    Another thread sets it: the main thread may hold the event's own lock just then, and would wait for itself forever.
    """
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: threading.Thread(target=stop.set, daemon=True).start())
    return stop
