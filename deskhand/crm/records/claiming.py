"""A property that becomes unique, or is so no more: what records have is claimed by a slow job, or let go (decision 0016).

The job misses nothing, as that of `filterable` does not: who read the definitions before the change has ended when it
begins, and who reads them later claims by itself. Until all is claimed, records are not found by the property.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import audit
from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.crm.filters.folding import LARGE, SMALL
from deskhand.crm.records import unique
from deskhand.crm.records.filterable import wait_for_older
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job

STEP = 500  # records a transaction
TOLD = 3  # values that are named


class Twins(NamedTuple):
    """Values that several records have: how many, and the first of those that the viewer may see."""

    number: int
    values: tuple[str, ...]


def refuse_twins(definition: PropertyDefinition, viewer: Viewer | None = None) -> None:
    """Raises Invalid, which says how many, where records share values of a property that is to become unique."""
    found = twins(definition, viewer)
    if not found.number:
        return
    message = ngettext(
        "%(num)s value is that of several records.", "%(num)s values are those of several records.", found.number
    ) % {"num": found.number}  # fmt: skip
    if found.values:
        message += " " + _("For example: %(values)s") % {"values": ", ".join(found.values)}
    raise Invalid(
        message, field="has_unique_value", value=True,
        hint=_("Give each record a value of its own first, or let several records have a value."),
    )  # fmt: skip


def twins(definition: PropertyDefinition, viewer: Viewer | None = None) -> Twins:
    """One query over the records of the kind that have a value and are not away."""
    reach, seen = visible(viewer, definition.object_type).sql("t") if viewer else ("false", [])
    key, given = _KEYS[Kind(definition.kind)]
    found = sql.row(
        f"select count(*), (array_agg(seen order by seen))[1:{TOLD}] from (select min(value) filter (where is_seen) as seen from ("
        f" select x.value, x.is_seen, {key} as key from (select t.properties ->> %s as value, jsonb_typeof(t.properties -> %s) as type, ({reach}) as is_seen"
        f" from {table_of(definition.object_type)} t where t.account_id = %s and t.archived_at is null"
        f" and {of_this_type(definition.object_type)} and t.properties ? %s) x) y"
        " where key is not null and key::text <> '' group by key having count(*) > 1) z",
        [*given, definition.name, definition.name, *seen, current_account_id(), definition.name],
    )
    number, values = found or (0, None)
    return Twins(number, tuple(f"“{one[:40]}”" for one in values or () if one))


_BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_CAPITALS = "".join(chr(code) for code in range(ord("A"), ord("Z") + 1))
#: As `unique.key_of` has it.
_KEYS: dict[Kind, tuple[str, list[str]]] = {
    Kind.TEXT: ("translate(btrim(x.value, %s), %s, %s)", [_BLANKS, _CAPITALS + LARGE, _CAPITALS.lower() + SMALL]),
    Kind.NUMBER: ("case x.type when 'number' then trim_scale(x.value::numeric) end", []),
}  # fmt: skip


# ── the job ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fill(job: Job) -> None:
    """Let each record claim what it has of a property, or none, as its definition asks for (slow job).

    Where records share a value it gives up: the property is not unique, and its definition says how many values they
    are. Resumes where the definition says; safe to repeat, and beside itself.
    """
    wait_for_older(job)
    while _step(job.account_id, job.args["property"]):
        job.give_way()


def _step(account_id: int, property_id: int) -> bool:
    """One transaction of the job; tells whether there is more to do."""
    with account_scope(account_id):
        held = PropertyDefinition.objects.select_for_update(no_key=True)
        definition = held.filter(account_id=account_id, pk=property_id).first()
        if definition is None or not definition.has_unique_value:
            return _let_go(account_id, property_id)
        if definition.claimed_at is not None:
            return False
        prop = Property(definition.name, definition.label, Kind(definition.kind), definition_id=definition.pk)
        found = _next(definition)
        try:
            unique.claim_anew(definition.object_type, prop, found)
        except NotUnique as refusal:
            _settle(definition, refusal)
            return True
        is_last = len(found) < STEP
        sql.execute(_NOTE, [max(found, default=definition.claimed_to), is_last, account_id, property_id])
        return not is_last


_NOTE = """
update crm_propertydefinition set claimed_to = %s, claimed_at = case when %s then now() end where account_id = %s and id = %s
"""


def _next(definition: PropertyDefinition) -> dict[int, Any]:
    """The next records and what they claim, held; those with claims of an earlier time are among them."""
    of = definition.object_type
    found = sql.rows(
        f"select t.id, case when t.archived_at is null then t.properties -> %s end from {table_of(of)} t"
        f" where t.account_id = %s and t.id > %s and {of_this_type(of)} and (t.properties ? %s or exists ("
        "select from crm_uniquevalue v where v.account_id = %s and v.property_id = %s and v.record_id = t.id))"
        " order by t.id limit %s for no key update of t",
        [definition.name, definition.account_id, definition.claimed_to, definition.name, definition.account_id, definition.pk, STEP],
    )  # fmt: skip
    return {record_id: sql.loads(value) for record_id, value in found}


def _settle(definition: PropertyDefinition, refusal: NotUnique) -> None:
    """Give up, but where the other record has the value no more: a claim of a time when the property was unique before."""
    number = twins(definition).number
    if not number:
        holders = [one.holder_id for one in refusal.refused.values() if one.holder_id is not None]
        unique.release(definition.object_type, holders, only=definition.pk)
        return
    definition.has_unique_value, definition.claimed_to, definition.twins = False, 0, number
    definition.save(update_fields=["has_unique_value", "claimed_to", "twins"])
    name = {"object_type": definition.object_type, "name": definition.name}
    audit.record(
        "property.updated", by=SYSTEM, target_type="property", target_id=definition.pk,
        before={**name, "has_unique_value": True}, after={**name, "has_unique_value": False, "twins": definition.twins},
    )  # fmt: skip


def _let_go(account_id: int, property_id: int) -> bool:
    return sql.execute(_LET_GO, [account_id, property_id, 10 * STEP]) == 10 * STEP


_LET_GO = """
delete from crm_uniquevalue where id = any(array(
    select id from crm_uniquevalue where account_id = %s and property_id = %s limit %s))
"""
