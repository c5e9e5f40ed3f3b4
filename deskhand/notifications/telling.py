"""Telling people: a row for the bell and a mail through the outbox, both once an event and person.

Called after commit, in the dispatcher's transaction. What one may no longer see is not told: the list asks at every
reading, a mail when it is written (R-NOT-16).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import translation

from deskhand.accounts.mails import letter
from deskhand.accounts.models import Account, User
from deskhand.accounts.policy import viewers_of, visible
from deskhand.accounts.types import Viewer
from deskhand.crm.records.models import Ticket
from deskhand.delivery import outbox
from deskhand.delivery.types import NewSend
from deskhand.events import live
from deskhand.events.types import Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.notifications import deciding, pages, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Concerned, Notice, by_user
from deskhand.notifications.wording import mail_of, sentence

OLD = timedelta(days=1)


def signal_of(user_id: int) -> str:
    return f"bell-{user_id}"


#: (account id, user ids) → those of them who are away.
Away = Callable[[int, Collection[int]], Collection[int]]


def nobody(_account_id: int, _user_ids: Collection[int]) -> Collection[int]:
    return ()


def tell(
    account_id: int,
    events: Sequence[Event],
    concerned: Concerned,
    at: datetime | None = None,
    *,
    away: Away = nobody,
) -> None:
    """Tell all whom the events concern; what is older than OLD is no news. Safe to repeat.

    `away` says which of some people are: for those who want quiet, their mail stays in the bell (R-NOT-14).
    """
    at = at or clock.now()
    events = [event for event in events if event.at > at - OLD]
    ticket_ids = {pk for event in events if (pk := deciding.ticket_of(event)) is not None}
    if not ticket_ids:
        return
    tickets = Ticket.objects.filter(account_id=account_id, pk__in=ticket_ids, archived_at=None, is_spam=False)
    known = {ticket.pk: ticket for ticket in tickets.select_related("contact")}
    owners = {pk: ticket.owner_id for pk, ticket in known.items()}
    notices = [n for n in deciding.decide(events, owners, concerned) if n.ticket_id in known]
    wanted = wishes.of_many(account_id, {notice.user_id for notice in notices})
    by_mail = [n for n in notices if wanted.mail(n.user_id, n.topic)]
    still = in_quiet(account_id, {notice.user_id for notice in by_mail}, away)
    mailed = [n for n in by_mail if n.user_id not in still]
    stays = set(by_mail) - set(mailed)
    fresh = _keep(account_id, [n for n in notices if wanted.bell(n.user_id, n.topic) or n in stays], at)
    live.signal(account_id, [signal_of(user_id) for user_id in sorted(fresh)])
    if mailed:
        _mail(account_id, mailed, known)


def in_quiet(account_id: int, whom: Collection[int], away: Away) -> set[int]:
    """Those of them whose mail waits in the bell (R-NOT-14)."""
    whom = set(whom)
    gone = whom & set(away(account_id, whom)) if whom else set()
    return wishes.quiet(account_id, gone) if gone else gone


def _keep(account_id: int, notices: Sequence[Notice], at: datetime) -> set[int]:
    """Write the rows; returns who has a new one."""
    if not notices:
        return set()
    columns: list[list[Any]] = [
        [n.user_id for n in notices],
        [n.event_id for n in notices],
        [n.topic.value for n in notices],
        [n.ticket_id for n in notices],
        [n.actor_kind for n in notices],
        [n.actor_id for n in notices],
        ["task" if n.task_id else "" for n in notices],
        [n.task_id for n in notices],
        [n.task for n in notices],
    ]
    return {row[0] for row in sql.rows(_KEEP, [account_id, at, *columns])}


_KEEP = f"""
insert into {Notification._meta.db_table} (account_id, created_at, user_id, event_id, topic, ticket_id, actor_kind, actor_id,
    about_kind, about_id, about_name)
select %s, %s, x.* from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[],
    %s::text[]) x
on conflict (account_id, user_id, event_id) do nothing returning user_id
"""


# ── by mail ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _mail(account_id: int, notices: Sequence[Notice], tickets: Mapping[int, Ticket]) -> None:
    account = Account.objects.get(pk=account_id)
    people = User.objects.in_bulk({n.user_id for n in notices} | _colleagues(notices))
    sends = []
    viewers = {viewer.user_id: viewer for viewer in viewers_of(account_id, {n.user_id for n in notices})}
    for user_id, own in by_user(notices).items():
        viewer = viewers.get(user_id)  # who left hears nothing
        seen = [n for n in own if viewer and _may_see(viewer, tickets[n.ticket_id])]
        sends += [_send(account, people, tickets[n.ticket_id], n) for n in seen]
    outbox.enqueue(sends)


def _colleagues(notices: Sequence[Notice]) -> set[int]:
    return {n.actor_id for n in notices if n.actor_kind == "user" and n.actor_id}


def _may_see(viewer: Viewer, ticket: Ticket) -> bool:
    return visible(viewer, "ticket").reaches(ticket)


def _send(account: Account, people: Mapping[int, User], ticket: Ticket, notice: Notice) -> NewSend:
    user = people[notice.user_id]
    with translation.override(user.locale or account.locale):
        said = sentence(notice.topic, actor_name(notice, people, ticket), notice.task)
        url = settings.SITE_URL + pages.ticket(ticket.pk, notice.task_id)
        text = mail_of(f"{said}\n\n#{ticket.number} {ticket.subject}\n{url}")
        key = f"notification:{notice.event_id}:{notice.user_id}"
        return letter(account, user, f"[#{ticket.number}] {ticket.subject}", text, key=key)


def actor_name(notice: Notice, people: Mapping[int, User], ticket: Ticket) -> str:
    """Who did it, "" for a machine."""
    if notice.actor_kind == "user":
        found = people.get(notice.actor_id or 0)
        return found.name if found else ""
    if notice.actor_kind == "visitor" and ticket.contact:
        return ticket.contact.name or ticket.contact.email
    return ""
