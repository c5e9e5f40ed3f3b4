"""A switching on that is killed at any statement, while the records change that it looks up."""

from __future__ import annotations

import contextlib
import random
import threading
from functools import partial

import pytest
from django.db import connection

from deskhand.automation import enroll, workflows
from deskhand.automation.engine.definition import Definition, Edge, WhenTrue
from deskhand.automation.enrolling import baseline, standing
from deskhand.automation.models import Baseline, Enrollment, TriggerMatch
from deskhand.automation.tests.enrolling_cases import TASK, has
from deskhand.bench import kills
from deskhand.crm.records import tickets
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.jobs import Job, Later
from deskhand.kernel.models import Timer
from deskhand.testing.world import make_world

HIGH = has("hs_ticket_priority", "HIGH")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("include", [False, True])
def test_killed_again_and_again_while_records_change_nobody_is_lost_and_nobody_enters_twice(
    wired, monkeypatch, include
):
    """R-TRIG-1, R-WF-20: its twin took its baseline within one moment. Children do the job, and die at any statement."""
    made, chance = make_world(), random.Random(8)
    account_id = made.account.pk
    with account_scope(account_id):
        own = [made.ticket(f"T {n}", priority=chance.choice(("HIGH", "LOW"))).pk for n in range(15)]
    rest()
    with account_scope(account_id):
        twin, flow = (flow_of(made) for _ in range(2))
        workflows.switch(twin, True, include_present=include)
    monkeypatch.setattr(baseline, "STEP", 3)
    with account_scope(account_id):
        workflows.switch(flow, True, include_present=include)
        kept = Baseline.objects.get(workflow=flow)
    given = Job(1, account_id, {"workflow": flow.pk, "baseline": kept.pk}, threading.Event())
    killed = 0

    def live() -> None:
        with account_scope(account_id):
            one, to = chance.choice(own), chance.choice(("HIGH", "LOW"))
            tickets.update(one, {"hs_ticket_priority": to}, by=SYSTEM)

    while not is_done(account_id, flow):
        live()
        at, after = chance.randint(10, 60 if killed else 20), chance.random() < 0.5
        killed += kills.at_once([partial(do_until, given, at, after, live)])
        if chance.random() < 0.7:
            rest()
    rest()

    assert killed
    with account_scope(account_id):
        assert memory(flow) == memory(twin)
        assert sorted(entered(flow)) == sorted(entered(twin))
        assert len(entered(flow)) == len(set(entered(flow)))


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_who_comes_to_meet_it_while_it_is_being_committed_enters(wired):
    """R-TRIG-1: those who told of the change did not know of the workflow yet."""
    made = make_world()
    account_id = made.account.pk
    with account_scope(account_id):
        flow = flow_of(made)
        before, meanwhile = made.ticket("Before", priority="HIGH").pk, made.ticket("Meanwhile").pk
    rest()

    def change() -> None:
        with account_scope(account_id):
            tickets.update(meanwhile, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
        rest()
        connection.close()

    other = threading.Thread(target=change)
    with account_scope(account_id):
        workflows.switch(flow, True)
        other.start()
        other.join()
    with account_scope(account_id):
        assert entered(flow) == []
        assert Timer.objects.filter(kind=standing.SWEEP, key=str(flow.pk)).update(due_at=clock.now()) == 1
    timers.TimerLoop().run_once()

    with account_scope(account_id):
        assert memory(flow) == [before, meanwhile]
        assert entered(flow) == [meanwhile]


def do_until(given, at, after, live):
    """The job, beside somebody who works in the same records and tells of it."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            live()
            rest()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    with contextlib.suppress(Later), kills.dying(at, after):
        enroll.take_baseline(given)
    stop.set()
    worker.join(10)


def rest():
    while Dispatcher().run_once():
        pass


def flow_of(made):
    definition = Definition("ticket", WhenTrue(HIGH), start=Edge("1"), steps=(TASK,), next_id=2)
    return workflows.create(made.account.pk, "Flow", definition, by=made.ada.pk)


def entered(flow):
    return list(Enrollment.objects.filter(workflow=flow).values_list("record_id", flat=True))


def is_done(account_id, flow):
    with account_scope(account_id):
        return Baseline.objects.get(workflow=flow).is_done


def memory(flow):
    found = TriggerMatch.objects.filter(baseline_id=Baseline.objects.get(workflow=flow).pk, is_met=True)
    return sorted(found.values_list("record_id", flat=True))
