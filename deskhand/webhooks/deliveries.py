"""Requests to apps: put into the outbox, asked once at a time or a few, noted, sent again, and forgotten."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit, connected_apps
from deskhand.delivery import outbox
from deskhand.delivery.calls import Call
from deskhand.delivery.models import OutboxEntry, State
from deskhand.delivery.transports.http import asked
from deskhand.delivery.types import Answer, Answered, Entry, NewSend, Pair, Verdict
from deskhand.events.types import Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, NotFound
from deskhand.webhooks import signing
from deskhand.webhooks.models import Delivery, Target

TRANSPORT, REFERENCE = "events", "webhook.delivery"
MOST_TRIES = 10
WITHIN = 24 * 3600.0  # seconds of trying
SECONDS = 5.0  # that an app may take to answer
BUSY_FOR = timedelta(seconds=20)  # a request takes less, whatever happens
PAUSED_FOR = 60.0  # seconds after which it is looked whether it is paused still
TRIES_KEPT = 20
SHOWN = 300  # characters of an answer
FINAL = frozenset({400, 401, 403, 404, 405})  # the app says no, and would say it again

NIGHTLY = "webhooks.nightly"
KEPT = timedelta(days=30)
STEP = 2000


# ── into the outbox ──────────────────────────────────────────────────────────────────────────────────────────────────


def put_in(account_id: int, batches: Sequence[tuple[int, list[dict[str, Any]]]]) -> None:
    """Requests by their app, each with its events."""
    now = clock.now()
    made = Delivery.objects.bulk_create(
        Delivery(account_id=account_id, app_id=app_id, events=events, created_at=now)
        for app_id, events in batches
    )
    _enqueue(account_id, made)


def send_test(account_id: int, app_id: int, events: list[dict[str, Any]]) -> Delivery:
    """Raises NotFound for an app without an address."""
    target_of(account_id, app_id)
    made = Delivery.objects.create(
        account_id=account_id, app_id=app_id, events=events, is_test=True, created_at=clock.now()
    )
    _enqueue(account_id, [made], is_new=True)
    return made


def send_again(account_id: int, delivery_ids: Collection[int], *, by: Actor) -> int:
    """Send once more what was sent, or was given up: the same events, by their same numbers. Returns how many; what still
    waits is tried now. Raises NotFound when there is none, Conflict for what is being sent this moment."""
    rows = list(
        Delivery.objects.select_for_update().filter(account_id=account_id, pk__in=delivery_ids).order_by("id")
    )
    if not rows:
        raise NotFound(_("There is no such delivery."))
    states = _entries(account_id, rows)
    found = [states.get(row.entry_id or 0) for row in rows]
    if any(entry is not None and entry.state == State.SENDING for entry in found):
        raise Conflict(_("This is being sent now."))
    waiting = [
        entry.pk for entry in found if entry is not None and entry.state in (State.WAITING, State.HELD)
    ]
    for entry_id in waiting:
        outbox.retry(account_id, entry_id)
    again = [row for row, entry in zip(rows, found, strict=True) if entry is None or entry.pk not in waiting]
    for row in again:
        row.rounds += 1
    Delivery.objects.bulk_update(again, ["rounds"])
    _enqueue(account_id, again, is_new=True)
    app = rows[0].app
    audit.record(
        "webhook.sent_again",
        by=by,
        target_type="app",
        target_id=app.pk,
        after={"name": app.name, "number": len(rows)},
    )
    return len(rows)


def _enqueue(account_id: int, rows: Sequence[Delivery], *, is_new: bool = False) -> None:
    if not rows:
        return
    places = dict(
        Target.objects.filter(account_id=account_id, app_id__in={row.app_id for row in rows}).values_list(
            "app_id", "url"
        )
    )
    sends = [
        NewSend(
            account_id=account_id, transport=TRANSPORT, idempotency_key=f"webhook:{row.pk}:{row.rounds}",
            recipients=[Call("POST", places.get(row.app_id, "")).place], payload={}, message_id=f"<{row.pk}.{row.rounds}@webhook>",
            reference_type=REFERENCE, reference_id=row.pk, is_new=is_new,
        )
        for row in rows
    ]  # fmt: skip
    for row, entry_id in zip(rows, outbox.enqueue(sends), strict=True):
        row.entry_id = entry_id
    Delivery.objects.bulk_update(rows, ["entry_id"])


def target_of(account_id: int, app_id: int) -> Target:
    """Raises NotFound."""
    found = Target.objects.filter(account_id=account_id, app_id=app_id, app__revoked_at=None).first()
    if found is None:
        raise NotFound(_("This app has no address to be told at."))
    return found


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Request:
    url: str
    secret: str
    body: bytes


class EventTransport:
    """One for all accounts. Address and secret are those of the moment, so that a change helps what waits."""

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        return ""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        return set(pairs)

    def send(self, entry: Entry) -> Answer:
        with account_scope(entry.account_id):
            request = _begin(entry)
        if isinstance(request, Answer):
            return request
        try:
            return _ask(request)
        finally:
            with account_scope(entry.account_id):
                Delivery.objects.filter(account_id=entry.account_id, pk=entry.reference_id or 0).update(
                    busy_until=None
                )

    def rest(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        """Nothing stays open."""


def _begin(entry: Entry) -> _Request | Answer:
    """What to ask, unless as many are asked as may be. Who begins waits for who begins another of the same app."""
    account_id = entry.account_id
    delivery = (
        Delivery.objects.filter(account_id=account_id, pk=entry.reference_id or 0)
        .select_related("app")
        .first()
    )
    if delivery is None or delivery.app.revoked_at is not None:
        raise NotFound(_("There is no such app."))
    target = Target.objects.select_for_update().filter(account_id=account_id, app_id=delivery.app_id).first()
    if target is None:
        raise NotFound(_("This app has no address to be told at."))
    if target.paused_at is not None and not delivery.is_test:
        return Answer(Verdict.BUSY, "", wait=PAUSED_FOR)
    (claimed,) = sql.row(
        _TAKE_TURN, [BUSY_FOR, delivery.pk, target.app_id, delivery.pk, target.max_concurrent]
    ) or (0,)
    if not claimed:
        # The longer it has waited, the rarer it asks: many that wait for one slow app must not keep mail waiting, too.
        waited = (clock.now() - entry.created_at).total_seconds()
        return Answer(Verdict.BUSY, "", wait=random.uniform(0.3, 1.5) * min(20.0, max(1.0, waited / 4)))
    attempt = entry.attempts - 1
    events = [one | {"attemptNumber": attempt} for one in delivery.events]
    body = json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return _Request(target.url, connected_apps.secret_of(delivery.app), body)


_TAKE_TURN = """
with taken as (
    update webhooks_delivery d set busy_until = clock_timestamp() + %s::interval
    where d.id = %s and (
        select count(*) from webhooks_delivery o where o.app_id = %s and o.id <> %s and o.busy_until > clock_timestamp()) < %s
    returning 1
)
select count(*) from taken
"""


def _ask(request: _Request) -> Answer:
    headers = signing.headers(request.secret, "POST", request.url, request.body, clock.now())
    place = Call("POST", request.url).place
    answer = asked(
        "POST",
        request.url,
        headers,
        request.body,
        place=place,
        patience=WITHIN,
        seconds=SECONDS,
        judge=judged,
    )
    return Answer(
        answer.verdict, answer.text, reply=answer.reply, wait=answer.wait, patience=WITHIN, most=MOST_TRIES
    )


def judged(status: int) -> Verdict:
    """api.md §2.8: all but a yes is tried again, unless it is one of the five that would be said again."""
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    return Verdict.REFUSED if status in FINAL else Verdict.LATER


def note(account_id: int, answered: Sequence[Answered]) -> None:
    """What tries came to: in the transaction that records it, in the account's scope."""
    told = {
        one.entry.reference_id: one
        for one in answered
        if one.entry.reference_type == REFERENCE
        and one.answer.verdict not in (Verdict.BUSY, Verdict.UNPLUGGED)
    }
    if not told:
        return
    rows = list(
        Delivery.objects.select_for_update().filter(account_id=account_id, pk__in=told).order_by("id")
    )
    for row in rows:
        one = told[row.pk]
        reply = one.answer.reply
        row.tries = [
            *row.tries,
            {
                "at": one.at.isoformat(), "attempt": one.entry.attempts, "status": reply.status if reply else None,
                "text": (reply.body if reply else one.answer.text).replace("\0", "")[:SHOWN],
            },
        ][-TRIES_KEPT:]  # fmt: skip
        row.busy_until = None
    Delivery.objects.bulk_update(rows, ["tries", "busy_until"])
    targets = Target.objects.filter(account_id=account_id)
    works = {row.app_id for row in rows if told[row.pk].state == State.SENT}
    fails = {row.app_id for row in rows} - works
    targets.filter(app_id__in=works, failing_since__isnull=False).update(failing_since=None)
    targets.filter(app_id__in=fails, failing_since=None).update(failing_since=clock.now())


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Logged:
    """A delivery with how it stands."""

    delivery: Delivery
    state: str  # delivery.models.State
    attempts: int
    due_at: Any
    error: str

    @property
    def last(self) -> dict[str, Any]:
        tries: list[dict[str, Any]] = self.delivery.tries
        return tries[-1] if tries else {}


def log_of(account_id: int, app_id: int, *, before: int | None = None, limit: int) -> list[Logged]:
    """Newest first, those before this one. Two queries."""
    rows = Delivery.objects.filter(account_id=account_id, app_id=app_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[:limit])
    entries = _entries(account_id, found)
    return [_logged(row, entries.get(row.entry_id or 0)) for row in found]


def one(account_id: int, app_id: int, delivery_id: int) -> Logged:
    """Raises NotFound."""
    row = Delivery.objects.filter(account_id=account_id, app_id=app_id, pk=delivery_id).first()
    if row is None:
        raise NotFound(_("There is no such delivery."))
    return _logged(row, _entries(account_id, [row]).get(row.entry_id or 0))


def failed(account_id: int, app_id: int) -> list[int]:
    """The last deliveries that were given up or refused. One query."""
    found = sql.rows(_FAILED, [account_id, app_id])
    return [pk for (pk,) in found]


_FAILED = """
select d.id from webhooks_delivery d
join delivery_outboxentry o on o.account_id = d.account_id and o.id = d.entry_id and o.state = 'FAILED'
where d.account_id = %s and d.app_id = %s and not d.is_test order by d.id desc limit 500
"""


def _logged(row: Delivery, entry: OutboxEntry | None) -> Logged:
    if entry is None:
        return Logged(row, State.SENT, len(row.tries), None, "")
    return Logged(row, entry.state, entry.attempts, entry.due_at, entry.error)


def _entries(account_id: int, rows: Sequence[Delivery]) -> dict[int, OutboxEntry]:
    ids = [row.entry_id for row in rows if row.entry_id is not None]
    return OutboxEntry.objects.filter(account_id=account_id).defer("payload").in_bulk(ids)


# ── pausing and forgetting ───────────────────────────────────────────────────────────────────────────────────────────


def hurry(account_id: int, app_id: int) -> None:
    """What waited while its app was paused is due now."""
    sql.execute(_HURRY, [account_id, app_id])
    outbox.wake_senders()


_HURRY = """
update delivery_outboxentry o set due_at = least(o.due_at, clock_timestamp()) from webhooks_delivery d
where o.account_id = %s and d.account_id = o.account_id and d.app_id = %s and d.entry_id = o.id and o.state = 'WAITING'
"""


def nightly(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """What is done and a month old is forgotten, a set at a time; with it goes what the outbox kept of it."""
    now = clock.now()
    gone = sql.execute(_FORGET, {"account": account_id, "before": now - KEPT, "limit": STEP})
    again = timedelta(minutes=1) if gone >= STEP else timedelta(days=1)
    timers.set_timer(account_id, NIGHTLY, "", now + again)


_FORGET = """
with old as (
    select d.id, d.entry_id from webhooks_delivery d
    left join delivery_outboxentry o on o.account_id = d.account_id and o.id = d.entry_id
    where d.account_id = %(account)s and d.created_at < %(before)s and coalesce(o.state, 'SENT') in ('SENT', 'FAILED')
    order by d.created_at limit %(limit)s
), entries as (
    delete from delivery_outboxentry o using old where o.account_id = %(account)s and o.reference_type = 'webhook.delivery' and o.reference_id = old.id
)
delete from webhooks_delivery d using old where d.account_id = %(account)s and d.id = old.id
"""
