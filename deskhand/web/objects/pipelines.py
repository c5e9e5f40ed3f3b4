"""Pipelines and their statuses: make, name, order, open and close, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.automation import lanes
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage, StageRow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records import refiling
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.asked import number
from deskhand.web.choices import Choice, offered
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import forms, usage
from deskhand.web.objects.forms import Row
from deskhand.web.objects.rows import PipelineLine, StatusLine
from deskhand.web.objects.tabs import Sort, bar, pipeline_with, segments, sort_for, sort_of, tabs
from deskhand.web.refusals import status_of, words_of

TONES = {
    "blue": gettext_lazy("Blue"), "teal": gettext_lazy("Turquoise"), "green": gettext_lazy("Green"),
    "lime": gettext_lazy("Light green"), "amber": gettext_lazy("Yellow"), "red": gettext_lazy("Red"),
    "pink": gettext_lazy("Pink"), "violet": gettext_lazy("Violet"),
}  # fmt: skip
COUNTED = 1000
#: What a new pipeline begins with; the names are the account's to change.
FIRST_STAGES = (
    NewStage(gettext_lazy("New"), StageState.OPEN, "blue"),  # type: ignore[arg-type]
    NewStage(gettext_lazy("In progress"), StageState.OPEN, "amber"),  # type: ignore[arg-type]
    NewStage(gettext_lazy("Closed"), StageState.CLOSED, "green"),  # type: ignore[arg-type]
)


def tone_choices(chosen: str) -> tuple[Choice, ...]:
    return offered(TONES, chosen)


def require(request: AccountRequest) -> None:
    """R-PIPE-6"""
    policy.require(request.viewer, Action.EDIT_PIPELINES)


def of_pipeline(pipeline: PipelineValue) -> Sort:
    return sort_for(pipeline.object_type)


def with_pipelines(request: AccountRequest, key: str) -> Sort:
    """A kind of record that stands in pipelines, for who may edit them. Raises Forbidden, NotFound."""
    require(request)
    sort = sort_of(key)
    if not sort.has_pipelines:
        raise NotFound(_("Records of this type stand in no pipeline."))
    return sort


def show(
    request: AccountRequest, sort: Sort, template: str, status: int = 200, *, tab: str = "pipelines", **more: Any
) -> HttpResponse:  # fmt: skip
    """A page about a kind of record. Nothing is kept of what was refused."""
    context = {
        "shell": shell(request, area=sort.area), "tabs": tabs(request.viewer, sort, tab), "sort": sort, **more,
    }  # fmt: skip
    return render(request, f"objects/{template}.html", context, status=status)


@require_GET
def home(request: AccountRequest, key: str) -> HttpResponse:
    """The first page about such records that the viewer may open. Raises Forbidden for who may open none."""
    found = tabs(request.viewer, sort_of(key), "")
    if not found:
        policy.require(request.viewer, Action.EDIT_PIPELINES)
    pipelines_tab = next((tab for tab in found if tab.label == _("Pipelines")), found[0])
    return redirect(pipelines_tab.url)


@require_GET
def go(request: AccountRequest) -> HttpResponse:
    """From the picker: the same part of another pipeline."""
    if not any(lanes.may_edit(request.viewer, kind) for kind in ("ticket", "deal")):
        policy.require(request.viewer, Action.EDIT_PIPELINES)
    chosen = pipeline_with(number(request.GET.get("pipeline", ""), "pipeline"))
    found = segments(request.viewer, request.account, chosen, request.GET.get("part", ""))
    if not found:
        policy.require(request.viewer, Action.EDIT_PIPELINES)
    return redirect(next((one for one in found if one.current), found[0]).url)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _list(request: AccountRequest, sort: Sort, status: int = 200, *, error: str = "", label: str = "") -> HttpResponse:  # fmt: skip
    found = pipelines_of(sort.object_type).pipelines
    lines = tuple(
        PipelineLine(
            id=one.id, label=_(one.label), statuses=tuple((_(stage.label), stage.tone) for stage in one.stages),
            url=reverse("pipeline", args=[one.id]),
            delete_url=reverse("pipeline-delete", args=[one.id]) if len(found) > 1 else "", is_default=place == 0,
        )
        for place, one in enumerate(found)
    )  # fmt: skip
    may_add = not sort.is_ticket or plans.has_feature(request.account, Feature.EXTRA_TICKET_PIPELINES)
    return show(
        request, sort, "pipelines", status, lines=lines, error=error, typed_label=label, may_add=may_add,
        is_many=len(found) >= pipelines.MANY, new_url=reverse("pipeline-new", args=[sort.key]),
        order_url=reverse("pipelines-order", args=[sort.key]),
    )  # fmt: skip


@require_GET
def all_pipelines(request: AccountRequest, key: str) -> HttpResponse:
    return _list(request, with_pipelines(request, key))


@require_POST
def create(request: AccountRequest, key: str) -> HttpResponse:
    """A pipeline with statuses to begin with (R-PIPE-6, R-PIPE-12)."""
    sort = with_pipelines(request, key)
    label = request.POST.get("label", "")
    first = [replace(stage, label=str(stage.label)) for stage in FIRST_STAGES]
    try:
        made = pipelines.create(
            request.account.pk, sort.object_type, label, first, by=Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        return _list(request, sort, 422, error=words_of(refusal), label=label)
    messages.success(request, _("The pipeline is there. Now give it its statuses."))
    return redirect("pipeline", made.pk)


@require_POST
def save_order(request: AccountRequest, key: str) -> HttpResponse:
    sort = with_pipelines(request, key)
    found = forms.rows(request.POST, (), first="")
    ids = [row.id or 0 for row in forms.moved(found, request.POST.get("move", ""))]
    try:
        pipelines.order(sort.object_type, ids, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        return _list(request, sort, 409, error=str(refusal))
    messages.success(request, _("The order is saved."))
    return redirect("pipelines", key)


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _configure(
    request: AccountRequest, pipeline: PipelineValue, status: int = 200, *, rows: Sequence[StatusLine] | None = None,
    notice: str = "", label: str | None = None, label_error: str = "",
) -> HttpResponse:  # fmt: skip
    return show(
        request, of_pipeline(pipeline), "configure", status, pipeline_label=_(pipeline.label), bar=bar(request.viewer, request.account, pipeline, "configure"),
        label=_(pipeline.label) if label is None else label, label_error=label_error, notice=notice,
        rows=_status_lines(pipeline) if rows is None else rows, tones=tone_choices,
        name_url=reverse("pipeline-name", args=[pipeline.id]), save_url=reverse("pipeline-stages", args=[pipeline.id]),
        delete_url=reverse("pipeline-delete", args=[pipeline.id]) if len(pipelines_of(pipeline.object_type).pipelines) > 1 else "",
        is_many=len(pipeline.stages) >= pipelines.MANY,
    )  # fmt: skip


def _status_lines(pipeline: PipelineValue) -> tuple[StatusLine, ...]:
    counts = refiling.counts(pipeline.object_type, [stage.id for stage in pipeline.stages], COUNTED)
    return tuple(
        StatusLine(
            key=str(stage.id), label=_(stage.label), tone=stage.tone, is_open=stage.is_open,
            count_text=count_text(of_pipeline(pipeline), counts[stage.id]), delete_url=reverse("status-delete", args=[pipeline.id, stage.id]),
        )
        for stage in pipeline.stages
    )  # fmt: skip


def count_text(sort: Sort, count: int) -> str:
    if count > COUNTED:
        many = _("More than %(count)s tickets") if sort.is_ticket else _("More than %(count)s records")
        return many % {"count": number_format(COUNTED)}
    if not sort.is_ticket:
        return ngettext("%(count)s record", "%(count)s records", count) % {"count": number_format(count)}
    return ngettext("%(count)s ticket", "%(count)s tickets", count) % {"count": number_format(count)}


@require_GET
def configure(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    require(request)
    return _configure(request, pipeline_with(pipeline_id))


@require_POST
def rename(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    require(request)
    pipeline, label = pipeline_with(pipeline_id), request.POST.get("label", "")
    if label.strip() != _(pipeline.label):
        try:
            found = pipelines.find(pipeline.object_type, pipeline_id)
            pipelines.rename(found, label, by=Actor.user(request.user.pk))
        except Invalid as refusal:
            return _configure(request, pipeline, 422, label=label, label_error=words_of(refusal))
    messages.success(request, _("The name is saved."))
    return redirect("pipeline", pipeline_id)


@require_POST
def save_stages(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """Names, colors, states, order and new statuses, in one write."""
    require(request)
    pipeline = pipeline_with(pipeline_id)
    found = forms.rows(request.POST, ("label", "tone", "state"), first="label")
    found = forms.moved(found, request.POST.get("move", ""))
    try:
        wanted = [_stage_row(row, pipeline) for row in found]
        refiling.arrange(
            pipelines.find(pipeline.object_type, pipeline_id), wanted, by=Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        return _configure(
            request, pipeline, 422, rows=_typed(found, pipeline, refusal), notice=words_of(refusal)
        )
    except Conflict as refusal:
        return _configure(request, pipeline, 409, notice=words_of(refusal))
    messages.success(request, _("The statuses are saved."))
    return redirect("pipeline", pipeline_id)


def _stage_row(row: Row, pipeline: PipelineValue) -> StageRow:
    """A name that was left as it is shown stays as it is stored."""
    stage = pipeline.stage(row.id)
    label = row.fields["label"]
    if stage is not None and label == _(stage.label):
        label = stage.label
    state = StageState.CLOSED if row.fields["state"] == StageState.CLOSED else StageState.OPEN
    return StageRow(label, state, row.fields["tone"] or "blue", row.id)


def _typed(found: Sequence[Row], pipeline: PipelineValue, refusal: Invalid) -> tuple[StatusLine, ...]:
    stored = {line.key: line for line in _status_lines(pipeline)}
    return tuple(
        StatusLine(
            key=row.key, label=row.fields["label"], tone=row.fields["tone"], is_open=row.fields["state"] != StageState.CLOSED,
            count_text=stored[row.key].count_text if row.key in stored else "",
            delete_url=stored[row.key].delete_url if row.key in stored else "",
            error=_(refusal.message) if refusal.field.startswith(f"stages[{place}].") else "",
        )
        for place, row in enumerate(found)
    )  # fmt: skip


# ── taking away ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _stage_with(pipeline: PipelineValue, stage_id: int) -> StageValue:
    found = pipeline.stage(stage_id)
    if found is None:
        raise NotFound(_("There is no such status in this pipeline."))
    return found


def _destinations(object_type: str, without: set[int], chosen: str) -> tuple[Choice, ...]:
    """Every status but those that go, in the words of its pipeline."""
    return tuple(
        Choice(
            str(stage.id), _("%(pipeline)s: %(status)s") % {"pipeline": _(pipeline.label), "status": _(stage.label)},
            str(stage.id) == chosen,
        )
        for pipeline in pipelines_of(object_type).pipelines for stage in pipeline.stages if stage.id not in without
    )  # fmt: skip


def _ask(
    request: AccountRequest, pipeline: PipelineValue, status: int, stage_ids: list[int], *, error: str = "", **more: Any
) -> HttpResponse:  # fmt: skip
    sort = of_pipeline(pipeline)
    count = sum(refiling.counts(sort.object_type, stage_ids, COUNTED).values())
    chosen = request.POST.get("move_to", "")
    return show(
        request, sort, "delete", status, count=count, error=error,
        count_text=count_text(sort, count), destinations=_destinations(sort.object_type, set(stage_ids), chosen), **more,
    )  # fmt: skip


def _ask_stage(request: AccountRequest, pipeline: PipelineValue, stage: StageValue, status: int = 200, error: str = "") -> HttpResponse:  # fmt: skip
    return _ask(
        request, pipeline, status, [stage.id], error=error, title=_("Delete “%(name)s”") % {"name": _(stage.label)},
        dependents=usage.of_status(request.viewer, request.account, pipeline, stage), back_url=reverse("pipeline", args=[pipeline.id]),
        action_url=reverse("status-deleted", args=[pipeline.id, stage.id]), label=_("Delete status"),
    )  # fmt: skip


@require_GET
def ask_delete_stage(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """R-PIPE-10"""
    require(request)
    pipeline = pipeline_with(pipeline_id)
    return _ask_stage(request, pipeline, _stage_with(pipeline, stage_id))


@require_POST
def delete_stage(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """R-PIPE-8"""
    require(request)
    pipeline = pipeline_with(pipeline_id)
    stage = _stage_with(pipeline, stage_id)
    try:
        row = Stage.objects.get(account_id=request.viewer.account_id, pk=stage_id)
        refiling.delete_stage(row, move_to=_destination(request), by=Actor.user(request.user.pk))
    except (Invalid, Conflict) as refusal:
        return _ask_stage(request, pipeline, stage, status_of(refusal), words_of(refusal))  # fmt: skip
    messages.success(request, _("The status is deleted."))
    return redirect("pipeline", pipeline_id)


def _destination(request: AccountRequest) -> int | None:
    text = request.POST.get("move_to", "")
    return number(text, "move_to") if text else None


def _ask_pipeline(request: AccountRequest, pipeline: PipelineValue, status: int = 200, error: str = "") -> HttpResponse:  # fmt: skip
    return _ask(
        request, pipeline, status, [stage.id for stage in pipeline.stages], error=error, title=_("Delete “%(name)s”") % {"name": _(pipeline.label)},
        dependents=usage.of_pipeline(request.viewer, request.account, pipeline), back_url=reverse("pipelines", args=[of_pipeline(pipeline).key]),
        action_url=reverse("pipeline-deleted", args=[pipeline.id]), label=_("Delete pipeline"),
    )  # fmt: skip


@require_GET
def ask_delete(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    require(request)
    return _ask_pipeline(request, pipeline_with(pipeline_id))


@require_POST
def delete(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """R-PIPE-9"""
    require(request)
    pipeline = pipeline_with(pipeline_id)
    try:
        row = pipelines.find(pipeline.object_type, pipeline_id)
        refiling.delete_pipeline(row, move_to=_destination(request), by=Actor.user(request.user.pk))
    except (Invalid, Conflict) as refusal:
        return _ask_pipeline(request, pipeline, status_of(refusal), words_of(refusal))
    messages.success(request, _("The pipeline is deleted."))
    return redirect("pipelines", of_pipeline(pipeline).key)
