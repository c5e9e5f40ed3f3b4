"""Tickets that nobody could take, when somebody comes (R-ROUTE-53)."""

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.routing import availability, rules
from deskhand.routing.models import WaitingTicket
from deskhand.routing.types import Option, Status


def test_who_becomes_available_gets_what_waits_but_not_what_was_taken_by_hand(world, settle):
    account_id, grace = world.account.pk, world.grace.pk
    rules.set_rule(
        account_id,
        world.channel.pk,
        Option.USERS_AND_TEAMS,
        user_ids=[grace],
        wait_list=True,
        by=Actor.user(world.ada.pk),
    )
    waits, taken = tickets.create_many(
        [NewTicket("A", channel_account_id=world.channel.pk), NewTicket("B", channel_account_id=world.channel.pk)],
        by=SYSTEM,
    )  # fmt: skip
    run_hooks()
    settle()
    assert WaitingTicket.objects.count() == 2

    tickets.assign(taken.id, owner_id=world.bob.pk, by=Actor.user(world.ada.pk))
    run_hooks()
    tickets.assign(taken.id, owner_id=None, by=Actor.user(world.ada.pk))
    run_hooks()
    availability.set_by_hand(account_id, grace, Status.AVAILABLE, by=Actor.user(grace))
    run_hooks()
    settle()
    run_hooks()

    assert dict(Ticket.objects.values_list("pk", "owner_id")) == {waits.id: grace, taken.id: None}
    assert not WaitingTicket.objects.exists()
