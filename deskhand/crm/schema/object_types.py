"""Kinds of record that an account makes (R-OBJ-8). Everywhere else one is called by its `key`, "2-17" as in the API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.models import ObjectType
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
NAME = "hs_name"  # every record of such a kind has it; the primary property unless another is chosen
DESCRIPTION_LIMIT = 10_000  # letters
SHOWABLE = (Kind.TEXT, Kind.NUMBER, Kind.ENUM, Kind.DATE)
_NOTE = "crm.object_types"
_NOTE_DELETED = "crm.object_types.deleted"
#: The pictures to choose from for a kind of one's own, by their names in the set of icons.
ICONS = (
    "box", "package", "truck", "warehouse", "hammer", "wrench", "cpu", "laptop", "car", "house", "map-pin", "calendar",
    "receipt", "credit-card", "shopping-cart", "graduation-cap", "stethoscope", "leaf", "star", "flag",
)  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """How records of a kind are called (R-OBJ-5). Translated where they are shown, as the product's own words are."""

    singular: str
    plural: str
    icon: str


_BUILT_IN_LABELS = {
    "ticket": Labels(gettext_noop("Ticket"), gettext_noop("Tickets"), "ticket"),
    "contact": Labels(gettext_noop("Contact"), gettext_noop("Contacts"), "users-round"),
    "company": Labels(gettext_noop("Company"), gettext_noop("Companies"), "building-2"),
    "deal": Labels(gettext_noop("Deal"), gettext_noop("Deals"), "handshake"),
    "project": Labels(gettext_noop("Project"), gettext_noop("Projects"), "folder-kanban"),
}
#: Built-in kinds that an account may call otherwise.
RENAMABLE = ("deal", "project")


@dataclass(frozen=True)
class OwnType:
    """`primary` is the property whose value names a record in lists. What `describe` sets is for programs."""

    id: int
    name: str
    singular: str
    plural: str
    primary: str = NAME
    required: tuple[str, ...] = ()
    has_pipelines: bool = False
    icon: str = ICONS[0]
    description: str = ""
    searchable: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"2-{self.id}"


def all_of_them() -> dict[str, OwnType]:
    """The open account's own kinds by key. Read once per transaction."""
    return {own.key: own for own in _rows() if own.name not in BUILT_IN}


def deleted() -> dict[str, OwnType]:
    """The kinds that the open account had, by key, as they were called last. Read once per transaction."""
    notes = current_scope().notes
    found = notes.get(_NOTE_DELETED)
    if not isinstance(found, dict):
        rows = ObjectType.objects.filter(account_id=current_account_id(), archived_at__isnull=False)
        found = {own.key: own for own in map(_value, rows.exclude(name__in=BUILT_IN))}
        notes[_NOTE_DELETED] = found
    return found


def every() -> list[str]:
    """The kinds of records of the open account by key, its own last."""
    return [*_BUILT_IN_LABELS, *all_of_them()]


def _rows() -> list[OwnType]:
    """The account's own kinds, and the other names that it gave to built-in ones."""
    notes = current_scope().notes
    found = notes.get(_NOTE)
    if not isinstance(found, list):
        rows = ObjectType.objects.filter(account_id=current_account_id(), archived_at=None).order_by("id")
        found = notes[_NOTE] = [_value(row) for row in rows]
    return found


def labels_of(object_type: str) -> Labels:
    """Those of a deleted kind, too, as earlier versions of workflows name it. Raises NotFound for one that never was."""
    product = _BUILT_IN_LABELS.get(object_type)
    if product is None:
        own = all_of_them().get(object_type) or deleted().get(object_type) or find(object_type)
        return Labels(own.singular, own.plural, own.icon)
    renamed = next((row for row in _rows() if row.name == object_type), None)
    return Labels(renamed.singular, renamed.plural, product.icon) if renamed else product


def is_renamed(object_type: str) -> bool:
    return any(row.name == object_type for row in _rows())


def find(key: str) -> OwnType:
    """Raises NotFound."""
    found = all_of_them().get(key)
    if found is None:
        raise NotFound(_("There are no records of type %(type)s.") % {"type": key})
    return found


def _value(row: ObjectType) -> OwnType:
    settings = row.settings
    return OwnType(
        row.pk, row.name, row.singular, row.plural, settings.get("primary", NAME), tuple(settings.get("required", ())),
        settings.get("has_pipelines", False), settings.get("icon", ICONS[0]), settings.get("description", ""),
        tuple(settings.get("searchable", ())), tuple(settings.get("secondary", ())),
    )  # fmt: skip


def create(name: str, singular: str, plural: str, *, by: Actor) -> OwnType:
    """Make a kind of record; give it properties with `properties.create(key, …)`.

    Raises Invalid for a name or label that can't be taken, Conflict when the name is.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            _("A type's name has small letters, digits and underscores, and begins with a letter."),
            field="name",
            value=name,
        )
    if name in BUILT_IN or ObjectType.objects.filter(account_id=current_account_id(), name=name).exists():
        raise Conflict(_("There is a type %(name)s already.") % {"name": name})
    made = ObjectType.objects.create(
        account_id=current_account_id(),
        name=name,
        singular=_label("singular", singular),
        plural=_label("plural", plural),
    )
    _changed("object_type.created", made, by, after={"name": name})
    return _value(made)


def update(
    key: str,
    *,
    by: Actor,
    singular: str | None = None,
    plural: str | None = None,
    required: Sequence[str] | None = None,
) -> OwnType:
    """Change labels (R-OBJ-5; the name stays), or which properties a record can't be without."""
    row = _row(key)
    before = _facts(key, row)
    if singular is not None:
        row.singular = _label("singular", singular)
    if plural is not None:
        row.plural = _label("plural", plural)
    if required is not None:
        row.settings["required"] = [_writable(key, name) for name in dict.fromkeys(required)]
    row.save(update_fields=["singular", "plural", "settings"])
    _changed("object_type.updated", row, by, before, _facts(key, row))
    return _value(row)


def rename(object_type: str, singular: str, plural: str, *, by: Actor) -> None:
    """Call a built-in kind otherwise in this account (R-OBJ-5); programs go on with its own name.

    Two empty names bring the product's back. Raises Invalid for one that can't be taken.
    """
    if object_type not in RENAMABLE:
        raise Invalid(_("This kind of record keeps its name."), field="singular", value=object_type)
    before = labels_of(object_type)
    row = (
        ObjectType.objects.select_for_update()
        .filter(account_id=current_account_id(), name=object_type)
        .first()
    )
    row = row or ObjectType(account_id=current_account_id(), name=object_type)
    row.archived_at = None if singular or plural else clock.now()
    if row.archived_at is None:
        row.singular, row.plural = _label("singular", singular), _label("plural", plural)
    row.save()
    _changed(
        "object_type.updated", row, by, {"singular": before.singular, "plural": before.plural},
        {"singular": row.singular, "plural": row.plural} if row.archived_at is None else {},
    )  # fmt: skip


def set_icon(key: str, icon: str, *, by: Actor) -> OwnType:
    """Raises Invalid for what is none of ICONS."""
    if icon not in ICONS:
        raise Invalid(_("Choose a picture from the list."), field="icon", value=icon[:40])
    return _set(key, "icon", icon, by)


def set_primary(key: str, property: str, *, by: Actor) -> OwnType:
    """Choose the property that names records. The verb on records, which renames them too, is in `records/objects.py`."""
    kind = properties_of(key)[_writable(key, property)].kind
    if kind not in SHOWABLE:
        raise Invalid(_("Records can't be named by this property."), field="primary", value=property)
    return _set(key, "primary", property, by)


def set_pipelines(key: str, has_pipelines: bool, *, by: Actor) -> OwnType:
    """Whether records of this kind stand in pipelines; `records/objects.py` has the verb that files them."""
    return _set(key, "has_pipelines", has_pipelines, by)


def describe(
    key: str,
    *,
    by: Actor,
    description: str | None = None,
    searchable: Sequence[str] | None = None,
    secondary: Sequence[str] | None = None,
) -> None:
    """Keep what programs say of a kind: what it is for, and which properties they look in and show beside its name.

    None leaves it. Raises Invalid for a property that there is not, and for a description that is too long.
    """
    row, known = _row(key), properties_of(key)
    for names in (searchable or (), secondary or ()):
        for name in names:
            if name not in known:
                raise Invalid(
                    _('Property "%(name)s" does not exist.') % {"name": name}, field=name, value=name
                )
    text = None if description is None else storable(description).strip()
    if text and len(text) > DESCRIPTION_LIMIT:
        raise Invalid(_("The description is too long."), field="description", value=len(text))
    given = {"description": text, "searchable": searchable, "secondary": secondary}
    after = {
        name: list(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None and value != row.settings.get(name, "" if name == "description" else [])
    }
    if after:
        before = {name: row.settings.get(name) for name in after}
        row.settings |= after
        row.save(update_fields=["settings"])
        of = {"object_type": key}
        _changed("object_type.updated", row, by, of | before, of | after)


def archive(key: str, *, in_use: int, by: Actor) -> None:
    """Take a kind away. `in_use` is how many records it has; raises Conflict while there are any."""
    row = _row(key)
    if in_use:
        raise Conflict(_("There are records of this type; delete them first."))
    name, row.archived_at = row.name, clock.now()
    row.name = f"{name}-{row.pk}"  # no name that a kind may have: the next one may be called so
    row.save(update_fields=["archived_at", "name"])
    _changed("object_type.deleted", row, by, before={"name": name})


def _set(key: str, setting: str, value: Any, by: Actor) -> OwnType:
    row = _row(key)
    before, row.settings[setting] = row.settings.get(setting), value
    row.save(update_fields=["settings"])
    of = {"object_type": key}
    _changed("object_type.updated", row, by, of | {setting: before}, of | {setting: value})
    return _value(row)


def _facts(key: str, row: ObjectType) -> dict[str, Any]:
    required = row.settings.get("required", [])
    return {"object_type": key, "singular": row.singular, "plural": row.plural, "required": required}


def _row(key: str) -> ObjectType:
    return ObjectType.objects.select_for_update().get(account_id=current_account_id(), pk=find(key).id)


def _writable(key: str, name: str) -> str:
    prop = properties_of(key).get(name)
    if prop is None or prop.read_only:
        raise Invalid(_('Property "%(name)s" does not exist.') % {"name": name}, field=name, value=name)
    return name


def _label(field: str, label: str) -> str:
    label = one_line(label)
    if not 0 < len(label) <= 100:
        raise Invalid(_("A name has 1 to 100 characters."), field=field, value=label)
    return label


def _changed(action: str, row: ObjectType, by: Actor, before: Any = None, after: Any = None) -> None:
    """Keep who changed what, and read the kinds anew."""
    audit.record(action, by=by, target_type="object_type", target_id=row.pk, before=before, after=after)
    for note in (_NOTE, _NOTE_DELETED):
        current_scope().notes.pop(note, None)
