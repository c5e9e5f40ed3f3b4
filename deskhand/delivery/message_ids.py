"""Message-IDs: made once, before the first try, and never changed (O1)."""

from __future__ import annotations

import re
import secrets

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)


def new_message_id(domain: str) -> str:
    """A fresh Message-ID at `domain`; at `deskhand.invalid` when that can't stand there."""
    place = domain if len(domain) <= 253 and _DOMAIN.fullmatch(domain) else "deskhand.invalid"
    return f"<{secrets.token_hex(16)}@{place.lower()}>"
