"""The customer portal, by its own pages (R-POR-1 to R-POR-10)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from deskhand.accounts import attempts
from deskhand.accounts.models import Account, Plan
from deskhand.channels.portal import portals, posting
from deskhand.channels.portal.models import Post, PostState, Reach, Session
from deskhand.channels.portal.posting import PostClaimer
from deskhand.crm.filters.types import AllOf, Filter, Operator
from deskhand.crm.records import archive, contacts, joining, tickets
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.schema.types import Kind
from deskhand.desk import blocking, inboxes, replies, texts
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database import sql
from deskhand.testing.channels import Phones, plugged_in
from deskhand.web.tests.portals import (
    ASTRID,
    LARS,
    ask_for_link,
    colleagues,
    customer,
    home,
    mailed_links,
    open_portal,
)

KEY = "0123456789abcdef"


def page_of(client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def request_url(office, ticket) -> str:
    return f"{home(office)}requests/{ticket.pk}"


def answer(office, ticket, text="It is on its way."):
    with office.inside() as world:
        return replies.reply(NewReply(ticket.pk, text), by=world.grace, at=office.at)


def from_lars(office, subject="The invoice of Lars"):
    return office.mail(subject, sender=Mailbox(LARS, "Lars"))


# ── whose requests ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_por_1_own_only_contact_cannot_see_a_colleagues_ticket_and_the_company_option_can(office):
    """T-POR-1, R-POR-3."""
    open_portal(office, reach=Reach.OWN)
    own, theirs = office.mail("Refund of Astrid"), from_lars(office)
    colleagues(office, ASTRID, LARS)
    client = customer(office)

    listed = page_of(client, home(office))
    assert "Refund of Astrid" in listed
    assert "The invoice of Lars" not in listed
    assert "The invoice of Lars" not in page_of(client, f"{home(office)}?of=company&state=all")
    assert client.get(request_url(office, own)).status_code == 200
    assert client.get(request_url(office, theirs)).status_code == 404

    open_portal(office, reach=Reach.COMPANY)
    assert "The invoice of Lars" not in page_of(client, home(office))
    company = page_of(client, f"{home(office)}?of=company")
    assert "The invoice of Lars" in company
    assert "asked by Lars" in company
    assert "Refund of Astrid" not in company
    assert "Where is my money?" in page_of(client, request_url(office, theirs))


def test_only_chosen_contacts_see_their_companys_requests(office):
    """R-POR-3: by property filters; without any nobody is chosen."""
    open_portal(office, reach=Reach.CHOSEN)
    office.mail("Refund of Astrid"), from_lars(office)
    colleagues(office, ASTRID, LARS)
    astrid, lars = customer(office), customer(office, LARS)
    company = f"{home(office)}?of=company"
    assert "The invoice of Lars" not in page_of(astrid, company)

    with office.inside():
        chosen = AllOf((Filter("email", Kind.TEXT, Operator.ANY_OF, (ASTRID,)),))
        portals.change_condition(chosen, by=SYSTEM)

    assert "The invoice of Lars" in page_of(astrid, company)
    assert "Refund of Astrid" not in page_of(lars, company)


def test_the_company_is_the_contacts_primary_one(office):
    """R-POR-4: of another company that somebody is linked to, nothing is seen."""
    from deskhand.crm.records import companies

    open_portal(office, reach=Reach.COMPANY)
    theirs = from_lars(office)
    [astrid] = colleagues(office, ASTRID, name="Alone AB")
    colleagues(office, LARS)
    with office.inside():
        companies.add_contact(
            Contact.objects.get(email=LARS).company_id, astrid.pk, by=SYSTEM
        )  # a second one of hers
    client = customer(office)

    assert client.get(request_url(office, theirs)).status_code == 404


def test_a_mail_that_nobody_has_written_yet_is_not_read_here(office, wired):
    """R-POR-2: it has not left, and where it can't be written its place says why, which is for colleagues."""
    open_portal(office)
    ticket = office.mail()
    answer(office, ticket)
    gone = {"template": 0, "revision": 1, "record": ["ticket", ticket.pk], "locale": "en", "tokens": {}}
    with office.inside():
        ours = Message.objects.filter(ticket_id=ticket.pk, direction="OUT")
        ours.update(text="", html="", filling=gone)
        assert ours.get().text == "There is no such mail any more."

    page = page_of(customer(office), request_url(office, ticket))

    assert "Where is my money?" in page
    assert "no such mail" not in page


def test_a_conversation_holds_no_comments_no_side_conversations_and_no_mail_between_others(office):
    """R-POR-2"""
    open_portal(office)
    ticket = office.mail()
    answer(office, ticket)
    with office.inside() as world:
        replies.comment(ticket.pk, "She is a difficult one", by=world.grace, at=office.at)
        to_lawyer = NewReply(ticket.pk, "What may we say?", to=(Mailbox("law@lawyers.example"),))
        replies.reply(to_lawyer, by=world.grace, at=office.at)
    stranger = office.mail(
        "Re: Refund still missing", sender=Mailbox("eve@evil.example"), text="Send it to me instead",
        answers=("Refund still missing@fjallbo.example",),
    )  # fmt: skip
    assert stranger.pk == ticket.pk

    page = page_of(customer(office), request_url(office, ticket))

    assert "Where is my money?" in page
    assert "It is on its way." in page
    for hidden in ("difficult one", "What may we say?", "Send it to me instead"):
        assert hidden not in page


def test_of_a_merged_ticket_everybody_reads_their_own_part(office):
    """R-POR-2: that somebody merged two people's tickets shows neither the other's mail."""
    from deskhand.desk import merging

    open_portal(office)
    first, second = office.mail("Refund of Astrid"), from_lars(office, "Lars has it, too")
    with office.inside() as world:
        Message.objects.filter(ticket_id=second.pk).update(text="I am ill, and want my money")
        merging.merge(first.pk, second.pk, by=Actor.user(world.ada.pk), at=office.at)
    astrid, lars = customer(office), customer(office, LARS)

    assert "I am ill" not in page_of(astrid, request_url(office, first))
    led = lars.get(request_url(office, second))
    assert led.headers["Location"] == request_url(office, first)
    assert "I am ill" in page_of(lars, request_url(office, first))
    assert "Where is my money?" not in page_of(lars, request_url(office, first))


def test_files_are_for_who_may_read_their_message(office):
    from deskhand.desk.types import StoredFile
    from deskhand.kernel import files

    open_portal(office)
    ref = files.put(b"%PDF-1.7 invoice")
    kept = StoredFile("invoice.pdf", "application/pdf", ref.size, ref.sha256)
    office.mail("Refund of Astrid", files=(kept,))
    with office.inside():
        attachment = Message.objects.get().attachments.get()
    url = f"{home(office)}files/{attachment.pk}"
    from_lars(office)

    response = customer(office).get(url)

    assert b"".join(response.streaming_content) == b"%PDF-1.7 invoice"
    assert response.headers["Content-Disposition"] == 'attachment; filename="invoice.pdf"'
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert customer(office, LARS).get(url).status_code == 404
    assert Client().get(url).status_code == 302


def test_markup_from_outside_is_shown_as_words(office):
    """S1: the pages hold none of a mail's own markup."""
    open_portal(office)
    mail = {"text": "<script>alert(1)</script> hello", "html": "<p onclick=x>hello</p><img src=cid:x>"}
    ticket = office.mail(subject="<b>Bold</b>", **mail)

    page = page_of(customer(office), request_url(office, ticket))

    assert "&lt;script&gt;alert(1)&lt;/script&gt; hello" in page
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page
    assert "onclick" not in page


def test_requests_are_found_by_words_that_one_may_read(office):
    open_portal(office)
    ticket = office.mail("Refund of Astrid")
    with office.inside() as world:
        replies.comment(ticket.pk, "secret remark", by=world.grace, at=office.at)
    client = customer(office)

    for words in ("refund", "where money", f"%23{ticket.number}"):
        assert "Refund of Astrid" in page_of(client, f"{home(office)}?q={words}"), words
    for words in ("remark", "refund nothing", "%25", "99999999999999999999"):
        assert "Nothing found" in page_of(client, f"{home(office)}?q={words}"), words


def test_the_list_goes_on_by_keyset_and_costs_the_same_for_many(office, django_assert_max_num_queries):
    open_portal(office)
    for number in range(30):
        office.mail(f"Request {number:02}")
    client = customer(office)

    with django_assert_max_num_queries(16):
        first = page_of(client, home(office))
    more = first.split('class="portal-pages"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    second = page_of(client, more)

    assert (first.count("portal-line"), second.count("portal-line")) == (25, 5)
    assert "Request 29" in first
    assert "Request 00" in second
    assert page_of(client, f"{home(office)}?after=nonsense").count("portal-line") == 25


def test_closed_requests_stand_apart(office):
    open_portal(office)
    ticket = office.mail()
    with office.inside() as world:
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM, at=office.at)
    client = customer(office)

    assert "Refund still missing" not in page_of(client, home(office))
    assert "Refund still missing" in page_of(client, f"{home(office)}?state=closed")
    assert "Refund still missing" in page_of(client, f"{home(office)}?state=all")


def test_statuses_are_called_as_customers_are_to_read_them(office):
    """R-POR-10"""
    with office.inside() as world:
        new = world.stage("New")
    open_portal(office, stages={str(new): {"label": "We have it"}})
    ticket = office.mail()
    client = customer(office)

    assert "We have it" in page_of(client, request_url(office, ticket))
    open_portal(office, stages={str(new): {"label": "We have it", "is_hidden": True}})
    page = page_of(client, request_url(office, ticket))
    assert "We have it" not in page
    assert '<span class="pill"><span class="dot"></span><span class="truncate">Open</span></span>' in page


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_moves_the_status_as_mail_does(office):
    """R-POR-9, R-STAT-5: in the thread, as the customer, with the same automation."""
    open_portal(office)
    ticket = office.mail()
    answer(office, ticket)
    with office.inside() as world:
        waits, us = world.stage("Waiting on contact"), world.stage("Waiting on us")
        tickets.move(ticket.pk, to=waits, by=SYSTEM, at=office.at)
    client = customer(office)

    response = client.post(f"{request_url(office, ticket)}/reply", {"body": "Still nothing", "form_key": KEY})

    assert response.headers["Location"] == f"{request_url(office, ticket)}?sent#sent"
    said = office.messages(ticket)[-1]
    assert (said.text, said.direction, said.sender_address) == ("Still nothing", "IN", ASTRID)
    assert said.thread_id == office.again(ticket).originating_thread_id
    assert office.again(ticket).stage_id == us
    assert "Still nothing" in page_of(client, request_url(office, ticket))


@pytest.mark.parametrize("has_mail", [False, True])
@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_reply_is_mail_where_the_request_was_on_a_phone_too(office, channel, has_mail):
    """R-POR-9, R-WA-2: it opens nobody's window for free text to a phone that they did not write from."""
    with plugged_in(Phones(channel)):
        open_portal(office)
        with office.inside() as world:
            number = inboxes.add_channel_account(
                world.channel.inbox, channel=channel, name="Texts", address="+4520000001"
            )
            contact = world.contact(ASTRID)
            ticket = world.ticket("Parcel", contact_id=contact.pk)
            place = texts.Place(number, ticket.pk, contact.pk, Mailbox("+4520123456"))
            mailed = replies.thread_for(ticket.pk, at=office.at) if has_mail else None
            (texted,) = texts.threads_for([place], office.at + timedelta(hours=1))
            Ticket.objects.filter(pk=ticket.pk).update(originating_thread_id=texted)
        client = customer(office)

        response = client.post(
            f"{request_url(office, ticket)}/reply", {"body": "Where is it?", "form_key": KEY}
        )

        assert response.headers["Location"] == f"{request_url(office, ticket)}?sent#sent"
        (said,) = office.messages(ticket)
        assert (said.text, said.sender_address, said.is_unverified) == ("Where is it?", ASTRID, False)
        with office.inside() as world:
            assert said.thread.channel_account_id == world.channel.pk
            assert said.thread_id == mailed or not has_mail
            assert texts.last_heard([contact.pk], [number.pk]) == {}


def test_a_reply_opens_a_closed_request_again(office):
    """R-STAT-10"""
    open_portal(office)
    ticket = office.mail()
    with office.inside() as world:
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM, at=office.at)
    client = customer(office)

    client.post(f"{request_url(office, ticket)}/reply", {"body": "It came back", "form_key": KEY})

    assert not office.again(ticket).is_closed


def test_a_colleague_who_may_see_it_replies_as_a_customer_does(office):
    """Their word counts though the thread did not know them, and they become one of the ticket's contacts."""
    open_portal(office, reach=Reach.COMPANY)
    ticket = from_lars(office)
    colleagues(office, ASTRID, LARS)
    client = customer(office)

    client.post(f"{request_url(office, ticket)}/reply", {"body": "I know more", "form_key": KEY})

    said = office.messages(ticket)[-1]
    assert (said.text, said.is_unverified) == ("I know more", False)
    assert "The invoice of Lars" in page_of(client, home(office))


def test_a_new_request_becomes_a_ticket_of_its_source_in_the_chosen_inbox(office, sign_in):
    """R-POR-5, R-POR-9: also where the channel's own switch is off."""
    with office.inside() as world:
        sales = inboxes.add_channel_account(
            world.channel.inbox, channel="email", name="Sales", address="sales@nordlys.example"
        )
        inboxes.change(sales, by=SYSTEM, creates_tickets=False)
    open_portal(office, channel_account_id=sales.pk)
    client = customer(office)
    file = SimpleUploadedFile("photo.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40, "image/png")

    response = client.post(
        f"{home(office)}requests/new",
        {"subject": "A broken lamp", "body": "It fell", "file": file, "form_key": KEY},
    )

    with office.inside():
        ticket = Ticket.objects.get()
        assert response.headers["Location"].startswith(request_url(office, ticket))
        assert (ticket.subject, ticket.source_type) == ("A broken lamp", "CUSTOMER_PORTAL")
        assert ticket.channel_account_id == sales.pk
        assert ticket.contact.email == ASTRID
        assert [one.name for one in Message.objects.get().attachments.all()] == ["photo.png"]
    shown = page_of(sign_in(office.world.ada), f"/inbox/all-open/{ticket.pk}")
    assert "via Customer portal" in shown


def test_the_answer_goes_by_mail_and_stands_in_the_portal(office):
    from deskhand.delivery.models import OutboxEntry

    open_portal(office)
    client = customer(office)
    client.post(f"{home(office)}requests/new", {"subject": "A lamp", "body": "It fell", "form_key": KEY})
    with office.inside():
        ticket = Ticket.objects.get()

    said = answer(office, ticket, "A new one is under way.")

    mail = OutboxEntry.objects.get(reference_type="desk.message", reference_id=said.pk)
    assert mail.recipients == [ASTRID]
    assert "A new one is under way." in page_of(client, request_url(office, ticket))


def test_the_same_form_sent_twice_is_one_message(office):
    open_portal(office)
    client = customer(office)
    form = {"subject": "A lamp", "body": "It fell", "form_key": KEY}

    places = [client.post(f"{home(office)}requests/new", form).headers["Location"] for _ in range(2)]

    assert places[0] == places[1]
    with office.inside():
        assert Ticket.objects.count() == 1
        assert Message.objects.count() == 1


def test_other_words_in_a_form_that_was_sent_are_another_message(office):
    """Whoever goes back to a page has its form again: what they write there now is not taken for what they had sent."""
    open_portal(office)
    ticket = office.mail()
    client = customer(office)
    for words in ("It fell", "It fell again", "It fell again"):
        client.post(f"{request_url(office, ticket)}/reply", {"body": words, "form_key": KEY})

    assert [one.text for one in office.messages(ticket)][-2:] == ["It fell", "It fell again"]


def test_what_two_customers_send_with_one_key_are_two_requests(office):
    open_portal(office)
    form = {"subject": "A lamp", "body": "It fell", "form_key": KEY}
    for email in (ASTRID, LARS):
        customer(office, email).post(f"{home(office)}requests/new", form)

    with office.inside():
        assert sorted(Ticket.objects.values_list("contact__email", flat=True)) == [ASTRID, LARS]


def test_what_was_typed_while_the_session_ended_is_not_lost(office):
    open_portal(office)
    client = customer(office)
    form = {"subject": "A <lamp>", "body": "It fell\n& broke", "form_key": KEY}
    with office.inside():
        Session.objects.all().delete()

    refused = client.post(f"{home(office)}requests/new", form)

    page = refused.content.decode()
    assert refused.status_code == 401
    assert 'name="subject" value="A &lt;lamp&gt;"' in page
    assert ">It fell\n&amp; broke</textarea>" in page
    assert f'href="{home(office)}sign-in"' in page
    with office.inside():
        assert not Post.objects.exists()

    ask_for_link(office, ASTRID)
    client.post(mailed_links(office, ASTRID)[-1])
    assert client.post(f"{home(office)}requests/new", form).status_code == 302
    with office.inside():
        assert Ticket.objects.get().subject == "A <lamp>"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"subject": ""}, "Say in a few words what it is about."),
        ({"body": " \n "}, "Write something first."),
        ({"subject": "x" * 501}, "The subject is too long."),
        ({"body": "x" * 100_001}, "The message is too long."),
        ({"form_key": ""}, "This form is out of date."),
        ({"form_key": "' or 1=1 --"}, "This form is out of date."),
        ({"file": SimpleUploadedFile("empty.txt", b"")}, "empty.txt is empty."),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_is_kept(office, wrong, words):
    open_portal(office)
    form = {"subject": "A lamp", "body": "It fell", "form_key": KEY} | wrong

    response = customer(office).post(f"{home(office)}requests/new", form)

    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert "A lamp" in page or "It fell" in page
    with office.inside():
        assert not Ticket.objects.exists()


def test_a_form_without_fields_is_no_accident(office):
    open_portal(office)
    assert customer(office).post(f"{home(office)}requests/new", {}).status_code == 422


def test_what_was_sent_is_kept_before_it_is_filed_and_filed_by_the_worker_if_need_be(office, monkeypatch):
    """R-POR-9: a crash or an error between the two loses nothing, and doubles nothing."""
    open_portal(office)
    client = customer(office)

    def fail(*_args, **_more):
        raise RuntimeError("disk on fire")

    with monkeypatch.context() as broken:
        broken.setattr(posting.threads, "receive_many", fail)
        response = client.post(
            f"{home(office)}requests/new", {"subject": "A lamp", "body": "It fell", "form_key": KEY}
        )
        assert response.headers["Location"] == f"{home(office)}?sent"
        assert "Your message has arrived" in page_of(client, response.headers["Location"])
        sql.execute("update portal_post set due_at = now() - interval '1 second'")
        assert PostClaimer().run_once() == 1  # fails, and is put off
        post = Post.objects.get()
        assert (post.state, post.attempts) == (PostState.WAITING, 1)
        assert "disk on fire" in post.error
    assert PostClaimer().run_once() == 0
    sql.execute("update portal_post set due_at = now() - interval '1 second'")

    assert [PostClaimer().run_once() for _ in range(2)] == [1, 0]

    post = Post.objects.get()
    assert (post.state, post.outcome) == (PostState.DONE, "created")
    assert "A lamp" in page_of(client, home(office))


def test_what_a_blocked_address_sends_is_kept_as_spam(office):
    """R-SPAM-2: blocked while they are signed in, they are out; what they had sent opens nothing."""
    open_portal(office)
    client = customer(office)
    with office.inside():
        blocking.block(ASTRID, by=SYSTEM)

    response = client.post(f"{home(office)}requests/new", {"subject": "x", "body": "y", "form_key": KEY})

    assert response.status_code == 401
    with office.inside():
        assert not Ticket.objects.exists()


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_works_once_and_only_by_a_form(office):
    """R-POR-6: programs that look at mails follow its links."""
    open_portal(office)
    ask_for_link(office, ASTRID)
    [link] = mailed_links(office, ASTRID)

    page = page_of(Client(), link)
    assert "You sign in as astrid@fjallbo.example." in page
    with office.inside():
        assert not Contact.objects.filter(email=ASTRID).exists()  # not before it is used
    first = Client()
    assert first.post(link).headers["Location"] == home(office)
    cookie = first.cookies["portal"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (home(office), True, "Lax")
    with office.inside():
        assert Contact.objects.get(email=ASTRID)
    for again in (Client().post(link), Client().get(link)):
        assert again.status_code == 404
        assert "This link is no longer valid." in again.content.decode()


def test_a_link_is_good_for_a_short_while_and_for_its_own_signature(office, noon, monkeypatch):
    from deskhand.kernel import clock

    open_portal(office)
    ask_for_link(office, ASTRID)
    [link] = mailed_links(office, ASTRID)
    for forged in (link[:-1] + ("A" if link[-1] != "A" else "B"), link.replace("/nordlys/", "/fjord/")):
        assert Client().post(forged).status_code == 404
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment + timedelta(minutes=21))

    assert Client().post(link).status_code == 404


def test_a_link_is_no_good_for_another_address(office):
    """The signature holds the address: swapped in the database it opens nothing."""
    open_portal(office)
    ask_for_link(office, ASTRID)
    [link] = mailed_links(office, ASTRID)
    with office.inside():
        sql.execute("update portal_signinlink set email = %s", [LARS])

    assert Client().post(link).status_code == 404


def test_the_answer_does_not_tell_who_is_known(office):
    """S11: known, unknown and blocked addresses read the same page; only who may come in gets mail."""
    open_portal(office, takes_strangers=False)
    office.mail()
    with office.inside():
        contacts.upsert_many([contacts.Person(LARS)], by=SYSTEM)
        blocking.block(LARS, by=SYSTEM)

    pages = []
    for email in (ASTRID, "nobody@else.example", LARS):
        asked = ask_for_link(office, email)
        pages.append((asked.status_code, asked.headers["Location"]))

    assert len(set(pages)) == 1
    assert "Look into your mail" in page_of(Client(), pages[0][1])
    assert [len(mailed_links(office, one)) for one in (ASTRID, "nobody@else.example", LARS)] == [1, 0, 0]


def test_too_many_links_are_refused_whoever_asks(office):
    open_portal(office)
    for email in (ASTRID, "nobody@else.example"):
        for _ in range(10):
            assert ask_for_link(office, email).status_code == 302
        refused = ask_for_link(office, email)
        assert refused.status_code == 429
        assert "Too many links were asked for." in refused.content.decode()
        assert int(refused.headers["Retry-After"]) > 0


def test_links_that_customers_ask_for_shut_nobody_out_of_the_help_desk(office, monkeypatch):
    """S14: colleagues and customers may share a network, as in a help desk for one's own company."""
    monkeypatch.setattr(attempts, "TRIES_PER_NETWORK", 3)
    open_portal(office)
    asked = [ask_for_link(office, f"customer{number}@fjallbo.example").status_code for number in range(4)]

    assert asked == [302, 302, 302, 429]
    attempts.count("ada", "127.0.0.1")


@pytest.mark.parametrize("email", ["", "astrid", "a b@c", "x@" + "y" * 400, "a@b\nBcc: c@d.example"])
def test_what_is_no_address_is_said(office, email):
    open_portal(office)
    response = ask_for_link(office, email)
    assert response.status_code == 422
    assert "is not an email address" in response.content.decode()


def test_who_was_led_to_the_sign_in_comes_back_to_the_request(office):
    open_portal(office)
    ticket = office.mail()
    led = Client().get(request_url(office, ticket)).headers["Location"]
    assert led == f"{home(office)}sign-in?request={ticket.pk}"
    assert f'value="{ticket.pk}"' in page_of(Client(), led)
    ask_for_link(office, ASTRID, request=str(ticket.pk))

    entered = Client().post(mailed_links(office, ASTRID)[-1])

    assert entered.headers["Location"] == request_url(office, ticket)


def test_signing_out_ends_the_session_itself(office):
    open_portal(office)
    client = customer(office)
    kept = client.cookies["portal"].value

    client.post(f"{home(office)}sign-out")

    assert client.get(home(office)).status_code == 302
    client.cookies["portal"] = kept
    assert client.get(home(office)).status_code == 302
    with office.inside():
        assert not Session.objects.exists()


def test_a_session_ends_with_its_contact_and_follows_a_merge(office):
    """R-POR-6: whoever gets a deleted contact's address is somebody else."""
    open_portal(office)
    ticket = office.mail()
    from_lars(office)
    astrid, lars = customer(office), customer(office, LARS)
    with office.inside():
        one, other = Contact.objects.get(email=ASTRID), Contact.objects.get(email=LARS)
        joining.join("contact", other.pk, one.pk, by=Actor.user(office.world.ada.pk), at=office.at)
    assert "Refund still missing" in page_of(astrid, home(office))
    assert "Refund still missing" in page_of(lars, request_url(office, ticket))

    with office.inside():
        archive.archive("contact", [other.pk], by=SYSTEM)
    assert astrid.get(home(office)).status_code == lars.get(home(office)).status_code == 302

    with office.inside():
        contacts.upsert_many([contacts.Person(LARS)], by=SYSTEM)
    assert lars.get(home(office)).status_code == 302


def test_a_session_ends_when_its_address_is_the_contacts_no_more(office):
    open_portal(office)
    office.mail()
    client = customer(office)
    with office.inside():
        contacts.update(Contact.objects.get(email=ASTRID).pk, {"email": "new@fjallbo.example"}, by=SYSTEM)

    assert client.get(home(office)).status_code == 302


def test_a_session_is_over_after_its_time(office, noon, monkeypatch):
    from deskhand.kernel import clock

    open_portal(office)
    client = customer(office)
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment + timedelta(days=31))

    assert client.get(home(office)).status_code == 302


@pytest.mark.parametrize("closed", ["off", "plan", "unknown"])
def test_a_portal_that_is_not_open_is_not_there(office, closed):
    """R-POR-8"""
    if closed != "unknown":
        open_portal(office, is_on=closed != "off")
    if closed == "plan":
        Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.STARTER)
    base = "/portal/nowhere/" if closed == "unknown" else home(office)

    for path in ("", "sign-in", "requests/new", "requests/1", "files/1"):
        assert Client().get(base + path).status_code == 404


def test_pages_speak_the_contacts_language_then_the_browsers(office):
    open_portal(office)
    office.mail()
    client = customer(office)
    assert client.get(home(office)).headers["Content-Language"] == "en"
    german = {"Accept-Language": "de-AT"}
    assert client.get(home(office), headers=german).headers["Content-Language"] == "de"

    with office.inside():
        Contact.objects.filter(email=ASTRID).update(locale="da-DK")

    assert client.get(home(office), headers=german).headers["Content-Language"] == "da"
