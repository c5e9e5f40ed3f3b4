"""The groups that an account puts its properties in."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.schema import queries
from deskhand.crm.schema.models import PropertyDefinition, PropertyGroup
from deskhand.crm.schema.properties import suggested_name
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import one_line

LABEL_LIMIT, LIMIT = 100, 100


def groups_of(object_type: str) -> list[PropertyGroup]:
    found = PropertyGroup.objects.filter(account_id=current_account_id(), object_type=object_type)
    return list(found.order_by("display_order", "label", "id"))


def arrange(object_type: str, rows: Sequence[tuple[int | None, str]], *, by: Actor) -> None:
    """Make the groups what `rows` say, each with the id it has or None for a new one, in their order.

    The properties of a group that is left out are in none. Raises Invalid for a label, Conflict for an id that is gone.
    """
    groups = {
        group.pk: group
        for group in PropertyGroup.objects.select_for_update()
        .filter(account_id=current_account_id(), object_type=object_type)
        .order_by("display_order", "label", "id")
    }
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
    if before != labels:
        audit.record(
            "property_groups.updated", by=by, target_type="property_groups", target_id=0,
            before={"object_type": object_type, "groups": before}, after={"object_type": object_type, "groups": labels},
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
