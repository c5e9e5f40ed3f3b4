"""Records at an action, without a workflow around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.automation import records
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Doing, Done
from deskhand.kernel import clock


def doings(
    account_id: int,
    kind: str,
    settings: dict[str, Any],
    ids: list[int],
    object_type: str = "ticket",
    **more: Any,
) -> list[Doing]:
    rows = records.load(object_type, ids, lock=True)
    if ACTIONS[kind].meets(settings):
        records.add_people(object_type, rows.values())
    outputs, now, depth = more.get("outputs", {}), more.get("now", clock.now()), more.get("depth", 0)
    assert isinstance(now, datetime)
    return [
        Doing(
            account_id, number, 7, 1, "3", settings, object_type, pk, rows[pk], outputs, None, depth, 0, now
        )
        for number, pk in enumerate(ids, start=more.get("first", 1))
    ]


def do(
    account_id: int,
    kind: str,
    settings: dict[str, Any],
    ids: list[int],
    object_type: str = "ticket",
    **more: Any,
) -> list[Done]:
    return ACTIONS[kind].run(doings(account_id, kind, settings, ids, object_type, **more))


class Before:
    """A moment at which somebody had got so many mails, and refused nothing (`actions.types.Then`)."""

    def __init__(self, got: int = 0) -> None:
        self.number = got
        self.sent: list[str] = []

    def contacts(self, doing: Doing, *, everybody: bool) -> Sequence[Mapping[str, Any]]:
        return [doing.record["contact"]] if doing.record.get("contact") else []

    def has_had(self, about: str, template: str, at: datetime) -> bool:
        return False

    def got(self, email: str, at: datetime) -> int:
        return self.number

    def is_blocked(self, email: str, at: datetime) -> bool:
        return False

    def refuses(self, contact_id: int, type_id: int | None, at: datetime) -> bool:
        return False

    def mailed(self, about: str, template: str, to: Sequence[str], at: datetime) -> None:
        self.sent += to

    def choose(self, contact_id: int, type_id: int | None, is_on: bool, at: datetime) -> bool:
        return True
