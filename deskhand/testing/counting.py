"""What everybody has to do is what the counters say, and what waits says so, after every test that routes."""

from __future__ import annotations

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
    or not coalesce((t.properties->'hs_in_waitlist')::bool, false))
"""


def assert_listed() -> None:
    """Compare who is on the wait-lists with what the tickets say of it (R-ROUTE-52). Raises AssertionError."""
    for account in Account.objects.order_by("pk"):
        with account_scope(account.pk):
            found = sql.rows(_LISTED, [])
        assert not found, f"Tickets of {account.slug} don't say whether they wait: {str(found)[:1000]}"
