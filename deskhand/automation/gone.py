"""What a workflow names that is not there any more, in people's words (R-PIPE-10): told before it may run, and to the runs
that come to it all the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation import kinds, triggers
from deskhand.automation.actions import choices
from deskhand.automation.engine.advance import Gone
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.validate import NAMES_GONE
from deskhand.crm.filters import gone
from deskhand.crm.records import task_queues
from deskhand.crm.schema import clock_names, object_types
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Property
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

_TAGS = {triggers.TAG_ADDED: TAGS, triggers.TAG_REMOVED: TAGS}
_CLOCK = re.compile(rf"(?:\b(\w+)\.)?\b((?:{'|'.join(clock_names.SORTS)})_[0-9]+)\b")


def named(object_type: str, name: str, values: Sequence[object] = ()) -> tuple[str, str] | None:
    """The property and those of these values, in words, that a condition names and that are gone; None where all are there.

    `name` may be what an event tells: of a property, or the names of those that changed. A kind of record may be gone, too.
    """
    if object_type not in BUILT_IN and object_type in object_types.deleted():
        return _("Kind of record"), kinds.label(object_type)
    if name == triggers.CHANGED:
        lost = [str(one) for one in values if properties_of(object_type).get(str(one)) is None]
        return (_("Property"), ", ".join(lost)) if lost else None
    name = _TAGS.get(name) or triggers.property_of(name)
    prop = properties_of(object_type).get(name)
    lost = [*gone.places(object_type, name, values), *(_others(prop, values) if prop else ())]
    return _in_words(prop, name, lost) if lost else None


def sentence(object_type: str, name: str, values: Iterable[str]) -> str:
    """What to say of a status or pipeline that a step names, for the log."""
    prop = properties_of(object_type).get(name)
    property_label, lost = _in_words(prop, name, values)
    return _(NAMES_GONE) % {"property": property_label, "value": lost}


def queue_sentence(queue_id: str) -> str:
    """What to say of a task queue that a step names, and that was deleted."""
    former = task_queues.former_name(whole(queue_id) or 0) or queue_id
    return _(NAMES_GONE) % {"property": _("Task queue"), "value": former}


def refuse(object_type: str, name: str, value: object) -> None:
    """Raises Invalid for a status that was deleted, so that the step says which."""
    if value and (lost := gone.places(object_type, name, [value])):
        raise Invalid(sentence(object_type, name, lost), field=name, value=value)


def clocks_in(settings: Any, object_type: str) -> Iterator[tuple[str, str]]:
    """The clocks of deleted statuses that the texts of settings name, each with the status's name."""
    if isinstance(settings, str):
        for kind, name in _CLOCK.findall(settings):
            found = named(kind if kind and kinds.is_known(kind) else object_type, name)
            if found is not None:
                yield found
        return
    inner = settings.values() if isinstance(settings, Mapping) else settings
    for one in inner if isinstance(inner, Collection) else ():
        yield from clocks_in(one, object_type)


class Places:
    """What the definitions of a batch of runs name that is gone: each is looked through once."""

    def __init__(self) -> None:
        self._found: dict[int, Gone] = {}

    def of(self, definition: Definition) -> Gone:
        """{kind of record, property: ids} of the statuses and pipelines that are gone and that its branches name, its
        cancelled delays, its goal, and what lets its runs leave."""
        if id(definition) not in self._found:
            found: dict[tuple[str, str], frozenset[str]] = {}
            for object_type, name, values in definition.places:
                if lost := gone.places(object_type, name, values):
                    found[object_type, name] = found.get((object_type, name), frozenset()) | {*lost}
            self._found[id(definition)] = found
        return self._found[id(definition)]


def _others(prop: Property, values: Sequence[object]) -> tuple[str, ...]:
    """People who left are meant still: what was theirs is."""
    if prop.is_place or not values:
        return ()
    if prop.is_user or prop.name == choices.TEAMS:
        known = choices.everybody() if prop.is_user else choices.teams()
        there = {one.value for one in known}
        return tuple(str(value) for value in values if str(value) not in there)
    return gone.options(prop, values)


def _in_words(prop: Property | None, name: str, values: Iterable[str]) -> tuple[str, str]:
    if prop is None:  # the clock of a status
        return name, ", ".join(map(gone.status, values))
    return _(prop.label), ", ".join(gone.label(prop, one) for one in values)
