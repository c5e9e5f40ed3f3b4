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
    for kind, number in (one for event in events for one in _subjects(event)):
        if kind == "ticket":
            names += [f"ticket-{number}", "views"]
        elif kind == "thread":
            names.append("views")
        elif kind in ("deal", "project") or kind.startswith("2-"):
            names.append("records")
        elif kind == "user":
            names += [f"user-{number}", "users"]
    signal(account_id, names)


def _subjects(event: Event) -> Iterable[tuple[str, int]]:
    """What the event is about: a task's records, the ticket of a message, else what it names itself."""
    if event.object_type == "task":
        return [(event.data["object_type"], event.data["record_id"]), *event.data.get("also", ())]
    ticket_id = event.data.get("ticket_id") if event.object_type != "ticket" else None
    return [("ticket", ticket_id) if ticket_id else (event.object_type, event.object_id)]


def parse(payload: str) -> tuple[int, str] | None:
    """(account, name) of a wake-up, or None when it is not a signal."""
    if not payload.startswith(PREFIX):
        return None
    account, _, name = payload[len(PREFIX) :].partition(":")
    return (int(account), name) if account.isdigit() and name else None
