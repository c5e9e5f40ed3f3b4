"""The kinds of property in the words of the screens."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

LABELS: dict[Kind, str | Promise] = {
    Kind.TEXT: gettext_lazy("Text"), Kind.NUMBER: gettext_lazy("Number"), Kind.DATE: gettext_lazy("Date"),
    Kind.DATETIME: gettext_lazy("Date and time"), Kind.ENUM: gettext_lazy("One option"), Kind.MULTI: gettext_lazy("Several options"),
    Kind.BOOL: gettext_lazy("Yes or no"), Kind.REF: gettext_lazy("Reference"), Kind.REFS: gettext_lazy("References"),
    Kind.DURATION: gettext_lazy("Duration"),
}  # fmt: skip
#: What is offered for a new one: kind and how it is shown.
OFFERED: tuple[tuple[Kind, str, str | Promise], ...] = (
    (Kind.TEXT, "text", gettext_lazy("Single-line text")),
    (Kind.TEXT, "textarea", gettext_lazy("Multi-line text")),
    (Kind.TEXT, "phonenumber", gettext_lazy("Phone number")),
    (Kind.NUMBER, "number", gettext_lazy("Number")),
    (Kind.DATE, "date", gettext_lazy("Date")),
    (Kind.DATETIME, "date", gettext_lazy("Date and time")),
    (Kind.ENUM, "select", gettext_lazy("Drop-down list")),
    (Kind.ENUM, "radio", gettext_lazy("Radio buttons")),
    (Kind.MULTI, "checkbox", gettext_lazy("Check boxes")),
    (Kind.BOOL, "booleancheckbox", gettext_lazy("Yes or no")),
    (Kind.REF, "select", gettext_lazy("Person")),
)
CHOICES = (Kind.ENUM, Kind.MULTI)


def offered(value: str) -> tuple[Kind, str]:
    """The kind and the way it is shown out of what the form sends. Raises Invalid."""
    for kind, field_type, _label in OFFERED:
        if value == f"{kind.value}:{field_type}":
            return kind, field_type
    raise Invalid(_("Choose a type."), field="type", value=value)


def told(kind: Kind, field_type: str) -> str:
    """What a property of this kind is called."""
    found = [label for one, shown, label in OFFERED if one is kind and shown == field_type]
    return str(found[0] if found else LABELS[kind])
