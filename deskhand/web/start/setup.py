"""The first account, made with the link that the terminal printed. Nobody is signed in here; the link is all that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import addresses, first_run, sessions
from deskhand.accounts.first_run import FirstRun
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, DeskhandError, Invalid, Limited, NotFound
from deskhand.routing import availability
from deskhand.routing.types import Status
from deskhand.web.choices import Choice, languages, zones
from deskhand.web.jinja import render
from deskhand.web.middleware import answer_error, for_everybody
from deskhand.web.people import reading
from deskhand.web.refusals import words_of


@dataclass(frozen=True)
class SetUpForm:
    """What was typed; the password is not among it."""

    company: str
    name: str
    email: str
    zones: tuple[Choice, ...]
    locales: tuple[Choice, ...]
    guesses_zone: bool
    errors: Mapping[str, str] = field(default_factory=dict)


@for_everybody
@never_cache
@require_GET
def form(request: HttpRequest, token: str) -> HttpResponse:
    if (over := _refusal(request, token)) is not None:
        return over
    return _page(request, token, FirstRun("", "", translation.get_language() or "en", "", "", ""))


def _refusal(request: HttpRequest, token: str) -> HttpResponse | None:
    """The answer to a wrong token, and to too many of them."""
    try:
        first_run.check(token, addresses.of_request(request))
    except Limited as wait:
        return answer_error(request, wait)
    except NotFound:
        return render(request, "start/over.html", status=404)
    return None


def _page(
    request: HttpRequest, token: str, typed: FirstRun, errors: Mapping[str, str] | None = None
) -> HttpResponse:
    shown = SetUpForm(
        company=typed.company,
        name=typed.name,
        email=typed.email,
        zones=zones(typed.zone or "UTC"),
        locales=languages(typed.locale),
        guesses_zone=not typed.zone,
        errors=errors or {},
    )
    context = {"form": shown, "token": token}
    return render(request, "start/setup.html", context, status=422 if errors else 200)


@for_everybody
@never_cache
@require_POST
def create(request: HttpRequest, token: str) -> HttpResponse:
    if (over := _refusal(request, token)) is not None:
        return over
    typed = FirstRun(
        **{name: reading.plain(request.POST.get(name, "")) for name in ("company", "zone", "locale", "name", "email")},
        password=request.POST.get("password", ""),
    )  # fmt: skip
    try:
        account, user = first_run.set_up(token, typed)
    except (Invalid, Conflict) as refusal:
        return _page(request, token, typed, _errors(refusal))
    except NotFound:
        return render(request, "start/over.html", status=404)
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    sessions.choose(request.session, user.pk, account.pk)
    availability.set_by_hand(account.pk, user.pk, Status.AVAILABLE, by=Actor.user(user.pk))
    return redirect("start")


def _errors(refusal: DeskhandError) -> Mapping[str, str]:
    if not isinstance(refusal, Invalid):
        return {"email": str(refusal)}
    if refusal.field == "company":
        return {"company": _("A name has 1 to 200 characters.")}
    return {refusal.field: words_of(refusal)}
