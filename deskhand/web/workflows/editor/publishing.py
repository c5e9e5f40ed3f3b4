"""Reviewing, publishing, and switching on and off."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.automation import circles, drafts, emptying, enroll, gating, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Definition, Manual
from deskhand.automation.engine.diff import difference
from deskhand.automation.enrolling import baseline
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.web.choices import in_full, in_short
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import status_of, words_of
from deskhand.web.workflows.editor.offers import why_not
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Change, Panel, Wrong
from deskhand.web.workflows.editor.views import told
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.looks import look_of


@require_GET
def review(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """What differs from what runs, what is still wrong, and where the records inside go on."""
    opened = Opened(request, workflow_id, to_edit=True)
    return opened.show(_reviewing(opened))


def _reviewing(opened: Opened, *, notice: str = "", note: str = "") -> Panel:
    draft = opened.draft
    with in_full():
        changes = tuple(_changes(opened))
    present = _newly_met(opened)
    return Panel(
        "review", _("Review and publish") if draft.has_changes else _("Review"), "list-checks", "teal", close_url=opened.url(""), url=opened.url("publish"),
        token=draft.token, notice=notice, changes=changes, problems=tuple(_wrong(opened)), goes_on=tuple(_goes_on(opened)), text=note,
        submit=_("Publish") if draft.has_changes else "", present=_counted(present) if present else "", inside=present, circles=tuple(_circles(opened)), discard_url=opened.url("discard") if draft.has_changes else "",
        replay_url=reverse("workflow-replay", args=[opened.workflow.pk]), lead=_lead(opened), told=tuple(_destructive(draft.definition, opened.telling)),
    )  # fmt: skip


def _newly_met(opened: Opened) -> int:
    """How many records meet the changed trigger of a workflow that is on (R-WF-21, R-WF-22)."""
    draft, workflow = opened.draft, opened.workflow
    if not workflow.is_on or draft.definition.trigger == draft.published.trigger or opened.problems:
        return 0
    try:
        return enroll.count_present(workflow.account_id, workflow.pk, clock.now(), draft.definition)
    except Invalid:
        return 0  # it asks for what is not there; publishing says so


def _circles(opened: Opened) -> Iterable[str]:
    """Workflows that would start each other (R-EXEC-21)."""
    for found in circles.of(opened.workflow, opened.draft.definition):
        names = in_short([one.name for one in found.workflows])
        if found.is_endless:
            yield _(
                "These workflows can start each other without end: %(names)s. After ten rounds in a row they are stopped."
            ) % {"names": names}
        else:
            yield _("These workflows can start each other: %(names)s.") % {"names": names}


def _lead(opened: Opened) -> str:
    if not opened.draft.has_changes:
        return _("The draft is what runs: there is nothing to publish.")
    number = opened.workflow.revision_number
    if opened.draft.is_behind:
        return _(
            "Compared with version %(number)s, which was saved elsewhere since this draft began. What it changed is undone by publishing."
        ) % {"number": number}
    return _("Compared with version %(number)s, which is published.") % {"number": number}


def _wrong(opened: Opened) -> Iterable[Wrong]:
    yield from _denied(opened, opened.draft.definition)
    for problem in opened.problems:
        where = opened.telling.name(problem.step_id) if problem.step_id else _("The workflow")
        if problem.step_id:
            url = opened.url("step", problem.step_id)
        elif problem.field == "steps":
            url = opened.url("add")
        elif problem.field in ("leaving", "goal", "timing"):
            url = opened.url("settings")
        else:
            url = opened.url("trigger")
        yield Wrong(where, workflows.said(problem), url)


def _denied(opened: Opened, definition: Definition) -> Iterable[Wrong]:
    for step_id in gating.denied(opened.viewer, definition):
        yield Wrong(opened.telling.name(step_id), why_not(opened.viewer, gating.kind_of(definition.by_id[step_id])), opened.url("step", step_id))  # fmt: skip


def _changes(opened: Opened) -> Iterable[Change]:
    old, new = opened.draft.published, opened.draft.definition
    before, after = Telling(opened.viewer, old), opened.telling
    found = difference(old, new)
    for name in found.parts:
        was, now = before.part(name), after.part(name)
        title = {
            "trigger": pgettext("of a workflow", "Trigger"),
            "reenrollment": _("Coming again"),
            "leaving": _("What ends a run"),
            "timing": _("When actions may run"),
        }[name]
        yield Change(
            "settings",
            title,
            "settings",
            "teal",
            (("", was, now),),
            opened.url("trigger" if name in ("trigger", "reenrollment") else "settings"),
        )
    for step_id in found.added:
        look = look_of(new.by_id[step_id])
        yield Change("added", after.name(step_id), look.icon, look.tone, url=opened.url("step", step_id))
    for step_id in found.changed:
        look = look_of(new.by_id[step_id])
        yield Change(
            "changed",
            after.name(step_id),
            look.icon,
            look.tone,
            tuple(after.differing(step_id, before)),
            opened.url("step", step_id),
        )
    for step_id in found.moved:
        if step_id not in found.changed:
            look = look_of(new.by_id[step_id])
            yield Change("moved", after.name(step_id), look.icon, look.tone, url=opened.url("step", step_id))
    for step_id in found.removed:
        look = look_of(old.by_id[step_id])
        yield Change("removed", before.name(step_id), look.icon, look.tone)


def _goes_on(opened: Opened) -> Iterable[str]:
    before = Telling(opened.viewer, opened.draft.published)
    for inside in drafts.in_flight(opened.draft):
        named = {
            "count": number_format(inside.count, force_grouping=True),
            "step": before.name(inside.step_id),
        }
        if inside.goes_on:
            yield ngettext(
                "%(count)s record at “%(step)s” goes on at “%(next)s”.",
                "%(count)s records at “%(step)s” go on at “%(next)s”.",
                inside.count,
            ) % (named | {"next": opened.telling.name(inside.goes_on)})
        else:
            yield (
                ngettext(
                    "%(count)s record at “%(step)s” ends there.",
                    "%(count)s records at “%(step)s” end there.",
                    inside.count,
                )
                % named
            )


def _destructive(definition: Definition, telling: Telling) -> Iterable[tuple[str, str]]:
    """Steps whose doing can't be undone; who publishes them says so."""
    for step in definition.steps:
        if isinstance(step, Action) and step.kind in ACTIONS and ACTIONS[step.kind].is_destructive:
            yield step.id, telling.name(step.id)


@require_POST
def publish(request: AccountRequest, workflow_id: int) -> HttpResponse:
    opened = Opened(request, workflow_id, to_edit=True)
    note = request.POST.get("note", "").replace("\x00", "")
    gating.require_steps(opened.viewer, opened.definition)
    if any(_destructive(opened.definition, opened.telling)) and request.POST.get("sure") != "1":
        refusal: Invalid | Conflict = Invalid(_("Confirm what can't be undone."), field="sure")
        return opened.show(_reviewing(opened, notice=words_of(refusal), note=note), 422)
    try:
        include = request.POST.get("present") == "1"
        drafts.publish(opened.workflow, by=opened.by, note=note, seen=opened.seen, include_present=include)
    except (Invalid, Conflict) as refused:
        if isinstance(refused, Conflict):
            opened.reread()
            return opened.show(_reviewing(opened, notice=opened.came(refused), note=note), status_of(refused))
        return opened.show(_reviewing(opened, notice=words_of(refused), note=note), status_of(refused))
    opened.reread()
    return opened.changed(_published(opened))


def _published(opened: Opened) -> Panel:
    text = _("Version %(number)s is published.") % {"number": opened.workflow.revision_number}
    if opened.workflow.is_on:
        return Panel("told", _("Published"), "circle-check", "green", close_url=opened.url(""), lead=text)
    lead = " ".join((text, _("The workflow is off: nothing enrolls until it is switched on.")))
    return Panel(
        "told",
        _("Published"),
        "circle-check",
        "green",
        close_url=opened.url(""),
        lead=lead,
        url=opened.url("switch"),
        submit=_("Switch on"),
    )


# ── on and off ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def ask_switch(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """On: who enrolls (R-WF-20, R-WF-22). Off: what becomes of the records inside, or a pause instead."""
    opened = Opened(request, workflow_id, to_edit=True)
    return opened.show(_switching(opened))


def _switching(opened: Opened, notice: str = "") -> Panel:
    workflow = opened.workflow
    if workflow.is_on:
        return Panel(
            "switch", _("Switch the workflow off"), "power", "amber", close_url=opened.url(""), url=opened.url("switched"), notice=notice,
            inside=_inside(opened), chosen=("off", *(("paused",) if workflow.is_paused else ())), submit=_("Go on"),
        )  # fmt: skip
    wrong = drafts.problems(opened.draft.published)
    problems = tuple(
        Wrong(
            opened.telling.name(one.step_id) or _("The workflow"), workflows.said(one), opened.url("review")
        )
        for one in wrong
    )
    problems = (*_denied(opened, opened.draft.published), *problems)
    present = 0 if wrong else enroll.count_present(workflow.account_id, workflow.pk, clock.now())
    return Panel(
        "switch", _("Switch the workflow on"), "power", "green", close_url=opened.url(""), url=opened.url("switched"), notice=notice, problems=problems,
        inside=present, present=_counted(present), by_hand=isinstance(opened.draft.published.trigger, Manual), chosen=("on",), submit="" if problems else _("Switch on"),
        lead=_("The draft is not published: switching on runs version %(number)s.") % {"number": workflow.revision_number} if opened.draft.has_changes else "",
        review_url=opened.url("review") if opened.draft.has_changes else "",
    )  # fmt: skip


def _counted(count: int) -> str:
    return f"{number_format(count, force_grouping=True)}{'+' if count >= enroll.STEP else ''}"


def _inside(opened: Opened) -> int:
    return emptying.inside(opened.workflow.account_id, opened.workflow.pk)


@require_POST
def switch(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """`to` is on, off, pause or resume; on with `present` takes in who meets the trigger already."""
    opened = Opened(request, workflow_id, to_edit=True)
    to = request.POST.get("to", "")
    try:
        _do_switch(opened, to, request.POST.get("present") == "1")
    except Invalid as refusal:
        return opened.show(_switching(opened, words_of(refusal)), status_of(refusal))
    except Conflict as refusal:
        return told(opened, refusal)
    opened.reread()
    return opened.changed(_switched(opened, to) if request.POST.get("back") != "1" else None)


def _switched(opened: Opened, to: str) -> Panel:
    """How it stands now, and the way back."""
    is_opening = bool(baseline.progress(opened.workflow.account_id, [opened.workflow.pk]))
    text, back = {
        "on": (_("The workflow is being switched on: the records that there are are looked at. What happens from now on counts already.") if is_opening else _("The workflow is on."), "off"), "off": (_("The workflow is off. Nothing new enrolls; actions of the records inside are skipped."), "on"),
        "pause": (_("The workflow is paused. The records inside stay where they are, and so do new ones."), "resume"),
        "resume": (_("The workflow goes on."), "pause"),
    }[to]  # fmt: skip
    return Panel(
        "told", _("Done"), "circle-check", "green", close_url=opened.url(""), lead=text, url=opened.url("switched"),
        hidden=(("to", back), ("back", "1")), submit=_("Undo"),
    )  # fmt: skip


def _do_switch(opened: Opened, to: str, present: bool) -> None:
    match to:
        case "on" | "off":
            if to == "on":
                gating.require_steps(opened.viewer, opened.draft.published)
            workflows.switch(opened.workflow, to == "on", by=opened.by, include_present=present)
        case "pause":
            workflows.pause(opened.workflow, by=opened.by)
        case "resume":
            workflows.resume(opened.workflow, by=opened.by)
        case _:
            raise Invalid(_("Choose what is to become of it."), field="to", value=to[:20])
