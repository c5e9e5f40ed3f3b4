"""Who met a filter trigger at the moment of switching on, or of publishing it anew: looked up a page of records at a time.

The first page is looked at at once; a slow job does the rest, and until it is through the workflow is being switched on.
It hears what happens meanwhile, and remembers of each record that it hears of whether that met the filters at that moment
(`before.py`), be it that the job has come to it or not. So it comes to the same as if all had been looked up within that
moment (R-TRIG-1, R-WF-20, R-WF-21), and whoever comes to meet the filters need not wait for the job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from deskhand.automation.engine.definition import WhenTrue
from deskhand.automation.enrolling import before, guards, matching, standing
from deskhand.automation.enrolling.index import Entry, Index, Opening, entry_of
from deskhand.automation.enrolling.insert import Wanted
from deskhand.automation.models import Baseline
from deskhand.crm.filters.types import Condition
from deskhand.crm.records.tables import table_of
from deskhand.events import dispatch
from deskhand.events.types import Event
from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict

STEP = 2000  # records that are looked at in one transaction
#: Events that nobody has heard yet; while there are more, the job waits for those that tell them.
UNHEARD = 5000
TAKE = "automation.baseline"
FORGET = "automation.forget_matches"


class Behind(Exception):
    """So much waits to be told that the page must wait for it."""


@dataclass(frozen=True)
class Progress:
    """How far the switching on of a workflow is. `total` is None until it has been counted."""

    seen: int
    total: int | None
    is_change: bool  # it was on before, with other filters

    @property
    def percent(self) -> int:
        return min(99, 100 * self.seen // self.total) if self.total else 0


def progress(
    account_id: int, workflow_ids: Collection[int], baseline_id: int | None = None
) -> dict[int, Progress]:
    """Of those that are being switched on; with `baseline_id` only by this beginning. One query."""
    found = Baseline.objects.filter(account_id=account_id, workflow_id__in=workflow_ids, is_done=False)
    if baseline_id is not None:
        found = found.filter(pk=baseline_id)
    return {
        one.workflow_id: Progress(one.seen, one.total, one.previous is not None)
        for one in found.order_by("workflow_id")
    }


# ── beginning and ending ─────────────────────────────────────────────────────────────────────────────────────────────


def begin(account_id: int, entry: Entry, zone: ZoneInfo, now: datetime, *, include_present: bool) -> bool:
    """Look at the first page, and leave the rest to a slow job; returns whether that was all.

    Raises Invalid when the condition names what is no more, and Conflict while an earlier beginning is not through. The
    workflow is held by the caller.
    """
    matching.where(account_id, entry.object_type, _condition(entry), now, zone)
    old = Baseline.objects.filter(account_id=account_id, workflow_id=entry.workflow_id).first()
    if old is not None and not old.is_done:
        raise Conflict(
            _(
                "The workflow is still being switched on. Publish another trigger once it is on, or switch it off first."
            )
        )
    sql.execute(_END, [account_id, entry.workflow_id])
    new = Baseline.objects.create(
        account_id=account_id, workflow_id=entry.workflow_id, at=now, after_event=_number(_LAST_EVENT),
        includes_present=include_present, previous=old.pk if old else None, began_in=_number(_XID),
        upto=_number(_LAST_RECORD.format(table=table_of(entry.object_type)), account_id),
    )  # fmt: skip
    is_done = _page(account_id, new, entry, zone, is_first=True)
    if not is_done:
        jobs.enqueue(
            TAKE, {"workflow": entry.workflow_id, "baseline": new.pk}, one_by_one=str(entry.workflow_id)
        )
    return is_done


_XID = "select pg_current_xact_id()::text::bigint"
_LAST_EVENT = "select coalesce(pg_sequence_last_value('events_event_id_seq'), 0)"
_LAST_RECORD = "select coalesce(max(id), 0) from {table} where account_id = %s"


def end(account_id: int, workflow_id: int) -> None:
    """Forget who meets it; what a job still looks up is of no use."""
    for ended, previous in sql.rows(_END, [account_id, workflow_id]):
        forget(account_id, ended)
        if previous is not None:
            forget(account_id, previous)


_END = "delete from automation_baseline where account_id = %s and workflow_id = %s returning id, previous"


def forget(account_id: int, baseline_id: int) -> None:
    """The first at once; many in a slow job."""
    if forget_some(account_id, baseline_id):
        jobs.enqueue(FORGET, {"baseline": baseline_id})


def forget_some(account_id: int, baseline_id: int) -> bool:
    """Whether there may be more."""
    return sql.execute(_FORGET, [account_id, baseline_id, STEP]) == STEP


_FORGET = """
delete from automation_triggermatch where ctid = any(array(
    select ctid from automation_triggermatch where account_id = %s and baseline_id = %s limit %s for update skip locked))
"""


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(
    account_id: int, baseline: Baseline, entry: Entry, zone: ZoneInfo, *, is_first: bool = False
) -> bool:
    """Look at the next records; returns whether that was the last of them. The baseline is held by the caller."""
    opening = Opening(
        baseline.pk, baseline.at, baseline.after_event, baseline.includes_present, baseline.previous
    )
    table = table_of(entry.object_type)
    window = sql.row(_WINDOW.format(table=table), [account_id, baseline.reached, baseline.upto, STEP])
    assert window is not None
    to, seen = window
    if seen:
        test = matching.where(account_id, entry.object_type, _condition(entry), opening.at, zone)
        found = sql.rows(_MEET.format(table=table, test=test.text), [baseline.reached, to, *test.params])
        # Read after the records: who changed before they were read is known to have, or remembered already.
        moved = set() if is_first else _unheard(account_id, entry)
        unsure = {pk for pk in moved if baseline.reached < pk <= to}
        met = {pk for (pk,) in found} - unsure
        if unsure:
            met |= before.met_then(account_id, entry, unsure, opening, zone)
        baseline.reached, baseline.seen = to, baseline.seen + seen
    baseline.is_done = seen < STEP or to >= baseline.upto
    baseline.save(update_fields=["reached", "seen", "is_done"])
    if seen:
        guards.admit(account_id, _remember(account_id, entry, opening, met, unsure - met), opening.at, zone)
    if baseline.is_done and baseline.previous is not None:
        forget(account_id, baseline.previous)
    return baseline.is_done


_WINDOW = """
select coalesce(max(id), 0), count(*) from (select id from {table} where account_id = %s and id > %s and id <= %s order by id limit %s) x
"""
_MEET = "select t.id from {table} t where t.id > %s and t.id <= %s and {test}"


def look_back(account_id: int, index: Index, events: Sequence[Event]) -> list[Wanted]:
    """Of workflows that are being switched on: remember what the records that these events concern were at that moment.

    Returns who enters because those who are there shall.
    """
    wanted: list[Wanted] = []
    ways = standing.Ways(standing.changed_by(events if index.opening else ()))
    for pk, opening in index.opening.items():
        entry = index.entries[pk]
        concerned = _concerned(entry, events, ways)
        unknown = concerned - _known(account_id, opening, concerned)
        if unknown:
            met = before.met_then(account_id, entry, unknown, opening, index.zone)
            wanted += _remember(account_id, entry, opening, met, unknown - met)
    return wanted


def _remember(
    account_id: int, entry: Entry, opening: Opening, met: Collection[int], others: Collection[int]
) -> list[Wanted]:
    """Note who met the condition then, and who did not; returns who enters by that."""
    ids = [*sorted(met), *sorted(others)]
    if not ids:
        return []
    answers = [True] * len(met) + [False] * len(others)
    facts = [account_id, opening.baseline_id, opening.at, ids, answers]
    new = [pk for pk, is_met in sql.rows(_REMEMBER, facts) if is_met]
    if not opening.includes_present or not entry.first_step:
        return []
    if opening.previous is not None and new:
        met_before = {pk for (pk,) in sql.rows(_BEFORE, [account_id, opening.previous, new])}
        new = [pk for pk in new if pk not in met_before]
    return [
        Wanted(entry, pk, {"by": "present"}, is_again=entry.is_again, since=opening.at) for pk in sorted(new)
    ]


_REMEMBER = """
insert into automation_triggermatch (account_id, baseline_id, since, record_id, is_met)
select b.account_id, b.id, y.at, x.record, x.met
from (select %s::bigint as account, %s::bigint as baseline, %s::timestamptz as at) y
join automation_baseline b on b.account_id = y.account and b.id = y.baseline,
unnest(%s::bigint[], %s::boolean[]) x(record, met)
on conflict do nothing returning record_id, is_met
"""
_BEFORE = """
select record_id from automation_triggermatch where account_id = %s and baseline_id = %s and record_id = any(%s) and is_met
"""


def _known(account_id: int, opening: Opening, record_ids: Collection[int]) -> set[int]:
    if not record_ids:
        return set()
    found = sql.rows(_KNOWN, [account_id, opening.baseline_id, list(record_ids)])
    return {pk for (pk,) in found}


_KNOWN = "select record_id from automation_triggermatch where account_id = %s and baseline_id = %s and record_id = any(%s)"


def _unheard(account_id: int, entry: Entry) -> set[int]:
    """Whom events concern that nobody has heard yet. Raises Behind."""
    events = dispatch.unheard(account_id, UNHEARD + 1)
    if len(events) > UNHEARD:
        raise Behind
    return _concerned(entry, events, standing.Ways(standing.changed_by(events)))


def _concerned(entry: Entry, events: Sequence[Event], ways: standing.Ways) -> set[int]:
    """The records whose meeting the condition these events may have changed, also by taking them away."""
    return standing.touched(entry, ways).keys() | before.gone(entry.object_type, events)


# ── the slow job ─────────────────────────────────────────────────────────────────────────────────────────────────────


def go_on(account_id: int, workflow_id: int, baseline_id: int, zone: ZoneInfo) -> bool:
    """The job's next page; returns whether there is nothing left to do. Safe to repeat. Raises Behind and Invalid."""
    if sql.row(_HELD, [account_id, workflow_id]) is None:
        return True
    baseline = (
        Baseline.objects.select_for_update()
        .filter(account_id=account_id, pk=baseline_id, workflow_id=workflow_id, is_done=False)
        .first()
    )
    entry = entry_of(account_id, workflow_id, baseline.at) if baseline else None
    if baseline is None or entry is None:
        return True
    if _number(_DEAF, baseline.began_in):
        raise Behind
    if baseline.total is None:
        count = _COUNT.format(table=table_of(entry.object_type))
        baseline.total = _number(count, account_id, baseline.upto)
        baseline.save(update_fields=["total"])
    return _page(account_id, baseline, entry, zone)


# Whoever tells events and began before the switching on could be seen does not remember for it. A number that is still to
# come is another server's, whose dump this database was restored from: whoever ran there is gone.
_DEAF = """
select (x.own <> coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) and pg_snapshot_xmin(x.now)::text::bigint <= x.own
    and x.own < pg_snapshot_xmax(x.now)::text::bigint)::int
from (select %s::bigint as own, pg_current_snapshot() as now) x
"""
# Before the baseline, as by those who switch it off.
_HELD = "select id from automation_workflow where account_id = %s and id = %s for key share"
_COUNT = "select count(*) from {table} where account_id = %s and id <= %s"


def _number(query: str, *params: object) -> int:
    found = sql.row(query, list(params))
    assert found is not None
    return int(found[0])


def _condition(entry: Entry) -> Condition:
    assert isinstance(entry.trigger, WhenTrue)
    return entry.trigger.condition
