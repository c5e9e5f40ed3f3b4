"""`deskhand token create`: a key for a program that uses the API."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("token", help="create an API token")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser(
        "create",
        help="create a token and print it, this once",
        description="Create an API token. The token is the only line on standard output; only its hash is kept.",
    )
    create.add_argument("--account", required=True, metavar="SLUG")
    create.add_argument("--user", metavar="EMAIL", help="act as this user (default: as the account)")
    create.add_argument("--scopes", required=True, help="comma-separated, such as tickets,conversations.read")
    create.add_argument("--name", default="deskhand token create", help="shown in the list of tokens")


def run(args: argparse.Namespace) -> int:
    import sys

    from deskhand.accounts import queries, tokens

    account = queries.account_named(args.account)
    user_id = queries.user_with_email(args.user).pk if args.user else None
    scopes = [scope.strip() for scope in args.scopes.split(",") if scope.strip()]
    _token, secret = tokens.create(account.pk, name=args.name, scopes=scopes, user_id=user_id)
    print(secret)
    print("Keep it now; it is not shown again.", file=sys.stderr)
    return 0
