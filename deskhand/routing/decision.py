"""Deciding a batch of tickets over rules, a roster and ledgers: §14.8, steps 5 to 10. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

from deskhand.kernel.calendars import WeeklyHours
from deskhand.routing import strategies
from deskhand.routing.strategies import AtRandom, Field, Ledger, LoadBalanced, Picker, Room, RoundRobin
from deskhand.routing.types import (
    Asked,
    Drop,
    NewTicket,
    Option,
    Person,
    Reason,
    Reroute,
    Roster,
    Sifted,
    Strategy,
)


def cycles_of(skill_rule_id: int) -> list[int]:
    """The cycles of a skill rule's pools: Pool.cycle."""
    return [step + 10 * skill_rule_id for step in (Step.SKILLS, Step.NEEDED_SKILLS)]


class Step(IntEnum):
    """Where a decision looks for somebody; the numbers are kept."""

    OWN = 0  # whom the rule names
    FALLBACK = 1
    SKILLS = 2  # who can do all that is asked and wished for (R-SKILL-12)
    NEEDED_SKILLS = 3  # … all that is asked for (R-SKILL-14)
    LAST_OWNER = 4  # who had to do with the contact last
    KEPT = 5  # to whom it was dealt when what waited was (routing.landing)


OWN, FALLBACK = Step.OWN, Step.FALLBACK


@dataclass(frozen=True)
class Rule:
    """A channel's rule as a value."""

    id: int
    channel_account_id: int
    option: Option
    strategy: Strategy = Strategy.LOAD_BALANCED
    only_available: bool = True
    user_ids: tuple[int, ...] = ()
    team_ids: tuple[int, ...] = ()
    include_extra_members: bool = False
    fallback_user_ids: tuple[int, ...] = ()
    fallback_team_ids: tuple[int, ...] = ()
    after_workflows: bool = False
    wait_list: bool = False
    landing_minutes: int = 0
    reroute: Reroute = Reroute.NEVER
    skill_rule_set_id: int | None = None
    sticky_hours: int = 0
    agent_key: str = ""
    hours: WeeklyHours | None = None  # the channel's own; None: always open

    @property
    def has_fallback(self) -> bool:
        return bool(self.fallback_user_ids or self.fallback_team_ids)

    @property
    def may_pick(self) -> bool:
        """Whether somebody may be chosen: skills are asked before the option is (R-SKILL-10)."""
        is_of_people = self.option in (Option.USERS_AND_TEAMS, Option.CONTACT_OWNER)
        return (
            is_of_people
            or (self.option is not Option.TEAMS and self.skill_rule_set_id is not None)
            or (self.option is Option.AI_AGENT and self.has_fallback)
        )

    @property
    def lands(self) -> bool:
        """Whether what waits is shared out with those who are about to come (`landing`)."""
        return self.wait_list and self.landing_minutes > 0 and self.only_available

    def targets(self, step: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The users and teams of a step."""
        if step == FALLBACK:
            return self.fallback_user_ids, self.fallback_team_ids
        if self.option is not Option.USERS_AND_TEAMS:
            return (), ()
        return self.user_ids, self.team_ids


def content_key(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Pool:
    """A step's people after the filters, with the teams it targets; kept with the decision."""

    step: int
    option: Option
    strategy: Strategy
    only_available: bool
    sifted: Sifted
    team_ids: tuple[int, ...] = ()
    skills: tuple[str, ...] = ()
    skill_rule: str = ""
    skill_rule_id: int = 0
    second: frozenset[int] = frozenset()

    def content(self) -> dict[str, Any]:
        skilled = {
            "skills": list(self.skills),
            "skill_rule": self.skill_rule,
            "skill_rule_id": self.skill_rule_id,
            "second": sorted(self.second),
        }
        return (skilled if self.skill_rule_id else {}) | {
            "step": int(self.step),
            "option": self.option.value,
            "strategy": self.strategy.value,
            "only_available": self.only_available,
            "eligible": list(self.sifted.eligible),
            "dropped": [[user_id, drop.value] for user_id, drop in self.sifted.dropped],
            "team_ids": list(self.team_ids),
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Pool:
        dropped = tuple((user_id, Drop(drop)) for user_id, drop in content["dropped"])
        return cls(
            content["step"],
            Option(content["option"]),
            Strategy(content["strategy"]),
            content["only_available"],
            Sifted(tuple(content["eligible"]), dropped),
            tuple(content["team_ids"]),
            tuple(content.get("skills", ())),
            content.get("skill_rule", ""),
            content.get("skill_rule_id", 0),
            frozenset(content.get("second", ())),
        )

    @cached_property
    def key(self) -> str:
        """The same for the same content; worked out once however many decisions share the pool."""
        return content_key(self.content())

    @property
    def cycle(self) -> int:
        """What tells its turns apart from those of the rule's other pools."""
        return self.step + 10 * self.skill_rule_id

    @property
    def is_of_one(self) -> bool:
        """Whether there is nobody to choose from."""
        return self.is_contact_owner or self.step in (Step.LAST_OWNER, Step.KEPT)

    @property
    def is_contact_owner(self) -> bool:
        return self.option is Option.CONTACT_OWNER and self.step == OWN

    @property
    def is_empty(self) -> bool:
        return not (self.sifted.eligible or self.sifted.dropped)


@dataclass(frozen=True)
class Draft:
    """One ticket's decision, not written yet. `pools` are those that were tried, in order."""

    ticket: NewTicket
    turn: int
    reason: Reason
    rule_id: int | None = None
    user_id: int | None = None
    team_ids: tuple[int, ...] = ()
    pools: tuple[Pool, ...] = ()
    agent_key: str = ""

    @property
    def cycle(self) -> int | None:
        """The pool in which somebody was found."""
        return self.pools[-1].cycle if self.user_id is not None and self.pools else None


Cycle = tuple[int, int]  # rule, Pool.cycle
Turns = tuple[Sequence[int], int]  # who had a turn, and the cycle's number


@dataclass
class Batch:
    """What a batch of decisions starts from. Deciding moves ledgers and cycles on."""

    rules: Mapping[int, Rule]  # by channel account
    roster: Roster
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)  # by ticket type
    room: Room = field(default_factory=Room)
    served: Mapping[Cycle, Turns] = field(default_factory=dict)
    seed: int = 0
    #: Tickets that have an owner already (R-ROUTE-71).
    owned: frozenset[int] = frozenset()
    #: What skill rules ask of tickets, by ticket.
    asked: Mapping[int, Asked] = field(default_factory=dict)
    #: Rules whose channels are closed now (R-ROUTE-81), and the automatic agents that are there.
    closed: frozenset[int] = frozenset()
    agents: frozenset[str] = frozenset()
    weighs: bool = False
    #: Those sifted already, for who makes another batch of the same rules and roster.
    pools: dict[tuple[int, int, int], Pool] = field(default_factory=dict)
    _pickers: dict[tuple[int, int, str], Picker] = field(default_factory=dict)

    def decide(self, tickets: Iterable[tuple[NewTicket, int]]) -> list[Draft]:
        """Decide (ticket, turn) after (ticket, turn), each seeing the loads that the ones before it left."""
        return [self._decide(ticket, turn) for ticket, turn in tickets]

    def pools_of(self, rule: Rule) -> list[Pool]:
        """The rule's pools but for those that differ from ticket to ticket."""
        own = [self._pool(rule, OWN)] if rule.option is Option.USERS_AND_TEAMS else []
        return [*own, self._pool(rule, FALLBACK)] if rule.has_fallback else own

    def away(self, rule: Rule, tickets: Iterable[NewTicket]) -> set[int]:
        """Who could take some of these tickets of the rule, were they there."""
        pools = [pool for ticket in tickets for pool in self._in_order(rule, ticket)]
        found = {pool.key: pool for pool in pools}.values()
        return {user_id for pool in found for user_id, drop in pool.sifted.dropped if drop is Drop.AWAY}

    def cycles(self) -> dict[Cycle, tuple[list[int], int]]:
        """The round-robin cycles that moved, as they stand now."""
        return {
            (rule_id, cycle): (sorted(picker.served), picker.number)
            for (rule_id, cycle, _), picker in self._pickers.items()
            if isinstance(picker, RoundRobin)
        }

    def take_back(self, user_id: int, ticket_type: str, points: int, *, load: bool, held: bool) -> None:
        """Somebody is done with a ticket; for who lets one batch go on while time passes, as the simulator does."""
        if load:
            self.ledgers[ticket_type].take_back(user_id, points)
        if held:
            self.room.take_back(user_id, ticket_type, points)
        for picker in self._pickers.values():
            if isinstance(picker, LoadBalanced):
                picker.look_again(user_id)

    def _decide(self, ticket: NewTicket, turn: int) -> Draft:
        rule = self.rules.get(ticket.channel_account_id or 0)
        if ticket.answered_by is not None:  # R-ROUTE-95
            return Draft(ticket, turn, Reason.ANSWERED, rule.id if rule else None, ticket.answered_by)
        if rule is None:
            return Draft(ticket, turn, Reason.NO_RULE)
        if ticket.ticket_id in self.owned:
            return Draft(ticket, turn, Reason.ALREADY_OWNED, rule.id)
        is_for_people = ticket.is_handed_off or ticket.leaving is not None
        if rule.option is Option.AI_AGENT and not is_for_people and rule.agent_key in self.agents:
            return Draft(ticket, turn, Reason.AI_AGENT, rule.id, agent_key=rule.agent_key)
        if rule.id in self.closed and not ticket.leaving:
            return Draft(ticket, turn, Reason.CLOSED, rule.id, team_ids=self._targeted(*rule.targets(OWN)))
        if ticket.has_rung and rule.may_pick:  # R-ROUTE-95
            return Draft(
                ticket, turn, Reason.UNANSWERED, rule.id, team_ids=self._targeted(*rule.targets(OWN))
            )
        if rule.option is Option.TEAMS:
            return Draft(ticket, turn, Reason.TEAMS_ONLY, rule.id, team_ids=self._existing(rule.team_ids))
        if rule.may_pick:
            return self._pick(rule, ticket, turn)
        return Draft(ticket, turn, Reason.OPTION_NONE, rule.id)  # R-ROUTE-18, R-AI-2

    def _pick(self, rule: Rule, ticket: NewTicket, turn: int) -> Draft:
        tried: list[Pool] = []
        for pool in self._in_order(rule, ticket):
            tried.append(pool)
            user_id = self._picker(rule, pool, ticket).pick(turn, ticket.points)
            if user_id is not None:
                return self._assigned(rule, ticket, turn, user_id, tried)
        if not tried:
            return Draft(ticket, turn, Reason.OPTION_NONE, rule.id)
        teams = tuple(dict.fromkeys(team_id for pool in tried for team_id in pool.team_ids))
        if ticket.leaving:  # stays with its owner, so no team is asked
            teams = ()
        return Draft(ticket, turn, _why_nobody(tried), rule.id, None, teams, tuple(tried))

    def _in_order(self, rule: Rule, ticket: NewTicket) -> Iterator[Pool]:
        """Who had to do with the contact last, who has the skills, then whom the rule names (§14.8).

        What was dealt to somebody is theirs first; others are asked once they are there and can't take it.
        """
        if ticket.kept_for is not None:
            if self._is_named(rule, ticket, ticket.kept_for):
                yield self._of_one(rule, Step.KEPT, ticket.kept_for)
            if not self.roster.person(ticket.kept_for).is_available:
                return
        if ticket.last_owner_id is not None and self._may_get(rule, ticket.last_owner_id):
            yield self._of_one(rule, Step.LAST_OWNER, ticket.last_owner_id)
        asked = self.asked.get(ticket.ticket_id)
        if asked is not None and rule.skill_rule_set_id is not None:
            yield self._skilled(rule, Step.SKILLS, asked)
            if asked.relaxed_user_ids != asked.user_ids:
                yield self._skilled(rule, Step.NEEDED_SKILLS, asked)
        if rule.option is Option.CONTACT_OWNER:
            yield self._contact_owner_pool(rule, ticket)
        yield from self.pools_of(rule)

    def _is_named(self, rule: Rule, ticket: NewTicket, user_id: int) -> bool:
        """By the skills that are asked for, or by the rule."""
        asked = self.asked.get(ticket.ticket_id)
        able = (*asked.user_ids, *asked.relaxed_user_ids) if asked is not None else ()
        return user_id in able or self._may_get(rule, user_id)

    def _may_get(self, rule: Rule, user_id: int) -> bool:
        """Who is named by the rule, or, where the contact's owner gets it, anybody."""
        if rule.option is Option.CONTACT_OWNER:
            return True
        return any(user_id in pool.sifted.eligible for pool in self.pools_of(rule))

    def _assigned(self, rule: Rule, ticket: NewTicket, turn: int, user_id: int, tried: list[Pool]) -> Draft:
        self.ledgers[ticket.ticket_type].give(user_id, turn, ticket.points)
        self.room.take(user_id, ticket.ticket_type, ticket.points)
        main = self.roster.person(user_id).main_team_id  # R-ROUTE-50
        return Draft(ticket, turn, Reason.ASSIGNED, rule.id, user_id, (main,) if main else (), tuple(tried))

    def _pool(self, rule: Rule, step: int) -> Pool:
        key = (rule.id, step, 0)
        if key not in self.pools:
            users, teams = rule.targets(step)
            people = self.roster.pool(users, teams, with_extra=rule.include_extra_members)
            self.pools[key] = self._sifted(rule, step, people, self._targeted(users, teams))
        return self.pools[key]

    def _skilled(self, rule: Rule, step: Step, asked: Asked) -> Pool:
        key = (rule.id, step, asked.rule_id)
        if key not in self.pools:
            users = asked.user_ids if step is Step.SKILLS else asked.relaxed_user_ids
            pool = self._sifted(rule, step, [self.roster.person(user_id) for user_id in users], ())
            self.pools[key] = replace(
                pool,
                skills=asked.skills,
                skill_rule=asked.name,
                skill_rule_id=asked.rule_id,
                second=asked.second,
            )
        return self.pools[key]

    def _of_one(self, rule: Rule, step: Step, user_id: int) -> Pool:
        key = (rule.id, step, user_id)
        if key not in self.pools:
            self.pools[key] = self._sifted(rule, step, [self.roster.person(user_id)], ())
        return self.pools[key]

    def _contact_owner_pool(self, rule: Rule, ticket: NewTicket) -> Pool:
        """R-ROUTE-60, R-ROUTE-64, R-ROUTE-65: whoever may get no tickets is as no owner, so targets no team."""
        owner = [self.roster.person(ticket.contact_owner_id)] if ticket.contact_owner_id else []
        sifted = strategies.sift(owner, only_available=rule.only_available)
        real = [person for person in owner if sifted.eligible or sifted.dropped[0][1] is Drop.AWAY]
        return Pool(OWN, rule.option, rule.strategy, rule.only_available, sifted, _main_teams(real))

    def _sifted(self, rule: Rule, step: int, people: Iterable[Person], team_ids: tuple[int, ...]) -> Pool:
        sifted = strategies.sift(people, only_available=rule.only_available)
        return Pool(step, rule.option, rule.strategy, rule.only_available, sifted, team_ids)

    def _picker(self, rule: Rule, pool: Pool, ticket: NewTicket) -> Picker:
        """Loads are counted by type; a cycle is the rule's whatever the type (R-ROUTE-37).

        Round robin passes over who is full for the ticket's own type, so its picker is told the type with each pick.
        """
        kind = ticket.ticket_type
        if pool.is_of_one:
            return LoadBalanced(self._field(pool, kind))
        key = (rule.id, pool.cycle, "" if rule.strategy is Strategy.ROUND_ROBIN else kind)
        if key not in self._pickers:
            self._pickers[key] = self._new_picker(rule, pool, kind)
        picker = self._pickers[key]
        return picker.for_type(kind) if isinstance(picker, RoundRobin) else picker

    def _new_picker(self, rule: Rule, pool: Pool, ticket_type: str) -> Picker:
        field = self._field(pool, ticket_type)
        match rule.strategy:
            case Strategy.LOAD_BALANCED:
                return LoadBalanced(field)
            case Strategy.ROUND_ROBIN:
                served, number = self.served.get((rule.id, pool.cycle), ((), 0))
                return RoundRobin(field, served, number)
            case Strategy.RANDOM:
                return AtRandom(field, self.seed)

    def _field(self, pool: Pool, ticket_type: str) -> Field:
        return Field(
            pool.sifted.eligible, ticket_type, self.ledgers.get(ticket_type, Ledger()), self.room, pool.second
        )

    def _targeted(self, user_ids: Iterable[int], team_ids: Iterable[int]) -> tuple[int, ...]:
        """The teams of the rule, then the main teams of its users (R-ROUTE-49)."""
        users = [self.roster.person(user_id) for user_id in user_ids]
        return tuple(dict.fromkeys((*self._existing(team_ids), *_main_teams(users))))

    def _existing(self, team_ids: Iterable[int]) -> tuple[int, ...]:
        return tuple(team_id for team_id in team_ids if team_id in self.roster.teams)  # R-TEAM-5


def _main_teams(people: Iterable[Person]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(person.main_team_id for person in people if person.main_team_id))


def _why_nobody(tried: Sequence[Pool]) -> Reason:
    if all(pool.is_empty for pool in tried):
        is_of_owner = any(pool.is_contact_owner for pool in tried)
        return Reason.NO_CONTACT_OWNER if is_of_owner else Reason.EMPTY_POOL
    return Reason.ALL_DROPPED
