"""What automation knows of records: read for a whole batch, as columns for actions and as facts for conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from deskhand.crm.filters.evaluate import Fact, Facts
from deskhand.crm.records import associations, store
from deskhand.crm.records.models import PropertyChange
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database import sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id


class Loaded(dict[int, "Row"]):
    """Records of one kind by id. Columns that few ask for are read when one of the records is asked, for all at once."""

    def __init__(self, object_type: str) -> None:
        super().__init__()
        self.object_type = object_type
        self.has_all = False

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


class Row(dict[str, Any]):
    """One record's columns; `add_people` brings who is around it."""

    def __init__(self, values: Mapping[str, Any], among: Loaded) -> None:
        super().__init__(values)
        self._among = among

    def __missing__(self, column: str) -> Any:
        if self._among.has_all:
            raise KeyError(column)
        self._among.read_all()
        return self[column]


_TICKET = ("id", "number", "subject", "priority", "category", "source_type", "stage_id", "owner_id", "contact_id",
           "channel_account_id", "originating_thread_id", "is_spam", "properties")  # fmt: skip
_OTHERS = ("id", "owner_id", "properties")


def load(object_type: str, record_ids: Sequence[int], *, lock: bool = False) -> Loaded:
    """Records by id; gone ones are left out. With `lock` their rows are held in id order. One query."""
    names = _TICKET if object_type == "ticket" else _OTHERS
    found = sql.rows(
        f"select {', '.join(names)} from {store.table_of(object_type)} where account_id = %s and id = any(%s) and archived_at is null order by id"
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
    """Put "owner" into rows that lack it. One query.

    A ticket gets its "contact", "company" and "channel" too, whether it is "from_machine", and whether its contact is
    "hearsay": named by a colleague's forward alone.
    """
    lacking = {row["id"]: row for row in rows if "owner" not in row}
    if not lacking:
        return
    query = (
        _PEOPLE_OF_TICKETS if object_type == "ticket" else _OWNERS.format(table=store.table_of(object_type))
    )
    for record_id, owner, email, *others in sql.rows(query, [current_account_id(), list(lacking)]):
        row = lacking[record_id]
        row["owner"] = {"id": row["owner_id"], "name": owner, "email": email} if email is not None else None
        if others:
            _add_requester(row, *others)


_PEOPLE_OF_TICKETS = """
select t.id, o.name, o.email,
    c.id, c.name, c.first_name, c.last_name, c.email, c.bounced_at, coalesce((c.properties->>'hs_marketable_status')::boolean, false), f.id, f.name, f.domain, a.id, a.name, a.address,
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

_OWNERS = """
select t.id, o.name, o.email from {table} t left join accounts_user o on o.id = t.owner_id where t.account_id = %s and t.id = any(%s)
"""


def _add_requester(row: dict[str, Any], *values: Any) -> None:
    contact_id, name, first, last, email, bounced_at, is_marketing, *others = values
    company_id, company, domain, channel_id, channel, address, is_from_machine, is_hearsay = others
    row["contact"] = (
        {"id": contact_id, "name": name, "first_name": first, "last_name": last, "email": email, "bounced_at": bounced_at, "is_marketing": is_marketing}
        if contact_id else None
    )  # fmt: skip
    row["company"] = {"id": company_id, "name": company, "domain": domain} if company_id else None
    row["channel"] = {"name": channel, "address": address} if channel_id else None
    row["from_machine"] = is_from_machine
    row["hearsay"] = bool(is_hearsay)


@dataclass(frozen=True)
class LoadedFacts:
    """A loaded record as facts, by the names of the API. History and neighbours are read when asked for."""

    object_type: str
    record: Mapping[str, Any]

    def value(self, property: str) -> Fact:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return None
        raw = self.record[prop.column] if prop.column else self.record["properties"].get(property)
        return as_fact(prop, raw)

    def past_values(self, property: str) -> Iterable[Fact]:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return []
        changes = PropertyChange.objects.filter(
            account_id=current_account_id(),
            object_type=self.object_type,
            record_id=self.record["id"],
            property=property,
        )
        return [as_fact(prop, value) for pair in changes.values_list("old", "new") for value in pair]

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        ids = associations.linked_ids(self.object_type, [self.record["id"]], to, type_id)
        return [LoadedFacts(to, record) for record in load(to, ids.get(self.record["id"], [])).values()]

    def memberships(self, of: str) -> Collection[int]:
        return ()


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
