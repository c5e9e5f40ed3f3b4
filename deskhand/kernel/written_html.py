"""Reads what is said to come from our own editor. For the guarded children (`kernel.children`).

It is as foreign as what comes by mail: who sends a form need not have used the editor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import lxml.html  # type: ignore[import-untyped]
import nh3

from deskhand.kernel.html import hostile, strip_tags
from deskhand.kernel.text import storable, whole
from deskhand.kernel.written import TAGS, Written


def read(markup: str) -> Written:
    """Keep the tags of the editor and what they hold; the text is made from them."""
    if hostile(markup):
        return Written(strip_tags(markup))
    clean = _ALIKE.sub(lambda found: _AS_OURS[found[0]], _cleaner().clean(markup)).strip()
    text = text_of(clean) if clean else ""
    return Written(text, clean if text else "")


def text_of(clean: str) -> str:
    """What `read` leaves over as plain words: items with their signs, quotes behind `>`, links with their addresses."""
    tree = lxml.html.fragment_fromstring(clean, create_parent="div")
    if not tree.text_content().strip():
        return ""
    return storable("\n".join(_lines(tree, "\n"))).strip()


def _lines(node: Any, gap: str) -> list[str]:
    """Its blocks line by line; `gap` parts them: an empty line, or none within an item."""
    blocks: list[list[str]] = []
    words = node.text or ""
    for child in node:
        if child.tag in _BLOCKS:
            blocks += [_paragraph(words), _BLOCKS[child.tag](child)]
            words = child.tail or ""
        else:
            words += _inline(child) + (child.tail or "")
    blocks.append(_paragraph(words))
    found: list[str] = []
    for block in filter(None, blocks):
        found += ["", *block] if found and gap else block
    return found


def _paragraph(words: str) -> list[str]:
    return [line.strip() for line in words.split("\n")] if words.strip() else []


def _inline(node: Any) -> str:
    if node.tag == "br":
        return "\n"
    said = (node.text or "") + "".join(_inline(child) + (child.tail or "") for child in node)
    href = node.get("href") or ""
    bare = href.removeprefix("mailto:").removeprefix("tel:")
    return (
        said
        if not href or bare.rstrip("/") in (said.strip(), f"https://{said}", f"http://{said}")
        else f"{said} <{bare}>"
    )


def _listed(node: Any) -> list[str]:
    first = whole(node.get("start") or "1")
    found: list[str] = []
    for number, item in enumerate(node.iterchildren("li"), 1 if first is None else first):
        sign = f"{number}. " if node.tag == "ol" else "- "
        lines = _lines(item, "") or [""]
        found += [sign + lines[0], *(" " * len(sign) + line for line in lines[1:])]
    return found


_BLOCKS: dict[str, Callable[[Any], list[str]]] = {
    "p": lambda node: _lines(node, ""),
    "li": lambda node: _lines(node, ""),
    "ul": _listed,
    "ol": _listed,
    "blockquote": lambda node: [f"> {line}".rstrip() for line in _lines(node, "\n")],
    "pre": lambda node: node.text_content().strip("\n").split("\n"),
}


#: What other programs write for tags of the editor; as it stands in cleaned markup.
_AS_OURS = {
    "<b>": "<strong>", "</b>": "</strong>", "<i>": "<em>", "</i>": "</em>", "<div>": "", "</div>": "<br>",
}  # fmt: skip
_ALIKE = re.compile("|".join(_AS_OURS))


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags={*TAGS, "b", "i", "div"},
        clean_content_tags={
            "script",
            "style",
            "title",
            "iframe",
            "object",
            "textarea",
            "select",
            "svg",
            "math",
        },
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto", "tel"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
