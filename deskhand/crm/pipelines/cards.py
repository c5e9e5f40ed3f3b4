"""What the cards of a pipeline's board tell of a record (R-BOARD-2): properties that its admins choose, in their order.

Every card shows the record's name, tags, owner and next task, and since when it stands in its status: those are no choice.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid

MOST = 8
#: Of tickets, beside their properties: who asks.
CONTACT, COMPANY = "contact", "company"
TEAMS = "hs_assigned_team_ids"
DEFAULTS = {
    "ticket": (CONTACT, COMPANY, "source_type", "hs_ticket_id", "hs_ticket_priority"),
    "deal": ("amount", "closedate", "hs_priority"),
    "project": ("hs_target_due_date",),
}
_ALWAYS = {"name", "subject", "owner_id", "pipeline_id", "stage_id"}  # columns of what cards show anyway


def default(object_type: str) -> tuple[str, ...]:
    return DEFAULTS.get(object_type, ())


def shown(pipeline: PipelineValue) -> tuple[str, ...]:
    """What stands on its cards; properties that are gone are left out."""
    chosen = default(pipeline.object_type) if pipeline.card_properties is None else pipeline.card_properties
    return tuple(name for name in chosen if may_show(pipeline.object_type, name))


def may_show(object_type: str, name: str) -> bool:
    if object_type == "ticket" and name in (CONTACT, COMPANY):
        return True
    prop = properties_of(object_type).get(name)
    return prop is not None and name != TAGS and prop.column not in _ALWAYS and _has_words(prop)


def _has_words(prop: Property) -> bool:
    """Durations are made from other columns, and ids of other records say nothing to people."""
    if prop.is_computed or prop.kind is Kind.REFS:
        return prop.name == TEAMS
    return prop.kind is not Kind.REF or prop.is_custom


def checked(object_type: str, names: Sequence[str]) -> list[str] | None:
    """The choice as it is kept: None for the product's own. Raises Invalid for what no card can show, or too much."""
    for place, name in enumerate(names):
        field = f"cards[{place}]"
        if not may_show(object_type, name):
            raise Invalid(
                _("Cards can't show “%(property)s”.") % {"property": name},
                field=field, value=name, hint=_("Choose another property."),
            )  # fmt: skip
        if name in names[:place]:
            raise Invalid(
                _("“%(property)s” stands on the cards already.") % {"property": name},
                field=field, value=name, hint=_("Name each property once."),
            )  # fmt: skip
    if len(names) > MOST:
        raise Invalid(
            _("A card shows at most %(count)s properties.") % {"count": MOST},
            field="cards", value=len(names), hint=_("Take one away first."),
        )  # fmt: skip
    return None if tuple(names) == default(object_type) else list(names)
