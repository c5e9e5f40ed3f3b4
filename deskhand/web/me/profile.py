"""The profile: name, language, time zone, looks, shortcuts, and what follows closing a ticket."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import users
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, languages, offered, zones
from deskhand.web.frame import framed
from deskhand.web.me.views import keep_theme
from deskhand.web.middleware import AccountRequest


@dataclass(frozen=True)
class ProfileForm:
    name: str
    email: str
    languages: tuple[Choice, ...]
    zones: tuple[Choice, ...]
    themes: tuple[Choice, ...]
    after_close: tuple[Choice, ...]
    has_shortcuts: bool
    wrong: str = ""  # the field that was refused
    problem: str = ""


@require_GET
def profile(request: AccountRequest) -> HttpResponse:
    user = request.user
    given = {
        "name": user.name,
        "locale": user.locale,
        "zone": user.zone,
        "theme": user.theme or "auto",
        "after_close": user.after_close,
        "shortcuts": "1" if user.has_shortcuts else "",
    }
    return _show(request, given)


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    given = {
        name: request.POST.get(name, "").strip()
        for name in ("name", "locale", "zone", "theme", "after_close", "shortcuts")
    }
    try:
        users.set_profile(
            request.user.pk or 0,
            name=given["name"],
            locale=given["locale"],
            zone=given["zone"],
            has_shortcuts=given["shortcuts"] == "1",
            after_close=given["after_close"] or "next",
        )
    except Invalid as refusal:
        return _show(request, given, refusal, status=422)
    with translation.override(given["locale"] or request.account.locale):
        messages.info(request, _("Saved"))
    return keep_theme(request, redirect("profile"), given["theme"] or "auto")


def _show(
    request: AccountRequest, given: dict[str, str], refusal: Invalid | None = None, status: int = 200
) -> HttpResponse:
    form = ProfileForm(
        name=given["name"],
        email=request.user.email,
        languages=(
            Choice("", _("As the account: %(language)s") % {"language": _language(request.account.locale)}, not given["locale"]),
            *languages(given["locale"]),
        ),
        zones=(
            Choice("", _("As the account: %(zone)s") % {"zone": request.account.zone}, not given["zone"]),
            *zones(given["zone"]),
        ),
        themes=offered(
            {"auto": _("Theme of the system"), "light": _("Light"), "dark": _("Dark")}, given["theme"]
        ),
        after_close=offered(
            {
                "next": _("Go to the next ticket"),
                "stay": _("Stay on the ticket"),
                "list": _("Go back to the list"),
            },
            given["after_close"],
        ),
        has_shortcuts=given["shortcuts"] == "1",
        wrong=refusal.field or "" if refusal else "",
        problem=str(refusal) if refusal else "",
    )  # fmt: skip
    return framed(request, "profile", "me/profile.html", {"form": form}, status)


def _language(code: str) -> str:
    return str(dict(settings.LANGUAGES).get(code, code))
