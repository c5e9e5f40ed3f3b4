"""Attachments: names, types, winmail.dat, uuencoded text, signatures (A1–A8, P7)."""

from __future__ import annotations

import base64
import struct

import pytest

from deskhand.channels.email.parse import Protection, parse_mail, tnef
from deskhand.channels.email.parse.attachments import detected_type, shown_name
from deskhand.channels.email.parse.smime import signed_content


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\x.ini", "x.ini"),
        ("\u200b.htaccess", "htaccess"),
        (". .\u200e.htaccess", "htaccess"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("CON.txt", "_CON.txt"),
        ("con", "_con"),
        ("shell.php. . .", "shell.php"),
        ("a\0b.pdf", "a b.pdf"),
        ("a\u030a.pdf", "å.pdf"),
        ("=cmd|calc.csv", "=cmd_calc.csv"),
        ("", "attachment.pdf"),
        ("...", "attachment.pdf"),
        ("C:", "C_"),
    ],
)
def test_a_shown_name_is_no_path_and_hides_nothing(name: str, shown: str) -> None:
    """A2."""
    assert shown_name(name, "application/pdf") == shown


def test_a_long_name_keeps_its_extension() -> None:
    """A2."""
    name = shown_name("æ" * 300 + ".pdf", "application/pdf")

    assert name.endswith("æ.pdf")
    assert len(name.encode()) <= 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.4", "application/pdf"),
        (b"MZ\x90\x00", "application/x-dosexec"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b" <!DOCTYPE html><p>", "text/html"),
        (b'<svg xmlns="x" onload="alert(1)"/>', "image/svg+xml"),
        (b"plain words", ""),
        (b"", ""),
    ],
)
def test_a_type_is_told_by_the_content(content: bytes, kind: str) -> None:
    """A3."""
    assert detected_type(content) == kind


def attribute(name: int, data: bytes) -> bytes:
    return struct.pack("<BII", 2, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def winmail(properties: bytes) -> bytes:
    rendering = attribute(0x00069002, b"\0" * 14)
    title = attribute(0x00018010, "blåbæ~1.PDF".encode("cp1252") + b"\0")
    content = attribute(0x0006800F, b"%PDF-1.4")
    return struct.pack("<IH", 0x223E9F78, 1) + rendering + title + content + attribute(0x00069005, properties)


def long_name(name: str) -> bytes:
    data = (name + "\0").encode("utf-16-le")
    named = struct.pack("<HH16sII", 0x0003, 0x8001, b"\0" * 16, 0, 7) + struct.pack("<I", 5)
    text = struct.pack("<HHII", 0x001F, 0x3707, 1, len(data)) + data + b"\0" * (-len(data) % 4)
    return struct.pack("<I", 2) + named + text


def test_the_long_name_in_a_winmail_dat_wins() -> None:
    """A5."""
    assert tnef.files_in(winmail(long_name("blåbærgrød.pdf"))) == [("blåbærgrød.pdf", b"%PDF-1.4")]


def test_a_winmail_dat_that_claims_a_billion_properties_is_read_at_once() -> None:
    """A5, S24."""
    assert tnef.files_in(winmail(b"\xff\xff\xff\xff\x03\x00")) == [("blåbæ~1.PDF", b"%PDF-1.4")]


def test_a_damaged_winmail_dat_is_kept_as_it_is() -> None:
    """A5."""
    mail = parse_mail(
        b"From: a@b.example\nContent-Type: application/ms-tnef; name=winmail.dat\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(winmail(b"")[:30])
    )

    assert [a.name for a in mail.attachments] == ["winmail.dat"]
    assert mail.defects == ("winmail.dat could not be unpacked",)


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content


def open_ended(tag: int, *contents: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(contents) + b"\0\0"


SIGNED_DATA = der(0x06, bytes.fromhex("2a864886f70d010702"))
DATA = der(0x06, bytes.fromhex("2a864886f70d010701"))
INNER = b"Content-Type: text/plain; charset=utf-8\r\n\r\nsigned words\r\n"


@pytest.mark.parametrize(("sequence", "context"), [(der, der), (open_ended, open_ended)])
def test_a_mail_inside_its_signature_is_read(sequence: object, context: object) -> None:
    """A7: definite lengths, and the open ones in pieces that streaming writers make."""
    pieces = (der(0x04, INNER[:20]), der(0x04, INNER[20:]))
    octets = der(0x04, INNER) if sequence is der else open_ended(0x24, *pieces)
    enclosed = sequence(0x30, DATA, context(0xA0, octets))
    signed = sequence(0x30, SIGNED_DATA, context(0xA0, sequence(0x30, der(0x02, b"\1"), der(0x31), enclosed)))
    mail = parse_mail(
        b"From: a@b.example\nContent-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(signed)
    )

    assert (mail.text, mail.protection, mail.attachments) == ("signed words", Protection.SMIME_SIGNED, ())
    assert signed_content(signed[:-40]) is None or sequence is open_ended


def test_an_encrypted_mail_is_kept_and_named() -> None:
    """A7."""
    mail = parse_mail(
        b"From: a@b.example\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n"
        b"Content-Transfer-Encoding: base64\n\nMIAGCSqGSIb3DQEHA6CA\n"
    )

    assert mail.protection is Protection.SMIME_ENCRYPTED
    assert [a.name for a in mail.attachments] == ["smime.p7m"]


def test_a_file_in_the_text_is_taken_out_and_a_word_begin_is_not() -> None:
    """P7."""
    mail = parse_mail(
        b"From: a@b.example\n\nsee\nbegin 644 a.txt\n%:&5L;&\\`\n`\nend\nbegin 600 questions\nabout it\n"
    )

    assert [(a.name, a.content) for a in mail.attachments] == [("a.txt", b"hello")]
    assert "begin 600 questions\nabout it" in mail.text


def test_attachments_are_capped_and_said_so() -> None:
    """P1."""
    part = b"--b\nContent-Disposition: attachment; filename=a.txt\n\nx\n"
    mail = parse_mail(
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n" + part * 300 + b"--b--\n"
    )

    assert len(mail.attachments) == 200
    assert mail.defects == ("too many attachments",)


def test_a_tree_too_deep_for_any_reader_is_still_a_mail() -> None:
    """P1."""
    text = b"Content-Type: text/plain\n\ndeep words\n"
    for level in range(1500):
        text = b"Content-Type: multipart/mixed; boundary=n%d\n\n--n%d\n%b\n--n%d--\n" % (
            level,
            level,
            text,
            level,
        )
    mail = parse_mail(b"From: a@b.example\nSubject: deep\n" + text)

    assert mail.subject == "deep"
    assert "deep words" in mail.text
    assert mail.defects == ("parts nested too deeply",)
