"""Companies of old, to read: what tap-hubspot asks for (api.md §5)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from deskhand.api import kinds, pages, refusals
from deskhand.api.objects import links
from deskhand.api.objects.reading import Reader, Wanted
from deskhand.api.older import shown
from deskhand.api.older.shown import ASKED, Old
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import Shape

_ALL, _ONE = "/companies/companies", "/companies/companies/{companyId}"
_COMPANY, _CONTACT = "company", "contact"
MOST, MOST_CONTACTS = 250, 100


class OldCompany(Old):
    company_id: int


class OldCompanies(Shape):
    companies: list[OldCompany]
    has_more: bool = Field(alias="has-more")
    offset: int


class Vids(Shape):
    vids: list[int]
    has_more: bool
    vid_offset: int


def to_read(_parts: object) -> Any:
    return kinds.to_read()({"objectType": "companies"})


@operation("GET", f"{_ALL}/paged", needs=to_read, gives={200: OldCompanies}, asks=("limit", "offset", *ASKED))  # fmt: skip
def listed(call: Call) -> Any:
    """By age; the next page begins at `offset`, while there is more."""
    found, has_more, offset = shown.page(call, _COMPANY, default=100, most=MOST)
    return {"companies": [_old(call, one) for one in found], "has-more": has_more, "offset": offset}


@operation("GET", _ONE, needs=to_read, gives={200: OldCompany}, asks=ASKED)
def read(call: Call) -> Any:
    """With everything that it has, where nothing is asked for."""
    return _old(call, shown.one(call, _COMPANY, "companyId", shown.all_names(_COMPANY)))


@operation("GET", f"{_ONE}/vids", needs=to_read, gives={200: Vids}, asks=("limit", "vidOffset"))
def contacts(call: Call) -> Any:
    """Numbers of the contacts that are linked to it. Asks for a scope to read contacts, too."""
    needed = kinds.to_read()({"objectType": "contacts"})
    if call.token.scopes.isdisjoint(needed):
        raise refusals.unscoped(needed)
    pk = links.number(call.parts["companyId"])
    if not Reader(call.viewer, _COMPANY, Wanted(("hs_object_id",))).by_ids([pk]):
        raise refusals.missing()
    begin = shown.offset_of(call, "vidOffset")
    limit = pages.limit(call, default=MOST_CONTACTS, most=MOST_CONTACTS)
    linked = links.linked(call.viewer, _COMPANY, [pk], _CONTACT, limit + 1, {pk: begin})
    vids = list(dict.fromkeys(one.to_id for one in linked.get(pk, ())))
    kept = vids[:limit]
    return {"vids": kept, "hasMore": len(vids) > limit, "vidOffset": kept[-1] if kept else begin}


def _old(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    return {"companyId": int(record["id"]), **shown.old(call, record)}
