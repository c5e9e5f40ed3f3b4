"""Users: who is in, who is invited, what each of them is, and how they leave and come back."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import invitations, policy, queries, teams, users
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Person, RoleRow, Standing, TeamRow
from deskhand.accounts.types import Viewer
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.routing import availability
from deskhand.routing import queries as routing
from deskhand.web.choices import Choice, Tab
from deskhand.web.frame import framed
from deskhand.web.hours import board
from deskhand.web.hours import words as hours
from deskhand.web.hours.rows import Presence
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import leaving, reading
from deskhand.web.people.joining import invitation_url
from deskhand.web.people.rows import Leave, UserForm, UserLine, UserPage, UsersPage
from deskhand.web.refusals import status_of, words_of
from deskhand.web.routing import skills_given
from deskhand.web.routing.tabs import may_open as may_open_routing
from deskhand.web.shell import Person as Face

SHOWN = 50
TABS = {
    Standing.ACTIVE: gettext_lazy("Active"),
    Standing.INVITED: gettext_lazy("Invited"),
    Standing.DEACTIVATED: gettext_lazy("Deactivated"),
}


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_USERS)
    account_id, given = request.viewer.account_id, request.GET
    standing = Standing(given["standing"]) if given.get("standing") in set(Standing) else Standing.ACTIVE
    search = reading.plain(given.get("q", "")).strip()[:200]
    roles = {row.id: row for row in queries.roles(account_id)}
    role_id = reading.among(reading.number(given, "role"), roles)
    found = queries.people(
        account_id,
        standing,
        search=search,
        role_id=role_id,
        after=reading.number(given, "after"),
        limit=SHOWN + 1,
    )
    team_names = {team.id: team.name for team in queries.teams(account_id)}
    asked = {"standing": standing.value, "q": search, "role": role_id or ""}
    page = UsersPage(
        tabs=_tabs(account_id, standing),
        standing=standing,
        lines=tuple(_line(one, team_names) for one in found[:SHOWN]),
        search=search,
        role=Choice(str(role_id), roles[role_id].name) if role_id else None,
        clear_url=_address({"standing": standing.value}),
        more_url=_address({**asked, "after": found[SHOWN - 1].member.user_id}) if len(found) > SHOWN else "",
        capacity_url=reverse("capacity") if may_open_routing(request, "people") else "",
    )
    return _render(request, "users", page)


def _tabs(account_id: int, standing: Standing) -> tuple[Tab, ...]:
    counts = queries.how_many(account_id)
    return tuple(
        Tab(str(label), _address({"standing": one.value}), one is standing, str(counts[one] or ""))
        for one, label in TABS.items()
    )


def _address(asked: dict[str, object]) -> str:
    return f"{reverse('users')}?{urlencode({name: value for name, value in asked.items() if value})}"


def _line(person: Person, team_names: dict[int, str]) -> UserLine:
    """Who is invited may be known elsewhere by another name; until they join, only their address is ours."""
    member = person.member
    line = UserLine(
        member.user_id, member.email, member.role or "", _team_names(person, team_names), member.has_seat,
        member.is_super_admin, person.invited_at or person.signed_in_at,
    )  # fmt: skip
    if person.standing is Standing.INVITED:
        again, withdraw = (
            reverse(name, args=[member.user_id]) for name in ("user-invite-again", "user-withdraw")
        )
        return replace(line, again_url=again, withdraw_url=withdraw)
    return replace(
        line,
        name=member.name,
        url=reverse("user", args=[member.user_id]),
        person=Face.named(member.name),
    )


def _team_names(person: Person, names: dict[int, str]) -> str:
    """The main team first."""
    main = [person.member.main_team_id] if person.member.main_team_id else []
    return ", ".join(names[one] for one in (*main, *person.member.extra_team_ids) if one in names)


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def one(request: AccountRequest, user_id: int) -> HttpResponse:
    return _user_page(request, _person(request, user_id))


def _person(request: AccountRequest, user_id: int) -> Person:
    """Who has joined; invitations have no page of their own."""
    policy.require(request.viewer, Action.EDIT_USERS)
    person = queries.person(request.viewer.account_id, user_id)
    if person.standing is Standing.INVITED:
        raise Conflict(_("This person has not accepted the invitation yet."))
    return person


def _changeable(request: AccountRequest, user_id: int) -> Person:
    """Raises Forbidden where only super admins may change somebody."""
    person = _person(request, user_id)
    if why := _why_not(request.viewer, person):
        raise Forbidden(why)
    return person


def _why_not(viewer: Viewer, person: Person) -> str:
    if person.member.is_super_admin and not policy.can(viewer, Action.EDIT_SUPER_ADMINS):
        return _("Only super admins can change a super admin.")
    return ""


def _user_page(
    request: AccountRequest, person: Person, form: UserForm | None = None, status: int = 200
) -> HttpResponse:
    member, viewer = person.member, request.viewer
    every_team = queries.teams(viewer.account_id)
    why_not = _why_not(viewer, person)
    page = UserPage(
        id=member.user_id,
        person=Face.named(member.name),
        email=member.email,
        state=Label(_("Active"), "green") if member.is_active else Label(_("Deactivated")),
        signed_in_at=person.signed_in_at,
        form=None if why_not else form or _form_of(viewer, person, every_team),
        why_not=why_not,
        role=member.role or "",
        teams=_team_names(person, {team.id: team.name for team in every_team}),
        has_seat=member.has_seat,
        is_super_admin=member.is_super_admin,
        is_active=member.is_active,
        is_me=member.user_id == viewer.user_id,
        presence=_presence(request, person) if member.has_seat and member.is_active else None,
        skills=skills_given.of_user(request, member.user_id, member.main_team_id),
    )
    return _render(request, "user", page, status)


def _presence(request: AccountRequest, person: Person) -> Presence:
    """Status and today's hours (R-AVAIL-13); their page only for who may set them."""
    account_id, user_id = request.viewer.account_id, person.member.user_id
    standing = routing.standings(account_id, [user_id], clock.now())[user_id]
    may_open = availability.may_set_status(request.viewer, user_id)
    url = reverse("availability-person", args=[user_id]) if may_open else ""
    return Presence(hours.now_of(standing), board.own_day(account_id, user_id), url)


def _form_of(viewer: Viewer, person: Person, every_team: list[TeamRow]) -> UserForm:
    member = person.member
    form = _form(
        viewer,
        _givable(viewer, person.role_id),
        every_team,
        role_id=person.role_id,
        main=member.main_team_id,
        extra=member.extra_team_ids,
        has_seat=member.has_seat,
        is_super_admin=member.is_super_admin,
    )
    return replace(form, name=member.name, email=member.email, why_fixed=_why_fixed(viewer, person))


def _why_fixed(viewer: Viewer, person: Person) -> str:
    """A new address is a new way in: nobody takes over who may do more than they, or is somebody elsewhere too."""
    roles = {role.id: role for role in queries.roles(viewer.account_id)}
    role = roles.get(person.role_id or 0)
    if role is not None and not policy.may_give(viewer, role.permissions):
        return _(
            "Their role allows more than yours, so only somebody with more rights can change name and address."
        )
    if not users.is_only_here(viewer.account_id, person.member.user_id):
        return _("They belong to other help desks too, so only they can change their name, in their profile.")
    return ""


def _givable(viewer: Viewer, present: int | None = None) -> list[RoleRow]:
    """Nobody gives away more than they have; what somebody has already stays among the choices."""
    return [
        role
        for role in queries.roles(viewer.account_id)
        if role.id == present or policy.may_give(viewer, role.permissions)
    ]


def _form(
    viewer: Viewer,
    roles: list[RoleRow],
    every_team: list[TeamRow],
    *,
    role_id: int | None,
    main: int | None,
    extra: tuple[int, ...],
    has_seat: bool,
    is_super_admin: bool,
) -> UserForm:
    return UserForm(
        roles=tuple(Choice(str(role.id), role.name, role.id == role_id) for role in roles),
        main_teams=(
            Choice("", _("No team"), main is None),
            *(Choice(str(team.id), team.name, team.id == main) for team in every_team),
        ),
        extra_teams=tuple(Choice(str(team.id), team.name, team.id in extra) for team in every_team),
        has_seat=has_seat,
        is_super_admin=is_super_admin,
        may_make_super_admins=policy.can(viewer, Action.EDIT_SUPER_ADMINS),
    )


@require_POST
def save(request: AccountRequest, user_id: int) -> HttpResponse:
    """Name, address, role, seat, teams and super admin in one go."""
    person = _changeable(request, user_id)
    account_id, by = request.viewer.account_id, Actor.user(request.user.pk)
    every_team, roles = queries.teams(account_id), _givable(request.viewer, person.role_id)
    typed = replace(_typed(request, roles, every_team), why_fixed=_why_fixed(request.viewer, person))
    try:
        with transaction.atomic():
            role_id, main, extra = _chosen(request.POST, roles, every_team)
            if not typed.why_fixed and {"name", "email"} <= request.POST.keys():
                users.identify(account_id, user_id, name=typed.name, email=typed.email, by=by)
            users.set_role(account_id, user_id, role_id=role_id, by=by)
            users.set_seat(account_id, user_id, has_seat=typed.has_seat, by=by)
            teams.set_teams_of(account_id, user_id, main_id=main, extra_ids=extra, by=by)
            if typed.may_make_super_admins:
                users.set_super_admin(account_id, user_id, is_super_admin=typed.is_super_admin, by=by)
    except (Invalid, Conflict) as refusal:
        return _user_page(request, person, _refused(typed, refusal), status_of(refusal))
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("user", user_id)


def _typed(request: AccountRequest, roles: list[RoleRow], every_team: list[TeamRow]) -> UserForm:
    given = request.POST
    form = _form(
        request.viewer, roles, every_team,
        role_id=reading.number(given, "role"), main=reading.number(given, "main_team"),
        extra=tuple(reading.numbers(given, "extra_teams")),
        has_seat="has_seat" in given, is_super_admin="is_super_admin" in given,
    )  # fmt: skip
    return replace(
        form, email=reading.plain(given.get("email", "")), name=reading.plain(given.get("name", ""))
    )


def _chosen(
    given: QueryDict, roles: list[RoleRow], every_team: list[TeamRow]
) -> tuple[int, int | None, list[int]]:
    """Role, main team and extra teams. Raises Invalid for what is not among the choices."""
    role_id = reading.among(reading.number(given, "role"), [role.id for role in roles])
    if role_id is None:
        raise Invalid(_("Choose a role."), field="role", value=given.get("role"))
    known = {team.id for team in every_team}
    main, extra = reading.number(given, "main_team"), reading.numbers(given, "extra_teams")
    if not ({main} - {None} | set(extra)) <= known:
        raise Invalid(_("This choice is not there any more."), field="main_team", value=main)
    return role_id, main, list(dict.fromkeys(extra))


#: Where the form shows what a verb refuses.
FIELDS = {"extra_ids": "extra_teams", "main_id": "main_team"}


def _refused(form: UserForm, refusal: Invalid | Conflict) -> UserForm:
    if isinstance(refusal, Conflict):
        return replace(form, errors={"": str(refusal)})
    name = FIELDS.get(refusal.field, refusal.field)
    return replace(form, errors={name: words_of(refusal)})


# ── in and out ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def end_sessions(request: AccountRequest, user_id: int) -> HttpResponse:
    person = _changeable(request, user_id)
    users.end_sessions(request.viewer.account_id, user_id, by=Actor.user(request.user.pk))
    messages.success(request, _("%(name)s is signed out everywhere.") % {"name": person.member.name})
    return redirect("user", user_id)


@require_GET
def ask_deactivate(request: AccountRequest, user_id: int) -> HttpResponse:
    return _leave_page(request, _leavable(request, user_id))


def _leavable(request: AccountRequest, user_id: int) -> Person:
    person = _changeable(request, user_id)
    if user_id == request.viewer.user_id:
        raise Forbidden(_("You can't deactivate yourself; another administrator can."))
    return person


def _leave_page(request: AccountRequest, person: Person, notice: str = "", status: int = 200) -> HttpResponse:
    member = person.member
    sentences = leaving.sentences(request.viewer.account_id, member.user_id, member.name)
    return _render(request, "user_leave", Leave(member.user_id, member.name, sentences, notice), status)


@require_POST
def deactivate(request: AccountRequest, user_id: int) -> HttpResponse:
    person = _leavable(request, user_id)
    try:
        users.deactivate(request.viewer.account_id, user_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        return _leave_page(request, person, str(refusal), refusal.status)
    messages.success(request, _("%(name)s is deactivated.") % {"name": person.member.name})
    return redirect("user", user_id)


@require_POST
def reactivate(request: AccountRequest, user_id: int) -> HttpResponse:
    person = _changeable(request, user_id)
    users.reactivate(request.viewer.account_id, user_id, by=Actor.user(request.user.pk))
    messages.success(request, _("%(name)s can sign in again.") % {"name": person.member.name})
    return redirect("user", user_id)


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_USERS)
    account_id = request.viewer.account_id
    roles, every_team = _givable(request.viewer), queries.teams(account_id)
    usual = next((role.id for role in roles if role.key == "agent"), None)
    form = _form(
        request.viewer, roles, every_team, role_id=usual, main=None, extra=(), has_seat=True, is_super_admin=False
    )  # fmt: skip
    return _render(request, "user_new", form)


@require_POST
def invite(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_USERS)
    account_id = request.viewer.account_id
    roles, every_team = _givable(request.viewer), queries.teams(account_id)
    typed = _typed(request, roles, every_team)
    try:
        role_id, main, extra = _chosen(request.POST, roles, every_team)
        invitations.invite(
            account_id,
            email=typed.email,
            name=typed.name,
            link=invitation_url,
            has_seat=typed.has_seat,
            is_super_admin=typed.is_super_admin and typed.may_make_super_admins,
            role_id=role_id,
            main_team_id=main,
            extra_team_ids=extra,
            by=Actor.user(request.user.pk),
        )
    except Invalid as refusal:
        return _render(request, "user_new", _refused(typed, refusal), status_of(refusal))
    except Conflict as refusal:
        return _render(request, "user_new", replace(typed, errors={"email": str(refusal)}), refusal.status)
    messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": typed.email})
    return redirect(_address({"standing": Standing.INVITED.value}))


@require_POST
def invite_again(request: AccountRequest, user_id: int) -> HttpResponse:
    person = _invitation(request, user_id)
    by = Actor.user(request.user.pk)
    invitations.send_again(request.viewer.account_id, user_id, link=invitation_url, by=by)
    said = _("A new invitation to %(email)s is on its way; the former link no longer works.")
    messages.success(request, said % {"email": person.member.email})
    return redirect(_address({"standing": Standing.INVITED.value}))


@require_POST
def withdraw(request: AccountRequest, user_id: int) -> HttpResponse:
    person = _invitation(request, user_id)
    invitations.withdraw(request.viewer.account_id, user_id, by=Actor.user(request.user.pk))
    said = _("The invitation to %(email)s is withdrawn.")
    messages.success(request, said % {"email": person.member.email})
    return redirect(_address({"standing": Standing.INVITED.value}))


def _invitation(request: AccountRequest, user_id: int) -> Person:
    policy.require(request.viewer, Action.EDIT_USERS)
    person = queries.person(request.viewer.account_id, user_id)
    if why := _why_not(request.viewer, person):
        raise Forbidden(why)
    return person


def _render(request: AccountRequest, template: str, page: object, status: int = 200) -> HttpResponse:
    return framed(request, "users", f"people/{template}.html", {"page": page}, status)
