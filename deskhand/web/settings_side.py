"""The side of the settings: every page that an account is set up with, for whom it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.schema import object_types
from deskhand.web.shell import SideLink, SideSection


@dataclass(frozen=True)
class Page:
    """A page of the settings, for who may do `action` or one of `others`. `action` None: it is everybody's own."""

    key: str
    label: str | Promise
    icon: str
    url_name: str
    action: Action | None = None
    others: tuple[Action, ...] = ()
    object_type: str = ""  # whose name it bears, as the account calls it
    features: tuple[Feature, ...] = ()  # a plan must have one of them


def _filed(object_type: str, key: str, label: str | Promise, icon: str, url_name: str) -> Page:
    """Of records with pipelines, for whoever sets up any of it."""
    others = (Action.EDIT_OBJECT_AUTOMATION, Action.EDIT_PROPERTIES)
    return Page(key, label, icon, url_name, Action.EDIT_PIPELINES, others, object_type)


YOU = [
    Page("my-availability", gettext_lazy("Availability"), "clock", "availability-mine"),
    Page("profile", gettext_lazy("Profile"), "user-round", "profile"),
    Page("my-notifications", gettext_lazy("Notifications"), "bell", "notification-settings"),
]
PEOPLE = [
    Page("users", gettext_lazy("Users"), "user-round", "users", Action.EDIT_USERS),
    Page("teams", gettext_lazy("Teams"), "users-round", "teams", Action.EDIT_TEAMS),
    Page("roles", gettext_lazy("Roles"), "shield-check", "roles", Action.EDIT_ROLES),
]
HELP_DESK = [
    Page("channels", gettext_lazy("Channels"), "mail", "channels", Action.CONNECT_CHANNELS),
    Page(
        "blocked-senders",
        gettext_lazy("Blocked senders"),
        "shield-alert",
        "blocked-senders",
        Action.CONNECT_CHANNELS,
    ),
    Page("mail-templates", gettext_lazy("Mail templates"), "file-text", "mail-templates", Action.EDIT_LANES),
    Page(
        "availability-team",
        gettext_lazy("Who is available"),
        "user-check",
        "availability-team",
        Action.CHANGE_AVAILABILITY_OF_OTHERS,
    ),
    Page(
        "default-hours", gettext_lazy("Working hours"), "calendar-clock", "default-hours", Action.EDIT_ACCOUNT
    ),
    Page("simulator", gettext_lazy("Routing simulator"), "chart-column", "simulator", Action.EDIT_ROUTING),
    Page(
        "routing",
        gettext_lazy("Routing"),
        "split",
        "routing",
        Action.EDIT_SKILLS,
        (Action.EDIT_USERS, Action.EDIT_ROUTING),
        features=(Feature.SKILLS, Feature.CAPACITY),
    ),
    Page(
        "portal",
        gettext_lazy("Customer portal"),
        "globe",
        "portal-settings",
        Action.EDIT_PORTAL,
        features=(Feature.PORTAL,),
    ),
    Page("snippets", gettext_lazy("Snippets"), "message-square-quote", "snippets", Action.OPEN_HELP_DESK),
]
AUTOMATION = [
    Page(
        "subscription-types",
        gettext_lazy("Email subscriptions"),
        "mail-open",
        "subscription-types",
        Action.EDIT_ACCOUNT,
    ),
    Page("integrations", gettext_lazy("Integrations"), "boxes", "integrations", Action.EDIT_WORKFLOWS),
    Page("secrets", gettext_lazy("Secrets"), "lock", "secrets", Action.EDIT_WORKFLOWS),
    Page("sending", gettext_lazy("Sending"), "send", "automation-sending", Action.EDIT_ACCOUNT),
    Page("workflow-log", gettext_lazy("Workflow log"), "history", "workflow-log-kept", Action.EDIT_ACCOUNT),
]
OBJECTS = [
    Page(
        "object-tickets",
        gettext_lazy("Tickets"),
        "ticket",
        "tickets-home",
        Action.EDIT_PIPELINES,
        (Action.EDIT_LANES,),
    ),
    Page("object-contacts", gettext_lazy("Contacts"), "users", "settings-contacts", Action.EDIT_PROPERTIES),
    Page(
        "object-companies",
        gettext_lazy("Companies"),
        "building-2",
        "settings-companies",
        Action.EDIT_PROPERTIES,
    ),
    _filed("deal", "object-deals", gettext_lazy("Deals"), "handshake", "settings-deals"),
    _filed("project", "object-projects", gettext_lazy("Projects"), "folder-kanban", "settings-projects"),
    _filed("", "object-own", gettext_lazy("Own objects"), "boxes", "object-types"),
]
SYSTEM = [
    Page("account", gettext_lazy("Account"), "building-2", "account", Action.EDIT_ACCOUNT),
    Page("start", gettext_lazy("Get started"), "rocket", "start", Action.EDIT_ACCOUNT),
    Page("tokens", gettext_lazy("API tokens"), "key-round", "tokens", Action.EDIT_TOKENS),
    Page("webhooks", gettext_lazy("Webhooks"), "webhook", "webhooks", Action.EDIT_TOKENS),
    Page("audit", gettext_lazy("Audit log"), "history", "audit", Action.READ_AUDIT),
    Page("mailbox", gettext_lazy("Sent mail"), "mail", "mailbox", Action.EDIT_ACCOUNT),
    Page("system", gettext_lazy("System"), "activity", "system", Action.EDIT_ACCOUNT),
]
KEYS = {page.key for part in (YOU, PEOPLE, HELP_DESK, AUTOMATION, OBJECTS, SYSTEM) for page in part}


def sections(
    viewer: Viewer, account: Account, current: str, own: Sequence[SideLink] = ()
) -> tuple[SideSection, ...]:
    """All that the viewer may open and the account's plan has; `own` are the ways to sign in, at the end of what is theirs."""
    found: list[SideSection] = []
    for label, pages in _open_to(viewer, account):
        links = tuple(_link(page, current) for page in pages)
        found.append(SideSection(label, links if found else (*links, *own)))
    return tuple(found)


def first_url(viewer: Viewer, account: Account) -> str:
    """Where a whole account is set up, or one's own things for who may do no more."""
    parts = _open_to(viewer, account)
    mine = next(parts)
    return reverse(next(parts, mine)[1][0].url_name)


def _open_to(viewer: Viewer, account: Account) -> Iterator[tuple[str, list[Page]]]:
    """What everybody has first; parts without any page are left out."""
    parts = (
        (_("You"), YOU),
        (_("People"), PEOPLE),
        (_("Help desk"), HELP_DESK),
        (_("Automation"), AUTOMATION),
        (_("Objects"), OBJECTS),
        (_("System"), SYSTEM),
    )
    for label, pages in parts:
        if open_to_them := [page for page in pages if _may(viewer, page) and _has(account, page)]:
            yield label, open_to_them


def _may(viewer: Viewer, page: Page) -> bool:
    return page.action is None or any(policy.can(viewer, action) for action in (page.action, *page.others))


def _has(account: Account, page: Page) -> bool:
    return not page.features or any(plans.has_feature(account, one) for one in page.features)


def _link(page: Page, current: str) -> SideLink:
    label = _(object_types.labels_of(page.object_type).plural) if page.object_type else str(page.label)
    return SideLink(page.key, label, page.icon, reverse(page.url_name), current=page.key == current)
