"""Bodies of the operations on records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from deskhand.api.shapes import Shape


def plain(given: Any) -> Any:
    """Yes and no as text."""
    return str(given).lower() if isinstance(given, bool) else given


MOST = 100  # records of one batch
Category = Literal["HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED"]
Properties = dict[str, Any]


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class RecordId(Shape):
    id: str


class TypeOfLink(Shape):
    association_category: Category
    association_type_id: int


class LinkOfNew(Shape):
    to: RecordId
    types: list[TypeOfLink]


class New(Shape):
    properties: Properties
    associations: list[LinkOfNew] | None = None


class NewTraced(New):
    object_write_trace_id: str | None = None


class Changes(Shape):
    properties: Properties


class ChangesOf(Changes):
    id: str
    id_property: str | None = None
    object_write_trace_id: str | None = None


class NewRecords(Shape):
    inputs: Annotated[list[NewTraced], Field(max_length=MOST)]


class ChangedRecords(Shape):
    inputs: Annotated[list[ChangesOf], Field(max_length=MOST)]


class Upserts(Shape):
    inputs: Annotated[list[ChangesOf], Field(max_length=MOST)]


class Ids(Shape):
    inputs: Annotated[list[RecordId], Field(max_length=MOST)]


class Reads(Ids):
    properties: list[str] | None = None
    properties_with_history: list[str] | None = None
    id_property: str | None = None


class Merge(Shape):
    primary_object_id: str
    object_id_to_merge: str


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Value(Shape):
    value: str
    timestamp: str
    source_type: str
    source_id: str | None = None
    source_label: str | None = None
    updated_by_user_id: int | None = None


class Record(Shape):
    id: str
    properties: dict[str, str | None]
    properties_with_history: dict[str, list[Value]] | None = None
    created_at: str
    updated_at: str
    archived: bool
    archived_at: str | None = None


class Linked(Shape):
    id: str
    type: str


class Next(Shape):
    after: str
    link: str | None = None


class Paging(Shape):
    next: Next


class LinkedPage(Shape):
    results: list[Linked]
    paging: Paging | None = None


class RecordWithLinks(Record):
    associations: dict[str, LinkedPage] | None = None


class Page(Shape):
    results: list[RecordWithLinks]
    paging: Paging | None = None


class Problem(Shape):
    """What was wrong with some of a batch."""

    status: str
    category: str
    message: str
    context: dict[str, list[str]]
    links: dict[str, str]
    errors: list[dict[str, Any]]


class BatchOfRecords(Shape):
    status: Literal["COMPLETE"]
    results: list[Record]
    started_at: str
    completed_at: str


class PartOfRecords(BatchOfRecords):
    num_errors: int
    errors: list[Problem]


class Upserted(Record):
    new: bool


class BatchOfUpserts(Shape):
    status: Literal["COMPLETE"]
    results: list[Upserted]
    started_at: str
    completed_at: str


class PartOfUpserts(BatchOfUpserts):
    num_errors: int
    errors: list[Problem]


# ── searching ────────────────────────────────────────────────────────────────────────────────────────────────────────

Comparison = Literal[
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN",
    "NOT_CONTAINS_TOKEN",
]  # fmt: skip


#: Text, also where a program sends yes or no as such.
Comparand = Annotated[str, BeforeValidator(plain)]
MOST_GROUPS, MOST_TOGETHER = 20, 50  # filters


class Asked(Shape):
    """One filter of a search."""

    property_name: str
    operator: Comparison
    value: Comparand | None = None
    values: list[Comparand] | None = None
    high_value: Comparand | None = None


class AskedTogether(Shape):
    filters: Annotated[list[Asked], Field(max_length=MOST_TOGETHER)]


MOST_SORTS = 10


class SortBy(Shape):
    property_name: str
    direction: Literal["ASCENDING", "DESCENDING"] = "ASCENDING"


class Search(Shape):
    query: str | None = None
    filter_groups: Annotated[list[AskedTogether], Field(max_length=MOST_GROUPS)] | None = None
    sorts: Annotated[list[str | SortBy], Field(max_length=MOST_SORTS)] | None = None
    properties: list[str] | None = None
    limit: int | None = None
    after: str | None = None


class FoundPage(Shape):
    total: int
    results: list[Record]
    paging: Paging | None = None
