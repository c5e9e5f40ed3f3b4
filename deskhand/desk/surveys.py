"""Surveys, as those see them who send invitations to one: which there are, and what asks a customer (R-FBK-3).

Whoever keeps surveys is plugged in by wiring. Whether somebody may be asked (R-FBK-4), and what an answer does, is decided there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

LONGEST_LINK = 200  # characters


@dataclass(frozen=True)
class Survey:
    key: str
    name: str


@dataclass(frozen=True)
class Invitation:
    """Somebody who is to be asked about a ticket. The same `key` is one invitation for ever."""

    survey: str
    ticket_id: int
    contact_id: int
    key: str


@dataclass(frozen=True)
class Refusal:
    """Why somebody is not asked, for people to read."""

    why: str


class Keeper(Protocol):
    """Who keeps surveys."""

    def offered(self, account_id: int) -> Sequence[Survey]:
        """Those that can be sent now. One query."""

    def invite(self, account_id: int, asked: Sequence[Invitation], at: datetime) -> Sequence[str | Refusal]:
        """The address at which each answers, in the order given; at most `LONGEST_LINK` characters. Safe to repeat."""


#: Filled by wiring; no more than one.
keepers: list[Keeper] = []


def offered(account_id: int) -> list[Survey]:
    return [survey for keeper in keepers for survey in keeper.offered(account_id)]


def invite(account_id: int, asked: Sequence[Invitation], at: datetime) -> list[str | Refusal]:
    """Links for all, or why not. Raises LookupError where nobody keeps surveys."""
    return list(keepers[0].invite(account_id, asked, at)) if asked else []
