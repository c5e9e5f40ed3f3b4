"""The kinds of record that are set up here, and the way between their pages."""

from __future__ import annotations

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
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.kernel.errors import NotFound
from deskhand.web.choices import Choice, Tab
from deskhand.web.objects.rows import Bar


@dataclass(frozen=True)
class Sort:
    """A kind of record. `key` stands in addresses, `area` in the side of the settings."""

    key: str
    object_type: str
    label: str | Promise
    area: str


SORTS = {
    "tickets": Sort("tickets", "ticket", gettext_lazy("Tickets"), "object-tickets"),
    "contacts": Sort("contacts", "contact", gettext_lazy("Contacts"), "object-contacts"),
    "companies": Sort("companies", "company", gettext_lazy("Companies"), "object-companies"),
}


def sort_of(key: str) -> Sort:
    """Raises NotFound."""
    if key not in SORTS:
        raise NotFound(_("There are no such records."))
    return SORTS[key]


def tabs(viewer: Viewer, sort: Sort, current: str) -> tuple[Tab, ...]:
    """The pages about one kind of record that the viewer may open."""
    found = []
    if sort.key == "tickets" and policy.can(viewer, Action.EDIT_PIPELINES):
        found.append(Tab(_("Setup"), reverse("tickets-setup"), current == "setup"))
    if sort.key == "tickets":
        first = segments(viewer, None, pipelines_of("ticket").default.id, "")
        if first:
            found.append(Tab(_("Pipelines"), first[0].url, current == "pipelines"))
    if policy.can(viewer, Action.EDIT_PROPERTIES):
        found.append(Tab(_("Properties"), reverse("properties", args=[sort.key]), current == "properties"))
        found.append(Tab(_("Sidebar layout"), reverse("layout", args=[sort.key]), current == "layout"))
    return tuple(found)


def segments(viewer: Viewer, account: Account | None, pipeline_id: int, current: str) -> tuple[Tab, ...]:
    """What of a pipeline the viewer may set up; without an account the rules are left out."""
    found = []
    if policy.can(viewer, Action.EDIT_PIPELINES):
        found.append(Tab(_("Configure"), reverse("pipeline", args=[pipeline_id]), current == "configure"))
    if account is not None and may_edit_rules(viewer, account):
        found.append(Tab(_("Rules"), reverse("pipeline-rules", args=[pipeline_id]), current == "rules"))
    if policy.can(viewer, Action.EDIT_LANES):
        found.append(Tab(_("Automate"), reverse("automate", args=[pipeline_id]), current == "automate"))
    return tuple(found)


def may_edit_rules(viewer: Viewer, account: Account) -> bool:
    """R-RULE-2, R-RULE-11"""
    has_rules = plans.has_feature(account, Feature.PIPELINE_RULES)
    return has_rules and policy.can(viewer, Action.EDIT_PIPELINE_RULES)


def bar(viewer: Viewer, account: Account, pipeline_id: int, part: str) -> Bar:
    return Bar(
        pipelines=tuple(
            Choice(str(one.id), _(one.label), one.id == pipeline_id) for one in pipelines_of("ticket").pipelines
        ),
        part=part,
        segments=segments(viewer, account, pipeline_id, part),
    )  # fmt: skip
