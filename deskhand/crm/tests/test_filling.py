"""The slow job that brings the side table in line when a property becomes filterable, or is no more."""

import subprocess
import sys
import threading
import time
from random import Random
from typing import Any

import pytest
from django.db import connection

from deskhand.crm.records import filterable, store, tickets
from deskhand.crm.records.models import PropertyValue, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.jobs import Job, JobLoop, Later
from deskhand.testing.jobs import run_jobs
from deskhand.testing.world import make_world


def scores(object_type: str = "ticket") -> dict[int, float]:
    return {value.record_id: value.number for value in PropertyValue.objects.all()}


def in_records() -> dict[int, float]:
    return {t.pk: t.properties["score"] for t in Ticket.objects.all() if "score" in t.properties}


def definition() -> PropertyDefinition:
    return PropertyDefinition.objects.get(name="score")


def a_job(**more: Any) -> Job:
    return Job(
        1, definition().account_id, {"property": definition().pk}, more.get("stop") or threading.Event()
    )


@pytest.fixture
def scored(world, wired):
    """Seven tickets, five with a score, which is not filterable yet."""
    properties.create("ticket", "score", "Score", Kind.NUMBER)
    made = tickets.create_many(
        [NewTicket(str(n), properties={"score": n} if n % 3 else {}) for n in range(7)], by=SYSTEM
    )
    return [ticket.id for ticket in made]


def test_a_property_that_becomes_filterable_is_filled(scored):
    properties.update(definition(), is_filterable=True)
    assert not properties_of("ticket")["score"].is_filled

    assert run_jobs() == 1

    properties.queries.forget("ticket")
    assert properties_of("ticket")["score"].is_filled
    assert scores() == in_records()
    assert len(scores()) == 4


def test_what_changes_before_the_job_comes_is_there_once(scored):
    properties.update(definition(), is_filterable=True)
    tickets.update(scored[1], {"score": 50}, by=SYSTEM)
    tickets.update(scored[2], {"score": None}, by=SYSTEM)
    tickets.create(NewTicket("new", properties={"score": 9}), by=SYSTEM)

    run_jobs()

    assert scores() == in_records()
    assert PropertyValue.objects.count() == len(in_records())


def test_a_property_that_is_filterable_no_more_is_emptied(scored):
    properties.update(definition(), is_filterable=True)
    run_jobs()

    properties.update(definition(), is_filterable=False)
    assert not properties_of("ticket")["score"].is_filled
    run_jobs()

    assert scores() == {}
    assert len(in_records()) == 4


def test_an_archived_property_is_emptied(scored):
    properties.update(definition(), is_filterable=True)
    run_jobs()

    properties.archive("ticket", "score")
    run_jobs()

    assert scores() == {}


def test_on_and_off_and_on_again_leaves_nothing_of_the_first_time(scored):
    properties.update(definition(), is_filterable=True)
    run_jobs()
    properties.update(definition(), is_filterable=False)
    tickets.update(scored[1], {"score": None}, by=SYSTEM)
    tickets.update(scored[2], {"score": 77}, by=SYSTEM)
    properties.update(definition(), is_filterable=True)

    assert run_jobs() == 2

    assert scores() == in_records()


def test_the_job_can_be_stopped_between_steps_and_goes_on_where_it_was(scored, monkeypatch):
    monkeypatch.setattr(filterable, "STEP", 2)
    properties.update(definition(), is_filterable=True)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Later):
        filterable.fill(a_job(stop=stop))
    assert len(scores()) == 2
    assert definition().filled_to == scored[2]
    assert definition().filled_at is None

    PropertyValue.objects.all().delete()  # what is done is not done again
    filterable.fill(a_job())
    assert set(scores()) == {scored[4], scored[5]}
    assert definition().filled_at


def test_the_job_may_come_twice(scored):
    properties.update(definition(), is_filterable=True)

    filterable.fill(a_job())
    filterable.fill(a_job())

    assert scores() == in_records()


def test_a_property_that_is_new_needs_no_job(world):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)

    assert run_jobs() == 0
    assert properties_of("ticket")["score"].is_filled


def test_a_step_costs_as_many_statements_for_any_number_of_records(scored, django_assert_max_num_queries):
    properties.update(definition(), is_filterable=True)
    with django_assert_max_num_queries(100) as all_of_them:
        filterable.fill(a_job())
    properties.update(definition(), is_filterable=False)
    filterable.fill(a_job())
    Ticket.objects.exclude(pk=scored[1]).update(properties={})
    properties.update(definition(), is_filterable=True)
    with django_assert_max_num_queries(100) as one:
        filterable.fill(a_job())

    assert len(all_of_them) == len(one)


def test_a_job_of_a_property_that_is_gone_ends(scored):
    properties.update(definition(), is_filterable=True)
    gone = a_job()
    PropertyDefinition.objects.all().delete()

    filterable.fill(gone)

    assert scores() == {}


# ── beside others ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def account(transactional_db, wired):
    made = make_world()
    with account_scope(made.account.pk):
        properties.create("ticket", "score", "Score", Kind.NUMBER)
        tickets.create_many([NewTicket(str(n), properties={"score": n}) for n in range(40)], by=SYSTEM)
    yield made.account.pk
    sql.execute("delete from procrastinate_jobs")
    sql.execute("delete from procrastinate_workers")


def switch(account_id: int, is_filterable: bool) -> None:
    with account_scope(account_id):
        properties.update(definition(), is_filterable=is_filterable)


def run_worker() -> None:
    JobLoop(threading.Event()).run_once()


def agree(account_id: int) -> None:
    with account_scope(account_id):
        assert scores() == in_records()
        assert PropertyValue.objects.count() == len(in_records())


def in_thread(work) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.race
def test_who_read_the_schema_before_the_change_is_waited_for(account):
    has_read, may_end = threading.Event(), threading.Event()

    def late_writer() -> None:
        with account_scope(account):
            properties_of("ticket")
            has_read.set()
            may_end.wait(30)
            tickets.create(NewTicket("late", properties={"score": 1000}), by=SYSTEM)

    writer = in_thread(late_writer)
    assert has_read.wait(30)
    switch(account, True)
    filler = in_thread(run_worker)
    time.sleep(1)
    with account_scope(account):
        assert not PropertyValue.objects.exists()
        assert definition().filled_at is None
    may_end.set()
    writer.join(30)
    filler.join(60)

    agree(account)
    with account_scope(account):
        assert definition().filled_at
        assert 1000 in scores().values()


@pytest.mark.race
def test_a_transaction_that_never_ends_does_not_hold_up_other_jobs(account, monkeypatch):
    monkeypatch.setattr(filterable, "PATIENCE", 0.3)
    has_read, may_end = threading.Event(), threading.Event()

    def reader() -> None:
        with account_scope(account):
            properties_of("ticket")
            has_read.set()
            may_end.wait(30)

    thread = in_thread(reader)
    assert has_read.wait(30)
    switch(account, True)

    run_worker()

    may_end.set()
    thread.join(30)
    assert sql.rows("select status::text from procrastinate_jobs") == [("todo",)]
    sql.execute("update procrastinate_jobs set scheduled_at = now()")
    run_worker()
    agree(account)


@pytest.mark.race
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_writers_and_switches_at_the_same_time_leave_both_alike(account, monkeypatch, seed):
    monkeypatch.setattr(filterable, "STEP", 7)
    done = threading.Event()

    def write(own: int) -> None:
        chance = Random(own)
        while not done.is_set():
            with account_scope(account):
                ids = list(Ticket.objects.order_by("id").values_list("id", flat=True))
                some = chance.sample(ids, 5)
                changes = [Change(i, {"score": chance.choice([None, chance.randrange(100)])}) for i in some]
                store.change_many("ticket", changes, by=SYSTEM)
                if len(ids) < 200:
                    tickets.create_many([NewTicket("x", properties={"score": 1}), NewTicket("y")], by=SYSTEM)

    writers = [in_thread(lambda own=own: write(seed * 10 + own)) for own in range(3)]
    try:
        for is_filterable in (True, False, True):
            switch(account, is_filterable)
            time.sleep(0.2)
            run_worker()
    finally:
        done.set()
        for writer in writers:
            writer.join(60)

    with account_scope(account):
        assert definition().filled_at
    agree(account)


@pytest.mark.faults
def test_a_killed_job_goes_on_elsewhere_and_misses_nothing(account):
    switch(account, True)
    command = [sys.executable, "-m", "deskhand.crm.tests.child_filler", str(connection.settings_dict["NAME"])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _step in range(3):
        assert child.stdout.readline() == b"step\n"
    child.kill()
    child.wait()
    child.stdout.close()
    with account_scope(account):
        done = len(scores())
        assert 15 <= done < 40
        assert definition().filled_at is None

    sql.execute("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    run_worker()

    agree(account)
    assert sql.rows("select * from procrastinate_jobs") == []
    assert jobs.count_failed() == {}
