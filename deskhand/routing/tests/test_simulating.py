"""The simulator decides as live routing does, and keeps its laws whatever comes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.crm.records.models import Ticket
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database import sql
from deskhand.routing import assign, capacity, loads, waiting
from deskhand.routing.decision import Rule
from deskhand.routing.edges import Facts, Manual
from deskhand.routing.outcomes import fairness, outcome
from deskhand.routing.simulating import Arrival, Fate, Off, Office, Walk, there, without
from deskhand.routing.tests.conftest import CHAT, MAIL, write_owners
from deskhand.routing.types import NewTicket, Option, Person, Roster, Status, Strategy, Terms
from deskhand.testing.fixtures import NOON

MINUTE = timedelta(minutes=1)
UTC = ZoneInfo("UTC")
ALWAYS = Facts(manual=Manual(Status.AVAILABLE, NOON - timedelta(days=1)))
NEVER = Facts()


def office(facts, *, strategy=Strategy.LOAD_BALANCED, terms=None, off=(), **more):
    """People 1, 2, … with these facts, all named by the rule of channel 1."""
    users = tuple(range(1, len(facts) + 1))
    rule = Rule(9, 1, Option.USERS_AND_TEAMS, strategy, user_ids=users, **({"wait_list": True} | more))
    return Office(
        {1: rule}, Roster({n: Person(n) for n in users}), dict(zip(users, facts, strict=True)), terms or {}, tuple(off)
    )  # fmt: skip


def come(*minutes, work=30, channel=1, kind="EMAIL_OTHER", **more):
    return [Arrival(NOON + one * MINUTE, channel, kind, work * MINUTE, **more) for one in minutes]


def walked(where, arrivals, *, days=1, seed=0):
    walk = Walk(where, arrivals, NOON, NOON + timedelta(days=days), seed=seed)
    for _ in walk.go():
        pass
    return walk


def owners(walk):
    return [fate.user_id for fate in walk.fates]


# -- The very choices of live routing -----------------------------------------------------------------------------

SHARES = {"ada": 100, "bob": 50, "cat": 100}


def _lived(desk, arrivals):
    """The arrivals routed live: at each the clock is set, what is done with by then is closed, and who waits is served."""
    ids, ends, found = [], [], {}
    for arrival in arrivals:
        while ends and min(ends)[0] <= arrival.at:
            at, pk = min(ends)
            ends.remove((at, pk))
            with clock.stopped(at):
                Ticket.objects.filter(pk=pk).update(is_closed=True, closed_at=at)
                loads.reconcile(desk.id, [pk], at)
                given = assign.route(
                    desk.id, waiting.in_order(desk.id, at), at, after_workflows=None, is_retry=True, seed=5
                )
                _note(desk, given, at, ids, arrivals, ends, found)
        with clock.stopped(arrival.at):
            [pk] = desk.tickets(
                1,
                ticket_type=arrival.ticket_type,
                channel_account_id=arrival.channel_account_id,
                priority=arrival.priority,
            )
            ids.append(pk)
            new = NewTicket(pk, arrival.channel_account_id, arrival.ticket_type, arrival.contact_owner_id)
            _note(
                desk, assign.route(desk.id, [new], arrival.at, seed=5), arrival.at, ids, arrivals, ends, found
            )
    return [found.get(pk) for pk in ids]


def _note(desk, made, at, ids, arrivals, ends, found):
    write_owners(made, at)
    given = {one.ticket_id: one.user_id for one in made if one.user_id}
    loads.reconcile(desk.id, list(given), at)
    waiting.leave(desk.id, list(given))
    found |= given
    ends += [(at + arrivals[ids.index(pk)].work, pk) for pk in given]


@pytest.mark.parametrize("strategy", [Strategy.LOAD_BALANCED, Strategy.ROUND_ROBIN])
@pytest.mark.parametrize("limit", [None, 2])
def test_the_simulator_gives_each_ticket_to_whom_live_routing_gave_it(desk, strategy, limit):
    """The same code as live routing (R-ROUTE-30..38, R-ROUTE-53, R-CAP-6), owner by owner."""
    everybody = [desk.ada, desk.bob, desk.cat]
    for name, share in SHARES.items():
        capacity.set_limits(desk.id, [desk.users[name]], by=Actor.user(desk.ada), total=limit, share=share)
    named = {"strategy": strategy, "wait_list": True}
    desk.rule(MAIL, user_ids=everybody, **named)
    desk.rule(
        CHAT, team_ids=[desk.teams["X"]], fallback_user_ids=[desk.eve], include_extra_members=False, **named
    )
    chance = random.Random(3)
    minutes = sorted(chance.sample(range(1, 400), 60))
    arrivals = [
        come(
            minute, work=chance.randrange(5, 90), channel=chance.choice([MAIL, CHAT]), kind=chance.choice(["EMAIL_OTHER", "MESSAGE"]),
            priority=chance.choice(["HIGH", "LOW", None]),
        )[0]
        for minute in minutes
    ]  # fmt: skip
    rules = assign.rules_of(desk.id, [MAIL, CHAT])
    where = assign.office(desk.id, rules, NOON)

    live = _lived(desk, arrivals)
    walk = Walk(where, arrivals, NOON, arrivals[-1].at + MINUTE)
    for _ in walk.go():
        pass

    assert owners(walk) == live
    assert len({*live}) > 2
    assert any(fate.has_waited for fate in walk.fates) is (limit is not None)


def test_the_simulator_draws_whom_live_routing_drew(desk):
    """R-ROUTE-38: the same seed and turn draw the same person."""
    desk.rule(MAIL, user_ids=[desk.ada, desk.bob, desk.cat], strategy=Strategy.RANDOM)
    arrivals = come(*range(1, 30), channel=MAIL)
    where = assign.office(desk.id, assign.rules_of(desk.id, [MAIL]), NOON)
    first = sql.ids("routing_decision", 1)[0] + 1

    live = _lived(desk, arrivals)
    walk = Walk(where, arrivals, NOON, arrivals[-1].at + MINUTE, seed=5, first_turn=first)
    for _ in walk.go():
        pass

    assert owners(walk) == live


# -- Time -----------------------------------------------------------------------------------------------------------


def test_who_goes_home_gets_nothing_and_who_comes_gets_what_waits():
    """R-ROUTE-45, R-ROUTE-53: a ticket at half past three waits for who comes at four."""
    early = Facts(WeeklyHours("UTC", (Block(0, 9 * 60, 15 * 60),)))
    late = Facts(WeeklyHours("UTC", (Block(0, 16 * 60, 20 * 60),)))

    walk = walked(office([early, late]), come(60, 210))

    assert owners(walk) == [1, 2]
    assert walk.fates[1] == Fate(2, NOON + timedelta(hours=4), True)


def test_priority_goes_first_and_then_who_waits_longest():
    """R-ROUTE-53: by priority, then age."""
    one_at_a_time = {1: Terms(total=1)}
    arrivals = [*come(0, 1, 2), *come(3, priority="HIGH")]

    walk = walked(office([ALWAYS], terms=one_at_a_time), arrivals)

    order = sorted(range(4), key=lambda n: walk.fates[n].given_at)
    assert order == [0, 3, 1, 2]


def test_without_a_wait_list_nobody_is_asked_again():
    """R-ROUTE-53: only rules that keep a list do."""
    walk = walked(office([ALWAYS], terms={1: Terms(total=1)}, wait_list=False), come(0, 1))
    assert owners(walk) == [1, None]
    assert not walk.fates[1].has_waited


def test_a_channel_that_is_closed_gives_nothing_away():
    """R-ROUTE-81."""
    shop = WeeklyHours("UTC", (Block(0, 13 * 60, 14 * 60),))
    walk = walked(office([ALWAYS], hours=shop), come(30, 90, 150))
    assert owners(walk) == [None, 1, None]


def test_somebody_off_is_not_asked():
    """What if Ana is off on Monday: nothing is hers while she is, and the others have it all."""
    off = Off(1, NOON + timedelta(hours=1), NOON + timedelta(hours=3))
    walk = walked(office([ALWAYS, ALWAYS], off=[off]), come(*range(0, 300, 10), work=5))
    given = {
        one.user_id for one, a in zip(walk.fates, walk.arrivals, strict=True) if off.start <= a.at < off.end
    }
    assert given == {2}
    assert set(owners(walk)) == {1, 2}


def test_who_had_to_do_with_a_contact_last_gets_them_again():
    """As `Rule.sticky_hours` says, and no longer."""
    where = office([ALWAYS, ALWAYS], sticky_hours=1, strategy=Strategy.ROUND_ROBIN)
    walk = walked(where, come(0, 30, 400, work=5, contact_id=8))
    assert owners(walk) == [1, 1, 2]


def test_what_waits_is_shared_out_among_who_is_there_and_who_is_about_to_come():
    """Soft landing, as live: each gets a part as they come, the fourth no more than there is room for."""

    def since(minute):
        return Facts(WeeklyHours("UTC", (Block(0, 13 * 60 + minute, 18 * 60),)))

    people = [since(0), since(15), since(30), since(20)]
    where = office(people, landing_minutes=30, terms={4: Terms(total=1)})
    walk = walked(where, [*come(*range(9), work=300), *come(9, priority="URGENT", work=300)])

    by_user = {
        user: [walk.fates[n].given_at for n in range(10) if owners(walk)[n] == user] for user in (1, 2, 3, 4)
    }
    at = [NOON + timedelta(hours=1, minutes=minute) for minute in (0, 15, 30, 20)]
    assert owners(walk)[9] == 1
    assert [len(by_user[user]) for user in (1, 2, 3, 4)] == [3, 3, 3, 1]
    assert all(set(by_user[user]) == {moment} for user, moment in zip((1, 2, 3, 4), at, strict=True))


def test_nothing_is_shared_out_where_people_are_not_waited_for():
    """R-ROUTE-53: without the box who has room gets it at once, also before their hours."""
    begins = Facts(WeeklyHours("UTC", (Block(0, 12 * 60 + 20, 18 * 60),)))
    one = Terms(total=1)
    where = office([ALWAYS, begins], only_available=False, landing_minutes=30, terms={1: one, 2: one})
    walk = walked(where, [*come(0, work=60), *come(1, work=5), *come(2, 3, 4, work=60)])
    assert owners(walk)[:3] == [1, 2, 2]
    assert walk.fates[2].given_at == NOON + 6 * MINUTE


def test_who_comes_for_another_rule_shares_nothing_out():
    """R-ROUTE-53."""
    begins = [Facts(WeeklyHours("UTC", (Block(0, 13 * 60 + n, 18 * 60),))) for n in (0, 0, 20)]
    alone = office(begins[:2], landing_minutes=30, strategy=Strategy.RANDOM)
    others = replace(alone.rules[1], id=10, channel_account_id=2, user_ids=(3,))
    people = dict(zip((1, 2, 3), begins, strict=True))
    both = Office({1: alone.rules[1], 2: others}, Roster({n: Person(n) for n in people}), people)
    night = come(*range(8), work=300)

    drawn = owners(walked(alone, night))

    assert drawn != [1, 2] * 4
    assert owners(walked(both, night)) == drawn


def test_what_waits_is_given_when_its_channel_opens():
    """R-ROUTE-81: who was there before it opened has not come then."""
    shop = WeeklyHours("UTC", (Block(0, 12 * 60, 12 * 60 + 30), Block(0, 14 * 60, 15 * 60)))
    ana = Facts(WeeklyHours("UTC", (Block(0, 13 * 60, 18 * 60),)))
    walk = walked(office([ana], hours=shop), come(10))
    assert walk.fates[0].given_at == NOON + timedelta(hours=2)


def test_what_is_kept_for_who_is_full_is_everybodys():
    """Who was expected is full when they come: what was kept for them is given to who is there."""
    begins = [Facts(WeeklyHours("UTC", (Block(0, 60 * 13 + n * 10, 60 * 20),))) for n in range(2)]
    where = office(begins, landing_minutes=30, terms={2: Terms(total=2)})
    chats = replace(
        where.rules[1], id=10, channel_account_id=2, user_ids=(2,), landing_minutes=0, only_available=False
    )
    where = replace(where, rules={**where.rules, 2: chats})

    walk = walked(where, [*come(0, 1, 2, 3, work=400), *come(65, 66, channel=2, work=400)])

    assert owners(walk) == [1, 1, 1, 1, 2, 2]
    late = [fate.given_at for fate in walk.fates[:4] if fate.given_at > NOON + timedelta(hours=1)]
    assert late == [NOON + timedelta(hours=1, minutes=10)] * 2


def test_times_are_cut_out():
    """A day off in the middle leaves the two ends."""
    nine = NOON - timedelta(hours=3)
    assert without([(nine, NOON)], [(nine + MINUTE, NOON - MINUTE)]) == [
        (nine, nine + MINUTE),
        (NOON - MINUTE, NOON),
    ]
    assert without([(nine, NOON)], [(nine, NOON)]) == []
    assert there(NEVER, nine, NOON) == []
    assert there(ALWAYS, nine, NOON) == [(nine, NOON)]


# -- Laws -------------------------------------------------------------------------------------------------------------

_WEEKS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 6)).map(
        lambda one: Facts(WeeklyHours("UTC", tuple(Block(day, 60 * one[0], min(1440, 60 * (one[0] + one[1]))) for day in (0, 1))))
    )
    | st.just(ALWAYS),
    min_size=1,
    max_size=4,
)  # fmt: skip
_COMING = st.lists(
    st.builds(
        lambda minute, work, kind, rank, points: Arrival(NOON + minute * MINUTE, 1, kind, work * MINUTE, rank, points=points),
        st.integers(0, 2000), st.integers(1, 500), st.sampled_from(["CALL", "EMAIL_OTHER"]), st.sampled_from(["URGENT", "LOW", None]),
        st.integers(1, 3),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(_WEEKS, _COMING, st.sampled_from(Strategy), st.integers(0, 6), st.booleans(), st.sampled_from([0, 45]))
def test_nobody_away_is_chosen_no_limit_is_broken_and_each_ticket_ends_once(
    weeks, arrivals, strategy, limit, waits, landing
):
    """R-ROUTE-45, R-CAP-6, for every strategy; and what nobody got is on the list or was never put there."""
    terms = {n: Terms(total=limit) for n in range(1, len(weeks) + 1)}
    where = office(weeks, strategy=strategy, terms=terms, wait_list=waits, landing_minutes=landing)
    walk = walked(where, arrivals, days=3)

    assert len(walk.fates) == len(arrivals)
    held = []
    for one, fate in zip(walk.arrivals, walk.fates, strict=True):
        assert (fate.user_id is None) == (fate.given_at is None)
        if fate.user_id is None:
            assert waits or not fate.has_waited
            continue
        assert fate.has_waited == (fate.given_at > one.at) or fate.has_waited
        assert any(start <= fate.given_at < end for start, end in walk.attendance[fate.user_id])
        held.append((fate.given_at, fate.given_at + one.work, fate.user_id, one.points))
    for at, _, user_id, points in held:
        others = [p for start, end, who, p in held if who == user_id and start <= at < end]
        assert sum(others) <= limit or others == [points]
    assert sum(hand.count for hand in walk.hands.values()) == len(held)


@settings(max_examples=60, deadline=None)
@given(_WEEKS, _COMING, st.sampled_from(Strategy), st.integers(0, 99))
def test_the_same_seed_comes_to_the_same(weeks, arrivals, strategy, seed):
    """R-ROUTE-38: a simulation that is begun again ends the same."""
    where = office(weeks, strategy=strategy, terms={1: Terms(total=2)})
    first, second = (walked(where, arrivals, days=2, seed=seed) for _ in range(2))
    assert first.fates == second.fates


@settings(max_examples=80, deadline=None)
@given(_COMING, st.integers(1, 4), st.integers(1, 3))
def test_one_more_person_never_makes_the_tickets_of_one_pool_wait_longer(arrivals, people, limit):
    """True of one pool that is there all the time, of tickets of one weight, type and priority, first come first served.

    With priorities it can fail: who comes earlier through the door may keep an urgent one waiting behind a long one.
    """
    alike = [Arrival(one.at, 1, "CALL", one.work) for one in arrivals]

    def waits(number):
        terms = {n: Terms(total=limit) for n in range(1, number + 1)}
        walk = walked(office([ALWAYS] * number, terms=terms), alike, days=60)
        return outcome(walk, UTC, MINUTE, {}).all.total

    assert waits(people + 1) <= waits(people)


# -- Figures ----------------------------------------------------------------------------------------------------------


def test_the_figures_tell_at_once_from_the_list_and_never():
    """Waiting time, load per agent, unassigned, SLA risk."""
    walk = walked(office([ALWAYS], terms={1: Terms(total=1)}), come(0, 10, 20, work=60))
    found = outcome(walk, UTC, 45 * MINUTE, {})

    assert (found.all.count, found.all.at_once, found.all.from_list, found.all.never) == (3, 1, 2, 0)
    assert (found.all.median, found.all.longest, found.all.late) == (50 * 60, 100 * 60, 2)
    [agent] = found.agents
    assert (agent.count, agent.most, agent.seconds) == (3, 1, 86_400)
    assert type(found).from_json(found.as_json()) == found


def test_the_target_counts_in_the_hours_of_the_channel():
    """R-SLA-24: what comes at night is not late before the morning."""
    shop = WeeklyHours("UTC", (Block(1, 9 * 60, 17 * 60),))  # Tuesday
    begins = Facts(WeeklyHours("UTC", (Block(1, 9 * 60 + 30, 17 * 60),)))
    walk = walked(office([begins]), come(0), days=2)
    assert outcome(walk, UTC, 60 * MINUTE, {1: shop}).all.late == 0
    assert outcome(walk, UTC, 20 * MINUTE, {1: shop}).all.late == 1
    assert outcome(walk, UTC, 60 * MINUTE, {}).all.late == 1


@pytest.mark.parametrize(
    ("counts", "index"), [([5, 5], 1.0), ([10, 0], 0.5), ([], 1.0), ([0, 0], 1.0), ([3, 1], 0.8)]
)
def test_fairness_is_one_where_all_have_the_same(counts, index):
    """Jain's index."""
    assert fairness(counts) == pytest.approx(index)
