"""Task queues: who may use them, what becomes of their tasks (R-WFA-8)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy
from deskhand.accounts.models import AuditEntry
from deskhand.crm.records import task_queues, tasks
from deskhand.crm.records.models import PropertyChange, Task, TaskQueue
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.records.tasks import Wanted
from deskhand.events.models import EventRow
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


@pytest.fixture
def ticket(world):
    return world.ticket()


def viewer(world, user):
    return policy.viewer_for(world.account.pk, user.pk)


def test_a_queue_is_for_everyone_or_for_people_and_teams_R_WFA_8(world, ada):
    task_queues.create(NewQueue("All"), by=ada)
    task_queues.create(NewQueue("Of Bob", False, [world.bob.pk]), by=ada)
    task_queues.create(NewQueue("Of the team", False, (), [world.team.pk]), by=ada)

    def names(user):
        return [queue.name for queue in task_queues.usable(viewer(world, user))]

    assert world.team.pk in viewer(world, world.grace).team_ids
    assert names(world.ada) == ["All", "Of Bob", "Of the team"]  # an administrator
    assert names(world.grace) == ["All", "Of the team"]
    assert "Of Bob" in names(world.bob)
    with pytest.raises(NotFound):
        task_queues.get(viewer(world, world.grace), TaskQueue.objects.get(name="Of Bob").pk)


def test_who_made_a_queue_and_administrators_change_it_R_WFA_8(world, ada):
    of_grace = task_queues.create(NewQueue("Of Grace"), by=Actor.user(world.grace.pk)).pk
    of_ada = task_queues.create(NewQueue("Of Ada"), by=ada).pk

    assert task_queues.require_change(viewer(world, world.grace), of_grace).pk == of_grace
    assert task_queues.require_change(viewer(world, world.ada), of_grace).pk == of_grace
    with pytest.raises(Forbidden):
        task_queues.require_change(viewer(world, world.grace), of_ada)
    task_queues.change(of_grace, NewQueue("Calls"), by=ada)
    task_queues.change(of_grace, NewQueue("Calls"), by=ada)
    said = AuditEntry.objects.filter(target_type="task_queue", target_id=of_grace).order_by("number")
    assert [one.action for one in said] == ["task_queue.created", "task_queue.updated"]


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewQueue(" \n"), "name"),
        (NewQueue("x" * 101), "name"),
        (NewQueue("Taken"), "name"),
        (NewQueue("Nobody", False), "users"),
        (NewQueue("Strange", False, [0]), "users"),
        (NewQueue("Strange", False, (), [0]), "teams"),
    ],
)
def test_what_is_no_queue_is_refused_in_its_field_R_WFA_8(world, ada, new, field):
    task_queues.create(NewQueue("Taken"), by=ada)
    with pytest.raises(Invalid) as refused:
        task_queues.create(new, by=ada)

    assert refused.value.field == field
    assert TaskQueue.objects.count() == 1


def test_the_tasks_of_a_deleted_queue_stay_and_tell_it_R_WFA_8(world, ticket, ada):
    queue = task_queues.create(NewQueue("Calls"), by=ada).pk
    ids = [tasks.create("ticket", ticket.pk, Wanted(str(n), queue_id=queue), by=ada) for n in range(4)]
    tasks.finish(ids[1], True, by=ada)
    tasks.remove(ids[2], by=ada)

    assert task_queues.how_many(queue) == 2
    assert task_queues.delete(queue, by=ada) == 2

    assert set(Task.objects.values_list("queue_id", flat=True)) == {None}
    told = EventRow.objects.filter(object_type="task", kind="task.edited")
    assert sorted(told.values_list("object_id", flat=True)) == sorted({*ids} - {ids[2]})
    with pytest.raises(NotFound):
        task_queues.find(queue)
    task_queues.create(NewQueue("Calls"), by=ada)  # its name is free again
    with pytest.raises(Invalid) as refused:
        tasks.create("ticket", ticket.pk, Wanted("Call", queue_id=queue), by=ada)
    assert refused.value.field == "queue_id"


def test_many_tasks_are_put_into_a_queue_and_out_in_as_many_queries_R_WFA_8(world, ticket, ada):
    queue = task_queues.create(NewQueue("Calls"), by=ada).pk

    def queries(count: int) -> int:
        ids = [tasks.create("ticket", ticket.pk, Wanted(str(n)), by=ada) for n in range(count)]
        with CaptureQueriesContext(connection) as captured:
            assert tasks.put_many(ids, queue, by=ada) == ids
        assert tasks.put_many(ids, queue, by=ada) == []
        assert tasks.put_many([*ids, 0], None, by=ada) == ids
        return len(captured)

    assert queries(20) == queries(2)
    assert PropertyChange.objects.filter(property="@task", new__did="edited").count() == 44


def test_a_task_is_taken_once_R_WFA_8(world, ticket, ada):
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=ada)
    grace, bob = Actor.user(world.grace.pk), Actor.user(world.bob.pk)

    tasks.take(task_id, by=grace)
    tasks.take(task_id, by=grace)
    with pytest.raises(Conflict):
        tasks.take(task_id, by=bob)

    assert Task.objects.get().assignee_id == world.grace.pk
    assert EventRow.objects.filter(object_type="task", kind="task.edited").count() == 1


def test_many_that_are_done_remind_nobody_R_WFA_8(world, ticket, ada, noon):
    later = noon + timedelta(days=1)
    ids = [
        tasks.create("ticket", ticket.pk, Wanted(str(n), remind_at=later), by=ada, at=noon) for n in range(3)
    ]
    tasks.finish(ids[0], True, by=ada, at=noon)

    assert tasks.finish_many(ids, by=ada, at=noon) == ids[1:]
    assert tasks.finish_many(ids, by=ada, at=noon) == []

    assert set(Task.objects.values_list("completed_at", flat=True)) == {noon}
    assert sql.rows("select key from kernel_timer where kind = %s", [tasks.REMINDER]) == []
