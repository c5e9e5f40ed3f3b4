"""Trying a workflow out on a record leaves nothing behind (beyond R-LOG-5)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection

from deskhand.automation import templates, trial
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    IfThen,
    Manual,
    UntilEvent,
)
from deskhand.automation.trial import Expected, Stopped
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.records import store, tasks
from deskhand.crm.records.tasks import NewTask, Wanted
from deskhand.crm.schema.types import Kind
from deskhand.delivery import outbox
from deskhand.delivery.types import NewSend
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql


def everything():
    """Each table's rows, as one fingerprint a table: what must be the same before and after."""
    tables = sorted(
        {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    )
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
    return {
        table: sql.rows(
            f"select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {table} t"
        )[0]
        for table in tables
    }


def act(number, kind, following=None, **settings):
    return Action(str(number), kind, settings, Edge(str(following)) if following else None)


@pytest.fixture
def story(world):
    """Mail, a day's delay, high priority if nobody has it, then a task that only high ones get."""
    templates.ensure_defaults(world.account.pk)
    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    steps = (
        act(1, "send_email", 2, template="ticket_received"),
        Delay("2", ForAmount(timedelta(days=1)), Edge("3")),
        act(3, "set_property", 4, property="hs_ticket_priority", value="HIGH"),
        IfThen("4", (Branch("High", high, Edge("5")),), Edge("6")),
        act(5, "create_task", title="Call them"),
        act(6, "create_task", title="Never"),
    )
    return Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=7)


@pytest.fixture
def ticket(world):
    return world.ticket(contact_id=world.contact().pk, channel_account_id=world.channel.pk)


@pytest.mark.usefixtures("wired")
def test_the_whole_way_is_told_and_nothing_is_left_of_it(world, story, ticket):
    before = everything()
    now = clock.now()
    tried = trial.try_out(story, ticket.pk, now=now)
    assert tried.stopped is Stopped.ENDED
    assert tried.reason == "completed"
    assert tried.path == ("1", "2", "3", "4", "5")
    assert [one.recipients for one in tried.sent] == [("astrid@fjallbo.example",)]
    assert str(ticket.number) in tried.sent[0].subject
    assert [(one.property, one.old, one.new) for one in tried.changed] == [
        ("hs_ticket_priority", None, "HIGH")
    ]
    assert tried.tasks == ("Call them",)
    assert tried.until == now + timedelta(days=1)
    assert [line.at - now for line in tried.lines if line.step_id == "5"] == [timedelta(days=1)]
    assert everything() == before
    assert all(isinstance(total, Decimal | int) for _count, total in before.values())


def test_a_wait_for_something_happens_or_not_as_is_said(world, ticket):
    steps = (
        Delay("1", UntilEvent(EventMatch("message.received"), timedelta(days=3)), Edge("2"), Edge("3")),
        act(2, "create_task", title="They answered"),
        act(3, "create_task", title="They did not"),
    )
    waiting = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=4)
    assert trial.try_out(waiting, ticket.pk).tasks == ("They did not",)
    answered = trial.try_out(waiting, ticket.pk, waits={"1": Expected.HAPPENS})
    assert answered.tasks == ("They answered",)
    ends = [[one.kind for one in tried.lines][1] for tried in (trial.try_out(waiting, ticket.pk), answered)]
    assert ends == ["timed_out", "came"]
    for_ever = Definition("ticket", Manual(), start=Edge("1"), steps=(Delay("1", UntilEvent(EventMatch("message.received")), Edge("2")), steps[1]), next_id=4)  # fmt: skip
    tried = trial.try_out(for_ever, ticket.pk)
    assert (tried.stopped, tried.waits_at, tried.tasks) == (Stopped.WAITS, "1", ())


def test_a_draft_that_was_tried_is_not_what_runs_later(world, story, ticket):
    """Revisions are kept in memory by their number; a trial's must not be taken for a real one."""
    trial.try_out(story, ticket.pk)
    other = Definition(
        "ticket", Manual(), start=Edge("1"), steps=(act(1, "create_task", title="Other"),), next_id=2
    )
    assert trial.try_out(other, ticket.pk).tasks == ("Other",)


def test_a_record_that_is_gone_ends_at_once(world, story):
    assert trial.try_out(story, 987654).reason == "record_gone"


def test_what_others_do_meanwhile_is_not_told_as_the_trials(world, ticket, monkeypatch):
    walk = trial._walk

    def others_are_at_work(*args):
        by = Actor.user(world.bob.pk)
        store.change("ticket", world.ticket().pk, {"priority": "LOW"}, by=by)
        tasks.create_many([NewTask("ticket", ticket.pk, Wanted("Their own"), by)])
        outbox.enqueue(
            [NewSend(world.account.pk, "mail", "theirs", ["bob@nordlys.example"], {"subject": "Hi"})]
        )
        return walk(*args)

    monkeypatch.setattr(trial, "_walk", others_are_at_work)
    steps = (act(1, "set_property", property="hs_ticket_priority", value="HIGH"),)
    tried = trial.try_out(Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=2), ticket.pk)

    assert [one.record_id for one in tried.changed] == [ticket.pk]
    assert (tried.tasks, tried.sent) == ((), ())
