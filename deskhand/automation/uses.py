"""What workflows ask for: which of them name a segment, a label, a status, a task queue or another workflow, in
conditions or in actions (R-EDIT-9, R-PIPE-10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from deskhand.automation import triggers
from deskhand.automation.models import Workflow
from deskhand.crm.schema import clock_names
from deskhand.crm.segments.segments import Use
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.text import N_
from deskhand.kernel.timers import DueTimer

NAMES_GONE = N_("It names a status, a pipeline or a task queue that was deleted.")
STAGE_GONE = "Its status was deleted."  # of a lane
LOOK = "automation.look"  # a timer, for each workflow whose runs may keep what names it
LOOK_EVERY = timedelta(minutes=10)


def _definitions(of: str = "") -> str:
    """How a query begins that asks all definitions of an %(account)s, or `of` some of its workflows: what runs, also older
    revisions that runs keep, and what people are working on beside it."""
    which = f"where w.account_id = %(account)s and w.archived_at is null {of}"
    return f"""
with definitions as (
    select w.id, w.name, r.definition from automation_workflow w
    join automation_workflowrevision r on r.workflow_id = w.id and r.account_id = w.account_id and r.number = w.revision_number
    {which}
    union all
    select w.id, w.name, r.definition from automation_workflow w
    join automation_workflowrevision r on r.workflow_id = w.id and r.account_id = w.account_id and r.number <> w.revision_number
    {which} and w.is_pinned and exists (
        select from automation_enrollment e where e.account_id = w.account_id and e.workflow_id = w.id
        and e.revision_number = r.number and e.state <> 'ENDED')
    union all
    select w.id, w.name, v.definition from automation_workflow w
    join automation_workflowdraft d on d.workflow_id = w.id and d.account_id = w.account_id
    join automation_draftversion v on v.workflow_id = w.id and v.account_id = w.account_id and v.number = d.version
    {which}
)"""


DEFINITIONS = _definitions()


def segments(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{segment: the workflows that name it, those that are off too: they may be switched on}. One query."""
    return _found(_SEGMENTS, account_id, segment_ids)


def workflows(account_id: int, workflow_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{workflow: the others that put records into it, take them out, or ask whether they are in it}. One query."""
    found = _found(_WORKFLOWS, account_id, workflow_ids)
    return {pk: others for pk, uses in found.items() if (others := [use for use in uses if use.id != pk])}


def writing_from(account_id: int, names: Sequence[str]) -> list[int]:
    """The workflows that are on and send from one of these accounts of ours, as steps name them. One query."""
    rows = sql.rows(_WRITING, {"account": account_id, "names": list(names)})
    return [workflow_id for (workflow_id,) in rows]


def labels(account_id: int, numbers: Sequence[int]) -> dict[int, list[Use]]:
    """{association label: the workflows that name it}. One query."""
    return _found(_LABELS, account_id, numbers)


def task_queues(account_id: int, queue_ids: Collection[int]) -> dict[int, list[Use]]:
    """{task queue: the workflows, lanes too, with steps that put tasks into it (R-WFA-8)}. One query."""
    return _found(_TASK_QUEUES, account_id, queue_ids)


def object_types(account_id: int, object_type: str) -> list[Use]:
    """The workflows about such records, lanes too, and those that look at linked ones, make or change them. One query."""
    rows = sql.rows(_OBJECT_TYPES, {"account": account_id, "type": object_type})
    return [Use("workflow", workflow_id, name) for workflow_id, name in rows]


def stages(account_id: int, stage_ids: Collection[int]) -> dict[int, list[Use]]:
    """{status: the workflows that look at it, or put records into it; lanes name their own}. One query."""
    return _found(_STAGES, account_id, stage_ids)


def pipelines(account_id: int, pipeline_ids: Collection[int]) -> dict[int, list[Use]]:
    """{pipeline: the workflows that look at it}. One query."""
    return _found(_PIPELINES, account_id, pipeline_ids)


def let_go_of(
    account_id: int,
    stage_ids: Collection[int] = (),
    pipeline_ids: Collection[int] = (),
    queue_ids: Collection[int] = (),
) -> None:
    """The workflows that name deleted statuses, pipelines or task queues ask for a look, and do what else they do
    (R-PIPE-10, R-WFA-8)."""
    asked = ((stages, stage_ids), (pipelines, pipeline_ids), (task_queues, queue_ids))
    naming = {use.id for find, ids in asked for uses in find(account_id, ids).values() for use in uses}
    if naming:
        marked = Workflow.objects.filter(account_id=account_id, pk__in=naming)
        marked.update(needs_review=NAMES_GONE)
        _look_again(account_id, list(marked.filter(is_pinned=True).values_list("pk", flat=True)))


def reason_to_look(workflow: Workflow) -> str:
    """Why it asks for a look as it stands: it is the lane of a status, or names one, a pipeline or a task queue, that was
    deleted. One query (R-PIPE-10)."""
    facts = {"account": workflow.account_id, "workflow": workflow.pk, "lane_of": workflow.origin_stage_id}
    found = sql.row(_NAMES_GONE, facts)
    assert found is not None
    is_lane_of_gone, names_gone = found
    return STAGE_GONE if is_lane_of_gone else NAMES_GONE if names_gone else ""


def ask_for_a_look(workflow: Workflow) -> None:
    """Somebody saw to it: what was wrong is well, but for what it still names that is gone (R-LOG-7, R-PIPE-10)."""
    _mark(workflow, reason_to_look(workflow))


def recheck(workflow: Workflow) -> None:
    """What it names may have changed: it asks for a look because of that, or does so no more."""
    if workflow.needs_review in ("", NAMES_GONE, STAGE_GONE):
        _mark(workflow, reason_to_look(workflow))


def look_again(account_id: int, due: Sequence[DueTimer]) -> None:
    """A timer's: the mark goes when the last run is over that kept an older revision. Until then it comes again, as nobody
    else would look: a run ends without asking what its revision names. Safe to repeat."""
    found = Workflow.objects.select_for_update().filter(
        account_id=account_id, pk__in=[int(one.key) for one in due], is_pinned=True, archived_at=None, needs_review=NAMES_GONE
    )  # fmt: skip
    for workflow in found.order_by("id"):
        recheck(workflow)


def _mark(workflow: Workflow, why: str) -> None:
    if workflow.needs_review != why:
        workflow.needs_review = why
        workflow.save(update_fields=["needs_review"])
    if why == NAMES_GONE and workflow.is_pinned:
        _look_again(workflow.account_id, [workflow.pk])


def _look_again(account_id: int, workflow_ids: Collection[int]) -> None:
    if workflow_ids:
        keys = [str(pk) for pk in sorted(workflow_ids)]
        timers.set_timers(account_id, LOOK, keys, clock.now() + LOOK_EVERY)


def _found(query: str, account_id: int, ids: Collection[int]) -> dict[int, list[Use]]:
    found: dict[int, list[Use]] = {}
    if not ids:
        return found
    for named, workflow_id, name in sql.rows(query, {"account": account_id, "ids": [str(pk) for pk in ids]}):
        found.setdefault(named, []).append(Use("workflow", workflow_id, name))
    return found


_NAMED = f"{DEFINITIONS}, named as ("
_DISTINCT = """
)
select distinct (named #>> '{}')::bigint as named_id, id, name from named
where (named #>> '{}') = any(%(ids)s::text[]) order by 1, 3, 2
"""
_SEGMENTS = f"""{_NAMED}
    select id, name, jsonb_path_query(definition, 'strict $.** ? (exists(@.member_of)) ? (@.member_of == "segment").ids[*]') as named from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.leaving.segments[*]') from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.steps[*] ? (@.kind starts with "add_to_segment" || @.kind starts with "remove_from_segment").settings.segment') from definitions
{_DISTINCT}"""
_WORKFLOWS = f"""{_NAMED}
    select id, name, jsonb_path_query(definition, 'strict $.** ? (exists(@.member_of)) ? (@.member_of starts with "workflow").ids[*]') as named from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.steps[*].settings.workflow') from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.leaving.ends.workflows[*]') from definitions
{_DISTINCT}"""

_WRITING = f"""{DEFINITIONS}
select distinct d.id from definitions d join automation_workflow w on w.account_id = %(account)s and w.id = d.id and w.is_on
cross join jsonb_path_query(d.definition, 'lax $.steps[*].settings.from') named where (named #>> '{{}}') = any(%(names)s::text[])
"""
_LABELS = f"""{_NAMED}
    select id, name, jsonb_path_query(definition, 'strict $.** ? (exists(@.associated) && exists(@.type_id)).type_id') as named from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.steps[*].settings.labels[*]') from definitions
    union all
    select id, name, jsonb_path_query(definition, 'lax $.steps[*].settings.label') from definitions
    union all
    select id, name, to_jsonb(split_part(one #>> '{{}}', ':', 2)) from definitions
    cross join jsonb_path_query(definition, 'lax $.steps[*].settings.associate[*]') one
{_DISTINCT}"""


def _values_of(*properties: str) -> str:
    """The values that definitions give for one of these properties: in filters, also of what it was before, in branches by
    value, and in the settings of actions."""
    named = f'like_regex "^([a-z]+:)?({"|".join(properties)})$"'
    paths = (
        f"strict $.** ? (exists(@.operator) && exists(@.values) && @.property {named}).values[*]",
        f'strict $.** ? (@.type == "value_equals" && exists(@.cases) && @.of {named}).cases[*].value',
        f"lax $.steps[*].settings ? (@.property {named}).value",
        *(f"lax $.steps[*].settings.value_{name}" for name in properties),
    )
    return _each(*paths)


def _each(*paths: str) -> str:
    return " union all ".join(
        f"select id, name, jsonb_path_query(definition, '{path}') as named from definitions" for path in paths
    )


_OBJECT_TYPES = f"""{_NAMED} {_each(
    "lax $.object_type", "strict $.** ? (exists(@.associated)).associated",
    f'strict $.** ? (@.property == "{triggers.TO_TYPE}").values[*]',
    *(f"lax $.steps[*].settings.{name}" for name in ("record_type", "on", "target", "to")),
)}
    union all
    select id, name, to_jsonb(split_part(one #>> '{{}}', ':', 1)) from definitions
    cross join jsonb_path_query(definition, 'lax $.steps[*].settings.associate[*]') one
)
select distinct id, name from named where named #>> '{{}}' = %(type)s order by 2, 1
"""  # fmt: skip

#: The statuses in the names of clocks, wherever they stand: in filters, settings, texts.
_CLOCKS = f"""
select id, name, to_jsonb(clock[1]) from definitions
cross join regexp_matches(definition::text, '\\m(?:{"|".join(clock_names.SORTS)})_([0-9]+)\\M', 'g') clock"""
_OF_STAGES = (_values_of("hs_pipeline_stage", "dealstage"), _each("lax $.steps[*].settings.stage"), _CLOCKS)
_STAGES = f"{_NAMED} {' union all '.join(_OF_STAGES)} {_DISTINCT}"
_OF_PIPELINES = _values_of("hs_pipeline", "pipeline")
_PIPELINES = f"{_NAMED} {_OF_PIPELINES} {_DISTINCT}"
_OF_QUEUES = _each('lax $.steps[*] ? (@.kind == "create_task").settings.queue')
_TASK_QUEUES = f"{_NAMED} {_OF_QUEUES} {_DISTINCT}"


def _gone(of: str, there: str) -> str:
    """Whether the workflow names an id, which is digits, that is not among those that are there."""
    return f"""exists (
        select from ({of}) n(id, name, named) where n.named #>> '{{}}' ~ '^[0-9]+$' and n.named #>> '{{}}' not in ({there}))"""


_STAGES_THERE = """
    select s.id::text from crm_stage s join crm_pipeline p on p.account_id = s.account_id and p.id = s.pipeline_id
    where s.account_id = %(account)s and p.archived_at is null"""
_PIPELINES_THERE = "select id::text from crm_pipeline where account_id = %(account)s and archived_at is null"
_QUEUES_THERE = "select id::text from crm_taskqueue where account_id = %(account)s and archived_at is null"
_NAMES_GONE = f"""{_definitions("and w.id = %(workflow)s")}
select coalesce(%(lane_of)s::bigint::text not in ({_STAGES_THERE}), false),
    {_gone(" union all ".join(_OF_STAGES), _STAGES_THERE)} or {_gone(_OF_PIPELINES, _PIPELINES_THERE)}
    or {_gone(_OF_QUEUES, _QUEUES_THERE)}
"""
