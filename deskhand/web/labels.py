"""The words and marks of statuses, priorities and channels, alike on every screen."""

from __future__ import annotations

from deskhand.web.inbox.page import CHANNEL_ICONS, CHANNEL_LABELS
from deskhand.web.inbox.words import priority, status, tags, tone

__all__ = ["channel", "priority", "status", "tags", "tone"]


def channel(source_type: str | None) -> tuple[str, str]:
    """Its icon and its name."""
    source = source_type or "MANUAL"
    return CHANNEL_ICONS.get(source, "circle-dashed"), str(CHANNEL_LABELS.get(source, source.title()))
