from typing import Any

import structlog
from django.apps import AppConfig
from django.db import OperationalError
from django.db.models.signals import post_migrate

log = structlog.get_logger()


class EventsConfig(AppConfig):
    name = "deskhand.events"
    label = "events"

    def ready(self) -> None:
        post_migrate.connect(_make_partitions, sender=self, dispatch_uid="deskhand.events.partitions")


def _make_partitions(using: str = "default", **_: Any) -> None:
    """After every migrate. A busy database is no reason to fail it: the worker does the same, nightly and at its start."""
    from deskhand.events import partitions
    from deskhand.kernel import clock

    try:
        partitions.ensure(clock.now(), using)
    except OperationalError as failure:
        log.warning("months of the log not made", error=str(failure))
