"""Delete the contact: it can be restored from the deleted ones, but what it was in does not go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import Action as PolicyAction
from deskhand.automation.actions.types import Action, Doing, Done, Group, Then, by_workflow
from deskhand.crm.records import archive


class DeleteContact(Action):
    kind = "delete_contact"
    label = gettext_lazy("Delete contact")
    about = gettext_lazy("Puts the contact among the deleted ones.")
    icon, tone, group = "trash-2", "red", Group.RECORD
    object_types = frozenset({"contact"})
    permission = PolicyAction.EDIT_ACCOUNT
    changes = True
    is_destructive = True

    def summary(self, settings: Mapping[str, Any]) -> str:
        return _("The contact of this workflow")

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        return Done(message=_("The contact was deleted."), ends="record_gone"), {}

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        gone: set[int] = set()
        for part in by_workflow(batch):
            causes = {doing.record_id: (doing.cause, doing.depth + 1) for doing in part}
            gone |= set(
                archive.archive("contact", list(causes), by=part[0].by, at=part[0].now, causes=causes)
            )
        return [
            Done(message=_("The contact was deleted.") if doing.record_id in gone else _("It was deleted already."))
            for doing in batch
        ]  # fmt: skip
