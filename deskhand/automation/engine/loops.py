"""Which workflows can call each other in a circle (R-EXEC-21): what one does may enroll into the next.

Told when somebody publishes, as a warning: whether it comes to that depends on the records. The guards at run time
(depth, enrollments an hour) hold whatever is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from deskhand.automation.engine.definition import PLACES, Definition, EventMatch, WhenEvent, WhenTrue
from deskhand.crm.filters.folding import fold
from deskhand.crm.filters.types import (
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    MemberOf,
    Operator,
    Value,
    leaves,
    looked_at,
)
from deskhand.crm.schema.types import Kind


@dataclass(frozen=True, slots=True)
class Write:
    """A property of a kind of records that an action sets; `value` as in conditions, None if it can be any."""

    object_type: str
    property: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """An event that an action raises, and what a fact of it always is there, as in conditions."""

    event: str
    fact: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Adds:
    """An activity that an action adds to records of a kind, "" for any: a task, a note … (decision 0014).

    `facts` are its properties that are known, each with all the values that it can have; without any it is empty.
    `takes` are the values of properties that others before it lose by it: the latest message is the latest no more.
    """

    activity: str
    object_type: str = ""
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    takes: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Touches:
    """What an action does that may enroll: into these workflows, by these properties, by making such records, by events
    that it raises for the record, by who is in these segments, by links between these two kinds of records, and by
    activities that it adds to records."""

    enrolls: frozenset[int] = frozenset()
    writes: frozenset[Write] = frozenset()
    creates: frozenset[str] = frozenset()
    tells: frozenset[Tell] = frozenset()
    segments: frozenset[int] = frozenset()
    links: frozenset[frozenset[str]] = frozenset()
    adds: frozenset[Adds] = frozenset()

    def __or__(self, other: Touches) -> Touches:
        return Touches(
            self.enrolls | other.enrolls, self.writes | other.writes, self.creates | other.creates,
            self.tells | other.tells, self.segments | other.segments, self.links | other.links, self.adds | other.adds,
        )  # fmt: skip


@dataclass(frozen=True)
class Player:
    """A workflow that is on, or would be, and what all its actions do."""

    id: int
    definition: Definition
    touches: Touches


@dataclass(frozen=True, slots=True)
class Circle:
    """Workflows that can call each other, by their ids. `is_endless`: no rule of theirs ends it for one record."""

    ids: tuple[int, ...]
    is_endless: bool


@dataclass(frozen=True)
class Follower:
    """What is kept in line with a condition without a workflow: a segment by filter, or a tag that follows a rule.

    `when_met` and `when_not` are what becomes of a record that comes to meet it, or meets it no more.
    """

    object_type: str
    condition: Condition
    when_met: Touches
    when_not: Touches


def with_followers(touches: Touches, followers: Sequence[Follower]) -> Touches:
    """All that actions do, with what follows from that."""
    while True:
        found = touches
        to_anything = replace(touches, writes=frozenset(replace(one, value=None) for one in touches.writes))
        for one in followers:
            if _may_meet(one.condition, one.object_type, touches):
                found |= one.when_met
            elif _may_meet(one.condition, one.object_type, to_anything, no_more=True):
                found |= one.when_not
        if found == touches:
            return found
        touches = found


def circles(players: Sequence[Player]) -> list[Circle]:
    """Each workflow is in at most one: all that it can come back to itself by."""
    calls = {one.id: [other.id for other in players if may_call(one, other)] for one in players}
    known = {one.id: one for one in players}
    return [
        Circle(tuple(group), all(_comes_again(known[pk]) for pk in group))
        for group in _strongly_joined(calls)
        if len(group) > 1 or group[0] in calls[group[0]]
    ]


def may_call(one: Player, other: Player) -> bool:
    """Whether what the first does can enroll a record into the second."""
    if other.id in one.touches.enrolls:
        return True
    trigger, object_type = other.definition.trigger, other.definition.object_type
    if isinstance(trigger, WhenTrue):
        its_own = Touches(enrolls=frozenset({one.id}))  # who is in it, was, or finished it
        return _may_meet(trigger.condition, object_type, one.touches | its_own)
    if isinstance(trigger, WhenEvent):
        return any(_may_tell(event, object_type, one.touches) for event in trigger.events)
    return False


def _comes_again(player: Player) -> bool:
    """Whether one record can go through it twice, or it makes new ones (R-RE-1)."""
    return player.definition.reenrollment.is_on or bool(player.touches.creates)


def _may_meet(condition: Condition, object_type: str, touches: Touches, *, no_more: bool = False) -> bool:
    """Whether a record may come to meet it by that; `no_more`: or may come to meet it no more by an activity that is added."""
    for path, leaf in looked_at(condition):
        way = (object_type, *path)
        if not touches.creates.isdisjoint(way) or any(
            frozenset(hop) in touches.links for hop in pairwise(way)
        ):
            return True
        if isinstance(leaf, MemberOf):
            if not (touches.segments if leaf.of == _SEGMENT else touches.enrolls).isdisjoint(leaf.ids):
                return True
        elif leaf is not None and any(
            (write.object_type, write.property) == (way[-1], leaf.property) and _fits(leaf, write.value)
            for write in touches.writes
        ):
            return True
    return any(_may_turn(condition, object_type, added, to=not no_more) for added in touches.adds)


def _may_turn(condition: Condition, object_type: str, added: Adds, *, to: bool) -> bool:
    """Whether one more activity may make the condition hold, or, `to` being False, may make it hold no more."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(_may_turn(part, object_type, added, to=to) for part in parts)
        case Associated(kind, where, has=has) if kind != added.activity:
            return _may_turn(where, kind, added, to=to is has)
        case Associated(_, where, has=has) if added.object_type in ("", object_type):
            return (to is has and _may_be(where, added)) or _loses(where, added, to=to is has)
    return False


def _may_be(where: Condition, added: Adds) -> bool:
    """Whether the activity that is added may be one that is asked for."""
    match where:
        case AllOf(parts):
            return all(_may_be(part, added) for part in parts)
        case AnyOf(parts):
            return any(_may_be(part, added) for part in parts)
        case Filter(name, operator=operator):
            known = dict(added.facts).get(name)
            if known is None:
                return True
            match operator:
                case Operator.ANY_OF:
                    return any(_fits(where, value) for value in known)
                case Operator.NONE_OF:
                    named = replace(where, operator=Operator.ANY_OF)
                    return not known or not all(_fits(named, value) for value in known)
                case Operator.KNOWN:
                    return bool(known)
                case Operator.UNKNOWN:
                    return not known
    return True


def _loses(where: Condition, added: Adds, *, to: bool) -> bool:
    """Whether what those before it lose may make one of them be what is asked for, or, `to` being False, be it no more."""
    turning = _WITHOUT if to else _WITH
    return any(
        isinstance(leaf, Filter)
        and leaf.operator in turning
        and any(
            leaf.property == name and (not leaf.values or value in leaf.values) for name, value in added.takes
        )
        for leaf in leaves(where)
    )


_WITH = frozenset({Operator.ANY_OF, Operator.ALL_OF, Operator.KNOWN})
_WITHOUT = frozenset({Operator.NONE_OF, Operator.UNKNOWN})
_SEGMENT = "segment"
#: The properties whose change raises an event, by the event's kind without the record's.
_OWNER = frozenset({"hubspot_owner_id"})
_TAGS = frozenset({"hs_tag_ids"})
_TOLD: Mapping[str, frozenset[str]] = {
    "moved": PLACES, "stage_entered": PLACES, "stage_left": PLACES, "closed": PLACES, "reopened": PLACES,
    "assigned": _OWNER, "owner_set": _OWNER, "owner_removed": _OWNER, "teams_changed": frozenset({"hs_assigned_team_ids"}),
    "tag_added": _TAGS, "tag_removed": _TAGS,
}  # fmt: skip
_OF_ANY = frozenset({"updated", "property_changed"})
_OF_NEW = frozenset({"created", "stage_entered", "owner_set"})
_CHANGED, _TAG_ADDED = "changed", "tag_added"


def _may_tell(event: EventMatch, object_type: str, touches: Touches) -> bool:
    kind, _, did = event.kind.partition(".")
    about = [leaf for leaf in leaves(event.about) if isinstance(leaf, Filter)] if event.about else []
    if any(
        tell.event == event.kind
        and all(leaf.property != tell.fact or _fits(leaf, tell.value) for leaf in about)
        for tell in touches.tells
    ):
        return True
    if kind != object_type:
        return False
    if did in _OF_NEW and object_type in touches.creates:
        return True
    return any(
        write.object_type == object_type
        and (did in _OF_ANY or write.property in _TOLD.get(did, ()))
        and all(_agrees(leaf, write) for leaf in about)
        for write in touches.writes
    )


def _agrees(leaf: Filter, write: Write) -> bool:
    """Whether a write can be what the condition about an event asks for."""
    if leaf.property == _CHANGED:
        return _fits(leaf, write.property)
    if leaf.property == _TAG_ADDED and write.property in _TAGS:
        return _fits(leaf, write.value)
    return leaf.property != write.property or _fits(leaf, write.value)


def _fits(leaf: Filter, value: str | None) -> bool:
    if value is None or leaf.operator is not Operator.ANY_OF:
        return True
    if leaf.kind is Kind.TEXT:
        return fold(value) in {fold(str(one)) for one in leaf.values}
    written = _as_kind(leaf.kind, value)
    return written is None or written in leaf.values


def _as_kind(kind: Kind, text: str) -> Value | None:
    """What is written, as conditions hold it: 5 and 5.0 are one number. None for what the kind can't be."""
    match kind:
        case Kind.NUMBER | Kind.DURATION:
            try:
                number = Decimal(text)
            except InvalidOperation:
                return None
            return number if number.is_finite() else None
        case Kind.BOOL:
            return {"true": True, "false": False}.get(text.lower())
        case Kind.REF | Kind.REFS:
            return int(text) if text.isascii() and text.isdigit() else None
    return text


def _strongly_joined(calls: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """The groups in which each can reach each, in the order of their first."""
    reach = {pk: _reached(pk, calls) for pk in calls}
    seen: set[int] = set()
    for pk in calls:
        if pk not in seen:
            group = [
                pk,
                *(other for other in calls if other != pk and other in reach[pk] and pk in reach[other]),
            ]
            seen.update(group)
            yield group


def _reached(start: int, calls: Mapping[int, Iterable[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(calls[start])
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(calls[current])
    return found
