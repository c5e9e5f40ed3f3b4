"""What people write in our own editor: words, and a few tags. `kernel.written_html` reads it."""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass

TAGS = frozenset(["p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote", "pre", "code"])

#: Only what `read` leaves over: it may stand in a page of ours as it is.
_PLAIN = re.compile(
    r"(?:[^<>]++|</?(?:p|br|strong|em|ul|ol|li|blockquote|pre|code|a)>"
    r'|<ol start="\d{1,9}">|<a href="(?:https?://|mailto:|tel:)[^"<>]*+"(?: rel="[a-z ]*+")?+>|<a rel="[a-z ]*+">)*+'
)


@dataclass(frozen=True, slots=True)
class Written:
    """The same words twice. `html` is empty where the text says all."""

    text: str
    html: str = ""

    def __bool__(self) -> bool:
        return bool(self.text.strip())


def is_plain(markup: str) -> bool:
    """Whether there is nothing in it but what the editor writes."""
    return _PLAIN.fullmatch(markup) is not None


def markup_of(text: str) -> str:
    """Plain words as markup: paragraphs and line breaks, nothing else."""
    paragraphs = [entities.escape(part).replace("\n", "<br>") for part in text.split("\n\n") if part.strip()]
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
