"""Workers killed between any two statements of a step: its effect is neither lost nor doubled.

`deskhand bench kills --seeds 1000` is the same, for longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from deskhand import wiring
from deskhand.bench import kills
from deskhand.crm.records.models import Task
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.sites import calling_site
from deskhand.testing.world import make_world

SEEDS = 6


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[None]:
    """Each child has one connection of its own; a pool for each would cost more than the steps."""
    connection.close()
    connection.close_pool()
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "OPTIONS", options)
        yield
        connection.close()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_pool")
def test_t_wf_14_a_worker_that_is_killed_at_a_step_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """R-EXEC-23: at any statement and around the commit; and the books notice what is missing or too much."""
    wiring.connect()
    world = make_world()
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    settings.CUSTOM_CODE = True
    killed, violations = 0, []
    with calling_site() as there:
        office = kills.lay_out(world.account.pk, there)
        for seed in range(SEEDS):
            count, found = kills.storm(office, seed)
            killed += count
            violations += found

    assert violations == []
    assert killed >= SEEDS

    with account_scope(world.account.pk):
        first = Task.objects.filter(title="Before").earliest("id")
        Task.objects.filter(title="After", record_id=first.record_id).delete()
        first.pk, first.creation_key = None, None
        first.save(force_insert=True)
    noticed = "\n".join(kills.check(office, [first.record_id]))
    assert "Before 2 times" in noticed
    assert "After 0 times" in noticed
