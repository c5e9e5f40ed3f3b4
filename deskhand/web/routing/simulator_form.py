"""The form of the simulator: what was typed, and the wish that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.kernel import calendars
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing.simulations import DAY
from deskhand.routing.types import Strategy
from deskhand.routing.wishes import ALL_DAYS, MADE_UP, PAST, Wish
from deskhand.web.choices import Choice, offered

NUMBERS = ("percent", "a_day", "share", "limit", "more", "target")
TIMES = ("begins", "ends", "opens", "closes")
DEFAULTS = {"days": "past-30", "percent": "100", "target": "60"}
STRATEGIES: dict[str, Promise] = {
    Strategy.LOAD_BALANCED: gettext_lazy("Load balanced"),
    Strategy.ROUND_ROBIN: gettext_lazy("In turn"),
    Strategy.RANDOM: gettext_lazy("At random"),
}
DAYS: dict[str, Promise] = {
    ALL_DAYS: gettext_lazy("every day"),
    "0": gettext_lazy("on Mondays"),
    "1": gettext_lazy("on Tuesdays"),
    "2": gettext_lazy("on Wednesdays"),
    "3": gettext_lazy("on Thursdays"),
    "4": gettext_lazy("on Fridays"),
    "5": gettext_lazy("on Saturdays"),
    "6": gettext_lazy("on Sundays"),
}


@dataclass(frozen=True)
class Form:
    """As it is shown. `values` are the fields of numbers and times, as typed."""

    days: tuple[Choice, ...]
    people: tuple[Choice, ...]
    off: tuple[Choice, ...]
    strategy: tuple[Choice, ...]
    only_available: tuple[Choice, ...]
    wait_list: tuple[Choice, ...]
    values: Mapping[str, str]
    error: str = ""
    error_field: str = ""

    def attributes(self, name: str) -> dict[str, str]:
        """What a control says about its error; it has focus on a new page."""
        if name != self.error_field:
            return {}
        return {"aria-invalid": "true", "aria-describedby": f"{name}-error", "autofocus": ""}

    @property
    def is_open(self) -> bool:
        """Whether what is asked for less often is shown at once."""
        return any(self.values[name] for name in ("a_day", "share", "more", *TIMES)) or self.error_field in (
            "a_day", "share", "more", *TIMES,
        )  # fmt: skip


def form(
    people: Mapping[int, str], typed: QueryDict | None = None, refusal: Invalid | None = None, words: str = ""
) -> Form:
    def value(name: str) -> str:
        return typed.get(name, "")[:20] if typed is not None else DEFAULTS.get(name, "")

    chosen = typed.getlist("people") if typed is not None else []
    unchanged = ("", _("As today"))
    yes_no = [unchanged, ("yes", _("Yes")), ("no", _("No"))]
    spans = [("past-7", _("The last 7 days")), ("past-30", _("The last 30 days")), ("past-90", _("The last 90 days")), ("made-7", _("The next 7 days, made up")), ("made-14", _("The next 14 days, made up"))]  # fmt: skip
    return Form(
        offered(spans, value("days")), offered([(str(pk), name) for pk, name in people.items()], *chosen),
        offered([("", _("not off")), *((day, str(label)) for day, label in DAYS.items())], value("off")),
        offered([unchanged, *((key, str(label)) for key, label in STRATEGIES.items())], value("strategy")),
        offered(yes_no, value("only_available")), offered(yes_no, value("wait_list")),
        {name: value(name) for name in (*NUMBERS, *TIMES)}, words, refusal.field if refusal else "",
    )  # fmt: skip


def wish_of(typed: QueryDict, people: Mapping[int, str], zone: str, now: datetime) -> Wish:
    """Raises Invalid, naming the field."""
    source, _dash, number = typed.get("days", "").partition("-")
    days = whole(number)
    if days is None or days > 90 or source not in ("past", "made"):
        raise Invalid(_("Choose one of the times."), field="days", value=typed.get("days", ""))
    place = ZoneInfo(zone)
    today = calendars.start_of_day(place, calendars.local_day(place, now))
    since = today - timedelta(days=days) if source == "past" else today + timedelta(days=1)
    numbers = {name: _number(typed, name) for name in NUMBERS}
    return Wish(
        since=since, until=since + timedelta(days=days), source=PAST if source == "past" else MADE_UP,
        people=tuple(pk for one in typed.getlist("people") if (pk := whole(one)) in people and pk is not None),
        off=typed.get("off", ""), strategy=typed.get("strategy", ""), only_available=_yes_no(typed, "only_available"),
        wait_list=_yes_no(typed, "wait_list"), share=numbers["share"], limit=numbers["limit"], a_day=numbers["a_day"] or 0,
        percent=100 if numbers["percent"] is None else numbers["percent"], more=numbers["more"] or 0,
        target=60 if numbers["target"] is None else numbers["target"],
        begins=_minutes(typed, "begins"), ends=_end(typed, "ends"), opens=_minutes(typed, "opens"), closes=_end(typed, "closes"),
    )  # fmt: skip


def typed_again(wish: Wish) -> QueryDict:
    """What makes this wish once more."""
    source = "past" if wish.source == PAST else "made"
    yes_no = {None: "", True: "yes", False: "no"}
    typed = QueryDict(mutable=True)
    typed.setlist("people", [str(pk) for pk in wish.people])
    for name, value in {
        "days": f"{source}-{round((wish.until - wish.since) / timedelta(days=1))}", "off": wish.off, "strategy": wish.strategy,
        "only_available": yes_no[wish.only_available], "wait_list": yes_no[wish.wait_list],
        "a_day": wish.a_day or None, "more": wish.more or None,
        **{name: getattr(wish, name) for name in ("percent", "share", "limit", "target")},
        **{name: _clock(getattr(wish, name)) for name in TIMES},
    }.items():  # fmt: skip
        typed[name] = "" if value is None else str(value)
    return typed


def _clock(minutes: int | None) -> str:
    """As a field for times knows it: the day ends at 00:00, for there is no 24:00 in it."""
    return "" if minutes is None else f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _yes_no(typed: QueryDict, name: str) -> bool | None:
    return {"yes": True, "no": False}.get(typed.get(name, ""))


def _number(typed: QueryDict, name: str) -> int | None:
    text = typed.get(name, "").strip()
    number = whole(text)
    if text and number is None:
        raise Invalid(_("Give a whole number."), field=name, value=text)
    return number


def _end(typed: QueryDict, name: str) -> int | None:
    """Midnight as an end is that of the next day."""
    minutes = _minutes(typed, name)
    return DAY if minutes == 0 else minutes


def _minutes(typed: QueryDict, name: str) -> int | None:
    """Minutes since midnight of a time such as 08:30."""
    text = typed.get(name, "").strip()
    hours, _colon, minutes = text.partition(":")
    hour, minute = whole(hours), whole(minutes or "0")
    if not text:
        return None
    if hour is None or minute is None or hour > 24 or minute > 59:
        raise Invalid(_("Give a time such as 08:30."), field=name, value=text)
    return hour * 60 + minute
