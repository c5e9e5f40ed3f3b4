"""The dispatcher: every event once it is committed, in order per record, and only the culprit is put aside."""

import threading
from datetime import timedelta

import pytest

from deskhand.events import dispatch, log
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import PendingEvent
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope


@pytest.fixture
def told(monkeypatch):
    heard = []
    monkeypatch.setattr(dispatch, "after_commit", [lambda account_id, events: heard.extend(events)])
    monkeypatch.setattr(log, "in_transaction", [])
    return heard


def record(account_id, *objects):
    with account_scope(account_id):
        past = clock.now() - timedelta(seconds=1)
        return log.record_many(
            [
                NewEvent("ticket.moved", "ticket", o, v, SYSTEM, past, {"n": v})
                for v, o in enumerate(objects, 1)
            ]
        )


@pytest.mark.django_db
def test_events_are_told_in_order_and_once(told):
    made = record(1, 10, 11, 10)

    assert Dispatcher().run_once() == 3
    assert Dispatcher().run_once() == 0
    assert [e.id for e in told] == [e.id for e in made]
    assert told[0].data == {"n": 1}
    assert PendingEvent.objects.count() == 0


@pytest.mark.django_db
def test_one_batch_serves_one_account(told):
    record(1, 10)
    record(2, 10)

    assert Dispatcher().run_once() == 1
    assert Dispatcher().run_once() == 1
    assert [e.account_id for e in told] == [1, 2]


@pytest.mark.django_db
def test_only_the_culprit_waits(told, monkeypatch):
    def choke(account_id, events):
        if any(e.object_id == 11 for e in events):
            raise ValueError("can't digest 11")

    monkeypatch.setattr(dispatch, "after_commit", [*dispatch.after_commit, choke])
    record(1, 10, 11, 12)

    Dispatcher().run_once()

    left = PendingEvent.objects.get()
    assert left.object_id == 11
    assert left.attempts == 1
    assert "can't digest 11" in left.error
    assert {e.object_id for e in told} >= {10, 12}


@pytest.mark.django_db
def test_what_waits_behind_a_culprit_keeps_nobody_else_waiting(told, monkeypatch):
    def choke(account_id, events):
        if any(e.object_id == 11 for e in events):
            raise ValueError("can't digest 11")

    monkeypatch.setattr(dispatch, "after_commit", [*dispatch.after_commit, choke])
    record(1, 11, 11)
    record(2, 10)

    for _ in range(3):
        Dispatcher().run_once()

    assert [(e.account_id, e.object_id) for e in told if e.account_id == 2] == [(2, 10)]
    culprit, waiting = PendingEvent.objects.order_by("id")
    assert waiting.due_at == culprit.due_at


@pytest.mark.django_db
def test_after_five_tries_it_is_put_aside_for_the_admin(told, monkeypatch):
    monkeypatch.setattr(dispatch, "after_commit", [lambda a, e: 1 / 0])
    record(1, 10)

    for _ in range(5):
        PendingEvent.objects.update(due_at=clock.now() - timedelta(seconds=1))
        Dispatcher().run_once()

    assert PendingEvent.objects.get().quarantined_at is not None
    assert Dispatcher().run_once() == 0
    assert dispatch.try_again(1, [PendingEvent.objects.get().pk]) == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_a_records_later_event_waits_for_an_earlier_one_elsewhere(told):
    from django.db import connection

    first, second, other = record(1, 10, 10, 12)
    held, go_on = threading.Event(), threading.Event()

    def hold():
        with account_scope(1):
            with connection.cursor() as cursor:
                cursor.execute("select id from events_pendingevent where id = %s for update", [first.id])
            held.set()
            go_on.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    Dispatcher().run_once()
    go_on.set()
    holder.join()

    assert [e.id for e in told] == [other.id]
    while Dispatcher().run_once():
        pass
    assert [e.id for e in told] == [other.id, first.id, second.id]
