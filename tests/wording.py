"""Every entry that the product writes into the audit log during a test has words for who reads it, or the test fails
(conftest.py).

A new action needs a sentence, a new field a label, a new key a word, a new number a name: deskhand/web/people/audit_*.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.utils import translation

from deskhand.accounts.models import AuditEntry
from deskhand.web.people.audit_tables import UNSAID
from deskhand.web.people.audit_values import (
    READERS,
    REFERENCES,
    SPREAD,
    VALUES,
    Names,
    object_type_of,
    value_said,
)
from deskhand.web.people.audit_words import changes, label_of, sentence_of

#: What people wrote themselves, or what reads the same in every language: names, texts, addresses, colours.
TYPED = frozenset(
    {
        "name", "label", "email", "address", "slug", "zone", "hours_zone", "subject", "body", "signature", "description", "note",
        "url", "secret", "shortcut", "from_name", "rule", "needed", "wished", "skills", "second_languages", "category", "singular",
        "plural", "group", "groups", "into", "scopes", "redirect_urls", "event_types", "unanswered_message", "closed_message", "accent", "accent_dark", "imap_host",
        "imap_user", "region", "imap_folder", "processed_folder", "smtp_host", "smtp_user",
    }
)  # fmt: skip
#: Plain numbers: how many, how long.
COUNTED = frozenset(
    {
        "number", "revision", "display_order", "count", "links", "twins", "days", "hourly", "per_hour", "rate_per_hour", "rate_change", "total", "call",
        "message", "email_other", "share", "excluded_after_days", "ramp_days", "ramp_from", "sticky_hours", "landing_minutes",
        "ring_seconds", "imap_port", "smtp_port", "max_concurrent",
        "per_ten_seconds", "per_day",
    }
)  # fmt: skip
_NAMED_BY_PEOPLE = ("inputs", "outputs", "messages")  # fields of an integration, in names for programs
_CODE = re.compile(r"[{}\[\]]|#\d|\b[a-z]+_[a-z_]+\b")


def require(entry: AuditEntry) -> None:
    with translation.override("en"):
        lacking = list(lacks(entry))
    if lacking:
        raise AssertionError(
            f"{entry.action}: {'; '.join(lacking)}. See deskhand/web/people/audit_tables.py."
        )


def lacks(entry: AuditEntry) -> Iterator[str]:
    """What a reader could not read. Asks the database nothing."""
    if sentence_of(entry.action) is None:
        yield "no sentence in SENTENCES"
    names = _SomeNames()
    for field in {**entry.before, **entry.after}:
        if field in UNSAID:
            continue
        if field not in SPREAD:
            if label_of(field) == field.replace("_", " "):
                yield f"no label for {field} in LABELS"
            if field not in READERS:
                yield from _unread(field, [entry.before.get(field), entry.after.get(field)])
    for one in changes(entry, names):
        if _CODE.search(one.label):
            yield f"a code word in the label “{one.label}”"
    for field in entry.before.keys() | entry.after.keys():
        if field in SPREAD or field in READERS:
            yield from _ill_said(field, entry, names)


def _unread(field: str, values: list[Any]) -> Iterator[str]:
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if one is None or isinstance(one, bool):
                continue
            if isinstance(one, int):
                known = field in REFERENCES or field in COUNTED
            else:
                known = isinstance(one, str) and (not one or field in TYPED or one in VALUES.get(field, {}))
            if not known:
                yield f"{field} can be {one!r}, for which there is no word in VALUES, REFERENCES, READERS or SPREAD"


def _ill_said(field: str, entry: AuditEntry, names: Names) -> Iterator[str]:
    """What is read in a way of its own: a change is said, and not in code."""
    before, after = entry.before.get(field), entry.after.get(field)
    if before == after or field in _NAMED_BY_PEOPLE:
        return
    object_type = object_type_of(entry)
    if field in READERS:
        said = [value_said(field, one, names, object_type) for one in (before, after)]
    else:
        spread = list(SPREAD[field](before, after, names, object_type))
        said = [text for one in spread for text in (one.label, one.before, one.after)]
        if (before or after) and isinstance(before or after, list) and not spread:
            yield f"nothing is said of {field}: {before!r} → {after!r}"
    yield from (f"{field} is said as “{text}”" for text in said if _CODE.search(text))


class _SomeNames(Names):
    """Names that cost no query."""

    def __init__(self) -> None:
        pass

    def of(self, kind: str, number: int | None) -> str:
        return f"A {kind.replace('_', ' ')}"

    def said(self, kind: str, number: int) -> str:
        return self.of(kind, number)

    def record_kind(self, object_type: str) -> str:
        return "Records"

    def property(self, object_type: str, name: str) -> str:
        return "A property"

    def condition(self, object_type: str, stored: object) -> str:
        return "A condition"
