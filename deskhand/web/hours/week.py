"""The form of a working week: seven rows of hours, read and shown again as they were typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from babel.dates import get_day_names
from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.kernel.calendars import DAY_MINUTES, Block, WeeklyHours, zone_named
from deskhand.kernel.errors import Invalid
from deskhand.web import times
from deskhand.web.hours.rows import Day, Range, Week
from deskhand.web.refusals import words_of

MOST = 8  # ranges of a day
_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)(?::00)?")
WORKING_DAY = Range("09:00", "17:00")
ADD, REMOVE, FILL = "add", "remove", "fill"  # buttons that only change the form


@dataclass(frozen=True)
class Typed:
    zone: str
    days: tuple[tuple[Range, ...], ...]


def of_hours(hours: WeeklyHours | None, zone: str) -> Typed:
    if hours is None:
        return Typed(zone, ((),) * 7)
    days = tuple(
        tuple(
            Range(clock(block.start), clock(block.end))
            for block in sorted(hours.blocks)
            if block.weekday == day
        )
        for day in range(7)
    )
    return Typed(hours.zone, days)


def of_post(posted: QueryDict) -> Typed:
    """What is empty at both ends is no range."""
    days = []
    for day in range(7):
        pairs = zip(posted.getlist(f"start{day}"), posted.getlist(f"end{day}"), strict=False)
        days.append(
            tuple(Range(start.strip()[:8], end.strip()[:8]) for start, end in pairs if start or end)[:MOST]
        )
    return Typed(posted.get("zone", "").strip()[:64], tuple(days))


def changed(typed: Typed, posted: QueryDict) -> Typed | None:
    """The form after one of its buttons; None when it is to be saved."""
    if FILL in posted:
        return Typed(typed.zone, ((WORKING_DAY,),) * 5 + ((), ()))
    if ADD in posted:
        return _with(typed, str(posted[ADD]), lambda ranges: (*ranges, Range("", ""))[:MOST])
    if REMOVE in posted:
        day, _colon, place = str(posted[REMOVE]).partition(":")
        return _with(typed, day, lambda ranges: tuple(r for n, r in enumerate(ranges) if str(n) != place))
    return None


def _with(typed: Typed, day: str, change: Callable[[tuple[Range, ...]], tuple[Range, ...]]) -> Typed:
    if day not in ("0", "1", "2", "3", "4", "5", "6"):
        return typed
    days = list(typed.days)
    days[int(day)] = change(days[int(day)])
    return Typed(typed.zone, tuple(days))


def hours(typed: Typed) -> WeeklyHours:
    """Raises Invalid, naming the day as `day0` or the zone."""
    zone_named(typed.zone)
    blocks = [block for day, ranges in enumerate(typed.days) for block in _blocks(day, ranges)]
    return WeeklyHours(typed.zone, tuple(blocks))


def _blocks(day: int, ranges: Sequence[Range]) -> list[Block]:
    found = sorted(_block(day, one) for one in ranges)
    if any(later.start < earlier.end for earlier, later in pairwise(found)):
        raise Invalid(
            _("These hours overlap."), field=f"day{day}", hint=_("Make them one, or move one of them.")
        )
    return found


def _block(day: int, one: Range) -> Block:
    start, end = (_minutes(day, text) for text in (one.start, one.end))
    end = end or DAY_MINUTES  # midnight at the end is the day's own
    if start >= end:
        raise Invalid(
            _("Hours must end after they begin."), field=f"day{day}", hint=_("Split work over midnight into two days.")
        )  # fmt: skip
    return Block(day, start, end)


def _minutes(day: int, text: str) -> int:
    found = _TIME.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES + 1
    if minutes > DAY_MINUTES:
        raise Invalid(_("Give both times, such as 09:00 and 17:00."), field=f"day{day}", value=text)
    return minutes


def clock(minute: int) -> str:
    """Minutes since midnight as a time field has them; the end of the day is 00:00 there."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def form(url: str, typed: Typed, *, is_set: bool, refusal: Invalid | None = None, notice: str = "") -> Week:
    names = get_day_names("wide", "stand-alone", locale=times.locale())
    error = words_of(refusal) if refusal else ""
    wrong = refusal.field if refusal else ""
    days = tuple(
        Day(day, names[day].capitalize(), ranges, error if wrong == f"day{day}" else "")
        for day, ranges in enumerate(typed.days)
    )
    return Week(url, typed.zone, days, is_set, error if error and not wrong.startswith("day") else "", notice)
