"""The outbox's verbs: put in, hold, release, try again.

What goes in commits with the change that caused it; the sender takes it from there. Nothing here sends.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from deskhand.delivery import claims
from deskhand.delivery.message_ids import new_message_id
from deskhand.delivery.models import Fence, OutboxEntry, State
from deskhand.delivery.types import NewSend
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake
from deskhand.kernel.errors import Conflict, Invalid, NotFound

log = structlog.get_logger()

WAKE = "outbox"

RESTORED = "Restored from a backup; it may have been sent already"
COPIED = "Restored from a copy of the database; it may have been sent already"

# The lock makes who lowers the fence wait for those that have seen it, so that no entry stays behind it.
_INSERT = f"""
with fence as (
    select min(reason) as reason from (
        select reason from (select reason from delivery_fence for key share) raised
        union all
        select '{COPIED}' where {claims.IS_COPY}) known
    having count(*) > 0
)
insert into delivery_outboxentry (account_id, transport, channel_account_id, state, due_at, idempotency_key,
    message_id, envelope_from, recipients, payload, reference_type, reference_id, held_reason, created_at)
select n.account_id, n.transport, n.channel_account_id,
    case when f.reason is null then n.state else 'HELD' end,
    case when n.state = 'WAITING' and f.reason is null then coalesce(n.due_at, now()) end, n.idempotency_key, n.message_id, n.envelope_from,
    n.recipients::text[], n.payload, n.reference_type, n.reference_id, coalesce(f.reason, n.held_reason), %s
from unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::jsonb[], %s::text[], %s::bigint[], %s::text[], %s::boolean[])
    n (account_id, transport, channel_account_id, state, due_at, idempotency_key, message_id, envelope_from, recipients,
    payload, reference_type, reference_id, held_reason, is_new)
left join fence f on n.state = 'WAITING' and not n.is_new
on conflict (account_id, idempotency_key) do nothing
returning id, account_id, idempotency_key
"""

_FIND = """
select e.id, e.account_id, e.idempotency_key from delivery_outboxentry e
join unnest(%s::bigint[], %s::text[]) as k (account_id, key)
    on e.account_id = k.account_id and e.idempotency_key = k.key
"""


def enqueue(sends: Sequence[NewSend]) -> list[int]:
    """Put `sends` in with one insert, inside the caller's transaction, and return their ids in order.

    Behind a fence they are held, but for those that are new. Safe to repeat: a key that is there already keeps its
    entry, which is returned. Raises Invalid for a send without recipients (O1).
    """
    if not sends:
        return []
    columns = [list(column) for column in zip(*map(_row, sends), strict=True)]
    found = {(account, key): id for id, account, key in sql.rows(_INSERT, [clock.now(), *columns])}
    known = [(send.account_id, send.idempotency_key) for send in sends]
    missing = [pair for pair in known if pair not in found]
    if missing:
        accounts, keys = [pair[0] for pair in missing], [pair[1] for pair in missing]
        found.update({(account, key): id for id, account, key in sql.rows(_FIND, [accounts, keys])})
    wake(WAKE)
    return [found[pair] for pair in known]


def _row(send: NewSend) -> tuple[Any, ...]:
    if not send.recipients:
        raise Invalid(_("There is nobody to send this to."), field="recipients")
    return (
        send.account_id, send.transport, send.channel_account_id, (State.HELD if send.held_reason else State.WAITING).value, send.due_at,
        send.idempotency_key, send.message_id or new_message_id(_domain_of(send)), send.envelope_from,
        sql.array(list(dict.fromkeys(send.recipients))), sql.Jsonb(send.payload, _dumped), send.reference_type, send.reference_id,
        send.held_reason, send.is_new,
    )  # fmt: skip


def _domain_of(send: NewSend) -> str:
    sender = send.payload.get("sender")
    address = sender["email"] if isinstance(sender, dict) else send.envelope_from
    return address.rpartition("@")[2]


def _dumped(payload: Any) -> str:
    document = json.dumps(payload, default=str)
    if r"\u0000" in document or r"\ud" in document:
        return json.dumps(_storable(payload), default=str)
    return document


def _storable(value: Any) -> Any:
    """`value` without what jsonb can't hold: NUL and lone surrogates."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value


def wake_senders() -> None:
    """For who made something due that waited."""
    wake(WAKE)


def release(account_id: int, ids: Sequence[int] | None = None) -> int:
    """Let held entries go (all of the account without `ids`); return how many. Safe to repeat."""
    chosen = _of(account_id, ids).filter(state=State.HELD)
    freed = chosen.update(state=State.WAITING, due_at=Now(), tried_since=None, held_reason="", error="")
    wake(WAKE)
    return freed


def hold(account_id: int, ids: Sequence[int] | None = None, *, reason: str) -> int:
    """Stop waiting entries until release(); what is being sent this moment is not stopped. Safe to repeat."""
    if not reason:
        raise Invalid(_("Say why this is held."), field="reason")
    return (
        _of(account_id, ids)
        .filter(state=State.WAITING)
        .update(state=State.HELD, due_at=None, held_reason=reason)
    )


def fence(reason: str) -> int:
    """Hold what is unsent and whatever is queued from now on, in all accounts; return how many were unsent.

    For a restored backup: its waiting mail may have left since, and its automations do again what they had done.
    Stands until lower_fence(). Safe to repeat.
    """
    unsent = OutboxEntry.objects.filter(state__in=[State.WAITING, State.SENDING])
    with transaction.atomic():
        Fence.objects.update_or_create(id=1, defaults={"reason": reason})
        sql.execute(f"{_SETTLE} on conflict (id) do update set place = excluded.place")
        return unsent.update(state=State.HELD, due_at=None, lease_until=None, held_reason=reason)


_SETTLE = f"insert into delivery_home (id, place) values (1, ({claims.PLACE}))"


def settle() -> None:
    """Raise the fence if this database is a copy of another. Safe to repeat; senders do it before they send."""
    with transaction.atomic():
        if sql.rows(f"select id from delivery_home where place <> ({claims.PLACE}) for update"):
            held = fence(COPIED)
            log.warning("database is a copy: what it has unsent is held", mails=held)
        else:
            sql.execute(f"{_SETTLE} on conflict (id) do nothing")


def lower_fence() -> dict[int, int]:
    """Take the fence down and let all held entries of all accounts go; return how many by account. Safe to repeat."""
    with transaction.atomic():
        Fence.objects.all().delete()  # waits for those who queue behind it
        freed = sql.rows(
            "with freed as (update delivery_outboxentry set state = 'WAITING', due_at = now(), tried_since = null,"
            " held_reason = '', error = '' where state = 'HELD' returning account_id)"
            " select account_id, count(*) from freed group by account_id order by account_id"
        )
        wake(WAKE)
    return dict(freed)


def retry(account_id: int, entry_id: int) -> None:
    """Try a waiting, held or failed entry now, with five fresh days; refused recipients are tried again too.

    Raises NotFound, or Conflict when it is sent or being sent.
    """
    with transaction.atomic():
        entry = OutboxEntry.objects.select_for_update().filter(account_id=account_id, id=entry_id).first()
        if entry is None:
            raise NotFound(_("There is no such entry in the mail queue."))
        if entry.state in (State.SENT, State.SENDING):
            raise Conflict(_("This was sent, or is being sent now."))
        entry.answers = {who: text for who, text in entry.answers.items() if text.startswith("2")}
        entry.state, entry.due_at, entry.tried_since = State.WAITING, Now(), None
        entry.held_reason = entry.error = ""
        entry.save(update_fields=["answers", "state", "due_at", "tried_since", "held_reason", "error"])
        wake(WAKE)


def _of(account_id: int, ids: Sequence[int] | None) -> models.QuerySet[OutboxEntry]:
    entries = OutboxEntry.objects.filter(account_id=account_id)
    return entries if ids is None else entries.filter(id__in=ids)
