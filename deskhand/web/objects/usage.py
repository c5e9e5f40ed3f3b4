"""What would miss a status, a pipeline or a property that is to go (R-PIPE-10)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, User
from deskhand.accounts.types import Viewer
from deskhand.automation import lanes, workflows
from deskhand.automation.models import Workflow
from deskhand.crm.pipelines import options, rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.schema import layouts
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.segments import segments
from deskhand.crm.segments.looks import SEGMENT
from deskhand.desk import custom_views
from deskhand.desk.models import ChannelAccount, CustomView, Sharing
from deskhand.kernel.database.scope import current_account_id
from deskhand.web.objects.rows import Dependent
from deskhand.web.workflows import ways


def of_status(pipeline: PipelineValue, stage: StageValue) -> tuple[Dependent, ...]:
    url = reverse("automate", args=[pipeline.id])
    own = [lane.workflow for lane in lanes.lanes_of(pipeline) if lane.stage_id == stage.id and lane.workflow]
    named = lanes.stage_property(pipeline.object_type)
    others = workflows.naming(current_account_id(), named, str(stage.id))
    if pipeline.object_type != "ticket":
        return (*_workflows([*own, *others], url), *_rules(pipeline, stage))
    return (
        *_workflows([*own, *others], url),
        *(Dependent("mail", text, url) for text in _triggers(pipeline, stage)),
        *_rules(pipeline, stage),
        *_channels(_ours().filter(stage_id=stage.id)),
        *_views(custom_views.naming(current_account_id(), "ticket", custom_views.STATUS, {str(stage.id)})),
    )


def of_pipeline(pipeline: PipelineValue) -> tuple[Dependent, ...]:
    url = reverse("automate", args=[pipeline.id])
    own = [lane.workflow for lane in lanes.lanes_of(pipeline) if lane.workflow]
    if pipeline.object_type != "ticket":
        return _workflows(own, url)
    return (
        *_workflows(own, url),
        *_channels(_ours().filter(pipeline_id=pipeline.id)),
        *_views(custom_views.of_pipeline(current_account_id(), pipeline.id)),
    )


def of_tag(viewer: Viewer, account: Account, tag: str) -> tuple[Dependent, ...]:
    """What asks for a tag, or puts it on: workflows, views, segments, the rules of other tags."""
    found = _asking(viewer, account, "ticket", TAGS, tag)
    for use in segments.asking_for_tag(tag):
        text = _("Segment “%(name)s”") if use.kind == SEGMENT else _("The rule of the tag “%(name)s”")
        url = reverse("segment", args=[use.id]) if use.kind == SEGMENT else ""
        found.append(Dependent("boxes" if use.kind == SEGMENT else "tag", text % {"name": use.name}, url))
    return tuple(found)


def of_property(viewer: Viewer, account: Account, object_type: str, name: str) -> tuple[Dependent, ...]:
    """Where an account's own property is named."""
    found = _asking(viewer, account, object_type, name)
    if any(name in section.properties for section in layouts.layout_of(account.pk, object_type).sections):
        found.append(Dependent("panel-right", _("Sidebar layout")))
    for pipeline in pipelines_of(object_type).pipelines:
        asking = [
            stage for stage in pipeline.stages
            if any(ask.property == name for ask in rules.asks_of(pipeline, stage.id))
        ]  # fmt: skip
        found += [
            Dependent("shield-check", _("The status “%(status)s” asks for it.") % {"status": _(stage.label)})
            for stage in asking
        ]
    return tuple(found)


def _asking(
    viewer: Viewer, account: Account, object_type: str, name: str, value: str = ""
) -> list[Dependent]:
    """Workflows and views that name a property, or this value of it."""
    named = workflows.naming(account.pk, name, value)
    views = custom_views.naming(account.pk, object_type, name, {value} if value else ())
    return [
        *(Dependent("workflow", _("Workflow “%(name)s”") % {"name": one.name}, ways.seen(viewer, account, one.pk)) for one in named),
        *_views(views),
    ]  # fmt: skip


def _workflows(found: Iterable[Workflow], url: str) -> tuple[Dependent, ...]:
    names = {workflow.pk: workflow.name for workflow in found}
    return tuple(
        Dependent("workflow", _("Workflow “%(name)s”") % {"name": name}, url) for name in names.values()
    )


def _views(found: Sequence[CustomView]) -> Iterable[Dependent]:
    """Shared ones by their names; of others' own ones only whose they are."""
    private = {one.owner_id for one in found if one.sharing == Sharing.PRIVATE}
    owners = dict(User.objects.filter(pk__in=private).values_list("pk", "name")) if private else {}
    for one in found:
        text = (
            _("A private view of %(name)s") % {"name": owners.get(one.owner_id, "?")}
            if one.sharing == Sharing.PRIVATE
            else _("View “%(name)s”") % {"name": one.name}
        )
        yield Dependent("list-filter", text)


def _triggers(pipeline: PipelineValue, stage: StageValue) -> Iterable[str]:
    if pipeline.sent_stage_id == stage.id:
        yield _("It is set when an email is sent to a customer.")
    if pipeline.reply_stage_id == stage.id:
        yield _("It is set when a customer replies to an email.")
    if options.parse(pipeline.options).reopen_stage_id == stage.id:
        yield _("Tickets that are reopened begin in it.")


def _rules(pipeline: PipelineValue, stage: StageValue) -> Iterable[Dependent]:
    found = rules.parse(pipeline.rules)
    if found.limits_creation and stage.id in found.creation:
        is_ticket = pipeline.object_type == "ticket"
        text = _("Tickets may be created in it by a rule.") if is_ticket else _("Records may be created in it by a rule.")  # fmt: skip
        yield Dependent("shield-check", text)
    if found.asks.get(stage.id):
        yield Dependent("shield-check", _("It asks for properties."))


def _ours() -> QuerySet[ChannelAccount]:
    """The open account's channels; their table has no wall of its own."""
    return ChannelAccount.objects.filter(account_id=current_account_id(), archived_at=None).order_by("id")


def _channels(found: Iterable[ChannelAccount]) -> tuple[Dependent, ...]:
    return tuple(
        Dependent("inbox", _("New tickets of “%(channel)s” begin in it.") % {"channel": one.name})
        for one in found
    )
