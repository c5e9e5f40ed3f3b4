"""Replays of workflows: begun by people, done by a slow job, kept for a month. Only their own tables are ever written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.models import Account
from deskhand.accounts.types import Viewer
from deskhand.automation.actions.once import reading_once
from deskhand.automation.engine.definition import Definition, Manual, WhenCalled
from deskhand.automation.enrolling.index import Entry
from deskhand.automation.models import Replay, ReplayEffect, ReplayRun, ReplayState, Verdict, Workflow
from deskhand.automation.replay import comparing, keeping
from deskhand.automation.replay.play import Play, Surroundings
from deskhand.crm.records.tables import table_of
from deskhand.kernel import clock, jobs
from deskhand.kernel.calendars import local_day, zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, read_only
from deskhand.kernel.errors import Conflict, DeskhandError, Invalid
from deskhand.kernel.jobs import Job
from deskhand.routing import default_hours

JOB = "automation.replay"
SPANS = (7, 30, 90)  # days that can be chosen
KEPT = 5  # replays of one workflow
KEPT_FOR = timedelta(days=30)
GOING = (ReplayState.QUEUED, ReplayState.RUNNING)
_STEP = 5000


# ── beginning and stopping ───────────────────────────────────────────────────────────────────────────────────────────


def start(
    workflow: Workflow, definition: Definition, *, days: int, is_draft: bool, by: int, now: datetime
) -> Replay:
    """Let a slow job replay this definition over the last `days`. Raises Invalid, and Conflict while one goes on."""
    if days not in SPANS:
        raise Invalid(_("Choose 7, 30 or 90 days."), field="days", value=days)
    if not definition.steps:
        raise Invalid(_("The workflow has no steps yet."), field="days", value=days)
    Workflow.objects.select_for_update(no_key=True).get(account_id=workflow.account_id, pk=workflow.pk)
    if going(workflow) is not None:
        raise Conflict(_("A replay of this workflow is going on already."))
    replay = Replay.objects.create(
        account_id=workflow.account_id, workflow=workflow, definition=definition.to_json(), revision_number=workflow.revision_number,
        is_draft=is_draft, since=now - timedelta(days=days), until=now, created_at=now, created_by_id=by,
    )  # fmt: skip
    _forget([one.pk for one in newest(workflow)[KEPT:]], workflow.account_id)
    jobs.enqueue(JOB, {"replay": replay.pk}, one_by_one="replay")
    return replay


def newest(workflow: Workflow) -> list[Replay]:
    """All that are kept, the newest first."""
    return list(Replay.objects.filter(account_id=workflow.account_id, workflow=workflow).order_by("-id"))


def going(workflow: Workflow) -> Replay | None:
    found = Replay.objects.filter(account_id=workflow.account_id, workflow=workflow, state__in=GOING)
    return found.first()


def cancel(replay: Replay, now: datetime) -> bool:
    """Stop it after the page in hand; False when it was over already."""
    stopped = Replay.objects.filter(account_id=replay.account_id, pk=replay.pk, state__in=GOING).update(
        state=ReplayState.CANCELLED, ended_at=now
    )
    return bool(stopped)


def note_given_up(account_id: int, kind: str, args: Mapping[str, Any]) -> None:
    """The job was tried too often: nobody waits for its replay any more."""
    if kind == JOB:
        Replay.objects.filter(account_id=account_id, pk=args["replay"], state=ReplayState.RUNNING).update(
            state=ReplayState.FAILED, ended_at=clock.now()
        )


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(job: Job) -> None:
    """A page of the log a transaction. Begun again after a kill, it goes on after the last page that was stored."""
    with account_scope(job.account_id):
        begun = _begin(job.account_id, job.args["replay"])
    if begun is None:
        return
    replay, play, locale = begun
    try:
        while not play.is_over:
            job.give_way()
            with account_scope(job.account_id):
                if not _is_wanted(replay):
                    return
                with translation.override(locale), reading_once(), read_only():
                    page = play.page()
                keeping.keep(replay, play, page)
    except DeskhandError as refusal:  # the definition names what is no more
        with account_scope(job.account_id):
            _end(replay, ReplayState.FAILED, error=str(refusal))
        return
    with account_scope(job.account_id):
        if _is_wanted(replay):
            with translation.override(locale):
                comparing.compare(replay, play.definition, play.around.zone)
            _end(replay, ReplayState.DONE, totals=replay.totals)


def _begin(account_id: int, replay_id: int) -> tuple[Replay, Play, str] | None:
    replay = Replay.objects.select_for_update(no_key=True).filter(account_id=account_id, pk=replay_id, state__in=GOING).first()  # fmt: skip
    if replay is None:
        return None
    if replay.state == ReplayState.QUEUED:
        replay.state, replay.started_at, replay.reached_at = ReplayState.RUNNING, clock.now(), replay.since
        replay.save(update_fields=["state", "started_at", "reached_at"])
    account = Account.objects.get(pk=account_id)
    definition = Definition.from_json(replay.definition)
    play = play_of(replay, definition, account)
    keeping.go_on(replay, play)
    return replay, play, account.locale


def play_of(replay: Replay, definition: Definition, account: Account) -> Play:
    hours = None
    if definition.counts_working_time:
        hours = default_hours.with_holidays(
            replay.account_id, local_day(zone_named(account.zone), replay.since)
        )
    entry = Entry(
        replay.workflow_id, definition.object_type, replay.revision_number, replay.since, definition
    )
    return Play(replay.account_id, entry, replay.until, Surroundings(account.zone, hours))


def _is_wanted(replay: Replay) -> bool:
    """Whether nobody stopped it, and no other worker took it over and came further. Held until the page is stored."""
    found = Replay.objects.select_for_update(no_key=True).filter(
        account_id=replay.account_id, pk=replay.pk, state=ReplayState.RUNNING, reached_at=replay.reached_at
    )
    return found.first() is not None


def _end(replay: Replay, state: ReplayState, **values: Any) -> None:
    values |= {"state": state, "ended_at": clock.now()}
    Replay.objects.filter(account_id=replay.account_id, pk=replay.pk, state=ReplayState.RUNNING).update(
        **values
    )


# ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def forget_old(account_id: int, now: datetime) -> int:
    """Replays that are older than a month; returns how many."""
    old = Replay.objects.filter(account_id=account_id, created_at__lt=now - KEPT_FOR).exclude(state__in=GOING)
    ids = list(old.order_by("id").values_list("pk", flat=True)[:KEPT])
    _forget(ids, account_id)
    return len(ids)


def _forget(ids: Sequence[int], account_id: int) -> None:
    if ids:
        _empty(ids, account_id)
        Replay.objects.filter(account_id=account_id, pk__in=ids).delete()


def _empty(ids: Sequence[int], account_id: int) -> None:
    for table in ("automation_replayeffect", "automation_replayrun"):
        sql.execute(
            f"delete from {table} where account_id = %s and replay_id = any(%s)", [account_id, list(ids)]
        )


# ── looking at it ────────────────────────────────────────────────────────────────────────────────────────────────────

#: A place in the list: the moment, and the row.
Place = tuple[datetime, int]


@dataclass(frozen=True)
class Shown:
    """The next lines within the viewer's reach."""

    effects: tuple[ReplayEffect, ...]
    next: Place | None


@dataclass(frozen=True)
class Afterwards:
    """What a colleague did to the record next, after something that did not happen."""

    kind: str
    user_id: int | None
    at: datetime


def effects(
    viewer: Viewer, replay: Replay, object_type: str, *, kind: str = "", verdict: str = "", after: Place | None = None, limit: int
) -> Shown:  # fmt: skip
    """In the order of time. One query."""
    reach, params = policy.visible(viewer, object_type).sql("t")
    asked: list[Any] = [replay.account_id, replay.pk]
    parts = ["e.account_id = %s and e.replay_id = %s"]
    for text, value in (("e.kind = %s", kind), ("e.verdict = %s", verdict)):
        if value:
            parts.append(text)
            asked.append(value)
    if after is not None:
        parts.append("(e.at, e.id) > (%s, %s)")
        asked += after
    found = sql.rows(
        f"select e.id from automation_replayeffect e join {table_of(object_type)} t on t.account_id = e.account_id and t.id = e.record_id"
        f" and {reach} where {' and '.join(parts)} order by e.at, e.id limit %s",
        [*params, *asked, limit + 1],
    )
    ids = [pk for (pk,) in found]
    rows = tuple(
        ReplayEffect.objects.filter(account_id=replay.account_id, pk__in=ids[:limit]).order_by("at", "id")
    )
    return Shown(rows, (rows[-1].at, rows[-1].pk) if len(ids) > limit else None)


def hidden(viewer: Viewer, replay: Replay, object_type: str) -> int:
    """How many lines are about records that the viewer may not see, or that are gone."""
    reach, params = policy.visible(viewer, object_type).sql("t")
    found = sql.row(
        f"select count(*) from automation_replayeffect e where e.account_id = %s and e.replay_id = %s and not exists ("
        f"select from {table_of(object_type)} t where t.account_id = e.account_id and t.id = e.record_id and {reach})",
        [replay.account_id, replay.pk, *params],
    )
    assert found is not None
    return int(found[0])


def way(replay: Replay, number: int) -> ReplayRun | None:
    return ReplayRun.objects.filter(account_id=replay.account_id, replay=replay, number=number).first()


def afterwards(replay: Replay, object_type: str, those: Sequence[ReplayEffect]) -> dict[int, Afterwards]:
    """{line: what a colleague did next}, of what would only have happened. One query."""
    only = [one for one in those if one.verdict == Verdict.NEW]
    if not only:
        return {}
    columns = [[one.pk for one in only], [one.record_id for one in only], [one.at for one in only]]
    rows = sql.rows(_NEXT, [*columns, replay.account_id, object_type, replay.until])
    return {pk: Afterwards(kind, user_id, at) for pk, kind, user_id, at in rows}


_NEXT = """
select x.id, e.kind, e.actor_id, e.occurred_at from unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) x(id, record, at)
cross join lateral (
    select v.kind, v.actor_id, v.occurred_at from events_event v
    where v.account_id = %s and v.object_type = %s and v.object_id = x.record and v.actor_kind = 'user'
      and v.occurred_at > x.at and v.occurred_at < %s order by v.occurred_at, v.id limit 1) e
"""


def is_untold(definition: Definition) -> bool:
    """Whether neither the log nor the calendar lets records in: people, calls or other workflows do."""
    return isinstance(definition.trigger, Manual | WhenCalled)
