"""What happened on the way through a workflow, and why: one item per step walked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from deskhand.kernel.text import N_


class What(StrEnum):
    BRANCH = "branch"  # values: slot, name
    DEFAULT = "default"  # values: name
    DELAYED = "delayed"  # values: until
    PAST = "past"  # the date to wait for is over
    NO_DATE = "no_date"  # values: property
    INSIDE = "inside"  # it is the day or time already
    AWAITED = "awaited"  # values: event, until
    HAPPENED = "happened"  # what it would wait for has happened already; values: event
    CANCELLED = "cancelled"  # what ends the wait holds
    HELD = "held"  # outside the window; values: until
    OFF = "off"  # not performed: the workflow is off
    PERFORMED = "performed"  # handed to its action
    LEFT = "left"  # values: reason
    ENDED = "ended"  # values: reason


class TraceItem(NamedTuple):
    """`step_id` is empty where there is no step: an end before the first."""

    step_id: str
    what: What
    values: Mapping[str, Any] = {}


def sentence(item: TraceItem) -> str:
    """What to read about the item: a message to be translated, then formatted (%) with the item's values."""
    return _SENTENCES[item.what]


_SENTENCES = {
    What.BRANCH: N_("Took the branch “%(name)s”."),
    What.DEFAULT: N_("No branch matched; took the default."),
    What.DELAYED: N_("Waiting until %(until)s."),
    What.PAST: N_("The date is already past."),
    What.NO_DATE: N_("“%(property)s” is empty, so there is no date to wait for."),
    What.INSIDE: N_("It is already the right time; went on."),
    What.AWAITED: N_("Waiting for the event “%(event)s”."),
    What.HAPPENED: N_("“%(event)s” has happened already; went on."),
    What.CANCELLED: N_("The condition that cancels the wait holds; went on without it."),
    What.HELD: N_("Outside the hours in which actions run; held until %(until)s."),
    What.OFF: N_("Skipped: the workflow is off."),
    What.PERFORMED: N_("Performed."),
    What.LEFT: N_("Left the workflow: %(reason)s."),
    What.ENDED: N_("Ended: %(reason)s."),
}
