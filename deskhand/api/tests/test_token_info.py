"""What programs ask about their token and account before they begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from deskhand.accounts import tokens
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

INFO = "/oauth/v2/private-apps/get/access-token-info"


def test_an_access_token_tells_what_it_is_to_who_has_it(world: Any, program_of: Any) -> None:
    """api.md §1.3; Airbyte reads `scopes`."""
    secret = program_of(user_id=world.bob.pk, scopes=["tickets", "files"]).secret

    answer = Client().get(f"/oauth/v1/access-tokens/{secret}")

    said = answer.json()
    assert (answer.status_code, said["scopes"], said["token"]) == (200, ["files", "tickets"], secret)
    assert (said["hub_id"], said["user_id"], said["user"]) == (
        world.account.pk,
        world.bob.pk,
        world.bob.email,
    )
    assert (said["token_type"], said["hub_domain"]) == ("access", "testserver")
    assert all(type(said[name]) is int for name in ("hub_id", "user_id", "app_id", "expires_in"))


def test_a_token_s_end_is_told_in_seconds(world: Any, noon: datetime) -> None:
    with account_scope(world.account.pk):
        _token, secret = tokens.create(
            world.account.pk, name="Short", scopes=["files"], expires_at=clock.now() + timedelta(minutes=30)
        )

    assert Client().get(f"/oauth/v1/access-tokens/{secret}").json()["expires_in"] == 1800


def test_a_private_app_tells_who_made_it(world: Any, program: Any) -> None:
    """api.md §1.3; the MCP server asks for it first."""
    by = Actor.user(world.ada.pk)
    with account_scope(world.account.pk):
        token, secret = tokens.create(world.account.pk, name="MCP", scopes=["tickets"], by=by)

    status, said = program("POST", INFO, {"tokenKey": secret})

    assert (status, said) == (
        200,
        {"userId": world.ada.pk, "hubId": world.account.pk, "appId": token.pk, "scopes": ["tickets"]},
    )
    assert program("POST", INFO, {"tokenKey": program.secret})[1]["userId"] == 0


@pytest.mark.parametrize("secret", ["dhk_guessed", "x", "dhk_%00", "dhk_%ED%A0%80", "pat-eu1-1"])
def test_what_is_no_token_is_not_there(secret: str, db: None) -> None:
    assert Client().get(f"/oauth/v1/access-tokens/{secret}").status_code == 404


def test_of_another_account_s_token_nothing_is_told(program: Any) -> None:
    other = make_world(slug="other")
    with account_scope(other.account.pk):
        _token, secret = tokens.create(other.account.pk, name="Other", scopes=["tickets"])

    assert program("POST", INFO, {"tokenKey": secret})[0] == 404


def test_to_ask_is_no_use_of_a_token(program: Any) -> None:
    Client().get(f"/oauth/v1/access-tokens/{program.secret}")

    assert program.world.account.apitoken_set.get().last_used_at is None


def test_the_account_is_told_with_its_zone_and_the_host_of_its_pages(world: Any, program: Any) -> None:
    """api.md §2.9; the MCP server builds links from uiDomain and portalId."""
    world.account.zone = "Asia/Kolkata"
    world.account.save(update_fields=["zone"])

    status, said = program("GET", "/account-info/v3/details")

    assert (status, said["portalId"], said["uiDomain"]) == (200, world.account.pk, "testserver")
    assert (said["timeZone"], said["utcOffset"], said["utcOffsetMilliseconds"]) == (
        "Asia/Kolkata",
        "+05:30",
        19_800_000,
    )


def test_use_of_today_is_counted_for_who_may_see_tokens(world: Any, program: Any, program_of: Any) -> None:
    """api.md §2.9"""
    path = "/account-info/v3/api-usage/daily/private-apps"
    program("GET", "/account-info/v3/details")

    [said] = program("GET", path)[1]["results"]

    assert (said["currentUsage"], said["fetchStatus"]) == (1, "SUCCESS")
    assert program("GET", path)[1]["results"][0]["currentUsage"] == 2
    assert program_of(user_id=world.bob.pk)("GET", path)[0] == 403
