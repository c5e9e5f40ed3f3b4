"""The list of workflows: what was asked for, a page at a time, with what each has been doing lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Definition
from deskhand.automation.enrolling.index import read_or_none
from deskhand.automation.models import Workflow, WorkflowRevision
from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.kernel.database import sql

DAYS = 30
WEEK = 7
CAP = 10_000  # of what is inside; beyond it "10,000+"


class State(StrEnum):
    """What the list can be narrowed to. Archived ones are shown only when asked for."""

    ALL = ""
    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    REVIEW = "review"
    ARCHIVED = "archived"


class Sort(StrEnum):
    NAME = "name"
    CHANGED = "changed"
    CREATED = "created"


@dataclass(frozen=True)
class Asked:
    text: str = ""
    object_type: str = ""
    state: State = State.ALL
    owner_id: int | None = None
    folder_id: int | None = None
    sort: Sort = Sort.NAME


@dataclass(frozen=True)
class Activity:
    """What went on in one workflow. `by_day` are the enrollments of the last DAYS days, the oldest first."""

    inside: int = 0
    by_day: tuple[int, ...] = (0,) * DAYS
    errors: int = 0  # steps that failed in the last WEEK days

    @property
    def week(self) -> int:
        return sum(self.by_day[-WEEK:])

    @property
    def month(self) -> int:
        return sum(self.by_day)


@dataclass(frozen=True)
class Row:
    workflow: Workflow
    revision: WorkflowRevision
    definition: Definition | None  # None: it can't be read
    activity: Activity


@dataclass(frozen=True)
class Page:
    rows: tuple[Row, ...]
    following: int | None  # the workflow behind which the next page begins


def names(account_id: int) -> dict[str, list[tuple[int, str]]]:
    """All workflows that are there, by kind of record and name: what may be chosen. One query."""
    found: dict[str, list[tuple[int, str]]] = {}
    rows = Workflow.objects.filter(account_id=account_id, archived_at=None).order_by("name", "id")
    for object_type, pk, name in rows.values_list("object_type", "pk", "name"):
        found.setdefault(object_type, []).append((pk, name))
    return found


def page(account_id: int, asked: Asked, now: datetime, *, after: int | None = None, limit: int = 50) -> Page:
    """A page of the list, with five queries however long it is."""
    ids = [found[0] for found in _matching(account_id, asked, after, limit + 1)]
    shown = ids[:limit]
    return Page(rows_of(account_id, shown, now), shown[-1] if len(ids) > limit else None)


def rows_of(account_id: int, ids: Sequence[int], now: datetime) -> tuple[Row, ...]:
    """Workflows in the order given, with what they have been doing."""
    found = Workflow.objects.select_related("folder").in_bulk(list(ids)) if ids else {}
    found = {pk: one for pk, one in found.items() if one.account_id == account_id}
    revisions = {row.workflow_id: row for row in workflows.newest_revisions(account_id, list(found.values()))}
    lately = activity(account_id, list(found), now)
    read = {pk: read_or_none(row) for pk, row in revisions.items()}
    return tuple(Row(found[pk], revisions[pk], read[pk], lately[pk]) for pk in ids if pk in revisions)


def _matching(account_id: int, asked: Asked, after: int | None, limit: int) -> list[tuple[Any, ...]]:
    conditions, params = ["w.account_id = %(account)s"], _params(account_id, asked, after, limit)
    conditions.append(_STATES[asked.state])
    if asked.text:
        conditions.append("strpos(lower(w.name || ' ' || w.description), lower(%(text)s)) > 0")
    if asked.object_type:
        conditions.append("w.object_type = %(type)s")
    if asked.owner_id is not None:
        conditions.append("w.owner_id = %(owner)s")
    if asked.folder_id is not None:
        conditions.append("w.folder_id = %(folder)s")
    key, direction, than = _ORDERS[asked.sort]
    if after is not None:
        conditions.append(f"({key}, w.id) {than} (select {key}, w.id {_FROM} where w.account_id = %(account)s and w.id = %(after)s)")  # fmt: skip
    return sql.rows(
        f"select w.id {_FROM} where {' and '.join(conditions)} order by {key} {direction}, w.id {direction} limit %(limit)s",
        params,
    )


def _params(account_id: int, asked: Asked, after: int | None, limit: int) -> dict[str, Any]:
    return {
        "account": account_id, "text": asked.text, "type": asked.object_type, "owner": asked.owner_id,
        "folder": asked.folder_id, "after": after, "limit": limit,
    }  # fmt: skip


_FROM = (
    "from automation_workflow w join automation_workflowrevision r"
    " on r.account_id = w.account_id and r.workflow_id = w.id and r.number = w.revision_number"
)
_STATES = {
    State.ALL: "w.archived_at is null",
    State.ON: "w.archived_at is null and w.is_on and not w.is_paused",
    State.OFF: "w.archived_at is null and not w.is_on",
    State.PAUSED: "w.archived_at is null and w.is_paused",
    State.REVIEW: "w.archived_at is null and w.needs_review <> ''",
    State.ARCHIVED: "w.archived_at is not null",
}
_ORDERS = {
    Sort.NAME: ("lower(w.name)", "asc", ">"),
    Sort.CHANGED: ("r.created_at", "desc", "<"),
    Sort.CREATED: ("w.created_at", "desc", "<"),
}


# ── how many ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Counts:
    every: int
    review: int
    archived: int
    by_folder: Mapping[int, int]


def counts(account_id: int) -> Counts:
    """Of the side: one query."""
    found = sql.rows(_COUNTS, [account_id])
    by_folder: dict[int, int] = defaultdict(int)
    every = review = archived = 0
    for folder_id, number, to_review, gone in found:
        every, review, archived = every + number, review + to_review, archived + gone
        if folder_id is not None:
            by_folder[folder_id] = number
    return Counts(every, review, archived, by_folder)


_COUNTS = """
select folder_id, count(*) filter (where archived_at is null),
       count(*) filter (where archived_at is null and needs_review <> ''), count(*) filter (where archived_at is not null)
from automation_workflow where account_id = %s group by folder_id
"""


def activity(account_id: int, ids: Sequence[int], now: datetime) -> dict[int, Activity]:
    """What went on in these workflows lately; days are UTC's. Three queries."""
    if not ids:
        return {}
    given = [account_id, list(ids)]
    first = now.astimezone(UTC).date() - timedelta(days=DAYS - 1)
    inside = dict(sql.rows(_INSIDE, [list(ids), account_id, CAP + 1]))
    errors = dict(sql.rows(_ERRORS, [*given, now - timedelta(days=WEEK)]))
    days: dict[int, dict[date, int]] = defaultdict(dict)
    for workflow_id, day, number in sql.rows(
        _ENROLLED, [*given, datetime(*first.timetuple()[:3], tzinfo=UTC)]
    ):
        days[workflow_id][day] = number
    return {
        pk: Activity(
            inside.get(pk, 0),
            tuple(days[pk].get(first + timedelta(days=n), 0) for n in range(DAYS)),
            errors.get(pk, 0),
        )
        for pk in ids
    }


# As the unique index for runs that are under way says it, so that it is read and not the table.
_INSIDE = """
with asked as (select unnest(%s::bigint[]) as workflow_id)
select a.workflow_id, (select count(*) from (
    select 1 from automation_enrollment e where e.account_id = %s and e.workflow_id = a.workflow_id
    and not (e.state in ('ENDED', 'QUEUED')) limit %s) x)
from asked a
"""
_ERRORS = """
select workflow_id, count(*) from automation_steplog
where account_id = %s and workflow_id = any(%s) and status = 'FAILED' and at >= %s group by workflow_id
"""
_ENROLLED = """
select workflow_id, (enrolled_at at time zone 'UTC')::date, count(*) from automation_enrollment
where account_id = %s and workflow_id = any(%s) and enrolled_at >= %s group by 1, 2
"""


# ── where lanes belong ───────────────────────────────────────────────────────────────────────────────────────────────


def places(account_id: int, of: Sequence[Workflow]) -> dict[int, tuple[str, str]]:
    """{workflow: labels of its pipeline and status}, of lanes; a deleted one has no label. Two queries."""
    lanes = [one for one in of if one.origin_pipeline_id is not None]
    if not lanes:
        return {}
    pipelines = dict(
        Pipeline.objects.filter(
            account_id=account_id, pk__in={one.origin_pipeline_id for one in lanes}
        ).values_list("id", "label")
    )
    stages = dict(
        Stage.objects.filter(
            account_id=account_id, pk__in={one.origin_stage_id for one in lanes}
        ).values_list("id", "label")
    )
    return {
        one.pk: (pipelines.get(one.origin_pipeline_id or 0, ""), stages.get(one.origin_stage_id or 0, ""))
        for one in lanes
    }
