"""Verbs on contacts: people are found by their address, or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.accounts.users import sort_key
from deskhand.crm.records.models import Contact
from deskhand.events import log
from deskhand.events.types import Actor, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id


@dataclass(frozen=True)
class Person:
    """Somebody who wrote: the address identifies, the name is only shown."""

    email: str
    name: str = ""


def _split(name: str) -> tuple[str, str]:
    first, _, last = name.strip().partition(" ")
    return first, last.strip()


def upsert_many(people: Sequence[Person], *, by: Actor, at: datetime | None = None) -> dict[str, int]:
    """Return {lower-case address: contact id}, making the unknown ones (R-CC-11). Safe against concurrent twins."""
    at = at or clock.now()
    wanted = {person.email.lower(): person for person in people if person.email}
    found = _ids(list(wanted))
    missing = [wanted[email] for email in sorted(wanted) if email not in found]
    if not missing:
        return found
    rows = [
        (
            person.email.lower(),
            *_split(person.name),
            person.name or person.email,
            sort_key(person.name or person.email),
        )
        for person in missing
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    made = sql.rows(_INSERT, [current_account_id(), at, at, by.kind.value, by.id, *columns])
    log.record_many(
        [
            NewEvent("contact.created", "contact", contact_id, 1, by, at, {"email": email})
            for contact_id, email in made
        ]
    )
    if len(made) < len(missing):  # another transaction was first with some; its rows are visible now
        return _ids(list(wanted))
    return found | {email: contact_id for contact_id, email in made}


def _ids(emails: list[str]) -> dict[str, int]:
    rows = sql.rows(
        "select email, id from crm_contact where account_id = %s and email = any(%s) and archived_at is null",
        [current_account_id(), emails],
    )
    return dict(rows)


_INSERT = """
insert into crm_contact (account_id, version, created_at, updated_at, created_by_kind, created_by_id, assigned_team_ids, properties,
                         phone, locale, email, first_name, last_name, name, sort_key)
select %s, 1, %s::timestamptz, %s::timestamptz, %s, %s::bigint, '{}', '{}', '', '', x.*
from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) x
on conflict (account_id, email) where email <> '' and archived_at is null do nothing returning id, email
"""


def create(person: Person, *, by: Actor, company_id: int | None = None, **values: str) -> Contact:
    """Make (or find) one contact and set further columns."""
    contact_id = upsert_many([person], by=by)[person.email.lower()]
    contact = Contact.objects.get(account_id=current_account_id(), pk=contact_id)
    contact.company_id = company_id or contact.company_id
    for name, value in values.items():
        setattr(contact, name, value)
    contact.save(update_fields=["company", *values])
    return contact
