"""What becomes of a send after an answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.delivery.types import Answer, Verdict

FIRST_WAIT = 60.0  # seconds
LONGEST_WAIT = 4 * 3600.0
GIVE_UP_AFTER = 5 * 24 * 3600.0  # seconds since the first try
MOST_AMBIGUOUS = 5  # then a person decides: each further try might be one more copy


@dataclass(frozen=True, slots=True)
class Next:
    """`wait` in seconds; None with WAITING: until there is something to send through."""

    state: str
    wait: float | None = None
    reason: str = ""  # a code: "unplugged", "busy", "retry", "refused", "gave-up", "ambiguous"


def wait_after(attempts: int, jitter: float, first: float = FIRST_WAIT) -> float:
    """Seconds to the next try: from `first` to a ceiling that doubles with every try, up to four hours."""
    ceiling = min(LONGEST_WAIT, 2.0 * first * 2.0 ** min(attempts - 1, 30))
    return first + max(0.0, jitter * (ceiling - first))


def decide(
    answer: Answer,
    *,
    settled_before: Sequence[str] = (),
    attempts: int,
    ambiguous: int,
    tried_seconds: float,
    jitter: float,
    first: float = FIRST_WAIT,
) -> Next:
    """Say what is next (O2). `ambiguous` includes this try; `jitter` is from 0 to 1."""
    if answer.verdict is Verdict.UNPLUGGED:
        return Next("WAITING", None, "unplugged")
    if answer.verdict is Verdict.BUSY:
        return Next("WAITING", answer.wait, "busy")
    if answer.verdict is Verdict.ACCEPTED:
        return Next("SENT")
    taken_by_some = any(text.startswith("2") for text in (*settled_before, *answer.settled.values()))
    if answer.verdict is Verdict.REFUSED:
        return Next("SENT", reason="refused") if taken_by_some else Next("FAILED", reason="refused")
    if answer.verdict is Verdict.AMBIGUOUS and ambiguous >= MOST_AMBIGUOUS:
        return Next("HELD", reason="ambiguous")
    if tried_seconds >= patience_with(answer) or (answer.most is not None and attempts >= answer.most):
        return Next("FAILED", reason="gave-up")
    return Next("WAITING", max(answer.wait, wait_after(attempts, jitter, first)), "retry")


def patience_with(answer: Answer) -> float:
    """Seconds since the first try after which a send is given up."""
    return GIVE_UP_AFTER if answer.patience is None else answer.patience
