"""Old decisions go, those that tell of a ticket that is there stay and can be made again (R-ROUTE-70)."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records.models import Ticket
from deskhand.kernel import clock, jobs
from deskhand.kernel.jobs import Job, Later
from deskhand.kernel.models import Timer
from deskhand.routing import assign, explain, forgetting, loads, replaying, simulations
from deskhand.routing.models import Decision, RosterSnapshot, RoutingBatch, Simulation
from deskhand.routing.types import NewTicket, Strategy

from .conftest import CHAT, MAIL, NOON

BEFORE = NOON - timedelta(days=400)
LONG_AGO = BEFORE - timedelta(days=1)


def age(**which):
    """These decisions were made long ago, and so was what they were made from."""
    Decision.objects.filter(**which).update(at=LONG_AGO)
    RoutingBatch.objects.filter(decisions__at=LONG_AGO).update(at=LONG_AGO)
    RosterSnapshot.objects.update(created_at=LONG_AGO)


def forget(desk):
    return sum(forgetting.forget_older(desk.id, BEFORE))


def again(desk, *ticket_ids, **more):
    """Nobody has them any more, so they are routed once more."""
    Ticket.objects.filter(pk__in=ticket_ids).update(owner_id=None, owner_assigned_at=None)
    loads.reconcile(desk.id, ticket_ids, NOON)
    desk.route(ticket_ids, **more)


def kept(**which):
    return list(Decision.objects.filter(**which).order_by("id"))


def assert_replayed():
    """What is left comes out the same as it came out then, and is told."""
    for one in kept(batch__isnull=False):
        assert replaying.replay(one).chosen.user_id == one.user_id
        assert explain.explain(one).headline.startswith("Assigned to ")


@pytest.fixture(params=Strategy)
def busy(request, desk):
    """Sixteen tickets were routed together long ago; the third and the ninth once more now."""
    desk.rule(team_ids=[desk.teams["X"]], strategy=request.param)
    desk.tickets_then = desk.tickets(16)
    desk.route(desk.tickets_then)
    age()
    return desk


def test_the_newest_decision_of_a_ticket_stays_however_old_it_is(busy):
    """R-ROUTE-70: nothing is to be forgotten of what was decided once."""
    assert forget(busy) == 0
    assert len(kept()) == 16
    assert_replayed()


def test_what_was_decided_before_it_in_its_call_stays_with_it(busy):
    """R-ROUTE-70: the others' picks are what it started from."""
    third, last_two = busy.tickets_then[2], busy.tickets_then[14:]
    again(busy, third, *last_two)

    assert forget(busy) == 2

    assert [one.position for one in kept(at=LONG_AGO)] == list(range(14))
    assert len(kept(at=NOON)) == 3
    assert_replayed()


@pytest.mark.drifts
def test_all_of_tickets_that_are_gone_goes_with_batches_and_rosters(busy):
    """What only they named; who was put away within the time can be restored, and told of."""
    Ticket.objects.filter(pk__in=busy.tickets_then).update(archived_at=LONG_AGO)
    Ticket.objects.filter(pk=busy.tickets_then[4]).update(archived_at=NOON)

    forget(busy)
    assert [one.ticket_id for one in kept()] == busy.tickets_then[:5]
    assert_replayed()
    Ticket.objects.filter(pk=busy.tickets_then[4]).update(archived_at=LONG_AGO)

    forget(busy)

    assert [model.objects.count() for model in (Decision, RoutingBatch, RosterSnapshot)] == [0, 0, 0]
    assert forget(busy) == 0


def test_a_decision_without_candidates_needs_nothing(desk):
    desk.rule(option="NONE")
    [ticket] = desk.tickets(1)
    for _ in range(3):
        desk.route([ticket])
    age()

    assert forget(desk) == 2
    assert len(kept()) == 1


def test_two_types_of_one_call_stay_or_go_together(desk):
    """R-ROUTE-70: a call has a batch for each type, and one order over both."""
    desk.rule(team_ids=[desk.teams["X"]])
    desk.rule(CHAT, team_ids=[desk.teams["X"]])
    mails, chats = desk.tickets(2), desk.tickets(2, ticket_type="MESSAGE", channel_account_id=CHAT)
    new = [
        *(NewTicket(pk, MAIL, "EMAIL_OTHER") for pk in mails),
        *(NewTicket(pk, CHAT, "MESSAGE") for pk in chats),
    ]
    assign.route(desk.id, new, NOON)
    age()
    again(desk, *mails)

    assert forget(desk) == 0
    again(desk, *chats, channel=CHAT, ticket_type="MESSAGE")
    assert forget(desk) == 6  # two batches with two decisions each

    assert {one.at for one in kept()} == {NOON}
    assert_replayed()


def three_long_gone(desk):
    """Tickets of team X, decided and put away long ago."""
    desk.rule(team_ids=[desk.teams["X"]])
    old = desk.tickets(3)
    desk.route(old)
    age()
    Ticket.objects.filter(pk__in=old).update(archived_at=LONG_AGO)
    loads.reconcile(desk.id, old, NOON)


def test_a_roster_that_is_named_by_what_is_new_stays(desk):
    """Stored once, ever: the same people make the same roster."""
    three_long_gone(desk)
    desk.arrivals(2)

    forget(desk)

    assert len(kept()) == 2
    assert_replayed()


def test_a_roster_that_is_named_while_it_is_looked_for_stays(desk, monkeypatch):
    """Looked for without a lock, and once more under it."""
    three_long_gone(desk)
    lock, calls = loads.lock, []

    def meet_them_again(account_id, kinds):
        calls.append(kinds)
        if len(calls) == 2:
            desk.arrivals(2)
        lock(account_id, kinds)

    monkeypatch.setattr(forgetting.loads, "lock", meet_them_again)

    forget(desk)

    assert len(calls) > 2
    assert len(kept()) == 2
    assert_replayed()


def test_it_goes_in_sets_and_on_where_it_broke_off(desk, monkeypatch):
    """Whoever is killed after any set leaves what can be made again, all of a call or none; the next one takes the rest."""
    monkeypatch.setattr(forgetting, "STEP", 2)
    desk.rule(team_ids=[desk.teams["X"]])
    tickets = desk.tickets(7)
    for _ in range(3):
        again(desk, *tickets)
    age()

    taken = []
    while some := next(forgetting.forget_older(desk.id, BEFORE)):
        taken.append(some)
        assert_replayed()
    forget(desk)

    assert taken == [7, 7]
    newest = {one.ticket_id: one.pk for one in kept()}
    assert sorted(newest) == tickets
    assert len(kept()) == RoutingBatch.objects.get().decisions.count() == 7
    assert_replayed()
    assert forget(desk) == 0


def test_a_set_is_one_query_however_much_it_takes(desk):
    desk.rule(team_ids=[desk.teams["X"]])

    def queries(count):
        tickets = desk.tickets(count)
        again(desk, *tickets)
        again(desk, *tickets)
        age()
        with CaptureQueriesContext(connection) as asked:
            assert forget(desk) >= count
        return len(asked)

    assert queries(2) == queries(40)


def test_a_new_account_forgets_from_its_first_night_on(world, wired):
    from deskhand import wiring

    wiring.set_up_accounts(
        world.account.pk, [SimpleNamespace(kind="account.created", object_id=world.account.pk)]
    )

    assert Timer.objects.filter(kind=forgetting.NIGHTLY).exists()
    assert wiring.TIMERS[forgetting.NIGHTLY] is forgetting.nightly
    assert wiring.JOBS[forgetting.FORGET] is forgetting.forget


def test_it_is_a_slow_job_each_night_and_stops_when_it_is_told_to(desk, settings):
    settings.ROUTING_DECISION_DAYS = 400
    desk.rule(team_ids=[desk.teams["X"]])
    [ticket] = desk.tickets(1)
    again(desk, ticket)
    again(desk, ticket)
    age(pk=kept()[0].pk)

    for age_of in (simulations.KEPT_FOR + timedelta(seconds=1), simulations.KEPT_FOR):
        made_at = clock.now() - age_of
        Simulation.objects.create(
            account_id=desk.id, made_by_id=desk.ada, made_at=made_at, wish={}, ended_at=made_at
        )

    forgetting.nightly(desk.id, [])

    assert jobs.under_way(forgetting.FORGET) == [{}]
    assert Timer.objects.get(kind=forgetting.NIGHTLY).due_at == clock.now() + timedelta(days=1)
    stop = Event()
    stop.set()
    with pytest.raises(Later):
        forgetting.forget(Job(1, desk.id, {}, stop))
    forgetting.forget(Job(1, desk.id, {}, Event()))
    assert [one.at for one in kept()] == [NOON]
    assert Simulation.objects.get().made_at == clock.now() - simulations.KEPT_FOR
