"""Bodies of the operations on links between records, and of their labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from deskhand.api.objects.shapes import Category, Linked, LinkedPage, Paging, Problem, RecordId, TypeOfLink
from deskhand.api.shapes import Shape

MOST = 1000  # inputs of one batch
MOST_TYPES = 100  # of one link


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Types(RootModel[Annotated[list[TypeOfLink], Field(max_length=MOST_TYPES)]]):
    """As what a link is made."""


class Pair(Shape):
    """A link to be made, or parted: as `type` in version 3, as `types` in later ones."""

    from_: RecordId = Field(alias="from")
    to: RecordId
    type: str | None = None
    types: Annotated[list[TypeOfLink], Field(max_length=MOST_TYPES)] | None = None


class Pairs(Shape):
    inputs: Annotated[list[Pair], Field(max_length=MOST)]


class Star(Shape):
    """A record with those that it is parted from: one in version 3, as many as are named in later ones."""

    from_: RecordId = Field(alias="from")
    to: RecordId | Annotated[list[RecordId], Field(max_length=MOST)]
    type: str | None = None


class Stars(Shape):
    inputs: Annotated[list[Star], Field(max_length=MOST)]


class Asked(RecordId):
    after: str | None = None


class Reads(Shape):
    inputs: Annotated[list[Asked], Field(max_length=MOST)]


class NewLabel(Shape):
    label: str
    name: str
    inverse_label: str | None = None


class ChangedLabel(Shape):
    association_type_id: int
    label: str
    inverse_label: str | None = None


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Type(Shape):
    id: str
    name: str


class TypesOfKinds(Shape):
    results: list[Type]


class TypeWithLabel(Shape):
    category: Category
    type_id: int
    label: str | None = None


class TypesWithLabels(Shape):
    results: list[TypeWithLabel]


class LinkedWithTypes(Shape):
    to_object_id: str
    association_types: list[TypeWithLabel]


class LinkedWithTypesPage(Shape):
    results: list[LinkedWithTypes]
    paging: Paging | None = None


#: Links of a record: in version 3, and in later ones.
Page = LinkedPage | LinkedWithTypesPage


class Labeled(Shape):
    from_object_type_id: str
    from_object_id: str
    to_object_type_id: str
    to_object_id: str
    labels: list[str]


class Made(Shape):
    """A link as version 3 tells it."""

    from_: RecordId = Field(alias="from")
    to: RecordId
    type: str


class MadeAs(Shape):
    from_: RecordId = Field(alias="from")
    to: RecordId
    association_spec: TypeOfLink


class ReadLinks(Shape):
    """A record's links as version 3 tells them."""

    from_: RecordId = Field(alias="from")
    to: list[Linked]
    paging: Paging | None = None


class ReadLinksWithTypes(Shape):
    from_: RecordId = Field(alias="from")
    to: list[LinkedWithTypes]
    paging: Paging | None = None


class _Batch(Shape):
    status: Literal["COMPLETE"]
    started_at: str
    completed_at: str


class _Part(_Batch):
    num_errors: int
    errors: list[Problem]


class BatchOfMade(_Batch):
    results: list[Made] | list[Labeled]


class PartOfMade(_Part):
    results: list[Made] | list[Labeled]


class BatchOfMadeAs(_Batch):
    results: list[MadeAs]
    num_errors: int | None = None
    errors: list[Problem] | None = None


class BatchOfReads(_Batch):
    results: list[ReadLinks] | list[ReadLinksWithTypes]


class PartOfReads(_Part):
    results: list[ReadLinks] | list[ReadLinksWithTypes]
