"""Deals, projects and the account's own kinds of record: made, changed and moved by one engine."""

from datetime import timedelta

import pytest
from django.db import connection

from deskhand.accounts.models import AuditEntry
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import archive, objects, store, tickets
from deskhand.crm.records.models import (
    Association,
    CustomObject,
    Deal,
    Project,
    PropertyChange,
    PropertyValue,
    StageTime,
)
from deskhand.crm.records.objects import NewRecord
from deskhand.crm.records.tables import TABLES
from deskhand.crm.schema import association_labels, object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.crm.segments.segments import Use
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound


def stages(object_type: str) -> dict[str, int]:
    return {stage.label: stage.id for p in pipelines_of(object_type).pipelines for stage in p.stages}


@pytest.fixture
def machine(world) -> str:
    """A kind of the account's own, in no pipeline."""
    key = object_types.create("machine", "Machine", "Machines", by=Actor.user(world.ada.pk)).key
    properties.create(key, "serial", "Serial number", Kind.TEXT)
    properties.create(key, "price", "Price", Kind.NUMBER, is_filterable=True)
    return key


# ── deals and projects ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("object_type", "model", "name", "first"),
    [("deal", Deal, "dealname", "Appointment scheduled"), ("project", Project, "hs_name", "Not started")],
)
def test_a_record_begins_in_the_first_open_status_of_the_default_pipeline_R_OBJ_8(
    world, noon, object_type, model, name, first
):
    """R-DM-1, R-DM-4, R-PIPE-11 for other kinds, R-PROP-3"""
    made = objects.create(object_type, {name: "Fjällbo 2027"}, by=Actor.user(world.ada.pk))

    record = model.objects.get(pk=made.id)
    assert record.name == "Fjällbo 2027"
    assert record.stage.label == first
    assert record.pipeline_id == record.stage.pipeline_id
    assert (record.is_closed, record.closed_at, record.stage_entered_at) == (False, None, noon)
    clock = StageTime.objects.get(object_type=object_type, record_id=record.pk)
    assert (clock.stage_id, clock.entered_at, clock.exited_at) == (record.stage_id, noon, None)


def test_creation_is_one_event_and_no_history(world):
    """docs/decisions/0003"""
    made = objects.create("deal", {"dealname": "Sauna", "hubspot_owner_id": world.grace.pk}, by=SYSTEM)

    event = EventRow.objects.get(object_type="deal")
    assert (event.kind, event.object_id, event.version, event.id) == (
        "deal.created",
        made.id,
        1,
        made.event.id,
    )
    assert event.data == {
        "pipeline_id": pipelines_of("deal").default.id,
        "stage_id": stages("deal")["Appointment scheduled"],
        "owner_id": world.grace.pk,
    }
    assert not PropertyChange.objects.filter(object_type="deal").exists()


def test_values_are_checked_and_stand_where_they_belong(world):
    properties.create("deal", "lift", "Lift", Kind.BOOL, is_filterable=True)

    made = objects.create(
        "deal", {"dealname": "Sauna", "amount": "1200.50", "closedate": "2026-12-01", "lift": "true", "dealtype": ""}, by=SYSTEM
    )  # fmt: skip

    deal = Deal.objects.get(pk=made.id)
    assert deal.properties == {"amount": 1200.5, "closedate": "2026-12-01T00:00:00+00:00", "lift": True}
    assert [(v.record_id, v.flag) for v in PropertyValue.objects.all()] == [(made.id, True)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "dealname"), ({"dealname": "  "}, "dealname"), ({"dealname": "x", "amount": "much"}, "amount"),
        ({"dealname": "x", "hs_is_closed": "true"}, "hs_is_closed"), ({"dealname": "x", "colour": "red"}, "colour"),
        ({"dealname": "x", "pipeline": 999_999}, "pipeline"), ({"dealname": "x", "dealstage": 999_999}, "dealstage"),
        ({"dealname": "x", "dealstage": "9" * 5000}, "dealstage"), ({"dealname": "x", "pipeline": "9" * 5000}, "pipeline"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_name_and_nothing_is_made(world, given, field):
    """R-DM-4, R-DM-5, R-PROP-2"""
    with pytest.raises(Invalid) as refusal:
        objects.create_many("deal", [NewRecord({"dealname": "good"}), NewRecord(given)], by=SYSTEM)

    assert refusal.value.field == field
    assert not Deal.objects.exists()


def test_a_status_of_another_pipeline_needs_its_pipeline_named_R_DM_6(world):
    other = pipelines.create(
        world.account.pk, "deal", "Rentals", [NewStage("Asked", OPEN), NewStage("Rented", CLOSED)], by=SYSTEM
    )
    rented = stages("deal")["Rented"]

    with pytest.raises(Invalid, match="not in this pipeline"):
        objects.create("deal", {"dealname": "Crane", "dealstage": rented}, by=SYSTEM)
    made = objects.create(
        "deal", {"dealname": "Crane", "pipeline": str(other.pk), "dealstage": str(rented)}, by=SYSTEM
    )

    assert Deal.objects.get(pk=made.id).stage_id == rented


def test_made_in_a_closed_status_it_is_closed_at_once_R_CLOSE_9(world, noon):
    made = objects.create("deal", {"dealname": "Sauna", "dealstage": stages("deal")["Closed won"]}, by=SYSTEM)

    deal = Deal.objects.get(pk=made.id)
    assert (deal.is_closed, deal.closed_at, deal.last_closed_at) == (True, noon, noon)


def test_a_record_born_with_an_owner_has_their_main_team_R_ROUTE_50(world):
    made = objects.create("project", {"hs_name": "Move", "hubspot_owner_id": world.grace.pk}, by=SYSTEM)

    assert Project.objects.get(pk=made.id).assigned_team_ids == [world.team.pk]


def test_records_are_linked_when_they_are_made(world):
    contact = world.contact()

    [made] = objects.create_many(
        "deal", [NewRecord({"dealname": "Sauna"}, [("contact", contact.pk)])], by=SYSTEM
    )

    assert {(a.from_type, a.from_id, a.to_id, a.type_id) for a in Association.objects.all()} == {
        ("deal", made.id, contact.pk, 3),
        ("contact", contact.pk, made.id, 4),
    }


def test_a_moved_deal_tells_its_story_R_OBJ_1(world, noon):
    """R-CLOSE-1, R-PROP-3"""
    made = objects.create("deal", {"dealname": "Sauna"}, by=SYSTEM)

    later = noon + timedelta(hours=1)
    objects.move("deal", made.id, to=stages("deal")["Closed lost"], by=SYSTEM, at=later)

    deal = Deal.objects.get(pk=made.id)
    assert (deal.is_closed, deal.closed_at, deal.version) == (True, later, 2)
    assert EventRow.objects.filter(object_type="deal").order_by("id").last().kind == "deal.moved"
    assert StageTime.objects.get(record_id=made.id, exited_at__isnull=False).latest_ms == 3_600_000


def test_a_change_of_properties_has_history_and_a_name_stays(world):
    made = objects.create("deal", {"dealname": "Sauna"}, by=SYSTEM)

    objects.update("deal", made.id, {"dealname": "Sauna II", "amount": 5}, by=Actor.user(world.ada.pk))
    with pytest.raises(Invalid, match="Deal name"):
        objects.update("deal", made.id, {"dealname": None}, by=SYSTEM)

    history = {(c.property, c.old, c.new) for c in PropertyChange.objects.filter(object_type="deal")}
    assert history == {("dealname", "Sauna", "Sauna II"), ("amount", None, 5)}


@pytest.mark.parametrize("object_type", sorted(TABLES.keys() - {"deal", "project"}))
def test_kinds_with_verbs_of_their_own_are_not_made_here(world, object_type):
    with pytest.raises(ValueError, match="verbs of its own"):
        objects.create(object_type, {}, by=SYSTEM)


def test_a_set_costs_as_many_statements_as_one(world, machine, django_assert_max_num_queries):
    def make(number: int) -> int:
        new = [
            NewRecord(
                {"dealname": str(n), "amount": n, "hubspot_owner_id": world.grace.pk},
                [("contact", contact.pk)],
            )
            for n in range(number)
        ]
        with django_assert_max_num_queries(100) as seen:
            objects.create_many("deal", new, by=SYSTEM)
            objects.create_many(
                machine, [NewRecord({"hs_name": str(n), "price": n}) for n in range(number)], by=SYSTEM
            )
        return len(seen)

    contact = world.contact()
    make(1)
    assert make(2) == make(30)


# ── the account's own kinds ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_own_kind_has_records_with_its_own_properties_R_OBJ_8(world, machine):
    made = objects.create(machine, {"hs_name": "Lathe", "serial": "L-7", "price": 900}, by=SYSTEM)

    record = CustomObject.objects.get(pk=made.id)
    assert (record.name, record.properties, record.stage_id) == (
        "Lathe",
        {"serial": "L-7", "price": 900},
        None,
    )
    assert f"2-{record.object_type_id}" == machine
    assert EventRow.objects.get(object_type=machine).kind == f"{machine}.created"
    assert [v.number for v in PropertyValue.objects.all()] == [900]


def test_own_kinds_do_not_touch_each_others_records(world, machine):
    other = object_types.create("vessel", "Vessel", "Vessels", by=SYSTEM).key
    made = objects.create(machine, {"hs_name": "Lathe"}, by=SYSTEM)

    with pytest.raises(NotFound):
        objects.update(other, made.id, {"hs_name": "Boat"}, by=SYSTEM)
    assert archive.archive(other, [made.id], by=SYSTEM) == []
    assert archive.archive(machine, [made.id], by=SYSTEM) == [made.id]


def test_required_properties_are_asked_for_R_DM_4(world, machine):
    object_types.update(machine, required=["serial"], by=SYSTEM)

    with pytest.raises(Invalid, match="Serial number"):
        objects.create(machine, {"hs_name": "Lathe"}, by=SYSTEM)
    made = objects.create(machine, {"hs_name": "Lathe", "serial": "L-7"}, by=SYSTEM)
    with pytest.raises(Invalid, match="Serial number"):
        objects.update(machine, made.id, {"serial": ""}, by=SYSTEM)


def test_records_are_named_by_the_property_that_was_chosen(world, machine):
    old = objects.create(machine, {"hs_name": "Lathe", "serial": "L-7"}, by=SYSTEM)
    objects.choose_primary(machine, "serial", by=SYSTEM)
    new = objects.create(machine, {"serial": "L-8", "hs_name": "ignored"}, by=SYSTEM)
    objects.update(machine, new.id, {"serial": "L-9"}, by=SYSTEM)

    assert CustomObject.objects.get(pk=old.id).name == "L-7"
    assert CustomObject.objects.get(pk=new.id).name == "L-9"
    with pytest.raises(Invalid, match="Serial number"):
        objects.create(machine, {"hs_name": "nameless"}, by=SYSTEM)


def test_pipelines_are_switched_on_and_off_R_OBJ_1(world, machine):
    old = objects.create(machine, {"hs_name": "Lathe"}, by=SYSTEM)
    with pytest.raises(Invalid, match="no pipeline"):
        objects.create(machine, {"hs_name": "Lathe", "hs_pipeline_stage": 1}, by=SYSTEM)
    with pytest.raises(Invalid, match="no pipeline"):
        objects.update(machine, old.id, {"hs_pipeline_stage": 1}, by=SYSTEM)

    objects.switch_pipelines(machine, True, by=SYSTEM)
    new = objects.create(machine, {"hs_name": "Drill"}, by=SYSTEM)
    objects.move(machine, new.id, to=stages(machine)["Closed"], by=SYSTEM)
    assert CustomObject.objects.get(pk=old.id).stage.label == "New"
    assert CustomObject.objects.get(pk=new.id).is_closed
    assert EventRow.objects.filter(object_type=machine).order_by("id").last().kind == f"{machine}.moved"

    objects.switch_pipelines(machine, False, by=SYSTEM)
    with pytest.raises(Invalid, match="no pipeline"):
        objects.move(machine, old.id, to=stages(machine)["Closed"], by=SYSTEM)
    late = objects.create(machine, {"hs_name": "Saw"}, by=SYSTEM)
    assert CustomObject.objects.get(pk=late.id).stage_id is None

    objects.switch_pipelines(machine, True, by=SYSTEM)
    assert CustomObject.objects.get(pk=late.id).stage.label == "New"
    assert CustomObject.objects.get(pk=new.id).stage.label == "Closed"
    assert len(pipelines_of(machine).pipelines) == 1


def test_a_kind_can_be_renamed_and_keeps_its_name_for_programs_R_OBJ_5(world, machine):
    object_types.update(machine, singular="Tool", plural="Tools", by=Actor.user(world.ada.pk))

    own = object_types.find(machine)
    assert (own.name, own.singular, own.plural) == ("machine", "Tool", "Tools")
    assert (
        list(AuditEntry.objects.order_by("id").values_list("action", flat=True))[-1] == "object_type.updated"
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("Big Name", "a", "b"), Invalid), (("tool", " ", "b"), Invalid), (("tool", "a", "x" * 101), Invalid),
        (("machine", "a", "b"), Conflict), (("ticket", "a", "b"), Conflict),
    ],
)  # fmt: skip
def test_a_kind_that_cannot_be_is_refused(world, machine, given, error):
    with pytest.raises(error):
        object_types.create(*given, by=SYSTEM)


def test_only_what_it_has_can_be_required_or_name_records(world, machine):
    properties.create(machine, "in_use", "In use", Kind.BOOL)
    for name in ("colour", "hs_createdate"):
        with pytest.raises(Invalid):
            object_types.update(machine, required=[name], by=SYSTEM)
    with pytest.raises(Invalid):
        objects.choose_primary(machine, "in_use", by=SYSTEM)


def test_a_kind_goes_away_when_it_has_no_records(world, machine):
    made = objects.create(machine, {"hs_name": "Lathe"}, by=SYSTEM)
    with pytest.raises(Conflict):
        objects.delete_type(machine, by=SYSTEM)
    CustomObject.objects.filter(pk=made.id).delete()

    objects.delete_type(machine, by=SYSTEM)

    with pytest.raises(NotFound):
        objects.create(machine, {"hs_name": "Lathe"}, by=SYSTEM)
    again = object_types.create("machine", "Machine", "Machines", by=SYSTEM)
    assert again.key != machine


def test_a_kind_that_something_asks_for_stays_and_its_labels_go_with_it_R_PIPE_10(
    world, machine, monkeypatch
):
    label = association_labels.create("ticket", machine, "Broken", "Breaks", by=SYSTEM)
    monkeypatch.setattr(
        objects, "users", [lambda _account_id, key: [Use("workflow", 1, "Repairs")] if key == machine else []]
    )
    linked = Associated(machine, Filter("hs_name", Kind.TEXT, Operator.KNOWN))
    segments.create(machine, "By hand", SegmentKind.STATIC, by=SYSTEM)
    segments.create("ticket", "With a machine", SegmentKind.FILTER, AnyOf((AllOf((linked,)),)), by=SYSTEM)

    with pytest.raises(Conflict, match="is used by By hand, With a machine, Repairs"):
        objects.delete_type(machine, by=SYSTEM)
    assert association_labels.label_for("ticket", machine, label.type_id)

    for one in segments.segments():
        segments.archive(one.pk, by=SYSTEM)
    monkeypatch.setattr(objects, "users", [])
    objects.delete_type(machine, by=SYSTEM)
    assert association_labels.every_own() == []


def test_the_kinds_of_another_account_are_not_known(world, machine):
    with connection.cursor() as cursor:
        cursor.execute("select set_config('deskhand.account', %s, true)", [str(world.account.pk + 1)])
    object_types.current_scope().notes.clear()

    with pytest.raises(NotFound):
        object_types.find(machine)


def test_a_status_may_come_as_text_R_DM_5(world):
    """Ids of choices are text in the API."""
    ticket = world.ticket()

    tickets.update(ticket.pk, {"hs_pipeline_stage": str(world.stage("Closed"))}, by=SYSTEM)

    ticket.refresh_from_db()
    assert ticket.is_closed
    assert store.model_of("ticket").objects.get(pk=ticket.pk).stage_id == world.stage("Closed")


def test_programs_describe_a_kind(world, machine):
    """api.md §3.3: what they search and show is theirs to say; nothing of ours asks for it."""
    by = Actor.user(world.ada.pk)
    object_types.describe(machine, description=" What we sell ", searchable=["serial"], secondary=["price", "price"], by=by)  # fmt: skip
    object_types.describe(machine, secondary=["price"], by=by)

    own = object_types.find(machine)
    assert (own.description, own.searchable, own.secondary) == ("What we sell", ("serial",), ("price",))
    assert AuditEntry.objects.filter(action="object_type.updated").count() == 1
    for wrong in ({"searchable": ["none"]}, {"description": "x" * 10_001}):
        with pytest.raises(Invalid):
            object_types.describe(machine, **wrong, by=by)
