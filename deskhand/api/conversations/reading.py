"""Threads as their viewer sees them: those of the tickets that they may see, and those without one that they may see (R-DM-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.api.conversations import naming
from deskhand.api.shapes import moment, without_nothing
from deskhand.desk import conversations
from deskhand.kernel.database import sql


class Row(NamedTuple):
    """A thread; what belongs to its ticket is the ticket's: status, owner, spam, whether it is put away."""

    id: int
    inbox_id: int
    ticket_id: int | None
    contact_id: int | None  # None also for one that the viewer may not see
    channel: str
    channel_account_id: int
    address: str
    subject: str
    is_open: bool
    is_spam: bool
    owner_id: int | None
    created_at: datetime
    closed_at: datetime | None
    archived_at: datetime | None
    last_message_at: datetime
    last_sent_at: datetime | None
    last_received_at: datetime | None

    def shown(self, *, with_ticket: bool = False) -> dict[str, Any]:
        return without_nothing(
            id=str(self.id),
            inboxId=str(self.inbox_id),
            status="OPEN" if self.is_open else "CLOSED",
            spam=self.is_spam,
            archived=self.archived_at is not None,
            createdAt=moment(self.created_at),
            closedAt=_moment(None if self.is_open else self.closed_at),
            assignedTo=naming.agent(self.owner_id) if self.owner_id else None,
            associatedContactId=str(self.contact_id) if self.contact_id else None,
            originalChannelId=naming.channel_id(self.channel),
            originalChannelAccountId=str(self.channel_account_id),
            latestMessageTimestamp=moment(self.last_message_at),
            latestMessageSentTimestamp=_moment(self.last_sent_at),
            latestMessageReceivedTimestamp=_moment(self.last_received_at),
            threadAssociations=without_nothing(
                associatedTicketId=str(self.ticket_id) if self.ticket_id else None
            )
            if with_ticket
            else None,
        )


@dataclass(frozen=True)
class Asked:
    """Which threads, in which order; `after` is where the page before ended."""

    archived: bool = False
    ids: Sequence[int] | None = None
    inbox_ids: Sequence[int] = ()
    contact_id: int | None = None
    ticket_id: int | None = None
    is_open: bool | None = None
    since: datetime | None = None
    by_moment: bool = False
    descending: bool = False
    after: tuple[datetime | None, int] | None = None


def rows(viewer: Viewer, asked: Asked, limit: int) -> list[Row]:
    """One query."""
    of_ticket, ticket_params = visible(viewer, "ticket").sql("t")
    loose, loose_params = conversations.reach(viewer)
    of_contact, contact_params = visible(viewer, "contact").sql("c")
    where, params = _conditions(asked)
    order = "desc" if asked.descending else "asc"
    keys = f"h.last_message_at {order}, h.id {order}" if asked.by_moment else f"h.id {order}"
    found = sql.rows(
        f"select * from ({_THREADS.format(of_ticket=of_ticket, loose=loose, of_contact=of_contact, owned=conversations.OWNED)}) h"
        f" where {' and '.join(where)} order by {keys} limit {int(limit)}",
        [*contact_params, viewer.account_id, *ticket_params, *loose_params, *params],
    )
    return [Row(*one) for one in found]


def one(viewer: Viewer, thread_id: int, *, archived: bool = False) -> Row | None:
    return next(iter(rows(viewer, Asked(archived=archived, ids=[thread_id]), 1)), None)


def _conditions(asked: Asked) -> tuple[list[str], list[Any]]:
    where, params = [f"(h.archived_at is not null) = {asked.archived}"], list[Any]()

    def also(text: str, *values: Any) -> None:
        where.append(text)
        params.extend(values)

    if asked.ids is not None:
        also("h.id = any(%s::bigint[])", list(asked.ids))
    if asked.inbox_ids:
        also("h.inbox_id = any(%s::bigint[])", list(asked.inbox_ids))
    if asked.contact_id is not None:
        also("h.contact_id = %s", asked.contact_id)
    if asked.ticket_id is not None:
        also("h.ticket_id = %s", asked.ticket_id)
    if asked.is_open is not None:
        also("h.is_open = %s", asked.is_open)
    if asked.since is not None:
        also("h.last_message_at > %s", asked.since)
    if asked.after is not None:
        than = "<" if asked.descending else ">"
        at, pk = asked.after
        if asked.by_moment:
            also(f"(h.last_message_at, h.id) {than} (%s, %s)", at, pk)
        else:
            also(f"h.id {than} %s", pk)
    return where, params


def _moment(at: datetime | None) -> str | None:
    return moment(at) if at else None


_THREADS = """
select h.id, h.inbox_id, h.ticket_id, c.id as contact_id, a.channel, h.channel_account_id, a.address, h.subject,
       case when t.id is null then h.is_open else not t.is_closed end as is_open,
       case when t.id is null then h.is_spam else t.is_spam end as is_spam,
       case when t.id is null then h.assignee_id else t.owner_id end as owner_id, h.created_at,
       case when t.id is null then h.closed_at else coalesce(t.closed_at, t.last_closed_at) end as closed_at,
       coalesce(t.archived_at, h.archived_at) as archived_at, h.last_message_at, h.last_sent_at, h.last_received_at
from desk_thread h {owned}
join desk_channelaccount a on a.account_id = h.account_id and a.id = h.channel_account_id
left join crm_ticket t on t.account_id = h.account_id and t.id = h.ticket_id
left join crm_contact c on c.account_id = h.account_id and c.id = h.contact_id and {of_contact}
where h.account_id = %s and (h.ticket_id is not null and {of_ticket} or h.ticket_id is null and {loose})
"""
