"""Ways in without a token, with the token in the query, from other sites' pages, and with a form's fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from deskhand.api import operations
from deskhand.api.operations import any_token, operation
from deskhand.api.shapes import Shape

CALLBACK = "/automation/v4/actions/callbacks/complete"


class Said(Shape):
    who: str


@pytest.fixture(autouse=True)
def echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that say back what they got."""
    monkeypatch.setattr(operations, "table", operations.Table())
    monkeypatch.setattr("deskhand.api.entrance.table", operations.table)
    operation(
        "POST", "/api/open", needs=None, takes=Said, gives={200: Said}, takes_form=True, from_pages=True
    )(lambda call: {"who": call.body.who, "token": hasattr(call, "token")})
    operation("GET", "/api/keyed", needs=lambda _parts: {"tickets"}, gives={200: Said}, by_key=True)(
        lambda call: {"who": call.token.account_id}
    )
    operation("GET", "/api/unkeyed", needs=any_token, gives={200: Said})(
        lambda call: {"who": call.token.account_id}
    )


def test_an_open_operation_asks_for_no_token_and_knows_none(client: Client, program: Any) -> None:
    """api.md §1.3: all but the public form submit asks for one."""
    answer = client.post("/api/open", {"who": "Otto"}, content_type="application/json")

    assert (answer.status_code, answer.json()) == (200, {"who": "Otto", "token": False})
    assert program("POST", "/api/open", {"who": "Otto"}) == (200, {"who": "Otto", "token": False})


def test_a_form_s_fields_are_a_body_where_the_operation_says_so(client: Client, db: None) -> None:
    """api.md §1.3: OAuth's token endpoint takes a form."""
    form = "application/x-www-form-urlencoded"
    assert client.post("/api/open", "who=%C3%86gir", content_type=form).json()["who"] == "Ægir"
    assert client.post("/api/open", "whom=Otto", content_type=form).status_code == 400
    assert client.post(CALLBACK, "inputs=1", content_type=form).status_code == 404


@pytest.mark.parametrize(("path", "status"), [("/api/keyed", 200), ("/api/unkeyed", 401)])
def test_a_token_in_the_query_opens_what_says_so_and_no_more(
    program: Any, client: Client, path: str, status: int
) -> None:
    """api.md §1.3"""
    assert client.get(path, {"hapikey": program.secret}).status_code == status
    assert client.get(path, {"hapikey": "dhk_guessed"}).status_code == 401
    assert program("GET", path)[0] == 200


def test_a_token_in_the_query_needs_its_scopes_too(program_of: Any, client: Client) -> None:
    weak = program_of(scopes=["files"])

    assert client.get("/api/keyed", {"hapikey": weak.secret}).json()["category"] == "MISSING_SCOPES"
    assert weak("GET", "/api/unkeyed")[0] == 200


def test_scripts_of_other_sites_may_call_and_read_what_says_so(client: Client, db: None) -> None:
    asked = client.options("/api/open", headers={"Access-Control-Request-Method": "POST"})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert asked.headers["Access-Control-Allow-Methods"] == "POST"

    refused = client.post("/api/open", "{", content_type="application/json")
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (400, "*")


@pytest.mark.parametrize(
    ("path", "wanted"), [("/api/keyed", "GET"), ("/api/open", "PUT"), ("/api/no", "GET")]
)
def test_no_other_site_s_script_reads_anything_else(client: Client, db: None, path: str, wanted: str) -> None:
    asked = client.options(path, headers={"Access-Control-Request-Method": wanted})

    assert asked.status_code in (404, 405)
    assert "Access-Control-Allow-Origin" not in asked.headers
