"""Boards, tables and views read about as many rows as they show, however many tickets there are."""

import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.policy import viewer_for
from deskhand.crm.filters.types import AllOf, Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.desk import board, table, views
from deskhand.desk.selection import Selection, count
from deskhand.desk.tests.test_search import viewer_with
from deskhand.kernel.database import sql

MANY = 4000  # so many that PostgreSQL would rather not read them all
FEW = 300  # rows that a page of 50 may touch
CROWDED, SMALL, EMPTY = 7, 8, 9  # teams: that of all the others' tickets, one with a few, one with none

UTC = ZoneInfo("UTC")
IS_OPEN = Filter("hs_is_closed", Kind.BOOL, Operator.ANY_OF, (False,))
HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
CLOSED = next(view for view in views.VIEWS if view.key == "all-closed")

_FILL = """
insert into crm_ticket (account_id, version, created_at, updated_at, sort_at, stage_entered_at, pipeline_id, stage_id, is_closed, number, subject,
    content, priority, assigned_team_ids, properties, created_by_kind, ticket_type, in_help_desk, is_spam, owner_id, message_count, preview, last_message_failed)
select %(account)s, 1, now(), now(), now() - g * interval '1 minute', now(), %(pipeline)s, %(stage)s, true, 1000 + g, 'Ticket ' || g, '',
       case when g %% 20 = 0 then 'HIGH' end, array[%(team)s::bigint], '{}', 'system', 'EMAIL_OTHER', true, false, 1000000 + g %% 40, 1, '', false
from generate_series(1, %(many)s) g
"""


@pytest.fixture
def crowd(world):
    """Thousands of closed tickets of others, and three open ones of Bob, among the oldest."""
    closed = next(stage for stage in world.tickets.default.stages if not stage.is_open)
    where = {
        "account": world.account.pk,
        "pipeline": closed.pipeline_id,
        "stage": closed.id,
        "many": MANY,
        "team": CROWDED,
    }
    sql.execute(_FILL, where)
    for subject in ("One", "Two", "Three"):
        world.ticket(subject, owner_id=world.bob.pk)
    sql.execute(
        "update crm_ticket set sort_at = now() - interval '1 year' where owner_id = %s", [world.bob.pk]
    )
    sql.execute("analyze crm_ticket")
    return world


@pytest.fixture
def team(crowd):
    """The crowd, among it two tickets of a small team, one of them another team's too; both closed and old."""
    sql.execute("update crm_ticket set assigned_team_ids = %s where number = 1000 + %s", [[SMALL], MANY - 10])
    sql.execute(
        "update crm_ticket set assigned_team_ids = %s where number = 1000 + %s", [[CROWDED, SMALL], MANY - 20]
    )
    sql.execute("analyze crm_ticket")
    return crowd


def of_team(world, *team_ids):
    """What Nils, who has no tickets himself, sees in each of the teams."""
    nils = viewer_with(world, world.nils, "team")
    return [replace(nils, reach_team_ids=frozenset({team_id})) for team_id in team_ids]


def touched(ask):
    """How many tickets PostgreSQL looks at for the one query of `ask` that chooses them."""
    with CaptureQueriesContext(connection) as captured:
        ask()
    chosen = [query["sql"] for query in captured if "crm_ticket t " in query["sql"]]
    assert chosen
    return sum(_rows(_plan(query)) for query in chosen)


def _plan(query):
    with connection.cursor() as cursor:
        cursor.execute("explain (analyze, format json) " + query.replace("%", "%%"))
        found = cursor.fetchone()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def _rows(plan):
    below = sum(_rows(part) for part in plan.get("Plans", ()))
    if plan.get("Relation Name") != "crm_ticket":
        return below
    seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + seen * plan["Actual Loops"]


def ways_to_look(viewer, pipeline):
    whole = Selection(UTC, pipeline.id)
    stages = [stage.id for stage in pipeline.stages]
    return {
        "board": lambda: board.cards(viewer, whole, dict.fromkeys(stages, board.PAGE)),
        "how many on the board": lambda: board.counts(viewer, whole, stages),
        "table": lambda: table.rows(viewer, whole, table.sort_of(table.DEFAULT_SORT)),
        "oldest first": lambda: table.rows(viewer, whole, table.sort_of("createdate")),
        "a filter": lambda: table.rows(viewer, Selection(UTC, None, HIGH), table.sort_of(table.DEFAULT_SORT)),
        "how many of a filter": lambda: count(viewer, Selection(UTC, None, HIGH)),
        "list": lambda: views.rows(viewer, CLOSED),
        "how many in a list": lambda: views.counters(viewer, [CLOSED]),
    }


def test_who_sees_only_their_own_tickets_pays_for_their_own_alone(crowd):
    bob = viewer_with(crowd, crowd.bob, "own")

    for name, ask in ways_to_look(bob, crowd.tickets.default).items():
        assert touched(ask) < FEW, name


def test_who_has_no_tickets_pays_nothing_for_those_of_others(crowd):
    nils = viewer_with(crowd, crowd.nils, "own")

    for name, ask in ways_to_look(nils, crowd.tickets.default).items():
        assert touched(ask) == 0, name


def test_a_filter_for_open_tickets_passes_by_the_closed_ones(crowd):
    ada = viewer_for(crowd.account.pk, crowd.ada.pk)
    urgent = Selection(UTC, crowd.tickets.default.id, AllOf((HIGH, IS_OPEN)))

    assert touched(lambda: table.rows(ada, urgent, table.sort_of(table.DEFAULT_SORT))) < FEW
    assert touched(lambda: count(ada, urgent)) < FEW
    assert count(ada, Selection(UTC, None, IS_OPEN)) == 3


def test_who_sees_the_tickets_of_a_small_team_pays_for_those_alone(team):
    for viewer in of_team(team, SMALL, EMPTY):
        for name, ask in ways_to_look(viewer, team.tickets.default).items():
            assert touched(ask) < 20, name


def test_the_pages_of_who_sees_a_big_team_go_along_its_tickets_in_order(team):
    (viewer,) = of_team(team, CROWDED)
    ways = ways_to_look(viewer, team.tickets.default)

    for name in ("board", "table", "oldest first", "a filter", "list"):
        assert touched(ways[name]) < FEW, name


def test_a_team_s_tickets_are_all_there_whichever_of_their_teams_it_is(team):
    """R-PERM-1, R-ROUTE-49."""
    small, crowded, empty = of_team(team, SMALL, CROWDED, EMPTY)
    pipeline = team.tickets.default
    closed = next(stage for stage in pipeline.stages if not stage.is_open).id
    whole, newest = Selection(UTC, pipeline.id), table.sort_of(table.DEFAULT_SORT)

    def found(viewer):
        return [row.ticket.number for row in table.rows(viewer, whole, newest)[0]]

    assert found(small) == [1000 + MANY - 20, 1000 + MANY - 10]
    assert board.counts(small, whole, [closed]) == {closed: 2}
    assert views.counters(small, [CLOSED]) == {"all-closed": 2}
    assert found(empty) == []
    assert board.counts(crowded, whole, [closed]) == {closed: 1000}


def test_a_filter_for_one_priority_passes_by_the_others(crowd):
    ada = viewer_for(crowd.account.pk, crowd.ada.pk)
    high = Selection(UTC, None, HIGH)

    assert touched(lambda: table.rows(ada, high, table.sort_of(table.DEFAULT_SORT))) < 60
    assert touched(lambda: count(ada, high)) <= MANY // 20
