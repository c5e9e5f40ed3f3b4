"""What tickets say of the wait-list: set as they come to it, cleared as they leave it, by whatever way (R-ROUTE-52)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.policy import viewer_for
from deskhand.automation import records
from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.records.selecting import condition_sql
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.desk import merging, spam
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Invalid
from deskhand.routing import availability, rules, waiting
from deskhand.routing.models import WaitingTicket
from deskhand.routing.types import Option, Status
from deskhand.web.filters.words import Words
from deskhand.web.inbox import property_values
from deskhand.web.inbox.property_values import People

UTC = ZoneInfo("UTC")
MARKS = ("hs_in_waitlist", "hs_added_to_waitlist_at", "hs_waitlist_sort_value", "hs_waitlist_routing_targets")


def keep_a_list(
    world: Any, *, wait_list: bool = True, option: Option = Option.USERS_AND_TEAMS, users: Any = ()
) -> None:
    """The channel's tickets go to Grace, or whom `users` names, or wait."""
    rules.set_rule(
        world.account.pk, world.channel.pk, option, user_ids=[one.pk for one in users or [world.grace]],
        wait_list=wait_list, by=Actor.user(world.ada.pk),
    )  # fmt: skip
    run_hooks()


def arrive(world: Any, *names: str) -> list[int]:
    new = [NewTicket(name, channel_account_id=world.channel.pk) for name in names]
    ids = [made.id for made in tickets.create_many(new, by=SYSTEM)]
    run_hooks()
    return ids


def come(world: Any, who: Any) -> None:
    availability.set_by_hand(world.account.pk, who.pk, Status.AVAILABLE, by=Actor.user(who.pk))
    run_hooks()


def marks(ticket_id: int) -> list[Any]:
    kept = Ticket.objects.get(pk=ticket_id).properties
    return [kept.get(name) for name in MARKS]


@pytest.fixture
def rest(world: Any, settle: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let everything happen that is due; what waits says so in the end, and nothing else does."""

    def run() -> None:
        settle()
        run_hooks()
        settle()
        run_hooks()

    keep_a_list(world)
    yield run
    run()


def test_who_comes_to_the_list_says_so_in_the_same_transaction_with_history(world, rest):
    """R-ROUTE-52."""
    [waits] = arrive(world, "A")

    row = WaitingTicket.objects.get(ticket_id=waits)
    is_in, since, place, targets = marks(waits)
    assert (is_in, since, targets) == (True, row.added_at.isoformat(), [world.grace.pk])
    assert place == 5 * 10**13 + int(row.added_at.timestamp()) * 1000 + row.added_at.microsecond // 1000
    history = PropertyChange.objects.filter(record_id=waits, property__in=MARKS)
    assert {one.property: (one.old, one.new, one.source) for one in history} == {
        name: (None, value, "ROUTING") for name, value in zip(MARKS, marks(waits), strict=True)
    }


def test_who_gets_an_owner_at_once_says_nothing_of_a_list(world, rest):
    """R-ROUTE-52."""
    come(world, world.grace)

    [given] = arrive(world, "A")

    assert Ticket.objects.get(pk=given).owner_id == world.grace.pk
    assert marks(given) == [None] * 4
    assert not PropertyChange.objects.filter(record_id=given, property__in=MARKS).exists()


def close(world: Any, ticket_id: int) -> None:
    closed = next(stage for stage in pipelines_of("ticket").default.stages if not stage.is_open)
    tickets.move(ticket_id, to=closed.id, by=SYSTEM)


def give_to_bob(world: Any, ticket_id: int) -> None:
    tickets.assign(ticket_id, owner_id=world.bob.pk, by=Actor.user(world.ada.pk))


def give_to_a_team(world: Any, ticket_id: int) -> None:
    values = {"owner_id": None, "assigned_team_ids": [world.team.pk, world.team.pk + 1]}
    tickets.change_many([Change(ticket_id, values)], by=Actor.user(world.ada.pk))


def put_away(world: Any, ticket_id: int) -> None:
    tickets.archive([ticket_id], by=SYSTEM)


def mark_as_spam(world: Any, ticket_id: int) -> None:
    spam.mark(ticket_id, by=Actor.user(world.ada.pk))


def merge(world: Any, ticket_id: int) -> None:
    [other] = arrive(world, "Other")
    merging.merge(other, ticket_id, by=Actor.user(world.ada.pk))


def give_up_the_list(world: Any, ticket_id: int) -> None:
    keep_a_list(world, wait_list=False)


def give_up_the_people(world: Any, ticket_id: int) -> None:
    keep_a_list(world, option=Option.NONE)


def give_to_an_agent(world: Any, ticket_id: int) -> None:
    values = {"ai_agent": "clerk", "hs_customer_agent_ticket_status": "IN_PROGRESS"}
    tickets.change_many([Change(ticket_id, values)], by=SYSTEM)


WAYS_OUT = [
    close, give_to_bob, give_to_a_team, put_away, mark_as_spam, merge, give_up_the_list, give_up_the_people, give_to_an_agent,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS_OUT)
def test_whoever_leaves_the_list_says_no_more_in_the_same_transaction(world, rest, way):
    """R-ROUTE-52, R-ROUTE-53."""
    waits, stays = arrive(world, "A", "B")
    rest()

    way(world, waits)
    run_hooks()

    assert marks(waits) == [None] * 4
    assert not WaitingTicket.objects.filter(ticket_id=waits).exists()
    assert marks(stays)[0] is (None if way in (give_up_the_list, give_up_the_people) else True)
    last = PropertyChange.objects.filter(record_id=waits, property="hs_in_waitlist").latest("id")
    assert (last.old, last.new, last.source) == (True, None, "ROUTING")


def test_who_is_served_from_the_list_says_no_more(world, rest):
    """R-ROUTE-52."""
    [waits] = arrive(world, "A")
    rest()

    come(world, world.grace)
    rest()

    assert Ticket.objects.get(pk=waits).owner_id == world.grace.pk
    assert marks(waits) == [None] * 4


def test_a_team_that_routing_chose_is_no_reason_to_leave(world, rest):
    """R-ROUTE-49, R-ROUTE-53: who waits has the teams of the rule all the time."""
    [waits] = arrive(world, "A")
    rest()

    assert Ticket.objects.get(pk=waits).assigned_team_ids
    assert marks(waits)[0] is True


def test_who_is_reopened_or_no_spam_waits_again_and_from_now_on(world, rest):
    """R-ROUTE-52, R-REOPEN-3, R-CC-12."""
    closed, filtered = arrive(world, "A", "B")
    rest()
    before = [marks(pk)[1] for pk in (closed, filtered)]
    close(world, closed)
    mark_as_spam(world, filtered)
    rest()

    tickets.move(closed, to=pipelines_of("ticket").default.first_open.id, by=SYSTEM)
    spam.unmark(filtered, by=Actor.user(world.ada.pk))
    rest()

    assert [marks(pk)[0] for pk in (closed, filtered)] == [True, True]
    assert all(marks(pk)[1] > was for pk, was in zip((closed, filtered), before, strict=True))


def test_the_sort_value_is_the_order_of_the_list_and_follows_the_priority(world, rest):
    """R-ROUTE-52, R-ROUTE-53: by priority, then the longest first."""
    first, second, third, fourth = (arrive(world, name)[0] for name in "ABCD")
    tickets.update(third, {"hs_ticket_priority": "URGENT"}, by=SYSTEM)
    tickets.update(fourth, {"hs_ticket_priority": "LOW"}, by=SYSTEM)
    run_hooks()

    by_value = sorted((first, second, third, fourth), key=lambda pk: marks(pk)[2])

    assert by_value == [third, fourth, first, second]
    assert by_value == [one.ticket_id for one in waiting.in_order(world.account.pk, clock.now())]

    tickets.update(third, {"hs_ticket_priority": None}, by=SYSTEM)
    tickets.update(third, {"subject": "Another change in the same transaction"}, by=SYSTEM)
    run_hooks()
    assert sorted(by_value, key=lambda pk: marks(pk)[2]) == [fourth, first, second, third]


def test_for_whom_it_waits_follows_the_rule(world, rest):
    """R-ROUTE-52."""
    [waits] = arrive(world, "A")
    rest()

    keep_a_list(world, users=[world.ada, world.bob])
    rest()

    is_in, _since, _place, targets = marks(waits)
    assert (is_in, targets) == (True, sorted([world.ada.pk, world.bob.pk]))


def test_nobody_sets_them_by_hand(world, rest):
    """R-PROP-2."""
    [waits] = arrive(world, "A")

    for name in MARKS:
        with pytest.raises(Invalid):
            tickets.update(waits, {name: None}, by=SYSTEM)


ASKED = {
    "hs_in_waitlist": Filter("hs_in_waitlist", Kind.BOOL, Operator.ANY_OF, (True,)),
    "hs_added_to_waitlist_at": Filter("hs_added_to_waitlist_at", Kind.DATETIME, Operator.KNOWN),
    "hs_waitlist_sort_value": Filter("hs_waitlist_sort_value", Kind.NUMBER, Operator.GREATER, (Decimal(0),)),
    "hs_waitlist_routing_targets": Filter("hs_waitlist_routing_targets", Kind.REFS, Operator.ANY_OF, (0,)),
}


@pytest.mark.parametrize("name", MARKS)
def test_views_and_workflows_ask_for_them(world, rest, name):
    """R-ROUTE-52: by PostgreSQL and by Python alike; before, while and after they wait."""
    asked = ASKED[name]
    if name == "hs_waitlist_routing_targets":
        asked = replace(asked, values=(world.grace.pk,))
    [waits] = arrive(world, "Waits")
    other = world.ticket("Another").pk
    rest()

    assert found_by(world, asked, [waits, other]) == ([waits], [waits])
    come(world, world.grace)
    rest()
    assert found_by(world, asked, [waits, other]) == ([], [])


def found_by(world: Any, asked: Filter, among: list[int]) -> tuple[list[int], list[int]]:
    viewer = viewer_for(world.account.pk, world.ada.pk)
    where = condition_sql(viewer, "ticket", asked, UTC)
    found = sql.rows(f"select t.id from crm_ticket t where {where.text} order by t.id", where.params)
    rows = records.load("ticket", among)
    by_python = [
        pk for pk in among if holds(asked, records.LoadedFacts("ticket", rows[pk]), now=clock.now(), zone=UTC)
    ]
    return [pk for (pk,) in found], by_python


def test_who_it_waits_for_is_chosen_and_told_by_name(world, rest):
    """R-ROUTE-52."""
    prop = properties_of("ticket")["hs_waitlist_routing_targets"]
    words = Words(viewer_for(world.account.pk, world.ada.pk), "ticket")

    assert world.grace.name in [one.label for one in words.choices_of("ticket", prop)]
    names = Names()
    asked = to_json(replace(ASKED[prop.name], values=(world.grace.pk,)))
    written = definitions.condition_out(asked, "ticket", names)
    assert written["values"] == [world.grace.email]
    assert to_json(definitions.condition_back(written, "ticket", names, "f")) == asked
    assert property_values.words(prop, [world.grace.pk], People({world.grace.pk: "Grace"}, {})) == "Grace"


@pytest.mark.parametrize("going", [False, True])
def test_many_take_as_many_queries_as_few(world, rest, going):
    """R-ROUTE-52."""
    arrive(world, "First")
    rest()
    counts = []
    for number in (2, 20):
        with CaptureQueriesContext(connection) as made:
            ids = arrive(world, *(f"{number}: {n}" for n in range(number)))
        if going:
            with CaptureQueriesContext(connection) as made:
                spam.mark_many(ids, by=Actor.user(world.ada.pk))
                run_hooks()
        counts.append(len(made))

    assert counts[0] == counts[1]
