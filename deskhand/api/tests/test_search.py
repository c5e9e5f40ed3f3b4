"""Searches through the API (api.md §1.7)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership, Role
from deskhand.api.tests.test_records import PRINTER, TICKETS, ticket
from deskhand.crm.records import search as words
from deskhand.crm.schema import object_types
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import forget, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

CONTACTS = "/crm/v3/objects/contacts"


def found(program: Any, *groups: list[dict[str, Any]], kind: str = TICKETS, **more: Any) -> list[str]:
    """What the first column of those that meet one of the groups says."""
    asked = {
        "filterGroups": [{"filters": group} for group in groups],
        "properties": ["subject", "lastname"],
        **more,
    }
    status, body = program("POST", f"{kind}/search", asked)
    assert status == 200, body
    return [one["properties"].get("subject") or one["properties"].get("lastname") for one in body["results"]]


def one(name: str, operator: str, *values: str, high: str | None = None) -> dict[str, Any]:
    given: dict[str, Any] = {"propertyName": name, "operator": operator}
    if operator in ("IN", "NOT_IN"):
        return given | {"values": list(values)}
    return given | ({"value": values[0]} if values else {}) | ({"highValue": high} if high else {})


@pytest.fixture
def tickets(program: Any) -> Any:
    ticket(program, subject="Printer is broken", hs_ticket_priority="HIGH")
    ticket(program, subject="Broken print-head", hs_ticket_priority="LOW", hs_pipeline_stage="2")
    ticket(program, subject="Refund please", hs_ticket_priority="", hs_pipeline_stage="4")
    return program


PRINTERS, HEAD, REFUND = "Printer is broken", "Broken print-head", "Refund please"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("hs_ticket_priority", "EQ", "HIGH"), [PRINTERS]),
        (("hs_ticket_priority", "EQ", "high"), [PRINTERS]),
        (("hs_ticket_priority", "EQ", "NEVER"), []),
        (("hs_ticket_priority", "NEQ", "HIGH"), [HEAD, REFUND]),
        (("hs_ticket_priority", "IN", "HIGH", "LOW"), [PRINTERS, HEAD]),
        (("hs_ticket_priority", "NOT_IN", "HIGH", "LOW"), [REFUND]),
        (("hs_ticket_priority", "HAS_PROPERTY"), [PRINTERS, HEAD]),
        (("hs_ticket_priority", "NOT_HAS_PROPERTY"), [REFUND]),
        (("hs_pipeline_stage", "EQ", "2"), [HEAD]),
        (("hs_pipeline_stage", "IN", "1", "4"), [PRINTERS, REFUND]),
        (("hs_pipeline_stage", "EQ", "77"), []),
        (("hs_pipeline", "EQ", "0"), [PRINTERS, HEAD, REFUND]),
        (("subject", "EQ", "refund please"), [REFUND]),
        (("subject", "CONTAINS_TOKEN", "broken"), [PRINTERS, HEAD]),
        (("subject", "CONTAINS_TOKEN", "print"), [HEAD]),
        (("subject", "CONTAINS_TOKEN", "print*"), [PRINTERS, HEAD]),
        (("subject", "CONTAINS_TOKEN", "*ea*"), [HEAD, REFUND]),
        (("subject", "CONTAINS_TOKEN", "is broken"), [PRINTERS]),
        (("subject", "NOT_CONTAINS_TOKEN", "broken"), [REFUND]),
        (("hs_ticket_id", "GT", "1"), [HEAD, REFUND]),
        (("hs_ticket_id", "GTE", "2"), [HEAD, REFUND]),
        (("hs_ticket_id", "LT", "2"), [PRINTERS]),
        (("hs_ticket_id", "LTE", "2.0"), [PRINTERS, HEAD]),
        (("createdate", "GT", "2020-01-01"), [PRINTERS, HEAD, REFUND]),
        (("createdate", "GTE", "1577836800000"), [PRINTERS, HEAD, REFUND]),
        (("createdate", "LT", "2020-01-01T00:00:00Z"), []),
        (("closed_date", "HAS_PROPERTY"), [REFUND]),
        (("hs_v2_date_entered_4", "HAS_PROPERTY"), [REFUND]),
        (("hs_is_closed", "EQ", "true"), [REFUND]),
    ],
)
def test_operators(tickets: Any, asked: tuple[str, ...], expected: list[str]) -> None:
    assert found(tickets, [one(*asked)]) == expected


def test_between_takes_both_ends(tickets: Any) -> None:
    assert found(tickets, [one("hs_ticket_id", "BETWEEN", "2", high="3")]) == [HEAD, REFUND]
    both = one("createdate", "BETWEEN", "2020-01-01", high="2999-01-01")
    assert found(tickets, [both]) == [PRINTERS, HEAD, REFUND]


def test_groups_are_joined_by_or_and_their_filters_by_and(tickets: Any) -> None:
    high = one("hs_ticket_priority", "EQ", "HIGH")
    assert found(tickets, [high, one("hs_pipeline_stage", "EQ", "2")]) == []
    assert found(tickets, [high], [one("hs_pipeline_stage", "EQ", "4")]) == [PRINTERS, REFUND]
    assert found(tickets) == [PRINTERS, HEAD, REFUND]


def test_order(tickets: Any) -> None:
    assert found(tickets, sorts=["-createdate"]) == [REFUND, HEAD, PRINTERS]
    assert found(tickets, sorts=[{"propertyName": "subject", "direction": "ASCENDING"}]) == [
        HEAD,
        PRINTERS,
        REFUND,
    ]
    assert found(tickets, sorts=["hs_ticket_priority", "-hs_ticket_id"])[-1] == REFUND


def test_pages_are_counted_from_the_beginning(tickets: Any) -> None:
    status, first = tickets("POST", f"{TICKETS}/search", {"limit": 2})
    assert (status, first["total"], len(first["results"]), first["paging"]["next"]["after"]) == (
        200,
        3,
        2,
        "2",
    )
    second = tickets("POST", f"{TICKETS}/search", {"limit": 2, "after": "2"})[1]
    assert (second["total"], len(second["results"]), "paging" in second) == (3, 1, False)


def test_nothing_asked_is_everything(tickets: Any) -> None:
    assert tickets("POST", f"{TICKETS}/search", {})[1]["total"] == 3


def test_words(program: Any) -> None:
    made = [
        program("POST", CONTACTS, {"properties": {"email": f"{name}@x.example", "lastname": name}})[1]
        for name in ("Ada", "Bo")
    ]
    with account_scope(program.world.account.pk):
        words.index(program.world.account.pk, "contact", {int(one["id"]) for one in made})

    assert found(program, kind=CONTACTS, query="ad") == ["Ada"]
    assert found(program, kind=CONTACTS, query="nobody") == []


def test_linked_records(tickets: Any) -> None:
    ada = tickets("POST", CONTACTS, {"properties": {"email": "ada@x.example"}})[1]["id"]
    link = {"to": {"id": ada}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}]}
    tickets("POST", TICKETS, {"properties": {**PRINTER, "subject": "Mine"}, "associations": [link]})

    assert found(tickets, [one("associations.contact", "EQ", ada)]) == ["Mine"]
    assert "Mine" not in found(tickets, [one("associations.contacts", "NEQ", ada)])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"filterGroups": [{"filters": [one("nothing", "EQ", "1")]}]}, "there is no property nothing"),
        ({"filterGroups": [{"filters": [one("subject", "GT", "a")]}]}, "subject can't be asked"),
        ({"filterGroups": [{"filters": [one("hs_ticket_id", "GT", "a")]}]}, "hs_ticket_id can't be asked"),
        ({"filterGroups": [{"filters": [one("hs_ticket_id", "BETWEEN", "1")]}]}, "highValue"),
        ({"filterGroups": [{"filters": [one("subject", "EQ")]}]}, "takes a value"),
        (
            {"filterGroups": [{"filters": [one("subject", "LIKE", "a")]}]},
            "Invalid input JSON: filterGroups[0].filters[0].operator",
        ),
        ({"filterGroups": [{"filters": [one("createdate", "GT", "soon")]}]}, "createdate can't be asked"),
        (
            {"filterGroups": [{"filters": [one("associations.horses", "EQ", "1")]}]},
            "Unable to infer object type",
        ),
        ({"sorts": ["nothing"]}, "can't be sorted by nothing"),
        ({"limit": 201}, "limit is 201"),
        ({"after": "x"}, "after is 'x'"),
        ({"after": "10000"}, "10,000 records at most"),
        ({"filterGroups": [{"filters": [one("hs_ticket_id", "CONTAINS_TOKEN", "1")]}]}, "compares texts"),
        ({"filterGroups": [{"filters": [one("subject", "CONTAINS_TOKEN", "*a*b*c*d*")]}]}, "at most 4 stars"),
        ({"filterGroups": [{"filters": [one("subject", "EQ", "a\x00")]}]}, "subject can't be asked"),
        ({"filterGroups": [{"filters": [one("associations.contact", "EQ", "x")]}]}, "numbers of records"),
        ({"filterGroups": [{"filters": [one("associations.contact", "GT", "1")]}]}, "does not compare links"),
        ({"filterGroups": [{"filters": []}] * 21}, "filterGroups"),
        ({"sorts": ["hs_v2_date_entered_1"]}, "can't be sorted by hs_v2_date_entered_1"),
    ],
)
def test_what_can_t_be_asked_is_named(program: Any, body: dict[str, Any], said: str) -> None:
    status, answer = program("POST", f"{TICKETS}/search", body)

    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert said in answer["message"]


def test_a_search_costs_the_same_however_many_are_found(program: Any) -> None:
    asked = {"filterGroups": [{"filters": [one("hs_pipeline_stage", "EQ", "1")]}], "limit": 100}
    ticket(program)
    program("POST", f"{TICKETS}/search", asked)
    few = program.queries("POST", f"{TICKETS}/search", asked)
    for _nth in range(5):
        ticket(program)

    assert program.queries("POST", f"{TICKETS}/search", asked) == few


# ── every operator on every property ─────────────────────────────────────────────────────────────────────────────────

SAME, ORDER, WORDS = ("EQ", "NEQ", "IN", "NOT_IN"), ("LT", "LTE", "GT", "GTE", "BETWEEN"), ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")  # fmt: skip
ALWAYS = ("HAS_PROPERTY", "NOT_HAS_PROPERTY")
TAKEN: dict[Kind, tuple[tuple[str, ...], str]] = {
    Kind.TEXT: ((*SAME, *WORDS), "a"),
    Kind.NUMBER: ((*SAME, *ORDER), "1.5"),
    Kind.DURATION: ((*SAME, *ORDER), "60000"),
    Kind.DATE: ((*SAME, *ORDER), "2026-11-23"),
    Kind.DATETIME: ((*SAME, *ORDER), "2026-11-23T10:00:00Z"),
    Kind.BOOL: (SAME, "true"),
    Kind.ENUM: ((*SAME, *WORDS), "a"),
    Kind.MULTI: ((*SAME, *WORDS), "a"),
    Kind.REF: (SAME, "1"),
    Kind.REFS: (SAME, "1"),
}


def define(world: Any, object_type: str) -> None:
    """A property of the account's own of every kind, that filters find in a side table and in the record."""
    PropertyDefinition.objects.bulk_create(
        PropertyDefinition(
            account_id=world.account.pk, object_type=object_type, name=f"{'side' if is_filled else 'own'}_{kind.name.lower()}",
            label="x", kind=kind.value, field_type="x", is_filterable=is_filled, filled_at=world.account.created_at if is_filled else None,
        )
        for kind in Kind if kind is not Kind.DURATION
        for is_filled in (True, False)
    )  # fmt: skip
    forget(object_type)


@pytest.mark.parametrize("object_type", ["ticket", "contact", "company", "deal", "project", "own"])
def test_each_property_takes_the_operators_of_its_kind(program: Any, object_type: str) -> None:
    """api.md §1.7: by whatever the schema of the kind has, and sorted by it."""
    world = program.world
    with account_scope(world.account.pk):
        if object_type == "own":
            object_type = object_types.create("machine", "Machine", "Machines", by=SYSTEM).key
        define(world, object_type)
        known = list(properties_of(object_type).values())
    path = f"/crm/v3/objects/{object_type}/search"

    for kind, (taken, value) in TAKEN.items():
        props = [prop.name for prop in known if prop.kind is kind and not prop.name.startswith("hs_v2_")]
        for operator in (*ALWAYS, *SAME, *ORDER, *WORDS):
            given = () if operator in ALWAYS else (value,)
            filters = [one(name, operator, *given, high=value) for name in props]
            groups = [{"filters": filters[at : at + 50]} for at in range(0, len(filters), 50)]
            status, body = program("POST", path, {"filterGroups": groups})
            is_taken = operator in (*ALWAYS, *taken) or not props
            assert status == (200 if is_taken else 400), (kind, operator, body)
    for prop in known:
        status, body = program("POST", path, {"sorts": [f"-{prop.name}", prop.name]})
        assert (status, body.get("category")) in ((200, None), (400, "VALIDATION_ERROR")), prop.name
        assert status == 200 or prop.is_computed, prop.name


def test_own_properties_are_found_in_the_side_table_and_in_the_record(program: Any) -> None:
    with account_scope(program.world.account.pk):
        define(program.world, "ticket")
    ticket(program, subject="First", side_text="Blue whale", own_text="Blue whale", side_number="5", own_number="5",
           side_date="2026-11-23", own_datetime="2026-11-23T10:00:00.123Z", side_bool="true", side_multi="a;b")  # fmt: skip
    ticket(
        program, subject="Second", side_text="Red fox", own_text="Red fox", side_number="7", own_number="7"
    )

    for where in ("side", "own"):
        assert found(program, [one(f"{where}_text", "CONTAINS_TOKEN", "wha*")]) == ["First"]
        assert found(program, [one(f"{where}_number", "GT", "5")]) == ["Second"]
        assert found(program, sorts=[f"-{where}_number"]) == ["Second", "First"]
        assert found(program, sorts=[f"{where}_text"]) == ["First", "Second"]
    assert found(program, [one("side_date", "EQ", "1795392000000")]) == ["First"]
    assert found(program, [one("own_datetime", "EQ", "2026-11-23T10:00:00.123Z")]) == ["First"]
    assert found(program, [{"propertyName": "side_bool", "operator": "EQ", "value": True}]) == ["First"]
    assert found(program, [one("side_multi", "IN", "b", "c")]) == ["First"]


def test_a_moment_is_all_of_its_millisecond(tickets: Any) -> None:
    """What is told can be asked for: microseconds are stored and not told."""
    made = ticket(tickets, subject="Now")
    at = made["properties"]["createdate"]

    assert found(tickets, [one("createdate", "EQ", at)]) == ["Now"]
    assert found(tickets, [one("createdate", "GT", at)]) == []
    assert "Now" in found(tickets, [one("createdate", "LTE", at)])
    assert "Now" not in found(tickets, [one("createdate", "NEQ", at)])
    assert len(found(tickets, [one("createdate", "BETWEEN", "0", high="9999-12-31")])) == 4


# ── what is not there ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_archived_is_never_found(tickets: Any) -> None:
    """api.md §1.5"""
    gone = tickets("POST", f"{TICKETS}/search", {"sorts": ["hs_object_id"]})[1]["results"][0]["id"]
    assert tickets("DELETE", f"{TICKETS}/{gone}")[0] == 204

    assert found(tickets) == [HEAD, REFUND]
    assert found(tickets, [one("hs_object_id", "EQ", gone)]) == []
    assert found(tickets, query="printer") == []
    assert tickets("POST", f"{TICKETS}/search", {})[1]["total"] == 2


def test_a_search_finds_what_its_viewer_sees(program: Any, program_of: Any, world: Any) -> None:
    """R-PERM-1: neither by words or filters, nor in the count, nor through links."""
    allowed = {"records": {"ticket": {"view": "all"}, "contact": {"view": "own"}, "deal": {"view": "none"}}}
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Own", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    mine, other = (
        program("POST", CONTACTS, {"properties": {"lastname": name, "email": f"{name}@x.example", **more}})[1]["id"]
        for name, more in (("Mine", {"hubspot_owner_id": str(world.bob.pk)}), ("Other", {}))
    )  # fmt: skip
    with account_scope(world.account.pk):
        words.index(world.account.pk, "contact", {int(mine), int(other)})
    for name, contact in (("Of mine", mine), ("Of other", other)):
        link = {
            "to": {"id": contact},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}],
        }
        program("POST", TICKETS, {"properties": {**PRINTER, "subject": name}, "associations": [link]})
    bob = program_of(user_id=world.bob.pk)

    assert bob("POST", f"{CONTACTS}/search", {})[1]["total"] == 1
    assert found(bob, kind=CONTACTS, query="x.example") == ["Mine"]
    assert found(bob, [one("email", "EQ", "Other@x.example")], kind=CONTACTS) == []
    assert found(bob, [one("associations.contact", "HAS_PROPERTY")]) == ["Of mine"]
    assert found(bob, [one("associations.contact", "EQ", other)]) == []
    assert found(bob, [one("associations.contact", "NEQ", other)]) == ["Of mine", "Of other"]
    assert found(bob, kind="/crm/v3/objects/deals") == []


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────

#: The first record of the account, many times over; what must be its own is made from its number.
FILL = """
insert into {table} select (jsonb_populate_record(t, jsonb_build_object('id', t.id + n, {own}))).* from {table} t, generate_series(1, 3000) n
where t.account_id = %s
"""


def plan(program: Any, table: str, own: str, body: dict[str, Any], which: str) -> str:
    """How PostgreSQL answers the statement of a search that has this in it, in a table of three thousand."""
    path = f"/crm/v3/objects/{table.removeprefix('crm_')}/search"
    with account_scope(program.world.account.pk), connection.cursor() as cursor:
        cursor.execute(FILL.format(table=table, own=own), [program.world.account.pk])
        cursor.execute(f"analyze {table}")
    with CaptureQueriesContext(connection) as seen:
        assert program("POST", path, body)[0] == 200
    query = next(one["sql"] for one in seen if which in one["sql"])
    with account_scope(program.world.account.pk), connection.cursor() as cursor:
        cursor.execute("explain " + query)
        return "\n".join(line for (line,) in cursor.fetchall())


TICKET_ROWS = ("crm_ticket", "'number', t.number + n")
CONTACT_ROWS = ("crm_contact", "'email', n || '@y.example', 'created_at', t.created_at + make_interval(mins => n::int)")  # fmt: skip
COMPANY_ROWS = ("crm_company", "'domain', n || '.example'")


@pytest.mark.parametrize(
    ("rows", "name", "value", "index"),
    [
        (TICKET_ROWS, "hs_object_id", "1", "(id = "),
        (TICKET_ROWS, "hs_ticket_id", "1", "(number = "),
        (TICKET_ROWS, "hs_pipeline_stage", "2", "(stage_id = "),
        (CONTACT_ROWS, "email", "ada@x.example", "(email = "),
        (COMPANY_ROWS, "domain", "X.example", "(domain = "),
    ],
)
def test_what_has_an_index_is_found_by_it(
    program: Any, rows: tuple[str, str], name: str, value: str, index: str
) -> None:
    """api.md §1.7"""
    ticket(program)
    program("POST", CONTACTS, {"properties": {"email": "ada@x.example"}})
    program("POST", "/crm/v3/objects/companies", {"properties": {"name": "X", "domain": "x.example"}})

    found_by = plan(program, *rows, {"filterGroups": [{"filters": [one(name, "EQ", value)]}]}, "select count(*)")  # fmt: skip

    conditions = re.findall(r"Index Cond: (.*)", found_by)
    assert any(index in one for one in conditions), found_by


def test_a_property_of_the_account_s_own_is_found_by_its_index(program: Any) -> None:
    """api.md §1.7: in the side table of values."""
    with account_scope(program.world.account.pk):
        define(program.world, "ticket")
    ticket(program, side_text="Blue whale")
    asked = {"filterGroups": [{"filters": [one("side_text", "EQ", "blue WHALE")]}]}

    found_by = plan(program, *TICKET_ROWS, asked, "select count(*)")

    assert "value_by_word" in found_by, found_by


def test_a_page_is_read_in_the_order_of_an_index(program: Any) -> None:
    """api.md §1.7: what is sorted by costs a page, not the account."""
    program("POST", CONTACTS, {"properties": {"email": "ada@x.example"}})

    newest = plan(program, *CONTACT_ROWS, {"sorts": ["-createdate"]}, "limit 10")

    assert "contact_newest" in newest, newest
    assert "Sort" not in newest, newest


def test_stars_are_counted_for_options_too(program):
    """api.md §1.7: a word with many stars would take for ever."""
    asked = {"propertyName": "hs_ticket_priority", "operator": "CONTAINS_TOKEN", "value": "*a*a*a*a*a*a*b"}

    status, body = program("POST", "/crm/v3/objects/tickets/search", {"filterGroups": [{"filters": [asked]}]})

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
