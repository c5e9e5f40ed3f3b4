"""What fails is told to those who can set it right: once, folded, and to nobody else (R-NOT-8, R-NOT-15, R-LOG-7)."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import DatabaseError

from deskhand import wiring
from deskhand.accounts import roles, users
from deskhand.accounts.policy import viewer_for
from deskhand.automation import lanes, workflows
from deskhand.automation.engine.definition import Action, Definition, Edge
from deskhand.automation.models import Workflow
from deskhand.channels.email import alarms, store
from deskhand.channels.email.causes import Refused
from deskhand.channels.email.imap import STOPPED, Poller
from deskhand.channels.email.models import EmailAccount, MailboxState
from deskhand.delivery.models import OutboxEntry, State
from deskhand.delivery.types import Answer, Answered, Entry, Verdict
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Event
from deskhand.kernel import clock
from deskhand.kernel.database import scope
from deskhand.notifications import failures, reading, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.types import Failure, Kind, Topic
from deskhand.notifications.wishes import Ways
from deskhand.routing import availability
from deskhand.routing.types import Status
from deskhand.testing.world import make_world


def told(world, user):
    """What somebody's bell says of failures, oldest first: what, which, how often."""
    lines, _after = reading.lines(viewer_for(world.account.pk, user.pk))
    return [(one.about_kind, one.about_name, one.times) for one in reversed(lines) if one.ticket_id is None]


def happen(world, settle, tell=None, number=1):
    (tell or alarms.quarantined)([world.channel.pk] * number)
    scope.settle()
    settle()


@pytest.fixture
def broken(world):
    """The lane of New has a step that fails for good."""
    step = Action("1", "internal_email", {"users": []}, Edge("2"))
    task = Action("2", "create_task", {"title": "{{ broken"}, None)
    stage = world.stage("New")
    definition = Definition(
        "ticket", lanes.lane_trigger("ticket", stage), start=Edge("2"), steps=(step, task), next_id=3
    )
    made = workflows.create(
        world.account.pk, "Support: New", definition, pipeline_id=world.tickets.default.id, stage_id=stage
    )
    Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now() - timedelta(days=1))
    return made


def test_an_automation_that_failed_is_told_to_admins_once_with_its_number(world, broken, settle):
    """R-NOT-15: three tickets, one line."""
    for subject in ("first", "second", "third"):
        world.ticket(subject)
        scope.settle()
        settle()

    assert told(world, world.ada) == [("workflow", "Support: New", 3)]
    assert told(world, world.bob) == []
    assert reading.unread(viewer_for(world.account.pk, world.ada.pk)) == 1


def test_what_fails_after_an_hour_or_after_it_was_read_is_a_new_line(world, settle):
    at = clock.now() - timedelta(hours=2)
    with clock.stopped(at):
        happen(world, settle, number=2)
    with clock.stopped(at + timedelta(minutes=59)):
        happen(world, settle)
    with clock.stopped(at + timedelta(minutes=61)):
        happen(world, settle)
    name = world.channel.address
    assert told(world, world.ada) == [("quarantine", name, 3), ("quarantine", name, 1)]

    viewer = viewer_for(world.account.pk, world.ada.pk)
    reading.mark_about(viewer, clock.now(), [Kind.QUARANTINE])
    assert reading.unread(viewer) == 0
    with clock.stopped(at + timedelta(minutes=62)):
        happen(world, settle)
    assert [times for _kind, _name, times in told(world, world.ada)] == [3, 1, 1]


def test_telling_it_again_changes_nothing(world):
    event = Event(
        "channel.quarantined", "channel_account", 7, 0, SYSTEM, clock.now(), {"number": 2}, None, 0, 41
    )

    for _time in range(2):
        failures.tell(world.account.pk, [event])

    assert [times for _kind, _name, times in told(world, world.ada)] == [2]


def test_of_one_thing_all_that_fails_at_once_is_one_failure():
    at = clock.now()
    first = Event("workflow.failed", "workflow", 7, 0, SYSTEM, at, {"name": "New", "number": 2}, None, 0, 41)
    other = first._replace(object_id=8, id=42)
    later = first._replace(data={"name": "Renamed"}, id=43)

    assert failures.gather([first, other, later]) == [
        Failure(Kind.AUTOMATION, 7, "Renamed", 3, 43),
        Failure(Kind.AUTOMATION, 8, "New", 2, 42),
    ]


def test_who_may_not_set_it_right_any_more_does_not_see_it(world, settle):
    """R-NOT-16"""
    happen(world, settle)
    user = world.ada
    assert told(world, user)
    world.ada.memberships.filter(account=world.account).update(is_super_admin=False)

    assert told(world, user) == []
    assert reading.unread(viewer_for(world.account.pk, user.pk)) == 0


def test_who_does_not_want_it_is_not_told(world, settle):
    """R-NOT-2"""
    wishes.choose(world.account.pk, world.ada.pk, {Topic.FAILURE: Ways(False, False)})
    happen(world, settle)

    assert not Notification.objects.exists()


def test_who_wants_mail_gets_one_an_hour_and_none_while_away(world, settle):
    """R-NOT-14"""
    wishes.choose(world.account.pk, world.ada.pk, {Topic.FAILURE: Ways(False, True)})
    with clock.stopped(clock.now() - timedelta(hours=2)):
        for _time in range(3):
            happen(world, settle)
    [entry] = OutboxEntry.objects.filter(recipients=[world.ada.email])
    assert entry.payload["subject"] == f"{world.channel.address}: A mail is in quarantine"
    assert "/settings/system#quarantine" in entry.payload["text"]
    assert told(world, world.ada) == []

    availability.set_by_hand(world.account.pk, world.ada.pk, Status.AWAY, by=SYSTEM)
    happen(world, settle)
    assert OutboxEntry.objects.filter(recipients=[world.ada.email]).count() == 1
    assert len(told(world, world.ada)) == 1


def edits_workflows(world, user):
    role = roles.preset(world.account.pk, "workflow_editor").pk
    users.set_role(world.account.pk, user.pk, role_id=role, by=SYSTEM)


def test_an_owner_who_edits_workflows_is_told_of_their_own_R_EXEC_9(world, broken, settle):
    """And of nobody else's; nor where they do not want to hear of errors."""
    edits_workflows(world, world.bob)
    edits_workflows(world, world.grace)
    Workflow.objects.update(owner_id=world.bob.pk)

    world.ticket("first")
    happen(world, settle, tell=lambda _ids: None)
    assert told(world, world.bob) == [("workflow", "Support: New", 1)]
    assert told(world, world.grace) == []

    Workflow.objects.update(alerts={"errors": False})
    world.ticket("second")
    happen(world, settle, tell=lambda _ids: None)
    assert told(world, world.bob) == [("workflow", "Support: New", 1)]
    assert told(world, world.ada) == [("workflow", "Support: New", 2)]


@pytest.mark.parametrize(("has_owner", "who"), [(True, {"bob"}), (False, {"ada"})])
def test_of_unusual_rates_its_owner_is_told_or_the_administrators_R_EXEC_9(world, has_owner, who):
    edits_workflows(world, world.bob)
    data = {"name": "Flow", "rate": 5, "owner_id": world.bob.pk if has_owner else None}
    failures.tell(
        world.account.pk, [Event("workflow.busy", "workflow", 7, 0, SYSTEM, clock.now(), data, None, 0, 41)]
    )

    assert {name for name in ("ada", "bob", "grace") if told(world, getattr(world, name))} == who


def test_that_automation_was_stopped_is_told_to_administrators(world):
    data = {"name": "Flow"}
    failures.tell(
        world.account.pk,
        [Event("automation.stopped", "workflow", 7, 0, SYSTEM, clock.now(), data, None, 0, 41)],
    )

    assert told(world, world.ada) == [("budget", "Flow", 1)]
    assert told(world, world.bob) == []
    assert failures.url_of(Kind.BUDGET, 7) == "/settings/system#automation"


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def poller(world):
    mailbox = EmailAccount.objects.create(
        account_id=world.account.pk,
        channel_account=world.channel,
        imap_host="mail.example",
        state=MailboxState.OK,
    )
    return Poller(mailbox, lambda _: "")


def test_a_refused_password_is_told_at_once_and_not_again_at_each_try(world, poller, settle):
    for _try in range(3):
        poller._note_trouble(Refused("no"))
    scope.settle()
    settle()

    assert told(world, world.ada) == [("receiving", world.channel.address, 1)]


def test_a_mailbox_that_can_not_be_reached_is_told_of_when_it_does_not_pass(world, poller, settle):
    for _try in range(STOPPED - 1):
        poller._note_trouble(OSError("away"))
    scope.settle()
    settle()
    assert told(world, world.ada) == []

    for _try in range(3):
        poller._note_trouble(OSError("away"))
    scope.settle()
    settle()
    assert told(world, world.ada) == [("receiving", world.channel.address, 1)]


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", [OSError("away"), Refused("no")])
@pytest.mark.parametrize("end", [KeyboardInterrupt, DatabaseError])
def test_a_stopped_mailbox_that_could_not_be_told_of_is_told_of_at_the_next_try(monkeypatch, trouble, end):
    """That it stopped and that it was told are noted together, or neither is."""
    world = make_world()
    mailbox = EmailAccount.objects.create(
        account_id=world.account.pk,
        channel_account=world.channel,
        imap_host="mail.example",
        state=MailboxState.OK,
        failures=STOPPED - 1,
    )
    poller = Poller(mailbox, lambda _: "")
    with monkeypatch.context() as patched:
        patched.setattr(alarms, "stopped", Mock(side_effect=end))
        with nullcontext() if end is DatabaseError else pytest.raises(end):
            poller._note_trouble(trouble)
    if end is KeyboardInterrupt:  # another worker goes on
        mailbox.refresh_from_db()
        poller = Poller(mailbox, lambda _: "")
    poller._note_trouble(trouble)

    with scope.account_scope(world.account.pk):
        assert EventRow.objects.filter(kind="channel.stopped").count() == 1


def test_a_mailbox_that_was_switched_off_meanwhile_has_no_trouble(world, poller, settle):
    EmailAccount.objects.update(state=MailboxState.OFF)
    poller._note_trouble(Refused("no"))
    scope.settle()
    settle()

    assert told(world, world.ada) == []


@pytest.mark.django_db
def test_a_mail_that_its_server_keeps_is_told_once():
    world = make_world()
    mail = store.Incoming(
        world.account.pk,
        world.channel.pk,
        "imap",
        world.channel.address,
        b"",
        not_fetched="broken",
        transport_key="1",
    )
    for _time in range(2):  # the second time it is known
        store.store_raw([mail])

    with scope.account_scope(world.account.pk):
        assert [row.data["number"] for row in EventRow.objects.filter(kind="channel.quarantined")] == [1]


@pytest.mark.parametrize(
    ("state", "verdict", "attempts", "is_told"),
    [
        (State.HELD, Verdict.AMBIGUOUS, 5, True),
        (State.WAITING, Verdict.LATER, wiring.WAITS_LONG, True),
        (State.WAITING, Verdict.LATER, wiring.WAITS_LONG - 1, False),
        (State.WAITING, Verdict.LATER, wiring.WAITS_LONG + 1, False),
        (State.FAILED, Verdict.REFUSED, 1, False),
        (State.SENT, Verdict.ACCEPTED, 1, False),
    ],
)
def test_mail_that_does_not_leave_is_told(world, settle, state, verdict, attempts, is_told):
    now = clock.now()
    entry = Entry(
        1,
        world.account.pk,
        "mail",
        world.channel.pk,
        "<m@x>",
        "",
        ("a@x.example",),
        {},
        {},
        "",
        None,
        attempts,
        0,
        0.0,
        now,
    )
    wiring.note_answers([Answered(entry, Answer(verdict, "450 later"), state, now, "")])
    scope.settle()
    settle()

    expected = [("sending", world.channel.address, 1)] if is_told else []
    assert told(world, world.ada) == expected


def test_a_job_that_is_tried_no_more_is_told(world, settle):
    wiring.note_given_up(world.account.pk, "crm.fill", {})
    scope.settle()
    settle()

    assert told(world, world.ada) == [("job", "", 1)]
