"""Joining by the link of an invitation. Nobody is signed in here; the link is all that counts."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import invitations, sessions
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.web.jinja import render
from deskhand.web.middleware import for_everybody
from deskhand.web.refusals import words_of


def invitation_url(member_id: int, signature: str) -> str:
    """The address that stands in the mail: on the host that is configured, never the one a request claims."""
    return settings.SITE_URL + reverse("invitation", args=[member_id, signature])


@for_everybody
@never_cache
@require_GET
def invitation(request: HttpRequest, member_id: int, signature: str) -> HttpResponse:
    return _page(request, member_id, signature)


def _page(
    request: HttpRequest, member_id: int, signature: str, error: str = "", status: int = 200
) -> HttpResponse:
    try:
        member = invitations.find(member_id, signature, clock.now())
    except NotFound:
        return render(request, "people/join_over.html", {}, status=404)
    context = {
        "account": member.account.name,
        "email": member.user.email,
        "needs_password": invitations.needs_password(member),
        "action": reverse("invitation-accept", args=[member_id, signature]),
        "error": error,
    }
    return render(request, "people/join.html", context, status=status)


@for_everybody
@never_cache
@require_POST
def accept(request: HttpRequest, member_id: int, signature: str) -> HttpResponse:
    """Who sets a first password is signed in with it; who has one signs in as always."""
    password = request.POST.get("password", "")
    try:
        account_id = invitations.find(member_id, signature, clock.now()).account_id
        is_new = invitations.needs_password(invitations.find(member_id, signature, clock.now()))
        user = invitations.accept(member_id, signature, password=password, now=clock.now())
    except NotFound:
        return render(request, "people/join_over.html", {}, status=404)
    except Invalid as weak:
        return _page(request, member_id, signature, words_of(weak), 422)
    if not is_new:
        messages.success(request, _("You have joined. Sign in as you always do."))
        return redirect("account_login")
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    sessions.choose(request.session, user.pk, account_id)
    return redirect("/")
