"""Bodies of the operations on properties and their groups (api.md §2.3)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from deskhand.api.objects.shapes import MOST, Problem
from deskhand.api.shapes import Shape

Type = Literal["string", "number", "date", "datetime", "enumeration", "bool"]
FieldType = Literal[
    "text", "textarea", "number", "select", "radio", "checkbox", "booleancheckbox", "date", "file", "phonenumber", "html",
    "calculation_equation",
]  # fmt: skip


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class OptionGiven(Shape):
    label: str
    value: str
    description: str | None = None
    display_order: int | None = None
    hidden: bool = False


class NotKept(Shape):
    """What the product has no place for; it is taken where it asks for nothing."""

    hidden: bool | None = None
    form_field: bool | None = None  # forms choose from all that people may set
    calculation_formula: str | None = None


class NewProperty(NotKept):
    name: str
    label: str
    type: Type
    field_type: FieldType
    group_name: str
    description: str | None = None
    options: list[OptionGiven] | None = None
    display_order: int | None = None
    has_unique_value: bool | None = None
    external_options: bool | None = None
    referenced_object_type: str | None = None


class ChangedProperty(NotKept):
    label: str | None = None
    type: Type | None = None
    field_type: FieldType | None = None
    group_name: str | None = None
    description: str | None = None
    options: list[OptionGiven] | None = None
    display_order: int | None = None


class Name(Shape):
    name: str


class Names(Shape):
    inputs: Annotated[list[Name], Field(max_length=MOST)]


class NamesToRead(Names):
    archived: bool = False


class NewProperties(Shape):
    inputs: Annotated[list[NewProperty], Field(max_length=MOST)]


class NewGroup(Shape):
    name: str
    label: str
    display_order: int | None = None


class ChangedGroup(Shape):
    label: str | None = None
    display_order: int | None = None


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Option(Shape):
    label: str
    value: str
    description: str
    display_order: int
    hidden: bool


class Modification(Shape):
    archivable: bool
    read_only_definition: bool
    read_only_value: bool
    read_only_options: bool


class Property(Shape):
    name: str
    label: str
    type: Type
    field_type: FieldType
    group_name: str
    description: str
    options: list[Option]
    display_order: int
    has_unique_value: bool
    hidden: bool
    form_field: bool
    calculated: bool
    external_options: bool
    hubspot_defined: bool
    modification_metadata: Modification
    referenced_object_type: str | None = None
    archived: bool
    archived_at: str | None = None


class Properties(Shape):
    results: list[Property]


class BatchOfProperties(Properties):
    status: Literal["COMPLETE"]
    started_at: str
    completed_at: str


class PartOfProperties(BatchOfProperties):
    num_errors: int
    errors: list[Problem]


class Group(Shape):
    name: str
    label: str
    display_order: int
    archived: bool


class Groups(Shape):
    results: list[Group]


class OldProperty(Property):
    """As programs of old read it: what may be done with it stands beside all else."""

    read_only_value: bool
    read_only_definition: bool
    favorited: bool
    deleted: bool
