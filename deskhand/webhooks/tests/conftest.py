"""An app that is told at a web server on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deskhand import wiring
from deskhand.accounts import connected_apps
from deskhand.accounts.models import App
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import time_passes
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.testing.sites import Site, calling_site
from deskhand.testing.world import World
from deskhand.webhooks import subscriptions, targets
from deskhand.webhooks.subscriptions import Wanted


def settle_in_scope(settle: Callable[[], None]) -> None:
    """Hooks before commit run at the scope's end; inside a test's open scope they are run by hand."""
    for _round in range(3):
        run_hooks()
        settle()


@dataclass
class Hook:
    """What it was told: all, or one type of event."""

    world: World
    there: Site
    app: App
    secret: str
    settle: Callable[[], None]

    def wants(self, *wanted: str | Wanted) -> None:
        asked = [Wanted(one) if isinstance(one, str) else one for one in wanted]
        subscriptions.arrange(self.world.account.pk, self.app.pk, asked, by=self.by)

    def run(self) -> None:
        """Tell what happened, and try everything once."""
        settle_in_scope(self.settle)
        Sender(wiring.transports(), threads=0, jitter=lambda: 0.0).drain()

    def try_again(self) -> None:
        time_passes()
        self.run()

    def told(self, kind: str = "") -> list[dict[str, Any]]:
        every = [item for asked in self.there.asked for item in asked.json]
        return [item for item in every if kind in ("", item["subscriptionType"])]

    @property
    def by(self) -> Actor:
        return Actor.user(self.world.ada.pk)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with calling_site() as here:
        yield here


@pytest.fixture
def hook(world: World, there: Site, settle: Callable[[], None]) -> Hook:
    by = Actor.user(world.ada.pk)
    app, secret = connected_apps.create(world.account.pk, name="Shop", by=by)
    targets.put(world.account.pk, app.pk, url=f"{there.url}/hear?k=1", by=by)
    return Hook(world, there, app, secret, settle)
