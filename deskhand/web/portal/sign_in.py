"""Coming in by a mailed link, and going out again (R-POR-6)."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from deskhand.accounts import addresses
from deskhand.channels.portal import signing_in
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable, whole
from deskhand.web.jinja import render
from deskhand.web.portal import door
from deskhand.web.portal.door import PortalRequest, for_anybody
from deskhand.web.portal.rows import LinkPage, SignInPage
from deskhand.web.refusals import words_of


@partial(for_anybody, keeps_scope=False)
@require_http_methods(["GET", "POST"])
def ask(request: PortalRequest) -> HttpResponse:
    """Asks for an address. What is answered, and how long it takes, does not depend on whether it is known."""
    if hasattr(request, "visitor"):
        return redirect(request.portal_frame.home_url)
    if request.method == "GET":
        wanted = whole(request.GET.get("request", ""))
        return _page(request, str(wanted or ""), is_sent="sent" in request.GET)
    wanted = whole(request.POST.get("request", ""))
    email = storable(request.POST.get("email", "")).strip()[:320]
    try:
        signing_in.ask(
            request.account, email, network=addresses.of_request(request), link_to=_link_of(request),
            now=clock.now(), ticket_id=wanted,
        )  # fmt: skip
    except Invalid as refusal:
        return _page(request, str(wanted or ""), email, error=words_of(refusal))
    return redirect(f"{request.portal_frame.sign_in_url}?sent")


def _page(
    request: PortalRequest, wanted: str, email: str = "", *, is_sent: bool = False, error: str = ""
) -> HttpResponse:
    said = ngettext(
        "If this address may sign in here, a link is on its way to it. It works once, and for %(num)s minute.",
        "If this address may sign in here, a link is on its way to it. It works once, and for %(num)s minutes.",
        signing_in.MINUTES,
    ) % {"num": signing_in.MINUTES}
    page = SignInPage(request.portal_frame.sign_in_url, email, wanted, said if is_sent else "", error)
    context = {"portal": request.portal_frame, "page": page}
    return render(request, "portal/sign_in.html", context, status=422 if error else 200)


def _link_of(request: PortalRequest) -> signing_in.LinkTo:
    """Links in mails go to the address we are configured with, never to the one a request claims (Host)."""
    slug = request.account.slug
    return lambda link_id, signature: (
        settings.SITE_URL + reverse("portal-link", args=[slug, link_id, signature])
    )


@for_anybody
@require_http_methods(["GET", "POST"])
def enter(request: PortalRequest, link_id: int, signature: str) -> HttpResponse:
    """GET changes nothing: programs that look at mails follow its links."""
    now = clock.now()
    if request.method == "GET":
        link = signing_in.find(request.account.pk, link_id, signature, now)
        page = LinkPage(request.path, link.email)
        return render(request, "portal/enter.html", {"portal": request.portal_frame, "page": page})
    entered = signing_in.enter(request.account.pk, link_id, signature, now)
    slug = request.account.slug
    url = (
        reverse("portal-request", args=[slug, entered.ticket_id])
        if entered.ticket_id
        else request.portal_frame.home_url
    )
    response = redirect(url)
    door.give_cookie(request, response, entered.token)
    return response


@for_anybody
@require_POST
def leave(request: PortalRequest) -> HttpResponse:
    signing_in.leave(request.account.pk, request.COOKIES.get(door.COOKIE, ""))
    response = redirect(request.portal_frame.sign_in_url)
    door.take_cookie(request, response)
    return response
