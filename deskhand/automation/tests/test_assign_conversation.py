"""Giving conversations to somebody by workflow: a ticket's with the ticket, a contact's without one (R-DM-10)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership
from deskhand.automation.actions import reading
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doing import Before, do, doings
from deskhand.crm.records.models import Contact, Ticket
from deskhand.desk.models import Thread
from deskhand.events.models import EventRow
from deskhand.kernel import clock

DONE, SKIPPED, FAILED = StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED
ACTION = ACTIONS["assign_conversation"]


@pytest.fixture
def astrid(world):
    return world.contact()


def thread(world, contact, **more):
    now = clock.now()
    return Thread.objects.create(
        account_id=world.account.pk, inbox=world.channel.inbox, channel_account=world.channel, contact_id=contact.pk, created_at=now,
        last_message_at=now, **more,
    )  # fmt: skip


def assign(world, settings, ids, object_type, **more):
    return do(world.account.pk, "assign_conversation", settings, ids, object_type, **more)


def to(user, **more):
    return {"assignee": str(user.pk), "overwrite": True} | more


def test_a_contact_s_open_conversations_without_a_ticket_change_hands(world, astrid):
    mine, theirs = thread(world, astrid), thread(world, astrid, assignee_id=world.bob.pk)
    spam, closed = thread(world, astrid, is_spam=True), thread(world, astrid, is_open=False)
    ticket = world.ticket(contact_id=astrid.pk)
    of_ticket = thread(world, astrid, ticket_id=ticket.pk)
    (done,) = assign(world, to(world.grace), [astrid.pk], "contact")

    assert (done.status, done.message) == (DONE, "2 conversations: Given to Grace Hopper")
    owners = dict(Thread.objects.values_list("pk", "assignee_id"))
    assert owners == {
        mine.pk: world.grace.pk,
        theirs.pk: world.grace.pk,
        spam.pk: None,
        closed.pk: None,
        of_ticket.pk: None,
    }
    events = EventRow.objects.filter(kind="thread.assigned")
    assert {(one.actor_kind, one.cause["workflow_id"], one.depth) for one in events} == {("workflow", 7, 1)}


def test_who_has_one_keeps_it_unless_it_is_to_be_taken(world, astrid):
    free, theirs = thread(world, astrid), thread(world, astrid, assignee_id=world.bob.pk)
    (done,) = assign(world, to(world.grace, overwrite=False), [astrid.pk], "contact")
    (again,) = assign(world, to(world.grace, overwrite=False), [astrid.pk], "contact", first=9)

    assert [Thread.objects.get(pk=one.pk).assignee_id for one in (free, theirs)] == [
        world.grace.pk,
        world.bob.pk,
    ]
    assert (done.message, again.message) == (
        "1 conversation: Given to Grace Hopper",
        "It had this owner already.",
    )


def test_a_ticket_s_conversations_go_with_the_ticket(world, astrid):
    ticket = world.ticket(contact_id=astrid.pk)
    (done,) = assign(world, to(world.grace), [ticket.pk], "ticket")
    ticket.refresh_from_db()
    (kept,) = assign(world, to(world.bob, overwrite=False), [ticket.pk], "ticket", first=9)
    (nobody,) = assign(world, {"assignee": "nobody"}, [ticket.pk], "ticket", first=20)

    assert (done.message, ticket.owner_id) == ("Given to Grace Hopper", world.grace.pk)
    assert (kept.message, nobody.message) == ("It had an owner already.", "Given to nobody")
    assert Ticket.objects.get(pk=ticket.pk).owner_id is None


def test_the_owner_of_the_contact_gets_it(world, astrid):
    found = thread(world, astrid)
    settings = {"assignee": "contact_owner"}
    (none,) = assign(world, settings, [astrid.pk], "contact")
    Contact.objects.filter(pk=astrid.pk).update(owner_id=world.bob.pk)
    (done,) = assign(world, settings, [astrid.pk], "contact", first=9)

    assert (none.status, none.message) == (SKIPPED, "The contact has no owner.")
    assert (done.status, Thread.objects.get(pk=found.pk).assignee_id) == (DONE, world.bob.pk)


@pytest.mark.parametrize("object_type", ["contact", "ticket"])
def test_nobody_without_a_seat_gets_anything_R_WFA_9(world, astrid, object_type):
    ticket = world.ticket(contact_id=astrid.pk)
    found = thread(world, astrid)
    Membership.objects.filter(user=world.grace).update(has_seat=False)
    pk = astrid.pk if object_type == "contact" else ticket.pk
    (done,) = assign(world, to(world.grace), [pk], object_type)

    assert done.status is FAILED
    assert (Thread.objects.get(pk=found.pk).assignee_id, Ticket.objects.get(pk=ticket.pk).owner_id) == (
        None,
        None,
    )


def test_without_an_open_conversation_there_is_nothing_to_do(world, astrid):
    (done,) = assign(world, to(world.grace), [astrid.pk], "contact")
    assert (done.status, done.message) == (SKIPPED, "There is no open conversation to assign.")


@pytest.mark.parametrize("object_type", ["contact", "ticket"])
def test_a_trial_and_a_replay_tell_and_change_nothing(world, astrid, object_type):
    ticket, found = world.ticket(contact_id=astrid.pk), thread(world, astrid)
    pk = astrid.pk if object_type == "contact" else ticket.pk
    batch = doings(world.account.pk, "assign_conversation", to(world.grace), [pk], object_type)
    (told,) = ACTION.rehearse(batch)
    assert batch[0].record["created_at"]  # replays have whole records
    done, values = ACTION.foretell(batch[0], Before())

    assert (told.status, done.status) == (DONE, DONE)
    assert values.get("hubspot_owner_id") == (world.grace.pk if object_type == "ticket" else None)
    assert Thread.objects.get(pk=found.pk).assignee_id is None
    assert Ticket.objects.get(pk=ticket.pk).owner_id is None


def test_the_form_reads_back_and_says_what_is_missing(world):
    assert [name for name, _words in ACTION.problems({})] == ["assignee"]
    given = {"object_type": "contact", "assignee": str(world.grace.pk), "overwrite": False}
    around = reading.around("contact")
    typed = reading.settings_typed(ACTION, around, given)
    assert reading.read(reading.form_of(ACTION, around, typed), typed) == given
    assert (ACTION.problems(given), ACTION.summary(given)) == ([], "To Grace Hopper")


def test_it_asks_as_often_for_many_as_for_few(world):
    asked = []
    for name, number, first in (("A", 2, 1), ("B", 9, 20)):
        contacts = [world.contact(f"{name}{n}@a.example", f"{name} {n}") for n in range(number)]
        for contact in contacts:
            thread(world, contact)
        batch = doings(world.account.pk, "assign_conversation", to(world.grace), [one.pk for one in contacts], "contact", first=first)  # fmt: skip
        with CaptureQueriesContext(connection) as seen:
            assert {one.status for one in ACTION.run(batch)} == {DONE}
        asked.append(len(seen))
    assert asked[0] == asked[1]
