"""What would miss a status, a pipeline, a property or a task queue that is to go (R-PIPE-10, R-EDIT-9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account, User
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.automation import lanes, uses, workflows
from deskhand.automation.models import Workflow
from deskhand.channels.portal import portals
from deskhand.crm.pipelines import cards, options, rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.schema import clock_names, layouts
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.segments import segments
from deskhand.crm.segments.looks import SEGMENT
from deskhand.crm.segments.segments import Use
from deskhand.desk import custom_views
from deskhand.desk.models import ChannelAccount, CustomView, Sharing
from deskhand.kernel.database.scope import current_account_id
from deskhand.routing import skill_sets
from deskhand.routing.models import SkillRule
from deskhand.web.objects.rows import Dependent
from deskhand.web.workflows import ways


def of_status(viewer: Viewer, account: Account, pipeline: PipelineValue, stage: StageValue) -> tuple[Dependent, ...]:  # fmt: skip
    named = uses.stages(account.pk, [stage.id]).get(stage.id, [])
    found = [
        *_workflows(viewer, account, named, Workflow.objects.filter(origin_stage_id=stage.id)),
        *_mail_rules(viewer, pipeline, stage),
        *_rules(viewer, pipeline, stage),
        *_conditional(pipeline, "stage_id", [stage.id]),
        *_views(viewer, _views_naming(pipeline, "stage_id", [stage.id])),
    ]
    if pipeline.object_type == "ticket":
        found += [*_channels(viewer, Q(stage_id=stage.id)), *_portal(viewer, account, [stage])]
    return (*found, *_skill_rules(viewer, account, _rules_naming(pipeline, "stage_id", [stage.id])))


def of_pipeline(viewer: Viewer, account: Account, pipeline: PipelineValue) -> tuple[Dependent, ...]:
    """What names it, and what names one of its statuses."""
    ids = [stage.id for stage in pipeline.stages]
    named = [
        *uses.pipelines(account.pk, [pipeline.id]).values(),
        *uses.stages(account.pk, ids).values(),
    ]
    found = [
        *_workflows(viewer, account, chain.from_iterable(named), Workflow.objects.filter(origin_pipeline_id=pipeline.id)),
        *_conditional(pipeline, "pipeline_id", [pipeline.id]),
        *_conditional(pipeline, "stage_id", ids),
    ]  # fmt: skip
    views = _views_naming(pipeline, "pipeline_id", [pipeline.id]) + _views_naming(pipeline, "stage_id", ids)
    if pipeline.object_type == "ticket":
        views += custom_views.of_pipeline(account.pk, pipeline.id)
        found += [
            *_channels(viewer, Q(pipeline_id=pipeline.id)),
            *_portal(viewer, account, pipeline.stages),
        ]
    naming = _rules_naming(pipeline, "pipeline_id", [pipeline.id]) + _rules_naming(pipeline, "stage_id", ids)
    found += _skill_rules(viewer, account, {one.pk: one for one in naming}.values())
    return (*dict.fromkeys(found), *_views(viewer, {one.pk: one for one in views}.values()))


def _property(pipeline: PipelineValue, column: str) -> str:
    """What such records call their status, or their pipeline."""
    return next(prop.name for prop in properties_of(pipeline.object_type).values() if prop.column == column)


def _views_naming(pipeline: PipelineValue, column: str, ids: Sequence[int]) -> list[CustomView]:
    values = {str(pk) for pk in ids}
    return custom_views.naming(
        current_account_id(), pipeline.object_type, _property(pipeline, column), values, clocks=_clocks(column, ids)
    )  # fmt: skip


def _rules_naming(pipeline: PipelineValue, column: str, ids: Sequence[int]) -> list[SkillRule]:
    return skill_sets.naming(
        current_account_id(), pipeline.object_type, _property(pipeline, column), {str(pk) for pk in ids}, clocks=_clocks(column, ids)
    )  # fmt: skip


def _clocks(column: str, ids: Iterable[int]) -> list[str]:
    """The names of the clocks of these statuses."""
    return [name for pk in ids for name in clock_names.names_of(pk)] if column == "stage_id" else []


def of_task_queue(viewer: Viewer, account: Account, queue_id: int) -> tuple[Dependent, ...]:
    """The workflows whose steps put tasks into it (R-WFA-8)."""
    named = uses.task_queues(account.pk, [queue_id]).get(queue_id, [])
    return tuple(_workflows(viewer, account, named, Workflow.objects.none()))


def of_tag(viewer: Viewer, account: Account, tag: str) -> tuple[Dependent, ...]:
    """What asks for a tag, or puts it on: workflows, views, segments, the rules of other tags."""
    return (
        *_asking(viewer, account, "ticket", TAGS, tag),
        *map(_conditioned, segments.asking_for_tag(tag)),
    )


def of_property(viewer: Viewer, account: Account, object_type: str, name: str) -> tuple[Dependent, ...]:
    """Where an account's own property is named."""
    found = _asking(viewer, account, object_type, name)
    if any(name in section.properties for section in layouts.layout_of(account.pk, object_type).sections):
        found.append(Dependent("panel-right", _("Sidebar layout")))
    for pipeline in pipelines_of(object_type).pipelines:
        if name in cards.shown(pipeline):
            text = _("Cards of the pipeline “%(pipeline)s”") % {"pipeline": _(pipeline.label)}
            found.append(Dependent("square-kanban", text, reverse("pipeline-cards", args=[pipeline.id])))
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
    """Workflows, views and skill rules that name a property, or this value of it."""
    named = workflows.naming(account.pk, name, value)
    views = custom_views.naming(account.pk, object_type, name, {value} if value else ())
    rules = skill_sets.naming(account.pk, object_type, name, {value} if value else ())
    return [
        *(Dependent("workflow", _("Workflow “%(name)s”") % {"name": one.name}, ways.seen(viewer, account, one.pk)) for one in named),
        *_views(viewer, views),
        *_skill_rules(viewer, account, rules),
    ]  # fmt: skip


def _skill_rules(viewer: Viewer, account: Account, found: Iterable[SkillRule]) -> Iterable[Dependent]:
    may = policy.can(viewer, Action.EDIT_SKILLS) and plans.has_feature(account, Feature.SKILLS)
    for one in found:
        url = reverse("skill-rule", args=[one.rule_set_id, one.pk]) if may else ""
        yield Dependent("route", _("Skill rule “%(name)s”") % {"name": one.name}, url)


def _workflows(
    viewer: Viewer, account: Account, named: Iterable[Use], own: QuerySet[Workflow]
) -> Iterable[Dependent]:
    """Lanes lead to their place on the Automate tab, others to the editor; the lanes of what is to go come first."""
    known = Workflow.objects.filter(account_id=account.pk, archived_at=None).order_by("name", "id")
    lanes_of_it = list(known & own.order_by("name", "id"))
    others = known.filter(pk__in={use.id for use in named}).exclude(
        pk__in=[workflow.pk for workflow in lanes_of_it]
    )
    for workflow in (*lanes_of_it, *others):
        lane = ways.lane(workflow) if lanes.may_edit(viewer, workflow.object_type) else ""
        url = lane or ways.seen(viewer, account, workflow.pk)
        yield Dependent("workflow", _("Workflow “%(name)s”") % {"name": workflow.name}, url)


def _conditional(pipeline: PipelineValue, column: str, ids: Sequence[int]) -> Iterable[Dependent]:
    """Segments and rules of tags that look at it."""
    values = {str(pk) for pk in ids}
    found = segments.asking_for_values(
        pipeline.object_type, _property(pipeline, column), values, clocks=_clocks(column, ids)
    )
    return map(_conditioned, found)


def _conditioned(use: Use) -> Dependent:
    if use.kind == SEGMENT:
        text = _("Segment “%(name)s”") % {"name": use.name}
        return Dependent("boxes", text, reverse("segment", args=[use.id]))
    text = _("The rule of the tag “%(name)s”") % {"name": use.name}
    return Dependent("tag", text, reverse("tag-rule", args=[use.tag]))


def _portal(viewer: Viewer, account: Account, stages: Iterable[StageValue]) -> Iterable[Dependent]:
    portal = portals.of_account(account.pk)
    url = reverse("portal-settings") if policy.can(viewer, Action.EDIT_PORTAL) else ""
    for stage in stages:
        said = portal.stages.get(str(stage.id), {})
        if portals.is_hidden(portal, stage):
            yield Dependent("globe", _("The portal hides it from customers."), url)
        elif said.get("label"):
            yield Dependent("globe", _("In the portal customers read “%(label)s” for it.") % {"label": said["label"]}, url)  # fmt: skip


def _views(viewer: Viewer, found: Iterable[CustomView]) -> Iterable[Dependent]:
    """Shared ones by their names; of others' own ones only whose they are. With the way there, for who has them."""
    found = list(found)
    own = {one.id for one in custom_views.of(viewer)}
    private = {one.owner_id for one in found if one.sharing == Sharing.PRIVATE}
    owners = dict(User.objects.filter(pk__in=private).values_list("pk", "name")) if private else {}
    for one in found:
        text = (
            _("A private view of %(name)s") % {"name": owners.get(one.owner_id, "?")}
            if one.sharing == Sharing.PRIVATE
            else _("View “%(name)s”") % {"name": one.name}
        )
        yield Dependent("list-filter", text, reverse("view-table", args=[one.pk]) if one.pk in own else "")


def _mail_rules(viewer: Viewer, pipeline: PipelineValue, stage: StageValue) -> Iterable[Dependent]:
    """The templated automations of tickets."""
    if pipeline.object_type != "ticket":
        return
    url = reverse("automate", args=[pipeline.id]) if lanes.may_edit(viewer, "ticket") else ""
    if pipeline.sent_stage_id == stage.id:
        yield Dependent("mail", _("It is set when an email is sent to a customer."), _at(url, "rule-sent"))
    if pipeline.reply_stage_id == stage.id:
        yield Dependent("mail", _("It is set when a customer replies to an email."), _at(url, "rule-reply"))
    if options.parse(pipeline.options).reopen_stage_id == stage.id:
        yield Dependent("mail", _("Tickets that are reopened begin in it."), _at(url, "rule-reopening"))


def _at(url: str, place: str) -> str:
    return f"{url}#{place}" if url else ""


def _rules(viewer: Viewer, pipeline: PipelineValue, stage: StageValue) -> Iterable[Dependent]:
    may = policy.can(viewer, Action.EDIT_PIPELINE_RULES)
    url = reverse("pipeline-rules", args=[pipeline.id]) if may else ""
    found = rules.parse(pipeline.rules)
    if found.limits_creation and stage.id in found.creation:
        is_ticket = pipeline.object_type == "ticket"
        text = _("Tickets may be created in it by a rule.") if is_ticket else _("Records may be created in it by a rule.")  # fmt: skip
        yield Dependent("shield-check", text, url)
    if found.asks.get(stage.id):
        yield Dependent("shield-check", _("It asks for properties."), url)


def _channels(viewer: Viewer, of: Q) -> Iterable[Dependent]:
    """The open account's channels; their table has no wall of its own."""
    may = policy.can(viewer, Action.CONNECT_CHANNELS)
    found = ChannelAccount.objects.filter(of, account_id=current_account_id(), archived_at=None)
    for one in found.order_by("id"):
        text = _("New tickets of “%(channel)s” begin in it.") % {"channel": one.name}
        yield Dependent("inbox", text, reverse("channel", args=[one.pk]) if may else "")
