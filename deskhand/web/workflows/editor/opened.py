"""A workflow as somebody has it open: who may, what is shown, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import plans
from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.automation import access, drafts
from deskhand.automation.actions.once import reading_once
from deskhand.automation.drafts import Draft, Overtaken
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.validate import Problem
from deskhand.automation.enrolling import baseline
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.kernel.errors import Conflict, NotFound
from deskhand.web import troubles
from deskhand.web.choices import Tab
from deskhand.web.frame import shell
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import lists, ways, words
from deskhand.web.workflows.editor.canvas import canvas_of, figures
from deskhand.web.workflows.editor.rows import Canvas, Head, Panel, Standing
from deskhand.web.workflows.editor.surroundings import Surroundings


class Opened(Surroundings):
    """One request's view of one workflow. Raises Forbidden, or NotFound for what is not there for this viewer."""

    def __init__(self, request: AccountRequest, workflow_id: int, *, to_edit: bool = False) -> None:
        self.request, self.account, self.viewer = request, request.account, request.viewer
        self.by = request.user.pk
        access.require_open(self.viewer, self.account)
        found = access.find(self.viewer, workflow_id)
        if found.archived_at is not None or not offers_editor(self.account, found.object_type):
            raise NotFound(_("There is no such workflow."))
        self.workflow = found
        if to_edit:
            access.require_edit(self.viewer, found)

    @property
    def is_lane(self) -> bool:
        return self.workflow.origin_stage_id is not None

    @property
    def pipeline_id(self) -> int | None:
        return self.workflow.origin_pipeline_id

    @property
    def is_live(self) -> bool:
        """What is saved is a draft."""
        return False

    @property
    def may_edit(self) -> bool:
        return access.may_edit(self.viewer, self.workflow)

    @cached_property
    def draft(self) -> Draft:
        return drafts.of(self.workflow)

    @property
    def definition(self) -> Definition:
        return self.draft.definition

    @cached_property
    def problems(self) -> list[Problem]:
        return drafts.problems(self.definition)

    def url(self, name: str, *more: object) -> str:
        return reverse(f"workflow-edit-{name}" if name else "workflow-edit", args=[self.workflow.pk, *more])

    @property
    def seen(self) -> str:
        return self.request.POST.get("token", "")

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def change(self, make: drafts.Change, **did: Any) -> None:
        """Edit the draft as it was seen. Raises Overtaken."""
        self._reread(drafts.change(self.workflow, make, did=did, by=self.by, seen=self.seen))

    def undo(self) -> None:
        self._reread(drafts.undo(self.workflow, by=self.by, seen=self.seen))

    def redo(self) -> None:
        self._reread(drafts.redo(self.workflow, by=self.by, seen=self.seen))

    def reread(self) -> None:
        self.workflow.refresh_from_db()
        self._reread(drafts.of(self.workflow))

    def _reread(self, draft: Draft) -> None:
        for name in ("draft", "telling", "problems"):
            self.__dict__.pop(name, None)
        self.workflow = draft.workflow
        self.draft = draft

    # ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, panel: Panel | None = None, status: int = 200) -> HttpResponse:
        """The panel alone for htmx, else the page with it."""
        if wants_fragment(self.request):
            return render(
                self.request, "workflows/editor/fragments/panel.html", {"panel": panel}, status=status
            )
        return self._page(panel, status)

    def changed(self, panel: Panel | None = None, *, at: str = "", status: int = 200) -> HttpResponse:
        """After an edit: the head, the canvas and the panel. `at` is the step to stand at."""
        if wants_fragment(self.request):
            context = {**self._context(panel), "at": at}
            answer = render(self.request, "workflows/editor/fragments/changed.html", context, status=status)
            answer["HX-Push-Url"] = self.url("") if panel is None else "false"
            return answer
        if panel is not None:
            return self._page(panel, status)
        return redirect(self.url("") + (f"#step-{at}" if at else ""))

    def _page(self, panel: Panel | None, status: int) -> HttpResponse:
        context = {**self._context(panel), "shell": shell(self.request, area="workflows")}
        return render(self.request, "workflows/editor/page.html", context, status=status)

    def _context(self, panel: Panel | None) -> dict[str, Any]:
        with reading_once():
            return {
                "head": self.head(),
                "standing": self.standing(),
                "canvas": self.canvas(panel),
                "panel": panel,
                "at": "",
            }

    def canvas(self, panel: Panel | None) -> Canvas:
        current = panel.step_id if panel is not None else ""
        start = self.request.GET.get("from", "")
        return canvas_of(
            self.draft, self.telling, figures(self.workflow), self.problems, may_edit=self.may_edit, current=current, start=start
        )  # fmt: skip

    def head(self) -> Head:
        workflow, draft = self.workflow, self.draft
        wrong = len(self.problems)
        return Head(
            url=self.url(""), name=workflow.name,
            back_url=self._back(), tabs=self._tabs(), token=draft.token, has_changes=draft.has_changes, can_undo=draft.can_undo,
            can_redo=draft.can_redo, may_edit=self.may_edit, undo_url=self.url("undo"), redo_url=self.url("redo"), review_url=self.url("review"),
            switch_url=self.url("switch"), saved_at=draft.at if draft.has_changes else None, saved_by=self.name_of(draft.by_id) if draft.has_changes else "",
            behind=_("Version %(number)s was saved elsewhere since this draft began.") % {"number": workflow.revision_number} if draft.is_behind else "",
            needs_review=troubles.of_workflow(workflow.needs_review).text, troubles=wrong, trouble_url=self.url("review"),
        )  # fmt: skip

    def standing(self) -> Standing:
        """Reads how far a switching on is, and nothing of the draft."""
        workflow = self.workflow
        opening = baseline.progress(workflow.account_id, [workflow.pk]).get(workflow.pk)
        return Standing(
            "off" if not workflow.is_on else "paused" if workflow.is_paused else "on",
            going=words.how_far(opening), percent=words.state(workflow, opening).text, url=self.url("state"),
        )  # fmt: skip

    def _back(self) -> str:
        """A lane is its pipeline's, for who may go there (R-ACT-2)."""
        pipelines = (
            pipelines_of(self.workflow.object_type).pipelines if self.is_lane and self.may_edit else ()
        )
        is_there = any(one.id == self.workflow.origin_pipeline_id for one in pipelines)
        return ways.lane(self.workflow) if is_there else ways.listed()

    def _tabs(self) -> tuple[Tab, ...]:
        settings = (
            (Tab(_("Settings"), self.url("settings"), self.request.path == self.url("settings")),)
            if self.may_edit
            else ()
        )
        first, *others = lists.tabs(self.workflow, "editor")
        return (Tab(first.label, self.url(""), not any(tab.current for tab in settings)), *others, *settings)

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {one.user_id: one.name for one in people.members(self.viewer.account_id)}

    def name_of(self, user_id: int | None) -> str:
        return self._names.get(user_id or 0, _("Somebody"))

    def came(self, refusal: Conflict) -> str:
        """Who was faster, and what they did."""
        if not isinstance(refusal, Overtaken) or not refusal.edits:
            return " ".join((str(refusal), _("Save again to keep your version.")))
        told = [self._told(edit) for edit in refusal.edits]
        return " ".join((*told, _("Save again to keep your version.")))

    def _told(self, edit: drafts.Edit) -> str:
        named = {"name": self.name_of(edit.by_id), "step": str(edit.did.get("name") or _("a step"))}
        match edit.did.get("did"):
            case "insert":
                return _("%(name)s added “%(step)s”.") % named
            case "delete":
                return _("%(name)s deleted “%(step)s”.") % named
            case "move":
                return _("%(name)s moved “%(step)s”.") % named
            case "copy":
                return _("%(name)s copied “%(step)s”.") % named
            case "update":
                return _("%(name)s changed “%(step)s”.") % named
            case "trigger":
                return _("%(name)s changed the trigger.") % named
        return _("%(name)s changed this workflow.") % named


def offers_editor(account: Any, object_type: str) -> bool:
    """Whether the account's plan has the full editor for such records (R-WF-10, R-OBJ-4)."""
    if not plans.has_feature(account, Feature.LANE_ACTIONS):
        return False
    return not object_type.startswith("2-") or plans.has_feature(account, Feature.CUSTOM_OBJECT_AUTOMATION)
