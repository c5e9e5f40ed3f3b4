"""How the contract names channels and who says something (api.md §2.6)."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.desk.channels import EMAIL, SMS, WHATSAPP
from deskhand.events.types import ActorKind

#: {our key: (number, name)}; the numbers are constants of the contract.
CHANNELS: Mapping[str, tuple[str, str]] = {
    "chat": ("1000", "Live chat"),
    "messenger": ("1001", "Facebook Messenger"),
    EMAIL: ("1002", "Email"),
    "form": ("1003", "Forms"),
    "portal": ("1004", "Customer portal"),
    WHATSAPP: ("1007", "WhatsApp"),
    SMS: ("1009", "SMS"),
    "calling": ("1012", "Calling"),
}
_KEYS = {number: key for key, (number, _name) in CHANNELS.items()}
_PHONES = (SMS, WHATSAPP, "calling")

AGENT, VISITOR, ADDRESS, INTEGRATION, BOT, SYSTEM = "A", "V", "E", "I", "B", "S"
_LETTERS = {
    ActorKind.USER: AGENT,
    ActorKind.VISITOR: VISITOR,
    ActorKind.INTEGRATION: INTEGRATION,
    ActorKind.WORKFLOW: BOT,
}
PRODUCT = f"{SYSTEM}-0"  # what the product does by itself


def channel_id(key: str) -> str:
    return CHANNELS[key][0] if key in CHANNELS else key


def channel_name(key: str) -> str:
    return CHANNELS[key][1] if key in CHANNELS else key


def channel_key(given: str) -> str:
    """Of what no channel has, itself: nothing is found by it."""
    return _KEYS.get(given, given)


def agent(user_id: int) -> str:
    return f"{AGENT}-{user_id}"


def actor(kind: str, number: int | None) -> str:
    letter = _LETTERS.get(ActorKind(kind))
    return f"{letter}-{number}" if letter and number is not None else PRODUCT


def split(actor_id: str) -> tuple[str, str]:
    """The letter, and what stands behind it."""
    letter, _, rest = actor_id.partition("-")
    return letter, rest


def identifier(channel: str, value: str) -> dict[str, str]:
    kind = "HS_EMAIL_ADDRESS" if channel in (EMAIL, "form", "portal") else "CHANNEL_SPECIFIC_OPAQUE_ID"
    return {"type": "HS_PHONE_NUMBER" if channel in _PHONES else kind, "value": value}
