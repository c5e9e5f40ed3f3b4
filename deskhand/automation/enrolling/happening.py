"""Event triggers: what just happened, matched against the workflows that asked for it (R-TRIG-10 … R-TRIG-13)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deskhand.automation import records, triggers
from deskhand.automation.enrolling.index import Index, Listener
from deskhand.automation.enrolling.insert import Pair, Wanted
from deskhand.automation.records import FactsBefore, LoadedFacts
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import Condition
from deskhand.crm.records.joining import MERGED_IDS
from deskhand.events.types import ActorKind, Event
from deskhand.kernel.errors import DeskhandError


@dataclass(frozen=True)
class Candidate:
    """An event that a workflow asked for, and the record that it is about."""

    listener: Listener
    record_id: int
    event: Event


class Moment(Protocol):
    """What the records were when events happened to them."""

    def holds(self, refine: Condition, one: Candidate, index: Index) -> bool: ...


def wanted_by(index: Index, events: Sequence[Event], moment: Moment | None = None) -> list[Wanted]:
    """Who enters by these events, each record once a workflow: its first event counts, or each (`takes_each`)."""
    candidates = list(candidates_of(index, events))
    moment = moment or _Moment(candidates)
    found: dict[tuple[Pair, int], Wanted] = {}
    for one in candidates:
        entry, refine = one.listener.entry, one.listener.refine
        each = entry.definition.reenrollment.takes_each
        key = (entry.workflow_id, one.record_id), one.event.id if each else 0
        if key in found or (refine is not None and not moment.holds(refine, one, index)):
            continue
        is_again = entry.is_again and (not is_of_merge(one.event) or tells_merge(one.event))  # R-UN-9
        found[key] = Wanted(
            entry, one.record_id, reason_of(one.event, "event") | {"chosen": one.listener.choice.kind},
            depth_of(one.event), one.event.id,
            is_again=is_again, made_by=made_by(one.event),
        )  # fmt: skip
    return list(found.values())


def candidates_of(index: Index, events: Iterable[Event]) -> Iterable[Candidate]:
    """The events that workflows asked for, before anybody looked at the records."""
    for event in events:
        ears = index.heard.get(event.kind)
        if ears is None:
            continue
        for object_type, record_id in triggers.subjects_of(event):
            for listener in ears.of(triggers.EventFacts(event, object_type)):
                entry = listener.entry
                if entry.object_type != object_type or event.at < entry.on_since:
                    continue
                if triggers.is_meant(event, listener.choice, listener.about, index.zone):
                    yield Candidate(listener, record_id, event)


class _Moment:
    """The records as they were at the instant of their events: what changed since is taken back (R-TRIG-12)."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        wanted: dict[str, set[int]] = defaultdict(set)
        first: dict[str, int] = {}
        for one in candidates:
            if one.listener.refine is not None:
                kind = one.listener.entry.object_type
                wanted[kind].add(one.record_id)
                first[kind] = min(first.get(kind, one.event.id), one.event.id)
        self.loaded = {kind: records.load(kind, list(ids)) for kind, ids in wanted.items()}
        self.later = {kind: records.changes_after(kind, ids, first[kind]) for kind, ids in wanted.items()}

    def holds(self, refine: Condition, one: Candidate, index: Index) -> bool:
        kind = one.listener.entry.object_type
        record = self.loaded[kind].get(one.record_id)
        if record is None:
            return False
        later = self.later[kind].get(one.record_id, ())
        old = {name: before for event_id, name, before in later if event_id > one.event.id}
        facts = FactsBefore(LoadedFacts(kind, record), old)
        try:
            return holds(refine, facts, now=one.event.at, zone=index.zone)
        except DeskhandError:  # the property has another kind by now
            return False


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reason_of(event: Event, by: str) -> dict[str, Any]:
    """R-LOG-1, as enrollments keep it."""
    reason: dict[str, Any] = {"by": by, "event": event.id, "kind": event.kind, "actor": event.by.kind.value}
    if event.by.id is not None:
        reason["actor_id"] = event.by.id
    return reason


def tells_merge(event: Event) -> bool:
    """Whether it says that records were merged, or parted again."""
    return event.kind.endswith((".merged", ".unmerged"))


def is_of_merge(event: Event) -> bool:
    """Whether it is a part of merging records or of parting them, which bring nobody back by themselves (R-UN-9)."""
    return tells_merge(event) or MERGED_IDS in event.data.get("changes", {})


def depth_of(event: Event) -> int:
    """What people and the mail do starts at 0; what a workflow did, and what followed from that by a rule, keeps its depth."""
    return event.depth if event.by.kind in (ActorKind.WORKFLOW, ActorKind.SYSTEM) else 0


def made_by(event: Event) -> Mapping[str, Any]:
    """The step of a workflow that made this record, if one did."""
    is_new = event.kind == f"{event.object_type}.created"
    return event.cause.as_json() if is_new and event.cause and event.cause.workflow_id else {}
