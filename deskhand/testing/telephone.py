"""A telephone that stays in this process: it rings people as routing plans, and files what comes of a call (R-CALL-3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.models import ChannelAccount
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle
from deskhand.routing import ringing, rules
from deskhand.routing.ringing import Plan


@dataclass
class Telephone:
    """One line. `picks_up` answers as soon as their phone rings; `busy` are on another call."""

    line: ChannelAccount
    picks_up: int | None = None
    busy: Collection[int] = ()
    #: What happened on the last call, in order: ("ring", users, seconds), ("say", text), ("voicemail",), ("talk", user).
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def rule(self, **more: Any) -> None:
        rules.set_rule(self.line.account_id, self.line.pk, by=SYSTEM, kind=self.line.channel, **more)

    def call(self, number: str = "+4520111111") -> Ticket:
        """Somebody calls; returns the ticket of the call (R-CALL-2)."""
        plan = ringing.of_call(self.line.account_id, self.line.pk, self.busy, clock.now())
        self.told = []
        answered = self._ring(plan)
        filed = threads.receive(Incoming(self.line.pk, self._message(number, answered)))
        assert filed.ticket_id is not None
        settle()
        return Ticket.objects.get(pk=filed.ticket_id)

    def _ring(self, plan: Plan) -> int | None:
        for ring in plan.rings:
            self.told.append(("ring", ring.user_ids, ring.seconds))
            if self.picks_up in ring.user_ids:
                self.told.append(("talk", self.picks_up))
                return self.picks_up
        self.told += [("say", plan.message)] if plan.message else []
        self.told.append(("voicemail",))
        return None

    @staticmethod
    def _message(number: str, answered: int | None) -> InboundMessage:
        text = "A call" if answered is not None else "A message on the voicemail"
        return InboundMessage(
            "", Mailbox(number), text, text, clock.now(), is_email=False, answered_by=answered
        )
