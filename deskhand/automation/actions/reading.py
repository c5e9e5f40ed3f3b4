"""From what was typed to the settings of an action, and back. Whoever shows an action's form goes through here:

    form = reading.form_of(action, around, typed)   # the fields, given what is chosen so far
    settings = reading.read(form, typed)            # raises Invalid that names the field
    typed = reading.typed_of(form, settings)        # to show settings again
    reading.problems_of(form, settings)             # what is wrong with settings that there are

A field's values are typed under its name; a span's under name_days, name_hours, name_minutes, pairs under name_name and
name_value, several times each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from deskhand.automation import kinds, templates, tokens
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.engine.validate import NAMES_GONE
from deskhand.crm.filters import gone
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.values import normal
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable, whole

if TYPE_CHECKING:
    from deskhand.automation.actions.types import Action

#: What was typed, by field; a group of check boxes has several values.
Typed = Mapping[str, Sequence[str]]
Form = Sequence[Setting]

SPAN_PARTS = (("days", 1440), ("hours", 60), ("minutes", 1))
LONGEST = 65_536  # characters of a text
PAIRS = 100
_DIGITS = 8
_SEVERAL = frozenset({Input.MANY, Input.USERS, Input.TEAMS})


def around(
    object_type: str, pipeline_id: int | None = None, outputs: Sequence[tuple[str, str, str]] = ()
) -> Around:
    """Where an action of this kind of record stands; `outputs` are (step id, name, label) of the steps before it."""
    offered = tokens.offered(object_type) | {f"step_{step}.{name}": label for step, name, label in outputs}
    return Around(current_account_id(), object_type, pipeline_id, outputs, offered)


def form_of(action: Action, around: Around, typed: Typed) -> tuple[Setting, ...]:
    """The fields of an action, given what is chosen so far."""
    chosen = {
        name: values if len(values) > 1 else values[0] if values else "" for name, values in typed.items()
    }
    return tuple(action.form(around, chosen))


def several(settings: Mapping[str, Any], name: str) -> list[str]:
    """What a form finds chosen in a group of check boxes."""
    value = settings.get(name)
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []


def shown(form: Form, typed: Typed) -> list[Setting]:
    """Those that are asked for, given what is chosen in the others."""
    by_name = {setting.name: setting for setting in form}
    found: dict[str, bool] = {}

    def is_shown(setting: Setting) -> bool:
        if setting.name not in found:
            found[setting.name] = True  # one that depends on itself
            found[setting.name] = _is_met(setting)
        return found[setting.name]

    def _is_met(setting: Setting) -> bool:
        if setting.only_if is None:
            return True
        name, wanted = setting.only_if
        other = by_name.get(name)
        return other is None or (is_shown(other) and _one(other, typed) in wanted)

    return [setting for setting in form if is_shown(setting)]


def read(form: Form, typed: Typed) -> dict[str, Any]:
    """Settings out of what was typed. Raises Invalid, naming the field; nobody and nothing of other accounts passes."""
    settings = {}
    for setting in shown(form, typed):
        value = _READERS[setting.input](setting, typed)
        if setting.required and value in (None, "", []):
            raise Invalid(missing(setting), field=setting.name, value=value)
        settings[setting.name] = value
    return settings


def typed_of(form: Form, settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Settings as they would be typed; where one is not set its default."""
    typed: dict[str, list[str]] = {}
    for setting in form:
        value = settings.get(setting.name, setting.default)
        match setting.input:
            case Input.SPAN:
                typed |= _span_typed(setting.name, value)
            case Input.PAIRS:
                typed[f"{setting.name}_name"] = [str(pair.get("name", "")) for pair in value or ()]
                typed[f"{setting.name}_value"] = [str(pair.get("value", "")) for pair in value or ()]
            case Input.CHECK:
                typed[setting.name] = ["1"] if value else []
            case _:
                typed[setting.name] = _as_text(value)
    return typed


def settings_typed(action: Action, around: Around, settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The settings of an action as they would be typed."""
    return typed_of(action.form(around, settings), settings)


def problems_of(form: Form, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is missing in settings, or names what is gone: (field, sentence)."""
    typed, found = typed_of(form, settings), []
    for setting in shown(form, typed):
        try:
            read([_alone(setting)], typed)
        except Invalid as refusal:
            found.append((setting.name, refusal.message))
    return found


def missing(setting: Setting) -> str:
    return _("“%(field)s” is missing.") % {"field": setting.label}


def _alone(setting: Setting) -> Setting:
    return replace(setting, only_if=None)


def _as_text(value: Any) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return [] if value in (None, "") else [str(value)]


# ── one field ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _one(setting: Setting, typed: Typed) -> str:
    """What stands in it, or its default where it was not asked."""
    if setting.name in typed or setting.input in (*_SEVERAL, Input.CHECK):
        return next(iter(typed.get(setting.name, ())), "")
    return next(iter(_as_text(setting.default)), "")


def options_of(setting: Setting) -> tuple[Option, ...]:
    """What may be chosen in it: its own options, else the people or teams of the account."""
    if setting.options or setting.input not in (Input.USERS, Input.TEAMS):
        return setting.options
    return choices.people() if setting.input is Input.USERS else choices.teams()


def former_names(setting: Setting) -> dict[str, str]:
    """What it may have held before, by what is stored: of people also those who left, of a property hidden options."""
    if setting.input is Input.USERS or (setting.prop is not None and setting.prop.is_user):
        return {option.value: option.label for option in choices.everybody()}
    return {option.value: _(option.label) for option in setting.prop.options} if setting.prop else {}


def _text(setting: Setting, typed: Typed) -> str:
    text = storable(_one(setting, typed)).strip()
    if len(text) > (setting.at_most or LONGEST):
        hint = _("Keep it under %(count)s letters.") % {"count": setting.at_most or LONGEST}
        raise Invalid(_("This is too long."), field=setting.name, value=text[:40], hint=hint)
    if setting.takes_tokens:
        templates.require_readable(text, setting.name)
    return text


def _number(setting: Setting, typed: Typed) -> int | None:
    text = _one(setting, typed).strip()
    if not text:
        return None
    number = _whole(text, setting.name)
    if setting.at_least is not None and number < setting.at_least:
        raise Invalid(_("It must be at least %(number)s.") % {"number": setting.at_least}, field=setting.name, value=text)  # fmt: skip
    if setting.at_most is not None and number > setting.at_most:
        raise Invalid(_("It must be at most %(number)s.") % {"number": setting.at_most}, field=setting.name, value=text)  # fmt: skip
    return number


def _whole(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS):
        raise Invalid(_("%(value)s is not a whole number.") % {"value": text[:40]}, field=field, value=text)
    return int(text)


def _time(setting: Setting, typed: Typed) -> str:
    text = _one(setting, typed).strip()
    return "{:02}:{:02}".format(*divmod(minute_of(text, setting.name), 60)) if text else ""


def minute_of(text: str, field: str) -> int:
    """Minutes since midnight of a time such as 09:30. Raises Invalid."""
    hour, _colon, minute = text.strip().partition(":")
    if not (whole(hour) is not None and whole(minute) is not None and int(hour) < 24 and int(minute) < 60):
        raise Invalid(_("This is not a time."), field=field, value=text, hint=_("It looks like 09:30."))
    return int(hour) * 60 + int(minute)


def _check(setting: Setting, typed: Typed) -> bool:
    return bool(_one(setting, typed))


def _choice(setting: Setting, typed: Typed) -> str:
    value = _one(setting, typed)
    if value and value not in {option.value for option in options_of(setting)}:
        raise lacking(setting, value)
    return value


def lacking(setting: Setting, value: Any) -> Invalid:
    """For a value that can't be chosen any more: says which, and of what (R-PIPE-10)."""
    prop, text = setting.prop, str(value)
    former = former_names(setting).get(text) or (gone.label(prop, text) if prop else kinds.label(text))
    names = {"property": _(prop.label) if prop else setting.label, "value": former}
    return Invalid(_(NAMES_GONE) % names, field=setting.name, value=value)


def _many(setting: Setting, typed: Typed) -> list[Any]:
    known = {option.value for option in options_of(setting)}
    given = list(dict.fromkeys(value for value in typed.get(setting.name, ()) if value))
    for value in given:
        if value not in known:
            raise lacking(setting, value)
    return given if setting.input is Input.MANY else [int(value) for value in given]


def _span(setting: Setting, typed: Typed) -> int | None:
    parts = [
        (next(iter(typed.get(f"{setting.name}_{part}", ())), "").strip(), size) for part, size in SPAN_PARTS
    ]
    minutes = sum(_whole(text, setting.name) * size for text, size in parts if text)
    if not minutes:
        return None
    return minutes


def _span_typed(name: str, minutes: Any) -> dict[str, list[str]]:
    rest, typed = int(minutes or 0), {}
    for part, size in SPAN_PARTS:
        count, rest = divmod(rest, size)
        typed[f"{name}_{part}"] = [str(count)] if count else []
    return typed


def _pairs(setting: Setting, typed: Typed) -> list[dict[str, str]]:
    names, values = typed.get(f"{setting.name}_name", ()), typed.get(f"{setting.name}_value", ())
    found = []
    for name, value in zip(names, values, strict=False):
        pair = {"name": storable(name).strip(), "value": storable(value).strip()}
        if not pair["name"] and pair["value"] and not setting.options:
            raise Invalid(_("A value has no name."), field=setting.name, value=pair["value"][:40])
        if pair["name"] and setting.options and pair["value"] not in {one.value for one in setting.options}:
            raise lacking(setting, pair["value"])
        if setting.takes_tokens:
            templates.require_readable(pair["value"], setting.name)
        found += [pair] if pair["name"] else []
    if len(found) > PAIRS:
        raise Invalid(_("There may be %(count)s rows.") % {"count": PAIRS}, field=setting.name)
    return found


def _hidden(setting: Setting, typed: Typed) -> Any:
    return setting.default


def _condition(setting: Setting, typed: Typed) -> Any:
    import json

    from deskhand.crm.filters.as_json import from_json

    text = _one(setting, typed).strip()
    if not text:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid(_("These filters can't be read."), field=setting.name, hint=_("Begin anew without them.")) from None  # fmt: skip
    from_json(data, setting.name)
    return data


# ── a value of a property ────────────────────────────────────────────────────────────────────────────────────────────


def is_several(prop: Property | None) -> bool:
    return prop is not None and prop.kind in (Kind.MULTI, Kind.REFS)


def _value(setting: Setting, typed: Typed) -> Any:
    """As the API writes it: ids are numbers, a choice of several is a list, a moment has its zone."""
    prop = setting.prop
    assert prop is not None
    given = [storable(value).strip() for value in typed.get(setting.name, ())]
    given = [value for value in given if value]
    known = {option.value for option in setting.options}
    for value in given:
        if known and value not in known:
            raise lacking(setting, value)
    if is_several(prop):
        return [int(value) for value in given] if prop.kind is Kind.REFS else given
    return _single(setting, prop, given[0]) if given else None


def _single(setting: Setting, prop: Property, text: str) -> Any:
    if setting.takes_tokens and templates.has_tokens(text):
        templates.require_readable(text, setting.name)
        return text
    if prop.kind is Kind.BOOL:
        return text == "true"
    if choices.is_stage(prop) or prop.kind is Kind.REF:
        if (number := whole(text)) is None:
            raise lacking(setting, text)
        return number
    if prop.kind is Kind.NUMBER:
        text = text.replace(",", ".")
    if prop.kind is Kind.DATETIME:
        text = tokens.moment_typed(text)
    try:
        found = normal(prop, text)
    except Invalid as refusal:
        raise Invalid(refusal.message, field=setting.name, value=text, hint=refusal.hint) from refusal
    return text if prop.kind is Kind.DATETIME else found


_READERS: dict[Input, Callable[[Setting, Typed], Any]] = {
    Input.TEXT: _text, Input.LONG: _text, Input.CODE: _text, Input.NUMBER: _number, Input.CHECK: _check, Input.TIME: _time, Input.CHOICE: _choice,
    Input.MANY: _many, Input.USERS: _many, Input.TEAMS: _many, Input.SPAN: _span, Input.PROPERTY: _choice, Input.VALUE: _value,
    Input.PAIRS: _pairs, Input.CONDITION: _condition, Input.HIDDEN: _hidden,
}  # fmt: skip
