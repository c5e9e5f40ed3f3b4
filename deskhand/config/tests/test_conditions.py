"""Conditions on other workflows and on activities, in a configuration (R-TRIG-4)."""

import pytest

from deskhand.automation import standings
from deskhand.automation.tests.runs import make, task
from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind


@pytest.mark.parametrize("of", standings.ALL)
def test_a_workflow_is_named_however_it_is_asked_for_R_TRIG_4(world, of):
    asked = MemberOf(of, (make(world, task(1)).pk,), False)

    written = definitions.condition_out(to_json(asked), "ticket", Names())

    assert written["ids"] == ["Flow"]
    assert definitions.condition_back(written, "ticket", Names(), "f") == asked


def test_who_a_task_is_for_is_named_R_TRIG_4(world):
    whose = Filter("hubspot_owner_id", Kind.REF, Operator.ANY_OF, (world.ada.pk,))
    is_open = Filter("hs_task_status", Kind.ENUM, Operator.ANY_OF, ("NOT_STARTED",))
    asked = Associated("task", AllOf((whose, is_open)), has=False)

    written = definitions.condition_out(to_json(asked), "ticket", Names())

    assert written["where"]["all"][0]["values"] == [world.ada.email]
    assert definitions.condition_back(written, "ticket", Names(), "f") == asked
