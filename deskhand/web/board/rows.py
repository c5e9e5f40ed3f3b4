"""What the templates of the board show: frozen rows, ready to be read out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deskhand.web.filters.bar import Bar
from deskhand.web.inbox.panel_rows import Editor
from deskhand.web.inbox.property_values import DASH
from deskhand.web.inbox.rows import Label
from deskhand.web.objects.tabs import Sort
from deskhand.web.shell import Person


@dataclass(frozen=True)
class PipelineLink:
    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class Cell:
    name: str
    label: str
    text: str
    edit_url: str = ""
    link_url: str = ""
    status: Label | None = None
    priority: Label | None = None
    person: Person | None = None
    editor: Editor | None = None
    is_number: bool = False
    tags: tuple[Label, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.text == DASH


@dataclass(frozen=True)
class Row:
    id: int
    url: str
    cells: tuple[Cell, ...]
    subject: str
    may_tick: bool = False

    @property
    def is_edited(self) -> bool:
        return any(cell.editor for cell in self.cells)


@dataclass(frozen=True)
class Mark:
    """What needs no label at the foot of a card: a number, an icon whose name is spoken, or a chip."""

    text: str = ""
    icon: str = ""
    chip: Label | None = None


@dataclass(frozen=True)
class Chosen:
    """What the admins of a pipeline want to read on its cards (R-BOARD-2), without what is empty."""

    who: str  # below the name
    facts: tuple[Cell, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Card:
    id: int
    place: str  # sorts cards within a column: digits of equal length, latest activity is greatest
    subject: str
    url: str
    since: datetime  # it stands in its status
    owner: Person | None
    move_url: str  # the page without scripts
    moved_url: str  # POST; empty when the viewer may not
    chosen: Chosen
    next_due: datetime | None = None  # of its open tasks
    tags: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Column:
    stage_id: int
    status: Label
    count_text: str
    cards: tuple[Card, ...]  # none are read while it is collapsed
    more_url: str
    shown: str  # "stage:count": what a refresh shows again
    create_url: str  # empty where the viewer may not begin one
    sort: Sort
    reasons: Mapping[int, str]  # by status: why its cards can't go there
    is_collapsed: bool = False


@dataclass(frozen=True)
class ViewBar:
    """The saved view whose filters these are. `fields` are how it stands on the page; POST them to `save_url`."""

    name: str
    is_changed: bool
    gone: str  # what it asks for and is deleted
    fields: tuple[tuple[str, str], ...]
    save_url: str  # empty: not theirs to change
    new_url: str
    discard_url: str
    edit_url: str
    lost: str = ""  # the filters of the page that ask for what is deleted: with these it can't be saved
    lost_count: int = 0
    without_url: str = ""  # the page without them


@dataclass(frozen=True)
class BoardPage:
    sort: Sort
    title: str
    pipelines: tuple[PipelineLink, ...]
    columns: tuple[Column, ...]
    url: str
    table_url: str
    automate_url: str
    create_url: str
    columns_url: str  # POST which of them is collapsed or opened
    bar: Bar
    view: ViewBar | None = None
    signal: str = "views"  # when it is read again


@dataclass(frozen=True)
class StatusOption:
    id: int
    status: Label
    current: bool
    reason: str = ""  # why it can't go there


@dataclass(frozen=True)
class MovePage:
    """Where one record may go; also the shared menu of the board, then of none."""

    title: str
    url: str
    back_url: str
    statuses: tuple[StatusOption, ...]
    enroll_url: str = ""  # of the shared menu; the script adds whose card it is
    error: str = ""
    elsewhere: tuple[tuple[str, tuple[StatusOption, ...]], ...] = ()  # other pipelines, with their statuses
    pipeline: str = ""  # its own, where there are others
