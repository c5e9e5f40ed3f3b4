"""Every mail of the shared corpus goes the whole way: stored, read in the guarded children, filed by the desk.

R2, R9, R15: each becomes exactly one message, or a duplicate of one, or a quarantine entry that says why.
"""

from __future__ import annotations

import csv
import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskhand.channels.email import guarded, store
from deskhand.channels.email.inbound import InboundClaimer
from deskhand.channels.email.models import InboundMail, MailState
from deskhand.channels.email.store import Incoming
from deskhand.crm.records.models import Ticket
from deskhand.desk.models import Message, Thread
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import PendingEvent
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.session import SHOWN
from deskhand.testing.world import World, make_world

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "mail-dev"
SET = 100  # mails stored at once
FILED = ("created", "joined", "threaded", "auto-reply", "bounce", "spam")
OUTCOMES = (*FILED, "duplicate", "quarantined")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/mail-dev is absent"),
]


@dataclass(frozen=True)
class Run:
    """What went in, and what each became."""

    world: World
    paths: Sequence[str]
    ids: Mapping[str, int]  # path → InboundMail
    complaints: Sequence[logging.LogRecord]

    def mails(self) -> dict[str, InboundMail]:
        found = InboundMail.objects.filter(account_id=self.world.account.pk).in_bulk()
        return {path: found[self.ids[path]] for path in self.paths}


@pytest.fixture
def run(wired: None, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    world = make_world()
    paths = _paths()
    try:
        ids = _store(world, paths)
        _file_all()
        yield Run(world, paths, ids, [record for record in caplog.records if record.levelno >= logging.ERROR])
    finally:
        guarded.pool.close()


def test_every_mail_becomes_one_message_or_a_named_quarantine_entry(
    run: Run, record_property: Callable[[str, str], None]
) -> None:
    mails = run.mails()
    record_property(SHOWN, f"what became of the corpus\n{_table(mails)}")

    assert len(mails) > 1000
    assert {path: mail.state for path, mail in mails.items() if mail.state == MailState.WAITING} == {}
    assert {mail.outcome for mail in mails.values()} <= set(OUTCOMES)
    _each_is_kept_as_it_came(mails)
    _each_filed_mail_is_its_own_message(run, mails)
    _each_duplicate_has_its_twin(mails)
    assert {
        path: (mail.outcome_detail, mail.error)
        for path, mail in mails.items()
        if mail.state == MailState.QUARANTINED and not mail.outcome_detail
    } == {}
    assert [record.getMessage() for record in run.complaints] == []
    _counters_are_what_they_count(run.world)
    with account_scope(run.world.account.pk):
        assert not PendingEvent.objects.filter(account_id=run.world.account.pk).exists()


def _each_is_kept_as_it_came(mails: Mapping[str, InboundMail]) -> None:
    """R2."""
    changed = [
        path
        for path, mail in mails.items()
        if hashlib.sha256(bytes(mail.raw)).hexdigest() != hashlib.sha256(_bytes(path)).hexdigest()
    ]
    assert changed == []


def _each_filed_mail_is_its_own_message(run: Run, mails: Mapping[str, InboundMail]) -> None:
    with account_scope(run.world.account.pk):
        messages = set(Message.objects.filter(direction="IN").values_list("id", flat=True))
        tickets = set(Ticket.objects.values_list("id", flat=True))
    filed = {path: mail for path, mail in mails.items() if mail.outcome in FILED}
    assert Counter(mail.message_ref for mail in filed.values()) == Counter(messages)
    assert [
        path for path, mail in filed.items() if mail.outcome == "created" and mail.ticket_ref not in tickets
    ] == []
    assert {mail.ticket_ref for mail in filed.values() if mail.ticket_ref} == tickets


def _each_duplicate_has_its_twin(mails: Mapping[str, InboundMail]) -> None:
    """A mail is only called a duplicate of one that was filed and has the same Message-ID, or the same bytes."""
    filed = [path for path, mail in mails.items() if mail.outcome in FILED]
    known = {_message_id(path) for path in filed} | {mails[path].sha256 for path in filed}
    twins = {path for path, mail in mails.items() if mail.outcome == "duplicate"}
    assert {path for path in twins if not {_message_id(path), mails[path].sha256} & known} == set()


def _counters_are_what_they_count(world: World) -> None:
    """I6."""
    with account_scope(world.account.pk):
        counted = Counter(Message.objects.values_list("thread_id", flat=True))
        assert dict(Thread.objects.values_list("id", "message_count")) == dict(counted)
        of_tickets = Counter(Message.objects.exclude(ticket_id=None).values_list("ticket_id", flat=True))
        assert dict(Ticket.objects.values_list("id", "message_count")) == dict(of_tickets)


def _paths() -> list[str]:
    with (SHARED / "MANIFEST.csv").open(encoding="utf-8", newline="") as rows:
        return [row["path"] for row in csv.DictReader(rows) if row["kind"] == "eml"]


def _bytes(path: str) -> bytes:
    return (SHARED / path).read_bytes()


def _message_id(path: str) -> str:
    """The header as it stands, found without the parser that is under test."""
    head = store.head_of(_bytes(path)).decode("latin-1")
    lines = (
        head.replace("\r\n", "\n").replace("\r", "\n").replace("\n ", " ").replace("\n\t", " ").split("\n")
    )
    return next(
        (line.partition(":")[2].strip() for line in lines if line.lower().startswith("message-id:")), path
    )


def _store(world: World, paths: Sequence[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for first in range(0, len(paths), SET):
        some = paths[first : first + SET]
        stored = store.store_raw(
            [
                Incoming(
                    account_id=world.account.pk,
                    channel_account_id=world.channel.pk,
                    transport="ingest",
                    recipient=world.channel.address,
                    raw=_bytes(path),
                )
                for path in some
            ]
        )
        ids |= {path: row.id for path, row in zip(some, stored, strict=True) if row.id is not None}
    assert len(ids) == len(paths)
    return ids


def _file_all() -> None:
    """As a worker does it: mails that failed are due again after their pause, and then given up by name."""
    while InboundMail.objects.filter(state=MailState.WAITING).exists():
        if not InboundClaimer().run_once():
            sql.execute("update email_inboundmail set due_at = now() where state = 'WAITING'")
    while Dispatcher().run_once():
        pass


def _table(mails: Mapping[str, InboundMail]) -> str:
    folders: dict[str, Counter[str]] = defaultdict(Counter)
    for path, mail in mails.items():
        folders[path.partition("/")[0]][mail.outcome] += 1
    folders["all"] = sum(folders.values(), Counter())
    head = f"{'folder':<12}{'mails':>7}" + "".join(f"{name:>13}" for name in OUTCOMES)
    rows = [
        f"{folder:<12}{counts.total():>7}" + "".join(f"{counts[name] or '–':>13}" for name in OUTCOMES)
        for folder, counts in folders.items()
    ]
    why = [
        f"quarantined: {path}: {mail.outcome_detail}"
        for path, mail in mails.items()
        if mail.outcome == "quarantined"
    ]
    return "\n".join([head, *rows, *why])
