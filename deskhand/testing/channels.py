"""A channel to phones, and a keeper of surveys, that stay in this process: what they were given, and answers as they are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deskhand.delivery.types import Answer, Entry, Pair, Transport, Verdict
from deskhand.desk import channels, inboxes, surveys
from deskhand.desk.channels import ApprovedTemplate
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.desk.surveys import Invitation, Refusal, Survey

NUMBERS = {"sms": "+4520000001", "whatsapp": "+4520000002"}
DAY = timedelta(hours=24)  # in which WhatsApp takes free text (R-WA-2)


@dataclass
class Phones:
    """Channel and transport in one."""

    key: str
    window: timedelta | None = None
    longest: int = 1_600
    approved: list[ApprovedTemplate] = field(default_factory=list)
    #: What the next tries come to; the last one stays.
    answers: list[Answer] = field(default_factory=lambda: [Answer(Verdict.ACCEPTED, "taken")])
    #: What was tried to send, in order.
    tried: list[Entry] = field(default_factory=list)
    unset: str = ""  # given: what is not set up

    def templates(self, account: ChannelAccount) -> Sequence[ApprovedTemplate]:
        return tuple(self.approved)

    def transport(self) -> Transport:
        return self

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        return self.unset

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        return set() if self.unset else set(pairs)

    def send(self, entry: Entry) -> Answer:
        self.tried.append(entry)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Surveys:
    """Asks everybody once for each ticket."""

    known: list[Survey] = field(default_factory=lambda: [Survey("csat", "Satisfaction")])
    invited: dict[str, Invitation] = field(default_factory=dict)

    def offered(self, account_id: int) -> Sequence[Survey]:
        return tuple(self.known)

    def invite(self, account_id: int, asked: Sequence[Invitation], at: datetime) -> Sequence[str | Refusal]:
        return [self._link(one) for one in asked]

    def _link(self, one: Invitation) -> str | Refusal:
        if any(other.ticket_id == one.ticket_id and key != one.key for key, other in self.invited.items()):
            return Refusal("This customer was asked already.")
        self.invited[one.key] = one
        return f"https://desk.example/s/{one.survey}-{one.ticket_id}"


@contextmanager
def plugged_in(*ways: Phones, keeper: Surveys | None = None) -> Iterator[None]:
    """These channels, and this keeper, are there, as if wiring knew them."""
    channels.known.update({way.key: way for way in ways})
    surveys.keepers[:] = [keeper] if keeper else []
    try:
        yield
    finally:
        for way in ways:
            del channels.known[way.key]
        surveys.keepers.clear()


def connect(inbox: Inbox) -> dict[str, ChannelAccount]:
    """A number of ours on each channel to phones, by the channel's key."""
    return {
        key: inboxes.add_channel_account(inbox, channel=key, name="Nordlys", address=number)
        for key, number in NUMBERS.items()
    }
