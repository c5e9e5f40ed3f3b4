"""The automatic agents that may answer a channel's customers first (R-AI-1), as routing sees them. Wiring says which there
are; without any, the option is on no screen."""

from __future__ import annotations

from typing import Protocol


class Agent(Protocol):
    """Answers tickets that are given to it until it hands them to people. Told by `ticket.updated` events like anybody."""

    key: str
    name: str  # in the reader's language


#: By key; filled by wiring.
known: dict[str, Agent] = {}
