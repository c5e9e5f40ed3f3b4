"""Tasks made and changed by what programs send, through the verbs of the pages (R-WFA-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from deskhand.accounts.types import Verb
from deskhand.api import kinds, refusals
from deskhand.api.engagements.fields import DONE, DUE, FIELDS, STATUS, SUBJECT, TYPES
from deskhand.api.engagements.reading import kinds_of
from deskhand.api.objects import links
from deskhand.api.objects.shapes import LinkOfNew
from deskhand.api.objects.writing import Writer
from deskhand.api.operations import Call
from deskhand.api.refusals import Refusal
from deskhand.crm.records import task_queues, tasks, worklist
from deskhand.crm.records.models import Task
from deskhand.crm.records.tasks import Record, Wanted
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.values import normal
from deskhand.kernel.errors import Invalid

_WRONG = {Kind.ENUM: "INVALID_OPTION", Kind.DATETIME: "INVALID_DATE", Kind.REF: "INVALID_LONG"}
LONGEST = 200  # letters of a wrong value that are told
#: What stands where a program clears a part.
_EMPTY: Mapping[str, Any] = {"title": "", "notes": "", "priority": tasks.NO_PRIORITY, "kind": "TODO"}


def create(call: Call, properties: Mapping[str, Any], associations: Sequence[LinkOfNew] | None) -> int:
    """A task of the records that it is linked to, the first being its main one. Raises Refusal, Invalid."""
    lacking = [name for name in (DUE, SUBJECT) if properties.get(name) in (None, "")]
    if lacking:
        said = "Error creating TASK. Some required properties were not set."
        raise refusals.bad(said, context={"properties": lacking})
    values = _read(properties)
    main, *also = _records(call, associations)
    _require_scopes(call, [main, *also])
    Writer(call.viewer, call.by, main[0]).require([main[1]], Verb.EDIT)
    links.require_there(call.viewer, set(also))
    wanted = Wanted(**{"title": "", **_parts(call, values)})
    made = tasks.create(*main, wanted, by=call.by, also=also)
    if values.get(STATUS) == DONE:
        tasks.finish(made, True, by=call.by)
    return made


def update(call: Call, task: Task, properties: Mapping[str, Any]) -> None:
    """Whoever changes the main record may; whose task it is may tick it off. Raises Refusal, Invalid."""
    if not properties:
        raise refusals.bad("No properties found to update, please provide at least one.")
    values = _read(properties)
    _require_scopes(call, [task.main])
    parts = _parts(call, values, task)
    may_change = task.pk in worklist.changeable(call.viewer, [task])
    if not may_change and (parts or task.assignee_id != call.viewer.user_id):
        raise _forbidden()
    if parts:
        before = {name: getattr(task, name) for name in Wanted.__dataclass_fields__}
        tasks.edit(task.pk, Wanted(**{**before, **parts}), by=call.by)
    if STATUS in values:
        tasks.finish(task.pk, values[STATUS] == DONE, by=call.by)


def archive(call: Call, found: Sequence[Task]) -> None:
    """All of them or none. Raises Refusal."""
    _require_scopes(call, [task.main for task in found])
    if len(worklist.changeable(call.viewer, found)) < len(found):
        raise _forbidden()
    for task in found:
        tasks.remove(task.pk, by=call.by)


def _forbidden() -> Refusal:
    return Refusal(403, "FORBIDDEN", "You don't have permission to do this.")


def _require_scopes(call: Call, records: Sequence[Record]) -> None:
    allowed = set(kinds_of(call, "write"))
    for kind, _pk in records:
        if kind not in allowed:
            raise refusals.unscoped(kinds.to_write("kind")({"kind": kinds.plural(kind)}))


def _records(call: Call, associations: Sequence[LinkOfNew] | None) -> list[Record]:
    """Raises Refusal where there is none, or a type says nothing of the kind."""
    found: list[Record] = []
    for one in associations or ():
        types = {each.association_type_id for each in one.types}
        kind = next((TYPES[number] for number in types if number in TYPES), None)
        if kind is None or not types <= TYPES.keys():
            known = ", ".join(f"{number} ({kinds.plural(name)})" for number, name in TYPES.items())
            raise refusals.bad(
                f"Invalid association type for tasks: {sorted(types)}. It must be one of: {known}.",
                context={"typeId": [str(number) for number in sorted(types)]},
            )
        found.append((kind, links.number(one.to.id)))
    if not found:
        raise refusals.bad("A task is about a record: give at least one association.", context={"fields": ["associations"]})  # fmt: skip
    return list(dict.fromkeys(found))


def _parts(call: Call, values: Mapping[str, Any], task: Task | None = None) -> dict[str, Any]:
    """Raises Refusal for a queue that the viewer may not use."""
    parts = {
        FIELDS[name].part: _EMPTY.get(FIELDS[name].part) if value is None else value
        for name, value in values.items()
        if FIELDS[name].part
    }
    queue_id = parts.get("queue_id")
    is_kept = task is not None and queue_id == task.queue_id
    if queue_id is None or is_kept:
        return parts
    if queue_id not in {queue.pk for queue in task_queues.usable(call.viewer)}:
        raise refusals.bad(f"There is no task queue {queue_id}.")
    return parts


def _read(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they are kept; what is wrong is told all at once. Raises Refusal."""
    wrong, values = [], {}
    for name, given in properties.items():
        field = FIELDS.get(name)
        if field is None:
            wrong.append(_wrong(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", given))
        elif field.prop.read_only:
            wrong.append(_wrong(name, f'"{name}" is a read only property; its value cannot be set.', "READ_ONLY_VALUE", given))  # fmt: skip
        else:
            try:
                values[name] = _one(name, given)
            except Invalid as problem:
                code = _WRONG.get(field.prop.kind, "INVALID_VALUE")
                wrong.append(_wrong(name, problem.message, code, given))
    if wrong:
        raise refusals.bad(
            f"Property values were not valid: {orjson.dumps(wrong).decode()}",
            errors=[
                {"message": one["message"], "code": one["error"], "context": {"propertyName": [one["name"]]}}
                for one in wrong
            ],
        )
    return values


def _one(name: str, given: Any) -> Any:
    if isinstance(given, Mapping | list):
        raise Invalid(f"{name} takes one text.", field=name)
    return normal(FIELDS[name].prop, given)


def _wrong(name: str, said: str, error: str, given: Any) -> dict[str, Any]:
    text = given if isinstance(given, str) else orjson.dumps(given, default=str).decode()
    return {
        "isValid": False, "message": said, "error": error, "name": name[:LONGEST], "propertyValue": text[:LONGEST],
        "localizedErrorMessage": said,
    }  # fmt: skip
