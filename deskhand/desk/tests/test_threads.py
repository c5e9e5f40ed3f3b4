"""Filing what arrives: joining, opening, and what a reply does to the status."""

from datetime import timedelta

import pytest

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.rules import Rules
from deskhand.crm.records import archive, associations, history, labeling, tickets
from deskhand.crm.records.models import Contact, PropertyChange, Ticket
from deskhand.crm.schema import association_labels
from deskhand.desk import inboxes, threads, tokens
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, Outcome, StoredFile
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid

ASTRID = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")


@pytest.fixture
def receive(world, noon):
    count = iter(range(1000))

    def _receive(text="Where is my refund?", *, sender=ASTRID, channel=None, **more):
        message = InboundMessage(
            external_id=more.pop("external_id", f"m{next(count)}@fjallbo.example"),
            sender=sender,
            subject=more.pop("subject", "Refund"),
            text=text,
            received_at=clock.now(),
            to=more.pop("to", (Mailbox(world.channel.address),)),
            **more,
        )
        return threads.receive(Incoming((channel or world.channel).pk, message))

    return _receive


def stage_of(received) -> str:
    return Ticket.objects.select_related("stage").get(pk=received.ticket_id).stage.label


def test_none_of_our_addresses_takes_part_R_EM_10(world, receive):
    inboxes.add_channel_account(
        world.channel.inbox, channel="email", name="Billing", address="billing+eu@nordlys.example"
    )
    receive(
        to=(
            Mailbox(world.channel.address),
            Mailbox("billing+eu+t1z-abc@nordlys.example"),
            Mailbox("per@fjallbo.example"),
        )
    )

    assert Thread.objects.get().participants == ["astrid@fjallbo.example", "per@fjallbo.example"]


def test_t_cc_1_a_mail_becomes_one_ticket(world, receive):
    received = receive()

    ticket = Ticket.objects.get()
    assert received.outcome is Outcome.CREATED
    assert (ticket.subject, ticket.source_type, ticket.stage_id) == ("Refund", "EMAIL", world.stage("New"))
    assert ticket.contact.email == "astrid@fjallbo.example"
    assert ticket.contact.name == "Astrid Lindqvist"
    assert ticket.originating_thread_id == received.thread_id
    assert Thread.objects.get().participants == ["astrid@fjallbo.example"]
    assert [e.kind for e in EventRow.objects.order_by("id")] == [
        "contact.created",
        "ticket.created",
        "message.received",
    ]


def test_t_cc_3_an_answer_joins_its_thread(receive):
    first = receive()

    second = receive("The number is 4819.", answers=("m0@fjallbo.example",))

    assert second.outcome is Outcome.JOINED
    assert second.ticket_id == first.ticket_id
    assert Ticket.objects.count() == 1
    assert Ticket.objects.get().message_count == 2
    assert Thread.objects.get().message_count == 2


def test_an_answer_in_the_same_set_joins_too(world, noon):
    def mail(external_id, *answers):
        return Incoming(
            world.channel.pk, InboundMessage(external_id, ASTRID, "Refund", "Hello", noon, answers=answers)
        )

    received = threads.receive_many([mail("a@x"), mail("b@x", "a@x"), mail("c@y"), mail("d@x", "b@x")])

    assert [r.outcome for r in received] == [Outcome.CREATED, Outcome.JOINED, Outcome.CREATED, Outcome.JOINED]
    assert len({r.ticket_id for r in (received[0], received[1], received[3])}) == 1


def test_answers_to_different_messages_of_a_thread_in_one_set_are_all_counted(world, noon):
    def mail(external_id, *answers):
        return Incoming(
            world.channel.pk, InboundMessage(external_id, ASTRID, "Refund", "Hello", noon, answers=answers)
        )

    threads.receive_many([mail("a@x"), mail("b@x", "a@x")])
    threads.receive_many([mail("c@x", "a@x"), mail("d@x", "b@x"), mail("e@x", "nobody@x")])
    threads.receive_many([mail("k@x"), mail("l@x", "k@x"), mail("m@x", "l@x"), mail("n@x", "k@x")])

    assert list(Thread.objects.order_by("id").values_list("message_count", flat=True)) == [4, 1, 4]
    assert list(Ticket.objects.order_by("id").values_list("message_count", flat=True)) == [4, 1, 4]


def test_t_cc_4_another_subject_is_a_second_ticket(receive):
    receive()

    receive("And my invoice?", subject="Invoice")

    assert Ticket.objects.count() == 2
    assert Contact.objects.count() == 1


def test_t_cc_5_without_the_ticket_switch_there_is_a_thread_only(world, receive):
    world.channel.creates_tickets = False
    world.channel.save(update_fields=["creates_tickets"])

    received = receive()

    assert received.outcome is Outcome.THREADED
    assert received.ticket_id is None
    assert Thread.objects.get().ticket_id is None
    assert Message.objects.get().text == "Where is my refund?"


def test_t_stat_3_a_reply_moves_the_ticket_to_waiting_on_us(world, receive):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Waiting on contact"), by=SYSTEM)

    reply = receive("Here it is", answers=("m0@fjallbo.example",))

    assert stage_of(reply) == "Waiting on us"


def test_t_stat_4_a_second_thread_moves_a_never_closed_ticket_not(world, receive):
    first = receive()
    other = receive("Another thing", subject="Other")
    Thread.objects.filter(pk=other.thread_id).update(ticket_id=first.ticket_id)
    tickets.move(first.ticket_id, to=world.stage("Waiting on contact"), by=SYSTEM)

    receive("More", answers=("m1@fjallbo.example",))

    assert stage_of(first) == "Waiting on contact"


def test_t_stat_5_after_a_reopening_any_thread_moves_it(world, receive):
    first = receive()
    other = receive("Another thing", subject="Other")
    Thread.objects.filter(pk=other.thread_id).update(ticket_id=first.ticket_id)
    for stage in ("Closed", "Waiting on contact"):
        tickets.move(first.ticket_id, to=world.stage(stage), by=SYSTEM)

    receive("More", answers=("m1@fjallbo.example",))

    assert stage_of(first) == "Waiting on us"


def test_t_stat_6_a_forward_moves_nothing(world, receive):
    first = receive()

    receive("FYI", answers=("m0@fjallbo.example",), is_forward=True)

    assert stage_of(first) == "New"


def test_t_stat_7_an_agents_own_mailbox_moves_nothing(world, receive):
    first = receive()

    receive("I wrote from my phone", sender=Mailbox(world.ada.email, "Ada"), answers=("m0@fjallbo.example",))

    assert stage_of(first) == "New"
    assert Ticket.objects.get().first_agent_reply_at is None


def test_t_stat_8_a_reply_reopens_a_closed_ticket_whatever_the_boxes(world, receive):
    pipelines.set_policy(Pipeline.objects.get(key="0"), moves_on_sent=False, moves_on_reply=False)
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    receive("Not solved", answers=("m0@fjallbo.example",))

    assert stage_of(first) == "New"
    assert Ticket.objects.get().closed_at is None


def test_t_stat_9_reopening_is_one_transition(world, receive):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)
    before = PropertyChange.objects.filter(property="hs_pipeline_stage").count()

    receive("Not solved", answers=("m0@fjallbo.example",))

    assert stage_of(first) == "New"
    assert PropertyChange.objects.filter(property="hs_pipeline_stage").count() == before + 1


def test_t_stat_10_the_first_open_status_counts_in_any_pipeline(world, receive):
    from deskhand.crm.pipelines.models import StageState
    from deskhand.crm.pipelines.pipelines import NewStage

    made = pipelines.create(
        world.account.pk,
        "ticket",
        "Odd",
        [
            NewStage("Triage", StageState.OPEN),
            NewStage("Shut", StageState.CLOSED),
            NewStage("Follow-up", StageState.OPEN),
        ],
    )
    world.channel.pipeline_id = made.pk
    world.channel.save(update_fields=["pipeline_id"])
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Shut"), by=SYSTEM)

    receive("Again", answers=("m0@fjallbo.example",))

    assert stage_of(first) == "Triage"


def test_t_stat_11_out_of_office_leaves_a_closed_ticket_closed(world, receive):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    received = receive(
        "I am away",
        answers=("m0@fjallbo.example",),
        automatic=Automatic.ANSWER,
        automatic_reason="Auto-Submitted",
    )

    assert received.outcome is Outcome.AUTO_REPLY
    assert stage_of(first) == "Closed"


def test_t_stat_13_status_rules_do_not_bind_the_mail(world, receive):
    pipeline = Pipeline.objects.get(key="0")
    pipelines.set_rules(pipeline, Rules(forbids_skipping=True, forbids_going_back=True), by=SYSTEM)
    first = receive()
    with pytest.raises(Invalid):
        tickets.move(first.ticket_id, to=world.stage("Waiting on us"), by=Actor.user(world.grace.pk))

    receive("And?", answers=("m0@fjallbo.example",))

    assert stage_of(first) == "Waiting on us"


def test_a_stranger_on_a_known_thread_moves_nothing_and_joins_nobody(world, receive):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    received = receive(
        "Send me the data", sender=Mailbox("mallory@evil.example"), answers=("m0@fjallbo.example",)
    )

    assert received.ticket_id == first.ticket_id
    assert stage_of(first) == "Closed"
    assert Message.objects.get(pk=received.message_id).is_unverified
    assert "mallory@evil.example" not in Thread.objects.get().participants
    assert Contact.objects.count() == 1


@pytest.mark.parametrize(
    "more",
    [
        {"automatic": Automatic.ANSWER},
        {"automatic": Automatic.REPORT},
        {"sender": Mailbox("eve@elsewhere.example")},
    ],
)
def test_machines_and_strangers_are_no_news_in_a_thread_B8(receive, noon, more):
    receive()
    Thread.objects.update(is_open=False, closed_at=noon)

    with clock.stopped(noon + timedelta(hours=1)):
        receive("I am away until Monday.", answers=("m0@fjallbo.example",), **more)

    thread = Thread.objects.get()
    assert (thread.is_open, thread.closed_at, thread.last_received_at) == (False, noon, noon)
    assert (thread.preview, thread.message_count) == ("Where is my refund?", 2)


def test_who_answers_a_deleted_ticket_is_heard_anew(receive):
    first = receive()
    archive.archive("ticket", [first.ticket_id], by=SYSTEM)

    second = receive("Hello?", answers=("m0@fjallbo.example",))
    machine = receive("Away", answers=("m0@fjallbo.example",), automatic=Automatic.ANSWER)

    assert second.outcome is Outcome.CREATED
    assert second.ticket_id != first.ticket_id
    assert machine.ticket_id == first.ticket_id


def test_a_verified_token_leads_to_its_thread(world, receive):
    first = receive()
    tag = tokens.reply_tag(world.account.pk, first.thread_id)

    received = receive("Answer", thread_id=tokens.thread_of_tag(world.account.pk, tag))

    assert received.ticket_id == first.ticket_id


@pytest.mark.parametrize(
    "forge",
    [
        lambda t: t[:-1] + ("a" if t[-1] != "a" else "b"),
        lambda t: "t1-" + "a" * 16,
        lambda t: t.replace("-", ""),
    ],
)
def test_a_forged_token_leads_nowhere_T2(world, forge):
    tag = tokens.reply_tag(world.account.pk, 12345)

    assert tokens.thread_of_tag(world.account.pk, forge(tag)) is None
    assert tokens.thread_of_tag(world.account.pk + 1, tag) is None
    assert tokens.thread_of_tag(world.account.pk, tag.upper()) == 12345


def test_tokens_of_a_former_key_still_lead_home_T2(settings):
    settings.ENCRYPTION_KEY = "old"
    tag, made = tokens.reply_tag(7, 12), tokens.message_id(7, 12, 99, "nordlys.example")

    settings.ENCRYPTION_KEY, settings.ENCRYPTION_KEYS_BEFORE = "new", ["old"]

    assert (tokens.thread_of_tag(7, tag), tokens.thread_of_message_id(7, made)) == (12, 12)
    assert tokens.reply_tag(7, 12) != tag
    settings.ENCRYPTION_KEYS_BEFORE = []
    assert (tokens.thread_of_tag(7, tag), tokens.thread_of_message_id(7, made)) == (None, None)


def test_message_ids_are_signed_too():
    made = tokens.message_id(7, 12, 99, "nordlys.example")

    assert tokens.thread_of_message_id(7, f"<{made}>") == 12
    assert tokens.thread_of_message_id(8, made) is None
    assert tokens.thread_of_message_id(7, made.replace(".c.", ".d.")) is None


def test_a_closed_ticket_past_its_window_is_followed_up(world, receive, noon):
    pipeline = Pipeline.objects.get(key="0")
    pipelines.set_policy(pipeline, options={"reopen": {"mode": "within_days", "days": 14}})
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    with clock.stopped(noon + timedelta(days=15)):
        later = receive("Me again", answers=("m0@fjallbo.example",))

    assert later.outcome is Outcome.CREATED
    assert later.ticket_id != first.ticket_id
    assert stage_of(first) == "Closed"


def followed_up(world, receive, noon, text="Me again"):
    """A closed ticket and the one that follows it up."""
    pipelines.set_policy(Pipeline.objects.get(key="0"), options={"reopen": {"mode": "never"}})
    first = receive(external_id="old@x")
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)
    return first, receive(text, answers=("old@x",))


def words_between(one, other):
    found = labeling.labels_of_record("ticket", one.ticket_id)["ticket", other.ticket_id]
    return [label.label for label in found]


def test_a_follow_up_and_the_closed_ticket_say_what_they_are_to_each_other_R_REOPEN_2(world, receive, noon):
    first, later = followed_up(world, receive, noon)

    assert words_between(later, first) == ["Follow-up of"]
    assert words_between(first, later) == ["Followed up by"]
    linked = EventRow.objects.filter(kind="ticket.linked", object_id=later.ticket_id).get()
    received = EventRow.objects.filter(kind="message.received", object_id=later.thread_id).get()
    assert linked.cause == {"event_id": received.pk, "rule": "follow_up_of"}
    assert PropertyChange.objects.filter(record_id=first.ticket_id, property=history.LINK).exists()


def test_the_label_of_follow_ups_is_made_once_and_may_be_called_otherwise_R_REOPEN_2(world, receive, noon):
    first, later = followed_up(world, receive, noon)
    [label] = [one for one in association_labels.own_of("ticket", "ticket") if one.label == "Follow-up of"]
    association_labels.rename("ticket", "ticket", label.type_id, "Continues", "Continued by", by=SYSTEM)

    again = receive("And again", answers=("old@x",))

    assert words_between(again, first) == words_between(later, first) == ["Continues"]
    assert len(association_labels.own_of("ticket", "ticket")) == 2


def test_a_follow_up_is_linked_without_a_label_where_there_are_too_many_R_REOPEN_2(world, receive, noon, monkeypatch):  # fmt: skip
    monkeypatch.setattr(association_labels, "LIMIT", 0)

    first, later = followed_up(world, receive, noon)

    assert associations.linked_ids("ticket", [later.ticket_id], "ticket") == {
        later.ticket_id: [first.ticket_id]
    }


@pytest.fixture
def ignoring(world):
    pipelines.set_policy(Pipeline.objects.get(key="0"), options={"ignore_acknowledgements": True})


def test_thanks_leave_a_closed_ticket_closed_and_are_filed_with_the_reason_R_REOPEN_2(world, receive, ignoring):  # fmt: skip
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    thanks = receive("Tusind tak for hjælpen!\n\nMvh\nAstrid", answers=("m0@fjallbo.example",))

    ticket = Ticket.objects.get()
    assert (thanks.outcome, thanks.ticket_id) == (Outcome.JOINED, first.ticket_id)
    assert thanks.why == "only says thanks, so the closed ticket stays closed"
    assert (stage_of(first), ticket.reopened_at, ticket.message_count) == ("Closed", None, 2)
    assert ticket.preview.startswith("Tusind tak")
    assert Message.objects.get(pk=thanks.message_id).cause == {"keeps_closed": True}


@pytest.mark.parametrize(
    "more",
    [
        {"text": "Thanks, but it flickers again"},
        {"text": "Thanks!", "files": (StoredFile("a.pdf", "application/pdf", 3, "a" * 64),)},
    ],
)
def test_whoever_says_more_than_thanks_reopens_R_REOPEN_2(world, receive, ignoring, more):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    again = receive(more.pop("text"), answers=("m0@fjallbo.example",), **more)

    assert stage_of(first) == "New"
    assert Message.objects.get(pk=again.message_id).cause is None


def test_thanks_for_an_open_ticket_move_it_as_any_answer_R_REOPEN_2(world, receive, ignoring):
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Waiting on contact"), by=SYSTEM)

    receive("Thanks!", answers=("m0@fjallbo.example",))

    assert stage_of(first) == "Waiting on us"


def test_an_answer_is_filed_whatever_the_pipeline_says_of_reopening_R_REOPEN_2(world, receive):
    Pipeline.objects.filter(key="0").update(
        options={"reopen": {"mode": "within_days", "days": "x"}, "all_channels": []}
    )
    first = receive()
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    again = receive("Me again", answers=("m0@fjallbo.example",))

    assert again.ticket_id == first.ticket_id
    assert stage_of(first) == "New"


def test_a_colleagues_forward_names_the_customer_R_EM_7(world, receive):
    receive(
        "See below",
        sender=Mailbox(world.ada.email, "Ada"),
        is_forward=True,
        original_sender=Mailbox("chiara@x.example", "Chiara"),
    )

    assert Ticket.objects.get().contact.email == "chiara@x.example"


def test_filing_a_hundred_takes_as_many_queries_as_filing_two(world, noon):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def batch(count, mark):
        return [
            Incoming(
                world.channel.pk,
                InboundMessage(f"{mark}{n}@x", Mailbox(f"{mark}{n}@x.example"), f"S{n}", "Hello", noon),
            )
            for n in range(count)
        ]

    counts = []
    for size, mark in ((2, "a"), (50, "b")):
        with CaptureQueriesContext(connection) as queries:
            threads.receive_many(batch(size, mark))
        counts.append(len(queries))

    assert counts[1] <= counts[0]


def test_answers_on_two_threads_of_one_ticket_in_one_set_all_count(world, receive, noon):
    first = receive()
    other = receive("Another thing", subject="Other")
    Thread.objects.filter(pk=other.thread_id).update(ticket_id=first.ticket_id)
    before = Ticket.objects.get(pk=first.ticket_id).message_count

    threads.receive_many(
        [
            Incoming(
                world.channel.pk,
                InboundMessage(f"n{n}@x", ASTRID, "Re", "More", noon, answers=(f"m{n}@fjallbo.example",)),
            )
            for n in (0, 1)
        ]
    )

    assert Ticket.objects.get(pk=first.ticket_id).message_count == before + 2


def test_each_move_of_a_set_names_its_own_mail_R_STAT_16(world, receive, noon):
    """R-CLOSE-12: one event each, with what caused it."""
    first, second = receive(), receive(sender=Mailbox("bo@x.example"), subject="Other")

    answers = threads.receive_many(
        [
            Incoming(
                world.channel.pk,
                InboundMessage(f"n{n}@x", sender, "Re", "More", noon, answers=(f"m{n}@fjallbo.example",)),
            )
            for n, sender in enumerate([ASTRID, Mailbox("bo@x.example")])
        ]
    )

    came = {event.version: event.pk for event in EventRow.objects.filter(kind="message.received")}
    moves = EventRow.objects.filter(kind="ticket.moved").order_by("object_id")
    assert [(move.object_id, move.cause["event_id"]) for move in moves] == [
        (first.ticket_id, came[answers[0].message_id]),
        (second.ticket_id, came[answers[1].message_id]),
    ]


@pytest.mark.parametrize(("plan", "stage"), [("free", "New"), ("starter", "Waiting on us")])
def test_t_stat_14_statuses_follow_emails_from_the_starter_plan_on(world, receive, plan, stage):
    from deskhand.crm.pipelines import queries

    world.account.plan = plan
    world.account.save(update_fields=["plan"])
    queries.forget()
    first = receive()

    receive("Here it is", answers=("m0@fjallbo.example",))

    assert stage_of(first) == stage


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("email", "EMAIL_OTHER"), ("form", "EMAIL_OTHER"), ("portal", "EMAIL_OTHER"), ("chat", "MESSAGE"),
        ("whatsapp", "MESSAGE"), ("messenger", "MESSAGE"), ("sms", "MESSAGE"), ("custom", "MESSAGE"), ("pigeon", "MESSAGE"),
        ("calling", "CALL"),
    ],
)  # fmt: skip
def test_a_tickets_type_is_its_channels(world, channel, expected):
    """R-ROUTE-20, R-ROUTE-21, R-ROUTE-25, R-CCH-5"""
    way = inboxes.add_channel_account(
        world.channel.inbox, channel=channel, name="In", address=f"in@{channel}.example"
    )

    made = threads.first_ticket(
        way, way.inbox, subject="Where is it?", text="", writer="Astrid", contact_id=None, facts={}
    )

    assert made.ticket_type == expected
