"""Give a property another value, of the record or of those linked to it. Bypasses pipeline rules (R-WFA-10) but brings
close date and clocks. A status of another pipeline takes the record there in the same write (R-PIPE-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import gone, kinds, records, tokens
from deskhand.automation.actions import choices, others
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    Then,
    by_workflow,
    failed,
    foreseen,
    here,
    in_words,
    object_type_of,
    skipped,
)
from deskhand.automation.engine.loops import Touches, Write
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import objects, store, tickets
from deskhand.crm.records.checking import required_of
from deskhand.crm.records.store import Change
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

SET, CLEAR, COPY, MORE, LESS, ADD, REMOVE, NOW = (
    "set", "clear", "copy", "increase", "decrease", "append", "remove", "now",
)  # fmt: skip
#: Which kinds of values a property of a kind can take over; a text takes all.
FITS: Mapping[Kind, frozenset[Kind]] = {
    Kind.NUMBER: frozenset({Kind.NUMBER, Kind.TEXT, Kind.DURATION}), Kind.DATE: frozenset({Kind.DATE, Kind.DATETIME}),
    Kind.DATETIME: frozenset({Kind.DATE, Kind.DATETIME}), Kind.ENUM: frozenset({Kind.ENUM, Kind.TEXT}), Kind.BOOL: frozenset({Kind.BOOL}),
    Kind.MULTI: frozenset({Kind.MULTI, Kind.ENUM}), Kind.REF: frozenset({Kind.REF}), Kind.REFS: frozenset({Kind.REFS}),
}  # fmt: skip
_AROUND = ("contact", "company")


class SetProperty(Action):
    kind = "set_property"
    label = gettext_lazy("Set property")
    about = gettext_lazy("Give a property a value, copy one, count up, or clear it.")
    icon, tone, group = "sliders-horizontal", "violet", Group.RECORD
    changes = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        kind = others.kind_of(around.object_type, settings)
        first = (
            here(around),
            *others.settings_for(around, settings),
            Setting("property", _("Property"), Input.PROPERTY, required=True, options=choices.properties(choices.settable(kind)), redraws=True),
        )  # fmt: skip
        prop = properties_of(kind).get(str(settings.get("property") or ""))
        if prop is None or not choices.is_settable(prop):
            return first
        ways = _ways(kind, prop)
        how = Setting("how", _("What to do"), Input.CHOICE, options=ways, default=SET, redraws=True)
        chosen = str(settings.get("how") or SET)
        return (*first, *([how] if len(ways) > 1 else []), *_details(around, kind, prop, chosen))

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not settings.get("property"):
            return [("property", _("Choose a property."))]
        return super().problems(settings) if "object_type" in settings else []

    def summary(self, settings: Mapping[str, Any]) -> str:
        kind = others.kind_of(object_type_of(settings), settings)
        prop = properties_of(kind).get(str(settings.get("property")))
        if prop is None:
            return str(settings.get("property") or "")
        said = _said(kind, prop, settings)
        if settings.get("on") in (None, "", others.ITSELF):
            return said
        return f"{others.said(object_type_of(settings), kind, settings)} – {said}"

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return settings.get("how") == COPY or super().meets(settings)

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        kind, value = others.kind_of(object_type, settings), settings.get("value")
        is_open = (
            settings.get("how") not in (None, "", SET)
            or isinstance(value, list | dict)
            or tokens.are_in(settings)
        )
        written = None if is_open or value is None else str(value)
        return Touches(writes=frozenset({Write(kind, str(settings.get("property") or ""), written)}))

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        one = _Round([doing])
        if not one.is_itself:
            return Done(), {}
        try:
            values = one.wanted(doing, doing.record)
        except Invalid as refusal:
            return failed(refusal.message), {}
        writes = foreseen(doing, values)
        return Done(message="" if writes else _("It had this value already.")), writes

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set of changes per workflow and kind: it acts in its own name, on a record at most once at a time."""
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            for group in _by_target(part):
                answers |= _Round(group).answers()
        return [answers[doing.enrollment_id] for doing in batch]


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ways(kind: str, prop: Property) -> tuple[Option, ...]:
    """What can be done to a property of this kind."""
    found = [Option(SET, _("Set it to a value"))]
    if choices.is_stage(prop):
        return tuple(found)
    if prop.kind in (Kind.MULTI, Kind.REFS):
        found += [Option(ADD, _("Add values to it")), Option(REMOVE, _("Take values out of it"))]
    if prop.kind is Kind.NUMBER:
        found += [Option(MORE, _("Increase it")), Option(LESS, _("Decrease it"))]
    if prop.kind in (Kind.DATE, Kind.DATETIME):
        found += [Option(NOW, _("Set it to the time when the step runs"))]
    found += [Option(COPY, _("Copy another property into it"))]
    return tuple(found) if prop.name in required_of(kind) else (*found, Option(CLEAR, _("Clear it")))


def _details(around: Around, kind: str, prop: Property, how: str) -> tuple[Setting, ...]:
    match how:
        case "clear":
            return ()
        case "copy":
            return (
                Setting(
                    "from", _("Copy from"), Input.PROPERTY, required=True, options=_sources(around, prop)
                ),
            )
        case "increase" | "decrease":
            return (Setting("value", _("By how much"), Input.VALUE, prop=prop, required=True, default="1"),)
        case "now":
            ways = (Option("after", _("later")), Option("before", _("earlier")))
            return (
                Setting("span", _("Moved by"), Input.SPAN, help=_("Empty: that very moment.")),
                Setting("direction", _("Direction"), Input.CHOICE, options=ways, default="after"),
            )
    # Emptying it is a choice of its own, so that nobody does it by leaving a field out.
    return (choices.value_setting(around, kind, prop, required=True),)


def _sources(around: Around, prop: Property) -> tuple[Option, ...]:
    """Properties of the record and of who is around it, and what earlier steps told, whose values fit."""
    found: list[Option] = []
    for kind in dict.fromkeys((around.object_type, *_AROUND)):
        group = kinds.label(kind)
        found += (
            Option(f"{kind}.{other.name}", _(other.label), group)
            for other in choices.readable(kind)
            if fits(prop, other)
            and (not other.is_computed if kind != around.object_type else other.name != prop.name)
        )
    told = (Option(f"step_{step}.{name}", label, _("Earlier steps")) for step, name, label in around.outputs)
    return (*found, *told)


def fits(target: Property, source: Property) -> bool:
    """Whether a value of `source` can stand in `target` (the table of §11, "Copy property value")."""
    if target.kind is Kind.TEXT:
        return True
    if source.kind not in FITS.get(target.kind, ()):
        return False
    if target.kind is Kind.REF:
        return source.is_user
    return target.kind is not Kind.REFS or source.name == target.name


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _said(kind: str, prop: Property, settings: Mapping[str, Any]) -> str:
    names = {"property": _(prop.label), "value": choices.spoken(kind, prop, settings.get("value"))}
    match str(settings.get("how") or SET):
        case "copy":
            return _("%(property)s: copied from %(source)s") % (names | {"source": _source_label(settings)})
        case "increase":
            return _("Add %(value)s to %(property)s") % names
        case "decrease":
            return _("Take %(value)s off %(property)s") % names
        case "append":
            return _("%(property)s: add %(value)s") % names
        case "remove":
            return _("%(property)s: take out %(value)s") % names
        case "now":
            return _("%(property)s: when the step runs") % names
        case "set" if settings.get("value") not in (None, "", []):
            return _("%(property)s: %(value)s") % names
    return _("Clear %(property)s") % names


def _source_label(settings: Mapping[str, Any]) -> str:
    kind, _dot, name = str(settings.get("from") or "").partition(".")
    prop = properties_of(kind).get(name) if kinds.is_known(kind) else None
    if prop is None:
        return name
    if kind == object_type_of(settings):
        return _(prop.label)
    return _("%(kind)s: %(property)s") % {"kind": kinds.label(kind), "property": _(prop.label)}


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_target(part: Sequence[Doing]) -> list[list[Doing]]:
    """Those that change one kind of record in the same way of finding it."""
    groups: dict[tuple[str, str, int | None], list[Doing]] = {}
    for doing in part:
        kind, which = others.kind_of(doing.object_type, doing.settings), str(doing.settings.get("which") or "all")  # fmt: skip
        key = kind, which, others.label_of(doing.settings)
        groups.setdefault(key, []).append(doing)
    return list(groups.values())


#: A step as its settings are: its workflow, the revision, its id.
_Step = tuple[int, int, str]


def _step(doing: Doing) -> _Step:
    return doing.workflow_id, doing.revision, doing.step_id


@dataclass
class _Round:
    """What several runs do to records of one kind, in one set of changes. What two of them do to one record adds up."""

    batch: Sequence[Doing]
    values: dict[int, dict[str, Any]] = field(default_factory=dict)  # of each record that changes, by column
    # What is the same for all who are at one step is worked out once.
    known: dict[_Step, Mapping[str, Any]] = field(default_factory=dict)
    fixed: dict[_Step, bool] = field(default_factory=dict)
    said: dict[_Step, Done] = field(default_factory=dict)
    refused: dict[int, Invalid] = field(default_factory=dict)  # records whose value is another's

    def answers(self) -> dict[int, Done]:
        refused: dict[int, Done] = {}
        causes: dict[int, Doing] = {}
        for doing in self.batch:
            ids = self.targets[doing.record_id]
            if not ids:
                refused[doing.enrollment_id] = skipped(_("No %(kind)s is linked.") % {"kind": kinds.label(self.kind)})  # fmt: skip
                continue
            try:
                wanted = {record_id: self.wanted(doing, self.rows[record_id]) for record_id in ids}
            except Invalid as refusal:
                refused[doing.enrollment_id] = failed(refusal.message)
                continue
            for record_id, values in wanted.items():
                self.values.setdefault(record_id, {}).update(values)
                causes[record_id] = doing
        changed = self._write(causes)
        return refused | {
            doing.enrollment_id: self._answer(doing, changed)
            for doing in self.batch
            if doing.enrollment_id not in refused
        }

    @cached_property
    def kind(self) -> str:
        return others.kind_of(self.batch[0].object_type, self.batch[0].settings)

    @property
    def is_itself(self) -> bool:
        return self.batch[0].settings.get("on") in (None, "", others.ITSELF)

    @cached_property
    def rows(self) -> Mapping[int, Mapping[str, Any]]:
        """The records that are to change, as they stand; linked ones are held."""
        if self.is_itself:
            return {doing.record_id: doing.record for doing in self.batch}
        return records.load(self.kind, [pk for ids in self.linked.values() for pk in ids], lock=True)

    @cached_property
    def linked(self) -> dict[int, list[int]]:
        first = self.batch[0].settings
        label = others.label_of(first)
        return others.of(self.batch, self.kind, only_first=first.get("which") == "first", label=label)

    @cached_property
    def targets(self) -> dict[int, list[int]]:
        """{record at the step: those to change}, without what is gone."""
        if self.is_itself:
            return {doing.record_id: [doing.record_id] for doing in self.batch}
        return {pk: [one for one in ids if one in self.rows] for pk, ids in self.linked.items()}

    def wanted(self, doing: Doing, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values by column. A value that is the same for all is checked once. Raises Invalid."""
        key = _step(doing)
        if key not in self.fixed:
            is_plain = doing.settings.get("how") in (None, "", SET, CLEAR)
            self.fixed[key] = is_plain and not tokens.are_in(doing.settings)
        if not self.fixed[key]:
            return self._checked(doing, row)
        if key not in self.known:
            self.known[key] = self._checked(doing, row)
        return self.known[key]

    def _checked(self, doing: Doing, row: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(doing.settings["property"])
        prop = properties_of(self.kind).get(name)
        value = self._value(doing, prop, row) if prop else doing.settings.get("value")
        gone.refuse(self.kind, name, value)
        values = tickets.checked(self.kind, {name: value})
        if self.kind not in kinds.LABELS:
            values = objects.named(self.kind, values)
        if values.get("stage_id"):
            pipelines_of(self.kind).of_stage(values["stage_id"])
        if values.get("owner_id") and values["owner_id"] not in self.seats:
            raise Invalid(_("This person has no seat or is not active any more."))  # R-WFA-9
        return values

    @cached_property
    def seats(self) -> set[int]:
        return choices.seats(current_account_id())

    def _now(self, row: Mapping[str, Any], prop: Property) -> Any:
        """What stands there, with what this round does already."""
        waiting = self.values.get(row["id"], {})
        key = prop.column or prop.name
        return waiting[key] if key in waiting else tokens.stored(row, prop)

    def _value(self, doing: Doing, prop: Property, row: Mapping[str, Any]) -> Any:
        value = doing.settings.get("value")
        match str(doing.settings.get("how") or SET):
            case "clear":
                return None
            case "copy":
                return _copied(doing, prop)
            case "increase":
                return _number(self._now(row, prop)) + _number(value)
            case "decrease":
                return _number(self._now(row, prop)) - _number(value)
            case "append":
                return list(dict.fromkeys([*(self._now(row, prop) or ()), *(value or ())]))
            case "remove":
                return [one for one in self._now(row, prop) or () if one not in (value or ())]
            case "now":
                return _moment(doing, prop)
        return doing.fill(value) if isinstance(value, str) else value

    def _write(self, causes: Mapping[int, Doing]) -> set[int]:
        """Ids of those that really changed."""
        first = self.batch[0]
        changes = [
            Change(record_id, values, cause=causes[record_id].cause, depth=causes[record_id].depth + 1)
            for record_id, values in self.values.items()
        ]
        done = store.change_many(self.kind, changes, by=first.by, at=first.now, refused=self.refused)
        return {applied.record_id for applied in done if applied.changes}

    def _answer(self, doing: Doing, changed: set[int]) -> Done:
        why = next((self.refused[pk] for pk in self.targets[doing.record_id] if pk in self.refused), None)
        if why is not None:
            return failed(f"{why.message} {why.hint}")
        if changed.isdisjoint(self.targets[doing.record_id]):
            return Done(message=_("It had this value already."))
        key = _step(doing)
        if key not in self.said:
            self.said[key] = Done(message=in_words(SetProperty(), doing.settings, doing.object_type))
        return self.said[key]


def _number(value: Any) -> Decimal:
    """An empty one counts as 0. Raises Invalid."""
    try:
        return Decimal(str(value or 0))
    except InvalidOperation:
        raise Invalid(_("“%(value)s” is not a number.") % {"value": str(value)[:40]}) from None


def _moment(doing: Doing, prop: Property) -> Any:
    span = timedelta(minutes=int(doing.settings.get("span") or 0))
    at = doing.now - span if doing.settings.get("direction") == "before" else doing.now + span
    return at.astimezone(zone_named(tokens.zone())).date().isoformat() if prop.kind is Kind.DATE else at


def _copied(doing: Doing, target: Property) -> Any:
    """The value of another property as it can stand here. Raises Invalid where it can't."""
    word, _dot, name = str(doing.settings.get("from") or "").partition(".")
    if word.startswith("step_"):
        told = doing.outputs.get(word.removeprefix("step_")) or {}
        return told.get(name)
    record = doing.record if word == doing.object_type else doing.record.get(word) or {}
    prop = properties_of(word).get(name) if kinds.is_known(word) else None
    if prop is None or not fits(target, prop):
        raise Invalid(_("The property to copy from does not exist any more, or does not fit."))
    value = tokens.stored(record, prop)
    if target.kind is Kind.TEXT and prop.kind is not Kind.TEXT:
        return str(tokens.in_words(word, prop, value))
    if target.kind is Kind.DATE and prop.kind is Kind.DATETIME and value:
        return value.astimezone(zone_named(tokens.zone())).date().isoformat() if hasattr(value, "astimezone") else str(value)[:10]  # fmt: skip
    if target.kind is Kind.DATETIME and prop.kind is Kind.DATE and value:
        return tokens.moment_typed(f"{str(value)[:10]}T00:00:00")
    return [value] if target.kind is Kind.MULTI and prop.kind is Kind.ENUM and value else value
