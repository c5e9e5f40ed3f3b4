"""The second wall between accounts: row-level security on every table that has an account.

After each migration every such table gets a forced policy: rows show only inside `account_scope` of their
account, and without a scope there are none. Tables listed in EXEMPT are read across accounts on purpose.
Tables of libraries (sessions, sign-in, Procrastinate) have no account column, so there is nothing to test a row by.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections

#: Queues are claimed across accounts; people and sessions are known before an account is chosen.
EXEMPT = {
    "kernel_timer": "queue",
    "kernel_searchentry": "an index over words that name their account; what it finds is read behind the walls",
    "delivery_outboxentry": "queue",
    "events_pendingevent": "queue",
    "email_inboundmail": "queue",
    "portal_post": "queue",
    "forms_submission": "queue",
    "automation_enrollment": "queue",
    "automation_coderun": "queue",
    "automation_workflowhook": "read to find the account of a call",
    "automation_stepcall": "read to find the run that a callback is for",
    "accounts_membership": "read to choose the account",
    "accounts_apitoken": "read to find the account of a token",
    "accounts_app": "read to find the account of a client id",
    "accounts_signinattempt": "counted before anybody is known",
    "desk_channelaccount": "read to find the account of a recipient address",
    "email_emailaccount": "read to find the mailboxes to poll",
}

POLICY = "one_account"


def tables_with_an_account() -> list[str]:
    return sorted(
        {
            model._meta.db_table
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed
            and any(field.column == "account_id" for field in model._meta.concrete_fields)
        }
    )


def protected_tables() -> list[str]:
    return [table for table in tables_with_an_account() if table not in EXEMPT]


def build_walls(using: str = "default", **_: Any) -> None:
    """Give each protected table its policy. Safe to repeat."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = current_schema() and c.relkind in ('r', 'p') and c.relname = any(%s)"
            " and not (c.relrowsecurity and c.relforcerowsecurity)",
            [protected_tables()],
        )
        for (table,) in cursor.fetchall():
            quoted = connections[using].ops.quote_name(table)
            cursor.execute(f"drop policy if exists {POLICY} on {quoted}")
            cursor.execute(
                f"create policy {POLICY} on {quoted}"
                " using (account_id = nullif(current_setting('deskhand.account', true), '')::bigint)"
            )
            cursor.execute(f"alter table {quoted} enable row level security, force row level security")
