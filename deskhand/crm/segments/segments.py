"""Verbs on segments: making, renaming, asking for others, archiving. Who is in them is in `members.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.filters import gone
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import (
    NOTHING,
    Condition,
    Filter,
    MemberOf,
    leaves_by_type,
    link_types,
    linked_kinds,
)
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS, tags
from deskhand.crm.segments.looks import SEGMENT, pause_of
from deskhand.crm.segments.models import TAG_RULE, Segment, SegmentKind
from deskhand.events.types import Actor
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, whole

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
    tag: str = ""  # whose rule it is


def refuse_used(name: str, uses: Sequence[Use]) -> None:
    """Raises Conflict, which names some of them, while something asks for what is to go: a segment, a label, a kind of record."""
    if uses:
        raise Conflict(
            _("“%(segment)s” is used by %(users)s. Take it out there first.")
            % {"segment": name, "users": ", ".join(use.name for use in uses[:5])}
        )


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
    return _asking(asked_for, segment_ids)


def asking_for_labels(account_id: int, numbers: Sequence[int]) -> dict[int, list[Use]]:
    """{association label: the segments and the rules of tags that look along links that bear it}."""
    return _asking(link_types, numbers)


def asking_for_kind(object_type: str) -> list[Use]:
    """The segments of such records, and the segments and rules of tags that look at linked ones."""
    own = segments().filter(object_type=object_type).order_by("name")
    found = [Use(SEGMENT, one.pk, one.name) for one in own]
    looking = [use for one, use in _conditional() if object_type in linked_kinds(condition_of(one))]
    return [*found, *(use for use in looking if use not in found)]


def _asking(named: Callable[[Condition], set[int]], ids: Sequence[int]) -> dict[int, list[Use]]:
    """{one of these: what has a condition that names it}."""
    found: dict[int, list[Use]] = {}
    for one, use in _conditional():
        for number in named(condition_of(one)).intersection(ids):
            found.setdefault(number, []).append(use)
    return found


def asking_for_tag(tag: str) -> list[Use]:
    """The segments and the rules of tags that look at this tag of tickets."""
    return [use for one, use in _conditional() if tag in _tags_asked_for(condition_of(one), one.object_type)]


def asking_for_values(
    object_type: str, property: str, values: Collection[str], *, clocks: Collection[str] = ()
) -> list[Use]:
    """The segments and the rules of tags with a filter by one of these values or `clocks`, of their own records or of
    linked ones."""
    asked = set(values)
    return [
        use for one, use in _conditional()
        if any(
            kind == object_type
            and (leaf.property in clocks or (leaf.property == property and asked.intersection(map(str, leaf.values))))
            for kind, leaf in leaves_by_type(condition_of(one), one.object_type) if isinstance(leaf, Filter)
        )
    ]  # fmt: skip


def asks_for_gone_status(condition: Condition, object_type: str) -> bool:
    """Whether a filter names a status or a pipeline that is not there any more (R-PIPE-10)."""
    return any(
        gone.places(kind, leaf.property, leaf.values)
        for kind, leaf in leaves_by_type(condition, object_type)
        if isinstance(leaf, Filter)
    )


def _conditional() -> list[tuple[Segment, Use]]:
    """All that have a condition: segments by filter, and the rules of tags by the tags' names."""
    found = Segment.objects.filter(account_id=current_account_id(), archived_at=None).exclude(
        kind=SegmentKind.STATIC
    )
    labels = {one.value: one.label for one in tags()}
    return [
        (one, Use("tag", one.pk, labels.get(one.name, one.name), one.name) if one.kind == TAG_RULE else Use(SEGMENT, one.pk, one.name))
        for one in found.order_by("name")
    ]  # fmt: skip


def asked_for(condition: Condition) -> set[int]:
    """The segments that a condition names."""
    return {
        segment_id
        for _type, leaf in leaves_by_type(condition, "")
        if isinstance(leaf, MemberOf) and leaf.of == SEGMENT
        for segment_id in leaf.ids
    }


def segments() -> QuerySet[Segment]:
    """Those of the account, without the rules of its tags."""
    return Segment.objects.filter(account_id=current_account_id(), archived_at=None).exclude(kind=TAG_RULE)


def condition_of(segment: Segment) -> Condition:
    return from_json(segment.condition, "condition") if segment.condition else NOTHING


def find(segment_id: int, *, lock: bool = False) -> Segment:
    """Raises NotFound for one that is not there, or archived."""
    found = segments().filter(pk=segment_id)
    segment = (found.select_for_update(no_key=True) if lock else found).first()
    if segment is None:
        raise NotFound(_("There is no such segment."))
    return segment


def of_type(object_type: str, kind: SegmentKind | None = None) -> list[Segment]:
    """Those of one kind of record, by name."""
    found = segments().filter(object_type=object_type)
    return list((found.filter(kind=kind) if kind else found).order_by("name"))


def by_filter() -> list[Segment]:
    """Those that follow a condition, of all kinds of records. One query."""
    return list(segments().filter(kind=SegmentKind.FILTER).order_by("pk"))


def names() -> dict[str, list[tuple[int, str]]]:
    """By kind of record: ids and names of all segments, by name. One query."""
    found: dict[str, list[tuple[int, str]]] = {}
    known = segments().order_by("name")
    for object_type, segment_id, name in known.values_list("object_type", "pk", "name"):
        found.setdefault(object_type, []).append((segment_id, name))
    return found


def names_of(ids: Iterable[str]) -> dict[str, str]:
    """Also of those that were put away. One query."""
    asked = [number for text in ids if (number := whole(text)) is not None]
    found = Segment.objects.filter(account_id=current_account_id(), pk__in=asked).exclude(kind=TAG_RULE)
    return {str(pk): name for pk, name in found.values_list("pk", "name")}


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(
    object_type: str, name: str, kind: SegmentKind, condition: Condition | None = None, *, by: Actor
) -> Segment:
    """Make a segment. Raises Invalid, naming the field. A filter's members are found by a slow job."""
    account_id, at = current_account_id(), clock.now()
    if object_type not in BUILT_IN:
        object_types.find(object_type)
    if segments().count() >= MOST:
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
        look_at_all(segment, at)
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
        before={"object_type": segment.object_type, "condition": before},
        after={"object_type": segment.object_type, "condition": after},
    )  # fmt: skip
    look_at_all(segment, at)


def archive(segment_id: int, *, by: Actor) -> None:
    """Put it away. Raises NotFound, and Conflict while something asks for it: then nothing would meet it any more."""
    segment = find(segment_id, lock=True)
    refuse_used(segment.name, used_by([segment_id]).get(segment_id, ()))
    put_away(segment)
    audit.record(
        "segment.archived", by=by, target_type=SEGMENT, target_id=segment_id, before={"name": segment.name}
    )


def put_away(segment: Segment) -> None:
    """Archive it, or a tag's rule, which is held: nothing looks at it any more."""
    segment.archived_at = clock.now()
    segment.generation += 1
    segment.save(update_fields=["archived_at", "generation"])
    timers.drop_timer(segment.account_id, SWEEP, str(segment.pk))


def look_at_all(segment: Segment, at: datetime) -> None:
    """Let a slow job compare all records with what it asks for now, and a timer look again when time has passed."""
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
    taken = segments().filter(name=name)
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
    require_askable(segment, condition)


def require_askable(segment: Segment, condition: Condition) -> None:
    """Raises Invalid for a condition of a segment, or of a tag's rule, that names what is not there, or that leads back to it."""
    tables = Tables(segment.account_id, {name: name for name in object_types.every()}, properties_of)
    source = SchemaSource(tables, segment.object_type, "t")
    to_sql(condition, source, now=clock.now(), zone=ZoneInfo("UTC"))
    if not (asked_for(condition) or _tags_asked_for(condition, segment.object_type)):
        return
    known = {one.pk: one for one in Segment.objects.filter(account_id=segment.account_id, archived_at=None)}
    _require_known(condition, segment.object_type, known)
    known[segment.pk or 0] = segment
    if (segment.pk or 0) in _reached(_next(condition, segment, known), known):
        is_tag = segment.kind == TAG_RULE
        raise Invalid(
            _("The tag would depend on itself.") if is_tag else _("The segment would depend on itself."),
            field="condition",
            hint=_("Take out the filter that leads back to it."),
        )


#: A filter that asks for any tag at all looks at each of them.
_ANY_TAG = "*"


def _tags_asked_for(condition: Condition, object_type: str) -> set[str]:
    """The tags of tickets that a condition looks at."""
    found: set[str] = set()
    for kind, leaf in leaves_by_type(condition, object_type):
        if isinstance(leaf, Filter) and kind == "ticket" and leaf.property == TAGS:
            found |= {str(value) for value in leaf.values} or {_ANY_TAG}
    return found


def _next(condition: Condition, of: Segment, known: Mapping[int, Segment]) -> set[int]:
    """What a condition looks at in turn: segments, and the rules of tags."""
    asked = _tags_asked_for(condition, of.object_type)
    rules = {
        pk for pk, one in known.items() if one.kind == TAG_RULE and (one.name in asked or _ANY_TAG in asked)
    }
    return asked_for(condition) | rules


def _require_known(condition: Condition, object_type: str, known: dict[int, Segment]) -> None:
    for kind, leaf in leaves_by_type(condition, object_type):
        if not isinstance(leaf, MemberOf) or leaf.of != SEGMENT:
            continue
        for segment_id in leaf.ids:
            one = known.get(segment_id)
            if one is None or one.kind == TAG_RULE or one.object_type != kind:
                raise Invalid(_("There is no such segment."), field="condition", value=segment_id)


def _reached(ids: Collection[int], known: Mapping[int, Segment]) -> set[int]:
    """These segments and rules, and all that they look at in turn."""
    reached: set[int] = set()
    waiting = set(ids)
    while waiting:
        one = waiting.pop()
        reached.add(one)
        if one in known and known[one].kind != SegmentKind.STATIC:
            waiting |= _next(condition_of(known[one]), known[one], known) - reached
    return reached
