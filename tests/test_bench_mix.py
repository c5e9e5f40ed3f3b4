"""What `deskhand bench automation` says of its steps is what it does."""

import pytest

from deskhand.bench.automation import MIX, _parts, _steps_of


@pytest.mark.parametrize("runs", [400, 3_200, 32_000])
def test_the_steps_are_of_the_mix(runs):
    parts, steps = _parts(runs), _steps_of(runs)

    assert sum(parts.values()) == runs
    found = {kind: parts[kind] + parts[f"branch, {kind}"] for kind in MIX if kind != "branch"}
    found["branch"] = steps - runs
    assert sum(found.values()) == steps
    assert {kind: number / steps for kind, number in found.items()} == pytest.approx(MIX, abs=0.005)
