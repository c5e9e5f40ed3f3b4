"""Who stands behind a rule: its users and teams with all that the filters ask about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.accounts import permissions, policy
from deskhand.accounts.types import Viewer
from deskhand.kernel.database import sql
from deskhand.routing import availability
from deskhand.routing.types import Person, Roster, Status

# A team's members in the order of their names (R-ROUTE-33); a team without members is still a team.
_TEAMS = """
select t.id, tm.user_id, tm.is_main
from accounts_team t
left join accounts_teammember tm on tm.account_id = t.account_id and tm.team_id = t.id
left join accounts_user u on u.id = tm.user_id
where t.account_id = %s and t.id = any(%s)
order by t.id, u.sort_key, u.name, u.id
"""

_MEMBERS = """
select m.user_id, m.is_active and u.is_active, m.has_seat, m.is_super_admin, m.role_id, tm.team_id
from accounts_membership m
join accounts_user u on u.id = m.user_id
left join accounts_teammember tm on tm.account_id = m.account_id and tm.user_id = m.user_id and tm.is_main
where m.account_id = %s and m.user_id = any(%s)
"""

_ROLES = "select id, permissions from accounts_role where account_id = %s and id = any(%s)"


# Each team with those nested in it, from the outside in, by name.
_NESTED = """
with recursive below as (
    select id as root, id, array[name::text] as path from accounts_team where account_id = %(account)s and id = any(%(teams)s)
    union all
    select b.root, t.id, b.path || t.name::text from accounts_team t join below b on t.parent_id = b.id
    where t.account_id = %(account)s
)
select root, id from below order by root, path, id
"""


def nested(account_id: int, team_ids: Collection[int]) -> dict[int, list[int]]:
    """{team: itself and the teams nested in it} (R-TEAM-3). One query, none without teams."""
    found: dict[int, list[int]] = {team_id: [] for team_id in team_ids}
    if found:
        for root, team_id in sql.rows(_NESTED, {"account": account_id, "teams": sorted(found)}):
            found[root].append(team_id)
    return found


def with_nested(team_ids: Sequence[int], nested: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """The teams in their order, each followed by those nested in it."""
    return tuple(
        dict.fromkeys(below for team_id in team_ids for below in (team_id, *nested.get(team_id, ())))
    )


def read(account_id: int, user_ids: Collection[int], team_ids: Collection[int], now: datetime) -> Roster:
    """Read the users and teams, the teams' members included. A fixed number of queries."""
    teams: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    if team_ids:
        for team_id, user_id, is_main in sql.rows(_TEAMS, [account_id, sorted(team_ids)]):
            teams[team_id] += [(user_id, is_main)] if user_id else []
    everybody = {*user_ids, *(user_id for members in teams.values() for user_id, _ in members)}
    return Roster(
        _people(account_id, everybody, now), {team: tuple(members) for team, members in teams.items()}
    )


def _people(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, Person]:
    if not user_ids:
        return {}
    members = sql.rows(_MEMBERS, [account_id, sorted(user_ids)])
    with_access = _with_access(account_id, members)
    states = availability.states(account_id, user_ids, now)
    return {
        user_id: Person(
            user_id,
            is_active=is_active,
            has_seat=has_seat,
            has_access=user_id in with_access,
            is_available=states[user_id].status is Status.AVAILABLE,
            main_team_id=main_team_id,
        )
        for user_id, is_active, has_seat, _, _, main_team_id in members
    }


def _with_access(account_id: int, members: Sequence[tuple[Any, ...]]) -> set[int]:
    """Who may see tickets at all (R-ROUTE-11), worked out once per role."""
    roles = {role_id for *_, role_id, _ in members if role_id is not None}
    stored = dict(sql.rows(_ROLES, [account_id, sorted(roles)])) if roles else {}
    allowed = {None: permissions.parse(None)}
    allowed |= {role_id: permissions.parse(sql.loads(value)) for role_id, value in stored.items()}
    reaches: dict[tuple[int | None, bool, bool], bool] = {}
    found = set()
    for user_id, _, has_seat, is_super_admin, role_id, _ in members:
        kind = role_id, is_super_admin, has_seat
        if kind not in reaches:
            viewer = Viewer(
                account_id, user_id, is_super_admin, has_seat, allowed.get(role_id, allowed[None])
            )
            reaches[kind] = policy.reaches_any(viewer, "ticket")
        if reaches[kind]:
            found.add(user_id)
    return found
