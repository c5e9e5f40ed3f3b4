"""The doors for mail: SMTP and LMTP, on aiosmtpd.

A mail is acknowledged only after its commit (R1). Mails that arrive at once share one: whatever comes while
a commit is under way goes into the next. Trouble of ours is answered with 4xx, so that the sender keeps the mail
and tries again (R3).

LMTP behind a mail server is the intended way in; the SMTP door is for the demo and for trusted networks.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from prometheus_client import Counter, Histogram

from deskhand.channels.email import store
from deskhand.channels.email.store import Incoming
from deskhand.kernel.errors import Misconfigured

log = structlog.get_logger()

MAX_RECIPIENTS = 1000  # of one mail; RFC 5321 §4.5.3.1.8 asks for at least 100
MAX_HOPS = 100  # Received headers; RFC 5321 §6.3 (R19)
MAX_ADDRESS = 320  # characters: 64 + @ + 255, RFC 5321 §4.5.3.1
MAX_CONNECTIONS = 500
MAX_HELD_BYTES = 256 * 1024 * 1024  # of mails being read and stored; at least one of the largest fits
SILENCE = 300  # seconds a client may say nothing, RFC 5321 §4.5.3.2
LONGEST_MAIL = 1800  # seconds one DATA may take
STORE_TIMEOUT = 30  # seconds; then the sender is asked to come again
LOOKUP_TIMEOUT = 10  # seconds; as above
GRACE = 3  # seconds for what is under way when stopping
BATCH_MAILS = 250
BATCH_BYTES = 32 * 1024 * 1024

ACCEPTED = Counter(
    "deskhand_mail_accepted", "Mails stored and acknowledged, one per recipient", ["transport"]
)
REFUSED = Counter("deskhand_mail_refused", "Mails or recipients not taken", ["transport", "code"])
COMMIT_SECONDS = Histogram("deskhand_mail_commit_seconds", "Time to store one batch of mails")
BATCH_SIZE = Histogram(
    "deskhand_mail_batch_size", "Mails stored in one commit", buckets=(1, 2, 5, 10, 25, 50, 100, 250)
)

TRY_LATER = "451 4.3.0 We can't store mail at the moment; please try again later"
FULL = "452 4.3.1 Our disk is full; please try again later"
DISK_FULL = "53100"  # an SQLSTATE
BUSY = "452 4.3.1 Too much mail at once; please try again later"
UNKNOWN = "550 5.1.1 No such address here"
STRAY_LINE_END = "550 5.5.2 Lines must end in CR LF; a bare CR or LF is refused"
TOO_MANY_HOPS = "554 5.4.6 This mail has passed through too many servers; it seems to go round in circles"

_ANGLE = re.compile(r'\s*<(?:@[^:<>]*:)?((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>\s*(.*)', re.DOTALL)
_BARE = re.compile(r"\s*([^\s<>]+)\s*(.*)", re.DOTALL)
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_RECEIVED = re.compile(rb"^received:", re.IGNORECASE | re.MULTILINE)


@dataclass
class _Waiting:
    """A mail, or several copies of it, whose sender waits for our word."""

    mails: list[Incoming]
    done: asyncio.Future[None]

    @property
    def size(self) -> int:
        return sum(len(mail.raw) for mail in self.mails)


class GroupCommit:
    """Stores what has gathered in one transaction, while the next batch gathers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mail-store")
        self._waiting: list[_Waiting] = []
        self._filled = asyncio.Event()
        self.task = loop.create_task(self._run())

    async def store(self, mails: list[Incoming]) -> None:
        """Return once the mails are on disk. Raises django.db.Error or TimeoutError when they may not be."""
        entry = _Waiting(mails, self._loop.create_future())
        self._waiting.append(entry)
        self._filled.set()
        async with asyncio.timeout(STORE_TIMEOUT):
            await entry.done

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            batch = self._take()
            if batch:
                failures = await self._loop.run_in_executor(
                    self._thread, _store_batch, [e.mails for e in batch]
                )
                for entry, failure in zip(batch, failures, strict=True):
                    _settle(entry.done, failure)

    def _take(self) -> list[_Waiting]:
        """Take the oldest that nobody has given up on, up to the limits of one batch (but at least one)."""
        batch: list[_Waiting] = []
        count, size, taken = 0, 0, 0
        for entry in self._waiting:
            if batch and (count + len(entry.mails) > BATCH_MAILS or size + entry.size > BATCH_BYTES):
                break
            taken += 1
            if not entry.done.done():
                batch.append(entry)
                count, size = count + len(entry.mails), size + entry.size
        del self._waiting[:taken]
        if not self._waiting:
            self._filled.clear()
        return batch

    def close(self) -> None:
        self.task.cancel()
        self._thread.submit(lambda: connection.close())  # its own: each thread has one
        self._thread.shutdown(wait=False)


def _settle(done: asyncio.Future[None], failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)


def _store_batch(batch: Sequence[list[Incoming]]) -> list[Exception | None]:
    """Store all; if that fails, each by itself, so that one bad mail doesn't hold up the others. In the thread."""
    started = time.monotonic()
    try:
        store.store_raw([mail for mails in batch for mail in mails])
    except Exception as failure:  # noqa: BLE001  the edge of the thread: the senders are asked to come again
        log.warning("mails not stored", mails=len(batch), error=repr(failure))
        connection.close()
        if len(batch) == 1 or isinstance(failure, (OperationalError, InterfaceError)):
            return [failure] * len(batch)  # the server is away, or its disk is full: for all alike
        return [result for mails in batch for result in _store_batch([mails])]
    BATCH_SIZE.observe(len(batch))
    COMMIT_SECONDS.observe(time.monotonic() - started)
    return [None] * len(batch)


@dataclass(frozen=True, slots=True)
class Recipient:
    address: str
    account_id: int
    channel_account_id: int


class RecipientCache:
    """Whose an address is, remembered for seconds: a new address works at once, a busy one costs no query."""

    KNOWN, UNKNOWN = 10.0, 1.0  # seconds
    SIZE = 10_000

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[float, Recipient | None]] = OrderedDict()

    def recall(self, address: str) -> tuple[bool, Recipient | None]:
        """Return whether the answer is remembered, and the answer."""
        until, recipient = self._found.get(address, (0.0, None))
        return time.monotonic() < until, recipient

    def look_up(self, address: str) -> Recipient | None:
        """Ask the database. Raises django.db.Error."""
        try:
            channel = store.recipients([address])[address]
        finally:
            connection.close()
        recipient = Recipient(address, channel.account_id, channel.pk) if channel else None
        self._found[address] = (time.monotonic() + (self.KNOWN if recipient else self.UNKNOWN), recipient)
        self._found.move_to_end(address)
        while len(self._found) > self.SIZE:
            self._found.popitem(last=False)
        return recipient


@dataclass
class Desk:
    """What all connections share."""

    commits: GroupCommit
    hostname: str
    limit: int  # bytes of one mail
    cache: RecipientCache = field(default_factory=RecipientCache)
    lookups: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="mail-recipients")
    )
    connections: set[Door] = field(default_factory=set)
    held_bytes: int = 0
    stopping: bool = False

    async def recipient(self, address: str) -> Recipient | None:
        remembered, recipient = self.cache.recall(address)
        if remembered:
            return recipient
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            return await loop.run_in_executor(self.lookups, self.cache.look_up, address)

    def has_room_for(self, size: int) -> bool:
        return not self.held_bytes or self.held_bytes + size <= MAX_HELD_BYTES

    def close(self) -> None:
        self.commits.close()
        self.lookups.shutdown(wait=False, cancel_futures=True)


class Door(SMTP):
    """One SMTP connection. What aiosmtpd does line by line, or with a full address parser, is done plainly."""

    transport_name = "smtp"
    refuses_stray_line_ends = True
    # Also the stream's buffer: DATA is read in pieces of this size. Commands have their own limit of 512 bytes.
    line_length_limit = 65_536

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            self,
            data_size_limit=desk.limit,
            enable_SMTPUTF8=True,
            hostname=desk.hostname,
            ident="Deskhand",
            timeout=SILENCE,
            loop=loop,
        )
        self.desk = desk
        self.accepted: list[Recipient] = []
        self.is_busy = False  # between DATA and its answer

    # --- what the product decides -----------------------------------------------------------------------------

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [
            *(line for line in lines[:-1] if not line.startswith("250-AUTH")),
            "250-PIPELINING",
            "250-ENHANCEDSTATUSCODES",
            "250 HELP",
        ]

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.desk.stopping:
            return "421 4.3.2 Restarting; please try again"
        declared = next((int(o[5:]) for o in options if o.startswith("SIZE=")), 0)
        if not self.desk.has_room_for(declared):
            return self._refused(BUSY)
        envelope.mail_from = address  # "<>" for the null sender
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender taken"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(self.accepted) >= MAX_RECIPIENTS:
            return self._refused("452 4.5.3 Too many recipients in one mail")
        try:
            recipient = await self.desk.recipient(address)
        except (DatabaseError, TimeoutError) as failure:
            log.warning("recipient not looked up", error=str(failure))
            return self._refused(TRY_LATER)
        if recipient is None:
            return self._refused(UNKNOWN)
        self.accepted.append(recipient)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient taken"

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail connection failed", error=repr(error), exc_info=error)
        return "451 4.3.0 Something went wrong here; please try again later"

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        if await self.check_helo_needed():
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        if not self.accepted:
            await self.push("503 5.5.1 Name a recipient first")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self.is_busy = True
        try:
            await self._take_mail()
        finally:
            self.is_busy = False
            self._set_post_data_state()

    async def _take_mail(self) -> None:
        raw = await self._read_mail()
        if isinstance(raw, str):
            await self._answer(raw)
            return
        try:
            await self._answer(self._fault_in(raw) or await self._store(raw))
        finally:
            self.desk.held_bytes -= len(raw)

    async def _store(self, raw: bytes) -> str:
        envelope = self.envelope
        assert envelope is not None
        sender = "" if envelope.mail_from in (None, "<>") else envelope.mail_from
        # Tags make as many addresses of one inbox as anybody likes: it gets one copy, for the first of them.
        first: dict[int, Recipient] = {}
        for recipient in self.accepted:
            first.setdefault(recipient.channel_account_id, recipient)
        mails = [
            Incoming(
                account_id=recipient.account_id,
                channel_account_id=recipient.channel_account_id,
                transport=self.transport_name,
                recipient=recipient.address,
                raw=raw,
                envelope_from=sender,
            )
            for recipient in first.values()
        ]
        try:
            await self.desk.commits.store(mails)
        except Exception as failure:  # whatever it was, it is ours (R3)
            if not isinstance(failure, (DatabaseError, TimeoutError)):
                log.error("mail not stored", exc_info=failure)
            return FULL if getattr(failure.__cause__, "sqlstate", None) == DISK_FULL else TRY_LATER
        ACCEPTED.labels(self.transport_name).inc(len(self.accepted))
        return "250 2.0.0 Stored"

    def _fault_in(self, raw: bytes) -> str:
        """Return why this mail is refused for good, or nothing."""
        if self.refuses_stray_line_ends and not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
            return STRAY_LINE_END
        head = raw.partition(b"\r\n\r\n")[0]
        if len(_RECEIVED.findall(head)) >= MAX_HOPS:
            return TOO_MANY_HOPS
        return ""

    async def _answer(self, status: str) -> None:
        if not status.startswith("2"):
            self._refused(status)
        await self.push(status)

    def _refused(self, status: str) -> str:
        REFUSED.labels(self.transport_name, status[:3]).inc()
        return status

    # --- reading ----------------------------------------------------------------------------------------------

    async def _read_mail(self) -> bytes | str:
        """Read up to the lone dot; return the mail without its transparent dots, or the refusal.

        Its bytes are counted in `held_bytes` until the caller has done with them. Only CRLF . CRLF ends it (R7).
        Raises ConnectionResetError when the client talks on and on.
        """
        pieces: list[bytes] = []
        size, tail, refusal = 0, b"\r\n", ""
        deadline = self.loop.time() + LONGEST_MAIL
        held = 0
        try:
            while not tail.endswith(b"\r\n.\r\n"):
                piece = await self._next_piece()
                size, tail = size + len(piece), (tail + piece)[-5:]
                if not refusal:
                    refusal = self._refusal_of(size, len(piece))
                if refusal:
                    pieces.clear()
                    self.desk.held_bytes, held = self.desk.held_bytes - held, 0
                else:
                    pieces.append(piece)
                    self.desk.held_bytes, held = self.desk.held_bytes + len(piece), held + len(piece)
                self._reset_timeout(SILENCE)
                if size > 3 * self.desk.limit or self.loop.time() > deadline:
                    await self.push("421 4.7.0 That took too long")
                    raise ConnectionResetError
            if refusal:
                return refusal
            raw = _without_dots(b"".join(pieces))
            self.desk.held_bytes += len(raw)
            return raw
        finally:
            self.desk.held_bytes -= held

    async def _next_piece(self) -> bytes:
        """Read up to a possible end, or as much as the buffer holds; never beyond the end of the mail."""
        try:
            return await self._reader.readuntil(b".\r\n")
        except asyncio.LimitOverrunError as full:
            return await self._reader.read(full.consumed)

    def _refusal_of(self, size: int, more: int) -> str:
        if size > self.desk.limit + len(b".\r\n"):
            return f"552 5.3.4 This mail is larger than the {self.desk.limit} bytes that are taken here"
        if not self.desk.has_room_for(more):
            return BUSY
        return ""

    # --- aiosmtpd's own steps, made cheaper or safer ----------------------------------------------------------

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        size = re.search(r"\sSIZE=(\d{1,20})(?:\s|$)", arg or "", re.IGNORECASE)
        if size and int(size[1]) > self.desk.limit:
            limit = self.desk.limit
            await self.push(
                self._refused(f"552 5.3.4 {size[1]} bytes are more than the {limit} that are taken here")
            )
            return
        await super().smtp_MAIL(arg)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        match = _ANGLE.fullmatch(arg) or _BARE.fullmatch(arg)
        if not match or len(match[1]) > MAX_ADDRESS or _UNFIT.search(match[1]):
            return None, None
        return match[1].strip() or "<>", match[2]

    def _set_post_data_state(self) -> None:
        super()._set_post_data_state()  # type: ignore[no-untyped-call]
        self.accepted = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.desk.connections) >= MAX_CONNECTIONS:
            _part(transport, b"421 4.7.0 Too many connections\r\n")
        self.desk.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.desk.connections.discard(self)
        super().connection_lost(error)


class LocalDoor(Door):
    """One LMTP connection: a mail server hands over, and gets one answer per recipient (R4).

    The server in front has dealt with stray line ends; what it passes on is taken as it is.
    """

    transport_name = "lmtp"
    refuses_stray_line_ends = False

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:
        await self.push("500 5.5.1 This is LMTP: say LHLO")

    async def smtp_EHLO(self, arg: str) -> None:
        await self.push("500 5.5.1 This is LMTP: say LHLO")

    async def _answer(self, status: str) -> None:
        lines = [f"{status} ({recipient.address})" for recipient in self.accepted]
        if not status.startswith("2"):
            self._refused(status)
        await self.push("\r\n".join(lines))


def _without_dots(data: bytes) -> bytes:
    """Take off the end and the transparent dots (RFC 5321 §4.5.2)."""
    data = data[: -len(b".\r\n")]
    if data.startswith(b"."):
        data = data[1:]
    return data.replace(b"\r\n.", b"\r\n") if b"\r\n." in data else data


class Listener:
    """The doors of one process. Ports are bound when it is made, so that a taken one stops the start."""

    def __init__(self, *, smtp_port: int | None, lmtp_port: int | None, host: str = "127.0.0.1") -> None:
        """Bind the ports; 0 takes any free one, None leaves that door shut. Raises Misconfigured."""
        self._sockets: list[tuple[type[Door], socket.socket]] = []
        try:
            for door, option, port in (
                (Door, "--smtp-port", smtp_port),
                (LocalDoor, "--lmtp-port", lmtp_port),
            ):
                if port is not None:
                    self._sockets.append((door, _bind(host, port, option)))
        except Misconfigured:
            self._close_sockets()
            raise

    def port(self, name: str) -> int:
        """The port that `smtp` or `lmtp` got."""
        return next(
            int(bound.getsockname()[1]) for door, bound in self._sockets if door.transport_name == name
        )

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, then finish what is under way. Blocks; has its own event loop."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd would tell of each command
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(loop, stop, ready))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            self._close_sockets()

    async def _serve(
        self, loop: asyncio.AbstractEventLoop, stop: threading.Event, ready: Callable[[], None]
    ) -> None:
        desk = Desk(GroupCommit(loop), hostname=_hostname(), limit=settings.MAIL_MAX_BYTES)
        servers = [
            await loop.create_server(_maker(door, desk, loop), sock=bound, backlog=200)
            for door, bound in self._sockets
        ]
        log.info("taking mail", ports={door.transport_name: s.getsockname()[1] for door, s in self._sockets})
        ready()
        try:
            await _until(stop, desk.commits.task)
        finally:
            desk.stopping = True
            for server in servers:
                server.close()
            await _finish(desk)
            desk.close()

    def _close_sockets(self) -> None:
        for _, bound in self._sockets:
            bound.close()


def _maker(door: type[Door], desk: Desk, loop: asyncio.AbstractEventLoop) -> Callable[[], Door]:
    return lambda: door(desk, loop)


async def _until(stop: threading.Event, work: asyncio.Task[None]) -> None:
    while not stop.is_set():
        if work.done():
            work.result()  # raises: nothing could be stored any more, so don't stay open
        await asyncio.sleep(0.1)


async def _finish(desk: Desk) -> None:
    """Let mails under way end, then close all connections."""
    deadline = time.monotonic() + GRACE
    while any(door.is_busy for door in desk.connections) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    tasks: list[Coroutine[Any, Any, None] | asyncio.Task[None]] = []
    for door in list(desk.connections):
        if door._handler_coroutine is not None:
            tasks.append(door._handler_coroutine)
        if door.transport is not None:
            _part(door.transport, b"" if door.is_busy else b"421 4.3.2 Restarting; please try again\r\n")
    await asyncio.gather(*tasks, return_exceptions=True)


def _part(transport: asyncio.BaseTransport, words: bytes) -> None:
    cast(asyncio.Transport, transport).write(words)  # uvloop's are none by class, only by kind
    transport.close()


def _hostname() -> str:
    return urlsplit(settings.SITE_URL).hostname or "localhost"


def _bind(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(200)
    except OSError as failure:
        bound.close()
        raise Misconfigured(option, port, _wish(host, option, failure)) from failure
    bound.setblocking(False)
    return bound


def _wish(host: str, option: str, failure: OSError) -> str:
    if failure.errno == errno.EADDRINUSE:
        return f"a free port on {host} (another program listens there); choose another with {option} NUMBER"
    if failure.errno == errno.EACCES:
        return f"a port this user may open, 1024 or higher; choose one with {option} NUMBER"
    return f"a port that can be opened on {host} ({failure.strerror})"
