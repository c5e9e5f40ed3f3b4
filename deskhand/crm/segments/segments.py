"""Verbs on segments: making, renaming, asking for others, archiving. Who is in them is in `members.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import NOTHING, Condition, MemberOf, leaves_by_type
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.looks import SEGMENT, pause_of
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.events.types import Actor
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line

NAME = 100  # characters
MOST = 1000  # segments of an account
BUILT_IN = ("contact", "company", "ticket", "deal", "project")
FILL = "segments.fill"
SWEEP = "segments.sweep"


@dataclass(frozen=True)
class Use:
    """Something that asks for a segment: a workflow, a view, another segment. `id` is its own."""

    kind: str
    id: int
    name: str


#: (account id, segment ids) → what asks for which. Filled by wiring with the areas above.
users: list[Callable[[int, Sequence[int]], dict[int, list[Use]]]] = []


def used_by(segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """What asks for these segments; those that nothing asks for are left out."""
    account_id = current_account_id()
    found: dict[int, list[Use]] = {}
    if not segment_ids:
        return found
    for ask in (_segments_asking, *users):
        for segment_id, uses in ask(account_id, segment_ids).items():
            found.setdefault(segment_id, []).extend(uses)
    return found


def _segments_asking(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    found: dict[int, list[Use]] = {}
    for one in Segment.objects.filter(
        account_id=account_id, kind=SegmentKind.FILTER, archived_at=None
    ).order_by("name"):
        for segment_id in asked_for(condition_of(one)).intersection(segment_ids):
            found.setdefault(segment_id, []).append(Use("segment", one.pk, one.name))
    return found


def asked_for(condition: Condition) -> set[int]:
    """The segments that a condition names."""
    return {
        segment_id
        for _type, leaf in leaves_by_type(condition, "")
        if isinstance(leaf, MemberOf) and leaf.of == SEGMENT
        for segment_id in leaf.ids
    }


def condition_of(segment: Segment) -> Condition:
    return from_json(segment.condition, "condition") if segment.condition else NOTHING


def find(segment_id: int, *, lock: bool = False) -> Segment:
    """Raises NotFound for one that is not there, or archived."""
    found = Segment.objects.filter(account_id=current_account_id(), pk=segment_id, archived_at=None)
    segment = (found.select_for_update(no_key=True) if lock else found).first()
    if segment is None:
        raise NotFound(_("There is no such segment."))
    return segment


def of_type(object_type: str, kind: SegmentKind | None = None) -> list[Segment]:
    """Those of one kind of record, by name."""
    found = Segment.objects.filter(account_id=current_account_id(), object_type=object_type, archived_at=None)
    return list((found.filter(kind=kind) if kind else found).order_by("name"))


def names() -> dict[str, list[tuple[int, str]]]:
    """By kind of record: ids and names of all segments, by name. One query."""
    found: dict[str, list[tuple[int, str]]] = {}
    known = Segment.objects.filter(account_id=current_account_id(), archived_at=None).order_by("name")
    for object_type, segment_id, name in known.values_list("object_type", "pk", "name"):
        found.setdefault(object_type, []).append((segment_id, name))
    return found


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(
    object_type: str, name: str, kind: SegmentKind, condition: Condition | None = None, *, by: Actor
) -> Segment:
    """Make a segment. Raises Invalid, naming the field. A filter's members are found by a slow job."""
    account_id, at = current_account_id(), clock.now()
    if object_type not in BUILT_IN:
        object_types.find(object_type)
    if Segment.objects.filter(account_id=account_id, archived_at=None).count() >= MOST:
        raise Invalid(
            _("There are too many segments."),
            field="name",
            value=name,
            hint=_("Archive one that nothing uses."),
        )
    segment = Segment(
        account_id=account_id,
        object_type=object_type,
        kind=kind,
        owner_id=by.id,
        created_at=at,
        changed_at=at,
    )
    if kind == SegmentKind.FILTER:
        _require_condition(segment, condition)
        segment.condition = to_json(condition or NOTHING)
    else:
        segment.filled_at = at
    _name(segment, name)
    audit.record(
        "segment.created", by=by, target_type=SEGMENT, target_id=segment.pk,
        after={"name": segment.name, "object_type": object_type, "kind": str(kind), "condition": segment.condition},
    )  # fmt: skip
    if kind == SegmentKind.FILTER:
        _look_at_all(segment, at)
    return segment


def rename(segment_id: int, name: str, *, by: Actor) -> None:
    """Raises NotFound, and Invalid for a name that is taken or none."""
    segment = find(segment_id, lock=True)
    before = segment.name
    if one_line(name) == before:
        return
    segment.changed_at = clock.now()
    _name(segment, name)
    audit.record(
        "segment.renamed", by=by, target_type=SEGMENT, target_id=segment_id,
        before={"name": before}, after={"name": segment.name},
    )  # fmt: skip


def change_condition(segment_id: int, condition: Condition, *, by: Actor) -> None:
    """Ask for others. Who is in stays in until the slow job has looked at them. Raises NotFound, Invalid."""
    segment = find(segment_id, lock=True)
    if segment.kind != SegmentKind.FILTER:
        raise Invalid(_("People choose who is in this segment."), field="condition")
    _require_condition(segment, condition)
    before, after = segment.condition, to_json(condition)
    if before == after and not segment.problem:
        return
    at = clock.now()
    segment.condition, segment.changed_at, segment.problem = after, at, ""
    segment.generation += 1
    segment.filled_to, segment.filled_at = 0, None
    segment.save(update_fields=["condition", "changed_at", "problem", "generation", "filled_to", "filled_at"])
    audit.record(
        "segment.changed", by=by, target_type=SEGMENT, target_id=segment_id,
        before={"condition": before}, after={"condition": after},
    )  # fmt: skip
    _look_at_all(segment, at)


def archive(segment_id: int, *, by: Actor) -> None:
    """Put it away. Raises NotFound, and Conflict while something asks for it: then nothing would meet it any more."""
    segment = find(segment_id, lock=True)
    uses = used_by([segment_id]).get(segment_id, [])
    if uses:
        raise Conflict(
            _("“%(segment)s” is used by %(users)s. Take it out there first.")
            % {"segment": segment.name, "users": ", ".join(use.name for use in uses[:5])}
        )
    segment.archived_at = clock.now()
    segment.generation += 1
    segment.save(update_fields=["archived_at", "generation"])
    timers.drop_timer(segment.account_id, SWEEP, str(segment_id))
    audit.record(
        "segment.archived", by=by, target_type=SEGMENT, target_id=segment_id, before={"name": segment.name}
    )


def _look_at_all(segment: Segment, at: datetime) -> None:
    jobs.enqueue(FILL, {"segment": segment.pk}, one_by_one=str(segment.pk))
    pause = pause_of(condition_of(segment))
    timers.set_timer(segment.account_id, SWEEP, str(segment.pk), at + pause)


def require_name(name: str, *, but: int | None = None) -> str:
    """The name as it is kept. Raises Invalid for none, and for one that another segment has."""
    name = one_line(name)
    if not name:
        raise Invalid(_("A segment needs a name."), field="name")
    if len(name) > NAME:
        raise Invalid(_("The name is too long."), field="name", value=name[:NAME])
    taken = Segment.objects.filter(account_id=current_account_id(), name=name, archived_at=None)
    if taken.exclude(pk=but or 0).exists():
        raise Invalid(_("There is a segment of this name."), field="name", value=name)
    return name


def _name(segment: Segment, name: str) -> None:
    """Give it the name and save it whole."""
    segment.name = require_name(name, but=segment.pk)
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError:  # somebody else was first
        raise Invalid(_("There is a segment of this name."), field="name", value=segment.name) from None


# ── what may be asked ────────────────────────────────────────────────────────────────────────────────────────────────


def _require_condition(segment: Segment, condition: Condition | None) -> None:
    """Raises Invalid for a condition that names what is not there, or leads back to the segment itself."""
    if condition is None or not list(leaves_by_type(condition, "")):
        raise Invalid(
            _("A segment by filter needs at least one filter."),
            field="condition",
            hint=_("Add a filter, or make a segment that you fill yourself."),
        )
    types = {*BUILT_IN, *object_types.all_of_them()}
    tables = Tables(segment.account_id, {name: name for name in types}, properties_of)
    source = SchemaSource(tables, segment.object_type, "t")
    to_sql(condition, source, now=clock.now(), zone=ZoneInfo("UTC"))
    named = asked_for(condition)
    if not named:
        return
    known = {one.pk: one for one in Segment.objects.filter(account_id=segment.account_id, archived_at=None)}
    _require_known(condition, segment.object_type, known)
    if segment.pk and segment.pk in _reached(named, known):
        raise Invalid(
            _("The segment would depend on itself."),
            field="condition",
            hint=_("Take out the filter that leads back to it."),
        )


def _require_known(condition: Condition, object_type: str, known: dict[int, Segment]) -> None:
    for kind, leaf in leaves_by_type(condition, object_type):
        if not isinstance(leaf, MemberOf) or leaf.of != SEGMENT:
            continue
        for segment_id in leaf.ids:
            if segment_id not in known or known[segment_id].object_type != kind:
                raise Invalid(_("There is no such segment."), field="condition", value=segment_id)


def _reached(ids: Collection[int], known: dict[int, Segment]) -> set[int]:
    """These segments, and all that they ask for in turn."""
    reached: set[int] = set()
    waiting = set(ids)
    while waiting:
        one = waiting.pop()
        reached.add(one)
        if one in known and known[one].kind == SegmentKind.FILTER:
            waiting |= asked_for(condition_of(known[one])) - reached
    return reached
