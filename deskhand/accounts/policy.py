"""May this person do this, and which records may they see? The one place that knows.

`can` answers for what is not a record. `visible` answers for records, once and in three forms that a property test
holds equal: a predicate, a piece of SQL and a Q. Nothing else in the product reads permissions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from django.db.models import Q
from django.utils.translation import gettext as _

from deskhand.accounts import permissions
from deskhand.accounts.permissions import Capability
from deskhand.accounts.types import Permissions, Reach, RecordPermissions, Verb, Viewer
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Forbidden, NotFound

# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

# The membership with its role's permissions and its teams; `below` are the teams nested under each team (R-TEAM-3).
_VIEWER = """
with recursive mine as (
    select team_id, is_main from accounts_teammember where account_id = %(account)s and user_id = %(user)s
), below as (
    select team_id, is_main from mine
    union
    select team.id, below.is_main from accounts_team team join below on team.parent_id = below.team_id
    where team.account_id = %(account)s
)
select m.is_super_admin, m.has_seat, role.permissions::text,
       (select team_id from mine where is_main),
       (select coalesce(array_agg(team_id), '{}') from mine where not is_main),
       (select coalesce(array_agg(team_id), '{}') from below where is_main),
       (select coalesce(array_agg(team_id), '{}') from below)
from accounts_membership m
join accounts_user u on u.id = m.user_id and u.is_active
left join accounts_role role on role.account_id = m.account_id and role.id = m.role_id
where m.account_id = %(account)s and m.user_id = %(user)s and m.is_active
"""


def viewer_for(account_id: int, user_id: int) -> Viewer:
    """Load a viewer with one query; permissions hold from the next call on (R-PERM-4).

    Raises NotFound when the user is no active member of the account.
    """
    with account_scope(account_id):
        found = sql.row(_VIEWER, {"account": account_id, "user": user_id})
    if found is None:
        raise NotFound(_("You are not a member of this account."))
    is_super_admin, has_seat, stored, main, extra, below_main, below_all = found
    allowed = permissions.parse(json.loads(stored) if stored else None)
    return Viewer(
        account_id,
        user_id,
        is_super_admin,
        has_seat,
        allowed,
        main,
        frozenset(extra),
        frozenset(below_all if allowed.extra_teams else below_main),
    )


# Everybody who works in the account, as `_VIEWER` reads one of them.
_VIEWERS = """
select m.user_id, m.is_super_admin, m.has_seat, role.permissions::text
from accounts_membership m
join accounts_user u on u.id = m.user_id and u.is_active
left join accounts_role role on role.account_id = m.account_id and role.id = m.role_id
where m.account_id = %(account)s and m.is_active and (%(only)s::bigint[] is null or m.user_id = any(%(only)s))
order by m.user_id
"""
_TEAMS = """
with recursive below as (
    select user_id, team_id as root, team_id, is_main from accounts_teammember
    where account_id = %(account)s and (%(only)s::bigint[] is null or user_id = any(%(only)s))
    union
    select below.user_id, below.root, team.id, below.is_main
    from accounts_team team join below on team.parent_id = below.team_id where team.account_id = %(account)s
)
select user_id, root, team_id, is_main from below
"""


def viewers_of(account_id: int, only: Collection[int] | None = None) -> list[Viewer]:
    """All who are active in an account, or those of `only` who are; with two queries."""
    params = {"account": account_id, "only": None if only is None else sorted(only)}
    with account_scope(account_id):
        members = sql.rows(_VIEWERS, params)
        teams = sql.rows(_TEAMS, params)
    of_user: dict[int, list[tuple[int, int, bool]]] = {}
    for user_id, root, team_id, is_main in teams:
        of_user.setdefault(user_id, []).append((root, team_id, is_main))
    found = []
    for user_id, is_super_admin, has_seat, stored in members:
        allowed = permissions.parse(json.loads(stored) if stored else None)
        mine = of_user.get(user_id, [])
        main = next((root for root, _team, is_main in mine if is_main), None)
        extra = frozenset(root for root, _team, is_main in mine if not is_main)
        reach = frozenset(team for _root, team, is_main in mine if is_main or allowed.extra_teams)
        found.append(Viewer(account_id, user_id, is_super_admin, has_seat, allowed, main, extra, reach))
    return found


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_NEAR_TO_FAR = [Reach.NONE, Reach.OWN, Reach.TEAM, Reach.ALL]


class Owned(Protocol):
    """A record, as far as it is somebody's."""

    owner_id: int | None
    assigned_team_ids: list[int]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which records of a type someone reaches (R-PERM-1, R-PERM-2).

    A record is a team's when the team is among its assigned teams. `include_unassigned` adds the records without an
    owner to a reach of team or own (T-PERM-1).
    """

    reach: Reach
    include_unassigned: bool
    user_id: int
    team_ids: frozenset[int]

    def allows(self, owner_id: int | None, team_ids: Collection[int] = ()) -> bool:
        if self.reach in (Reach.ALL, Reach.NONE):
            return self.reach is Reach.ALL
        return (
            owner_id == self.user_id
            or (self.include_unassigned and owner_id is None)
            or (self.reach is Reach.TEAM and not self.team_ids.isdisjoint(team_ids))
        )

    def reaches(self, record: Owned) -> bool:
        return self.allows(record.owner_id, record.assigned_team_ids)

    def sql(self, alias: str) -> tuple[str, list[Any]]:
        """Return a condition on the table called `alias` and its parameters."""
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", alias):
            raise ValueError(f"{alias!r} is not the name of a table.")
        if self.reach in (Reach.ALL, Reach.NONE):
            return ("true" if self.reach is Reach.ALL else "false"), []
        parts: list[str] = [f"{alias}.owner_id = %s"]
        params: list[Any] = [self.user_id]
        if self.include_unassigned:
            parts.append(f"{alias}.owner_id is null")
        if self.reach is Reach.TEAM:
            # PostgreSQL knows under row-level security how many records have a team as their first one, and has an
            # index for it, but neither for arrays. Few records have several.
            ids, teams = f"{alias}.assigned_team_ids", sorted(self.team_ids)
            parts.append(f"{ids}[1] = any(%s::bigint[]) or {ids}[2] is not null and {ids} && %s::bigint[]")
            params += [teams, teams]
        return f"({' or '.join(parts)})", params

    def q(self) -> Q:
        """The same as a filter for a queryset of records."""
        if self.reach in (Reach.ALL, Reach.NONE):
            return Q() if self.reach is Reach.ALL else Q(pk__in=[])
        wanted = Q(owner_id=self.user_id)
        if self.include_unassigned:
            wanted |= Q(owner_id=None)
        if self.reach is Reach.TEAM:
            wanted |= Q(assigned_team_ids__overlap=sorted(self.team_ids))
        return wanted


def visible(viewer: Viewer, object_type: str, verb: Verb = Verb.VIEW) -> Visibility:
    """Which records of `object_type` the viewer may see, edit, delete or write to customers from.

    What can't be seen can't be changed: every other verb reaches at most as far as viewing.
    """
    allowed = viewer.permissions.on(object_type)
    reach = Reach.ALL
    if not viewer.is_super_admin:
        reach = min((allowed.reach.get(one, Reach.NONE) for one in (Verb.VIEW, verb)), key=_NEAR_TO_FAR.index)
    return Visibility(reach, allowed.unassigned, viewer.user_id, viewer.reach_team_ids)


def reaches_any(viewer: Viewer, object_type: str, verb: Verb = Verb.VIEW) -> bool:
    """Whether there may be records of `object_type` that the viewer may do this with."""
    return visible(viewer, object_type, verb).reach is not Reach.NONE


# ── everything else ──────────────────────────────────────────────────────────────────────────────────────────────────


class Action(StrEnum):
    """What is not about one record. The values are the names that requests and tests use."""

    OPEN_HELP_DESK = "help_desk.open"
    REPLY = "help_desk.reply"
    TAKE_ASSIGNMENTS = "help_desk.take_assignments"
    SEE_ALL_VIEWS = "views.see_all"
    EDIT_CUSTOM_VIEWS = "views.edit_custom"
    EDIT_SEGMENTS = "segments.edit"
    SEE_SLAS = "slas.see"
    EDIT_TASK_QUEUES = "task_queues.edit"
    EDIT_SLAS = "slas.edit"
    EDIT_SKILLS = "skills.edit"
    EDIT_PIPELINES = "pipelines.edit"
    EDIT_PIPELINE_RULES = "pipeline_rules.edit"
    EDIT_PROPERTIES = "properties.edit"
    BYPASS_PIPELINE_RULES = "pipeline_rules.bypass"
    EDIT_LANES = "lanes.edit"
    EDIT_OBJECT_AUTOMATION = "object_automation.edit"
    VIEW_WORKFLOWS = "workflows.view"
    EDIT_WORKFLOWS = "workflows.edit"
    DELETE_WORKFLOWS = "workflows.delete"
    EDIT_CUSTOM_CODE = "custom_code.edit"
    CONNECT_CHANNELS = "channels.connect"
    EDIT_ROUTING = "routing.edit"
    EDIT_SPACES = "spaces.edit"
    CHANGE_AVAILABILITY_OF_OTHERS = "availability.change_of_others"
    EDIT_USERS = "users.edit"
    EDIT_TEAMS = "teams.edit"
    EDIT_SUPER_ADMINS = "users.edit_super_admins"
    EDIT_ROLES = "roles.edit"
    EDIT_TOKENS = "tokens.edit"
    EDIT_ACCOUNT = "account.edit"
    READ_AUDIT = "audit.read"
    EDIT_DEFAULT_NOTIFICATIONS = "notifications.edit_defaults"
    EDIT_CUSTOMER_AGENT = "customer_agent.edit"
    EDIT_PORTAL = "portal.edit"


Rule = Callable[[Viewer], bool]


def _with(*capabilities: Capability) -> Rule:
    """Any one of the capabilities."""
    return lambda viewer: not viewer.permissions.capabilities.isdisjoint(capabilities)


def _seated(rule: Rule) -> Rule:
    return lambda viewer: viewer.has_seat and rule(viewer)


def _super_admin(viewer: Viewer) -> bool:
    return viewer.is_super_admin


def _sees_tickets(viewer: Viewer) -> bool:
    return reaches_any(viewer, "ticket")


_ADMIN = Capability.ACCOUNT_ACCESS
_HELP_DESK = _with(_ADMIN, Capability.SERVICE_ACCESS, Capability.SALES_ACCESS)

#: Super admins may do all of it (R-PERM-6), but for what NEEDS_A_SEAT names.
RULES: Mapping[Action, Rule] = {
    Action.OPEN_HELP_DESK: _HELP_DESK,  # R-PERM-13
    Action.REPLY: _HELP_DESK,
    Action.TAKE_ASSIGNMENTS: _seated(_sees_tickets),  # R-SEAT-1, R-ROUTE-11
    Action.SEE_ALL_VIEWS: lambda viewer: _HELP_DESK(viewer) and (viewer.has_seat or _with(_ADMIN)(viewer)),
    Action.EDIT_CUSTOM_VIEWS: _seated(_HELP_DESK),  # R-VIEW-5
    Action.EDIT_SEGMENTS: _seated(
        _with(_ADMIN, Capability.SERVICE_ACCESS, Capability.SALES_ACCESS, Capability.WORKFLOW_EDIT)
    ),
    Action.EDIT_TASK_QUEUES: _seated(
        _HELP_DESK
    ),  # R-WFA-8; each to change for who made it and administrators
    Action.SEE_SLAS: _seated(_HELP_DESK),  # R-VIEW-7
    Action.EDIT_SLAS: _super_admin,
    Action.EDIT_SKILLS: _super_admin,
    Action.EDIT_PIPELINES: _with(Capability.PROPERTY_SETTINGS),  # R-PERM-9
    Action.EDIT_PIPELINE_RULES: _super_admin,
    Action.EDIT_PROPERTIES: _with(Capability.PROPERTY_SETTINGS),  # and what stands beside a record
    Action.BYPASS_PIPELINE_RULES: _with(Capability.PROPERTY_SETTINGS),  # R-RULE-4
    Action.EDIT_LANES: _with(_ADMIN),  # R-PERM-7
    Action.EDIT_OBJECT_AUTOMATION: _with(Capability.WORKFLOW_EDIT),  # R-PERM-8
    Action.VIEW_WORKFLOWS: _with(
        Capability.WORKFLOW_VIEW, Capability.WORKFLOW_EDIT, Capability.WORKFLOW_DELETE
    ),
    Action.EDIT_WORKFLOWS: _with(Capability.WORKFLOW_EDIT),
    Action.DELETE_WORKFLOWS: _with(Capability.WORKFLOW_DELETE),
    Action.EDIT_CUSTOM_CODE: _with(Capability.CUSTOM_CODE),
    Action.CONNECT_CHANNELS: _with(_ADMIN),
    Action.EDIT_ROUTING: _seated(_with(_ADMIN)),  # R-ROUTE-10
    Action.EDIT_SPACES: _seated(_with(_ADMIN)),  # R-SPACE-1, R-SEAT-1
    Action.CHANGE_AVAILABILITY_OF_OTHERS: _with(Capability.AVAILABILITY_MANAGEMENT),  # R-AVAIL-11
    Action.EDIT_USERS: _with(Capability.ADD_EDIT_USERS),  # R-PERM-11
    Action.EDIT_TEAMS: _with(Capability.ADD_EDIT_USERS),
    Action.EDIT_SUPER_ADMINS: _super_admin,
    Action.EDIT_ROLES: _super_admin,
    Action.EDIT_TOKENS: _super_admin,  # a token of the account passes every wall of its people
    Action.EDIT_ACCOUNT: _with(_ADMIN),
    Action.READ_AUDIT: _super_admin,
    Action.EDIT_DEFAULT_NOTIFICATIONS: _super_admin,
    Action.EDIT_CUSTOMER_AGENT: _seated(_with(Capability.CUSTOMER_AGENT_EDITOR)),  # R-AI-10
    Action.EDIT_PORTAL: _with(Capability.CUSTOMER_PORTAL_SETTINGS),
}

#: The rule holds for super admins too (R-SEAT-1).
NEEDS_A_SEAT = {Action.TAKE_ASSIGNMENTS, Action.EDIT_CUSTOM_VIEWS, Action.SEE_SLAS}


def can(viewer: Viewer, action: Action | str) -> bool:
    """Raises ValueError for an action that does not exist."""
    action = Action(action)
    if viewer.is_super_admin:
        return viewer.has_seat or action not in NEEDS_A_SEAT
    return RULES[action](viewer)


def require(viewer: Viewer, action: Action | str) -> None:
    """Raise Forbidden unless the viewer may."""
    if not can(viewer, action):
        raise Forbidden(_("You don't have permission to do this."))


# ── giving it to others ──────────────────────────────────────────────────────────────────────────────────────────────


def may_give(viewer: Viewer, given: Permissions) -> bool:
    """Whether the viewer may give somebody a role that allows this: nobody gives away more than they have."""
    if viewer.is_super_admin:
        return True
    own = viewer.permissions
    types = {*own.records, *given.records, permissions.ANY_TYPE}
    return (
        given.capabilities <= own.capabilities
        and (own.extra_teams or not given.extra_teams)
        and all(_reaches_as_far(own.on(one), given.on(one)) for one in types)
    )


def _reaches_as_far(own: RecordPermissions, given: RecordPermissions) -> bool:
    for verb in Verb:
        mine, theirs = (one.reach.get(verb, Reach.NONE) for one in (own, given))
        if _NEAR_TO_FAR.index(theirs) > _NEAR_TO_FAR.index(mine):
            return False
        if given.unassigned and not own.unassigned and theirs is not Reach.NONE and mine is not Reach.ALL:
            return False
    return True
