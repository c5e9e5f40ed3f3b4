"""The form of a channel's routing rule: read what was typed, and show it with those who can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import plans
from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.desk.models import ChannelAccount
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.routing import agents, explain, matrix, queries, skill_sets
from deskhand.routing.matrix import Offer
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Drop, Option, Reroute, Strategy
from deskhand.web.asked import number
from deskhand.web.channels import calls, rows
from deskhand.web.channels.rows import Check, Input, RuleForm, Target, Targets
from deskhand.web.choices import Choice, offered
from deskhand.web.hours import week
from deskhand.web.refusals import words_of
from deskhand.web.shell import Person

OPTIONS = {
    Option.NONE: gettext_lazy("New tickets wait in Unassigned until somebody takes them."),
    Option.USERS_AND_TEAMS: gettext_lazy("Each new ticket goes to one of the people chosen below."),
    Option.TEAMS: gettext_lazy("New tickets go to teams, without an owner; whoever is free takes them."),
    Option.CONTACT_OWNER: gettext_lazy("The owner of the contact who writes gets the ticket."),
    Option.AI_AGENT: gettext_lazy("An AI agent answers; people get what it can't answer."),
}
#: Where a channel's own words say it better.
OF_KINDS = {
    (matrix.CALLING, Option.NONE): gettext_lazy("Nobody is rung: callers may leave a message."),
    (matrix.CALLING, Option.USERS_AND_TEAMS): gettext_lazy("The people chosen below are rung; who answers gets the ticket."),
    (matrix.FORM, Option.CONTACT_OWNER): gettext_lazy("The owner of the contact gets the ticket; if they are away, they get it by email."),
    (matrix.PORTAL, Option.CONTACT_OWNER): gettext_lazy("The owner of the contact gets the ticket; if they are away, they get it by email."),
}  # fmt: skip
STRATEGIES = {
    Strategy.LOAD_BALANCED: gettext_lazy("Who has the fewest open tickets gets the next one."),
    Strategy.ROUND_ROBIN: gettext_lazy("Everybody gets one before anybody gets a second one."),
    Strategy.RANDOM: gettext_lazy("Drawn by lot each time."),
}
REROUTE = {
    Reroute.NEVER: gettext_lazy("Their open tickets stay with them"),
    Reroute.ON_REPLY: gettext_lazy("Their open tickets go to others when the customer writes again"),
    Reroute.AT_ONCE: gettext_lazy("Their open tickets go to others at once"),
}
LISTS = ("team_ids", "user_ids", "fallback_team_ids", "fallback_user_ids")
FLAGS = ("only_available", "include_extra_members", "include_nested_teams", "wait_list", "after_workflows")
UP = "up"  # a button's name: "user_ids:7" stands one place higher then


@dataclass(frozen=True)
class Typed:
    """A rule as it stands in the form; lists in their order."""

    option: str
    strategy: str
    reroute: str
    lists: dict[str, list[int]]
    flags: dict[str, bool]
    skill_rules: str = ""  # the set that is followed; empty: none
    agent_key: str = ""
    sticky_hours: str = "0"
    landing_minutes: str = "0"
    calls: calls.Typed = field(default_factory=calls.Typed)

    def values(self, offer: Offer) -> dict[str, Any]:
        """For `rules.set_rule`. What the channel does not offer is not asked for; raises Invalid for a choice that there is not."""
        chosen: dict[str, Any] = {
            "option": _one_of(Option, "option", self.option),
            "strategy": _one_of(Strategy, "strategy", self.strategy or Strategy.LOAD_BALANCED),
            "reroute": _one_of(Reroute, "reroute", self.reroute or Reroute.NEVER),
        }
        rule_set = _number("skill_rule_set_id", self.skill_rules) if self.skill_rules else None
        chosen |= {"skill_rule_set_id": rule_set}
        chosen |= {"hours": self.calls.hours()} if offer.has_hours else {}
        chosen |= {"ringing": self.calls.ringing()} if offer.rings else {}
        if not offer.has_fallback:
            lists = {name: ids for name, ids in self.lists.items() if not name.startswith("fallback")}
            flags = {name: self.flags[name] for name in ("include_extra_members", "include_nested_teams")}
            return {**chosen, **lists, **flags}
        flags = self.flags if offer.has_box else {**self.flags, "only_available": True}
        more = {"agent_key": self.agent_key, "sticky_hours": number(self.sticky_hours or "0", "sticky_hours")}
        landing = number(self.landing_minutes or "0", "landing_minutes")
        more["landing_minutes"] = landing if self.flags["wait_list"] else 0
        return {**chosen, **more, **self.lists, **flags}


def of_rule(rule: RoutingRule | None, zone: str) -> Typed:
    """`zone` is the account's."""
    kept = rule or RoutingRule()
    return Typed(
        str(kept.option), str(kept.strategy), str(kept.reroute), {name: list(getattr(kept, name)) for name in LISTS},
        {name: bool(getattr(kept, name)) for name in FLAGS}, str(kept.skill_rule_set_id or ""), kept.agent_key,
        str(kept.sticky_hours), str(kept.landing_minutes), calls.of_kept(kept, zone),
    )  # fmt: skip


def of_post(posted: QueryDict, kept: RoutingRule | None) -> Typed:
    """What the form did not show stays as it is kept. Raises Invalid for what is no number."""
    lists = {name: [_number(name, text) for text in posted.getlist(name)] for name in LISTS}
    flags = {name: posted.get(name) == "1" for name in FLAGS}
    one = {name: posted.get(name, "") for name in ("option", "strategy", "reroute")}
    rule_set = str(kept.skill_rule_set_id or "") if kept else ""
    more = (
        posted.get("skill_rule_set_id", rule_set), posted.get("agent_key", "")[:80], posted.get("sticky_hours", "").strip(),
        posted.get("landing_minutes", "").strip(),
        calls.of_post(posted),
    )  # fmt: skip
    return Typed(one["option"], one["strategy"], one["reroute"], lists, flags, *more)


def with_week(typed: Typed, posted: QueryDict) -> Typed | None:
    """The form after one of the buttons among its hours; None when it is to be saved."""
    changed = week.changed(typed.calls.week, posted) if typed.calls.week else None
    return replace(typed, calls=replace(typed.calls, week=changed)) if changed else None


def moved_up(typed: Typed, what: str) -> Typed:
    """The order counts (R-ROUTE-33). What is not there, or first already, changes nothing."""
    name, _colon, text = what.partition(":")
    ids = list(typed.lists.get(name, ()))
    number = whole(text)
    place = ids.index(number) if number in ids else 0
    if place:
        ids[place - 1], ids[place] = ids[place], ids[place - 1]
    return replace(typed, lists={**typed.lists, name: ids}) if name in typed.lists else typed


def form(
    channel: ChannelAccount, typed: Typed, *, refusal: Invalid | None = None, notice: str = ""
) -> RuleForm:
    offer = matrix.of(channel.channel)
    users, teams = _People(channel.account_id, typed), _Teams(channel.account_id)
    wrong = refusal.field if refusal else ""
    error = words_of(refusal) if refusal else ""
    in_list = wrong if wrong in ("user_ids", "team_ids") else ""
    numbers = tuple(_with_error(one, wrong, error) for one in _numbers(typed)) if offer.has_fallback else ()
    hours = calls.hours_part(typed.calls, offer.rings, refusal) if offer.has_hours else None
    ringing = calls.ringing_part(typed.calls) if offer.rings else None
    if ringing:
        ringing = replace(ringing, inputs=tuple(_with_error(one, wrong, error) for one in ringing.inputs))
    is_shown = any(one.error for one in numbers + (ringing.inputs if ringing else ()))
    is_shown = (
        is_shown
        or bool(in_list)
        or (hours is not None and (bool(hours.week.zone_error) or any(day.error for day in hours.week.days)))
    )
    return RuleForm(
        reverse("channel-routing", args=[channel.pk]),
        tuple(_option(channel.channel, one, typed) for one in OPTIONS if one in matrix.shown(channel.channel)),
        tuple(
            rows.Option(one.value, str(explain.STRATEGIES[one]), str(text), one == typed.strategy)
            for one, text in STRATEGIES.items() if offer.has_distribution
        ),
        tuple(Choice(one.value, str(text), one == typed.reroute) for one, text in REROUTE.items()),
        Targets("team_ids", _("Teams"), teams.listed(typed.lists["team_ids"]), error if in_list == "team_ids" else ""),
        Targets("user_ids", _("People"), users.listed(typed.lists["user_ids"]), error if in_list == "user_ids" else ""),
        Targets("fallback_team_ids", _("Teams"), teams.listed(typed.lists["fallback_team_ids"])),
        Targets("fallback_user_ids", _("People"), users.listed(typed.lists["fallback_user_ids"])),
        Check(
            "only_available", _("Available people only"),
            _("Who is away or out of office is passed over. When all are, the ticket stays unassigned."), typed.flags["only_available"],
        ) if offer.has_box else None,
        _checks(typed, offer), offer.has_fallback, _agents(offer, typed), numbers, hours, ringing,
        "" if is_shown else error, notice or _gone_teams(channel), _skill_rules(channel, typed),
    )  # fmt: skip


def _option(kind: str, one: Option, typed: Typed) -> rows.Option:
    return rows.Option(
        one.value,
        str(explain.OPTIONS[one]),
        str(OF_KINDS.get((kind, one), OPTIONS[one])),
        one == typed.option,
    )


def _agents(offer: Offer, typed: Typed) -> tuple[Choice, ...]:
    """Those that are there; the one that was chosen earlier stays in sight (R-AI-1)."""
    if Option.AI_AGENT not in offer.options or not agents.known:
        return ()
    found = [Choice(key, one.name, key == typed.agent_key) for key, one in agents.known.items()]
    if typed.agent_key and typed.agent_key not in agents.known:
        found.append(
            Choice(typed.agent_key, _("%(name)s, no longer there") % {"name": typed.agent_key}, True)
        )
    return tuple(found)


def _numbers(typed: Typed) -> tuple[Input, ...]:
    return (
        Input(
            "landing_minutes", _("Share out before the day begins, minutes"), "number", typed.landing_minutes,
            _("What waits is shared out among who is there and whose hours begin within so many minutes, and kept for them until then; urgent tickets are not. 0: who comes first gets it."),
        ),
        Input(
            "sticky_hours", _("Same agent within hours"), "number", typed.sticky_hours,
            _("Who had to do with a contact in so many hours gets the contact's new tickets first. 0: nobody does."),
        ),
    )  # fmt: skip


def _with_error(one: Input, wrong: str, error: str) -> Input:
    return replace(one, error=error) if one.name == wrong else one


def _checks(typed: Typed, offer: Offer) -> tuple[Check, ...]:
    told = (
        ("wait_list", _("Keep a wait-list"), _("What nobody could take goes to the first who becomes available, the most urgent and oldest first.")),
        ("include_extra_members", _("Extra members too"), _("Otherwise only people whose main team it is get tickets through a team.")),
        ("include_nested_teams", _("Nested teams too"), _("The teams below a chosen team count as chosen.")),
        ("after_workflows", _("Workflows first"), _("Workflows may set the owner; routing fills in what they leave empty.")),
    )  # fmt: skip
    names = ("include_extra_members", "include_nested_teams") if not offer.has_fallback else FLAGS
    return tuple(Check(name, label, text, typed.flags[name]) for name, label, text in told if name in names)


def _skill_rules(channel: ChannelAccount, typed: Typed) -> tuple[Choice, ...]:
    """R-SKILL-10; nothing to choose from where the plan has no skills, or there are no rules."""
    has_skills = not matrix.of(channel.channel).rings and Feature.SKILLS in plans.features_of(
        channel.account_id
    )
    found = [(str(one.pk), one.name) for one in skill_sets.sets(channel.account_id)] if has_skills else []
    return offered([("", _("No skill rules")), *found], typed.skill_rules) if found else ()


def _gone_teams(channel: ChannelAccount) -> str:
    """R-TEAM-5"""
    count = queries.deleted_teams(channel.account_id, [channel.pk]).get(channel.pk, 0)
    if not count:
        return ""
    return ngettext(
        "%(num)s team of this rule was deleted. Save the rule to leave it out.",
        "%(num)s teams of this rule were deleted. Save the rule to leave them out.",
        count,
    ) % {"num": count}


class _People:
    """Who can be given tickets, and those chosen earlier who no longer can (R-ROUTE-11, R-ROUTE-14)."""

    def __init__(self, account_id: int, typed: Typed) -> None:
        chosen = {*typed.lists["user_ids"], *typed.lists["fallback_user_ids"]}
        seated = [member.user_id for member in people.seated_members(account_id)]
        self._unfit = queries.unfit(account_id, sorted({*seated, *chosen}))
        self._fit = [user_id for user_id in seated if user_id not in self._unfit]
        self._names = people.names_of({*self._fit, *chosen})

    def listed(self, chosen: Sequence[int]) -> tuple[Target, ...]:
        rest = [user_id for user_id in self._fit if user_id not in chosen]
        known = [user_id for user_id in dict.fromkeys((*chosen, *rest)) if user_id in self._names]
        return tuple(self._target(user_id, user_id in chosen) for user_id in known)

    def _target(self, user_id: int, is_chosen: bool) -> Target:
        drop: Drop | None = self._unfit.get(user_id)
        note = _("Is passed over: %(reason)s") % {"reason": explain.DROPS[drop]} if drop else ""
        return Target(str(user_id), self._names[user_id], is_chosen, Person.named(self._names[user_id]), note, drop is not None)  # fmt: skip


class _Teams:
    """Teams that somebody with a seat is in, and those chosen earlier (R-ROUTE-19)."""

    def __init__(self, account_id: int) -> None:
        self._all = {team.id: team for team in people.teams(account_id)}
        self._fit = [team.pk for team in queries.selectable_teams(account_id)]

    def listed(self, chosen: Sequence[int]) -> tuple[Target, ...]:
        rest = [team_id for team_id in self._fit if team_id not in chosen]
        known = [team_id for team_id in dict.fromkeys((*chosen, *rest)) if team_id in self._all]
        return tuple(self._target(team_id, team_id in chosen) for team_id in known)

    def _target(self, team_id: int, is_chosen: bool) -> Target:
        team = self._all[team_id]
        if team_id not in self._fit:
            return Target(
                str(team_id), team.name, is_chosen, None, _("Is passed over: nobody in it has a seat"), True
            )
        count = len(team.seated_user_ids)
        note = ngettext("%(num)s person with a seat", "%(num)s people with a seat", count) % {"num": count}
        return Target(str(team_id), team.name, is_chosen, None, note)


def _number(field: str, text: str) -> int:
    if (found := whole(text)) is None:
        raise Invalid(_("This choice is not there any more."), field=field, value=text[:40])
    return found


def _one_of(kind: Any, field: str, text: str) -> Any:
    if text not in set(kind):
        raise Invalid(_("This choice is not there any more."), field=field, value=text[:40])
    return kind(text)
