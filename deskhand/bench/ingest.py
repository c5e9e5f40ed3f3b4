"""Mail in, all the way: accepted by SMTP, filed, routed, enrolled, answered into the outbox."""

from __future__ import annotations

import smtplib
import threading
import time

from deskhand.bench.harness import (
    Meter,
    Result,
    free_port,
    percentiles,
    process,
    scratch,
    server_pid,
    wait_for_port,
)

MAILS, SENDERS, AGENTS, WARM = 3000, 16, 40, 200


def run(scale: float = 1.0) -> Result:
    mails = max(100, int(MAILS * scale))
    with scratch() as server:
        from deskhand.kernel.database import sql

        account_id = company()
        floor = _floor(mails)
        port = free_port()
        with process("worker", "--with-mail-in", "--smtp-port", str(port), "--lmtp-port", "0") as worker:
            wait_for_port(port)
            _send(port, WARM, "warm")
            _wait(account_id, WARM)
            sql.execute("analyze")  # as any installation that has run for a minute
            with Meter(worker.pid, server_pid(server)) as meter:
                started = time.monotonic()
                _send(port, mails, "load")
                accepted = time.monotonic() - started
                _wait(account_id, WARM + mails)
                elapsed = time.monotonic() - started
        ages = _ages(account_id)
        p50, p95, p99 = percentiles(ages)
        rate = mails / elapsed
        return Result(
            "ingest", rate, p50, p95, p99, 1000 * meter.cpu_seconds / mails, meter.peak_mb, floor, rate / floor,
            {"mails": mails, "accepted_per_s": mails / accepted, "seconds": elapsed, "agents": AGENTS, "spread": _spread(account_id)},
        )  # fmt: skip


def company() -> int:
    from deskhand import wiring
    from deskhand.accounts import accounts, teams, users
    from deskhand.automation import lanes, workflows
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.desk import inboxes
    from deskhand.events.types import SYSTEM
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import availability, rules
    from deskhand.routing.types import Option, Status

    wiring.connect()
    account = accounts.create(slug="bench", name="Bench")
    with account_scope(account.pk):
        team = teams.create(account.pk, "All", by=SYSTEM)
        for n in range(AGENTS):
            user = users.create(email=f"agent{n}@bench.example", name=f"Agent {n:02d}")
            users.add_to_account(account.pk, user.pk, by=SYSTEM)
            teams.set_teams_of(account.pk, user.pk, main_id=team.pk, by=SYSTEM)
            availability.set_by_hand(account.pk, user.pk, Status.AVAILABLE, by=SYSTEM)
        channel = inboxes.add_channel_account(
            inboxes.ensure_defaults(account.pk),
            channel="email",
            name="Support",
            address="support@bench.example",
        )
        rules.set_rule(account.pk, channel.pk, Option.USERS_AND_TEAMS, team_ids=[team.pk], by=SYSTEM)
        first = pipelines_of("ticket").default.first_open
        lane = lanes.add_step("ticket", first.id, "send_email", {"template": "ticket_received"}, by=user.pk)
        workflows.switch(lane, True)
    return account.pk


def _send(port: int, mails: int, mark: str) -> None:
    def work(part: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for n in range(part, mails, SENDERS):
                client.sendmail(f"{mark}{n}@customers.example", ["support@bench.example"], _mail(mark, n))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _mail(mark: str, n: int) -> bytes:
    words = "I ordered a jacket and it has not arrived; can you look where the parcel is? " * 8
    return (
        f'From: "Customer {n}" <{mark}{n}@customers.example>\r\nTo: support@bench.example\r\nSubject: Order {n} is missing\r\n'
        f"Message-ID: <{mark}.{n}@customers.example>\r\nDate: Sat, 21 Nov 2026 09:00:00 +0100\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\n{words}\r\n\r\nKind regards\r\nCustomer {n}\r\n"
    ).encode()


def _wait(account_id: int, mails: int) -> None:
    """Until each mail has its ticket, its owner, and the lane's mail in the outbox."""
    from deskhand.delivery.models import OutboxEntry

    until = time.monotonic() + 600
    while OutboxEntry.objects.filter(account_id=account_id).count() < mails:
        if time.monotonic() > until:
            raise TimeoutError("The mails were not filed within ten minutes.")
        time.sleep(0.05)


def _ages(account_id: int) -> list[float]:
    """From acceptance to the mail in the outbox, for each."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        return [
            float(row[0])
            for row in sql.rows(
                "select 1000 * extract(epoch from o.created_at - i.received_at)::float from email_inboundmail i"
                " join desk_message m on m.account_id = i.account_id and m.ticket_id = i.ticket_ref and m.direction = 'OUT'"
                " join delivery_outboxentry o on o.account_id = m.account_id and o.reference_id = m.id where i.account_id = %s",
                [account_id],
            )
        ]


def _spread(account_id: int) -> int:
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        counts = [
            row[0]
            for row in sql.rows(
                "select count(*) from crm_ticket where account_id = %s group by owner_id", [account_id]
            )
        ]
    return max(counts) - min(counts) if counts else 0


def _floor(mails: int) -> float:
    """The pipeline's inserts as bare SQL in sets of 100: thirteen rows a mail, one commit a set."""
    from django.db import connection, transaction

    tables = 13
    with connection.cursor() as cursor:
        for n in range(tables):
            cursor.execute(
                f"create table floor_{n} (id bigint primary key, account_id bigint, a text, b text, c jsonb, at timestamptz)"
            )
            cursor.execute(f"create index on floor_{n} (account_id, at)")
        started = time.monotonic()
        for first in range(0, mails, 100):
            with transaction.atomic():
                for n in range(tables):
                    cursor.execute(
                        f"insert into floor_{n} select g, 1, repeat('x', 200), 'y', '{{\"k\": 1}}', now() from generate_series(%s, %s) g",
                        [first, min(first + 99, mails - 1)],
                    )
        elapsed = time.monotonic() - started
        for n in range(tables):
            cursor.execute(f"drop table floor_{n}")
    return mails / elapsed
