"""The one way records change: a set at a time, locked in id order, with history, clocks and one event each.

`change_many` serves every kind of record. A move through a pipeline brings its close date, clocks and reopen date in
the same write (R-CLOSE-12), whoever causes it (R-CLOSE-10).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from deskhand.accounts.models import TeamMember
from deskhand.crm.pipelines.policy import dates_after_move
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import filterable, guard, unique, words
from deskhand.crm.records.agents import handed_to_people
from deskhand.crm.records.tables import TABLES, model_of, of_this_type, table_of
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.segments import tag_rules
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind, Cause, Event, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound

__all__ = [
    "TABLES", "Applied", "Change", "change", "change_many", "model_of", "refusals", "start_clocks", "table_of",
]  # fmt: skip

FILED = {"ticket", "deal", "project"}
#: The `rule` of changes that bring tags in line with their rules; no other change touches those tags (R-BOARD-3).
TAG_RULE = "tag_rule"

#: Who caused it, in the words of the history (R-DM-13).
SOURCES = {
    ActorKind.USER: "CRM_UI", ActorKind.WORKFLOW: "AUTOMATION_PLATFORM", ActorKind.ROUTING: "ROUTING",
    ActorKind.INTEGRATION: "INTEGRATION", ActorKind.VISITOR: "CONVERSATIONS", ActorKind.LLM: "AI", ActorKind.SYSTEM: "EMAIL_AUTOMATION",
}  # fmt: skip


class Change(NamedTuple):
    """New values for one record. `values` (by column, or by property name where there is no column) have history;
    `facts` are columns that only follow what happened (last message, counters)."""

    record_id: int
    values: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}
    #: Set only where the column is empty now; R-ROUTE-71 fills an empty owner and no other.
    only_if_empty: tuple[str, ...] = ()
    rule: str | None = None
    cause: Cause | None = None  # this record's own; else the set's
    depth: int | None = None  # likewise


class Applied(NamedTuple):
    """What a change came to: {property: (old, new)}, empty when nothing was new."""

    record_id: int
    version: int
    changes: Mapping[str, tuple[Any, Any]]
    event: Event | None


def change_many(
    object_type: str,
    changes: Sequence[Change],
    *,
    by: Actor,
    cause: Cause | None = None,
    depth: int = 0,
    source: str | None = None,
    at: datetime | None = None,
    refused: dict[int, Invalid] | None = None,
    are_new: bool = False,
) -> list[Applied]:
    """Apply `changes` in the open scope; one change a record. Records that are gone are left out of the answer.

    Raises Invalid, and changes nothing, where a rule of the pipeline forbids one of the moves (R-RULE-12), or a value is
    another record's that only one may have (decision 0016); given `refused`, the latter are left out and told there.
    `rule` names what caused a move; only those that a person chose are bound by rules (R-RULE-9). What records are given
    while they are made (`are_new`) is no history (decision 0003).
    """
    if not changes:
        return []
    at = at or clock.now()
    before = _lock(object_type, [change.record_id for change in changes], _needed(object_type, changes, by))
    for refusal in guard.refusals(object_type, changes, before, by).values():
        raise refusal
    _add_main_teams(object_type, changes, before)
    _add_automatic_tags(object_type, changes, before)
    drafts = [
        _Draft(object_type, change, before[change.record_id], at, by)
        for change in changes
        if change.record_id in before
    ]
    drafts = _claim_values(object_type, drafts, refused)
    _write_rows(object_type, drafts, at)
    filterable.follow(object_type, {draft.id: draft.custom for draft in drafts if draft.custom})
    words.follow(object_type, {draft.id: draft.after for draft in drafts if draft.is_renamed})
    _write_clocks(object_type, [draft for draft in drafts if draft.moved], at)
    events = _record_events(object_type, drafts, by, cause, depth, at)
    if not are_new:
        _write_history(object_type, drafts, events, by, source, at)
    return [Applied(draft.id, draft.version, draft.shown, events.get(draft.id)) for draft in drafts]


def refusals(object_type: str, changes: Sequence[Change], *, by: Actor) -> dict[int, Invalid]:
    """Why which of these records may not be moved so; the others can be changed without them (R-REQ-3)."""
    before = _lock(object_type, [change.record_id for change in changes], _needed(object_type, changes, by))
    return guard.refusals(object_type, changes, before, by)


def change(object_type: str, record_id: int, values: Mapping[str, Any], *, by: Actor, **more: Any) -> Applied:
    """Change one record. Raises NotFound when it is gone."""
    return the_one(
        object_type, record_id, change_many(object_type, [Change(record_id, values)], by=by, **more)
    )


def the_one(object_type: str, record_id: int, done: Sequence[Applied]) -> Applied:
    """What became of this record. Raises NotFound when it is gone."""
    if not done:
        raise NotFound(
            _("There is no %(object_type)s %(record_id)s.")
            % {"object_type": object_type, "record_id": record_id}
        )
    return done[0]


def foreseen(
    object_type: str, change: Change, stood: Mapping[str, Any], *, by: Actor, at: datetime, teams: Mapping[int, int]
) -> Mapping[str, tuple[Any, Any]]:  # fmt: skip
    """What the change would have come to at `at` for a record that stood like this then (all its columns): {property: (old,
    new)} as in the history. Nothing is read or written; `teams` are main teams by user, as `main_teams` tells them.
    """
    before, owner = dict(stood), change.values.get("owner_id")
    if owner is not None and owner in teams and "assigned_team_ids" not in change.values:
        before["_main_team"] = [teams[owner]]
    return _Draft(object_type, change, before, at, by).shown


# ── locking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


_ALWAYS = {"id", "version", "properties", "owner_id", "is_spam", "archived_at"}
_FOR_MOVES = {
    "pipeline_id",
    "stage_id",
    "stage_entered_at",
    "is_closed",
    "closed_at",
    "last_closed_at",
    "reopened_at",
    "is_spam",
}
_FOR_OWNERS = {"assigned_team_ids"}
_FOR_TICKET_OWNERS = {*_FOR_OWNERS, "owner_assigned_at", "assignment_method", "first_assigned_at", "ai_agent"}


def _needed(object_type: str, changes: Sequence[Change], by: Actor) -> list[str]:
    """The columns that the changes name or touch on their way; a whole record is four times as many."""
    wanted = set(_ALWAYS)
    for change in changes:
        wanted.update(change.values, change.facts, change.only_if_empty)
    if "stage_id" in wanted:
        wanted |= _FOR_MOVES | guard.columns(object_type, changes, by)
    if words.is_watched(object_type, wanted):
        wanted |= words.NEEDED[object_type]
    if any("owner_id" in change.values for change in changes):
        wanted |= _FOR_TICKET_OWNERS if object_type == "ticket" else _FOR_OWNERS
    return sorted(wanted & columns_of(model_of(object_type)).keys())


def _lock(object_type: str, record_ids: Iterable[int], names: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Lock the rows in id order and return these columns by id."""
    found = sql.rows(
        f"select {', '.join(names)} from {table_of(object_type)} t where account_id = %s and id = any(%s) and {of_this_type(object_type)} order by id for no key update",
        [current_account_id(), sorted(set(record_ids))],
    )
    locked = {}
    for row in found:
        values = dict(zip(names, row, strict=True))
        if isinstance(values["properties"], str):
            values["properties"] = sql.loads(values["properties"])
        locked[values["id"]] = values
    return locked


def _add_main_teams(object_type: str, changes: Sequence[Change], before: dict[int, dict[str, Any]]) -> None:
    """An assigned record takes its owner's main team (R-ROUTE-50); a removed owner leaves the team (R-ROUTE-51)."""
    owners = {
        change.values["owner_id"] for change in changes
        if change.values.get("owner_id") and "assigned_team_ids" not in change.values
    }  # fmt: skip
    main = main_teams(owners)
    for change in changes:
        owner = change.values.get("owner_id")
        if owner in main and "assigned_team_ids" not in change.values and change.record_id in before:
            before[change.record_id]["_main_team"] = [main[owner]]


def _add_automatic_tags(
    object_type: str, changes: Sequence[Change], before: dict[int, dict[str, Any]]
) -> None:
    """Which tags follow rules; whoever writes tags leaves those as they are."""
    if object_type != "ticket":
        return
    for change in changes:
        if TAGS in change.values and change.rule != TAG_RULE and change.record_id in before:
            before[change.record_id]["_automatic_tags"] = tag_rules.automatic()


def main_teams(owner_ids: Collection[int]) -> dict[int, int]:
    """{user: main team}, of those who have one."""
    if not owner_ids:
        return {}
    teams = TeamMember.objects.filter(account_id=current_account_id(), user_id__in=owner_ids, is_main=True)
    return dict(teams.values_list("user_id", "team_id"))


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Draft:
    """One record's change, worked out: the columns to write and the properties that really changed."""

    def __init__(
        self, object_type: str, change: Change, before: dict[str, Any], at: datetime, by: Actor
    ) -> None:
        self.id: int = change.record_id
        self.before = before
        self.rule, self.cause, self.depth = change.rule, change.cause, change.depth
        self.columns: dict[str, Any] = {}
        self.custom: dict[str, Any] = {}
        self.moved = False
        values = dict(change.values)
        for name in change.only_if_empty:
            if before.get(name) not in (None, "", []):
                values.pop(name, None)
                if name == "owner_id":
                    values.pop("assigned_team_ids", None)
                    values.pop("assignment_method", None)
        if object_type in FILED or "stage_id" in values:
            self._move(object_type, values, at)
        if "owner_id" in values and values["owner_id"] != before["owner_id"]:
            self._assign(object_type, values, at, by)
        if before.get("_automatic_tags") and TAGS in values:
            values[TAGS] = self._tags(values[TAGS] or [])
        for name, value in values.items():
            self._set(name, value)
        self.is_renamed = words.is_watched(object_type, (*self.columns, *self.custom))
        if self.is_renamed:
            self._rename(object_type)
        self.shown = self._shown(object_type)
        self.columns.update(
            {name: value for name, value in change.facts.items() if before.get(name) != value}
        )
        self.version: int = before["version"] + (1 if self.shown else 0)

    def _tags(self, given: Sequence[str]) -> list[str]:
        """What was given, but for the tags that follow rules: of those the record keeps the ones it wears."""
        automatic, worn = self.before["_automatic_tags"], self.before["properties"].get(TAGS) or []
        kept = [tag for tag in worn if tag in automatic and tag not in given]
        return [*(tag for tag in given if tag not in automatic or tag in worn), *kept]

    def _set(self, name: str, value: Any) -> None:
        if name in self.before:
            if self.before[name] != value:
                self.columns[name] = value
        elif self.before["properties"].get(name) != value:
            self.custom[name] = value

    def _rename(self, object_type: str) -> None:
        row = {**self.before, **self.columns}
        found = words.names(object_type, row)
        self.columns.update({name: value for name, value in found.items() if row[name] != value})

    @property
    def after(self) -> dict[str, Any]:
        return {**self.before, **self.columns, "properties": {**self.before["properties"], **self.custom}}

    def _move(self, object_type: str, values: dict[str, Any], at: datetime) -> None:
        stage_id = values.get("stage_id")
        if stage_id is None or stage_id == self.before["stage_id"]:
            values.pop("stage_id", None)
            values.pop("pipeline_id", None)
            return
        pipeline = pipelines_of(object_type).of_stage(stage_id)
        stage = pipeline.stage(stage_id)
        assert stage is not None
        self.moved = True
        values["pipeline_id"] = pipeline.id  # R-PIPE-11: both in one write
        dates = dates_after_move(
            was_open=not self.before["is_closed"],
            to=stage,
            pipeline=pipeline,
            closed_at=self.before["closed_at"],
            now=at,
        )
        if "closed_at" in values:
            dates.pop("closed_at", None)
        values.update(dates)
        self.columns["stage_entered_at"] = at
        values["is_closed"] = not stage.is_open

    def _assign(self, object_type: str, values: dict[str, Any], at: datetime, by: Actor) -> None:
        if "_main_team" in self.before:
            values.setdefault("assigned_team_ids", self.before["_main_team"])
        if object_type != "ticket":
            return
        values["owner_assigned_at"] = at if values["owner_id"] else self.before["owner_assigned_at"]
        values.setdefault("assignment_method", by.kind.value if by.kind is not ActorKind.USER else "manual")
        if values["owner_id"] and self.before["ai_agent"]:  # a person takes over (R-AI-14)
            values.update(handed_to_people(at))
        if values["owner_id"] and self.before["first_assigned_at"] is None:
            self.columns["first_assigned_at"] = at

    def _shown(self, object_type: str) -> dict[str, tuple[Any, Any]]:
        """{property: (old, new)} of what has history, by the names of the API."""
        found: dict[str, tuple[Any, Any]] = {}
        for column, name in _names_in_history(object_type).items():
            if column in self.columns:
                found[name] = (plain(self.before[column]), plain(self.columns[column]))
        for name, value in self.custom.items():
            found[name] = (self.before["properties"].get(name), plain(value))
        return found


@lru_cache(maxsize=64)
def _names_in_history(object_type: str) -> dict[str, str]:
    """{column: its property}; only built-in properties have columns."""
    properties = BUILT_IN.get(object_type, BUILT_IN["custom"])
    return {p.column: p.name for p in properties if p.column and p.name not in _TWINS}


def event_name_of(object_type: str, name: str) -> str:
    """What history and events call a property's value; "" where they don't name it (the moment of the last change)."""
    prop = properties_of(object_type).get(name)
    if prop is None or not prop.column:
        return name
    return _names_in_history(object_type).get(prop.column, "")


def event_names_of(object_type: str, name: str) -> frozenset[str]:
    """The same, and for what is computed the values that it follows; none for what nothing tells."""
    prop = properties_of(object_type).get(name)
    if prop is None or not prop.is_computed:
        return frozenset({event_name_of(object_type, name)} - {""})
    told = _names_in_history(object_type)
    return frozenset(told.get(one, one) for one in prop.follows if one in told or one.startswith("*"))


#: Second names of a column that has its history under another one.
_TWINS = {
    "createdate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_is_visible_in_help_desk",
    "first_agent_reply_date",
    "last_reply_date",
    "hs_object_id",
}


def plain(value: Any) -> Any:
    """A value as it stands in history and events: JSON."""
    return value.isoformat() if isinstance(value, datetime) else value


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _claim_values(object_type: str, drafts: list[_Draft], refused: dict[int, Invalid] | None) -> list[_Draft]:
    """Those that may have what they are given; who is put away claims nothing."""
    values = {
        draft.id: draft.custom for draft in drafts if draft.custom and draft.before["archived_at"] is None
    }
    if refused is None:
        unique.follow(object_type, values)
        return drafts
    taken = unique.follow_some(object_type, values)
    refused |= taken
    return [draft for draft in drafts if draft.id not in taken]


def _write_rows(object_type: str, drafts: Sequence[_Draft], at: datetime) -> None:
    """One update per set of changed columns."""
    shapes: dict[tuple[str, ...], list[_Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.shown:
            draft.columns.update(version=draft.version, updated_at=at)
        if draft.custom:
            draft.columns["properties"] = _without_empty(
                {**draft.before["properties"], **{k: plain(v) for k, v in draft.custom.items()}}
            )
        if draft.columns:
            shapes[tuple(sorted(draft.columns))].append(draft)
    for names, group in shapes.items():
        values = {draft.id: [draft.columns[name] for name in names] for draft in group}
        bulk.update(model_of(object_type), current_account_id(), names, values)


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _write_clocks(object_type: str, moved: Sequence[_Draft], at: datetime) -> None:
    """Stop the old stage's clock and start the new one's (R-PROP-3). Who waited for the lock has an older `at`."""
    if not moved:
        return
    account_id = current_account_id()
    ids = [draft.id for draft in moved]
    sql.execute(
        _STOP_CLOCKS,
        [at, at, at, account_id, object_type, ids, [draft.before["stage_id"] for draft in moved]],
    )
    start_clocks(object_type, ids, [draft.columns["stage_id"] for draft in moved], at)


def start_clocks(object_type: str, ids: Sequence[int], stage_ids: Sequence[int], at: datetime) -> None:
    sql.execute(_START_CLOCKS, [current_account_id(), object_type, at, list(ids), list(stage_ids)])


_STOP_CLOCKS = """
update crm_stagetime s set exited_at = %s,
    latest_ms = greatest(0, (extract(epoch from %s::timestamptz - s.entered_at) * 1000)::bigint),
    cumulative_ms = s.cumulative_ms + greatest(0, (extract(epoch from %s::timestamptz - s.entered_at) * 1000)::bigint)
where s.account_id = %s and s.object_type = %s and s.exited_at is null
  and (s.record_id, s.stage_id) in (select * from unnest(%s::bigint[], %s::bigint[]))
"""

_START_CLOCKS = """
insert into crm_stagetime (account_id, object_type, record_id, stage_id, entered_at, cumulative_ms)
select %s, %s, x.record_id, x.stage_id, x.at, 0 from (select %s::timestamptz as at, r.* from unnest(%s::bigint[], %s::bigint[]) r(record_id, stage_id)) x
on conflict (account_id, object_type, record_id, stage_id) do update set entered_at = excluded.entered_at, exited_at = null
"""


def _record_events(
    object_type: str, drafts: Sequence[_Draft], by: Actor, cause: Cause | None, depth: int, at: datetime
) -> dict[int, Event]:
    told = [draft for draft in drafts if draft.shown]
    new = [
        NewEvent(
            _kind(object_type, draft),
            object_type,
            draft.id,
            draft.version,
            by,
            at,
            _facts_of_change(draft),
            _with_rule(draft.cause or cause, draft.rule),
            depth if draft.depth is None else draft.depth,
        )
        for draft in told
    ]
    return {draft.id: event for draft, event in zip(told, log.record_many(new), strict=True)}


def _with_rule(cause: Cause | None, rule: str | None) -> Cause | None:
    return (cause or Cause())._replace(rule=rule) if rule else cause


def _facts_of_change(draft: _Draft) -> dict[str, Any]:
    """What subscribers need without reading the record again."""
    facts: dict[str, Any] = {"changes": {name: list(pair) for name, pair in draft.shown.items()}}
    if draft.columns.get("is_spam", draft.before.get("is_spam")):
        facts["is_spam"] = True
    return facts


def _kind(object_type: str, draft: _Draft) -> str:
    if draft.moved:
        return f"{object_type}.moved"
    if "owner_id" in draft.columns or "assigned_team_ids" in draft.columns:
        return f"{object_type}.assigned"
    return f"{object_type}.updated"


def _write_history(
    object_type: str,
    drafts: Sequence[_Draft],
    events: Mapping[int, Event],
    by: Actor,
    source: str | None,
    at: datetime,
) -> None:
    rows = [
        (draft.id, name, sql.Jsonb(old), sql.Jsonb(new), events[draft.id].id)
        for draft in drafts
        for name, (old, new) in draft.shown.items()
    ]
    if not rows:
        return
    ids, names, olds, news, event_ids = (list(column) for column in zip(*rows, strict=True))
    sql.execute(
        _INSERT_HISTORY,
        [
            current_account_id(),
            object_type,
            source or SOURCES[by.kind],
            by.kind.value,
            by.id,
            at,
            ids,
            names,
            olds,
            news,
            event_ids,
        ],
    )


_INSERT_HISTORY = """
insert into crm_propertychange (account_id, object_type, source, actor_kind, actor_id, changed_at, record_id, property, old, new, event_id)
select %s, %s, %s, %s, %s::bigint, %s::timestamptz, x.* from unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::jsonb[], %s::bigint[]) x
"""
