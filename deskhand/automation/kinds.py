"""Kinds of records as people call them, and which of them automation brings along with a record."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.crm.records.associations import told_kinds
from deskhand.crm.schema import object_types
from deskhand.crm.schema.defaults import ASSOCIATION_TYPES, BUILT_IN

LABELS = {
    "ticket": gettext_lazy("Ticket"), "contact": gettext_lazy("Contact"), "company": gettext_lazy("Company"),
    "deal": gettext_lazy("Deal"), "project": gettext_lazy("Project"),
}  # fmt: skip


def label(object_type: str) -> str:
    """Its name in the singular as the account has it (R-OBJ-5), or had it; the key for one that never was."""
    there = is_known(object_type) or object_type in object_types.deleted()
    return _(object_types.labels_of(object_type).singular) if there else object_type


def all_of_them() -> list[str]:
    return [*LABELS, *object_types.all_of_them()]


def is_known(object_type: str) -> bool:
    return object_type in BUILT_IN or object_type in object_types.all_of_them()


def linkable(object_type: str) -> list[str]:
    """Kinds that records of this kind can be linked to."""
    known = {other for kind, other in ASSOCIATION_TYPES if kind == object_type}
    own = {"project", *object_types.all_of_them()}
    return [kind for kind in all_of_them() if kind in known or {kind, object_type} & own]


def told_of(object_type: str) -> list[str]:
    """Those of them of whose links such a record is told (`associations.told_kinds`)."""
    return [kind for kind in linkable(object_type) if object_type in told_kinds({kind, object_type})]


def this_record(object_type: str) -> str:
    """How a form calls the record itself."""
    return _("This record (%(kind)s)") % {"kind": label(object_type)}
