from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from deskhand.accounts import users
from deskhand.accounts.models import User
from deskhand.crm.records import tickets
from deskhand.desk import replies, threads
from deskhand.desk import views as desk_views
from deskhand.desk.models import Attachment, Draft, Message, Thread
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, StoredFile
from deskhand.events.types import SYSTEM
from deskhand.kernel import files
from deskhand.kernel.database.scope import account_scope
from deskhand.web import assets
from deskhand.web.tests.conftest import queries_of, selected

HTMX = {"HX-Request": "true"}


def texts(response) -> str:
    """What people read, in one line."""
    content = re.sub(r"(?s)<(script|svg).*?</\1>", " ", response.content.decode())
    return " ".join(re.sub(r"<[^>]*>", " ", content).split())


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_door_leads_to_the_view_that_agents_work_in(office, sign_in):
    response = sign_in(office.world.grace).get("/")

    assert response.headers["Location"] == "/inbox/my-open"


def test_t_perm_2_without_a_seat_there_are_three_views(office, sign_in):
    """R-VIEW-4, T-PERM-2"""
    client = sign_in(office.world.nils)

    page = client.get("/", follow=True).content.decode()

    assert re.findall(r'id="view-([a-z-]+)"', page) == ["all-open", "mentions", "following"]
    assert client.get("/inbox/unassigned").status_code == 404
    assert client.get("/inbox/conversations").status_code == 403


def test_a_view_lists_its_tickets_with_counters(office, sign_in):
    """R-VIEW-1, R-VIEW-6"""
    office.mail("Refund still missing")
    mine = office.mail("Parcel is broken")
    with office.inside() as world:
        tickets.assign(mine.pk, owner_id=world.grace.pk, by=SYSTEM)

    page = sign_in(office.world.grace).get("/inbox/unassigned")

    assert "Refund still missing" in texts(page)
    assert "Parcel is broken" not in texts(page)
    counts = dict(re.findall(r'id="view-([a-z-]+)"(?:(?!</a>).)*"side-count">(\d+)<', page.content.decode()))
    assert counts == {"unassigned": "1", "assigned": "1", "my-open": "1", "team-open": "1", "all-open": "2"}


def test_every_view_can_be_opened(office, sign_in):
    office.mail()
    client = sign_in(office.world.ada)
    page = client.get("/", follow=True).content.decode()

    for view in re.findall(r'id="view-([a-z-]+)"', page):
        assert client.get(f"/inbox/{view}").status_code == 200
        assert client.get(f"/inbox/{view}/side").status_code == 200


def test_an_unknown_view_is_not_found(office, sign_in):
    client = sign_in(office.world.ada)

    assert client.get("/inbox/no-such-view").status_code == 404
    assert client.get("/inbox/No%20Such").status_code == 404


def test_a_long_list_comes_in_pages_that_stay_right_when_rows_come(office, sign_in):
    for number in range(60):
        office.mail(f"Question {number}")
    client = sign_in(office.world.ada)

    first = client.get("/inbox/unassigned").content.decode()
    following = re.search(r'href="(/inbox/unassigned/after/[^"]+)"', first)[1]
    office.mail("A newer one")
    second = client.get(following, headers=HTMX).content.decode()

    shown = re.findall(r'id="row-(\d+)"', first + second)
    assert len(shown) == len(set(shown)) == 60
    assert "A newer one" not in second
    assert "<html" not in second
    assert "<html" in client.get(following).content.decode()


@pytest.mark.parametrize(
    "cursor", ["0", "abc", "\u00b2-1", "99999999999999999999-1", "1-99999999999999999999", "-1-1"]
)
def test_a_place_that_is_none_of_ours_is_not_found(office, sign_in, cursor):
    assert sign_in(office.world.ada).get(f"/inbox/unassigned/after/{cursor}").status_code == 404


def test_new_tickets_are_announced_and_not_pushed_in(office, sign_in):
    office.mail("The first")
    client = sign_in(office.world.ada)
    page = client.get("/inbox/unassigned").content.decode()
    asked = re.search(r'hx-get="(/inbox/unassigned/newer/[^"]+)"', page)[1]

    assert "new ticket" not in texts(client.get(asked, headers=HTMX))
    office.at += timedelta(minutes=1)
    office.mail("The second")

    assert texts(client.get(asked, headers=HTMX)) == "1 new ticket"


def test_an_empty_view_says_what_it_is_for(office, sign_in):
    assert "Open tickets without an owner are listed here." in texts(
        sign_in(office.world.ada).get("/inbox/unassigned")
    )


def test_a_ticket_shows_its_conversation_its_facts_and_why_it_moved(office, sign_in):
    ticket = office.mail("Refund still missing", text="Where is my money?\n\nI wait for weeks.")
    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "It is on its way."), by=world.grace)
        replies.comment(ticket.pk, "Check with the bank.", by=world.bob)

    said = texts(sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}"))

    for part in (
        "Where is my money?", "I wait for weeks.", "It is on its way.", "Check with the bank.", "Internal comment",
        "to astrid@fjallbo.example", "Status set to Waiting on contact · an email was sent to the customer",
        "Assigned to Grace Hopper", "Waiting to be sent", "Support pipeline", "Astrid Lindqvist",
    ):  # fmt: skip
        assert part in said


def test_a_click_in_the_list_gets_the_ticket_alone(office, sign_in):
    ticket = office.mail()

    part = sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}", headers=HTMX)

    assert "<html" not in part.content.decode()
    assert "Where is my money?" in texts(part)
    assert "HX-Request" in part.headers["Vary"]


def test_reading_a_ticket_makes_it_seen(office, sign_in):
    """R-WORK-13"""
    ticket = office.mail()
    client = sign_in(office.world.ada)

    assert "data-unread" in client.get("/inbox/all-open").content.decode()
    client.get(f"/inbox/all-open/{ticket.pk}")

    assert "data-unread" not in client.get("/inbox/all-open").content.decode()
    assert "data-unread" in sign_in(office.world.grace).get("/inbox/all-open").content.decode()


def test_parts_of_the_page_are_refreshed_one_by_one(office, sign_in):
    ticket = office.mail()
    client = sign_in(office.world.ada)

    for part, sign in (
        (f"{ticket.pk}/row", f'id="row-{ticket.pk}"'),
        (f"{ticket.pk}/thread", 'id="thread"'),
        ("list", 'id="list"'),
        ("side", 'id="side"'),
    ):
        answer = client.get(f"/inbox/all-open/{part}", headers=HTMX)
        assert sign in answer.content.decode()
        assert "<html" not in answer.content.decode()


def test_a_mails_own_layout_stays_in_a_frame_without_scripts(office, sign_in):
    """S1, S29"""
    ticket = office.mail(html='<p style="color:red">Hello</p><a href="https://example.org">there</a>')

    page = sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}").content.decode()
    frame = re.search(r"<iframe[^>]*>", page)[0]

    assert "allow-scripts" not in frame
    assert "srcdoc=" in frame
    assert "&lt;p style=" in frame
    assert "<p style=" not in page


@pytest.mark.parametrize("field", ["subject", "text", "name"])
def test_nothing_that_strangers_write_becomes_markup(office, sign_in, field):
    """S2"""
    nasty = "<img src=x onerror=alert(1)>{{ 7*7 }}\"'<script>alert(1)</script>"
    more = {field: nasty} if field != "name" else {"sender": Mailbox("eva@example.org", nasty)}
    ticket = office.mail(**more)
    client = sign_in(office.world.ada)

    for path in ("/inbox/all-open", f"/inbox/all-open/{ticket.pk}"):
        page = client.get(path).content.decode()
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    ("notices", "words"),
    [
        (("too large: only its headers were taken", "empty"), "larger than what is taken here"),
        (("pgp-encrypted",), "encrypted"),
        (("smime-signed",), "The signature was not checked"),
        (("multipart without its boundary", "smime-signed"), "could not be read fully"),
    ],
)
def test_a_notice_says_what_is_the_matter(office, sign_in, notices, words):
    """R15, A7."""
    ticket = office.mail("Look at this", notices=notices)

    assert words in texts(sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}"))


def test_notices_for_the_reader_are_shown(office, sign_in):
    """A stranger on a known thread (T4)."""
    ticket = office.mail()
    with office.inside():
        Message.objects.filter(ticket_id=ticket.pk).update(is_unverified=True)

    said = texts(sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}"))

    assert "not verified" in said


def test_the_number_of_queries_does_not_grow_with_the_rows(office, sign_in):
    client = sign_in(office.world.ada)

    first = office.mail("Question 1")
    office.mail("Question 2")
    lists, page = queries_of(client, "/inbox/all-open"), queries_of(client, f"/inbox/all-open/{first.pk}")
    for number in range(3, 21):
        office.mail(f"Question {number}")
    with office.inside() as world:
        for number in range(18):
            replies.comment(first.pk, f"Comment {number}", by=world.bob)

    assert queries_of(client, "/inbox/all-open") == lists
    assert queries_of(client, f"/inbox/all-open/{first.pk}") == page
    assert lists <= 21
    assert page <= 49


def test_a_reply_that_came_back_says_why_in_words_and_as_the_server_put_it(office, sign_in):
    ticket = office.mail()
    answer(sign_in(office.world.grace), ticket)
    with office.inside():
        said = {"delivery": "BOUNCED", "delivery_error": "550 5.1.1 <astrid@fjallbo.example>: unknown"}
        Message.objects.filter(ticket_id=ticket.pk, direction="OUT").update(**said)

    page = html.unescape(sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}").content.decode())

    assert "Came back" in page
    assert "The address does not exist there." in page
    assert '<code class="delivery-detail">550 5.1.1 <astrid@fjallbo.example>: unknown</code>' in page


def test_a_comment_marks_those_whom_it_calls_and_nobody_else(office, sign_in):
    """R-WORK-5"""
    ticket = office.mail()
    User.objects.filter(pk=office.world.bob.pk).update(username="bob")
    with office.inside() as world:
        replies.comment(ticket.pk, "@Bob ask <b>@nobody</b> or bob@x.example\nthen @bob.", by=world.grace)

    page = sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}").content.decode()

    assert page.count('<b class="mention">') == 2
    assert '<b class="mention">@Bob</b> ask &lt;b&gt;@nobody&lt;/b&gt; or bob@x.example' in page


# ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────────


def answer(client, ticket, body="It is on its way.", **more):
    headers = HTMX if more.pop("htmx", False) else {}
    return client.post(f"/inbox/all-open/{ticket.pk}/answer", {"body": body} | more, headers=headers)


def test_a_reply_is_queued_assigns_and_moves(office, sign_in):
    """R-ROUTE-3, R-STAT-4, T-ROUTE-17"""
    ticket = office.mail()

    response = answer(sign_in(office.world.grace), ticket)

    assert response.headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    reply = office.messages(ticket)[-1]
    assert (reply.direction, reply.text, reply.delivery) == ("OUT", "It is on its way.", "QUEUED")
    ticket = office.again(ticket)
    assert ticket.owner_id == office.world.grace.pk
    with office.inside() as world:
        assert ticket.stage_id == world.stage("Waiting on contact")


def test_a_reply_can_set_the_status(office, sign_in):
    """R-WORK-7"""
    ticket = office.mail()
    with office.inside() as world:
        closed = world.stage("Closed")

    answer(sign_in(office.world.grace), ticket, set_status=closed)

    assert office.again(ticket).is_closed


def test_who_may_write_but_not_edit_sets_no_status_with_a_reply(office, sign_in):
    """R-PERM-1"""
    ticket = office.mail()
    may_write = {"ticket": {"view": "all", "communicate": "all"}}
    office.role(office.world.grace, records=may_write, capabilities=["service_access"])
    with office.inside() as world:
        closed = world.stage("Closed")

    assert answer(sign_in(office.world.grace), ticket, set_status=closed).status_code == 403
    assert len(office.messages(ticket)) == 1
    assert answer(sign_in(office.world.grace), ticket).status_code == 302


def test_only_who_may_see_tickets_can_own_one(office, sign_in):
    """R-DM-9; a seat is only needed to be chosen automatically."""
    ticket, bob, nils = office.mail(), office.world.bob, office.world.nils
    office.role(bob, records={"contact": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.ada)
    change = f"/inbox/all-open/{ticket.pk}/owner"

    assert client.post(change, {"owner": f"user:{bob.pk}"}).status_code == 400
    assert f"user:{bob.pk}" not in client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    client.post(change, {"owner": f"user:{nils.pk}"})
    assert office.again(ticket).owner_id == nils.pk


def test_a_comment_stays_inside_and_assigns_nobody(office, sign_in):
    """R-WORK-4, R-ROUTE-5"""
    ticket = office.mail()

    answer(sign_in(office.world.grace), ticket, "Ask the bank.", mode="comment")

    note = office.messages(ticket)[-1]
    assert (note.kind, note.direction) == ("COMMENT", "NONE")
    assert office.again(ticket).owner_id is None


def test_after_sending_htmx_gets_the_thread_and_an_empty_form(office, sign_in):
    ticket = office.mail()

    part = answer(sign_in(office.world.grace), ticket, htmx=True).content.decode()

    assert f"#ticket[data-ticket='{ticket.pk}'] #composer" in part
    assert "It is on its way." in part
    assert re.search(r"<textarea[^>]*>\s*</textarea>", part)


def test_an_empty_reply_is_refused_under_the_form(office, sign_in):
    ticket = office.mail()
    client = sign_in(office.world.grace)

    page = answer(client, ticket, "   ")
    part = answer(client, ticket, " ", htmx=True)

    assert page.status_code == part.status_code == 422
    assert "The reply is empty." in texts(page)
    assert "The reply is empty." in texts(part)
    assert len(office.messages(ticket)) == 1


def test_what_was_typed_comes_back_when_the_thread_moved_on(office, sign_in):
    """R-WORK-3"""
    ticket = office.mail()
    seen = office.messages(ticket)[-1].pk
    with office.inside() as world:
        replies.reply(replies.NewReply(ticket.pk, "Grace was faster."), by=world.grace)
    client = sign_in(office.world.bob)

    refused = answer(client, ticket, "My long answer", last_seen_message_id=seen)

    assert refused.status_code == 409
    assert "My long answer" in texts(refused)
    assert "Grace Hopper wrote in the meantime." in texts(refused)
    assert [m.text for m in office.messages(ticket)][1:] == ["Grace was faster."]

    answer(client, ticket, "My long answer", last_seen_message_id=seen, anyway=1)

    assert [m.text for m in office.messages(ticket)][1:] == ["Grace was faster.", "My long answer"]


def test_the_same_form_sent_twice_is_one_message(office, sign_in):
    ticket = office.mail()
    client = sign_in(office.world.grace)

    for _ in range(2):
        answer(client, ticket, send_key="once")

    assert len(office.messages(ticket)) == 2


def test_a_mark_of_somebody_elses_form_does_not_swallow_a_reply(office, sign_in):
    ticket = office.mail()

    answer(sign_in(office.world.grace), ticket, "From Grace", send_key="same")
    answer(sign_in(office.world.bob), ticket, "From Bob", send_key="same")

    assert [m.text for m in office.messages(ticket)][1:] == ["From Grace", "From Bob"]


def test_a_draft_is_kept_per_person_and_mode(office, sign_in):
    """R-WORK-6"""
    ticket = office.mail()
    client = sign_in(office.world.grace)
    url = f"/tickets/{ticket.pk}/draft"

    assert client.post(url, {"mode": "reply", "body": "Half a sent"}).status_code == 204

    assert "Half a sent" in texts(client.get(f"/inbox/all-open/{ticket.pk}"))
    assert "Half a sent" not in texts(sign_in(office.world.bob).get(f"/inbox/all-open/{ticket.pk}"))
    answer(client, ticket, "The whole sentence")
    with office.inside():
        assert not Draft.objects.exists()


# ── status and owner ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_status_is_set(office, sign_in):
    ticket = office.mail()
    with office.inside() as world:
        closed = world.stage("Closed")

    sign_in(office.world.grace).post(f"/inbox/all-open/{ticket.pk}/status", {"status": closed})

    assert office.again(ticket).is_closed


@pytest.mark.parametrize("status", ["", "abc", "0", "999999999", "9" * 40, "²"])
def test_a_status_that_does_not_exist_is_refused(office, sign_in, status):
    ticket = office.mail()

    response = sign_in(office.world.grace).post(f"/inbox/all-open/{ticket.pk}/status", {"status": status})

    assert response.status_code == 400
    assert office.again(ticket).stage_id == ticket.stage_id


def test_a_ticket_is_given_to_a_person_a_team_and_nobody(office, sign_in):
    """R-ROUTE-2, R-ROUTE-6, R-ROUTE-51"""
    ticket = office.mail()
    client, world = sign_in(office.world.grace), office.world

    def give(to: str) -> tuple[int | None, list[int]]:
        assert client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": to}).status_code == 302
        now = office.again(ticket)
        return now.owner_id, now.assigned_team_ids

    assert give(f"user:{world.bob.pk}")[0] == world.bob.pk
    assert give(f"team:{world.team.pk}") == (None, [world.team.pk])
    give(f"user:{world.bob.pk}")
    assert give("") == (None, [world.team.pk])


@pytest.mark.parametrize("owner", ["user:0", "user:x", "team:77777", "robot:1", "user:"])
def test_an_owner_that_does_not_exist_is_refused(office, sign_in, owner):
    ticket = office.mail()

    response = sign_in(office.world.grace).post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": owner})

    assert response.status_code == 400


def test_somebody_of_another_account_cannot_be_made_owner(office, neighbour, sign_in):
    """S9"""
    ticket = office.mail()
    client = sign_in(office.world.grace)

    for owner in (f"user:{neighbour.world.bob.pk}", f"team:{neighbour.world.team.pk}"):
        assert client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": owner}).status_code == 400


def test_who_gives_a_ticket_out_of_sight_is_led_to_the_list(office, sign_in):
    ticket = office.mail()
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
    own = {"ticket": {"view": "own", "edit": "own"}}
    office.role(office.world.grace, records=own, capabilities=["service_access"])
    give = {"owner": f"user:{office.world.bob.pk}"}
    url = f"/inbox/all-open/{ticket.pk}/owner"

    response = sign_in(office.world.grace).post(url, give, headers=HTMX)

    assert response.headers["HX-Redirect"] == "/inbox/all-open"
    assert office.again(ticket).owner_id == office.world.bob.pk


def test_who_may_only_read_is_told_so_and_sees_no_buttons(office, sign_in):
    """R-PERM-1"""
    ticket = office.mail()
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.grace)
    page = client.get(f"/inbox/all-open/{ticket.pk}")

    assert page.status_code == 200
    assert 'id="status-menu"' not in page.content.decode()
    assert "You may comment, but not write to customers." in texts(page)
    for part, form in (("status", {"status": 1}), ("owner", {"owner": ""}), ("answer", {"body": "x"})):
        assert client.post(f"/inbox/all-open/{ticket.pk}/{part}", form).status_code == 403
    assert len(office.messages(ticket)) == 1


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def with_file(office, name="invoice.pdf", content_type="application/pdf", data=b"%PDF", **more):
    stored = files.put(data)
    return office.mail(
        files=(StoredFile(name, content_type, len(data), stored.sha256, **more),),
        html='<p>Look: <img src="cid:logo@example" alt=""></p>' if more else "",
    )


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.xml", "text/xml"),
        ("a.pdf", "application/pdf"),
    ],
)
def test_no_file_ever_opens_inside_the_product(office, sign_in, name, content_type):
    """S3"""
    ticket = with_file(office, name, content_type, b"<script>alert(1)</script>")
    client = sign_in(office.world.ada)
    url = re.search(r'href="(/files/\d+)"', client.get(f"/inbox/all-open/{ticket.pk}").content.decode())[1]

    response = client.get(url)

    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_name_of_a_file_cannot_break_out_of_its_header(office, sign_in):
    """S22"""
    with_file(office, 'x"\r\nSet-Cookie: a=b; ../../etc/passwd\u202etxt.exe')
    with office.inside():
        file = Attachment.objects.get()

    headers = sign_in(office.world.ada).get(f"/files/{file.pk}").headers

    assert "Set-Cookie" not in headers
    assert "/" not in headers["Content-Disposition"].replace("utf-8''", "").replace("%2F", "/")


def test_a_mails_pictures_are_its_own_files(office, sign_in):
    ticket = with_file(office, "logo.png", "image/png", b"\x89PNG", content_id="logo@example", is_inline=True)
    with office.inside():
        file = Attachment.objects.get()
    client = sign_in(office.world.ada)

    page = client.get(f"/inbox/all-open/{ticket.pk}").content.decode()

    assert f"&lt;img src=&#34;/files/{file.pk}&#34;" in page
    assert f'href="/files/{file.pk}"' not in page
    assert client.get(f"/files/{file.pk}").headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("cid", ["logo@example", "gone@example"])
def test_a_drawing_or_what_is_missing_never_stands_in_a_mail_and_no_file_is_lost(office, sign_in, cid):
    """S3: an SVG may run something."""
    drawing = {"data": b"<svg/>", "content_id": cid, "is_inline": True}
    ticket = with_file(office, "pole.svg", "image/svg+xml", **drawing)
    with office.inside():
        file = Attachment.objects.get()

    page = sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}").content.decode()

    assert "&lt;img alt=&#34;&#34;&gt;" in page
    assert "cid:" not in page
    assert f'<a class="file" href="/files/{file.pk}"' in page


def test_a_name_of_a_picture_is_read_as_mails_write_it(office, sign_in):
    """A4"""
    ticket = with_file(
        office, "logo.png", "image/png", b"\x89PNG", content_id="logo%40example", is_inline=True
    )
    with office.inside():
        file = Attachment.objects.get()

    page = sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}").content.decode()

    assert f"src=&#34;/files/{file.pk}&#34;" in page


def test_who_may_not_see_the_ticket_may_not_have_its_files(office, neighbour, sign_in):
    """S9"""
    ticket = with_file(office)
    with office.inside() as world:
        file = Attachment.objects.get()
        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)
    own = {"ticket": {"view": "own"}}
    office.role(office.world.grace, records=own, capabilities=["service_access"])

    assert sign_in(office.world.grace).get(f"/files/{file.pk}").status_code == 404
    assert sign_in(neighbour.world.ada).get(f"/files/{file.pk}").status_code == 404
    assert sign_in(office.world.bob).get(f"/files/{file.pk}").status_code == 200


def test_a_file_whose_bytes_are_gone_is_not_found(office, sign_in):
    with_file(office)
    with office.inside():
        file = Attachment.objects.get()
        Attachment.objects.update(sha256="0" * 64)

    assert sign_in(office.world.ada).get(f"/files/{file.pk}").status_code == 404


# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def conversation(office) -> int:
    """What arrived on a channel whose ticket switch is off (R-CC-3)."""
    with office.inside() as world:
        world.channel.creates_tickets = False
        world.channel.save()
        message = InboundMessage(
            "m1@fjallbo.example",
            Mailbox("astrid@fjallbo.example", "Astrid"),
            "Just hello",
            "Hello you",
            office.at,
        )
        threads.receive(Incoming(world.channel.pk, message), at=office.at)
        return Thread.objects.get().pk


def test_conversations_without_tickets_have_a_place(office, sign_in, conversation):
    said = texts(sign_in(office.world.grace).get("/inbox/conversations"))

    assert "Just hello" in said
    assert "Hello you" in said


def test_conversations_are_paged(office, sign_in, conversation):
    with office.inside() as world:
        world.channel.refresh_from_db()
        for n in range(desk_views.PAGE + 3):
            at = office.at + timedelta(minutes=n)
            sender = Mailbox("astrid@fjallbo.example", "Astrid")
            message = InboundMessage(f"more{n}@fjallbo.example", sender, f"Question {n}", "Hello", at)
            threads.receive(Incoming(world.channel.pk, message), at=at)
    client = sign_in(office.world.grace)

    first = client.get("/inbox/conversations").content.decode()
    following = re.search(r'hx-get="(/inbox/conversations/after/[^"]+)"', first)
    assert following is not None
    rest = client.get(following[1], headers={"HX-Request": "true"}).content.decode()

    assert first.count("thread-line") == desk_views.PAGE
    assert rest.count("thread-line") == 4
    assert "Just hello" in rest
    assert "csrfmiddlewaretoken" in rest
    assert "/after/" not in rest
    assert "<h1" in client.get(following[1]).content.decode()


def test_a_conversation_is_made_a_ticket_once(office, sign_in, conversation):
    client = sign_in(office.world.grace)

    first = client.post(f"/conversations/{conversation}/ticket")
    second = client.post(f"/conversations/{conversation}/ticket")

    assert first.headers["Location"] == second.headers["Location"]
    page = client.get(first.headers["Location"])
    assert "Hello you" in texts(page)
    assert "No conversations" in texts(client.get("/inbox/conversations"))


def test_a_conversation_is_given_to_somebody_and_its_page_says_who_had_it_R_DM_10(
    office, sign_in, conversation
):
    client, grace = sign_in(office.world.grace), office.world.grace
    assert "Assign" in texts(client.get("/inbox/conversations"))

    saved = client.post(
        f"/conversations/{conversation}/owner/save", {"owner": f"user:{grace.pk}"}, follow=True
    )
    client.post(f"/conversations/{conversation}/owner/save", {"owner": ""})

    assert "Assigned to Grace Hopper" in texts(saved)
    page = client.get(f"/conversations/{conversation}/owner").content.decode()
    past = page[page.index("owner-past") :]
    assert past.count("<li>") == 2
    assert past.index("<b>No owner</b>") < past.index("<b>Grace Hopper</b>")
    with office.inside():
        assert Thread.objects.get(pk=conversation).assignee_id is None


def test_an_owner_of_a_conversation_who_left_stays_until_somebody_chooses_another(
    office, sign_in, conversation
):
    client, place = sign_in(office.world.ada), f"/conversations/{conversation}/owner"
    grace = office.world.grace.pk
    client.post(f"{place}/save", {"owner": f"user:{grace}"})
    with office.inside() as world:
        users.deactivate(world.account.pk, grace, by=SYSTEM)

    assert selected(client.get(place)) == [(f"user:{grace}", "Grace Hopper (not there any more)")]
    client.post(f"{place}/save", {"owner": f"user:{grace}"})
    with office.inside():
        assert Thread.objects.get(pk=conversation).assignee_id == grace
    client.post(f"{place}/save", {"owner": ""})
    assert client.post(f"{place}/save", {"owner": f"user:{grace}"}).status_code == 400


@pytest.mark.parametrize("owner", ["user:0", "user:x", "team:1", "user:99999"])
def test_an_owner_that_there_is_not_is_refused(office, sign_in, conversation, owner):
    answer = sign_in(office.world.grace).post(f"/conversations/{conversation}/owner/save", {"owner": owner})
    assert answer.status_code == 400


def test_a_conversation_that_is_a_ticket_has_the_ticket_s_owner(office, sign_in, conversation):
    client = sign_in(office.world.grace)
    client.post(f"/conversations/{conversation}/ticket")
    answer = client.post(f"/conversations/{conversation}/owner/save", {"owner": ""})
    assert answer.status_code == 409


def test_what_belongs_to_others_is_not_there_for_who_reaches_their_own(office, sign_in, conversation):
    with office.inside():
        Thread.objects.update(assignee_id=office.world.bob.pk)
    office.role(
        office.world.grace,
        records={"ticket": {"view": "own", "edit": "own"}},
        capabilities=["service_access"],
    )
    client = sign_in(office.world.grace)

    assert "Just hello" not in texts(client.get("/inbox/conversations"))
    for path, send in (("owner", client.get), ("owner/save", client.post), ("ticket", client.post)):
        assert send(f"/conversations/{conversation}/{path}").status_code == 404
    with office.inside():
        Thread.objects.update(assignee_id=office.world.grace.pk)
    assert "Just hello" in texts(client.get("/inbox/conversations"))


def test_who_may_not_edit_makes_no_tickets_and_chooses_no_owner(office, sign_in, conversation):
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    response = client.post(f"/conversations/{conversation}/ticket")

    assert response.status_code == 403
    assert client.get(f"/conversations/{conversation}/owner").status_code == 403
    assert client.post(f"/conversations/{conversation}/owner/save", {"owner": ""}).status_code == 403
    with office.inside():
        assert Thread.objects.get().ticket_id is None


def test_an_unknown_conversation_is_not_found(office, sign_in):
    assert sign_in(office.world.grace).post("/conversations/12345/ticket").status_code == 404


# ── the frame ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_are_in_the_readers_language(office, sign_in):
    office.world.grace.locale = "da"
    office.world.grace.save()

    assert '<html lang="da"' in sign_in(office.world.grace).get("/inbox/all-open").content.decode()


def test_a_failed_change_keeps_nothing(office, sign_in, monkeypatch):
    ticket = office.mail()

    def broken(*args, **more):
        raise RuntimeError("secret words of the machine")

    monkeypatch.setattr("deskhand.desk.replies._move_and_assign", broken)
    client = sign_in(office.world.grace, raise_request_exception=False)

    response = answer(client, ticket)

    assert response.status_code == 500
    assert "secret words" not in response.content.decode()
    assert len(office.messages(ticket)) == 1


def test_automatic_answers_are_marked_by_no_name(office, sign_in):
    """An out-of-office note has a sender, and the page opens with it."""
    ticket = office.mail()
    with office.inside():
        thread = Thread.objects.get()
    office.mail(
        "Away", external_id="away@x", text="I am away", answers=(f"{ticket.subject}@fjallbo.example",),
        automatic=Automatic.ANSWER, automatic_reason="auto-submitted", thread_id=thread.pk,
    )  # fmt: skip

    assert "I am away" in texts(sign_in(office.world.ada).get(f"/inbox/all-open/{ticket.pk}"))


def test_every_page_carries_the_content_policy(office, sign_in):
    ticket = office.mail()
    client = sign_in(office.world.ada)

    for path in (
        "/inbox/all-open",
        f"/inbox/all-open/{ticket.pk}",
        "/mailbox",
        "/nowhere",
        "/account/login/",
    ):
        response = client.get(path)
        assert response.headers["Content-Security-Policy"] == assets.content_security_policy()
        assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"]


def test_the_wall_stands_when_the_page_forgets_it(office, neighbour):
    """S9: without the account's scope there are no rows, with another's only that one's."""
    office.mail()

    assert not Message.objects.exists()
    with account_scope(neighbour.world.account.pk):
        assert not Message.objects.exists()
