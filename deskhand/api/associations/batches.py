"""Links of many records at once (api.md §2.5). In version 3 a link has one type, by its word; later several, by number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from deskhand.api import kinds, pages, refusals
from deskhand.api.associations import linking
from deskhand.api.associations.linking import UNTYPED, Asked, Kinds, Linker
from deskhand.api.associations.shapes import (
    BatchOfMade,
    BatchOfMadeAs,
    BatchOfReads,
    Pair,
    Pairs,
    PartOfMade,
    PartOfReads,
    Reads,
    Star,
    Stars,
)
from deskhand.api.objects import links
from deskhand.api.objects.batches import error_of, missing, some, told
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing
from deskhand.kernel import clock
from deskhand.kernel.text import whole

_BATCH = "/crm/associations/{fromObjectType}/{toObjectType}/batch"
_GONE = "Could not associate some objects, they may be deleted or not exist. Check that ids are valid."
_SHOWN = 500  # links of one record that one answer has
_TO_READ, _TO_WRITE = kinds.to_read("fromObjectType"), kinds.to_write("fromObjectType")


@operation("POST", f"{_BATCH}/read", needs=_TO_READ, takes=Reads, gives={200: BatchOfReads, 207: PartOfReads})
def read(call: Call) -> Any:
    """The links of up to a thousand records, with where there are more of one's."""
    began, pair = clock.now(), linking.of(call, do="read")
    asked = {one.id: _after(one.after) for one in some(call.body.inputs)}
    there = Linker(call, pair).there(pair.near, asked)
    after = {pk: asked[given] for given, pk in there.items()}
    seen = links.linked(call.viewer, pair.near, list(after), pair.far, _SHOWN + 1, after)
    results = []
    for given, pk in there.items():
        own = seen.get(pk, [])
        others = list(dict.fromkeys(one.to_id for one in own))
        last = others[_SHOWN - 1] if len(others) > _SHOWN else None
        kept = [one for one in own if last is None or one.to_id <= last]
        results.append(
            without_nothing(
                **{"from": {"id": given}},
                to=linking.told(call, pair, kept),
                paging=_more(call, pair, pk, last),
            )
        )
    gone = [given for given in asked if given not in there]
    return told(began, results, [missing(pair.near, gone)] if gone else [])


@operation(
    "POST", f"{_BATCH}/create", needs=_TO_WRITE, takes=Pairs, gives={201: BatchOfMade, 207: PartOfMade}
)
def create(call: Call) -> Any:
    """Link each pair with its types, besides those that it has."""
    began, pair = clock.now(), linking.of(call, do="write")
    asked = [_asked(call, pair, at, one) for at, one in enumerate(some(call.body.inputs))]
    ends = Linker(call, pair).connect(asked)
    results = [_made(call, pair, one) for one in asked if ends.has(one)]
    return told(began, results, [_unlinked(ends.missing)] if ends.missing else [])


@operation("POST", f"{_BATCH}/archive", needs=_TO_WRITE, takes=Stars, gives={204: None})
def archive(call: Call) -> None:
    """Undo links: in version 3 of the type that is named, later whatever links them. Safe to repeat."""
    pair = linking.of(call, do="write")
    asked = [
        Asked(one.from_.id, to, types)
        for at, one in enumerate(some(call.body.inputs))
        for to, types in _parted(call, pair, at, one)
    ]
    Linker(call, pair).part(asked)


@operation("POST", f"{_BATCH}/associate/default", needs=_TO_WRITE, takes=Pairs, gives={200: BatchOfMadeAs})
def create_plain(call: Call) -> Any:
    """Link each pair without a label."""
    pair = linking.of(call, do="write")
    asked = [Asked(one.from_.id, one.to.id, ()) for one in some(call.body.inputs)]
    ends = Linker(call, pair).connect(asked)
    return both_ways(pair, [(one.from_id, one.to_id) for one in asked if ends.has(one)], ends.missing)


@operation("POST", f"{_BATCH}/labels/archive", needs=_TO_WRITE, takes=Pairs, gives={204: None})
def archive_labels(call: Call) -> None:
    """Take labels from links, which stay; with the plain type nothing is left of a link. Safe to repeat."""
    pair = linking.of(call, do="write")
    Linker(call, pair).part(
        [Asked(one.from_.id, one.to.id, _numbers(at, one)) for at, one in enumerate(some(call.body.inputs))]
    )


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def both_ways(pair: Kinds, done: Sequence[tuple[str, str]], gone: Collection[str]) -> dict[str, Any]:
    """Plain links, each as seen from both ends."""
    now = clock.now()
    there, back = links.default_type(*pair), links.default_type(pair.far, pair.near)
    results = [
        {"from": {"id": one}, "to": {"id": other}, "associationSpec": {"associationCategory": UNTYPED, "associationTypeId": number}}
        for from_id, to_id in done
        for one, other, number in ((from_id, to_id, there), (to_id, from_id, back))
    ]  # fmt: skip
    content: dict[str, Any] = told(now, results, [])
    return content | ({"numErrors": 1, "errors": [_unlinked(list(gone))]} if gone else {})


def _asked(call: Call, pair: Kinds, at: int, one: Pair) -> Asked:
    types = _named(pair, at, one.type) if linking.is_old(call) else _numbers(at, one)
    return Asked(one.from_.id, one.to.id, types)


def _numbers(at: int, one: Pair) -> list[tuple[str, int]]:
    if not one.types:
        raise refusals.lacking([f"inputs[{at}].types"])
    return [(each.association_category, each.association_type_id) for each in one.types]


def _named(pair: Kinds, at: int, word: str | None) -> list[tuple[str, int]]:
    """A type by its word, or its number as text. Raises Refusal."""
    if not word:
        raise refusals.lacking([f"inputs[{at}].type"])
    known = links.type_words(*pair)
    found = known.get(word.lower())
    number = found if found is not None else whole(word)
    if number is None or number not in known.values():
        raise refusals.bad(
            f"Invalid association type: {word[:80]} from {pair.near} to {pair.far}. There are: {', '.join(known)}.",
            context={"type": [word[:80]]},
        )
    return [(UNTYPED, number)]


def _parted(call: Call, pair: Kinds, at: int, one: Star) -> list[tuple[str, list[tuple[str, int]]]]:
    others = one.to if isinstance(one.to, list) else [one.to]
    types = _named(pair, at, one.type) if linking.is_old(call) else []
    if types and links.is_primary(*pair, types):
        types = []  # who knows one type only means the link
    return [(other.id, types) for other in others]


def _made(call: Call, pair: Kinds, one: Asked) -> dict[str, Any]:
    if linking.is_old(call):
        return {
            "from": {"id": one.from_id},
            "to": {"id": one.to_id},
            "type": links.type_name(*pair, one.types[0][1]),
        }
    return {
        "fromObjectTypeId": kinds.number(pair.near), "fromObjectId": one.from_id,
        "toObjectTypeId": kinds.number(pair.far), "toObjectId": one.to_id, "labels": linking.words(pair, one.types),
    }  # fmt: skip


def _after(given: str | None) -> int:
    number = whole(given) if given else 0
    if number is None:
        raise refusals.bad(f"after is {str(given)[:80]!r}; it must be what the page before gave.")
    return number


def _more(call: Call, pair: Kinds, record_id: int, last: int | None) -> dict[str, Any] | None:
    if last is None:
        return None
    version = call.version or "v4"
    begins = f"/crm/objects/{version}" if "-" in version else f"/crm/{version}/objects"
    path = f"{begins}/{kinds.plural(pair.near)}/{record_id}/associations/{kinds.plural(pair.far)}"
    return {"next": {"after": str(last), "link": f"{pages.root(call)}{path}?after={last}"}}


def _unlinked(ids: Sequence[str]) -> dict[str, Any]:
    return error_of(refusals.missing(_GONE), {"ids": ids})
