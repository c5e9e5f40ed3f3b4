"""Mail to customers gets its words when it is sent, from what its step stored (R-MAIL-1, R-MAIL-11, R-LOG-7, O1)."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.policy import viewer_for
from deskhand.automation import mailing, templates, tokens
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.models import MailRevision, MailTemplate, Workflow
from deskhand.automation.tests.doings import doing_of
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.delivery import outbox
from deskhand.delivery import sender as sending
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.tests.helpers import lease_runs_out, sender, time_passes
from deskhand.delivery.tests.peers import smtp_peer
from deskhand.delivery.transports import mail as mail_transport
from deskhand.delivery.transports import smtp
from deskhand.desk import customers, search, splitting, unwritten
from deskhand.desk.models import Message, Thread
from deskhand.desk.splitting import Wanted
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid

pytestmark = pytest.mark.usefixtures("wired")

MAIL = ACTIONS["send_email"]
HELLO = "Hello {{ contact.first_name | default: 'there' }}, we have “{{ ticket.subject }}”."


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    """Each try looks anew whether the server is up; no revision is known from another test."""
    monkeypatch.setattr(smtp, "DOWN_SECONDS", 0.0)
    monkeypatch.setattr(mail_transport, "REMEMBERED_SECONDS", 0.0)
    mailing._read_once.cache_clear()


@pytest.fixture
def hello(world) -> MailTemplate:
    made = templates.create(world.account.pk, "Hello", by=SYSTEM)
    return templates.edit(made, subject="About #{{ ticket.number }}", body=HELLO)


@pytest.fixture
def flow(world) -> Workflow:
    now = clock.now()
    return Workflow.objects.create(
        account_id=world.account.pk, name="Greets", object_type="ticket", created_at=now
    )


@pytest.fixture
def step(world, hello, flow):
    """The step, for one ticket; the message that it left."""

    def run(record=None, template=hello, number=1, object_type="ticket"):
        record = record or world.ticket(contact_id=world.contact().pk)
        doing = doing_of(
            world, record, {"template": str(template.pk)}, enrollment_id=number, workflow_id=flow.pk, object_type=object_type
        )  # fmt: skip
        (done,) = MAIL.run([doing])
        assert done.outputs == {"sent": 1}, done.message
        return Message.objects.latest("id")

    return run


def stored(message):
    """What stands in its row."""
    return Message.objects.filter(pk=message.pk).values_list("subject", "text", "html").get()


def words_in(raw):
    read = message_from_bytes(raw, policy=default)
    return read["Subject"], read.get_body(("plain",)).get_content().strip()


SAYS = "Hello Astrid, we have “Refund still missing”."


def test_a_step_stores_the_revision_and_what_it_names_and_no_words(world, step, hello):
    message = step()

    entry = OutboxEntry.objects.get()
    assert stored(message) == ("", "", "")
    assert not {"subject", "text", "html"} & set(entry.payload)
    assert (message.filling["template"], message.filling["revision"]) == (hello.pk, 2)
    number = Ticket.objects.get().number
    assert message.filling["tokens"] == {
        "contact": {"first_name": "Astrid"}, "ticket": {"subject": "Refund still missing", "number": number},
    }  # fmt: skip
    assert (message.subject, message.text) == (f"About #{number}", SAYS)


def test_its_words_are_those_of_that_moment_whatever_changes_after(world, step, hello):
    """R-MAIL-1: an edit counts from the next mail on."""
    message = step()

    templates.edit(hello, subject="New", body="Something else for {{ contact.name }}")
    templates.set_archived(hello, True, by=SYSTEM)
    tickets.change_many([Change(message.ticket_id, {"subject": "Other"})], by=SYSTEM)
    MailTemplate.objects.filter(pk=hello.pk).delete()
    assert Message.objects.get(pk=message.pk).text == SAYS

    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    assert words_in(peer.taken[0][2]) == (message.subject, SAYS)
    assert stored(message)[:2] == (message.subject, SAYS)

    MailRevision.objects.all().delete()
    mailing._read_once.cache_clear()
    assert Message.objects.get(pk=message.pk).text == SAYS
    assert Message.objects.get(pk=message.pk).cause["mail_revision"] == [hello.pk, 2]


def test_a_mail_whose_name_another_one_has_by_now_stays_archived_until_one_is_renamed(world, hello):
    """A file of the configuration that says “Hello” means one mail; so do people who choose it."""
    account_id, name = world.account.pk, hello.name
    templates.set_archived(hello, True, by=SYSTEM)
    other = templates.create(account_id, name.upper(), by=SYSTEM)

    with pytest.raises(
        Conflict, match=f"Another mail is called “{name}” by now. Give one of the two another"
    ):
        templates.set_archived(hello, False, by=SYSTEM)
    assert MailTemplate.objects.get(pk=hello.pk).archived_at is not None

    templates.rename(other, "Hello again", by=SYSTEM)
    templates.set_archived(hello, False, by=SYSTEM)
    assert MailTemplate.objects.get(pk=hello.pk).archived_at is None


def test_each_try_sends_the_same_bytes_o1(world, step, hello):
    step()

    with smtp_peer() as peer:
        peer.lose_answers = 1
        sender(peer.relay()).drain()
        templates.edit(hello, subject="New", body="Something else")
        MailRevision.objects.filter(number=2).delete()
        mailing._read_once.cache_clear()
        time_passes()
        sender(peer.relay()).drain()

    first, second = (raw for _from, _to, raw in peer.taken)
    assert first == second
    assert OutboxEntry.objects.get().ambiguous == 1


def test_who_dies_between_writing_and_sending_leaves_the_words_to_the_next(world, step, hello):
    """F8: the words are kept in a transaction of their own before anything is sent."""
    step()
    died = []

    def die(entry):
        died.append(entry.id)
        raise SystemExit

    with smtp_peer() as peer:
        one = sender(peer.relay())
        one.transports["mail"].send = die
        with pytest.raises(SystemExit):
            one.run_once()
        MailRevision.objects.all().delete()
        mailing._read_once.cache_clear()
        lease_runs_out(died[0])
        sender(peer.relay()).drain()
        time_passes()
        sender(peer.relay()).drain()

    assert words_in(peer.taken[0][2])[1] == SAYS
    assert len(peer.taken) == 1


def test_mail_that_has_no_way_out_waits_for_its_words_too(world, step):
    message = step()

    sender(None).drain()

    assert OutboxEntry.objects.get().due_at is None
    assert stored(message)[1] == ""
    assert Message.objects.get(pk=message.pk).text == SAYS


def test_many_are_written_with_as_many_queries_as_few(world, step):
    ids = [step(world.ticket(f"T{n}", contact_id=world.contact(f"c{n}@x.example", f"C{n}").pk), number=n).pk for n in range(7)]  # fmt: skip

    def asked(some):
        with CaptureQueriesContext(connection) as found:
            assert len(unwritten.write(some)) == len(some)
        return len(found)

    asked(ids[:1])
    assert asked(ids[1:3]) == asked(ids[3:])
    assert unwritten.write(ids[:1])[ids[0]].text.startswith("Hello C0")


# ── before it is written ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_timeline_tells_what_it_will_say(world, step):
    message = step()

    items, _next = customers.timeline(
        viewer_for(world.account.pk, world.ada.pk), "contact", Ticket.objects.get().contact_id
    )

    (said,) = [item for item in items if item.is_ours]
    assert (said.id, said.subject, said.text) == (message.pk, message.subject, SAYS)


def test_the_search_finds_what_it_says_once_it_is_written(world, step, settle):
    ada = viewer_for(world.account.pk, world.ada.pk)
    step()
    settle()
    assert not search.messages(ada, "hello astrid").hits

    with smtp_peer() as peer:
        sender(peer.relay()).drain()

    (hit,) = search.messages(ada, "hello astrid").hits
    assert hit.text == SAYS
    assert search.messages(ada, world.channel.name).hits


def test_a_copy_has_its_words(world, step):
    message = step()
    wanted = Wanted("Copy", pipelines_of("ticket").default.first_open.id, (message.pk,), is_copy=True)

    made = splitting.split(message.ticket_id, wanted, by=Actor.user(world.ada.pk))

    copied = Message.objects.filter(ticket_id=made.ticket_id).values_list("text", "filling")
    assert list(copied) == [(SAYS, None)]


def test_a_mail_that_begins_a_conversation_gives_it_its_subject(world, step, hello):
    templates.edit(hello, subject="For {{ contact.first_name }}", body="Hello")

    message = step(world.contact(), object_type="contact")

    assert Thread.objects.get(pk=message.thread_id).subject == "For Astrid"
    assert message.subject == "For Astrid"


# ── what can't be written ────────────────────────────────────────────────────────────────────────────────────────────

TOO_LONG = "{% for i in (1..2000) %}x{% endfor %}"


def test_what_can_not_be_filled_has_failed_and_goes_when_the_template_is_set_right_r_log_7(
    world, step, hello, flow
):
    templates.edit(hello, subject="About", body=TOO_LONG)
    message = step()
    assert "could not be filled" in Message.objects.get(pk=message.pk).text

    with smtp_peer() as peer:
        sender(peer.relay()).drain()
        entry = OutboxEntry.objects.get()
        assert (entry.state, peer.taken) == ("FAILED", [])
        assert "could not be filled" in entry.error
        flow.refresh_from_db()
        assert "could not be filled" in flow.needs_review
        failed = Message.objects.get(pk=message.pk)
        assert failed.delivery == "FAILED"

        outbox.retry(world.account.pk, entry.pk)
        sender(peer.relay()).drain()
        assert OutboxEntry.objects.get().state == "FAILED"

        templates.edit(
            hello, subject="About", body="Dear {{ contact.last_name }}, it is {{ ticket.priority }}."
        )
        outbox.retry(world.account.pk, entry.pk)
        sender(peer.relay()).drain()

    assert words_in(peer.taken[0][2])[1] == "Dear Lindqvist, it is ."
    assert Message.objects.get(pk=message.pk).cause["mail_revision"] == [hello.pk, 4]


def test_one_that_can_not_be_written_stops_no_other(world, step, hello):
    other = templates.edit(templates.create(world.account.pk, "Long", by=SYSTEM), subject="x", body=TOO_LONG)
    ticket = world.ticket(contact_id=world.contact("bo@x.example", "Bo").pk)
    step()
    step(ticket, other, 2)

    with smtp_peer() as peer:
        sender(peer.relay()).drain()

    assert [one.state for one in OutboxEntry.objects.order_by("id")] == ["SENT", "FAILED"]
    assert len(peer.taken) == 1


def test_a_mail_whose_template_is_gone_says_so(world, step, hello):
    message = step()
    MailRevision.objects.all().delete()
    MailTemplate.objects.filter(pk=hello.pk).delete()
    mailing._read_once.cache_clear()

    with smtp_peer() as peer:
        sender(peer.relay()).drain()

    assert OutboxEntry.objects.get().error == "Refused: There is no such mail any more."
    assert Message.objects.get(pk=message.pk).delivery == "FAILED"


def test_a_writer_that_breaks_on_one_mail_is_asked_for_each_by_itself(world, step, monkeypatch):
    step()
    step(world.ticket(contact_id=world.contact("bo@x.example", "Bo").pk), number=2)
    bad = OutboxEntry.objects.latest("id").pk
    real = dict(sending.writers)["desk.message"]

    def breaking(entries):
        if any(entry.id == bad for entry in entries):
            raise RuntimeError("a mistake of ours")
        return real(entries)

    monkeypatch.setitem(sending.writers, "desk.message", breaking)
    with smtp_peer() as peer:
        sender(peer.relay()).run_once()

    good, waiting = OutboxEntry.objects.order_by("id")
    assert (good.state, waiting.state) == ("SENT", "WAITING")
    assert "a mistake of ours" in waiting.error


def test_what_nothing_can_write_is_refused_in_words():
    with pytest.raises(Invalid, match="Nothing here"):
        unwritten.nobody({})


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        "{{ ticket.number }} of {{ contact.name }}, {{ contact.email }}",
        "{{ ticket.createdate }} · {{ ticket.createdate | date: '%Y-%m-%d %H:%M %Z' }}",
        "{{ record.subject }}, {{ ticket['subject'] | upcase }}",
        "{% assign name = 'subject' %}{{ ticket[name] }}",
        "{% assign one = ticket %}{{ one.subject }} {{ one.priority }}",
        "{{ owner.name }}{{ channel.name }}{{ company.name }}{{ nobody.knows }}{{ ticket.unknown }}",
        "{% if contact.first_name == 'Astrid' %}{{ ticket.subject.size | plus: 1 }}{% endif %}",
        "{{ ticket.pipeline }}: {{ ticket.status }}",
    ],
)
def test_a_stored_mail_says_what_it_would_have_said_at_once_r_mail_11(world, hello, body):
    """Whatever way a token is named: dates keep their form and zone, numbers can be counted with."""
    templates.edit(hello, subject="x", body=body)
    doing = doing_of(world, world.ticket(contact_id=world.contact().pk, owner_id=world.ada.pk), {})
    at_once = templates.render("x", body, mailing.tokens.values(doing.record)).text

    filling = mailing.filling_of(hello, "ticket", doing.record_id, doing.record)

    assert mailing.write(filling).text == at_once != ""


def test_a_record_by_itself_is_no_text(world, hello):
    templates.edit(hello, subject="x", body="[{{ contact }}]")
    doing = doing_of(world, world.ticket(contact_id=world.contact().pk), {})

    assert mailing.write(mailing.filling_of(hello, "ticket", doing.record_id, doing.record)).text == "[]"


def test_it_is_written_in_the_language_of_its_step(world, hello):
    from django.utils import translation

    templates.edit(hello, subject="x", body="{{ ticket.status }} {{ ticket.createdate }}")
    doing = doing_of(world, world.ticket(contact_id=world.contact().pk), {})
    with translation.override("da"):
        filling = mailing.filling_of(hello, "ticket", doing.record_id, doing.record)
        in_danish = templates.render("x", hello.body, mailing.tokens.values(doing.record)).text

    assert mailing.write(filling).text == in_danish


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "20 Nov 2026, 10:30 / 1 Dec 2026"),
        ("da", "20. nov. 2026, 10.30 / 1. dec. 2026"),
        ("de", "20.11.2026, 10:30 / 01.12.2026"),
        ("it", "20 nov 2026, 10:30 / 1 dic 2026"),
        ("nb", "20. nov. 2026, 10:30 / 1. des. 2026"),
    ],
)
def test_dates_are_written_as_the_language_of_the_mail_writes_them_r_mail_11(language, told):
    from django.utils import translation

    moment = tokens.moment_of("2026-11-20T09:30:00+00:00", "Europe/Copenhagen")
    with translation.override(language):
        assert f"{moment} / {tokens.day_of('2026-12-01')}" == told
