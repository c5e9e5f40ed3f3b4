"""One mail an hour of what was too much to be mailed one by one (R-NOT-7).

What it names is asked for when it leaves, with the rights of that moment (R-NOT-16). The mail, and that its lines wait no
more, are one transaction with the timer that rang: it leaves once, whatever dies when.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.utils import translation
from django.utils.translation import ngettext

from deskhand.accounts.mails import letter
from deskhand.accounts.models import Account, User
from deskhand.accounts.policy import viewers_of
from deskhand.delivery import outbox
from deskhand.delivery.types import NewSend
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.notifications import describing, limits, reading, wishes
from deskhand.notifications.limits import set_timers
from deskhand.notifications.planning import Away
from deskhand.notifications.reading import Line
from deskhand.notifications.wording import mail_of

KIND = limits.DIGEST
MOST = 1_000  # lines of one mail; the rest is in the next


def send_due(account_id: int, due: Sequence[timers.DueTimer], *, away: Away) -> None:
    """Timers: to who is away and wants quiet it comes when they are back; who wants no mail any more gets none."""
    now = clock.now()
    asked = {int(timer.key) for timer in due}
    wanted = wishes.of_many(account_id, asked)
    quiet = asked - set(wanted.never_quiet)
    waiting = quiet & set(away(account_id, quiet)) if quiet else set()
    account = Account.objects.get(pk=account_id)
    people = User.objects.in_bulk(asked)
    ready = asked - waiting
    claimed = _claim(account_id, ready)
    sends: list[NewSend] = []
    for viewer in viewers_of(account_id, set(claimed)):  # who left hears nothing
        found, _place = reading.lines(viewer, limit=MOST, only=claimed[viewer.user_id])
        lines = [line for line in found if wanted.ways(viewer.user_id, line.topic).mail]
        sends += [_letter(account, people[viewer.user_id], lines, now)] if lines else []
    outbox.enqueue(sends)
    full = {user_id for user_id, ids in claimed.items() if len(ids) == MOST}
    set_timers(account_id, waiting | full, now)


def _claim(account_id: int, user_ids: Collection[int]) -> dict[int, list[int]]:
    """What waits for each of them, which waits no more; the oldest, where that is too much for one mail. One query."""
    found: dict[int, list[int]] = {}
    for user_id, pk in sql.rows(_CLAIM, [account_id, sorted(user_ids), account_id, MOST]):
        found.setdefault(user_id, []).append(pk)
    return found


_CLAIM = """
update notifications_notification n set digest = false
from (select id, row_number() over (partition by user_id order by id) as place from notifications_notification
      where account_id = %s and user_id = any(%s::bigint[]) and digest) waits
where n.account_id = %s and n.id = waits.id and n.digest and waits.place <= %s
returning n.user_id, n.id
"""


def _letter(account: Account, user: User, lines: Sequence[Line], at: datetime) -> NewSend:
    with translation.override(user.locale or account.locale):
        title = ngettext("%(num)s notification", "%(num)s notifications", len(lines)) % {"num": len(lines)}
        parts = [
            f"{describing.title(line)}\n{describing.words(line)}\n{settings.SITE_URL}{describing.path(line)}"
            for line in lines
        ]
        key = f"digest:{user.pk}:{lines[0].id}:{at:%Y%m%d%H%M%S%f}"  # a line may wait for a second one
        return letter(account, user, title, mail_of("\n\n".join(parts)), key=key)
