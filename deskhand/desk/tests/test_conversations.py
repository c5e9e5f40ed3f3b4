"""A conversation that is made a ticket while somebody writes in it."""

import threading
import time

import pytest
from django.db import connection

from deskhand.desk import conversations, threads
from deskhand.desk.models import Message
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_arrives_while_a_conversation_becomes_a_ticket_is_in_the_ticket():
    world = make_world()
    scope = world.account.pk

    def receive(number, *answers):
        message = InboundMessage(
            f"{number}@x", Mailbox("astrid@fjallbo.example"), "Refund", "Hi", clock.now(), answers=answers
        )
        with account_scope(scope):
            return threads.receive(Incoming(world.channel.pk, message))

    def receive_elsewhere():
        try:
            receive("b", "a@x")
        finally:
            connection.close()

    with account_scope(scope):
        world.channel.creates_tickets = False
        world.channel.save(update_fields=["creates_tickets"])
    thread_id = receive("a").thread_id

    other = threading.Thread(target=receive_elsewhere)
    with account_scope(scope):
        ticket_id = conversations.make_ticket(thread_id, by=SYSTEM)
        other.start()
        wait_until_somebody_waits()
    other.join()

    with account_scope(scope):
        assert list(Message.objects.order_by("id").values_list("ticket_id", flat=True)) == [ticket_id] * 2


def wait_until_somebody_waits():
    for _look in range(1000):
        if sql.rows(
            "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"
        ):
            return
        time.sleep(0.01)
    raise AssertionError("Nobody waits.")
    raise AssertionError("nobody waits for the thread")
