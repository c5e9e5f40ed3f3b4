"""Replaying a workflow over the past, in the browser."""

import html
import threading
from datetime import timedelta

import pytest
from django.urls import reverse

from deskhand.accounts.policy import viewer_for
from deskhand.automation import workflows
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    Ends,
    EventMatch,
    Every,
    ForAmount,
    Leaving,
    Manual,
    WhenEvent,
    WhenScheduled,
)
from deskhand.automation.enrolling import by_hand
from deskhand.automation.models import Enrollment, Replay, ReplayEffect, ReplayRun, Verdict
from deskhand.automation.replay import replays
from deskhand.crm.filters.types import Filter, Operator, Span, Unit
from deskhand.crm.schema.types import Kind
from deskhand.kernel import clock
from deskhand.kernel.jobs import Job


@pytest.fixture
def flow(office):
    with office.inside() as world:
        steps = (Action("1", "create_task", {"title": "Call about {{ ticket.subject }}"}),)
        definition = Definition(
            "ticket", WhenEvent((EventMatch("ticket.created"),)), start=Edge("1"), steps=steps, next_id=2
        )
        return workflows.create(world.account.pk, "Chase", definition, by=world.ada.pk)


def begin(office, client, flow):
    """An hour after what happened."""
    with clock.stopped(office.at + timedelta(hours=1)):
        return client.post(f"/workflows/{flow.pk}/replay/begin", {"days": "7"}, follow=True).content.decode()


def work(office):
    """As the worker does it."""
    with office.inside() as world:
        waiting = Replay.objects.get(state="QUEUED")
    replays.run(Job(1, world.account.pk, {"replay": waiting.pk}, threading.Event()))
    return waiting


def test_the_past_is_replayed_and_told_line_by_line(office, flow, sign_in):
    office.mail("Where is it?")
    client = sign_in(office.world.ada)
    address = f"/workflows/{flow.pk}/replay"
    assert "Nothing was replayed yet" in client.get(address).content.decode()
    page = begin(office, client, flow)
    assert "It begins in a moment." in page
    assert 'hx-trigger="every 2s"' in page
    found = work(office)
    page = client.get(address).content.decode()
    assert "every 2s" not in page
    assert "Call about Where is it?" in page
    assert "Only in the replay" in page
    way = client.get(f"{address}/{found.pk}/1").content.decode()
    assert "Event: Created" in way
    assert "It went through to the end." in way


def test_lines_are_filtered_and_paged(office, flow, sign_in):
    ticket = office.mail("Where is it?")
    client = sign_in(office.world.ada)
    address = f"/workflows/{flow.pk}/replay"
    begin(office, client, flow)
    found = work(office)
    with office.inside() as world:
        ReplayEffect.objects.bulk_create(
            ReplayEffect(
                account_id=world.account.pk, replay=found, run_number=1, at=office.at, record_id=ticket.pk, step_id="1",
                kind="create_task", status="SUCCEEDED", message=f"Line {number:02d}.", verdict=Verdict.SAME,
            )
            for number in range(60)
        )  # fmt: skip
    page = client.get(address, {"verdict": "SAME"}).content.decode()
    assert ("Line 00." in page, "Line 49." in page, "Line 50." in page) == (True, True, False)
    following = page.split('class="wf-more"><a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Line 59." in client.get(following).content.decode()
    assert "Line 00." not in client.get(address, {"verdict": "GONE"}).content.decode()
    assert client.get(address, {"after": "x|y", "kind": "nothing", "verdict": "?"}).status_code == 200


def test_what_somebody_may_not_see_is_counted_and_not_shown(office, flow, sign_in):
    ticket = office.mail("A secret")
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    found = work(office)
    with office.inside():
        ReplayEffect.objects.filter(replay=found).update(record_id=ticket.pk + 1000)
        ReplayRun.objects.filter(replay=found).update(record_id=ticket.pk + 1000)
    page = client.get(f"/workflows/{flow.pk}/replay").content.decode()
    assert "A secret" not in page
    assert "1 line is about a record that you may not see." in page
    assert client.get(f"/workflows/{flow.pk}/replay/{found.pk}/1").status_code == 404


def test_a_replay_is_stopped(office, flow, sign_in):
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    page = client.post(f"/workflows/{flow.pk}/replay/stop", follow=True).content.decode()
    assert "It was stopped." in page


def test_the_page_says_what_it_rests_on(office, sign_in):
    """Only what concerns the workflow: here a schedule, a condition that time makes true, and a date that mail changes."""
    with office.inside() as world:
        waited = Filter("last_reply_date", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(1, Unit.DAY),))
        steps = (Action("1", "rotate_owner", {"users": [world.ada.pk]}),)
        definition = Definition("ticket", WhenScheduled(waited, Every.DAY, 600), start=Edge("1"), steps=steps, next_id=2)  # fmt: skip
        flow = workflows.create(world.account.pk, "Every day", definition, by=world.ada.pk)
    page = html.unescape(begin(office, sign_in(office.world.ada), flow))
    for said in (
        "out of the history of their properties", "the schedule fires when it would have", "no new owner is set",
        "Properties that have no history: Last customer reply date.",
    ):  # fmt: skip
        assert said in page
    assert "Who is in which segment." not in page
    assert "Who had got which mail" not in page


def test_what_was_held_is_told(office, flow, sign_in):
    office.mail("Where is it?")
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    found = work(office)
    with office.inside():
        Replay.objects.filter(pk=found.pk).update(held=2, held_at=office.at)
    page = client.get(f"/workflows/{flow.pk}/replay").content.decode()
    assert "2 sendings wait for the next hour here" in page


def test_who_leaves_for_whom_is_told_both_ways_round_R_UN_6(office, sign_in):
    ticket = office.mail("Where is it?")
    steps = (
        Delay("1", ForAmount(timedelta(days=1)), Edge("2")),
        Action("2", "create_task", {"title": "Call"}),
    )
    with office.inside() as world, clock.stopped(office.at):
        viewer, account_id = viewer_for(world.account.pk, world.ada.pk), world.account.pk
        made = []
        for name, ends in (("Chase", None), ("Urgent", Ends())):
            definition = Definition("ticket", Manual(), leaving=Leaving(ends=ends), start=Edge("1"), steps=steps, next_id=3)  # fmt: skip
            one = workflows.switch(
                workflows.create(account_id, name, definition, by=world.ada.pk), True, by=world.ada.pk
            )
            by_hand.enroll_by_hand(viewer, one.pk, [ticket.pk], at=office.at)
            made.append(one)
    with office.inside():  # one after the other
        Enrollment.objects.filter(workflow=made[1]).update(enrolled_at=office.at + timedelta(minutes=30))
        Enrollment.objects.filter(workflow=made[0]).update(ended_at=office.at + timedelta(minutes=30))
    client = sign_in(office.world.ada)
    pages, found = [], []
    for one in made:
        begin(office, client, one)
        found.append(work(office))
        pages.append(html.unescape(client.get(f"/workflows/{one.pk}/replay").content.decode()))

    chase, urgent = pages
    assert "1 run would have ended early because its record entered “Urgent”." in chase
    assert "Leaves on entering “Urgent”." in chase
    assert "Leave this workflow for another" in chase
    assert "It would have taken 1 run out of “Chase”." in urgent
    assert "Leaves “Chase”." in urgent
    way = html.unescape(client.get(f"/workflows/{made[0].pk}/replay/{found[0].pk}/1").content.decode())
    assert "Leaves on entering “Urgent”." in way
    assert "Another workflow took the record over." in way


def test_a_failed_one_says_why_and_can_be_begun_again(office, flow, sign_in):
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    with office.inside():
        Replay.objects.update(state="FAILED", error="There is no property “plan” any more.")
    page = client.get(f"/workflows/{flow.pk}/replay").content.decode()
    assert "It could not be replayed. There is no property “plan” any more." in page
    assert "replay/begin" in page


def test_the_list_and_the_review_lead_to_the_replay(office, flow, sign_in):
    client = sign_in(office.world.ada)
    address = f'href="/workflows/{flow.pk}/replay"'
    assert f'class="menu-item" {address}' in client.get("/workflows").content.decode()
    assert f'class="link" {address}' in client.get(reverse("workflow-edit-review", args=[flow.pk])).content.decode()  # fmt: skip


def test_a_second_one_is_refused_while_one_goes_on(office, flow, sign_in):
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    page = begin(office, client, flow)
    assert "A replay of this workflow is going on already." in page


@pytest.mark.parametrize("days", ["", "8", "x", "99999999999999999999"])
def test_other_spans_are_refused(office, flow, sign_in, days):
    client = sign_in(office.world.ada)
    assert client.post(f"/workflows/{flow.pk}/replay/begin", {"days": days}).status_code == 400


def test_a_workflow_that_people_enroll_into_says_whom_it_replays(office, sign_in):
    with office.inside() as world:
        definition = Definition("ticket", Manual(), start=Edge("1"), steps=(Action("1", "create_task", {"title": "Call"}),), next_id=2)  # fmt: skip
        by_hand = workflows.create(world.account.pk, "By hand", definition, by=world.ada.pk)
    page = sign_in(office.world.ada).get(f"/workflows/{by_hand.pk}/replay").content.decode()
    assert "Whoever really entered in that time" in page


def test_who_may_not_edit_may_not_replay(office, flow, sign_in):
    client = sign_in(office.world.nils)
    assert client.get(f"/workflows/{flow.pk}/replay").status_code == 403
    assert client.post(f"/workflows/{flow.pk}/replay/begin", {"days": "7"}).status_code == 403


def test_the_questions_of_the_page_do_not_grow(office, flow, sign_in, django_assert_max_num_queries):
    for number in range(12):
        office.mail(f"No. {number}")
    client = sign_in(office.world.ada)
    begin(office, client, flow)
    work(office)
    with django_assert_max_num_queries(45):
        page = client.get(f"/workflows/{flow.pk}/replay").content.decode()
    assert page.count('aria-label="The whole run of') == 12
