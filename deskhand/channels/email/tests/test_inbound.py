"""From stored bytes to tickets, through the guarded children."""

import hashlib
from datetime import timedelta

import pytest

from deskhand.channels.email import guarded, inbound, store
from deskhand.channels.email.inbound import InboundClaimer
from deskhand.channels.email.models import InboundMail, SeenMail
from deskhand.channels.email.parse import unreadable
from deskhand.crm.records.models import Contact, Ticket
from deskhand.delivery import mime
from deskhand.desk import outgoing, tokens
from deskhand.desk.models import Attachment, Delivery, Message, Thread
from deskhand.kernel import clock, files
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

MAIL = b"""From: Astrid Lindqvist <astrid@fjallbo.example>
To: support@nordlys.example
Subject: Refund =?utf-8?q?f=C3=B6r?= 48213
Message-ID: <first@fjallbo.example>
Date: Mon, 16 Nov 2026 11:00:00 +0100

Hi, where is my refund?
"""


def put(world, raw, recipient="support@nordlys.example", envelope_from="astrid@fjallbo.example"):
    return InboundMail.objects.create(
        account_id=world.account.pk, channel_account_id=world.channel.pk, transport="smtp", envelope_from=envelope_from,
        recipient=recipient, raw=raw, sha256=hashlib.sha256(raw).hexdigest(), size=len(raw), due_at=clock.now() - timedelta(seconds=5),
    )  # fmt: skip


@pytest.fixture
def post(world):
    def _post(raw=MAIL, **more):
        mail = put(world, raw, **more)
        while InboundClaimer().run_once():
            pass
        mail.refresh_from_db()
        return mail

    return _post


def test_a_mail_becomes_a_ticket(post):
    mail = post()

    ticket = Ticket.objects.get()
    assert (mail.state, mail.outcome, mail.ticket_ref) == ("DONE", "created", ticket.pk)
    assert ticket.subject == "Refund för 48213"
    assert Contact.objects.get().name == "Astrid Lindqvist"
    message = Message.objects.get()
    assert message.text.strip() == "Hi, where is my refund?"
    assert message.external_id == "first@fjallbo.example"


def test_a_marked_mail_is_kept_in_spam_and_says_who_marked_it_R_CC_12(post):
    mail = post(b"X-Spam-Status: Yes, score=9.1 required=5.0\n" + MAIL)

    assert (mail.state, mail.outcome, mail.ticket_ref) == ("DONE", "spam", None)
    assert mail.outcome_detail == "marked as spam by X-Spam-Status"
    assert Message.objects.get().pk == mail.message_ref
    assert Thread.objects.get().is_spam
    assert not Ticket.objects.exists()
    assert not Contact.objects.exists()


def test_t_cc_2_the_same_mail_twice_is_one_ticket(post):
    post()
    again = post()

    assert again.outcome == "duplicate"
    assert SeenMail.objects.get().times == 2
    assert Ticket.objects.count() == 1


def test_a_mail_from_the_null_sender_is_a_machines_B1(post):
    """A mail server tells it in the envelope; no header says so."""
    post(envelope_from="")

    assert Message.objects.get().is_automatic
    assert Ticket.objects.count() == 1


def test_a_subject_alone_hides_no_question_and_is_never_answered_B1(world, post):
    raw = MAIL.replace(b"Refund =?utf-8?q?f=C3=B6r?= 48213", b"Automatic reply does not work")

    first = post(raw)
    tag = tokens.reply_tag(world.account.pk, Thread.objects.get().pk)
    second = post(raw.replace(b"<first@", b"<second@"), recipient=f"support+{tag}@nordlys.example")

    assert (first.outcome, second.outcome) == ("created", "auto-reply")
    assert [m.is_automatic for m in Message.objects.all()] == [True, True]


def test_an_automatic_answer_that_names_nothing_opens_no_ticket_R_STAT_18(post):
    mail = post(MAIL.replace(b"Date:", b"Auto-Submitted: auto-replied (vacation)\nDate:"))

    assert mail.outcome == "auto-reply"
    assert not Ticket.objects.exists()


def test_a_bounce_from_the_null_sender_opens_no_ticket_B5(post):
    raw = MAIL.replace(b"Refund =?utf-8?q?f=C3=B6r?= 48213", b"Returned mail: see transcript")

    mail = post(raw, envelope_from="")

    assert mail.outcome == "bounce"
    assert not Ticket.objects.exists()


def test_a_mail_that_can_not_be_read_has_itself_as_an_attachment_R2(post, monkeypatch):
    monkeypatch.setattr(guarded, "parse_many", lambda raws, **_: [unreadable(raw, "timeout") for raw in raws])

    post()

    attachment = Attachment.objects.get()
    assert (attachment.name, attachment.content_type) == ("original.eml", "message/rfc822")
    assert files.get(attachment.sha256) == MAIL


def marked(account_id, *more, to=b"astrid@fjallbo.example", sender=b"support@nordlys.example"):
    """A mail as an account of this installation sends it."""
    lines = [f"{mime.INSTANCE_HEADER}: {mime.instance_id(account_id)}", *more, "Date:"]
    raw = MAIL.replace(b"To: support@nordlys.example", b"To: " + to)
    return raw.replace(b"astrid@fjallbo.example>\nTo", sender + b">\nTo").replace(
        b"Date:", "\n".join(lines).encode(), 1
    )


def test_our_own_mail_that_comes_back_opens_nothing_B1(world, post):
    """Sent on by the customer's mail server, as it was; also where a list has rewritten the sender."""
    redirected = post(marked(world.account.pk))
    rewritten = post(marked(world.account.pk, sender=b"list@elsewhere.example"))

    assert (redirected.state, redirected.outcome, rewritten.outcome) == ("DONE", "loop", "loop")
    assert (
        redirected.outcome_detail == "our own mail came back, which was not for us: <first@fjallbo.example>"
    )
    assert not Ticket.objects.exists()
    assert not Message.objects.exists()


def test_our_own_automatic_mail_opens_nothing_even_if_it_was_for_us_B1(world, post):
    """A notice to a colleague whose address is an inbox would notify for ever."""
    mail = post(
        marked(world.account.pk, "Auto-Submitted: auto-generated", to=b"support@nordlys.example", sender=b"deskhand@desk.example")
    )  # fmt: skip

    assert mail.outcome == "loop"
    assert "our own automatic mail came back" in mail.outcome_detail
    assert not Ticket.objects.exists()


def test_what_a_colleague_writes_to_another_of_our_addresses_is_filed(world, post):
    """And as anything from an own address it is answered by nobody (B1)."""
    mail = post(marked(world.account.pk, to=b"support@nordlys.example"))

    assert mail.outcome == "created"
    assert Message.objects.get().is_automatic


def test_another_accounts_agent_is_a_person_like_any_other(world, post):
    """Two accounts of one installation, or two installations: the mark of one says nothing to the other."""
    asked = post(marked(world.account.pk + 1, to=b"support@nordlys.example", sender=b"ida@other.example"))
    thread = Thread.objects.get()
    own = outgoing.message_id(world.channel, thread.pk, 12345)
    raw = marked(
        world.account.pk + 1,
        f"In-Reply-To: <{own}>",
        to=b"support@nordlys.example",
        sender=b"ida@other.example",
    )
    answered = post(raw.replace(b"<first@", b"<second@"))

    assert (asked.outcome, answered.outcome) == ("created", "joined")
    assert list(Message.objects.order_by("id").values_list("is_automatic", flat=True)) == [True, False]


def test_another_accounts_automatic_mail_is_a_machines(world, post):
    mail = post(
        marked(world.account.pk + 1, "Auto-Submitted: auto-replied", to=b"support@nordlys.example", sender=b"help@other.example")
    )  # fmt: skip

    assert mail.outcome == "auto-reply"
    assert not Ticket.objects.exists()


def test_the_same_id_with_another_text_is_kept_R9(post):
    post()
    post(MAIL.replace(b"where is my refund?", b"I have sent the wrong number, it is 48214."))

    assert Message.objects.count() == 2


def test_an_answer_to_the_tagged_address_joins(world, post):
    post()
    thread = Thread.objects.get()
    tag = tokens.reply_tag(world.account.pk, thread.pk)

    mail = post(
        MAIL.replace(b"<first@", b"<second@").replace(b"where is", b"I found"),
        recipient=f"support+{tag}@nordlys.example",
    )

    assert mail.outcome == "joined"
    assert Ticket.objects.count() == 1


def test_an_inbox_whose_address_has_a_tag_itself_gets_its_answers(world, post):
    world.channel.address = "support+eu@nordlys.example"
    world.channel.save(update_fields=["address"])
    post(MAIL.replace(b"support@", b"support+eu@"), recipient="support+eu@nordlys.example")
    tagged = outgoing.reply_address(world.channel, Thread.objects.get().pk)

    mail = post(MAIL.replace(b"<first@", b"<second@").replace(b"where is", b"I found"), recipient=tagged)

    assert mail.outcome == "joined"
    assert store.recipients([tagged.upper()])[tagged.upper()] == world.channel


def test_a_forged_tag_or_id_never_joins_T2(world, post):
    post()
    thread = Thread.objects.get()
    good = tokens.reply_tag(world.account.pk, thread.pk)
    forged = good[:-4] + "aaaa"
    fake_id = "dh.7." + good[1:].split("-")[0] + "." + "a" * 16 + "@nordlys.example"
    raw = MAIL.replace(b"<first@", b"<third@").replace(
        b"Date:", f"In-Reply-To: <{fake_id}>\nReferences: <{fake_id}>\nDate:".encode()
    )

    mail = post(raw.replace(b"refund?", b"money?"), recipient=f"support+{forged}@nordlys.example")

    assert mail.outcome == "created"
    assert Ticket.objects.count() == 2


def test_one_mail_to_two_of_our_addresses_is_one_ticket_R_EM_11(world, post):
    from deskhand.desk import inboxes

    other = inboxes.add_channel_account(
        world.channel.inbox, channel="email", name="Billing", address="billing@nordlys.example"
    )
    raw = MAIL.replace(
        b"To: support@nordlys.example", b"To: billing@nordlys.example, support@nordlys.example"
    )

    post(raw)
    second = post(raw, recipient="billing@nordlys.example")

    assert Ticket.objects.count() == 1
    assert Ticket.objects.get().channel_account_id == other.pk
    assert second.outcome == "duplicate"


def test_attachments_go_to_the_file_store(post):
    raw = (
        b"From: a@x.example\nTo: support@nordlys.example\nSubject: File\nMessage-ID: <att@x>\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSee file\n'
        b'--b\nContent-Type: text/csv; name="rows.csv"\nContent-Disposition: attachment; filename="rows.csv"\n\n1,2,3\n--b--\n'
    )
    post(raw)

    attachment = Attachment.objects.get()
    assert attachment.name == "rows.csv"
    assert files.get(attachment.sha256).strip() == b"1,2,3"


def test_a_bounce_marks_our_message_and_opens_no_ticket_B4_B6(world, post):
    post()
    thread = Thread.objects.get()
    ours = Message.objects.create(
        account_id=world.account.pk, thread=thread, ticket_id=thread.ticket_id, direction="OUT", delivery="SENT", actor_kind="user", text="Hi",
        created_at=clock.now(), recipients={"to": [{"email": "astrid@fjallbo.example", "name": "Astrid"}]},
    )  # fmt: skip
    ours_id = tokens.message_id(world.account.pk, thread.pk, ours.pk, "nordlys.example")
    raw = f"""From: MAILER-DAEMON@mx.fjallbo.example
To: support+{tokens.reply_tag(world.account.pk, thread.pk)}@nordlys.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce@mx>
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

No such user.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.fjallbo.example

Final-Recipient: rfc822; astrid@fjallbo.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

From: support@nordlys.example
Message-ID: <{ours_id}>
Subject: Re

x
--b--
""".encode()

    mail = post(
        raw,
        envelope_from="",
        recipient=f"support+{tokens.reply_tag(world.account.pk, thread.pk)}@nordlys.example",
    )

    ours.refresh_from_db()
    assert mail.outcome == "bounce"
    assert ours.delivery == Delivery.BOUNCED
    assert "no such user" in ours.delivery_error
    assert Contact.objects.get(email="astrid@fjallbo.example").bounced_at is not None
    assert Ticket.objects.count() == 1
    assert Ticket.objects.get().stage_id == world.stage("New")


@pytest.mark.django_db(transaction=True)
def test_what_breaks_filing_is_quarantined_after_three_tries_and_the_rest_goes_on(monkeypatch):
    def choke(items, **more):
        if any("poison" in item.message.subject for item in items):
            raise ValueError("poison \0\ud800")
        return real(items, **more)

    def run():
        InboundMail.objects.filter(state="WAITING").update(due_at=clock.now() - timedelta(seconds=5))
        InboundClaimer().run_once()

    def tickets():
        with account_scope(world.account.pk):
            return Ticket.objects.count()

    world = make_world()
    real = inbound.receive_many
    monkeypatch.setattr(inbound, "receive_many", choke)
    for n, subject in enumerate(["good", "poison", "fine"]):
        put(
            world,
            MAIL.replace(b"<first@", f"<{n}@".encode()).replace(
                b"Subject: Refund", f"Subject: {subject}".encode()
            ),
        )
    for _ in range(4):
        run()

    bad = InboundMail.objects.get(state="QUARANTINED")
    assert "poison" in bad.outcome_detail
    assert tickets() == 2

    monkeypatch.setattr(inbound, "receive_many", real)
    assert inbound.process_again(world.account.pk, [bad.pk]) == 1
    run()
    assert tickets() == 3


def test_a_very_long_message_id_is_filed(post):
    mail = post(MAIL.replace(b"<first@", b"<" + "æ".encode() * 3000 + b"@"))

    assert mail.outcome == "created"
