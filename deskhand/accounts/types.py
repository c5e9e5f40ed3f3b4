"""What crosses the border of the area: who looks, how far they may reach, and which states a membership has."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Reach(StrEnum):
    """How far a permission on records goes (R-PERM-1)."""

    ALL = "all"
    TEAM = "team"  # one's own and one's teams'
    OWN = "own"
    NONE = "none"


class Verb(StrEnum):
    """What may be done with a record of a type (R-PERM-1)."""

    VIEW = "view"
    EDIT = "edit"
    DELETE = "delete"
    COMMUNICATE = "communicate"


@dataclass(frozen=True, slots=True)
class RecordPermissions:
    """What a role allows with the records of one type."""

    reach: dict[Verb, Reach] = field(default_factory=dict)
    #: Records without an owner are reached too, when the reach is team or own.
    unassigned: bool = False


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a role allows. What is not named is not allowed (R-PERM-5)."""

    #: By object type; "*" stands for every type not named.
    records: dict[str, RecordPermissions] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset()
    #: The team reach counts extra teams as well as the main one (R-TEAM-4).
    extra_teams: bool = False

    def on(self, object_type: str) -> RecordPermissions:
        return self.records.get(object_type) or self.records.get("*") or RecordPermissions()


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user in one account, with all that decides what they may see and do. Load it with policy.viewer_for."""

    account_id: int
    user_id: int
    is_super_admin: bool
    has_seat: bool
    permissions: Permissions
    main_team_id: int | None = None
    extra_team_ids: frozenset[int] = frozenset()
    #: Main team and teams nested below it; with the extra ones where the role says so (R-TEAM-3, R-TEAM-4).
    reach_team_ids: frozenset[int] = frozenset()

    @property
    def team_ids(self) -> frozenset[int]:
        """All teams the user is a member of, main or extra."""
        return self.extra_team_ids | ({self.main_team_id} if self.main_team_id else frozenset())
