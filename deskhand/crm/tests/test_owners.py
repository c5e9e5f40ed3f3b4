"""Owners and the teams that come with them (R-ROUTE-49 … R-ROUTE-51)."""

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.types import SYSTEM


def test_a_ticket_born_with_an_owner_has_their_main_team_R_ROUTE_50(world):
    """Eve is an extra member only, so no team comes with her."""
    made = tickets.create_many(
        [NewTicket(str(n), owner_id=owner) for n, owner in enumerate((world.ada.pk, world.eve.pk, None))],
        by=SYSTEM,
    )

    teams = dict(Ticket.objects.values_list("pk", "assigned_team_ids"))
    assert [teams[one.id] for one in made] == [[world.team.pk], [], []]
