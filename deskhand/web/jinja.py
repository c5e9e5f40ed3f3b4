"""The Jinja2 environment of the pages: strict names, translations, icons, times."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from jinja2 import Environment, StrictUndefined

from deskhand.accounts import first_run
from deskhand.web import assets, times
from deskhand.web.icons import icon
from deskhand.web.shell import Shell


def environment(**options: Any) -> Environment:
    """Build the environment. A name that the view did not give is an error, not an empty place."""
    options["undefined"] = StrictUndefined
    made = Environment(
        **options, extensions=["jinja2.ext.i18n", "jinja2.ext.do"], trim_blocks=True, lstrip_blocks=True
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        translation.gettext,
        translation.ngettext,
        newstyle=True,
        pgettext=translation.pgettext,
        npgettext=translation.npgettext,
    )
    made.policies["ext.i18n.trimmed"] = True
    made.globals.update(
        static=static,
        url=reverse,
        icon=icon,
        import_map=assets.import_map,
        preload=assets.preload,
        stylesheet_url=lambda: static(assets.STYLESHEET),
        language=lambda: translation.get_language() or "en",
        theme_of=theme_of,
        own_shell=own_shell,
        nobody_yet=first_run.is_open,
        sign_in_providers=sign_in_providers,
    )
    made.filters.update(ago=times.ago, moment=times.moment, absolute=times.absolute, iso=times.iso)
    return made


def theme_of(request: HttpRequest | None) -> str:
    """Return light or dark as the cookie says, or nothing: the system decides."""
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in ("light", "dark") else ""


def own_shell(request: HttpRequest) -> Shell:
    """The frame of the pages that the sign-in library shows to who is signed in."""
    from deskhand.web.frame import shell

    return shell(request, area="own")  # type: ignore[arg-type]  # these pages ask for an account


def sign_in_providers(request: HttpRequest) -> list[SimpleNamespace]:
    """The ways in through somebody else, by name and address (single sign-on)."""
    from allauth.socialaccount.adapter import get_adapter

    found = get_adapter().list_providers(request)
    return [SimpleNamespace(name=one.name, url=one.get_login_url(request)) for one in found]


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Answer with a page or a fragment; caches keep the two apart."""
    answer = HttpResponse(render_to_string(template, context, request), status=status)
    patch_vary_headers(answer, ("HX-Request",))
    return answer


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Lead to another page, also from a part of one."""
    return HttpResponse(headers={"HX-Redirect": url}) if wants_fragment(request) else redirect(url)


def wants_fragment(request: HttpRequest) -> bool:
    """Say whether htmx asks for a part. Going back in history asks for the whole page again."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"
