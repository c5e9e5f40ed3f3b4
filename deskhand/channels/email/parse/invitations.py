"""Reads what a person wants to see of a calendar part (A6): method, title, times, organizer."""

from __future__ import annotations

import re

from deskhand.channels.email.parse.types import Invitation
from deskhand.kernel.text import one_line

_ESCAPED = re.compile(r"\\([,;\\nN])")
_MAX_LINES = 2000


def read_invitation(ics: str, method: str = "") -> Invitation | None:
    """Return the first event of a calendar, or None if there is none. `method` is the part's own claim."""
    ics = re.sub(r"\n[ \t]", "", ics[:200_000])
    calendar, _, event = ics.partition("BEGIN:VEVENT")
    if not event:
        return None
    fields = _fields(event.partition("END:VEVENT")[0])
    return Invitation(
        method=one_line(_fields(calendar).get("METHOD", method)).upper()[:20],
        summary=one_line(_ESCAPED.sub(_unescaped, fields.get("SUMMARY", "")))[:300],
        starts=one_line(fields.get("DTSTART", ""))[:20],
        ends=one_line(fields.get("DTEND", ""))[:20],
        organizer=re.sub(r"(?i)^mailto:", "", one_line(fields.get("ORGANIZER", "")))[:320],
    )


def _fields(lines: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines.split("\n")[:_MAX_LINES]:
        name, _, value = line.partition(":")
        fields.setdefault(name.partition(";")[0].strip().upper(), value)
    return fields


def _unescaped(match: re.Match[str]) -> str:
    return " " if match[1] in "nN" else match[1]
