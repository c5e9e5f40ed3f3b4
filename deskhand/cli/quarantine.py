"""`deskhand quarantine list|again`: mail that could not be filed, and why; giving it another round.

Every byte of it is kept. What broke on it is a mistake of ours, or of this machine: once that is mended, again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SHOWN = 500  # newest at most


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("quarantine", help="see mail that could not be filed; give it another round")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="what could not be filed, and why")
    show = actions.add_parser("show", help="write one mail as it came")
    show.add_argument("id", type=int, metavar="ID")
    show.add_argument("--to", type=Path, metavar="FILE", help="into a file (default: to the output)")
    again = actions.add_parser("again", help="try to file it once more, when the cause is gone")
    again.add_argument("ids", nargs="*", type=int, metavar="ID", help="these only (default: all)")


def run(args: argparse.Namespace) -> int:
    match args.action:
        case "list":
            return _list()
        case "show":
            return _show(args.id, args.to)
    return _again(args.ids)


def _list() -> int:
    from deskhand.channels.email import inbound
    from deskhand.kernel.text import one_line

    for mail in inbound.quarantined().defer("raw")[:SHOWN]:
        way = one_line(f"{mail.envelope_from or '<>'} -> {mail.recipient}")
        why = one_line(mail.outcome_detail)
        print(f"{mail.pk}  {mail.received_at:%Y-%m-%d %H:%M}  {way}  {mail.size} bytes  {why}")
    return 0


def _show(mail_id: int, file: Path | None) -> int:
    from deskhand.channels.email import inbound
    from deskhand.kernel.errors import NotFound

    mail = inbound.quarantined([mail_id]).first()
    if mail is None:
        raise NotFound(f"There is no mail {mail_id} in quarantine.")
    if not mail.raw:
        raise NotFound(mail.outcome_detail)  # its server kept it to itself
    if file:
        file.write_bytes(bytes(mail.raw))
    else:
        sys.stdout.buffer.write(bytes(mail.raw))
    return 0


def _again(ids: list[int]) -> int:
    from collections import defaultdict

    from deskhand.channels.email import inbound

    by_account: dict[int, list[int]] = defaultdict(list)
    for mail_id, account_id in inbound.quarantined(ids or None).values_list("id", "account_id"):
        by_account[account_id].append(mail_id)
    number = sum(inbound.process_again(account_id, found) for account_id, found in by_account.items())
    print(f"{number} will be tried again.")
    missing = set(ids) - {mail_id for found in by_account.values() for mail_id in found}
    for mail_id in sorted(missing):
        print(f"{mail_id}: not in quarantine", file=sys.stderr)
    return 1 if missing else 0
