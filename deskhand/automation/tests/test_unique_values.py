"""Workflows and values that only one record may have: who can't have one fails alone, and what is undone stays where another has it (decision 0016)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import undo
from deskhand.automation.engine.definition import Action
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doing import do
from deskhand.automation.tests.runs import enroll, go, make
from deskhand.automation.undo import Why
from deskhand.crm.records import store, tickets
from deskhand.crm.records.models import Company, Contact, Deal, Ticket
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel import clock

DONE, FAILED = StepStatus.SUCCEEDED, StepStatus.FAILED


@pytest.fixture
def order(world):
    for kind in ("ticket", "deal", "contact", "company"):
        properties.create(kind, "order_no", "Order", Kind.TEXT, has_unique_value=True)


def of(ticket):
    return Ticket.objects.get(pk=ticket.pk).properties.get("order_no")


def give(ticket, value):
    tickets.update(ticket.pk, {"order_no": value}, by=SYSTEM)


def test_of_many_that_are_to_have_the_same_the_first_gets_it_and_the_others_fail_R_ACT(world, order):
    some = [world.ticket(str(n)) for n in range(3)]
    settings = {"property": "order_no", "value": "A-1"}
    done = do(world.account.pk, "set_property", settings, [one.pk for one in some])
    assert [one.status for one in done] == [DONE, FAILED, FAILED]
    assert [of(one) for one in some] == ["A-1", None, None]
    assert "“A-1” in “Order”" in done[1].message


RECORDS = [
    ({"record_type": "ticket", "value_subject": "A", "stage": ""}, Ticket),
    ({"record_type": "deal", "value_dealname": "A"}, Deal),
    ({"record_type": "company", "value_name": "A"}, Company),
    ({"record_type": "contact", "value_email": "{{ ticket.subject }}@x.example"}, Contact),
]


@pytest.mark.parametrize(("settings", "model"), RECORDS, ids=[one["record_type"] for one, _model in RECORDS])
def test_of_many_records_that_are_made_only_those_fail_whose_value_is_anothers(world, order, settings, model):
    some = [world.ticket(name) for name in ("a", "b", "b2", "c")]
    give(some[2], "b")  # each record gets the order of its ticket: the third the same as the second
    for one, value in ((some[0], "o-1"), (some[1], "o-2"), (some[3], "o-3")):
        store.change("ticket", one.pk, {"content": value}, by=SYSTEM)
    store.change("ticket", some[2].pk, {"content": "O-2"}, by=SYSTEM)
    if "stage" in settings:
        settings = {**settings, "stage": world.stage("New")}
    before = model.objects.count()
    done = do(
        world.account.pk, "create_record",
        {**settings, "also": ["order_no"], "value_order_no": "{{ ticket.content }}", "link": True}, [one.pk for one in some],
    )  # fmt: skip
    assert [one.status for one in done] == [DONE, DONE, FAILED, DONE]
    assert model.objects.count() == before + 3
    assert "“O-2” in “Order”" in done[2].message
    made = [
        model.objects.get(pk=one.outputs["record_id"]).properties["order_no"] for one in done if one.outputs
    ]
    assert made == ["o-1", "o-2", "o-3"]


def test_own_kinds_of_records_likewise(world):
    own = object_types.create("machine", "Machine", "Machines", by=SYSTEM)
    properties.create(own.key, "order_no", "Order", Kind.TEXT, has_unique_value=True)
    some = [world.ticket(), world.ticket()]
    settings = {"record_type": own.key, f"value_{own.primary}": "M", "also": ["order_no"], "value_order_no": "A-1", "link": False}  # fmt: skip
    done = do(world.account.pk, "create_record", settings, [one.pk for one in some])
    assert [one.status for one in done] == [DONE, FAILED]


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def cleared(world, order):
    """Two tickets whose order a workflow took away."""
    some = [world.ticket("First"), world.ticket("Second")]
    for n, one in enumerate(some):
        give(one, f"A-{n}")
    flow = make(world, Action("1", "set_property", {"property": "order_no", "value": None, "mode": "clear"}))
    runs = [enroll(flow, one.pk) for one in some]
    go()
    for run in runs:
        run.refresh_from_db()
    assert [of(one) for one in some] == [None, None]
    return some, undo.Extent(flow.pk, runs[0].enrolled_at, clock.now())


def test_what_is_taken_back_stays_where_another_has_it_by_now_and_says_so(world, cleared):
    (first, second), extent = cleared
    give(world.ticket("Third"), "a-0")
    found = undo.look(extent)
    assert [(one.record_id, one.back) for one in found.coming_back] == [(second.pk, "A-1")]
    assert [(one.record_id, one.why) for one in found.staying] == [(first.pk, Why.TAKEN)]
    done = undo.undo(extent, by=Actor.user(world.ada.pk), at=clock.now())
    assert done == (1, 1, False)
    assert [of(first), of(second)] == [None, "A-1"]


def test_who_takes_the_value_at_the_last_moment_keeps_it(world, cleared, monkeypatch):
    """Between the look and the write: the database says no, and only that record stays."""
    (first, second), extent = cleared
    give(world.ticket("Third"), "a-0")
    monkeypatch.setattr(undo, "_taken", lambda found: set())
    assert undo.undo(extent, by=Actor.user(world.ada.pk), at=clock.now()) == (1, 1, False)
    assert [of(first), of(second)] == [None, "A-1"]


def test_two_that_changed_places_change_back(world, order):
    first, second = world.ticket("First"), world.ticket("Second")
    give(first, "A")
    give(second, "B")
    flow = make(world, Action("1", "create_task", {"title": "Look"}))
    now, by = clock.now(), Actor(ActorKind.WORKFLOW, flow.pk)
    swap = [store.Change(first.pk, {"order_no": "B"}), store.Change(second.pk, {"order_no": "A"})]
    store.change_many("ticket", swap, by=by, at=now)
    extent = undo.Extent(flow.pk, now, clock.now())
    assert undo.undo(extent, by=Actor.user(world.ada.pk), at=clock.now()) == (2, 0, False)
    assert [of(first), of(second)] == ["A", "B"]


def test_a_look_asks_no_more_for_more_records(world, cleared):
    _some, extent = cleared

    def queries(limit):
        with CaptureQueriesContext(connection) as asked:
            undo.look(extent, limit=limit)
        return len(asked)

    assert queries(1) == queries(2)
