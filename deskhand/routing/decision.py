"""Deciding a batch of tickets over rules, a roster and ledgers: §14.8, steps 5 to 10. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deskhand.routing import strategies
from deskhand.routing.strategies import AtRandom, Ledger, LoadBalanced, Picker, RoundRobin
from deskhand.routing.types import Drop, NewTicket, Option, Person, Reason, Reroute, Roster, Sifted, Strategy

OWN, FALLBACK = 0, 1  # steps of a rule


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
    reroute: Reroute = Reroute.NEVER

    @property
    def may_pick(self) -> bool:
        return self.option in (Option.USERS_AND_TEAMS, Option.CONTACT_OWNER)

    def targets(self, step: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The users and teams of a step."""
        if step == FALLBACK:
            return self.fallback_user_ids, self.fallback_team_ids
        if self.option is Option.CONTACT_OWNER:
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

    def content(self) -> dict[str, Any]:
        return {
            "step": self.step,
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
        )

    @cached_property
    def key(self) -> str:
        """The same for the same content; worked out once however many decisions share the pool."""
        return content_key(self.content())

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


Cycle = tuple[int, int]  # rule, step


@dataclass
class Batch:
    """What a batch of decisions starts from. Deciding moves ledgers and cycles on."""

    rules: Mapping[int, Rule]  # by channel account
    roster: Roster
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)  # by ticket type
    served: Mapping[Cycle, Sequence[int]] = field(default_factory=dict)
    seed: int = 0
    #: Tickets that have an owner already (R-ROUTE-71).
    owned: frozenset[int] = frozenset()
    _pools: dict[Cycle, Pool] = field(default_factory=dict)
    _pickers: dict[tuple[int, int, str], Picker] = field(default_factory=dict)

    def decide(self, tickets: Iterable[tuple[NewTicket, int]]) -> list[Draft]:
        """Decide (ticket, turn) after (ticket, turn), each seeing the loads that the ones before it left."""
        return [self._decide(ticket, turn) for ticket, turn in tickets]

    def pools_of(self, rule: Rule) -> list[Pool]:
        """The rule's pools but for the contact owner's, which differ from ticket to ticket."""
        own = [] if rule.option is Option.CONTACT_OWNER else [self._pool(rule, OWN)]
        has_fallback = rule.fallback_user_ids or rule.fallback_team_ids
        return [*own, self._pool(rule, FALLBACK)] if has_fallback else own

    def cycles(self) -> dict[Cycle, list[int]]:
        """The round-robin cycles that moved, as they stand now."""
        return {
            (rule_id, step): sorted(picker.served)
            for (rule_id, step, _), picker in self._pickers.items()
            if isinstance(picker, RoundRobin)
        }

    def _decide(self, ticket: NewTicket, turn: int) -> Draft:
        rule = self.rules.get(ticket.channel_account_id or 0)
        if rule is None:
            return Draft(ticket, turn, Reason.NO_RULE)
        if ticket.ticket_id in self.owned:
            return Draft(ticket, turn, Reason.ALREADY_OWNED, rule.id)
        if rule.option is Option.NONE:
            return Draft(ticket, turn, Reason.OPTION_NONE, rule.id)  # R-ROUTE-18
        if rule.option is Option.TEAMS:
            return Draft(ticket, turn, Reason.TEAMS_ONLY, rule.id, team_ids=self._existing(rule.team_ids))
        return self._pick(rule, ticket, turn)

    def _pick(self, rule: Rule, ticket: NewTicket, turn: int) -> Draft:
        tried: list[Pool] = []
        if rule.option is Option.CONTACT_OWNER:
            pool = self._contact_owner_pool(rule, ticket)
            tried.append(pool)
            if pool.sifted.eligible:
                return self._assigned(rule, ticket, turn, pool.sifted.eligible[0], tried)
        for pool in self.pools_of(rule):
            tried.append(pool)
            user_id = self._picker(rule, pool, ticket.ticket_type).pick(turn)
            if user_id is not None:
                return self._assigned(rule, ticket, turn, user_id, tried)
        teams = tuple(dict.fromkeys(team_id for pool in tried for team_id in pool.team_ids))
        if ticket.leaving:  # stays with its owner, so no team is asked
            teams = ()
        return Draft(ticket, turn, _why_nobody(tried), rule.id, None, teams, tuple(tried))

    def _assigned(self, rule: Rule, ticket: NewTicket, turn: int, user_id: int, tried: list[Pool]) -> Draft:
        self.ledgers[ticket.ticket_type].give(user_id, turn)
        main = self.roster.person(user_id).main_team_id  # R-ROUTE-50
        return Draft(ticket, turn, Reason.ASSIGNED, rule.id, user_id, (main,) if main else (), tuple(tried))

    def _pool(self, rule: Rule, step: int) -> Pool:
        if (rule.id, step) not in self._pools:
            users, teams = rule.targets(step)
            people = self.roster.pool(users, teams, with_extra=rule.include_extra_members)
            self._pools[rule.id, step] = Pool(
                step,
                rule.option,
                rule.strategy,
                rule.only_available,
                strategies.sift(people, only_available=rule.only_available),
                self._targeted(users, teams),
            )
        return self._pools[rule.id, step]

    def _contact_owner_pool(self, rule: Rule, ticket: NewTicket) -> Pool:
        """R-ROUTE-60, R-ROUTE-64, R-ROUTE-65: whoever may get no tickets is as no owner, so targets no team."""
        owner = [self.roster.person(ticket.contact_owner_id)] if ticket.contact_owner_id else []
        sifted = strategies.sift(owner, only_available=rule.only_available)
        real = [person for person in owner if sifted.eligible or sifted.dropped[0][1] is Drop.AWAY]
        return Pool(OWN, rule.option, rule.strategy, rule.only_available, sifted, _main_teams(real))

    def _picker(self, rule: Rule, pool: Pool, ticket_type: str) -> Picker:
        """Loads are counted by type; a cycle is the rule's whatever the type (R-ROUTE-37)."""
        by_type = rule.strategy is Strategy.LOAD_BALANCED
        key = (rule.id, pool.step, ticket_type if by_type else "")
        if key not in self._pickers:
            self._pickers[key] = self._new_picker(rule, pool, ticket_type)
        return self._pickers[key]

    def _new_picker(self, rule: Rule, pool: Pool, ticket_type: str) -> Picker:
        eligible = pool.sifted.eligible
        match rule.strategy:
            case Strategy.LOAD_BALANCED:
                return LoadBalanced(eligible, self.ledgers[ticket_type])
            case Strategy.ROUND_ROBIN:
                return RoundRobin(eligible, self.served.get((rule.id, pool.step), ()))
            case Strategy.RANDOM:
                return AtRandom(eligible, self.seed)

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
        return Reason.NO_CONTACT_OWNER if tried and tried[0].is_contact_owner else Reason.EMPTY_POOL
    return Reason.ALL_DROPPED
