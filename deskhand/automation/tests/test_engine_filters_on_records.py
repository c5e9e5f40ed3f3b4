"""A ticket as automation reads it and as PostgreSQL reads it meet the same filters, property by property."""

from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.automation import records
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import to_where
from deskhand.crm.filters.types import (
    OPERATORS,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Takes,
    Unit,
    Window,
)  # fmt: skip
from deskhand.crm.records import associations, companies, labeling, store, tickets
from deskhand.crm.records.associations import Why
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.schema import association_labels, clock_names
from deskhand.crm.schema.defaults import PRIMARY_TYPES
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import forget, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.testing.fixtures import NOON

ZONE = ZoneInfo("Europe/Copenhagen")

CUSTOM = {
    "topic": Kind.TEXT,
    "score": Kind.NUMBER,
    "renewal": Kind.DATE,
    "called": Kind.DATETIME,
    "vip": Kind.BOOL,
    "colours": Kind.MULTI,
    "friend": Kind.REF,
    "friends": Kind.REFS,
}


@pytest.fixture
def shop(world, noon):
    """Three tickets: one with everything, one with other values and a past, one with nothing."""
    PropertyDefinition.objects.bulk_create(
        PropertyDefinition(
            account_id=world.account.pk, object_type="ticket", name=name, label=name, kind=kind.value, field_type="x",
            options=[{"value": c, "label": c} for c in ("red", "blue")] if kind is Kind.MULTI else [],
        )
        for name, kind in CUSTOM.items()
    )  # fmt: skip
    forget("ticket")
    full, other, bare = world.ticket("Refund ÆBLE"), world.ticket("50% off?"), world.ticket("bare")
    tickets.update(
        full.pk,
        {
            "topic": "Straße ÆØÅ", "score": 0.1, "renewal": "2026-12-01", "called": noon - timedelta(hours=2), "vip": True,
            "colours": ["red", "blue"], "friend": 7, "friends": [7, 8], "hs_ticket_priority": "HIGH",
        },
        by=SYSTEM,
    )  # fmt: skip
    tickets.update(full.pk, {"hs_ticket_priority": "LOW", "topic": "Sold"}, by=SYSTEM)
    tickets.update(
        other.pk, {"score": 0, "vip": False, "colours": ["blue"], "hs_ticket_priority": "HIGH"}, by=SYSTEM
    )
    tickets.move(other.pk, to=world.stage("Closed"), by=SYSTEM)
    contact = world.contact()
    associations.link_many([("ticket", full.pk, "contact", contact.pk)], noon)
    return [full.pk, other.pk, bare.pk]


def leaf(name: str, operator: Operator, *values) -> Filter:
    return Filter(name, KINDS.get(name, Kind.TEXT), operator, values)


KINDS = {
    **CUSTOM,
    "subject": Kind.TEXT,
    "email": Kind.TEXT,
    "hs_ticket_priority": Kind.ENUM,
    "hs_pipeline_stage": Kind.ENUM,
    "hubspot_owner_id": Kind.REF,
    "hs_assigned_team_ids": Kind.REFS,
    "hs_is_closed": Kind.BOOL,
    "closed_date": Kind.DATETIME,
    "createdate": Kind.DATETIME,
    "hs_ticket_id": Kind.NUMBER,
}
ASTRID = "Astrid@FJALLBO.example"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (leaf("subject", Operator.CONTAINS, "æble"), [0]),
        (leaf("subject", Operator.CONTAINS, "%"), [1]),
        (leaf("topic", Operator.ANY_OF, "SOLD"), [0]),
        (leaf("topic", Operator.EVER, "STRAßE æøå"), [0]),
        (leaf("topic", Operator.UNKNOWN), [1, 2]),
        (leaf("score", Operator.ANY_OF, Decimal("0.1")), [0]),
        (leaf("score", Operator.ANY_OF, Decimal(0)), [1]),
        (leaf("score", Operator.UNKNOWN), [2]),
        (leaf("score", Operator.LESS, Decimal(1)), [0, 1]),
        (leaf("score", Operator.EVER, Decimal("0.1")), [0]),
        (leaf("renewal", Operator.ON, date(2026, 12, 1)), [0]),
        (leaf("called", Operator.KNOWN), [0]),
        (leaf("vip", Operator.ANY_OF, True), [0]),
        (leaf("vip", Operator.NONE_OF, True), [1, 2]),
        (leaf("colours", Operator.ALL_OF, "red", "blue"), [0]),
        (leaf("colours", Operator.ANY_OF, "blue"), [0, 1]),
        (leaf("colours", Operator.UNKNOWN), [2]),
        (leaf("friend", Operator.ANY_OF, 7), [0]),
        (leaf("friends", Operator.ANY_OF, 8, 9), [0]),
        (leaf("friends", Operator.NONE_OF, 8), [1, 2]),
        (leaf("hs_ticket_priority", Operator.ANY_OF, "HIGH"), [1]),
        (leaf("hs_ticket_priority", Operator.EVER, "HIGH"), [0, 1]),
        (leaf("hs_ticket_priority", Operator.NEVER, "HIGH"), [2]),
        (leaf("hs_is_closed", Operator.ANY_OF, True), [1]),
        (leaf("closed_date", Operator.KNOWN), [1]),
        (leaf("closed_date", Operator.LESS_THAN_AGO, Span(1, Unit.DAY)), [1]),
        (leaf("createdate", Operator.WITHIN, Window.TODAY), [0, 1, 2]),
        (leaf("hubspot_owner_id", Operator.UNKNOWN), [0, 1, 2]),
        (leaf("hs_assigned_team_ids", Operator.KNOWN), []),
        (leaf("hs_ticket_id", Operator.AT_LEAST, Decimal(2)), [1, 2]),
        (Associated("contact", leaf("email", Operator.ANY_OF, ASTRID)), [0]),
        (Associated("contact", leaf("email", Operator.ANY_OF, ASTRID), type_id=16), [0]),
        (Associated("contact", leaf("email", Operator.ANY_OF, ASTRID), type_id=15), []),
        (Associated("contact", leaf("email", Operator.ENDS_WITH, ".com")), []),
        (Associated("contact", Associated("ticket", leaf("score", Operator.KNOWN))), [0]),
        (
            AnyOf(
                (leaf("vip", Operator.ANY_OF, True), AllOf((leaf("hs_is_closed", Operator.ANY_OF, True),)))
            ),
            [0, 1],
        ),
    ],
)
def test_both_ways_of_reading_find_the_same_tickets(world, shop, noon, condition, found):
    """R-TRIG-2…6 on real tables"""
    assert in_python(shop, condition, noon) == [shop[place] for place in found]
    assert in_sql(world, condition, noon) == [shop[place] for place in found]


@pytest.fixture
def sets(world, shop) -> dict[str, int]:
    """Of tickets: the first two, the last one. Of contacts: all. A segment of contacts has an id of a ticket in it, too."""
    contact = Contact.objects.get(account_id=world.account.pk)
    made = {}
    for name, object_type, ids in (
        ("first", "ticket", shop[:2]), ("last", "ticket", shop[2:]), ("people", "contact", [contact.pk, *shop]),
    ):  # fmt: skip
        made[name] = segments.create(object_type, name, SegmentKind.STATIC, by=SYSTEM).pk
        members.add(made[name], ids, by=SYSTEM)
    return made


def member(*ids: int, is_member: bool = True) -> MemberOf:
    return MemberOf("segment", ids, is_member)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (lambda s: member(s["first"]), [0, 1]),
        (lambda s: member(s["first"], s["last"]), [0, 1, 2]),
        (lambda s: member(s["first"], is_member=False), [2]),
        (lambda s: member(s["people"]), []),
        (lambda s: member(s["people"], 999, is_member=False), [0, 1, 2]),
        (lambda s: Associated("contact", member(s["people"])), [0]),
        (lambda s: Associated("contact", member(s["first"])), []),
        (lambda s: Associated("contact", Associated("ticket", member(s["first"]))), [0]),
        (lambda s: AllOf((member(s["first"]), leaf("vip", Operator.ANY_OF, False))), [1]),
        (lambda s: AnyOf((member(s["last"]), leaf("vip", Operator.ANY_OF, True))), [0, 2]),
    ],
)
def test_both_ways_of_reading_know_the_same_members(world, shop, sets, noon, condition, found):
    """R-TRIG-4 on real tables: segments, also those of associated records"""
    asked = condition(sets)

    assert in_sql(world, asked, noon) == [shop[place] for place in found]
    assert in_python(shop, asked, noon) == [shop[place] for place in found]


LEAVES = st.one_of(
    st.builds(
        MemberOf,
        st.just("segment"),
        st.lists(st.integers(0, 3), min_size=1, max_size=2).map(tuple),
        st.booleans(),
    ),
    st.sampled_from([leaf("vip", Operator.ANY_OF, True), leaf("score", Operator.KNOWN)]),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(
            Associated,
            st.just("contact"),
            LEAVES.filter(lambda one: isinstance(one, MemberOf)),
            st.sampled_from([None, 0, 1, 2, 3]),
        ),
    ),
    max_leaves=4,
)


@pytest.fixture
def labels(world, shop):
    """Numbers that links may be asked by: the primary one's, a label's, that of every link, none's. The second ticket's
    requester is no VIP, its other contact is."""
    vip = association_labels.create("ticket", "contact", "VIP", "Is VIP of", by=SYSTEM)
    requester, other = (world.contact(f"{name}@fjallbo.example").pk for name in ("requester", "other"))
    Ticket.objects.filter(pk=shop[1]).update(contact_id=requester)
    links = {("ticket", shop[1], "contact", one): Why() for one in (requester, other)}
    associations.connect_many(links, by=SYSTEM)
    labeling.relabel(("ticket", shop[1], "contact", other), Labeling(frozenset({vip.type_id})), by=SYSTEM)
    labeling.connect_many({("ticket", shop[2], "contact", other): Why()}, [vip.type_id], by=SYSTEM)
    return [PRIMARY_TYPES["ticket", "contact"].type_id, vip.type_id, 16, 999_999]


@pytest.mark.parametrize(
    ("place", "email", "found"),
    [
        (None, "other", [1, 2]),
        (0, "requester", [1]),
        (0, "other", []),
        (1, "requester", []),
        (1, "other", [1, 2]),
        (2, "other", [1, 2]),
        (3, "other", []),
    ],
)
def test_linked_records_are_asked_by_their_label(world, shop, labels, noon, place, email, found):
    """R-TRIG-5: any associated record, unless a label or the primary one is named"""
    number = None if place is None else labels[place]
    asked = Associated("contact", leaf("email", Operator.STARTS_WITH, email), number)

    assert in_sql(world, asked, noon) == [shop[one] for one in found]
    assert in_python(shop, asked, noon) == [shop[one] for one in found]


@pytest.mark.parametrize(("here", "there"), PRIMARY_TYPES)
def test_primary_is_asked_from_both_sides(world, noon, here, there):
    """R-TRIG-5"""
    firm, spare = (companies.create(name, by=SYSTEM).pk for name in ("Fjällbo", "Spare"))
    person, extra = world.contact("p@x.example").pk, world.contact("e@x.example").pk
    companies.add_contact(firm, person, by=SYSTEM)
    companies.add_contact(spare, person, by=SYSTEM)
    ticket = world.ticket("x", contact_id=person)
    associations.connect("ticket", ticket.pk, "contact", extra, by=SYSTEM)
    names = {"company": "Fjällbo", "contact": "p@x.example", "ticket": "x"}
    prop = {"company": "name", "contact": "email", "ticket": "subject"}[there]
    primary = {"company": [firm], "contact": [person], "ticket": [ticket.pk]}[here]
    asked = Associated(there, Filter(prop, Kind.TEXT, Operator.ANY_OF, (names[there],)), PRIMARY_TYPES[here, there].type_id)  # fmt: skip

    tables = {kind: store.table_of(kind) for kind in store.TABLES}
    source = SchemaSource(Tables(world.account.pk, tables, properties_of), here, tables[here])
    ids = store.model_of(here).objects.order_by("pk").values_list("pk", flat=True)
    loaded = records.load(here, list(ids))
    python = [pk for pk in ids if holds(asked, records.LoadedFacts(here, loaded[pk]), now=noon, zone=ZONE)]

    assert python == primary
    assert list(ids.filter(to_where(asked, source, now=noon, zone=ZONE))) == primary


def test_members_are_the_same_in_python_and_postgresql_whatever_is_asked(world, shop, sets, labels, noon):
    """R-TRIG-4, R-TRIG-5: on the real tables, for any condition, whatever the links are asked by"""
    ids = [*sets.values(), 999]

    def real(condition):
        match condition:
            case MemberOf(of, places, is_member):
                return MemberOf(of, tuple(ids[place] for place in places), is_member)
            case Associated(to, where, place):
                return Associated(to, real(where), None if place is None else labels[place])
            case AllOf(parts) | AnyOf(parts):
                return type(condition)(tuple(real(part) for part in parts))
        return condition

    @settings(max_examples=100, deadline=None)
    @given(CONDITIONS)
    def agree(condition) -> None:
        asked = real(condition)
        assert in_sql(world, asked, noon) == in_python(shop, asked, noon)

    agree()


def test_members_and_neighbours_are_read_for_all_records_at_once(
    world, shop, sets, noon, django_assert_num_queries
):
    associations.link_many([("ticket", pk, "contact", world.contact().pk) for pk in shop], noon)
    asked = AllOf((member(sets["last"], is_member=False), Associated("contact", member(sets["people"]))))
    loaded = records.load("ticket", shop)

    with django_assert_num_queries(4):  # segments, links, neighbours, their segments
        for row in loaded.values():
            holds(asked, records.LoadedFacts("ticket", row), now=noon, zone=ZONE)


def test_segments_of_a_single_row_are_known(world, shop, sets, noon):
    row = dict(records.load("ticket", shop[:1])[shop[0]])

    assert holds(member(sets["first"]), records.LoadedFacts("ticket", row), now=noon, zone=ZONE)
    assert not holds(MemberOf("club", (1,)), records.LoadedFacts("ticket", row), now=noon, zone=ZONE)


def test_a_status_is_found_by_its_id_now_and_before(world, shop, noon):
    """R-TRIG-3: has ever been"""
    closed, new = str(world.stage("Closed")), str(world.stage("New"))

    for operator, values, found in [
        (Operator.ANY_OF, (closed,), [shop[1]]),
        (Operator.ANY_OF, ("closed", "٣", "0" + closed, "9" * 30), []),
        (Operator.EVER, (new,), shop),
        (Operator.NEVER, (closed,), [shop[0], shop[2]]),
        (Operator.KNOWN, (), shop),
    ]:
        condition = leaf("hs_pipeline_stage", operator, *values)
        assert in_sql(world, condition, noon) == found
        assert in_python(shop, condition, noon) == found


@pytest.mark.parametrize("name", ["hs_v2_date_entered_999999", "properties", "id", 'id" or 1=1 --'])
def test_what_is_no_stored_property_can_not_be_asked(world, noon, name):
    """S16"""
    with pytest.raises(Invalid, match="no property"):
        in_sql(world, Filter(name, Kind.TEXT, Operator.KNOWN), noon)


@pytest.fixture
def moved(world, noon):
    """Five tickets on their ways: there again, never away, answered, closed, in another pipeline's status."""
    new, us, closed = (world.stage(label) for label in ("New", "Waiting on us", "Closed"))
    made = [world.ticket(str(number), stage_id=new) for number in range(5)]
    ways = [[us, new, us, new], [], [us], [closed, new], [us, closed]]
    for number, (ticket, way) in enumerate(zip(made, ways, strict=True)):
        for place, stage in enumerate(way, 1):
            with clock.stopped(
                noon - timedelta(hours=5) + timedelta(minutes=50 * place + number, microseconds=7)
            ):
                tickets.move(ticket.pk, to=stage, by=SYSTEM)
    tickets.assign(made[0].pk, owner_id=world.ada.pk, by=SYSTEM)
    Ticket.objects.filter(pk=made[2].pk).update(first_agent_reply_at=noon + timedelta(minutes=3))
    return [ticket.pk for ticket in made]


SPANS = ("time_to_close", "time_to_first_agent_reply", "hs_time_to_first_assign")
HOURS = [Decimal(number * 600_000) for number in range(-2, 40)]
AROUND = [NOON + timedelta(minutes=10 * number) for number in range(-40, 10)]


@st.composite
def computed_filters(draw):
    """On a clock of a status, by its place, or on a span; under new names and those of old."""
    name = draw(st.sampled_from([*clock_names.SORTS, *SPANS]))
    clock_of = clock_names.parse(f"{name}_1")
    kind = Kind.DATETIME if clock_of and not clock_of.is_running else Kind.DURATION
    operator = draw(st.sampled_from(sorted(OPERATORS[kind])))
    pool = HOURS if kind is Kind.DURATION else AROUND
    values = {
        Takes.NOTHING: st.just(()),
        Takes.SOME: st.tuples(st.sampled_from(pool), st.sampled_from(pool)),
        Takes.ONE: st.tuples(st.sampled_from(pool)),
        Takes.TWO: st.tuples(st.sampled_from(pool), st.sampled_from(pool)).map(
            lambda pair: tuple(sorted(pair))
        ),
        Takes.DAY: st.tuples(st.sampled_from([NOON.date(), NOON.date() - timedelta(days=1)])),
        Takes.SPAN: st.tuples(st.builds(Span, st.integers(1, 6), st.sampled_from(Unit))),
        Takes.WINDOW: st.tuples(st.sampled_from(Window)),
    }[OPERATORS[kind][operator]]
    return name, draw(st.sampled_from(["New", "Waiting on us", "Closed"])), kind, operator, draw(values)


def test_what_is_computed_is_the_same_in_python_and_postgresql_R_PROP_3_R_PROP_5(world, moved, noon):
    """R-PROP-3, R-PROP-5, B16: whatever is asked of the times by status and of durations, at any moment"""

    @settings(max_examples=300, deadline=None)
    @given(computed_filters(), st.integers(0, 90))
    def agree(asked, minutes) -> None:
        name, label, kind, operator, values = asked
        whole = name if name in SPANS else f"{name}_{world.stage(label)}"
        condition = Filter(whole, kind, operator, values)
        at = noon + timedelta(minutes=minutes)
        with clock.stopped(at + timedelta(hours=1)):
            assert in_sql(world, condition, at) == in_python(moved, condition, at)

    agree()


def in_python(ids, condition, now) -> list[int]:
    loaded = records.load("ticket", ids)
    return [
        id
        for id in ids
        if holds(
            condition, records.LoadedFacts("ticket", loaded[id]), now=now + timedelta(hours=1), zone=ZONE
        )
    ]


def in_sql(world, condition, now) -> list[int]:
    names = {object_type: store.table_of(object_type) for object_type in store.TABLES}
    source = SchemaSource(Tables(world.account.pk, names, properties_of), "ticket", names["ticket"])
    where = to_where(condition, source, now=now + timedelta(hours=1), zone=ZONE)
    return list(
        Ticket.objects.filter(where, account_id=world.account.pk).order_by("id").values_list("id", flat=True)
    )
