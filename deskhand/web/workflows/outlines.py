"""A version of a workflow as a list to read, and what differs between two of them in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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
    without_edges,
)
from deskhand.automation.engine.diff import difference, reading_order
from deskhand.web.choices import in_full
from deskhand.web.inbox.rows import Label
from deskhand.web.workflows import told, words
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


def outline(definition: Definition) -> tuple[OutlineLine, ...]:
    """Down each way, from the first step to the last."""
    return tuple(_walk(definition, definition.start, 0, "", set()))


def _walk(
    definition: Definition, edge: Edge | None, depth: int, way: str, seen: set[str]
) -> Iterator[OutlineLine]:
    while edge is not None and edge.to in definition.by_id:
        step = definition.by_id[edge.to]
        name = told.step_name(step, definition)
        if edge.is_goto or step.id in seen:
            yield OutlineLine(depth, way, StepName(_("Goes to"), told.label(name), "corner-down-right"))
            return
        seen.add(step.id)
        yield OutlineLine(depth, way, name)
        ways = edges_of(step)
        if len(ways) == 1:
            edge, way = ways.get("next"), ""
            continue
        for slot, following in ways.items():
            if following is None:
                yield OutlineLine(depth + 1, way_name(step, slot), StepName(_("Ends here"), icon="flag"))
            else:
                yield from _walk(definition, following, depth + 1, way_name(step, slot), seen)
        return


def way_name(step: Step, slot: Slot) -> str:
    """What people call a way out of a step."""
    match step:
        case IfThen(branches=branches) if slot.isdigit():
            return branches[int(slot)].name or _("Branch %(number)s") % {"number": int(slot) + 1}
        case IfThen(default_name=name):
            return name or _("None met")
        case ValueEquals(cases=cases) if slot.isdigit():
            return cases[int(slot)].value
        case ValueEquals():
            return _("Any other value")
        case RandomSplit(parts=parts):
            part = parts[int(slot)]
            return part.name or _("Part %(number)s") % {"number": int(slot) + 1}
        case Delay(wait=wait):
            return words.otherwise_name(step) if slot == "otherwise" else words.next_name(wait)
        case Action():
            return ""


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


def compared(old: Definition, new: Definition) -> Compared:
    """What differs beside the steps, before and after; and each step that differs, with what differs in it."""
    with in_full():
        return _compared(old, new)


def _compared(old: Definition, new: Definition) -> Compared:
    found = difference(old, new)
    parts = tuple((str(PARTS.get(name, name)), _part(old, name), _part(new, name)) for name in found.parts)
    order = [*reading_order(new), *(one for one in reading_order(old) if one not in new.by_id)]
    steps: list[tuple[Label, StepName, tuple[tuple[str, str, str], ...]]] = []
    for step_id in order:
        after, before = new.by_id.get(step_id), old.by_id.get(step_id)
        name = told.step_name(after or before, new if after else old)  # type: ignore[arg-type]  # it is in one of them
        if step_id in found.added:
            steps.append((Label(_("Added"), "green"), name, ()))
        elif step_id in found.removed:
            steps.append((Label(_("Deleted"), "red"), name, ()))
        elif step_id in found.changed and before is not None and after is not None:
            steps.append((Label(_("Changed"), "amber"), name, tuple(_inside((old, new), before, after))))
        elif step_id in found.moved:
            steps.append((Label(_("Moved"), "blue"), name, ()))
    return parts, tuple(steps)


def _part(definition: Definition, name: str) -> str:
    match name:
        case "trigger":
            return words.trigger(definition)
        case "reenrollment":
            return _("Every time") if definition.reenrollment.is_on else _("Once for ever")
    return ""


def _inside(of: tuple[Definition, Definition], before: Step, after: Step) -> Iterator[tuple[str, str, str]]:
    """The settings that differ, by the names they have in the form."""
    if isinstance(before, Action) and isinstance(after, Action) and before.kind == after.kind:
        if before.settings != after.settings:
            was, became = (
                told.step_name(one, its).summary for one, its in zip((before, after), of, strict=True)
            )
            yield _("Step"), was, became
            yield from _texts(before.settings, after.settings, (was, became))
        if before.on_failure != after.on_failure:
            yield _("When it fails"), _on_failure(before), _on_failure(after)
        return
    was, became = (
        told.label(told.step_name(without_edges(one), its))
        for one, its in zip((before, after), of, strict=True)
    )
    yield _("Step"), was, became


def _texts(was: Any, became: Any, said: tuple[str, str]) -> Iterator[tuple[str, str, str]]:
    """Written settings that differ and that the summaries do not say."""
    for name in sorted({*was, *became}):
        old, new = was.get(name), became.get(name)
        is_said = str(old or "") in said[0] and str(new or "") in said[1]
        if old != new and isinstance(old or new, str) and not is_said:
            yield _LABELS.get(name, name), str(old or "–"), str(new or "–")


_LABELS: dict[str, Any] = {
    "subject": gettext_lazy("Subject"), "body": gettext_lazy("Text"), "title": gettext_lazy("Title"), "text": gettext_lazy("Text"),
}  # fmt: skip


def _on_failure(step: Action) -> str:
    return _("The run stops") if step.on_failure == "stop" else _("The run goes on")
