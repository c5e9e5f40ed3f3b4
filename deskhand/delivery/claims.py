"""Taking due sends out of the queue and writing their answers back. Leases, and the database's clock for them.

A claim's token is its number of attempts: who comes back late with another number changes nothing, unless it brings
a definite yes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.delivery.types import Entry
from deskhand.kernel.database import sql

LEASE_SECONDS = 30  # renewed while a send is under way; after a crash others take over when it is past
ACCOUNTS_LIMIT = 64  # accounts looked at in one claim
PLACES_LIMIT = 1000  # places looked at in one look for servers
REPLUG_LIMIT = 5000  # sends made due in one statement
UNPLUG_LIMIT = 1000  # sends put aside in one statement

#: Where something waits for a way out: transport, account and channel account (None: the installation's).
Place = tuple[str, int, int | None]

#: Where delivery_home is now; see models.Home.
PLACE = "select system_identifier || '/' || 'delivery_home'::regclass::oid from pg_control_system()"
#: Whether this database was restored from another's dump, and the fence does not stand yet.
IS_COPY = f"exists (select from delivery_home where place <> ({PLACE}))"

_COLUMNS = """o.id, o.account_id, o.transport, o.channel_account_id, o.message_id, o.envelope_from, o.recipients,
    o.answers, o.payload, o.reference_type, o.reference_id, o.attempts, o.ambiguous,
    extract(epoch from clock_timestamp() - o.tried_since)::float8, o.created_at"""

_ACCOUNTS = """
with recursive known (account_id) as (
    (select account_id from delivery_outboxentry where state = 'WAITING' and due_at is not null and account_id > %s
     order by account_id limit 1)
    union all
    select (select o.account_id from delivery_outboxentry o
            where o.state = 'WAITING' and o.due_at is not null and o.account_id > k.account_id
            order by o.account_id limit 1)
    from known k where k.account_id is not null
)
select account_id from known k where exists (
    select 1 from delivery_outboxentry o
    where o.state = 'WAITING' and o.account_id = k.account_id and o.due_at <= clock_timestamp())
limit %s
"""

_CLAIM = f"""
with picked as (
    select e.id from unnest(%s::bigint[], %s::int[]) as a (account_id, share)
    cross join lateral (
        select o.id, o.due_at from delivery_outboxentry o
        where not {IS_COPY} and o.state = 'WAITING' and o.account_id = a.account_id and o.due_at <= clock_timestamp()
        order by o.due_at limit a.share for update skip locked
    ) e
)
update delivery_outboxentry o
set state = 'SENDING', lease_until = clock_timestamp() + %s * interval '1 second', attempts = attempts + 1,
    tried_since = coalesce(tried_since, clock_timestamp())
from picked where o.id = picked.id
returning {_COLUMNS}
"""

# One step of the index for each place, however much waits there.
_UNPLUGGED = """
with recursive known (account_id, transport, channel) as (
    (select account_id, transport, coalesce(channel_account_id, 0) from delivery_outboxentry
     where state = 'WAITING' and due_at is null
        and (account_id, transport, coalesce(channel_account_id, 0)) > (%s, %s, %s)
     order by account_id, transport, coalesce(channel_account_id, 0) limit 1)
    union all
    select following.* from known k cross join lateral (
        select o.account_id, o.transport, coalesce(o.channel_account_id, 0) from delivery_outboxentry o
        where o.state = 'WAITING' and o.due_at is null
            and (o.account_id, o.transport, coalesce(o.channel_account_id, 0)) > (k.account_id, k.transport, k.channel)
        order by o.account_id, o.transport, coalesce(o.channel_account_id, 0) limit 1) following
)
select transport, account_id, nullif(channel, 0) from known limit %s
"""

_REPLUG = """
with found as (
    select e.id from unnest(%s::bigint[], %s::text[], %s::bigint[]) as p (account_id, transport, channel)
    cross join lateral (
        select o.id from delivery_outboxentry o
        where o.state = 'WAITING' and o.due_at is null and o.account_id = p.account_id
            and o.transport = p.transport and coalesce(o.channel_account_id, 0) = p.channel
        limit %s for update skip locked
    ) e
    limit %s
)
update delivery_outboxentry o set due_at = least(o.created_at, clock_timestamp()), error = ''
from found where o.id = found.id
"""

_UNPLUG = f"""
with found as (
    select o.id from delivery_outboxentry o
    where o.state = 'WAITING' and o.account_id = %s and o.due_at <= clock_timestamp() and o.transport = %s
        and coalesce(o.channel_account_id, 0) = %s
    order by o.due_at limit %s for update skip locked
)
update delivery_outboxentry o set due_at = null, error = %s, last_answer = ''
from found where o.id = found.id
returning {_COLUMNS}
"""

_RENEW = """
update delivery_outboxentry o set lease_until = clock_timestamp() + %s * interval '1 second'
from unnest(%s::bigint[], %s::int[]) as n (id, attempts)
where o.id = n.id and o.attempts = n.attempts and o.state = 'SENDING'
"""

_LOST = f"""
select {_COLUMNS} from delivery_outboxentry o
where o.state = 'SENDING' and o.lease_until < clock_timestamp() limit 200
"""

_RECORD = """
update delivery_outboxentry o
set state = d.state,
    due_at = case when d.wait is not null then clock_timestamp() + d.wait * interval '1 second' end,
    lease_until = null,
    attempts = o.attempts - d.refund,
    tried_since = case when d.refund = 1 and o.attempts = 1 then null else o.tried_since end,
    ambiguous = o.ambiguous + d.ambiguous,
    answers = o.answers || d.answers,
    last_answer = d.last_answer,
    error = d.error,
    held_reason = d.held_reason,
    sent_at = d.sent_at
from jsonb_to_recordset(%s::jsonb) as d (id bigint, state text, wait float8, attempts int, refund int, ambiguous int,
    answers jsonb, last_answer text, error text, held_reason text, sent_at timestamptz)
where o.id = d.id and o.account_id = %s
  and ((o.state = 'SENDING' and o.attempts = d.attempts) or (d.state = 'SENT' and o.state <> 'SENT'))
returning o.id
"""


def due_accounts(after: int) -> list[int]:
    """Accounts with something due, from above `after` on; at most a few dozen."""
    return [account_id for (account_id,) in sql.rows(_ACCOUNTS, [after, ACCOUNTS_LIMIT])]


def claim(shares: Mapping[int, int]) -> list[Entry]:
    """Take up to `shares[account]` due sends of each account, skipping what others hold. Commits by itself."""
    found = sql.rows(_CLAIM, [list(shares), list(shares.values()), LEASE_SECONDS])
    return sorted((_entry(row) for row in found), key=lambda entry: entry.id)


def renew(entries: Iterable[Entry]) -> None:
    """Keep the leases of what is under way."""
    held = list(entries)
    if held:
        sql.execute(_RENEW, [LEASE_SECONDS, [one.id for one in held], [one.attempts for one in held]])


def lost() -> list[Entry]:
    """Sends whose lease ran out: their sender died, or hangs. Nobody knows how far it got."""
    return [_entry(row) for row in sql.rows(_LOST)]


def record(account_id: int, facts: Sequence[Mapping[str, Any]]) -> set[int]:
    """Write answers back in one statement; return the ids that were still theirs to write."""
    document = json.dumps(facts, default=_plain)
    return {id for (id,) in sql.rows(_RECORD, [document, account_id])}


def unplugged(after: Place | None = None) -> list[Place]:
    """The next PLACES_LIMIT places, from behind `after` on, where something waits for a way out."""
    transport, account_id, channel_account_id = after or ("", 0, None)
    found = sql.rows(_UNPLUGGED, [account_id, transport, channel_account_id or 0, PLACES_LIMIT])
    return [(transport, account_id, channel) for transport, account_id, channel in found]


def replug(places: Sequence[Place]) -> int:
    """Make due what waits at these places, the oldest to leave first; at most REPLUG_LIMIT. Returns how many."""
    if not places:
        return 0
    columns = [
        [account_id for _transport, account_id, _channel in places],
        [transport for transport, _account, _channel in places],
        [channel or 0 for _transport, _account, channel in places],
    ]
    return sql.execute(_REPLUG, [*columns, REPLUG_LIMIT, REPLUG_LIMIT])


def unplug(place: Place, why: str) -> list[Entry]:
    """Put aside what is due at a place that has no way out, at most UNPLUG_LIMIT; returns it. No try is counted."""
    transport, account_id, channel = place
    found = sql.rows(_UNPLUG, [account_id, transport, channel or 0, UNPLUG_LIMIT, why])
    return [_entry(row) for row in found]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} can't be written")


def _entry(row: Sequence[Any]) -> Entry:
    answers: Mapping[str, str] = _loaded(row[7])
    return Entry(
        id=row[0],
        account_id=row[1],
        transport=row[2],
        channel_account_id=row[3],
        message_id=row[4],
        envelope_from=row[5],
        recipients=tuple(who for who in row[6] if who not in answers),
        settled=dict(answers),
        payload=_loaded(row[8]),
        reference_type=row[9],
        reference_id=row[10],
        attempts=row[11],
        ambiguous=row[12],
        tried_seconds=row[13] or 0.0,
        created_at=row[14],
    )


def _loaded(value: Any) -> Any:
    """jsonb comes as text on Django's connections, as an object on others."""
    return json.loads(value) if isinstance(value, str | bytes) else value
