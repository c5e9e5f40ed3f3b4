"""What an action is given and what it answers. Actions work on sets: one call serves every record at the same step kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from deskhand.accounts.models import TeamMember
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action as PolicyAction
from deskhand.automation import templates, tokens
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.engine.loops import Touches
from deskhand.automation.models import StepStatus
from deskhand.crm.records import store
from deskhand.events.types import Actor, ActorKind, Cause
from deskhand.kernel.database.scope import attempt, current_account_id

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Group(StrEnum):
    """Where the list of actions has it."""

    TELL = "tell"
    RECORD = "record"
    ASSIGN = "assign"
    AUDIENCE = "audience"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Output:
    """Something that an action tells later steps. `values` are all it can be, value and label, if they are few."""

    name: str
    label: str
    values: tuple[tuple[str, str], ...] = ()


def keys_of(enrollment_id: int) -> str:
    """How the names of all effects of a run begin."""
    return f"step:{enrollment_id}:"


#: Whose owner settings mean by these words: the record's own, or that of whom it belongs to, where the action `meets` them.
OWNERS = {"owner": "", "contact_owner": "contact", "company_owner": "company"}


class Doing(NamedTuple):
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
        return f"{keys_of(self.enrollment_id)}{self.step_id}:{self.acted}"

    def owner_of(self, role: str) -> int | None:
        """Whom one of OWNERS means; nobody's contact or company has none."""
        whose = OWNERS[role]
        record = self.record.get(whose) or {} if whose else self.record
        return record.get("owner_id")

    def fill(self, text: object, *, as_stored: bool = False) -> str:
        """A text of the settings with its tokens in place, dates as the API writes them if `as_stored`.

        Raises Invalid when it can't be read.
        """
        given = "" if text is None else str(text)
        return templates.fill(given, self.record, self.outputs, as_stored=as_stored)


@dataclass(frozen=True)
class Waits:
    """The run stays at the step until `calls.answered` tells what came back, or has failed there at `until` (R-WFA-4).

    `token` names the call to who calls back, if somebody does.
    """

    until: datetime
    token: str = ""


class Done(NamedTuple):
    """How it went, in words for the log; `outputs` feed tokens and branches (R-WFA-2).

    RETRYING: did nothing for a passing reason; the step is tried again under the same key, at `again_at` if that is
    given, and has failed after the last try (R-LOG-6).
    """

    status: StepStatus = StepStatus.SUCCEEDED
    message: str = ""
    outputs: Mapping[str, Any] = {}
    waits: Waits | None = None
    ends: str = ""  # the run is over by this, for this reason
    again_at: datetime | None = None
    sent: int = 0  # messages and calls that leave by it: they count against the hour's budget


def skipped(why: str) -> Done:
    return Done(StepStatus.SKIPPED, why)


def failed(why: str) -> Done:
    return Done(StepStatus.FAILED, why)


def waiting(until: datetime, message: str = "", *, token: str = "", sent: int = 0) -> Done:
    """For the answer to a call that leaves by the outbox, or of code that runs beside."""
    return Done(StepStatus.SCHEDULED, message, waits=Waits(until, token), sent=sent)


def try_later(why: str, again_at: datetime | None = None) -> Done:
    return Done(StepStatus.RETRYING, why, again_at=again_at)


class Then(Protocol):
    """Mail at a moment of the past, for actions that tell what they would have done."""

    def contacts(self, doing: Doing, *, everybody: bool) -> Sequence[Mapping[str, Any]]:
        """The record's contact first, then those it is linked to."""

    def has_had(self, about: str, template: str, at: datetime) -> bool:
        """Whether the mail went out about it, such as "ticket:5", within a day."""

    def got(self, email: str, at: datetime) -> int:
        """How many automatic mails went there within an hour."""

    def is_blocked(self, email: str, at: datetime) -> bool: ...

    def refuses(self, contact_id: int, type_id: int | None, at: datetime) -> bool: ...

    def mailed(self, about: str, template: str, to: Sequence[str], at: datetime) -> None:
        """Remember what would have been sent."""

    def choose(self, contact_id: int, type_id: int | None, is_on: bool, at: datetime) -> bool:
        """Remember what would have been chosen; returns whether that is new."""


class Action(ABC):
    """One kind of action: its look, its form, its checks, its words, and what it does. One file each.

    What it does to the record goes through the verbs of the areas, so events, rules and clocks follow by themselves.
    """

    kind: ClassVar[str]
    label: ClassVar[StrPromise | str]
    about: ClassVar[StrPromise | str] = ""  # one line for the list of actions
    icon: ClassVar[str] = "zap"
    tone: ClassVar[str] = "violet"
    group: ClassVar[Group] = Group.RECORD
    #: Kinds of records whose workflows have it; None for all.
    object_types: ClassVar[frozenset[str] | None] = None
    #: What the account's plan must have; None for every plan.
    feature: ClassVar[Feature | None] = Feature.LANE_ACTIONS
    #: What its editor needs besides editing the workflow.
    permission: ClassVar[PolicyAction | None] = None
    #: Whether something leaves by it, a message or a call: what `Done.sent` says counts against the account's budget, and
    #: it is held when that is used up.
    costs: ClassVar[bool] = False
    #: Whether the record must be read again after it.
    changes: ClassVar[bool] = False
    #: Whether it lets records into workflows: runs, also of the same batch, may be over by that (R-RE-6, R-UN-6).
    enrolls: ClassVar[bool] = False
    #: Whether taking a run back tells of it and leaves it, though the record changes: links and segments are no properties.
    is_left: ClassVar[bool] = False
    #: Whether it only works something out for later steps: there is nothing to take back.
    is_pure: ClassVar[bool] = False
    #: Whether what it does can't be undone; who publishes it is asked first.
    is_destructive: ClassVar[bool] = False

    def is_offered(self, account_id: int) -> bool:
        """Whether the account can use it, beside what its plan says: a switch, a channel of its kind."""
        return True

    def needs_in_lane(self, object_type: str, settings: Mapping[str, Any]) -> frozenset[Feature]:
        """What a plan must have besides for it to stand in a lane; of no settings, for it to be offered there."""
        return frozenset()

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        """The fields of its panel, given what is chosen so far."""
        return ()

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What is missing or wrong in the settings, live references included: (field, sentence).

        What the form itself can tell, unless an action knows more.
        """
        around = Around(current_account_id(), object_type_of(settings))
        return reading.problems_of(self.form(around, settings), settings)

    @abstractmethod
    def summary(self, settings: Mapping[str, Any]) -> str:
        """One short line for the screens."""

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        """What of it may enroll records in workflows for `object_type`, here or elsewhere (R-EXEC-21)."""
        return Touches()

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        """What later steps may use (R-WFA-2)."""
        return ()

    def meets(self, settings: Mapping[str, Any]) -> bool:
        """Whether it needs the people around the record; it does where its texts have tokens."""
        return tokens.are_in(settings)

    @abstractmethod
    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """Do it, answering in the order given. Touches only the database; calls outside go through the outbox."""

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        """What `run` would answer, without writing anything: all that it did is taken back."""
        answers: list[Done] = []
        try:
            with attempt():
                answers = self.run(batch)
                raise _TakenBack
        except _TakenBack:
            return answers

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """What `run` would have answered at `doing.now`, and what it would have given the record itself: {property: value},
        as history has them. Without a message, the summary is told.

        For replays of the past: it writes and holds nothing, and asks the database as often for many records as for one.
        """
        return Done(), {}


#: Whether all this is only tried out and taken back: what leaves the database can't be.
is_trial: ContextVar[bool] = ContextVar("is_trial", default=False)


class _TakenBack(Exception):
    pass


def foreseen(doing: Doing, values: Mapping[str, Any]) -> dict[str, Any]:
    """What these values, by column or property, would bring to the record: {property: value} of what would be new."""
    change = store.Change(doing.record_id, values)
    found = store.foreseen(
        doing.object_type,
        change,
        doing.record,
        by=doing.by,
        at=doing.now,
        teams=_main_teams(doing.account_id),
    )
    return {name: new for name, (_old, new) in found.items()}


@once
def _main_teams(account_id: int) -> dict[int, int]:
    members = TeamMember.objects.filter(account_id=account_id, is_main=True)
    return dict(members.values_list("user_id", "team_id"))


def object_type_of(settings: Mapping[str, Any]) -> str:
    """The kind of record that the settings were made for, where their form notes it."""
    return str(settings.get("object_type") or "ticket")


def in_words(action: Action, settings: Mapping[str, Any], object_type: str) -> str:
    """Its summary in a workflow for such records: settings written by hand need not note the kind."""
    return action.summary({**settings, "object_type": settings.get("object_type") or object_type})


def here(around: Around) -> Setting:
    """Notes in the settings for which kind of record they were made."""
    return Setting("object_type", "", Input.HIDDEN, default=around.object_type)


def by_workflow(batch: Sequence[Doing]) -> list[list[Doing]]:
    """A batch in parts that act in the name of one workflow on one kind of record."""
    parts: dict[tuple[str, int], list[Doing]] = {}
    for doing in batch:
        parts.setdefault((doing.object_type, doing.workflow_id), []).append(doing)
    return list(parts.values())
