"""What the pages about people show, ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deskhand.web.choices import Choice, ChoiceGroup, Tab
from deskhand.web.hours.rows import Presence
from deskhand.web.inbox.rows import Label
from deskhand.web.routing.skills_given import SkillsPart
from deskhand.web.shell import Person


@dataclass(frozen=True)
class UserLine:
    """Somebody in the list. Who is invited only has an address, and the ways to remind or to withdraw."""

    id: int
    email: str
    role: str
    teams: str
    has_seat: bool
    is_super_admin: bool
    at: datetime | None  # last signed in, or invited
    name: str = ""
    url: str = ""
    person: Person | None = None
    again_url: str = ""
    withdraw_url: str = ""


@dataclass(frozen=True)
class UsersPage:
    tabs: tuple[Tab, ...]
    standing: str
    lines: tuple[UserLine, ...]
    search: str = ""
    role: Choice | None = None  # the one that is asked for
    clear_url: str = ""
    more_url: str = ""
    capacity_url: str = ""  # for who may set limits


@dataclass(frozen=True)
class UserForm:
    """The fields that an invitation and a user's page share, as they were typed."""

    roles: tuple[Choice, ...]
    main_teams: tuple[Choice, ...]
    extra_teams: tuple[Choice, ...]
    has_seat: bool = True
    is_super_admin: bool = False
    may_make_super_admins: bool = False
    email: str = ""
    name: str = ""
    why_fixed: str = ""  # why name and address can't be changed here
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UserPage:
    """`form` None: somebody may look, and change nothing; `why_not` says why."""

    id: int
    person: Person
    email: str
    state: Label
    signed_in_at: datetime | None
    form: UserForm | None = None
    why_not: str = ""
    role: str = ""
    teams: str = ""
    has_seat: bool = False
    is_super_admin: bool = False
    is_active: bool = True
    is_me: bool = False
    presence: Presence | None = None  # of who has a seat
    skills: SkillsPart | None = None


@dataclass(frozen=True)
class Leave:
    """What becomes of things when a person or a team goes, a sentence each."""

    id: int
    name: str
    sentences: tuple[str, ...]
    notice: str = ""


# ── teams ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TeamLine:
    name: str
    url: str
    depth: int
    members: str
    extra: str
    is_selectable: bool  # somebody in it has a seat, so that rules may choose it


@dataclass(frozen=True)
class TeamForm:
    name: str
    parents: tuple[Choice, ...]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemberLine:
    id: int
    person: Person
    is_main: bool
    has_seat: bool
    is_active: bool
    is_invited: bool
    remove_url: str


@dataclass(frozen=True)
class TeamPage:
    id: int
    name: str
    form: TeamForm
    members: tuple[MemberLine, ...]
    others: tuple[Choice, ...]  # who could be added
    is_selectable: bool
    notice: str = ""
    skills: SkillsPart | None = None


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RoleLine:
    id: int
    name: str
    url: str
    is_preset: bool
    people: str
    summary: tuple[str, ...]  # what it allows beyond records


@dataclass(frozen=True)
class Cell:
    """How far one verb reaches on one kind of record."""

    name: str
    verb: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class TypeRow:
    key: str
    label: str
    cells: tuple[Cell, ...]
    unassigned: bool


@dataclass(frozen=True)
class CapabilityBox:
    value: str
    label: str
    sentence: str
    chosen: bool


@dataclass(frozen=True)
class RoleForm:
    name: str
    verbs: tuple[str, ...]
    types: tuple[TypeRow, ...]
    capabilities: tuple[CapabilityBox, ...]
    extra_teams: bool
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RolePage:
    id: int
    name: str
    form: RoleForm
    people: str
    people_url: str
    is_used: bool


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TokenLine:
    """A token; of its secret only the beginning. `state` None: it works."""

    id: int
    name: str
    prefix: str
    acts_as: str
    scopes: tuple[str, ...]
    scope_count: str
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    state: Label | None
    revoke_url: str


@dataclass(frozen=True)
class TokensPage:
    lines: tuple[TokenLine, ...]
    more_url: str = ""


@dataclass(frozen=True)
class TokenForm:
    name: str
    users: tuple[Choice, ...]
    days: tuple[Choice, ...]
    groups: tuple[ChoiceGroup, ...]
    errors: Mapping[str, str] = field(default_factory=dict)


# ── the audit log ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Changed:
    """One thing about it, as it was and as it became."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class AuditLine:
    number: int
    at: datetime
    sentence: str
    changes: tuple[Changed, ...]


@dataclass(frozen=True)
class AuditPage:
    """`whole` None: nobody asked whether the entries are as they were written."""

    lines: tuple[AuditLine, ...]
    people: tuple[Choice, ...]
    kinds: tuple[Choice, ...]
    since: str
    until: str
    is_filtered: bool
    csv_url: str
    check_url: str
    more_url: str = ""
    whole: bool | None = None
    said: str = ""


# ── the account ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class PlanCard:
    """A preset of features; `adds` are those that the one before it has not."""

    value: str
    label: str
    chosen: bool
    base: str  # the one before it
    adds: tuple[str, ...]


@dataclass(frozen=True)
class SwitchLine:
    """Something that no plan has by itself."""

    name: str
    label: str
    help: str
    is_on: bool


@dataclass(frozen=True)
class AccountPage:
    name: str
    zones: tuple[Choice, ...]
    locales: tuple[Choice, ...]
    plans: tuple[PlanCard, ...]
    switches: tuple[SwitchLine, ...]
    also_on: tuple[str, ...]  # features with a switch of their own, whatever the plan says
    also_off: tuple[str, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
