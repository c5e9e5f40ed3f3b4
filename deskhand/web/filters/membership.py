"""Being in a segment, and how one stands to workflows, as filters know it: properties of their own, with what there is
to choose from (R-TRIG-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, gettext_noop

from deskhand.automation import standings
from deskhand.crm.filters.types import Condition, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.crm.segments.looks import SEGMENT
from deskhand.kernel.text import whole

#: The properties, and what each is a membership of.
SORTS = {"*segment": SEGMENT, **{f"*{of}": of for of in standings.ALL}}
OF_WORKFLOWS = tuple(name for name, of in SORTS.items() if of != SEGMENT)
_NAMES = {of: name for name, of in SORTS.items()}
_LABELS = {
    SEGMENT: gettext_noop("Segment"), standings.INSIDE: gettext_noop("Workflow"), standings.EVER: gettext_noop("Workflow (ever)"),
    standings.FINISHED: gettext_noop("Workflow (finished)"), standings.GOAL: gettext_noop("Workflow (goal met)"),
}  # fmt: skip
_IS_IN = {
    Operator.ANY_OF: gettext_lazy("is in any of"),
    Operator.NONE_OF: gettext_lazy("is in none of"),
}
_OPERATOR_WORDS = {
    standings.EVER: {
        Operator.ANY_OF: gettext_lazy("was ever in any of"), Operator.NONE_OF: gettext_lazy("was never in any of"),
    },
    standings.FINISHED: {
        Operator.ANY_OF: gettext_lazy("went to the end of any of"), Operator.NONE_OF: gettext_lazy("went to the end of none of"),
    },
    standings.GOAL: {
        Operator.ANY_OF: gettext_lazy("met the goal of any of"), Operator.NONE_OF: gettext_lazy("met the goal of none of"),
    },
}  # fmt: skip


def operator_words(name: str) -> Mapping[Operator, Promise]:
    """How one asks whether a record is in what a property of SORTS is of."""
    return _OPERATOR_WORDS.get(SORTS[name], _IS_IN)


def property_of(found: Sequence[tuple[int, str]], of: str = SEGMENT) -> Property:
    options = tuple(Option(str(pk), name) for pk, name in found)
    return Property(_NAMES[of], _LABELS[of], Kind.ENUM, options=options, read_only=True)


def property_in(segments: Mapping[str, Sequence[tuple[int, str]]], object_type: str) -> list[Property]:
    """Nothing where there is no segment to choose."""
    found = segments.get(object_type)
    return [property_of(found)] if found else []


def of_workflows(found: Sequence[tuple[int, str]]) -> list[Property]:
    """Nothing where there is no workflow to choose."""
    return [property_of(found, SORTS[name]) for name in OF_WORKFLOWS] if found else []


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
