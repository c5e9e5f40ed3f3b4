"""The action Send webhook, against a real server on this machine (R-WFA-11, T-WF-13)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deskhand import wiring
from deskhand.automation import secrets, webcalls
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Around
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import OnFailure
from deskhand.automation.models import Enrollment, StepCall, StepLog, Workflow
from deskhand.automation.tests.calling import all_of, step, workflow_of
from deskhand.automation.tests.test_runner import settle_in_scope
from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import seconds_to_wait, time_passes
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.testing.sites import calling_site

ACTION = ACTIONS["send_webhook"]


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with calling_site() as here:
        yield here


@pytest.fixture
def send(settle):
    """Run what is due, then let the outbox try everything once."""

    def run():
        settle_in_scope(settle)
        Sender(wiring.transports(), threads=0, jitter=lambda: 0.0).run_once()
        settle_in_scope(settle)

    return run


def log_of(flow):
    return list(StepLog.objects.filter(workflow_id=flow.pk).order_by("id").values_list("kind", "status"))


def test_t_wf_13_a_500_is_tried_again_after_a_minute_and_a_404_fails_at_once(world, there, send):
    """R-WFA-11, R-LOG-2, R-LOG-7"""
    there.says(500, 200)
    flow = workflow_of(world.account.pk, step(1, "send_webhook", url=f"{there.url}/hear"))
    world.ticket("Refund")
    send()

    entry = OutboxEntry.objects.get(transport="webhook")
    assert entry.state == "WAITING"
    assert 50 < seconds_to_wait(entry.pk) < 125
    time_passes(entry.pk)
    send()
    assert OutboxEntry.objects.get(pk=entry.pk).state == "SENT"
    assert log_of(flow) == [
        ("send_webhook", "SUCCEEDED"),
        ("send_webhook", "RETRYING"),
        ("send_webhook", "SUCCEEDED"),
    ]
    assert len({asked.headers["idempotency-key"] for asked in there.asked}) == 1

    there.says(404)
    world.ticket("Another")
    send()
    assert OutboxEntry.objects.filter(transport="webhook", state="FAILED").count() == 1
    assert log_of(flow)[-1] == ("send_webhook", "FAILED")
    assert "404" in Workflow.objects.get(pk=flow.pk).needs_review
    assert EventRow.objects.filter(kind="workflow.failed", object_id=flow.pk).count() == 1


def test_a_run_waits_for_the_answer_and_later_steps_know_it(world, there, send):
    """R-WFA-2, R-WFA-4"""
    there.says(503, (201, {}, '{"order": {"id": 4711}}'))
    answers = [{"name": "order", "value": "order.id"}]
    flow = workflow_of(
        world.account.pk,
        step(1, "send_webhook", 2, url=there.url, waits=True, answers=answers),
        step(2, "send_webhook", url=there.url),
    )
    world.ticket()
    send()
    run = Enrollment.objects.get()
    assert (run.state, run.step_id, run.waits_for) == ("DUE", "1", "call")
    assert len(there.asked) == 1

    time_passes()
    send()
    send()

    run.refresh_from_db()
    assert run.outputs["1"] == {"status": 201, "order": 4711}
    assert (run.state, len(there.asked)) == ("ENDED", 3)
    assert [status for _kind, status in log_of(flow)][:3] == ["SCHEDULED", "RETRYING", "SUCCEEDED"]
    assert [one.name for one in ACTION.outputs({"waits": True, "answers": answers})] == ["status", "order"]
    assert ACTION.outputs({"answers": answers}) == ()


@pytest.mark.parametrize(
    ("on_failure", "end"), [(OnFailure.CONTINUE, "completed"), (OnFailure.STOP, "step_failed")]
)
def test_a_refusal_that_was_waited_for_fails_the_step(world, there, send, on_failure, end):
    """R-LOG-8"""
    there.says(422)
    first = replace(step(1, "send_webhook", url=there.url, waits=True), on_failure=on_failure)
    flow = workflow_of(world.account.pk, first)
    world.ticket()
    send()
    run = Enrollment.objects.get()
    assert (run.state, run.end_reason, run.outputs.get("1")) == ("ENDED", end, {"status": 422})
    assert log_of(flow)[-1] == ("send_webhook", "FAILED")
    assert "422" in Workflow.objects.get(pk=flow.pk).needs_review


def test_what_nobody_waits_for_lets_nobody_go_on(world, there, send):
    """The answer to a call that is not waited for is not taken for the one that is."""
    there.says(200, 500)
    workflow_of(
        world.account.pk,
        step(1, "send_webhook", 2, url=there.url),
        step(2, "send_webhook", url=there.url, waits=True),
    )
    world.ticket()
    send()
    assert Enrollment.objects.get().waits_for == "call"


def test_a_failed_call_can_be_made_again(world, there, send):
    there.says(410, 200)
    flow = workflow_of(world.account.pk, step(1, "send_webhook", url=there.url))
    world.ticket()
    send()
    assert StepCall.objects.get().state == webcalls.FAILED

    outbox.retry(world.account.pk, OutboxEntry.objects.get(transport="webhook").pk)
    send()

    assert StepCall.objects.get().state == webcalls.DONE
    assert log_of(flow)[-1] == ("send_webhook", "SUCCEEDED")


def test_it_sends_the_chosen_properties_as_the_api_writes_them(world, there, send):
    flow = workflow_of(
        world.account.pk,
        step(
            1,
            "send_webhook",
            url=there.url,
            properties=["subject", "hs_ticket_priority", "hs_pipeline_stage"],
        ),
        step(2, "send_webhook", url=there.url),
    )
    ticket = world.ticket("Größe", priority="HIGH")
    send()

    said = there.asked[0].json
    assert (said["workflow_id"], said["record_id"], said["object_type"]) == (flow.pk, ticket.pk, "ticket")
    assert said["properties"] == {
        "subject": "Größe", "hs_ticket_priority": "HIGH", "hs_pipeline_stage": str(ticket.stage_id)
    }  # fmt: skip


def test_what_customers_wrote_changes_neither_place_nor_json(world, there, send):
    workflow_of(
        world.account.pk,
        step(
            1, "send_webhook", method="PUT", url=there.url + "/t/{{ ticket.subject }}", body="written",
            json='{"said": "{{ ticket.subject }}"}', headers=[{"name": "X-About", "value": "{{ ticket.subject }}"}],
        ),
    )  # fmt: skip
    said = 'ä../x?a=1#"{{ secret.KEY }}'
    world.ticket(said)
    secrets.add(world.account.pk, "KEY", "sesame", by=SYSTEM)
    send()

    (asked,) = there.asked
    assert asked.path == "/t/%C3%A4..%2Fx%3Fa%3D1%23%22%7B%7B%20secret.KEY%20%7D%7D"
    assert asked.json == {"said": said}
    assert asked.method == "PUT"
    assert asked.headers["x-about"] == said.replace("ä", "%C3%A4")


def test_secrets_are_sent_and_stand_nowhere(world, there, send):
    for name in ("PATH_KEY", "TOKEN", "SIGN"):
        secrets.add(world.account.pk, name, f"value-of-{name}", by=Actor.user(world.ada.pk))
    workflow_of(
        world.account.pk,
        step(
            1,
            "send_webhook",
            2,
            url=there.url + "/{{ secret.PATH_KEY }}",
            auth="bearer",
            secret="TOKEN",
            method="GET",
        ),
        step(2, "send_webhook", url=there.url, auth="signed", secret="SIGN", body="nothing"),
    )
    world.ticket()
    send()

    first, second = sorted(there.asked, key=lambda asked: asked.method)
    assert (first.path, first.headers["authorization"], first.body) == (
        "/value-of-PATH_KEY",
        "Bearer value-of-TOKEN",
        "",
    )
    assert second.headers["webhook-signature"].startswith("v1,")
    assert second.body == ""
    kept = [
        str(row) for model in (OutboxEntry, StepCall, StepLog, EventRow) for row in model.objects.values()
    ]
    assert not [row for row in kept if "value-of-" in row]


def test_a_step_whose_secret_is_gone_fails_and_the_run_goes_on(world, there, send):
    """R-LOG-8"""
    flow = workflow_of(
        world.account.pk,
        step(1, "send_webhook", 2, url=there.url, auth="bearer", secret="GONE"),
        step(2, "send_webhook", url=there.url),
    )
    world.ticket()
    send()
    assert log_of(flow)[:2] == [("send_webhook", "FAILED"), ("send_webhook", "SUCCEEDED")]
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "https://{{ contact.email }}/"}, "url"),
        ({"url": "https://a.example{{ contact.email }}"}, "url"),
        ({"url": "{{ contact.email }}"}, "url"),
        ({"method": "TRACE"}, "method"),
        ({"auth": "bearer"}, "secret"),
        ({"auth": "signed", "secret": "NO_SUCH"}, "secret"),
        ({"headers": [{"name": "Bad name", "value": "x"}]}, "headers"),
        ({"headers": [{"name": "Host", "value": "x"}]}, "headers"),
        ({"headers": [{"name": "X", "value": "{{ x"}]}, "headers"),
        ({"headers": [{"name": "X", "value": "{{ secret.NO_SUCH }}"}]}, "headers"),
        ({"body": "written", "json": " "}, "json"),
        ({"answers": [{"name": "status", "value": "a"}]}, "answers"),
        ({"answers": [{"name": "id", "value": ""}]}, "answers"),
        ({"body": "written", "json": "{{ x"}, "json"),
    ],
)
def test_what_cannot_work_is_said_before(world, settings, field):
    """R-EDIT-6"""
    found = ACTION.problems({"url": "https://a.example/", "method": "POST"} | settings)
    assert [name for name, _words in found] == [field]


def test_an_address_may_be_a_secret(world):
    secrets.add(world.account.pk, "HOOK", "https://a.example/x", by=SYSTEM)
    assert ACTION.problems({"url": "{{ secret.HOOK }}"}) == []
    assert ACTION.summary({"url": "{{ secret.HOOK }}"}) == "POST a secret address"
    assert ACTION.summary({"url": "https://a.example/private", "method": "PUT"}) == "PUT https://a.example"


def test_its_form_offers_the_accounts_secrets_and_the_records_properties(world):
    secrets.add(world.account.pk, "HOOK", "v", by=SYSTEM)
    form = all_of(ACTION.form(Around(world.account.pk, "ticket"), {}))
    assert [one.value for one in form["secret"].options] == ["HOOK"]
    assert "subject" in {one.value for one in form["properties"].options}


def test_its_form_reads_back_what_it_says(world):
    secrets.add(world.account.pk, "KEY", "v", by=SYSTEM)
    settings = {
        "method": "PUT", "url": "https://a.example/{{ ticket.number }}", "auth": "bearer", "secret": "KEY",
        "headers": [{"name": "X-A", "value": "{{ secret.KEY }}"}], "body": "written", "json": "{}", "waits": True,
        "answers": [{"name": "id", "value": "a.b"}],
    }  # fmt: skip
    around = reading.around("ticket")
    typed = reading.settings_typed(ACTION, around, settings)
    assert reading.read(reading.form_of(ACTION, around, typed), typed) == settings


def test_a_rehearsal_calls_nobody(world, there, settle):
    from deskhand.automation.tests.doings import doing_of

    ticket = world.ticket()
    (done,) = ACTION.rehearse([doing_of(world, ticket, {"url": there.url})])
    assert done.message == f"POST to {there.url.rpartition(':')[0]}"
    assert not OutboxEntry.objects.filter(transport="webhook").exists()
    assert not StepCall.objects.exists()


def test_values_are_picked_out_of_an_answer():
    paths = [
        {"name": n, "value": v}
        for n, v in [("id", "$.order.items[0].id"), ("all", "order"), ("no", "a.b[7].c")]
    ]
    assert webcalls.picked('{"order": {"items": [{"id": 7}]}}', paths) == {
        "id": 7, "all": '{"items": [{"id": 7}]}', "no": None
    }  # fmt: skip
    assert webcalls.picked("<html>", paths) == {"id": None, "all": None, "no": None}
