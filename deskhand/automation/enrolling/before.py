"""Which records met a condition at a moment just gone: what happened since is taken back.

Known to the letter are their properties, what messages told them, their links, segments, runs, and whether they were
there. What is calculated counts as it stands now, and so does the moment of their last change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation import records
from deskhand.automation.engine.definition import WhenTrue
from deskhand.automation.enrolling import standing
from deskhand.automation.enrolling.index import Entry, Opening
from deskhand.automation.enrolling.matching import names_spam
from deskhand.automation.past import Cut, Memory, Past
from deskhand.automation.records import Row
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import MemberOf, leaves_by_path
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
#: (kind, id) of two records.
_Pair = tuple[str, int, str, int]


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
            part = event.data.get("merged_id") or event.data.get("after", {}).get("merged")
            found |= {part} if part else set()
    return found


class _Then(Past):
    """The records as they were when the switching on began, also in what history has no lines of."""

    def __init__(self, account_id: int, entry: Entry, opening: Opening) -> None:
        super().__init__(0, entry.object_type, opening.at, Memory())
        self.account_id, self.at = account_id, opening.at
        self._told: dict[int, dict[str, Any]] = {}  # what messages told tickets
        self._first: dict[tuple[str, int], str] = {}
        self._links: dict[_Pair, str] = {}
        self._new_links: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
        self._segments: dict[tuple[str, int, int], str] = {}
        looks = standing.looks(entry)
        kinds = {entry.object_type, *(kind for look in looks for kind in look.path)}
        self._reads_messages = any(look.keys & standing.BY_MESSAGES for look in looks)
        assert isinstance(entry.trigger, WhenTrue)
        has_members = any(
            isinstance(leaf, MemberOf) for _path, leaf in leaves_by_path(entry.trigger.condition)
        )
        told = [f"{kind}.{did}" for kind in kinds for did in (*_CAME, *_WENT)]
        if len(kinds) > 1:
            told += [f"{kind}.{did}" for kind in kinds for did in ("linked", "unlinked")]
        if has_members:
            told += [JOINED, LEFT]
        for event in queries.since(account_id, opening.at, opening.after_event, told):
            self._hear(event)

    def _hear(self, event: Event) -> None:
        kind, _dot, did = event.kind.rpartition(".")
        if event.kind in (JOINED, LEFT):
            for pk in event.data["record_ids"]:
                self._segments.setdefault((event.data["object_type"], pk, event.object_id), event.kind)
        elif did in ("linked", "unlinked"):
            side = (kind, event.object_id, event.data["to_type"], event.data["to_id"])
            for pair in (side, side[2:] + side[:2]):
                self._links.setdefault(pair, did)
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
            return self._inside(kind, pk)
        found = set(row.among.memberships(pk, of))
        for (one, record_id, segment_id), first in self._segments.items():
            if (one, record_id) == (kind, pk):
                (found.discard if first == JOINED else found.add)(segment_id)
        return found

    def _inside(self, kind: str, pk: int) -> set[int]:
        rows = sql.rows(_INSIDE, [self.account_id, kind, pk, self.at, self.at])
        return {workflow_id for (workflow_id,) in rows}

    def linked(self, row: Row, to: str, type_id: int | None, cut: Cut) -> list[Row]:
        own, pk = row.object_type, row["id"]
        parted = [other for other, did in self._of(own, pk, to) if did == "unlinked"]
        joined = {other for other, did in self._of(own, pk, to) if did == "linked"}
        if (own, to) not in self._new_links:
            ids = list(self.all_rows(own))
            self._new_links[own, to] = set(sql.rows(_NEW_LINKS, [self.account_id, own, ids, to, self.at]))
        joined |= {other for one, other in self._new_links[own, to] if one == pk}  # a merge tells of none
        found = [other for other in super().linked(row, to, type_id, cut) if other["id"] not in joined]
        self.read(to, parted)
        there = {other["id"]: other for other in found}
        there |= {other: self.all_rows(to)[other] for other in parted if other in self.all_rows(to)}
        return [other for other in there.values() if self.was_there(to, other)]

    def _of(self, own: str, pk: int, to: str) -> Iterator[tuple[int, str]]:
        for (kind, one, other_kind, other), did in self._links.items():
            if (kind, one, other_kind) == (own, pk, to):
                yield other, did


_NEW_LINKS = """
select from_id, to_id from crm_association
where account_id = %s and from_type = %s and from_id = any(%s) and to_type = %s and created_at > %s
"""
_INSIDE = """
select distinct workflow_id from automation_enrollment
where account_id = %s and object_type = %s and record_id = %s and enrolled_at <= %s and (ended_at is null or ended_at > %s)
"""
