"""What automation knows of records: read for a whole batch, as columns for actions and as facts for conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from deskhand.accounts.models import User
from deskhand.crm.filters.evaluate import Fact, Facts
from deskhand.crm.records import store
from deskhand.crm.records.models import Company, Contact, PropertyChange, Record
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.desk.models import ChannelAccount, Message
from deskhand.kernel.database.scope import current_account_id

Loaded = dict[int, dict[str, Any]]


def load(object_type: str, record_ids: Sequence[int], *, lock: bool = False) -> Loaded:
    """Records by id with "contact", "company", "owner" and "channel" beside their columns; gone ones are left out.

    With `lock` their rows are held in id order. A fixed number of queries, however many records.
    """
    account_id = current_account_id()
    model = store.model_of(object_type)
    wanted: Any = model._default_manager.filter(
        account_id=account_id, pk__in=set(record_ids), archived_at=None
    ).order_by("id")
    rows: list[Record] = list(wanted.select_for_update(no_key=True) if lock else wanted)
    found = {
        row.pk: {field.column: getattr(row, field.attname) for field in row._meta.concrete_fields}
        for row in rows
    }
    owners = {
        u.pk: u for u in User.objects.filter(pk__in={r["owner_id"] for r in found.values() if r["owner_id"]})
    }
    for values in found.values():
        owner = owners.get(values["owner_id"])
        values["owner"] = {"id": owner.pk, "name": owner.name, "email": owner.email} if owner else None
    if object_type == "ticket":
        _add_people(account_id, found)
    return found


def _add_people(account_id: int, found: Loaded) -> None:
    contacts = {
        c.pk: c
        for c in Contact.objects.filter(
            account_id=account_id, pk__in={r["contact_id"] for r in found.values() if r["contact_id"]}
        )
    }
    companies = {
        c.pk: c
        for c in Company.objects.filter(
            account_id=account_id, pk__in={c.company_id for c in contacts.values() if c.company_id}
        )
    }
    channels = {c.pk: c for c in ChannelAccount.objects.filter(account_id=account_id)}
    first = {r["originating_message_id"] for r in found.values() if r["originating_message_id"]}
    machines = set(
        Message.objects.filter(account_id=account_id, pk__in=first, is_automatic=True).values_list(
            "id", flat=True
        )
    )
    for values in found.values():
        contact = contacts.get(values["contact_id"])
        company = companies.get(contact.company_id) if contact and contact.company_id else None
        channel = channels.get(values["channel_account_id"])
        values["contact"] = _contact(contact) if contact else None
        values["company"] = (
            {"id": company.pk, "name": company.name, "domain": company.domain} if company else None
        )
        values["channel"] = {"name": channel.name, "address": channel.address} if channel else None
        values["from_machine"] = values["originating_message_id"] in machines


def _contact(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.pk, "name": contact.name, "first_name": contact.first_name, "last_name": contact.last_name,
        "email": contact.email, "bounced_at": contact.bounced_at,
    }  # fmt: skip


@dataclass(frozen=True)
class LoadedFacts:
    """A loaded record as facts, by the names of the API. History and neighbours are read when asked for."""

    object_type: str
    record: Mapping[str, Any]

    def value(self, property: str) -> Fact:
        prop = properties_of(self.object_type).get(property)
        if prop is None:
            return None
        raw = self.record.get(prop.column) if prop.column else self.record["properties"].get(property)
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
        from deskhand.crm.records.associations import linked_ids

        ids = linked_ids(self.object_type, [self.record["id"]], to).get(self.record["id"], [])
        return [LoadedFacts(to, record) for record in load(to, ids).values()]

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
        from datetime import date, datetime

        return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    return value  # type: ignore[no-any-return]
