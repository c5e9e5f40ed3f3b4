"""What a ticket keeps of the automatic agent that answers it (R-AI-13, R-AI-14)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deskhand.crm.schema.defaults import AGENT_ESCALATED_AT, AGENT_STATUS, ANSWERING, ESCALATED


def given_to(key: str) -> dict[str, Any]:
    """The values of a ticket that this agent answers from now on."""
    return {"ai_agent": key, AGENT_STATUS: ANSWERING}


def handed_to_people(at: datetime) -> dict[str, Any]:
    """The values of one that an agent had."""
    return {"ai_agent": "", AGENT_STATUS: ESCALATED, AGENT_ESCALATED_AT: at.isoformat()}


def was_handed_off(changes: Mapping[str, Any]) -> bool:
    """Of an event's changes: people are to take it, and nobody has yet."""
    return changes.get(AGENT_STATUS, [None, None])[1] == ESCALATED and "hubspot_owner_id" not in changes
