"""Workflows for the tests of who enters: each makes a task, so that nothing stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, Reenrollment, Trigger
from deskhand.automation.models import Enrollment, Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_scope
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.testing.fixtures import NOON

TASK = Action("1", "create_task", {"title": "Look"})


def has(name: str, *values: str) -> Filter:
    return Filter(name, Kind.ENUM, Operator.ANY_OF, values)


def is_known(name: str, kind: Kind = Kind.ENUM) -> Filter:
    return Filter(name, kind, Operator.KNOWN)


class Office:
    """Makes workflows and moves the clock."""

    def __init__(self, world: Any, settle: Callable[[], None]) -> None:
        self.world, self._settle = world, settle

    def flow(
        self, trigger: Trigger, *, again: bool = False, on: tuple[Filter, ...] = (), object_type: str = "ticket",
        is_on: bool = True, include_present: bool = False, steps: tuple[Any, ...] = (TASK,), **more: Any,
    ) -> Workflow:  # fmt: skip
        definition = Definition(
            object_type, trigger, Reenrollment(again, on), start=Edge(steps[0].id), steps=steps,
            next_id=len(steps) + 1, **more,
        )  # fmt: skip
        made = workflows.create(self.world.account.pk, "Flow", definition, by=self.world.ada.pk)
        return workflows.switch(made, True, include_present=include_present) if is_on else made

    def rest(self) -> None:
        """As if the transaction of all that was done so far had ended, and everybody had heard of it."""
        for _ in range(2):
            current_scope().notes.pop("events.rounds", None)
            run_hooks()
            self._settle()

    def at(self, moment: datetime) -> Any:
        return clock.stopped(moment)

    def inside(self, flow: Workflow | None = None) -> list[int]:
        found = Enrollment.objects.order_by("id")
        return list((found.filter(workflow=flow) if flow else found).values_list("record_id", flat=True))


@pytest.fixture
def office(world: Any, settle: Callable[[], None]) -> Iterator[Office]:
    with clock.stopped(NOON):
        yield Office(world, settle)
