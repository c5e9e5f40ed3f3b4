"""How much people hold of what they may be given, in words (R-ROUTE-7, R-CAP-10)."""

from __future__ import annotations

from django.utils.translation import gettext as _

from deskhand.routing.queries import Agent


def load_text(agent: Agent) -> str:
    """Such as "3/2", over the limit too; without a limit, "3 open"."""
    if agent.limit is None:
        return _("%(count)s open") % {"count": agent.open_tickets}
    return f"{agent.held}/{agent.limit}"


def named(agent: Agent) -> str:
    """Who it is, for a plain list of choices; a limit is told with the name."""
    return agent.name if agent.limit is None else f"{agent.name} ({load_text(agent)})"
