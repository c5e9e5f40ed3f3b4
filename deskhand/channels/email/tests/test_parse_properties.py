"""Whatever the bytes, a mail is read and can be stored (P1, P6)."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deskhand.channels.email.parse import mail as reader
from deskhand.channels.email.parse.addresses import addresses
from deskhand.channels.email.parse.charsets import decode
from deskhand.channels.email.parse.headers import parameters
from deskhand.channels.email.parse.headers import text as one_line
from deskhand.channels.email.parse.trim import split_html, split_text
from deskhand.channels.email.parse.types import ParsedMail
from deskhand.channels.email.tests.parse_corpus import SAMPLES, strings

MAILS = [path.read_bytes() for path in sorted(SAMPLES.glob("*.eml"))]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample with some bytes flipped, cut out, doubled or put in."""
    raw = bytearray(draw(st.sampled_from(MAILS)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        length = draw(st.integers(1, 40))
        what = draw(st.sampled_from(("flip", "cut", "double", "insert")))
        if what == "flip" and raw:
            raw[at] ^= draw(st.integers(1, 255))
        elif what == "cut":
            del raw[at : at + length]
        elif what == "double":
            raw[at:at] = raw[at : at + length]
        else:
            raw[at:at] = draw(st.binary(max_size=20))
    return bytes(raw)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(raw=mutated())
def test_a_damaged_mail_is_read_by_the_reader_itself(raw: bytes) -> None:
    """The last resort of `parse_mail` is not needed: nothing inside raises."""
    for mail in (reader._parse(raw, (), False), reader.unreadable(raw, "some reason")):
        assert_storable(mail)


def assert_storable(mail: ParsedMail) -> None:
    assert all("\0" not in text and text == text.encode("utf-8", "ignore").decode() for text in strings(mail))


@settings(max_examples=200)
@given(raw=st.binary(max_size=2000))
@example(b"")
@example(b"\n\n")
@example(b"Content-Type: multipart/mixed; boundary=\n\n--\n")
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    assert isinstance(reader._parse(raw, (), False).text, str)
    assert isinstance(reader.unreadable(raw, "some reason").text, str)


@settings(max_examples=300)
@given(text=st.text(alphabet='<>@,;:"\\() =?*abæ\n\t\udc80', max_size=200))
def test_any_header_can_be_read(text: str) -> None:
    """P2, P3, P12, A1."""
    found = addresses(text)
    kind, given_parameters = parameters(text)

    words = [word for address in found for word in (address.name, address.email)]
    assert all("\n" not in word for word in [kind, *given_parameters.values(), *words, one_line(text)])


@settings(max_examples=300)
@given(
    raw=st.binary(max_size=200),
    charset=st.sampled_from(("", "utf-8", "latin1", "utf-7", "utf-16", "gb2312", "hz", "x")),
)
def test_any_bytes_decode_to_storable_text(raw: bytes, charset: str) -> None:
    """P5, P6."""
    text = decode(raw, charset)

    assert text == text.encode("utf-8", "ignore").decode()
    assert "\0" not in text


LINES = st.sampled_from(
    (
        "> a",
        "",
        "words",
        "On 3/3/2026 10:15, X <a@b.c> wrote:",
        "From: a@b.c",
        "Sent: 3/3/2026",
        "To: x",
        "-- ",
        "wrote:",
        ">:",
    )
)


@settings(max_examples=300)
@given(lines=st.lists(LINES, max_size=14))
def test_trimming_only_divides_a_text(lines: list[str]) -> None:
    """Q2: each line is either own or quoted, none is invented."""
    split = split_text("\n".join(lines))

    kept = [line for line in (split.own + "\n" + split.quoted).split("\n") if line.strip()]
    assert sorted(kept) == sorted(line for line in lines if line.strip())


@settings(max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from(
            (
                "<div>",
                "</div>",
                '<div class="gmail_quote">',
                '<blockquote type="cite">',
                "</blockquote>",
                "<p>",
                "w",
                "<",
            )
        ),
        max_size=20,
    )
)
def test_any_markup_can_be_split(pieces: list[str]) -> None:
    split = split_html("".join(pieces), "w")

    assert split is None or "gmail_quote" not in split.own
