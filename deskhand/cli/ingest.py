"""`deskhand ingest`: mails from files, each with what became of it and why, one JSON line per mail."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.kernel.errors import NotFound

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deskhand.channels.email.inbound import InboundClaimer
    from deskhand.channels.email.models import InboundMail
    from deskhand.channels.email.store import Incoming
    from deskhand.desk.models import ChannelAccount

SET = 50  # mails stored at once and then filed
SET_BYTES = 64 * 1024 * 1024
MAIL_FILES = {
    ".eml",
    ".mbox",
    ".mbx",
    "",
}  # what is taken from a directory; a file named itself is always taken
TOO_LARGE = "too large: only its headers were taken"
PAUSE = 0.2  # seconds, while other workers have our mails in hand


@dataclass(frozen=True)
class Source:
    """Where a mail lies: a file, or a part of one."""

    path: Path
    number: int  # in an mbox, from 1; 0: the file is the mail
    raw: bytes
    size: int  # of the whole; `raw` may be its head only

    @property
    def label(self) -> str:
        return f"{self.path}#{self.number}" if self.number else str(self.path)


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "ingest",
        help="take in mails from .eml files, mboxes, maildirs or directories of them",
        description="Take in mails as if they had been sent to one of your addresses. Prints one JSON line per "
        "mail with its outcome (created, joined, threaded, duplicate, bounce, auto-reply, spam, loop, quarantined) and "
        "why. Safe to repeat: what was taken in before is a duplicate.",
    )
    parser.add_argument("path", nargs="+", type=Path, metavar="PATH", help="a file, maildir or directory")
    parser.add_argument(
        "--channel", required=True, metavar="ADDRESS", help="the team address the mails are for"
    )


def run(args: argparse.Namespace) -> int:
    from deskhand.channels.email.inbound import InboundClaimer

    channel = _channel(args.channel)
    missing = next((path for path in args.path if not path.exists()), None)
    if missing:
        raise NotFound(f"There is no file or directory {missing}.")
    claimer = InboundClaimer()
    sources = (source for path in args.path for source in _sources(path))
    while batch := _next_set(sources):
        for line in _take(channel, claimer, batch):
            print(json.dumps(line, ensure_ascii=False), flush=True)
    return 0


def _channel(address: str) -> ChannelAccount:
    from deskhand.channels.email import store

    channel = store.recipients([address])[address]
    if channel is None:
        raise NotFound(f"No e-mail channel has the address {address}.")
    return channel


def _sources(path: Path) -> Iterator[Source]:
    if path.is_dir():
        yield from _from_directory(path)
    elif _is_mbox(path):
        yield from _from_mbox(path)
    else:
        yield _from_file(path)


def _from_directory(path: Path) -> Iterator[Source]:
    if (path / "cur").is_dir() and (path / "new").is_dir():
        for mail in sorted(
            file for part in ("new", "cur") for file in (path / part).iterdir() if file.is_file()
        ):
            yield _from_file(mail)
        inside = sorted(
            entry for entry in path.iterdir() if entry.is_dir() and entry.name not in ("new", "cur", "tmp")
        )
    else:
        inside = sorted(path.iterdir())
    for entry in inside:
        if entry.is_dir() or (entry.suffix.lower() in MAIL_FILES and not entry.name.startswith(".")):
            yield from _sources(entry)
        else:
            print(f"skipped: {entry} is no .eml or mbox file", file=sys.stderr)


def _is_mbox(path: Path) -> bool:
    if path.suffix.lower() in (".mbox", ".mbx"):
        return True
    with path.open("rb") as file:
        return not path.suffix and file.read(5) == b"From "


def _from_mbox(path: Path) -> Iterator[Source]:
    import mailbox

    from django.conf import settings

    from deskhand.channels.email import store

    box = mailbox.mbox(str(path), create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            raw = box.get_bytes(key)
            is_large = len(raw) > settings.MAIL_MAX_BYTES
            yield Source(path, number, store.head_of(raw) if is_large else raw, len(raw))
    finally:
        box.close()


def _from_file(path: Path) -> Source:
    from django.conf import settings

    from deskhand.channels.email import store

    size = path.stat().st_size
    if size <= settings.MAIL_MAX_BYTES:
        return Source(path, 0, path.read_bytes(), size)
    with path.open("rb") as file:
        return Source(path, 0, store.head_of(file.read(store.LARGEST_HEAD)), size)


def _next_set(sources: Iterator[Source]) -> list[Source]:
    batch: list[Source] = []
    for source in islice(sources, SET):
        batch.append(source)
        if sum(len(found.raw) for found in batch) >= SET_BYTES:
            break
    return batch


def _take(
    channel: ChannelAccount, claimer: InboundClaimer, batch: list[Source]
) -> Iterator[dict[str, object]]:
    from deskhand.channels.email import store
    from deskhand.channels.email.models import InboundMail, MailState

    stored = store.store_raw([_incoming(channel, source) for source in batch])
    ids = [row.id for row in stored if row.id is not None]
    mails = InboundMail.objects.filter(account_id=channel.account_id, id__in=ids).defer("raw")
    while mails.filter(state=MailState.WAITING).exists():
        if not claimer.run_once():
            time.sleep(PAUSE)
    ended = mails.in_bulk()
    for row, source in zip(stored, batch, strict=True):
        if row.id is not None:
            yield _line(source, ended[row.id])


def _incoming(channel: ChannelAccount, source: Source) -> Incoming:
    from deskhand.channels.email.store import Incoming

    return Incoming(
        account_id=channel.account_id,
        channel_account_id=channel.pk,
        transport="ingest",
        recipient=channel.address,
        raw=source.raw,
        full_size=source.size if source.size > len(source.raw) else 0,
    )


def _line(source: Source, mail: InboundMail) -> dict[str, object]:
    return {
        "source": source.label,
        "outcome": mail.outcome,
        "why": "; ".join(
            reason for reason in (mail.outcome_detail or mail.error, TOO_LARGE * mail.is_head_only) if reason
        ),
        "ticket": mail.ticket_ref,
        "message": mail.message_ref,
        "mail": mail.pk,
        "bytes": mail.size,
        "sha256": mail.sha256,
    }
