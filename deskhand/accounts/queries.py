"""Who is in an account: frozen rows, one query each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, Membership, Team, User
from deskhand.kernel.errors import NotFound


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


def names_of(user_ids: Iterable[int]) -> dict[int, str]:
    """{user id: name}; ids that are no longer known are left out."""
    return dict(User.objects.filter(pk__in=set(user_ids)).values_list("id", "name"))


def zone_of(account_id: int, user_id: int) -> str:
    """The user's own time zone, else the account's."""
    own = User.objects.filter(pk=user_id).values_list("zone", flat=True).first()
    return own or Account.objects.values_list("zone", flat=True).get(pk=account_id)


def account_named(slug: str) -> Account:
    """Raises NotFound, saying which there are: for the command line only."""
    account = Account.objects.filter(slug=slug).first()
    if account is None:
        known = ", ".join(Account.objects.order_by("slug").values_list("slug", flat=True)[:10])
        sentence = _("There is no account %(slug)s; there are: %(known)s.")
        raise NotFound(sentence % {"slug": slug, "known": known or _("none")})
    return account


def user_with_email(email: str) -> User:
    """Raises NotFound."""
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None:
        raise NotFound(_("There is no user %(email)s.") % {"email": email})
    return user


def accounts_of(user_id: int) -> list[Account]:
    """The accounts the user can work in, by name."""
    mine = Q(membership__user_id=user_id, membership__is_active=True)
    return list(Account.objects.filter(mine).order_by("name", "id"))


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
    )
