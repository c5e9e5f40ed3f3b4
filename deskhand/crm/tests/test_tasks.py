"""Tasks about a record: what is asked of people, and what its history says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from deskhand.crm.records import tasks
from deskhand.crm.records.models import PropertyChange, Task
from deskhand.crm.records.tasks import NewTask, Wanted
from deskhand.events.models import EventRow
from deskhand.events.types import Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.timers import DueTimer


@pytest.fixture
def ticket(world):
    return world.ticket()


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


def told(ticket):
    lines = PropertyChange.objects.filter(record_id=ticket.pk, property="@task").order_by("id")
    return [(line.new["did"], line.actor_id) for line in lines]


def test_all_that_happens_to_a_task_stands_in_the_history_with_who_did_it(world, ticket, ada, noon):
    """R-WFA-8, R-DM-13"""
    grace = Actor.user(world.grace.pk)
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call back"), by=ada, at=noon)
    tasks.edit(task_id, Wanted("Call today", "Ask for the parcel", world.bob.pk, noon), by=grace)
    tasks.finish(task_id, True, by=grace, at=noon)
    tasks.finish(task_id, False, by=ada)
    tasks.remove(task_id, by=ada)
    tasks.restore(task_id, by=grace)

    did = ["created", "edited", "done", "reopened", "deleted", "restored"]
    assert told(ticket) == list(zip(did, [a.id for a in (ada, grace, grace, ada, ada, grace)], strict=True))
    events = EventRow.objects.filter(object_type="task", object_id=task_id).order_by("id")
    assert [event.kind for event in events] == [f"task.{one}" for one in did]
    assert [event.version for event in events] == [1, 2, 3, 4, 5, 6]
    assert {event.data["ticket_id"] for event in events} == {ticket.pk}
    task = Task.objects.get()
    assert (task.title, task.notes, task.assignee_id) == ("Call today", "Ask for the parcel", world.bob.pk)


def test_what_changes_nothing_leaves_no_line(ticket, ada):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call back"), by=ada)
    tasks.edit(task_id, Wanted(" Call back\n"), by=ada)
    tasks.finish(task_id, False, by=ada)

    assert [did for did, _by in told(ticket)] == ["created"]


def test_open_tasks_come_first_by_when_they_are_due(ticket, ada, noon):
    made = {
        title: tasks.create("ticket", ticket.pk, Wanted(title, due_at=due), by=ada)
        for title, due in (
            ("some time", None),
            ("later", noon + timedelta(days=1)),
            ("done first", None),
            ("soon", noon),
            ("done last", None),
            ("gone", None),
        )
    }
    tasks.finish(made["done first"], True, by=ada, at=noon)
    tasks.finish(made["done last"], True, by=ada, at=noon + timedelta(hours=1))
    tasks.remove(made["gone"], by=ada)

    found = [task.title for task in tasks.of("ticket", ticket.pk)]
    assert found == ["soon", "later", "some time", "done last", "done first"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(" \n"), "title"),
        (Wanted("x" * 251), "title"),
        (Wanted("Call", "x" * 10_001), "notes"),
        (Wanted("Call", assignee_id=0), "assignee_id"),
    ],
)
def test_what_is_no_task_is_refused(ticket, ada, wanted, field):
    with pytest.raises(Invalid) as refused:
        tasks.create("ticket", ticket.pk, wanted, by=ada)

    assert refused.value.field == field
    assert not Task.objects.exists()


def test_a_task_that_is_deleted_can_not_be_changed(ticket, ada):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada)
    with pytest.raises(NotFound):
        tasks.restore(task_id, by=ada)
    tasks.remove(task_id, by=ada)

    for change in (
        lambda: tasks.edit(task_id, Wanted("Write"), by=ada),
        lambda: tasks.finish(task_id, True, by=ada),
        lambda: tasks.remove(task_id, by=ada),
    ):
        with pytest.raises(NotFound):
            change()


def test_a_task_is_found_with_its_record_alone_and_deleted_ones_when_asked_for(world, ticket, ada):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada)
    gone = tasks.create("ticket", ticket.pk, Wanted("Write"), by=ada)
    tasks.remove(gone, by=ada)

    assert tasks.find("ticket", ticket.pk, task_id).title == "Call"
    assert tasks.find("ticket", ticket.pk, gone, is_deleted=True).title == "Write"
    for object_type, record_id, wanted, is_deleted in (
        ("ticket", ticket.pk, gone, False),
        ("ticket", ticket.pk, task_id, True),
        ("ticket", world.ticket().pk, task_id, False),
        ("deal", ticket.pk, task_id, False),
    ):
        with pytest.raises(NotFound, match="no such task"):
            tasks.find(object_type, record_id, wanted, is_deleted=is_deleted)


def test_a_step_makes_its_task_once_also_when_somebody_deleted_it(ticket, ada):
    """R-EXEC-23"""
    new = NewTask("ticket", ticket.pk, Wanted("Call"), ada, key="step:1:2:0")
    (task_id,) = tasks.create_many([new])
    tasks.remove(task_id, by=ada)

    assert tasks.create_many([new]) == [task_id]
    assert [did for did, _by in told(ticket)] == ["created", "deleted"]


def test_many_tasks_are_made_by_as_many_statements_as_one(ticket, ada, django_assert_max_num_queries):
    new = [NewTask("ticket", ticket.pk, Wanted(f"Call {n}"), ada) for n in range(50)]
    sql.ids("crm_task", 1)

    with django_assert_max_num_queries(12):
        assert len(tasks.create_many(new)) == 50


# ── further records ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def others(world):
    """Two more records that a task may be about."""
    return [("contact", world.contact("bo@x.example").pk), ("ticket", world.ticket("Another").pk)]


def lines_of(*record):
    found = PropertyChange.objects.filter(object_type=record[0], record_id=record[1], property="@task")
    return [line.new["did"] for line in found.order_by("id")]


def test_a_task_is_each_of_its_records_task_R_WFA_8(world, ticket, ada, others):
    """On their pages, in their history, in what is told."""
    main = ("ticket", ticket.pk)
    task_id = tasks.create(*main, Wanted("Call"), by=ada, also=[*others, others[0], main])
    tasks.finish(task_id, True, by=ada)
    tasks.finish_many([tasks.create(*main, Wanted("Else"), by=ada)], by=ada)

    assert tasks.records_of([task_id]) == {task_id: [main, *others]}
    assert [[task.pk for task in tasks.of(*record)] for record in others] == [[task_id]] * 2
    assert tasks.find(*others[0], task_id).record_id == ticket.pk
    assert [lines_of(*record) for record in others] == [["created", "done"]] * 2
    told = EventRow.objects.filter(object_type="task", object_id=task_id).order_by("id")
    assert [event.data["also"] for event in told] == [[list(one) for one in others]] * 2
    assert not any("also" in event.data for event in EventRow.objects.exclude(object_id=task_id).filter(object_type="task"))  # fmt: skip


def test_further_records_come_and_go_and_both_hear_of_it_R_WFA_8(ticket, ada, others):
    wanted, main = Wanted("Call"), ("ticket", ticket.pk)
    task_id = tasks.create(*main, wanted, by=ada, also=[others[0]])

    tasks.edit(task_id, wanted, by=ada)  # says nothing of them
    tasks.edit(task_id, wanted, by=ada, also=[others[0]])  # the same
    assert lines_of(*others[0]) == ["created"]

    tasks.edit(task_id, wanted, by=ada, also=[others[1]])
    assert tasks.records_of([task_id]) == {task_id: [main, others[1]]}
    assert (lines_of(*others[0]), lines_of(*others[1])) == (["created", "edited"], ["edited"])
    told = EventRow.objects.filter(kind="task.edited").get()
    assert sorted(map(tuple, told.data["also"])) == sorted(others)
    assert tasks.of(*others[0]) == []
    with pytest.raises(NotFound):
        tasks.find(*others[0], task_id)

    tasks.edit(task_id, wanted, by=ada, also=[])
    assert tasks.records_of([task_id]) == {task_id: [main]}
    assert [task.pk for task in tasks.of(*main)] == [task_id]


@pytest.mark.parametrize("also", [[("planet", 1)], [("contact", n) for n in range(tasks.MOST_FURTHER + 1)]])
def test_what_a_task_can_not_be_about_is_refused_R_WFA_8(ticket, ada, also):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada)
    for attempt in (
        lambda: tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada, also=also),
        lambda: tasks.edit(task_id, Wanted("Call"), by=ada, also=also),
    ):
        with pytest.raises(Invalid) as refusal:
            attempt()
        assert refusal.value.field == "also"


def test_tasks_of_many_records_are_made_by_as_many_statements_as_one_R_WFA_8(
    ticket, ada, others, django_assert_max_num_queries
):
    new = [NewTask("ticket", ticket.pk, Wanted(f"Call {n}"), ada, also=others) for n in range(50)]
    sql.ids("crm_task", 1)

    with django_assert_max_num_queries(12):
        made = tasks.create_many(new)
    with django_assert_max_num_queries(12):
        tasks.finish_many(made, by=ada)
    assert len(tasks.of(*others[0])) == 50


# ── type, priority, reminder ─────────────────────────────────────────────────────────────────────────────────────────


def waiting(task_id):
    found = sql.row(
        "select due_at from kernel_timer where kind = %s and key = %s", [tasks.REMINDER, str(task_id)]
    )
    return found and found[0]


def remind(world, task_id, at):
    """Its timer rings."""
    timers.drop_timer(world.account.pk, tasks.REMINDER, str(task_id))  # as the loop does first
    tasks.on_due(world.account.pk, [DueTimer(1, world.account.pk, tasks.REMINDER, str(task_id), at, {})])


def test_a_reminder_rings_once_and_says_of_what(world, ticket, ada, noon):
    """R-WFA-8"""
    soon = noon + timedelta(hours=1)
    wanted = Wanted("Call", assignee_id=world.bob.pk, priority="HIGH", kind="CALL", remind_at=soon)
    task_id = tasks.create("ticket", ticket.pk, wanted, by=ada, at=noon)
    assert waiting(task_id) == soon

    remind(world, task_id, clock.now() - timedelta(seconds=1))
    (event,) = EventRow.objects.filter(kind=tasks.REMINDED)
    assert (event.object_id, event.version, event.data["title"]) == (task_id, 2, "Call")
    assert (event.data["ticket_id"], event.data["assignee_id"]) == (ticket.pk, world.bob.pk)
    assert Task.objects.get().version == 2
    assert waiting(task_id) is None

    tasks.edit(task_id, replace(wanted, title="Call today"), by=ada, at=noon + timedelta(hours=2))
    assert waiting(task_id) is None


def test_a_reminder_goes_with_its_task_and_comes_back_with_it(world, ticket, ada, noon):
    """R-WFA-8"""
    soon, later = noon + timedelta(hours=1), noon + timedelta(hours=2)
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call", remind_at=soon), by=ada, at=noon)
    found = []
    for change in (
        lambda: tasks.edit(task_id, Wanted("Call", remind_at=later), by=ada, at=noon),
        lambda: tasks.finish(task_id, True, by=ada, at=noon),
        lambda: tasks.finish(task_id, False, by=ada, at=noon),
        lambda: tasks.remove(task_id, by=ada, at=noon),
        lambda: tasks.restore(task_id, by=ada, at=noon),
        lambda: tasks.finish(task_id, True, by=ada, at=noon),
        lambda: tasks.finish(task_id, False, by=ada, at=later),  # its time is past
        lambda: tasks.edit(task_id, Wanted("Call"), by=ada, at=noon),
    ):
        change()
        found.append(waiting(task_id))
    assert found == [later, None, later, None, later, None, None, None]


def test_a_timer_of_a_task_that_is_done_reminds_nobody(world, ticket, ada, noon):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada, at=noon)
    tasks.finish(task_id, True, by=ada)

    remind(world, task_id, clock.now() - timedelta(seconds=1))
    assert not EventRow.objects.filter(kind=tasks.REMINDED).exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"priority": "URGENT"}, "priority"),
        ({"kind": "FAX"}, "kind"),
        ({"remind_at": timedelta(seconds=-1)}, "remind_at"),
    ],
)
def test_what_no_task_has_is_refused(ticket, ada, noon, more, field):
    more = {name: noon + value if isinstance(value, timedelta) else value for name, value in more.items()}
    with pytest.raises(Invalid) as refused:
        tasks.create("ticket", ticket.pk, Wanted("Call", **more), by=ada, at=noon)

    assert refused.value.field == field
    assert refused.value.hint


def test_many_reminders_are_set_by_as_many_statements_as_one(
    ticket, ada, noon, django_assert_max_num_queries
):
    new = [
        NewTask("ticket", ticket.pk, Wanted(f"Call {n}", remind_at=noon + timedelta(days=n)), ada)
        for n in range(50)
    ]
    sql.ids("crm_task", 1)

    with django_assert_max_num_queries(13):
        assert len(tasks.create_many(new)) == 50
