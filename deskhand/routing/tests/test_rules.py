"""Setting a channel's rule, and who is marked in it afterwards."""

from __future__ import annotations

import pytest

from deskhand.accounts.models import AuditEntry, Membership
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.routing import queries, rules
from deskhand.routing.types import Drop, Option, Strategy

from .conftest import MAIL

USERS = Option.USERS_AND_TEAMS


def set_rule(desk, option=USERS, **choices):
    return rules.set_rule(desk.id, MAIL, option, by=Actor.user(desk.ada), **choices)


def test_a_rule_keeps_order_and_is_audited(desk):
    """R-ROUTE-33, R-ROUTE-45: the box is on by default."""
    set_rule(desk, user_ids=[desk.cat, desk.ada, desk.cat], strategy=Strategy.ROUND_ROBIN)

    kept = queries.rule_for(desk.id, MAIL)
    assert (kept.user_ids, kept.strategy, kept.only_available) == ([desk.cat, desk.ada], "ROUND_ROBIN", True)
    assert AuditEntry.objects.get(action=rules.CHANGED).after["user_ids"] == [desk.cat, desk.ada]


def test_a_channel_has_one_rule(desk):
    """R-ROUTE-15."""
    first = set_rule(desk, user_ids=[desk.ada])
    second = set_rule(desk, Option.CONTACT_OWNER, fallback_team_ids=[desk.teams["X"]])

    assert first.pk == second.pk
    assert queries.rule_for(desk.id, MAIL).option == "CONTACT_OWNER"


def test_somebody_without_a_seat_can_not_be_chosen(desk):
    """T-ROUTE-12, R-ROUTE-11."""
    with pytest.raises(Invalid) as refused:
        set_rule(desk, user_ids=[desk.ada, desk.nils])

    assert (refused.value.field, refused.value.value) == ("user_ids", [desk.nils])
    assert queries.rule_for(desk.id, MAIL) is None


def test_who_loses_the_seat_later_stays_in_the_rule_marked(desk):
    """T-ROUTE-12, R-ROUTE-14."""
    set_rule(desk, user_ids=[desk.ada, desk.bob])
    Membership.objects.filter(user_id=desk.ada).update(has_seat=False)

    rule = set_rule(desk, user_ids=[desk.ada, desk.bob], only_available=False)

    assert queries.unfit(desk.id, rule.user_ids) == {desk.ada: Drop.NO_SEAT}


def test_a_team_without_a_seated_user_can_not_be_chosen(desk):
    """T-ROUTE-14, R-ROUTE-19."""
    Membership.objects.filter(user_id=desk.nils).update(has_seat=False)
    desk.person("olaf", seat=False)
    empty = desk.team("Light", main=["olaf"])

    with pytest.raises(Invalid) as refused:
        set_rule(desk, Option.TEAMS, team_ids=[empty])

    assert (refused.value.field, refused.value.value) == ("team_ids", [empty])
    assert [team.pk for team in queries.selectable_teams(desk.id)] == [desk.teams["X"]]


@pytest.mark.parametrize("option", [Option.USERS_AND_TEAMS, Option.TEAMS])
def test_a_rule_needs_somebody_to_assign_to(desk, option):
    with pytest.raises(Invalid):
        set_rule(desk, option)
