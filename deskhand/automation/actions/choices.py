"""What the forms of actions offer to choose from: people, teams, properties and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import queries as accounts
from deskhand.automation import secrets
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import task_queues as queues
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.segments import tag_rules
from deskhand.kernel.database.scope import current_account_id

OWNER, TEAMS = "hubspot_owner_id", "hs_assigned_team_ids"
_WRITABLE = frozenset({Kind.TEXT, Kind.NUMBER, Kind.DATE, Kind.DATETIME, Kind.BOOL, Kind.ENUM, Kind.MULTI})


def options(pairs: Iterable[tuple[Any, str]], group: str = "") -> tuple[Option, ...]:
    return tuple(Option(str(value), label, group) for value, label in pairs)


def named(values: Iterable[Any], among: Callable[[], Iterable[Option]]) -> list[str]:
    """What these values are called, "#7" for who is not there; where there are none, nothing is asked."""
    chosen = [str(value) for value in values]
    labels = {one.value: one.label for one in among()} if chosen else {}
    return [labels.get(value, f"#{value}") for value in chosen]


@once
def secret_names(account_id: int) -> tuple[Option, ...]:
    return tuple(Option(one.name, one.name) for one in secrets.known(account_id))


@once
def people(*, with_seat: bool = False) -> tuple[Option, ...]:
    """Active members of the account by name."""
    find = accounts.seated_members if with_seat else accounts.members
    return tuple(Option(str(one.user_id), one.name) for one in find(current_account_id()))


@once
def task_queues() -> tuple[Option, ...]:
    return options((queue.pk, queue.name) for queue in queues.queues())


@once
def everybody() -> tuple[Option, ...]:
    """By name, also those who left."""
    found = accounts.members(current_account_id(), active_only=False)
    return tuple(Option(str(one.user_id), one.name) for one in found)


@once
def teams(*, with_seat: bool = False) -> tuple[Option, ...]:
    """Teams by name; `with_seat` those that have somebody who can be given records (R-ROT-5)."""
    found = accounts.teams(current_account_id())
    return tuple(Option(str(one.id), one.name) for one in found if one.seated_user_ids or not with_seat)


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


def is_stage(prop: Property) -> bool:
    return prop.column == "stage_id"


def is_settable(prop: Property) -> bool:
    """Whether an action may write it. A pipeline is chosen by one of its statuses (R-PIPE-11), and an
    address belongs to one contact only."""
    if prop.read_only or prop.is_computed or prop.column == "pipeline_id" or prop.column == "email":
        return False
    return prop.kind in _WRITABLE or prop.is_user or prop.name == TEAMS


def settable(object_type: str) -> list[Property]:
    """Properties that an action may write, by label."""
    return sorted(
        (prop for prop in properties_of(object_type).values() if is_settable(prop)),
        key=lambda prop: _(prop.label).casefold(),
    )


def readable(object_type: str) -> list[Property]:
    """Properties that have a value to read, by label."""
    return sorted(everything(object_type), key=lambda prop: _(prop.label).casefold())


def properties(found: Iterable[Property], group: str = "") -> tuple[Option, ...]:
    return tuple(Option(prop.name, _(prop.label), group) for prop in found)


@once
def seats(account_id: int) -> set[int]:
    """Who can own records."""
    return accounts.can_own(account_id)


@once
def working(account_id: int) -> set[int]:
    """Who works here: who may be given a task, with a seat or without."""
    return {one.user_id for one in accounts.members(account_id)}


def values(object_type: str, prop: Property, pipeline_id: int | None = None) -> tuple[Option, ...]:
    """The values of a property to choose from; none where one writes. The pipeline's own statuses come first."""
    if is_stage(prop):
        return _stages(object_type, pipeline_id)
    if prop.is_user:
        return people(with_seat=prop.name == OWNER)
    if prop.name == TEAMS:
        return teams()
    if prop.kind is Kind.BOOL:
        return options([("true", _("Yes")), ("false", _("No"))])
    automatic = tag_rules.automatic() if (object_type, prop.name) == ("ticket", TAGS) else ()
    return tuple(Option(one.value, _(one.label)) for one in prop.offered() if one.value not in automatic)


def _stages(object_type: str, pipeline_id: int | None) -> tuple[Option, ...]:
    found = sorted(pipelines_of(object_type).pipelines, key=lambda one: one.id != pipeline_id)
    return tuple(
        Option(str(stage.id), _(stage.label), _(one.label) if len(found) > 1 else "")
        for one in found
        for stage in one.stages
    )


def value_setting(
    around: Around, object_type: str, prop: Property, name: str = "value", **more: Any
) -> Setting:
    """The field for a value of this property."""
    return Setting(
        name, more.pop("label", "") or _("Value"), Input.VALUE, prop=prop,
        options=values(object_type, prop, around.pipeline_id), takes_tokens=prop.kind is Kind.TEXT, **more,
    )  # fmt: skip


def spoken(object_type: str, prop: Property, value: Any) -> str:
    """A value in people's words."""
    if value in (None, "", []):
        return _("no value")
    labels: dict[str, str] = {}
    if _is_chosen(prop):
        labels = {one.value: _(one.label) for one in prop.options}  # those nobody can choose any more, too
        labels |= {one.value: one.label for one in values(object_type, prop)}
    given = value if isinstance(value, list) else [value]
    if prop.kind is Kind.BOOL:
        given = [str(one).lower() for one in given]
    return ", ".join(labels.get(str(one), str(one)) for one in given)


def _is_chosen(prop: Property) -> bool:
    return prop.kind in (Kind.ENUM, Kind.MULTI, Kind.BOOL, Kind.REF, Kind.REFS)
