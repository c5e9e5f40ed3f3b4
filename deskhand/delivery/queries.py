"""Reading the outbox and the built-in mailbox: the mail-queue screen, the demo's inbox."""

from __future__ import annotations

from collections.abc import Collection

from deskhand.delivery.models import Fence, OutboxEntry, SinkMail, State
from deskhand.kernel.database import sql

PAGE = 50
COUNT_CAP = 1000


def queue(
    account_id: int, states: Collection[str] = (), *, before: int | None = None, limit: int = PAGE
) -> list[OutboxEntry]:
    """The newest entries in these states (all without), older than id `before`; payloads are left out."""
    found: list[OutboxEntry] = []
    for state in states or State.values:  # one index walk per state
        chosen = OutboxEntry.objects.filter(account_id=account_id, state=state)
        if before is not None:
            chosen = chosen.filter(id__lt=before)
        found += chosen.defer("payload").order_by("-id")[:limit]
    return sorted(found, key=lambda entry: -entry.id)[:limit]


def counts(account_id: int) -> dict[str, int]:
    """How many entries stand in each state but SENT, each counted up to 1,000."""
    open_states = [state for state in State.values if state != State.SENT]
    found = sql.rows(
        "select s.state, (select count(*) from (select 1 from delivery_outboxentry"
        " where account_id = %s and state = s.state limit %s) c) from unnest(%s::text[]) s (state)",
        [account_id, COUNT_CAP, open_states],
    )
    return dict(found)


def why_waiting() -> dict[str, int]:
    """Why mail waits that was tried, or can't be, in all accounts: how many for each of the most frequent reasons."""
    found = sql.rows(
        "select error, count(*) from delivery_outboxentry where state = 'WAITING' and error <> ''"
        " group by error order by 2 desc, 1 limit 5"
    )
    return dict(found)


def fence() -> Fence | None:
    """The fence that a restore has put up, while it stands."""
    return Fence.objects.first()


def entry(account_id: int, entry_id: int) -> OutboxEntry | None:
    return OutboxEntry.objects.filter(account_id=account_id, id=entry_id).first()


def sink_mails(
    account_id: int, *, recipient: str = "", before: int | None = None, limit: int = PAGE
) -> list[SinkMail]:
    """The built-in mailbox, newest first, without the bytes; of one recipient if given. Needs the account's scope."""
    chosen = SinkMail.objects.filter(account_id=account_id)
    if recipient:
        chosen = chosen.filter(recipients__contains=[recipient])
    if before is not None:
        chosen = chosen.filter(id__lt=before)
    return list(chosen.defer("raw").order_by("-id")[:limit])


def sink_mail(account_id: int, mail_id: int) -> SinkMail | None:
    """One mail with its bytes. Needs the account's scope."""
    return SinkMail.objects.filter(account_id=account_id, id=mail_id).first()
