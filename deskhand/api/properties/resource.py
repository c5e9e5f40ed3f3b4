"""Definitions of properties: what records of a kind can have, and what the account adds (api.md §2.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import kinds, pages, refusals
from deskhand.api.operations import Answer, Call, operation
from deskhand.api.properties import making
from deskhand.api.properties.shapes import (
    BatchOfProperties,
    ChangedProperty,
    Names,
    NamesToRead,
    NewProperties,
    NewProperty,
    OldProperty,
    PartOfProperties,
    Properties,
    Property,
)
from deskhand.api.properties.shown import all_of
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import moment
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import DeskhandError

_ALL, _ONE = "/crm/properties/{objectType}", "/crm/properties/{objectType}/{propertyName}"
_BATCH = f"{_ALL}/batch"
TO_READ, TO_CHANGE = kinds.to_shape("objectType", "read"), kinds.to_shape("objectType", "write")


@operation("GET", _ALL, needs=TO_READ, gives={200: Properties}, asks=("archived", "dataSensitivity"))  # fmt: skip
def listed(call: Call) -> Any:
    """All properties of a kind of record, or all archived ones. None is kept apart as sensitive."""
    object_type = readable(call)
    if call.query.get("dataSensitivity", "non_sensitive").lower() not in ("", "non_sensitive"):
        return {"results": []}
    return {"results": list(all_of(object_type, archived=pages.flag(call, "archived")).values())}


@operation("POST", _ALL, needs=TO_CHANGE, takes=NewProperty, gives={201: Property})
def create(call: Call) -> Any:
    """Make a property of the account's own. One that was archived under this name and type comes back with its values."""
    object_type = changeable(call)
    making.create(object_type, call.body, by=call.by)
    return all_of(object_type)[call.body.name]


@operation("GET", _ONE, needs=TO_READ, gives={200: Property}, asks=("archived",))
def read(call: Call) -> Any:
    found = all_of(readable(call), archived=pages.flag(call, "archived"))
    name = call.parts["propertyName"]
    if name not in found:
        raise making.missing(name)
    return found[name]


@operation("PATCH", _ONE, needs=TO_CHANGE, takes=ChangedProperty, gives={200: Property})
def update(call: Call) -> Any:
    """Change label, group, place, description or options. Options may be hidden, not left out: records may have them."""
    object_type, name = changeable(call), call.parts["propertyName"]
    making.update(object_type, name, call.body, by=call.by)
    return all_of(object_type)[name]


@operation("DELETE", _ONE, needs=TO_CHANGE, gives={204: None})
def archive(call: Call) -> None:
    """Take a property of the account's own out of use; records keep their values."""
    making.archive(changeable(call), call.parts["propertyName"], by=call.by)


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


@operation("POST", f"{_BATCH}/read", needs=TO_READ, takes=NamesToRead, gives={200: BatchOfProperties, 207: PartOfProperties})  # fmt: skip
def read_many(call: Call) -> Any:
    began, found = clock.now(), all_of(readable(call), archived=call.body.archived)
    asked = _names(call)
    errors = [_error(making.missing(name), name) for name in asked if name not in found]
    return _told(began, [found[name] for name in asked if name in found], errors)


@operation("POST", f"{_BATCH}/create", needs=TO_CHANGE, takes=NewProperties, gives={201: BatchOfProperties, 207: PartOfProperties})  # fmt: skip
def create_many(call: Call) -> Any:
    """Each that can be made is; what can't is told beside the others."""
    began, object_type = clock.now(), changeable(call)
    _require_some(call.body.inputs)
    made, errors = [], []
    for one in call.body.inputs:
        if refusal := _tried(lambda given=one: making.create(object_type, given, by=call.by)):  # type: ignore[misc]
            errors.append(_error(refusal, one.name))
        else:
            made.append(one.name)
    found = all_of(object_type)
    return _told(began, [found[name] for name in made], errors)


@operation("POST", f"{_BATCH}/archive", needs=TO_CHANGE, takes=Names, gives={204: None})
def archive_many(call: Call) -> None:
    """All of them or none. Safe to repeat; names that nothing has are passed over."""
    object_type = changeable(call)
    known = all_of(object_type)
    for name in _names(call):
        if name in known:
            making.archive(object_type, name, by=call.by)


# ── as programs of old read them (api.md §2.11) ──────────────────────────────────────────────────────────────────────


@operation("GET", "/properties/{objectType}/properties", needs=TO_READ, gives={200: list[OldProperty]})
def listed_of_old(call: Call) -> Any:
    """All properties of a kind of record, as programs of old read them."""
    return _of_old(readable(call))


@operation("GET", "/companies/properties", needs=lambda _parts: TO_READ({"objectType": "companies"}), gives={200: list[OldProperty]})  # fmt: skip
def listed_of_companies(call: Call) -> Any:
    """All properties of companies, as programs of old read them."""
    kinds.require_seen(call.viewer, "company")
    return _of_old("company")


def _of_old(object_type: str) -> list[dict[str, Any]]:
    return [
        {
            **one, "readOnlyValue": one["modificationMetadata"]["readOnlyValue"],
            "readOnlyDefinition": one["modificationMetadata"]["readOnlyDefinition"], "favorited": False, "deleted": False,
        }
        for one in all_of(object_type).values()
    ]  # fmt: skip


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def readable(call: Call) -> str:
    """The kind of record that the address means. Raises Refusal, also for a kind that the viewer sees nothing of."""
    object_type = kinds.named(call.parts["objectType"])
    kinds.require_seen(call.viewer, object_type)
    return object_type


def changeable(call: Call) -> str:
    """Raises Refusal, Forbidden."""
    policy.require(call.viewer, Action.EDIT_PROPERTIES)
    return kinds.named(call.parts["objectType"])


def _names(call: Call) -> list[str]:
    _require_some(call.body.inputs)
    return list(dict.fromkeys(one.name for one in call.body.inputs))


def _require_some(inputs: Sequence[object]) -> None:
    if not inputs:
        raise refusals.bad("Batch input provided should have at least one object.")


def _tried(do: Callable[[], None]) -> Refusal | None:
    try:
        with attempt():
            do()
    except Refusal as refusal:
        return refusal
    except DeskhandError as error:
        return refusals.of(error)
    return None


def _told(began: datetime, results: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]]) -> Any:
    content: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "startedAt": moment(began), "completedAt": moment(clock.now()),
    }  # fmt: skip
    return Answer(content | {"numErrors": len(errors), "errors": errors}, 207) if errors else content


def _error(refusal: Refusal, name: str) -> dict[str, Any]:
    own = {key: list(values) for key, values in (refusal.context or {}).items()}
    return {
        "status": "error", "category": refusal.category, "message": refusal.message, "context": own | {"name": [name]},
        "links": {}, "errors": list(refusal.errors),
    }  # fmt: skip
