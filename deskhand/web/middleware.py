"""What every request passes: security headers, the account it works in, and errors in words."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils import timezone, translation

from deskhand.accounts.models import Account, Membership
from deskhand.accounts.policy import viewer_for
from deskhand.accounts.types import Viewer
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError
from deskhand.web import assets
from deskhand.web.jinja import render

Next = Callable[[HttpRequest], HttpResponse]


class AccountRequest(HttpRequest):
    """A request of somebody who is signed in and works in an account."""

    account: Account
    viewer: Viewer


def security_headers(get_response: Next) -> Next:
    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", assets.content_security_policy())
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if request.user.is_authenticated and not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return respond


def account_of_the_request(get_response: Next) -> Next:
    """Work in the signed-in person's account: one transaction, behind its row-level wall.

    Views marked `@streams` open their own scopes. A DeskhandError rolls back and is shown with its status.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not user.is_authenticated or getattr(_view_of(request), "has_no_account", False):
            return get_response(request)
        membership = (
            Membership.objects.select_related("account")
            .filter(user=user, is_active=True)
            .order_by("id")
            .first()
        )
        if membership is None:
            return get_response(request)
        request.account = membership.account  # type: ignore[attr-defined]
        zone = user.zone or membership.account.zone
        with (
            translation.override(user.locale or translation.get_language()),
            timezone.override(ZoneInfo(zone)),
        ):
            return _in_account(request, get_response)

    respond.process_exception = _on_exception  # type: ignore[attr-defined]
    return respond


def _in_account(request: HttpRequest, get_response: Next) -> HttpResponse:
    account_id = request.account.pk  # type: ignore[attr-defined]
    with account_scope(account_id):
        request.viewer = viewer_for(account_id, request.user.pk)  # type: ignore[attr-defined]
        response = get_response(request)
        if getattr(request, "has_failed", False):
            transaction.set_rollback(True)
        return response


def _on_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Nothing of a failed request is kept; what the product itself refuses is answered in words."""
    request.has_failed = True  # type: ignore[attr-defined]
    return answer_error(request, error) if isinstance(error, DeskhandError) else None


def _view_of(request: HttpRequest) -> object:
    from django.urls import Resolver404

    try:
        return resolve(request.path_info).func
    except Resolver404:
        return None


def has_no_account(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Mark a view that must not run inside the account's transaction (streams, files, health)."""
    view.has_no_account = True  # type: ignore[attr-defined]
    return view


def answer_error(request: HttpRequest, error: DeskhandError) -> HttpResponse:
    """Say what went wrong, in words, with the error's own status."""
    status = error.status if error.status < 500 else 503
    template = {403: "errors/403.html", 404: "errors/404.html"}.get(status)
    if template:
        return render(request, template, {"request": request}, status=status)
    return HttpResponse(str(error), status=status, content_type="text/plain; charset=utf-8")
