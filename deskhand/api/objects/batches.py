"""Up to a hundred records at once (api.md §1.8): what can't be done is told beside what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from deskhand.api import kinds, pages, refusals
from deskhand.api.objects import finding
from deskhand.api.objects.reading import Reader, Wanted, defaults
from deskhand.api.objects.resource import given_links
from deskhand.api.objects.shapes import (
    BatchOfRecords,
    BatchOfUpserts,
    ChangedRecords,
    ChangesOf,
    Ids,
    NewRecords,
    NewTraced,
    PartOfRecords,
    PartOfUpserts,
    Reads,
    Upserts,
)
from deskhand.api.objects.writing import Writer
from deskhand.api.operations import Answer, Call, operation
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import moment
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt

Input = TypeVar("Input")

_BATCH = "/crm/objects/{objectType}/batch"
_DONE = {200: BatchOfRecords, 207: PartOfRecords}


@operation("POST", f"{_BATCH}/read", needs=kinds.to_read(), takes=Reads, gives=_DONE, asks=("archived",))
def read(call: Call) -> Any:
    began, object_type, body = clock.now(), _kind(call), call.body
    archived = pages.flag(call, "archived")
    asked = [one.id for one in some(body.inputs)]
    found = finding.several(call.viewer, object_type, asked, body.id_property, archived=archived)
    wanted = Wanted(
        tuple(
            dict.fromkeys(
                [
                    *(body.properties or ()),
                    *([body.id_property] if body.id_property and body.properties else []),
                ]
            )
        ),
        tuple(body.properties_with_history or ()),
    )
    shown = Reader(call.viewer, object_type, wanted).by_ids(list(found.values()), archived=archived)
    results = [shown[pk] for pk in dict.fromkeys(found.get(one) for one in asked) if pk in shown]
    gone = [one for one in dict.fromkeys(asked) if found.get(one) not in shown]
    return told(began, results, [missing(object_type, gone)] if gone else [])


@operation(
    "POST",
    f"{_BATCH}/create",
    needs=kinds.to_write(),
    takes=NewRecords,
    gives={201: BatchOfRecords, 207: PartOfRecords},
)
def create(call: Call) -> Any:
    """All or none; where each has a trace of its own, each that can be (api.md §1.8)."""
    began, object_type, inputs = clock.now(), _kind(call), some(call.body.inputs)
    if not _are_traced(inputs):
        made = _made(call, object_type, inputs)
        return told(began, _shown(call, object_type, made, inputs), [])
    done: list[int] = []
    kept: list[NewTraced] = []
    errors = []
    for one in inputs:
        try:
            with attempt():
                done += _made(call, object_type, [one])
                kept.append(one)
        except Refusal as refusal:
            errors.append(error_of(refusal, {"objectWriteTraceId": [str(one.object_write_trace_id)]}))
    return told(began, _shown(call, object_type, done, kept), errors)


@operation("POST", f"{_BATCH}/update", needs=kinds.to_write(), takes=ChangedRecords, gives=_DONE)
def update(call: Call) -> Any:
    """Change records; of those that can't be changed it is told why, and the others are."""
    began, object_type, inputs = clock.now(), _kind(call), some(call.body.inputs)
    found = _found(call, object_type, inputs)
    writer = Writer(call.viewer, call.by, object_type)
    refused = writer.update_many({found[one.id]: one.properties for one in inputs if one.id in found})
    gone = [one.id for one in inputs if one.id not in found or _is_gone(refused.get(found[one.id]))]
    there = [one for one in inputs if one.id not in gone]
    done = [one for one in there if found[one.id] not in refused]
    errors = [missing(object_type, gone)] if gone else []
    errors += [error_of(refused[found[one.id]], _about(one)) for one in there if found[one.id] in refused]
    return told(began, _shown(call, object_type, [found[one.id] for one in done], done), errors)


@operation(
    "POST",
    f"{_BATCH}/upsert",
    needs=kinds.to_write(),
    takes=Upserts,
    gives={200: BatchOfUpserts, 207: PartOfUpserts},
)
def upsert(call: Call) -> Any:
    """What is there is changed; what is not is made, with the value that it was looked for by."""
    began, object_type, inputs = clock.now(), _kind(call), some(call.body.inputs)
    found = _found(call, object_type, inputs)
    writer = Writer(call.viewer, call.by, object_type)
    changes = {found[one.id]: one.properties for one in inputs if one.id in found}
    refused = writer.update_many(changes, may_be_empty=True)
    done: list[tuple[ChangesOf, int, bool]] = []
    errors = []
    for one in inputs:
        if one.id in found:
            if refusal := refused.get(found[one.id]):
                errors.append(error_of(refusal, _about(one)))
            else:
                done.append((one, found[one.id], False))
            continue
        try:
            with attempt():
                [made] = writer.create([(_with_id(one) | dict(one.properties), ())])
                done.append((one, made, True))
        except Refusal as refusal:
            errors.append(error_of(refusal, _about(one)))
    shown = _shown(call, object_type, [pk for _one, pk, _is_new in done], [one for one, _pk, _is_new in done])
    results = [{**record, "new": is_new} for record, (_one, _pk, is_new) in zip(shown, done, strict=True)]
    return told(began, results, errors)


@operation("POST", f"{_BATCH}/archive", needs=kinds.to_write(), takes=Ids, gives={204: None})
def archive(call: Call) -> None:
    """Safe to repeat: what is gone stays so."""
    ids = [int(one.id) for one in some(call.body.inputs) if one.id.isdecimal() and len(one.id) <= 18]
    Writer(call.viewer, call.by, _kind(call)).archive(ids)


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def _kind(call: Call) -> str:
    return kinds.named(call.parts["objectType"])


def some(inputs: Sequence[Input]) -> Sequence[Input]:
    if not inputs:
        raise refusals.bad("Batch input provided should have at least one object.")
    return inputs


def _are_traced(inputs: Sequence[NewTraced]) -> bool:
    traces = [one.object_write_trace_id for one in inputs if one.object_write_trace_id]
    return len(set(traces)) == len(inputs)


def _made(call: Call, object_type: str, inputs: Sequence[NewTraced]) -> list[int]:
    new = [(one.properties, given_links(call, object_type, one.associations)) for one in inputs]
    return Writer(call.viewer, call.by, object_type).create(new)


def _found(call: Call, object_type: str, inputs: Sequence[ChangesOf]) -> dict[str, int]:
    """{id as it was given: number}. Raises Refusal where one is given twice, or they are looked for by different properties."""
    given = [one.id for one in inputs]
    _refuse_twice(given, given)
    by = {one.id_property or "" for one in inputs}
    if len(by) > 1:
        raise refusals.bad(
            "All of a batch are looked for by one idProperty.", context={"idProperty": sorted(by)}
        )
    found = finding.several(call.viewer, object_type, given, by.pop())
    _refuse_twice([one for one in given if one in found], [found[one] for one in given if one in found])
    return found


def _refuse_twice(given: Sequence[str], meant: Sequence[str | int]) -> None:
    if twice := [one for one, same in zip(given, meant, strict=True) if meant.count(same) > 1]:
        ids = sorted(set(twice))
        raise refusals.bad(f"Duplicate IDs found in batch input: [{', '.join(ids)}].", context={"ids": ids})


def _is_gone(refusal: Refusal | None) -> bool:
    return refusal is not None and refusal.status == 404


def _with_id(one: ChangesOf) -> dict[str, Any]:
    if not one.id_property:
        raise refusals.missing(context={"ids": [one.id]})
    return {one.id_property: one.id}


def _shown(
    call: Call, object_type: str, ids: Sequence[int], inputs: Sequence[NewTraced | ChangesOf]
) -> list[dict[str, Any]]:
    """As they are now: what their kind always shows, and what was written of each."""
    names = tuple(
        dict.fromkeys([*defaults(object_type), *(name for one in inputs for name in one.properties)])
    )
    shown = Reader(call.viewer, object_type, Wanted(names)).written(ids)
    return [shown[pk] for pk in ids]


def told(began: datetime, results: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]]) -> Any:
    content: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "startedAt": moment(began), "completedAt": moment(clock.now()),
    }  # fmt: skip
    if not errors:
        return content
    return Answer(content | {"numErrors": len(errors), "errors": errors}, 207)


def missing(object_type: str, ids: Sequence[str]) -> dict[str, Any]:
    said = f"Could not get some {object_type.upper()} objects, they may be deleted or not exist. Check that ids are valid."
    return error_of(refusals.missing(said), {"ids": ids})


def _about(one: ChangesOf) -> dict[str, Sequence[str]]:
    trace = {"objectWriteTraceId": [one.object_write_trace_id]} if one.object_write_trace_id else {}
    return {"ids": [one.id], **trace}


def error_of(refusal: Refusal, context: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    body = refusal.body()
    own = {name: list(values) for name, values in {**(refusal.context or {}), **context}.items()}
    return {
        "status": "error", "category": refusal.category, "message": refusal.message, "context": own, "links": {},
        "errors": body.get("errors", []),
    }  # fmt: skip
