"""A property that becomes unique when records have values already, or is so no more (decision 0016)."""

import threading
from dataclasses import replace

import pytest
from django.db import connection

from deskhand.accounts.models import AuditEntry
from deskhand.accounts.policy import viewer_for
from deskhand.accounts.types import Permissions, Reach, RecordPermissions, Verb
from deskhand.crm.filters.folding import LARGE
from deskhand.crm.records import claiming, store, tickets
from deskhand.crm.records.models import Ticket, UniqueValue
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.records.unique import NotUnique, key_of
from deskhand.crm.schema import properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job, Later
from deskhand.testing.jobs import run_jobs
from deskhand.testing.world import make_world


def definition():
    return PropertyDefinition.objects.get(name="order_no")


def a_job(stop=None):
    return Job(1, definition().account_id, {"property": definition().pk}, stop or threading.Event())


def make_unique(is_unique=True):
    properties.update(definition(), has_unique_value=is_unique)


def claims():
    return dict(UniqueValue.objects.values_list("key", "record_id"))


def give(pk, value):
    store.change("ticket", pk, {"order_no": value}, by=SYSTEM)


@pytest.fixture
def ordered(world, wired):
    """Seven tickets, five with an order; one of these was deleted."""
    properties.create("ticket", "order_no", "Order", Kind.TEXT)
    made = tickets.create_many(
        [NewTicket(str(n), properties={"order_no": f"A-{n}"} if n % 3 else {}) for n in range(7)], by=SYSTEM
    )
    tickets.archive([made[5].id], by=SYSTEM)
    return [ticket.id for ticket in made]


def test_what_records_have_is_claimed_and_kept_from_then_on(ordered):
    make_unique()
    prop = properties_of("ticket")["order_no"]
    assert (prop.has_unique_value, prop.is_claimed) == (True, False)
    assert run_jobs() == 1

    properties.queries.forget("ticket")
    assert properties_of("ticket")["order_no"].is_claimed
    assert claims() == {f"a-{n}": ordered[n] for n in (1, 2, 4)}
    with pytest.raises(NotUnique):
        give(ordered[0], "a-4")
    give(ordered[0], "A-5")  # the deleted one's


def test_what_is_written_before_the_job_comes_counts(ordered):
    make_unique()
    give(ordered[0], "A-9")
    give(ordered[1], None)
    with pytest.raises(NotUnique):
        give(ordered[3], "a-9")
    run_jobs()
    assert claims() == {"a-9": ordered[0], "a-2": ordered[2], "a-4": ordered[4]}


def test_values_of_several_records_are_told_with_how_many_and_nothing_changes(ordered, world):
    for n, value in ((0, " a-1"), (3, "A-2"), (6, "a-2 ")):
        give(ordered[n], value)
    viewer = viewer_for(world.account.pk, world.ada.pk)
    with pytest.raises(Invalid) as refused:
        claiming.refuse_twins(definition(), viewer)
    assert refused.value.field == "has_unique_value"
    assert refused.value.message.startswith("2 values ")
    assert "A-2" in refused.value.message
    with pytest.raises(Invalid) as refused:
        claiming.refuse_twins(definition())
    assert "A-2" not in refused.value.message  # nobody is there to see it


def test_values_beyond_the_viewers_reach_are_counted_and_not_named_R_PERM_1(ordered, world):
    give(ordered[0], "a-1")
    give(ordered[3], "A-2")
    for n in (2, 3):
        store.change("ticket", ordered[n], {"owner_id": world.bob.pk}, by=SYSTEM)
    own = Permissions({"ticket": RecordPermissions({Verb.VIEW: Reach.OWN})})
    bob = replace(viewer_for(world.account.pk, world.bob.pk), permissions=own)
    assert claiming.twins(definition(), bob) == (2, ("“A-2”",))


def test_deleted_records_stand_in_nobodys_way(ordered):
    give(ordered[0], "A-5")
    claiming.refuse_twins(definition())


def test_the_job_gives_up_where_records_share_a_value_and_says_so(ordered):
    give(ordered[6], "a-1")
    make_unique()
    run_jobs()

    assert (definition().has_unique_value, definition().twins, definition().claimed_at) == (False, 1, None)
    assert claims() == {}
    assert AuditEntry.objects.latest("id").after["twins"] == 1
    properties.queries.forget("ticket")
    give(ordered[0], "a-1")

    for n in (0, 6):
        give(ordered[n], None)
    make_unique()
    assert definition().twins == 0
    run_jobs()
    assert definition().claimed_at


def test_on_and_off_and_on_again_leaves_nothing_of_the_first_time(ordered):
    make_unique()
    run_jobs()
    make_unique(False)
    give(ordered[1], None)
    give(ordered[2], "A-1")
    give(ordered[4], "A-2")
    make_unique()
    assert run_jobs() == 2
    assert claims() == {"a-1": ordered[2], "a-2": ordered[4]}
    assert definition().claimed_at


def test_a_property_that_is_unique_no_more_lets_go(ordered):
    make_unique()
    run_jobs()
    make_unique(False)
    give(ordered[0], "A-1")
    run_jobs()
    assert claims() == {}


def test_the_job_can_be_stopped_between_steps_and_goes_on_where_it_was(ordered, monkeypatch):
    monkeypatch.setattr(claiming, "STEP", 2)
    make_unique()
    stop = threading.Event()
    stop.set()
    with pytest.raises(Later):
        claiming.fill(a_job(stop))
    assert (definition().claimed_to, definition().claimed_at) == (ordered[2], None)

    UniqueValue.objects.all().delete()  # what is done is not done again
    claiming.fill(a_job())
    assert claims() == {"a-4": ordered[4]}
    claiming.fill(a_job())
    assert definition().claimed_at


def test_a_job_of_a_property_that_is_gone_ends(ordered):
    make_unique()
    run_jobs()
    gone = a_job()
    PropertyDefinition.objects.all().delete()
    claiming.fill(gone)
    assert claims() == {}


def test_a_step_costs_as_many_statements_for_any_number_of_records(ordered, django_assert_max_num_queries):
    make_unique()
    with django_assert_max_num_queries(100) as all_of_them:
        claiming.fill(a_job())
    make_unique(False)
    claiming.fill(a_job())
    Ticket.objects.exclude(pk=ordered[1]).update(properties={})
    make_unique()
    with django_assert_max_num_queries(100) as one:
        claiming.fill(a_job())
    assert len(all_of_them) == len(one)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.TEXT, ["", " ", "a", "A ", "\u3000a\u00a0", "\x1fa", "å", "Å", "A\u030a", LARGE, LARGE.lower(), "é", "e", "a\u200b", "İ", "ß", "x" * 300, "X" * 300]),
        (Kind.NUMBER, [0, -0.0, 0.1, 1, 1.0, 10, 1e300, 1e-300, 12345678901234, 0.30000000000000004]),
    ],
)  # fmt: skip
def test_the_query_and_the_claims_agree_on_what_is_the_same(world, kind, values):
    properties.create("ticket", "order_no", "Order", kind)
    prop = Property("order_no", "Order", kind)
    for one in values:
        for other in values:
            Ticket.objects.all().delete()
            tickets.create_many([NewTicket("A", properties={"order_no": v}) for v in (one, other)], by=SYSTEM)
            keys = {key_of(prop, one), key_of(prop, other)}
            are_same = len(keys) == 1 and keys != {""}
            assert claiming.twins(definition()).number == are_same, (one, other)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_job_waits_for_who_read_the_definition_before_it_was_unique(monkeypatch, wired):
    """Such a writer claims nothing; the job sees what it wrote."""
    monkeypatch.setattr("deskhand.crm.records.filterable.PATIENCE", 0.3)
    made = make_world()
    with account_scope(made.account.pk):
        properties.create("ticket", "order_no", "Order", Kind.TEXT)
        first, second = made.ticket(), made.ticket()
        give(first.pk, "A-1")
    read, may_write = threading.Event(), threading.Event()

    def write():
        try:
            with account_scope(made.account.pk):
                properties_of("ticket")
                read.set()
                may_write.wait(30)
                give(second.pk, "a-1")
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert read.wait(30)
    with account_scope(made.account.pk):
        claiming.refuse_twins(definition())
        make_unique()
        job = a_job()
    with pytest.raises(Later):
        claiming.fill(job)
    may_write.set()
    writer.join(30)
    claiming.fill(job)
    with account_scope(made.account.pk):
        assert (definition().has_unique_value, definition().twins) == (False, 1)
        assert sql.row("select count(*) from crm_uniquevalue") == (0,)
