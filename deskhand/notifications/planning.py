"""Who is told by which way: the one place that decides it for all that is told (R-NOT-7, R-NOT-12, R-NOT-14, R-NOT-15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from deskhand.notifications import limits, wishes
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways, Wishes

#: (account id, user ids) → those of them who are away.
Away = Callable[[int, Collection[int]], Collection[int]]


def nobody(_account_id: int, _user_ids: Collection[int]) -> Collection[int]:
    return ()


@dataclass(frozen=True)
class Plan:
    wanted: Wishes
    still: Collection[int] = ()  # who is away and wants quiet
    beyond: Collection[tuple[int, Topic]] = ()  # for whom it would be too many mails

    def ways(self, user_id: int, topic: Topic) -> Ways:
        """What would be louder than the bell waits in it for who is away and wants quiet; too many mails are one."""
        ways = self.wanted.ways(user_id, topic)
        if user_id in self.still and ways.is_loud:
            return Ways(bell=True)
        return (
            replace(ways, mail=False, digest=True) if ways.mail and (user_id, topic) in self.beyond else ways
        )


def plan(account_id: int, told: Sequence[tuple[int, Topic]], at: datetime, away: Away) -> Plan:
    """For these people and topics, as often as each is told; asks `away` only about those whom more than the bell would reach."""
    wanted = wishes.of_many(account_id, {user_id for user_id, _topic in told})
    loud = {
        user_id for user_id, topic in told
        if user_id not in wanted.never_quiet and wanted.ways(user_id, topic).is_loud
    }  # fmt: skip
    still = loud & set(away(account_id, loud)) if loud else set()
    mails = Counter(pair for pair in told if pair[0] not in still and wanted.ways(*pair).mail)
    return Plan(wanted, still, limits.beyond(account_id, mails, at))
