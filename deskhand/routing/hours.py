"""Weekly hours as they are kept: of people, and of a channel itself by its rule (R-ROUTE-81, R-ROUTE-90)."""

from __future__ import annotations

from collections.abc import Iterable

from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing.models import RoutingRule


def of_rule(row: RoutingRule) -> WeeklyHours | None:
    """None where it is always open."""
    return of_blocks(row.hours_zone, row.hours_blocks)


def of_blocks(zone: str, blocks: Iterable[list[int]]) -> WeeklyHours | None:
    """None without any."""
    found = tuple(Block(*block) for block in blocks)
    return WeeklyHours(zone, found) if found else None
