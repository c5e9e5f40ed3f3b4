"""From a form to a message: stored as it came and committed, then filed by the verb that files mail (R-POR-9).

Who sends it files it at once; what a crash left behind is found by the claimer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Post, PostState
from deskhand.channels.portal.signing_in import Visitor
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import SUBJECT
from deskhand.desk import merging, replies, threads
from deskhand.desk.channels import EMAIL
from deskhand.desk.models import Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, StoredFile
from deskhand.kernel import crypto
from deskhand.kernel.claimer import BatchClaimer, words_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line, storable

SOURCE = "CUSTOMER_PORTAL"
WAKE = "portal"
BODY = 100_000  # characters
HEAD_START = timedelta(seconds=15)  # that the request itself has to file its post
LONGEST_WAIT = 3600  # seconds between tries


@dataclass(frozen=True)
class Given:
    """What a form holds. `ticket_id` None: it opens a new request."""

    form_key: str
    body: str
    subject: str = ""
    ticket_id: int | None = None
    files: tuple[StoredFile, ...] = ()


def checked(given: Given) -> Given:
    """Fit to be stored. Raises Invalid, naming the field."""
    subject, body = one_line(storable(given.subject)), storable(given.body).strip()
    if given.ticket_id is None and not subject:
        raise Invalid(_("Say in a few words what it is about."), field="subject", value="")
    if len(subject) > SUBJECT:
        raise Invalid(
            _("The subject is too long."), field="subject", value=subject[:40],
            hint=_("It has at most %(count)s characters.") % {"count": SUBJECT},
        )  # fmt: skip
    if not body:
        raise Invalid(_("Write something first."), field="body", value="")
    if len(body) > BODY:
        raise Invalid(
            _("The message is too long."), field="body", value=body[:40],
            hint=_("It has at most %(count)s characters.") % {"count": BODY},
        )  # fmt: skip
    if not 8 <= len(given.form_key) <= 64 or not given.form_key.isalnum():
        raise Invalid(
            _("This form is out of date."), field="form_key", hint=_("Load the page again and repeat it.")
        )
    return Given(given.form_key, body, subject, given.ticket_id, given.files)


_KEEP = """
insert into portal_post (account_id, contact_id, email, name, form_key, ticket_id, subject, body, files, received_at, due_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, now() + %s)
on conflict (account_id, form_key) do update set form_key = excluded.form_key
returning id
"""


def keep(visitor: Visitor, given: Given, now: datetime) -> int:
    """Store what was sent; once this returned outside any scope, it is on disk. The same form twice is one post;

    with other words, as from a page that somebody went back to, it is another.
    """
    account_id, contact = visitor.customer.account_id, visitor.contact
    with account_scope(account_id):
        files = json.dumps([asdict(file) for file in given.files])
        sent = [given.form_key, contact.pk, given.ticket_id, given.subject, given.body, files]
        found = sql.row(
            _KEEP,
            [
                account_id, contact.pk, visitor.email, contact.name, crypto.digest(json.dumps(sent)), given.ticket_id,
                given.subject, given.body, files, now, HEAD_START,
            ],
        )  # fmt: skip
    assert found is not None
    return int(found[0])


def file(account_id: int, post_id: int) -> int | None:
    """File one post, unless that is done or somebody is at it; returns its ticket. Safe to repeat."""
    with account_scope(account_id):
        _file(_claimed(account_id, 1, post_id))
        return Post.objects.values_list("ticket_ref", flat=True).get(account_id=account_id, pk=post_id)


def _claimed(account_id: int, limit: int, only: int | None = None) -> list[Post]:
    found = Post.objects.filter(account_id=account_id, state=PostState.WAITING)
    found = found.filter(pk=only) if only is not None else found.filter(due_at__lte=Now())
    return list(found.order_by("id").select_for_update(skip_locked=True)[:limit])


def _file(posts: Sequence[Post]) -> None:
    """In the open scope."""
    if not posts:
        return
    received = threads.receive_many([_incoming(post) for post in posts])
    ends = [
        (p.pk, r.outcome.value, r.why, r.message_id, r.ticket_id)
        for p, r in zip(posts, received, strict=True)
    ]
    columns: list[list[Any]] = [list(column) for column in zip(*ends, strict=True)]
    sql.execute(
        "update portal_post p set state = 'DONE', done_at = now(), outcome = x.outcome, outcome_detail = x.why,"
        " message_ref = x.message, ticket_ref = x.ticket"
        " from unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[]) x(id, outcome, why, message, ticket)"
        " where p.account_id = %s and p.id = x.id",
        [*columns, current_account_id()],
    )


def _incoming(post: Post) -> Incoming:
    thread = _thread(post)
    channel_id = thread.channel_account_id if thread else _channel(post.account_id)
    message = InboundMessage(
        external_id="",
        sender=Mailbox(post.email, post.name if post.name != post.email else ""),
        subject=post.subject or (thread.subject if thread else ""),
        text=post.body,
        received_at=post.received_at,
        thread_id=thread.pk if thread else None,
        files=tuple(StoredFile(**one) for one in post.files),
        is_verified=True,
        source_type=SOURCE,
    )
    return Incoming(channel_id, message)


def _channel(account_id: int) -> int:
    channel = portals.channel_of(portals.of_account(account_id))
    return int((channel or replies.default_channel(account_id)).pk)


def _thread(post: Post) -> Thread | None:
    """Where the answer belongs: their own mail about the ticket, the first one before later ones (R-STAT-5).

    A conversation on a phone is no place for it: it would count as written there (R-WA-2).
    """
    if post.ticket_id is None:
        return None
    ticket_id = merging.survivor_of(post.ticket_id) or post.ticket_id
    ticket = Ticket.objects.get(account_id=post.account_id, pk=ticket_id)
    found = Thread.objects.filter(
        account_id=post.account_id, ticket_id=ticket.pk, is_side=False, is_spam=False, archived_at=None,
        channel_account__channel=EMAIL,
    )  # fmt: skip
    known = sorted(
        found,
        key=lambda one: (
            one.contact_id == post.contact_id,
            one.pk == ticket.originating_thread_id,
            one.last_message_at,
        ),
    )
    if known:
        return known[-1]
    return Thread.objects.get(
        account_id=post.account_id, pk=replies.thread_for(ticket.pk, at=post.received_at)
    )


class PostClaimer(BatchClaimer[Post]):
    """Files what a crash, or an error, left behind."""

    name = "portal"
    wake = WAKE

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from portal_post where state = 'WAITING' and due_at <= statement_timestamp() order by due_at limit 1 for update skip locked"
        )
        return found[0] if found else None

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Post]:
        return _claimed(account_id, limit, only)

    def work(self, account_id: int, rows: Sequence[Post]) -> None:
        _file(rows)

    def failed(self, account_id: int, row: Post, error: Exception) -> None:
        """Never given up: a person sent it and was told that it is here."""
        sql.execute(
            "update portal_post set attempts = attempts + 1, error = %s,"
            " due_at = now() + least(%s, 5 * 2 ^ least(attempts, 12)) * interval '1 second' where account_id = %s and id = %s",
            [words_of(error), LONGEST_WAIT, account_id, row.pk],
        )

    def row_id(self, row: Post) -> int:
        return int(row.pk)
