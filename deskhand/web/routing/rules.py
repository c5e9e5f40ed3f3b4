"""Sets of skill rules, and the rules of one in their order (R-SKILL-9 … R-SKILL-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.filters import as_json
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import storable
from deskhand.routing import skill_sets as verbs
from deskhand.routing import skills
from deskhand.routing.models import SkillRule
from deskhand.web import gone
from deskhand.web.choices import joined
from deskhand.web.filters.asked import Asked
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import forms
from deskhand.web.refusals import status_of, words_of
from deskhand.web.routing.tabs import require, show

KEY = "rules"


@dataclass(frozen=True)
class SetLine:
    name: str
    url: str
    rules: str
    channels: str


@dataclass(frozen=True)
class RuleLine:
    """`asks` is what it needs and wishes; `problem` says why it is passed over."""

    key: str
    name: str
    url: str
    when: str
    asks: str
    problem: str = ""


@dataclass(frozen=True)
class SetPage:
    id: int
    name: str
    rules: tuple[RuleLine, ...]
    channels: str
    is_followed: bool
    copy_name: str
    error: str = ""
    error_field: str = ""
    typed: str = ""


# ── the sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def overview(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    return _overview(request)


def _overview(request: AccountRequest, status: int = 200, new: str = "", error: str = "") -> HttpResponse:
    account_id = request.account.pk
    found = verbs.sets(account_id)
    ids = [one.pk for one in found]
    rules, channels = (
        verbs.rules_of(account_id, ids),
        _names(account_id, verbs.channels_following(account_id, ids)),
    )
    lines = tuple(
        SetLine(one.name, reverse("skill-rule-set", args=[one.pk]), _how_many(len(rules.get(one.pk, ()))), _followed(channels.get(one.pk, ())))
        for one in found
    )  # fmt: skip
    return show(request, KEY, "rules", status, lines=lines, new=new, error=error)


def _how_many(count: int) -> str:
    return ngettext("%(num)s rule", "%(num)s rules", count) % {"num": count}


def _names(account_id: int, following: Mapping[int, Sequence[int]]) -> dict[int, list[str]]:
    """Of the channels that follow sets. One query."""
    ids = {pk for found in following.values() for pk in found}
    names = dict(ChannelAccount.objects.filter(account_id=account_id, pk__in=ids).values_list("pk", "name"))
    return {set_id: [names[pk] for pk in found if pk in names] for set_id, found in following.items()}


def _followed(channels: Sequence[str]) -> str:
    return (
        _("Followed by %(channels)s") % {"channels": joined(channels)}
        if channels
        else _("No channel follows it yet")
    )


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        made = verbs.create(request.account.pk, typed, by=_by(request))
    except Invalid as refusal:
        return _overview(request, status_of(refusal), typed, words_of(refusal))
    return redirect("skill-rule-set", made.pk)


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def one(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    return _one(request, set_id)


def _one(
    request: AccountRequest,
    set_id: int,
    status: int = 200,
    *,
    error: str = "",
    field: str = "",
    typed: str = "",
) -> HttpResponse:
    account_id = request.account.pk
    found = verbs.find(account_id, set_id)
    rules = verbs.rules_of(account_id, [set_id]).get(set_id, [])
    names = {skill.id: skill.name for category in skills.categories(account_id) for skill in category.skills}
    asked = Asked(request.viewer, "ticket")
    following = verbs.channels_following(account_id, [set_id])
    channels = _names(account_id, following).get(set_id, ())
    page = SetPage(
        found.pk, found.name, tuple(_line(rule, asked, names) for rule in rules), _followed(channels),
        bool(following), _("%(name)s (copy)") % {"name": found.name},
        error, field, typed,
    )  # fmt: skip
    return show(request, KEY, "rule_set", status, page=page)


def _line(rule: SkillRule, asked: Asked, names: Mapping[int, str]) -> RuleLine:
    condition = as_json.from_json(rule.condition)
    url = reverse("skill-rule", args=[rule.rule_set_id, rule.pk])
    problem = gone.said_of(condition, "ticket") or verbs.problem_of(rule)
    return RuleLine(str(rule.pk), rule.name, url, asked.in_words(condition), asks(rule, names), problem)


def asks(rule: SkillRule, names: Mapping[int, str]) -> str:
    """What a rule asks for: «needs German and Billing, wishes Returns»."""
    needed = [names[pk] for pk in rule.needed_ids if pk in names]
    wished = [names[pk] for pk in rule.wished_ids if pk in names]
    parts = []
    if needed:
        said = _("needs one of %(skills)s") if rule.any_will_do and len(needed) > 1 else _("needs %(skills)s")
        parts.append(said % {"skills": joined(needed)})
    if wished:
        parts.append(_("wishes %(skills)s") % {"skills": joined(wished)})
    return "; ".join(parts)


@require_POST
def save(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        verbs.rename(request.account.pk, set_id, typed, by=_by(request))
    except Invalid as refusal:
        return _one(request, set_id, status_of(refusal), error=words_of(refusal), field="name", typed=typed)
    messages.success(request, _("The skill rules are saved."))
    return redirect("skill-rule-set", set_id)


@require_POST
def order(request: AccountRequest, set_id: int) -> HttpResponse:
    """All rules in the order of the page (R-SKILL-11)."""
    require(request, KEY)
    verbs.find(request.account.pk, set_id)
    try:
        rows = forms.moved(forms.rows(request.POST, (), first=""), request.POST.get("move", ""))
    except Invalid as refusal:
        return _one(request, set_id, status_of(refusal), error=words_of(refusal), field="row")
    verbs.order(request.account.pk, set_id, [row.id for row in rows if row.id is not None], by=_by(request))
    messages.success(request, _("The order is saved."))
    return redirect("skill-rule-set", set_id)


@require_POST
def copy(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    typed = storable(request.POST.get("name", ""))
    try:
        made = verbs.copy(request.account.pk, set_id, typed, by=_by(request))
    except Invalid as refusal:
        return _one(request, set_id, status_of(refusal), error=words_of(refusal), field="copy", typed=typed)
    messages.success(request, _("This is the copy. No channel follows it yet."))
    return redirect("skill-rule-set", made.pk)


@require_POST
def delete(request: AccountRequest, set_id: int) -> HttpResponse:
    require(request, KEY)
    try:
        verbs.delete(request.account.pk, set_id, by=_by(request))
    except Conflict as refusal:
        return _one(request, set_id, status_of(refusal), error=words_of(refusal), field="delete")
    messages.success(request, _("The skill rules are deleted."))
    return redirect("skill-rules")


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)
