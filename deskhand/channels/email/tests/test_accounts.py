"""Connecting our addresses: what is stored, what is kept secret, and where servers may not be (R-EM-1, S18)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.channels.email import accounts, trial
from deskhand.channels.email.accounts import Server
from deskhand.channels.email.causes import Cause
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount, InboxKind
from deskhand.events.types import SYSTEM
from deskhand.kernel import hosts
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid

SERVER = Server("imap.provider.example", 993, Security.TLS, "team@nordlys.example", "hunter2-canary")


@pytest.fixture
def inside(world, monkeypatch):
    """The provider's name resolves to a public address; nothing is asked."""
    monkeypatch.setattr(
        hosts.socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", ("8.8.8.8", port))]
    )
    with account_scope(world.account.pk):
        yield world


def test_a_new_address_takes_mail_of_the_listener_and_makes_tickets_in_the_help_desk(inside):
    """R-CC-6"""
    made = accounts.connect(inside.channel.inbox, " Billing@Nordlys.example ", "Billing", by=SYSTEM)

    assert (made.address, made.creates_tickets, made.is_default) == ("billing@nordlys.example", True, False)
    assert EmailAccount.objects.get(channel_account=made).state == MailboxState.OFF
    assert AuditEntry.objects.filter(action=accounts.CONNECTED, target_id=made.pk).exists()


def test_an_address_of_a_plain_inbox_makes_no_tickets(inside):
    """R-CC-6"""
    plain = inboxes.add_inbox(inside.account.pk, "Partners", InboxKind.INBOX, by=SYSTEM)

    assert not accounts.connect(plain, "partners@nordlys.example", "", by=SYSTEM).creates_tickets


@pytest.mark.parametrize("address", ["", "no", "a@b", "a b@c.example", "x" * 400 + "@c.example"])
def test_what_is_no_address_is_refused(inside, address):
    with pytest.raises(Invalid) as refused:
        accounts.connect(inside.channel.inbox, address, "", by=SYSTEM)

    assert refused.value.field == "address"


def test_an_address_is_connected_once_whoever_has_it(inside):
    with pytest.raises(Invalid, match="connected already"):
        accounts.connect(inside.channel.inbox, inside.channel.address, "", by=SYSTEM)


def test_passwords_are_sealed_and_stand_in_no_audit_entry(inside):
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "", "Processed")
    accounts.save(box, by=SYSTEM)
    accounts.save(
        accounts.with_outgoing(box, Server("smtp.provider.example", 587, Security.STARTTLS, "team", "other-canary")),
        by=SYSTEM,
    )  # fmt: skip

    kept = EmailAccount.objects.get(channel_account=inside.channel)
    assert (kept.imap_password, kept.smtp_password) == ("hunter2-canary", "other-canary")
    assert (kept.imap_folder, kept.state) == ("INBOX", MailboxState.WAITING)
    assert "canary" not in str(list(EmailAccount.objects.values()))
    told = str(list(AuditEntry.objects.values("before", "after")))
    assert "imap.provider.example" in told
    assert "canary" not in told
    assert "smtp_password" in told


def test_without_a_new_password_the_stored_one_stays(inside):
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "INBOX", "")
    accounts.save(box, by=SYSTEM)

    again = accounts.of_channel(inside.channel)
    changed = Server("IMAP.provider.example", 143, Security.STARTTLS, "team@nordlys.example")
    accounts.save(accounts.with_incoming(again, changed, "INBOX", ""), by=SYSTEM)

    kept = accounts.of_channel(inside.channel)
    assert (kept.imap_host, kept.imap_port, kept.imap_password) == ("imap.provider.example", 143, "hunter2-canary")  # fmt: skip


@pytest.mark.parametrize("given", [{"host": "imap.evil.example"}, {"security": Security.NONE}])
def test_the_stored_password_is_told_to_no_other_server(inside, given):
    """Who may set up channels may not read what others typed."""
    values = {"host": SERVER.host, "port": 993, "user": "team", "security": Security.TLS} | given
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "INBOX", "")
    accounts.save(accounts.with_outgoing(box, replace(SERVER, port=465)), by=SYSTEM)

    with pytest.raises(Invalid, match="another server") as refused:
        accounts.with_incoming(accounts.of_channel(inside.channel), Server(**values), "INBOX", "")
    assert refused.value.field == "imap_password"
    with pytest.raises(Invalid, match="another server") as refused:
        accounts.with_outgoing(accounts.of_channel(inside.channel), Server(**values | {"port": 465}))
    assert refused.value.field == "smtp_password"


def test_a_server_without_a_user_forgets_the_password_of_the_one_before(inside):
    box = accounts.with_outgoing(accounts.of_channel(inside.channel), replace(SERVER, port=465))
    accounts.save(accounts.with_outgoing(box, Server("smtp.evil.example", 465)), by=SYSTEM)

    assert accounts.of_channel(inside.channel).smtp_password_sealed == ""


def test_new_settings_end_the_wait_after_a_refused_password(inside):
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "INBOX", "")
    box.state, box.failures, box.last_cause = MailboxState.REFUSED, 3, Cause.REFUSED
    box.save()

    accounts.save(accounts.with_incoming(box, SERVER, "INBOX", ""), by=SYSTEM)

    kept = accounts.of_channel(inside.channel)
    assert (kept.state, kept.failures, kept.last_cause, kept.retry_at) == (MailboxState.WAITING, 0, "", None)


@pytest.mark.parametrize(
    ("field", "given", "folders"),
    [
        ("imap_host", {"host": "not a host"}, ("INBOX", "")),
        ("imap_host", {"host": ""}, ("INBOX", "")),
        ("imap_host", {"host": "127.0.0.1"}, ("INBOX", "")),
        ("imap_port", {"port": 0}, ("INBOX", "")),
        ("imap_port", {"port": 70000}, ("INBOX", "")),
        ("imap_user", {"user": " "}, ("INBOX", "")),
        ("imap_password", {"password": ""}, ("INBOX", "")),
        ("processed_folder", {}, ("Read", "Read")),
    ],
)
def test_what_can_not_be_read_from_is_refused_by_its_field(inside, monkeypatch, field, given, folders):
    monkeypatch.undo()  # names resolve as they do
    values = {"host": "8.8.8.8", "port": 993, "user": "team", "password": "x"} | given

    with pytest.raises(Invalid) as refused:
        accounts.with_incoming(EmailAccount(account_id=inside.account.pk), Server(**values), *folders)

    assert refused.value.field == field


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "0.0.0.0", "::ffff:10.0.0.1"])  # fmt: skip
def test_a_server_in_a_private_network_is_refused_however_it_is_named(inside, monkeypatch, address):
    """S18"""
    monkeypatch.setattr(hosts.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 587))])

    with pytest.raises(Invalid, match="not on the public Internet"):
        accounts.with_outgoing(EmailAccount(account_id=inside.account.pk), Server("mail.evil.example", 587))


@pytest.mark.parametrize("port", [22, 80, 5432, 6379])
def test_a_server_is_asked_at_mail_ports_only(inside, port):
    """S18"""
    with pytest.raises(Invalid, match="may not be asked"):
        accounts.with_outgoing(EmailAccount(account_id=inside.account.pk), Server("mail.example.com", port))


def test_a_private_server_that_the_installation_allows_is_taken(inside, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.0/8")

    box = accounts.with_outgoing(EmailAccount(account_id=inside.account.pk), Server("127.0.0.1", 587))

    assert box.smtp_host == "127.0.0.1"


def test_the_line_goes_to_the_address_that_was_checked(inside, monkeypatch):
    """S18: a name that is public when it is saved and private when it is used leads nowhere."""
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "INBOX", "")
    accounts.save(accounts.with_outgoing(box, Server("smtp.provider.example", 587)), by=SYSTEM)
    monkeypatch.setattr(hosts.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", 993))])

    assert trial.try_incoming(box).cause is Cause.NOT_ALLOWED
    assert trial.try_outgoing(accounts.relay_of(box), "a@desk.example").cause is Cause.NOT_ALLOWED


def test_what_is_switched_off_forgets_its_password(inside):
    box = accounts.with_incoming(accounts.of_channel(inside.channel), SERVER, "INBOX", "")
    accounts.save(box, by=SYSTEM)

    accounts.save(accounts.without_incoming(accounts.of_channel(inside.channel)), by=SYSTEM)

    kept = accounts.of_channel(inside.channel)
    assert (kept.state, kept.imap_password_sealed) == (MailboxState.OFF, "")
    assert kept.imap_host == "imap.provider.example"


def test_a_channel_that_is_off_takes_no_mail_and_hands_the_default_on(inside):
    """R-MAIL-10"""
    other = accounts.connect(inside.channel.inbox, "billing@nordlys.example", "Billing", by=SYSTEM)
    assert inside.channel.is_default

    inboxes.disconnect(inside.channel, by=SYSTEM)
    inboxes.disconnect(inside.channel, by=SYSTEM)  # safe to repeat

    assert ChannelAccount.objects.get(pk=other.pk).is_default
    assert not ChannelAccount.objects.get(pk=inside.channel.pk).is_default
    inboxes.connect_again(inside.channel, by=SYSTEM)
    assert ChannelAccount.objects.get(pk=inside.channel.pk).archived_at is None


def test_an_address_taken_meanwhile_can_not_be_switched_on_again(inside):
    inboxes.disconnect(inside.channel, by=SYSTEM)
    accounts.connect(inside.channel.inbox, inside.channel.address, "Anew", by=SYSTEM)

    with pytest.raises(Invalid, match="connected already"):
        inboxes.connect_again(inside.channel, by=SYSTEM)
