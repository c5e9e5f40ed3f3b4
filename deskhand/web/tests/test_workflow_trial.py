"""Trying a workflow out, and taking back what it did, in the browser."""

import re
from datetime import timedelta

import pytest

from deskhand.automation import lanes, workflows
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    EventMatch,
    Manual,
    UntilEvent,
)
from deskhand.automation.models import Enrollment, StepLog
from deskhand.crm.records.models import Task, Ticket
from deskhand.kernel.database.scope import settle as settle_hooks


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


def test_a_record_is_chosen_and_the_way_told(office, flow, sign_in):
    ticket = office.mail("Where is it?")
    client = sign_in(office.world.ada)
    page = client.get(f"/workflows/{flow.pk}/try", {"q": "where"}).content.decode()
    assert f"/workflows/{flow.pk}/try?record={ticket.pk}" in page
    assert (
        "No record fits" in client.get(f"/workflows/{flow.pk}/try", {"q": "nothing like it"}).content.decode()
    )
    told = client.get(f"/workflows/{flow.pk}/try", {"record": ticket.pk}).content.decode()
    assert "After 2 days" in told
    assert "High" in told
    assert "They answered" not in told
    told = client.get(
        f"/workflows/{flow.pk}/try", {"record": ticket.pk, "wait-1": "happens"}
    ).content.decode()
    assert "They answered" in told
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
    answer = client.post(f"/workflows/{lane.pk}/undone", {"run": run.pk})
    assert answer.status_code == 302
    with office.inside():
        assert Ticket.objects.get(pk=ticket.pk).priority != "HIGH"
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
