"""The form of what concerns a workflow as a whole: its name and owner, when it acts, what ends a run, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.automation import keeping, listing, workflows
from deskhand.automation.actions import choices, reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine.definition import Definition, Ends, Leaving, Timing, WhenTrue
from deskhand.automation.engine.validate import Problem
from deskhand.automation.timing import MOST_PER_HOUR, MOST_PERCENT, alert
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor
from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.automation.fields import fields_of, with_refusal
from deskhand.web.hours import week
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Heading, Part

MOST_PAUSES = 400


def problem_line(problems: Sequence[Problem]) -> str:
    return " ".join(dict.fromkeys(workflows.said(one) for one in problems))


class WorkflowForm:
    """Of the workflow as it stands, or as it was `typed`. Part of it is the draft's, part of it holds at once."""

    def __init__(self, opened: Opened, typed: Typed | None) -> None:
        self.opened, self.is_typed = opened, typed is not None
        self.definition = opened.definition
        self.answers: Typed = typed if typed is not None else reading.typed_of(self._settings(), self._told())
        self.leave = opened.building("leave", self.definition.leaving.condition, typed)
        self.goal = opened.building("goal", self.definition.leaving.goal, typed)
        zone = opened.account.zone
        self.posted = _querydict(typed or {})
        window = self.definition.timing.window
        self.week = (
            week.of_post(self.posted)
            if typed is not None
            else week.of_hours(WeeklyHours(zone, window) if window else None, zone)
        )
        self.week = replace(self.week, zone=zone)

    @property
    def is_pressed(self) -> bool:
        return "redraw" in self.answers or week.changed(self.week, self.posted) is not None

    def press(self, what: str) -> None:
        self.leave.press(what)
        self.goal.press(what)
        self.week = week.changed(self.week, self.posted) or self.week

    def _told(self) -> dict[str, Any]:
        timing, leaving, own = (
            self.definition.timing,
            self.definition.leaving,
            self.opened.workflow,
        )
        return {
            "name": own.name, "description": own.description, "owner": [own.owner_id] if own.owner_id else [], "tells_errors": own.alerts.get("errors", True),
            "rate_per_hour": own.alerts.get("rate_per_hour"), "rate_change": own.alerts.get("rate_change"), "pinned": self.opened.workflow.is_pinned, "pauses": "\n".join(day.isoformat() for day in timing.pause_days),
            "off_after": timing.off_after.isoformat() if timing.off_after else "", "trigger_fails": leaving.when_trigger_fails, "segments": [str(pk) for pk in leaving.segments],
            "others": "" if leaving.ends is None else "these" if leaving.ends.workflows else "all",
            "ends": [str(pk) for pk in (leaving.ends or Ends()).workflows],
        }  # fmt: skip

    def _settings(self) -> tuple[Setting, ...]:
        return (*self._own(), *self._when(), *self._ending(), *self._others(), *self._running())

    def _own(self) -> tuple[Setting, ...]:
        owner = self.opened.workflow.owner_id
        people = choices.people()
        known = {one.value for one in people}
        gone = (
            choices.options([(owner, self.opened.name_of(owner))])
            if owner and str(owner) not in known
            else ()
        )
        return (
            Setting("name", _("Name"), required=True, at_most=keeping.LONGEST),
            Setting("description", _("Description"), Input.LONG, at_most=keeping.LONGEST_TEXT),
            Setting("owner", _("Owner"), Input.CHOICE, options=choices.options([("", _("Nobody"))]) + people + gone, default="",
                    help=_("Is told when something goes wrong.")),
            Setting("tells_errors", _("Tell the owner of errors"), Input.CHECK, default=True),
            Setting("rate_per_hour", _("Tell the owner when more records than this enroll in an hour"), Input.NUMBER, at_least=1, at_most=MOST_PER_HOUR, help=_("Empty: never.")),
            Setting("rate_change", _("Tell the owner when a day has so many percent more or fewer than usual"), Input.NUMBER, at_least=1, at_most=MOST_PERCENT,
                    help=_("Compared with the week before. Empty: never.")),
        )  # fmt: skip

    def _when(self) -> tuple[Setting, ...]:
        return (
            Setting("pauses", _("Days without actions"), Input.LONG, help=_("One day a line, such as 2026-12-24. What falls on them waits for the next day.")),
            Setting("off_after", _("Switch off after"), Input.VALUE, prop=Property("off_after", _("Switch off after"), Kind.DATE), help=_("The last day on which it is on. Empty: it stays on.")),
        )  # fmt: skip

    def _ending(self) -> tuple[Setting, ...]:
        kept_out = choices.options(self.opened.asked.segments)
        return (
            *((Setting("segments", _("Segments that stay out"), Input.MANY, options=kept_out,
                       help=_("Who is in one of them never enrolls; who comes into one leaves at once.")),) if kept_out else ()),
            *((Setting("trigger_fails", _("Leave as soon as the filters of the trigger no longer hold"), Input.CHECK),)
              if isinstance(self.definition.trigger, WhenTrue) else ()),
        )  # fmt: skip

    def _others(self) -> tuple[Setting, ...]:
        """What becomes of the runs of who enters (R-UN-6)."""
        own, kind = self.opened.workflow, self.definition.object_type
        found = [(pk, name) for pk, name in listing.names(own.account_id).get(kind, []) if pk != own.pk]
        return (
            Setting("others", _("Who enters leaves"), Input.CHOICE, default="", redraws=True, options=(
                Option("", _("No other workflow")), Option("all", _("All other workflows")), Option("these", _("These workflows")),
            ), help=_("Before their next step. What they enter at the same moment goes on.")),
            Setting("ends", _("Workflows that are left"), Input.MANY, required=True, options=choices.options(found), only_if=("others", ("these",))),
        )  # fmt: skip

    def _running(self) -> tuple[Setting, ...]:
        return (
            Setting("pinned", _("Runs finish with the version that they began with"), Input.CHECK,
                    help=_("Otherwise they go on with the newest one, from the step at which they are.")),
        )  # fmt: skip

    def shows(self, refusal: Invalid) -> bool:
        return (
            refusal.field in {one.name for one in self._settings()}
            or refusal.field in ("leave", "goal")
            or refusal.field.startswith("day")
        )

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        around = reading.around(self.definition.object_type)

        def drawn(settings: tuple[Setting, ...]) -> tuple[Part, ...]:
            found = fields_of(settings, self.answers, around)
            return (
                with_refusal(found, refusal)
                if refusal is not None and refusal.field in {one.name for one in found}
                else found
            )

        wrong = {refusal.field: refusal.message} if refusal is not None else {}
        is_set = bool(self.definition.timing.window)
        hours = week.form(
            "",
            self.week,
            is_set=is_set,
            refusal=refusal if refusal is not None and refusal.field.startswith("day") else None,
        )
        return (
            *drawn(self._own()),
            Heading(_("When actions may run"), _("Delays and branches go on at any time; the next real action waits for the window. No hours: at any time. Time zone: %(zone)s.") % {"zone": self.opened.account.zone}),
            hours,
            *drawn(self._when()),
            Heading(_("What ends a run")),
            self.leave.field(_("Leave as soon as"), help=_("Such records are taken out before their next action, and don't enroll."), error=wrong.get("leave", "")),
            self.goal.field(_("Goal"), help=_("Who reaches it leaves, and counts as a success."), error=wrong.get("goal", "")),
            *drawn(self._ending()),
            Heading(_("Other workflows")),
            *drawn(self._others()),
            Heading(_("Running")),
            *drawn(self._running()),
        )  # fmt: skip

    # ── saving ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self) -> None:
        """What is the draft's goes there. Raises Invalid, naming the field; Conflict."""
        given = reading.read(self._settings(), self.answers)
        timing, leaving = self._timing(given), self._leaving(given)

        def set_up(definition: Definition) -> Definition:
            return replace(definition, timing=timing, leaving=leaving)

        self.opened.change(set_up, did="settings")
        by, held = Actor.user(self.opened.by), self.opened.workflow
        keeping.describe(
            held, name=given["name"], description=given["description"] or "", owner_id=whole(given["owner"] or ""), folder_id=held.folder_id, by=by
        )  # fmt: skip
        alert(
            held,
            errors=bool(given["tells_errors"]),
            rate_per_hour=given["rate_per_hour"],
            rate_change=given["rate_change"],
            by=by,
        )
        workflows.pin(held, bool(given["pinned"]), by=self.opened.by)
        self.opened.reread()

    def _timing(self, given: dict[str, Any]) -> Timing:
        hours = week.hours(self.week)
        off_after = date.fromisoformat(str(given["off_after"])[:10]) if given["off_after"] else None
        return replace(
            self.definition.timing,
            window=tuple(hours.blocks),
            pause_days=_days(given["pauses"] or ""),
            off_after=off_after,
        )

    def _leaving(self, given: dict[str, Any]) -> Leaving:
        return replace(
            self.definition.leaving,
            condition=self.leave.optional(),
            goal=self.goal.optional(),
            when_trigger_fails=bool(given.get("trigger_fails")),
            segments=tuple(int(pk) for pk in given.get("segments") or ()),
            ends=Ends(tuple(int(pk) for pk in given.get("ends") or ())) if given["others"] else None,
        )


def _days(text: str) -> tuple[date, ...]:
    """Raises Invalid, naming the line that is no day."""
    found = set()
    for line in text.split():
        try:
            day = date.fromisoformat(line[:10])
        except ValueError:
            raise Invalid(
                _("“%(line)s” is no day.") % {"line": line[:20]},
                field="pauses",
                value=line[:20],
                hint=_("Write days such as 2026-12-24."),
            ) from None
        if not 1900 <= day.year <= 2999:
            raise Invalid(_("“%(line)s” is no day.") % {"line": line[:20]}, field="pauses", value=line[:20])
        found.add(day)
    if len(found) > MOST_PAUSES:
        raise Invalid(_("At most %(limit)s days.") % {"limit": MOST_PAUSES}, field="pauses")
    return tuple(sorted(found))


def _querydict(typed: Typed) -> QueryDict:
    made = QueryDict(mutable=True)
    for name, values in typed.items():
        made.setlist(name, [*values])
    return made
