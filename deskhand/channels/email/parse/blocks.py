"""Recognizes, line by line, what a mail program puts above a quote or a forward. Linear, no backtracking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from deskhand.channels.email.parse import phrases

MAX_LINE = 600  # characters of a line that are looked at
MAX_BLOCK_LINES = 24
_MAX_ATTRIBUTION = 500

_LABEL = re.compile(r"[>\s*|]*([^\W\d_][^:：<>@\n]{0,22}?)[\s*\u00a0]*[:：]\**\s*(.*)")
_DATE_LIKE = re.compile(r"\d{1,2}\s?[:.h]\s?\d{2}|\b(?:19|20)\d\d\b|\d{1,2}[./-]\d{1,2}|\d{4}年|\d月")
_DIGIT_OR_AT = re.compile(r"[\d@]")
_CLOCK = re.compile(r"\d{1,2}\s?[:.h]\s?\d{2}")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]{1,64}@[^\s<>()\[\]\"',;:]{1,255}")
_WORD_THEN_NUMBER = re.compile(r"[^\W\d]{1,14}[.,]{0,2}\s{1,3}(?:[^\W\d]{1,12}[.,]?\s{1,3})?\d")
_VERBS = re.compile(
    "(?:^|[\\s,>)\"'*\u00a0])(?:"
    + "|".join(re.escape(v) for v in sorted(phrases.WROTE, key=len, reverse=True))
    + ")(?=$|[\\s:：*,])",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?:"
    + "|".join(phrases.FIRST_PERSON)
    + r")\s+(?:\w+\s+)?(?:"
    + "|".join(re.escape(v) for v in phrases.WROTE)
    + r")\s*[:：]?$"
    r"|\b(?:schrieb|skrev|schreef)\s+(?:ich|wir|jeg|jag|ik|vi)\b",
    re.IGNORECASE,
)
_OPENER = re.compile(r"(?:" + "|".join(re.escape(o) for o in phrases.OPENERS) + r")[\s,]", re.IGNORECASE)
_ORIGINAL = re.compile("|".join(re.escape(p) for p in phrases.ORIGINAL_MESSAGE), re.IGNORECASE)
_FORWARDED = re.compile("|".join(re.escape(p) for p in phrases.FORWARDED_MESSAGE), re.IGNORECASE)
_RULE = re.compile(r"[\s>*]*[-_=*–—]{3,}[\s>]*")


@dataclass(slots=True)
class HeaderBlock:
    """A copied header: what its lines say, and the first line after it."""

    end: int
    values: dict[str, str] = field(default_factory=dict)

    @property
    def is_convincing(self) -> bool:
        """Three headers with a sender, and an address or a date among them: prose has no such lines (F3)."""
        if "from" not in self.values or len(self.values) < 3:
            return False
        has_date = bool(_DATE_LIKE.search(self.values.get("date", "")))
        return has_date or any(_ADDRESS.search(self.values.get(name, "")) for name in ("from", "to"))


def unquoted(line: str) -> str:
    return line[:MAX_LINE].lstrip("> \t\u00a0|").rstrip()


def is_quoted(line: str) -> bool:
    return line.lstrip(" ").startswith((">", "|"))


def is_rule(line: str) -> bool:
    return len(line) < 200 and _RULE.fullmatch(line) is not None


def label_of(line: str) -> tuple[str, str]:
    """Return which header a line copies, and its value; "" if none."""
    match = _LABEL.match(line[:MAX_LINE])
    if not match:
        return "", ""
    return phrases.LABELS.get(match[1].strip(" *\u00a0").lower(), ""), match[2].strip("* \t")


def header_block(lines: Sequence[str], start: int) -> HeaderBlock | None:
    """Return the copied header that begins at `start`, or None."""
    name, value = label_of(lines[start])
    if not name:
        return None
    block = HeaderBlock(end=start + 1, values={name: value})
    last = name
    for index in range(start + 1, min(len(lines), start + MAX_BLOCK_LINES)):
        line = unquoted(lines[index])
        if not line:
            if len(block.values) >= 3 or index + 1 >= len(lines) or not label_of(lines[index + 1])[0]:
                break
            continue
        name, value = label_of(lines[index])
        if name and name not in block.values:
            block.values[name] = value
            last = name
        elif name in block.values or len(block.values) >= 4:
            if name != "cc" and (name or not _goes_on(line, last)):
                break
        elif name == "" and len(block.values[last]) < _MAX_ATTRIBUTION:
            block.values[last] = f"{block.values[last]} {line}".strip()
        block.end = index + 1
    return block if block.is_convincing else None


def _goes_on(line: str, last: str) -> bool:
    """Whether a line without a label is the rest of a list of addresses."""
    return last in ("to", "cc", "from") and "@" in line


def is_original_separator(line: str) -> bool:
    return _between_dashes(line, _ORIGINAL)


def is_forward_separator(line: str) -> bool:
    """Whether a line announces a forward: between dashes, or alone and ending in a colon."""
    if _between_dashes(line, _FORWARDED):
        return True
    words = unquoted(line).rstrip("\u00a0 ")
    return (
        words.endswith((":", "：")) and _FORWARDED.fullmatch(words.rstrip(":： \u00a0").strip()) is not None
    )


def _between_dashes(line: str, pattern: re.Pattern[str]) -> bool:
    words = unquoted(line)
    if len(words) > 160 or not words.startswith(("--", "__", "==", "**", "—", "–")):
        return False
    return pattern.search(words) is not None


@dataclass(frozen=True, slots=True)
class Attribution:
    """ "On … X wrote:", from line `start` up to `end` (not included)."""

    start: int
    end: int
    has_address: bool
    has_clock: bool
    has_opener: bool


def attribution(lines: Sequence[str], last: int) -> Attribution | None:
    """Return the attribution that ends on line `last`, wrapped over up to four lines, or None (Q3, Q5)."""
    tail = unquoted(lines[last])
    if not _may_end(tail) and lines[last].strip() != ">:":
        return None
    if not _DIGIT_OR_AT.search("".join(lines[max(0, last - 3) : last + 1])):
        return None
    is_quoted_tail, is_only_bracket = is_quoted(lines[last]), lines[last].strip() == ">:"
    joined, found = "", None
    for start in range(last, max(-1, last - 4), -1):
        line = unquoted(lines[start])
        same_quoting = is_only_bracket or is_quoted(lines[start]) == is_quoted_tail
        if start != last and not (line and same_quoting):
            break
        joined = f"{line} {joined}".strip()
        if len(joined) > _MAX_ATTRIBUTION:
            break
        found = _judge(joined, start, last + 1) or found
        if found and found.start == start and found.has_opener:
            return found
    return found


def _may_end(line: str) -> bool:
    return line.endswith((":", "：", "*")) or line.lower().endswith("wrote")


def _judge(joined: str, start: int, end: int) -> Attribution | None:
    joined = joined.strip("*_ ")
    has_verb = _VERBS.search(joined) is not None
    has_address = _ADDRESS.search(joined) is not None
    has_date = _DATE_LIKE.search(joined) is not None
    has_opener = (
        joined[:1].isdigit()
        or _OPENER.match(joined) is not None
        or _WORD_THEN_NUMBER.match(joined) is not None
    )
    if _FIRST_PERSON.search(joined):
        return None
    ends_in_colon = joined.endswith((":", "："))
    told = has_verb and has_date and has_opener and (ends_in_colon or has_address)
    told = told or (
        ends_in_colon and has_address and has_date and has_opener and _CLOCK.search(joined) is not None
    )
    told = told or (ends_in_colon and has_verb and has_address and len(joined) < 160)
    if not told:
        return None
    return Attribution(start, end, has_address, _CLOCK.search(joined) is not None, has_opener)
