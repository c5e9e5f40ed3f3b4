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
    on = str(settings.get("on") or ITSELF)
    return (
        Setting("on", _("Which record"), Input.CHOICE, options=options, default=ITSELF, redraws=True),
        *(label_setting(around.object_type, on) if on in linked else ()),
        _which(only_if=("on", tuple(linked))),
    )  # fmt: skip


def _which(only_if: tuple[str, tuple[str, ...]] | None = None) -> Setting:
    which = (Option("all", _("All of them")), Option("first", _("The first one, or the primary one")))
    return Setting("which", _("If several are linked"), Input.CHOICE, options=which, default="all", only_if=only_if)  # fmt: skip


#: Between a kind of records and the number of the label that links to them must have.
AS = ":"


def several_setting(around: Around, label: str) -> tuple[Setting, ...]:
    """Linked records of as many kinds as are chosen: "contact" are all contacts, "contact:12" those whose link has the
    label 12. Under "associate"."""
    options: list[Option] = []
    for kind in kinds.linkable(around.object_type):
        options.append(Option(kind, _("Linked: %(kind)s") % {"kind": kinds.label(kind)}))
        for one in association_labels.labels_of(around.object_type, kind):
            named = said(around.object_type, kind, {"label": one.type_id})
            options.append(Option(f"{kind}{AS}{one.type_id}", _("Linked: %(kind)s") % {"kind": named}))
    if not options:
        return ()
    return Setting("associate", label, Input.MANY, options=tuple(options)), _which()


def of_several(batch: Sequence[Doing]) -> dict[str, list[tuple[str, int]]]:
    """{key of each: the linked records that its settings choose under "associate", each once}. A query for each way to
    choose them."""
    found: dict[str, list[tuple[str, int]]] = {doing.key: [] for doing in batch}
    asked: dict[tuple[str, str, bool], list[Doing]] = {}
    for doing in batch:
        for one in doing.settings.get("associate") or ():
            way = doing.object_type, str(one), doing.settings.get("which") == "first"
            asked.setdefault(way, []).append(doing)
    for (_of, one, only_first), group in asked.items():
        kind, _as, label = one.partition(AS)
        ids = of(group, kind, only_first=only_first, label=whole(label))
        for doing in group:
            found[doing.key] += [(kind, pk) for pk in ids[doing.record_id]]
    return {key: list(dict.fromkeys(records)) for key, records in found.items()}


def several_said(object_type: str, settings: Mapping[str, Any]) -> list[str]:
    """What is chosen under "associate", in words."""
    parts = [str(one).partition(AS) for one in settings.get("associate") or ()]
    return [said(object_type, kind, {"label": label}) for kind, _as, label in parts]


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
