"""What each kind of channel offers for its new tickets (R-ROUTE-17), as data; rules and screens ask here.

Kinds are named as channel accounts name them. SMS and Messenger are as WhatsApp. The customer portal is as a form: what
comes from either is a submission, and its customer may wait. Of a channel that others connect nothing is known but that
people answer there, so it has all that needs no machine of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deskhand.routing import agents
from deskhand.routing.types import Option, Strategy

EMAIL, FORM, WHATSAPP, CHAT, CALLING = "email", "form", "whatsapp", "chat", "calling"
SMS, MESSENGER, CUSTOM, PORTAL = "sms", "messenger", "custom", "portal"


@dataclass(frozen=True)
class Offer:
    """Of a kind of channel: whom its tickets may go to, and what else its rule may say."""

    options: tuple[Option, ...]  # as screens list them
    strategies: tuple[Strategy, ...] = (Strategy.LOAD_BALANCED,)
    #: The box "available people only"; without it they alone are asked.
    has_box: bool = False
    #: Others to ask, a wait-list, and who has the contact already.
    has_fallback: bool = True
    has_hours: bool = False  # R-ROUTE-81, R-ROUTE-90
    rings: bool = False  # people are rung first; who answers gets the ticket (R-ROUTE-94)
    #: The contact's owner who is not there gets the submission by mail (R-ROUTE-62).
    mails_owner: bool = False

    @property
    def has_distribution(self) -> bool:
        return len(self.strategies) > 1


_PEOPLE = (Option.NONE, Option.USERS_AND_TEAMS, Option.TEAMS, Option.CONTACT_OWNER)
_WRITTEN = Offer((*_PEOPLE, Option.AI_AGENT), tuple(Strategy), has_box=True)
_SENT_IN = Offer(_PEOPLE, tuple(Strategy), has_box=True, mails_owner=True)

MATRIX: Mapping[str, Offer] = {
    EMAIL: _WRITTEN,
    FORM: _SENT_IN,
    WHATSAPP: _WRITTEN,
    CHAT: Offer((Option.NONE, Option.USERS_AND_TEAMS), has_hours=True),
    CALLING: Offer((Option.NONE, Option.USERS_AND_TEAMS), has_hours=True, has_fallback=False, rings=True),
    SMS: _WRITTEN,
    MESSENGER: _WRITTEN,
    CUSTOM: Offer(_PEOPLE, tuple(Strategy), has_box=True),
    PORTAL: _SENT_IN,
}


def of(kind: str) -> Offer:
    """A kind that is not in the table belongs to who connected it."""
    return MATRIX.get(kind, MATRIX[CUSTOM])


def shown(kind: str) -> tuple[Option, ...]:
    """The options that screens list: an automatic agent's only where there is one (R-AI-1)."""
    return tuple(one for one in of(kind).options if one is not Option.AI_AGENT or agents.known)
