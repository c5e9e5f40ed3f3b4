"""Setting the rule of a channel account. Who may do so is for the caller to ask: policy's `routing.edit` (R-ROUTE-10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.routing import queries, waiting
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Option, Reroute, Strategy

CHANGED = "routing_rule.changed"
_SHOWN = (
    "option", "strategy", "only_available", "user_ids", "team_ids", "include_extra_members", "include_nested_teams",
    "fallback_user_ids", "fallback_team_ids", "after_workflows", "wait_list", "reroute",
)  # fmt: skip


def set_rule(
    account_id: int,
    channel_account_id: int,
    option: Option,
    *,
    by: Actor,
    strategy: Strategy = Strategy.LOAD_BALANCED,
    only_available: bool = True,
    user_ids: Sequence[int] = (),
    team_ids: Sequence[int] = (),
    include_extra_members: bool = False,
    include_nested_teams: bool = False,
    fallback_user_ids: Sequence[int] = (),
    fallback_team_ids: Sequence[int] = (),
    after_workflows: bool = False,
    wait_list: bool = False,
    reroute: Reroute = Reroute.NEVER,
    now: datetime | None = None,
) -> RoutingRule:
    """Replace the channel's rule; the order of users and teams counts (R-ROUTE-33). Safe to repeat.

    Raises Invalid for a newly chosen user who can't be routed to (R-ROUTE-11), a newly chosen team without anybody
    with a seat (R-ROUTE-19), and an option that lacks its users or teams. Who was chosen earlier may stay, marked
    (R-ROUTE-14).
    """
    with account_scope(account_id):
        before = queries.rule_for(account_id, channel_account_id)
        _check_users(account_id, {*user_ids, *fallback_user_ids}, before)
        _check_teams(account_id, {*team_ids, *fallback_team_ids}, before)
        _check_targets(option, user_ids, team_ids)
        rule, _created = RoutingRule.objects.update_or_create(
            account_id=account_id,
            channel_account_id=channel_account_id,
            defaults={
                "option": Option(option),
                "strategy": Strategy(strategy),
                "only_available": only_available,
                "user_ids": list(dict.fromkeys(user_ids)),
                "team_ids": list(dict.fromkeys(team_ids)),
                "include_extra_members": include_extra_members,
                "include_nested_teams": include_nested_teams,
                "fallback_user_ids": list(dict.fromkeys(fallback_user_ids)),
                "fallback_team_ids": list(dict.fromkeys(fallback_team_ids)),
                "after_workflows": after_workflows,
                "wait_list": wait_list,
                "reroute": Reroute(reroute),
                "updated_at": now or clock.now(),
            },
        )
        waiting.leave_if_not_kept(rule)
        audit.record(
            CHANGED,
            by=by,
            target_type="channel_account",
            target_id=channel_account_id,
            before=_facts(before) if before else {},
            after=_facts(rule),
        )
        return rule


def _facts(rule: RoutingRule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in _SHOWN}


def _check_users(account_id: int, user_ids: Collection[int], before: RoutingRule | None) -> None:
    chosen = {*before.user_ids, *before.fallback_user_ids} if before else set()
    unfit = queries.unfit(account_id, sorted(set(user_ids) - chosen))
    if unfit:
        raise Invalid(
            _("Only active users with a seat and access to tickets can be given tickets."),
            field="user_ids",
            value=sorted(unfit),
            hint=_("Give them a seat first, or choose somebody else."),
        )


def _check_teams(account_id: int, team_ids: Collection[int], before: RoutingRule | None) -> None:
    chosen = {*before.team_ids, *before.fallback_team_ids} if before else set()
    fit = {team.pk for team in queries.selectable_teams(account_id)}
    wrong = set(team_ids) - chosen - fit
    if wrong:
        raise Invalid(
            _("A team can be chosen once one of its members has a seat."),
            field="team_ids",
            value=sorted(wrong),
            hint=_("Give a member a seat first, or choose another team."),
        )


def _check_targets(option: Option, user_ids: Collection[int], team_ids: Collection[int]) -> None:
    if option is Option.USERS_AND_TEAMS and not (user_ids or team_ids):
        raise Invalid(
            _("Choose the users or teams to assign to."), field="user_ids", hint=_("Choose at least one.")
        )
    if option is Option.TEAMS and not team_ids:
        raise Invalid(_("Choose the teams to assign to."), field="team_ids", hint=_("Choose at least one."))
