"""Boards, tables and pages of deals, projects and own kinds of records, by plain forms and in parts."""

import html
import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from deskhand.accounts import users
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import associations, companies, objects, tasks, tickets
from deskhand.crm.records.models import Association, Deal, PropertyChange, Task
from deskhand.crm.records.tables import model_of
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Incomplete, Invalid
from deskhand.testing.world import add_stage
from deskhand.web import times
from deskhand.web.objects.tabs import sort_for
from deskhand.web.tests.conftest import queries_of, selected

HTMX = {"HX-Request": "true"}
KEYS = {"deal": "deals", "project": "projects"}


@pytest.fixture
def bob(office, sign_in):
    """An agent, whom rules bind."""
    return sign_in(office.world.bob)


@pytest.fixture(params=["deal", "project", "own"])
def kind(request, office):
    if request.param != "own":
        return request.param
    with office.inside():
        own = object_types.create("machines", "Machine", "Machines", by=SYSTEM)
        return objects.switch_pipelines(own.key, True, by=SYSTEM).key


@pytest.fixture
def key(kind):
    return KEYS.get(kind, kind)


@pytest.fixture
def named(kind):
    """What a record of this kind is called by."""
    return "dealname" if kind == "deal" else "hs_name"


@pytest.fixture
def make(office, kind, named):
    def of(name="Press 4", **more):
        with office.inside():
            return objects.create(kind, {named: name, **more}, by=SYSTEM).id

    return of


@pytest.fixture
def deal(office):
    with office.inside():
        return objects.create("deal", {"dealname": "Fjällbo", "amount": "1200"}, by=SYSTEM).id


def url(name, *args):
    return reverse(name, args=args)


def text(response):
    return response.content.decode()


def stages_of(office, kind):
    with office.inside():
        return [stage.id for stage in pipelines_of(kind).default.stages]


def rules(office, kind, given):
    with office.inside():
        found = pipelines.find(kind, pipelines_of(kind).default.id)
        pipelines.set_rules(found, given, by=SYSTEM)


def again(office, kind, pk):
    with office.inside():
        return model_of(kind).objects.get(pk=pk)


# ── boards and tables ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_board_has_a_column_for_every_status_and_the_records_in_it(office, ada, kind, key, make):
    make("Press 4")
    page = text(ada.get(url("records-board", key)))

    assert page.count('class="board-column"') == len(stages_of(office, kind))
    assert "Press 4" in page
    assert ada.get(url("records", key)).headers["Location"] == url("records-board", key)
    assert ada.get(url("records-board", key), headers=HTMX).status_code == 200


def test_the_rail_and_the_side_lead_there_by_their_own_names_R_OBJ_5(office, ada, kind, key, make):
    with office.inside():
        called = object_types.labels_of(kind).plural

    page = text(ada.get(url("records-table", key)))

    assert f'href="{url("records", key)}"' in page
    assert page.count(called) >= 2


@pytest.mark.parametrize("more", [{"headers": HTMX}, {}], ids=["part", "page"])
def test_a_card_is_moved_and_taken_back_whatever_the_rules_say_R_RULE_9(office, bob, kind, key, make, more):
    pk, (first, second, *_rest) = make(), stages_of(office, kind)
    rules(office, kind, Rules(forbids_going_back=True))
    there, before = url("record-moved", key, pk), again(office, kind, pk)

    moved = bob.post(there, {"status": second, "from": first, "part": "toast"}, headers=HTMX)
    at = re.search(r'name="at" value="([^"]*)"', text(moved))[1]
    assert again(office, kind, pk).stage_id == second
    back = bob.post(there, {"at": at}, **more)

    assert back.status_code == (200 if more else 302)
    stands = again(office, kind, pk)
    assert (stands.stage_id, stands.is_closed, stands.last_closed_at) == (first, False, before.last_closed_at)


def test_who_was_faster_is_not_overrun(office, ada, deal):
    first, second, third = stages_of(office, "deal")[:3]
    with office.inside():
        objects.move("deal", deal, to=second, by=SYSTEM)

    late = ada.post(url("record-moved", "deals", deal), {"status": third, "from": first, "part": "toast"}, headers=HTMX)  # fmt: skip

    assert late.status_code == 409
    assert again(office, "deal", deal).stage_id == second


def test_rules_bind_who_moves_by_hand_R_RULE_6_R_RULE_7(office, bob, ada, deal):
    rules(office, "deal", Rules(forbids_skipping=True, forbids_going_back=True))
    first, second, third = stages_of(office, "deal")[:3]

    skipped = bob.post(url("record-moved", "deals", deal), {"status": third, "part": "toast"}, headers=HTMX)
    bob.post(url("record-moved", "deals", deal), {"status": second})
    back = bob.post(url("record-moved", "deals", deal), {"status": first})

    assert (skipped.status_code, back.status_code) == (400, 422)
    assert again(office, "deal", deal).stage_id == second
    ada.post(url("record-moved", "deals", deal), {"status": first})
    assert again(office, "deal", deal).stage_id == first


def test_a_status_asks_for_properties_and_gets_them_in_one_write_R_REQ_1(office, bob, deal):
    second = stages_of(office, "deal")[1]
    rules(office, "deal", Rules(asks={second: (Ask("closedate", True), Ask("description", False))}))
    there = url("record-moved", "deals", deal)

    form = text(bob.post(there, {"status": second}))
    without = bob.post(
        there, {"status": second, "asked": "1", "ask-closedate": "", "ask-description": "Kept"}
    )
    bob.post(there, {"status": second, "asked": "1", "ask-closedate": "2026-12-01T09:00", "ask-description": "Soon"})  # fmt: skip

    moved = again(office, "deal", deal)
    assert 'name="ask-closedate"' in form
    assert "Optional" in form
    assert without.status_code == 422
    assert "Kept" in text(without)
    assert 'id="ask-closedate-error"' in text(without)
    assert (moved.stage_id, moved.properties["description"]) == (second, "Soon")


def test_a_table_is_searched_filtered_sorted_and_has_chosen_columns(ada, kind, key, make, named):
    make("Press 4")
    make("Lathe 9")
    there = url("records-table", key)
    asks = AnyOf((AllOf((Filter(named, Kind.TEXT, Operator.CONTAINS, ("lathe",)),)),))

    assert "Press 4" in text(ada.get(there, {"q": "press"}))
    assert "Lathe 9" not in text(ada.get(there, {"q": "press"}))
    found = text(ada.get(there, {"f": json.dumps(to_json(asks))}))
    assert "Lathe 9" in found
    assert "Press 4" not in found
    up, down = (text(ada.get(there, {"sort": sort})) for sort in ("name", "-name"))
    assert up.index("Lathe 9") < up.index("Press 4")
    assert down.index("Press 4") < down.index("Lathe 9")
    ada.post(url("records-columns", key), {"cols": ["hs_assigned_team_ids", "nonsense"]})
    assert "Assigned teams" in text(ada.get(there))
    assert ada.get(there, {"sort": "colour"}).status_code == 400


def test_what_is_looked_for_is_no_pattern(ada, make, key, kind):
    make("Press 4")

    assert "Press 4" not in text(ada.get(url("records-table", key), {"q": "%"}))


# ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cell_turns_into_its_editor_and_back(office, ada, kind, key, make, named):
    pk = make()
    cell, shown = url("record-cell", key, pk, "hubspot_owner_id"), {"cols": [named, "hubspot_owner_id"]}

    table = text(ada.get(url("records-table", key)))
    editor = text(ada.get(cell, shown, headers=HTMX))
    saved = text(ada.post(f"{cell}/save", {"value": office.world.bob.pk, **shown}, headers=HTMX))
    left = text(ada.get(url("record-row", key, pk), shown, headers=HTMX))

    assert f'hx-get="{cell}"' in table
    assert f'action="{cell}/save"' in editor
    assert f'<option value="{office.world.bob.pk}"' in editor
    assert "cell-form" not in saved
    assert "Bob" in saved
    assert saved == left
    assert again(office, kind, pk).owner_id == office.world.bob.pk


def test_the_name_and_the_status_are_cells_too(office, ada, kind, key, make, named):
    pk = make()
    status = "dealstage" if kind == "deal" else "hs_pipeline_stage"
    second = stages_of(office, kind)[1]

    page = text(ada.get(url("record-cell", key, pk, status)))
    done = ada.post(url("record-cell-save", key, pk, status), {"value": second})
    ada.post(url("record-cell-save", key, pk, named), {"value": "Lathe"}, headers=HTMX)

    assert f'<option value="{second}"' in page
    assert done.headers["Location"].startswith(url("records-table", key))
    moved = again(office, kind, pk)
    assert (moved.stage_id, moved.name) == (second, "Lathe")


@pytest.mark.parametrize("more", [{"headers": HTMX}, {}], ids=["part", "page"])
def test_what_is_refused_in_a_cell_is_said_in_it_R_RULE_12(office, bob, kind, key, make, more, named):
    pk = make()
    status = "dealstage" if kind == "deal" else "hs_pipeline_stage"
    first = stages_of(office, kind)[0]
    with office.inside():
        add_stage(pipelines.find(kind, pipelines_of(kind).default.id), "Last", StageState.CLOSED)

    empty = bob.post(url("record-cell-save", key, pk, named), {"value": " "}, **more)
    rules(office, kind, Rules(forbids_skipping=True))
    barred = bob.post(url("record-cell-save", key, pk, status), {"value": stages_of(office, kind)[-1]}, **more)  # fmt: skip
    unknown = bob.post(url("record-cell-save", key, pk, status), {"value": "99999"}, **more)

    assert (empty.status_code, barred.status_code) == (422, 422)
    assert "be empty" in text(empty)
    assert "skip a status. Allowed:" in text(barred)
    assert unknown.status_code in (404, 422)
    stands = again(office, kind, pk)
    assert (stands.name, stands.stage_id) == ("Press 4", first)


def test_only_what_may_be_changed_is_an_editor(office, sign_in, ada, deal):
    assert ada.get(url("record-cell", "deals", deal, "createdate")).status_code == 404
    assert ada.get(url("record-cell", "deals", deal, "nothing")).status_code == 404

    office.role(office.world.bob, records={"deal": {"view": "all"}})
    looker = sign_in(office.world.bob)
    assert "/cells/" not in text(looker.get(url("records-table", "deals")))
    assert looker.get(url("record-cell", "deals", deal, "amount")).status_code == 403
    assert looker.post(url("record-cell-save", "deals", deal, "amount"), {"value": "1"}).status_code == 403

    ada.post(url("record-archive", "deals", deal))
    assert "/cells/" not in text(ada.get(url("records-table", "deals"), {"list": "deleted"}))
    assert ada.post(url("record-cell-save", "deals", deal, "amount"), {"value": "1"}).status_code == 403


def test_who_gives_a_record_away_may_lose_sight_of_it(office, sign_in, deal):
    office.role(office.world.bob, records={"deal": {"view": "own", "edit": "own"}})
    with office.inside() as world:
        objects.update("deal", deal, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
    bob, cell = sign_in(office.world.bob), url("record-cell-save", "deals", deal, "hubspot_owner_id")

    answer = bob.post(cell, {"value": office.world.ada.pk}, headers=HTMX)

    assert (answer.status_code, text(answer)) == (200, "")


# ── pages of a list ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_follow_each_other(ada, kind, key, make, monkeypatch):
    monkeypatch.setattr("deskhand.crm.records.listing.PAGE", 2)
    monkeypatch.setattr("deskhand.crm.records.listing.IN_COLUMN", 2)
    ids = [make(f"Number {n}") for n in range(5)]

    first = text(ada.get(url("records-table", key)))
    second = text(ada.get(url("records-table-more", key, ids[3]), headers=HTMX))
    column = text(ada.get(url("records-board", key)))

    assert [n for n in range(5) if f"Number {n}" in first] == [3, 4]
    assert [n for n in range(5) if f"Number {n}" in second] == [1, 2]
    assert url("records-table-more", key, ids[3]) in first
    assert [n for n in range(5) if f"Number {n}" in column] == [3, 4]


def test_who_left_is_named_in_the_table(office, ada, deal):
    with office.inside() as world:
        objects.update("deal", deal, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)

    table = text(ada.get(url("records-table", "deals")))

    assert "Bob Noyce" in table[table.index("<tbody") :]


def test_an_owner_who_left_stays_until_somebody_chooses_another(office, ada, kind, key, make):
    pk = make()
    with office.inside() as world:
        objects.update(kind, pk, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)
    bob, before = office.world.bob.pk, again(office, kind, pk)
    cell, page = url("record-cell", key, pk, "hubspot_owner_id"), url("record", key, pk)

    for editor in (ada.get(cell), ada.get(page, {"open": "hubspot_owner_id"})):
        assert (str(bob), "Bob Noyce (not there any more)") in selected(editor)
    ada.post(f"{cell}/save", {"value": bob})
    ada.post(url("record-save", key, pk), {"property": "hubspot_owner_id", "value": bob})
    kept = again(office, kind, pk)
    assert (kept.owner_id, kept.version) == (bob, before.version)

    ada.post(url("record-save", key, pk), {"property": "hubspot_owner_id", "value": office.world.ada.pk})
    answer = ada.post(url("record-save", key, pk), {"property": "hubspot_owner_id", "value": bob})
    assert answer.status_code == 422
    assert again(office, kind, pk).owner_id == office.world.ada.pk


@pytest.mark.parametrize("screen", ["records-board", "records-table"])
def test_asks_no_more_for_more_records(ada, kind, key, make, screen):
    make()
    ada.get(url(screen, key))
    few = queries_of(ada, url(screen, key))
    for n in range(6):
        make(f"More {n}")

    assert queries_of(ada, url(screen, key)) == few


# ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_made_by_a_form(office, ada, kind, key, named):
    form = text(ada.get(url("record-new", key)))

    made = ada.post(url("record-add", key), {named: "Crane", "hubspot_owner_id": office.world.bob.pk})

    with office.inside():
        record = model_of(kind).objects.get()
    assert f'name="{named}"' in form
    assert (record.name, record.owner_id) == ("Crane", office.world.bob.pk)
    assert made.headers["Location"] == url("record", key, record.pk)


@pytest.mark.parametrize(
    ("language", "project", "own"),
    [
        ("en", "Create project", "Create Machine"),
        ("da", "Opret projekt", "Opret Machine"),
        ("de", "Projekt erstellen", "Machine erstellen"),
        ("it", "Crea progetto", "Crea Machine"),
        ("nb", "Opprett prosjekt", "Opprett Machine"),
    ],
)
def test_a_new_record_is_titled_as_one_says_it_whatever_its_kind_is_called_R_OBJ_5(office, ada, language, project, own):  # fmt: skip
    with office.inside(), translation.override(language):
        key = object_types.create("machines", "Machine", "Machines", by=SYSTEM).key
        assert [sort_for(one).create_label for one in ("project", key)] == [project, own]
        object_types.rename("deal", "Machine", "Machines", by=SYSTEM)
        assert sort_for("deal").create_label == own
    page, board = (text(ada.get(url(name, "deals"))) for name in ("record-new", "records-board"))
    assert "Create Machine</h1>" in page
    assert "<title>Create Machine" in page
    assert "Create Machine</span></a>" in board


def test_without_a_name_nothing_is_made_and_the_rest_is_kept(office, ada, kind, key):
    refused = ada.post(url("record-add", key), {"hubspot_owner_id": office.world.bob.pk})

    assert refused.status_code == 422
    assert "empty" in text(refused)
    with office.inside():
        assert not model_of(kind).objects.exists()


def test_a_record_begins_with_what_its_kind_and_its_status_ask_for_R_REQ_1_R_REQ_2(
    office, bob, ada, kind, key, named
):
    """Whom rules bind is told of all that is missing at once; whom they don't, and programs, may leave it out."""
    first = stages_of(office, kind)[0]
    with office.inside():
        for label in ("Colour", "Depth"):
            properties.create(kind, label.lower(), label, Kind.TEXT)
    rules(office, kind, Rules(asks={first: (Ask("colour", True), Ask("depth", False))}))

    form = text(bob.get(url("record-new", key)))
    refused = bob.post(url("record-add", key), {"status": first, "depth": "Kept", "colour": " "})
    page = text(refused)

    assert form.count("Required") == 2
    assert refused.status_code == 422
    assert f'id="field-{named}-error"' in page
    assert 'id="field-colour-error"' in page
    assert "“Colour” can't be empty." in html.unescape(page)
    assert 'value="Kept"' in page
    assert f'<option value="{first}" selected' in page
    with office.inside():
        assert not model_of(kind).objects.exists()

    made = bob.post(url("record-add", key), {named: "Crane", "status": first, "colour": "Red"})
    ada.post(url("record-add", key), {named: "Free", "status": first})
    with office.inside():
        objects.create(kind, {named: "By a program"}, by=SYSTEM)
        stored = {one.name: one.properties.get("colour") for one in model_of(kind).objects.all()}
    assert made.status_code == 302
    assert stored == {"Crane": "Red", "Free": None, "By a program": None}


def test_own_kinds_name_all_that_they_cannot_be_without(office):
    with office.inside() as world:
        own = object_types.create("machines", "Machine", "Machines", by=SYSTEM)
        properties.create(own.key, "colour", "Colour", Kind.TEXT)
        object_types.update(own.key, by=SYSTEM, required=["colour"])
        with pytest.raises(Incomplete) as refusal:
            objects.create(own.key, {}, by=Actor.user(world.bob.pk))

    assert list(refusal.value.fields) == refusal.value.value == [own.primary, "colour"]
    assert refusal.value.field == own.primary


def test_t_rule_2_people_create_records_in_the_listed_statuses_only_R_RULE_5(
    office, bob, ada, kind, key, named
):
    first, second, *_rest = stages_of(office, kind)
    rules(office, kind, Rules(limits_creation=True, creation=(second,)))

    form = text(bob.get(url("record-new", key)))
    bob.post(url("record-add", key), {named: "Mine", "status": first})
    ada.post(url("record-add", key), {named: "Hers", "status": first})

    with office.inside():
        stages = dict(model_of(kind).objects.values_list("name", "stage_id"))
        with pytest.raises(objects.Invalid):
            objects.create(kind, {named: "No", **_status(kind, first)}, by=Actor.user(office.world.bob.pk))
    assert f'<option value="{first}"' not in form
    assert stages == {"Mine": second, "Hers": first}


@pytest.fixture
def second(office, kind):
    """Another pipeline of the kind."""
    stages = [NewStage("Asked", StageState.OPEN), NewStage("Renewed", StageState.CLOSED)]
    with office.inside() as world:
        made = pipelines.create(world.account.pk, kind, "Renewals", stages, by=SYSTEM)
        return next(one for one in pipelines_of(kind).pipelines if one.id == made.pk)


def test_records_begin_in_every_pipeline_R_OBJ_8(office, ada, kind, key, second, named):

    form = text(ada.get(url("record-new", key), {"pipeline": second.id}))
    asked, renewed = second.stages
    ada.post(url("record-add", key), {named: "First", "status": asked.id})
    ada.post(url("record-add", key), {named: "Closed", "status": renewed.id})

    with office.inside():
        found = model_of(kind).objects.values_list("name", "pipeline_id", "stage_id", "is_closed")
        assert set(found) == {
            ("First", second.id, asked.id, False),
            ("Closed", second.id, renewed.id, True),
        }
    assert f'<option value="{asked.id}" selected' in form


def test_a_status_of_another_pipeline_is_refused_by_its_own_name_R_DM_6(office, kind, second, named):
    status = _status(kind, second.stages[0].id)
    with office.inside(), pytest.raises(Invalid, match="not in this pipeline") as refusal:
        objects.create(kind, {named: "Lost", **status}, by=SYSTEM)

    assert refusal.value.field in status


def test_a_record_moves_to_another_pipeline_and_back_R_PIPE_11(office, ada, kind, key, make, second):
    pk, (first, *_rest), asked = make(), stages_of(office, kind), second.stages[0]
    before = again(office, kind, pk)

    page = text(ada.get(url("record", key, pk)))
    offered = text(ada.get(url("record-move", key, pk)))
    ada.post(url("record-moved", key, pk), {"status": asked.id, "from": first})
    there = again(office, kind, pk)
    board = text(ada.get(url("records-board", key), {"pipeline": second.id}))
    ada.post(url("record-moved", key, pk), {"status": first, "from": asked.id})

    assert f'href="{url("record-move", key, pk)}"' in page
    with office.inside():
        named = [html.escape(one.label) for one in pipelines_of(kind).pipelines]
    assert re.findall(r'<h2 class="menu-label">([^<]*)<', offered) == named
    assert f'value="{asked.id}"' in offered
    assert (there.pipeline_id, there.stage_id) == (second.id, asked.id)
    assert "Press 4" in board
    back = again(office, kind, pk)
    assert (back.pipeline_id, back.stage_id) == (before.pipeline_id, first)


def test_with_one_pipeline_nothing_is_said_of_others(ada, key, make):
    pk = make()

    assert "another pipeline" not in text(ada.get(url("record", key, pk)))
    assert '<h2 class="menu-label"' not in text(ada.get(url("record-move", key, pk)))


def test_what_takes_several_lines_has_them_in_the_form(ada):
    form = text(ada.get(url("record-new", "deals")))

    assert re.search(r'<textarea[^>]* name="description"', form)


def _status(kind, stage):
    return {"dealstage" if kind == "deal" else "hs_pipeline_stage": stage}


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_tells_what_happened_and_why(office, ada, kind, key, make):
    pk = make()
    ada.post(url("record-save", key, pk), {"property": "hubspot_owner_id", "value": office.world.bob.pk})
    ada.post(url("record-moved", key, pk), {"status": stages_of(office, kind)[1]})
    ada.post(url("record-note", key, pk), {"text": "They call back on Monday."})
    ada.post(url("record-task-add", key, pk), {"title": "Send the offer", "assignee": office.world.bob.pk})

    page = text(ada.get(url("record", key, pk)))

    for said in (
        "They call back on Monday.",
        "Task added: Send the offer",
        "Bob Noyce",
        "Ada Lovelace",
        "Created",
    ):
        assert said in page
    assert 'aria-current="step"' in page


def test_a_workflow_is_named_as_the_cause(office, ada, deal):
    from deskhand.automation import lanes
    from deskhand.events.types import ActorKind

    with office.inside() as world:
        lane = lanes.add_step("deal", pipelines_of("deal").default.first_open.id, "create_task", {"title": "Call"}, by=world.ada.pk)  # fmt: skip
        by = Actor(ActorKind.WORKFLOW, lane.pk)
        objects.update("deal", deal, {"description": "Changed"}, by=by)

    assert f"workflow “{lane.name}”" in text(ada.get(url("record", "deals", deal)))


def test_a_hidden_option_is_offered_no_more(office, ada, deal):
    with office.inside():
        options = [{"value": "red", "label": "Red", "hidden": True}, {"value": "blue", "label": "Blue"}]
        properties.create("deal", "color", "Color", Kind.ENUM, options=options, by=SYSTEM)

    control = text(
        ada.get(url("record-property", "deals", deal), {"name": "color", "open": ""}, headers=HTMX)
    )

    assert 'value="blue"' in control
    assert 'value="red"' not in control


def test_a_property_is_changed_in_its_line(office, ada, kind, key, make, named):
    pk = make()

    opened = text(ada.get(url("record-property", key, pk), {"name": named, "open": ""}, headers=HTMX))
    saved = ada.post(url("record-save", key, pk), {"property": named, "value": "Press 5"}, headers=HTMX)
    refused = ada.post(url("record-save", key, pk), {"property": named, "value": " "}, headers=HTMX)

    assert 'value="Press 4"' in opened
    assert "Press 5" in text(saved)
    assert refused.status_code == 422
    assert again(office, kind, pk).name == "Press 5"
    assert ada.post(url("record-save", key, pk), {"property": "hs_pipeline_stage" if kind != "deal" else "dealstage", "value": "1"}).status_code == 404  # fmt: skip


def test_an_empty_note_is_said_to_be_empty(ada, key, make):
    refused = ada.post(url("record-note", key, make()), {"text": "  "})

    assert refused.status_code == 422
    assert "The note is empty." in text(refused)


def test_tasks_are_ticked_off_deleted_and_brought_back(office, ada, key, kind, make):
    pk = make()
    ada.post(url("record-task-add", key, pk), {"title": "Call"})
    with office.inside():
        task = Task.objects.get().pk

    ada.post(url("record-task-done", key, pk, task), {"done": "1"})
    with office.inside():
        assert Task.objects.get().completed_at
    ada.post(url("record-task-delete", key, pk, task))
    with office.inside():
        assert Task.objects.get().archived_at
    ada.post(url("record-task-delete", key, pk, task) + "?restored=1")
    with office.inside():
        assert Task.objects.get().archived_at is None
    for wrong in ({"title": " "}, {"title": "x", "due_at": "soon"}, {"title": "x", "assignee": "999999"}):
        assert ada.post(url("record-task-add", key, pk), wrong).status_code == 422


def test_a_task_is_written_and_edited_with_all_it_has(office, ada, key, make):
    """R-WFA-8: type, priority, notes, a due date and a reminder."""
    pk, soon = make(), times.field(clock.now() + timedelta(days=2))
    given = {
        "title": "Call",
        "notes": "Ask for Bo",
        "kind": "CALL",
        "priority": "HIGH",
        "due_at": soon,
        "reminder": "60",
        "assignee": "",
    }
    ada.post(url("record-task-add", key, pk), given)
    with office.inside():
        task = Task.objects.get()
    assert (task.kind, task.priority, task.due_at - task.remind_at) == ("CALL", "HIGH", timedelta(hours=1))

    page = text(ada.get(url("record", key, pk)))
    for said in ("Ask for Bo", "High", "Reminder", f"?task={task.pk}#tasks"):
        assert said in page
    form = text(ada.get(url("record", key, pk), {"task": task.pk}))
    assert url("record-task-save", key, pk, task.pk) in form
    assert 'value="60" selected' in form

    refused = ada.post(
        url("record-task-save", key, pk, task.pk), {**given, "title": " ", "notes": "Ask for Ada"}
    )
    assert refused.status_code == 422
    assert "Ask for Ada" in text(refused)
    assert "Give the task a title." in text(refused)
    ada.post(url("record-task-save", key, pk, task.pk), {**given, "reminder": "", "priority": "LOW"})
    with office.inside():
        changed = Task.objects.get()
    assert (changed.remind_at, changed.priority, changed.title) == (None, "LOW", "Call")


def test_a_record_is_deleted_and_restored(office, ada, kind, key, make):
    pk = make()
    gone = ada.post(url("record-archive", key, pk), follow=True)

    assert url("record-restore", key, pk) in text(gone)
    assert "Press 4" not in text(ada.get(url("records-table", key)))
    assert "Press 4" in text(ada.get(url("records-table", key), {"list": "deleted"}))
    ada.post(url("record-restore", key, pk))
    assert again(office, kind, pk).archived_at is None


def test_records_are_linked_and_parted_and_lead_to_each_other(office, ada, kind, key, make):
    pk = make()
    ticket = office.mail()

    found = text(ada.get(url("record-link", key, pk), {"kind": "contact", "q": "Astrid"}))
    sought = {"kind": "ticket", "q": f"#{ticket.number}"}
    before = text(ada.get(url("record-link", key, pk), sought))
    ada.post(url("record-linked", key, pk), {"kind": "ticket", "id": ticket.pk})
    after = text(ada.get(url("record-link", key, pk), sought))
    page = text(ada.get(url("record", key, pk)))
    beside = text(ada.get(url("inbox-ticket", "all-open", ticket.pk)))

    assert "Astrid Lindqvist" in found
    assert ("Refund still missing" in before, "Refund still missing" in after) == (True, False)
    assert "Refund still missing" in page
    assert url("record", key, pk) in beside
    ada.post(url("record-unlink", key, pk), {"kind": "ticket", "id": ticket.pk})
    with office.inside():
        assert not Association.objects.filter(from_type=kind).exists()
        assert PropertyChange.objects.filter(object_type=kind, property="@link").count() == 2


def test_what_a_record_is_linked_to_is_read_once_for_its_links_and_the_form_of_a_task(office, ada, deal):
    with office.inside():
        firm = companies.create("Fjällbo AB", by=SYSTEM)
        associations.link_many([("deal", deal, "company", firm.pk)], office.at)

    with CaptureQueriesContext(connection) as queries:
        page = text(ada.get(url("record", "deals", deal)))

    assert f'name="also" value="company:{firm.pk}"' in page
    assert sum('FROM "crm_company"' in one["sql"] for one in queries) == 1


# ── who sees what ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_sees_their_own_only_finds_nothing_else_R_PERM_1(office, sign_in, ada, deal):
    office.role(office.world.bob, records={"deal": {"view": "own", "edit": "own"}})
    with office.inside() as world:
        own = objects.create("deal", {"dealname": "Nordvik", "hubspot_owner_id": world.bob.pk}, by=SYSTEM).id
    bob = sign_in(office.world.bob)

    for page in (bob.get(url("records-board", "deals")), bob.get(url("records-table", "deals"))):
        assert "Nordvik" in text(page)
        assert "Fjällbo" not in text(page)
    assert bob.get(url("record", "deals", own)).status_code == 200
    for part in ("record", "record-move", "record-timeline", "record-link"):
        assert bob.get(url(part, "deals", deal)).status_code == 404
    assert bob.post(url("record-moved", "deals", deal), {"status": 1}).status_code == 404
    assert bob.post(url("record-archive", "deals", own)).status_code == 403
    assert bob.get(url("records", "projects")).status_code == 403
    assert url("records", "projects") not in text(bob.get(url("records-table", "deals")))


def test_who_may_look_only_is_offered_no_change(office, sign_in, deal):
    office.role(office.world.bob, records={"deal": {"view": "all"}})
    bob = sign_in(office.world.bob)

    page = text(bob.get(url("record", "deals", deal)))

    assert "Add note" not in page
    assert url("record-moved", "deals", deal) not in page
    assert bob.post(url("record-note", "deals", deal), {"text": "x"}).status_code == 403
    assert bob.get(url("record-new", "deals")).status_code == 403


def test_records_of_another_kind_are_not_found_under_this_one(office, ada, deal):
    with office.inside():
        kinds = [object_types.create(n, n.title(), n.title(), by=SYSTEM).key for n in ("rooms", "halls")]
        room = objects.create(kinds[0], {"hs_name": "Blue"}, by=SYSTEM).id

    assert ada.get(url("record", kinds[0], room)).status_code == 200
    assert ada.get(url("record", kinds[1], room)).status_code == 404
    assert ada.get(url("records", "tickets")).status_code == 404
    assert ada.get(url("records-board", kinds[0])).status_code == 404
    assert ada.get(url("records", kinds[0])).headers["Location"] == url("records-table", kinds[0])


def test_late_tasks_stand_on_the_card(office, ada, deal):
    with office.inside():
        due = Deal.objects.get().created_at - timedelta(days=2)
        tasks.create("deal", deal, Wanted("Call", due_at=due), by=SYSTEM)

    assert "Next task" in text(ada.get(url("records-board", "deals")))
    assert "1,200" in text(ada.get(url("records-board", "deals")))


def test_a_link_needs_kinds_that_are_known(office, deal):
    with office.inside() as world:
        ticket = tickets.create(tickets.NewTicket("Refund"), by=SYSTEM).id
        assert associations.connect("deal", deal, "ticket", ticket, by=Actor.user(world.ada.pk))
        assert not associations.connect("deal", deal, "ticket", ticket, by=Actor.user(world.ada.pk))


def test_cards_of_deals_show_amount_close_date_and_priority_R_BOARD_2(office, ada, deal):
    with office.inside():
        told = {"amount": "12500", "deal_currency_code": "DKK", "closedate": "2026-12-01T09:00:00Z", "hs_priority": "high"}  # fmt: skip
        objects.update("deal", deal, told, by=SYSTEM)

    def words() -> list[str]:
        card = re.search(rf'(?s)id="card-{deal}".*?</li>', text(ada.get(url("records-board", "deals"))))[0]
        return [word for part in re.sub(r"<[^>]+>", "|", card).split("|") if (word := part.strip())][1:]

    assert words()[:5] == ["Fjällbo", "12,500 DKK", "Close date", "1 Dec, 09:00", "High"]
    with office.inside():
        row = pipelines.find("deal", pipelines_of("deal").default.id)
        pipelines.set_cards(row, ["deal_currency_code"], by=SYSTEM)
    assert words()[:3] == ["Fjällbo", "Currency", "DKK"]


@pytest.mark.parametrize(
    ("sort", "value", "told"), [(Kind.NUMBER, 12, "12"), (Kind.MULTI, ["b"], "Beds")], ids=["number", "several"]
)  # fmt: skip
def test_what_is_called_amount_and_is_no_money_is_a_property_like_others_R_BOARD_2(office, ada, sort, value, told):  # fmt: skip
    options = [{"value": "b", "label": "Beds"}] if sort is Kind.MULTI else []
    with office.inside():
        properties.create("project", "amount", "Amount", sort, options=options, by=SYSTEM)
        pipeline = pipelines.find("project", pipelines_of("project").default.id)
        pipelines.set_cards(pipeline, ["amount"], by=SYSTEM)
        pk = objects.create("project", {"hs_name": "Barn", "amount": value}, by=SYSTEM).id

    card = re.search(rf'(?s)id="card-{pk}".*?</dl>', text(ada.get(url("records-board", "projects"))))[0]

    assert re.sub(r"<[^>]+>|\s+", " ", card).split()[-2:] == ["Amount", told]
    assert ada.get(url("record", "projects", pk)).status_code == 200
    assert "With its label" in text(ada.get(url("pipeline-cards", pipeline.pk)))


def test_columns_of_closed_statuses_are_collapsed_on_boards_of_records_R_BOARD_4(
    office, ada, kind, key, make
):
    with office.inside():
        stages = pipelines_of(kind).default.stages
    closed = next(stage.id for stage in stages if not stage.is_open)
    pk = make("Press 5")
    with office.inside():
        objects.move(kind, pk, to=closed, by=SYSTEM)

    page = text(ada.get(url("records-board", key)))
    assert page.count(" data-collapsed") == sum(not stage.is_open for stage in stages)
    assert "Press 5" not in page

    opened = ada.post(url("records-board-collapse", key), {"open": closed}).headers["Location"]
    assert "Press 5" in text(ada.get(opened))


def test_fields_on_cards_of_records_ask_the_database_nothing_more_R_BOARD_2(office, ada, kind, key, make):
    make("The first")

    def choose(*names: str) -> None:
        with office.inside():
            row = pipelines.find(kind, pipelines_of(kind).default.id)
            pipelines.set_cards(row, names, by=SYSTEM)

    choose()
    none = queries_of(ada, url("records-board", key))
    choose("hs_assigned_team_ids", "hs_is_closed", "createdate" if kind == "deal" else "hs_createdate")
    make("The second")
    assert queries_of(ada, url("records-board", key)) == none
