"""Pytest fixtures for tests marked `mail`: `from tests.mailstack.fixtures import mail_stack`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mailstack.stack import MailStack, why_not_here

__all__ = ["mail_stack"]


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
