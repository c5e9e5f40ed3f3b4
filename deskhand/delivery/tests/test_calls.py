"""Calls: how they are kept, signed, and tried again (R-WFA-11)."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from deskhand.delivery import calls, outbox, retries
from deskhand.delivery import sender as sending
from deskhand.delivery.calls import Call
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import ACCOUNT, entry, lease_runs_out, seconds_to_wait, time_passes
from deskhand.delivery.transports import http
from deskhand.delivery.types import Answer, Answered, Verdict
from deskhand.kernel import clock, crypto
from deskhand.testing.sites import Site, calling_site

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home_is_allowed(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")


@pytest.fixture
def there():
    with calling_site() as here:
        yield here


@pytest.fixture
def heard(monkeypatch) -> list[Answered]:
    news: list[Answered] = []
    monkeypatch.setattr(sending, "answers", [news.extend])
    return news


def put(url: str, key: str = "step:1:1:0", **more) -> int:
    call = Call("POST", url, **{"body": '{"a": 1}', **more})
    return outbox.enqueue([calls.new_send(call, account_id=ACCOUNT, key=key)])[0]


def caller() -> Sender:
    return Sender({calls.TRANSPORT: http.HttpTransport()}, threads=0, jitter=lambda: 0.0)


def test_nothing_of_a_call_can_be_read_where_it_waits():
    number = put(
        "https://hooks.example/T0/very-secret", headers={"authorization": "Bearer sesame"}, secret="key"
    )

    kept = entry(number)

    assert "very-secret" not in str(kept.payload)
    assert "sesame" not in str(kept.payload)
    assert kept.recipients == ["https://hooks.example"]
    assert calls.opened(kept.payload, ACCOUNT).headers == {"authorization": "Bearer sesame"}


def test_a_call_carries_its_key_and_a_signature_that_others_can_check(there: Site):
    secret = calls.new_secret()
    put(f"{there.url}/hear", secret=secret)

    caller().drain()

    (asked,) = there.asked
    assert asked.headers["idempotency-key"] == asked.headers["webhook-id"] == "step:1:1:0"
    message = f"step:1:1:0.{asked.headers['webhook-timestamp']}.{asked.body}".encode()
    made = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), message, "sha256")
    assert asked.headers["webhook-signature"] == "v1," + base64.b64encode(made).decode()


def test_a_secret_that_is_no_base64_signs_with_its_own_bytes():
    assert calls.signature("whsec_!", "k", NOON, "") == calls.signature(
        "whsec_!", "k", NOON + timedelta(microseconds=5), ""
    )
    assert calls.signature("plain", "k", NOON, "b") != calls.signature("plain", "k", NOON, "c")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again_after_a_minute_with_the_same_key(there: Site, status, heard):
    """R-WFA-11"""
    there.says(status, (200, {}, '{"ok": true}'))
    number = put(there.url)

    caller().run_once()
    assert entry(number).state == "WAITING"
    assert 50 < seconds_to_wait(number) < 125
    time_passes(number)
    caller().drain()

    assert entry(number).state == "SENT"
    assert {one.headers["idempotency-key"] for one in there.asked} == {"step:1:1:0"}
    assert [(one.state, one.answer.reply.status) for one in heard] == [("WAITING", status), ("SENT", 200)]
    assert heard[1].answer.reply.body == '{"ok": true}'


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_any_other_no_is_final_at_once(there: Site, status, heard):
    """R-WFA-11"""
    there.says((status, {"Location": "/elsewhere"}, "what?"))
    number = put(there.url)

    caller().drain()

    assert entry(number).state == "FAILED"
    assert len(there.asked) == 1
    assert f"answered {status}: what?" in heard[0].error


def test_a_network_error_is_tried_again_and_a_forbidden_place_is_not(heard):
    gone = put("http://127.0.0.1:1/")
    inside = put("http://10.0.0.1/", key="step:2:1:0")

    caller().run_once()

    assert (entry(gone).state, entry(inside).state) == ("WAITING", "FAILED")


def test_three_days_are_enough():
    """R-WFA-11"""
    later = Answer(Verdict.LATER, "503", patience=http.GIVE_UP_AFTER)
    facts = {"attempts": 9, "ambiguous": 0, "jitter": 1.0}
    assert retries.decide(later, tried_seconds=http.GIVE_UP_AFTER - 1, **facts).state == "WAITING"
    assert retries.decide(later, tried_seconds=http.GIVE_UP_AFTER, **facts) == retries.Next(
        "FAILED", None, "gave-up"
    )


def test_the_other_side_may_ask_for_more_time_but_not_for_ever(there: Site):
    """R-WFA-11"""
    there.says((429, {"Retry-After": "1000"}, ""))
    number = put(there.url)
    caller().run_once()
    assert 990 < seconds_to_wait(number) <= 1000

    with clock.stopped(NOON):
        assert http.wait_of("Mon, 16 Nov 2026 12:02:00 GMT") == 120.0
        assert http.wait_of("Mon, 16 Nov 2026 11:00:00 GMT") == 0.0
    assert http.wait_of("99999999999999999999") == http.MOST_WAIT
    assert http.wait_of("soon") == http.wait_of("") == http.wait_of("-5") == 0.0


def test_a_large_answer_is_cut_and_counts_by_its_status(there: Site, heard):
    there.says((200, {}, "x" * (http.AT_MOST + 5000)))
    put(there.url)
    caller().drain()
    assert (heard[0].state, len(heard[0].answer.reply.body)) == ("SENT", http.AT_MOST)


def test_a_packed_answer_is_as_good_as_an_empty_one(there: Site, heard):
    there.says((200, {"Content-Encoding": "gzip"}, "zz"))
    put(there.url)
    caller().drain()
    assert (heard[0].state, heard[0].answer.reply.body) == ("SENT", "")


def test_a_killed_senders_call_is_made_again_with_the_same_key(there: Site):
    """R-EXEC-23: whoever takes over when the lease has run out calls by the same name."""
    number = put(there.url)
    claimed = caller()._claim(1)
    http.HttpTransport().send(claimed[0])  # and killed before the answer was written down
    lease_runs_out(number)

    caller().drain()

    assert entry(number).state == "SENT"
    assert len(there.asked) == 2
    assert len({one.headers["idempotency-key"] for one in there.asked}) == 1


def test_the_same_key_is_one_call(there: Site):
    assert put(there.url) == put(f"{there.url}/other")
    assert crypto.digest("step:1:1:0")[:32] in entry(put(there.url)).message_id


def test_an_answer_that_cannot_be_stored_stops_nobody(there: Site, heard):
    """P6: what an app answers is anybody's text; the sender goes on."""
    there.says((200, {}, "a\0b"))
    number = put(there.url)

    caller().drain()

    assert entry(number).state == "SENT"
    assert heard[-1].answer.reply.body == "ab"
