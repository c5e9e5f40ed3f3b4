"""What follows from an answer: O2."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.delivery.retries import GIVE_UP_AFTER, LONGEST_WAIT, MOST_AMBIGUOUS, Next, decide, wait_after
from deskhand.delivery.types import Answer, Verdict


def after(verdict: Verdict, **facts: object) -> Next:
    whole = {"attempts": 1, "ambiguous": 0, "tried_seconds": 0.0, "jitter": 0.5, **facts}
    return decide(
        Answer(verdict, "words", facts.pop("settled", {})),
        **{k: v for k, v in whole.items() if k != "settled"},
    )


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_wait_is_from_a_minute_to_four_hours(attempts: int, jitter: float) -> None:
    assert 60 <= wait_after(attempts, jitter) <= LONGEST_WAIT
    assert wait_after(attempts, 1.0) <= wait_after(attempts + 1, 1.0)


@given(st.integers(1, 1000), st.integers(0, 100), st.floats(0, 1e7), st.floats(0, 1))
def test_a_definite_answer_always_ends(attempts: int, ambiguous: int, tried: float, jitter: float) -> None:
    facts = {"attempts": attempts, "ambiguous": ambiguous, "tried_seconds": tried, "jitter": jitter}
    assert after(Verdict.ACCEPTED, **facts).state == "SENT"
    assert after(Verdict.REFUSED, **facts).state == "FAILED"


def test_a_refusal_of_some_after_others_took_it_is_sent() -> None:
    assert after(Verdict.REFUSED, settled_before=["250 ok"]) == Next("SENT", None, "refused")


def test_what_was_certainly_not_taken_is_tried_for_five_days() -> None:
    assert after(Verdict.LATER, tried_seconds=GIVE_UP_AFTER - 1).state == "WAITING"
    assert after(Verdict.LATER, tried_seconds=GIVE_UP_AFTER).state == "FAILED"


def test_an_unknown_end_is_tried_again_until_too_many_copies_may_have_arrived() -> None:
    assert after(Verdict.AMBIGUOUS, ambiguous=MOST_AMBIGUOUS - 1).state == "WAITING"
    assert after(Verdict.AMBIGUOUS, ambiguous=MOST_AMBIGUOUS).state == "HELD"


def test_without_a_server_it_waits_for_ever() -> None:
    assert after(Verdict.UNPLUGGED, tried_seconds=GIVE_UP_AFTER * 10) == Next("WAITING", None, "unplugged")
