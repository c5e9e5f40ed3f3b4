"""`deskhand setup`: the address at which the first account is made, while there is none."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "setup",
        help="print the address at which the first account is made",
        description="Print the address at which the first account and its administrator are made in the browser."
        " It works once; a new one ends the former. Says so where there is an account already.",
    )
    parser.add_argument("--if-empty", action="store_true", help="print nothing where there is an account")


def run(args: argparse.Namespace) -> int:
    from django.conf import settings
    from django.urls import reverse

    from deskhand.accounts import first_run

    if first_run.is_open():
        print(settings.SITE_URL + reverse("setup", args=[first_run.new_token()]))
    elif not args.if_empty:
        print("There is an account already; nothing is left to set up. Who can sign in invites others.")
    return 0
