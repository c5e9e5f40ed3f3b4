"""Skills by category, and the page of one of them: who has it, what asks for it (R-SKILL-3 … R-SKILL-7, R-SKILL-16)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import storable
from deskhand.routing import skills as verbs
from deskhand.routing.models import SkillCategory
from deskhand.routing.skills import CategoryRow, SkillRow
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.routing.tabs import require, show

KEY = "skills"
_BETWEEN = re.compile(r"[,;\n]")


@dataclass(frozen=True)
class Chip:
    """A skill with how many have it; `title` says so in words."""

    name: str
    url: str
    count: int
    title: str


@dataclass(frozen=True)
class Category:
    """`typed` and `error` are of a form that was refused: of the new skills, or of the name where `is_renamed`."""

    id: int
    name: str
    is_language: bool
    chips: tuple[Chip, ...]
    typed: str = ""
    error: str = ""
    is_renamed: bool = False


@dataclass(frozen=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True)
class SkillPage:
    id: int
    name: str
    category: str
    people: tuple[Link, ...]
    teams: tuple[Link, ...]
    rules: tuple[Link, ...]
    why_kept: str  # empty: it may be deleted
    error: str = ""
    notice: str = ""


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def overview(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    return _page(request)


def _page(
    request: AccountRequest,
    status: int = 200,
    *,
    refused: Category | None = None,
    new: str = "",
    error: str = "",
    notice: str = "",
) -> HttpResponse:
    """`refused` stands for the category of its id; `new` is the name of a category that was refused, for `error`."""
    found = [_category(one) for one in verbs.categories(request.account.pk)]
    shown = tuple(
        replace(one, typed=refused.typed, error=refused.error, is_renamed=refused.is_renamed) if refused and refused.id == one.id else one
        for one in found
    )  # fmt: skip
    return show(request, KEY, "skills", status, categories=shown, new=new, error=error, notice=notice)


def _category(row: CategoryRow) -> Category:
    return Category(row.id, category_name(row), row.is_language, tuple(map(_chip, row.skills)))


def category_name(category: CategoryRow | SkillCategory) -> str:
    """Deskhand makes the category of languages; the others are called as somebody typed."""
    return _(category.name) if category.is_language else category.name


def _chip(skill: SkillRow) -> Chip:
    people = ngettext("%(num)s person has it", "%(num)s people have it", skill.people) % {"num": skill.people}
    teams = ngettext("%(num)s team has it", "%(num)s teams have it", skill.teams) % {"num": skill.teams}
    said = f"{people}, {teams}" if skill.teams else people
    return Chip(skill.name, reverse("skill", args=[skill.id]), skill.people + skill.teams, said)


@require_POST
def add(request: AccountRequest, category_id: int) -> HttpResponse:
    """Several at once: commas, semicolons and ends of lines stand between them (R-SKILL-4)."""
    require(request, KEY)
    typed = storable(request.POST.get("names", ""))
    try:
        made = verbs.create(request.account.pk, category_id, names_in(typed), by=_by(request))
    except Invalid as refusal:
        refused = Category(category_id, "", False, (), typed, words_of(refusal))
        return _page(request, status_of(refusal), refused=refused)
    added = ngettext("%(num)s skill is added.", "%(num)s skills are added.", len(made))
    messages.success(request, added % {"num": len(made)})
    return redirect(f"{reverse('routing-skills')}#category-{category_id}")


def names_in(typed: str) -> Iterable[str]:
    return [name.strip() for name in _BETWEEN.split(typed) if name.strip()]


@require_POST
def add_category(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        made = verbs.create_category(request.account.pk, typed, by=_by(request))
    except Invalid as refusal:
        return _page(request, status_of(refusal), new=typed, error=words_of(refusal))
    messages.success(request, _("The category is there."))
    return redirect(f"{reverse('routing-skills')}#category-{made.pk}")


@require_POST
def save_category(request: AccountRequest, category_id: int) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        verbs.rename_category(request.account.pk, category_id, typed, by=_by(request))
    except Invalid as refusal:
        refused = Category(category_id, "", False, (), typed, words_of(refusal), is_renamed=True)
        return _page(request, status_of(refusal), refused=refused)
    messages.success(request, _("The category is saved."))
    return redirect(f"{reverse('routing-skills')}#category-{category_id}")


@require_POST
def delete_category(request: AccountRequest, category_id: int) -> HttpResponse:
    require(request, KEY)
    try:
        verbs.delete_category(request.account.pk, category_id, by=_by(request))
    except Conflict as refusal:
        return _page(request, status_of(refusal), notice=words_of(refusal))
    messages.success(request, _("The category is deleted."))
    return redirect("routing-skills")


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def one(request: AccountRequest, skill_id: int) -> HttpResponse:
    require(request, KEY)
    return _one(request, skill_id)


def _one(
    request: AccountRequest, skill_id: int, status: int = 200, told: Mapping[str, str] | None = None, typed: str | None = None
) -> HttpResponse:  # fmt: skip
    skill, account_id = verbs.find(request.account.pk, skill_id), request.account.pk
    uses = verbs.uses_of(account_id, skill_id)
    page = SkillPage(
        skill.pk, skill.name, category_name(skill.category),
        tuple(Link(name, reverse("user", args=[pk])) for pk, name in uses.people),
        tuple(Link(name, reverse("team", args=[pk])) for pk, name in uses.teams),
        tuple(Link(f"{rule.rule_set.name}: {rule.name}", reverse("skill-rule", args=[rule.rule_set_id, rule.pk])) for rule in uses.rules),
        verbs.why_kept(skill.name, uses), **(told or {}),
    )  # fmt: skip
    return show(request, KEY, "skill", status, page=page, typed=skill.name if typed is None else typed)


@require_POST
def save(request: AccountRequest, skill_id: int) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        verbs.rename(request.account.pk, skill_id, typed, by=_by(request))
    except Invalid as refusal:
        return _one(request, skill_id, status_of(refusal), {"error": words_of(refusal)}, typed)
    messages.success(request, _("The skill is saved."))
    return redirect("skill", skill_id)


@require_POST
def delete(request: AccountRequest, skill_id: int) -> HttpResponse:
    """R-SKILL-6, R-SKILL-7"""
    require(request, KEY)
    try:
        verbs.delete(request.account.pk, skill_id, by=_by(request))
    except Conflict as refusal:
        return _one(request, skill_id, status_of(refusal), {"notice": words_of(refusal)})
    messages.success(request, _("The skill is deleted."))
    return redirect("routing-skills")


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)
