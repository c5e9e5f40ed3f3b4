"""The editor of a workflow: the page, and what is done on the canvas. Each edit is one verb on the draft."""

from __future__ import annotations

from dataclasses import replace

from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.automation import comments as step_comments
from deskhand.automation import drafts
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Definition, Delay, Slot, Step, edges_of
from deskhand.automation.engine.diff import reading_order
from deskhand.automation.engine.edit import Place
from deskhand.automation.gating import kind_of
from deskhand.automation.models import Enrollment, StepComment
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.notifications import reading
from deskhand.notifications.types import Kind
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.shell import Person
from deskhand.web.workflows import words
from deskhand.web.workflows.editor.offers import kinds_from, require_use, why_not
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Choosable, Note, Panel
from deskhand.web.workflows.looks import look_of


@require_GET
def page(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id)
    reading.mark_about(request.viewer, clock.now(), [Kind.AUTOMATION], [workflow_id])
    return opened.show(None)


@require_GET
def state(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """How it stands, while it is being switched on (R-WF-20)."""
    opened = Opened(request, workflow_id)
    return render(request, "workflows/editor/fragments/state.html", {"standing": opened.standing()})


# ── back and forth ───────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def undo(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    try:
        opened.undo()
    except (Conflict, Invalid) as refusal:
        return told(opened, refusal)
    return opened.changed()


@require_POST
def redo(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    try:
        opened.redo()
    except (Conflict, Invalid) as refusal:
        return told(opened, refusal)
    return opened.changed()


@require_POST
def discard(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    try:
        drafts.discard(opened.workflow, by=opened.by, seen=opened.seen)
    except Conflict as refusal:
        return told(opened, refusal)
    opened.reread()
    return opened.changed()


def told(opened: Opened, refusal: Conflict | Invalid) -> HttpResponse:
    """What came in between, beside the canvas as it is now."""
    text = opened.came(refusal) if isinstance(refusal, Conflict) else words_of(refusal)
    panel = Panel("told", _("Look again"), close_url=opened.url(""), notice=text)
    return opened.changed(panel, status=status_of(refusal))


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def step_of(opened: Opened, step_id: int) -> Step:
    found = opened.definition.by_id.get(str(step_id))
    if found is None:
        raise NotFound(_("There is no such step."))
    return found


def _below(definition: Definition, step: Step) -> set[str]:
    return edit.branch_below(definition, step.id) - {step.id}


@require_GET
def ask_delete(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    return opened.show(_deleting(opened, step_of(opened, step_id)))


@require_POST
def delete_step(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    """Only this step, of a fork with the branch to `keep`, or with `following` all after it too (R-ACT-7, R-ACT-8)."""
    opened = Opened(request, workflow_id, to_edit=True)
    step = step_of(opened, step_id)
    name, asked = opened.telling.name(step.id), request.POST.get("what", "")

    def without(definition: Definition) -> Definition:
        if asked == "following":
            return edit.delete_from(definition, step.id)
        return edit.delete_one(
            definition, step.id, asked.removeprefix("keep:") if asked.startswith("keep:") else None
        )

    try:
        opened.change(without, did="delete", step=step.id, name=name)
    except (Invalid, Conflict) as refusal:
        return opened.show(_deleting(opened, step, _notice(opened, refusal)), status_of(refusal))
    return opened.changed()


def _notice(opened: Opened, refusal: Invalid | Conflict) -> str:
    if isinstance(refusal, Conflict):
        opened.reread()
        return opened.came(refusal)
    return words_of(refusal)


def _deleting(opened: Opened, step: Step, notice: str = "") -> Panel:
    below = _below(opened.definition, step)
    inside = dict(
        Enrollment.objects.filter(account_id=opened.workflow.account_id, workflow=opened.workflow, step_id__in=[step.id, *below])
        .exclude(state="ENDED").values_list("step_id").annotate(n=Count("id")).order_by()
    )  # fmt: skip
    keep = [
        Choosable(
            f"keep:{slot}",
            _("Only this, and keep the steps of “%(branch)s”") % {"branch": label},
            chosen=place == 0,
        )
        for place, (slot, label) in enumerate(opened.telling.ways(step))
        if edges_of(step)[slot] is not None
    ]
    return Panel(
        "delete", _("Delete “%(step)s”") % {"step": look_of(step).title}, step_id=step.id, close_url=opened.url(""), back_url=opened.url("step", step.id),
        url=opened.url("step-deleted", step.id), token=opened.draft.token, notice=notice, lead=opened.telling.summary(step), submit=_("Delete"),
        is_danger=True, ways_to_keep=tuple(keep), inside=inside.get(step.id, 0), inside_following=sum(inside.values()), followers=len(below),
    )  # fmt: skip


@require_GET
def ask_place(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    return opened.show(_placing(opened, step_of(opened, step_id)))


@require_POST
def place_step(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    """Move the step, or put a `copy` there; with `following` all after it too (R-EDIT-2)."""
    opened = Opened(request, workflow_id, to_edit=True)
    step = step_of(opened, step_id)
    copies, following = request.POST.get("copy") == "1", request.POST.get("following") == "1"
    name = opened.telling.name(step.id)
    if copies:
        require_use(opened.viewer, *kinds_from(opened.definition, step.id, with_following=following))

    def placed(definition: Definition) -> Definition:
        to = _spot(definition, request.POST.get("to", ""))
        if copies:
            return edit.clone(definition, step.id, to, with_following=following)[0]
        moved = edit.move(definition, step.id, to, with_following=following)
        if moved == definition:
            raise Invalid(_("It stands there already."), field="to")
        return moved

    try:
        opened.change(placed, did="copy" if copies else "move", step=step.id, name=name)
    except (Invalid, Conflict) as refusal:
        return opened.show(_placing(opened, step, _notice(opened, refusal)), status_of(refusal))
    return opened.changed(at=step.id)


def _spot(definition: Definition, text: str) -> Place:
    """Raises Invalid for no place, or none any more."""
    after, _dot, slot = text.partition(".")
    if not text:
        raise Invalid(_("Choose a place."), field="to")
    place = Place(after if after != "start" else "", slot or "next")
    try:
        edit.edge_at(definition, place)
    except NotFound:
        raise Invalid(_("This choice is not there any more."), field="to", value=text[:40]) from None
    return place


def places(opened: Opened, without: set[str]) -> tuple[ChoiceGroup, ...]:
    """Everywhere that a step can stand, in reading order; `without` are steps after which it can't."""
    definition, telling = opened.definition, opened.telling
    found = [Choice("start.next", _("At the beginning"))]
    for step_id in reading_order(definition):
        if step_id in without:
            continue
        step = definition.by_id[step_id]
        ways: list[tuple[Slot, str]] = telling.ways(step)
        if not ways:
            found.append(Choice(f"{step_id}.next", _("After: %(step)s") % {"step": telling.name(step_id)}))
        for slot, label in ways:
            named = {"branch": label, "step": telling.name(step_id)}
            found.append(Choice(f"{step_id}.{slot}", _("In “%(branch)s” of: %(step)s") % named))
    return (ChoiceGroup("", tuple(found)),)


def _placing(opened: Opened, step: Step, notice: str = "") -> Panel:
    post = opened.request.POST
    followers = len(_below(opened.definition, step))
    is_fork = len(edges_of(step)) > 1 or (not isinstance(step, Delay) and "next" not in edges_of(step))
    chosen = tuple(name for name in ("copy", "following") if post.get(name) == "1")
    return Panel(
        "place", _("Move or copy “%(step)s”") % {"step": look_of(step).title}, step_id=step.id, close_url=opened.url(""),
        back_url=opened.url("step", step.id), url=opened.url("step-placed", step.id), token=opened.draft.token, notice=notice,
        lead=opened.telling.summary(step), followers=followers, spots=places(opened, set()), text=post.get("to", ""),
        chosen=(*chosen, "following") if is_fork and followers and "following" not in chosen else chosen,
        may_copy=not why_not(opened.viewer, kind_of(step)),
    )  # fmt: skip


@require_POST
def end_here(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Take a go-to away."""
    opened = Opened(request, workflow_id, to_edit=True)
    after, slot = request.GET.get("after", ""), request.GET.get("slot", "next")
    try:
        opened.change(
            lambda definition: edit.end_here(definition, Place(after, slot)),
            did="update",
            step=after,
            name=opened.telling.name(after),
        )
    except (Invalid, Conflict) as refusal:
        return told(opened, refusal)
    return opened.changed(at=after)


# ── comments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def comments(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id)
    return opened.show(_commenting(opened, str(step_id)))


@require_POST
def add_comment(request: AccountRequest, workflow_id: int, step_id: int) -> HttpResponse:
    """A comment, an answer to one, or that a thread is settled or open again (R-EDIT-1)."""
    opened = Opened(request, workflow_id, to_edit=True)
    step_of(opened, step_id)
    text, thread = request.POST.get("text", ""), whole(request.POST.get("thread", ""))
    settles, untold = request.POST.get("settle", ""), ""
    try:
        if thread is not None and settles in ("0", "1"):
            step_comments.resolve(opened.workflow, thread, settles == "1")
        else:
            made = step_comments.add(opened.workflow, str(step_id), text, by=opened.by, reply_to=thread)
            untold = words.untold(step_comments.not_told(opened.workflow, made))
    except Invalid as refusal:
        return opened.show(_commenting(opened, str(step_id), text, words_of(refusal)), 422)
    return opened.changed(replace(_commenting(opened, str(step_id)), notice=untold))


def _commenting(opened: Opened, step_id: str, text: str = "", error: str = "") -> Panel:
    step = step_of(opened, int(step_id))
    notes = tuple(
        replace(
            _note(opened, one.comment),
            is_resolved=one.comment.resolved_at is not None,
            replies=tuple(_note(opened, reply) for reply in one.replies),
        )
        for one in step_comments.threads_of(opened.workflow, step_id)
    )
    return Panel(
        "comments", _("Comments on “%(step)s”") % {"step": look_of(step).title}, step_id=step_id, close_url=opened.url(""),
        back_url=opened.url("step", step_id), url=opened.url("step-comment", step_id) if opened.may_edit else "", notes=notes, text=text,
        error=error, lead=opened.telling.summary(step), submit=_("Add comment"),
    )  # fmt: skip


def _note(opened: Opened, comment: StepComment) -> Note:
    return Note(comment.pk, Person.named(opened.name_of(comment.author_id)), comment.created_at, comment.text)
