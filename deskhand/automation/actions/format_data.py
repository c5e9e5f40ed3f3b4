"""Work out a text, number or date from others; later steps use the result as a token or in a branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation import tokens
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, Output, Then, failed
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.errors import Invalid

LONGEST = 65_536
#: Ways of writing a date, and what they look like.
WAYS = tuple(
    Option(way, datetime(2026, 11, 21, 9, 30, tzinfo=UTC).strftime(way))
    for way in ("%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M")
)
_PLACES = 8


class FormatData(Action):
    kind = "format_data"
    label = gettext_lazy("Format data")
    about = gettext_lazy("Work out a text, number or date for later steps.")
    icon, tone, group = "braces", "violet", Group.RECORD
    feature = Feature.FORMAT_DATA
    is_pure = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        function = str(settings.get("function") or "upper")
        return (
            Setting("function", _("What to do"), Input.CHOICE, required=True, options=_functions(), default="upper", redraws=True),
            Setting("value", _("With"), required=True, takes_tokens=True, help=_("A text, or a token such as {{ ticket.subject }}.")),
            *_more(function),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        return super().problems(settings) or list(_unreadable(settings))

    def summary(self, settings: Mapping[str, Any]) -> str:
        names = {one.value: one.label for one in _functions()}
        label = names.get(str(settings.get("function")), "")
        return _("%(function)s: %(value)s") % {"function": label, "value": settings.get("value") or ""}

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("result", _("Result")),)

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        return _answer(doing), {}

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        return [_answer(doing) for doing in batch]


def _answer(doing: Doing) -> Done:
    given = doing.settings
    try:
        function = FUNCTIONS.get(str(given.get("function") or "upper"))
        if function is None:
            raise Invalid(_("There is no such function."))
        result = function(
            doing.fill(given.get("value"), as_stored=True),
            {name: doing.fill(given.get(name), as_stored=True) for name in ("first", "second")},
        )
    except Invalid as refusal:
        return failed(refusal.message)
    text = result[:LONGEST]
    return Done(message=text[:200], outputs={"result": text})


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _functions() -> tuple[Option, ...]:
    text, number, day = _("Text"), _("Number"), _("Date")
    return (
        Option("upper", _("To capital letters"), text), Option("lower", _("To small letters"), text),
        Option("capitalize", _("First letter of each word as a capital"), text), Option("trim", _("Without spaces around it"), text),
        Option("cut", _("Cut to a length"), text), Option("replace", _("Replace a part of it"), text),
        Option("before", _("What stands before a text"), text), Option("after", _("What stands after a text"), text),
        Option("digits", _("Only the digits"), text),
        Option("add", _("Add a number"), number), Option("subtract", _("Subtract a number"), number),
        Option("multiply", _("Multiply by a number"), number), Option("divide", _("Divide by a number"), number),
        Option("round", _("Round to decimal places"), number),
        Option("later", _("Days later"), day), Option("earlier", _("Days earlier"), day), Option("until", _("Days until a date"), day),
        Option("written", _("Written in another way"), day),
    )  # fmt: skip


def _more(function: str) -> tuple[Setting, ...]:
    """What a function asks for besides its value."""
    number = Setting("first", _("Number"), required=True, takes_tokens=True)
    found = {
        "cut": (Setting("first", _("Letters"), required=True),),
        "replace": (Setting("first", _("What to replace"), required=True), Setting("second", _("With what"))),
        "before": (Setting("first", _("The text to look for"), required=True),),
        "after": (Setting("first", _("The text to look for"), required=True),),
        "add": (number,), "subtract": (number,), "multiply": (number,), "divide": (number,),
        "round": (Setting("first", _("Decimal places"), default="0"),),
        "later": (Setting("first", _("Days"), required=True, takes_tokens=True),),
        "earlier": (Setting("first", _("Days"), required=True, takes_tokens=True),),
        "until": (Setting("first", _("The other date"), required=True, takes_tokens=True, help=_("A day such as 2026-11-21, or a token.")),),
        "written": (Setting("first", _("How"), Input.CHOICE, options=WAYS, default=WAYS[0].value),),
    }  # fmt: skip
    return found.get(function, ())


def _unreadable(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Numbers and dates that no run could read; what tokens give is known then."""
    function = str(settings.get("function") or "upper")
    for field, read in (("value", _VALUES.get(function)), ("first", _FIRSTS.get(function))):
        text = str(settings.get(field) or "")
        if read and text and not tokens.has_tokens(text):
            try:
                read(text)
            except Invalid as refusal:
                yield field, refusal.message


# ── the functions ────────────────────────────────────────────────────────────────────────────────────────────────────

More = Mapping[str, str]


def number_of(text: str) -> Decimal:
    """Raises Invalid."""
    try:
        found = Decimal(text.strip().replace(",", ".") or "0")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found.adjusted() > 30:
        raise Invalid(_("“%(value)s” is not a number.") % {"value": text[:40]})
    return found


def _count(text: str) -> int:
    found = number_of(text)
    if abs(found) > 100_000:
        raise Invalid(_("“%(value)s” is too large.") % {"value": text[:40]})
    return int(found)


def _written(number: Decimal) -> str:
    plain = f"{round(number, _PLACES):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _divided(value: str, more: More) -> str:
    try:
        return _written(number_of(value) / number_of(more["first"]))
    except (DivisionByZero, InvalidOperation):
        raise Invalid(_("A number can't be divided by 0.")) from None


def _rounded(value: str, more: More) -> str:
    places = min(max(_count(more["first"]), 0), _PLACES)
    return f"{number_of(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


def day_of(text: str) -> datetime:
    """A day or moment as the API writes it, or as the account's people read it; in the account's zone. Raises Invalid."""
    text = text.strip()
    zone = zone_named(tokens.zone())
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=zone)
    except ValueError:
        raise Invalid(_("“%(value)s” is not a date such as 2026-11-21.") % {"value": text[:40]}) from None


def _moved(value: str, days: int) -> str:
    try:
        at = day_of(value) + timedelta(days=days)
    except OverflowError:
        raise Invalid(_("“%(value)s” is too large.") % {"value": str(days)}) from None
    return at.date().isoformat() if len(value.strip()) <= len("2026-11-21") else at.isoformat()


def _until(value: str, more: More) -> str:
    first, other = (date(at.year, at.month, at.day) for at in (day_of(value), day_of(more["first"])))
    return str((other - first).days)


FUNCTIONS: dict[str, Callable[[str, More], str]] = {
    "upper": lambda value, more: value.upper(),
    "lower": lambda value, more: value.lower(),
    "capitalize": lambda value, more: " ".join(word[:1].upper() + word[1:] for word in value.split(" ")),
    "trim": lambda value, more: " ".join(value.split()),
    "cut": lambda value, more: value[: max(_count(more["first"]), 0)],
    "replace": lambda value, more: value.replace(more["first"], more["second"]) if more["first"] else value,
    "before": lambda value, more: value.partition(more["first"])[0] if more["first"] else value,
    "after": lambda value, more: value.partition(more["first"])[2] if more["first"] else value,
    "digits": lambda value, more: "".join(one for one in value if one.isdigit()),
    "add": lambda value, more: _written(number_of(value) + number_of(more["first"])),
    "subtract": lambda value, more: _written(number_of(value) - number_of(more["first"])),
    "multiply": lambda value, more: _written(number_of(value) * number_of(more["first"])),
    "divide": _divided,
    "round": _rounded,
    "later": lambda value, more: _moved(value, _count(more["first"])),
    "earlier": lambda value, more: _moved(value, -_count(more["first"])),
    "until": _until,
    "written": lambda value, more: day_of(value).strftime(more["first"]),
}
#: How functions read what they are given, where not as a text.
_VALUES: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "round"), number_of),
    **dict.fromkeys(("later", "earlier", "until", "written"), day_of),
}
_FIRSTS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), number_of),
    **dict.fromkeys(("cut", "round", "later", "earlier"), _count),
    "until": day_of,
}
