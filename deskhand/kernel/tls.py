"""Whom we trust when we connect: the system's certificate authorities and, where it has none, Mozilla's."""

from __future__ import annotations

import ssl
from functools import lru_cache

import certifi


@lru_cache(maxsize=2)
def client_context(*, verify: bool = True) -> ssl.SSLContext:
    """One context for the process; `verify` False takes any certificate and any name."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
