"""`deskhand worker`: the claimers of every queue, the dispatcher and the timers. Start as many as you like."""

from __future__ import annotations

import argparse
import gc
from typing import TYPE_CHECKING

from deskhand.cli import ports, stopping
from deskhand.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from argparse import _SubParsersAction


#: Objects between two searches for cycles. A batch makes tens of thousands, which go with it by their counts alone; to
#: search them at the usual 700 takes a third of a worker's time.
SEARCH_EVERY = 50_000


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "worker", help="run one worker process: queues, automations, timers, sending"
    )
    parser.add_argument("--with-mail-in", action="store_true", help="also listen for mail in this process")
    parser.add_argument(
        "--code", choices=["with", "without", "only"], default="with",
        help="whether it runs the code that workflows have, where CUSTOM_CODE allows that (default: %(default)s)",
    )  # fmt: skip
    add_mail_ports(parser)


def add_mail_ports(parser: argparse.ArgumentParser) -> None:
    for name, default in (("smtp", ports.SMTP), ("lmtp", ports.LMTP)):
        help_text = f"port for mail by {name.upper()}, 0 for none (default: %(default)s)"
        parser.add_argument(f"--{name}-port", type=ports.number, default=default, help=help_text)


def run(args: argparse.Namespace) -> int:
    from django.conf import settings

    roles = {"code"} if args.code == "only" else {"worker"}
    roles |= {"mail-in"} if args.with_mail_in else set()
    roles |= {"code"} if args.code == "with" else set()
    if roles == {"code"} and not settings.CUSTOM_CODE:
        raise Misconfigured("CUSTOM_CODE", "false", "true for a worker that runs only code")
    return work(roles, args.smtp_port, args.lmtp_port)


def work(roles: set[str], smtp_port: int, lmtp_port: int) -> int:
    """Run until told to stop; the batch in hand is finished first."""
    from deskhand import wiring

    stop = stopping.on_signals()
    gc.collect()
    gc.freeze()
    gc.set_threshold(SEARCH_EVERY)
    wiring.run_worker(stop=stop, roles=roles, smtp_port=smtp_port or None, lmtp_port=lmtp_port or None)
    return 0
