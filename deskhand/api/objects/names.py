"""Names of properties, where the API's are not ours: the clocks of statuses are called by the status's id there (R-PROP-3)."""

from __future__ import annotations

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema import clock_names

_WITHOUT_PIPELINES = ("contact", "company")


def ours(object_type: str, name: str) -> str:
    """`hs_v2_date_entered_1` of the API as the property that it means; any other name as it is."""
    begins, key = clock_names.split(name)
    if not begins or object_type in _WITHOUT_PIPELINES:
        return name
    stages = (stage for pipeline in pipelines_of(object_type).pipelines for stage in pipeline.stages)
    found = next((stage.id for stage in stages if stage.key == key), None)
    # A number that is no status's id there must not mean another status here.
    return f"{begins}_{found}" if found is not None else f"{begins}_"


def theirs(object_type: str, name: str) -> str:
    """The way back."""
    clock = clock_names.parse(name)
    stage = pipelines_of(object_type).find(clock.stage_id) if clock else None
    return f"{clock_names.split(name)[0]}_{stage.key}" if stage else name
