"""Roles: what people may do, as a table of records and a list of capabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import permissions, policy, queries, roles
from deskhand.accounts.permissions import ANY_TYPE, Capability
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import RoleRow
from deskhand.accounts.types import Permissions, Reach, Verb
from deskhand.crm.schema import object_types
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import reading
from deskhand.web.people.rows import CapabilityBox, Cell, RoleForm, RoleLine, RolePage, TypeRow
from deskhand.web.refusals import status_of

TYPES: dict[str, str | Promise] = {
    "ticket": gettext_lazy("Tickets"),
    "contact": gettext_lazy("Contacts"),
    "company": gettext_lazy("Companies"),
    "deal": gettext_lazy("Deals"),
    "project": gettext_lazy("Projects"),
}
ALWAYS_SHOWN = ("ticket", "contact", "company")  # the others when a role names them
VERBS = {
    Verb.VIEW: pgettext_lazy("permission", "View"),
    Verb.EDIT: pgettext_lazy("permission", "Edit"),
    Verb.DELETE: pgettext_lazy("permission", "Delete"),
    Verb.COMMUNICATE: pgettext_lazy("permission", "Communicate"),
}
REACHES = {
    Reach.ALL: pgettext_lazy("records one reaches", "All"),
    Reach.TEAM: pgettext_lazy("records one reaches", "The team's"),
    Reach.OWN: pgettext_lazy("records one reaches", "Their own"),
    Reach.NONE: pgettext_lazy("records one reaches", "None"),
}
#: What each allows, in one sentence (R-PERM-7 to R-PERM-13).
CAPABILITIES = {
    Capability.SERVICE_ACCESS: (
        gettext_lazy("Work in the help desk"),
        gettext_lazy("Open the inbox, answer customers and comment."),
    ),
    Capability.SALES_ACCESS: (
        gettext_lazy("Work in the help desk from sales"),
        gettext_lazy("The same for people whose work is sales."),
    ),
    Capability.ACCOUNT_ACCESS: (
        gettext_lazy("Set up the account"),
        gettext_lazy(
            "Connect channels, route tickets, automate statuses, and see what the system could not do."
        ),
    ),
    Capability.ADD_EDIT_USERS: (
        gettext_lazy("Manage users and teams"),
        gettext_lazy("Invite people, set their role, seat and teams, and deactivate them."),
    ),
    Capability.AVAILABILITY_MANAGEMENT: (
        gettext_lazy("Set others to available or away"),
        gettext_lazy("Change the status of colleagues, who are told who did it."),
    ),
    Capability.PROPERTY_SETTINGS: (
        gettext_lazy("Edit pipelines and properties"),
        gettext_lazy("Change statuses and properties, and move tickets past the rules of a pipeline."),
    ),
    Capability.WORKFLOW_VIEW: (
        gettext_lazy("See workflows"),
        gettext_lazy("Read workflows and what they did."),
    ),
    Capability.WORKFLOW_EDIT: (
        gettext_lazy("Edit workflows"),
        gettext_lazy("Make workflows, change them, and switch them on and off."),
    ),
    Capability.WORKFLOW_DELETE: (
        gettext_lazy("Delete workflows"),
        gettext_lazy("Delete workflows with what they were about to do."),
    ),
    Capability.CUSTOM_CODE: (
        gettext_lazy("Write code in workflows"),
        gettext_lazy("Add and change steps that run code. Needs “Edit workflows” too."),
    ),
    Capability.CUSTOMER_AGENT_EDITOR: (
        gettext_lazy("Edit the customer agent"),
        gettext_lazy("Set up what answers customers by itself. Needs a seat too."),
    ),
    Capability.CUSTOMER_PORTAL_SETTINGS: (
        gettext_lazy("Set up the customer portal"),
        gettext_lazy("Change what customers find there, and who may sign in."),
    ),
}


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ROLES)
    return _render(request, "roles", [_line(role) for role in queries.roles(request.viewer.account_id)])


def _line(role: RoleRow) -> RoleLine:
    return RoleLine(
        id=role.id,
        name=role.name,
        url=reverse("role", args=[role.id]),
        is_preset=bool(role.key),
        people=_people(role.people),
        summary=tuple(
            str(CAPABILITIES[one][0]) for one in CAPABILITIES if one in role.permissions.capabilities
        ),
    )


def _people(number: int) -> str:
    return ngettext("%(num)s person", "%(num)s people", number) % {"num": number}


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _form(name: str, allowed: Permissions) -> RoleForm:
    return RoleForm(
        name=name,
        verbs=tuple(str(label) for label in VERBS.values()),
        types=tuple(_row(key, label, allowed) for key, label in _types(allowed.records).items()),
        capabilities=tuple(
            CapabilityBox(one.value, str(label), str(sentence), one in allowed.capabilities)
            for one, (label, sentence) in CAPABILITIES.items()
        ),
        extra_teams=allowed.extra_teams,
    )


def _types(named: Iterable[str]) -> dict[str, str]:
    """Kinds of records by key with their names, what stands for all others last."""
    own = {key: one.plural for key, one in object_types.all_of_them().items()}
    shown = {key: str(label) for key, label in TYPES.items() if key in ALWAYS_SHOWN or key in named}
    return {**shown, **own, ANY_TYPE: _("Everything else")}


def _row(key: str, label: str, allowed: Permissions) -> TypeRow:
    here = allowed.on(key)
    return TypeRow(
        key=key,
        label=label,
        cells=tuple(
            Cell(
                f"{key}.{verb.value}",
                str(verb_label),
                tuple(
                    Choice(reach.value, str(said), here.reach.get(verb, Reach.NONE) is reach)
                    for reach, said in REACHES.items()
                ),
            )
            for verb, verb_label in VERBS.items()
        ),
        unassigned=here.unassigned,
    )


def given_by(form: QueryDict, types: Iterable[str]) -> dict[str, Any]:
    """The form as a role keeps it: what is not allowed is not named, nor a kind that is like all others."""
    found = {key: _given_on(form, key) for key in types}
    others = found.pop(ANY_TYPE, {})
    records = {key: one for key, one in found.items() if one != others}
    records |= {ANY_TYPE: others} if others else {}
    chosen = {one for one in Capability if one.value in form.getlist("capabilities")}
    given: dict[str, Any] = {"records": records, "capabilities": sorted(chosen)}
    return given | ({"extra_teams": True} if "extra_teams" in form else {})


def _given_on(form: QueryDict, key: str) -> dict[str, Any]:
    reach = {verb.value: form.get(f"{key}.{verb.value}", "") for verb in Verb}
    named: dict[str, Any] = {
        verb: value for verb, value in reach.items() if value in set(Reach) and value != Reach.NONE
    }
    return named | ({"unassigned": True} if f"{key}.unassigned" in form else {})


# ── making and changing ──────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ROLES)
    return _render(request, "role_new", _form("", Permissions()))


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ROLES)
    name, given = _name(request), given_by(request.POST, _types(()))
    try:
        made = roles.create(request.viewer.account_id, name, given, by=Actor.user(request.user.pk))
    except (Invalid, Conflict) as refusal:
        form = replace(_form(name, permissions.parse(given)), errors={"name": str(refusal)})
        return _render(request, "role_new", form, status_of(refusal))
    messages.success(request, _("The role is made. Give it to people on the page of users."))
    return redirect("role", made.pk)


def _name(request: AccountRequest) -> str:
    return reading.plain(request.POST.get("name", ""))


def _find(request: AccountRequest, role_id: int) -> RoleRow:
    policy.require(request.viewer, Action.EDIT_ROLES)
    found = next((role for role in queries.roles(request.viewer.account_id) if role.id == role_id), None)
    if found is None:
        raise NotFound(_("There is no such role."))
    return found


@require_GET
def one(request: AccountRequest, role_id: int) -> HttpResponse:
    return _role_page(request, _find(request, role_id))


def _role_page(
    request: AccountRequest, role: RoleRow, form: RoleForm | None = None, status: int = 200
) -> HttpResponse:
    page = RolePage(
        id=role.id,
        name=role.name,
        form=form or _form(role.name, role.permissions),
        people=_people(role.people),
        people_url=f"{reverse('users')}?role={role.id}",
        is_used=role.people > 0,
    )
    return _render(request, "role", page, status)


@require_POST
def save(request: AccountRequest, role_id: int) -> HttpResponse:
    """R-PERM-4: it holds at once for everybody who has the role."""
    role = _find(request, role_id)
    name, given = _name(request), given_by(request.POST, _types(role.permissions.records))
    allowed = permissions.parse(given)
    try:
        roles.update(
            request.viewer.account_id,
            role_id,
            by=Actor.user(request.user.pk),
            name=name,
            given=None if _alike(allowed, role.permissions) else given,
        )
    except (Invalid, Conflict) as refusal:
        form = replace(_form(name, allowed), errors={"name": str(refusal)})
        return _role_page(request, role, form, status_of(refusal))
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("role", role_id)


def _alike(one: Permissions, other: Permissions) -> bool:
    """Whether two allow the same, however it is written."""
    types = {*one.records, *other.records, ANY_TYPE}
    return (
        one.capabilities == other.capabilities
        and one.extra_teams == other.extra_teams
        and all(_reach_of(one, key) == _reach_of(other, key) for key in types)
    )


def _reach_of(allowed: Permissions, key: str) -> Mapping[str, object]:
    here = allowed.on(key)
    reach = {verb.value: here.reach.get(verb, Reach.NONE) for verb in Verb}
    return {**reach, "unassigned": here.unassigned}


@require_POST
def copy(request: AccountRequest, role_id: int) -> HttpResponse:
    role = _find(request, role_id)
    made = roles.copy(request.viewer.account_id, role_id, by=Actor.user(request.user.pk))
    messages.success(request, _("This is a copy of %(name)s.") % {"name": role.name})
    return redirect("role", made.pk)


@require_POST
def delete(request: AccountRequest, role_id: int) -> HttpResponse:
    role = _find(request, role_id)
    try:
        roles.delete(request.viewer.account_id, role_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        form = replace(_form(role.name, role.permissions), errors={"": str(refusal)})
        return _role_page(request, role, form, refusal.status)
    messages.success(request, _("The role %(name)s is deleted.") % {"name": role.name})
    return redirect("roles")


def _render(request: AccountRequest, template: str, page: object, status: int = 200) -> HttpResponse:
    return framed(request, "roles", f"people/{template}.html", {"page": page}, status)
