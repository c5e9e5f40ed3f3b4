"""Close dates and status clocks (behaviour.md §4, R-PROP-3, R-PROP-4)."""

from datetime import timedelta

import pytest

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import computed, tickets
from deskhand.crm.records.models import PropertyChange, StageTime, Ticket
from deskhand.crm.schema.queries import properties_of
from deskhand.events.models import EventRow, PendingEvent
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.testing.world import add_stage

HOUR = timedelta(hours=1)


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def test_t_close_1_closing_sets_the_close_date(world, noon):
    ticket = world.ticket()

    with clock.stopped(noon + HOUR):
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)

    closed = fresh(ticket)
    assert closed.closed_at == noon + HOUR
    assert computed.span(properties_of("ticket")["time_to_close"], vars(closed)) == 3_600_000
    assert closed.is_closed


def test_t_close_2_reopening_clears_it_and_keeps_the_last_one(world, noon):
    ticket = world.ticket()
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)

    with clock.stopped(noon + HOUR):
        tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)

    reopened = fresh(ticket)
    assert reopened.closed_at is None
    assert computed.span(properties_of("ticket")["time_to_close"], vars(reopened)) is None
    assert reopened.last_closed_at == noon
    assert reopened.reopened_at == noon + HOUR


def test_t_close_3_switched_off_the_close_date_stays_empty(world, noon):
    pipelines.set_policy(Pipeline.objects.get(key="0"), sets_close_date=False)
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)

    assert fresh(ticket).closed_at is None
    assert fresh(ticket).is_closed


def test_t_close_4_switched_off_it_is_still_cleared(world, noon):
    pipelines.set_policy(Pipeline.objects.get(key="0"), sets_close_date=False)
    ticket = world.ticket(stage="Closed")
    tickets.update(ticket.pk, {"closed_date": "2026-11-01T08:00:00Z"}, by=Actor.user(world.ada.pk))
    assert fresh(ticket).closed_at is not None

    tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)

    assert fresh(ticket).closed_at is None


def test_t_close_5_from_one_closed_status_to_another_it_stays(world, noon):
    other = add_stage(Pipeline.objects.get(key="0"), "Solved", StageState.CLOSED)
    ticket = world.ticket()
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)

    with clock.stopped(noon + 24 * HOUR):
        tickets.move(ticket.pk, to=other.pk, by=SYSTEM)

    assert fresh(ticket).closed_at == noon


@pytest.mark.parametrize(
    "kind", [ActorKind.USER, ActorKind.INTEGRATION, ActorKind.WORKFLOW, ActorKind.SYSTEM]
)
def test_t_close_6_whoever_closes_it_the_date_is_set(world, noon, kind):
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=Actor(kind, world.ada.pk))

    assert fresh(ticket).closed_at == noon


def test_a_date_set_by_hand_holds_until_the_next_closing_R_CLOSE_7(world, noon):
    ticket = world.ticket(stage="Closed")
    by_hand = noon - 5 * HOUR

    tickets.update(ticket.pk, {"closed_date": by_hand.isoformat()}, by=SYSTEM)
    assert fresh(ticket).closed_at == by_hand

    with clock.stopped(noon + HOUR):
        tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)
        tickets.update(ticket.pk, {"closed_date": by_hand.isoformat()}, by=SYSTEM)
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    assert fresh(ticket).closed_at == noon + HOUR


def test_an_empty_date_is_set_between_two_closed_statuses_R_CLOSE_8(world, noon):
    other = add_stage(Pipeline.objects.get(key="0"), "Solved", StageState.CLOSED)
    ticket = world.ticket(stage="Closed")
    tickets.update(ticket.pk, {"closed_date": None}, by=SYSTEM)

    with clock.stopped(noon + HOUR):
        tickets.move(ticket.pk, to=other.pk, by=SYSTEM)

    assert fresh(ticket).closed_at == noon + HOUR


@pytest.mark.parametrize("switch_of_the_other", [True, False])
def test_the_destinations_switch_counts_R_CLOSE_11(world, noon, switch_of_the_other):
    done = NewStage("Done", StageState.CLOSED)
    other = pipelines.create(world.account.pk, "ticket", "Returns", [NewStage("Open", StageState.OPEN), done])
    pipelines.set_policy(other, sets_close_date=switch_of_the_other)
    pipelines.set_policy(Pipeline.objects.get(key="0"), sets_close_date=not switch_of_the_other)
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Done"), by=SYSTEM)

    assert fresh(ticket).closed_at == (noon if switch_of_the_other else None)


def test_t_close_7_the_switch_is_one_pipelines_own(world, noon):
    second = pipelines.create(
        world.account.pk,
        "ticket",
        "Returns",
        [NewStage("In", StageState.OPEN), NewStage("Out", StageState.CLOSED)],
    )
    pipelines.set_policy(Pipeline.objects.get(key="0"), sets_close_date=False)
    ours = world.ticket()
    theirs = world.ticket(pipeline_id=second.pk)

    tickets.move(ours.pk, to=world.stage("Closed"), by=SYSTEM)
    tickets.move(theirs.pk, to=world.stage("Out"), by=SYSTEM)

    assert fresh(ours).closed_at is None
    assert fresh(theirs).closed_at == noon


def test_a_ticket_born_closed_has_its_date_R_CLOSE_9(world, noon):
    assert world.ticket(stage="Closed").closed_at == noon


def test_moving_is_one_event_with_all_that_changed_R_CLOSE_12(world, noon):
    ticket = world.ticket()
    before = EventRow.objects.count()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=Actor.user(world.ada.pk))

    event = EventRow.objects.order_by("id").last()
    assert EventRow.objects.count() == before + 1
    assert event.kind == "ticket.moved"
    assert event.version == 2
    assert {"hs_pipeline_stage", "closed_date", "hs_is_closed"} <= set(event.data["changes"])
    assert PendingEvent.objects.filter(pk=event.pk).exists()
    history = PropertyChange.objects.filter(record_id=ticket.pk, property="hs_pipeline_stage").get()
    assert (history.old, history.new) == (world.stage("New"), world.stage("Closed"))
    assert history.source == "CRM_UI"
    assert history.event_id == event.pk


def test_moving_to_where_it_stands_changes_nothing_R_STAT_12(world, noon):
    ticket = world.ticket()
    before = EventRow.objects.count()

    applied = tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)

    assert applied.event is None
    assert EventRow.objects.count() == before
    assert fresh(ticket).version == 1


def test_status_clocks_add_up_R_PROP_3(world, noon):
    ticket = world.ticket()
    path = ["Waiting on us", "New", "Closed"]
    for hours, label in enumerate(path, start=1):
        with clock.stopped(noon + hours * HOUR):
            tickets.move(ticket.pk, to=world.stage(label), by=SYSTEM)

    new = StageTime.objects.get(record_id=ticket.pk, stage_id=world.stage("New"))
    assert new.entered_at == noon + 2 * HOUR
    assert new.exited_at == noon + 3 * HOUR
    assert new.latest_ms == 3_600_000
    assert new.cumulative_ms == 7_200_000
    closed = StageTime.objects.get(record_id=ticket.pk, stage_id=world.stage("Closed"))
    assert closed.exited_at is None


def test_numbers_have_no_gap_R_GAP_2(world, noon):
    first = world.ticket().number
    with pytest.raises(Invalid):
        world.ticket(subject=" ")

    assert [first, world.ticket().number, world.ticket().number] == [1, 2, 3]


def test_the_last_open_status_cannot_go_R_PIPE_4(world):
    for label in ("Waiting on contact", "Waiting on us"):
        pipelines.delete_stage(Stage.objects.get(label=label), in_use=0)

    with pytest.raises(Invalid, match="open status"):
        pipelines.delete_stage(Stage.objects.get(label="New"), in_use=0)


def test_a_status_of_nowhere_is_refused_R_DM_6(world):
    with pytest.raises(Invalid, match="no status") as refusal:
        tickets.move(world.ticket().pk, to=999_999, by=SYSTEM)

    assert refusal.value.field == "hs_pipeline_stage"


def test_changing_a_hundred_tickets_takes_as_many_queries_as_changing_two(
    world, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from deskhand.crm.records.store import Change

    made = [world.ticket(f"Number {n}").pk for n in range(20)]
    counts = []
    for ids, stage in ((made[:2], "Waiting on us"), (made, "Closed")):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            tickets.change_many([Change(i, {"stage_id": world.stage(stage)}) for i in ids], by=SYSTEM)
        counts.append(len(queries))

    assert counts[0] >= counts[1] - 1
