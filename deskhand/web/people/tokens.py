"""API tokens: which there are, a new one that is shown once, and ending one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy, queries, tokens
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import TokenRow
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.frame import framed
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import reading
from deskhand.web.people.rows import TokenForm, TokenLine, TokensPage

SHOWN = 50
DAYS = (30, 90, 365)
#: How the scopes are gathered: those that begin so stand under this heading; the first that fits.
GROUPS = (
    ("tickets", gettext_lazy("Help desk")),
    ("conversations.", gettext_lazy("Help desk")),
    ("crm.objects.", gettext_lazy("Records")),
    ("crm.lists.", gettext_lazy("Records")),
    ("crm.schemas.", gettext_lazy("What records are made of")),
    ("settings.", gettext_lazy("Settings")),
    ("", gettext_lazy("More")),
)


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TOKENS)
    found = queries.tokens(
        request.viewer.account_id, before=reading.number(request.GET, "before"), limit=SHOWN + 1
    )
    now = clock.now()
    page = TokensPage(
        lines=tuple(_line(token, now) for token in found[:SHOWN]),
        more_url=f"{reverse('tokens')}?before={found[SHOWN - 1].id}" if len(found) > SHOWN else "",
    )
    return _render(request, "tokens", page)


def _line(token: TokenRow, now: datetime) -> TokenLine:
    is_over = token.expires_at is not None and token.expires_at <= now
    state = Label(_("Revoked")) if token.revoked_at else Label(_("Expired"), "amber") if is_over else None
    return TokenLine(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        acts_as=token.user_name or _("The account"),
        scopes=tuple(token.scopes),
        scope_count=ngettext("%(num)s scope", "%(num)s scopes", len(token.scopes))
        % {"num": len(token.scopes)},
        created_at=token.created_at,
        used_at=token.last_used_at,
        expires_at=token.expires_at,
        state=state,
        revoke_url="" if token.revoked_at else reverse("token-revoke", args=[token.id]),
    )


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TOKENS)
    return _render(request, "token_new", _form(request))


def _form(request: AccountRequest) -> TokenForm:
    given = request.POST
    chosen, user, days = given.getlist("scopes"), given.get("user", ""), given.get("days", str(DAYS[1]))
    people = queries.members(request.viewer.account_id)
    return TokenForm(
        name=reading.plain(given.get("name", "")),
        users=(
            Choice("", _("The account, within its scopes"), not user),
            *(Choice(str(one.user_id), one.name, str(one.user_id) == user) for one in people),
        ),
        days=(
            *(
                Choice(str(n), ngettext("%(num)s day", "%(num)s days", n) % {"num": n}, days == str(n))
                for n in DAYS
            ),
            Choice("never", _("Never"), days == "never"),
        ),
        groups=_groups(chosen),
    )


def _groups(chosen: list[str]) -> tuple[ChoiceGroup, ...]:
    found: dict[str, list[Choice]] = {str(label): [] for _start, label in GROUPS}
    for scope in sorted(tokens.SCOPES):
        label = next(str(label) for start, label in GROUPS if scope.startswith(start))
        found[label].append(Choice(scope, scope, scope in chosen))
    return tuple(ChoiceGroup(label, tuple(choices)) for label, choices in found.items())


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    """The answer itself shows the secret: nothing keeps it, so it can't be shown a second time."""
    policy.require(request.viewer, Action.EDIT_TOKENS)
    form = _form(request)
    try:
        token, secret = tokens.create(
            request.viewer.account_id,
            name=form.name,
            scopes=request.POST.getlist("scopes"),
            user_id=_user(request),
            expires_at=_expiry(request),
            by=Actor.user(request.user.pk),
        )
    except (Invalid, NotFound) as refusal:
        field = refusal.field if isinstance(refusal, Invalid) else "user"
        said = refusal.message if isinstance(refusal, Invalid) else str(refusal)
        return _render(request, "token_new", replace(form, errors={field: said}), 422)
    response = _render(request, "token_made", {"name": token.name, "secret": secret})
    response.headers["Cache-Control"] = "no-store"
    return response


def _user(request: AccountRequest) -> int | None:
    text = request.POST.get("user", "")
    user_id = whole(text)
    if text and user_id is None:
        raise Invalid(_("This choice is not there any more."), field="user", value=text)
    return user_id


def _expiry(request: AccountRequest) -> datetime | None:
    text = request.POST.get("days", "")
    if text == "never":
        return None
    if text not in {str(one) for one in DAYS}:
        raise Invalid(_("This choice is not there any more."), field="days", value=text)
    return clock.now() + timedelta(days=int(text))


@require_POST
def revoke(request: AccountRequest, token_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TOKENS)
    tokens.revoke(request.viewer.account_id, token_id, by=Actor.user(request.user.pk))
    messages.success(request, _("The token is revoked, and refused from now on."))
    return redirect("tokens")


def _render(request: AccountRequest, template: str, page: object, status: int = 200) -> HttpResponse:
    return framed(request, "tokens", f"people/{template}.html", {"page": page}, status)
