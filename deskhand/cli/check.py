"""`deskhand check`: what is wrong with this installation, each with an id and the way out."""

from __future__ import annotations

import argparse
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from django.core.checks import CheckMessage

    from deskhand.routing.loads import Drift

OLDEST_POSTGRESQL = 150000
LITTLE_SPACE = 1_000_000_000  # bytes


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "check", help="say what is wrong with this installation, and what to do about it"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="count anew what everybody has to do, where the counters are not that",
    )


def run(args: argparse.Namespace) -> int:
    from django.core.checks import ERROR, run_checks

    if args.repair:
        _repair()
    found = [*run_checks(), *_database(), *_disk(), *_address(), *_code()]
    problems = [problem for problem in found if not problem.is_silenced()]
    for problem in problems:
        hint = f"\n    {problem.hint}" if problem.hint else ""
        print(f"{problem.id or 'check'}: {problem.msg}{hint}")
    if not problems:
        print("All is well.")
    return 1 if any(problem.level >= ERROR for problem in problems) else 0


def _code() -> list[CheckMessage]:
    from django.conf import settings
    from django.core.checks import Error

    from deskhand.kernel import sandbox

    if not settings.CUSTOM_CODE:
        return []
    try:
        sandbox.check()
    except sandbox.Unwalled as refusal:
        hint = "Steps that run code fail here. Set CUSTOM_CODE to false, or run workers elsewhere; see docs/howto/custom-code.md."
        return [Error(f"Code can't be walled in: {refusal.value}", hint=hint, id="deskhand.E006")]
    return []


def _database() -> list[CheckMessage]:
    from django.core.checks import Error, Warning
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    problems: list[CheckMessage] = []
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, rolsuper OR rolbypassrls,"
                " current_setting('synchronous_commit'), current_setting('fsync')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            version, bypasses, commit, fsync = cursor.fetchone()
        executor = MigrationExecutor(connection)
        waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as failure:
        hint = "Is DATABASE_URL right, and is the server running?"
        return [Error(f"The database does not answer: {failure}", hint=hint, id="deskhand.E001")]
    if version < OLDEST_POSTGRESQL:
        problems.append(
            Error("PostgreSQL is too old.", hint="Deskhand needs version 15 or newer.", id="deskhand.E002")
        )
    if not waiting:
        problems += [*_fence(), *_mailboxes(), *_quarantine(), *_outbox(), *_jobs(), *_counters()]
    else:
        hint = "Run `deskhand migrate`."
        problems.append(
            Error(
                f"{_many(waiting, 'change to the tables is', 'changes to the tables are')} missing.",
                hint=hint,
                id="deskhand.E003",
            )
        )
    if bypasses:
        hint = "Give DATABASE_URL a role without SUPERUSER and BYPASSRLS; the walls between accounts don't bind this one."
        problems.append(
            Warning("The database role bypasses row-level security.", hint=hint, id="deskhand.W001")
        )
    if commit == "off" or fsync == "off":
        hint = "Set fsync and synchronous_commit to on; otherwise mail that was taken can be lost in a crash."
        problems.append(
            Warning("PostgreSQL does not write down what it commits.", hint=hint, id="deskhand.W002")
        )
    return problems


def _fence() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.delivery import queries

    fence = queries.fence()
    if fence is None:
        return []
    hint = "See what is held with `deskhand outbox list`, send it with `deskhand outbox release`."
    return [
        Warning(
            f"What automations send is held since {fence.raised_at:%Y-%m-%d %H:%M} UTC: {fence.reason}.",
            hint=hint,
            id="deskhand.W006",
        )
    ]


def _mailboxes() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.channels.email.models import EmailAccount, MailboxState

    problems: list[CheckMessage] = []
    troubled = EmailAccount.objects.filter(
        state__in=[MailboxState.REFUSED, MailboxState.RETRYING], channel_account__archived_at=None
    )
    for mailbox in troubled.select_related("channel_account").order_by("channel_account__address"):
        following = f" It is tried again at {mailbox.retry_at:%H:%M} UTC." if mailbox.retry_at else ""
        hint = "Mend it in its settings, and it is read at once; its mail waits there." + following
        words = f"The mailbox of {mailbox.channel_account.address} is not read: {mailbox.last_error}"
        problems.append(Warning(words, hint=hint, id="deskhand.W007"))
    return problems


def _quarantine() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.channels.email import inbound
    from deskhand.kernel.text import one_line

    held = inbound.quarantined()
    number = held.count()
    if not number:
        return []
    words = f"{_many(number, 'mail')} could not be filed; the newest: {one_line(held.defer('raw')[0].outcome_detail)}"
    hint = "See them with `deskhand quarantine list`; try them with `deskhand quarantine again`."
    return [Warning(words, hint=hint, id="deskhand.W008")]


def _outbox() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.delivery import queries

    hint = "It is sent when the server takes it. See `deskhand outbox list`; try it at once with `deskhand outbox retry ID`."
    return [
        Warning(f"{_many(number, 'mail waits', 'mails wait')}. {error}", hint=hint, id="deskhand.W009")
        for error, number in queries.why_waiting().items()
    ]


def _jobs() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.kernel import jobs

    failed = jobs.count_failed()
    if not failed:
        return []
    given_up = _many(sum(failed.values()), "slow job was", "slow jobs were")
    words = f"{given_up} given up: {', '.join(failed)}."
    hint = "See why with `deskhand jobs list`; when the cause is gone, `deskhand jobs again`."
    return [Warning(words, hint=hint, id="deskhand.W010")]


def _counters() -> list[CheckMessage]:
    from django.core.checks import Warning

    from deskhand.accounts.models import Account
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import loads

    hint = "Every night they are counted anew. `deskhand check --repair` does so now."
    problems: list[CheckMessage] = []
    for account in Account.objects.order_by("slug"):
        with account_scope(account.pk):
            drift = loads.drift(account.pk, clock.now())
        if drift:
            words = f"What people in {account.slug} have to do is counted wrongly: {_amounts(drift)}."
            problems.append(Warning(words, hint=hint, id="deskhand.W011"))
    return problems


def _repair() -> None:
    """Count anew, and say what that mended."""
    from django.db import DatabaseError

    from deskhand.accounts.models import Account
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import loads

    try:
        for account in Account.objects.order_by("slug"):
            with account_scope(account.pk):
                drift = loads.drift(account.pk, clock.now())
                loads.recount(account.pk, clock.now())
            if drift:
                print(f"Counted anew in {account.slug}: {_amounts(drift)}.")
    except DatabaseError as failure:
        print(f"Nothing was counted anew: {failure}")  # what is the matter is told by the checks


def _amounts(drift: Drift) -> str:
    return f"{_many(len(drift.tickets), 'ticket')}, {_many(len(drift.counters), 'counter')}"


def _many(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def _disk() -> list[CheckMessage]:
    from django.conf import settings
    from django.core.checks import Error, Warning

    problems: list[CheckMessage] = []
    for folder in (settings.DATA_DIR, settings.FILES_ROOT):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(existing, os.W_OK):
            hint = "Give it to the user who runs Deskhand, or choose another by DESKHAND_DATA or FILES_ROOT."
            problems.append(Error(f"{folder} can't be written.", hint=hint, id="deskhand.E004"))
        elif (free := shutil.disk_usage(existing).free) < LITTLE_SPACE:
            hint = "When it is full, mail is refused for the time being, and senders try again."
            problems.append(Warning(f"{folder} has {free / 1e6:.0f} MB left.", hint=hint, id="deskhand.W003"))
    secrets = settings.DATA_DIR / "secrets"
    if secrets.exists() and secrets.stat().st_mode & 0o077:
        problems.append(
            Warning(f"Others can read {secrets}.", hint=f"chmod 700 {secrets}", id="deskhand.W004")
        )
    return problems


def _address() -> list[CheckMessage]:
    from django.conf import settings
    from django.core.checks import Warning

    if settings.SITE_URL.startswith(("http://127.", "http://localhost", "https://")):
        return []
    hint = "Put a proxy with a certificate before it, and let SITE_URL start with https://."
    return [
        Warning(
            f"SITE_URL is {settings.SITE_URL!r}: pages travel unencrypted.", hint=hint, id="deskhand.W005"
        )
    ]
