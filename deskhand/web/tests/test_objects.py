"""Pipelines and their statuses, rules, properties and layouts: as people set them up, by plain forms."""

import re

import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, AuditEntry, Plan
from deskhand.automation import lanes, workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, Manual, WhenTrue
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines import pipelines, rules
from deskhand.crm.pipelines.models import Pipeline, StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema import groups, layouts, properties
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import Actor
from deskhand.testing.world import World, add_stage
from deskhand.web.objects import kinds
from deskhand.web.objects import pipelines as views

NAMES = ["New", "Waiting on contact", "Waiting on us", "Closed"]


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def default(office):
    with office.inside() as world:
        return world.tickets.default


@pytest.fixture
def second(office):
    with office.inside() as world:
        return pipelines.create(
            world.account.pk, "ticket", "Returns", [NewStage("Sent back", StageState.OPEN)], by=Actor.user(world.ada.pk)
        )  # fmt: skip


def url(name, *args):
    return reverse(name, args=args)


def text(response):
    return response.content.decode()


def labels(office):
    with office.inside() as world:
        return [stage.label for stage in world.tickets.default.stages]


def stage(office, label):
    with office.inside() as world:
        return world.stage(label)


def form(stages, **more):
    """What the form of the statuses sends when nothing was touched."""
    sent = {"row": [str(one.id) for one in stages]}
    for one in stages:
        state = "OPEN" if one.is_open else "CLOSED"
        sent |= {f"label-{one.id}": one.label, f"tone-{one.id}": one.tone, f"state-{one.id}": state}
    return sent | more


# ── the way there ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tickets_leads_to_what_one_may_set_up(office, sign_in, admin, default):
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    office.role(office.world.bob, records={}, capabilities=["property_settings"])
    lanes_only, objects_only = sign_in(office.world.grace), sign_in(office.world.bob)

    assert admin.get("/settings/tickets").headers["Location"] == url("pipeline", default.id)
    assert objects_only.get("/settings/tickets").headers["Location"] == url("pipeline", default.id)
    assert lanes_only.get("/settings/tickets").headers["Location"] == url("automate", default.id)

    segments = {"pipeline", "pipeline-rules", "automate"}
    for client, shown in ((admin, segments), (objects_only, {"pipeline"}), (lanes_only, {"automate"})):
        page = text(client.get(client.get("/settings/tickets").headers["Location"]))
        found = set(page[page.index('class="pipeline-parts"') :].split("</nav>")[0].split('"'))
        assert {name for name in segments if url(name, default.id) in found} == shown


def test_the_picker_stays_with_the_part(admin, second):
    for part, name in (("configure", "pipeline"), ("rules", "pipeline-rules"), ("automate", "automate"), ("x", "pipeline")):  # fmt: skip
        answer = admin.get(url("pipeline-go"), {"pipeline": second.pk, "part": part})
        assert answer.headers["Location"] == url(name, second.pk)
    assert admin.get(url("pipeline-go"), {"pipeline": "x"}).status_code == 400
    assert admin.get(url("pipeline-go"), {"pipeline": second.pk + 99}).status_code == 404


# ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pipeline_is_made_with_statuses_to_begin_with_R_PIPE_6(office, admin):
    made = admin.post(url("pipeline-new", "tickets"), {"label": "Returns"})

    with office.inside() as world:
        found = world.tickets.pipelines[-1]
        assert found.label == "Returns"
        assert [(one.label, one.is_open) for one in found.stages] == [("New", True), ("In progress", True), ("Closed", False)]  # fmt: skip
        assert AuditEntry.objects.get().action == "pipeline.created"
    assert made.headers["Location"] == url("pipeline", found.id)


def test_a_pipeline_without_a_name_is_not_made(office, admin):
    answer = admin.post(url("pipeline-new", "tickets"), {"label": "x" * 101})

    assert answer.status_code == 422
    assert "x" * 101 in text(answer)
    assert "A name has 1 to 100 characters." in text(answer)


def test_more_pipelines_take_a_plan_R_PIPE_12(office, admin):
    Account.objects.update(plan=Plan.FREE)

    assert "has one ticket pipeline" in text(admin.get(url("pipelines", "tickets")))
    assert admin.post(url("pipeline-new", "tickets"), {"label": "Returns"}).status_code == 403


def test_pipelines_change_places_R_PIPE_5(office, admin, default, second):
    ids = [str(default.id), str(second.pk)]
    admin.post(url("pipelines-order", "tickets"), {"row": ids, "move": f"down:{default.id}"})

    with office.inside() as world:
        assert [one.label for one in world.tickets.pipelines] == ["Returns", "Support pipeline"]
    assert admin.post(url("pipelines-order", "tickets"), {"row": ids[:1]}).status_code == 409
    assert admin.post(url("pipelines-order", "tickets"), {"row": ["<script>"]}).status_code == 400


def test_a_pipeline_gets_another_name_R_PIPE_7(office, admin, default):
    admin.post(url("pipeline-name", default.id), {"label": "Help"})
    refused = admin.post(url("pipeline-name", default.id), {"label": " "})

    with office.inside() as world:
        assert (world.tickets.default.label, world.tickets.default.key) == ("Help", "0")
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in text(refused)


def test_a_pipeline_with_tickets_asks_where_they_go_R_PIPE_9(office, admin, default, second):
    with office.inside() as world:
        ticket = world.ticket(stage="Sent back")
    assert "1 ticket" in text(admin.get(url("pipeline-delete", second.pk)))

    assert admin.post(url("pipeline-deleted", second.pk)).status_code == 409
    to = stage(office, "New")
    answer = admin.post(url("pipeline-deleted", second.pk), {"move_to": to})

    assert answer.headers["Location"] == url("pipelines", "tickets")
    assert office.again(ticket).stage_id == to
    assert admin.get(url("pipeline", second.pk)).status_code == 404


def test_the_last_pipeline_stays_R_DM_3(admin, default):
    answer = admin.post(url("pipeline-deleted", default.id))

    assert answer.status_code == 422
    assert "The last pipeline can&#39;t be deleted." in text(answer)
    assert url("pipeline-delete", default.id) not in text(admin.get(url("pipelines", "tickets")))


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_form_shows_what_stands_where(office, admin, default):
    with office.inside() as world:
        world.ticket(stage="New")
        world.ticket(stage="New")
    page = text(admin.get(url("pipeline", default.id)))

    rows = re.findall(r'name="label-\d+" value="([^"]*)"', page)
    assert rows == NAMES
    assert re.findall(r"(\d+) tickets?</span>", page) == ["2", "0", "0", "0"]


def test_names_colors_states_order_and_new_ones_are_one_write_R_PIPE_6(office, admin, default):
    stages = default.stages
    sent = form(
        stages, row=[str(stages[1].id), "new1", str(stages[0].id), *(str(one.id) for one in stages[2:])]
    )
    sent |= {
        "label-new1": "On hold",
        "tone-new1": "pink",
        "state-new1": "OPEN",
        f"label-{stages[0].id}": "Fresh",
    }

    answer = admin.post(url("pipeline-stages", default.id), sent)

    assert answer.headers["Location"] == url("pipeline", default.id)
    assert labels(office) == ["Waiting on contact", "On hold", "Fresh", "Waiting on us", "Closed"]
    with office.inside() as world:
        assert {one.id for one in default.stages} < {one.id for one in world.tickets.default.stages}
        actions = list(AuditEntry.objects.order_by("number").values_list("action", flat=True))
    assert actions == ["stage.created", "pipeline.updated"]


@pytest.mark.parametrize(
    ("move", "wanted"),
    [
        ("down:0", ["Waiting on contact", "New", "Waiting on us", "Closed"]),
        ("up:3", ["New", "Waiting on contact", "Closed", "Waiting on us"]),
        ("up:0", NAMES),
        ("down:3", NAMES),
        ("sideways:1", NAMES),
    ],
)
def test_buttons_move_a_status_without_scripts(office, admin, default, move, wanted):
    direction, place = move.split(":")
    key = default.stages[int(place)].id

    admin.post(url("pipeline-stages", default.id), form(default.stages, move=f"{direction}:{key}"))

    assert labels(office) == wanted


def test_the_spare_row_is_a_status_once_it_has_a_name(office, admin, default):
    keys = [str(one.id) for one in default.stages]
    admin.post(url("pipeline-stages", default.id), form(default.stages, row=[*keys, "spare"]))
    assert labels(office) == NAMES

    more = {"label-spare": "On hold", "tone-spare": "teal", "state-spare": "CLOSED"}
    admin.post(url("pipeline-stages", default.id), form(default.stages, row=[*keys, "spare"], **more))
    assert labels(office) == [*NAMES, "On hold"]


def test_a_wrong_row_is_told_beside_it_and_nothing_is_lost(office, admin, default):
    first, second = default.stages[:2]
    sent = form(default.stages, **{f"label-{first.id}": "Brand new", f"label-{second.id}": ""})

    answer = admin.post(url("pipeline-stages", default.id), sent)

    page = text(answer)
    assert answer.status_code == 422
    assert 'value="Brand new"' in page
    assert f'id="error-{second.id}"' in page
    assert f'id="error-{first.id}"' not in page
    assert labels(office) == NAMES


def test_the_last_open_status_stays_open_R_PIPE_4(office, admin, default):
    closed = {f"state-{one.id}": "CLOSED" for one in default.stages}

    answer = admin.post(url("pipeline-stages", default.id), form(default.stages, **closed))

    assert answer.status_code == 422
    assert "A pipeline needs at least one open status. Set a status to open." in text(answer)


def test_tickets_follow_the_state_of_their_status_R_PIPE_2(office, admin, default):
    with office.inside() as world:
        ticket = world.ticket(stage="Waiting on us")
    waits = stage(office, "Waiting on us")

    admin.post(url("pipeline-stages", default.id), form(default.stages, **{f"state-{waits}": "CLOSED"}))

    assert office.again(ticket).is_closed


def test_who_was_slower_is_told(office, admin, default):
    sent = form(default.stages)
    with office.inside():
        row = Pipeline.objects.get(pk=default.id)
        add_stage(row, "On hold", StageState.OPEN)

    answer = admin.post(url("pipeline-stages", default.id), sent)

    assert answer.status_code == 409
    assert "Somebody else changed the statuses" in text(answer)
    assert 'value="On hold"' in text(answer)


def test_names_of_the_product_stay_as_they_are_stored(office, admin, default, monkeypatch):
    """They are shown in the reader's language; saving the form does not write it into the account."""
    danish = {"Closed": "Lukket", "New": "Ny"}
    monkeypatch.setattr(views, "_", lambda text: danish.get(text, text))
    page = text(admin.get(url("pipeline", default.id)))
    shown = dict(re.findall(r'name="(label-\d+)" value="([^"]*)"', page))
    assert "Lukket" in shown.values()

    admin.post(url("pipeline-stages", default.id), form(default.stages, **shown))

    assert labels(office) == NAMES


def test_a_status_says_who_would_miss_it_R_PIPE_10(office, admin, default, wired):
    us = stage(office, "Waiting on us")
    with office.inside() as world:
        lanes.add_step("ticket", us, "create_task", {"title": "Call"}, by=world.ada.pk)
        step = {"property": "hs_pipeline_stage", "value": str(us)}
        lanes.add_step("ticket", world.stage("New"), "set_property", step, by=world.ada.pk)
        given = Rules(limits_creation=True, creation=(us,), asks={us: (Ask("content", True),)})
        pipelines.set_rules(Pipeline.objects.get(pk=default.id), given, by=Actor.user(world.ada.pk))

        definition = Definition(
            "ticket", WhenTrue(Filter(f"hs_v2_date_entered_{us}", Kind.DATETIME, Operator.KNOWN))
        )
        workflows.create(world.account.pk, "By the clock", definition, by=world.ada.pk)
        told = Definition(
            "ticket",
            Manual(),
            start=Edge("1"),
            next_id=2,
            steps=(Action("1", "create_note", {"text": f"Since {{{{ ticket.hs_date_entered_{us} }}}}"}),),
        )
        workflows.create(world.account.pk, "By a text", told, by=world.ada.pk)
        gone = Filter(f"hs_time_in_{us}", Kind.DURATION, Operator.KNOWN)
        segments.create("ticket", "There once", SegmentKind.FILTER, gone, by=Actor.user(world.ada.pk))

    page = text(admin.get(url("status-delete", default.id, us)))

    assert "Workflow “Support pipeline: Waiting on us”" in page
    assert "Workflow “By the clock”" in page
    assert "Workflow “By a text”" in page
    assert "Segment “There once”" in page
    assert "Workflow “Support pipeline: New”" in page
    assert "It is set when a customer replies to an email." in page
    assert "It is set when an email is sent to a customer." not in page
    assert "Tickets may be created in it by a rule." in page
    assert "It asks for properties." in page
    assert "No ticket stands here." in page

    admin.post(url("status-deleted", default.id, us))
    with office.inside():
        assert Workflow.objects.get(origin_stage_id=us).needs_review
        assert all(one.needs_review for one in Workflow.objects.filter(name__startswith="By "))
    automate = text(admin.get(url("automate", default.id)))
    assert "The status that this set was deleted." in automate


def test_a_status_with_tickets_asks_where_they_go_R_PIPE_8(office, admin, default):
    with office.inside() as world:
        ticket = world.ticket(stage="Waiting on us")
    us, new = stage(office, "Waiting on us"), stage(office, "New")

    refused = admin.post(url("status-deleted", default.id, us))
    assert refused.status_code == 409
    assert "1 record stands in “Waiting on us”" in text(refused)
    assert admin.post(url("status-deleted", default.id, us), {"move_to": us}).status_code == 422
    assert admin.post(url("status-deleted", default.id, us), {"move_to": "x"}).status_code == 422

    answer = admin.post(url("status-deleted", default.id, us), {"move_to": new})
    assert answer.headers["Location"] == url("pipeline", default.id)
    assert office.again(ticket).stage_id == new
    assert "Waiting on us" not in labels(office)


def test_a_status_of_another_pipeline_is_not_there(office, admin, default, second):
    other = stage(office, "Sent back")

    assert admin.get(url("status-delete", default.id, other)).status_code == 404
    assert admin.post(url("status-deleted", default.id, other)).status_code == 404
    assert admin.get(url("status-delete", second.pk, other)).status_code == 200


def test_many_statuses_cost_no_more_queries(office, admin, default, django_assert_max_num_queries):
    with office.inside():
        row = Pipeline.objects.get(pk=default.id)
        for number in range(110):
            add_stage(row, f"S{number}", StageState.OPEN)

    with django_assert_max_num_queries(20):
        page = text(admin.get(url("pipeline", default.id)))

    assert "More than 100 statuses are hard to work with." in page


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def rules_of(world: World) -> Rules:
    return rules.parse(world.tickets.default.rules)


def test_rules_are_set_in_one_form_R_RULE_1(office, admin, default):
    us, closed = stage(office, "Waiting on us"), stage(office, "Closed")
    sent = {
        "limits_creation": "1", "creation": [us], "forbids_skipping": "1",
        f"ask-{closed}": ["content", "hs_ticket_priority"], f"how-{closed}-content": "shown", f"how-{closed}-hs_ticket_priority": "",
        f"new-{closed}": "hs_resolution", f"new-how-{closed}": "required",
    }  # fmt: skip

    answer = admin.post(url("pipeline-rules-save", default.id), sent)

    assert answer.status_code == 302
    with office.inside() as world:
        assert rules_of(world) == Rules(True, (us,), True, False, {closed: (Ask("content", False), Ask("hs_resolution", True))})  # fmt: skip
        assert AuditEntry.objects.get().action == "pipeline.updated"
    page = text(admin.get(url("pipeline-rules", default.id)))
    assert re.search(r'name="limits_creation" value="1" checked', page)
    assert not re.search(r'name="forbids_going_back" value="1" checked', page)
    assert f'name="ask-{closed}" value="hs_resolution"' in page


def test_wrong_rules_are_refused_and_kept_in_the_form(office, admin, default):
    closed = stage(office, "Closed")

    nowhere = admin.post(
        url("pipeline-rules-save", default.id), {"limits_creation": "1", "forbids_skipping": "1"}
    )
    unknown = admin.post(url("pipeline-rules-save", default.id), {f"new-{closed}": "hs_ticket_id"})

    assert (nowhere.status_code, unknown.status_code) == (422, 422)
    assert "Choose at least one status that tickets can be created in." in text(nowhere)
    assert re.search(r'name="forbids_skipping" value="1" checked', text(nowhere))
    with office.inside() as world:
        assert rules_of(world) == Rules()


def test_only_super_admins_set_rules_R_RULE_2(office, sign_in, default):
    office.role(office.world.grace, records={}, capabilities=["property_settings", "account_access"])
    client = sign_in(office.world.grace)

    assert client.get(url("pipeline-rules", default.id)).status_code == 403
    assert client.post(url("pipeline-rules-save", default.id)).status_code == 403


def test_rules_take_a_plan_R_RULE_11(office, admin, default):
    Account.objects.update(plan=Plan.STARTER)

    assert admin.get(url("pipeline-rules", default.id)).status_code == 404
    assert url("pipeline-rules", default.id) not in text(admin.get(url("pipeline", default.id)))


def test_an_agent_is_told_which_rule_forbids_a_move_R_RULE_12(office, sign_in, default):
    ticket = office.mail()
    with office.inside() as world:
        given = Rules(forbids_skipping=True)
        pipelines.set_rules(Pipeline.objects.get(pk=default.id), given, by=Actor.user(world.ada.pk))

    answer = sign_in(office.world.grace).post(
        url("ticket-status", "all-open", ticket.pk), {"status": stage(office, "Closed")}
    )

    assert answer.status_code == 400
    assert "can&#39;t skip a status" in text(answer) or "can't skip a status" in text(answer)
    with office.inside():
        assert not Ticket.objects.get(pk=ticket.pk).is_closed


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


def options_form(*labels):
    """Rows of options as the form of a new property sends them."""
    sent = {"row": [f"new{n}" for n in range(len(labels))]}
    for n, label in enumerate(labels):
        sent |= {f"label-new{n}": label, f"tone-new{n}": "teal"}
    return sent


@pytest.fixture
def colour(office):
    with office.inside():
        return properties.create(
            "ticket", "colour", "Colour", Kind.ENUM, options=[{"value": "r", "label": "Red"}, {"value": "b", "label": "Blue"}]
        )  # fmt: skip


def everything_of(office, object_type):
    with office.inside():
        return everything(object_type)


def known(office, object_type="ticket"):
    with office.inside():
        return properties_of(object_type)


@pytest.mark.parametrize(("key", "object_type"), [("tickets", "ticket"), ("contacts", "contact"), ("companies", "company")])  # fmt: skip
def test_the_list_shows_every_property_and_marks_what_is_built_in(office, admin, key, object_type):
    with office.inside():
        properties.create(object_type, "serial", "Serial number", Kind.TEXT, is_filterable=True)

    page = text(admin.get(url("properties", key)))

    names = re.findall(r"<code>([a-z0-9_]+)</code>", page)
    assert sorted(names) == sorted(prop.name for prop in everything_of(office, object_type))
    own = page[page.index("<code>serial</code>") :].split("</tr>")[0]
    assert "Built-in" not in own
    assert "Filterable" in own
    assert page.count("Built-in") == len(names) - 1


def test_times_by_status_are_in_the_list_R_PROP_3(office, admin):
    page = text(admin.get(url("properties", "tickets")))

    assert "Times by status" in page
    assert f"<code>hs_v2_cumulative_time_in_{stage(office, 'Closed')}</code>" in page
    assert "hs_date_entered_" not in page  # an old name


def test_the_list_is_searched_by_words_and_type(admin, colour):
    by_label = text(admin.get(url("properties", "tickets"), {"q": "COLO"}))
    by_name = text(admin.get(url("properties", "tickets"), {"q": "hs_ticket_pri"}))
    by_type = text(admin.get(url("properties", "tickets"), {"type": "duration"}))
    nothing = text(admin.get(url("properties", "tickets"), {"q": "<b>no such thing"}))

    assert re.findall(r"<code>(\w+)</code>", by_label) == ["colour"]
    assert re.findall(r"<code>(\w+)</code>", by_name) == ["hs_ticket_priority"]
    assert "time_to_close" in re.findall(r"<code>(\w+)</code>", by_type)
    assert "colour" not in re.findall(r"<code>(\w+)</code>", by_type)
    assert "No property fits" in nothing
    assert "&lt;b&gt;no such thing" in nothing


def test_a_property_is_made_with_a_name_out_of_its_label(office, admin):
    answer = admin.post(url("property-add", "tickets"), {"label": "Größe (cm)", "type": "number:number", "description": "Of the tent"})  # fmt: skip

    made = known(office)["groesse_cm"]
    assert answer.headers["Location"] == url("properties", "tickets")
    assert (made.label, made.kind, made.description) == ("Größe (cm)", Kind.NUMBER, "Of the tent")
    with office.inside():
        assert AuditEntry.objects.get().action == "property.created"


@pytest.mark.parametrize("kind", [f"{kind.value}:{shown}" for kind, shown, _label in kinds.OFFERED])
def test_every_offered_type_can_be_made(office, admin, kind):
    answer = admin.post(url("property-add", "contacts"), {"label": "Shoe", "name": "shoe", "type": kind, **options_form("S", "", "L")})  # fmt: skip

    assert answer.status_code == 302
    made = known(office, "contact")["shoe"]
    has_options = kind.startswith(("enumeration", "multi"))
    assert [(one.value, one.label, one.tone) for one in made.options] == ([("S", "S", "teal"), ("L", "L", "teal")] if has_options else [])  # fmt: skip
    assert kinds.told(made.kind, kind.split(":")[1])


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"label": ""}, 422, "label"),
        ({"name": "Not a name"}, 422, "name"),
        ({"name": "subject"}, 409, "name"),
        ({"label": "日本", "name": ""}, 422, "name"),
        ({"type": "magic"}, 422, "type"),
        ({"group": "nowhere"}, 422, "group"),
        ({"type": "enumeration:select"}, 422, ""),
    ],
)
def test_a_wrong_property_is_told_at_its_field_and_kept(office, admin, sent, status, field):
    given = {"label": "Shade", "name": "shade", "type": "string:text", "description": "Kept words"} | sent

    answer = admin.post(url("property-add", "tickets"), given)

    page = text(answer)
    assert answer.status_code == status
    assert "Kept words" in page
    assert (f'id="{field}-error"' if field else 'role="alert"') in page
    assert "shade" not in known(office)


def test_label_group_options_and_filters_of_a_property_change(office, admin, colour):
    with office.inside() as world:
        groups.arrange("ticket", [(None, "Shop")], by=Actor.user(world.ada.pk))
    sent = {
        "label": "Shade", "group": "shop", "description": "", "is_filterable": "1", "row": ["was1", "was0", "new1"],
        "label-was0": "Crimson", "value-was0": "r", "tone-was0": "red", "hidden-was0": "1",
        "label-was1": "Blue", "value-was1": "b", "label-new1": "Green", "value-new1": "g",
    }  # fmt: skip

    answer = admin.post(url("property-save", "tickets", colour.pk), sent)

    assert answer.headers["Location"] == url("property", "tickets", colour.pk)
    found = known(office)["colour"]
    assert (found.label, found.group, found.is_filterable) == ("Shade", "shop", True)
    assert [(one.value, one.label, one.tone, one.is_hidden) for one in found.options] == [
        ("b", "Blue", "", False), ("r", "Crimson", "red", True), ("g", "Green", "", False),
    ]  # fmt: skip
    page = text(admin.get(url("property", "tickets", colour.pk)))
    assert "% of the records are prepared" in page
    assert "Shop" in text(admin.get(url("properties", "tickets")))


def test_an_option_that_records_may_have_is_not_taken_away(office, admin, colour):
    sent = {"label": "Colour", "row": ["was0"], "label-was0": "Red", "value-was0": "r"}

    answer = admin.post(url("property-save", "tickets", colour.pk), sent)

    assert answer.status_code == 422
    assert "Hide it instead" in text(answer)
    assert len(known(office)["colour"].options) == 2


def test_archiving_says_first_who_would_miss_it(office, admin, colour, default):
    with office.inside() as world:
        by = Actor.user(world.ada.pk)
        layouts.arrange("ticket", [layouts.Section("One", ("colour",))], by=by)
        closed = world.stage("Closed")
        pipelines.set_rules(
            Pipeline.objects.get(pk=default.id), Rules(asks={closed: (Ask("colour", True),)}), by=by
        )
        lanes.add_step(
            "ticket", closed, "set_property", {"property": "colour", "value": "r"}, by=world.ada.pk
        )

    asked = text(admin.get(url("property-archive", "tickets", colour.pk)))
    assert "Workflow “Support pipeline: Closed”" in asked
    assert "The status “Closed” asks for it." in asked
    assert "Sidebar layout" in asked

    admin.post(url("property-archived", "tickets", colour.pk))
    assert "colour" not in known(office)
    page = text(admin.get(url("properties", "tickets")))
    assert url("property-restored", "tickets", colour.pk) in page
    assert admin.get(url("property", "tickets", colour.pk)).status_code == 404

    admin.post(url("property-restored", "tickets", colour.pk))
    assert "colour" in known(office)
    assert admin.post(url("property-restored", "tickets", colour.pk)).status_code == 404


def test_a_property_that_nothing_names_says_so(admin, colour):
    assert "Nothing names this property." in text(admin.get(url("property-archive", "tickets", colour.pk)))


def test_a_property_belongs_to_its_kind_of_record(admin, colour):
    assert admin.get(url("property", "contacts", colour.pk)).status_code == 404
    assert admin.get(url("properties", "sheds")).status_code == 404


def test_groups_are_saved_as_a_form_and_lose_nothing(office, admin):
    admin.post(url("property-groups-save", "tickets"), {"row": ["new1", "spare"], "label-new1": "Shop", "label-spare": ""})  # fmt: skip
    with office.inside():
        (shop,) = groups.groups_of("ticket")
        made = properties.create("ticket", "colour", "Colour", Kind.TEXT, group=shop.name)
    assert "1 property" in text(admin.get(url("property-groups", "tickets")))

    refused = admin.post(url("property-groups-save", "tickets"), {"row": [str(shop.pk), "new1"], f"label-{shop.pk}": "Shop", "label-new1": "shop"})  # fmt: skip
    assert refused.status_code == 422
    assert "There are two groups of this name." in text(refused)

    admin.post(url("property-groups-save", "tickets"), {"row": [str(shop.pk)], f"label-{shop.pk}": "Shop", "remove": str(shop.pk)})  # fmt: skip
    with office.inside():
        assert groups.groups_of("ticket") == []
        made.refresh_from_db()
        assert made.group == ""


def test_who_may_not_edit_properties_finds_no_way_there(office, sign_in, colour):
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    client = sign_in(office.world.grace)

    page = text(client.get(client.get("/settings/tickets").headers["Location"]))

    assert "/properties" not in page
    assert "/settings/contacts" not in page
    assert client.post(url("property-archived", "tickets", colour.pk)).status_code == 403
    assert "colour" in known(office)


def test_many_properties_cost_no_more_queries(office, admin, django_assert_max_num_queries):
    with office.inside():
        for n in range(40):
            properties.create("ticket", f"p{n}", f"P {n}", Kind.TEXT)

    with django_assert_max_num_queries(20):
        admin.get(url("properties", "tickets"))


# ── the layout ───────────────────────────────────────────────────────────────────────────────────────────────────────


LINES = ["section:0", "property:subject", "property:content", "section:1", "property:hs_resolution"]


def layout(office):
    with office.inside() as world:
        return [
            (one.label, *one.properties) for one in layouts.layout_of(world.account.pk, "ticket").sections
        ]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, [("A", "subject", "content"), ("B", "hs_resolution")]),
        ({"move": "up:property:content"}, [("A", "content", "subject"), ("B", "hs_resolution")]),
        ({"move": "down:property:content"}, [("A", "subject"), ("B", "content", "hs_resolution")]),
        ({"move": "up:property:subject"}, [("A", "subject", "content"), ("B", "hs_resolution")]),
        ({"move": "down:section:0"}, [("B", "hs_resolution"), ("A", "subject", "content")]),
        ({"move": "up:section:0"}, [("A", "subject", "content"), ("B", "hs_resolution")]),
        ({"remove": "property:subject"}, [("A", "content"), ("B", "hs_resolution")]),
        ({"remove": "section:1"}, [("A", "subject", "content")]),
        (
            {"add": "source_type", "add_to": "1"},
            [("A", "subject", "content"), ("B", "hs_resolution", "source_type")],
        ),
        ({"add": "source_type", "add_to": "²"}, [("A", "subject", "content"), ("B", "hs_resolution")]),
        ({"add": "source_type", "add_to": "9" * 5000}, [("A", "subject", "content"), ("B", "hs_resolution")]),
        ({"new_section": "C"}, [("A", "subject", "content"), ("B", "hs_resolution"), ("C",)]),
    ],
)
def test_the_layout_is_what_the_form_says_after_the_button(office, admin, more, wanted):
    answer = admin.post(
        url("layout-save", "tickets"), {"line": LINES, "label-0": "A", "label-1": "B", **more}
    )

    assert answer.headers["Location"] == url("layout", "tickets")
    assert layout(office) == wanted


def test_a_time_by_status_is_added_by_its_status_and_half_of_one_is_said_to_be_half_R_PROP_3(office, admin):
    with office.inside() as world:
        picked = {"time": "hs_v2_date_entered", "status": str(world.stage("New")), "time_to": "1"}
    sent = {"line": LINES, "label-0": "A", "label-1": "B"}
    offered = text(admin.get(url("layout", "tickets")))

    admin.post(url("layout-save", "tickets"), sent | picked | {"status": ""})
    half = layout(office), text(admin.get(url("layout", "tickets")))
    admin.post(url("layout-save", "tickets"), sent | picked)

    assert ("“New”" in offered, 'name="time"' in offered) == (False, True)
    assert half[0] == [("A", "subject", "content"), ("B", "hs_resolution")]
    assert "A time by status needs both" in half[1]
    assert layout(office)[1] == ("B", "hs_resolution", f"hs_v2_date_entered_{picked['status']}")
    assert "Date entered “New”" in text(admin.get(url("layout", "tickets")))


def test_the_layout_goes_back_to_the_products(office, admin):
    before = layout(office)
    admin.post(url("layout-save", "tickets"), {"line": LINES, "label-0": "A", "label-1": "B"})
    assert "Back to the product" in text(admin.get(url("layout", "tickets")))

    admin.post(url("layout-reset", "tickets"))

    assert layout(office) == before
    assert "Back to the product" not in text(admin.get(url("layout", "tickets")))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"line": []}, 422),
        ({"line": ["property:subject"]}, 400),
        ({"line": ["section:0", "<b>"]}, 400),
        ({"line": ["section:0"], "label-0": ""}, 422),
        ({"line": ["section:0", "property:subject", "property:subject"], "label-0": "A"}, 422),
        ({"line": ["section:0", "property:nothing"], "label-0": "A"}, 422),
    ],
)
def test_a_wrong_layout_is_refused(office, admin, sent, status):
    before = layout(office)

    assert admin.post(url("layout-save", "tickets"), sent).status_code == status
    assert layout(office) == before


# ── setup ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_setup_says_how_tickets_are_here(office, admin, colour):
    first = office.mail()
    page = text(admin.get(url("tickets-setup")))

    assert f"The last one was #{first.number}." in page
    assert "1 property is your own." in page
    assert "New tickets begin in “Support pipeline” as “New”" in page
    for there in (
        url("pipelines", "tickets"),
        url("properties", "tickets"),
        url("layout", "tickets"),
        url("channels"),
    ):
        assert f'href="{there}"' in page
