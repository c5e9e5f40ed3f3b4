"""How much a token may call: so many times in any ten seconds, and in a day of UTC (api.md §1.11). Off unless its limits are set.

The ten seconds roll: each call takes its share of them, and a token waits that has taken all. So the moment until which it is
busy is all that must be kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction

from deskhand.accounts.models import ApiToken
from deskhand.accounts.tokens import TokenUse

WINDOW = timedelta(seconds=10)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Used:
    """What a token has used of its limits."""

    busy_until: datetime | None = None
    day_on: date | None = None
    day_count: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a token stands with the call that it makes now; None where it has no such limit. `waits`: 0 for a call that may be."""

    left: int | None
    left_today: int | None
    waits: int = 0  # seconds
    is_day_over: bool = False


def count(token: TokenUse, now: datetime) -> Standing:
    """Count one call. A call that has to wait is not counted. Nothing is written for who has no limit."""
    if token.per_ten_seconds is None and token.per_day is None:
        return Standing(None, None)
    with transaction.atomic():
        row = ApiToken.objects.select_for_update(no_key=True).get(pk=token.token_id)
        used = Used(row.busy_until, row.day_on, row.day_count)
        standing, after = decide(row.per_ten_seconds, row.per_day, used, now)
        if after != used:
            row.busy_until, row.day_on, row.day_count = after.busy_until, after.day_on, after.day_count
            row.save(update_fields=["busy_until", "day_on", "day_count"])
    return standing


def decide(
    per_ten_seconds: int | None, per_day: int | None, used: Used, now: datetime
) -> tuple[Standing, Used]:
    """Whether one call more may be, and what is used then."""
    today = now.astimezone(UTC).date()
    day_count = used.day_count if used.day_on == today else 0
    if per_day is not None and day_count >= per_day:
        tomorrow = datetime.combine(today, time.min, UTC) + DAY
        return Standing(_free(per_ten_seconds, used, now), 0, _seconds(tomorrow - now), True), used
    left_today = None if per_day is None else per_day - day_count - 1
    if per_ten_seconds is None:
        return Standing(None, left_today), Used(used.busy_until, today, day_count + 1)
    busy = max(used.busy_until or now, now)
    share = WINDOW // per_ten_seconds  # rounded down, so that all of them fit
    if busy + share > now + WINDOW:
        left = None if left_today is None else left_today + 1
        return Standing(0, left, _seconds(busy + share - WINDOW - now)), used
    after = Used(busy + share, today, day_count + 1)
    return Standing(_free(per_ten_seconds, after, now), left_today), after


def _free(per_ten_seconds: int | None, used: Used, now: datetime) -> int | None:
    """How many calls could follow at once."""
    if per_ten_seconds is None:
        return None
    rest = WINDOW - max((used.busy_until or now) - now, timedelta(0))
    share = WINDOW // per_ten_seconds
    return max(0, min(per_ten_seconds, rest // share))


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
