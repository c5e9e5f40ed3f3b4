"""The audit log in words: conditions, and what is nested."""

from __future__ import annotations

import pytest

from deskhand.accounts import audit
from deskhand.channels.portal import portals
from deskhand.crm.filters.types import EVERYTHING, AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import contacts, joining
from deskhand.crm.records.contacts import Person
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import Actor
from deskhand.routing import skill_sets, skills
from deskhand.routing.skill_sets import NewRule
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

AUDIT = "/settings/audit"
URGENT = AllOf((Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",)),))


@pytest.fixture
def admin(office, sign_in):
    """A super admin."""
    return sign_in(office.world.ada)


def here(kind, name, *values, operator=Operator.ANY_OF):
    return AllOf((Filter(name, kind, operator, values),))


def test_conditions_are_told_as_their_forms_tell_them(office, admin):
    """Of skill rules, segments and the portal, for the kind of record that each asks about."""
    with office.inside() as world:
        account_id, by = world.account.pk, Actor.user(world.ada.pk)
        category = skills.create_category(account_id, "Fields", by=by)
        [skill] = skills.create(account_id, category.pk, ["Billing"], by=by)
        found = skill_sets.create(account_id, "By priority", by=by)
        skill_sets.add_rule(account_id, found.pk, NewRule("Urgent", URGENT, (skill.pk,)), by=by)
        in_oslo = here(Kind.TEXT, "city", "Oslo")
        segment = segments.create("contact", "Near", SegmentKind.FILTER, in_oslo, by=by)
        segments.change_condition(segment.pk, AnyOf((in_oslo, here(Kind.TEXT, "city", "Moss"))), by=by)
        linked = AllOf((Associated("ticket", URGENT),))
        portals.change_condition(linked, by=by)
        portals.change_condition(EVERYTHING, by=by)

    shown = texts(admin.get(AUDIT))
    for said in (
        "changed the skill rules By priority. Rule Urgent Needs Billing Filters Priority is any of Urgent",
        "made the segment Near. Kind By filter Filters City is any of Oslo Kind of record Contacts",
        "changed whom the segment Near holds. Filters City is any of Oslo → City is any of Oslo, or City is any of Moss",
        "changed the customer portal. Filters All: Contacts → Ticket: Priority is any of Urgent",
        "changed the customer portal. Filters Ticket: Priority is any of Urgent → All: Contacts",
    ):
        assert said in shown, said
    assert "hs_ticket_priority" not in shown


def test_conditions_on_what_is_gone_or_unreadable_are_no_error(office, admin):
    """What can be said is said."""
    with office.inside() as world:
        by = Actor.user(world.ada.pk)
        club = properties.create("contact", "club", label="Club", kind=Kind.TEXT, by=by)
        segments.create("contact", "Members", SegmentKind.FILTER, here(Kind.TEXT, club.name, "A"), by=by)
        properties.archive("contact", club.name, by=by)
        own = object_types.create("boat", "Boat", "Boats", by=by)
        segments.create(own.key, "Fleet", SegmentKind.FILTER, here(Kind.TEXT, "hs_name", "Ada"), by=by)
        object_types.archive(own.key, in_use=0, by=by)
        for condition in (
            {"odd": 1},
            "x",
            {"property": "city"},
            {"associated": "boat", "where": {"all": []}},
        ):
            after = {"object_type": "nothing", "condition": condition}
            audit.record("segment.changed", by=by, target_type="segment", target_id=0, after=after)

    shown = texts(admin.get(AUDIT))
    assert "Filters Club (not there any more) is any of A" in shown
    assert "made the segment Fleet. Kind By filter Filters Name is any of Ada Kind of record Boats" in shown
    assert (
        shown.count(
            "changed whom the segment (deleted) holds. Filters A filter that can&#39;t be read any more"
        )
        == 3
    )
    assert "Kind of record a kind of record that was deleted" in shown


def test_a_long_log_of_conditions_asks_as_often_as_a_short_one(office, admin):
    counts = []
    for many in (1, 12):
        with office.inside() as world:
            by = Actor.user(world.ada.pk)
            for number in range(many):
                asked = here(Kind.TEXT, "city", f"Place {many} {number}")
                segment = segments.create("contact", f"S{many}.{number}", SegmentKind.FILTER, asked, by=by)
                segments.change_condition(segment.pk, AllOf((Associated("ticket", URGENT),)), by=by)
        counts.append(queries_of(admin, AUDIT))
    assert counts[0] == counts[1]


def test_what_is_nested_is_told_line_by_line(office, admin):
    """Rules and statuses of a pipeline, choices of a property, and who was merged into whom."""
    with office.inside() as world:
        by = Actor.user(world.ada.pk)
        pipeline = Pipeline.objects.get(object_type="ticket", account_id=world.account.pk)
        first, *_rest = pipeline.stages.order_by("display_order")
        asks = {first.pk: (Ask("subject", is_required=True), Ask("hs_ticket_priority", is_required=False))}
        pipelines.set_rules(pipeline, Rules(True, (first.pk,), True, False, asks), by=by)
        size = properties.create(
            "ticket", "size", label="Size", kind=Kind.ENUM, options=[{"value": "s", "label": "Small"}, {"value": "l", "label": "Large"}], by=by
        )  # fmt: skip
        properties.update(
            size, by=by, options=[{"value": "s", "label": "Tiny", "tone": "blue"}, {"value": "l", "label": "Large", "hidden": True}]
        )  # fmt: skip
        people = [Person(f"{name}@home.example", name.title()) for name in ("astrid", "double")]
        astrid, double = (contacts.create(one, by=by) for one in people)
        joined = joining.join("contact", astrid.pk, double.pk, by=by)
        joining.part(joined.pk, by=by)

    shown = texts(admin.get(AUDIT))
    for said in (
        f"Statuses that records are created in – → {first.label}",
        f"“{first.label}” asks for – → Subject (required), Priority",
        "changed the property Size. Option Small → Tiny (Blue) Option Large → Large (hidden)",
        "merged Double into another record. Into Astrid Address double@home.example",
        "undid that Double was merged into another record. Into Astrid",
    ):
        assert said in shown, said
