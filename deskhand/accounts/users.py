"""Verbs on users and on their memberships."""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from deskhand.accounts import audit, mails, roles, sessions
from deskhand.accounts.accounts import is_zone
from deskhand.accounts.models import Membership, Role, User
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, visible

_NOT_IN_USERNAMES = re.compile(r"[^a-z0-9._-]+")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}")
_GOLDEN_ANGLE = 137  # degrees; people who joined one after the other get colors far apart


def sort_key(name: str) -> str:
    """How names are ordered, the same on every server: letters without case and marks, then the name itself."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(one for one in letters if not unicodedata.combining(one)) + " " + name


def generated_password() -> str:
    return secrets.token_urlsafe(12)  # 96 bits


def canonical_email(email: str) -> str:
    """Return the address as it is stored and compared. Raises Invalid when it is none."""
    email = unicodedata.normalize("NFC", email).strip().lower()
    if not email:
        raise Invalid(_("Give an address."), field="email")
    try:
        validate_email(email)
    except ValidationError as wrong:
        raise Invalid(
            _("%(email)s is not an e-mail address.") % {"email": email}, field="email", value=email
        ) from wrong
    return email


def find_by_email(email: str) -> User | None:
    return User.objects.filter(email=canonical_email(email)).first()


def create(
    *,
    email: str,
    name: str,
    password: str | None = None,
    username: str = "",
    locale: str = "",
    zone: str = "",
) -> User:
    """Create a person who can sign in, member of no account yet; without a password only by other ways.

    The user name is made from the address when none is given. Raises Invalid for a value that can't be taken and
    Conflict when the address or the user name is.
    """
    email = canonical_email(email)
    name = checked_name(name)
    if username and not _USERNAME.fullmatch(username):
        raise Invalid(
            _("A user name has lower-case letters, digits, dots, hyphens and underscores."),
            field="username",
            value=username,
        )
    user = User(
        username=username or _free_username(email),
        email=email,
        name=name,
        sort_key=sort_key(name),
        locale=locale,
        zone=zone,
    )
    if password is None:
        user.set_unusable_password()
    else:
        _check_password(password, user)
        user.set_password(password)
    _save(user, force_insert=True)
    return user


AFTER_CLOSE = ("next", "stay", "list")


def set_profile(
    user_id: int, *, name: str, locale: str, zone: str, has_shortcuts: bool, after_close: str
) -> None:
    """What people set for themselves, in all accounts; an empty language or zone is the account's. Raises Invalid."""
    name = checked_name(name)
    if locale and locale not in dict(settings.LANGUAGES):
        raise Invalid(_("Choose one of the languages."), field="locale", value=locale)
    if zone and not is_zone(zone):
        raise Invalid(
            _("%(zone)s is not a time zone. Choose one such as Europe/Oslo.") % {"zone": zone[:64]},
            field="zone",
            value=zone,
        )
    if after_close not in AFTER_CLOSE:
        raise Invalid(_("Choose what follows closing a ticket."), field="after_close", value=after_close)
    User.objects.filter(pk=user_id).update(
        name=name,
        sort_key=sort_key(name),
        locale=locale,
        zone=zone,
        has_shortcuts=has_shortcuts,
        after_close=after_close,
    )


def set_password(user: User, password: str) -> None:
    """Set a password; every session of the user ends, the one that asks as well unless it is renewed by the caller.

    Raises Invalid when the password is too weak.
    """
    _check_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])


# ── in an account ────────────────────────────────────────────────────────────────────────────────────────────────────


def add_to_account(
    account_id: int,
    user_id: int,
    *,
    has_seat: bool = True,
    is_super_admin: bool = False,
    role_id: int | None = None,
    by: Actor = SYSTEM,
) -> Membership:
    """Make the user a member; without a role, an agent with a seat and a light agent without.

    Raises Conflict when the user is a member already.
    """
    with account_scope(account_id):
        member = new_member(
            account_id, user_id, has_seat=has_seat, is_super_admin=is_super_admin, role_id=role_id
        )
        _audit("user.added", member, by, {}, _facts(member))
    return member


def new_member(
    account_id: int,
    user_id: int,
    *,
    has_seat: bool,
    is_super_admin: bool,
    role_id: int | None,
    invited_at: datetime | None = None,
) -> Membership:
    """Store a membership, for verbs of this area; who is invited is not in yet. Needs the account's scope."""
    role = _role(account_id, role_id) if role_id else None
    role = role or roles.preset(account_id, "agent" if has_seat else "light_agent")
    member = Membership(
        account_id=account_id,
        user_id=user_id,
        is_super_admin=is_super_admin,
        has_seat=has_seat,
        role=role,
        hue=user_id * _GOLDEN_ANGLE % 360,
        is_active=invited_at is None,
        invited_at=invited_at,
    )
    try:
        with transaction.atomic():
            member.save(force_insert=True)
    except IntegrityError as taken:
        raise Conflict(_("This user is a member of the account already.")) from taken
    return member


def set_seat(account_id: int, user_id: int, *, has_seat: bool, by: Actor) -> None:
    """Give or take the seat. Tickets stay with their owner; only new assignments cease (R-SEAT-2)."""
    _change(account_id, user_id, "user.seat_changed", by, has_seat=has_seat)


def set_role(account_id: int, user_id: int, *, role_id: int | None, by: Actor) -> None:
    """Raises NotFound for a role of another account."""
    _change(account_id, user_id, "user.role_changed", by, role_id=role_id)


def set_super_admin(account_id: int, user_id: int, *, is_super_admin: bool, by: Actor) -> None:
    """Raises Conflict rather than leave the account without an active super admin."""
    _change(account_id, user_id, "user.super_admin_changed", by, is_super_admin=is_super_admin)


def deactivate(account_id: int, user_id: int, *, by: Actor) -> None:
    """Shut the user out of the account and end their sessions; records and teams stay as they are.

    Raises Conflict rather than leave the account without an active super admin.
    """
    with account_scope(account_id):
        _change(account_id, user_id, "user.deactivated", by, is_active=False)
        sessions.end_all(user_id)


def is_only_here(account_id: int, user_id: int) -> bool:
    """Whether this account alone may say what somebody is called; others know them by their name and address too."""
    return not Membership.objects.filter(user_id=user_id).exclude(account_id=account_id).exists()


def identify(account_id: int, user_id: int, *, name: str, email: str, by: Actor) -> None:
    """Change somebody's name and address. They are told of a new address at the former one, which opens nothing more.

    Raises Invalid for what can't be taken, Conflict for an address that is taken and for who is known to other accounts.
    """
    name, email = checked_name(name), canonical_email(email)
    with account_scope(account_id):
        member = Membership.objects.select_related("account", "user").get(
            account_id=account_id, user_id=user_id
        )
        user, before = member.user, {"name": member.user.name, "email": member.user.email}
        after = {"name": name, "email": email}
        if after == before:
            return
        if not is_only_here(account_id, user_id):
            raise Conflict(
                _("This person belongs to other help desks too and changes name and address there.")
            )
        user.name, user.sort_key, user.email = name, sort_key(name), email
        _save(user, update_fields=["name", "sort_key", "email"])
        _audit("user.updated", member, by, before, after)
        if email != before["email"]:
            EmailAddress.objects.filter(user_id=user_id).delete()  # what single sign-on vouched for
            who = User.objects.filter(pk=by.id).first() if by.id else None
            mails.send_address_changed(member, before["email"], changed_by=who.name if who else "")


def end_sessions(account_id: int, user_id: int, *, by: Actor) -> None:
    """Sign the user out everywhere. Safe to repeat. Raises NotFound for who is no member."""
    with account_scope(account_id):
        if not Membership.objects.filter(account_id=account_id, user_id=user_id).exists():
            raise NotFound(_("This user is not a member of the account."))
        sessions.end_all(user_id)
        audit.record("user.sessions_ended", by=by, target_type="user", target_id=user_id)


def reactivate(account_id: int, user_id: int, *, by: Actor) -> None:
    """Raises Conflict for who has not joined yet."""
    _change(account_id, user_id, "user.reactivated", by, is_active=True)


def _change(account_id: int, user_id: int, action: str, by: Actor, **values: Any) -> None:
    with account_scope(account_id):
        held = _held(account_id, user_id)
        member = next((one for one in held if one.user_id == user_id), None)
        if member is None:
            raise NotFound(_("This user is not a member of the account."))
        if values.get("role_id"):
            _role(account_id, values["role_id"])
        before = _facts(member)
        for name, value in values.items():
            setattr(member, name, value)
        if _facts(member) == before:
            return
        if member.invited_at is not None:
            raise Conflict(_("This person has not accepted the invitation yet."))
        if not any(one.is_super_admin and one.is_active and one.user.is_active for one in held):
            raise Conflict(_("The account needs an active super admin; make somebody else one first."))
        member.save(update_fields=list(values))
        _audit(action, member, by, before, _facts(member))


def _held(account_id: int, user_id: int) -> list[Membership]:
    """The member and all active super admins, locked together so that two who leave can't each count on the other."""
    wanted = Q(user_id=user_id) | Q(is_super_admin=True, is_active=True)
    members = Membership.objects.select_related("user").filter(wanted, account_id=account_id)
    return list(members.order_by("id").select_for_update(of=("self",)))


def _role(account_id: int, role_id: int) -> Role:
    role = Role.objects.filter(account_id=account_id, pk=role_id).first()
    if role is None:
        raise NotFound(_("There is no such role."))
    return role


def _facts(member: Membership) -> dict[str, Any]:
    return {
        "role_id": member.role_id,
        "has_seat": member.has_seat,
        "is_super_admin": member.is_super_admin,
        "is_active": member.is_active,
    }


def _audit(action: str, member: Membership, by: Actor, before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = {name for name in after if before.get(name) != after[name]}
    audit.record(
        action,
        by=by,
        target_type="user",
        target_id=member.user_id,
        before={name: before[name] for name in sorted(changed) if name in before},
        after={name: after[name] for name in sorted(changed)},
    )


def checked_name(name: str) -> str:
    """Raises Invalid."""
    name = visible(one_line(name))
    if not 0 < len(name) <= 200:
        raise Invalid(_("A name has 1 to 200 characters."), field="name", value=name)
    return name


def _save(user: User, **how: Any) -> None:
    try:
        with transaction.atomic():
            user.save(**how)
    except IntegrityError as taken:
        raise Conflict(_("There is a user with this e-mail address or user name already.")) from taken


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise Invalid(" ".join(weak.messages), field="password") from weak


def _free_username(email: str) -> str:
    base = _NOT_IN_USERNAMES.sub("-", email.partition("@")[0]).strip("._-")[:140] or "user"
    taken = set(User.objects.filter(username__startswith=base).values_list("username", flat=True))
    number = next(n for n in range(1, len(taken) + 2) if (f"{base}-{n}" if n > 1 else base) not in taken)
    return f"{base}-{number}" if number > 1 else base
