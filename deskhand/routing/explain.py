"""Why this agent, and why nobody: a kept decision in words (R-ROUTE-70).

What stands in no column (loads, the tie and how it was broken) is worked out again from what the batch started from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import cached_property

from babel.dates import format_time
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts.models import Team, User
from deskhand.kernel import clock
from deskhand.kernel.locales import day, listed, of_reader
from deskhand.routing import assign, loads, replaying, ringing, strategies, waiting
from deskhand.routing.decision import FALLBACK, Draft, Pool, Step
from deskhand.routing.models import Decision
from deskhand.routing.replaying import Replay
from deskhand.routing.strategies import Room
from deskhand.routing.types import Candidate, Drop, Left, Option, Reason, Strategy

NAMES_SHOWN = 5

OPTIONS = {
    Option.NONE: gettext_lazy("Leave unassigned"),
    Option.USERS_AND_TEAMS: gettext_lazy("Specific users and teams"),
    Option.TEAMS: gettext_lazy("Teams only"),
    Option.CONTACT_OWNER: gettext_lazy("Contact owner"),
    Option.AI_AGENT: gettext_lazy("AI agent first"),
}
STRATEGIES = {
    Strategy.LOAD_BALANCED: gettext_lazy("Load balanced"),
    Strategy.ROUND_ROBIN: gettext_lazy("Round robin"),
    Strategy.RANDOM: gettext_lazy("Random"),
}
DROPS = {
    Drop.GONE: gettext_lazy("no longer in this account"),
    Drop.INACTIVE: gettext_lazy("deactivated"),
    Drop.NO_SEAT: gettext_lazy("has no seat"),
    Drop.NO_ACCESS: gettext_lazy("may not see tickets"),
    Drop.EXTRA_MEMBER: gettext_lazy("only an extra member of the team"),
    Drop.AWAY: gettext_lazy("away"),
    Drop.FULL: gettext_lazy("has as many tickets as they may be given"),
}
REROUTED = {
    Left.AWAY: gettext_lazy("Re-routed because %(name)s went away."),
    Left.OUT_OF_OFFICE: gettext_lazy("Re-routed because %(name)s is out of office."),
    Left.DEACTIVATED: gettext_lazy("Re-routed because %(name)s was deactivated."),
    Left.UNABLE: gettext_lazy("Re-routed because %(name)s can't own tickets any more."),
}
KEPT = {
    Left.AWAY: gettext_lazy("Stays with %(name)s, who went away: nobody else could take it."),
    Left.OUT_OF_OFFICE: gettext_lazy("Stays with %(name)s, who is out of office: nobody else could take it."),
    Left.DEACTIVATED: gettext_lazy("Stays with %(name)s, who was deactivated: nobody else could take it."),
    Left.UNABLE: gettext_lazy(
        "Stays with %(name)s, who can't own tickets any more: nobody else could take it."
    ),
}


@dataclass(frozen=True)
class Passed:
    """Somebody who was passed over, and why in words."""

    user_id: int
    name: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    """`details` are (label, value) pairs."""

    headline: str
    at: datetime
    details: tuple[tuple[str, str], ...] = ()
    dropped: tuple[Passed, ...] = ()


def explain(decision: Decision) -> Explanation:
    """Tell the decision in the language in use. A fixed number of queries."""
    pools = replaying.pools_of(decision)
    replayed = replaying.replay(decision) if decision.batch_id else None
    of_decision = {user_id for user_id in (decision.user_id, decision.left_user_id) if user_id}
    names = _named(_people(pools) | of_decision)
    full = _full(decision, replayed, names) if replayed else ()
    choice = _Choice.of(decision, replayed)
    details = tuple(_details(decision, pools, replayed, choice, names))
    if decision.user_id is None and (nearest := _nearest(decision, pools, replayed, names)):
        details = (*details, (_("What would have helped"), nearest))
    headline = _headline(decision, pools, choice, names, bool(full))
    return Explanation(headline, decision.at, details, (*_dropped(pools, names), *full))


def _dropped(pools: Sequence[Pool], names: _Names) -> tuple[Passed, ...]:
    """Each once, however many pools they stood in."""
    found = {user_id: drop for pool in pools for user_id, drop in pool.sifted.dropped}
    return tuple(Passed(user_id, names[user_id], str(DROPS[drop])) for user_id, drop in found.items())


def _full(decision: Decision, replayed: Replay, names: _Names) -> tuple[Passed, ...]:
    """Who had no room for it, with what they had (R-CAP-6)."""
    return _without_room(replayed.full, replayed.room, replayed.ticket_type, _points(decision), names)


def _without_room(
    user_ids: Iterable[int], room: Room, ticket_type: str, points: int | None, names: _Names
) -> tuple[Passed, ...]:
    return tuple(Passed(pk, names[pk], _filled(*room.standing(pk, ticket_type), points)) for pk in user_ids)


def _points(decision: Decision) -> int | None:
    """What the ticket counted, where tickets were weighed."""
    return decision.points if decision.batch is not None and decision.batch.weighs else None


def _filled(held: int, limit: int | None, points: int | None) -> str:
    facts = {"held": held, "limit": limit, "points": points}
    if points is None:
        return _("full: %(held)s of %(limit)s") % facts
    return _("no room: %(held)s of %(limit)s points are taken, and this ticket counts %(points)s") % facts


@dataclass(frozen=True)
class Foreseen:
    """Who would get the next ticket, and why. `takers` are (user id, name, open tickets) in the rule's order; where the
    account `weighs` tickets, their points instead. A lot says nobody's name before it is drawn."""

    headline: str
    user_id: int | None
    takers: tuple[tuple[int, str, int], ...] = ()
    dropped: tuple[Passed, ...] = ()
    weighs: bool = False


def foresee(
    account_id: int, channel_account_id: int, now: datetime, ticket_type: str = loads.MAIL
) -> Foreseen:
    """Tell what would become of a new ticket at this moment. A fixed number of queries."""
    draft, ledger, room, weighs = assign.foresee(account_id, channel_account_id, now, ticket_type)
    pools = list(draft.pools)
    names = _named(_people(pools))
    last = pools[-1].sifted.eligible if pools else ()
    able = [user_id for user_id in last if room.fits(user_id, ticket_type, draft.ticket.points)]
    eligible = dict.fromkeys(user_id for pool in pools for user_id in pool.sifted.eligible)
    full = [user_id for user_id in eligible if user_id not in able]
    points = draft.ticket.points if weighs else None
    passed = (*_dropped(pools, names), *_without_room(full, room, ticket_type, points, names))
    candidates = strategies.candidates(able, ledger, room)
    takers = tuple((one.user_id, names[one.user_id], one.load) for one in candidates)
    chosen = next((one for one in candidates if one.user_id == draft.user_id), None)
    choice = _Choice(tuple(candidates), chosen, weighs) if chosen else None
    is_by_lot = len(candidates) > 1 and pools[-1].strategy is Strategy.RANDOM
    user_id = None if is_by_lot else draft.user_id
    return Foreseen(_would(draft, pools, choice, names, bool(full)), user_id, takers, passed, weighs)


def foresee_call(account_id: int, channel_account_id: int, now: datetime) -> Foreseen:
    """Tell whom a call would ring at this moment, in their order. A fixed number of queries."""
    plan = ringing.of_call(account_id, channel_account_id, (), now)
    rung = [user_id for ring in plan.rings for user_id in ring.user_ids]
    ledgers, _held = loads.present(account_id, rung, now, ticket_types=[ringing.CALL])
    names = _named({*rung, *(user_id for user_id, _drop in plan.dropped)})
    takers = tuple((pk, names[pk], ledgers[ringing.CALL].loads.get(pk, 0)) for pk in rung)
    passed = tuple(Passed(pk, names[pk], str(DROPS[drop])) for pk, drop in plan.dropped if drop)
    return Foreseen(_would_ring(plan, names), rung[0] if rung else None, takers, passed)


def _would_ring(plan: ringing.Plan, names: _Names) -> str:
    if not plan.is_open:
        return _("Nobody would be rung: the channel is closed at this hour.")
    if not plan.rings:
        return _("Nobody would be rung: the caller may leave a message.")
    first = plan.rings[0].user_ids
    if len(first) > 1:
        return _("All of them would be rung at once.")
    return _("%(name)s would be rung first.") % {"name": names[first[0]]}


def _would(draft: Draft, pools: list[Pool], choice: _Choice | None, names: _Names, is_full: bool) -> str:
    match draft.reason:
        case Reason.ASSIGNED:
            return _who_would(pools[-1], choice) % {"name": names[draft.user_id or 0]}
        case Reason.NO_RULE | Reason.OPTION_NONE:
            return _("Nobody would get it: new tickets stay unassigned.")
        case Reason.TEAMS_ONLY:
            count = len(draft.team_ids)
            return ngettext(
                "It would go to the team, without an owner.",
                "It would go to the teams, without an owner.",
                count,
            )
        case Reason.NO_CONTACT_OWNER:
            return _("It would go to the owner of the contact who writes; without one, to nobody.")
        case Reason.EMPTY_POOL:
            return _("Nobody would get it: there is nobody left in the rule.")
        case Reason.AI_AGENT:
            return _("It would go to the AI agent, which answers first.")
        case Reason.CLOSED:
            return _("Nobody would get it: the channel is closed at this hour.")
        case _:
            if is_full:
                return _("Nobody would get it: nobody who is there has room for it.")
            if _are_away(pools):
                return _("Nobody would get it: everybody in the rule is away.")
            return _("Nobody would get it: nobody in the rule can take it.")


def _who_would(pool: Pool, choice: _Choice | None) -> str:
    if choice is None or len(choice.candidates) == 1:
        return _("%(name)s would get it, the only one who can take it.")
    match pool.strategy:
        case Strategy.LOAD_BALANCED:
            return str(_WOULD[choice.decided_by])
        case Strategy.ROUND_ROBIN:
            return _("%(name)s would get it, whose turn it is.")
        case Strategy.RANDOM:
            return _("One of those who can take it would get it, drawn at random.")


# -- What decided -------------------------------------------------------------------------------------------------


class _By(Enum):
    """What told the chosen one from the next (R-ROUTE-30, R-ROUTE-31, R-SKILL-15)."""

    TICKETS = auto()
    POINTS = auto()
    TICKETS_AND_SHARE = auto()
    POINTS_AND_SHARE = auto()
    LANGUAGE = auto()
    TURN = auto()
    ORDER = auto()


@dataclass(frozen=True)
class _Choice:
    """Among whom somebody was chosen."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    weighs: bool

    @classmethod
    def of(cls, decision: Decision, replayed: Replay | None) -> _Choice | None:
        if replayed is None or replayed.chosen is None:
            return None
        return cls(replayed.candidates, replayed.chosen, _points(decision) is not None)

    @property
    def has_shares(self) -> bool:
        """Whether some are to have less of the work than others."""
        return len({one.share for one in self.candidates}) > 1

    @cached_property
    def tied(self) -> list[Candidate]:
        return strategies.equal_loads(self.candidates, self.chosen)

    @property
    def decided_by(self) -> _By:
        """Of several, where loads are balanced."""
        following = strategies.in_order(self.candidates)[1]
        if following not in self.tied:
            if self.has_shares:
                return _By.POINTS_AND_SHARE if self.weighs else _By.TICKETS_AND_SHARE
            return _By.POINTS if self.weighs else _By.TICKETS
        if following.is_second != self.chosen.is_second:
            return _By.LANGUAGE
        return _By.TURN if following.last_turn != self.chosen.last_turn else _By.ORDER


_ASSIGNED = {
    _By.TICKETS: gettext_lazy("Assigned to %(name)s, who had the fewest open tickets."),
    _By.POINTS: gettext_lazy("Assigned to %(name)s, whose open tickets had the fewest points."),
    _By.TICKETS_AND_SHARE: gettext_lazy(
        "Assigned to %(name)s, who had the fewest open tickets for their share of the work."
    ),
    _By.POINTS_AND_SHARE: gettext_lazy(
        "Assigned to %(name)s, whose open tickets had the fewest points for their share of the work."
    ),
    _By.LANGUAGE: gettext_lazy(
        "Assigned to %(name)s, who knew the language best of those with the least to do."
    ),
    _By.TURN: gettext_lazy("Assigned to %(name)s, who had waited longest of those with the least to do."),
    _By.ORDER: gettext_lazy("Assigned to %(name)s, the first of those with the least to do."),
}
_WOULD = {
    _By.TICKETS: gettext_lazy("%(name)s would get it, with the fewest open tickets."),
    _By.POINTS: gettext_lazy("%(name)s would get it, whose open tickets have the fewest points."),
    _By.TICKETS_AND_SHARE: gettext_lazy(
        "%(name)s would get it, with the fewest open tickets for their share of the work."
    ),
    _By.POINTS_AND_SHARE: gettext_lazy(
        "%(name)s would get it, whose open tickets have the fewest points for their share of the work."
    ),
    _By.LANGUAGE: gettext_lazy(
        "%(name)s would get it, who knows the language best of those with the least to do."
    ),
    _By.TURN: gettext_lazy("%(name)s would get it, who has waited longest of those with the least to do."),
    _By.ORDER: gettext_lazy("%(name)s would get it, the first of those with the least to do."),
}


# -- Words --------------------------------------------------------------------------------------------------------


class _Names(dict[int, str]):
    """Names by user id; whoever is gone is told by number."""

    def __missing__(self, user_id: int) -> str:
        return _("user %(id)s") % {"id": user_id}


def _named(user_ids: Collection[int]) -> _Names:
    return _Names(User.objects.filter(pk__in=user_ids).values_list("id", "name"))


def _people(pools: Iterable[Pool]) -> set[int]:
    """All who were looked at, dropped or not."""
    sifted = [pool.sifted for pool in pools]
    return {pk for one in sifted for pk in (*one.eligible, *(dropped for dropped, _drop in one.dropped))}


def _headline(
    decision: Decision, pools: list[Pool], choice: _Choice | None, names: _Names, is_full: bool
) -> str:
    """Of a ticket that left somebody: why it did, too (R-ROUTE-54). `is_full`: somebody had no room for it."""
    if decision.left_user_id is None:
        return _outcome(decision, pools, choice, names, is_full)
    words = KEPT if decision.user_id is None else REROUTED
    why = str(words[Left(decision.left_because)]) % {"name": names[decision.left_user_id]}
    return why if decision.user_id is None else f"{why} {_outcome(decision, pools, choice, names, is_full)}"


def _outcome(
    decision: Decision, pools: list[Pool], choice: _Choice | None, names: _Names, is_full: bool
) -> str:
    match Reason(decision.reason):
        case Reason.ASSIGNED:
            return _who(pools[-1], choice) % {"name": names[decision.user_id or 0]}
        case Reason.NO_RULE:
            return _("Nobody was assigned: this channel has no routing rule.")
        case Reason.OPTION_NONE:
            return _("Nobody was assigned: this channel leaves new tickets unassigned.")
        case Reason.TEAMS_ONLY:
            return ngettext(
                "Left to the team: this channel's rule names teams only.",
                "Left to the teams: this channel's rule names teams only.",
                len(decision.team_ids),
            )
        case Reason.NO_CONTACT_OWNER:
            return _("Nobody was assigned: the contact has no owner.")
        case Reason.EMPTY_POOL:
            return _("Nobody was assigned: there is nobody left in the rule.")
        case Reason.ALREADY_OWNED:
            return _("Left as it was: the ticket had an owner before routing.")
        case Reason.AI_AGENT:
            return _("Given to the AI agent, which answers first.")
        case Reason.CLOSED:
            return _("Nobody was assigned: the channel was closed at this hour.")
        case Reason.ANSWERED:
            return _("%(name)s answered the call.") % {"name": names[decision.user_id or 0]}
        case Reason.UNANSWERED:
            return _("Nobody was assigned: nobody answered the call.")
        case Reason.ALL_DROPPED:
            if is_full:
                return _("Nobody was assigned: nobody who was there had room for it.")
            return _nobody(pools)


def _nearest(decision: Decision, pools: Sequence[Pool], replayed: Replay | None, names: _Names) -> str:
    """The smallest change by which somebody would have got it; "" where nothing was to be chosen."""
    match Reason(decision.reason):
        case Reason.NO_RULE | Reason.OPTION_NONE:
            return _("A rule of the channel that says who gets its tickets.")
        case Reason.CLOSED:
            return _("Hours of the channel that include this one.")
        case Reason.NO_CONTACT_OWNER:
            return _("An owner of the contact, or a fallback in the rule.")
        case Reason.EMPTY_POOL:
            return _("Somebody named in the rule, or a fallback.")
        case Reason.ALL_DROPPED:
            return _who_was_nearest(decision, pools, replayed, names)
        case _:
            return ""


def _who_was_nearest(
    decision: Decision, pools: Sequence[Pool], replayed: Replay | None, names: _Names
) -> str:
    """Room for one more comes before somebody's return, and that before a seat."""
    if replayed is not None and replayed.full:
        user_id = min(replayed.full, key=lambda one: _over(replayed.room, one, replayed.ticket_type))
        held, limit = replayed.room.standing(user_id, replayed.ticket_type)
        points = _points(decision)
        facts = {"name": names[user_id], "held": held, "limit": limit, "points": points}
        if points is None:
            return _("Room for one more with %(name)s, who had %(held)s of %(limit)s.") % facts
        return _("Room with %(name)s for a ticket that counts %(points)s: %(held)s of %(limit)s points were taken.") % facts  # fmt: skip
    by_drop: dict[Drop, list[int]] = defaultdict(list)
    for user_id, drop in dict(one for pool in pools for one in pool.sifted.dropped).items():
        by_drop[drop].append(user_id)
    for drop, words in _HELP:
        if by_drop[drop]:
            return str(words) % {"name": listed([names[user_id] for user_id in by_drop[drop]], "or")}
    return ""


def _over(room: Room, user_id: int, ticket_type: str) -> int:
    held, limit = room.standing(user_id, ticket_type)
    return held - (limit or 0)


_HELP = (
    (Drop.AWAY, gettext_lazy("%(name)s being available, or a rule that does not ask for it.")),
    (Drop.EXTRA_MEMBER, gettext_lazy("A rule that takes extra members of the team too, such as %(name)s.")),
    (Drop.NO_SEAT, gettext_lazy("A seat for %(name)s.")),
    (Drop.NO_ACCESS, gettext_lazy("A role for %(name)s that may see tickets.")),
    (Drop.INACTIVE, gettext_lazy("%(name)s being active again, or somebody else in the rule.")),
    (Drop.GONE, gettext_lazy("Somebody in the rule who is still in this account.")),
)


def _who(pool: Pool, choice: _Choice | None) -> str:
    if pool.is_contact_owner:
        return _("Assigned to %(name)s, the contact's owner.")
    if pool.step == Step.LAST_OWNER:
        return _("Assigned to %(name)s, who had to do with this contact last.")
    if pool.step == Step.KEPT:
        return _(
            "Assigned to %(name)s, as what had waited was shared out among who was there and who was about to come."
        )
    if choice is None or len(choice.candidates) == 1:
        return _("Assigned to %(name)s, the only one who could take it.")
    match pool.strategy:
        case Strategy.LOAD_BALANCED:
            return str(_ASSIGNED[choice.decided_by])
        case Strategy.ROUND_ROBIN:
            return _("Assigned to %(name)s, whose turn it was.")
        case Strategy.RANDOM if choice.has_shares:
            return _("Assigned to %(name)s, drawn at random, each by their share of the work.")
        case Strategy.RANDOM:
            return _("Assigned to %(name)s, drawn at random.")


def _are_away(pools: Iterable[Pool]) -> bool:
    drops = {drop for pool in pools for _user_id, drop in pool.sifted.dropped}
    return drops <= {Drop.AWAY, Drop.EXTRA_MEMBER}


def _nobody(pools: Sequence[Pool]) -> str:
    """A contact's owner is nobody whom the rule names (R-ROUTE-60)."""
    asked = [pool for pool in pools if not pool.is_empty]
    owners = [pool for pool in asked if pool.is_contact_owner]
    if not _are_away(asked):
        return _("Nobody was assigned: nobody in the rule could take it.")
    if not owners:
        return _("Nobody was assigned: everybody in the rule was away.")
    if owners == asked:
        return _("Nobody was assigned: the contact's owner was away.")
    return _("Nobody was assigned: the contact's owner was away, and so were all others in the rule.")


def _details(
    decision: Decision, pools: list[Pool], replayed: Replay | None, choice: _Choice | None, names: _Names
) -> Iterable[tuple[str, str]]:
    if pools:
        yield _("Rule"), _rule(pools[0])
    for pool in pools:
        if pool.skill_rule:
            yield (
                _("Skills"),
                _("“%(rule)s”: %(skills)s") % {"rule": pool.skill_rule, "skills": ", ".join(pool.skills)},
            )
            yield from _given_up(pools[-1])
            break
    if pools and pools[-1].step == FALLBACK and len(pools) > 1:
        yield _("Fallback"), _("The rule's own choice could not take it, so its fallback was asked.")
    if pools and not pools[-1].is_of_one:
        yield _("Distribution"), str(STRATEGIES[pools[-1].strategy])
        yield _("Could take it"), _how_many(pools[-1], len(replayed.candidates) if replayed else 0)
    if choice is not None and len(choice.candidates) > 1:
        yield from _choice(pools[-1], choice, names)
    waits = waiting.standing(decision.account_id, decision.ticket_id)
    if waits is not None:
        yield _("Wait-list"), _place(waits)
    if decision.team_ids:
        yield (
            _("Team"),
            ", ".join(
                Team.objects.filter(account_id=decision.account_id, pk__in=decision.team_ids)
                .order_by("name", "id")
                .values_list("name", flat=True)
            ),
        )


def _given_up(last: Pool) -> Iterable[tuple[str, str]]:
    """R-SKILL-14: what was asked for, and could not be had."""
    if last.step == Step.NEEDED_SKILLS:
        yield _("Given up"), _("What was wished: nobody who has that too could take it.")
    elif last.step != Step.SKILLS:
        yield (
            _("Given up"),
            _("All of it: nobody who has these skills could take it, so the channel's own choice was asked."),
        )


def _place(waits: waiting.Standing) -> str:
    """R-ROUTE-53"""
    when = _when(waits.since)
    if waits.kept_for is not None and waits.kept_until is not None and waits.kept_until > clock.now():
        name = _named([waits.kept_for])[waits.kept_for]
        until = _when(waits.kept_until)
        text = _("In the list since %(when)s, and kept for %(name)s until %(until)s")
        return text % {"when": when, "name": name, "until": until}
    text = _(
        "Number %(place)s in the list since %(when)s: who becomes available or has room gets it in turn."
    )
    return text % {"place": waits.place, "when": when}


def _when(at: datetime) -> str:
    """15:47, or 14 Nov, 15:47; in the reader's zone and language."""
    local, today = localtime(at), localtime(clock.now())
    time = format_time(local, "short", locale=of_reader())
    if local.date() == today.date():
        return time
    return f"{day(local, today)}, {time}"


def _rule(pool: Pool) -> str:
    option = str(OPTIONS[pool.option])
    return _("%(option)s, only if available") % {"option": option} if pool.only_available else option


def _how_many(pool: Pool, able: int) -> str:
    total = len(pool.sifted.eligible) + len(pool.sifted.dropped)
    text = ngettext("%(count)s of %(total)s person", "%(count)s of %(total)s people", total)
    return text % {"count": able, "total": total}


def _choice(pool: Pool, choice: _Choice, names: _Names) -> Iterable[tuple[str, str]]:
    """What it was decided by: of those with the least to do, the first few."""
    first = strategies.in_order(choice.candidates)[:NAMES_SHOWN]
    if pool.strategy is Strategy.LOAD_BALANCED:
        label = _("Points of open tickets") if choice.weighs else _("Open tickets")
        yield label, ", ".join(f"{names[one.user_id]} {one.load}" for one in first)
    if choice.has_shares:
        yield _("Share of the work"), ", ".join(f"{names[one.user_id]} {one.share} %" for one in first)
    if pool.strategy is Strategy.LOAD_BALANCED and choice.tied:
        yield _("Tie"), " ".join(_ties(pool, choice, names))


def _ties(pool: Pool, choice: _Choice, names: _Names) -> Iterable[str]:
    """How R-SKILL-15 and R-ROUTE-31 told them apart, one after another."""
    chosen = choice.chosen
    second = [one for one in choice.tied if one.is_second != chosen.is_second]
    later = [one for one in choice.tied if one not in second and one.last_turn != chosen.last_turn]
    behind = [one for one in choice.tied if one not in second and one not in later]
    for others, words in ((second, _KNOWS), (later, _waited(chosen)), (behind, _stands_first(pool))):
        if others:
            yield str(words) % {
                "name": names[chosen.user_id],
                "others": listed([names[one.user_id] for one in others]),
            }


_KNOWS = gettext_lazy("%(name)s had as much to do as %(others)s and knew the language better.")


def _waited(chosen: Candidate) -> str:
    if chosen.last_turn is None:
        return _("%(name)s had as much to do as %(others)s and had never been given a ticket.")
    return _("%(name)s had as much to do as %(others)s and had waited longer.")


def _stands_first(pool: Pool) -> str:
    """Those with skills stand in the order of their names."""
    if pool.skill_rule:
        return _("%(name)s had as much to do as %(others)s and comes first by name.")
    return _("%(name)s had as much to do as %(others)s and stands first in the rule.")
