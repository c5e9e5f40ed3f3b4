"""The parts of a rule's form about when a channel is open, and how people are rung (R-ROUTE-81, R-ROUTE-90..94)."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable
from deskhand.routing.hours import of_rule
from deskhand.routing.models import RoutingRule
from deskhand.routing.ringing import Ringing
from deskhand.web.asked import number
from deskhand.web.channels import rows
from deskhand.web.channels.rows import Input
from deskhand.web.hours import week

ALWAYS, AT_HOURS = "always", "hours"
ONE_BY_ONE, AT_ONCE = "one", "all"


@dataclass(frozen=True)
class Typed:
    opens: str = ALWAYS
    week: week.Typed | None = None
    ring: str = ONE_BY_ONE
    seconds: str = "20"
    unanswered: str = ""
    closed: str = ""

    def hours(self) -> WeeklyHours | None:
        """Raises Invalid, naming the day as `day0`, the zone or the week."""
        if self.opens != AT_HOURS or self.week is None:
            return None
        found = week.hours(self.week)
        if not found.blocks:
            raise Invalid(
                _("Say when it is open."), field="opens", hint=_("Give at least one day its hours, or leave it always open.")
            )  # fmt: skip
        return found

    def ringing(self) -> Ringing:
        return Ringing(
            self.ring == AT_ONCE, number(self.seconds, "ring_seconds"), self.unanswered, self.closed
        )


def of_kept(rule: RoutingRule, zone: str) -> Typed:
    """`zone` is what hours that there are not yet begin with."""
    hours = of_rule(rule)
    return Typed(
        AT_HOURS if hours else ALWAYS, week.of_hours(hours, zone), AT_ONCE if rule.ring_all else ONE_BY_ONE,
        str(rule.ring_seconds), rule.unanswered_message, rule.closed_message,
    )  # fmt: skip


def of_post(posted: QueryDict) -> Typed:
    texts = [storable(posted.get(name, "")).strip() for name in ("unanswered_message", "closed_message")]
    return Typed(
        posted.get("opens", ALWAYS), week.of_post(posted), posted.get("ring", ONE_BY_ONE),
        posted.get("ring_seconds", "").strip(), *texts,
    )  # fmt: skip


def hours_part(typed: Typed, rings: bool, refusal: Invalid | None) -> rows.Hours:
    if rings:
        closed = _("Outside of them callers hear the greeting below and may leave a message.")
    else:
        closed = _("Outside of them a chat waits in Unassigned.")
    ways = (
        rows.Option(ALWAYS, _("Always open"), _("At any hour of any day."), typed.opens != AT_HOURS),
        rows.Option(AT_HOURS, _("Open at these hours"), closed, typed.opens == AT_HOURS),
    )
    is_about_hours = refusal is not None and refusal.field.startswith(("day", "zone"))
    shown = week.form(
        "", typed.week or week.of_hours(None, "UTC"), is_set=True, refusal=refusal if is_about_hours else None
    )
    return rows.Hours(ways, shown)


def ringing_part(typed: Typed) -> rows.Ringing:
    ways = (
        rows.Option(
            ONE_BY_ONE, _("One after another"), _("Who has least to do is rung first."), typed.ring != AT_ONCE
        ),
        rows.Option(
            AT_ONCE, _("All at once"), _("Whoever answers first has the call."), typed.ring == AT_ONCE
        ),
    )
    inputs = (
        Input("ring_seconds", _("Seconds that a phone rings"), "number", typed.seconds),
        Input("unanswered_message", _("When nobody answers, callers hear"), "long", typed.unanswered,
              _("Then they may leave a message. Empty: at once.")),
        Input("closed_message", _("Outside the hours, callers hear"), "long", typed.closed,
              _("Then they may leave a message. Empty: at once.")),
    )  # fmt: skip
    return rows.Ringing(ways, inputs)
