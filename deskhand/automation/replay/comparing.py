"""What a replay would have done, beside what the workflow really did in the same time: three statements, however much it is.

A step of a record is compared with the same step that the log has of it, the first with the first. Steps of runs that
began before the replayed time are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Definition
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.enrolling.leaving import TAKEN_OVER
from deskhand.automation.models import Replay
from deskhand.automation.replay.others import SIGNS, TAKES_OVER
from deskhand.kernel.database import sql

#: Of these the log says what came of it in the very words of the replay.
_IN_WORDS = ("set_property", "create_task", "send_email", "delete_contact")


def compare(replay: Replay, definition: Definition, zone: str) -> None:
    """Give each step of the replay its verdict, and add what happened and would not have. Safe to repeat."""
    facts = {
        "account": replay.account_id, "replay": replay.pk, "workflow": replay.workflow_id, "since": replay.since,
        "until": replay.until, "kinds": list(ACTIONS), "type": definition.object_type, "words": list(_IN_WORDS),
        "takes": TAKES_OVER, "takes_sign": SIGNS[TAKES_OVER], "left": _("Left “%(name)s”.") % {"name": "{name}"},
        "taken": TAKEN_OVER, "taken_sign": SIGNS[TAKEN_OVER],
        "gave_up": _("Left on entering “%(name)s”.") % {"name": "{name}"},
    }  # fmt: skip
    revisions, steps = _different(replay, definition, facts)
    facts |= {"revisions": revisions, "steps": steps}
    sql.execute(_FORGET_REAL, facts)
    sql.execute(_MATCH, facts)
    if not replay.is_full:
        sql.execute(_REAL, facts)
    replay.totals = _totals(facts | {"zone": zone})


def _different(
    replay: Replay, definition: Definition, facts: Mapping[str, Any]
) -> tuple[list[int], list[str]]:
    """The steps that stood otherwise in a revision that ran, as pairs."""
    numbers = {number for (number,) in sql.rows(_REVISIONS, facts)}
    known = definitions_of(replay.account_id, {(replay.workflow_id, number) for number in numbers})
    pairs = [
        (number, step.id)
        for (_workflow, number), ran in known.items()
        for step in definition.steps
        if isinstance(step, Action) and _settings(ran, step.id) not in (None, (step.kind, step.settings))
    ]
    return [number for number, _step in pairs], [step for _number, step in pairs]


def _settings(definition: Definition, step_id: str) -> tuple[str, Mapping[str, Any]] | None:
    step = definition.by_id.get(step_id)
    return (step.kind, step.settings) if isinstance(step, Action) else None


def _totals(facts: Mapping[str, Any]) -> dict[str, Any]:
    days = {day.isoformat(): [would, did] for day, would, did in sql.rows(_DAYS, facts)}
    kinds: dict[str, dict[str, int]] = {}
    for kind, verdict, count in sql.rows(_KINDS, facts):
        kinds.setdefault(kind, {})[verdict] = count
    others: dict[str, list[list[Any]]] = {}
    if not kinds.keys().isdisjoint(SIGNS):
        for kind, name, count in sql.rows(_BESIDE, facts):
            others.setdefault(kind, []).append([name, count])
    return {"days": days, "kinds": kinds} | ({"others": others} if others else {})


_DID = """
happened as (
    select l.id, l.record_id, l.step_id, l.revision_number, l.kind, l.status, l.message, l.at
    from automation_steplog l join automation_enrollment e on e.account_id = l.account_id and e.id = l.enrollment_id
    where l.account_id = %(account)s and l.workflow_id = %(workflow)s and l.at >= %(since)s and l.at < %(until)s
      and l.object_type = %(type)s and l.kind = any(%(kinds)s) and l.status in ('SUCCEEDED', 'SKIPPED', 'FAILED') and e.enrolled_at >= %(since)s
    union all
    select l.id, l.record_id, %(takes_sign)s || l.workflow_id, 0, %(takes)s, 'SUCCEEDED', replace(%(left)s, '{name}', w.name), l.at
    from automation_enrollment e
    join automation_steplog l on l.account_id = e.account_id and l.enrollment_id = e.id and l.kind = 'left'
    join automation_workflow w on w.account_id = l.account_id and w.id = l.workflow_id
    where e.account_id = %(account)s and e.object_type = %(type)s and e.end_reason = 'taken_over'
      and e.ended_at >= %(since)s and e.ended_at < %(until)s and l.data->>'workflow' = %(workflow)s::bigint::text
    union all
    select l.id, l.record_id, %(taken_sign)s || w.id, 0, %(taken)s, 'SUCCEEDED', replace(%(gave_up)s, '{name}', w.name), l.at
    from automation_enrollment e
    join automation_steplog l on l.account_id = e.account_id and l.enrollment_id = e.id and l.kind = 'left'
    join automation_workflow w on w.account_id = l.account_id and w.id::text = l.data->>'workflow'
    where e.account_id = %(account)s and e.workflow_id = %(workflow)s and e.object_type = %(type)s and e.end_reason = 'taken_over'
      and e.enrolled_at >= %(since)s and e.ended_at < %(until)s
), did as (
    select record_id, step_id, revision_number, kind, status, message, at,
        row_number() over (partition by record_id, step_id order by at, id) as n from happened
), would as (
    select id, record_id, step_id, row_number() over (partition by record_id, step_id order by at, id) as n
    from automation_replayeffect where account_id = %(account)s and replay_id = %(replay)s and verdict <> 'GONE'
)
"""
_REVISIONS = """
select distinct revision_number from automation_steplog
where account_id = %(account)s and workflow_id = %(workflow)s and at >= %(since)s and at < %(until)s
"""
_FORGET_REAL = "delete from automation_replayeffect where account_id = %(account)s and replay_id = %(replay)s and verdict = 'GONE'"
_MATCH = f"""
with {_DID}, other as (select * from unnest(%(revisions)s::int[], %(steps)s::text[]) o(revision, step))
update automation_replayeffect r set really_at = did.at, really = did.message, verdict = case
    when r.kind <> did.kind or r.status <> did.status or (r.kind = any(%(words)s) and r.message <> did.message)
      or exists (select from other where other.revision = did.revision_number and other.step = did.step_id) then 'OTHER'
    else 'SAME' end
from would join did using (record_id, step_id, n) where r.account_id = %(account)s and r.id = would.id
"""
_REAL = f"""
with {_DID}
insert into automation_replayeffect
    (account_id, replay_id, at, record_id, step_id, kind, status, message, writes, known_id, verdict, really_at, really)
select %(account)s, %(replay)s, did.at, did.record_id, did.step_id, did.kind, did.status, '', '{{}}', 0, 'GONE', did.at, did.message
from did left join would using (record_id, step_id, n) where would.id is null and did.status <> 'SKIPPED' order by did.at
"""
# Being taken over is nothing that the workflow does.
_DAYS = """
select (at at time zone %(zone)s)::date, count(*) filter (where verdict <> 'GONE'), count(*) filter (where verdict <> 'NEW')
from automation_replayeffect where account_id = %(account)s and replay_id = %(replay)s and status <> 'SKIPPED' and kind <> %(taken)s group by 1 order by 1
"""
_KINDS = """
select kind, verdict, count(*) from automation_replayeffect
where account_id = %(account)s and replay_id = %(replay)s and status <> 'SKIPPED' group by 1, 2 order by 1, 2
"""
# How many runs would have left which other workflow, and this one for which.
_BESIDE = """
select r.kind, w.name, count(*) from automation_replayeffect r
join automation_workflow w on w.account_id = r.account_id and w.id = substr(r.step_id, 2)::bigint
where r.account_id = %(account)s and r.replay_id = %(replay)s and r.kind in (%(takes)s, %(taken)s) and r.verdict <> 'GONE'
group by 1, w.id, w.name order by 1, 3 desc, w.id
"""
