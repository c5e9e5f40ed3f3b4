"""What people are told about, in the order of what counts more, and who is to be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Topic(StrEnum):
    MENTION = "mention"  # somebody named me in a comment
    ASSIGNED = "assigned"  # a ticket became mine
    TEAM = "team"  # somebody handed tickets over to a team of mine
    TASK = "task"  # somebody gave me something to do
    REMINDER = "reminder"  # a task of mine is to be done soon
    MESSAGE = "message"  # a customer or colleague wrote on a ticket of mine
    COMMENT = "comment"  # a colleague commented on a ticket of mine
    REOPENED = "reopened"  # a closed ticket of mine is open again
    STATUS = "status"  # somebody else changed the status of a ticket of mine
    SNOOZED = "snoozed"  # what was put off is to be looked at again
    FOLLOWED = "followed"  # a message or comment on a ticket that I follow
    UNASSIGNED = "unassigned"  # a new ticket is nobody's
    NOTICE = "notice"  # a workflow tells me something about a record
    AVAILABILITY = "availability"  # a colleague changed whether I am available
    FAILURE = "failure"  # something failed that I can set right


class Kind(StrEnum):
    """What a notice is about that is about no ticket."""

    AUTOMATION = "workflow"
    RECEIVING = "receiving"
    SENDING = "sending"
    QUARANTINE = "quarantine"
    WORK = "job"
    BUDGET = "budget"
    RATE = "rate"
    PACE = "pace"


#: What a notice is about that is about whether somebody is available.
AVAILABILITY = "availability"
#: What is told of records of all kinds, not of tickets alone.
ABOUT_RECORDS = frozenset({Topic.TASK, Topic.REMINDER, Topic.NOTICE})
#: Who is told by which way, unless they chose otherwise (R-NOT-12). The bell rings for all but what is asked for; what pops
#: up comes to their browsers and their chat, too, where they named some.
MAILED = frozenset({Topic.MENTION})
POPPING = frozenset({Topic.MENTION, Topic.ASSIGNED})
ASKED_FOR = frozenset({Topic.UNASSIGNED, Topic.STATUS})


@dataclass(frozen=True)
class Concerned:
    """Whom events concern, beside the owners of their tickets."""

    mentioned: Mapping[int, Collection[int]] = field(default_factory=dict)  # message → users
    followers: Mapping[int, Collection[int]] = field(default_factory=dict)  # ticket → users
    watchers: Collection[int] = ()  # users who want to hear of tickets that are nobody's
    undecided: Collection[int] = ()  # tickets whose owner may still be chosen


@dataclass(frozen=True)
class Failure:
    """What failed how often: of one object, all that is news at once. `name` is as it was then."""

    kind: Kind
    object_id: int
    name: str
    number: int
    event_id: int  # the newest
    owner_id: int | None = None  # whose it is, and who wants to hear of it (R-EXEC-9)


@dataclass(frozen=True)
class Notice:
    """One person is told of one event, once (R-NOT-15)."""

    user_id: int
    event_id: int
    topic: Topic
    ticket_id: int
    actor_kind: str
    actor_id: int | None
    task_id: int | None = None
    task: str = ""  # what is to be done; the name of a new status, or of a team
    number: int = 1  # of tickets that were handed over together
    others: tuple[int, ...] = ()  # of these, that it leads to once the first is gone
