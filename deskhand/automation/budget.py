"""What automation may send within an hour: whatever fans out by mistake stops here, until a person has looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation.models import Budget, Workflow
from deskhand.automation.pausing import release
from deskhand.events import log as events
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.claimer import LARGE
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid

STOPPED = "automation.stopped"
HOUR = timedelta(hours=1)
HIGHEST = 1_000_000  # an hour


#: With less than this left, batches take what they send one after the other: five full ones fit in.
NEAR = 5 * LARGE


class Overrun(Exception):
    """Others took meanwhile what this transaction wanted to book. It must be rolled back; what is tried anew fits."""


class Allowance:
    """The part of the hour's budget that one transaction takes. Nothing is asked before something costs.

    Never more than the budget: far from its end many batches take at a time and book when they are done, which fails for
    one that does not fit in any more (`Overrun`); near its end each holds the budget until it has committed.
    """

    def __init__(self, account_id: int, now: datetime) -> None:
        self.account_id, self.now = account_id, now
        self.left: int | None = None
        self.limit = 0  # of the whole hour
        self.taken: Counter[int] = Counter()  # by workflow
        self.past_by: int | None = None  # the workflow that asked for more than there was
        self.is_held = False

    def is_used_up(self, workflow_id: int, runs: int = 1) -> bool:
        """Whether nothing can be sent any more, for who would send for so many runs."""
        if self._look(runs) <= 0 and self.past_by is None:
            self.past_by = workflow_id
        return self._look() <= 0

    def has(self, wanted: int) -> bool:
        """Whether so many may be sent, as far as is known without waiting for others."""
        return self._look() >= wanted

    def take(self, wanted: Sequence[tuple[int, int]]) -> int:
        """For how many runs, from the first on, what each wants to send may be sent: (workflow, messages and calls)."""
        self._look(sum(count for _workflow, count in wanted))
        for place, (workflow_id, count) in enumerate(wanted):
            if count > self._look():
                self.past_by = self.past_by or workflow_id
                return place
            self.left = self._look() - count
            self.taken[workflow_id] += count
        return len(wanted)

    def _look(self, wanted: int = 0) -> int:
        """What is left; near the end as it is while nobody else takes from it."""
        if self.left is None:
            self._read(of(self.account_id))
        assert self.left is not None
        if self.left - wanted < NEAR and not self.is_held:
            self.is_held = True
            self._read(_hold(self.account_id))
        return self.left

    def _read(self, budget: Budget) -> None:
        self.limit = per_hour(budget)
        self.left = max(0, _left(budget, self.now) - self.taken.total())

    def book(self) -> None:
        """Keep what was taken; to be called last, for others wait from here to the commit. Raises Overrun."""
        total, hour = self.taken.total(), hour_of(self.now)
        if total or self.past_by is not None:
            default = int(settings.AUTOMATION_SENDS_PER_HOUR)
            if not sql.execute(_BOOK, [self.account_id, hour, total, default]):
                raise Overrun
        if total:
            sql.execute(_BOOK_EACH, [self.account_id, hour, list(self.taken), list(self.taken.values())])
        if self.past_by is not None and sql.execute(_STOP, [self.now, self.past_by, self.account_id]):
            _tell(self.past_by, self.now)


def of(account_id: int) -> Budget:
    """As it stands; an account that has sent nothing yet has a new one."""
    found = Budget.objects.filter(account_id=account_id).first()
    return found or Budget(account_id=account_id)


def per_hour(budget: Budget) -> int:
    return int(settings.AUTOMATION_SENDS_PER_HOUR) if budget.per_hour is None else budget.per_hour


def used(budget: Budget, now: datetime) -> int:
    """What was sent within the hour that it is."""
    return budget.used if budget.hour == hour_of(now) else 0


def begins_anew(now: datetime) -> datetime:
    return hour_of(now) + HOUR


def change(account_id: int, per_hour: int | None, *, by: Actor) -> None:
    """Allow so many an hour; None: as many as the installation allows. Raises Invalid."""
    if per_hour is not None and not 1 <= per_hour <= HIGHEST:
        text = _("Automation can be let send 1 to %(most)s messages and calls an hour.") % {"most": HIGHEST}
        raise Invalid(text, field="per_hour", value=per_hour)
    before = of(account_id).per_hour
    Budget.objects.update_or_create(account_id=account_id, defaults={"per_hour": per_hour})
    audit.record(
        "automation.budget_changed", by=by, target_type="account", target_id=account_id, before={"per_hour": before},
        after={"per_hour": per_hour},
    )  # fmt: skip


def resume(account_id: int, *, by: Actor) -> None:
    """Let go on what was held, with a new budget for this hour. Safe to repeat."""
    now = clock.now()
    stopped = (
        Budget.objects.select_for_update().filter(account_id=account_id, stopped_at__isnull=False).first()
    )
    if stopped is None:
        return
    workflow_id = stopped.stopped_by_id
    stopped.stopped_at, stopped.stopped_by_id, stopped.hour, stopped.used = None, None, hour_of(now), 0
    stopped.save(update_fields=["stopped_at", "stopped_by_id", "hour", "used"])
    release(account_id)
    audit.record(
        "automation.resumed",
        by=by,
        target_type="account",
        target_id=account_id,
        before={"workflow": workflow_id},
    )


def _hold(account_id: int) -> Budget:
    """As it stands when nobody else takes from it any more, until the transaction is over."""
    sql.execute(
        "insert into automation_budget (account_id, used) values (%s, 0) on conflict do nothing", [account_id]
    )
    return Budget.objects.select_for_update().get(account_id=account_id)


def _left(budget: Budget, now: datetime) -> int:
    if budget.stopped_at is not None:
        return 0
    is_now = budget.hour is not None and hour_of(now) <= budget.hour <= hour_of(now) + HOUR
    return max(0, per_hour(budget) - (budget.used if is_now else 0))


def hour_of(at: datetime) -> datetime:
    """When the hour of a moment began: what is sent counts in it."""
    return at.replace(minute=0, second=0, microsecond=0)


def _tell(workflow_id: int, now: datetime) -> None:
    name = Workflow.objects.values_list("name", flat=True).get(pk=workflow_id)
    events.record(
        STOPPED,
        object_type="workflow",
        object_id=workflow_id,
        version=0,
        by=SYSTEM,
        at=now,
        data={"name": name},
    )


# Who began in the hour before and books late counts in the one that has begun meanwhile.
_IS_NOW = "b.hour between excluded.hour and excluded.hour + interval '1 hour'"
_BOOK = f"""
insert into automation_budget as b (account_id, hour, used) values (%s, %s, %s)
on conflict (account_id) do update set
    used = case when {_IS_NOW} then b.used else 0 end + excluded.used, hour = case when {_IS_NOW} then b.hour else excluded.hour end
where case when {_IS_NOW} then b.used else 0 end + excluded.used <= coalesce(b.per_hour, %s)
"""

_BOOK_EACH = """
insert into automation_sendinghour as s (account_id, hour, workflow_id, count)
select %s, %s, x.workflow_id, x.count from unnest(%s::bigint[], %s::int[]) x(workflow_id, count) where x.count > 0
on conflict (account_id, hour, workflow_id) do update set count = s.count + excluded.count
"""

# Two batches may find the budget used up at once; one of them tells.
_STOP = """
update automation_budget set stopped_at = %s, stopped_by_id = %s where account_id = %s and stopped_at is null
"""
