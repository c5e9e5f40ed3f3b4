"""Verbs on companies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from deskhand.accounts.users import sort_key
from deskhand.crm.records import associations, filterable, store, unique, words
from deskhand.crm.records.checking import checked
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.records.store import Applied
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound


class NewCompany(NamedTuple):
    """A company to be, and why it is made."""

    name: str
    domain: str = ""
    cause: Cause | None = None


def create(name: str, *, by: Actor, domain: str = "", at: datetime | None = None) -> Company:
    """Make a company. Raises Invalid without a name."""
    at = at or clock.now()
    name = name.strip()
    if not name:
        raise Invalid(_("A company needs a name."), field="name", value=name, hint=_("Give its name."))
    company = Company.objects.create(
        account_id=current_account_id(),
        name=name,
        sort_key=sort_key(name),
        domain=domain.strip().lower(),
        created_at=at,
        updated_at=at,
        created_by_kind=by.kind.value,
        created_by_id=by.id,
    )
    words.follow("company", {company.pk: {"name": name, "domain": company.domain}}, are_new=True)
    log.record("company.created", object_type="company", object_id=company.pk, version=1, by=by, at=at)
    return company


def create_many(
    new: Sequence[NewCompany],
    *,
    by: Actor,
    depth: int = 0,
    at: datetime | None = None,
) -> list[int]:
    """Make companies in order, and return their ids. Raises Invalid without a name."""
    if not new:
        return []
    at, ids = at or clock.now(), sql.ids("crm_company", len(new))
    wanted = [(one.name.strip(), one.domain.strip().lower()) for one in new]
    if not all(name for name, _domain in wanted):
        raise Invalid(_("A company needs a name."), field="name", hint=_("Give its name."))
    rows: list[dict[str, Any]] = [
        {
            "id": pk, "account_id": current_account_id(), "version": 1, "name": name, "sort_key": sort_key(name), "domain": domain,
            "created_at": at, "updated_at": at, "created_by_kind": by.kind.value, "created_by_id": by.id,
            "assigned_team_ids": [], "properties": {},
        }
        for pk, (name, domain) in zip(ids, wanted, strict=True)
    ]  # fmt: skip
    bulk.insert(Company, rows)
    words.follow(
        "company", {row["id"]: {"name": row["name"], "domain": row["domain"]} for row in rows}, are_new=True
    )
    made = zip(ids, new, strict=True)
    log.record_many(
        [NewEvent("company.created", "company", pk, 1, by, at, {}, one.cause, depth) for pk, one in made]
    )
    return ids


def make(properties: Mapping[str, Any], *, by: Actor, at: datetime | None = None) -> int:
    """Make a company of properties by their API names, and return its id. Raises Invalid, naming the field."""
    return make_many([properties], by=by, at=at)[0]


def make_many(
    new: Sequence[Mapping[str, Any]],
    *,
    by: Actor,
    cause: Cause | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> list[int]:
    """Make companies of properties by their API names, in order, with one event each, and return their ids.

    Raises Invalid, naming the field; then none is made.
    """
    if not new:
        return []
    at = at or clock.now()
    values = [checked("company", properties) for properties in new]
    ids = sql.ids("crm_company", len(new))
    teams = store.main_teams({given["owner_id"] for given in values if given.get("owner_id")})
    rows = {pk: _row(given, teams, by, at) for pk, given in zip(ids, values, strict=True)}
    own = {pk: row["properties"] for pk, row in rows.items()}
    unique.follow("company", own, are_new=True)
    bulk.insert(Company, [{"id": pk, **row} for pk, row in rows.items()])
    filterable.follow("company", own, are_new=True)
    words.follow("company", rows, are_new=True)
    log.record_many([NewEvent("company.created", "company", pk, 1, by, at, {}, cause, depth) for pk in ids])
    return ids


def _row(values: Mapping[str, Any], teams: Mapping[int, int], by: Actor, at: datetime) -> dict[str, Any]:
    columns = columns_of(Company)
    team_id = teams.get(values.get("owner_id") or 0)
    row = {
        "account_id": current_account_id(), "version": 1, "created_at": at, "updated_at": at,
        "created_by_kind": by.kind.value, "created_by_id": by.id, "owner_id": None,
        "assigned_team_ids": [team_id] if team_id else [],  # R-ROUTE-50
        **{name: value for name, value in values.items() if name in columns},
        "name": str(values.get("name") or "").strip(), "domain": str(values.get("domain") or "").strip().lower(),
        "properties": {
            name: store.plain(value) for name, value in values.items() if name not in columns and value not in (None, [])
        },
    }  # fmt: skip
    if not row["name"]:
        raise Invalid(_("A company needs a name."), field="name", value="", hint=_("Give its name."))
    return row | words.names("company", row)


def update(company_id: int, properties: Mapping[str, Any], *, by: Actor) -> Applied:
    """Set properties by their API names. Raises Invalid, NotFound."""
    values = checked("company", dict(properties))
    if "name" in values:
        if not values["name"]:
            raise Invalid(
                _("A company needs a name."), field="name", value=values["name"], hint=_("Give its name.")
            )
        values["name"] = values["name"].strip()
    if values.get("domain"):
        values["domain"] = values["domain"].strip().lower()
    return store.change("company", company_id, values, by=by)


def add_contact(company_id: int, contact_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Link the two; a contact's first company is the primary one. Safe to repeat. Raises NotFound."""
    contact = _both(company_id, contact_id)
    associations.link_many([("contact", contact_id, "company", company_id)], at or clock.now())
    _tell("linked", contact, company_id, by, at)
    if contact.company_id is None:
        store.change("contact", contact_id, {"company_id": company_id}, by=by, at=at)


def make_primary(company_id: int, contact_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Make the company the contact's primary one, and link the two. Safe to repeat. Raises NotFound."""
    _both(company_id, contact_id)
    store.change("contact", contact_id, {"company_id": company_id}, by=by, at=at)
    associations.link_many([("contact", contact_id, "company", company_id)], at or clock.now())


def remove_contact(company_id: int, contact_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Part the two; where it was the primary company, the one that was linked next is. Safe to repeat."""
    associations.unlink("contact", contact_id, "company", company_id)
    contact = Contact.objects.get(account_id=current_account_id(), pk=contact_id)
    _tell("unlinked", contact, company_id, by, at)
    if contact.company_id == company_id:
        rest = associations.linked_ids("contact", [contact_id], "company").get(contact_id, [])
        store.change("contact", contact_id, {"company_id": rest[0] if rest else None}, by=by, at=at)


def _tell(did: str, contact: Contact, company_id: int, by: Actor, at: datetime | None) -> None:
    log.record(
        f"contact.{did}", object_type="contact", object_id=contact.pk, version=contact.version, by=by, at=at,
        data={"to_type": "company", "to_id": company_id},
    )  # fmt: skip


def _both(company_id: int, contact_id: int) -> Contact:
    account_id = current_account_id()
    if not Company.objects.filter(account_id=account_id, pk=company_id, archived_at=None).exists():
        raise NotFound(_("There is no company %(company_id)s.") % {"company_id": company_id})
    contact = Contact.objects.filter(account_id=account_id, pk=contact_id, archived_at=None).first()
    if contact is None:
        raise NotFound(_("There is no contact %(contact_id)s.") % {"contact_id": contact_id})
    return contact
