"""Trying a workflow out, and taking back what it did, in the browser."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest

from deskhand.automation import lanes, templates, waking, workflows
from deskhand.automation.actions.create_task import CreateTask
from deskhand.automation.actions.registry import ACTIONS
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
from deskhand.automation.models import Enrollment, StepLog
from deskhand.automation.tests.runs import elapse, enroll, go, make_unreadable
from deskhand.crm.filters.types import Associated, Filter, Operator
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.schema.types import Kind
from deskhand.events import queries as log
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import settle as settle_hooks
from deskhand.web.tests.conftest import queries_of, text_of


@pytest.fixture
def flow(office):
    with office.inside() as world:
        steps = (
            Delay("1", UntilEvent(EventMatch("message.received"), timedelta(days=2)), Edge("2"), Edge("3")),
            Action("2", "create_task", {"title": "They answered"}),
            Action("3", "set_property", {"property": "hs_ticket_priority", "value": "HIGH"}),
        )
        return workflows.create(
            world.account.pk, "Chase", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=4), by=world.ada.pk
        )  # fmt: skip


def stops(page):
    """What stands beside the canvas."""
    return text_of(page.partition('id="panel"')[2])


def card(page, step_id):
    """A step as the canvas shows it: whether it was taken, and its words."""
    found = re.search(
        rf'data-way="(\w+)">\s*<\w+ class="node-main" id="node-{step_id}".*?</(?:a|div)>', page, re.S
    )
    return found[1], text_of(found[0].partition(">")[2])


def lit(page):
    """The ways that are lit: "2.0" is the first way out of step 2."""
    found = re.findall(r'class="branch" data-lit>\s*<details class="branch-fold" id="way-(\d+)-(\w+)"', page)
    return [".".join(one) for one in found]


@pytest.fixture
def story(office):
    """By priority; who is urgent waits a month and gets a task, the others a mail that nobody can get."""
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
        steps = (
            IfThen("1", (Branch("Urgent", high, Edge("2")),), Edge("4"), "Can wait"),
            Delay("2", ForAmount(timedelta(days=30)), Edge("3")),
            Action("3", "create_task", {"title": "Call them"}),
            Action("4", "send_email", {"template": "ticket_received"}, Edge("5")),
            Action("5", "create_task", {"title": "Read it"}),
        )
        made = workflows.create(
            world.account.pk, "Sort", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=6), by=world.ada.pk
        )  # fmt: skip
        return workflows.switch(made, True, by=world.ada.pk)


def ticket_of(office, **values):
    with office.inside() as world:
        return world.ticket(**values)


def test_a_trial_lights_the_way_and_every_branch_gives_the_record_s_value(office, story, sign_in):
    """Dry run: on one record, with the path lit and each branch's reason (R-BR-1, R-DELAY-1)."""
    ticket = ticket_of(office, priority="HIGH")
    page = sign_in(office.world.ada).get(f"/workflows/{story.pk}/try", {"record": ticket.pk}).content.decode()

    way, words = card(page, 1)
    assert (way, lit(page)) == ("taken", ["1.0"])
    assert "Step on the way: 1" in words
    assert "Priority is High, so: Urgent" in words
    way, words = card(page, 2)
    assert way == "taken"
    assert "Waiting until 16 Dec, 12:00" in words, words
    assert card(page, 3)[0] == "taken"
    assert [card(page, pk)[0] for pk in (4, 5)] == ["not", "not"]
    assert "Not taken: Send email" in card(page, 4)[1]
    assert "Priority is High, so: Urgent" in stops(page)
    assert "Send email" not in stops(page)


def test_a_trial_says_why_a_step_does_nothing_and_is_left_for_the_canvas_as_it_is(office, story, sign_in):
    """Dry run: the other branch, a skipped step with its reason, and out of it again."""
    client, ticket = sign_in(office.world.ada), ticket_of(office, priority="LOW")
    page = client.get(f"/workflows/{story.pk}/try", {"record": ticket.pk}).content.decode()

    assert lit(page) == ["1.default"]
    assert "Priority is Low, so: Can wait" in card(page, 1)[1]
    assert re.search("Step on the way: 2 .*Skipped There is no contact", card(page, 4)[1])
    assert "Skipped" in stops(page)
    assert re.search("There is no contact[^.]*\\.", stops(page))
    assert "Step on the way: 3" in card(page, 5)[1]
    [leave] = re.findall(r'id="leave" href="([^"]+)"', page)
    assert "data-way" not in client.get(leave).content.decode()


def test_a_run_on_the_canvas_tells_what_was_then_in_the_version_it_ran_by(office, story, sign_in):
    """R-LOG-1, R-LOG-2: neither a later value nor a later version changes what is told."""
    ticket = ticket_of(office, priority="HIGH")
    with office.inside() as world:
        enroll(story, ticket.pk)
        go()
    with office.inside() as world:
        run = Enrollment.objects.get()
        Ticket.objects.filter(pk=ticket.pk).update(priority="LOW")
        cut = replace(
            Definition.from_json(story.revisions.get(number=1).definition),
            steps=(Action("3", "create_task", {"title": "Call them"}),), start=Edge("3"),
        )  # fmt: skip
        workflows.save(story, cut, by=world.ada.pk)
    client = sign_in(office.world.ada)
    assert f"/workflows/{story.pk}/history/{run.pk}/canvas" in client.get(f"/workflows/{story.pk}/history/{run.pk}").content.decode()  # fmt: skip
    page = client.get(f"/workflows/{story.pk}/history/{run.pk}/canvas").content.decode()

    assert "Priority is High, so: Urgent" in card(page, 1)[1]
    assert (card(page, 2)[0], card(page, 3)[0]) == ("taken", "not")
    assert "Version 2 runs now." in stops(page)
    assert "Until " in stops(page)


@pytest.mark.parametrize("ended_by", ["event", "time", "hand"])
def test_a_run_tells_how_its_wait_for_an_event_ended_and_the_way_it_took_is_lit(office, sign_in, ended_by):
    """R-DELAY-5, R-LOG-2: also where both ways lead to the same place."""
    with office.inside() as world:
        urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
        wait = UntilEvent(EventMatch("ticket.property_changed", urgent), timedelta(days=3650))
        steps = (Action("1", "create_task", {"title": "Call"}, Edge("2")), Delay("2", wait))
        chase = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=3)
        made = workflows.create(world.account.pk, "Chase", chase, by=world.ada.pk)
        made = workflows.switch(made, True, by=world.ada.pk)
        ticket = world.ticket()
        run = enroll(made, ticket.pk)
        go()
        run.refresh_from_db()
        asleep = (run.state, run.due_at is not None)
        if ended_by == "event":
            tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=Actor.user(world.ada.pk))
            settle_hooks()
            (last,) = sql.row("select max(id) from events_event")
            waking.hear(world.account.pk, log.of_ids(world.account.pk, [last]))
        elif ended_by == "time":
            elapse(run)
    client = sign_in(office.world.ada)
    if ended_by == "hand":
        client.post(f"/workflows/{made.pk}/runs", {"ids": run.pk, "do": "go"})
    with office.inside():
        go()
        run.refresh_from_db()
        lines = StepLog.objects.filter(enrollment_id=run.pk).order_by("id")
        kinds = [(one.kind, one.step_id) for one in lines]
        told = lines.last().data

    assert asleep == ("DUE", True)
    assert run.end_reason == "completed"
    kind, words, way = {
        "event": ("came", "“A property changed” happened at ", "next"),
        "time": ("timed_out", "Time is up: “A property changed” did not happen.", "otherwise"),
        "hand": ("sent_on", "Somebody let it go on without waiting any longer.", "next"),
    }[ended_by]
    assert kinds == [("create_task", "1"), ("awaited", "2"), (kind, "2")]
    if ended_by == "event":
        with office.inside() as world:
            (event,) = log.of_ids(world.account.pk, [told["event_id"]])
        assert (event.kind, event.object_id) == ("ticket.updated", ticket.pk)
    page = client.get(f"/workflows/{made.pk}/history/{run.pk}").content.decode()
    assert words in text_of(page)
    page = client.get(f"/workflows/{made.pk}/history/{run.pk}/canvas").content.decode()
    assert lit(page) == [f"2.{way}"]
    assert words in stops(page)


def test_a_run_by_what_this_release_can_not_read_is_left_in_the_list(office, story, sign_in):
    ticket = ticket_of(office)
    with office.inside():
        run = enroll(story, ticket.pk)
        make_unreadable(story)
    answer = sign_in(office.world.ada).get(f"/workflows/{story.pk}/history/{run.pk}/canvas", follow=True)
    assert answer.redirect_chain == [(f"/workflows/{story.pk}/history/{run.pk}", 302)]
    assert "can't be read" in unescape(answer.content.decode()) or "newer release" in answer.content.decode()


def test_the_page_of_a_run_that_is_put_back_says_why_and_when_it_is_tried_next_R_LOG_6(
    office, story, sign_in, monkeypatch
):
    class Broken(CreateTask):
        def run(self, batch):
            raise RuntimeError("The disk is full")

    monkeypatch.setitem(ACTIONS, "create_task", Broken())
    ticket = ticket_of(office)
    with office.inside():
        run = enroll(story, ticket.pk)
        go()
    client = sign_in(office.world.ada)
    page = text_of(client.get(f"/workflows/{story.pk}/history/{run.pk}").content.decode())
    assert re.search(r"\d (?:try|tries) failed; the next is at .*?\. RuntimeError: The disk is full", page)
    page = client.get(f"/workflows/{story.pk}/history/{run.pk}/canvas").content.decode()
    assert "Tried again It could not be done; the next try is at" in card(page, 5)[1]
    assert "RuntimeError: The disk is full" in stops(page)


def test_what_linked_records_hold_is_told_to_who_may_see_them(office, sign_in):
    """R-TRIG-5: a branch by the contact says nothing of it to who may not look at contacts."""
    with office.inside() as world:
        mine = Associated("contact", Filter("email", Kind.TEXT, Operator.CONTAINS, ("fjallbo",)))
        steps = (
            IfThen("1", (Branch("Ours", mine, Edge("2")),)),
            Action("2", "create_task", {"title": "Call"}),
        )
        flow = workflows.create(
            world.account.pk, "Ours", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=3), by=world.ada.pk
        )  # fmt: skip
    ticket = office.mail("Where is it?")
    page = sign_in(office.world.ada).get(f"/workflows/{flow.pk}/try", {"record": ticket.pk}).content.decode()
    assert "Contact: Email is “astrid@fjallbo.example”, so: Ours" in stops(page)

    office.role(
        office.world.grace, records={"ticket": {"view": "all", "edit": "all"}},
        capabilities=["service_access", "workflow_view", "workflow_edit"],
    )  # fmt: skip
    page = (
        sign_in(office.world.grace).get(f"/workflows/{flow.pk}/try", {"record": ticket.pk}).content.decode()
    )
    assert "Took the branch “Ours”." in stops(page)
    assert "astrid@" not in stops(page)


def test_the_picture_costs_the_same_for_two_steps_and_for_forty(office, sign_in):
    """R-LOG-2, style §13: queries do not grow with the steps."""
    client = sign_in(office.world.ada)

    def counted(size):
        with office.inside() as world:
            steps = tuple(
                Action(str(n), "create_task", {"title": f"Nr {n}"}, Edge(str(n + 1)) if n < size else None)
                for n in range(1, size + 1)
            )
            flow = workflows.create(
                world.account.pk, f"{size}", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=size + 1), by=world.ada.pk
            )  # fmt: skip
            ticket = world.ticket()
            flow = workflows.switch(flow, True, by=world.ada.pk)
            run = enroll(flow, ticket.pk)
        return queries_of(client, f"/workflows/{flow.pk}/history/{run.pk}/canvas")

    counted(2)  # what is read once
    assert counted(2) == counted(40)


def test_a_record_is_chosen_and_the_way_told(office, flow, sign_in):
    ticket = office.mail("Where is it?")
    client = sign_in(office.world.ada)
    page = client.get(f"/workflows/{flow.pk}/try", {"q": "where"}).content.decode()
    assert f"/workflows/{flow.pk}/try?record={ticket.pk}" in page
    assert (
        "No record fits" in client.get(f"/workflows/{flow.pk}/try", {"q": "nothing like it"}).content.decode()
    )
    told = client.get(f"/workflows/{flow.pk}/try", {"record": ticket.pk}).content.decode()
    assert "After 2 days" in stops(told)
    assert "High" in told
    assert "They answered" not in stops(told)
    told = client.get(
        f"/workflows/{flow.pk}/try", {"record": ticket.pk, "wait-1": "happens"}
    ).content.decode()
    assert "They answered" in stops(told)
    with office.inside():
        assert Ticket.objects.get(pk=ticket.pk).priority != "HIGH"
        assert not Task.objects.exists()
        assert not Enrollment.objects.exists()
        assert not StepLog.objects.exists()


def test_what_would_change_is_told_in_words_not_as_it_is_stored(office, sign_in):
    with office.inside() as world:
        close = Action("1", "set_property", {"property": "hs_pipeline_stage", "value": world.stage("Closed")})
        flow = workflows.create(
            world.account.pk, "Close", Definition("ticket", Manual(), start=Edge("1"), steps=(close,), next_id=2), by=world.ada.pk
        )  # fmt: skip
    ticket = office.mail("Where is it?")
    told = (
        sign_in(office.world.ada)
        .get(f"/workflows/{flow.pk}/try", {"record": ticket.pk})
        .content.decode()
        .partition("What would change")[2]
    )

    assert "Last closed date" in told
    assert not re.search(r">\s*\d{4}-\d\d-\d\dT", told)


@pytest.mark.parametrize("record", ["0", "999999", "x"])
def test_no_such_record_is_no_such_page(office, flow, sign_in, record):
    client = sign_in(office.world.ada)
    answer = client.get(f"/workflows/{flow.pk}/try", {"record": record})
    assert answer.status_code == (200 if record == "x" else 404)


def test_what_a_run_did_is_looked_at_and_taken_back(office, sign_in, settle):
    with office.inside() as world:
        new, by = world.stage("New"), world.ada.pk
        lane = lanes.add_step(
            "ticket", new, "set_property", {"property": "hs_ticket_priority", "value": "HIGH"}, by=by
        )
        lane = lanes.add_step("ticket", new, "create_task", {"title": "Ask"}, after="1", by=by)
        workflows.switch(lane, True, by=by)
    ticket = office.mail("Refund")
    with office.inside():
        settle_hooks()
    settle()
    with office.inside() as world:
        run = Enrollment.objects.get(record_id=ticket.pk)
        assert Ticket.objects.get(pk=ticket.pk).priority == "HIGH"
    client = sign_in(office.world.ada)
    assert (
        f"/workflows/{lane.pk}/undo?run={run.pk}"
        in client.get(f"/workflows/{lane.pk}/history/{run.pk}").content.decode()
    )
    page = client.get(f"/workflows/{lane.pk}/undo", {"run": run.pk}).content.decode()
    assert "Take back 1 value" in page
    assert "Create task" in page
    before = client.get(f"/workflows/{lane.pk}/history/{run.pk}").content.decode()
    assert ("Take back what it did" in before, "Taken back" in before) == (True, False)
    answer = client.post(f"/workflows/{lane.pk}/undone", {"run": run.pk})
    assert answer.status_code == 302
    with office.inside():
        assert Ticket.objects.get(pk=ticket.pk).priority != "HIGH"
    after = client.get(f"/workflows/{lane.pk}/history/{run.pk}").content.decode()
    assert "Taken back" in after
    assert "Ada Lovelace took back 1 value." in after
    assert f'href="/workflows/{lane.pk}/undo?run={run.pk}">What stayed</a>' in after  # its task
    assert "Take back what it did" not in after
    assert (
        "There is nothing to take back"
        in client.get(f"/workflows/{lane.pk}/undo", {"run": run.pk}).content.decode()
    )


@pytest.mark.parametrize(
    ("since", "until", "status"),
    [
        ("", "", 200), ("2026-11-16T10:00", "2026-11-16T11:00", 200), ("x", "2026-11-16T11:00", 422),
        ("2026-11-16T10:00", "2026-11-16T09:00", 422), ("2020-11-16T10:00", "2026-11-16T09:00", 422), ("0001-01-01T00:00", "9999-01-01T00:00", 422),
    ],
)  # fmt: skip
def test_a_bad_hour_is_given_by_two_moments(office, flow, sign_in, since, until, status):
    client = sign_in(office.world.ada)
    assert client.get(f"/workflows/{flow.pk}/undo", {"since": since, "until": until}).status_code == status
    if status == 422:
        assert client.post(f"/workflows/{flow.pk}/undone", {"since": since, "until": until}).status_code in (
            400,
            422,
        )


def test_who_may_not_edit_may_neither_try_nor_take_back(office, flow, sign_in):
    client = sign_in(office.world.bob)
    assert client.get(f"/workflows/{flow.pk}/try").status_code in (403, 404)
    assert client.get(f"/workflows/{flow.pk}/undo").status_code in (403, 404)
    assert client.post(f"/workflows/{flow.pk}/undone", {"run": "1"}).status_code in (403, 404)
