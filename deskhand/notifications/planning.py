"""Who is told by which way: the one place that decides it for all that is told (R-NOT-12, R-NOT-14, R-NOT-15)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from deskhand.notifications import wishes
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways, Wishes

#: (account id, user ids) → those of them who are away.
Away = Callable[[int, Collection[int]], Collection[int]]


def nobody(_account_id: int, _user_ids: Collection[int]) -> Collection[int]:
    return ()


@dataclass(frozen=True)
class Plan:
    wanted: Wishes
    still: Collection[int] = field(default_factory=set)  # who is away and wants quiet

    def ways(self, user_id: int, topic: Topic) -> Ways:
        """What would be louder than the bell waits in it for who is away and wants quiet."""
        ways = self.wanted.ways(user_id, topic)
        return Ways(bell=True) if user_id in self.still and ways.is_loud else ways


def plan(account_id: int, told: Collection[tuple[int, Topic]], away: Away) -> Plan:
    """For these people and topics; asks `away` only about those whom more than the bell would reach."""
    wanted = wishes.of_many(account_id, {user_id for user_id, _topic in told})
    loud = {
        user_id for user_id, topic in told
        if user_id not in wanted.never_quiet and wanted.ways(user_id, topic).is_loud
    }  # fmt: skip
    return Plan(wanted, loud & set(away(account_id, loud)) if loud else set())
