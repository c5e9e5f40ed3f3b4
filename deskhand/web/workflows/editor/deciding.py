"""Why a fork went the way it went, by the values that it saw: “Priority is High, so: Urgent”."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from deskhand.automation.engine.definition import OutputOf, RandomSplit, Step
from deskhand.crm.schema import durations
from deskhand.crm.schema.types import Kind, Property
from deskhand.web.choices import in_short
from deskhand.web.filters import membership
from deskhand.web.workflows import told
from deskhand.web.workflows.editor.words import Telling

_MEMBERSHIPS = {of: name for name, of in membership.SORTS.items()}
LONGEST = 60  # letters of a text


def because(telling: Telling, step: Step | None, data: Mapping[str, Any]) -> str:
    """`data` as the trace has it. Of a fork that is gone by now the name of the way is left, if it has one."""
    way = telling.way(step, str(data.get("slot", ""))) if step is not None else ""
    way = way or str(data.get("name", "")) or _("None met")
    if isinstance(step, RandomSplit):
        return _("By chance: %(branch)s") % {"branch": way}
    seen = list(dict.fromkeys(_seen(telling, data.get("seen", ()))))
    if not seen:
        return _("Took the branch “%(name)s”.") % {"name": way}
    told_of = pgettext("between values that decide", " and ").join(seen)
    return _("%(values)s, so: %(branch)s") % {"values": told_of, "branch": way}


def _seen(telling: Telling, found: Any) -> Iterator[str]:
    """What was seen of linked records is told to who may see all of them."""
    for one in found:
        object_type = one.get("type") or telling.definition.object_type
        if object_type not in telling.asked.record_types:
            continue
        if "output" in one:
            of = OutputOf(str(one["step"]), str(one["output"]))
            label, value = telling.source(of), telling.value(of, str(one["value"] or ""))
        else:
            name = _MEMBERSHIPS.get(one.get("member_of", ""), "") or str(one.get("property", ""))
            label, value = _property(telling, object_type, name, one.get("value"))
        said = {"property": label, "value": value or _("empty")}
        yield (
            _("%(property)s has been %(value)s") if one.get("ever") else _("%(property)s is %(value)s")
        ) % said


def _property(telling: Telling, object_type: str, name: str, value: Any) -> tuple[str, str]:
    prop = telling.asked.find(object_type, name)
    several = [one for one in (value if isinstance(value, list) else [value]) if one not in (None, "", [])]
    if prop is None:
        return name, in_short([str(one) for one in several])
    labels = {choice.value: choice.label for choice in telling.asked.choices_of(object_type, prop)}
    said = [
        labels.get(str(one).lower() if isinstance(one, bool) else str(one))
        or _in_words(telling, object_type, prop, one)
        for one in several
    ]
    return telling.asked.label(object_type, prop), in_short(list(dict.fromkeys(said)))


def _in_words(telling: Telling, object_type: str, prop: Property, value: Any) -> str:
    text = told.value_words(object_type, prop, value)
    match prop.kind:
        case Kind.TEXT:
            return _("“%(text)s”") % {"text": text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"}
        case Kind.NUMBER:
            return telling.asked.value_said(Decimal(str(value)), {})
        case Kind.DURATION:
            return durations.exactly(timedelta(milliseconds=int(Decimal(str(value)))))
    return text
