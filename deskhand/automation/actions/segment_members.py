"""Put records into a segment that is filled by hand, or take them out: the record itself, or what it is linked to."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import kinds, records
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed, skipped
from deskhand.automation.engine.loops import Touches
from deskhand.crm.records import associations
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.events.types import Cause
from deskhand.kernel.errors import DeskhandError, NotFound
from deskhand.kernel.text import whole

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

Move = Callable[[int, Sequence[int], Doing], list[int]]


class _SegmentAction(Action):
    group = Group.AUDIENCE
    changes = is_left = True  # branches after it may ask for the segment
    nothing: ClassVar[StrPromise | str]  # what the log says where nothing was to be done

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        own = around.object_type
        targets = [("", _("The record itself"))]
        targets += [(to, _("Linked: %(kind)s") % {"kind": kinds.label(to)}) for to in kinds.linkable(own)]
        target = str(settings.get("target") or "")
        return (
            Setting("target", _("Who"), Input.CHOICE, options=choices.options(targets), redraws=True),
            Setting("segment", _("Segment"), Input.CHOICE, required=True, options=_options(target or own), help=_("Only segments that are filled by hand can be chosen.")),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        segment_id = _segment_id(settings)
        if segment_id is None:
            return [("segment", _("Choose a segment."))]
        found = _found(segment_id)
        if found is None:
            return [("segment", _("The segment is not there any more."))]
        try:
            members.require_fillable(found)
        except DeskhandError as refusal:
            return [("segment", str(refusal))]
        return []

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        segment_id = _segment_id(settings)
        return Touches(segments=frozenset({segment_id} if segment_id is not None else ()))

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return False

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set of records for each step: a segment tells once of all that came by it."""
        return self._answer(batch, self._move)

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return self._answer(batch, self._would_move)

    def _answer(self, batch: Sequence[Doing], move: Move) -> list[Done]:
        whom = _whom(batch)
        together: dict[tuple[int, str, int, int, str, int], list[Doing]] = defaultdict(list)
        for doing in batch:
            segment_id = _segment_id(doing.settings) or 0
            step = doing.workflow_id, doing.revision, doing.step_id, doing.depth
            together[segment_id, _target(doing), *step].append(doing)
        answers: dict[int, Done] = {}
        for (segment_id, *_rest), doings in sorted(together.items()):
            ids = {record_id for doing in doings for record_id in whom[doing.enrollment_id]}
            try:
                moved = move(segment_id, sorted(ids), doings[0])
            except DeskhandError as refusal:
                answers |= {doing.enrollment_id: failed(str(refusal)) for doing in doings}
                continue
            said = self.summary(doings[0].settings)
            for doing in doings:
                answers[doing.enrollment_id] = self._done(whom[doing.enrollment_id], moved, said)
        return [answers[doing.enrollment_id] for doing in batch]

    def _done(self, ids: set[int], moved: Collection[int], said: str) -> Done:
        if not ids:
            return skipped(_("The record is linked to none of these."))
        return Done(message=str(self.nothing) if ids.isdisjoint(moved) else said)

    @abstractmethod
    def _move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]:
        """Do it in the name of the step that `doing` is at; returns those that came or went."""

    @abstractmethod
    def _would_move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]: ...


class AddToSegment(_SegmentAction):
    kind = "add_to_segment"
    label = gettext_lazy("Add to segment")
    about = gettext_lazy("Put the record, or what it is linked to, into a segment that is filled by hand.")
    icon, tone = "user-plus", "teal"
    nothing = gettext_lazy("It was in the segment already.")

    def summary(self, settings: Mapping[str, Any]) -> str:
        return _("Add to “%(segment)s”") % {"segment": _name(settings)}

    def _move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]:
        return members.add(
            segment_id, ids, of=_target(doing), by=doing.by, at=doing.now, cause=_cause(doing), depth=doing.depth + 1
        )  # fmt: skip

    def _would_move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]:
        inside = _inside(segment_id, ids, _target(doing))
        return [record_id for record_id in ids if record_id not in inside]


class RemoveFromSegment(_SegmentAction):
    kind = "remove_from_segment"
    label = gettext_lazy("Remove from segment")
    about = gettext_lazy("Take the record, or what it is linked to, out of a segment that is filled by hand.")
    icon, tone = "user-x", "amber"
    nothing = gettext_lazy("It was not in the segment.")

    def summary(self, settings: Mapping[str, Any]) -> str:
        return _("Remove from “%(segment)s”") % {"segment": _name(settings)}

    def _move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]:
        return members.remove(
            segment_id, ids, of=_target(doing), by=doing.by, at=doing.now, cause=_cause(doing), depth=doing.depth + 1
        )  # fmt: skip

    def _would_move(self, segment_id: int, ids: Sequence[int], doing: Doing) -> list[int]:
        inside = _inside(segment_id, ids, _target(doing))
        return [record_id for record_id in ids if record_id in inside]


@once
def _options(object_type: str) -> tuple[Option, ...]:
    return choices.options((one.pk, one.name) for one in segments.of_type(object_type, SegmentKind.STATIC))


@once
def _found(segment_id: int) -> Segment | None:
    try:
        return segments.find(segment_id)
    except NotFound:
        return None


def _segment_id(settings: Mapping[str, Any]) -> int | None:
    return whole(str(settings.get("segment") or ""))


def _target(doing: Doing) -> str:
    """The kind of record it is about."""
    return str(doing.settings.get("target") or "") or doing.object_type


def _name(settings: Mapping[str, Any]) -> str:
    found = _found(_segment_id(settings) or 0)
    return found.name if found is not None else _("a deleted segment")


def _cause(doing: Doing) -> Cause:
    """The step, not one record's way to it: a set has many."""
    return Cause(workflow_id=doing.workflow_id, revision=doing.revision, step_id=doing.step_id)


def _inside(segment_id: int, ids: Sequence[int], object_type: str) -> set[int]:
    members.require_fillable(segments.find(segment_id), object_type)
    of = members.of_records(object_type, ids)
    return {record_id for record_id, found in of.items() if segment_id in found}


def _whom(batch: Sequence[Doing]) -> dict[int, set[int]]:
    """{enrollment: the records it is about}. Two queries for each way that is gone."""
    found: dict[int, set[int]] = {}
    ways: dict[tuple[str, str], list[Doing]] = defaultdict(list)
    for doing in batch:
        target = str(doing.settings.get("target") or "")
        found[doing.enrollment_id] = set() if target else {doing.record_id}
        if target:
            ways[doing.object_type, target].append(doing)
    for (object_type, target), doings in ways.items():
        linked = associations.linked_ids(object_type, [doing.record_id for doing in doings], target)
        there = records.load(target, [other for ids in linked.values() for other in ids])
        for doing in doings:
            found[doing.enrollment_id] = there.keys() & linked.get(doing.record_id, [])
    return found
