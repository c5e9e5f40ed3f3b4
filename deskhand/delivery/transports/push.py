"""Pushes to browsers, through the push services of those who make them (R-NOT-4)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from deskhand.delivery import push
from deskhand.delivery.transports.http import asked
from deskhand.delivery.types import Answer, Entry, Pair, Verdict
from deskhand.kernel import clock


class PushTransport:
    """One for all accounts. `key` gives the installation's private key, `contact` where push services can complain."""

    def __init__(self, key: Callable[[], str], contact: Callable[[], str]) -> None:
        self._key = key
        self._contact = contact

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        return ""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        return set(pairs)

    def send(self, entry: Entry) -> Answer:
        browser, message = push.opened(entry.payload, entry.account_id)
        headers = push.headers(browser, self._key(), self._contact(), entry.payload["tag"], clock.now())
        answer = asked(
            "POST", browser.endpoint, headers, push.sealed(message, browser), place=browser.place,
            patience=push.LASTS.total_seconds(),
        )  # fmt: skip
        is_gone = answer.reply is not None and answer.reply.status in push.GONE
        # There is nobody to send it to any more, which is no trouble.
        return replace(answer, verdict=Verdict.ACCEPTED) if is_gone else answer

    def rest(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        """Nothing stays open."""
