"""Bodies of the operations on people, and what they give (api.md §2.4, §3.4)."""

from __future__ import annotations

from typing import Literal

from deskhand.api.objects.shapes import Paging
from deskhand.api.shapes import Shape


class TeamOfOwner(Shape):
    id: str
    name: str
    primary: bool


class Owner(Shape):
    """`user_id` is left out of who works here no more."""

    id: str
    email: str
    type: Literal["PERSON"]
    first_name: str
    last_name: str
    user_id: int | None = None
    user_id_including_inactive: int
    created_at: str
    updated_at: str
    archived: bool
    teams: list[TeamOfOwner] | None = None


class OwnerPage(Shape):
    results: list[Owner]
    paging: Paging | None = None


class NewUser(Shape):
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role_id: str | None = None
    primary_team_id: str | None = None
    secondary_team_ids: list[str] | None = None
    send_welcome_email: bool | None = None


class UserChanges(Shape):
    role_id: str | None = None
    primary_team_id: str | None = None
    secondary_team_ids: list[str] | None = None


class UserShown(Shape):
    """Who has not accepted the invitation yet has no name here."""

    id: str
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role_id: str | None = None
    role_ids: list[str]
    primary_team_id: str | None = None
    secondary_team_ids: list[str]
    super_admin: bool


class UserPage(Shape):
    results: list[UserShown]
    paging: Paging | None = None


class RoleShown(Shape):
    id: str
    name: str
    requires_billing_write: bool


class RoleList(Shape):
    results: list[RoleShown]


class TeamShown(Shape):
    id: str
    name: str
    user_ids: list[str]
    secondary_user_ids: list[str]


class TeamList(Shape):
    results: list[TeamShown]
