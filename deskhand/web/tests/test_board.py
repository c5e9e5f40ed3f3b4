"""The board: every ticket of a pipeline that one may see, by status, and moving them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import AuditEntry
from deskhand.accounts.policy import viewer_for
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import archive, tasks, tickets
from deskhand.crm.records.tasks import NewTask, Wanted
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk import board, preferences, spam
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.web import times
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import HTMX, texts


def cards(page: str) -> dict[str, list[str]]:
    """The subjects in each column, from top to bottom."""
    columns = re.findall(r'(?s)<section class="board-column".*?</section>', page)
    return {
        re.search(r"<h2[^>]*>([^<]*)<", column)[1]: re.findall(r'class="card-link"[^>]*>([^<]*)<', column)
        for column in columns
    }


def opened(user, stage_id: int) -> None:
    """Somebody has opened the column of a status."""
    preferences.collapse(viewer_for(current_account_id(), user.pk), stage_id, False)


@pytest.fixture
def board_of(office, sign_in):
    def of(user, query="") -> str:
        with office.inside() as world:
            path = f"/pipelines/{world.tickets.default.id}/board{query}"
        return sign_in(user).get(path).content.decode()

    return of


def test_the_tickets_of_a_pipeline_stand_in_their_statuses_latest_activity_first(office, board_of):
    """R-PIPE-5"""
    first = office.mail("Refund still missing")
    office.at += timedelta(minutes=5)
    office.mail("Parcel is broken")
    third = office.mail("Wrong size")
    with office.inside() as world:
        tickets.move(third.pk, to=world.stage("Closed"), by=SYSTEM)
        tickets.assign(first.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.update(first.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
        opened(world.grace, world.stage("Closed"))

    page = board_of(office.world.grace)

    assert cards(page) == {
        "New": ["Parcel is broken", "Refund still missing"], "Waiting on contact": [], "Waiting on us": [], "Closed": ["Wrong size"],
    }  # fmt: skip
    assert re.findall(r"data-count>(\d+)<", page) == ["2", "0", "0", "1"]
    for part in ("Astrid Lindqvist", f"#{first.number}", "High", "Owner: Grace Hopper", "Email"):
        assert part in page


def test_a_card_tells_how_long_it_stands_there_and_what_is_to_be_done_next_R_BOARD_2(office, board_of):
    ticket = office.mail()
    later = office.at + timedelta(hours=3)
    with office.inside() as world:
        due, by = (office.at + timedelta(days=days) for days in (1, 4)), Actor.user(world.ada.pk)
        sooner, _last = tasks.create_many(
            [NewTask("ticket", ticket.pk, Wanted("Call", due_at=at), by) for at in due]
        )
        tickets.move(ticket.pk, to=world.stage("Waiting on us"), by=SYSTEM, at=later)

    page = board_of(office.world.ada)
    assert re.findall(r'<time datetime="([^"]*)"', page) == [times.iso(later)]
    assert "In this status since" in page
    assert "17 Nov, 12:00" in page  # the task that is due first
    with office.inside():
        tasks.finish(sooner, True, by=SYSTEM)
    assert "20 Nov, 12:00" in board_of(office.world.ada)


def test_the_door_leads_to_the_first_pipeline_and_the_others_are_a_menu_away(office, sign_in):
    """R-PIPE-5"""
    with office.inside() as world:
        asked = [NewStage("Asked", "OPEN", "blue")]
        made = pipelines.create(world.account.pk, "ticket", "Returns", asked, by=SYSTEM)
        first = world.tickets.default.id
        world.ticket("A shoe too small", stage="Asked")
    client = sign_in(office.world.grace)

    door = client.get("/tickets")
    page = client.get(f"/pipelines/{made.pk}/board").content.decode()

    assert door.headers["Location"] == f"/pipelines/{first}/board"
    assert cards(page) == {"Asked": ["A shoe too small"]}
    assert f'href="/pipelines/{first}/board"' in page
    assert client.get("/pipelines/999999/board").status_code == 404


def test_spam_and_what_was_put_away_is_not_on_the_board(office, board_of):
    away, junk = office.mail("Put away"), office.mail("Cheap watches")
    with office.inside() as world:
        archive.archive("ticket", [away.pk], by=SYSTEM)
        spam.mark(junk.pk, by=Actor.user(world.ada.pk))

    page = board_of(office.world.ada)

    assert cards(page)["New"] == []
    assert re.findall(r"data-count>(\d+)<", page) == ["0"] * 4


def test_one_sees_and_counts_only_what_one_may_see_R_PERM_1(office, board_of):
    office.mail("Somebody else's")
    mine = office.mail("Mine")
    with office.inside() as world:
        tickets.assign(mine.pk, owner_id=world.grace.pk, by=SYSTEM)
    office.role(office.world.grace, records={"ticket": {"view": "own"}}, capabilities=["service_access"])

    page = board_of(office.world.grace)

    assert cards(page)["New"] == ["Mine"]
    assert re.findall(r"data-count>(\d+)<", page) == ["1", "0", "0", "0"]


def test_what_one_may_not_change_cannot_be_lifted(office, board_of, sign_in):
    ticket = office.mail("Look, don't touch")
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])

    page = board_of(office.world.grace)

    assert "data-move=" not in page
    assert 'class="card-move"' not in page
    assert "You may see this ticket, but not move it." in page
    client = sign_in(office.world.grace)
    assert client.get(f"/tickets/{ticket.pk}/move").status_code == 403
    assert client.post(f"/tickets/{ticket.pk}/moved", {"status": ticket.stage_id}).status_code == 403


def test_a_long_column_comes_in_pages_and_a_refresh_shows_as_many_again(office, sign_in):
    for number in range(board.PAGE + 5):
        office.at += timedelta(seconds=1)
        office.mail(f"Question {number}")
    client = sign_in(office.world.ada)
    page = client.get("/tickets", follow=True).content.decode()
    following = re.search(r'href="(/pipelines/[^"]*/after/[^"]*)"', page)[1].replace("&amp;", "&")

    more = client.get(following, headers=HTMX).content.decode()
    shown = re.search(r'name="shown" value="([^"]+)"', more)[1]
    again = client.get("/tickets", follow=True, data={"shown": shown}).content.decode()

    assert len(cards(page)["New"]) == board.PAGE
    assert re.findall(r'class="card-link"[^>]*>([^<]*)<', more) == [f"Question {n}" for n in (4, 3, 2, 1, 0)]
    assert "<html" not in more
    assert "<html" in client.get(following).content.decode()
    assert re.findall(r"data-count>(\d+)<", page)[0] == str(board.PAGE + 5)
    assert shown.endswith(f":{board.PAGE + 5}")
    with office.inside() as world:
        path = f"/pipelines/{world.tickets.default.id}/board"
    again = client.get(path, {"shown": shown}, headers=HTMX).content.decode()
    assert len(cards(again)["New"]) == board.PAGE + 5


@pytest.mark.parametrize("shown", ["", "x", "1", "1:x", "²:²", "9" * 40 + ":1", "1:" + "9" * 18])
def test_nonsense_in_what_was_shown_is_passed_over(office, board_of, shown):
    office.mail("Refund")

    assert cards(board_of(office.world.ada, f"?shown={shown}"))["New"] == ["Refund"]


def test_a_card_is_moved_by_a_plain_form_R_PIPE_11(office, sign_in):
    ticket = office.mail("Refund")
    client = sign_in(office.world.grace)
    with office.inside() as world:
        to, pipeline = world.stage("Waiting on us"), world.tickets.default.id

    page = client.get(f"/tickets/{ticket.pk}/move").content.decode()
    answer = client.post(f"/tickets/{ticket.pk}/moved", {"status": to})

    assert f'value="{to}"' in page
    assert "Move “Refund”" in page
    assert answer.headers["Location"] == f"/pipelines/{pipeline}/board"
    assert office.again(ticket).stage_id == to


def test_a_script_gets_a_way_back_and_taking_it_gives_the_board(office, sign_in):
    ticket = office.mail("Refund")
    client = sign_in(office.world.grace)
    with office.inside() as world:
        new, to = world.stage("New"), world.stage("Closed")

    toast = client.post(
        f"/tickets/{ticket.pk}/moved", {"status": to, "from": new, "part": "toast"}, headers=HTMX
    )
    fields = dict(re.findall(r'type="hidden" name="(at)" value="([^"]+)"', toast.content.decode()))
    back = client.post(f"/tickets/{ticket.pk}/moved", fields, headers=HTMX)

    assert "Moved to Closed" in texts(toast)
    assert cards(back.content.decode())["New"] == ["Refund"]
    assert office.again(ticket).stage_id == new


def test_who_was_slower_is_told_and_moves_nothing(office, sign_in):
    ticket = office.mail("Refund")
    with office.inside() as world:
        new, ours, closed = (world.stage(name) for name in ("New", "Waiting on us", "Closed"))
        tickets.move(ticket.pk, to=ours, by=SYSTEM)

    answer = sign_in(office.world.grace).post(
        f"/tickets/{ticket.pk}/moved", {"status": closed, "from": new, "part": "toast"}, headers=HTMX
    )

    assert answer.status_code == 409
    assert answer.content.decode() == "Somebody has moved this ticket to “Waiting on us” meanwhile."
    assert office.again(ticket).stage_id == ours


@pytest.mark.parametrize("status", ["", "x", "999999", "²", "9" * 30])
def test_a_status_that_is_not_there_is_refused_in_words(office, sign_in, status):
    ticket = office.mail("Refund")

    answer = sign_in(office.world.grace).post(f"/tickets/{ticket.pk}/moved", {"status": status}, headers=HTMX)

    assert answer.status_code == 400
    assert len(answer.content) < 200
    assert office.again(ticket).stage_id == ticket.stage_id


def test_the_number_of_queries_does_not_grow_with_the_tickets(office, sign_in):
    client = sign_in(office.world.ada)

    office.mail("The first")
    few = queries_of(client, "/tickets", follow=True)
    for number in range(20):
        ticket = office.mail(f"Question {number}")
        with office.inside() as world:
            tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)

    assert queries_of(client, "/tickets", follow=True) == few


def test_a_board_of_another_account_is_not_found_S9(office, neighbour, sign_in):
    with office.inside() as world:
        pipeline, stage = world.tickets.default.id, world.stage("New")
    client = sign_in(neighbour.world.ada)

    assert client.get(f"/pipelines/{pipeline}/board").status_code == 404
    assert client.get(f"/pipelines/{pipeline}/board/{stage}/after/1-1").status_code == 404


# ── what stands on cards ─────────────────────────────────────────────────────────────────────────────────────────────


def card_of(page: str) -> str:
    """What one reads on the only card, from top to bottom."""
    found = re.search(r'(?s)<li class="ticket-card".*?</li>', page)[0]
    return " | ".join(re.sub(r"<[^>]+>", "|", found).replace("\n", " ").split("|")).strip()


def words_of_card(page: str) -> list[str]:
    return [word for part in card_of(page).split("|") if (word := part.strip())]


@pytest.fixture
def own_properties(office) -> None:
    with office.inside():
        properties.create("ticket", "order_number", "Order number", Kind.NUMBER, by=SYSTEM)
        properties.create("ticket", "deliver_on", "Deliver on", Kind.DATE, by=SYSTEM)
        properties.create("ticket", "is_paid", "Paid", Kind.BOOL, by=SYSTEM)
        properties.create("ticket", "checker", "Checked by", Kind.REF, by=SYSTEM)


def choose(office, *names: str) -> None:
    with office.inside() as world:
        row = pipelines.find("ticket", world.tickets.default.id)
        pipelines.set_cards(row, names, by=Actor.user(world.ada.pk))


def test_cards_show_what_the_admins_of_a_pipeline_choose_in_their_order_R_BOARD_2(office, board_of, own_properties):  # fmt: skip
    ticket = office.mail("Refund")
    with office.inside() as world:
        told = {
            "order_number": 30783, "deliver_on": "2026-12-01", "is_paid": False, "checker": world.bob.pk,
            "hs_assigned_team_ids": [world.team.pk], "hs_ticket_priority": "HIGH",
        }  # fmt: skip
        tickets.update(ticket.pk, told, by=SYSTEM)
    choose(office, "deliver_on", "hs_ticket_priority", "checker", "hs_assigned_team_ids", "contact", "is_paid", "order_number", "hs_resolution")  # fmt: skip

    words = words_of_card(board_of(office.world.grace))

    assert words[:14] == [
        "Refund", "Astrid Lindqvist", "Deliver on", "1 Dec 2026", "Checked by", "Bob Noyce", "Team", "Support",
        "Paid", "No", "Order number", "30783", "High", "In this status since",
    ]  # fmt: skip
    assert f"#{ticket.number}" not in words


def test_without_a_choice_stand_who_asks_channel_number_and_priority_R_BOARD_2(office, board_of):
    ticket = office.mail("Refund")
    with office.inside():
        tickets.update(ticket.pk, {"hs_ticket_priority": "LOW"}, by=SYSTEM)

    words = words_of_card(board_of(office.world.grace))

    assert words[:5] == ["Refund", "Astrid Lindqvist", "Email", f"#{ticket.number}", "Low"]
    choose(office)
    assert words_of_card(board_of(office.world.grace))[:2] == ["Refund", "In this status since"]


def test_fields_on_cards_ask_the_database_nothing_more_R_BOARD_2(office, sign_in, own_properties):
    client = sign_in(office.world.ada)

    office.mail("The first")
    choose(office)
    none = queries_of(client, "/tickets", follow=True)
    choose(office, "contact", "order_number", "deliver_on", "is_paid", "checker", "hs_assigned_team_ids", "hs_ticket_priority", "createdate")  # fmt: skip
    assert queries_of(client, "/tickets", follow=True) == none
    for number in range(10):
        ticket = office.mail(f"Question {number}")
        with office.inside() as world:
            tickets.update(
                ticket.pk, {"checker": world.bob.pk, "hs_assigned_team_ids": [world.team.pk], "order_number": number}, by=SYSTEM
            )  # fmt: skip
    assert queries_of(client, "/tickets", follow=True) == none


def test_a_property_that_is_archived_leaves_the_cards_R_BOARD_2(office, board_of, own_properties):
    ticket = office.mail("Refund")
    with office.inside():
        tickets.update(ticket.pk, {"order_number": 30783}, by=SYSTEM)
    choose(office, "order_number", "contact")
    assert "30783" in words_of_card(board_of(office.world.grace))

    with office.inside():
        properties.archive("ticket", "order_number", by=SYSTEM)

    assert words_of_card(board_of(office.world.grace))[:2] == ["Refund", "Astrid Lindqvist"]


@pytest.mark.parametrize(
    ("names", "field", "told"),
    [
        (["nonsense"], "cards[0]", "Cards can't show “nonsense”."),
        (["contact", "hubspot_owner_id"], "cards[1]", "Cards can't show “hubspot_owner_id”."),
        (["time_to_close"], "cards[0]", "Cards can't show “time_to_close”."),
        (["contact", "createdate", "contact"], "cards[2]", "“contact” stands on the cards already."),
        (
            ["contact", "company", "createdate", "hs_ticket_id", "source_type", "hs_ticket_priority", "closed_date", "hs_resolution", "hs_ticket_category"],
            "cards", "A card shows at most 8 properties.",
        ),
    ],
)  # fmt: skip
def test_what_cards_cannot_show_is_refused_in_words_R_BOARD_2(office, names, field, told):
    with pytest.raises(Invalid) as refused:
        choose(office, *names)

    assert (refused.value.field, refused.value.message) == (field, told)


def test_an_admin_adds_orders_and_removes_on_the_page_of_the_pipeline_R_BOARD_2(office, sign_in):
    with office.inside() as world:
        path = f"/settings/pipelines/{world.tickets.default.id}/cards"
    client = sign_in(office.world.ada)

    def chosen() -> list[str]:
        return re.findall(r'name="property" value="([^"]*)"', client.get(path).content.decode())

    def press(names, **more) -> int:
        return client.post(f"{path}/save", {"property": names} | more).status_code

    standard = ["contact", "company", "source_type", "hs_ticket_id", "hs_ticket_priority"]
    assert chosen() == standard
    assert press(["contact", "hs_ticket_id"], add="createdate") == 302
    assert chosen() == ["contact", "hs_ticket_id", "createdate"]
    assert press(chosen(), move="up:createdate") == 302
    assert press(chosen(), remove="hs_ticket_id") == 302
    assert chosen() == ["contact", "createdate"]
    refused = client.post(f"{path}/save", {"property": ["contact"], "add": "nonsense"})
    assert refused.status_code == 422
    assert "Cards can&#39;t show “nonsense”." in refused.content.decode()
    assert press(chosen(), reset="1") == 302
    assert chosen() == standard
    with office.inside():
        told = AuditEntry.objects.filter(action="pipeline.updated").order_by("-pk").first()
    assert told.before["cards"] == ["contact", "createdate"]
    assert sign_in(office.world.grace).get(path).status_code == 403


# ── collapsed columns ────────────────────────────────────────────────────────────────────────────────────────────────


def collapsed(page: str) -> list[str]:
    """The columns that are collapsed, with their counts."""
    columns = re.findall(r'(?s)<section class="board-column"[^>]* data-collapsed.*?</section>', page)
    return [f"{re.search(r'<h2[^>]*>([^<]*)<', one)[1]} {re.search(r'data-count>([^<]*)<', one)[1]}" for one in columns]  # fmt: skip


def test_columns_of_closed_statuses_are_collapsed_counted_and_not_read_R_BOARD_4(office, board_of):
    done = office.mail("Parcel is broken")
    with office.inside() as world:
        tickets.move(done.pk, to=world.stage("Closed"), by=SYSTEM)

    with CaptureQueriesContext(connection) as seen:
        page = board_of(office.world.grace)

    assert collapsed(page) == ["Closed 1"]
    assert "Parcel is broken" not in page
    with office.inside() as world:
        read = next(one["sql"] for one in seen if "cross join lateral" in one["sql"])
        assert str(world.stage("New")) in read
        assert str(world.stage("Closed")) not in read.partition("unnest")[2].partition("]")[0]


def test_what_somebody_opened_stays_open_for_them_alone_R_BOARD_4(office, board_of, sign_in):
    done = office.mail("Parcel is broken")
    with office.inside() as world:
        tickets.move(done.pk, to=world.stage("Closed"), by=SYSTEM)
        new, closed, path = world.stage("New"), world.stage("Closed"), f"/pipelines/{world.tickets.default.id}/board"  # fmt: skip
    client = sign_in(office.world.grace)

    answer = client.post(f"{path}/collapse?view=7", {"open": closed})
    assert answer.headers["Location"] == f"{path}?view=7"
    assert cards(board_of(office.world.grace))["Closed"] == ["Parcel is broken"]
    assert collapsed(board_of(office.world.ada)) == ["Closed 1"]

    part = client.post(f"{path}/collapse", {"collapse": new}, headers=HTMX).content.decode()
    assert collapsed(part) == ["New 0"]
    assert "<html" not in part
    assert collapsed(board_of(office.world.grace)) == ["New 0"]
    client.post(f"{path}/collapse", {"collapse": closed})
    client.post(f"{path}/collapse", {"open": new})
    assert collapsed(board_of(office.world.grace)) == ["Closed 1"]


@pytest.mark.parametrize(("form", "status"), [({}, 400), ({"open": "x"}, 400), ({"collapse": "999999"}, 404)])
def test_a_column_that_is_none_is_refused_R_BOARD_4(office, sign_in, form, status):
    with office.inside() as world:
        path = f"/pipelines/{world.tickets.default.id}/board/collapse"

    assert sign_in(office.world.grace).post(path, form).status_code == status
