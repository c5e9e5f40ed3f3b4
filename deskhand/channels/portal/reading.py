"""What a signed-in customer reads: their requests, the conversation of one, and its files. All of it by one policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records.models import Ticket
from deskhand.desk import merging
from deskhand.desk.customer_policy import Customer
from deskhand.desk.models import Attachment, Message
from deskhand.desk.views import place_of, position_of
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 25
WORDS = 8  # of a search that count
MOST = 500  # messages that a page shows, the newest


@dataclass(frozen=True)
class Asked:
    """Which requests. `is_closed` None: all of them."""

    of_company: bool = False
    is_closed: bool | None = False
    text: str = ""
    after: str = ""


@dataclass(frozen=True)
class Request:
    id: int
    number: int
    subject: str
    stage_id: int
    is_closed: bool
    at: datetime  # when something last happened
    asked_by: str


@dataclass(frozen=True)
class Page:
    requests: tuple[Request, ...]
    following: str = ""  # where the next page begins


def requests(customer: Customer, asked: Asked) -> Page:
    """Newest first, by keyset. One query. Their company's are without their own."""
    owned, owned_params = customer.owned_sql()
    seen, params = customer.sees_sql()
    parts = [seen]
    parts.append(f"not {owned}" if asked.of_company else owned)
    params += owned_params
    if asked.is_closed is not None:
        parts.append("t.is_closed = %s")
        params.append(asked.is_closed)
    for word in asked.text.split()[:WORDS]:
        said, said_params = _says(customer, word)
        parts.append(said)
        params += said_params
    if place := _place(asked.after):
        parts.append("(t.sort_at, t.id) < (%s, %s)")
        params += place
    found = sql.rows(
        "select t.id, t.number, t.subject, t.stage_id, t.is_closed, t.sort_at, coalesce(c.name, '') from crm_ticket t"
        " left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id"
        f" where {' and '.join(parts)} order by t.sort_at desc, t.id desc limit {PAGE + 1}",
        params,
    )
    shown = tuple(Request(*row) for row in found[:PAGE])
    return Page(shown, place_of(shown[-1].at, shown[-1].id) if len(found) > PAGE else "")


def _says(customer: Customer, word: str) -> tuple[str, list[Any]]:
    """A word stands in the subject or in what they may read of it, or is its number."""
    reads, params = customer.reads_sql()
    like = sql.containing(word)
    text = (
        "(t.subject ilike %s or t.number = %s or exists (select 1 from desk_message m join desk_thread h on h.id = m.thread_id"
        f" where m.ticket_id = t.id and m.text ilike %s and {reads}))"
    )
    return text, [like, whole(word.lstrip("#")) or 0, like, *params]


def _place(after: str) -> list[Any]:
    """Nothing for what no page of ours wrote: the first page then."""
    try:
        return [*position_of(after)]
    except NotFound:
        return []


def request(customer: Customer, ticket_id: int) -> Ticket:
    """Raises NotFound for what they may not see."""
    seen, params = customer.sees_sql()
    found = sql.row(f"select t.id from crm_ticket t where t.id = %s and {seen}", [ticket_id, *params])
    if found is None:
        raise NotFound(_("There is nothing at this address."))
    return Ticket.objects.select_related("contact").get(account_id=customer.account_id, pk=ticket_id)


def became(customer: Customer, ticket_id: int) -> int | None:
    """The request that one was merged into, if they may see that: addresses of the former one lead there."""
    found = merging.survivor_of(ticket_id)
    if found is None:
        return None
    try:
        return int(request(customer, found).pk)
    except NotFound:
        return None


def conversation(customer: Customer, ticket: Ticket) -> list[Message]:
    """What they may read of it, oldest first. Of a request that they see."""
    reads, params = customer.reads_sql()
    found = sql.rows(
        "select m.id from desk_message m join desk_thread h on h.account_id = m.account_id and h.id = m.thread_id"
        f" where m.ticket_id = %s and {reads} order by m.id desc limit {MOST}",
        [ticket.pk, *params],
    )
    return list(
        Message.objects.filter(account_id=customer.account_id, pk__in=[pk for (pk,) in found])
        .prefetch_related("attachments")
        .order_by("id")
    )


def file(customer: Customer, attachment_id: int) -> Attachment:
    """Raises NotFound unless they may read the message it came with."""
    sees, sees_params = customer.sees_sql()
    reads, reads_params = customer.reads_sql()
    found = sql.row(
        "select f.id from desk_attachment f join desk_message m on m.account_id = f.account_id and m.id = f.message_id"
        " join desk_thread h on h.account_id = m.account_id and h.id = m.thread_id"
        " join crm_ticket t on t.account_id = m.account_id and t.id = m.ticket_id"
        f" where f.id = %s and {sees} and {reads}",
        [attachment_id, *sees_params, *reads_params],
    )
    if found is None:
        raise NotFound(_("There is nothing at this address."))
    return Attachment.objects.get(account_id=customer.account_id, pk=attachment_id)


def files_of(message: Message) -> Sequence[Attachment]:
    return sorted(message.attachments.all(), key=lambda one: (one.position, one.pk))
