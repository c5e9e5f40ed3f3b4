"""Which tokens may read conversations, and which may write in them."""

from __future__ import annotations

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import refusals
from deskhand.api.operations import Call, Needs
from deskhand.kernel.text import whole

READ: Needs = lambda parts: {"conversations.read", "conversations.write"}  # noqa: E731
WRITE: Needs = lambda parts: {"conversations.write"}  # noqa: E731


def require_desk(call: Call) -> None:
    """Conversations stand in the help desk, for who may open it (R-PERM-13). Raises Forbidden."""
    policy.require(call.viewer, Action.OPEN_HELP_DESK)


def number(text: str) -> int:
    """Of something in an address. Raises Refusal."""
    found = whole(text)
    if found is None or found < 1:
        raise refusals.missing()
    return found
