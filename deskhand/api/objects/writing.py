"""Writing records by what programs send: names, pipelines and statuses as the API has them, everything wrong told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import QuerySet

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Verb, Viewer
from deskhand.api import refusals
from deskhand.api.objects import links
from deskhand.api.objects.links import Given
from deskhand.api.refusals import Refusal
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import stage_property
from deskhand.crm.records import archive as archives
from deskhand.crm.records import listing, making
from deskhand.crm.records.checking import checked, required_of
from deskhand.crm.records.contacts import Taken
from deskhand.crm.records.models import Record
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Incomplete, Invalid

_WRONG = {
    Kind.NUMBER: "INVALID_FLOAT",
    Kind.DATE: "INVALID_DATE",
    Kind.DATETIME: "INVALID_DATE",
    Kind.ENUM: "INVALID_OPTION",
}
_WRONG |= {
    Kind.MULTI: "INVALID_OPTION",
    Kind.BOOL: "INVALID_BOOLEAN",
    Kind.REF: "INVALID_LONG",
    Kind.REFS: "INVALID_LONG",
}
LONGEST = 200  # letters of a wrong value that are told


@dataclass
class Writer:
    """For one kind of record, in somebody's name."""

    viewer: Viewer
    by: Actor
    object_type: str

    def create(self, new: Sequence[tuple[Mapping[str, Any], Sequence[Given]]]) -> list[int]:
        """Records with their links, all of them or none. Raises Refusal."""
        if not reaches_any(self.viewer, self.object_type, Verb.EDIT):
            raise Refusal(403, "FORBIDDEN", "You may not make records of this kind.")
        links.require_there(
            self.viewer, {(link.to_type, link.to_id) for _given, some in new for link in some}
        )
        if self.object_type == "company":
            self._require_contacts(
                {link.to_id for _given, some in new for link in some if link.to_type == "contact"}
            )
        read = [(self.read(given), some) for given, some in new]
        for values, _some in read:
            self._require_whole(values)
        wanted = [making.New(values, [(link.to_type, link.to_id) for link in some]) for values, some in read]
        made: list[int] = self._told(lambda: making.make_many(self.object_type, wanted, by=self.by))
        links.follow_new(
            {
                (self.object_type, pk, link.to_type, link.to_id): link
                for pk, (_values, some) in zip(made, read, strict=True)
                for link in some
            },
            by=self.by,
        )
        return made

    def _require_contacts(self, ids: set[int]) -> None:
        """A contact's company is a property of the contact. Raises Refusal."""
        if (
            ids
            and not self.viewer.is_super_admin
            and listing.reached(self.viewer, "contact", ids, Verb.EDIT).count() < len(ids)
        ):
            raise Refusal(403, "FORBIDDEN", "You don't have permission to do this.")

    def update(self, record_id: int, properties: Mapping[str, Any]) -> None:
        """Raises Refusal, also for a record that is not there for this viewer."""
        self.require([record_id], Verb.EDIT)
        self._write({record_id: self._some(properties)})

    def update_many(
        self, changes: Mapping[int, Mapping[str, Any]], *, may_be_empty: bool = False
    ) -> dict[int, Refusal]:
        """Change each record, and return why which could not be. As one where all of them can be; else one by one."""
        refused = self._kept_from(changes, Verb.EDIT)
        wanted: dict[int, dict[str, Any]] = {}
        for record_id, given in changes.items():
            if record_id in refused or (may_be_empty and not given):
                continue
            try:
                wanted[record_id] = self._some(given)
            except Refusal as refusal:
                refused[record_id] = refusal
        try:
            self._write(wanted)
        except Refusal as refusal:
            if len(wanted) == 1:
                return refused | dict.fromkeys(wanted, refusal)
            for record_id, values in wanted.items():
                refused |= self._refused_alone(record_id, values)
        return refused

    def _refused_alone(self, record_id: int, values: Mapping[str, Any]) -> dict[int, Refusal]:
        try:
            self._write({record_id: values})
        except Refusal as refusal:
            return {record_id: refusal}
        return {}

    def archive_one(self, record_id: int) -> None:
        """Safe to repeat: what is gone stays so. Raises Refusal for what may be seen and not be deleted."""
        refusal = self._kept_from([record_id], Verb.DELETE).get(record_id)
        if refusal is None:
            archives.archive(self.object_type, [record_id], by=self.by)
        elif refusal.status == 403:
            raise refusal

    def archive(self, ids: Collection[int]) -> None:
        """Those of them that are there and may be deleted."""
        archives.archive(self.object_type, list(self._reached(ids, Verb.DELETE)), by=self.by)

    def require(self, ids: Collection[int], verb: Verb) -> None:
        """Raises Refusal: 404 for what can't be seen, 403 for what can be seen and not be treated so."""
        for refusal in self._kept_from(ids, verb).values():
            raise refusal

    def _kept_from(self, ids: Collection[int], verb: Verb) -> dict[int, Refusal]:
        """Why which of these records can't be treated so, those that are not there first."""
        seen = set(self._reached(ids, Verb.VIEW))
        gone = {pk: refusals.missing() for pk in ids if pk not in seen}
        if self.viewer.is_super_admin:
            return gone
        allowed = set(self._reached(seen, verb))
        refusal = Refusal(403, "FORBIDDEN", "You don't have permission to do this.")
        return gone | dict.fromkeys(sorted(seen - allowed), refusal)

    def _reached(self, ids: Collection[int], verb: Verb) -> QuerySet[Record, int]:
        reached = listing.reached(self.viewer, self.object_type, ids, verb).filter(archived_at=None)
        return reached.values_list("pk", flat=True)

    def _write(self, values: Mapping[int, Mapping[str, Any]]) -> None:
        """All of them or none. Raises Refusal."""
        self._told(lambda: making.update_many(self.object_type, values, by=self.by))

    def _some(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        if not properties:
            raise refusals.bad("No properties found to update, please provide at least one.")
        return self.read(properties)

    # ── what is sent ──────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent, with pipelines and statuses by our numbers. Raises Refusal, naming all that is wrong."""
        known, wrong, values = properties_of(self.object_type), [], {}
        for name, given in properties.items():
            prop = known.get(name)
            if prop is None:
                wrong.append(
                    _wrong(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", given)
                )
                continue
            if prop.read_only:
                wrong.append(
                    _wrong(
                        name,
                        f'"{name}" is a read only property; its value cannot be set.',
                        "READ_ONLY_VALUE",
                        given,
                    )
                )
                continue
            try:
                values[name] = self._place(prop, given) if prop.is_place else _plain(prop, given)
                checked(self.object_type, {name: values[name]})
            except Invalid as problem:
                wrong.append(
                    _wrong(name, _said(prop, given, problem), _WRONG.get(prop.kind, "INVALID_VALUE"), given)
                )
        if wrong:
            raise _not_valid(wrong)
        return values

    def _place(self, prop: Property, given: Any) -> Any:
        """Our number of a pipeline or status. Raises Invalid."""
        if given in (None, ""):
            return None
        found = dict(self._places(prop))
        if str(given) not in found:
            raise Invalid("", field=prop.name, value=given)
        return found[str(given)]

    def _places(self, prop: Property) -> list[tuple[str, int]]:
        known = pipelines_of(self.object_type).pipelines
        if prop.column == "pipeline_id":
            return [(pipeline.key, pipeline.id) for pipeline in known]
        return [(stage.key, stage.id) for pipeline in known for stage in pipeline.stages]

    def _require_whole(self, values: Mapping[str, Any]) -> None:
        needed = [*required_of(self.object_type)]
        if self.object_type == "ticket":
            needed.append(stage_property("ticket"))
        if lacking := [name for name in needed if values.get(name) in (None, "")]:
            raise self._incomplete(lacking)

    def _incomplete(self, lacking: Sequence[str]) -> Refusal:
        said = f"Error creating {self.object_type.upper()}. Some required properties were not set."
        context = {"properties": list(lacking)}
        return refusals.bad(
            said,
            context=context,
            errors=[{"message": said, "code": "MISSING_REQUIRED_PROPERTY", "context": context}],
        )

    def _told(self, do: Callable[[], Any]) -> Any:
        """What the verbs refuse, in the words of the contract."""
        try:
            with attempt():
                return do()
        except Taken as taken:
            message = f"Contact already exists. Existing ID: {taken.contact_id}"
            raise Refusal(409, "CONFLICT", message) from None
        except Incomplete as lacking:
            raise self._incomplete(list(lacking.fields)) from None
        except Invalid as problem:
            if problem.field not in properties_of(self.object_type):
                raise
            said = f"{problem.message} {problem.hint}".strip()
            raise _not_valid([_wrong(problem.field, said, "INVALID_VALUE", problem.value)]) from None


def _plain(prop: Property, given: Any) -> Any:
    """Raises Invalid for what is no single value."""
    if isinstance(given, Mapping) or (isinstance(given, list) and prop.kind not in (Kind.MULTI, Kind.REFS)):
        raise Invalid(f"{_short(given)} is not a value of {prop.name}: it takes one text.", field=prop.name)
    return str(given).lower() if isinstance(given, bool) and prop.kind is Kind.TEXT else given


def _said(prop: Property, given: Any, problem: Invalid) -> str:
    if prop.kind in (Kind.ENUM, Kind.MULTI) and (prop.options or prop.is_place):
        allowed = ", ".join(option.value for option in prop.options)
        return f"{_short(given)} was not one of the allowed options: [{allowed}]"
    return problem.message


def _wrong(name: str, said: str, error: str, given: Any) -> dict[str, Any]:
    return {
        "isValid": False,
        "message": said,
        "error": error,
        "name": name,
        "propertyValue": _short(given),
        "localizedErrorMessage": said,
    }


def _short(given: Any) -> str:
    text = given if isinstance(given, str) else orjson.dumps(given, default=str).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _not_valid(wrong: Sequence[Mapping[str, Any]]) -> Refusal:
    """All of it stands in the sentence, as JSON, where clients look for it."""
    return refusals.bad(
        f"Property values were not valid: {orjson.dumps(list(wrong)).decode()}",
        errors=[
            {"message": one["message"], "code": one["error"], "context": {"propertyName": [one["name"]]}}
            for one in wrong
        ],
    )
