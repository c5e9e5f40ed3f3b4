"""The calls that programs made with tokens, for 30 days: when, what, how it ended; never what was sent or answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import Error
from django.db.models import Q, QuerySet

from deskhand.accounts.models import ApiRequest
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.text import one_line

log = structlog.get_logger()

KEPT = timedelta(days=30)
_AT_ONCE = 10_000  # rows that one statement deletes
_ENDS = {
    "done": Q(status__lt=400),
    "refused": Q(status__gte=400, status__lt=500) & ~Q(status=429),
    "limited": Q(status=429),
    "failed": Q(status__gte=500),
}
#: Ways that a call may end, to ask for.
ENDS = tuple(_ENDS)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls somebody wants to see. `end` is one of ENDS."""

    token_id: int | None = None
    end: str = ""
    method: str = ""
    path: str = ""  # a part of it
    since: datetime | None = None
    until: datetime | None = None  # not included


def note(
    account_id: int,
    token_id: int,
    *,
    at: datetime,
    method: str,
    path: str,
    status: int,
    milliseconds: int,
    correlation_id: UUID,
    category: str = "",
    agent: str = "",
) -> None:
    """Write a call down, in a transaction of its own that waits for no disk. What can't be written is missing, no more."""
    try:
        with account_scope(account_id):
            sql.execute("set local synchronous_commit = off")
            ApiRequest.objects.create(
                account_id=account_id, at=at, token_id=token_id, method=method[:10], path=one_line(path)[:300], status=status,
                milliseconds=milliseconds, correlation_id=correlation_id, category=category[:40], agent=one_line(agent)[:200],
            )  # fmt: skip
    except Error as problem:
        log.warning("api.request_not_noted", error=str(problem), correlation_id=str(correlation_id))


def entries(account_id: int, asked: Asked, *, before: int | None = None, limit: int) -> Sequence[ApiRequest]:
    """Newest first, those before the call of this id. One query."""
    found = _found(account_id, asked)
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-pk")[:limit])


def find(account_id: int, request_id: int) -> ApiRequest | None:
    return ApiRequest.objects.filter(account_id=account_id, pk=request_id).first()


def number_since(account_id: int, at: datetime) -> int:
    """How many calls were made since."""
    return ApiRequest.objects.filter(account_id=account_id, at__gte=at).count()


def _found(account_id: int, asked: Asked) -> QuerySet[ApiRequest]:
    found = ApiRequest.objects.filter(account_id=account_id)
    if asked.token_id is not None:
        found = found.filter(token_id=asked.token_id)
    if asked.end:
        found = found.filter(_ENDS[asked.end])
        if asked.end != "done":
            found = found.filter(status__gte=400)  # has an index of its own
    if asked.method:
        found = found.filter(method=asked.method)
    if asked.path:
        found = found.filter(path__contains=asked.path)
    if asked.since:
        found = found.filter(at__gte=asked.since)
    if asked.until:
        found = found.filter(at__lt=asked.until)
    return found


def trim(account_id: int, now: datetime) -> int:
    """Delete what is older than 30 days, and return how many that were."""
    old = ApiRequest.objects.filter(account_id=account_id, at__lt=now - KEPT)
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:_AT_ONCE]):
        deleted += ApiRequest.objects.filter(account_id=account_id, pk__in=ids).delete()[0]
    return deleted
