"""The board of a pipeline: how many tickets stand in each status, and the first cards of each; one query for either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.records.tables import as_json
from deskhand.crm.schema import formulas
from deskhand.crm.schema.types import Property
from deskhand.desk.selection import CAP, Selection, where
from deskhand.desk.views import place_of, position_of
from deskhand.kernel.database import sql

PAGE = 25
MOST = 500  # cards that a column shows again at once


@dataclass(frozen=True)
class Card:
    """A ticket on the board, as it is stored; screens put it into words."""

    id: int
    subject: str
    stage_id: int
    sort_at: datetime
    stage_entered_at: datetime
    owner_name: str
    contact_name: str
    company_name: str
    tag_ids: Sequence[str]
    next_due: datetime | None  # of its open tasks
    values: Mapping[str, Any]  # of the properties that were asked for
    may_edit: bool

    @property
    def place(self) -> str:
        return place_of(self.sort_at, self.id)


_CARDS = """
select t.id, t.subject, t.stage_id, t.sort_at, t.stage_entered_at, coalesce(u.name, ''), coalesce(nullif(c.name, ''), c.email, ''), coalesce(f.name, ''),
       array(select jsonb_array_elements_text(t.properties->'hs_tag_ids')),
       {next_task}, {values}, t.owner_id, t.assigned_team_ids
from ({found}) p join crm_ticket t on t.id = p.id and t.account_id = %s
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
left join crm_company f on f.account_id = c.account_id and f.id = c.company_id
left join accounts_user u on u.id = t.owner_id
order by t.sort_at desc, t.id desc
"""


def cards(
    viewer: Viewer, selection: Selection, shown: Mapping[int, int], props: Sequence[Property] = ()
) -> dict[int, tuple[list[Card], str]]:
    """By stage: as many cards as `shown` says, latest activity first, and the place to go on from ("" at the end).

    Each with its values of `props`.
    """
    wanted = {stage_id: max(PAGE, min(count, MOST)) for stage_id, count in shown.items()}
    text, params = where(viewer, selection)
    page = _lateral(f"t.id, t.sort_at from crm_ticket t where {text}", max(wanted.values(), default=PAGE))
    found = _read(viewer, page, [list(wanted), *params], props)
    by_stage: dict[int, list[Card]] = {stage_id: [] for stage_id in wanted}
    for card in found:
        by_stage[card.stage_id].append(card)
    return {stage_id: _cut(own, wanted[stage_id]) for stage_id, own in by_stage.items()}


def _lateral(select: str, limit: int) -> str:
    """The first ones of each status, found by its index."""
    return (
        "select p.id from unnest(%s::bigint[]) s(stage_id) cross join lateral ("
        f"select {select} and t.stage_id = s.stage_id order by t.sort_at desc, t.id desc limit {int(limit) + 1}) p"
    )


def column(
    viewer: Viewer, selection: Selection, stage_id: int, after: str, props: Sequence[Property] = ()
) -> tuple[list[Card], str]:
    """The next cards of one status. Raises NotFound for a place that is none of ours."""
    text, params = where(viewer, selection)
    page = (
        f"select t.id from crm_ticket t where {text} and t.stage_id = %s and (t.sort_at, t.id) < (%s, %s)"
        f" order by t.sort_at desc, t.id desc limit {PAGE + 1}"
    )
    return _cut(_read(viewer, page, [*params, stage_id, *position_of(after)], props), PAGE)


def card(viewer: Viewer, selection: Selection, ticket_id: int) -> Card | None:
    """One card, if it is on this board."""
    text, params = where(viewer, selection)
    page = f"select t.id from crm_ticket t where {text} and t.id = %s"
    return next(iter(_read(viewer, page, [*params, ticket_id])), None)


def _read(viewer: Viewer, page: str, params: Sequence[Any], props: Sequence[Property] = ()) -> list[Card]:
    editable = visible(viewer, "ticket", Verb.EDIT)
    values, of_values = as_json(props)
    found = sql.rows(
        _CARDS.format(found=page, values=values, next_task=formulas.next_task("ticket", "t")),
        [*of_values, *params, viewer.account_id],
    )
    return [
        Card(*(*row, sql.loads(told), editable.allows(owner_id, team_ids)))
        for *row, told, owner_id, team_ids in found
    ]


def _cut(found: list[Card], limit: int) -> tuple[list[Card], str]:
    return found[:limit], found[limit - 1].place if len(found) > limit else ""


def counts(viewer: Viewer, selection: Selection, stage_ids: Sequence[int]) -> dict[int, int]:
    """How many tickets stand in each status, none counted past CAP."""
    text, params = where(viewer, selection)
    found = sql.rows(
        "select s.stage_id, (select count(*) from (select 1 from crm_ticket t"
        f" where {text} and t.stage_id = s.stage_id limit {CAP}) n) from unnest(%s::bigint[]) s(stage_id)",
        [*params, list(stage_ids)],
    )
    return dict(found)
