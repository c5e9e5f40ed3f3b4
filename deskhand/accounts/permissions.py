"""The names of all permissions, and the shape in which a role keeps them. Pure.

`{"records": {"ticket": {"view": "team", "edit": "own", "unassigned": true}, "*": {"view": "all"}},
"capabilities": ["account_access"], "extra_teams": true}`; `"*"` stands for every object type not named. What is not
named is not allowed, so a permission that is new in the product starts off (R-PERM-5).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.types import Permissions, Reach, RecordPermissions, Verb
from deskhand.kernel.errors import Invalid

ANY_TYPE = "*"


class Capability(StrEnum):
    """What a role may allow beyond records."""

    ACCOUNT_ACCESS = "account_access"  # channels, ticket lanes, spaces: R-PERM-7
    PROPERTY_SETTINGS = "property_settings"  # pipelines and statuses: R-PERM-9
    WORKFLOW_VIEW = "workflow_view"  # R-PERM-8
    WORKFLOW_EDIT = "workflow_edit"
    WORKFLOW_DELETE = "workflow_delete"
    CUSTOM_CODE = "custom_code"  # R-WFA-12
    AVAILABILITY_MANAGEMENT = "availability_management"  # R-PERM-10
    ADD_EDIT_USERS = "add_edit_users"  # R-PERM-11
    CUSTOMER_AGENT_EDITOR = "customer_agent_editor"  # R-PERM-12
    CUSTOMER_PORTAL_SETTINGS = "customer_portal_settings"
    SERVICE_ACCESS = "service_access"  # view, edit, reply in the help desk: R-PERM-13
    SALES_ACCESS = "sales_access"


#: Stored with every account; each is Permissions as JSON. The capability table is R-PERM-14.
PRESETS: dict[str, dict[str, Any]] = {
    "admin": {
        "records": {ANY_TYPE: {"view": "all", "edit": "all", "delete": "all", "communicate": "all"}},
        "capabilities": [
            Capability.ACCOUNT_ACCESS,
            Capability.ADD_EDIT_USERS,
            Capability.AVAILABILITY_MANAGEMENT,
            Capability.SERVICE_ACCESS,
            Capability.WORKFLOW_VIEW,
        ],
    },
    "workflow_editor": {
        "records": {ANY_TYPE: {"view": "all"}},
        "capabilities": [Capability.WORKFLOW_VIEW, Capability.WORKFLOW_EDIT, Capability.WORKFLOW_DELETE],
    },
    "agent": {
        "records": {ANY_TYPE: {"view": "all", "edit": "all", "communicate": "all"}},
        "capabilities": [Capability.SERVICE_ACCESS],
    },
    "light_agent": {
        "records": {ANY_TYPE: {"view": "all", "edit": "all", "communicate": "all"}},
        "capabilities": [Capability.SERVICE_ACCESS],
    },
}


def parse(stored: Mapping[str, Any] | None) -> Permissions:
    """Read what a role keeps. Names that are no longer known are passed over."""
    stored = stored or {}
    return Permissions(
        records={object_type: _on_records(given) for object_type, given in stored.get("records", {}).items()},
        capabilities=frozenset(stored.get("capabilities", ())) & frozenset(Capability),
        extra_teams=stored.get("extra_teams") is True,
    )


def _on_records(given: Mapping[str, Any]) -> RecordPermissions:
    reach = {verb: Reach(given[verb]) for verb in Verb if given.get(verb) in set(Reach)}
    return RecordPermissions(reach, given.get("unassigned") is True)


def check(given: Mapping[str, Any]) -> None:
    """Raise Invalid, naming the culprit, for anything that `parse` would pass over or stumble on."""
    _only_known("permissions", given, {"records", "capabilities", "extra_teams"})
    _only_known("capabilities", given.get("capabilities", ()), set(Capability))
    for object_type, verbs in given.get("records", {}).items():
        _only_known(object_type, verbs, {*Verb, "unassigned"})
        for verb, value in verbs.items():
            if not (isinstance(value, bool) if verb == "unassigned" else value in set(Reach)):
                raise Invalid(
                    _("%(permission)s can't be %(value)r.")
                    % {"permission": f"{object_type}.{verb}", "value": value},
                    field=f"{object_type}.{verb}",
                    value=value,
                    hint="true, false" if verb == "unassigned" else ", ".join(Reach),
                )


def _only_known(field: str, names: Any, known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise Invalid(
                _("%(name)r is not a permission.") % {"name": name},
                field=field,
                value=name,
                hint=", ".join(sorted(known)),
            )
