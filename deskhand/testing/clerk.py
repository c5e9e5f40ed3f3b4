"""An automatic agent that answers by keywords and stays in this process (R-AI-16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.models import Message
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM, Event
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import agents


@dataclass
class Clerk:
    """Knows an answer for each word; where it knows none, it hands the ticket to people."""

    answers: Mapping[str, str]
    key: str = "clerk"
    name: str = "Clerk"
    #: What it said, as (ticket, answer).
    said: list[tuple[int, str]] = field(default_factory=list)

    def hear(self, account_id: int, events: Sequence[Event]) -> None:
        """AFTER_COMMIT: what customers wrote in tickets that are its."""
        wrote = [e.data["message_id"] for e in events if e.kind == threads.RECEIVED and e.data["ticket_id"]]
        with account_scope(account_id):
            found = (
                Message.objects.filter(account_id=account_id, pk__in=wrote)
                .select_related("thread")
                .order_by("pk")
            )
            own = set(
                Ticket.objects.filter(account_id=account_id, ai_agent=self.key).values_list("pk", flat=True)
            )
            for message in found:
                if message.thread.ticket_id in own:
                    self._answer(account_id, message.thread.ticket_id, message.text)

    def _answer(self, account_id: int, ticket_id: int, text: str) -> None:
        known = next((answer for word, answer in self.answers.items() if word in text.lower()), None)
        if known is None:
            agents.hand_off(account_id, [ticket_id], by=SYSTEM)
        else:
            self.said.append((ticket_id, known))


@contextmanager
def at_work(clerk: Clerk) -> Iterator[Clerk]:
    """It is there and hears, as if wiring knew it."""
    agents.known[clerk.key] = clerk
    dispatch.after_commit.append(clerk.hear)
    try:
        yield clerk
    finally:
        del agents.known[clerk.key]
        if clerk.hear in dispatch.after_commit:
            dispatch.after_commit.remove(clerk.hear)
