"""Counters that are not what they count are found, and counted anew on request."""

from __future__ import annotations

import argparse

import pytest

from deskhand.cli import check
from deskhand.routing import loads
from deskhand.routing.models import AgentLoad


@pytest.fixture
def drifted(world):
    return AgentLoad.objects.create(
        account_id=world.account.pk, user_id=world.ada.pk, ticket_type=loads.MAIL, n=3, points=3
    )


def test_a_drift_is_told_with_the_way_out(world, drifted):
    [problem] = check._counters()

    assert (problem.id, "--repair" in problem.hint) == ("deskhand.W011", True)
    assert problem.msg == "What people in nordlys have to do is counted wrongly: 0 tickets, 1 counter."


def test_repairing_counts_anew_and_says_so(world, drifted, capsys):
    commands = argparse.ArgumentParser().add_subparsers()
    check.add_parser(commands)
    assert commands.choices["check"].parse_args(["--repair"]).repair

    check._repair()
    check._repair()

    assert capsys.readouterr().out == "Counted anew in nordlys: 0 tickets, 1 counter.\n"
    drifted.refresh_from_db()
    assert (drifted.n, drifted.points) == (0, 0)
    assert check._counters() == []
