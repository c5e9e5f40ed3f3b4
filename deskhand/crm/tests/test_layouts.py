"""What stands beside a record, and who arranged it."""

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.crm.schema import layouts, properties
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.layouts import Section
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Invalid


@pytest.mark.parametrize("object_type", layouts.DEFAULTS)
def test_the_products_layout_names_properties_that_exist(world, object_type):
    names = [name for section in layouts.DEFAULTS[object_type] for name in section.properties]

    assert set(names) <= {prop.name for prop in BUILT_IN[object_type]}
    assert len(names) == len(set(names))
    assert layouts.layout_of(world.account.pk, object_type).sections == layouts.DEFAULTS[object_type]


def test_an_account_arranges_its_own_and_goes_back(world):
    own = (Section("First things", ("subject", "hs_ticket_priority")), Section("Rest", ()))

    layouts.arrange("ticket", own, by=SYSTEM)
    assert layouts.layout_of(world.account.pk, "ticket").sections == own
    assert layouts.layout_of(world.account.pk, "ticket").is_own
    assert not layouts.layout_of(world.account.pk, "contact").is_own

    layouts.reset("ticket", by=SYSTEM)
    assert layouts.layout_of(world.account.pk, "ticket").sections == layouts.DEFAULTS["ticket"]
    actions = list(AuditEntry.objects.order_by("number").values_list("action", flat=True))
    assert actions == ["sidebar_layout.updated", "sidebar_layout.reset"]


def test_an_archived_property_leaves_the_layout(world):
    properties.create("ticket", "colour", "Colour", Kind.TEXT)
    layouts.arrange("ticket", [Section("One", ("subject", "colour"))], by=SYSTEM)

    properties.archive("ticket", "colour")

    assert layouts.layout_of(world.account.pk, "ticket").sections == (Section("One", ("subject",)),)


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ([], "sections"),
        ([Section("x", ())] * 21, "sections"),
        ([Section(" ", ())], "sections[0].label"),
        ([Section("x" * 101, ())], "sections[0].label"),
        ([Section("One", ("nothing",))], "properties"),
        ([Section("One", ("subject",)), Section("Two", ("subject",))], "properties"),
    ],
)
def test_what_can_not_stand_there_is_refused(world, sections, field):
    with pytest.raises(Invalid) as refusal:
        layouts.arrange("ticket", sections, by=SYSTEM)

    assert refusal.value.field == field
    assert not layouts.layout_of(world.account.pk, "ticket").is_own
