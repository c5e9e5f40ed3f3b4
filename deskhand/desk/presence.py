"""Who has a ticket open this minute, and whether they write in it (R-WORK-2).

Pages say so every few seconds; who says nothing for FRESH is gone. Open pages hear of changes by a signal and read
again, so that nobody learns of people in a ticket that they may not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.events import live
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid

FRESH = timedelta(seconds=45)  # three times what pages wait between two words
KEPT = timedelta(minutes=10)


class State(StrEnum):
    VIEWING = "viewing"
    REPLYING = "replying"
    COMMENTING = "commenting"
    IDLE = "idle"
    GONE = "gone"  # never stored


@dataclass(frozen=True)
class Present:
    user_id: int
    name: str
    state: State


_NOTE = """
with before as (
    select state, seen_at from desk_presence where account_id = %(account)s and ticket_id = %(ticket)s and user_id = %(user)s
), now_here as (
    insert into desk_presence (account_id, ticket_id, user_id, state, seen_at)
    values (%(account)s, %(ticket)s, %(user)s, %(state)s, %(at)s)
    on conflict (account_id, ticket_id, user_id) do update set state = excluded.state, seen_at = excluded.seen_at
)
select exists (select from before where state = %(state)s and seen_at > %(fresh)s)
"""


def note(viewer: Viewer, ticket_id: int, state: str, at: datetime) -> None:
    """Say what the viewer does in a ticket; a change is told to open pages. Raises Invalid for a strange state."""
    if state not in set(State):
        raise Invalid(_("There is no such state."), field="state", value=state[:40])
    mine = {"account": viewer.account_id, "ticket": ticket_id, "user": viewer.user_id}
    if state == State.GONE:
        is_new = bool(
            sql.execute(
                "delete from desk_presence where account_id = %(account)s and ticket_id = %(ticket)s and user_id = %(user)s",
                mine,
            )
        )
    else:
        found = sql.row(_NOTE, mine | {"state": state, "at": at, "fresh": at - FRESH})
        is_new = not (found and found[0])
    if is_new:
        sql.execute(
            "delete from desk_presence where account_id = %s and seen_at < %s", [viewer.account_id, at - KEPT]
        )
        live.signal(viewer.account_id, [f"presence-{ticket_id}"])


def others(viewer: Viewer, ticket_id: int, at: datetime) -> list[Present]:
    """Who else is there, those who write first; for who has a seat."""
    if not viewer.has_seat:
        return []
    found = sql.rows(
        "select p.user_id, u.name, p.state from desk_presence p join accounts_user u on u.id = p.user_id"
        " where p.account_id = %s and p.ticket_id = %s and p.user_id <> %s and p.seen_at > %s"
        " order by array_position(array['replying', 'commenting', 'viewing', 'idle'], p.state), u.sort_key, u.id",
        [viewer.account_id, ticket_id, viewer.user_id, at - FRESH],
    )
    return [Present(user_id, name, State(state)) for user_id, name, state in found]
