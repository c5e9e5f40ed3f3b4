"""Splits a reply into the writer's own words and what was quoted (Q1–Q6).

When in doubt, nothing is cut: the reader rather sees a quote too many than a word too few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deskhand.channels.email.parse import blocks, phrases
from deskhand.kernel.html import html_to_text

MAX_TEXT = 200_000  # characters that are looked at (Q6)
MAX_SIGNATURE_LINES = 16
MAX_TOP_BLOCKS = 10  # copied headers, one below the other

_OUR_MARKER = re.compile(
    r"##-.{3,120}-##|.{0,20}(?:type|write) your reply above this line|.{0,20}reply above this line",
    re.IGNORECASE,
)
_SIGNATURE_DELIMITER = re.compile(r"--[ \u00a0]?")
_LIST_FOOTER = re.compile(
    r"mailing list|mailman|listinfo|unsubscribe|google groups|you received this message because",
    re.IGNORECASE,
)
_PERIOD_INSIDE = re.compile(r"[.,;!?]\s+\S+\s+\S+")
_NAME_LINE = re.compile(r"\s*[-/–—~]\s?[^\W\d_][^.!?:;]{1,40}")

_HTML_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})\b([^<>]*+)>")
_MARKER_HINT = re.compile(
    r"gmail_quote|divRplyFwdMsg|appendonsend|E1E1E1|B5C4DF|type=[\"']?cite|moz-cite-prefix|yahoo_quoted"
    r"|protonmail_quote|OLK_SRC_BODY_SECTION|stopSpelling|reference-message-container|tutanota_quote|zmail_extra",
    re.IGNORECASE,
)
#: From here on, everything is quote.
_REST_MARKER = re.compile(
    r"id=[\"']?(?:x_)*(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|stopSpelling|mail-editor-reference-message-container)"
    r"|border-top:\s?solid\s#(?:E1E1E1|B5C4DF)|border:none;border-top:solid\s#(?:E1E1E1|B5C4DF)",
    re.IGNORECASE,
)
#: This element is quote; after it the writer may go on.
_ELEMENT_MARKER = re.compile(
    r"class=[\"']?[^\"'>]*\b(?:gmail_quote|gmail_quote_container|yahoo_quoted|protonmail_quote|moz-cite-prefix|tutanota_quote|zmail_extra)\b"
    r"|type=[\"']?cite",
    re.IGNORECASE,
)
_TEXT_LEFT = re.compile(r"[^\s\u00a0\u200b]")


@dataclass(frozen=True, slots=True)
class Trimmed:
    own: str
    quoted: str = ""
    signature: str = ""


def trim(text: str, html: str = "", *, is_reply: bool, is_forward: bool = False) -> Trimmed:
    """Return the writer's own words of a mail. First messages and forwards stay whole (Q1)."""
    whole = text.strip()
    if not is_reply or is_forward or not whole:
        return Trimmed(whole)
    by_text = split_text(whole)
    by_html = split_html(html, whole) if html and _MARKER_HINT.search(html) else None
    found = _longer(by_text, by_html) if by_html else by_text
    if not found.own.strip():
        return Trimmed(whole)  # Q4: never empty
    own, signature = split_signature(found.own.strip())
    return Trimmed(own, found.quoted.strip(), signature)


def _longer(by_text: Trimmed, by_html: Trimmed) -> Trimmed:
    if not by_text.quoted or not by_html.quoted:
        return by_html if by_html.own.strip() else by_text
    if not by_text.own.strip():
        return by_html
    return by_html if len("".join(by_html.own.split())) > len("".join(by_text.own.split())) else by_text


def split_text(text: str, top_blocks: int = 0) -> Trimmed:
    """Split by the lines that mail programs write above a quote; `top_blocks` copied headers stand above it."""
    head, tail = text[:MAX_TEXT], text[MAX_TEXT:]
    lines = head.split("\n")
    for index, line in enumerate(lines):
        if len(line) < 200 and _OUR_MARKER.match(line.strip()):
            return _cut(lines, index, tail)
        if blocks.is_original_separator(line):
            return _cut(lines, index, tail)
        block = blocks.header_block(lines, index) if ":" in line or "：" in line else None
        if block:
            if any(words.strip() for words in lines[:index]):
                return _cut(lines, index, tail)
            if top_blocks >= MAX_TOP_BLOCKS:
                return Trimmed(text)
            return _below(lines, block.end, tail, top_blocks)
        told = blocks.attribution(lines, index) if line.rstrip().endswith((":", "：", "*", "wrote")) else None
        if told:
            split = _at_attribution(lines, told, tail)
            if split:
                return split
    return Trimmed(text)


def _cut(lines: list[str], index: int, tail: str) -> Trimmed:
    own = lines[:index]
    while own and (not own[-1].strip() or blocks.is_rule(own[-1])):
        own.pop()
    return Trimmed("\n".join(own), "\n".join(lines[index:]) + tail)


def _below(lines: list[str], end: int, tail: str, top_blocks: int) -> Trimmed:
    """A copied header at the very top is the mail's own: the words begin below it."""
    rest = split_text("\n".join(lines[end:]).strip("\n") + tail, top_blocks + 1)
    return Trimmed(rest.own, "\n".join(lines[:end]) + "\n" + rest.quoted)


def _at_attribution(lines: list[str], told: blocks.Attribution, tail: str) -> Trimmed | None:
    """Split at "… wrote:", None if what follows does not bear it out (Q2, Q5)."""
    if blocks.is_quoted(lines[told.start]) and lines[told.start].strip() != ">:":
        return _at_quoted_attribution(lines, told, tail)
    after = _next_words(lines, told.end)
    if after is None:
        return _cut(lines, told.start, tail) if told.has_opener else None
    if not blocks.is_quoted(lines[after]):
        bears = told.has_opener and (told.has_address or told.has_clock)
        return _cut(lines, told.start, tail) if bears else None
    end = _end_of_quote(lines, after)
    below = _next_words(lines, end)
    if below is None or _is_footer(lines, below):
        return _cut(lines, told.start, tail)
    is_on_top = not any(line.strip() for line in lines[: told.start])
    if is_on_top and not any(blocks.is_quoted(line) for line in lines[below:]):
        quoted = "\n".join(lines[:end])
        return Trimmed("\n".join(lines[below:]) + tail, quoted)  # answered below the quote
    return Trimmed("\n".join(lines) + tail)  # answered in between: keep everything


def _at_quoted_attribution(lines: list[str], told: blocks.Attribution, tail: str) -> Trimmed | None:
    start = told.start
    while start > 0 and blocks.is_quoted(lines[start - 1]) and not blocks.unquoted(lines[start - 1]):
        start -= 1
    if start > 0 and blocks.is_quoted(lines[start - 1]):
        return None  # in the middle of a quote
    end = _end_of_quote(lines, start)
    below = _next_words(lines, end)
    if below is None or _is_footer(lines, below):
        return _cut(lines, start, tail)
    return Trimmed("\n".join(lines) + tail)


def _next_words(lines: list[str], start: int) -> int | None:
    return next((i for i in range(start, len(lines)) if lines[i].strip()), None)


def _end_of_quote(lines: list[str], start: int) -> int:
    """Return the line after a quote: quoted lines, blank ones between them, and lines a server wrapped."""
    end = start
    for index in range(start, len(lines)):
        line = lines[index]
        if blocks.is_quoted(line) or (line.strip() and _is_wrapped(lines, index)):
            end = index + 1
        elif line.strip():
            break
    return end


def _is_wrapped(lines: list[str], index: int) -> bool:
    """Whether a line lost its quote mark because the line above it was too long."""
    above = lines[index - 1].rstrip() if index else ""
    follows = index + 1 >= len(lines) or not lines[index + 1].strip() or blocks.is_quoted(lines[index + 1])
    starts_lower = lines[index][:1].islower()
    return (
        blocks.is_quoted(above) and len(above) >= 60 and above[-1:] not in ".?!:" and starts_lower and follows
    )


def _is_footer(lines: list[str], start: int) -> bool:
    """Whether the rest is only a signature after its delimiter, or a list's footer."""
    if _SIGNATURE_DELIMITER.fullmatch(lines[start]):
        return len(lines) - start <= MAX_SIGNATURE_LINES + 14
    return (
        blocks.is_rule(lines[start]) and _LIST_FOOTER.search("\n".join(lines[start : start + 8])) is not None
    )


def split_signature(own: str) -> tuple[str, str]:
    """Cut a signature after its delimiter, a device's line, or a list's footer. Never leaves nothing."""
    lines = own.split("\n")
    cut = len(lines)
    cut = _before_list_footer(lines, cut)
    cut = _before_delimiter(lines, cut)
    cut = _before_device_line(lines, cut)
    kept = "\n".join(lines[:cut]).rstrip()
    if cut == len(lines) or not kept.strip():
        return own, ""
    return kept, "\n".join(lines[cut:]).strip()


def _before_list_footer(lines: list[str], cut: int) -> int:
    for index in range(max(1, cut - 10), cut):
        is_long_rule = blocks.is_rule(lines[index]) and len(lines[index].strip()) > 20
        if is_long_rule and _LIST_FOOTER.search("\n".join(lines[index + 1 : index + 4])):
            return index
    return cut


def _before_delimiter(lines: list[str], cut: int) -> int:
    for index in range(cut - 1, max(0, cut - MAX_SIGNATURE_LINES) - 1, -1):
        if _SIGNATURE_DELIMITER.fullmatch(lines[index]) and index > 0:
            return index
    return cut


def _before_device_line(lines: list[str], cut: int) -> int:
    last = next((i for i in range(cut - 1, 0, -1) if lines[i].strip()), 0)
    line = lines[last].strip().lower() if last else ""
    if not line or len(line) > 120 or not line.startswith(phrases.DEVICE_SIGNATURES):
        return cut
    shown = re.sub(r"<[^<>]*>", "", line).strip(" .")
    if _PERIOD_INSIDE.search(shown) or len(shown.split()) > 9 or not phrases.DEVICES.search(shown):
        return cut
    return last


def without_sign_off(own: str) -> str:
    """Return own words without the polite end and the name under it, for previews; unsure = kept."""
    lines = own.rstrip().split("\n")
    for index in range(len(lines) - 1, max(0, len(lines) - 5) - 1, -1):
        words = lines[index].strip(" ,.!").lower()
        below = [line for line in lines[index + 1 :] if line.strip()]
        is_name = (
            index == len(lines) - 1
            and _NAME_LINE.fullmatch(lines[index]) is not None
            and len(words.split()) <= 4
        )
        if (
            words in phrases.SIGN_OFFS and len(below) <= 3 and all(_may_be_name(line) for line in below)
        ) or is_name:
            kept = "\n".join(lines[:index]).rstrip()
            return kept or own
    return own


def _may_be_name(line: str) -> bool:
    return len(line) <= 40 and not line.rstrip().endswith(("?", "!", ":")) and len(line.split()) <= 5


def split_html(html: str, text: str) -> Trimmed | None:
    """Split by the marks that mail programs leave in HTML; None if there are none (Q3).

    If the writer goes on after a quote, the whole is own (Q2).
    """
    for match in _HTML_TAG.finditer(html):
        if match[1]:
            continue
        if _REST_MARKER.search(match[3]):
            return _before_mark(html, match.start(), text)
        if _ELEMENT_MARKER.search(match[3]):
            if _writes_after(html, match):
                return Trimmed(text)
            return _before_mark(html, match.start(), text)
    return None


def _before_mark(html: str, position: int, text: str) -> Trimmed:
    before = html_to_text(html[:position])
    if not before.strip():
        return Trimmed("", text)
    own = split_text(before + "\n\n> .").own.removesuffix("> .").rstrip()
    return Trimmed(own, _rest_of(text, own))


def _rest_of(text: str, own: str) -> str:
    """Return what of `text` comes after `own`, by its last words."""
    last_line = own.rstrip().rpartition("\n")[2].strip()
    position = text.find(last_line) if last_line else -1
    return text[position + len(last_line) :].strip() or text


def _writes_after(html: str, mark: re.Match[str]) -> bool:
    """Whether there are words behind the quote that begins at `mark`, or between its blockquotes."""
    marked, depth = "", 0  # the open element that bears a mark, and how many of its name are open in it
    quote_depth, quote_closed = 0, False
    position = mark.start()
    for tag in _HTML_TAG.finditer(html, mark.start()):
        is_own_place = quote_depth == 0 and (not marked or quote_closed)
        if is_own_place and _has_words(html[position : tag.start()]):
            return True
        position, name, closing = tag.end(), tag[2].lower(), bool(tag[1])
        if name == "blockquote":
            quote_depth = max(0, quote_depth - 1) if closing else quote_depth + 1
            quote_closed = quote_closed or (closing and quote_depth == 0)
        elif marked:
            depth += (-1 if closing else 1) if name == marked else 0
            marked = marked if depth > 0 else ""
        elif not closing and _ELEMENT_MARKER.search(tag[3]):
            marked, depth, quote_closed = name, 1, False
    return quote_depth == 0 and not marked and _has_words(html[position:])


def _has_words(fragment: str) -> bool:
    return _TEXT_LEFT.search(fragment.replace("&nbsp;", " ").replace("&#160;", " ")) is not None
