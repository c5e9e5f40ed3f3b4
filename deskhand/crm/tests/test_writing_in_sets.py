"""Rows written in sets come back as they were given, whatever is in them."""

from datetime import UTC, datetime

import pytest
from django.utils.safestring import SafeString

from deskhand.crm.records.models import Task, Ticket, TicketType
from deskhand.kernel.database import bulk, sql

AWKWARD = ["plain", "", "a,b", "{c}", 'd"e', "f\\g", "NULL", "line\nbreak", "Ærø 😀", " x ", "'; --"]
MOMENT = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", [*AWKWARD, None]),
        ("bigint", [1, -2, None, 2**62]),
        ("boolean", [True, False, None]),
        ("timestamptz", [MOMENT, None]),
    ],
)
def test_arrays_arrive_as_they_are(kind, values):
    found = sql.rows(f"select v from unnest(%s::{kind}[]) with ordinality x(v, n) order by n", [values])
    assert [row[0] for row in found] == values


@pytest.mark.django_db
def test_documents_arrive_as_they_are():
    documents = [
        {"a": AWKWARD},
        [1, None, "x"],
        "text",
        5,
        None,
        {"large": 2**70, "small": 0.1},
        {"words": SafeString("<b>")},
    ]
    found = sql.rows(
        "select v from unnest(%s::jsonb[]) with ordinality x(v, n) order by n",
        [[sql.Jsonb(d) for d in documents]],
    )
    assert [sql.loads(row[0]) for row in found] == documents


def task(account_id, **values):
    return {
        "account_id": account_id, "object_type": "ticket", "record_id": 1, "title": "Call", "created_at": MOMENT,
        "created_by_kind": "system", **values,
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, len(AWKWARD)])
def test_rows_of_a_model_arrive_with_its_defaults(world, count):
    rows = [task(world.account.pk, notes=text, record_id=n) for n, text in enumerate(AWKWARD[:count])]

    assert bulk.insert(Task, rows) == count

    found = Task.objects.order_by("record_id")
    assert [t.notes for t in found] == AWKWARD[:count]
    assert {(t.priority, t.kind, t.due_at) for t in found} == {("NONE", "TODO", None)}


def test_a_twin_is_left_out(world):
    rows = [task(world.account.pk, creation_key="k"), task(world.account.pk, creation_key="k", title="Again")]

    assert bulk.insert(Task, rows, on_conflict="do nothing") == 1


def test_rows_change_together_each_to_its_own(world):
    one, two = world.ticket("one"), world.ticket("two")
    names = ["assigned_team_ids", "properties", "closed_at", "ticket_type", "subject"]
    bulk.update(
        Ticket, world.account.pk, names,
        {one.pk: [[1, 2], {"a": 'b"c'}, None, TicketType.CALL, "same"], two.pk: [[], {}, MOMENT, TicketType.CALL, "same"]},
    )  # fmt: skip

    found = {t.pk: [getattr(t, name) for name in names] for t in Ticket.objects.all()}
    assert found == {
        one.pk: [[1, 2], {"a": 'b"c'}, None, "CALL", "same"],
        two.pk: [[], {}, MOMENT, "CALL", "same"],
    }


def test_another_accounts_rows_stay(world):
    ticket = world.ticket("mine")

    assert bulk.update(Ticket, world.account.pk + 1, ["subject"], {ticket.pk: ["theirs"]}) == 0
