"""Lists travel to PostgreSQL as arrays that we write; they arrive as they were."""

from datetime import UTC, datetime

import pytest
from django.db import DataError

from deskhand.kernel.database import sql

pytestmark = pytest.mark.django_db

AWKWARD = [
    "",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "a,b",
    "{}",
    "{a}",
    " x ",
    "æ\n\t'",
    '{"a": "b\\n"}',
    "%s",
    "\x01",
]


def sent(values, kind):
    return sql.row(f"select %s::{kind}[]", [values])[0]


@pytest.mark.parametrize("values", [AWKWARD, *([text] for text in AWKWARD), [*AWKWARD, None], []])
def test_texts_arrive_as_they_were(values):
    assert sent(values, "text") == values


def test_numbers_times_and_truths_arrive_as_they_were():
    at = datetime(2026, 11, 22, 7, 30, 1, 5, UTC)
    assert sent([1, -2, 2**62], "bigint") == [1, -2, 2**62]
    assert sent([1, None], "bigint") == [1, None]
    assert sent([True, False], "boolean") == [True, False]
    assert sent([at, None], "timestamptz") == [at, None]


def test_a_text_with_nul_is_refused_and_does_not_become_two():
    with pytest.raises(DataError, match="NUL"):
        sent(["a\0b", "c"], "text")


def test_a_column_of_json_is_read_as_its_values_are_one_by_one():
    values = ['{"a": [1, "x,]"], "b": null}', None, "null", "[]", "12345678901234567890123", '"{"', "-1.5"]
    stored = [found[0] for found in sql.rows("select value::jsonb from unnest(%s::text[]) value", [values])]

    assert sql.loads_all(stored) == [sql.loads(value) for value in stored]
    assert sql.loads_all(stored)[-3] == 12345678901234567890123
    assert sql.loads_all([]) == []
