"""`deskhand migrate`: bring the tables up to this release. Safe to repeat, and from several machines at once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LOCK = 7_202_611  # an advisory lock: one process migrates, the others wait and find nothing to do


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    commands.add_parser("migrate", help="create or update the tables")


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
                print(f"Applying {waiting} changes to the database …", flush=True)
                call_command("migrate", interactive=False, verbosity=1)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    return 0
