"""Who is in which segment. Sets of records join and leave at once, with one event a set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.segments.looks import SEGMENT
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import find
from deskhand.events import log
from deskhand.events.types import SYSTEM, Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

JOINED, LEFT = "segment.joined", "segment.left"
#: Records that one event names.
A_TIME = 1000


@dataclass(frozen=True)
class Why:
    """Who or what moves records in or out, for the event."""

    by: Actor = SYSTEM
    cause: Cause | None = None
    depth: int = 0


@dataclass
class Moved:
    """Which records came into one segment, and which left it."""

    object_type: str
    why: Why = Why()
    joined: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


def add(
    segment_id: int, record_ids: Collection[int], *, by: Actor, of: str = "", at: datetime | None = None, cause: Cause | None = None,
    depth: int = 0,
) -> list[int]:  # fmt: skip
    """Put records of the segment's kind into it; who calls has seen that they are there. Returns those that are new.

    Raises NotFound, and Invalid for a segment by filter, or of other records than `of`. Four statements for any number of records.
    """
    segment = find(segment_id, lock=True)
    require_fillable(segment, of)
    at = at or clock.now()
    found = sql.rows(
        _ADD, [segment.account_id, segment_id, segment.object_type, at, by.kind.value, by.id, sorted(set(record_ids))]
    )  # fmt: skip
    new = sorted(record_id for (record_id,) in found)
    settle({segment_id: Moved(segment.object_type, Why(by, cause, depth), joined=new)}, at)
    return new


def remove(
    segment_id: int, record_ids: Collection[int], *, by: Actor, of: str = "", at: datetime | None = None, cause: Cause | None = None,
    depth: int = 0,
) -> list[int]:  # fmt: skip
    """Take records out of it; returns those that were in. As `add`."""
    segment = find(segment_id, lock=True)
    require_fillable(segment, of)
    found = sql.rows(_REMOVE, [segment.account_id, segment_id, sorted(set(record_ids))])
    gone = sorted(record_id for (record_id,) in found)
    moved = Moved(segment.object_type, Why(by, cause, depth), left=gone)
    settle({segment_id: moved}, at or clock.now())
    return gone


_ADD = """
insert into crm_segmentmember (account_id, segment_id, object_type, since, by_kind, by_id, record_id)
select %s, %s, %s, %s::timestamptz, %s, %s::bigint, x.id from unnest(%s::bigint[]) x(id) order by x.id
on conflict do nothing returning record_id
"""
_REMOVE = """
delete from crm_segmentmember where account_id = %s and segment_id = %s and record_id = any(%s) returning record_id
"""


def require_fillable(segment: Segment, object_type: str = "") -> None:
    """Raises Invalid for a segment by filter, and for one of other records than these."""
    if segment.kind != SegmentKind.STATIC:
        raise Invalid(
            _("Who is in this segment follows from its filters."),
            field="segment",
            value=segment.pk,
            hint=_("Choose a segment that is filled by hand."),
        )
    if object_type not in ("", segment.object_type):
        raise Invalid(
            _("This segment has records of another kind."),
            field="segment",
            value=segment.pk,
            hint=_("Choose a segment of these records."),
        )


def settle(moved: Mapping[int, Moved], at: datetime) -> None:
    """Keep the sizes and tell of who came and went. The segments are held. Two statements for any number of them."""
    changed = {segment_id: one for segment_id, one in moved.items() if one.joined or one.left}
    if not changed:
        return
    sql.execute(
        _RESIZE,
        [list(changed), [len(one.joined) - len(one.left) for one in changed.values()], current_account_id()],
    )
    log.record_many(
        [
            NewEvent(
                kind, SEGMENT, segment_id, 0, one.why.by, at,
                {"object_type": one.object_type, "record_ids": ids[start : start + A_TIME]}, one.why.cause, one.why.depth,
            )
            for segment_id, one in sorted(changed.items())
            for kind, ids in ((LEFT, one.left), (JOINED, one.joined))
            for start in range(0, len(ids), A_TIME)
        ]
    )  # fmt: skip


_RESIZE = """
update crm_segment s set size = greatest(0, s.size + x.by) from unnest(%s::bigint[], %s::int[]) x(id, by)
where s.account_id = %s and s.id = x.id and x.by <> 0
"""


def of_records(object_type: str, record_ids: Sequence[int]) -> dict[int, set[int]]:
    """{record: its segments}, of those that have any. One query."""
    found: dict[int, set[int]] = {}
    for record_id, segment_id in sql.rows(_OF_RECORDS, [current_account_id(), object_type, list(record_ids)]):
        found.setdefault(record_id, set()).add(segment_id)
    return found


_OF_RECORDS = """
select record_id, segment_id from crm_segmentmember where account_id = %s and object_type = %s and record_id = any(%s)
"""
