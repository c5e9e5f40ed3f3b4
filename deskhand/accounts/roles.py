"""Verbs on roles: named sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit, permissions
from deskhand.accounts.models import Account, Role
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line

NAMES = {
    "admin": gettext_noop("Admin"),
    "workflow_editor": gettext_noop("Workflow editor"),
    "agent": gettext_noop("Agent"),
    "light_agent": gettext_noop("Light agent"),
}


def create_presets(account: Account) -> list[Role]:
    """Give a new account the roles of R-PERM-14, named in its language. They can be changed like any other."""
    with account_scope(account.pk), translation.override(account.locale):
        return Role.objects.bulk_create(
            Role(account=account, key=key, name=_(NAMES[key]), permissions=permissions.PRESETS[key])
            for key in permissions.PRESETS
        )


def preset(account_id: int, key: str) -> Role | None:
    """The account's role made from a preset; None when it was deleted."""
    return Role.objects.filter(account_id=account_id, key=key).first()


def create(account_id: int, name: str, given: Mapping[str, Any], *, by: Actor) -> Role:
    """Raises Invalid for an unknown permission, Conflict for a name that is taken."""
    permissions.check(given)
    with account_scope(account_id):
        role = Role(account_id=account_id, name=_checked_name(name), permissions=dict(given))
        _save(role)
        audit.record("role.created", by=by, target_type="role", target_id=role.pk, after=_facts(role))
    return role


def copy(account_id: int, role_id: int, *, by: Actor) -> Role:
    """A role of the account's own that allows the same. Raises NotFound."""
    with account_scope(account_id):
        role = Role.objects.filter(account_id=account_id, pk=role_id).first()
        if role is None:
            raise NotFound(_("There is no such role."))
        taken = set(Role.objects.filter(account_id=account_id).values_list("name", flat=True))
        base = (_("Copy of %(name)s") % {"name": role.name})[:90]
        names = (base if n == 1 else f"{base} ({n})" for n in range(1, len(taken) + 2))
        return create(account_id, next(name for name in names if name not in taken), role.permissions, by=by)


def update(
    account_id: int,
    role_id: int,
    *,
    by: Actor,
    name: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> Role:
    """Rename a role or change its permissions; they hold at once for everybody who has it (R-PERM-4)."""
    if given is not None:
        permissions.check(given)
    with account_scope(account_id):
        role = Role.objects.select_for_update().filter(account_id=account_id, pk=role_id).first()
        if role is None:
            raise NotFound(_("There is no such role."))
        before = _facts(role)
        role.name = role.name if name is None else _checked_name(name)
        role.permissions = role.permissions if given is None else dict(given)
        if _facts(role) != before:
            _save(role)
            audit.record(
                "role.updated",
                by=by,
                target_type="role",
                target_id=role_id,
                before=before,
                after=_facts(role),
            )
    return role


def delete(account_id: int, role_id: int, *, by: Actor) -> None:
    """Raises Conflict while somebody has the role."""
    with account_scope(account_id):
        role = Role.objects.select_for_update().filter(account_id=account_id, pk=role_id).first()
        if role is None:
            raise NotFound(_("There is no such role."))
        before = _facts(role)
        try:
            role.delete()
        except ProtectedError as used:
            raise Conflict(_("Somebody has this role; give them another one first.")) from used
        audit.record("role.deleted", by=by, target_type="role", target_id=role_id, before=before)


def _save(role: Role) -> None:
    try:
        with transaction.atomic():
            role.save(update_fields=None if role.pk is None else ["name", "permissions"])
    except IntegrityError as taken:
        raise Conflict(_("There is a role %(name)s already.") % {"name": role.name}) from taken


def _checked_name(name: str) -> str:
    name = one_line(name)
    if not 0 < len(name) <= 100:
        raise Invalid(_("A name has 1 to 100 characters."), field="name", value=name)
    return name


def _facts(role: Role) -> dict[str, Any]:
    return {"name": role.name, "permissions": role.permissions}
