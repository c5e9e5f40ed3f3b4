"""Moving records between statuses on every surface: what the rules allow, and what a status asks for (§5)."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import objects, tickets
from deskhand.crm.records.checking import required_of
from deskhand.crm.records.computed import value_of
from deskhand.crm.records.tables import model_of
from deskhand.crm.schema import properties, tags
from deskhand.crm.schema.types import Kind, Option
from deskhand.desk.models import Draft
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Invalid
from deskhand.web.objects.kinds import CHOICES, OFFERED
from deskhand.web.objects.rules import askable
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_compose import leave, waiting

HTMX = {"HX-Request": "true"}
NAMES = ["New", "Waiting on contact", "Waiting on us", "Closed"]


@pytest.fixture
def ticket(office):
    """It waits on the contact, the second of four statuses."""
    made = office.mail()
    with office.inside() as world:
        tickets.move(made.pk, to=world.stage("Waiting on contact"), by=SYSTEM)
    return made


@pytest.fixture
def strict(office):
    """Only the next status; tickets begin in the first two."""
    rules(office, "ticket", forbids_skipping=True, forbids_going_back=True, creation=NAMES[:2])


def rules(office, kind, creation=(), asks=None, **more):
    with office.inside():
        pipeline = pipelines_of(kind).default
        stages = {stage.label: stage.id for stage in pipeline.stages}
        given = Rules(
            creation=tuple(stages[label] for label in creation), limits_creation=bool(creation),
            asks={stages[label]: asked for label, asked in (asks or {}).items()}, **more,
        )  # fmt: skip
        pipelines.set_rules(pipelines.find(kind, pipeline.id), given, by=SYSTEM)


def text(response) -> str:
    return html.unescape(response.content.decode())


def stage_of(office, label, kind="ticket") -> int:
    with office.inside():
        return next(one.id for one in pipelines_of(kind).default.stages if one.label == label)


def stands_in(office, ticket) -> str:
    again = office.again(ticket)
    with office.inside() as world:
        return world.tickets.stage(again.stage_id).label


def board_url(office) -> str:
    with office.inside() as world:
        return f"/pipelines/{world.tickets.default.id}/board"


# ── what the rules allow ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_board_knows_of_each_column_where_its_cards_may_not_go_R_RULE_8(office, grace, ada, ticket, strict):
    def reasons(client):
        found = re.findall(r"data-stage=\"(\d+)\" data-reasons='([^']*)'", client.get(board_url(office)).content.decode())  # fmt: skip
        return {int(stage): {int(to): why for to, why in json.loads(given).items()} for stage, given in found}

    new, contact, us, closed = (stage_of(office, label) for label in NAMES)
    said = reasons(grace)

    assert {stage: set(given) for stage, given in said.items()} == {
        new: {us, closed}, contact: {new, closed}, us: {new, contact}, closed: {new, contact, us},
    }  # fmt: skip
    assert (
        said[contact][closed] == "Records of “Support pipeline” can't skip a status. Allowed: Waiting on us."
    )  # R-RULE-12
    assert set(map(len, reasons(ada).values())) == {0}


def test_columns_offer_a_new_ticket_where_one_may_begin_R_RULE_5(office, grace, ada, strict):
    adds = re.compile(r'id="add-(\d+)"')

    assert list(map(int, adds.findall(text(grace.get(board_url(office)))))) == [
        stage_of(office, label) for label in NAMES[:2]
    ]
    assert len(adds.findall(text(ada.get(board_url(office))))) == 3  # “Closed” is collapsed
    ada.post(f"{board_url(office)}/collapse", {"open": stage_of(office, "Closed")})
    assert len(adds.findall(text(ada.get(board_url(office))))) == 4


def test_the_board_of_other_records_keeps_the_rules_too_R_RULE_5_R_RULE_8(office, grace):
    with office.inside():
        first, second, third = [stage.label for stage in pipelines_of("deal").default.stages][:3]
    rules(office, "deal", forbids_skipping=True, creation=[second])

    page = text(grace.get(reverse("records-board", args=["deals"])))

    assert re.findall(r'id="add-(\d+)"', page) == [str(stage_of(office, second, "deal"))]
    assert f'"{stage_of(office, third, "deal")}": "Records of' in page.partition(f'id="column-{stage_of(office, first, "deal")}"')[2]  # fmt: skip


def test_many_columns_and_cards_cost_no_more_for_the_rules_R_RULE_8(office, grace, strict):
    office.mail("First")
    few = queries_of(grace, board_url(office))
    for number in range(12):
        office.mail(f"Question {number}")

    assert queries_of(grace, board_url(office)) <= few


def offered(page: str, name: str = "status") -> dict[str, str]:
    """By status: why it can't be chosen; what can says nothing."""
    items = re.findall(rf'(?s)<button type="submit" class="menu-item" name="{name}" value="\d+"([^>]*)>(.*?)</button>', page)  # fmt: skip
    found = {}
    for attributes, content in items:
        reason = re.search(r'<span class="menu-reason">([^<]*)<', content)
        label = re.search(r'<span class="grow">([^<]*)<', content)[1]
        assert bool(reason) == ("disabled" in attributes) or "Where it is now" in content
        found[label] = reason[1] if reason else ""
    return found


SKIPS = "Records of “Support pipeline” can't skip a status. Allowed: Waiting on us."
BACK = "Records of “Support pipeline” can't go back to an earlier status. Allowed: Waiting on us."


def test_menus_and_pages_say_why_and_what_is_allowed_R_RULE_8_R_RULE_12(office, grace, ticket, strict):
    page = text(grace.get(f"/inbox/all-open/{ticket.pk}"))
    menu = page[page.index('id="status-menu"') : page.index('id="owner-menu"')]
    said = {"New": BACK, "Waiting on contact": "", "Waiting on us": "", "Closed": SKIPS}

    assert offered(menu) == said
    assert offered(page, "set_status") == said
    assert offered(text(grace.get(f"/tickets/{ticket.pk}/move"))) == said


@pytest.mark.parametrize("name", ["hs_pipeline_stage", "hs_pipeline"])
@pytest.mark.parametrize("where", ["/inbox/all-open/{}/properties/{}", "/tickets/{}/cells/{}"])
def test_editors_offer_what_is_allowed_and_say_why_R_RULE_8(office, grace, ada, ticket, strict, where, name):
    address = where.format(ticket.pk, name)
    page = text(grace.get(address))
    select = re.search(r'(?s)<select [^>]*name="value".*?</select>', page)[0]

    assert re.findall(r"<option [^>]*disabled[^>]*>([^<]*)<", select) == ["New", "Closed"]
    assert f"<p>{SKIPS}</p>" in page
    assert f"<p>{BACK}</p>" in page
    assert (
        "disabled" not in re.search(r'(?s)<select [^>]*name="value".*?</select>', text(ada.get(address)))[0]
    )


def test_the_page_of_a_record_and_its_cell_say_why_R_RULE_8(office, grace, ada):
    with office.inside():
        deal = objects.create("deal", {"dealname": "Fjällbo"}, by=SYSTEM).id
        first, second, third = [stage.label for stage in pipelines_of("deal").default.stages][:3]
    rules(office, "deal", forbids_skipping=True)
    why = f"Allowed: {second}."

    page = text(grace.get(reverse("record", args=["deals", deal])))
    steps = re.findall(r'(?s)<li class="progress-step".*?</li>', page)
    barred = [re.search(r'<span class="truncate">([^<]*)', step)[1] for step in steps if " disabled" in step]
    move = text(grace.get(reverse("record-move", args=["deals", deal])))
    cell = text(grace.get(reverse("record-cell", args=["deals", deal, "dealstage"])))

    assert {first, second}.isdisjoint(barred)
    assert third in barred
    assert page.count(why) == len(barred) + 1  # on each, and once below
    assert offered(move)[second] == ""
    assert offered(move)[third].endswith(why)
    assert re.findall(r"<option [^>]*disabled[^>]*>([^<]*)<", cell) == barred
    assert "menu-reason" not in text(ada.get(reverse("record-move", args=["deals", deal])))


def test_the_button_that_closes_says_why_it_can_not_R_RULE_8_R_RULE_12(office, grace, ticket, strict):
    answer = grace.post(
        f"/inbox/all-open/{ticket.pk}/status",
        {"status": stage_of(office, "Closed"), "then": "next"},
        headers=HTMX,
    )

    assert answer.status_code == 422
    assert SKIPS in text(answer)
    assert stands_in(office, ticket) == "Waiting on contact"


def test_of_many_each_is_told_what_is_allowed_R_RULE_12(office, grace, ticket, strict):
    answer = grace.post(
        "/inbox/all-open/bulk", {"ids": [ticket.pk], "status": stage_of(office, "Closed")}, headers=HTMX
    )

    assert SKIPS in text(answer)
    assert stands_in(office, ticket) == "Waiting on contact"


# ── what a status asks for ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asking(office):
    """“Closed” requires a resolution, and shows a note that may stay empty."""
    with office.inside():
        properties.create("ticket", "note", "Note", Kind.TEXT, by=SYSTEM)
    rules(office, "ticket", asks={"Closed": (Ask("hs_resolution", True), Ask("note", False))})


def form_of(answer) -> tuple[str, dict[str, list[str]]]:
    """The address of the form that asks, and what it carries along."""
    page = text(answer)
    form = page[page.index('<form class="drawer-form"') :]
    kept: dict[str, list[str]] = {}
    for name, value in re.findall(r'(?s)<input type="hidden" name="([^"]*)" value="([^"]*)">', form):
        kept.setdefault(name, []).append(value)
    return re.search(r'action="([^"]*)"', form)[1], kept


def fields_of(answer) -> list[str]:
    return list(dict.fromkeys(re.findall(r'name="ask-(\w+)"', text(answer))))


def went(client, asked, headers=None, **typed):
    """Send the form with what was typed."""
    url, kept = form_of(asked)
    return client.post(
        url, {**kept, **{f"ask-{name}": value for name, value in typed.items()}}, headers=headers or {}
    )


SURFACES = {
    "board": ("/tickets/{pk}/moved", {"status": "{to}", "from": "{here}", "part": "toast"}),
    "inbox": ("/inbox/all-open/{pk}/status", {"status": "{to}"}),
    "panel": ("/inbox/all-open/{pk}/properties/hs_pipeline_stage/save", {"value": "{to}"}),
    "pipeline": ("/inbox/all-open/{pk}/properties/hs_pipeline/save", {"value": "{to}"}),
    "table": ("/tickets/{pk}/cells/hs_pipeline_stage/save", {"value": "{to}", "cols": "hs_pipeline_stage"}),
}  # fmt: skip


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["part", "page"])
@pytest.mark.parametrize("surface", SURFACES)
def test_wherever_a_ticket_is_moved_the_status_asks_and_all_is_done_in_one_write_R_REQ_1(
    office, grace, ticket, asking, surface, headers
):
    url, form = SURFACES[surface]
    to, here = stage_of(office, "Closed"), stage_of(office, "Waiting on contact")
    before = office.again(ticket)

    asked = grace.post(
        url.format(pk=ticket.pk), {name: value.format(to=to, here=here) for name, value in form.items()}, headers=headers,
    )  # fmt: skip
    kept = office.again(ticket)
    empty = went(grace, asked, headers, hs_resolution="", note="Talked to her")
    again = office.again(ticket)
    done = went(grace, empty, headers, hs_resolution="ISSUE_FIXED", note="Talked to her")

    assert (asked.status_code, empty.status_code) == (422, 422)
    assert fields_of(asked) == ["hs_resolution", "note"]
    assert ('hx-target="#drawer"' in text(asked)) is bool(headers)
    assert ("Required" in text(asked), "Optional" in text(asked)) == (True, True)
    assert "aria-invalid" not in text(asked)  # nothing was typed yet
    assert 'id="ask-hs_resolution-error"' in text(empty)
    assert 'value="Talked to her"' in text(empty)
    assert kept.version == again.version == before.version  # who cancels leaves the ticket where it was
    assert done.status_code == (200 if headers else 302)
    moved = office.again(ticket)
    assert (moved.stage_id, moved.resolution, moved.properties["note"]) == (
        to,
        "ISSUE_FIXED",
        "Talked to her",
    )
    assert moved.version == before.version + 1


def test_what_is_optional_is_shown_and_may_stay_empty_R_REQ_1(office, grace, ticket, asking):
    with office.inside():
        tickets.update(ticket.pk, {"hs_resolution": "ISSUE_FIXED"}, by=SYSTEM)
    url, form = f"/inbox/all-open/{ticket.pk}/status", {"status": stage_of(office, "Closed")}

    asked = grace.post(url, form, headers=HTMX)
    went(grace, asked, HTMX, hs_resolution="ISSUE_FIXED", note="")

    assert '<option value="ISSUE_FIXED" selected' in text(asked)
    assert stands_in(office, ticket) == "Closed"


def test_nobody_is_asked_for_what_is_there_R_REQ_1(office, grace, ticket, asking):
    with office.inside():
        tickets.update(ticket.pk, {"hs_resolution": "ISSUE_FIXED", "note": "Known"}, by=SYSTEM)

    grace.post(f"/inbox/all-open/{ticket.pk}/status", {"status": stage_of(office, "Closed")}, headers=HTMX)

    assert stands_in(office, ticket) == "Closed"


def test_whom_rules_do_not_bind_is_shown_the_form_and_may_leave_it_empty_R_REQ_2(office, ada, ticket, asking):
    asked = ada.post(f"/tickets/{ticket.pk}/moved", {"status": stage_of(office, "Closed")}, headers=HTMX)

    assert "Required" not in text(asked)
    went(ada, asked, HTMX, hs_resolution="", note="")
    assert stands_in(office, ticket) == "Closed"


def test_a_rule_that_forbids_the_move_is_said_before_anything_is_asked_R_RULE_12(office, grace, ticket):
    rules(
        office,
        "ticket",
        forbids_skipping=True,
        forbids_going_back=True,
        asks={"Closed": (Ask("hs_resolution", True),)},
    )

    refused = grace.post(f"/tickets/{ticket.pk}/moved", {"status": stage_of(office, "Closed")}, headers=HTMX)

    assert (refused.status_code, text(refused)) == (400, SKIPS)


def test_a_form_that_comes_back_late_does_not_move_what_somebody_else_moved(office, grace, ticket, asking):
    form = {
        "status": stage_of(office, "Closed"),
        "from": stage_of(office, "Waiting on contact"),
        "part": "toast",
    }
    asked = grace.post(f"/tickets/{ticket.pk}/moved", form, headers=HTMX)
    with office.inside() as world:
        tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)

    late = went(grace, asked, HTMX, hs_resolution="ISSUE_FIXED")

    assert (late.status_code, stands_in(office, ticket)) == (409, "New")
    assert office.again(ticket).resolution is None


def test_what_was_no_move_when_it_was_begun_is_refused_in_words_R_REQ_1(office, grace, ticket, asking, monkeypatch):  # fmt: skip
    """Somebody reopens a ticket while a colleague, who sees it closed, closes it."""
    move, new, closed = tickets.move, stage_of(office, "New"), stage_of(office, "Closed")
    with office.inside():
        move(ticket.pk, to=closed, by=SYSTEM)

    def after_another(ticket_id, **how):
        move(ticket_id, to=new, by=SYSTEM)
        return move(ticket_id, **how)

    monkeypatch.setattr(tickets, "move", after_another)
    answer = grace.post(f"/inbox/all-open/{ticket.pk}/status", {"status": closed}, headers=HTMX)

    assert (answer.status_code, "“Closed” asks for: Resolution" in text(answer)) == (422, True)


def test_after_the_form_the_board_is_drawn_and_can_be_taken_back_R_REQ_1(office, grace, ticket, asking):
    form = {
        "status": stage_of(office, "Closed"),
        "from": stage_of(office, "Waiting on contact"),
        "part": "toast",
    }
    grace.post(f"{board_url(office)}/collapse", {"open": form["status"]})
    asked = grace.post(f"/tickets/{ticket.pk}/moved", form, headers=HTMX)

    done = text(went(grace, asked, HTMX, hs_resolution="ISSUE_FIXED"))

    assert 'hx-target="#board"' in text(asked)
    assert f'id="card-{ticket.pk}"' in done.partition(f'id="column-{stage_of(office, "Closed")}"')[2]
    assert "Moved to Closed" in done
    assert 'hx-target="#toasts"' in done


@pytest.mark.parametrize("key", ["deals", "projects"])
def test_other_records_are_asked_on_board_page_and_cell_alike_R_REQ_1(office, grace, key):
    kind, name = key[:-1], "dealname" if key == "deals" else "hs_name"
    with office.inside():
        made = [objects.create(kind, {name: str(number)}, by=SYSTEM).id for number in range(3)]
        properties.create(kind, "colour", "Colour", Kind.TEXT, by=SYSTEM)
        second = pipelines_of(kind).default.stages[1]
    rules(office, kind, asks={second.label: (Ask("colour", True),)})
    status = "dealstage" if kind == "deal" else "hs_pipeline_stage"
    there = [reverse("record-moved", args=[key, pk]) for pk in made[:2]]
    cell = reverse("record-cell-save", args=[key, made[2], status])

    asked = [
        grace.post(there[0], {"status": second.id, "part": "toast"}, headers=HTMX),
        grace.post(there[1], {"status": second.id, "part": "page"}, headers=HTMX),
        grace.post(cell, {"value": second.id}, headers=HTMX),
    ]
    done = [went(grace, one, HTMX, colour="Red") for one in asked]

    assert [one.status_code for one in asked] == [422] * 3
    assert [one.status_code for one in done] == [200] * 3
    assert "Moved to" in text(done[0])
    assert done[1].headers["HX-Redirect"] == reverse("record", args=[key, made[1]])
    with office.inside():
        found = [model_of(kind).objects.get(pk=pk) for pk in made]
    assert {(one.stage_id, one.properties["colour"]) for one in found} == {(second.id, "Red")}


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["part", "page"])
def test_a_move_on_the_board_is_taken_back_whatever_the_rules_say_R_RULE_9(office, grace, ticket, headers):
    asks = {"Waiting on contact": (Ask("hs_resolution", True),)}
    rules(office, "ticket", forbids_going_back=True, asks=asks)
    there, here = f"/tickets/{ticket.pk}/moved", stage_of(office, "Waiting on contact")
    moved = grace.post(
        there, {"status": stage_of(office, "Closed"), "from": here, "part": "toast"}, headers=HTMX
    )
    at = re.search(r'name="at" value="([^"]*)"', text(moved))[1]

    back = grace.post(there, {"at": at}, headers=headers)

    assert back.status_code == (200 if headers else 302)
    stands = office.again(ticket)
    assert (stands.stage_id, stands.closed_at) == (here, None)


def test_what_is_not_ones_own_move_of_just_now_is_not_taken_back(office, grace, ada, ticket):
    there, us = f"/tickets/{ticket.pk}/moved", stage_of(office, "Waiting on us")
    moved = grace.post(there, {"status": us, "part": "toast"}, headers=HTMX)
    at = re.search(r'name="at" value="([^"]*)"', text(moved))[1]
    long_ago = "2026-01-01T00:00:00+00:00"

    answers = [ada.post(there, {"at": at}, headers=HTMX), grace.post(there, {"at": long_ago}, headers=HTMX), grace.post(there, {"at": "now"}, headers=HTMX)]  # fmt: skip

    assert [one.status_code for one in answers] == [409, 409, 400]
    assert stands_in(office, ticket) == "Waiting on us"


# ── together with a reply ────────────────────────────────────────────────────────────────────────────────────────────


def reply(office, client, ticket, headers=HTMX, **more):
    form = {
        "body": "All is well.",
        "set_status": stage_of(office, "Closed"),
        "kept_as": "reply",
        "send_key": "k1",
    }
    return client.post(f"/inbox/all-open/{ticket.pk}/answer", form | more, headers=headers)


@pytest.mark.parametrize("seconds", [0, 10])
@pytest.mark.parametrize("headers", [HTMX, {}], ids=["part", "page"])
def test_a_reply_that_sets_a_status_brings_what_that_asks_for_R_REQ_1(
    office, grace, ticket, asking, settings, seconds, headers
):
    settings.UNDO_SEND_SECONDS = seconds

    asked = reply(office, grace, ticket, headers)
    before = (len(office.messages(ticket)), waiting(office), stands_in(office, ticket))
    with office.inside():
        kept = Draft.objects.get(ticket_id=ticket.pk).body
    done = went(grace, asked, headers, hs_resolution="ISSUE_FIXED", note="Talked to her")
    leave(office)

    assert fields_of(asked) == ["hs_resolution", "note"]
    assert before == (1, [], "Waiting on contact")
    assert kept == "All is well."
    assert done.status_code == (200 if headers else 302)
    assert [one.text for one in office.messages(ticket)][1:] == ["All is well."]
    moved = office.again(ticket)
    assert (stands_in(office, ticket), moved.resolution, moved.properties["note"]) == (
        "Closed", "ISSUE_FIXED", "Talked to her",
    )  # fmt: skip


def test_what_keeps_a_reply_back_is_said_before_its_status_asks(office, grace, ticket, asking):
    empty = reply(office, grace, ticket, body=" ")
    doubted = reply(office, grace, ticket, body="See the attached invoice.")

    for answer in (empty, doubted):
        assert answer.status_code == 422
        assert "composer-notice" in text(answer)
        assert fields_of(answer) == []


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_tickets_are_asked_for_once_and_those_that_lack_it_get_it_R_REQ_3(office, grace, ticket, asking):
    known = office.mail("Known")
    with office.inside():
        tickets.update(known.pk, {"note": "Mine"}, by=SYSTEM)
    form = {"ids": [ticket.pk, known.pk], "status": stage_of(office, "Closed")}

    asked = grace.post("/inbox/all-open/bulk", form, headers=HTMX)
    done = went(grace, asked, HTMX, hs_resolution="ISSUE_FIXED", note="Everybody's")

    assert asked.status_code == 422
    assert "Move 2 tickets" in text(asked)
    assert ("2 tickets lack it." in text(asked), "1 ticket lacks it." in text(asked)) == (True, True)
    assert done.status_code == 200
    assert [stands_in(office, one) for one in (ticket, known)] == ["Closed", "Closed"]
    assert [office.again(one).properties["note"] for one in (ticket, known)] == ["Everybody's", "Mine"]
    assert {office.again(one).resolution for one in (ticket, known)} == {"ISSUE_FIXED"}


@pytest.mark.parametrize("form", [{"status": "{to}"}, {"close": "1"}], ids=["status", "close"])
def test_of_many_those_that_still_lack_something_are_told_and_the_rest_goes_R_REQ_3(
    office, grace, ticket, asking, form
):
    ready = office.mail("Ready")
    with office.inside():
        tickets.update(ready.pk, {"hs_resolution": "ISSUE_FIXED"}, by=SYSTEM)
    to = stage_of(office, "Closed")
    form = {name: value.format(to=to) for name, value in form.items()}

    asked = grace.post("/inbox/all-open/bulk", {"ids": [ticket.pk, ready.pk], **form}, headers=HTMX)
    done = went(grace, asked, HTMX, hs_resolution="", note="")

    assert f"#{ticket.number} {ticket.subject}: “Closed” asks for: Resolution. Fill this in first." in text(
        done
    )
    assert [stands_in(office, one) for one in (ticket, ready)] == ["Waiting on contact", "Closed"]


def test_what_is_asked_of_many_costs_as_many_queries_as_of_few_R_REQ_3(office, grace, asking):
    def count(number):
        ids = [office.mail(f"Question {number} {one}").pk for one in range(number)]
        with CaptureQueriesContext(connection) as first:
            asked = grace.post("/inbox/all-open/bulk", {"ids": ids, "close": "1"}, headers=HTMX)
        with CaptureQueriesContext(connection) as second:
            went(grace, asked, HTMX, hs_resolution="ISSUE_FIXED", note="Done")
        return len(first), len(second)

    count(2)  # what is asked for once in a process
    assert count(2) == count(9)


def test_without_scripts_many_are_asked_on_a_page_R_REQ_3(office, grace, ticket, asking):
    asked = grace.post("/inbox/all-open/bulk", {"ids": [ticket.pk], "close": "1"})

    assert "<html" in text(asked)
    assert went(grace, asked, hs_resolution="ISSUE_FIXED").status_code == 302
    assert stands_in(office, ticket) == "Closed"


def chosen(page: str, name: str) -> list[str]:
    """What somebody may choose in the form for a property; empty where it is typed."""
    select = page.partition(f'name="ask-{name}"><option')[2].partition("</select>")[0]
    return [
        value for value in (
            *re.findall(rf'<input type="checkbox" name="ask-{name}" value="([^"]*)"', page),
            *re.findall(r' value="([^"]*)"', select),
        ) if value
    ]  # fmt: skip


TYPED = {Kind.TEXT: "Words", Kind.NUMBER: "12", Kind.DATE: "2026-11-24", Kind.DATETIME: "2026-11-24T09:30"}


@pytest.mark.parametrize("kind", ["ticket", "deal", "project"])
def test_whatever_a_status_may_ask_for_can_be_given_R_REQ_1(office, grace, kind):
    record = office.mail().pk if kind == "ticket" else 0
    with office.inside():
        for own, shown, label in OFFERED:
            options = [{"value": one, "label": one} for one in ("a", "b")] if own in CHOICES else []
            properties.create(kind, f"own_{own.value}_{shown}", str(label), own, options=options, field_type=shown, by=SYSTEM)  # fmt: skip
        if kind == "ticket":
            tags.arrange([Option("", "Urgent", "red")], by=SYSTEM)
        else:
            record = objects.create(kind, {required_of(kind)[0]: "Fjällbo"}, by=SYSTEM).id
        known, to = askable(kind), pipelines_of(kind).default.stages[1]
    rules(office, kind, asks={to.label: tuple(Ask(prop.name, True) for prop in known)})
    there = (
        f"/tickets/{record}/moved" if kind == "ticket" else reverse("record-moved", args=[f"{kind}s", record])
    )

    asked = grace.post(there, {"status": to.id, "part": "toast"}, headers=HTMX)
    page = text(asked)
    given = {prop.name: (chosen(page, prop.name) or [TYPED.get(prop.kind, "")])[-1] for prop in known}
    done = went(grace, asked, HTMX, **given)

    assert fields_of(asked) == [prop.name for prop in known]
    assert done.status_code == 200, text(done)
    with office.inside():
        moved = model_of(kind).objects.get(pk=record)
        values = {prop.name: value_of(moved, prop) for prop in known}
    assert moved.stage_id == to.id
    assert [name for name, value in values.items() if value in (None, "", [])] == []
    assert {prop.kind for prop in known} >= {*TYPED, Kind.ENUM, Kind.MULTI, Kind.BOOL, Kind.REF, Kind.REFS}


def test_what_has_nothing_to_choose_from_is_not_asked_for_and_the_settings_say_why_R_REQ_1(office, ada):
    with office.inside():
        pipeline = pipelines_of("deal").default

    page = text(ada.get(reverse("pipeline-rules", args=[pipeline.id])))

    assert "Not offered, because they have no options to choose from yet: Deal type, Priority." in page
    with pytest.raises(Invalid):
        rules(office, "deal", asks={pipeline.stages[1].label: (Ask("dealtype", True),)})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("own_person", "0", "Choose somebody of this account."),
        ("hs_assigned_team_ids", "0", "There is no such team."),
    ],
)
def test_what_is_nobody_here_is_refused_in_its_field_R_REQ_1(office, grace, name, value, said):
    with office.inside():
        properties.create("deal", "own_person", "Person", Kind.REF, by=SYSTEM)
        deal = objects.create("deal", {"dealname": "Fjällbo"}, by=SYSTEM).id
        to = pipelines_of("deal").default.stages[1]
    rules(office, "deal", asks={to.label: (Ask(name, True),)})
    asked = grace.post(reverse("record-moved", args=["deals", deal]), {"status": to.id}, headers=HTMX)

    refused = went(grace, asked, HTMX, **{name: value})

    assert refused.status_code == 422
    assert said in text(refused).partition(f'id="ask-{name}-error"')[2]


# ── many rows of a table at once ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def make(office):
    """Records of a kind, by their names, with these properties."""

    def made(key, *names, **values):
        with office.inside():
            kind = key[:-1]
            named = required_of(kind)[0]
            return [objects.create(kind, {named: name, **values}, by=SYSTEM).id for name in names]

    return made


def ticked(key) -> str:
    return reverse("records-ticked", args=[key])


def stages_of(office, kind, ids) -> list[int]:
    with office.inside():
        rows = model_of(kind).objects.filter(pk__in=ids).order_by("pk")
        return [row.stage_id for row in rows]


@pytest.mark.parametrize(("key", "kind"), [("deals", "deal"), ("projects", "project")])
def test_many_rows_move_and_those_that_lack_what_is_required_are_told_R_REQ_3(office, grace, make, key, kind):
    with office.inside():
        properties.create(kind, "colour", "Colour", Kind.TEXT, by=SYSTEM)
        first, to = pipelines_of(kind).default.stages[:2]
    rules(office, kind, asks={to.label: (Ask("colour", True),)})
    ready, lacking = make(key, "Ready", colour="Red"), make(key, "Lamps", "Chairs")

    asked = grace.post(ticked(key), {"ids": [*ready, *lacking], "status": to.id}, headers=HTMX)
    untouched = stages_of(office, kind, [*ready, *lacking])
    empty = went(grace, asked, HTMX, colour="")

    assert (asked.status_code, untouched) == (422, [first.id] * 3)
    assert "Move 3 records" in text(asked)
    assert "2 records lack it." in text(asked)
    assert "What you fill in goes to the records that lack it." in text(asked)
    assert 'hx-target="#table-part"' in text(asked)
    assert "1 record: " + to.label in text(empty)
    assert "2 records were not changed." in text(empty)
    assert f"Chairs: “{to.label}” asks for: Colour. Fill this in first." in text(empty)
    assert stages_of(office, kind, [*ready, *lacking]) == [to.id, first.id, first.id]


def test_what_is_filled_in_goes_to_those_that_lack_it_and_all_is_taken_back_R_REQ_3(office, grace, make):
    with office.inside():
        first, to = pipelines_of("deal").default.stages[:2]
    rules(office, "deal", asks={to.label: (Ask("description", True),)})
    ids = [*make("deals", "Ready", description="Lamps"), *make("deals", "Lacking")]

    asked = grace.post(ticked("deals"), {"ids": ids, "status": to.id}, headers=HTMX)
    done = went(grace, asked, HTMX, description="Chairs")
    moved = stages_of(office, "deal", ids)
    with office.inside():
        said = [model_of("deal").objects.get(pk=pk).properties["description"] for pk in ids]
    undo = dict(re.findall(r'<input type="hidden" name="(at|ids)" value="([^"]*)"', text(done)))
    back = grace.post(ticked("deals"), undo, headers=HTMX)

    assert (moved, said) == ([to.id] * 2, ["Lamps", "Chairs"])
    assert 'id="table-part"' in text(done)
    assert "Taken back" in text(back)
    assert stages_of(office, "deal", ids) == [first.id] * 2


def test_rules_and_rights_hold_for_each_of_many_rows_R_RULE_12(office, grace, make):
    with office.inside():
        first, _second, third = pipelines_of("deal").default.stages[:3]
    rules(office, "deal", forbids_skipping=True)
    behind, ahead = make("deals", "Behind"), make("deals", "Ahead", dealstage=third.id)

    done = text(grace.post(ticked("deals"), {"ids": [*behind, *ahead, 987654], "status": third.id}, headers=HTMX))  # fmt: skip

    assert "Behind: Records of" in done
    assert "Nothing changed" in done
    assert "987654" not in done
    assert stages_of(office, "deal", behind) == [first.id]


def test_without_scripts_rows_are_moved_and_the_page_says_so_R_REQ_3(office, grace, make):
    with office.inside():
        to = pipelines_of("deal").default.stages[1]
    ids = make("deals", "One", "Two")

    page = grace.post(ticked("deals") + "?list=mine", {"ids": ids, "status": to.id}, follow=True)

    assert page.redirect_chain[-1][0] == "/records/deals/table?list=mine"
    assert f"2 records: {to.label}" in text(page)
    assert grace.post(ticked("deals"), {"status": to.id}).status_code == 400
    assert grace.post(ticked("deals"), {"ids": ids, "status": "987654"}).status_code == 400


def test_many_rows_cost_no_more_queries_than_two_R_REQ_3(office, grace, make):
    with office.inside():
        _first, to = pipelines_of("deal").default.stages[:2]
    rules(office, "deal", asks={to.label: (Ask("description", True),)})

    def queries(ids) -> int:
        asked = grace.post(ticked("deals"), {"ids": ids, "status": to.id}, headers=HTMX)
        with CaptureQueriesContext(connection) as captured:
            went(grace, asked, HTMX, description="Lamps")
        assert stages_of(office, "deal", ids) == [to.id] * len(ids)
        return len(captured)

    queries(make("deals", "First", "Second"))
    few = queries(make("deals", "One", "Two"))

    assert queries(make("deals", *map(str, range(30)))) <= few


def test_tables_offer_to_tick_what_the_viewer_may_move_R_REQ_3(office, grace, make):
    one = make("deals", "One")[0]
    page = text(grace.get(reverse("records-table", args=["deals"])))

    assert f'name="ids" value="{one}" form="ticked"' in page
    assert 'name="enroll"' not in page  # an agent has no workflows
    with office.inside():
        assert page.count('class="menu-item" name="status"') == len(pipelines_of("deal").default.stages)
    office.role(office.world.grace, records={"deal": {"view": "all"}})
    seen = grace.get(reverse("records-table", args=["deals"]))
    assert (seen.status_code, "One" in text(seen), 'form="ticked"' in text(seen)) == (200, True, False)
