"""What automation knows of records: read for a whole batch, as columns for actions and as facts for conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from deskhand.automation import standings
from deskhand.crm.filters.evaluate import Fact, Facts
from deskhand.crm.records import associations, computed, store
from deskhand.crm.records.models import PropertyChange
from deskhand.crm.schema import activities, clock_names, formulas
from deskhand.crm.schema.activities import Activity
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.segments import members
from deskhand.crm.segments.looks import SEGMENT
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id


class Loaded(dict[int, "Row"]):
    """Records of one kind by id. What few ask for (other columns, segments, links) is read when one of the records is

    asked, for all at once.
    """

    def __init__(self, object_type: str) -> None:
        super().__init__()
        self.object_type = object_type
        self.has_all = False
        self._segments: dict[int, set[int]] | None = None
        self._standings: standings.Standings | None = None
        self._links: dict[tuple[str, int | None], dict[int, list[Row]]] = {}
        self._clocks: computed.Clocks | None = None
        self._worked: dict[str, dict[int, Any]] = {}
        self._past: dict[str, dict[int, list[Any]]] = {}
        self._around: dict[str, Around] = {}

    def memberships(self, record_id: int, of: str) -> Collection[int]:
        """The segments of one of them, or the workflows that it stands so to; read for all at once."""
        if of in standings.ALL:
            if self._standings is None:
                self._standings = standings.of_records(self.object_type, list(self))
            return self._standings[of].get(record_id, ())
        if of != SEGMENT:
            return ()
        if self._segments is None:
            self._segments = members.of_records(self.object_type, list(self))
        return self._segments.get(record_id, ())

    def clocks(self) -> computed.Clocks:
        """When all of them came to which statuses; read once."""
        if self._clocks is None:
            self._clocks = computed.clocks_of(self.object_type, list(self))
        return self._clocks

    def worked_out(self, prop: Property) -> Mapping[int, Any]:
        """{record: what the property's formula comes to}; read once."""
        self.prepare([prop])
        return self._worked[prop.name]

    def prepare(self, properties: Iterable[Property]) -> None:
        """Read at once what the formulas of these come to, of all records."""
        new = [prop for prop in properties if prop.name not in self._worked]
        found = computed.worked_out(self.object_type, list(self), new)
        for prop in new:
            self._worked[prop.name] = {pk: told.get(prop.name) for pk, told in found.items()}

    def past(self, property: str) -> Mapping[int, Sequence[Any]]:
        """{record: all that the property was before or became, as history has it}; read once."""
        if property not in self._past:
            found: dict[int, list[Any]] = defaultdict(list)
            changes = PropertyChange.objects.filter(
                account_id=current_account_id(), object_type=self.object_type, record_id__in=list(self), property=property
            )  # fmt: skip
            for record_id, old, new in changes.values_list("record_id", "old", "new"):
                found[record_id] += (old, new)
            self._past[property] = found
        return self._past[property]

    def activities(self, record_id: int, activity: Activity) -> list[ActivityFacts]:
        """Those of one of them; which there are is read for all at once."""
        if activity.name not in self._around:
            self._around[activity.name] = Around(activity, self.object_type, list(self))
        return self._around[activity.name].of(record_id)

    def linked(self, record_id: int, to: str, type_id: int | None) -> list[Row]:
        """The records of type `to` that one of them is linked to; read for all at once."""
        return self.all_linked(to, type_id).get(record_id, [])

    def all_linked(self, to: str, type_id: int | None) -> Mapping[int, list[Row]]:
        """{record: those of type `to` that it is linked to}; read once."""
        if (to, type_id) not in self._links:
            ids = associations.linked_ids(self.object_type, list(self), to, type_id)
            others = load(to, [other for found in ids.values() for other in found])
            self._links[to, type_id] = {
                pk: [others[other] for other in found if other in others] for pk, found in ids.items()
            }
        return self._links[to, type_id]

    def take_in(self, others: Loaded) -> None:
        """Records of the same kind that were loaded later; what was read for all is read anew."""
        for row in others.values():
            row.among = self
        self.update(others)
        self.has_all, self._segments, self._standings, self._links = False, None, None, {}
        self._clocks, self._worked, self._past, self._around = None, {}, {}, {}

    def read_all(self) -> None:
        self.has_all = True
        names = list(columns_of(store.model_of(self.object_type)))
        for values in sql.rows(
            f"select {', '.join(names)} from {store.table_of(self.object_type)} where account_id = %s and id = any(%s)",
            [current_account_id(), list(self)],
        ):
            row = dict(zip(names, values, strict=True))
            row["properties"] = sql.loads(row["properties"])
            self[row["id"]].update(row)


class Around:
    """The activities of one sort of some records. One query, and one for each of their texts that is asked for: those may be
    long. What was put away meanwhile says none."""

    def __init__(self, activity: Activity, object_type: str, record_ids: Sequence[int]) -> None:
        self.activity, self._object_type, self._record_ids = activity, object_type, record_ids
        self._values: dict[str, dict[int, Any]] = {}
        self._ids: dict[int, list[int]] = {}
        names = [prop.name for prop in activity.properties if prop.kind is not Kind.TEXT]
        for record_id, pk, *values in self._read(names):
            self._ids.setdefault(record_id, []).append(pk)
            for name, value in zip(names, values, strict=True):
                self._values.setdefault(name, {})[pk] = value

    def of(self, record_id: int) -> list[ActivityFacts]:
        return [ActivityFacts(self, pk) for pk in self._ids.get(record_id, ())]

    def value(self, pk: int, name: str) -> Any:
        if name not in self._values:
            self._values[name] = {found: value for _record, found, value in self._read([name])}
        return self._values[name].get(pk)

    def _read(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        if not self.activity.is_of(self._object_type):
            return []
        values = "".join(f", {self.activity.value_of(name, 'a')}" for name in names)
        rows = self.activity.rows_of(self._object_type, "a", "x.id")
        return sql.rows(
            f'select x.id, a.* from unnest(%s::bigint[]) x(id) cross join lateral (select "a".id{values} from {rows}) a order by 1, 2',
            [self._record_ids, current_account_id()],
        )


class ActivityFacts(NamedTuple):
    """One activity as facts."""

    around: Around
    pk: int

    @property
    def object_type(self) -> str:
        return self.around.activity.name

    def value(self, property: str) -> Fact:
        prop = self.around.activity.by_name.get(property)
        return as_fact(prop, self.around.value(self.pk, property)) if prop else None

    def past_values(self, property: str) -> Iterable[Fact]:
        return ()

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        return ()

    def memberships(self, of: str) -> Collection[int]:
        return ()


class Row(dict[str, Any]):
    """One record's columns; `add_people` brings who is around it."""

    def __init__(self, values: Mapping[str, Any], among: Loaded) -> None:
        super().__init__(values)
        self.among = among

    @property
    def object_type(self) -> str:
        return self.among.object_type

    def computed(self, prop: Property) -> Any:
        """What is worked out as it is read (R-PROP-5)."""
        named = clock_names.parse(prop.name)
        if named is not None:
            return computed.of_clock(named, self["id"], self.among.clocks(), clock.now())
        return computed.span(prop, self) if prop.until else self.among.worked_out(prop).get(self["id"])

    def __missing__(self, column: str) -> Any:
        if self.among.has_all:
            raise KeyError(column)
        self.among.read_all()
        return self[column]


_TICKET = ("id", "number", "subject", "priority", "category", "source_type", "stage_id", "owner_id", "contact_id",
           "channel_account_id", "originating_thread_id", "is_spam", "properties")  # fmt: skip
_OTHERS = ("id", "owner_id", "properties")


def load(
    object_type: str, record_ids: Sequence[int], *, lock: bool = False, with_archived: bool = False
) -> Loaded:
    """Records by id; gone ones are left out, unless they are asked for. With `lock` their rows are held in id order. One query."""
    names = _TICKET if object_type == "ticket" else _OTHERS
    found = sql.rows(
        f"select {', '.join(names)} from {store.table_of(object_type)} where account_id = %s and id = any(%s)"
        + ("" if with_archived else " and archived_at is null")
        + " order by id"
        + (" for no key update" if lock else ""),
        [current_account_id(), sorted(set(record_ids))],
    )
    loaded = Loaded(object_type)
    for values in found:
        row = Row(dict(zip(names, values, strict=True)), loaded)
        row["properties"] = sql.loads(row["properties"])
        loaded[row["id"]] = row
    return loaded


def add_people(object_type: str, rows: Iterable[dict[str, Any]]) -> None:
    """Put "owner", "contact" and "company" into rows that lack them: a ticket's requester and its company, else the first
    that the record is linked to. One query.

    A ticket gets its "channel" too, whether it is "from_machine", and whether its contact is "hearsay": named by a
    colleague's forward alone.
    """
    lacking = {row["id"]: row for row in rows if "owner" not in row}
    if not lacking:
        return
    is_ticket = object_type == "ticket"
    query = _PEOPLE_OF_TICKETS if is_ticket else _people_of(object_type)
    for record_id, *found in sql.rows(query, [current_account_id(), list(lacking)]):
        row = lacking[record_id]
        row["owner"] = _named(_OWNER, [row["owner_id"], *found[:2]]) if found[1] is not None else None
        row["contact"] = _named(_CONTACT, found[2:14])
        row["company"] = _named(_COMPANY, found[14:19])
        if is_ticket:
            channel_id, channel, address, is_from_machine, is_hearsay = found[19:]
            row["channel"] = {"name": channel, "address": address} if channel_id else None
            row["from_machine"] = is_from_machine
            row["hearsay"] = bool(is_hearsay)


def _named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any] | None:
    return dict(zip(names, values, strict=True)) if values[0] else None


_OWNER = ("id", "name", "email")
_CONTACT = (
    "id", "name", "first_name", "last_name", "email", "phone", "locale", "owner_id", "created_at", "bounced_at", "is_marketing", "properties",
)  # fmt: skip
_COMPANY = ("id", "name", "domain", "owner_id", "properties")
_WHO = """o.name, o.email,
    c.id, c.name, c.first_name, c.last_name, c.email, c.phone, c.locale, c.owner_id, c.created_at, c.bounced_at,
    coalesce((c.properties->>'hs_marketable_status')::boolean, false), c.properties::text,
    f.id, f.name, f.domain, f.owner_id, f.properties::text"""

_PEOPLE_OF_TICKETS = f"""
select t.id, {_WHO}, a.id, a.name, a.address,
    coalesce(m.is_automatic, false), m.is_forward and m.actor_kind = 'user' and not exists (
        select 1 from desk_message w where w.account_id = t.account_id and w.ticket_id = t.id and w.direction = 'IN'
        and w.actor_kind = 'visitor' and not w.is_unverified and not w.is_automatic)
from crm_ticket t
left join accounts_user o on o.id = t.owner_id
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
left join crm_company f on f.account_id = c.account_id and f.id = c.company_id
left join desk_channelaccount a on a.account_id = t.account_id and a.id = t.channel_account_id
left join desk_message m on m.account_id = t.account_id and m.id = t.originating_message_id
where t.account_id = %s and t.id = any(%s)
"""

_FIRST = (
    "(select a.to_id from crm_association a where a.account_id = t.account_id and a.from_type = '{of}' and a.from_id = t.id"
    " and a.to_type = '{to}' order by a.id limit 1)"
)


def _people_of(object_type: str) -> str:
    """The query for every kind of record but tickets."""
    of = formulas.as_sql(object_type)
    contact = "t.id" if of == "contact" else _FIRST.format(of=of, to="contact")
    company = _FIRST.format(of=of, to="company")
    company = {"company": "t.id", "contact": f"coalesce(t.company_id, {company})"}.get(
        of, f"coalesce({company}, c.company_id)"
    )
    return f"""
select t.id, {_WHO}
from {store.table_of(object_type)} t
left join accounts_user o on o.id = t.owner_id
left join crm_contact c on c.account_id = t.account_id and c.id = {contact} and c.archived_at is null
left join crm_company f on f.account_id = t.account_id and f.id = {company} and f.archived_at is null
where t.account_id = %s and t.id = any(%s)
"""


class LoadedFacts(NamedTuple):
    """A loaded record as facts, by the names of the API. History and neighbours are read when asked for."""

    object_type: str
    record: Mapping[str, Any]

    def value(self, property: str) -> Fact:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return None
        if prop.is_computed:
            return as_fact(prop, self._row.computed(prop))
        raw = self.record[prop.column] if prop.column else self.record["properties"].get(property)
        return as_fact(prop, raw)

    def past_values(self, property: str) -> Iterable[Fact]:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return []
        return [as_fact(prop, value) for value in self._among.past(property).get(self.record["id"], ())]

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        activity = activities.find(to)
        if activity is not None:
            return self._among.activities(self.record["id"], activity)
        return [LoadedFacts(to, other) for other in self._among.linked(self.record["id"], to, type_id)]

    def memberships(self, of: str) -> Collection[int]:
        return self._among.memberships(self.record["id"], of)

    @property
    def _among(self) -> Loaded:
        return self._row.among

    @property
    def _row(self) -> Row:
        if isinstance(self.record, Row):
            return self.record
        alone = Loaded(self.object_type)
        alone[self.record["id"]] = Row(self.record, alone)
        return alone[self.record["id"]]


def as_fact(prop: Property, value: Any) -> Fact:
    """A stored value as conditions compare it; ids of choices are text, as in the API."""
    if value is None or value == "":
        return None
    if prop.kind is Kind.ENUM:
        return str(value)
    if prop.kind in (Kind.NUMBER, Kind.DURATION):
        return Decimal(str(value))
    if prop.kind in (Kind.DATE, Kind.DATETIME) and isinstance(value, str):
        return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class FactsBefore:
    """A record as it was before some changes: `old` has what the changed properties were."""

    present: LoadedFacts
    old: Mapping[str, Any]

    def value(self, property: str) -> Fact:
        prop = properties_of(self.present.object_type).get(property)
        if prop is not None and property in self.old:
            return as_fact(prop, self.old[property])
        return self.present.value(property)

    def past_values(self, property: str) -> Iterable[Fact]:
        return self.present.past_values(property)

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        return self.present.associated(to, type_id)

    def memberships(self, of: str) -> Collection[int]:
        return self.present.memberships(of)


def changes_after(
    object_type: str, record_ids: Collection[int], event_id: int
) -> dict[int, list[tuple[int, str, Any]]]:
    """{record: (event, property, old value) of what changed later than this event, the latest first}. One query."""
    found: dict[int, list[tuple[int, str, Any]]] = {}
    for record_id, later, name, old in sql.rows(
        _AFTER, [current_account_id(), object_type, list(record_ids), event_id]
    ):
        found.setdefault(record_id, []).append((later, name, sql.loads(old)))
    return found


_AFTER = """
select record_id, event_id, property, old from crm_propertychange
where account_id = %s and object_type = %s and record_id = any(%s) and event_id > %s order by id desc
"""
