"""Links between records, as they are shown beside a record and given with a new one (api.md §1.5, §2.5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.api import kinds, refusals
from deskhand.crm.records import labeling, listing, primary
from deskhand.crm.records.associations import Link, Why
from deskhand.crm.records.tables import is_there, of_this_type, table_of
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.defaults import ASSOCIATION_TYPES, UNNUMBERED
from deskhand.events.types import Actor
from deskhand.kernel.database import sql

BESIDE = 500  # links of one record that are shown beside it


class Seen(NamedTuple):
    """One type of one link, as seen from the nearer record."""

    to_id: int
    type_id: int
    category: str


def beside(
    viewer: Viewer, object_type: str, ids: Sequence[int], to_type: str, page: str
) -> dict[int, dict[str, Any]]:
    """{record: its links to such records, and where more of them are}. `page` is the address of all links of a record, with
    its number as "{}". One query."""
    shown: dict[int, dict[str, Any]] = {}
    for record_id, seen in linked(viewer, object_type, ids, to_type, BESIDE + 1).items():
        others = list(dict.fromkeys(one.to_id for one in seen))
        kept = set(others[:BESIDE])
        shown[record_id] = {
            "results": [
                {"id": str(one.to_id), "type": type_name(object_type, to_type, one.type_id)}
                for one in seen
                if one.to_id in kept
            ]
        }
        if len(others) > BESIDE:
            after = str(others[BESIDE - 1])
            link = f"{page.format(record_id)}?after={after}"
            shown[record_id]["paging"] = {"next": {"after": after, "link": link}}
    return shown


def linked(
    viewer: Viewer,
    object_type: str,
    ids: Sequence[int],
    to_type: str,
    most: int,
    after: Mapping[int, int] | None = None,
) -> dict[int, list[Seen]]:
    """{record: its links to records that are there for the viewer, by their numbers}; `most` records, each with all its
    types, behind the one that `after` names. One query."""
    reach, params = visible(viewer, to_type).sql("t")
    query = _LINKED.format(
        table=table_of(to_type), there=is_there(to_type), kind=of_this_type(to_type), reach=reach,
        primary=_PRIMARY.get((object_type, to_type), "select null::int where false"),
    )  # fmt: skip
    begin = [(after or {}).get(pk, 0) for pk in ids]
    found: dict[int, list[Seen]] = {}
    for record_id, *seen in sql.rows(
        query,
        [
            list(ids),
            begin,
            viewer.account_id,
            object_type,
            to_type,
            viewer.account_id,
            *params,
            int(most),
            viewer.account_id,
            object_type,
            to_type,
            primary_type(object_type, to_type),
        ],
    ):
        found.setdefault(record_id, []).append(Seen(*seen))
    return found


_LINKED = """
select x.id, n.to_id, a.type_id, a.category
from unnest(%s::bigint[], %s::bigint[]) x(id, after)
cross join lateral (
    select distinct a.account_id, a.to_id from crm_association a join {table} t on t.account_id = a.account_id and t.id = a.to_id
    where a.account_id = %s and a.from_type = %s and a.from_id = x.id and a.to_type = %s and a.to_id > x.after
      and t.account_id = %s and {there} and {kind} and {reach}
    order by a.to_id limit %s
) n
join lateral (
    select a.type_id, a.category, coalesce(a.label_type_id, 0) as place from crm_association a
    where a.account_id = %s and a.from_type = %s and a.from_id = x.id and a.to_type = %s and a.to_id = n.to_id
    union all select %s, 'HUBSPOT_DEFINED', -1 where exists ({primary})
) a on true
order by x.id, n.to_id, a.place
"""
_OF_CONTACT = "select 1 from crm_contact p where p.account_id = n.account_id and p.id = {contact} and p.company_id = {company}"
_OF_TICKET = (
    "select 1 where {company} = (select p.to_id from crm_association p where p.account_id = n.account_id and p.from_type = 'ticket'"
    " and p.from_id = {ticket} and p.to_type = 'company' order by p.id limit 1)"
)
#: Whether the company of a link from x.id to n.to_id is the primary one, where a kind has one.
_PRIMARY = {
    ("contact", "company"): _OF_CONTACT.format(contact="x.id", company="n.to_id"),
    ("company", "contact"): _OF_CONTACT.format(contact="n.to_id", company="x.id"),
    ("ticket", "company"): _OF_TICKET.format(ticket="x.id", company="n.to_id"),
    ("company", "ticket"): _OF_TICKET.format(ticket="n.to_id", company="x.id"),
}


def type_name(from_type: str, to_type: str, type_id: int) -> str:
    """A type of link in one word: "ticket_to_contact", or a label's name. Where one of several can be the primary one, that
    has the plain word."""
    label = association_labels.label_for(from_type, to_type, type_id)
    if label and label.is_own:
        return label.name
    word = f"{kinds.name(from_type)}_to_{kinds.name(to_type)}"
    first = primary_type(from_type, to_type)
    return word if first in (None, type_id) else f"{word}_unlabeled"


def type_words(from_type: str, to_type: str) -> dict[str, int]:
    """{word: number} of all types of links between these kinds, in their order."""
    if not association_labels.may_link(from_type, to_type):
        return {}
    own = [label.type_id for label in association_labels.own_of(from_type, to_type)]
    first = primary_type(from_type, to_type)
    numbers = [*([first] if first else []), default_type(from_type, to_type), *own]
    words: dict[str, int] = {}
    for one in numbers:  # the product's own word stays its own, whatever a label is called
        words.setdefault(type_name(from_type, to_type, one), one)
    return words


class Given(NamedTuple):
    """A link that somebody asks for: with whom, and as what: the numbers of labels, and whether as the primary one."""

    to_type: str
    to_id: int
    labels: frozenset[int]
    is_primary: bool = False


def read(from_type: str, to_id: str, types: Sequence[tuple[str, int]]) -> Given:
    """What a link that is given with a new record means: its types say what kind the other one is. Raises Refusal."""
    if not types:
        raise refusals.bad("An association needs at least one type.", context={"id": [to_id]})
    to_type = next((kind for kind in _others(from_type) if knows(from_type, kind, types[0][1])), None)
    if to_type is None:
        raise refusals.bad(
            f"Invalid association type: {types[0][1]} for {from_type}.",
            context={"typeId": [str(types[0][1])]},
        )
    return Given(
        to_type, number(to_id), labels(from_type, to_type, types), is_primary(from_type, to_type, types)
    )


def number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise refusals.missing()
    return int(text)


def labels(from_type: str, to_type: str, types: Sequence[tuple[str, int]]) -> frozenset[int]:
    """The labels among them. Raises Refusal for a type that there is not between these two kinds."""
    for _category, type_id in types:
        if not knows(from_type, to_type, type_id):
            raise refusals.bad(
                f"Invalid association type: {type_id} from {from_type} to {to_type}.",
                context={"typeId": [str(type_id)]},
            )
    own = {label.type_id for label in association_labels.own_of(from_type, to_type)}
    return frozenset(own.intersection(type_id for _category, type_id in types))


def is_primary(from_type: str, to_type: str, types: Sequence[tuple[str, int]]) -> bool:
    first = primary_type(from_type, to_type)
    return first is not None and any(type_id == first for _category, type_id in types)


def knows(from_type: str, to_type: str, type_id: int) -> bool:
    """Whether records of these kinds may be linked as this."""
    label = association_labels.label_for(from_type, to_type, type_id)
    return association_labels.may_link(from_type, to_type) and (
        type_id in (default_type(from_type, to_type), primary_type(from_type, to_type))
        or (label is not None and label.is_own)
    )


#: The contract's numbers of "this company is the primary one" (api.md §2.5).
_PRIMARY_TYPES = {
    ("contact", "company"): 1, ("company", "contact"): 2, ("ticket", "company"): 26, ("company", "ticket"): 25,
}  # fmt: skip


def primary_type(from_type: str, to_type: str) -> int | None:
    return _PRIMARY_TYPES.get((from_type, to_type))


def default_type(from_type: str, to_type: str) -> int:
    return ASSOCIATION_TYPES.get((from_type, to_type), UNNUMBERED)


def _others(from_type: str) -> Collection[str]:
    return [kind for kind in kinds.every() if association_labels.may_link(from_type, kind)]


def follow_new(links: Mapping[Link, Given], *, by: Actor) -> None:
    """Give the links of new records their labels, one call for each set of them between two kinds, and companies their
    place."""
    groups: dict[tuple[str, frozenset[int]], dict[Link, Why]] = {}
    for link, given in links.items():
        if given.labels:
            groups.setdefault((link[2], given.labels), {})[link] = Why()
    for (_kind, labels_of_some), some in groups.items():
        labeling.relabel_many(some, labeling.Labeling(add=labels_of_some), by=by)
    primary.choose([link for link, given in links.items() if given.is_primary], by=by)
    primary.fill(links, by=by)


def require_there(viewer: Viewer, records: Collection[tuple[str, int]]) -> None:
    """Raises Refusal where one is not there for the viewer. One query for each kind."""
    for kind in {kind for kind, _pk in records}:
        ids = {pk for own, pk in records if own == kind}
        found = listing.reached(viewer, kind, ids).filter(archived_at=None).values_list("pk", flat=True)
        if gone := [str(pk) for pk in sorted(ids.difference(found))]:
            raise refusals.missing(
                f"One or more associations are not valid: there is no {kind} {gone[0]}.",
                context={"ids": gone},
            )
