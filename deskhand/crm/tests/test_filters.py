"""Filters as data: what may be written, what it means for one record, and what is refused with which words."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.folding import LARGE, SMALL, fold
from deskhand.crm.filters.types import (
    EVERYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
    Window,
    leaves,
    leaves_by_type,
    link_types,
    linked_kinds,
)
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

NEW_YORK = ZoneInfo("America/New_York")
# A Wednesday evening in New York, already Thursday in UTC.
NOW = datetime(2026, 11, 19, 1, 30, tzinfo=UTC)

HIGH = Filter("priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))


def check(condition, **values) -> bool:
    return holds(condition, RecordFacts(values), now=NOW, zone=NEW_YORK)


def test_groups_are_or_and_filters_in_a_group_are_and():
    """R-TRIG-2"""
    mail = Filter("source", Kind.ENUM, Operator.ANY_OF, ("EMAIL",))
    condition = AnyOf(
        (AllOf((HIGH, mail)), AllOf((Filter("score", Kind.NUMBER, Operator.GREATER, (Decimal(9),)),)))
    )

    assert check(condition, priority="HIGH", source="EMAIL")
    assert not check(condition, priority="HIGH", source="CHAT")
    assert check(condition, priority="LOW", source="CHAT", score=10)


def test_no_filters_hold_for_all_and_no_groups_for_none():
    assert check(EVERYTHING)
    assert not check(NOTHING)


def test_a_blank_number_is_not_zero():
    """R-TRIG-6"""
    unknown = Filter("score", Kind.NUMBER, Operator.UNKNOWN)
    zero = Filter("score", Kind.NUMBER, Operator.ANY_OF, (Decimal(0),))

    assert check(unknown, score=None)
    assert not check(zero, score=None)
    assert not check(unknown, score=0)
    assert check(zero, score=0)


@pytest.mark.parametrize(
    ("operator", "values", "text", "expected"),
    [
        (Operator.ANY_OF, ("straße", "ærø"), "ÆRØ", True),
        (Operator.ANY_OF, ("aero",), "ærø", False),
        (Operator.NONE_OF, ("spam",), "SPAM", False),
        (Operator.NONE_OF, ("spam",), None, True),
        (Operator.CONTAINS, ("100%", "x_y"), "Only 100% wool", True),
        (Operator.CONTAINS, ("100%",), "100 percent", False),
        (Operator.CONTAINS, ("заказ",), "Мой ЗАКАЗ", True),
        (Operator.CONTAINS, ("a",), "", False),
        (Operator.NOT_CONTAINS, ("a",), None, True),
        (Operator.STARTS_WITH, ("re:",), "RE: hello", True),
        (Operator.STARTS_WITH, ("re:",), "Hello re:", False),
        (Operator.ENDS_WITH, (".DK",), "ida@example.dk", True),
        (Operator.ENDS_WITH, ("much longer than it",), "it", False),
        (Operator.HAS_WORD, ("broken",), "It is BROKEN.", True),
        (Operator.HAS_WORD, ("broke",), "It is broken", False),
        (Operator.HAS_WORD, ("is broken",), "it is broken", True),
        (Operator.HAS_WORD, ("broke*", "x"), "It is broken", True),
        (Operator.HAS_WORD, ("*@navy.example",), "grace@navy.example", True),
        (Operator.HAS_WORD, ("*@navy.example",), "navy@example.example", False),
        (Operator.HAS_WORD, ("b*n",), "is bro ken", False),
        (Operator.HAS_WORD, ("a*c",), f"a{'b' * 61}c", False),
        (Operator.HAS_WORD, ("*",), "%", False),
        (Operator.HAS_NO_WORD, ("broke",), "It is broken", True),
        (Operator.HAS_NO_WORD, ("a",), None, True),
        (Operator.KNOWN, (), "", False),
        (Operator.UNKNOWN, (), "", True),
    ],
)
def test_texts_compare_without_regard_to_case(operator, values, text, expected):
    """R-TRIG-3"""
    assert check(Filter("subject", Kind.TEXT, operator, values), subject=text) is expected


@pytest.mark.parametrize(
    ("operator", "values", "number", "expected"),
    [
        (Operator.GREATER, ("5",), 5, False),
        (Operator.AT_LEAST, ("5",), 5, True),
        (Operator.LESS, ("5",), Decimal("4.99"), True),
        (Operator.AT_MOST, ("5",), Decimal("5.01"), False),
        (Operator.BETWEEN, ("1", "5"), 5, True),
        (Operator.BETWEEN, ("1", "5"), 0, False),
        (Operator.ANY_OF, ("0.1",), 0.1, True),
        (Operator.NONE_OF, ("1",), None, True),
        (Operator.LESS, ("5",), None, False),
    ],
)
def test_numbers_compare_exactly(operator, values, number, expected):
    """R-TRIG-3"""
    leaf = Filter("score", Kind.NUMBER, operator, tuple(Decimal(value) for value in values))

    assert check(leaf, score=number) is expected


TODAY = date(2026, 11, 18)  # in New York


@pytest.mark.parametrize(
    ("operator", "values", "moment", "expected"),
    [
        (Operator.ON, (TODAY,), "2026-11-18T05:00Z", True),
        (Operator.ON, (TODAY,), "2026-11-18T04:59Z", False),
        (Operator.ON, (TODAY,), "2026-11-19T04:59Z", True),
        (Operator.BEFORE, (TODAY,), "2026-11-18T04:59Z", True),
        (Operator.AFTER, (TODAY,), "2026-11-19T04:59Z", False),
        (Operator.AFTER, (TODAY,), "2026-11-19T05:00Z", True),
        (Operator.AFTER, (NOW,), "2026-11-19T01:30Z", False),
        (Operator.BETWEEN, (TODAY, TODAY), "2026-11-18T12:00Z", True),
        (Operator.LESS_THAN_AGO, (Span(3, Unit.HOUR),), "2026-11-18T22:30Z", False),
        (Operator.LESS_THAN_AGO, (Span(3, Unit.HOUR),), "2026-11-18T22:31Z", True),
        (Operator.LESS_THAN_AGO, (Span(3, Unit.HOUR),), "2026-11-19T01:31Z", False),
        (Operator.MORE_THAN_AGO, (Span(3, Unit.HOUR),), "2026-11-18T22:29Z", True),
        (Operator.LESS_THAN_AHEAD, (Span(1, Unit.DAY),), "2026-11-20T01:29Z", True),
        (Operator.LESS_THAN_AHEAD, (Span(1, Unit.DAY),), "2026-11-19T01:29Z", False),
        (Operator.MORE_THAN_AHEAD, (Span(1, Unit.DAY),), "2026-11-20T01:30Z", False),
        (Operator.WITHIN, (Window.TODAY,), "2026-11-19T04:00Z", True),
        (Operator.WITHIN, (Window.YESTERDAY,), "2026-11-18T04:59Z", True),
        (Operator.WITHIN, (Window.THIS_WEEK,), "2026-11-16T05:00Z", True),
        (Operator.WITHIN, (Window.THIS_WEEK,), "2026-11-16T04:59Z", False),
        (Operator.WITHIN, (Window.LAST_MONTH,), "2026-11-01T03:59Z", True),
        (Operator.WITHIN, (Window.NEXT_MONTH,), "2026-12-31T23:59Z", True),
        (Operator.WITHIN, (Window.THIS_YEAR,), "2027-01-01T05:00Z", False),
        (Operator.BEFORE, (TODAY,), None, False),
    ],
)
def test_moments_compare_with_the_days_of_the_accounts_zone(operator, values, moment, expected):
    """R-TRIG-3"""
    value = moment and datetime.fromisoformat(moment)

    assert check(Filter("closed", Kind.DATETIME, operator, values), closed=value) is expected


@pytest.mark.parametrize(
    ("operator", "values", "day", "expected"),
    [
        (Operator.LESS_THAN_AGO, (Span(2, Unit.DAY),), date(2026, 11, 17), True),
        (Operator.LESS_THAN_AGO, (Span(2, Unit.DAY),), date(2026, 11, 16), False),
        (Operator.LESS_THAN_AGO, (Span(2, Unit.DAY),), date(2026, 11, 18), True),
        (Operator.MORE_THAN_AGO, (Span(2, Unit.DAY),), date(2026, 11, 15), True),
        (Operator.WITHIN, (Window.TOMORROW,), date(2026, 11, 19), True),
        (Operator.BEFORE, (NOW,), date(2026, 11, 17), True),
        (Operator.BEFORE, (NOW,), date(2026, 11, 18), False),
    ],
)
def test_days_compare_with_the_accounts_today(operator, values, day, expected):
    """R-TRIG-3"""
    assert check(Filter("renewal", Kind.DATE, operator, values), renewal=day) is expected


def test_history_counts_the_present_value_too():
    """R-TRIG-3: has ever been, has never been"""
    ever = Filter("priority", Kind.ENUM, Operator.EVER, ("HIGH",))
    never = Filter("priority", Kind.ENUM, Operator.NEVER, ("HIGH",))
    calmed = RecordFacts({"priority": "LOW"}, past={"priority": ["HIGH", None]})

    assert holds(ever, calmed, now=NOW, zone=NEW_YORK)
    assert not holds(never, calmed, now=NOW, zone=NEW_YORK)
    assert check(ever, priority="HIGH")
    assert check(never, priority="LOW")


def test_any_associated_record_will_do_but_one_must_meet_it_all():
    """R-TRIG-5"""
    vip = Filter("vip", Kind.BOOL, Operator.ANY_OF, (True,))
    danish = Filter("country", Kind.ENUM, Operator.ANY_OF, ("DK",))
    contacts = [RecordFacts({"vip": True, "country": "NO"}), RecordFacts({"vip": False, "country": "DK"})]
    ticket = RecordFacts(links={("contact", 16): contacts})

    assert holds(Associated("contact", vip), ticket, now=NOW, zone=NEW_YORK)
    assert holds(Associated("contact", danish, type_id=16), ticket, now=NOW, zone=NEW_YORK)
    assert not holds(Associated("contact", danish, type_id=99), ticket, now=NOW, zone=NEW_YORK)
    assert not holds(Associated("contact", AllOf((vip, danish))), ticket, now=NOW, zone=NEW_YORK)
    assert not holds(Associated("contact", EVERYTHING), RecordFacts(), now=NOW, zone=NEW_YORK)


def test_membership_is_in_any_or_in_none():
    """R-TRIG-4"""
    member = RecordFacts(member_of={"segment": {7}})

    assert holds(MemberOf("segment", (7, 8)), member, now=NOW, zone=NEW_YORK)
    assert not holds(MemberOf("segment", (7, 8), is_member=False), member, now=NOW, zone=NEW_YORK)
    assert check(MemberOf("segment", (7,), is_member=False))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.NUMBER, "5"),
        (Kind.NUMBER, True),
        (Kind.DATE, NOW),
        (Kind.TEXT, 5),
        (Kind.MULTI, "abc"),
        (Kind.REF, "7"),
    ],
)
def test_a_value_of_another_kind_is_an_error_and_not_a_no(kind, value):
    with pytest.raises(Invalid, match="score holds"):
        check(Filter("score", kind, Operator.KNOWN), score=value)


@pytest.mark.parametrize(
    ("kind", "operator", "values"),
    [
        (Kind.TEXT, Operator.GREATER, ("a",)),
        (Kind.TEXT, Operator.ANY_OF, ()),
        (Kind.TEXT, Operator.ANY_OF, ("",)),
        (Kind.TEXT, Operator.CONTAINS, ("a\0b",)),
        (Kind.TEXT, Operator.CONTAINS, ("\ud800",)),
        (Kind.TEXT, Operator.KNOWN, ("a",)),
        (Kind.NUMBER, Operator.BETWEEN, (Decimal(2), Decimal(1))),
        (Kind.NUMBER, Operator.ANY_OF, (Decimal("NaN"),)),
        (Kind.NUMBER, Operator.ANY_OF, (Decimal("1e500"),)),
        (Kind.REF, Operator.ANY_OF, (True,)),
        (Kind.REF, Operator.ANY_OF, (2**63,)),
        (Kind.DATE, Operator.LESS_THAN_AGO, (Span(5, Unit.HOUR),)),
        (Kind.DATE, Operator.ON, (NOW,)),
        (Kind.DATETIME, Operator.BEFORE, (datetime(2026, 1, 1),)),  # noqa: DTZ001
        (Kind.DATETIME, Operator.BEFORE, (date(1066, 1, 1),)),
        (Kind.BOOL, Operator.ANY_OF, (1,)),
    ],
)
def test_filters_that_make_no_sense_can_not_be_built(kind, operator, values):
    with pytest.raises(Invalid):
        Filter("p", kind, operator, values)


FULL = AnyOf(
    (
        AllOf((HIGH, Filter("score", Kind.NUMBER, Operator.BETWEEN, (Decimal("0.10"), Decimal("1E+3"))))),
        AllOf(
            (
                Associated(
                    "contact",
                    AllOf((Filter("closed", Kind.DATETIME, Operator.LESS_THAN_AGO, (Span(3, Unit.DAY),)),)),
                    type_id=16,
                ),
                MemberOf("segment", (7, 8), is_member=False),
                Filter("owner", Kind.REF, Operator.NONE_OF, (41, 42)),
                Filter("vip", Kind.BOOL, Operator.ANY_OF, (True,)),
                Filter("renewal", Kind.DATE, Operator.WITHIN, (Window.THIS_WEEK,)),
                Filter("closed", Kind.DATETIME, Operator.BEFORE, (NOW,)),
                Filter("renewal", Kind.DATE, Operator.ON, (TODAY,)),
                Filter("teams", Kind.REFS, Operator.ALL_OF, (1, 2)),
                Filter("subject", Kind.TEXT, Operator.KNOWN),
            )
        ),
    )
)


def test_a_condition_survives_its_json():
    assert from_json(to_json(FULL)) == FULL
    assert to_json(from_json(to_json(FULL))) == to_json(FULL)


def test_leaves_are_counted_through_groups_and_associations():
    """R-WF-5 counts them; R-TRIG-4 says which record they look at"""
    assert len(list(leaves(FULL))) == 11
    assert [kind for kind, _ in leaves_by_type(FULL, "ticket")][:4] == [
        "ticket",
        "ticket",
        "contact",
        "ticket",
    ]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], "condition"),
        ({}, "condition.property"),
        ({"all": {}}, "condition.all"),
        ({"all": [], "any": []}, "condition.any"),
        (
            {"any": [{"all": [to_json(HIGH), {**to_json(HIGH), "kind": "colour"}]}]},
            "condition.any[0].all[1].kind",
        ),
        ({**to_json(HIGH), "operator": "regex"}, "condition.operator"),
        ({**to_json(HIGH), "operator": "less"}, "condition.operator"),
        ({**to_json(HIGH), "values": "HIGH"}, "condition.values"),
        ({**to_json(HIGH), "values": [5]}, "condition.values[0]"),
        ({**to_json(HIGH), "values": []}, "condition.values"),
        ({**to_json(HIGH), "sql": "1=1"}, "condition.sql"),
        ({**to_json(HIGH), "property": ""}, "condition.property"),
        ({"associated": "contact"}, "condition.where"),
        ({"associated": "contact", "where": {"all": [1]}}, "condition.where.all[0]"),
        ({"member_of": "segment", "ids": []}, "condition.ids"),
        ({"member_of": "segment", "ids": [1], "is_member": 1}, "condition.is_member"),
        (
            {"property": "n", "kind": "number", "operator": "less", "values": ["1e999999999"]},
            "condition.values",
        ),
        ({"property": "n", "kind": "number", "operator": "less", "values": ["five"]}, "condition.values[0]"),
        (
            {"property": "d", "kind": "date", "operator": "on", "values": ["2026-02-30"]},
            "condition.values[0]",
        ),
        (
            {"property": "d", "kind": "datetime", "operator": "before", "values": ["2026-02-03T10:00"]},
            "condition.values[0]",
        ),
        (
            {
                "property": "d",
                "kind": "date",
                "operator": "less_than_ago",
                "values": [{"amount": 0, "unit": "day"}],
            },
            "condition.values[0].amount",
        ),
    ],
)
def test_json_that_is_wrong_is_refused_with_its_path(data, path):
    with pytest.raises(Invalid) as refusal:
        from_json(data, "condition")

    assert refusal.value.field == path
    assert str(refusal.value).startswith(path)


def test_json_that_never_ends_is_refused():
    deep = to_json(HIGH)
    for _ in range(2000):
        deep = {"all": [deep]}

    with pytest.raises(Invalid, match="nested less deeply"):
        from_json(deep)


def test_the_labels_that_a_condition_names_are_found_wherever_they_stand():
    boss = Associated("contact", HIGH, type_id=1001)
    named = AllOf(
        (HIGH, AnyOf((boss, Associated("company", AllOf((Associated("contact", HIGH, type_id=7),))))))
    )

    assert link_types(named) == {1001, 7}
    assert linked_kinds(named) == {"contact", "company"}


def test_folding_keeps_length_and_is_settled_after_one_pass():
    assert len(LARGE) == len(SMALL)
    assert not set(LARGE) & set(SMALL)
    assert fold(fold(LARGE)) == fold(LARGE) == SMALL
