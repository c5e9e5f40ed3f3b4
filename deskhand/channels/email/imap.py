"""Reading mailboxes by IMAP: one thread per mailbox, woken by IDLE.

A mail is fetched without marking it read, stored, committed, and only then moved away (R1, R12). People may read and
delete in the same mailbox meanwhile. What was fetched twice is known by its UID, and after the server numbered its
mails anew, by its content (R9–R11).
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from imapclient import SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from deskhand.channels.email import alarms, store
from deskhand.channels.email.causes import NoFolder, Refused, cause_of
from deskhand.channels.email.imap_client import IMAPClient
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.channels.email.store import Incoming
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.wake import listen_address
from deskhand.kernel.errors import DeskhandError
from deskhand.kernel.tls import client_context

log = structlog.get_logger()

TIMEOUTS = SocketTimeout(connect=20, read=60)  # seconds of silence (R14)
TRIAL_TIMEOUTS = SocketTimeout(connect=10, read=10)  # while a person waits
LONGEST_FETCH = 600  # seconds for one mail or one set, however the bytes drip
IDLE_TIME = 300  # seconds; less than the 29 minutes of RFC 2177, and we look anyway after it (R13)
LOOK_EVERY = 60  # seconds, where the server has no IDLE
SLICE = 1.0  # seconds between looks at `stop`
PART = 1024 * 1024  # bytes fetched at once (R15)
SET_MAILS, SET_BYTES = 50, 8 * 1024 * 1024  # small mails fetched and stored together
LONGEST_PAUSE = 900  # seconds between tries (R14)
STOPPED = 8  # tries in a row that failed, about five minutes: then administrators hear of it
#: Seconds after a first refused password, and the longest: providers lock who tries too often (R16). Saving the
#: settings ends the wait.
REFUSED_PAUSE, LONGEST_REFUSED_PAUSE = 600, 4 * 3600
TRIES = 3  # of one mail that the server won't hand over; then its headers, then none of it
MARGIN = timedelta(minutes=10)  # by which the server's clock may be behind ours
REREAD = 5  # seconds between looks for new or changed mailboxes
LOCK = 0x6D61696C  # advisory locks of mailboxes: this and the id of the EmailAccount

#: Returns an OAuth access token for a mailbox that uses one, or nothing for a password.
TokenSource = Callable[[EmailAccount], str]


def run_pollers(stop: threading.Event, access_token: TokenSource | None = None) -> None:
    """Read every mailbox that is switched on until `stop`; new and changed ones within seconds. Blocks.

    Each mailbox is read by one process at a time; another one takes over when that ends.
    """
    pollers = _Pollers(access_token or (lambda _: ""))
    try:
        while not stop.is_set():
            try:
                pollers.refresh()
            except (DatabaseError, psycopg.Error) as failure:
                log.warning("mailboxes not looked up", error=str(failure))
                pollers.let_go()
            finally:
                connection.close()
            stop.wait(REREAD)
    finally:
        pollers.let_go()


class _Pollers:
    """The running pollers of this process, and the locks that make them the only ones."""

    def __init__(self, access_token: TokenSource) -> None:
        self._access_token = access_token
        self._running: dict[int, Poller] = {}
        self._known: set[int] = set()  # were read here before, so that a new start means new settings
        self._locks: psycopg.Connection[Any] | None = None

    def refresh(self) -> None:
        """Start and stop pollers so that they match the settings. Raises when the database is away."""
        wanted = {mailbox.pk: mailbox for mailbox in _mailboxes()}
        if self._locks is None:
            self._locks = psycopg.connect(listen_address(), autocommit=True)
        self._locks.execute("select 1")  # raises when they are lost
        ended = [
            poller
            for key, poller in self._running.items()
            if key not in wanted or poller.settings != _settings(wanted[key]) or not poller.is_alive()
        ]
        self._end(ended)
        for poller in ended:
            self._locks.execute("select pg_advisory_unlock(%s, %s)", _lock_of(poller.mailbox.pk))
        for key, mailbox in wanted.items():
            if key not in self._running and self._lock(key):
                pause = 0.0 if key in self._known else _still_refused(mailbox)
                self._running[key] = Poller(mailbox, self._access_token, pause)
                self._running[key].start()
                self._known.add(key)
        if self._running:
            asked_for = store.channels_asked_for()
            for poller in self._running.values():
                if poller.mailbox.channel_account_id in asked_for:
                    poller.asked.set()

    def let_go(self) -> None:
        self._end(list(self._running.values()))
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    def _lock(self, key: int) -> bool:
        assert self._locks is not None
        row = self._locks.execute("select pg_try_advisory_lock(%s, %s)", _lock_of(key)).fetchone()
        return bool(row and row[0])

    def _end(self, pollers: Sequence[Poller]) -> None:
        for poller in pollers:
            poller.stop.set()
        for poller in pollers:
            poller.join()
            del self._running[poller.mailbox.pk]


def _mailboxes() -> Sequence[EmailAccount]:
    switched_on = EmailAccount.objects.exclude(state=MailboxState.OFF).filter(
        channel_account__archived_at=None
    )
    return list(switched_on.select_related("channel_account"))


def _still_refused(mailbox: EmailAccount) -> float:
    """Seconds that another process left to wait: a worker that starts again and again must not knock each time."""
    if mailbox.state != MailboxState.REFUSED or mailbox.retry_at is None:
        return 0.0
    return max(0.0, (mailbox.retry_at - clock.now()).total_seconds())


def _lock_of(key: int) -> tuple[int, int]:
    return LOCK, key % 2**31


def _settings(mailbox: EmailAccount) -> tuple[object, ...]:
    """What, when changed, makes a poller start again."""
    return (
        mailbox.imap_host,
        mailbox.imap_port,
        mailbox.imap_security,
        mailbox.imap_user,
        mailbox.imap_password_sealed,
        mailbox.imap_folder,
        mailbox.processed_folder,
        mailbox.take_since,
    )


class Poller(threading.Thread):
    """Reads one mailbox until `stop`: connect, read, wait for more; back off when in trouble."""

    def __init__(self, mailbox: EmailAccount, access_token: TokenSource, begin_after: float = 0.0) -> None:
        super().__init__(name=f"imap-{mailbox.pk}", daemon=True)
        self._begin_after = begin_after  # seconds
        self.mailbox = mailbox
        self.settings = _settings(mailbox)
        self.stop = threading.Event()
        self.asked = threading.Event()  # a person wants a mail to be fetched again
        self._access_token = access_token
        self._is_told = mailbox.state == MailboxState.REFUSED or mailbox.failures >= STOPPED
        self._stuck: dict[int, int] = {}  # UID → how often fetching it ended the connection

    def run(self) -> None:
        self.stop.wait(self._begin_after)
        while not self.stop.is_set():
            try:
                self._read_until_trouble()
            except Exception as failure:
                if not isinstance(failure, (DatabaseError, IMAPClientError, OSError, DeskhandError)):
                    log.exception("mailbox reader failed", mailbox=self.mailbox.pk)
                self.stop.wait(self._note_trouble(failure))
            finally:
                connection.close()

    def _read_until_trouble(self) -> None:
        token = self._access_token(self.mailbox)
        with _open(self.mailbox, token) as client:
            reader = MailboxReader(client, self.mailbox, self._stuck)
            reader.select()
            while not self.stop.is_set():
                self.asked.clear()
                while (reader.read() or reader.fetch_again()) and not self.stop.is_set():
                    pass
                self._note_success()
                _wait_for_mail(client, lambda: self.stop.is_set() or self.asked.is_set())

    def _note_success(self) -> None:
        self.mailbox.failures, self._is_told = 0, False
        self._save(
            state=MailboxState.OK,
            last_success_at=clock.now(),
            last_error="",
            last_cause="",
            retry_at=None,
            failures=0,
        )
        connection.close()

    def _note_trouble(self, failure: Exception) -> float:
        """Tell the admin's page; return the seconds until the next try."""
        self.mailbox.failures += 1
        is_refused = isinstance(failure, Refused)
        pause = refused_pause(self.mailbox.failures) if is_refused else back_off(self.mailbox.failures)
        reason = explain(failure, self.mailbox)
        log.warning("mailbox not read", mailbox=self.mailbox.pk, error=reason, pause=round(pause, 1))
        try:
            with account_scope(self.mailbox.account_id):
                is_on = self._save(
                    state=MailboxState.REFUSED if is_refused else MailboxState.RETRYING,
                    last_error=reason,
                    last_cause=cause_of(failure),
                    last_error_at=clock.now(),
                    retry_at=clock.now() + timedelta(seconds=pause),
                    failures=self.mailbox.failures,
                )
                is_news = is_on and not self._is_told and self._has_stopped(is_refused)
                if is_news:
                    alarms.stopped(self.mailbox.channel_account_id)
            self._is_told = self._is_told or is_news
        except DatabaseError as away:
            log.warning("mailbox trouble not noted", mailbox=self.mailbox.pk, error=str(away))
        return pause

    def _has_stopped(self, is_refused: bool) -> bool:
        """Administrators hear of the first refused password, and of what does not pass."""
        return is_refused or self.mailbox.failures >= STOPPED

    def _save(self, **values: object) -> bool:
        """Returns whether the mailbox is still to be read."""
        found = EmailAccount.objects.filter(pk=self.mailbox.pk).exclude(state=MailboxState.OFF)
        return found.update(**values) > 0


def back_off(failures: int) -> float:
    """Return a pause in seconds: full jitter, 1 to LONGEST_PAUSE (R14)."""
    return max(1.0, random.uniform(0, min(LONGEST_PAUSE, 2.0 ** min(failures, 20))))


def refused_pause(failures: int) -> float:
    """Return a pause in seconds that doubles with each refusal, with jitter."""
    return min(LONGEST_REFUSED_PAUSE, REFUSED_PAUSE * 2.0 ** min(failures - 1, 10)) * random.uniform(1, 1.5)


@contextmanager
def _open(mailbox: EmailAccount, token: str, timeouts: SocketTimeout = TIMEOUTS) -> Iterator[IMAPClient]:
    """Connect and sign in. Raises Refused, IMAPClientError, OSError."""
    security = mailbox.imap_security
    client = IMAPClient(
        mailbox.imap_host,
        mailbox.imap_port,
        ssl=security == Security.TLS,
        ssl_context=client_context() if security == Security.TLS else None,
        timeout=timeouts,
    )
    try:
        client.normalise_times = False
        if security == Security.STARTTLS:
            client.starttls(client_context())
        _sign_in(client, mailbox, token)
        yield client
    except BaseException:
        _hang_up(client)
        raise
    client.logout()


def look(mailbox: EmailAccount) -> None:
    """Sign in and open the folder without changing anything. Raises Refused, IMAPClientError, OSError, Rejected."""
    with _open(mailbox, "", TRIAL_TIMEOUTS) as client:
        if not client.folder_exists(mailbox.imap_folder):
            raise NoFolder(mailbox.imap_folder)
        client.select_folder(mailbox.imap_folder, readonly=True)


def _sign_in(client: IMAPClient, mailbox: EmailAccount, token: str) -> None:
    try:
        if token:
            answers = iter([f"user={mailbox.imap_user}\1auth=Bearer {token}\1\1".encode()])
            # A refused token is told in a challenge, which wants an empty line (R16).
            client.sasl_login("XOAUTH2", lambda _: next(answers, b""))
        else:
            client.login(mailbox.imap_user, mailbox.imap_password)
    except LoginError as failure:
        if _TEMPORARY.search(str(failure)):
            raise IMAPClientError(str(failure)) from failure
        raise Refused(str(failure)) from failure


_TEMPORARY = re.compile(
    r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG|CONTACTADMIN)\]|temporar", re.IGNORECASE
)  # RFC 5530


def _hang_up(client: IMAPClient) -> None:
    try:
        client.shutdown()
    except OSError as failure:  # it is closed all the same
        log.debug("mailbox connection ended", error=str(failure))


def _wait_for_mail(client: IMAPClient, is_called: Callable[[], bool]) -> None:
    """Return when there may be something new, or soon after a call; at the latest after IDLE_TIME or LOOK_EVERY."""
    if client.has_capability("IDLE"):
        _idle(client, is_called)
    else:
        until = time.monotonic() + LOOK_EVERY
        while not is_called() and time.monotonic() < until:
            time.sleep(SLICE)
    # A session that has just idled may not see what came meanwhile until it has asked (R13).
    client.noop()


def _idle(client: IMAPClient, is_called: Callable[[], bool]) -> None:
    client.idle()
    until = time.monotonic() + IDLE_TIME
    while not is_called() and time.monotonic() < until:
        started = time.monotonic()
        if client.idle_check(SLICE):
            break
        if time.monotonic() - started < SLICE / 2:
            break  # nothing was said, yet the wait ended: the line is cut, and the next command will tell
    client.idle_done()


@dataclass(frozen=True, slots=True)
class _Listed:
    """A mail on the server, not fetched yet."""

    uid: int
    size: int  # as the server says; may be a little wrong
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What a server handed over of a mail."""

    raw: bytes | None  # the mail or its head; None: nothing
    is_whole: bool
    is_there: bool  # nobody deleted it meanwhile


class MailboxReader:
    """Takes what is new in one selected folder, in the order of its UIDs."""

    def __init__(self, client: IMAPClient, mailbox: EmailAccount, stuck: dict[int, int]) -> None:
        self._client = client
        self._mailbox = mailbox
        self._stuck = stuck
        self._address = mailbox.channel_account.address
        self._source = source_of(mailbox)
        self._found: deque[int] = deque()  # UIDs not read yet: a large folder is searched once

    def select(self) -> None:
        """Open the folder. When it is another one, or its mails have new numbers, begin from the start (R11)."""
        if self._mailbox.processed_folder and not self._client.folder_exists(self._mailbox.processed_folder):
            self._client.create_folder(self._mailbox.processed_folder)
        answer = self._client.select_folder(self._mailbox.imap_folder)
        uidvalidity = int(answer[b"UIDVALIDITY"])
        is_same = self._mailbox.read_from == self._source
        if is_same and uidvalidity == self._mailbox.uidvalidity:
            return
        is_rescan = is_same and self._mailbox.uidvalidity is not None
        self._stuck.clear()
        self._found.clear()
        self._keep(
            read_from=self._source,
            uidvalidity=uidvalidity,
            last_uid=0,
            **({"rescanned_at": clock.now()} if is_rescan else {}),
        )
        if is_rescan:
            log.warning("mailbox numbered anew; reading it from the start", mailbox=self._mailbox.pk)

    def read(self) -> int:
        """Take one set of new mails; return how many were there. 0: nothing new."""
        listed = self._list_new()
        if not listed:
            return 0
        taken = self._one_set(listed)
        self._take([mail for mail in taken if self._is_wanted(mail)])
        self._keep(last_uid=taken[-1].uid)
        while self._found and self._found[0] <= taken[-1].uid:
            self._found.popleft()
        return len(taken)

    def _list_new(self) -> list[_Listed]:
        """List the next mails. One that a person deletes meanwhile is just not there."""
        self._found = self._found or self._search()
        while self._found:
            uids = list(islice(self._found, SET_MAILS))
            found = self._client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
            listed = [
                _Listed(uid, int(found[uid][b"RFC822.SIZE"]), found[uid][b"INTERNALDATE"])
                for uid in uids
                if b"RFC822.SIZE" in found.get(uid, {})
            ]
            if listed:
                return listed
            for _gone in uids:
                self._found.popleft()
        return []

    def _search(self) -> deque[int]:
        criteria: list[object] = ["UID", f"{self._mailbox.last_uid + 1}:*"]
        if self._mailbox.take_since:
            criteria += ["SINCE", (self._mailbox.take_since - timedelta(days=1)).date()]
        # "n:*" always names the last mail, also when its UID is lower than n.
        return deque(sorted(uid for uid in self._client.search(criteria) if uid > self._mailbox.last_uid))

    def _is_wanted(self, mail: _Listed) -> bool:
        since = self._mailbox.take_since
        return since is None or mail.arrived_at >= since - MARGIN

    def _one_set(self, listed: Sequence[_Listed]) -> list[_Listed]:
        """Return the first mails that go together; one that is large, or made trouble before, goes alone."""
        taken: list[_Listed] = []
        size = 0
        for mail in listed:
            size += mail.size
            goes_alone = mail.size > PART or mail.uid in self._stuck
            if taken and (goes_alone or size > SET_BYTES):
                break
            taken.append(mail)
            if goes_alone:
                break
        return taken

    def _take(self, mails: Sequence[_Listed]) -> None:
        """Fetch, store, commit; then move away what was taken whole."""
        fetched = [(mail, self._fetch(mail)) for mail in mails]
        store.store_raw([self._incoming(mail, found) for mail, found in fetched if found.is_there])
        connection.close()
        self._move([mail.uid for mail, found in fetched if found.is_whole])

    def fetch_again(self) -> int:
        """Try once more what the server did not hand over and a person asks for; return how many were tried (R15).

        Comes after what is new, which it must not hold up.
        """
        asked = store.asked_for(self._mailbox.channel_account_id)
        connection.close()
        for one in asked:
            self._fetch_asked(one)
            connection.close()
        return len(asked)

    def _fetch_asked(self, asked: store.AskedFor) -> None:
        numbering, _, uid = asked.transport_key.rpartition("/")
        if numbering != self._numbering():
            store.note_gone(
                asked.id, "the mailbox was numbered or set up anew since, and read from its start"
            )
            return
        mail = _Listed(int(uid), asked.size, asked.received_at)
        found = self._fetch(mail)
        if not found.is_there:
            store.note_gone(asked.id, f"deleted from the mailbox before it could be fetched: UID {uid}")
        elif found.raw is None:
            store.put_back(asked.id, self._why_not(mail))
        else:
            store.fill(asked.id, self._incoming(mail, found))
            connection.close()
            self._move([mail.uid] if found.is_whole else [])

    def _fetch(self, mail: _Listed) -> _Fetched:
        """Return the mail, or its head if it is too large or can't be had, or nothing of it after TRIES of both.

        A cut counts against this mail only, so that one can't hold up the others for ever (R14, R15).
        """
        tries = self._stuck.get(mail.uid, 0)
        self._stuck[mail.uid] = tries + 1
        raw, is_whole, is_there = None, False, True
        with _no_longer_than(LONGEST_FETCH, self._client):
            if tries < TRIES and mail.size <= settings.MAIL_MAX_BYTES:
                raw = self._whole(mail.uid)
                is_whole = raw is not None
            if raw is None and tries < 2 * TRIES:
                raw = self._part(mail.uid, "BODY.PEEK[HEADER]")
            if raw is None or len(raw) < mail.size:
                is_there = self._is_there(mail.uid)
        if not is_there:
            raw, is_whole = None, False  # what was cut short by a deletion is no mail
        elif raw is None and tries < 2 * TRIES:
            raise IMAPClientError(f"Nothing is handed over of the mail with UID {mail.uid}.")
        del self._stuck[mail.uid]
        if raw is None:
            log.warning(
                "mail not handed over" if is_there else "mail deleted before it was taken",
                mailbox=self._mailbox.pk,
                uid=mail.uid,
                tries=tries,
            )
        return _Fetched(raw, is_whole, is_there)

    def _whole(self, uid: int) -> bytes | None:
        """Fetch in parts; None if it is gone, or larger than the server said and we take."""
        parts: list[bytes] = []
        size = 0
        while size <= settings.MAIL_MAX_BYTES:
            part = self._part(uid, f"BODY.PEEK[]<{size}.{PART}>")
            if part is None:
                return None
            parts.append(part)
            size += len(part)
            if len(part) < PART:
                return b"".join(parts)
        return None

    def _part(self, uid: int, what: str) -> bytes | None:
        """Fetch a part; None if the mail is gone. Beyond its end some servers say NIL, which is nothing."""
        answer = self._client.fetch([uid], [what]).get(uid, {})
        return next((bytes(value or b"") for key, value in answer.items() if key.startswith(b"BODY[")), None)

    def _is_there(self, uid: int) -> bool:
        """Whether nobody deleted it: some servers go on answering for a deleted mail, with nothing in it."""
        self._client.noop()
        return bool(self._client.search(["UID", str(uid)]))

    def _incoming(self, mail: _Listed, found: _Fetched) -> Incoming:
        raw = found.raw or b""
        head = store.head_of(raw)
        return Incoming(
            account_id=self._mailbox.account_id,
            channel_account_id=self._mailbox.channel_account_id,
            transport="imap",
            recipient=recipient_of(head, self._address),
            raw=raw,
            envelope_from=sender_of(head),
            transport_key=f"{self._numbering()}/{mail.uid}",
            full_size=0 if found.is_whole else max(mail.size, len(raw)),
            not_fetched=self._why_not(mail) if found.raw is None else "",
        )

    def _numbering(self) -> str:
        return f"{self._source}/{self._mailbox.uidvalidity}"

    def _why_not(self, mail: _Listed) -> str:
        """For the admin: which mail the server keeps to itself, and what it said at the last try."""
        box = self._mailbox
        last = EmailAccount.objects.filter(pk=box.pk).values_list("last_error", flat=True).first()
        which = f"mailbox {box.imap_user}, folder {box.imap_folder}, UID {mail.uid}, {mail.size} bytes"
        return (
            f"The mail server does not hand over this mail, tried {2 * TRIES} times: {which}. {last}".strip()
        )

    def _move(self, uids: Sequence[int]) -> None:
        """Move mails away, never by an EXPUNGE that would take others' along (R12)."""
        folder = self._mailbox.processed_folder
        if not uids or not folder:
            return
        try:
            self._move_present(uids, folder)
        except IMAPClientAbortError:
            raise
        except (
            IMAPClientError
        ):  # some servers refuse all when a person has deleted one (RFC 5530, EXPUNGEISSUED)
            present = [uid for uid in uids if self._is_there(uid)]
            if present:
                self._move_present(present, folder)

    def _move_present(self, uids: Sequence[int], folder: str) -> None:
        if self._client.has_capability("MOVE"):
            self._client.move(uids, folder)
        elif self._client.has_capability("UIDPLUS"):
            self._client.copy(uids, folder)
            self._client.delete_messages(uids)
            self._client.uid_expunge(uids)

    def _keep(self, **values: Any) -> None:
        EmailAccount.objects.filter(pk=self._mailbox.pk).update(**values)
        connection.close()
        for name, value in values.items():
            setattr(self._mailbox, name, value)


def source_of(mailbox: EmailAccount) -> str:
    """Name the folder whose numbers are meant: two mailboxes may well have one UIDVALIDITY."""
    return f"{mailbox.pk}/{mailbox.imap_user}@{mailbox.imap_host}/{mailbox.imap_folder}"


@contextmanager
def _no_longer_than(seconds: float, client: IMAPClient) -> Iterator[None]:
    """Cut the line after so long: a server that drips is no better than a silent one (R14)."""

    def cut() -> None:
        try:
            client.socket().shutdown(socket.SHUT_RDWR)
        except OSError as failure:
            log.debug("mailbox connection was gone", error=str(failure))

    timer = threading.Timer(seconds, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


_FIELD = re.compile(rb"^([A-Za-z-]+):[ \t]*(.*(?:\r?\n[ \t].*)*)", re.MULTILINE)
_ADDRESS = re.compile(rb"[^\s<>,;:\"()\[\]\\]{1,64}@[^\s<>,;:\"()\[\]\\]{1,255}")
# Where a server notes the envelope's recipient, best first; then what the sender wrote (R5).
_RECIPIENT_FIELDS = (b"delivered-to", b"x-original-to", b"x-envelope-to", b"envelope-to", b"to", b"cc")


def recipient_of(head: bytes, address: str) -> str:
    """Return our address as this mail was sent to it, with its tag; `address` if the head does not say."""
    fields = _FIELD.findall(head)
    for wanted in _RECIPIENT_FIELDS:
        for name, value in fields:
            if name.lower() == wanted:
                for found in _ADDRESS.findall(value):
                    written = str(found, "utf-8", "replace")
                    if address in store.candidates(written):
                        return written
    return address


def sender_of(head: bytes) -> str:
    """Return the envelope's sender, where the server noted it in Return-Path; else nothing."""
    value = next((value for name, value in _FIELD.findall(head) if name.lower() == b"return-path"), b"")
    found = _ADDRESS.search(value)
    return found[0].decode("utf-8", "replace") if found else ""


def explain(failure: Exception, mailbox: EmailAccount) -> str:
    """Say in a sentence what is wrong, for the admin who has to mend it."""
    server = f"{mailbox.imap_host}:{mailbox.imap_port}"
    match failure:
        case Refused():
            return f"{server} refuses the user name or password of {mailbox.imap_user}: {failure}"
        case socket.gaierror():
            return f"There is no server called {mailbox.imap_host}."
        case ssl.SSLCertVerificationError():
            return f"The certificate of {server} can't be trusted: {failure.verify_message}."
        case ssl.SSLError():
            return f"{server} does not speak TLS as expected: {failure.reason or failure}."
        case ConnectionRefusedError():
            return f"{server} refuses connections."
        case TimeoutError():
            return f"{server} does not answer."
        case IMAPClientAbortError():
            return f"{server} broke off the connection: {failure}"
        case DatabaseError():
            return "The database was away; nothing was taken from the mailbox."
        case IMAPClientError() | OSError() | DeskhandError():
            return f"{server}: {failure}"
        case _:
            return f"{server}: {type(failure).__name__}: {failure}"
