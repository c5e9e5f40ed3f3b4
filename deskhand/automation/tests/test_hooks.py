"""Calls from outside enroll (R-TRIG-21)."""

import json
import re
import threading
import time
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.automation import hooks, workflows
from deskhand.automation.engine.definition import (
    Delay,
    Edge,
    ForAmount,
    Reenrollment,
    WhenCalled,
    WhileInside,
)
from deskhand.automation.models import Enrollment, HookCall, Workflow, WorkflowHook
from deskhand.automation.tests.enrolling_cases import TASK, office
from deskhand.automation.tests.runs import make, of_its_own, task
from deskhand.crm.records import companies
from deskhand.crm.records.models import Company, Contact, Ticket
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.delivery.calls import signature
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.testing.fixtures import NOON
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world

__all__ = ["office"]


@pytest.fixture
def hook(world, office):
    """A workflow of contacts, found by "who.email", made where there is none; and a way to call it."""
    flow = office.flow(WhenCalled("who.email", "email", may_create=True), object_type="contact")
    return Hook(flow, hooks.make_address(flow, by=world.ada.pk))


class Hook:
    def __init__(self, flow, address):
        self.flow, self.address = flow, address

    def post(self, body, **headers):
        named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        return Client(enforce_csrf_checks=True).post(
            reverse("workflow-hook", args=[self.address.token]), raw, content_type="application/json", **named
        )


def states():
    return list(HookCall.objects.order_by("id").values_list("state", "error"))


def test_a_call_is_kept_answered_and_read_afterwards(world, office, hook):
    contact = world.contact()
    answer = hook.post({"who": {"email": "Astrid@Fjallbo.example"}})
    assert (answer.status_code, states()) == (202, [("RECEIVED", "")])
    office.rest()

    assert states() == [("DONE", "")]
    assert office.inside() == [contact.pk]
    assert Enrollment.objects.get().reason == {"by": "call", "call": HookCall.objects.get().pk}
    assert WorkflowHook.objects.get().last_called_at == NOON


def test_who_is_unknown_is_made_of_what_the_call_says(world, office, hook):
    hook.post(
        {
            "who": {"email": "new@x.example"},
            "firstname": "Nova",
            "hs_object_id": 7,
            "properties": {"city": "Oslo"},
        }
    )
    hook.post({"who": {"email": "new@x.example"}})
    office.rest()
    made = Contact.objects.get(email="new@x.example")

    assert (made.first_name, made.properties["city"]) == ("Nova", "Oslo")
    assert office.inside() == [made.pk]
    assert [state for state, _error in states()] == ["DONE", "DONE"]
    assert "already" in states()[1][1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff\xfe", "neither"), ("[1]", "neither"), ("{", "neither"), ("[" * 100_000, "neither"), ('{"a": NaN}', "no “who.email”"),
        ('{"who": "x"}', "no “who.email”"), ('{"who": {"email": ""}}', "no “who.email”"), ('{"who": {"email": {}}}', "no “who.email”"),
        ('{"who": {"email": "no address"}}', "could be made"),
    ],
)  # fmt: skip
def test_whatever_comes_is_kept_with_the_reason_and_is_never_an_error_of_ours(world, office, hook, body, why):
    assert hook.post(body).status_code == 202
    office.rest()

    [(state, error)] = states()
    assert (state, why in error) == ("FAILED", True)
    assert Workflow.objects.get().needs_review == hooks.FAILED


def test_what_failed_can_be_read_again(world, office, hook):
    Workflow.objects.update(is_on=False)
    hook.post({"who": {"email": "new@x.example"}})
    office.rest()
    assert [state for state, _error in states()] == ["FAILED"]

    Workflow.objects.update(is_on=True)
    ids = list(HookCall.objects.values_list("pk", flat=True))
    assert hooks.repeat(hook.flow, ids, by=world.ada.pk) == 1
    assert hooks.repeat(hook.flow, ids, by=world.ada.pk) == 0
    office.rest()
    assert states() == [("DONE", "")]
    assert len(office.inside()) == 1


def test_what_was_refused_at_the_door_is_kept_with_the_reason_R_TRIG_21(world, office, hook, monkeypatch):
    """A wrong signature and a call that is too large, a hundred an hour at most; neither keeps others out."""
    hook.address = hooks.demand_signature(hook.flow, True, by=world.ada.pk)
    monkeypatch.setattr(hooks, "MOST_REFUSED", 2)
    monkeypatch.setattr(hooks, "PER_MINUTE", 1)
    monkeypatch.setattr(hooks, "MOST_BYTES", 100)
    body = {"who": {"email": "new@x.example"}}
    assert hook.post(body, idempotency_key="a").status_code == 403
    assert hook.post({"long": "x" * 100}).status_code == 413
    assert hook.post(body).status_code == 403
    assert (
        Client()
        .post(reverse("workflow-hook", args=["nobody"]), "x" * 200, content_type="text/plain")
        .status_code
        == 413
    )

    assert states() == [("REFUSED", hooks.NOT_GENUINE), ("REFUSED", hooks.TOO_LARGE)]
    assert [bytes(call.body) for call in HookCall.objects.order_by("id")] == [json.dumps(body).encode(), b""]
    refused = HookCall.objects.values_list("pk", flat=True)
    assert hooks.repeat(hook.flow, by=world.ada.pk) == 0  # nobody takes them unseen
    assert hooks.repeat(hook.flow, refused, by=world.ada.pk) == 1  # what is not here can't be read
    office.rest()
    assert states()[0] == ("DONE", "")
    with clock.stopped(NOON + hooks.HOUR + timedelta(seconds=1)):
        assert hook.post(body).status_code == 403
    assert len(states()) == 3


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        ('{"who": {"email": "a@x.example", "Password": "x1"}, "items": [{"api_key": 7, "n": 1}], "token": ""}', "application/json",
         '"email": "a@x.example" "Password": "•••" "api_key": "•••" "n": 1 "token": ""'),
        ("email=a%40x.example&auth_token=abc", "application/x-www-form-urlencoded", '"email": "a@x.example" "auth_token": "•••"'),
        ('{"password": "x1", "name": ', "application/json", '"password": ••• "name":'),
        ("secret: abc; name: A", "text/plain", "secret: •••; name: A"),
        ('[{"token": "x1 \\" abc", "n": 1}]', "application/json", '"token": "•••" "n": 1'),
        ('{"token": "x1 \\" abc", "name": ', "application/json", '"token": ••• "name":'),
        ('{"token": "x1 and abc', "application/json", '"token": •••'),
    ],
)  # fmt: skip
def test_a_body_is_shown_without_what_is_named_like_a_secret_R_TRIG_21(body, content_type, said):
    shown = hooks.body_of(HookCall(body=body.encode(), content_type=content_type))

    assert all(part in shown for part in re.findall(r'"[^"]*": \S+|\S+', said))
    assert not re.search(r"x1|abc|: 7", shown)


def test_a_body_is_shown_as_far_as_it_is_text_and_short_R_TRIG_21():
    assert hooks.body_of(HookCall(body=b"\xff\xfe")) == ""
    assert len(hooks.body_of(HookCall(body=b"a" * 10_000))) == hooks.SHOWN + 2
    deep = hooks.body_of(HookCall(body=("[" * 100_000).encode()))
    assert len(deep) == hooks.SHOWN + 2


@pytest.mark.parametrize(
    "body",
    [b"token" * 50_000, b'{"a": ' + b"[" * 400 + b"1," * 120_000 + b"1" + b"]" * 400 + b"}"],
    ids=["names-of-secrets", "deeply-indented"],
)
def test_a_body_that_is_made_to_be_slow_is_shown_at_once_R_TRIG_21(body):
    """Whoever has the address can store one, and each look at the list would go through it."""
    tracemalloc.start()
    began = time.process_time()

    shown = hooks.body_of(HookCall(body=body))

    spent, (_now, most) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(shown) == hooks.SHOWN + 2
    assert spent < 15
    assert most < 50_000_000


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_is_read_again_by_two_is_used_once_R_TRIG_21():
    """Who comes second waits for the first, and finds nothing left to read."""
    made = make_world()
    with account_scope(made.account.pk):
        flow = make(made, task(1), trigger=WhenCalled("who.email", "email"))
        call = HookCall.objects.create(
            account_id=made.account.pk, workflow=flow, key="a", received_at=NOON, body=b"{}", state="FAILED"
        )
    held, may_end = threading.Event(), threading.Event()

    def read_again_and_used():
        assert hooks.repeat(flow, [call.pk], by=made.ada.pk) == 1
        HookCall.objects.filter(pk=call.pk).update(state="DONE")
        held.set()
        may_end.wait(30)

    first = of_its_own(made, read_again_and_used)
    assert held.wait(30)
    second = of_its_own(made, lambda: hooks.repeat(flow, [call.pk], by=made.ada.pk))
    until_somebody_waits()
    may_end.set()
    first.result(30)

    assert second.result(30) == 0
    with account_scope(made.account.pk):
        assert HookCall.objects.get().state == "DONE"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("object_type", "name", "value"), [("ticket", "order_no", "a-1"), ("contact", "email", "a@x.example"), ("company", "domain", "x.example")])  # fmt: skip
def test_two_calls_at_once_make_one_record_R_TRIG_21(object_type, name, value):
    """Who comes second waits for the first, and finds what it made."""
    made = make_world()
    with account_scope(made.account.pk):
        if name == "order_no":
            properties.create("ticket", name, "Order", Kind.TEXT, has_unique_value=True)
        flow = make(made, task(1), trigger=WhenCalled(name, name, may_create=True), object_type=object_type)
        calls = [
            HookCall.objects.create(
                account_id=made.account.pk, workflow=flow, key=text, received_at=NOON,
                body=json.dumps({name: text, "subject": "Order", "firstname": "A", "name": "A"}).encode(),
            ).pk
            for text in (value, value.upper())
        ]  # fmt: skip
    held, may_end = threading.Event(), threading.Event()

    def read(pk, waits):
        hooks.hear(made.account.pk, [hooks.Event(hooks.CALLED, "workflow", flow.pk, 0, hooks.Actor.user(1), NOON, {"calls": [pk]})])  # fmt: skip
        if waits:
            held.set()
            may_end.wait(30)

    first = of_its_own(made, lambda: read(calls[0], True))
    assert held.wait(30)
    second = of_its_own(made, lambda: read(calls[1], False))
    until_somebody_waits()
    may_end.set()
    first.result(30)
    second.result(30)

    with account_scope(made.account.pk):
        model = {"ticket": Ticket, "contact": Contact, "company": Company}[object_type]
        assert model.objects.count() == 1
        assert {call.record_id for call in HookCall.objects.all()} == {model.objects.get().pk}
        assert [state for state, _error in states()] == ["DONE", "DONE"]


def test_the_same_key_counts_once(world, office, hook):
    answers = [hook.post({"who": {"email": f"n{n}@x.example"}}, idempotency_key="order-1") for n in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert HookCall.objects.count() == 1


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (WhileInside.SKIP, ["DUE"]), (WhileInside.RESTART, ["DUE"]), (WhileInside.QUEUE, ["DUE", "QUEUED"]), (WhileInside.PARALLEL, ["DUE", "DUE"]),
    ],
)  # fmt: skip
def test_each_of_two_calls_at_once_counts_where_the_workflow_says_so_R_TRIG_21(world, office, mode, found):
    """Heard in one batch. Where it does not, the second one says that the record is inside."""
    contact = world.contact()
    wait = Delay("2", ForAmount(timedelta(days=3650)), Edge(TASK.id))
    flow = office.flow(WhenCalled("email", "email"), object_type="contact", is_on=False, steps=(wait, TASK))
    definition = replace(workflows.definition_of(flow), reenrollment=Reenrollment(True, while_inside=mode))
    flow = workflows.switch(workflows.save(flow, definition, by=world.ada.pk), True)
    hook = Hook(flow, hooks.make_address(flow, by=world.ada.pk))
    for number in (1, 2):
        hook.post({"email": contact.email, "number": number})
    office.rest()

    runs = Enrollment.objects.order_by("id")
    assert [run.state for run in runs] == found
    assert [run.reason["call"] for run in runs] == list(
        HookCall.objects.order_by("id").values_list("pk", flat=True)
    )[: len(found)]
    assert ["already" in error for _state, error in states()] == [False, len(found) == 1]


def test_limits_of_size_and_number(world, office, hook, monkeypatch):
    assert hook.post("x" * (hooks.MOST_BYTES + 1)).status_code == 413
    monkeypatch.setattr(hooks, "PER_MINUTE", 2)
    answers = [hook.post({"n": n}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    with office.at(NOON + timedelta(minutes=2)):
        assert hook.post({}).status_code == 202


def test_an_unknown_or_former_address_is_nowhere(world, hook):
    former = Hook(hook.flow, hook.address)
    hook.address = hooks.make_address(hook.flow, by=world.ada.pk)

    assert former.post({}).status_code == 404
    assert hook.post({}).status_code == 202
    assert Client().get(reverse("workflow-hook", args=[hook.address.token])).status_code == 405
    assert hooks.address_of(hook.flow) == hook.address
    assert hook.address.token not in WorkflowHook.objects.get().token_hash


def test_signatures_may_be_demanded(world, office, hook):
    hook.address = hooks.demand_signature(hook.flow, True, by=world.ada.pk)
    body = json.dumps({"who": {"email": "new@x.example"}})

    def signed(key, at=NOON):
        return hook.post(
            body, webhook_id="c1", webhook_timestamp=str(int(at.timestamp())), webhook_signature=signature(key, "c1", at, body)
        ).status_code  # fmt: skip

    assert hook.post(body).status_code == 403
    assert signed("whsec_d3Jvbmc=") == 403
    assert signed(hook.address.key, NOON - timedelta(minutes=6)) == 403
    assert hook.post(body, webhook_timestamp="x", webhook_signature="v1,ø").status_code == 403
    assert signed(hook.address.key) == 202


def test_other_kinds_of_records_and_properties_of_ones_own(world, office):
    properties.create("ticket", "order_no", "Order", Kind.TEXT, has_unique_value=True)
    properties.create("ticket", "plain", "Plain", Kind.TEXT)
    by_number = office.flow(WhenCalled("number", "hs_ticket_id"))
    by_order = office.flow(WhenCalled("order", "order_no", may_create=True))
    company = companies.create("Fjällbo", by=hooks.Actor.user(world.ada.pk), domain="fjallbo.example")
    by_domain = office.flow(WhenCalled("domain", "domain"), object_type="company")
    ticket = world.ticket()
    for flow, said in (
        (by_number, {"number": float(ticket.number)}), (by_order, {"order": "A-1", "subject": "Order A-1"}),
        (by_order, {"order": "A-2"}), (by_domain, {"domain": "FJALLBO.example"}), (by_number, {"number": 10**30}),
    ):  # fmt: skip
        Hook(flow, hooks.address_of(flow) or hooks.make_address(flow, by=world.ada.pk)).post(said)
    office.rest()
    made = Ticket.objects.get(subject="Order A-1")

    assert (office.inside(by_number), office.inside(by_order), office.inside(by_domain)) == ([ticket.pk], [made.pk], [company.pk])  # fmt: skip
    assert [state for state, _error in states()] == ["DONE", "DONE", "FAILED", "DONE", "FAILED"]
    with pytest.raises(Invalid):
        office.flow(WhenCalled("x", "plain"))


@pytest.mark.parametrize("name", ["hs_object_id", "hs_ticket_id"])
def test_no_record_is_made_for_a_number_that_only_deskhand_gives_R_TRIG_21(world, office, monkeypatch, name):
    """Nobody would find it by that afterwards: each call would make another."""
    with pytest.raises(Invalid) as refused:
        office.flow(WhenCalled("ticket", name, may_create=True))
    assert (refused.value.field, refused.value.value) == ("may_create", name)

    monkeypatch.setattr(hooks, "check", lambda *_given: None)  # one that has been on since before
    flow = office.flow(WhenCalled("ticket", name, may_create=True))
    before = Ticket.objects.count()
    hook = Hook(flow, hooks.make_address(flow, by=world.ada.pk))
    for _again in range(2):
        hook.post({"ticket": "999999", "subject": "From a call"})
        office.rest()

    assert Ticket.objects.count() == before
    assert [state for state, _why in states()] == ["FAILED", "FAILED"]
    assert all("No record can be made" in why for _state, why in states())


def test_as_many_queries_for_one_call_as_for_many(world, office, hook):
    def count(calls):
        for n in range(calls):
            world.contact(f"c{n}@x.example")
        HookCall.objects.bulk_create(
            HookCall(
                account_id=world.account.pk, workflow=hook.flow, key=f"{calls}-{n}", received_at=NOON,
                body=json.dumps({"who": {"email": f"c{n}@x.example"}}).encode(),
            )
            for n in range(calls)
        )  # fmt: skip
        event = hooks.Event(
            hooks.CALLED, "workflow", hook.flow.pk, 0, hooks.Actor.user(1), NOON,
            {"calls": list(HookCall.objects.filter(state="RECEIVED").values_list("pk", flat=True))},
        )  # fmt: skip
        with CaptureQueriesContext(connection) as made:
            hooks.hear(world.account.pk, [event])
        return len(made)

    count(1)
    assert count(3) == count(30)
    assert set(HookCall.objects.values_list("state", flat=True)) == {"DONE"}
