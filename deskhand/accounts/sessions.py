"""Which account a session works in, and how sessions end.

A session carries a hash over the user's password and `session_epoch`; when either changes, every session of the user
is over with its next request. Streams ask `is_over` now and then.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.db.models import F
from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership, User
from deskhand.kernel import crypto
from deskhand.kernel.errors import NotFound

ACCOUNT_KEY = "account_id"

Session = MutableMapping[str, Any]


def membership(session: Session, user_id: int) -> Membership | None:
    """Return the active membership the session works in, with its account; one query.

    That is the chosen one, or the user's first; None when there is none left.
    """
    active = list(
        Membership.objects.select_related("account")
        .filter(user_id=user_id, is_active=True, user__is_active=True)
        .order_by("id")
    )
    chosen = session.get(ACCOUNT_KEY)
    return next((one for one in active if one.account_id == chosen), active[0] if active else None)


def choose(session: Session, user_id: int, account_id: int) -> None:
    """Work in another account from now on. Raises NotFound when the user is no active member of it."""
    if not Membership.objects.filter(user_id=user_id, account_id=account_id, is_active=True).exists():
        raise NotFound(_("You are not a member of this account."))
    session[ACCOUNT_KEY] = account_id


def end_all(user_id: int) -> None:
    """End every session of the user, in all accounts. Safe to repeat."""
    User.objects.filter(pk=user_id).update(session_epoch=F("session_epoch") + 1)


def is_over(session: Session, account_id: int) -> bool:
    """Whether an open stream of this session has to close; one query. Ask at least every 5 s (S13)."""
    member = (
        Membership.objects.select_related("user")
        .filter(
            account_id=account_id, user_id=session.get(SESSION_KEY) or 0, is_active=True, user__is_active=True
        )
        .first()
    )
    if member is None:
        return True
    return not crypto.same(str(session.get(HASH_SESSION_KEY, "")), member.user.get_session_auth_hash())
