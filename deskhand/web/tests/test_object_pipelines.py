"""Pipelines and automation of deals, projects and the account's own kinds of records, by plain forms (behaviour.md §8)."""

import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, Plan
from deskhand.automation import drafts, integrations, keeping, lanes, templates, workflows
from deskhand.automation.engine.definition import Action, Branch, Definition, Edge, IfThen, Manual, WhenTrue
from deskhand.automation.models import StepLog, Workflow
from deskhand.automation.tests.runs import go
from deskhand.crm.filters.types import AllOf, Associated, Filter, Operator
from deskhand.crm.pipelines import pipelines, rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import associations, objects
from deskhand.crm.records.checking import required_of
from deskhand.crm.records.tables import model_of
from deskhand.crm.schema import object_types
from deskhand.crm.schema.types import Kind
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.web.tests.conftest import text_of

HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def machine(office):
    with office.inside():
        own = object_types.create("machines", "Machine", "Machines", by=SYSTEM)
        return objects.switch_pipelines(own.key, True, by=SYSTEM)


@pytest.fixture(params=["deal", "project", "own"])
def kind(request, machine):
    return machine.key if request.param == "own" else request.param


@pytest.fixture
def place(office, kind):
    """The default pipeline of the kind, and its first status."""
    with office.inside():
        first = pipelines_of(kind).default
        return [first.id, first.stages[0].id]


def url(name, *args):
    return reverse(name, args=args)


def text(response):
    return response.content.decode()


def test_a_lane_is_made_edited_and_switched_on_R_OBJ_1_R_OBJ_2(office, admin, kind, place):
    admin.post(url("lane-step-add", *place), {"kind": "create_task", "title": "Prepare", "assignee": "owner"})
    admin.post(url("lane-step-save", *place, "1"), {"title": "Plan the work", "assignee": "owner"})
    admin.post(url("lane-step-comment", *place, "1"), {"text": "Is this still right?"})
    admin.post(url("lane-every-time", *place), {"on": "1"})
    admin.post(url("lane-switch", *place), {"on": "1"})

    page = text(admin.get(url("automate", place[0])))
    with office.inside():
        lane = lanes.lane_of(place[1], kind)
        assert lane.is_on
        assert lane.object_type == kind
        assert workflows.definition_of(lane).reenrollment.is_on
    assert "Plan the work" in page
    assert "Templated automations" not in page


def test_no_chat_is_left_out_but_of_tickets_R_OBJ_7(kind, place):
    assert lanes.lane_trigger(kind, place[1]).refine is None
    assert lanes.lane_trigger("ticket", place[1]).refine is not None


def test_steps_are_deleted_moved_and_copied_alike_R_OBJ_2(office, admin, kind, place):
    with office.inside() as world:
        for title in ("One", "Two"):
            lanes.add_step(kind, place[1], "create_task", {"title": title}, by=world.ada.pk)
        other = pipelines_of(kind).default.stages[1].id

    admin.post(url("lane-step-placed", *place, "1"), {"to": f"{other}:", "copy": "1"})
    admin.post(url("lane-step-deleted", *place, "1"), {"following": "0"})

    with office.inside():
        found = [len(lane.steps) for lane in lanes.lanes_of(pipelines_of(kind).default)[:2]]
    assert found == [1, 1]


def test_what_only_tickets_have_is_not_there(admin, place):
    assert admin.post(url("automate-close-date", place[0]), {"on": "1"}).status_code == 404
    assert admin.post(url("automate-status", place[0], "sent"), {"on": "1"}).status_code == 404
    assert "Send survey" not in text(admin.get(url("lane-step-new", *place)))


def linked_record(kind, *contacts):
    """A record of the kind that stands in its first status, and its contacts."""
    name = {"deal": "dealname", "project": "hs_name"}.get(kind, object_types.NAME)
    made = objects.create(kind, {name: "Boat"}, by=SYSTEM).id
    for contact in contacts:
        associations.connect(kind, made, "contact", contact.pk, by=SYSTEM)
    return made


def test_a_lane_mails_contacts_and_writes_notes_R_OBJ_8_R_MAIL_9(office, admin, kind, place, wired):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        own = templates.create(world.account.pk, "Welcome", by=SYSTEM)
        templates.edit(own, subject="Hello {{ contact.first_name }}", body="We have {{ record.dealname }}.")
        people = world.contact(), world.contact("bo@x.example", "Bo")
    offered = text(admin.get(url("lane-step-new", *place)))
    assert "Send email" in offered
    assert "Add a note" in offered
    form = text(admin.get(url("lane-step-new", *place) + "?kind=send_email"))
    assert "Welcome" in form
    assert "Ticket received" not in form

    admin.post(
        url("lane-step-add", *place), {"kind": "send_email", "template": str(own.pk), "recipients": "all"}
    )
    note = {"kind": "create_note", "text": "Told {{ contact.name }}", "after": "1"}
    admin.post(url("lane-step-add", *place), note)
    admin.post(url("lane-switch", *place), {"on": "1"})
    page = text(admin.get(url("automate", place[0])))
    assert "Welcome" in page
    with office.inside():
        record = linked_record(kind, *people)
        go()
        sent = [one.recipients[0] for one in OutboxEntry.objects.order_by("id")]
        steps = list(StepLog.objects.order_by("id").values_list("kind", "status", "message"))

    assert sent == ["astrid@fjallbo.example", "bo@x.example"]
    assert steps == [
        ("send_email", "SUCCEEDED", "Sent to astrid@fjallbo.example, bo@x.example"),
        ("create_note", "SUCCEEDED", "Added a note"),
    ]
    sort = {"deal": "deals", "project": "projects"}.get(kind, kind)
    assert "Told Astrid Lindqvist" in text(admin.get(url("record", sort, record)))


def test_a_plan_without_own_mails_offers_none_in_lanes_R_MAIL_5(office, admin):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        own = templates.create(world.account.pk, "Welcome", by=SYSTEM)
        ticket, deal = ([p.id, p.stages[0].id] for p in (pipelines_of("ticket").default, pipelines_of("deal").default))  # fmt: skip
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.PROFESSIONAL)

    form = text(admin.get(url("lane-step-new", *ticket) + "?kind=send_email"))
    refused = admin.post(url("lane-step-add", *ticket), {"kind": "send_email", "template": str(own.pk)})

    assert "Ticket received" in form
    assert "Welcome" not in form
    assert "Mails of your own are not in your plan here." in form
    assert refused.status_code == 422
    assert "Mails of your own are not in your plan here." in text(refused)
    assert "Send email" not in text(admin.get(url("lane-step-new", *deal)))
    assert admin.get(url("lane-step-new", *deal) + "?kind=send_email").status_code == 404


def test_a_lane_that_mails_is_tried_on_a_record_R_MAIL_9(office, admin, kind, place, wired):
    with office.inside() as world:
        own = templates.create(world.account.pk, "Welcome", by=SYSTEM)
        templates.edit(own, subject="Hello {{ contact.first_name }}", body="We have it.")
        lane = lanes.add_step(kind, place[1], "send_email", {"template": str(own.pk)}, by=world.ada.pk)
        lanes.add_step(kind, place[1], "create_note", {"text": "Told them"}, after="1", by=world.ada.pk)
        record, alone = linked_record(kind, world.contact()), linked_record(kind)

    told = text(admin.get(url("workflow-try", lane.pk), {"record": record}))
    nobody = text(admin.get(url("workflow-try", lane.pk), {"record": alone}))

    assert "Hello Astrid" in told
    assert "Added a note" in told
    assert "There is no contact with an address." in nobody
    with office.inside():
        assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize("part", ["pipeline", "pipeline-rules", "automate"])
def test_every_part_of_a_pipeline_speaks_of_its_records_R_OBJ_5(office, admin, kind, place, part):
    with office.inside():
        called = object_types.labels_of(kind).plural

    page = text(admin.get(url(part, place[0])))

    assert f'<h1 id="title">{called}</h1>' in page
    assert "icket" not in page[page.index('<h1 id="title">') : page.index("</main>")]


def test_another_name_stands_everywhere_R_OBJ_5(office, admin):
    admin.post(url("object-names", "deals"), {"singular": "Order", "plural": "Orders"})
    with office.inside():
        pipeline = pipelines_of("deal").default.id

    assert '<h1 id="title">Orders</h1>' in text(admin.get(url("automate", pipeline)))
    assert ">Orders</" in text(admin.get(url("pipeline", pipeline)))
    assert admin.post(url("object-names", "deals"), {"singular": "", "plural": "x"}).status_code == 422
    admin.post(url("object-names", "deals"), {"reset": "1"})
    assert '<h1 id="title">Deals</h1>' in text(admin.get(url("automate", pipeline)))


def test_own_kinds_are_automated_from_enterprise_on_R_OBJ_4(office, admin, machine):
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.PROFESSIONAL)
    with office.inside():
        own, deal = (
            [p.id, p.stages[0].id] for p in (pipelines_of(machine.key).default, pipelines_of("deal").default)
        )

    assert "Your plan offers no actions here." in text(admin.get(url("lane-step-new", *own)))
    assert admin.get(url("lane-step-new", *own) + "?kind=create_task").status_code == 404
    assert admin.get(url("lane-step-new", *deal) + "?kind=create_task").status_code == 200


@pytest.mark.parametrize(
    ("capability", "ticket", "deal"), [("workflow_edit", 403, 200), ("account_access", 200, 403)]
)
def test_t_act_11_who_edits_which_lanes(office, sign_in, capability, ticket, deal):
    """R-ACT-40, R-ACT-41"""
    office.role(office.world.bob, capabilities=[capability])
    with office.inside():
        of = {kind: pipelines_of(kind).default.id for kind in ("ticket", "deal")}

    bob = sign_in(office.world.bob)

    assert bob.get(url("automate", of["ticket"])).status_code == ticket
    assert bob.get(url("automate", of["deal"])).status_code == deal


def test_a_status_goes_with_its_records_and_dependents_listed_R_PIPE_8_R_PIPE_10(office, admin, kind, wired):
    with office.inside() as world:
        pipeline = pipelines_of(kind).default
        stays, goes = (stage.id for stage in pipeline.stages[:2])
        lanes.add_step(kind, goes, "create_task", {"title": "Call"}, by=world.ada.pk)
        record = objects.create(kind, {required_of(kind)[0]: "Press 4"}, by=SYSTEM).id
        objects.move(kind, record, to=goes, by=SYSTEM)

    asked = text(admin.get(url("status-delete", pipeline.id, goes)))
    refused = admin.post(url("status-deleted", pipeline.id, goes))
    admin.post(url("status-deleted", pipeline.id, goes), {"move_to": str(stays)})

    with office.inside():
        found = model_of(kind).objects.get(pk=record)
        lane = lanes.lane_of(goes, kind)
    assert "Workflow “" in asked
    assert "1 record" in asked
    assert refused.status_code == 409
    assert found.stage_id == stays
    assert lane.needs_review


def test_rules_and_required_properties_are_kept_of_any_kind_R_RULE_5_R_REQ_1(office, admin, kind, place):
    asks = {f"ask-{place[1]}": ["hubspot_owner_id"], f"how-{place[1]}-hubspot_owner_id": ["required"]}
    admin.post(
        url("pipeline-rules-save", place[0]), {"limits_creation": "1", "creation": [str(place[1])], **asks}
    )

    with office.inside():
        kept = pipelines_of(kind).default.rules
        found = rules.parse(kept)
    assert found.creation == (place[1],)
    assert [ask.property for ask in found.asks[place[1]]] == ["hubspot_owner_id"]


def test_pipelines_are_made_ordered_and_deleted_of_any_kind(office, admin, kind):
    key = {"deal": "deals", "project": "projects"}.get(kind, kind)

    admin.post(url("pipeline-new", key), {"label": "Second"})
    with office.inside():
        ids = [one.id for one in pipelines_of(kind).pipelines]
    admin.post(url("pipelines-order", key), {"row": ids, "move": f"down:{ids[0]}"})
    with office.inside():
        ordered = [one.id for one in pipelines_of(kind).pipelines]
    admin.post(url("pipeline-deleted", ids[1]))

    with office.inside():
        assert [one.id for one in pipelines_of(kind).pipelines] == ids[:1]
    assert ordered == ids[::-1]


def test_many_pipelines_are_warned_of_and_not_refused_R_PIPE_13(office, admin, monkeypatch):
    monkeypatch.setattr(pipelines, "MANY", 1)

    assert "are hard to work with" in text(admin.get(url("pipelines", "deals")))
    assert admin.post(url("pipeline-new", "deals"), {"label": "One more"}).status_code == 302


# ── kinds of one's own ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_kind_of_ones_own_is_made_with_pipelines_R_OBJ_8(office, admin):
    made = admin.post(
        url("object-type-create"), {"singular": "Room", "plural": "Rooms & halls", "icon": "house"}
    )

    with office.inside():
        [own] = object_types.all_of_them().values()
    assert made.headers["Location"] == url("object-setup", own.key)
    assert (own.name, own.singular, own.icon, own.has_pipelines) == ("rooms_halls", "Room", "house", True)
    assert "Rooms &amp; halls" in text(admin.get(url("object-types")))


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"singular": "", "plural": "Rooms"}, 422),
        ({"singular": "Room", "plural": "Rooms", "icon": "<script>"}, 422),
        ({"singular": "Machine", "plural": "machines"}, 409),
    ],
)
def test_what_is_wrong_with_a_kind_is_said_and_kept(admin, machine, form, status):
    refused = admin.post(url("object-type-create"), form)

    assert refused.status_code == status
    assert f'value="{form["plural"]}"' in text(refused)


def test_what_a_kind_is_can_be_changed(office, admin, machine):
    admin.post(
        url("object-type-save", machine.key), {"icon": "truck", "primary": "hs_name", "has_pipelines": ""}
    )

    with office.inside():
        own = object_types.find(machine.key)
    assert (own.icon, own.has_pipelines) == ("truck", False)
    assert admin.get(url("pipelines", machine.key)).status_code == 404


def test_a_kind_with_records_stays(office, admin, machine):
    with office.inside():
        objects.create(machine.key, {"hs_name": "Press 4"}, by=SYSTEM)

    assert admin.post(url("object-type-delete", machine.key)).status_code == 409


def test_an_empty_kind_goes(office, admin, machine):
    admin.post(url("object-type-delete", machine.key))

    with office.inside():
        assert not object_types.all_of_them()
    assert admin.get(url("object-setup", machine.key)).status_code == 404


def test_a_kind_that_a_workflow_looks_at_stays_and_says_so_R_PIPE_10(office, wired, admin, machine):
    with office.inside():
        linked = Associated(machine.key, Filter("hs_name", Kind.TEXT, Operator.KNOWN))
        workflows.create(office.world.account.pk, "Repairs", Definition("ticket", WhenTrue(AllOf((linked,)))))

    refused = admin.post(url("object-type-delete", machine.key))

    assert refused.status_code == 409
    assert "“Machines” is used by Repairs. Take it out there first." in text(refused)


def test_a_kind_that_an_integration_is_for_stays_and_says_so_R_PIPE_10(office, wired, admin, machine):
    with office.inside():
        values = {"url": "https://a.example/", "object_types": [machine.key]}
        integrations.add(office.world.account.pk, "Spare parts", values, by=SYSTEM)

    refused = admin.post(url("object-type-delete", machine.key))

    assert refused.status_code == 409
    assert "“Machines” is used by Spare parts. Take it out there first." in text(refused)


@pytest.fixture
def of_gone(office, wired, admin, machine):
    """Archived workflows, of tickets and of machines, and one whose first version looked at machines; they are deleted."""
    linked = Associated(machine.key, Filter("hs_name", Kind.TEXT, Operator.KNOWN))
    made = Action("1", "create_record", {"record_type": machine.key, "value_hs_name": "Press 4"}, Edge("2"))
    steps = (made, IfThen("2", (Branch("They have one", AllOf((linked,))),)))
    call = (Action("3", "create_task", {"title": "Call"}),)
    with office.inside() as world:

        def make(name, object_type, steps, trigger):
            definition = Definition(object_type, trigger, start=Edge(steps[0].id), steps=steps, next_id=4)
            return workflows.create(world.account.pk, name, definition, by=world.ada.pk)

        known = AllOf((Filter("hs_name", Kind.TEXT, Operator.KNOWN),))
        found = {
            "tickets": make("Repairs", "ticket", steps, WhenTrue(AllOf((linked,)))),
            "machines": make("Check", machine.key, call, WhenTrue(known)),
            "changed": make("Calls", "ticket", steps, Manual()),
        }
        now = Definition("ticket", start=Edge("3"), steps=call, next_id=4)
        workflows.save(found["changed"], now, by=world.ada.pk)
        for one in ("tickets", "machines"):
            keeping.archive(found[one], by=SYSTEM)
    assert admin.post(url("object-type-delete", machine.key)).status_code == 302
    return found


PAGES = ("history", "log", "try", "replay", "revisions", "why")


def test_workflows_that_named_a_kind_that_went_can_be_read_R_EDIT_8(office, admin, of_gone):
    """With its name, as it was last."""
    for flow in of_gone.values():
        for page in PAGES:
            assert admin.get(url(f"workflow-{page}", flow.pk)).status_code == 200, (flow.name, page)
    archived = text(admin.get("/workflows?state=archived"))
    tickets, machines, changed = (
        text(admin.get(url("workflow-revision", one.pk, 1))) for one in of_gone.values()
    )
    compared = admin.get(url("workflow-compare", of_gone["changed"].pk) + "?older=1&newer=2")

    assert "Machines" in archived
    assert all("Machine" in page and "2-" not in text_of(page) for page in (tickets, changed))
    assert "Call" in machines
    assert compared.status_code == 200


@pytest.mark.parametrize("verb", ["restore", "clone"])
def test_a_workflow_of_a_kind_that_went_stays_in_the_archive_and_says_why(office, admin, of_gone, verb):
    admin.post(url(f"workflow-{verb}", of_gone["machines"].pk))

    assert "“Machines” was deleted, so no record could enter this workflow." in text(admin.get("/workflows"))
    with office.inside():
        assert set(Workflow.objects.filter(archived_at=None)) == {of_gone["changed"]}


def test_one_that_only_looked_at_such_records_is_back_and_says_what_to_change_R_EDIT_6(
    office, admin, of_gone
):
    flow = of_gone["tickets"]

    admin.post(url("workflow-restore", flow.pk))
    page = admin.get(url("workflow-edit", flow.pk))
    admin.post(url("workflow-switch", flow.pk), {"on": "1"})

    assert page.status_code == 200
    assert "“Kind of record” names “Machine”, which is not there any more." in text(page)
    with office.inside():
        told = [(one.step_id, one.field) for one in drafts.problems(workflows.definition_of(flow))]
        assert told == [("", "trigger"), ("1", "record_type"), ("2", "branches[0].when")]
        assert not Workflow.objects.get(pk=flow.pk).is_on


def test_an_earlier_version_that_looked_at_such_records_comes_back_and_opens(office, admin, of_gone):
    flow = of_gone["changed"]

    admin.post(url("workflow-revision-restore", flow.pk, 1))

    assert admin.get(url("workflow-edit", flow.pk)).status_code == 200
    with office.inside():
        assert [one.step_id for one in drafts.problems(workflows.definition_of(flow))] == ["1", "2"]


def test_the_name_of_a_kind_that_went_can_be_given_again(office, admin, machine):
    admin.post(url("object-type-delete", machine.key))

    made = admin.post(url("object-type-create"), {"singular": "Machine", "plural": "Machines", "icon": "box"})

    assert made.status_code == 302
