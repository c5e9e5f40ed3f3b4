"""Text from outside, made fit to store and to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kernel.text import cut_to_bytes, one_line, paragraphs, storable, visible, whole


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("nul\0l", "null"),
        ("tab\tstays", "tab\tstays"),
        ("\ud800x", "x"),
        ("bell\x07", "bell"),
    ],
)
def test_what_a_database_can_not_hold_is_taken_out(given_text: str, stored: str) -> None:
    """P6."""
    assert storable(given_text) == stored


def test_a_line_end_in_a_header_becomes_a_blank() -> None:
    """P4: a decoded subject can not smuggle a second header."""
    assert one_line("hi\r\nBcc: victim@x.example\u2028end") == "hi Bcc: victim@x.example end"


def test_invisible_and_turning_marks_are_taken_out_and_letters_composed() -> None:
    """A2."""
    assert visible("\u200binvoice\u202efdp.exe a\u030a") == "invoicefdp.exe å"


@pytest.mark.parametrize(
    ("given_text", "parts"),
    [
        ("", ()),
        ("one\ntwo", ("one\ntwo",)),
        ("one\r\n\r\ntwo\r\nthree", ("one", "two\nthree")),
        ("\n\n\none\n\n \n\n\n  two\n", ("one", "  two")),
    ],
)
def test_an_empty_line_begins_a_paragraph(given_text: str, parts: tuple[str, ...]) -> None:
    assert paragraphs(given_text) == parts


@given(st.text(max_size=50), st.integers(0, 60))
def test_cutting_never_leaves_half_a_letter(text: str, limit: int) -> None:
    kept = cut_to_bytes(text, limit)

    assert len(kept.encode()) <= limit
    assert text.startswith(kept)


@pytest.mark.parametrize(
    ("given_text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("", None),
        ("-1", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_a_whole_number_is_plain_digits_that_a_bigint_holds(given_text: str, number: int | None) -> None:
    assert whole(given_text) == number
