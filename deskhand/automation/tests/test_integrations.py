"""Actions that other systems perform, against a real server on this machine (R-WFA-3, R-WFA-4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from deskhand import wiring
from deskhand.automation import integrations, secrets, trial, workflows
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import Enrollment, StepCall, StepLog
from deskhand.automation.tests.calling import all_of, step, workflow_of
from deskhand.automation.tests.test_runner import settle_in_scope
from deskhand.crm.records import objects
from deskhand.crm.records.models import Task
from deskhand.crm.schema import object_types
from deskhand.delivery import calls as delivery_calls
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.sender import Sender
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.testing.sites import calling_site

ACTION = ACTIONS["custom_action"]
CHECK = {
    "inputs": [{"name": "amount", "value": "number"}, {"name": "who", "value": "string"}, {"name": "is_new", "value": "boolean"}],
    "outputs": [{"name": "score", "value": "number"}],
    "messages": [{"name": "errorCode=BLOCKED", "value": "The card is blocked."}],
}  # fmt: skip
STEP = {
    "integration": "Credit check",
    "input_amount": "1,5",
    "input_who": "{{ ticket.subject }}",
    "input_is_new": True,
}


def said(**fields):
    return (200, {}, json.dumps({"outputFields": fields}))


@pytest.fixture
def there(monkeypatch, world):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with calling_site() as here:
        secrets.add(world.account.pk, "SIGN", "sesame", by=SYSTEM)
        integrations.add(
            world.account.pk,
            "Credit check",
            {"url": f"{here.url}/check", "secret": "SIGN", **CHECK},
            by=SYSTEM,
        )
        yield here


@pytest.fixture
def send(settle):
    def run():
        settle_in_scope(settle)
        Sender(wiring.transports(), threads=0, jitter=lambda: 0.0).run_once()
        settle_in_scope(settle)

    return run


@pytest.fixture
def flow(world, there):
    made = workflow_of(
        world.account.pk,
        step(1, "custom_action", 2, **STEP),
        step(2, "create_task", title="Score {{ step_1.score }}"),
    )
    world.ticket("Otto")
    return made


def last_line(flow):
    return StepLog.objects.filter(workflow_id=flow.pk, kind="custom_action").order_by("id").last()


def test_it_is_asked_with_what_the_step_says_and_signed_R_WFA_3(flow, there, send, world):
    there.says(said(score=7))
    send()

    (asked,) = there.asked
    assert asked.json["inputFields"] == {"amount": 1.5, "who": "Otto", "is_new": True}
    assert asked.json["object"]["objectType"] == "ticket"
    assert asked.json["object"]["properties"]["subject"] == "Otto"
    assert asked.json["context"] == {"source": "WORKFLOWS", "workflowId": flow.pk}
    at = int(asked.headers["webhook-timestamp"])
    made = delivery_calls.signature(
        "sesame", asked.headers["webhook-id"], datetime.fromtimestamp(at, UTC), asked.body
    )
    assert asked.headers["webhook-signature"] == made
    run = Enrollment.objects.get()
    assert (run.outputs["1"], run.end_reason) == ({"score": 7}, "completed")
    assert Task.objects.get().title == "Score 7"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (said(hs_execution_state="FAIL_CONTINUE", errorCode="BLOCKED"), "The card is blocked."),
        (said(hs_execution_state="FAIL_CONTINUE"), "The other system says that it failed."),
        (said(score="many"), "“score” is \"many\". It was to be: Number."),
        ((200, {}, "<html>"), "The answer is no JSON with outputFields."),
        ((200, {}, "[1]"), "The answer is no JSON with outputFields."),
    ],
)  # fmt: skip
def test_what_it_answers_badly_fails_the_step_in_words(flow, there, send, answer, message):
    there.says(answer)
    send()
    line = last_line(flow)
    assert (line.status, line.message) == ("FAILED", message)
    assert Enrollment.objects.get().end_reason == "completed"


def test_who_answers_later_is_waited_for_until_the_callback_R_WFA_4(flow, there, send, settle):
    there.says(said(hs_execution_state="BLOCK"))
    send()
    run = Enrollment.objects.get()
    assert (run.step_id, run.waits_for) == ("1", "call")
    assert last_line(flow).message == "It answers later."
    assert timedelta(days=6) < run.due_at - clock.now() <= timedelta(days=7)
    token = there.asked[0].json["callbackId"]

    client = Client()
    url = f"/automation/v4/actions/callbacks/{token}/complete"
    body = {"outputFields": {"score": 3, "errorCode": "BLOCKED"}}
    assert client.post(url, body, content_type="application/json").status_code == 204
    assert client.post(url, body, content_type="application/json").status_code == 204
    settle_in_scope(settle)

    run.refresh_from_db()
    assert (run.outputs["1"], run.end_reason) == ({"score": 3}, "completed")
    assert last_line(flow).message == "The card is blocked."
    assert Task.objects.count() == 1


def test_a_callback_before_the_answer_to_its_call_is_all_that_the_step_says_R_WFA_4(
    flow, there, send, settle
):
    """It may be quick, or whoever called was killed before it noted the answer."""
    there.says(said(hs_execution_state="BLOCK"))
    settle_in_scope(settle)
    integrations.complete({StepCall.objects.get().token: {"outputFields": {"score": 3}}})
    send()

    lines = StepLog.objects.filter(workflow_id=flow.pk, kind="custom_action").order_by("id")
    assert [line.status for line in lines] == ["SCHEDULED", "SUCCEEDED"]
    assert lines[1].data["outputs"] == {"score": 3}
    call, run = StepCall.objects.get(), Enrollment.objects.get()
    assert (call.state, call.answer["outputs"]) == ("ANSWERED", {"score": 3})
    assert (run.outputs["1"], run.end_reason) == ({"score": 3}, "completed")


def test_answers_to_two_calls_of_a_run_are_each_heard_by_its_own_step(world, there, send):
    """The first did not wait for its own, so both may come at once."""
    flow = workflow_of(
        world.account.pk,
        step(1, "send_webhook", 2, url=f"{there.url}/told"),
        step(2, "custom_action", 3, **STEP),
        step(3, "create_task", title="Score {{ step_2.score }}"),
    )
    world.ticket("Otto")
    there.says(said(hs_execution_state="BLOCK"))
    send()

    run = Enrollment.objects.get()
    assert (len(there.asked), run.step_id, run.waits_for) == (2, "2", "call")
    kinds = StepLog.objects.filter(workflow_id=flow.pk, status="SUCCEEDED").values_list("kind", flat=True)
    assert set(kinds) == {"send_webhook"}


def test_callbacks_come_in_batches_all_or_none(flow, there, send, settle, world):
    there.says(said(hs_execution_state="ASYNC"))
    world.ticket("Emma")
    send()
    tokens = [asked.json["callbackId"] for asked in there.asked]
    assert len(set(tokens)) == 2
    url = "/automation/v4/actions/callbacks/complete"
    inputs = [{"callbackId": token, "outputFields": {"score": 1}} for token in tokens]
    client = Client()
    wrong = {"inputs": [*inputs, {"callbackId": "guessed", "outputFields": {}}]}
    assert client.post(url, wrong, content_type="application/json").status_code == 404
    assert Enrollment.objects.filter(waits_for="call").count() == 2

    assert client.post(url, {"inputs": inputs}, content_type="application/json").status_code == 204
    settle_in_scope(settle)
    assert Enrollment.objects.filter(end_reason="completed").count() == 2


@pytest.mark.parametrize(
    "body", ["", "[]", '{"outputFields": 7}', "{" * 10_000, '{"inputs": []}', '{"inputs": [1]}']
)
def test_a_callback_that_cannot_be_read_is_refused(db, body):
    client = Client()
    for url, known in (
        ("/automation/v4/actions/callbacks/complete", (400, 404)),
        ("/automation/v4/actions/callbacks/x/complete", (400, 404)),
    ):
        assert client.post(url, body, content_type="application/json").status_code in known
    assert (
        client.post(
            "/automation/v4/actions/callbacks/x/complete", "x" * 2_000_000, content_type="text/plain"
        ).status_code
        == 413
    )
    assert client.get("/automation/v4/actions/callbacks/x/complete").status_code == 405


def test_without_a_callback_in_time_the_step_has_failed_and_a_late_one_is_refused_R_WFA_4(
    flow, there, send, settle
):
    there.says(said(hs_execution_state="BLOCK"))
    send()
    Enrollment.objects.update(due_at=clock.now() - timedelta(hours=1))
    settle_in_scope(settle)
    assert last_line(flow).message == "No answer came in time."
    assert StepCall.objects.get().state == "EXPIRED"
    with pytest.raises(NotFound):
        integrations.complete({there.asked[0].json["callbackId"]: {"outputFields": {}}})


def test_it_may_wait_as_long_as_its_step_says(world, there, send):
    workflow_of(world.account.pk, step(1, "custom_action", **STEP, expires=60))
    world.ticket()
    there.says(said(hs_execution_state="BLOCK"))
    send()
    assert Enrollment.objects.get().due_at - clock.now() <= timedelta(hours=1)


def test_what_is_no_number_is_told_before_anybody_is_asked(world, there, send):
    flow = workflow_of(
        world.account.pk, step(1, "custom_action", **{**STEP, "input_amount": "{{ ticket.subject }}"})
    )
    world.ticket("Otto")
    send()
    assert last_line(flow).message == "“amount” is “Otto”, which is no number."
    assert not there.asked


def test_a_trial_asks_nobody_and_says_so(flow, there, world):
    tried = trial.try_out(workflows.definition_of(flow), world.ticket().pk)
    assert tried.lines[0].message == "Another system is not asked in a trial; what it answers is empty."
    assert not OutboxEntry.objects.filter(transport="webhook").exists()


def test_its_form_asks_for_the_inputs_of_the_chosen_one(world, there):
    around = reading.around("ticket")
    assert all_of(ACTION.form(around, {})).keys() == {"object_type", "integration", "expires"}
    settings = {"object_type": "ticket", **STEP, "expires": 10080}
    typed = reading.settings_typed(ACTION, around, settings)
    assert reading.read(reading.form_of(ACTION, around, typed), typed) == settings
    assert ACTION.problems(settings) == []
    assert [name for name, _words in ACTION.problems({"integration": "Gone"})] == ["integration"]
    assert [one.name for one in ACTION.outputs(settings)] == ["score"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "https://"}, "url"),
        ({"secret": "GONE"}, "secret"),
        ({"inputs": [{"name": "two words", "value": "string"}]}, "inputs"),
        ({"inputs": [{"name": "a", "value": "bytes"}]}, "inputs"),
        ({"outputs": [{"name": "a", "value": "string"}, {"name": "a", "value": "string"}]}, "outputs"),
        ({"messages": [{"name": "errorCode", "value": "x"}]}, "messages"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(world, given, field):
    with pytest.raises(Invalid) as refusal:
        integrations.add(world.account.pk, "X", {"url": "https://a.example/", **given}, by=SYSTEM)
    assert refusal.value.field == field


def test_names_are_there_once_and_what_is_used_stays(flow, world):
    with pytest.raises(Invalid):
        integrations.add(world.account.pk, "Credit check", {"url": "https://a.example/"}, by=SYSTEM)
    (one,) = integrations.known(world.account.pk)
    assert integrations.used_in(world.account.pk) == {"Credit check": [flow.pk]}
    with pytest.raises(Conflict):
        integrations.set_archived(world.account.pk, one.pk, True, by=SYSTEM)
    (secret,) = secrets.known(world.account.pk)
    with pytest.raises(Conflict):
        secrets.delete(world.account.pk, secret.id, by=SYSTEM)

    type(flow).objects.filter(pk=flow.pk).update(archived_at=clock.now())
    integrations.set_archived(world.account.pk, one.pk, True, by=SYSTEM)
    assert not ACTION.is_offered(world.account.pk)
    integrations.set_archived(world.account.pk, one.pk, False, by=SYSTEM)
    assert ACTION.is_offered(world.account.pk)


def test_an_integration_for_a_kind_of_record_asks_for_it_R_PIPE_10(world):
    """Put away it lets the kind go, and comes back when it is for something that there is."""
    account_id, url = world.account.pk, "https://a.example/"
    bike, boat = (
        object_types.create(name, name.title(), f"{name.title()}s", by=SYSTEM).key
        for name in ("bike", "boat")
    )
    one = integrations.add(
        account_id, "Theft register", {"url": url, "object_types": ["deal", bike]}, by=SYSTEM
    )
    integrations.add(account_id, "Of all kinds", {"url": url}, by=SYSTEM)
    assert [use.name for use in integrations.asking_for_kind(account_id, bike)] == ["Theft register"]
    assert integrations.asking_for_kind(account_id, boat) == []
    integrations.set_archived(account_id, one.pk, True, by=SYSTEM)
    assert integrations.asking_for_kind(account_id, bike) == []
    objects.delete_type(bike, by=SYSTEM)

    with pytest.raises(Conflict, match="“Theft register” is for “Bikes”, which was deleted"):
        integrations.set_archived(account_id, one.pk, False, by=SYSTEM)
    integrations.change(account_id, one.pk, {"url": url, "object_types": ["deal"]}, by=SYSTEM)
    integrations.set_archived(account_id, one.pk, False, by=SYSTEM)

    assert integrations.get(account_id, one.pk).archived_at is None


def test_a_test_call_says_what_came_back(world, there):
    there.says((201, {}, '{"outputFields": {}}'))
    (one,) = integrations.known(world.account.pk)
    assert integrations.try_out(one) == 'Answered 201: {"outputFields": {}}'
    assert there.asked[0].json["inputFields"] == {"amount": 1, "who": "Example", "is_new": True}
    assert there.asked[0].headers["webhook-signature"].startswith("v1,")
