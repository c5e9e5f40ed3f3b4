"""Conversations as apps are told of them (api.md §2.8). Pure."""

from datetime import UTC, datetime
from typing import Any

from deskhand.events.types import Actor, Event
from deskhand.webhooks import types

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)


def told(kind: str, first: dict[int, int] | None = None, **data: Any) -> list[tuple[str, str, Any]]:
    event = Event(kind, "thread", 9, 1, Actor.user(7), NOON, data, id=5, account_id=1)
    if not types.is_told(event):
        return []
    return [
        (one.what, one.property_name, one.value or one.facts.get("messageType"))
        for one in types.happenings(event, first or {})
    ]


def test_the_first_message_begins_a_conversation():
    """A customer's, and one of ours."""
    begun = [("creation", "", None), ("newMessage", "", "MESSAGE")]

    assert told("message.received", message_id=3, opened=True) == begun
    assert told("message.sent", {9: 3}, message_id=3) == begun
    assert told("message.sent", {9: 2}, message_id=3) == begun[1:]
    assert told("comment.added", {9: 2}, message_id=3) == [("newMessage", "", "COMMENT")]


def test_what_changes_is_told_as_the_api_writes_it():
    """api.md §2.6: status and actors."""
    assert told("thread.updated", changes={"is_open": [True, False]}) == [
        ("propertyChange", "status", "CLOSED")
    ]
    assert told("thread.assigned", changes={"assignee_id": [None, 7]}) == [
        ("propertyChange", "assignedTo", "A-7")
    ]
    assert told("thread.updated", changes={"is_archived": [False, True]}) == [
        ("deletion", "", None), ("propertyChange", "isArchived", True),
    ]  # fmt: skip


def test_what_no_contract_names_is_not_told():
    """Filtered mail, marks of spam, and what is about no conversation."""
    assert told("message.filtered", message_id=3) == []
    assert told("thread.updated", changes={"is_spam": [False, True]}) == []
    assert not types.is_told(Event("user.added", "user", 9, 1, Actor.user(7), NOON, {}, id=5, account_id=1))
