"""Limits on signing in, per name and per network, counted before the password is looked at (S14).

Counting is one atomic statement: a hundred tries at the same time count a hundred. A name that nobody has is counted
like any other, so that a limit gives nothing away. Works outside an account scope, and must: what a request rolls
back would not have counted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.kernel import clock, crypto
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Limited

WINDOW = timedelta(minutes=15)
TRIES_PER_NAME = 10
TRIES_PER_NETWORK = 100
IPV4_PREFIX, IPV6_PREFIX = 24, 48  # bits that one attacker can be expected to own

# Keys are taken in order, so that two requests can't hold each other up. An old window starts anew.
_COUNT = """
insert into accounts_signinattempt as a (key, count, started_at)
select key, 1, %(now)s from unnest(%(keys)s::text[]) with ordinality k(key, n) order by n
on conflict (key) do update set
    count = case when a.started_at <= %(over)s then 1 else a.count + 1 end,
    started_at = case when a.started_at <= %(over)s then %(now)s else a.started_at end
returning key, count, started_at
"""


def count(name: str, address: str) -> None:
    """Count one try. Raises Limited when there were too many of this name or from this network."""
    now = clock.now()
    keys = _keys(name, address)
    found = sql.rows(_COUNT, {"keys": keys, "now": now, "over": now - WINDOW})
    limits = {key: TRIES_PER_NAME if key.startswith("name:") else TRIES_PER_NETWORK for key in keys}
    waits = [_wait(started_at, now) for key, tries, started_at in found if tries > limits[key]]
    if waits:
        raise Limited(_("Too many failed attempts to sign in. Try again later."), retry_after=max(waits))


def take_back(name: str, address: str) -> None:
    """A try that succeeded does not count; the failed ones before it still do."""
    sql.execute(
        "update accounts_signinattempt set count = greatest(count - 1, 0) where key = any(%s)",
        [_keys(name, address)],
    )


def forget_old(now: datetime) -> int:
    """Delete what no longer counts and return how many rows there were."""
    return sql.execute("delete from accounts_signinattempt where started_at <= %s", [now - WINDOW])


def network(address: str) -> str:
    """Return the network an address is in; what is no address stands for itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64] or "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    prefix = IPV4_PREFIX if ip.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False))


def _keys(name: str, address: str) -> Sequence[str]:
    hidden = crypto.sign(
        name.strip().lower().encode("utf-8", "replace"), account_id=0, purpose="sign-in name"
    )
    return sorted([f"name:{hidden}", f"network:{network(address)}"])


def _wait(started_at: datetime, now: datetime) -> int:
    return max(1, int((started_at + WINDOW - now).total_seconds()))
