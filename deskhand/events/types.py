"""What an event is: a fact in the past tense, with who did it, why, and how deep in a chain of causes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

#: Past this depth automation is no longer told (screens, notifications and webhooks still are).
DEPTH_LIMIT = 10


class ActorKind(StrEnum):
    USER = "user"
    VISITOR = "visitor"
    WORKFLOW = "workflow"
    ROUTING = "routing"
    LLM = "llm"
    INTEGRATION = "integration"
    SYSTEM = "system"


class Actor(NamedTuple):
    """Who did it. `id` is a user, contact, workflow or channel id, as `kind` says; None for the system."""

    kind: ActorKind
    id: int | None = None

    @classmethod
    def user(cls, user_id: int) -> Actor:
        return cls(ActorKind.USER, user_id)


SYSTEM = Actor(ActorKind.SYSTEM)


class Cause(NamedTuple):
    """Why it was done: the event before it, and the rule or workflow step that reacted."""

    event_id: int | None = None
    workflow_id: int | None = None
    revision: int | None = None
    step_id: str | None = None
    enrollment_id: int | None = None
    #: A rule of the pipeline or channel, such as "status_from_reply"; shown in words by the screens.
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in zip(self._fields, self, strict=True) if value is not None}

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> Cause | None:
        return cls(**data) if data else None


class NewEvent(NamedTuple):
    """An event about to be recorded. `version` is the record's, raised under its row lock."""

    kind: str
    object_type: str
    object_id: int
    version: int
    by: Actor
    at: datetime
    data: dict[str, Any] = {}
    cause: Cause | None = None
    depth: int = 0


class Event(NamedTuple):
    """A recorded one: what was new, and its number in the log. It names NewEvent's fields once more, as named tuples can't
    take them over; they are made by the thousand, and three to four times as fast as frozen dataclasses."""

    kind: str
    object_type: str
    object_id: int
    version: int
    by: Actor
    at: datetime
    data: dict[str, Any] = {}
    cause: Cause | None = None
    depth: int = 0
    id: int = 0
    account_id: int = 0
