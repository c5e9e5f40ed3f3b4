"""What a property is: its name in the API, its kind, and where its value stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from deskhand.crm.schema import clock_names


class Kind(StrEnum):
    """How a value is stored and compared. DURATION is whole milliseconds (R-PROP-1)."""

    TEXT = "string"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    ENUM = "enumeration"
    MULTI = "multi"
    BOOL = "bool"
    REF = "ref"
    REFS = "refs"
    DURATION = "duration"


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    tone: str = ""
    is_hidden: bool = False  # records that have it keep it; it is offered no more


@dataclass(frozen=True)
class Property:
    """`column` names the record's column; empty means the value stands in the JSONB `properties`, or is computed."""

    name: str
    label: str
    kind: Kind
    column: str = ""
    read_only: bool = False
    options: tuple[Option, ...] = field(default_factory=tuple)
    group: str = ""
    is_custom: bool = False
    description: str = ""
    has_unique_value: bool = False  # only one record may have a value
    is_claimed: bool = False  # all records have claimed theirs: they are found by it
    definition_id: int = 0  # of an account's own property
    is_filterable: bool = False  # writes go to the side table too
    is_filled: bool = False  # filters may use the side table
    #: Made from other values on read; never stored.
    is_computed: bool = False
    #: The columns whose changes are told and change a computed value.
    follows: tuple[str, ...] = ()
    #: Of a computed span that begins with the record: the column with the moment that ends it.
    until: str = ""
    #: Its ids are of our people: beside the owner, and beside what the account made itself.
    is_of_people: bool = False
    #: Nothing sets it yet: its name is kept, and it is nowhere.
    is_awaited: bool = False

    @property
    def is_user(self) -> bool:
        """Whether it holds one of our people whom somebody chooses: the owner, or a property of the account's own for users."""
        return self.kind is Kind.REF and (self.name == "hubspot_owner_id" or self.is_custom)

    @property
    def is_place(self) -> bool:
        """Whether it says where the record stands: its pipeline or its status there."""
        return self.column in ("pipeline_id", "stage_id")

    @property
    def is_formula(self) -> bool:
        """Whether it is worked out by `formulas`."""
        return self.is_computed and not self.until and clock_names.parse(self.name) is None

    def offered(self, given: Collection[str] = ()) -> tuple[Option, ...]:
        """What may be chosen: nothing hidden, but for who has it already."""
        return tuple(one for one in self.options if not one.is_hidden or one.value in given)
