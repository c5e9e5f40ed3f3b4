"""Tickets as rows of a table: chosen columns, sorted by what has an index, a page at a time by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.cards import COMPANY, CONTACT
from deskhand.crm.records import sorting
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.sorting import Sort
from deskhand.crm.schema import clocks
from deskhand.crm.schema.queries import properties_of
from deskhand.desk.selection import Selection, where
from deskhand.desk.views import place_of, position_of
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 50

#: What a table can be sorted by, with its column: each has an index, so a million tickets are sorted already.
#: Numbers are given in the order of creation.
SORTS = {"hs_helpdesk_sort_timestamp": "sort_at", "hs_ticket_id": "number", "createdate": "number"}
DEFAULT_SORT = "-hs_helpdesk_sort_timestamp"

DEFAULT_COLUMNS = (
    "hs_ticket_id", "subject", CONTACT, "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id",
    "createdate", "hs_helpdesk_sort_timestamp",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    ticket: Ticket  # with its contact and their company
    may_edit: bool


def sort_of(text: str) -> Sort:
    """Raises Invalid for what a table can't be sorted by."""
    return sorting.read(text, SORTS)


def rows(viewer: Viewer, selection: Selection, sort: Sort, *, after: str = "") -> tuple[list[Row], str]:
    """One page, and the place of the next one ("" at the end). Raises NotFound for a place that is none of ours."""
    text, params = where(viewer, selection)
    by, way = SORTS[sort.name], "desc" if sort.is_descending else "asc"
    if after:
        text += f" and (t.{by}, t.id) {'<' if sort.is_descending else '>'} (%s, %s)"
        params += _position(by, after)
    page = f"select t.id from crm_ticket t where {text} order by t.{by} {way}, t.id {way} limit {PAGE + 1}"
    found = _read(viewer, [ticket_id for (ticket_id,) in sql.rows(page, params)])
    return found[:PAGE], _place(by, found[PAGE - 1].ticket) if len(found) > PAGE else ""


def row(viewer: Viewer, ticket_id: int) -> Row:
    """One row. Raises NotFound when the viewer may not see it."""
    reach = visible(viewer, "ticket").q()
    known = Ticket.objects.filter(reach, account_id=viewer.account_id, pk=ticket_id)
    found = _read(viewer, [ticket_id] if known.exists() else [])
    if not found:
        raise NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})
    return found[0]


def _read(viewer: Viewer, ids: Sequence[int]) -> list[Row]:
    """In the order of the ids."""
    editable = visible(viewer, "ticket", Verb.EDIT)
    tickets = Ticket.objects.select_related("contact", "contact__company")
    found = tickets.filter(account_id=viewer.account_id).in_bulk(ids)
    return [Row(found[pk], editable.reaches(found[pk])) for pk in ids if pk in found]


def _place(by: str, ticket: Ticket) -> str:
    return place_of(ticket.sort_at, ticket.pk) if by == "sort_at" else f"{ticket.number}-{ticket.pk}"


def _position(by: str, text: str) -> list[Any]:
    if by == "sort_at":
        return list(position_of(text))
    parts = [whole(part) for part in text.split("-")]
    if len(parts) != 2 or None in parts:
        raise NotFound(_("There is no such page."))
    return parts


def columns_offered() -> list[str]:
    """Names of the columns that a table may have: the common ones first, then the account's own. The clocks of statuses
    may be columns, too, and are chosen by their statuses."""
    known = properties_of("ticket")
    own = [name for name, prop in known.items() if prop.is_custom]
    return [*(name for name in _COMMON if name in (CONTACT, COMPANY) or name in known), *own]


_COMMON = (
    "hs_ticket_id", "subject", CONTACT, COMPANY, "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id",
    "hs_assigned_team_ids", "hs_ticket_category", "hs_resolution", "source_type", "createdate", "hs_helpdesk_sort_timestamp",
    "hs_last_message_received_at", "hs_last_message_sent_at", "closed_date", "hs_num_times_contacted",
    "time_to_close", "time_to_first_agent_reply", "hs_time_to_first_assign", "hs_time_to_first_rep_assignment",
)  # fmt: skip


def chosen_columns(asked: Sequence[str]) -> tuple[str, ...]:
    """In the order of what is offered, the times by status last; the subject is always there. Unknown ones are passed over."""
    wanted = set(asked) | {"subject"} if asked else set(DEFAULT_COLUMNS)
    return (*(name for name in columns_offered() if name in wanted), *clocks.among("ticket", wanted))
