"""Where a request comes from. Forwarding headers count only when a proxy we know has written them (S34)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from django.conf import settings
from django.http import HttpRequest


def of_request(request: HttpRequest) -> str:
    peer = request.META.get("REMOTE_ADDR") or "unknown"
    return client_address(peer, request.headers.get("X-Forwarded-For", ""), settings.TRUSTED_PROXIES)


def client_address(peer: str, forwarded_for: str, proxies: Collection[str]) -> str:
    """Return the address nearest to us that is none of our proxies.

    `peer` is who is connected, `forwarded_for` the X-Forwarded-For header, `proxies` addresses or networks. Read from
    the right, because only what our own proxies have added can be believed.
    """
    networks = [ipaddress.ip_network(one, strict=False) for one in proxies]
    hops = [*(hop.strip() for hop in forwarded_for.split(",") if hop.strip()), peer]
    for hop in reversed(hops):
        if not _is_in(hop, networks):
            return hop if _parsed(hop) else peer
    return hops[0]


def _is_in(hop: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    ip = _parsed(hop)
    return ip is not None and any(ip in network for network in networks)


def _parsed(hop: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(hop)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
