"""Mail: rendered here, handed to the account's mail server, the installation's, or the built-in mailbox."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from deskhand.delivery import headers, mime
from deskhand.delivery.relays import Relay, default_relay
from deskhand.delivery.transports import sink, smtp
from deskhand.delivery.types import Answer, Entry, Mail, Pair, Verdict
from deskhand.kernel.errors import DeskhandError

RelayFor = Callable[[int, int | None], Relay | None]
HaveRelay = Callable[[Collection[Pair]], set[Pair]]

REMEMBERED_SECONDS = 10.0  # a changed server counts after these


def the_installations(account_id: int, channel_account_id: int | None) -> Relay | None:
    """The server of SMTP_URL for everybody: what is used where wiring plugs nothing else in."""
    return default_relay()


class MailTransport:
    """`relay_for(account_id, channel_account_id)` says through whom; None: nobody yet, the mail waits visibly.

    `have_relay` says the same of many at once; without it each is asked for by itself.
    """

    def __init__(self, relay_for: RelayFor = the_installations, have_relay: HaveRelay | None = None) -> None:
        self._relay_for = relay_for
        self._have_relay = have_relay or self._one_by_one
        self._relays = smtp.Relays()
        self._remembered: dict[tuple[int, int | None], tuple[float, Relay | None]] = {}

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        if self._relay(account_id, channel_account_id) is None:
            return _("No mail server is set up; the mail waits here until there is one.")
        return ""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        found = self._have_relay(pairs)
        for pair in found:
            self._remembered.pop(pair, None)  # that there was none
        return found

    def send(self, entry: Entry) -> Answer:
        relay = self._relay(entry.account_id, entry.channel_account_id)
        if relay is None:
            return Answer(Verdict.UNPLUGGED, self.missing(entry.account_id, entry.channel_account_id))
        message = mime.render(
            _from(relay, Mail.from_payload(entry.payload)),
            account_id=entry.account_id,
            message_id=entry.message_id,
            at=entry.created_at,
        )
        if relay.kind == "sink":
            return sink.store(entry, message)
        if not connection.in_atomic_block:
            connection.close()  # to the pool: a server that takes its time must not keep it from others
        return self._hand_over(relay, entry, message)

    def rest(self) -> None:
        self._relays.close_idle()

    def close(self) -> None:
        """Close all idle connections."""
        self._relays.close_idle(0.0)

    def _hand_over(self, relay: Relay, entry: Entry, message: bytes) -> Answer:
        """Speak in the wire's spelling of the addresses, and answer in ours."""
        spelled = {who: headers.wire_address(who) for who in entry.recipients}
        sender = headers.wire_address(entry.envelope_from) if entry.envelope_from else ""
        wire = list(dict.fromkeys(spelled.values()))
        utf8 = not message.isascii() or not all(address.isascii() for address in (sender, *wire))
        answer = self._relays.send(relay, sender, wire, message, utf8=utf8)
        settled = {
            who: answer.settled[address] for who, address in spelled.items() if address in answer.settled
        }
        return Answer(answer.verdict, answer.text, settled)

    def _one_by_one(self, pairs: Collection[Pair]) -> set[Pair]:
        found = set()
        for pair in pairs:
            with contextlib.suppress(DeskhandError):  # one account's mistake
                if self._relay_for(*pair) is not None:
                    found.add(pair)
        return found

    def _relay(self, account_id: int, channel_account_id: int | None) -> Relay | None:
        key = (account_id, channel_account_id)
        until, relay = self._remembered.get(key, (0.0, None))
        if time.monotonic() < until:
            return relay
        relay = self._relay_for(account_id, channel_account_id)
        self._remembered[key] = (time.monotonic() + REMEMBERED_SECONDS, relay)
        return relay


def _from(relay: Relay, mail: Mail) -> Mail:
    """Few servers let somebody's log-in write in another's name: what leaves by an address's server leaves from it."""
    if not relay.sender or settings.MAIL_FROM:
        return mail
    return mail._replace(sender=mail.sender._replace(email=relay.sender))
