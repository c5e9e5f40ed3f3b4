"""Headers, addresses, charsets, dates: one case per habit of real senders (P2–P5, P11, P12)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskhand.channels.email.parse import headers
from deskhand.channels.email.parse.addresses import addresses
from deskhand.channels.email.parse.charsets import codec_for, decode


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?Bl=C3=A5?= =?utf-8?Q?b=C3=A6r?=", "Blåbær"),
        ("=?utf-8?B?SGrD?=\r\n =?UTF-8?B?pmxw?=", "Hjælp"),  # one letter cut in two
        ("a =?iso-8859-1?Q?=E5?= b", "a å b"),
        ("=?utf-8?Q?Tak for hj=C3=A6lpen?=", "Tak for hjælpen"),
        ("=?utf-8?Q?x?y?=", "x?y"),
        ("=?x-unknown?Q?Hj=E6lp?=", "Hjælp"),
        ("=?utf-8*da?Q?=C3=A6?=", "æ"),
        ("=?utf-8?B?w6Y?=", "æ"),  # no padding
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        ("=?utf-8?Q?never ends", "=?utf-8?Q?never ends"),
        ("folded\r\n line", "folded line"),
        ("Bl\udce5b\udce6r", "Blåbær"),
    ],
)
def test_a_header_is_read_as_a_person_would(raw: str, read: str) -> None:
    """P2, P3, P4."""
    assert headers.text(raw) == read


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("Ada <ada@demo.example>", [("Ada", "ada@demo.example")]),
        (
            '"Lovelace, Ada" <ada@Demo.Example>, b@x.example',
            [("Lovelace, Ada", "ada@demo.example"), ("", "b@x.example")],
        ),
        ("ada@demo.example (Ada L)", [("Ada L", "ada@demo.example")]),
        ("a@x.example; b@x.example;", [("", "a@x.example"), ("", "b@x.example")]),
        (
            "Team: a@x.example, b@x.example;, c@x.example",
            [("", "a@x.example"), ("", "b@x.example"), ("", "c@x.example")],
        ),
        ("undisclosed-recipients:;", []),
        ('"support@desk.test" <evil@attacker.example>', [("support@desk.test", "evil@attacker.example")]),
        ('"anna berg"@x.example', [("", '"anna berg"@x.example')]),
        ("<>", []),
        ("alice@example.org)bob@example.org", [("alice@example.org)bob@example.org", "")]),
        ("<mailto:ada@demo.example>", [("", "ada@demo.example")]),
        ("<@relay.example,@b.example:ada@demo.example>", [("", "ada@demo.example")]),
        ("=?utf-8?q?S=C3=B8ren?= <s@x.example>", [("Søren", "s@x.example")]),
        ('"=?utf-8?q?Kj=C3=A6r=2C_S?=" <s@x.example>', [("Kjær, S", "s@x.example")]),
        ("'Ada' <ada@demo.example>", [("Ada", "ada@demo.example")]),
        ('Ada "the first <ada@demo.example>', [("Ada the first", "ada@demo.example")]),
        ("ada@demo.example.", [("", "ada@demo.example")]),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
    ],
)
def test_an_address_list_is_read_as_its_sender_meant_it(raw: str, found: list[tuple[str, str]]) -> None:
    """P12, CVE-2023-27043: an address that may mean two means none."""
    assert [(address.name, address.email) for address in addresses(raw)] == found


def test_participants_are_capped() -> None:
    """P1."""
    assert len(addresses(", ".join(f"u{i}@x.example" for i in range(2000)))) == 500


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("Tue, 03 Mar 2026 10:15:00 +0100", datetime(2026, 3, 3, 9, 15, tzinfo=UTC)),
        ("3 Mar 26 10:15 EST", datetime(2026, 3, 3, 15, 15, tzinfo=UTC)),
        ("Tue, 3 Mar 2026 10:15:60 GMT", datetime(2026, 3, 3, 10, 15, 59, tzinfo=UTC)),
        ("2026-03-03T10:15:00Z", datetime(2026, 3, 3, 10, 15, tzinfo=UTC)),
        ("Tue, 03 Mar 2026 10:15:00 +9999", datetime(2026, 3, 3, 10, 15, tzinfo=UTC)),
        ("yesterday-ish, 99 Foo 20260 77:88", None),
        ("Tue, 03 Mar 1026 10:15:00 +0100", None),
        ("", None),
    ],
)
def test_a_date_is_a_moment_or_nothing(raw: str, moment: datetime | None) -> None:
    """P11."""
    assert headers.date(raw) == moment


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=my file (1).pdf", "my file (1).pdf"),
        ("attachment; filename*=utf-8'da'%C3%A6.pdf", "æ.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ("attachment; filename*0*=iso-8859-1''Bl%E5; filename*1=b.pdf", "Blåb.pdf"),
        ('attachment; filename="=?utf-8?b?w6Y=?=.pdf"', "æ.pdf"),
        ('attachment; filename="a;b.pdf"; size=3', "a;b.pdf"),
        ('attachment; filename="never closed.pdf', "never closed.pdf"),
        ('attachment; filename="a\\"b.pdf"', 'a"b.pdf'),
        ("attachment; filename=x; filename*=utf-8''y", "y"),
    ],
)
def test_a_file_name_is_found_in_every_spelling(raw: str, name: str) -> None:
    """A1."""
    assert headers.parameters(raw)[1]["filename"] == name


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        ("<a@x> <b@y>", ("<a@x>", "<b@y>")),
        ('"Message from Support" <a@x>', ("<a@x>",)),
        ("a@x.example", ("<a@x.example>",)),
        ("<a@x>\r\n\t<a@x>", ("<a@x>",)),
        ("", ()),
    ],
)
def test_message_ids_are_found(raw: str, ids: tuple[str, ...]) -> None:
    assert headers.message_ids(raw) == ids


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("us-ascii", "cp1252"),
        ("ISO-8859-1", "cp1252"),
        ("gb2312", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("Shift_JIS", "cp932"),
        ("iso-8859-8-i", "iso8859-8"),
        ("cp-850", "cp850"),
        ("utf8", "utf-8"),
        ("windows-1250", "cp1250"),
        ("x-foo", None),
        ("base64", None),
        ("unicode_escape", None),
    ],
)
def test_a_claimed_charset_is_taken_for_what_senders_mean(charset: str, codec: str | None) -> None:
    """P5."""
    assert codec_for(charset) == codec


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        ("blåbær".encode(), "iso-8859-1", "blåbær"),  # valid UTF-8 wins
        ("blåbær".encode("latin-1"), "utf-8", "blåbær"),
        ("„blåbær“".encode("cp1252"), "us-ascii", "„blåbær“"),
        ("привет".encode("koi8-r"), "koi8-r", "привет"),
        ("blåbær".encode("utf-16"), "utf-16", "blåbær"),
        (b"\xef\xbb\xbfx", "", "x"),
        (b"a\x00b\r\nc", "utf-8", "ab\nc"),
    ],
)
def test_no_letter_is_dropped(raw: bytes, charset: str, text: str) -> None:
    """P5, P6."""
    assert decode(raw, charset) == text


def test_an_address_is_matched_without_regard_to_case_and_spelling_of_its_domain() -> None:
    """P13."""
    (written,) = addresses("Jürgen <Jürgen@Müller.example>")
    (encoded,) = addresses("<jürgen@xn--mller-kva.example>")

    assert written.email == "Jürgen@müller.example"
    assert written.key == encoded.key
