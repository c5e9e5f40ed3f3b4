"""Contacts and companies as lists: everything, one's own, nobody's, what was put away; found by words, read by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Verb, Viewer
from deskhand.crm.records import words
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.records.tables import model_of, table_of
from deskhand.kernel import places
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 50
CAP = 1000  # a counter stops here
BROAD = 5000  # records of one word that a search goes through
KINDS = ("contact", "company")


class List(StrEnum):
    ALL = "all"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    ARCHIVED = "archived"


class Sort(StrEnum):
    NAME = "name"
    NAME_BACK = "name-back"
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True)
class Row:
    """A contact or a company in a list. `address` is its e-mail address, or its domain."""

    id: int
    name: str
    address: str
    owner_id: int | None
    company_id: int | None  # of contacts: the primary one
    company: str
    sort_key: str
    created_at: datetime
    archived_at: datetime | None

    @property
    def title(self) -> str:
        return self.name or self.address


@dataclass(frozen=True)
class Page:
    rows: tuple[Row, ...]
    following: str = ""  # where the next page begins; "" at the end


_WHERE = {
    List.ALL: "r.archived_at is null",
    List.MINE: "r.archived_at is null and r.owner_id = %(me)s",
    List.UNASSIGNED: "r.archived_at is null and r.owner_id is null",
    List.ARCHIVED: "r.archived_at is not null and r.merged_into_id is null",
}
_ORDER = {
    Sort.NAME: ("sort_key", ">", "asc"),
    Sort.NAME_BACK: ("sort_key", "<", "desc"),
    Sort.NEWEST: ("created_at", "<", "desc"),
    Sort.OLDEST: ("created_at", ">", "asc"),
}
_COLUMNS = {
    "contact": ("r.email", "r.company_id", "coalesce(f.name, '')",
                "left join crm_company f on f.account_id = r.account_id and f.id = r.company_id and f.archived_at is null and {company}"),
    "company": ("r.domain", "null", "''", ""),
}  # fmt: skip


def rows(
    viewer: Viewer, object_type: str, which: List = List.ALL, *, text: str = "", sort: Sort = Sort.NAME,
    after: str = "", limit: int = PAGE, without: Sequence[int] = (),
) -> Page:  # fmt: skip
    """One page of what the viewer may see. Raises NotFound for a place that is none of ours."""
    column, beyond, direction = _ORDER[sort]
    where, params = _condition(viewer, object_type, which, text)
    if after:
        value, record_id = position(after, sort)
        where += f" and (r.{column}, r.id) {beyond} (%(value)s, %(after)s)"
        params |= {"value": value, "after": record_id}
    if without:
        where += " and r.id <> all(%(without)s)"
        params["without"] = list(without)
    address, company_id, company, join = _COLUMNS[object_type]
    company_seen, company_params = sql.named(visible(viewer, "company").sql("f"), "company")
    found = [
        Row(*row)
        for row in sql.rows(
            f"select r.id, r.name, {address}, r.owner_id, {company_id}, {company}, r.sort_key, r.created_at, r.archived_at"
            f" from (select r.* from {table_of(object_type)} r where {where} order by r.{column} {direction}, r.id {direction}"
            f" limit {int(limit) + 1}) r {join.format(company=company_seen)} order by r.{column} {direction}, r.id {direction}",
            params | company_params,
        )
    ]
    more = len(found) > limit
    return Page(tuple(found[:limit]), place(found[limit - 1], sort) if more else "")


def count(viewer: Viewer, object_type: str, which: List = List.ALL, *, text: str = "") -> int:
    """How many there are; CAP stands for as many or more."""
    where, params = _condition(viewer, object_type, which, text)
    found = sql.row(
        f"select count(*) from (select 1 from {table_of(object_type)} r where {where} limit {CAP}) x", params
    )
    assert found is not None
    return int(found[0])


def find(
    viewer: Viewer, object_type: str, text: str, *, limit: int = 8, without: Sequence[int] = ()
) -> tuple[Row, ...]:
    """Those whose words begin as all of these do, by name; for pickers and the search. Nothing for no words."""
    if not words.terms_of(text):
        return ()
    return rows(viewer, object_type, text=text, limit=limit, without=without).rows


def _condition(viewer: Viewer, object_type: str, which: List, text: str) -> tuple[str, dict[str, Any]]:
    seen, params = sql.named(visible(viewer, object_type).sql("r"), "seen")
    where = f"r.account_id = %(account)s and {_WHERE[which]} and {seen}"
    params |= {"account": viewer.account_id, "me": viewer.user_id, "type": object_type}
    is_everything = which is List.ALL and visible(viewer, object_type).reach is Reach.ALL
    terms = _rarest_first(viewer.account_id, object_type, words.terms_of(text))
    for number, (first, end, is_broad) in enumerate(terms):
        enough = _ENOUGH if is_everything and is_broad and number == 0 and len(terms) == 1 else ""
        where += (
            f" and r.id = any(array({_WORDS.format(n=number)}{enough}))"
            if number == 0
            else f" and r.id in ({_WORDS.format(n=number)})"
        )
        params |= {f"first{number}": first, f"end{number}": end}
    if text.strip() and not words.terms_of(text):
        where += " and false"
    return where, params


_WORDS = """select w.record_id from crm_recordword w where w.account_id = %(account)s and w.object_type = %(type)s
    and w.word ~>=~ %(first{n})s and w.word ~<~ %(end{n})s"""
#: Of a word that thousands have, the list shows the first ones by that word: whoever looks further says more.
_ENOUGH = f" order by w.word using ~<~, w.record_id limit {BROAD}"
_COUNTS = """
select (select count(*) from (select 1 from crm_recordword w where w.account_id = %(account)s and w.object_type = %(type)s
    and w.word ~>=~ x.first and w.word ~<~ x.after limit %(broad)s) y)
from unnest(%(firsts)s::text[], %(ends)s::text[]) with ordinality x(first, after, place) order by x.place
"""


def _rarest_first(
    account_id: int, object_type: str, terms: Sequence[tuple[str, str]]
) -> list[tuple[str, str, bool]]:
    """The terms by how many words begin so, and whether those are BROAD or more. One query, none for none."""
    if not terms:
        return []
    firsts, ends = zip(*terms, strict=True)
    params = {
        "account": account_id,
        "type": object_type,
        "broad": BROAD,
        "firsts": list(firsts),
        "ends": list(ends),
    }
    counts = [found[0] for found in sql.rows(_COUNTS, params)]
    return [
        (first, end, count >= BROAD)
        for count, (first, end) in sorted(zip(counts, terms, strict=True), key=lambda one: one[0])
    ]


# ── places in a list ─────────────────────────────────────────────────────────────────────────────────────────────────


def place(row: Row, sort: Sort) -> str:
    """Where the page after this row begins; right also when rows come and go."""
    if sort in (Sort.NAME, Sort.NAME_BACK):
        return f"{row.id}-{row.sort_key}"
    return f"{row.id}-{places.written(row.created_at)}"


def position(text: str, sort: Sort) -> tuple[Any, int]:
    """Raises NotFound for a place that is none of ours."""
    number, _dash, value = text.partition("-")
    record_id = whole(number)
    if record_id is None or "\x00" in value:
        raise NotFound(_("There is no such page."))
    if sort in (Sort.NAME, Sort.NAME_BACK):
        return value, record_id
    moment = places.moment_of(value)
    if moment is None:
        raise NotFound(_("There is no such page."))
    return moment, record_id


# ── one record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def get(viewer: Viewer, object_type: str, record_id: int, verb: Verb = Verb.VIEW) -> Contact | Company:
    """A contact or company by id, archived ones too. Raises NotFound for what the viewer may not see (or do that with).

    What became part of another record is that one (R-MERGE-6): the caller compares the ids.
    """
    model = model_of(object_type)
    survivor = survivors(object_type, [record_id]).get(record_id, record_id)
    found = model._default_manager.filter(
        visible(viewer, object_type, verb).q(), account_id=viewer.account_id, pk=survivor
    ).first()
    if not isinstance(found, Contact | Company):
        raise NotFound(_("There is nothing at this address."))
    return found


def survivors(object_type: str, record_ids: Sequence[int]) -> dict[int, int]:
    """{id: what it is part of now} of the ids that were merged away, however often (R-MERGE-6). One query."""
    return dict(
        sql.rows(
            _SURVIVORS.format(table=table_of(object_type)),
            {"account": current_account_id(), "ids": list(record_ids)},
        )
    )


_SURVIVORS = """
with recursive away as (
    select id as asked, merged_into_id as into_id from {table} where account_id = %(account)s and id = any(%(ids)s) and merged_into_id is not null
    union
    select away.asked, r.merged_into_id from away join {table} r on r.account_id = %(account)s and r.id = away.into_id
    where r.merged_into_id is not null
)
select away.asked, away.into_id from away join {table} r on r.account_id = %(account)s and r.id = away.into_id
where r.merged_into_id is null
"""
