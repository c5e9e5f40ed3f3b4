"""Pipelines and statuses as people arrange them (behaviour.md §2.1)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection

from deskhand.accounts.models import AuditEntry, Plan
from deskhand.crm.pipelines import pipelines, queries
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import refiling, tickets
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.testing.world import make_world, rows_of

OPEN, CLOSED = StageState.OPEN, StageState.CLOSED


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


@pytest.fixture
def returns(world, ada):
    return pipelines.create(
        world.account.pk, "ticket", "Returns", [NewStage("Sent back", OPEN), NewStage("Done", CLOSED)], by=ada
    )


def default():
    return Pipeline.objects.get(object_type="ticket", key="0")


def stage(label):
    return Stage.objects.get(object_type="ticket", label=label)


def labels(world):
    return [one.label for one in world.tickets.default.stages]


def test_the_default_pipeline_has_the_ids_of_the_api_R_PIPE_1(world):
    found = world.tickets.default

    assert (found.key, [(one.key, one.label, one.is_open) for one in found.stages]) == (
        "0",
        [("1", "New", True), ("2", "Waiting on contact", True), ("3", "Waiting on us", True), ("4", "Closed", False)],
    )  # fmt: skip


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_pipelines_made_at_once_have_keys_of_their_own(wired):
    """Each is made: who comes second waits for the first, and takes the next number."""
    world, start = make_world(), threading.Barrier(6)

    def make(number):
        start.wait()
        try:
            with account_scope(world.account.pk):
                return pipelines.create(world.account.pk, "ticket", f"P{number}", [NewStage("On", OPEN)]).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(make, range(6)))

    with account_scope(world.account.pk):
        own = Pipeline.objects.filter(pk__in=made)
        assert sorted(int(one.key) for one in own) == [1, 2, 3, 4, 5, 6]
        assert len(set(Stage.objects.filter(pipeline__in=made).values_list("key", flat=True))) == 6


def test_a_status_is_found_whichever_pipeline_has_it_and_none_is_none(world, returns):
    tickets = queries.pipelines_of("ticket")
    for pipeline in tickets.pipelines:
        for stage in pipeline.stages:
            assert tickets.find(stage.id) is stage
    assert tickets.find(None) is None
    assert tickets.find(queries.pipelines_of("deal").default.stages[0].id) is None


def test_equal_orders_fall_back_to_the_label_R_PIPE_5(world):
    Stage.objects.filter(pipeline=default()).update(display_order=0)
    queries.forget()

    assert labels(world) == ["Closed", "New", "Waiting on contact", "Waiting on us"]


def test_statuses_are_put_in_order_R_PIPE_6(world, ada):
    wanted = rows_of(default())[::-1]

    pipelines.arrange_stages(default(), wanted, by=ada)

    assert labels(world) == ["Closed", "Waiting on us", "Waiting on contact", "New"]
    with pytest.raises(Conflict):
        pipelines.arrange_stages(default(), wanted[1:], by=ada)


def test_a_label_changes_and_the_id_stays_R_PIPE_7(world, ada):
    before = world.tickets.default

    pipelines.rename(default(), "Help", by=ada)
    new, *others = rows_of(default())
    pipelines.arrange_stages(default(), [replace(new, label="Fresh"), *others], by=ada)

    after = world.tickets.default
    assert (after.label, after.stages[0].label) == ("Help", "Fresh")
    assert (after.key, after.stages[0].key) == (before.key, before.stages[0].key)
    with pytest.raises(Invalid):
        pipelines.arrange_stages(default(), [replace(new, label="  "), *others], by=ada)


def test_a_status_with_tickets_goes_once_they_are_moved_R_PIPE_8(world, ada):
    """Those that were put away stand in it as well."""
    here, away = world.ticket(stage="New"), world.ticket(stage="New")
    tickets.archive([away.pk], by=ada)

    with pytest.raises(Conflict, match="2 records"):
        refiling.delete_stage(stage("New"), by=ada)
    assert refiling.delete_stage(stage("New"), move_to=world.stage("Closed"), by=ada) == 2

    assert labels(world) == ["Waiting on contact", "Waiting on us", "Closed"]
    assert set(Ticket.objects.values_list("stage_id", "is_closed")) == {(world.stage("Closed"), True)}
    assert PropertyChange.objects.filter(record_id=here.pk, property="closed_date").exists()


def test_records_can_not_be_moved_to_what_is_deleted(world, ada):
    world.ticket(stage="New")

    with pytest.raises(Invalid):
        refiling.delete_stage(stage("New"), move_to=world.stage("New"), by=ada)


def test_a_pipeline_with_tickets_goes_once_they_are_moved_R_PIPE_9(world, ada, returns):
    ticket = world.ticket(stage="Sent back")

    with pytest.raises(Conflict, match="1 record"):
        refiling.delete_pipeline(returns, by=ada)
    assert refiling.delete_pipeline(returns, move_to=world.stage("New"), by=ada) == 1

    assert [one.label for one in world.tickets.pipelines] == ["Support pipeline"]
    ticket.refresh_from_db()
    assert (ticket.stage_id, ticket.pipeline_id) == (world.stage("New"), default().pk)


def test_the_last_pipeline_stays_R_DM_3(world, ada):
    with pytest.raises(Invalid):
        refiling.delete_pipeline(default(), by=ada)


def test_moving_to_another_pipeline_sets_both_R_PIPE_11(world, ada, returns):
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Done"), by=ada)

    ticket.refresh_from_db()
    assert (ticket.pipeline_id, ticket.stage_id, ticket.is_closed) == (returns.pk, world.stage("Done"), True)


def test_a_second_ticket_pipeline_comes_with_the_starter_plan_R_PIPE_12(world, ada):
    world.account.plan = Plan.FREE
    world.account.save(update_fields=["plan"])

    with pytest.raises(Forbidden):
        pipelines.create(world.account.pk, "ticket", "Returns", [NewStage("Sent back", OPEN)], by=ada)


def test_who_changed_a_pipeline_is_kept(world, ada, returns):
    pipelines.set_policy(default(), sets_close_date=False, by=ada)
    refiling.delete_pipeline(returns, by=ada)

    kept = AuditEntry.objects.filter(action__startswith="pipeline.").order_by("number")
    assert [(one.action, one.actor_id) for one in kept] == [
        ("pipeline.created", world.ada.pk), ("pipeline.updated", world.ada.pk), ("pipeline.deleted", world.ada.pk),
    ]  # fmt: skip
    assert (kept[1].before, kept[1].after) == ({"sets_close_date": True}, {"sets_close_date": False})


def test_pipelines_stand_by_number_and_a_name_alone_makes_none_the_default_R_PIPE_5(world, ada, returns):
    first = default()
    pipelines.place(returns, first.display_order, by=ada)
    assert [one.key for one in world.tickets.pipelines] == ["0", returns.key]

    pipelines.place(returns, first.display_order - 1, by=ada)

    assert [one.key for one in world.tickets.pipelines] == [returns.key, "0"]
    entry = AuditEntry.objects.filter(action="pipeline.ordered").latest("number")
    assert (entry.before, entry.after) == (
        {"pipelines": [first.pk, returns.pk]}, {"pipelines": [returns.pk, first.pk]},
    )  # fmt: skip


@pytest.mark.parametrize("label", ["Support pipeline", " support PIPELINE "])
def test_a_name_is_one_pipelines_R_PIPE_6(world, ada, returns, label):
    with pytest.raises(Invalid, match="already"):
        pipelines.rename(returns, label, by=ada)
    with pytest.raises(Invalid, match="already"):
        pipelines.create(world.account.pk, "ticket", label, [NewStage("On", OPEN)])


def test_a_name_is_one_status_of_its_pipeline_R_PIPE_6(ada, returns):
    first, second = rows_of(returns)

    with pytest.raises(Invalid, match="already") as refused:
        pipelines.arrange_stages(returns, [first, replace(second, label="sent BACK")], by=ada)

    assert refused.value.field == "stages[1].label"


def test_statuses_that_are_not_named_any_more_go_R_PIPE_8(world, ada, returns):
    first, done = rows_of(returns)
    refiling.replace(returns, [replace(first, label="Arrived"), replace(done, id=None, label="Paid")], by=ada)

    found = world.tickets.pipeline(returns.pk).stages
    assert [one.label for one in found] == ["Arrived", "Paid"]
    assert (found[0].id, found[1].id != done.id) == (first.id, True)


@pytest.mark.parametrize(("state", "probability"), [(OPEN, 1), (CLOSED, 0.5), (OPEN, -1), (CLOSED, 2)])
def test_what_is_closed_is_won_or_lost(world, state, probability):
    """api.md §2.2: metadata.probability"""
    stages = [NewStage("On", OPEN, probability=0.1), NewStage("A", state, probability=probability)]

    with pytest.raises(Invalid) as refused:
        pipelines.create(world.account.pk, "deal", "Rentals", stages)

    assert refused.value.field == "stages[1].probability"
