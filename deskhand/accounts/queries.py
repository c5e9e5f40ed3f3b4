"""Who is in an account: frozen rows, one query each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, ApiToken, Membership, Role, Team, User
from deskhand.accounts.permissions import PRESETS, parse
from deskhand.accounts.types import Permissions
from deskhand.kernel.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Member:
    user_id: int
    name: str
    email: str
    hue: int
    role: str | None
    has_seat: bool
    is_active: bool
    is_super_admin: bool
    main_team_id: int | None
    extra_team_ids: tuple[int, ...]
    is_invited: bool = False  # and has not joined yet


@dataclass(frozen=True, slots=True)
class TeamRow:
    id: int
    name: str
    parent_id: int | None
    main_user_ids: tuple[int, ...]
    extra_user_ids: tuple[int, ...]
    #: Active main members with a seat; a team without any can't be chosen in rules (R-ROUTE-19).
    seated_user_ids: tuple[int, ...]


def members(account_id: int, *, active_only: bool = True) -> list[Member]:
    """All members by name."""
    return [_member(row) for row in _members(account_id, active_only)]


def seated_members(account_id: int) -> list[Member]:
    """Who may be given tickets or chosen in rules, by name (R-ROUTE-11)."""
    return [_member(row) for row in _members(account_id, True).filter(has_seat=True)]


def find_member(account_id: int, user_id: int) -> Member | None:
    row = _members(account_id, False).filter(user_id=user_id).first()
    return _member(row) if row else None


def teams(account_id: int) -> list[TeamRow]:
    """All teams by name, with their members' ids in order."""
    here = Q(members__user__memberships__account_id=account_id, members__user__memberships__is_active=True)
    seated = here & Q(members__is_main=True, members__user__memberships__has_seat=True)
    found = (
        Team.objects.filter(account_id=account_id)
        .annotate(
            mains=_ids("members__user_id", here & Q(members__is_main=True)),
            extras=_ids("members__user_id", here & Q(members__is_main=False)),
            seated=_ids("members__user_id", seated),
        )
        .order_by("name", "id")
    )
    return [
        TeamRow(team.pk, team.name, team.parent_id, tuple(team.mains), tuple(team.extras), tuple(team.seated))
        for team in found
    ]


class Standing(StrEnum):
    """Where somebody stands in an account."""

    ACTIVE = "active"
    INVITED = "invited"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True)
class Person:
    """A member as administrators see them."""

    member: Member
    role_id: int | None
    standing: Standing
    invited_at: datetime | None
    signed_in_at: datetime | None


_STANDING = {
    Standing.ACTIVE: Q(is_active=True, user__is_active=True),
    Standing.INVITED: Q(invited_at__isnull=False),
    Standing.DEACTIVATED: Q(invited_at=None) & (Q(is_active=False) | Q(user__is_active=False)),
}


def people(
    account_id: int,
    standing: Standing,
    *,
    search: str = "",
    role_id: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[Person]:
    """By name, those behind the user `after`; `search` looks into names and addresses. One query, two with `after`."""
    found = _members(account_id, False).filter(_STANDING[standing])
    if search:
        found = found.filter(Q(user__name__icontains=search) | Q(user__email__icontains=search))
    if role_id is not None:
        found = found.filter(role_id=role_id)
    key = User.objects.filter(pk=after).values_list("sort_key", flat=True).first() if after else None
    if key is not None:
        found = found.filter(Q(user__sort_key__gt=key) | Q(user__sort_key=key, user_id__gt=after))
    return [_person(row) for row in found.order_by("user__sort_key", "user_id")[:limit]]


def people_here(account_id: int, *, after: int, limit: int) -> list[Person]:
    """Who is in or invited, by number, those behind the user `after`. One query."""
    found = _members(account_id, False).filter(_STANDING[Standing.ACTIVE] | _STANDING[Standing.INVITED])
    return [_person(row) for row in found.filter(user_id__gt=after).order_by("user_id")[:limit]]


def person(account_id: int, user_id: int) -> Person:
    """Raises NotFound."""
    row = _members(account_id, False).filter(user_id=user_id).first()
    if row is None:
        raise NotFound(_("This user is not a member of the account."))
    return _person(row)


def how_many(account_id: int) -> dict[Standing, int]:
    """How many people stand where; one query."""
    counts = {one.value: Count("id", filter=condition) for one, condition in _STANDING.items()}
    found = Membership.objects.filter(account_id=account_id).aggregate(**counts)
    return {one: found[one.value] for one in Standing}


@dataclass(frozen=True, slots=True)
class RoleRow:
    """`people` counts everybody who has the role, also who is invited or deactivated."""

    id: int
    name: str
    key: str
    permissions: Permissions
    people: int


def roles(account_id: int) -> list[RoleRow]:
    """All roles: those made from presets in their order, then the account's own by name."""
    found = (
        Role.objects.filter(account_id=account_id).annotate(people=Count("membership")).order_by("name", "id")
    )
    order = list(PRESETS)
    rows = [RoleRow(one.pk, one.name, one.key, parse(one.permissions), one.people) for one in found]
    return sorted(rows, key=lambda row: order.index(row.key) if row.key in order else len(order))


@dataclass(frozen=True, slots=True)
class TokenRow:
    """`user_name` is nothing for a token of the account itself."""

    id: int
    name: str
    prefix: str
    user_name: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    per_ten_seconds: int | None
    per_day: int | None


def tokens(account_id: int, *, before: int | None = None, limit: int) -> list[TokenRow]:
    """Newest first, those made before the token of this id; one query."""
    found = ApiToken.objects.select_related("user").filter(account_id=account_id)
    if before is not None:
        found = found.filter(pk__lt=before)
    return [
        TokenRow(
            one.pk, one.name, one.prefix, one.user.name if one.user else "", tuple(one.scopes), one.created_at,
            one.last_used_at, one.expires_at, one.revoked_at, one.per_ten_seconds, one.per_day,
        )
        for one in found.order_by("-pk")[:limit]
    ]  # fmt: skip


def token_names(account_id: int, among: Collection[int] | None = None) -> dict[int, str]:
    """{id: name} of these tokens, or of the newest hundred, by name."""
    found = ApiToken.objects.filter(account_id=account_id)
    if among is not None:
        found = found.filter(pk__in=among)
    newest = found.order_by("-pk").values_list("pk", "name")[:100]
    return dict(sorted(newest, key=lambda one: (one[1].lower(), one[0])))


def calls_a_day(account_id: int, now: datetime) -> int | None:
    """How many calls all working tokens may make in a day; None where one of them may make as many as it likes."""
    found = ApiToken.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), account_id=account_id, revoked_at=None
    )
    limits = list(found.values_list("per_day", flat=True))
    return None if None in limits else sum(one or 0 for one in limits)


def names_of(user_ids: Iterable[int]) -> dict[int, str]:
    """{user id: name}; ids that are no longer known are left out."""
    return dict(User.objects.filter(pk__in=set(user_ids)).values_list("id", "name"))


def can_own(account_id: int, among: Collection[int] | None = None) -> set[int]:
    """Who can own records, of these or of all: active people with a seat (R-WFA-9)."""
    found = Membership.objects.filter(
        account_id=account_id, is_active=True, user__is_active=True, has_seat=True
    )
    if among is not None:
        found = found.filter(user_id__in=among)
    return set(found.values_list("user_id", flat=True))


def zone_of(account_id: int, user_id: int) -> str:
    """The user's own time zone, else the account's."""
    own = User.objects.filter(pk=user_id).values_list("zone", flat=True).first()
    return own or account_zone(account_id)


def account_zone(account_id: int) -> str:
    return Account.objects.values_list("zone", flat=True).get(pk=account_id)


def account_named(slug: str) -> Account:
    """Raises NotFound, saying which there are: for the command line only."""
    account = Account.objects.filter(slug=slug).first()
    if account is None:
        known = ", ".join(Account.objects.order_by("slug").values_list("slug", flat=True)[:10])
        sentence = _("There is no account %(slug)s; there are: %(known)s.")
        raise NotFound(sentence % {"slug": slug, "known": known or _("none")})
    return account


def only_account() -> Account:
    """The account of an installation that has one. Raises Invalid when there are more, NotFound without any."""
    found = list(Account.objects.order_by("pk")[:2])
    if len(found) > 1:
        raise Invalid(
            _("There are several accounts."), field="account", hint=_("Name one of them: --account SLUG.")
        )
    if not found:
        raise NotFound(_("There is no account yet."))
    return found[0]


def user_with_email(email: str) -> User:
    """Raises NotFound."""
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None:
        raise NotFound(_("There is no user %(email)s.") % {"email": email})
    return user


def _person(row: Any) -> Person:
    is_in = row.is_active and row.user.is_active
    standing = Standing.INVITED if row.invited_at else Standing.ACTIVE if is_in else Standing.DEACTIVATED
    return Person(_member(row), row.role_id, standing, row.invited_at, row.user.last_login)


def _members(account_id: int, active_only: bool) -> QuerySet[Membership]:
    of_account = Q(user__team_memberships__account_id=account_id)
    found = Membership.objects.filter(account_id=account_id)
    if active_only:
        found = found.filter(is_active=True, user__is_active=True)
    return (
        found.select_related("user", "role")
        .annotate(
            mains=_ids(
                "user__team_memberships__team_id", of_account & Q(user__team_memberships__is_main=True)
            ),
            extras=_ids(
                "user__team_memberships__team_id", of_account & Q(user__team_memberships__is_main=False)
            ),
        )
        .order_by(F("user__sort_key"), "id")
    )


def _ids(path: str, condition: Q) -> ArrayAgg:
    return ArrayAgg(path, filter=condition, distinct=True, order_by=path, default=[])


def _member(row: Any) -> Member:  # a Membership with its teams
    return Member(
        user_id=row.user_id,
        name=row.user.name,
        email=row.user.email,
        hue=row.hue,
        role=row.role.name if row.role else None,
        has_seat=row.has_seat,
        is_active=row.is_active and row.user.is_active,
        is_super_admin=row.is_super_admin,
        main_team_id=row.mains[0] if row.mains else None,
        extra_team_ids=tuple(row.extras),
        is_invited=row.invited_at is not None,
    )
