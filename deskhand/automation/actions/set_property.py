"""Set or clear a property of the record. Bypasses pipeline rules (R-WFA-10) but brings close date and clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import Membership
from deskhand.automation import tokens
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, failed
from deskhand.automation.engine.loops import Touches, Write
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import store, tickets
from deskhand.crm.records.store import Change
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.errors import Invalid


class SetProperty(Action):
    kind = "set_property"
    label = gettext_lazy("Set property")
    about = gettext_lazy("Give a property of the ticket a value, or clear it.")
    icon, tone, group = "sliders-horizontal", "violet", Group.RECORD
    changes = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        kind = around.object_type
        first = (
            Setting("object_type", "", Input.HIDDEN, default=kind),
            Setting("property", _("Property"), Input.PROPERTY, required=True, options=choices.properties(choices.settable(kind)), redraws=True),
        )  # fmt: skip
        prop = properties_of(kind).get(str(settings.get("property") or ""))
        if prop is None or not choices.is_settable(prop):
            return first
        return (
            *first,
            choices.value_setting(
                around, kind, prop, required=choices.is_stage(prop), help="" if choices.is_stage(prop) else _("Empty clears it.")
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [] if settings.get("property") else [("property", _("Choose a property."))]

    def summary(self, settings: Mapping[str, Any]) -> str:
        kind = str(settings.get("object_type") or "ticket")
        prop, value = properties_of(kind).get(str(settings.get("property"))), settings.get("value")
        if prop is None:
            return str(settings.get("property") or "")
        if value in (None, "", []):
            return _("Clear %(property)s") % {"property": _(prop.label)}
        return _("%(property)s: %(value)s") % {
            "property": _(prop.label),
            "value": choices.spoken(kind, prop, value),
        }

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        value = settings.get("value")
        is_open = isinstance(value, list | dict) or tokens.are_in(settings)
        kind = str(settings.get("object_type") or object_type)
        write = Write(
            kind, str(settings.get("property") or ""), None if is_open or value is None else str(value)
        )
        return Touches(writes=frozenset({write}))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set of changes per workflow: it acts in its own name, on a record at most once at a time."""
        answers: dict[int, Done] = {}
        groups: dict[tuple[str, int], list[tuple[Doing, Mapping[str, Any]]]] = defaultdict(list)
        wanted = _Wanted(batch)
        for doing in batch:
            values = wanted.values(doing)
            if isinstance(values, str):
                answers[doing.enrollment_id] = failed(values)
            else:
                groups[(doing.object_type, doing.workflow_id)].append((doing, values))
        for group in groups.values():
            self._change(group, answers)
        return [answers[doing.enrollment_id] for doing in batch]

    def _change(self, group: Sequence[tuple[Doing, Mapping[str, Any]]], answers: dict[int, Done]) -> None:
        first = group[0][0]
        changes = [
            Change(doing.record_id, values, cause=doing.cause, depth=doing.depth + 1)
            for doing, values in group
        ]
        done = store.change_many(first.object_type, changes, by=first.by, at=first.now)
        changed = {applied.record_id for applied in done if applied.changes}
        for doing, _values in group:
            answers[doing.enrollment_id] = Done(
                message=self.summary(doing.settings)
                if doing.record_id in changed
                else _("It had this value already.")
            )


class _Wanted:
    """What each step sets, checked once however many records stand at it."""

    def __init__(self, batch: Sequence[Doing]) -> None:
        self.seats = _with_seat(batch)
        self.known: dict[tuple[int, str], Mapping[str, Any] | str] = {}

    def values(self, doing: Doing) -> Mapping[str, Any] | str:
        """The values by column, or why they can't be set."""
        if tokens.are_in(doing.settings):  # each record's own
            return self._check(doing)
        key = (doing.workflow_id, doing.step_id)
        if key not in self.known:
            self.known[key] = self._check(doing)
        return self.known[key]

    def _check(self, doing: Doing) -> Mapping[str, Any] | str:
        value = doing.settings.get("value")
        try:
            if isinstance(value, str):
                value = doing.fill(value)
            values = tickets.checked(doing.object_type, {str(doing.settings["property"]): value})
            if values.get("stage_id"):
                pipelines_of(doing.object_type).of_stage(values["stage_id"])
        except Invalid as refusal:
            return refusal.message
        if values.get("owner_id") and values["owner_id"] not in self.seats:
            return _("This person has no seat or is not active any more.")  # R-WFA-9
        return values


def _with_seat(batch: Sequence[Doing]) -> set[int]:
    if not any(doing.settings.get("property") == "hubspot_owner_id" for doing in batch):
        return set()
    members = Membership.objects.filter(
        account_id=batch[0].account_id, is_active=True, has_seat=True, user__is_active=True
    )
    return set(members.values_list("user_id", flat=True))
