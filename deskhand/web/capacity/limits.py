"""How much each may be given: the table of people with what they hold, and the form for who is ticked (§16)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import queries as people
from deskhand.accounts.queries import Member
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing import capacity
from deskhand.routing.models import Capacity
from deskhand.routing.types import Measure
from deskhand.web import ticked
from deskhand.web.capacity.pages import show
from deskhand.web.holding import Bar, bars_of
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.routing.tabs import require
from deskhand.web.shell import Person

KEY = "people"
NUMBERS = ("total", "call", "message", "email_other", "share")


@dataclass(frozen=True)
class LimitForm:
    """Limits as they are set, or were typed. An empty one does not bind; an empty share leaves each theirs."""

    is_by_type: bool = False
    total: str = ""
    call: str = ""
    message: str = ""
    email_other: str = ""
    share: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    id: int
    person: Person
    name: str
    url: str
    bars: tuple[Bar, ...]
    share: int
    is_ticked: bool = False


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    """`who` is filled into the form."""
    require(request, KEY)
    who = whole(request.GET.get("who", ""))
    found = capacity.limits_of(request.account.pk, [who] if who else []).get(who or 0)
    return _page(request, _form_of(found) if found else LimitForm(), {who} if who else ())


def _page(
    request: AccountRequest, form: LimitForm, chosen: Collection[int], status: int = 200
) -> HttpResponse:
    seated = people.seated_members(request.account.pk)
    lines = _lines(request.account.pk, seated, chosen)
    return show(request, KEY, status, lines=lines, form=form)


def _lines(account_id: int, seated: list[Member], chosen: Collection[int]) -> list[Line]:
    """A fixed number of queries."""
    ids = [one.user_id for one in seated]
    holds, limits = capacity.holds_of(account_id, ids, clock.now()), capacity.limits_of(account_id, ids)
    weighs = capacity.binding(account_id).weighs
    return [
        Line(
            one.user_id, Person.named(one.name), one.name, f"{reverse('capacity')}?who={one.user_id}#limits",
            bars_of(holds[one.user_id], weighs=weighs), limits[one.user_id].share if one.user_id in limits else 100,
            one.user_id in chosen,
        )
        for one in seated
    ]  # fmt: skip


def _form_of(row: Capacity) -> LimitForm:
    texts = {name: "" if getattr(row, name) is None else str(getattr(row, name)) for name in NUMBERS}
    return _form(row.measure == Measure.BY_TYPE, texts)


def _form(is_by_type: bool, texts: Mapping[str, str], errors: Mapping[str, str] | None = None) -> LimitForm:
    total, call, message, email_other, share = (texts[name] for name in NUMBERS)
    return LimitForm(is_by_type, total, call, message, email_other, share, errors or {})


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    """Of everybody in `ids` who has a seat; `remove` takes their limits away (R-CAP-11)."""
    require(request, KEY)
    seated = {one.user_id for one in people.seated_members(request.account.pk)}
    ids = [pk for pk in ticked.ids_of(request.POST) if pk in seated]
    try:
        _save(request, ids)
    except Invalid as refusal:
        errors = {"ids" if refusal.field == "user" else refusal.field: words_of(refusal)}
        typed = _form(request.POST.get("measure") == Measure.BY_TYPE, _texts(request.POST), errors)
        return _page(request, typed, set(ids), 422)
    messages.success(request, ngettext("%(num)s person's limits are saved.", "The limits of %(num)s people are saved.", len(ids)) % {"num": len(ids)})  # fmt: skip
    return redirect("capacity")


def _save(request: AccountRequest, ids: list[int]) -> None:
    if not ids:
        raise Invalid(_("Tick whose limits these are first."), field="ids")
    by = Actor.user(request.user.pk)
    if "remove" in request.POST:
        capacity.set_limits(request.account.pk, ids, by=by)
        return
    numbers = {name: _number(name, text) for name, text in _texts(request.POST).items()}
    if "share_only" in request.POST:
        if numbers["share"] is None:
            raise Invalid(_("Give the share first."), field="share")
        capacity.set_shares(request.account.pk, ids, numbers["share"], by=by)
        return
    is_by_type = request.POST.get("measure") == Measure.BY_TYPE
    capacity.set_limits(
        request.account.pk, ids, by=by, measure=Measure.BY_TYPE if is_by_type else Measure.TOTAL, total=numbers["total"],
        by_type={kind.value: numbers[column] for kind, column in capacity.BY_TYPE.items()}, share=numbers["share"],
    )  # fmt: skip


def _texts(given: QueryDict) -> dict[str, str]:
    return {name: given.get(name, "").strip()[:20] for name in NUMBERS}


def _number(name: str, text: str) -> int | None:
    if text and whole(text) is None:
        raise Invalid(_("Give a whole number from 0 up, or leave it empty."), field=name, value=text)
    return whole(text)
