"""The choices themselves: tables of cases, and properties that hold for any pool."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.routing import strategies
from deskhand.routing.strategies import AtRandom, Field, Ledger, LoadBalanced, Room, RoundRobin
from deskhand.routing.types import Candidate, Drop, Person, Terms

ADA, BOB, CAT, DAN = 1, 2, 3, 4

pools = st.lists(st.integers(1, 30), unique=True, min_size=1, max_size=12)
loads = st.dictionaries(st.integers(1, 30), st.integers(0, 9))
some_turns = st.dictionaries(st.integers(1, 30), st.integers(0, 99))


def field(eligible=(), ledger=None):
    return Field(tuple(eligible), "EMAIL_OTHER", ledger or Ledger(), Room())


def chosen(candidate: Candidate | None) -> int | None:
    return candidate.user_id if candidate else None


# -- Load balanced ------------------------------------------------------------------------------------------------


def test_the_smallest_load_gets_it_and_of_equals_who_waited_longest():
    """T-ROUTE-2, R-ROUTE-30, R-ROUTE-31."""
    pool = [Candidate(ADA, 3, 10, 0), Candidate(BOB, 1, 9, 1), Candidate(CAT, 1, 4, 2)]

    assert chosen(strategies.load_balanced(pool)) == CAT


@pytest.mark.parametrize(
    ("pool", "winner"),
    [
        ([Candidate(ADA, 1, 5, 0), Candidate(BOB, 1, None, 1)], BOB),
        ([Candidate(BOB, 1, None, 0), Candidate(ADA, 1, None, 1)], BOB),
        ([Candidate(BOB, 1, None, 0), Candidate(ADA, 1, None, 0)], ADA),
        ([], None),
    ],
    ids=["never assigned comes first", "then the order in the rule", "then the id", "nobody"],
)
def test_ties_are_broken_in_a_fixed_order(pool, winner):
    """R-ROUTE-31."""
    assert chosen(strategies.load_balanced(pool)) == winner


@given(pools, st.integers(0, 9), st.integers(0, 200))
def test_equals_never_differ_by_more_than_one_ticket(pool, start, tickets):
    """R-ROUTE-26, R-ROUTE-30."""
    ledger = Ledger(dict.fromkeys(pool, start))

    strategies.spread(LoadBalanced(field(pool, ledger)), ledger, range(tickets))

    final = [ledger.loads[user] for user in pool]
    assert max(final) - min(final) <= 1
    assert sum(final) == start * len(pool) + tickets


@given(pools, loads, some_turns, st.integers(0, 40))
def test_a_batch_is_balanced_like_single_choices(pool, start, before, tickets):
    batch = Ledger(dict(start), dict(before))
    single = Ledger(dict(start), dict(before))

    picked = strategies.spread(LoadBalanced(field(pool, batch)), batch, range(100, 100 + tickets))

    one_by_one = []
    for turn in range(100, 100 + tickets):
        choice = strategies.load_balanced(strategies.candidates(pool, single, Room()))
        single.give(choice.user_id, turn)
        one_by_one.append(choice.user_id)
    assert picked == one_by_one
    assert batch == single


@given(pools, pools, loads, st.lists(st.booleans(), max_size=60))
def test_overlapping_pools_share_one_ledger(pool, other, start, which):
    """R-ROUTE-26: picks for one channel count at once for another's."""
    batch, single = Ledger(dict(start)), Ledger(dict(start))
    pickers = {True: LoadBalanced(field(pool, batch)), False: LoadBalanced(field(other, batch))}
    members = {True: pool, False: other}

    picked = [
        user for turn, first in enumerate(which) for user in strategies.spread(pickers[first], batch, [turn])
    ]

    one_by_one = []
    for turn, first in enumerate(which):
        choice = strategies.load_balanced(strategies.candidates(members[first], single, Room()))
        single.give(choice.user_id, turn)
        one_by_one.append(choice.user_id)
    assert picked == one_by_one


# -- Round robin --------------------------------------------------------------------------------------------------


def test_each_gets_one_before_anyone_gets_a_second():
    """R-ROUTE-32, R-ROUTE-33."""
    picker = RoundRobin(field([BOB, ADA, CAT]), set())

    assert strategies.spread(picker, Ledger(), range(7)) == [BOB, ADA, CAT, BOB, ADA, CAT, BOB]


def test_who_was_away_at_their_turn_is_still_due_in_this_cycle():
    """T-ROUTE-6, R-ROUTE-34, R-ROUTE-35."""
    everyone = [Candidate(user, order=order) for order, user in enumerate((ADA, BOB, CAT))]
    bob_away = [everyone[0], everyone[2]]
    served: frozenset[int] = frozenset()
    got = []

    for pool in (bob_away, bob_away, everyone, everyone):
        candidate, served, _ = strategies.round_robin(pool, served)
        got.append(chosen(candidate))

    assert got == [ADA, CAT, BOB, ADA]


def test_a_newcomer_joins_the_running_cycle_once():
    """R-ROUTE-34."""
    picker = RoundRobin(field([ADA, BOB, DAN]), {ADA, BOB})

    assert strategies.spread(picker, Ledger(), range(4)) == [DAN, ADA, BOB, DAN]


def test_nobody_to_choose_keeps_the_cycle():
    assert strategies.round_robin([], {ADA}) == (None, frozenset({ADA}), 0)


@given(pools, st.sets(st.integers(1, 30)), st.integers(0, 40))
def test_a_batch_goes_round_like_single_choices(pool, served, tickets):
    picker = RoundRobin(field(pool), served)

    picked = strategies.spread(picker, Ledger(), range(tickets))

    single, state = [], frozenset(served)
    for _ in range(tickets):
        choice, state, _ = strategies.round_robin(strategies.candidates(pool, Ledger(), Room()), state)
        single.append(choice.user_id)
    assert picked == single
    assert picker.served & set(pool) == state & set(pool)


@given(pools, st.integers(0, 100))
def test_going_round_differs_by_at_most_one(pool, tickets):
    counts = Counter(strategies.spread(RoundRobin(field(pool), ()), Ledger(), range(tickets)))

    assert max(counts.values(), default=0) - min((counts[user] for user in pool), default=0) <= 1


# -- Random -------------------------------------------------------------------------------------------------------


def test_t_route_8_random_is_uniform():
    """T-ROUTE-8, R-ROUTE-38. 11.34: chi-squared with 3 degrees of freedom at 1 %."""
    pool = [ADA, BOB, CAT, DAN]

    counts = Counter(strategies.spread(AtRandom(field(pool), seed=7), Ledger(), range(3000)))

    assert sum((counts[user] - 750) ** 2 / 750 for user in pool) < 11.34


@given(pools, st.integers(), st.integers(0, 50))
def test_the_same_seed_and_turn_choose_the_same(pool, seed, turn):
    picked = AtRandom(field(pool), seed).pick(turn)

    assert picked == chosen(
        strategies.at_random(strategies.candidates(pool, Ledger(), Room()), seed=seed, turn=turn)
    )
    assert picked in pool


moves = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=40)


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 4), st.sampled_from([100, 50, 7])), min_size=1, max_size=6),
    moves,
)
def test_by_lot_is_always_among_who_has_room_at_that_moment(its_terms, moved):
    """R-ROUTE-38, R-CAP-6: as single draws, whatever others take and give back in between, for light and heavy tickets."""
    room = Room({user: Terms(total=most, share=share) for user, (most, share) in enumerate(its_terms)})
    its_field = Field(tuple(reversed(range(len(its_terms)))), "EMAIL_OTHER", Ledger(), room)
    picker = AtRandom(its_field, 3)

    for turn, (is_taken, user, points) in enumerate(moved):
        held = room.held.get((user, "MESSAGE"), 0)
        room.take(user, "MESSAGE", points if is_taken else -min(points, held))
        able = [one for one in its_field.eligible if room.fits(one, "EMAIL_OTHER", points)]
        single = strategies.at_random(strategies.candidates(able, Ledger(), room), seed=3, turn=turn)

        picked = picker.pick(turn, points)

        assert picked == chosen(single)
        if picked is not None:
            room.take(picked, "EMAIL_OTHER", points)


def test_random_among_nobody_is_nobody():
    assert strategies.at_random([], seed=1, turn=1) is None
    assert AtRandom(field(), 1).pick(1) is None
    assert LoadBalanced(field()).pick(1) is None
    assert RoundRobin(field(), ()).pick(1) is None


# -- Shares -------------------------------------------------------------------------------------------------------

shares = st.lists(st.integers(1, 100), min_size=1, max_size=6)


def given_by_share(make, its_shares, tickets):
    """How many each gets, of nobody's tickets to begin with."""
    ledger, users = Ledger(), range(len(its_shares))
    room = Room({user: Terms(share=share) for user, share in enumerate(its_shares)})
    picker = make(Field(tuple(users), "EMAIL_OTHER", ledger, room))
    return Counter(strategies.spread(picker, ledger, range(tickets)))


@given(shares)
def test_a_hundred_rounds_give_each_as_many_turns_as_their_share(its_shares):
    """The first hundred cycles, whose number of turns is the sum of the shares."""
    given_ = given_by_share(lambda field: RoundRobin(field, ()), its_shares, sum(its_shares))

    assert given_ == dict(enumerate(its_shares))


@given(shares, st.integers(1, 300))
def test_loads_stay_in_proportion_to_shares(its_shares, tickets):
    """Nobody is ahead of a colleague by more than one ticket, measured by their shares."""
    found = given_by_share(LoadBalanced, its_shares, tickets)

    for one, share in enumerate(its_shares):
        for other, their_share in enumerate(its_shares):
            assert (found[one] - 1) / share <= found[other] / their_share + 0.01


def test_random_draws_by_share():
    """Over 8,000 draws, with room for chance: five standard deviations."""
    found = given_by_share(lambda field: AtRandom(field, 7), [100, 50, 10], 8_000)

    for user, share in enumerate([100, 50, 10]):
        expected = 8_000 * share / 160
        assert abs(found[user] - expected) < 5 * (expected * (1 - share / 160)) ** 0.5


# -- Filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "drop"),
    [
        (Person(ADA), None),
        (Person(ADA, is_member=False, has_seat=False), Drop.GONE),
        (Person(ADA, is_active=False, has_seat=False), Drop.INACTIVE),
        (Person(ADA, has_seat=False, has_access=False), Drop.NO_SEAT),
        (Person(ADA, has_access=False, is_available=False), Drop.NO_ACCESS),
        (Person(ADA, is_extra_only=True, is_available=False), Drop.EXTRA_MEMBER),
        (Person(ADA, is_available=False), Drop.AWAY),
    ],
)
def test_the_first_filter_that_fails_is_the_reason(person, drop):
    """R-ROUTE-11, R-ROUTE-12, R-ROUTE-45, R-ROUTE-70."""
    sifted = strategies.sift([person], only_available=True)

    assert sifted.dropped == (((ADA, drop),) if drop else ())
    assert sifted.eligible == (() if drop else (ADA,))


def test_with_the_box_off_only_availability_is_ignored():
    """T-ROUTE-10, R-ROUTE-47."""
    pool = [Person(ADA, is_available=False), Person(BOB, has_seat=False, is_available=False)]

    sifted = strategies.sift(pool, only_available=False)

    assert sifted.eligible == (ADA,)
    assert sifted.dropped == ((BOB, Drop.NO_SEAT),)


people = st.builds(
    Person,
    user_id=st.integers(1, 99),
    is_member=st.booleans(),
    is_active=st.booleans(),
    has_seat=st.booleans(),
    has_access=st.booleans(),
    is_available=st.booleans(),
    is_extra_only=st.booleans(),
)


@given(
    st.lists(people, unique_by=lambda person: person.user_id, max_size=20), st.booleans(), st.integers(0, 30)
)
def test_the_ineligible_never_get_a_ticket(pool, only_available, tickets):
    sifted = strategies.sift(pool, only_available=only_available)
    fit = {
        p.user_id
        for p in pool
        if p.is_member
        and p.is_active
        and p.has_seat
        and p.has_access
        and not p.is_extra_only
        and (p.is_available or not only_available)
    }

    for picker in (
        LoadBalanced(field(sifted.eligible)),
        RoundRobin(field(sifted.eligible), ()),
        AtRandom(field(sifted.eligible), 3),
    ):
        picked = strategies.spread(picker, Ledger(), range(tickets))
        assert set(picked) <= (fit or {None})
    assert len(sifted.eligible) + len(sifted.dropped) == len(pool)
