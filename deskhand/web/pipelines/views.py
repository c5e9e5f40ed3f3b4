"""The Automate tab of a ticket pipeline: templated automations, lanes, and the mails they send.

Every change is one verb of an area below, answered with a redirect, or with the changed part for htmx.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.automation import comments as step_comments
from deskhand.automation import enroll, gating, lanes, waking, workflows
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.edit import Place
from deskhand.automation.lanes import Lane, LanePlace, LaneStep
from deskhand.automation.models import StepComment, Workflow
from deskhand.crm.pipelines import options, pipelines
from deskhand.crm.pipelines.models import Pipeline, StageState
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.asked import number
from deskhand.web.frame import shell
from deskhand.web.inbox import picks
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import bar, pipeline_with, tabs
from deskhand.web.pipelines import page as pages
from deskhand.web.pipelines.page import Drawer
from deskhand.web.pipelines.rows import Panel
from deskhand.web.refusals import status_of, words_of
from deskhand.web.workflows import words
from deskhand.web.workflows.editor import stepforms
from deskhand.web.workflows.editor.offers import kinds_from, require_use
from deskhand.web.workflows.editor.stepforms import StepForm
from deskhand.web.workflows.lists import LONGEST_SEARCH

STATUS_RULES = {"sent": ("moves_on_sent", "sent_stage_id"), "reply": ("moves_on_reply", "reply_stage_id")}


def _allowed_pipeline(request: AccountRequest, pipeline_id: int) -> PipelineValue:
    """Raises Forbidden for who may not edit such lanes (R-ACT-40, R-ACT-41), NotFound for a pipeline that is not theirs."""
    found = pipeline_with(pipeline_id)
    lanes.require(request.viewer, found.object_type)
    return found


def _ticket_pipeline(request: AccountRequest, pipeline_id: int) -> PipelineValue:
    """One that has what only tickets have."""
    found = _allowed_pipeline(request, pipeline_id)
    if found.object_type != "ticket":
        raise NotFound(_("There is no such automation."))
    return found


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\x00", "")


@require_GET
def home(request: AccountRequest) -> HttpResponse:
    """The pipeline that `?pipeline=` names, else the default one."""
    lanes.require(request.viewer, "ticket")
    wanted = request.GET.get("pipeline", "")
    chosen = number(wanted, "pipeline") if wanted else pipelines_of("ticket").default.id
    return redirect("automate", pipeline_with(chosen).id)


@require_GET
def automate(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    pipeline = _allowed_pipeline(request, pipeline_id)
    page = pages.automate_page(request.viewer, request.account, pipeline)
    context = {
        "shell": shell(request, area=page.sort.area), "page": page,
        "tabs": tabs(request.viewer, page.sort, "pipelines"),
        "bar": bar(request.viewer, request.account, pipeline, "automate"),
    }  # fmt: skip
    return render(request, "pipelines/automate.html", context)


# ── templated automations ────────────────────────────────────────────────────────────────────────────────────────────


def _templated(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("automate", pipeline_id)
    shown = pages.templated(request.account, pipeline_with(pipeline_id))
    return render(request, "pipelines/fragments/templated.html", {"templated": shown})


@require_POST
def set_status_rule(request: AccountRequest, pipeline_id: int, rule: str) -> HttpResponse:
    """`on` switches, `stage` chooses the target; each alone is saved at once (R-STAT-1, R-STAT-2, R-STAT-14)."""
    _ticket_pipeline(request, pipeline_id)
    if rule not in STATUS_RULES or not pages.follows_emails(request.account):
        raise NotFound(_("There is no such automation."))
    switch, target = STATUS_RULES[rule]
    changes: dict[str, Any] = {}
    if "on" in request.POST:
        changes[switch] = request.POST["on"] == "1"
    if "stage" in request.POST:
        changes[target] = number(request.POST["stage"], "stage")
    return _set_policy(request, pipeline_id, changes)


@require_POST
def set_reopening(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """`mode`, `days` and `stage` ("" for the first open one), each saved by itself; what is not sent stays (R-REOPEN-2)."""
    _ticket_pipeline(request, pipeline_id)
    kept = _kept_options(pipeline_id)
    if "mode" in request.POST:
        kept["reopen"]["mode"] = request.POST["mode"]
    if "days" in request.POST:
        kept["reopen"]["days"] = number(request.POST["days"], "options.reopen.days")
    if "stage" in request.POST:
        stage = request.POST["stage"]
        kept["reopen"]["stage_id"] = number(stage, "options.reopen.stage_id") if stage else None
    return _set_policy(request, pipeline_id, {"options": kept})


@require_POST
def set_option(request: AccountRequest, pipeline_id: int, option: str) -> HttpResponse:
    """R-REOPEN-2, in every plan; R-STAT-13, R-STAT-21"""
    _ticket_pipeline(request, pipeline_id)
    name = option.replace("-", "_")
    is_there = name == "ignore_acknowledgements" or pages.follows_emails(request.account)
    if name not in options.FLAGS or not is_there:
        raise NotFound(_("There is no such automation."))
    kept = _kept_options(pipeline_id) | {name: request.POST.get("on") == "1"}
    return _set_policy(request, pipeline_id, {"options": kept})


def _kept_options(pipeline_id: int) -> dict[str, Any]:
    """Those of a pipeline, locked, without a status that is gone or closed by now."""
    row = pipelines.find("ticket", pipeline_id)
    found = options.parse(row.options)
    open_ones = row.stages.filter(state=StageState.OPEN).values_list("pk", flat=True)
    if found.reopen_stage_id not in list(open_ones):
        found = replace(found, reopen_stage_id=None)
    return options.as_json(found)


@require_POST
def set_close_date(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """R-CLOSE-3"""
    _ticket_pipeline(request, pipeline_id)
    return _set_policy(request, pipeline_id, {"sets_close_date": request.POST.get("on") == "1"})


def _set_policy(request: AccountRequest, pipeline_id: int, changes: dict[str, Any]) -> HttpResponse:
    if changes:
        found = Pipeline.objects.select_for_update().get(account_id=request.viewer.account_id, pk=pipeline_id)
        pipelines.set_policy(found, by=Actor.user(request.user.pk), **changes)
    return _templated(request, pipeline_id)


# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lane(
    request: AccountRequest, pipeline_id: int, stage_id: int, panel: Panel | None = None, *, also: int = 0
) -> HttpResponse:
    """What a change leaves: for htmx the lane's column, that of `also`, and what the drawer shows now; or the page."""
    if not wants_fragment(request):
        return redirect(f"{reverse('automate', args=[pipeline_id])}#lane-{stage_id}")
    columns = {
        lane.stage_id: lane
        for lane in pages.lane_columns(request.viewer, request.account, pipeline_with(pipeline_id))
    }
    other = columns[also] if also and also != stage_id else None
    context = {"lane": columns[stage_id], "other": other, "panel": panel}
    return render(request, "pipelines/fragments/lane.html", context)


def _workflow(pipeline: PipelineValue, stage: StageValue) -> Workflow:
    found = lanes.lane_of(stage.id, pipeline.object_type)
    if found is None:
        raise NotFound(_("This status has no workflow yet."))
    return found


@require_POST
def switch_lane(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """Switching on asks first when tickets are in the status already (R-ACT-3, R-ACT-12)."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, on = _workflow(drawer.pipeline, drawer.stage), request.POST.get("on") == "1"
    if on:
        gating.require_steps(request.viewer, workflows.definition_of(workflow))
    if on and not workflow.is_on and "present" not in request.POST:
        present = enroll.count_present(workflow.account_id, workflow.pk, clock.now())
        if present:
            return _show(request, drawer.switch(present))
    include = request.POST.get("present") == "1"
    workflows.switch(workflow, on, by=request.user.pk, include_present=include)
    return _lane(request, pipeline_id, stage_id)


@require_POST
def set_every_time(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """R-ACT-11"""
    pipeline = _allowed_pipeline(request, pipeline_id)
    workflow = _workflow(pipeline, pages.stage_with(pipeline, stage_id))
    lanes.set_every_time(workflow, request.POST.get("on") == "1", by=request.user.pk)
    return _lane(request, pipeline_id, stage_id)


@require_POST
def set_chat(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """Whether tickets of live chat and Messenger stay out (R-ACT-30, R-ACT-32)."""
    pipeline = _allowed_pipeline(request, pipeline_id)
    workflow = _workflow(pipeline, pages.stage_with(pipeline, stage_id))
    lanes.leave_out_chat(workflow, request.POST.get("on") == "1", by=request.user.pk)
    return _lane(request, pipeline_id, stage_id)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _drawer(request: AccountRequest, pipeline_id: int, stage_id: int) -> Drawer:
    pipeline = _allowed_pipeline(request, pipeline_id)
    return Drawer(request.viewer, request.account, pipeline, pages.stage_with(pipeline, stage_id))


def _show(request: AccountRequest, panel: Panel, status: int = 200) -> HttpResponse:
    """In the drawer for htmx, or as a page of its own. Refusals are not kept, and what was typed stays."""
    context: dict[str, Any] = {"panel": panel}
    if wants_fragment(request):
        return render(request, "pipelines/fragments/panel.html", context, status=status)
    context["shell"] = shell(request, area=panel.sort.area)
    return render(request, "pipelines/step.html", context, status=status)


def _typed(request: AccountRequest) -> dict[str, list[str]]:
    return {name: [str(one) for one in values] for name, values in request.POST.lists()}


def _seen(request: AccountRequest) -> int | None:
    text = request.POST.get("revision", "")
    return number(text, "revision") if text else None


def _step(drawer: Drawer, step_id: str) -> tuple[Workflow, Sequence[LaneStep], LaneStep]:
    """The lane, the chain in which a step stands, and the step. Raises NotFound."""
    for lane in lanes.lanes_of(drawer.pipeline):
        if lane.stage_id == drawer.stage.id and lane.workflow is not None:
            chain = pages.chain_with(lane.steps, step_id)
            for step in chain:
                if step.id == step_id:
                    return lane.workflow, chain, step
    raise NotFound(_("There is no such step."))


def _place(drawer: Drawer, asked: Mapping[str, str]) -> Place:
    """Behind a step, on one of its ways if it is a fork, or at the beginning. Raises NotFound for no such place."""
    after, slot = asked.get("after", ""), asked.get("slot", "") or "next"
    at = Place(after, slot) if after else edit.START
    try:
        edit.edge_at(drawer.surroundings.definition, at)
    except NotFound:
        raise NotFound(_("There is no such step.")) from None
    return at


def _new(drawer: Drawer, kind: str, at: Place, typed: Typed | None) -> StepForm:
    """The form of a new step. Raises NotFound for what the plan or the viewer does not have (R-ACT-26, R-TIER-1)."""
    if kind not in drawer.offered:
        raise NotFound(_("There is no such action."))
    return stepforms.form_for(drawer.surroundings, kind, typed, at)


@require_GET
def new_step(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """First the action, then the form of its kind."""
    drawer = _drawer(request, pipeline_id, stage_id)
    kind, at = request.GET.get("kind", ""), _place(drawer, request.GET.dict())
    if not kind:
        return _show(request, drawer.choose(at, request.GET.get("q", "")[:LONGEST_SEARCH]))
    return _show(request, drawer.new(_new(drawer, kind, at, None), kind, at))


@require_POST
def add_step(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    drawer = _drawer(request, pipeline_id, stage_id)
    kind, at = request.POST.get("kind", ""), _place(drawer, request.POST.dict())
    form = _new(drawer, kind, at, _typed(request))
    return _saved(request, drawer, form, lambda **more: drawer.new(form, kind, at, **more))


def _saved(
    request: AccountRequest, drawer: Drawer, form: StepForm, draw: Callable[..., Panel]
) -> HttpResponse:
    """Draw the form anew, or put what it says into the lane (R-ACT-5, R-ACT-23).

    Drawn anew it stays one of the version that it began with: rows of branches are numbered by that one's.
    """
    if "redraw" in request.POST:
        form.press(request.POST["redraw"])
        return _show(request, replace(draw(), revision=request.POST.get("revision", "")))
    try:
        _put(request, drawer, form.put)
    except Invalid as refusal:
        return _show(request, draw(refusal=refusal), status_of(refusal))
    except Conflict as refusal:
        return _show(request, draw(notice=_again(refusal)), status_of(refusal))
    return _lane(request, drawer.pipeline.id, drawer.stage.id)


def _put(request: AccountRequest, drawer: Drawer, put: Callable[[Definition], tuple[Definition, str]]) -> None:  # fmt: skip
    lanes.put_step(
        drawer.pipeline.object_type, drawer.stage.id, put, by=request.user.pk, seen_revision=_seen(request)
    )  # fmt: skip


def _again(what: object) -> str:
    return " ".join((str(what), _("Save again to keep your version.")))


@require_GET
def edit_step(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, step = _known(drawer, step_id)
    if not drawer.may_change(step):
        return _show(request, drawer.told(step))
    return _show(
        request, drawer.edit(stepforms.form_of(drawer.surroundings, step.step, None), step, workflow)
    )


def _known(drawer: Drawer, step_id: str) -> tuple[Workflow, LaneStep]:
    workflow, _chain, step = _step(drawer, step_id)
    if not lanes.is_known(step.kind):
        raise NotFound(_("This step can't be changed here."))
    return workflow, step


@require_POST
def save_step(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """R-ACT-5"""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, step = _known(drawer, step_id)
    require_use(request.viewer, step.kind)
    form = stepforms.form_of(drawer.surroundings, step.step, _typed(request))
    return _saved(request, drawer, form, lambda **more: drawer.edit(form, step, workflow, **more))


@require_POST
def end_here(request: AccountRequest, pipeline_id: int, stage_id: int) -> HttpResponse:
    """Take away the go-to at the place that the address names (R-BR-9)."""
    drawer = _drawer(request, pipeline_id, stage_id)
    _workflow(drawer.pipeline, drawer.stage)
    at = _place(drawer, request.GET.dict())
    _put(request, drawer, lambda definition: (edit.end_here(definition, at), ""))
    return _lane(request, pipeline_id, stage_id)


@require_GET
def ask_delete(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, chain, step = _step(drawer, step_id)
    return _show(request, drawer.delete(chain, step, workflow))


@require_POST
def delete_step(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """Only this step, of a fork with the way to `keep`, or with `following` all after it too (R-ACT-7, R-ACT-8)."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, chain, step = _step(drawer, step_id)
    asked = request.POST.get("following", "")
    keep = asked.removeprefix("keep:") if asked.startswith("keep:") else None
    try:
        lanes.delete_step(
            workflow, step_id, and_following=asked == "1", keep=keep, by=request.user.pk, seen_revision=_seen(request)
        )  # fmt: skip
    except (Invalid, Conflict) as refusal:
        notice = words_of(refusal) if isinstance(refusal, Invalid) else str(refusal)
        return _show(request, drawer.delete(chain, step, workflow, notice=notice), status_of(refusal))
    return _lane(request, pipeline_id, stage_id)


def _placeable(request: AccountRequest, drawer: Drawer, step_id: str) -> tuple[Workflow, LaneStep]:
    """Raises NotFound where the plan has no moving and copying (R-ACT-9)."""
    if not lanes.may_rearrange(request.account):
        raise NotFound(_("Your plan has no moving and copying of steps."))
    return _known(drawer, step_id)


@require_GET
def ask_place(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, step = _placeable(request, drawer, step_id)
    return _show(request, drawer.place(step, workflow, {}))


@require_POST
def place_step(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """Move the step, or with `copy` put a copy there; with `following` all after it too (R-ACT-9)."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, step = _placeable(request, drawer, step_id)
    act = lanes.copy_step if request.POST.get("copy") == "1" else lanes.move_step
    following = request.POST.get("following") == "1"
    try:
        to = _spot(drawer, request.POST.get("to", ""))
        if act is lanes.copy_step or to.stage_id != stage_id:
            definition = drawer.surroundings.definition
            require_use(request.viewer, *kinds_from(definition, step_id, with_following=following))
        act(workflow, step_id, to, with_following=following, by=request.user.pk, seen_revision=_seen(request))
    except (Invalid, Conflict) as refusal:
        notice = str(refusal) if isinstance(refusal, Conflict) else _(refusal.message)
        return _show(
            request, drawer.place(step, workflow, _typed(request), notice=notice), status_of(refusal)
        )
    return _lane(request, pipeline_id, stage_id, also=to.stage_id)


def _spot(drawer: Drawer, text: str) -> LanePlace:
    """Raises Invalid for what is no place of these lanes, or no longer."""
    stage, _colon, spot = text.partition(":")
    after, _dot, slot = spot.partition(".")
    if not text:
        raise Invalid(_("Choose a place."), field="to", value=text)
    for lane in lanes.lanes_of(drawer.pipeline):
        if str(lane.stage_id) == stage and _is_place(lane, after, slot):
            return LanePlace(lane.stage_id, after, slot or "next")
    raise Invalid(_("This choice is not there any more."), field="to", value=text)


def _is_place(lane: Lane, after: str, slot: str) -> bool:
    steps = {step.id: [way.slot for way in step.ways] or [""] for step in lanes.every(lane.steps)}
    return slot in steps.get(after, ()) if after else not slot


@require_GET
def inside(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """R-LOG-4"""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, _chain, step = _step(drawer, step_id)
    return _show(request, drawer.inside(step, workflow, whole(request.GET.get("after", ""))))


@require_POST
def recalculate(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """Give all who wait in a delay the time that it says now (R-DELAY-11)."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, _chain, step = _step(drawer, step_id)
    waking.recalculate(workflow, step_id, by=request.user.pk)
    said = _("Who waits here waits as the delay says now.")
    if not wants_fragment(request):
        messages.success(request, said)
        return redirect("lane-step-inside", pipeline_id, stage_id, step_id)
    return _show(request, drawer.inside(step, workflow, None, notice=said))


@require_GET
def callable_people(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """Whom "@" offers in comments on lanes: colleagues and teams who may open this page (R-ACT-6, R-WORK-5)."""
    pipeline = _allowed_pipeline(request, pipeline_id)
    others = step_comments.who_may_edit(lambda viewer: lanes.may_edit(viewer, pipeline.object_type)) - {
        request.user.pk
    }
    return JsonResponse({"@": picks.people(others)})


@require_GET
def comments(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """`edit` or `reply` names the comment whose form is open."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, _chain, step = _step(drawer, step_id)
    return _show(request, drawer.comments(step, workflow, request.user.pk, request.GET.dict()))


@require_POST
def add_comment(request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str) -> HttpResponse:
    """R-ACT-6; `reply_to` is the comment that it answers."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, _chain, _found = _step(drawer, step_id)
    text, reply_to = _plain(request.POST.get("text", "")), request.POST.get("reply_to", "")
    try:
        made = step_comments.add(
            workflow, step_id, text, by=request.user.pk, reply_to=number(reply_to, "reply_to") if reply_to else None
        )  # fmt: skip
    except Invalid as refusal:
        return _comment_refused(request, drawer, step_id, {"reply": reply_to}, text, refusal)
    return _commented(request, drawer, step_id, made)


@require_POST
def change_comment(
    request: AccountRequest, pipeline_id: int, stage_id: int, step_id: str, comment_id: int
) -> HttpResponse:
    """`do` is edit, delete, resolve or reopen."""
    drawer = _drawer(request, pipeline_id, stage_id)
    workflow, _chain, _found = _step(drawer, step_id)
    do, text = request.POST.get("do", ""), _plain(request.POST.get("text", ""))
    changed = None
    try:
        if do == "edit":
            changed = step_comments.edit(workflow, comment_id, text, by=request.user.pk)
        elif do == "delete":
            step_comments.delete(workflow, comment_id, by=request.user.pk)
        elif do in ("resolve", "reopen"):
            step_comments.resolve(workflow, comment_id, do == "resolve")
        else:
            raise Invalid(_("There is no such action."), field="do", value=do[:40])
    except Invalid as refusal:
        return _comment_refused(request, drawer, step_id, {"edit": str(comment_id)}, text, refusal)
    return _commented(request, drawer, step_id, changed)


def _comment_refused(
    request: AccountRequest, drawer: Drawer, step_id: str, asked: dict[str, str], text: str, refusal: Invalid
) -> HttpResponse:
    workflow, _chain, step = _step(drawer, step_id)
    panel = drawer.comments(step, workflow, request.user.pk, asked, text=text, error=words_of(refusal))
    return _show(request, panel, 422)


def _commented(
    request: AccountRequest, drawer: Drawer, step_id: str, written: StepComment | None
) -> HttpResponse:
    """The comments as they are by now, and who was called in what was written and is not told."""
    workflow, _chain, step = _step(drawer, step_id)
    untold = words.untold(step_comments.not_told(workflow, written)) if written is not None else ""
    if not wants_fragment(request):
        if untold:
            messages.warning(request, untold)
        return redirect("lane-step-comments", drawer.pipeline.id, drawer.stage.id, step_id)
    panel = replace(drawer.comments(step, workflow, request.user.pk, {}), untold=untold)
    return _lane(request, drawer.pipeline.id, drawer.stage.id, panel)
