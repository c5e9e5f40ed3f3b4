"""How much a token may call (api.md §1.11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.accounts import tokens
from deskhand.accounts.models import ApiToken, AuditEntry
from deskhand.accounts.rates import WINDOW, Used, decide
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def go_on(most: int | None, a_day: int | None, waits: list[float]) -> list[bool]:
    """Which of the calls may be that come after these waits, in seconds."""
    used, now, may = Used(), NOON, []
    for wait in waits:
        now += timedelta(seconds=wait)
        standing, used = decide(most, a_day, used, now)
        may.append(not standing.waits)
    return may


@pytest.mark.parametrize("most", [1, 3, 6, 7, 100, 190])
def test_so_many_may_come_at_once_and_the_next_has_to_wait(most: int) -> None:
    assert go_on(most, None, [0.0] * (most + 1)) == [True] * most + [False]


@given(st.integers(1, 50), st.lists(st.floats(0, 12), max_size=120))
def test_in_no_ten_seconds_are_there_twice_as_many(most: int, waits: list[float]) -> None:
    """What rolls lets a full burst through, and what came free since."""
    may, at = go_on(most, None, waits), []
    now = 0.0
    for wait, is_let in zip(waits, may, strict=True):
        now += wait
        at += [now] if is_let else []
    assert all(len([one for one in at if start <= one < start + 10]) <= 2 * most for start in at)


@given(st.integers(1, 50), st.lists(st.floats(0, 3), max_size=80))
def test_who_waits_as_long_as_told_may_go_on(most: int, waits: list[float]) -> None:
    used, now = Used(), NOON
    for wait in waits:
        now += timedelta(seconds=wait)
        standing, used = decide(most, None, used, now)
        if standing.waits:
            now += timedelta(seconds=standing.waits)
            standing, used = decide(most, None, used, now)
            assert not standing.waits


@given(st.integers(1, 300))
def test_what_is_left_counts_down_to_nothing(most: int) -> None:
    used, left = Used(), []
    for _n in range(most):
        standing, used = decide(most, None, used, NOON)
        left.append(standing.left)
    assert left == list(range(most - 1, -1, -1))


def test_a_day_s_limit_waits_for_midnight_of_utc() -> None:
    standing, used = decide(None, 1, Used(), NOON)
    assert (standing.left_today, used.day_count) == (0, 1)

    standing, _used = decide(None, 1, used, NOON + WINDOW)
    assert (standing.is_day_over, standing.waits) == (True, 12 * 3600 - 10)
    assert not decide(None, 1, used, NOON + timedelta(hours=12))[0].waits


def test_a_call_that_waits_takes_nothing_from_the_day() -> None:
    _standing, used = decide(1, 5, Used(), NOON)
    standing, after = decide(1, 5, used, NOON)

    assert (standing.waits, standing.left_today, after) == (10, 4, used)


@pytest.mark.parametrize("most", [0, -1, 10**30])
def test_a_limit_that_is_none_is_refused(account, by_ada, most: int) -> None:
    with pytest.raises(Invalid):
        tokens.create(account.pk, name="Shop", scopes=["files"], per_day=most)
    assert not ApiToken.objects.exists()


def test_a_limit_may_be_changed_and_is_in_the_audit_log(account, by_ada) -> None:
    token, secret = tokens.create(account.pk, name="Shop", scopes=["files"], per_ten_seconds=5, by=by_ada)
    for _twice in range(2):
        tokens.limit(account.pk, token.pk, per_ten_seconds=None, per_day=100, by=by_ada)

    with account_scope(account.pk):
        entry = AuditEntry.objects.get(action="token.limited")
    assert (entry.before, entry.after) == ({"per_ten_seconds": 5}, {"per_day": 100})
    assert tokens.look_up(secret).per_day == 100


def test_a_revoked_token_has_no_limit_to_change(account, by_ada) -> None:
    token, _secret = tokens.create(account.pk, name="Shop", scopes=["files"])
    tokens.revoke(account.pk, token.pk, by=by_ada)

    with pytest.raises(NotFound):
        tokens.limit(account.pk, token.pk, per_ten_seconds=1, per_day=None, by=by_ada)
