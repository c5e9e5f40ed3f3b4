"""The panels with forms: adding and editing steps, the trigger, and the workflow's settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import plans
from deskhand.automation import gating, hooks
from deskhand.automation.actions.registry import ACTIONS, may_use
from deskhand.automation.actions.types import Action
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Definition, Step, WhenCalled
from deskhand.automation.engine.edit import Place
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.workflows.editor import forkforms as forkforms  # registers its forms
from deskhand.web.workflows.editor import stepforms, workflowforms
from deskhand.web.workflows.editor.offers import offers_at, require_use, why_not
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Panel, Secret
from deskhand.web.workflows.editor.stepforms import StepForm
from deskhand.web.workflows.editor.triggerform import TriggerForm
from deskhand.web.workflows.editor.views import step_of
from deskhand.web.workflows.editor.workflowforms import WorkflowForm
from deskhand.web.workflows.looks import look_of


def typed_of(request: AccountRequest) -> dict[str, list[str]]:
    return {name: [str(one) for one in values] for name, values in request.POST.lists()}


# ── adding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _place(opened: Opened, after: str, slot: str) -> Place:
    """Raises NotFound for what is no place of this workflow."""
    place = Place(after, slot or "next")
    edit.edge_at(opened.definition, place)
    return place


@require_GET
def add(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """First what is to be added, then its form."""
    opened = Opened(request, workflow_id, to_edit=True)
    place = _place(opened, request.GET.get("after", ""), request.GET.get("slot", ""))
    kind = request.GET.get("kind", "")
    if not kind:
        return opened.show(_choosing(opened, place, request.GET.get("q", "")))
    _require_offered(opened, kind)
    return opened.show(_new_form(opened, stepforms.form_for(opened, kind, None, place), kind, place))


@require_POST
def save_new(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    typed = typed_of(request)
    kind = request.POST.get("kind", "")
    place = _place(opened, request.POST.get("after", ""), request.POST.get("slot", ""))
    _require_offered(opened, kind)
    form = stepforms.form_for(opened, kind, typed, place)
    if "redraw" in typed:
        form.press(request.POST["redraw"])
        return opened.show(_new_form(opened, form, kind, place))
    added: list[str] = []

    def grown(definition: Definition) -> Definition:
        made, step_id = form.put(definition)
        added.append(step_id)
        return made

    try:
        opened.change(grown, did="insert", name=form.title)
    except (Invalid, Conflict) as refusal:
        return opened.show(
            _refused(opened, lambda wrong: _new_form(opened, form, kind, place, wrong), refusal),
            status_of(refusal),
        )
    return opened.changed(at=added[-1])


def _refused(
    opened: Opened, draw: Callable[[Invalid | Conflict], Panel], refusal: Invalid | Conflict
) -> Panel:
    """The form once more; over what came in between, that is told first."""
    if isinstance(refusal, Conflict):
        opened.reread()
        return replace(draw(refusal), notice=opened.came(refusal), token=opened.draft.token)
    return draw(refusal)


def _query(place: Place, **more: str) -> str:
    asked = {"after": place.after, "slot": place.slot if place.slot != "next" else "", **more}
    return urlencode({name: value for name, value in asked.items() if value})


def _choosing(opened: Opened, place: Place, wanted: str) -> Panel:
    offers = offers_at(
        opened.definition, place, _kinds(opened), lambda kind: f"{opened.url('add')}?{_query(place, kind=kind)}",
        why_not=lambda kind: why_not(opened.viewer, kind), wanted=wanted,
    )  # fmt: skip
    return Panel(
        "choose", _("Choose an action"), close_url=opened.url(""), offers=offers, search=wanted, search_url=opened.url("add"),
        hidden=(("after", place.after), ("slot", place.slot)),
    )  # fmt: skip


def _kinds(opened: Opened) -> set[str]:
    """What the plan lacks, or is for other records, is left out (T-ACT-10)."""
    flow = {kind for kind, feature in gating.FLOW.items() if plans.has_feature(opened.account, feature)}
    return flow | {kind for kind, action in ACTIONS.items() if _fits(opened, action)}


def _fits(opened: Opened, action: Action) -> bool:
    if action.object_types is not None and opened.definition.object_type not in action.object_types:
        return False
    if action.feature is not None and not plans.has_feature(opened.account, action.feature):
        return False
    return action.is_offered(opened.account.pk)


def _require_offered(opened: Opened, kind: str) -> None:
    """Raises NotFound for what is not offered here, Forbidden for what others may use."""
    if kind not in _kinds(opened):
        raise NotFound(_("There is no such action."))
    require_use(opened.viewer, kind)


def _new_form(
    opened: Opened, form: StepForm, kind: str, place: Place, refusal: Invalid | Conflict | None = None
) -> Panel:
    return Panel(
        "form", form.title, form.icon, form.tone, close_url=opened.url(""), back_url=f"{opened.url('add')}?{_query(place)}" if _query(place) else opened.url("add"),
        url=opened.url("added"), token=opened.draft.token, hidden=(("kind", kind), ("after", place.after), ("slot", place.slot)),
        fields=form.parts(refusal if isinstance(refusal, Invalid) else None), submit=_("Add"),
    )  # fmt: skip


# ── editing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def step(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id)
    found = step_of(opened, step_id)
    if not opened.may_edit or not may_use(opened.viewer, gating.kind_of(found)):
        return opened.show(_told(opened, found))
    return opened.show(_edit_form(opened, found, stepforms.form_of(opened, found, None)))


@require_POST
def save_step(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    found, typed = step_of(opened, step_id), typed_of(request)
    require_use(opened.viewer, gating.kind_of(found))
    form = stepforms.form_of(opened, found, typed)
    if "redraw" in typed:
        form.press(request.POST["redraw"])
        return opened.show(_edit_form(opened, found, form))
    try:
        opened.change(
            lambda definition: form.put(definition)[0],
            did="update",
            step=found.id,
            name=opened.telling.name(found.id),
        )
    except (Invalid, Conflict) as refusal:
        return opened.show(
            _refused(opened, lambda wrong: _edit_form(opened, found, form, wrong), refusal),
            status_of(refusal),
        )
    return opened.changed(at=found.id)


def _edit_form(
    opened: Opened, found: Step, form: StepForm, refusal: Invalid | Conflict | None = None
) -> Panel:
    wrong = [one for one in opened.problems if one.step_id == found.id]
    return Panel(
        "form", form.title, form.icon, form.tone, step_id=found.id, close_url=opened.url(""), url=opened.url("step-save", found.id),
        token=opened.draft.token, fields=form.parts(refusal if isinstance(refusal, Invalid) else None), submit=_("Save"),
        comments_url=opened.url("step-comments", found.id), delete_url=opened.url("step-delete", found.id), place_url=opened.url("step-place", found.id),
        notice=workflowforms.problem_line(wrong) if refusal is None and not form.is_typed else "",
    )  # fmt: skip


def _told(opened: Opened, found: Step) -> Panel:
    """For who may only look."""
    look = look_of(found)
    return Panel(
        "told", look.title, look.icon, look.tone, step_id=found.id, close_url=opened.url(""), told=tuple(opened.telling.details(found)),
        comments_url=opened.url("step-comments", found.id),
    )  # fmt: skip


# ── the trigger ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def trigger(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id)
    lines = [
        (line.joined, str(line.said)) for line in opened.telling.trigger_lines(opened.definition.trigger)
    ]
    if not opened.may_edit:
        return opened.show(_trigger_told(opened, lines))
    return opened.show(_trigger_form(opened, TriggerForm(opened, None)))


def _trigger_told(opened: Opened, lines: list[tuple[str, str]]) -> Panel:
    return Panel(
        "told",
        pgettext("of a workflow", "Trigger"),
        "zap",
        "teal",
        "trigger",
        opened.url(""),
        told=tuple(lines),
    )


@require_POST
def save_trigger(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    typed = typed_of(request)
    form = TriggerForm(opened, typed)
    if "redraw" in typed:
        form.press(request.POST["redraw"])
        return opened.show(_trigger_form(opened, form))
    try:
        opened.change(form.put, did="trigger")
    except (Invalid, Conflict) as refusal:
        return opened.show(
            _refused(opened, lambda wrong: _trigger_form(opened, form, wrong), refusal), status_of(refusal)
        )
    return opened.changed()


@require_POST
def make_address(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """An address for calls from outside, or a new one; the key that signs them is shown this once (R-TRIG-21)."""
    opened = Opened(request, workflow_id, to_edit=True)
    if not isinstance(opened.definition.trigger, WhenCalled) and not isinstance(
        opened.draft.published.trigger, WhenCalled
    ):
        raise NotFound(_("Save the trigger first: calls from outside start this workflow only then."))
    made = hooks.make_address(opened.workflow, by=opened.by, is_signed=request.POST.get("signed") == "1")
    address = request.build_absolute_uri(reverse("workflow-hook", args=[made.token]))
    secret = Secret(opened.url("hook"), address, made.key, made.is_signed)
    panel = Panel(
        "told", _("Address for calls"), "webhook", "teal", "trigger", opened.url(""), back_url=opened.url("trigger"), secret=secret
    )  # fmt: skip
    return opened.changed(panel)


def _trigger_form(opened: Opened, form: TriggerForm, refusal: Invalid | Conflict | None = None) -> Panel:
    return Panel(
        "form", pgettext("of a workflow", "Trigger"), "zap", "teal", step_id="trigger", close_url=opened.url(""), url=opened.url("trigger-save"),
        token=opened.draft.token, fields=form.parts(refusal if isinstance(refusal, Invalid) else None), submit=_("Save"),
    )  # fmt: skip


# ── the workflow ─────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def settings(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    return opened.show(_settings_form(opened, WorkflowForm(opened, None)))


@require_POST
def save_settings(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    typed = typed_of(request)
    form = WorkflowForm(opened, typed)
    if form.is_pressed:
        form.press(request.POST.get("redraw", ""))
        return opened.show(_settings_form(opened, form))
    try:
        form.save()
    except (Invalid, Conflict) as refusal:
        return opened.show(
            _refused(opened, lambda wrong: _settings_form(opened, form, wrong), refusal), status_of(refusal)
        )
    return opened.changed()


def _settings_form(opened: Opened, form: WorkflowForm, refusal: Invalid | Conflict | None = None) -> Panel:
    return Panel(
        "form", _("Settings"), "settings", "teal", step_id="settings", close_url=opened.url(""), url=opened.url("settings-save"),
        token=opened.draft.token, fields=form.parts(refusal if isinstance(refusal, Invalid) else None), submit=_("Save"),
        notice=words_of(refusal) if isinstance(refusal, Invalid) and not form.shows(refusal) else "",
    )  # fmt: skip
