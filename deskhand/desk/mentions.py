"""Whom a text calls with @: colleagues by their user name, teams by their name written as one word (R-WORK-4, R-WORK-5)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from deskhand.accounts import policy
from deskhand.accounts.models import Membership, Team, TeamMember, User
from deskhand.accounts.policy import Action
from deskhand.crm.records.models import Ticket
from deskhand.desk.models import Mention, Message
from deskhand.kernel.database.scope import current_account_id

#: One call; what stands before it is not part of it.
CALL = re.compile(r"(?:(?<=\s)|^)@([\w.-]{1,100})")
_APART = re.compile(r"[^\w.]+")


@dataclass(frozen=True)
class Called:
    users: Sequence[User] = ()
    teams: Sequence[Team] = ()

    @property
    def names(self) -> list[str]:
        return sorted([*(user.name for user in self.users), *(team.name for team in self.teams)])


def word(name: str) -> str:
    """A team's name as it is called: "Second line" is @second-line."""
    return _APART.sub("-", name.lower()).strip("-.")


def said(text: str) -> set[str]:
    return {name.lower().rstrip(".-") for name in CALL.findall(text)}


def called(text: str, *, but: int) -> Called:
    """Whom a text calls, without the writer. Where a person and a team have one word, it is the person's."""
    names = said(text)
    if not names:
        return Called()
    members = Membership.objects.select_related("user").filter(
        account_id=current_account_id(), is_active=True, user__username__in=names
    )
    users = [member.user for member in members.order_by("user_id")]
    left = names - {user.username.lower() for user in users}
    teams = [team for name, team in teams_by_word().items() if name in left] if left else []
    return Called([user for user in users if user.pk != but], teams)


def users_called(text: str, *, but: int) -> set[int]:
    """Everybody whom a text calls, by name or with their team."""
    whom = called(text, but=but)
    return ({user.pk for user in whom.users} | _members(whom.teams)) - {but}


def teams_by_word() -> dict[str, Team]:
    """The teams that can be called; of two that are written the same the older one."""
    found = Team.objects.filter(account_id=current_account_id()).order_by("-id")
    return {word(team.name): team for team in found if word(team.name)}


def words_for(user: User) -> set[str]:
    """By which somebody is called, also with their team."""
    own = TeamMember.objects.filter(account_id=current_account_id(), user=user).values_list("team_id", flat=True)  # fmt: skip
    mine = set(own)
    return {user.username.lower(), *(word for word, team in teams_by_word().items() if team.pk in mine)}


def callable_teams(seeing: Collection[int]) -> list[tuple[str, Team]]:
    """Teams of which somebody is among those who may see it, each with its word, in the order of the words."""
    theirs = set(
        TeamMember.objects.filter(account_id=current_account_id(), user_id__in=seeing).values_list(
            "team_id", flat=True
        )
    )
    return [(word, team) for word, team in sorted(teams_by_word().items()) if team.pk in theirs]


def note(message: Message, ticket: Ticket, by: User) -> list[int]:
    """Mark whom the comment calls, once, never oneself (R-WORK-5), and only who may see the ticket."""
    whom = called(message.text, but=by.pk)
    wanted = {user.pk for user in whom.users} | _members(whom.teams)
    found = sorted(who_may_see(ticket, wanted) - {by.pk}) if wanted else []
    Mention.objects.bulk_create(
        Mention(
            account_id=message.account_id,
            ticket_id=message.ticket_id or 0,
            user_id=user_id,
            message=message,
            created_at=message.created_at,
        )
        for user_id in found
    )
    return found


def _members(teams: Sequence[Team]) -> set[int]:
    if not teams:
        return set()
    found = TeamMember.objects.filter(account_id=current_account_id(), team__in=teams)
    return set(found.values_list("user_id", flat=True))


def who_may_see(ticket: Ticket, only: Collection[int] | None = None) -> set[int]:
    """The users who may see a ticket, or which of `only`: they can be called."""
    return {
        viewer.user_id
        for viewer in policy.viewers_of(ticket.account_id, only)
        if policy.can(viewer, Action.OPEN_HELP_DESK) and policy.visible(viewer, "ticket").reaches(ticket)
    }
