"""Values of properties in words, and the controls that change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from babel import Locale, UnknownLocaleError
from django.utils import translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from deskhand.accounts import queries as people
from deskhand.accounts.models import Team
from deskhand.crm.records import computed
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.schema import durations
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.segments import tag_rules
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import plain, whole
from deskhand.web import times
from deskhand.web.asked import number
from deskhand.web.choices import Choice, colleagues, offered, with_kept
from deskhand.web.contacts.rows import Control

OWNER, COMPANY, TEAMS, LANGUAGE = (
    "hubspot_owner_id",
    "associatedcompanyid",
    "hs_assigned_team_ids",
    "hs_language",
)
AREAS = {"description", "hs_description", "address"}
NOTHING = "–"


@dataclass
class Names:
    """The names of what values point at: read once for a page."""

    users: Mapping[int, str] = field(default_factory=dict)
    companies: Mapping[int, str] = field(default_factory=dict)
    teams: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def about(
        cls, object_type: str, record: Any, changes: Iterable[Any], others: Iterable[int | None]
    ) -> Names:
        """Of what a record's values and changes of it point at, and of `others`: people whom its page names besides."""
        persons = {prop.name: prop for prop in properties_of(object_type).values() if prop.is_user}
        users: set[Any] = {*others, *(value_of(record, prop) for prop in persons.values())}
        companies: set[Any] = {getattr(record, "company_id", None)}
        teams: set[Any] = set(record.assigned_team_ids)
        for change in changes:
            users.add(change.actor_id if change.actor_kind == "user" else None)
            if change.property in persons:
                users |= {change.old, change.new}
            elif change.property == COMPANY:
                companies |= {change.old, change.new}
            elif change.property == TEAMS:
                teams.update(*(value for value in (change.old, change.new) if isinstance(value, list)))
        return cls.of(users, companies, teams)

    @classmethod
    def of(cls, users: Iterable[Any], companies: Iterable[Any], teams: Iterable[Any] = ()) -> Names:
        account_id = current_account_id()
        return cls(
            people.names_of(user for user in users if isinstance(user, int)),
            dict(
                Company.objects.filter(
                    account_id=account_id, pk__in={one for one in companies if isinstance(one, int)}
                ).values_list("pk", "name")
            ),
            dict(
                Team.objects.filter(
                    account_id=account_id, pk__in={one for one in teams if isinstance(one, int)}
                ).values_list("pk", "name")
            ),
        )


def value_of(record: Contact | Company, prop: Property) -> Any:
    return computed.value_of(record, prop)


def work_out(object_type: str, record: Any, wanted: Iterable[str], names: Names) -> None:
    """Read those of the wanted properties that are computed, once, and the names of the people in them."""
    known = properties_of(object_type)
    new = [known[name] for name in wanted if known[name].is_computed and name not in record.computed]
    if not new:
        return
    before = record.computed
    computed.attach(object_type, [record], [prop.name for prop in new])
    record.computed = {**before, **record.computed}
    people_in = {one for prop in new if prop.is_of_people for one in _several(value_of(record, prop))}
    if missing := people_in - names.users.keys():
        names.users = {**names.users, **people.names_of(missing)}


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def spoken(prop: Property | None, value: Any, names: Names) -> str:
    """A value as people read it; NOTHING for none."""
    if value in (None, "", []):
        return NOTHING
    if prop is None:
        return _plain(value)
    if prop.is_user:
        return names.users.get(value, str(value))
    if prop.name == COMPANY:
        return names.companies.get(value, NOTHING)
    if prop.name == TEAMS and isinstance(value, list):
        return ", ".join(names.teams.get(one, str(one)) for one in value)
    if prop.is_of_people:
        return ", ".join(names.users.get(one, str(one)) for one in _several(value))
    return _SPOKEN.get(prop.kind, _text)(prop, value)


def _text(prop: Property, value: Any) -> str:
    if prop.name == LANGUAGE:
        return _language(str(value))
    return _plain(value)


def _language(code: str) -> str:
    try:
        found = Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return code
    return found.get_display_name(translation.get_language() or "en") or code


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(_prop: Property, value: Any) -> str:
    return (
        str(number_format(value, force_grouping=abs(value) >= 10_000))
        if isinstance(value, int | float)
        else str(value)
    )


def _choice(prop: Property, value: Any) -> str:
    labels = {option.value: _(option.label) for option in prop.options}
    return (
        ", ".join(labels.get(one, str(one)) for one in value)
        if isinstance(value, list)
        else labels.get(value, str(value))
    )


def _day(_prop: Property, value: Any) -> str:
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        return str(value)
    return times.day(day)


def _moment(_prop: Property, value: Any) -> str:
    found = as_moment(value)
    return times.moment(found) if found else str(value)


def as_moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _span(_prop: Property, value: Any) -> str:
    return durations.words(int(value))


_SPOKEN = {
    Kind.NUMBER: _number, Kind.ENUM: _choice, Kind.MULTI: _choice, Kind.DATE: _day, Kind.DATETIME: _moment,
    Kind.DURATION: _span,
}  # fmt: skip


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_editable(prop: Property) -> bool:
    """Whether people change it here; lists without options and numbers of other records are for programs."""
    if prop.read_only or prop.is_computed:
        return False
    if prop.kind in (Kind.MULTI, Kind.REFS):
        return bool(prop.options) or prop.name == TEAMS
    return prop.is_user or prop.kind not in (Kind.REF, Kind.DURATION)


def control(
    prop: Property,
    value: Any,
    *,
    typed: Sequence[str] | None = None,
    error: str = "",
    error_url: str = "",
    error_link: str = "",
) -> Control:
    """The control of a property with what it holds, or with what was typed and refused."""
    now = list(typed) if typed is not None else _as_typed(prop, value)
    first = now[0] if now else ""
    kind, choices = "text", tuple[Choice, ...]()
    if prop.is_user:
        kind, choices = "choice", people_offered(first, _("No owner") if prop.name == OWNER else NOTHING)
    elif prop.name == TEAMS:
        kind, choices = "choices", offered(with_kept(_teams(), now), *now)
    elif prop.kind in (Kind.ENUM, Kind.MULTI) and prop.options:
        kind = "choice" if prop.kind is Kind.ENUM else "choices"
        automatic = (
            tag_rules.automatic() if prop.name == TAGS else ()
        )  # those that follow rules are nobody's choice
        choices = tuple(
            Choice(one.value, _(one.label), one.value in now)
            for one in prop.offered(now)
            if one.value not in automatic
        )
        choices = choices if kind == "choices" else (Choice("", NOTHING, not first), *choices)
    elif prop.kind is Kind.BOOL:
        kind = "choice"
        choices = (
            Choice("", NOTHING, not first), Choice("true", _("Yes"), first == "true"), Choice("false", _("No"), first == "false"),
        )  # fmt: skip
    elif prop.name in AREAS or "\n" in first:
        kind = "area"
    else:
        kind = {Kind.NUMBER: "number", Kind.DATE: "date", Kind.DATETIME: "moment"}.get(prop.kind, "text")
    return Control(kind, first, choices, error, error_url, error_link)


def _as_typed(prop: Property, value: Any) -> list[str]:
    """A value as its control holds it."""
    if value in (None, "", []):
        return []
    if isinstance(value, list):
        return [str(one) for one in value]
    if prop.kind is Kind.DATETIME and (found := as_moment(value)):
        return [times.field(found)]
    return [plain(value)]


def _teams() -> dict[str, str]:
    return {str(team.id): team.name for team in people.teams(current_account_id())}


def people_offered(current: str, nobody: str) -> tuple[Choice, ...]:
    return offered({"": nobody, **colleagues(current)}, current)


def read(object_type: str, name: str, typed: Sequence[str], kept: Any = None) -> Any:
    """What was typed for a property, as the verbs take it. Raises Invalid for what people can't change here; `kept` is what
    the record has, which it may keep though it could be chosen no more."""
    prop = properties_of(object_type).get(name)
    if prop is None or not is_editable(prop):
        raise Invalid(_("This can't be changed here."), field=name)
    first = typed[0].strip() if typed else ""
    if prop.is_user:
        return chosen_person(name, first, kept)
    if prop.name == TEAMS:
        return chosen_teams(typed, kept or ())
    if prop.kind is Kind.MULTI:
        return [one for one in typed if one]
    if prop.kind is Kind.NUMBER and first:
        return _typed_number(prop, first)
    if prop.kind is Kind.DATETIME and first:
        return _local(prop, first)
    if prop.kind is Kind.DATE and first:
        return _typed_day(prop, first)
    return first or None


def chosen_person(name: str, typed: str, kept: int | None) -> int | None:
    """Somebody who is there, or whom the field `name` had before. Raises Invalid."""
    if not typed:
        return None
    if typed == str(kept):
        return kept
    if (user_id := whole(typed)) is not None:
        member = people.find_member(current_account_id(), user_id)
        if member and member.is_active:
            return member.user_id
    raise Invalid(_("Choose somebody of this account."), field=name, value=typed[:40])


def chosen_teams(typed: Iterable[str], kept: Iterable[int]) -> list[int]:
    """Teams that there are, or that the record had before. Raises Invalid."""
    chosen = {number(one, TEAMS) for one in typed if one}
    new = chosen.difference(kept)
    if Team.objects.filter(account_id=current_account_id(), pk__in=new).count() < len(new):
        raise Invalid(_("There is no such team."), field=TEAMS, value=sorted(new))
    return sorted(chosen)


def _typed_number(prop: Property, typed: str) -> str:
    """With a decimal comma or point, and with spaces between thousands."""
    text = typed.replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    if "," in text and "." not in text:
        text = text.replace(",", ".")
    try:
        float(text)
    except ValueError:
        raise Invalid(
            _("“%(value)s” is not a number.") % {"value": typed[:40]}, field=prop.name, value=typed
        ) from None
    return text


def _typed_day(prop: Property, typed: str) -> str:
    try:
        return date.fromisoformat(typed).isoformat()
    except ValueError:
        raise Invalid(
            _("“%(value)s” is not a date. Write it as 2026-11-21.") % {"value": typed[:40]}, field=prop.name, value=typed
        ) from None  # fmt: skip


def _local(prop: Property, typed: str) -> datetime:
    """A moment as the viewer's clock shows it."""
    try:
        return times.typed(typed)
    except ValueError:
        raise Invalid(
            _("“%(value)s” is not a moment. Write it as 2026-11-21 09:30.") % {"value": typed[:40]}, field=prop.name, value=typed
        ) from None  # fmt: skip
