"""Who wrote: a colleague, somebody who takes part in the conversation, or a stranger, who causes nothing (R-STAT-17, T4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deskhand.accounts.models import Membership
from deskhand.crm.pipelines.policy import Sender
from deskhand.desk.models import Thread
from deskhand.desk.types import InboundMessage
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id


def of(arrived: Sequence[tuple[InboundMessage, Thread | None]]) -> list[Sender]:
    """Who wrote each message that joins this thread, or begins one. Two queries at most, however many they are."""
    colleagues = _colleagues({message.sender.key for message, _thread in arrived})
    found = [_at_sight(message, thread, colleagues) for message, thread in arrived]
    unknown = {
        place: (message.sender.key, thread)
        for place, (message, thread) in enumerate(arrived)
        if thread and found[place] is Sender.STRANGER
    }
    for place in _no_strangers(unknown):
        found[place] = Sender.CONTACT
    return found


def _at_sight(message: InboundMessage, thread: Thread | None, colleagues: set[str]) -> Sender:
    if message.is_verified:
        return Sender.CONTACT
    if message.sender.key in colleagues:
        return Sender.COLLEAGUE
    if thread is None or message.sender.key in thread.participants:
        return Sender.CONTACT
    return Sender.STRANGER


def _colleagues(addresses: set[str]) -> set[str]:
    members = Membership.objects.filter(
        account_id=current_account_id(), is_active=True, user__email__in=addresses
    )
    return set(members.values_list("user__email", flat=True))


def _no_strangers(unknown: Mapping[int, tuple[str, Thread]]) -> set[int]:
    """Which of these addresses belong to a contact of the conversation or its ticket, or got automatic mail in it.

    A contact's further addresses count as the first one does. None for none; else one query.
    """
    asked = [
        (place, address, thread.pk, thread.ticket_id, thread.contact_id)
        for place, (address, thread) in unknown.items()
        if address
    ]
    if not asked:
        return set()
    places, addresses, threads, tickets, contacts = (list(column) for column in zip(*asked, strict=True))
    params = {
        "account": current_account_id(), "places": places, "addresses": addresses, "threads": threads, "tickets": tickets,
        "contacts": contacts,
    }  # fmt: skip
    return {place for (place,) in sql.rows(_NO_STRANGERS, params)}


_NO_STRANGERS = """
select x.place
from unnest(%(places)s::int[], %(addresses)s::text[], %(threads)s::bigint[], %(tickets)s::bigint[], %(contacts)s::bigint[])
    x(place, address, thread_id, ticket_id, contact_id)
where exists (
    select from (
        select x.contact_id as id union all select to_id from crm_association
        where account_id = %(account)s and from_type = 'ticket' and from_id = x.ticket_id and to_type = 'contact'
    ) p join crm_contact c on c.account_id = %(account)s and c.id = p.id and c.archived_at is null
    where c.email = x.address
    or exists (select from crm_contactaddress a where a.account_id = %(account)s and a.contact_id = c.id and a.email = x.address)
) or exists (
    select from desk_message m
    where m.account_id = %(account)s and m.thread_id = x.thread_id and m.direction = 'OUT' and m.is_automatic
    and m.recipients->'to' @> jsonb_build_array(jsonb_build_object('email', x.address))
)
"""
