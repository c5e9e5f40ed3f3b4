"""Inviting people by mail. Who is invited has a membership that is not active, until they open the link and join.

The link is signed over what makes it stale: the moment it was sent and the password. So it works once, and a new one
ends the former.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts import audit, mails, teams, users
from deskhand.accounts.models import Membership, User
from deskhand.events.types import Actor
from deskhand.kernel import clock, crypto
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import NotFound

DAYS = 7
_PURPOSE = "invitation"

#: Makes the address of a membership's signature, for the mail.
Link = Callable[[int, str], str]


def invite(
    account_id: int,
    *,
    email: str,
    name: str,
    link: Link | None,
    has_seat: bool = True,
    is_super_admin: bool = False,
    role_id: int | None = None,
    main_team_id: int | None = None,
    extra_team_ids: Collection[int] = (),
    by: Actor,
) -> Membership:
    """Mail somebody a link to join with; without `link` that is left for later (`send_again`). Who is known in the
    installation keeps name and password.

    Raises Invalid for an address or a name that can't be taken, Conflict for who is a member or invited already.
    """
    email, name = users.canonical_email(email), users.checked_name(name)
    with account_scope(account_id):
        user = users.find_by_email(email) or users.create(email=email, name=name)
        member = users.new_member(
            account_id,
            user.pk,
            has_seat=has_seat,
            is_super_admin=is_super_admin,
            role_id=role_id,
            invited_at=clock.now(),
        )
        facts = {
            "email": email,
            "role_id": member.role_id,
            "has_seat": has_seat,
            "is_super_admin": is_super_admin,
        }
        audit.record("user.invited", by=by, target_type="user", target_id=user.pk, after=facts)
        if main_team_id is not None or extra_team_ids:
            teams.set_teams_of(account_id, user.pk, main_id=main_team_id, extra_ids=extra_team_ids, by=by)
        if link is not None:
            _send(member, link, by)
    return member


def send_again(account_id: int, user_id: int, *, link: Link, by: Actor) -> None:
    """Mail a new link; the former one no longer works. Raises NotFound for who is not invited."""
    with account_scope(account_id):
        member = _invited(account_id, user_id)
        member.invited_at = clock.now()
        member.save(update_fields=["invited_at"])
        facts = {"email": member.user.email}
        audit.record("user.invited_again", by=by, target_type="user", target_id=user_id, after=facts)
        _send(member, link, by)


def withdraw(account_id: int, user_id: int, *, by: Actor) -> None:
    """The link no longer works, and who was known nowhere else is forgotten. Raises NotFound for who is not invited."""
    with account_scope(account_id):
        member = _invited(account_id, user_id)
        user, facts = member.user, {"email": member.user.email}
        teams.set_teams_of(account_id, user_id, main_id=None, by=by)
        member.delete()
        audit.record("user.invitation_withdrawn", by=by, target_type="user", target_id=user_id, before=facts)
        if not user.has_usable_password() and not user.memberships.exists():
            user.delete()


def find(member_id: int, signature: str, now: datetime) -> Membership:
    """Whose invitation the link is. Raises NotFound when it was used, withdrawn, sent anew, or is too old."""
    member = _members().filter(pk=member_id, invited_at__gt=now - timedelta(days=DAYS)).first()
    is_known = member is not None and crypto.is_signed(
        _content(member), signature, account_id=member.account_id, purpose=_PURPOSE
    )
    if member is None or not is_known:
        raise NotFound(_("This invitation is no longer valid."))
    return member


def needs_password(member: Membership) -> bool:
    """Whether they have none yet; others sign in as they always do."""
    return not member.user.has_usable_password()


def accept(member_id: int, signature: str, *, password: str, now: datetime) -> User:
    """Join, with the first password where there is none yet. Raises NotFound, and Invalid for a weak password."""
    account_id = find(member_id, signature, now).account_id
    with account_scope(account_id), transaction.atomic():
        Membership.objects.select_for_update().filter(pk=member_id).first()
        member = find(member_id, signature, now)  # as it is now that it is held
        if needs_password(member):
            users.set_password(member.user, password)
        member.is_active, member.invited_at = True, None
        member.save(update_fields=["is_active", "invited_at"])
        by = Actor.user(member.user_id)
        audit.record("user.joined", by=by, target_type="user", target_id=member.user_id)
    return member.user


def _members() -> QuerySet[Membership]:
    return Membership.objects.select_related("account", "user")


def _invited(account_id: int, user_id: int) -> Membership:
    found = _members().select_for_update(of=("self",)).filter(account_id=account_id, user_id=user_id)
    member = found.exclude(invited_at=None).first()
    if member is None:
        raise NotFound(_("This person is not invited."))
    return member


def _send(member: Membership, link: Link, by: Actor) -> None:
    signature = crypto.sign(_content(member), account_id=member.account_id, purpose=_PURPOSE)
    inviter = User.objects.filter(pk=by.id).first() if by.id else None
    url = link(member.pk, signature)
    mails.send_invitation(member, url, invited_by=inviter.name if inviter else "", days=DAYS)


def _content(member: Membership) -> bytes:
    assert member.invited_at is not None
    return f"{member.pk}:{member.user.password}:{member.invited_at.timestamp():.6f}".encode()
