"""Finding what was said: messages and comments of the tickets that the viewer may see, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.crm.records.search import PAGE, WIDTH, Found, next_place, place
from deskhand.desk import replies, splitting, threads, unwritten
from deskhand.events.types import Event
from deskhand.kernel import search
from deskhand.kernel.database import sql

MESSAGE, LONGEST = unwritten.FOUND_AS, unwritten.LONGEST_FOUND

HEARD = {threads.RECEIVED, threads.FILTERED, replies.SENT, replies.COMMENTED}


@dataclass(frozen=True)
class MessageHit:
    id: int
    ticket_id: int
    number: int
    subject: str
    sender: str
    text: str
    is_comment: bool
    at: datetime


def messages(viewer: Viewer, query: str, *, after: str = "", limit: int = PAGE) -> Found[MessageHit]:
    """By the words of the message and of who wrote it."""
    words = search.words_of(query, search.MOST_ASKED)
    if not words:
        return Found([])
    source, params = search.candidates(viewer.account_id, MESSAGE, words, before=place(after), limit=WIDTH)
    reach, own = visible(viewer, "ticket").sql("t")
    rows = sql.rows(
        _FIND.format(source=source, reach=reach),
        [*params, LONGEST, viewer.account_id, *own, limit + 1],
    )
    hits = [row[2:] for row in rows if row[2] is not None]
    return Found([MessageHit(*hit) for hit in hits[:limit]], next_place(hits, limit, *rows[0][:2]))


_FIND = """
with found as materialized ({source}),
seen as (select (select count(*) from found) as count, (select min(record_id) from found) as last)
select seen.count, seen.last, h.* from seen left join lateral (
    select m.id, t.id as ticket_id, t.number, t.subject,
           coalesce(nullif(m.sender_name, ''), nullif(m.sender_address, ''), u.name, ''),
           left(m.text, %s), m.kind = 'COMMENT', m.created_at
    from desk_message m join crm_ticket t on t.account_id = m.account_id and t.id = m.ticket_id
    left join accounts_user u on m.actor_kind = 'user' and u.id = m.actor_id
    where m.account_id = %s and m.id = any(array(select record_id from found))
      and t.archived_at is null and ({reach})
    order by m.id desc limit %s
) h on true order by h.id desc nulls last
"""


def follow(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: what was said can be found; mail that is not written yet, once it is. Safe to repeat."""
    ids = [event.data["message_id"] for event in events if event.kind in HEARD]
    ids += [pk for event in events if event.kind == splitting.COPIED for pk in event.data["message_ids"]]
    if not ids:
        return
    found = sql.rows(
        "select m.id, concat_ws(' ', m.sender_name, m.sender_address, u.name, left(m.text, %s))"
        " from desk_message m left join accounts_user u on m.actor_kind = 'user' and u.id = m.actor_id"
        " where m.account_id = %s and m.id = any(%s) and m.kind <> 'EVENT' and m.filling is null",
        [LONGEST, account_id, sorted(ids)],
    )
    search.put(account_id, MESSAGE, dict(found))


@dataclass(frozen=True)
class RecentHit:
    id: int
    number: int
    subject: str
    contact_name: str


def recent(viewer: Viewer, limit: int) -> list[RecentHit]:
    """The tickets that the viewer looked at last."""
    reach, own = visible(viewer, "ticket").sql("t")
    return [
        RecentHit(*row)
        for row in sql.rows(
            f"""
            select t.id, t.number, t.subject, coalesce(nullif(c.name, ''), c.email, '') from desk_seen s
            join crm_ticket t on t.account_id = s.account_id and t.id = s.ticket_id
            left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
            where s.account_id = %s and s.user_id = %s and t.archived_at is null and ({reach})
            order by s.seen_at desc, s.id desc limit %s
            """,
            [viewer.account_id, viewer.user_id, *own, limit],
        )
    ]
