"""The pages of Settings › Routing, and the way between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.kernel.errors import NotFound
from deskhand.web.choices import Tab
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest

AREA = "routing"


@dataclass(frozen=True)
class Page:
    """A tab, for who may do `action` where the plan has `feature`."""

    key: str
    label: Promise
    url_name: str
    action: Action
    feature: Feature


PAGES = (
    Page("skills", gettext_lazy("Skills"), "routing-skills", Action.EDIT_SKILLS, Feature.SKILLS),
    Page("rules", gettext_lazy("Rules"), "skill-rules", Action.EDIT_SKILLS, Feature.SKILLS),
    Page("people", gettext_lazy("Capacity"), "capacity", Action.EDIT_USERS, Feature.CAPACITY),
    Page("effort", gettext_lazy("What counts"), "effort", Action.EDIT_ROUTING, Feature.CAPACITY),
)


def may_open(request: AccountRequest, key: str) -> bool:
    page = next(one for one in PAGES if one.key == key)
    return policy.can(request.viewer, page.action) and plans.has_feature(request.account, page.feature)


def require(request: AccountRequest, key: str) -> None:
    """Raises Forbidden, and NotFound where the plan has nothing of the kind."""
    page = next(one for one in PAGES if one.key == key)
    policy.require(request.viewer, page.action)
    if not plans.has_feature(request.account, page.feature):
        raise NotFound(_("Your plan does not have this."))


@require_GET
def home(request: AccountRequest) -> HttpResponse:
    """The first page that the viewer may open; who may open none is refused as on that page."""
    first = next((page for page in PAGES if may_open(request, page.key)), None)
    if first is None:
        require(request, PAGES[0].key)
    return redirect(first.url_name if first else PAGES[0].url_name)


def show(request: AccountRequest, key: str, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """A page under its tab."""
    return framed(
        request, AREA, f"routing/{template}.html", {"tabs": tabs_of(request, key), **context}, status
    )


def tabs_of(request: AccountRequest, current: str) -> tuple[Tab, ...]:
    """Those that the viewer may open."""
    return tuple(
        Tab(str(page.label), reverse(page.url_name), page.key == current)
        for page in PAGES
        if may_open(request, page.key)
    )
