"""The tree of a definition as the canvas shows it: lists in lists, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.automation import workflows
from deskhand.automation.drafts import Draft
from deskhand.automation.engine.definition import Action, Definition, Delay, Edge, Slot, Step, edges_of
from deskhand.automation.engine.edit import branch_below
from deskhand.automation.engine.validate import Problem
from deskhand.automation.models import Enrollment, StepComment, StepLog, StepStatus, Workflow
from deskhand.kernel import clock
from deskhand.web.choices import joined
from deskhand.web.workflows.editor.rows import Canvas, Chain, Jump, Node, TriggerNode, Way
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.looks import look_of

FOLDED_FROM = 150  # steps; then branches begin closed
DEEPEST = 40  # forks in forks; what is deeper is drawn by itself
ENROLLED_CAP = 10_000
FAILURE_DAYS = 30
WAY_TONES = ("violet", "blue", "pink", "teal", "lime", "amber")


@dataclass(frozen=True)
class Figures:
    """By step: records there now, failures of late, and open comments."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    comments: Mapping[str, int] = field(default_factory=dict)
    enrolled: int = 0


def figures(workflow: Workflow) -> Figures:
    of = {"account_id": workflow.account_id, "workflow_id": workflow.pk}
    since = clock.now() - timedelta(days=FAILURE_DAYS)
    return Figures(
        waiting=_by_step(Enrollment.objects.filter(**of).exclude(state="ENDED")),
        failures=_by_step(StepLog.objects.filter(**of, status=StepStatus.FAILED, at__gte=since)),
        comments=_by_step(StepComment.objects.filter(**of, resolved_at=None)),
        enrolled=Enrollment.objects.filter(**of)[: ENROLLED_CAP + 1].count(),
    )


def _by_step(rows: Any) -> dict[str, int]:
    return dict(rows.values_list("step_id").annotate(n=Count("id")).order_by())


def capped(count: int, cap: int = ENROLLED_CAP) -> str:
    shown = number_format(min(count, cap), force_grouping=True)
    return f"{shown}+" if count > cap else shown


def canvas_of(
    draft: Draft,
    telling: Telling,
    found: Figures,
    problems: Sequence[Problem],
    *,
    may_edit: bool,
    current: str = "",
    start: str = "",
    here: str = "",
) -> Canvas:
    """`start` names the step to begin with, for what is nested too deeply for one picture: that is drawn at `here`."""
    return _Tree(
        draft, telling, found, problems, may_edit, start if start in draft.definition.by_id else "", here
    ).canvas(current)


@dataclass
class _Tree:
    draft: Draft
    telling: Telling
    found: Figures
    problems: Sequence[Problem]
    may_edit: bool
    start: str = ""  # the step to begin with, for what is nested very deeply
    here: str = ""  # where that is drawn; empty: in the editor
    depth: int = 0
    wrong: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.wrong = {}
        for problem in self.problems:
            self.wrong.setdefault(problem.step_id, workflows.said(problem))
        self.here = self.here or reverse("workflow-edit", args=[self.draft.workflow.pk])
        self.waiting_url = reverse("workflow-waiting", args=[self.draft.workflow.pk])

    @property
    def definition(self) -> Definition:
        return self.draft.definition

    def canvas(self, current: str) -> Canvas:
        count = len(self.definition.steps)
        edge = Edge(self.start) if self.start else self.definition.start
        chain = self._chain(edge, "", "next", _("Add the first action"))
        if self.start:
            chain = replace(chain, add_url="")
        return Canvas(self._trigger(), chain, count, count > FOLDED_FROM, current, is_part=bool(self.start))

    def _trigger(self) -> TriggerNode:
        trigger = self.definition.trigger
        wrong = next(
            (workflows.said(one) for one in self.problems if not one.step_id and one.field == "trigger"), ""
        )
        enrolled = self.found.enrolled
        return TriggerNode(
            self.telling.trigger_title(trigger),
            tuple((line.joined, line.said) for line in self.telling.trigger_lines(trigger)),
            self._url("trigger"),
            ngettext("%(count)s enrolled", "%(count)s enrolled", enrolled) % {"count": capped(enrolled)} if enrolled else "",
            wrong,
            self.draft.workflow.origin_stage_id is not None,
            self.telling.several,
        )  # fmt: skip

    def _chain(self, edge: Edge | None, after: str, slot: Slot, label: str) -> Chain:
        nodes: list[Node] = []
        first, first_label, place = self._add(after, slot), label, (after, slot)
        while edge is not None and not edge.is_goto and edge.to in self.definition.by_id:
            step = self.definition.by_id[edge.to]
            nodes.append(self._node(step))
            if nodes[-1].ways:
                return Chain(first, first_label, _plus_id(after, slot), tuple(nodes))
            ((slot_on, edge),) = edges_of(step).items()
            place = (step.id, slot_on)
        jump = self._jump(edge, *place) if edge is not None and edge.is_goto else None
        return Chain(first, first_label, _plus_id(after, slot), tuple(nodes), jump)

    def _jump(self, edge: Edge, after: str, slot: Slot) -> Jump:
        remove = f"{self._url('end')}?{urlencode({'after': after, 'slot': slot})}" if self.may_edit else ""
        return Jump(self.telling.name(edge.to), edge.to, remove, f"{after}.{slot}")

    def _node(self, step: Step) -> Node:
        look, summary = look_of(step), self.telling.parts(step)
        spoken = "".join(text for text, _is_token in summary)
        name = joined(part for part in (look.title, spoken) if part)
        ways = tuple(
            self._way(step, n, slot, label) for n, (slot, label) in enumerate(self.telling.ways(step))
        )
        urls = {
            one: self._url(one, step.id) for one in ("step", "step-delete", "step-place", "step-comments")
        }
        waiting = self.found.waiting.get(step.id, 0)
        add = "" if ways else self._add(step.id, "next")
        return Node(
            id=step.id, sort="action" if isinstance(step, Action) else "delay" if isinstance(step, Delay) else "fork", icon=look.icon,
            tone=look.tone, title=look.title, summary=summary, name=name, url=urls["step"], delete_url=urls["step-delete"] if self.may_edit else "",
            place_url=urls["step-place"] if self.may_edit else "", comments_url=urls["step-comments"], waiting=waiting,
            waiting_url=f"{self.waiting_url}?step={step.id}" if waiting else "", comments=self.found.comments.get(step.id, 0),
            failures=self.found.failures.get(step.id, 0), trouble=self.wrong.get(step.id, ""), add_url=add,
            add_label=_("Add action after %(step)s") % {"step": name}, ways=ways,
        )  # fmt: skip

    def _way(self, step: Step, place: int, slot: Slot, label: str) -> Way:
        edge = edges_of(step)[slot]
        tone = "" if slot in ("default", "otherwise") else WAY_TONES[place % len(WAY_TONES)]
        add = _("Add the first action to “%(branch)s”") % {"branch": label}
        chain = (
            self._deeper(edge, step.id, slot, add)
            if edge is not None and not edge.is_goto
            else self._chain(edge, step.id, slot, add)
        )
        return Way(slot, label, tone, chain.count, chain)

    def _deeper(self, edge: Edge, after: str, slot: Slot, label: str) -> Chain:
        """What is nested very deeply is drawn on a canvas of its own."""
        if self.depth < DEEPEST:
            self.depth += 1
            chain = self._chain(edge, after, slot, label)
            self.depth -= 1
            return chain
        count = len(branch_below(self.definition, edge.to))
        return Chain(
            "",
            "",
            _plus_id(after, slot),
            (),
            deeper_url=f"{self.here}{'&' if '?' in self.here else '?'}from={edge.to}",
            deeper=count,
        )

    def _add(self, after: str, slot: Slot) -> str:
        if not self.may_edit:
            return ""
        asked = {
            name: value
            for name, value in (("after", after), ("slot", slot if slot != "next" else ""))
            if value
        }
        return self._url("add") + (f"?{urlencode(asked)}" if asked else "")

    def _url(self, name: str, *more: object) -> str:
        return reverse(f"workflow-edit-{name}", args=[self.draft.workflow.pk, *more])


def _plus_id(after: str, slot: Slot) -> str:
    return f"{after or 'start'}-{slot}"
