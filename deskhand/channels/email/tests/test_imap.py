"""Mailboxes read by IMAP, against a real Dovecot."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import certifi
import pytest

from deskhand.channels.email import imap, inbound, store
from deskhand.channels.email.imap import Poller, back_off, recipient_of, run_pollers, sender_of
from deskhand.channels.email.models import EmailAccount, InboundMail, MailboxState, Security
from deskhand.kernel import clock
from deskhand.kernel.tls import client_context
from tests.mailstack.stack import PASSWORD, PATIENCE, Mailbox, MailStack, free_port, wait_until

from .conftest import make_channel

pytestmark = pytest.mark.mail
_numbers = itertools.count(1)

MakeMailbox = Callable[..., EmailAccount]


def mail(subject: str, *, size: int = 0) -> bytes:
    head = f"From: anna@client.test\r\nTo: support+t7@team.test\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.test>\r\n"
    return head.encode() + b"\r\n" + (b"x" * 70 + b"\r\n") * (size // 72 + 1)


def subjects() -> list[str]:
    raws = InboundMail.objects.order_by("id").values_list("raw", flat=True)
    return [bytes(raw).split(b"Subject: ")[1].split(b"\r\n")[0].decode() for raw in raws]


@pytest.fixture
def make_mailbox(
    transactional_db: None, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> MakeMailbox:
    """Makes a mailbox of ours at Dovecot, with settings as given; nobody reads it yet."""
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")

    def make(**more: object) -> EmailAccount:
        address = f"team{next(_numbers)}@team.test"
        account = EmailAccount(
            account_id=1,
            channel_account=make_channel(1, address),
            imap_host="127.0.0.1",
            imap_port=mail_stack.imap_port,
            imap_security=Security.NONE,
            imap_user=address,
            state=MailboxState.WAITING,
            take_since=None,
        )
        for name, value in more.items():
            setattr(account, name, value)
        account.set_imap_password(PASSWORD)
        account.save()
        return account

    return make


@pytest.fixture
def poll(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Starts the pollers of one process, as often as called."""
    monkeypatch.setattr(imap, "REREAD", 0.1)
    monkeypatch.setattr(imap, "SLICE", 0.1)
    stop, threads = threading.Event(), []

    def start(access_token: imap.TokenSource | None = None) -> None:
        threads.append(threading.Thread(target=run_pollers, args=[stop, access_token]))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def there(stack: MailStack, account: EmailAccount) -> Mailbox:
    return stack.mailbox(account.imap_user)


def wait_for_mails(count: int, *, patience: float = PATIENCE) -> None:
    wait_until(lambda: InboundMail.objects.count() >= count, f"{count} stored mails", patience=patience)


def wait_for_state(account: EmailAccount, state: MailboxState) -> EmailAccount:
    wait_until(lambda: EmailAccount.objects.get(pk=account.pk).state == state, f"the mailbox to be {state}")
    return EmailAccount.objects.get(pk=account.pk)


def test_what_lies_there_and_what_comes_later_is_stored_and_moved_away(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    """R12, R13: unread mail of people stays unread; the second mail comes while the server is idling."""
    account = make_mailbox()
    there(mail_stack, account).put(mail("first"))

    poll()
    wait_for_state(account, MailboxState.OK)
    there(mail_stack, account).put(mail("second"))
    wait_for_mails(2)
    there(mail_stack, account).wait_for(2, folder="Processed")

    stored = InboundMail.objects.order_by("id").first()
    assert subjects() == ["first", "second"]
    assert bytes(stored.raw) == mail("first")
    assert (stored.account_id, stored.channel_account_id, stored.transport) == (
        1,
        account.channel_account_id,
        "imap",
    )
    assert there(mail_stack, account).mails() == []
    assert "Seen" not in " ".join(there(mail_stack, account).flags("Processed"))


def test_without_a_folder_for_read_mail_it_stays_and_is_taken_once(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    account = make_mailbox(processed_folder="")
    there(mail_stack, account).put(mail("first"))

    poll()
    wait_for_mails(1)
    there(mail_stack, account).put(mail("second"))
    wait_for_mails(2)

    assert subjects() == ["first", "second"]
    assert len(there(mail_stack, account).mails()) == 2


def test_mail_from_before_the_mailbox_was_connected_stays_where_it_is(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    account = make_mailbox(take_since=clock.now() + timedelta(hours=1))
    there(mail_stack, account).put(mail("old"))

    poll()
    wait_for_state(account, MailboxState.OK)

    assert not InboundMail.objects.exists()
    assert len(there(mail_stack, account).mails()) == 1


def test_when_the_server_numbers_anew_nothing_is_lost_and_the_admin_is_told(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    """R11: the same bytes come again under a new key; filing knows them by their content (R9)."""
    account = make_mailbox(processed_folder="", uidvalidity=1, last_uid=1000)
    EmailAccount.objects.filter(pk=account.pk).update(read_from=imap.source_of(account))
    there(mail_stack, account).put(mail("first"))
    there(mail_stack, account).put(mail("second"))

    poll()
    wait_for_mails(2)
    after = wait_for_state(account, MailboxState.OK)

    assert subjects() == ["first", "second"]
    assert after.rescanned_at is not None
    assert after.uidvalidity not in (None, 1)
    assert after.last_uid == 2


def test_indexes_lost_between_two_visits_lose_no_mail(
    make_mailbox: MakeMailbox, mail_stack: MailStack
) -> None:
    """R11: UIDs are handed out again for other mails."""
    account = make_mailbox(processed_folder="")
    there(mail_stack, account).put(mail("first"))
    visit(account)
    there(mail_stack, account).delete_all()
    with mail_stack.without_dovecot():
        mail_stack.renumber(account.imap_user)
    there(mail_stack, account).put(mail("second"))

    visit(account)

    assert subjects() == ["first", "second"]


def test_another_mailbox_with_the_same_numbers_is_read_from_its_start(
    make_mailbox: MakeMailbox, mail_stack: MailStack
) -> None:
    """R10, R11: some providers give all mailboxes one UIDVALIDITY; then a changed user name would lose mail."""
    account, other = make_mailbox(processed_folder=""), make_mailbox(processed_folder="")
    there(mail_stack, account).put(mail("first"))
    there(mail_stack, other).put(mail("second"))
    visit(account)
    visit(other)
    InboundMail.objects.filter(channel_account_id=other.channel_account_id).delete()
    numbers = EmailAccount.objects.get(pk=other.pk).uidvalidity
    InboundMail.objects.update(transport_key=f"{imap.source_of(account)}/{numbers}/1")

    EmailAccount.objects.filter(pk=account.pk).update(uidvalidity=numbers, imap_user=other.imap_user)
    visit(account)

    assert subjects() == ["first", "second"]


def test_a_large_mailbox_is_searched_once_and_not_for_every_set(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second set is deleted between the search and the reading."""
    monkeypatch.setattr(imap, "SET_MAILS", 2)
    account = make_mailbox(processed_folder="")
    for number in range(7):
        there(mail_stack, account).put(mail(f"n{number}"))
    searches = []

    class Counting(imap.IMAPClient):
        def search(self, criteria: object = "ALL", charset: str | None = None) -> object:
            searches.append(criteria)
            return super().search(criteria, charset)

        def fetch(self, messages: object, data: object, modifiers: object = None) -> object:
            found = super().fetch(messages, data, modifiers)
            return {} if messages == [3, 4] else found

    monkeypatch.setattr(imap, "IMAPClient", Counting)
    visit(account)

    assert subjects() == ["n0", "n1", "n4", "n5", "n6"]
    assert len(searches) == 2


def visit(account: EmailAccount) -> None:
    """Look once, as a poller that is told to stop would."""
    mailbox = EmailAccount.objects.select_related("channel_account").get(pk=account.pk)
    with imap._open(mailbox, "") as client:
        reader = imap.MailboxReader(client, mailbox, {})
        reader.select()
        while reader.read():
            pass


def test_a_wrong_password_is_told_and_not_tried_again_and_again(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    """R16: and saving the right one helps at once."""
    account = make_mailbox()
    account.set_imap_password("wrong")
    account.save(update_fields=["imap_password_sealed"])
    there(mail_stack, account).put(mail("first"))

    poll()
    refused = wait_for_state(account, MailboxState.REFUSED)
    account.set_imap_password(PASSWORD)
    account.save(update_fields=["imap_password_sealed"])
    wait_for_state(account, MailboxState.OK)

    assert account.imap_user in refused.last_error
    assert "password" in refused.last_error
    assert refused.retry_at > clock.now() + timedelta(minutes=5)
    assert refused.failures == 1
    assert subjects() == ["first"]


def test_a_server_that_is_away_is_told_and_read_again_when_it_is_back(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R14."""
    monkeypatch.setattr(imap, "back_off", lambda _: 0.2)
    account = make_mailbox()
    poll()
    wait_for_state(account, MailboxState.OK)

    with mail_stack.without_dovecot():
        away = wait_for_state(account, MailboxState.RETRYING)
    there(mail_stack, account).put(mail("first"))
    # Who knocks while a server goes may be let in by nobody, and knocks again after the time for connecting.
    wait_for_mails(1, patience=PATIENCE + (imap.TIMEOUTS.connect or 0))
    back = wait_for_state(account, MailboxState.OK)

    assert str(mail_stack.imap_port) in away.last_error
    assert (back.last_error, back.failures) == ("", 0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"imap_host": "no-such-host.invalid"}, "no server called no-such-host.invalid"),
        ({"imap_port": free_port()}, "refuses connections"),
        ({"imap_folder": "Elsewhere"}, "Elsewhere"),
    ],
)
def test_wrong_settings_are_named(
    make_mailbox: MakeMailbox, poll: Callable[..., None], setting: dict[str, object], words: str
) -> None:
    account = make_mailbox(**setting)

    poll()

    assert words in wait_for_state(account, MailboxState.RETRYING).last_error


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch, security: Security
) -> None:
    """R20: and one is not that an authority vouches for which came along: small machines know none themselves."""
    port = mail_stack.imaps_port if security == Security.TLS else mail_stack.imap_port
    account = make_mailbox(imap_security=security, imap_port=port)
    there(mail_stack, account).put(mail("first"))

    client_context.cache_clear()
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED") as refusal:
        visit(account)
    monkeypatch.setattr(certifi, "where", lambda: str(mail_stack.certificate))
    client_context.cache_clear()
    visit(account)

    client_context.cache_clear()
    assert "can't be trusted" in imap.explain(refusal.value, account)
    assert subjects() == ["first"]


def test_an_access_token_opens_the_mailbox_and_an_ended_one_is_told(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    """R16."""
    good, ended = make_mailbox(), make_mailbox()
    seconds = {good.pk: 60, ended.pk: -10}
    there(mail_stack, good).put(mail("first"))

    poll(lambda mailbox: mail_stack.token(mailbox.imap_user, seconds=seconds[mailbox.pk]))

    wait_for_state(good, MailboxState.OK)
    assert wait_for_state(ended, MailboxState.REFUSED).last_error
    assert subjects() == ["first"]


def test_a_mail_of_many_parts_is_the_same_mail(make_mailbox: MakeMailbox, mail_stack: MailStack) -> None:
    """R15: fetched in pieces of a megabyte, one of them ending exactly with the mail."""
    account = make_mailbox()
    exact = mail("exact")
    exact += b"y" * (2 * imap.PART - len(exact) - 2) + b"\r\n"
    there(mail_stack, account).put(exact)
    there(mail_stack, account).put(mail("large", size=3_500_000))
    there(mail_stack, account).put(mail("small"))

    visit(account)

    assert [bytes(raw) for raw in InboundMail.objects.order_by("id").values_list("raw", flat=True)] == [
        exact,
        mail("large", size=3_500_000),
        mail("small"),
    ]


def test_of_a_mail_over_the_limit_the_headers_are_taken_and_the_mail_is_left(
    make_mailbox: MakeMailbox, mail_stack: MailStack, settings: object
) -> None:
    """R15."""
    settings.MAIL_MAX_BYTES = 100_000
    account = make_mailbox()
    there(mail_stack, account).put(mail("large", size=200_000))
    there(mail_stack, account).put(mail("small"))

    visit(account)
    visit(account)

    large, small = InboundMail.objects.order_by("id")
    assert (large.is_head_only, small.is_head_only) == (True, False)
    assert bytes(large.raw) == mail("large").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert large.size == len(mail("large", size=200_000))
    assert [str(left["Subject"]) for left in there(mail_stack, account).mails()] == ["large"]


def test_a_person_who_deletes_meanwhile_disturbs_nothing(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12: after the list was made, and after the mail was stored."""
    account = make_mailbox()
    box = there(mail_stack, account)
    box.put(mail("first"))
    real_take, real_move = imap.MailboxReader._take, imap.MailboxReader._move

    def take_after_a_deletion(reader: imap.MailboxReader, mails: object) -> None:
        box.delete_all()
        real_take(reader, mails)

    def move_after_a_deletion(reader: imap.MailboxReader, uids: object) -> None:
        box.delete_all()
        real_move(reader, uids)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(imap.MailboxReader, "_take", take_after_a_deletion)
        visit(account)
    box.put(mail("second"))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(imap.MailboxReader, "_move", move_after_a_deletion)
        visit(account)
    box.put(mail("third"))
    visit(account)

    assert subjects() == ["second", "third"]


def test_a_poller_that_died_after_storing_stores_nothing_twice(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R10: stored, committed, not yet moved."""
    account = make_mailbox()
    there(mail_stack, account).put(mail("first"))

    def die(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as fault:
        fault.setattr(imap.MailboxReader, "_move", die)
        with pytest.raises(ConnectionResetError):
            visit(account)
    visit(account)

    assert subjects() == ["first"]
    assert len(there(mail_stack, account).mails("Processed")) == 1


def test_a_mail_that_the_server_never_hands_over_does_not_stop_the_others(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R14, R15: after three tries its headers are taken."""
    account = make_mailbox()
    for number in range(5):
        there(mail_stack, account).put(mail(f"number-{number}"))
    real = imap.MailboxReader._whole
    tries: list[int] = []

    def cut(reader: imap.MailboxReader, uid: int) -> bytes | None:
        if uid == 3:
            tries.append(uid)
            raise ConnectionResetError
        return real(reader, uid)

    monkeypatch.setattr(imap.MailboxReader, "_whole", cut)
    monkeypatch.setattr(imap, "back_off", lambda _: 0.1)
    poll()
    wait_for_mails(5)

    assert sorted(subjects()) == [f"number-{number}" for number in range(5)]
    assert len(tries) == 3
    assert InboundMail.objects.get(is_head_only=True).recipient == account.imap_user


class Refusing:
    """While it is on, the server breaks off whenever it is asked for anything of these mails, or says nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *uids: int, silently: bool = False) -> None:
        self.uids, self.is_on, self.tries = uids, True, 0
        real = imap.MailboxReader._part

        def part(reader: imap.MailboxReader, uid: int, what: str) -> bytes | None:
            if not self.is_on or uid not in self.uids:
                return real(reader, uid, what)
            self.tries += 1
            if silently:
                return None
            raise ConnectionResetError("cut")

        monkeypatch.setattr(imap.MailboxReader, "_part", part)
        monkeypatch.setattr(imap, "back_off", lambda _: 0.05)


def put_aside() -> InboundMail:
    wait_until(lambda: InboundMail.objects.filter(outcome="not-fetched").exists(), "the mail to be put aside")
    return InboundMail.objects.get(outcome="not-fetched")


@pytest.mark.parametrize("silently", [False, True])
def test_a_mail_refused_with_its_headers_is_put_aside_and_fetched_when_the_admin_says_so(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
    silently: bool,
) -> None:
    """R15: it is seen, the others go on, and nothing is parsed in its place."""
    account = make_mailbox()
    for number in range(4):
        there(mail_stack, account).put(mail(f"number-{number}"))
    refusing = Refusing(monkeypatch, 3, silently=silently)
    poll()
    aside = put_aside()
    wait_for_state(account, MailboxState.OK)
    others = InboundMail.objects.exclude(pk=aside.pk)
    left = [str(one["Subject"]) for one in there(mail_stack, account).mails()]
    refusing.is_on = False
    found = inbound.process_again(1, [aside.pk])
    asked = inbound.quarantined([aside.pk]).get()
    wait_until(lambda: not inbound.quarantined().exists(), "the mail to be fetched again")
    there(mail_stack, account).wait_for(4, folder="Processed")
    fetched = InboundMail.objects.get(pk=aside.pk)

    assert refusing.tries >= 6
    assert (aside.state, bytes(aside.raw), aside.size) == ("QUARANTINED", b"", len(mail("number-2")))
    assert aside.recipient == account.imap_user
    assert all(part in aside.outcome_detail for part in (account.imap_user, "INBOX", "UID 3"))
    assert silently or "cut" in aside.outcome_detail
    assert others.count() == 3
    assert left == ["number-2"]
    assert (found, asked.outcome) == (1, "fetch-again")
    assert (fetched.state, fetched.outcome, fetched.outcome_detail) == ("WAITING", "", "")
    assert bytes(fetched.raw) == mail("number-2")
    assert fetched.sha256 == hashlib.sha256(mail("number-2")).hexdigest()


def test_a_mail_refused_again_goes_back_and_holds_up_no_other(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_mailbox()
    there(mail_stack, account).put(mail("first"))
    refusing = Refusing(monkeypatch, 1)
    poll()
    aside = put_aside()
    wait_for_state(account, MailboxState.OK)
    before = refusing.tries
    inbound.process_again(1, [aside.pk])
    there(mail_stack, account).put(mail("second"))
    wait_until(lambda: refusing.tries > before, "another try")

    assert put_aside().pk == aside.pk
    wait_for_state(account, MailboxState.OK)
    assert refusing.tries == before + 6
    assert InboundMail.objects.filter(state="WAITING").count() == 1


def test_of_a_mail_that_is_gone_when_it_is_to_be_fetched_again_that_is_said(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_mailbox()
    for subject in ("first", "second"):
        there(mail_stack, account).put(mail(subject))
    Refusing(monkeypatch, 1, 2).is_on = True
    poll()
    wait_until(lambda: InboundMail.objects.filter(outcome="not-fetched").count() == 2, "both to be put aside")
    first, second = InboundMail.objects.order_by("id")
    there(mail_stack, account).delete_all()
    InboundMail.objects.filter(pk=second.pk).update(transport_key="another/numbering/2")
    inbound.process_again(1, [first.pk, second.pk])
    wait_until(lambda: not inbound.quarantined().exists(), "both to be ended")

    ends = dict(InboundMail.objects.values_list("pk", "outcome_detail"))
    assert set(InboundMail.objects.values_list("state", "outcome")) == {("DONE", "gone")}
    assert "deleted" in ends[first.pk]
    assert "anew" in ends[second.pk]


def test_a_mail_deleted_while_it_is_refused_is_not_put_aside(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_mailbox()
    there(mail_stack, account).put(mail("first"))
    Refusing(monkeypatch, 1, silently=True)
    real = imap.MailboxReader._take

    def take_after_a_deletion(reader: imap.MailboxReader, mails: object) -> None:
        there(mail_stack, account).delete_all()
        real(reader, mails)

    monkeypatch.setattr(imap.MailboxReader, "_take", take_after_a_deletion)
    visit(account)

    assert not InboundMail.objects.exists()


def test_when_storing_fails_the_mail_stays_in_the_mailbox(
    make_mailbox: MakeMailbox, mail_stack: MailStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1."""
    from django.db import OperationalError

    account = make_mailbox()
    there(mail_stack, account).put(mail("first"))

    def away(*_: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as fault:
        fault.setattr(store, "store_raw", away)
        with pytest.raises(OperationalError):
            visit(account)
    left = len(there(mail_stack, account).mails())
    visit(account)

    assert left == 1
    assert subjects() == ["first"]


@pytest.mark.race
def test_of_two_processes_one_reads_the_mailbox(
    make_mailbox: MakeMailbox,
    poll: Callable[..., None],
    mail_stack: MailStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    real = Poller.start

    def start(poller: Poller) -> None:
        started.append(poller.mailbox.pk)
        real(poller)

    monkeypatch.setattr(Poller, "start", start)
    account = make_mailbox()

    poll()
    poll()
    wait_for_state(account, MailboxState.OK)
    there(mail_stack, account).put(mail("first"))
    wait_for_mails(1)

    assert started == [account.pk]


def test_a_mailbox_switched_off_is_let_go(
    make_mailbox: MakeMailbox, poll: Callable[..., None], mail_stack: MailStack
) -> None:
    account = make_mailbox()
    poll()
    wait_for_state(account, MailboxState.OK)

    EmailAccount.objects.filter(pk=account.pk).update(state=MailboxState.OFF)
    wait_until(
        lambda: not any(t.name == f"imap-{account.pk}" for t in threading.enumerate()), "its poller to end"
    )

    assert EmailAccount.objects.get(pk=account.pk).state == MailboxState.OFF


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"Delivered-To: team+t9@team.test\r\nTo: other@x.test\r\n", "team+t9@team.test"),
        (b"X-Original-To: Team+T9@team.test\r\n", "Team+T9@team.test"),
        (b"To: Anna <a@x.test>,\r\n Team <team+t9@team.test>\r\n", "team+t9@team.test"),
        (b"Cc: team@team.test\r\nDelivered-To: elsewhere@x.test\r\n", "team@team.test"),
        (b"To: undisclosed-recipients:;\r\n", "team@team.test"),
        (b"", "team@team.test"),
    ],
)
def test_the_recipient_is_our_address_as_it_was_written(head: bytes, expected: str) -> None:
    """R5."""
    assert recipient_of(head, "team@team.test") == expected


def test_the_envelope_sender_is_what_the_server_noted() -> None:
    assert sender_of(b"Return-Path: <anna@client.test>\r\nFrom: b@x.test\r\n") == "anna@client.test"
    assert sender_of(b"Return-Path: <>\r\nFrom: b@x.test\r\n") == ""
    assert sender_of(b"From: b@x.test\r\n") == ""


def test_a_refused_password_is_tried_ever_more_rarely_R16() -> None:
    assert 600 <= imap.refused_pause(1) <= 900
    assert all(imap.refused_pause(n + 1) > imap.refused_pause(n) * 1.3 for n in range(1, 4))
    assert imap.refused_pause(1000) <= 1.5 * imap.LONGEST_REFUSED_PAUSE


def test_a_worker_that_starts_again_and_again_does_not_knock_each_time_R16() -> None:
    refused = EmailAccount(state=MailboxState.REFUSED, retry_at=clock.now() + timedelta(minutes=9))
    again = EmailAccount(state=MailboxState.REFUSED, retry_at=clock.now() - timedelta(minutes=9))
    changed = EmailAccount(account_id=1, state=MailboxState.REFUSED, retry_at=refused.retry_at)
    changed.set_imap_password("another")

    assert imap._still_refused(refused) == pytest.approx(540, abs=5)
    assert imap._still_refused(again) == imap._still_refused(changed) == 0
    assert imap._still_refused(EmailAccount(state=MailboxState.RETRYING, retry_at=refused.retry_at)) == 0


def test_pauses_grow_and_have_a_limit() -> None:
    """R14, R17."""
    pauses = [[back_off(failures) for _ in range(200)] for failures in (1, 5, 100)]

    assert [max(many) <= limit for many, limit in zip(pauses, (2, 32, 900), strict=True)] == [
        True,
        True,
        True,
    ]
    assert min(min(many) for many in pauses) >= 1
    assert len(set(pauses[2])) > 100
