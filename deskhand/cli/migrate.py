"""`deskhand migrate`: bring the tables up to this release. Safe to repeat, and from several machines at once."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LOCK = 7_202_611  # an advisory lock: one process migrates, the others wait and find nothing to do


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("migrate", help="create or update the tables")
    parser.add_argument("--demo", action="store_true", help="then fill an empty database with a demo company")


class Progress(io.StringIO):
    """Instead of Django's line for each change: a line now and then."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total, self.done = total, 0

    def write(self, text: str) -> int:
        if " Applying " in text or text.startswith("Applying "):
            self.done += 1
            if self.done % 20 == 1 or self.done == self.total:
                print(f"Preparing the tables … {self.done} of {self.total}", file=sys.stderr, flush=True)
        return len(text)


def run(args: argparse.Namespace) -> int:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            executor = MigrationExecutor(connection)
            waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
            if waiting:
                call_command(
                    "migrate", interactive=False, verbosity=1, no_color=True, stdout=Progress(waiting)
                )
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    return _seed() if args.demo else 0


def _seed() -> int:
    """In this process, because a second one would take its time to start."""
    from deskhand.cli import demo

    return demo.run(argparse.Namespace(part="seed"))
