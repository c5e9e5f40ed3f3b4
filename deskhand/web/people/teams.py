"""Teams: the tree of them, who is in each, and what a deletion touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy, queries, teams
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Member, TeamRow
from deskhand.crm.records import task_queues
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.routing import queries as routing
from deskhand.routing import skill_sets
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import leaving, reading
from deskhand.web.people.rows import Leave, MemberLine, TeamForm, TeamLine, TeamPage
from deskhand.web.refusals import status_of
from deskhand.web.routing import skills_given
from deskhand.web.shell import Person as Face


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    found = queries.teams(request.viewer.account_id)
    return _render(request, "teams", [_line(team, depth) for team, depth in as_tree(found)])


def as_tree(found: list[TeamRow]) -> Iterator[tuple[TeamRow, int]]:
    """Each team with how deep it is nested, parents before their own (R-TEAM-3)."""
    below: dict[int | None, list[TeamRow]] = {}
    for team in found:
        below.setdefault(team.parent_id, []).append(team)
    ahead = [(team, 0) for team in reversed(below.get(None, []))]
    while ahead:
        team, depth = ahead.pop()
        yield team, depth
        ahead += [(nested, depth + 1) for nested in reversed(below.get(team.id, []))]


def _line(team: TeamRow, depth: int) -> TeamLine:
    members = len(team.main_user_ids)
    return TeamLine(
        name=team.name,
        url=reverse("team", args=[team.id]),
        depth=min(depth, 6),
        members=ngettext("%(num)s main member", "%(num)s main members", members) % {"num": members},
        extra=_extra(len(team.extra_user_ids)),
        is_selectable=bool(team.seated_user_ids),
    )


def _extra(number: int) -> str:
    return ngettext("%(num)s extra", "%(num)s extra ones", number) % {"num": number} if number else ""


# ── making and changing ──────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    return _render(request, "team_new", _form(queries.teams(request.viewer.account_id)))


def _form(every: list[TeamRow], name: str = "", parent: int | None = None, of: int | None = None) -> TeamForm:
    """A team can't be nested below itself, so those are no choice."""
    tree = list(as_tree(every))
    barred = _with_nested(every, of) if of else set()
    return TeamForm(
        name=name,
        parents=(
            Choice("", _("None, it stands by itself"), parent is None),
            *(
                Choice(str(team.id), f"{'  ' * depth}{team.name}", team.id == parent)
                for team, depth in tree
                if team.id not in barred
            ),
        ),
    )


def _with_nested(every: list[TeamRow], team_id: int) -> set[int]:
    found = {team_id}
    for team, _depth in as_tree(every):
        if team.parent_id in found:
            found.add(team.id)
    return found


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    account_id = request.viewer.account_id
    name, parent = reading.plain(request.POST.get("name", "")), reading.number(request.POST, "parent")
    try:
        made = teams.create(account_id, name, parent_id=parent, by=Actor.user(request.user.pk))
    except (Invalid, Conflict, NotFound) as refusal:
        form = _form(queries.teams(account_id), name, parent)
        return _render(request, "team_new", _refused(form, refusal), status_of(refusal))
    messages.success(request, _("The team is made. Now add who is in it."))
    return redirect("team", made.pk)


def _refused(form: TeamForm, refusal: Invalid | Conflict | NotFound) -> TeamForm:
    if isinstance(refusal, NotFound):
        return replace(form, errors={"parent": _("This choice is not there any more.")})
    if isinstance(refusal, Invalid) and refusal.field == "parent_id":
        return replace(form, errors={"parent": refusal.message})
    return replace(form, errors={"name": str(refusal)})


@require_GET
def one(request: AccountRequest, team_id: int) -> HttpResponse:
    return _team_page(request, team_id)


@require_POST
def save(request: AccountRequest, team_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    account_id, by = request.viewer.account_id, Actor.user(request.user.pk)
    _find(queries.teams(account_id), team_id)
    name, parent = reading.plain(request.POST.get("name", "")), reading.number(request.POST, "parent")
    try:
        with transaction.atomic():
            teams.rename(account_id, team_id, name, by=by)
            teams.move(account_id, team_id, parent_id=parent, by=by)
    except (Invalid, Conflict, NotFound) as refusal:
        form = _refused(_form(queries.teams(account_id), name, parent, team_id), refusal)
        return _team_page(request, team_id, form, status_of(refusal))
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("team", team_id)


def _find(every: list[TeamRow], team_id: int) -> TeamRow:
    found = next((team for team in every if team.id == team_id), None)
    if found is None:
        raise NotFound(_("There is no such team."))
    return found


def _team_page(
    request: AccountRequest, team_id: int, form: TeamForm | None = None, status: int = 200, notice: str = ""
) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    account_id = request.viewer.account_id
    every = queries.teams(account_id)
    team = _find(every, team_id)
    people = queries.members(account_id, active_only=False)
    names = {one.id: one.name for one in every}
    page = TeamPage(
        id=team.id,
        name=team.name,
        form=form or _form(every, team.name, team.parent_id, team.id),
        members=tuple(_member(one, team) for one in people if _is_in(one, team)),
        others=tuple(_other(one, names) for one in people if one.is_active and not _is_in(one, team)),
        is_selectable=bool(team.seated_user_ids),
        notice=notice,
        skills=skills_given.of_team(request, team.id),
    )
    return _render(request, "team", page, status)


def _is_in(one: Member, team: TeamRow) -> bool:
    return team.id == one.main_team_id or team.id in one.extra_team_ids


def _member(one: Member, team: TeamRow) -> MemberLine:
    """Who has not joined yet is known here by the address alone."""
    return MemberLine(
        one.user_id,
        Face.named(one.email if one.is_invited else one.name),
        is_main=one.main_team_id == team.id,
        has_seat=one.has_seat,
        is_active=one.is_active,
        is_invited=one.is_invited,
        remove_url=reverse("team-remove", args=[team.id, one.user_id]),
    )


def _other(one: Member, names: Mapping[int, str]) -> Choice:
    main = names.get(one.main_team_id or 0, "")
    return Choice(str(one.user_id), f"{one.name} ({main})" if main else one.name)


# ── who is in it ─────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def add(request: AccountRequest, team_id: int) -> HttpResponse:
    """As a main member, which moves them from their former main team, or as an extra one (R-TEAM-1)."""
    policy.require(request.viewer, Action.EDIT_TEAMS)
    account_id, user_id = request.viewer.account_id, reading.number(request.POST, "user")
    _find(queries.teams(account_id), team_id)
    if user_id is None:
        return _team_page(request, team_id, status=422, notice=_("Choose who is to be added."))
    is_main = request.POST.get("kind") != "extra"
    teams.add_member(account_id, team_id, user_id, is_main=is_main, by=Actor.user(request.user.pk))
    return redirect(reverse("team", args=[team_id]) + "#members")


@require_POST
def remove(request: AccountRequest, team_id: int, user_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    teams.remove_member(request.viewer.account_id, team_id, user_id, by=Actor.user(request.user.pk))
    return redirect(reverse("team", args=[team_id]) + "#members")


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def ask_delete(request: AccountRequest, team_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    account_id = request.viewer.account_id
    every = queries.teams(account_id)
    team = _find(every, team_id)
    return _render(
        request, "team_delete", Leave(team.id, team.name, tuple(_touched(account_id, team, every)))
    )


def _touched(account_id: int, team: TeamRow, every: list[TeamRow]) -> Iterator[str]:
    """R-TEAM-5, R-TEAM-3, a sentence each."""
    for name in _channels_that_name(account_id, team.id):
        yield _("The routing of %(channel)s names this team. It is marked there, and nobody gets tickets through it.") % {"channel": name}  # fmt: skip
    yield from leaving.of_skill_rules(account_id, skill_sets.naming_team(account_id, team.id), team.name)
    for queue in task_queues.queues():
        if team.id in queue.team_ids:
            yield _("The task queue “%(queue)s” is for this team. Who uses it through the team only, no longer does.") % {"queue": queue.name}  # fmt: skip
    members = len(team.main_user_ids) + len(team.extra_user_ids)
    if members:
        yield ngettext(
            "%(num)s person is no longer in it.", "%(num)s people are no longer in it.", members
        ) % {"num": members}
    nested = sum(other.parent_id == team.id for other in every)
    if nested:
        yield ngettext(
            "%(num)s team nested in it moves up.", "%(num)s teams nested in it move up.", nested
        ) % {"num": nested}
    yield _("Tickets of the team stay as they are; who could see them through the team only, no longer does.")


def _channels_that_name(account_id: int, team_id: int) -> list[str]:
    ids = routing.channels_naming_team(account_id, team_id)
    found = ChannelAccount.objects.filter(account_id=account_id, pk__in=ids, archived_at=None)
    return list(found.order_by("name", "id").values_list("name", flat=True))


@require_POST
def delete(request: AccountRequest, team_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TEAMS)
    team = _find(queries.teams(request.viewer.account_id), team_id)
    teams.delete(request.viewer.account_id, team_id, by=Actor.user(request.user.pk))
    messages.success(request, _("The team %(name)s is deleted.") % {"name": team.name})
    return redirect("teams")


def _render(request: AccountRequest, template: str, page: object, status: int = 200) -> HttpResponse:
    return framed(request, "teams", f"people/{template}.html", {"page": page}, status)
