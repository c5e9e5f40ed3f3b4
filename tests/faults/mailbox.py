"""Connects a mailbox on this machine, in an installation: `Product.python("from tests.faults.mailbox import …")`."""

from __future__ import annotations

from deskhand import wiring
from deskhand.accounts.models import Account
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.kernel.database.scope import account_scope


def read_mailbox(address: str, port: int, password: str) -> None:
    """Read it into a channel of its own; once more: with another password."""
    wiring.connect()
    account = Account.objects.get(slug="desk")
    with account_scope(account.pk):
        channel = ChannelAccount.objects.filter(address=address).first() or inboxes.add_channel_account(
            inboxes.ensure_defaults(account.pk), channel="email", name="Mailbox", address=address
        )
        mailbox, _ = EmailAccount.objects.get_or_create(
            account_id=account.pk,
            channel_account=channel,
            defaults={"imap_host": "127.0.0.1", "imap_user": address, "take_since": None},
        )
        mailbox.imap_port, mailbox.imap_security = port, Security.NONE
        mailbox.state = MailboxState.WAITING
        mailbox.set_imap_password(password)
        mailbox.save()
