"""Snoozing and following on the screens, and the whole history of a ticket."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from deskhand.crm.records import tickets
from deskhand.desk import inboxes, snoozing, threads
from deskhand.desk.models import Follower, Snooze
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor, ActorKind, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.timers import DueTimer
from deskhand.routing import availability, rules
from deskhand.routing.matrix import CALLING
from deskhand.routing.types import Option, Status
from deskhand.testing.telephone import Telephone
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ticket(office):
    return office.mail()


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def snooze(client, ticket, until="tomorrow", **more):
    headers = more.pop("headers", {})
    return client.post(f"/inbox/all-open/{ticket.pk}/snooze", {"until": until} | more, headers=headers)


def is_in(client, view, ticket):
    return ticket.subject in texts(client.get(f"/inbox/{view}"))


_LOG = """
select kind, object_type, object_id, version, actor_kind, actor_id, occurred_at, data, id from events_event
where account_id = %s and id > %s order by id
"""


def events_since(office, event_id=0) -> list[Event]:
    with office.inside() as world:
        return [
            Event(kind, of, pk, version, Actor(ActorKind(by), by_id), at, sql.loads(data), id=found)
            for kind, of, pk, version, by, by_id, at, data, found in sql.rows(
                _LOG, [world.account.pk, event_id]
            )
        ]


def test_a_snoozed_ticket_leaves_ones_own_work_and_nobody_elses_R_WORK_9(office, ticket, client, sign_in):
    bob = sign_in(office.world.bob)
    assert is_in(client, "unassigned", ticket)

    snooze(client, ticket)

    assert not is_in(client, "unassigned", ticket)
    assert is_in(client, "snoozed", ticket)
    assert is_in(client, "all-open", ticket)
    assert is_in(bob, "unassigned", ticket)
    assert not is_in(bob, "snoozed", ticket)
    assert "You snoozed this ticket until" in texts(client.get(f"/inbox/all-open/{ticket.pk}"))
    assert "Snoozed" in texts(client.get("/inbox/all-open")).split("Views")[-1]


def test_it_can_be_snoozed_for_everybody_by_who_may_edit_it(office, ticket, client, sign_in):
    snooze(client, ticket, "reply", everybody="1")

    bob = sign_in(office.world.bob)
    assert not is_in(bob, "unassigned", ticket)
    page = texts(bob.get(f"/inbox/all-open/{ticket.pk}"))
    assert "Grace Hopper snoozed this ticket for everybody until the customer replies." in page
    reach = {"view": "all", "edit": "none", "delete": "none", "communicate": "none"}
    office.role(office.world.eve, records={"ticket": reach}, capabilities=["service_access"])
    eve = sign_in(office.world.eve)
    assert snooze(eve, ticket, everybody="1").status_code == 403
    assert snooze(eve, ticket).status_code == 302


def test_it_wakes_by_its_timer(office, ticket, client):
    snooze(client, ticket)
    with office.inside() as world:
        until = Snooze.objects.get().until
        timer = DueTimer(1, world.account.pk, snoozing.KIND, f"{ticket.pk}:{world.grace.pk}", until, {})
        snoozing.on_due(world.account.pk, [timer])  # told too early
        assert Snooze.objects.exists()
        with clock.stopped(until):
            snoozing.on_due(world.account.pk, [timer])
            snoozing.on_due(world.account.pk, [timer])

    assert is_in(client, "unassigned", ticket)
    assert [event.kind for event in events_since(office)].count("ticket.woken") == 1


@pytest.mark.parametrize(
    ("automatic", "wakes"), [(Automatic.NO, True), (Automatic.ANSWER, False)], ids=["words", "machine"]
)
def test_it_wakes_when_the_customer_writes_and_not_for_a_machine(office, ticket, client, automatic, wakes):
    """R-WORK-9, R-STAT-18"""
    snooze(client, ticket)
    last = events_since(office)[-1].id
    astrid = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
    answer = InboundMessage("2@x", astrid, "Re", "Hello?", office.at, answers=(f"{ticket.subject}@fjallbo.example",), automatic=automatic)  # fmt: skip
    with office.inside() as world:
        threads.receive(Incoming(world.channel.pk, answer), at=office.at)
    told = events_since(office, last)
    with office.inside() as world:
        snoozing.hear(world.account.pk, told)

    assert is_in(client, "snoozed", ticket) is not wakes


def test_one_looks_at_it_again_at_will(office, ticket, client):
    snooze(client, ticket)

    client.post(f"/inbox/all-open/{ticket.pk}/wake")

    assert is_in(client, "unassigned", ticket)
    with office.inside():
        assert not Snooze.objects.exists()


@pytest.mark.parametrize(
    "form", [{"until": "never"}, {"until": "at"}, {"until": "at", "until_at": "soon"}, {"until": "at", "until_at": "2020-01-01T08:00"}, {}]
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_moment_that_can_not_be_is_refused(office, ticket, client, form, headers):
    response = client.post(f"/inbox/all-open/{ticket.pk}/snooze", form, headers=headers)

    assert response.status_code == (422 if headers else 400)
    with office.inside():
        assert not Snooze.objects.exists()


def test_the_moment_is_in_ones_own_zone(office, ticket, client):
    office.world.grace.zone = "Europe/Oslo"
    office.world.grace.save()

    snooze(client, ticket, "at", until_at="2026-11-20T08:00")

    with office.inside():
        assert Snooze.objects.get().until == datetime.fromisoformat("2026-11-20T07:00:00+00:00")


def test_without_a_seat_nobody_loses_sight_of_a_ticket_R_VIEW_4(office, ticket, sign_in):
    client = sign_in(office.world.nils)

    assert snooze(client, ticket).status_code == 403
    assert "Snooze until" not in texts(client.get(f"/inbox/all-open/{ticket.pk}"))


def test_a_list_with_snoozed_tickets_costs_no_query_more(office, client):
    for number in range(2):
        snooze(client, office.mail(f"Question {number}"))
    before = queries_of(client, "/inbox/all-open")
    for number in range(2, 6):
        snooze(client, office.mail(f"Question {number}"))
    assert queries_of(client, "/inbox/all-open") == before


# ── following ────────────────────────────────────────────────────────────────────────────────────────────────────────


def follow(client, ticket, follows, **more):
    return client.post(f"/inbox/all-open/{ticket.pk}/follow", {"follows": follows} | more)


def test_following_is_kept_both_ways_R_WORK_10(office, ticket, client):
    follow(client, ticket, "1")
    assert is_in(client, "following", ticket)
    assert "Unfollow" in texts(client.get(f"/inbox/all-open/{ticket.pk}"))

    follow(client, ticket, "0")
    assert not is_in(client, "following", ticket)
    with office.inside():
        assert Follower.objects.get().follows is False


def test_who_may_edit_lets_others_follow(office, ticket, client, sign_in):
    bob = office.world.bob
    follow(client, ticket, "1", user=bob.pk)
    assert is_in(sign_in(bob), "following", ticket)
    assert "Remove Bob Noyce" in client.get(f"/inbox/all-open/{ticket.pk}").content.decode()

    reach = {"view": "all", "edit": "none", "delete": "none", "communicate": "none"}
    office.role(office.world.eve, records={"ticket": reach}, capabilities=["service_access"])
    eve = sign_in(office.world.eve)
    assert follow(eve, ticket, "0", user=bob.pk).status_code == 403
    assert follow(eve, ticket, "1").status_code == 302
    assert follow(client, ticket, "1", user="999999").status_code == 400
    assert follow(client, ticket, "1", user="x").status_code == 400


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_history_tells_each_change_with_its_cause_and_what_was_before(
    office, ticket, client, sign_in
):
    """R-DM-13"""
    sign_in(office.world.bob).post(f"/inbox/all-open/{ticket.pk}/priority", {"priority": "LOW"})
    sign_in(office.world.bob).post(f"/inbox/all-open/{ticket.pk}/priority", {"priority": "HIGH"})

    page = texts(client.get(f"/inbox/all-open/{ticket.pk}/history"))

    assert "Priority: High, before Low Bob Noyce" in page
    assert "Back to the details" in page
    assert "Nothing has changed yet." in texts(
        client.get(f"/inbox/all-open/{office.mail('Another').pk}/history")
    )


def test_the_history_names_routing_and_who_answered_in_words(office, sign_in, client, wired):
    """R-DM-13, R-ROUTE-52, R-ROUTE-95: no word of the code stands beside a change."""
    with office.inside() as world:
        people = [world.grace.pk]
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=people, wait_list=True, by=SYSTEM
        )  # fmt: skip
        availability.set_by_hand(world.account.pk, world.grace.pk, Status.AWAY, by=SYSTEM)
    ticket = office.mail()
    with office.inside() as world:
        line = inboxes.add_channel_account(
            world.channel.inbox, channel=CALLING, name="Line", address="+4520000003"
        )
        phone = Telephone(line, picks_up=world.bob.pk)
        phone.rule(option=Option.USERS_AND_TEAMS, user_ids=[world.bob.pk])
        availability.set_by_hand(world.account.pk, world.bob.pk, Status.AVAILABLE, by=SYSTEM)
        call = phone.call()

    waits, called = (
        texts(client.get(f"/inbox/all-open/{one.pk}/history")).partition("History")[2]
        for one in (ticket, call)
    )

    assert "In wait-list: Yes the wait-list" in waits
    assert "Owner: Bob Noyce Bob Noyce" in called
    assert not re.search(r"[a-z]_[a-z]", waits + called)


def test_the_history_is_read_a_page_at_a_time(office, ticket, client):
    with office.inside():
        for number in range(105):
            tickets.update(ticket.pk, {"content": f"Text {number}"}, by=SYSTEM)

    first = client.get(f"/inbox/all-open/{ticket.pk}/history")
    assert texts(first).count("Description:") == 100
    older = re.search(r'href="(/inbox/all-open/\d+/history/\d+)"', first.content.decode())[1]
    second = client.get(older)
    assert texts(second).count("Description:") == 5
    assert "Show older changes" not in texts(second)
    office.at += timedelta(minutes=1)
