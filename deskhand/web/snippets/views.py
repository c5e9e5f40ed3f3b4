"""The texts that agents put into what they write: their list, and the form of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import Team, User
from deskhand.accounts.policy import Action
from deskhand.desk import fillings, snippets
from deskhand.desk.models import Audience, Snippet
from deskhand.desk.snippets import NewSnippet
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

AUDIENCES = {
    Audience.PRIVATE: gettext_lazy("Only me"),
    Audience.TEAM: gettext_lazy("My team"),
    Audience.EVERYONE: gettext_lazy("Everyone"),
}


@dataclass(frozen=True)
class Row:
    name: str
    shortcut: str
    preview: str
    audience: str
    by: str
    url: str  # empty: only to be used


@dataclass(frozen=True)
class Form:
    title: str
    action: str
    name: str
    shortcut: str
    body: str
    audiences: tuple[Choice, ...]
    teams: tuple[Choice, ...]
    tokens: tuple[tuple[str, str], ...]  # as written, and what it is
    errors: Mapping[str, str]
    delete_url: str = ""


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found, following = snippets.page(request.viewer, request.GET.get("after", ""))
    more = f"{reverse('snippets')}?{urlencode({'after': following})}" if following else ""
    return _page(request, "snippets/index.html", {"rows": _rows(request, found), "more_url": more})


def _page(
    request: AccountRequest, template: str, context: dict[str, object], status: int = 200
) -> HttpResponse:
    return framed(request, "snippets", template, context, status)


def _rows(request: AccountRequest, found: Sequence[Snippet]) -> list[Row]:
    teams = dict(_teams(request).values_list("pk", "name"))
    names = dict(User.objects.filter(pk__in={s.owner_id for s in found}).values_list("pk", "name"))
    return [
        Row(
            name=s.name, shortcut=f"/{s.shortcut}", preview=" ".join(s.body.split())[:160],
            audience=teams.get(s.team_id or 0, "") if s.audience == Audience.TEAM else str(AUDIENCES[Audience(s.audience)]),
            by="" if s.owner_id == request.viewer.user_id else names.get(s.owner_id, ""),
            url=reverse("snippet", args=[s.pk]) if snippets.may_change(request.viewer, s) else "",
        )
        for s in found
    ]  # fmt: skip


def _teams(request: AccountRequest) -> QuerySet[Team]:
    return Team.objects.filter(account_id=request.viewer.account_id).order_by("name", "id")


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return _form(request, NewSnippet("", "", request.GET.get("body", "")[: snippets.BODY_LIMIT]))


@require_GET
def edit(request: AccountRequest, snippet_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = snippets.get(request.viewer, snippet_id)
    if not snippets.may_change(request.viewer, found):
        return redirect("snippets")
    kept = NewSnippet(found.name, found.shortcut, found.body, found.audience, found.team_id)
    return _form(request, kept, snippet_id)


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    typed = _typed(request.POST)
    try:
        with attempt():
            made = snippets.create(request.viewer, typed)
    except Invalid as refusal:
        return _form(request, typed, refusal=refusal)
    return _done(request, _("%(name)s was created.") % {"name": made.name})


@require_POST
def save(request: AccountRequest, snippet_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    typed = _typed(request.POST)
    try:
        with attempt():
            saved = snippets.change(request.viewer, snippet_id, typed)
    except Invalid as refusal:
        return _form(request, typed, snippet_id, refusal)
    return _done(request, _("%(name)s was saved.") % {"name": saved.name})


@require_POST
def delete(request: AccountRequest, snippet_id: int) -> HttpResponse:
    gone = snippets.delete(request.viewer, snippet_id)
    return _done(request, _("%(name)s was deleted.") % {"name": gone.name})


def _done(request: AccountRequest, text: str) -> HttpResponse:
    messages.info(request, text)
    return redirect("snippets")


def _typed(form: QueryDict) -> NewSnippet:
    team = form.get("team", "")
    name, shortcut, body, audience = (
        str(form.get(field, "")) for field in ("name", "shortcut", "body", "audience")
    )
    return NewSnippet(name, shortcut, body, audience, whole(team))


def _form(
    request: AccountRequest, typed: NewSnippet, snippet_id: int | None = None, refusal: Invalid | None = None
) -> HttpResponse:
    may_all = policy.can(request.viewer, Action.EDIT_ACCOUNT)
    teams = _teams(request)
    offered = [
        (team.pk, team.name)
        for team in teams
        if may_all or team.pk in request.viewer.team_ids or team.pk == typed.team_id
    ]
    audiences = [one for one in Audience if one != Audience.TEAM or offered]
    place = [snippet_id] if snippet_id else []
    form = Form(
        title=_("Edit snippet") if snippet_id else _("New snippet"),
        action=reverse("snippet-save" if snippet_id else "snippet-create", args=place),
        name=typed.name, shortcut=typed.shortcut, body=typed.body,
        audiences=tuple(Choice(a.value, str(AUDIENCES[a]), a.value == typed.audience) for a in audiences),
        teams=tuple(Choice(str(pk), name, pk == typed.team_id) for pk, name in offered),
        tokens=tuple((f"{{{{ {key} }}}}", str(label)) for key, label in fillings.LABELS.items()),
        errors={refusal.field: words_of(refusal)} if refusal else {},
        delete_url=reverse("snippet-delete", args=place) if snippet_id else "",
    )  # fmt: skip
    return _page(request, "snippets/form.html", {"form": form}, 422 if refusal else 200)
