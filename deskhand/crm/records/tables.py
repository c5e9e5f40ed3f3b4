"""Which table has the records of a kind. The account's own kinds share one, and are called as in the API: "2-17"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from deskhand.crm.filters.schema_source import Tables
from deskhand.crm.records.models import Company, Contact, CustomObject, Deal, Project, Record, Ticket
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property

TABLES: dict[str, type[Record]] = {
    "ticket": Ticket, "contact": Contact, "company": Company, "deal": Deal, "project": Project,
}  # fmt: skip


def model_of(object_type: str) -> type[Record]:
    return TABLES.get(object_type, CustomObject)


def table_of(object_type: str) -> str:
    return model_of(object_type)._meta.db_table


def tables_of(account_id: int) -> Tables:
    """All of an account, for filters that may go on to any kind of record. Needs the account's scope."""
    names = {kind: table_of(kind) for kind in object_types.every()}
    return Tables(account_id, names, properties_of)


def of_this_type(object_type: str, alias: str = "t") -> str:
    """SQL that tells records of one of the account's own kinds from the others in their table."""
    if object_type in TABLES:
        return "true"
    return f"{alias}.object_type_id = {int(object_type.removeprefix('2-'))}"


def is_there(object_type: str, alias: str = "t") -> str:
    """SQL that tells records that are neither deleted nor spam."""
    spam = f" and not {alias}.is_spam" if object_type == "ticket" else ""
    return f"{alias}.archived_at is null{spam}"


def are_there(object_type: str) -> Q:
    """The same as a filter for a queryset of records."""
    spam = Q(is_spam=False) if object_type == "ticket" else Q()
    return Q(archived_at=None) & spam


def as_json(props: Sequence[Property], alias: str = "t") -> tuple[str, list[Any]]:
    """SQL of one JSON value that has these properties of a record by name, and its parameters. Teams and people in
    properties of the account's own are given by their names."""
    pairs, params = list[str](), list[Any]()
    for prop in props:
        value = f"{alias}.{prop.column}" if prop.column else f"{alias}.properties->%s"
        if prop.kind is Kind.REFS:
            value = f"array(select m.name from accounts_team m where m.account_id = {alias}.account_id and m.id = any({value}) order by m.name)"  # fmt: skip
        elif prop.kind is Kind.REF:
            value = f"(select u.name from accounts_user u where u.id = ({value}#>>'{{}}')::bigint)"
        pairs.append(f"%s::text, {value}")
        params += [prop.name] if prop.column else [prop.name, prop.name]
    return f"jsonb_build_object({', '.join(pairs)})", params
