"""`deskhand jobs list|again`: slow jobs that were given up, and why; giving them another round."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("jobs", help="see slow jobs that were given up; give them another round")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="which were given up, and why")
    again = actions.add_parser("again", help="try them once more, when the cause is gone")
    again.add_argument("ids", nargs="*", type=int, metavar="ID", help="these only (default: all)")


def run(args: argparse.Namespace) -> int:
    return _list() if args.action == "list" else _again(args.ids)


def _list() -> int:
    from deskhand.kernel import jobs
    from deskhand.kernel.database.scope import account_scope
    from deskhand.kernel.text import one_line

    for account_id in jobs.accounts_with_failed():
        with account_scope(account_id):
            for job in jobs.failed():
                what = f"account {account_id}  {job.kind} {dict(job.args)}  {job.tries} tries"
                print(f"{job.id}  {job.failed_at:%Y-%m-%d %H:%M}  {what}  {one_line(job.error)}")
    return 0


def _again(ids: list[int]) -> int:
    from deskhand.kernel import jobs
    from deskhand.kernel.database.scope import account_scope

    found: set[int] = set()
    for account_id in jobs.accounts_with_failed():
        with account_scope(account_id):
            chosen = [job.id for job in jobs.failed() if not ids or job.id in ids]
            jobs.run_again(chosen)
            found.update(chosen)
    print(f"{len(found)} will be tried again.")
    missing = set(ids) - found
    for job_id in sorted(missing):
        print(f"{job_id}: not given up", file=sys.stderr)
    return 1 if missing else 0
