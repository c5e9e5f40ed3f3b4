"""When a record came to a status, when it left, and how long it was there, as properties by the status's id (R-PROP-3).

They are worked out from the clocks that moves keep, and stored nowhere else. While a record stands in a status, the times
there go on growing, so that they are right whenever they are read (R-PROP-5).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from deskhand.crm.schema.clock_names import ALIASES, RUNNING, SORTS, STAGE, Clock, Sort, name_of, parse
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_scope


def find(object_type: str, name: str) -> Property | None:
    """The clock of this name; None where records of this kind have no such status. Made once per transaction."""
    clock = parse(name)
    place = _places(object_type).get(clock.stage_id) if clock else None
    if clock is None or place is None:
        return None
    notes, key = current_scope().notes, f"crm.clocks.{object_type}.{get_language()}.{name}"
    if key not in notes:
        notes[key] = _property(name, clock, place)
    return notes[key]  # type: ignore[return-value]


def of(object_type: str) -> Sequence[Property]:
    """The clocks of all statuses of this kind of record, by what they tell; none where there are no pipelines. One query
    per transaction."""
    notes, key = current_scope().notes, f"crm.clocks.{object_type}.{get_language()}"
    if key not in notes:
        places = _places(object_type)
        clocks = [Clock(sort, stage_id) for sort in Sort for stage_id in places]
        notes[key] = [_property(name_of(one), one, places[one.stage_id]) for one in clocks]
    return notes[key]  # type: ignore[return-value]


def among(object_type: str, names: Collection[str]) -> list[str]:
    """Those of these names that are clocks of this kind of record, by what they tell."""
    if not any(map(parse, names)):
        return []
    return [prop.name for prop in of(object_type) if prop.name in names]


def sorts(object_type: str) -> Sequence[Property]:
    """What may be asked of a status, whichever it is; nothing where there are no statuses."""
    return [_sort(one.value, one) for one in Sort] if _places(object_type) else ()


def sort_of(object_type: str, beginning: str) -> Property | None:
    """One of them by how its clocks' names begin, also by a name of old."""
    found = SORTS.get(beginning)
    return _sort(beginning, found) if found and _places(object_type) else None


def aliases_of(object_type: str) -> list[Property]:
    """The same clocks under their names of old, which read on and are offered nowhere."""
    places = _places(object_type)
    names = [f"{prefix}_{stage_id}" for prefix in ALIASES for stage_id in places]
    return [found for name in names if (found := find(object_type, name)) is not None]


def forget() -> None:
    """Read the statuses anew."""
    notes = current_scope().notes
    for key in [key for key in notes if key.startswith("crm.clocks.")]:
        del notes[key]


_WITHOUT_PIPELINES = ("contact", "company")


@dataclass(frozen=True)
class _Place:
    stage: str
    pipeline: str
    has_others: bool  # pipelines beside this one

    def __str__(self) -> str:
        if not self.has_others:
            return _(self.stage)
        return _("%(status)s (%(pipeline)s)") % {"status": _(self.stage), "pipeline": _(self.pipeline)}


def _places(object_type: str) -> dict[int, _Place]:
    """{status: what people call it}, in the order of pipelines and statuses. One query per transaction."""
    notes, key = current_scope().notes, f"crm.clocks.{object_type}"
    if object_type in _WITHOUT_PIPELINES:
        return {}
    if key not in notes:
        rows = sql.rows(_STAGES, [current_scope().account_id, object_type])
        has_others = len({pipeline_id for _id, _label, _name, pipeline_id in rows}) > 1
        notes[key] = {pk: _Place(label, pipeline, has_others) for pk, label, pipeline, _pipeline in rows}
    return notes[key]  # type: ignore[return-value]


_STAGES = """
select s.id, s.label, p.label, p.id from crm_stage s join crm_pipeline p on p.account_id = s.account_id and p.id = s.pipeline_id
where s.account_id = %s and s.object_type = %s and p.archived_at is null
order by p.display_order, p.label, p.id, s.display_order, s.label, s.id
"""


_LABELS = {
    Sort.ENTERED: gettext_noop("Date entered “%(status)s”"),
    Sort.EXITED: gettext_noop("Date left “%(status)s”"),
    Sort.LATEST: gettext_noop("Latest time in “%(status)s”"),
    Sort.CUMULATIVE: gettext_noop("Total time in “%(status)s”"),
}


_LABELS_OF_ANY = {
    Sort.ENTERED: gettext_noop("Date entered a status"),
    Sort.EXITED: gettext_noop("Date left a status"),
    Sort.LATEST: gettext_noop("Latest time in a status"),
    Sort.CUMULATIVE: gettext_noop("Total time in a status"),
}


def label_of(sort: Sort, status: object) -> str:
    """What a clock of a status is called."""
    return _(_LABELS[sort]) % {"status": status}


def _property(name: str, clock: Clock, place: _Place) -> Property:
    return _made(name, label_of(clock.sort, place), clock.sort)


def _sort(name: str, sort: Sort) -> Property:
    return _made(name, _LABELS_OF_ANY[sort], sort)


def _made(name: str, label: str, sort: Sort) -> Property:
    kind = Kind.DURATION if sort in RUNNING else Kind.DATETIME
    return Property(name, label, kind, read_only=True, is_computed=True, follows=(STAGE,))
