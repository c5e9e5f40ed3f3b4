"""What everybody has to do is what the counters say, after every test that routes."""

from __future__ import annotations

from deskhand.accounts.models import Account
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import loads


def assert_counted() -> None:
    """Compare the counters of every account with what they count. Raises AssertionError."""
    for account in Account.objects.order_by("pk"):
        with account_scope(account.pk):
            found = loads.drift(account.pk, clock.now())
        assert not found, f"The load counters of {account.slug} are not what is open: {str(found)[:1000]}"
