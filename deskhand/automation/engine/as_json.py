"""Definitions as JSON, as revisions are stored. Reading is strict: every refusal names its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from datetime import date, timedelta
from enum import Enum
from typing import Any, TypeVar

from deskhand.automation.engine import definition as d
from deskhand.crm.filters import as_json as filters
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf
from deskhand.kernel.calendars import DAY_MINUTES, Block
from deskhand.kernel.strict_json import Fields, Reading

FORMAT = 1
MAX_STEPS = 2000
#: Caps that only keep nonsense out; what a workflow may hold is the validator's to say.
_MANY = 10_000
_YEARS = 100 * 366

T = TypeVar("T")
_CONDITIONS = (AllOf, AnyOf, Associated, Filter, MemberOf)

_TYPES: dict[type, str] = {
    d.Action: "action",
    d.Delay: "delay",
    d.IfThen: "if_then",
    d.ValueEquals: "value_equals",
    d.RandomSplit: "random_split",
    d.ForAmount: "for_amount",
    d.UntilDate: "until_date",
    d.UntilProperty: "until_property",
    d.UntilWeekday: "until_weekday",
    d.UntilTime: "until_time",
    d.UntilEvent: "until_event",
    d.Manual: "manual",
    d.WhenTrue: "when_true",
    d.WhenEvent: "when_event",
    d.WhenScheduled: "when_scheduled",
    d.WhenDated: "when_dated",
    d.WhenCalled: "when_called",
}


def definition_to_json(definition: d.Definition) -> dict[str, Any]:
    return {"format": FORMAT, **_to_json(definition)}


def _to_json(value: Any) -> Any:
    """Fields that are empty are left out; spans are minutes."""
    if isinstance(value, _CONDITIONS):
        return filters.to_json(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return int(value / timedelta(minutes=1))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if type(value) in _TYPES:
        return {"type": _TYPES[type(value)], **_fields_to_json(value)}
    if hasattr(value, "__dataclass_fields__"):
        return _fields_to_json(value)
    return value


def _fields_to_json(value: Any) -> dict[str, Any]:
    named = {item.name: getattr(value, item.name) for item in dataclass_fields(value)}
    return {name: _to_json(inner) for name, inner in named.items() if inner is not None and inner != ()}


def read_definition(data: object) -> d.Definition:
    given = Reading(data).fields(
        "format",
        "object_type",
        "trigger",
        "next_id",
        optional=("reenrollment", "leaving", "timing", "start", "steps"),
    )
    given["format"].whole(at_least=FORMAT, at_most=FORMAT)
    return d.Definition(
        object_type=given["object_type"].text(at_most=100),
        trigger=_trigger(given["trigger"]),
        reenrollment=_optional(given, "reenrollment", _reenrollment) or d.Reenrollment(),
        leaving=_optional(given, "leaving", _leaving) or d.Leaving(),
        timing=_optional(given, "timing", _timing) or d.Timing(),
        start=_optional(given, "start", _edge),
        steps=_steps(given),
        next_id=given["next_id"].whole(at_least=1),
    )


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _steps(given: Fields) -> tuple[d.Step, ...]:
    steps: list[d.Step] = []
    taken: set[str] = set()
    listed = given.given("steps")
    for reading in listed.items(at_most=MAX_STEPS) if listed else ():
        step = _step(reading)
        if step.id in taken:
            reading.refuse(f"a step with an id of its own ({step.id} is taken)")
        taken.add(step.id)
        steps.append(step)
    return tuple(steps)


def _step(reading: Reading) -> d.Step:
    return _by_type(reading, _STEPS)(reading)


def _action(reading: Reading) -> d.Action:
    given = _typed(reading, "id", "kind", optional=("settings", "next", "on_failure"))
    return d.Action(
        _id(given["id"]),
        given["kind"].text(at_most=100),
        _optional(given, "settings", Reading.mapping) or {},
        _optional(given, "next", _edge),
        _optional(given, "on_failure", lambda it: it.one_of(d.OnFailure)) or d.OnFailure.CONTINUE,
    )


def _delay(reading: Reading) -> d.Delay:
    given = _typed(reading, "id", "wait", optional=("next", "otherwise", "cancel_if", "if_cancelled"))
    after, otherwise = _optional(given, "next", _edge), _optional(given, "otherwise", _edge)
    cancel_if = _optional(given, "cancel_if", filters.read)
    if_cancelled = _optional(given, "if_cancelled", lambda it: it.one_of(d.Missed)) or d.Missed.OTHERWISE
    return d.Delay(_id(given["id"]), _wait(given["wait"]), after, otherwise, cancel_if, if_cancelled)


def _if_then(reading: Reading) -> d.IfThen:
    given = _typed(reading, "id", optional=("branches", "default", "default_name"))
    name = _optional(given, "default_name", _label) or ""
    return d.IfThen(
        _id(given["id"]), _many(given, "branches", _branch), _optional(given, "default", _edge), name
    )


def _value_equals(reading: Reading) -> d.ValueEquals:
    given = _typed(reading, "id", "of", optional=("cases", "default"))
    cases, default = _many(given, "cases", _case), _optional(given, "default", _edge)
    return d.ValueEquals(_id(given["id"]), _source(given["of"]), cases, default)


def _random_split(reading: Reading) -> d.RandomSplit:
    given = _typed(reading, "id", optional=("parts",))
    return d.RandomSplit(_id(given["id"]), _many(given, "parts", _part))


def _branch(reading: Reading) -> d.Branch:
    given = reading.fields("name", "when", optional=("next",))
    return d.Branch(_label(given["name"]), filters.read(given["when"]), _optional(given, "next", _edge))


def _case(reading: Reading) -> d.Case:
    given = reading.fields("value", optional=("next",))
    return d.Case(given["value"].text(), _optional(given, "next", _edge))


def _part(reading: Reading) -> d.Part:
    given = reading.fields("weight", optional=("name", "next"))
    name = _optional(given, "name", _label) or ""
    return d.Part(given["weight"].whole(at_least=0, at_most=1_000_000), name, _optional(given, "next", _edge))


def _source(reading: Reading) -> str | d.OutputOf:
    if isinstance(reading.value, str):
        return reading.text(at_most=200)
    given = reading.fields("step_id", "name")
    return d.OutputOf(_id(given["step_id"]), given["name"].text(at_most=200))


def _edge(reading: Reading) -> d.Edge:
    given = reading.fields("to", optional=("is_goto",))
    return d.Edge(_id(given["to"]), _optional(given, "is_goto", Reading.flag) or False)


def _id(reading: Reading) -> str:
    text = reading.text(at_most=18)
    if not (text.isascii() and text.isdigit() and text[0] != "0"):
        reading.refuse('the id of a step, such as "3"')
    return text


# ── delays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _wait(reading: Reading) -> d.Wait:
    return _by_type(reading, _WAITS)(reading)


def _for_amount(reading: Reading) -> d.ForAmount:
    given = _typed(reading, "amount", optional=("is_working_time",))
    return d.ForAmount(_span(given["amount"]), _optional(given, "is_working_time", Reading.flag) or False)


def _until_date(reading: Reading) -> d.UntilDate:
    given = _typed(reading, "day", optional=("minute", "if_past"))
    return d.UntilDate(
        _day(given["day"]), _optional(given, "minute", _minute) or 0, _missed(given, "if_past")
    )


def _until_property(reading: Reading) -> d.UntilProperty:
    given = _typed(reading, "property", optional=("days", "minutes", "minute", "if_past", "if_empty"))
    minutes = _YEARS * DAY_MINUTES
    return d.UntilProperty(
        given["property"].text(at_most=200),
        _optional(given, "days", lambda it: it.whole(at_least=-_YEARS, at_most=_YEARS)) or 0,
        _optional(given, "minutes", lambda it: it.whole(at_least=-minutes, at_most=minutes)) or 0,
        _optional(given, "minute", _minute),
        _missed(given, "if_past"),
        _missed(given, "if_empty"),
    )


def _until_weekday(reading: Reading) -> d.UntilWeekday:
    given = _typed(reading, "days", optional=("minute",))
    return d.UntilWeekday(_weekdays(given["days"]), _optional(given, "minute", _minute))


def _until_time(reading: Reading) -> d.UntilTime:
    return d.UntilTime(_minute(_typed(reading, "minute")["minute"]))


def _until_event(reading: Reading) -> d.UntilEvent:
    given = _typed(reading, "event", optional=("at_most", "of_step"))
    of_step = given.given("of_step")
    return d.UntilEvent(
        _event(given["event"]),
        _optional(given, "at_most", _span),
        _id(of_step) if of_step is not None and of_step.value != "" else "",
    )


def _missed(given: Fields, name: str) -> d.Missed:
    return _optional(given, name, lambda it: it.one_of(d.Missed)) or d.Missed.NEXT


def _event(reading: Reading) -> d.EventMatch:
    given = reading.fields("kind", optional=("about",))
    return d.EventMatch(given["kind"].text(at_most=100), _optional(given, "about", filters.read))


# ── what starts and ends it ──────────────────────────────────────────────────────────────────────────────────────────


def _trigger(reading: Reading) -> d.Trigger:
    return _by_type(reading, _TRIGGERS)(reading)


def _manual(reading: Reading) -> d.Manual:
    _typed(reading)
    return d.Manual()


def _when_true(reading: Reading) -> d.WhenTrue:
    return d.WhenTrue(filters.read(_typed(reading, "condition")["condition"]))


def _when_event(reading: Reading) -> d.WhenEvent:
    given = _typed(reading, optional=("events", "refine"))
    return d.WhenEvent(_many(given, "events", _event), _optional(given, "refine", filters.read))


def _when_dated(reading: Reading) -> d.WhenDated:
    given = _typed(reading, "condition", "property", "days", "minute")
    days = given["days"].whole(at_least=-_YEARS, at_most=_YEARS)
    name = given["property"].text(at_most=200)
    return d.WhenDated(filters.read(given["condition"]), name, days, _minute(given["minute"]))


def _when_called(reading: Reading) -> d.WhenCalled:
    given = _typed(reading, "field", "property", optional=("may_create",))
    may_create = _optional(given, "may_create", Reading.flag) or False
    return d.WhenCalled(given["field"].text(at_most=200), given["property"].text(at_most=200), may_create)


def _scheduled(reading: Reading) -> d.WhenScheduled:
    given = _typed(reading, "condition", "every", "minute", optional=("weekdays", "day", "month"))
    return d.WhenScheduled(
        filters.read(given["condition"]),
        given["every"].one_of(d.Every),
        _minute(given["minute"]),
        _optional(given, "weekdays", _weekdays) or (),
        _optional(given, "day", lambda it: it.whole(at_least=1, at_most=31)) or 1,
        _optional(given, "month", lambda it: it.whole(at_least=1, at_most=12)) or 1,
    )


def _reenrollment(reading: Reading) -> d.Reenrollment:
    given = reading.fields("is_on", optional=("on", "while_inside"))
    inside = _optional(given, "while_inside", lambda it: it.one_of(d.WhileInside)) or d.WhileInside.SKIP
    return d.Reenrollment(given["is_on"].flag(), _many(given, "on", filters.read_filter), inside)


def _leaving(reading: Reading) -> d.Leaving:
    given = reading.fields(optional=("condition", "when_trigger_fails", "goal", "segments", "ends"))
    return d.Leaving(
        _optional(given, "condition", filters.read),
        _optional(given, "when_trigger_fails", Reading.flag) or False,
        _optional(given, "goal", filters.read),
        _many(given, "segments", Reading.whole),
        _optional(given, "ends", _ends),
    )


def _ends(reading: Reading) -> d.Ends:
    return d.Ends(_many(reading.fields(optional=("workflows",)), "workflows", Reading.whole))


def _timing(reading: Reading) -> d.Timing:
    given = reading.fields(optional=("window", "pause_days", "off_after"))
    return d.Timing(
        _many(given, "window", _block), _many(given, "pause_days", _day), _optional(given, "off_after", _day)
    )


def _block(reading: Reading) -> Block:
    given = reading.fields("weekday", "start", "end")
    start = _minute(given["start"])
    end = given["end"].whole(at_least=start + 1, at_most=DAY_MINUTES)
    return Block(given["weekday"].whole(at_least=0, at_most=6), start, end)


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_type(reading: Reading, readers: Mapping[str, Callable[[Reading], T]]) -> Callable[[Reading], T]:
    value = reading.value.get("type") if isinstance(reading.value, dict) else None
    if not isinstance(value, str) or value not in readers:
        Reading(value, f"{reading.path}.type").refuse("one of " + ", ".join(readers))
    return readers[value]


def _typed(reading: Reading, *required: str, optional: tuple[str, ...] = ()) -> Fields:
    return reading.fields("type", *required, optional=optional)


def _optional(given: Fields, name: str, read: Callable[[Reading], T]) -> T | None:
    reading = given.given(name)
    return None if reading is None else read(reading)


def _many(given: Fields, name: str, read: Callable[[Reading], T]) -> tuple[T, ...]:
    reading = given.given(name)
    return tuple(read(item) for item in reading.items(at_most=_MANY)) if reading else ()


def _label(reading: Reading) -> str:
    return reading.text(at_most=200, may_be_empty=True)


def _minute(reading: Reading) -> int:
    return reading.whole(at_least=0, at_most=DAY_MINUTES - 1)


def _span(reading: Reading) -> timedelta:
    return timedelta(minutes=reading.whole(at_least=0, at_most=_YEARS * DAY_MINUTES))


def _weekdays(reading: Reading) -> tuple[int, ...]:
    return tuple(item.whole(at_least=0, at_most=6) for item in reading.items(at_most=7))


def _day(reading: Reading) -> date:
    text = reading.text(at_most=10)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        reading.refuse("a day such as 2026-01-31")
    if not 1900 <= day.year <= 2999:
        reading.refuse("a day from 1900 to 2999")
    return day


_STEPS: dict[str, Callable[[Reading], d.Step]] = {
    "action": _action,
    "delay": _delay,
    "if_then": _if_then,
    "value_equals": _value_equals,
    "random_split": _random_split,
}
_WAITS: dict[str, Callable[[Reading], d.Wait]] = {
    "for_amount": _for_amount,
    "until_date": _until_date,
    "until_property": _until_property,
    "until_weekday": _until_weekday,
    "until_time": _until_time,
    "until_event": _until_event,
}
_TRIGGERS: dict[str, Callable[[Reading], d.Trigger]] = {
    "manual": _manual,
    "when_true": _when_true,
    "when_event": _when_event,
    "when_scheduled": _scheduled,
    "when_dated": _when_dated,
    "when_called": _when_called,
}
