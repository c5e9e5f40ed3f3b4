"""Customers answer what automation wrote to them, and are heard; strangers are not (R-STAT-17, T4)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import templates
from deskhand.automation.tests.doing import do
from deskhand.crm.records import archive, associations, contacts, joining, tickets
from deskhand.crm.records.models import Contact, Ticket
from deskhand.desk import letters, threads, tokens
from deskhand.desk.letters import NewLetter
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.testing.channels import Surveys, plugged_in

RECEIVED = {"template": "ticket_received"}
SURVEY = {"survey": "csat", "from": "email", "subject": "How was it?", "text": "Tell us."}
BO, SECOND, MALLORY = "bo@x.example", "astrid@home.example", "mallory@evil.example"


@pytest.fixture
def astrid(world) -> Contact:
    templates.ensure_defaults(world.account.pk)
    return world.contact()


@pytest.fixture
def bo(world) -> Contact:
    return world.contact(BO, "Bo")


@pytest.fixture
def run(world):
    """Run an action on tickets."""

    def _run(kind, settings, *chosen):
        done = do(world.account.pk, kind, settings, [ticket.pk for ticket in chosen])
        assert [one.outputs.get("sent", 0) > 0 for one in done] == [True] * len(chosen)

    return _run


def mail_to(world, sender, thread_id):
    """A mail to the address that our mails of a thread are answered to."""
    tag = tokens.reply_tag(world.account.pk, thread_id)
    found = tokens.thread_of_tag(world.account.pk, tag)
    message = InboundMessage(
        f"{sender}.{thread_id}", Mailbox(sender), "Re: Refund", "And?", clock.now(), thread_id=found
    )
    return Incoming(world.channel.pk, message)


@pytest.fixture
def answer(world):
    """Answer the last mail of a ticket."""

    def _answer(sender, ticket):
        thread = (
            Message.objects.filter(ticket_id=ticket.pk).order_by("-id").values_list("thread_id", flat=True)[0]
        )
        return threads.receive(mail_to(world, sender, thread))

    return _answer


@pytest.fixture
def mailed(world):
    """A ticket that a contact's own mail opened."""

    def _mailed(contact):
        new = InboundMessage("first@x", Mailbox(contact.email), "Refund", "Where is it?", clock.now())
        return Ticket.objects.get(pk=threads.receive(Incoming(world.channel.pk, new)).ticket_id)

    return _mailed


def stage_of(ticket) -> str:
    return Ticket.objects.select_related("stage").get(pk=ticket.pk).stage.label


def heard(received) -> tuple[bool, str]:
    """Whether a message is a stranger's, and whose its event says it is."""
    event = EventRow.objects.get(kind="message.received", version=received.message_id)
    assert event.data["unverified"] is Message.objects.get(pk=received.message_id).is_unverified
    return event.data["unverified"], event.data["sender"]


HEARD, STRANGE = (False, "contact"), (True, "stranger")


def close(world, ticket) -> None:
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)


# ── whom we wrote to ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_answers_ticket_received_of_a_ticket_made_by_hand_moves_it_R_STAT_5_R_MAIL_10(
    world, astrid, run, answer
):
    ticket = world.ticket(contact_id=astrid.pk)
    run("send_email", RECEIVED, ticket)
    assert Thread.objects.get().participants == [astrid.email]

    received = answer(astrid.email, ticket)

    assert (heard(received), received.ticket_id, stage_of(ticket)) == (HEARD, ticket.pk, "Waiting on us")
    assert Ticket.objects.get().last_message_from_visitor


def test_who_answers_it_after_closing_reopens_the_ticket_R_STAT_10(world, astrid, run, answer):
    ticket = world.ticket(contact_id=astrid.pk)
    run("send_email", RECEIVED, ticket)
    close(world, ticket)

    answer(astrid.email, ticket)

    assert stage_of(ticket) == "New"


def test_whom_all_were_written_to_may_answer_R_MAIL_9(world, astrid, bo, run, answer):
    ticket = world.ticket(contact_id=astrid.pk)
    associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    run("send_email", RECEIVED | {"recipients": "all"}, ticket)
    assert Thread.objects.get().participants == [astrid.email, BO]
    close(world, ticket)

    received = answer(BO, ticket)

    assert (heard(received), stage_of(ticket)) == (HEARD, "New")


@pytest.mark.parametrize("since", ["linked", "parted", "readdressed"])
def test_in_a_conversation_of_somebody_else_s_too_whatever_became_of_the_contact(
    world, astrid, bo, run, answer, mailed, since
):
    """R-MAIL-9, R-STAT-17: the mail went to this address."""
    ticket = mailed(astrid)
    associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    run("send_email", RECEIVED | {"recipients": "all"}, ticket)
    if since == "parted":
        associations.part("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    elif since == "readdressed":
        contacts.update(bo.pk, {"email": "bo@new.example"}, by=SYSTEM)

    received = answer(BO, ticket)

    assert (heard(received), stage_of(ticket)) == (HEARD, "Waiting on us")
    assert Thread.objects.get().participants == [astrid.email, BO]


def test_who_answers_a_survey_is_heard_R_FBK_3(world, astrid, run, answer):
    ticket = world.ticket(contact_id=astrid.pk)
    with plugged_in(keeper=Surveys()):
        run("send_survey", SURVEY, ticket)
    close(world, ticket)

    received = answer(astrid.email, ticket)

    assert (heard(received), stage_of(ticket)) == (HEARD, "New")
    assert Thread.objects.get().participants == [astrid.email]


# ── contacts of the ticket ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_linked_contact_answers_though_nobody_wrote_to_them_R_STAT_17(world, astrid, bo, answer, mailed):
    ticket = mailed(astrid)
    associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    close(world, ticket)

    received = answer(BO, ticket)

    assert (heard(received), stage_of(ticket)) == (HEARD, "New")
    assert Message.objects.get(pk=received.message_id).actor_id == bo.pk


@pytest.mark.parametrize("is_by_hand", [True, False])
def test_a_contact_answers_from_a_further_address_R_STAT_17(world, astrid, run, answer, mailed, is_by_hand):
    joining.join("contact", astrid.pk, contacts.make({"email": SECOND}, by=SYSTEM), by=SYSTEM)
    ticket = world.ticket(contact_id=astrid.pk) if is_by_hand else mailed(astrid)
    run("send_email", RECEIVED, ticket)
    close(world, ticket)

    received = answer(SECOND, ticket)

    assert (heard(received), stage_of(ticket)) == (HEARD, "New")
    assert Thread.objects.get().participants == [astrid.email, SECOND]
    assert list(Contact.objects.filter(archived_at=None)) == [astrid]


def test_mail_without_a_ticket_may_be_answered_from_a_further_address(world, astrid):
    joining.join("contact", astrid.pk, contacts.make({"email": SECOND}, by=SYSTEM), by=SYSTEM)
    new = NewLetter(astrid.pk, world.channel.pk, to=astrid.email, subject="Your tent", text="It is here.")
    letter = letters.write(new, by=world.ada)

    received = threads.receive(mail_to(world, SECOND, letter.thread_id))

    assert (heard(received), received.thread_id) == (HEARD, letter.thread_id)


# ── strangers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", ["unknown", "a contact of other tickets", "a deleted contact", "nobody"])
def test_a_stranger_who_has_seen_the_mail_causes_nothing_T4(world, astrid, bo, run, answer, who):
    ticket, other = world.ticket(contact_id=astrid.pk), world.ticket("Other", contact_id=bo.pk)
    run("send_email", RECEIVED, ticket, other)
    if who == "a deleted contact":
        associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
        archive.archive("contact", [bo.pk], by=SYSTEM)
    elif who == "nobody":  # contacts without an address are not who has none
        nameless = contacts.make({"firstname": "Bo"}, by=SYSTEM)
        associations.connect("ticket", ticket.pk, "contact", nameless, by=SYSTEM)
    close(world, ticket)
    people, thread = Contact.objects.count(), Thread.objects.get(ticket_id=ticket.pk)

    received = answer({"unknown": MALLORY, "nobody": ""}.get(who, BO), ticket)

    assert (heard(received), received.ticket_id, stage_of(ticket)) == (STRANGE, ticket.pk, "Closed")
    assert Thread.objects.get(pk=thread.pk).participants == [astrid.email]
    assert Contact.objects.count() == people


def test_many_answers_from_people_unseen_take_as_many_queries_as_few(world, astrid, bo):
    """R-STAT-17"""
    chosen = [world.ticket(f"T{n}", contact_id=astrid.pk) for n in range(12)]
    Thread.objects.bulk_create(
        Thread(
            account_id=world.account.pk, inbox_id=world.channel.inbox_id, channel_account=world.channel, ticket_id=ticket.pk,
            created_at=clock.now(), last_message_at=clock.now(),
        )
        for ticket in chosen
    )  # fmt: skip
    for ticket in chosen:
        associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    begun = list(Thread.objects.order_by("ticket_id").values_list("pk", flat=True))

    def asked(*, of):
        answers = [mail_to(world, (BO, MALLORY)[thread % 2], thread) for thread in begun[of]]
        with CaptureQueriesContext(connection) as found:
            came = threads.receive_many(answers)
        assert {heard(one) for one in came} == {HEARD, STRANGE}
        return len(found)

    asked(of=slice(0, 2))
    assert asked(of=slice(2, 4)) == asked(of=slice(4, 12))
