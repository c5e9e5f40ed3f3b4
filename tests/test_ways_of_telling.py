"""By which ways people are told: one plan for all that is told, its locks and switches."""

from __future__ import annotations

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.accounts.policy import viewer_for
from deskhand.crm.records import tickets
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import replies, threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.notifications import reading, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Default, ForAll, Ways
from deskhand.routing import availability
from deskhand.routing.types import Status


@pytest.fixture
def ticket_id(world, settle):
    """A ticket of Grace's, of which nobody was told yet."""
    at = clock.now()
    said = InboundMessage(
        external_id="1@x", sender=Mailbox("astrid@fjallbo.example", "Astrid"), subject="Refund", text="Where is it?", received_at=at,
    )  # fmt: skip
    received = threads.receive(Incoming(world.channel.pk, said), at=at)
    tickets.assign(received.ticket_id, owner_id=world.grace.pk, by=SYSTEM)
    settle()
    Notification.objects.all().delete()
    OutboxEntry.objects.all().delete()
    return received.ticket_id


@pytest.fixture
def mention(world, ticket_id, settle):
    """Ada names Bob."""

    def name():
        replies.comment(ticket_id, f"@{world.bob.username} look", by=world.ada)
        settle()

    return name


def lines(world, user):
    return reading.lines(viewer_for(world.account.pk, user.pk))[0]


def mails_to(user):
    return [entry for entry in OutboxEntry.objects.all() if entry.recipients == [user.email]]


def say(world, topic, ways, *, is_locked=False):
    wishes.set_defaults(world.account.pk, {topic: Default(ways, is_locked)}, by=Actor.user(world.ada.pk))


# ── locked by an administrator ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_locked_counts_more_than_what_one_chose_and_switched_off_R_NOT_12(world, mention):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(bell=True)})
    wishes.set_for_all(world.account.pk, world.bob.pk, ForAll(off=["mail"]))
    say(world, Topic.MENTION, Ways(mail=True), is_locked=True)

    mention()

    assert lines(world, world.bob) == []
    assert len(mails_to(world.bob)) == 1


def test_when_a_lock_is_taken_away_what_one_chose_counts_again_R_NOT_12(world, mention):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(bell=True)})
    say(world, Topic.MENTION, Ways(mail=True), is_locked=True)
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(bell=True, mail=True)})
    say(world, Topic.MENTION, Ways(mail=True))

    mention()

    assert len(lines(world, world.bob)) == 1
    assert mails_to(world.bob) == []


@pytest.mark.parametrize(("ways", "are_asking"), [(Ways(bell=True), True), (Ways(), False)])
def test_of_nobodys_tickets_those_hear_who_are_made_to_R_NOT_12(world, ways, are_asking):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.UNASSIGNED: Ways(bell=not ways.bell)})
    wishes.choose(world.account.pk, world.grace.pk, {Topic.UNASSIGNED: Ways(bell=True)})
    say(world, Topic.UNASSIGNED, ways, is_locked=True)

    asking = wishes.asking_for(world.account.pk, Topic.UNASSIGNED)

    assert (world.bob.pk in asking) is (world.grace.pk in asking) is are_asking


def test_who_switched_all_off_that_they_chose_is_not_asked_about_nobodys_tickets_R_NOT_5(world):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.UNASSIGNED: Ways(mail=True)})
    wishes.choose(world.account.pk, world.grace.pk, {Topic.UNASSIGNED: Ways(bell=True, mail=True)})
    for user in (world.bob, world.grace):
        wishes.set_for_all(world.account.pk, user.pk, ForAll(off=["mail"]))

    assert wishes.asking_for(world.account.pk, Topic.UNASSIGNED) == {world.grace.pk}


def test_a_lock_is_kept_in_the_log_R_NOT_12(world):
    say(world, Topic.MENTION, Ways(bell=True, mail=True, popup=True), is_locked=True)

    [entry] = AuditEntry.objects.filter(action="notification_defaults.updated")

    assert (entry.before["mention"], entry.after["mention"]) == (
        ["bell", "mail", "popup"], ["bell", "mail", "popup", "locked"]
    )  # fmt: skip


# ── a whole way at once ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_way_that_is_off_brings_nothing_and_its_topics_stay_chosen_R_NOT_5(world, mention):
    wishes.set_for_all(world.account.pk, world.bob.pk, ForAll(off=["mail"]))
    mention()
    assert mails_to(world.bob) == []
    assert len(lines(world, world.bob)) == 1
    assert wishes.of_many(world.account.pk, [world.bob.pk]).choice(world.bob.pk, Topic.MENTION).mail

    wishes.set_for_all(world.account.pk, world.bob.pk, ForAll())
    mention()
    assert len(mails_to(world.bob)) == 1


def test_who_clears_all_is_told_of_nothing_until_they_follow_the_account_again_R_NOT_5(world, mention):
    wishes.clear(world.account.pk, world.bob.pk, list(Topic))
    mention()
    assert lines(world, world.bob) == mails_to(world.bob) == []

    wishes.forget(world.account.pk, world.bob.pk)
    mention()
    assert len(lines(world, world.bob)) == len(mails_to(world.bob)) == 1


# ── pop-ups ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_only_pops_up_is_read_in_the_list_R_NOT_4(world, mention):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(popup=True)})
    mention()

    [line] = lines(world, world.bob)

    assert (line.pops_up, line.is_unread) == (True, False)
    assert reading.unread(viewer_for(world.account.pk, world.bob.pk)) == 0


def test_nothing_pops_up_for_who_is_away_and_it_waits_in_the_bell_R_NOT_14(world, mention):
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(popup=True)})
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AWAY, by=SYSTEM)
    mention()

    [line] = lines(world, world.bob)

    assert (line.pops_up, line.is_unread) == (False, True)
