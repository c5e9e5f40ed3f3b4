"""What runs of the benchmark walk through: ways from one delay to the next, and how often each is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

Way = tuple[str, ...]  # kinds of steps, in order; a branch's other side leads out
Ways = Mapping[Way, int]  # how many of all runs take it, as shares

#: A workflow of 25 steps as people build them, cut at its six delays: a run walks on from one delay to the next.
WHOLE: Ways = {
    ("branch", "set_property", "send_email", "delay"): 1,
    ("set_property", "create_task", "branch", "delay"): 1,
    ("set_property", "branch", "set_property", "delay"): 1,
    ("send_email", "set_property", "delay"): 1,
    ("branch", "send_email", "set_property", "delay"): 1,
    ("set_property", "create_task", "delay"): 1,
    ("branch", "send_email", "set_property"): 1,
}

#: The same steps, but each run is claimed for one alone (a quarter of them by a branch): nothing is saved.
ALONE: Ways = {
    ("set_property",): 12, ("branch", "set_property"): 4,
    ("delay",): 9, ("branch", "delay"): 3,
    ("send_email",): 6, ("branch", "send_email"): 2,
    ("create_task",): 3, ("branch", "create_task"): 1,
}  # fmt: skip


def shares(ways: Ways) -> dict[str, float]:
    """{kind of step: its part of all steps}."""
    counts: Counter[str] = Counter()
    for way, share in ways.items():
        for kind in way:
            counts[kind] += share
    return {kind: round(count / counts.total(), 3) for kind, count in counts.most_common()}


def parts(ways: Ways, runs: int) -> dict[Way, int]:
    """How many of so many runs take each way; together they are `runs`."""
    whole, found, given = sum(ways.values()), {}, 0
    taken = 0
    for way, share in ways.items():
        taken += share
        found[way] = runs * taken // whole - given
        given += found[way]
    return found


def steps(ways: Ways, runs: int) -> int:
    """How many steps so many runs walk."""
    return sum(count * len(way) for way, count in parts(ways, runs).items())
