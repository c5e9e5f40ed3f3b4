"""Tags that follow rules: put on tickets that meet them, taken off those that do no longer (R-BOARD-3).

A look compares what the rules find with what the tickets wear, so it is safe to repeat and mends what came about otherwise.
Deleted tickets and spam stay as they are until they are back. The rules are held by who calls (`membership.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import Sql, to_sql
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.records import store
from deskhand.crm.records.store import TAG_RULE, Change
from deskhand.crm.records.tables import tables_of
from deskhand.crm.schema.tags import TAGS, tags
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments.members import Why
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql

_UTC = ZoneInfo("UTC")  # no moment is asked for
#: How history calls what changed by no person's doing (R-DM-13).
SOURCE = "CALCULATED"


@dataclass(frozen=True)
class Look:
    """One rule's look. `fitting` finds the tickets that meet it, among `ids` or, with None, among all."""

    tag: str
    fitting: Sql  # of (rule id, ticket id)
    ids: Collection[int] | None = None
    why: Why = field(default_factory=Why)


def follow(account_id: int, looks: Sequence[Look], at: datetime, *, limit: int | None = None) -> int:
    """Bring the tags in line with what the rules find; returns how many tags were put on or taken off.

    Tags that are retired, or not there, rest. A handful of statements for any number of rules and tickets; `limit` is of tickets
    each way, for a look at all.
    """
    worn = {one.value for one in tags() if not one.is_hidden}
    looks = [look for look in looks if look.tag in worn]
    wrong = _differing(account_id, looks, at, limit)
    if not wrong:
        return 0
    by_tag = {look.tag: look.why for look in looks}
    now = _worn(account_id, wrong)
    changes, count = [], 0
    for ticket_id, wears in now.items():
        off = {tag for tag, is_on in wrong[ticket_id].items() if not is_on}
        on = [tag for tag, is_on in wrong[ticket_id].items() if is_on and tag not in wears]
        why = max((by_tag[tag] for tag in wrong[ticket_id]), key=lambda one: one.depth)
        value = [*(tag for tag in wears if tag not in off), *on]
        if value == wears:
            continue
        count += len(on) + len(off.intersection(wears))
        depth = why.depth + (why.cause is not None)
        changes.append(Change(ticket_id, {TAGS: value}, rule=TAG_RULE, cause=why.cause, depth=depth))
    store.change_many("ticket", changes, by=SYSTEM, source=SOURCE, at=at)
    return count


def _differing(
    account_id: int, looks: Sequence[Look], at: datetime, limit: int | None
) -> dict[int, dict[str, bool]]:
    """{ticket: {tag: whether it lacks the tag, or wears it and shouldn't}}. One query."""
    parts: list[str] = []
    params: list[object] = []
    for look in looks:
        wearing = _wearing(account_id, look, at)
        for sign, one, other in (("true", look.fitting, wearing), ("false", wearing, look.fitting)):
            capped = "" if limit is None else f" order by 1 limit {int(limit)}"
            parts.append(
                f"(select %s::text, {sign}, d.id from (select f.id from ({one.text}) f(rule, id) except"
                f" select f.id from ({other.text}) f(rule, id){capped}) d)"
            )
            params += [look.tag, *one.params, *other.params]
    found: dict[int, dict[str, bool]] = defaultdict(dict)
    for tag, is_lacking, ticket_id in sql.rows(" union all ".join(parts), params) if parts else ():
        found[ticket_id][tag] = is_lacking
    return found


def _wearing(account_id: int, look: Look, at: datetime) -> Sql:
    """The tickets that wear the tag and are neither deleted nor spam."""
    source = SchemaSource(tables_of(account_id), "ticket", "t")
    asked = Filter(TAGS, Kind.MULTI, Operator.ANY_OF, (look.tag,))
    wears = to_sql(asked, source, now=at, zone=_UTC)
    among = Sql("") if look.ids is None else Sql(" and t.id = any(%s::bigint[])", (sorted(look.ids),))
    return Sql(
        f"select 0::bigint, t.id from crm_ticket t where t.account_id = %s and t.archived_at is null and not t.is_spam"
        f" and {wears.text}{among.text}",
        (account_id, *wears.params, *among.params),
    )


def _worn(account_id: int, ticket_ids: Mapping[int, object]) -> dict[int, list[str]]:
    """The tags of these tickets, which are locked in the order of their ids."""
    return {
        ticket_id: sql.loads(worn)
        for ticket_id, worn in sql.rows(_WORN, [TAGS, account_id, sorted(ticket_ids)])
    }


_WORN = """
select id, coalesce(properties -> %s, '[]') from crm_ticket where account_id = %s and id = any(%s) order by id for no key update
"""
