"""Setting the rule of a channel account. Who may do so is for the caller to ask: policy's `routing.edit` (R-ROUTE-10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.routing import agents, matrix, queries, skill_sets, waiting, waitmarks
from deskhand.routing.availability import stored
from deskhand.routing.models import RoutingRule
from deskhand.routing.ringing import Ringing
from deskhand.routing.types import Option, Reroute, Strategy

CHANGED = "routing_rule.changed"
_SHOWN = (
    "option", "strategy", "only_available", "user_ids", "team_ids", "include_extra_members", "include_nested_teams",
    "fallback_user_ids", "fallback_team_ids", "after_workflows", "wait_list", "landing_minutes", "reroute", "skill_rule_set_id", "sticky_hours", "agent_key",
    "hours_zone", "hours_blocks", "ring_all", "ring_seconds", "unanswered_message", "closed_message",
)  # fmt: skip

MOST_STICKY = 24 * 365  # hours
LONGEST_LANDING = 240  # minutes
RING_SECONDS = (5, 120)
MESSAGE = 500  # characters that a caller hears


def set_rule(
    account_id: int,
    channel_account_id: int,
    option: Option,
    *,
    by: Actor,
    kind: str = matrix.EMAIL,
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
    landing_minutes: int = 0,
    reroute: Reroute = Reroute.NEVER,
    skill_rule_set_id: int | None = None,
    sticky_hours: int = 0,
    agent_key: str = "",
    hours: WeeklyHours | None = None,
    ringing: Ringing | None = None,
    now: datetime | None = None,
) -> RoutingRule:
    """Replace the channel's rule; the order of users and teams counts (R-ROUTE-33). Safe to repeat.

    `kind` is the channel's: what it does not offer is refused (R-ROUTE-17). With an automatic agent the fallback is
    asked where it can't answer (R-AI-2). Without `hours` the channel is always open.

    Raises Invalid for a newly chosen user who can't be routed to (R-ROUTE-11), a newly chosen team without anybody
    with a seat (R-ROUTE-19), skill rules that are not there (R-SKILL-10), and an option that lacks its users or teams. Who was chosen earlier may stay, marked
    (R-ROUTE-14).
    """
    ring = ringing or Ringing()
    opens = hours if hours and hours.blocks else None
    chosen: dict[str, Any] = {
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
        "landing_minutes": landing_minutes,
        "reroute": Reroute(reroute),
        "skill_rule_set_id": skill_rule_set_id,
        "sticky_hours": sticky_hours,
        "agent_key": agent_key if option == Option.AI_AGENT else "",
        "hours_zone": opens.zone if opens else "",
        "hours_blocks": stored(opens) if opens else [],
        "ring_all": ring.at_once,
        "ring_seconds": ring.seconds,
        "unanswered_message": ring.unanswered.strip(),
        "closed_message": ring.closed.strip(),
    }
    with account_scope(account_id):
        before = queries.rule_for(account_id, channel_account_id)
        _check_offer(kind, RoutingRule(**chosen))
        _check_agent(option, agent_key, before)
        _check_numbers(sticky_hours, ring)
        _check_landing(landing_minutes, wait_list)
        _check_users(account_id, {*user_ids, *fallback_user_ids}, before)
        _check_teams(account_id, {*team_ids, *fallback_team_ids}, before)
        _check_targets(option, user_ids, team_ids)
        if skill_rule_set_id is not None:
            skill_sets.require(account_id, skill_rule_set_id)
        rule, _created = RoutingRule.objects.update_or_create(
            account_id=account_id,
            channel_account_id=channel_account_id,
            defaults={**chosen, "updated_at": now or clock.now()},
        )
        waitmarks.unmark(waiting.leave_if_not_kept(rule), rule.updated_at)
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
    facts = {name: getattr(rule, name) for name in _SHOWN}
    if facts["ring_seconds"] == Ringing.seconds:  # nothing rings on most channels
        del facts["ring_seconds"]
    return facts


def _check_offer(kind: str, rule: RoutingRule) -> None:
    """R-ROUTE-17"""
    offer = matrix.of(kind)
    rest = [*rule.fallback_user_ids, *rule.fallback_team_ids]
    is_more = bool(rest or rule.wait_list or rule.after_workflows or rule.sticky_hours)
    is_rung = Ringing.of(rule) != Ringing()
    others = ", ".join(one.value for one in offer.options)
    wrong = (
        (rule.option not in offer.options, "option", _("This kind of channel can't assign tickets that way."),
         _("Choose one of: %(options)s.") % {"options": others}),
        (rule.strategy not in offer.strategies, "strategy", _("This kind of channel has no choice of distribution."),
         _("Leave it load balanced.")),
        (not (rule.only_available or offer.has_box), "only_available", _("This kind of channel asks only people who are available."),
         _("Leave the box ticked.")),
        (bool(rule.hours_blocks) and not offer.has_hours, "hours", _("This kind of channel has no hours of its own."),
         _("Leave the hours out.")),
        (is_rung and not offer.rings, "ring_seconds", _("Nobody is rung on this kind of channel."),
         _("Leave out what is about calls.")),
        (is_more and not offer.has_fallback, "fallback_user_ids", _("A call that nobody answers goes to voicemail."),
         _("Leave out whom to ask next, wait-lists and workflows.")),
    )  # fmt: skip
    for is_wrong, field, message, hint in wrong:
        if is_wrong:
            raise Invalid(message, field=field, value=getattr(rule, field, None), hint=hint)


def _check_agent(option: Option, agent_key: str, before: RoutingRule | None) -> None:
    """Who is chosen already may stay, as people do; without the agent the fallback gets the tickets."""
    if (
        option != Option.AI_AGENT
        or agent_key in agents.known
        or (before and agent_key == before.agent_key != "")
    ):
        return
    raise Invalid(
        _("There is no such AI agent."), field="agent_key", value=agent_key[:40],
        hint=_("Choose one that is set up, or assign to people."),
    )  # fmt: skip


def _check_numbers(sticky_hours: int, ringing: Ringing) -> None:
    if not 0 <= sticky_hours <= MOST_STICKY:
        raise Invalid(
            _("This is not a number of hours that can be kept."), field="sticky_hours", value=sticky_hours,
            hint=_("Choose between 0 and %(most)s.") % {"most": MOST_STICKY},
        )  # fmt: skip
    least, most = RING_SECONDS
    if not least <= ringing.seconds <= most:
        raise Invalid(
            _("A phone can't ring for so long."), field="ring_seconds", value=ringing.seconds,
            hint=_("Choose between %(least)s and %(most)s seconds.") % {"least": least, "most": most},
        )  # fmt: skip
    for field, text in (("unanswered_message", ringing.unanswered), ("closed_message", ringing.closed)):
        if len(text.strip()) > MESSAGE:
            raise Invalid(
                _("This message is too long to be heard."), field=field, value=text[:40],
                hint=_("Use at most %(most)s characters.") % {"most": MESSAGE},
            )  # fmt: skip


def _check_landing(minutes: int, wait_list: bool) -> None:
    if not 0 <= minutes <= LONGEST_LANDING:
        raise Invalid(
            _("Nothing can be kept for so long."), field="landing_minutes", value=minutes,
            hint=_("Choose between 0 and %(most)s minutes.") % {"most": LONGEST_LANDING},
        )  # fmt: skip
    if minutes and not wait_list:
        raise Invalid(
            _("Without a wait-list there is nothing to share out in the morning."), field="landing_minutes", value=minutes,
            hint=_("Keep a wait-list, or choose 0."),
        )  # fmt: skip


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
