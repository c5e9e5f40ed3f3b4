"""Which of several linked companies is the primary one (R-POR-4, R-TRIG-5).

A contact names its own. Of a ticket it is the one that it was linked to first, which workflows take where one is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import QuerySet

from deskhand.crm.records import associations, store
from deskhand.crm.records.associations import Link
from deskhand.crm.records.models import Contact
from deskhand.crm.records.store import Change
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id


def choose(links: Collection[Link], *, by: Actor, at: datetime | None = None) -> None:
    """Make the companies of these links the primary ones. Safe to repeat."""
    _write(companies_of("contact", links), by, at)
    firsts = companies_of("ticket", links)
    if firsts:
        sql.execute(_FIRST, [list(firsts), list(firsts.values()), current_account_id()])


def fill(links: Collection[Link], *, by: Actor, at: datetime | None = None) -> None:
    """A contact's first company is the primary one: for those of these links that have none."""
    wanted = companies_of("contact", links)
    lacking = set(_contacts(wanted).filter(company=None).values_list("pk", flat=True))
    _write({contact: company for contact, company in wanted.items() if contact in lacking}, by, at)


def follow_parted(links: Collection[Link], *, by: Actor, at: datetime | None = None) -> None:
    """Where a contact was parted from its primary company, the one that was linked next is."""
    parted = {_ends("contact", link) for link in links}
    had = dict(_contacts([one[0] for one in parted if one]).values_list("pk", "company_id"))
    lost = sorted(contact for contact, company in had.items() if (contact, company) in parted)
    rest = associations.linked_ids("contact", lost, "company") if lost else {}
    _write({contact: next(iter(rest.get(contact, ())), None) for contact in lost}, by, at)


def clear(links: Collection[Link], *, by: Actor, at: datetime | None = None) -> None:
    """Contacts that name the company of such a link name none."""
    named = companies_of("contact", links)
    had = dict(_contacts(named).values_list("pk", "company_id"))
    pairs = {_ends("contact", link) for link in links}
    _write({pk: None for pk, company in had.items() if (pk, company) in pairs}, by, at)


def companies_of(kind: str, links: Collection[Link]) -> dict[int, int]:
    """{record of the kind: the company that it is linked to here}; of several the first."""
    found: dict[int, int] = {}
    for link in links:
        if ends := _ends(kind, link):
            found.setdefault(*ends)
    return found


def _ends(kind: str, link: Link) -> tuple[int, int] | None:
    from_type, from_id, to_type, to_id = link
    if (from_type, to_type) == (kind, "company"):
        return from_id, to_id
    return (to_id, from_id) if (from_type, to_type) == ("company", kind) else None


def _contacts(ids: Collection[int]) -> QuerySet[Contact]:
    return Contact.objects.filter(account_id=current_account_id(), pk__in=list(ids))


def _write(companies: Mapping[int, int | None], by: Actor, at: datetime | None) -> None:
    changes = [Change(contact, {"company_id": company}) for contact, company in sorted(companies.items())]
    store.change_many("contact", changes, by=by, at=at)


# The others go behind it, in their own order.
_FIRST = """
with behind as (
    select a.id from unnest(%s::bigint[], %s::bigint[]) x(ticket, company)
    join crm_association a on a.from_type = 'ticket' and a.from_id = x.ticket and a.to_type = 'company' and a.to_id <> x.company
    where a.account_id = %s and x.company <> (
        select f.to_id from crm_association f where f.account_id = a.account_id and f.from_type = 'ticket' and f.from_id = x.ticket
        and f.to_type = 'company' order by f.id limit 1)
    order by a.id for update of a
), numbered as (select id, nextval(pg_get_serial_sequence('crm_association', 'id')) as new_id from (select id from behind order by id) b)
update crm_association a set id = n.new_id from numbered n where a.id = n.id
"""
