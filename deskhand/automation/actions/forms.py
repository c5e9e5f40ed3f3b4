"""What the form of an action asks for. The screens draw it, and `reading.read` makes settings of what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deskhand.crm.schema.types import Property


class Input(StrEnum):
    """A kind of field, and what its setting is in JSON."""

    TEXT = "text"  # one line
    LONG = "long"  # lines
    CODE = "code"  # lines, drawn as code
    NUMBER = "number"  # a whole number
    CHECK = "check"  # true or false
    TIME = "time"  # a time of day, "09:30"
    CHOICE = "choice"  # the value of one option
    MANY = "many"  # a list of values of options
    USERS = "users"  # a list of user ids
    TEAMS = "teams"  # a list of team ids
    SPAN = "span"  # minutes, asked for in days, hours and minutes
    PROPERTY = "property"  # a property's name; choosing it draws the form again
    VALUE = "value"  # a value of the property in `of`, as the API writes it; None is empty
    PAIRS = "pairs"  # a list of {"name", "value"}; with options, the value is one of them
    CONDITION = "condition"  # a filter's JSON
    HIDDEN = "hidden"  # its default; nobody is asked


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    group: str = ""


@dataclass(frozen=True)
class Setting:
    """One field. `name` is the key in the settings; "kind", "after", "revision" and "redraw" are the pages' own."""

    name: str
    label: str
    input: Input = Input.TEXT
    required: bool = False
    help: str = ""
    options: tuple[Option, ...] = ()
    default: Any = None
    takes_tokens: bool = False
    #: Shown only while another setting has one of these values.
    only_if: tuple[str, tuple[str, ...]] | None = None
    #: The setting whose choice decides this one: the property of a VALUE, the kind of record of a PROPERTY.
    of: str = ""
    redraws: bool = False  # what else is asked for depends on it
    at_least: int | None = None  # of a number, or minutes of a span
    at_most: int | None = None
    prop: Property | None = None  # of a VALUE: the property itself
    #: Label, page, and id or kind of record of where its options are kept.
    links: tuple[tuple[str, str, int | str], ...] = ()


@dataclass(frozen=True)
class Around:
    """Where the action stands: what its form may offer."""

    account_id: int
    object_type: str
    pipeline_id: int | None = None  # of a lane
    #: What steps before it tell: (step id, name of the output, label).
    outputs: Sequence[tuple[str, str, str]] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)  # name and what people call it
