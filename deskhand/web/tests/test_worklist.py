"""The tasks of all records: lists, many at once, and queues that are worked off (R-WFA-8, R-EDIT-9)."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.accounts import policy, users
from deskhand.automation import lanes, workflows
from deskhand.automation.engine.definition import Action, Definition, Edge
from deskhand.automation.models import Workflow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import archive, objects, task_queues, tasks, worklist
from deskhand.crm.records.models import Task, TaskQueue
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.records.worklist import Asked, Due, Which
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.web.objects import usage
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts


@pytest.fixture
def make(office):
    """A task about a ticket, or about the record that is named."""
    about = ("ticket", office.mail().pk)

    def made(title, record=about, by=SYSTEM, **more) -> int:
        with office.inside():
            return tasks.create(*record, Wanted(title, **more), by=by)

    return made


@pytest.fixture
def queue(office):
    with office.inside():
        return task_queues.create(NewQueue("Calls"), by=Actor.user(office.world.ada.pk)).pk


def titles(response) -> list[str]:
    assert response.status_code == 200
    return re.findall(
        r'class="worklist-title" href="[^"]*#task-\d+">([^<]*)<', html.unescape(response.content.decode())
    )


def text(response) -> str:
    return html.unescape(texts(response))


def stored(office, task_id) -> Task:
    with office.inside():
        return Task.objects.get(pk=task_id)


def test_lists_have_the_tasks_of_all_kinds_of_records_R_WFA_8(office, grace, make, queue):
    now, me = clock.now(), office.world.grace.pk
    with office.inside():
        deal = objects.create("deal", {"dealname": "Fjällbo"}, by=SYSTEM).id
    make("Later", assignee_id=me, due_at=now + timedelta(days=20))
    make("Late", assignee_id=me, due_at=now - timedelta(days=1), kind="CALL")
    make("Of a deal", ("deal", deal), assignee_id=me, priority="HIGH")
    make("Nobody's", queue_id=queue)
    done = make("Done", assignee_id=me)
    with office.inside():
        tasks.finish(done, True, by=SYSTEM)

    assert titles(grace.get("/tasks")) == ["Late", "Later", "Of a deal"]
    assert titles(grace.get("/tasks?list=unassigned")) == ["Nobody's"]
    assert set(titles(grace.get("/tasks?list=all"))) == {"Late", "Later", "Nobody's", "Of a deal"}
    assert titles(grace.get("/tasks?list=done")) == ["Done"]
    assert titles(grace.get("/tasks?due=late")) == ["Late"]
    assert titles(grace.get("/tasks?type=CALL")) == ["Late"]
    assert titles(grace.get("/tasks?priority=HIGH&due=&type=")) == ["Of a deal"]
    assert titles(grace.get(f"/tasks?list=all&queue={queue}")) == ["Nobody's"]
    assert titles(grace.get("/tasks?list=strange&due=strange&type=strange")) == ["Late", "Later", "Of a deal"]
    assert "Fjällbo" in text(grace.get("/tasks"))
    assert grace.get("/tasks?list=all&queue=987654").status_code == 404


def test_nobody_hears_of_tasks_of_records_that_they_do_not_see_R_WFA_8(office, grace, make, queue):
    with office.inside():
        deal = objects.create("deal", {"dealname": "Secret"}, by=SYSTEM).id
    hidden = make("Of a deal", ("deal", deal), queue_id=queue)
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    assert titles(grace.get("/tasks?list=all")) == []
    assert grace.post(f"/tasks/{hidden}/done", {"done": "1"}).status_code == 404
    assert grace.post(f"/tasks/{hidden}/take").status_code == 404
    grace.post("/tasks/many", {"ids": hidden, "done": "1"})
    assert "That was the last one" in text(grace.get(f"/tasks/queues/{queue}/work"))
    assert stored(office, hidden).completed_at is None


def test_a_task_is_in_the_lists_of_who_sees_any_of_its_records_which_names_those_R_WFA_8(
    office, grace, ada, make
):
    """Main record unseen: the line leads to the one that is seen, and only whose task it is may tick it off."""
    with office.inside() as world:
        deal = objects.create("deal", {"dealname": "Secret"}, by=SYSTEM).id
        ticket, other = world.ticket("Refund"), world.ticket("Again")
        also = [("ticket", ticket.pk), ("ticket", other.pk)]
        ids = [
            tasks.create("deal", deal, Wanted(title, assignee_id=who), by=SYSTEM, also=also)
            for title, who in (("Hers", world.grace.pk), ("Nobody’s", None))
        ]
    office.role(
        office.world.grace,
        records={"ticket": {"view": "all", "edit": "all"}},
        capabilities=["service_access"],
    )

    page = grace.get("/tasks?list=all")
    assert titles(page) == ["Hers", "Nobody’s"]
    assert "Secret" not in text(page)
    assert f'href="/inbox/all-open/{ticket.pk}#task-{ids[0]}"' in page.content.decode()
    assert text(page).count("Refund") == text(page).count("Again") == 2
    assert "Secret" in text(ada.get("/tasks?list=all"))
    grace.post("/tasks/many", {"ids": ids, "done": "1"})
    assert [stored(office, pk).completed_at is None for pk in ids] == [False, True]

    with office.inside():
        archive.archive("ticket", [ticket.pk], by=SYSTEM)
    page = grace.get("/tasks?list=all")
    assert titles(page) == ["Nobody’s"]
    assert "Refund" not in text(page)
    with office.inside():
        archive.archive("ticket", [other.pk], by=SYSTEM)
    assert titles(grace.get("/tasks?list=all")) == []
    with office.inside():
        archive.restore("ticket", [ticket.pk], by=SYSTEM)
        archive.archive("deal", [deal], by=SYSTEM)
    assert titles(grace.get("/tasks?list=all")) == ["Nobody’s"]  # its links are back, too
    ada.post(f"/tasks/{ids[1]}/done", {"done": "1"})  # and who might change the main record may still do so
    assert stored(office, ids[1]).completed_at is not None


def test_tasks_of_deleted_records_are_in_no_list_R_WFA_8(office, grace, make):
    with office.inside():
        deal = objects.create("deal", {"dealname": "Gone"}, by=SYSTEM).id
    make("Of a deal", ("deal", deal))
    with office.inside():
        archive.archive("deal", [deal], by=SYSTEM)

    assert titles(grace.get("/tasks?list=all")) == []


def test_a_list_goes_on_where_its_page_ends_and_asks_no_more_for_more_tasks_R_WFA_8(office, ada, make):
    now = clock.now()
    for number in range(3):
        make(f"First {number}", due_at=now)
    few = queries_of(ada, "/tasks?list=all")
    for number in range(60):
        make(f"Task {number}", due_at=now + timedelta(hours=number % 3) if number % 2 else None)

    assert queries_of(ada, "/tasks?list=all") <= few
    first = ada.get("/tasks?list=all")
    more = re.search(r'href="(/tasks\?[^"]*after=[^"]*)"', html.unescape(first.content.decode()))[1]
    found = [*titles(first), *titles(ada.get(more))]
    assert len(titles(first)) == 50
    assert len(found) == len(set(found)) == 63


@pytest.mark.parametrize(
    "asked",
    [
        Asked(), Asked(queue_id=7), Asked(Which.ALL), Asked(Which.ALL, due=Due.LATE), Asked(Which.UNASSIGNED), Asked(Which.DONE),
        Asked(Which.DONE, kind="CALL"),
    ],
)  # fmt: skip
def test_lists_stand_in_the_order_of_an_index_and_nothing_is_sorted_R_WFA_8(office, make, asked):
    """However many tasks there are: sorting would read them all for a page of fifty."""
    late = make("Call", due_at=clock.now() - timedelta(days=1))
    with office.inside():
        me = policy.viewer_for(office.world.account.pk, office.world.grace.pk)
        sql.execute("set local enable_sort = off")
        sql.execute("set local enable_seqscan = off")
        for after in (None, late):
            with CaptureQueriesContext(connection) as asking:
                worklist.rows(me, asked, clock.now(), after)
            page = next(one["sql"] for one in asking if "limit 51" in one["sql"])
            plan = "\n".join(line for (line,) in sql.rows(f"explain {page}".replace("%", "%%"), []))
            assert "Sort" not in plan, plan
            assert "using task_" in plan, plan


def test_many_are_ticked_off_or_put_into_a_queue_and_who_may_not_is_told_R_WFA_8(office, grace, make, queue):
    mine, other = make("Mine", assignee_id=office.world.grace.pk), make("Other")

    moved = grace.post(
        "/tasks/many", {"ids": [mine, other], "queue": queue, "back": "/tasks?list=all"}, follow=True
    )
    assert {stored(office, pk).queue_id for pk in (mine, other)} == {queue}
    assert moved.redirect_chain[-1][0] == "/tasks?list=all"
    assert "2 tasks were moved" in text(moved)
    grace.post("/tasks/many", {"ids": [mine], "queue": ""})
    assert stored(office, mine).queue_id is None

    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    told = text(grace.post("/tasks/many", {"ids": [mine, other], "done": "1"}, follow=True))
    assert "1 task is done" in told
    assert "You may not change 1 of the tasks: Other" in told
    assert stored(office, other).completed_at is None
    assert grace.post("/tasks/many", {"done": "1"}).status_code == 400
    assert grace.post("/tasks/many", {"ids": [mine], "queue": "987654"}).status_code == 400


def test_a_form_leads_back_to_where_it_stood_and_never_away_from_us(office, grace, make):
    task_id = make("Mine", assignee_id=office.world.grace.pk)

    assert grace.post(f"/tasks/{task_id}/done", {"done": "1", "back": "//evil.example"}).url == "/tasks"
    assert (
        grace.post(f"/tasks/{task_id}/done", {"done": "0", "back": "/tasks?list=all"}).url
        == "/tasks?list=all"
    )
    assert stored(office, task_id).completed_at is None


def test_a_queue_is_worked_off_one_task_after_another_R_WFA_8(office, grace, make, queue):
    now = clock.now()
    first = make("First", due_at=now, queue_id=queue, notes="Ask for the parcel")
    second = make("Second", due_at=now + timedelta(days=1), queue_id=queue, assignee_id=office.world.grace.pk)
    third = make("Third", queue_id=queue)
    make("Of somebody else", queue_id=queue, assignee_id=office.world.bob.pk)
    here = f"/tasks/queues/{queue}/work"

    def heading(response) -> str:
        return re.search(r'<h1 id="work-title">([^<]*)<', response.content.decode())[1]

    page = grace.get(here)
    assert heading(page) == "First"
    assert "3 tasks wait for you" in text(page)
    assert "Ask for the parcel" in text(page)
    skipped = grace.get(f"{here}?after={first}")
    assert heading(skipped) == "Second"
    done = grace.post(f"/tasks/{second}/done", {"done": "1", "back": f"{here}?after={second}"}, follow=True)
    assert heading(done) == "Third"
    grace.post(f"/tasks/{third}/take", {"done": "1", "back": f"{here}?after={third}"})
    assert (stored(office, third).assignee_id, bool(stored(office, third).completed_at)) == (
        office.world.grace.pk,
        True,
    )
    end = text(grace.get(f"{here}?after={third}"))
    assert "That was the last one Tasks that you skipped wait in the queue." in end
    assert heading(grace.get(here)) == "First"
    assert stored(office, first).assignee_id is None  # reading changes nothing


def test_who_left_stays_in_a_queue_until_somebody_takes_them_out_R_WFA_8(office, ada):
    bob, grace = office.world.bob.pk, office.world.grace.pk
    with office.inside():
        made = task_queues.create(NewQueue("Calls", False, [bob, grace]), by=SYSTEM).pk
        users.deactivate(office.world.account.pk, bob, by=SYSTEM)

    page = html.unescape(ada.get(f"/tasks/queues/{made}").content.decode())
    ticked = re.findall(r'name="users" value="(\d+)" checked>([^<]*)<', page)
    assert set(ticked) == {(str(grace), "Grace Hopper"), (str(bob), "Bob Noyce (not there any more)")}
    ada.post(
        f"/tasks/queues/{made}/save", {"name": "Calls", "who": "some", "users": [pk for pk, _name in ticked]}
    )
    with office.inside():
        assert set(TaskQueue.objects.get(pk=made).user_ids) == {bob, grace}


def test_what_nobody_has_is_taken_by_who_may_use_the_queue_R_WFA_8(office, grace, make, queue):
    mine, others, loose = make("Mine", queue_id=queue), make("Other", queue_id=queue, assignee_id=office.world.bob.pk), make("Loose")  # fmt: skip
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    grace.post(f"/tasks/{mine}/take")
    assert stored(office, mine).assignee_id == office.world.grace.pk
    assert "Somebody else has taken this task." in text(grace.post(f"/tasks/{others}/take", follow=True))
    assert grace.post(f"/tasks/{loose}/take").status_code == 403
    with office.inside():
        task_queues.change(queue, NewQueue("Calls", False, [office.world.bob.pk]), by=SYSTEM)
    hidden = make("Hidden", queue_id=queue)
    assert grace.post(f"/tasks/{hidden}/take").status_code == 404
    assert grace.get(f"/tasks/queues/{queue}/work").status_code == 404
    assert "Calls" not in text(grace.get("/tasks"))


def test_a_queue_is_made_renamed_and_deleted_by_who_made_it_R_WFA_8(office, grace, ada, make):
    form = {"name": "Letters", "who": "some", "users": [office.world.grace.pk]}
    refused = grace.post("/tasks/queues/add", {**form, "users": []})
    assert refused.status_code == 422
    assert "Nobody could use it. Choose people or teams, or everyone." in text(refused)
    assert 'value="Letters"' in refused.content.decode()
    grace.post("/tasks/queues/add", form)
    with office.inside():
        made = TaskQueue.objects.get()
    assert (made.name, made.user_ids) == ("Letters", [office.world.grace.pk])
    task_id = make("Write", queue_id=made.pk)
    assert "Letters Grace Hopper · 1 task waits for you" in text(grace.get("/tasks/queues"))
    assert grace.post(f"/tasks/queues/{made.pk}/save", {**form, "name": ""}).status_code == 422
    grace.post(f"/tasks/queues/{made.pk}/save", {"name": "Mail", "who": "everyone"})
    assert "Mail Everyone" in text(ada.get("/tasks/queues"))

    asked = text(grace.get(f"/tasks/queues/{made.pk}/delete"))
    told = text(grace.post(f"/tasks/queues/{made.pk}/deleted", follow=True))

    assert "1 open task stays, in no queue." in asked
    assert "“Mail” was deleted. 1 open task stays, in no queue." in told
    assert stored(office, task_id).queue_id is None


def test_what_would_miss_a_queue_is_named_before_it_goes_R_WFA_8_R_EDIT_9(office, ada, grace, queue):
    other = {"title": "Call", "assignee": "nobody"}
    into = other | {"queue": str(queue)}
    with office.inside() as world:
        stage = pipelines_of("ticket").default.first_open.id
        pipeline_id = pipelines_of("ticket").default.id
        lane = lanes.add_step("ticket", stage, "create_task", into, by=world.ada.pk)
        step = Action("1", "create_task", into)
        flow = workflows.create(world.account.pk, "Call back", Definition("ticket", start=Edge("1"), steps=(step,), next_id=2))  # fmt: skip
        loose = Action("1", "create_task", other)
        workflows.create(world.account.pk, "Loose", Definition("ticket", start=Edge("1"), steps=(loose,), next_id=2))  # fmt: skip
        named = workflows.create(world.account.pk, "Archived", Definition("ticket", start=Edge("1"), steps=(step,), next_id=2))  # fmt: skip
        Workflow.objects.filter(pk=named.pk).update(archived_at=clock.now())
        unused = task_queues.create(NewQueue("Letters"), by=Actor.user(world.grace.pk)).pk
        viewer = policy.viewer_for(world.account.pk, world.grace.pk)
        seen_by_grace = usage.of_task_queue(viewer, world.account, queue)

    page = html.unescape(ada.get(f"/tasks/queues/{queue}/delete").content.decode())

    found = {
        words: url for url, words in re.findall(r'<a class="link" href="([^"]*)">([^<]*)</a></li>', page)
    }
    assert found == {
        f"Workflow “{lane.name}”": f"{reverse('automate', args=[pipeline_id])}#lane-{stage}",
        "Workflow “Call back”": reverse("workflow-edit", args=[flow.pk]),
    }
    assert "Steps that name the queue fail until another one is chosen there." in page
    assert {one.text: one.url for one in seen_by_grace} == dict.fromkeys(found, "")
    assert "Steps that name the queue" not in text(grace.get(f"/tasks/queues/{unused}/delete"))


def test_queues_of_others_are_only_used_R_WFA_8(office, grace, queue):
    assert grace.get(f"/tasks/queues/{queue}").status_code == 403
    assert grace.post(f"/tasks/queues/{queue}/save", {"name": "Mine"}).status_code == 403
    assert grace.post(f"/tasks/queues/{queue}/deleted").status_code == 403
    assert "Edit" not in text(grace.get("/tasks/queues")).partition("Everyone")[2]


def test_the_form_of_a_task_offers_the_queues_and_keeps_the_one_it_is_in_R_WFA_8(office, grace, queue):
    ticket = office.mail("Another").pk
    url = f"/inbox/all-open/{ticket}/tasks"
    form = {"title": "Call", "queue": str(queue)}

    assert grace.post(url, {**form, "queue": "987654"}).status_code == 422
    grace.post(url, form)
    with office.inside():
        task = Task.objects.get()
        task_queues.change(queue, NewQueue("Calls", False, [office.world.bob.pk]), by=SYSTEM)
    assert task.queue_id == queue
    assert f'<option value="{queue}" selected>Calls' in grace.get(f"{url}/{task.pk}").content.decode()
    grace.post(f"{url}/{task.pk}/save", {**form, "title": "Call today"})
    assert stored(office, task.pk).queue_id == queue
    grace.post(f"{url}/{task.pk}/save", {**form, "queue": ""})
    assert stored(office, task.pk).queue_id is None
    assert grace.post(f"{url}/{task.pk}/save", form).status_code == 422  # no longer hers to use
