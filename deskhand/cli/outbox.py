"""`deskhand outbox list|release|retry`: what has not left, and why; letting go what is held; trying again.

After a restore a fence stands: it is taken down by a release of everything, for all accounts at once.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deskhand.accounts.models import Account
    from deskhand.delivery.models import OutboxEntry


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("outbox", help="see what has not been sent; release or retry it")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_text in (
        ("list", "what is waiting, held or failed"),
        ("release", "send what is held; without --account and ID also what comes after a restore"),
        ("retry", "try waiting, held or failed entries now"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--account", metavar="SLUG", help="of this account only (default: all)")
        if name == "release":
            action.add_argument(
                "ids", nargs="*", type=int, metavar="ID", help="these only (default: all held)"
            )
            action.add_argument("--yes", action="store_true", help="do not ask")
        elif name == "retry":
            action.add_argument("ids", nargs="+", type=int, metavar="ID")


def run(args: argparse.Namespace) -> int:
    accounts = _accounts(args.account)
    if args.action == "retry":
        return _retry(accounts, args.ids)
    if args.action == "list":
        _show_fence()
        for account in accounts:
            _show(account)
        return 0
    if args.ids:
        _release(accounts, args.ids)
    elif args.yes or _agreed(accounts):
        _release_all(accounts) if args.account is None else _release(accounts, None)
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
    from deskhand.kernel.text import one_line

    for entry in queries.queue(account.pk, [State.WAITING, State.SENDING, State.HELD, State.FAILED]):
        why = entry.held_reason or entry.error or entry.last_answer
        line = f"{account.slug}  {entry.pk}  {entry.state:7}  {', '.join(entry.recipients)}  {one_line(why)}".rstrip()
        print(line + _tries(entry))


def _tries(entry: OutboxEntry) -> str:
    if not entry.attempts:
        return ""
    following = f", next at {entry.due_at:%Y-%m-%d %H:%M:%S} UTC" if entry.due_at else ""
    return f"  ({entry.attempts} {'try' if entry.attempts == 1 else 'tries'}{following})"


def _show_fence() -> None:
    from deskhand.delivery import queries

    if fence := queries.fence():
        print(f"A fence stands since {fence.raised_at:%Y-%m-%d %H:%M} UTC: {fence.reason}.")
        print(
            "What automations send is held until `deskhand outbox release`; people's own replies leave at once."
        )


def _agreed(accounts: list[Account]) -> bool:
    """Say what would leave; ask where there is somebody to answer."""
    from deskhand.delivery import queries
    from deskhand.delivery.models import State

    if not sys.stdin.isatty():
        return True
    for account in accounts:
        if held := queries.counts(account.pk).get(State.HELD):
            print(f"{account.slug}: {held}{' or more' if held == queries.COUNT_CAP else ''} held")
    return input("Send all of it? [y/N] ").strip().lower() in ("y", "yes")


def _release_all(accounts: list[Account]) -> None:
    from deskhand.delivery import outbox, queries

    stood = queries.fence() is not None
    freed = outbox.lower_fence()
    for account in accounts:
        if number := freed.get(account.pk):
            print(f"{account.slug}: {number} released")
    if stood:
        print("The fence is down: automations send again.")


def _release(accounts: list[Account], ids: list[int] | None) -> None:
    from deskhand.delivery import outbox, queries

    for account in accounts:
        if freed := outbox.release(account.pk, ids):
            print(f"{account.slug}: {freed} released")
    if queries.fence():
        print(
            "The fence still stands: `deskhand outbox release`, without --account and numbers, takes it down."
        )


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
