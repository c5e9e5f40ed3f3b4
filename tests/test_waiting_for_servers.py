"""Mail that waits until there is a server to send it: noticing one costs the same, however many wait."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.channels.email.models import EmailAccount
from deskhand.channels.email.tests.conftest import make_channel
from deskhand.delivery import claims
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.outbox import enqueue
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import letter
from deskhand.desk.models import ChannelAccount

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_server(settings: Any) -> None:
    settings.SMTP_URL = ""


def wait(accounts: int, *, mails: int = 1) -> None:
    """Each account has a channel of its own, through which something waits."""
    sends = []
    for account_id in range(1, accounts + 1):
        channel = make_channel(account_id, f"support@desk{account_id}.test")
        sends += [letter(account_id=account_id, channel_account_id=channel.pk) for _ in range(mails)]
    enqueue(sends)
    OutboxEntry.objects.update(due_at=None)


def give_a_server(account_id: int, **changes: str) -> EmailAccount:
    entry = OutboxEntry.objects.filter(account_id=account_id)[0]
    assert entry.channel_account_id is not None
    return EmailAccount.objects.create(
        account_id=account_id, channel_account_id=entry.channel_account_id, smtp_host="mail.test", **changes
    )


def look(sender: Sender | None = None) -> int:
    """Look for servers once; return how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        (sender or Sender(wiring.transports(), threads=0))._look_for_servers()
    return len(queries)


def due() -> list[int]:
    found = (
        OutboxEntry.objects.exclude(due_at=None).order_by("account_id").values_list("account_id", flat=True)
    )
    return list(dict.fromkeys(found))


def test_the_number_of_queries_is_the_same_for_few_and_many(settings: Any) -> None:
    wait(40)
    for_nobody = look()
    give_a_server(3)
    for_one = look()
    due_then = due()
    settings.SMTP_URL = "smtp://localhost:25"
    for_all = look()

    assert due_then == [3]
    assert due() == list(range(1, 41))
    assert for_nobody <= 2
    assert max(for_one, for_all) <= 3


def test_an_account_whose_server_cant_be_used_waits_and_holds_up_nobody() -> None:
    wait(3)
    give_a_server(1, smtp_password_sealed="e1.unknown.text")
    give_a_server(2)
    look()

    assert due() == [2]


def test_anothers_channel_is_no_way_out() -> None:
    wait(2)
    channel = give_a_server(1).channel_account_id
    OutboxEntry.objects.filter(account_id=2).update(channel_account_id=channel)
    look()

    assert due() == [1]


def test_more_places_and_more_mail_than_one_look_takes_all_come_to_their_turn(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "PLACES_LIMIT", 3)
    monkeypatch.setattr(claims, "REPLUG_LIMIT", 4)
    wait(8, mails=3)
    give_a_server(7)
    sender = Sender(wiring.transports(), threads=0)
    steps = []
    for _look in range(3):
        look(sender)
        steps.append(due())
    settings.SMTP_URL = "smtp://localhost:25"
    sizes = [OutboxEntry.objects.filter(due_at=None).count()]
    while sizes[-1]:
        look(sender)
        sizes.append(OutboxEntry.objects.filter(due_at=None).count())
        assert len(sizes) < 12

    assert steps == [[], [], [7]]
    assert all(0 < before - after <= 4 for before, after in itertools.pairwise(sizes))


def test_what_was_written_first_leaves_first() -> None:
    wait(1, mails=3)
    for hours, entry in enumerate(OutboxEntry.objects.order_by("id")):
        OutboxEntry.objects.filter(pk=entry.pk).update(created_at=entry.created_at - timedelta(hours=hours))
    give_a_server(1)
    look()

    ids = list(OutboxEntry.objects.values_list("id", flat=True).order_by("due_at"))
    assert ids == sorted(ids, reverse=True)


def wait_for_no_channel(account_id: int, **of_the_channel: Any) -> EmailAccount:
    """An invitation, say, waits; a channel of the account has a server."""
    channel = make_channel(account_id, f"support@desk{account_id}.test")
    ChannelAccount.objects.filter(pk=channel.pk).update(**of_the_channel)
    enqueue([letter(account_id=account_id)])
    OutboxEntry.objects.update(due_at=None)
    return EmailAccount.objects.create(
        account_id=account_id, channel_account_id=channel.pk, smtp_host="mail.test"
    )


def test_an_invitation_leaves_by_the_default_addresss_server_and_from_it(settings: Any) -> None:
    """R-MAIL-10: who connected an address can invite the first colleague without SMTP_URL."""
    wait_for_no_channel(1, is_default=True)
    look()

    relay = wiring.relay_for(1, None)
    assert relay is not None
    assert (due(), relay.host, relay.sender) == ([1], "mail.test", "support@desk1.test")

    settings.SMTP_URL = "smtp://localhost:25"
    installations = wiring.relay_for(1, None)
    assert installations is not None
    assert (installations.host, installations.sender) == ("localhost", "")


@pytest.mark.parametrize(
    "of_the_channel",
    [{"is_default": False}, {"is_default": True, "archived_at": datetime(2026, 11, 22, tzinfo=UTC)}],
)
def test_no_other_address_lends_its_server(of_the_channel: dict[str, Any]) -> None:
    """R-MAIL-10."""
    wait_for_no_channel(1, **of_the_channel)
    look()

    assert (due(), wiring.relay_for(1, None), wiring.relay_for(2, None)) == ([], None, None)


def test_a_server_that_takes_mail_of_no_channel_is_no_way_out_for_anothers() -> None:
    wait_for_no_channel(1, is_default=True)
    wait_for_no_channel(2, is_default=True).delete()
    look()

    assert due() == [1]
