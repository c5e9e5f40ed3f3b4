"""An installed upgrade with runs in flight loses none, and does nothing twice (R-EXEC-23, R-EDIT-4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deskhand.kernel.database import embedded
from deskhand.testing.product import Product
from tests.upgrade import interrupted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def installed() -> Iterator[Product]:
    with interrupted.installation() as made:
        yield made
        print(made.said())  # beside a failure


def test_killed_in_the_midst_and_upgraded_it_goes_on_where_it_was() -> None:
    with interrupted.world() as around, installed() as product:
        interrupted.interrupt(product, around)

        interrupted.upgrade(product)
        with embedded.running(product.data):
            interrupted.let_pass(product, interrupted.LATER)
        interrupted.finish(product, around)

        assert interrupted.missing_or_too_much(product, around) == []
