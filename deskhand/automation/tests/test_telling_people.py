"""Telling our own people from a workflow: in the bell, and by mail (R-WFA-5, R-WFA-6, R-WFA-7, R-NOT-8, R-NOT-16)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy, roles
from deskhand.accounts.models import Membership
from deskhand.automation.actions.once import reading_once
from deskhand.automation.actions.reading import around
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import StepLog, StepStatus, Workflow
from deskhand.automation.tests.calling import step, workflow_of
from deskhand.automation.tests.doings import doing_of
from deskhand.automation.tests.test_runner import settle_in_scope
from deskhand.crm.records import associations, companies, objects
from deskhand.crm.records.models import Company, Contact, Deal, Ticket
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.notifications import reading, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways

NOTIFY, MAIL = ACTIONS["notify"], ACTIONS["internal_email"]


def told(world, user):
    return reading.lines(policy.viewer_for(world.account.pk, user.pk))[0]


def test_it_stands_in_the_bell_of_everybody_named_once(world, settle):
    flow = workflow_of(
        world.account.pk,
        step(1, "notify", users=[world.ada.pk], teams=[world.team.pk], owner=True, subject="Look at {{ ticket.subject }}", body="Soon"),
    )  # fmt: skip
    world.ticket("Refund", owner_id=world.ada.pk)
    settle_in_scope(settle)

    (line,) = [one for one in told(world, world.ada) if one.topic is Topic.NOTICE]
    assert (line.text, line.subject) == ("Look at Refund: Soon", "Refund")
    everyone = set(Notification.objects.filter(topic="notice").values_list("user_id", flat=True))
    assert everyone == {one.pk for one in (world.ada, world.grace, world.bob, world.eve, world.nils)}
    (log,) = StepLog.objects.filter(workflow_id=flow.pk)
    assert log.status == StepStatus.SUCCEEDED
    assert log.data["outputs"] == {"told": 5}


def test_each_is_told_by_the_ways_that_they_chose(world):
    """R-NOT-12"""
    wishes.choose(world.account.pk, world.ada.pk, {Topic.NOTICE: Ways(bell=False, mail=True)})
    ticket = world.ticket("Refund")
    doing = doing_of(
        world, ticket, {"users": [world.ada.pk, world.bob.pk], "subject": "Late", "body": "Two days"}
    )

    (done,) = NOTIFY.run([doing])

    assert (told(world, world.ada), len(told(world, world.bob)), done.outputs) == ([], 1, {"told": 2})
    (entry,) = OutboxEntry.objects.filter(recipients=[world.ada.email])
    assert entry.payload["subject"] == "Late"
    assert f"/inbox/all-open/{ticket.pk}" in entry.payload["text"]
    assert "Two days" in entry.payload["text"]
    assert entry.idempotency_key == f"{doing.key}:{world.ada.pk}"


def test_who_may_not_see_the_record_is_not_told(world):
    """R-NOT-16"""
    own = roles.create(world.account.pk, "Own", {"records": {"ticket": {"view": "own"}}}, by=SYSTEM)
    Membership.objects.filter(user=world.bob).update(role=own)
    ticket = world.ticket()

    first, second = NOTIFY.run(
        [doing_of(world, ticket, {"users": ids, "subject": "x"}, step_id=str(n)) for n, ids in enumerate([[world.bob.pk], [world.bob.pk, world.ada.pk]])]
    )  # fmt: skip

    assert (first.status, first.message) == (StepStatus.SKIPPED, "None of them may see this record.")
    assert second.outputs == {"told": 1}
    assert not Notification.objects.filter(user_id=world.bob.pk).exists()


def test_a_deal_is_told_of_by_its_name_to_those_who_may_see_deals(world):
    deal = objects.create("deal", {"dealname": "Fjord"}, by=SYSTEM)
    row = Deal.objects.get(pk=deal.id)
    NOTIFY.run(
        [doing_of(world, row, {"users": [world.ada.pk, world.bob.pk], "subject": "Big"}, object_type="deal")]
    )

    (line,) = told(world, world.bob)
    assert (line.about_name, line.text, line.about_kind, line.ticket_id) == ("Fjord", "Big", "deal", None)
    tickets_only = roles.create(world.account.pk, "T", {"records": {"ticket": {"view": "all"}}}, by=SYSTEM)
    Membership.objects.filter(user=world.bob).update(role=tickets_only)
    assert told(world, world.bob) == []
    assert reading.unread(policy.viewer_for(world.account.pk, world.bob.pk)) == 0
    no_deals = roles.create(world.account.pk, "N", {"records": {"*": {"view": "all"}, "deal": {}}}, by=SYSTEM)
    Membership.objects.filter(user=world.bob).update(role=no_deals)
    assert told(world, world.bob) == []


@pytest.mark.parametrize("action", [NOTIFY, MAIL])
def test_nobody_to_tell_is_skipped_and_somebody_who_left_is_a_failure(world, action):
    """R-WFA-6, R-WFA-7"""
    ticket = world.ticket(contact_id=world.contact().pk)
    said = {"subject": "x"}
    nobody = [{"owner": True} | said, {"contact_owner": True} | said]
    skipped = action.run([doing_of(world, ticket, one, step_id=str(n)) for n, one in enumerate(nobody)])
    assert [(one.status, one.message) for one in skipped] == [
        (StepStatus.SKIPPED, "The record has no owner."), (StepStatus.SKIPPED, "The contact has no owner.")
    ]  # fmt: skip

    Membership.objects.filter(user=world.bob).update(is_active=False)
    settings = {"users": [world.bob.pk, world.ada.pk]} | said
    (gone,) = action.run([doing_of(world, ticket, settings)])
    assert (gone.status, gone.message) == (StepStatus.FAILED, "This person is not active any more: Bob Noyce")
    assert action.problems(settings) == [("users", "This person is not active any more: Bob Noyce")]
    assert not Notification.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_a_step_that_names_somebody_who_left_needs_a_look(world, settle):
    """R-WFA-7, R-LOG-7"""
    Membership.objects.filter(user=world.bob).update(is_active=False)
    flow = workflow_of(world.account.pk, step(1, "notify", users=[world.bob.pk], subject="x"))
    world.ticket()
    settle_in_scope(settle)
    assert "Bob Noyce" in Workflow.objects.get(pk=flow.pk).needs_review


@pytest.mark.parametrize("action", [NOTIFY, MAIL])
def test_the_owner_of_the_contact_is_told(world, action):
    """R-WFA-5"""
    contact = world.contact()
    type(contact).objects.filter(pk=contact.pk).update(owner_id=world.grace.pk)
    (done,) = action.run(
        [doing_of(world, world.ticket(contact_id=contact.pk), {"contact_owner": True, "subject": "x"})]
    )
    assert done.message == "Told Grace Hopper"
    assert done.outputs == {"told": 1}


@pytest.mark.parametrize("action", [NOTIFY, MAIL])
def test_the_owners_of_its_company_and_of_all_linked_records_are_told_R_WFA_5(world, action):
    kept, gone, free = (objects.create("deal", {"dealname": name}, by=SYSTEM).id for name in ("A", "B", "C"))
    Deal.objects.filter(pk=kept).update(owner_id=world.bob.pk)
    Deal.objects.filter(pk=gone).update(owner_id=world.eve.pk, archived_at=clock.now())
    company = companies.create("Fjällbo", by=SYSTEM).pk
    Company.objects.filter(pk=company).update(owner_id=world.ada.pk)
    contact, ticket, alone = world.contact(), world.ticket("One"), world.ticket("Two")
    Contact.objects.filter(pk=contact.pk).update(company_id=company)
    Ticket.objects.filter(pk=ticket.pk).update(contact_id=contact.pk)
    for deal in (kept, gone, free):
        associations.connect("ticket", ticket.pk, "deal", deal, by=SYSTEM)
    offered = {
        one.name: [option.value for option in one.options] for one in action.form(around("ticket"), {})
    }
    both = {
        "object_type": "ticket",
        "company_owner": True,
        "associate": ["deal"],
        "which": "all",
        "subject": "x",
    }
    said = [both, {"company_owner": True, "subject": "x"}, {"associate": ["deal"], "subject": "x"}]

    told_ = [action.run([doing_of(world, ticket, one, step_id=str(n))])[0] for n, one in enumerate(said)]
    nobody = [action.run([doing_of(world, alone, one, step_id=str(n))])[0] for n, one in enumerate(said)]

    assert [one.message for one in told_] == [
        "Told Ada Lovelace, Bob Noyce",
        "Told Ada Lovelace",
        "Told Bob Noyce",
    ]
    assert [one.message for one in nobody] == [
        "The company has no owner.", "The company has no owner.", "No linked record has an owner.",
    ]  # fmt: skip
    assert {one.status for one in nobody} == {StepStatus.SKIPPED}
    assert action.problems(both) == []
    assert [field for field, _said in action.problems(both | {"associate": ["deal:999999"]})] == ["associate"]
    assert "company_owner" in offered
    assert {"contact", "company", "deal", "project"} <= set(offered["associate"])


@pytest.mark.parametrize("action", [NOTIFY, MAIL])
def test_a_rehearsal_tells_nobody(world, action):
    (done,) = action.rehearse([doing_of(world, world.ticket(), {"users": [world.ada.pk], "subject": "x"})])
    assert done.message == "Told Ada Lovelace"
    assert not Notification.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_many_cost_no_more_queries_than_few(world):
    made = [
        doing_of(
            world,
            world.ticket(f"T{n}"),
            {"teams": [world.team.pk], "associate": ["deal", "contact"], "subject": "x"},
            enrollment_id=n,
        )
        for n in range(12)
    ]

    def asked(batch):
        with CaptureQueriesContext(connection) as found:
            NOTIFY.run(batch)
        return len(found)

    for doing in made:
        doing.record.among.read_all()
    asked(made[:1])
    assert asked(made[1:3]) == asked(made[3:12])


def test_what_is_missing_is_said(world):
    assert [name for name, _words in NOTIFY.problems({})] == ["users", "subject"]
    assert [name for name, _words in NOTIFY.problems({"owner": True, "subject": "{{ x"})] == ["subject"]


def allow(world, on):
    world.account.features = {"raw_addresses": True} if on else {}
    world.account.save(update_fields=["features"])


def test_addresses_of_others_are_mailed_only_where_the_account_lets_it_R_WFA_5(world):
    settings = {
        "addresses": f"Otto@lager.example, otto@lager.example, {world.ada.email}",
        "users": [world.ada.pk],
        "body": "Look",
    }
    doing = doing_of(world, world.ticket(), settings)
    doing = doing._replace(record={**doing.record, "originating_thread_id": 7})
    (done,) = MAIL.run([doing])
    assert (done.status, OutboxEntry.objects.count()) == (StepStatus.FAILED, 0)
    assert "only its own people" in done.message
    assert [name for name, _words in MAIL.problems(settings)] == ["addresses"]
    assert "addresses" not in {one.name for one in MAIL.form(around("ticket"), {})}

    allow(world, True)
    (done,) = MAIL.run([doing])

    assert done.outputs == {"told": 2}
    assert done.message.endswith("Otto@lager.example")
    sent = {one.recipients[0]: one for one in OutboxEntry.objects.all()}
    assert sent.keys() == {world.ada.email, "Otto@lager.example"}
    assert sent[world.ada.email].payload["reply_to"]
    assert not sent["Otto@lager.example"].payload[
        "reply_to"
    ]  # the mark would let a stranger write into the ticket
    assert MAIL.problems(settings) == []


@pytest.mark.parametrize(
    "addresses", ["otto", "otto@", "a@b.example, x y@", ", ".join(f"a{n}@b.example" for n in range(51))]
)
def test_what_is_no_address_is_said_before(world, addresses):
    allow(world, True)
    assert [name for name, _words in MAIL.problems({"addresses": addresses})] == ["addresses"]


def test_an_address_alone_is_enough(world):
    allow(world, True)
    assert MAIL.problems({"addresses": "Otto@lager.example"}) == []
    (done,) = MAIL.run([doing_of(world, world.ticket(), {"addresses": "otto@lager.example", "owner": True})])
    assert done.outputs == {"told": 1}


def test_what_is_told_says_to_whom_in_one_sentence_R_WFA_5(world):
    subject = {"subject": "Look at {{ ticket.subject }}"}
    everybody = {
        "owner": True, "contact_owner": True, "company_owner": True, "associate": ["deal"], "users": [world.grace.pk, world.ada.pk],
    }  # fmt: skip

    for action in (NOTIFY, MAIL):
        assert action.summary(
            subject | {"users": [world.grace.pk], "teams": [world.team.pk], "owner": True}
        ) == ("Look at {{ ticket.subject }} – to the record’s owner, Grace Hopper, Support")
        assert action.summary(subject | {"associate": ["deal"]}).endswith(
            "– to the owners of linked records (Deal)"
        )
        assert action.summary(subject | everybody).endswith(
            "– to the record’s owner, the contact’s owner, the company’s owner, 3 more"
        )
        assert action.summary(subject) == "Look at {{ ticket.subject }}"
    assert MAIL.summary(subject | {"addresses": "a@x.example, b@x.example"}).endswith(
        "– to a@x.example, b@x.example"
    )
    with reading_once(), CaptureQueriesContext(connection) as one:
        NOTIFY.summary(subject | {"owner": True})
        assert len(one) == 0
        NOTIFY.summary(subject | everybody | {"teams": [world.team.pk]})
        asked = len(one)
        NOTIFY.summary(subject | {"users": [world.bob.pk], "teams": [world.team.pk]})
        assert len(one) == asked
