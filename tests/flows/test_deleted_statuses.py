"""What named a status that is deleted goes on without it."""

import pytest

from deskhand.automation import lanes, uses, workflows
from deskhand.automation.models import StepLog, Workflow
from deskhand.crm.pipelines.models import Stage
from deskhand.crm.records import refiling
from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks


@pytest.fixture
def gone(world, wired):
    """The status "Waiting on us": the channel's tickets begin in it, it has a lane, and the lane New moves into it."""
    stage, new = world.stage("Waiting on us"), world.stage("New")
    world.channel.stage_id = stage
    world.channel.save(update_fields=["stage_id"])
    workflows.switch(lanes.add_step("ticket", stage, "create_task", {"title": "Call"}, by=world.ada.pk), True)
    mover = {"property": "hs_pipeline_stage", "value": stage}
    workflows.switch(lanes.add_step("ticket", new, "set_property", mover, by=world.ada.pk), True)
    refiling.delete_stage(Stage.objects.get(pk=stage), by=SYSTEM)
    run_hooks()
    return stage


def test_a_deleted_status_lets_go_of_channels_and_lanes_R_PIPE_10(world, gone, settle):
    message = InboundMessage(
        "m1@x", Mailbox("astrid@fjallbo.example", "Astrid"), "Refund", "Where is it?", clock.now()
    )
    received = threads.receive(Incoming(world.channel.pk, message))
    run_hooks()
    settle()

    assert Ticket.objects.get(pk=received.ticket_id).stage_id == world.stage("New")
    lane = Workflow.objects.get(origin_stage_id=gone)
    assert (lane.is_on, lane.needs_review) == (False, uses.STAGE_GONE)
    log = StepLog.objects.get()
    assert (log.kind, log.status) == ("set_property", "FAILED")
    assert Workflow.objects.get(pk=log.workflow_id).needs_review
