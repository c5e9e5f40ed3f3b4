"""The further records of a task while it is written: what is chosen, what is linked to its main record, and what a search
finds (R-WFA-8). What somebody does not see of a task's records stays, whatever they choose.

In forms they are boxes called `also`, a record each as "kind:id", with an empty one before them; a form without any says
nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Task
from deskhand.crm.records.tasks import Record
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice
from deskhand.web.inbox import links
from deskhand.web.inbox.panel_rows import Linked
from deskhand.web.tasking import Further, FurtherLine

FIELD, KIND, TEXT, FIND = "also", "also_kind", "also_text", "find"
NEAR = 5  # linked records of each kind that are offered


@dataclass(frozen=True)
class Typed:
    chosen: Sequence[Record] = ()
    kind: str = ""
    text: str = ""


def typed(form: QueryDict) -> Typed:
    """What the form has; what is no record is passed over, for it is shown again."""
    records = [record for text in form.getlist(FIELD) if (record := _record(text)) is not None]
    return Typed(records, form.get(KIND, ""), form.get(TEXT, "").strip()[: links.LONGEST])


def is_search(form: QueryDict) -> bool:
    """Whether more records are looked for. The form's first button, which Enter presses, does so: without words it saves."""
    return FIND in form and bool(form.get(TEXT, "").strip())


def _record(text: str) -> Record | None:
    kind, _colon, number = text.partition(":")
    record_id = whole(number)
    return (kind, record_id) if record_id is not None else None


def wanted(viewer: Viewer, form: QueryDict, main: Record, task: Task | None = None) -> list[Record] | None:
    """The further records that were chosen, with those of the task that the viewer does not see; None where the form does not
    ask. Raises Invalid for what is not in sight."""
    if FIELD not in form:
        return None
    have = [one for one in tasks.records_of([task.pk])[task.pk] if one != main] if task else []
    chosen = []
    for text in filter(None, form.getlist(FIELD)):
        record = _record(text)
        if record is None:
            raise _lacking(text)
        chosen.append(record)
    there = _in_sight(viewer, {*chosen, *have})
    for record in chosen:
        if record not in there and record not in have:
            raise _lacking(f"{record[0]}:{record[1]}")
    hidden = [record for record in have if record not in there]
    return [*dict.fromkeys([*chosen, *hidden])]


def _lacking(value: str) -> Invalid:
    return Invalid(
        _("A record that was chosen is not there any more."), field=FIELD, value=value[:40],
        hint=_("Choose another one, or take it away."),
    )  # fmt: skip


def _in_sight(viewer: Viewer, records: Iterable[Record]) -> set[Record]:
    """One query for each kind."""
    ids, known = _by_kind(records), links.kinds()
    return {
        (kind, row.pk) for kind in ids if kind in known for row in links.seen(viewer, known[kind], ids[kind])
    }


def _by_kind(records: Iterable[Record]) -> dict[str, list[int]]:
    ids: dict[str, list[int]] = {}
    for kind, record_id in dict.fromkeys(records):
        ids.setdefault(kind, []).append(record_id)
    return ids


def part(
    viewer: Viewer, here: Record, near: Iterable[Linked], task: Task | None, given: Typed | None
) -> Further:
    """In the form on the page of the record `here`, for a new task or for one of its tasks. `near` are records that are linked
    to it, `given` is what was typed, if something was. A query for each kind of those that are not near."""
    main, known = task.main if task else here, links.kinds()
    offered = {key: kind for key, kind in known.items() if links.may_see_any(viewer, kind)}
    searching = offered.get(given.kind) if given and given.text else None
    chosen = list(given.chosen) if given else tasks.records_of([task.pk])[task.pk] if task else []
    found = [(searching.key, pk) for pk in searching.find(viewer, given.text)] if given and searching else []
    hits = [record for record in found if record not in (main, *chosen)]
    lines = {(one.kind, one.id): one for one in near}
    wanted = [record for record in dict.fromkeys((*chosen, *hits, here, *lines)) if record != main]
    for kind, ids in _by_kind(record for record in wanted if record not in lines).items():
        if kind in known:
            lines |= {(kind, one.id): one for one in links.lines(viewer, known[kind], ids)}
    places = list(known)
    shown = [record for record in wanted if record in lines]
    shown.sort(key=lambda one: (one not in chosen, one not in hits, places.index(one[0])))
    return Further(
        tuple(_line(lines[record], known[record[0]].icon, record in chosen) for record in shown),
        tuple(Choice(one.key, str(one.title), one is searching) for one in offered.values()),
        given.text if given else "",
        _told(hits) if searching else "",
    )


def _line(one: Linked, icon: str, is_chosen: bool) -> FurtherLine:
    return FurtherLine(f"{one.kind}:{one.id}", one.title or _("No name"), one.line, icon, is_chosen)


def _told(hits: Sequence[Record]) -> str:
    return _("Tick what the task is about too.") if hits else _("Nothing else was found.")
