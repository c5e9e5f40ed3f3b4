"""A replay page by page in its own tables: whoever is killed goes on after the last page that was stored.

Runs are stored as they stand, so those that still go on are found again; what they would have given records is read out of
the effects, and the little that the next page needs besides is `Replay.kept`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from deskhand.automation.enrolling.insert import Wanted
from deskhand.automation.models import Replay, ReplayEffect, ReplayRun
from deskhand.automation.replay.play import Line, Page, Play, Run
from deskhand.kernel.database import bulk, sql


def keep(replay: Replay, play: Play, page: Page) -> None:
    """Store what a page came to. One statement a table, in the caller's transaction."""
    bulk.insert(ReplayRun, [_run_row(replay, one) for one in page.runs], on_conflict=_RUN_AGAIN)
    bulk.insert(
        ReplayEffect,
        [
            {
                "account_id": replay.account_id, "replay_id": replay.pk, "run_number": one.run, "at": one.at, "record_id": one.record_id,
                "step_id": one.step_id, "kind": one.kind, "status": one.status.value, "message": one.message, "writes": dict(one.writes),
                "known_id": one.known,
            }
            for one in page.effects
        ],
    )  # fmt: skip
    replay.events += page.events
    replay.runs, replay.reached_at = play.count, play.log.reached
    replay.left_out, replay.is_full = len(play.left_out), play.is_full
    replay.held, replay.held_at = play.held, play.held_at
    replay.kept = {} if play.is_over else _kept(play)
    replay.save(
        update_fields=["events", "runs", "reached_at", "left_out", "is_full", "held", "held_at", "kept"]
    )


_RUN_AGAIN = """(account_id, replay_id, number) do update
set path = excluded.path, step_id = excluded.step_id, end_reason = excluded.end_reason, ended_at = excluded.ended_at, going = excluded.going"""


def _run_row(replay: Replay, one: Run) -> dict[str, Any]:
    return {
        "account_id": replay.account_id, "replay_id": replay.pk, "number": one.number, "record_id": one.record_id,
        "entered_at": one.entered_at, "reason": dict(one.reason), "path": [_line(line) for line in one.path],
        "step_id": "" if one.end_reason else one.position.partition(">")[0], "end_reason": one.end_reason,
        "ended_at": one.ended_at, "going": {} if one.end_reason else _going(one),
    }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    return {"step": line.step_id, "what": line.what, "at": line.at.isoformat(), "values": line.values}


def _going(run: Run) -> dict[str, Any]:
    """What it takes to let the run go on."""
    return {
        "position": run.position, "depth": run.depth, "event_id": run.event_id, "due": _text(run.due), "waits_for": run.waits_for,
        "happened": run.happened, "outputs": run.outputs, "acted": run.acted,
    }  # fmt: skip


def _kept(play: Play) -> dict[str, Any]:
    at, event_id = play.cut
    return {
        "cut": [at.isoformat(), event_id],
        "stretch": play.log.stretch.total_seconds(),
        "left_out": sorted(play.left_out),
        "gone": sorted(play.memory.gone),
        "taken": sorted(play.taken),
        "queued": [_queued(one, at) for waiting in play.queued.values() for one, at in waiting],
        "recent": [[pk, [one.isoformat() for one in times]] for pk, times in play.recent().items()],
        "mailing": play.mailing.as_json(),
    }


def _queued(one: Wanted, at: datetime) -> dict[str, Any]:
    return {
        "record": one.record_id, "reason": dict(one.reason), "depth": one.depth, "event_id": one.event_id, "is_again": one.is_again,
        "made_by": dict(one.made_by), "at": at.isoformat(),
    }  # fmt: skip


# ── going on ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def go_on(replay: Replay, play: Play) -> None:
    """Bring a new play to where the last stored page ended. Three queries."""
    kept = replay.kept
    play.log.reached = replay.reached_at or replay.since
    if not kept:
        return
    play.log.stretch = timedelta(seconds=kept["stretch"])
    play.cut = datetime.fromisoformat(kept["cut"][0]), kept["cut"][1]
    play.left_out, play.memory.gone = set(kept["left_out"]), set(kept["gone"])
    play.taken = set(kept["taken"])
    play.count, play.is_full = replay.runs, replay.is_full
    play.held, play.held_at = replay.held, replay.held_at
    play.mailing.read_json(kept["mailing"])
    own = [replay.account_id, replay.pk]
    for record_id, at, writes, event_id in sql.rows(_WRITES, own):
        for name, (_old, value) in sql.loads(writes).items():
            play.memory.note(record_id, name, value, (at, event_id))
    play.times = {record_id: [] for (record_id,) in sql.rows(_ENTERED, own)}
    play.times |= {pk: [datetime.fromisoformat(one) for one in times] for pk, times in kept["recent"]}
    for row in ReplayRun.objects.filter(account_id=replay.account_id, replay=replay, end_reason="").order_by(
        "number"
    ):
        play.take_up(_run(row))
    for one in kept["queued"]:
        wanted = Wanted(
            play.entry, one["record"], one["reason"], one["depth"], one["event_id"], is_again=one["is_again"], made_by=one["made_by"]
        )  # fmt: skip
        play.queued[wanted.record_id].append((wanted, datetime.fromisoformat(one["at"])))


def _run(row: ReplayRun) -> Run:
    going: Mapping[str, Any] = row.going
    path = [
        Line(one["step"], one["what"], datetime.fromisoformat(one["at"]), one["values"]) for one in row.path
    ]
    return Run(
        row.number, row.record_id, row.entered_at, row.reason, going["position"], going["depth"], going["event_id"],
        _moment(going["due"]), going["waits_for"], going["happened"], going["outputs"], going["acted"], path,
    )  # fmt: skip


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_WRITES = """
select record_id, at, writes::text, known_id from automation_replayeffect
where account_id = %s and replay_id = %s and writes <> '{}' order by id
"""
_ENTERED = "select distinct record_id from automation_replayrun where account_id = %s and replay_id = %s"
