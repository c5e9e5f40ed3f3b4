"""`deskhand outbox list|release|retry`: what has not left, and why; letting go what is held; trying again."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deskhand.accounts.models import Account


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("outbox", help="see what has not been sent; release or retry it")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_text in (
        ("list", "what is waiting, held or failed"),
        ("release", "send what is held"),
        ("retry", "try waiting, held or failed entries now"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--account", metavar="SLUG", help="of this account only (default: all)")
        if name == "release":
            action.add_argument(
                "ids", nargs="*", type=int, metavar="ID", help="these only (default: all held)"
            )
        elif name == "retry":
            action.add_argument("ids", nargs="+", type=int, metavar="ID")


def run(args: argparse.Namespace) -> int:
    accounts = _accounts(args.account)
    if args.action == "retry":
        return _retry(accounts, args.ids)
    for account in accounts:
        if args.action == "list":
            _show(account)
        else:
            _release(account, args.ids)
    return 0


def _accounts(slug: str | None) -> list[Account]:
    from deskhand.accounts.models import Account
    from deskhand.kernel.errors import NotFound

    chosen = list(Account.objects.filter(slug=slug) if slug else Account.objects.order_by("id"))
    if slug and not chosen:
        raise NotFound(f"There is no account {slug!r}.")
    return chosen


def _show(account: Account) -> None:
    from deskhand.delivery import queries
    from deskhand.delivery.models import State

    for entry in queries.queue(account.pk, [State.WAITING, State.SENDING, State.HELD, State.FAILED]):
        why = entry.held_reason or entry.error or entry.last_answer
        print(f"{account.slug}  {entry.pk}  {entry.state:7}  {', '.join(entry.recipients)}  {why}".rstrip())


def _release(account: Account, ids: list[int]) -> None:
    from deskhand.delivery import outbox

    if freed := outbox.release(account.pk, ids or None):
        print(f"{account.slug}: {freed} released")


def _retry(accounts: list[Account], ids: list[int]) -> int:
    """Each id on its own: one that can't be tried does not stop the others."""
    from deskhand.delivery import outbox
    from deskhand.delivery.models import OutboxEntry
    from deskhand.kernel.errors import DeskhandError, NotFound

    wanted = OutboxEntry.objects.filter(id__in=ids, account_id__in=[account.pk for account in accounts])
    owners = dict(wanted.values_list("id", "account_id"))
    refused = 0
    for entry_id in ids:
        try:
            if entry_id not in owners:
                raise NotFound("There is no such entry in the mail queue.")
            outbox.retry(owners[entry_id], entry_id)
            print(f"{entry_id}: will be tried now")
        except DeskhandError as problem:
            refused = 1
            print(f"{entry_id}: {problem}", file=sys.stderr)
    return refused
