"""What a configuration would change in the open account, and changing it: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deskhand.accounts.models import Account
from deskhand.config.document import Document, exact
from deskhand.config.names import Names
from deskhand.config.sections.association_labels import AssociationLabels
from deskhand.config.sections.capacity import Effort, Limits
from deskhand.config.sections.integrations import Integrations
from deskhand.config.sections.mails import Mails
from deskhand.config.sections.object_types import ObjectTypes
from deskhand.config.sections.pipelines import Pipelines
from deskhand.config.sections.portal import CustomerPortal
from deskhand.config.sections.properties import Properties
from deskhand.config.sections.property_groups import PropertyGroups
from deskhand.config.sections.routing import Routing
from deskhand.config.sections.segments import Segments
from deskhand.config.sections.skill_rules import SkillRules
from deskhand.config.sections.skills import SkillCategories, Skills
from deskhand.config.sections.subscriptions import Subscriptions
from deskhand.config.sections.tag_rules import TagRules
from deskhand.config.sections.task_queues import TaskQueues
from deskhand.config.sections.teams import Teams
from deskhand.config.sections.types import Item, Section
from deskhand.config.sections.workflows import Workflows
from deskhand.config.stand_ins import Lacking
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope, attempt, settle
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.kernel.strict_json import Reading

#: In the order in which they are made: what is named comes before what names it.
SECTIONS: tuple[Section, ...] = (
    ObjectTypes(),
    AssociationLabels(),
    PropertyGroups(),
    Properties(),
    Teams(),
    SkillCategories(),
    Skills(),
    Pipelines(),
    Segments(),
    TagRules(),
    Subscriptions(),
    TaskQueues(),
    Mails(),
    Integrations(),
    Workflows(),
    SkillRules(),
    Routing(),
    Limits(),
    Effort(),
    CustomerPortal(),
)


class Did(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True)
class Difference:
    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    section: str
    key: str
    did: Did
    differences: tuple[Difference, ...] = ()
    effects: tuple[str, ...] = ()  # on records that are there


@dataclass
class Plan:
    changes: list[Change] = field(default_factory=list)
    #: What is there and not in the document, and stays: (section, key).
    left_alone: list[tuple[str, str]] = field(default_factory=list)
    #: What the document names and somebody must make first; while there is any, nothing can be applied.
    lacking: list[Lacking] = field(default_factory=list)


class _Rehearsed(Exception):
    """Undoes what was only tried."""


def export(account_id: int) -> Document:
    """Everything that a configuration holds."""
    with account_scope(account_id):
        names = Names()
        return {section.name: section.export(names) for section in SECTIONS}


def plan(account_id: int, given: Mapping[str, Any], *, delete: bool = False, by: Actor = SYSTEM) -> Plan:
    """What `apply` would do, found by doing it and undoing it; so whatever it would refuse is refused here,
    but for people, channels, inboxes and secrets that are not there: those are told, all at once, as `lacking`.

    Raises Invalid, naming the path, and Conflict.
    """
    found = Plan()
    try:
        with account_scope(account_id), attempt():
            found = _carry_out(account_id, given, delete, by)
            raise _Rehearsed
    except _Rehearsed:
        return found


def apply(
    account_id: int,
    given: Mapping[str, Any],
    *,
    delete: bool = False,
    seen: Plan | None = None,
    by: Actor = SYSTEM,
) -> Plan:
    """Make the account what the document says. With `delete` what it does not name in its sections goes.

    Raises what `plan` raises; Invalid while something is lacking; Conflict when that would now be another plan than
    the one `seen`.
    """
    with account_scope(account_id), attempt():
        done = _carry_out(account_id, given, delete, by)
        if done.lacking:
            first, names = done.lacking[0], ", ".join(f"{one.thing} {one.name}" for one in done.lacking)
            raise Invalid(
                f"What the document names must be there first: {names}.", field=first.path, value=first.name,
                hint="“deskhand config plan” says where each is made.",
            )  # fmt: skip
        if seen is not None and done.changes != seen.changes:
            raise Conflict(
                "The configuration was changed by somebody else meanwhile. Nothing was done; plan again."
            )
        return done


def _carry_out(account_id: int, given: Mapping[str, Any], delete: bool, by: Actor) -> Plan:
    Account.objects.select_for_update(no_key=True).get(pk=account_id)  # one at a time
    known = {section.name for section in SECTIONS}
    for name in given:
        if name not in known:
            raise Invalid(
                f"There is no section “{name}”.", field=str(name), hint="Sections: " + ", ".join(known)
            )
    done, names = Plan(), Names()
    wanted: list[tuple[Section, dict[str, Item]]] = []
    unfinished: list[tuple[Section, dict[str, Item]]] = []
    for section in SECTIONS:
        if section.name in given:
            wanted.append((section, _put(section, given[section.name], names, by, done)))
            names.forget()
            unfinished.append(wanted[-1])
        for one in [one for one in unfinished if one[0].needs in ("", section.name)]:
            unfinished.remove(one)
            one[0].finish(list(one[1].values()), names, by)
            names.forget()
    for section, items in reversed(wanted):
        _drop(section, items, names, by, done, delete)
        names.forget()
    for section, items in wanted:
        _prove(section, items, names)
    done.lacking = [Lacking(thing, name, path) for (thing, name), path in names.lacking.items()]
    settle()  # so that what listens before a commit refuses here, too
    return done


def _put(section: Section, given: Any, names: Names, by: Actor, done: Plan) -> dict[str, Item]:
    before = _exported(section, names)
    items: dict[str, Item] = {}
    for reading in Reading(given, section.name).items():
        item = section.read(reading, before, names)
        if section.key(item) in items:
            reading.refuse(f"one of its kind: “{section.key(item)}” stands there twice")
        items[section.key(item)] = item
    section.prepare(list(items.values()), before, names, by)
    for key, item in items.items():
        old = before.get(key)
        found = tuple(_differences(section, old or {}, item, names))
        if old is not None and not found:
            continue
        effects = section.effects(old, item, names) if old else []
        did = Did.CHANGE if old else Did.CREATE
        done.changes.append(Change(section.name, key, did, found, tuple(effects)))
        with _named(section, key):
            section.put(item, old, names, by)
    return items


def _drop(
    section: Section, items: Mapping[str, Item], names: Names, by: Actor, done: Plan, delete: bool
) -> None:
    for key, old in _exported(section, names).items():
        if key in items or not section.may_drop(old):
            continue
        if not delete:
            done.left_alone.append((section.name, key))
            continue
        effects = tuple(section.effects(old, None, names))
        done.changes.append(Change(section.name, key, Did.DELETE, (), effects))
        with _named(section, key):
            section.drop(old, names, by)


def _prove(section: Section, items: Mapping[str, Item], names: Names) -> None:
    """What was put must come out again as it was given; else the document would never be at rest."""
    now = _exported(section, names)
    for key, item in items.items():
        for one in _differences(section, now.get(key, {}), item, names):
            raise Invalid(
                f"{section.name} {key}: {one.path} can't be {exact(one.new)}; it would be stored as {exact(one.old)}.",
                field=f"{section.name}.{one.path}", value=one.new, hint="Write it as it is stored.",
            )  # fmt: skip


def _exported(section: Section, names: Names) -> dict[str, Item]:
    return {section.key(item): item for item in section.export(names)}


def _differences(section: Section, old: Item, new: Item, names: Names) -> Iterator[Difference]:
    said = {name: value for name, value in new.items() if name not in section.only_said}
    return differences(section.compared(old, names) if old else {}, section.compared(said, names))


@contextmanager
def _named(section: Section, key: str) -> Iterator[None]:
    """A refusal says which item it is about."""
    try:
        yield
    except Invalid as refusal:
        if str(refusal).startswith(section.name):
            raise
        place = f"{section.name}.{refusal.field}" if refusal.field else section.name
        raise Invalid(
            f"{section.name} {key}: {refusal.message}", field=place, value=refusal.value, hint=refusal.hint
        ) from refusal
    except (Conflict, Forbidden, NotFound) as refusal:
        raise Invalid(f"{section.name} {key}: {refusal}", field=section.name, value=key) from refusal


# ── differences ──────────────────────────────────────────────────────────────────────────────────────────────────────


def differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """What differs, each at its path. Items of lists that have a name are compared by it; their order counts, too."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from differences(old.get(name), new.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(old, list) and isinstance(new, list) and (name := _name_of([*old, *new])):
        olds, news = ({one[name]: one for one in side} for side in (old, new))
        for key in dict.fromkeys([*olds, *news]):
            yield from differences(olds.get(key), news.get(key), f"{path}[{key}]")
        if [key for key in olds if key in news] != [key for key in news if key in olds]:
            yield Difference(f"{path} (order)", list(olds), list(news))
    elif old != new:
        yield Difference(path, old, new)


def _name_of(items: Sequence[Any]) -> str:
    """The field that tells the items apart, if there is one."""
    for name in ("id", "name", "value", "property"):
        if items and all(isinstance(one, dict) and isinstance(one.get(name), str) for one in items):
            return name
    return ""
