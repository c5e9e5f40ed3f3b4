"""Filling the frame around a screen: who looks, the rail, and the views in the side with their counters."""

from __future__ import annotations

from typing import Literal

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import User
from deskhand.desk import views as desk_views
from deskhand.routing import queries as routing
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import NavItem, Person, Shell, SideLink, SideSection, Viewer

VIEW_LABELS = {
    "unassigned": (gettext_lazy("Unassigned"), "circle-dashed"),
    "assigned": (gettext_lazy("Assigned to me"), "user-round"),
    "my-open": (gettext_lazy("My open"), "inbox"),
    "team-unassigned": (gettext_lazy("My team's unassigned"), "user-round-x"),
    "team-open": (gettext_lazy("My team's open"), "users-round"),
    "all-open": (gettext_lazy("All open"), "layout-grid"),
    "all-closed": (gettext_lazy("All closed"), "archive"),
    "spam": (gettext_lazy("Spam"), "shield-alert"),
    "mentions": (gettext_lazy("My mentions"), "at-sign"),
    "following": (gettext_lazy("Following"), "bell"),
    "conversations": (gettext_lazy("Conversations"), "messages-square"),
}
VIEW_SENTENCES = {
    "unassigned": gettext_lazy("Open tickets without an owner are listed here."),
    "assigned": gettext_lazy("Open tickets that you own are listed here."),
    "my-open": gettext_lazy("Open tickets that you own or follow are listed here."),
    "team-unassigned": gettext_lazy("Open tickets that wait for somebody in your teams are listed here."),
    "team-open": gettext_lazy("All open tickets of your teams are listed here."),
    "all-open": gettext_lazy("Every open ticket you may see is listed here."),
    "all-closed": gettext_lazy("Closed tickets are listed here."),
    "spam": gettext_lazy("What was marked as spam is kept here."),
    "mentions": gettext_lazy("Tickets in which somebody mentioned you are listed here."),
    "following": gettext_lazy("Tickets that you follow are listed here."),
    "conversations": gettext_lazy("Conversations that are not tickets are listed here."),
}


def count_text(count: int) -> str:
    return "999+" if count >= desk_views.CAP else str(count) if count else ""


def shell(request: AccountRequest, *, area: str = "inbox", view: str = "") -> Shell:
    """The frame for `area`; with a view, the side lists all views."""
    user = request.user
    assert isinstance(user, User)
    is_available = routing.is_available(request.viewer.account_id, user.pk)
    state: Literal["available", "away"] = "available" if is_available else "away"
    theme = request.COOKIES.get("theme", "")
    viewer = Viewer(
        person=Person.named(user.name, available=is_available),
        theme=theme if theme in ("light", "dark") else "auto",  # type: ignore[arg-type]
        locale=user.locale or request.account.locale,
        availability=state,
    )
    return Shell(
        viewer=viewer,
        nav=_nav(area),
        side_title=_("Help desk") if area == "inbox" else "",
        side=(_side(request, view),) if area == "inbox" else (),
        side_url=reverse("inbox-side", args=[view or desk_views.DEFAULT]) if area == "inbox" else "",
        theme_url=reverse("theme"),
        availability_url=reverse("availability") if request.viewer.has_seat else "",
        sign_out_url=reverse("account_logout"),
        live_url=reverse("live"),
    )


def _nav(area: str) -> tuple[NavItem, ...]:
    return (
        NavItem("inbox", _("Inbox"), "inbox", reverse("inbox"), current=area == "inbox"),
        NavItem("automate", _("Automation"), "workflow", reverse("automate"), current=area == "automate"),
        NavItem("mailbox", _("Sent mail"), "mail", reverse("mailbox"), current=area == "mailbox", at_end=True),
    )


def _side(request: AccountRequest, current: str) -> SideSection:
    views = desk_views.views_of(request.viewer)
    counts = desk_views.counters(request.viewer, views)
    keys = [view.key for view in views]
    if request.viewer.has_seat:
        keys.append(desk_views.CONVERSATIONS)
    uncounted = {"all-closed", "mentions", "following"}
    return SideSection(
        _("Views"),
        tuple(
            SideLink(
                key, str(VIEW_LABELS[key][0]), VIEW_LABELS[key][1], reverse("inbox-view", args=[key]),
                "" if key in uncounted else count_text(counts.get(key, 0)), current=key == current,
            )
            for key in keys
        ),
    )  # fmt: skip
