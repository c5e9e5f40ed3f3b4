"""Mail to customers from any record, and who does not get it (R-MAIL-4, R-MAIL-9…12, T-ACT-7)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import templates
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import MailTemplate, StepStatus
from deskhand.automation.tests.doings import doing_of
from deskhand.crm.records import associations, objects, subscriptions
from deskhand.crm.records.models import Contact, Deal
from deskhand.crm.records.subscriptions import Choice
from deskhand.delivery import mime
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.types import Mail
from deskhand.desk import blocking
from deskhand.desk.models import Message, Thread
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock

MAIL, MANAGE, STATUS = ACTIONS["send_email"], ACTIONS["manage_subscription"], ACTIONS["set_marketing_status"]


@pytest.fixture
def news(world) -> MailTemplate:
    """A mail of the kind "Marketing information"."""
    subscriptions.ensure_defaults(world.account.pk)
    made = templates.create(world.account.pk, "News", by=SYSTEM)
    kind = subscriptions.kinds(world.account.pk)[1]
    return templates.edit(
        made, subject="News", body="For you", is_transactional=False, subscription_type_id=kind.pk
    )


@pytest.fixture
def astrid(world) -> Contact:
    contact = world.contact()
    Contact.objects.filter(pk=contact.pk).update(properties={"hs_marketable_status": True})
    return contact


def send(world, record, template, number=1, **more):
    settings = {"template": str(template.pk), **more.pop("settings", {})}
    return MAIL.run([doing_of(world, record, settings, enrollment_id=number, **more)])[0]


def test_a_deals_contacts_get_mail_that_begins_a_conversation(world, astrid, news):
    """R-MAIL-9, R-MAIL-10"""
    bo = world.contact("bo@x.example", "Bo")
    Contact.objects.filter(pk=bo.pk).update(properties={"hs_marketable_status": True})
    deal = Deal.objects.get(pk=objects.create("deal", {"dealname": "Fjord"}, by=SYSTEM).id)
    for contact in (astrid, bo):
        associations.connect("deal", deal.pk, "contact", contact.pk, by=SYSTEM)

    done = send(world, deal, news, object_type="deal", settings={"recipients": "all"})

    assert (done.message, done.outputs) == ("Sent to astrid@fjallbo.example, bo@x.example", {"sent": 2})
    assert [thread.contact_id for thread in Thread.objects.order_by("id")] == [astrid.pk, bo.pk]
    assert set(Message.objects.values_list("ticket_id", "is_automatic")) == {(None, True)}
    assert all(e.envelope_from.startswith("support+") for e in OutboxEntry.objects.all())
    again = send(world, deal, news, 2, object_type="deal")
    assert (again.status, again.message) == (
        StepStatus.SKIPPED,
        "The same mail went out about this less than 24 hours ago.",
    )


def test_only_the_first_contact_gets_it_unless_all_are_asked_for(world, astrid, news):
    """R-MAIL-9"""
    ticket, bo = world.ticket(contact_id=astrid.pk), world.contact("bo@x.example", "Bo")
    Contact.objects.filter(pk=bo.pk).update(properties={"hs_marketable_status": True})
    associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    assert send(world, ticket, news).message == "Sent to astrid@fjallbo.example"
    other = world.ticket("Other", contact_id=astrid.pk)
    associations.connect("ticket", other.pk, "contact", bo.pk, by=SYSTEM)
    assert send(world, other, news, 2, settings={"recipients": "all"}).outputs == {"sent": 2}


@pytest.mark.usefixtures("wired")
def test_mail_of_a_kind_can_be_left_by_one_click_and_other_mail_says_nothing_of_it(world, astrid, news):
    """R-MAIL-2, R-MAIL-3, RFC 8058"""
    templates.ensure_defaults(world.account.pk)
    ticket = world.ticket(contact_id=astrid.pk)
    send(world, ticket, news)
    send(world, ticket, MailTemplate.objects.get(key="ticket_received"), 2)

    first, second = (
        Mail.from_payload({**entry.payload, "subject": message.subject, "text": message.text})
        for entry, message in zip(
            OutboxEntry.objects.order_by("id"), Message.objects.order_by("id"), strict=True
        )
    )
    headers = dict(first.headers)
    url = headers["List-Unsubscribe"].strip("<>")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url in first.text
    assert "/unsubscribe/" in url
    link = subscriptions.read_token(url.rpartition("/")[2])
    assert (link.contact_id, link.type_id) == (astrid.pk, news.subscription_type_id)
    assert second.headers == ()
    assert "unsubscribe" not in second.text
    raw = mime.render(first, account_id=world.account.pk, message_id="<1@x>", at=clock.now())
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw


@pytest.mark.parametrize("everything", [True, False])
def test_who_wants_no_such_mail_gets_none_but_about_their_requests(world, astrid, news, everything):
    """R-MAIL-12"""
    templates.ensure_defaults(world.account.pk)
    choice = Choice(astrid.pk, None if everything else news.subscription_type_id, False)
    subscriptions.choose([choice], source=subscriptions.PAGE, by=SYSTEM)
    ticket = world.ticket(contact_id=astrid.pk)

    assert send(world, ticket, news).message == "The contact does not want such mail."
    assert (
        send(world, ticket, MailTemplate.objects.get(key="ticket_received"), 2).status == StepStatus.SUCCEEDED
    )


def test_t_act_7_who_is_no_marketing_contact_gets_what_is_about_their_request_only(world, news):
    """R-MAIL-2, R-MAIL-4"""
    templates.ensure_defaults(world.account.pk)
    ticket = world.ticket(contact_id=world.contact().pk)
    refused = send(world, ticket, news)
    assert refused.status == StepStatus.SKIPPED
    assert "marketing contacts only" in refused.message
    assert (
        send(world, ticket, MailTemplate.objects.get(key="ticket_received"), 2).status == StepStatus.SUCCEEDED
    )


def test_blocked_and_broken_addresses_get_nothing(world, astrid, news):
    """R-MAIL-12"""
    ticket = world.ticket(contact_id=astrid.pk)
    blocking.block(astrid.email, by=Actor.user(world.ada.pk))
    assert send(world, ticket, news).message == "This address is blocked."
    Contact.objects.filter(pk=astrid.pk).update(bounced_at=clock.now())
    assert "came back" in send(world, ticket, news, 2).message


def test_an_address_gets_five_an_hour_whatever_they_are_about(world, astrid, news):
    """R-MAIL-12"""
    made = [send(world, world.ticket(f"T{n}", contact_id=astrid.pk), news, n) for n in range(6)]
    assert [one.status for one in made] == [StepStatus.SUCCEEDED] * 5 + [StepStatus.SKIPPED]


def test_an_address_gets_five_an_hour_in_other_people_s_tickets_too(world, astrid, news):
    """R-MAIL-12: whoever's the tickets are in which a contact is written to."""
    bo = world.contact("bo@x.example", "Bo")
    Contact.objects.filter(pk=bo.pk).update(properties={"hs_marketable_status": True})
    for number in range(5):
        other = world.contact(f"c{number}@x.example", "C")
        ticket = world.ticket(f"T{number}", contact_id=other.pk)
        associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
        done = send(world, ticket, news, number, settings={"recipients": "all"})
        assert done.message == "Sent to bo@x.example"

    own = send(world, world.ticket("Own", contact_id=bo.pk), news, 5)
    assert (own.status, own.message) == (
        StepStatus.SKIPPED, "bo@x.example got 5 automatic messages within an hour.",
    )  # fmt: skip
    assert send(world, bo, news, 6, object_type="contact").status == StepStatus.SKIPPED
    ticket = world.ticket("Astrid's", contact_id=astrid.pk)
    associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
    assert send(world, ticket, news, 7, settings={"recipients": "all"}).outputs == {"sent": 1}


def test_a_mail_to_two_contacts_of_a_ticket_counts_once_for_each(world, astrid, news):
    """R-MAIL-12"""
    bo = world.contact("bo@x.example", "Bo")
    Contact.objects.update(properties={"hs_marketable_status": True})
    for number in range(5):
        ticket = world.ticket(f"T{number}", contact_id=astrid.pk)
        associations.connect("ticket", ticket.pk, "contact", bo.pk, by=SYSTEM)
        assert send(world, ticket, news, number, settings={"recipients": "all"}).outputs == {"sent": 2}


def queries_of(batch):
    """How many it takes to send these mails."""
    with CaptureQueriesContext(connection) as found:
        assert all(done.status == StepStatus.SUCCEEDED for done in MAIL.run(batch))
    return len(found)


def test_mail_begins_the_conversations_of_many_tickets_with_as_many_queries(world, news):
    """R-MAIL-10: with whom it goes to in them."""
    tickets = [world.ticket(f"T{n}", contact_id=world.contact(f"c{n}@x.example", "C").pk) for n in range(9)]
    Contact.objects.update(properties={"hs_marketable_status": True})
    made = [
        doing_of(world, one, {"template": str(news.pk)}, enrollment_id=n) for n, one in enumerate(tickets)
    ]

    queries_of(made[:1])
    assert queries_of(made[1:3]) == queries_of(made[3:9])
    threads = Thread.objects.order_by("ticket_id")
    assert [(t.ticket_id, t.participants) for t in threads] == [
        (ticket.pk, [f"c{n}@x.example"]) for n, ticket in enumerate(tickets)
    ]


def test_a_rehearsal_sends_nothing_and_says_who_would_get_it(world, astrid, news):
    settings = {"template": str(news.pk)}
    (done,) = MAIL.rehearse([doing_of(world, world.ticket(contact_id=astrid.pk), settings)])
    assert done.message == "Sent to astrid@fjallbo.example"
    assert not OutboxEntry.objects.exists()
    assert not Message.objects.exists()


def test_many_mails_cost_no_more_queries_than_few(world, news):
    made = []
    for number in range(9):
        contact = world.contact(f"c{number}@x.example", f"C{number}")
        Contact.objects.filter(pk=contact.pk).update(properties={"hs_marketable_status": True})
        made.append(
            doing_of(world, contact, {"template": str(news.pk)}, object_type="contact", enrollment_id=number)
        )
        assert made[-1].record["contact"]["email"]

    queries_of(made[:1])
    assert queries_of(made[1:3]) == queries_of(made[3:9])


# ── who wants what ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_workflow_changes_what_a_contact_gets_with_its_cause(world, astrid, news):
    ticket, kind = world.ticket(contact_id=astrid.pk), str(news.subscription_type_id)
    off = {"subscription": kind, "change": "off"}
    (done,) = MANAGE.run([doing_of(world, ticket, off, workflow_id=7)])
    (again,) = MANAGE.run([doing_of(world, ticket, off, workflow_id=7)])

    assert (done.message, again.message) == (
        "Unsubscribe: Marketing information",
        "The contact had it that way already.",
    )
    event = EventRow.objects.get(kind="contact.unsubscribed")
    assert (event.object_id, event.actor_kind, event.actor_id, event.depth) == (astrid.pk, "workflow", 7, 1)
    assert subscriptions.refusing(world.account.pk, [astrid.pk], [news.subscription_type_id]) == {astrid.pk}

    MANAGE.run([doing_of(world, ticket, {"subscription": "all", "change": "off"})])
    MANAGE.run([doing_of(world, ticket, {"subscription": kind, "change": "on"})])
    assert subscriptions.refusing(world.account.pk, [astrid.pk], [news.subscription_type_id]) == set()


def test_two_contacts_and_twenty_choose_with_as_many_queries(world, news):
    kind = str(news.subscription_type_id)

    def queries(count):
        people = [world.contact(f"{count}-{number}@x.example", "P") for number in range(count)]
        tickets = [world.ticket(contact_id=one.pk) for one in people]
        for change, subscription in (("off", "all"), ("on", kind)):
            asked = {"subscription": subscription, "change": change}
            doings = [doing_of(world, ticket, asked, workflow_id=7) for ticket in tickets]
            with CaptureQueriesContext(connection) as captured:
                done = MANAGE.run(doings)
        assert {one.message for one in done} == {"Subscribe: Marketing information"}
        assert subscriptions.refuse_all(world.account.pk, [one.pk for one in people]) == set()
        return len(captured)

    assert queries(2) == queries(20)


def test_a_workflow_sets_who_is_a_marketing_contact(world):
    contact = world.contact()
    ticket = world.ticket(contact_id=contact.pk)
    (planned,) = STATUS.rehearse([doing_of(world, ticket, {"status": "yes"})])
    (done,) = STATUS.run([doing_of(world, ticket, {"status": "yes"})])
    (again,) = STATUS.run([doing_of(world, ticket, {"status": "yes"})])
    assert (planned.message, done.message, again.message) == (
        "A marketing contact", "A marketing contact", "The contact had it that way already."
    )  # fmt: skip
    assert Contact.objects.get(pk=contact.pk).properties["hs_marketable_status"] is True
    (nobody,) = STATUS.run([doing_of(world, world.ticket(), {"status": "no"})])
    assert nobody.status == StepStatus.SKIPPED


def test_a_merged_contact_brings_what_it_did_not_want(world, astrid, news):
    """R-MERGE-7"""
    from deskhand.crm.records import joining

    other = world.contact("b@x.example", "B")
    subscriptions.choose(
        [Choice(other.pk, news.subscription_type_id, False)], source=subscriptions.PAGE, by=SYSTEM
    )
    link = subscriptions.Link(world.account.pk, other.pk, None)
    joining.join("contact", astrid.pk, other.pk, by=Actor.user(world.ada.pk))
    assert subscriptions.refusing(world.account.pk, [astrid.pk], [news.subscription_type_id]) == {astrid.pk}
    found = subscriptions.contact_of(link)
    assert found is not None
    assert found.pk == astrid.pk


@pytest.mark.parametrize(
    ("action", "settings"),
    [
        (MANAGE, {"subscription": "all", "change": "on"}),
        (STATUS, {"status": "no"}),
        (MAIL, {"recipients": "all"}),
    ],
)
def test_their_forms_read_back_and_what_is_missing_is_said(world, news, action, settings):
    whole = settings | ({"template": str(news.pk)} if action is MAIL else {})
    around = reading.around("ticket")
    typed = reading.settings_typed(action, around, whole)
    assert reading.read(reading.form_of(action, around, typed), typed) == whole
    assert action.problems(whole) == []
    assert action.problems({}) != []
    assert action.summary(whole)
