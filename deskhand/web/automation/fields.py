"""The form of any action, ready to draw. Who shows one needs five lines:

    around = reading.around(object_type, pipeline_id, outputs)          # automation/actions/reading.py
    typed = reading.settings_typed(action, around, settings)            # or what came by POST, {name: [values]}
    form = reading.form_of(action, around, typed)
    fields = fields_of(form, typed, around)                             # or with_refusal(fields, refusal)
    settings = reading.read(form, typed)                                # raises Invalid that names the field

`templates/automation/fields.html` draws them: `{{ form_fields(fields) }}` inside a form. A field on which others depend
posts the form with "redraw" (its name; "redraw-box" is which box of several it was): answer with the form drawn anew from what was typed, and save nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, ChoiceGroup, gone_said
from deskhand.web.objects.tabs import sort_for
from deskhand.web.refusals import words_of

FieldKind = Literal[
    "text", "long", "code", "number", "decimal", "date", "datetime", "time", "choice", "many", "check", "span", "pairs", "fixed", "hidden"
]  # fmt: skip
IN_VIEW = 7  # boxes of a list; longer ones scroll. Short ones keep their order, as days and statuses do
_TOKEN = re.compile(r"\{\{\s*([\w.]+)\s*(?:\|[^{}]*)?\}\}")


#: How browsers help with writing some kinds.
_WRITTEN = {
    "date": {"type": "date"}, "datetime": {"type": "datetime-local"}, "time": {"type": "time"}, "number": {"inputmode": "numeric"}, "decimal": {"inputmode": "decimal"},
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One of the short inputs of a span."""

    name: str
    label: str
    value: str


@dataclass(frozen=True)
class Field:
    """One field of a form; `many` is a group of check boxes."""

    name: str
    label: str
    kind: FieldKind = "text"
    value: str = ""
    choices: tuple[Choice, ...] = ()
    help: str = ""
    error: str = ""
    detail: str = ""  # what a machine said about the error
    links: tuple[tuple[str, str], ...] = ()
    tokens: tuple[tuple[str, str], ...] = ()  # what may be put in, and its name
    groups: tuple[ChoiceGroup, ...] = ()  # of a choice whose options have headings
    parts: tuple[Part, ...] = ()  # of a span
    rows: tuple[tuple[str, str], ...] = ()  # of pairs
    redraws: bool = False  # other fields depend on it
    is_drawn_again: bool = False  # it was what changed; focus goes back to it
    box: str = ""  # of check boxes: which of them it was

    @property
    def attributes(self) -> dict[str, str]:
        """What its control says about the error and the help under it; what is wrong has focus on a new page."""
        told = [f"{kind}-{self.name}" for kind, text in (("error", self.error), ("help", self.help)) if text]
        described = {"aria-describedby": " ".join(told)} if told else {}
        described |= _WRITTEN.get(self.kind, {})
        described |= {"data-redraws": ""} if self.redraws else {}
        described |= {"data-drawn-again": "", "autofocus": ""} if self.is_drawn_again else {}
        return described | ({"aria-invalid": "true", "autofocus": ""} if self.error else {})


def fields_of(form: reading.Form, typed: Typed, around: Around) -> tuple[Field, ...]:
    """What the form asks for now, with what was typed."""
    offered = token_menu(around.tokens)
    again = next(iter(typed.get("redraw", ())), "")
    box = next(iter(typed.get("redraw-box", ())), "")
    fields = (_field(setting, typed, offered, again) for setting in reading.shown(form, typed))
    return tuple(replace(one, box=box) if one.is_drawn_again else one for one in fields)


def token_menu(tokens: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """As they are put into a text, with what people call them."""
    return tuple(("{{ " + name + " }}", label) for name, label in tokens.items())


def with_refusal(found: Sequence[Field], refusal: Invalid) -> tuple[Field, ...]:
    """Put a refusal under its field; under the first one when it names none of them."""
    names = [one.name for one in found if one.kind != "hidden"]
    name = refusal.field if refusal.field in names else names[0] if names else ""
    text, detail = said(refusal)
    return tuple(replace(one, error=text, detail=detail) if one.name == name else one for one in found)


def said(refusal: Invalid) -> tuple[str, str]:
    """What is wrong in words, and what a machine said about it."""
    from liquid.exceptions import LiquidError  # late: large, and refusals are rare

    cause = refusal.__cause__
    while cause is not None and not isinstance(cause, LiquidError):
        cause = cause.__cause__
    if cause is None:
        return words_of(refusal), ""
    text = _("A token in the text can't be read. Tokens look like {{ ticket.number }}.")
    return text, str(cause).partition("\n")[0]


def with_tokens_named(text: str, tokens: Mapping[str, str]) -> tuple[tuple[str, bool], ...]:
    """The parts of a text, `{{ contact.name | default: 'there' }}` by its name; what has none stays as it is."""
    parts = _TOKEN.split(text)
    named = (
        (tokens[part], True) if place % 2 and part in tokens else (part, False)
        for place, part in enumerate(parts)
    )
    return tuple((part, is_token) for part, is_token in named if part)


# ── one field ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _field(setting: Setting, typed: Typed, tokens: tuple[tuple[str, str], ...], again: str) -> Field:
    values = [str(value) for value in typed.get(setting.name, ())]
    value = values[0] if values else ""
    field = Field(
        setting.name, setting.label, _plain_kind(setting), value, help=setting.help, redraws=setting.redraws,
        tokens=tokens if setting.takes_tokens and setting.input is not Input.PAIRS else (),
        links=tuple((label, _address(page, of)) for label, page, of in setting.links),
        is_drawn_again=setting.redraws and again == setting.name,
    )  # fmt: skip
    # Drawn again, it may have what was chosen for another one.
    lost = () if again else _lost(setting, values)
    match setting.input:
        case Input.CHECK:
            return replace(field, choices=(Choice("1", setting.label, bool(value)),))
        case Input.SPAN:
            return replace(field, parts=_parts(setting.name, typed))
        case Input.PAIRS:
            return replace(
                field,
                rows=_rows(setting.name, typed),
                choices=tuple(Choice(one.value, one.label) for one in setting.options),
            )
        case Input.CHOICE | Input.PROPERTY | Input.MANY | Input.USERS | Input.TEAMS:
            return _with_options(field, setting, (*reading.options_of(setting), *lost), values)
        case Input.VALUE:
            return _value(field, replace(setting, options=(*setting.options, *lost)), values)
    return field


def _address(page: str, of: int | str) -> str:
    """Of a page about nothing, a thing by its id, or a kind of records."""
    key = sort_for(of).key if isinstance(of, str) else of
    return reverse(page, args=[key] if key else [])


def _lost(setting: Setting, values: Sequence[str]) -> tuple[Option, ...]:
    """What is chosen and not offered any more: it stays chosen, and whoever saves it is told so."""
    if setting.input is Input.VALUE and not setting.options:
        return ()
    known = {option.value for option in reading.options_of(setting)}
    lost = [value for value in values if value and value not in known]
    names = reading.former_names(setting) if lost else {}
    return tuple(Option(value, gone_said(names.get(value, ""), value)) for value in lost)


def _plain_kind(setting: Setting) -> FieldKind:
    by_input: dict[Input, FieldKind] = {
        Input.TEXT: "text", Input.LONG: "long", Input.CODE: "code", Input.NUMBER: "number", Input.CHECK: "check", Input.TIME: "time", Input.CHOICE: "choice",
        Input.MANY: "many", Input.USERS: "many", Input.TEAMS: "many", Input.SPAN: "span", Input.PROPERTY: "choice", Input.VALUE: "text",
        Input.PAIRS: "pairs", Input.CONDITION: "code", Input.HIDDEN: "hidden",
    }  # fmt: skip
    return by_input[setting.input]


def _value(field: Field, setting: Setting, values: list[str]) -> Field:
    """By the kind of the property whose value it is."""
    prop = setting.prop
    assert prop is not None
    if reading.is_several(prop):
        return _with_options(replace(field, kind="many"), setting, setting.options, values)
    if setting.options:
        return _with_options(replace(field, kind="choice"), setting, setting.options, values)
    match prop.kind:
        case Kind.DATE:
            return replace(field, kind="date", value=field.value[:10])
        case Kind.DATETIME:
            return replace(field, kind="datetime", value=field.value[:16])
        case Kind.NUMBER:
            return replace(field, kind="decimal")
    return field


def _with_options(field: Field, setting: Setting, options: Sequence[Option], chosen: Sequence[str]) -> Field:
    """Under their headings, if they have some. A single choice may be empty where nothing is chosen yet, or need not be;
    one of its own options may say what empty is."""
    may_be_empty = field.kind == "choice" and (not setting.required or not field.value) and setting.default is None  # fmt: skip
    if may_be_empty and all(option.value for option in options):
        empty = _("Choose one") if setting.required or setting.input is not Input.VALUE else _("No value")
        options = (Option("", empty), *options)
    is_long = len(options) > IN_VIEW or setting.input in (Input.USERS, Input.TEAMS)
    # Chosen ones first, unless the form is drawn anew as soon as one is chosen: it would jump away from who ticks it.
    if field.kind == "many" and is_long and not field.redraws and not any(one.group for one in options):
        options = sorted(options, key=lambda one: one.value not in chosen)
    groups = tuple(
        ChoiceGroup(label, tuple(Choice(one.value, one.label, one.value in chosen) for one in found))
        for label, found in groupby(options, key=lambda one: one.group)
    )
    flat = tuple(choice for group in groups for choice in group.choices)
    return replace(field, choices=flat, groups=groups if any(group.label for group in groups) else ())


def _parts(name: str, typed: Typed) -> tuple[Part, ...]:
    labels = {"days": _("Days"), "hours": _("Hours"), "minutes": _("Minutes")}
    return tuple(
        Part(f"{name}_{part}", labels[part], next(iter(typed.get(f"{name}_{part}", ())), ""))
        for part, _size in reading.SPAN_PARTS
    )


def _rows(name: str, typed: Typed) -> tuple[tuple[str, str], ...]:
    found = zip(typed.get(f"{name}_name", ()), typed.get(f"{name}_value", ()), strict=False)
    return tuple((key, value) for key, value in found if key or value)
