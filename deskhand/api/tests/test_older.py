"""Records as connectors of old ask for them: what n8n's node and tap-hubspot send (api.md §2.11, §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskhand.api.older.companies import OldCompanies, OldCompany
from deskhand.api.older.deals import OldDeal, OldDeals
from deskhand.api.older.tickets import OldTicket, OldTickets

pytestmark = pytest.mark.django_db

ALL = "/crm-objects/v1/objects/tickets"
PRINTER = [{"name": "subject", "value": "Printer"}, {"name": "hs_pipeline", "value": "0"}, {"name": "hs_pipeline_stage", "value": 1}]  # fmt: skip


def made(program: Any, subject: str = "Printer") -> Any:
    status, body = program("POST", ALL, [*PRINTER, {"name": "subject", "value": subject}])
    assert status == 200, body
    OldTicket.model_validate(body)
    return body


def test_a_ticket_is_made_changed_and_deleted(program: Any) -> None:
    """api.md §5: the same ticket as the engine's."""
    one = made(program)
    path = f"{ALL}/{one['objectId']}"
    assert (one["properties"]["subject"]["value"], one["properties"]["hs_pipeline_stage"]["value"]) == ("Printer", "1")  # fmt: skip
    assert program("GET", path) == (200, one)
    assert program("GET", f"/crm/v3/objects/tickets/{one['objectId']}")[1]["properties"]["subject"] == "Printer"  # fmt: skip

    status, changed = program("PUT", path, [{"name": "subject", "value": "Scanner"}])
    subject = changed["properties"]["subject"]
    assert (status, subject["value"], [one["value"] for one in subject["versions"]]) == (200, "Scanner", ["Scanner", "Printer"])  # fmt: skip
    assert isinstance(subject["timestamp"], int)
    assert program("DELETE", path) == (204, None)
    assert program("DELETE", path) == (204, None)
    assert program("GET", path)[0] == program("PUT", path, PRINTER)[0] == 404


def test_pages_follow_each_other(program: Any) -> None:
    """api.md §5: n8n asks on with the offset while there is more."""
    ids = [made(program, f"{number}")["objectId"] for number in range(5)]
    found, asked, offset = [], 0, "0"
    while True:
        status, page = program("GET", f"{ALL}/paged", limit="2", offset=offset, properties="subject")
        asked += 1
        assert OldTickets.model_validate(page).offset >= int(offset)
        found += [one["objectId"] for one in page["objects"]]
        if not page["hasMore"]:
            break
        offset = str(page["offset"])

    assert (status, found, asked) == (200, ids, 3)
    assert page["objects"][0]["properties"]["subject"]["value"] == "4"


@pytest.mark.parametrize("body", [[], {}, [{"value": 1}], [{"name": "subject"}], [{"name": "nothing", "value": "x"}], [*PRINTER, {"name": "hs_pipeline_stage", "value": "99"}], "x", [*PRINTER, {"name": "subject", "value": {"a": 1}}]])  # fmt: skip
def test_what_cannot_be_is_refused(program: Any, body: Any) -> None:
    """api.md §1.10: and makes nothing."""
    assert program("POST", ALL, body)[0] == 400
    assert program("GET", f"{ALL}/paged")[1]["objects"] == []


@pytest.mark.parametrize("query", [{"offset": "-1"}, {"offset": "x"}, {"limit": "0"}, {"limit": "101"}, {"offset": str(10**30)}])  # fmt: skip
def test_wrong_pages_are_refused(program: Any, query: Any) -> None:
    """api.md §1.6."""
    assert program("GET", f"{ALL}/paged", **query)[0] == 400


def test_walls_hold(program: Any, program_of: Callable[..., Any]) -> None:
    """R-RULE-3: no scope, no ticket; and who may not delete may not."""
    one = made(program)

    assert program_of(scopes=["crm.objects.contacts.read"])("GET", f"{ALL}/paged")[0] == 403
    nils = program_of(user_id=program.world.nils.pk)
    seen = nils("GET", f"/crm/v3/objects/tickets/{one['objectId']}")[0]
    assert nils("GET", f"{ALL}/{one['objectId']}")[0] == seen


def test_a_page_takes_as_many_statements_for_many(program: Any) -> None:
    """api.md §5: their histories too."""
    made(program)
    few = program.queries("GET", f"{ALL}/paged")
    for number in range(20):
        made(program, f"{number}")

    assert program.queries("GET", f"{ALL}/paged") == few


# ── companies and deals ──────────────────────────────────────────────────────────────────────────────────────────────


def record(program: Any, kind: str, **properties: str) -> Any:
    status, body = program("POST", f"/crm/v3/objects/{kind}", {"properties": properties})
    assert status == 201, body
    return body


def link(program: Any, *parts: Any) -> None:
    near, near_id, far, far_id = parts
    path = f"/crm/v4/objects/{near}/{near_id}/associations/default/{far}/{far_id}"
    assert program("PUT", path)[0] == 200


def test_companies_are_read_in_pages_and_whole(program: Any) -> None:
    """api.md §5: what tap-hubspot asks for, page after page and one by one."""
    ids = [int(record(program, "companies", name=f"{n}", city="Oslo")["id"]) for n in range(3)]
    path = "/companies/v2/companies"
    status, first = program(
        "GET", f"{path}/paged", limit="2", properties=["createdate", "hs_lastmodifieddate"]
    )
    OldCompanies.model_validate(first)
    assert (status, [one["companyId"] for one in first["companies"]], first["has-more"]) == (
        200,
        ids[:2],
        True,
    )
    assert isinstance(first["companies"][0]["properties"]["hs_lastmodifieddate"]["timestamp"], int)
    last = program("GET", f"{path}/paged", limit="250", offset=str(first["offset"]))[1]
    assert ([one["companyId"] for one in last["companies"]], last["has-more"]) == (ids[2:], False)

    status, one = program("GET", f"{path}/{ids[0]}")
    OldCompany.model_validate(one)
    assert (status, one["properties"]["city"]["value"]) == (200, "Oslo")
    assert program("GET", f"{path}/999999")[0] == 404


def test_contacts_of_a_company(program: Any, program_of: Callable[..., Any]) -> None:
    """api.md §5; a token without a scope for contacts learns of none."""
    company = record(program, "companies", name="Fjällbo")["id"]
    people = [int(record(program, "contacts", email=f"{n}@x.example")["id"]) for n in range(3)]
    for one in people:
        link(program, "companies", company, "contacts", one)
    path = f"/companies/v2/companies/{company}/vids"

    first = program("GET", path, limit="2")[1]
    assert (first["vids"], first["hasMore"]) == (people[:2], True)
    last = program("GET", path, vidOffset=str(first["vidOffset"]))[1]
    assert (last["vids"], last["hasMore"]) == (people[2:], False)
    assert program("GET", "/companies/v2/companies/999999/vids")[0] == 404
    assert program_of(scopes=["crm.objects.companies.read"])("GET", path)[0] == 403


def test_deals_are_read_in_pages_and_whole(program: Any, program_of: Callable[..., Any]) -> None:
    """api.md §5: with their links, as far as the token's scopes go."""
    deal = record(program, "deals", dealname="Rails", amount="12.5")["id"]
    person = record(program, "contacts", email="a@x.example")["id"]
    link(program, "deals", deal, "contacts", person)
    path = "/deals/v1/deal"

    status, page = program("GET", f"{path}/paged", includeAssociations="False")
    assert (status, page["hasMore"], OldDeals.model_validate(page).deals[0].associations) == (
        200,
        False,
        None,
    )
    page = program("GET", f"{path}/paged", includeAssociations="true")[1]
    assert page["deals"][0]["associations"]["associatedVids"] == [int(person)]
    one = program("GET", f"{path}/{deal}")[1]
    OldDeal.model_validate(one)
    assert (one["properties"]["amount"]["value"], one["associations"]["associatedVids"]) == (
        "12.5",
        [int(person)],
    )
    narrow = program_of(scopes=["crm.objects.deals.read"])
    assert narrow("GET", f"{path}/{deal}")[1]["associations"]["associatedVids"] == []
    assert program_of(scopes=["tickets"])("GET", f"{path}/paged")[0] == 403


def test_pages_of_deals_take_as_many_statements_for_many(program: Any) -> None:
    """api.md §5: with histories and links."""
    call = ("GET", "/deals/v1/deal/paged")
    record(program, "deals", dealname="0")
    few = program.queries(*call, includeAssociations="true")
    for number in range(20):
        record(program, "deals", dealname=f"{number}")

    assert program.queries(*call, includeAssociations="true") == few
