"""Links between records; both sides are stored, each with its type id of the API."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records import history
from deskhand.crm.records.history import Line
from deskhand.crm.records.tables import table_of
from deskhand.crm.schema import object_types
from deskhand.crm.schema.defaults import ASSOCIATION_TYPES, PRIMARY_TYPES, UNNUMBERED, Primary
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

Link = tuple[str, int, str, int]  # from type, from id, to type, to id


def link_many(links: Sequence[Link], at: datetime) -> None:
    """Link with the default type, both ways. Safe to repeat. Raises Invalid for kinds that can't be linked."""
    rows = [side for link in links for side in _sides(link)]
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    sql.execute(_INSERT, [current_account_id(), at, *columns])


def unlink(from_type: str, from_id: int, to_type: str, to_id: int) -> None:
    """Part two records, whatever links them; both sides go. Safe to repeat."""
    unlink_many([(from_type, from_id, to_type, to_id)])


def unlink_many(links: Sequence[Link]) -> None:
    """Part what each of these links; as `unlink`, in one statement."""
    sides = [side for link in links for side in (link, link[2:] + link[:2])]
    if not sides:
        return
    params = [*(list(column) for column in zip(*sides, strict=True)), current_account_id()]
    sql.execute(_HOLD, params)  # who labels them meanwhile is waited for, and what they wrote goes too
    sql.execute(_DELETE, params)


def connect(
    from_type: str, from_id: int, to_type: str, to_id: int, *, by: Actor, at: datetime | None = None
) -> bool:
    """Link two records as somebody asked: with an event and a line in the history of each that `told_sides` names.

    False where they are linked already. Raises Invalid for kinds that can't be linked and for a record with itself.
    """
    if (from_type, from_id) == (to_type, to_id):
        raise Invalid(_("A record can't be linked to itself."), field="id", value=to_id)
    link = (from_type, from_id, to_type, to_id)
    return bool(connect_many({link: Why()}, by=by, at=at))


def part(
    from_type: str, from_id: int, to_type: str, to_id: int, *, by: Actor, at: datetime | None = None
) -> bool:
    """Undo that; False where nothing links them."""
    return bool(part_many({(from_type, from_id, to_type, to_id): Why()}, by=by, at=at))


@dataclass(frozen=True)
class Why:
    """What made a link, or undid it, besides who did."""

    cause: Cause | None = None
    depth: int = 0


def connect_many(links: Mapping[Link, Why], *, by: Actor, at: datetime | None = None) -> list[Link]:
    """As `connect`, a set at a time; returns those that were not there. A record is not linked to itself."""
    at = at or clock.now()
    there = _there(links)
    new = [link for link in links if link not in there and link[:2] != link[2:]]
    link_many(new, at)
    _tell("linked", {link: links[link] for link in new}, by, at)
    return new


def part_many(links: Mapping[Link, Why], *, by: Actor, at: datetime | None = None) -> list[Link]:
    """Undo that; returns those that were there."""
    there = _there(links)
    gone = [link for link in links if link in there]
    unlink_many(gone)
    _tell("unlinked", {link: links[link] for link in gone}, by, at or clock.now())
    return gone


def _there(links: Iterable[Link]) -> set[Link]:
    """Which of them are linked. One query for each pair of kinds."""
    kinds: dict[tuple[str, str], set[int]] = {}
    for from_type, from_id, to_type, _to_id in links:
        kinds.setdefault((from_type, to_type), set()).add(from_id)
    return {
        (from_type, from_id, to_type, to_id)
        for (from_type, to_type), ids in kinds.items()
        for from_id, linked in linked_ids(from_type, sorted(ids), to_type).items()
        for to_id in linked
    }


#: Of a link with others, their side is not told.
_PEOPLE = ("contact", "company")


def _tell(did: str, links: Mapping[Link, Why], by: Actor, at: datetime) -> None:
    tell([Told(did, side, why) for link, why in links.items() for side in told_sides(link)], by, at)


def told_sides(link: Link) -> list[Link]:
    """The link as seen from each end that is told of it: of people and companies only where they are among themselves."""
    told = told_kinds({link[0], link[2]})
    return [side for side in (link, link[2:] + link[:2]) if side[0] in told]


def told_kinds(two: Collection[str]) -> frozenset[str]:
    """Which of two kinds are told of links between their records: people and companies only of those among themselves."""
    return frozenset(two).difference(_PEOPLE) or frozenset(two)


@dataclass(frozen=True)
class Told:
    """What became of a link, as seen from one end; `facts` go into the event, `words` into the history."""

    did: str
    side: Link
    why: Why
    facts: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)


def tell(told: Sequence[Told], by: Actor, at: datetime) -> None:
    """An event and a line in the history for each. The queries don't grow with them."""
    if not told:
        return
    versions = _versions([one.side for one in told])
    events = log.record_many(
        [
            NewEvent(
                f"{own}.{one.did}", own, pk, versions.get((own, pk), 1), by, at, {"to_type": kind, "to_id": other, **one.facts},
                one.why.cause, one.why.depth,
            )
            for one in told
            for own, pk, kind, other in (one.side,)
        ]
    )  # fmt: skip
    history.note_many(
        [
            Line(
                own, pk, history.LINK, {"did": one.did, "type": kind, "id": other, **one.words}, by, event.id
            )
            for one, event in zip(told, events, strict=True)
            for own, pk, kind, other in (one.side,)
        ],
        at,
    )


def _versions(sides: Iterable[Link]) -> dict[tuple[str, int], int]:
    """One query for each kind."""
    ids: dict[str, set[int]] = {}
    for own, pk, _kind, _other in sides:
        ids.setdefault(own, set()).add(pk)
    return {
        (own, pk): version
        for own, wanted in ids.items()
        for pk, version in sql.rows(
            f"select id, version from {table_of(own)} where account_id = %s and id = any(%s)",
            [current_account_id(), sorted(wanted)],
        )
    }


_INSERT = """
insert into crm_association (account_id, category, created_at, from_type, from_id, to_type, to_id, type_id)
select %s, 'HUBSPOT_DEFINED', %s::timestamptz, x.* from unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::int[]) x
on conflict do nothing
"""
_HOLD = """
select 1 from crm_association a join unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[]) x(from_type, from_id, to_type, to_id)
on (a.from_type, a.from_id, a.to_type, a.to_id) = (x.from_type, x.from_id, x.to_type, x.to_id)
where a.account_id = %s order by a.id for update of a
"""
_DELETE = """
delete from crm_association a using unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[]) x(from_type, from_id, to_type, to_id)
where a.account_id = %s and (a.from_type, a.from_id, a.to_type, a.to_id) = (x.from_type, x.from_id, x.to_type, x.to_id)
"""


def _sides(link: Link) -> list[tuple[str, int, str, int, int]]:
    from_type, from_id, to_type, to_id = link
    there, back = _type_id(from_type, to_type), _type_id(to_type, from_type)
    if there is None or back is None:
        raise Invalid(
            _("A %(from_type)s can't be linked to a %(to_type)s.")
            % {"from_type": from_type, "to_type": to_type},
            field="associations",
            value=f"{from_type}/{to_type}",
        )
    return [(from_type, from_id, to_type, to_id, there), (to_type, to_id, from_type, from_id, back)]


def _type_id(from_type: str, to_type: str) -> int | None:
    """Links of projects and of an account's own kinds have no number of their own in the API."""
    has_none = [
        kind for kind in (from_type, to_type) if kind == "project" or kind in object_types.all_of_them()
    ]
    return ASSOCIATION_TYPES.get((from_type, to_type), UNNUMBERED if has_none else None)


def linked_ids(
    from_type: str, from_ids: Sequence[int], to_type: str, type_id: int | None = None
) -> dict[int, list[int]]:
    """{from id: linked ids in order of linking}; by this type of link only, a label's or the primary one's, if one is named."""
    primary = PRIMARY_TYPES.get((from_type, to_type))
    if primary is not None and type_id == primary.type_id:
        query, params = _of_column(primary, from_type, to_type), [current_account_id(), list(from_ids)]
    else:
        query, params = _LINKED, [current_account_id(), from_type, list(from_ids), to_type, type_id, type_id]
    found: dict[int, list[int]] = {}
    for from_id, to_id in sql.rows(query, params):
        if to_id not in (ids := found.setdefault(from_id, [])):
            ids.append(to_id)
    return found


_LINKED = """
select from_id, to_id from crm_association
where account_id = %s and from_type = %s and from_id = any(%s) and to_type = %s and (%s::int is null or type_id = %s) order by id
"""


def _of_column(primary: Primary, from_type: str, to_type: str) -> str:
    column = primary.column
    if primary.is_ours:
        return f"select id, {column} from {table_of(from_type)} where account_id = %s and id = any(%s) and {column} is not null"
    return f"select {column}, id from {table_of(to_type)} where account_id = %s and {column} = any(%s) order by id"
