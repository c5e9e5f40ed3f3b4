"""Making and undoing links as somebody (api.md §2.5): the walls, labels, and which company is the primary one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from deskhand.accounts.types import Verb
from deskhand.api import kinds, refusals
from deskhand.api.objects import links
from deskhand.api.objects.finding import several
from deskhand.api.objects.links import Seen
from deskhand.api.operations import Call
from deskhand.api.refusals import Refusal
from deskhand.crm.records import associations, labeling, listing, primary
from deskhand.crm.records.associations import Link, Why
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.schema import association_labels

UNTYPED = "HUBSPOT_DEFINED"


class Kinds(NamedTuple):
    """The two kinds of records that a call is about."""

    near: str
    far: str


class Asked(NamedTuple):
    """A link as it is asked for: from and to whom, as what."""

    from_id: str
    to_id: str
    types: Sequence[tuple[str, int]]


def of(call: Call, near: str = "fromObjectType", far: str = "toObjectType", *, do: str) -> Kinds:
    """Raises Refusal, also where the token has no scope for the farther kind."""
    found = Kinds(kinds.named(call.parts[near]), kinds.named(call.parts[far]))
    kinds.require_also(call, far, do)
    return found


def is_old(call: Call) -> bool:
    """Whether bodies have one word for the type of a link (version 3), and not numbers (api.md §1.1)."""
    return call.version in ("v1", "v2", "v3")


class Linker:
    """For one pair of kinds, in somebody's name."""

    def __init__(self, call: Call, pair: Kinds) -> None:
        self.viewer, self.by, self.pair = call.viewer, call.by, pair

    def connect(self, asked: Sequence[Asked]) -> Ends:
        """Link those that are there for this viewer, each with its types besides those that it has.

        Raises Refusal for a type that there is not, for a record with itself, and for what may not be changed.
        """
        self._require_linkable()
        given = {one: self._labels(one.types) for one in map(_hashable, asked)}
        ends = self._ends(asked)
        sorts: dict[frozenset[int], list[Link]] = {}
        chosen: list[Link] = []
        for one, labels in given.items():
            link = self._link(one, ends)
            if link is None:
                continue
            if link[:2] == link[2:]:
                raise refusals.bad("A record can't be associated with itself.", context={"id": [one.to_id]})
            sorts.setdefault(labels, []).append(link)
            if links.is_primary(*self.pair, one.types):
                chosen.append(link)
        new = [link for some in sorts.values() for link in some]
        self._require_changeable(new)
        for labels, some in sorts.items():
            labeling.connect_many({link: Why() for link in some}, labels, by=self.by)
        primary.choose(chosen, by=self.by)
        primary.fill(new, by=self.by)
        return ends

    def part(self, asked: Sequence[Asked]) -> None:
        """Take these types from links; without the plain one, or with none named, nothing is left of a link.

        Safe to repeat: what is not there stays so. Raises Refusal as `connect`.
        """
        given = {one: self._labels(one.types) for one in map(_hashable, asked)}
        ends = self._ends(asked)
        whole: list[Link] = []
        sorts: dict[frozenset[int], list[Link]] = {}
        cleared: list[Link] = []
        for one, labels in given.items():
            link = self._link(one, ends)
            if link is None:
                continue
            numbers = {number for _category, number in one.types}
            if not one.types or links.default_type(*self.pair) in numbers:
                whole.append(link)
                continue
            if labels:
                sorts.setdefault(labels, []).append(link)
            if links.is_primary(*self.pair, one.types):
                cleared.append(link)
        self._require_changeable([*whole, *cleared, *(link for some in sorts.values() for link in some)])
        if cleared and "ticket" in self.pair:
            raise refusals.bad(
                "A ticket's first company is its primary one: make another one the primary one, or remove the association.",
                context={"typeId": [str(links.primary_type(*self.pair))]},
            )
        for labels, some in sorts.items():
            labeling.relabel_many({link: Why() for link in some}, Labeling(remove=labels), by=self.by)
        primary.clear(cleared, by=self.by)
        parted = associations.part_many({link: Why() for link in whole}, by=self.by)
        primary.follow_parted(parted, by=self.by)

    def there(self, kind: str, ids: Collection[str]) -> dict[str, int]:
        """{id as it was given: record} of those that this viewer sees. Two queries."""
        numbers = several(self.viewer, kind, list(dict.fromkeys(ids)), None)
        seen = listing.reached(self.viewer, kind, numbers.values()).filter(archived_at=None)
        found = set(seen.values_list("pk", flat=True))
        return {given: pk for given, pk in numbers.items() if pk in found}

    def _ends(self, asked: Sequence[Asked]) -> Ends:
        near = self.there(self.pair.near, [one.from_id for one in asked])
        far = self.there(self.pair.far, [one.to_id for one in asked])
        gone = [one.from_id for one in asked if one.from_id not in near]
        gone += [one.to_id for one in asked if one.to_id not in far]
        return Ends(near, far, list(dict.fromkeys(gone)))

    def _link(self, one: Asked, ends: Ends) -> Link | None:
        near, far = ends.near.get(one.from_id), ends.far.get(one.to_id)
        return (self.pair.near, near, self.pair.far, far) if near and far else None

    def _labels(self, types: Sequence[tuple[str, int]]) -> frozenset[int]:
        return links.labels(*self.pair, types)

    def _require_linkable(self) -> None:
        if not association_labels.may_link(*self.pair):
            raise refusals.bad(
                f"Records of the types {self.pair.near} and {self.pair.far} can't be associated.",
                context={"type": [self.pair.near, self.pair.far]},
            )

    def _require_changeable(self, some: Collection[Link]) -> None:
        """The nearer one is changed; of a contact and a company always the contact, whose property its company is."""
        ids: dict[str, set[int]] = {}
        for near, near_id, far, far_id in some:
            kind, pk = (far, far_id) if (near, far) == ("company", "contact") else (near, near_id)
            ids.setdefault(kind, set()).add(pk)
        for kind, wanted in ids.items():
            if self.viewer.is_super_admin:
                continue
            if listing.reached(self.viewer, kind, wanted, Verb.EDIT).count() < len(wanted):
                raise Refusal(403, "FORBIDDEN", "You don't have permission to do this.")


class Ends(NamedTuple):
    """Records by the ids that were given, and those ids that are nobody's."""

    near: Mapping[str, int]
    far: Mapping[str, int]
    missing: list[str]

    def has(self, one: Asked) -> bool:
        return one.from_id in self.near and one.to_id in self.far


def _hashable(one: Asked) -> Asked:
    return Asked(one.from_id, one.to_id, tuple(one.types))


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def told(call: Call, pair: Kinds, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """The links of one record, in the words of the version that was asked."""
    if is_old(call):
        return [{"id": str(one.to_id), "type": links.type_name(*pair, one.type_id)} for one in seen]
    found: dict[int, list[dict[str, Any]]] = {}
    for one in seen:
        found.setdefault(one.to_id, []).append(spec(pair, one.type_id, one.category))
    return [{"toObjectId": str(to_id), "associationTypes": types} for to_id, types in found.items()]


def spec(pair: Kinds, type_id: int, category: str) -> dict[str, Any]:
    return {"category": category, "typeId": type_id, "label": word(pair, type_id)}


def word(pair: Kinds, type_id: int) -> str | None:
    """What people call the type; nothing for the plain one."""
    if type_id == links.primary_type(*pair):
        return association_labels.PRIMARY
    label = association_labels.label_for(*pair, type_id)
    return label.label if label and label.is_own else None


def words(pair: Kinds, types: Sequence[tuple[str, int]]) -> list[str]:
    return [said for _category, type_id in types if (said := word(pair, type_id)) is not None]
