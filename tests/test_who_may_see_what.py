"""A person's reach over records is said once and answered in three forms; they never differ (architecture §7)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deskhand.accounts.policy import Visibility
from deskhand.accounts.types import Reach
from deskhand.crm.records.models import Ticket
from deskhand.kernel.database import sql

TEAMS = [1, 2, 3]
OWNERS = [None, 7, 8]


@pytest.fixture
def tickets(world) -> list[Ticket]:
    """Every owner with every set of assigned teams."""
    made = []
    for owner in OWNERS:
        for bits in range(2 ** len(TEAMS)):
            ticket = world.ticket(f"{owner} {bits:03b}")
            teams = [team for place, team in enumerate(TEAMS) if bits >> place & 1]
            Ticket.objects.filter(pk=ticket.pk).update(owner_id=owner, assigned_team_ids=teams)
            ticket.owner_id, ticket.assigned_team_ids = owner, teams
            made.append(ticket)
    return made


visibilities = st.builds(
    Visibility,
    reach=st.sampled_from(Reach),
    include_unassigned=st.booleans(),
    user_id=st.sampled_from([7, 9]),
    team_ids=st.frozensets(st.sampled_from([*TEAMS, 4])),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seen=visibilities)
def test_predicate_sql_and_queryset_agree_on_every_ticket(tickets, seen: Visibility):
    """R-PERM-1, R-PERM-2, R-TEAM-4."""
    condition, params = seen.sql("t")

    by_predicate = {ticket.pk for ticket in tickets if seen.allows(ticket.owner_id, ticket.assigned_team_ids)}
    by_sql = {row[0] for row in sql.rows(f"select t.id from crm_ticket t where {condition}", params)}
    by_queryset = set(Ticket.objects.filter(seen.q()).values_list("id", flat=True))

    assert by_predicate == by_sql == by_queryset


def test_the_reaches_differ_on_these_tickets(tickets):
    """The test above would prove nothing if all answers were empty."""
    counts = [
        sum(
            Visibility(reach, False, 7, frozenset({1})).allows(t.owner_id, t.assigned_team_ids)
            for t in tickets
        )
        for reach in (Reach.NONE, Reach.OWN, Reach.TEAM, Reach.ALL)
    ]

    assert counts == [0, 8, 16, 24]
