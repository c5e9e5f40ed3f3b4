"""Filling the frame around a screen: who looks, the rail, and the views in the side with their counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.automation import access
from deskhand.desk import new_tickets
from deskhand.desk import views as desk_views
from deskhand.notifications import reading
from deskhand.routing import queries as routing
from deskhand.routing.queries import SetBy
from deskhand.web import keys, live, settings_side
from deskhand.web.contacts import side as contacts_side
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.records import kinds as record_kinds
from deskhand.web.shell import (
    NavItem,
    Person,
    Shell,
    SideLink,
    SideSection,
    StatusAlert,
    Toast,
    Viewer,
)  # fmt: skip
from deskhand.web.tasks import side as tasks_side
from deskhand.web.workflows import side as workflows_side

KEPT = "status_kept"  # in the session: the change of the own status that was answered with "Keep it"
RECORDS = "record-"  # and the key of a kind: the area of its screens
UNDO = "undo:"  # and the address, as the tags of a message whose toast offers the way back
VIEW_LABELS = {
    "unassigned": (gettext_lazy("Unassigned"), "circle-dashed"),
    "assigned": (gettext_lazy("Assigned to me"), "user-round"),
    "my-open": (gettext_lazy("My open"), "inbox"),
    "team-unassigned": (gettext_lazy("My team's unassigned"), "user-round-x"),
    "team-open": (gettext_lazy("My team's open"), "users-round"),
    "snoozed": (gettext_lazy("Snoozed"), "alarm-clock"),
    "all-open": (gettext_lazy("All open"), "layout-grid"),
    "all-closed": (gettext_lazy("All closed"), "archive"),
    "spam": (gettext_lazy("Spam"), "shield-alert"),
    "deleted": (gettext_lazy("Deleted"), "trash-2"),
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
    "snoozed": gettext_lazy("Tickets that you or somebody for everybody put off are listed here."),
    "all-open": gettext_lazy("Every open ticket you may see is listed here."),
    "all-closed": gettext_lazy("Closed tickets are listed here."),
    "spam": gettext_lazy("What was marked as spam is kept here."),
    "deleted": gettext_lazy("Tickets that were deleted are kept here, and can be restored."),
    "mentions": gettext_lazy("Tickets in which somebody mentioned you are listed here."),
    "following": gettext_lazy("Tickets that you follow are listed here."),
    "conversations": gettext_lazy("Conversations that are not tickets are listed here."),
}

UNCOUNTED = (
    "snoozed",
    "all-closed",
    "spam",
    "deleted",
    "mentions",
    "following",
)  # they only grow, or nobody works through them


def unread_text(unread: int) -> str:
    if unread >= reading.CAP:
        return _("99+ unread")
    return ngettext("%(num)s unread", "%(num)s unread", unread) % {"num": unread}


def count_text(count: int) -> str:
    return "999+" if count >= desk_views.CAP else str(count) if count else ""


def person_of_viewer(request: AccountRequest) -> Viewer:
    user = request.user
    status = routing.own_status(request.viewer.account_id, user.pk)
    state: Literal["available", "away"] = "available" if status.is_available else "away"
    said = status.set_by
    return Viewer(
        person=Person.named(user.name, available=status.is_available),
        theme=_theme(request),
        locale=user.locale or request.account.locale,
        availability=state,
        availability_note=_set_by(said, status.is_available) if said else "",
        status_alert=_alert(said) if said and said.change_id != request.session.get(KEPT) else None,
        load_text=_load_text(request),
        id=user.pk,
        signal=f"user-{user.pk}",
    )


def _load_text(request: AccountRequest) -> str:
    """What they hold and may hold, for who has a limit (R-CAP-10)."""
    if not (request.viewer.has_seat and plans.has_feature(request.account, Feature.CAPACITY)):
        return ""
    hold = routing.own_hold(request.viewer.account_id, request.user.pk)
    if hold.limit is None:
        return ""
    return _("%(held)s of at most %(limit)s") % {"held": hold.held, "limit": hold.limit}


def _set_by(said: SetBy, is_available: bool) -> str:
    """Told to who did not set it themselves (R-AVAIL-11)."""
    if is_available:
        return _("%(name)s set you to available.") % {"name": said.name}
    return _("%(name)s set you to away.") % {"name": said.name}


def _alert(said: SetBy) -> StatusAlert:
    return StatusAlert(
        said.at, said.change_id, _("Back to available") if said.was_available else _("Back to away")
    )


def _theme(request: AccountRequest) -> Literal["auto", "light", "dark"]:
    match request.COOKIES.get("theme") or request.user.theme:
        case "light":
            return "light"
        case "dark":
            return "dark"
        case _:
            return "auto"


def framed(
    request: AccountRequest, area: str, template: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """A page of `area` in the frame."""
    return render(request, template, {"shell": shell(request, area=area), **context}, status=status)


def shell(request: AccountRequest, *, area: str = "inbox", view: str = "") -> Shell:
    """The frame for `area`: one of the rail, or a page of the settings; "own" are the sign-in library's pages."""
    in_rail = area == "start" and request.member.sees_start
    is_setting = area == "own" or (area in settings_side.KEYS and not in_rail)
    may_search = policy.can(request.viewer, Action.OPEN_HELP_DESK)
    may_work = area in ("inbox", "search", "notifications") and may_search
    own_links = _own_links(request)
    side: tuple[SideSection, ...] = _side(request, view) if may_work else ()
    if is_setting:
        side = settings_side.sections(request.viewer, request.account, area, own_links)
    if area == "contacts":
        side = (*contacts_side.sections(request.viewer, view), *record_kinds.sections(request.viewer, ""))
    if area == "workflows" and view:
        side = workflows_side.sections(request.viewer, view)
    if area == "tasks":
        side = tasks_side.sections(request.viewer, view)
    if area.startswith(RECORDS):
        side = record_kinds.sections(request.viewer, area.removeprefix(RECORDS))
    unread = reading.unread(request.viewer)
    return Shell(
        viewer=person_of_viewer(request),
        nav=_nav(request, "settings" if is_setting else area),
        side_title=_("Help desk") if may_work else _side_title(area),
        side=side,
        side_url=reverse("inbox-side", args=[view or desk_views.DEFAULT])
        if may_work and area != "search"
        else "",
        search_url=reverse("search") if may_search else "",
        palette_url=reverse("search-palette") if may_search else "",
        keys=keys.sections(request, first_setting(request)),
        has_shortcuts=request.user.has_shortcuts,
        bell_url=reverse("notifications-bell"),
        bell_page_url=reverse("notifications"),
        unread=unread,
        unread_text=unread_text(unread),
        theme_url=reverse("theme"),
        availability_url=reverse("availability") if request.viewer.has_seat else "",
        sign_out_url=reverse("account_logout"),
        own_links=own_links,
        create_url=_create_url(request),
        live_url=live.url(request.began),
        toasts=_toasts(request),
    )  # fmt: skip


def _toasts(request: AccountRequest) -> Iterator[Toast]:
    """Taken when they are shown: a part of a page that shows none leaves them to the next page that does."""
    for message in messages.get_messages(request):
        yield Toast(
            str(message),
            "error" if message.level >= messages.ERROR else "plain",
            undo_url=message.extra_tags.removeprefix(UNDO) if message.extra_tags else "",
        )


def _side_title(area: str) -> str:
    if area.startswith(RECORDS):
        return _("Records")
    return {"contacts": _("Contacts"), "workflows": _("Workflows"), "tasks": _("Tasks")}.get(area) or _(
        "Settings"
    )


def _create_url(request: AccountRequest) -> str:
    """From the pages of a pipeline a ticket begins there."""
    if not (policy.can(request.viewer, Action.OPEN_HELP_DESK) and new_tickets.may_create(request.viewer)):
        return ""
    here = request.resolver_match.kwargs.get("pipeline_id") if request.resolver_match else None
    return reverse("ticket-new") + (f"?pipeline={here}" if here else "")


def _own_links(request: AccountRequest) -> tuple[SideLink, ...]:
    """The password, and what configuration switches on beside it."""
    links = [SideLink("password", _("Password"), "key-round", reverse("account_change_password"))]
    if "allauth.mfa" in settings.INSTALLED_APPS:
        links.append(SideLink("steps", _("Two-step sign-in"), "shield-check", reverse("mfa_index")))
    if "allauth.socialaccount" in settings.INSTALLED_APPS:
        links.append(SideLink("sso", _("Single sign-on"), "globe", reverse("socialaccount_connections")))
    path = request.path
    return tuple(replace(link, current=path.startswith(link.url.removesuffix("change/"))) for link in links)


def _nav(request: AccountRequest, area: str) -> tuple[NavItem, ...]:
    items = [NavItem("settings", _("Settings"), "settings", first_setting(request), at_end=True)]
    if policy.can(request.viewer, Action.OPEN_HELP_DESK):
        items.insert(0, NavItem("inbox", _("Inbox"), "inbox", reverse("inbox")))
        items.insert(1, NavItem("tickets", _("Tickets"), "square-kanban", reverse("tickets")))
    if tasks_side.may_open(request.viewer):
        items.insert(-1, NavItem("tasks", _("Tasks"), "clipboard-list", reverse("tasks")))
    if contacts_url := contacts_side.first_url(request.viewer):
        items.insert(-1, NavItem("contacts", _("Contacts"), "users-round", contacts_url))
    if access.may_open(request.viewer, request.account):
        workflows = reverse("workflows")
        items.insert(-1, NavItem("workflows", _("Workflows"), "workflow", workflows, on_phone=False))
    for kind in record_kinds.kinds(request.viewer):
        address = record_kinds.url(kind, "records")
        items.insert(-1, NavItem(f"{RECORDS}{kind.key}", kind.label, kind.icon, address, on_phone=False))
    if request.member.sees_start and policy.can(request.viewer, Action.EDIT_ACCOUNT):
        items.insert(0, NavItem("start", _("Get started"), "rocket", reverse("start"), on_phone=False))
    return tuple(replace(item, current=item.key == area) for item in items)


def areas(request: AccountRequest) -> tuple[NavItem, ...]:
    """The areas of the rail, with no one of them open."""
    return _nav(request, "")


def view_links(request: AccountRequest) -> list[tuple[str, str, str]]:
    """Label, icon and address of every view that the viewer has; not counted."""
    return [(*view_words(request, key), reverse("inbox-view", args=[key])) for key in _view_keys(request)]


def first_setting(request: AccountRequest) -> str:
    """Where the gear leads: to what a whole account is set up with, or to one's own."""
    return settings_side.first_url(request.viewer, request.account)


def view_counts(request: AccountRequest, *also: desk_views.View) -> Mapping[str, int]:
    """How many tickets there are in the views of the side, and in `also`: one statement for a page (R-VIEW-6)."""
    known: Mapping[str, int] | None = getattr(request, _COUNTS, None)
    if known is None or any(view.key not in known for view in also):
        counted = {
            view.key: view for view in desk_views.views_of(request.viewer) if view.key not in UNCOUNTED
        }
        counted |= {view.key: view for view in also}
        known = desk_views.counters(request.viewer, list(counted.values()))
        setattr(request, _COUNTS, known)
    return known


#: Where a page keeps what it has counted; nothing changes while a page is read.
_COUNTS = "view_counts"


def _side(request: AccountRequest, current: str) -> tuple[SideSection, ...]:
    views, counts = desk_views.views_of(request.viewer), view_counts(request)
    keys = _keys_of(request, views)
    own = [view.key for view in views if view.saved]
    standing = tuple(_side_link(request, key, counts.get(key, 0), current) for key in keys if key not in own)
    custom = tuple(_side_link(request, key, counts.get(key, 0), current) for key in own)
    if policy.can(request.viewer, Action.EDIT_CUSTOM_VIEWS) and custom:
        custom += (SideLink("manage", _("Manage views"), "settings", reverse("views")),)
    sections = (SideSection(_("Views"), standing), SideSection(_("Custom views"), custom))
    return tuple(section for section in sections if section.links)


def _view_keys(request: AccountRequest) -> list[str]:
    return _keys_of(request, desk_views.views_of(request.viewer))


def _keys_of(request: AccountRequest, views: Sequence[desk_views.View]) -> list[str]:
    found = [view.key for view in views]
    if request.viewer.has_seat or request.viewer.is_super_admin:
        found.append(desk_views.CONVERSATIONS)
    return found


def _side_link(request: AccountRequest, key: str, count: int, current: str) -> SideLink:
    label, icon = view_words(request, key)
    url = reverse("inbox-view", args=[key])
    return SideLink(key, label, icon, url, count_text(count), current=key == current)


def view_words(request: AccountRequest, key: str) -> tuple[str, str]:
    """The label of a view, and its icon."""
    if key in VIEW_LABELS:
        label, icon = VIEW_LABELS[key]
        return str(label), icon
    saved = desk_views.view_of(request.viewer, key).saved
    return saved.name if saved else key, "list-filter"
