"""For tests marked `mail`: the servers, and an installation behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deskhand.testing.product import Product, lay_out
from tests.mailstack.stack import MailStack, why_not_here

__all__ = ["mail_stack", "office_behind"]


@pytest.fixture(scope="session")
def mail_stack() -> Iterator[MailStack]:
    """One Postfix and one Dovecot for the whole run; tests keep apart by their addresses."""
    reason = why_not_here()
    if reason:
        pytest.skip(reason)
    stack = MailStack()
    try:
        yield stack.start()
    finally:
        stack.stop()


@contextmanager
def office_behind(mail_stack: MailStack, **settings: str) -> Iterator[Product]:
    """A running installation with a small office, which takes its mail from Postfix."""
    made = Product(**settings)
    made.lmtp_port = mail_stack.desk_lmtp_port
    with made:
        lay_out(made.data)
        made.start()
        made.python("from tests.flows.office import open_office; open_office()")
        yield made
        print(made.said())  # beside a failure
