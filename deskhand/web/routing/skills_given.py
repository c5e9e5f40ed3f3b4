"""What somebody knows, or all main members of a team: a part of their pages (R-SKILL-3, R-SKILL-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing import skills as verbs
from deskhand.routing.skills import CategoryRow
from deskhand.web.choices import Choice, offered
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.routing.skills import category_name
from deskhand.web.routing.tabs import may_open, require

MAIN, SECOND = "main", "second"


@dataclass(frozen=True)
class Language:
    """Spoken as a main language, as a second one, or not."""

    name: str
    field: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Group:
    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class SkillsPart:
    """`from_teams` are those that somebody's team gives them."""

    action: str
    lead: str
    languages: tuple[Language, ...]
    groups: tuple[Group, ...]
    from_teams: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.languages or self.groups)


def of_user(request: AccountRequest, user_id: int, main_team_id: int | None) -> SkillsPart | None:
    """None for who may not see to skills."""
    if not may_open(request, "skills"):
        return None
    account_id = request.account.pk
    categories, own = verbs.categories(account_id), verbs.of_user(account_id, user_id)
    teams = verbs.of_team(account_id, main_team_id) if main_team_id else frozenset()
    given = [
        skill.name for one in categories for skill in one.skills if skill.id in teams and skill.id not in own
    ]
    return SkillsPart(
        reverse("user-skills", args=[user_id]), _("Routing asks for them before anything else where a channel follows skill rules."),
        tuple(
            Language(skill.name, f"language-{skill.id}", _spoken(own.get(skill.id)))
            for one in categories if one.is_language for skill in one.skills
        ),
        tuple(_group(one, own) for one in categories if one.skills and not one.is_language),
        _("Through their team they have: %(skills)s") % {"skills": ", ".join(given)} if given else "",
    )  # fmt: skip


def of_team(request: AccountRequest, team_id: int) -> SkillsPart | None:
    """None for who may not see to skills."""
    if not may_open(request, "skills"):
        return None
    categories = verbs.categories(request.account.pk)
    own = dict.fromkeys(verbs.of_team(request.account.pk, team_id), True)
    return SkillsPart(
        reverse("team-skills", args=[team_id]), _("Everybody whose main team it is has them, beside their own."), (),
        tuple(_group(one, own) for one in categories if one.skills),
    )  # fmt: skip


def _spoken(is_main: bool | None) -> tuple[Choice, ...]:
    labels = {"": _("Doesn't speak it"), MAIN: _("Main language"), SECOND: _("Second language")}
    return offered(labels, "" if is_main is None else MAIN if is_main else SECOND)


def _group(row: CategoryRow, own: Mapping[int, bool]) -> Group:
    return Group(
        category_name(row), tuple(Choice(str(one.id), one.name, one.id in own) for one in row.skills)
    )


# ── saving ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def save_user(request: AccountRequest, user_id: int) -> HttpResponse:
    require(request, "skills")
    given = dict.fromkeys(_chosen(request), True)
    for field, value in request.POST.items():
        language = whole(field.removeprefix("language-")) if field.startswith("language-") else None
        if language is not None and value in (MAIN, SECOND):
            given[language] = value == MAIN
    try:
        verbs.set_of_user(request.account.pk, user_id, given, by=Actor.user(request.user.pk))
    except Invalid as refusal:  # it was deleted meanwhile
        messages.error(request, words_of(refusal))
    else:
        messages.success(request, _("The skills are saved."))
    return redirect(reverse("user", args=[user_id]) + "#skills")


@require_POST
def save_team(request: AccountRequest, team_id: int) -> HttpResponse:
    require(request, "skills")
    try:
        verbs.set_of_team(request.account.pk, team_id, _chosen(request), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        messages.error(request, words_of(refusal))
    else:
        messages.success(request, _("The skills are saved."))
    return redirect(reverse("team", args=[team_id]) + "#skills")


def _chosen(request: AccountRequest) -> list[int]:
    return [number for text in request.POST.getlist("skills") if (number := whole(text)) is not None]
