"""Outgoing mail: O3, O4, O5, B2, S22."""

from __future__ import annotations

import hashlib
import string
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deskhand.delivery import headers, mime
from deskhand.delivery.types import Address, Attached, Mail
from deskhand.kernel.errors import Invalid

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ID = "<one@desk.example>"
STORE: dict[str, bytes] = {}


def stored(data: bytes, name: str, type: str = "application/octet-stream", content_id: str = "") -> Attached:
    sha = hashlib.sha256(data).hexdigest()
    STORE[sha] = data
    return Attached(sha, len(data), name, type, content_id)


def mail(**changes: object) -> Mail:
    whole: dict[str, object] = {
        "sender": Address("support@desk.example", "Støtte"),
        "to": (Address("bo@customer.example", "Bo"),),
        "subject": "Your order",
        "text": "Hello Bo",
        **changes,
    }
    return Mail(**whole)  # type: ignore[arg-type]


def written(message: Mail, message_id: str = ID) -> tuple[bytes, EmailMessage]:
    raw = mime.render(message, account_id=7, message_id=message_id, at=AT, read=STORE.__getitem__)
    parsed = message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return raw, parsed


def lines_are_legal(raw: bytes) -> None:
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(line.strip() for line in head.split(b"\r\n"))


def names_in(raw: bytes, header: str) -> list[str]:
    """The display names by the older parser; the newer puts a space between two encoded words of a name."""
    values = message_from_bytes(raw, policy=compat32).get_all(header, [])
    return [str(make_header(decode_header(name))) for name, _address in getaddresses(values)]


printable = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=150)
one_lines = printable.map(headers.one_line)
locals_ = st.text(
    alphabet=string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=30
)
addresses = st.builds(lambda local, name: Address(f"{local}@example.org", name), locals_, one_lines)


@settings(max_examples=150)
@given(one_lines, st.lists(addresses, min_size=1, max_size=6), st.lists(addresses, max_size=3), st.booleans())
def test_every_address_name_and_subject_comes_out_as_it_went_in(subject, to, cc, ascii_names) -> None:
    if ascii_names:
        to = [Address(one.email, one.name.encode("ascii", "ignore").decode().strip()) for one in to]
        to = [Address(one.email, " ".join(one.name.split())) for one in to]
    raw, parsed = written(mail(subject=subject, to=tuple(to), cc=tuple(cc)))
    lines_are_legal(raw)
    for name, wanted in (("To", to), ("Cc", cc)):
        got = parsed[name].addresses if parsed[name] else ()
        assert [one.addr_spec for one in got] == [one.email for one in wanted]
        assert names_in(raw, name) == [one.name for one in wanted]
    assert parsed["Subject"] == subject
    assert not parsed.defects


@settings(max_examples=150)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_whatever_adds_a_header_or_a_recipient(subject: str, name: str) -> None:
    raw, parsed = written(mail(subject=subject, to=(Address("bo@customer.example", name),)))
    lines_are_legal(raw)
    assert set(parsed.keys()) == {
        "Date", "From", "To", "Subject", "Message-ID", "X-Deskhand-Instance",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert [one.addr_spec for one in parsed["To"].addresses] == ["bo@customer.example"]


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=2000))
def test_the_text_is_read_as_it_was_written(text: str) -> None:
    raw, parsed = written(mail(text=text, html="<p>" + text + "</p>"))
    lines_are_legal(raw)
    got = parsed.get_body(("plain",)).get_payload(decode=True).decode("utf-8")
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    assert got.replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n")


@settings(max_examples=100)
@given(printable)
@example("<>")
@example('"a"')
def test_a_file_keeps_its_name_and_bytes(name: str) -> None:
    raw, parsed = written(mail(attachments=(stored(b"\x00\xff" * 100, name, "application/pdf"),)))
    lines_are_legal(raw)
    (part,) = parsed.iter_attachments()
    assert part.get_content() == b"\x00\xff" * 100
    clean = headers.one_line(name).replace("/", "_").replace("\\", "_") or "file"
    read = part["Content-Disposition"].params["filename"]  # get_filename() takes "<>" for quotes
    assert read == clean[: mime.NAME_LIMIT] or len(clean) > mime.NAME_LIMIT


@pytest.mark.parametrize(
    "changes",
    [
        {"to": (Address("bo@customer.example\r\nBcc: eve@evil.example"),)},
        {"to": (Address("bo@customer.example, eve@evil.example"),)},
        {"to": (Address("bo@customer.example>,<eve@evil.example"),)},
        {"to": (Address("alice@example.org)bob@example.org"),)},
        {"to": (Address("nobody"),)},
        {"to": (Address("@customer.example"),)},
        {"to": (Address("bo@"),)},
        {"to": (Address("bo@cust omer.example"),)},
        {"reply_to": (Address("x\n@y.example"),)},
        {"headers": (("Bcc", "eve@evil.example"),)},
        {"headers": (("X-Note: a\r\nBcc", "eve@evil.example"),)},
        {"headers": (("X-Note", "a\r\nBcc: eve@evil.example"),)},
        {"automatic": "yes\r\nBcc: eve@evil.example"},
    ],
)
def test_header_injection_is_refused_before_anything_is_written(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        mime.check(mail(**changes))
    with pytest.raises(Invalid):
        written(mail(**changes))


@pytest.mark.parametrize(
    "evil", ["Hi\r\nBcc: eve@evil.example", "Hi\nBcc: eve@evil.example", "Hi\x0b\x00\x85\u2028Bcc: x@y"]
)
def test_line_breaks_in_what_a_customer_wrote_become_spaces(evil: str) -> None:
    _raw, parsed = written(mail(subject=evil, to=(Address("bo@customer.example", evil),)))
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == " ".join(evil.replace("\x00", " ").replace("\x85", " ").split())
    assert [one.addr_spec for one in parsed["To"].addresses] == ["bo@customer.example"]


def test_what_is_no_message_id_in_a_customers_mail_does_not_stop_our_answer() -> None:
    evil = "<c@d>\r\nBcc: eve@evil.example"
    _raw, parsed = written(mail(in_reply_to=evil, references=("<a@b>", evil, "rubbish", "<c\n@d>")))
    assert (parsed["Bcc"], parsed["In-Reply-To"]) == (None, None)
    assert parsed["References"] == "<a@b>"


def test_a_forged_message_id_is_refused() -> None:
    with pytest.raises(Invalid):
        written(mail(), message_id="<a@b>\r\nBcc: eve@evil.example")


def test_a_reply_names_the_mails_before_it_but_never_more_than_twenty() -> None:
    thread = tuple(f"<{number}@customer.example>" for number in range(50))
    _raw, parsed = written(mail(in_reply_to=thread[-1], references=thread))
    named = parsed["References"].split()
    assert len(named) == 20
    assert (named[0], named[-1]) == (thread[0], thread[-1])
    assert parsed["In-Reply-To"] == thread[-1]
    assert parsed["Message-ID"] == ID


def test_ids_that_could_not_stand_in_a_header_are_left_out_of_what_customers_sent() -> None:
    assert headers.usable_ids(["<a@b>", "rubbish", "<c d@e>", "<a@b>", "<f@g>"]) == ["<a@b>", "<f@g>"]


def test_a_mail_has_real_text_beside_its_html_and_its_pictures_inside() -> None:
    picture = stored(b"PNG", "logo.png", "image/png", "logo@desk")
    paper = stored(b"%PDF", "räkning.pdf", "application/pdf")
    unused = stored(b"GIF", "pixel.gif", "image/gif", "unused@desk")
    html = '<p>Hello</p><img src="cid:logo@desk">'
    _raw, parsed = written(mail(html=html, attachments=(picture, paper, unused)))
    assert parsed.get_content_type() == "multipart/mixed"
    assert parsed.get_body(("plain",)).get_content().strip() == "Hello Bo"
    assert parsed.get_body(("html",)).get_content().strip() == html
    related = next(part for part in parsed.walk() if part.get_content_type() == "multipart/related")
    inside = [part["Content-ID"] for part in related.walk() if part["Content-ID"]]
    assert inside == ["<logo@desk>"]
    names = [part.get_filename() for part in parsed.iter_attachments() if part.get_filename()]
    assert names == ["räkning.pdf", "pixel.gif"]


def test_an_automatic_mail_says_so_and_a_persons_does_not() -> None:
    _raw, automatic = written(mail(automatic="auto-replied"))
    assert automatic["Auto-Submitted"] == "auto-replied"
    assert automatic["X-Auto-Response-Suppress"] == "All"
    _raw, human = written(mail())
    assert human["Auto-Submitted"] is None
    assert human["X-Auto-Response-Suppress"] is None
    assert human["X-Deskhand-Instance"] == automatic["X-Deskhand-Instance"] == mime.instance_id(7)
    assert mime.instance_id(7) != mime.instance_id(8)


def test_addresses_outside_ascii_are_spelled_for_the_wire() -> None:
    assert headers.wire_address("bo@bücher.example") == "bo@xn--bcher-kva.example"
    assert headers.wire_address("børge@bücher.example") == "børge@xn--bcher-kva.example"
    raw, parsed = written(mail(to=(Address("bo@bücher.example", "Bo"),)))
    assert raw.isascii()
    assert parsed["To"].addresses[0].addr_spec == "bo@xn--bcher-kva.example"
    raw, _parsed = written(mail(to=(Address("børge@customer.example", "Børge"),)))
    assert "børge@customer.example".encode() in raw


def test_an_address_with_two_dots_is_quoted_in_its_header() -> None:
    _raw, parsed = written(mail(to=(Address("a..b@docomo.example", "A"),)))
    assert parsed["To"].addresses[0].username == "a..b"


def test_a_mail_to_blind_recipients_only_names_nobody() -> None:
    raw, _parsed = written(mail(to=()))
    assert b"undisclosed-recipients:;" in raw


def test_a_forwarded_message_is_a_file_and_not_a_broken_part() -> None:
    _raw, parsed = written(mail(attachments=(stored(b"From: x\r\n\r\ny", "mail.eml", "message/rfc822"),)))
    (part,) = parsed.iter_attachments()
    assert (part.get_content_type(), part.get_filename()) == ("application/octet-stream", "mail.eml")


def test_a_payload_survives_its_trip_through_the_database() -> None:
    import json

    whole = mail(
        html="<b>x</b>",
        cc=(Address("c@x.example", "C"),),
        reply_to=(Address("r@x.example"),),
        in_reply_to="<a@b>",
        references=("<a@b>",),
        attachments=(Attached("0" * 64, 3, "a.txt", "text/plain", "c@d"),),
        automatic="auto-generated",
        headers=(("X-Note", "1"),),
    )
    assert Mail.from_payload(json.loads(json.dumps(whole.payload()))) == whole
