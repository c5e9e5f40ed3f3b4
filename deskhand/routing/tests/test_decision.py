"""Deciding batches over overlapping pools, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.routing.decision import Batch, Pool, Rule
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import Measure, NewTicket, Option, Person, Reason, Roster, Strategy, Terms

PEOPLE = {
    user: Person(user, is_available=user % 5 != 0, has_seat=user != 7, main_team_id=100 + user % 2)
    for user in range(1, 10)
}
ROSTER = Roster(
    PEOPLE, {100: ((2, True), (4, True), (7, True), (9, False)), 101: ((1, True), (2, False), (5, True))}
)
KINDS = ("EMAIL_OTHER", "MESSAGE")

users = st.lists(st.integers(1, 12), unique=True, max_size=4).map(tuple)
teams = st.lists(st.sampled_from([100, 101, 102]), unique=True, max_size=2).map(tuple)


@st.composite
def rules(draw):
    return {
        channel: Rule(
            id=channel * 10,
            channel_account_id=channel,
            option=draw(st.sampled_from(Option)),
            strategy=draw(st.sampled_from(Strategy)),
            only_available=draw(st.booleans()),
            user_ids=draw(users),
            team_ids=draw(teams),
            include_extra_members=draw(st.booleans()),
            fallback_user_ids=draw(users),
        )
        for channel in draw(st.sets(st.integers(1, 4), max_size=4))
    }


def ticket(number, channel, owner, points=1):
    return NewTicket(number, channel, KINDS[channel % 2], owner, points=points)


tickets = st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(1, 12)), max_size=25).map(
    lambda drawn: [ticket(number, channel, owner) for number, (channel, owner) in enumerate(drawn)]
)
heavy_tickets = st.lists(
    st.tuples(st.integers(1, 4), st.none() | st.integers(1, 12), st.integers(0, 4)), max_size=25
).map(lambda drawn: [ticket(number, *facts) for number, facts in enumerate(drawn)])
starts = st.dictionaries(st.integers(1, 12), st.integers(0, 3))
limits = st.none() | st.integers(0, 6)
terms = st.dictionaries(
    st.integers(1, 12),
    st.builds(
        Terms, st.sampled_from(Measure), limits, st.fixed_dictionaries(dict.fromkeys(KINDS, limits)),
        st.sampled_from([100, 75, 50, 20, 1]),
    ),
)  # fmt: skip


def new_batch(its_rules, loads, served=None, room=None):
    ledgers = {kind: Ledger(dict(loads)) for kind in KINDS}
    return Batch(its_rules, ROSTER, ledgers, room or Room(), served=served or {}, seed=3)


def one_by_one(its_rules, arriving, loads, room=None):
    """Each ticket in a batch of its own, over what the ones before it left."""
    ledgers, served, drafts = {kind: Ledger(dict(loads)) for kind in KINDS}, {}, []
    room = room or Room()
    for turn, one in enumerate(arriving):
        single = Batch(its_rules, ROSTER, ledgers, room.copy(), served=dict(served), seed=3)
        drafts += single.decide([(one, turn)])
        served |= single.cycles()
        room = single.room
    return drafts


@given(rules(), tickets, starts)
def test_a_batch_decides_like_single_tickets_one_after_another(its_rules, arriving, loads):
    """R-ROUTE-26: the sequential model of overlapping pools, all strategies and options mixed."""
    together = new_batch(its_rules, loads).decide((one, turn) for turn, one in enumerate(arriving))

    assert together == one_by_one(its_rules, arriving, loads)


@given(rules(), heavy_tickets, starts, terms)
def test_a_batch_with_limits_points_and_shares_decides_like_single_tickets(
    its_rules, arriving, loads, its_terms
):
    """R-ROUTE-26, R-CAP-6: limits that run out within the batch, of one type and of all, and unlike shares."""
    held = {(user, KINDS[user % 2]): number for user, number in loads.items()}
    batch = new_batch(its_rules, loads, room=Room(its_terms, dict(held)))

    together = batch.decide((one, turn) for turn, one in enumerate(arriving))

    assert together == one_by_one(its_rules, arriving, loads, Room(its_terms, dict(held)))


@given(rules(), heavy_tickets, starts, terms)
def test_no_limit_is_ever_broken(its_rules, arriving, loads, its_terms):
    """R-CAP-5, R-CAP-6, R-CAP-12, R-CAP-13: but by the one ticket of who had none; nobody is passed over who had room."""
    held = {(user, KINDS[user % 2]): number for user, number in loads.items()}

    for draft in new_batch(its_rules, loads, room=Room(its_terms, dict(held))).decide(
        (one, turn) for turn, one in enumerate(arriving)
    ):
        kind, points = draft.ticket.ticket_type, draft.ticket.points
        for pool in draft.pools:
            for user in pool.sifted.eligible:
                its = its_terms.get(user, Terms())
                kinds = KINDS if its.measure is Measure.TOTAL else [kind]
                most = its.total if its.measure is Measure.TOTAL else its.by_type[kind]
                has = sum(held.get((user, one), 0) for one in kinds)
                has_room = most is None or has + points <= most or (has == 0 and most > 0)
                assert has_room or user != draft.user_id
                assert not (has_room and draft.user_id is None)
        if draft.user_id is not None:
            held[draft.user_id, kind] = held.get((draft.user_id, kind), 0) + points


@given(rules(), tickets, starts, st.sampled_from([100, 50, 7]))
def test_equal_shares_are_as_none(its_rules, arriving, loads, share):
    """Whatever the share is that all have: only the cycles of who is due are numbered otherwise."""
    room = Room({user: Terms(share=share) for user in range(1, 13)})
    asked = [(one, turn) for turn, one in enumerate(arriving)]

    with_shares = new_batch(its_rules, loads, room=room).decide(asked)

    assert with_shares == new_batch(its_rules, loads).decide(asked)


@given(rules(), tickets, starts)
def test_only_the_eligible_of_a_tried_pool_are_ever_picked(its_rules, arriving, loads):
    """R-ROUTE-11, R-ROUTE-46, R-ROUTE-47."""
    drafts = new_batch(its_rules, loads).decide((one, turn) for turn, one in enumerate(arriving))

    for draft in drafts:
        rule = its_rules.get(draft.ticket.channel_account_id)
        assert (draft.user_id is not None) == (draft.reason is Reason.ASSIGNED)
        if draft.user_id is not None:
            person = PEOPLE[draft.user_id]
            assert draft.user_id in draft.pools[-1].sifted.eligible
            assert person.has_seat
            assert person.is_available or not rule.only_available
            assert draft.team_ids == (person.main_team_id,)
        elif draft.pools:
            assert not any(pool.sifted.eligible for pool in draft.pools)


@given(rules())
def test_a_pool_is_kept_whole(its_rules):
    batch = new_batch(its_rules, {})

    for rule in its_rules.values():
        for pool in batch.pools_of(rule):
            assert Pool.from_content(pool.content()) == pool
