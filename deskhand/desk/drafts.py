"""What a person has typed and not sent: one draft per person, ticket and mode (R-WORK-6)."""

from __future__ import annotations

from typing import Any

from deskhand.accounts.types import Viewer
from deskhand.desk.models import Draft
from deskhand.kernel import clock
from deskhand.kernel.text import storable

LIMIT = 200_000  # characters


def save(viewer: Viewer, ticket_id: int, *, mode: str, body: str) -> None:
    """Keep the draft, or drop it when it is empty. Safe to repeat."""
    mine: dict[str, Any] = {
        "account_id": viewer.account_id,
        "user_id": viewer.user_id,
        "ticket_id": ticket_id,
        "mode": mode,
    }
    body = storable(body[:LIMIT])
    if not body.strip():
        Draft.objects.filter(**mine).delete()
        return
    Draft.objects.update_or_create(**mine, defaults={"body": body, "updated_at": clock.now()})
