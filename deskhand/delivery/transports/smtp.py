"""Handing one message to a mail server, and knowing what its answer means (O2).

smtplib's own `sendmail` hides at which point a connection broke, and that point decides: before the last bytes of
the message have left, nothing can have been accepted; after them, without an answer, nobody knows.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deskhand.delivery.headers import wire_address
from deskhand.delivery.relays import Relay, is_local
from deskhand.delivery.types import Answer, Verdict
from deskhand.kernel import hosts
from deskhand.kernel.errors import Rejected
from deskhand.kernel.tls import client_context

TAIL = 2048  # bytes held back so that the end of the message leaves in one piece
IDLE_SECONDS = 20.0  # an unused connection is closed after these
MAILS_PER_CONNECTION = 200
DOWN_SECONDS = 15.0  # after a failed connection the relay is left alone, so that it can't hold every thread
LONGEST = 1800.0  # seconds for a connection to be made, and for one mail, however the bytes drip (R14)
HANDOVER = 10  # times the step's seconds: for the body to leave, and for the final answer
LONGEST_LINE = 8192  # bytes; RFC 5321 asks for 512
LONGEST_REPLY = 64 * 1024  # bytes; more is no answer but an attack on our memory
MOST_LINES = 500  # in one answer
SETUP_REFUSALS = (530, 534, 535, 538)  # our log-in is wrong, not the mail

_TROUBLE = (OSError, smtplib.SMTPException)  # ssl.SSLError is an OSError


class NotAllowed(PermissionError):
    """The relay is where people's settings may not lead us (S18)."""


class NoConnection(Exception):
    """The relay can't be spoken to now; the text says why, for people."""


class _Bounded(smtplib.SMTP):
    """Keeps no more of an answer than an honest server says; the library's own keeps all, for ever."""

    is_ours = True

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """To the address that was checked where people named the server; the certificate is still for the name."""
        try:
            address = host if self.is_ours else hosts.mail_server(host, port)
        except Rejected as refusal:
            raise NotAllowed(str(refusal)) from refusal
        return super()._get_socket(address, port, timeout)  # type: ignore[misc,no-any-return]

    def getreply(self) -> tuple[int, bytes]:
        lines: list[bytes] = []
        size = 0
        while size <= LONGEST_REPLY and len(lines) < MOST_LINES:
            line = self._read_line()
            size += len(line)
            lines.append(line[4:].strip(b" \t\r\n"))
            if not line[:3].isdigit():
                return -1, b"\n".join(lines)
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        self.close()
        raise smtplib.SMTPServerDisconnected("The server's answer does not end.")

    def _read_line(self) -> bytes:
        """Read the next line, or the first LONGEST_LINE bytes of it and no more from this server."""
        try:
            if self.file is None:
                if self.sock is None:
                    raise smtplib.SMTPServerDisconnected("The connection was closed.")
                self.file = self.sock.makefile("rb")
            line: bytes = self.file.readline(LONGEST_LINE + 1)
        except OSError as failure:
            self.close()
            raise smtplib.SMTPServerDisconnected(f"The connection broke: {_words(failure)}") from failure
        if not line or len(line) > LONGEST_LINE:
            self.close()
            words = (
                "A line of the server's answer does not end." if line else "The server closed the connection."
            )
            raise smtplib.SMTPServerDisconnected(words)
        return line


class _BoundedOverTLS(_Bounded, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


@dataclass(slots=True, eq=False)
class Session:
    client: smtplib.SMTP
    relay: Relay
    mails: int = 0
    idle_since: float = 0.0


class Relays:
    """Open connections, by relay. One thread uses a connection at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._idle: dict[Relay, list[Session]] = {}
        self._down: dict[Relay, tuple[float, str]] = {}
        self._busy: dict[smtplib.SMTP, float] = {}  # since when

    def send(
        self, relay: Relay, sender: str, recipients: Sequence[str], message: bytes, *, utf8: bool = False
    ) -> Answer:
        """Hand `message` over once. `utf8`: an address needs SMTPUTF8. Never raises for what the relay does."""
        session = self._take_idle(relay)
        if session is not None:
            try:
                return self._use(session, sender, recipients, message, utf8)
            except _Stale:  # closed by the other side since; nothing was said on it
                _close(session)
        try:
            session = self._connect(relay)
        except NoConnection as trouble:
            return Answer(Verdict.LATER, str(trouble))
        try:
            return self._use(session, sender, recipients, message, utf8)
        except _Stale as trouble:
            _close(session)
            return Answer(Verdict.LATER, str(trouble))

    def close_idle(self, older_than: float = IDLE_SECONDS) -> None:
        """Close connections unused for `older_than` seconds, and cut those that have been busy for too long."""
        self._cut_overdue()
        limit = time.monotonic() - older_than
        with self._guard:
            old = [one for idle in self._idle.values() for one in idle if one.idle_since <= limit]
            self._idle = {
                relay: kept
                for relay, idle in self._idle.items()
                if (kept := [one for one in idle if one not in old])
            }
        for session in old:
            _close(session)

    def _use(
        self, session: Session, sender: str, recipients: Sequence[str], message: bytes, utf8: bool
    ) -> Answer:
        with self._watched(session.client):
            answer, reusable = _hand_over(session, sender, recipients, message, utf8)
        session.mails += 1
        if reusable and session.mails < MAILS_PER_CONNECTION:
            session.idle_since = time.monotonic()
            with self._guard:
                self._idle.setdefault(session.relay, []).append(session)
        else:
            _close(session)
        return answer

    @contextlib.contextmanager
    def _watched(self, client: smtplib.SMTP) -> Iterator[None]:
        with self._guard:
            self._busy[client] = time.monotonic()
        try:
            yield
        finally:
            with self._guard:
                del self._busy[client]

    def _cut_overdue(self) -> None:
        """A server that drips would hold a thread for ever; whoever waits for it sees a broken connection."""
        limit = time.monotonic() - LONGEST
        with self._guard:
            overdue = [client for client, since in self._busy.items() if since <= limit]
        for client in overdue:
            if client.sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(client.sock, socket.SHUT_RDWR)

    def _take_idle(self, relay: Relay) -> Session | None:
        with self._guard:
            idle = self._idle.get(relay)
            return idle.pop() if idle else None

    def _connect(self, relay: Relay) -> Session:
        with self._guard:
            until, why = self._down.get(relay, (0.0, ""))
        if time.monotonic() < until:
            raise NoConnection(why)
        try:
            client = _client(relay)
            with self._watched(client):
                _open(client, relay)
        except _TROUBLE as failure:
            why = f"{relay.host}:{relay.port}: {_words(failure)}"
            with self._guard:
                self._down[relay] = (time.monotonic() + DOWN_SECONDS, why)
            raise NoConnection(why) from failure
        with self._guard:
            self._down.pop(relay, None)
        return Session(client, relay)


class _Stale(Exception):
    """The connection was gone before this mail's first command was answered."""


def _client(relay: Relay) -> smtplib.SMTP:
    """A client that has not connected yet, so that it can be watched from its first byte on."""
    name = "[127.0.0.1]" if is_local(relay.host) else _own_name()
    if relay.tls:
        context = client_context(verify=relay.verify)
        client: _Bounded = _BoundedOverTLS(local_hostname=name, timeout=relay.seconds, context=context)
    else:
        client = _Bounded(local_hostname=name, timeout=relay.seconds)
    # Whose name the certificate must have: only a client that is made connected gets it by itself.
    client._host = relay.host  # type: ignore[attr-defined]
    client.is_ours = relay.is_ours
    return client


def try_relay(relay: Relay, address: str = "") -> None:
    """Connect, secure, log in, and leave. Raises what smtplib and the socket raise, NotAllowed.

    With an `address`: also begin a mail from it to itself, and take it back. Many servers let anybody in and refuse here.
    """
    client = _client(relay)
    _open(client, relay)
    try:
        if address:
            _begin(client, wire_address(address))
    finally:
        _close(Session(client, relay))


def _begin(client: smtplib.SMTP, address: str) -> None:
    """A mailbox that the server does not know is no obstacle (the address may live elsewhere); not being let through is."""
    for code, answer in (client.mail(address), client.rcpt(address)):
        text = answer.decode("utf-8", "replace")
        if code in (530, 535):
            raise smtplib.SMTPAuthenticationError(code, text)
        if code >= 500 and text.startswith("5.7."):
            raise smtplib.SMTPResponseException(code, text)
        if code >= 400:
            break
    client.rset()


def _open(client: smtplib.SMTP, relay: Relay) -> None:
    """Connect, secure and log in. Raises what smtplib and the socket raise."""
    try:
        code, text = client.connect(relay.host, relay.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        _greet(client, relay)
    except BaseException:
        client.close()
        raise


def _greet(client: smtplib.SMTP, relay: Relay) -> None:
    assert client.sock is not None
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.ehlo_or_helo_if_needed()
    if not relay.tls and relay.starttls != "never":
        if client.has_extn("starttls"):
            client.starttls(context=client_context(verify=relay.verify))
            client.ehlo_or_helo_if_needed()
        elif relay.starttls == "required":
            raise smtplib.SMTPNotSupportedError("The server offers no encryption (STARTTLS).")
    if relay.user:
        client.login(relay.user, relay.password)


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _hand_over(
    session: Session, sender: str, recipients: Sequence[str], message: bytes, utf8: bool
) -> tuple[Answer, bool]:
    """One mail on an open connection. Returns the answer, and whether the connection can be used again."""
    client = session.client
    try:
        options = _mail_options(client, message, utf8)
    except ValueError as refusal:
        return _all_refused(recipients, str(refusal)), True
    try:
        client.command_encoding = "utf-8" if utf8 else "ascii"
        code, text = client.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options]))
    except _TROUBLE as failure:
        raise _Stale(_words(failure)) from failure
    if code == 421:
        raise _Stale(_said(code, text))
    try:
        if code >= 300:
            return _refusal_of_sender(recipients, code, text), _reset(client)
        settled, put_off = _name_recipients(client, recipients)
        if len(settled) + len(put_off) == len(recipients):
            return _nobody_left(settled, put_off), _reset(client)
        taken = [who for who in recipients if who not in settled and who not in put_off]
        code, text = client.docmd("DATA")
        if code != 354:
            return _data_refused(code, text, taken, settled, put_off), code > 0 and _reset(client)
        head, tail = _split(message)
        _be_patient(client, session.relay)
        client.send(head)
    except _TROUBLE as failure:
        return Answer(Verdict.LATER, _words(failure)), False
    return _end_of_data(client, session.relay, tail, taken, settled, put_off)


def _end_of_data(
    client: smtplib.SMTP,
    relay: Relay,
    tail: bytes,
    taken: Sequence[str],
    settled: dict[str, str],
    put_off: dict[str, str],
) -> tuple[Answer, bool]:
    try:
        client.send(tail)
        code, text = client.getreply()
        if not (200 <= code < 300 or 400 <= code < 600):
            raise smtplib.SMTPServerDisconnected(f"{_said(code, text)} is no answer")
        if client.sock is not None:
            client.sock.settimeout(relay.seconds)
    except _TROUBLE as failure:
        words = f"The connection broke after the whole message had been sent: {_words(failure)}"
        return Answer(Verdict.AMBIGUOUS, words, settled), False
    return _final(code, text, taken, settled, put_off), code != 421


def _be_patient(client: smtplib.SMTP, relay: Relay) -> None:
    assert client.sock is not None
    client.sock.settimeout(relay.seconds * HANDOVER)


def _split(message: bytes) -> tuple[bytes, bytes]:
    """The body as it goes over the wire, dots doubled, in two: the second part ends with the final dot."""
    body = message if message.endswith(b"\r\n") else message + b"\r\n"
    body = body.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body[:-TAIL], body[-TAIL:] + b".\r\n"


def _mail_options(client: smtplib.SMTP, message: bytes, utf8: bool) -> list[str]:
    options = []
    if client.has_extn("size"):
        limit = client.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(message):
            raise ValueError(f"552 The server takes at most {limit} bytes; this mail has {len(message)}.")
        options.append(f"SIZE={len(message)}")
    if utf8:
        if not client.has_extn("smtputf8"):
            raise ValueError("550 The server can't take addresses in this script (SMTPUTF8).")
        options += ["SMTPUTF8", "BODY=8BITMIME"]
    return options


def _name_recipients(
    client: smtplib.SMTP, recipients: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Say who it is for; return who was refused for good, and who for now."""
    settled: dict[str, str] = {}
    put_off: dict[str, str] = {}
    for who in recipients:
        code, text = client.docmd("RCPT", f"TO:<{who}>")
        if code in (421, -1):
            raise smtplib.SMTPServerDisconnected(_said(code, text))
        if code >= 500 and code not in SETUP_REFUSALS:
            settled[who] = _said(code, text)
        elif code >= 300:
            put_off[who] = _said(code, text)
    return settled, put_off


def _refusal_of_sender(recipients: Sequence[str], code: int, text: bytes) -> Answer:
    if code >= 500 and code not in SETUP_REFUSALS:
        return _all_refused(recipients, _said(code, text))
    return Answer(Verdict.LATER, _said(code, text))


def _all_refused(recipients: Sequence[str], words: str) -> Answer:
    return Answer(Verdict.REFUSED, words, dict.fromkeys(recipients, words))


def _nobody_left(settled: dict[str, str], put_off: dict[str, str]) -> Answer:
    if put_off:
        return Answer(Verdict.LATER, next(iter(put_off.values())), settled)
    return Answer(Verdict.REFUSED, next(iter(settled.values())), settled)


def _data_refused(
    code: int, text: bytes, taken: Sequence[str], settled: dict[str, str], put_off: dict[str, str]
) -> Answer:
    """The server doesn't want the body: for good only when it says so."""
    if 500 <= code < 600 and code not in SETUP_REFUSALS:
        return _final(code, text, taken, settled, put_off)
    return Answer(Verdict.LATER, _said(code, text), settled)


def _final(
    code: int, text: bytes, taken: Sequence[str], settled: dict[str, str], put_off: dict[str, str]
) -> Answer:
    """The definite answer to a message, for the recipients who were taken until then."""
    words = _said(code, text)
    if 400 <= code < 500:
        return Answer(Verdict.LATER, words, settled)
    settled = {**settled, **dict.fromkeys(taken, words)}
    if put_off:
        return Answer(Verdict.LATER, next(iter(put_off.values())), settled)
    return Answer(Verdict.REFUSED if code >= 500 else Verdict.ACCEPTED, words, settled)


def _reset(client: smtplib.SMTP) -> bool:
    """Leave the transaction; say whether the connection is still good."""
    try:
        code, _text = client.rset()
    except _TROUBLE:
        return False
    return code == 250


def _close(session: Session) -> None:
    """Say goodbye, and wait a moment for what is said to it: one read, since more of them could be dripped for ever."""
    client = session.client
    with contextlib.suppress(*_TROUBLE):
        if client.sock is not None:
            client.sock.settimeout(2.0)
            client.putcmd("quit")
            client.sock.recv(LONGEST_LINE)
    client.close()


def _said(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")[:1000]


def _words(failure: Exception) -> str:
    if isinstance(failure, smtplib.SMTPResponseException):
        text = failure.smtp_error
        return _said(failure.smtp_code, text if isinstance(text, bytes) else str(text).encode())
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    return str(failure) or type(failure).__name__
