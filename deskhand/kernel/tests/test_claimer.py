"""Whose fault a failed batch is: a row's, which is counted, or the server's, which is waited out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from django.db import OperationalError

from deskhand.kernel.claimer import POLL, SOON, BatchClaimer, ClaimLoop, until_due
from deskhand.kernel.database import sql

pytestmark = pytest.mark.django_db(transaction=True)


class Failing(BatchClaimer[int]):
    """Its row 2 ends as the server says with `state`."""

    name, wake = "failing", "failing"

    def __init__(self, state: str) -> None:
        self.state = state
        self.done: list[int] = []
        self.given_up: list[int] = []

    def next_account(self) -> int | None:
        return 1

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[int]:
        return [1, 2, 3] if only is None else [only]

    def work(self, account_id: int, rows: Sequence[int]) -> None:
        if 2 in rows:
            sql.execute(f"do $$ begin raise exception using errcode = '{self.state}', message = 'no'; end $$")
        self.done += rows

    def failed(self, account_id: int, row: int, error: Exception) -> None:
        self.given_up.append(row)

    def row_id(self, row: int) -> int:
        return row


@pytest.mark.parametrize("state", ["53100", "53200", "57P01", "58030"])
def test_a_full_disk_is_no_rows_fault(state: str) -> None:
    """R3, R15: a mail is not given up because the machine was in trouble."""
    claimer = Failing(state)

    with pytest.raises(OperationalError):
        claimer.run_once()

    assert (claimer.done, claimer.given_up) == ([], [])


@pytest.mark.parametrize("state", ["22003", "40P01", "57014", "P0001"])
def test_a_row_that_can_not_be_worked_is_counted_and_the_others_are_done(state: str) -> None:
    claimer = Failing(state)

    assert claimer.run_once() == 3

    assert (claimer.done, claimer.given_up) == ([1, 3], [2])


class Impatient(Failing):
    """Its one row comes due a moment after the loop has begun."""

    def __init__(self) -> None:
        super().__init__("")
        self.looked: list[float] = []
        self.found = threading.Event()

    def next_account(self) -> int | None:
        self.looked.append(time.monotonic())
        if self.looked[-1] - self.looked[0] >= 0.5:
            self.found.set()
        return None

    def patience(self) -> float:
        return until_due(0.5 - (time.monotonic() - self.looked[0]))


def test_a_loop_at_rest_wakes_when_the_next_row_is_due() -> None:
    claimer, stop = Impatient(), threading.Event()
    loop = threading.Thread(target=ClaimLoop(claimer, stop).run)

    loop.start()
    assert claimer.found.wait(POLL / 2)
    looks = len(claimer.looked)
    stop.set()
    loop.join(POLL * 2)

    assert looks <= 4  # it slept meanwhile


class Backlogged(Failing):
    """It always has as many rows as are asked for."""

    most = 2_000

    def __init__(self) -> None:
        super().__init__("")
        self.limits: list[int] = []
        self.had_enough = threading.Event()

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[int]:
        self.limits.append(limit)
        if len(self.limits) == 5:
            self.had_enough.set()
        return [1] * limit


def test_batches_grow_under_backlog_up_to_what_the_queue_says() -> None:
    claimer, stop = Backlogged(), threading.Event()
    loop = threading.Thread(target=ClaimLoop(claimer, stop).run)

    loop.start()
    assert claimer.had_enough.wait(POLL * 2)
    stop.set()
    loop.join(POLL * 2)

    assert claimer.limits[:5] == [100, 400, 1_600, 2_000, 2_000]
    assert claimer.run_once() == 2_000


def test_how_long_a_queue_sleeps() -> None:
    assert [until_due(seconds) for seconds in (None, -1, 0, 0.5, 99)] == [POLL, SOON, SOON, 0.5, POLL]
