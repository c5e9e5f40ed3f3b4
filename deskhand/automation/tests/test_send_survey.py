"""Asking customers how it went (R-FBK-3), by a keeper of surveys and a channel that stay in this process."""

from __future__ import annotations

import pytest

from deskhand.automation.actions import reading, texting
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doing import Before, do, doings
from deskhand.crm.records.models import Contact
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import blocking, inboxes
from deskhand.desk.channels import ApprovedTemplate
from deskhand.desk.models import Message
from deskhand.desk.surveys import Survey
from deskhand.events.types import SYSTEM, Actor
from deskhand.testing.channels import DAY, Phones, Surveys, connect, plugged_in

DONE, SKIPPED, FAILED = StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED
ACTION = ACTIONS["send_survey"]
ASKING = ApprovedTemplate("asking", "Hello {{1}}, how was it? {{2}}")
MAIL = {"survey": "csat", "from": "email", "subject": "About “{{ ticket.subject }}”", "text": "How was it?"}


@pytest.fixture
def keeper():
    return Surveys()


@pytest.fixture
def sms():
    return Phones("sms", longest=300)


@pytest.fixture
def whatsapp():
    return Phones("whatsapp", window=DAY, approved=[ASKING])


@pytest.fixture
def plugged(keeper, sms, whatsapp):
    with plugged_in(sms, whatsapp, keeper=keeper):
        yield


@pytest.fixture
def numbers(world, plugged):
    return connect(world.channel.inbox)


@pytest.fixture
def astrid(world):
    contact = world.contact()
    Contact.objects.filter(pk=contact.pk).update(phone="+45 20 12 34 56")
    return contact


def ask(world, settings, *tickets, **more):
    return do(world.account.pk, "send_survey", settings, [ticket.pk for ticket in tickets], **more)


def said():
    return Message.objects.filter(is_automatic=True, direction="OUT").order_by("id")


def link(ticket):
    return f"https://desk.example/s/csat-{ticket.pk}"


# ── where it is offered ──────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_offered_where_there_is_a_survey_and_something_to_send_it_by(world, keeper):
    assert not ACTION.is_offered(world.account.pk)
    assert ACTION.problems(MAIL)[0] == (
        "survey",
        "There is no survey to send. Make one, or take this step out.",
    )
    with plugged_in(keeper=keeper):
        assert ACTION.is_offered(world.account.pk)
        assert ACTION.problems(MAIL) == []
        inboxes.disconnect(world.channel, by=SYSTEM)
        assert not ACTION.is_offered(world.account.pk)
        assert [name for name, _words in ACTION.problems(MAIL)] == ["from"]


def test_what_is_missing_is_said_and_the_form_reads_back(world, numbers):
    phone = {"survey": "csat", "from": texting.named(numbers["whatsapp"]), "text": ""}
    wrong = {
        "survey": MAIL | {"survey": "gone"}, "from": MAIL | {"from": "sms:+4599"}, "subject": MAIL | {"subject": ""},
        "text": phone, "template": phone | {"template": "asking", "value_1": "A", "value_2": "B"},
    }  # fmt: skip
    assert {
        field: next(name for name, _words in ACTION.problems(settings)) for field, settings in wrong.items()
    } == {field: field for field in wrong}
    for given in (MAIL, phone | {"template": "asking", "value_1": "A", "value_2": "{{ survey.link }}"}):
        around = reading.around("ticket")
        typed = reading.settings_typed(ACTION, around, given)
        assert reading.read(reading.form_of(ACTION, around, typed), typed) == given
        assert (ACTION.problems(given), ACTION.summary(given)) == ([], "Satisfaction")


# ── what it does ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_mail_it_stands_in_the_ticket_s_conversation_with_its_link(world, numbers, astrid):
    ticket = world.ticket("Parcel", contact_id=astrid.pk)
    (done,) = ask(world, MAIL, ticket)

    (message,) = said()
    assert (done.status, done.message) == (DONE, f"Sent to {astrid.email}")
    assert (message.ticket_id, message.subject) == (ticket.pk, "About “Parcel”")
    assert message.text == f"How was it?\n{link(ticket)}"
    assert OutboxEntry.objects.get().transport == "mail"


def test_the_link_stands_where_the_text_has_it(world, numbers, astrid):
    ticket = world.ticket(contact_id=astrid.pk)
    ask(world, MAIL | {"text": "Click {{ survey.link }} now"}, ticket)
    assert said().get().text == f"Click {link(ticket)} now"


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_on_phones_it_leaves_as_the_channel_takes_it_R_WA_2_R_WA_3(world, numbers, astrid, channel):
    ticket = world.ticket(contact_id=astrid.pk)
    more = {"template": "asking", "value_1": "{{ contact.first_name }}", "value_2": "{{ survey.link }}"}
    settings = {"survey": "csat", "from": texting.named(numbers[channel]), "text": "How was it?"}
    (done,) = ask(world, settings | (more if channel == "whatsapp" else {}), ticket)

    assert done.message == "Sent to +4520123456"
    expected = f"Hello Astrid, how was it? {link(ticket)}" if channel == "whatsapp" else f"How was it?\n{link(ticket)}"  # fmt: skip
    assert said().get().text == expected
    values = ["Astrid", link(ticket)] if channel == "whatsapp" else []
    assert OutboxEntry.objects.get().payload["values"] == values


def test_who_keeps_surveys_says_whom_to_ask_R_FBK_4(world, numbers, astrid, keeper):
    ticket, other = (world.ticket(f"T{n}", contact_id=astrid.pk) for n in range(2))
    assert [one.status for one in ask(world, MAIL, ticket, other)] == [DONE, DONE]
    (again,) = ask(world, MAIL, ticket, first=30)

    assert (again.status, again.message) == (SKIPPED, "This customer was asked already.")
    assert said().count() == 2


def test_who_can_not_be_reached_is_not_even_counted_as_asked(world, numbers, astrid, keeper):
    ticket = world.ticket(contact_id=astrid.pk)
    blocking.block(astrid.email, by=Actor.user(world.ada.pk))
    answers = ask(world, MAIL, ticket, world.ticket(), world.ticket(contact_id=astrid.pk, is_spam=True))

    assert [(one.status, one.message) for one in answers] == [
        (SKIPPED, "This address is blocked."), (SKIPPED, "There is no contact with an address."), (SKIPPED, "The ticket is spam."),
    ]  # fmt: skip
    assert keeper.invited == {}


def test_a_survey_or_a_number_that_is_gone_fails_and_says_the_way_out(world, numbers, astrid, keeper):
    ticket = world.ticket(contact_id=astrid.pk)
    by_phone = MAIL | {"from": texting.named(numbers["sms"])}
    inboxes.disconnect(numbers["sms"], by=SYSTEM)
    answers = ask(world, by_phone, ticket)
    keeper.known[:] = [Survey("nps", "Loyalty")]
    answers += ask(world, MAIL, ticket)

    assert [one.status for one in answers] == [FAILED, FAILED]
    assert all("in the step" in one.message for one in answers)


def test_a_trial_and_a_replay_tell_and_send_nothing(world, numbers, astrid):
    ticket = world.ticket(contact_id=astrid.pk)
    batch = doings(world.account.pk, "send_survey", MAIL, [ticket.pk])
    (told,) = ACTION.rehearse(batch)
    assert told.message == ACTION.foretell(batch[0], Before())[0].message == f"Sent to {astrid.email}"
    assert not said().exists()
    assert not OutboxEntry.objects.exists()
