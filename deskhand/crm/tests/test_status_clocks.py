"""The clocks of statuses as properties, and durations (behaviour.md §3: R-PROP-3, R-PROP-5, B16)."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage, StageRow
from deskhand.crm.records import computed, membership, refiling, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tables import tables_of
from deskhand.crm.schema import clock_names, clocks, properties
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.looks import OFTEN, pause_of
from deskhand.crm.segments.models import SegmentKind, SegmentMember
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.testing.jobs import run_jobs

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
NAMES = ("hs_v2_date_entered", "hs_v2_date_exited", "hs_v2_latest_time_in", "hs_v2_cumulative_time_in")


def read(ticket, stage_id, at):
    """All that the clocks of a status say of a ticket, under their new names and then their old ones."""
    fresh = Ticket.objects.get(pk=ticket.pk)
    names = [f"{begins}_{stage_id}" for begins in (*NAMES, *clock_names.ALIASES)]
    with clock.stopped(at):
        computed.attach("ticket", [fresh], names)
    known = properties_of("ticket")
    return [computed.value_of(fresh, known[name]) for name in names]


@pytest.fixture
def travelled(world, noon):
    """New at noon, waiting on us an hour later, new again at two, closed at five."""
    ticket = world.ticket()
    for hours, label in ((1, "Waiting on us"), (2, "New"), (5, "Closed")):
        with clock.stopped(noon + hours * HOUR):
            tickets.move(ticket.pk, to=world.stage(label), by=SYSTEM)
    return ticket


def test_a_status_that_was_left_says_when_and_how_long_R_PROP_3_B16(world, noon, travelled):
    entered, exited = noon + 2 * HOUR, noon + 5 * HOUR

    said = read(travelled, world.stage("New"), noon + 9 * HOUR)

    assert said[:4] == [entered, exited, 3 * HOUR_MS, 4 * HOUR_MS]
    assert said[4:] == [entered, exited, 4 * HOUR_MS]  # hs_date_entered_, hs_date_exited_, hs_time_in_


def test_time_goes_on_in_the_status_where_it_stands_R_PROP_5(world, noon, travelled):
    closed = world.stage("Closed")

    assert read(travelled, closed, noon + 6 * HOUR)[:4] == [noon + 5 * HOUR, None, HOUR_MS, HOUR_MS]
    assert read(travelled, closed, noon + 7 * HOUR)[2:4] == [2 * HOUR_MS, 2 * HOUR_MS]


def test_a_status_where_it_never_was_says_nothing_R_PROP_3(world, noon, travelled):
    assert read(travelled, world.stage("Waiting on contact"), noon) == [None] * 7


def test_coming_back_begins_the_latest_time_anew_and_adds_to_the_total_R_PROP_3(world, noon, travelled):
    with clock.stopped(noon + 8 * HOUR):
        tickets.move(travelled.pk, to=world.stage("New"), by=SYSTEM)

    assert read(travelled, world.stage("New"), noon + 9 * HOUR)[:4] == [
        noon + 8 * HOUR,
        None,
        HOUR_MS,
        5 * HOUR_MS,
    ]


def test_every_status_has_four_clocks_and_old_names_are_read_but_not_offered_B16(world):
    offered = [prop.name for prop in everything("ticket")]
    stages = [stage.id for pipeline in world.tickets.pipelines for stage in pipeline.stages]

    assert [name for name in offered if clock_names.parse(name)] == [
        f"{n}_{s}" for n in NAMES for s in stages
    ]
    old = properties_of("ticket")[f"hs_time_in_{stages[0]}"]
    assert (old.kind, old.read_only, old.is_computed) == (Kind.DURATION, True, True)
    assert not set(offered).intersection(one.name for one in clocks.aliases_of("ticket"))


def test_they_are_called_as_the_status_is_called_now_R_PIPE_7(world):
    stage = Stage.objects.get(pk=world.stage("Waiting on us"))
    name = f"hs_v2_latest_time_in_{stage.pk}"
    assert properties_of("ticket")[name].label == "Latest time in “Waiting on us”"

    rows = [
        StageRow("With us" if one.pk == stage.pk else one.label, StageState(one.state), one.tone, one.pk)
        for one in stage.pipeline.stages.order_by("display_order")
    ]
    refiling.arrange(stage.pipeline, rows, by=SYSTEM)

    assert properties_of("ticket")[name].label == "Latest time in “With us”"
    pipelines.create(world.account.pk, "ticket", "Returns", [NewStage("Open", StageState.OPEN)])
    pipeline = world.tickets.default.label
    assert properties_of("ticket")[name].label == f"Latest time in “With us ({pipeline})”"
    with translation.override("de"):
        assert properties_of("ticket")[name].label.startswith("Letzte Zeit in")


def test_a_status_that_is_deleted_takes_its_clocks_along_R_PIPE_8(world, noon, travelled):
    us = world.stage("Waiting on us")
    asked = Filter(f"hs_v2_date_entered_{us}", Kind.DATETIME, Operator.KNOWN)
    refiling.delete_stage(Stage.objects.get(pk=us), by=SYSTEM)

    assert f"hs_v2_date_entered_{us}" not in properties_of("ticket")
    assert str(us) not in "".join(prop.name for prop in everything("ticket"))
    source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
    with pytest.raises(Invalid, match="no property"):
        to_sql(asked, source, now=noon, zone=ZoneInfo("UTC"))


def test_statuses_of_other_kinds_of_records_are_not_these(world):
    with_them = properties_of("deal")
    assert f"hs_v2_date_entered_{world.stage('New')}" not in with_them
    assert not clocks.of("contact")


def test_no_property_of_the_accounts_own_can_be_called_so(world):
    with pytest.raises(Conflict, match="built-in"):
        properties.create("ticket", "hs_time_in_7", "Mine", Kind.NUMBER)


def test_who_asks_for_no_clock_pays_nothing_and_all_of_them_cost_one_query(world, travelled):
    records = [Ticket.objects.get(pk=travelled.pk), *(world.ticket(str(n)) for n in range(5))]
    every = [prop.name for prop in clocks.of("ticket")]
    properties_of("ticket")
    with CaptureQueriesContext(connection) as queries:
        computed.attach("ticket", records, ["subject", "time_to_close"])
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        computed.attach("ticket", records, every)
    assert len(queries) == 1


@pytest.fixture
def handlers(monkeypatch):
    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)


def test_records_join_a_segment_when_they_were_in_a_status_long_enough(world, noon, handlers):
    """R-PROP-3 with R-TRIG-4: by the move, and by time alone."""
    ticket, new, us = world.ticket(), world.stage("New"), world.stage("Waiting on us")
    left = Filter(f"hs_v2_date_exited_{new}", Kind.DATETIME, Operator.KNOWN)
    long = Filter(f"hs_v2_latest_time_in_{us}", Kind.DURATION, Operator.AT_LEAST, (Decimal(2 * HOUR_MS),))
    gone, slow = (
        segments.create("ticket", str(one.operator), SegmentKind.FILTER, one, by=SYSTEM)
        for one in (left, long)
    )
    run_jobs()
    assert inside(gone) == inside(slow) == []

    applied = tickets.move(ticket.pk, to=us, by=SYSTEM)
    membership.follow(world.account.pk, [applied.event])

    assert (inside(gone), inside(slow)) == ([ticket.pk], [])
    with clock.stopped(noon + 3 * HOUR):
        membership.sweep(world.account.pk, due(world, slow))
    assert inside(slow) == [ticket.pk]


def inside(segment) -> list[int]:
    return list(SegmentMember.objects.filter(segment_id=segment.pk).values_list("record_id", flat=True))


def due(world, segment):
    return [timers.DueTimer(1, world.account.pk, segments.SWEEP, str(segment.pk), clock.now(), {})]


def test_a_time_that_grows_is_looked_at_again_and_again(world):
    grows = Filter(
        f"hs_v2_latest_time_in_{world.stage('New')}", Kind.DURATION, Operator.GREATER, (Decimal(1),)
    )
    stands = Filter("time_to_close", Kind.DURATION, Operator.GREATER, (Decimal(1),))

    assert pause_of(grows) == OFTEN
    assert pause_of(stands) > OFTEN


def test_the_search_of_a_clock_uses_the_index_of_the_record(world, travelled):
    """R-PROP-5 without a second copy: a record's clock is found by its key."""
    source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
    asked = Filter(f"hs_v2_date_entered_{world.stage('Closed')}", Kind.DATETIME, Operator.KNOWN)
    test = to_sql(asked, source, now=clock.now(), zone=ZoneInfo("UTC"))
    sql.execute("set local enable_seqscan = off")

    plan = "\n".join(
        line for (line,) in sql.rows(f"explain select t.id from crm_ticket t where t.id = %s and {test.text}", [travelled.pk, *test.params])
    )  # fmt: skip

    assert "stage_time_once" in plan


UTC = ZoneInfo("UTC")
_RANGES = (Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST)
_BOUNDS = [
    *(HOUR_MS * hours + more for hours in (0, 1, 3, 4) for more in (-1, 0, 1)),
    *(Decimal(HOUR_MS) + Decimal("0.5"), Decimal("1e90"), Decimal("-1e90")),
]


@pytest.mark.parametrize("begins", ["hs_v2_latest_time_in", "hs_v2_cumulative_time_in"])
@pytest.mark.parametrize("hours", [-1, 6])
def test_how_long_is_asked_of_sql_as_of_python_to_the_millisecond_R_PROP_5(world, noon, travelled, begins, hours):  # fmt: skip
    """Of what rests, runs on, and begins a moment later only."""
    now, stays = noon + hours * HOUR, world.ticket("Stays")
    records = [Ticket.objects.get(pk=pk) for pk in (travelled.pk, stays.pk)]
    source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
    ranges = [(operator, (Decimal(bound),)) for operator in _RANGES for bound in _BOUNDS]
    ranges += [
        (Operator.BETWEEN, (Decimal(low), Decimal(high))) for low in _BOUNDS[:6] for high in _BOUNDS[6:12]
    ]
    names = [f"{begins}_{world.stage(label)}" for label in ("New", "Waiting on us", "Closed")]
    with clock.stopped(now):
        computed.attach("ticket", records, names)
    for name in names:
        for operator, values in ranges:
            asked = Filter(name, Kind.DURATION, operator, values)
            test = to_sql(asked, source, now=now, zone=UTC)

            found = {
                pk for (pk,) in sql.rows(f"select t.id from crm_ticket t where {test.text}", test.params)
            }

            facts = {one.pk: RecordFacts({name: one.computed[name]}) for one in records}
            assert found == {pk for pk, fact in facts.items() if holds(asked, fact, now=now, zone=UTC)}, asked


@pytest.mark.parametrize("begins", ["hs_v2_latest_time_in", "hs_v2_cumulative_time_in"])
def test_how_long_is_found_by_index_among_many(world, noon, begins):
    sql.execute(
        "insert into crm_stagetime (account_id, object_type, record_id, stage_id, entered_at, exited_at, latest_ms, cumulative_ms)"
        " select %s, 'ticket', n, %s, %s::timestamptz - n * interval '1 minute', case when n %% 50 > 0 then %s::timestamptz end, n, n"
        " from generate_series(1, 20000) n",
        [world.account.pk, world.stage("New"), noon, noon],
    )
    sql.execute("analyze crm_stagetime")
    sql.execute("set local enable_nestloop = off")  # as where there are many tickets: there are none here
    source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
    long = Filter(
        f"{begins}_{world.stage('New')}", Kind.DURATION, Operator.AT_LEAST, (Decimal(300 * HOUR_MS),)
    )
    test = to_sql(long, source, now=noon, zone=UTC)

    plan = str(sql.rows(f"explain select t.id from crm_ticket t where {test.text}", test.params))

    assert "clock_running" in plan
    assert "clock_resting" in plan
