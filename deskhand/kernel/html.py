"""Inbound HTML: made safe to show, and read as text.

These functions are meant for the guarded children (`kernel.children`): they are capped, but the
libraries below them are slow on some inputs that nobody could foresee.
"""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass
from functools import lru_cache

import lxml.etree  # type: ignore[import-untyped]
import lxml.html  # type: ignore[import-untyped]
import nh3
from inscriptis import Inscriptis
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from deskhand.kernel.text import storable

MAX_INPUT = 2_000_000  # characters
MAX_OUTPUT = 2_000_000
MAX_TAGS = 30_000
MAX_DEPTH = 200  # lxml-based readers return nothing past 255 levels
MAX_ATTRIBUTES = 300  # of one tag
MAX_REPEATED = 300_000  # characters of formatting tags that a browser would write again in each paragraph
MAX_LINK_SHOWN = 200

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40}+)([^<>]*+)>?")
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_FORMATTING = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
_CLOSES_ITSELF = frozenset(["p", "li", "td", "th", "tr", "dt", "dd", "option"])
_SCOPES = frozenset(["table", "td", "th", "ul", "ol", "div", "blockquote"])

_TAGS = frozenset(
    [
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
_DROPPED_WITH_CONTENT = frozenset(
    [
        "script",
        "style",
        "title",
        "noscript",
        "template",
        "iframe",
        "object",
        "embed",
        "svg",
        "math",
        "xmp",
        "noembed",
        "noframes",
        "plaintext",
        "select",
        "textarea",
    ]
)
_CELL = {"align", "valign", "width", "height", "colspan", "rowspan", "bgcolor", "nowrap"}
_ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "align", "border"},
    "table": {"align", "width", "border", "cellpadding", "cellspacing", "bgcolor"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "tr": {"align", "valign", "bgcolor"},
    "col": {"width", "span"},
    "colgroup": {"width", "span"},
    "font": {"color", "size", "face"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
    "p": {"align"},
    "div": {"align"},
    "h1": {"align"},
    "h2": {"align"},
    "h3": {"align"},
    "hr": {"width", "size", "color"},
    "blockquote": {"type"},
    "time": {"datetime"},
}
_STYLES = frozenset(
    [
        "background-color",
        "border",
        "border-bottom",
        "border-bottom-color",
        "border-bottom-style",
        "border-bottom-width",
        "border-collapse",
        "border-color",
        "border-left",
        "border-left-color",
        "border-left-style",
        "border-left-width",
        "border-radius",
        "border-right",
        "border-right-color",
        "border-right-style",
        "border-right-width",
        "border-spacing",
        "border-style",
        "border-top",
        "border-top-color",
        "border-top-style",
        "border-top-width",
        "border-width",
        "color",
        "direction",
        "display",
        "font",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "height",
        "letter-spacing",
        "line-height",
        "list-style-type",
        "margin",
        "margin-bottom",
        "margin-left",
        "margin-right",
        "margin-top",
        "max-width",
        "min-width",
        "padding",
        "padding-bottom",
        "padding-left",
        "padding-right",
        "padding-top",
        "text-align",
        "text-decoration",
        "text-indent",
        "text-transform",
        "vertical-align",
        "white-space",
        "width",
        "word-break",
        "word-wrap",
    ]
)
_UNSAFE_STYLE = re.compile(
    r"url\s*\(|expression\s*\(|image\s*\(|image-set|cross-fade|src\s*\(|\\|/\*|@|<|javascript:", re.IGNORECASE
)
#: A scheme of ours that no browser loads, until the answer is rewritten.
_HELD_BACK = "deskhand-remote:"
_HELD_BACK_SRC = re.compile(r'(<img(?: [a-z-]+="[^"]*")*?) src="' + _HELD_BACK)
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data", _HELD_BACK[:-1]}
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
#: What a browser leaves out of an address before it looks at its scheme.
_SKIPPED_IN_LINKS = re.compile(r"^[\x00-\x20]+|[\t\n\r]")
_DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]*")

_TEXT_LAYOUT = ParserConfig(css=CSS_PROFILES["relaxed"].copy())
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_UNREAD = re.compile(
    r"<(script|style|title|head|noscript|template|svg|math|object|iframe|textarea|select)\b(?:(?!</?\1\b)[^<]|<(?!/?\1\b))*(?:</\1[^<>]*+>)?",
    re.IGNORECASE,
)
_BREAKS = re.compile(
    r"<(?:br|/?(?:p|div|tr|table|li|ul|ol|h[1-6]|blockquote|pre|hr|section|article|header|footer|dt|dd|center))\b[^<>]*+>?",
    re.IGNORECASE,
)
_ANY_TAG = re.compile(r"<[/!?a-zA-Z][^<>]*+>?")
_BLANKS = re.compile(r"[ \t\xa0]+")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


@dataclass(frozen=True, slots=True)
class Sanitized:
    """HTML that is safe in a page. `reduced` says why it is only the text of the original, if it is."""

    html: str
    reduced: str = ""
    remote_images: bool = False  # some were held back: `data-src` holds their address


def sanitize(markup: str) -> Sanitized:
    """Return `markup` without anything that runs, loads or covers the page (S1, S28, S29).

    Remote images keep their address in `data-src` until a person asks for them; `cid:` images stay.
    Markup that would take a browser apart becomes its text (P1).
    """
    trouble = hostile(markup)
    if trouble:
        return Sanitized(_escaped(strip_tags(markup)), reduced=trouble)
    clean = _cleaner().clean(markup)
    if len(clean) > MAX_OUTPUT or len(clean) > 8 * len(markup) + 20_000:
        return Sanitized(_escaped(strip_tags(markup)), reduced="HTML that grows")
    shown = _HELD_BACK_SRC.sub(r'\1 data-src="', clean) if _HELD_BACK in clean else clean
    return Sanitized(shown, remote_images=shown is not clean)


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_filtered,
        filter_style_properties=set(_STYLES),
        url_schemes=set(_SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )


def _filtered(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return None if _UNSAFE_STYLE.search(value) else value
    if name == "src":
        return _image_source(value.strip())
    if name == "href":
        return value if _LINK.match(_SKIPPED_IN_LINKS.sub("", value)) else None
    return value


def _image_source(value: str) -> str | None:
    kind = value[:5].lower()
    if kind.startswith("cid:"):
        return value
    if kind == "data:":
        return value if _DATA_IMAGE.fullmatch(value) else None
    if value[:8].lower().startswith(("http://", "https://")):
        return _HELD_BACK + value
    return None


def hostile(markup: str) -> str:
    """Say why `markup` must not reach an HTML parser, or "" if it may. One pass over its tags (P1)."""
    if len(markup) > MAX_INPUT:
        return "HTML too long"
    repeated = 0
    stack: list[str] = []
    open_formatting: list[tuple[str, int]] = []
    for tags, match in enumerate(_TAG.finditer(markup)):
        closing, name, rest = match[1], match[2].lower(), match[3]
        if (
            len(rest) > 1500
            and max(rest.count("="), rest.count(" ")) > MAX_ATTRIBUTES
            and _attributes(rest) > MAX_ATTRIBUTES
        ):
            return "HTML with too many attributes"
        if name in _FORMATTING:
            _keep_formatting(open_formatting, closing, name, len(rest))
        elif not closing and open_formatting:
            repeated += sum(size for _, size in open_formatting)
        if name not in _VOID:
            _keep_stack(stack, closing, name)
        if len(stack) > MAX_DEPTH:
            return "HTML nested too deeply"
        if tags > MAX_TAGS:
            return "HTML with too many tags"
        if repeated > MAX_REPEATED or len(open_formatting) > MAX_DEPTH:
            return "HTML that grows"
    return ""


def _attributes(rest: str) -> int:
    return len(re.sub(r'"[^"]*"|\'[^\']*\'', "", rest).split())


def _keep_formatting(open_formatting: list[tuple[str, int]], closing: str, name: str, size: int) -> None:
    if not closing:
        open_formatting.append((name, size + 10))
        return
    for index in range(len(open_formatting) - 1, -1, -1):
        if open_formatting[index][0] == name:
            del open_formatting[index]
            return


def _keep_stack(stack: list[str], closing: str, name: str) -> None:
    if not closing:
        if name in _CLOSES_ITSELF and stack and stack[-1] == name:
            return
        stack.append(name)
        return
    for index in range(len(stack) - 1, max(-1, len(stack) - 60), -1):
        if stack[index] == name:
            del stack[index:]
            return


def html_to_text(markup: str) -> str:
    """Return HTML as text: lists, tables and links kept, hidden parts dropped (P14).

    Deep or broken markup, of which readers make nothing, has its tags stripped instead.
    """
    if "<" not in markup:
        return _tidy(entities.unescape(markup))
    if len(markup) > MAX_INPUT or hostile(markup):
        return strip_tags(markup)
    return _read(markup) or strip_tags(markup)


def _read(markup: str) -> str:
    try:
        tree = lxml.html.document_fromstring(_without_declaration(markup))
        _write_out_links(tree)
        return _tidy(Inscriptis(tree, _TEXT_LAYOUT).get_text())
    except (
        lxml.etree.LxmlError,
        ValueError,
        AssertionError,
        RecursionError,
        IndexError,
        KeyError,
        TypeError,
    ):
        return ""


def _without_declaration(markup: str) -> str:
    """lxml refuses text that declares an encoding of its own."""
    return re.sub(r"^\s*<\?xml[^<>]*+>?", "", markup)


def _write_out_links(tree: object) -> None:
    """Put a link's address behind its text, unless the text says it already."""
    for link in tree.iter("a"):  # type: ignore[attr-defined]
        href = (link.get("href") or "").strip()
        if not href.lower().startswith(("http://", "https://")) or len(href) > MAX_LINK_SHOWN:
            continue
        said = "".join(link.itertext()).strip()
        if said and _bare(said) not in _bare(href) and _bare(href) not in _bare(said):
            link.tail = f" <{href}>" + (link.tail or "")


def _bare(address: str) -> str:
    return re.sub(r"^https?://(?:www\.)?", "", address.strip().lower()).rstrip("/")


def strip_tags(markup: str) -> str:
    """Return the words of `markup` by taking its tags away; linear, for what no parser should see."""
    markup = _COMMENT.sub(" ", markup[: 2 * MAX_INPUT])
    markup = _UNREAD.sub(" ", markup)
    markup = _BREAKS.sub("\n", markup.replace("\r", "").replace("\n", " "))
    return _tidy(entities.unescape(_ANY_TAG.sub("", markup)))


def _tidy(text: str) -> str:
    lines = (_BLANKS.sub(" ", line).strip() for line in storable(text).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _escaped(text: str) -> str:
    return "<div>" + entities.escape(text[: MAX_OUTPUT // 8]).replace("\n", "<br>") + "</div>"
