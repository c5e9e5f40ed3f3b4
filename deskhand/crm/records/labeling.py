"""Labels on links: what one linked record is to the other. Each is a further row of the link, on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.records import associations
from deskhand.crm.records.associations import Link, Told, Why
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.association_labels import Label
from deskhand.crm.segments import segments
from deskhand.crm.segments.segments import Use
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict

STEP = 500  # links that one statement takes a label from
MOST = 10_000  # links that lose a label when it is deleted
RELABELED = "relabeled"


@dataclass(frozen=True)
class Labeling:
    """What becomes of a link's labels, by their numbers as seen from the link's first end.

    `replaces`: those of `add` are all that it has then.
    """

    add: frozenset[int] = frozenset()
    remove: frozenset[int] = frozenset()
    replaces: bool = False


def connect_many(
    links: Mapping[Link, Why], labels: Collection[int] = (), *, by: Actor, at: datetime | None = None
) -> list[Link]:
    """Link them as `associations.connect_many`, with these labels; returns those that were not there or lacked one.

    All are between the same two kinds. Raises Invalid for a label that there is not between them.
    """
    at = at or clock.now()
    for from_type, to_type in {(link[0], link[2]) for link in links}:
        association_labels.require(from_type, to_type, labels)
    new = associations.connect_many(links, by=by, at=at)
    if not labels:
        return new
    labeled = relabel_many(links, Labeling(add=frozenset(labels)), by=by, at=at)
    return [link for link in links if link in {*new, *labeled}]


def connect(link: Link, labels: Collection[int] = (), *, by: Actor, at: datetime | None = None) -> bool:
    """As `associations.connect`, with these labels; False where they are linked with all of them already."""
    association_labels.require(link[0], link[2], labels)
    is_new = associations.connect(*link, by=by, at=at)
    return relabel(link, Labeling(add=frozenset(labels)), by=by, at=at) or is_new if labels else is_new


def relabel(link: Link, change: Labeling, *, by: Actor, at: datetime | None = None) -> bool:
    """Of one link; False where nothing changes."""
    return bool(relabel_many({link: Why()}, change, by=by, at=at))


def relabel_many(
    links: Mapping[Link, Why], change: Labeling, *, by: Actor, at: datetime | None = None
) -> list[Link]:
    """Change the labels of links between the same two kinds, with events; returns those that changed. Safe to repeat.

    What is not linked stays so. Raises Invalid for a label that there is not between them.
    """
    if not links:
        return []
    kinds = {(from_type, to_type) for from_type, _from_id, to_type, _to_id in links}
    if len(kinds) > 1:
        raise ValueError("Links of different kinds have different labels.")
    ((from_type, to_type),) = kinds
    association_labels.require(from_type, to_type, change.add | change.remove)
    known = {label.type_id: label for label in association_labels.own_of(from_type, to_type)}
    have = _held(from_type, to_type, links)
    adding, removing = _differences(have, change)
    added = _write(_ADD, adding, known, at or clock.now())
    removed = _write(_REMOVE, removing, known, at or clock.now())
    changed = [link for link in links if added.get(link) or removed.get(link)]
    told = [
        _told(side, link, links[link], [known[one] for one in added.get(link, ())], [known[one] for one in removed.get(link, ())])
        for link in changed
        for side in associations.told_sides(link)
    ]  # fmt: skip
    associations.tell(told, by, at or clock.now())
    return changed


def _held(from_type: str, to_type: str, links: Iterable[Link]) -> dict[Link, set[int]]:
    """{link: its labels}, of those that are there; both ends are held, so that nobody parts them meanwhile."""
    sides = sorted({side for link in links for side in (link, link[2:] + link[:2])})
    columns = [list(column) for column in zip(*sides, strict=True)]
    found: dict[Link, set[int]] = {}
    for *side, label in sql.rows(_HELD, [*columns, current_account_id()]):
        labels = found.setdefault(_link(side), set())
        if label is not None:
            labels.add(label)
    return {link: found[link] for link in dict.fromkeys(links) if link in found}


def _link(side: list[object]) -> Link:
    from_type, from_id, to_type, to_id = side
    return str(from_type), int(str(from_id)), str(to_type), int(str(to_id))


_HELD = """
select a.from_type, a.from_id, a.to_type, a.to_id, a.label_type_id from crm_association a
join unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[]) x(from_type, from_id, to_type, to_id)
on (a.from_type, a.from_id, a.to_type, a.to_id) = (x.from_type, x.from_id, x.to_type, x.to_id)
where a.account_id = %s order by a.id for no key update of a
"""

Labels = dict[Link, list[int]]


def _differences(have: Mapping[Link, set[int]], change: Labeling) -> tuple[Labels, Labels]:
    adding, removing = {}, {}
    for link, labels in have.items():
        adding[link] = sorted(change.add - labels)
        gone = labels - change.add if change.replaces else labels & (change.remove - change.add)
        removing[link] = sorted(gone)
    return adding, removing


def _write(query: str, wanted: Labels, known: Mapping[int, Label], at: datetime) -> Labels:
    """Both sides, in an order that two who do the same share; what was written, as seen from the links' first ends."""
    rows = sorted(
        {
            row
            for link, labels in wanted.items()
            for label in labels
            for row in (
                (*link, label, known[label].category),
                (*link[2:], *link[:2], known[label].inverse_id, known[label].category),
            )
        }
    )
    if not rows:
        return {}
    columns = [list(column) for column in zip(*rows, strict=True)]
    written = {
        (_link(side), label)
        for *side, label in sql.rows(query, {"account": current_account_id(), "at": at, **dict(zip(_COLUMNS, columns, strict=True))})
    }  # fmt: skip
    return {link: [one for one in labels if (link, one) in written] for link, labels in wanted.items()}


_COLUMNS = ("from_types", "from_ids", "to_types", "to_ids", "type_ids", "categories")
_ROWS = """
unnest(%(from_types)s::text[], %(from_ids)s::bigint[], %(to_types)s::text[], %(to_ids)s::bigint[], %(type_ids)s::int[], %(categories)s::text[])
    x(from_type, from_id, to_type, to_id, type_id, category)
"""
_ADD = f"""
insert into crm_association (account_id, created_at, from_type, from_id, to_type, to_id, type_id, category)
select %(account)s, %(at)s::timestamptz, x.* from {_ROWS} on conflict do nothing
returning from_type, from_id, to_type, to_id, type_id
"""
_REMOVE = f"""
delete from crm_association a using {_ROWS}
where a.account_id = %(account)s and (a.from_type, a.from_id, a.to_type, a.to_id, a.type_id, a.category)
    = (x.from_type, x.from_id, x.to_type, x.to_id, x.type_id, x.category)
returning a.from_type, a.from_id, a.to_type, a.to_id, a.type_id
"""


def _told(side: Link, link: Link, why: Why, added: Collection[Label], removed: Collection[Label]) -> Told:
    """As seen from an end: numbers for programs, words that stay when a label goes."""
    if side != link:
        added, removed = map(_seen_from_there, (added, removed))
    facts = {
        "added": [label.type_id for label in added],
        "removed": [label.type_id for label in removed],
    }
    words = {"added": [label.label for label in added], "removed": [label.label for label in removed]}
    return Told(RELABELED, side, why, facts, words)


def _seen_from_there(labels: Collection[Label]) -> list[Label]:
    return [association_labels.inverse_of(label) for label in labels]


# ── when records are united ──────────────────────────────────────────────────────────────────────────────────────────

Borne = tuple[str, int, int]  # a label as one record bears it: to type, to id, number


def copy_labels(
    object_type: str, from_ids: Collection[int], into_id: int, at: datetime
) -> dict[int, list[Borne]]:
    """Give the links of one record the labels that others' links to the same records have (R-MERGE-7), without events.

    Returns what each of them brought.
    """
    params = {"account": current_account_id(), "type": object_type, "from": sorted(from_ids), "into": into_id}
    brought = sql.rows(_BROUGHT, params)
    found: dict[int, list[Borne]] = defaultdict(list)
    wanted: Labels = defaultdict(list)
    known: dict[int, Label] = {}
    for from_id, to_type, to_id, type_id in brought:
        label = association_labels.find(object_type, to_type, type_id)
        known[type_id] = label
        found[from_id].append((to_type, to_id, type_id))
        wanted[object_type, into_id, to_type, to_id].append(type_id)
    _write(_ADD, wanted, known, at)
    return found


_BROUGHT = """
select distinct on (a.to_type, a.to_id, a.label_type_id) a.from_id, a.to_type, a.to_id, a.label_type_id
from crm_association a
join crm_association mine on mine.account_id = a.account_id and mine.from_type = a.from_type and mine.from_id = %(into)s
    and mine.to_type = a.to_type and mine.to_id = a.to_id and mine.label_type_id is null
where a.account_id = %(account)s and a.from_type = %(type)s and a.from_id = any(%(from)s::bigint[]) and a.label_type_id is not null
and not exists (select 1 from crm_association has where has.account_id = a.account_id and has.from_type = a.from_type
    and has.from_id = %(into)s and has.to_type = a.to_type and has.to_id = a.to_id and has.label_type_id = a.label_type_id)
order by a.to_type, a.to_id, a.label_type_id, a.from_id
"""


def take_labels(object_type: str, record_id: int, labels: Iterable[Borne]) -> None:
    """Take these labels from a record's links, without events. What is gone already is left out."""
    wanted: Labels = defaultdict(list)
    known: dict[int, Label] = {}
    for to_type, to_id, type_id in labels:
        label = association_labels.label_for(object_type, to_type, type_id)
        if label is not None:
            known[type_id] = label
            wanted[object_type, record_id, to_type, to_id].append(type_id)
    _write(_REMOVE, wanted, known, clock.now())


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def labels_of_record(from_type: str, from_id: int) -> dict[tuple[str, int], list[Label]]:
    """{(to type, to id): the account's own labels of the link, by age}, of all links of a record. One query."""
    known = {
        (one.to_type, one.type_id): one
        for one in association_labels.every_own()
        if one.from_type == from_type
    }
    if not known:
        return {}
    found: dict[tuple[str, int], list[Label]] = defaultdict(list)
    for to_type, to_id, type_id in sql.rows(
        "select to_type, to_id, label_type_id from crm_association where account_id = %s and from_type = %s and from_id = %s"
        " and label_type_id is not null order by label_type_id",
        [current_account_id(), from_type, from_id],
    ):
        # One that was made since the labels were read is not known.
        if label := known.get((to_type, type_id)):
            found[to_type, to_id].append(label)
    return found


def how_many(from_type: str, type_id: int | None = None) -> dict[tuple[str, int], int]:
    """{(to type, label): links that bear it}, of one label or of all of this kind of record. One query."""
    return {
        (to_type, label): count
        for to_type, label, count in sql.rows(_HOW_MANY, [current_account_id(), from_type, type_id, type_id])
    }


# A single label within one kind stands on both sides of a link under one number.
_HOW_MANY = """
select l.to_type, l.type_id, (select count(*) from crm_association a where a.account_id = l.account_id and a.label_type_id = l.type_id
    and a.from_type = l.from_type and a.to_type = l.to_type
    and not (a.from_type = a.to_type and l.type_id = l.inverse_id and a.from_id > a.to_id))
from crm_associationlabel l where l.account_id = %s and l.from_type = %s and (%s::int is null or l.type_id = %s)
"""


#: (account id, numbers of labels) → what asks for which. Filled by wiring with the areas above.
users: list[Callable[[int, Sequence[int]], dict[int, list[Use]]]] = []


def used_by(labels: Sequence[Label]) -> dict[int, list[Use]]:
    """{number: what asks for the label, from either side}; those that nothing asks for are left out."""
    numbers = sorted({number for label in labels for number in (label.type_id, label.inverse_id)})
    found: dict[int, set[Use]] = defaultdict(set)
    for ask in (segments.asking_for_labels, *users) if numbers else ():
        for number, uses in ask(current_account_id(), numbers).items():
            found[number].update(uses)
    asked = {label.type_id: found[label.type_id] | found[label.inverse_id] for label in labels}
    return {
        number: sorted(uses, key=lambda use: (use.kind, use.name, use.id))
        for number, uses in asked.items()
        if uses
    }


def delete(from_type: str, to_type: str, type_id: int, *, by: Actor, at: datetime | None = None) -> int:
    """Take a label from all links and away; they stay linked. Returns how many bore it.

    Raises NotFound; Conflict while something asks for it, or when there are too many links to do it at once.
    """
    label = association_labels.find(from_type, to_type, type_id)
    segments.refuse_used(label.label, used_by([label]).get(type_id, ()))
    count = how_many(from_type, type_id)[to_type, type_id]
    if count > MOST:
        raise Conflict(
            _(
                "%(count)s links bear this label, more than can lose it at once. Take it from them with a workflow first."
            )
            % {"count": count}
        )
    sql.execute(
        "select 1 from crm_associationlabel where account_id = %s and type_id = any(%s) order by id for update",
        [current_account_id(), [label.type_id, label.inverse_id]],
    )
    change = Labeling(remove=frozenset({type_id}))
    while bearing := sql.rows(_BEARING, [current_account_id(), type_id, from_type, to_type, STEP]):
        links: dict[Link, Why] = {}
        for from_id, to_id in bearing:
            if (
                from_type,
                to_id,
                to_type,
                from_id,
            ) not in links or label.is_paired:  # its other side comes along
                links[from_type, from_id, to_type, to_id] = Why()
        relabel_many(links, change, by=by, at=at)
    association_labels.delete(from_type, to_type, type_id, links=count, by=by)
    return count


_BEARING = """
select from_id, to_id from crm_association
where account_id = %s and label_type_id = %s and from_type = %s and to_type = %s order by id limit %s
"""
