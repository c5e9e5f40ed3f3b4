"""Slow jobs: enqueued with what asks for them, done once the commit is through, put back when their worker ends."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.jobs import Job, JobLoop, Later
from deskhand.kernel.models import JobFailure

KIND = "tests.note"


@pytest.fixture
def done(monkeypatch):
    """What the handler of KIND was given; an exception in `raises` is raised first."""
    seen: list[Job] = []
    monkeypatch.setattr(jobs, "handlers", {KIND: seen.append})
    return seen


@pytest.fixture
def _clean(transactional_db):
    yield
    sql.execute("delete from procrastinate_jobs")
    sql.execute("delete from procrastinate_workers")


def enqueue(account_id: int = 1, **args) -> None:
    with account_scope(account_id):
        jobs.enqueue(KIND, args)


def run() -> None:
    JobLoop(threading.Event()).run_once()


def state() -> list[tuple[str, int]]:
    return sql.rows("select status::text, attempts from procrastinate_jobs order by id")


def make_due() -> None:
    sql.execute("update procrastinate_jobs set scheduled_at = now() - interval '1 second'")


# ── once, after the commit ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("_clean")
def test_a_job_is_done_with_its_account_and_arguments(done):
    enqueue(7, words=["æ", 1])

    run()
    run()

    assert [(job.account_id, job.args) for job in done] == [(7, {"words": ["æ", 1]})]
    assert state() == []


@pytest.mark.usefixtures("_clean")
def test_a_job_goes_away_with_the_transaction_that_asked_for_it(done):
    with transaction.atomic():
        enqueue()
        transaction.set_rollback(True)

    run()

    assert done == []


@pytest.mark.usefixtures("_clean")
def test_a_kind_that_this_release_does_not_know_is_left_for_one_that_does(done):
    with account_scope(1):
        jobs.enqueue("tests.of_tomorrow", {})
    enqueue()

    run()

    assert len(done) == 1
    assert state() == [("todo", 0)]


@pytest.mark.usefixtures("_clean")
def test_the_loop_hears_of_a_job_and_stops_when_told(done):
    stop = threading.Event()
    loop = JobLoop(stop)
    thread = threading.Thread(target=loop.run)
    thread.start()
    enqueue()

    for _ in range(200):
        if done and not state():
            break
        time.sleep(0.05)
    stop.set()
    thread.join(20)

    assert len(done) == 1
    assert not thread.is_alive()
    assert sql.rows("select * from procrastinate_workers") == []


# ── going on later ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("_clean")
def test_a_job_in_hand_gives_way_to_a_stop_and_goes_on_afterwards(monkeypatch):
    steps: list[int] = []
    started, stop = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        while len(steps) < 1000:
            steps.append(1)
            started.set()
            time.sleep(0.01)
            job.give_way()

    monkeypatch.setattr(jobs, "handlers", {KIND: handler})
    enqueue()
    thread = threading.Thread(target=JobLoop(stop).run)
    thread.start()
    assert started.wait(30)
    stop.set()
    thread.join(30)
    assert 0 < len(steps) < 1000
    assert state() == [("todo", 1)]

    steps.extend([1] * 1000)
    run()
    assert state() == []


@pytest.mark.usefixtures("_clean")
def test_a_job_that_asks_for_a_pause_gets_it_and_has_not_failed(monkeypatch):
    def handler(job: Job) -> None:
        raise Later(timedelta(minutes=1))

    monkeypatch.setattr(jobs, "handlers", {KIND: handler})
    enqueue()

    run()
    run()

    assert state() == [("todo", 1)]
    with account_scope(1):
        assert not JobFailure.objects.exists()


# ── failing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _fails(monkeypatch, _clean):
    def handler(job: Job) -> None:
        raise ValueError("no such crate")

    monkeypatch.setattr(jobs, "handlers", {KIND: handler})


@pytest.mark.usefixtures("_fails")
def test_a_failing_job_is_tried_again_with_longer_pauses_and_then_given_up_visibly(monkeypatch):
    told: list[tuple[int, str, dict[str, object]]] = []
    monkeypatch.setattr(jobs, "given_up", [lambda *what: told.append(what)])
    enqueue(7, crate=3)
    pauses = []
    for _try in range(jobs.TRIES - 1):
        run()
        [(pause,)] = sql.rows("select extract(epoch from scheduled_at - now()) from procrastinate_jobs")
        pauses.append(round(float(pause), -1))
        make_due()
    assert pauses == sorted(set(pauses))
    with account_scope(7):
        assert jobs.failed() == []
    assert told == []

    run()

    assert told == [(7, KIND, {"crate": 3})]
    assert [status for status, _attempts in state()] == ["failed"]
    assert jobs.count_failed() == {KIND: 1}
    with account_scope(7):
        [failed] = jobs.failed()
    assert (failed.kind, failed.args, failed.tries) == (KIND, {"crate": 3}, jobs.TRIES)
    assert failed.error == "ValueError: no such crate"
    with account_scope(8):
        assert jobs.failed() == []


@pytest.mark.usefixtures("_fails")
def test_a_failed_job_can_be_run_again_by_its_own_account_only(monkeypatch):
    enqueue(7)
    for _try in range(jobs.TRIES):
        run()
        make_due()
    with account_scope(7):
        job_ids = [job.id for job in jobs.failed()]
    with account_scope(8):
        assert jobs.run_again(job_ids) == 0
    with account_scope(7):
        assert jobs.run_again(job_ids) == 1

    seen: list[Job] = []
    monkeypatch.setattr(jobs, "handlers", {KIND: seen.append})
    run()

    assert len(seen) == 1
    assert jobs.count_failed() == {}


@pytest.mark.usefixtures("_clean")
def test_one_jobs_failure_does_not_hold_up_the_next(monkeypatch):
    seen: list[int] = []

    def handler(job: Job) -> None:
        if job.args["n"] == 1:
            raise ValueError("the first")
        seen.append(job.args["n"])

    monkeypatch.setattr(jobs, "handlers", {KIND: handler})
    for n in (1, 2, 3):
        enqueue(n=n)

    run()

    assert seen == [2, 3]


# ── dead workers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def lose(job_count: int) -> None:
    """What a killed worker leaves behind."""
    sql.execute("insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 minute')")
    sql.execute(
        "update procrastinate_jobs set status = 'doing', worker_id = (select max(id) from procrastinate_workers)"
        " where id in (select id from procrastinate_jobs order by id limit %s)",
        [job_count],
    )


@pytest.mark.usefixtures("_clean")
def test_the_job_of_a_dead_worker_is_done_by_another(done):
    enqueue(n=1)
    lose(1)

    run()

    assert [job.args for job in done] == [{"n": 1}]
    assert state() == []


@pytest.mark.usefixtures("_clean")
def test_the_job_of_a_living_worker_is_left_alone(done):
    enqueue()
    lose(1)
    sql.execute("update procrastinate_workers set last_heartbeat = now()")

    run()

    assert done == []
    assert state() == [("doing", 0)]


@pytest.mark.usefixtures("_clean")
def test_a_job_that_kills_its_workers_is_given_up(done, monkeypatch):
    told: list[tuple[int, int, str, dict[str, object]]] = []
    monkeypatch.setattr(jobs, "given_up", [lambda *what: told.append((current_account_id(), *what))])
    enqueue(7, crate=3)
    for _time in range(jobs.LOSSES):
        assert told == []
        lose(1)
        jobs.rescue()

    run()

    assert told == [(7, 7, KIND, {"crate": 3})]
    assert done == []
    with account_scope(7):
        assert [job.error for job in jobs.failed()] == ["Its worker ended while it ran."]


@pytest.mark.usefixtures("_clean")
def test_two_rescuers_put_a_job_back_once(done):
    enqueue()
    lose(1)
    together = threading.Barrier(2)
    put_back: list[int] = []

    def rescue() -> None:
        together.wait()
        put_back.append(jobs.rescue())
        connection.close()

    threads = [threading.Thread(target=rescue) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(put_back) == [0, 1]
    assert state() == [("todo", 1)]
