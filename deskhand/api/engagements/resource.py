"""Tasks, one by one and by search, as other records are served (api.md §3.2, §2.1).

A task is about at least one record, so it is made with its associations; whoever sees one of its records sees it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from deskhand.accounts import tokens
from deskhand.api import pages, refusals
from deskhand.api.engagements import reading, writing
from deskhand.api.engagements.fields import DEFAULTS
from deskhand.api.engagements.searching import found_by
from deskhand.api.objects import links
from deskhand.api.objects.resource import MOST
from deskhand.api.objects.shapes import Changes, FoundPage, New, Page, Record, RecordWithLinks, Search
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing
from deskhand.crm.records.models import Task

_ALL, _ONE = "/crm/objects/tasks", "/crm/objects/tasks/{objectId}"
_ASKED = ("properties", "associations", "archived")
_RECORDS = {scope for scope in tokens.SCOPES if scope.startswith("crm.objects.") and ".owners." not in scope}


def to_read(_parts: object) -> Collection[str]:
    """Which tasks there are is decided by the kinds that a token may read."""
    return _RECORDS | {"tickets"}


def to_write(_parts: object) -> Collection[str]:
    return {scope for scope in _RECORDS if scope.endswith(".write")} | {"tickets"}


@operation("GET", _ALL, needs=to_read, gives={200: Page}, asks=("limit", "after", *_ASKED))
def listed(call: Call) -> Any:
    limit, after = pages.limit(call, default=10, most=MOST), pages.after(call)
    found, last = reading.page(call, after, limit, archived=pages.flag(call, "archived"))
    shown = reading.shown(call, found, pages.several(call, "properties"), pages.several(call, "associations"))
    return without_nothing(results=shown, paging=pages.following(call, last))


@operation("POST", _ALL, needs=to_write, takes=New, gives={201: Record})
def create(call: Call) -> Any:
    """It takes hs_timestamp, hs_task_subject and at least one association: the first record is the main one."""
    body = call.body
    return after_write(call, [writing.create(call, body.properties, body.associations)], body.properties)[0]


@operation("GET", _ONE, needs=to_read, gives={200: RecordWithLinks}, asks=_ASKED)
def read(call: Call) -> Any:
    task = one(call, archived=pages.flag(call, "archived"))
    return reading.shown(
        call, [task], pages.several(call, "properties"), pages.several(call, "associations")
    )[0]


@operation("PATCH", _ONE, needs=to_write, takes=Changes, gives={200: Record})
def update(call: Call) -> Any:
    task = one(call)
    writing.update(call, task, call.body.properties)
    return after_write(call, [task.pk], call.body.properties)[0]


@operation("DELETE", _ONE, needs=to_write, gives={204: None})
def archive(call: Call) -> None:
    """Safe to repeat: what is gone stays so."""
    writing.archive(call, list(reading.there(call, [links.number(call.parts["objectId"])]).values()))


@operation("POST", f"{_ALL}/search", needs=to_read, takes=Search, gives={200: FoundPage})
def search(call: Call) -> Any:
    """Tasks that meet one of the groups of filters; the words of the question stand in title or notes."""
    ids, total, following = found_by(call, call.body)
    found = reading.there(call, ids)
    shown = reading.shown(call, [found[pk] for pk in ids if pk in found], call.body.properties or ())
    paging = {"next": {"after": str(following)}} if following is not None else None
    return without_nothing(total=total, results=shown, paging=paging)


def one(call: Call, *, archived: bool = False) -> Task:
    """Raises Refusal."""
    pk = links.number(call.parts["objectId"])
    found = reading.there(call, [pk], archived=archived).get(pk)
    if found is None:
        raise refusals.missing()
    return found


def after_write(call: Call, ids: Sequence[int], given: Collection[str]) -> list[dict[str, Any]]:
    """As they are now: what tasks always show, and what was written."""
    found = Task.objects.filter(account_id=call.viewer.account_id).in_bulk(list(ids))
    return reading.shown(call, [found[pk] for pk in ids], [*DEFAULTS, *given])
