"""What admins changed: an append-only chain per account, each entry signed over the one before it.

Every entry is an event as well, so that open pages and other areas hear of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.accounts.models import AuditEntry
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock, crypto
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

_PURPOSE = "audit"


def record(
    action: str,
    *,
    by: Actor,
    target_type: str,
    target_id: int,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append an entry, and its event, to the open account scope's transaction. `action` is "noun.verb-ed"."""
    account_id = current_account_id()
    sql.execute("select pg_advisory_xact_lock(hashtextextended('deskhand.audit', %s))", [account_id])
    last = AuditEntry.objects.filter(account_id=account_id).order_by("-number").first()
    entry = AuditEntry(
        account_id=account_id,
        number=last.number + 1 if last else 1,
        actor_kind=by.kind.value,
        actor_id=by.id,
        action=action,
        target_type=target_type,
        target_id=target_id,
        before=dict(before or {}),
        after=dict(after or {}),
        at=clock.now(),
        previous_hash=last.hash if last else "",
    )
    entry.hash = crypto.sign(_content(entry), account_id=account_id, purpose=_PURPOSE)
    entry.save(force_insert=True)
    log.record(
        action,
        object_type=target_type,
        object_id=target_id,
        version=entry.number,
        by=by,
        data={"before": entry.before, "after": entry.after},
        at=entry.at,
    )
    return entry


@dataclass(frozen=True)
class Asked:
    """Which entries somebody wants to read. `kind` is the first part of an action: "user", "role"."""

    actor_id: int | None = None
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None  # not included


def entries(account_id: int, asked: Asked, *, before: int | None = None, limit: int) -> list[AuditEntry]:
    """Newest first, those before the entry of this number. One query."""
    found = AuditEntry.objects.filter(account_id=account_id)
    if asked.actor_id is not None:
        found = found.filter(actor_kind=ActorKind.USER, actor_id=asked.actor_id)
    if asked.kind:
        found = found.filter(action__startswith=f"{asked.kind}.")
    if asked.since is not None:
        found = found.filter(at__gte=asked.since)
    if asked.until is not None:
        found = found.filter(at__lt=asked.until)
    if before is not None:
        found = found.filter(number__lt=before)
    return list(found.order_by("-number")[:limit])


def how_many(account_id: int) -> int:
    """How many entries there should be: the number of the last one."""
    last = AuditEntry.objects.filter(account_id=account_id).order_by("-number").first()
    return last.number if last else 0


def first_broken(account_id: int) -> int | None:
    """Return the number of the first entry that is not as it was written, or None.

    An entry that is missing breaks the one after it; missing ones at the end can't be told from here.
    """
    previous = ""
    entries = AuditEntry.objects.filter(account_id=account_id).order_by("number")
    for number, entry in enumerate(entries.iterator(), start=1):
        is_whole = entry.number == number and entry.previous_hash == previous
        if not is_whole or not crypto.is_signed(
            _content(entry), entry.hash, account_id=account_id, purpose=_PURPOSE
        ):
            return number
        previous = entry.hash
    return None


def _content(entry: AuditEntry) -> bytes:
    facts = {
        "account": entry.account_id,
        "number": entry.number,
        "actor": [entry.actor_kind, entry.actor_id],
        "action": entry.action,
        "target": [entry.target_type, entry.target_id],
        "before": entry.before,
        "after": entry.after,
        "at": _moment(entry.at),
        "previous": entry.previous_hash,
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def _moment(at: datetime) -> str:
    return f"{at.timestamp():.6f}"
