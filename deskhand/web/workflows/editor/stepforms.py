"""The forms of steps: what each sort of step asks for, and the step out of what was typed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from babel.dates import get_day_names
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.automation import waking
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    ForAmount,
    Missed,
    OnFailure,
    Step,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    Wait,
    edges_of,
)
from deskhand.automation.engine.diff import reading_order
from deskhand.automation.engine.edit import Place
from deskhand.automation.engine.validate import validate
from deskhand.automation.gating import kind_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.web import times
from deskhand.web.automation.fields import Field, fields_of, with_refusal
from deskhand.web.choices import in_short
from deskhand.web.hours.week import clock
from deskhand.web.workflows import told
from deskhand.web.workflows.editor.conditional import Eventful
from deskhand.web.workflows.editor.rows import Part
from deskhand.web.workflows.editor.surroundings import Surroundings

ANY_TASK = "any"
LOSS = "loss"  # agrees that other steps go
TIMES = ("time",)  # fields that hold a time of the day


class StepForm(ABC):
    """One step's form: a new one, or one that stands there already as `old`."""

    title = ""
    icon, tone = "zap", "violet"
    opened: Surroundings

    def __init__(
        self, opened: Surroundings, old: Step | None, typed: Typed | None, place: Place | None
    ) -> None:
        self.opened, self.old, self.place = opened, old, place
        self.is_typed = typed is not None
        self.typed: Typed = typed if typed is not None else {}

    @abstractmethod
    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        """Its fields; a refusal stands under the one that it names."""

    @abstractmethod
    def step(self) -> Step:
        """Raises Invalid, naming the field. Its id and ways are those of the old one, or empty."""

    def press(self, what: str) -> None:
        """A button that only changes the form."""
        return

    def put(self, definition: Definition) -> tuple[Definition, str]:
        """The definition with the step in its place, and the step's id.

        Raises Invalid where other steps go with what was changed, runs begin at once and nobody agreed to that.
        """
        grown, step_id = self.grown(definition)
        lost = definition.by_id.keys() - grown.by_id.keys()
        if lost and self.opened.is_live and not self.typed.get(LOSS):
            names = in_short(
                [self.opened.telling.name(one) for one in reading_order(definition) if one in lost]
            )
            text = ngettext("This also deletes %(num)s step: %(names)s", "This also deletes %(num)s steps: %(names)s", len(lost))  # fmt: skip
            raise Invalid(text % {"num": len(lost), "names": names}, field=LOSS)
        return grown, step_id

    def drawn(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        """Its fields, with the question whether steps may go where they would."""
        is_loss = refusal is not None and refusal.field == LOSS
        found = self.parts(None if is_loss else refusal)
        if not is_loss and not self.typed.get(LOSS):
            return found
        setting = Setting(LOSS, _("Delete these steps"), Input.CHECK)
        asked = fields_of([setting], self.typed, reading.around(self.opened.definition.object_type))
        return (*found, *(with_refusal(asked, refusal) if refusal is not None and is_loss else asked))

    def grown(self, definition: Definition) -> tuple[Definition, str]:
        made = self.step()
        if self.old is None:
            return edit.insert(definition, made, self.place or edit.START)
        return edit.update(definition, replace(made, id=self.old.id)), self.old.id


class SettingsForm(StepForm):
    """One made of settings, as those of actions are."""

    @abstractmethod
    def settings(self) -> tuple[Setting, ...]: ...

    @abstractmethod
    def told(self) -> Mapping[str, Any]:
        """What the old step says, by the names of the settings."""

    def around(self) -> Around:
        return reading.around(self.opened.definition.object_type)

    @cached_property
    def answers(self) -> Typed:
        """What was typed, else what the old step says."""
        return self.typed if self.is_typed else reading.typed_of(self.settings_for({}), self.told())

    def settings_for(self, typed: Typed) -> tuple[Setting, ...]:
        return self.settings()

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        found = fields_of(self.settings_for(self.answers), self.answers, self.around())
        found = tuple(replace(one, kind="time") if one.name in TIMES else one for one in found)
        return with_refusal(found, refusal) if refusal else found

    def read(self) -> dict[str, Any]:
        return reading.read(self.settings_for(self.answers), self.answers)


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def outputs_before(opened: Surroundings, place: Place | None, old: Step | None) -> list[tuple[str, str, str]]:
    """What earlier actions tell: (step id, name, label)."""
    definition = opened.definition
    above = {
        edge.to: step
        for step in definition.steps
        for edge in edges_of(step).values()
        if edge and not edge.is_goto
    }
    current = (
        definition.by_id.get(place.after)
        if place is not None
        else above.get(old.id)
        if old is not None
        else None
    )
    found: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    while current is not None and current.id not in seen:
        seen.add(current.id)
        found += [(current.id, name, label) for name, label in told.outputs_of(current)]
        current = above.get(current.id)
    return found


class ActionForm(StepForm):
    def __init__(
        self, opened: Surroundings, old: Step | None, typed: Typed | None, place: Place | None, kind: str
    ) -> None:
        super().__init__(opened, old, typed, place)
        self.action = ACTIONS[kind]
        self.title, self.icon, self.tone = str(self.action.label), self.action.icon, self.action.tone
        self.around = reading.around(
            opened.definition.object_type,
            opened.pipeline_id,
            outputs_before(opened, place, old),
        )
        if typed is None:
            settings = old.settings if isinstance(old, Action) else {}
            self.typed = reading.settings_typed(self.action, self.around, settings)

    @property
    def form(self) -> tuple[Setting, ...]:
        return reading.form_of(self.action, self.around, self.typed)

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        found = fields_of(self.form, self.typed, self.around)
        return (*(with_refusal(found, refusal) if refusal else found), self._on_failure())

    @property
    def _after_failure(self) -> str:
        stays = (self.old.on_failure if isinstance(self.old, Action) else OnFailure.CONTINUE).value
        return next(iter(self.typed.get("on_failure", ())), stays)

    def _on_failure(self) -> Field:
        setting = Setting(
            "on_failure", _("If it fails"), Input.CHOICE, default=OnFailure.CONTINUE.value,
            options=(Option("continue", _("Go on with the next step")), Option("stop", _("Stop here"))),
        )  # fmt: skip
        return fields_of([setting], {"on_failure": [self._after_failure]}, self.around)[0]

    def step(self) -> Step:
        settings = reading.read(self.form, self.typed)
        for name, sentence in self.action.problems(settings):
            raise Invalid(sentence, field=name, value=settings.get(name))
        kept = self.old.settings if isinstance(self.old, Action) else {}
        unasked = {name: value for name, value in kept.items() if name not in {one.name for one in self.form}}
        stops = self._after_failure == OnFailure.STOP
        return Action(
            "",
            self.action.kind,
            {**unasked, **settings},
            on_failure=OnFailure.STOP if stops else OnFailure.CONTINUE,
        )


# ── delays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def date_properties(object_type: str) -> list[Property]:
    found = (
        p
        for p in properties_of(object_type).values()
        if p.kind in (Kind.DATE, Kind.DATETIME) and (p.column or p.is_custom)
    )
    return sorted(found, key=lambda prop: _(prop.label).casefold())


def weekdays() -> tuple[Option, ...]:
    names = get_day_names("wide", "stand-alone", locale=times.locale())
    return tuple(Option(str(day), names[day].capitalize()) for day in range(7))


def minute_of(text: str, field: str) -> int:
    """Raises Invalid for what is no time of the day."""
    hours, _colon, minutes = text.strip()[:5].partition(":")
    if (
        not all(part.isascii() and part.isdigit() and len(part) == 2 for part in (hours, minutes))
        or int(hours) > 23
        or int(minutes) > 59
    ):
        raise Invalid(_("Give a time such as 09:00."), field=field, value=text[:20])
    return int(hours) * 60 + int(minutes)


class DelayForm(SettingsForm):
    """R-DELAY-1: six kinds of waiting."""

    icon, tone = "hourglass", "amber"

    def __init__(
        self, opened: Surroundings, old: Step | None, typed: Typed | None, place: Place | None
    ) -> None:
        super().__init__(opened, old, typed, place)
        self.title = _("Delay")
        wait = old.wait if isinstance(old, Delay) else None
        event = wait.event if isinstance(wait, UntilEvent) else None
        self.event = Eventful(opened, "event", event, typed)
        self.cancel = opened.building("cancel", old.cancel_if if isinstance(old, Delay) else None, typed)

    def press(self, what: str) -> None:
        self.event.press(what)
        self.cancel.press(what)

    def settings(self) -> tuple[Setting, ...]:
        object_type = self.opened.definition.object_type
        ways = (Option("next", _("Go on at once")), Option("otherwise", _("Take another way")))
        dates = tuple(Option(prop.name, _(prop.label)) for prop in date_properties(object_type))
        return (
            Setting("wait", _("Wait"), Input.CHOICE, required=True, default="amount", redraws=True, options=(
                Option("amount", _("for a set time")), Option("date", _("until a date")), Option("property", _("until a date of the record")),
                Option("event", _("until something happens")), Option("weekday", _("until a day of the week")), Option("time", _("until a time of day")),
            )),
            Setting("amount", _("How long"), Input.SPAN, required=True, only_if=("wait", ("amount",))),
            Setting("working", _("Count only working time"), Input.CHECK, only_if=("wait", ("amount",)),
                    help=_("As the account's working hours and holidays have it: a day is 24 hours of them.")),
            Setting("day", _("Date"), Input.VALUE, required=True, prop=Property("day", _("Date"), Kind.DATE), only_if=("wait", ("date",))),
            Setting("property", _("Which date"), Input.CHOICE, required=True, options=dates, only_if=("wait", ("property",))),
            Setting("side", _("When"), Input.CHOICE, default="on", redraws=True, only_if=("wait", ("property",)), options=(
                Option("on", _("On that date")), Option("before", _("Before it")), Option("after", _("After it")),
            )),
            Setting("offset", _("How long before or after"), Input.SPAN, required=True, only_if=("side", ("before", "after"))),
            Setting("days", _("Days"), Input.MANY, required=True, options=weekdays(), only_if=("wait", ("weekday",))),
            Setting("time", _("At"), help=_("In the account's time zone. Empty: as soon as the day begins.") if self._kind != "time" else _("In the account's time zone."),
                    required=self._kind == "time", only_if=("wait", ("date", "property", "weekday", "time"))),
            Setting("if_past", _("If that is past already"), Input.CHOICE, default="next", options=ways, only_if=("wait", ("date", "property"))),
            Setting("if_empty", _("If the record has no such date"), Input.CHOICE, default="next", options=ways, only_if=("wait", ("property",))),
            *self._of_which(),
            Setting("at_most", _("At most"), Input.SPAN, help=_("Empty: until it happens, however long that takes."), only_if=("wait", ("event",))),
        )  # fmt: skip

    def _of_which(self) -> tuple[Setting, ...]:
        """R-DELAY-6: what one of the steps before makes, where the event happens to such a thing."""
        output = waking.output_of(self.event.kind) if self._kind == "event" else ""
        made = {
            step_id
            for step_id, name, _label in outputs_before(self.opened, self.place, self.old)
            if name == output
        }
        if not made:
            return ()
        steps = tuple(
            Option(step_id, f"{place + 1}. {self.opened.telling.name(step_id)}")
            for place, step_id in enumerate(reading_order(self.opened.definition))
            if step_id in made
        )
        anything = Option(ANY_TASK, _("Any task of the record"))
        help_text = _("If the task of that step is done already, the record goes on at once.")
        return (
            Setting("of_step", _("Which task"), Input.CHOICE, default=ANY_TASK, options=(anything, *steps), help=help_text,
                    only_if=("wait", ("event",))),
        )  # fmt: skip

    @property
    def _kind(self) -> str:
        if self.is_typed:
            return next(iter(self.typed.get("wait", ())), "amount")
        return str(self.told().get("wait", "amount"))

    def told(self) -> Mapping[str, Any]:
        wait = self.old.wait if isinstance(self.old, Delay) else None
        match wait:
            case ForAmount(amount, is_working_time):
                return {"wait": "amount", "amount": _minutes(amount), "working": is_working_time}
            case UntilDate(day, minute, if_past):
                return {
                    "wait": "date",
                    "day": day.isoformat(),
                    "time": clock(minute) if minute else "",
                    "if_past": if_past.value,
                }
            case UntilProperty(name, days, minutes, minute, if_past, if_empty):
                offset = days * 1440 + minutes
                return {
                    "wait": "property", "property": name, "side": "on" if not offset else "before" if offset < 0 else "after", "offset": abs(offset),
                    "time": "" if minute is None else clock(minute), "if_past": if_past.value, "if_empty": if_empty.value,
                }  # fmt: skip
            case UntilWeekday(days, minute):
                return {
                    "wait": "weekday",
                    "days": [str(day) for day in days],
                    "time": "" if minute is None else clock(minute),
                }
            case UntilTime(minute):
                return {"wait": "time", "time": clock(minute)}
            case UntilEvent(_event, at_most, of_step):
                longest = _minutes(at_most) if at_most else 0
                return {"wait": "event", "at_most": longest, "of_step": of_step or ANY_TASK}
        return {"wait": "amount"}

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        own = tuple(
            super().parts(refusal if refusal is not None and not self.event.names(refusal.field) else None)
        )
        more: tuple[Part, ...] = self.event.parts(refusal) if self._kind == "event" else ()
        if more:
            own = (own[0], *more, *own[1:])
        help_text = _("Then the other way is taken at once. Empty: the wait is never cancelled.")
        error = refusal.message if refusal is not None and refusal.field == self.cancel.name else ""
        return (*own, self.cancel.field(_("Cancel the wait as soon as"), help=help_text, error=error))

    def step(self) -> Step:
        cancelled = self.old.if_cancelled if isinstance(self.old, Delay) else Missed.OTHERWISE
        return Delay("", self._wait(), cancel_if=self.cancel.optional(), if_cancelled=cancelled)

    def _wait(self) -> Wait:
        if self._kind == "event":
            event = self.event.read()
            given = self.read()
            at_most, of_step = given.get("at_most"), given.get("of_step") or ANY_TASK
            longest = timedelta(minutes=at_most) if at_most else None
            return UntilEvent(event, longest, "" if of_step == ANY_TASK else of_step)
        given = self.read()
        minute = minute_of(given["time"], "time") if given.get("time") else None
        match given["wait"]:
            case "date":
                return UntilDate(
                    date.fromisoformat(str(given["day"])[:10]),
                    minute or 0,
                    Missed(given["if_past"] or "next"),
                )
            case "property":
                sign = {"before": -1, "after": 1}.get(given["side"], 0)
                days, minutes = divmod(given.get("offset") or 0, 1440)
                return UntilProperty(
                    given["property"],
                    sign * days,
                    sign * minutes,
                    minute,
                    Missed(given["if_past"] or "next"),
                    Missed(given["if_empty"] or "next"),
                )
            case "weekday":
                return UntilWeekday(tuple(sorted(int(day) for day in given["days"])), minute)
            case "time":
                return UntilTime(minute or 0)
        if given["amount"] > 5 * 366 * 1440:
            raise Invalid(
                _("A delay lasts at least a minute, and five years at most."),
                field="amount",
                value=given["amount"],
            )
        return ForAmount(timedelta(minutes=given["amount"]), bool(given["working"]))


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


# ── going elsewhere ──────────────────────────────────────────────────────────────────────────────────────────────────


class GoToForm(SettingsForm):
    """R-BR-9: lead an open end to a step that stands elsewhere."""

    icon, tone = "corner-down-right", "amber"

    def __init__(
        self, opened: Surroundings, old: Step | None, typed: Typed | None, place: Place | None
    ) -> None:
        super().__init__(opened, old, typed, place)
        self.title = _("Go to another step")

    def settings(self) -> tuple[Setting, ...]:
        telling = self.opened.telling
        targets = tuple(
            Option(step_id, f"{place + 1}. {telling.name(step_id)}")
            for place, step_id in enumerate(reading_order(self.opened.definition))
        )
        help_text = _(
            "The record goes on there. A way back needs a delay on it, so that nothing runs in circles."
        )
        return (
            Setting("target", _("Which step"), Input.CHOICE, required=True, options=targets, help=help_text),
        )

    def told(self) -> Mapping[str, Any]:
        """Where the place leads already."""
        edge = edit.edge_at(self.opened.definition, self.place or edit.START)
        return {"target": edge.to} if edge is not None and edge.is_goto else {}

    def step(self) -> Step:
        raise NotFound(_("There is no such step."))

    def grown(self, definition: Definition) -> tuple[Definition, str]:
        """Raises Invalid for a circle without a delay."""
        target = self.read()["target"]
        place = self.place or edit.START
        led = edit.go_to(definition, place, target)
        before = validate(definition)
        for problem in validate(led):
            if problem not in before:
                raise Invalid(problem.message, field="target", value=target)
        return led, place.after


FORMS: dict[str, type[StepForm]] = {"delay": DelayForm, "go-to": GoToForm}


def form_for(opened: Surroundings, kind: str, typed: Typed | None, place: Place | None) -> StepForm:
    """The form of a new step. Raises NotFound for what there is not."""
    if kind in FORMS:
        return FORMS[kind](opened, None, typed, place)
    if kind not in ACTIONS:
        raise NotFound(_("There is no such action."))
    return ActionForm(opened, None, typed, place, kind)


def form_of(opened: Surroundings, step: Step, typed: Typed | None) -> StepForm:
    """The form of a step that stands there."""
    if isinstance(step, Action):
        if step.kind not in ACTIONS:
            raise NotFound(_("There is no such action any more."))
        return ActionForm(opened, step, typed, None, step.kind)
    return FORMS[kind_of(step)](opened, step, typed, None)
