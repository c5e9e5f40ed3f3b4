"""Calls to other systems over HTTP (R-WFA-11).

Network errors, 429 and 5xx are tried again for up to three days; any other answer but a yes is a no. A call that may
have been done is tried again too: it carries the same key, so the other side can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from django.db import connection
from django.utils.translation import gettext as _

from deskhand.delivery import calls
from deskhand.delivery.types import Answer, Entry, Pair, Reply, Verdict
from deskhand.kernel import clock
from deskhand.kernel.errors import Ambiguous, Invalid, Rejected, Unreachable
from deskhand.kernel.text import storable

GIVE_UP_AFTER = 3 * 24 * 3600.0  # seconds
MOST_WAIT = 24 * 3600.0  # however long the other side asks for
AT_MOST = 64 * 1024  # bytes of an answer that are kept
SECONDS = 15.0
SHOWN = 300  # characters of an answer that people are shown


class HttpTransport:
    """One for all accounts: every call says itself where it goes."""

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        return ""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        return set(pairs)

    def send(self, entry: Entry) -> Answer:
        call = calls.opened(entry.payload, entry.account_id)
        headers = calls.signed_headers(call, entry.payload["key"], clock.now())
        return asked(call.method, call.url, headers, call.body.encode(), place=call.place)

    def rest(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        """Nothing stays open."""


def asked(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    place: str,
    patience: float = GIVE_UP_AFTER,
    seconds: float = SECONDS,
    judge: Callable[[int], Verdict] | None = None,
) -> Answer:
    """Ask once. `place` is what people are told of the address, which may be a secret; `judge` says what a status comes to,
    where that is another matter than for steps."""
    from deskhand.kernel import http  # late: 2 MB

    def said(verdict: Verdict, words: str, reply: Reply | None = None, wait: float = 0.0) -> Answer:
        return Answer(verdict, words, reply=reply, wait=wait, patience=patience)

    if not connection.in_atomic_block:
        connection.close()  # to the pool: a server that takes its time must not keep it from others
    try:
        answer = http.fetch(
            method, url, headers=headers, body=body, seconds=seconds, at_most=AT_MOST, cut=True, redirects=0
        )
    except (Invalid, Rejected) as refusal:
        return said(Verdict.REFUSED, str(refusal))
    except (Unreachable, Ambiguous) as trouble:
        return said(Verdict.LATER, str(trouble))
    reply = Reply(answer.status, storable(answer.body.decode("utf-8", "replace")))
    words = _("%(place)s answered %(status)s: %(text)s") % {
        "place": place, "status": reply.status, "text": " ".join(reply.body.split())[:SHOWN],
    }  # fmt: skip
    return said(
        (judge or verdict_of)(reply.status), words, reply, wait_of(answer.headers.get("retry-after", ""))
    )


def verdict_of(status: int) -> Verdict:
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    return Verdict.LATER if status == 429 or status >= 500 else Verdict.REFUSED


def wait_of(retry_after: str) -> float:
    """The seconds that the other side asks for, as a number or as a date; 0 when it asks for none that can be read."""
    given = retry_after.strip()
    if given.isascii() and given.isdigit():
        return min(float(given[:9]), MOST_WAIT)
    try:
        until = parsedate_to_datetime(given)
    except (ValueError, TypeError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - clock.now()).total_seconds()), MOST_WAIT)
