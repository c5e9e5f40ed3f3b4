"""Make the record's contact a marketing contact, or no more: who may get mail that is not about a request (R-MAIL-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import Action, Doing, Done, Group, Then, skipped
from deskhand.automation.engine.loops import Touches, Write
from deskhand.crm.records import store
from deskhand.crm.records.store import Change

PROPERTY = "hs_marketable_status"
YES, NO = "yes", "no"


class SetMarketingStatus(Action):
    kind = "set_marketing_status"
    label = gettext_lazy("Set marketing contact")
    about = gettext_lazy("Whether the contact may get mail that is not about a request.")
    icon, tone, group = "user-check", "teal", Group.AUDIENCE
    changes = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        options = (Option(YES, _("A marketing contact")), Option(NO, _("No marketing contact")))
        return (
            Setting(
                "status", _("The contact becomes"), Input.CHOICE, required=True, options=options, default=YES,
                help=_("Mail that is not about somebody's own request goes to marketing contacts only."),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        return (
            [] if settings.get("status") in (YES, NO) else [("status", _("Choose what the contact becomes."))]
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        return _("A marketing contact") if settings.get("status") == YES else _("No marketing contact")

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return Touches(writes=frozenset({Write("contact", PROPERTY)}))

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set per workflow and value: it acts in its own name, on a contact once."""
        changed: dict[tuple[int, bool], set[int]] = {}
        for key in dict.fromkeys(_key(doing) for doing in batch):
            own = [doing for doing in batch if _key(doing) == key and doing.record.get("contact")]
            wanted = {doing.record["contact"]["id"]: doing for doing in own}
            changes = [
                Change(contact_id, {PROPERTY: key[1]}, cause=doing.cause, depth=doing.depth + 1)
                for contact_id, doing in sorted(wanted.items())
            ]
            done = store.change_many("contact", changes, by=own[0].by, at=own[0].now) if own else []
            changed[key] = {applied.record_id for applied in done if applied.changes}
        return [self._done(doing, changed[_key(doing)]) for doing in batch]

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        return [
            self._done(
                doing, {contact["id"]} if contact and contact["is_marketing"] is not _key(doing)[1] else set()
            )
            for doing in batch
            for contact in (doing.record.get("contact"),)
        ]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        """The contact of another kind of record keeps what it had: a replay changes its own records alone."""
        [done] = self.rehearse([doing])
        writes = {PROPERTY: _key(doing)[1]} if doing.object_type == "contact" else {}
        return done, writes

    def _done(self, doing: Doing, changed: set[int]) -> Done:
        contact = doing.record.get("contact")
        if not contact:
            return skipped(_("The record has no contact."))
        if contact["id"] not in changed:
            return Done(message=_("The contact had it that way already."))
        return Done(message=self.summary(doing.settings))


def _key(doing: Doing) -> tuple[int, bool]:
    return doing.workflow_id, doing.settings.get("status") == YES
