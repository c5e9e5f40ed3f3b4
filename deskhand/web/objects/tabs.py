"""The kinds of record that are set up here, and the way between their pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.automation import lanes
from deskhand.crm.pipelines import queries
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema import object_types
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.kernel.errors import NotFound
from deskhand.web.choices import Choice, Tab
from deskhand.web.objects.rows import Bar


@dataclass(frozen=True)
class Sort:
    """A kind of record as the account calls it. `key` stands in addresses, `area` in the side of the settings."""

    key: str
    object_type: str
    label: str
    singular: str
    icon: str
    area: str

    @property
    def is_ticket(self) -> bool:
        return self.object_type == "ticket"

    @property
    def create_label(self) -> str:
        """What makes one. A name that the account chose stays as it is written, in words that go with any noun."""
        own_words = {"deal": _("Create deal"), "project": _("Create project")}
        if self.object_type in own_words and not object_types.is_renamed(self.object_type):
            return own_words[self.object_type]
        return _("Create %(kind)s") % {"kind": self.singular}

    @property
    def has_pipelines(self) -> bool:
        if self.object_type in BUILT_IN:
            return self.object_type in ("ticket", "deal", "project")
        return object_types.find(self.object_type).has_pipelines


#: What the built-in kinds are called in addresses. The account's own are called as in the API: "2-17".
KEYS = {
    "ticket": "tickets",
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "project": "projects",
}
_TYPES = {key: object_type for object_type, key in KEYS.items()}
OWN_AREA = "object-own"


def sort_of(key: str) -> Sort:
    """By what stands in an address. Raises NotFound."""
    if key not in _TYPES and key not in object_types.all_of_them():
        raise NotFound(_("There are no such records."))
    return sort_for(_TYPES.get(key, key))


def sort_for(object_type: str) -> Sort:
    """Raises NotFound."""
    key, labels = KEYS.get(object_type, object_type), object_types.labels_of(object_type)
    area = f"object-{key}" if object_type in KEYS else OWN_AREA
    return Sort(key, object_type, _(labels.plural), _(labels.singular), labels.icon, area)


def pipeline_with(pipeline_id: int) -> PipelineValue:
    """A pipeline of the account, whatever stands in it. Raises NotFound."""
    found = queries.find(pipeline_id)
    if not sort_for(found.object_type).has_pipelines:
        raise NotFound(_("There is no such pipeline."))
    return found


def tabs(viewer: Viewer, sort: Sort, current: str) -> tuple[Tab, ...]:
    """The pages about one kind of record that the viewer may open."""
    found = []
    if sort.is_ticket and policy.can(viewer, Action.EDIT_PIPELINES):
        found.append(Tab(_("Setup"), reverse("tickets-setup"), current == "setup"))
    if sort.object_type not in ("ticket", "contact", "company") and policy.can(
        viewer, Action.EDIT_PROPERTIES
    ):
        found.append(Tab(_("Setup"), reverse("object-setup", args=[sort.key]), current == "setup"))
    if sort.has_pipelines:
        first = segments(viewer, None, pipelines_of(sort.object_type).default, "")
        if first:
            found.append(Tab(_("Pipelines"), first[0].url, current == "pipelines"))
    if policy.can(viewer, Action.EDIT_PROPERTIES):
        found.append(Tab(_("Properties"), reverse("properties", args=[sort.key]), current == "properties"))
        if sort.is_ticket:
            found.append(Tab(_("Tags"), reverse("ticket-tags"), current == "tags"))
        found.append(Tab(_("Links"), reverse("object-labels", args=[sort.key]), current == "labels"))
        found.append(Tab(_("Sidebar layout"), reverse("layout", args=[sort.key]), current == "layout"))
    return tuple(found)


def segments(
    viewer: Viewer, account: Account | None, pipeline: PipelineValue, current: str
) -> tuple[Tab, ...]:
    """What of a pipeline the viewer may set up; without an account the rules are left out."""
    found = []
    if policy.can(viewer, Action.EDIT_PIPELINES):
        found.append(Tab(_("Configure"), reverse("pipeline", args=[pipeline.id]), current == "configure"))
        found.append(Tab(_("Cards"), reverse("pipeline-cards", args=[pipeline.id]), current == "cards"))
    if account is not None and may_edit_rules(viewer, account):
        found.append(Tab(_("Rules"), reverse("pipeline-rules", args=[pipeline.id]), current == "rules"))
    if lanes.may_edit(viewer, pipeline.object_type):
        found.append(Tab(_("Automate"), reverse("automate", args=[pipeline.id]), current == "automate"))
    return tuple(found)


def may_edit_rules(viewer: Viewer, account: Account) -> bool:
    """R-RULE-2, R-RULE-11"""
    has_rules = plans.has_feature(account, Feature.PIPELINE_RULES)
    return has_rules and policy.can(viewer, Action.EDIT_PIPELINE_RULES)


def bar(viewer: Viewer, account: Account, pipeline: PipelineValue, part: str) -> Bar:
    return Bar(
        pipelines=tuple(
            Choice(str(one.id), _(one.label), one.id == pipeline.id)
            for one in pipelines_of(pipeline.object_type).pipelines
        ),
        part=part,
        segments=segments(viewer, account, pipeline, part),
        list_url=reverse("pipelines", args=[KEYS.get(pipeline.object_type, pipeline.object_type)])
        if policy.can(viewer, Action.EDIT_PIPELINES)
        else "",
    )  # fmt: skip
