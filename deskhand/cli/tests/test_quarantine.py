"""Mail in quarantine from the command line."""

from __future__ import annotations

import pytest

from deskhand.channels.email.inbound import InboundClaimer
from deskhand.channels.email.models import InboundMail
from deskhand.channels.email.store import Incoming, store_raw
from deskhand.cli import check, main, quarantine
from deskhand.kernel.errors import NotFound

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "The mail server does not hand over this mail: mailbox support@desk.test, UID 3"


def command(*words: str) -> int:
    parser = main._parser({"quarantine": quarantine})
    return quarantine.run(parser.parse_args(["quarantine", *words]))


def test_a_mail_that_was_never_fetched_is_listed_until_it_is_and_never_read_in_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """R15."""
    aside = Incoming(
        7, 1, "imap", "support@desk.test", b"", transport_key="box/1/3", full_size=480, not_fetched=WHY
    )
    (stored,) = store_raw([aside])
    (again,) = store_raw([aside])
    command("list")
    listed = capsys.readouterr().out
    with pytest.raises(NotFound, match="UID 3"):
        command("show", str(stored.id))
    warnings = [str(one.msg) for one in check._quarantine()]
    command("again", str(stored.id))
    claimed = InboundClaimer().run_once()
    capsys.readouterr()
    command("list")

    mail = InboundMail.objects.get()
    assert again.id is None
    assert f"<> -> support@desk.test  480 bytes  {WHY}" in listed
    assert warnings == [f"1 mail could not be filed; the newest: {WHY}"]
    assert claimed == 0
    assert (mail.state, mail.outcome, mail.attempts) == ("QUARANTINED", "fetch-again", 0)
    assert WHY in capsys.readouterr().out
