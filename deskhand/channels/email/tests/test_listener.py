"""Mail that knocks: what is taken, what is refused, and with which words."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from deskhand.channels.email import listener, store
from deskhand.channels.email.listener import Listener
from deskhand.channels.email.models import InboundMail
from deskhand.kernel.errors import Misconfigured

from .conftest import SALES, SUPPORT, make_channel

MAIL = b"From: anna@client.test\r\nSubject: Order 42\r\nMessage-ID: <1@client.test>\r\n\r\nWhere is it?\r\n"


def smtp(doors: Listener) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", doors.port("smtp"), timeout=20)
    client.ehlo()
    return client


def lmtp(doors: Listener) -> smtplib.LMTP:
    client = smtplib.LMTP("127.0.0.1", doors.port("lmtp"), timeout=20)
    client.ehlo()
    return client


def send_raw(port: int, data: bytes, *, recipient: str = SUPPORT, greeting: str = "EHLO") -> str:
    """Speak SMTP by hand, give `data` as it is, hang up on our side, and return all answers after the 354."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        file = line.makefile("rwb")
        file.readline()
        file.write(
            f"{greeting} client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
        )
        file.flush()
        while not file.readline().startswith(b"354"):
            pass
        file.write(data + b"QUIT\r\n")
        file.flush()
        return file.read().decode()


def test_a_mail_is_stored_byte_for_byte_before_it_is_acknowledged(doors: Listener) -> None:
    """R1, R2."""
    raw = b"Subject: =?utf-8?q?Bl=C3=A5b=C3=A6r?=\r\n\r\n.leading dot\r\n..two\r\n\xe6\xf8\xe5 8-bit\r\n"

    with smtp(doors) as client:
        client.mail("anna@client.test")
        client.rcpt(SUPPORT)
        code, _ = client.data(raw)
        mail = InboundMail.objects.get()

    assert code == 250
    assert bytes(mail.raw) == raw
    assert mail.sha256 == hashlib.sha256(raw).hexdigest()
    assert (mail.account_id, mail.size, mail.transport) == (1, len(raw), "smtp")
    assert (mail.envelope_from, mail.recipient, mail.state) == ("anna@client.test", SUPPORT, "WAITING")


def test_each_recipient_of_lmtp_gets_its_own_answer(doors: Listener) -> None:
    """R4, R6: one known, one unknown, one of another account."""
    with lmtp(doors) as client:
        client.mail("anna@client.test")
        at_rcpt = [client.rcpt(address)[0] for address in (SUPPORT, "nobody@desk.test", SALES)]
        client.putcmd("data")
        client.getreply()
        client.send(MAIL + b".\r\n")
        at_data = [client.getreply() for _ in range(2)]

    assert at_rcpt == [250, 550, 250]
    assert [code for code, _ in at_data] == [250, 250]
    assert [SUPPORT in at_data[0][1].decode(), SALES in at_data[1][1].decode()] == [True, True]
    assert sorted(InboundMail.objects.values_list("account_id", "recipient")) == [(1, SUPPORT), (2, SALES)]


def test_many_tags_of_one_inbox_are_one_mail_and_each_is_answered(doors: Listener) -> None:
    """R4: and a large mail can't fill memory and disk by being sent to a thousand of them."""
    with lmtp(doors) as client:
        client.mail("anna@client.test")
        for tag in ("+t1", "", "+t2"):
            client.rcpt(SUPPORT.replace("@", f"{tag}@"))
        client.rcpt(SALES)
        answers = [client.data(MAIL)[0], *(client.getreply()[0] for _ in range(3))]

    assert answers == [250] * 4
    assert list(InboundMail.objects.order_by("id").values_list("recipient", flat=True)) == [
        SUPPORT.replace("@", "+t1@"),
        SALES,
    ]


def test_the_unknown_recipient_is_refused_at_once_and_nothing_is_stored(doors: Listener) -> None:
    """R6."""
    with smtp(doors) as client:
        client.mail("anna@client.test")
        code, words = client.rcpt("nobody@desk.test")
        at_data, _ = client.docmd("DATA")

    assert (code, words[:5]) == (550, b"5.1.1")
    assert at_data == 503
    assert not InboundMail.objects.exists()


@pytest.mark.parametrize("address", ["Support@DESK.test", "support+r.1a2b@desk.test", '"support"@desk.test'])
def test_case_and_tags_of_an_address_lead_to_the_same_place(doors: Listener, address: str) -> None:
    """R5: and the tag is kept."""
    expected = 550 if address.startswith('"') else 250

    with smtp(doors) as client:
        client.mail("anna@client.test")
        code, _ = client.rcpt(address)
        if code == 250:
            client.data(MAIL)

    assert code == expected
    assert list(InboundMail.objects.values_list("recipient", flat=True)) == ([address] if code == 250 else [])


def test_an_address_made_a_moment_ago_gets_mail(doors: Listener) -> None:
    make_channel(3, "new@desk.test")

    with smtp(doors) as client:
        client.mail("anna@client.test")

        assert client.rcpt("new@desk.test")[0] == 250


def test_international_addresses_are_taken_in_both_spellings(doors: Listener) -> None:
    """R8, P13."""
    make_channel(4, "grüße@bücher.test")

    with smtp(doors) as client:
        assert client.has_extn("smtputf8")
        client.mail("jürgen@client.test", ["SMTPUTF8", "BODY=8BITMIME"])
        client.command_encoding = "utf-8"

        assert client.rcpt("grüße@bücher.test")[0] == 250
        assert client.rcpt("grüße@xn--bcher-kva.test")[0] == 250


def test_a_hundred_recipients_and_more_are_taken(doors: Listener) -> None:
    """R8."""
    with smtp(doors) as client:
        client.mail("anna@client.test")
        codes = {client.rcpt(f"support+{number}@desk.test")[0] for number in range(120)}
        client.data(MAIL)

    assert codes == {250}
    assert InboundMail.objects.count() == 1


def test_the_null_sender_may_write(doors: Listener) -> None:
    with smtp(doors) as client:
        client.docmd("MAIL FROM:<>")
        client.rcpt(SUPPORT)
        client.data(MAIL)

    assert InboundMail.objects.get().envelope_from == ""


def test_the_size_limit_is_announced_and_kept_at_mail_and_in_data(
    settings: object, open_doors: object
) -> None:
    """R8: by the announced size at once, by the real one after the last byte; and the limit itself still fits."""
    settings.MAIL_MAX_BYTES = 50_000
    doors = open_doors()

    with smtp(doors) as client:
        announced = client.esmtp_features["size"]
        at_mail = client.mail("anna@client.test", ["SIZE=50001"])
        client.mail("anna@client.test")
        client.rcpt(SUPPORT)
        too_large = client.data(b"x" * 49_999 + b"\r\n")
        client.mail("anna@client.test", ["SIZE=50000"])
        client.rcpt(SUPPORT)
        just_fits = client.data(b"x" * 49_998 + b"\r\n")

    assert announced == "50000"
    assert [at_mail[0], too_large[0], just_fits[0]] == [552, 552, 250]
    assert b"50000" in at_mail[1]
    assert b"50000" in too_large[1]
    assert InboundMail.objects.get().size == 50_000


def test_a_mail_of_many_megabytes_without_a_line_end_is_one_mail(doors: Listener) -> None:
    raw = b"Subject: long\r\n\r\n" + b"x" * 9_000_000 + b"\r\n"

    with smtp(doors) as client:
        client.sendmail("anna@client.test", [SUPPORT], raw)

    assert bytes(InboundMail.objects.get().raw) == raw


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r"]
)
def test_a_smuggled_second_mail_stays_inside_the_first_which_is_refused(doors: Listener, end: bytes) -> None:
    """R7."""
    smuggled = b"MAIL FROM:<boss@desk.test>\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nDATA\r\nPay.\r\n"

    answers = send_raw(doors.port("smtp"), b"Subject: one\r\n\r\nHello" + end + smuggled + b"\r\n.\r\n")

    assert answers.splitlines()[0].startswith("550 5.5.2")
    assert answers.splitlines()[1].startswith("221")
    assert not InboundMail.objects.exists()


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n"])
def test_what_the_server_in_front_passes_on_is_one_mail_whatever_its_line_ends(
    doors: Listener, end: bytes
) -> None:
    """R7: only CR LF . CR LF ends it."""
    raw = b"Subject: one\r\n\r\nHello" + end + b"MAIL FROM:<boss@desk.test>\r\n"

    answers = send_raw(doors.port("lmtp"), raw + b".\r\n", greeting="LHLO")

    assert [line[:3] for line in answers.splitlines()] == ["250", "221"]
    assert bytes(InboundMail.objects.get().raw) == raw


def test_commands_sent_along_with_the_mail_are_not_part_of_it(doors: Listener) -> None:
    again = f"MAIL FROM:<b@client.test>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode()

    answers = send_raw(doors.port("smtp"), b"one\r\n.\r\n" + again + b".\r\n" + again + b"\r\n.\r\n")

    assert [line[:3] for line in answers.splitlines()] == [
        "250",
        "250",
        "250",
        "354",
        "250",
        "250",
        "250",
        "354",
        "250",
        "221",
    ]
    assert [bytes(raw) for raw in InboundMail.objects.order_by("id").values_list("raw", flat=True)] == [
        b"one\r\n",
        b"",
        b"\r\n",
    ]


def test_an_end_that_arrives_byte_by_byte_is_seen(doors: Listener) -> None:
    with socket.create_connection(("127.0.0.1", doors.port("smtp")), timeout=20) as line:
        file = line.makefile("rb")
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(f"HELO c\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode())
        while not file.readline().startswith(b"354"):
            pass
        for byte in b"a.\r\n..b\r\n.\r\n":
            line.sendall(bytes([byte]))
        answer = file.readline()

    assert answer.startswith(b"250")
    assert bytes(InboundMail.objects.get().raw) == b"a.\r\n.b\r\n"


def test_a_mail_that_goes_round_in_circles_is_refused(doors: Listener) -> None:
    """R19."""
    with smtp(doors) as client:
        client.mail("anna@client.test")
        client.rcpt(SUPPORT)
        code, words = client.data(b"Received: from a by b\r\n" * 100 + MAIL)
        client.mail("anna@client.test")
        client.rcpt(SUPPORT)
        fewer, _ = client.data(b"Received: from a by b\r\n" * 99 + MAIL)

    assert (code, words[:5]) == (554, b"5.4.6")
    assert fewer == 250


def test_a_connection_cut_in_the_middle_leaves_nothing(doors: Listener) -> None:
    """R1: not acknowledged, so the sender still has it."""
    with socket.create_connection(("127.0.0.1", doors.port("smtp")), timeout=20) as line:
        file = line.makefile("rb")
        line.sendall(f"HELO c\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode())
        while not file.readline().startswith(b"354"):
            pass
        line.sendall(b"half a mail\r\n")
    with smtp(doors) as client:
        client.sendmail("anna@client.test", [SUPPORT], MAIL)

    assert bytes(InboundMail.objects.get().raw) == MAIL


def test_when_the_database_is_away_the_sender_is_asked_to_come_again(
    doors: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: at the recipient and after the mail, in both protocols; and all is well afterwards."""

    def away(*_: object) -> None:
        raise OperationalError("connection refused")

    with smtp(doors) as client, lmtp(doors) as local:
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        local.mail("a@client.test")
        local.rcpt(SUPPORT)
        with monkeypatch.context() as fault:
            fault.setattr(store, "store_raw", away)
            fault.setattr(store, "recipients", away)
            at_rcpt = client.rcpt("other@desk.test")[0]
            at_data = [client.data(MAIL)[0], local.data(MAIL)[0]]
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        afterwards = client.data(MAIL)[0]

    assert [at_rcpt, *at_data, afterwards] == [451, 451, 451, 250]
    assert InboundMail.objects.count() == 1


def test_an_error_that_nobody_thought_of_does_not_shut_the_doors(
    doors: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3, R4: each recipient is asked to come again, and the next mail is taken."""

    def fail(*_: object) -> None:
        raise MemoryError

    with lmtp(doors) as client:
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        client.rcpt(SALES)
        with monkeypatch.context() as fault:
            fault.setattr(store, "store_raw", fail)
            first = client.data(MAIL)[0]
            second = client.getreply()[0]
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        afterwards = client.data(MAIL)[0]

    assert [first, second, afterwards] == [451, 451, 250]


def test_a_database_that_hangs_is_not_waited_for(doors: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """R3, R14."""
    let_go = threading.Event()
    monkeypatch.setattr(listener, "STORE_TIMEOUT", 0.2)
    with smtp(doors) as client:
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        with monkeypatch.context() as fault:
            fault.setattr(store, "store_raw", lambda _: let_go.wait(20))
            code, _ = client.data(MAIL)
            let_go.set()

    assert code == 451


def test_one_mail_that_can_not_be_stored_does_not_hold_up_its_batch(
    doors: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DataError

    real = store.store_raw

    def picky(mails: list[store.Incoming]) -> object:
        if any(b"poison" in mail.raw for mail in mails):
            raise DataError("no")
        return real(mails)

    monkeypatch.setattr(store, "store_raw", picky)

    results = listener._store_batch([[incoming(b"a")], [incoming(b"poison")], [incoming(b"b")]])

    assert [type(result) for result in results] == [type(None), DataError, type(None)]
    assert InboundMail.objects.count() == 2


def incoming(raw: bytes, key: str = "") -> store.Incoming:
    return store.Incoming(
        account_id=1, channel_account_id=1, transport="imap", recipient=SUPPORT, raw=raw, transport_key=key
    )


def test_mails_that_come_at_once_share_a_commit(doors: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = store.store_raw

    def counted(mails: list[store.Incoming]) -> object:
        sizes.append(len(mails))
        return real(mails)

    monkeypatch.setattr(store, "store_raw", counted)

    def send(sender: int) -> None:
        with smtp(doors) as client:
            for number in range(20):
                client.sendmail("anna@client.test", [SUPPORT], MAIL + f"{sender}.{number}\r\n".encode())

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(send, range(10)))

    assert sum(sizes) == 200 == InboundMail.objects.count()
    assert len(set(InboundMail.objects.values_list("sha256"))) == 200
    assert len(sizes) < 200


def test_the_same_delivery_twice_is_one_row_and_without_a_key_two(transactional_db: None) -> None:
    """R10."""
    first = store.store_raw([incoming(b"a", "INBOX/1/1"), incoming(b"b", "INBOX/1/2"), incoming(b"c")])
    again = store.store_raw([incoming(b"a", "INBOX/1/1"), incoming(b"c"), incoming(b"d", "INBOX/1/3")])

    assert [stored.id is None for stored in first] == [False, False, False]
    assert [stored.id is None for stored in again] == [True, False, False]
    assert InboundMail.objects.count() == 5


def test_a_taken_port_stops_the_start_and_names_its_option() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]

    with taken, pytest.raises(Misconfigured) as refusal:
        Listener(smtp_port=None, lmtp_port=port)

    assert "--lmtp-port" in str(refusal.value)
    assert str(port) in str(refusal.value)
    assert "another program" in str(refusal.value)


def test_stopping_answers_the_mail_under_way_and_says_goodbye(
    channels: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1: the client that is told nothing comes again, the one that is told 250 is right."""
    stop, ready, inside, let_go = (threading.Event() for _ in range(4))
    real = store.store_raw

    def slow(mails: list[store.Incoming]) -> object:
        inside.set()
        let_go.wait(10)
        return real(mails)

    monkeypatch.setattr(store, "store_raw", slow)
    doors = Listener(smtp_port=0, lmtp_port=None)
    thread = threading.Thread(target=doors.run, args=[stop, ready.set])
    thread.start()
    ready.wait(10)
    with smtp(doors) as client, ThreadPoolExecutor(1) as pool:
        client.mail("a@client.test")
        client.rcpt(SUPPORT)
        answer = pool.submit(client.data, MAIL)
        inside.wait(10)
        stop.set()
        let_go.set()
        code, _ = answer.result(20)
        thread.join(20)
        goodbye, _ = client.getreply()

    assert (code, goodbye) == (250, 421)
    assert not thread.is_alive()
    assert InboundMail.objects.count() == 1
