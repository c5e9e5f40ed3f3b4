"""What the screens around workflows show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from deskhand.web.choices import Choice, Tab
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person
from deskhand.web.troubles import NOTHING, Trouble


@dataclass(frozen=True)
class Line:
    """One workflow of the list. Addresses are empty for what the viewer may not do."""

    id: int
    name: str
    url: str
    trigger: str
    type_label: str
    lane: str  # "Support › New", of a status's automation
    folder: str
    state: Label
    is_on: bool
    inside_text: str
    inside: int
    week_text: str
    month_text: str
    spark: str  # points of a line, 0 0 to 58 16; empty when nothing came
    errors_text: str
    owner: Person | None
    changed_at: datetime
    changed_by: str
    going: str = ""  # how far its switching on is
    review: Trouble = NOTHING
    is_archived: bool = False
    may_edit: bool = False
    row_url: str = ""
    switch_url: str = ""
    history_url: str = ""
    errors_url: str = ""
    replay_url: str = ""
    details_url: str = ""
    clone_url: str = ""
    archive_url: str = ""
    restore_url: str = ""


@dataclass(frozen=True)
class ListPage:
    title: str
    lines: tuple[Line, ...]
    text: str
    types: tuple[Choice, ...]
    states: tuple[Choice, ...]
    owners: tuple[Choice, ...]
    sorts: tuple[Choice, ...]
    folders: tuple[Choice, ...]  # where chosen ones may be moved to
    hidden: tuple[tuple[str, str], ...]  # what stays asked for when the filters change
    here: str  # the address, to come back to
    new_url: str
    more_url: str
    clear_url: str
    is_filtered: bool
    is_archive: bool
    may_edit: bool
    empty_title: str = ""
    empty_text: str = ""


@dataclass(frozen=True)
class FolderLine:
    id: int
    name: str
    count_text: str
    url: str
    error: str = ""


@dataclass(frozen=True)
class FoldersPage:
    folders: tuple[FolderLine, ...]
    typed: str = ""
    error: str = ""


@dataclass(frozen=True)
class Top:
    """The head of the pages about one workflow: name, state, and the pages beside each other."""

    id: int
    name: str
    state: Label
    lane: str
    tabs: tuple[Tab, ...]
    editor_url: str
    details_url: str = ""
    description: str = ""
    is_archived: bool = False
    restore_url: str = ""


@dataclass(frozen=True)
class Details:
    """The form for what a workflow is called and whose it is."""

    id: int
    name: str
    description: str
    owners: tuple[Choice, ...]
    folders: tuple[Choice, ...]
    back_url: str
    uses: tuple[tuple[str, str], ...] = ()  # name and address of the workflows that name it
    errors: dict[str, str] = field(default_factory=dict)

    def attributes(self, name: str) -> dict[str, str]:
        """What a control says about its error; what is wrong has focus on a new page."""
        if name not in self.errors:
            return {}
        return {"aria-invalid": "true", "aria-describedby": f"error-{name}", "autofocus": ""}


@dataclass(frozen=True)
class Asking:
    """A question before something is done: `url` gets the POST."""

    title: str
    sentences: tuple[str, ...]
    url: str
    label: str
    icon: str
    back_url: str
    choices: tuple[tuple[str, str, str], ...] = ()  # value, label and help of "present"
    hidden: tuple[tuple[str, str], ...] = ()
    is_danger: bool = False
    uses: tuple[tuple[str, str], ...] = ()  # name and address of the workflows that name it


@dataclass(frozen=True)
class RecordName:
    """A record; without an address it was deleted."""

    title: str
    url: str = ""


@dataclass(frozen=True)
class StepName:
    """A step as people know it. `icon` and `tone` are those of its kind."""

    title: str
    summary: str = ""
    icon: str = "zap"
    tone: str = ""


@dataclass(frozen=True)
class RunLine:
    """A record on its way through, or at its end."""

    id: int
    record: RecordName
    url: str
    reason: str
    enrolled_at: datetime
    state: Label
    step: StepName | None
    ended_at: datetime | None
    ended: str
    until: str = ""  # what it waits for
    since: datetime | None = None


@dataclass(frozen=True)
class LogLine:
    id: int
    record: RecordName
    run_url: str
    step: StepName
    status: Label
    message: str
    detail: str
    outputs: tuple[tuple[str, str], ...]
    at: datetime


@dataclass(frozen=True)
class Filters:
    """What the lists of one workflow may be narrowed to."""

    url: str
    text: str
    since: str
    until: str
    clear_url: str = ""  # empty: nothing is asked for
    states: tuple[Choice, ...] = ()
    statuses: tuple[Choice, ...] = ()
    steps: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class GoalWeek:
    """A bar: of those who entered in the week, who reached the goal. Measured in the picture's own units."""

    day: str  # on which it begins
    entered_text: str
    met_text: str
    x: int
    height: float
    met_height: float


@dataclass(frozen=True)
class GoalBox:
    """The goal in words, and how many reach it (R-UN-5)."""

    said: str
    result: str
    inside: str
    weeks: tuple[GoalWeek, ...]  # none where nobody entered


@dataclass(frozen=True)
class HistoryPage:
    lines: tuple[RunLine, ...]
    filters: Filters
    more_url: str
    goal: GoalBox | None
    enroll_url: str = ""
    again_url: str = ""  # runs all that failed once more
    file_url: str = ""


@dataclass(frozen=True)
class LogPage:
    lines: tuple[LogLine, ...]
    filters: Filters
    more_url: str
    file_url: str


@dataclass(frozen=True)
class TakenBack:
    at: datetime
    text: str  # who took back how much


@dataclass(frozen=True)
class RunPage:
    run: RunLine
    lines: tuple[LogLine, ...]
    is_cut: bool
    retries: str
    revision_text: str
    verbs: tuple[Choice, ...] = ()  # what can be done with it by hand
    undo_url: str = ""  # where something can be taken back
    why_again: str = ""  # what the last try failed of
    taken_back: tuple[TakenBack, ...] = ()
    stayed_url: str = ""  # where something stayed then


@dataclass(frozen=True)
class WaitingPage:
    step: StepName
    lines: tuple[RunLine, ...]
    count_text: str
    step_id: str
    more_url: str
    may_act: bool
    here: str
    may_recalculate: bool  # R-DELAY-11


@dataclass(frozen=True)
class CallLine:
    """A call from outside."""

    id: int
    at: datetime
    state: Label
    record: RecordName | None  # that it means; without an address where the viewer may not see it
    why: str
    body: str  # empty where it is no text, and for who may not read it
    size: str
    may_repeat: bool


@dataclass(frozen=True)
class CallsPage:
    lines: tuple[CallLine, ...]
    more_url: str
    states: tuple[Choice, ...]
    may_repeat: bool
    may_repeat_all: bool  # some could not be used, other than refused
    may_read: bool
    here: str


@dataclass(frozen=True)
class ReviewLine:
    line: Line
    way: str  # how to put it right
    failed: int  # runs that ended because a step failed
    history_url: str


@dataclass(frozen=True)
class ReviewPage:
    lines: tuple[ReviewLine, ...]
    more_url: str


@dataclass(frozen=True)
class CardLine:
    """One workflow that a record is in, or was."""

    name: str
    url: str  # its run, for who may open workflows
    state: Label
    step: str
    when: str  # until when it waits, or how it ended
    at: datetime
    leave_url: str = ""
    run_id: int = 0


@dataclass(frozen=True)
class Card:
    """What automation does with a record."""

    inside: tuple[CardLine, ...]
    over: tuple[CardLine, ...]
    enroll_url: str
    here: str


@dataclass(frozen=True)
class EnrollPage:
    """Choosing a workflow for records, or records for a workflow."""

    title: str
    records: tuple[RecordName, ...]
    more_text: str
    ids: tuple[int, ...]
    workflows: tuple[tuple[int, str, str], ...]  # id, name, what starts it
    back_url: str
    url: str
    error: str = ""


@dataclass(frozen=True)
class PickPage:
    """Choosing a record of a workflow's kind by searching for it."""

    text: str
    found: tuple[tuple[int, str], ...]
    url: str


@dataclass(frozen=True)
class RevisionLine:
    number: int
    at: datetime
    by: str
    note: str
    restores: str
    is_current: bool
    url: str
    compare_url: str
    changes: tuple[str, ...]  # against the one before, in words


@dataclass(frozen=True)
class RevisionsPage:
    lines: tuple[RevisionLine, ...]
    more_url: str


@dataclass(frozen=True)
class OutlineLine:
    """A step as it is read: how deep it stands, and the way that leads to it."""

    depth: int
    way: str
    step: StepName


@dataclass(frozen=True)
class RevisionPage:
    number: int
    at: datetime
    by: str
    note: str
    trigger: str
    lines: tuple[OutlineLine, ...] | None  # None: it can't be read
    is_current: bool
    restore_url: str
    back_url: str


@dataclass(frozen=True)
class ComparePage:
    older: int
    newer: int
    choices_older: tuple[Choice, ...]
    choices_newer: tuple[Choice, ...]
    url: str
    parts: tuple[tuple[str, str, str], ...]  # what, before, after
    steps: tuple[
        tuple[Label, StepName, tuple[tuple[str, str, str], ...]], ...
    ]  # what happened to it, and in it


@dataclass(frozen=True)
class TestLine:
    """A condition, and whether it holds; `found` is the record's value."""

    depth: int
    title: str
    operator: str
    values: str
    holds: bool
    found: str = ""
    error: str = ""


@dataclass(frozen=True)
class HappenedLine:
    title: str
    at: datetime
    is_meant: bool


@dataclass(frozen=True)
class WhyPage:
    """Choosing a record, and what decides about it."""

    text: str
    found: tuple[tuple[str, str], ...]  # address and name
    url: str
    record: RecordName | None = None
    verdict: str = ""
    is_inside: bool = False
    trigger: tuple[TestLine, ...] = ()
    kept_out: tuple[TestLine, ...] = ()
    happened: tuple[HappenedLine, ...] = ()
    runs: tuple[RunLine, ...] = ()
    next_text: str = ""
