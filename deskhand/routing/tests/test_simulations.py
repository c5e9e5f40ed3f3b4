"""Simulations as rows and jobs: what is read, what is written, and what becomes of them."""

from __future__ import annotations

import threading
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import gettext

from deskhand.accounts.models import Account
from deskhand.crm.records.models import Ticket
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.jobs import Job, Later
from deskhand.routing import assign, simulations, traffic
from deskhand.routing.models import Simulation
from deskhand.routing.simulating import Arrival
from deskhand.routing.tests.conftest import CHAT, MAIL
from deskhand.routing.types import Status
from deskhand.routing.wishes import ALL_DAYS, MADE_UP, Wish, changed
from deskhand.testing.fixtures import NOON

UTC = ZoneInfo("UTC")
WEEK = timedelta(days=7)
LAST_WEEK = Wish(NOON - WEEK, NOON, percent=150)


def work_out(desk, wish=LAST_WEEK):
    made = simulations.start(desk.id, wish, by=desk.ada, now=NOON)
    simulations.run(job(desk, made))
    return Simulation.objects.get(pk=made.pk)


def job(desk, made, stop=None):
    return Job(1, desk.id, {"simulation": made.pk}, stop or threading.Event())


def lived(desk, count, **columns):
    """Tickets of the last days, each an hour after the one before."""
    ids = desk.tickets(count, **columns)
    for n, pk in enumerate(ids):
        at = NOON - timedelta(days=5) + n * timedelta(hours=1)
        Ticket.objects.filter(pk=pk).update(created_at=at, owner_assigned_at=at)
    return ids


@pytest.fixture
def ruled(desk):
    desk.rule(user_ids=[desk.ada, desk.bob], wait_list=True)
    return desk


# -- Traffic ----------------------------------------------------------------------------------------------------------


def test_the_past_is_read_with_how_long_each_was_worked_on(ruled):
    """From getting an owner to being done, the channel's median where that is not known."""
    first, second, third, spam, elsewhere = lived(ruled, 5, priority="HIGH")
    for pk, minutes in ((first, 10), (second, 30)):
        Ticket.objects.filter(pk=pk).update(
            closed_at=Ticket.objects.get(pk=pk).created_at + timedelta(minutes=minutes)
        )
    Ticket.objects.filter(pk=spam).update(is_spam=True)
    Ticket.objects.filter(pk=elsewhere).update(channel_account_id=CHAT)

    found = traffic.past(ruled.id, assign.rules_of(ruled.id, [MAIL]), NOON - WEEK, NOON, NOON)

    assert [one.work for one in found] == [timedelta(minutes=n) for n in (10, 30, 20)]
    assert {(one.channel_account_id, one.priority, one.points) for one in found} == {(MAIL, "HIGH", 1)}
    assert found[2].at == Ticket.objects.get(pk=third).created_at


def test_reading_the_past_takes_as_many_queries_for_fifty_tickets_as_for_five(ruled):
    """Set-based: the number of queries does not grow with the rows."""
    lived(ruled, 5)
    with CaptureQueriesContext(connection) as few:
        simulations.prepare(ruled.id, LAST_WEEK, "UTC", NOON)
    lived(ruled, 45)
    with CaptureQueriesContext(connection) as many:
        simulations.prepare(ruled.id, LAST_WEEK, "UTC", NOON)
    assert len(many) == len(few)


def test_more_or_fewer_tickets_come_by_chance_but_always_the_same():
    """“Traffic ×”: the same seed leaves out the same."""
    those = [Arrival(NOON + n * timedelta(minutes=1), MAIL, "CALL", WEEK) for n in range(1000)]
    assert traffic.scaled(those, 100, 1) == those
    assert len(traffic.scaled(those, 200, 1)) == 2000
    half = traffic.scaled(those, 50, 1)
    assert 400 < len(half) < 600
    assert half == traffic.scaled(those, 50, 1) != traffic.scaled(those, 50, 2)


def test_made_up_tickets_come_at_the_rates_of_the_hours():
    """Poisson by hour of the week: Monday's noon has its ten, and no other hour has any."""
    like = [Arrival(NOON, MAIL, "CALL", WEEK)]
    since = NOON - timedelta(days=NOON.weekday(), hours=12)
    found = traffic.made_up({(0, 12): 10.0}, like, since, since + 40 * WEEK, UTC, 4)
    assert 330 < len(found) < 470
    assert {(one.at.weekday(), one.at.hour) for one in found} == {(0, 12)}
    assert found == traffic.made_up({(0, 12): 10.0}, like, since, since + 40 * WEEK, UTC, 4)
    assert traffic.rates_of(found, since, since + 40 * WEEK, UTC) == {(0, 12): len(found) / 40}


# -- Wishes -----------------------------------------------------------------------------------------------------------


def test_a_wish_changes_what_it_names_and_nothing_else(ruled):
    """Another roster, strategy, capacity or opening hours."""
    today = assign.office(ruled.id, assign.rules_of(ruled.id, [MAIL]), NOON)
    wish = Wish(
        NOON,
        NOON + WEEK,
        people=(ruled.ada,),
        off="0",
        strategy="RANDOM",
        limit=3,
        share=None,
        opens=480,
        closes=960,
        more=1,
    )

    then = changed(today, wish, "UTC", WeeklyHours("UTC", (Block(0, 0, 60),)))

    assert changed(today, Wish(NOON, NOON + WEEK), "UTC", None).rules == today.rules
    rule, before = then.rules[MAIL], today.rules[MAIL]
    assert (rule.strategy, rule.user_ids, rule.only_available) == (
        "RANDOM",
        (*before.user_ids, -1),
        before.only_available,
    )
    assert rule.hours.blocks[0] == Block(0, 480, 960)
    assert {one.total for one in then.terms.values()} == {3}
    assert [(one.user_id, one.start.weekday(), one.end - one.start) for one in then.off] == [
        (ruled.ada, 0, timedelta(days=1)), (ruled.ada, 0, timedelta(days=1)),
    ]  # fmt: skip
    assert then.facts[-1].hours == WeeklyHours("UTC", (Block(0, 0, 60),))
    assert Wish.from_json(wish.as_json()) == wish


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("days", {"until": NOON + timedelta(days=3)}),
        ("percent", {"percent": 5}),
        ("share", {"share": 0}),
        ("people", {"off": ALL_DAYS}),
        ("people", {}),
        ("off", {"off": "9"}),
        ("strategy", {"strategy": "BEST"}),
        ("begins", {"begins": 600, "ends": 540}),
        ("opens", {"opens": 600}),
        ("limit", {"limit": -1}),
    ],
)
def test_a_wish_that_can_not_be_is_refused_by_its_field(ruled, field, more):
    """Bad input names its field; a wish without anything different has nothing to compare."""
    with pytest.raises(Invalid) as refusal:
        simulations.start(ruled.id, Wish(**{"since": NOON, "until": NOON + WEEK} | more), by=1, now=NOON)
    assert refusal.value.field == field


# -- The job ----------------------------------------------------------------------------------------------------------


def test_today_stands_beside_what_would_be(ruled):
    """“What if Ana is off”: all that is hers today is Bob's then."""
    lived(ruled, 20)
    done = work_out(ruled, Wish(NOON - WEEK, NOON, people=(ruled.ada,), off=ALL_DAYS))

    today, then = simulations.outcomes_of(done)

    assert {one.user_id: one.count for one in today.agents} == {ruled.ada: 10, ruled.bob: 10}
    assert {one.user_id: one.count for one in then.agents} == {ruled.ada: 0, ruled.bob: 20}
    assert (done.done, done.total) == (40, 40) or done.done <= done.total == 40
    assert done.ended_at is not None
    assert then.fairness == 1.0  # of who is there


def test_who_has_no_hours_is_there_as_they_are_now(ruled):
    """R-AVAIL-14: by hand only, so today's status stands for the whole time."""
    lived(ruled, 10)
    ruled.set(Status.AWAY, "bob")
    today, _then = simulations.outcomes_of(work_out(ruled))
    assert {one.user_id: one.count for one in today.agents} == {ruled.ada: 10, ruled.bob: 0}


def everything():
    """All rows of all tables but those that a job may write."""
    tables = sql.rows("select tablename from pg_tables where schemaname = 'public' order by 1")
    mine = ("routing_simulation", "procrastinate_jobs", "procrastinate_events", "kernel_jobfailure")
    return {
        name: sorted(map(str, sql.rows(f'select t.* from "{name}" t')))
        for (name,) in tables
        if name not in mine
    }


def test_the_job_writes_its_own_row_alone(ruled):
    """No decision, load, turn, owner or event comes of it: the whole database is compared."""
    lived(ruled, 20)
    before = everything()
    assert work_out(ruled).result
    assert everything() == before


def test_one_begun_again_comes_to_the_same(ruled):
    """A killed worker's job goes on elsewhere, and ends as it would have."""
    lived(ruled, 20)
    made = simulations.start(ruled.id, LAST_WEEK, by=ruled.ada, now=NOON)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Later):
        simulations.run(job(ruled, made, stop))
    assert Simulation.objects.get(pk=made.pk).result is None

    simulations.run(job(ruled, made))
    first = Simulation.objects.get(pk=made.pk).result
    Simulation.objects.filter(pk=made.pk).update(ended_at=None, result=None)
    simulations.run(job(ruled, made))

    assert Simulation.objects.get(pk=made.pk).result == first


def test_one_that_is_stopped_ends_without_a_result(ruled):
    """Between two steps it looks whether anybody stopped it."""
    lived(ruled, 20)
    made = simulations.start(ruled.id, LAST_WEEK, by=ruled.ada, now=NOON)
    assert simulations.cancel(ruled.id, NOON)
    simulations.run(job(ruled, made))
    assert Simulation.objects.get(pk=made.pk).result is None
    assert not simulations.cancel(ruled.id, NOON)


def test_there_is_one_at_a_time_and_the_newest_fifty_are_kept(ruled):
    """Old ones are forgotten as new ones begin."""
    simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)
    with pytest.raises(Conflict):
        simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)
    for _ in range(simulations.KEPT):
        simulations.cancel(ruled.id, NOON)
        simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)
    assert Simulation.objects.count() == simulations.KEPT


def test_a_job_that_is_given_up_leaves_nobody_waiting(ruled):
    """The page says so instead of counting on."""
    earlier = simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)
    simulations.cancel(ruled.id, NOON)
    made = simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)
    simulations.note_given_up(ruled.id, "another", {"simulation": made.pk})
    simulations.note_given_up(
        ruled.id, simulations.JOB, {"simulation": earlier.pk}
    )  # stopped before its last try
    assert simulations.going(ruled.id) == made
    assert not Simulation.objects.exclude(error="").exists()
    simulations.note_given_up(ruled.id, simulations.JOB, {"simulation": made.pk})
    assert simulations.going(ruled.id) is None
    assert Simulation.objects.get(pk=made.pk).error


def test_that_it_was_given_up_is_told_in_the_accounts_language(ruled):
    """A job speaks no language of its own."""
    Account.objects.filter(pk=ruled.id).update(locale="de")
    made = simulations.start(ruled.id, LAST_WEEK, by=1, now=NOON)

    simulations.note_given_up(ruled.id, simulations.JOB, {"simulation": made.pk})

    with translation.override("de"):
        words = gettext("It could not be worked out.")
    assert Simulation.objects.get(pk=made.pk).error == words != "It could not be worked out."


def test_old_ones_are_forgotten_at_night_but_the_one_that_goes_on(ruled):
    """What they tell of people is not kept for ever."""
    long_ago = NOON - simulations.KEPT_FOR - timedelta(seconds=1)
    for at in (long_ago, NOON - simulations.KEPT_FOR):
        simulations.start(ruled.id, LAST_WEEK, by=1, now=at)
        simulations.cancel(ruled.id, at)
    going = simulations.start(ruled.id, LAST_WEEK, by=1, now=long_ago)

    assert simulations.forget_old(ruled.id, NOON) == 1

    kept = Simulation.objects.order_by("id").values_list("made_at", flat=True)
    assert list(kept) == [NOON - simulations.KEPT_FOR, long_ago]
    assert simulations.going(ruled.id) == going


def test_without_rules_there_is_nothing_to_try_out(desk):
    """Refused with words, not worked out for nothing."""
    with pytest.raises(Invalid):
        simulations.start(desk.id, LAST_WEEK, by=1, now=NOON)


def test_an_account_without_a_past_has_made_up_tickets(ruled):
    """A synthetic traffic of so many a day, Monday to Friday."""
    wish = Wish(NOON, NOON + WEEK, MADE_UP, 90, limit=100)
    today, _then = simulations.outcomes_of(work_out(ruled, wish))
    assert 350 < today.all.count < 550
    assert len(today.days) <= 6
