"""The names of clocks: when a record came to a status, when it left, and how long it was there (R-PROP-3). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Sort(StrEnum):
    """What a clock tells, as its name begins in the API."""

    ENTERED = "hs_v2_date_entered"
    EXITED = "hs_v2_date_exited"
    LATEST = "hs_v2_latest_time_in"
    CUMULATIVE = "hs_v2_cumulative_time_in"


#: Names of before the second version; they read the same.
ALIASES = {
    "hs_date_entered": Sort.ENTERED,
    "hs_date_exited": Sort.EXITED,
    "hs_time_in": Sort.CUMULATIVE,
}
#: Every way in which a name may begin.
SORTS = {**{sort.value: sort for sort in Sort}, **ALIASES}
_NAME = re.compile(rf"({'|'.join(SORTS)})_([1-9][0-9]{{0,17}})")
_BEGINNING = re.compile(rf"({'|'.join(SORTS)})_")
#: The times that grow while the record stands in the status.
RUNNING = (Sort.LATEST, Sort.CUMULATIVE)
STAGE = "stage_id"  # the column whose changes change all of them


@dataclass(frozen=True)
class Clock:
    sort: Sort
    stage_id: int

    @property
    def is_running(self) -> bool:
        return self.sort in RUNNING


def parse(name: str) -> Clock | None:
    """What a property's name tells, if it is that of a clock; whether there is such a status, `find` says."""
    if not name.startswith("hs_"):
        return None
    found = _NAME.fullmatch(name)
    return Clock(SORTS[found[1]], int(found[2])) if found else None


def split(name: str) -> tuple[str, str]:
    """How a clock's name begins, and what stands there for its status; two empty texts for another name."""
    found = _BEGINNING.match(name)
    return (found[1], name[found.end() :]) if found else ("", "")


def is_running(name: str) -> bool:
    """Whether the property's value grows by itself."""
    clock = parse(name)
    return clock is not None and clock.is_running


def name_of(clock: Clock) -> str:
    return f"{clock.sort}_{clock.stage_id}"


def names_of(stage_id: int) -> list[str]:
    """All names that read the clocks of a status."""
    return [f"{prefix}_{stage_id}" for prefix in SORTS]
