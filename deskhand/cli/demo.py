"""`deskhand demo`: a believable company to look at, and customers who write to it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from deskhand.cli import ports

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="a demo company: seed it, or play its customers")
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    parts.add_parser("seed", help="fill an empty database with 90 days of a demo company; safe to repeat")
    customers = parts.add_parser(
        "customers", help="send real mail by SMTP as the company's customers, and answer replies"
    )
    customers.add_argument(
        "--smtp-port",
        type=ports.number,
        default=ports.SMTP,
        help="where the mail goes (default: %(default)s)",
    )
    customers.add_argument(
        "--every", type=float, default=6.0, help="seconds between new requests (default: %(default)s)"
    )
    customers.add_argument(
        "--count", type=int, default=0, help="stop after so many requests; 0 goes on until Ctrl-C"
    )
    customers.add_argument("--quiet", action="store_true", help="do not print what is sent")
    customers.add_argument("--seed", type=int, default=None, help="the same seed writes the same requests")


def run(args: argparse.Namespace) -> int:
    if args.part == "seed":
        return _seed()
    from deskhand.testing.demo import customers

    say: customers.Say = (lambda _text: None) if args.quiet else print
    return customers.play(port=args.smtp_port, every=args.every, count=args.count, seed=args.seed, say=say)


def _seed() -> int:
    import sys

    from django.conf import settings

    from deskhand.testing.demo import company

    if not company.is_there():  # what all areas together weigh is only read where it is needed
        from deskhand import wiring
        from deskhand.delivery.sender import Sender
        from deskhand.testing.demo import seed

        wiring.connect()
        if seed.seed(lambda text: print(text, file=sys.stderr, flush=True)) and settings.DEMO:
            sender = Sender(wiring.transports())
            sender.drain(600.0)  # seconds; small machines take theirs
            sender.close()
            seed.date_mail()
    for colleague in company.COLLEAGUES[:3]:
        print(f"  {colleague.username:<8} {company.PASSWORD}   {colleague.name}, {colleague.job.lower()}")
    return 0
