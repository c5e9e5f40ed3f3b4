"""Give the conversations of the record to somebody: a ticket's with the ticket, a contact's those without one (R-DM-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import queries as people
from deskhand.automation.actions import choices
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    Then,
    by_workflow,
    failed,
    foreseen,
    here,
    skipped,
)
from deskhand.automation.engine.loops import Touches, Write
from deskhand.crm.records import store
from deskhand.crm.records.store import Change
from deskhand.desk import conversations
from deskhand.desk.conversations import Owner

CONTACT_OWNER, NOBODY = "contact_owner", "nobody"


class AssignConversation(Action):
    kind = "assign_conversation"
    label = gettext_lazy("Assign conversation owner")
    about = gettext_lazy("The ticket with its conversations, or a contact's conversations without a ticket.")
    icon, tone, group = "user-check", "blue", Group.ASSIGN
    object_types = frozenset({"ticket", "contact"})
    changes = True

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        roles = (Option(CONTACT_OWNER, _("The owner of the contact")), Option(NOBODY, _("Nobody")))
        whole = (
            _("A ticket's conversations belong to its owner, so the ticket changes hands with them.")
            if around.object_type == "ticket"
            else _("All open conversations of the contact that are no tickets.")
        )
        return (
            here(around),
            Setting("assignee", _("Assign to"), Input.CHOICE, required=True, options=(*roles, *choices.people(with_seat=True)), help=whole),
            Setting("overwrite", _("Also when it has an owner already"), Input.CHECK, default=True),
        )  # fmt: skip

    def summary(self, settings: Mapping[str, Any]) -> str:
        match str(settings.get("assignee") or ""):
            case "contact_owner":
                return _("To the owner of the contact")
            case "nobody":
                return _("To nobody")
            case given:
                names = {one.value: one.label for one in choices.people()}
                return _("To %(name)s") % {"name": names[given]} if given in names else str(self.label)

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return settings.get("assignee") == CONTACT_OWNER

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        if object_type != "ticket":
            return Touches()
        return Touches(writes=frozenset({Write("ticket", choices.OWNER)}))

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        wanted = _wanted(doing, choices.seats(doing.account_id))
        if (
            isinstance(wanted, Done)
            or doing.object_type != "ticket"
            or _stays(doing, doing.record["owner_id"], wanted)
        ):
            return (wanted if isinstance(wanted, Done) else Done()), {}
        return Done(), foreseen(doing, {"owner_id": wanted})

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            answers |= _assign_tickets(part) if part[0].object_type == "ticket" else _assign_threads(part)
        return [answers[doing.enrollment_id] for doing in batch]


def _wanted(doing: Doing, seats: set[int]) -> int | Done | None:
    """Who shall own it. People without a seat and inactive ones own nothing (R-WFA-9)."""
    match str(doing.settings.get("assignee") or ""):
        case "nobody":
            return None
        case "contact_owner":
            user_id = doing.owner_of(CONTACT_OWNER)
            if user_id is None:
                return skipped(_("The contact has no owner."))
        case given:
            user_id = int(given) if given.isdigit() else 0
    if user_id not in seats:
        return failed(_("This person has no seat or is not active any more."))
    return int(user_id)


def _stays(doing: Doing, before: int | None, wanted: int | None) -> bool:
    return before == wanted or (before is not None and not doing.settings.get("overwrite", True))


def _assign_tickets(part: Sequence[Doing]) -> dict[int, Done]:
    answers, changes = {}, []
    seats = choices.seats(part[0].account_id)
    names = people.names_of(seats)
    for doing in part:
        wanted = _wanted(doing, seats)
        if isinstance(wanted, Done):
            answers[doing.enrollment_id] = wanted
        elif _stays(doing, doing.record["owner_id"], wanted):
            answers[doing.enrollment_id] = _kept(doing.record["owner_id"], wanted)
        else:
            changes.append(
                Change(doing.record_id, {"owner_id": wanted}, cause=doing.cause, depth=doing.depth + 1)
            )
            answers[doing.enrollment_id] = _given(wanted, names)
    store.change_many("ticket", changes, by=part[0].by, at=part[0].now)
    return answers


def _assign_threads(part: Sequence[Doing]) -> dict[int, Done]:
    answers: dict[int, Done] = {}
    owners: list[Owner] = []
    seats = choices.seats(part[0].account_id)
    names = people.names_of(seats)
    found = conversations.open_of_contacts([doing.record_id for doing in part])
    for doing in part:
        wanted = _wanted(doing, seats)
        if isinstance(wanted, Done):
            answers[doing.enrollment_id] = wanted
            continue
        own = found.get(doing.record_id, [])
        due = [pk for pk, before in own if not _stays(doing, before, wanted)]
        owners += [Owner(pk, wanted, doing.by, doing.cause, doing.depth + 1) for pk in due]
        if due:
            many = ngettext("%(count)s conversation: %(what)s", "%(count)s conversations: %(what)s", len(due))
            answers[doing.enrollment_id] = Done(
                message=many % {"count": len(due), "what": _given(wanted, names).message}
            )
        else:
            answers[doing.enrollment_id] = (
                skipped(_("There is no open conversation to assign."))
                if not own
                else _kept(own[0][1], wanted)
            )
    conversations.assign_many(owners, at=part[0].now)
    return answers


def _given(user_id: int | None, names: Mapping[int, str]) -> Done:
    return Done(
        message=_("Given to %(name)s") % {"name": names.get(user_id, "")} if user_id else _("Given to nobody")
    )


def _kept(before: int | None, wanted: int | None) -> Done:
    return Done(
        message=_("It had this owner already.") if before == wanted else _("It had an owner already.")
    )
