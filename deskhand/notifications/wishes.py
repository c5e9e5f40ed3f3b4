"""What people want to be told, and by which way. What they did not choose is as their account has it, and what that leaves
open as Deskhand has it; what an administrator locked is for everybody as the account has it (R-NOT-2, R-NOT-3, R-NOT-12)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.notifications.models import DefaultWish, Personal, Wish
from deskhand.notifications.types import ASKED_FOR, MAILED, POPPING, Topic


class Way(StrEnum):
    BELL = "bell"
    MAIL = "mail"
    POPUP = "popup"  # on the page that is open
    PUSH = "push"  # in the browsers that they allowed
    CHAT = "chat"  # where their incoming webhook leads


@dataclass(frozen=True)
class Ways:
    """By which ways somebody is told of something."""

    bell: bool = False
    mail: bool = False
    popup: bool = False
    push: bool = False
    chat: bool = False
    digest: bool = False  # by mail, with what else comes within the hour (R-NOT-7); nobody chooses it

    @classmethod
    def of(cls, names: Iterable[str]) -> Ways:
        """Names that no way has any more are none."""
        known = set(names)
        return cls(**{way.value: way.value in known for way in Way})

    @property
    def names(self) -> list[str]:
        return [way.value for way in Way if self.has(way)]

    def has(self, way: Way) -> bool:
        return bool(getattr(self, way.value))

    def without(self, off: Collection[str]) -> Ways:
        return Ways.of(set(self.names) - set(off)) if off else self

    @property
    def is_loud(self) -> bool:
        """Whether more than the bell rings."""
        return self != Ways(self.bell)

    @property
    def leaves(self) -> bool:
        """Whether anything leaves the house."""
        return self.mail or self.digest or self.push or self.chat

    @property
    def is_kept(self) -> bool:
        """Whether it has a row in the list behind the bell. What the bell does not ring for is read in it."""
        return self.bell or self.popup or self.digest

    def row(self, at: datetime) -> dict[str, Any]:
        """What the row says of them, by field."""
        return {"pops_up": self.popup, "digest": self.digest, "read_at": None if self.bell else at}


def columns_of(ways: Sequence[Ways], at: datetime) -> list[list[Any]]:
    """`Ways.row` of many, a list for each field."""
    rows = [one.row(at) for one in ways]
    return [[row[field] for row in rows] for field in ("pops_up", "digest", "read_at")]


@dataclass(frozen=True)
class Default:
    """What an account says of a topic."""

    ways: Ways
    is_locked: bool = False


@dataclass(frozen=True)
class Wishes:
    """Of several people; those who chose nothing are in it by the account's `defaults`, by topic."""

    chosen: Mapping[tuple[int, str], Ways] = field(default_factory=dict)
    defaults: Mapping[str, Default] = field(default_factory=dict)
    off: Mapping[int, Collection[str]] = field(default_factory=dict)  # ways that are switched off altogether
    never_quiet: Collection[int] = ()  # who wants to be told while away

    def ways(self, user_id: int, topic: Topic) -> Ways:
        """A lock counts more than what they chose, for one topic or for a whole way (R-NOT-5, R-NOT-12)."""
        if self.default(topic).is_locked:
            return self.default(topic).ways
        return self.choice(user_id, topic).without(self.off.get(user_id, ()))

    def choice(self, user_id: int, topic: Topic) -> Ways:
        """As it is ticked: what a switched-off way is to bring once it is on again stays chosen."""
        default = self.default(topic)
        return default.ways if default.is_locked else self.chosen.get((user_id, topic.value), default.ways)

    def default(self, topic: Topic) -> Default:
        return self.defaults.get(topic.value) or Default(of_deskhand(topic))


def of_deskhand(topic: Topic) -> Ways:
    return Ways(
        bell=topic not in ASKED_FOR,
        mail=topic in MAILED,
        popup=topic in POPPING,
        push=topic in POPPING,
        chat=topic in POPPING,
    )


def of_many(account_id: int, user_ids: Collection[int]) -> Wishes:
    """One query."""
    if not user_ids:
        return Wishes()
    chosen: dict[tuple[int, str], Ways] = {}
    defaults: dict[str, Default] = {}
    off: dict[int, Collection[str]] = {}
    never_quiet: set[int] = set()
    known = {"account": account_id, "users": sorted(user_ids)}
    for user_id, topic, names, is_set in sql.rows(_WISHES, known):
        if user_id is None:
            defaults[topic] = Default(Ways.of(names), is_set)
        elif topic is not None:
            chosen[user_id, topic] = Ways.of(names)
        else:
            off[user_id] = names
            never_quiet |= set() if is_set else {user_id}
    return Wishes(chosen, defaults, off, never_quiet)


_WISHES = """
select user_id, topic, ways, false from notifications_wish where account_id = %(account)s and user_id = any(%(users)s::bigint[])
union all select null, topic, ways, is_locked from notifications_defaultwish where account_id = %(account)s
union all select user_id, null, off, is_quiet from notifications_personal
    where account_id = %(account)s and user_id = any(%(users)s::bigint[])
"""


def asking_for(account_id: int, topic: Topic) -> set[int]:
    """Who is to be told of what nobody is told of unless they, or the account for them, ask for it. One query."""
    return {user_id for (user_id,) in sql.rows(_ASKING_FOR, {"account": account_id, "topic": topic.value})}


_ASKING_FOR = """
select m.user_id from accounts_membership m
left join notifications_wish w on w.account_id = m.account_id and w.user_id = m.user_id and w.topic = %(topic)s
left join notifications_defaultwish d on d.account_id = m.account_id and d.topic = %(topic)s
left join notifications_personal p on p.account_id = m.account_id and p.user_id = m.user_id
where m.account_id = %(account)s and m.is_active
  and case when d.is_locked then d.ways <> '{}'
      else not coalesce(w.ways, d.ways, '{}') <@ coalesce(p.off, '{}') end
"""


# ── for everybody ────────────────────────────────────────────────────────────────────────────────────────────────────


def defaults_of(account_id: int) -> dict[Topic, Default]:
    """By which ways those are told who chose nothing, of each topic, and whether that is locked."""
    found = Wishes(defaults={
        one.topic: Default(Ways.of(one.ways), one.is_locked) for one in DefaultWish.objects.filter(account_id=account_id)
    })  # fmt: skip
    return {topic: found.default(topic) for topic in Topic}


def set_defaults(account_id: int, wanted: Mapping[Topic, Default], *, by: Actor) -> None:
    """Set them for these topics. What people chose themselves stays, and counts where it is not locked (R-NOT-3, R-NOT-12)."""
    with account_scope(account_id):
        before = defaults_of(account_id)
        changed = {topic: one for topic, one in wanted.items() if one != before[topic]}
        for topic, one in changed.items():
            DefaultWish.objects.update_or_create(
                account_id=account_id, topic=topic.value, defaults={"ways": one.ways.names, "is_locked": one.is_locked}
            )  # fmt: skip
        if changed:
            audit.record(
                "notification_defaults.updated", by=by, target_type="account", target_id=account_id,
                before={topic.value: _stored(before[topic]) for topic in changed},
                after={topic.value: _stored(one) for topic, one in changed.items()},
            )  # fmt: skip


def _stored(one: Default) -> list[str]:
    return [*one.ways.names, *(["locked"] if one.is_locked else [])]


# ── one's own ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ForAll:
    """What somebody says of all topics at once."""

    is_quiet: bool = True  # nothing but the bell while they are away (R-NOT-14)
    off: Collection[str] = ()  # ways that are switched off; which topics they bring is kept (R-NOT-5)


def for_all(account_id: int, user_id: int) -> ForAll:
    found = Personal.objects.filter(account_id=account_id, user_id=user_id).first()
    return ForAll(found.is_quiet, tuple(found.off)) if found else ForAll()


def set_quiet(account_id: int, user_id: int, is_quiet: bool) -> None:
    with account_scope(account_id):
        sql.execute(_QUIET, [account_id, user_id, is_quiet])


_QUIET = """
insert into notifications_personal (account_id, user_id, is_quiet) values (%s, %s, %s)
on conflict (account_id, user_id) do update set is_quiet = excluded.is_quiet
"""


def switch(account_id: int, user_id: int, way: Way, *, is_on: bool) -> None:
    """Switch one way on or off for all topics; of two switches at once both count (R-NOT-5)."""
    with account_scope(account_id):
        off = [] if is_on else [way.value]
        sql.execute(_SWITCH, [account_id, user_id, off, way.value])


_SWITCH = """
insert into notifications_personal as p (account_id, user_id, off) values (%s, %s, %s)
on conflict (account_id, user_id) do update set off = array_remove(p.off, %s) || excluded.off
"""


def choose(account_id: int, user_id: int, chosen: Mapping[Topic, Ways]) -> None:
    """Set somebody's ways for these topics. What stays as it is without a choice is none: it follows the account's defaults.

    What is locked for everybody is not chosen.
    """
    with account_scope(account_id):
        known = of_many(account_id, [user_id])
        chosen = {
            topic: ways
            for topic, ways in chosen.items()
            if not known.default(topic).is_locked
            and ((user_id, topic.value) in known.chosen or ways != known.default(topic).ways)
        }
        sql.execute(
            "insert into notifications_wish (account_id, user_id, topic, ways)"
            " select %s, %s, x.topic, x.ways::text[] from unnest(%s::text[], %s::text[]) x(topic, ways)"
            " on conflict (account_id, user_id, topic) do update set ways = excluded.ways",
            [
                account_id,
                user_id,
                [topic.value for topic in chosen],
                [sql.array(ways.names) for ways in chosen.values()],
            ],
        )


def clear(account_id: int, user_id: int, topics: Collection[Topic]) -> None:
    """Tell them of none of these topics by any way, but of what is locked (R-NOT-5)."""
    choose(account_id, user_id, dict.fromkeys(topics, Ways()))


@transaction.atomic
def forget(account_id: int, user_id: int) -> None:
    """Tell them as the account has it: as if they had never chosen."""
    with account_scope(account_id):
        Wish.objects.filter(account_id=account_id, user_id=user_id).delete()
