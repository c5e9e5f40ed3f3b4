"""What every request passes: security headers, the account it works in, and errors in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from deskhand.accounts import sessions
from deskhand.accounts.models import Account, User
from deskhand.accounts.policy import viewer_for
from deskhand.accounts.types import Viewer
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, Invalid, Limited
from deskhand.web import assets

Next = Callable[[HttpRequest], HttpResponse]
AnyView = TypeVar("AnyView", bound=Callable[..., Any])


class AccountRequest(HttpRequest):
    """A request of somebody who is signed in and works in an account."""

    user: User
    account: Account
    viewer: Viewer
    has_failed: bool


def security_headers(get_response: Next) -> Next:
    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", assets.content_security_policy())
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if not request.path.startswith(settings.STATIC_URL):
            headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return respond


def for_everybody(view: AnyView) -> AnyView:
    """Mark a view that needs nobody signed in and works in no account."""
    view.login_required = False  # type: ignore[attr-defined]  # Django's own mark, allauth sets it too
    return view


def holds_no_transaction(view: AnyView) -> AnyView:
    """Mark a view that waits for other servers: it opens the account's scope itself, and answers its own refusals."""
    view.opens_own_scope = True  # type: ignore[attr-defined]
    return view


def account_of_the_request(get_response: Next) -> Next:
    """Work in the signed-in person's account: one transaction, behind its row-level wall.

    A DeskhandError rolls back and is shown with its status. Who is not signed in is asked to.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        if not _needs_account(request):
            return get_response(request)
        user = request.user
        member = sessions.membership(request.session, user.pk) if isinstance(user, User) else None
        if member is None:
            return _ask_to_sign_in(request)
        request.account = member.account  # type: ignore[attr-defined]
        assert isinstance(user, User)
        language = user.locale or member.account.locale or translation.get_language()
        with translation.override(language), timezone.override(ZoneInfo(user.zone or member.account.zone)):
            response = _in_account(request, get_response)
            response.headers.setdefault("Content-Language", translation.get_language() or language)
            return response

    respond.process_exception = _on_exception  # type: ignore[attr-defined]
    return respond


def _needs_account(request: HttpRequest) -> bool:
    """Unknown addresses too: whether something is there is nobody's business who is not signed in."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return request.user.is_authenticated
    return bool(getattr(view, "login_required", True))


def _ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Pages lead to the sign-in and back; parts of pages and changes that a script sends are refused."""
    if request.user.is_authenticated:
        logout(request)  # the last membership is gone
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(_("You are signed out."), status=401, content_type="text/plain; charset=utf-8")
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")


class _Undo(Exception):
    """Carries the answer out of a transaction that must not be kept."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response


def _opens_own_scope(request: HttpRequest) -> bool:
    """See `holds_no_transaction`; what no address names is told of in the frame, as everything else."""
    try:
        return bool(getattr(resolve(request.path_info).func, "opens_own_scope", False))
    except Resolver404:
        return False


def _in_account(request: HttpRequest, get_response: Next) -> HttpResponse:
    account_id, user_id = request.account.pk, request.user.pk  # type: ignore[attr-defined]
    assert user_id is not None
    if _opens_own_scope(request):
        request.viewer = viewer_for(account_id, user_id)  # type: ignore[attr-defined]
        return get_response(request)
    try:
        with account_scope(account_id):
            request.viewer = viewer_for(account_id, user_id)  # type: ignore[attr-defined]
            response = get_response(request)
            if getattr(request, "has_failed", False):
                raise _Undo(response)
            return response
    except _Undo as undo:
        return undo.response


def _on_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Nothing of a failed request is kept; what the product itself refuses is answered in words."""
    request.has_failed = True  # type: ignore[attr-defined]
    return answer_error(request, error) if isinstance(error, DeskhandError) else None


def answer_error(request: HttpRequest, error: DeskhandError) -> HttpResponse:
    """Say what went wrong, in words, with the error's own status."""
    from deskhand.web.errors import problem_page

    status = error.status if error.status < 500 else 503
    response = problem_page(request, status, _words(error))
    if isinstance(error, Limited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _words(error: DeskhandError) -> str:
    """What was said without knowing the reader's language is put into it here; the rest is in it already."""
    return f"{_(error.message)} {_(error.hint)}".strip() if isinstance(error, Invalid) else _(str(error))
