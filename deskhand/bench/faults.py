"""kill -9 of everything at random moments under load, and the books afterwards.

Customers hand over mail until it is acknowledged, as mail servers do; lanes answer each; the world at the other end
loses some of its answers. Workers, their guarded children, the web process and PostgreSQL are killed meanwhile, and
`deskhand serve` brings them back.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import os
import random
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deskhand.bench import ledgers
from deskhand.bench.harness import Result, percentiles
from deskhand.bench.ledgers import Copy, Ledgers, Offer
from deskhand.testing.product import Product, children_of, free_port, lay_out

CUSTOMERS = 8  # who write at once
PAUSE = (0.0, 0.4)  # seconds between two mails of one of them
BETWEEN_KILLS = (0.1, 1.5)  # seconds, from when mail is taken again
ANSWER_PATIENCE = 8.0  # seconds; then the next is killed while nothing works yet
ANSWERS_LOST = 0.02  # part of the yeses that never reach the sender
ADDRESS = "support@bench.example"
#: Who is killed, by weight. "family": a worker with all its children at one moment.
VICTIMS = {"worker": 4, "family": 2, "second worker": 3, "helper": 3, "web": 1, "postgres": 2, "backend": 1}
#: The supervisor as it is, but for its pauses: they protect a machine where things keep dying, as they do here.
IMPATIENT = "from deskhand.cli import main, serve; serve.FIRST_PAUSE = serve.LONGEST_PAUSE = 0.2; raise SystemExit(main.main())"


def run(seconds: float = 600.0, seed: int | None = None) -> Result:
    """Storm for so long. `details` holds the books; "violations" is empty if every promise was kept."""
    seed = random.randrange(10**6) if seed is None else seed
    with world() as sink, office(sink) as product:
        books = storm(product, sink, seed, seconds)
        account = ledgers.check(product, books)
        ages = product.rows(
            "select 1000 * extract(epoch from done_at - received_at)::float from email_inboundmail where outcome = 'created'"
        )
    p50, p95, p99 = percentiles([age for (age,) in ages])
    details = {
        "seed": seed,
        "seconds": seconds,
        "books": list(account.lines),
        "violations": list(account.violations),
    }
    return Result("faults", len(books.offers) / seconds, p50, p95, p99, 0.0, 0.0, 0.0, 0.0, details)


def storm(product: Product, sink: Sink, seed: int, seconds: float) -> Ledgers:
    """Load and kill for so long, then let every mail be handed over. `seed` chooses what happens, as far as timing lets it."""
    chance = random.Random(seed)
    books = Ledgers(f"s{seed}", arrived=sink.copies)
    customers = Customers(product.smtp_port, books.mark, seed)
    sink.chance = random.Random(seed)
    with SecondWorker(product) as second:
        killer = Killer(product, second, chance)
        customers.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            customers.wait_for_an_answer(ANSWER_PATIENCE)
            time.sleep(chance.uniform(*BETWEEN_KILLS))
            killer.strike()
        customers.finish()
    books.offers, books.kills = customers.offers, killer.kills
    books.longest_silence = customers.longest_silence
    return books


@contextlib.contextmanager
def office(sink: Sink) -> Iterator[Product]:
    """An installation with forty agents and a lane, served, with fsync on."""
    with Product(
        program=IMPATIENT, SMTP_URL=f"smtp://127.0.0.1:{sink.port}", MAIL_RETRY_SECONDS="1"
    ) as product:
        lay_out(product.data)
        product.start()
        product.python("from deskhand.bench.ingest import company; company()")
        yield product


class Customers:
    """People at their mail servers: each tries again until its mail is acknowledged."""

    def __init__(self, port: int, mark: str, seed: int) -> None:
        self.offers: list[Offer] = []
        self.longest_silence = 0.0
        self._port, self._mark, self._seed = port, mark, seed
        self._stop = threading.Event()
        self._give_up = threading.Event()
        self._answered = threading.Event()
        self._heard_at = time.monotonic()
        self._numbers = iter(range(10**9))
        self._threads = [threading.Thread(target=self._write, args=[n]) for n in range(CUSTOMERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for_an_answer(self, seconds: float) -> None:
        """Until a mail is acknowledged from now on, at most so long."""
        self._answered.clear()
        self._answered.wait(seconds)

    def finish(self) -> None:
        """Begin no mail more; wait until those begun are handed over, at most as long as queues may take to settle."""
        self._stop.set()
        until = time.monotonic() + ledgers.SETTLE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._give_up.set()
        for thread in self._threads:
            thread.join()

    def _write(self, who: int) -> None:
        chance = random.Random(self._seed * 100 + who)
        while not self._stop.wait(chance.uniform(*PAUSE)):
            self.offers.append(self._hand_over(next(self._numbers)))

    def _hand_over(self, number: int) -> Offer:
        customer, message_id = (
            f"{self._mark}-{number}@customers.example",
            f"<{self._mark}-{number}@customers.example>",
        )
        tries = 0
        while not self._give_up.is_set():
            tries += 1
            try:
                with smtplib.SMTP("127.0.0.1", self._port, timeout=20) as client:
                    client.sendmail(customer, [ADDRESS], _mail(customer, message_id, number))
                    self._note_answer()
                    return Offer(customer, message_id, tries, acknowledged=True)
            except (smtplib.SMTPException, OSError):
                self._give_up.wait(0.2)
        return Offer(customer, message_id, tries, acknowledged=False)

    def _note_answer(self) -> None:
        now = time.monotonic()
        self.longest_silence = max(self.longest_silence, now - self._heard_at)
        self._heard_at = now
        self._answered.set()


def _mail(customer: str, message_id: str, number: int) -> bytes:
    return (
        f"From: Customer {number} <{customer}>\r\nTo: {ADDRESS}\r\nSubject: Order {number} is missing\r\n"
        f"Message-ID: {message_id}\r\nDate: Sat, 21 Nov 2026 09:00:00 +0100\r\n\r\nWhere is my order?\r\n"
    ).encode()


class Sink:
    """The world: an SMTP server that writes down what it takes, and whose answers are sometimes lost on the way."""

    def __init__(self, port: int) -> None:
        self.copies: list[Copy] = []
        self.chance = random.Random()
        self.port = port

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        is_lost = self.chance.random() < ANSWERS_LOST
        assert isinstance(envelope.content, bytes)
        message_id = str(email.message_from_bytes(envelope.content)["Message-ID"])
        self.copies += [Copy(address, message_id, not is_lost) for address in envelope.rcpt_tos]
        if is_lost:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 2.0.0 Taken"


@contextlib.contextmanager
def world(port: int = 0) -> Iterator[Sink]:
    """Listens on `port`, or on a free one."""
    sink = Sink(port or free_port())
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port, enable_SMTPUTF8=True)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


class SecondWorker:
    """Another `deskhand worker` on the same database, started again at once when it dies."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SecondWorker:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()

    @property
    def pid(self) -> int:
        """Of the running process; one that died is replaced first."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._start()
        return self._process.pid

    def _start(self) -> None:
        with self._product.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deskhand", "worker"],
                env=self._product.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class Killer:
    def __init__(self, product: Product, second: SecondWorker, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self._product, self._second, self._chance = product, second, chance

    def strike(self) -> None:
        """Kill somebody who is alive, without warning."""
        second = self._second.pid
        name = self._chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        pids = self._victims(name, second)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if pids:
            self.kills[name] += 1

    def _victims(self, name: str, second: int) -> list[int]:
        roles = self._product.children()
        below_second = dict.fromkeys(_all_below(second), "helper")
        match name:
            case "second worker":
                return [second]
            case "family":
                worker = _one(self._chance, [pid for pid, role in roles.items() if role == "worker"])
                return [*worker, *(below for pid in worker for below in _all_below(pid))]
            case "postgres":
                assert self._product.process is not None
                mothers = children_of(self._product.process.pid)
                return [pid for pid in mothers if roles.get(pid) == "postgres"]
            case "backend":
                return _one(self._chance, [pid for pid, role in roles.items() if role == "postgres"])
        return _one(
            self._chance, sorted(pid for pid, role in {**roles, **below_second}.items() if role == name)
        )


def _all_below(pid: int) -> list[int]:
    return [found for child in children_of(pid) for found in (child, *_all_below(child))]


def _one(chance: random.Random, pids: list[int]) -> list[int]:
    return [chance.choice(pids)] if pids else []
