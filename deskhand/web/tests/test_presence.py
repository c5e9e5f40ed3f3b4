"""Who else is in a ticket (R-WORK-2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import Membership
from deskhand.crm.records import tickets
from deskhand.desk import presence
from deskhand.desk.models import Presence
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock


def say(client, ticket, state):
    return client.post(f"/tickets/{ticket.pk}/presence", {"state": state})


def room(client, ticket):
    return client.get(f"/tickets/{ticket.pk}/room", headers={"HX-Request": "true"}).content.decode()


@pytest.fixture
def told(monkeypatch):
    names = []
    monkeypatch.setattr(presence.live, "signal", lambda _account, signals: names.extend(signals))
    return names


def test_colleagues_see_who_looks_and_who_writes(office, sign_in, told):
    ticket, grace, bob = office.mail(), sign_in(office.world.grace), sign_in(office.world.bob)

    for state in ("viewing", "viewing", "replying", "replying"):
        assert say(grace, ticket, state).status_code == 204

    assert "Grace Hopper is writing a reply" in room(bob, ticket)
    assert "Grace Hopper" not in room(grace, ticket)
    assert "Grace Hopper is writing a reply" in bob.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert told == [f"presence-{ticket.pk}"] * 2
    with office.inside():
        assert Presence.objects.count() == 1


def test_who_leaves_is_gone_at_once_and_who_falls_silent_soon(office, sign_in, told, monkeypatch):
    ticket, grace, bob = office.mail(), sign_in(office.world.grace), sign_in(office.world.bob)
    say(grace, ticket, "viewing")
    say(grace, ticket, "gone")
    say(grace, ticket, "gone")
    assert "Grace" not in room(bob, ticket)
    assert len(told) == 2

    say(grace, ticket, "viewing")
    later = clock.now() + presence.FRESH + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert "Grace" not in room(bob, ticket)
    say(grace, ticket, "viewing")
    assert "Grace" in room(bob, ticket)


def test_what_is_old_is_swept(office, sign_in, told, monkeypatch):
    first, second = office.mail("First"), office.mail("Second")
    say(sign_in(office.world.grace), first, "viewing")
    later = clock.now() + presence.KEPT + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    say(sign_in(office.world.bob), second, "viewing")

    with office.inside():
        assert [one.ticket_id for one in Presence.objects.all()] == [second.pk]


def test_without_a_seat_one_sees_nobody_and_in_a_hidden_ticket_nothing(office, sign_in, told):
    ticket, world = office.mail(), office.world
    say(sign_in(world.grace), ticket, "viewing")
    assert "Grace" not in room(sign_in(world.nils), ticket)

    office.role(world.bob, records={"ticket": {"view": "own"}}, capabilities=["service_access"])
    with office.inside():
        tickets.assign(ticket.pk, owner_id=world.eve.pk, by=SYSTEM)

    assert say(sign_in(world.bob), ticket, "viewing").status_code == 404
    with office.inside():
        assert Membership.objects.get(user=world.bob).has_seat
        assert Presence.objects.count() == 1


@pytest.mark.parametrize("state", ["", "dancing", "x" * 9000])
def test_a_strange_state_is_refused(office, sign_in, state):
    assert say(sign_in(office.world.grace), office.mail(), state).status_code == 400


def test_several_who_write_are_counted(office, sign_in, told):
    ticket = office.mail()
    say(sign_in(office.world.grace), ticket, "replying")
    say(sign_in(office.world.bob), ticket, "commenting")

    assert "2 colleagues are writing" in room(sign_in(office.world.ada), ticket)
