"""What the tests of mail coming in share: two addresses of two accounts, and a listener in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.utils.timezone import now

from deskhand.channels.email.listener import Listener
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.kernel.database.scope import account_scope

SUPPORT, SALES = "support@desk.test", "sales@other.test"


def make_channel(account_id: int, address: str) -> ChannelAccount:
    with account_scope(account_id):
        inbox = Inbox.objects.create(account_id=account_id, name="Help desk")
        return ChannelAccount.objects.create(
            account_id=account_id,
            inbox=inbox,
            channel="email",
            name="Mail",
            address=address,
            created_at=now(),
        )


@pytest.fixture
def channels(transactional_db: None) -> dict[str, ChannelAccount]:
    """One address in account 1, one in account 2, committed."""
    return {SUPPORT: make_channel(1, SUPPORT), SALES: make_channel(2, SALES)}


@pytest.fixture
def open_doors(channels: dict[str, ChannelAccount]) -> Iterator[Callable[[], Listener]]:
    """Starts a listener on free ports, as often as called; all are stopped at the end."""
    stop, threads = threading.Event(), []

    def start() -> Listener:
        listener, ready = Listener(smtp_port=0, lmtp_port=0), threading.Event()
        thread = threading.Thread(target=listener.run, args=[stop, ready.set])
        thread.start()
        threads.append(thread)
        assert ready.wait(10)
        return listener

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def doors(open_doors: Callable[[], Listener]) -> Listener:
    return open_doors()
