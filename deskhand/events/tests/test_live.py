"""Signals to open pages: which of them hear of an event."""

from __future__ import annotations

import pytest

from deskhand.events import live
from deskhand.events.types import SYSTEM, Event
from deskhand.kernel import clock

TASK = {"object_type": "ticket", "record_id": 1, "ticket_id": 1}


@pytest.mark.parametrize(
    ("object_type", "data", "heard"),
    [
        ("ticket", {}, ["ticket-9", "views"]),
        ("ticket", {"ticket_id": 9, "merged_id": 8}, ["ticket-9", "views"]),
        ("thread", {"ticket_id": 3}, ["ticket-3", "views"]),
        ("thread", {}, ["views"]),
        ("deal", {}, ["records"]),
        ("2-17", {}, ["records"]),
        ("user", {}, ["user-9", "users"]),
        ("contact", {}, []),
        ("task", TASK, ["ticket-1", "views"]),
        ("task", TASK | {"also": [["deal", 2], ["ticket", 3]]}, ["ticket-1", "views", "records", "ticket-3"]),
        ("task", {"object_type": "deal", "record_id": 2}, ["records"]),
        ("task", {"object_type": "contact", "record_id": 2, "also": [["ticket", 3]]}, ["ticket-3", "views"]),
    ],
)  # fmt: skip
def test_pages_hear_of_what_an_event_is_about_R_WFA_8(monkeypatch, object_type, data, heard):
    """Of a task the pages of each of its records, and the lists that they stand in: cards say what is due next."""
    told: list[str] = []
    monkeypatch.setattr(live, "wake", lambda *names: told.extend(names))

    live.tell_pages(4, [Event("it.happened", object_type, 9, 1, SYSTEM, clock.now(), data)])

    assert told == [f"live:4:{name}" for name in heard]
