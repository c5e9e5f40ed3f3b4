"""Which hosts may be asked of those that people give us: none can turn us against our own network (S18).

Every address that a name has is checked, and the connection goes to the checked one. Private addresses are refused
unless ALLOW_PRIVATE_HOSTS names them (host names, addresses or networks, separated by commas).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from deskhand.kernel import env
from deskhand.kernel.errors import Rejected

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = (80, 443)
MAIL_PORTS = (25, 143, 465, 587, 993)
REFUSED_PORTS = frozenset({3306, 5432, 6379, 6432, 9200, 11211, 27017})

#: What is not the public Internet, beyond what Python's ipaddress calls global.
NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Allowed:
    """What ALLOW_PRIVATE_HOSTS names."""

    names: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()


def is_public(address: IPAddress) -> bool:
    """Whether `address` belongs to the public Internet, whatever way it is written."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id is not None:
            return False
    return address.is_global and not any(
        address in network for network in NOT_PUBLIC if network.version == address.version
    )


def allowed_private() -> Allowed:
    """Read ALLOW_PRIVATE_HOSTS. Raises Misconfigured for an entry that is no host, address or network."""
    return Allowed(*env.hosts("ALLOW_PRIVATE_HOSTS"))


def choose_address(
    host: str, port: int, found: Sequence[IPAddress], allowed: Allowed, ports: Collection[int]
) -> str:
    """Return the address to connect to. Raises Rejected if any of those found may not be asked.

    One private address among public ones refuses them all: such a name is made to deceive. Below 1024 only `ports` are
    asked.
    """
    named = host.lower().rstrip(".") in allowed.names
    for address in found:
        if named or any(
            address in network for network in allowed.networks if network.version == address.version
        ):
            continue
        if not is_public(address) or _is_ours(address):
            raise Rejected(_("%s is not on the public Internet.") % host)
        if port not in ports and (port < 1024 or port in REFUSED_PORTS):
            raise Rejected(_("Port %s may not be asked.") % port)
        if host.lower().rstrip(".") == urlsplit(settings.SITE_URL).hostname:
            raise Rejected(_("%s is this installation itself.") % host)
    return str(found[0])


def mail_server(host: str, port: int) -> str:
    """Resolve the name of a mail server and return the address to connect to. Raises Rejected, and OSError unknown."""
    found = [str(place[4][0]) for place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in dict.fromkeys(found)]
    return choose_address(host, port, addresses, allowed_private(), MAIL_PORTS)


def _is_ours(address: IPAddress) -> bool:
    """Whether `address` is one of this machine's own: then a socket can be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
