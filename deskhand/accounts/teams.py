"""Verbs on teams. A user has one main team and any number of extra ones (R-TEAM-1); teams may nest (R-TEAM-3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts.models import Membership, Team, TeamMember
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line


def create(account_id: int, name: str, *, parent_id: int | None = None, by: Actor) -> Team:
    """Raises Conflict for a name that is taken, NotFound for a parent of another account."""
    with account_scope(account_id):
        teams = _locked(account_id)
        if parent_id is not None:
            _known(teams, [parent_id])
        team = Team(account_id=account_id, name=_checked_name(name), parent_id=parent_id)
        _save(team)
        audit.record("team.created", by=by, target_type="team", target_id=team.pk, after=_facts(team))
    return team


def rename(account_id: int, team_id: int, name: str, *, by: Actor) -> None:
    with account_scope(account_id):
        _change(_known(_locked(account_id), [team_id])[0], by, name=_checked_name(name))


def move(account_id: int, team_id: int, *, parent_id: int | None, by: Actor) -> None:
    """Nest the team under another. Raises Invalid when it would stand below itself."""
    with account_scope(account_id):
        teams = _locked(account_id)
        team = _known(teams, [team_id])[0]
        if parent_id is not None:
            _known(teams, [parent_id])
        if team_id in _upwards(teams, parent_id):
            raise Invalid(_("A team can't be nested under itself."), field="parent_id", value=parent_id)
        _change(team, by, parent_id=parent_id)


def delete(account_id: int, team_id: int, *, by: Actor) -> None:
    """Delete the team; teams nested in it move up. Rules that name it find it gone and say so (R-TEAM-5)."""
    with account_scope(account_id):
        team = _known(_locked(account_id), [team_id])[0]
        before = {**_facts(team), "user_ids": sorted(team.members.values_list("user_id", flat=True))}
        Team.objects.filter(account_id=account_id, parent_id=team_id).update(parent_id=team.parent_id)
        team.delete()
        audit.record("team.deleted", by=by, target_type="team", target_id=team_id, before=before)


def set_teams_of(
    account_id: int, user_id: int, *, main_id: int | None, extra_ids: Collection[int] = (), by: Actor
) -> None:
    """Say all teams of a user at once. Safe to repeat.

    Raises Invalid for a team that is both, NotFound for one of another account or a user who is no member.
    """
    if main_id in extra_ids:
        raise Invalid(_("The main team can't be an extra team too."), field="extra_ids", value=main_id)
    wanted = dict.fromkeys(extra_ids, False) | ({main_id: True} if main_id is not None else {})
    with account_scope(account_id):
        _known(_locked(account_id), wanted)
        if not Membership.objects.filter(account_id=account_id, user_id=user_id).exists():
            raise NotFound(_("This user is not a member of the account."))
        of_user = TeamMember.objects.filter(account_id=account_id, user_id=user_id)
        present = dict(of_user.values_list("team_id", "is_main"))
        if present == wanted:
            return
        of_user.delete()
        TeamMember.objects.bulk_create(
            TeamMember(account_id=account_id, team_id=team_id, user_id=user_id, is_main=is_main)
            for team_id, is_main in wanted.items()
        )
        audit.record(
            "user.teams_changed",
            by=by,
            target_type="user",
            target_id=user_id,
            before=_split(present),
            after=_split(wanted),
        )


def add_member(account_id: int, team_id: int, user_id: int, *, is_main: bool, by: Actor) -> None:
    """Add somebody. A main member leaves their former main team; who is here in the other way changes it."""
    main, extra = _teams_of(account_id, user_id)
    if is_main:
        main, extra = team_id, extra - {team_id}
    else:
        main, extra = None if main == team_id else main, extra | {team_id}
    set_teams_of(account_id, user_id, main_id=main, extra_ids=extra, by=by)


def remove_member(account_id: int, team_id: int, user_id: int, *, by: Actor) -> None:
    """Safe to repeat."""
    main, extra = _teams_of(account_id, user_id)
    set_teams_of(
        account_id, user_id, main_id=None if main == team_id else main, extra_ids=extra - {team_id}, by=by
    )


def _teams_of(account_id: int, user_id: int) -> tuple[int | None, set[int]]:
    """Main and extra teams, behind the lock that every change of teams takes."""
    with account_scope(account_id):
        _locked(account_id)
        of_user = TeamMember.objects.filter(account_id=account_id, user_id=user_id)
        present = dict(of_user.values_list("team_id", "is_main"))
    main = next((team_id for team_id, is_main in present.items() if is_main), None)
    return main, {team_id for team_id, is_main in present.items() if not is_main}


def _split(teams: dict[int, bool]) -> dict[str, Any]:
    return {
        "main": next((team_id for team_id, is_main in teams.items() if is_main), None),
        "extra": sorted(team_id for team_id, is_main in teams.items() if not is_main),
    }


def _locked(account_id: int) -> dict[int, Team]:
    """All teams of the account, held: there are few, and only so no two moves can close a circle together."""
    found = Team.objects.select_for_update().filter(account_id=account_id).order_by("id")
    return {team.pk: team for team in found}


def _known(teams: dict[int, Team], wanted: Collection[int]) -> list[Team]:
    if not set(wanted) <= set(teams):
        raise NotFound(_("There is no such team."))
    return [teams[team_id] for team_id in wanted]


def _upwards(teams: dict[int, Team], team_id: int | None) -> list[int]:
    """The team and those it is nested in, from the inside out."""
    found = []
    while team_id is not None:
        found.append(team_id)
        team_id = teams[team_id].parent_id
    return found


def _change(team: Team, by: Actor, **values: Any) -> None:
    before = _facts(team)
    for name, value in values.items():
        setattr(team, name, value)
    if _facts(team) != before:
        _save(team)
        audit.record(
            "team.updated", by=by, target_type="team", target_id=team.pk, before=before, after=_facts(team)
        )


def _save(team: Team) -> None:
    try:
        with transaction.atomic():
            team.save(update_fields=None if team.pk is None else ["name", "parent_id"])
    except IntegrityError as taken:
        raise Conflict(_("There is a team %(name)s already.") % {"name": team.name}) from taken


def _checked_name(name: str) -> str:
    name = one_line(name)
    if not 0 < len(name) <= 100:
        raise Invalid(_("A name has 1 to 100 characters."), field="name", value=name)
    return name


def _facts(team: Team) -> dict[str, Any]:
    return {"name": team.name, "parent_id": team.parent_id}
