"""The table of a pipeline: columns, order, pages, and cells that are changed in place."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from deskhand.accounts import teams, users
from deskhand.crm.records import tickets
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk import table
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.web.tests.conftest import add_statuses, queries_of, selected
from deskhand.web.tests.test_filters import HIGH, condition
from deskhand.web.tests.test_inbox import HTMX, texts


def subjects(page: str) -> list[str]:
    return re.findall(r'class="cell-link truncate"[^>]*>([^<]*)<', page)


def heads(page: str) -> list[str]:
    found = re.search(r"(?s)<thead>(.*?)</thead>", page)[1]
    return [
        " ".join(re.sub(r"(?s)<svg.*?</svg>|<[^>]*>", " ", one).split())
        for one in re.findall(r"(?s)<th\b.*?</th>", found)
    ]


@pytest.fixture
def path(office) -> str:
    with office.inside() as world:
        return f"/pipelines/{world.tickets.default.id}/table"


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def test_times_by_status_and_durations_can_be_columns_R_PROP_3_R_PROP_5(office, client, path):
    first = office.mail("Refund")
    with office.inside() as world:
        new = world.stage("New")
        with clock.stopped(first.created_at + timedelta(hours=3)):
            tickets.move(first.pk, to=world.stage("Closed"), by=SYSTEM)
    asked = {"cols": [f"hs_v2_latest_time_in_{new}", "time_to_close"]}

    page = client.get(path, asked)

    assert heads(page.content.decode())[1:] == ["Time to close", "Latest time in “New”"]
    assert texts(page).count("3 hours") == 2
    one = queries_of(client, path, data=asked)
    for number in range(4):
        office.mail(f"More {number}")
    more = {"cols": [*asked["cols"], f"hs_v2_date_entered_{new}", f"hs_v2_date_exited_{new}"]}
    assert queries_of(client, path, data=more) == one


def test_a_time_by_status_becomes_a_column_when_its_status_is_chosen_R_PROP_3(office, client, path):
    office.mail("Refund")
    with office.inside() as world:
        new, closed = world.stage("New"), world.stage("Closed")
    kept = f"hs_v2_date_entered_{closed}"

    client.post(f"{path}/columns", {"cols": ["hs_pipeline_stage", kept], "time": "hs_v2_latest_time_in", "status": str(new)})  # fmt: skip
    page = client.get(path).content.decode()

    assert heads(page) == ["Subject", "Status", "Date entered “Closed”", "Latest time in “New”"]
    picker = re.search(r'(?s)<form class="menu menu--end columns".*?</form>', page)[0]
    ticked = re.findall(r'value="(hs_v2_\w+)" checked', picker)
    assert ticked == [kept, f"hs_v2_latest_time_in_{new}"]
    assert picker.count("“New”") == 1
    for nothing in (
        {"time": "hs_v2_latest_time_in", "status": ""},
        {"time": "nonsense", "status": str(new)},
        {"status": "x"},
    ):
        client.post(f"{path}/columns", {"cols": ["hs_pipeline_stage"]} | nothing)
        assert heads(client.get(path).content.decode()) == ["Subject", "Status"]


@pytest.mark.parametrize("half", ["time", "status"])
def test_half_of_a_time_by_status_is_said_to_be_half_and_the_other_columns_are_set_R_PROP_3(
    office, client, path, half
):
    office.mail("Refund")
    with office.inside() as world:
        picked = {"time": "hs_v2_latest_time_in", "status": str(world.stage("New"))}
    said = "A time by status needs both: which time, and of which status."

    client.post(f"{path}/columns", {"cols": ["hs_pipeline_stage"]} | picked | {half: ""})
    page = client.get(path).content.decode()
    client.post(f"{path}/columns", {"cols": ["source_type"], "time": "", "status": ""})
    untouched = client.get(path).content.decode()

    assert (said in page, heads(page)) == (True, ["Subject", "Status"])
    assert (said in untouched, heads(untouched)) == (False, ["Subject", "Source"])
    assert re.search(r'name="time"[^>]*><option value="">Choose one</option>', untouched)


def test_a_table_grows_with_the_statuses_by_their_list_alone_R_PROP_3(office, client, path):
    """Nor does it take more queries."""
    few, queries = len(client.get(path).content), queries_of(client, path)

    options = add_statuses(office, 60)

    many = client.get(path).content.decode()
    assert options in many
    assert len(many.encode()) - few <= len(options) + 64  # the seconds of times, at most
    assert queries_of(client, path) == queries


def test_tickets_are_rows_with_the_usual_columns(office, client, path):
    ticket = office.mail("Refund")
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)
        tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)

    page = client.get(path)

    shown = heads(page.content.decode())
    assert shown == [
        "Number",
        "Subject",
        "Contact",
        "Status",
        "Priority",
        "Owner",
        "Created",
        "Latest activity",
    ]
    for part in (f"#{ticket.number}", "Refund", "Astrid Lindqvist", "New", "High", "Bob Noyce"):
        assert part in texts(page)


def test_columns_are_chosen_and_remembered(office, client, path):
    office.mail("Refund")
    with office.inside():
        properties.create("ticket", "colour", "Colour", Kind.TEXT)

    answer = client.post(
        f"{path}/columns", {"cols": ["colour", "hs_pipeline_stage", "nonsense"], "f": condition([HIGH])}
    )

    assert answer.headers["Location"].startswith(f"{path}?f=")
    assert heads(client.get(path).content.decode()) == ["Subject", "Status", "Colour"]


@pytest.mark.parametrize("sort", ["hs_ticket_id", "createdate", "hs_helpdesk_sort_timestamp"])
def test_it_is_sorted_both_ways_in_pages_that_stay_right(office, client, path, sort):
    for number in range(table.PAGE + 3):
        office.at += timedelta(seconds=1)
        office.mail(f"Q{number:02}")

    for asked in (sort, f"-{sort}"):
        first = client.get(path, {"sort": asked}).content.decode()
        following = html.unescape(re.search(r'href="([^"]*/after/[^"]*)"', first)[1])
        second = client.get(following, headers=HTMX).content.decode()
        shown = subjects(first) + subjects(second)
        expected = sorted(f"Q{n:02}" for n in range(table.PAGE + 3))
        assert shown == (expected[::-1] if asked.startswith("-") else expected)
        assert f'aria-sort="{"descending" if asked.startswith("-") else "ascending"}"' in first
        assert "<html" in client.get(following).content.decode()


@pytest.mark.parametrize("query", ["sort=subject", "sort=%00", "sort=-", "f=x"])
def test_nonsense_in_the_address_is_refused_in_words(client, path, query):
    assert client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("place", ["1", "x-1", "1-2-3", "99999999999999999999-1"])
def test_a_place_that_is_none_of_ours_is_not_found(client, path, place):
    for sort in table.SORTS:
        assert client.get(f"{path}/after/{place}", {"sort": sort}).status_code == 404


def test_filters_hold_for_the_table_too(office, client, path):
    office.mail("Refund")
    high = office.mail("Parcel")
    with office.inside():
        tickets.update(high.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)

    page = client.get(path, {"f": condition([HIGH])}).content.decode()

    assert subjects(page) == ["Parcel"]
    assert "/board?f=" in page


def test_one_sees_only_what_one_may_see_R_PERM_1(office, client, path):
    office.mail("Somebody else's")
    mine = office.mail("Mine")
    with office.inside() as world:
        tickets.assign(mine.pk, owner_id=world.grace.pk, by=SYSTEM)
    office.role(office.world.grace, records={"ticket": {"view": "own"}}, capabilities=["service_access"])

    page = client.get(path).content.decode()

    assert subjects(page) == ["Mine"]
    assert "/cells/" not in page


CHANGES = {
    "hs_ticket_priority": ("URGENT", "priority", "URGENT", "Urgent"),
    "subject": ("A new name", "subject", "A new name", "A new name"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_cell_turns_into_its_editor_and_back(office, client, path, name):
    typed, column, stored, shown = CHANGES[name]
    ticket = office.mail("Refund")
    cell = f"/tickets/{ticket.pk}/cells/{name}"

    editor = client.get(cell, {"cols": ["subject", name]}, headers=HTMX).content.decode()
    saved = client.post(f"{cell}/save", {"value": typed, "cols": ["subject", name]}, headers=HTMX)

    assert f'action="{cell}/save"' in editor
    assert editor.strip().startswith("<tr")
    assert getattr(office.again(ticket), column) == stored
    assert shown in texts(saved)
    assert "<form" not in saved.content.decode()


def test_status_and_owner_are_cells_too_R_PIPE_11_R_ROUTE_2(office, client):
    ticket = office.mail("Refund")
    with office.inside() as world:
        closed = world.stage("Closed")

    client.post(f"/tickets/{ticket.pk}/cells/hs_pipeline_stage/save", {"value": closed}, headers=HTMX)
    client.post(
        f"/tickets/{ticket.pk}/cells/hubspot_owner_id/save", {"value": office.world.bob.pk}, headers=HTMX
    )

    again = office.again(ticket)
    assert again.is_closed
    assert again.owner_id == office.world.bob.pk


def test_a_cell_without_scripts_is_a_page_of_its_own(office, client, path):
    ticket = office.mail("Refund")
    cell = f"/tickets/{ticket.pk}/cells/hs_ticket_priority"

    page = client.get(cell).content.decode()
    done = client.post(f"{cell}/save", {"value": "LOW"})

    assert "<html" in page
    assert 'name="value"' in page
    assert done.headers["Location"] == path
    assert office.again(ticket).priority == "LOW"


@pytest.mark.parametrize("htmx", [True, False])
def test_what_is_wrong_in_a_cell_is_said_in_it(office, client, htmx):
    ticket = office.mail("Refund")
    more = {"headers": HTMX} if htmx else {}

    answer = client.post(f"/tickets/{ticket.pk}/cells/subject/save", {"value": " "}, **more)

    assert answer.status_code == 422
    assert "A ticket needs a subject." in texts(answer)
    assert office.again(ticket).subject == "Refund"


def test_what_one_may_not_change_has_no_editor(office, client):
    ticket = office.mail("Refund")
    assert client.get(f"/tickets/{ticket.pk}/cells/createdate").status_code == 404
    assert client.get(f"/tickets/{ticket.pk}/cells/nothing").status_code == 404
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    assert client.get(f"/tickets/{ticket.pk}/cells/subject").status_code == 403
    assert client.post(f"/tickets/{ticket.pk}/cells/subject/save", {"value": "x"}).status_code == 403


def test_who_left_is_named_in_the_table_and_chosen_where_they_stand_alone(office, client, path):
    ticket = office.mail("Refund")
    with office.inside() as world:
        properties.create("ticket", "checker", "Checked by", Kind.REF, by=SYSTEM)
        tickets.update(ticket.pk, {"hubspot_owner_id": world.bob.pk, "checker": world.bob.pk}, by=SYSTEM)
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)
    before = office.again(ticket)

    page = texts(client.get(path, {"cols": ["hubspot_owner_id", "checker"]}))
    cells = [f"/tickets/{ticket.pk}/cells/{name}" for name in ("hubspot_owner_id", "checker")]

    assert page.count("Bob Noyce") == 2
    for cell in cells:
        assert selected(client.get(cell)) == [(str(office.world.bob.pk), "Bob Noyce (not there any more)")]
        assert "Grace Hopper" in texts(client.get(cell))
        assert client.post(f"{cell}/save", {"value": office.world.bob.pk}).status_code == 302
    kept = office.again(ticket)
    assert (kept.owner_id, kept.properties["checker"]) == (office.world.bob.pk, office.world.bob.pk)
    assert kept.version == before.version
    for cell in cells:
        assert client.post(f"{cell}/save", {"value": ""}).status_code == 302
        assert "Bob Noyce" not in texts(client.get(cell))
        assert client.post(f"{cell}/save", {"value": office.world.bob.pk}).status_code == 422


def test_a_team_that_was_deleted_stays_until_somebody_takes_it_out(office, client):
    ticket = office.mail("Refund")
    with office.inside() as world:
        gone = teams.create(world.account.pk, "Night", by=SYSTEM).pk
        tickets.update(ticket.pk, {"hs_assigned_team_ids": [gone]}, by=SYSTEM)
        teams.delete(world.account.pk, gone, by=SYSTEM)
    cell = f"/tickets/{ticket.pk}/cells/hs_assigned_team_ids"

    assert f"#{gone} (not there any more)" in texts(client.get(cell))
    client.post(f"{cell}/save", {"value": [gone, office.world.team.pk]})
    assert office.again(ticket).assigned_team_ids == sorted([gone, office.world.team.pk])
    client.post(f"{cell}/save", {"value": [office.world.team.pk]})
    assert client.post(f"{cell}/save", {"value": [gone]}).status_code == 422
    assert office.again(ticket).assigned_team_ids == [office.world.team.pk]


def test_the_number_of_queries_does_not_grow_with_the_tickets(office, client, path):
    office.mail("The first")
    few = queries_of(client, path)
    for number in range(20):
        office.mail(f"Question {number}")

    assert queries_of(client, path) == few
