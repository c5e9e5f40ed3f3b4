"""Which other records an action is about: those that are linked to the records at the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation import kinds
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Doing
from deskhand.crm.records import associations
from deskhand.crm.schema import association_labels
from deskhand.kernel.text import whole

ITSELF = "record"
#: The column that names the primary one of several linked records.
PRIMARY = {("ticket", "contact"): "contact_id", ("contact", "company"): "company_id"}


def settings_for(around: Around, settings: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Which record is meant: this one, or linked ones of a kind, with a label if there are any to choose from."""
    linked = kinds.linkable(around.object_type)
    if not linked:
        return ()
    options = (
        Option(ITSELF, kinds.this_record(around.object_type)),
        *(Option(kind, _("Linked: %(kind)s") % {"kind": kinds.label(kind)}) for kind in linked),
    )
    which = (Option("all", _("All of them")), Option("first", _("The first one, or the primary one")))
    on = str(settings.get("on") or ITSELF)
    return (
        Setting("on", _("Which record"), Input.CHOICE, options=options, default=ITSELF, redraws=True),
        *(label_setting(around.object_type, on) if on in linked else ()),
        Setting("which", _("If several are linked"), Input.CHOICE, options=which, default="all", only_if=("on", tuple(linked))),
    )  # fmt: skip


def label_setting(object_type: str, to: str, *, own_only: bool = False) -> tuple[Setting, ...]:
    """Which of the links between these kinds are meant (R-TRIG-5); nothing where there is no label."""
    found = association_labels.labels_of(object_type, to)
    options = tuple(Option(str(one.type_id), _(one.label)) for one in found if one.is_own or not own_only)
    if not options:
        return ()
    every = Option("", _("Any label, or none"))
    return (Setting("label", _("Linked as"), Input.CHOICE, options=(every, *options)),)


def label_of(settings: Mapping[str, Any]) -> int | None:
    """The number of the label that links must have."""
    return whole(str(settings.get("label") or ""))


def kind_of(object_type: str, settings: Mapping[str, Any]) -> str:
    """The kind of record that these settings are about."""
    on = str(settings.get("on") or ITSELF)
    return object_type if on == ITSELF else on


def said(object_type: str, to: str, settings: Mapping[str, Any]) -> str:
    """The kind of linked records in words, with the label that is asked for."""
    number, kind = label_of(settings), kinds.label(to)
    if number is None:
        return kind
    label = association_labels.label_for(object_type, to, number)
    return _("%(kind)s (%(labels)s)") % {"kind": kind, "labels": _(label.label) if label else f"#{number}"}


def of(
    batch: Sequence[Doing], to: str, *, only_first: bool, label: int | None = None
) -> dict[int, list[int]]:
    """{record: records of the kind `to` that are linked to it}, the primary one first; by a label, if one is named.

    One query.
    """
    if not batch:
        return {}
    object_type, column = batch[0].object_type, PRIMARY.get((batch[0].object_type, to))
    linked = associations.linked_ids(object_type, [doing.record_id for doing in batch], to, label)
    found: dict[int, list[int]] = {}
    for doing in batch:
        ids = linked.get(doing.record_id, [])
        primary = doing.record[column] if column else None
        if primary and (label is None or primary in ids):
            ids = list(dict.fromkeys([primary, *ids]))
        found[doing.record_id] = ids[:1] if only_first else ids
    return found
