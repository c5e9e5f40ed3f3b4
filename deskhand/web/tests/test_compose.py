"""Writing in a ticket: files, people, taking back, sending later."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import checks, inboxes, later, replies
from deskhand.desk.models import Attachment, Draft, DraftFile, LaterReply, Mention
from deskhand.desk.types import Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.errors import Invalid
from deskhand.web import times
from deskhand.web.inbox import later_times

HTMX = {"HX-Request": "true"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def answer(client, ticket, body="It is on its way.", **more):
    headers = HTMX if more.pop("htmx", False) else {}
    return client.post(f"/inbox/all-open/{ticket.pk}/answer", {"body": body} | more, headers=headers)


def page_of(client, ticket):
    return client.get(f"/inbox/all-open/{ticket.pk}").content.decode()


def upload(client, ticket, name="invoice.pdf", content=b"%PDF-1.7 ...", **more):
    file = SimpleUploadedFile(name, content, more.pop("content_type", "application/pdf"))
    return client.post(f"/tickets/{ticket.pk}/files", {"file": file}, headers=HTMX)


def leave(office):
    """What the worker does when a moment has come."""
    with office.inside() as world:
        due = [
            timers.DueTimer(0, world.account.pk, later.KIND, str(one.pk), one.leaves_at, {})
            for one in LaterReply.objects.all()
        ]
        later.leave(world.account.pk, due)


def waiting(office):
    with office.inside():
        return list(LaterReply.objects.order_by("id"))


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_stay_with_the_draft_and_leave_with_the_reply(office, sign_in):
    """R-WORK-1, R-WORK-6, A3: the type is what the bytes tell"""
    ticket, client = office.mail(), sign_in(office.world.grace)

    listed = upload(client, ticket, "../../label\u202e.exe.png", PNG, content_type="text/html")

    assert listed.status_code == 200
    assert "label.exe.png" in listed.content.decode()
    assert "label.exe.png" in page_of(client, ticket)
    assert "label.exe.png" not in page_of(sign_in(office.world.bob), ticket)
    answer(client, ticket)
    with office.inside():
        sent, entry = Attachment.objects.get(), OutboxEntry.objects.get()
        assert (sent.name, sent.content_type, sent.message.text) == (
            "label.exe.png",
            "image/png",
            "It is on its way.",
        )
        assert [file["name"] for file in entry.payload["attachments"]] == ["label.exe.png"]
        assert not DraftFile.objects.exists()


def test_a_comment_takes_its_files_along_and_nothing_is_mailed(office, sign_in):
    """R-WORK-4"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    upload(client, ticket)

    answer(client, ticket, "See the invoice.", mode="comment")

    with office.inside():
        assert Attachment.objects.get().message.kind == "COMMENT"
        assert not OutboxEntry.objects.exists()


def test_without_scripts_files_go_with_the_form_and_a_refusal_keeps_them(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)
    file = SimpleUploadedFile("invoice.pdf", b"%PDF-1.7", "application/pdf")

    refused = answer(client, ticket, "  ", file=file)

    assert refused.status_code == 422
    assert "invoice.pdf" in refused.content.decode()
    answer(client, ticket, "Here it is.")
    with office.inside():
        assert Attachment.objects.get().name == "invoice.pdf"


def test_attaching_alone_keeps_what_was_typed(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)
    file = SimpleUploadedFile("invoice.pdf", b"%PDF-1.7", "application/pdf")

    response = answer(client, ticket, "Half a sent", file=file, attach="1")

    assert response.status_code == 302
    page = page_of(client, ticket)
    assert "Half a sent" in page
    assert "invoice.pdf" in page
    assert len(office.messages(ticket)) == 1


def test_a_file_that_is_too_large_or_empty_is_named(office, sign_in, settings):
    """R-EM-12"""
    settings.MAIL_MAX_BYTES = 100
    ticket, client = office.mail(), sign_in(office.world.grace)

    assert upload(client, ticket, content=b"x" * 60).status_code == 200
    large, empty = upload(client, ticket, "b.pdf", b"x" * 60), upload(client, ticket, "c.pdf", b"")

    assert large.status_code == empty.status_code == 400
    assert "b.pdf is too large" in large.content.decode()
    assert "c.pdf is empty." in empty.content.decode()


def test_only_ones_own_file_is_taken_away(office, sign_in):
    ticket, grace, bob = office.mail(), sign_in(office.world.grace), sign_in(office.world.bob)
    upload(grace, ticket)
    with office.inside():
        url = f"/tickets/{ticket.pk}/files/{DraftFile.objects.get().pk}/remove"

    assert bob.post(url).status_code == 404
    assert grace.post(url, headers=HTMX).status_code == 200
    assert grace.post(url).status_code == 404


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_goes_to_all_who_were_written_to_but_not_to_us(office, sign_in):
    """R-EM-10"""
    ticket = office.mail(
        to=(Mailbox("support@nordlys.example"), Mailbox("per@fjallbo.example", "Per Holm")),
        cc=(Mailbox("support+t1-abc@nordlys.example"), Mailbox("ida@fjallbo.example")),
    )

    page = page_of(sign_in(office.world.grace), ticket)

    assert 'name="to" value="Astrid Lindqvist &lt;astrid@fjallbo.example&gt;"' in page
    assert 'name="cc" value="Per Holm &lt;per@fjallbo.example&gt;, ida@fjallbo.example"' in page


def test_to_cc_and_bcc_are_whom_the_form_names(office, sign_in):
    """R-WORK-1, O5"""
    ticket, client = office.mail(), sign_in(office.world.grace)

    answer(
        client,
        ticket,
        to='"Holm, Per" <per@x.example>',
        cc="ida@x.example; ole@x.example",
        bcc="boss@x.example",
    )

    with office.inside():
        entry = OutboxEntry.objects.get()
        assert entry.recipients == ["per@x.example", "ida@x.example", "ole@x.example", "boss@x.example"]
        assert "boss" not in str(entry.payload)
    seen = client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert "to per@x.example, ida@x.example, ole@x.example, boss@x.example" in seen


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_what_is_no_address_is_named_and_the_form_comes_back(office, sign_in, field):
    ticket, client = office.mail(), sign_in(office.world.grace)

    page = answer(client, ticket, **{field: "per@x.example, nonsense"})

    assert page.status_code == 422
    assert "nonsense is not an e-mail address." in page.content.decode()
    assert 'value="per@x.example, nonsense"' in page.content.decode()


def test_the_people_are_kept_with_the_draft(office, sign_in):
    """R-WORK-6"""
    ticket, client = office.mail(), sign_in(office.world.grace)

    client.post(
        f"/tickets/{ticket.pk}/draft",
        {"mode": "reply", "body": "Hi", "to": "per@x", "cc": "", "bcc": "ida@x"},
    )

    page = page_of(client, ticket)
    assert 'name="to" value="per@x"' in page
    assert 'name="bcc" value="ida@x"' in page


def test_what_was_begun_as_a_reply_and_said_as_a_comment_does_not_come_back_as_a_reply(office, sign_in):
    """R-WORK-6"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    client.post(
        f"/tickets/{ticket.pk}/draft", {"mode": "reply", "body": "The customer lies", "kept_as": "reply"}
    )

    answer(client, ticket, mode="comment", body="The customer lies.", kept_as="reply")

    assert [message.kind for message in office.messages(ticket)] == ["MESSAGE", "COMMENT"]
    assert "The customer lies</textarea>" not in page_of(client, ticket)
    with office.inside():
        assert not Draft.objects.exists()


def test_a_comment_does_not_come_back_as_a_reply_though_a_save_between_was_lost(office, sign_in):
    """R-WORK-4, R-WORK-6: the form names every mode in which its text may be kept"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    draft = f"/tickets/{ticket.pk}/draft"
    client.post(draft, {"mode": "reply", "body": "The customer", "kept_as": "reply"})

    client.post(draft, {"mode": "comment", "body": "The customer lies", "kept_as": "reply comment"})

    with office.inside():
        assert [kept.mode for kept in Draft.objects.all()] == ["comment"]
    client.post(draft, {"mode": "reply", "body": "The customer lies"})
    answer(client, ticket, mode="comment", body="The customer lies.", kept_as="reply comment")
    with office.inside():
        assert not Draft.objects.exists()


def test_the_form_says_that_it_quotes_and_whom_to(office, sign_in):
    """O5: not where the address quotes nothing"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    assert "composer-quoted" in page_of(client, ticket)

    with office.inside():
        inboxes.change(office.world.channel, by=SYSTEM, quotes_history=False)

    assert "composer-quoted" not in page_of(client, ticket)


# ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def undo(settings):
    settings.UNDO_SEND_SECONDS = 10


def test_a_reply_waits_and_until_it_leaves_nothing_has_happened(office, sign_in, undo):
    """R-STAT-4 speaks of mail that is sent: status, owner and automations wait for it."""
    ticket, client = office.mail(), sign_in(office.world.grace)

    answer(client, ticket)

    (one,) = waiting(office)
    assert one.leaves_at == clock.now() + timedelta(seconds=10)
    assert len(office.messages(ticket)) == 1
    assert office.again(ticket).owner_id is None
    page = page_of(client, ticket)
    assert "Being sent" in page
    assert re.search(r"<textarea[^>]*>\s*</textarea>", page)

    leave(office)

    assert office.messages(ticket)[-1].text == "It is on its way."
    assert office.again(ticket).owner_id == office.world.grace.pk
    assert not waiting(office)
    with office.inside():
        assert OutboxEntry.objects.count() == 1
    leave(office)
    assert len(office.messages(ticket)) == 2


def test_taken_back_it_is_a_draft_again_with_people_and_files(office, sign_in, undo):
    ticket, client = office.mail(), sign_in(office.world.grace)
    upload(client, ticket)
    answer(client, ticket, cc="Ida Moe <ida@x.example>", bcc="boss@x.example")
    (one,) = waiting(office)

    client.post(f"/inbox/all-open/{ticket.pk}/later/{one.pk}/take-back")
    leave(office)

    assert not waiting(office)
    assert len(office.messages(ticket)) == 1
    page = page_of(client, ticket)
    assert "It is on its way.</textarea>" in page
    assert 'name="cc" value="Ida Moe &lt;ida@x.example&gt;"' in page
    assert 'name="bcc" value="boss@x.example"' in page
    assert "invoice.pdf" in page


def test_what_was_typed_meanwhile_stays_below_what_is_taken_back(office, sign_in, undo):
    ticket, client = office.mail(), sign_in(office.world.grace)
    answer(client, ticket)
    (one,) = waiting(office)
    client.post(f"/tickets/{ticket.pk}/draft", {"mode": "reply", "body": "And another thing"})

    client.post(f"/inbox/all-open/{ticket.pk}/later/{one.pk}/take-back")

    with office.inside():
        assert Draft.objects.get().body == "It is on its way.\n\nAnd another thing"


def test_what_has_left_is_not_taken_back(office, sign_in, undo):
    ticket, client = office.mail(), sign_in(office.world.grace)
    answer(client, ticket)
    (one,) = waiting(office)
    leave(office)

    response = client.post(f"/inbox/all-open/{ticket.pk}/later/{one.pk}/take-back", headers=HTMX)

    assert response.status_code == 409
    assert "left already" in response.content.decode()


def test_the_same_form_sent_twice_waits_once_and_leaves_once(office, sign_in, undo):
    ticket, client = office.mail(), sign_in(office.world.grace)
    for _ in range(2):
        answer(client, ticket, send_key="once")
    assert len(waiting(office)) == 1

    leave(office)
    answer(client, ticket, send_key="once")

    assert not waiting(office)
    assert len(office.messages(ticket)) == 2


def test_who_may_not_write_any_more_does_not(office, sign_in, undo):
    """R-PERM-4: with the rights of the moment; what was written is kept, and says why it stays."""
    ticket = office.mail()
    answer(sign_in(office.world.grace), ticket)
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    leave(office)

    (one,) = waiting(office)
    assert one.error
    assert len(office.messages(ticket)) == 1
    assert "Not sent" in page_of(sign_in(office.world.ada), ticket)
    assert "later/" not in page_of(sign_in(office.world.grace), ticket)


def test_one_that_cannot_leave_holds_up_no_other(office, sign_in, undo, monkeypatch):
    first, second = office.mail("First"), office.mail("Second")
    client = sign_in(office.world.grace)
    answer(client, first)
    answer(client, second)
    move = replies._move_and_assign

    def refuse(ticket, *more):
        if ticket.pk == first.pk:
            raise Invalid("The pipeline says no.")
        move(ticket, *more)

    monkeypatch.setattr(replies, "_move_and_assign", refuse)
    leave(office)

    assert [(one.ticket_id, one.error) for one in waiting(office)] == [(first.pk, "The pipeline says no.")]
    assert len(office.messages(first)) == 1
    assert len(office.messages(second)) == 2
    with office.inside():
        assert OutboxEntry.objects.count() == 1


# ── sending later ────────────────────────────────────────────────────────────────────────────────────────────────────

OSLO = ZoneInfo("Europe/Oslo")
FRIDAY = datetime(2026, 10, 23, 15, 0, tzinfo=UTC)  # summer time ends on Sunday


def test_the_offers_are_mornings_of_the_readers_zone():
    moments = [later_times.at(key, FRIDAY, OSLO).astimezone(UTC) for key in ("hour", "tomorrow", "monday")]

    assert moments == [
        datetime(2026, 10, 23, 16, 0, tzinfo=UTC),
        datetime(2026, 10, 24, 6, 0, tzinfo=UTC),
        datetime(2026, 10, 26, 7, 0, tzinfo=UTC),
    ]


@pytest.mark.parametrize("text", ["", "soon", "2026-10-23T14:00", "2028-01-01T08:00", "2026-13-01T08:00"])
def test_a_moment_that_cannot_be_is_refused_with_the_way_out(text):
    with pytest.raises(Invalid) as refused:
        later_times.chosen(text, FRIDAY, OSLO)

    assert refused.value.hint


def test_a_planned_reply_is_listed_and_sent_now_or_at_its_moment(office, sign_in):
    """R-WORK-1"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    moment = (clock.now() + timedelta(days=2)).astimezone(ZoneInfo(office.world.account.zone))

    answer(client, ticket, "One", later="chosen", leaves_at=moment.strftime(times.FIELD))
    answer(client, ticket, "Two", later="tomorrow")

    first, second = waiting(office)
    assert first.leaves_at == moment.replace(second=0, microsecond=0)
    assert page_of(client, ticket).count("Leaves ") == 2
    client.post(f"/inbox/all-open/{ticket.pk}/later/{second.pk}/send")
    assert office.messages(ticket)[-1].text == "Two"
    leave(office)
    assert office.messages(ticket)[-1].text == "One"


def test_a_past_moment_is_refused_and_the_form_comes_back(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)

    page = answer(client, ticket, later="chosen", leaves_at="2020-01-01T08:00")

    assert page.status_code == 422
    assert "This moment is past." in page.content.decode()
    assert "It is on its way.</textarea>" in page.content.decode()


def test_with_a_status_it_is_set_when_the_reply_leaves(office, sign_in):
    """R-WORK-7"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    with office.inside() as world:
        closed = world.stage("Closed")

    answer(client, ticket, later="tomorrow", set_status=closed)
    assert not office.again(ticket).is_closed
    leave(office)

    assert office.again(ticket).is_closed


def test_what_the_pipeline_will_refuse_is_refused_while_the_writer_is_there(office, sign_in, undo):
    """R-REQ-1"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    with office.inside() as world:
        closed = world.stage("Closed")
        pipeline = Pipeline.objects.get(key="0", object_type="ticket")
        asks = {closed: (Ask("hs_ticket_category", is_required=True),)}
        pipelines.set_rules(pipeline, Rules(asks=asks), by=Actor.user(world.ada.pk))

    page = answer(client, ticket, set_status=closed)

    assert page.status_code == 422
    assert not waiting(office)
    assert answer(client, ticket).status_code == 302


# ── oversights ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "I have attached the label.", "Please find enclosed the invoice.", "Jeg har vedhæftet fakturaen.",
        "Die Rechnung finden Sie im Anhang.", "Anbei die Rechnung.", "In allegato la fattura.", "Se vedlegg.",
    ],
)  # fmt: skip
def test_a_file_is_announced_in_every_language(text):
    assert checks.speaks_of_a_file(text)


@pytest.mark.parametrize(
    "text", ["It is on its way.", "> I have attached it\n\nThank you", "An attacker", "Anlagen"]
)
def test_and_not_where_none_is(text):
    assert not checks.speaks_of_a_file(text)


def test_an_announced_file_that_is_not_there_is_asked_about_once(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)

    asked = answer(client, ticket, "The label is attached.")

    assert asked.status_code == 422
    assert "there is no file" in asked.content.decode()
    assert answer(client, ticket, "The label is attached.", checked="1").status_code == 302
    upload(client, ticket)
    assert answer(client, ticket, "The label is attached.").status_code == 302
    assert len(office.messages(ticket)) == 3


@pytest.mark.parametrize("htmx", [True, False], ids=["part", "page"])
def test_who_sends_anyway_sends_as_they_had_chosen_R_WORK_7(office, sign_in, htmx):
    """What holds a reply back is asked one after the other; neither the status nor the time is lost on the way."""
    ticket, client = office.mail(), sign_in(office.world.grace)
    seen = office.messages(ticket)[-1].pk
    office.mail(
        external_id="more@x", text="One thing more", answers=("Refund still missing@fjallbo.example",)
    )
    with office.inside() as world:
        how = {"set_status": world.stage("Closed"), "later": "chosen", "leaves_at": "2026-12-24T09:00"}
    form = {"last_seen_message_id": seen, "send_key": "k1", "htmx": htmx}

    def anyway(asked):
        return {"again": html.unescape(re.search(r'name="again" value="([^"]*)"', asked.content.decode())[1])}

    doubted = answer(client, ticket, "The label is attached.", **form, **how)
    late = answer(client, ticket, "The label is attached.", **form, **anyway(doubted))
    assert "there is no file" in doubted.content.decode()
    assert (doubted.status_code, late.status_code) == (422, 409)
    sent = answer(client, ticket, "The label is attached.", **form, **anyway(late))

    assert sent.status_code == (200 if htmx else 302)
    (one,) = waiting(office)
    assert (one.is_planned, one.leaves_at.isoformat()) == (True, "2026-12-24T09:00:00+00:00")
    leave(office)
    assert office.again(ticket).is_closed


def test_a_reply_that_calls_a_colleague_is_offered_to_be_a_comment(office, sign_in):
    """R-WORK-4"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    name = office.world.bob.username

    asked = answer(client, ticket, f"@{name} can you look?")

    assert asked.status_code == 422
    assert "it calls Bob Noyce" in asked.content.decode()
    answer(client, ticket, f"@{name} can you look?", as_comment="1")
    assert office.messages(ticket)[-1].kind == "COMMENT"


# ── formatting ───────────────────────────────────────────────────────────────────────────────────────────────────────

RICH = '<p onclick="x()">Hi <strong>{{ contact.first_name }}</strong><script>x()</script></p><ul><li><p>one</p></li></ul>'


def test_a_formatted_reply_leaves_as_text_and_html_and_is_shown_so(office, sign_in):
    """R-WORK-1, S1: cleaned, tokens filled in without becoming markup"""
    ticket, client = (
        office.mail(sender=Mailbox("astrid@fjallbo.example", "A<i>B")),
        sign_in(office.world.grace),
    )

    answer(client, ticket, "whatever the page made of it", html=RICH)

    html = "<p>Hi <strong>A&lt;i&gt;B</strong></p><ul><li><p>one</p></li></ul>"
    with office.inside():
        entry = OutboxEntry.objects.get()
    assert entry.payload["text"].startswith("Hi A<i>B\n\n- one")
    assert entry.payload["html"].startswith(html)
    assert html in page_of(client, ticket)


def test_a_formatted_comment_calls_and_shows_whom_it_calls(office, sign_in):
    """R-WORK-5"""
    ticket, client = office.mail(), sign_in(office.world.grace)
    name = office.world.bob.username

    answer(client, ticket, "x", mode="comment", html=f"<p>Ask <em>@{name}</em> &amp; wait</p>")

    shown = f'<p>Ask <em><b class="mention">@{name}</b></em> &amp; wait</p>'
    assert shown in page_of(client, ticket)
    with office.inside():
        assert [mention.user_id for mention in Mention.objects.all()] == [office.world.bob.pk]


def test_a_formatted_draft_is_kept_taken_back_and_put_above_what_came_since(office, sign_in, settings):
    """R-WORK-6"""
    settings.UNDO_SEND_SECONDS = 10
    ticket, client = office.mail(), sign_in(office.world.grace)
    save = f"/tickets/{ticket.pk}/draft"

    client.post(save, {"body": "a", "html": "<p>a <strong>b</strong></p>"})
    page = page_of(client, ticket)
    assert 'data-rich="1"' in page
    assert 'name="html" value="&lt;p&gt;a &lt;strong&gt;b&lt;/strong&gt;&lt;/p&gt;" disabled' in page
    assert "\na b</textarea>" in page

    answer(client, ticket, "a b", html="<p>a <strong>b</strong></p>")
    assert "<p>a <strong>b</strong></p>" in page_of(client, ticket)
    client.post(save, {"body": "c <d>"})
    client.post(f"/inbox/all-open/{ticket.pk}/later/{waiting(office)[0].pk}/take-back")
    with office.inside():
        draft = Draft.objects.get()
    assert (draft.body, draft.html) == ("a b\n\nc <d>", "<p>a <strong>b</strong></p><p>c &lt;d&gt;</p>")


def test_formatting_without_words_is_an_empty_reply_and_an_endless_one_is_refused(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)

    empty = answer(client, ticket, "x", html="<p></p><p><br></p>", htmx=True)
    endless = answer(client, ticket, "x", html="<p>" + "x" * 500_000 + "</p>", htmx=True)
    split = answer(client, ticket, "x", html="<p>{{ contact.<strong>name</strong> }}</p>", htmx=True)

    assert [one.status_code for one in (empty, endless, split)] == [422, 422, 422]
    assert "The reply is empty." in empty.content.decode()
    assert "This is too long." in endless.content.decode()
    with office.inside():
        assert not OutboxEntry.objects.exists()


def test_how_one_writes_is_remembered_for_oneself(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)
    assert "data-rich=" not in page_of(client, ticket)

    client.post("/me/writing", {"rich": "1"})
    assert 'data-rich="1"' in page_of(client, ticket)
    assert "data-rich=" not in page_of(sign_in(office.world.bob), ticket)

    client.post("/me/writing", {"rich": "0"})
    assert "data-rich=" not in page_of(client, ticket)
