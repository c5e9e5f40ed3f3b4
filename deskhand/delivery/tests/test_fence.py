"""The fence after a restore: what may have left before leaves again only when a person says so."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from deskhand.delivery import claims, outbox, queries
from deskhand.delivery.models import Fence, OutboxEntry
from deskhand.delivery.tests.helpers import ACCOUNT, entry, letter, put, sender
from deskhand.kernel.database import sql
from deskhand.testing.races import until_somebody_waits

WHY = "Restored from a backup; it may have been sent already"


@pytest.mark.django_db
def test_it_holds_all_that_is_unsent() -> None:
    waiting, sent = put(), put()
    OutboxEntry.objects.filter(id=sent).update(state="SENT", sent_at=timezone.now(), due_at=None)
    under_way = put(account_id=8)
    OutboxEntry.objects.filter(id=under_way).update(state="SENDING", lease_until=timezone.now())
    assert outbox.fence(WHY) == 2
    assert (entry(waiting).state, entry(under_way).state, entry(sent).state) == ("HELD", "HELD", "SENT")
    assert sender(None).run_once() == 0


@pytest.mark.django_db
def test_what_is_queued_behind_it_is_held_and_says_why() -> None:
    outbox.fence(WHY)
    first, later = put(), put(account_id=8, due_at=timezone.now())
    own = put(held_reason="to be read first")
    assert [(entry(n).state, entry(n).held_reason, entry(n).due_at) for n in (first, later, own)] == [
        ("HELD", WHY, None),
        ("HELD", WHY, None),
        ("HELD", "to be read first", None),
    ]
    assert sender(None).run_once() == 0


@pytest.mark.django_db
def test_what_is_new_passes_it() -> None:
    outbox.fence(WHY)
    new, old = outbox.enqueue([letter(is_new=True), letter()])
    assert (entry(new).state, entry(old).state) == ("WAITING", "HELD")
    assert entry(new).due_at is not None


@pytest.mark.django_db
def test_it_stands_until_it_is_lowered_whatever_is_released_before() -> None:
    outbox.fence(WHY)
    outbox.fence(WHY)
    one = put()
    assert outbox.release(ACCOUNT) == 1
    two, other = put(), put(account_id=8)
    assert (entry(one).state, entry(two).state) == ("WAITING", "HELD")
    assert queries.fence() is not None

    assert outbox.lower_fence() == {ACCOUNT: 1, 8: 1}

    assert queries.fence() is None
    assert {entry(n).state for n in (one, two, other, put())} == {"WAITING"}
    assert outbox.lower_fence() == {}


@pytest.mark.django_db
def test_a_set_behind_it_still_goes_in_with_one_statement(django_assert_num_queries) -> None:
    outbox.fence(WHY)
    with django_assert_num_queries(1):
        outbox.enqueue([letter() for _ in range(50)])


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_no_mail_stays_behind_that_was_queued_while_it_was_lowered() -> None:
    outbox.fence(WHY)
    queued, may_commit = threading.Event(), threading.Event()

    def queue() -> None:
        try:
            with transaction.atomic():
                put()
                queued.set()
                may_commit.wait(20)
        finally:
            connection.close()

    def lower() -> None:
        try:
            outbox.lower_fence()
        finally:
            connection.close()

    queuing, lowering = threading.Thread(target=queue), threading.Thread(target=lower)
    queuing.start()
    assert queued.wait(20)
    lowering.start()
    until_somebody_waits()
    may_commit.set()
    queuing.join()
    lowering.join()

    assert list(OutboxEntry.objects.values_list("state", flat=True)) == ["WAITING"]
    assert not Fence.objects.exists()


def become_a_copy() -> None:
    """As a dump of another database, restored here: every row is the same, but the tables are other ones."""
    outbox.settle()
    sql.execute("update delivery_home set place = 'elsewhere/16384'")


@pytest.mark.django_db
def test_a_copy_of_a_database_sends_nothing_before_the_fence_stands_in_it() -> None:
    """F20: also where the restore was killed, or made by another program."""
    waiting = put()
    become_a_copy()
    assert claims.claim({ACCOUNT: 10}) == []
    assert entry(put()).state == "HELD"
    assert sender(None).run_once() == 0
    found = queries.fence()
    assert found is not None
    assert found.reason == outbox.COPIED
    assert (entry(waiting).state, entry(waiting).held_reason) == ("HELD", outbox.COPIED)
    assert entry(put()).state == "HELD"


@pytest.mark.django_db
def test_a_database_that_stays_where_it_was_made_is_no_copy() -> None:
    waiting = put()
    outbox.settle()
    outbox.settle()
    assert queries.fence() is None
    assert entry(waiting).state == "WAITING"


@pytest.mark.django_db
def test_a_copy_whose_fence_was_lowered_is_at_home() -> None:
    become_a_copy()
    outbox.settle()
    outbox.lower_fence()
    outbox.settle()
    assert queries.fence() is None
    assert entry(put()).state == "WAITING"
