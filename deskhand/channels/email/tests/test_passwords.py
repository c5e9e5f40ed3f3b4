"""The passwords of mailboxes and servers at rest (S33)."""

import pytest

from deskhand.channels.email.models import EmailAccount
from deskhand.kernel.errors import Invalid


def test_a_password_is_kept_sealed_and_read_under_a_former_key(settings):
    settings.ENCRYPTION_KEY = "old"
    mailbox = EmailAccount(account_id=7)
    mailbox.set_imap_password("hunter2")

    settings.ENCRYPTION_KEY, settings.ENCRYPTION_KEYS_BEFORE = "new", ["old"]

    assert "hunter2" not in mailbox.imap_password_sealed
    assert mailbox.imap_password == "hunter2"


@pytest.mark.parametrize("other", [{"account_id": 7}, {"account_id": 8}])
def test_a_password_is_read_only_where_it_belongs(other):
    """Copied from the mailbox to the server, or to another account, it is worth nothing."""
    mailbox = EmailAccount(account_id=7)
    mailbox.set_imap_password("hunter2")
    thief = EmailAccount(**other, smtp_password_sealed=mailbox.imap_password_sealed)

    with pytest.raises(Invalid, match="can't be read"):
        _ = thief.smtp_password
