"""Where apps are told what happens, and of what (api.md §2.8)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from deskhand.accounts import connected_apps, tokens
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

URL = "https://shop.example/hear"
SETTINGS = {"targetUrl": URL, "throttling": {"maxConcurrentRequests": 5}}


@pytest.fixture
def at(world: Any) -> str:
    """An app's address."""
    with account_scope(world.account.pk):
        app, _secret = connected_apps.create(world.account.pk, name="Shop", by=Actor.user(world.ada.pk))
    return f"/webhooks/v3/{app.pk}"


def test_settings_are_put_read_changed_and_cleared(program, at):
    """200, 200, 204; then 404."""
    assert program("GET", f"{at}/settings")[0] == 404
    status, made = program("PUT", f"{at}/settings", SETTINGS)
    assert (status, made["targetUrl"], made["throttling"]) == (200, URL, {"maxConcurrentRequests": 5})
    assert made["createdAt"].endswith("Z")

    assert program("GET", f"{at}/settings") == (200, made)
    changed = SETTINGS | {"throttling": {"maxConcurrentRequests": 20}}
    assert program("PUT", f"{at}/settings", changed)[1]["throttling"] == {"maxConcurrentRequests": 20}
    assert program("DELETE", f"{at}/settings") == (204, None)
    assert program("DELETE", f"{at}/settings") == (204, None)
    assert program("GET", f"{at}/settings")[0] == 404


def test_a_subscription_is_made_read_switched_and_dropped(program, at):
    """201, 200, 200, 204; ids are texts."""
    given = {"eventType": "ticket.propertyChange", "propertyName": "hs_pipeline_stage", "active": True}
    status, made = program("POST", f"{at}/subscriptions", given)
    assert status == 201
    assert {name: made[name] for name in given} == given
    assert made["id"].isdigit()
    assert "objectTypeId" not in made

    one = f"{at}/subscriptions/{made['id']}"
    assert program("GET", one) == (200, made)
    assert program("GET", f"{at}/subscriptions") == (200, {"results": [made]})
    assert program("PATCH", one, {"active": False})[1]["active"] is False
    assert program("PATCH", one, {})[1]["active"] is False
    assert program("DELETE", one) == (204, None)
    assert program("DELETE", one) == (204, None)
    assert program("GET", one)[0] == 404


def test_a_kind_of_object_is_named_by_its_number_or_name(program, at):
    """api.md §1.2."""
    for name in ("0-5", "deals"):
        given = {"eventType": "object.creation", "objectTypeId": name}
        status, made = program("POST", f"{at}/subscriptions", given)
        assert (status, made["objectTypeId"], made["active"]) == (
            201,
            {"0-5": "0-5", "deals": "0-3"}[name],
            False,
        )


def test_several_are_switched_at_once_and_what_is_not_there_is_told(program, at):
    """200; 207 with the ids that were not found."""
    ids = [
        int(program("POST", f"{at}/subscriptions", {"eventType": f"{kind}.creation"})[1]["id"])
        for kind in ("contact", "deal")
    ]
    inputs = [{"id": pk, "active": True} for pk in ids]

    status, body = program("POST", f"{at}/subscriptions/batch/update", {"inputs": inputs})
    assert (status, body["status"], [one["active"] for one in body["results"]]) == (
        200,
        "COMPLETE",
        [True, True],
    )

    more = [*inputs, {"id": 10**15, "active": True}]
    status, body = program("POST", f"{at}/subscriptions/batch/update", {"inputs": more})
    assert (status, body["numErrors"], body["errors"][0]["context"]) == (207, 1, {"ids": [str(10**15)]})


def test_what_is_asked_for_twice_is_a_conflict(program, at):
    """409."""
    given = {"eventType": "ticket.creation"}
    assert program("POST", f"{at}/subscriptions", given)[0] == 201
    assert program("POST", f"{at}/subscriptions", given)[0] == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "settings", SETTINGS | {"targetUrl": "javascript:1"}),
        ("PUT", "settings", SETTINGS | {"targetUrl": None}),
        ("PUT", "settings", SETTINGS | {"targetUrl": "https://shop.example/\0"}),
        ("PUT", "settings", {"targetUrl": URL}),
        ("PUT", "settings", SETTINGS | {"throttling": {"maxConcurrentRequests": 0}}),
        ("PUT", "settings", SETTINGS | {"throttling": {"maxConcurrentRequests": 10**30}}),
        ("PUT", "settings", SETTINGS | {"throttling": {"maxConcurrentRequests": "many"}}),
        ("POST", "subscriptions", {}),
        ("POST", "subscriptions", {"eventType": "product.creation"}),
        ("POST", "subscriptions", {"eventType": "\0"}),
        ("POST", "subscriptions", {"eventType": "ticket.propertyChange"}),
        ("POST", "subscriptions", {"eventType": "ticket.propertyChange", "propertyName": "x" * 9000}),
        ("POST", "subscriptions", {"eventType": "object.creation", "objectTypeId": "2-99"}),
        ("POST", "subscriptions/batch/update", {"inputs": []}),
        ("POST", "subscriptions/batch/update", {"inputs": [{"id": 1}]}),
        ("POST", "subscriptions", '"\ud800"'.encode("utf-8", "surrogatepass")),
    ],
)
def test_what_can_not_be_is_refused(program, at, method: str, path: str, body: Any):
    """api.md §1.10: 400 with what is wrong."""
    status, answer = program(method, f"{at}/{path}", body)
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")


def test_a_key_in_the_query_opens_it_and_needs_the_scope(world, program_of, at):
    """api.md §1.3: ?hapikey= without a bearer; a token that may only read tickets can't have all else told to its app."""
    with account_scope(world.account.pk):
        _row, key = tokens.create(world.account.pk, name="Developer", scopes=["webhooks"])
    assert Client().get(f"{at}/subscriptions?hapikey={key}").status_code == 200
    assert Client().get(f"{at}/subscriptions").status_code == 401
    assert program_of(scopes=["tickets"])("GET", f"{at}/subscriptions")[0] == 403


def test_who_is_no_super_admin_can_not(world, program_of, at):
    """What apps are told passes every wall of the account, as on the page."""
    assert program_of(user_id=world.bob.pk)("GET", f"{at}/subscriptions")[0] == 403
    assert program_of(user_id=world.ada.pk)("GET", f"{at}/subscriptions")[0] == 200


@pytest.mark.parametrize("app", ["0", "999999999", "x", "9" * 30, "-1", "%00"])
def test_an_app_that_is_not_there(program, app: str):
    """404."""
    assert program("GET", f"/webhooks/v3/{app}/settings")[0] == 404
    assert program("PUT", f"/webhooks/v3/{app}/settings", SETTINGS)[0] == 404


def test_another_accounts_app_does_not_exist(program, at):
    """S9: by every operation."""
    from deskhand.api.tests.conftest import of

    theirs = of(make_world("other"))
    made = program("POST", f"{at}/subscriptions", {"eventType": "ticket.creation"})[1]["id"]
    for method, path, body in [
        ("GET", "settings", None), ("PUT", "settings", SETTINGS), ("DELETE", "settings", None), ("GET", "subscriptions", None),
        ("POST", "subscriptions", {"eventType": "deal.creation"}), ("GET", f"subscriptions/{made}", None),
        ("PATCH", f"subscriptions/{made}", {"active": True}), ("DELETE", f"subscriptions/{made}", None),
        ("POST", "subscriptions/batch/update", {"inputs": [{"id": int(made), "active": True}]}),
    ]:  # fmt: skip
        assert theirs(method, f"{at}/{path}", body)[0] == 404, (method, path)
    assert program("GET", f"{at}/subscriptions/{made}")[1]["active"] is False


def test_a_list_takes_as_many_statements_for_many(program, at):
    """style.md §13."""
    program("POST", f"{at}/subscriptions", {"eventType": "ticket.creation"})
    few = program.queries("GET", f"{at}/subscriptions")
    for what in ("creation", "deletion", "merge", "restore", "associationChange"):
        for kind in ("contact", "company", "deal"):
            program("POST", f"{at}/subscriptions", {"eventType": f"{kind}.{what}"})
    assert program.queries("GET", f"{at}/subscriptions") == few
