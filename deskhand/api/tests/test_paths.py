"""Every spelling of an address is the same address (api.md §1.1)."""

from __future__ import annotations

import pytest

from deskhand.api.paths import fold

SAME = [
    ("/crm/v3/objects/tickets", "/crm/objects/2026-03/tickets", "/crm/objects/v3/tickets", "/crm/v4/objects/tickets/"),
    ("/crm/v3/objects/tickets/12/associations/contacts", "/crm/v4/objects/tickets/12/associations/contacts"),
    ("/crm/v4/associations/tickets/contacts/labels", "/crm/associations/2026-03/tickets/contacts/labels"),
    ("/crm/v3/owners/", "/crm/v3/owners", "/crm/owners/2026-03"),
    ("/crm-object-schemas/v3/schemas/x", "/crm/v3/schemas/x", "/crm-object-schemas/2026-03/schemas/x"),
    ("/settings/v3/users/teams", "/settings/users/2026-03/teams", "/settings/users/v3/teams"),
    ("/automation/v4/actions/1/2", "/automation/actions/2026-03/1/2"),
    ("/conversations/v3/conversations/threads/5", "/conversations/conversations/2026-09-beta/threads/5"),
    ("/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-03/token"),
]  # fmt: skip


@pytest.mark.parametrize("spellings", SAME)
def test_all_spellings_fold_to_one(spellings: tuple[str, ...]) -> None:
    folded = [fold(one) for one in spellings]

    assert None not in folded
    assert len({one.segments for one in folded if one}) == 1


def test_the_version_is_kept_beside_the_address() -> None:
    assert [fold(path).version for path in ("/crm/v4/owners", "/crm/owners/2026-09-beta")] == ["v4", "2026-09-beta"]  # type: ignore[union-attr]  # fmt: skip


@pytest.mark.parametrize("page", ["/", "/settings/users", "/inbox/v3", "/oauth/authorize", "/static/v3/x.js"])
def test_pages_are_no_addresses_of_the_api(page: str) -> None:
    assert fold(page) is None


def test_our_own_addresses_need_no_version() -> None:
    assert fold("/api/openapi.json") == (("api", "openapi.json"), "")
    assert fold("/api/deskhand/v1/simulations") == (("api", "deskhand", "simulations"), "v1")


def test_a_version_deep_in_an_address_is_a_name() -> None:
    folded = fold("/crm/v3/properties/tickets/v3")

    assert folded is not None
    assert folded.segments[-1] == "v3"
