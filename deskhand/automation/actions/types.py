"""What an action is given and what it answers. Actions work on sets: one call serves every record at the same step kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from deskhand.automation.models import StepStatus
from deskhand.events.types import Actor, ActorKind, Cause


@dataclass(frozen=True)
class Doing:
    """One record at one action."""

    account_id: int
    enrollment_id: int
    workflow_id: int
    revision: int
    step_id: str
    settings: Mapping[str, Any]
    object_type: str
    record_id: int
    #: The record's columns; where the action `meets` them, also "contact", "company", "owner" and "channel".
    record: Mapping[str, Any]
    outputs: Mapping[str, Any]
    event_id: int | None
    depth: int
    acted: int
    now: datetime

    @property
    def by(self) -> Actor:
        return Actor(ActorKind.WORKFLOW, self.workflow_id)

    @property
    def cause(self) -> Cause:
        return Cause(
            event_id=self.event_id, workflow_id=self.workflow_id, revision=self.revision, step_id=self.step_id,
            enrollment_id=self.enrollment_id,
        )  # fmt: skip

    @property
    def key(self) -> str:
        """Names this effect for ever, so that it happens once each time the record comes by (R-EXEC-23)."""
        return f"step:{self.enrollment_id}:{self.step_id}:{self.acted}"


@dataclass(frozen=True)
class Done:
    """How it went, in words for the log; `outputs` feed tokens and branches (R-WFA-2)."""

    status: StepStatus = StepStatus.SUCCEEDED
    message: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)


def skipped(why: str) -> Done:
    return Done(StepStatus.SKIPPED, why)


def failed(why: str) -> Done:
    return Done(StepStatus.FAILED, why)


class Action(Protocol):
    """One kind of action; `run` answers in the order given and touches only the database."""

    kind: str

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What is missing or wrong in the settings: (field, sentence)."""

    def summary(self, settings: Mapping[str, Any]) -> str:
        """One short line for the screens."""

    def meets(self, settings: Mapping[str, Any]) -> bool:
        """Whether it needs the people around the record."""

    def run(self, batch: Sequence[Doing]) -> list[Done]: ...
