"""Statuses, pipelines and options that filters and settings still name although they were deleted (R-PIPE-10)."""

from __future__ import annotations

from collections.abc import Iterable

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema import clock_names
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events import queries as events
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.text import whole

PIPELINE = "pipeline_id"  # the column


def places(object_type: str, name: str, values: Iterable[object] = ()) -> tuple[str, ...]:
    """The ids of the statuses or pipelines among these values of a property that are not there; of a status's clock, its
    status."""
    prop = properties_of(object_type).get(name)
    if prop is None:
        clock = clock_names.parse(name)
        return (str(clock.stage_id),) if clock else ()
    if not prop.is_place:
        return ()
    known = pipelines_of(object_type).pipelines
    there = (
        {str(one.id) for one in known}
        if prop.column == PIPELINE
        else {str(stage.id) for one in known for stage in one.stages}
    )
    return _missing(values, there)


def options(prop: Property, values: Iterable[object]) -> tuple[str, ...]:
    """Those of these values that an enumeration does not have any more; hidden ones it has."""
    if prop.kind not in (Kind.ENUM, Kind.MULTI) or not prop.options:
        return ()
    return _missing(values, {one.value for one in prop.options})


def label(prop: Property | None, value: str) -> str:
    """What a deleted status or pipeline was called, while the log still knows it; all else as it is. One query."""
    if prop is None or not prop.is_place:
        return value
    return _former("pipeline" if prop.column == PIPELINE else "stage", value)


def status(stage_id: str) -> str:
    """What a deleted status was called, else its id. One query."""
    return _former("stage", stage_id)


def _former(of: str, value: str) -> str:
    """Looked up once per transaction: many records may come to the same one."""
    notes = current_scope().notes
    key = f"crm.pipelines.former.{of}.{value}"  # forgotten as pipelines change
    if key not in notes:
        found = whole(value)
        told = (
            events.of_record(current_account_id(), of, found, f"{of}.deleted", limit=1)
            if found is not None
            else []
        )
        notes[key] = str(told[0].data["before"]["label"]) if told else value
    return str(notes[key])


def _missing(values: Iterable[object], there: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for value in values if (text := str(value)) not in there))
