"""Settings › Users › Capacity: limits of people, and what counts how much (§16)."""

from __future__ import annotations

import re

import pytest

from deskhand.accounts.models import Account, Membership, Plan
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.routing import capacity, loads
from deskhand.routing.capacity import Hold, Settings
from deskhand.routing.types import Measure
from deskhand.testing.jobs import run_jobs
from deskhand.testing.world import make_user
from deskhand.web.tests.conftest import queries_of, text_of

PAGE, EFFORT = "/settings/capacity", "/settings/capacity/effort"
ADDERS = {"capabilities": ["add_edit_users", "service_access"]}


@pytest.fixture
def client(office, sign_in):
    with office.inside() as world:
        Membership.objects.filter(user=world.ada).update(is_super_admin=True)
    return sign_in(office.world.ada)


@pytest.fixture
def adder(office, sign_in):
    """May add and edit users, and is no super admin."""
    everything = {"ticket": dict.fromkeys(("view", "edit", "delete", "communicate"), "all")}
    office.role(office.world.grace, records=everything, **ADDERS)
    return sign_in(office.world.grace)


def limits(office, user):
    with office.inside() as world:
        found = capacity.limits_of(world.account.pk, [user.pk]).get(user.pk)
    return (
        (found.measure, found.total, found.call, found.message, found.email_other, found.share)
        if found
        else None
    )


def set_limits(office, *users, **more):
    with office.inside() as world:
        capacity.set_limits(world.account.pk, [one.pk for one in users], by=SYSTEM, **more)


def counted(office):
    """As the hooks of the running product do."""
    with office.inside() as world:
        loads.recount(world.account.pk, clock.now())


def page_of(client, address):
    return text_of(client.get(address).content.decode())


def test_several_get_their_limits_at_once_and_lose_them_again(office, client):
    """R-CAP-5, R-CAP-11."""
    ada, bob = office.world.ada, office.world.bob
    both = [ada.pk, bob.pk]

    client.post(f"{PAGE}/save", {"ids": both, "measure": "TOTAL", "total": "7", "call": "3", "share": "50"})
    assert limits(office, ada) == limits(office, bob) == ("TOTAL", 7, None, None, None, 50)
    client.post(
        f"{PAGE}/save", {"ids": [bob.pk], "measure": "BY_TYPE", "total": "7", "call": "3", "message": "0"}
    )
    assert limits(office, bob) == ("BY_TYPE", None, 3, 0, None, 50)
    client.post(f"{PAGE}/save", {"ids": both, "remove": "on", "total": "9"})

    assert limits(office, ada) == limits(office, bob) == ("TOTAL", None, None, None, None, 50)


def test_the_table_tells_what_each_holds(office, client):
    """R-CAP-10: over the limit too, and who is full is said to be."""
    world = office.world
    tickets = [office.mail(f"Question {n}") for n in range(3)]
    for ticket in tickets:
        client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": f"user:{world.bob.pk}"})
    set_limits(office, world.bob, total=2)
    counted(office)

    page = client.get(PAGE).content.decode()

    assert re.search(r'max="2" value="3"', page)
    assert "3/2 , full" in text_of(page)
    assert "no limit" in text_of(page)
    picker = page_of(client, f"/inbox/all-open/{tickets[0].pk}")
    assert "3/2" in picker


def test_where_tickets_are_weighed_what_each_holds_is_told_in_points(office, client, wired):
    """R-CAP-10"""
    bob, ticket = office.world.bob, office.mail()
    client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": f"user:{bob.pk}"})
    client.post(f"{EFFORT}/save", {"weighs": "on", "type-EMAIL_OTHER": "6"})
    counted(office)
    assert "6 points no limit" in page_of(client, PAGE)

    set_limits(office, bob, total=9)
    assert "6/9 points" in page_of(client, PAGE)
    assert "6/9 points" in page_of(client, f"/settings/availability/people/{bob.pk}")
    assert "6/9 points" in page_of(client, f"/inbox/all-open/{ticket.pk}")
    assert f"{bob.name} (6/9 points)" in page_of(client, "/tickets/new")


def test_ones_limits_are_filled_in_to_be_changed(office, client):
    set_limits(office, office.world.bob, measure=Measure.BY_TYPE, by_type={"CALL": 4}, share=30)

    page = client.get(f"{PAGE}?who={office.world.bob.pk}").content.decode()

    assert re.search(rf'name="ids" value="{office.world.bob.pk}" checked', page)
    assert re.search(r'name="call" type="text" value="4"', page)
    assert re.search(r'value="BY_TYPE" checked', page)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ids": []}, "Tick whose limits these are first."),
        ({"total": "-1"}, "Give a whole number from 0 up, or leave it empty."),
        ({"total": "many"}, "Give a whole number from 0 up, or leave it empty."),
        ({"total": "999999"}, "Give a whole number from 0 to 100000."),
        ({"share": "0"}, "A share is 1 to 100 percent."),
        ({"ids": ["999999999"]}, "Tick whose limits these are first."),
    ],
)
def test_what_is_refused_is_told_where_it_was_typed(office, client, given, said):
    refused = client.post(
        f"{PAGE}/save", {"ids": [office.world.bob.pk], "measure": "TOTAL", "total": "3"} | given
    )

    assert refused.status_code == 422
    assert said in text_of(refused.content.decode())
    assert limits(office, office.world.bob) is None


def test_who_may_add_and_edit_users_sets_limits_and_nobody_else(office, adder, sign_in):
    """R-CAP-2; what counts how much is for who sets up routing."""
    bob = office.world.bob
    assert adder.post(f"{PAGE}/save", {"ids": [bob.pk], "total": "3"}).status_code == 302
    assert limits(office, bob) == ("TOTAL", 3, None, None, None, 100)
    assert adder.get(EFFORT).status_code == 403

    other = sign_in(bob)

    assert other.get(PAGE).status_code == other.post(f"{PAGE}/save", {"ids": [bob.pk]}).status_code == 403


def test_only_people_with_a_seat_have_limits(office, client):
    """R-CAP-1."""
    with office.inside() as world:
        guest = make_user(world.account, "guest")
        Membership.objects.filter(user=guest).update(has_seat=False)

    refused = client.post(f"{PAGE}/save", {"ids": [guest.pk], "total": "3"})

    assert refused.status_code == 422
    assert limits(office, guest) is None


def test_a_plan_without_capacity_has_none_of_it(office, client):
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.FREE)

    assert client.get(PAGE).status_code == client.get(EFFORT).status_code == 404


def test_people_see_their_own_count_and_limit(office, sign_in):
    """R-CAP-10: in the menu of every page, and where they see to their availability."""
    set_limits(office, office.world.grace, total=5)
    own = sign_in(office.world.grace)

    assert "0 of at most 5" in page_of(own, "/inbox/all-open")
    assert "0/5" in page_of(own, "/settings/availability")


def test_the_table_takes_as_many_queries_for_many_as_for_few(office, client):
    few = queries_of(client, PAGE)
    with office.inside() as world:
        for number in range(20):
            set_one = make_user(world.account, f"person{number}")
            capacity.set_limits(world.account.pk, [set_one.pk], by=SYSTEM, total=number)

    assert queries_of(client, PAGE) == few


# ── what counts how much ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_counts_is_saved_and_an_example_computes_it(office, client):
    """R-CAP-9."""
    with office.inside() as world:
        channel = world.channel.pk
    page = client.get(EFFORT).content.decode()
    stage = re.search(r'name="stages" value="(\d+)"', page).group(1)

    client.post(f"{EFFORT}/save", {
        "stages": [stage, "999999", "x"], "excluded_after_days": "30", "excludes_from_load": "on", "weighs": "on",
        "type-CALL": "4", f"channel-{channel}": "3", "channel-999": "9", "priority-URGENT": "2", "priority-LOW": "-1",
        "ramp_days": "14", "ramp_from": "40",
    })  # fmt: skip

    with office.inside() as world:
        saved = capacity.settings_of(world.account.pk)
    assert saved == Settings(
        (int(stage),), 30, True, True, {"CALL": 4}, {channel: 3}, {"URGENT": 2, "LOW": -1}, 14, 40
    )
    assert "is worth 3 + 2 = 5" in page_of(client, EFFORT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("excluded_after_days", "0"), ("excluded_after_days", "soon"), ("type-CALL", "-1"), ("priority-LOW", "-1001"),
        ("ramp_days", "366"), ("ramp_from", "0"), ("ramp_from", "1" * 60),
    ],
)  # fmt: skip
def test_a_number_that_can_not_be_is_told_beside_its_field(office, client, name, text):
    refused = client.post(f"{EFFORT}/save", {"weighs": "on", name: text})

    assert refused.status_code == 422
    assert f'id="{name}-error"' in refused.content.decode()
    with office.inside() as world:
        assert capacity.settings_of(world.account.pk) == Settings()


def test_a_job_does_not_undo_what_was_set_since_it_was_asked_for(office, client, monkeypatch, wired):
    """R-CAP-9: as by a configuration document, which sets at once."""
    monkeypatch.setattr(capacity, "AT_ONCE", 0)
    ticket = office.mail()
    client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": f"user:{office.world.bob.pk}"})
    client.post(f"{EFFORT}/save", {"weighs": "on", "type-EMAIL_OTHER": "6"})
    newer = Settings(weighs=True, types={"EMAIL_OTHER": 2})
    with office.inside() as world:
        capacity.set_settings(world.account.pk, newer, by=SYSTEM)

    run_jobs()

    with office.inside() as world:
        assert capacity.settings_of(world.account.pk) == newer


def test_where_many_tickets_count_a_job_counts_them_and_the_page_says_so(office, client, monkeypatch, wired):
    """R-CAP-9: settings and counters change together; until then what was there holds, and is still routed by."""
    monkeypatch.setattr(capacity, "AT_ONCE", 0)
    bob, ticket = office.world.bob, office.mail()
    client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": f"user:{bob.pk}"})
    counted(office)

    client.post(f"{EFFORT}/save", {"weighs": "on", "type-EMAIL_OTHER": "6"})
    client.post(f"{EFFORT}/save", {"weighs": "on", "type-EMAIL_OTHER": "7", "ramp_days": "3"})

    wished = Settings(weighs=True, types={"EMAIL_OTHER": 7}, ramp_days=3)
    with office.inside() as world:
        assert (capacity.settings_of(world.account.pk), capacity.asked_for(world.account.pk)) == (
            Settings(),
            wished,
        )
        assert capacity.holds_of(world.account.pk, [bob.pk], ticket.created_at)[bob.pk][""] == Hold(1, None)
    page = client.get(EFFORT).content.decode()
    assert "Until that is done, routing goes by the former ones." in page
    assert 'value="7"' in page
    assert client.post(f"{EFFORT}/save", {"ramp_from": "0"}).status_code == 422

    run_jobs()

    with office.inside() as world:
        assert (capacity.settings_of(world.account.pk), capacity.asked_for(world.account.pk)) == (
            wished,
            None,
        )
        assert capacity.holds_of(world.account.pk, [bob.pk], ticket.created_at)[bob.pk][""] == Hold(7, None)
        assert loads.recount(world.account.pk, clock.now()) == {}
    assert "the former ones" not in client.get(EFFORT).content.decode()


def test_holding_is_as_the_settings_say_at_once(office, client):
    """R-CAP-9: in points as soon as tickets are weighed."""
    bob = office.world.bob
    ticket = office.mail()
    client.post(f"/inbox/all-open/{ticket.pk}/owner", {"owner": f"user:{bob.pk}"})
    set_limits(office, bob, total=9)

    client.post(f"{EFFORT}/save", {"weighs": "on", "type-EMAIL_OTHER": "6"})

    with office.inside() as world:
        found = capacity.holds_of(world.account.pk, [bob.pk], ticket.created_at)
    assert found[bob.pk][""] == Hold(6, 9)
