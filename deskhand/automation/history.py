"""What runs did: enrollments and steps of a workflow, as far as the viewer reaches their records (R-LOG-1 … R-LOG-4).

Everything is read in one order, the newest first, and kept in sets: a page costs the same for three runs and a million.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.types import Verb, Viewer
from deskhand.automation.models import Enrollment, EnrollmentState, StepLog, StepStatus, Workflow
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.kernel import clock
from deskhand.kernel.calendars import local_day, start_of_day
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound

#: What names a record of a kind in SQL; its own kinds and deals have a name.
_TITLES = {
    "ticket": "'#' || t.number || ' ' || t.subject",
    "contact": "coalesce(nullif(t.name, ''), t.email)",
}
PART = 500  # lines of a file that are read together
DAYS = 30


class Ended(StrEnum):
    """What the history can be narrowed to."""

    ALL = ""
    INSIDE = "inside"
    COMPLETED = "completed"
    FAILED = "failed"  # a step failed on the way, or it ended because of one
    LEFT = "left"


@dataclass(frozen=True)
class Asked:
    """`until` is the first moment that is no longer meant; `text` is looked for in the record's name."""

    ended: Ended = Ended.ALL
    status: str = ""
    step_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    record_id: int | None = None


@dataclass(frozen=True)
class Named:
    """A record that the viewer may see; one that was deleted has no page any more."""

    object_type: str
    id: int
    title: str
    is_gone: bool


@dataclass(frozen=True)
class Run:
    id: int
    record: Named
    revision: int
    state: EnrollmentState
    step_id: str
    enrolled_at: datetime
    due_at: datetime | None
    waits_for: str
    attempts: int
    ended_at: datetime | None
    end_reason: str
    reason: Mapping[str, Any]
    event_id: int | None
    outputs: Mapping[str, Any]
    has_failed: bool  # a step on the way, after which it went on
    since: datetime | None = None  # it stands at its step, where that was asked for

    @property
    def is_over(self) -> bool:
        return self.state == EnrollmentState.ENDED

    @classmethod
    def of(cls, one: Enrollment, record: Named) -> Run:
        """Of one of `enrollments`."""
        return cls(
            one.pk, record, one.revision_number, EnrollmentState(one.state), one.step_id, one.enrolled_at, one.due_at, one.waits_for,
            one.attempts, one.ended_at, one.end_reason, one.reason, one.event_id, one.outputs, one.has_failed,  # type: ignore[attr-defined]
        )  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What one step did for one record."""

    id: int
    run_id: int
    record: Named
    revision: int
    step_id: str
    kind: str
    status: StepStatus
    message: str
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class _Query:
    """Conditions on rows `e` of a workflow joined with their records `t`, which bind the viewer's reach."""

    conditions: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, condition: str, *params: Any) -> None:
        self.conditions.append(condition)
        self.params.extend(params)

    @property
    def where(self) -> str:
        return " and ".join(self.conditions)


def _records(viewer: Viewer, object_type: str) -> tuple[str, list[Any]]:
    """The join that leaves out what the viewer may not see."""
    reach, params = policy.visible(viewer, object_type).sql("t")
    joined = f"join {table_of(object_type)} t on t.account_id = e.account_id and t.id = e.record_id and {of_this_type(object_type)} and {reach}"
    return joined, params


def _title(object_type: str) -> str:
    return _TITLES.get(object_type, "t.name")


def _about(query: _Query, workflow: Workflow, asked: Asked, at: str) -> None:
    """What both lists may be asked for: days and a record."""
    if asked.since is not None:
        query.add(f"e.{at} >= %s", asked.since)
    if asked.until is not None:
        query.add(f"e.{at} < %s", asked.until)
    if asked.record_id is not None:
        query.add("e.record_id = %s", asked.record_id)
    if asked.text:
        query.add(f"strpos(lower({_title(workflow.object_type)}), lower(%s)) > 0", asked.text)


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_RUN = (
    "e.id, e.record_id, {title}, t.archived_at is not null, e.revision_number, e.state, e.step_id, e.enrolled_at, e.due_at,"
    " e.waits_for, e.attempts, e.ended_at, e.end_reason, e.reason, e.event_id, e.outputs,"
    " exists (select 1 from automation_steplog s where s.account_id = e.account_id and s.enrollment_id = e.id and s.status = 'FAILED')"
)
_ENDED = {
    Ended.INSIDE: "e.state <> 'ENDED'",
    Ended.COMPLETED: "e.state = 'ENDED' and e.end_reason = 'completed'",
    Ended.LEFT: "e.state = 'ENDED' and e.end_reason <> 'completed' and e.end_reason not like '%%failed%%'",
}
# Both are read once, from indexes of their own; lines of the log are forgotten in time, ends are not.
_FAILED = (
    "e.id in (select l.enrollment_id from automation_steplog l where l.account_id = %s and l.workflow_id = %s and l.status = 'FAILED'"
    " union all select f.id from automation_enrollment f where f.account_id = %s and f.workflow_id = %s and f.end_reason like '%%failed%%')"
)


def runs(
    viewer: Viewer, workflow: Workflow, asked: Asked, *, before: int | None = None, limit: int = 50
) -> list[Run]:
    """Who was enrolled, the latest first, those before the run `before`. One query."""
    joined, reach = _records(viewer, workflow.object_type)
    query = _Query(params=[*reach])
    query.add("e.account_id = %s and e.workflow_id = %s", workflow.account_id, workflow.pk)
    if asked.ended is Ended.FAILED:
        query.add(_FAILED, *[workflow.account_id, workflow.pk] * 2)
    elif asked.ended:
        query.add(_ENDED[asked.ended])
    if asked.step_id:
        query.add("e.step_id = %s", asked.step_id)
    _about(query, workflow, asked, "enrolled_at")
    if before is not None:
        query.add(
            _BEFORE.format(at="enrolled_at", table="automation_enrollment"), workflow.account_id, before
        )
    columns = _RUN.format(title=_title(workflow.object_type))
    found = sql.rows(
        f"select {columns} from automation_enrollment e {joined} where {query.where}"
        " order by e.enrolled_at desc, e.id desc limit %s",
        [*query.params, limit],
    )
    return [_run(workflow.object_type, row) for row in found]


_BEFORE = "(e.{at}, e.id) < (select b.{at}, b.id from {table} b where b.account_id = %s and b.id = %s)"


def _run(object_type: str, row: Sequence[Any]) -> Run:
    pk, record_id, title, is_gone, revision, state, *rest = row
    (
        step_id,
        enrolled_at,
        due_at,
        waits_for,
        attempts,
        ended_at,
        end_reason,
        reason,
        event_id,
        outputs,
        has_failed,
        *more,
    ) = rest
    return Run(
        pk, Named(object_type, record_id, title, is_gone), revision, EnrollmentState(state), step_id, enrolled_at,
        due_at, waits_for, attempts, ended_at, end_reason, sql.loads(reason), event_id, sql.loads(outputs), has_failed,
        more[0] if more else None,
    )  # fmt: skip


def run(viewer: Viewer, workflow: Workflow, run_id: int) -> Run:
    """Raises NotFound, also for a run of a record that the viewer may not see."""
    joined, reach = _records(viewer, workflow.object_type)
    columns = _RUN.format(title=_title(workflow.object_type))
    found = sql.row(
        f"select {columns} from automation_enrollment e {joined}"
        " where e.account_id = %s and e.workflow_id = %s and e.id = %s",
        [*reach, workflow.account_id, workflow.pk, run_id],
    )
    if found is None:
        raise NotFound(_("There is no such run."))
    return _run(workflow.object_type, found)


def waiting(
    viewer: Viewer, workflow: Workflow, step_id: str, *, after: int | None = None, limit: int = 50
) -> list[Run]:
    """Who stands at a step now, the first first, with since when (R-LOG-4). One query."""
    joined, reach = _records(viewer, workflow.object_type)
    query = _Query(params=[*reach])
    query.add(
        "e.account_id = %s and e.workflow_id = %s and e.step_id = %s",
        workflow.account_id,
        workflow.pk,
        step_id,
    )
    query.add("not (e.state in ('ENDED', 'QUEUED'))")
    if after is not None:
        query.add("e.id > %s", after)
    columns = _RUN.format(title=_title(workflow.object_type))
    found = sql.rows(
        f"select {columns}, (select max(l.at) from automation_steplog l where l.account_id = e.account_id"
        " and l.enrollment_id = e.id and l.step_id = e.step_id)"
        f" from automation_enrollment e {joined} where {query.where} order by e.id limit %s",
        [*query.params, limit],
    )
    return [_run(workflow.object_type, row) for row in found]


def reached(viewer: Viewer, workflow: Workflow, run_ids: Collection[int], verb: Any) -> list[int]:
    """Those of these runs whose records the viewer may do this with."""
    reach, params = policy.visible(viewer, workflow.object_type, verb).sql("t")
    found = sql.rows(
        f"select e.id from automation_enrollment e join {table_of(workflow.object_type)} t on t.account_id = e.account_id"
        f" and t.id = e.record_id and {of_this_type(workflow.object_type)} and {reach}"
        " where e.account_id = %s and e.workflow_id = %s and e.id = any(%s)",
        [*params, workflow.account_id, workflow.pk, list(run_ids)],
    )
    return [row[0] for row in found]


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_LINE = (
    "e.id, e.enrollment_id, e.record_id, {title}, t.archived_at is not null, e.revision_number, e.step_id, e.kind, e.status,"
    " e.message, e.data, e.at"
)


def steps(
    viewer: Viewer, workflow: Workflow, asked: Asked, *, before: int | None = None, limit: int = 50
) -> list[Line]:
    """What steps did, the latest first, those before the line `before` (R-LOG-2). One query."""
    joined, reach = _records(viewer, workflow.object_type)
    query = _Query(params=[*reach])
    query.add("e.account_id = %s and e.workflow_id = %s", workflow.account_id, workflow.pk)
    if asked.status:
        query.add("e.status = %s", asked.status)
    if asked.step_id:
        query.add("e.step_id = %s", asked.step_id)
    _about(query, workflow, asked, "at")
    if before is not None:
        query.add(_BEFORE.format(at="at", table="automation_steplog"), workflow.account_id, before)
    return _lines(workflow, joined, query, "e.at desc, e.id desc limit %s", limit)


def path(viewer: Viewer, workflow: Workflow, run_id: int, limit: int = 500) -> list[Line]:
    """The way one run took, from the first step on."""
    joined, reach = _records(viewer, workflow.object_type)
    query = _Query(params=[*reach])
    query.add("e.account_id = %s and e.enrollment_id = %s", workflow.account_id, run_id)
    return _lines(workflow, joined, query, "e.id limit %s", limit)


def _lines(workflow: Workflow, joined: str, query: _Query, order: str, limit: int) -> list[Line]:
    columns = _LINE.format(title=_title(workflow.object_type))
    found = sql.rows(
        f"select {columns} from automation_steplog e {joined} where {query.where} order by {order}",
        [*query.params, limit],
    )
    return [
        Line(pk, run_id, Named(workflow.object_type, record_id, title, is_gone), revision, step_id, kind, StepStatus(status), message, sql.loads(data), at)
        for pk, run_id, record_id, title, is_gone, revision, step_id, kind, status, message, data, at in found
    ]  # fmt: skip


def parts(viewer: Viewer, workflow: Workflow, asked: Asked) -> Iterator[list[Line]]:
    """All that is asked for, a part at a time; nobody holds it whole."""
    before: int | None = None
    while True:
        found = steps(viewer, workflow, asked, before=before, limit=PART)
        if found:
            yield found
        if len(found) < PART:
            return
        before = found[-1].id


# ── counters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Counts:
    """Of one step: who stands at it, and how often it did its work or failed in the last DAYS days (R-LOG-4)."""

    waiting: int = 0
    succeeded: int = 0
    failed: int = 0


def counts(workflow: Workflow, now: datetime | None = None) -> dict[str, Counts]:
    """{step: counts}, of the whole workflow whoever looks: two queries."""
    since = (now or clock.now()) - timedelta(days=DAYS)
    given = [workflow.account_id, workflow.pk]
    waiting = dict(sql.rows(_WAITING, given))
    done: dict[str, dict[str, int]] = defaultdict(dict)
    for step_id, status, number in sql.rows(_DONE, [*given, since]):
        done[step_id][status] = number
    return {
        step_id: Counts(
            waiting.get(step_id, 0), done[step_id].get(StepStatus.SUCCEEDED, 0), done[step_id].get(StepStatus.FAILED, 0)
        )
        for step_id in {*waiting, *done}
    }  # fmt: skip


_WAITING = """
select step_id, count(*) from automation_enrollment
where account_id = %s and workflow_id = %s and not (state in ('ENDED', 'QUEUED')) group by step_id
"""
_DONE = """
select step_id, status, count(*) from automation_steplog
where account_id = %s and workflow_id = %s and at >= %s and status in ('SUCCEEDED', 'FAILED') group by step_id, status
"""


# ── of one record ────────────────────────────────────────────────────────────────────────────────────────────────────


def of_record(account_id: int, object_type: str, record_id: int, limit: int = 12) -> list[Enrollment]:
    """The runs of a record that are under way, the latest first, then the last ones that are over. One query."""
    found = enrollments(account_id, object_type=object_type, record_id=record_id)
    return list(
        found.select_related("workflow").order_by(F("ended_at").desc(nulls_first=True), "-id")[:limit]
    )


def enrollments(account_id: int, **those: Any) -> QuerySet[Enrollment]:
    """With what `Run.of` tells of them: whether a step has failed."""
    failures = StepLog.objects.filter(
        account_id=account_id, enrollment_id=OuterRef("pk"), status=StepStatus.FAILED
    )
    return Enrollment.objects.filter(account_id=account_id, **those).annotate(has_failed=Exists(failures))


def within(
    viewer: Viewer, object_type: str, record_ids: Collection[int], verb: Verb = Verb.VIEW
) -> list[Named]:
    """Those of these records that are there and that the viewer may do this with, in the order of their ids."""
    reach, params = policy.visible(viewer, object_type, verb).sql("t")
    found = sql.rows(
        f"select t.id, {_title(object_type)} from {table_of(object_type)} t where t.account_id = %s and t.id = any(%s)"
        f" and t.archived_at is null and {of_this_type(object_type)} and {reach} order by t.id",
        [viewer.account_id, list(record_ids), *params],
    )
    return [Named(object_type, pk, title, False) for pk, title in found]


def named(viewer: Viewer, records: Collection[tuple[str, int]]) -> dict[tuple[str, int], Named]:
    """Names of records of any kinds; those beyond the viewer's reach are missing. One query a kind."""
    by_type: dict[str, set[int]] = defaultdict(set)
    for object_type, record_id in records:
        by_type[object_type].add(record_id)
    found: dict[tuple[str, int], Named] = {}
    for object_type, ids in sorted(by_type.items()):
        joined, params = _records(viewer, object_type)
        rows = sql.rows(
            f"select t.id, {_title(object_type)}, t.archived_at is not null from (select unnest(%s::bigint[]) as record_id,"
            f" %s::bigint as account_id) e {joined}",
            [sorted(ids), viewer.account_id, *params],
        )
        found |= {(object_type, pk): Named(object_type, pk, title, is_gone) for pk, title, is_gone in rows}
    return found


def candidates(viewer: Viewer, object_type: str, text: str, limit: int = 10) -> list[Named]:
    """Records within the viewer's reach whose name holds the text, a ticket's number too; the newest first."""
    reach, params = policy.visible(viewer, object_type).sql("t")
    number = text.removeprefix("#").strip()
    wanted, asked = "true", list[object]()
    if object_type == "ticket" and number.isascii() and number.isdigit() and len(number) < 16:
        wanted, asked = "t.number = %s", [int(number)]
    elif text:
        wanted, asked = f"{_title(object_type)} ilike %s", [sql.containing(text)]
    rows = sql.rows(
        f"select t.id, {_title(object_type)} from {table_of(object_type)} t where t.account_id = %s and {reach} and t.archived_at is null"
        f" and {of_this_type(object_type)} and {wanted} order by t.id desc limit %s",
        [viewer.account_id, *params, *asked, limit],
    )
    return [Named(object_type, pk, title, is_gone=False) for pk, title in rows]


def failed_runs(viewer: Viewer, workflow_ids: Collection[int], object_type: str) -> dict[int, int]:
    """{workflow: runs that ended because a step failed}, of workflows of one kind of record. One query."""
    reach, params = policy.visible(viewer, object_type).sql("t")
    found = sql.rows(
        f"select e.workflow_id, count(*) from automation_enrollment e join {table_of(object_type)} t"
        f" on t.account_id = e.account_id and t.id = e.record_id and {of_this_type(object_type)} and {reach}"
        " where e.account_id = %s and e.workflow_id = any(%s) and e.end_reason like '%%failed%%'"
        " and (e.end_reason = 'step_failed' or e.end_reason like 'failed%%') group by e.workflow_id",
        [*params, viewer.account_id, list(workflow_ids)],
    )
    return dict(found)


# ── the goal ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WEEKS = 12


@dataclass(frozen=True)
class Week:
    """Those who entered in it, and who of them reached the goal and are inside still."""

    begins_on: date
    entered: int = 0
    met: int = 0
    inside: int = 0


@dataclass(frozen=True)
class Goal:
    """How many of those who entered lately reached the goal (R-UN-5), by the weeks in which they entered, the oldest first."""

    weeks: tuple[Week, ...]

    @property
    def entered(self) -> int:
        return sum(week.entered for week in self.weeks)

    @property
    def met(self) -> int:
        return sum(week.met for week in self.weeks)

    @property
    def inside(self) -> int:
        return sum(week.inside for week in self.weeks)

    @property
    def percent(self) -> int:
        return round(100 * self.met / self.entered) if self.entered else 0


def goal_of(workflow: Workflow, now: datetime, zone: ZoneInfo) -> Goal:
    """Of the last WEEKS weeks of the zone, this one included. One query; everybody counts, whoever may see them."""
    today = local_day(zone, now)
    monday = today - timedelta(days=today.weekday())
    begins = [monday - timedelta(weeks=ago) for ago in range(WEEKS - 1, -1, -1)]
    given = [workflow.account_id, workflow.pk, start_of_day(zone, begins[0]), zone.key]
    found = {day: Week(day, *counted) for day, *counted in sql.rows(_GOAL, given)}
    return Goal(tuple(found.get(day, Week(day)) for day in begins))


# Three times, each by an index of its own: the runs themselves need not be read.
_GOAL = """
with runs as not materialized (
    select enrolled_at, end_reason, state from automation_enrollment where account_id = %s and workflow_id = %s and enrolled_at >= %s
), told(enrolled_at, entered, met, inside) as (
    select enrolled_at, 1, 0, 0 from runs
    union all select enrolled_at, 0, 1, 0 from runs where end_reason = 'goal'
    union all select enrolled_at, 0, 0, 1 from runs where state not in ('ENDED', 'QUEUED') or state = 'QUEUED'
)
select date_trunc('week', enrolled_at at time zone %s)::date, sum(entered), sum(met), sum(inside) from told group by 1
"""
