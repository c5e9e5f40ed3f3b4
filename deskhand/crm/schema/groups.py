"""The groups that an account puts its properties in."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.schema import queries
from deskhand.crm.schema.models import PropertyDefinition, PropertyGroup
from deskhand.crm.schema.properties import NAME, PLACES_LIMIT, suggested_name
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line

LABEL_LIMIT, LIMIT = 100, 100


def groups_of(object_type: str) -> list[PropertyGroup]:
    found = PropertyGroup.objects.filter(account_id=current_account_id(), object_type=object_type)
    return list(found.order_by("display_order", "label", "id"))


def arrange(object_type: str, rows: Sequence[tuple[int | None, str]], *, by: Actor) -> None:
    """Make the groups what `rows` say, each with the id it has or None for a new one, in their order.

    The properties of a group that is left out are in none. Raises Invalid for a label, Conflict for an id that is gone.
    """
    groups = {group.pk: group for group in _held(object_type)}
    before = [group.label for group in groups.values()]
    labels = _checked(rows)
    if any(group_id is not None and group_id not in groups for group_id, _label in rows):
        raise Conflict(_("Somebody else changed the groups in the meantime."))
    kept = {group_id for group_id, _label in rows}
    _delete(object_type, [group for group in groups.values() if group.pk not in kept])
    taken = {group.name for group in groups.values() if group.pk in kept}
    for place, ((group_id, _typed), label) in enumerate(zip(rows, labels, strict=True)):
        group = groups.get(group_id or 0) or PropertyGroup(
            account_id=current_account_id(), object_type=object_type, name=_free_name(label, taken)
        )
        taken.add(group.name)
        group.label, group.display_order = label, place
        group.save()
    _changed(object_type, before, labels, by)


def create(object_type: str, name: str, label: str, *, place: int | None = None, by: Actor) -> PropertyGroup:
    """One more group, under a name of its own; without a place behind the others. Raises Invalid, Conflict."""
    groups = _held(object_type)
    if not NAME.fullmatch(name):
        raise Invalid(
            _("A group's name has small letters, digits and underscores, and begins with a letter."),
            field="name",
            value=name,
        )
    if any(group.name == name for group in groups):
        raise Conflict(_("There is a group %(name)s already.") % {"name": name})
    before = [group.label for group in groups]
    [*_rest, label] = _checked([*((group.pk, group.label) for group in groups), (None, label)])
    last = max((group.display_order for group in groups), default=-1)
    made = PropertyGroup.objects.create(
        account_id=current_account_id(), object_type=object_type, name=name, label=label,
        display_order=last + 1 if place is None else _place(place),
    )  # fmt: skip
    _changed(object_type, before, [group.label for group in groups_of(object_type)], by)
    return made


def update(
    object_type: str, name: str, *, label: str | None = None, place: int | None = None, by: Actor
) -> PropertyGroup:
    """Another label or place; the name stays. Raises Invalid, NotFound."""
    groups = _held(object_type)
    group = _named(groups, name)
    before = [one.label for one in groups]
    if label is not None:
        group.label = label
        labels = _checked([(one.pk, one.label) for one in groups])
        group.label = labels[groups.index(group)]
    if place is not None:
        group.display_order = _place(place)
    group.save(update_fields=["label", "display_order"])
    _changed(object_type, before, [one.label for one in groups_of(object_type)], by)
    return group


def delete(object_type: str, name: str, *, by: Actor) -> None:
    """Its properties are in none. Raises NotFound."""
    groups = _held(object_type)
    gone = _named(groups, name)
    _delete(object_type, [gone])
    _changed(object_type, [one.label for one in groups], [one.label for one in groups if one != gone], by)


def _held(object_type: str) -> list[PropertyGroup]:
    found = PropertyGroup.objects.select_for_update().filter(
        account_id=current_account_id(), object_type=object_type
    )
    return list(found.order_by("display_order", "label", "id"))


def _named(groups: Sequence[PropertyGroup], name: str) -> PropertyGroup:
    found = next((group for group in groups if group.name == name), None)
    if found is None:
        raise NotFound(_("There is no group %(name)s.") % {"name": name})
    return found


def _place(place: int) -> int:
    if not 0 <= place <= PLACES_LIMIT:
        raise Invalid(
            _("A place is a number from 0 to %(most)s.") % {"most": PLACES_LIMIT}, field="display_order", value=place
        )  # fmt: skip
    return place


def _changed(object_type: str, before: Sequence[str], after: Sequence[str], by: Actor) -> None:
    if before != after:
        audit.record(
            "property_groups.updated", by=by, target_type="property_groups", target_id=0,
            before={"object_type": object_type, "groups": before}, after={"object_type": object_type, "groups": after},
        )  # fmt: skip
    queries.forget(object_type)


def _delete(object_type: str, gone: Sequence[PropertyGroup]) -> None:
    if not gone:
        return
    PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, group__in=[group.name for group in gone]
    ).update(group="")
    PropertyGroup.objects.filter(
        account_id=current_account_id(), pk__in=[group.pk for group in gone]
    ).delete()


def _checked(rows: Sequence[tuple[int | None, str]]) -> list[str]:
    if len(rows) > LIMIT:
        raise Invalid(_("There are at most %(count)s groups.") % {"count": LIMIT}, field="groups", value=len(rows))  # fmt: skip
    labels = [one_line(label) for _id, label in rows]
    for place, label in enumerate(labels):
        if not 0 < len(label) <= LABEL_LIMIT:
            raise Invalid(_("A name has 1 to 100 characters."), field=f"groups[{place}]", value=label)
        if label.casefold() in {one.casefold() for one in labels[:place]}:
            raise Invalid(_("There are two groups of this name."), field=f"groups[{place}]", value=label)
    return labels


def _free_name(label: str, taken: set[str]) -> str:
    wanted = suggested_name(label) or "group"
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
