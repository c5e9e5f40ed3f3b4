"""Being in a segment, as filters know it: a property of its own, with the segments to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy, gettext_noop

from deskhand.crm.filters.types import Condition, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.crm.segments.looks import SEGMENT
from deskhand.kernel.text import whole

NAME = "*segment"
OPERATOR_WORDS = {
    Operator.ANY_OF: gettext_lazy("is in any of"),
    Operator.NONE_OF: gettext_lazy("is in none of"),
}


def property_of(segments: Sequence[tuple[int, str]]) -> Property:
    options = tuple(Option(str(segment_id), name) for segment_id, name in segments)
    return Property(NAME, gettext_noop("Segment"), Kind.ENUM, options=options, read_only=True)


def property_in(segments: Mapping[str, Sequence[tuple[int, str]]], object_type: str) -> list[Property]:
    """Nothing where there is no segment to choose."""
    found = segments.get(object_type)
    return [property_of(found)] if found else []


def stored(leaf: Filter) -> Filter | MemberOf:
    """What the editor has as a filter, as conditions have it."""
    if leaf.property != NAME:
        return leaf
    ids = tuple(number for value in leaf.values if (number := whole(str(value))) is not None)
    return MemberOf(SEGMENT, ids, leaf.operator is Operator.ANY_OF)


def shown(part: Condition) -> Filter | None:
    """A filter, or a membership as one; None for what is neither."""
    match part:
        case Filter():
            return part if part.property != NAME else None  # stored as a membership, or not at all
        case MemberOf(of, ids, is_member) if of == SEGMENT and ids:
            operator = Operator.ANY_OF if is_member else Operator.NONE_OF
            return Filter(NAME, Kind.ENUM, operator, tuple(str(segment_id) for segment_id in ids))
    return None
