"""The hours of a channel itself, as a rule keeps them (R-ROUTE-81, R-ROUTE-90)."""

from __future__ import annotations

from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing.models import RoutingRule


def of_rule(row: RoutingRule) -> WeeklyHours | None:
    """None where it is always open."""
    if not row.hours_blocks:
        return None
    return WeeklyHours(row.hours_zone, tuple(Block(*block) for block in row.hours_blocks))
