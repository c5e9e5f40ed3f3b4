"""Segments as people look at them: their members within reach, how many, and why one is in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import Condition
from deskhand.crm.records import contacts
from deskhand.crm.records.tables import of_this_type, table_of, tables_of
from deskhand.crm.segments.models import Segment, SegmentMember
from deskhand.kernel.database import sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole

PAGE = 50
MOST = 1000  # addresses in one go
#: What a record is called, and what tells it from others of that name.
_WORDS = {
    "ticket": ("t.subject", "'#' || t.number"),
    "contact": ("coalesce(nullif(t.name, ''), t.email)", "t.email"),
    "company": ("t.name", "t.domain"),
}
_NAMED = ("t.name", "''")


@dataclass(frozen=True)
class Member:
    id: int
    name: str
    address: str
    since: datetime | None
    by_kind: str = ""
    by_id: int | None = None


@dataclass(frozen=True)
class Page:
    rows: tuple[Member, ...]
    following: str = ""  # where the next page begins


def members(viewer: Viewer, segment: Segment, *, text: str = "", after: str = "", limit: int = PAGE) -> Page:
    """Those that the viewer may see, the newest records first. Raises NotFound for a place that is none of ours."""
    return _page(
        viewer, segment, text, after, limit,
        "crm_segmentmember m join {table} t on t.account_id = m.account_id and t.id = m.record_id",
        "m.account_id = %s and m.segment_id = %s", "m.since, m.by_kind, m.by_id", "m.record_id",
    )  # fmt: skip


def others(viewer: Viewer, segment: Segment, *, text: str, limit: int = PAGE) -> Page:
    """Records of its kind that are not in it, and fit the text."""
    return _page(
        viewer, segment, text, "", limit, "{table} t",
        "t.account_id = %s and not exists (select from crm_segmentmember m where m.account_id = t.account_id and m.segment_id = %s and m.record_id = t.id)",
        "null, '', null", "t.id",
    )  # fmt: skip


def _page(
    viewer: Viewer, segment: Segment, text: str, after: str, limit: int, source: str, condition: str, columns: str, key: str
) -> Page:  # fmt: skip
    object_type = segment.object_type
    name, address = _WORDS.get(object_type, _NAMED)
    reach, params = visible(viewer, object_type).sql("t")
    where = f"{condition} and t.archived_at is null and {of_this_type(object_type)} and {reach}"
    params = [segment.account_id, segment.pk, *params]
    if after:
        place = whole(after)
        if place is None:
            raise NotFound(_("There is no such page."))
        where += f" and {key} < %s"
        params.append(place)
    for word in text.split()[:5]:
        where += f" and strpos(lower({name} || ' ' || {address}), lower(%s)) > 0"
        params.append(word)
    found = sql.rows(
        f"select t.id, {name}, {address}, {columns} from {source.format(table=table_of(object_type))} where {where}"
        f" order by {key} desc limit {int(limit) + 1}",
        params,
    )
    rows = tuple(Member(*row) for row in found)
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else "")


def sizes(viewer: Viewer, segments: Sequence[Segment]) -> dict[int, int]:
    """How many members of each the viewer may see; a query for each kind of record that they don't see all of."""
    found = {one.pk: one.size for one in segments if visible(viewer, one.object_type).reach is Reach.ALL}
    for object_type in {one.object_type for one in segments if one.pk not in found}:
        ids = [one.pk for one in segments if one.object_type == object_type]
        reach, params = visible(viewer, object_type).sql("t")
        counted = sql.rows(
            f"select m.segment_id, count(*) from crm_segmentmember m join {table_of(object_type)} t on t.account_id = m.account_id"
            f" and t.id = m.record_id where m.account_id = %s and m.segment_id = any(%s) and t.archived_at is null and {reach} group by 1",
            [viewer.account_id, ids, *params],
        )
        found |= dict.fromkeys(ids, 0) | dict(counted)
    return found


def in_reach(viewer: Viewer, object_type: str, record_ids: Collection[int]) -> list[int]:
    """Those of these records that are there and that the viewer may see."""
    reach, params = visible(viewer, object_type).sql("t")
    found = sql.rows(
        f"select t.id from {table_of(object_type)} t where t.account_id = %s and t.id = any(%s) and t.archived_at is null"
        f" and {of_this_type(object_type)} and {reach} order by t.id",
        [viewer.account_id, sorted(set(record_ids)), *params],
    )
    return [record_id for (record_id,) in found]


def of_addresses(viewer: Viewer, addresses: Sequence[str]) -> tuple[list[int], list[str]]:
    """Contacts by their e-mail addresses, and the addresses that are nobody's whom the viewer may see."""
    known = contacts.ids_of(list(addresses))
    seen = set(in_reach(viewer, "contact", list(known.values())))
    return sorted(seen), [one for one in addresses if known.get(one) not in seen]


def of_record(object_type: str, account_id: int, record_id: int) -> list[SegmentMember]:
    """The segments that a record is in, by name."""
    found = SegmentMember.objects.select_related("segment").filter(
        account_id=account_id, object_type=object_type, record_id=record_id, segment__archived_at=None
    )
    return list(found.order_by("segment__name"))


def member(viewer: Viewer, segment: Segment, record_id: int) -> Member:
    """Raises NotFound for a record that is not in it, or that the viewer may not see."""
    found = [] if record_id < 1 else members(viewer, segment, after=str(record_id + 1), limit=1).rows
    if not found or found[0].id != record_id:
        raise NotFound(_("It is not in this segment."))
    return found[0]


def which_hold(
    segment: Segment, parts: Sequence[Condition], record_id: int, at: datetime, zone: ZoneInfo
) -> list[bool]:
    """Which of these conditions a record meets now. One query. Raises Invalid for what can't be asked."""
    source = SchemaSource(tables_of(segment.account_id), segment.object_type, "t")
    asked = [to_sql(part, source, now=at, zone=zone) for part in parts]
    found = sql.row(
        f"select {', '.join(f'({one.text}) is true' for one in asked)} from {table_of(segment.object_type)} t"
        " where t.account_id = %s and t.id = %s",
        [*(param for one in asked for param in one.params), segment.account_id, record_id],
    )
    return list(found) if found else [False] * len(asked)
