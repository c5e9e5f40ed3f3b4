"""One property of a ticket: its value in words, and the editor that the value turns into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import computed
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema import durations
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.segments import tag_rules
from deskhand.web import moving, times
from deskhand.web.asked import moment
from deskhand.web.choices import ChoiceGroup, all_statuses, offered, statuses, with_kept
from deskhand.web.inbox.panel_rows import Editor

PIPELINE, STATUS, OWNER, TEAMS = (
    "hs_pipeline",
    "hs_pipeline_stage",
    "hubspot_owner_id",
    "hs_assigned_team_ids",
)
LONG = {"content"}
DASH = "–"


@dataclass(frozen=True)
class People:
    """Names by id, of whoever may be an owner or a team."""

    users: Mapping[int, str]
    teams: Mapping[int, str]


def is_editable(prop: Property) -> bool:
    """References other than people and teams are set where their records are."""
    if prop.read_only or prop.is_computed:
        return False
    return prop.kind not in (Kind.REF, Kind.REFS) or prop.is_user or prop.name == TEAMS


def value_of(ticket: Ticket, prop: Property) -> Any:
    return computed.value_of(ticket, prop)


def words(prop: Property, value: Any, people: People) -> str:
    """A value as people read it; a dash for none."""
    if value in (None, "", []):
        return DASH
    if prop.name == PIPELINE:
        return next((_(p.label) for p in pipelines_of("ticket").pipelines if p.id == value), str(value))
    if prop.name == STATUS:
        stages = [stage for p in pipelines_of("ticket").pipelines for stage in p.stages]
        return next((_(stage.label) for stage in stages if stage.id == value), str(value))
    match prop.kind:
        case Kind.ENUM:
            return _label(prop, value)
        case Kind.MULTI:
            return ", ".join(_label(prop, one) for one in value)
        case Kind.BOOL:
            return _("Yes") if value else _("No")
        case Kind.DATE:
            return times.day(datetime.fromisoformat(str(value)).date())
        case Kind.DATETIME:
            return times.moment(_as_moment(value))
        case Kind.DURATION:
            return durations.words(int(value))
        case Kind.REF if prop.is_user or prop.is_of_people:
            return people.users.get(value, str(value))
        case Kind.REFS if prop.name == TEAMS:
            return ", ".join(people.teams[one] for one in value if one in people.teams) or DASH
        case Kind.REFS if prop.is_of_people:
            return ", ".join(people.users.get(one, str(one)) for one in value)
        case Kind.REFS:
            return ", ".join(map(str, value))
    return str(value)


def _label(prop: Property, value: Any) -> str:
    return next((_(one.label) for one in prop.options if one.value == value), str(value))


def _as_moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# ── while it is edited ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Typed:
    """What somebody has put into the editor and was refused, and why."""

    values: Sequence[str]
    error: str


def editor(
    viewer: Viewer, prop: Property, ticket: Ticket, people: People, names: Mapping[int, str], urls: tuple[str, str],
    typed: Typed | None = None,
) -> Editor:  # fmt: skip
    """`people` may be chosen, `names` are also of those who left; `urls` are where it is saved, and where it is left."""
    stored = value_of(ticket, prop)
    given = list(typed.values) if typed else _as_form(prop, stored)
    error = typed.error if typed else ""
    groups = _groups(viewer, prop, ticket, people, names, given)
    kind: Any = (
        "checks"
        if prop.kind in (Kind.MULTI, Kind.REFS)
        else "select"
        if groups
        else _KINDS.get(prop.kind, "text")
    )
    if prop.name in LONG:
        kind = "long"
    return Editor(kind, *urls, value=given[0] if given else "", groups=groups, error=error)


_KINDS = {
    Kind.NUMBER: "number", Kind.DURATION: "number", Kind.DATE: "date", Kind.DATETIME: "moment", Kind.TEXT: "text",
}  # fmt: skip


def _as_form(prop: Property, value: Any) -> list[str]:
    if prop.kind in (Kind.MULTI, Kind.REFS):
        return [str(one) for one in value or []]
    if value in (None, ""):
        return []
    if prop.kind is Kind.BOOL:
        return ["true" if value else "false"]
    if prop.kind is Kind.DATETIME:
        return [times.field(_as_moment(value))]
    return [str(value)]


def _groups(
    viewer: Viewer,
    prop: Property,
    ticket: Ticket,
    people: People,
    names: Mapping[int, str],
    given: Sequence[str],
) -> tuple[ChoiceGroup, ...]:
    if prop.name in (PIPELINE, STATUS):
        return _statuses(viewer, prop, ticket, given)
    if prop.is_user:
        nobody = _("No owner") if prop.name == OWNER else DASH
        users = with_kept(_named(people.users), given, _named(names))
        return _choices([("", nobody), *users.items()], given)
    if prop.name == TEAMS:
        return _choices(list(with_kept(_named(people.teams), given).items()), given)
    if prop.kind is Kind.BOOL:
        return _choices([("", DASH), ("true", _("Yes")), ("false", _("No"))], given)
    if prop.name == TAGS:  # those that follow rules are nobody's choice
        automatic = tag_rules.automatic()
        return _choices(
            [(one.value, one.label) for one in prop.offered(given) if one.value not in automatic], given
        )
    if prop.kind is Kind.MULTI:
        return _choices([(one.value, _(one.label)) for one in prop.offered(given)], given)
    if prop.kind is Kind.ENUM and prop.options:
        return _choices([("", DASH), *((one.value, _(one.label)) for one in prop.offered(given))], given)
    return ()


def _statuses(
    viewer: Viewer, prop: Property, ticket: Ticket, given: Sequence[str]
) -> tuple[ChoiceGroup, ...]:
    pipeline = pipelines_of("ticket").pipeline(ticket.pipeline_id)
    reasons = moving.reasons(viewer, pipeline, ticket.stage_id)
    if prop.name == STATUS:
        return (ChoiceGroup("", statuses(pipeline, *given, reasons=reasons)),)
    chosen = [str(ticket.stage_id)] if given == [str(ticket.pipeline_id)] else given
    return all_statuses(*chosen, reasons=reasons)


def _named(names: Mapping[int, str]) -> dict[str, str]:
    return {str(pk): name for pk, name in names.items()}


def _choices(pairs: Sequence[tuple[str, str]], given: Sequence[str]) -> tuple[ChoiceGroup, ...]:
    return (ChoiceGroup("", offered(pairs, *given)),)


def read(prop: Property, form: QueryDict) -> Any:
    """What the editor was filled with, as the schema takes it. Raises Invalid for a moment that is none."""
    if prop.kind in (Kind.MULTI, Kind.REFS):
        return form.getlist("value")
    text = form.get("value", "").replace("\r\n", "\n")
    if prop.kind is Kind.DATETIME and text:
        return moment(text, prop.name)
    return text
