"""Changes to a definition, each giving a new one. Steps keep their ids; go-tos follow the steps they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    IfThen,
    RandomSplit,
    Slot,
    Step,
    ValueEquals,
    edges_of,
    with_edge,
    without_edges,
)
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import N_


@dataclass(frozen=True, slots=True)
class Place:
    """A way out of a step, where something can be put. Without a step: the start."""

    after: str = ""
    slot: Slot = "next"


START = Place()


# ── adding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def insert(definition: Definition, step: Step, at: Place) -> tuple[Definition, str]:
    """Put a step (its id and edges are ignored) at a place; return its id too.

    What followed there follows it: on its first way out, of a fork on the default. Raises NotFound for no such place.
    """
    followed = edge_at(definition, at)
    new_id = str(definition.next_id)
    added = replace(without_edges(step), id=new_id)
    added = with_edge(added, _way_on(added), followed)
    grown = replace(definition, steps=(*definition.steps, added), next_id=definition.next_id + 1)
    return _set_edge(grown, at, Edge(new_id)), new_id


def go_to(definition: Definition, at: Place, target: str) -> Definition:
    """Lead an open end to a step that stands elsewhere (R-BR-9). Raises Invalid if something follows there."""
    _step(definition, target)
    existing = edge_at(definition, at)
    if existing is not None and not existing.is_goto:
        raise Invalid(N_("Only the end of a branch can go to another step."), field="at", value=at.after)
    if at == START:
        raise Invalid(N_("The first step can't be a go-to."), field="at", value="")
    return _set_edge(definition, at, Edge(target, is_goto=True))


def end_here(definition: Definition, at: Place) -> Definition:
    """Take away the go-to at a place. Raises Invalid if a step follows there."""
    existing = edge_at(definition, at)
    if existing is not None and not existing.is_goto:
        raise Invalid(N_("Delete the steps that follow instead."), field="at", value=at.after)
    return _set_edge(definition, at, None)


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def delete_one(definition: Definition, step_id: str, keep: Slot | None = None) -> Definition:
    """Delete only this step; what led to it leads to what followed it (R-ACT-8).

    Of a fork, `keep` names the way whose steps stay; the other ways go with all their steps. Raises Invalid if a
    way must be named and is not.
    """
    step = _step(definition, step_id)
    edges = edges_of(step)
    kept = keep if keep is not None else _only_way(step, edges)
    if kept not in edges:
        raise Invalid(
            N_("Choose the branch to keep."),
            field="keep",
            value=keep,
            hint=N_("Or delete all that follows too."),
        )
    doomed = {step_id}
    for slot, edge in edges.items():
        if slot != kept and edge is not None and not edge.is_goto:
            doomed |= branch_below(definition, edge.to)
    heir = edges[kept]
    if heir is not None and heir.to in doomed:
        heir = None
    return _without(definition, doomed, step_id, heir)


def delete_from(definition: Definition, step_id: str) -> Definition:
    """Delete this step and everything that hangs on it; go-tos into it become ends (R-ACT-7)."""
    _step(definition, step_id)
    return _without(definition, branch_below(definition, step_id))


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def update_settings(definition: Definition, step_id: str, settings: Mapping[str, Any]) -> Definition:
    step = _step(definition, step_id)
    if not isinstance(step, Action):
        raise Invalid(N_("Only actions have settings."), field="step_id", value=step_id)
    return _put(definition, replace(step, settings=dict(settings)))


def update(definition: Definition, step: Step, origins: Mapping[Slot, Slot] | None = None) -> Definition:
    """Replace the step of the same id by another of its sort: a new wait, new branches. Its edges are ignored.

    `origins` tells for each way out which old way's steps it carries on (the one of the same name if not given), so
    branches can be reordered and cloned names kept. Steps of ways that are gone are deleted.
    """
    old = _step(definition, step.id)
    if type(old) is not type(step):
        raise Invalid(N_("A step can't become one of another sort."), field="step_id", value=step.id)
    ways, before = edges_of(without_edges(step)), edges_of(old)
    wanted = {slot: (origins or {}).get(slot, slot if origins is None else "") for slot in ways}
    used = [origin for origin in wanted.values() if origin in before]
    if len(used) != len(set(used)):
        raise Invalid(
            N_("Two branches can't carry on the same steps."), field="origins", value=dict(origins or {})
        )
    new = without_edges(step)
    for slot, origin in wanted.items():
        new = with_edge(new, slot, before.get(origin))
    doomed: set[str] = set()
    for slot, edge in before.items():
        if slot not in used and edge is not None and not edge.is_goto:
            doomed |= branch_below(definition, edge.to)
    return _without(_put(definition, new), doomed)


def move(definition: Definition, step_id: str, to: Place, *, with_following: bool = False) -> Definition:
    """Move a step, alone or with all that hangs on it (R-EDIT-2). What stands at the new place follows it.

    Raises Invalid if the place is inside what moves, or a fork is moved alone.
    """
    step = _step(definition, step_id)
    moving = branch_below(definition, step_id) if with_following else {step_id}
    if to.after in moving:
        raise Invalid(N_("A step can't be moved into itself."), field="to", value=to.after)
    if edge_at(definition, to) == Edge(step_id):
        return definition
    if with_following:
        return _hang(_cut(definition, step_id, None), step_id, to)
    ways = edges_of(step)
    if any(edge is not None for slot, edge in ways.items() if slot != "next"):
        raise Invalid(N_("A fork moves with all that follows it."), field="with_following", value=False)
    loose = _put(_cut(definition, step_id, ways.get("next")), without_edges(step))
    return _hang(loose, step_id, to)


def clone(
    definition: Definition, step_id: str, to: Place, *, with_following: bool = False
) -> tuple[Definition, str]:
    """Copy a step, alone or with all that hangs on it, to a place; return the copy's id too (R-ACT-9).

    Go-tos among the copied steps lead to the copies, others to where they led.
    """
    grown, ids = graft(definition, definition, step_id, to, with_following=with_following)
    return grown, ids[step_id]


def graft(
    definition: Definition, source: Definition, step_id: str, to: Place, *, with_following: bool = False
) -> tuple[Definition, dict[str, str]]:
    """Copy a step of `source` to a place of `definition`; return which step became which, too.

    Go-tos that would lead out of another definition become ends.
    """
    step = _step(source, step_id)
    if not with_following:
        grown, new_id = insert(definition, step, to)
        return grown, {step_id: new_id}
    copied = _in_order(source, branch_below(source, step_id))
    ids = {old: str(definition.next_id + place) for place, old in enumerate(copied)}
    stay = {step.id: step.id for step in definition.steps} if source is definition else {}
    copies = tuple(_renamed(source.by_id[old], stay | ids) for old in copied)
    grown = replace(definition, steps=(*definition.steps, *copies), next_id=definition.next_id + len(copies))
    return _hang(grown, ids[step_id], to), ids


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def edge_at(definition: Definition, at: Place) -> Edge | None:
    """Raises NotFound if there is no such place."""
    if at.after == "":
        return definition.start
    edges = edges_of(_step(definition, at.after))
    if at.slot not in edges:
        raise NotFound(f"Step {at.after} has no way {at.slot!r}.")
    return edges[at.slot]


def branch_below(definition: Definition, step_id: str) -> set[str]:
    """The step and all that hangs on it in the tree; go-tos are not followed."""
    found: set[str] = set()
    waiting = [step_id]
    while waiting:
        current = waiting.pop()
        if current in found or current not in definition.by_id:
            continue
        found.add(current)
        edges = edges_of(definition.by_id[current]).values()
        waiting.extend(edge.to for edge in edges if edge is not None and not edge.is_goto)
    return found


def resume_at(old: Definition, new: Definition, position: str) -> str:
    """Where a record at a position of `old` goes on in `new` (R-EDIT-5).

    That is the same position while its step is there, else the next step of the old way that still is; "" if none.
    """
    step_id = position.partition(">")[0]
    if step_id in new.by_id:
        return position
    waiting, seen = [step_id], set[str]()
    while waiting:
        current = waiting.pop(0)
        if current in new.by_id:
            return current
        if current not in seen and current in old.by_id:
            seen.add(current)
            waiting = [
                edge.to for edge in edges_of(old.by_id[current]).values() if edge is not None
            ] + waiting
    return ""


@dataclass(frozen=True, slots=True)
class Onward:
    """Runs that stand at a step of the old definition, and the step of the new one from which they go on; "": they end."""

    step_id: str
    count: int
    to: str

    @property
    def stays(self) -> bool:
        return self.to == self.step_id


def mapping(old: Definition, new: Definition, counts: Mapping[str, int]) -> list[Onward]:
    """What a new definition means for runs in flight (R-EDIT-5), in the order of the old one's steps.

    `counts` are the runs by the step they are shown at; those of steps that the old one lacks come last.
    """
    known = [step.id for step in old.steps if step.id in counts]
    return [
        Onward(step_id, counts[step_id], resume_at(old, new, step_id))
        for step_id in [*known, *sorted(set(counts) - set(known))]
    ]


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _step(definition: Definition, step_id: str) -> Step:
    step = definition.by_id.get(step_id)
    if step is None:
        raise NotFound(f"There is no step {step_id!r}.")
    return step


def _put(definition: Definition, step: Step) -> Definition:
    return replace(definition, steps=tuple(step if old.id == step.id else old for old in definition.steps))


def _set_edge(definition: Definition, at: Place, edge: Edge | None) -> Definition:
    if at.after == "":
        return replace(definition, start=edge)
    return _put(definition, with_edge(_step(definition, at.after), at.slot, edge))


def _way_on(step: Step) -> Slot:
    """The way on which what followed an inserted step goes on."""
    match step:
        case Action() | Delay():
            return "next"
        case IfThen() | ValueEquals():
            return "default"
        case RandomSplit(parts=parts):
            if not parts:
                raise Invalid(N_("A random split needs parts."), field="parts", value=())
            return "0"


def _only_way(step: Step, edges: Mapping[Slot, Edge | None]) -> Slot | None:
    """The way to keep when none is named: the only one with anything on it, or "next" of an action or delay."""
    used = [slot for slot, edge in edges.items() if edge is not None]
    if isinstance(step, Action) or (isinstance(step, Delay) and "otherwise" not in used):
        return "next"
    if len(used) <= 1:
        return used[0] if used else next(iter(edges), None)
    return None


def _without(
    definition: Definition, doomed: set[str], heir_of: str = "", heir: Edge | None = None
) -> Definition:
    """Take the doomed steps out. What led to `heir_of` leads to the heir, what led to the others ends there."""

    def mended(edge: Edge | None) -> Edge | None:
        if edge is None or edge.to not in doomed:
            return edge
        return _inherited(edge, heir) if edge.to == heir_of else None

    steps = tuple(_mended(step, mended) for step in definition.steps if step.id not in doomed)
    return replace(definition, start=mended(definition.start), steps=steps)


def _cut(definition: Definition, step_id: str, heir: Edge | None) -> Definition:
    """Take the step off the edge that it hangs on, which then leads to the heir; go-tos to the step stay."""

    def mended(edge: Edge | None) -> Edge | None:
        return heir if edge == Edge(step_id) else edge

    return replace(
        definition,
        start=mended(definition.start),
        steps=tuple(_mended(step, mended) for step in definition.steps),
    )


def _hang(definition: Definition, step_id: str, to: Place) -> Definition:
    """Hang a loose step at a place; what stood there follows at the end of its main way."""
    followed = edge_at(definition, to)
    hung = _set_edge(definition, to, Edge(step_id))
    if followed is None:
        return hung
    current = hung.by_id[step_id]
    while True:
        way = _way_on(current)
        edge = edges_of(current)[way]
        if edge is None:
            return _put(hung, with_edge(current, way, followed))
        if edge.is_goto:
            raise Invalid(
                N_("What is put here ends in a go-to; nothing can follow it."), field="to", value=to.after
            )
        current = hung.by_id[edge.to]


def _inherited(edge: Edge, heir: Edge | None) -> Edge | None:
    """A go-to stays one; an edge of the tree becomes what the heir was."""
    if heir is None:
        return None
    return Edge(heir.to, is_goto=edge.is_goto or heir.is_goto)


def _mended(step: Step, mend: Any) -> Step:
    for slot, edge in edges_of(step).items():
        mended = mend(edge)
        if mended != edge:
            step = with_edge(step, slot, mended)
    return step


def _renamed(step: Step, ids: Mapping[str, str]) -> Step:
    """The step under its new id; what it leads to has one too, or is an end."""

    def mended(edge: Edge | None) -> Edge | None:
        return replace(edge, to=ids[edge.to]) if edge is not None and edge.to in ids else None

    return replace(_mended(step, mended), id=ids[step.id])


def _in_order(definition: Definition, ids: set[str]) -> list[str]:
    return [step.id for step in definition.steps if step.id in ids]
