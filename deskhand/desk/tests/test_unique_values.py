"""Tickets with values that only one may have: many at once, deleted and restored, merged and parted (decision 0016)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.policy import viewer_for
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import store, tickets
from deskhand.crm.records.models import Ticket, UniqueValue
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk import bulk, merging
from deskhand.events.types import SYSTEM, Actor


@pytest.fixture
def order(world):
    properties.create("ticket", "order_no", "Order", Kind.TEXT, has_unique_value=True)


def of(pk):
    return Ticket.objects.get(pk=pk).properties.get("order_no")


def give(record, value):
    store.change("ticket", record.pk, {"order_no": value}, by=SYSTEM)


def test_of_many_that_are_brought_back_only_those_stay_away(world, order, noon):
    taken, free, new = world.ticket("Taken"), world.ticket("Free"), world.ticket()
    give(taken, "A-1")
    give(free, "B-1")
    viewer = viewer_for(world.account.pk, world.ada.pk)
    bulk.set_deleted(viewer, [taken.pk, free.pk], True, at=noon)
    give(new, "A-1")
    done = bulk.set_deleted(viewer, [taken.pk, free.pk], False, at=noon)
    assert done.changed == (free.pk,)
    assert [(one.subject, "A-1" in one.why) for one in done.refused] == [("Taken", True)]


def test_of_many_that_get_the_same_on_their_way_the_first_has_it_and_the_others_stay_R_REQ_3(
    world, order, noon
):
    """A status asked for the order: what is given goes to each that lacks it."""
    first, second = world.ticket("First"), world.ticket("Second")
    closed = next(stage for stage in pipelines_of("ticket").pipelines[0].stages if not stage.is_open)
    asks = Rules(asks={closed.id: (Ask("order_no", True),)})
    pipelines.set_rules(
        Pipeline.objects.get(key="0", object_type="ticket"), asks, by=Actor.user(world.ada.pk)
    )
    viewer = viewer_for(world.account.pk, world.grace.pk)
    done = bulk.change(
        viewer, [first.pk, second.pk], bulk.to_status(closed.id), at=noon, given={"order_no": "A-1"}
    )
    assert done.changed == (first.pk,)
    assert [(one.subject, "A-1" in one.why) for one in done.refused] == [("Second", True)]
    assert (of(first.pk), of(second.pk)) == ("A-1", None)
    assert Ticket.objects.get(pk=second.pk).stage_id != closed.id


@pytest.mark.parametrize("is_taken", [False, True])
def test_tickets_part_with_their_values(world, order, noon, is_taken):
    primary, other, third = world.ticket(), world.ticket(), world.ticket()
    give(primary, "A-1")
    give(other, "B-1")
    made = merging.merge(primary.pk, other.pk, by=Actor.user(world.ada.pk), at=noon)
    if is_taken:
        give(third, "B-1")
    merging.unmerge(made.pk, by=Actor.user(world.ada.pk), at=noon + timedelta(hours=1))
    assert of(primary.pk) == "A-1"
    assert of(other.pk) == (None if is_taken else "B-1")
    assert dict(UniqueValue.objects.values_list("key", "record_id")) == {"a-1": primary.pk, "b-1": third.pk if is_taken else other.pk}  # fmt: skip


@pytest.mark.parametrize("is_unique", [False, True])
def test_deleting_and_restoring_cost_as_many_queries_as_ever_without_such_a_property(world, is_unique):
    """One statement for the records and those of their events; the definitions are read only where one is unique."""
    if is_unique:
        properties.create("ticket", "order_no", "Order", Kind.TEXT, has_unique_value=True)
    gone = [world.ticket() for _ in range(3)]
    properties.queries.forget("ticket")
    with CaptureQueriesContext(connection) as asked:
        tickets.archive([one.pk for one in gone], by=SYSTEM)
    assert sum("crm_uniquevalue" in one["sql"] for one in asked) == 1
    with CaptureQueriesContext(connection) as asked:
        tickets.restore([one.pk for one in gone], by=SYSTEM)
    touching = [one["sql"] for one in asked if "crm_" in one["sql"]]
    assert len(touching) == (2 if not is_unique else 5)
