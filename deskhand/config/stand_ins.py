"""What a document needs and does not make: people, channels, inboxes, secrets. Stand-ins let a plan go on, to be undone with it."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deskhand.accounts import users
from deskhand.automation import secrets
from deskhand.config.things import Thing
from deskhand.desk import inboxes
from deskhand.desk.models import InboxKind
from deskhand.events.types import SYSTEM


@dataclass(frozen=True)
class Lacking:
    """Something to be made first."""

    thing: Thing
    name: str
    path: str  # where the document names it first


def _user(account_id: int, email: str) -> int:
    known = users.find_by_email(email) or users.create(email=email, name=email)
    users.add_to_account(account_id, known.pk)
    return known.pk


def _channel(account_id: int, address: str) -> int:
    desk = inboxes.ensure_defaults(account_id)
    return inboxes.add_channel_account(desk, channel="email", name=address, address=address).pk


def _inbox(account_id: int, name: str) -> int:
    return inboxes.add_inbox(account_id, name, InboxKind.HELP_DESK, by=SYSTEM).pk


def _secret(account_id: int, name: str) -> int:
    return secrets.add(account_id, name, random.token_hex(8), by=SYSTEM)


#: How each is made, by the account and its name. They raise Invalid for a name that can't be right.
MADE_ELSEWHERE: Mapping[Thing, Callable[[int, str], int]] = {
    Thing.USER: _user, Thing.CHANNEL: _channel, Thing.INBOX: _inbox, Thing.SECRET: _secret,
}  # fmt: skip
