"""The form of one skill rule: for which tickets, what they need, what they wish (R-SKILL-9, R-SKILL-12, R-SKILL-14)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import Condition
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable, whole
from deskhand.routing import skill_sets as verbs
from deskhand.routing import skills
from deskhand.routing.models import SkillRule
from deskhand.routing.skill_sets import NewRule
from deskhand.web import gone
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.building import Building, ConditionField
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.routing.skills import category_name
from deskhand.web.routing.tabs import require, show

KEY = "rules"
WHEN = "when"  # begins the names of the fields of the condition


@dataclass(frozen=True)
class Typed:
    """A rule as it stands in the form."""

    name: str = ""
    needed: tuple[int, ...] = ()
    wished: tuple[int, ...] = ()
    any_will_do: bool = False


@dataclass(frozen=True)
class RulePage:
    title: str
    action: str
    back_url: str
    set_name: str
    name: str
    when: ConditionField
    needed: tuple[ChoiceGroup, ...]
    wished: tuple[ChoiceGroup, ...]
    any_will_do: bool
    delete_url: str = ""
    problem: str = ""
    errors: tuple[tuple[str, str], ...] = ()

    def error_of(self, field: str) -> str:
        return dict(self.errors).get(field, "")


@require_GET
def new(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    return _show(request, set_id, None, Typed(), _building(request, None))


@require_GET
def one(request: AccountRequest, set_id: int, rule_id: int) -> HttpResponse:
    require(request, KEY)
    rule = verbs.find_rule(request.account.pk, set_id, rule_id)
    typed = Typed(rule.name, tuple(rule.needed_ids), tuple(rule.wished_ids), rule.any_will_do)
    return _show(request, set_id, rule, typed, _building(request, as_json.from_json(rule.condition)))


@require_POST
def add(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    verbs.find(request.account.pk, set_id)
    return _take(request, set_id, None)


@require_POST
def save(request: AccountRequest, set_id: int, rule_id: int) -> HttpResponse:
    require(request, KEY)
    return _take(request, set_id, verbs.find_rule(request.account.pk, set_id, rule_id))


def _take(request: AccountRequest, set_id: int, rule: SkillRule | None) -> HttpResponse:
    """What was typed, once more where a button of the filters was pressed or something is wrong; else it is kept."""
    typed = _typed(request.POST)
    try:
        when = Building.of(_asked(request), WHEN, None, dict(request.POST.lists()))
    except Invalid as refusal:
        return _show(request, set_id, rule, typed, _building(request, None), refusal)
    if do := request.POST.get("redraw"):
        when.press(do)
        return _show(request, set_id, rule, typed, when)
    try:
        given = NewRule(typed.name, when.condition(), typed.needed, typed.wished, typed.any_will_do)
        if rule is None:
            verbs.add_rule(request.account.pk, set_id, given, by=_by(request))
        else:
            verbs.change_rule(request.account.pk, set_id, rule.pk, given, by=_by(request))
    except Invalid as refusal:
        return _show(request, set_id, rule, typed, when, refusal)
    messages.success(request, _("The rule is saved, and holds for tickets from now on."))
    return redirect("skill-rule-set", set_id)


@require_POST
def delete(request: AccountRequest, set_id: int, rule_id: int) -> HttpResponse:
    require(request, KEY)
    verbs.delete_rule(request.account.pk, set_id, rule_id, by=_by(request))
    messages.success(request, _("The rule is deleted."))
    return redirect("skill-rule-set", set_id)


def _asked(request: AccountRequest) -> Asked:
    return Asked(request.viewer, "ticket")


def _building(request: AccountRequest, condition: Condition | None) -> Building:
    return Building(_asked(request), WHEN, condition)


def _typed(form: QueryDict) -> Typed:
    needed, wished = (
        tuple(pk for text in form.getlist(name) if (pk := whole(text)) is not None)
        for name in ("needed", "wished")
    )
    return Typed(storable(form.get("name", "")), needed, wished, form.get("any_will_do") == "1")


def _show(
    request: AccountRequest,
    set_id: int,
    rule: SkillRule | None,
    typed: Typed,
    when: Building,
    refusal: Invalid | None = None,
) -> HttpResponse:
    rule_set = verbs.find(request.account.pk, set_id)
    field = refusal.field if refusal else ""
    known = {"name": "name", "needed": "needed", "wished": "wished", "": "name"}
    wrong = known.get(field, WHEN)  # what is refused of a filter names the filter's own field
    error = words_of(refusal) if refusal else ""
    page = RulePage(
        _("Change rule") if rule else _("New rule"),
        reverse("skill-rule-save", args=[set_id, rule.pk]) if rule else reverse("skill-rule-add", args=[set_id]),
        reverse("skill-rule-set", args=[set_id]), rule_set.name, typed.name,
        when.field(_("Tickets that meet"), error=error if wrong == WHEN else ""),
        _groups(request, typed.needed), _groups(request, typed.wished), typed.any_will_do,
        errors=((wrong, error),) if error else (),
    )  # fmt: skip
    if rule is not None:
        problem = gone.said_of(as_json.from_json(rule.condition), "ticket") or verbs.problem_of(rule)
        delete_url = reverse("skill-rule-delete", args=[set_id, rule.pk])
        page = replace(page, problem=problem, delete_url=delete_url)
    return show(request, KEY, "rule", status_of(refusal) if refusal else 200, page=page)


def _groups(request: AccountRequest, chosen: Collection[int]) -> tuple[ChoiceGroup, ...]:
    return tuple(
        ChoiceGroup(
            category_name(one),
            tuple(Choice(str(skill.id), skill.name, skill.id in chosen) for skill in one.skills),
        )
        for one in skills.categories(request.account.pk) if one.skills
    )  # fmt: skip


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)
