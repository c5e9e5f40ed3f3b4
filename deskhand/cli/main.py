"""`deskhand …`: one entry point. Each command is a module here with `add_parser(subparsers)` and `run(args) -> int`.

Nothing of Django is imported before a command needs it, so that help comes at once.
"""

from __future__ import annotations

import argparse
import errno
import faulthandler
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from deskhand.kernel import env
from deskhand.kernel.errors import DeskhandError, Unreachable

#: Modules in the order in which help shows them.
COMMANDS = (
    "serve",
    "web",
    "worker",
    "mail_in",
    "migrate",
    "setup",
    "check",
    "account",
    "user",
    "token",
    "secret",
    "ingest",
    "outbox",
    "quarantine",
    "jobs",
    "backup",
    "restore",
    "config",
    "upgrade_db",
    "demo",
    "bench",
)
#: These start what they need themselves.
WITHOUT_DATABASE = {"serve", "bench", "upgrade_db"}
#: These live long and serve many at once; all others need one connection.
WITH_POOL = {"web", "worker", "mail_in", "bench"}
#: Every start waits for these, and mostly they have nothing to do; where they do, they wire the areas themselves.
WIRE_THEMSELVES = {"migrate"}

FULL = (errno.ENOSPC, errno.EDQUOT)

DESCRIPTION = """\
Deskhand, the help desk: mail arrives, becomes a ticket, and finds the right person.

  deskhand serve --demo     try it: everything in one process tree, with a demo company
  deskhand serve            run it: database, web, workers and mail on this machine
  deskhand check            what is wrong with this installation, and what to do about it

With DATABASE_URL set, commands use that PostgreSQL; otherwise the one in the data directory,
which is started for the command if it isn't running. Settings are explained in docs/settings.md.
"""


def sentence(problem: DeskhandError) -> str:
    """What is wrong and, where there is one, the way out."""
    return f"{problem} {getattr(problem, 'hint', '')}".rstrip()


def main(argv: Sequence[str] | None = None) -> int:
    modules = {name: module for name in COMMANDS if (module := _module(name))}
    args = _parser(modules).parse_args(argv)
    name = args.command.replace("-", "_")
    if args.data:
        os.environ["DESKHAND_DATA"] = args.data
    try:
        return _run(name, modules[name], args)
    except DeskhandError as problem:
        print(f"deskhand: {sentence(problem)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as failure:
        if failure.errno not in FULL:
            raise
        print(f"deskhand: {_no_space(failure)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _module(name: str) -> ModuleType | None:
    path = f"deskhand.cli.{name}"
    return import_module(path) if find_spec(path) else None


def _parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deskhand", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for module in modules.values():
        module.add_parser(commands)
    _offer_data(parser)
    parser.set_defaults(data=None)
    return parser


def _offer_data(parser: argparse.ArgumentParser) -> None:
    """`--data` is understood at the end of every command, where people write it."""
    deeper = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in deeper:
        for command in action.choices.values():
            _offer_data(command)
    if not deeper:
        help_text = "data directory (default: DESKHAND_DATA, or ./var)"
        parser.add_argument("--data", metavar="DIR", default=argparse.SUPPRESS, help=help_text)


def _run(name: str, module: ModuleType, args: argparse.Namespace) -> int:
    if name in WITHOUT_DATABASE:
        return int(module.run(args))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    if name not in WITH_POOL:
        env.whole("DATABASE_POOL", 0, at_most=500)  # wrong also where it is not used: `serve` starts with us
        os.environ["DATABASE_POOL"] = "0"
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        return _run_with_django(name, module, args)

    from deskhand.kernel.database import embedded, url

    with embedded.running(url.data_directory(), report=_report):
        return _run_with_django(name, module, args)


def _run_with_django(name: str, module: ModuleType, args: argparse.Namespace) -> int:
    import django
    import psycopg
    from django.db import InterfaceError, OperationalError, ProgrammingError, connections

    from deskhand.kernel import logs
    from deskhand.kernel.database import wake

    logs.set_up()
    faulthandler.register(signal.SIGUSR1)  # `kill -USR1` prints where every thread is
    django.setup()

    if name not in WIRE_THEMSELVES:
        from deskhand import wiring

        wiring.connect()  # whatever a command changes, the same follows from it
    try:
        return int(module.run(args))
    except (OperationalError, InterfaceError, psycopg.OperationalError) as failure:
        raise Unreachable(
            f"The database does not answer as it should: {' '.join(str(failure).split())}\n"
            "Is DATABASE_URL right, and is the server running? `deskhand check` says more."
        ) from failure
    except ProgrammingError as failure:
        if not isinstance(failure.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise
        raise Unreachable(
            "The database has no tables yet, or those of an older release. `deskhand migrate` prepares them."
        ) from failure
    finally:
        wake.shut()  # what the command changed wakes the workers before we go
        connections.close_all()


def _no_space(failure: OSError) -> str:
    place = failure.filename or "where Deskhand writes"
    return f"There is no space left on the disk ({place}). Make some, and say it again: nothing is half done."


def _report(sentence: str) -> None:
    print(f"{sentence} …", file=sys.stderr, flush=True)
