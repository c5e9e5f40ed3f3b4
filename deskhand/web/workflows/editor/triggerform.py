"""The form of a trigger: what starts the workflow, and whether a record may come again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from babel.dates import get_month_names
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.automation import hooks
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine.definition import (
    Definition,
    EventMatch,
    Every,
    Manual,
    Reenrollment,
    Trigger,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    WhileInside,
)
from deskhand.automation.enrolling import standing
from deskhand.crm.filters.types import EVERYTHING, Condition, Filter, leaves, leaves_by_type
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web import times
from deskhand.web.automation.fields import fields_of, with_refusal
from deskhand.web.hours.week import clock
from deskhand.web.workflows.editor.conditional import Eventful
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Alert, EventField, Heading, Part, Secret, Teaching
from deskhand.web.workflows.editor.stepforms import date_properties, minute_of, weekdays

KINDS = {
    WhenTrue: "filter",
    WhenEvent: "event",
    WhenScheduled: "schedule",
    WhenDated: "date",
    WhenCalled: "call",
    Manual: "manual",
}
MOST_EVENTS = 20
_AGAIN = ("again", "again_on", "while_inside")


class TriggerForm:
    """Of the trigger as it stands, or as it was `typed`."""

    def __init__(self, opened: Opened, typed: Typed | None) -> None:
        self.opened, self.is_typed = opened, typed is not None
        self.definition = opened.definition
        self.object_type = self.definition.object_type
        self.answers: Typed = typed if typed is not None else self._told()
        if "redraw" in self.answers:  # what comes with another kind begins as it does anew
            fresh = [one for one in self._own_settings(self.kind) if one.name not in self.answers]
            self.answers = {**reading.typed_of(fresh, {}), **self.answers}
        trigger = self.definition.trigger
        condition = trigger.condition if isinstance(trigger, WhenTrue | WhenScheduled | WhenDated) else None
        self.when = opened.building("when", condition, typed)
        refine = trigger.refine if isinstance(trigger, WhenEvent) else None
        self.refine = opened.building("refine", refine, typed)
        self.events = self._events(typed)

    # ── what stands in it ────────────────────────────────────────────────────────────────────────────────────────────

    def one(self, name: str) -> str:
        return next(iter(self.answers.get(name, ())), "")

    @property
    def kind(self) -> str:
        return (
            self.one("kind") if self.one("kind") in KINDS.values() else KINDS[type(self.definition.trigger)]
        )

    @property
    def is_locked(self) -> bool:
        """A lane follows its status until somebody changes that here (R-ACT-10)."""
        return self.opened.is_lane and not self.one("unlock")

    def _told(self) -> Typed:
        trigger, again = self.definition.trigger, self.definition.reenrollment
        told: dict[str, Any] = {
            "kind": KINDS[type(trigger)],
            "again": again.is_on,
            "while_inside": again.while_inside.value,
        }
        match trigger:
            case WhenTrue(condition):
                filters = _filters(condition)
                told["again_on"] = [str(n) for n, leaf in enumerate(filters) if leaf in again.on]
            case WhenScheduled(_condition, every, minute, days, day, month):
                told |= {
                    "every": every.value,
                    "time": clock(minute),
                    "weekdays": [str(one) for one in days],
                    "day": day,
                    "month": str(month),
                }
            case WhenDated(_condition, name, days, minute):
                told |= {
                    "property": name,
                    "side": "on" if not days else "before" if days < 0 else "after",
                    "days": abs(days) or None,
                    "time": clock(minute),
                }
            case WhenCalled(field, name, may_create):
                told |= {"field": field, "unique": name, "may_create": may_create}
        return reading.typed_of(self._all_settings(), told)

    def _events(self, typed: Typed | None) -> list[tuple[int, Eventful]]:
        trigger = self.definition.trigger
        there: tuple[EventMatch | None, ...] = trigger.events if isinstance(trigger, WhenEvent) else ()
        if typed is None or "event" not in typed:
            return [
                (n, Eventful(self.opened, f"event{n}", event, None))
                for n, event in enumerate(there or (None,))
            ]
        numbers = [found for text in typed["event"] if (found := whole(text)) is not None][:MOST_EVENTS]
        return [(n, Eventful(self.opened, f"event{n}", None, typed)) for n in dict.fromkeys(numbers)]

    def press(self, what: str) -> None:
        verb, _space, rest = what.partition(" ")
        if verb == "events":
            act, _space, number = rest.partition(" ")
            if act == "add" and len(self.events) < MOST_EVENTS:
                fresh = max((n for n, _event in self.events), default=-1) + 1
                self.events.append((fresh, Eventful(self.opened, f"event{fresh}", None, None)))
            elif act == "remove" and len(self.events) > 1:
                self.events = [pair for pair in self.events if str(pair[0]) != number]
            return
        self.when.press(what)
        self.refine.press(what)
        for _n, event in self.events:
            event.press(what)

    # ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _kind_setting(self) -> Setting:
        return Setting("kind", _("What starts it"), Input.CHOICE, required=True, redraws=True, default="filter", options=(
            Option("filter", _("Records that meet filters")), Option("event", _("Something happens")), Option("schedule", _("A schedule")),
            Option("date", _("A date of the record")), Option("call", _("A call from outside (webhook)")), Option("manual", _("Only people and other workflows")),
        ))  # fmt: skip

    def _own_settings(self, kind: str) -> tuple[Setting, ...]:
        months = get_month_names("wide", "stand-alone", locale=times.locale())
        at = Setting("time", _("At"), required=True, default="09:00", help=_("In the account's time zone."))
        match kind:
            case "schedule":
                return (
                    Setting("every", _("How often"), Input.CHOICE, required=True, redraws=True, default="day", options=(
                        Option("day", _("Every day")), Option("week", _("Every week")), Option("month", _("Every month")), Option("year", _("Every year")),
                    )),
                    Setting("weekdays", _("Days"), Input.MANY, required=True, options=weekdays(), only_if=("every", ("week",))),
                    Setting("month", _("Month"), Input.CHOICE, default="1", options=tuple(Option(str(n), months[n]) for n in range(1, 13)), only_if=("every", ("year",))),
                    Setting("day", _("Day of the month"), Input.NUMBER, required=True, default=1, at_least=1, at_most=31,
                            help=_("In shorter months their last day."), only_if=("every", ("month", "year"))),
                    at,
                )  # fmt: skip
            case "date":
                dates = tuple(Option(prop.name, _(prop.label)) for prop in date_properties(self.object_type))
                return (
                    Setting("property", _("Which date"), Input.CHOICE, required=True, options=dates),
                    Setting("side", _("When"), Input.CHOICE, default="on", redraws=True, options=(
                        Option("on", _("On that date")), Option("before", _("Before it")), Option("after", _("After it")),
                    )),
                    Setting("days", _("How many days before or after"), Input.NUMBER, required=True, at_least=1, at_most=3660, only_if=("side", ("before", "after"))),
                    at,
                )  # fmt: skip
            case "call":
                unique = hooks.unique_properties(self.object_type)
                writable = tuple(p.name for p in unique if hooks.can_be_made(p))
                return (
                    Setting("field", _("Field of the call"), required=True, at_most=200, help=_("Its value says which record is meant, such as “email”.")),
                    Setting("unique", _("Property that it is compared with"), Input.CHOICE, required=True, redraws=True, options=tuple(Option(p.name, _(p.label)) for p in unique)),
                    Setting("may_create", _("Make a record when there is none"), Input.CHECK, only_if=("unique", writable)),
                )  # fmt: skip
        return ()

    def _again_settings(self, kind: str) -> tuple[Setting, ...]:
        help_text = {
            "filter": _("Otherwise once for ever, whatever happens later."),
            "event": _("Each time that it happens. Otherwise only the first time."),
            "manual": _("Otherwise people can enroll a record only once."),
        }.get(kind, _("Otherwise only the first time."))
        found = [Setting("again", _("A record may come again"), Input.CHECK, help=help_text, redraws=True)]
        if kind == "filter" and self.is_again:
            filters = self._bringing_back(self.when.standing)
            options = tuple(
                Option(str(n), str(self.opened.asked.groups_said(leaf)[0][0])) for n, leaf in filters
            )
            told = _("One of them must come to hold anew, and all filters must hold then.")
            if len(options) < len(_filters(self.when.standing)):
                told += " " + _(
                    "Filters on values that are calculated or set by messages can't bring it back."
                )
            if options:
                found.append(
                    Setting(
                        "again_on",
                        _("Which of the filters bring it back"),
                        Input.MANY,
                        options=options,
                        help=told,
                    )
                )
        if self.is_again:
            found.append(Setting("while_inside", _("If it is still inside"), Input.CHOICE, default="skip", options=(
                Option("skip", _("It does not begin again")), Option("restart", _("It begins anew, and the run before ends")),
                Option("queue", _("It begins again when the run before is over")), Option("parallel", _("It goes through twice at once")),
            )))  # fmt: skip
        return tuple(found)

    def _bringing_back(self, condition: Condition) -> list[tuple[int, Filter]]:
        """The filters that can be chosen to enroll again, and their places among all (R-RE-10)."""
        kinds = {leaf: kind for kind, leaf in leaves_by_type(condition, self.object_type)}
        return [
            (n, leaf)
            for n, leaf in enumerate(_filters(condition))
            if standing.may_fire_again(kinds[leaf], leaf)
        ]

    @property
    def is_again(self) -> bool:
        return bool(self.one("again")) if self.is_typed else self.definition.reenrollment.is_on

    def _all_settings(self) -> tuple[Setting, ...]:
        """Of every kind, to tell what stands there."""
        kind = KINDS[type(self.definition.trigger)]
        again = (
            Setting("again", "", Input.CHECK), Setting("again_on", "", Input.MANY), Setting("while_inside", "", Input.CHOICE),
        )  # fmt: skip
        return (self._kind_setting(), *self._own_settings(kind), *again)

    def settings(self) -> tuple[Setting, ...]:
        if self.is_locked:
            unlock = Setting("unlock", _("Change it here all the same"), Input.CHECK, redraws=True)
            return (unlock, *self._again_settings("event"))
        kept = (Setting("unlock", "", Input.HIDDEN, default="1"),) if self.opened.is_lane else ()
        return (*kept, self._kind_setting(), *self._own_settings(self.kind), *self._again_settings(self.kind))

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        around = reading.around(self.object_type)
        found = [
            replace(one, kind="time") if one.name == "time" else one
            for one in fields_of(self.settings(), self.answers, around)
        ]
        names = {one.name for one in found}
        if refusal is not None and refusal.field in names:
            found = list(with_refusal(found, refusal))
        again = [one for one in found if one.name in _AGAIN]
        own = [one for one in found if one not in again]
        error = refusal.message if refusal is not None and refusal.field not in names else ""
        if self.is_locked:
            return (*self._lock(), *own, Heading(_("Coming again")), *again)
        return (*own, *self._middle(refusal, error), Heading(_("Coming again")), *again)

    def _lock(self) -> tuple[Part, ...]:
        lines = [
            " ".join(part for part in (line.joined, str(line.said)) if part)
            for line in self.opened.telling.trigger_lines(self.definition.trigger)
        ]
        return (
            Alert(_("This workflow belongs to a status of a pipeline: it starts when a record reaches it. To start it otherwise, copy the workflow and change the copy."), "lock"),
            Heading(self.opened.telling.trigger_title(self.definition.trigger), " ".join(lines)),
        )  # fmt: skip

    def _middle(self, refusal: Invalid | None, error: str) -> tuple[Part, ...]:
        wrong = {refusal.field: refusal.message} if refusal is not None else {}
        match self.kind:
            case "filter":
                return (
                    self._teaching(),
                    self.when.field(
                        _("Filters"),
                        help=_("A record enrolls as soon as it comes to meet them."),
                        error=wrong.get("when", error),
                    ),
                )
            case "event":
                fields = tuple(
                    EventField(n, event.parts(refusal), len(self.events) > 1) for n, event in self.events
                )
                help_text = _("Looked at when it happens. Empty: every record.")
                return (
                    self._teaching(),
                    *fields,
                    self.refine.field(_("Only records with"), help=help_text, error=wrong.get("refine", "")),
                )
            case "schedule":
                return (
                    self.when.field(
                        _("Which records"),
                        help=_("All that meet this at that moment enroll. Empty: all there are."),
                        error=error,
                    ),
                )
            case "date":
                return (
                    self.when.field(
                        _("Which records"), help=_("Empty: all that have such a date."), error=error
                    ),
                )
            case "call":
                return (*self._hook(),)
        return (
            Alert(
                _(
                    "Nothing starts it by itself: people enroll records one by one or from a list, and other workflows pass theirs on."
                ),
                "info",
            ),
        )

    def _hook(self) -> tuple[Part, ...]:
        address = hooks.address_of(self.opened.workflow)
        url = (
            self.opened.request.build_absolute_uri(reverse("workflow-hook", args=[address.token]))
            if address
            else ""
        )
        return (Secret(self.opened.url("hook"), url, is_signed=address is not None and address.is_signed),)

    def _teaching(self) -> Part:
        return Teaching((
            ("list-filter", _("Filter: “status is Closed”"), _("also a record that was made closed, or imported; once, as soon as it is true"), self.kind == "filter"),
            ("zap", _("Event: “status changed to Closed”"), _("only at the moment when it is closed, and only from the switching on"), self.kind == "event"),
        ))  # fmt: skip

    # ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, definition: Definition) -> Definition:
        """Raises Invalid, naming the field."""
        again = self._again()
        if self.is_locked:
            return replace(definition, reenrollment=again)
        trigger = self._trigger()
        leaving = definition.leaving
        if leaving.when_trigger_fails and not isinstance(trigger, WhenTrue):
            leaving = replace(leaving, when_trigger_fails=False)
        return replace(definition, trigger=trigger, reenrollment=self._again(trigger), leaving=leaving)

    def _again(self, trigger: Trigger | None = None) -> Reenrollment:
        old = self.definition.reenrollment
        if not self.one("again"):
            return replace(old, is_on=False, on=())
        on: tuple[Filter, ...] = ()
        if isinstance(trigger, WhenTrue):
            chosen = self.answers.get("again_on", ())
            on = tuple(leaf for n, leaf in self._bringing_back(trigger.condition) if str(n) in chosen)
        inside = self.one("while_inside")
        return replace(
            old,
            is_on=True,
            on=on,
            while_inside=WhileInside(inside) if inside in set(WhileInside) else old.while_inside,
        )

    def _trigger(self) -> Trigger:
        kind = self.kind
        if kind == "manual":
            return Manual()
        if kind == "filter":
            condition = self.when.condition()
            if condition == EVERYTHING:
                raise Invalid(_("Add at least one filter."), field="when")
            return WhenTrue(condition)
        if kind == "event":
            return WhenEvent(tuple(event.read() for _n, event in self.events), self.refine.optional())
        settings = tuple(one for one in self.settings() if one.name not in _AGAIN)
        given = reading.read(settings, self.answers)
        if kind == "call":
            return WhenCalled(given["field"], given["unique"], bool(given.get("may_create")))
        condition, minute = self.when.condition(), minute_of(given["time"], "time")
        if kind == "date":
            sign = {"before": -1, "after": 1}.get(given["side"], 0)
            return WhenDated(condition, given["property"], sign * (given.get("days") or 0), minute)
        days = tuple(sorted(int(day) for day in given.get("weekdays") or ()))
        return WhenScheduled(
            condition,
            Every(given["every"]),
            minute,
            days,
            given.get("day") or 1,
            int(given.get("month") or 1),
        )


def _filters(condition: Condition) -> list[Filter]:
    """In the order of the page, each once."""
    return list(dict.fromkeys(leaf for leaf in leaves(condition) if isinstance(leaf, Filter)))
