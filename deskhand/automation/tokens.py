"""Tokens: what texts may name of a record, of who is around it and of earlier steps, and what stands in their place.

A token is `{{ ticket.subject }}`; `{{ contact.first_name | default: 'there' }}` says what stands there when it is empty.
Unknown ones are empty and never show their braces (R-MAIL-11). Values are in people's words: labels, local dates, names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from babel.dates import format_date, format_time
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, User
from deskhand.automation import kinds
from deskhand.automation.records import Row
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema import durations, object_types
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.locales import of_reader
from deskhand.kernel.text import storable

OWNER = "hubspot_owner_id"
#: Short names for what is used most, beside the names of the API.
SHORT = {
    "ticket": {
        "number": "hs_ticket_id", "subject": "subject", "status": "hs_pipeline_stage", "pipeline": "hs_pipeline",
        "priority": "hs_ticket_priority", "category": "hs_ticket_category",
    },
    "contact": {"first_name": "firstname", "last_name": "lastname", "email": "email"},
    "company": {"name": "name", "domain": "domain"},
    "deal": {"name": "dealname", "stage": "dealstage"},
    "project": {"name": "hs_name", "stage": "hs_pipeline_stage"},
}  # fmt: skip
#: Who stands around a record of any kind.
_AROUND = ("contact", "company")
_TECHNICAL = re.compile(
    r"hs_(object_source|external|unique|merged|was_imported|form_|copied|all_|num_|helpdesk|latest|is_latest|originating|in_helpdesk)"
    r"|source_ref|source_thread_id|hs_created_by|hs_updated_by|hs_is_visible|hs_inbox_id|notes_|num_|hs_conversations|is_spam"
)
_BRACES = re.compile(r"\{[{%]")


def has_tokens(source: object) -> bool:
    return bool(_BRACES.search(str(source or "")))


def are_in(settings: object) -> bool:
    """Whether any text in these settings names something."""
    if isinstance(settings, Mapping):
        return any(are_in(one) for one in settings.values())
    if isinstance(settings, list | tuple):
        return any(are_in(one) for one in settings)
    return isinstance(settings, str) and has_tokens(settings)


# ── what may be named ────────────────────────────────────────────────────────────────────────────────────────────────


def word_of(object_type: str) -> str:
    """What a record of this kind is called in tokens: "ticket", or the name of the account's own kind."""
    own = None if object_type in BUILT_IN else object_types.all_of_them().get(object_type)
    return own.name if own else object_type


def offered(object_type: str) -> dict[str, str]:
    """{name: what people call it}: first those used most, then the rest of each kind by label. Made once per transaction."""
    notes, key = current_scope().notes, f"automation.tokens.{object_type}.{get_language()}"
    if key not in notes:
        notes[key] = _offered(object_type)
    return notes[key]  # type: ignore[return-value]


def offered_of_any() -> dict[str, str]:
    """For texts that are not made for one kind: what may be named of a ticket, and then of every other kind of record."""
    found = dict(offered("ticket"))
    for kind in object_types.every():
        if kind not in ("ticket", *_AROUND):
            word = f"{word_of(kind)}."
            own = {name: label for name, label in offered(kind).items() if name.startswith(word)}
            found |= {name: _label(kind, label, True) for name, label in own.items()}
    return found


def _offered(object_type: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in dict.fromkeys((object_type, *_AROUND)):
        is_other = kind != object_type
        word = word_of(kind)
        found |= {f"{word}.{name}": label for name, label in _short_labels(kind, is_other).items()}
        short = set(SHORT.get(kind, {}).values())
        for prop in sorted(everything(kind), key=lambda one: _(one.label).casefold()):
            if prop.name not in short and is_common(prop):
                found[f"{word}.{prop.name}"] = _label(kind, _(prop.label), is_other)
    found |= {"owner.name": _("Owner"), "owner.email": _("Email of the owner")}
    return found | ({"channel.name": _("Name of your channel")} if object_type == "ticket" else {})


def _short_labels(kind: str, is_other: bool) -> dict[str, str]:
    known = properties_of(kind)
    own = {"number": _("Number of the ticket")} if kind == "ticket" else {}
    own |= {"name": _("Name of the contact"), "email": _("Email of the contact")} if kind == "contact" else {}
    own |= {"name": _("Company")} if kind == "company" else {}
    names = dict(SHORT.get(kind, {}))
    if kind == "contact":
        names = {"name": "", **names}
    return {name: own.get(name) or _(known[prop].label) for name, prop in names.items()}


def _label(kind: str, label: str, is_other: bool) -> str:
    return _("%(kind)s: %(property)s") % {"kind": kinds.label(kind), "property": label} if is_other else label


def is_common(prop: Property) -> bool:
    """Whether people name it; the others are for machines."""
    if prop.kind is Kind.REFS or (prop.kind is Kind.REF and prop.name != OWNER):
        return False
    if _TECHNICAL.match(prop.name):
        return False
    return bool(prop.column) or prop.is_custom or prop.is_computed or not prop.read_only


# ── what stands in their place ───────────────────────────────────────────────────────────────────────────────────────


def values(
    record: Mapping[str, Any], outputs: Mapping[str, Any] | None = None, *, as_stored: bool = False
) -> dict[str, Any]:
    """Everything that may be named for a record; values are worked out when they are asked for.

    `outputs` are {step id: {name: value}} of the steps before. `as_stored` writes dates as the API does.
    """
    object_type = str(getattr(record, "object_type", "ticket"))
    itself = Named(object_type, record, as_stored)
    around = {kind: Named(kind, record.get(kind) or {}, as_stored) for kind in _AROUND}
    owner = record.get("owner") or {}
    told = {
        f"step_{step}": dict(named) for step, named in (outputs or {}).items() if isinstance(named, Mapping)
    }
    return {
        **around, "owner": {"name": owner.get("name", ""), "email": owner.get("email", "")}, "channel": record.get("channel") or {},
        "record": itself, word_of(object_type): itself, **told,
    }  # fmt: skip


class Named(Mapping[str, Any]):
    """A record by the short names and the property names of its kind, in people's words."""

    def __init__(self, object_type: str, record: Mapping[str, Any], as_stored: bool = False) -> None:
        self.object_type, self.record, self.as_stored = object_type, record, as_stored

    def __getitem__(self, name: str) -> Any:
        wanted = SHORT.get(self.object_type, {}).get(name, name)
        prop = _built_in(self.object_type).get(wanted) or properties_of(self.object_type).get(wanted)
        if prop is not None:
            value = stored(self.record, prop)
            if self.as_stored and prop.kind is Kind.DURATION:
                return "" if value is None else value
            found = in_words(self.object_type, prop, value)
            return found.isoformat() if self.as_stored and isinstance(found, date) else found
        if name in ("name", "id"):
            return self.record.get(name, "")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(properties_of(self.object_type))

    def __len__(self) -> int:
        return len(properties_of(self.object_type))


def names_of(values: Mapping[str, Any]) -> list[str]:
    """All that may be asked of what a token names."""
    if not isinstance(values, Named):
        return list(values)
    kind = values.object_type
    return [*dict.fromkeys((*SHORT.get(kind, ()), *_built_in(kind), *properties_of(kind), "name", "id"))]


@cache
def _built_in(object_type: str) -> dict[str, Property]:
    return {prop.name: prop for prop in BUILT_IN.get(object_type, BUILT_IN["custom"])}


def stored(record: Mapping[str, Any], prop: Property) -> Any:
    """A property's value as it is stored; None for what the record was not loaded with."""
    if prop.is_computed:
        return record.computed(prop) if isinstance(record, Row) else None
    if not prop.column:
        return _properties(record).get(prop.name)
    try:
        return record[prop.column]
    except KeyError:
        return None


def _properties(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("properties") or {}
    return sql.loads(found) if isinstance(found, str) else found


def in_words(object_type: str, prop: Property, value: Any) -> Any:
    """A stored value as people read it; numbers stay numbers, and dates can be formatted anew."""
    if value is None or value == "" or value == []:
        return ""
    if prop.is_place:
        return _place(object_type, prop.column, value)
    if prop.kind is Kind.BOOL:
        return _("Yes") if value else _("No")
    if prop.kind in (Kind.ENUM, Kind.MULTI):
        labels = {one.value: _(one.label) for one in prop.options}
        given = value if isinstance(value, list) else [value]
        return ", ".join(labels.get(str(one), str(one)) for one in given)
    if prop.kind is Kind.DATETIME:
        return _Moment.of(value)
    if prop.kind is Kind.DATE:
        return _Day.of(value)
    if prop.kind is Kind.DURATION:
        return durations.words(int(value))
    if prop.is_user:
        return User.objects.filter(pk=value, memberships__account_id=current_account_id()).values_list("name", flat=True).first() or ""  # fmt: skip
    return value


def _place(object_type: str, column: str, value: Any) -> str:
    for pipeline in pipelines_of(object_type).pipelines:
        if column == "pipeline_id" and pipeline.id == value:
            return _(pipeline.label)
        stage = pipeline.stage(value) if column == "stage_id" else None
        if stage is not None:
            return _(stage.label)
    return ""


def moment_of(value: Any, zone: str) -> datetime:
    """A moment that shows itself as people in this zone read it."""
    return _Moment.of(value, zone)


def day_of(value: Any) -> date:
    """A day that shows itself as people read it."""
    return _Day.of(value)


class _Moment(datetime):
    """Shows itself as people of the account read a moment."""

    @classmethod
    def of(cls, value: Any, in_zone: str = "") -> datetime:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone_named(in_zone or zone()))
        return cls(at.year, at.month, at.day, at.hour, at.minute, at.second, tzinfo=at.tzinfo)

    def __str__(self) -> str:
        return f"{_written(self.date())}, {format_time(self, 'short', locale=_language())}"


class _Day(date):
    """Shows itself as people of the account read a day."""

    @classmethod
    def of(cls, value: Any) -> date:
        day = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
        return cls(day.year, day.month, day.day)

    def __str__(self) -> str:
        return _written(self)


def _written(day: date) -> str:
    """With the name of its month, in the language that the text is in, as the quotes of older mails write it."""
    return format_date(day, "medium", locale=_language())


def _language() -> str:
    return of_reader()


def zone() -> str:
    """The zone of the open account. Read once per transaction."""
    notes = current_scope().notes
    if "automation.zone" not in notes:
        notes["automation.zone"] = Account.objects.values_list("zone", flat=True).get(pk=current_account_id())
    return str(notes["automation.zone"])


def moment_typed(text: str) -> str:
    """A moment as it was typed, with the account's zone where it has none; what can't be read stays as it is."""
    try:
        at = datetime.fromisoformat(storable(text))
    except ValueError:
        return text
    return at.isoformat() if at.tzinfo else at.replace(tzinfo=zone_named(zone())).isoformat()
