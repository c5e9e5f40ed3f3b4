"""Deals of old, to read: what tap-hubspot asks for (api.md §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.api import kinds, pages
from deskhand.api.objects import links
from deskhand.api.objects.resource import MOST
from deskhand.api.older import shown
from deskhand.api.older.shown import ASKED, Old
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import Shape

_ALL, _ONE = "/deals/deal", "/deals/deal/{dealId}"
_DEAL = "deal"
#: What links are called, by the kind of record that they lead to.
_LINKS: Mapping[str, str] = {
    "contact": "associatedVids", "company": "associatedCompanyIds", "deal": "associatedDealIds", "ticket": "associatedTicketIds",
}  # fmt: skip


class Linked(Shape):
    associated_vids: list[int]
    associated_company_ids: list[int]
    associated_deal_ids: list[int]
    associated_ticket_ids: list[int]


class OldDeal(Old):
    deal_id: int
    associations: Linked | None = None


class OldDeals(Shape):
    deals: list[OldDeal]
    has_more: bool
    offset: int


def to_read(_parts: object) -> Any:
    return kinds.to_read()({"objectType": "deals"})


@operation("GET", f"{_ALL}/paged", needs=to_read, gives={200: OldDeals}, asks=("limit", "offset", "includeAssociations", *ASKED))  # fmt: skip
def listed(call: Call) -> Any:
    """By age; the next page begins at `offset`, while there is more."""
    found, has_more, offset = shown.page(call, _DEAL, default=MOST, most=250)
    deals = _old(call, found, with_links=pages.flag(call, "includeAssociations"))
    return {"deals": deals, "hasMore": has_more, "offset": offset}


@operation("GET", _ONE, needs=to_read, gives={200: OldDeal}, asks=ASKED)
def read(call: Call) -> Any:
    """With its links; with everything that it has, where nothing is asked for."""
    found = shown.one(call, _DEAL, "dealId", shown.all_names(_DEAL))
    return _old(call, [found], with_links=True)[0]


def _old(call: Call, found: Sequence[dict[str, Any]], *, with_links: bool) -> list[dict[str, Any]]:
    deals = [{"dealId": int(one["id"]), **shown.old(call, one)} for one in found]
    if not with_links:
        return deals
    ids = [one["dealId"] for one in deals]
    for one in deals:
        one["associations"] = {name: [] for name in _LINKS.values()}
    for kind, name in _LINKS.items():
        if call.token.scopes.isdisjoint(kinds.to_read()({"objectType": kind})):
            continue
        seen = links.linked(call.viewer, _DEAL, ids, kind, links.BESIDE)
        for one in deals:
            one["associations"][name] = list(
                dict.fromkeys(link.to_id for link in seen.get(one["dealId"], ()))
            )
    return deals
