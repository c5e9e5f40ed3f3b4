"""Which properties stand beside a record, in which sections and order: the product's layout until the account has its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.crm.schema.models import SidebarLayout
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line

SECTIONS_LIMIT, PROPERTIES_LIMIT, LABEL_LIMIT = 20, 200, 100


@dataclass(frozen=True)
class Section:
    """`label` is translated where it is shown, as those of the product's own layout are."""

    label: str
    properties: tuple[str, ...]


DEFAULTS: dict[str, tuple[Section, ...]] = {
    "ticket": (
        Section(
            gettext_noop("Ticket"),
            ("hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "hs_ticket_category", "hs_assigned_team_ids", "createdate", "closed_date"),
        ),
    ),
    "contact": (
        Section(gettext_noop("About this contact"), ("firstname", "lastname", "email", "phone", "mobilephone", "jobtitle", "associatedcompanyid", "hs_language", "hubspot_owner_id")),
        Section(gettext_noop("Address"), ("address", "zip", "city", "state", "country")),
    ),
    "company": (
        Section(gettext_noop("About this company"), ("name", "domain", "phone", "industry", "numberofemployees", "hubspot_owner_id")),
        Section(gettext_noop("Address"), ("address", "zip", "city", "state", "country")),
    ),
    "deal": (
        Section(gettext_noop("About this deal"), ("dealname", "amount", "deal_currency_code", "closedate", "hubspot_owner_id", "hs_assigned_team_ids", "description")),
    ),
    "project": (
        Section(gettext_noop("About this project"), ("hs_name", "hs_start_date", "hs_target_due_date", "hubspot_owner_id", "hs_assigned_team_ids", "hs_description")),
    ),
    "custom": (Section(gettext_noop("About this record"), ("hs_name", "hubspot_owner_id", "hs_assigned_team_ids")),),
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    sections: tuple[Section, ...]
    is_own: bool  # the account has arranged it


def layout_of(account_id: int, object_type: str) -> Layout:
    """What stands beside records of this kind, in the open scope; properties that are not there any more are left out."""
    known = properties_of(object_type)
    found = SidebarLayout.objects.filter(account_id=account_id, object_type=object_type).first()
    stored = [Section(one["label"], tuple(one["properties"])) for one in found.sections] if found else ()
    sections = tuple(
        Section(section.label, tuple(name for name in section.properties if name in known))
        for section in stored or DEFAULTS.get(object_type, DEFAULTS["custom"])
    )
    return Layout(sections, found is not None)


def arrange(object_type: str, sections: Sequence[Section], *, by: Actor) -> None:
    """Put these sections beside records of this kind. Raises Invalid for what is unknown, named twice or too much."""
    kept = _checked(object_type, sections)
    account_id = current_account_id()
    before = _as_json(layout_of(account_id, object_type).sections)
    row, _made = SidebarLayout.objects.select_for_update().get_or_create(
        account_id=account_id, object_type=object_type
    )
    row.sections = kept
    row.save(update_fields=["sections"])
    _changed("sidebar_layout.updated", row.pk, object_type, by, before, kept)


def reset(object_type: str, *, by: Actor) -> None:
    """Back to the product's own layout."""
    for row in SidebarLayout.objects.filter(account_id=current_account_id(), object_type=object_type):
        _changed("sidebar_layout.reset", row.pk, object_type, by, row.sections, [])
        row.delete()


def _changed(
    action: str, row_id: int, object_type: str, by: Actor, before: list[dict[str, object]], after: list[dict[str, object]]
) -> None:  # fmt: skip
    audit.record(
        action, by=by, target_type="sidebar_layout", target_id=row_id,
        before={"object_type": object_type, "sections": before}, after={"object_type": object_type, "sections": after},
    )  # fmt: skip


def _as_json(sections: Sequence[Section]) -> list[dict[str, object]]:
    return [{"label": section.label, "properties": list(section.properties)} for section in sections]


def _checked(object_type: str, sections: Sequence[Section]) -> list[dict[str, object]]:
    known, seen = properties_of(object_type), set[str]()
    if not sections:
        raise Invalid(_("A layout needs at least one section."), field="sections", value=0)
    if len(sections) > SECTIONS_LIMIT:
        raise Invalid(
            _("A layout has at most %(count)s sections.") % {"count": SECTIONS_LIMIT},
            field="sections",
            value=len(sections),
        )
    for number, section in enumerate(sections):
        label = one_line(section.label)
        if not 0 < len(label) <= LABEL_LIMIT:
            raise Invalid(
                _("A name has 1 to 100 characters."), field=f"sections[{number}].label", value=section.label
            )
        for name in section.properties:
            if name not in known:
                raise Invalid(
                    _('Property "%(name)s" does not exist.') % {"name": name}, field="properties", value=name
                )
            if name in seen or len(seen) >= PROPERTIES_LIMIT:
                raise Invalid(
                    _("“%(property)s” stands in the layout already.") % {"property": _(known[name].label)}
                    if name in seen
                    else _("A layout has at most %(count)s properties.") % {"count": PROPERTIES_LIMIT},
                    field="properties",
                    value=name,
                )
            seen.add(name)
    return _as_json([Section(one_line(section.label), section.properties) for section in sections])
