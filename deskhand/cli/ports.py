"""The ports that the product listens on."""

from __future__ import annotations

import argparse
import errno
import socket
from collections.abc import Mapping

from deskhand.kernel.errors import Misconfigured

WEB = 8321
SMTP = 8325
LMTP = 8324


def number(text: str) -> int:
    """A port given on the command line; 0 switches a listener off."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; it must be a number from 0 to 65535")
    return int(text)


def require_free(host: str, port: int, option: str) -> None:
    """Raises Misconfigured, naming the port and the option that chooses another, or the address if that is wrong."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise _refusal(host, port, option, failure) from failure


def require_different(chosen: Mapping[str, int]) -> None:
    """`chosen` is port by option. Raises Misconfigured for two listeners on one port."""
    taken: dict[int, str] = {}
    for option, port in chosen.items():
        if port in taken:
            allowed = f"another port than {taken[port]}'s; choose one with {option} NUMBER"
            raise Misconfigured(option, port, allowed)
        if port:
            taken[port] = option


def _refusal(host: str, port: int, option: str, failure: OSError) -> Misconfigured:
    reason = failure.strerror or str(failure)
    if failure.errno in (errno.EADDRINUSE, errno.EACCES):
        return Misconfigured(
            option, port, f"a free port on {host} ({reason}); choose another with {option} NUMBER"
        )
    return Misconfigured("--host", host, f"an address of this machine ({reason})")
