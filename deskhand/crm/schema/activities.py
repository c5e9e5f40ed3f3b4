"""Activities: what was done, said or is to be done around a record (R-TRIG-4).

Conditions ask for them as for linked records: whether a record has one, or none, that meets other conditions. Each is SQL
on rows called {a}, of the record whose id is {r} and whose kind is {type}. An area above adds those of its own tables at
start-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext_noop as _

from deskhand.crm.schema.formulas import as_sql
from deskhand.crm.schema.types import Kind, Option, Property

CREATED = "hs_createdate"  # when it was made; every activity has that


@dataclass(frozen=True)
class Activity:
    """`values` has the SQL of each property. `rows` follows FROM, by kind of record, of any kind under ""; its only %s is the
    account."""

    name: str
    label: str
    none: str  # "No task"
    same: str  # "The same task"
    properties: tuple[Property, ...]
    values: Mapping[str, str]
    rows: Mapping[str, str]

    @property
    def key(self) -> str:
        """What changes of a record when an activity of it does."""
        return f"*{self.name}"

    @cached_property
    def by_name(self) -> Mapping[str, Property]:
        return {prop.name: prop for prop in self.properties}

    def is_of(self, object_type: str) -> bool:
        return object_type in self.rows or "" in self.rows

    def rows_of(self, object_type: str, alias: str, record: str) -> str:
        """SQL from a table's name on, that ends in a test: the activities of the record with that id."""
        rows = self.rows.get(object_type) or self.rows[""]
        return rows.replace("{a}", f'"{alias}"').replace("{r}", record).replace("{type}", as_sql(object_type))

    def value_of(self, name: str, alias: str) -> str:
        return self.values[name].replace("{a}", f'"{alias}"')


_known: dict[str, Activity] = {}


def add(*more: Activity) -> None:
    """In the order in which people are offered them."""
    _known.update((one.name, one) for one in more)


def find(name: str) -> Activity | None:
    return _known.get(name)


def of(object_type: str) -> list[Activity]:
    """Those that records of this kind have."""
    return [one for one in _known.values() if one.is_of(object_type)]


def split(path: tuple[str, ...]) -> tuple[tuple[str, ...], Activity | None]:
    """A way to linked records, and the activity of theirs that it ends in, if it does."""
    found = _known.get(path[-1]) if path else None
    return (path[:-1], found) if found else (path, None)


def prop(name: str, label: str, kind: Kind, *options: tuple[str, str]) -> Property:
    """Of an activity, which keeps no history of it."""
    found = tuple(Option(value, said) for value, said in options)
    return Property(name, label, kind, options=found, is_computed=True)


TASK = Activity(
    "task",
    _("Task"),
    _("No task"),
    _("The same task"),
    (
        prop("hs_task_status", _("Status"), Kind.ENUM, ("NOT_STARTED", _("Open")), ("COMPLETED", _("Done"))),
        prop("hs_timestamp", _("Due date"), Kind.DATETIME),
        prop("hubspot_owner_id", _("Task is for"), Kind.REF),
        prop("hs_task_subject", _("Title"), Kind.TEXT),
        prop("hs_task_body", _("Notes"), Kind.TEXT),
        prop("hs_task_type", _("Type of task"), Kind.ENUM, ("TODO", _("To do")), ("CALL", _("Call")), ("EMAIL", _("Email"))),
        prop("hs_task_priority", _("Priority"), Kind.ENUM, ("NONE", _("None")), ("LOW", _("Low")), ("MEDIUM", _("Medium")), ("HIGH", _("High"))),
        prop("hs_task_completion_date", _("Completion date"), Kind.DATETIME),
        prop(CREATED, _("Create date"), Kind.DATETIME),
    ),
    {
        "hs_task_status": "CASE WHEN {a}.completed_at IS NULL THEN 'NOT_STARTED' ELSE 'COMPLETED' END",
        "hs_timestamp": "{a}.due_at", "hubspot_owner_id": "{a}.assignee_id", "hs_task_subject": "{a}.title", "hs_task_body": "{a}.notes",
        "hs_task_type": "{a}.kind", "hs_task_priority": "{a}.priority", "hs_task_completion_date": "{a}.completed_at", CREATED: "{a}.created_at",
    },
    {
        "": (
            "crm_tasklink about JOIN crm_task {a} ON {a}.account_id = about.account_id AND {a}.id = about.task_id"
            " WHERE about.account_id = %s AND about.object_type = '{type}' AND about.record_id = {r} AND {a}.archived_at IS NULL"
        ),
    },
)  # fmt: skip
#: Notes stand in the history of their record.
NOTE = Activity(
    "note",
    _("Note"),
    _("No note"),
    _("The same note"),
    (
        prop("hs_note_body", _("Text"), Kind.TEXT),
        prop("hs_created_by", _("Written by"), Kind.REF),
        prop(CREATED, _("Create date"), Kind.DATETIME),
    ),
    {
        "hs_note_body": "({a}.new ->> 'text')",
        "hs_created_by": "CASE WHEN {a}.actor_kind = 'user' THEN {a}.actor_id END",
        CREATED: "{a}.changed_at",
    },
    {
        "": (
            "crm_propertychange {a} WHERE {a}.account_id = %s AND {a}.object_type = '{type}' AND {a}.record_id = {r}"
            " AND {a}.property = '@note'"
        ),
    },
)
add(TASK, NOTE)
