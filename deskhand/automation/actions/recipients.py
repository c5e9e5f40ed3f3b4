"""Our own people that a step tells: users, teams, the owner of the record or of its contact (R-WFA-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership, TeamMember, User
from deskhand.automation.actions.forms import Input, Setting
from deskhand.automation.actions.once import once
from deskhand.automation.actions.types import Doing, Done, Output, failed, skipped
from deskhand.delivery.types import Address
from deskhand.kernel.database.scope import current_account_id


def fields() -> tuple[Setting, ...]:
    return (
        Setting("owner", _("The owner of the record"), Input.CHECK),
        Setting("contact_owner", _("The owner of its contact"), Input.CHECK),
        Setting("users", _("Users"), Input.USERS),
        Setting("teams", _("Teams"), Input.TEAMS, help=_("Every member is told.")),
    )


def outputs() -> tuple[Output, ...]:
    return (Output("told", _("How many people were told")),)


def problems(settings: Mapping[str, Any], *others: str) -> list[tuple[str, str]]:
    """Nobody chosen, in these fields nor in `others`, or somebody who is not active any more (R-WFA-7)."""
    if not any(settings.get(name) for name in ("users", "teams", "owner", "contact_owner", *others)):
        return [("users", _("Choose who is told."))]
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
    """Everybody that a batch names, in two queries."""

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

    def of(self, doing: Doing) -> list[int] | Done:
        """The ids of those to tell, each once; or why the step can tell nobody (R-WFA-6, R-WFA-7)."""
        gone = [int(user) for user in doing.settings.get("users") or () if int(user) not in self.active]
        if gone:
            return failed(_gone(tuple(gone)))
        ids = [int(user) for user in doing.settings.get("users") or ()]
        ids += [user for team in doing.settings.get("teams") or () for user in self.teams.get(int(team), ())]
        if doing.settings.get("owner"):
            ids.append(doing.record.get("owner_id") or 0)
        if doing.settings.get("contact_owner"):
            ids.append((doing.record.get("contact") or {}).get("owner_id") or 0)
        found = [user for user in dict.fromkeys(ids) if user in self.active]
        return found or skipped(self._nobody(doing))

    def names(self, user_ids: Sequence[int]) -> str:
        return ", ".join(self.active[user].name or self.active[user].email for user in user_ids)

    def _nobody(self, doing: Doing) -> str:
        if doing.settings.get("owner") and not doing.record.get("owner_id"):
            return _("The record has no owner.")
        if doing.settings.get("contact_owner") and not (doing.record.get("contact") or {}).get("owner_id"):
            return _("The contact has no owner.")
        return _("Nobody is left to tell.")
