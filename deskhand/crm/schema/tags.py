"""Tags: coloured words that people and workflows put on tickets (R-BOARD-3).

They are the options of a built-in property, so that filters, history, workflows and the API know them already. A tag is
retired rather than deleted: tickets keep it, nobody is offered it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.crm.schema import properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.properties import OPTION_TONES
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Option
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import one_line

TAGS = "hs_tag_ids"
LABEL_LIMIT, LIMIT = 50, 200


def tags() -> tuple[Option, ...]:
    """Those of the account in their order, the retired ones too."""
    return properties_of("ticket")[TAGS].options


def arrange(rows: Sequence[Option], *, by: Actor) -> None:
    """Make the tags what `rows` say, in their order; a new one has no value and gets the next number.

    Raises Invalid for a name, and for a tag that is left out; Conflict for one that there is not.
    """
    definition = PropertyDefinition.objects.select_for_update().filter(
        account_id=current_account_id(), object_type="ticket", name=TAGS
    ).first()  # fmt: skip
    known = {option["value"] for option in definition.options} if definition else set()
    if any(row.value and row.value not in known for row in rows):
        raise Conflict(_("Somebody else changed the tags in the meantime."))
    last = max((int(value) for value in known if value.isdecimal()), default=0)
    options = []
    for row, label in zip(rows, _checked(rows), strict=True):
        last += not row.value
        options.append(
            {"value": row.value or str(last), "label": label, "tone": row.tone, "hidden": row.is_hidden}
        )
    if definition is not None:
        if definition.archived_at is not None:
            properties.restore("ticket", TAGS, by=by)
            definition.refresh_from_db()
        properties.update(definition, options=options, by=by)
    elif options:
        properties.create("ticket", TAGS, "Ticket tags", Kind.MULTI, options=options, is_filterable=True, by=by)  # fmt: skip


def _checked(rows: Sequence[Option]) -> list[str]:
    if len(rows) > LIMIT:
        raise Invalid(
            _("There are at most %(count)s tags.") % {"count": LIMIT}, field="tags", value=len(rows)
        )
    labels = [one_line(row.label) for row in rows]
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not 0 < len(label) <= LABEL_LIMIT:
            raise Invalid(_("A tag has 1 to 50 characters."), field=f"tags[{place}]", value=label)
        if label.casefold() in {one.casefold() for one in labels[:place]}:
            raise Invalid(
                _("There are two tags of this name: %(name)s.") % {"name": label}, field=f"tags[{place}]", value=label,
                hint=_("Give each a name of its own."),
            )  # fmt: skip
        if row.tone not in OPTION_TONES:
            raise Invalid(_("There is no such colour."), field=f"tags[{place}]", value=row.tone)
    return labels
