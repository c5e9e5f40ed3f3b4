"""Rich text of our own editor, which anybody may have sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kernel.written import Written, is_plain, markup_of
from deskhand.kernel.written_html import read

KEPT = '<p>Hi <strong>you</strong> and <em>you</em>,<br>see <a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer nofollow">here</a></p>'


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (KEPT, "Hi you and you,\nsee here <https://x.example/?a=1&b=2>"),
        ("<p>a</p><p></p><p>b</p>", "a\n\nb"),
        (
            "<ul><li><p>a</p></li><li><p>b<br>c</p><ul><li><p>d</p></li></ul></li></ul>",
            "- a\n- b\n  c\n  - d",
        ),
        ('<ol start="9"><li><p>a</p></li><li><p>b</p></li></ol>', "9. a\n10. b"),
        ("<blockquote><p>a</p><p>b</p></blockquote><p>c</p>", "> a\n>\n> b\n\nc"),
        ("<pre><code>if x:\n    y &lt; 1</code></pre>", "if x:\n    y < 1"),
        ('<p><a href="mailto:a@b.example">a@b.example</a></p>', "a@b.example"),
    ],
)
def test_what_the_editor_writes_stays_and_reads_as_text(markup: str, text: str) -> None:
    found = read(markup)

    assert found.text == text
    assert is_plain(found.html)
    assert read(found.html) == found


@pytest.mark.parametrize("start", ["²", "9" * 5000, "-3", "x", ""])
def test_a_list_that_begins_with_no_number_begins_with_one(start: str) -> None:
    assert read(f'<ol start="{start}"><li><p>a</p></li></ol>').text == "1. a"


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>",
        '<img src="x" onerror="alert(1)">',
        "<p></p><p> </p>",
        "<style>p { position: fixed }</style>",
        "<ul><li></li></ul>",
    ],
)
def test_what_holds_no_words_is_empty(markup: str) -> None:
    assert not read(markup)
    assert read(markup).html == ""


@pytest.mark.parametrize(
    ("markup", "kept"),
    [
        ('<p onclick="x()" style="position:fixed" class="y">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
        ('<iframe src="https://x.example"></iframe><p>a</p>', "<p>a</p>"),
        ('<h1 id="live">a</h1>', "a"),
        ('<form action="https://x.example"><button>a</button></form>', "a"),
    ],
)
def test_nothing_else_comes_through_S1(markup: str, kept: str) -> None:
    assert read(markup).html == kept


@pytest.mark.parametrize(
    "markup", ["<p onclick=x>", "<img>", '<a href="javascript:x">', "<P>", '<p style="">', "a > b", "<p"]
)
def test_markup_of_others_does_not_pass_for_ours(markup: str) -> None:
    assert not is_plain(markup)


def test_a_nest_that_would_break_a_browser_becomes_its_words() -> None:
    found = read("<b>" * 5000 + "hello")

    assert (found.text, found.html) == ("hello", "")


@given(st.text())
def test_words_come_back_from_their_markup(words: str) -> None:
    found = read(markup_of(words))

    assert is_plain(found.html)
    assert bool(found) == bool(found.html)


def test_written_is_true_for_words_only() -> None:
    assert not Written(" \n")
    assert Written("a")


def test_what_other_programs_write_for_our_tags() -> None:
    """api.md §2.6, richText: bold stays bold, and lines in boxes of their own stay lines."""
    words = read("<div dir='auto'>Dear <b>Astrid</b>,</div><div><i>soon</i></div>")

    assert words.html == "Dear <strong>Astrid</strong>,<br><em>soon</em><br>"
    assert words.text == "Dear Astrid,\nsoon"
