"""`deskhand secret`: what workflows may use and nobody reads again."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("secret", help="keep a secret that workflows use, or list their names")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    put = verbs.add_parser(
        "set",
        help="keep a secret, new or in place of its former value",
        description="Keep a secret. Its value is asked for, unseen, or read from standard input, never from the"
        " command line, where others on this machine could see it.",
    )
    put.add_argument("name", metavar="NAME", help="as workflows name it, such as SHOP_KEY")
    known = verbs.add_parser(
        "list", help="names, and which workflows and integrations use them; never values"
    )
    for verb in (put, known):
        verb.add_argument("--account", metavar="SLUG", help="which company (default: the only one)")


def run(args: argparse.Namespace) -> int:
    from deskhand.accounts import queries
    from deskhand.kernel.database.scope import account_scope

    account = queries.account_named(args.account) if args.account else queries.only_account()
    if args.verb == "list":
        with account_scope(account.pk):
            return _list(account.pk)
    value = _value(args.name)
    with account_scope(account.pk):
        return _set(account.pk, args.name, value)


def _value(name: str) -> str:
    """As typed or piped, but for the line's end."""
    from getpass import getpass

    text = getpass(f"Value of {name}: ") if sys.stdin.isatty() else sys.stdin.read()
    return text.rstrip("\r\n")


def _set(account_id: int, name: str, value: str) -> int:
    from deskhand.automation import secrets
    from deskhand.events.types import SYSTEM

    found = next((one for one in secrets.known(account_id) if one.name == name), None)
    if found:
        secrets.replace(account_id, found.id, value, by=SYSTEM)
        print(f"{name} has its new value, from the next call on.")
    else:
        secrets.add(account_id, name, value, by=SYSTEM)
        print(f"{name} is kept. Workflows write it as {{{{ secret.{name} }}}}.")
    return 0


def _list(account_id: int) -> int:
    from deskhand.automation import secrets
    from deskhand.automation.models import CustomAction, Workflow

    known, uses = secrets.known(account_id), secrets.used_in(account_id)
    ids = {pk for found in uses.values() for pk in found}
    names = dict(Workflow.objects.filter(account_id=account_id, pk__in=ids).values_list("pk", "name"))
    signing = CustomAction.objects.filter(account_id=account_id).exclude(secret="")
    users = {one.name: sorted(names[pk] for pk in uses.get(one.name, ()) if pk in names) for one in known}
    for secret, name in signing.order_by("name").values_list("secret", "name"):
        users.setdefault(secret, []).append(name)
    for one in known:
        used = ", ".join(users[one.name]) or "(nothing uses it)"
        print(f"{one.name}\t{one.updated_at:%Y-%m-%d %H:%M} UTC\t{used}")
    if not known:
        print("There are none.", file=sys.stderr)
    return 0
