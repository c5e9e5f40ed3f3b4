"""Signals to open pages: names and nothing else. Pages read again what they care about, with their own rights.

A signal is `live:<account>:<name>`; the stream of an account passes on its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deskhand.events.types import Event
from deskhand.kernel.database.wake import wake

PREFIX = "live:"


def signal(account_id: int, names: Iterable[str]) -> None:
    """Send signals once the present transaction has committed; equal ones within 20 ms are one."""
    told = dict.fromkeys(names)
    if told:
        wake(*(f"{PREFIX}{account_id}:{name}" for name in told))


def tell_pages(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: which pages care about these events."""
    names: list[str] = []
    for event in events:
        ticket_id = event.object_id if event.object_type == "ticket" else event.data.get("ticket_id")
        of_task = [pk for kind, pk in event.data.get("also", ()) if kind == "ticket"] if event.object_type == "task" else ()  # fmt: skip
        names += [f"ticket-{pk}" for pk in of_task]
        if ticket_id:
            names += [f"ticket-{ticket_id}", "views"]
        elif event.object_type == "thread":
            names.append("views")
        elif event.object_type in ("deal", "project") or event.object_type.startswith("2-"):
            names.append("records")
        elif event.object_type == "user":
            names.append(f"user-{event.object_id}")
    signal(account_id, names)


def parse(payload: str) -> tuple[int, str] | None:
    """(account, name) of a wake-up, or None when it is not a signal."""
    if not payload.startswith(PREFIX):
        return None
    account, _, name = payload[len(PREFIX) :].partition(":")
    return (int(account), name) if account.isdigit() and name else None
