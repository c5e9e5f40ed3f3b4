"""`deskhand bench`: figures of this machine, beside a floor measured in the same run."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAMES = (
    "ingest", "automation", "routing", "lists", "screens", "stream", "replay", "routing-simulation", "idle",
)  # fmt: skip
FAULTS, KILLS, RACES = "faults", "kills", "routing-races"  # no measurements, and long: not among all


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bench", help="measure on a database of its own: " + ", ".join((*NAMES, FAULTS, KILLS, RACES))
    )
    parser.add_argument("name", choices=(*NAMES, FAULTS, KILLS, RACES, "all"))
    parser.add_argument("--json", action="store_true", help="one JSON object a line, and nothing else")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="a part of the full size, such as 0.1 for a quick look"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=600.0,
        help="faults: how long processes are killed (default: %(default)g)",
    )
    parser.add_argument(
        "--seed", type=int, help="faults, kills, routing-races: a number that chooses who is killed when"
    )
    parser.add_argument(
        "--seeds", type=int, help="kills, routing-races: how many rounds (default: 1000, and 200)"
    )


def run(args: argparse.Namespace) -> int:
    from deskhand.kernel import logs

    logs.set_up()
    if args.name == FAULTS:
        return _run_faults(args)
    if args.name == KILLS:
        return _run_kills(args)
    if args.name == RACES:
        return _run_races(args)
    for name in NAMES if args.name == "all" else (args.name,):
        result = import_module(f"deskhand.bench.{name.replace('-', '_')}").run(args.scale)
        if args.json:
            print(result.line(), flush=True)
            continue
        if name == "idle":
            print(f"idle: {result.peak_mb:.0f} MB, {result.cpu_ms:.0f} ms CPU a second", flush=True)
            continue
        print(
            f"{name}: {result.per_s:,.0f}/s, {result.ratio_to_floor:.0%} of the floor ({result.floor_per_s:,.0f}/s)"
        )
        print(
            f"  p50 {result.p50_ms:.1f} ms, p95 {result.p95_ms:.1f} ms, p99 {result.p99_ms:.1f} ms; {result.cpu_ms:.2f} ms CPU each; peak {result.peak_mb:.0f} MB"
        )
        print("  " + ", ".join(f"{key} {value}" for key, value in result.details.items()), flush=True)
    return 0


def _run_kills(args: argparse.Namespace) -> int:
    from deskhand.bench import kills

    seeds = args.seeds or 1000
    result = kills.run(seeds, args.seed)
    violations = result.details["violations"]
    if args.json:
        print(result.line(), flush=True)
    else:
        print(
            f"{result.details['kills']} workers killed in {seeds} rounds, from seed {result.details['seed']}."
        )
        print("\n".join(violations) or "Every effect is there once.", flush=True)
    return 1 if violations else 0


def _run_races(args: argparse.Namespace) -> int:
    from deskhand.bench import routing_races

    result = routing_races.run(args.seeds or 200, args.seed)
    found = result.details
    if args.json:
        print(result.line(), flush=True)
    else:
        print(f"{found['kills']} processes killed in {found['seeds']} rounds, from seed {found['seed']}.")
        print(
            "\n".join(found["violations"]) or "No limit was broken, and no ticket given twice or forgotten.",
            flush=True,
        )
    return 1 if found["violations"] else 0


def _run_faults(args: argparse.Namespace) -> int:
    from deskhand.bench import faults

    result = faults.run(args.seconds, args.seed)
    violations = result.details["violations"]
    if args.json:
        print(result.line(), flush=True)
    else:
        print("\n".join(result.details["books"]))
        print("\n".join(violations) or "Nothing was lost, and nothing was done twice.", flush=True)
    return 1 if violations else 0
