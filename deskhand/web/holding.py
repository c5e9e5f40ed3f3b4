"""How much people hold of what they may be given, in words and as bars (R-ROUTE-7, R-CAP-10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.routing.capacity import Hold
from deskhand.routing.queries import Agent

#: The types of tickets, as limits and points tell them apart.
TYPES = {
    "CALL": gettext_lazy("Phone calls"),
    "MESSAGE": gettext_lazy("Chat messages"),
    "EMAIL_OTHER": gettext_lazy("Email and other"),
}


def load_text(agent: Agent) -> str:
    """Such as "3/2" or "30/20 points", over the limit too; without a limit, "3 open"."""
    if agent.limit is None:
        return _("%(count)s open") % {"count": agent.open_tickets}
    return _of_limit(agent.held, agent.limit, agent.weighs)


def _of_limit(held: int, limit: int, weighs: bool) -> str:
    return _("%(held)s/%(limit)s points") % {"held": held, "limit": limit} if weighs else f"{held}/{limit}"


def named(agent: Agent) -> str:
    """Who it is, for a plain list of choices; a limit is told with the name."""
    return agent.name if agent.limit is None else f"{agent.name} ({load_text(agent)})"


@dataclass(frozen=True)
class Bar:
    """`label` is of one ticket type, or empty for all; without a limit there is no bar, only the number."""

    label: str
    text: str
    held: int
    limit: int | None
    tone: Literal["red"] | None = None


def bars_of(holds: Mapping[str, Hold], *, weighs: bool) -> tuple[Bar, ...]:
    """What `capacity.holds_of` says of somebody; full is red. Where the account `weighs` tickets, it is points."""
    return tuple(
        Bar(
            str(TYPES[kind]) if kind else "", _text(hold, weighs), hold.held, hold.limit, "red" if hold.is_full else None,
        )
        for kind, hold in holds.items()
    )  # fmt: skip


def _text(hold: Hold, weighs: bool) -> str:
    if hold.limit is not None:
        return _of_limit(hold.held, hold.limit, weighs)
    if not weighs:
        return str(hold.held)
    return ngettext("%(num)s point", "%(num)s points", hold.held) % {"num": hold.held}
