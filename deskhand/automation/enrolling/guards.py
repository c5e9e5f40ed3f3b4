"""Who must stay out although a trigger fired: loops, floods, and those whom the workflow lets go (R-EXEC-20, R-EXEC-21)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from deskhand.automation.enrolling import leaving, matching
from deskhand.automation.enrolling.index import Entry
from deskhand.automation.enrolling.insert import Pair, Wanted, _insert
from deskhand.automation.models import StepLog, StepStatus, Workflow
from deskhand.events.types import DEPTH_LIMIT
from deskhand.kernel.database import sql
from deskhand.kernel.text import N_

PER_HOUR = 20
HOUR = timedelta(hours=1)
TOO_DEEP = N_("Started by more than 10 automatic changes in a row.")  # R-EXEC-21
TOO_OFTEN = N_("One record was enrolled 20 times within an hour; it was not enrolled again.")
LOOP = N_("Infinite loop: this workflow made the record itself.")  # R-EXEC-20
BROKEN = N_("What enrolls records names something that is no more.")
SWITCHED_OFF = N_("It was switched off: what is to enroll records names something that is no more.")
LOOK_AGAIN = timedelta(hours=1)  # from one look at a workflow that can't be read to the next
UNREADABLE = N_(
    "A newer release stored this workflow, and this release can't read it. Its runs wait until the newer one is back."
)


class Barred(StrEnum):
    """Why a record is not let in."""

    TOO_DEEP = "too_deep"
    TOO_OFTEN = "too_often"
    LOOP = "loop"
    SUPPRESSED = "suppressed"
    BROKEN = "broken"


def admit(account_id: int, wanted: Sequence[Wanted], now: datetime, zone: ZoneInfo) -> set[Pair]:
    """Let in whom nothing bars; returns who got in. What needs a person's eye is noted in its workflow."""
    if not wanted:
        return set()
    why = barred(account_id, wanted, now, zone)
    _note_loops(account_id, [one for one in wanted if why.get(one.pair) is Barred.LOOP], now)
    flag_barred(account_id, wanted, why)
    entered = _insert(account_id, [one for one in wanted if one.pair not in why])
    leaving.take_over(account_id, wanted, entered, now)
    return entered


def flag_barred(account_id: int, wanted: Sequence[Wanted], why: Mapping[Pair, Barred]) -> None:
    """What keeps records out by accident is for a person to look at."""
    flag(
        account_id,
        {one.entry.workflow_id: _FLAGS[why[one.pair]] for one in wanted if why.get(one.pair) in _FLAGS},
    )


_FLAGS = {Barred.TOO_DEEP: TOO_DEEP, Barred.TOO_OFTEN: TOO_OFTEN, Barred.BROKEN: BROKEN}


def barred(account_id: int, wanted: Sequence[Wanted], now: datetime, zone: ZoneInfo) -> dict[Pair, Barred]:
    """Whom something bars, and what. At most two queries, however many there are."""
    why = _suppressed(account_id, wanted, now, zone)
    why |= dict.fromkeys(_too_often(account_id, wanted, now), Barred.TOO_OFTEN)
    for one in wanted:
        if one.depth > DEPTH_LIMIT:
            why[one.pair] = Barred.TOO_DEEP
        elif one.made_by and one.made_by.get("workflow_id") == one.entry.workflow_id:
            why[one.pair] = Barred.LOOP
    return why


def _suppressed(
    account_id: int, wanted: Sequence[Wanted], now: datetime, zone: ZoneInfo
) -> dict[Pair, Barred]:
    """Those who would have to leave at once. While nobody can tell who that is, nobody comes in."""
    ids: dict[int, set[int]] = defaultdict(set)
    entries: dict[int, Entry] = {}
    for one in wanted:
        if one.entry.blocks is not None:
            ids[one.entry.workflow_id].add(one.record_id)
            entries[one.entry.workflow_id] = one.entry
    asked = [
        matching.Asked(pk, entry.object_type, entry.blocks, ids[pk])
        for pk, entry in entries.items()
        if entry.blocks is not None
    ]
    found = matching.holding(account_id, asked, now, zone)
    why = {(pk, record_id): Barred.SUPPRESSED for pk, met in found.of.items() for record_id in met}
    return why | {(pk, record_id): Barred.BROKEN for pk in found.broken for record_id in ids[pk]}


def _too_often(account_id: int, wanted: Sequence[Wanted], now: datetime) -> list[Pair]:
    """Only who may come again can come too often."""
    again = [one for one in wanted if one.is_again]
    if not again:
        return []
    workflows, records = ([one.pair[place] for one in again] for place in (0, 1))
    return [
        (workflow_id, record_id)
        for workflow_id, record_id in sql.rows(
            _OFTEN, [list(workflows), list(records), account_id, now - HOUR, PER_HOUR]
        )
    ]


_OFTEN = """
select e.workflow_id, e.record_id from unnest(%s::bigint[], %s::bigint[]) x(workflow, record)
join automation_enrollment e on e.account_id = %s and e.workflow_id = x.workflow and e.record_id = x.record
where e.enrolled_at > %s group by 1, 2 having count(distinct e.id) >= %s
"""


def flag(account_id: int, why: Mapping[int, str]) -> None:
    """Ask for a look at these workflows (R-LOG-7)."""
    for sentence in set(why.values()):
        ids = [pk for pk, one in why.items() if one == sentence]
        seen = Workflow.objects.filter(account_id=account_id, pk__in=ids).exclude(needs_review=sentence)
        seen.update(needs_review=sentence)


def _note_loops(account_id: int, loops: Sequence[Wanted], now: datetime) -> None:
    """The step that made the record says why that one did not come in."""
    StepLog.objects.bulk_create(
        StepLog(
            account_id=account_id, workflow_id=one.entry.workflow_id, enrollment_id=one.made_by.get("enrollment_id") or 0,
            object_type=one.entry.object_type, record_id=one.record_id, revision_number=one.entry.revision,
            step_id=one.made_by.get("step_id") or "", kind="enroll", status=StepStatus.SKIPPED, message=LOOP, at=now,
        )
        for one in loops
    )  # fmt: skip
