"""Custom views: filters with a name, in the inbox and as a table (R-VIEW-5 to 7)."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership
from deskhand.crm.records import tickets
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk import custom_views
from deskhand.desk.models import CustomView
from deskhand.events.types import SYSTEM
from deskhand.web.tests.test_filters import HIGH, condition, one
from deskhand.web.tests.test_inbox import texts
from deskhand.web.tests.test_table import subjects


@pytest.fixture
def client(office, sign_in):
    """Two tickets, one of them high."""
    office.mail("Refund")
    parcel = office.mail("Parcel")
    with office.inside():
        tickets.update(parcel.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    return sign_in(office.world.grace)


def create(client, name="High ones", sharing="PRIVATE", filters=None):
    form = {"name": name, "sharing": sharing, "f": filters or condition([HIGH]), "sort": "hs_ticket_id"}
    return client.post("/views/create", form)


def side(client) -> dict[str, str]:
    """The custom views in the side with their counts."""
    page = client.get("/inbox/all-open").content.decode()
    links = re.findall(r'(?s)id="view-(?:custom-\d+)".*?</a>', page)
    return {
        re.search(r'title="([^"]*)"', x)[1]: (re.findall(r'side-count">(\d+)<', x) or [""])[0] for x in links
    }


def test_a_view_is_saved_from_a_board_counted_and_opened_in_the_inbox(office, client):
    """R-VIEW-5, R-VIEW-6"""
    with office.inside() as world:
        board = client.get(f"/pipelines/{world.tickets.default.id}/board", {"f": condition([HIGH])})
    link = html.unescape(re.search(r'href="(/views/new[^"]*)"', board.content.decode())[1])
    form = client.get(link).content.decode()
    fields = dict(re.findall(r'type="hidden" name="(f|pipeline|sort)" value="([^"]*)"', form))

    answer = client.post(
        "/views/create",
        {key: html.unescape(value) for key, value in fields.items()}
        | {"name": "High ones", "sharing": "PRIVATE"},
    )
    page = client.get(answer.headers["Location"])

    assert side(client) == {"High ones": "1"}
    assert "Parcel" in texts(page)
    assert "Refund" not in texts(page)
    ticket = re.search(r'href="(/inbox/custom-\d+/\d+)"', page.content.decode())[1]
    assert client.get(ticket).status_code == 200


def test_it_is_a_table_too(office, client):
    create(client)
    with office.inside():
        view = CustomView.objects.get()

    page = client.get(f"/views/{view.pk}/table", follow=True).content.decode()

    assert subjects(page) == ["Parcel"]
    assert 'aria-sort="ascending"' in page


@pytest.mark.parametrize(
    ("sharing", "team_mate", "others"),
    [("PRIVATE", False, False), ("TEAM", True, False), ("EVERYONE", True, True)],
)
def test_whom_it_is_shared_with_sees_it(office, client, sign_in, sharing, team_mate, others):
    """R-VIEW-5"""
    team, bob, eve = office.world.team.pk, office.world.bob, office.world.eve
    with office.inside() as world:
        world.team.members.filter(user=eve).delete()
    create(client, sharing=f"TEAM:{team}" if sharing == "TEAM" else sharing)
    with office.inside():
        view = CustomView.objects.get()

    assert bool(side(sign_in(bob))) == team_mate
    assert bool(side(sign_in(eve))) == others
    assert sign_in(eve).get(f"/inbox/custom-{view.pk}").status_code == (200 if others else 404)
    if team_mate:
        assert (
            sign_in(bob).post(f"/views/{view.pk}/save", {"name": "Mine", "sharing": "PRIVATE"}).status_code
            == 403
        )
        assert sign_in(bob).post(f"/views/{view.pk}/delete").status_code == 403


def test_a_shared_view_shows_each_only_what_they_may_see_R_PERM_1(office, client, sign_in):
    create(client, sharing="EVERYONE")
    office.role(office.world.bob, records={"ticket": {"view": "own"}}, capabilities=["service_access"])

    assert side(sign_in(office.world.bob)) == {"High ones": ""}


def test_without_a_seat_there_are_none_R_VIEW_7(office, client, sign_in):
    create(client, sharing="EVERYONE")
    with office.inside() as world:
        Membership.objects.filter(account=world.account, user=world.bob).update(has_seat=False)
    bob = sign_in(office.world.bob)

    assert side(bob) == {}
    assert bob.get("/views").status_code == 403
    assert create(bob).status_code == 403


def test_views_are_put_in_ones_own_order_renamed_and_deleted(office, client):
    """R-VIEW-5"""
    for name in ("One", "Two", "Three"):
        create(client, name)
    with office.inside():
        ids = dict(CustomView.objects.values_list("name", "id"))

    client.post(f"/views/{ids['Three']}/move", {"step": "-1"})
    assert list(side(client)) == ["One", "Three", "Two"]
    client.post(f"/views/{ids['One']}/save", {"name": "First", "sharing": "EVERYONE"})
    assert list(side(client)) == ["First", "Three", "Two"]
    assert "The view “First” is deleted." in texts(client.post(f"/views/{ids['One']}/delete", follow=True))
    assert list(side(client)) == ["Three", "Two"]
    assert "Three" in texts(client.get("/views"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "A view needs a name."),
        ({"name": "x" * 81}, "The name is too long."),
        ({"sharing": "WORLD"}, "Choose who sees it."),
        ({"sharing": "TEAM:999999"}, "Choose who sees it."),
        ({"sharing": "TEAM:\u00b2"}, "Choose who sees it."),
    ],
)
def test_what_is_wrong_is_said_in_the_form(client, wrong, said):
    answer = client.post(
        "/views/create", {"name": "High", "sharing": "PRIVATE", "f": condition([HIGH])} | wrong
    )

    assert answer.status_code == 422
    assert said in texts(answer)
    assert side(client) == {}


def test_a_name_is_had_once(client):
    create(client)

    answer = create(client)

    assert answer.status_code == 422
    assert "You have a view of this name." in texts(answer)


def test_a_view_whose_filter_is_gone_is_kept_and_says_so(office, client):
    with office.inside():
        made = properties.create("ticket", "colour", "Colour", Kind.TEXT)
    create(client, filters=condition([one("colour", "string", "contains", "red")]))
    assert side(client) == {"High ones": ""}
    with office.inside():
        type(made).objects.filter(pk=made.pk).update(archived_at=office.at)

    assert side(client) == {}
    assert "It filters by something that is gone." in texts(client.get("/views"))


def test_counting_views_takes_one_statement_however_many(office, client):
    """R-VIEW-6"""

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/inbox/all-open").status_code == 200
        return len(seen)

    create(client, "One")
    few = queries()
    for number in range(6):
        create(client, f"View {number}")

    assert queries() == few
    assert len(side(client)) == 7
    assert custom_views.MOST > 7
