"""The page behind the link in a mail, for whoever has the link: what mail they want (RFC 8058)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from deskhand.accounts.models import Account
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import Contact
from deskhand.crm.records.subscriptions import Choice, Link
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.database.scope import account_scope
from deskhand.web.jinja import render
from deskhand.web.middleware import for_everybody


@dataclass(frozen=True)
class Line:
    id: int
    name: str
    description: str
    is_on: bool


@csrf_exempt  # mail programs post here, and the link itself is what allows it
@for_everybody
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET changes nothing: programs that look at mails follow its links."""
    link = subscriptions.read_token(token)
    with account_scope(link.account_id):
        account = Account.objects.get(pk=link.account_id)
        contact = subscriptions.contact_of(link)
        with translation.override((contact and language_of(contact.locale)) or account.locale):
            if request.method == "POST":
                return _choose(request, token, link, contact)
            return _page(request, account, link, contact)


def language_of(given: str) -> str:
    """The language of a contact, if it is one of ours: "de-AT" reads German."""
    try:
        return translation.get_supported_language_variant(given) if given else ""
    except LookupError:
        return ""


def _page(request: HttpRequest, account: Account, link: Link, contact: Contact | None) -> HttpResponse:
    context = {
        "account": account.name, "lines": _lines(link, contact) if contact else (), "email": contact.email if contact else "",
        "is_off": contact is not None and bool(subscriptions.refuse_all(link.account_id, [contact.pk])), "is_saved": "saved" in request.GET,
    }  # fmt: skip
    page = render(request, "subscriptions/unsubscribe.html", context)
    page.headers["X-Robots-Tag"] = "noindex"
    return page


def _lines(link: Link, contact: Contact) -> Sequence[Line]:
    """What is sent now, and the kind of the mail that led here, even if it is sent no more."""
    chosen = subscriptions.of_contact(contact.pk)
    known = [
        one
        for one in subscriptions.kinds(link.account_id, with_archived=True)
        if one.archived_at is None or one.pk == link.type_id
    ]
    return [
        Line(one.pk, one.name, one.description, one.pk not in chosen or chosen[one.pk].is_on) for one in known
    ]


def _choose(request: HttpRequest, token: str, link: Link, contact: Contact | None) -> HttpResponse:
    given, is_one_click = request.POST, request.POST.get("List-Unsubscribe") == "One-Click"
    if contact is not None:
        by = Actor(ActorKind.VISITOR, contact.pk)
        subscriptions.choose(_choices(request, link, contact), source=subscriptions.PAGE, by=by)
    if is_one_click and "form" not in given:
        return HttpResponse(status=200, content_type="text/plain")
    return redirect(f"/unsubscribe/{token}?saved")


def _choices(request: HttpRequest, link: Link, contact: Contact) -> list[Choice]:
    given = request.POST
    if "form" not in given:  # a mail program's one click
        return [Choice(contact.pk, link.type_id, False)]
    if "none" in given:
        return [Choice(contact.pk, None, False)]
    wanted = set(given.getlist("wanted"))
    return [
        Choice(contact.pk, None, True),
        *(Choice(contact.pk, line.id, str(line.id) in wanted) for line in _lines(link, contact)),
    ]
