"""API tokens of private apps: shown once, stored as a hash, limited by scopes."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts.models import ApiToken, Membership
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel import clock, crypto
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line

#: Names as HubSpot has them, so that existing apps ask for what they always did.
SCOPES = frozenset(
    [f"crm.{kind}.{name}.{do}" for kind in ("objects", "schemas") for name in
     ("contacts", "companies", "deals", "projects", "custom") for do in ("read", "write")]
    + ["tickets", "conversations.read", "conversations.write", "automation", "files", "forms",
       "settings.users.read", "settings.users.write", "crm.objects.owners.read", "crm.lists.read", "crm.lists.write",
       "deskhand.routing.read", "deskhand.routing.write", "webhooks"]
)  # fmt: skip

MOST_CALLS = 1_000_000  # of a limit
_PREFIX = "dhk_"  # so that scanners for leaked secrets can know it
_SHOWN = len(_PREFIX) + 6
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Whose token a request carries."""

    token_id: int
    account_id: int
    user_id: int | None
    scopes: frozenset[str]
    created_by: int | None = None
    expires_at: datetime | None = None
    per_ten_seconds: int | None = None
    per_day: int | None = None


def create(
    account_id: int,
    *,
    name: str,
    scopes: Collection[str],
    user_id: int | None = None,
    expires_at: datetime | None = None,
    per_ten_seconds: int | None = None,
    per_day: int | None = None,
    by: Actor = SYSTEM,
) -> tuple[ApiToken, str]:
    """Create a token and return it with its secret, which nobody can read again.

    Raises Invalid for a name that can't be taken, an unknown scope or none at all, or a limit that is none, NotFound for a user
    who is no active member.
    """
    name = _checked_name(name)
    _check_scopes(scopes)
    limits = {"per_ten_seconds": per_ten_seconds, "per_day": per_day}
    _check_limits(limits)
    secret = _PREFIX + secrets.token_urlsafe(32)  # 256 bits
    with account_scope(account_id):
        members = Membership.objects.filter(account_id=account_id, is_active=True)
        if user_id is not None and not members.filter(user_id=user_id).exists():
            raise NotFound(_("This user is not a member of the account."))
        token = ApiToken.objects.create(
            account_id=account_id,
            user_id=user_id,
            name=name,
            prefix=secret[:_SHOWN],
            hash=crypto.digest(secret),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            created_by_id=by.id if by.kind is ActorKind.USER else None,
            **limits,
        )
        facts = {"name": token.name, "user_id": user_id, "scopes": token.scopes} | _set(limits)
        audit.record("token.created", by=by, target_type="token", target_id=token.pk, after=facts)
    return token, secret


def limit(
    account_id: int, token_id: int, *, per_ten_seconds: int | None, per_day: int | None, by: Actor
) -> None:
    """How much it may call from now on; None: as much as it likes. Raises Invalid, or NotFound, also for one that was revoked."""
    limits = {"per_ten_seconds": per_ten_seconds, "per_day": per_day}
    _check_limits(limits)
    with account_scope(account_id):
        token = (
            ApiToken.objects.select_for_update(no_key=True)
            .filter(account_id=account_id, pk=token_id, revoked_at=None)
            .first()
        )
        if token is None:
            raise NotFound(_("There is no such token."))
        before = {name: getattr(token, name) for name in limits}
        if before == limits:
            return
        ApiToken.objects.filter(pk=token_id).update(**limits)
        audit.record(
            "token.limited", by=by, target_type="token", target_id=token_id, before=_set(before), after=_set(limits)
        )  # fmt: skip


def revoke(account_id: int, token_id: int, *, by: Actor) -> None:
    """The token is refused from the next request on. Safe to repeat. Raises NotFound."""
    with account_scope(account_id):
        tokens = ApiToken.objects.filter(account_id=account_id, pk=token_id)
        if tokens.filter(revoked_at=None).update(revoked_at=clock.now()):
            audit.record("token.revoked", by=by, target_type="token", target_id=token_id)
        elif not tokens.exists():
            raise NotFound(_("There is no such token."))


def recognize(secret: str) -> TokenUse | None:
    """Return whose token this is; None when it is unknown, revoked, expired or its user's no longer.

    Works without an account scope; one query, and a second one once a minute that notes the use.
    """
    token, now = _usable_one(secret), clock.now()
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at >= _USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return _use(token)


def look_up(secret: str) -> TokenUse | None:
    """The same for who only asks what a token is: that is no use of it."""
    token = _usable_one(secret)
    return _use(token) if token else None


def _usable_one(secret: str) -> ApiToken | None:
    if not secret.startswith(_PREFIX):
        return None
    digest = crypto.digest(secret)
    token = _usable(clock.now()).filter(hash=digest).first()
    return token if token is not None and crypto.same(token.hash, digest) else None


def _use(token: ApiToken) -> TokenUse:
    return TokenUse(
        token.pk, token.account_id, token.user_id, frozenset(token.scopes), token.created_by_id, token.expires_at,
        token.per_ten_seconds, token.per_day,
    )  # fmt: skip


def _checked_name(name: str) -> str:
    name = one_line(name)
    if not 0 < len(name) <= 100:
        raise Invalid(_("A name has 1 to 100 characters."), field="name", value=name)
    return name


def _check_scopes(scopes: Collection[str]) -> None:
    hint = _("Choose from: %(scopes)s.") % {"scopes": ", ".join(sorted(SCOPES))}
    if not scopes:
        raise Invalid(_("A token needs at least one scope."), field="scopes", hint=hint)
    for scope in scopes:
        if scope not in SCOPES:
            sentence = _("There is no scope %(scope)s.") % {"scope": scope}
            raise Invalid(sentence, field="scopes", value=scope, hint=hint)


def _check_limits(limits: Mapping[str, int | None]) -> None:
    for name, most in limits.items():
        if most is not None and not 1 <= most <= MOST_CALLS:
            sentence = _("A limit is from 1 to %(most)s calls.") % {"most": MOST_CALLS}
            raise Invalid(sentence, field=name, value=str(most)[:40])


def _set(limits: Mapping[str, int | None]) -> dict[str, int]:
    return {name: most for name, most in limits.items() if most is not None}


def _usable(now: datetime) -> QuerySet[ApiToken]:
    is_of_active_member = Q(
        user__is_active=True, user__memberships__account_id=F("account_id"), user__memberships__is_active=True
    )
    return ApiToken.objects.filter(
        Q(user=None) | is_of_active_member, Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None
    )
