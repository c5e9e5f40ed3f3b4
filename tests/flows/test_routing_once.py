"""Routing belongs to a ticket's beginning."""

from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.routing import availability, rules
from deskhand.routing.models import Decision
from deskhand.routing.types import Option, Status


def test_a_later_reply_does_not_route_again_R_ROUTE_16(world, settle):
    ada = Actor.user(world.ada.pk)
    rules.set_rule(
        world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], by=ada
    )

    def arrive(name: str, *answers: str) -> int:
        sender = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
        message = InboundMessage(name, sender, "Refund", "Where is it?", clock.now(), answers=answers)
        received = threads.receive(Incoming(world.channel.pk, message))
        run_hooks()
        settle()
        return int(received.ticket_id)

    ticket_id = arrive("m1@x")
    availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=ada)
    assert arrive("m2@x", "m1@x") == ticket_id

    assert Ticket.objects.get(pk=ticket_id).owner_id is None
    assert Decision.objects.filter(ticket_id=ticket_id).count() == 1
    assert Ticket.objects.get(pk=arrive("m3@x")).owner_id == world.grace.pk
