"""Deciding batches over overlapping pools, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.routing.decision import Batch, Pool, Rule
from deskhand.routing.strategies import Ledger
from deskhand.routing.types import NewTicket, Option, Person, Reason, Roster, Strategy

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


def ticket(number, channel, owner):
    return NewTicket(number, channel, KINDS[channel % 2], owner)


tickets = st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(1, 12)), max_size=25).map(
    lambda drawn: [ticket(number, channel, owner) for number, (channel, owner) in enumerate(drawn)]
)
starts = st.dictionaries(st.integers(1, 12), st.integers(0, 3))


def new_batch(its_rules, loads, served=None):
    ledgers = {kind: Ledger(dict(loads)) for kind in KINDS}
    return Batch(its_rules, ROSTER, ledgers, served=served or {}, seed=3)


@given(rules(), tickets, starts)
def test_a_batch_decides_like_single_tickets_one_after_another(its_rules, arriving, loads):
    """R-ROUTE-26: the sequential model of overlapping pools, all strategies and options mixed."""
    batch = new_batch(its_rules, loads)

    together = batch.decide((one, turn) for turn, one in enumerate(arriving))

    ledgers, served, apart = {kind: Ledger(dict(loads)) for kind in KINDS}, {}, []
    for turn, one in enumerate(arriving):
        single = Batch(its_rules, ROSTER, ledgers, served=dict(served), seed=3)
        apart += single.decide([(one, turn)])
        served |= single.cycles()
    assert together == apart


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
