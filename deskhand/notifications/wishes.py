"""What people want to be told, and by which way. What they did not choose is as their account has it, and what that leaves
open as Deskhand has it (R-NOT-2, R-NOT-3, R-NOT-12)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.notifications.models import DefaultWish, Quiet
from deskhand.notifications.types import ASKED_FOR, MAILED, Topic


@dataclass(frozen=True)
class Ways:
    bell: bool
    mail: bool


@dataclass(frozen=True)
class Wishes:
    """Of several people; those who chose nothing are in it by the account's `defaults`, by topic."""

    chosen: Mapping[tuple[int, str], Ways]
    defaults: Mapping[str, Ways]

    def ways(self, user_id: int, topic: Topic) -> Ways:
        return self.chosen.get((user_id, topic.value)) or self.default(topic)

    def default(self, topic: Topic) -> Ways:
        return self.defaults.get(topic.value) or Ways(topic not in ASKED_FOR, topic in MAILED)

    def bell(self, user_id: int, topic: Topic) -> bool:
        return self.ways(user_id, topic).bell

    def mail(self, user_id: int, topic: Topic) -> bool:
        return self.ways(user_id, topic).mail


def of_many(account_id: int, user_ids: Collection[int]) -> Wishes:
    """One query."""
    if not user_ids:
        return Wishes({}, {})
    chosen: dict[tuple[int, str], Ways] = {}
    defaults: dict[str, Ways] = {}
    for user_id, topic, bell, mail in sql.rows(_WISHES, [account_id, sorted(user_ids), account_id]):
        if user_id is None:
            defaults[topic] = Ways(bell, mail)
        else:
            chosen[user_id, topic] = Ways(bell, mail)
    return Wishes(chosen, defaults)


_WISHES = """
select user_id, topic, bell, mail from notifications_wish where account_id = %s and user_id = any(%s::bigint[])
union all select null, topic, bell, mail from notifications_defaultwish where account_id = %s
"""


def asking_for(account_id: int, topic: Topic) -> set[int]:
    """Who is to be told of what nobody is told of unless they, or the account for them, ask for it. One query."""
    return {user_id for (user_id,) in sql.rows(_ASKING_FOR, {"account": account_id, "topic": topic.value})}


_ASKING_FOR = """
select m.user_id from accounts_membership m
left join notifications_wish w on w.account_id = m.account_id and w.user_id = m.user_id and w.topic = %(topic)s
left join notifications_defaultwish d on d.account_id = m.account_id and d.topic = %(topic)s
where m.account_id = %(account)s and m.is_active
  and case when w.id is null then coalesce(d.bell or d.mail, false) else w.bell or w.mail end
"""


def defaults_of(account_id: int) -> dict[Topic, Ways]:
    """By which ways those are told who chose nothing, of each topic."""
    found = Wishes({}, {one.topic: Ways(one.bell, one.mail) for one in DefaultWish.objects.filter(account_id=account_id)})  # fmt: skip
    return {topic: found.default(topic) for topic in Topic}


def set_defaults(account_id: int, wanted: Mapping[Topic, Ways], *, by: Actor) -> None:
    """Set them for these topics; what people chose themselves stays (R-NOT-3)."""
    with account_scope(account_id):
        before = defaults_of(account_id)
        changed = {topic: ways for topic, ways in wanted.items() if ways != before[topic]}
        for topic, ways in changed.items():
            DefaultWish.objects.update_or_create(
                account_id=account_id, topic=topic.value, defaults=vars(ways)
            )
        if changed:
            audit.record(
                "notification_defaults.updated", by=by, target_type="account", target_id=account_id,
                before={topic.value: vars(before[topic]) for topic in changed},
                after={topic.value: vars(ways) for topic, ways in changed.items()},
            )  # fmt: skip


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
    """Set somebody's ways for these topics. What stays as it is without a choice is none: it follows the account's defaults."""
    with account_scope(account_id):
        known = of_many(account_id, [user_id])
        chosen = {
            topic: ways
            for topic, ways in chosen.items()
            if (user_id, topic.value) in known.chosen or ways != known.default(topic)
        }
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
