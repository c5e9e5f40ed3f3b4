"""Records as the API shows them: a set at a time, in as many queries as one takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.accounts.types import Viewer
from deskhand.api.objects import names
from deskhand.api.objects.values import writer_of
from deskhand.api.shapes import moment, without_nothing
from deskhand.crm.records import computed, listing
from deskhand.crm.records.models import Record
from deskhand.crm.records.store import SOURCES
from deskhand.crm.records.tables import model_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.events.types import ActorKind
from deskhand.kernel.database import sql

#: What a record shows without being asked, beside its number and its dates (api.md §1.5).
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "ticket": ("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority"),
    "contact": ("email", "firstname", "lastname"),
    "company": ("name", "domain"),
    "deal": ("dealname", "amount", "dealstage", "pipeline", "closedate"),
    "project": ("hs_name", "hs_pipeline", "hs_pipeline_stage"),
}  # fmt: skip
_NUMBER = "hs_object_id"
_DATES = {"contact": ("createdate", "lastmodifieddate")}
_DATES |= dict.fromkeys(("ticket", "company", "deal"), ("createdate", "hs_lastmodifieddate"))
_DATES_OF_OTHERS = ("hs_createdate", "hs_lastmodifieddate")


@dataclass(frozen=True)
class Wanted:
    """What is to be shown of a record; names that nothing is called by are passed over. No names: the kind's own choice."""

    properties: Sequence[str] = ()
    history: Sequence[str] = ()
    associations: Sequence[str] = ()


class Reader:
    """For one kind of record and one wish."""

    def __init__(self, viewer: Viewer, object_type: str, wanted: Wanted) -> None:
        self.viewer, self.object_type, self.wanted = viewer, object_type, wanted
        known = properties_of(object_type)
        own = wanted.properties or defaults(object_type)
        asked = dict.fromkeys([*own, *wanted.history, *always(object_type)])
        found = {name: known.get(names.ours(object_type, name)) for name in asked}
        self._properties: dict[str, Property] = {name: prop for name, prop in found.items() if prop}
        self._writers = {name: writer_of(object_type, prop) for name, prop in self._properties.items()}

    def by_ids(self, ids: Collection[int], *, archived: bool = False) -> dict[int, dict[str, Any]]:
        """Those of them that are there for this viewer."""
        found = listing.reached(self.viewer, self.object_type, ids).filter(archived_at__isnull=not archived)
        return self.shown(list(found))

    def written(self, ids: Collection[int]) -> dict[int, dict[str, Any]]:
        """As they are after a write, also where that took them out of the writer's reach."""
        model = model_of(self.object_type)
        return self.shown(list(model._default_manager.filter(account_id=self.viewer.account_id, pk__in=ids)))

    def page(
        self, after: int, limit: int, *, archived: bool = False
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Records by age, and the number of the last one where there are more."""
        found = listing.in_reach(self.viewer, self.object_type).filter(
            archived_at__isnull=not archived, pk__gt=after
        )
        records = list(found.order_by("pk")[: limit + 1])
        shown = self.shown(records[:limit])
        return list(shown.values()), records[limit - 1].pk if len(records) > limit else None

    def shown(self, records: Sequence[Record]) -> dict[int, dict[str, Any]]:
        computed.attach(
            self.object_type, records, [prop.name for prop in self._properties.values() if prop.is_computed]
        )
        histories = self._histories(records)
        return {record.pk: self._one(record, histories.get(record.pk)) for record in records}

    def _one(self, record: Record, history: Mapping[str, Any] | None) -> dict[str, Any]:
        return without_nothing(
            id=str(record.pk),
            properties=self.values(record),
            propertiesWithHistory=history,
            createdAt=moment(record.created_at),
            updatedAt=moment(record.updated_at),
            archived=record.archived_at is not None,
            archivedAt=moment(record.archived_at) if record.archived_at else None,
        )

    def values(self, record: Record) -> dict[str, str | None]:
        return {
            name: self._writers[name](computed.value_of(record, prop))
            for name, prop in self._properties.items()
        }

    def _histories(self, records: Sequence[Record]) -> dict[int, dict[str, list[dict[str, Any]]]]:
        """{record: {property: its values, newest first}}; one query. How a record began is no change of it (decision 0003)."""
        asked = {
            prop.name: name
            for name in self.wanted.history
            if (prop := self._properties.get(name)) is not None and not prop.is_computed
        }
        if not asked:
            return {}
        rows = sql.rows(
            _CHANGES, [self.viewer.account_id, self.object_type, [one.pk for one in records], list(asked)]
        )
        changes: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
        for record_id, name, *change in rows:
            changes.setdefault((record_id, name), []).append(tuple(change))
        return {
            record.pk: {
                theirs: self._history(record, theirs, changes.get((record.pk, name), []))
                for name, theirs in asked.items()
            }
            for record in records
        }

    def _history(self, record: Record, name: str, changes: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        write = self._writers[name]
        told = [
            _value(write(sql.loads(new)), moment(at), source, kind, by)
            for _old, new, at, source, kind, by in reversed(changes)
        ]
        first = sql.loads(changes[0][0]) if changes else computed.value_of(record, self._properties[name])
        if (began := write(first)) is not None:
            kind = record.created_by_kind
            source = SOURCES.get(ActorKind(kind), "INTEGRATION")
            told.append(_value(began, moment(record.created_at), source, kind, record.created_by_id))
        return told


def _value(value: str | None, at: str, source: str, kind: str, by: int | None) -> dict[str, Any]:
    return without_nothing(
        value=value or "",
        timestamp=at,
        sourceType=source,
        sourceId=f"userId:{by}" if kind == ActorKind.USER and by else None if by is None else str(by),
        updatedByUserId=by if kind == ActorKind.USER else None,
    )


def always(object_type: str) -> tuple[str, ...]:
    return (_NUMBER, *_DATES.get(object_type, _DATES_OF_OTHERS))


def defaults(object_type: str) -> tuple[str, ...]:
    """What is shown where nothing is asked for; of one of the account's own kinds, what the account gave it."""
    found = DEFAULTS.get(object_type)
    if found is not None:
        return found
    return tuple(name for name, prop in properties_of(object_type).items() if prop.is_custom)


_CHANGES = """
select record_id, property, old, new, changed_at, source, actor_kind, actor_id from crm_propertychange
where account_id = %s and object_type = %s and record_id = any(%s) and property = any(%s) order by id
"""
