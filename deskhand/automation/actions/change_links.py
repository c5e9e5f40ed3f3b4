"""Link the record to others, or part them: others are found by a value they are known by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import kinds, templates
from deskhand.automation.actions import change_labels, others
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    by_workflow,
    failed,
    here,
    in_words,
    object_type_of,
    skipped,
)
from deskhand.automation.engine.loops import Touches
from deskhand.crm.records import associations, labeling
from deskhand.crm.records.associations import Link, Why
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

#: What records of a kind are known by, and its column; what fits several records links them all, up to MOST.
KNOWN_BY = {
    "ticket": {"hs_ticket_id": "number", "hs_object_id": "id"},
    "contact": {"email": "email", "hs_object_id": "id"},
    "company": {"domain": "domain", "name": "name", "hs_object_id": "id"},
    "deal": {"dealname": "name", "hs_object_id": "id"},
    "project": {"hs_name": "name", "hs_object_id": "id"},
}  # fmt: skip
_OWN = {"hs_name": "name", "hs_object_id": "id"}
_NUMBERS = ("id", "number")  # columns
MOST = 50


class CreateAssociation(Action):
    kind = "create_association"
    label = gettext_lazy("Link records")
    about = gettext_lazy("Link the record to others that you name by a value.")
    icon, tone, group = "link", "teal", Group.RECORD
    changes = is_left = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        to = str(settings.get("to") or "")
        known = properties_of(to) if kinds.is_known(to) else {}
        by = tuple(Option(name, _(known[name].label)) for name in _known_by(to) if name in known)
        found = (here(around), change_labels.to_setting(around))
        if not by:
            return found
        return (
            *found,
            Setting("by", _("Found by"), Input.CHOICE, required=True, options=by, default=by[0].value),
            Setting("value", _("Whose value is"), required=True, takes_tokens=True, help=_("Such as {{ contact.email }}.")),
            *change_labels.labels_setting(around.object_type, to, _("Labels")),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        to, by, value = (str(settings.get(name) or "") for name in ("to", "by", "value"))
        found = super().problems(settings)
        if found or templates.has_tokens(value):
            return found
        wrong = _no_number(to, by, value.strip())
        return [("value", wrong)] if wrong else []

    def summary(self, settings: Mapping[str, Any]) -> str:
        names = {
            "kind": kinds.label(str(settings.get("to") or "")),
            "value": str(settings.get("value") or ""),
        }
        said = _("%(kind)s with %(value)s") % names
        labels = change_labels.labels_said(settings)
        return _("%(what)s, as %(labels)s") % {"what": said, "labels": labels} if labels else said

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return change_labels.touched(object_type, settings, "linked", "relabeled")

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            for group in change_labels.alike(part, "to", "by", "labels"):
                answers |= _linked(group)
        return [answers[doing.enrollment_id] for doing in batch]


class RemoveAssociation(Action):
    kind = "remove_association"
    label = gettext_lazy("Unlink records")
    about = gettext_lazy("Take away the links to records of a kind.")
    icon, tone, group = "unlink", "teal", Group.RECORD
    changes = is_left = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        to = str(settings.get("to") or "")
        return (
            here(around),
            change_labels.to_setting(around),
            *others.label_setting(around.object_type, to, own_only=True),
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        kind = others.said(object_type_of(settings), str(settings.get("to") or ""), settings)
        return _("From each %(kind)s") % {"kind": kind}

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return change_labels.touched(object_type, settings, "unlinked")

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            for group in change_labels.alike(part, "to", "label"):
                answers |= _parted(group)
        return [answers[doing.enrollment_id] for doing in batch]


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _known_by(kind: str) -> Mapping[str, str]:
    if not kind:
        return {}
    return KNOWN_BY.get(kind, _OWN)


def _label_of(kind: str, by: str) -> str:
    known = properties_of(kind).get(by) if kinds.is_known(kind) else None
    return _(known.label) if known else by


def _no_number(kind: str, by: str, value: str) -> str:
    """What is wrong with a value that no record can have there; empty where nothing is."""
    if _known_by(kind).get(by) not in _NUMBERS or whole(value) is not None:
        return ""
    names = {"property": _label_of(kind, by), "value": value[:40]}
    return _("“%(property)s” is a whole number; “%(value)s” is none.") % names


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _linked(group: Sequence[Doing]) -> dict[int, Done]:
    first = group[0]
    to, by = str(first.settings["to"]), str(first.settings.get("by") or "")
    column = _known_by(to).get(by)
    values = {doing.enrollment_id: doing.fill(doing.settings.get("value")).strip() for doing in group}
    wanted_values = {value.lower() for value in values.values() if value}
    by_value = _find(to, column, wanted_values) if column else {}
    found = {enrollment_id: by_value.get(value.lower(), ()) for enrollment_id, value in values.items()}
    wanted: dict[Link, Why] = {}
    for doing in group:
        for other in found[doing.enrollment_id]:
            wanted[(doing.object_type, doing.record_id, to, other)] = Why(doing.cause, doing.depth + 1)
    try:
        new = set(labeling.connect_many(wanted, change_labels.chosen(first), by=first.by, at=first.now))
    except Invalid as refusal:
        return {doing.enrollment_id: failed(refusal.message) for doing in group}
    return {
        doing.enrollment_id: _link_answer(
            doing, to, values[doing.enrollment_id], found[doing.enrollment_id], new
        )
        for doing in group
    }


def _link_answer(doing: Doing, to: str, value: str, found: Iterable[int], new: set[Link]) -> Done:
    by = str(doing.settings.get("by") or "")
    if not value:
        return skipped(_("The value to look for is empty."))
    if wrong := _no_number(to, by, value):
        return failed(wrong)
    if not found:
        names = {"kind": kinds.label(to), "property": _label_of(to, by), "value": value}
        return skipped(_("There is no %(kind)s whose “%(property)s” is “%(value)s”.") % names)
    if not any((doing.object_type, doing.record_id, to, other) in new for other in found):
        return Done(message=_("They were linked already."))
    settings = {**doing.settings, "value": value}
    return Done(message=in_words(CreateAssociation(), settings, doing.object_type))


def _find(kind: str, column: str, values: set[str]) -> dict[str, list[int]]:
    """{value in small letters: records that have it}, the oldest first. One query."""
    if not values:
        return {}
    if column in _NUMBERS:
        wanted: list[Any] = [number for value in values if (number := whole(value)) is not None]
        compared = f"t.{column} = any(%s::bigint[])"
    else:
        wanted, compared = sorted(values), f"lower(t.{column}) = any(%s::text[])"
    rows = sql.rows(
        f"select lower(t.{column}::text), t.id from {table_of(kind)} t where t.account_id = %s and t.archived_at is null"
        f" and {of_this_type(kind)} and {compared} order by t.id limit %s",
        [current_account_id(), wanted, MOST * len(values)],
    )
    found: dict[str, list[int]] = {}
    for value, record_id in rows:
        if len(ids := found.setdefault(value, [])) < MOST:
            ids.append(record_id)
    return found


def _parted(group: Sequence[Doing]) -> dict[int, Done]:
    """The primary contact or company is part of the record itself, so it stays."""
    first, to = group[0], str(group[0].settings["to"])
    linked = others.of(group, to, only_first=False, label=others.label_of(first.settings))
    column = others.PRIMARY.get((first.object_type, to))
    wanted: dict[Link, Why] = {}
    for doing in group:
        primary = doing.record[column] if column else None
        for other in linked[doing.record_id]:
            if other != primary:
                wanted[(doing.object_type, doing.record_id, to, other)] = Why(doing.cause, doing.depth + 1)
    gone = {link[1] for link in associations.part_many(wanted, by=first.by, at=first.now)}
    nothing = skipped(_("No %(kind)s is linked.") % {"kind": kinds.label(to)})
    done = Done(message=in_words(RemoveAssociation(), first.settings, first.object_type))
    return {doing.enrollment_id: done if doing.record_id in gone else nothing for doing in group}
