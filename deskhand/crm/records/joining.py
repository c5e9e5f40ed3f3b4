"""Making two contacts, or two companies, one; and two again, for 30 days (R-MERGE-2, R-MERGE-6 to R-MERGE-8).

The primary one keeps its id and what it says; what it does not say it takes from the other. That one is put away and
leads to it: its old id, its addresses, its tickets, links and tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.records import associations, contacts, labeling, store, subscriptions, tasks, unique
from deskhand.crm.records.models import Company, Contact, ContactAddress, Joined
from deskhand.crm.records.store import Change
from deskhand.crm.records.tables import model_of, table_of
from deskhand.crm.records.words import ADDRESSES
from deskhand.crm.schema.association_labels import PRODUCT_DEFINED
from deskhand.events.types import Actor, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound

MOST = 250  # merges that one record may have come of (R-MERGE-3)
UNDO = timedelta(days=30)  # R-MERGE-8
SOURCE = "MERGE"
MERGED_IDS = "hs_merged_object_ids"
BATCH = 1000
#: Columns that are taken where the primary one has nothing. The owner is the primary's (R-MERGE-7).
COLUMNS = {"contact": ("email", "phone", "company_id", "locale"), "company": ("domain",)}
_UNITED = {ADDRESSES, MERGED_IDS}

Record = Contact | Company


def outcome(primary: Record, secondary: Record) -> dict[str, Any]:
    """What the primary one gains, by column or property. A first name is not taken without its last name."""
    object_type = "contact" if isinstance(primary, Contact) else "company"
    gained = {
        name: getattr(secondary, name)
        for name in COLUMNS[object_type]
        if getattr(secondary, name) and not getattr(primary, name)
    }
    if isinstance(primary, Contact) and isinstance(secondary, Contact):
        gained |= _name(primary, secondary)
    gained |= {
        name: value
        for name, value in secondary.properties.items()
        if name not in _UNITED
        and value not in (None, "", [])
        and primary.properties.get(name) in (None, "", [])
    }
    gained[MERGED_IDS] = sorted(
        {*primary.properties.get(MERGED_IDS, []), *secondary.properties.get(MERGED_IDS, []), secondary.pk}
    )
    addresses = further_addresses(primary, secondary)
    return gained | ({ADDRESSES: addresses} if addresses else {})


def _name(primary: Contact, secondary: Contact) -> dict[str, str]:
    if primary.first_name or primary.last_name:
        return {}
    names = {"first_name": secondary.first_name, "last_name": secondary.last_name}
    return {name: value for name, value in names.items() if value}


def further_addresses(primary: Record, secondary: Record) -> list[str]:
    """All addresses of both but the first one (hs_additional_emails)."""
    if not (isinstance(primary, Contact) and isinstance(secondary, Contact)):
        return []
    first = primary.email or secondary.email
    found = [
        *primary.properties.get(ADDRESSES, []),
        secondary.email,
        *secondary.properties.get(ADDRESSES, []),
    ]
    return [email for email in dict.fromkeys(found) if email and email != first]


def join(
    object_type: str, primary_id: int, secondary_id: int, *, by: Actor, at: datetime | None = None
) -> Joined:
    """Make `secondary_id` a part of `primary_id`, in one transaction with its audit entry.

    Raises Invalid for one and the same, or too many; NotFound for what is not there or was put away.
    """
    at = at or clock.now()
    if primary_id == secondary_id:
        raise Invalid(_("A record can't be merged with itself."), field="other", value=secondary_id)
    primary, secondary = _locked(object_type, primary_id, secondary_id)
    for one in (primary, secondary):
        if one.archived_at is not None:
            raise NotFound(_("There is nothing at this address."))
    if _merges(object_type, [primary_id, secondary_id]) + 1 > MOST:
        raise Invalid(
            _("These two have come of %(count)s merges already; more can't be undone.") % {"count": MOST},
            field="other",
            value=secondary_id,
        )
    gained = outcome(primary, secondary)
    moved: dict[str, Any] = {
        "before": {name: _plain(primary, name) for name in gained},
        "gained": {name: store.plain(value) for name, value in gained.items()},
        "created_at": primary.created_at.isoformat(),
    }
    _put_away(secondary, primary.pk, at)
    unique.release(object_type, [secondary_id])
    moved["addresses"] = _move_addresses(primary, secondary, gained.get(ADDRESSES, []))
    facts = {"created_at": min(primary.created_at, secondary.created_at)}  # R-MERGE-2
    store.change_many(object_type, [Change(primary_id, gained, facts)], by=by, source=SOURCE, at=at)
    moved |= _move_all(object_type, secondary_id, primary_id, by, at)
    if object_type == "contact":
        subscriptions.hand_over(secondary_id, primary_id, by=by)
    joined = Joined.objects.create(
        account_id=primary.account_id, object_type=object_type, primary_id=primary_id, secondary_id=secondary_id, moved=moved,
        by_id=by.id, at=at,
    )  # fmt: skip
    audit.record(
        f"{object_type}.merged", by=by, target_type=object_type, target_id=primary_id,
        after={"name": secondary.name, "address": _address(secondary), "into": primary.name, "merged": secondary_id, "joined": joined.pk},
    )  # fmt: skip
    return joined


def part(joined_id: int, *, by: Actor, at: datetime | None = None) -> Joined:
    """Make two of what was merged: the other one comes back with its tickets, links and addresses.

    What came or was changed since stays with the primary one. Raises NotFound, and Conflict when it is too late, or the
    primary one is a part of another by now.
    """
    at = at or clock.now()
    joined = (
        Joined.objects.select_for_update()
        .filter(account_id=current_account_id(), pk=joined_id, parted_at=None)
        .first()
    )
    if joined is None:
        raise NotFound(_("There is no such merge to undo."))
    if at - joined.at > UNDO:
        raise Conflict(_("A merge can be undone for 30 days."))
    object_type, moved = joined.object_type, joined.moved
    primary, secondary = _locked(object_type, joined.primary_id, joined.secondary_id)
    if primary.archived_at is not None or secondary.merged_into_id != primary.pk:
        raise Conflict(_("It was archived or merged again since. Undo that first."))
    if isinstance(secondary, Contact) and secondary.email:
        contacts.refuse_taken(secondary.email, but=primary.pk)
    _give_addresses_back(primary, secondary, moved["addresses"])
    values = _given_back(primary, secondary, moved)
    facts = {"created_at": datetime.fromisoformat(moved["created_at"])}
    store.change_many(object_type, [Change(primary.pk, values, facts)], by=by, source=SOURCE, at=at)
    _bring_back(secondary, at)
    bring_values_back(object_type, secondary.pk, by, at)
    _move_back(object_type, primary.pk, secondary.pk, moved, by, at)
    joined.parted_at = at
    joined.save(update_fields=["parted_at"])
    audit.record(
        f"{object_type}.unmerged", by=by, target_type=object_type, target_id=primary.pk,
        before={"merged": secondary.pk},
        after={"name": secondary.name, "into": primary.name, "parted": secondary.pk, "joined": joined.pk},
    )  # fmt: skip
    return joined


def joined_into(object_type: str, record_id: int) -> list[Joined]:
    """What became part of a record, newest first."""
    return list(
        Joined.objects.filter(
            account_id=current_account_id(), object_type=object_type, primary_id=record_id, parted_at=None
        ).order_by("-id")[:MOST]
    )


def can_be_parted(joined: Joined, now: datetime) -> bool:
    return joined.parted_at is None and now - joined.at <= UNDO


def part_of(event: Event) -> int | None:
    """The record that a merge made a part of the one that its event is about; tickets tell it in their own way."""
    merged: int | None = event.data.get("merged_id") or (event.data.get("after") or {}).get("merged")
    return merged


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _locked(object_type: str, primary_id: int, secondary_id: int) -> tuple[Record, Record]:
    """Both records, held against everything. Their tickets are locked first, as whoever files mail does it."""
    account_id, ids = current_account_id(), [primary_id, secondary_id]
    if object_type == "contact":
        sql.rows(
            "select id from crm_ticket where account_id = %s and contact_id = any(%s) order by id for no key update",
            [account_id, ids],
        )
    found = {
        row.pk: row
        for row in model_of(object_type)
        ._default_manager.filter(account_id=account_id, pk__in=ids)
        .order_by("id")
        .select_for_update()
    }
    if len(found) < 2:
        raise NotFound(_("There is nothing at this address."))
    primary, secondary = found[primary_id], found[secondary_id]
    assert isinstance(primary, Contact | Company)
    assert isinstance(secondary, Contact | Company)
    return primary, secondary


def _merges(object_type: str, ids: list[int]) -> int:
    """How many records have become part of these two, however deep."""
    found = sql.row(
        f"with recursive parts as (select id from {table_of(object_type)} where account_id = %(account)s and merged_into_id = any(%(ids)s)"
        f" union select r.id from parts join {table_of(object_type)} r on r.account_id = %(account)s and r.merged_into_id = parts.id)"
        " select count(*) from parts",
        {"account": current_account_id(), "ids": ids},
    )
    assert found is not None
    return int(found[0])


def _put_away(record: Record, into_id: int, at: datetime) -> None:
    record.archived_at, record.merged_into_id, record.version = at, into_id, record.version + 1
    record.save(update_fields=["archived_at", "merged_into", "version"])


def _bring_back(record: Record, at: datetime) -> None:
    record.archived_at, record.merged_into_id, record.version = None, None, record.version + 1
    record.updated_at = at
    record.save(update_fields=["archived_at", "merged_into", "version", "updated_at"])


def bring_values_back(object_type: str, record_id: int, by: Actor, at: datetime) -> None:
    """What only one record may have is the returning one's again; it loses, with a line, what another has by now."""
    lost = unique.taken_meanwhile(object_type, [record_id])
    store.change_many(
        object_type, [Change(pk, values) for pk, values in lost.items()], by=by, source=SOURCE, at=at
    )
    unique.claim_again(object_type, [record_id])


def _plain(record: Record, name: str) -> Any:
    return store.plain(getattr(record, name) if hasattr(record, name) else record.properties.get(name))


def _address(record: Record) -> str:
    return record.email if isinstance(record, Contact) else record.domain


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _move_addresses(primary: Record, secondary: Record, addresses: list[str]) -> list[str]:
    """Mail to and from each address is the primary's from now on; returns those that were the other's further ones."""
    if not (isinstance(primary, Contact) and isinstance(secondary, Contact)):
        return []
    account_id = primary.account_id
    own = ContactAddress.objects.filter(account_id=account_id, contact=secondary)
    emails = sorted(own.values_list("email", flat=True))
    own.update(contact=primary)
    ContactAddress.objects.bulk_create(
        [ContactAddress(account_id=account_id, contact=primary, email=email) for email in addresses],
        ignore_conflicts=True,
    )
    return emails


def _give_addresses_back(primary: Record, secondary: Record, emails: list[str]) -> None:
    if not (isinstance(primary, Contact) and isinstance(secondary, Contact)):
        return
    own = ContactAddress.objects.filter(account_id=primary.account_id, contact=primary)
    own.filter(email=secondary.email).delete()
    own.filter(email__in=emails).update(contact=secondary)


def _given_back(primary: Record, secondary: Record, moved: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were taken and not changed since, as they were before; of united ones the other's part goes."""
    values = {}
    for name, gained in moved["gained"].items():
        if name not in _UNITED and _plain(primary, name) == gained:
            values[name] = moved["before"][name]
    ids = {secondary.pk, *secondary.properties.get(MERGED_IDS, [])}
    values[MERGED_IDS] = [one for one in primary.properties.get(MERGED_IDS, []) if one not in ids] or None
    if isinstance(secondary, Contact):
        theirs = {secondary.email, *moved["addresses"]}
        rest = [email for email in primary.properties.get(ADDRESSES, []) if email not in theirs]
        values[ADDRESSES] = rest or None
    return values


# ── what hangs on them ───────────────────────────────────────────────────────────────────────────────────────────────


def _move_all(object_type: str, from_id: int, to_id: int, by: Actor, at: datetime) -> dict[str, Any]:
    """Tickets, contacts, tasks and links of one record to the other; returns what was moved."""
    account_id = current_account_id()
    tickets: list[int] = []
    people: list[int] = []
    if object_type == "contact":
        tickets = _ids(
            "update crm_ticket set contact_id = %s where account_id = %s and contact_id = %s returning id",
            [to_id, account_id, from_id],
        )
    else:
        people = _ids(
            "select id from crm_contact where account_id = %s and company_id = %s order by id",
            [account_id, from_id],
        )
        _set_company(people, to_id, by, at)
    return {
        "tickets": tickets,
        "contacts": people,
        **tasks.hand_over(object_type, [from_id], to_id)[from_id],
        **_move_links(object_type, from_id, to_id, at),
    }


def _ids(statement: str, params: list[Any]) -> list[int]:
    return sorted(found[0] for found in sql.rows(statement, params))


def _set_company(contact_ids: list[int], company_id: int, by: Actor, at: datetime) -> None:
    for start in range(0, len(contact_ids), BATCH):
        changes = [Change(one, {"company_id": company_id}) for one in contact_ids[start : start + BATCH]]
        store.change_many("contact", changes, by=by, source=SOURCE, at=at)


def _move_links(object_type: str, from_id: int, to_id: int, at: datetime) -> dict[str, Any]:
    """Links of the one become the other's; `links` are all that it had, `new_links` those that the other had not."""
    params = {"account": current_account_id(), "type": object_type, "from": from_id, "to": to_id, "at": at}
    links = [list(row) for row in sql.rows(_LINKS, params)]
    before = {tuple(row) for row in sql.rows(_LINKS, params | {"from": to_id})}
    kept = [link for link in links if (link[0], link[1]) != (object_type, to_id)]
    new = [link for link in kept if tuple(link) not in before]
    _write_links(object_type, to_id, new, at)
    sql.execute(_UNLINK, params)
    return {"links": links, "new_links": new}


# Each row with its other side: the one without a label, or that of the label seen from there.
_LINKS = """
select a.to_type, a.to_id, a.type_id, a.category, b.type_id from crm_association a
left join crm_associationlabel l on l.account_id = a.account_id and l.from_type = a.from_type and l.to_type = a.to_type
    and l.type_id = a.label_type_id
join crm_association b on b.account_id = a.account_id and b.from_type = a.to_type and b.from_id = a.to_id and b.to_type = a.from_type
    and b.to_id = a.from_id and b.label_type_id is not distinct from l.inverse_id
where a.account_id = %(account)s and a.from_type = %(type)s and a.from_id = %(from)s order by a.id
"""
_UNLINK = """
delete from crm_association where account_id = %(account)s
and ((from_type = %(type)s and from_id = %(from)s) or (to_type = %(type)s and to_id = %(from)s
    and (from_type, from_id) in (select to_type, to_id from crm_association where account_id = %(account)s and from_type = %(type)s and from_id = %(from)s)))
"""


def _write_links(object_type: str, record_id: int, links: list[list[Any]], at: datetime) -> None:
    if not links:
        return
    columns = [list(column) for column in zip(*links, strict=True)]
    named = dict(zip(("to_types", "to_ids", "type_ids", "categories", "backs"), columns, strict=True))
    sql.execute(_LINK, {"account": current_account_id(), "type": object_type, "id": record_id, "at": at, **named})  # fmt: skip


_LINK = """
with links as (select * from unnest(%(to_types)s::text[], %(to_ids)s::bigint[], %(type_ids)s::int[], %(categories)s::text[], %(backs)s::int[])
    x(to_type, to_id, type_id, category, back)
    where category = 'HUBSPOT_DEFINED' or exists (select 1 from crm_associationlabel l  -- one that was deleted since is gone
        where l.account_id = %(account)s and l.from_type = %(type)s and l.to_type = x.to_type and l.type_id = x.type_id))
insert into crm_association (account_id, created_at, from_type, from_id, to_type, to_id, type_id, category)
select %(account)s, %(at)s::timestamptz, %(type)s, %(id)s, to_type, to_id, type_id, category from links
union all
select %(account)s, %(at)s::timestamptz, to_type, to_id, %(type)s, %(id)s, back, category from links
on conflict do nothing
"""


def _move_back(
    object_type: str, primary_id: int, secondary_id: int, moved: Mapping[str, Any], by: Actor, at: datetime
) -> None:
    account_id = current_account_id()
    if moved["tickets"]:
        sql.execute(
            "update crm_ticket set contact_id = %s where account_id = %s and contact_id = %s and id = any(%s)",
            [secondary_id, account_id, primary_id, moved["tickets"]],
        )
    still = Contact.objects.filter(account_id=account_id, company_id=primary_id, pk__in=moved["contacts"])
    if moved["contacts"]:
        _set_company(sorted(still.values_list("pk", flat=True)), secondary_id, by, at)
    tasks.hand_back(object_type, primary_id, secondary_id, moved)
    new = moved["new_links"]
    whole = {(object_type, primary_id, link[0], link[1]) for link in new if link[3] == PRODUCT_DEFINED}
    associations.unlink_many(sorted(whole))
    brought = [(link[0], link[1], link[2]) for link in new if link[3] != PRODUCT_DEFINED]
    labeling.take_labels(object_type, primary_id, brought)
    _write_links(object_type, secondary_id, moved["links"], at)
