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
from deskhand.crm.pipelines.rules import Rules
from deskhand.crm.records import objects, tickets
from deskhand.events.types import SYSTEM

HTMX = {"HX-Request": "true"}
NAMES = ["New", "Waiting on contact", "Waiting on us", "Closed"]


@pytest.fixture
def grace(office, sign_in):
    """An agent, whom rules bind."""
    return sign_in(office.world.grace)


@pytest.fixture
def ada(office, sign_in):
    """A Super Admin, whom they don't bind (R-RULE-4)."""
    return sign_in(office.world.ada)


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
    assert len(adds.findall(text(ada.get(board_url(office))))) == 4


def test_the_board_of_other_records_keeps_the_rules_too_R_RULE_5_R_RULE_8(office, grace):
    with office.inside():
        first, second, third = [stage.label for stage in pipelines_of("deal").default.stages][:3]
    rules(office, "deal", forbids_skipping=True, creation=[second])

    page = text(grace.get(reverse("records-board", args=["deals"])))

    assert re.findall(r'id="add-(\d+)"', page) == [str(stage_of(office, second, "deal"))]
    assert f'"{stage_of(office, third, "deal")}": "Records of' in page.partition(f'id="column-{stage_of(office, first, "deal")}"')[2]  # fmt: skip


def test_many_columns_and_cards_cost_no_more_for_the_rules_R_RULE_8(office, grace, strict):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert grace.get(board_url(office)).status_code == 200
        return len(captured)

    office.mail("First")
    few = queries()
    for number in range(12):
        office.mail(f"Question {number}")

    assert queries() <= few


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


def test_of_many_each_is_told_what_is_allowed_R_RULE_12(office, grace, ticket, strict):
    answer = grace.post(
        "/inbox/all-open/bulk", {"ids": [ticket.pk], "status": stage_of(office, "Closed")}, headers=HTMX
    )

    assert SKIPS in text(answer)
    assert stands_in(office, ticket) == "Waiting on contact"
