"""Have the record's contact get a kind of mail, or no more of it (R-MAIL-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import Action, Doing, Done, Group, Then, skipped
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import SubscriptionType
from deskhand.crm.records.subscriptions import Choice
from deskhand.kernel.database.scope import current_account_id

ALL, ON, OFF = "all", "on", "off"


class ManageSubscription(Action):
    kind = "manage_subscription"
    label = gettext_lazy("Manage email subscription")
    about = gettext_lazy("Have the contact get a kind of mail, or no more of it.")
    icon, tone, group = "mail-open", "teal", Group.AUDIENCE

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        kinds = [Option(str(one.pk), one.name) for one in _kinds(around.account_id)]
        return (
            Setting(
                "subscription", _("Kind of mail"), Input.CHOICE, required=True, options=(*kinds, Option(ALL, _("All of it"))),
                links=((_("Email subscriptions"), "subscription-types", 0),),
            ),
            Setting(
                "change", _("What happens"), Input.CHOICE, required=True, default=OFF,
                options=(Option(OFF, _("The contact gets it no more")), Option(ON, _("The contact gets it"))),
                help=_("Have people get mail only if they agreed to that. Mail about their own requests always arrives."),
            ),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        chosen = str(settings.get("subscription") or "")
        known = {str(one.pk) for one in _kinds(current_account_id())} | {ALL}
        found = [] if chosen in known else [("subscription", _("Choose a kind of mail."))]
        return found + (
            [] if settings.get("change") in (ON, OFF) else [("change", _("Choose what happens."))]
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        kinds = {str(one.pk): one.name for one in _kinds(current_account_id(), with_archived=True)}
        name = (
            _("All of it")
            if settings.get("subscription") == ALL
            else kinds.get(str(settings.get("subscription")), "")
        )
        return (_("Subscribe: %(kind)s") if settings.get("change") == ON else _("Unsubscribe: %(kind)s")) % {
            "kind": name
        }

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return True

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        """One set per workflow and step: it acts in its own name, for a contact once."""
        changed: dict[tuple[int, str], set[int]] = {}
        for key in dict.fromkeys(_step(doing) for doing in batch):
            own = [doing for doing in batch if _step(doing) == key]
            choices = {choice.contact_id: choice for doing in own if (choice := _choice(doing))}
            changed[key] = subscriptions.choose(
                list(choices.values()), source=subscriptions.WORKFLOW, by=own[0].by, at=own[0].now
            )
        said = self._said(batch)
        return [self._done(doing, changed[_step(doing)], said) for doing in batch]

    def rehearse(self, batch: Sequence[Doing]) -> list[Done]:
        everybody = {choice.contact_id for doing in batch if (choice := _choice(doing))}
        said = self._said(batch)
        return [self._done(doing, everybody, said) for doing in batch]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        choice = _choice(doing)
        changed: set[int] = set()
        if choice and then.choose(choice.contact_id, choice.type_id, choice.is_on, doing.now):
            changed.add(choice.contact_id)
        return self._done(doing, changed, self._said([doing])), {}

    def _said(self, batch: Sequence[Doing]) -> dict[tuple[str, str], str]:
        return {
            asked: self.summary(dict(zip(_ASKED, asked, strict=True)))
            for asked in {_asked(doing) for doing in batch}
        }

    def _done(self, doing: Doing, changed: set[int], said: Mapping[tuple[str, str], str]) -> Done:
        choice = _choice(doing)
        if choice is None:
            return skipped(_("The record has no contact."))
        if choice.contact_id not in changed:
            return Done(message=_("The contact had it that way already."))
        return Done(message=said[_asked(doing)])


_ASKED = ("subscription", "change")


def _asked(doing: Doing) -> tuple[str, str]:
    return str(doing.settings[_ASKED[0]]), str(doing.settings[_ASKED[1]])


def _step(doing: Doing) -> tuple[int, str]:
    return doing.workflow_id, doing.step_id


def _choice(doing: Doing) -> Choice | None:
    contact = doing.record.get("contact")
    if not contact:
        return None
    chosen = str(doing.settings["subscription"])
    type_id = None if chosen == ALL else int(chosen)
    return Choice(contact["id"], type_id, doing.settings["change"] == ON, doing.cause, doing.depth + 1)


@once
def _kinds(account_id: int, *, with_archived: bool = False) -> list[SubscriptionType]:
    return subscriptions.kinds(account_id, with_archived=with_archived)
