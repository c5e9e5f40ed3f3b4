"""Users, roles and teams (api.md §3.4): as on the pages of the settings, for who may open those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse

from deskhand.accounts import invitations, policy, queries, teams, users
from deskhand.accounts.models import Membership
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Person, RoleRow, Standing
from deskhand.api import pages, refusals
from deskhand.api.operations import Call, operation
from deskhand.api.people.owners import names
from deskhand.api.people.shapes import NewUser, RoleList, TeamList, UserChanges, UserPage, UserShown
from deskhand.api.refusals import Refusal
from deskhand.api.shapes import without_nothing
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import one_line, whole

MOST = 500
_LIST, _ONE = "/settings/users", "/settings/users/{userId}"


def _reads(_parts: Any) -> set[str]:
    return {"settings.users.read", "settings.users.write"}


def _writes(_parts: Any) -> set[str]:
    return {"settings.users.write"}


@operation("GET", _LIST, needs=_reads, gives={200: UserPage}, asks=("limit", "after"))
def listed(call: Call) -> Any:
    """Who is in the account or invited to it, by their number."""
    policy.require(call.viewer, Action.EDIT_USERS)
    limit, after, account_id = (
        pages.limit(call, default=100, most=MOST),
        pages.after(call),
        call.viewer.account_id,
    )
    some = queries.people_here(account_id, after=after, limit=limit + 1)
    last = some[limit - 1].member.user_id if len(some) > limit else None
    return without_nothing(results=[_shown(one) for one in some[:limit]], paging=pages.following(call, last))


@operation("POST", _LIST, needs=_writes, takes=NewUser, gives={201: UserShown})
def create(call: Call) -> Any:
    """Invite somebody. Without a role they are an agent; without a mail they join when one is sent from the settings."""
    policy.require(call.viewer, Action.EDIT_USERS)
    body: NewUser = call.body
    role = _role(call, body.role_id) if body.role_id else _usual(call)
    main, extra = _teams(call, body.primary_team_id), _several(call, body.secondary_team_ids or ())
    email = users.canonical_email(body.email)
    given = " ".join(one for one in (body.first_name, body.last_name) if one)
    made = invitations.invite(
        call.viewer.account_id,
        email=email,
        name=given if one_line(given) else email.partition("@")[0],
        link=_link if body.send_welcome_email else None,
        has_seat=role.key != "light_agent",
        role_id=role.id,
        main_team_id=main,
        extra_team_ids=extra,
        by=call.by,
    )
    return _shown(queries.person(call.viewer.account_id, made.user_id))


@operation("GET", _ONE, needs=_reads, gives={200: UserShown}, asks=("idProperty",))
def read(call: Call) -> Any:
    """One user, by number or by e-mail address."""
    return _shown(_person(call))


@operation("PUT", _ONE, needs=_writes, takes=UserChanges, gives={200: UserShown}, asks=("idProperty",))
def update(call: Call) -> Any:
    """Change role and teams; what is not sent stays."""
    person, body, account_id = _changeable(call), call.body, call.viewer.account_id
    user_id, given = person.member.user_id, body.model_fields_set
    if body.role_id and body.role_id != str(person.role_id):
        users.set_role(account_id, user_id, role_id=_role(call, body.role_id).id, by=call.by)
    if given & {"primary_team_id", "secondary_team_ids"}:
        main, extra = person.member.main_team_id, list(person.member.extra_team_ids)
        if "primary_team_id" in given:
            main = _teams(call, body.primary_team_id)
        if "secondary_team_ids" in given:
            extra = _several(call, body.secondary_team_ids or ())
        elif main in extra:
            extra.remove(main)
        teams.set_teams_of(account_id, user_id, main_id=main, extra_ids=extra, by=call.by)
    return _shown(queries.person(account_id, user_id))


@operation("DELETE", _ONE, needs=_writes, gives={204: None}, asks=("idProperty",))
def delete(call: Call) -> None:
    """Shut somebody out of the account; their records stay theirs. An invitation is withdrawn."""
    person, account_id = _changeable(call), call.viewer.account_id
    user_id = person.member.user_id
    if person.standing is Standing.INVITED:
        invitations.withdraw(account_id, user_id, by=call.by)
        return
    if user_id == call.viewer.user_id:
        raise Forbidden("You can't deactivate yourself; another administrator can.")
    users.deactivate(account_id, user_id, by=call.by)


@operation("GET", f"{_LIST}/roles", needs=_reads, gives={200: RoleList})
def roles(call: Call) -> Any:
    """The account's roles."""
    policy.require(call.viewer, Action.EDIT_USERS)
    return {
        "results": [
            {"id": str(one.id), "name": one.name, "requiresBillingWrite": False}
            for one in queries.roles(call.viewer.account_id)
        ]
    }


@operation("GET", f"{_LIST}/teams", needs=_reads, gives={200: TeamList})
def all_teams(call: Call) -> Any:
    """The account's teams, with who is a main member and who an extra one."""
    policy.require(call.viewer, Action.EDIT_USERS)
    return {
        "results": [
            {
                "id": str(one.id),
                "name": one.name,
                "userIds": [str(pk) for pk in one.main_user_ids],
                "secondaryUserIds": [str(pk) for pk in one.extra_user_ids],
            }
            for one in queries.teams(call.viewer.account_id)
        ]
    }


# ── who is meant, and what may be given ──────────────────────────────────────────────────────────────────────────────


def _person(call: Call) -> Person:
    """Who is here or invited; who was shut out is not there. Raises Forbidden, and Refusal."""
    policy.require(call.viewer, Action.EDIT_USERS)
    by, given = call.query.get("idProperty", "USER_ID").upper(), call.parts["userId"]
    if by not in ("USER_ID", "EMAIL"):
        raise refusals.bad(
            f"idProperty is {by[:80]!r}; it must be USER_ID or EMAIL.", context={"parameter": ["idProperty"]}
        )
    if by == "EMAIL":
        members = Membership.objects.filter(
            account_id=call.viewer.account_id, user__email=one_line(given).lower()
        )
        user_id = members.values_list("user_id", flat=True).first()
    else:
        user_id = whole(given)
    try:
        person = queries.person(call.viewer.account_id, user_id or 0)
    except NotFound:
        raise _nobody(given) from None
    if person.standing is Standing.DEACTIVATED:
        raise _nobody(given)
    return person


def _nobody(given: str) -> Refusal:
    return refusals.missing("There is no such user.", context={"userId": [given[:80]]})


def _changeable(call: Call) -> Person:
    person = _person(call)
    if person.member.is_super_admin:
        policy.require(call.viewer, Action.EDIT_SUPER_ADMINS)
    return person


def _usual(call: Call) -> RoleRow:
    for one in queries.roles(call.viewer.account_id):
        if one.key == "agent" and policy.may_give(call.viewer, one.permissions):
            return one
    raise Invalid(
        "Say which role they have.", field="roleId", hint="GET /settings/v3/users/roles lists them."
    )


def _role(call: Call, given: str) -> RoleRow:
    """Nobody gives away more than they have. Raises Invalid, Forbidden."""
    found = {str(one.id): one for one in queries.roles(call.viewer.account_id)}.get(given)
    if found is None:
        raise Invalid(
            f"There is no role {given[:80]!r}.", field="roleId", value=given,
            hint="GET /settings/v3/users/roles lists them.",
        )  # fmt: skip
    if not policy.may_give(call.viewer, found.permissions):
        raise Forbidden("This role allows more than you may do, so you can't give it.")
    return found


def _teams(call: Call, given: str | None) -> int | None:
    return _several(call, [given])[0] if given else None


def _several(call: Call, given: Sequence[str]) -> list[int]:
    """Raises Invalid."""
    known = {str(one.id): one.id for one in queries.teams(call.viewer.account_id)} if given else {}
    strange = next((one for one in given if one not in known), None)
    if strange is not None:
        raise Invalid(
            f"There is no team {strange[:80]!r}.", field="teamIds", value=strange,
            hint="GET /settings/v3/users/teams lists them.",
        )  # fmt: skip
    return list(dict.fromkeys(known[one] for one in given))


def _link(member_id: int, signature: str) -> str:
    """As in the mails that pages send: on the host that is configured."""
    return settings.SITE_URL + reverse("invitation", args=[member_id, signature])


def _shown(person: Person) -> dict[str, Any]:
    member = person.member
    first, last = (None, None) if person.standing is Standing.INVITED else names(member.name)
    role = None if person.role_id is None else str(person.role_id)
    return without_nothing(
        id=str(member.user_id),
        email=member.email,
        firstName=first,
        lastName=last,
        roleId=role,
        roleIds=[role] if role else [],
        primaryTeamId=str(member.main_team_id) if member.main_team_id else None,
        secondaryTeamIds=[str(pk) for pk in member.extra_team_ids],
        superAdmin=member.is_super_admin,
    )
