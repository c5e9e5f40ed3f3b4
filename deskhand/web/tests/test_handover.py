"""Handing over a shift: whose tickets become whose, what the comment says, and the way back."""

from __future__ import annotations

import re
from copy import copy
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.accounts.models import Team
from deskhand.crm.records import tasks, tickets
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.records.tasks import Wanted
from deskhand.desk import snoozing
from deskhand.desk.models import Message, MessageKind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.routing import availability
from deskhand.routing.types import Status
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

PAGE, SAVE, UNDO = "/hand-over", "/hand-over/save", "/hand-over/undo"


@pytest.fixture(autouse=True)
def monday_noon(noon):
    with clock.stopped(noon + timedelta(hours=3)):
        yield


@pytest.fixture
def grace(office, sign_in):
    return sign_in(office.world.grace)


@pytest.fixture
def theirs(office):
    """Mails of customers that are somebody's."""

    def make(owner, count, **more):
        made = []
        for _number in range(count):
            office.at += timedelta(minutes=1)
            ticket = office.mail(f"Question {office.at:%H%M}", **more)
            with office.inside():
                tickets.assign(ticket.pk, owner_id=owner.pk, by=SYSTEM)
            made.append(ticket.pk)
        return made

    return make


def owners(office, ids):
    with office.inside():
        return list(Ticket.objects.filter(pk__in=ids).order_by("id").values_list("owner_id", flat=True))


def comments(office, ids):
    with office.inside():
        found = Message.objects.filter(ticket_id__in=ids, kind=MessageKind.COMMENT).order_by(
            "ticket_id", "id"
        )
        return [(one.ticket_id, one.actor_id, one.text) for one in found]


def test_an_agent_hands_over_all_open_tickets_with_a_comment_each(office, grace, theirs):
    """R-ROUTE-54: one comment and one entry of history each; closed ones stay."""
    world = office.world
    mine = theirs(world.grace, 3)
    others = theirs(world.bob, 1)
    with office.inside():
        tickets.move(mine[2], to=world.stage("Closed"), by=SYSTEM)
    page = texts(grace.get(PAGE, {"of": world.grace.pk}))
    assert "2 open tickets" in page
    assert "Bob Noyce 0 open" in page  # the loads are counted after the commit
    assert "Grace Hopper 0 open" not in page

    answer = grace.post(
        SAVE, {"of": world.grace.pk, "ids": mine, "to": world.bob.pk, "note": "Back on Monday."}
    )

    assert answer.headers["Location"] == "/settings/availability"
    assert owners(office, mine) == [world.bob.pk, world.bob.pk, world.grace.pk]
    assert owners(office, others) == [world.bob.pk]
    said = comments(office, mine)
    assert [(ticket_id, by) for ticket_id, by, _text in said] == [(pk, world.grace.pk) for pk in mine[:2]]
    with office.inside():
        told = PropertyChange.objects.filter(
            record_id=mine[0], property="hubspot_owner_id", actor_id=world.grace.pk
        )
        assert told.count() == 1
    shown = texts(grace.get("/settings/availability"))
    assert "2 tickets handed over: Bob Noyce" in shown
    read = texts(grace.get(f"/inbox/all-open/{mine[0]}"))
    assert "Grace Hopper Internal comment" in read
    assert re.search(r"1 ticket was not changed\. #\d+ Question \d+: It is closed\.", shown)


def test_the_comment_sums_up_where_the_ticket_stands(office, grace, theirs):
    """R-ROUTE-54: who, why, status, who waits since when, the customer's last words, open tasks and sleep."""
    world = office.world
    [ticket] = theirs(world.bob, 1, text="\n\n  Where is my money?  \nI wait and wait.")
    with office.inside():
        due = office.at + timedelta(days=2)
        bob = Actor.user(world.bob.pk)
        for wanted in (Wanted("Call the bank", assignee_id=world.bob.pk, due_at=due), Wanted("Write back")):
            tasks.create("ticket", ticket, wanted, by=bob)
        snoozing.snooze(ticket, user_id=None, until=clock.now() + timedelta(days=1), by=SYSTEM)

    grace.post(SAVE, {"ids": ticket, "to": world.ada.pk, "note": "Bob is ill.\r\nPlease look first."})

    [(_pk, _by, text)] = comments(office, [ticket])
    assert text.split("\n") == [
        "Grace Hopper hands this over from Bob Noyce to Ada Lovelace.",
        "Bob is ill.",
        "Please look first.",
        "Status: New",
        "The customer has waited for us since 16 Nov 2026, 12:01 UTC.",
        "Last from the customer, 16 Nov 2026, 12:01 UTC: “Where is my money?”",
        "Open tasks: Call the bank (due 18 Nov 2026, 12:01 UTC); Write back",
        "Snoozed until 17 Nov 2026, 15:00 UTC",
    ]


def test_several_colleagues_get_them_in_turn_and_nobody_their_own(office, grace, theirs):
    world = office.world
    mine = theirs(world.grace, 3)
    bobs = theirs(world.bob, 1)

    grace.post(SAVE, {"ids": [*mine, *bobs], "to": [world.ada.pk, world.bob.pk]})

    assert owners(office, [*mine, *bobs]) == [world.ada.pk, world.bob.pk, world.ada.pk, world.ada.pk]
    assert "4 tickets handed over: Ada Lovelace (3), Bob Noyce (1)" in texts(grace.get("/inbox/all-open"))


def test_a_teams_queue_gets_them_without_an_owner(office, grace, theirs):
    world = office.world
    mine = theirs(world.grace, 2)
    with office.inside():
        night = Team.objects.create(account=world.account, name="Night")

    grace.post(SAVE, {"ids": mine, "team": night.pk, "view": "my-open"})

    assert owners(office, mine) == [None, None]
    with office.inside():
        assert {tuple(one.assigned_team_ids) for one in Ticket.objects.filter(pk__in=mine)} == {(night.pk,)}
    assert comments(office, mine[:1])[0][2].startswith(
        "Grace Hopper hands this over to Night.\nStatus: New\n"
    )


def test_one_click_gives_them_back_and_the_comments_stay(office, grace, theirs):
    world = office.world
    mine = theirs(world.grace, 2)
    grace.post(SAVE, {"of": world.grace.pk, "ids": mine, "to": world.bob.pk})
    assert f'action="{UNDO}"' in grace.get("/settings/availability").content.decode()
    with office.inside(), clock.stopped(clock.now() + timedelta(seconds=5)):
        tickets.assign(mine[1], owner_id=world.ada.pk, by=SYSTEM)  # what has changed since stays

    answer = grace.post(UNDO, follow=True)

    assert "Taken back" in texts(answer)
    assert owners(office, mine) == [world.grace.pk, world.ada.pk]
    assert len(comments(office, mine)) == 2
    assert "could not be taken back" in texts(grace.post(UNDO, follow=True))


@pytest.mark.parametrize("several", [True, False])
def test_a_second_click_hands_nothing_on(office, grace, theirs, several):
    """R-ROUTE-54: each has one comment, and the way back is that of the first."""
    world = office.world
    mine = theirs(world.grace, 4)
    to = [world.ada.pk, world.bob.pk] if several else [world.bob.pk]
    grace.post("/inbox/all-open/bulk", {"ids": mine, "handover": "1"})
    form = form_of(grace.get(f"{PAGE}?view=all-open")) | {"to": to}
    start = clock.now()
    with clock.stopped(start + timedelta(seconds=1)):
        grace.post(SAVE, form)
    given = owners(office, mine)
    assert world.grace.pk not in given

    with clock.stopped(start + timedelta(seconds=2)):
        grace.post(SAVE, form)

    assert owners(office, mine) == given
    assert len(comments(office, mine)) == 4
    said = texts(grace.get("/inbox/all-open"))
    assert "It has been given to somebody meanwhile." in said
    with clock.stopped(start + timedelta(seconds=3)):
        assert "Taken back" in texts(grace.post(UNDO, follow=True))
    assert owners(office, mine) == [world.grace.pk] * 4


def test_a_second_click_on_the_whole_shift_leads_back_to_the_first(office, grace, theirs):
    """R-ROUTE-54: nothing is theirs any more by then, and nobody is told to select a ticket."""
    world = office.world
    mine = theirs(world.grace, 3)
    form = form_of(grace.get(f"{PAGE}?of={world.grace.pk}")) | {"to": [world.bob.pk]}
    start = clock.now()
    for seconds in (1, 2):
        with clock.stopped(start + timedelta(seconds=seconds)):
            assert grace.post(SAVE, form).status_code == 302

    assert owners(office, mine) == [world.bob.pk] * 3
    assert len(comments(office, mine)) == 3
    with clock.stopped(start + timedelta(seconds=3)):
        assert "Taken back" in texts(grace.post(UNDO, follow=True))
    assert owners(office, mine) == [world.grace.pk] * 3


def test_what_was_shown_at_no_moment_is_handed_over(office, grace, theirs):
    mine = theirs(office.world.grace, 2)
    for ticket, shown in zip(mine, ("x", "2026-11-16T12:00:00"), strict=True):
        grace.post(SAVE, {"ids": ticket, "to": office.world.bob.pk, "shown": shown})
    assert owners(office, mine) == [office.world.bob.pk] * 2


def test_a_manager_hands_over_for_who_is_gone_and_others_may_not(office, sign_in, theirs):
    """R-PERM-10, R-PERM-1"""
    world = office.world
    everything = {"ticket": dict.fromkeys(("view", "edit", "delete", "communicate"), "all")}
    office.role(world.grace, records=everything, capabilities=["availability_management", "service_access"])
    own = {"ticket": {"view": "all", "edit": "own", "delete": "own", "communicate": "own"}}
    office.role(world.eve, records=own, capabilities=["service_access"])
    bobs = theirs(world.bob, 2)
    manager, eve = sign_in(world.grace), sign_in(world.eve)

    assert eve.get(PAGE, {"of": world.bob.pk}).status_code == 403
    assert eve.post(SAVE, {"of": world.bob.pk, "ids": bobs, "to": world.eve.pk}).status_code == 403
    eve.post(SAVE, {"ids": bobs, "to": world.ada.pk})  # she sees them, and may not change them
    assert owners(office, bobs) == [world.bob.pk] * 2
    assert comments(office, bobs) == []
    assert "You may not change this ticket." in texts(eve.get("/inbox/all-open"))

    assert "Hand over 2 open tickets" in texts(
        manager.get(reverse("availability-person", args=[world.bob.pk]))
    )
    assert "Hand over the tickets of Bob Noyce" in texts(manager.get(PAGE, {"of": world.bob.pk}))
    manager.post(SAVE, {"of": world.bob.pk, "ids": bobs, "to": world.ada.pk})
    assert owners(office, bobs) == [world.ada.pk] * 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Choose who gets the tickets."),
        ({"to": "99999999"}, "This person may not see tickets."),
        ({"to": "x"}, "is not a number"),
        ({"team": "99999999"}, "There is no such team."),
        ({"team": "x"}, "There is no such team."),
        ({"to": "bob", "team": "1"}, "Choose colleagues or a team, not both."),
        ({"to": "bob", "ids": []}, "Select a ticket first."),
        ({"to": "bob", "note": "x" * 2001}, "The note is too long."),
    ],
)
def test_what_can_not_be_done_is_told_on_the_page_and_nothing_is_done(office, grace, theirs, given, said):
    mine = theirs(office.world.grace, 2)
    names = {"bob": office.world.bob.pk}
    form = {"all": ",".join(map(str, mine)), "ids": mine, "note": "Kept"} | given
    form |= {"to": names.get(form["to"], form["to"])} if "to" in form else {}

    answer = grace.post(SAVE, form)

    assert answer.status_code == 422
    assert said in texts(answer)
    assert "2 open tickets" in texts(answer)
    assert owners(office, mine) == [office.world.grace.pk] * 2
    assert comments(office, mine) == []


def test_who_goes_away_is_offered_it(office, grace, theirs):
    """R-ROUTE-54"""
    world = office.world
    assert "Hand over" not in texts(grace.get("/settings/availability"))
    theirs(world.grace, 1)
    with office.inside():
        availability.set_by_hand(world.account.pk, world.grace.pk, Status.AWAY, by=Actor.user(world.grace.pk))

    page = texts(grace.get("/settings/availability"))

    assert "Your open tickets stay yours while you are away. Hand over 1 open ticket" in page


def test_ticked_tickets_lead_to_it(office, grace, theirs):
    mine = theirs(office.world.grace, 2)

    answer = grace.post("/inbox/all-open/bulk", {"ids": mine, "handover": "1"})

    assert answer.headers["Location"] == "/hand-over?view=all-open"
    for _again in range(2):  # loaded again, or gone back to
        page = grace.get(answer.headers["Location"])
        assert "2 open tickets" in texts(page)
        assert 'href="/inbox/all-open"' in page.content.decode()
    theirs(office.world.grace, 1)
    assert "2 open tickets" in texts(grace.get(answer.headers["Location"]))
    grace.post(SAVE, {"ids": mine[:1], "to": office.world.bob.pk})
    assert "There is no open ticket here" in texts(grace.get(answer.headers["Location"]))


def many(office, theirs, count):
    """As many of Grace's."""
    [ticket] = theirs(office.world.grace, 1)
    with office.inside():
        one = Ticket.objects.get(pk=ticket)
        first = one.number
        copies = []
        for number in range(first + 1, first + count):
            one.pk, one.number = None, number
            copies.append(copy(one))
        return [ticket, *(made.pk for made in Ticket.objects.bulk_create(copies))]


def test_thousands_are_handed_over_at_once(office, grace, theirs, sign_in):
    """R-ROUTE-54: neither the address nor the form has a part for each of them, with scripts and without."""
    ids = many(office, theirs, 3000)
    for more in ({}, {"headers": {"HX-Request": "true"}}):
        answer = grace.post("/inbox/all-open/bulk", {"ids": ",".join(map(str, ids)), "handover": "1"}, **more)
        address = answer.headers.get("HX-Redirect") or answer.headers["Location"]
        assert len(address) < 100
    refused = grace.post(SAVE, form_of(grace.get(address)) | {"note": "Kept"})
    assert refused.status_code == 422
    assert "3000 open tickets" in texts(refused)
    form = form_of(refused)
    assert form["note"] == "Kept"
    assert sum(len(one) if isinstance(one, list) else 1 for one in form.values()) < 300

    grace.post(SAVE, form | {"to": office.world.bob.pk})

    assert "3000 tickets handed over: Bob Noyce" in texts(grace.get("/inbox/all-open"))
    assert set(owners(office, ids)) == {office.world.bob.pk}
    assert len(comments(office, ids)) == 3000
    bob = sign_in(office.world.bob)
    form = form_of(bob.get(PAGE, {"of": office.world.bob.pk}))
    form["ids"] = form["ids"][:-1]  # the box of those that are not shown
    bob.post(SAVE, form | {"to": office.world.ada.pk})
    assert owners(office, ids).count(office.world.ada.pk) == 200


def test_who_has_more_than_go_at_once_is_told(office, grace, theirs, monkeypatch):
    """R-ROUTE-54"""
    monkeypatch.setattr("deskhand.desk.handover.MOST", 3)
    of = {"of": office.world.grace.pk}
    theirs(office.world.grace, 3)
    assert "at most" not in texts(grace.get(PAGE, of))
    theirs(office.world.grace, 1)

    page = texts(grace.get(PAGE, of))

    assert "3 open tickets These are the 3 that can be handed over at once. More are open." in page
    assert "Hand over 3 open tickets" in texts(grace.get("/settings/availability"))


@pytest.mark.parametrize("unticked", ["one", "rest"])
def test_who_writes_meanwhile_ticks_nothing_that_was_unticked(office, grace, theirs, unticked):
    """R-ROUTE-54: after a refusal, too, those that share a box are all ticked or none is."""
    ids = many(office, theirs, 203)
    of = {"of": office.world.grace.pk}
    form = form_of(grace.get(PAGE, of))
    *shown, rest = form["ids"]
    wrote = rest.split(",")[0]
    kept = [shown.pop()] if unticked == "one" else rest.split(",")
    with office.inside():
        Ticket.objects.filter(pk=wrote).update(sort_at=clock.now())

    refused = grace.post(SAVE, form | {"ids": [*shown, rest] if unticked == "one" else shown})
    assert refused.status_code == 422
    grace.post(SAVE, form_of(refused) | {"to": office.world.bob.pk})

    with office.inside():
        stayed = Ticket.objects.filter(pk__in=ids, owner_id=office.world.grace.pk).values_list(
            "pk", flat=True
        )
        assert sorted(stayed) == sorted(map(int, kept))


def form_of(page):
    """What a browser would send of the page's form."""
    form = re.search(r'(?s)<form class="handover".*?</form>', page.content.decode())[0]
    note = re.search(r"(?s)<textarea[^>]*>(.*?)</textarea>", form)[1]
    fields = {"note": note, "ids": re.findall(r'name="ids" value="([^"]+)" checked', form)}
    return fields | dict(re.findall(r'type="hidden" name="(of|view|all|shown)" value="([^"]*)"', form))


def test_many_cost_as_many_statements_as_few(office, grace, theirs):
    def statements(count):
        mine = theirs(office.world.grace, count)
        with CaptureQueriesContext(connection) as seen:
            grace.post(SAVE, {"ids": mine, "to": office.world.bob.pk})
        assert owners(office, mine) == [office.world.bob.pk] * count
        return len(seen)

    statements(1)
    assert statements(12) == statements(3)
    theirs(office.world.grace, 2)
    few = queries_of(grace, f"{PAGE}?of={office.world.grace.pk}")
    theirs(office.world.grace, 6)
    assert queries_of(grace, f"{PAGE}?of={office.world.grace.pk}") == few
