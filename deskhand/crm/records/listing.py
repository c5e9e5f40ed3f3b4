"""Deals, projects and own kinds of records in lists and on boards: a page at a time, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.records import sorting
from deskhand.crm.records.models import Record
from deskhand.crm.records.selecting import CAP, Selection, where
from deskhand.crm.records.sorting import Sort
from deskhand.crm.records.tables import TABLES, as_json, model_of, table_of
from deskhand.crm.schema import formulas, object_types
from deskhand.crm.schema.types import Property
from deskhand.kernel import places
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound

PAGE, IN_COLUMN = 50, 25
MOST = 500  # cards that a column shows again at once
#: What a list can be sorted by, with its column.
SORTS = {"createdate": "sort_at", "name": "name"}
DEFAULT_SORT = "-createdate"


def sort_of(text: str) -> Sort:
    """Raises Invalid for what a list can't be sorted by."""
    return sorting.read(text, SORTS)


def of_kind(object_type: str) -> Q:
    """Tells records of one of the account's own kinds from the others in their table."""
    return Q() if object_type in TABLES else Q(object_type_id=object_types.find(object_type).id)


def reached(
    viewer: Viewer, object_type: str, ids: Collection[int], verb: Verb = Verb.VIEW
) -> QuerySet[Record]:
    """Those of the records that the viewer may treat so, deleted ones too; no query where that may be none."""
    return in_reach(viewer, object_type, verb).filter(pk__in=ids)


def in_reach(viewer: Viewer, object_type: str, verb: Verb = Verb.VIEW) -> QuerySet[Record]:
    """All records that the viewer may treat so, deleted ones too."""
    return model_of(object_type)._default_manager.filter(
        visible(viewer, object_type, verb).q(), of_kind(object_type), account_id=viewer.account_id
    )


def get(viewer: Viewer, object_type: str, record_id: int, verb: Verb = Verb.VIEW) -> Any:
    """One record, deleted ones too. Raises NotFound when it is not within this reach."""
    found = reached(viewer, object_type, [record_id], verb).first()
    if found is None:
        raise NotFound(_("There is no such record."))
    return found


def seen(viewer: Viewer, object_type: str, ids: Sequence[int]) -> list[Any]:
    """Those of the records that the viewer may see and that are not deleted; one query."""
    return list(reached(viewer, object_type, ids).filter(archived_at=None))


def rows(viewer: Viewer, selection: Selection, sort: Sort, *, after: int | None = None) -> tuple[list[Any], int | None]:  # fmt: skip
    """One page of records, and the id of its last one where there are more; `after` goes on behind that one."""
    text, params = where(viewer, selection)
    table, by, way = (
        table_of(selection.object_type),
        SORTS[sort.name],
        "desc" if sort.is_descending else "asc",
    )
    if after is not None:
        sign = "<" if sort.is_descending else ">"
        text += f" and (t.{by}, t.id) {sign} (select x.{by}, x.id from {table} x where x.account_id = %s and x.id = %s)"
        params += [viewer.account_id, after]
    page = f"select t.id from {table} t where {text} order by t.{by} {way}, t.id {way} limit {PAGE + 1}"
    ids = [record_id for (record_id,) in sql.rows(page, params)]
    records = model_of(selection.object_type)._default_manager.filter(account_id=viewer.account_id).in_bulk(ids)  # fmt: skip
    found = [records[pk] for pk in ids[:PAGE] if pk in records]
    return found, ids[PAGE - 1] if len(ids) > PAGE else None


def named(viewer: Viewer, object_type: str, text: str, limit: int) -> list[int]:
    """The newest records with this in their name."""
    condition, params = where(viewer, Selection(object_type, ZoneInfo("UTC"), text=text))
    page = f"select t.id from {table_of(object_type)} t where {condition} order by t.sort_at desc, t.id desc limit {int(limit)}"
    return [record_id for (record_id,) in sql.rows(page, params)]


# ── the board ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Card:
    """A record on the board, as it is stored; screens put it into words."""

    id: int
    name: str
    stage_id: int
    sort_at: datetime
    stage_entered_at: datetime
    owner_name: str
    next_due: datetime | None  # of its open tasks
    values: Mapping[str, Any]  # of the properties that were asked for
    may_edit: bool

    @property
    def place(self) -> str:
        return f"{places.written(self.sort_at)}-{self.id}"


_CARDS = """
select t.id, t.name, t.stage_id, t.sort_at, t.stage_entered_at, coalesce(u.name, ''),
       {next_task}, {values}, t.owner_id, t.assigned_team_ids
from ({found}) p join {table} t on t.id = p.id and t.account_id = %s
left join accounts_user u on u.id = t.owner_id
order by t.sort_at desc, t.id desc
"""


def cards(
    viewer: Viewer, selection: Selection, shown: Mapping[int, int], props: Sequence[Property] = ()
) -> dict[int, tuple[list[Card], int | None]]:
    """By stage: as many cards as `shown` says, newest first, and the id of the last one where there are more.

    Each with its values of `props`.
    """
    wanted = {stage_id: max(IN_COLUMN, min(count, MOST)) for stage_id, count in shown.items()}
    text, params = where(viewer, selection)
    limit = max(wanted.values(), default=IN_COLUMN) + 1
    page = (
        "select p.id from unnest(%s::bigint[]) s(stage_id) cross join lateral ("
        f"select t.id, t.sort_at from {table_of(selection.object_type)} t where {text} and t.stage_id = s.stage_id"
        f" order by t.sort_at desc, t.id desc limit {limit}) p"
    )
    by_stage: dict[int, list[Card]] = {stage_id: [] for stage_id in wanted}
    for card in _read(viewer, selection.object_type, page, [list(wanted), *params], props):
        by_stage[card.stage_id].append(card)
    return {stage_id: _cut(own, wanted[stage_id]) for stage_id, own in by_stage.items()}


def column(
    viewer: Viewer, selection: Selection, stage_id: int, after: int, props: Sequence[Property] = ()
) -> tuple[list[Card], int | None]:
    """The next cards of one status."""
    text, params = where(viewer, selection)
    table = table_of(selection.object_type)
    page = (
        f"select t.id from {table} t where {text} and t.stage_id = %s and (t.sort_at, t.id) <"
        f" (select x.sort_at, x.id from {table} x where x.account_id = %s and x.id = %s)"
        f" order by t.sort_at desc, t.id desc limit {IN_COLUMN + 1}"
    )
    found = _read(viewer, selection.object_type, page, [*params, stage_id, viewer.account_id, after], props)
    return _cut(found, IN_COLUMN)


def _read(
    viewer: Viewer, object_type: str, page: str, params: Sequence[Any], props: Sequence[Property]
) -> list[Card]:
    editable = visible(viewer, object_type, Verb.EDIT)
    values, of_values = as_json(props)
    next_task = formulas.next_task(object_type, "t")
    query = _CARDS.format(found=page, table=table_of(object_type), values=values, next_task=next_task)
    found = sql.rows(query, [*of_values, *params, viewer.account_id])
    return [
        Card(*(*row, sql.loads(told), editable.allows(owner_id, team_ids)))
        for *row, told, owner_id, team_ids in found
    ]


def _cut(found: list[Card], limit: int) -> tuple[list[Card], int | None]:
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def counts(viewer: Viewer, selection: Selection, stage_ids: Sequence[int]) -> dict[int, int]:
    """How many records stand in each status, none counted past CAP."""
    text, params = where(viewer, selection)
    found = sql.rows(
        f"select s.stage_id, (select count(*) from (select 1 from {table_of(selection.object_type)} t"
        f" where {text} and t.stage_id = s.stage_id limit {CAP}) n) from unnest(%s::bigint[]) s(stage_id)",
        [*params, list(stage_ids)],
    )
    return dict(found)
