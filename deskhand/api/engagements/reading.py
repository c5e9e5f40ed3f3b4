"""Tasks as the API shows them: those of records that the token may read and its viewer sees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from deskhand.api import kinds
from deskhand.api.engagements.fields import ALWAYS, DEFAULTS, FIELDS
from deskhand.api.operations import Call
from deskhand.api.shapes import moment, without_nothing
from deskhand.crm.records import worklist
from deskhand.crm.records.models import Task
from deskhand.kernel.database import sql


def kinds_of(call: Call, do: str = "read") -> list[str]:
    """The kinds of records that the token may read or write."""
    needs = kinds.to_write("kind") if do == "write" else kinds.to_read("kind")
    return [
        kind
        for kind in kinds.every()
        if not call.token.scopes.isdisjoint(needs({"kind": kinds.plural(kind)}))
    ]


def reach(call: Call, *, archived: bool = False) -> tuple[str, list[Any]]:
    """SQL on `crm_task k`."""
    text, params = worklist.within(call.viewer, kinds_of(call))
    state = "is not null" if archived else "is null"
    return f"k.account_id = %s and k.archived_at {state} and {text}", [call.viewer.account_id, *params]


def there(call: Call, ids: Collection[int], *, archived: bool = False) -> dict[int, Task]:
    """Those of these tasks that are there for the token. Two queries."""
    text, params = reach(call, archived=archived)
    rows = sql.rows(f"select k.id from crm_task k where {text} and k.id = any(%s)", [*params, sorted(ids)])
    return Task.objects.filter(account_id=call.viewer.account_id).in_bulk([pk for (pk,) in rows])


def page(call: Call, after: int, limit: int, *, archived: bool = False) -> tuple[list[Task], int | None]:
    """By age, and the number of the last one where there are more."""
    text, params = reach(call, archived=archived)
    rows = sql.rows(
        f"select k.id from crm_task k where {text} and k.id > %s order by k.id limit %s", [*params, after, limit + 1]
    )  # fmt: skip
    ids = [pk for (pk,) in rows]
    found = Task.objects.filter(account_id=call.viewer.account_id).in_bulk(ids[:limit])
    return [found[pk] for pk in ids[:limit] if pk in found], ids[limit - 1] if len(ids) > limit else None


def shown(
    call: Call, found: Sequence[Task], names: Sequence[str] = (), to: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """As many queries for many as for one. `to`: kinds of records whose links stand beside them."""
    wanted = [name for name in dict.fromkeys([*(names or DEFAULTS), *ALWAYS]) if name in FIELDS]
    changed = dict(sql.rows(_CHANGED, [call.viewer.account_id, [task.pk for task in found]]))
    beside = _beside(call, found, to) if to else {}
    return [
        without_nothing(
            id=str(task.pk),
            properties={
                name: FIELDS[name].told(task, changed.get(task.pk) or task.created_at) for name in wanted
            },
            createdAt=moment(task.created_at),
            updatedAt=moment(changed.get(task.pk) or task.created_at),
            archived=task.archived_at is not None,
            archivedAt=moment(task.archived_at) if task.archived_at else None,
            associations=beside.get(task.pk),
        )
        for task in found
    ]


def _beside(call: Call, found: Sequence[Task], to: Sequence[str]) -> dict[int, dict[str, Any]]:
    allowed = set(kinds_of(call))
    wanted = {kind for kind in map(kinds.named, to) if kind in allowed}
    links: dict[int, dict[str, Any]] = {}
    for task_id, records in worklist.records(call.viewer, found).items():
        for one in records:
            if one.object_type in wanted:
                some = links.setdefault(task_id, {}).setdefault(
                    kinds.plural(one.object_type), {"results": []}
                )
                kind = kinds.name(one.object_type)
                some["results"].append({"id": str(one.record_id), "type": f"task_to_{kind}"})
    return links


_CHANGED = """
select object_id, max(occurred_at) from events_event where account_id = %s and object_type = 'task' and object_id = any(%s) group by 1
"""
