"""Our own people that a step tells: users, teams, the owners of the record and of those around it (R-WFA-5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership, TeamMember, User
from deskhand.automation.actions import choices, others, reading
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import (
    OWNERS,
    Doing,
    Done,
    Output,
    failed,
    here,
    object_type_of,
    skipped,
)
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.delivery.types import Address
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

SHOWN = 4  # names in a summary
#: Any of these tells somebody.
_NAMED = (*OWNERS, "associate", "users", "teams")


def fields(around: Around) -> tuple[Setting, ...]:
    return (
        here(around),
        Setting("owner", _("The owner of the record"), Input.CHECK),
        Setting("contact_owner", _("The owner of its contact"), Input.CHECK),
        Setting("company_owner", _("The owner of its company"), Input.CHECK),
        *_linked(around),
        Setting("users", _("Users"), Input.USERS),
        Setting("teams", _("Teams"), Input.TEAMS, help=_("Every member is told.")),
    )


def _linked(around: Around) -> tuple[Setting, ...]:
    return others.several_setting(around, _("The owners of linked records"))


def said(text: str, settings: Mapping[str, Any], *more: str) -> str:
    """What is told, and to whom, in one sentence; `more` are told besides."""
    owners = {
        "owner": _("the record’s owner"), "contact_owner": _("the contact’s owner"), "company_owner": _("the company’s owner"),
    }  # fmt: skip
    named = [words for name, words in owners.items() if settings.get(name)]
    if linked := others.several_said(object_type_of(settings), settings):
        named.append(_("the owners of linked records (%(records)s)") % {"records": ", ".join(linked)})
    named += choices.named(settings.get("users") or (), choices.everybody)
    named += choices.named(settings.get("teams") or (), choices.teams)
    named += more
    if len(named) > SHOWN:
        named[SHOWN - 1 :] = [_("%(count)s more") % {"count": len(named) - SHOWN + 1}]
    names = ", ".join(named)
    return _("%(text)s – to %(names)s") % {"text": text, "names": names} if named else text


def outputs() -> tuple[Output, ...]:
    return (Output("told", _("How many people were told")),)


def problems(settings: Mapping[str, Any], *more: str) -> list[tuple[str, str]]:
    """Nobody chosen, in these fields nor in `more`, a kind of links that is gone, or somebody who is not active any more
    (R-WFA-7)."""
    if not any(settings.get(name) for name in (*_NAMED, *more)):
        return [("users", _("Choose who is told."))]
    if settings.get("associate"):
        linked = _linked(Around(current_account_id(), object_type_of(settings)))
        if found := reading.problems_of(linked, settings):
            return found
    users = {int(user) for user in settings.get("users") or ()}
    gone = users - _here(current_account_id()) if users else users
    return [("users", _gone(tuple(sorted(gone))))] if gone else []


@once
def _here(account_id: int) -> set[int]:
    return set(_active(account_id).values_list("user_id", flat=True))


def _active(account_id: int) -> Any:
    return Membership.objects.filter(account_id=account_id, is_active=True, user__is_active=True)


@once
def _gone(user_ids: tuple[int, ...]) -> str:
    names = dict(User.objects.filter(pk__in=user_ids).values_list("pk", "name"))
    return _("This person is not active any more: %(id)s") % {
        "id": ", ".join(names.get(user_id) or str(user_id) for user_id in user_ids)
    }


class Recipients:
    """Everybody that a batch names, in two queries; in one more for each way to choose linked records, and for each kind of
    them."""

    def __init__(self, account_id: int, batch: Sequence[Doing]) -> None:
        team_ids = {int(team) for d in batch for team in d.settings.get("teams") or ()}
        self.teams: dict[int, list[int]] = {}
        for team_id, user_id in (
            TeamMember.objects.filter(account_id=account_id, team_id__in=team_ids)
            .order_by("id")
            .values_list("team_id", "user_id")
        ):
            self.teams.setdefault(team_id, []).append(user_id)
        self.active = {
            m.user_id: Address(m.user.email, m.user.name) for m in _active(account_id).select_related("user")
        }
        self.linked = others.of_several(batch)
        self.owners = _owners({record for records in self.linked.values() for record in records})

    def of(self, doing: Doing) -> list[int] | Done:
        """The ids of those to tell, each once; or why the step can tell nobody (R-WFA-6, R-WFA-7)."""
        gone = [int(user) for user in doing.settings.get("users") or () if int(user) not in self.active]
        if gone:
            return failed(_gone(tuple(gone)))
        ids = [int(user) for user in doing.settings.get("users") or ()]
        ids += [user for team in doing.settings.get("teams") or () for user in self.teams.get(int(team), ())]
        ids += [doing.owner_of(role) or 0 for role in OWNERS if doing.settings.get(role)]
        ids += [self.owners.get(record, 0) for record in self.linked[doing.key]]
        found = [user for user in dict.fromkeys(ids) if user in self.active]
        return found or skipped(self._nobody(doing))

    def names(self, user_ids: Sequence[int]) -> str:
        return ", ".join(self.active[user].name or self.active[user].email for user in user_ids)

    def _nobody(self, doing: Doing) -> str:
        lacking = {
            "owner": _("The record has no owner."), "contact_owner": _("The contact has no owner."),
            "company_owner": _("The company has no owner."),
        }  # fmt: skip
        for role in OWNERS:
            if doing.settings.get(role) and not doing.owner_of(role):
                return lacking[role]
        if doing.settings.get("associate") and not any(map(self.owners.get, self.linked[doing.key])):
            return _("No linked record has an owner.")
        return _("Nobody is left to tell.")


def _owners(records: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """{(kind, id): the owner} of those that have one and are there. One query a kind."""
    found: dict[tuple[str, int], int] = {}
    for kind in sorted({kind for kind, _id in records}):
        ids = [pk for of, pk in records if of == kind]
        rows = sql.rows(
            f"select t.id, t.owner_id from {table_of(kind)} t where t.account_id = %s and t.id = any(%s)"
            f" and t.archived_at is null and t.owner_id is not null and {of_this_type(kind)}",
            [current_account_id(), ids],
        )
        found |= {(kind, pk): owner_id for pk, owner_id in rows}
    return found
