"""Who is told of what, by which way, and that nobody is told twice or of what they may not see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.translation import get_language

from deskhand import wiring
from deskhand.accounts import users
from deskhand.accounts.models import AuditEntry, Membership, Role, Team, TeamMember, User
from deskhand.accounts.policy import viewer_for
from deskhand.crm.records import objects, tasks, tickets, undoing
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tasks import Wanted
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import handover, replies, threads
from deskhand.desk.models import Follower
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox
from deskhand.events import dispatch
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor, ActorKind, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database import scope, sql
from deskhand.kernel.errors import NotFound
from deskhand.kernel.timers import DueTimer, TimerLoop
from deskhand.notifications import describing, reading, telling, wishes
from deskhand.notifications import tasks as tasks_told
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Concerned, Topic
from deskhand.notifications.wishes import Default, Ways
from deskhand.routing import availability, rules
from deskhand.routing.types import Assignment, Option, Reason, Status


@pytest.fixture
def now():
    return clock.now()


def mail(world, subject="Refund", **more):
    at = clock.now()
    given = {"external_id": f"{subject}@x", "sender": Mailbox("astrid@fjallbo.example", "Astrid Lindqvist"),
             "subject": subject, "text": "Where is it?", "received_at": at} | more  # fmt: skip
    return threads.receive(Incoming(world.channel.pk, InboundMessage(**given)), at=at)


def told(world, user):
    """What somebody's bell says, oldest first: topic and who did it."""
    lines, _after = reading.lines(viewer_for(world.account.pk, user.pk))
    return [(line.topic, line.actor_name) for line in reversed(lines)]


@pytest.fixture
def owned(world, settle):
    """A ticket of Grace's, of which nobody was told yet."""
    received = mail(world)
    tickets.assign(received.ticket_id, owner_id=world.grace.pk, by=SYSTEM)
    settle()
    Notification.objects.all().delete()
    return received


def test_who_gets_a_ticket_is_told_and_who_gave_it_is_not(world, owned, settle):
    """R-NOT-1, R-NOT-9"""
    tickets.assign(owned.ticket_id, owner_id=world.bob.pk, by=Actor.user(world.grace.pk))
    settle()

    assert told(world, world.bob) == [(Topic.ASSIGNED, "Grace Hopper")]
    assert told(world, world.grace) == []


def test_t_not_3_who_takes_a_ticket_is_told_nothing(world, owned, settle):
    """R-NOT-9"""
    tickets.assign(owned.ticket_id, owner_id=world.bob.pk, by=Actor.user(world.bob.pk))
    settle()

    assert told(world, world.bob) == []


def test_the_owner_is_told_of_messages_and_comments(world, owned, settle):
    """R-NOT-8"""
    mail(world, "Re: Refund", answers=("Refund@x",))
    replies.comment(owned.ticket_id, "Look at this", by=world.ada)
    settle()

    assert told(world, world.grace) == [(Topic.MESSAGE, "Astrid Lindqvist"), (Topic.COMMENT, "Ada Lovelace")]


@pytest.fixture
def shut(world, owned, settle):
    """It is closed, and nobody was told of that."""
    tickets.move(owned.ticket_id, to=world.stage("Closed"), by=SYSTEM)
    settle()
    Notification.objects.all().delete()
    return owned


WORKFLOW = Actor(ActorKind.WORKFLOW, 7)


@pytest.mark.parametrize(("by", "name"), [("ada", "Ada Lovelace"), (None, "")])
def test_the_owner_hears_that_somebody_or_a_workflow_reopened_it_R_REOPEN_3(world, shut, settle, by, name):
    actor = Actor.user(world.ada.pk) if by else WORKFLOW
    tickets.move(shut.ticket_id, to=world.stage("New"), by=actor)
    settle()

    assert told(world, world.grace) == [(Topic.REOPENED, name)]
    assert told(world, world.ada) == []


def test_who_reopens_their_own_ticket_is_told_nothing_R_REOPEN_3(world, shut, settle):
    """R-NOT-9"""
    tickets.move(shut.ticket_id, to=world.stage("New"), by=Actor.user(world.grace.pk))
    settle()

    assert told(world, world.grace) == []


def test_an_answer_that_reopens_is_told_once_R_REOPEN_3(world, shut, settle):
    """R-NOT-15: as a message."""
    mail(world, "Re: Refund", answers=("Refund@x",))
    settle()

    assert told(world, world.grace) == [(Topic.MESSAGE, "Astrid Lindqvist")]


def test_a_reply_that_reopens_is_told_once_R_REOPEN_3(world, shut, settle):
    replies.reply(replies.NewReply(shut.ticket_id, "Here it is", stage_id=world.stage("New")), by=world.ada)
    settle()

    assert told(world, world.grace) == [(Topic.MESSAGE, "Ada Lovelace")]


def test_closing_a_ticket_is_no_news_R_REOPEN_3(world, owned, settle):
    tickets.move(owned.ticket_id, to=world.stage("Closed"), by=Actor.user(world.ada.pk))
    settle()

    assert told(world, world.grace) == []


def test_what_machines_answer_is_no_news(world, owned, settle):
    mail(world, "Out of office", answers=("Refund@x",), automatic=Automatic.ANSWER)
    settle()

    assert told(world, world.grace) == []


def test_t_not_2_one_event_is_told_once_and_a_mention_counts_most(world, owned, settle):
    """R-NOT-11, R-NOT-15, R-WORK-4, R-WORK-5"""
    Follower.objects.create(account_id=world.account.pk, ticket_id=owned.ticket_id, user_id=world.grace.pk)
    replies.comment(
        owned.ticket_id, f"@{world.grace.username} can you look, @{world.grace.username}?", by=world.ada
    )
    settle()

    assert told(world, world.grace) == [(Topic.MENTION, "Ada Lovelace")]


def test_who_follows_is_told_until_they_say_no(world, owned, settle):
    """R-NOT-8, R-WORK-10"""
    for user, follows in ((world.bob, True), (world.eve, False)):
        Follower.objects.create(
            account_id=world.account.pk, ticket_id=owned.ticket_id, user_id=user.pk, follows=follows
        )
    mail(world, "Re: Refund", answers=("Refund@x",))
    settle()

    assert told(world, world.bob) == [(Topic.FOLLOWED, "Astrid Lindqvist")]
    assert told(world, world.eve) == []


def test_what_was_told_already_is_not_told_again(world, owned, settle):
    event = Event(
        "ticket.assigned", "ticket", owned.ticket_id, 9, SYSTEM, clock.now(),
        {"changes": {"hubspot_owner_id": [None, world.grace.pk]}}, None, 0, 77, world.account.pk,
    )  # fmt: skip
    wishes.choose(world.account.pk, world.grace.pk, {Topic.ASSIGNED: Ways(True, True)})

    for _time in range(3):
        telling.tell(world.account.pk, [event], Concerned())

    assert told(world, world.grace) == [(Topic.ASSIGNED, "")]
    assert OutboxEntry.objects.filter(idempotency_key=f"notification:77:{world.grace.pk}").count() == 1


def test_what_is_a_day_old_is_no_news(world, owned):
    event = Event(
        "ticket.assigned", "ticket", owned.ticket_id, 9, SYSTEM, clock.now() - timedelta(days=2),
        {"changes": {"hubspot_owner_id": [None, world.grace.pk]}}, None, 0, 77, world.account.pk,
    )  # fmt: skip
    telling.tell(world.account.pk, [event], Concerned())

    assert told(world, world.grace) == []


def default(world, topic, bell, mail):
    wishes.set_defaults(world.account.pk, {topic: Default(Ways(bell, mail))}, by=Actor.user(world.ada.pk))


def test_t_not_1_who_chose_is_told_as_they_chose_and_who_did_not_as_the_account_has_it(world, owned, settle):
    """R-NOT-3, R-NOT-12"""
    for user in (world.bob, world.eve):
        Follower.objects.create(account_id=world.account.pk, ticket_id=owned.ticket_id, user_id=user.pk)
    wishes.choose(world.account.pk, world.bob.pk, {Topic.FOLLOWED: Ways(False, False)})
    default(world, Topic.FOLLOWED, True, True)

    mail(world, "Re: Refund", answers=("Refund@x",))
    settle()

    assert told(world, world.bob) == mails_to(world.bob) == []
    assert told(world, world.eve) == [(Topic.FOLLOWED, "Astrid Lindqvist")]
    assert len(mails_to(world.eve)) == 1


def test_t_not_1_who_wants_what_the_account_leaves_out_is_told(world, owned, settle):
    """R-NOT-3"""
    wishes.choose(world.account.pk, world.grace.pk, {Topic.MESSAGE: Ways(True, True)})
    default(world, Topic.MESSAGE, False, False)
    default(world, Topic.COMMENT, False, False)

    mail(world, "Re: Refund", answers=("Refund@x",))
    replies.comment(owned.ticket_id, "Look at this", by=world.ada)
    settle()

    assert told(world, world.grace) == [(Topic.MESSAGE, "Astrid Lindqvist")]


def test_t_not_1_what_is_left_as_it_is_shown_is_no_choice(world, owned, settle):
    """R-NOT-3: it follows what the account says later."""
    shown = {
        topic: wishes.of_many(world.account.pk, [world.grace.pk]).ways(world.grace.pk, topic)
        for topic in Topic
    }
    wishes.choose(world.account.pk, world.grace.pk, shown)
    default(world, Topic.MESSAGE, False, False)

    mail(world, "Re: Refund", answers=("Refund@x",))
    settle()

    assert told(world, world.grace) == []


def test_t_not_1_nobodys_tickets_are_told_to_all_but_who_said_no(world, settle):
    """R-NOT-1, R-NOT-3, R-NOT-13"""
    default(world, Topic.UNASSIGNED, True, False)
    assert wishes.asking_for(world.account.pk, Topic.UNASSIGNED) == set(
        Membership.objects.filter(account=world.account, is_active=True).values_list("user_id", flat=True)
    )
    wishes.choose(world.account.pk, world.bob.pk, {Topic.UNASSIGNED: Ways(False, False)})

    mail(world, "Chair")
    settle()

    assert told(world, world.bob) == []
    assert told(world, world.grace) == [(Topic.UNASSIGNED, "Astrid Lindqvist")]


@pytest.mark.parametrize("extra", [False, True])
def test_of_nobodys_ticket_those_hear_who_may_see_it_by_its_teams_R_NOT_13(world, settle, extra):
    """R-NOT-16: all are made to hear, by bell and mail; who is of another team, or sees their own alone, does not."""
    default(world, Topic.UNASSIGNED, True, True)
    billing = Team.objects.create(account=world.account, name="Billing")
    TeamMember.objects.filter(user=world.bob).update(team=billing)
    if extra:  # as an extra team it counts no less where the role says so
        TeamMember.objects.create(account=world.account, team=world.team, user=world.bob, is_main=False)
    by_team = {
        "records": {"ticket": {"view": "team", "edit": "team"}},
        "capabilities": [],
        "extra_teams": True,
    }
    own = {"records": {"ticket": {"view": "own", "edit": "own"}}, "capabilities": []}
    for name, allowed, users_of in (("team", by_team, (world.grace, world.bob)), ("own", own, (world.eve,))):
        role = Role.objects.create(account=world.account, name=name, permissions=allowed)
        Membership.objects.filter(account=world.account, user__in=users_of).update(role=role)

    asked = mail(world, "Chair")
    Ticket.objects.filter(pk=asked.ticket_id).update(assigned_team_ids=[world.team.pk])  # R-ROUTE-49
    settle()

    hearing = {"ada", "grace", "nils"} | ({"bob"} if extra else set())
    everybody = ("ada", "grace", "bob", "eve", "nils")
    assert {name for name in everybody if told(world, getattr(world, name))} == hearing
    assert {name for name in everybody if mails_to(getattr(world, name))} == hearing


def test_what_an_account_says_is_its_own_and_is_kept_in_the_log_R_NOT_3(world):
    default(world, Topic.MESSAGE, False, True)
    default(world, Topic.MESSAGE, False, True)

    assert wishes.defaults_of(world.account.pk + 1)[Topic.MESSAGE] == Default(Ways(True, False))
    [entry] = AuditEntry.objects.filter(action="notification_defaults.updated")
    assert (entry.before, entry.after) == (
        {"message": ["bell"]}, {"message": ["mail"]}
    )  # fmt: skip


def mails_to(user):
    return [e for e in OutboxEntry.objects.order_by("id") if e.recipients == [user.email]]


def test_t_not_1_a_mention_comes_by_mail_too_unless_one_chose_otherwise(world, owned, settle):
    """R-NOT-2, R-NOT-4, R-NOT-5, R-NOT-12"""
    replies.comment(owned.ticket_id, f"@{world.bob.username} look", by=world.ada)
    settle()
    [sent] = mails_to(world.bob)
    assert "Ada Lovelace mentioned you" in sent.payload["text"]
    assert f"/inbox/all-open/{owned.ticket_id}" in sent.payload["text"]

    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(False, False)})
    replies.comment(owned.ticket_id, f"@{world.bob.username} look again", by=world.ada)
    settle()
    assert len(mails_to(world.bob)) == 1
    assert len(told(world, world.bob)) == 1


def test_a_mail_is_in_the_language_of_who_reads_it(world, owned, settle, monkeypatch):
    monkeypatch.setattr(telling, "sentence", lambda topic, name, task, number: f"in {get_language()}")
    User.objects.filter(pk=world.bob.pk).update(locale="da")
    replies.comment(owned.ticket_id, f"@{world.bob.username} look", by=world.ada)
    settle()

    [sent] = mails_to(world.bob)
    assert sent.payload["text"].startswith("in da\n")


@pytest.mark.parametrize("way", ["role", "gone"])
def test_who_may_not_see_the_ticket_is_told_nothing_of_it(world, owned, settle, way):
    """R-NOT-16, R-PERM-1, S37"""
    replies.comment(owned.ticket_id, f"@{world.bob.username} before", by=world.ada)
    settle()
    before = len(mails_to(world.bob))
    if way == "role":
        own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
        role = Role.objects.create(account=world.account, name="own", permissions=own)
        Membership.objects.filter(account=world.account, user=world.bob).update(role=role)
    else:
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)
    replies.comment(owned.ticket_id, f"@{world.bob.username} after", by=world.ada)
    settle()

    assert len(mails_to(world.bob)) == before
    if way == "role":
        assert told(world, world.bob) == []
        assert reading.unread(viewer_for(world.account.pk, world.bob.pk)) == 0


def test_what_was_read_is_read(world, owned, settle, now):
    other = mail(world, "Lamp")
    tickets.assign(other.ticket_id, owner_id=world.grace.pk, by=SYSTEM)
    mail(world, "Re: Refund", answers=("Refund@x",))
    settle()
    grace = viewer_for(world.account.pk, world.grace.pk)

    assert reading.unread(grace) == 2
    assert reading.mark_read(grace, now, owned.ticket_id) == 1
    assert reading.unread(grace) == 1
    assert reading.mark_read(grace, now) == 1
    assert reading.mark_read(grace, now) == 0
    assert reading.unread(grace) == 0


def test_pages_of_the_list_follow_each_other(world, owned, settle):
    for n in range(5):
        replies.comment(owned.ticket_id, f"{n}", by=world.ada)
    settle()
    grace = viewer_for(world.account.pk, world.grace.pk)

    first, after = reading.lines(grace, limit=3)
    second, end = reading.lines(grace, before=after, limit=3)

    assert len(first) == 3
    assert len(second) == 2
    assert end == 0
    assert {line.id for line in first}.isdisjoint(line.id for line in second)


def test_telling_asks_as_often_for_many_as_for_few(world):
    def asked(count):
        ids = [mail(world, f"{count}.{n}").ticket_id for n in range(count)]
        events = [
            Event(
                "ticket.assigned", "ticket", pk, 2, SYSTEM, clock.now(),
                {"changes": {"hubspot_owner_id": [None, world.grace.pk]}}, None, 0, 1000 * count + pk, world.account.pk,
            )
            for pk in ids
        ]  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            telling.tell(world.account.pk, events, Concerned())
        return len(queries)

    assert asked(2) == asked(8)


# ── what one has to ask for ──────────────────────────────────────────────────────────────────────────────────────────


def watch(world, user, *, bell=True, mail=False):
    wishes.choose(world.account.pk, user.pk, {Topic.UNASSIGNED: Ways(bell, mail)})


def test_of_a_new_ticket_that_is_nobodys_those_hear_who_asked(world, settle):
    """R-NOT-1, R-NOT-8"""
    watch(world, world.bob, mail=True)
    mail(world, "Who takes me")
    settle()

    assert told(world, world.bob) == [(Topic.UNASSIGNED, "Astrid Lindqvist")]
    assert told(world, world.grace) == []
    assert "A new ticket of Astrid Lindqvist is nobody's" in mails_to(world.bob)[0].payload["text"]


def test_a_ticket_that_routing_gave_away_is_no_news_for_them(world, settle):
    watch(world, world.bob)
    rules.set_rule(
        world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], only_available=False, by=SYSTEM
    )  # fmt: skip
    mail(world, "Given away")
    scope.settle()
    settle()

    assert told(world, world.bob) == []
    assert told(world, world.grace) == [(Topic.ASSIGNED, "")]


def test_while_workflows_may_still_give_it_away_nobody_hears_of_it(world, settle):
    """R-ROUTE-71"""
    watch(world, world.bob)
    received = mail(world, "Wait for it")
    timers.set_timer(
        world.account.pk, wiring.AFTER_WORKFLOWS, "1", clock.now() + timedelta(hours=1), {"causes": [[received.ticket_id, 1]]}
    )  # fmt: skip
    settle()
    assert told(world, world.bob) == []

    created = EventRow.objects.get(kind="ticket.created", object_id=received.ticket_id)
    gone = Assignment(received.ticket_id, None, (), 0, Reason.ALL_DROPPED)
    wiring.tell_of_nobodys(world.account.pk, [gone], {received.ticket_id: created.pk})
    assert told(world, world.bob) == [(Topic.UNASSIGNED, "Astrid Lindqvist")]


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_is_given_a_task_is_told_once_and_who_takes_one_is_not(world, owned, settle):
    """R-NOT-8, R-NOT-9"""
    ada, bob = Actor.user(world.ada.pk), Actor.user(world.bob.pk)
    task_id = tasks.create("ticket", owned.ticket_id, Wanted("Call", assignee_id=world.bob.pk), by=ada)
    tasks.edit(task_id, Wanted("Call today", assignee_id=world.bob.pk), by=ada)
    tasks.finish(task_id, True, by=ada)
    tasks.create("ticket", owned.ticket_id, Wanted("Nobody's"), by=ada)
    tasks.create("ticket", owned.ticket_id, Wanted("My own", assignee_id=world.bob.pk), by=bob)
    settle()

    [line], _after = reading.lines(viewer_for(world.account.pk, world.bob.pk))
    assert (line.topic, line.actor_name, line.about_name) == (Topic.TASK, "Ada Lovelace", "Call")
    assert line.about_id == task_id

    tasks.edit(task_id, Wanted("Call today", assignee_id=world.eve.pk), by=ada)
    settle()
    assert told(world, world.eve) == [(Topic.TASK, "Ada Lovelace")]
    assert len(told(world, world.bob)) == 1


def test_a_task_of_a_ticket_that_one_may_not_see_is_not_told(world, owned, settle):
    """R-NOT-16"""
    wishes.choose(world.account.pk, world.bob.pk, {Topic.TASK: Ways(True, True)})
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)
    tasks.create(
        "ticket", owned.ticket_id, Wanted("Call", assignee_id=world.bob.pk), by=Actor.user(world.ada.pk)
    )
    settle()

    assert told(world, world.bob) == []
    assert mails_to(world.bob) == []


def test_a_task_by_mail_leads_to_it(world, owned, settle):
    """R-NOT-2"""
    wishes.choose(world.account.pk, world.bob.pk, {Topic.TASK: Ways(False, True)})
    task_id = tasks.create("ticket", owned.ticket_id, Wanted("Call", assignee_id=world.bob.pk), by=SYSTEM)
    settle()

    assert told(world, world.bob) == []
    [mail] = OutboxEntry.objects.filter(recipients=[world.bob.email])
    assert "You were given the task “Call”" in mail.payload["text"]
    assert f"#task-{task_id}" in mail.payload["text"]


def due(task_id):
    """The moment of its reminder comes, twice."""
    for _again in range(2):
        sql.execute(
            "update kernel_timer set due_at = now() - interval '1 second' where key = %s", [str(task_id)]
        )
        while TimerLoop().run_once():
            pass


def remind(world, object_type, record_id, assignee=None, title="Call"):
    wanted = Wanted(title, assignee_id=assignee and assignee.pk, remind_at=clock.now() + timedelta(hours=1))
    return tasks.create(object_type, record_id, wanted, by=Actor.user(world.ada.pk))


def test_t_not_a_reminder_is_told_once_to_whom_the_task_is_for(world, owned, settle):
    """R-WFA-8, R-NOT-8, R-NOT-15: also who gave it to themselves is reminded; what is nobody's reminds who owns the ticket."""
    mine = remind(world, "ticket", owned.ticket_id, world.ada)
    nobodys = remind(world, "ticket", owned.ticket_id, title="Pack")
    settle()
    due(mine)
    due(nobodys)
    settle()

    [line], _after = reading.lines(viewer_for(world.account.pk, world.ada.pk))
    assert (line.topic, line.about_kind, line.about_id, line.about_name) == (
        Topic.REMINDER,
        "task",
        mine,
        "Call",
    )
    assert told(world, world.grace) == [(Topic.REMINDER, "")]
    assert told(world, world.bob) == []


def test_a_reminder_comes_by_mail_to_who_chose_that(world, owned, settle):
    """R-NOT-2, R-NOT-12"""
    wishes.choose(world.account.pk, world.bob.pk, {Topic.REMINDER: Ways(False, True)})
    task_id = remind(world, "ticket", owned.ticket_id, world.bob)
    settle()
    Notification.objects.all().delete()
    due(task_id)
    settle()

    assert told(world, world.bob) == []
    [mail] = OutboxEntry.objects.filter(recipients=[world.bob.email])
    assert "Reminder: Call" in mail.payload["text"]
    assert f"#task-{task_id}" in mail.payload["text"]


def test_tasks_of_other_records_are_told_too(world, settle):
    """R-WFA-8, R-NOT-8: who is given one about a deal, and reminded of it, reads which deal it is."""
    deal = objects.create("deal", {"dealname": "Chairs", "hubspot_owner_id": world.grace.pk}, by=SYSTEM).id
    task_id = remind(world, "deal", deal, world.bob)
    settle()
    due(task_id)
    settle()

    found, _after = reading.lines(viewer_for(world.account.pk, world.bob.pk))
    assert [(line.topic, line.about_kind, line.about_id, line.about_name, line.text) for line in found] == [
        (Topic.REMINDER, "deal", deal, "Chairs", "Call"),
        (Topic.TASK, "deal", deal, "Chairs", "Call"),
    ]
    assert reading.unread(viewer_for(world.account.pk, world.bob.pk)) == 2


def test_nobody_is_reminded_of_what_they_may_not_see(world, owned, settle):
    """R-NOT-16"""
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)
    task_id = remind(world, "ticket", owned.ticket_id, world.bob)
    settle()
    due(task_id)
    settle()

    assert EventRow.objects.filter(kind=tasks.REMINDED).count() == 1
    assert not Notification.objects.filter(user_id=world.bob.pk, topic=Topic.REMINDER.value).exists()
    assert told(world, world.bob) == []


def test_many_reminders_are_told_by_as_many_queries_as_one(world, owned, settle):
    def queries(count):
        made = [remind(world, "ticket", owned.ticket_id, world.bob, f"Call {n}") for n in range(count)]
        settle()
        timers_of = [
            DueTimer(n, world.account.pk, tasks.REMINDER, str(pk), clock.now(), {})
            for n, pk in enumerate(made)
        ]
        with CaptureQueriesContext(connection) as rung:
            tasks.on_due(world.account.pk, timers_of)
        rows = EventRow.objects.filter(kind=tasks.REMINDED, object_id__in=made)
        events = dispatch.stored(
            world.account.pk, set(rows.values_list("pk", flat=True)), clock.now() - timedelta(hours=1)
        )
        with CaptureQueriesContext(connection) as said:
            tasks_told.tell(world.account.pk, events)
        assert Notification.objects.filter(topic="reminder", about_id__in=made).count() == count
        return len(rung), len(said)

    assert queries(2) == queries(20)


# ── quiet ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def mention(world, owned, settle):
    replies.comment(owned.ticket_id, f"@{world.bob.username} look", by=world.ada)
    settle()


def test_who_is_away_gets_no_mail_and_finds_it_in_the_bell(world, owned, settle):
    """R-NOT-14"""
    wishes.choose(world.account.pk, world.bob.pk, {Topic.MENTION: Ways(False, True)})
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AWAY, by=SYSTEM)
    mention(world, owned, settle)

    assert mails_to(world.bob) == []
    assert told(world, world.bob) == [(Topic.MENTION, "Ada Lovelace")]

    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AVAILABLE, by=SYSTEM)
    mention(world, owned, settle)
    assert len(mails_to(world.bob)) == 1


def test_who_wants_mail_all_the_same_gets_it(world, owned, settle):
    availability.set_by_hand(world.account.pk, world.bob.pk, Status.AWAY, by=SYSTEM)
    wishes.set_quiet(world.account.pk, world.bob.pk, False)
    mention(world, owned, settle)

    assert len(mails_to(world.bob)) == 1


def test_who_never_had_a_status_is_not_away(world, owned, settle):
    """R-AVAIL-14 is about tickets; somebody without a seat has no status at all."""
    replies.comment(owned.ticket_id, f"@{world.nils.username} look", by=world.ada)
    settle()

    assert len(mails_to(world.nils)) == 1


@pytest.fixture
def shift(world, settle):
    """Five tickets of Grace's, of which nobody was told yet."""
    ids = [mail(world, f"Question {number}").ticket_id for number in range(5)]
    for ticket_id in ids:
        tickets.assign(ticket_id, owner_id=world.grace.pk, by=SYSTEM)
    settle()
    Notification.objects.all().delete()
    OutboxEntry.objects.all().delete()
    return ids


def hand_over(world, ids, to):
    handover.hand_over(viewer_for(world.account.pk, world.grace.pk), ids, to, "", at=clock.now())


def said(world, user):
    """What somebody's bell says in words."""
    return [describing.words(line) for line in reading.lines(viewer_for(world.account.pk, user.pk))[0]]


def test_who_gets_many_tickets_of_a_shift_is_told_once_with_the_number(world, shift, settle):
    """R-NOT-1, R-NOT-15: of a hand-over, not of each ticket and each comment; in however many batches it is heard of."""
    hand_over(world, shift[:4], handover.Receivers((world.ada.pk, world.bob.pk)))
    hand_over(world, shift[4:], handover.Receivers((world.eve.pk,)))
    while dispatch.Dispatcher().run_once(2):
        pass
    settle()

    assert told(world, world.ada) == told(world, world.bob) == [(Topic.ASSIGNED, "Grace Hopper")]
    assert said(world, world.ada) == said(world, world.bob) == ["Grace Hopper handed over 2 tickets to you"]
    assert said(world, world.eve) == ["Grace Hopper assigned this ticket to you"]
    assert told(world, world.grace) == []


def test_what_is_handed_over_is_told_though_its_first_ticket_is_gone_R_NOT_1(world, shift, settle):
    """R-NOT-16: of the next one that is there."""
    hand_over(world, shift, handover.Receivers((world.bob.pk,)))
    Ticket.objects.filter(pk=shift[0]).update(archived_at=clock.now())
    Ticket.objects.filter(pk=shift[1]).update(is_spam=True)
    settle()

    assert said(world, world.bob) == ["Grace Hopper handed over 5 tickets to you"]
    assert Notification.objects.get(user_id=world.bob.pk).ticket_id == shift[2]


def test_a_line_of_a_hand_over_leads_to_what_may_be_seen_of_it_R_NOT_16(world, shift, settle):
    """R-NOT-1: whatever becomes of its first ticket, as long as there is one of the next."""
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)
    bob = viewer_for(world.account.pk, world.bob.pk)
    hand_over(world, shift, handover.Receivers((world.bob.pk,)))
    settle()

    def leads():
        return [(one.ticket_id, one.is_unread) for one in reading.lines(bob)[0]], reading.unread(bob)

    assert leads() == ([(shift[0], True)], 1)
    Ticket.objects.filter(pk=shift[0]).update(archived_at=clock.now())
    assert leads() == ([(shift[1], True)], 1)
    tickets.assign(shift[1], owner_id=world.ada.pk, by=SYSTEM)
    assert leads() == ([(shift[2], True)], 1)
    reading.require(bob, shift[2])
    with pytest.raises(NotFound):
        reading.require(bob, shift[1])
    assert reading.mark_read(bob, clock.now(), shift[3]) == 0, "it leads to another one"
    assert reading.mark_read(bob, clock.now(), shift[2]) == 1
    assert leads() == ([(shift[2], False)], 0)
    for pk in shift[2:]:
        tickets.assign(pk, owner_id=world.ada.pk, by=SYSTEM)
    assert leads() == ([], 0)


def test_what_leaves_of_a_hand_over_names_a_ticket_that_may_be_seen_R_NOT_16(world, shift, settle):
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)
    wishes.choose(world.account.pk, world.bob.pk, {Topic.ASSIGNED: Ways(bell=True, mail=True)})
    hand_over(world, shift, handover.Receivers((world.bob.pk,)))
    Ticket.objects.filter(pk=shift[0]).update(owner_id=world.ada.pk)
    settle()

    [mail] = mails_to(world.bob)
    assert f"/inbox/all-open/{shift[1]}\n" in mail.payload["text"] + "\n"


def test_who_gets_a_whole_shift_back_is_not_told_of_each_ticket_R_NOT_15(world, shift, settle):
    """Nobody told them that the tickets had gone."""
    at = clock.now()
    ada = viewer_for(world.account.pk, world.ada.pk)
    handover.hand_over(ada, shift, handover.Receivers((world.bob.pk,)), "", at=at)
    assert undoing.undo(shift, made_at=at, by=Actor.user(world.ada.pk), at=clock.now()) == shift
    settle()

    assert told(world, world.grace) == []
    assert said(world, world.bob) == ["Ada Lovelace handed over 5 tickets to you"]


def test_of_what_is_handed_over_to_a_team_its_members_are_told_once_R_NOT_1(world, shift, settle):
    """R-NOT-9, R-NOT-15, R-NOT-16: not who hands it over, no others, and none who may not see it."""
    billing = Team.objects.create(account=world.account, name="Billing")
    for user in (world.ada, world.grace, world.bob):
        TeamMember.objects.create(account=world.account, team=billing, user=user, is_main=False)
        wishes.choose(world.account.pk, user.pk, {Topic.TEAM: Ways(bell=True, mail=True)})
    own = {"records": {"ticket": dict.fromkeys(("view", "edit"), "own")}, "capabilities": []}
    role = Role.objects.create(account=world.account, name="own", permissions=own)
    Membership.objects.filter(account=world.account, user=world.bob).update(role=role)

    hand_over(world, shift, handover.Receivers(team_id=billing.pk))
    while dispatch.Dispatcher().run_once(2):
        pass
    settle()

    assert said(world, world.ada) == ["Grace Hopper handed over 5 tickets to the team “Billing”"]
    assert said(world, world.bob) == said(world, world.grace) == said(world, world.eve) == []
    assert [len(mails_to(user)) for user in (world.ada, world.bob, world.grace)] == [1, 0, 0]
