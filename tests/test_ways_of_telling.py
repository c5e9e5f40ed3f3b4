"""By which ways people are told: one plan for all that is told, its locks and switches."""

from __future__ import annotations

import json
from datetime import timedelta
from threading import Thread

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts.models import AuditEntry, Membership, Role
from deskhand.accounts.policy import viewer_for
from deskhand.channels.email import alarms
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.test_push import Window
from deskhand.desk import replies, snoozing, threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.timers import DueTimer, TimerLoop
from deskhand.notifications import (
    describing,
    digests,
    limits,
    planning,
    reaching,
    reading,
    telling,
    wishes,
)
from deskhand.notifications.leaving import Leaving, Said, leave
from deskhand.notifications.models import Browser, Chat, Mailed, Notification, PushKey
from deskhand.notifications.types import Concerned, Topic
from deskhand.notifications.wishes import Default, Way, Ways
from deskhand.routing import availability
from deskhand.routing.types import Status
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.sites import calling_site
from deskhand.testing.world import make_world


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
    wishes.switch(world.account.pk, world.bob.pk, Way.MAIL, is_on=False)
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
        wishes.switch(world.account.pk, user.pk, Way.MAIL, is_on=False)

    assert wishes.asking_for(world.account.pk, Topic.UNASSIGNED) == {world.grace.pk}


def test_a_lock_is_kept_in_the_log_R_NOT_12(world):
    say(world, Topic.MENTION, Ways(bell=True, mail=True), is_locked=True)

    [entry] = AuditEntry.objects.filter(action="notification_defaults.updated")

    assert (entry.before["mention"], entry.after["mention"]) == (
        ["bell", "mail", "popup", "push", "chat"], ["bell", "mail", "locked"]
    )  # fmt: skip


# ── a whole way at once ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_way_that_is_off_brings_nothing_and_its_topics_stay_chosen_R_NOT_5(world, mention):
    wishes.switch(world.account.pk, world.bob.pk, Way.MAIL, is_on=False)
    mention()
    assert mails_to(world.bob) == []
    assert len(lines(world, world.bob)) == 1
    assert wishes.of_many(world.account.pk, [world.bob.pk]).choice(world.bob.pk, Topic.MENTION).mail

    wishes.switch(world.account.pk, world.bob.pk, Way.MAIL, is_on=True)
    mention()
    assert len(mails_to(world.bob)) == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_two_ways_that_are_switched_off_at_once_both_are_off_R_NOT_5():
    made = make_world()
    account_id, user_id = made.account.pk, made.bob.pk
    wishes.set_quiet(account_id, user_id, False)

    def switch_off(way):
        try:
            wishes.switch(account_id, user_id, way, is_on=False)
        finally:
            connection.close()

    others = [Thread(target=switch_off, args=[way], daemon=True) for way in (Way.MAIL, Way.PUSH)]
    with account_scope(account_id):
        sql.rows("select id from notifications_personal for update")
        for other in others:
            other.start()
        until_somebody_waits(number=2)
    for other in others:
        other.join(20)

    with account_scope(account_id):
        mine = wishes.for_all(account_id, user_id)
    assert (sorted(mine.off), mine.is_quiet) == (["mail", "push"], False)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_two_addresses_of_a_chat_that_are_saved_at_once_one_is_kept_R_NOT_4():
    made = make_world()
    account_id, user_id = made.account.pk, made.bob.pk
    refused = []

    def save(path):
        try:
            reaching.set_chat(account_id, user_id, "slack", f"https://hooks.slack.example/{path}")
        except IntegrityError as failure:
            refused.append(failure)
        finally:
            connection.close()

    others = [Thread(target=save, args=[path], daemon=True) for path in ("one", "two")]
    with account_scope(account_id):
        sql.execute("lock table notifications_chat in share mode")  # both may read, none may write
        for other in others:
            other.start()
        until_somebody_waits(number=2)
    for other in others:
        other.join(20)

    assert refused == []
    with account_scope(account_id):
        assert Chat.objects.count() == 1


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


# ── browsers and chat ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with calling_site() as here:
        yield here


@pytest.fixture
def window(world, there):
    """A browser of Bob's."""
    made = Window(f"{there.url}/push/bob")
    reaching.add(world.account.pk, world.bob.pk, made.browser, "Firefox · Linux", clock.now())
    return made


def send_all():
    """All that waits leaves, as the worker sends it; answers are heard."""
    Sender(wiring.transports(), threads=0, jitter=lambda: 0.0).drain()


def read(window, asked):
    return json.loads(window.read(asked.body.encode("utf-8", "surrogateescape")))


def test_a_mention_is_pushed_once_and_leads_to_the_ticket_R_NOT_4(world, ticket_id, mention, there, window):
    mention()
    event_id = Notification.objects.get(user_id=world.bob.pk).event_id
    telling.tell(world.account.pk, dispatch.stored(world.account.pk, {event_id}, clock.now() - telling.OLD), Concerned())  # fmt: skip
    send_all()

    [asked] = there.asked
    number = Ticket.objects.get(pk=ticket_id).number
    assert read(window, asked) == {
        "title": f"[#{number}] Refund", "body": "Ada Lovelace mentioned you", "path": f"/inbox/all-open/{ticket_id}",
        "tag": asked.headers["topic"],
    }  # fmt: skip


def test_nothing_of_a_browser_or_a_chat_can_be_read_where_it_is_kept(world, window):
    reaching.set_chat(world.account.pk, world.bob.pk, "slack", "https://hooks.slack.example/very-secret")

    [browser], [chat] = Browser.objects.values(), Chat.objects.values()

    assert "/push/bob" not in str(browser)
    assert window.browser.secret not in str(browser)
    assert "very-secret" not in str(chat)
    reaching.private_key()
    assert PushKey.objects.get().private != reaching.private_key()


@pytest.mark.parametrize(("status", "stays"), [(201, True), (400, True), (410, False), (404, False)])
def test_a_browser_that_wants_no_more_is_let_go_of_R_NOT_4(world, mention, there, window, status, stays):
    there.says(status)
    mention()

    send_all()

    assert Browser.objects.exists() is stays


def test_one_event_is_posted_once_in_the_chat_that_one_named_R_NOT_15(world, ticket_id, mention, there):
    reaching.set_chat(world.account.pk, world.bob.pk, "slack", f"{there.url}/services/T0")
    mention()
    send_all()

    [asked] = there.asked
    assert asked.path == "/services/T0"
    number = Ticket.objects.get(pk=ticket_id).number
    link = f"<{settings.SITE_URL}/inbox/all-open/{ticket_id}>"
    assert asked.json["text"] == f"[#{number}] Refund\nAda Lovelace mentioned you\n{link}"


@pytest.mark.parametrize("way", ["chosen otherwise", "switched off", "away", "may not see it"])
def test_nothing_is_pushed_or_posted_against_wish_quiet_or_right(
    world, ticket_id, there, window, settle, way
):
    """R-NOT-5, R-NOT-14, R-NOT-16"""
    account_id, bob = world.account.pk, world.bob
    reaching.set_chat(account_id, bob.pk, "slack", f"{there.url}/services/T0")
    if way == "chosen otherwise":
        wishes.choose(account_id, bob.pk, {Topic.MENTION: Ways(bell=True)})
    elif way == "switched off":
        for way in (Way.PUSH, Way.CHAT):
            wishes.switch(account_id, bob.pk, way, is_on=False)
    elif way == "away":
        availability.set_by_hand(account_id, bob.pk, Status.AWAY, by=SYSTEM)
    replies.comment(ticket_id, f"@{bob.username} look", by=world.ada)
    if way == "may not see it":
        own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
        role = Role.objects.create(account=world.account, name="own", permissions=own)
        Membership.objects.filter(account=world.account, user=bob).update(role=role)
    settle()
    send_all()

    assert there.asked == []


def test_a_failure_is_pushed_too(world, settle, there):
    """R-NOT-8: by the same plan as all else."""
    mine = Window(f"{there.url}/push/ada")
    reaching.add(world.account.pk, world.ada.pk, mine.browser, "", clock.now())
    wishes.choose(world.account.pk, world.ada.pk, {Topic.FAILURE: Ways(push=True)})
    alarms.stopped(world.channel.pk)
    settle()
    send_all()

    [asked] = there.asked
    assert read(mine, asked)["title"].endswith("Mail is no longer received")
    assert Notification.objects.filter(user_id=world.ada.pk).count() == 0


def test_a_browser_is_one_persons_who_allowed_it_last(world, window):
    reaching.add(world.account.pk, world.eve.pk, window.browser, "Firefox · Linux", clock.now())

    assert [one.user_id for one in Browser.objects.all()] == [world.eve.pk]
    with pytest.raises(NotFound):
        reaching.remove(world.account.pk, world.bob.pk, Browser.objects.get().pk)


def test_telling_many_in_browsers_and_chats_asks_as_often_as_few(world, ticket_id, window, there):
    reaching.set_chat(world.account.pk, world.bob.pk, "slack", f"{there.url}/services/T0")

    def queries(count):
        told = [
            Leaving(world.bob.pk, Topic.MENTION, f"{count}:{n}", Ways(push=True, chat=True), lambda _people: Said("A", "B", "/c"))
            for n in range(count)
        ]  # fmt: skip
        with CaptureQueriesContext(connection) as asked:
            leave(world.account.pk, told, clock.now())
        return len(asked)

    assert queries(1) == queries(20)


# ── too many mails ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def few(world):
    """Two mails an hour of one topic, and no more."""
    limits.set_hourly(world.account.pk, 2, by=Actor.user(world.ada.pk))


def ring(kind):
    """The moment of these timers comes, twice."""
    for _again in range(2):
        sql.execute("update kernel_timer set due_at = now() - interval '1 second' where kind = %s", [kind])
        while TimerLoop().run_once():
            pass


def digests_to(user):
    return [mail.payload["text"] for mail in mails_to(user) if mail.idempotency_key.startswith("digest:")]


def test_what_is_too_much_comes_in_one_mail_that_names_each_R_NOT_7(world, ticket_id, mention, few):
    for _n in range(5):
        mention()
    assert len(mails_to(world.bob)) == 2

    ring(digests.KIND)

    assert len(mails_to(world.bob)) == 3
    [text] = digests_to(world.bob)
    link = f"{settings.SITE_URL}/inbox/all-open/{ticket_id}"
    assert text.count("Ada Lovelace mentioned you") == text.count(link) == 3
    assert len(lines(world, world.bob)) == 5


def test_a_digest_leaves_once_whatever_dies_when_R_NOT_7(world, mention, few, monkeypatch):
    for _n in range(3):
        mention()
    due = timers_of(world)

    class Killed(BaseException):
        pass

    def die(*_args):
        raise Killed

    monkeypatch.setattr(digests, "set_timers", die)
    with pytest.raises(Killed), transaction.atomic():
        digests.send_due(world.account.pk, due, away=planning.nobody)
    assert digests_to(world.bob) == []
    monkeypatch.undo()
    for _n in range(2):
        digests.send_due(world.account.pk, due, away=planning.nobody)

    assert len(digests_to(world.bob)) == 1


def timers_of(world):
    return [
        DueTimer(0, world.account.pk, digests.KIND, key, clock.now(), {})
        for key in timers.keys(world.account.pk, digests.KIND)
    ]


def test_a_digest_that_is_late_is_not_put_off_by_what_comes_meanwhile_R_NOT_7(world):
    """It is due at one moment, however much is told while the queue is behind."""
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    for minute in (-1, 1, 59):
        limits.set_timers(world.account.pk, {world.bob.pk}, hour + timedelta(minutes=minute))

    assert moments() == [hour]


def test_a_digest_that_was_given_up_is_due_again_with_what_comes_next_R_NOT_7(world):
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    limits.set_timers(world.account.pk, {world.bob.pk}, hour - timedelta(minutes=1))
    sql.execute("update kernel_timer set quarantined_at = now(), attempts = 8")

    limits.set_timers(world.account.pk, {world.bob.pk}, hour + timedelta(minutes=1))

    assert moments() == [hour + timedelta(hours=1)]
    assert timers.keys(world.account.pk, digests.KIND) == [str(world.bob.pk)]


def moments():
    return [at for (at,) in sql.rows("select due_at from kernel_timer where kind = %s", [digests.KIND])]


def test_a_digest_names_only_what_one_may_see_when_it_leaves_R_NOT_16(world, ticket_id, mention, few):
    for _n in range(4):
        mention()
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)

    ring(digests.KIND)

    assert digests_to(world.bob) == []


def test_who_went_away_gets_the_digest_when_they_are_back_R_NOT_14(world, mention, few):
    for _n in range(3):
        mention()
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AWAY, by=SYSTEM)
    ring(digests.KIND)
    assert digests_to(world.bob) == []

    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AVAILABLE, by=SYSTEM)
    ring(digests.KIND)

    assert len(digests_to(world.bob)) == 1


def test_who_wants_no_mail_any_more_gets_no_digest_R_NOT_5(world, mention, few):
    for _n in range(3):
        mention()
    wishes.switch(world.account.pk, world.bob.pk, Way.MAIL, is_on=False)

    ring(digests.KIND)

    assert digests_to(world.bob) == []


@pytest.mark.parametrize(
    ("in_hour", "in_day", "more", "is_beyond"),
    [(49, 49, 1, False), (50, 50, 1, True), (0, 999, 1, False), (0, 1000, 1, True), (0, 0, 51, True)],
)
def test_the_limits_are_an_account_s_for_an_hour_and_a_thousand_for_a_day_R_NOT_7(world, in_hour, in_day, more, is_beyond):  # fmt: skip
    at, pair = clock.now(), (world.bob.pk, Topic.MESSAGE)
    if in_hour:
        limits.count(world.account.pk, {pair: in_hour}, at)
    if in_day - in_hour:
        limits.count(world.account.pk, {pair: in_day - in_hour}, at - timedelta(hours=2))
    limits.count(world.account.pk, {(world.bob.pk, Topic.COMMENT): 5_000}, at)

    assert limits.beyond(world.account.pk, {pair: more}, at) == ({pair} if is_beyond else set())


def test_what_no_limit_counts_any_more_is_forgotten(world):
    at, pair = clock.now(), (world.bob.pk, Topic.MESSAGE)
    limits.count(world.account.pk, {pair: 1}, at - timedelta(hours=25))
    limits.count(world.account.pk, {pair: 1}, at)

    assert Mailed.objects.count() == 1


@pytest.mark.parametrize("number", [None, 0, 1001])
def test_a_limit_that_is_none_is_refused(world, number):
    with pytest.raises(Invalid):
        limits.set_hourly(world.account.pk, number, by=Actor.user(world.ada.pk))


# ── further topics ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_status_is_told_to_the_owner_who_asked_and_not_to_who_set_it_R_NOT_8(world, ticket_id, settle):
    """R-NOT-9"""
    wishes.choose(world.account.pk, world.grace.pk, {Topic.STATUS: Ways(bell=True)})
    tickets.move(ticket_id, to=world.stage("Waiting on contact"), by=Actor.user(world.ada.pk))
    settle()
    tickets.move(ticket_id, to=world.stage("New"), by=Actor.user(world.grace.pk))
    settle()

    [line] = lines(world, world.grace)
    assert describing.words(line) == "Ada Lovelace set your ticket to “Waiting on contact”"


@pytest.mark.parametrize("whose", ["bob", None])
def test_when_a_snooze_is_over_they_hear_whose_it_was_R_NOT_8(world, ticket_id, settle, whose):
    at, until = clock.now() - timedelta(hours=1), clock.now() - timedelta(seconds=1)
    user_id = world.bob.pk if whose else None
    snoozing.snooze(ticket_id, user_id=user_id, until=until, by=Actor.user(world.bob.pk), at=at)
    ring(snoozing.KIND)
    settle()

    told = {user: [line.topic for line in lines(world, getattr(world, user))] for user in ("bob", "grace", "ada")}  # fmt: skip
    assert told == {"bob": [], "grace": [], "ada": []} | {whose or "grace": [Topic.SNOOZED]}


def test_who_is_set_to_away_by_a_colleague_is_told_and_not_by_themselves_R_AVAIL_11(world, settle):
    """R-NOT-8, R-NOT-9"""
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AVAILABLE, by=Actor.user(world.bob.pk))
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AWAY, by=Actor.user(world.ada.pk))
    settle()

    [line] = lines(world, world.bob)
    assert describing.words(line) == "Ada Lovelace set you to away"
    assert (describing.name(line), describing.path(line)) == ("Your availability", "/settings/availability")
