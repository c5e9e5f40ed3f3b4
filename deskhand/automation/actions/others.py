"""Which other records an action is about: those that are linked to the records at the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation import kinds
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Doing
from deskhand.crm.records import associations

ITSELF = "record"
#: The column that names the primary one of several linked records.
PRIMARY = {("ticket", "contact"): "contact_id", ("contact", "company"): "company_id"}


def settings_for(around: Around) -> tuple[Setting, ...]:
    """Which record is meant: this one, or linked ones of a kind."""
    linked = kinds.linkable(around.object_type)
    if not linked:
        return ()
    options = (
        Option(ITSELF, kinds.this_record(around.object_type)),
        *(Option(kind, _("Linked: %(kind)s") % {"kind": kinds.label(kind)}) for kind in linked),
    )
    which = (Option("all", _("All of them")), Option("first", _("The first one, or the primary one")))
    return (
        Setting("on", _("Which record"), Input.CHOICE, options=options, default=ITSELF, redraws=True),
        Setting("which", _("If several are linked"), Input.CHOICE, options=which, default="all", only_if=("on", tuple(linked))),
    )  # fmt: skip


def kind_of(object_type: str, settings: Mapping[str, Any]) -> str:
    """The kind of record that these settings are about."""
    on = str(settings.get("on") or ITSELF)
    return object_type if on == ITSELF else on


def of(batch: Sequence[Doing], to: str, *, only_first: bool) -> dict[int, list[int]]:
    """{record: records of the kind `to` that are linked to it}, the primary one first. One query."""
    if not batch:
        return {}
    object_type, column = batch[0].object_type, PRIMARY.get((batch[0].object_type, to))
    linked = associations.linked_ids(object_type, [doing.record_id for doing in batch], to)
    found: dict[int, list[int]] = {}
    for doing in batch:
        primary = doing.record[column] if column else None
        ids = list(dict.fromkeys([*([primary] if primary else []), *linked.get(doing.record_id, ())]))
        found[doing.record_id] = ids[:1] if only_first else ids
    return found
