"""What crosses the border of the area: rules' choices, tickets to route, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Option(StrEnum):
    """Whom a channel's new tickets go to (R-ROUTE-17)."""

    NONE = "NONE"
    USERS_AND_TEAMS = "USERS_AND_TEAMS"
    TEAMS = "TEAMS"
    CONTACT_OWNER = "CONTACT_OWNER"
    AI_AGENT = "AI_AGENT"  # an automatic agent answers first; people come in where it can't (R-AI-1)


class Strategy(StrEnum):
    """How one of several eligible users is chosen."""

    LOAD_BALANCED = "LOAD_BALANCED"
    ROUND_ROBIN = "ROUND_ROBIN"
    RANDOM = "RANDOM"


class Reroute(StrEnum):
    """When open tickets are routed again whose owner is no longer there (R-ROUTE-54)."""

    NEVER = "NEVER"
    AT_ONCE = "AT_ONCE"
    ON_REPLY = "ON_REPLY"  # when the customer writes again


class Measure(StrEnum):
    """What of somebody's tickets a limit counts (R-CAP-5)."""

    TOTAL = "TOTAL"
    BY_TYPE = "BY_TYPE"


class Left(StrEnum):
    """Why an owner is no longer there."""

    AWAY = "AWAY"
    OUT_OF_OFFICE = "OUT_OF_OFFICE"
    DEACTIVATED = "DEACTIVATED"
    UNABLE = "UNABLE"  # has lost the seat, or may not see tickets any more


class Status(StrEnum):
    """R-AVAIL-1."""

    AVAILABLE = "AVAILABLE"
    AWAY = "AWAY"


class Source(StrEnum):
    """What set a user's status (R-AVAIL-2); NONE until anything has."""

    NONE = "NONE"
    MANUAL = "MANUAL"
    HOURS = "HOURS"
    OUT_OF_OFFICE = "OUT_OF_OFFICE"


class Drop(StrEnum):
    """Why a member of the pool was passed over, in the order of the filters (R-ROUTE-70)."""

    GONE = "GONE"
    INACTIVE = "INACTIVE"
    NO_SEAT = "NO_SEAT"
    NO_ACCESS = "NO_ACCESS"
    EXTRA_MEMBER = "EXTRA_MEMBER"
    AWAY = "AWAY"
    FULL = "FULL"  # has as many tickets as they may be given (R-CAP-6)


class Reason(StrEnum):
    """How a decision ended."""

    ASSIGNED = "ASSIGNED"
    NO_RULE = "NO_RULE"
    OPTION_NONE = "OPTION_NONE"
    TEAMS_ONLY = "TEAMS_ONLY"
    NO_CONTACT_OWNER = "NO_CONTACT_OWNER"
    EMPTY_POOL = "EMPTY_POOL"
    ALL_DROPPED = "ALL_DROPPED"
    ALREADY_OWNED = "ALREADY_OWNED"
    AI_AGENT = "AI_AGENT"  # an automatic agent has it
    CLOSED = "CLOSED"  # outside the channel's hours (R-ROUTE-81)
    UNANSWERED = "UNANSWERED"  # a call that rang for nobody (R-ROUTE-95)
    ANSWERED = "ANSWERED"  # a call that somebody picked up, whose it is


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eligible user as the strategies see them, for one ticket type.

    `load` is in tickets, or in points where the account weighs them. `order` is the place in the rule; `last_turn` grows
    with every automatic assignment, None means never.
    """

    user_id: int
    load: int = 0
    last_turn: int | None = None
    order: int = 0
    share: int = 100  # percent of what others get
    is_second: bool = False  # knows the language asked for, but not as their main one (R-SKILL-15)


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a pool with all that the filters ask about."""

    user_id: int
    is_member: bool = True
    is_active: bool = True
    has_seat: bool = True
    has_access: bool = True
    is_available: bool = True
    #: In the pool only as an extra member of a team (R-ROUTE-12).
    is_extra_only: bool = False
    main_team_id: int | None = None

    @property
    def can_own(self) -> bool:
        """Whether tickets can be theirs, there or away."""
        return self.is_member and self.is_active and self.has_seat and self.has_access


@dataclass(frozen=True)
class Roster:
    """People by user id, and the members (user id, main?) of each team that exists."""

    people: dict[int, Person] = field(default_factory=dict)
    teams: dict[int, tuple[tuple[int, bool], ...]] = field(default_factory=dict)

    def person(self, user_id: int) -> Person:
        return self.people.get(user_id) or Person(user_id, is_member=False)

    def pool(self, user_ids: Sequence[int], team_ids: Sequence[int], *, with_extra: bool) -> list[Person]:
        """Users in the rule's order, then the teams' members; each once (R-ROUTE-12, R-ROUTE-33, R-ROUTE-40).

        Extra members come last, marked as such, so that the record can say why they were dropped.
        """
        members = [member for team_id in team_ids for member in self.teams.get(team_id, ())]
        main = [user_id for user_id, is_main in members if is_main or with_extra]
        full = dict.fromkeys((*user_ids, *main))
        extra = dict.fromkeys(user_id for user_id, _ in members if user_id not in full)
        return [self.person(user_id) for user_id in full] + [
            replace(self.person(user_id), is_extra_only=True) for user_id in extra
        ]


@dataclass(frozen=True, slots=True)
class Terms:
    """How much somebody may be given; None binds nothing (R-CAP-5, R-CAP-12). `share` is in percent."""

    measure: Measure = Measure.TOTAL
    total: int | None = None
    by_type: Mapping[str, int | None] = field(default_factory=dict)
    share: int = 100

    def limit(self, ticket_type: str) -> int | None:
        return self.total if self.measure is Measure.TOTAL else self.by_type.get(ticket_type)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a skill rule asks of a ticket, and who can do it (R-SKILL-9 … R-SKILL-15).

    `user_ids` have all of it, the wished skills too; `relaxed_user_ids` what is needed. `second` speak a language that is
    asked for, but not as their main one.
    """

    rule_id: int
    name: str
    skills: tuple[str, ...]
    user_ids: tuple[int, ...]
    relaxed_user_ids: tuple[int, ...] = ()
    second: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sifted:
    """A pool after the filters, both parts in the order of the rule."""

    eligible: tuple[int, ...] = ()
    dropped: tuple[tuple[int, Drop], ...] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """The owner whom a ticket leaves (R-ROUTE-54). `is_told`: that nobody else could take it is kept already.

    `is_reopened`: it is open again, and they can't own tickets any more; then it leaves whatever its channel's rule says
    of owners who are gone (R-REOPEN-3).
    """

    user_id: int
    because: Left
    is_told: bool = False
    is_reopened: bool = False


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to route. `contact_owner_id` is the owner of the contact who wrote (R-ROUTE-66).

    One that leaves somebody has an owner, and keeps them when nobody else can take it.
    """

    ticket_id: int
    channel_account_id: int | None
    ticket_type: str
    contact_owner_id: int | None = None
    leaving: Leaving | None = None
    #: What it is worth: 1, or its effort where the account weighs tickets.
    points: int = 1
    #: Who had to do with this contact last, as far as the channel's rule wants to know.
    last_owner_id: int | None = None
    #: An automatic agent had it and could not answer (R-AI-14).
    is_handed_off: bool = False
    #: People were rung for it, and nobody answered (R-ROUTE-95).
    has_rung: bool = False
    #: Who picked up, of such a call; they own it already.
    answered_by: int | None = None
    #: Of one that waits: for whom it is kept now, and whether it may be kept for somebody still to come.
    kept_for: int | None = None
    may_be_kept: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a decision asks for: an owner, or None and the teams that should see the ticket."""

    ticket_id: int
    user_id: int | None
    team_ids: tuple[int, ...]
    decision_id: int
    reason: Reason
    rule_id: int | None = None
    agent_key: str = ""  # of the automatic agent that has it now
    offline_owner_id: int | None = None  # the contact's owner who is not there (R-ROUTE-62)
