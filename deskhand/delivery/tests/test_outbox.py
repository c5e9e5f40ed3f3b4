"""What goes into the outbox and what people may do with it: O1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from deskhand.delivery import outbox, queries
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.tests.helpers import ACCOUNT, entry, letter, put
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.django_db


def test_the_same_key_twice_is_one_entry() -> None:
    first = outbox.enqueue([letter(idempotency_key="reply:1"), letter(idempotency_key="reply:2")])
    again = outbox.enqueue(
        [
            letter(idempotency_key="reply:2"),
            letter(idempotency_key="reply:3"),
            letter(idempotency_key="reply:1"),
        ]
    )
    assert [again[2], again[0]] == first
    assert OutboxEntry.objects.count() == 3


def test_the_same_key_twice_in_one_call_is_one_entry() -> None:
    ids = outbox.enqueue([letter(idempotency_key="reply:1"), letter(idempotency_key="reply:1")])
    assert ids[0] == ids[1]
    assert OutboxEntry.objects.count() == 1


def test_the_same_key_in_two_accounts_is_two_entries() -> None:
    ids = outbox.enqueue([letter(idempotency_key="a"), letter(idempotency_key="a", account_id=8)])
    assert len(set(ids)) == 2


def test_a_set_goes_in_with_one_insert(django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        outbox.enqueue([letter() for _ in range(50)])


def test_nothing_is_left_when_the_change_it_belongs_to_fails() -> None:
    def change() -> None:
        with transaction.atomic():
            put()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert not OutboxEntry.objects.exists()


def test_every_entry_has_its_message_id_from_the_start() -> None:
    own, given = entry(put()), entry(put(message_id="<token.1@desk.example>"))
    assert own.message_id.endswith("@desk.example>")
    assert given.message_id == "<token.1@desk.example>"


def test_text_that_the_database_cannot_hold_does_not_stop_a_mail() -> None:
    plain = letter()
    saved = entry(put(payload={**plain.payload, "text": "a\x00b\ud800c"}))
    assert saved.payload["text"] == "ab?c"


def test_a_send_to_nobody_is_refused() -> None:
    with pytest.raises(Invalid):
        outbox.enqueue([letter(recipients=())])


def test_a_recipient_named_twice_gets_one_mail() -> None:
    assert entry(put("bo@x.example", "bo@x.example")).recipients == ["bo@x.example"]


def test_an_entry_for_later_is_not_due_now() -> None:
    at = timezone.now() + timedelta(hours=1)
    assert entry(put(due_at=at)).due_at == at


def test_creation_is_dated_by_the_products_clock() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    with clock.stopped(at):
        assert entry(put()).created_at == at


def test_held_entries_wait_for_a_person() -> None:
    first, second = put(held_reason="to be read first"), put()
    assert outbox.hold(ACCOUNT, [first, second], reason="stop") == 1
    assert (entry(first).held_reason, entry(second).held_reason) == ("to be read first", "stop")
    assert outbox.release(8) == 0
    assert outbox.release(ACCOUNT, [first]) == 1
    assert outbox.release(ACCOUNT) == 1
    assert {entry(first).state, entry(second).state} == {"WAITING"}
    assert entry(second).due_at is not None


def test_a_failed_entry_can_be_tried_again_but_not_a_sent_one() -> None:
    failed, sent = put(), put()
    OutboxEntry.objects.filter(id=failed).update(
        state="FAILED", due_at=None, answers={"a@x.example": "250 ok", "b@x.example": "550 no"}
    )
    OutboxEntry.objects.filter(id=sent).update(state="SENT", sent_at=timezone.now())
    outbox.retry(ACCOUNT, failed)
    assert (entry(failed).state, entry(failed).answers) == ("WAITING", {"a@x.example": "250 ok"})
    with pytest.raises(Conflict):
        outbox.retry(ACCOUNT, sent)
    with pytest.raises(NotFound):
        outbox.retry(8, failed)


def test_the_queue_is_read_page_by_page_and_by_account() -> None:
    ids = [put() for _ in range(5)]
    put(account_id=8)
    outbox.hold(ACCOUNT, ids[:2], reason="x")
    first = queries.queue(ACCOUNT, limit=3)
    rest = queries.queue(ACCOUNT, before=first[-1].id, limit=3)
    assert [one.id for one in [*first, *rest]] == sorted(ids, reverse=True)
    assert [one.id for one in queries.queue(ACCOUNT, ["HELD"])] == [ids[1], ids[0]]
    assert queries.counts(ACCOUNT) == {"WAITING": 3, "SENDING": 0, "FAILED": 0, "HELD": 2}
    assert queries.entry(8, ids[0]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "GONE"},
        {"state": "SENDING"},
        {"state": "SENT"},
        {"state": "HELD"},
        {"lease_until": timezone.now()},
    ],
)
def test_the_database_refuses_impossible_states(wrong: dict[str, object]) -> None:
    number = put()
    with pytest.raises(IntegrityError), transaction.atomic():
        OutboxEntry.objects.filter(id=number).update(**wrong)
