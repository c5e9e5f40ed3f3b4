"""Up to a hundred tasks at once (api.md §1.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from deskhand.api import pages, refusals
from deskhand.api.engagements import reading, writing
from deskhand.api.engagements.resource import after_write, to_read, to_write
from deskhand.api.objects.finding import NUMBERS
from deskhand.api.objects.shapes import (
    BatchOfRecords,
    BatchOfUpserts,
    ChangedRecords,
    ChangesOf,
    Ids,
    NewRecords,
    PartOfRecords,
    PartOfUpserts,
    Reads,
    Upserts,
)
from deskhand.api.operations import Answer, Call, operation
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import moment
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import DeskhandError
from deskhand.kernel.text import whole

_BATCH = "/crm/objects/tasks/batch"
Input = TypeVar("Input")
_DONE = {200: BatchOfRecords, 207: PartOfRecords}


@operation("POST", f"{_BATCH}/read", needs=to_read, takes=Reads, gives=_DONE, asks=("archived",))
def read(call: Call) -> Any:
    began, body = clock.now(), call.body
    _require_numbers([body.id_property])
    asked = _numbers([one.id for one in _some(body.inputs)])
    found = reading.there(call, [pk for pk in asked.values() if pk is not None], archived=pages.flag(call, "archived"))  # fmt: skip
    there = [found[pk] for pk in dict.fromkeys(asked.values()) if pk is not None and pk in found]
    gone = [text for text, pk in asked.items() if pk is None or pk not in found]
    return _told(began, reading.shown(call, there, body.properties or ()), [_missing(gone)] if gone else [])


@operation("POST", f"{_BATCH}/create", needs=to_write, takes=NewRecords, gives={201: BatchOfRecords, 207: PartOfRecords})  # fmt: skip
def create(call: Call) -> Any:
    """All or none; where each has a trace of its own, each that can be (api.md §1.8)."""
    began, inputs = clock.now(), _some(call.body.inputs)
    traces = {one.object_write_trace_id for one in inputs if one.object_write_trace_id}
    is_traced = len(traces) == len(inputs)
    made: list[int] = []
    errors, names = [], dict[str, None]()
    for one in inputs:
        try:
            with attempt():
                made.append(writing.create(call, one.properties, one.associations))
                names |= dict.fromkeys(one.properties)
        except (Refusal, DeskhandError) as error:
            if not is_traced:
                raise
            errors.append(_error(error, {"objectWriteTraceId": [str(one.object_write_trace_id)]}))
    return _told(began, after_write(call, made, names), errors)


@operation("POST", f"{_BATCH}/update", needs=to_write, takes=ChangedRecords, gives=_DONE)
def update(call: Call) -> Any:
    """Each that can be is changed; what can't is told beside the others."""
    began = clock.now()
    done, errors = _updated(call, _some(call.body.inputs))
    return _told(began, done, errors)


@operation("POST", f"{_BATCH}/upsert", needs=to_write, takes=Upserts, gives={200: BatchOfUpserts, 207: PartOfUpserts})  # fmt: skip
def upsert(call: Call) -> Any:
    """Tasks are known by their numbers alone, which nobody chooses: those that are there are changed, the others missing."""
    began = clock.now()
    done, errors = _updated(call, _some(call.body.inputs))
    return _told(began, [{**one, "new": False} for one in done], errors)


@operation("POST", f"{_BATCH}/archive", needs=to_write, takes=Ids, gives={204: None})
def archive(call: Call) -> None:
    """Those that are there, all or none. Safe to repeat."""
    asked = _numbers([one.id for one in _some(call.body.inputs)])
    found = reading.there(call, [pk for pk in asked.values() if pk is not None])
    writing.archive(call, list(found.values()))


def _updated(call: Call, inputs: Sequence[ChangesOf]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was changed as it is now, and what could not be."""
    _require_numbers([one.id_property for one in inputs])
    asked = _numbers([one.id for one in inputs])
    if len(asked) < len(inputs):
        raise refusals.bad("Duplicate IDs found in batch input.")
    found = reading.there(call, [pk for pk in asked.values() if pk is not None])
    gone = [text for text, pk in asked.items() if pk is None or pk not in found]
    errors, done, names = [_missing(gone)] if gone else [], list[int](), dict[str, None]()
    for one in inputs:
        task = found.get(asked[one.id] or 0)
        if task is None:
            continue
        try:
            with attempt():
                writing.update(call, task, one.properties)
                done.append(task.pk)
                names |= dict.fromkeys(one.properties)
        except (Refusal, DeskhandError) as error:
            errors.append(_error(error, {"ids": [one.id]}))
    return after_write(call, done, names), errors


def _numbers(texts: Sequence[str]) -> dict[str, int | None]:
    return {text: whole(text) for text in texts}


def _require_numbers(properties: Sequence[str | None]) -> None:
    for name in properties:
        if name and name not in NUMBERS:
            raise refusals.bad(
                f"Property {name[:100]} can't tell tasks apart: its values are not unique.",
                context={"idProperty": [name[:100]]},
            )


def _some(inputs: Sequence[Input]) -> Sequence[Input]:
    if not inputs:
        raise refusals.bad("Batch input provided should have at least one object.")
    return inputs


def _told(began: datetime, results: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]]) -> Any:
    content: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "startedAt": moment(began), "completedAt": moment(clock.now()),
    }  # fmt: skip
    return Answer(content | {"numErrors": len(errors), "errors": errors}, 207) if errors else content


def _missing(ids: Sequence[str]) -> dict[str, Any]:
    said = "Could not get some TASK objects, they may be deleted or not exist. Check that ids are valid."
    return _error(refusals.missing(said), {"ids": ids})


def _error(error: Refusal | DeskhandError, context: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    refusal = error if isinstance(error, Refusal) else refusals.of(error)
    own = {name: list(values) for name, values in {**(refusal.context or {}), **context}.items()}
    return {
        "status": "error", "category": refusal.category, "message": refusal.message, "context": own, "links": {},
        "errors": [dict(one) for one in refusal.errors],
    }  # fmt: skip
