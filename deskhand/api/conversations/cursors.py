"""Moments as they stand in `after`: microseconds, so that no page begins at the wrong one of two of a millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deskhand.api import refusals
from deskhand.kernel.text import whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(at: datetime) -> str:
    return str((at - _EPOCH) // timedelta(microseconds=1))


def moment_of(text: str) -> datetime | None:
    number = whole(text)
    try:
        return None if number is None else _EPOCH + timedelta(microseconds=number)
    except OverflowError:
        return None


def wrong() -> refusals.Refusal:
    return refusals.bad("after must be what the page before gave.", context={"parameter": ["after"]})
