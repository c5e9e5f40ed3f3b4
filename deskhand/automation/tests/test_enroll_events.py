"""Event triggers: what happens to a record lets it in (behaviour.md §10.3, §10.6, §13.3)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import enroll, kinds, lanes, templates, triggers, workflows
from deskhand.automation.engine.definition import Action, EventMatch, Leaving, Manual, WhenEvent
from deskhand.automation.enrolling import guards
from deskhand.automation.models import Enrollment, StepLog, Workflow
from deskhand.automation.tests.enrolling_cases import has, is_known, office
from deskhand.crm.filters.types import AllOf, Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import stage_property
from deskhand.crm.records import associations, companies, objects, tasks, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tasks import Wanted as NewTask
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import object_types, tags
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.schema.types import Option as Tag
from deskhand.crm.segments import segments, tag_rules
from deskhand.crm.segments.models import Segment
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import merging, replies, snoozing, spam
from deskhand.desk.replies import NewReply
from deskhand.events.types import DEPTH_LIMIT, SYSTEM, Actor, ActorKind, Cause, Event
from deskhand.kernel import timers
from deskhand.kernel.database.scope import settle as settle_hooks
from deskhand.testing.fixtures import NOON

__all__ = ["office"]
HOUR = timedelta(hours=1)


def on(*kinds, about=None, refine=None):
    return WhenEvent(tuple(EventMatch(kind, about) for kind in kinds), refine)


def test_t_act_3_an_own_workflow_for_chat_sends_the_mail(world, office):
    """R-ACT-31: the lanes leave chat out, a workflow of one's own need not."""
    templates.ensure_defaults(world.account.pk)
    from deskhand.automation.engine.definition import Action

    office.flow(
        on("ticket.created", refine=has("source_type", "CHAT")),
        steps=(Action("1", "send_email", {"template": "ticket_received"}),),
    )
    contact = world.contact()
    world.ticket(source_type="CHAT", contact_id=contact.pk)
    world.ticket(source_type="EMAIL", contact_id=contact.pk)
    office.rest()

    assert OutboxEntry.objects.count() == 1


def test_t_act_9_who_came_while_the_lane_was_off_does_not_run(world, office):
    """R-ACT-12."""
    lane = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Look"}, by=world.ada.pk)
    world.ticket()
    office.rest()
    assert office.inside() == []

    with office.at(NOON + HOUR):
        workflows.switch(lane, True)
        office.rest()
        assert office.inside() == []
        later = world.ticket()
        office.rest()
    assert office.inside() == [later.pk]


def test_t_wf_2_an_event_before_the_switch_never_enrolls(world, office):
    """R-TRIG-10, also when it is heard of later."""
    flow = office.flow(on("ticket.created"), is_on=False)
    world.ticket()
    with office.at(NOON + HOUR):
        workflows.switch(flow, True)
        office.rest()

    assert office.inside() == []


def test_from_one_value_to_another_can_be_asked_for_R_TRIG_18(world, office):
    priority = properties_of("ticket")["hs_ticket_priority"]
    kind, about = triggers.property_changed("ticket", priority, ["LOW"], ["HIGH", "URGENT"])
    office.flow(WhenEvent((EventMatch(kind, about),)))
    one, two, three = (world.ticket(priority=p) for p in ("LOW", "MEDIUM", "LOW"))
    office.rest()
    for ticket, to in ((one, "HIGH"), (two, "HIGH"), (three, "MEDIUM")):
        tickets.update(ticket.pk, {"hs_ticket_priority": to}, by=SYSTEM)
    office.rest()

    assert office.inside() == [one.pk]


@pytest.mark.parametrize("merged_into_one_batch", [True, False])
def test_the_record_counts_as_it_was_at_the_instant_of_the_event_R_TRIG_12(
    world, office, merged_into_one_batch
):
    flow = office.flow(on("ticket.owner_set", refine=has("hs_ticket_priority", "HIGH")))
    was_high, got_high = world.ticket(priority="HIGH"), world.ticket(priority="LOW")
    office.rest()
    for ticket, after in ((was_high, "LOW"), (got_high, "HIGH")):
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
        if not merged_into_one_batch and ticket == was_high:
            office.rest()
        tickets.update(ticket.pk, {"hs_ticket_priority": after}, by=SYSTEM)
    office.rest()

    assert office.inside(flow) == [was_high.pk]


def test_any_of_several_events_enrolls_and_once_for_ever_R_TRIG_13_R_RE_1(world, office):
    office.flow(on("ticket.closed", "ticket.owner_set"))
    ticket, other = world.ticket(), world.ticket()
    for step in range(2):
        tickets.assign(ticket.pk, owner_id=(world.grace, world.bob)[step].pk, by=SYSTEM)
        tickets.move(other.pk, to=world.stage("Closed"), by=SYSTEM)
        office.rest()

    assert sorted(office.inside()) == [ticket.pk, other.pk]


def test_a_tag_that_is_put_on_or_taken_off_lets_a_ticket_in_R_TRIG_18(world, office):
    """By whomever; also one that a new ticket has already. Which tag can be asked for."""
    tags.arrange([Tag("", "Billing"), Tag("", "VIP")], by=SYSTEM)
    added, removed = office.flow(on("ticket.tag_added")), office.flow(on("ticket.tag_removed"))
    billing = office.flow(
        on("ticket.tag_added", about=Filter("tag_added", Kind.MULTI, Operator.ANY_OF, ("1",)))
    )
    tagged, other = world.ticket(), world.ticket()
    office.rest()

    tickets.update(other.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    tickets.update(tagged.pk, {tags.TAGS: ["2"]}, by=SYSTEM)
    office.rest()
    assert [office.inside(flow) for flow in (added, removed, billing)] == [[tagged.pk], [], []]
    tickets.update(tagged.pk, {tags.TAGS: ["2", "1"]}, by=SYSTEM)
    office.rest()
    assert [office.inside(flow) for flow in (added, removed, billing)] == [[tagged.pk], [], [tagged.pk]]
    tickets.update(tagged.pk, {tags.TAGS: ["1"]}, by=SYSTEM)
    new = tickets.create(NewTicket("Lamp", properties={tags.TAGS: ["1"]}), by=SYSTEM)
    office.rest()
    inside = [office.inside(flow) for flow in (added, removed, billing)]
    assert inside == [[tagged.pk, new.id], [tagged.pk], [tagged.pk, new.id]]


def test_a_rule_and_a_workflow_that_set_each_other_off_come_to_an_end(world, office):
    """What a rule does keeps the depth of what set it off (R-EXEC-20)."""
    tags.arrange([Tag("", "Urgent")], by=SYSTEM)
    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    tag_rules.set_rule("1", high, by=SYSTEM)
    timers.drop_timer(world.account.pk, segments.SWEEP, str(Segment.objects.get(name="1").pk))
    office.flow(on("ticket.tag_added"), again=True)
    ticket = world.ticket()
    office.rest()
    by = Actor(ActorKind.WORKFLOW, 7)
    tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=by, depth=3)
    office.rest()
    tickets.update(ticket.pk, {"hs_ticket_priority": "LOW"}, by=by, depth=DEPTH_LIMIT)
    tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=by, depth=DEPTH_LIMIT)
    office.rest()

    assert Ticket.objects.get(pk=ticket.pk).properties[tags.TAGS] == ["1"]
    assert [one.depth for one in Enrollment.objects.all()] == [4]


def test_each_time_where_that_is_chosen_R_TRIG_16(world, office):
    office.flow(on("ticket.reopened"), again=True)
    ticket = world.ticket()
    for _ in range(2):
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
        office.rest()
        tickets.move(ticket.pk, to=world.stage("New"), by=SYSTEM)
        office.rest()

    assert office.inside() == [ticket.pk] * 2


def test_every_kind_of_event_of_a_ticket_lets_it_in(world, office):
    """R-TRIG-18: what a colleague does at the desk."""
    contact = world.contact()
    ticket = world.ticket(contact_id=contact.pk, channel_account_id=world.channel.pk)
    other = world.ticket(contact_id=contact.pk)
    office.rest()
    flows = {}
    for kind in (
        "message.received", "ticket.reply_sent", "comment.added", "ticket.merged", "ticket.snoozed", "ticket.woken",
        "ticket.spam_set", "ticket.spam_lifted", "task.created", "task.done", "ticket.owner_set", "ticket.owner_removed",
        "ticket.teams_changed", "ticket.stage_left", "ticket.property_changed",
    ):  # fmt: skip
        flows[kind] = office.flow(on(kind))
    with office.at(NOON + timedelta(minutes=1)):
        by = Actor.user(world.ada.pk)
        replies.reply(NewReply(ticket.pk, "Hello"), by=world.ada)
        replies.comment(ticket.pk, "Look", by=world.ada)
        task = tasks.create("ticket", ticket.pk, NewTask("Call"), by=by)
        tasks.finish(task, True, by=by)
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=by)
        tickets.assign(ticket.pk, owner_id=None, by=by)
        tickets.move(ticket.pk, to=world.stage("Closed"), by=by)
        office.rest()
        snoozing.snooze(ticket.pk, until=NOON + HOUR, by=by, user_id=None)
        snoozing.wake(ticket.pk, by=by, user_id=world.ada.pk)
        merging.merge(ticket.pk, other.pk, by=by)
        spam.mark(ticket.pk, by=by)
        office.rest()
        spam.unmark(ticket.pk, by=by)
        office.rest()
    missed = {kind for kind, flow in flows.items() if ticket.pk not in office.inside(flow)}

    assert missed == {"message.received"}


def test_a_message_enrolls_the_ticket_that_it_came_to_but_not_one_that_it_opens_R_TRIG_11(world):
    said = {"message_id": 1, "ticket_id": 7, "thread_id": 3, "automatic": "no", "sender": "contact", "unverified": False, "forward": False}  # fmt: skip
    first, second = (
        Event(
            "message.received", "thread", 3, 1, Actor(ActorKind.VISITOR, 1), NOON, {**said, "opened": opened}
        )
        for opened in (True, False)
    )

    assert triggers.subject_of(second) == ("ticket", 7)
    assert not triggers.is_meant(first, triggers.choice("ticket", "message.received"), None, triggers.UTC)
    assert triggers.is_meant(
        second, triggers.choice("ticket", "message.received"), has("sender", "contact"), triggers.UTC
    )


def test_other_kinds_of_records_enter_too_R_OBJ_1_R_OBJ_8(world, office):
    own = object_types.create("vessel", "Vessel", "Vessels", by=SYSTEM)
    objects.switch_pipelines(own.key, True, by=SYSTEM)
    stage = {
        kind: pipelines_of(kind).default.stages[1].id for kind in ("deal", "project", own.key)
    }  # fmt: skip
    flows = {
        kind: office.flow(
            on(f"{kind}.stage_entered", about=has(stage_property(kind), str(to))), object_type=kind
        )
        for kind, to in stage.items()
    }
    flows |= {kind: office.flow(on(f"{kind}.created"), object_type=kind) for kind in ("contact", "company")}
    made = {
        "deal": objects.create("deal", {"dealname": "Roof"}, by=SYSTEM).id,
        "project": objects.create("project", {"hs_name": "Move"}, by=SYSTEM).id,
        own.key: objects.create(own.key, {"hs_name": "Oslo"}, by=SYSTEM).id,
        "contact": world.contact().pk,
        "company": companies.create("Fjällbo", by=SYSTEM).pk,
    }
    office.rest()
    for kind, to in stage.items():
        assert office.inside(flows[kind]) == []
        objects.move(kind, made[kind], to=to, by=SYSTEM)
    office.rest()

    assert {kind: office.inside(flow) for kind, flow in flows.items()} == {k: [pk] for k, pk in made.items()}


def test_links_of_every_kind_let_records_in_R_TRIG_18_R_OBJ_8(world, office):
    own = object_types.create("vessel", "Vessel", "Vessels", by=SYSTEM).key
    deal = objects.create("deal", {"dealname": "Roof"}, by=SYSTEM).id
    boat = objects.create(own, {"hs_name": "Oslo"}, by=SYSTEM).id
    contact, company = world.contact().pk, companies.create("Fjällbo", by=SYSTEM).pk

    def asks(kind):
        return Filter(triggers.TO_TYPE, Kind.ENUM, Operator.ANY_OF, (kind,))

    flows = {
        "to a vessel": office.flow(on("deal.linked", about=asks(own)), object_type="deal"),
        "to a project": office.flow(on("deal.linked", about=asks("project")), object_type="deal"),
        "apart": office.flow(on("deal.unlinked"), object_type="deal"),
        "vessel": office.flow(on(f"{own}.linked", about=asks("deal")), object_type=own),
        "employed": office.flow(on("contact.linked", about=asks("company")), object_type="contact"),
    }
    office.rest()

    associations.connect("deal", deal, own, boat, by=SYSTEM)
    associations.connect("contact", contact, "company", company, by=SYSTEM)
    office.rest()
    inside = {name: office.inside(flow) for name, flow in flows.items()}
    assert inside == {"to a vessel": [deal], "to a project": [], "apart": [], "vessel": [boat], "employed": [contact]}  # fmt: skip

    associations.part("deal", deal, own, boat, by=SYSTEM)
    office.rest()
    assert office.inside(flows["apart"]) == [deal]


def test_who_is_told_of_links_is_asked_about_no_others_R_TRIG_18(world):
    own = object_types.create("vessel", "Vessel", "Vessels", by=SYSTEM).key
    assert set(kinds.told_of("ticket")) == {"ticket", "contact", "company", "deal", "project", own}
    assert kinds.told_of("contact") == ["contact", "company"]
    assert kinds.told_of(own)[-1] == own


def test_the_reason_says_what_happened_and_who_did_it_R_LOG_1(world, office):
    office.flow(on("ticket.owner_set"))
    ticket = world.ticket()
    tickets.assign(ticket.pk, owner_id=world.grace.pk, by=Actor.user(world.ada.pk))
    office.rest()
    made = Enrollment.objects.get()

    assert made.reason == {
        "by": "event", "event": made.event_id, "kind": "ticket.assigned", "chosen": "ticket.owner_set", "actor": "user",
        "actor_id": world.ada.pk,
    }  # fmt: skip


def test_spam_reaches_nothing_but_what_asks_for_spam_R_CC_12(world, office):
    office.flow(on("ticket.owner_set"))
    asks = office.flow(on("ticket.spam_set"))
    ticket = world.ticket()
    office.rest()
    spam.mark(ticket.pk, by=SYSTEM)
    tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
    office.rest()

    assert (office.inside(asks), len(office.inside())) == ([ticket.pk], 1)


# ── guards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_wf_11_what_a_workflow_makes_itself_it_does_not_take_in(world, office):
    """R-EXEC-20: the step that made it says so."""
    flow = office.flow(on("ticket.created"))
    first = world.ticket()
    office.rest()
    inside = Enrollment.objects.get()
    made = tickets.create(
        NewTicket("Follow-up"), by=Actor(ActorKind.WORKFLOW, flow.pk), depth=1,
        cause=Cause(workflow_id=flow.pk, revision=1, step_id="1", enrollment_id=inside.pk),
    )  # fmt: skip
    office.rest()

    assert office.inside() == [first.pk]
    note = StepLog.objects.get(kind="enroll")
    assert (note.enrollment_id, note.record_id, note.status) == (inside.pk, made.id, "SKIPPED")
    assert "Infinite loop" in note.message


def test_t_wf_11_the_step_itself_makes_the_record_which_stays_out(world, office, settle):
    """R-EXEC-20, decision 0011."""
    again = Action("1", "create_record", {"record_type": "ticket", "value_subject": "Again", "link": True})
    office.flow(on("ticket.created"), steps=(again,))
    first = world.ticket("Refund")
    for _round in range(5):
        settle_hooks()
        settle()

    assert office.inside() == [first.pk]
    made = Ticket.objects.exclude(pk=first.pk).get()
    notes = [(one.kind, one.record_id, one.status) for one in StepLog.objects.order_by("id")]
    assert notes == [("create_record", first.pk, "SUCCEEDED"), ("enroll", made.pk, "SKIPPED")]


def test_another_workflow_takes_it_in(world, office):
    flow, other = office.flow(on("ticket.created")), office.flow(on("ticket.created"))
    made = tickets.create(
        NewTicket("Follow-up"),
        by=Actor(ActorKind.WORKFLOW, flow.pk),
        depth=1,
        cause=Cause(workflow_id=flow.pk),
    )
    office.rest()

    assert (office.inside(flow), office.inside(other)) == ([], [made.id])


def test_a_record_enters_twenty_times_an_hour_at_most_R_EXEC_21(world, office):
    flow = office.flow(on("ticket.owner_set"), again=True)
    ticket = world.ticket()
    office.rest()
    before = [
        Enrollment(
            account_id=world.account.pk, workflow=flow, object_type="ticket", record_id=ticket.pk, revision_number=1,
            state="ENDED", enrolled_at=NOON, run_key=n,
        )
        for n in range(guards.PER_HOUR)
    ]  # fmt: skip
    Enrollment.objects.bulk_create(before)
    tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
    office.rest()
    assert len(office.inside()) == guards.PER_HOUR
    assert Workflow.objects.get(pk=flow.pk).needs_review == guards.TOO_OFTEN

    with office.at(NOON + HOUR * 2):
        tickets.assign(ticket.pk, owner_id=world.ada.pk, by=SYSTEM)
        office.rest()
    assert len(office.inside()) == guards.PER_HOUR + 1


def test_what_would_leave_at_once_does_not_enter_R_UN_4(world, office):
    urgent = has("hs_ticket_priority", "URGENT")
    office.flow(on("ticket.created"), leaving=Leaving(condition=urgent))
    world.ticket(priority="URGENT")
    calm = world.ticket(priority="LOW")
    office.rest()

    assert office.inside() == [calm.pk]


def test_a_merge_brings_nobody_back_by_event_R_UN_9(world, office):
    """What it changes in the survivor lets in who was never inside; a workflow that waits for merges hears each."""
    tags.arrange([Tag("", "Billing")], by=SYSTEM)
    changed = office.flow(on("ticket.property_changed"), again=True)
    tagged = office.flow(on("ticket.tag_added"), again=True)
    merged = office.flow(on("ticket.merged"), again=True)
    known, new, *parts = (world.ticket() for _ in range(5))
    for ticket in (known, *parts):
        tickets.update(ticket.pk, {tags.TAGS: ["1"]}, by=SYSTEM)
    tickets.update(known.pk, {tags.TAGS: []}, by=SYSTEM)
    office.rest()
    was = {flow.pk: office.inside(flow).count(known.pk) for flow in (changed, tagged)}
    assert min(was.values()) > 0

    with office.at(NOON + HOUR):  # another change, at the same moment, is heard
        for survivor, part in ((known, parts[0]), (known, parts[1]), (new, parts[2])):
            merging.merge(survivor.pk, part.pk, by=Actor.user(world.ada.pk))
        office.rest()
        assert {flow.pk: office.inside(flow).count(known.pk) for flow in (changed, tagged)} == was
        assert [office.inside(flow).count(new.pk) for flow in (changed, tagged)] == [1, 1]
        assert [office.inside(merged).count(one.pk) for one in (known, new)] == [1, 1]
        tickets.update(known.pk, {tags.TAGS: []}, by=SYSTEM)
        office.rest()
        tickets.update(known.pk, {tags.TAGS: ["1"]}, by=SYSTEM)
        office.rest()
    assert office.inside(tagged).count(known.pk) == was[tagged.pk] + 1


def test_deleted_and_merged_records_leave_everything_R_UN_7_R_UN_9(world, office):
    from deskhand.automation.engine.definition import Delay, ForAmount

    wait = Delay("1", ForAmount(timedelta(days=3650)))
    office.flow(on("ticket.created"), steps=(wait,), is_on=False)
    flow = Workflow.objects.get()
    Workflow.objects.update(is_on=True, on_since=NOON)
    gone, survivor, part = (world.ticket() for _ in range(3))
    office.rest()
    tickets.archive([gone.pk], by=SYSTEM)
    merging.merge(survivor.pk, part.pk, by=Actor.user(world.ada.pk))
    office.rest()
    tickets.restore([gone.pk], by=SYSTEM)
    office.rest()
    ends = {e.record_id: (e.state, e.end_reason) for e in Enrollment.objects.filter(workflow=flow)}

    assert ends[gone.pk] == ("ENDED", "record_gone")
    assert ends[part.pk][0] == "ENDED"
    assert ends[survivor.pk][0] == "DUE"


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_of_queries_grows_neither_with_workflows_nor_with_events(world, office):
    def count(flows, records):
        for _ in range(flows):
            office.flow(on("ticket.created", refine=is_known("hs_pipeline_stage")), leaving=Leaving(has("hs_ticket_priority", "LOW")))  # fmt: skip
        events = [tickets.create(NewTicket(f"T {n}"), by=SYSTEM).event for n in range(records)]
        enroll.enroll_matching(world.account.pk, events[:1])  # what is kept in memory
        with CaptureQueriesContext(connection) as made:
            enroll.enroll_matching(world.account.pk, events)
        assert Enrollment.objects.count() >= records
        return len(made)

    assert count(1, 2) == count(6, 40) <= 6


def test_an_event_that_nobody_waits_for_costs_one_query(world, office):
    office.flow(on("ticket.closed"))
    event = tickets.create(NewTicket("Quiet"), by=SYSTEM).event
    enroll.enroll_matching(world.account.pk, [event])
    with CaptureQueriesContext(connection) as made:
        enroll.enroll_matching(world.account.pk, [event] * 50)

    assert len(made) == 1


def test_a_change_behind_everybodys_back_is_noticed(world, office):
    """The index asks what is on; whoever changed it, and however, need not tell."""
    flow = office.flow(on("ticket.created"))
    world.ticket()
    office.rest()
    Workflow.objects.filter(pk=flow.pk).update(is_on=False)
    world.ticket()
    office.rest()

    assert len(office.inside()) == 1


def test_manual_workflows_hear_nothing(world, office):
    office.flow(Manual())
    world.ticket()
    office.rest()

    assert office.inside() == []


@pytest.mark.parametrize("object_type", ["ticket", "contact", "company", "deal", "project", "2-1"])
def test_every_choice_has_words_and_says_what_can_be_asked_about_it(object_type):
    """R-TRIG-18."""
    listed = triggers.choices(object_type)

    assert len({one.kind for one in listed}) == len(listed) > 8
    assert all(str(one.label) and str(one.about) and one.heard for one in listed)
    assert all(str(fact.label) for one in listed for fact in one.facts)


def test_what_an_event_tells_is_compared_as_its_property_is():
    changes = {
        "hs_pipeline_stage": [1, 2],
        "closed_date": [None, NOON.isoformat()],
        "hubspot_owner_id": [3, None],
    }
    event = Event("ticket.moved", "ticket", 7, 2, Actor.user(9), NOON, {"changes": changes})
    facts = triggers.EventFacts(event, "ticket")

    assert (facts.value("hs_pipeline_stage"), facts.value("from:hs_pipeline_stage")) == ("2", "1")
    assert (facts.value("closed_date"), facts.value("from:hubspot_owner_id")) == (NOON, 3)
    assert (facts.value("by"), facts.value("by_user")) == ("user", 9)
    about = AllOf(
        (Filter("from:hubspot_owner_id", Kind.REF, Operator.ANY_OF, (3,)), has("hs_pipeline_stage", "2"))
    )
    assert triggers.is_meant(event, triggers.choice("ticket", "ticket.owner_removed"), about, triggers.UTC)
    assert {"ticket.owner_removed", "ticket.stage_left", "ticket.moved"} <= set(triggers.names_of(event))
    assert "ticket.owner_set" not in triggers.names_of(event)
