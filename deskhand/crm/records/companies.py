"""Verbs on companies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.users import sort_key
from deskhand.crm.records import associations, beginning, store, words
from deskhand.crm.records.checking import checked
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.records.store import Applied, Change
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound


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


def make(properties: Mapping[str, Any], *, by: Actor, at: datetime | None = None) -> int:
    """Make a company of properties by their API names, and return its id. Raises Invalid, naming the field."""
    return make_many([properties], by=by, at=at)[0]


def make_many(
    new: Sequence[Mapping[str, Any]],
    *,
    by: Actor,
    causes: Sequence[Cause | None] | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> list[int]:
    """Make companies of properties by their API names, in order, with one event each, and return their ids.

    Raises Invalid, naming the field; then none is made.
    """
    if not new:
        return []
    at = at or clock.now()
    values = [_begun(checked("company", properties)) for properties in new]
    rows = beginning.rows("company", values, {"domain": ""}, by=by, at=at)
    beginning.insert("company", rows)
    log.record_many(
        [
            NewEvent("company.created", "company", pk, 1, by, at, {}, cause, depth)
            for pk, cause in zip(rows, causes or [None] * len(new), strict=True)
        ]
    )
    return list(rows)


def _begun(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a company begins with. Raises Invalid."""
    return _tidy({"name": "", **values})


def _tidy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Its texts as they are stored. Raises Invalid where its name would be empty."""
    found = dict(values) | {
        name: (values[name] or "").strip() for name in ("name", "domain") if name in values
    }
    if found.get("name") == "":
        raise Invalid(_("A company needs a name."), field="name", value="", hint=_("Give its name."))
    return found | ({"domain": found["domain"].lower()} if "domain" in found else {})


def update(company_id: int, properties: Mapping[str, Any], *, by: Actor) -> Applied:
    """Set properties by their API names. Raises Invalid, NotFound."""
    return store.the_one("company", company_id, update_many({company_id: properties}, by=by))


def update_many(changes: Mapping[int, Mapping[str, Any]], *, by: Actor) -> list[Applied]:
    """The same for several; those that are gone are left out. Raises for one that can't be, and changes none."""
    wanted = [Change(pk, _tidy(checked("company", given))) for pk, given in changes.items()]
    return store.change_many("company", wanted, by=by)


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
