"""What a pipeline demands of people, and whom it binds."""

import pytest

from deskhand.accounts import roles
from deskhand.accounts.models import AuditEntry, Membership, Plan
from deskhand.crm.pipelines import pipelines, queries, rules
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import StageRow
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import refiling, store, tickets
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.testing.world import add_stage

NAMES = ["New", "Waiting on contact", "Waiting on us", "Closed"]


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


@pytest.fixture
def grace(world):
    return Actor.user(world.grace.pk)


@pytest.fixture
def demand(world, ada):
    """Set the rules of the default pipeline; statuses by their labels."""

    def of(creation=(), asks=None, **more):
        given = Rules(
            creation=tuple(world.stage(label) for label in creation), limits_creation=bool(creation),
            asks={world.stage(label): tuple(asked) for label, asked in (asks or {}).items()}, **more,
        )  # fmt: skip
        pipelines.set_rules(Pipeline.objects.get(key="0", object_type="ticket"), given, by=ada)

    return of


def stands_in(ticket):
    ticket.refresh_from_db()
    return Stage.objects.get(pk=ticket.stage_id).label


# ── moves ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "start", "allowed"),
    [
        ({}, "Waiting on us", ["New", "Waiting on contact", "Waiting on us", "Closed"]),
        ({"forbids_skipping": True}, "New", ["New", "Waiting on contact"]),
        ({"forbids_skipping": True}, "Waiting on us", NAMES),  # R-RULE-6 says nothing about going back
        ({"forbids_going_back": True}, "Waiting on contact", ["Waiting on contact", "Waiting on us", "Closed"]),
        ({"forbids_going_back": True, "forbids_skipping": True}, "Waiting on contact", ["Waiting on contact", "Waiting on us"]),
        ({"forbids_going_back": True}, "Closed", ["Closed"]),
    ],
)  # fmt: skip
def test_where_a_ticket_may_go_R_RULE_6_7_8(world, demand, given, start, allowed):
    demand(**given)

    offered = rules.choices(world.tickets.default, world.stage(start))

    assert [stage.label for stage, why in offered if not why] == allowed
    assert [stage.label for stage, _why in offered] == NAMES


def test_t_rule_1_who_moves_back_by_hand_is_told_what_is_allowed(world, demand, grace):
    """R-RULE-3, R-RULE-12"""
    ticket = world.ticket(stage="Waiting on us")
    demand(forbids_going_back=True)

    with pytest.raises(Invalid) as refusal:
        tickets.move(ticket.pk, to=world.stage("New"), by=grace)

    assert refusal.value.field == "hs_pipeline_stage"
    assert "go back" in refusal.value.message
    assert refusal.value.hint == "Allowed: Closed."
    assert stands_in(ticket) == "Waiting on us"


@pytest.mark.parametrize(
    "by",
    [
        SYSTEM,
        Actor(ActorKind.WORKFLOW, 1),
        Actor(ActorKind.INTEGRATION),
        Actor(ActorKind.ROUTING),
        Actor(ActorKind.VISITOR, 1),
    ],
)
def test_t_rule_1_what_is_no_person_is_not_bound(world, demand, by):
    """R-RULE-4"""
    ticket = world.ticket(stage="Waiting on us")
    demand(forbids_going_back=True, forbids_skipping=True, creation=["Closed"])

    tickets.move(ticket.pk, to=world.stage("New"), by=by)

    assert stands_in(ticket) == "New"
    assert stands_in(world.ticket(by=by)) == "New"


def test_super_admins_and_who_edits_properties_are_not_bound_R_RULE_4(world, demand, ada, grace):
    demand(forbids_going_back=True)
    ticket = world.ticket(stage="Waiting on us")
    tickets.move(ticket.pk, to=world.stage("New"), by=ada)

    role = roles.Role.objects.create(
        account=world.account, name="Properties", permissions={"capabilities": ["property_settings"]}
    )
    Membership.objects.filter(user=world.grace).update(role=role)
    tickets.move(ticket.pk, to=world.stage("Closed"), by=grace)
    tickets.move(ticket.pk, to=world.stage("New"), by=grace)

    assert stands_in(ticket) == "New"


def test_a_status_that_a_rule_of_the_product_sets_is_not_bound_R_RULE_9(world, demand, grace):
    """An answer moves the ticket on, whatever people may do by hand; what they choose with it is by hand."""
    ticket = world.ticket(stage="Waiting on us")
    demand(forbids_going_back=True)

    with pytest.raises(Invalid):
        tickets.move(ticket.pk, to=world.stage("New"), by=grace, rule="chosen_with_reply")
    tickets.move(ticket.pk, to=world.stage("Waiting on contact"), by=grace, rule="status_from_sent")

    assert stands_in(ticket) == "Waiting on contact"


def test_what_comes_from_another_pipeline_enters_anywhere(world, demand, ada, grace):
    returns = pipelines.create(
        world.account.pk, "ticket", "Returns", [pipelines.NewStage("Sent back", StageState.OPEN)], by=ada
    )
    ticket = world.ticket(stage="Sent back")
    demand(forbids_skipping=True)

    tickets.move(ticket.pk, to=world.stage("Closed"), by=grace)

    assert stands_in(ticket) == "Closed"
    assert returns.rules == {}


def test_without_the_plan_rules_stand_idle_R_RULE_11(world, demand, grace):
    demand(forbids_going_back=True)
    world.account.plan = Plan.STARTER
    world.account.save(update_fields=["plan"])
    queries.forget()
    ticket = world.ticket(stage="Waiting on us")

    tickets.move(ticket.pk, to=world.stage("New"), by=grace)

    assert stands_in(ticket) == "New"


# ── creation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_rule_2_people_create_tickets_in_listed_statuses_only(world, demand, ada, grace):
    """R-RULE-5"""
    demand(creation=["Waiting on us"])

    with pytest.raises(Invalid) as refusal:
        world.ticket(stage="New", by=grace)

    assert refusal.value.hint == "Allowed: Waiting on us."
    assert stands_in(world.ticket(stage="Waiting on us", by=grace)) == "Waiting on us"
    assert stands_in(world.ticket(by=grace)) == "Waiting on us"  # said nothing
    assert stands_in(world.ticket(stage="New", by=ada)) == "New"
    assert Ticket.objects.count() == 3


def test_nothing_may_be_limited_to_nowhere(world, ada):
    pipeline = Pipeline.objects.get(key="0", object_type="ticket")

    with pytest.raises(Invalid):
        pipelines.set_rules(pipeline, Rules(limits_creation=True), by=ada)
    with pytest.raises(Invalid):
        pipelines.set_rules(pipeline, Rules(creation=(10**9,)), by=ada)


# ── what a status asks for ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_status_asks_for_properties_R_REQ_1(world, demand, ada, grace):
    properties.create("ticket", "colour", "Colour", Kind.TEXT)
    asked = [Ask("hs_resolution", True), Ask("colour", True), Ask("content", False)]
    demand(asks={"Closed": asked})
    ticket, closed = world.ticket(), world.stage("Closed")

    with pytest.raises(Invalid) as refusal:
        tickets.move(ticket.pk, to=closed, by=grace)
    assert refusal.value.value == ["hs_resolution", "colour"]
    assert refusal.value.message == "“Closed” asks for: Resolution, Colour."

    tickets.update(ticket.pk, {"colour": "red"}, by=grace)
    with pytest.raises(Invalid) as refusal:
        tickets.move(ticket.pk, to=closed, by=grace)
    assert refusal.value.value == ["hs_resolution"]

    store.change("ticket", ticket.pk, {"stage_id": closed, "resolution": "ISSUE_FIXED"}, by=grace)
    assert stands_in(ticket) == "Closed"
    assert rules.asks_of(world.tickets.default, closed) == tuple(asked)


def test_only_moves_by_hand_are_asked_R_REQ_2(world, demand):
    demand(asks={"Closed": [Ask("hs_resolution", True)]})
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=Actor(ActorKind.WORKFLOW, 1))

    assert stands_in(ticket) == "Closed"


def test_of_many_those_that_can_not_are_named_and_the_rest_goes_R_REQ_3(world, demand, grace):
    demand(asks={"Closed": [Ask("hs_resolution", True)]})
    ready, not_ready = world.ticket(), world.ticket()
    tickets.update(ready.pk, {"hs_resolution": "ISSUE_FIXED"}, by=grace)
    changes = [Change(one.pk, {"stage_id": world.stage("Closed")}) for one in (ready, not_ready)]

    with pytest.raises(Invalid):
        tickets.change_many(changes, by=grace)
    assert (stands_in(ready), stands_in(not_ready)) == ("New", "New")  # R-RULE-12: no partial write

    refused = store.refusals("ticket", changes, by=grace)
    assert list(refused) == [not_ready.pk]
    tickets.change_many([change for change in changes if change.record_id not in refused], by=grace)
    assert (stands_in(ready), stands_in(not_ready)) == ("Closed", "New")


@pytest.mark.parametrize("name", ["nothing", "hs_ticket_id", "hs_pipeline_stage"])
def test_what_nobody_can_fill_in_is_not_asked_for(demand, name):
    with pytest.raises(Invalid) as refusal:
        demand(asks={"Closed": [Ask(name, True)]})

    assert refusal.value.field == "asks"


def test_an_archived_property_is_asked_for_no_more(world, demand, grace):
    properties.create("ticket", "colour", "Colour", Kind.TEXT)
    demand(asks={"Closed": [Ask("colour", True)]})
    properties.archive("ticket", "colour")
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Closed"), by=grace)

    assert stands_in(ticket) == "Closed"


def test_moving_many_costs_no_more_for_the_rules(world, demand, grace, django_assert_max_num_queries):
    demand(forbids_going_back=True, asks={"Closed": [Ask("subject", True)]})
    ids = [world.ticket().pk for _ in range(30)]
    _ = world.tickets

    with django_assert_max_num_queries(12):
        tickets.change_many([Change(pk, {"stage_id": world.stage("Closed")}) for pk in ids], by=grace)


# ── statuses that change ─────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_forget_a_deleted_status(world, demand, ada, grace):
    demand(creation=["Waiting on us"], asks={"Waiting on us": [Ask("content", True)]}, forbids_skipping=True)

    refiling.delete_stage(Stage.objects.get(pk=world.stage("Waiting on us")), by=ada)

    left = rules.parse(world.tickets.default.rules)
    assert left == Rules(forbids_skipping=True)
    assert stands_in(world.ticket(by=grace)) == "New"


def rows(world, **states):
    return [
        StageRow(stage.label, states.get(stage.label, StageState.OPEN if stage.is_open else StageState.CLOSED), stage.tone, stage.id)
        for stage in world.tickets.default.stages
    ]  # fmt: skip


@pytest.fixture
def default(world):
    return Pipeline.objects.get(key="0", object_type="ticket")


def test_statuses_are_arranged_in_one_write_R_PIPE_6_7(world, default, ada):
    keys = {stage.id: stage.key for stage in world.tickets.default.stages}
    given = rows(world)
    wanted = [
        given[1],
        StageRow(" On hold ", StageState.OPEN, "pink"),
        StageRow("Fresh", StageState.OPEN, "lime", given[0].id),
        *given[2:],
    ]

    refiling.arrange(default, wanted, by=ada)

    stages = world.tickets.default.stages
    assert [stage.label for stage in stages] == ["Waiting on contact", "On hold", "Fresh", "Waiting on us", "Closed"]  # fmt: skip
    assert (stages[1].tone, stages[1].key, stages[2].tone) == ("pink", "5", "lime")
    assert {stage.id: stage.key for stage in stages if stage.label != "On hold"} == keys
    actions = list(AuditEntry.objects.order_by("number").values_list("action", flat=True))
    assert actions == ["stage.created", "pipeline.updated"]


def test_arranging_what_is_so_already_leaves_no_trace(world, default, ada):
    refiling.arrange(default, rows(world), by=ada)

    assert not AuditEntry.objects.exists()


def test_tickets_close_and_open_with_their_status_R_PIPE_2(world, default, ada):
    """R-CLOSE-1, R-CLOSE-2"""
    waits, done = world.ticket(stage="Waiting on us"), world.ticket(stage="Closed")
    events = EventRow.objects.filter(kind="ticket.updated")

    refiling.arrange(
        default, rows(world, **{"Waiting on us": StageState.CLOSED, "Closed": StageState.OPEN}), by=ada
    )

    waits.refresh_from_db()
    done.refresh_from_db()
    assert (waits.is_closed, waits.closed_at is not None, waits.last_closed_at is not None) == (
        True,
        True,
        True,
    )
    assert (done.is_closed, done.closed_at, done.reopened_at is not None) == (False, None, True)
    assert set(events.values_list("object_id", flat=True)) == {waits.pk, done.pk}
    assert PropertyChange.objects.filter(record_id=waits.pk, property="hs_is_closed").exists()


def test_one_status_stays_open_R_PIPE_4(world, default, ada):
    with pytest.raises(Invalid):
        refiling.arrange(default, rows(world, **dict.fromkeys(NAMES, StageState.CLOSED)), by=ada)

    assert world.tickets.default.first_open.label == "New"


def test_a_status_that_somebody_made_meanwhile_is_not_lost(world, default, ada):
    given = rows(world)
    add_stage(default, "On hold", StageState.OPEN, by=ada)

    with pytest.raises(Conflict):
        refiling.arrange(default, given, by=ada)


@pytest.mark.parametrize(
    "row", [StageRow(" ", StageState.OPEN, "blue"), StageRow("x", StageState.OPEN, "black")]
)
def test_a_status_needs_a_name_and_a_color_that_exists(world, default, ada, row):
    with pytest.raises(Invalid):
        refiling.arrange(default, [*rows(world), row], by=ada)


def test_pipelines_are_put_in_order_R_PIPE_5_6(world, default, ada):
    other = pipelines.create(
        world.account.pk, "ticket", "Returns", [pipelines.NewStage("Back", StageState.OPEN)], by=ada
    )

    pipelines.order("ticket", [other.pk, default.pk], by=ada)

    assert [one.label for one in world.tickets.pipelines] == ["Returns", "Support pipeline"]
    with pytest.raises(Conflict):
        pipelines.order("ticket", [default.pk], by=ada)


def test_how_many_stand_in_a_status_is_counted_to_a_limit(world):
    for _ in range(3):
        world.ticket(stage="New")
    tickets.archive([world.ticket(stage="Closed").pk], by=SYSTEM)
    new, us, closed = (world.stage(label) for label in ("New", "Waiting on us", "Closed"))

    assert refiling.counts("ticket", [new, us, closed]) == {new: 3, us: 0, closed: 1}
    assert refiling.counts("ticket", [new], limit=1) == {new: 2}
