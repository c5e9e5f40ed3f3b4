"""Links through the API: both versions' shapes, labels, primary companies (api.md §2.5)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts.models import Membership, Role
from deskhand.api.tests.test_merging import made
from deskhand.api.tests.test_records import PRINTER, TICKETS, ticket
from deskhand.crm.records.models import Association, Contact
from deskhand.events.models import EventRow
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

V3, V4 = "/crm/v3/associations", "/crm/v4/associations"
OBJECTS = "/crm/v4/objects"


def types(*numbers: int, category: str = "HUBSPOT_DEFINED") -> list[dict[str, Any]]:
    return [{"associationCategory": category, "associationTypeId": number} for number in numbers]


def pair(one: str, other: str, **more: Any) -> dict[str, Any]:
    return {"from": {"id": one}, "to": {"id": other}, **more}


def numbers(program: Any, kind: str, record: str, to: str) -> dict[str, list[int]]:
    """{linked record: the numbers of its types}"""
    status, body = program("GET", f"{OBJECTS}/{kind}/{record}/associations/{to}")
    assert status == 200, body
    return {
        one["toObjectId"]: [each["typeId"] for each in one["associationTypes"]] for one in body["results"]
    }


def label(program: Any, one: str, other: str, **words: str) -> list[int]:
    status, body = program("POST", f"{V4}/{one}/{other}/labels", words)
    assert status == 200, body
    return [each["typeId"] for each in body["results"]]


def contact(program: Any, name: str = "ada", **more: str) -> str:
    return made(program, "contacts", email=f"{name}@x.example", **more)


def company(program: Any, name: str = "Ada Ltd") -> str:
    return made(program, "companies", name=name)


# ── one by one ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plain_link_stands_on_both_sides(program: Any) -> None:
    one, ada = ticket(program)["id"], contact(program)

    status, body = program("PUT", f"{OBJECTS}/tickets/{one}/associations/default/contacts/{ada}")

    assert (status, body["status"]) == (200, "COMPLETE")
    assert body["results"] == [
        {"from": {"id": one}, "to": {"id": ada}, "associationSpec": types(16)[0]},
        {"from": {"id": ada}, "to": {"id": one}, "associationSpec": types(15)[0]},
    ]
    status, body = program("GET", f"{OBJECTS}/tickets/{one}/associations/contacts")
    plain = {"category": "HUBSPOT_DEFINED", "typeId": 16, "label": None}
    assert (status, body) == (200, {"results": [{"toObjectId": ada, "associationTypes": [plain]}]})
    assert numbers(program, "contact", ada, "0-5") == {one: [15]}


def test_version_3_has_words_where_later_ones_have_numbers(program: Any) -> None:
    """api.md §1.1: the one place where the version changes the body."""
    one, ada = ticket(program)["id"], contact(program)
    program("PUT", f"{OBJECTS}/tickets/{one}/associations/default/contacts/{ada}")

    old = program("GET", f"/crm/v3/objects/tickets/{one}/associations/contacts")[1]
    dated = program("GET", f"/crm/objects/2026-03/tickets/{one}/associations/contacts")[1]

    assert old == {"results": [{"id": ada, "type": "ticket_to_contact"}]}
    assert dated["results"][0]["associationTypes"][0]["typeId"] == 16


def test_a_link_with_a_label_is_told_and_keeps_its_others(program: Any) -> None:
    """R-TRIG-5; a single PUT answers 201."""
    one, ada = ticket(program)["id"], contact(program)
    boss, of_boss = label(
        program, "tickets", "contacts", label="Manager", name="manager", inverseLabel="Managed"
    )
    [vip, _same] = label(program, "tickets", "contacts", label="VIP", name="vip")
    url = f"{OBJECTS}/tickets/{one}/associations/contacts/{ada}"

    status, body = program("PUT", url, types(boss, category="USER_DEFINED"))

    assert (status, body) == (201, {
        "fromObjectTypeId": "0-5", "fromObjectId": one, "toObjectTypeId": "0-1", "toObjectId": ada, "labels": ["Manager"],
    })  # fmt: skip
    assert program("PUT", url, types(vip, category="USER_DEFINED"))[0] == 201
    assert numbers(program, "tickets", one, "contacts") == {ada: [16, boss, vip]}
    assert numbers(program, "contacts", ada, "tickets") == {one: [15, of_boss, vip]}
    with account_scope(program.world.account.pk):
        kinds = list(
            EventRow.objects.filter(object_type="ticket", object_id=one)
            .order_by("id")
            .values_list("kind", flat=True)
        )
    assert kinds == ["ticket.created", "ticket.linked", "ticket.relabeled", "ticket.relabeled"]


def test_parting_takes_both_sides_and_may_be_repeated(program: Any) -> None:
    one, ada = ticket(program)["id"], contact(program)
    url = f"{OBJECTS}/tickets/{one}/associations/contacts/{ada}"
    program("PUT", url, types(16))

    assert program("DELETE", url) == (204, None)
    assert program("DELETE", url) == (204, None)
    with account_scope(program.world.account.pk):
        assert not Association.objects.exists()
        assert EventRow.objects.filter(kind="ticket.unlinked").count() == 1


def test_a_page_of_links_leads_to_the_next(program: Any) -> None:
    """api.md §1.6"""
    ada = contact(program)
    tickets = [ticket(program)["id"] for _n in range(3)]
    inputs = [pair(ada, one) for one in tickets]
    assert program("POST", f"{V4}/contacts/tickets/batch/associate/default", {"inputs": inputs})[0] == 200

    first = program("GET", f"{OBJECTS}/contacts/{ada}/associations/tickets", limit="2")[1]

    assert [one["toObjectId"] for one in first["results"]] == tickets[:2]
    link = first["paging"]["next"]["link"]
    assert link.startswith(f"http://testserver{OBJECTS}/contacts/{ada}/associations/tickets?")
    rest = program("GET", link.removeprefix("http://testserver"))[1]
    assert [one["toObjectId"] for one in rest["results"]] == tickets[2:]
    assert "paging" not in rest


@pytest.mark.parametrize("numbers_given", [[4711], [1], [9001], [10**15], [-1]])
def test_a_type_that_there_is_not_is_named(program: Any, numbers_given: list[int]) -> None:
    one, ada = ticket(program)["id"], contact(program)
    status, body = program(
        "PUT", f"{OBJECTS}/tickets/{one}/associations/contacts/{ada}", types(*numbers_given)
    )

    assert (status, body["context"]["typeId"]) == (400, [str(numbers_given[0])])
    assert numbers(program, "tickets", one, "contacts") == {}


@pytest.mark.parametrize(
    "body", [[], {}, "x", None, [{"associationTypeId": "x"}], [{"associationCategory": "OURS"}], [1]]
)
def test_a_wrong_body_is_refused(program: Any, body: Any) -> None:
    one, ada = ticket(program)["id"], contact(program)
    given = b"null" if body is None else body

    assert program("PUT", f"{OBJECTS}/tickets/{one}/associations/contacts/{ada}", given)[0] == 400
    assert numbers(program, "tickets", one, "contacts") == {}


def test_what_is_not_there_can_t_be_linked_nor_itself(program: Any) -> None:
    one, ada = ticket(program)["id"], contact(program)

    assert program("PUT", f"{OBJECTS}/tickets/{one}/associations/contacts/99999", types(16))[0] == 404
    assert program("PUT", f"{OBJECTS}/tickets/99999/associations/contacts/{ada}", types(16))[0] == 404
    assert program("PUT", f"{OBJECTS}/tickets/x/associations/contacts/{ada}", types(16))[0] == 404
    assert program("GET", f"{OBJECTS}/tickets/99999/associations/contacts")[0] == 404
    assert program("GET", f"{OBJECTS}/tickets/{one}/associations/contacts", limit="0")[0] == 400
    assert program("PUT", f"{OBJECTS}/tickets/{one}/associations/tickets/{one}", types(452))[0] == 400


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_links_are_made_and_read_in_version_3(program: Any) -> None:
    one, ada, bob = ticket(program)["id"], contact(program), contact(program, "bob")
    inputs = [pair(one, ada, type="ticket_to_contact"), pair(one, bob, type="16")]

    status, body = program("POST", f"{V3}/tickets/contacts/batch/create", {"inputs": inputs})

    assert (status, body["results"]) == (
        201,
        [pair(one, other, type="ticket_to_contact") for other in (ada, bob)],
    )
    status, body = program("POST", f"{V3}/tickets/contacts/batch/read", {"inputs": [{"id": one}]})
    linked = [{"id": other, "type": "ticket_to_contact"} for other in (ada, bob)]
    assert (status, body["results"]) == (200, [{"from": {"id": one}, "to": linked}])
    gone = {"inputs": [pair(one, ada, type="ticket_to_contact")]}
    assert program("POST", f"{V3}/tickets/contacts/batch/archive", gone) == (204, None)
    assert numbers(program, "tickets", one, "contacts") == {bob: [16]}


def test_many_links_are_made_and_read_by_number(program: Any) -> None:
    one, ada, bob = ticket(program)["id"], contact(program), contact(program, "bob")
    [vip, _same] = label(program, "tickets", "contacts", label="VIP", name="vip")
    inputs = [pair(one, ada, types=types(16, vip)), pair(one, bob, types=types(16))]

    status, body = program("POST", f"{V4}/tickets/contacts/batch/create", {"inputs": inputs})

    assert (status, [each["labels"] for each in body["results"]]) == (201, [["VIP"], []])
    status, body = program("POST", f"{V4}/tickets/contacts/batch/read", {"inputs": [{"id": one}]})
    assert (status, body["results"][0]["from"]) == (200, {"id": one})
    assert {each["toObjectId"]: [t["label"] for t in each["associationTypes"]] for each in body["results"][0]["to"]} == {
        ada: [None, "VIP"], bob: [None],
    }  # fmt: skip
    gone = {"inputs": [pair(one, ada, types=types(vip))]}
    assert program("POST", f"{V4}/tickets/contacts/batch/labels/archive", gone)[0] == 204
    assert numbers(program, "tickets", one, "contacts") == {ada: [16], bob: [16]}
    all_of_them = {"inputs": [{"from": {"id": one}, "to": [{"id": ada}, {"id": bob}, {"id": "777777"}]}]}
    assert program("POST", f"{V4}/tickets/contacts/batch/archive", all_of_them)[0] == 204
    assert numbers(program, "tickets", one, "contacts") == {}


def test_what_can_t_be_linked_is_told_beside_what_was(program: Any) -> None:
    """api.md §1.8"""
    one, ada = ticket(program)["id"], contact(program)
    inputs = [pair(one, ada, types=types(16)), pair(one, "999999", types=types(16))]
    status, body = program("POST", f"{V4}/tickets/contacts/batch/create", {"inputs": inputs})

    assert (status, len(body["results"]), body["numErrors"]) == (207, 1, 1)
    assert body["errors"][0]["context"]["ids"] == ["999999"]
    status, body = program(
        "POST", f"{V4}/tickets/contacts/batch/read", {"inputs": [{"id": one}, {"id": "888888"}]}
    )
    assert (status, len(body["results"]), body["errors"][0]["context"]["ids"]) == (207, 1, ["888888"])


def test_one_wrong_type_refuses_the_whole_batch(program: Any) -> None:
    one, ada, bob = ticket(program)["id"], contact(program), contact(program, "bob")
    wrong = [pair(one, ada, types=types(16)), pair(one, bob, types=types(4711))]
    assert program("POST", f"{V4}/tickets/contacts/batch/create", {"inputs": wrong})[0] == 400
    status, body = program(
        "POST", f"{V3}/tickets/contacts/batch/create", {"inputs": [pair(one, ada, type="friend")]}
    )
    assert status == 400
    assert "There are: ticket_to_contact." in body["message"]
    assert numbers(program, "tickets", one, "contacts") == {}


@pytest.mark.parametrize("version", [V3, V4])
@pytest.mark.parametrize("do", ["read", "create", "archive", "associate/default", "labels/archive"])
def test_an_empty_batch_is_refused_and_what_a_link_lacks_is_named(
    program: Any, version: str, do: str
) -> None:
    url = f"{version}/tickets/contacts/batch/{do}"

    assert program("POST", url, {"inputs": []})[0] == 400
    assert program("POST", url, {"inputs": [{}]})[0] == 400
    assert program("POST", url, {"inputs": [{"id": "1"}] * 1001})[0] == 400
    if do == "create":
        status, body = program("POST", url, {"inputs": [pair("1", "2")]})
        assert (status, body["context"]["fields"]) == (
            400,
            ["inputs[0].type" + ("" if version == V3 else "s")],
        )


def test_reading_costs_as_many_statements_for_many_as_for_few(program: Any) -> None:
    ada, first = contact(program), company(program)
    tickets = [ticket(program)["id"] for _n in range(20)]
    for kind, other in (("contacts", ada), ("companies", first)):
        inputs = [pair(one, other) for one in tickets]
        program("POST", f"{V4}/tickets/{kind}/batch/associate/default", {"inputs": inputs})

    def cost(count: int) -> int:
        body = {"inputs": [{"id": one} for one in tickets[:count]]}
        return program.queries("POST", f"{V4}/tickets/companies/batch/read", body)  # type: ignore[no-any-return]

    assert cost(20) == cost(2)


def test_linking_costs_as_many_statements_for_many_as_for_few(program: Any) -> None:
    first, second = company(program), company(program, "Babbage")
    people = [contact(program, f"p{number}") for number in range(22)]

    def cost(some: list[str], to: str, number: int) -> int:
        body = {"inputs": [pair(one, to, types=types(number)) for one in some]}
        return program.queries("POST", f"{V4}/contacts/companies/batch/create", body)  # type: ignore[no-any-return]

    assert cost(people[:2], first, 279) == cost(people[2:], first, 279)
    assert cost(people[:2], second, 1) == cost(people[2:], second, 1)


# ── primary companies ────────────────────────────────────────────────────────────────────────────────────────────────


def primary(program: Any, ada: str) -> str | None:
    with account_scope(program.world.account.pk):
        pk = Contact.objects.values_list("company_id", flat=True).get(pk=ada)
    return str(pk) if pk else None


def test_a_contact_s_first_company_is_the_primary_one_until_another_is_chosen(program: Any) -> None:
    """api.md §2.5: 1 and 2 name the primary one, from either side; 279 and 280 any."""
    ada, first, second, third = (
        contact(program),
        company(program),
        company(program, "B"),
        company(program, "C"),
    )
    url = f"{OBJECTS}/contacts/{ada}/associations/companies"

    program("PUT", f"{url}/{first}", types(279))
    program("PUT", f"{url}/{second}", types(279))
    assert numbers(program, "contacts", ada, "companies") == {first: [1, 279], second: [279]}
    assert primary(program, ada) == first

    status, body = program("PUT", f"{url}/{second}", types(1))
    assert (status, body["labels"]) == (201, ["Primary"])
    assert numbers(program, "contacts", ada, "companies") == {first: [279], second: [1, 279]}
    assert primary(program, ada) == second

    program("PUT", f"{OBJECTS}/companies/{third}/associations/contacts/{ada}", types(2))
    assert numbers(program, "companies", third, "contacts") == {ada: [2, 280]}
    assert primary(program, ada) == third
    read = program("GET", f"{OBJECTS}/contacts/{ada}", propertiesWithHistory="associatedcompanyid")[1]
    past = read["propertiesWithHistory"]["associatedcompanyid"]
    assert [one["value"] for one in past if one["value"]] == [third, second, first]

    program("DELETE", f"{url}/{third}")
    assert primary(program, ada) == first
    program(
        "POST",
        f"{V4}/contacts/companies/batch/labels/archive",
        {"inputs": [pair(ada, first, types=types(1))]},
    )
    assert numbers(program, "contacts", ada, "companies") == {first: [279], second: [279]}
    assert primary(program, ada) is None


def test_the_plain_word_of_version_3_is_the_primary_one(program: Any) -> None:
    ada, first, second = contact(program), company(program), company(program, "B")
    for other in (first, second):
        inputs = {"inputs": [pair(ada, other, type="contact_to_company")]}
        assert program("POST", f"{V3}/contacts/companies/batch/create", inputs)[0] == 201
    assert primary(program, ada) == second
    known = program("GET", f"{V3}/contacts/companies/types")[1]["results"]
    assert known == [
        {"id": "1", "name": "contact_to_company"},
        {"id": "279", "name": "contact_to_company_unlabeled"},
    ]
    gone = {"inputs": [pair(ada, second, type="contact_to_company")]}
    assert program("POST", f"{V3}/contacts/companies/batch/archive", gone)[0] == 204
    assert numbers(program, "contacts", ada, "companies") == {first: [1, 279]}


def test_a_ticket_s_first_company_is_the_primary_one_until_another_is_chosen(program: Any) -> None:
    """api.md §2.5: 26, and 25 from the other side."""
    one, first, second, third = (
        ticket(program)["id"],
        company(program),
        company(program, "B"),
        company(program, "C"),
    )
    url = f"{OBJECTS}/tickets/{one}/associations/companies"
    for other in (first, second):
        program("PUT", f"{url}/{other}", types(339))
    assert numbers(program, "tickets", one, "companies") == {first: [26, 339], second: [339]}

    program("PUT", f"{url}/{second}", types(26))
    assert numbers(program, "tickets", one, "companies") == {first: [339], second: [26, 339]}
    program("PUT", f"{OBJECTS}/companies/{third}/associations/tickets/{one}", types(25))
    assert numbers(program, "companies", third, "tickets") == {one: [25, 340]}
    assert numbers(program, "tickets", one, "companies")[second] == [339]

    body = {"inputs": [pair(one, third, types=types(26))]}
    assert program("POST", f"{V4}/tickets/companies/batch/labels/archive", body)[0] == 400


@pytest.mark.parametrize(("kind", "number", "plain"), [("tickets", 26, 339), ("contacts", 1, 279)])
def test_the_primary_company_may_come_with_a_new_record(
    program: Any, kind: str, number: int, plain: int
) -> None:
    first, second = company(program), company(program, "B")
    properties = PRINTER if kind == "tickets" else {"email": "ada@x.example"}
    given = [
        {"to": {"id": first}, "types": types(plain)},
        {"to": {"id": second}, "types": types(number)},
    ]
    status, body = program(
        "POST", f"/crm/v3/objects/{kind}", {"properties": properties, "associations": given}
    )

    assert status == 201
    assert numbers(program, kind, body["id"], "companies") == {first: [plain], second: [number, plain]}


def test_without_it_the_first_that_comes_along_is_the_primary_one(program: Any) -> None:
    first = company(program)
    given = [{"to": {"id": first}, "types": types(279)}]
    _status, body = program(
        "POST", "/crm/v3/objects/contacts", {"properties": {"email": "a@x.example"}, "associations": given}
    )

    assert primary(program, body["id"]) == first


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_made_listed_renamed_and_deleted(program: Any) -> None:
    url = f"{V4}/contacts/companies/labels"
    buyer, seller = label(
        program, "contacts", "companies", label="Buys from", name="buys_from", inverseLabel="Sells to"
    )

    found = program("GET", url)[1]["results"]
    assert [(one["typeId"], one["label"], one["category"]) for one in found] == [
        (1, "Primary", "HUBSPOT_DEFINED"), (279, None, "HUBSPOT_DEFINED"), (buyer, "Buys from", "USER_DEFINED"),
    ]  # fmt: skip
    change = {"associationTypeId": buyer, "label": "Customer of", "inverseLabel": "Supplier of"}
    assert program("PUT", url, change) == (204, None)
    back = program("GET", f"{V4}/companies/contacts/labels")[1]["results"]
    assert [(one["typeId"], one["label"]) for one in back[2:]] == [(seller, "Supplier of")]
    assert program("DELETE", f"{url}/{buyer}") == (204, None)
    assert len(program("GET", url)[1]["results"]) == 2
    assert program("DELETE", f"{url}/{buyer}")[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"label": "", "name": "x"}, "label"),
        ({"label": "x" * 101, "name": "x"}, "label"),
        ({"label": "Primary", "name": "x"}, "label"),
        ({"label": "X", "name": "with space"}, "name"),
        ({"label": "X", "name": "a\x00b"}, "name"),
        ({"label": "X", "name": "x" * 101}, "name"),
    ],
)
def test_a_label_that_can_t_be_is_refused_with_its_field(
    program: Any, body: dict[str, str], field: str
) -> None:
    status, refused = program("POST", f"{V4}/contacts/companies/labels", body)

    assert (status, refused["context"]["field"]) == (400, [field])
    assert len(program("GET", f"{V4}/contacts/companies/labels")[1]["results"]) == 2


def test_at_most_fifty_labels(program: Any) -> None:
    """The product's limit, told as a 400."""
    for number in range(50):
        label(program, "deals", "contacts", label=f"L{number}", name=f"l{number}")
    status, body = program("POST", f"{V4}/deals/contacts/labels", {"label": "One more", "name": "more"})

    assert status == 400
    assert "at most 50 labels" in body["message"]


def test_a_label_of_the_product_is_not_theirs_to_change(program: Any) -> None:
    url = f"{V4}/contacts/companies/labels"

    assert program("PUT", url, {"associationTypeId": 1, "label": "Main"})[0] == 404
    assert program("DELETE", f"{url}/1")[0] == 404
    assert program("DELETE", f"{url}/x")[0] == 404
    assert program("PUT", url, {"associationTypeId": 10**15, "label": "Main"})[0] == 404


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_kinds_ask_for_their_scopes(program: Any, program_of: Any) -> None:
    one, ada = ticket(program)["id"], contact(program)
    url = f"{OBJECTS}/tickets/{one}/associations/contacts/{ada}"
    of_tickets, reader = (
        program_of(scopes=["tickets"]),
        program_of(scopes=["tickets", "crm.objects.contacts.read"]),
    )

    for given in (of_tickets, reader):
        status, body = given("PUT", url, types(16))
        assert (status, body["category"]) == (403, "MISSING_SCOPES")
        assert given("DELETE", url)[0] == 403
        assert (
            given(
                "POST", f"{V4}/tickets/contacts/batch/create", {"inputs": [pair(one, ada, types=types(16))]}
            )[0]
            == 403
        )
        assert given("POST", f"{V4}/contacts/tickets/labels", {"label": "X", "name": "x"})[0] == 403
    assert of_tickets("GET", url.removesuffix(f"/{ada}"))[0] == 403
    assert reader("GET", url.removesuffix(f"/{ada}"))[0] == 200
    assert numbers(program, "tickets", one, "contacts") == {}


def test_what_somebody_may_not_see_is_neither_shown_nor_linked(
    program: Any, program_of: Any, world: Any
) -> None:
    """R-PERM-1, and as on the page: who links changes the contact; labels are for who may edit properties."""
    allowed = {"records": {"ticket": {"view": "own", "edit": "own"}, "contact": {"view": "all", "edit": "own"}, "company": {"view": "all"}}}  # fmt: skip
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Own", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    mine, other = ticket(program, hubspot_owner_id=str(world.bob.pk))["id"], ticket(program)["id"]
    ada, first = contact(program), company(program)
    inputs = [pair(ada, mine), pair(ada, other)]
    program("POST", f"{V4}/contacts/tickets/batch/associate/default", {"inputs": inputs})
    bob = program_of(user_id=world.bob.pk)

    assert numbers(bob, "contacts", ada, "tickets") == {mine: [15]}
    assert bob("GET", f"{OBJECTS}/tickets/{other}/associations/contacts")[0] == 404
    assert bob("PUT", f"{OBJECTS}/tickets/{other}/associations/contacts/{ada}", types(16))[0] == 404
    assert bob("DELETE", f"{OBJECTS}/tickets/{other}/associations/contacts/{ada}")[0] == 204
    assert numbers(program, "tickets", other, "contacts") == {ada: [16]}
    assert bob("PUT", f"{OBJECTS}/contacts/{ada}/associations/companies/{first}", types(279))[0] == 403
    assert bob("PUT", f"{OBJECTS}/companies/{first}/associations/contacts/{ada}", types(280))[0] == 403
    assert bob("POST", f"{V4}/contacts/tickets/labels", {"label": "X", "name": "x"})[0] == 403
    assert primary(program, ada) is None
    assert program("GET", f"{TICKETS}/{mine}")[0] == 200
