"""The sending loop: claim with a lease, send outside any transaction, write the answer down, tell who wants to know.

kill -9 is safe at any line. Before the claim commits nothing has happened; after it, the lease runs out and the send
counts as ambiguous and is tried again with the same Message-ID. So a mail is sent at least once, at most once more
than its ambiguous tries, and never after a definite answer was written down (O1, O2).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from prometheus_client import Counter

from deskhand.delivery import claims, outbox, retries
from deskhand.delivery.types import UNWRITTEN, Answer, Answered, Entry, Transport, Verdict
from deskhand.kernel import clock, env
from deskhand.kernel.database import wake
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, Invalid, NotFound

log = structlog.get_logger()

#: Called with the answers of one account, inside the transaction that records them. Filled by wiring.
answers: list[Callable[[list[Answered]], None]] = []

#: A mail's words as its payload has them, or why it can't have any.
Written = Mapping[str, Any] | Invalid
#: {what they carry: makes the words of one account's entries that were put in without, and keeps them}. Called in the
#: account's transaction before each try, and to give the same words each time. Filled by wiring.
writers: dict[str, Callable[[Sequence[Entry]], Mapping[int, Written]]] = {}

POLL = 2.0  # seconds between looks when no wake-up comes
RENEW_EVERY = 5.0  # seconds
LOOK_FOR_SERVERS_EVERY = 15.0  # seconds
RESERVED = 2  # threads more, for those who would wait behind one account's sends
TEXT_LIMIT = 2000  # characters of an answer that are kept

TRIES = Counter("deskhand_send_tries", "Tries to send", ["transport", "verdict"])


class Sender:
    """One process's sender. `threads` 0 sends on the caller's own thread, which tests and scripts want."""

    name = "outbox"
    wake = outbox.WAKE

    def __init__(
        self,
        transports: Mapping[str, Transport],
        *,
        threads: int | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.transports = transports
        self.threads = connections_at_once() if threads is None else threads
        self.first_wait = first_wait()
        self._jitter = jitter
        self._pool = ThreadPoolExecutor(self.threads, "sender") if self.threads else None
        self._beside = ThreadPoolExecutor(RESERVED, "sender-beside")  # starts no thread before it is used
        self._claimed: deque[Entry] = deque()  # not begun yet
        self._answered: list[tuple[Entry, Answer]] = []  # not written down yet
        self._under_way: dict[Future[Answer], Entry] = {}
        self._last_account = 0
        self._looked_at: claims.Place | None = (
            None  # the last place where we looked whether a server has come
        )
        self._next: dict[str, float] = {}
        self._woken = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; then finish what is under way and give the rest back."""
        wake.hear_locally(self.hear)
        pause = 0.2
        try:
            while not stop.is_set():
                self._woken.clear()
                try:
                    if not self.run_once():
                        self._woken.wait(POLL)
                    pause = 0.2
                except Exception as failure:  # noqa: BLE001 the edge of the worker: the database may be restarting
                    log.warning("queue interrupted", queue=self.name, error=str(failure))
                    close_old_connections()
                    connection.close()
                    stop.wait(pause)
                    pause = min(pause * 2, 5.0)
        finally:
            wake.forget_locally(self.hear)
            self.close()
            connection.close()

    def hear(self, name: str) -> None:
        if name in ("", self.wake):
            self._woken.set()

    def run_once(self, limit: int = 200) -> int:
        """Do what can be done now; return how many sends were claimed, answered or are under way.

        Raises what the database raises; what could not be begun, or written down, stays and is next time.
        """
        self._keep_house()
        done = self._collect(0.0)
        claimed = self._claim(min(limit, self._room()))
        self._claimed.extend(claimed)
        done += self._start()
        done += self._collect(0.1 if self._under_way else 0.0)
        return len(claimed) + done + len(self._under_way)

    def drain(self, seconds: float = 60.0) -> int:
        """Work until nothing is due or under way; return how many were claimed or answered. For tests and scripts."""
        until, total = time.monotonic() + seconds, 0
        while done := self.run_once():
            total += done
            if time.monotonic() > until:
                raise TimeoutError("The outbox did not empty in time.")
        return total

    def close(self, seconds: float = 20.0) -> None:
        """Give back what was not begun, and wait for the rest, at most `seconds`."""
        not_begun = [
            *self._claimed,
            *(self._under_way.pop(one) for one in list(self._under_way) if one.cancel()),
        ]
        self._claimed.clear()
        self._record([(entry, Answer(Verdict.UNPLUGGED, "")) for entry in not_begun], at_once=True)
        until = time.monotonic() + seconds
        while self._under_way and time.monotonic() < until:
            self._renew_leases()
            self._collect(0.5)
        for pool in (self._pool, self._beside):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        for transport in self.transports.values():
            transport.close()

    def _room(self) -> int:
        """A few more than there are threads, so that none waits for the next claim."""
        most = 50 if self._pool is None else 2 * self.threads
        return max(0, most - len(self._under_way) - len(self._claimed))

    def _claim(self, limit: int) -> list[Entry]:
        if limit <= 0:
            return []
        accounts = claims.due_accounts(self._last_account)
        if not accounts and self._last_account:
            accounts = claims.due_accounts(0)
        self._last_account = accounts[-1] if len(accounts) == claims.ACCOUNTS_LIMIT else 0
        shares = _shares(accounts, limit, self._held_by_account(), self._account_limit())
        return claims.claim(shares) if shares else []

    def _held_by_account(self) -> dict[int, int]:
        held: dict[int, int] = {}
        for entry in (*self._under_way.values(), *self._claimed):
            held[entry.account_id] = held.get(entry.account_id, 0) + 1
        return held

    def _account_limit(self) -> int:
        return 50 if self._pool is None else max(1, 2 * self.threads - RESERVED)

    def _start(self) -> int:
        """Hand what is claimed to the threads; what nothing can send is answered at once. Returns how much was."""
        self._have_written()
        unplugged: dict[claims.Place, str] = {}
        while self._claimed:
            entry = self._claimed[0]
            lacking = self._missing(entry.transport, entry.account_id, entry.channel_account_id)
            if lacking:
                unplugged[entry.transport, entry.account_id, entry.channel_account_id] = lacking
                self._answered.append((entry, Answer(Verdict.UNPLUGGED, lacking)))
            elif self._pool is None:
                self._answered.append((entry, self._try(entry)))
            else:
                pool = self._beside if self._is_behind_another(entry.account_id) else self._pool
                self._under_way[pool.submit(self._try_on_a_thread, entry)] = entry
            self._claimed.popleft()
        done = len(self._answered)
        self._record(self._answered)
        self._answered.clear()
        for place, lacking in unplugged.items():
            done += _put_aside(place, lacking)
        return done

    def _have_written(self) -> None:
        """Let what was put in without words have them, each account's at once; what can't be written is answered.

        What has no way out yet waits for its words, too.
        """
        unwritten: dict[int, list[Entry]] = {}
        for entry in self._claimed:
            if entry.payload.get(UNWRITTEN) and not self._missing(
                entry.transport, entry.account_id, entry.channel_account_id
            ):
                unwritten.setdefault(entry.account_id, []).append(entry)
        written: dict[int, Entry | Answer] = {}
        for account_id, entries in unwritten.items():
            written |= _written(account_id, entries)
        if not written:
            return
        claimed = [(entry, written.get(entry.id, entry)) for entry in self._claimed]
        self._claimed = deque(one for _entry, one in claimed if isinstance(one, Entry))
        self._answered += [(entry, one) for entry, one in claimed if isinstance(one, Answer)]

    def _is_behind_another(self, account_id: int) -> bool:
        """Whether all threads are taken, and mostly by another account: its server may be dead."""
        if len(self._under_way) < self.threads:
            return False
        held = self._held_by_account()
        return max(held.values()) > held.get(account_id, 0)

    def _missing(self, transport: str, account_id: int, channel_account_id: int | None) -> str:
        """What is not set up, or set up wrongly: one account's mistake must not hold up the others' mail."""
        if transport not in self.transports:
            return _("Nothing here can send %s.") % transport
        try:
            return self.transports[transport].missing(account_id, channel_account_id)
        except DeskhandError as trouble:
            return str(trouble)

    def _try_on_a_thread(self, entry: Entry) -> Answer:
        try:
            return self._try(entry)
        finally:
            connection.close()  # back to the pool; sending itself needs none

    def _try(self, entry: Entry) -> Answer:
        try:
            answer = self.transports[entry.transport].send(entry)
        except (Invalid, NotFound) as refusal:
            answer = Answer(Verdict.REFUSED, str(refusal))
        except Exception as failure:  # the edge of a job: the entry shows it, and is tried again
            log.exception("send failed", entry=entry.id)
            answer = Answer(Verdict.LATER, repr(failure))
        TRIES.labels(entry.transport, answer.verdict).inc()
        return answer

    def _collect(self, seconds: float) -> int:
        """Write down what has been answered, waiting up to `seconds` for a first one."""
        if not self._under_way:
            return 0
        finished = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED).done
        answered = [(self._under_way.pop(future), future.result()) for future in finished]
        self._record(answered)  # one that can't be written down loses its lease, and keeps no other back
        return len(answered)

    def _record(self, answered: Iterable[tuple[Entry, Answer]], *, at_once: bool = False) -> None:
        by_account = sorted(answered, key=lambda pair: pair[0].account_id)
        for account_id, pairs in groupby(by_account, key=lambda pair: pair[0].account_id):
            self._record_account(
                account_id, [self._outcome(entry, answer, at_once) for entry, answer in pairs]
            )

    def _record_account(self, account_id: int, outcomes: Sequence[_Outcome]) -> None:
        """One transaction for all; where a listener fails, one for each, so that no answer is lost with another's."""
        try:
            _write_down(account_id, outcomes, tell=True)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the answers are facts already; a listener's mistake must not send anything twice
            log.exception("a listener failed", account=account_id, answers=len(outcomes))
            for outcome in outcomes:
                try:
                    _write_down(account_id, [outcome], tell=True)
                except (OperationalError, InterfaceError):
                    raise
                except Exception:
                    log.exception("an answer is kept untold", account=account_id, entry=outcome.told.entry.id)
                    _write_down(account_id, [outcome], tell=False)

    def _outcome(self, entry: Entry, answer: Answer, at_once: bool) -> _Outcome:
        following = retries.decide(
            answer,
            settled_before=list(entry.settled.values()),
            attempts=entry.attempts,
            ambiguous=entry.ambiguous + (answer.verdict is Verdict.AMBIGUOUS),
            tried_seconds=entry.tried_seconds,
            jitter=self._jitter(),
            first=self.first_wait,
        )
        at, error = clock.now(), _explained(following.reason, answer)
        fact = _fact(entry, answer, following, error, at, at_once)
        return _Outcome(fact, Answered(entry, answer, following.state, at, error))

    def _keep_house(self) -> None:
        if self._is_time("renew", RENEW_EVERY):
            outbox.settle()
            self._renew_leases()
            self._take_over_lost()
            for transport in self.transports.values():
                transport.rest()
        if self._is_time("servers", LOOK_FOR_SERVERS_EVERY):
            self._look_for_servers()

    def _is_time(self, what: str, every: float) -> bool:
        if time.monotonic() < self._next.get(what, 0.0):
            return False
        self._next[what] = time.monotonic() + every
        return True

    def _renew_leases(self) -> None:
        claims.renew(
            [*self._under_way.values(), *self._claimed, *(entry for entry, _answer in self._answered)]
        )

    def _take_over_lost(self) -> None:
        words = _("Sending stopped in the middle; it may have arrived.")
        lost = [(entry, Answer(Verdict.AMBIGUOUS, words)) for entry in claims.lost()]
        self._record(lost, at_once=True)

    def _look_for_servers(self) -> None:
        """Make due what a server has come for: three statements, however many accounts wait."""
        places = claims.unplugged(self._looked_at)
        if claims.replug(self._ready(places)) >= claims.REPLUG_LIMIT:
            self._next["servers"] = (
                0.0  # there are more: at once, and not from all places in one long statement
            )
        else:
            self._looked_at = places[-1] if len(places) >= claims.PLACES_LIMIT else None

    def _ready(self, places: Sequence[claims.Place]) -> list[claims.Place]:
        found: list[claims.Place] = []
        for name, transport in self.transports.items():
            pairs = [(account_id, channel) for named, account_id, channel in places if named == name]
            if pairs:
                found += [(name, account_id, channel) for account_id, channel in transport.ready(pairs)]
        return found


def _written(account_id: int, entries: Sequence[Entry]) -> dict[int, Entry | Answer]:
    """Each with its words, or answered. Where a writer fails, each by itself, so that one mail stops no other."""
    try:
        with account_scope(account_id):
            return _by_their_writers(entries)
    except (OperationalError, InterfaceError):
        raise
    except Exception as failure:  # the edge of a job: the entry shows it, and is tried again
        log.exception("a writer failed", account=account_id, mails=len(entries))
        if len(entries) == 1:
            return {entries[0].id: Answer(Verdict.LATER, repr(failure))}
        found: dict[int, Entry | Answer] = {}
        for entry in entries:
            found |= _written(account_id, [entry])
        return found


def _by_their_writers(entries: Sequence[Entry]) -> dict[int, Entry | Answer]:
    found: dict[int, Entry | Answer] = {}
    by_kind: dict[str, list[Entry]] = {}
    for entry in entries:
        by_kind.setdefault(entry.reference_type, []).append(entry)
    for kind, of_kind in by_kind.items():
        words = writers[kind](of_kind) if kind in writers else {}
        for entry in of_kind:
            one = words.get(entry.id, Invalid(_("What this mail says is not there any more.")))
            found[entry.id] = (
                Answer(Verdict.REFUSED, str(one))
                if isinstance(one, Invalid)
                else replace(entry, payload={**entry.payload, **one, UNWRITTEN: False})
            )
    return found


@dataclass(frozen=True, slots=True)
class _Outcome:
    fact: dict[str, Any]
    told: Answered


def _write_down(account_id: int, outcomes: Sequence[_Outcome], *, tell: bool) -> None:
    with account_scope(account_id):
        written = claims.record(account_id, [one.fact for one in outcomes])
        news = [one.told for one in outcomes if one.told.entry.id in written]
        if news and tell:
            for hear in answers:
                hear(news)


def _put_aside(place: claims.Place, why: str) -> int:
    """What else is due where one send found no way out: all at once, and not a few with each claim."""
    _transport, account_id, _channel = place
    try:
        with account_scope(account_id):
            found = claims.unplug(place, why)
            at, answer = clock.now(), Answer(Verdict.UNPLUGGED, why)
            news = [Answered(entry, answer, "WAITING", at, why) for entry in found]
            if news:
                for hear in answers:
                    hear(news)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # they stay due, and are put aside one by one
        log.exception("a listener failed", account=account_id)
        return 0
    return len(found)


def connections_at_once() -> int:
    """How many sends one process has under way; a few more where one account takes these all."""
    return env.whole("MAIL_CONNECTIONS", 8, at_least=3, at_most=100)


def first_wait() -> float:
    """Seconds from a first try that failed to the next, at least."""
    return float(env.whole("MAIL_RETRY_SECONDS", int(retries.FIRST_WAIT), at_least=1, at_most=3600))


def _shares(accounts: Sequence[int], limit: int, held: Mapping[int, int], most: int) -> dict[int, int]:
    """Divide `limit` claims among the accounts, so that no account's flood or dead server stops the others."""
    shares: dict[int, int] = {}
    left = limit
    for position, account_id in enumerate(accounts):
        fair = max(1, left // (len(accounts) - position))
        share = min(fair, left, most - held.get(account_id, 0))
        if share > 0:
            shares[account_id] = share
            left -= share
    return shares


def _fact(
    entry: Entry, answer: Answer, following: retries.Next, error: str, at: Any, at_once: bool
) -> dict[str, Any]:
    """One row for claims.record. `at_once`: due again this moment, for what a stopped sender left."""
    no_try = answer.verdict in (Verdict.UNPLUGGED, Verdict.BUSY)
    waits = following.state == "WAITING"
    again_at_once = at_once and waits
    return {
        "id": entry.id,
        "state": following.state,
        "wait": 0.0 if again_at_once else following.wait,
        "attempts": entry.attempts,
        "refund": int(no_try),
        "ambiguous": int(answer.verdict is Verdict.AMBIGUOUS),
        "answers": dict(answer.settled),
        "last_answer": answer.text[:TEXT_LIMIT] if not no_try else "",
        "error": error,
        "held_reason": error if following.state == "HELD" else "",
        "sent_at": at if following.state == "SENT" else None,
    }


def _explained(reason: str, answer: Answer) -> str:
    """Why it isn't sent, or not to all, for people."""
    words = answer.text[:TEXT_LIMIT]
    match reason:
        case "unplugged":
            return words
        case "retry":
            return _("Will be tried again: %s") % words
        case "refused":
            return _("Refused: %s") % words
        case "gave-up" if answer.most is not None:
            return ngettext("Given up after %(num)s try: %(answer)s", "Given up after %(num)s tries: %(answer)s", answer.most) % {
                "num": answer.most, "answer": words,
            }  # fmt: skip
        case "gave-up":
            days = round(retries.patience_with(answer) / 86400)
            return ngettext("Given up after %(days)s day: %(answer)s", "Given up after %(days)s days: %(answer)s", days) % {
                "days": days, "answer": words,
            }  # fmt: skip
        case "ambiguous":
            return _("It may have arrived several times already; release it to try once more: %s") % words
    return ""
