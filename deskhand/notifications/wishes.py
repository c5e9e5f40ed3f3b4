"""What people want to be told, and by which way. What they did not choose is as Deskhand has it (R-NOT-2, R-NOT-12)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Q

from deskhand.accounts.models import Membership
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.notifications.models import Quiet, Wish
from deskhand.notifications.types import ASKED_FOR, MAILED, Topic


@dataclass(frozen=True)
class Ways:
    bell: bool
    mail: bool


@dataclass(frozen=True)
class Wishes:
    """Of several people; those who chose nothing are in it by the defaults."""

    chosen: Mapping[tuple[int, str], Ways]

    def ways(self, user_id: int, topic: Topic) -> Ways:
        return self.chosen.get((user_id, topic.value)) or Ways(topic not in ASKED_FOR, topic in MAILED)

    def bell(self, user_id: int, topic: Topic) -> bool:
        return self.ways(user_id, topic).bell

    def mail(self, user_id: int, topic: Topic) -> bool:
        return self.ways(user_id, topic).mail


def of_many(account_id: int, user_ids: Collection[int]) -> Wishes:
    """One query."""
    rows = Wish.objects.filter(account_id=account_id, user_id__in=sorted(user_ids))
    return Wishes({(row.user_id, row.topic): Ways(row.bell, row.mail) for row in rows} if user_ids else {})


def asking_for(account_id: int, topic: Topic) -> set[int]:
    """Who wants to be told of what nobody is told of unasked."""
    found = Wish.objects.filter(Q(bell=True) | Q(mail=True), account_id=account_id, topic=topic.value)
    here = Membership.objects.filter(account_id=account_id, is_active=True).values("user_id")
    return set(found.filter(user_id__in=here).values_list("user_id", flat=True))


def is_quiet(account_id: int, user_id: int) -> bool:
    return bool(quiet(account_id, [user_id]))


def quiet(account_id: int, user_ids: Collection[int]) -> set[int]:
    """Which of them want no mail while they are away (R-NOT-14); unless they said otherwise, all."""
    louder = Quiet.objects.filter(account_id=account_id, user_id__in=list(user_ids), is_on=False)
    return set(user_ids) - set(louder.values_list("user_id", flat=True))


def keep_quiet(account_id: int, user_id: int, on: bool) -> None:
    with account_scope(account_id):
        Quiet.objects.update_or_create(account_id=account_id, user_id=user_id, defaults={"is_on": on})


def choose(account_id: int, user_id: int, chosen: Mapping[Topic, Ways]) -> None:
    """Set somebody's ways for these topics."""
    with account_scope(account_id):
        sql.execute(
            "insert into notifications_wish (account_id, user_id, topic, bell, mail)"
            " select %s, %s, x.* from unnest(%s::text[], %s::boolean[], %s::boolean[]) x"
            " on conflict (account_id, user_id, topic) do update set bell = excluded.bell, mail = excluded.mail",
            [
                account_id,
                user_id,
                [topic.value for topic in chosen],
                [ways.bell for ways in chosen.values()],
                [ways.mail for ways in chosen.values()],
            ],
        )
