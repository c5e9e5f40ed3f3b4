"""Mail servers to send to: one that can misbehave on purpose, one that never says a word, one that never ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deskhand.delivery.relays import Relay


class Peer:
    """An SMTP server that keeps what it took. Set the fields to make it misbehave."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.connections = 0
        self.say_at_mail: list[str] = []  # used up one by one; then all is well
        self.say_at_rcpt: dict[str, str] = {}
        self.say_at_dot: list[str] = []
        self.lose_answers = 0  # takes the mail, then drops the connection without a word
        self.lose_before_dot = 0  # says 354 and drops the connection while the body comes
        self.before_answer: Callable[[], None] = lambda: None  # the mail is taken, the answer not yet given
        self.port = 0

    @property
    def copies(self) -> Counter[str]:
        return Counter(str(message_from_bytes(raw)["Message-ID"]) for _sender, _to, raw in self.taken)

    def relay(self, **changes: Any) -> Relay:
        return Relay(
            **{"host": "127.0.0.1", "port": self.port, "starttls": "never", "seconds": 5.0, **changes}
        )

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.say_at_mail:
            return self.say_at_mail.pop(0)
        envelope.mail_from = address or ""
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.say_at_rcpt:
            return self.say_at_rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.say_at_dot:
            return self.say_at_dot.pop(0)
        self.taken.append((envelope.mail_from or "", list(envelope.rcpt_tos), bytes(envelope.content or b"")))
        self.before_answer()
        if self.lose_answers:
            self.lose_answers -= 1
            server.transport.abort()
        return "250 2.0.0 Taken"


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:
        peer = self.event_handler
        if isinstance(peer, Peer) and peer.lose_before_dot:
            peer.lose_before_dot -= 1
            await self.push("354 Go on")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


@contextmanager
def smtp_peer(**options: Any) -> Iterator[Peer]:
    peer = Peer()
    peer.port = free_port()
    controller = _Controller(peer, hostname="127.0.0.1", port=peer.port, enable_SMTPUTF8=True, **options)
    controller.start()
    try:
        yield peer
    finally:
        controller.stop()


@contextmanager
def black_hole() -> Iterator[int]:
    """A port where somebody listens and never says anything."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@contextmanager
def dripping() -> Iterator[int]:
    """A port where a greeting never ends."""
    stop = threading.Event()

    def drip(line: socket.socket) -> None:
        with closing(line), contextlib.suppress(OSError):
            while not stop.wait(0.02):
                line.sendall(b"220-one moment\r\n")

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=[listener.accept()[0]]).start()

    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1]
        stop.set()


class Endless:
    """An SMTP server whose answer to one command doesn't end before much has been sent; then it closes.

    `at` is "" for the greeting, "." for the end of the message, or a command.
    """

    def __init__(self, at: str, chunk: bytes, times: int, pause: float = 0.0) -> None:
        self.at, self.chunk, self.times, self.pause = at, chunk, times, pause
        self.said = 0  # chunks, in all
        self.told_all = False
        self.port = 0

    def serve(self, line: socket.socket) -> None:
        with closing(line), contextlib.suppress(OSError), line.makefile("rb") as commands:
            self._answer(line, "", b"220 Hello\r\n")
            in_body = False
            for command in commands:
                if in_body and command != b".\r\n":
                    continue
                verb = command.split()[0].decode().upper()
                in_body = verb == "DATA"
                self._answer(line, verb, b"354 Go on\r\n" if in_body else b"250 OK\r\n")

    def _answer(self, line: socket.socket, verb: str, otherwise: bytes) -> None:
        if verb != self.at:
            line.sendall(otherwise)
            return
        for _number in range(self.times):
            line.sendall(self.chunk)
            self.said += 1
            time.sleep(self.pause)
        self.told_all = True
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def endless(at: str, chunk: bytes, times: int = 20_000, pause: float = 0.0) -> Iterator[Endless]:
    peer = Endless(at, chunk, times, pause)
    threads: list[threading.Thread] = []

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=peer.serve, args=[listener.accept()[0]]))
                threads[-1].start()

    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        peer.port = listener.getsockname()[1]
        threading.Thread(target=listen, daemon=True).start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
