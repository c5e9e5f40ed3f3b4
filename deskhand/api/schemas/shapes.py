"""Bodies of the operations on kinds of records (api.md §3.3)."""

from __future__ import annotations

from deskhand.api.properties.shapes import NewProperty, Property
from deskhand.api.shapes import Shape


class Labels(Shape):
    singular: str | None = None
    plural: str | None = None


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class NewPropertyOfSchema(NewProperty):
    group_name: str = ""  # the kind's main one


class NewSchema(Shape):
    name: str
    labels: Labels
    required_properties: list[str]
    properties: list[NewPropertyOfSchema]
    associated_objects: list[str]
    primary_display_property: str | None = None
    secondary_display_properties: list[str] | None = None
    searchable_properties: list[str] | None = None
    description: str | None = None


class ChangedSchema(Shape):
    labels: Labels | None = None
    required_properties: list[str] | None = None
    primary_display_property: str | None = None
    secondary_display_properties: list[str] | None = None
    searchable_properties: list[str] | None = None
    description: str | None = None
    clear_description: bool | None = None


class NewAssociation(Shape):
    from_object_type_id: str
    to_object_type_id: str
    name: str | None = None


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Association(Shape):
    id: str
    name: str
    from_object_type_id: str
    to_object_type_id: str


class Definition(Shape):
    id: str
    object_type_id: str
    name: str
    fully_qualified_name: str
    labels: Labels
    description: str
    primary_display_property: str
    secondary_display_properties: list[str]
    required_properties: list[str]
    searchable_properties: list[str]
    portal_id: int
    archived: bool


class Schema(Definition):
    properties: list[Property]
    associations: list[Association]


class Schemas(Shape):
    results: list[Schema]
