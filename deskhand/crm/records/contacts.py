"""Verbs on contacts: people are found by their addresses, or made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from deskhand.accounts.users import canonical_email, sort_key
from deskhand.crm.records import archive as archives
from deskhand.crm.records import associations, beginning, store, words
from deskhand.crm.records.checking import checked
from deskhand.crm.records.models import Contact
from deskhand.crm.records.store import Applied, Change
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt, current_account_id
from deskhand.kernel.errors import Conflict, Invalid


@dataclass(frozen=True)
class Person:
    """Somebody who wrote: the address identifies, the name is only shown."""

    email: str
    name: str = ""
    cause: Cause | None = None  # why a contact is made of an unknown one


class Taken(Conflict):
    """The address is another contact's already: `contact_id`."""

    def __init__(self, message: str, *, contact_id: int) -> None:
        super().__init__(message)
        self.contact_id = contact_id


def _split(name: str) -> tuple[str, str]:
    first, _, last = name.strip().partition(" ")
    return first, last.strip()


def upsert_many(
    people: Sequence[Person],
    *,
    by: Actor,
    at: datetime | None = None,
    depth: int = 0,
) -> dict[str, int]:
    """Return {lower-case address: contact id}, making the unknown ones (R-CC-11). Safe against concurrent twins."""
    at = at or clock.now()
    wanted = {person.email.lower(): person for person in people if person.email}
    found = _held(list(wanted))
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
    words.follow(
        "contact", {pk: {"name": name, "email": email} for pk, email, name in made}, are_new=True
    )  # fmt: skip
    log.record_many(
        [
            NewEvent(
                "contact.created",
                "contact",
                contact_id,
                1,
                by,
                at,
                {"email": email},
                wanted[email].cause,
                depth,
            )
            for contact_id, email, _name in made
        ]
    )
    if len(made) < len(missing):  # another transaction was first with some; its rows are visible now
        return _held(list(wanted))
    return found | {email: contact_id for contact_id, email, _name in made}


def _held(emails: list[str]) -> dict[str, int]:
    """As `ids_of`; the rows are held as by a key, so that nobody merges them away before what is filed under them.

    Who waits for a merge finds nobody under the first address any more, and then looks among the further ones.
    """
    found = dict(
        sql.rows(
            "select email, id from crm_contact where account_id = %s and email = any(%s) and archived_at is null order by id for key share",
            [current_account_id(), emails],
        )
    )
    missing = [email for email in emails if email not in found]
    return found | ids_of(missing) if missing else found


def ids_of(emails: Sequence[str]) -> dict[str, int]:
    """{address: contact} of those that are known, in lower case; further addresses count as the first one does."""
    return dict(sql.rows(_IDS, {"account": current_account_id(), "emails": list(emails)}))


_IDS = """
select a.email, a.contact_id from crm_contactaddress a join crm_contact c on c.account_id = a.account_id and c.id = a.contact_id
where a.account_id = %(account)s and a.email = any(%(emails)s) and c.archived_at is null
union all
select email, id from crm_contact where account_id = %(account)s and email = any(%(emails)s) and archived_at is null
"""

_INSERT = """
insert into crm_contact (account_id, version, created_at, updated_at, created_by_kind, created_by_id, assigned_team_ids, properties,
                         phone, locale, email, first_name, last_name, name, sort_key)
select %s, 1, %s::timestamptz, %s::timestamptz, %s, %s::bigint, '{}', '{}', '', '', x.*
from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) x
on conflict (account_id, email) where email <> '' and archived_at is null do nothing returning id, email, name
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


def make(properties: Mapping[str, Any], *, by: Actor, at: datetime | None = None) -> int:
    """Make a contact of properties by their API names, and return its id. Raises as `make_many` does."""
    return make_many([properties], by=by, at=at)[0]


def make_many(
    new: Sequence[Mapping[str, Any]],
    *,
    by: Actor,
    causes: Sequence[Cause | None] | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> list[int]:
    """Make contacts of properties by their API names, in order, with one event each, and return their ids.

    Raises Invalid, naming the field, and Taken where an address is somebody's already; then none is made.
    """
    if not new:
        return []
    at = at or clock.now()
    values = [_begun(properties) for properties in new]
    _refuse_all_taken([given["email"] for given in values if given.get("email")])
    begin = {"company_id": None, **dict.fromkeys(_TEXTS, "")}
    rows = beginning.rows("contact", values, begin, by=by, at=at)
    try:
        with attempt():
            beginning.insert("contact", rows)
    except IntegrityError:  # a mail has made one of them since we looked
        _refuse_all_taken([given["email"] for given in values if given.get("email")])
        raise
    associations.link_many(
        [("contact", pk, "company", row["company_id"]) for pk, row in rows.items() if row["company_id"]], at
    )
    log.record_many(
        [
            NewEvent("contact.created", "contact", pk, 1, by, at, {"email": row["email"]}, cause, depth)
            for (pk, row), cause in zip(rows.items(), causes or [None] * len(new), strict=True)
        ]
    )
    return list(rows)


def _begun(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What a contact begins with, by column or property. Raises Invalid."""
    values = checked("contact", properties)
    if not any(values.get(name) for name in ("email", "first_name", "last_name")):
        raise Invalid(
            _("A contact needs an email address or a name."), field="email", hint=_("Give one of them.")
        )
    if values.get("email"):
        values["email"] = address(values["email"])
    return values


_TEXTS = ("email", "first_name", "last_name", "phone", "locale")


def _refuse_all_taken(emails: Sequence[str], but: Mapping[str, int] | None = None) -> None:
    """Raises Taken where an address is another contact's than the one in `but`, Invalid where two of these have the same.
    The locks, in one order for everybody, are for who asks at the same moment."""
    if twice := next((email for email in emails if emails.count(email) > 1), None):
        raise Invalid(
            _("%(email)s is given to several contacts.") % {"email": twice}, field="email", value=twice
        )
    if not emails:
        return
    sql.execute(_LOCK, [current_account_id(), sorted(emails)])
    for email, owner in ids_of(emails).items():
        if owner != (but or {}).get(email):
            raise Taken(
                _("%(email)s is the address of another contact.") % {"email": email}, contact_id=owner
            )


_LOCK = """
select pg_advisory_xact_lock(hashtextextended('contact ' || email, %s)) from (select unnest(%s::text[]) as email order by 1) x
"""


def update(
    contact_id: int, properties: Mapping[str, Any], *, by: Actor, at: datetime | None = None
) -> Applied:
    """Set properties by their API names; None clears. Raises Invalid, Taken, NotFound."""
    return store.the_one("contact", contact_id, update_many({contact_id: properties}, by=by, at=at))


def update_many(
    changes: Mapping[int, Mapping[str, Any]], *, by: Actor, at: datetime | None = None
) -> list[Applied]:
    """The same for several; those that are gone are left out. Raises for one that can't be, and changes none."""
    at = at or clock.now()
    values = {pk: checked("contact", properties) for pk, properties in changes.items()}
    for given in values.values():
        if given.get("email"):
            given["email"] = address(given["email"])
    emails = [(given["email"], pk) for pk, given in values.items() if given.get("email")]
    _refuse_all_taken([email for email, _pk in emails], dict(emails))
    done = store.change_many("contact", [Change(pk, given) for pk, given in values.items()], by=by, at=at)
    bounced = [Change(one.record_id, facts={"bounced_at": None}) for one in done if "email" in one.changes]
    store.change_many("contact", bounced, by=by, at=at)  # what came back was sent to another one (R-MAIL-12)
    associations.link_many(
        [
            ("contact", one.record_id, "company", values[one.record_id]["company_id"])
            for one in done
            if values[one.record_id].get("company_id")
        ],
        at,
    )
    return done


def address(email: str) -> str:
    """An address as it is stored. Raises Invalid for what is none."""
    try:
        return canonical_email(email)
    except Invalid:
        raise Invalid(
            _("“%(email)s” is not an email address.") % {"email": email},
            field="email",
            value=email,
            hint=_("It looks like name@example.com."),
        ) from None


def refuse_taken(email: str, *, but: int | None = None) -> None:
    """Raises Taken where an address is another contact's. The lock is for who asks at the same moment."""
    _refuse_all_taken([email], {email: but} if but else None)


def restore(contact_ids: Sequence[int], *, by: Actor, at: datetime | None = None) -> list[int]:
    """Bring contacts back. Raises Taken where somebody else has an address of theirs by now."""
    gone = Contact.objects.filter(
        account_id=current_account_id(), pk__in=contact_ids, merged_into=None
    ).exclude(archived_at=None)
    emails = dict(gone.values_list("pk", "email"))
    for pk, email in emails.items():
        if email:
            refuse_taken(email, but=pk)
    return archives.restore("contact", list(emails), by=by, at=at)
