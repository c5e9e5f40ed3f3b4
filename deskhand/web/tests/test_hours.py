"""Availability: one's own and the colleagues' status, working hours, absences, ways of being away (R-AVAIL-*)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, Plan, Team, TeamMember, User
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing import availability, away_states, default_hours, queries
from deskhand.routing.models import OutOfOffice, WorkingHours
from deskhand.routing.types import Source, Status
from deskhand.testing.world import make_user
from deskhand.web import times
from deskhand.web.tests.conftest import queries_of, text_of
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}
MINE = "/settings/availability"
TEAM = "/settings/availability/team"
WEEK = {
    "zone": "Europe/Oslo",
    "start0": ["09:00", "13:00"],
    "end0": ["12:00", "17:00"],
    "start4": "08:00",
    "end4": "00:00",
}


@pytest.fixture(autouse=True)
def monday_noon(noon):
    with clock.stopped(noon):
        yield


@pytest.fixture
def grace(office, sign_in):
    User.objects.filter(pk=office.world.grace.pk).update(zone="Europe/Oslo")
    return sign_in(office.world.grace)


@pytest.fixture
def manager(office, sign_in):
    """May change others' status, and is no super admin (R-PERM-10)."""
    User.objects.filter(pk=office.world.grace.pk).update(zone="Europe/Oslo")
    everything = {"ticket": dict.fromkeys(("view", "edit", "delete", "communicate"), "all")}
    office.role(
        office.world.grace, records=everything, capabilities=["availability_management", "service_access"]
    )
    return sign_in(office.world.grace)


def of(name, user, *more):
    return reverse(name, args=[user.pk, *more])


def standing(office, user):
    with office.inside() as world:
        return queries.standings(world.account.pk, [user.pk], clock.now())[user.pk]


# ── one's own ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_people_set_their_status_with_a_way_and_a_note(office, grace):
    """R-AVAIL-6, R-AVAIL-17"""
    with office.inside() as world:
        lunch = away_states.define(world.account.pk, "Lunch", by=SYSTEM)
    me = office.world.grace

    grace.post(of("availability-status", me), {"availability": f"away:{lunch.pk}", "note": " back at one\n"})

    found = standing(office, me)
    assert (found.status, found.way, found.note) == (Status.AWAY, "Lunch", "back at one")
    page = texts(grace.get(MINE))
    assert "Lunch Until it is changed by hand. back at one" in page
    grace.post(of("availability-status", me), {"availability": "available", "note": "ignored"})
    assert standing(office, me).status is Status.AVAILABLE


@pytest.mark.parametrize("given", ["", "asleep", "away:x", "away:999999", "available:1", "away:" + "9" * 30])
def test_a_status_that_there_is_not_is_refused(office, grace, given):
    answer = grace.post(of("availability-status", office.world.grace), {"availability": given})

    assert answer.status_code == 400
    assert standing(office, office.world.grace).source == "NONE"


def test_the_page_says_until_when(office, grace):
    """T-AV-1: noon in UTC is 13:00 in Oslo."""
    with office.inside() as world:
        week = WeeklyHours("Europe/Oslo", tuple(Block(day, 540, 1020) for day in range(5)))
        availability.set_hours(world.account.pk, world.grace.pk, week, by=SYSTEM)

    assert "Now: available until 17:00." in texts(grace.get(MINE))


def test_a_week_is_saved_with_several_ranges_and_midnight(office, grace):
    """R-AVAIL-3"""
    grace.post(of("availability-hours", office.world.grace), WEEK)

    with office.inside():
        kept = WorkingHours.objects.get()
    assert (kept.zone, kept.blocks) == ("Europe/Oslo", [[0, 540, 720], [0, 780, 1020], [4, 480, 1440]])
    page = grace.get(MINE).content.decode()
    assert 'name="start0" value="13:00"' in page
    assert 'name="end4" value="00:00"' in page


def test_hours_are_taken_away_again(office, grace):
    """R-AVAIL-14: the status stays as if set by hand."""
    me = office.world.grace
    grace.post(of("availability-hours", me), WEEK)
    before = standing(office, me).status

    grace.post(of("availability-hours", me), {**WEEK, "clear": "1"})

    with office.inside():
        assert not WorkingHours.objects.exists()
    assert (standing(office, me).status, standing(office, me).source) == (before, "MANUAL")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"start1": "12:00", "end1": "09:00"}, "Hours must end after they begin."),
        ({"start1": "12:00", "end1": ""}, "Give both times"),
        ({"start1": "25:00", "end1": "26:00"}, "Give both times"),
        ({"start1": "24:30", "end1": "09:00"}, "Give both times"),
        ({"start1": "x" * 500, "end1": "09:00"}, "Give both times"),
        ({"start1": ["09:00", "11:00"], "end1": ["12:00", "13:00"]}, "These hours overlap."),
        ({"zone": "Mars/Olympus"}, "is not a time zone."),
        ({"zone": "../../etc/passwd"}, "is not a time zone."),
        ({"zone": ""}, "is not a time zone."),
    ],
)
def test_wrong_hours_are_refused_beside_their_day_and_kept_in_the_form(office, grace, more, words):
    answer = grace.post(of("availability-hours", office.world.grace), WEEK | more)

    assert answer.status_code == 422
    assert words in texts(answer)
    assert 'value="13:00"' in answer.content.decode()
    with office.inside():
        assert not WorkingHours.objects.exists()


@pytest.mark.parametrize(
    ("button", "is_there"),
    [
        ({"add": "2"}, 'name="start2" value=""'),
        ({"remove": "0:0"}, 'name="start0" value="13:00"'),
        ({"fill": "1"}, 'name="start3" value="09:00"'),
        ({"add": "99"}, 'name="start0" value="09:00"'),
        ({"remove": "x"}, 'name="start0" value="09:00"'),
    ],
)
def test_the_buttons_of_the_week_change_the_form_alone(office, grace, button, is_there):
    answer = grace.post(of("availability-hours", office.world.grace), WEEK | button)

    assert answer.status_code == 200
    assert is_there in answer.content.decode()
    with office.inside():
        assert not WorkingHours.objects.exists()


def test_an_absence_is_entered_in_ones_own_zone_and_ended(office, grace):
    """R-AVAIL-7"""
    me = office.world.grace
    today = clock.now().date().isoformat()
    grace.post(of("availability-absence", me), {"starts_at": f"{today}T08:00", "ends_at": f"{today}T20:00"})

    with office.inside():
        absence = OutOfOffice.objects.get()
    assert absence.starts_at.isoformat() == f"{today}T07:00:00+00:00"
    page = texts(grace.get(MINE))
    assert "Now: away until 20:00. Out of office" in page
    assert "Running" in page
    grace.post(of("availability-absence-end", me, absence.pk))
    assert standing(office, me).status is Status.AVAILABLE


@pytest.mark.parametrize(
    "typed",
    [
        {"starts_at": "", "ends_at": ""},
        {"starts_at": "soon", "ends_at": "later"},
        {"starts_at": "2030-01-02T10:00", "ends_at": "2030-01-01T10:00"},
        {"starts_at": "2001-01-02T10:00", "ends_at": "2001-01-03T10:00"},
        {"starts_at": "0001-01-01T00:00", "ends_at": "9999-12-31T23:59+14:00"},
        {"starts_at": "9999-12-31T23:59-14:00", "ends_at": "9999-12-31T23:59-14:00"},
    ],
)
def test_absences_that_can_not_be_are_refused_in_words_or_taken(office, grace, typed):
    answer = grace.post(of("availability-absence", office.world.grace), typed)

    assert answer.status_code in (302, 422)
    if answer.status_code == 422:
        assert 'id="absence-error"' in answer.content.decode()


def test_a_plan_without_absences_says_so(office, grace):
    """R-AVAIL-15"""
    Account.objects.update(plan=Plan.FREE)

    assert "The account's plan has no absences." in texts(grace.get(MINE))
    assert grace.post(
        of("availability-absence", office.world.grace), {"starts_at": "2030-01-01T10:00", "ends_at": "2030-01-02T10:00"}
    ).status_code == 403  # fmt: skip


def test_who_has_no_seat_has_no_status(office, sign_in):
    nils = sign_in(office.world.nils)

    assert "Only people with a seat have a status." in texts(nils.get(MINE))
    assert (
        nils.post(of("availability-status", office.world.nils), {"availability": "away"}).status_code == 403
    )


def test_the_history_names_who_and_why_and_goes_on_page_by_page(office, grace, sign_in):
    """R-AVAIL-18"""
    with office.inside() as world:
        for n in range(60):
            status = Status.AVAILABLE if n % 2 else Status.AWAY
            availability.set_by_hand(
                world.account.pk, world.grace.pk, status, by=Actor.user(world.ada.pk),
                now=clock.now() + timedelta(seconds=n),
            )  # fmt: skip

    first = grace.get(MINE)
    assert "Set by Ada Lovelace" in texts(first)
    seen, url = 0, MINE
    while url:
        content = grace.get(url).content.decode()
        seen += content.count("Set by Ada Lovelace")
        more = re.search(r'href="([^"]*before=\d+)#history"', content)
        url = more[1] if more else ""
    assert seen == 59  # away was the first status already
    for odd in ("x", "0", "99999999", "9" * 40):
        assert grace.get(f"{MINE}?before={odd}").status_code == 200


# ── others ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_manager_sees_who_is_there_with_load_and_reason(office, manager):
    """R-AVAIL-13, R-PERM-10"""
    with office.inside() as world:
        availability.set_by_hand(
            world.account.pk, world.bob.pk, Status.AWAY, by=SYSTEM, note="at the dentist"
        )
        availability.set_by_hand(world.account.pk, world.ada.pk, Status.AVAILABLE, by=SYSTEM)

    page = texts(manager.get(TEAM))

    assert "1 of 4 is available now." in page
    assert "Ada Lovelace 0 open tickets Available Until it is changed by hand." in page
    assert "Bob Noyce 0 open tickets Away Until it is changed by hand. at the dentist" in page
    assert "Nils Bohr" not in page
    assert page.index("Ada Lovelace 0") < page.index("Bob Noyce 0")


@pytest.fixture
def day(office):
    """Monday noon: Ada until one, Bob from two, Eve works until five and is out from noon to three; Grace by hand."""

    def hours(*ranges):
        return WeeklyHours("Europe/Oslo", tuple(Block(0, *(60 * hour for hour in one)) for one in ranges))

    with office.inside() as world:
        account = world.account.pk
        availability.set_hours(account, world.ada.pk, hours((9, 12), (13, 14)), by=SYSTEM)
        availability.set_hours(account, world.bob.pk, hours((15, 18)), by=SYSTEM)
        availability.set_hours(account, world.eve.pk, hours((9, 17)), by=SYSTEM)
        availability.set_out_of_office(
            account, world.eve.pk, clock.now(), clock.now() + timedelta(hours=3), by=SYSTEM
        )


def test_the_board_tells_until_when_who_comes_next_and_when_nobody_is_there(office, manager, day):
    """R-AVAIL-13: in the viewer's zone, where noon in UTC is 13:00; who is on stands first, then as they come."""
    page = texts(manager.get(TEAM))

    assert "1 of 4 is available now. Next to come: Bob Noyce, 15:00." in page
    assert "Not covered by working hours today: 00:00–09:00, 14:00–15:00, 18:00–00:00." in page
    assert "Ada Lovelace 0 open tickets Available until 14:00 Within working hours" in page
    assert "Eve Curie 0 open tickets Away back 16:00 Out of office" in page
    names = ["Ada Lovelace 0", "Bob Noyce 0", "Eve Curie 0", "Grace Hopper 0"]
    assert sorted(names, key=page.index) == names
    lines = re.findall(
        r'class="hours-line" role="img" aria-label="([^"]*)"', manager.get(TEAM).content.decode()
    )
    assert lines == [
        "09:00–12:00, 13:00–14:00",
        "15:00–18:00",
        "09:00–17:00 · out of office 13:00–16:00",
        "No working hours",
    ]


def test_the_users_record_tells_status_and_todays_hours(office, day, sign_in):
    """R-AVAIL-13: on the record among the users, and on their own page."""
    client = sign_in(office.world.ada)
    User.objects.filter(pk=office.world.ada.pk).update(zone="Europe/Oslo")

    eve, nils = (
        texts(client.get(reverse("user", args=[one.pk]))) for one in (office.world.eve, office.world.nils)
    )
    assert "Away Now: away until 16:00. Out of office Today 09:00–17:00 · out of office 13:00–16:00" in eve
    assert "Status, hours and absences" in eve
    assert "Today" not in nils  # without a seat there is no status
    assert "Today 09:00–12:00, 13:00–14:00" in texts(client.get(MINE))


def test_bars_stand_where_their_hours_are(office, manager, day):
    """R-AVAIL-13: nine is 37.5 % of a day of 24 hours; the present is at 13:00."""
    page = manager.get(TEAM).content.decode()

    assert "--from:37.5%;--to:50.0%;--level:100%" in page
    assert 'data-away style="--from:54.17%;--to:66.67%' in page
    assert 'style="--now:54.17%"' in page


def test_the_board_is_filtered_by_team_and_state(office, manager, day):
    with office.inside() as world:
        team = Team.objects.create(account=world.account, name="Night")
        TeamMember.objects.create(account=world.account, team=team, user=world.eve, is_main=False)

    def shown(**asked):
        page = texts(manager.get(TEAM, asked))
        return [name for name in ("Ada", "Bob", "Eve", "Grace") if re.search(rf"{name} \w+ 0 open", page)]

    assert shown(state="available") == ["Ada"]
    assert shown(state="away") == ["Bob", "Eve", "Grace"]
    assert shown(team=team.pk) == ["Eve"]
    assert shown(team=team.pk, state="available") == []
    for odd in ({"team": "x"}, {"team": "9" * 40}, {"state": "asleep"}):
        assert shown(**odd) == ["Ada", "Bob", "Eve", "Grace"]


def test_a_click_on_the_board_answers_with_the_board_as_it_was_filtered(office, manager):
    """R-AVAIL-11"""
    url = of("availability-status", office.world.bob)
    answer = manager.post(
        f"{url}?state=available", {"availability": "available", "from": "team"}, headers=HTMX
    )

    page = answer.content.decode()
    assert "1 of 4 is available now." in texts(answer)
    assert "Set Bob Noyce to away" in page
    assert "Set Eve" not in page
    assert 'hx-get="/settings/availability/team?state=available"' in page
    assert "users from:#live" in page


SAID = "Grace Hopper set you to away. Today 12:00"


@pytest.fixture
def sent_away(office, manager, sign_in):
    """Bob, on his own pages, was available, until his manager set him away."""
    his = sign_in(office.world.bob)
    his.post("/me/availability", {"availability": "available"})
    answer = manager.post(
        of("availability-status", office.world.bob), {"availability": "away", "from": "team"}
    )
    assert answer.headers["Location"] == TEAM
    return his


def alert_of(client, path=MINE):
    """The alert on a page: what it says, and its ways out with what they send."""
    page = client.get(path, follow=True).content.decode()
    alert = page[page.index('id="status-alert"') : page.index('id="announce"')]
    change = re.search(r'name="change" value="(\d+)"', alert)
    return text_of(f"<{alert}"), {"change": change[1]} if change else {}


def test_t_av_4_a_manager_sets_away_who_is_told_on_every_page_and_reverts(office, sent_away):
    """T-AV-4, R-AVAIL-11: who did it and when, until they act; one click is the way back."""
    for page in (MINE, "/inbox/all-open", "/tickets", "/notifications", "/settings/profile"):
        said, change = alert_of(sent_away, page)
        assert SAID in said
        assert "Back to available" in said

    answer = sent_away.post("/me/status/back", change, headers=HTMX)

    assert SAID not in text_of(answer.content.decode())
    assert alert_of(sent_away)[1] == {}
    found = standing(office, office.world.bob)
    assert (found.status, found.source) == (Status.AVAILABLE, Source.MANUAL)
    with office.inside() as world:
        last = queries.changes(world.account.pk, world.bob.pk, limit=1)[0]
    assert (last.actor_kind, last.actor_id) == ("user", office.world.bob.pk)


def test_who_keeps_what_a_manager_set_is_not_told_again_until_the_next_time(office, manager, sent_away):
    """R-AVAIL-11"""
    sent_away.post("/me/status/keep", alert_of(sent_away)[1])
    assert alert_of(sent_away)[1] == {}
    assert standing(office, office.world.bob).status is Status.AWAY

    manager.post(of("availability-status", office.world.bob), {"availability": "available"})
    assert "Grace Hopper set you to available." in alert_of(sent_away)[0]
    assert "Back to away" in alert_of(sent_away)[0]


def test_the_way_back_leads_to_the_break_it_was(office, manager, sign_in):
    """R-AVAIL-11, R-AVAIL-17"""
    with office.inside() as world:
        lunch = away_states.define(world.account.pk, "Lunch", by=SYSTEM)
    his, bob = sign_in(office.world.bob), office.world.bob
    his.post(of("availability-status", bob), {"availability": f"away:{lunch.pk}", "note": "soup"})
    manager.post(of("availability-status", bob), {"availability": "available"})

    his.post("/me/status/back", alert_of(his)[1])

    found = standing(office, bob)
    assert (found.status, found.way, found.note) == (Status.AWAY, "Lunch", "soup")


def test_a_way_back_that_is_out_of_date_changes_nothing(office, manager, sent_away):
    """R-AVAIL-11"""
    change = alert_of(sent_away)[1]
    for chosen in ("available", "away"):
        manager.post(of("availability-status", office.world.bob), {"availability": chosen})

    answer = sent_away.post("/me/status/back", change, follow=True)

    assert "Your status has changed since." in texts(answer)
    assert standing(office, office.world.bob).status is Status.AWAY
    assert sent_away.post("/me/status/back", {"change": "x"}).status_code == 400


def test_a_way_back_that_is_out_of_date_says_so_in_its_own_answer(office, manager, sent_away):
    """R-AVAIL-11: where a script posted it there is no next page to say it on."""
    change = alert_of(sent_away)[1]
    for chosen in ("available", "away"):
        manager.post(of("availability-status", office.world.bob), {"availability": chosen})

    answer = sent_away.post("/me/status/back", change, headers=HTMX)

    assert "Your status has changed since." in text_of(answer.content.decode())
    assert "Your status has changed since." not in text_of(sent_away.get(MINE).content.decode())


def test_an_absence_that_a_manager_enters_is_told_too(office, manager, sign_in):
    """R-AVAIL-9, R-AVAIL-11"""
    his, bob = sign_in(office.world.bob), office.world.bob
    his.post("/me/availability", {"availability": "available"})
    today = clock.now().date().isoformat()
    manager.post(
        of("availability-absence", bob), {"starts_at": f"{today}T08:00", "ends_at": f"{today}T20:00"}
    )
    said, change = alert_of(his)
    assert "Grace Hopper set you to away." in said

    his.post("/me/status/back", change)

    assert standing(office, bob).status is Status.AVAILABLE


def test_a_manager_enters_absences_but_only_super_admins_change_hours(office, manager, sign_in):
    """R-AVAIL-11, R-AVAIL-12"""
    bob = office.world.bob
    day = {"starts_at": "2030-01-01T10:00", "ends_at": "2030-01-02T10:00"}

    assert manager.post(of("availability-absence", bob), day).status_code == 302
    assert manager.post(of("availability-hours", bob), WEEK).status_code == 403
    page = manager.get(of("availability-person", bob)).content.decode()
    assert 'name="start0"' not in page
    assert "Only a super admin can change somebody else" in page
    assert sign_in(office.world.ada).post(of("availability-hours", bob), WEEK).status_code == 302


def test_an_agent_without_the_permission_sees_nobody_else(office, sign_in):
    """R-PERM-10"""
    client = sign_in(office.world.bob)

    assert client.get(TEAM).status_code == 403
    assert client.get(of("availability-person", office.world.grace)).status_code == 403
    assert (
        client.post(of("availability-status", office.world.grace), {"availability": "away"}).status_code
        == 403
    )
    assert TEAM not in client.get(MINE).content.decode()


def test_an_absence_is_ended_under_its_own_person_only(office, manager):
    with office.inside() as world:
        until = clock.now() + timedelta(days=1)
        absence = availability.set_out_of_office(
            world.account.pk, world.bob.pk, clock.now(), until, by=SYSTEM
        )

    assert manager.post(of("availability-absence-end", office.world.eve, absence)).status_code == 404


def test_the_overview_asks_as_much_for_many_as_for_few(office, sign_in):
    client = sign_in(office.world.ada)
    client.get(TEAM)
    few = queries_of(client, TEAM)
    with office.inside() as world:
        for n in range(8):
            user = make_user(world.account, f"Agent{n} More", team=world.team)
            availability.set_by_hand(world.account.pk, user.pk, Status.AWAY, by=SYSTEM, note="x")

    assert queries_of(client, TEAM) == few


# ── ways of being away ───────────────────────────────────────────────────────────────────────────────────────────────


def test_ways_of_being_away_are_added_renamed_and_archived(office, sign_in):
    """R-AVAIL-17"""
    ada = sign_in(office.world.ada)
    ada.post(reverse("away-state-add"), {"name": "Lunch"})
    with office.inside() as world:
        [way] = away_states.present(world.account.pk)

    ada.post(reverse("away-state-rename", args=[way.pk]), {"name": "Long lunch"})
    assert "Long lunch" in ada.get(MINE).content.decode()
    ada.post(reverse("away-state-archive", args=[way.pk]))
    assert "Long lunch" not in ada.get(MINE).content.decode()
    assert ada.post(reverse("away-state-archive", args=[way.pk])).status_code == 404


def test_a_way_without_a_name_or_of_a_name_taken_is_refused(office, sign_in):
    ada = sign_in(office.world.ada)
    ada.post(reverse("away-state-add"), {"name": "Lunch"})

    for name, words in (("Lunch", "of this name already"), (" ", "Give it a name.")):
        answer = ada.post(reverse("away-state-add"), {"name": name})
        assert answer.status_code == 422
        assert words in texts(answer)
    ada.post(reverse("away-state-add"), {"name": "Meeting"})
    with office.inside() as world:
        ways = {one.name: one.pk for one in away_states.present(world.account.pk)}
    ada.post(reverse("away-state-rename", args=[ways["Meeting"]]), {"name": "Lunch"})
    assert "of this name already" in texts(ada.get(TEAM))
    with office.inside() as world:
        assert [one.name for one in away_states.present(world.account.pk)] == ["Lunch", "Meeting"]


def test_only_who_sets_the_account_up_changes_the_ways(office, manager):
    assert "Ways of being away" not in texts(manager.get(TEAM))
    assert manager.post(reverse("away-state-add"), {"name": "Lunch"}).status_code == 403


# ── the account's hours ──────────────────────────────────────────────────────────────────────────────────────────────

SHARED = "/settings/hours"


@pytest.fixture
def shared(office):
    hours = WeeklyHours("Europe/Oslo", tuple(Block(day, 8 * 60, 16 * 60) for day in range(5)))
    with office.inside() as world:
        default_hours.change(world.account.pk, hours, by=SYSTEM)


def test_an_admin_sets_the_accounts_hours(office, sign_in):
    admin = sign_in(office.world.ada)
    assert 'name="fill"' in admin.get(SHARED).content.decode()

    assert admin.post(f"{SHARED}/save", WEEK).status_code == 302

    assert 'value="13:00"' in admin.get(SHARED).content.decode()
    with office.inside() as world:
        assert default_hours.of(world.account.pk).zone == "Europe/Oslo"
    assert "Ada Lovelace changed the account" in texts(admin.get("/settings/audit"))
    assert "09:00–12:00, 13:00–17:00" in texts(admin.get("/settings/audit"))


def test_hours_of_the_account_that_are_none_are_refused(office, sign_in):
    refused = sign_in(office.world.ada).post(f"{SHARED}/save", WEEK | {"end4": "07:00"})

    assert refused.status_code == 422
    assert "Hours must end after they begin." in texts(refused)


def test_the_accounts_public_holidays_are_those_of_a_region_R_DELAY_9(office, shared, sign_in):
    admin = sign_in(office.world.ada)
    page = admin.get(SHARED).content.decode()
    assert '<option value="DE">Germany</option>' in page
    assert 'id="region"' not in page

    drawn = admin.post(f"{SHARED}/holidays", {"country": "DE", "redraw": "country"}).content.decode()
    assert '<option value="BY">Bayern</option>' in drawn
    asked = {"country": "DE", "region": "BY", "redraw": "region"}
    chosen = admin.post(f"{SHARED}/holidays", asked).content.decode()
    assert '<option value="BY" selected>' in chosen
    days = [[times.day(day) for day in default_hours.days_off("DE", of, 2026)] for of in ("", "BY")]
    assert {day for day in days[1] if day in chosen} - {day for day in days[0] if day in drawn}
    with office.inside() as world:
        assert default_hours.observed(world.account.pk) == ("", "")

    assert admin.post(f"{SHARED}/holidays", {"country": "DE", "region": "BY"}).status_code == 302

    with office.inside() as world:
        assert default_hours.observed(world.account.pk) == ("DE", "BY")
        today = clock.now().date()
        days_off = {day.day for day in default_hours.with_holidays(world.account.pk, today).special_days}
    page = admin.get(SHARED).content.decode()
    assert '<option value="BY" selected>' in page
    assert times.day(min(day for day in days_off if day > today)) in page
    log = texts(admin.get("/settings/audit"))
    assert "Region of the public holidays – → Bayern" in log
    assert "Country of the public holidays No public holidays → Germany" in log


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"country": "XX"}, "The holidays of this country are not known."),
        ({"country": "DE", "region": "Y"}, "This country has no such region."),
    ],
)
def test_holidays_that_are_not_known_are_refused_by_their_field(office, shared, sign_in, typed, said):
    refused = sign_in(office.world.ada).post(f"{SHARED}/holidays", typed)

    assert refused.status_code == 422
    assert said in texts(refused)
    assert 'aria-invalid="true"' in refused.content.decode()


def test_without_working_hours_there_are_no_holidays(office, sign_in):
    admin = sign_in(office.world.ada)

    assert 'id="country"' not in admin.get(SHARED).content.decode()
    assert "Set working hours first." in texts(admin.post(f"{SHARED}/holidays", {"country": "DE"}))


def test_the_page_of_a_person_says_whose_hours_they_are(shared, grace):
    page = grace.get(MINE)
    assert "These are the account's working hours; you have set none of your own." in texts(page)
    assert 'value="08:00"' in page.content.decode()
    assert SHARED not in page.content.decode()

    grace.post(of("availability-hours", User.objects.get(name="Grace Hopper")), WEEK)

    assert "These count instead of the account's working hours." in texts(grace.get(MINE))
    grace.post(of("availability-hours-follow", User.objects.get(name="Grace Hopper")))
    assert "you have set none of your own" in texts(grace.get(MINE))


def test_who_may_not_set_others_hours_cannot_take_them_away(shared, office, manager):
    assert manager.post(of("availability-hours-follow", office.world.bob)).status_code == 403
    assert manager.get(SHARED).status_code == 403
