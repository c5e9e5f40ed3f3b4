"""The log's months: there before they begin, across the ends of months and years, and after a long sleep."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection

from deskhand.events import dispatch, log, partitions
from deskhand.events.dispatch import Dispatcher
from deskhand.events.partitions import month_after
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.models import Timer

ACCOUNT = 1


def record(at: datetime, object_id: int = 10):
    with account_scope(ACCOUNT):
        return log.record_many([NewEvent("ticket.moved", "ticket", object_id, 1, SYSTEM, at)])[0]


def partition_of(event_id: int) -> str:
    with account_scope(ACCOUNT):
        return sql.row("select tableoid::regclass::text from events_event where id = %s", [event_id])[0]


def months() -> set[str]:
    return {
        name.removeprefix("events_event_")
        for (name,) in sql.rows(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'events_event'::regclass"
        )
    }


@pytest.mark.parametrize(
    ("month", "count", "expected"),
    [
        (date(2031, 1, 1), 1, date(2031, 2, 1)),
        (date(2031, 12, 1), 1, date(2032, 1, 1)),
        (date(2031, 11, 1), 3, date(2032, 2, 1)),
        (date(2031, 1, 1), -1, date(2030, 12, 1)),
        (date(2031, 3, 1), -12, date(2030, 3, 1)),
    ],
)
def test_months_are_counted_across_years(month, count, expected):
    assert month_after(month, count) == expected


@pytest.mark.django_db
def test_this_month_and_the_next_three_are_there_before_they_begin():
    made = partitions.ensure(datetime(2031, 11, 30, 23, 59, tzinfo=UTC))

    assert made == [date(2031, 11, 1), date(2031, 12, 1), date(2032, 1, 1), date(2032, 2, 1)]
    assert {"203111", "203112", "203201", "203202"} <= months()


@pytest.mark.django_db
def test_making_them_again_makes_only_what_is_new():
    partitions.ensure(datetime(2031, 11, 15, tzinfo=UTC))

    assert partitions.ensure(datetime(2031, 11, 16, tzinfo=UTC)) == []
    assert partitions.ensure(datetime(2031, 12, 1, tzinfo=UTC)) == [date(2032, 3, 1)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2031, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), "203111"),
        (datetime(2031, 12, 1, tzinfo=UTC), "203112"),
        (datetime(2031, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "203112"),
        (datetime(2032, 1, 1, tzinfo=UTC), "203201"),
        (datetime(2032, 2, 29, 23, 59, 59, tzinfo=UTC), "203202"),
    ],
)
def test_an_event_stands_in_its_month_to_the_last_microsecond(at, month):
    partitions.ensure(datetime(2031, 11, 15, tzinfo=UTC))

    assert partition_of(record(at).id) == f"events_event_{month}"


@pytest.mark.django_db
def test_months_begin_at_midnight_utc_whatever_zone_the_connection_has():
    with connection.cursor() as cursor:
        cursor.execute("set local timezone to 'Pacific/Auckland'")
    partitions.ensure(datetime(2031, 11, 15, tzinfo=UTC))

    assert partition_of(record(datetime(2031, 11, 1, tzinfo=UTC)).id) == "events_event_203111"
    assert partition_of(record(datetime(2031, 11, 30, 23, tzinfo=UTC)).id) == "events_event_203111"


@pytest.mark.django_db
def test_after_months_of_sleep_events_move_from_the_default_partition_to_their_month(monkeypatch):
    told = []
    monkeypatch.setattr(dispatch, "after_commit", [lambda account_id, events: told.extend(events)])
    monkeypatch.setattr(log, "in_transaction", [])
    late = [record(datetime(2031, month, 3, tzinfo=UTC), month) for month in (8, 9, 11)]
    ancient = record(datetime(1999, 1, 1, tzinfo=UTC))
    assert {partition_of(e.id) for e in late} == {"events_event_other"}

    made = partitions.ensure(datetime(2031, 11, 15, tzinfo=UTC))

    assert made[:3] == [date(2031, 8, 1), date(2031, 9, 1), date(2031, 11, 1)]
    assert [partition_of(e.id) for e in late] == [
        "events_event_203108",
        "events_event_203109",
        "events_event_203111",
    ]
    assert partition_of(ancient.id) == "events_event_other"
    sql.execute("update events_pendingevent set due_at = now() - interval '1 second'")
    Dispatcher().run_once()
    assert {e.id for e in told} == {e.id for e in [*late, ancient]}


@pytest.mark.django_db
def test_a_migrated_database_has_this_month_and_the_next():
    now = datetime.now(UTC).date()

    assert {f"{month:%Y%m}" for month in (now, month_after(now, 1))} <= months()


def test_every_account_looks_after_the_months_at_night(world, wired):
    from deskhand import wiring

    with clock.stopped(datetime(2031, 12, 31, 23, 0, tzinfo=UTC)):
        wiring.make_months(world.account.pk, [])

    assert {"203112", "203201", "203202", "203203"} <= months()
    timer = Timer.objects.get(account_id=world.account.pk, kind=wiring.MONTHS)
    assert timer.due_at == datetime(2032, 1, 1, 23, 0, tzinfo=UTC)
    assert timers.handlers[wiring.MONTHS] is wiring.make_months


def test_a_log_that_is_held_is_tried_again_within_the_hour(world, wired, monkeypatch):
    from deskhand import wiring

    def held(now: datetime) -> None:
        sql.execute("do $$ begin raise lock_not_available; end $$")

    monkeypatch.setattr(partitions, "ensure", held)
    with clock.stopped(datetime(2031, 12, 31, 23, 0, tzinfo=UTC)):
        wiring.make_months(world.account.pk, [])

    timer = Timer.objects.get(account_id=world.account.pk, kind=wiring.MONTHS)
    assert timer.due_at == datetime(2032, 1, 1, 0, 0, tzinfo=UTC)


def test_a_new_account_gets_the_nightly_timer(world, wired):
    from deskhand import wiring

    log.record("account.created", object_type="account", object_id=world.account.pk, version=1, by=SYSTEM)
    from deskhand.kernel.database import scope

    scope.settle()

    due = Timer.objects.get(account_id=world.account.pk, kind=wiring.MONTHS).due_at
    assert due - clock.now() < timedelta(days=1, seconds=1)


@pytest.fixture
def _far_months(transactional_db):
    yield
    for month in ("205001", "205002", "205003", "205004"):
        sql.execute(f"drop table if exists events_event_{month}")


@pytest.mark.race
@pytest.mark.usefixtures("_far_months")
def test_months_are_made_once_while_events_come_in_and_none_is_lost():
    now = datetime(2050, 1, 31, tzinfo=UTC)
    recorded: list[int] = []
    made: list[date] = []
    errors: list[DatabaseError] = []
    done = threading.Event()

    def in_thread(work) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except DatabaseError as failure:
                errors.append(failure)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write() -> None:
        while not done.is_set():
            recorded.append(record(now + timedelta(days=len(recorded) % 3)).id)

    writers = [in_thread(write) for _ in range(2)]
    while len(recorded) < 50:
        done.wait(0.01)
    makers = [in_thread(lambda: made.extend(partitions.ensure(now))) for _ in range(3)]
    for thread in makers:
        thread.join(30)
    done.set()
    for thread in writers:
        thread.join(30)

    assert errors == []
    assert sorted(made) == [date(2050, month, 1) for month in (1, 2, 3, 4)]
    with account_scope(ACCOUNT):
        kept = [event_id for (event_id,) in sql.rows("select id from events_event order by id")]
    assert kept == sorted(recorded)
    assert sql.rows("select count(*) from events_event_other") == [(0,)]
