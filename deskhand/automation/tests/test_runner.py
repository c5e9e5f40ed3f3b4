"""Lanes at work: enrolment, actions, delays, and what is left out (behaviour.md §7, §9, §13)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import lanes, templates, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Leaving,
    OnFailure,
    Reenrollment,
    UntilEvent,
    WhenEvent,
)  # fmt: skip
from deskhand.automation.models import Enrollment, MailTemplate, StepLog, Workflow
from deskhand.automation.runner import Runner
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import objects, tickets
from deskhand.crm.records.models import Contact, Task, Ticket
from deskhand.crm.schema.types import Kind
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes, merging, replies, threads, tokens
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.claimer import POLL, SOON

NOT_CHAT = Filter("source_type", Kind.ENUM, Operator.NONE_OF, ("CHAT",))


@pytest.fixture
def lane(world, settle):
    templates.ensure_defaults(world.account.pk)

    def make(label, *steps, every_time=False, refine=NOT_CHAT):
        stage = world.stage(label)
        at_stage = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (str(stage),))
        trigger = WhenEvent(
            (EventMatch("ticket.created", at_stage), EventMatch("ticket.moved", at_stage)), refine
        )
        definition = Definition(
            "ticket", trigger, Reenrollment(every_time), start=Edge(steps[0].id), steps=steps, next_id=len(steps) + 1,
        )  # fmt: skip
        made = workflows.create(
            world.account.pk,
            f"Lane {label}",
            definition,
            pipeline_id=world.tickets.default.id,
            stage_id=stage,
        )
        Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now() - timedelta(days=30))
        made.refresh_from_db()
        return made

    return make


def begin_lane(world, label, kind, settings):
    """The lane of a status as the Automate tab makes it, on, with one step."""
    workflows.switch(lanes.add_step("ticket", world.stage(label), kind, settings, by=world.ada.pk), True)


def step(number, kind, following=None, **settings):
    return Action(str(number), kind, settings, Edge(str(following)) if following else None)


@pytest.fixture
def mail_in(world, settle):
    def arrive(text="Where is it?", **more):
        channel = more.pop("channel", world.channel)
        message = InboundMessage(
            more.pop("external_id", "m1@x"),
            more.pop("sender", Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")),
            "Refund",
            text,
            clock.now(),
            **more,
        )
        received = threads.receive(Incoming(channel.pk, message))
        settle_in_scope(settle)
        return received

    return arrive


def settle_in_scope(settle):
    """Hooks before commit run at the scope's end; inside a test's open scope they are run by hand."""
    from deskhand.kernel.database.scope import current_scope
    from deskhand.kernel.database.scope import settle as run_hooks

    scope = current_scope()
    for _ in range(50):
        run_hooks()
        before = OutboxEntry.objects.count(), StepLog.objects.count()
        settle()
        if not scope.last and before == (OutboxEntry.objects.count(), StepLog.objects.count()):
            return


def stage_of(object_type, label):
    return next(
        stage.id
        for one in pipelines_of(object_type).pipelines
        for stage in one.stages
        if stage.label == label
    )


def sent():
    """What is in the outbox: the subjects of mail to customers stand in its messages."""
    of_messages = {message.pk: message.subject for message in Message.objects.all()}
    return [
        (e.recipients[0], e.payload.get("subject") or of_messages[e.reference_id])
        for e in OutboxEntry.objects.order_by("id")
    ]


def test_t_act_1_ticket_received_is_sent_once_and_stands_in_the_thread(world, lane, mail_in):
    lane("New", step(1, "send_email", template="ticket_received"))

    received = mail_in()

    assert sent() == [("astrid@fjallbo.example", "We have received your request [#1]")]
    line = Message.objects.get(ticket_id=received.ticket_id, direction="OUT")
    assert line.is_automatic
    assert line.cause["workflow_id"] == Workflow.objects.get().pk
    assert "Hello Astrid" in line.text
    assert Enrollment.objects.get().end_reason == "completed"


def test_a_ticket_that_did_not_come_by_mail_gets_its_mail_too_R_MAIL_10(world, lane, settle):
    """From the default address, in a conversation that begins with it."""
    lane("New", step(1, "send_email", template="ticket_received"))

    ticket = world.ticket(contact_id=world.contact().pk)
    settle_in_scope(settle)

    assert [to for to, _subject in sent()] == ["astrid@fjallbo.example"]
    message = Message.objects.get(ticket_id=ticket.pk)
    assert message.thread_id == Ticket.objects.get(pk=ticket.pk).originating_thread_id


def test_a_mail_that_can_not_be_read_is_not_sent_R_LOG_8(world, lane, mail_in):
    MailTemplate.objects.filter(key="ticket_received").update(body="{% for i in %}x{% endfor %}")
    lane("New", step(1, "send_email", 2, template="ticket_received"), step(2, "create_task", title="Call"))

    mail_in()

    assert sent() == []
    assert [log.status for log in StepLog.objects.order_by("id")] == ["FAILED", "SUCCEEDED"]


def test_t_act_2_a_chat_ticket_runs_no_lane(world, lane, settle):
    lane("New", step(1, "create_task", title="Look"))

    world.ticket(source_type="CHAT")
    settle_in_scope(settle)

    assert Enrollment.objects.count() == 0


def test_t_act_3_without_the_filter_chat_runs_too(world, lane, settle):
    lane("New", step(1, "create_task", title="Look"), refine=None)

    world.ticket(source_type="CHAT")
    settle_in_scope(settle)

    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("channel", "address", "source", "made"),
    [
        ("whatsapp", "+4520000002", "WHATSAPP", 1), ("calling", "+4520000003", "PHONE", 1),
        ("sms", "+4520000001", "CUSTOM_CHANNEL", 1), ("parcel-robot", "dock 4", "CUSTOM_CHANNEL", 1),
        ("chat", "widget", "CHAT", 0), ("messenger", "nordlys", "CHAT", 0),
    ],
)  # fmt: skip
def test_of_all_channels_live_chat_and_messenger_alone_start_no_lane_R_ACT_33(
    world, mail_in, channel, address, source, made
):
    begin_lane(world, "New", "create_task", {"title": "Look"})
    account = inboxes.add_channel_account(
        world.channel.inbox, channel=channel, name="Nordlys", address=address
    )

    received = mail_in(channel=account, sender=Mailbox("+4520123456", "Astrid Lindqvist"))

    assert Ticket.objects.get(pk=received.ticket_id).source_type == source
    assert (Enrollment.objects.count(), Task.objects.count()) == (made, made)


def test_what_starts_no_lane_has_a_close_date_all_the_same_R_ACT_34(world, settle):
    begin_lane(world, "Closed", "create_task", {"title": "Ask how it was"})
    chat, mail = world.ticket("By chat", source_type="CHAT"), world.ticket("By mail", source_type="EMAIL")

    for ticket in (chat, mail):
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    settle_in_scope(settle)

    assert [task.record_id for task in Task.objects.all()] == [mail.pk]
    closed = {one.pk: one.closed_at for one in Ticket.objects.all()}
    assert all(closed.values())

    tickets.move(chat.pk, to=world.stage("New"), by=SYSTEM)

    assert Ticket.objects.get(pk=chat.pk).closed_at is None


@pytest.mark.parametrize("leaves", [False, True])
def test_a_ticket_that_moved_on_gets_what_is_left_unless_something_takes_it_out_R_ACT_14(
    world, settle, leaves
):
    new, by = world.stage("New"), world.ada.pk
    lanes.add_step("ticket", new, lanes.DELAY, {"minutes": 60}, by=by)
    made = lanes.add_step("ticket", new, "create_task", {"title": "Call"}, after="1", by=by)
    if leaves:
        gone = Filter("hs_pipeline_stage", Kind.ENUM, Operator.NONE_OF, (str(new),))
        workflows.save(
            made, replace(workflows.definition_of(made), leaving=Leaving(AnyOf((AllOf((gone,)),))))
        )
    workflows.switch(made, True)
    ticket = world.ticket()
    settle_in_scope(settle)
    assert Enrollment.objects.get().state == "DUE"

    tickets.move(ticket.pk, to=world.stage("Waiting on us"), by=SYSTEM)
    settle_in_scope(settle)
    Enrollment.objects.filter(state="DUE").update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)

    assert [task.record_id for task in Task.objects.all()] == ([] if leaves else [ticket.pk])
    assert Enrollment.objects.get().end_reason == ("unenrolled" if leaves else "completed")


@pytest.mark.parametrize(("every_time", "tasks"), [(False, 1), (True, 2)])
def test_t_act_4_entering_again_runs_only_when_asked(world, lane, settle, every_time, tasks):
    lane("New", step(1, "create_task", title="Look"), every_time=every_time)
    ticket = world.ticket()
    settle_in_scope(settle)

    for stage in ("Closed", "New"):
        tickets.move(ticket.pk, to=world.stage(stage), by=SYSTEM)
        settle_in_scope(settle)

    assert Task.objects.count() == tasks


def test_t_act_8_telling_an_owner_that_is_not_there_is_skipped_and_the_run_goes_on(world, lane, settle):
    lane("New", step(1, "internal_email", 2, owner=True), step(2, "create_task", title="Next"))

    world.ticket()
    settle_in_scope(settle)

    assert [(line.kind, line.status) for line in StepLog.objects.order_by("id")] == [
        ("internal_email", "SKIPPED"),
        ("create_task", "SUCCEEDED"),
    ]


def test_while_off_nothing_enrolls_and_nothing_is_made_up_for_T_ACT_9(world, lane, settle):
    made = workflows.switch(lane("New", step(1, "create_task", title="Look")), False)
    world.ticket()
    settle_in_scope(settle)

    workflows.switch(made, True)
    settle_in_scope(settle)

    assert Enrollment.objects.count() == 0


def test_an_automatic_mail_assigns_nobody_and_moves_nothing_T_ACT_12(world, lane, mail_in):
    lane("New", step(1, "send_email", template="ticket_received"))

    received = mail_in()

    ticket = Ticket.objects.get(pk=received.ticket_id)
    assert ticket.owner_id is None
    assert ticket.stage_id == world.stage("New")
    assert ticket.first_agent_reply_at is None


def test_colleagues_are_told_by_team_and_by_name_R_ACT_20(world, lane, settle):
    lane(
        "New",
        step(
            1,
            "internal_email",
            users=[world.ada.pk],
            teams=[world.team.pk],
            subject="New: {{ ticket.subject }}",
        ),
    )

    world.ticket("Zip failed")
    settle_in_scope(settle)

    assert {address for address, _ in sent()} == {
        u.email for u in (world.ada, world.grace, world.bob, world.eve, world.nils)
    }
    assert sent()[0][1] == "New: Zip failed"


def test_a_gone_colleague_fails_the_step_and_flags_the_workflow_R_WFA_7(world, lane, settle):
    from deskhand.accounts.models import Membership

    made = lane("New", step(1, "internal_email", users=[world.bob.pk]))
    Membership.objects.filter(user=world.bob).update(is_active=False)

    world.ticket()
    settle_in_scope(settle)

    made.refresh_from_db()
    assert StepLog.objects.get().status == "FAILED"
    assert made.needs_review


def test_a_lane_that_needs_a_look_still_serves_the_next_ticket_R_LOG_8(world, lane, settle):
    lane("New", step(1, "create_task", 2, title="{{ broken"), step(2, "create_task", title="Call"))

    for subject in ("first", "second"):
        world.ticket(subject)
        settle_in_scope(settle)

    assert [log.status for log in StepLog.objects.order_by("id")] == ["FAILED", "SUCCEEDED"] * 2
    assert Task.objects.count() == 2
    assert Workflow.objects.get().needs_review


def test_saving_a_lane_is_having_looked_R_LOG_7(world, lane):
    made = lane("New", step(1, "create_task", title="Call"))
    Workflow.objects.update(needs_review="Grace is not active any more.")

    workflows.save(made, workflows.definition_of(made))

    assert Workflow.objects.get().needs_review == ""


def test_deals_and_projects_have_lanes_of_their_own_T_ACT_14(world, settle):
    """R-OBJ-3; and a link in the mail would lead to a ticket that happens to have the deal's number."""
    won, busy = stage_of("deal", "Closed won"), stage_of("project", "In progress")
    by = world.ada.pk
    workflows.switch(lanes.add_step("deal", won, "internal_email", {"owner": True}, by=by), True)
    workflows.switch(lanes.add_step("project", busy, "create_task", {"title": "Kick off"}, by=by), True)

    deal = objects.create("deal", {"dealname": "Fjällbo", "hubspot_owner_id": world.grace.pk}, by=SYSTEM)
    project = objects.create("project", {"hs_name": "Move"}, by=SYSTEM)
    objects.move("deal", deal.id, to=won, by=SYSTEM)
    objects.move("project", project.id, to=busy, by=SYSTEM)
    settle_in_scope(settle)

    [mail] = OutboxEntry.objects.all()
    assert (mail.recipients, mail.payload["subject"]) == ([world.grace.email], "Fjällbo")
    assert "/inbox/" not in mail.payload["text"]
    task = Task.objects.get()
    assert (task.object_type, task.record_id, task.title) == ("project", project.id, "Kick off")


def test_setting_a_property_leaves_history_with_its_cause(world, lane, settle):
    from deskhand.crm.records.models import PropertyChange

    made = lane("New", step(1, "set_property", property="hs_ticket_priority", value="HIGH"))

    ticket = world.ticket()
    settle_in_scope(settle)

    assert Ticket.objects.get(pk=ticket.pk).priority == "HIGH"
    change = PropertyChange.objects.get(property="hs_ticket_priority")
    assert (change.actor_kind, change.actor_id) == ("workflow", made.pk)


def test_each_of_a_set_of_changes_names_the_run_that_made_it(world, lane, settle):
    lane("New", step(1, "set_property", property="hs_ticket_priority", value="HIGH"))
    both = [world.ticket("one"), world.ticket("two")]
    settle_in_scope(settle)

    runs = {run.record_id: (run.pk, run.event_id) for run in Enrollment.objects.all()}
    events = EventRow.objects.filter(kind="ticket.updated", object_id__in=[t.pk for t in both])
    told = {e.object_id: (e.cause["enrollment_id"], e.cause["event_id"]) for e in events}
    assert told == runs
    assert {e.depth for e in events} == {1}


def test_a_run_whose_step_was_deleted_goes_on_at_the_next_one_R_EDIT_5(world, lane, settle):
    made = lane(
        "New",
        Delay("1", ForAmount(timedelta(hours=2)), Edge("2")),
        step(2, "create_task", 3, title="Deleted"),
        step(3, "create_task", title="Kept"),
    )
    world.ticket()
    settle_in_scope(settle)
    shorter = edit.delete_one(edit.delete_one(workflows.definition_of(made), "1"), "2")
    workflows.save(made, shorter)

    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)

    assert [task.title for task in Task.objects.all()] == ["Kept"]
    assert Enrollment.objects.get().revision_number == 2


def test_a_batch_asks_as_often_for_ten_records_as_for_two(world, lane, settle):
    lane(
        "New",
        step(1, "set_property", 2, property="hs_ticket_priority", value="HIGH"),
        step(2, "create_task", 3, title="Call"),
        step(3, "set_property", property="hubspot_owner_id", value=world.nils.pk),  # refused: no seat
    )

    def asked(tickets):
        for n in range(tickets):
            world.ticket(f"{tickets}.{n}")
        settle_hooks()
        while Dispatcher().run_once():
            pass
        with CaptureQueriesContext(connection) as queries:
            assert Runner().run_once() == tickets
        return len(queries)

    asked(1)  # what is read once per process
    assert asked(10) == asked(2)


def settle_hooks():
    from deskhand.kernel.database.scope import settle

    settle()


def test_an_owner_without_a_seat_is_refused_R_WFA_9(world, lane, settle):
    lane("New", step(1, "set_property", property="hubspot_owner_id", value=world.nils.pk))

    ticket = world.ticket()
    settle_in_scope(settle)

    assert Ticket.objects.get(pk=ticket.pk).owner_id is None
    assert StepLog.objects.get().status == "FAILED"


def test_t_close_6_a_workflow_that_closes_sets_the_close_date(world, lane, settle):
    lane("Waiting on us", step(1, "set_property", property="hs_pipeline_stage", value=world.stage("Closed")))
    ticket = world.ticket()

    tickets.move(ticket.pk, to=world.stage("Waiting on us"), by=SYSTEM)
    settle_in_scope(settle)

    assert Ticket.objects.get(pk=ticket.pk).closed_at is not None


@pytest.mark.parametrize("stays", ["New", "Closed"])
def test_t_close_6_a_merge_leaves_the_date_of_the_one_that_stays(world, stays):
    """Whatever the other one's is."""
    goes, primary = world.ticket(stage="Closed" if stays == "New" else "New"), world.ticket(stage=stays)
    before = Ticket.objects.get(pk=primary.pk).closed_at

    merging.merge(primary.pk, goes.pk, by=Actor.user(world.ada.pk))

    merged = Ticket.objects.get(pk=primary.pk)
    assert (merged.is_closed, merged.closed_at) == (stays == "Closed", before)
    assert (before is not None) == merged.is_closed


def test_a_delay_holds_and_goes_on_R_DELAY_2(world, lane, settle):
    lane("New", Delay("1", ForAmount(timedelta(hours=2)), Edge("2")), step(2, "create_task", title="Later"))
    world.ticket()
    settle_in_scope(settle)

    assert Task.objects.count() == 0
    waiting = Enrollment.objects.get()
    assert waiting.due_at - waiting.enrolled_at >= timedelta(hours=2)

    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)
    assert Task.objects.count() == 1


def test_a_way_that_leads_back_does_its_steps_again_R_EXEC_23(world, lane, settle):
    lane(
        "New",
        step(1, "create_task", 2, title="Ask again"),
        Delay("2", ForAmount(timedelta(days=1)), Edge("1", is_goto=True)),
    )
    world.ticket()
    settle_in_scope(settle)
    assert Task.objects.count() == 1

    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)

    assert Task.objects.count() == 2


def test_colleagues_are_told_in_the_accounts_language(world, lane, settle):
    world.account.locale = "da"
    world.account.save(update_fields=["locale"])
    lane("New", step(1, "internal_email", users=[world.grace.pk]))
    world.ticket()
    settle_in_scope(settle)

    assert OutboxEntry.objects.get().payload["subject"].startswith("Sag #1")


def test_off_during_a_delay_the_action_is_logged_as_skipped_T_WF_10(world, lane, settle):
    made = lane(
        "New", Delay("1", ForAmount(timedelta(hours=2)), Edge("2")), step(2, "create_task", title="Later")
    )
    world.ticket()
    settle_in_scope(settle)
    workflows.switch(made, False)

    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)

    assert Task.objects.count() == 0
    assert StepLog.objects.filter(status="SKIPPED", kind="off").exists()


def test_a_delay_until_an_event_is_released_by_it_R_DELAY_5(world, lane, settle):
    closing = EventMatch("ticket.moved", Filter("hs_is_closed", Kind.BOOL, Operator.ANY_OF, (True,)))
    lane(
        "New",
        Delay("1", UntilEvent(closing, timedelta(days=3)), Edge("2")),
        step(2, "create_task", title="Closed early"),
    )
    ticket = world.ticket()
    settle_in_scope(settle)
    tickets.move(ticket.pk, to=world.stage("Waiting on us"), by=SYSTEM)
    settle_in_scope(settle)
    assert Task.objects.count() == 0

    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    settle_in_scope(settle)

    assert Task.objects.get().title == "Closed early"


def test_nobody_and_machines_get_no_automatic_mail_R_MAIL_9_B1(world, lane, mail_in, settle):
    lane("New", step(1, "send_email", template="ticket_received"))

    mail_in(automatic=Automatic.GENERATED, automatic_reason="List-Id")
    world.ticket("By hand")
    settle_in_scope(settle)

    assert sent() == []
    assert set(StepLog.objects.values_list("status", flat=True)) == {"SKIPPED"}


def test_what_is_not_transactional_goes_to_marketing_contacts_only_T_ACT_7(world, lane, mail_in, settle):
    """R-MAIL-2, R-MAIL-4: skipped with its reason"""
    own = templates.create(world.account.pk, "News", by=SYSTEM)
    templates.edit(own, subject="News", body="News for you", is_transactional=False)
    received = step(1, "send_email", 2, template="ticket_received")
    lane("New", received, step(2, "send_email", template=str(own.pk)))

    mail_in()

    assert [subject for _to, subject in sent()] == ["We have received your request [#1]"]
    assert "this contact is none" in StepLog.objects.get(status="SKIPPED").message

    Contact.objects.update(properties={"hs_marketable_status": True})
    mail_in(external_id="m2@x")

    assert [subject for _to, subject in sent()][2:] == ["News"]


def test_whom_a_forward_names_gets_no_automatic_mail_before_they_write_F2(world, lane, mail_in, settle):
    """A forward can be forged to make us write to anybody."""
    lane("New", step(1, "send_email", template="ticket_received"))
    lane("Closed", step(1, "send_email", template="ticket_closed"))
    named = Mailbox("vera@elsewhere.example", "Vera")

    received = mail_in(sender=Mailbox(world.ada.email, "Ada"), original_sender=named, is_forward=True)
    assert Ticket.objects.get().contact.email == named.email
    assert sent() == []

    mail_in("Any news?", sender=named, external_id="m2@x", answers=("m1@x",))
    tickets.move(received.ticket_id, to=world.stage("Closed"), by=SYSTEM)
    settle_in_scope(settle)

    assert len(sent()) == 1


def test_a_colleagues_answer_to_a_notice_is_noted_on_its_ticket_R_EM_9(world, lane, mail_in):
    lane("New", step(1, "internal_email", users=[world.bob.pk]))
    received = mail_in()

    (notice,) = [entry.payload for entry in OutboxEntry.objects.all()]
    _, _, tag = notice["reply_to"][0]["email"].partition("@")[0].rpartition("+")

    assert tokens.thread_of_tag(world.account.pk, tag) == received.thread_id


def test_at_most_five_automatic_mails_an_hour_to_one_address_R_MAIL_12(world, lane, mail_in):
    lane("New", step(1, "send_email", template="ticket_received"))

    for n in range(8):
        mail_in(external_id=f"n{n}@x")

    assert len(sent()) == 5


def test_a_failing_step_may_stop_its_run_R_LOG_8(world, lane, settle):
    failing = Action("1", "set_property", {"property": "nonsense", "value": 1}, Edge("2"), OnFailure.STOP)
    lane("New", failing, step(2, "create_task", title="Never"))

    world.ticket()
    settle_in_scope(settle)

    assert Task.objects.count() == 0
    assert Enrollment.objects.get().end_reason == "step_failed"


def test_a_deleted_ticket_leaves_and_does_not_come_back_T_WF_12(world, lane, settle):
    lane("New", Delay("1", ForAmount(timedelta(hours=2)), Edge("2")), step(2, "create_task", title="Later"))
    ticket = world.ticket()
    settle_in_scope(settle)

    tickets.archive([ticket.pk], by=SYSTEM)
    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    settle_in_scope(settle)
    tickets.restore([ticket.pk], by=SYSTEM)
    settle_in_scope(settle)

    assert Task.objects.count() == 0
    assert Enrollment.objects.get().end_reason == "record_gone"


def test_t_stat_1_an_agents_mail_moves_and_assigns_T_ROUTE_17(world, mail_in):
    received = mail_in()

    replies.reply(NewReply(received.ticket_id, "It is on its way."), by=world.bob)

    ticket = Ticket.objects.get(pk=received.ticket_id)
    assert ticket.stage_id == world.stage("Waiting on contact")
    assert ticket.owner_id == world.bob.pk
    replies.reply(NewReply(received.ticket_id, "And more."), by=world.ada)
    assert Ticket.objects.get(pk=received.ticket_id).owner_id == world.bob.pk


def test_t_stat_12_a_comment_moves_and_assigns_nothing(world, mail_in):
    received = mail_in()

    replies.comment(received.ticket_id, "Look at this @" + world.grace.username, by=world.ada)

    ticket = Ticket.objects.get(pk=received.ticket_id)
    assert (ticket.stage_id, ticket.owner_id) == (world.stage("New"), None)
    assert OutboxEntry.objects.count() == 0
    assert Message.objects.get(kind="COMMENT").mentions.get().user_id == world.grace.pk


def test_when_the_thread_moved_on_the_reply_is_refused_R_WORK_3(world, mail_in):
    from deskhand.kernel.errors import Conflict

    received = mail_in()
    mail_in("One more thing", external_id="m2@x", answers=("m1@x",))

    with pytest.raises(Conflict, match="Astrid"):
        replies.reply(
            NewReply(received.ticket_id, "Hello", last_seen_message_id=received.message_id), by=world.bob
        )

    assert OutboxEntry.objects.count() == 0


def test_the_same_form_sends_once(world, mail_in):
    received = mail_in()

    first = replies.reply(NewReply(received.ticket_id, "Hello", send_key="k1"), by=world.bob)
    again = replies.reply(NewReply(received.ticket_id, "Hello", send_key="k1"), by=world.bob)

    assert first.pk == again.pk
    assert OutboxEntry.objects.count() == 1


def test_our_answer_carries_what_brings_the_reply_back(world, mail_in):
    from deskhand.desk import tokens

    received = mail_in()

    message = replies.reply(NewReply(received.ticket_id, "Hello"), by=world.bob)

    entry = OutboxEntry.objects.get()
    assert entry.payload["in_reply_to"] == "<m1@x>"
    tag = entry.payload["reply_to"][0]["email"].partition("+")[2].partition("@")[0]
    assert tokens.thread_of_tag(world.account.pk, tag) == message.thread_id
    assert tokens.thread_of_message_id(world.account.pk, entry.message_id) == message.thread_id
    assert entry.envelope_from == entry.payload["reply_to"][0]["email"]


def test_how_a_send_ended_shows_on_the_message_and_its_ticket(world, mail_in):
    from deskhand.delivery.types import Answer, Answered, Entry, Verdict

    def answered(message, state, error=""):
        entry = Entry(
            id=1,
            account_id=world.account.pk,
            transport="mail",
            channel_account_id=None,
            message_id="<x@y>",
            envelope_from="",
            recipients=("a@b",),
            payload={},
            reference_type="desk.message",
            reference_id=message.pk,
            attempts=1,
            ambiguous=0,
            settled={},
            tried_seconds=0.0,
            created_at=clock.now(),
        )
        return Answered(entry, Answer(Verdict.ACCEPTED, "250 ok"), state, clock.now(), error)

    received = mail_in()
    message = replies.reply(NewReply(received.ticket_id, "Hello"), by=world.bob)

    replies.note_answers([answered(message, "FAILED", "No such user")])
    message.refresh_from_db()
    assert (message.delivery, message.delivery_error) == ("FAILED", "No such user")
    assert Ticket.objects.get(pk=received.ticket_id).last_message_failed

    replies.note_answers([answered(message, "SENT")])
    message.refresh_from_db()
    assert message.delivery == "SENT"
    assert message.sent_at is not None
    assert not Ticket.objects.get(pk=received.ticket_id).last_message_failed


def test_a_worker_at_rest_sleeps_until_the_next_delay_is_over(world, lane, settle):
    lane("New", Delay("1", ForAmount(timedelta(hours=1))))
    assert Runner().patience() == POLL  # nobody waits

    world.ticket()
    settle_in_scope(settle)
    assert Runner().patience() == POLL  # an hour is further away than the next look

    Enrollment.objects.update(due_at=clock.now() + timedelta(seconds=1))
    assert SOON < Runner().patience() <= 1

    Enrollment.objects.update(due_at=clock.now() - timedelta(seconds=1))
    assert Runner().patience() == POLL  # it is due, and whoever holds it has it
