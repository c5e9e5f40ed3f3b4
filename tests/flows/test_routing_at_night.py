"""What routing does every night, in the product plugged together."""

from __future__ import annotations

from datetime import timedelta

from deskhand import wiring
from deskhand.routing import simulations
from deskhand.routing.models import Simulation


def test_at_night_old_simulations_are_forgotten_beside_the_recount(world, noon, wired):
    """What they tell of people is not kept for ever."""
    for age in (simulations.KEPT_FOR + timedelta(days=1), simulations.KEPT_FOR):
        Simulation.objects.create(
            account_id=world.account.pk, made_by_id=world.ada.pk, made_at=noon - age, wish={}, ended_at=noon
        )

    wiring.recount_loads(world.account.pk, [])

    assert Simulation.objects.get().made_at == noon - simulations.KEPT_FOR
