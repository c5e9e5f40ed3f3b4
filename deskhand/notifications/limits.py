"""How many mails one person gets of one topic; what is beyond comes in one mail an hour, and nothing is dropped (R-NOT-7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel import timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.notifications.models import MailLimit
from deskhand.notifications.types import Topic

HOURLY = 50  # unless the account says otherwise
DAILY = 1_000  # whatever the account says (R-NOT-7)
DIGEST = "notifications.digest"  # the timer of digests.py
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Numbers = Mapping[tuple[int, Topic], int]  # (user, topic) → mails


def beyond(account_id: int, numbers: Numbers, at: datetime) -> set[tuple[int, Topic]]:
    """For whom so many mails more of a topic would be too many. One query.

    Two transactions at once don't see each other's mails: the limit is no exact one, and none waits for the other.
    """
    if not numbers:
        return set()
    given = {
        "account": account_id, "users": sorted({user_id for user_id, _topic in numbers}), "usual": HOURLY,
        "hour": at - HOUR, "day": at - DAY,
    }  # fmt: skip
    found = sql.rows(_SENT, given)
    hourly = next(limit for user_id, _topic, limit, _day in found if user_id is None)
    known = {(user_id, topic): (in_hour, in_day) for user_id, topic, in_hour, in_day in found if user_id}

    def is_beyond(user_id: int, topic: Topic, number: int) -> bool:
        in_hour, in_day = known.get((user_id, topic.value), (0, 0))
        return bool(in_hour + number > hourly or in_day + number > DAILY)

    return {pair for pair, number in numbers.items() if is_beyond(*pair, number)}


_SENT = """
select null::bigint, null::text, coalesce((select hourly from notifications_maillimit where account_id = %(account)s), %(usual)s)::bigint, 0::bigint
union all
select user_id, topic, coalesce(sum(number) filter (where at > %(hour)s), 0)::bigint, sum(number)::bigint
from notifications_mailed where account_id = %(account)s and user_id = any(%(users)s::bigint[]) and at > %(day)s
group by user_id, topic
"""


def count(account_id: int, numbers: Numbers, at: datetime) -> None:
    """These leave now; what no limit counts any more is forgotten. One statement."""
    columns = [
        [user_id for user_id, _topic in numbers],
        [topic.value for _user, topic in numbers],
        list(numbers.values()),
    ]
    sql.execute(_COUNT, [account_id, columns[0], at - DAY, account_id, at, *columns])


_COUNT = """
with old as (delete from notifications_mailed where account_id = %s and user_id = any(%s::bigint[]) and at < %s)
insert into notifications_mailed (account_id, at, user_id, topic, number)
select %s, %s, x.* from unnest(%s::bigint[], %s::text[], %s::int[]) x
"""


def set_timers(account_id: int, user_ids: Collection[int], at: datetime) -> None:
    """They get a digest at the next full hour, or when one is due already."""
    if user_ids:
        timers.set_timers_once(account_id, DIGEST, [str(user_id) for user_id in sorted(user_ids)], _next(at))


def _next(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def hourly(account_id: int) -> int:
    found = MailLimit.objects.filter(account_id=account_id).first()
    return found.hourly if found else HOURLY


def set_hourly(account_id: int, number: int | None, *, by: Actor) -> None:
    """Raises Invalid for what is no number from 1 to DAILY."""
    if number is None or not 1 <= number <= DAILY:
        words = _("Give a number from 1 to %(most)s.") % {"most": DAILY}
        raise Invalid(words, field="hourly", value=number)
    with account_scope(account_id):
        before = hourly(account_id)
        if number != before:
            MailLimit.objects.update_or_create(account_id=account_id, defaults={"hourly": number})
            audit.record(
                "notification_limit.updated", by=by, target_type="account", target_id=account_id,
                before={"hourly": before}, after={"hourly": number},
            )  # fmt: skip
