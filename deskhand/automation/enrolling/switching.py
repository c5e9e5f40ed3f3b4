"""What it takes to begin and to end listening: the memory of filters, clocks, and those who are there (R-WF-20, R-WF-21)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.automation.engine.definition import WhenTrue
from deskhand.automation.enrolling import baseline, matching, schedules, standing
from deskhand.automation.enrolling.index import Entry, entry_of
from deskhand.crm.filters.types import NOTHING
from deskhand.crm.records.tables import table_of
from deskhand.kernel import timers
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid

SWEEP_EVERY = timedelta(minutes=5)
#: After the switching on, for all filters: whoever told events while it committed did not know of it.
FIRST_SWEEP = timedelta(minutes=1)


def begin(account_id: int, workflow_id: int, now: datetime, *, include_present: bool) -> None:
    """A workflow is on from `now` on. Who meets its filters already stays out, unless that is asked for (R-WF-20)."""
    baseline.end(account_id, workflow_id)
    follow(account_id, workflow_id, now, include_present=include_present)


def follow(account_id: int, workflow_id: int, now: datetime, *, include_present: bool) -> None:
    """A workflow that is on has a new revision: the same question for who comes to meet it by that (R-WF-21).

    Raises Invalid for filters that name what is no more.
    """
    entry = entry_of(account_id, workflow_id, now)
    if entry is None:
        return
    zone = zone_named(zone_of(account_id))
    schedules.set_clock(account_id, workflow_id, entry.trigger, now, zone)
    timers.drop_timer(account_id, standing.SWEEP, str(workflow_id))
    if not isinstance(entry.trigger, WhenTrue):
        baseline.end(account_id, workflow_id)
        return
    try:
        is_done = baseline.begin(account_id, entry, zone, now, include_present=include_present)
    except Invalid as refusal:
        raise Invalid(
            _("The trigger names something that is no more: %(why)s") % {"why": refusal.message},
            field="trigger",
        ) from refusal
    if is_done:
        standing.sweep_soon(account_id, [workflow_id], now + FIRST_SWEEP)


def end(account_id: int, workflow_id: int) -> None:
    """A workflow is off: no clock rings for it, and what it remembers is of no use."""
    timers.drop_timer(account_id, schedules.FIRE, str(workflow_id))
    timers.drop_timer(account_id, standing.SWEEP, str(workflow_id))
    baseline.end(account_id, workflow_id)


def count(account_id: int, entry: Entry, now: datetime) -> int:
    """How many records would enter if the workflow were switched on, or published, with who is there (R-WF-22); who meets
    what keeps out does not. Raises Invalid when it names what is no more."""
    if not isinstance(entry.trigger, WhenTrue):
        return 0
    zone = zone_named(zone_of(account_id))
    test = matching.where(account_id, entry.object_type, entry.trigger.condition, now, zone)
    blocks = matching.where(account_id, entry.object_type, entry.blocks or NOTHING, now, zone)
    found = sql.row(
        _COUNT.format(table=table_of(entry.object_type), test=test.text, blocks=blocks.text),
        [*test.params, *blocks.params, account_id, entry.workflow_id, account_id, entry.workflow_id, entry.object_type, entry.is_again],
    )  # fmt: skip
    assert found is not None
    return int(found[0])


_COUNT = """
select count(*) from {table} t where {test}
and t.id not in (select t.id from {table} t where {blocks})
and not exists (
    select from automation_baseline b join automation_triggermatch m on m.account_id = b.account_id and m.baseline_id = b.id
    where b.account_id = %s and b.workflow_id = %s and m.record_id = t.id and m.is_met)
and not exists (
    select from automation_enrollment e where e.account_id = %s and e.workflow_id = %s and e.object_type = %s
    and e.record_id = t.id and (not %s or e.state <> 'ENDED'))
"""


def zone_of(account_id: int) -> str:
    found = sql.row("select zone from accounts_account where id = %s", [account_id])
    assert found is not None
    return str(found[0])
