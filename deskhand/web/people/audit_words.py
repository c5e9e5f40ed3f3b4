"""Entries of the audit log in words: who did what to what, and what it was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import AuditEntry
from deskhand.events.types import ActorKind
from deskhand.web.notifications.page import TOPICS
from deskhand.web.people.audit_tables import LABELS, OF_RECORDS, SENTENCES, UNSAID
from deskhand.web.people.audit_values import SPREAD, Names, object_type_of, value_said
from deskhand.web.people.rows import AuditLine, Changed

_TOPICS = {topic.value: words[0] for topic, words in TOPICS.items()}
_OF_A_KIND = ("sidebar_layout", "property_groups")  # that they are of says what they are


def line(entry: AuditEntry, names: Names) -> AuditLine:
    return AuditLine(entry.number, entry.at, sentence(entry, names), tuple(changes(entry, names)))


def sentence(entry: AuditEntry, names: Names) -> str:
    known = sentence_of(entry.action) or gettext_lazy("%(who)s changed the settings: %(what)s.")
    return str(known) % {"who": who(entry, names), "what": _what(entry, names)}


def sentence_of(action: str) -> str | Promise | None:
    return SENTENCES.get(action) or OF_RECORDS.get(action.rpartition(".")[2])


def who(entry: AuditEntry, names: Names) -> str:
    match entry.actor_kind:
        case ActorKind.USER:
            return names.of("user", entry.actor_id) or _("Somebody who is no longer known")
        case ActorKind.WORKFLOW:
            return _("A workflow")
        case ActorKind.ROUTING:
            return _("The routing")
        case ActorKind.INTEGRATION:
            return _("A program")
        case _:
            return _("The system")


def _what(entry: AuditEntry, names: Names) -> str:
    """As it is called now; what is gone, as it was called then."""
    if entry.action.startswith("user.invit"):
        return str(entry.after.get("email") or entry.before.get("email") or "")
    if entry.target_type in _OF_A_KIND:
        return names.record_kind(object_type_of(entry))
    now = names.of(entry.target_type, entry.target_id)
    return now or _called_then(entry) or names.said(entry.target_type, entry.target_id or 0)


def _called_then(entry: AuditEntry) -> str:
    said = (
        facts.get(name)
        for facts in (entry.after, entry.before)
        for name in ("label", "plural", "name", "email", "address")
    )
    return next((str(one) for one in said if one), "")


def changes(entry: AuditEntry, names: Names) -> Iterable[Changed]:
    before, after, object_type = entry.before, entry.after, object_type_of(entry)
    for field in dict.fromkeys([*before, *after]):
        if before.get(field) == after.get(field) or _goes_without_saying(field, before, after):
            continue
        if field in SPREAD:
            yield from SPREAD[field](before.get(field), after.get(field), names, object_type)
            continue
        was, became = (value_said(field, facts.get(field), names, object_type) for facts in (before, after))
        yield Changed(label_of(field), was if field in before else "", became)


def label_of(field: str) -> str:
    return str(LABELS.get(field) or _TOPICS.get(field) or field.replace("_", " "))


def _goes_without_saying(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Numbers for programs; the name, if it did not change, which the sentence says; of what is new or gone, what is
    nothing or off."""
    if field in UNSAID:
        return True
    if field in ("name", "label", "email") and not (field in before and field in after):
        return True
    return not (before and after) and not (before or after).get(field)
