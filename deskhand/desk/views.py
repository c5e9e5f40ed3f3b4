"""The standing views of the help desk (R-VIEW-1), their rows and their counters: one query each, however many views.

"Assigned to me" is what I own and is open; "My open" adds the open tickets that I follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import reaches_any, visible
from deskhand.accounts.types import Reach, Verb, Viewer
from deskhand.desk import conversations as loose
from deskhand.desk import custom_views, selection
from deskhand.desk.custom_views import SavedView
from deskhand.kernel import places
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 50
CAP = 1000  # a counter stops here and says 999+

OPEN = "not t.is_closed and not t.is_spam and t.archived_at is null"

#: No person has it, and no automatic agent answers it (R-AI-14).
NOBODYS = "t.owner_id is null and t.ai_agent = ''"


@dataclass(frozen=True)
class View:
    """A saved question. `where` may use {me} and {teams}; it is never made from input."""

    key: str
    where: str
    needs_seat: bool = True  # R-VIEW-4: without a seat one sees mentions, following and all open
    spam: bool | None = False  # whether its tickets are spam; None: they may be
    deleted: bool = False  # for who may delete, and so restore
    saved: SavedView | None = None  # a custom view; its condition is its own

    @property
    def only_open(self) -> bool:
        """Whether a ticket that is closed is not in it any more."""
        return self.where.startswith(OPEN)


VIEWS: tuple[View, ...] = (
    View("unassigned", f"{OPEN} and {NOBODYS} and {{awake}}"),
    View("assigned", f"{OPEN} and t.owner_id = {{me}} and {{awake}}"),
    View("my-open", f"{OPEN} and (t.owner_id = {{me}} or {{followed}}) and {{awake}}"),
    View("team-unassigned", f"{OPEN} and {NOBODYS} and t.assigned_team_ids && {{teams}} and {{awake}}"),
    View("team-open", f"{OPEN} and t.assigned_team_ids && {{teams}} and {{awake}}"),
    View("snoozed", "not t.is_spam and t.archived_at is null and not {awake}"),
    View("all-open", OPEN, needs_seat=False),
    View("all-closed", "t.is_closed and not t.is_spam and t.archived_at is null"),
    View("spam", "t.is_spam and t.archived_at is null", spam=True),
    View("deleted", "t.archived_at is not null and t.merged_into_id is null", spam=None, deleted=True),
    View("mentions", "t.archived_at is null and {mentioned}", needs_seat=False, spam=None),
    View("following", "t.archived_at is null and {followed}", needs_seat=False, spam=None),
)
CONVERSATIONS = "conversations"  # threads of plain inboxes without a ticket; not a view of tickets
FILTERED = "filtered"  # threads without a ticket that are spam; the second part of the view of spam
DEFAULT = "my-open"

# As arrays, they are read once and then sought by index, together with what else the view asks for.
_FOLLOWED = "t.id = any(array(select f.ticket_id from desk_follower f where f.account_id = {account} and f.user_id = {me} and f.follows))"
_MENTIONED = "t.id = any(array(select m.ticket_id from desk_mention m where m.account_id = {account} and m.user_id = {me} and m.resolved_at is null))"


#: What is not put off, by oneself or for everybody (R-WORK-9).
_AWAKE = "t.id <> all(array(select z.ticket_id from desk_snooze z where z.account_id = {account} and (z.user_id = {me} or z.user_id is null)))"


def views_of(viewer: Viewer) -> tuple[View, ...]:
    """The standing views, then the custom ones (R-VIEW-5)."""
    may_delete = reaches_any(viewer, "ticket", Verb.DELETE)
    standing = (
        view
        for view in VIEWS
        if (viewer.has_seat or viewer.is_super_admin or not view.needs_seat)
        and (may_delete or not view.deleted)
    )
    return (*standing, *(View(one.key, "", saved=one) for one in custom_views.usable(viewer)))


def view_of(viewer: Viewer, key: str) -> View:
    """Raises NotFound for a view that this viewer has not."""
    found = next((view for view in views_of(viewer) if view.key == key), None)
    if found is None:
        raise NotFound(_("There is no view %(key)s.") % {"key": key})
    return found


def _where(viewer: Viewer, view: View) -> tuple[str, list[Any]]:
    """The view's condition and the viewer's reach as SQL on `t`, with parameters; ids are our own whole numbers."""
    if view.saved:
        return selection.where(viewer, view.saved.selection)
    teams = ",".join(str(int(team)) for team in sorted(viewer.team_ids))
    me, account = str(int(viewer.user_id)), str(int(viewer.account_id))
    if "{teams}" in view.where and not viewer.team_ids:
        return "false", []
    text = view.where.format(
        me=me,
        teams=f"'{{{teams}}}'::bigint[]",
        followed=_FOLLOWED.format(me=me, account=account),
        mentioned=_MENTIONED.format(me=me, account=account),
        awake=_AWAKE.format(me=me, account=account),
    )
    reach, params = visible(viewer, "ticket").sql("t")
    return f"t.account_id = %s and {text} and ({reach})", [viewer.account_id, *params]


@dataclass(frozen=True)
class Row:
    """A ticket in a list, as it is stored; screens put it into words."""

    id: int
    number: int
    subject: str
    preview: str
    sort_at: datetime
    message_count: int
    stage_id: int
    priority: str | None
    source_type: str | None
    owner_id: int | None
    contact_name: str
    has_draft: bool
    unread: bool
    is_spam: bool
    is_snoozed: bool
    is_deleted: bool
    tag_ids: Sequence[str] = ()

    def leaves(self, view: View) -> bool:
        """Whether it was deleted or marked as spam, or is so no more, and is out of the view at once."""
        return view.deleted is not self.is_deleted or (
            view.spam is not None and view.spam is not self.is_spam
        )


_ROWS = """
select t.id, t.number, t.subject, t.preview, t.sort_at, t.message_count, t.stage_id, t.priority, t.source_type, t.owner_id,
       coalesce(nullif(c.name, ''), c.email, ''), d.id is not null,
       coalesce(t.last_message_from_visitor, false) and (s.seen_at is null or s.seen_at < t.last_received_at), t.is_spam, z.id is not null, t.archived_at is not null,
       array(select jsonb_array_elements_text(t.properties->'hs_tag_ids'))
from ({page}) p join crm_ticket t on t.id = p.id and t.account_id = %s
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
left join desk_seen s on s.account_id = t.account_id and s.user_id = %s and s.ticket_id = t.id
left join lateral (select id from desk_draft d where d.account_id = t.account_id and d.user_id = %s and d.ticket_id = t.id and d.body <> '' limit 1) d on true
left join lateral (select id from desk_snooze z where z.account_id = t.account_id and z.ticket_id = t.id and (z.user_id = %s or z.user_id is null) limit 1) z on true
order by t.sort_at desc, t.id desc
"""


def rows(viewer: Viewer, view: View, *, after: str = "", limit: int = PAGE) -> tuple[list[Row], str]:
    """One page in the order of latest activity, and the cursor of the next one ("" at the end)."""
    where, params = _where(viewer, view)
    if after:
        where += " and (t.sort_at, t.id) < (%s, %s)"
        params += list(position_of(after))
    page = f"select t.id from crm_ticket t where {where} order by t.sort_at desc, t.id desc limit {int(limit) + 1}"
    found = [
        Row(*r)
        for r in sql.rows(_ROWS.format(page=page), [*params, viewer.account_id, *[viewer.user_id] * 3])
    ]
    more = len(found) > limit
    return found[:limit], cursor(found[limit - 1]) if more else ""


def ids(viewer: Viewer, view: View, limit: int) -> list[int]:
    """The tickets of a view, latest first; no more than `limit`."""
    where, params = _where(viewer, view)
    found = sql.rows(
        f"select t.id from crm_ticket t where {where} order by t.sort_at desc, t.id desc limit {int(limit)}",
        params,
    )
    return [ticket_id for (ticket_id,) in found]


def row(viewer: Viewer, ticket_id: int) -> Row:
    """One row. Raises NotFound when the viewer may not see it."""
    reach, params = visible(viewer, "ticket").sql("t")
    page = f"select t.id from crm_ticket t where t.account_id = %s and t.id = %s and ({reach})"
    found = sql.rows(
        _ROWS.format(page=page),
        [viewer.account_id, ticket_id, *params, viewer.account_id, *[viewer.user_id] * 3],
    )
    if not found:
        raise NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})
    return Row(*found[0])


def newer(viewer: Viewer, view: View, than: str) -> int:
    """How many tickets of the view are newer than a cursor (capped). Those that we wrote in last bring no news."""
    where, params = _where(viewer, view)
    where += " and t.last_message_from_visitor is not false"
    found = sql.row(
        f"select count(*) from (select 1 from crm_ticket t where {where} and (t.sort_at, t.id) > (%s, %s) limit {CAP}) n",
        [*params, *position_of(than)],
    )
    return int(found[0]) if found else 0


def neighbours(viewer: Viewer, view: View, of: Row) -> tuple[int | None, int | None]:
    """The tickets above and below in the view."""
    where, params = _where(viewer, view)
    position = [of.sort_at, of.id]
    found = sql.row(
        f"select (select t.id from crm_ticket t where {where} and (t.sort_at, t.id) > (%s, %s) order by t.sort_at, t.id limit 1),"
        f" (select t.id from crm_ticket t where {where} and (t.sort_at, t.id) < (%s, %s) order by t.sort_at desc, t.id desc limit 1)",
        [*params, *position, *params, *position],
    )
    return (found[0], found[1]) if found else (None, None)


def counters(viewer: Viewer, views: Sequence[View]) -> dict[str, int]:
    """How many tickets each view has, none counted past CAP (R-VIEW-6). One query.

    Who doesn't reach every ticket has no index for what they reach: the open ones in reach are sought once, for all.
    """
    begin, source = "", "crm_ticket t"
    parts: list[str] = []
    params: list[Any] = []
    if visible(viewer, "ticket").reach is not Reach.ALL:
        where, params = _where(viewer, _ALL_OPEN)
        begin = f"with reached as materialized (select {_COUNTED} from crm_ticket t where {where}) "
        source = "reached t"
    for view in views:
        where, own = _where(viewer, view)
        among = source if view.only_open else "crm_ticket t"
        parts.append(f"(select count(*) from (select 1 from {among} where {where} limit {CAP}) n)")
        params += own
    found = sql.row(f"{begin}select {', '.join(parts)}", params) if parts else ()
    return {view.key: int(count) for view, count in zip(views, found or (), strict=True)}


#: What the conditions of open views ask of a ticket, as far as the index has it; the rest is known of open ones.
_COUNTED = "t.account_id, t.id, t.owner_id, t.ai_agent, t.assigned_team_ids, false as is_closed, false as is_spam, null as archived_at"
_ALL_OPEN = next(view for view in VIEWS if view.key == "all-open")


def cursor(row: Row) -> str:
    """A place in a list that stays right when rows come and go: the moment in microseconds, and the id."""
    return place_of(row.sort_at, row.id)


def place_of(moment: datetime, row_id: int) -> str:
    return f"{places.written(moment)}-{row_id}"


def position_of(text: str) -> tuple[datetime, int]:
    """Raises NotFound for a cursor that is none of ours."""
    ticks, _dash, number = text.partition("-")
    moment, row_id = places.moment_of(ticks), whole(number)
    if moment is None or row_id is None:
        raise NotFound(_("There is no such page."))
    return moment, row_id


@dataclass(frozen=True)
class ThreadRow:
    id: int
    subject: str
    preview: str
    last_message_at: datetime
    message_count: int
    name: str
    channel: str
    address: str
    text: str  # the beginning of what was said first; only of spam
    assignee_id: int | None
    may_edit: bool


def conversations(viewer: Viewer, *, after: str = "", limit: int = PAGE) -> tuple[list[ThreadRow], str]:
    """One page of threads without a ticket, latest first, and the cursor of the next one ("" at the end).

    Whose it is decides who sees it, as with tickets.
    """
    return _threads(viewer, "not h.is_spam", after, limit)


def filtered(viewer: Viewer, *, after: str = "", limit: int = PAGE) -> tuple[list[ThreadRow], str]:
    """The same of threads that are spam, with the beginning of what was said first (R-CC-12)."""
    return _threads(viewer, "h.is_spam", after, limit, text="left(m.text, 2000)")


def _threads(
    viewer: Viewer, which: str, after: str, limit: int, *, text: str = "''"
) -> tuple[list[ThreadRow], str]:
    sees, seen_by = loose.reach(viewer)
    may, may_by = loose.reach(viewer, Verb.EDIT)
    from_here, params = (
        ("and (h.last_message_at, h.id) < (%s, %s)", position_of(after)) if after else ("", ())
    )
    found = [
        ThreadRow(*r)
        for r in sql.rows(
            _THREADS.format(
                which=which, from_here=from_here, text=text, sees=sees, may=may, owned=loose.OWNED
            ),
            [*may_by, viewer.account_id, *seen_by, *params, int(limit) + 1],
        )
    ]
    more = len(found) > limit
    return found[:limit], place_of(found[limit - 1].last_message_at, found[limit - 1].id) if more else ""


_THREADS = """
select h.id, h.subject, h.preview, h.last_message_at, h.message_count, coalesce(nullif(c.name, ''), c.email, nullif(m.sender_name, ''), m.sender_address, ''), a.name,
       coalesce(m.sender_address, ''), coalesce({text}, ''), h.assignee_id, {may}
from desk_thread h {owned} join desk_channelaccount a on a.account_id = h.account_id and a.id = h.channel_account_id
left join crm_contact c on c.account_id = h.account_id and c.id = h.contact_id
left join lateral (select sender_name, sender_address, text from desk_message m where m.account_id = h.account_id and m.thread_id = h.id order by id limit 1) m on true
where h.account_id = %s and h.ticket_id is null and {which} and h.archived_at is null and {sees} {from_here}
order by h.last_message_at desc, h.id desc limit %s
"""


def mark_seen(viewer: Viewer, ticket_id: int, at: datetime) -> None:
    sql.execute(
        "insert into desk_seen (account_id, user_id, ticket_id, seen_at) values (%s, %s, %s, %s)"
        " on conflict (account_id, user_id, ticket_id) do update set seen_at = excluded.seen_at",
        [viewer.account_id, viewer.user_id, ticket_id, at],
    )


def mark_many(viewer: Viewer, ticket_ids: Sequence[int], seen_at: datetime | None) -> None:
    """Tickets that the viewer may see become read, or unread with None (R-WORK-13)."""
    reach, params = visible(viewer, "ticket").sql("t")
    asked = [viewer.account_id, list(ticket_ids), *params]
    mine = f"select t.id from crm_ticket t where t.account_id = %s and t.id = any(%s) and ({reach})"
    if seen_at is None:
        sql.execute(
            f"delete from desk_seen where account_id = %s and user_id = %s and ticket_id in ({mine})",
            [viewer.account_id, viewer.user_id, *asked],
        )
        return
    sql.execute(
        f"insert into desk_seen (account_id, user_id, ticket_id, seen_at) select %s, %s, m.id, %s from ({mine}) m"
        " on conflict (account_id, user_id, ticket_id) do update set seen_at = excluded.seen_at",
        [viewer.account_id, viewer.user_id, seen_at, *asked],
    )
