"""The log's months: a partition for each, made before its first event.

An event without a month of its own is kept by the default partition, and moves over when the month is made.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import connections

AHEAD = 3  # months that are there before they begin
BACK = 12  # months whose events are fetched from the default partition; older ones (imports) may stay there


def ensure(now: datetime, using: str = "default") -> list[date]:
    """Make the partitions of this month and the next ones, and of past ones that the default partition holds.

    Returns the months that were made. Safe to repeat, and from several processes. Raises OperationalError when a
    long transaction keeps the default partition locked for 3 s; nothing is lost then.
    """
    this = now.astimezone(UTC).date().replace(day=1)
    wanted = [*_held(this, using), *(month_after(this, n) for n in range(AHEAD + 1))]
    with connections[using].cursor() as cursor:
        made = []
        for month in dict.fromkeys(wanted):
            cursor.execute("select events_partition(%s)", [month])
            if cursor.fetchone()[0]:
                made.append(month)
    return made


def _held(this: date, using: str) -> list[date]:
    """Past months of which the default partition has events."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "select distinct date_trunc('month', occurred_at at time zone 'UTC')::date from events_event_other"
            " where occurred_at >= %s::date::timestamp at time zone 'UTC' and occurred_at < %s::date::timestamp at time zone 'UTC'"
            " order by 1",
            [month_after(this, -BACK), this],
        )
        return [month for (month,) in cursor.fetchall()]


def month_after(month: date, count: int) -> date:
    """The first day of the month `count` months later."""
    years, months = divmod(month.month - 1 + count, 12)
    return date(month.year + years, months + 1, 1)
