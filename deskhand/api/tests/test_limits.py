"""Limits of tokens at the door, and the log of what they called."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from deskhand.accounts import request_log, tokens
from deskhand.accounts.models import ApiRequest, ApiToken
from deskhand.accounts.request_log import Asked
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope

TICKETS = "/crm/v3/objects/tickets"


def limit(program: Any, per_ten_seconds: int | None, per_day: int | None = None) -> None:
    account_id, token = program.world.account.pk, ApiToken.objects.get()
    tokens.limit(account_id, token.pk, per_ten_seconds=per_ten_seconds, per_day=per_day, by=SYSTEM)


def log_of(program: Any, **asked: Any) -> list[ApiRequest]:
    account_id = program.world.account.pk
    with account_scope(account_id):
        return list(request_log.entries(account_id, Asked(**asked), limit=50))


def test_without_a_limit_nothing_is_said_or_counted(program: Any) -> None:
    """api.md §1.11: off by default"""
    answer = program.raw("GET", TICKETS)

    assert not [name for name in answer.headers if "RateLimit" in name]
    assert ApiToken.objects.get().busy_until is None


def test_whoever_calls_too_often_is_told_to_wait_in_every_client_s_words(
    program: Any, noon: datetime
) -> None:
    """api.md §1.11"""
    limit(program, 20)
    first = program.raw("GET", TICKETS)
    assert {name: first.headers[f"X-HubSpot-RateLimit-{name}"] for name in ("Max", "Remaining", "Interval-Milliseconds")} == {
        "Max": "20", "Remaining": "19", "Interval-Milliseconds": "10000",
    }  # fmt: skip
    for _n in range(19):
        assert program("GET", TICKETS)[0] == 200

    refused = program.raw("GET", TICKETS)

    said = refused.json()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert (said["message"], said["policyName"]) == (
        "You have reached your secondly limit.",
        "TEN_SECONDLY_ROLLING",
    )
    assert (said["status"], said["errorType"], said["category"]) == ("error", "RATE_LIMIT", "RATE_LIMITS")
    assert said["requestId"] == said["correlationId"] == refused.headers["X-HubSpot-Correlation-Id"]
    with clock.stopped(noon + timedelta(seconds=1)):
        assert program("GET", TICKETS)[0] == 200


def test_a_day_s_limit_is_over_at_midnight(program: Any, noon: datetime) -> None:
    """api.md §1.11"""
    limit(program, None, 1)
    first = program.raw("GET", TICKETS)
    assert (
        first.headers["X-HubSpot-RateLimit-Daily"],
        first.headers["X-HubSpot-RateLimit-Daily-Remaining"],
    ) == ("1", "0")
    status, said = program("GET", TICKETS)
    assert (status, said["message"], said["policyName"]) == (
        429,
        "You have reached your daily limit.",
        "DAILY",
    )

    with clock.stopped(noon + timedelta(hours=12)):
        assert program("GET", TICKETS)[0] == 200


def test_a_search_counts_and_says_nothing_of_limits(program: Any) -> None:
    """api.md §1.11: headers on every non-search response"""
    limit(program, 1)

    answer = program.raw("POST", f"{TICKETS}/search", {})
    assert "X-HubSpot-RateLimit-Max" not in answer.headers
    assert program("GET", TICKETS)[0] == 429


def test_a_call_that_is_refused_for_the_limit_does_nothing(program: Any) -> None:
    limit(program, 1)
    program("GET", TICKETS)

    assert program("POST", TICKETS, {"properties": {"subject": "x", "hs_pipeline_stage": "1"}})[0] == 429
    limit(program, None)
    assert program("GET", TICKETS)[1]["results"] == []


def test_every_call_is_written_down_without_what_it_said(program: Any) -> None:
    """Issue 6, line 6: a log of requests"""
    answer = program.raw("GET", f"{TICKETS}/7", idProperty="secret-7f3a")
    program("POST", TICKETS, {"properties": {"subject": "secret-7f3a"}})

    refused, missing = log_of(program)
    assert (missing.method, missing.path, missing.status) == ("GET", f"{TICKETS}/7", answer.status_code)
    assert str(missing.correlation_id) == answer.headers["X-HubSpot-Correlation-Id"]
    assert (refused.status, refused.category) == (400, "VALIDATION_ERROR")
    assert (missing.token_id, missing.milliseconds >= 0) == (ApiToken.objects.get().pk, True)
    assert "7f3a" not in str([vars(one) for one in (refused, missing)])
    assert program.secret not in str([vars(one) for one in (refused, missing)])


def test_who_has_no_token_is_in_nobody_s_log(program: Any) -> None:
    Client().get(TICKETS)
    Client().get(TICKETS, {"hapikey": "dhk_guessed"})

    assert log_of(program) == []


def test_what_broke_is_in_the_log_too(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskhand.api.entrance._who", lambda _token: 1 / 0)
    program.raises = False
    status, said = program("GET", TICKETS)

    [line] = log_of(program, end="failed")
    assert (line.status, line.category, str(line.correlation_id)) == (
        status,
        "INTERNAL_ERROR",
        said["correlationId"],
    )


def test_a_log_that_cannot_be_written_stops_no_call(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def away(*_args: Any, **_more: Any) -> None:
        raise OperationalError("no space left")

    monkeypatch.setattr(ApiRequest.objects, "create", away)

    assert program("GET", TICKETS)[0] == 200


def test_odd_signs_in_an_address_are_written_down_as_spaces(program: Any) -> None:
    assert program("GET", f"{TICKETS}/%00%0A")[0] in (400, 404)
    assert log_of(program)[0].path == TICKETS + "/"


@pytest.mark.parametrize(
    ("asked", "number"),
    [({}, 3), ({"end": "done"}, 1), ({"end": "refused"}, 1), ({"end": "limited"}, 1), ({"method": "POST"}, 1), ({"path": "tick"}, 3),
     ({"path": "deals"}, 0), ({"token_id": 0}, 0)],
)  # fmt: skip
def test_the_log_is_asked_for_a_part(program: Any, asked: Any, number: int) -> None:
    limit(program, None, 2)
    program("GET", TICKETS)
    program("POST", TICKETS, {})
    program("GET", TICKETS)

    assert len(log_of(program, **asked)) == number


def test_after_thirty_days_a_call_is_forgotten(program: Any, noon: datetime) -> None:
    program("GET", TICKETS)
    with clock.stopped(noon + timedelta(days=29)):
        program("GET", TICKETS)
    account_id = program.world.account.pk

    with account_scope(account_id):
        assert request_log.trim(account_id, noon + timedelta(days=31)) == 1
    assert len(log_of(program)) == 1


def test_between_two_days_calls_are_found(program: Any, noon: datetime) -> None:
    program("GET", TICKETS)
    assert len(log_of(program, since=noon, until=noon + timedelta(seconds=1))) == 1
    assert log_of(program, since=noon + timedelta(seconds=1)) == log_of(program, until=noon) == []
