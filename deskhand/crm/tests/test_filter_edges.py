"""The rarer refusals and windows of filters."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from deskhand.crm.filters.as_json import from_json
from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.types import Filter, Operator, Window
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

THURSDAY = datetime(2026, 11, 19, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "day", "is_in"),
    [
        (Window.LAST_WEEK, date(2026, 11, 15), True),
        (Window.LAST_WEEK, date(2026, 11, 16), False),
        (Window.NEXT_WEEK, date(2026, 11, 23), True),
        (Window.NEXT_WEEK, date(2026, 11, 30), False),
        (Window.THIS_MONTH, date(2026, 11, 30), True),
        (Window.THIS_MONTH, date(2026, 12, 1), False),
    ],
)
def test_weeks_beside_this_one_start_on_monday(window, day, is_in):
    leaf = Filter("due", Kind.DATE, Operator.WITHIN, (window,))
    assert holds(leaf, RecordFacts({"due": day}), now=THURSDAY, zone=ZoneInfo("UTC")) is is_in


@pytest.mark.parametrize(
    ("kind", "operator", "value", "wanted"),
    [
        ("number", "any_of", True, "a number"),
        ("datetime", "before", "0001-01-01T00:00:00+23:00", "our times"),
    ],
)
def test_values_that_can_not_be_are_refused(kind, operator, value, wanted):
    with pytest.raises(Invalid, match=wanted):
        from_json({"property": "x", "kind": kind, "operator": operator, "values": [value]})


def test_words_have_few_stars():
    """What is searched may come from anybody, so that a pattern must not be slow on any of it."""
    with pytest.raises(Invalid, match="at most 4 stars"):
        Filter("subject", Kind.TEXT, Operator.HAS_WORD, ("a*b*c*d*e*f",))


def test_a_span_must_be_one():
    with pytest.raises(Invalid):
        Filter("due", Kind.DATE, Operator.LESS_THAN_AGO, (date(2026, 1, 1),))


def test_what_has_no_table_has_no_links_and_what_nobody_keeps_no_members():
    source = SchemaSource(Tables(1, {}, lambda _type: {}), "ticket", "t")
    assert source.link("nothing", None) is None
    assert source.members("club", [1]) is None
