"""Limits, effort and shares (§16): T-ROUTE-24, T-ROUTE-25, T-ROUTE-26, and counters against a slow recount."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as given_with
from hypothesis import strategies as st

from deskhand.accounts import accounts
from deskhand.accounts.models import AuditEntry, Membership, Plan, User
from deskhand.accounts.plans import Feature
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Invalid
from deskhand.routing import assign, capacity, explain, loads, queries, replaying, rotating
from deskhand.routing.capacity import Hold, Settings
from deskhand.routing.models import Capacity, Decision
from deskhand.routing.types import Measure, NewTicket, Reason, Strategy

from .conftest import CHAT, MAIL, NOON

CALL, MESSAGE, MAILS = "CALL", "MESSAGE", "EMAIL_OTHER"
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
BOTH = pytest.mark.parametrize("weighs", [False, True])


def own(desk, name, count, *, kind=MAILS, **columns):
    """Open tickets that `name` has already, counted."""
    given = {"owner_assigned_at": NOON, **columns}
    ids = desk.tickets(count, owner_id=desk.users[name], ticket_type=kind, **given)
    loads.reconcile(desk.id, ids, NOON)
    return ids


def limit(desk, *names, total=None, share=None, **by_type):
    measure = Measure.BY_TYPE if by_type else Measure.TOTAL
    capacity.set_limits(
        desk.id, [desk.users[name] for name in names], by=SYSTEM, measure=measure, total=total, by_type=by_type, share=share,
    )  # fmt: skip


def configure(desk, now=NOON, **choices):
    capacity.set_settings(desk.id, Settings(**choices), by=SYSTEM, now=now)


def hold(desk, name, now=NOON, kind=""):
    return capacity.holds_of(desk.id, [desk.users[name]], now)[desk.users[name]][kind]


@pytest.fixture
def two(desk):
    """Ada stands before Bob in the rule."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    return desk


# -- Limits -------------------------------------------------------------------------------------------------------


def test_t_route_24_who_is_full_is_passed_over_though_they_have_less_of_the_type(two):
    """T-ROUTE-24, R-CAP-6: the limit spans all types, the load is the type's own."""
    limit(two, "ada", total=2)
    own(two, "ada", 2, kind=CALL)
    own(two, "bob", 5)

    assert two.arrivals(2) == [two.bob, two.bob]


def test_t_route_25_full_everywhere_it_stays_unassigned_and_may_be_given_by_hand(two):
    """T-ROUTE-25, R-CAP-6, R-CAP-7, R-CAP-10: by hand to Ada works, and shows 3/2."""
    limit(two, "ada", "bob", total=2)
    own(two, "ada", 2)
    own(two, "bob", 2)
    [ticket] = two.tickets(1)

    [made] = two.route([ticket])

    assert (made.user_id, made.reason) == (None, Reason.ALL_DROPPED)
    tickets.assign(ticket, owner_id=two.ada, by=Actor.user(two.bob))
    loads.reconcile(two.id, [ticket], NOON)
    [ada] = [agent for agent in queries.agents_with_state(two.id, NOON) if agent.user_id == two.ada]
    assert (ada.held, ada.limit, ada.is_full) == (3, 2, True)
    assert hold(two, "ada") == queries.own_hold(two.id, two.ada, NOON) == Hold(3, 2)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.drifts
def test_t_route_26_rotating_skips_who_is_full_and_a_step_that_sets_the_owner_does_not(desk, strategy):
    """T-ROUTE-26, R-CAP-8, R-ROT-6."""
    limit(desk, "ada", total=1)
    own(desk, "ada", 1)
    given = desk.tickets(3)
    targets = rotating.Targets("step", strategy, (desk.ada, desk.bob))

    turns = rotating.rotate(desk.id, "ticket", given, targets, NOON)

    assert [turn.user_id for turn in turns] == [desk.bob] * 3
    [other] = desk.tickets(1)
    tickets.assign(other, owner_id=desk.ada, by=SYSTEM)
    assert Ticket.objects.get(pk=other).owner_id == desk.ada


@pytest.mark.drifts
def test_rotating_to_nobody_but_the_full_gives_it_to_nobody(desk):
    """R-ROT-6: ineligible until below."""
    limit(desk, "ada", total=1)
    held = own(desk, "ada", 1)
    targets = rotating.Targets("step", Strategy.LOAD_BALANCED, (desk.ada,))
    assert [t.user_id for t in rotating.rotate(desk.id, "ticket", desk.tickets(1), targets, NOON)] == [None]

    Ticket.objects.filter(pk__in=held).update(is_closed=True)
    loads.reconcile(desk.id, held, NOON)

    assert [t.user_id for t in rotating.rotate(desk.id, "ticket", desk.tickets(1), targets, NOON)] == [
        desk.ada
    ]


def test_by_type_only_the_limit_of_the_incoming_type_is_asked(two):
    """R-CAP-5, R-CAP-13."""
    limit(two, "ada", EMAIL_OTHER=1, MESSAGE=0)
    own(two, "ada", 1)
    own(two, "bob", 9)
    own(two, "bob", 9, kind=CALL)

    assert two.arrivals() == [two.bob]
    assert two.arrivals(ticket_type=MESSAGE) == [two.bob]
    assert two.arrivals(3, ticket_type=CALL) == [two.ada] * 3


def test_nought_lets_nothing_through_and_none_everything(two):
    """R-CAP-12."""
    limit(two, "ada", total=0)
    own(two, "bob", 50)
    assert two.arrivals() == [two.bob]

    limit(two, "ada", total=None)

    assert two.arrivals(3) == [two.ada] * 3


def test_limits_count_what_is_no_load_any_more(two):
    """R-CAP-4: no thirty days, and no date of assignment needed."""
    limit(two, "ada", total=2)
    own(two, "ada", 1, owner_assigned_at=NOON - 31 * DAY, created_at=NOON - 40 * DAY)
    own(two, "ada", 1, owner_assigned_at=None, created_at=NOON - 400 * DAY)
    own(two, "bob", 4)

    assert hold(two, "ada") == Hold(2, 2)
    assert two.arrivals() == [two.bob]


@pytest.mark.drifts
def test_a_limit_counts_on_when_its_tickets_stop_being_load(desk):
    """R-CAP-4, with time passing over the same rows."""
    limit(desk, "ada", total=2)
    own(desk, "ada", 2)
    later = NOON + loads.WINDOW + MICROSECOND

    loads.expire(desk.id, MAILS, later)

    assert hold(desk, "ada", later) == Hold(2, 2)
    assert loads.present(desk.id, [desk.ada], later)[0][MAILS].loads == {desk.ada: 0}
    assert loads.recount(desk.id, later) == {}


@pytest.mark.parametrize(
    "change", [{"in_help_desk": False}, {"is_closed": True}, {"is_spam": True}, {"archived_at": NOON}]
)
def test_only_open_help_desk_tickets_count(two, change):
    """R-CAP-3."""
    limit(two, "ada", total=1)
    own(two, "ada", 1, **change)

    assert hold(two, "ada") == Hold(0, 1)
    assert two.arrivals() == [two.ada]


@pytest.mark.parametrize("strategy", Strategy)
def test_a_batch_stops_at_the_limits(desk, strategy):
    """R-CAP-6: a limit holds within a batch as between two."""
    desk.rule(team_ids=[desk.teams["X"]], strategy=strategy)
    limit(desk, "ada", total=3)
    limit(desk, "bob", EMAIL_OTHER=2)
    limit(desk, "cat", total=0)

    given = Counter(made.user_id for made in desk.route(desk.tickets(9)))

    assert given == {desk.ada: 3, desk.bob: 2, None: 4}


def test_the_limit_binds_the_contacts_owner_and_who_is_in_the_fallback(two):
    """R-CAP-6: however automatic assignment comes to somebody."""
    two.rule(CHAT, option="CONTACT_OWNER", fallback_user_ids=[two.bob])
    limit(two, "ada", "bob", total=1)

    made = two.route(two.tickets(3), channel=CHAT, contact_owner_id=two.ada)

    assert [one.user_id for one in made] == [two.ada, two.bob, None]


def test_a_reopened_ticket_may_push_over_and_nobody_loses_one(desk):
    """R-CAP-15."""
    desk.rule(user_ids=[desk.ada])
    limit(desk, "ada", total=2)
    closed = own(desk, "ada", 1, is_closed=True)
    assert desk.arrivals(3) == [desk.ada, desk.ada, None]

    Ticket.objects.filter(pk__in=closed).update(is_closed=False)
    loads.reconcile(desk.id, closed, NOON)

    assert hold(desk, "ada") == Hold(3, 2)
    assert Ticket.objects.filter(owner_id=desk.ada, is_closed=False).count() == 3
    assert desk.arrivals() == [None]


def test_the_same_two_who_hold_their_most_say_so_in_the_decision(two):
    """R-ROUTE-70, R-CAP-6: a decision for nobody replays too, and names who was full and of how many."""
    limit(two, "ada", total=1)
    limit(two, "bob", EMAIL_OTHER=0)
    own(two, "ada", 1, kind=CALL)

    [made] = two.route(two.tickets(1))

    kept = Decision.objects.get(pk=made.decision_id)
    replayed = replaying.replay(kept)
    assert replayed.chosen is None
    assert replayed.full == (two.ada, two.bob)
    assert [(one.name, one.reason) for one in explain.explain(kept).dropped] == [
        ("Ada", "full: 1 of 1"),
        ("Bob", "full: 0 of 0"),
    ]


@BOTH
@pytest.mark.parametrize("strategy", Strategy)
def test_decisions_replay_where_limits_points_and_shares_bind(desk, strategy, weighs):
    """R-ROUTE-70, over two channels, two types and batches that run into the limits."""
    configure(desk, weighs=weighs, types={MESSAGE: 3}, channels={CHAT: 2}, priorities={"HIGH": 2})
    desk.rule(team_ids=[desk.teams["X"]], strategy=strategy, fallback_user_ids=[desk.eve])
    desk.rule(CHAT, user_ids=[desk.eve, desk.ada], strategy=strategy)
    limit(desk, "ada", total=9, share=50)
    limit(desk, "bob", EMAIL_OTHER=5, MESSAGE=2, share=20)
    limit(desk, "eve", total=7)

    desk.route([*desk.tickets(4), *desk.tickets(3, priority="HIGH")])
    desk.route(desk.tickets(4, ticket_type=MESSAGE), ticket_type=MESSAGE)
    desk.route(desk.tickets(5, channel_account_id=CHAT), channel=CHAT)
    desk.route(desk.tickets(6))
    limit(desk, "ada", "bob", "cat", "eve", total=0)
    desk.route(desk.tickets(2))

    kept = list(Decision.objects.order_by("id"))
    chosen = [replaying.replay(one).chosen for one in kept]
    assert [one and one.user_id for one in chosen] == [one.user_id for one in kept]
    assert {one.reason for one in kept} >= {Reason.ASSIGNED, Reason.ALL_DROPPED}


@pytest.mark.parametrize("lack", ["nils", "gone", "stranger", "stopped"])
def test_only_who_has_a_seat_has_a_limit(two, lack):
    """R-CAP-1: whoever sets it; of several, none gets theirs. A stranger's name is nobody's business here."""
    stranger = User.objects.create(username="zoe", email="zoe@example.org", name="Zoe")
    two.person("stopped", active=False)
    who = {"nils": two.nils, "gone": 999_999, "stranger": stranger.pk, "stopped": two.stopped}[lack]
    name = {"nils": "Nils", "gone": "999999", "stranger": str(stranger.pk), "stopped": "Stopped"}[lack]
    hint = "Reactivate them first" if lack == "stopped" else "Give them a seat first"

    for set_one in (
        partial(capacity.set_limits, total=3),
        partial(capacity.set_limits, measure=Measure.BY_TYPE, by_type={CALL: 0}),
        partial(capacity.set_limits, share=99),
        partial(capacity.set_shares, share=50),
    ):
        with pytest.raises(Invalid, match=f"gives nothing to {name},") as refused:
            set_one(two.id, [two.ada, who], by=SYSTEM)
        assert (refused.value.field, refused.value.value) == ("user", [who])
        assert refused.value.hint == f"{hint}, or leave them out."
    assert not Capacity.objects.exists()
    assert not AuditEntry.objects.filter(action=capacity.CHANGED).exists()


def test_who_loses_the_seat_can_be_rid_of_the_limit_and_keeps_it_till_then(two):
    """R-CAP-1, R-CAP-11: saying the same again is no change."""
    limit(two, "bob", total=3, share=40)
    Membership.objects.filter(user_id=two.bob).update(has_seat=False)

    limit(two, "bob", total=3, share=40)
    with pytest.raises(Invalid):
        limit(two, "bob", total=2)
    assert Capacity.objects.get(user_id=two.bob).total == 3

    limit(two, "bob", share=100)

    assert Capacity.objects.get(user_id=two.bob).total is None


def test_who_loses_the_seat_can_be_rid_of_either_alone(two):
    """R-CAP-1: of the limit and of the share."""
    limit(two, "bob", total=3, share=40)
    Membership.objects.filter(user_id=two.bob).update(has_seat=False)

    with pytest.raises(Invalid):
        capacity.set_shares(two.id, [two.bob], 30, by=SYSTEM)
    capacity.set_limits(two.id, [two.bob], by=SYSTEM)
    assert Capacity.objects.get(user_id=two.bob).share == 40
    capacity.set_shares(two.id, [two.bob], 100, by=SYSTEM)
    assert Capacity.objects.get(user_id=two.bob).share == 100


# -- Plans --------------------------------------------------------------------------------------------------------


WITHOUT = {"plan": Plan.STARTER}, {"features": {Feature.CAPACITY.value: False}}
WITH = {"plan": Plan.PROFESSIONAL, "features": {}}


@pytest.mark.parametrize("without", WITHOUT)
def test_what_the_plan_has_no_more_rests_and_binds_again_with_the_plan(two, without):
    """R-TIER-1, R-CAP-6, R-CAP-10: limits, shares, points and ramps stay as they are set, and tickets are counted on."""
    configure(two, weighs=True, channels={MAIL: 4}, ramp_days=60, ramp_from=1)
    limit(two, "ada", total=8, share=50)
    own(two, "ada", 1)
    own(two, "bob", 2)
    assert (hold(two, "ada"), capacity.binding(two.id).has_totals) == (Hold(4, 8), True)

    accounts.update(two.id, by=SYSTEM, **without)

    assert capacity.binding(two.id) == capacity.Binding(weighs=False, has_limits=False, has_totals=False)
    assert capacity.terms_of(two.id, [two.ada, two.bob], NOON) == {}
    assert two.arrivals(4) == [two.ada, two.bob, two.ada, two.bob]  # by tickets, the tie to who waited longer
    assert hold(two, "ada") == queries.own_hold(two.id, two.ada, NOON) == Hold(3, None)
    assert {one.limit for one in queries.agents_with_state(two.id, NOON)} == {None}

    accounts.update(two.id, by=SYSTEM, **WITH)

    assert hold(two, "ada") == queries.own_hold(two.id, two.ada, NOON) == Hold(12, 8)
    assert loads.recount(two.id, NOON) == {}
    assert two.arrivals(2) == [two.bob, two.bob]
    kept = Decision.objects.order_by("id")
    assert [replaying.replay(one).chosen.user_id for one in kept] == [one.user_id for one in kept]


def test_a_plan_without_capacity_asks_no_query_more(two):
    """R-TIER-1: whether the plan has it is read with what binds."""
    limit(two, "ada", total=1)
    two.route(two.tickets(3))  # the roster is kept
    with CaptureQueriesContext(connection) as before:
        two.route(two.tickets(3))
    accounts.update(two.id, by=SYSTEM, **WITHOUT[0])

    with CaptureQueriesContext(connection) as after:
        two.route(two.tickets(3))

    assert len(after) <= len(before)


# -- What is left out ---------------------------------------------------------------------------------------------


@pytest.fixture
def waiting():
    """The stage of tickets that wait for the contact."""
    pipeline = pipelines_of("ticket").default
    return pipeline.stages[1]


def test_tickets_in_a_status_that_is_left_out_do_not_count_for_limits(two, waiting):
    """R-CAP-9: they stay load, unless that is wished too."""
    limit(two, "ada", total=1)
    configure(two, excluded_stage_ids=(waiting.id,))
    own(two, "ada", 3, stage_id=waiting.id)
    own(two, "bob", 4)

    assert hold(two, "ada") == Hold(0, 1)
    assert two.arrivals(2) == [two.ada, two.bob]
    assert loads.present(two.id, [two.ada], NOON)[0][MAILS].loads == {two.ada: 4}

    configure(two, excluded_stage_ids=(waiting.id,), excludes_from_load=True)

    assert loads.present(two.id, [two.ada], NOON)[0][MAILS].loads == {two.ada: 1}


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.drifts
def test_old_tickets_stop_counting_for_limits_when_their_time_is_over(desk, is_folded):
    """R-CAP-9: by the ticket's age, the moment included, folded or not."""
    limit(desk, "ada", total=2)
    configure(desk, excluded_after_days=5)
    own(desk, "ada", 2, created_at=NOON - 3 * DAY)
    for now, held in ((NOON + 2 * DAY, 2), (NOON + 2 * DAY + MICROSECOND, 0)):
        if is_folded:
            loads.expire(desk.id, MAILS, now)
        assert hold(desk, "ada", now) == Hold(held, 2)
        assert loads.present(desk.id, [desk.ada], now)[0][MAILS].loads == {desk.ada: 2}
        assert loads.recount(desk.id, now) == {}


def test_old_tickets_are_no_load_either_where_that_is_wished(desk):
    """R-CAP-9, and the thirty days hold besides."""
    configure(desk, excluded_after_days=40, excludes_from_load=True)
    own(desk, "ada", 1, created_at=NOON - 39 * DAY)
    own(desk, "ada", 1)

    found = [loads.present(desk.id, [desk.ada], NOON + days * DAY)[0][MAILS].loads for days in (0, 2, 31)]

    assert found == [{desk.ada: 2}, {desk.ada: 1}, {desk.ada: 0}]


# -- Effort -------------------------------------------------------------------------------------------------------


def test_a_ticket_is_worth_what_its_channel_or_type_says_and_its_priority_besides():
    settings = Settings(
        weighs=True, types={MESSAGE: 2}, channels={CHAT: 5}, priorities={"HIGH": 3, "LOW": -9}
    )

    assert settings.points(MAILS, MAIL, None) == 1
    assert settings.points(MESSAGE, None, "HIGH") == 5
    assert settings.points(MESSAGE, CHAT, None) == 5
    assert settings.points(MAILS, MAIL, "LOW") == 0
    assert replace(settings, weighs=False).points(MESSAGE, CHAT, "HIGH") == 1


def test_loads_are_compared_in_points(two):
    configure(two, weighs=True, priorities={"URGENT": 4})
    own(two, "ada", 1, priority="URGENT")
    own(two, "bob", 3)

    assert two.arrivals(3) == [two.bob, two.bob, two.ada]


def test_a_lighter_ticket_fits_where_a_heavier_does_not(two):
    """R-CAP-6 in points: Ada has room for two more."""
    configure(two, weighs=True, types={MAILS: 2}, priorities={"URGENT": 3})
    limit(two, "ada", total=6)
    limit(two, "bob", total=0)
    own(two, "ada", 2)
    heavy, light, one_more = *two.tickets(1, priority="URGENT"), *two.tickets(1), *two.tickets(1)

    assert [made.user_id for made in two.route([heavy, light, one_more])] == [None, two.ada, None]
    assert hold(two, "ada") == Hold(6, 6)


def test_who_has_none_may_get_a_ticket_heavier_than_their_limit(two):
    """Else nobody could ever get it."""
    configure(two, weighs=True, types={MAILS: 10})
    limit(two, "ada", total=3)
    limit(two, "bob", total=0)

    assert two.arrivals(2) == [two.ada, None]


# -- Shares -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Strategy.LOAD_BALANCED, Strategy.ROUND_ROBIN])
def test_who_has_half_a_share_gets_half_as_many(desk, strategy):
    desk.rule(user_ids=[desk.ada, desk.bob], strategy=strategy)
    limit(desk, "ada", share=50)

    given = Counter(made.user_id for made in desk.route(desk.tickets(30)))

    assert given == {desk.ada: 10, desk.bob: 20}


def test_a_newcomers_part_grows_day_by_day(desk):
    configure(desk, ramp_days=10, ramp_from=20)
    limit(desk, "bob", share=50)
    Membership.objects.filter(account_id=desk.id).update(created_at=NOON - 100 * DAY)
    newcomers = Membership.objects.filter(account_id=desk.id, user_id__in=[desk.ada, desk.bob])
    newcomers.update(created_at=NOON)

    found = [
        {
            user: terms.share
            for user, terms in capacity.terms_of(desk.id, desk.users.values(), NOON + days * DAY).items()
        }
        for days in (0, 5, 10)
    ]

    assert found == [{desk.ada: 20, desk.bob: 10}, {desk.ada: 60, desk.bob: 30}, {desk.bob: 50}]


# -- Setting them -------------------------------------------------------------------------------------------------


def test_limits_are_set_for_several_and_taken_away_again(desk):
    """R-CAP-11; each has an audit entry, and what stays as it is has none."""
    limit(desk, "ada", "bob", total=7, share=40)
    limit(desk, "bob", CALL=1, MESSAGE=0)
    limit(desk, "bob", CALL=1, MESSAGE=0)

    entries = AuditEntry.objects.filter(action=capacity.CHANGED).order_by("number")
    assert [(one.target_id, one.after["total"], one.after["message"]) for one in entries] == [
        (desk.ada, 7, None), (desk.bob, 7, None), (desk.bob, None, 0),
    ]  # fmt: skip
    assert Capacity.objects.get(user_id=desk.bob).share == 40
    assert capacity.holds_of(desk.id, [desk.bob], NOON)[desk.bob] == {
        CALL: Hold(0, 1), MESSAGE: Hold(0, 0), MAILS: Hold(0, None),
    }  # fmt: skip

    limit(desk, "ada", "bob")

    assert {hold(desk, name).limit for name in ("ada", "bob")} == {None}
    assert not capacity.binding(desk.id).has_limits


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"total": -1}, "total"),
        ({"total": 100_001}, "total"),
        ({"CALL": -1}, "call"),
        ({"share": 0}, "share"),
        ({"share": 101}, "share"),
    ],
)
def test_numbers_that_can_be_no_limit_are_refused(desk, given, field):
    with pytest.raises(Invalid) as refused:
        limit(desk, "ada", **given)

    assert refused.value.field == field
    assert not Capacity.objects.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"excluded_after_days": 0}, "excluded_after_days"),
        ({"ramp_days": 366}, "ramp_days"),
        ({"ramp_from": 0}, "ramp_from"),
        ({"types": {CALL: -1}}, "types"),
        ({"channels": {MAIL: 1_001}}, "channels"),
        ({"priorities": {"LOW": -1_001}}, "priorities"),
    ],
)
def test_settings_that_make_no_sense_are_refused(desk, given, field):
    with pytest.raises(Invalid) as refused:
        configure(desk, **given)

    assert refused.value.field == field


def test_of_limits_by_type_the_nearest_is_shown(desk):
    """R-CAP-5, R-CAP-10: what is held of that type, in points where tickets are weighed."""
    limit(desk, "ada", CALL=10, MESSAGE=4, EMAIL_OTHER=9)
    own(desk, "ada", 3, kind=MESSAGE)
    own(desk, "ada", 5)
    assert queries.own_hold(desk.id, desk.ada, NOON) == Hold(3, 4)

    configure(desk, weighs=True, types={MAILS: 2})

    assert queries.own_hold(desk.id, desk.ada, NOON) == Hold(10, 9)


def test_as_many_queries_for_many_people_as_for_few(desk):
    limit(desk, "ada", "bob", "cat", "eve", total=5)
    configure(desk, weighs=True)

    def queries_for(users):
        with CaptureQueriesContext(connection) as caught:
            capacity.holds_of(desk.id, users, NOON)
        return len(caught)

    assert queries_for([desk.ada]) == queries_for(list(desk.users.values())) == 3
    with CaptureQueriesContext(connection) as caught:
        queries.agents_with_state(desk.id, NOON)
    assert len(caught) == 1


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.drifts
def test_a_hundred_tickets_take_as_many_queries_as_two_with_limits_and_points(desk, strategy):
    """R-ROUTE-26."""
    desk.rule(team_ids=[desk.teams["X"]], strategy=strategy)
    configure(desk, weighs=True, types={MAILS: 2})
    limit(desk, "ada", "bob", total=50, share=50)
    desk.route(desk.tickets(1))

    def queries_for(count):
        ids = desk.tickets(count)
        with CaptureQueriesContext(connection) as caught:
            assign.route(desk.id, [NewTicket(pk, MAIL, MAILS) for pk in ids], NOON)
        return len(caught)

    assert queries_for(2) == queries_for(100)


# -- Counters against a slow recount ------------------------------------------------------------------------------


def slow_count(desk, settings, now):
    """By user and type, one ticket at a time: tickets and points of load, tickets and points that limits count."""
    found = {}
    for one in Ticket.objects.filter(account_id=desk.id, owner_id__isnull=False):
        if not one.in_help_desk or one.is_closed or one.is_spam or one.archived_at or one.merged_into_id:
            continue
        days = settings.excluded_after_days
        is_out = one.stage_id in settings.excluded_stage_ids or (
            days is not None and one.created_at + days * DAY < now
        )
        is_load = one.owner_assigned_at is not None and one.owner_assigned_at + loads.WINDOW >= now
        is_load = is_load and not (is_out and settings.excludes_from_load)
        points = settings.points(one.ticket_type, one.channel_account_id, one.priority)
        n, worth, held, held_worth = found.get((one.owner_id, one.ticket_type), (0, 0, 0, 0))
        found[one.owner_id, one.ticket_type] = (
            n + is_load, worth + is_load * points, held + (not is_out), held_worth + (not is_out) * points,
        )  # fmt: skip
    return {key: counts for key, counts in found.items() if any(counts)}


def kept_count(desk, now):
    """The same from the counters, as pages read them."""
    users = list(desk.users.values())
    found = {}
    for weighs in (False, True):
        ledgers, held = loads.present(desk.id, users, now, weighs=weighs)
        for key in {(user, kind) for kind, ledger in ledgers.items() for user in ledger.loads} | set(held):
            user_id, kind = key
            found[key] = (*found.get(key, ()), ledgers[kind].loads.get(user_id, 0), held.get(key, 0))
    return {
        key: (n, worth, held, more)
        for key, (n, held, worth, more) in found.items()
        if any((n, held, worth, more))
    }


def locked_count(desk, now):
    """The same as the router reads it, after a fold."""
    loads.lock(desk.id, loads.TYPES)
    loads.fold(desk.id, loads.TYPES, now)
    found = {}
    for weighs in (False, True):
        ledgers, held = loads.ledgers(desk.id, loads.TYPES, list(desk.users.values()), now, weighs=weighs)
        for key in held:
            found[key] = (*found.get(key, ()), ledgers[key[1]].loads[key[0]], held[key])
    return {
        key: (n, worth, held, more)
        for key, (n, held, worth, more) in found.items()
        if any((n, held, worth, more))
    }


@contextmanager
def undone() -> Iterator[None]:
    """Leaves nothing behind for the next example."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


NAMES = ("ada", "bob", "cat")
which = st.integers(0, 11)
some_settings = st.builds(
    Settings,
    excluded_stage_ids=st.sampled_from([(), (1,)]),  # 1: the second stage, put in by the test
    excluded_after_days=st.none() | st.integers(1, 40),
    excludes_from_load=st.booleans(),
    weighs=st.booleans(),
    types=st.dictionaries(st.sampled_from(loads.TYPES), st.integers(0, 9)),
    channels=st.dictionaries(st.sampled_from([MAIL, CHAT]), st.integers(0, 9)),
    priorities=st.dictionaries(st.sampled_from(capacity.PRIORITIES), st.integers(-5, 5)),
)
steps = st.one_of(
    st.tuples(st.just("new"), st.sampled_from(loads.TYPES), st.sampled_from([MAIL, CHAT]), st.sampled_from([*capacity.PRIORITIES, None])),
    st.tuples(st.just("route"), st.integers(1, 4)),
    st.tuples(st.just("owner"), which, st.sampled_from([*NAMES, None])),
    st.tuples(st.just("flag"), which, st.sampled_from(["is_closed", "is_spam", "in_help_desk"]), st.booleans()),
    st.tuples(st.just("stage"), which, st.integers(0, 1)),
    st.tuples(st.just("priority"), which, st.sampled_from([*capacity.PRIORITIES, None])),
    st.tuples(st.just("age"), st.integers(1, 20)),
    st.tuples(st.just("fold")),
    st.tuples(st.just("settings"), some_settings),
)  # fmt: skip


@given_with(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=25))
def test_whatever_happens_the_counters_equal_a_slow_recount(desk, happens):
    """R-CAP-3, R-CAP-4, R-CAP-9: assigned, closed, reopened, moved, weighed anew, aged, folded, and settings changed."""
    pipeline = pipelines_of("ticket").default
    stages = [pipeline.first_open.id, pipeline.stages[1].id]
    settings, now = Settings(), NOON
    with undone():
        desk.rule(user_ids=[desk.ada, desk.bob, desk.cat])
        limit(desk, "ada", total=4, share=50)
        limit(desk, "bob", EMAIL_OTHER=2)
        made = own(desk, "ada", 4) + own(desk, "bob", 4, kind=MESSAGE) + desk.tickets(4)
        for verb, *more in happens:
            touched, columns = [], {}
            match verb:
                case "new":
                    kind, channel, priority = more
                    columns = {"ticket_type": kind, "channel_account_id": channel, "priority": priority}
                    touched = desk.tickets(
                        1, owner_id=desk.bob, owner_assigned_at=now, created_at=now, **columns
                    )
                    made += touched
                    columns = {}
                case "route":
                    new = desk.tickets(more[0], created_at=now)
                    owners = {one.ticket_id: one.user_id for one in desk.route(new, now=now)}
                    for pk, owner in owners.items():
                        Ticket.objects.filter(pk=pk).update(owner_assigned_at=now if owner else None)
                    made += new
                case "owner":
                    owner = desk.users[more[1]] if more[1] else None
                    touched, columns = (
                        [made[more[0]]],
                        {"owner_id": owner, "owner_assigned_at": owner and now},
                    )
                case "flag":
                    touched, columns = [made[more[0]]], {more[1]: more[2]}
                case "stage":
                    touched, columns = [made[more[0]]], {"stage_id": stages[more[1]]}
                case "priority":
                    touched, columns = [made[more[0]]], {"priority": more[1]}
                case "age":
                    now += more[0] * DAY
                case "fold":
                    assert locked_count(desk, now) == slow_count(desk, settings, now)
                case "settings":
                    [settings] = more
                    settings = replace(
                        settings, excluded_stage_ids=tuple(stages[1:] if settings.excluded_stage_ids else ())
                    )
                    capacity.set_settings(desk.id, settings, by=SYSTEM, now=now)
            if columns:
                Ticket.objects.filter(pk__in=touched).update(**columns)
            loads.reconcile(desk.id, touched, now)
            assert kept_count(desk, now) == slow_count(desk, settings, now)
        assert loads.recount(desk.id, now) == {}
        assert locked_count(desk, now) == slow_count(desk, settings, now)
