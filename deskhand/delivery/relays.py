"""Mail servers that take our mail on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings

from deskhand.kernel.errors import Misconfigured

ALLOWED = "smtp://user:password@host:587, smtps://host:465 or sink:, with ?starttls=required|offered|never or ?verify=no"
STARTTLS = ("required", "offered", "never")


@dataclass(frozen=True, slots=True)
class Relay:
    """Where and how to hand mail over. `kind` "sink" keeps it in the built-in mailbox instead."""

    kind: str = "smtp"  # or "sink"
    host: str = ""
    port: int = 587
    tls: bool = False  # from the first byte
    starttls: str = "required"  # "required", "offered" (used when offered) or "never"
    verify: bool = True  # the certificate
    user: str = ""
    password: str = field(default="", repr=False)
    is_ours: bool = True  # named by the installation; False: by people, so only where they may reach (S18)
    sender: str = (
        ""  # whose it is: mail that names no channel leaves from this address, unless MAIL_FROM says another
    )
    seconds: float = 30.0  # for each step; handing over a message and its answer may take ten times as long


SINK = Relay(kind="sink")


def from_url(url: str, name: str = "SMTP_URL") -> Relay | None:
    """Read a relay from its address; None from an empty one. Raises Misconfigured naming `name`.

    Without `starttls=` it is required, except on this machine, where it is not used.
    """
    if not url:
        return None
    if url == "sink:":
        return SINK
    parts = urlsplit(url)
    shown = f"{parts.scheme}://…"
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
        raise Misconfigured(name, shown, ALLOWED)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    starttls = options.pop("starttls", "never" if is_local(parts.hostname) else "required")
    verify = options.pop("verify", "yes")
    try:
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
        seconds = float(options.pop("seconds", "30"))
    except ValueError as failure:
        raise Misconfigured(name, shown, ALLOWED) from failure
    if options or starttls not in STARTTLS or verify not in ("yes", "no") or not 0.1 <= seconds <= 600:
        raise Misconfigured(name, f"{shown}?{parts.query}", ALLOWED)
    return Relay(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "smtps",
        starttls=starttls,
        verify=verify == "yes",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        seconds=seconds,
    )


def default_relay() -> Relay | None:
    """The installation's own, from SMTP_URL."""
    return from_url(settings.SMTP_URL)


def is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
