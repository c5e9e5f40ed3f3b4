"""Tickets that nobody could take, when somebody comes or has room again (R-ROUTE-53)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts import accounts
from deskhand.accounts.models import Plan, Team
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.types import Kind
from deskhand.desk import inboxes, merging, spam
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM, Actor, ActorKind, Event
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import DueTimer, TimerLoop
from deskhand.routing import agents, availability, capacity, loads, rules, skill_sets, skills, waiting
from deskhand.routing.models import RoutingRule, WaitingTicket
from deskhand.routing.skill_sets import NewRule
from deskhand.routing.types import Option, Status
from deskhand.testing.fixtures import NOON
from deskhand.testing.world import make_world


def keep_a_list(world: Any, *, wait_list: bool = True, option: Option = Option.USERS_AND_TEAMS) -> None:
    """The channel's tickets go to Grace, or wait."""
    rules.set_rule(
        world.account.pk, world.channel.pk, option, user_ids=[world.grace.pk], wait_list=wait_list,
        by=Actor.user(world.ada.pk),
    )  # fmt: skip


def arrive(world: Any, *names: str) -> list[int]:
    new = [NewTicket(name, channel_account_id=world.channel.pk) for name in names]
    ids = [made.id for made in tickets.create_many(new, by=SYSTEM)]
    run_hooks()
    return ids


def set_grace(world: Any, status: Status) -> None:
    availability.set_by_hand(world.account.pk, world.grace.pk, status, by=Actor.user(world.grace.pk))
    run_hooks()


def owners() -> dict[int, int | None]:
    return dict(Ticket.objects.values_list("pk", "owner_id"))


def on_the_list() -> list[int]:
    return list(WaitingTicket.objects.order_by("ticket_id").values_list("ticket_id", flat=True))


@pytest.fixture
def rest(world: Any, settle: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let everything happen that is due, and its hooks with it; what people have to do is counted right in the end."""

    def run() -> None:
        settle()
        run_hooks()
        settle()
        run_hooks()

    yield run
    run()


def test_who_becomes_available_gets_what_waits_but_not_what_was_taken_by_hand(world, rest):
    keep_a_list(world)
    waits, taken = arrive(world, "A", "B")
    rest()
    assert on_the_list() == [waits, taken]

    tickets.assign(taken, owner_id=world.bob.pk, by=Actor.user(world.ada.pk))
    run_hooks()
    tickets.assign(taken, owner_id=None, by=Actor.user(world.ada.pk))
    run_hooks()
    set_grace(world, Status.AVAILABLE)
    rest()

    assert owners() == {waits: world.grace.pk, taken: None}
    assert not on_the_list()


def close(world: Any, ticket_id: int) -> None:
    closed = next(stage for stage in pipelines_of("ticket").default.stages if not stage.is_open)
    tickets.move(ticket_id, to=closed.id, by=SYSTEM)


def give_to_bob(world: Any, ticket_id: int) -> None:
    tickets.assign(ticket_id, owner_id=world.bob.pk, by=SYSTEM)


def put_away(world: Any, ticket_id: int) -> None:
    tickets.archive([ticket_id], by=SYSTEM)


def mark_as_spam(world: Any, ticket_id: int) -> None:
    spam.mark(ticket_id, by=Actor.user(world.ada.pk))


def move_to_excluded(world: Any, ticket_id: int) -> None:
    tickets.move(ticket_id, to=pipelines_of("ticket").default.stages[1].id, by=SYSTEM)


def raise_the_limit(world: Any, ticket_id: int) -> None:
    capacity.set_limits(world.account.pk, [world.grace.pk], total=2, by=SYSTEM)


def count_less(world: Any, ticket_id: int) -> None:
    first = pipelines_of("ticket").default.stages[0].id
    capacity.set_settings(world.account.pk, capacity.Settings(excluded_stage_ids=(first,)), by=SYSTEM)


def lose_the_limits(world: Any, ticket_id: int) -> None:
    accounts.update(world.account.pk, plan=Plan.STARTER, by=SYSTEM)


@pytest.mark.parametrize(
    "makes_room",
    [
        close,
        give_to_bob,
        put_away,
        mark_as_spam,
        move_to_excluded,
        raise_the_limit,
        count_less,
        lose_the_limits,
    ],
)
def test_who_drops_below_their_limit_gets_the_next(world, rest, makes_room):
    """R-ROUTE-53, R-CAP-6, R-CAP-9; and who has none any more, since the plan has no limits (R-TIER-1)."""
    keep_a_list(world)
    set_grace(world, Status.AVAILABLE)
    excluded = pipelines_of("ticket").default.stages[1].id
    capacity.set_settings(world.account.pk, capacity.Settings(excluded_stage_ids=(excluded,)), by=SYSTEM)
    capacity.set_limits(world.account.pk, [world.grace.pk], total=1, by=SYSTEM)
    [first] = arrive(world, "First")
    [second] = arrive(world, "Second")
    rest()
    assert (owners()[first], owners()[second], on_the_list()) == (world.grace.pk, None, [second])

    makes_room(world, first)
    run_hooks()
    rest()

    assert owners()[second] == world.grace.pk
    assert not on_the_list()
    assert loads.recount(world.account.pk, clock.now()) == {}


def test_all_that_waits_is_given_however_much_it_is(world, rest, monkeypatch):
    """R-ROUTE-53: by priority, then the longest first, a batch at a time."""
    monkeypatch.setattr(waiting, "BATCH", 3)
    keep_a_list(world)
    ids = arrive(world, *(f"No. {n}" for n in range(10)))
    tickets.change_many([Change(ids[7], {"priority": "URGENT"})], by=SYSTEM)
    run_hooks()
    rest()

    set_grace(world, Status.AVAILABLE)
    rest()

    assert set(owners().values()) == {world.grace.pk}
    given = list(Ticket.objects.order_by("owner_assigned_at").values_list("pk", flat=True))
    assert set(given[:3]) == {ids[7], *ids[:2]}


def test_a_batch_of_which_nobody_gets_anything_is_the_last(world, rest, monkeypatch):
    monkeypatch.setattr(waiting, "BATCH", 3)
    keep_a_list(world)
    arrive(world, *(f"No. {n}" for n in range(10)))
    capacity.set_limits(world.account.pk, [world.grace.pk], total=4, by=SYSTEM)
    rest()

    set_grace(world, Status.AVAILABLE)
    rest()

    assert list(owners().values()).count(world.grace.pk) == 4
    assert len(on_the_list()) == 6


@pytest.mark.parametrize("done", [close, give_to_bob, put_away, mark_as_spam])
def test_who_is_taken_care_of_leaves_the_list(world, rest, done):
    """R-ROUTE-53."""
    keep_a_list(world)
    gone, stays = arrive(world, "A", "B")
    rest()

    done(world, gone)
    run_hooks()

    assert on_the_list() == [stays]


@pytest.mark.parametrize("kind", [ActorKind.USER, ActorKind.WORKFLOW, ActorKind.INTEGRATION, ActorKind.LLM])
def test_whoever_gives_a_ticket_to_a_team_takes_it_off_the_list(world, rest, kind):
    """R-ROUTE-6, R-ROUTE-53: a person, a workflow, an integration by the API, or a model."""
    keep_a_list(world)
    gone, stays = arrive(world, "A", "B")
    rest()

    others = Team.objects.create(account=world.account, name="Billing")
    tickets.assign(gone, owner_id=None, team_ids=[others.pk], by=Actor(kind, world.ada.pk))
    run_hooks()
    assert on_the_list() == [stays]

    set_grace(world, Status.AVAILABLE)
    rest()
    assert owners() == {gone: None, stays: world.grace.pk}


def test_a_ticket_that_goes_into_another_leaves_the_list(world, rest):
    """R-ROUTE-53, R-MERGE-1."""
    keep_a_list(world)
    stays, gone = arrive(world, "A", "B")

    merging.merge(stays, gone, by=Actor.user(world.ada.pk))
    run_hooks()

    assert on_the_list() == [stays]


@pytest.mark.parametrize("choice", [{"wait_list": False}, {"option": Option.NONE}])
def test_the_list_ends_with_the_wish_for_it_and_with_the_people_it_waits_for(world, rest, choice):
    """R-ROUTE-53."""
    keep_a_list(world)
    arrive(world, "A")
    rest()
    assert on_the_list()

    keep_a_list(world, **choice)
    run_hooks()

    assert not on_the_list()


def test_a_ticket_that_leaves_the_list_while_it_is_asked_for_is_given_to_nobody(world, rest):
    """R-ROUTE-53: it was closed, or given to a team, while its row was waited for."""
    keep_a_list(world)
    closed, left = arrive(world, "A", "B")
    rest()
    availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    now = clock.now()
    asked = waiting.in_order(world.account.pk, now)
    tickets.move(closed, to=world.stage("Closed"), by=Actor.user(world.ada.pk))
    run_hooks()

    wiring._serve(world.account.pk, asked, None, now)

    assert owners() == {closed: None, left: world.grace.pk}


def test_who_waits_is_for_people_also_where_an_agent_answers_first_now(world, rest):
    """R-AI-2, R-ROUTE-53: the rule's fallback is asked for them."""
    keep_a_list(world)
    [waits] = arrive(world, "A")
    rest()
    agents.known["clerk"] = SimpleNamespace(key="clerk", name="Clerk")
    try:
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.AI_AGENT, agent_key="clerk", fallback_user_ids=[world.grace.pk],
            wait_list=True, by=Actor.user(world.ada.pk),
        )  # fmt: skip
        set_grace(world, Status.AVAILABLE)
        rest()
    finally:
        del agents.known["clerk"]

    assert owners() == {waits: world.grace.pk}


def test_nobody_waits_where_teams_alone_are_asked_whatever_skills_the_rule_has(world, rest):
    """R-ROUTE-53: a rule that picks nobody keeps no list."""
    keep_a_list(world)
    arrive(world, "A")
    rest()
    chosen = skill_sets.create(world.account.pk, "Languages", by=Actor.user(world.ada.pk)).pk
    rules.set_rule(
        world.account.pk, world.channel.pk, Option.TEAMS, team_ids=[world.team.pk], skill_rule_set_id=chosen, wait_list=True,
        by=Actor.user(world.ada.pk),
    )  # fmt: skip
    run_hooks()

    assert not on_the_list()


def list_by_skills_alone(world: Any) -> None:
    """The channel gives its tickets to who knows German, and to nobody else; Grace does."""
    account_id = world.account.pk
    [german] = skills.create(account_id, skills.ensure_languages(account_id).pk, ["German"], by=SYSTEM)
    skills.set_of_user(account_id, world.grace.pk, {german.pk: True}, by=SYSTEM)
    chosen = skill_sets.create(account_id, "Languages", by=SYSTEM).pk
    everything = Filter("subject", Kind.TEXT, Operator.KNOWN)
    new = NewRule("All", everything, [german.pk])
    skill_sets.add_rule(account_id, chosen, new, by=SYSTEM)
    rules.set_rule(
        account_id, world.channel.pk, Option.NONE, skill_rule_set_id=chosen, wait_list=True, by=SYSTEM
    )


def test_a_list_by_skill_rules_alone_ends_with_the_skills_in_the_plan(world, rest):
    """R-ROUTE-53, R-TIER-1: nobody could ever be found for it. Other lists stay."""
    second = inboxes.add_channel_account(
        world.channel.inbox, channel="email", name="Second", address="second@nordlys.example"
    )
    rules.set_rule(
        world.account.pk, second.pk, Option.USERS_AND_TEAMS, user_ids=[world.bob.pk], wait_list=True, by=SYSTEM
    )  # fmt: skip
    [stays] = [
        made.id for made in tickets.create_many([NewTicket("B", channel_account_id=second.pk)], by=SYSTEM)
    ]
    list_by_skills_alone(world)
    [waits] = arrive(world, "A")
    rest()
    assert on_the_list() == sorted([stays, waits])

    accounts.update(world.account.pk, plan=Plan.PROFESSIONAL, by=SYSTEM)
    run_hooks()
    rest()

    assert on_the_list() == [stays]


def test_no_list_is_kept_by_skill_rules_alone_where_the_plan_has_none(world, rest):
    """R-ROUTE-53, R-TIER-1: a rule that is saved so gives the list up."""
    keep_a_list(world)
    arrive(world, "A")
    rest()
    accounts.update(world.account.pk, plan=Plan.PROFESSIONAL, by=SYSTEM)
    run_hooks()
    rest()
    assert on_the_list()

    list_by_skills_alone(world)
    run_hooks()

    assert not on_the_list()


def test_what_waits_is_given_when_its_channel_opens(world, rest):
    """R-ROUTE-53, R-ROUTE-81: who comes before it opens gets it then."""
    opens = NOON.replace(hour=13)
    with clock.stopped(NOON):
        keep_a_list(world)
        arrive(world, "A")
        rest()
        RoutingRule.objects.update(hours_zone="UTC", hours_blocks=[[NOON.weekday(), 13 * 60, 14 * 60]])
        set_grace(world, Status.AVAILABLE)
        while Dispatcher().run_once():
            pass
        assert list(owners().values()) == [None]

    kept = Timer.objects.get(kind=waiting.DRAIN, key__startswith="open:")
    assert kept.due_at == opens
    with clock.stopped(opens):
        due = DueTimer(kept.pk, world.account.pk, kept.kind, kept.key, kept.due_at, kept.payload)
        wiring.serve_the_rest(world.account.pk, [due])
    assert list(owners().values()) == [world.grace.pk]


def test_nobody_waits_costs_one_query_and_many_no_more_than_few(world, rest):
    """R-ROUTE-53."""
    keep_a_list(world)
    set_grace(world, Status.AVAILABLE)
    rest()
    [own] = arrive(world, "Own")
    rest()
    changes = {"changes": {"hs_is_closed": [False, True]}}
    event = Event(tickets.MOVED, "ticket", own, 2, SYSTEM, clock.now(), changes, id=1)

    with CaptureQueriesContext(connection) as nobody:
        wiring.route_again(world.account.pk, [event])
    assert len(nobody) == 1

    set_grace(world, Status.AWAY)
    capacity.set_limits(world.account.pk, [world.grace.pk], total=0, by=SYSTEM)
    counts = []
    for number in (2, 20):
        arrive(world, *(f"{number}: {n}" for n in range(number)))
        with CaptureQueriesContext(connection) as made:
            wiring.route_again(world.account.pk, [event])
        counts.append(len(made))
    assert counts[0] == counts[1] <= 22


@pytest.mark.django_db(transaction=True)
def test_a_ticket_put_on_the_list_while_somebody_comes_is_served(wired):
    """R-ROUTE-53: routed before Grace came, committed after everybody was told that she did."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        keep_a_list(world)
    with clock.stopped(NOON):
        told = threading.Thread(target=partial(come_and_tell, world))
        with account_scope(account_id):
            [late] = arrive(world, "Late")
            assert on_the_list() == [late]
            told.start()
            told.join()
    with account_scope(account_id):
        assert owners() == {late: None}  # nobody was on the list when Grace came

    while TimerLoop().run_once():
        pass

    with account_scope(account_id):
        assert owners() == {late: world.grace.pk}
        assert not on_the_list()


def come_and_tell(world: Any) -> None:
    try:
        with account_scope(world.account.pk):
            set_grace(world, Status.AVAILABLE)
        while Dispatcher().run_once():
            pass
    finally:
        connection.close()
