"""Settings from the environment. A wrong value stops the start with its name, the value and what is allowed.

An empty value is none. `NAME_FILE` may name a file that holds the value of a secret.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from deskhand.kernel.errors import Misconfigured

#: Every name that was read, so that a test can ask docs/settings.md for each.
names_read: set[str] = set()


def text(name: str, default: str = "", *, one_of: Collection[str] = ()) -> str:
    names_read.add(name)
    value = os.environ.get(name) or default
    if one_of and value not in one_of:
        raise Misconfigured(name, value, "one of " + ", ".join(one_of))
    return value


def flag(name: str, default: bool = False) -> bool:
    names_read.add(name)
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise Misconfigured(name, value, "true or false")


def whole(name: str, default: int, *, at_least: int = 0, at_most: int = 2**31) -> int:
    names_read.add(name)
    value = os.environ.get(name, "")
    if value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        number = at_least - 1
    if not at_least <= number <= at_most:
        raise Misconfigured(name, value, f"a whole number from {at_least} to {at_most}")
    return number


def secret(name: str, default: str = "") -> str:
    names_read.update((name, f"{name}_FILE"))
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as failure:
            raise Misconfigured(f"{name}_FILE", path, "a readable file") from failure
    return os.environ.get(name, default)


def required(name: str, allowed: str) -> str:
    """A text that can't be left out."""
    value = text(name)
    if not value:
        raise Misconfigured(name, value, allowed)
    return value


def site(name: str, default: str) -> str:
    """The address of a site, without a slash at its end."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misconfigured(name, value, "an address that starts with https:// or http://")
    return value


def networks(name: str) -> list[str]:
    """A comma-separated list of IP addresses and networks."""
    found = words(name)
    for word in found:
        try:
            ip_network(word, strict=False)
        except ValueError as failure:
            allowed = "IP addresses or networks such as 10.0.0.0/8, with commas between"
            raise Misconfigured(name, word, allowed) from failure
    return found


def hosts(name: str) -> tuple[frozenset[str], tuple[IPv4Network | IPv6Network, ...]]:
    """A comma-separated list of host names (in lower case), and of IP addresses and networks."""
    names, networks = set(), []
    for word in words(name):
        try:
            networks.append(ip_network(word))
        except ValueError as failure:
            if "/" in word or not word.replace("-", "").replace(".", "").isalnum():
                allowed = "host names, addresses or networks (10.0.0.0/8), with commas between"
                raise Misconfigured(name, word, allowed) from failure
            names.add(word.lower().rstrip("."))
    return frozenset(names), tuple(networks)


def folder(name: str, default: Path) -> Path:
    """A directory that can be written, or made; it is not made here."""
    chosen = Path(text(name, str(default))).absolute()
    if not _can_be_written(chosen):
        raise Misconfigured(name, str(chosen), "a directory that can be written")
    return chosen


def _can_be_written(place: Path) -> bool:
    try:
        existing = next(path for path in (place, *place.parents) if path.exists())
    except PermissionError:
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]
