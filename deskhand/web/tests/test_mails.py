"""The mails that automations send: list, write, preview for a real contact, test, archive (R-MAIL-1, R-MAIL-11)."""

from __future__ import annotations

import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, AuditEntry, Plan
from deskhand.automation import lanes, templates
from deskhand.automation.models import DraftVersion, MailTemplate, WorkflowDraft
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

LIST = "/settings/mails"
CHOICE = 'value="ticket_received"'  # in the form of a step


@pytest.fixture
def received(office):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        return MailTemplate.objects.get(key="ticket_received")


@pytest.fixture
def ada(office, received, sign_in):
    return sign_in(office.world.ada)


def to(name, mail):
    return reverse(name, args=[mail.pk])


def typed(mail, **more):
    return {
        "name": mail.name,
        "subject": mail.subject,
        "body": mail.body,
        "revision": mail.revision,
        "ticket": "",
    } | more


def test_the_list_says_which_workflow_sends_each_mail(office, ada):
    with office.inside() as world:
        lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": "ticket_received"}, by=world.ada.pk
        )

    page = ada.get(LIST)

    assert "Support pipeline: New" in texts(page)
    assert "No workflow sends it." in texts(page)
    with office.inside() as world:
        lane = f"/settings/pipelines/{world.tickets.default.id}/automate#lane-{world.stage('New')}"
    assert f'href="{lane}"' in page.content.decode()


def test_a_step_that_is_gone_is_no_use_any_more(office, ada, received):
    with office.inside() as world:
        lane = lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": str(received.pk)}, by=world.ada.pk
        )
        assert templates.used_in(world.account.pk) == {received.pk: [lane.pk]}
        lanes.delete_step(lane, "1", and_following=False, by=world.ada.pk)
        assert templates.used_in(world.account.pk) == {}


def test_the_list_asks_as_much_for_many_as_for_few(office, ada):
    with office.inside() as world:
        lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": "ticket_received"}, by=world.ada.pk
        )
    ada.get(LIST)
    few = queries_of(ada, LIST)
    with office.inside() as world:
        for n in range(9):
            made = templates.create(world.account.pk, f"Mail {n}", by=SYSTEM)
            lanes.add_step(
                "ticket",
                world.stage("Waiting on us"),
                "send_email",
                {"template": str(made.pk)},
                by=world.ada.pk,
            )

    assert queries_of(ada, LIST) == few


def test_a_mail_is_added_and_can_be_sent_as_it_is(office, ada):
    answer = ada.post(f"{LIST}/add", {"name": " On holiday "})

    with office.inside():
        made = MailTemplate.objects.get(name="On holiday")
    assert answer.headers["Location"] == f"{LIST}/{made.pk}"
    page = texts(ada.get(answer.headers["Location"]))
    assert "Your request [#4821]" in page
    assert "Hello Astrid," in page


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "Give it a name."), ("ticket RECEIVED", "of this name already"), ("\x00", "Give it a name.")],
)
def test_a_name_that_is_empty_or_taken_is_refused(office, ada, name, words):
    answer = ada.post(f"{LIST}/add", {"name": name})

    assert answer.status_code == 422
    assert words in texts(answer)
    with office.inside():
        assert MailTemplate.objects.count() == 2


def test_a_mail_is_renamed_with_its_words_and_the_audit_says_so(office, ada, received):
    ada.post(to("mail-template-save", received), typed(received, name="Got it", body="Thanks."))

    with office.inside():
        kept = MailTemplate.objects.get(pk=received.pk)
        assert (kept.name, kept.body, kept.key) == ("Got it", "Thanks.", "ticket_received")
        assert {"name": "Got it"} in list(AuditEntry.objects.values_list("after", flat=True))


def test_a_name_of_another_mail_is_refused_and_nothing_is_saved(office, ada, received):
    answer = ada.post(to("mail-template-save", received), typed(received, name="Ticket closed", body="Lost?"))

    assert answer.status_code == 422
    assert "There is a mail of this name already." in texts(answer)
    assert "Lost?" in answer.content.decode()
    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).body == received.body


def test_the_preview_is_for_the_contact_of_a_real_ticket(office, ada, received):
    """R-MAIL-11"""
    ticket = office.mail("Where is it")

    answer = ada.post(
        to("mail-template-save", received), typed(received, preview="1", ticket=f"#{ticket.number}")
    )

    said = texts(answer)
    assert f"For ticket #{ticket.number}" in said
    assert f"We have received your request [#{ticket.number}]" in said
    assert "astrid@fjallbo.example" in said


@pytest.mark.parametrize("number", ["999999", "x", "9" * 40, "-1", "\x00"])
def test_a_ticket_that_is_not_there_is_said_under_its_field(ada, received, number):
    answer = ada.post(to("mail-template-save", received), typed(received, preview="1", ticket=number))

    assert answer.status_code == 200
    assert "There is no ticket of this number." in texts(answer) or number == "\x00"


def test_a_ticket_that_one_may_not_see_shows_nothing_of_itself(office, received, sign_in):
    """R-PERM-1"""
    ticket = office.mail("Secret of Astrid")
    office.role(office.world.grace, records={}, capabilities=["account_access"])

    answer = sign_in(office.world.grace).post(
        to("mail-template-save", received), typed(received, preview="1", ticket=str(ticket.number), subject="{{ ticket.subject }}")
    )  # fmt: skip

    assert "There is no ticket of this number." in texts(answer)
    assert "Secret of Astrid" not in texts(answer)


def test_a_test_goes_to_oneself_as_typed_and_saves_nothing(office, ada, received):
    ticket = office.mail("Where is it")
    form = typed(
        received,
        test="1",
        ticket=str(ticket.number),
        subject="Hi {{ contact.first_name }}",
        body="Unsaved words",
    )

    answer = ada.post(to("mail-template-save", received), form)

    assert "Unsaved words" in answer.content.decode()
    with office.inside() as world:
        entry = OutboxEntry.objects.order_by("-id").first()
        assert entry.recipients == [world.ada.email]
        assert entry.payload["subject"] == "Test: Hi Astrid"
        assert entry.payload["text"] == "Unsaved words"
        assert entry.payload["automatic"] == "auto-generated"
        assert MailTemplate.objects.get(pk=received.pk).body == received.body
    assert "A test is on its way to ada@nordlys.example." in texts(answer)


def test_a_test_needs_an_address_to_leave_from(office, ada, received):
    with office.inside() as world:
        inboxes.disconnect(world.channel, by=SYSTEM)

    answer = ada.post(to("mail-template-save", received), typed(received, test="1"))

    assert answer.status_code == 422
    assert "No e-mail address is connected." in texts(answer)
    with office.inside():
        assert not OutboxEntry.objects.exists()


def test_a_test_of_what_can_not_be_read_is_refused(office, ada, received):
    assert (
        ada.post(to("mail-template-save", received), typed(received, test="1", body="{{ open")).status_code
        == 422
    )
    with office.inside():
        assert not OutboxEntry.objects.exists()


def test_an_archived_mail_can_not_be_chosen_until_it_is_used_again(office, ada, received):
    with office.inside() as world:
        step = (
            reverse("lane-step-new", args=[world.tickets.default.id, world.stage("New")]) + "?kind=send_email"
        )
    assert CHOICE in ada.get(step).content.decode()

    ada.post(to("mail-template-archive", received), {"on": "1"})
    ada.post(to("mail-template-archive", received), {"on": "1"})
    assert CHOICE not in ada.get(step).content.decode()
    assert "Archived" in texts(ada.get(LIST))
    ada.post(to("mail-template-archive", received), {"on": "0"})
    assert CHOICE in ada.get(step).content.decode()


@pytest.mark.parametrize("renamed", ["old", "new"])
def test_an_archived_mail_whose_name_is_taken_comes_back_when_one_of_both_is_renamed(
    office, ada, received, renamed
):
    ada.post("/settings/mails/add", {"name": "News"})
    with office.inside():
        old = MailTemplate.objects.get(name="News")
    ada.post(to("mail-template-archive", old), {"on": "1"})
    ada.post("/settings/mails/add", {"name": "News"})

    answer = ada.post(to("mail-template-archive", old), {"on": "0"})

    assert answer.headers["Location"] == to("mail-template", old)  # where it can be given another name
    assert "Another mail is called “News” by now." in texts(ada.get(answer.headers["Location"]))
    with office.inside():
        new = MailTemplate.objects.get(name="News", archived_at=None)
        assert new.pk != old.pk
    one = {"old": old, "new": new}[renamed]
    assert ada.post(to("mail-template-save", one), typed(one, name="Old news")).status_code == 302
    ada.post(to("mail-template-archive", old), {"on": "0"})
    with office.inside():
        assert set(MailTemplate.objects.filter(key="", archived_at=None)) == {old, new}


def test_a_mail_that_a_workflow_sends_can_not_be_archived(office, ada, received):
    with office.inside() as world:
        lanes.add_step(
            "ticket", world.stage("New"), "send_email", {"template": "ticket_received"}, by=world.ada.pk
        )

    answer = ada.post(to("mail-template-archive", received), {"on": "1"})

    assert "A workflow sends this mail." in texts(ada.get(answer.headers["Location"]))
    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).archived_at is None


def test_a_mail_that_only_a_draft_names_is_in_use_too(office, ada, received):
    """R-MAIL-1: publishing the draft must not send what was put away meanwhile."""
    with office.inside() as world:
        lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
        now = clock.now()
        WorkflowDraft.objects.create(
            account_id=world.account.pk, workflow=lane, base_revision=1, version=1, updated_at=now
        )
        DraftVersion.objects.create(
            account_id=world.account.pk, workflow=lane, number=1, at=now,
            definition={"steps": [{"id": "1", "kind": "send_email", "settings": {"template": str(received.pk)}}]},
        )  # fmt: skip
        assert templates.used_in(world.account.pk) == {received.pk: [lane.pk]}

    ada.post(to("mail-template-archive", received), {"on": "1"})

    with office.inside():
        assert MailTemplate.objects.get(pk=received.pk).archived_at is None


def test_a_plan_without_own_mails_to_everybody_offers_and_takes_none(office, ada, received):
    """R-MAIL-6; those that are so stay so"""
    ada.post("/settings/mails/add", {"name": "Kept"})
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.PROFESSIONAL)
    ada.post("/settings/mails/add", {"name": "News"})
    with office.inside():
        kept, news = (MailTemplate.objects.get(name=name) for name in ("Kept", "News"))
    assert "Every contact" in ada.get(to("mail-template", kept)).content.decode()
    assert "Every contact" not in ada.get(to("mail-template", news)).content.decode()

    saved = ada.post(to("mail-template-save", kept), typed(kept, reach="everybody", subject="Changed"))
    refused = ada.post(to("mail-template-save", news), typed(news, reach="everybody"))

    assert saved.status_code == 302
    assert refused.status_code == 422
    assert 'id="error-reach"' in refused.content.decode()
    assert "marketing contacts only. Choose marketing contacts" in refused.content.decode()


def test_a_mail_of_ones_own_may_be_for_marketing_contacts_only(office, ada, received):
    """R-MAIL-2, R-MAIL-4: the built-in ones never are"""
    ada.post("/settings/mails/add", {"name": "News"})
    with office.inside():
        news = MailTemplate.objects.get(name="News")
    assert "Marketing contacts only" in ada.get(to("mail-template", news)).content.decode()
    assert "Marketing contacts only" not in ada.get(to("mail-template", received)).content.decode()

    for mail in (news, received):
        ada.post(to("mail-template-save", mail), typed(mail, reach="marketing"))

    with office.inside():
        assert not MailTemplate.objects.get(pk=news.pk).is_transactional
        assert MailTemplate.objects.get(pk=received.pk).is_transactional
        last = AuditEntry.objects.filter(action="mail_template.updated").order_by("id").first()
    assert (last.before["is_transactional"], last.after["is_transactional"]) == (True, False)
    page = ada.get(to("mail-template", news)).content.decode()
    assert '<option value="marketing" selected>' in page
