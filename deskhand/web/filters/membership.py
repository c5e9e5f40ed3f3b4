"""Being in a segment or a workflow, as filters know it: properties of their own, with what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy, gettext_noop

from deskhand.crm.filters.types import Condition, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.crm.segments.looks import SEGMENT
from deskhand.kernel.text import whole

WORKFLOW = "workflow"  # the ones that a record is in now; only conditions of workflows ask for them
#: The properties, and what each is a membership of.
SORTS = {"*segment": SEGMENT, "*workflow": WORKFLOW}
_NAMES = {of: name for name, of in SORTS.items()}
_LABELS = {SEGMENT: gettext_noop("Segment"), WORKFLOW: gettext_noop("Workflow")}
OPERATOR_WORDS = {
    Operator.ANY_OF: gettext_lazy("is in any of"),
    Operator.NONE_OF: gettext_lazy("is in none of"),
}


def property_of(found: Sequence[tuple[int, str]], of: str = SEGMENT) -> Property:
    options = tuple(Option(str(pk), name) for pk, name in found)
    return Property(_NAMES[of], _LABELS[of], Kind.ENUM, options=options, read_only=True)


def property_in(segments: Mapping[str, Sequence[tuple[int, str]]], object_type: str) -> list[Property]:
    """Nothing where there is no segment to choose."""
    found = segments.get(object_type)
    return [property_of(found)] if found else []


def stored(leaf: Filter) -> Filter | MemberOf:
    """What the editor has as a filter, as conditions have it."""
    if leaf.property not in SORTS:
        return leaf
    ids = tuple(number for value in leaf.values if (number := whole(str(value))) is not None)
    return MemberOf(SORTS[leaf.property], ids, leaf.operator is Operator.ANY_OF)


def shown(part: Condition) -> Filter | None:
    """A filter, or a membership as one; None for what is neither."""
    match part:
        case Filter():
            return part if part.property not in SORTS else None  # stored as a membership, or not at all
        case MemberOf(of, ids, is_member) if of in _NAMES and ids:
            operator = Operator.ANY_OF if is_member else Operator.NONE_OF
            return Filter(_NAMES[of], Kind.ENUM, operator, tuple(str(pk) for pk in ids))
    return None
