"""Moments as they stand in the places of a list, exact enough to go on from there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deskhand.kernel.text import whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 17  # more lie beyond what Python calls a moment


def written(moment: datetime) -> str:
    """In microseconds since 1970."""
    return str((moment - _EPOCH) // timedelta(microseconds=1))


def moment_of(text: str) -> datetime | None:
    """None for what `written` never writes."""
    ticks = whole(text)
    return None if ticks is None or len(text) > _DIGITS else _EPOCH + timedelta(microseconds=ticks)
