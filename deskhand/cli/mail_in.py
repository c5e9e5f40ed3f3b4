"""`deskhand mail-in`: the listener for mail by SMTP and LMTP and the reader of IMAP mailboxes, alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from deskhand.cli import worker

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("mail-in", help="run one process that takes in mail")
    worker.add_mail_ports(parser)


def run(args: argparse.Namespace) -> int:
    return worker.work({"mail-in"}, args.smtp_port, args.lmtp_port)
