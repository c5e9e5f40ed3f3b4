"""`deskhand config`: pipelines, properties, workflows, mails, routing and teams as a file that people can read."""

from __future__ import annotations

import argparse
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deskhand.kernel.errors import Invalid

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from deskhand.accounts.models import Account
    from deskhand.config.plan import Change, Difference, Plan

SHOWN = 60  # characters of a value
AROUND = 20  # of a long text, before what is other


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "config", help="pipelines, workflows, routing … as a file: export, plan, apply"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    out = verbs.add_parser("export", help="write what is set up now")
    out.add_argument("file", nargs="?", default="-", help="where to (default: standard output)")
    show = verbs.add_parser(
        "plan", help="show what a file would change, and what that means for open records"
    )
    do = verbs.add_parser("apply", help="make it so: all of it, or nothing")
    do.add_argument("--yes", action="store_true", help="don't ask")
    for verb in (show, do):
        verb.add_argument("file", help="a file from “export”, or a part of it; - is standard input")
        verb.add_argument("--delete", action="store_true", help="delete what the file's sections do not name")
    for verb in (out, show, do):
        verb.add_argument("--account", metavar="SLUG", help="which company (default: the only one)")


def run(args: argparse.Namespace) -> int:
    from deskhand.accounts import queries

    account = queries.account_named(args.account) if args.account else queries.only_account()
    if args.verb == "export":
        return _export(account.pk, args.file)
    return _change(account, args)


def _export(account_id: int, target: str) -> int:
    from deskhand.config import document, plan

    text = document.write(plan.export(account_id))
    if target == "-":
        sys.stdout.write(text)
    else:
        try:
            Path(target).write_text(text, encoding="utf-8")
        except OSError as failure:
            raise _unusable(target, failure) from failure
        print(f"Written to {target}.", file=sys.stderr)
    return 0


def _change(account: Account, args: argparse.Namespace) -> int:
    from deskhand.config import document, plan

    given = document.read(_text_of(args.file))
    found = plan.plan(account.pk, given, delete=args.delete)
    _show(found)
    if found.lacking:
        _show_lacking(found, account.slug)
        return 1
    if args.verb == "plan" or not found.changes:
        return 0
    if not args.yes and (args.file == "-" or input("Apply? [y/N] ").strip().lower() not in ("y", "yes")):
        print("Nothing was changed. (--yes applies without asking.)", file=sys.stderr)
        return 1
    plan.apply(account.pk, given, delete=args.delete, seen=found)
    print("Applied.")
    return 0


def _text_of(file: str) -> str:
    """Raises Invalid for a file that can't be read, or is no text."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as failure:
        raise _unusable(file, failure) from failure
    except UnicodeDecodeError as failure:
        line = raw.count(b"\n", 0, failure.start) + 1
        raise Invalid(
            f"{file} is not a text in UTF-8: look at line {line}.",
            field="file",
            value=file,
            hint="Save it as UTF-8.",
        ) from failure


def _unusable(file: str, failure: OSError) -> Invalid:
    return Invalid(f"{file}: {failure.strerror}.", field="file", value=file)


def _show(found: Plan) -> None:
    for change in found.changes:
        _show_change(change)
    for section, key in found.left_alone:
        print(f"  {section}: {key} is not in the file and stays")
    counted = {
        did: sum(change.did == did for change in found.changes) for did in ("create", "change", "delete")
    }
    if not found.changes:
        print("Nothing to do: everything is as the file says.")
    else:
        print(f"{counted['create']} to create, {counted['change']} to change, {counted['delete']} to delete.")


#: How people make what a file names and does not hold: all of `stand_ins.MADE_ELSEWHERE`.
WAYS = {
    "user": "deskhand user create --account {slug} --email {name} --name NAME",
    "channel": "in the browser: Settings › Channels",
    "inbox": "in the browser: Settings › Channels, with its first channel",
    "secret": "deskhand secret set --account {slug} {name}",
}


def _show_lacking(found: Plan, slug: str) -> None:
    """What has to be made by hand, and how."""
    print("Nothing can be applied yet. Make these first; a file does not hold people, passwords and secrets:")
    for one in found.lacking:
        print(f"  {one.thing} {one.name} ({one.path})")
        print(f"      {WAYS[one.thing].format(slug=slug, name=one.name)}")


def _show_change(change: Change) -> None:
    print(f"{ {'create': '+', 'change': '~', 'delete': '-'}[change.did] } {change.section}: {change.key}")
    if change.did == "change":
        for one in change.differences:
            print(f"    {one.path}: {_said(one)}")
    for effect in change.effects:
        print(f"    ! {effect}")


def _said(one: Difference) -> str:
    """What becomes of a value; something new with all that it is, but for the name that its place has already."""
    if one.old is None and isinstance(one.new, dict):
        told = {name: value for name, value in one.new.items() if not one.path.endswith(f"[{value}]")}
        return f"new ({_value(told)})" if told else "new"
    if one.new is None and isinstance(one.old, dict):
        return "goes"
    start = _alike(one.old, one.new)
    return f"{_value(one.old, start)} → {_value(one.new, start)}"


def _alike(old: Any, new: Any) -> int:
    """Where two long texts begin to differ, a few words before; 0 for all that can be shown whole."""
    if not (isinstance(old, str) and isinstance(new, str)) or max(len(old), len(new)) <= SHOWN:
        return 0
    alike = sum(1 for _both in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    return max(0, alike - AROUND)


def _value(value: Any, start: int = 0) -> str:
    from deskhand.config.document import inline

    text = inline(value)
    text = ("…" if start else "") + " ⏎ ".join(text[start:].splitlines()) or "“”"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
