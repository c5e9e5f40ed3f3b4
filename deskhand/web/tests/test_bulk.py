"""Work on many tickets at once: what is changed, what is refused and why, and the way back (R-WORK-8)."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import views as desk_views
from deskhand.desk.models import Thread
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/inbox/all-open"}


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


@pytest.fixture
def some(office):
    """Tickets, the newest last."""

    def make(count: int) -> list[Ticket]:
        made = []
        for _number in range(count):
            office.at += timedelta(minutes=1)
            made.append(office.mail(f"Question {office.at:%H%M}"))
        return made

    return make


def bulk(client, chosen, view="all-open", headers=None, **form):
    ids = [one.pk for one in chosen]
    return client.post(f"/inbox/{view}/bulk", {"ids": ids} | form, headers=headers or {})


def all_of(office, field):
    with office.inside():
        return list(Ticket.objects.order_by("id").values_list(field, flat=True))


def way_back(response) -> tuple[str, dict[str, str]]:
    page = html.unescape(response.content.decode())
    form = page[page.index('class="toast"') :]
    fields = dict(re.findall(r'name="(at|ids|spam)" value="([^"]*)"', form))
    return re.search(r'action="([^"]*)"', form)[1], fields


def test_many_tickets_are_changed_without_scripts(office, client, some):
    chosen = some(3)
    with office.inside() as world:
        waiting, closed = world.stage("Waiting on us"), world.stage("Closed")

    response = bulk(client, chosen[:2], priority="HIGH")
    assert response.headers["Location"] == "/inbox/all-open"
    assert "2 tickets: High" in texts(client.get("/inbox/all-open"))
    assert all_of(office, "priority") == ["HIGH", "HIGH", None]

    bulk(client, chosen, status=waiting)
    assert all_of(office, "stage_id") == [waiting] * 3
    bulk(client, chosen, owner=f"user:{office.world.bob.pk}")
    assert all_of(office, "owner_id") == [office.world.bob.pk] * 3
    bulk(client, chosen, owner=f"team:{office.world.team.pk}")
    assert all_of(office, "assigned_team_ids") == [[office.world.team.pk]] * 3
    bulk(client, chosen[1:], close="1")
    assert all_of(office, "stage_id") == [waiting, closed, closed]


def test_one_toast_takes_all_of_them_back(office, client, some):
    chosen = some(3)
    before = all_of(office, "stage_id"), all_of(office, "closed_at")
    response = bulk(client, chosen, headers=HTMX, close="1")
    assert all(all_of(office, "is_closed"))
    assert texts(response).count("Undo") == 1

    path, fields = way_back(response)
    with clock.stopped(office.at + timedelta(seconds=3)):
        client.post(path, fields, headers=HTMX)

    assert (all_of(office, "stage_id"), all_of(office, "closed_at")) == before


def test_spam_goes_with_its_threads_and_comes_back_R_SPAM_1(office, client, some):
    chosen = some(3)

    response = bulk(client, chosen[:2], headers=HTMX, spam="1")
    assert all_of(office, "is_spam") == [True, True, False]
    with office.inside():
        assert Thread.objects.filter(is_spam=True).count() == 2

    path, fields = way_back(response)
    client.post(path, fields, headers=HTMX)

    assert not any(all_of(office, "is_spam"))
    with office.inside():
        assert not Thread.objects.filter(is_spam=True).exists()


def test_what_may_not_be_changed_is_told_one_by_one_and_the_rest_is_done_R_PERM_1(office, client, some):
    mine, hers = some(2)
    with office.inside() as world:
        tickets.assign(mine.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.assign(hers.pk, owner_id=world.bob.pk, by=SYSTEM)
    reach = {"view": "all", "edit": "own", "delete": "own", "communicate": "own"}
    office.role(office.world.grace, records={"ticket": reach}, capabilities=["service_access"])

    told = texts(bulk(client, [mine, hers], headers=HTMX, priority="LOW"))

    assert all_of(office, "priority") == ["LOW", None]
    assert "1 ticket was not changed." in told
    assert f"#{hers.number} {hers.subject}: You may not change this ticket." in told


def test_what_may_not_be_seen_is_neither_changed_nor_spoken_of_R_PERM_1(office, client, some):
    mine, hers = some(2)
    with office.inside() as world:
        tickets.assign(mine.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.assign(hers.pk, owner_id=world.bob.pk, by=SYSTEM)
    reach = dict.fromkeys(("view", "edit", "delete", "communicate"), "own")
    office.role(office.world.grace, records={"ticket": reach}, capabilities=["service_access"])

    for form in ({"priority": "LOW"}, {"spam": "1"}, {"seen": "1"}):
        assert hers.subject not in texts(bulk(client, [mine, hers], headers=HTMX, **form))
    assert all_of(office, "priority") == ["LOW", None]
    assert all_of(office, "is_spam") == [True, False]


def test_a_status_of_another_pipeline_is_refused_and_told(office, client, some):
    ours, other = some(2)
    with office.inside() as world:
        stages = [NewStage("Received", StageState.OPEN)]
        made = pipelines.create(world.account.pk, "ticket", "Returns", stages, by=SYSTEM)
        tickets.move(other.pk, to=made.stages.get().pk, by=SYSTEM)
        waiting = world.stage("Waiting on us")

    told = texts(bulk(client, [ours, other], headers=HTMX, status=waiting))
    assert "It is in another pipeline." in told
    assert "Its pipeline has no closed status." in texts(bulk(client, [other], headers=HTMX, close="1"))
    assert all_of(office, "stage_id")[0] == waiting


def test_all_of_a_view_is_what_its_filter_says_and_no_more_than_the_cap(office, client, some, monkeypatch):
    chosen = some(4)
    with office.inside() as world:
        tickets.assign(chosen[0].pk, owner_id=world.bob.pk, by=SYSTEM)
    monkeypatch.setattr(desk_views, "CAP", 2)

    bulk(client, [], view="unassigned", all="1", priority="URGENT")

    assert all_of(office, "priority") == [None, None, "URGENT", "URGENT"]


@pytest.mark.parametrize(
    "form",
    [
        {}, {"priority": "HIGHEST"}, {"status": "x"}, {"status": "999999"}, {"owner": "user:999999"}, {"owner": "x"},
        {"ids": "x", "priority": "LOW"}, {"ids": "", "priority": "LOW"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_bad_input_is_refused_in_words(office, client, some, form, headers):
    chosen = some(1)

    response = bulk(client, chosen, headers=headers, **form)

    assert response.status_code in (400, 422)
    assert all_of(office, "priority") == [None]


def test_tickets_become_unread_and_read_again_for_oneself_R_WORK_13(office, client, some, sign_in):
    chosen = some(2)

    def unread(somebody):
        return somebody.get("/inbox/all-open").content.decode().count("data-unread")

    assert unread(client) == 2
    with clock.stopped(office.at + timedelta(seconds=1)):
        bulk(client, chosen, seen="1")
    assert unread(client) == 0
    assert unread(sign_in(office.world.bob)) == 2
    bulk(client, chosen[:1], seen="0")
    assert unread(client) == 1


def test_the_list_is_compact_for_who_wants_it(office, client, some, sign_in):
    some(1)

    client.post("/inbox/all-open/density", {"compact": "1"})

    assert "data-compact" in client.get("/inbox/all-open").content.decode()
    assert "data-compact" not in sign_in(office.world.bob).get("/inbox/all-open").content.decode()
    assert (
        "data-compact"
        not in client.post("/inbox/all-open/density", {"compact": "0"}, headers=HTMX).content.decode()
    )


@pytest.mark.parametrize("form", [{"close": "1"}, {"spam": "1"}, {"priority": "LOW"}, {"seen": "1"}])
def test_many_tickets_cost_as_many_queries_as_few(office, client, some, form):
    def count(chosen):
        with CaptureQueriesContext(connection) as queries:
            bulk(client, chosen, **form)
        return len(queries)

    count(some(2))  # what is asked for once in a process
    assert count(some(2)) == count(some(7))


def test_who_may_only_read_can_not_choose_what_to_change(office, sign_in, some):
    some(1)
    reach = {"view": "all", "edit": "none", "delete": "none", "communicate": "none"}
    office.role(office.world.grace, records={"ticket": reach}, capabilities=["service_access"])

    page = texts(sign_in(office.world.grace).get("/inbox/all-open"))

    assert "Mark as unread" in page
    assert "Mark as spam" not in page
