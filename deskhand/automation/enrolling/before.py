"""Which records met a condition at a moment just gone: what happened since is taken back.

Known to the letter are their properties, what messages told them, their links with their labels, segments, runs, and
whether they were there. Of a link that was undone since, the labels are not known: it counts as bearing any. What is
calculated counts as it stands now, without activities that were made since, and so does the moment of their last change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation import records, standings
from deskhand.automation.engine.definition import WhenTrue
from deskhand.automation.enrolling import standing
from deskhand.automation.enrolling.index import Entry, Opening
from deskhand.automation.enrolling.matching import names_spam
from deskhand.automation.past import Cut, Memory, Past
from deskhand.automation.records import Row
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import Condition, MemberOf, leaves_by_path, looked_at
from deskhand.crm.records import associations, joining
from deskhand.crm.records.labeling import RELABELED
from deskhand.crm.schema import activities, association_labels
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.looks import SEGMENT
from deskhand.crm.segments.members import JOINED, LEFT
from deskhand.desk.models import Message
from deskhand.desk.splitting import facts_of
from deskhand.events import queries
from deskhand.events.types import Event
from deskhand.kernel.database import sql
from deskhand.kernel.errors import DeskhandError

#: What happened first since then tells whether a record was there.
_CAME, _WENT = ("created", "restored", "unmerged"), ("archived", "merged")
#: A record, and the kind of what is linked to it.
_End = tuple[str, int, str]


def met_then(
    account_id: int, entry: Entry, record_ids: Collection[int], opening: Opening, zone: ZoneInfo
) -> set[int]:
    """Which of these met the workflow's condition when its switching on began. A fixed number of queries for each way
    that the condition goes."""
    assert isinstance(entry.trigger, WhenTrue)
    condition, kind = entry.trigger.condition, entry.object_type
    then = _Then(account_id, entry, opening)
    then.read(kind, record_ids)
    cut: Cut = (opening.at, opening.after_event)
    found = set()
    for pk in record_ids:
        facts = then.facts(kind, pk, cut)
        if facts is None or not then.was_there(kind, facts.record):
            continue
        if kind == "ticket" and facts.value("is_spam") and not names_spam(condition):
            continue
        try:
            if holds(condition, facts, now=opening.at, zone=zone):
                found.add(pk)
        except DeskhandError:  # a property has another kind by now
            continue
    return found


def gone(object_type: str, events: Sequence[Event]) -> set[int]:
    """Records of this kind that these events took away: deleted, put into Spam or made a part of another."""
    found = set()
    for event in events:
        if event.kind == f"{object_type}.archived" or (
            event.object_type == object_type and "is_spam" in event.data.get("changes", {})
        ):
            found.add(event.object_id)
        elif event.kind == f"{object_type}.merged":
            part = joining.part_of(event)
            found |= {part} if part else set()
    return found


class _Then(Past):
    """The records as they were when the switching on began, also in what history has no lines of."""

    def __init__(self, account_id: int, entry: Entry, opening: Opening) -> None:
        super().__init__(0, entry.object_type, opening.at, Memory())
        self.account_id, self.at = account_id, opening.at
        self._told: dict[int, dict[str, Any]] = {}  # what messages told tickets
        self._first: dict[tuple[str, int], str] = {}
        self._links: dict[_End, dict[int, str]] = defaultdict(dict)  # what became of each first
        self._labels: dict[tuple[_End, int], dict[int, bool]] = defaultdict(dict)  # whether it had the label
        self._segments: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
        self._asked: dict[tuple[Any, ...], dict[int, set[int]]] = {}
        self._has_gone: set[tuple[str, str]] = set()
        assert isinstance(entry.trigger, WhenTrue)
        linked = _linked_kinds(entry.trigger.condition)
        kinds = {entry.object_type, *linked}
        self._reads_messages = any(look.keys & standing.BY_MESSAGES for look in standing.looks(entry))
        has_members = any(
            isinstance(leaf, MemberOf) for _path, leaf in leaves_by_path(entry.trigger.condition)
        )
        told = [f"{kind}.{did}" for kind in kinds for did in (*_CAME, *_WENT)]
        if linked:
            told += [f"{kind}.{did}" for kind in kinds for did in ("linked", "unlinked", RELABELED)]
        if has_members:
            told += [JOINED, LEFT]
        for event in queries.since(account_id, opening.at, opening.after_event, told):
            self._hear(event)

    def _hear(self, event: Event) -> None:
        kind, _dot, did = event.kind.rpartition(".")
        if event.kind in (JOINED, LEFT):
            for pk in event.data["record_ids"]:
                self._segments[event.data["object_type"], pk].setdefault(event.object_id, event.kind)
        elif did in ("linked", "unlinked", RELABELED):
            side = (kind, event.object_id, event.data["to_type"], event.data["to_id"])
            for own, pk, to, other in (side, side[2:] + side[:2]):
                if did != RELABELED:
                    self._links[own, pk, to].setdefault(other, did)
                    continue
                for what, had in (("added", False), ("removed", True)):
                    for number in event.data[what]:
                        seen = (
                            number if (own, pk) == side[:2] else _seen_from_there(kind, to=own, number=number)
                        )
                        self._labels[(own, pk, to), seen].setdefault(other, had)
        else:
            ids = gone(kind, [event]) if did == "merged" else {event.object_id}
            for pk in ids:
                self._first.setdefault((kind, pk), did)

    def was_there(self, kind: str, row: Row) -> bool:
        first = self._first.get((kind, row["id"]), "")
        if first:
            return first in _WENT
        is_merged = kind == "ticket" and row["merged_into_id"] is not None
        return row["created_at"] <= self.at and row["archived_at"] is None and not is_merged

    # ── as past.py asks for them ─────────────────────────────────────────────────────────────────────────────────────

    def read(self, object_type: str, ids: Collection[int]) -> None:
        super().read(object_type, ids)
        if object_type == "ticket" and self._reads_messages:
            said: dict[int, list[Message]] = defaultdict(list)
            heard = Message.objects.filter(
                account_id=self.account_id, ticket_id__in=list(ids), created_at__lte=self.at
            )
            for message in heard.order_by("created_at", "id"):
                said[message.ticket_id or 0].append(message)
            self._told |= {pk: facts_of(said[pk]) for pk in ids if pk not in self._told}

    def load(self, object_type: str, ids: Sequence[int]) -> records.Loaded:
        return records.load(object_type, ids, with_archived=True)

    def raw(self, object_type: str, row: Any, name: str, cut: Cut) -> Any:
        prop = properties_of(object_type).get(name)
        if prop is not None and object_type == "ticket" and prop.column in standing.BY_MESSAGES:
            told = self._told.get(row["id"], {})
            if prop.column in told:
                return told[prop.column]
        return super().raw(object_type, row, name, cut)

    def memberships(self, row: Row, of: str) -> Collection[int]:
        kind, pk = row.object_type, row["id"]
        if of != SEGMENT:
            return self._stood(kind, pk, of)
        found = set(row.among.memberships(pk, of))
        for segment_id, first in self._segments.get((kind, pk), {}).items():
            (found.discard if first == JOINED else found.add)(segment_id)
        return found

    def _stood(self, kind: str, pk: int, of: str) -> set[int]:
        """The workflows that it stood so to."""

        def ask(ids: list[int]) -> list[tuple[int, int]]:
            found = standings.of_records_at(kind, ids, self.at).get(of, {})
            return [(one, workflow_id) for one, there in found.items() for workflow_id in there]

        return self._told_for(("runs", kind, of), kind, pk, ask)

    def linked(self, row: Row, to: str, type_id: int | None, cut: Cut) -> list[Row]:
        own, pk = row.object_type, row["id"]
        first, labeled = (
            self._links.get((own, pk, to), {}),
            self._labels.get(((own, pk, to), type_id or 0), {}),
        )
        new = self._new(own, pk, to, type_id) | {other for other, did in first.items() if did == "linked"}
        new |= {other for other, had in labeled.items() if not had}
        gone = {other for other, did in first.items() if did == "unlinked"} | self._away(own, pk, to, type_id)
        gone = (gone | {other for other, had in labeled.items() if had}) - new
        there = {
            other["id"]: other for other in super().linked(row, to, type_id, cut) if other["id"] not in new
        }
        if gone:
            self._read_gone(own, to)
        there |= {other: self.all_rows(to)[other] for other in gone if other in self.all_rows(to)}
        return [other for other in there.values() if self.was_there(to, other)]

    def _new(self, own: str, pk: int, to: str, type_id: int | None) -> set[int]:
        """What is linked to it since, or bears the label since, as it stands now: a merge tells of none."""
        return self._told_for(
            ("new", own, to, type_id), own, pk,
            lambda ids: sql.rows(_NEW_LINKS, [self.account_id, own, ids, to, self.at, type_id]),
        )  # fmt: skip

    def _away(self, own: str, pk: int, to: str, type_id: int | None) -> set[int]:
        """What is linked to it and was put away since."""

        def ask(ids: list[int]) -> list[tuple[int, int]]:
            went = self._went(to)
            linked = associations.linked_ids(own, ids, to, type_id) if went else {}
            return [(one, other) for one, others in linked.items() for other in went.intersection(others)]

        return self._told_for(("away", own, to, type_id), own, pk, ask)

    def _told_for(
        self, what: tuple[Any, ...], kind: str, pk: int, ask: Callable[[list[int]], Iterable[tuple[int, int]]]
    ) -> set[int]:
        """Of one record; asked at once for all that were read by then."""
        known = self._asked.setdefault(what, {})
        if pk not in known:
            ids = [one for one in self.all_rows(kind) if one not in known]
            known |= {one: set() for one in ids}
            for one, other in ask(ids):
                known[one].add(other)
        return known[pk]

    def _went(self, kind: str) -> set[int]:
        return {pk for (one, pk), did in self._first.items() if one == kind and did in _WENT}

    def _read_gone(self, own: str, to: str) -> None:
        """All at once that was linked to any record of the kind."""
        if (own, to) in self._has_gone:
            return
        self._has_gone.add((own, to))
        ends: list[tuple[_End, Iterable[int]]] = [*self._links.items()]
        ends += [(end, others) for (end, _number), others in self._labels.items()]
        ids = {other for (kind, _pk, far), others in ends if (kind, far) == (own, to) for other in others}
        self.read(to, ids | self._went(to))


def _linked_kinds(condition: Condition) -> set[str]:
    """The kinds of the linked records that it asks for, also where any such record will do."""
    return {kind for way, _leaf in looked_at(condition) for kind in activities.split(way)[0]}


def _seen_from_there(kind: str, *, to: str, number: int) -> int:
    """What the label of a link between these kinds is called from its other end."""
    label = association_labels.label_for(kind, to, number)
    return label.inverse_id if label else number


# Each link has a row without a label, and one for each label.
_NEW_LINKS = """
select from_id, to_id from crm_association
where account_id = %s and from_type = %s and from_id = any(%s) and to_type = %s and created_at > %s
and (label_type_id is null or label_type_id = %s)
"""
