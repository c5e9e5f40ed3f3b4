"""Pipelines and stages through the API (api.md §2.2)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts.models import AuditEntry, Membership, Plan, Role
from deskhand.api.pipelines import writing
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.records import objects
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema import object_types
from deskhand.crm.segments.segments import Use
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

pytestmark = pytest.mark.django_db

TICKETS = "/crm/v3/pipelines/tickets"
OPEN, CLOSED = {"ticketState": "OPEN"}, {"ticketState": "CLOSED"}


def stage(label: str, order: int = 0, metadata: Any = OPEN, **more: Any) -> dict[str, Any]:
    return {"label": label, "displayOrder": order, "metadata": metadata, **more}


RETURNS = {
    "label": "Returns",
    "displayOrder": 3,
    "stages": [stage("Sent back", 1), stage("Done", 2, CLOSED)],
}


def made(program: Any, body: Any = RETURNS, path: str = TICKETS) -> dict[str, Any]:
    status, pipeline = program("POST", path, body)
    assert status == 201, pipeline
    return pipeline  # type: ignore[no-any-return]


def ticket(program: Any, pipeline: str, at: str) -> str:
    status, record = program(
        "POST",
        "/crm/v3/objects/tickets",
        {"properties": {"subject": "Printer", "hs_pipeline": pipeline, "hs_pipeline_stage": at}},
    )
    assert status == 201, record
    return str(record["id"])


def labels(program: Any, path: str = f"{TICKETS}/0/stages") -> list[str]:
    return [one["label"] for one in program("GET", path)[1]["results"]]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_default_pipeline_is_as_the_contract_has_it(program: Any) -> None:
    """api.md §2.2, R-PIPE-1"""
    status, body = program("GET", TICKETS)

    [pipeline] = body["results"]
    assert (status, pipeline["id"], pipeline["displayOrder"], pipeline["archived"]) == (200, "0", 0, False)
    assert [(one["id"], one["label"], one["metadata"]["ticketState"]) for one in pipeline["stages"]] == [
        ("1", "New", "OPEN"), ("2", "Waiting on contact", "OPEN"), ("3", "Waiting on us", "OPEN"), ("4", "Closed", "CLOSED"),
    ]  # fmt: skip
    assert pipeline["stages"][0]["writePermissions"] == "CRM_PERMISSIONS_ENFORCEMENT"
    assert pipeline["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    "path", ["/crm/v3/pipelines/TICKET", "/crm/pipelines/2026-03/0-5", "/crm/v3/pipelines/tickets/"]
)
def test_every_spelling_leads_to_the_same(program: Any, path: str) -> None:
    """api.md §1.1, §1.2"""
    assert program("GET", path) == program("GET", TICKETS)


def test_the_default_pipeline_of_deals_says_how_likely_they_are(program: Any) -> None:
    """api.md §2.2: metadata.probability"""
    stages = program("GET", "/crm/v3/pipelines/deals/default")[1]["stages"]

    assert [(one["id"], one["metadata"]["probability"], one["metadata"]["isClosed"]) for one in stages] == [
        ("appointmentscheduled", "0.2", "false"), ("qualifiedtobuy", "0.4", "false"), ("contractsent", "0.9", "false"),
        ("closedwon", "1.0", "true"), ("closedlost", "0.0", "true"),
    ]  # fmt: skip


def test_the_first_version_names_ids_its_own_way(program: Any) -> None:
    """api.md §2.11"""
    [pipeline] = program("GET", "/crm-pipelines/v1/pipelines/tickets")[1]["results"]

    assert (pipeline["pipelineId"], pipeline["id"], pipeline["active"]) == ("0", "0", True)
    assert [one["stageId"] for one in pipeline["stages"]] == ["1", "2", "3", "4"]


def test_a_kind_without_pipelines_has_none(program: Any) -> None:
    assert program("GET", "/crm/v3/pipelines/contacts") == (200, {"results": []})
    assert program("POST", "/crm/v3/pipelines/contacts", RETURNS)[0] == 400


def test_the_accounts_own_kinds_have_theirs(program: Any, world: Any) -> None:
    with account_scope(world.account.pk):
        own = object_types.create("car", "Car", "Cars", by=SYSTEM)
        assert program("GET", "/crm/v3/pipelines/car")[1] == {"results": []}
        objects.switch_pipelines(own.key, True, by=SYSTEM)

    [pipeline] = program("GET", f"/crm/v3/pipelines/{own.key}")[1]["results"]

    assert [one["metadata"] for one in pipeline["stages"]] == [{"isClosed": "false"}, {"isClosed": "true"}]


@pytest.mark.parametrize(
    "path", [f"{TICKETS}/99", f"{TICKETS}/0/stages/99", f"{TICKETS}/99/stages", f"{TICKETS}/0%00", f"{TICKETS}/9/stages/1"]
)  # fmt: skip
def test_what_is_not_there_is_missing(program: Any, path: str) -> None:
    status, body = program("GET", path)

    assert (status, body["category"]) == (404, "OBJECT_NOT_FOUND")


def test_reading_many_takes_as_many_statements_as_one(program: Any) -> None:
    program("GET", TICKETS)  # notes the use of the token
    before = program.queries("GET", TICKETS)
    for number in range(5):
        made(program, {**RETURNS, "label": f"P{number}"})

    assert program.queries("GET", TICKETS) == before


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pipeline_is_made_and_read(program: Any, world: Any) -> None:
    """api.md §2.2, §1.9"""
    pipeline = made(program)

    assert (pipeline["label"], pipeline["displayOrder"]) == ("Returns", 3)
    assert [(one["label"], one["displayOrder"], one["metadata"]["ticketState"]) for one in pipeline["stages"]] == [
        ("Sent back", 1, "OPEN"), ("Done", 2, "CLOSED"),
    ]  # fmt: skip
    assert program("GET", f"{TICKETS}/{pipeline['id']}") == (200, pipeline)
    with account_scope(world.account.pk):
        assert AuditEntry.objects.filter(action="pipeline.created").count() == 1


def test_a_pipeline_with_the_number_of_the_default_one_goes_behind_it(program: Any) -> None:
    """R-PIPE-5; by its name alone it would be the first, and what names no pipeline would go there."""
    pipeline = made(program, {**RETURNS, "label": "A", "displayOrder": 0})

    assert [one["id"] for one in program("GET", TICKETS)[1]["results"]] == ["0", pipeline["id"]]
    assert program("POST", "/crm/v3/objects/tickets", {"properties": {"subject": "x", "hs_pipeline_stage": "1"}})[0] == 201  # fmt: skip


def test_equal_numbers_go_by_name_and_negative_ones_last(program: Any) -> None:
    """R-PIPE-5"""
    stages = [stage("C", 5), stage("B", 5), stage("Last", -1), stage("A", 9)]
    pipeline = made(program, {**RETURNS, "stages": stages, "displayOrder": -1})

    assert [one["label"] for one in pipeline["stages"]] == ["B", "C", "A", "Last"]
    assert pipeline["displayOrder"] == 1


def test_a_pipeline_is_renamed_and_moved(program: Any) -> None:
    pipeline = made(program)
    status, body = program(
        "PATCH", f"{TICKETS}/{pipeline['id']}", {"label": "Complaints", "displayOrder": -1}
    )

    assert (status, body["label"], body["displayOrder"], body["id"]) == (200, "Complaints", 1, pipeline["id"])
    assert body["updatedAt"] > pipeline["updatedAt"]
    assert body["stages"] == pipeline["stages"]


def test_a_change_of_nothing_changes_nothing(program: Any) -> None:
    pipeline = made(program)
    entries = program("GET", f"{TICKETS}/{pipeline['id']}/audit")

    assert program("PATCH", f"{TICKETS}/{pipeline['id']}", {}) == (200, pipeline)
    assert program("PATCH", f"{TICKETS}/{pipeline['id']}", pipeline) == (200, pipeline)
    assert program("PUT", f"{TICKETS}/{pipeline['id']}", pipeline) == (200, pipeline)
    assert program("GET", f"{TICKETS}/{pipeline['id']}/audit") == entries


def test_writing_anew_keeps_what_is_named_and_deletes_the_rest(program: Any) -> None:
    """api.md §2.2: PUT replaces stages; R-PIPE-7: an id outlives its name."""
    pipeline = made(program)
    back, done = pipeline["stages"]
    stages = [stage("Lost", 0, CLOSED), stage("Arrived", 1, stageId=back["id"])]
    status, body = program("PUT", f"{TICKETS}/{pipeline['id']}", {**RETURNS, "stages": stages})

    assert status == 200
    assert [one["label"] for one in body["stages"]] == ["Lost", "Arrived"]
    assert body["stages"][1]["id"] == back["id"]
    assert body["stages"][0]["id"] != done["id"]
    again = program("PUT", f"{TICKETS}/{pipeline['id']}", {**RETURNS, "stages": stages})
    assert again == (200, body)


def test_a_stage_comes_changes_and_goes(program: Any) -> None:
    status, new = program("POST", f"{TICKETS}/0/stages", stage("On hold", 2))
    assert (status, new["displayOrder"], new["metadata"]["ticketState"]) == (201, 2, "OPEN")
    assert labels(program) == ["New", "Waiting on contact", "On hold", "Waiting on us", "Closed"]
    one = f"{TICKETS}/0/stages/{new['id']}"

    status, changed = program("PATCH", one, {"label": "Parked"})
    assert (status, changed["label"], changed["displayOrder"]) == (200, "Parked", 2)
    status, changed = program("PUT", one, stage("Put away", 7, CLOSED))
    assert (status, changed["metadata"], changed["displayOrder"]) == (
        200,
        {"isClosed": "true", "ticketState": "CLOSED"},
        7,
    )
    assert program("GET", one) == (200, changed)
    assert program("DELETE", one) == (204, None)
    assert program("GET", one)[0] == program("DELETE", one)[0] == 404


def test_records_close_with_their_stage(program: Any, world: Any) -> None:
    """R-PIPE-2: as when somebody closes it on the page."""
    pk = ticket(program, "0", "3")

    assert program("PATCH", f"{TICKETS}/0/stages/3", {"metadata": CLOSED})[0] == 200
    assert program("PUT", f"{TICKETS}/0/stages/3", {"label": "Waiting on us", "displayOrder": 2})[0] == 200

    with account_scope(world.account.pk):
        assert Ticket.objects.get(pk=pk).is_closed


def test_the_probability_of_a_deal_says_whether_it_is_closed(program: Any) -> None:
    """api.md §2.2"""
    deals = "/crm/v3/pipelines/deals/default/stages"
    _status, new = program("POST", deals, stage("Promised", 9, {"probability": "0.95"}))
    assert new["metadata"] == {"isClosed": "false", "probability": "0.95"}

    assert program("PATCH", f"{deals}/{new['id']}", {"label": "Sworn"})[1]["metadata"] == new["metadata"]
    won = program("PATCH", f"{deals}/{new['id']}", {"metadata": {"probability": 1}})[1]["metadata"]
    assert won == {"isClosed": "true", "probability": "1.0"}


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_record_stands_in_is_not_deleted(program: Any) -> None:
    """R-PIPE-8, R-PIPE-9: 400, saying which."""
    pipeline = made(program)
    back, done = pipeline["stages"]
    pk, one = ticket(program, pipeline["id"], back["id"]), f"{TICKETS}/{pipeline['id']}"
    only_done = {**RETURNS, "stages": [stage("Elsewhere"), stage("Done", 2, CLOSED)]}
    calls = [("DELETE", one, None), ("DELETE", f"{one}/stages/{back['id']}", None), ("PUT", one, only_done)]

    answers = [program(*call) for call in calls]

    assert [(status, body["category"]) for status, body in answers] == [(400, "VALIDATION_ERROR")] * 3
    assert all(body["context"] == {"stageId": [back["id"]], "objectIds": [pk]} for _status, body in answers)
    assert {body["errors"][0]["code"] for _status, body in answers} == {"STAGE_ID_IN_USE"}
    assert program("GET", one) == (200, pipeline)
    assert program("DELETE", f"{one}/stages/{done['id']}")[0] == 204


def test_who_deletes_is_told_only_of_records_they_may_see(program: Any, program_of: Any, world: Any) -> None:
    """R-PERM-1"""
    pipeline = made(program)
    ticket(program, pipeline["id"], pipeline["stages"][0]["id"])
    _give(world, {"records": {"ticket": {"view": "own"}}, "capabilities": ["property_settings"]})

    status, body = program_of(user_id=world.bob.pk)("DELETE", f"{TICKETS}/{pipeline['id']}")

    assert (status, body["context"]["objectIds"]) == (400, [])


@pytest.mark.parametrize("name", ["validateReferencesBeforeDelete", "validateDealStageUsagesBeforeDelete"])
def test_who_asks_for_it_keeps_what_workflows_name(
    program: Any, monkeypatch: Any, world: Any, name: str
) -> None:
    """R-PIPE-10; api.md §2.2"""
    pipeline = made(program)
    with account_scope(world.account.pk):
        named = Stage.objects.get(key=pipeline["stages"][0]["id"], object_type="ticket").pk
    monkeypatch.setattr(writing.uses, "stages", lambda _account, ids: {named: [Use("workflow", 1, "Send back")]} if named in ids else {})  # fmt: skip
    one = f"{TICKETS}/{pipeline['id']}"

    status, body = program("DELETE", one, **{name: "True"})
    assert (status, body["context"]["workflows"]) == (400, ["Send back"])
    assert program("DELETE", one, **{name: "perhaps"})[0] == 400
    assert program("DELETE", one, **{name: "false"})[0] == 204


def test_the_last_pipeline_and_the_last_open_stage_stay(program: Any) -> None:
    """R-DM-3, R-PIPE-4"""
    assert program("DELETE", f"{TICKETS}/0")[0] == 400
    for key in ("1", "2"):
        assert program("DELETE", f"{TICKETS}/0/stages/{key}")[0] == 204
    assert program("DELETE", f"{TICKETS}/0/stages/3")[0] == 400
    assert program("PATCH", f"{TICKETS}/0/stages/3", {"metadata": CLOSED})[0] == 400
    assert program("PUT", f"{TICKETS}/0", {**RETURNS, "stages": []})[0] == 400
    assert labels(program) == ["Waiting on us", "Closed"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", TICKETS, {**RETURNS, "label": "support PIPELINE"}, "label"),
        ("POST", TICKETS, {**RETURNS, "stages": [stage("A"), stage(" a ")]}, "stages[1].label"),
        ("POST", f"{TICKETS}/0/stages", stage("new"), "label"),
        ("PATCH", f"{TICKETS}/0/stages/1", {"label": "Closed"}, "label"),
        ("PATCH", f"{TICKETS}/0/stages/1", {"label": " "}, "label"),
        ("PATCH", f"{TICKETS}/0", {"label": "x" * 101}, "label"),
    ],
)
def test_names_are_said_once_and_not_empty(
    program: Any, method: str, path: str, body: Any, field: str
) -> None:
    before = program("GET", TICKETS)
    status, answer = program(method, path, body)

    assert (status, answer["context"]) == (400, {"field": [field]})
    assert program("GET", TICKETS) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", TICKETS, {}),
        ("POST", TICKETS, [1]),
        ("POST", TICKETS, {**RETURNS, "displayOrder": 10**30}),
        ("POST", TICKETS, {**RETURNS, "label": None}),
        ("POST", TICKETS, {**RETURNS, "label": "\x00"}),
        ("POST", TICKETS, {**RETURNS, "stages": None}),
        ("POST", TICKETS, {**RETURNS, "stages": [stage("A", 0, {"ticketState": "HALF"})]}),
        ("POST", TICKETS, {**RETURNS, "stages": [stage("A", 0, {"ticketState": {"a": 1}})]}),
        ("POST", TICKETS, {**RETURNS, "stages": [stage("A", 0, {"isClosed": "perhaps"})]}),
        ("POST", "/crm/v3/pipelines/deals/default/stages", stage("A", 0, {"probability": "nan"})),
        ("POST", "/crm/v3/pipelines/deals/default/stages", stage("A", 0, {"probability": "1.5"})),
        ("PATCH", f"{TICKETS}/0", {"archived": True}),
        ("PATCH", f"{TICKETS}/0/stages/1", {"archived": True}),
        ("PATCH", f"{TICKETS}/0/stages/1", {"displayOrder": "first"}),
        ("PUT", f"{TICKETS}/0", {**RETURNS, "stages": [stage("A", stageId="1"), stage("B", stageId="1")]}),
    ],
)
def test_what_can_not_be_taken_changes_nothing(program: Any, method: str, path: str, body: Any) -> None:
    before = program("GET", TICKETS), program("GET", "/crm/v3/pipelines/deals")
    status, answer = program(method, path, body)

    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert (program("GET", TICKETS), program("GET", "/crm/v3/pipelines/deals")) == before


def test_a_plan_with_one_pipeline_has_one(program: Any, world: Any) -> None:
    """R-PIPE-12"""
    world.account.plan = Plan.FREE
    world.account.save(update_fields=["plan"])

    assert program("POST", TICKETS, RETURNS)[0] == 403


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _give(world: Any, allowed: Any) -> None:
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Some", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)


def test_who_may_not_edit_pipelines_only_reads_them(program_of: Any, world: Any) -> None:
    """R-PERM-9: as on the page."""
    _give(world, {"records": {"ticket": {"view": "all", "edit": "all"}}})
    bob = program_of(user_id=world.bob.pk)

    assert bob("GET", f"{TICKETS}/0")[0] == 200
    for call in [
        ("POST", TICKETS, RETURNS), ("PATCH", f"{TICKETS}/0", {"label": "x"}), ("PUT", f"{TICKETS}/0", RETURNS),
        ("DELETE", f"{TICKETS}/0"), ("POST", f"{TICKETS}/0/stages", stage("x")), ("DELETE", f"{TICKETS}/0/stages/1"),
        ("PATCH", f"{TICKETS}/0/stages/1", {"label": "x"}), ("PUT", f"{TICKETS}/0/stages/1", stage("x")),
        ("GET", f"{TICKETS}/0/audit"), ("GET", f"{TICKETS}/0/stages/1/audit"),
    ]:  # fmt: skip
        assert bob(*call)[0] == 403, call
    with account_scope(world.account.pk):
        assert Pipeline.objects.filter(object_type="ticket").count() == 1


def test_scopes_are_those_of_the_kind_of_record(program_of: Any) -> None:
    reader = program_of(scopes=["crm.objects.deals.read"])

    assert reader("GET", "/crm/v3/pipelines/deals")[0] == 200
    assert reader("GET", TICKETS)[0] == 403
    assert reader("POST", "/crm/v3/pipelines/deals", RETURNS)[0] == 403
    assert program_of(scopes=["tickets"])("POST", TICKETS, RETURNS)[0] == 201


def test_pipelines_of_other_accounts_are_not_there(program: Any) -> None:
    other = make_world("other")
    with account_scope(other.account.pk):
        theirs = pipelines.create(
            other.account.pk, "ticket", "Theirs", [NewStage("On", StageState.OPEN)], by=SYSTEM
        )

    assert program("GET", f"{TICKETS}/{theirs.key}")[0] == 404
    assert program("DELETE", f"{TICKETS}/{theirs.key}")[0] == 404


# ── audits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_tells_what_was_changed_newest_first(program: Any, world: Any) -> None:
    """api.md §2.2"""
    pipeline = made(program)
    one = f"{TICKETS}/{pipeline['id']}"
    program("PATCH", one, {"label": "Complaints"})
    program("DELETE", one)

    status, body = program("GET", f"{one}/audit")

    assert status == 200
    assert [entry["action"] for entry in body["results"]] == ["DELETE", "UPDATE", "CREATE"]
    assert {(entry["identifier"], entry["portalId"]) for entry in body["results"]} == {
        (pipeline["id"], world.account.pk)
    }
    assert body["results"][1]["rawObject"] == {
        "before": {"label": "Returns"},
        "after": {"label": "Complaints"},
    }


def test_the_audit_of_a_stage_is_about_that_one(program_of: Any, program: Any, world: Any) -> None:
    """api.md §2.2"""
    ada = program_of(user_id=world.ada.pk)
    Membership.objects.filter(user=world.ada).update(is_super_admin=True)
    new = program("POST", f"{TICKETS}/0/stages", stage("On hold", 2))[1]
    ada("PATCH", f"{TICKETS}/0/stages/{new['id']}", {"metadata": CLOSED})
    program("PATCH", f"{TICKETS}/0/stages/1", {"label": "Fresh"})

    entries = program("GET", f"{TICKETS}/0/stages/{new['id']}/audit")[1]["results"]

    assert [(entry["action"], entry.get("fromUserId")) for entry in entries] == [
        ("UPDATE", world.ada.pk), ("CREATE", None),
    ]  # fmt: skip
    assert entries[0]["rawObject"]["after"]["state"] == "CLOSED"


def test_a_client_that_leaves_the_braces_in_is_understood(program: Any) -> None:
    """api.md §2.2: by the stage's id where the pipeline's is not real."""
    program("PATCH", f"{TICKETS}/0/stages/2", {"label": "Waiting"})
    found = program("GET", f"{TICKETS}/0/stages/2/audit")

    assert program("GET", f"{TICKETS}/{{pipelineId}}/stages/2/audit") == found
    assert program("GET", f"{TICKETS}/%7BpipelineId%7D/stages/2/audit") == found
    assert program("GET", f"{TICKETS}/{{pipelineId}}/stages/99/audit")[0] == 404
