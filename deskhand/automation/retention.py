"""How long the log of steps is kept (R-LOG-3). That a record was in a workflow is never forgotten: it enters only once (R-RE-1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation.models import Retention
from deskhand.automation.replay import replays
from deskhand.events.types import Actor
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job
from deskhand.kernel.timers import DueTimer

NIGHTLY = "automation.nightly"
FORGET = "automation.forget"
DAYS, SHORTEST, LONGEST = 180, 7, 3650
STEP = 5000


def days_kept(account_id: int) -> int:
    found = Retention.objects.filter(account_id=account_id).first()
    return found.days if found else DAYS


def keep(account_id: int, days: int, *, by: Actor) -> None:
    """Keep what is noted of steps for so many days. Raises Invalid."""
    if not SHORTEST <= days <= LONGEST:
        text = _("The log can be kept for %(least)s to %(most)s days.") % {"least": SHORTEST, "most": LONGEST}
        raise Invalid(text, field="days", value=days)
    before = days_kept(account_id)
    Retention.objects.update_or_create(account_id=account_id, defaults={"days": days})
    audit.record(
        "automation.retention_changed", by=by, target_type="account", target_id=account_id, before={"days": before},
        after={"days": days},
    )  # fmt: skip


def nightly(account_id: int, due: Sequence[DueTimer]) -> None:
    """What is too old goes in a slow job."""
    jobs.enqueue(FORGET, {}, one_by_one=str(account_id))
    timers.set_timer(account_id, NIGHTLY, "", clock.now() + timedelta(days=1))


def forget(job: Job) -> None:
    """A set a transaction, until nothing old is left. Safe to repeat."""
    while True:
        job.give_way()
        with account_scope(job.account_id):
            if not (
                forget_some(job.account_id, clock.now()) + replays.forget_old(job.account_id, clock.now())
            ):
                return


def forget_some(account_id: int, now: datetime) -> int:
    """Forget the next lines of the log, answers to calls, calls that came in, and what ended runs had for later steps."""
    before = now - timedelta(days=days_kept(account_id))
    facts = {"account": account_id, "before": before, "limit": STEP}
    return sum(sql.execute(query, facts) for query in _FORGET)


_FORGET = (
    """
    delete from automation_sendinghour where id in (
        select id from automation_sendinghour where account_id = %(account)s and hour < %(before)s limit %(limit)s)
    """,
    """
    delete from automation_steplog l using (
        select o.id from automation_workflow w cross join lateral (
            select s.id from automation_steplog s where s.account_id = w.account_id and s.workflow_id = w.id and s.at < %(before)s limit %(limit)s) o
        where w.account_id = %(account)s limit %(limit)s) old
    where l.id = old.id
    """,
    """
    delete from automation_stepcall where id in (
        select id from automation_stepcall where account_id = %(account)s and created_at < %(before)s
        and (state <> 'WAITING' or expires_at < %(before)s) limit %(limit)s)
    """,
    """
    delete from automation_hookcall where id in (
        select id from automation_hookcall where account_id = %(account)s and received_at < %(before)s and state <> 'RECEIVED' limit %(limit)s)
    """,
    """
    update automation_enrollment set outputs = '{}' where id in (
        select id from automation_enrollment where account_id = %(account)s and state = 'ENDED' and ended_at < %(before)s and outputs <> '{}' limit %(limit)s)
    """,
)
