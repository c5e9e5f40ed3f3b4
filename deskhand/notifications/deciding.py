"""Who is told of what: pure. One event, one person, one notice (R-NOT-15); nobody of their own doing (R-NOT-9)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from deskhand.crm.records.agents import was_handed_off
from deskhand.events.types import ActorKind, Event
from deskhand.notifications.types import Concerned, Notice, Topic

RECEIVED, SENT, COMMENTED = "message.received", "message.sent", "comment.added"
CREATED, HANDED_OVER = "ticket.created", "ticket.handed_over"
OWNER = "hubspot_owner_id"


def ticket_of(event: Event) -> int | None:
    """The ticket an event is news about, None for all that is none."""
    if event.data.get("is_spam"):
        return None
    if is_task(event):
        return event.data.get("ticket_id")
    if _is_of_hand_over(event):
        return None  # who gets tickets is told of all of them
    if event.kind in (RECEIVED, SENT, COMMENTED):
        is_by_machine = event.data.get("automatic") not in (None, False, "no")
        return None if is_by_machine else event.data.get("ticket_id")
    if is_over(event) or event.kind == HANDED_OVER:
        return event.object_id
    is_news = (
        new_owner(event)
        or is_nobodys(event)
        or ((was_reopened(event) or was_moved(event)) and not _is_of_message(event))
    )
    return event.object_id if is_news else None


def tickets_of(event: Event) -> Sequence[int]:
    """The ticket, and those that it may be told of instead once that is gone."""
    if (first := ticket_of(event)) is None:
        return ()
    return [first, *event.data["tickets"]] if event.kind == HANDED_OVER else [first]


def led_by(event: Event, known: Container[int]) -> Event:
    """Of many tickets, told of the first that is there."""
    if event.kind != HANDED_OVER:
        return event
    there = next((pk for pk in tickets_of(event) if pk in known), event.object_id)
    return event._replace(object_id=there)


def was_reopened(event: Event) -> bool:
    """A closed ticket is open again, whoever or whatever did it (R-REOPEN-3)."""
    return event.object_type == "ticket" and event.data.get("changes", {}).get("hs_is_closed") == [
        True,
        False,
    ]


def was_moved(event: Event) -> bool:
    """It has another status."""
    changes = event.data.get("changes") or {}
    return event.object_type == "ticket" and event.kind != CREATED and "hs_pipeline_stage" in changes


def is_over(event: Event) -> bool:
    """What was put off is to be looked at again, because its moment has come."""
    return event.kind == "ticket.woken" and bool(event.data.get("due"))


def _is_of_message(event: Event) -> bool:
    """The message that reopened it is news itself."""
    cause = event.cause
    return cause is not None and cause.event_id is not None and cause.rule in _BY_MESSAGE


_BY_MESSAGE = {"reopen_on_reply", "status_from_reply", "status_from_sent", "chosen_with_reply"}


def _is_of_hand_over(event: Event) -> bool:
    return event.cause is not None and event.cause.rule == "hand_over"


def _is_taken_back(event: Event) -> bool:
    """Who gets a ticket back was not told that it had gone."""
    return event.cause is not None and event.cause.rule == "taken_back"


def is_new(event: Event) -> bool:
    return event.object_type == "ticket" and event.kind == CREATED


def is_nobodys(event: Event) -> bool:
    """It waits for people now: it is new, or an automatic agent has given it up (R-AI-14)."""
    return is_new(event) or (event.object_type == "ticket" and was_handed_off(event.data.get("changes", {})))


def is_task(event: Event) -> bool:
    """Somebody was given a task."""
    return event.object_type == "task" and bool(event.data.get("given"))


def new_owner(event: Event) -> int | None:
    if event.object_type != "ticket" or _is_taken_back(event):
        return None
    if event.kind == CREATED:
        return event.data.get("owner_id")
    owner: int | None = event.data.get("changes", {}).get(OWNER, [None, None])[1]
    return owner


def decide(events: Sequence[Event], owners: Mapping[int, int | None], concerned: Concerned) -> list[Notice]:
    """`owners`: of the tickets, as they are now."""
    found: dict[tuple[int, int], Notice] = {}
    for event in events:
        ticket_id = ticket_of(event)
        if (
            ticket_id is None or ticket_id not in owners
        ):  # what is gone is no news, nor what others are folded into
            continue
        for topic, user_id in _told(event, ticket_id, owners.get(ticket_id), concerned):
            is_own_doing = event.by.kind is ActorKind.USER and event.by.id == user_id
            if not is_own_doing:
                about, number = _about(event, topic)
                by = event.by
                others = tuple(event.data["tickets"]) if event.kind == HANDED_OVER else ()
                notice = Notice(
                    user_id, event.id, topic, ticket_id, by.kind.value, by.id, *about, number, others
                )
                found.setdefault((event.id, user_id), notice)
    return list(found.values())


def _about(event: Event, topic: Topic) -> tuple[tuple[int | None, str], int]:
    """The task that it is about, or the team; and how many tickets."""
    if event.kind == HANDED_OVER:
        return (None, event.data["team"]), event.data["number"]
    return ((event.object_id, event.data["title"]) if topic is Topic.TASK else (None, "")), 1


def _told(
    event: Event, ticket_id: int, owner_id: int | None, concerned: Concerned
) -> Iterator[tuple[Topic, int]]:
    """What counts more comes first."""
    if is_task(event):
        yield Topic.TASK, event.data["assignee_id"]
        return
    if event.kind == HANDED_OVER:
        topic = Topic.TEAM if event.data["team"] else Topic.ASSIGNED
        yield from ((topic, user_id) for user_id in event.data["users"])
        return
    if (assigned := new_owner(event)) is not None:
        yield Topic.ASSIGNED, assigned
        return
    if is_nobodys(event):
        if owner_id is None and ticket_id not in concerned.undecided:
            yield from ((Topic.UNASSIGNED, user_id) for user_id in concerned.watchers)
        return
    if was_reopened(event):
        if owner_id:
            yield Topic.REOPENED, owner_id
        return
    if was_moved(event):
        if owner_id:
            yield Topic.STATUS, owner_id
        return
    if is_over(event):
        yield from ((Topic.SNOOZED, user_id) for user_id in event.data["users"])
        if event.data["for_all"] and owner_id:
            yield Topic.SNOOZED, owner_id
        return
    if event.kind == COMMENTED:
        for user_id in concerned.mentioned.get(event.data["message_id"], ()):
            yield Topic.MENTION, user_id
    is_first = event.kind == RECEIVED and event.data.get("opened")  # who got the ticket is told of that
    if owner_id and not is_first:
        yield Topic.COMMENT if event.kind == COMMENTED else Topic.MESSAGE, owner_id
    for user_id in concerned.followers.get(ticket_id, ()):
        yield Topic.FOLLOWED, user_id
