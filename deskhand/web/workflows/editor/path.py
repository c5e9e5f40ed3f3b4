"""The way of a test or a run, on the canvas that the editor draws: what it came by is lit, the rest stays dim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.automation.actions.once import reading_once
from deskhand.automation.drafts import Draft
from deskhand.automation.engine.definition import (
    Definition,
    Delay,
    Slot,
    UntilDate,
    UntilProperty,
    edges_of,
)
from deskhand.automation.engine.trace import What
from deskhand.automation.models import Workflow
from deskhand.web.inbox.rows import Label
from deskhand.web.workflows import told
from deskhand.web.workflows.editor.canvas import Figures, canvas_of
from deskhand.web.workflows.editor.deciding import because
from deskhand.web.workflows.editor.rows import Canvas, Chain, Mark, Node, Passed, Path, Way
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.rows import StepName

_DECIDED = (What.BRANCH, What.DEFAULT)


@dataclass(frozen=True)
class Line:
    """What a step did, tried or done. `kind` is the action's, or what the trace says."""

    step_id: str
    kind: str
    status: str
    said: str
    data: Mapping[str, Any]
    when: str
    detail: str = ""
    outputs: tuple[tuple[str, str], ...] = ()
    name: StepName | None = None  # of a step that this definition does not have


def path_of(
    viewer: Viewer, workflow: Workflow, definition: Definition, lines: Sequence[Line], *, end: str, is_completed: bool,
    is_over: bool = True, here: str = "", start: str = "",
) -> Path:  # fmt: skip
    """`here` is the page's address; `start` names the step to draw from, for what is nested too deeply for one picture."""
    telling = Telling(viewer, definition)
    with reading_once():
        draft = Draft(workflow, definition, definition)
        canvas = canvas_of(draft, telling, Figures(), (), may_edit=False, start=start, here=here)
        passed = tuple(_passed(place, line, telling) for place, line in _numbered(lines))
        return Path(
            _Lit(telling, definition, lines, passed, is_completed).canvas(canvas), passed, end, is_over
        )


def _numbered(lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """What is said of one step in a row is one stop on the way."""
    found: list[tuple[int, Line]] = []
    for line in lines:
        again = bool(found) and found[-1][1].step_id == line.step_id
        found.append((found[-1][0] + (not again) if found else 1, line))
    return found


def _passed(place: int, line: Line, telling: Telling) -> Passed:
    step = telling.definition.by_id.get(line.step_id)
    text, tone = told.STATUSES[line.status]
    said = because(telling, step, line.data) if line.kind in _DECIDED else line.said
    if step is not None:
        name = told.step_name(step, telling.definition)
        said = said if said != name.summary else ""
    else:
        name = line.name or StepName(_("The workflow"), icon="workflow")
    return Passed(
        place, line.step_id, name, Label(str(text), tone), line.when, said, line.detail, line.outputs, step is not None
    )  # fmt: skip


@dataclass
class _Lit:
    """Pure: a canvas, and the same one with the way on it."""

    telling: Telling
    definition: Definition
    lines: Sequence[Line]
    passed: Sequence[Passed]
    is_completed: bool
    ways: dict[str, set[Slot]] = field(default_factory=dict)  # that were taken, by step
    by_step: dict[str, list[Passed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stops = [(line, one) for line, one in zip(self.lines, self.passed, strict=True) if one.is_on_canvas]
        for _line, one in stops:
            self.by_step.setdefault(one.step_id, []).append(one)
        for (line, one), following in zip(stops, [*stops, None][1:], strict=True):
            after = following[1] if following is not None else None
            if after is None or after.place != one.place:
                taken = self._taken(line, after.step_id if after is not None else "")
                self.ways.setdefault(one.step_id, set()).update(taken)

    def _taken(self, line: Line, following: str) -> set[Slot]:
        """The ways on which it went on from a stop; none where it stands or ended there."""
        step = self.definition.by_id[line.step_id]
        ways = edges_of(step)
        if line.kind in _DECIDED and line.data.get("slot") in ways:
            return {str(line.data["slot"])}
        if following:
            found = [slot for slot, edge in ways.items() if edge is not None and edge.to == following]
        else:
            found = [slot for slot, edge in ways.items() if edge is None and self.is_completed]
        if isinstance(step, Delay) and len(found) > 1:
            return {self._ended_by(step, line.kind)}
        return set(found[:1])

    def _ended_by(self, step: Delay, kind: str) -> Slot:
        """The way on from a delay whose ways lead to the same place, by what its log said last."""
        match kind:
            case What.CANCELLED:
                return step.if_cancelled.value
            case What.TIMED_OUT:
                return "otherwise"
            case What.PAST if isinstance(step.wait, UntilDate | UntilProperty):
                return step.wait.if_past.value
            case What.NO_DATE if isinstance(step.wait, UntilProperty):
                return step.wait.if_empty.value
        return "next"

    def canvas(self, canvas: Canvas) -> Canvas:
        first = self.passed[0].step_id if self.passed else ""
        start = self.definition.start
        is_start = not canvas.is_part and (
            start is not None and start.to == first if first else self.is_completed
        )
        return replace(canvas, chain=self._chain(canvas.chain, is_start), is_path=True)

    def _chain(self, chain: Chain, is_entered: bool) -> Chain:
        nodes = tuple(map(self._node, chain.nodes))
        last = nodes[-1].mark if nodes else None
        came = last is not None and last.goes_on if nodes else is_entered
        is_ended = came and chain.jump is None and not chain.deeper and not (nodes and nodes[-1].ways)
        return replace(chain, nodes=nodes, is_entered=is_entered, is_ended=is_ended)

    def _node(self, node: Node) -> Node:
        passed, ways = self.by_step.get(node.id, []), self.ways.get(node.id, set())
        return replace(
            node, mark=self._mark(passed, bool(ways)), ways=tuple(self._way(way, ways) for way in node.ways)
        )

    def _way(self, way: Way, taken: set[Slot]) -> Way:
        is_taken = way.slot in taken
        return replace(way, is_taken=is_taken, chain=self._chain(way.chain, is_taken))

    def _mark(self, passed: Sequence[Passed], goes_on: bool) -> Mark:
        if not passed:
            return Mark()
        places = ", ".join(dict.fromkeys(str(one.place) for one in passed))
        last = passed[-1]
        is_said = bool(last.said) and last.status.tone in ("green", "blue")  # the sentence says as much
        return Mark(places, None if is_said else last.status, last.said, f"#stop-{last.place}", goes_on)
