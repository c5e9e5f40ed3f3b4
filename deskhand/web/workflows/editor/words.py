"""Steps, triggers and what they wait for, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from babel.dates import get_day_names, get_month_names
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts.types import Viewer
from deskhand.automation import listing
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import in_words
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    EventMatch,
    Every,
    ForAmount,
    IfThen,
    Leaving,
    Manual,
    Missed,
    OnFailure,
    OutputOf,
    RandomSplit,
    Slot,
    Step,
    Trigger,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
    Wait,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    edges_of,
)
from deskhand.crm.filters.types import Condition, Filter, leaves_by_type
from deskhand.crm.schema import durations
from deskhand.crm.schema.queries import properties_of
from deskhand.web import times
from deskhand.web.automation.fields import Field, fields_of, with_tokens_named
from deskhand.web.choices import gone_said, in_short, joined
from deskhand.web.filters.asked import Asked, Said
from deskhand.web.workflows import told, words
from deskhand.web.workflows.editor import events
from deskhand.web.workflows.looks import look_of
from deskhand.web.workflows.rows import StepName

#: Texts, and whether each is a token's name.
Parts = tuple[tuple[str, bool], ...]
SHORT = 60  # letters of a condition that a summary has


class Telling:
    """What one definition says, to one viewer."""

    def __init__(self, viewer: Viewer, definition: Definition) -> None:
        self.viewer, self.definition = viewer, definition
        self.asked = Asked(viewer, definition.object_type)

    @cached_property
    def tokens(self) -> Mapping[str, str]:
        return told.token_names(self.definition)

    def over(self, definition: Definition) -> Telling:
        """The same for another definition on the same kind of record."""
        found = copy(self)
        found.definition = definition
        found.__dict__.pop("tokens", None)
        return found

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def name(self, step_id: str) -> str:
        """The step in a few words: what it is, and what it does."""
        step = self.definition.by_id.get(step_id)
        if step is None:
            return ""
        if isinstance(step, Delay):
            return self.wait(step.wait)
        summary = self.summary(step)
        title = look_of(step).title
        return _("%(action)s: %(summary)s") % {"action": title, "summary": summary} if summary else title

    def step(self, step: Step) -> StepName:
        """As lists of steps have it."""
        look = look_of(step)
        return StepName(look.title, self.summary(step), look.icon, look.tone)

    def summary(self, step: Step) -> str:
        return "".join(text for text, _is_token in self.parts(step))

    def parts(self, step: Step) -> Parts:
        match step:
            case Action(kind=kind, settings=settings):
                action = ACTIONS.get(kind)
                if action is None:
                    return ()
                return with_tokens_named(in_words(action, settings, self.definition.object_type), self.tokens)
            case Delay():
                return ((self.delay(step), False),)
            case IfThen(branches=branches):
                looked_at = self._looked_at(*(branch.when for branch in branches))
                return ((_("By %(property)s") % {"property": looked_at}, False),) if branches else ()
            case ValueEquals(of=of):
                return ((_("By %(property)s") % {"property": self.source(of)}, False),)
            case RandomSplit(parts=parts):
                return ((self.shares(step), False),) if parts else ()

    def _looked_at(self, *conditions: Condition) -> str:
        """The properties that conditions ask for."""
        found = [leaf for one in conditions for leaf in leaves_by_type(one, self.definition.object_type)]
        labels = [
            self.asked.label(one, prop)
            for one, leaf in found
            if isinstance(leaf, Filter) and (prop := self.asked.find(one, leaf.property))
        ]
        return in_short(list(dict.fromkeys(labels))) or _("conditions")

    def shares(self, split: RandomSplit) -> str:
        whole = sum(part.weight for part in split.parts) or 1
        return " / ".join(f"{part.weight * 100 / whole:.0f} %" for part in split.parts)

    def source(self, of: str | OutputOf) -> str:
        if isinstance(of, OutputOf):
            labels = {one.name: one.label for one in told.outputs(self.definition.by_id.get(of.step_id))}
            return _("%(output)s of “%(step)s”") % {
                "output": labels.get(of.name, of.name),
                "step": self.name(of.step_id),
            }
        return self.property(of)

    def property(self, name: str) -> str:
        found = properties_of(self.definition.object_type).get(name)
        return _(found.label) if found else name

    def value(self, of: str | OutputOf, value: str) -> str:
        """A case's value by its label."""
        if isinstance(of, OutputOf):
            outputs = told.outputs(self.definition.by_id.get(of.step_id))
            known = next((dict(one.values) for one in outputs if one.name == of.name), {})
            return known.get(value, value)
        prop = properties_of(self.definition.object_type).get(of)
        found = self.asked.choices_of(self.definition.object_type, prop) if prop else []
        return next((choice.label for choice in found if choice.value == value), value)

    # ── ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def ways(self, step: Step) -> list[tuple[Slot, str]]:
        """The ways of a fork with what they are called; of a step that goes one way, none."""
        match step:
            case IfThen(branches=branches, default_name=default_name):
                return [*((str(n), b.name or _("Branch %(number)s") % {"number": n + 1}) for n, b in enumerate(branches)),
                        ("default", default_name or _("None met"))]  # fmt: skip
            case ValueEquals(of=of, cases=cases):
                return [
                    *((str(n), self.value(of, case.value)) for n, case in enumerate(cases)),
                    ("default", _("Any other value")),
                ]
            case RandomSplit(parts=parts):
                whole = sum(part.weight for part in parts) or 1
                return [
                    (str(n), f"{part.name or chr(65 + n % 26)} {part.weight * 100 / whole:.0f} %")
                    for n, part in enumerate(parts)
                ]
            case Delay(wait=wait):
                if len(edges_of(step)) < 2:
                    return []
                return [("next", words.next_name(wait)), ("otherwise", words.otherwise_name(step))]
            case _:
                return []

    def way(self, step: Step, slot: Slot) -> str:
        return next((label for name, label in self.ways(step) if name == slot), "")

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def delay(self, step: Delay) -> str:
        """How long it waits, and what cancels that: as it stands where that is short, else by what it looks at."""
        waits = self.wait(step.wait)
        if step.cancel_if is None:
            return waits
        condition = self.asked.in_words(step.cancel_if)
        if len(condition) <= SHORT:
            return _("%(wait)s, unless %(condition)s") % {"wait": waits, "condition": condition}
        named = {"wait": waits, "properties": self._looked_at(step.cancel_if)}
        return _("%(wait)s, unless filters on %(properties)s are met") % named

    def wait(self, wait: Wait) -> str:
        match wait:
            case ForAmount(amount, is_working_time):
                time = durations.exactly(amount, of_working_time=is_working_time)
                if is_working_time:
                    return _("Wait %(time)s of working time") % {"time": time}
                return _("Wait %(time)s") % {"time": time}
            case UntilDate(day, minute):
                return _("Until %(day)s, %(time)s") % {"day": times.day(day), "time": at_time(minute)}
            case UntilProperty():
                return self._until_property(wait)
            case UntilWeekday(days, minute):
                if minute is None:
                    return _("Until %(days)s") % {"days": in_short(days_said(days))}
                return _("Until %(days)s, %(time)s") % {
                    "days": in_short(days_said(days)),
                    "time": at_time(minute),
                }
            case UntilTime(minute):
                return _("Until %(time)s") % {"time": at_time(minute)}
            case UntilEvent(event, at_most):
                named = self.event(event)
                if at_most is None:
                    return _("Until: %(event)s") % {"event": named}
                return _("Until: %(event)s, at most %(time)s") % {
                    "event": named,
                    "time": durations.exactly(at_most),
                }

    def _until_property(self, wait: UntilProperty) -> str:
        name = self.property(wait.property)
        days = abs(wait.days)
        span = (
            durations.exactly(timedelta(days=days, minutes=abs(wait.minutes))) if days or wait.minutes else ""
        )
        if not span:
            said = _("Until %(property)s") % {"property": name}
        elif wait.days < 0 or wait.minutes < 0:
            said = _("Until %(span)s before %(property)s") % {"span": span, "property": name}
        else:
            said = _("Until %(span)s after %(property)s") % {"span": span, "property": name}
        return (
            said
            if wait.minute is None
            else _("%(wait)s, %(time)s") % {"wait": said, "time": at_time(wait.minute)}
        )

    def event(self, event: EventMatch) -> str:
        said = self.event_said(event)
        label, about = said.property, " ".join(part for part in (said.operator, said.values) if part)
        return _("%(event)s (%(about)s)") % {"event": label, "about": about} if about else label

    def event_said(self, event: EventMatch) -> Said:
        object_type = self.definition.object_type
        label = events.label_of(event.kind, object_type)
        if event.about is None:
            return Said(label, "", "")
        changed = events.change_said(event, self.asked)
        if changed is not None:
            return changed
        return Said(
            label, "", events.AskedOfEvent(self.viewer, object_type, event.kind).in_words(event.about)
        )

    # ── the trigger ──────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def several(self) -> str:
        return words.type_label(self.definition.object_type)

    def trigger_title(self, trigger: Trigger) -> str:
        match trigger:
            case Manual():
                return _("Enroll by hand")
            case WhenCalled():
                return _("Enroll by a call from outside")
            case WhenScheduled() | WhenDated():
                return _("Enroll by the clock")
            case _:
                return _("Enroll when")

    def trigger_lines(self, trigger: Trigger) -> list[TriggerLine]:
        """What starts the workflow, line by line."""
        match trigger:
            case Manual():
                return [TriggerLine("", Said(_("People and other workflows choose which."), "", ""))]
            case WhenTrue(condition):
                return list(self._lines(condition)) or [TriggerLine("", Said(_("No filter yet"), "", ""))]
            case WhenEvent(matches, refine):
                lines = [
                    TriggerLine(_("or") if place else "", self.event_said(one))
                    for place, one in enumerate(_without_twins(matches, self.definition.object_type))
                ]
                more = list(self._lines(refine)) if refine is not None else []
                more[:1] = [TriggerLine(_("and"), line.said) for line in more[:1]]
                return [*lines, *more] or [TriggerLine("", Said(_("No event yet"), "", ""))]
            case WhenScheduled(condition):
                return [TriggerLine("", Said(self.schedule(trigger), "", "")), *self._lines(condition)]
            case WhenDated(condition):
                return [TriggerLine("", Said(self.dated(trigger), "", "")), *self._lines(condition)]
            case WhenCalled(field, property):
                named = {"field": field, "property": self.property(property)}
                return [
                    TriggerLine("", Said(_("“%(field)s” of the call is the %(property)s") % named, "", ""))
                ]

    def _lines(self, condition: object) -> Iterator[TriggerLine]:
        for g, group in enumerate(self.asked.groups_said(condition)):  # type: ignore[arg-type]
            for place, said in enumerate(group):
                yield TriggerLine(_("and") if place else _("or") if g else "", said)

    def trigger(self, trigger: Trigger) -> str:
        """In one line."""
        lines = " ".join(
            " ".join(part for part in (line.joined, str(line.said)) if part)
            for line in self.trigger_lines(trigger)
        )
        return _("%(title)s: %(lines)s") % {"title": self.trigger_title(trigger), "lines": lines}

    def schedule(self, when: WhenScheduled) -> str:
        time = at_time(when.minute)
        match when.every:
            case Every.DAY:
                return _("Every day, %(time)s") % {"time": time}
            case Every.WEEK:
                return _("Every %(days)s, %(time)s") % {
                    "days": in_short(days_said(when.weekdays)),
                    "time": time,
                }
            case Every.MONTH:
                return _("On day %(day)s of every month, %(time)s") % {"day": when.day, "time": time}
            case Every.YEAR:
                return _("Every year on %(day)s %(month)s, %(time)s") % {
                    "day": when.day,
                    "month": month_said(when.month),
                    "time": time,
                }

    def dated(self, when: WhenDated) -> str:
        named = {
            "property": self.property(when.property),
            "time": at_time(when.minute),
            "days": abs(when.days),
        }
        if when.days == 0:
            return _("On the day of %(property)s, %(time)s") % named
        if when.days < 0:
            return (
                ngettext(
                    "%(days)s day before %(property)s, %(time)s",
                    "%(days)s days before %(property)s, %(time)s",
                    -when.days,
                )
                % named
            )
        return (
            ngettext(
                "%(days)s day after %(property)s, %(time)s",
                "%(days)s days after %(property)s, %(time)s",
                when.days,
            )
            % named
        )

    # ── everything, for whoever compares ─────────────────────────────────────────────────────────────────────────────

    def details(self, step: Step) -> list[tuple[str, str]]:
        """All that the step says, as label and value."""
        match step:
            case Action(kind=kind, settings=settings, on_failure=on_failure):
                return [
                    *self._settings(kind, settings),
                    (_("If it fails"), _("Stop") if on_failure is OnFailure.STOP else _("Go on")),
                ]
            case Delay(wait=wait):
                cancels = (
                    [(_("Cancel the wait as soon as"), self.asked.in_words(step.cancel_if))]
                    if step.cancel_if
                    else []
                )
                made = (
                    [(_("Which task"), self.name(wait.of_step))]
                    if isinstance(wait, UntilEvent) and wait.of_step
                    else []
                )
                return [(_("Wait"), self.wait(wait)), *made, *_missed_said(wait), *cancels]
            case IfThen(branches=branches):
                return [
                    (label, self.asked.in_words(branch.when))
                    for (_slot, label), branch in zip(self.ways(step), branches, strict=False)
                ]
            case ValueEquals(of=of, cases=cases):
                values = joined(self.value(of, case.value) for case in cases)
                return [(_("Compare"), self.source(of)), (_("Values"), values)]
            case RandomSplit():
                return [
                    (
                        _("Shares"),
                        joined(label for _slot, label in self.ways(step)),
                    )
                ]

    def _settings(self, kind: str, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        action = ACTIONS.get(kind)
        if action is None:
            return []
        around = reading.around(self.definition.object_type)
        form = action.form(around, settings)
        typed = reading.typed_of(form, settings)
        return [
            (one.label, said)
            for one in fields_of(reading.shown(form, typed), typed, around)
            if (said := _field_said(one)) and one.kind != "hidden"
        ]

    def whole(self, part: str) -> list[tuple[str, str]]:
        """What the definition says of when it acts, or of what ends a run, as label and value."""
        timing, leaving = self.definition.timing, self.definition.leaving
        if part == "timing":
            names = get_day_names("abbreviated", "stand-alone", locale=times.locale())
            hours = [
                f"{names[one.weekday]} {at_time(one.start)}–{at_time(one.end)}"
                for one in sorted(timing.window)
            ]
            pauses = [times.day(day) for day in timing.pause_days]
            found = [
                (_("Hours"), in_short(hours)),
                (_("Days without actions"), in_short(pauses)),
            ]
            found.append((_("Switch off after"), times.day(timing.off_after) if timing.off_after else ""))
        else:
            known = dict(self.asked.segments)
            fails = (
                _("as soon as the filters of the trigger no longer hold")
                if leaving.when_trigger_fails
                else ""
            )
            found = [
                (_("Leave as soon as"), self.asked.in_words(leaving.condition)),
                (_("Goal"), self.asked.in_words(leaving.goal)),
                (_("Leave"), fails),
                (
                    _("Segments that stay out"),
                    in_short([known.get(pk, gone_said("", str(pk))) for pk in leaving.segments]),
                ),
                (_("Who enters leaves"), self._left(leaving)),
            ]
        return [(label, value) for label, value in found if value]

    def part(self, name: str) -> str:
        """One part beside the steps, in a line."""
        if name == "trigger":
            return self.trigger(self.definition.trigger)
        if name == "reenrollment":
            again = self.definition.reenrollment.is_on
            return _("A record may come again") if again else _("Each record once")
        return "; ".join(f"{label}: {value}" for label, value in self.whole(name)) or _("Nothing set")

    def differing(self, step_id: str, older: Telling) -> Iterator[tuple[str, str, str]]:
        """What the step says otherwise than in an older definition: its label, as it was and as it is."""
        was = dict(older.details(older.definition.by_id[step_id]))
        now = dict(self.details(self.definition.by_id[step_id]))
        for label in {**was, **now}:
            if was.get(label, "") != now.get(label, ""):
                yield label, was.get(label, ""), now.get(label, "")

    def _left(self, leaving: Leaving) -> str:
        """The workflows that who enters leaves (R-UN-6)."""
        if leaving.ends is None:
            return ""
        if not leaving.ends.workflows:
            return _("All other workflows")
        known = dict(listing.names(self.asked.viewer.account_id).get(self.definition.object_type, []))
        return in_short([known.get(pk, gone_said("", str(pk))) for pk in leaving.ends.workflows])


def _without_twins(matches: tuple[EventMatch, ...], object_type: str) -> list[EventMatch]:
    """Made in a status, or moved there: that is what people call reaching it (R-ACT-13)."""
    created, moved = f"{object_type}.created", f"{object_type}.moved"
    abouts = {one.about for one in matches if one.kind == created} & {
        one.about for one in matches if one.kind == moved
    }
    return [
        EventMatch(f"{object_type}.stage_entered", one.about)
        if one.kind == moved and one.about in abouts
        else one
        for one in matches
        if not (one.kind == created and one.about in abouts)
    ]


def _field_said(field: Field) -> str:
    """What is set in the field, as people read it."""
    chosen = [choice.label for choice in field.choices if choice.chosen and choice.value]
    if field.kind == "check":
        return _("Yes") if chosen else ""
    if field.choices and field.kind != "pairs":
        return joined(chosen)
    if field.parts:
        amount = sum(
            int(part.value or 0) * size
            for part, size in zip(field.parts, (1440, 60, 1), strict=True)
            if (part.value or "0").isdigit()
        )
        return durations.exactly(timedelta(minutes=amount)) if amount else ""
    if field.rows:
        return joined(f"{name} = {value}" for name, value in field.rows)
    return field.value


@dataclass(frozen=True)
class TriggerLine:
    joined: str  # how it goes with the line before: and, or
    said: Said


def _missed_said(wait: Wait) -> list[tuple[str, str]]:
    said = {Missed.NEXT: _("Go on at once"), Missed.OTHERWISE: _("Another way")}
    found = []
    if isinstance(wait, UntilDate | UntilProperty):
        found.append((_("If that is past"), said[wait.if_past]))
    if isinstance(wait, UntilProperty):
        found.append((_("If there is no date"), said[wait.if_empty]))
    return found


def at_time(minute: int) -> str:
    """The end of a day is 24:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def days_said(days: tuple[int, ...]) -> list[str]:
    names = get_day_names("wide", "stand-alone", locale=times.locale())
    return [names[day] for day in sorted(days)]


def month_said(month: int) -> str:
    return str(get_month_names("wide", "format", locale=times.locale())[month])
