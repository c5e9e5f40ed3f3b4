"""The simulator's page: what may be asked of it, and how it tells what came of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from deskhand.kernel import clock
from deskhand.kernel.jobs import Job
from deskhand.routing import simulations
from deskhand.routing.models import RoutingRule, Simulation
from deskhand.routing.outcomes import Figures, Outcome
from deskhand.routing.wishes import Wish
from deskhand.web.routing import simulator, simulator_form, simulator_words
from deskhand.web.tests.conftest import queries_of, selected, text_of

PAGE = "/settings/routing/simulator"
NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
ASKED = {"days": "made-7", "a_day": "40", "percent": "100", "target": "60"}


@pytest.fixture(autouse=True)
def monday_noon(noon):
    with clock.stopped(noon):
        yield


@pytest.fixture
def ruled(office, noon):
    people = [office.world.ada.pk, office.world.bob.pk]
    with office.inside():
        return RoutingRule.objects.create(
            account_id=office.world.account.pk,
            channel_account_id=1,
            option="USERS_AND_TEAMS",
            user_ids=people,
            updated_at=noon,
        )


def test_what_is_asked_is_worked_out_and_told(office, ruled, ada):
    """Form, job and page: the headline, today beside then, and each person's part."""
    answer = ada.post(f"{PAGE}/begin", {**ASKED, "people": str(office.world.ada.pk), "off": "0"})
    assert answer.status_code == 302
    assert "It begins in a moment." in text_of(ada.get(PAGE).content.decode())

    with office.inside():
        made = Simulation.objects.get()
    simulations.run(Job(1, office.world.account.pk, {"simulation": made.pk}, threading.Event()))

    told = text_of(ada.get(PAGE).content.decode())
    assert "off on Mondays" in told
    assert "Had an owner at once" in told
    assert "Tickets of each person" in told
    with office.inside():
        assert Simulation.objects.get().result is not None


def test_bad_input_is_refused_by_its_field_and_kept(office, ruled, ada):
    """Never a 500: what was typed stands there again."""
    answer = ada.post(f"{PAGE}/begin", {**ASKED, "limit": "many", "begins": "nine"})
    assert answer.status_code == 422
    assert 'id="limit-error"' in answer.content.decode()
    assert 'value="many"' in answer.content.decode()
    assert ada.post(f"{PAGE}/begin", {**ASKED, "days": "made-x"}).status_code == 422
    assert ada.post(f"{PAGE}/begin", ASKED).status_code == 422  # nothing is different
    assert ada.get(f"{PAGE}?simulation=999").status_code == 404
    with office.inside():
        assert Simulation.objects.count() == 0


def test_what_is_shown_can_be_tried_with_something_else(office, ruled, ada):
    """Nothing has to be chosen again: the form stands as it was."""
    ada.post(f"{PAGE}/begin", {**ASKED, "people": str(office.world.bob.pk), "off": "0", "limit": "3"})

    page = ada.get(PAGE).content.decode()

    assert f'value="{office.world.bob.pk}" checked' in page
    assert f'value="{office.world.ada.pk}" checked' not in page
    assert {("0", "on Mondays"), ("made-7", "The next 7 days, made up")} <= set(selected(ada.get(PAGE)))
    assert 'id="limit" name="limit" inputmode="numeric" autocomplete="off" maxlength="6" value="3"' in page


@pytest.mark.parametrize(
    "typed",
    [
        "days=past-30&percent=100&target=60&people=1&people=2&off=all&share=50",
        "days=made-14&percent=250&target=5&a_day=40&limit=0&strategy=RANDOM&only_available=no&wait_list=yes&more=2",
        "days=past-7&percent=100&target=60&begins=08:30&ends=17:00&opens=00:05&closes=24:00",
    ],
)
def test_the_form_of_a_wish_makes_it_again(typed, noon):
    people = {1: "Ada", 2: "Bob"}
    wish = simulator_form.wish_of(QueryDict(typed), people, "Europe/Copenhagen", noon)
    again = simulator_form.typed_again(wish)
    assert simulator_form.wish_of(again, people, "Europe/Copenhagen", noon) == wish


def test_the_end_of_a_day_is_a_time_that_a_field_takes(noon):
    """An <input type=time> knows no 24:00: it would stand empty, and the form that was right be refused."""
    typed = "days=past-7&percent=100&target=60&begins=00:00&ends=24:00&opens=08:30&closes=00:00"
    wish = simulator_form.wish_of(QueryDict(typed), {}, "Europe/Copenhagen", noon)
    again = simulator_form.typed_again(wish)

    assert (wish.begins, wish.ends, wish.opens, wish.closes) == (0, 1440, 510, 1440)
    assert [again[name] for name in simulator_form.TIMES] == ["00:00", "00:00", "08:30", "00:00"]


def test_what_differs_by_less_than_is_shown_is_neither_better_nor_worse():
    first, second = (Outcome(Figures(9, 9), {}, (0,) * 24, (), fair) for fair in (0.981, 0.984))
    assert {(row.difference, row.tone) for row in simulator._rows(Wish(NOW, NOW), first, second)} == {
        ("–", "")
    }


def test_the_difference_is_that_of_the_numbers_beside_it():
    first, second = (Outcome(Figures(9, 9), {}, (0,) * 24, (), fair) for fair in (0.984, 0.986))
    row = simulator._rows(Wish(NOW, NOW), first, second)[-1]
    assert ("98 today, 99 then" in row.help, row.difference) == (True, "+1")


def test_one_can_be_stopped(office, ruled, ada):
    """And says so."""
    ada.post(f"{PAGE}/begin", {**ASKED, "limit": "3"})
    ada.post(f"{PAGE}/stop")
    assert "It was stopped." in text_of(ada.get(PAGE).content.decode())


def test_the_page_takes_as_many_queries_for_thirty_simulations_as_for_one(office, ruled, ada, noon):
    """Query counts don't grow with rows."""

    def kept(count):
        wish = Wish(noon, noon + timedelta(days=7), people=(office.world.ada.pk,), off="0")
        with office.inside():
            for _ in range(count):
                Simulation.objects.create(
                    account_id=office.world.account.pk,
                    made_by_id=1,
                    made_at=noon,
                    wish=wish.as_json(),
                    ended_at=noon,
                )

    kept(1)
    few = queries_of(ada, PAGE)
    kept(29)
    assert queries_of(ada, PAGE) == few


def test_what_is_asked_for_while_it_goes_on_reads_one_result_and_shows_one_part(office, ruled, ada, noon):
    """The page asks every two seconds: results are large, and those of the others are not read for it."""
    wish = Wish(noon, noon + timedelta(days=7), people=(office.world.ada.pk,), off="0")
    own = {"account_id": office.world.account.pk, "made_by_id": 1, "made_at": noon, "wish": wish.as_json()}
    with office.inside():
        Simulation.objects.bulk_create(Simulation(**own, ended_at=noon, result={}) for _ in range(5))
        Simulation.objects.create(**own, total=10, done=4)

    with CaptureQueriesContext(connection) as seen:
        part = ada.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    with CaptureQueriesContext(connection) as whole:
        ada.get(PAGE)

    assert "4 of 10 tickets" in text_of(part)
    assert 'hx-trigger="every 2s"' in part
    assert "Try something out" not in part
    for found in (seen, whole):
        reading = [one["sql"] for one in found if '"routing_simulation"."result"' in one["sql"]]
        assert len(reading) == 1
        assert "LIMIT 21" in reading[0]  # of one, by its id


@pytest.mark.parametrize(
    ("today", "then", "words"),
    [
        (Figures(9, 9), Figures(9, 5, 4, longest=11_400), "4 more tickets have to wait for an owner. The longest wait is 3 hours 10 minutes, today 0 minutes."),
        (Figures(9, 8, 1, longest=60), Figures(9, 9), "1 fewer ticket has to wait for an owner. The longest wait is 0 minutes, today 1 minute."),
        (Figures(9, 9), Figures(9, 9), "As many tickets have to wait for an owner as today."),
        (Figures(), Figures(), "No ticket came in that time, so there is nothing to tell."),
    ],
)  # fmt: skip
def test_the_headline_says_what_matters_most(today, then, words):
    """“With Ana off on Monday 14 more tickets wait, the longest 3 h 10 min.”"""
    first, second = (Outcome(one, {}, (0,) * 24, (), 1.0) for one in (today, then))
    assert simulator_words.headline(first, second).strip() == words
