"""`deskhand account create`: a new company, walled off from the others, with its pipelines, help desk and roles."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

PLANS = ("free", "starter", "professional", "enterprise", "everything")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("account", help="create a company's account")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser("create", help="create an account with pipelines, help desk and roles")
    create.add_argument("--slug", required=True, help="short name in addresses: a-z, 0-9 and hyphens")
    create.add_argument("--name", required=True, help="the company's name")
    create.add_argument("--zone", default="UTC", help="time zone, such as Europe/Oslo (default: UTC)")
    create.add_argument("--locale", default="en", help="language of what the account says (default: en)")
    create.add_argument("--plan", default="everything", choices=PLANS, help="preset of features")


def run(args: argparse.Namespace) -> int:
    from deskhand.accounts import accounts

    account = accounts.create(
        slug=args.slug, name=args.name, zone=args.zone, locale=args.locale, plan=args.plan
    )
    print(f"Account {account.slug} is ready. Next, somebody who can sign in:")
    print(f"  deskhand user create --account {account.slug} --email … --name … --super-admin")
    return 0
