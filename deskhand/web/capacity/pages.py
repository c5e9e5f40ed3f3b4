"""The two pages about capacity, and who may open which."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.kernel.errors import NotFound
from deskhand.web.choices import Tab
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest

#: By template: what it is called, where it is, and for whom (R-CAP-2).
PAGES = {
    "people": (gettext_lazy("Capacity"), "capacity", Action.EDIT_USERS),
    "effort": (gettext_lazy("What counts"), "effort", Action.EDIT_ROUTING),
}


def may_open(request: AccountRequest, key: str) -> bool:
    return policy.can(request.viewer, PAGES[key][2]) and plans.has_feature(request.account, Feature.CAPACITY)


def require(request: AccountRequest, key: str) -> None:
    """Raises Forbidden, and NotFound where the plan has nothing of the kind."""
    policy.require(request.viewer, PAGES[key][2])
    if not plans.has_feature(request.account, Feature.CAPACITY):
        raise NotFound(_("Your plan does not have this."))


def show(request: AccountRequest, key: str, status: int = 200, **context: Any) -> HttpResponse:
    """A page under its tab."""
    tabs = tuple(
        Tab(str(label), reverse(url_name), one == key)
        for one, (label, url_name, _action) in PAGES.items()
        if may_open(request, one)
    )
    return framed(request, "users", f"capacity/{key}.html", {"tabs": tabs, **context}, status)
