"""Of what apps can be told (api.md §2.8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deskhand.events.types import Event

CREATION, DELETION, CHANGE = "creation", "deletion", "propertyChange"
MERGE, RESTORE, ASSOCIATION = "merge", "restore", "associationChange"
OF_RECORDS = (CREATION, DELETION, CHANGE, MERGE, RESTORE, ASSOCIATION)
NEW_MESSAGE = "newMessage"

CONVERSATION, OBJECT = "conversation", "object"
#: The kinds that the contract has names of their own for, and the number of each built-in one.
NAMED = ("contact", "company", "deal", "ticket")
NUMBERS = {"contact": "0-1", "company": "0-2", "deal": "0-3", "ticket": "0-5", "project": "0-970"}

EVENT_TYPES = (
    *(f"{kind}.{what}" for kind in (*NAMED, OBJECT) for what in OF_RECORDS),
    "contact.privacyDeletion",
    *(f"{CONVERSATION}.{what}" for what in (CREATION, DELETION, NEW_MESSAGE, CHANGE)),
)
#: What of a conversation can change, and what the log calls it.
THREAD_PROPERTIES = {"is_open": "status", "assignee_id": "assignedTo", "is_archived": "isArchived"}

_RECORD_VERBS = {
    "created": CREATION, "archived": DELETION, "restored": RESTORE, "linked": ASSOCIATION, "unlinked": ASSOCIATION,
    "merged": MERGE, "unmerged": RESTORE, "erased": "privacyDeletion",
}  # fmt: skip
_RECEIVED, _SENT, _COMMENTED = "message.received", "message.sent", "comment.added"
_OWN_SIDE_ONLY = ("contact", "company")  # of a link with other kinds their side has no event of its own
_FLAGS = {CREATION: "NEW", DELETION: "DELETED", RESTORE: "RESTORED"}


@dataclass(frozen=True)
class Happening:
    """One thing to tell. `object_type` is a kind of record or "conversation"; `facts` are of its own kind, as they are sent."""

    what: str
    object_type: str
    object_id: int
    event: Event
    property_name: str = ""
    value: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def is_told(event: Event) -> bool:
    """Whether anything of it could be told: a quick look before anybody is asked for. Spam is no news."""
    if event.data.get("is_spam"):
        return False
    if event.object_type == "thread":
        return event.kind in (_RECEIVED, _SENT, _COMMENTED) or bool(_thread_changes(event))
    verb = event.kind.rpartition(".")[2]
    is_record = event.object_type in NUMBERS or event.object_type.startswith("2-")
    return is_record and (verb in _RECORD_VERBS or bool(event.data.get("changes")))


def maybe_first(events: Iterable[Event]) -> set[int]:
    """Conversations that somebody of ours may have begun: the messages have to be looked at."""
    return {event.object_id for event in events if event.kind in (_SENT, _COMMENTED)}


def happenings(event: Event, first_messages: Mapping[int, int]) -> list[Happening]:
    """What there is to tell of an event. `first_messages`: of the conversations of `maybe_first`."""
    if event.object_type == "thread":
        return _of_thread(event, first_messages)
    object_type, record_id, verb = event.object_type, event.object_id, event.kind.rpartition(".")[2]
    what = _RECORD_VERBS.get(verb, "")
    if what == ASSOCIATION:
        return _of_link(event, is_removed=verb == "unlinked")
    if what == MERGE:
        merged = _other_of_merge(event)
        facts = {"primaryObjectId": record_id, "mergedObjectIds": [merged], "newObjectId": record_id}
        return [Happening(MERGE, object_type, record_id, event, facts=facts)]
    if verb == "unmerged":
        return [
            Happening(
                RESTORE, object_type, _other_of_merge(event), event, facts={"changeFlag": _FLAGS[RESTORE]}
            )
        ]
    if what:
        flag = _FLAGS.get(what)
        return [Happening(what, object_type, record_id, event, facts={"changeFlag": flag} if flag else {})]
    return [
        Happening(CHANGE, object_type, record_id, event, name, pair[1])
        for name, pair in event.data.get("changes", {}).items()
    ]


def _other_of_merge(event: Event) -> int:
    after = event.data.get("after") or {}
    return int(event.data.get("merged_id") or after.get("merged") or after.get("parted") or 0)


def _of_link(event: Event, *, is_removed: bool) -> list[Happening]:
    """Both ends hear of it; of people and companies linked with other kinds only the other end has an event."""
    own, other = (event.object_type, event.object_id), (event.data["to_type"], event.data["to_id"])
    sides = [(own, other)]
    if other[0] in _OWN_SIDE_ONLY and own[0] not in _OWN_SIDE_ONLY:
        sides.append((other, own))
    return [
        Happening(
            ASSOCIATION, kind, pk, event,
            facts={
                "fromObjectId": pk, "toObjectId": to_id, "associationType": f"{kind}_TO_{to_kind}".upper(),
                "associationRemoved": is_removed, "isPrimaryAssociation": False,
            },
        )
        for (kind, pk), (to_kind, to_id) in sides
    ]  # fmt: skip


def _thread_changes(event: Event) -> dict[str, Any]:
    changes = event.data.get("changes") or {}
    return {THREAD_PROPERTIES[name]: pair[1] for name, pair in changes.items() if name in THREAD_PROPERTIES}


def _of_thread(event: Event, first_messages: Mapping[int, int]) -> list[Happening]:
    thread_id, told = event.object_id, []
    if event.kind in (_RECEIVED, _SENT, _COMMENTED):
        message_id = event.data["message_id"]
        if event.data.get("opened") or first_messages.get(thread_id) == message_id:
            told.append(Happening(CREATION, CONVERSATION, thread_id, event, facts={"changeFlag": "NEW"}))
        kind = "COMMENT" if event.kind == _COMMENTED else "MESSAGE"
        facts = {"messageId": str(message_id), "messageType": kind, "changeFlag": "NEW_MESSAGE"}
        return [*told, Happening(NEW_MESSAGE, CONVERSATION, thread_id, event, facts=facts)]
    for name, value in _thread_changes(event).items():
        if name == "isArchived" and value:
            told.append(Happening(DELETION, CONVERSATION, thread_id, event, facts={"changeFlag": "DELETED"}))
        told.append(Happening(CHANGE, CONVERSATION, thread_id, event, name, _of_conversation(name, value)))
    return told


def _of_conversation(name: str, value: Any) -> Any:
    """As the API writes it of a conversation (api.md §2.6)."""
    if name == "status":
        return "OPEN" if value else "CLOSED"
    if name == "assignedTo":
        return f"A-{value}" if value else ""
    return value
