"""Messages to phones, by a channel that stays in this process (R-WA-1, R-WA-2, §11)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts import accounts
from deskhand.accounts.models import Plan
from deskhand.automation import gating, lanes, undo, workflows
from deskhand.automation.actions import reading, texting
from deskhand.automation.actions.reaching import PER_ADDRESS
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Edge
from deskhand.automation.models import Enrollment, StepStatus, Workflow
from deskhand.automation.tests import runs
from deskhand.automation.tests.doing import Before, do, doings
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import Contact
from deskhand.crm.records.subscriptions import Choice
from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.sender import Sender
from deskhand.delivery.types import Answer, Verdict
from deskhand.desk import inboxes, replies, threads
from deskhand.desk.channels import ApprovedTemplate
from deskhand.desk.models import Delivery, Message, Thread
from deskhand.desk.replies import NewReply
from deskhand.desk.texts import number_of
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle
from deskhand.kernel.errors import Invalid
from deskhand.testing.channels import DAY, Phones, connect, plugged_in

DONE, SKIPPED, FAILED = StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED
SHIPPED = ApprovedTemplate("parcel_sent", "Hello {{1}}, your parcel {{2}} is on its way.")
BOTH = ("send_sms", "send_whatsapp")
TEXT = {"text": "About “{{ ticket.subject }}”: we look into it."}


@pytest.fixture
def sms():
    return Phones("sms", longest=160)


@pytest.fixture
def whatsapp():
    return Phones("whatsapp", window=DAY, approved=[SHIPPED])


@pytest.fixture
def plugged(sms, whatsapp):
    with plugged_in(sms, whatsapp):
        yield


@pytest.fixture
def numbers(world, plugged):
    return connect(world.channel.inbox)


@pytest.fixture
def astrid(world):
    contact = world.contact()
    Contact.objects.filter(pk=contact.pk).update(phone="+45 20 12 34 56")
    contact.refresh_from_db()
    return contact


def text(world, kind, settings, *tickets, **more):
    return do(world.account.pk, kind, settings, [ticket.pk for ticket in tickets], **more)


def said():
    return Message.objects.filter(is_automatic=True, direction="OUT").order_by("id")


def send(*ways):
    sender = Sender({way.key: way for way in ways}, threads=0)
    try:
        return sender.drain()
    finally:
        sender.close()


# ── where it is offered ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", BOTH)
def test_it_is_offered_once_a_number_is_connected(world, plugged, kind):
    action = ACTIONS[kind]
    assert not action.is_offered(world.account.pk)
    assert kind not in lanes.offered(world.account)

    inboxes.add_channel_account(world.channel.inbox, channel=action.channel, name="N", address="+4520000009")

    assert action.is_offered(world.account.pk)
    assert kind in lanes.offered(world.account)


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_number_whose_channel_is_not_there_offers_nothing(world, channel):
    inboxes.add_channel_account(world.channel.inbox, channel=channel, name="N", address="+4520000009")
    assert not ACTIONS[f"send_{channel}"].is_offered(world.account.pk)
    with plugged_in(Phones(channel)):
        assert ACTIONS[f"send_{channel}"].is_offered(world.account.pk)


@pytest.mark.parametrize("kind", BOTH)
def test_without_a_number_it_cannot_be_switched_on_and_says_the_way_out(world, plugged, kind):
    flow = runs.make(world, Action("1", kind, TEXT))
    Workflow.objects.filter(pk=flow.pk).update(is_on=False, on_since=None)

    with pytest.raises(Invalid) as refusal:
        workflows.switch(Workflow.objects.get(pk=flow.pk), True)

    assert refusal.value.message.endswith("Connect one, or take this step out.")


def test_whatsapp_is_off_where_the_plan_is_lowered_R_WA_1(world, wired, numbers):
    flow = runs.make(world, Action("1", "send_whatsapp", TEXT))
    accounts.update(world.account.pk, by=SYSTEM, plan=Plan.STARTER)
    settle()

    flow.refresh_from_db()
    assert (flow.is_on, flow.needs_review) == (False, gating.BEYOND)


def test_a_workflow_whose_number_is_disconnected_asks_for_a_look(world, wired, numbers, astrid):
    settings = TEXT | {"from": texting.named(numbers["sms"])}
    flow, other = (
        runs.make(world, Action("1", "send_sms", settings)), runs.make(world, Action("1", "send_sms", TEXT)),
    )  # fmt: skip
    inboxes.disconnect(numbers["sms"], by=SYSTEM)
    settle()

    flow.refresh_from_db()
    other.refresh_from_db()
    assert (flow.is_on, flow.needs_review, other.needs_review) == (True, gating.DISCONNECTED, "")
    (done,) = text(world, "send_sms", settings, world.ticket(contact_id=astrid.pk))
    assert done.status is FAILED
    assert "Connect one" in done.message


def test_what_is_missing_is_said_and_the_form_reads_back(world, numbers):
    sms_, whatsapp_ = ACTIONS["send_sms"], ACTIONS["send_whatsapp"]
    assert [name for name, _words in sms_.problems({})] == ["text"]
    assert [name for name, _words in whatsapp_.problems({})] == ["text"]
    assert [name for name, _words in sms_.problems({"text": "x" * 161})] == ["text"]
    assert [name for name, _words in sms_.problems({"text": "x", "from": "sms:+4599"})] == ["from"]
    assert [name for name, _words in sms_.problems({"text": "{{ broken"})] == ["text"]
    given = {
        "from": texting.named(numbers["whatsapp"]),
        "text": "",
        "template": "parcel_sent",
        "value_1": "Astrid",
    }
    assert [name for name, _words in whatsapp_.problems(given)] == ["value_2"]
    assert [name for name, _words in whatsapp_.problems(given | {"template": "gone"})] == ["template"]

    whole = given | {"value_2": "{{ ticket.number }}"}
    around = reading.around("ticket")
    typed = reading.settings_typed(whatsapp_, around, whole)
    assert reading.read(reading.form_of(whatsapp_, around, typed), typed) == whole
    assert whatsapp_.problems(whole) == []
    assert whatsapp_.summary(whole) == "Template “parcel_sent”"


# ── what it does ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_leaves_in_the_ticket_s_conversation_and_its_answer_stands_there(
    world, wired, numbers, astrid, sms
):
    ticket = world.ticket("Parcel", contact_id=astrid.pk)
    (done,) = text(world, "send_sms", TEXT, ticket)

    assert (done.status, done.message, done.outputs) == (DONE, "Sent to +4520123456", {"sent": 1})
    (message,) = said()
    thread = message.thread
    assert (thread.ticket_id, thread.contact_id, thread.channel_account_id) == (
        ticket.pk,
        astrid.pk,
        numbers["sms"].pk,
    )
    assert (message.text, message.delivery) == ("About “Parcel”: we look into it.", Delivery.QUEUED)
    assert (message.sender_address, message.recipients["to"][0]["email"]) == ("+4520000001", "+4520123456")
    assert EventRow.objects.get(kind="message.sent").data["ticket_id"] == ticket.pk
    send(sms)

    message.refresh_from_db()
    (entry,) = sms.tried
    assert (message.delivery, entry.recipients) == (Delivery.SENT, ("+4520123456",))
    assert entry.payload == {"from": "+4520000001", "text": message.text, "template": "", "values": []}


def test_what_the_channel_refuses_shows_on_the_message_and_can_be_tried_again(
    world, wired, numbers, astrid, sms
):
    ticket = world.ticket(contact_id=astrid.pk)
    text(world, "send_sms", TEXT, ticket)
    sms.answers[:] = [Answer(Verdict.REFUSED, "number is not in use"), Answer(Verdict.ACCEPTED, "taken")]
    send(sms)

    (message,) = said()
    ticket.refresh_from_db()
    assert (message.delivery, ticket.last_message_failed) == (Delivery.FAILED, True)
    assert "number is not in use" in message.delivery_error
    outbox.retry(world.account.pk, OutboxEntry.objects.get().pk)
    send(sms)

    message.refresh_from_db()
    ticket.refresh_from_db()
    assert (message.delivery, ticket.last_message_failed) == (Delivery.SENT, False)
    assert len({entry.message_id for entry in sms.tried}) == 1


def test_a_channel_that_is_not_set_up_lets_it_wait(world, wired, numbers, astrid, sms):
    text(world, "send_sms", TEXT, world.ticket(contact_id=astrid.pk))
    sms.unset = "Give the access key first."
    send(sms)

    (message,) = said()
    assert (message.delivery, message.delivery_error) == (Delivery.QUEUED, "Give the access key first.")
    assert OutboxEntry.objects.get().state == "WAITING"


def test_the_same_step_of_the_same_run_leaves_once_R_EXEC_23(world, numbers, astrid, sms):
    ticket = world.ticket(contact_id=astrid.pk)
    text(world, "send_sms", TEXT, ticket, first=5)
    text(world, "send_sms", TEXT, ticket, first=5)

    assert OutboxEntry.objects.filter(transport="sms").count() == 1


def test_one_conversation_for_a_ticket_and_one_beside_all_tickets(world, numbers, astrid):
    one, two = (world.ticket(f"T{n}", contact_id=astrid.pk) for n in range(2))
    text(world, "send_sms", TEXT, one, first=1)
    text(world, "send_sms", TEXT, one, two, first=10)
    do(world.account.pk, "send_sms", {"text": "Hello"}, [astrid.pk], "contact", first=20)
    do(world.account.pk, "send_sms", {"text": "Again"}, [astrid.pk], "contact", first=30)

    found = Thread.objects.filter(channel_account=numbers["sms"])
    assert Counter(found.values_list("ticket_id", flat=True)) == {one.pk: 1, two.pk: 1, None: 1}
    assert Message.objects.filter(thread__in=found.filter(ticket_id=None)).count() == 2
    assert found.get(ticket_id=None).is_open is False


def test_agents_still_answer_by_mail(world, numbers, astrid):
    ticket = world.ticket("Parcel", contact_id=astrid.pk)
    text(world, "send_sms", TEXT, ticket)

    reply = replies.reply(NewReply(ticket.pk, "It leaves today."), by=world.ada)

    assert (reply.thread.channel_account_id, reply.recipients["to"][0]["email"]) == (
        world.channel.pk,
        astrid.email,
    )


# ── R-WA-2 ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TEMPLATE = {
    "template": "parcel_sent",
    "value_1": "{{ contact.first_name }}",
    "value_2": "#{{ ticket.number }}",
}


def wrote(world, account, contact, at):
    """The customer writes to our number."""
    message = InboundMessage("", Mailbox(contact.email, contact.name), "", "Where is it?", at)
    found = threads.receive(Incoming(account.pk, message), at=at)
    Thread.objects.filter(pk=found.thread_id).update(contact_id=contact.pk, last_received_at=at)


@pytest.mark.parametrize(
    ("ago", "settings", "expected"),
    [
        (timedelta(hours=23), TEXT, "About"),
        (timedelta(hours=23), TEXT | TEMPLATE, "About"),
        (timedelta(hours=23), TEMPLATE, "Hello"),
        (timedelta(hours=24), TEXT | TEMPLATE, "Hello"),
        (timedelta(hours=24), TEXT, None),
        (None, TEXT, None),
        (None, TEMPLATE, "Hello"),
    ],
)
def test_free_text_within_a_day_and_a_template_at_other_times_R_WA_2(
    world, numbers, astrid, whatsapp, ago, settings, expected
):
    now = clock.now()
    if ago is not None:
        wrote(world, numbers["whatsapp"], astrid, now - ago)
    ticket = world.ticket("Parcel", contact_id=astrid.pk)

    (done,) = text(world, "send_whatsapp", settings, ticket, now=now)

    assert done.status is (DONE if expected else SKIPPED)
    assert [message.text.split()[0] for message in said()] == ([expected] if expected else [])
    send(whatsapp)
    filled = [(entry.payload["template"], entry.payload["values"]) for entry in whatsapp.tried]
    number = f"#{ticket.number}"
    assert filled == {"About": [("", [])], "Hello": [("parcel_sent", ["Astrid", number])], None: []}[expected]


def test_a_template_that_is_no_longer_approved_fails(world, numbers, astrid, whatsapp):
    whatsapp.approved.clear()
    (done,) = text(world, "send_whatsapp", TEMPLATE, world.ticket(contact_id=astrid.pk))
    assert (done.status, "not approved any more" in done.message) == (FAILED, True)


# ── whom it reaches ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+45 20 12 34 56", "+4520123456"),
        ("0049 (0)30 / 1234-567", "+49301234567"),
        ("+39 06\u00a0698\u201112345", "+390669812345"),
        ("20 12 34 56", ""),
        ("+0 12 34 56 78", ""),
        ("+45 20 12 34 56 ext 7", ""),
        ("+4520", ""),
        ("+" + "1" * 16, ""),
    ],
)
def test_a_number_is_dialled_as_the_world_does(phone, number):
    assert number_of(phone) == number


def test_who_can_not_be_reached_is_skipped_with_the_reason(world, numbers, astrid):
    nobody = world.ticket()
    spam = world.ticket(contact_id=astrid.pk, is_spam=True)
    Contact.objects.filter(pk=astrid.pk).update(phone="")
    silent = world.ticket(contact_id=astrid.pk)
    answers = text(world, "send_sms", TEXT, nobody, spam, silent)
    Contact.objects.filter(pk=astrid.pk).update(phone="20123456")
    answers += text(world, "send_sms", TEXT, silent)

    assert [one.status for one in answers] == [SKIPPED] * 4
    assert [one.message for one in answers] == [
        "There is no contact.", "The ticket is spam.", "The contact has no phone number.",
        "“20123456” has no country code. Write the contact's number as in +45 20 12 34 56.",
    ]  # fmt: skip


def test_who_wants_no_mail_gets_texts_about_their_own_requests_alone(world, numbers, astrid):
    subscriptions.choose([Choice(astrid.pk, None, False)], source="page", by=SYSTEM)
    (own,) = text(world, "send_sms", TEXT, world.ticket(contact_id=astrid.pk))
    (other,) = do(world.account.pk, "send_sms", {"text": "Sale!"}, [astrid.pk], "contact", first=9)

    assert (own.status, other.status) == (DONE, SKIPPED)


def test_a_number_gets_a_few_texts_an_hour_R_MAIL_12(world, numbers, astrid):
    tickets = [world.ticket(f"T{n}", contact_id=astrid.pk) for n in range(PER_ADDRESS + 1)]
    answers = text(world, "send_sms", TEXT, *tickets)
    assert Counter(one.status for one in answers) == {DONE: PER_ADDRESS, SKIPPED: 1}
    (again,) = text(world, "send_sms", TEXT, tickets[0], first=50)
    assert again.status is SKIPPED


def test_a_text_that_tokens_make_too_long_fails(world, numbers, astrid):
    (done,) = text(world, "send_sms", TEXT, world.ticket("x" * 200, contact_id=astrid.pk))
    assert (done.status, done.message) == (FAILED, "The message has 226 characters; 160 are possible.")


def test_it_asks_as_often_for_many_as_for_few(world, numbers):
    def tickets(name, number):
        made = []
        for n in range(number):
            contact = world.contact(f"{name}{n}@a.example", f"{name} {n}")
            Contact.objects.filter(pk=contact.pk).update(phone=f"+45201234{ord(name)}{n}")
            made.append(world.ticket(contact_id=contact.pk))
        return made

    asked = []
    for settings, kind in ((TEXT, "send_sms"), (TEMPLATE, "send_whatsapp")):
        for name, number, first in (("A", 2, 1), ("B", 9, 20)):
            batch = doings(world.account.pk, kind, settings, [one.pk for one in tickets(name, number)], first=first + len(asked) * 100)  # fmt: skip
            with CaptureQueriesContext(connection) as seen:
                answers = ACTIONS[kind].run(batch)
            assert {one.status for one in answers} == {DONE}
            asked.append(len(seen))
    assert asked[0] == asked[1]
    assert asked[2] == asked[3]


# ── runs, trials, replays, taking back ───────────────────────────────────────────────────────────────────────────────


def test_a_run_sends_and_goes_on_and_it_cannot_be_called_back(world, wired, numbers, astrid, sms):
    flow = runs.make(world, Action("1", "send_sms", TEXT, Edge("2")), runs.task(2))
    run = runs.enroll(flow, world.ticket(contact_id=astrid.pk).pk)
    runs.go()

    assert runs.log_of(run)[0] == ("1", "send_sms", DONE)
    assert Enrollment.objects.get(pk=run.pk).state == "ENDED"
    since = clock.now() - timedelta(hours=1)
    extent = undo.Extent(flow.pk, since, clock.now() + timedelta(hours=1), run.pk)
    stays = {one.kind: one.messages for one in undo.stays(extent)}
    assert stays["send_sms"] == ("Sent to +4520123456",)


def test_a_trial_tells_and_sends_nothing(world, wired, numbers, astrid):
    ticket = world.ticket("Parcel", contact_id=astrid.pk)
    batch = doings(world.account.pk, "send_sms", TEXT, [ticket.pk])
    (told,) = ACTIONS["send_sms"].rehearse(batch)

    assert (told.status, told.message) == (DONE, "Sent to +4520123456")
    assert not said().exists()
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize(("phone", "got"), [("+4520123456", 0), ("", 0), ("+4520123456", PER_ADDRESS)])
def test_a_replay_foretells_by_what_somebody_had_got_and_asks_nothing(world, numbers, astrid, phone, got):
    Contact.objects.filter(pk=astrid.pk).update(phone=phone)
    (doing,) = doings(world.account.pk, "send_sms", TEXT, [world.ticket(contact_id=astrid.pk).pk])
    with CaptureQueriesContext(connection) as seen:
        then = Before(got)
        done, values = ACTIONS["send_sms"].foretell(doing, then)

    assert (done.status, values, len(seen)) == (DONE if phone and not got else SKIPPED, {}, 0)
    assert then.sent == ([phone] if done.status is DONE else [])


def test_the_sender_of_the_product_knows_the_channels_that_there_are(plugged):
    assert {"mail", "webhook", "sms", "whatsapp"} <= set(wiring.transports())
