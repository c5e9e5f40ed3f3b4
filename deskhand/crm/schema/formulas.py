"""Values that are worked out in SQL, from what is stored already, whenever they are read (R-PROP-5).

A formula is SQL on a record's row, called {t}; {type} is its kind. Filters and readers use the same one. An area above adds
those of its own tables at start-up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_KIND = re.compile(r"[a-z0-9-]+")

_CREATED_BY = "CASE WHEN {t}.created_by_kind = 'user' THEN {t}.created_by_id END"
#: Who made it, in the words of the history (R-DM-13).
_SOURCE = (
    "CASE {t}.created_by_kind WHEN 'user' THEN 'CRM_UI' WHEN 'workflow' THEN 'AUTOMATION_PLATFORM' WHEN 'routing' THEN 'ROUTING'"
    " WHEN 'integration' THEN 'INTEGRATION' WHEN 'visitor' THEN 'CONVERSATIONS' WHEN 'llm' THEN 'AI' ELSE 'EMAIL_AUTOMATION' END"
)
_LAST_CHANGE = (
    "(SELECT change.actor_id FROM crm_propertychange change WHERE change.account_id = {t}.account_id AND change.object_type = '{type}'"
    " AND change.record_id = {t}.id AND change.actor_kind = 'user' ORDER BY change.id DESC LIMIT 1)"
)
#: The owner, and whom the account's own properties for users name.
_OWNERS = (
    "(SELECT array_agg(DISTINCT given.id ORDER BY given.id) FROM (SELECT {t}.owner_id UNION ALL"
    " SELECT ({t}.properties ->> own.name)::bigint FROM crm_propertydefinition own WHERE own.account_id = {t}.account_id"
    " AND own.object_type = '{type}' AND own.kind = 'ref' AND own.archived_at IS NULL) given(id) WHERE given.id IS NOT NULL)"
)
_OWNER_TYPE = "CASE WHEN {t}.owner_id IS NULL THEN 'NONE' ELSE 'HUMAN' END"
_COMPANY = (
    "(SELECT company.{} FROM crm_contact person JOIN crm_company company ON company.account_id = person.account_id"
    " AND company.id = person.company_id AND company.archived_at IS NULL"
    " WHERE person.account_id = {{t}}.account_id AND person.id = {{t}}.contact_id)"
)
#: Their ids first: with an "or" instead, all contacts would be looked at.
_CONTACTS = (
    "(SELECT string_agg(person.{0}, ';' ORDER BY person.id) FROM crm_contact person WHERE person.account_id = {{t}}.account_id"
    " AND person.archived_at IS NULL AND person.{0} <> '' AND person.id = ANY (ARRAY(SELECT {{t}}.contact_id UNION ALL SELECT link.to_id"
    " FROM crm_association link WHERE link.account_id = {{t}}.account_id AND link.from_type = 'ticket' AND link.from_id = {{t}}.id"
    " AND link.to_type = 'contact')))"
)
_NEXT_TASK = (
    "(SELECT min(task.due_at) FROM crm_tasklink about JOIN crm_task task ON task.account_id = about.account_id AND task.id = about.task_id"
    " WHERE about.account_id = {t}.account_id AND about.object_type = '{type}' AND about.record_id = {t}.id"
    " AND task.completed_at IS NULL AND task.archived_at IS NULL)"
)

_FORMULAS: dict[str, str] = {
    "hs_created_by_user_id": _CREATED_BY,
    "hs_object_source_user_id": _CREATED_BY,
    "hs_object_source": _SOURCE,
    "hs_object_source_label": _SOURCE,
    "hs_object_source_id": "CASE WHEN {t}.created_by_kind = 'user' THEN 'userId:' ELSE '' END || {t}.created_by_id::text",
    "hs_updated_by_user_id": _LAST_CHANGE,
    "hs_all_owner_ids": _OWNERS,
    "hs_user_ids_of_all_owners": _OWNERS,
    "hs_ticket_owner_type": _OWNER_TYPE,
    "hs_summarized_ticket_owner_type": _OWNER_TYPE,
    "hs_first_assignee_type": "CASE WHEN {t}.first_assigned_at IS NOT NULL THEN 'HUMAN' END",
    "hs_primary_company_id": _COMPANY.format("id"),
    "hs_primary_company_name": _COMPANY.format("name"),
    "hs_all_associated_contact_emails": _CONTACTS.format("email"),
    "hs_all_associated_contact_phones": _CONTACTS.format("phone"),
    "hs_nextactivitydate": _NEXT_TASK,
    "notes_next_activity_date": _NEXT_TASK,
    "hs_lastcontacted": "{t}.last_sent_at",
    "notes_last_contacted": "{t}.last_sent_at",
    "source_ref": "{t}.originating_message_id::text",
    "source_thread_id": "{t}.originating_thread_id::text",
}


def add(more: Mapping[str, str]) -> None:
    """Formulas by the names of their properties, of an area above, which knows tables of its own."""
    _FORMULAS.update(more)


def sql_of(name: str, object_type: str, alias: str) -> str | None:
    """The formula of a property for a row called so; None where it has none."""
    found = _FORMULAS.get(name)
    return found and _filled(found, object_type, alias)


def next_task(object_type: str, alias: str) -> str:
    """When the first of the open tasks of a row called so is due."""
    return _filled(_NEXT_TASK, object_type, alias)


def _filled(formula: str, object_type: str, alias: str) -> str:
    return formula.replace("{t}", f'"{alias}"').replace("{type}", as_sql(object_type))


def as_sql(object_type: str) -> str:
    """A kind of record as SQL may hold it between quotes. Raises ValueError for what is none."""
    if not _KIND.fullmatch(object_type):
        raise ValueError(f"{object_type!r} is no kind of record.")
    return object_type
