"""Set or clear a property of the record. Bypasses pipeline rules (R-WFA-10) but brings close date and clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership
from deskhand.automation.actions.types import Doing, Done, failed
from deskhand.crm.records import store, tickets
from deskhand.crm.records.store import Change
from deskhand.events.types import Cause
from deskhand.kernel.errors import Invalid


class SetProperty:
    kind = "set_property"

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [] if settings.get("property") else [("property", _("Choose a property."))]

    def summary(self, settings: Mapping[str, Any]) -> str:
        return f"{settings.get('property')} → {settings.get('value') or '–'}"

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set of changes per kind of record and step: those share cause and values."""
        answers: dict[int, Done] = {}
        groups: dict[tuple[str, int, str], list[Doing]] = defaultdict(list)
        seats = _with_seat(batch)
        for doing in batch:
            try:
                values = tickets.checked(
                    doing.object_type, {str(doing.settings["property"]): doing.settings.get("value")}
                )
            except Invalid as refusal:
                answers[doing.enrollment_id] = failed(refusal.message)
                continue
            if values.get("owner_id") and values["owner_id"] not in seats:
                answers[doing.enrollment_id] = failed(
                    _("This person has no seat or is not active any more.")
                )  # R-WFA-9
                continue
            groups[(doing.object_type, doing.workflow_id, doing.step_id)].append(doing)
        for group in groups.values():
            self._change(group, answers)
        return [answers[doing.enrollment_id] for doing in batch]

    def _change(self, group: Sequence[Doing], answers: dict[int, Done]) -> None:
        first = group[0]
        values = tickets.checked(
            first.object_type, {str(first.settings["property"]): first.settings.get("value")}
        )
        cause = Cause(
            event_id=first.event_id,
            workflow_id=first.workflow_id,
            revision=first.revision,
            step_id=first.step_id,
        )
        depth = max(doing.depth for doing in group) + 1
        done = store.change_many(
            first.object_type,
            [Change(d.record_id, values) for d in group],
            by=first.by,
            cause=cause,
            depth=depth,
            at=first.now,
        )
        changed = {applied.record_id for applied in done if applied.changes}
        for doing in group:
            answers[doing.enrollment_id] = Done(
                message=self.summary(doing.settings)
                if doing.record_id in changed
                else _("It had this value already.")
            )


def _with_seat(batch: Sequence[Doing]) -> set[int]:
    if not any(doing.settings.get("property") == "hubspot_owner_id" for doing in batch):
        return set()
    members = Membership.objects.filter(account_id=batch[0].account_id, is_active=True, has_seat=True)
    return set(members.values_list("user_id", flat=True))
