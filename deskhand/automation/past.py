"""Records as they were at a moment: what stands now, with the history of their properties taken back.

What the replayed workflow itself did within the replayed time counts as never done; what it would have done instead is
remembered in its place, until somebody else gave the property another value.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from deskhand.automation import records
from deskhand.automation.actions.once import once
from deskhand.automation.records import ActivityFacts, Loaded, LoadedFacts, Row, as_fact
from deskhand.crm.filters.evaluate import Fact, Facts
from deskhand.crm.records.store import event_name_of
from deskhand.crm.schema import activities
from deskhand.crm.schema.activities import CREATED, Activity
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

#: A moment in the log: the time, and the last event that had happened. What came at that time or before counts.
Cut = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class _Change:
    cut: Cut
    old: Any  # jsonb, as text
    new: Any
    is_own: bool


@dataclass(frozen=True, slots=True)
class _Would:
    """A value that the replayed workflow would have set."""

    cut: Cut
    value: Any


class Memory:
    """What the replay would have set so far, by record and property; small beside what it looks at."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, str], _Would] = {}
        self._names: dict[int, set[str]] = {}  # by record
        self.gone: set[int] = set()  # records that it would have deleted

    def note(self, record_id: int, property: str, value: Any, cut: Cut) -> None:
        self._values[record_id, property] = _Would(cut, value)
        self._names.setdefault(record_id, set()).add(property)

    def names(self, record_id: int) -> Collection[str]:
        return self._names.get(record_id, ())

    def of(self, property: str) -> Iterator[tuple[int, Any]]:
        """The records of which the property would have another value, and that."""
        return ((pk, one.value) for (pk, name), one in self._values.items() if name == property)

    @property
    def records(self) -> set[int]:
        return set(self._names)

    def get(self, record_id: int, property: str) -> _Would | None:
        return self._values.get((record_id, property))


@dataclass
class Past:
    """The records that one page of the log is about, of any kind. Two queries for each kind, however many there are.

    `since`: from when on the workflow's own changes count as never done.
    """

    workflow_id: int
    object_type: str  # of the workflow
    since: datetime
    memory: Memory
    _loaded: dict[str, Loaded] = field(default_factory=dict)
    _changes: dict[tuple[str, int], dict[str, list[_Change]]] = field(default_factory=dict)

    def read(self, object_type: str, ids: Collection[int]) -> None:
        """Those of them that were not read yet; deleted ones are left out."""
        loaded = self._loaded.setdefault(object_type, Loaded(object_type))
        missing = [pk for pk in ids if pk not in loaded]
        if not missing:
            return
        loaded.take_in(self.load(object_type, missing))
        self._read_history(object_type, [pk for pk in missing if pk in loaded])

    def load(self, object_type: str, ids: Sequence[int]) -> Loaded:
        return records.load(object_type, ids)

    def _read_history(self, object_type: str, ids: list[int]) -> None:
        if not ids:
            return
        account_id = current_account_id()
        for pk in ids:
            self._changes[object_type, pk] = {}
        for pk, name, old, new, at, event_id, is_own in sql.rows(
            _HISTORY, [self.workflow_id, self.since, account_id, object_type, ids]
        ):
            found = self._changes[object_type, pk].setdefault(name, [])
            found.append(_Change((at, event_id), old, new, is_own))

    def facts(self, object_type: str, record_id: int, cut: Cut) -> FactsThen | None:
        """None when the record is gone. Read it before."""
        row = self.all_rows(object_type).get(record_id)
        if row is None or (object_type == self.object_type and record_id in self.memory.gone):
            return None
        return FactsThen(self, object_type, row, cut)

    def row(self, object_type: str, record_id: int, cut: Cut) -> Row:
        """The record's columns as they were, and who is around it today, as they were."""
        now = self._loaded[object_type][record_id]
        if not now.among.has_all:
            now.among.read_all()
        then = Row(now, now.among)
        then["properties"] = dict(now["properties"])
        for prop, told in self._then(object_type, now, cut):
            value = _stored(as_fact(prop, told), prop.column)
            if prop.column:
                then[prop.column] = value
            else:
                then["properties"][prop.name] = value
        if now.get("contact"):
            then["contact"] = self.contact(now["contact"], cut)
        if "owner" in now and then["owner_id"] != now["owner_id"]:
            then["owner"] = people(current_account_id()).get(then["owner_id"])
        return then

    def read_people(self) -> None:
        """The history of the contacts of all records that were introduced. One query for those that were not read yet."""
        rows = self.all_rows(self.object_type).values()
        self.read_contacts([row["contact"]["id"] for row in rows if row.get("contact")])

    def read_contacts(self, ids: Iterable[int]) -> None:
        self._read_history("contact", sorted({pk for pk in ids if ("contact", pk) not in self._changes}))

    def contact(self, now: Mapping[str, Any], cut: Cut) -> Mapping[str, Any]:
        """A contact, as actions meet it, as it was."""
        names = self._changes.get(("contact", now["id"]), {})
        then = dict(now)
        if now["bounced_at"] is not None and now["bounced_at"] > cut[0]:
            then["bounced_at"] = None
        if not self._told_of("contact", now["id"]):
            return then
        properties = sql.loads(now["properties"])
        row = {**now, "properties": properties}
        kept = dict(properties)
        for prop, told in self._then("contact", row, cut):
            if not prop.column:
                kept[prop.name] = told
            elif prop.column in then:
                then[prop.column] = _stored(as_fact(prop, told), prop.column)
        then |= {"properties": json.dumps(kept), "is_marketing": bool(kept.get("hs_marketable_status"))}
        if names.keys() & {"firstname", "lastname"}:
            then["name"] = " ".join(filter(None, (then["first_name"], then["last_name"]))) or now["name"]
        return then

    def all_rows(self, object_type: str) -> Loaded:
        return self._loaded.setdefault(object_type, Loaded(object_type))

    def _then(self, object_type: str, row: Mapping[str, Any], cut: Cut) -> Iterator[tuple[Property, Any]]:
        """The properties that history tells of, with what it has of each at the moment."""
        properties = properties_of(object_type)
        for told in self._told_of(object_type, row["id"]):
            for name in _called(object_type, told):
                prop = properties.get(name)
                if prop is not None and not prop.is_computed:
                    yield prop, self.raw(object_type, row, told, cut)

    def _told_of(self, object_type: str, record_id: int) -> set[str]:
        """What history tells of the record, and what the replay would have set."""
        names = set(self._changes.get((object_type, record_id), ()))
        return names.union(self.memory.names(record_id)) if object_type == self.object_type else names

    def raw(self, object_type: str, row: Mapping[str, Any], name: str, cut: Cut) -> Any:
        """What history has of a property at the moment; as it stands now where there is no history."""
        record_id = row["id"]
        would = self.memory.get(record_id, name) if object_type == self.object_type else None
        changes = self._changes.get((object_type, record_id), {}).get(name, [])
        for one in reversed(changes):
            if not one.is_own and one.cut <= cut:
                return would.value if would and would.cut >= one.cut else sql.loads(one.new)
        if would is not None:
            return would.value
        if changes:
            return sql.loads(changes[0].old)
        prop = properties_of(object_type).get(name)
        if prop is None:
            return None
        return row[prop.column] if prop.column else row["properties"].get(name)

    def values_until(self, object_type: str, row: Mapping[str, Any], name: str, cut: Cut) -> list[Any]:
        """All that the property was up to the moment, and what it would have been."""
        changes = self._changes.get((object_type, row["id"]), {}).get(name, [])
        found = [sql.loads(changes[0].old)] if changes else []
        found += [sql.loads(one.new) for one in changes if not one.is_own and one.cut <= cut]
        would = self.memory.get(row["id"], name) if object_type == self.object_type else None
        return [*found, would.value] if would else found

    def memberships(self, row: Row, of: str) -> Collection[int]:
        """Those of today."""
        return row.among.memberships(row["id"], of)

    def linked(self, row: Row, to: str, type_id: int | None, cut: Cut) -> list[Row]:
        """Those that it is linked to today; read for the whole page at once."""
        among = row.among.all_linked(to, type_id)
        self.read(to, {other["id"] for found in among.values() for other in found})
        return [other for other in among.get(row["id"], ()) if other["id"] in self.all_rows(to)]

    def activities(self, row: Row, activity: Activity, cut: Cut) -> list[ActivityFacts]:
        """Those of today that were there then, as they stand today."""
        found = row.among.activities(row["id"], activity)
        return [one for one in found if not _is_later(one.value(CREATED), cut[0])]


def _is_later(made: Fact, at: datetime) -> bool:
    return isinstance(made, datetime) and made > at


# The order in which things happened, which is that of each record's versions too.
_HISTORY = """
select record_id, property, old, new, changed_at, coalesce(event_id, 0),
    coalesce(actor_kind = 'workflow' and actor_id = %s and changed_at >= %s, false)
from crm_propertychange where account_id = %s and object_type = %s and record_id = any(%s) and property not like '@%%'
order by record_id, id
"""


@once
def people(account_id: int) -> dict[int, dict[str, Any]]:
    """{colleague: what texts may name of them}."""
    found = sql.rows(_PEOPLE, [account_id])
    return {pk: {"id": pk, "name": name, "email": email} for pk, name, email in found}


_PEOPLE = """
select u.id, u.name, u.email from accounts_user u join accounts_membership m on m.user_id = u.id where m.account_id = %s
"""


def _stored(value: Any, column: str) -> Any:
    """A fact as rows have it: ids of choices are numbers there."""
    if column.endswith("_id") and isinstance(value, str) and value.isdigit():
        return int(value)
    return value


@dataclass(frozen=True)
class FactsThen:
    """One record at a moment, for conditions."""

    past: Past
    object_type: str
    record: Row
    cut: Cut

    def value(self, property: str) -> Fact:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return None
        if prop.is_computed:  # there is no past of it: as it stands now
            return LoadedFacts(self.object_type, self.record).value(property)
        name = told_as(self.object_type, property)
        if not name:  # the moment of the last change: history does not name it
            return as_fact(prop, self.record[prop.column])
        return as_fact(prop, self.past.raw(self.object_type, self.record, name, self.cut))

    def past_values(self, property: str) -> Iterable[Fact]:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return []
        name = told_as(self.object_type, property)
        values = self.past.values_until(self.object_type, self.record, name, self.cut)
        return [as_fact(prop, value) for value in values]

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        activity = activities.find(to)
        if activity is not None:
            return self.past.activities(self.record, activity, self.cut)
        others = self.past.linked(self.record, to, type_id, self.cut)
        return [FactsThen(self.past, to, other, self.cut) for other in others]

    def memberships(self, of: str) -> Collection[int]:
        return self.past.memberships(self.record, of)


def told_as(object_type: str, property: str) -> str:
    """What history calls the property; "" where it does not name it."""
    return _names_of(object_type).get(property, property)


@cache
def _in_history(object_type: str) -> Mapping[str, tuple[str, ...]]:
    """{what history calls it: the built-in properties that show it}, where that is not just its own name."""
    found: dict[str, list[str]] = {}
    for name, told in _names_of(object_type).items():
        found.setdefault(told, []).append(name)
    return {told: tuple(names) for told, names in found.items()}


def _called(object_type: str, told: str) -> tuple[str, ...]:
    return _in_history(object_type).get(told, (told,))


@cache
def _names_of(object_type: str) -> Mapping[str, str]:
    built_in = BUILT_IN.get(object_type, BUILT_IN["custom"])
    return {one.name: event_name_of(object_type, one.name) for one in built_in}
