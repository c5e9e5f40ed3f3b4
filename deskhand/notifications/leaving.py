"""What leaves for people who are told: put into words in the language of who reads it, and handed to the outbox.

One notice has one key, so that whatever is told again leaves once by each way (R-NOT-15). Who calls has seen to it that they
may see what it is about (R-NOT-16).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import translation

from deskhand.accounts.mails import letter
from deskhand.accounts.models import Account, User
from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.push import Message
from deskhand.delivery.types import NewSend
from deskhand.notifications import limits, reaching
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways
from deskhand.notifications.wording import mail_of

People = Mapping[int, User]


@dataclass(frozen=True)
class Said:
    """One notice in words."""

    title: str
    text: str  # what a mail says above the link
    path: str  # of the page that it leads to
    line: str = ""  # what is said under the title where there is little room


@dataclass(frozen=True)
class Leaving:
    """What one person is told of one thing. `words` is called in the language of who reads it."""

    user_id: int
    topic: Topic
    key: str  # names it for ever
    ways: Ways
    words: Callable[[People], Said]


def leave(account_id: int, told: Sequence[Leaving], at: datetime, others: Collection[int] = ()) -> int:
    """Send it by the ways that leave the house; returns how many mails that are.

    `others` are people whom the words name: `words` is given them with those who read. A fixed number of queries.
    """
    told = [one for one in told if one.ways.leaves]
    if not told:
        return 0
    account = Account.objects.get(pk=account_id)
    people = User.objects.in_bulk({one.user_id for one in told} | set(others))
    doors = reaching.doors(
        account_id,
        {one.user_id for one in told if one.ways.push},
        {one.user_id for one in told if one.ways.chat},
    )
    sends: list[NewSend] = []
    for one in told:
        user = people[one.user_id]
        with translation.override(user.locale or account.locale):
            said = one.words(people)
            if one.ways.mail:
                text = mail_of(f"{said.text}\n{settings.SITE_URL}{said.path}")
                sends.append(letter(account, user, said.title, text, key=one.key))
            message = Message(said.title, said.line, said.path)
            sends += doors.pushes(one.user_id, message, one.key) if one.ways.push else []
            sends += doors.posts(one.user_id, message, one.key) if one.ways.chat else []
    asked = [one.key for one in told if one.ways.mail]
    gone = _known(account_id, asked) if asked else set()
    outbox.enqueue(sends)
    mails = Counter((one.user_id, one.topic) for one in told if one.ways.mail and one.key not in gone)
    if mails:
        limits.count(account_id, mails, at)
    limits.set_timers(account_id, {one.user_id for one in told if one.ways.digest}, at)
    return mails.total()


def _known(account_id: int, keys: Sequence[str]) -> set[str]:
    """Those of these mails that left, or wait, already: they leave once, and count once."""
    found = OutboxEntry.objects.filter(account_id=account_id, idempotency_key__in=keys)
    return set(found.values_list("idempotency_key", flat=True))
