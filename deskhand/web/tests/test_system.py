"""The system page: what could not be done is seen by administrators, and done again (R15, O2)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from deskhand import wiring
from deskhand.accounts.models import AuditEntry
from deskhand.automation import enroll
from deskhand.automation.models import Budget
from deskhand.channels.email.models import NOT_FETCHED, InboundMail, MailState
from deskhand.crm.records import tickets
from deskhand.delivery import outbox
from deskhand.delivery.models import Fence, OutboxEntry, State
from deskhand.desk.models import Message
from deskhand.desk.outgoing import REFERENCE
from deskhand.events.types import SYSTEM
from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.models import JobFailure
from deskhand.web.system import page
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

RAW = b"Subject: Where is it?\r\n\r\nHello.\r\n"
UNKNOWN = "550 5.1.1 <chiara@x.example>: User unknown"


def entry(account_id, n=0, state=State.HELD, **more):
    held = "They asked" if state == State.HELD else ""
    more = {"held_reason": held, "recipients": ["chiara@x.example"]} | more
    return OutboxEntry.objects.create(
        account_id=account_id, transport="mail", state=state, idempotency_key=f"k{n}", message_id=f"<{n}@x>",
        payload={}, **more,
    )  # fmt: skip


def kept(account_id, at, **more):
    more = {"raw": RAW, "size": len(RAW), "outcome": "quarantined"} | more
    return InboundMail.objects.create(
        account_id=account_id, channel_account_id=1, transport="smtp", envelope_from="olga@x.example", recipient="desk@x.example",
        received_at=at, sha256="", state=MailState.QUARANTINED, outcome_detail="DataError: canary", done_at=at, attempts=3, **more,
    )  # fmt: skip


def failures(account_id, at, n=0):
    """One of each kind, inside the account's scope: a held mail, a mail in quarantine, and the number of a job."""
    jobs.enqueue(enroll.INCLUDE_PRESENT, {"workflow": n, "on_since": at.isoformat(), "after": 0})
    [(job_id,)] = sql.rows("select max(id) from procrastinate_jobs")
    JobFailure.objects.create(
        account_id=account_id, job_id=job_id, tries=5, error="no such lane", failed_at=at
    )
    sql.execute("update procrastinate_jobs set status = 'failed' where id = %s", [job_id])
    return entry(account_id, n), kept(account_id, at), job_id


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


def opened(client, query=""):
    return texts(client.get(f"/settings/system{query}"))


def test_where_nothing_failed_it_says_so(admin):
    shown = opened(admin)

    for sentence in (
        "All mail and all calls have left.", "All mail that arrived could be filed.", "All background work was done.",
    ):  # fmt: skip
        assert sentence in shown


def test_every_failure_is_there_with_its_reason_and_a_way_to_run_it_again(office, admin):
    with office.inside() as world:
        held, mail, job_id = failures(world.account.pk, office.at)

    page_of = admin.get("/settings/system").content.decode()
    shown = opened(admin)

    for part in (
        "chiara@x.example", "Held", "They asked", "From olga@x.example to desk@x.example", "DataError: canary",
        "Every byte of it is kept", "Taking in those who were in a status already", "5 tries", "no such lane",
    ):  # fmt: skip
        assert part in shown
    for path in (f"mails/{held.pk}/again", f"quarantine/{mail.pk}/again", f"jobs/{job_id}/again"):
        assert f'action="/settings/system/{path}"' in page_of


def test_a_mail_that_failed_says_why_in_words_and_leads_to_its_ticket(office, admin):
    ticket = office.mail("Broken lamp")
    with office.inside() as world:
        message = Message.objects.get()
        due = office.at + timedelta(minutes=5)
        more = {"reference_type": REFERENCE, "reference_id": message.pk}
        entry(world.account.pk, 1, State.FAILED, last_answer=UNKNOWN, attempts=1, **more)
        entry(world.account.pk, 2, State.WAITING, error="Connection refused", attempts=2, due_at=due)
        entry(world.account.pk, 3, State.SENT, sent_at=office.at, recipients=["gone@x.example"])

    shown = opened(admin)

    assert "The address does not exist there." in shown
    assert "User unknown" in shown
    assert f"#{ticket.number} Broken lamp" in shown
    assert f'href="/inbox/all-open/{ticket.pk}"' in admin.get("/settings/system").content.decode()
    assert "2 tries, the next: " in shown
    assert "gone@x.example" not in shown


def test_every_slow_job_has_a_name_in_words():
    assert wiring.JOBS.keys() - page.JOBS.keys() == set()


def test_the_subject_of_a_ticket_one_may_not_see_is_not_there(office, sign_in):
    """R-PERM-1"""
    office.mail("Secret lamp")
    office.role(office.world.grace, records={"ticket": {"view": "own"}}, capabilities=["account_access"])
    with office.inside() as world:
        tickets.assign(tickets.Ticket.objects.get().pk, owner_id=world.ada.pk, by=SYSTEM)
        more = {"reference_type": REFERENCE, "reference_id": Message.objects.get().pk}
        entry(world.account.pk, 1, State.FAILED, last_answer=UNKNOWN, **more)

    shown = opened(sign_in(office.world.grace))

    assert "chiara@x.example" in shown
    assert "Secret lamp" not in shown


@pytest.mark.parametrize("state", [State.HELD, State.FAILED, State.WAITING])
def test_a_mail_is_tried_again_on_request(office, admin, state):
    with office.inside() as world:
        made = entry(world.account.pk, state=state, error="no")

    answer = admin.post(f"/settings/system/mails/{made.pk}/again", follow=True)

    made.refresh_from_db()
    assert "1 is tried again." in texts(answer)
    assert (made.state, made.error, made.due_at is not None) == (State.WAITING, "", True)
    with office.inside() as world:
        noted = AuditEntry.objects.get(action="outbox_entry.retried")
        assert (noted.actor_id, noted.target_id) == (world.ada.pk, made.pk)


def test_what_is_being_sent_is_left_alone(office, admin):
    with office.inside() as world:
        made = entry(world.account.pk, state=State.SENDING, lease_until=office.at + timedelta(minutes=1))

    assert f"mails/{made.pk}/again" not in admin.get("/settings/system").content.decode()
    answer = admin.post(f"/settings/system/mails/{made.pk}/again", follow=True)

    assert "This was sent, or is being sent now." in texts(answer)
    made.refresh_from_db()
    assert made.state == State.SENDING


def test_held_mail_is_released_at_once_and_the_fence_is_told(office, admin):
    with office.inside() as world:
        for n in range(3):
            entry(world.account.pk, n)
    Fence.objects.create(id=1, reason=outbox.RESTORED)

    assert "A backup was restored." in opened(admin)
    assert "Send what is held (3)" in opened(admin)
    answer = admin.post("/settings/system/mails/release", follow=True)

    assert "3 are tried again." in texts(answer)
    with office.inside() as world:
        noted = AuditEntry.objects.get(action="outbox_entry.released")
        assert (noted.target_type, noted.target_id, noted.after) == (
            "account",
            world.account.pk,
            {"number": 3},
        )
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.WAITING}
    assert "There was nothing to try again." in texts(
        admin.post("/settings/system/mails/release", follow=True)
    )


def test_a_mail_in_quarantine_is_handed_out_as_it_came(office, admin):
    with office.inside() as world:
        mail = kept(world.account.pk, office.at)
        missing = kept(world.account.pk, office.at, raw=b"", outcome=NOT_FETCHED)

    answer = admin.get(f"/settings/system/quarantine/{mail.pk}")

    assert answer.content == RAW
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="mail-{mail.pk}.eml"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert admin.get(f"/settings/system/quarantine/{missing.pk}").status_code == 404
    assert "Its server does not hand it over" in opened(admin)


@pytest.mark.parametrize("which", ["one", "all"])
def test_quarantine_is_processed_again(office, admin, which):
    with office.inside() as world:
        mails = [kept(world.account.pk, office.at) for _ in range(2)]
    other = InboundMail.objects.get(pk=kept(999, office.at).pk)
    path = "again" if which == "all" else f"{mails[0].pk}/again"

    admin.post(f"/settings/system/quarantine/{path}")

    waiting = InboundMail.objects.filter(state=MailState.WAITING).values_list("id", flat=True)
    assert set(waiting) == {mail.pk for mail in (mails if which == "all" else mails[:1])}
    other.refresh_from_db()
    assert other.state == MailState.QUARANTINED


@pytest.mark.parametrize("which", ["one", "all"])
def test_background_work_is_done_again(office, admin, which):
    with office.inside() as world:
        _held, _mail, job_id = failures(world.account.pk, office.at)

    admin.post(f"/settings/system/jobs/{'again' if which == 'all' else f'{job_id}/again'}")

    with office.inside():
        assert jobs.failed() == []
    assert sql.rows("select status from procrastinate_jobs") == [("todo",)]


def test_long_lists_come_a_page_at_a_time(office, admin):
    with office.inside() as world:
        for n in range(page.SHOWN + 2):
            entry(world.account.pk, n, recipients=[f"n{n}@x.example"])
            kept(world.account.pk, office.at, size=n)

    first = admin.get("/settings/system").content.decode()
    following = re.search(r'href="(/settings/system\?mails=\d+)#mails"', first)[1]
    rest = admin.get(following).content.decode()

    shown = re.findall(
        r"n(\d+)@x.example", re.sub(r"<button.*?</button>|(?:aria-label|title)=\"[^\"]*\"", "", first + rest)
    )
    assert sorted(map(int, shown)) == list(range(page.SHOWN + 2))
    assert "?quarantine=" in first
    for nonsense in ("x", "-1", "9" * 30, "٣"):
        assert admin.get("/settings/system", {"mails": nonsense}).status_code == 200


def test_it_asks_as_often_whatever_failed(office, admin):
    counts = []
    for number in (1, 6):
        with office.inside() as world:
            for _ in range(number):
                n = OutboxEntry.objects.count()
                made, _mail, _job = failures(world.account.pk, office.at, n)
                OutboxEntry.objects.filter(pk=made.pk).update(reference_type=REFERENCE, reference_id=n)
        counts.append(queries_of(admin, "/settings/system"))
    assert counts[0] == counts[1]


def test_only_administrators_see_it(office, admin, sign_in):
    assert 'href="/settings/system"' in admin.get("/mailbox").content.decode()
    grace = sign_in(office.world.grace)

    assert grace.get("/settings/system").status_code == 403
    assert 'href="/settings/system"' not in grace.get("/account/password/change/").content.decode()


def test_automation_that_was_stopped_is_told_and_goes_on_by_a_button(office, admin):
    with office.inside() as world:
        stopped = Budget.objects.create(account_id=world.account.pk, per_hour=3, used=3, stopped_at=office.at)

    assert "more than 3 messages and calls within an hour" in opened(admin)
    answer = admin.post("/settings/system/automation/resume", follow=True)

    assert "Automation sends again." in texts(answer)
    assert "Let it go on" not in opened(admin)
    with office.inside():
        stopped.refresh_from_db()
    assert stopped.stopped_at is None
