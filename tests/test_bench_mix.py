"""What `deskhand bench automation` says of its steps is what it does."""

from collections import Counter

import pytest

from deskhand.bench.mix import ALONE, WHOLE, parts, shares, steps

#: The foundation's mix (4 set, 3 delay, 2 mail, 1 task) in four fifths of the steps, and branches in one.
WANTED = {"set_property": 0.32, "delay": 0.24, "send_email": 0.16, "create_task": 0.08, "branch": 0.2}


@pytest.mark.parametrize("ways", [WHOLE, ALONE])
@pytest.mark.parametrize("runs", [397, 3_200, 28_000])
def test_the_steps_are_of_the_mix(ways, runs):
    found, counts = parts(ways, runs), Counter()
    for way, count in found.items():
        for kind in way:
            counts[kind] += count

    assert sum(found.values()) == runs
    assert counts.total() == steps(ways, runs)
    assert {kind: count / counts.total() for kind, count in counts.items()} == pytest.approx(
        WANTED, abs=0.005
    )
    assert shares(ways) == WANTED


def test_runs_of_a_whole_workflow_walk_on_to_the_next_delay():
    assert sum(len(way) for way in WHOLE) == 25
    assert all(way.count("delay") <= 1 and "delay" not in way[:-1] for way in WHOLE)
    assert all(len(way) - way.count("branch") == 1 for way in ALONE)
