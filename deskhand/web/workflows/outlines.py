"""A version of a workflow as a list to read, and what differs between two of them in words."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.automation.actions.once import reading_once
from deskhand.automation.engine.definition import Definition, Edge, edges_of
from deskhand.automation.engine.diff import difference, reading_order
from deskhand.web.choices import in_full
from deskhand.web.inbox.rows import Label
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.rows import OutlineLine, StepName

PARTS: dict[str, str | Promise] = {
    "trigger": gettext_lazy("What starts it"),
    "reenrollment": gettext_lazy("Enrolling again"),
    "leaving": gettext_lazy("When records leave"),
    "timing": gettext_lazy("When actions run"),
}
Compared = tuple[
    tuple[tuple[str, str, str], ...], tuple[tuple[Label, StepName, tuple[tuple[str, str, str], ...]], ...]
]


def outline(telling: Telling) -> tuple[OutlineLine, ...]:
    """Down each way, from the first step to the last."""
    with in_full(), reading_once():
        return tuple(_walk(telling, telling.definition.start, 0, "", set()))


def _walk(telling: Telling, edge: Edge | None, depth: int, way: str, seen: set[str]) -> Iterator[OutlineLine]:
    by_id = telling.definition.by_id
    while edge is not None and edge.to in by_id:
        step = by_id[edge.to]
        if edge.is_goto or step.id in seen:
            yield OutlineLine(depth, way, StepName(_("Goes to"), telling.name(step.id), "corner-down-right"))
            return
        seen.add(step.id)
        yield OutlineLine(depth, way, telling.step(step))
        ways = edges_of(step)
        if len(ways) == 1:
            edge, way = ways.get("next"), ""
            continue
        for slot, following in ways.items():
            name = telling.way(step, slot)
            if following is None:
                yield OutlineLine(depth + 1, name, StepName(_("Ends here"), icon="flag"))
            else:
                yield from _walk(telling, following, depth + 1, name, seen)
        return


# ── two of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def in_short(old: Definition, new: Definition) -> tuple[str, ...]:
    """A line for each kind of change."""
    found = difference(old, new)
    lines = [
        ngettext("%(num)s step added", "%(num)s steps added", len(found.added)) % {"num": len(found.added)} if found.added else "",
        ngettext("%(num)s step deleted", "%(num)s steps deleted", len(found.removed)) % {"num": len(found.removed)} if found.removed else "",
        ngettext("%(num)s step changed", "%(num)s steps changed", len(found.changed)) % {"num": len(found.changed)} if found.changed else "",
        ngettext("%(num)s step moved", "%(num)s steps moved", len(found.moved)) % {"num": len(found.moved)} if found.moved else "",
        *(_("Changed: %(what)s") % {"what": PARTS.get(name, name)} for name in found.parts),
    ]  # fmt: skip
    said = tuple(line for line in lines if line)
    return said or (_("Nothing differs"),)


def compared(older: Telling, newer: Telling) -> Compared:
    """What differs beside the steps, before and after; and each step that differs, with what differs in it."""
    with in_full(), reading_once():
        return _compared(older, newer)


def _compared(older: Telling, newer: Telling) -> Compared:
    old, new = older.definition, newer.definition
    found = difference(old, new)
    parts = tuple((str(PARTS.get(name, name)), older.part(name), newer.part(name)) for name in found.parts)
    steps: list[tuple[Label, StepName, tuple[tuple[str, str, str], ...]]] = []
    for step_id in reading_order(new):
        name = newer.step(new.by_id[step_id])
        if step_id in found.added:
            steps.append((Label(_("Added"), "green"), name, ()))
        elif step_id in found.changed:
            steps.append((Label(_("Changed"), "amber"), name, tuple(newer.differing(step_id, older))))
        elif step_id in found.moved:
            steps.append((Label(_("Moved"), "blue"), name, ()))
    gone = (old.by_id[step_id] for step_id in reading_order(old) if step_id in found.removed)
    steps += [(Label(_("Deleted"), "red"), older.step(step), ()) for step in gone]
    return parts, tuple(steps)
