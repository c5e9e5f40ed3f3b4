"""The events that a webhook can be told of, as boxes to tick, and what was ticked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.web.choices import Choice
from deskhand.webhooks.subscriptions import Wanted, name
from deskhand.webhooks.types import CHANGE, CONVERSATION, MERGE, NAMED, NEW_MESSAGE, OBJECT, OF_RECORDS

WORDS: dict[str, str | Promise] = {
    "creation": gettext_lazy("Made"),
    "deletion": gettext_lazy("Archived"),
    "restore": gettext_lazy("Brought back"),
    "merge": gettext_lazy("Merged"),
    "associationChange": gettext_lazy("Linked, or a link undone"),
    NEW_MESSAGE: gettext_lazy("New message or comment"),
}
OF_THREADS: dict[str, str | Promise] = {
    "status": gettext_lazy("Open or closed"),
    "assignedTo": gettext_lazy("Owner"),
    "isArchived": gettext_lazy("Archived"),
}
_MERGED = ("contact", "company", "ticket")


@dataclass(frozen=True)
class Group:
    """What can happen to one kind of record."""

    label: str
    choices: tuple[Choice, ...]
    changes: tuple[Choice, ...]  # properties
    is_open: bool


def groups(chosen: Collection[str]) -> tuple[Group, ...]:
    kinds = ["ticket", "contact", "company", "deal", *(["project"]), *object_types.all_of_them()]
    found = [_of_records(kind, set(chosen)) for kind in kinds]
    return (found[0], _of_conversations(set(chosen)), *found[1:])


def _of_records(kind: str, chosen: set[str]) -> Group:
    prefix, object_type = (kind, "") if kind in NAMED else (OBJECT, kind)
    plain = [what for what in OF_RECORDS if what != CHANGE and (what != MERGE or kind in _MERGED)]
    choices = [_choice(Wanted(f"{prefix}.{what}", "", object_type), WORDS[what], chosen) for what in plain]
    known = sorted(properties_of(kind).values(), key=lambda prop: _(prop.label).casefold())
    changes = [
        _choice(Wanted(f"{prefix}.{CHANGE}", prop.name, object_type), _(prop.label), chosen)
        for prop in known
        if not prop.is_computed and not prop.is_awaited
    ]
    return _group(_(object_types.labels_of(kind).plural), choices, changes)


def _of_conversations(chosen: set[str]) -> Group:
    told = ("creation", NEW_MESSAGE, "deletion")
    choices = [_choice(Wanted(f"{CONVERSATION}.{what}"), WORDS[what], chosen) for what in told]
    changes = [
        _choice(Wanted(f"{CONVERSATION}.{CHANGE}", key), label, chosen) for key, label in OF_THREADS.items()
    ]
    return _group(_("Conversations"), choices, changes)


def _choice(wanted: Wanted, label: str | Promise, chosen: set[str]) -> Choice:
    value = name(wanted)
    return Choice(value, str(label), value in chosen)


def _group(label: str, choices: Sequence[Choice], changes: Sequence[Choice]) -> Group:
    is_open = any(choice.chosen for choice in changes)
    return Group(label, tuple(choices), tuple(changes), is_open)


def read(given: Sequence[str]) -> list[Wanted]:
    """What was ticked; what can't be is refused by the verb."""
    return list(_read(given))


def _read(given: Sequence[str]) -> Iterator[Wanted]:
    for text in dict.fromkeys(given):
        event_type, *rest = text[:300].split(" ")
        object_type = rest.pop(0) if rest and event_type.startswith(f"{OBJECT}.") else ""
        yield Wanted(event_type, " ".join(rest), object_type)
