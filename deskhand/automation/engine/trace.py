"""What happened on the way through a workflow, and why: one item per step walked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from deskhand.crm.filters.evaluate import Seen
from deskhand.crm.filters.types import Filter, MemberOf, Operator
from deskhand.kernel.text import N_

#: Of what a branch keeps: properties, values of one, letters of one.
MOST_SEEN, MOST_VALUES, LONGEST = 6, 10, 200


class What(StrEnum):
    BRANCH = "branch"  # values: slot, name, seen
    DEFAULT = "default"  # values: slot, name, seen
    DELAYED = "delayed"  # values: until
    PAST = "past"  # the date to wait for is over
    NO_DATE = "no_date"  # values: property
    INSIDE = "inside"  # it is the day or time already
    AWAITED = "awaited"  # values: event, until
    HAPPENED = "happened"  # what it would wait for has happened already; values: event
    CAME = "came"  # what it waited for happened; values: event, at, event_id
    TIMED_OUT = "timed_out"  # what it waited for did not happen in time; values: event
    SENT_ON = "sent_on"  # somebody let it go on before its time
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
    if item.what is What.AWAITED and item.values.get("until"):
        return _AWAITED_FOR_SO_LONG
    return _SENTENCES[item.what]


def seen(found: Iterable[Seen]) -> list[dict[str, Any]]:
    """What a branch looked at, fit for JSON: {"property" or "member_of", "value"}, of linked records their "type";
    "ever" where `value` is all it has been."""
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for leaf, value, object_type in found:
        one: dict[str, Any] = {"value": plain(value)}
        if object_type:
            one["type"] = object_type
        match leaf:
            case MemberOf(of):
                one["member_of"] = of
            case Filter(name, operator=operator):
                one["property"] = name
                if operator in (Operator.EVER, Operator.NEVER):
                    one["ever"] = True
        kept.setdefault((object_type, str(one.get("property") or one["member_of"])), one)
        if len(kept) == MOST_SEEN:
            break
    return list(kept.values())


def plain(value: Any) -> Any:
    """A record's value as JSON says it, no longer than there is any use for."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return value[:LONGEST]
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Collection():
            return [plain(one) for one in list(value)[:MOST_VALUES]]
        case _:
            return str(value)[:LONGEST]


_AWAITED_FOR_SO_LONG = N_("Waiting for the event “%(event)s”, until %(until)s at the latest.")
_SENTENCES = {
    What.BRANCH: N_("Took the branch “%(name)s”."),
    What.DEFAULT: N_("No branch matched; took the default."),
    What.DELAYED: N_("Waiting until %(until)s."),
    What.PAST: N_("The date is already past."),
    What.NO_DATE: N_("“%(property)s” is empty, so there is no date to wait for."),
    What.INSIDE: N_("It is already the right time; went on."),
    What.AWAITED: N_("Waiting for the event “%(event)s”."),
    What.HAPPENED: N_("“%(event)s” has happened already; went on."),
    What.CAME: N_("“%(event)s” happened at %(at)s; went on."),
    What.TIMED_OUT: N_("Time is up: “%(event)s” did not happen."),
    What.SENT_ON: N_("Somebody let it go on without waiting any longer."),
    What.CANCELLED: N_("The condition that cancels the wait holds; went on without it."),
    What.HELD: N_("Outside the hours in which actions run; held until %(until)s."),
    What.OFF: N_("Skipped: the workflow is off."),
    What.PERFORMED: N_("Performed."),
    What.LEFT: N_("Left the workflow: %(reason)s."),
    What.ENDED: N_("Ended: %(reason)s."),
}
