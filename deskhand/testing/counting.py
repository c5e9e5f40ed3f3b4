"""What everybody has to do is what the counters say, and what waits says so, after every test that routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deskhand.accounts.models import Account
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import loads


def assert_counted() -> None:
    """Compare the counters of every account with what they count. Raises AssertionError."""
    for account in Account.objects.order_by("pk"):
        with account_scope(account.pk):
            found = loads.drift(account.pk, clock.now())
        assert not found, f"The load counters of {account.slug} are not what is open: {str(found)[:1000]}"


_LISTED = """
select t.id, w.added_at, (t.properties->>'hs_added_to_waitlist_at')::timestamptz
from crm_ticket t full join routing_waitingticket w on w.account_id = t.account_id and w.ticket_id = t.id
where (t.properties ? 'hs_in_waitlist' or w.id is not null)
  and ((t.properties->>'hs_added_to_waitlist_at')::timestamptz is distinct from w.added_at
    or (t.properties->>'hs_waitlist_sort_value')::numeric is distinct from
      coalesce(array_position(array['URGENT', 'HIGH', 'MEDIUM', 'LOW'], t.priority), 5) * 10000000000000
      + floor(extract(epoch from w.added_at) * 1000)
    or not coalesce((t.properties->'hs_in_waitlist')::bool, false))
"""


def assert_listed() -> None:
    """Compare who is on the wait-lists with what the tickets say of it (R-ROUTE-52). Raises AssertionError."""
    for account in Account.objects.order_by("pk"):
        with account_scope(account.pk):
            found = sql.rows(_LISTED, [])
        assert not found, f"Tickets of {account.slug} don't say whether they wait: {str(found)[:1000]}"


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test in which all areas are plugged together, counters and wait-lists are what is there, but where it is
    about those that are not (`drifts`). The scopes that the test opens are closed by then, and what waits for that is done.
    """
    names = set(request.fixturenames)
    marker = request.node.get_closest_marker("django_db")
    is_stored = marker is not None or {"db", "transactional_db"} & names
    if not (is_stored and "wired" in names) or request.node.get_closest_marker("drifts"):
        yield
        return
    is_committing = "transactional_db" in names or (marker is not None and marker.kwargs.get("transaction"))
    request.getfixturevalue("transactional_db" if is_committing else "db")
    for name in ("noon", "wired"):
        if name in names:
            request.getfixturevalue(name)
    yield
    assert_counted()
    assert_listed()
