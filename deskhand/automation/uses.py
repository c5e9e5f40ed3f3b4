"""What workflows ask for: which of them name a segment, in conditions, among those kept out, or in actions (R-EDIT-9)."""

from __future__ import annotations

from collections.abc import Sequence

from deskhand.crm.segments.segments import Use
from deskhand.kernel.database import sql


def segments(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{segment: the workflows that name it}, those that are off too: they may be switched on. One query."""
    found: dict[int, list[Use]] = {}
    for segment_id, workflow_id, name in sql.rows(_SEGMENTS, [account_id, [str(pk) for pk in segment_ids]]):
        found.setdefault(segment_id, []).append(Use("workflow", workflow_id, name))
    return found


# The revision that runs, and what people are working on beside it.
_SEGMENTS = """
with definitions as (
    select w.id, w.name, r.definition from automation_workflow w
    join automation_workflowrevision r on r.workflow_id = w.id and r.account_id = w.account_id and r.number = w.revision_number
    where w.account_id = %s and w.archived_at is null
    union all
    select w.id, w.name, v.definition from automation_workflow w
    join automation_workflowdraft d on d.workflow_id = w.id and d.account_id = w.account_id
    join automation_draftversion v on v.workflow_id = w.id and v.account_id = w.account_id and v.number = d.version
    where w.archived_at is null
), named as (
    select id, name, jsonb_path_query(definition, 'strict $.** ? (exists(@.member_of)) ? (@.member_of == "segment").ids[*]') as segment from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.leaving.segments[*]') from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.steps[*] ? (@.kind starts with "add_to_segment" || @.kind starts with "remove_from_segment").settings.segment') from definitions
)
select distinct (segment #>> '{}')::bigint as segment_id, id, name from named
where (segment #>> '{}') = any(%s::text[]) order by 1, 3, 2
"""
