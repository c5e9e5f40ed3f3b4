"""`deskhand user create`: somebody who can sign in to an account."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("user", help="create a user, or add one to an account")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser(
        "create",
        help="create a user in an account",
        description="Create a user in an account. Somebody who has a user already keeps their password and becomes"
        " a member of this account too.",
    )
    create.add_argument("--account", required=True, metavar="SLUG")
    create.add_argument("--email", required=True)
    create.add_argument("--name", required=True)
    create.add_argument(
        "--password", help="at least 10 characters; without it one is made and printed, this once"
    )
    create.add_argument("--super-admin", action="store_true", help="may do everything in the account")
    create.add_argument("--no-seat", action="store_true", help="may not be given tickets")


def run(args: argparse.Namespace) -> int:
    from django.db import transaction

    from deskhand.accounts import queries, users

    account = queries.account_named(args.account)
    known = users.find_by_email(args.email)
    password = args.password or users.generated_password()
    with transaction.atomic():
        user = known or users.create(email=args.email, name=args.name, password=password)
        users.add_to_account(account.pk, user.pk, has_seat=not args.no_seat, is_super_admin=args.super_admin)
    print(f"{user.name} can sign in to {account.slug} as {user.email} or {user.username}.")
    if known:
        print("The password is the one they have already.")
    elif not args.password:
        print(f"Password: {password}")
        print("It is not shown again.")
    return 0
