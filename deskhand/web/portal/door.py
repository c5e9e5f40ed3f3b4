"""Who opens a page of a portal: which account's it is, who is signed in there, in which language they read.

Customers are no users: what the help desk's own session says is not looked at here, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account
from deskhand.channels.portal import portals, signing_in
from deskhand.channels.portal.models import Portal
from deskhand.channels.portal.signing_in import Visitor
from deskhand.desk import uploads
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, NotFound
from deskhand.web.jinja import render
from deskhand.web.middleware import answer_error, for_everybody
from deskhand.web.portal.rows import Frame, WriteForm
from deskhand.web.subscriptions.public import language_of

COOKIE = "portal"


class PortalRequest(HttpRequest):
    """A request of somebody at an account's portal. `visitor` is known on pages for who is signed in."""

    account: Account
    portal: Portal
    visitor: Visitor
    portal_frame: Frame


View = Callable[..., HttpResponseBase]


def for_anybody(view: View, *, keeps_scope: bool = True) -> View:
    """A page of the portal that needs nobody signed in. Works in one transaction of the account, if `keeps_scope`."""
    return _page(view, needs_visitor=False, keeps_scope=keeps_scope)


def for_customers(view: View) -> View:
    """A page for who is signed in; others are led to the sign-in and back."""
    return _page(view, needs_visitor=True, keeps_scope=True)


def for_posts(view: View) -> View:
    """The same, for what a customer sends: the view commits in steps, in scopes of its own."""
    return _page(view, needs_visitor=True, keeps_scope=False)


def _page(view: View, *, needs_visitor: bool, keeps_scope: bool) -> View:
    @for_everybody
    @wraps(view)
    def respond(request: PortalRequest, portal: str, **named: Any) -> HttpResponseBase:
        account = Account.objects.filter(slug=portal).first()
        with translation.override(_of_browser(request, account)):
            try:
                if account is None:
                    raise _nothing()
                with account_scope(account.pk):
                    _look(request, account)
                    with translation.override(_of_visitor(request)):
                        request.portal_frame = _frame(request)
                        if keeps_scope:
                            return _answer(request, view, needs_visitor, named)
                with translation.override(_of_visitor(request)):
                    return _answer(request, view, needs_visitor, named)
            except DeskhandError as refusal:
                return answer_error(request, refusal)
            except Http404:
                return answer_error(request, _nothing())

    return respond


def _answer(
    request: PortalRequest, view: View, needs_visitor: bool, named: dict[str, Any]
) -> HttpResponseBase:
    if needs_visitor and not hasattr(request, "visitor"):
        return _ask_to_sign_in(request, named.get("ticket_id"))
    with timezone.override(ZoneInfo(request.account.zone)):
        response = view(request, **named)
    response.headers.setdefault("Content-Language", translation.get_language() or request.account.locale)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _ask_to_sign_in(request: PortalRequest, wanted: int | None) -> HttpResponse:
    """Pages lead to the sign-in and back; of a form whose session is over nothing that was typed is lost."""
    sign_in_url = (
        f"{request.portal_frame.sign_in_url}?request={wanted}" if wanted else request.portal_frame.sign_in_url
    )
    typed = request.POST
    if not typed.get("body", "").strip():
        return redirect(sign_in_url)
    errors = (("file", _("Choose your files once more.")),) if request.FILES else ()
    form = WriteForm(
        request.path, typed.get("form_key", ""), typed["body"], typed.get("subject", ""), errors, filesizeformat(uploads.largest()),
    )  # fmt: skip
    context = {"portal": request.portal_frame, "form": form, "sign_in_url": sign_in_url}
    return render(request, "portal/signed_out.html", context, status=401)


def _nothing() -> NotFound:
    return NotFound(_("There is nothing at this address."))


def _look(request: PortalRequest, account: Account) -> None:
    """Raises NotFound where no portal is open: whether there is such an account is nobody's business."""
    found = portals.of_account(account.pk)
    if not portals.is_open(account, found):
        raise _nothing()
    request.account, request.portal = account, found
    token = request.COOKIES.get(COOKIE, "")
    visitor = signing_in.visitor(found, token, clock.now(), ZoneInfo(account.zone)) if token else None
    if visitor is not None:
        request.visitor = visitor


def _of_browser(request: HttpRequest, account: Account | None) -> str:
    asked = translation.get_language() if request.headers.get("Accept-Language") else ""
    return asked or (account.locale if account else "") or settings.LANGUAGE_CODE


def _of_visitor(request: PortalRequest) -> str:
    """The contact's language before that of the browser."""
    known = language_of(request.visitor.contact.locale) if hasattr(request, "visitor") else ""
    return known or translation.get_language() or settings.LANGUAGE_CODE


def _frame(request: PortalRequest) -> Frame:
    slug, portal = request.account.slug, request.portal
    visitor = getattr(request, "visitor", None)
    return Frame(
        name=portals.name_of(request.account, portal), home_url=reverse("portal-home", args=[slug]),
        new_url=reverse("portal-new", args=[slug]), sign_in_url=reverse("portal-sign-in", args=[slug]),
        sign_out_url=reverse("portal-sign-out", args=[slug]), who=visitor.email if visitor else "",
        accent=portal.accent, accent_dark=portal.accent_dark,
    )  # fmt: skip


# ── the session's cookie ─────────────────────────────────────────────────────────────────────────────────────────────


def give_cookie(request: PortalRequest, response: HttpResponse, token: str) -> None:
    response.set_cookie(
        COOKIE, token, max_age=signing_in.STAYS, path=request.portal_frame.home_url, httponly=True, samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )  # fmt: skip


def take_cookie(request: PortalRequest, response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, path=request.portal_frame.home_url, samesite="Lax")
