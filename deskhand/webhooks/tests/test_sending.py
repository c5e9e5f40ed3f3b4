"""Tries, pauses, and what somebody has sent again (api.md §2.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from deskhand.accounts import connected_apps
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.tests.helpers import seconds_to_wait
from deskhand.delivery.types import Verdict
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.webhooks import deliveries, hearing, subscriptions, targets
from deskhand.webhooks.models import Delivery, Target
from deskhand.webhooks.subscriptions import Wanted


@pytest.fixture
def told(hook: Any, world: Any) -> Any:
    """A ticket was made, which the app wants to know."""
    hook.wants("ticket.creation")
    world.ticket()
    return hook


def entry() -> OutboxEntry:
    return OutboxEntry.objects.filter(transport=deliveries.TRANSPORT).latest("id")


def test_a_failure_is_tried_again_with_the_same_number_and_the_next_attempt(told, world):
    """api.md §2.8: the same eventId; attemptNumber counts; the target is failing until a try succeeds."""
    told.there.says((500, {}, "Ouch"), 200)
    told.run()

    (row,) = Delivery.objects.all()
    assert entry().state == "WAITING"
    assert 50 < seconds_to_wait(entry().pk) < 125
    assert (row.tries[0]["status"], row.tries[0]["text"], row.tries[0]["attempt"]) == (500, "Ouch", 1)
    assert Target.objects.get().failing_since is not None

    told.try_again()

    assert [item["attemptNumber"] for item in told.told()] == [0, 1]
    assert len({item["eventId"] for item in told.told()}) == 1
    assert entry().state == "SENT"
    assert Target.objects.get().failing_since is None
    signatures = {asked.headers["x-hubspot-signature"] for asked in told.there.asked}
    assert len(signatures) == 2  # of the bytes of each


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_five_answers_are_a_no_for_good(told, status: int):
    """api.md §2.8: no retry on those five codes."""
    told.there.says(status)
    told.run()

    assert (entry().state, entry().attempts) == ("FAILED", 1)


@pytest.mark.parametrize(
    ("status", "verdict"), [(204, "accepted"), (302, "later"), (410, "later"), (429, "later"), (503, "later")]
)
def test_all_else_but_a_yes_is_tried_again(status: int, verdict: str):
    """api.md §2.8."""
    assert deliveries.judged(status) is Verdict(verdict)


def test_who_asks_to_be_left_alone_is(told):
    """api.md §2.8: Retry-After of a 429."""
    told.there.says((429, {"Retry-After": "600"}, ""))
    told.run()

    assert 590 < seconds_to_wait(entry().pk) < 605


def test_after_ten_tries_it_is_given_up(told):
    """api.md §2.8: 10 attempts."""
    told.there.says(500)
    told.run()
    for _ in range(9):
        told.try_again()

    assert len(told.there.asked) == 10
    assert (entry().state, entry().attempts) == ("FAILED", 10)
    assert "10 tries" in entry().error
    assert [item["attemptNumber"] for item in told.told()] == list(range(10))


def test_an_address_in_our_own_network_is_not_asked(told, world, monkeypatch):
    """S18."""
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "")
    told.run()

    assert told.there.asked == []
    assert entry().state == "FAILED"


def test_a_changed_address_and_secret_help_what_waits(told, world):
    """api.md §2.8: what is tried again goes where the app is now, signed with the secret of now."""
    told.there.says(500, 200)
    told.run()
    targets.put(world.account.pk, told.app.pk, url=f"{told.there.url}/new", by=told.by)
    new = connected_apps.rotate_secret(world.account.pk, told.app.pk, by=told.by)
    told.try_again()

    from deskhand.webhooks import signing

    last = told.there.asked[-1]
    assert last.path == "/new"
    assert last.headers["x-hubspot-signature"] == signing.v1(new, last.body.encode())


def test_what_waits_while_it_is_paused_is_sent_afterwards(told, world):
    """A pause is no try."""
    told.there.says(500, 200)
    told.run()
    targets.set_paused(world.account.pk, told.app.pk, True, by=told.by)
    told.try_again()
    assert len(told.there.asked) == 1
    assert (entry().state, entry().attempts) == ("WAITING", 1)

    targets.set_paused(world.account.pk, told.app.pk, False, by=told.by)
    told.run()

    assert [item["attemptNumber"] for item in told.told()] == [0, 1]
    assert entry().state == "SENT"


def test_no_more_requests_are_under_way_than_the_app_takes(told, world):
    """api.md §2.8: maxConcurrentRequests; what finds no turn is put off, which is no try. A turn runs out by itself."""
    targets.put(world.account.pk, told.app.pk, url=told.there.url, max_concurrent=1, by=told.by)
    other = Delivery.objects.create(
        account_id=world.account.pk, app=told.app, events=[], created_at=clock.now(), busy_until=clock.now() + timedelta(hours=1)
    )  # fmt: skip
    from deskhand import wiring
    from deskhand.delivery.sender import Sender
    from deskhand.webhooks.tests.conftest import settle_in_scope

    settle_in_scope(told.settle)
    Sender(wiring.transports(), threads=0).run_once()
    assert told.there.asked == []
    assert (entry().state, entry().attempts, entry().tried_since) == ("WAITING", 0, None)

    Delivery.objects.filter(pk=other.pk).update(busy_until=clock.now() - timedelta(seconds=1))
    told.try_again()

    assert len(told.there.asked) == 1
    assert not Delivery.objects.filter(busy_until__gt=clock.now()).exists()


def test_what_was_sent_can_be_sent_again(told, world):
    """Issue 6: replay; the same events with their numbers, and the first attempt of a new round."""
    told.run()
    (row,) = Delivery.objects.all()
    assert deliveries.send_again(world.account.pk, [row.pk], by=told.by) == 1
    told.run()

    assert len(told.there.asked) == 2
    assert told.there.asked[0].json == told.there.asked[1].json
    logged = deliveries.one(world.account.pk, told.app.pk, row.pk)
    assert (logged.state, len(logged.delivery.tries)) == ("SENT", 2)


def test_what_was_given_up_is_found_and_sent_again(told, world):
    """Issue 6: shown when failing, with a way to run again."""
    told.there.says(404)
    told.run()
    failed = deliveries.failed(world.account.pk, told.app.pk)
    told.there.says(200)
    deliveries.send_again(world.account.pk, failed, by=told.by)
    told.run()

    assert deliveries.failed(world.account.pk, told.app.pk) == []
    assert Target.objects.get().failing_since is None


def test_a_test_is_sent_also_while_it_is_paused(told, world):
    """Issue 6."""
    targets.set_paused(world.account.pk, told.app.pk, True, by=told.by)
    deliveries.send_test(world.account.pk, told.app.pk, [hearing.example(world.account.pk, told.app.pk)])
    told.run()

    assert [item["changeSource"] for item in told.told()] == ["TEST"]


def test_what_is_old_and_done_is_forgotten_with_its_entry(told, world, noon):
    """Trimming: what still waits stays."""
    told.run()
    world.ticket()
    told.there.says(500)
    told.run()
    Delivery.objects.update(created_at=noon - timedelta(days=31))
    deliveries.nightly(world.account.pk, [])

    (left,) = Delivery.objects.all()
    assert OutboxEntry.objects.filter(transport=deliveries.TRANSPORT).get().pk == left.entry_id


def test_another_accounts_deliveries_are_not_there(told, world):
    """S9."""
    told.run()
    other = world.account.pk + 1
    (row,) = Delivery.objects.all()

    with pytest.raises(NotFound):
        deliveries.send_again(other, [row.pk], by=told.by)
    with pytest.raises(NotFound):
        deliveries.one(other, told.app.pk, row.pk)
    with pytest.raises(NotFound):
        targets.of(other, told.app.pk)
    assert deliveries.log_of(other, told.app.pk, limit=5) == []


@pytest.mark.parametrize("url", ["", "ftp://shop.example", "https://", "https://a:b@shop.example", "https://shop.example/a b", "https://shop.example/#x", "https://sh\0p.example", "https://[", "https://xæ.example"])  # fmt: skip
def test_an_address_must_be_one(hook, world, url: str):
    """S18, api.md §2.8."""
    with pytest.raises(Invalid):
        targets.put(world.account.pk, hook.app.pk, url=url, by=hook.by)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("product.creation"), Wanted("ticket.propertyChange"), Wanted("ticket.propertyChange", "nonsense"),
        Wanted("ticket.creation", "subject"), Wanted("object.creation"), Wanted("object.creation", object_type="2-999"),
        Wanted("ticket.creation", object_type="ticket"), Wanted(""), Wanted("conversation.propertyChange", "subject"),
    ],
)  # fmt: skip
def test_nobody_can_ask_for_what_never_happens(hook, world, wanted: Wanted):
    """api.md §2.8."""
    with pytest.raises(Invalid):
        subscriptions.add(world.account.pk, hook.app.pk, wanted, active=True, by=hook.by)


def test_nothing_is_asked_for_twice(hook, world):
    """api.md §2.8: else each event would be told twice."""
    subscriptions.add(world.account.pk, hook.app.pk, Wanted("ticket.creation"), active=True, by=hook.by)
    with pytest.raises(Conflict):
        subscriptions.add(world.account.pk, hook.app.pk, Wanted("ticket.creation"), active=False, by=hook.by)
