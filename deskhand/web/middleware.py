"""What every request passes: security headers, the account it works in, and errors in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from deskhand.accounts import sessions
from deskhand.accounts.models import Account, Membership, User
from deskhand.accounts.policy import viewer_for
from deskhand.accounts.types import Viewer
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, Limited
from deskhand.web import assets, errors
from deskhand.web.refusals import words_of

#: The database does not answer, or not in time.
AWAY = (OperationalError, InterfaceError)
Next = Callable[[HttpRequest], HttpResponse]
AnyView = TypeVar("AnyView", bound=Callable[..., Any])


class AccountRequest(HttpRequest):
    """A request of somebody who is signed in and works in an account."""

    user: User
    account: Account
    member: Membership
    viewer: Viewer
    began: datetime  # before anything was read: what the page shows is true since then


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


def keeping_writes(refusal: HttpResponse) -> HttpResponse:
    """Mark a refusal that leaves something behind. All other answers of 400 and more change nothing."""
    refusal.keeps_writes = True  # type: ignore[attr-defined]
    return refusal


def holds_no_transaction(view: AnyView) -> AnyView:
    """Mark a view that waits for other servers: it opens the account's scope itself, and answers its own refusals."""
    view.opens_own_scope = True  # type: ignore[attr-defined]
    return view


def account_of_the_request(get_response: Next) -> Next:
    """Work in the signed-in person's account: one transaction, behind its row-level wall.

    What answers 400 or more changes nothing; a DeskhandError is shown with its status. Who is not signed in is asked to.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        try:
            return working(request)
        except AWAY as failure:
            return errors.database_away(request, failure)

    def working(request: HttpRequest) -> HttpResponse:
        view = _view_of(request)
        # Unknown addresses too: whether something is there is nobody's business who is not signed in.
        needs_account = (
            request.user.is_authenticated if view is None else getattr(view, "login_required", True)
        )
        if not needs_account:
            return _in_words(request, get_response(request))
        user = request.user
        member = sessions.membership(request.session, user.pk) if isinstance(user, User) else None
        if member is None:
            return _ask_to_sign_in(request)
        request.account, request.member = member.account, member  # type: ignore[attr-defined]
        request.began = clock.now()  # type: ignore[attr-defined]
        assert isinstance(user, User)
        language = user.locale or member.account.locale or translation.get_language()
        with translation.override(language), timezone.override(ZoneInfo(user.zone or member.account.zone)):
            response = _in_account(request, get_response, view)
            response.headers.setdefault("Content-Language", translation.get_language() or language)
            return response

    respond.process_exception = _on_exception  # type: ignore[attr-defined]
    return respond


def _view_of(request: HttpRequest) -> Callable[..., Any] | None:
    try:
        return resolve(request.path_info).func
    except Resolver404:
        return None


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


def _in_account(request: HttpRequest, get_response: Next, view: Callable[..., Any] | None) -> HttpResponse:
    account_id, user_id = request.account.pk, request.user.pk  # type: ignore[attr-defined]
    assert user_id is not None
    if getattr(view, "opens_own_scope", False):
        request.viewer = viewer_for(account_id, user_id)  # type: ignore[attr-defined]
        return get_response(request)
    try:
        with account_scope(account_id):
            request.viewer = viewer_for(account_id, user_id)  # type: ignore[attr-defined]
            response = _in_words(request, get_response(request))
            if response.status_code >= 400 and not _keeps_writes(view, response):
                raise _Undo(response)
            return response
    except _Undo as undo:
        return undo.response


def _keeps_writes(view: Callable[..., Any] | None, response: HttpResponse) -> bool:
    """The sign-in library counts guesses, and answers some with 400."""
    is_sign_in = getattr(view, "__module__", "").startswith("allauth.") and response.status_code < 500
    return is_sign_in or getattr(response, "keeps_writes", False)


def _in_words(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Somebody reloads a page where a form went: Django refuses without a word."""
    if response.status_code != 405 or response.streaming or response.content:
        return response
    page = errors.problem_page(request, 405)
    page.headers["Allow"] = response.headers["Allow"]
    return page


def _on_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """What the product itself refuses is answered in words, and that the database is away."""
    if isinstance(error, AWAY):
        return errors.database_away(request, error)
    return answer_error(request, error) if isinstance(error, DeskhandError) else None


def answer_error(request: HttpRequest, error: DeskhandError) -> HttpResponse:
    """Say what went wrong, in words, with the error's own status."""
    status = error.status if error.status < 500 else 503
    if not isinstance(error, Limited):
        return errors.problem_page(request, status, words_of(error))
    response = errors.problem_page(request, status, f"{words_of(error)} {errors.minutes(error.retry_after)}")
    response.headers["Retry-After"] = str(error.retry_after)
    return response
