"""Owners: who works in the account, as records name them (api.md §2.4). An owner's id is their user's id, as `hubspot_owner_id` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet

from deskhand.accounts.models import AuditEntry, Membership, TeamMember
from deskhand.api import pages, refusals
from deskhand.api.operations import Call, operation
from deskhand.api.people.shapes import Owner, OwnerPage
from deskhand.api.shapes import moment, without_nothing
from deskhand.kernel.text import one_line, whole

MOST = 500
SCOPES = {"crm.objects.owners.read"}
Teams = Mapping[int, Sequence[Mapping[str, Any]]]


@operation(
    "GET",
    "/crm/owners",
    needs=lambda _parts: SCOPES,
    gives={200: OwnerPage},
    asks=("email", "after", "limit", "archived"),
)
def listed(call: Call) -> Any:
    """Who may own records, by their number; `archived` lists those who work here no more."""
    limit, after = pages.limit(call, default=100, most=MOST), pages.after(call)
    found = _members(call.viewer.account_id, archived=pages.flag(call, "archived")).filter(user_id__gt=after)
    if email := call.query.get("email"):
        found = found.filter(user__email=one_line(email).lower())
    some = list(found.order_by("user_id")[: limit + 1])
    last = some[limit - 1].user_id if len(some) > limit else None
    return without_nothing(
        results=_shown(call.viewer.account_id, some[:limit]), paging=pages.following(call, last)
    )


@operation(
    "GET",
    "/crm/owners/{ownerId}",
    needs=lambda _parts: SCOPES,
    gives={200: Owner},
    asks=("idProperty", "archived"),
)
def read(call: Call) -> Any:
    """One owner, by the number that records name, which is also their user's."""
    by = call.query.get("idProperty", "id")
    if by.lower() not in ("id", "userid"):
        raise refusals.bad(
            f"idProperty is {by[:80]!r}; it must be id or userId.", context={"parameter": ["idProperty"]}
        )
    user_id, archived = whole(call.parts["ownerId"]), pages.flag(call, "archived")
    account_id = call.viewer.account_id
    found = [] if user_id is None else list(_members(account_id, archived=archived).filter(user_id=user_id))
    if not found:
        raise refusals.missing("There is no such owner.", context={"ownerId": [call.parts["ownerId"][:80]]})
    return _shown(account_id, found)[0]


def _members(account_id: int, *, archived: bool) -> QuerySet[Membership]:
    """Who has joined; what is not theirs yet, such as the name of who is invited, is not told."""
    found = Membership.objects.select_related("user").filter(account_id=account_id, invited_at=None)
    in_it = {"is_active": True, "user__is_active": True}
    return found.exclude(**in_it) if archived else found.filter(**in_it)


def _shown(account_id: int, members: Sequence[Membership]) -> list[dict[str, Any]]:
    """With their teams and when something about them changed: two queries for all."""
    ids = [member.user_id for member in members]
    teams: dict[int, list[Mapping[str, Any]]] = {}
    of_them = TeamMember.objects.select_related("team").filter(account_id=account_id, user_id__in=ids)
    for one in of_them.order_by("-is_main", "team__name", "team_id"):
        told = {"id": str(one.team_id), "name": one.team.name, "primary": one.is_main}
        teams.setdefault(one.user_id, []).append(told)
    entries = AuditEntry.objects.filter(account_id=account_id, target_type="user", target_id__in=ids)
    changed = dict(entries.values_list("target_id").annotate(Max("at")))
    return [_one(member, teams, changed.get(member.user_id, member.created_at)) for member in members]


def _one(member: Membership, teams: Teams, changed_at: datetime) -> dict[str, Any]:
    is_in = member.is_active and member.user.is_active
    first, last = names(member.user.name)
    return without_nothing(
        id=str(member.user_id),
        email=member.user.email,
        type="PERSON",
        firstName=first,
        lastName=last,
        userId=member.user_id if is_in else None,
        userIdIncludingInactive=member.user_id,
        createdAt=moment(member.created_at),
        updatedAt=moment(max(changed_at, member.created_at)),
        archived=not is_in,
        teams=teams.get(member.user_id),
    )


def names(name: str) -> tuple[str, str]:
    """First and last name, of one that we keep whole."""
    first, _, last = name.strip().partition(" ")
    return first, last.strip()
