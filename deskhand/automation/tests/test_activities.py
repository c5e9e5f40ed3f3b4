"""What was done, said and is to be done around a record, as conditions ask for it (R-TRIG-4)."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.automation import records
from deskhand.automation.engine.definition import (
    Action,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Leaving,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.models import Enrollment
from deskhand.automation.tests.asking import ZONE, in_python, in_sql
from deskhand.automation.tests.enrolling_cases import office  # noqa: F401
from deskhand.automation.tests.runs import enroll, go, make, task
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import (
    EVERYTHING,
    OPERATORS,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Takes,
    Unit,
    Window,
)
from deskhand.crm.records import notes, tasks
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import activities
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.crm.tests.test_segments import inside, told
from deskhand.desk import replies
from deskhand.desk.models import Attachment, ChannelAccount, Inbox, Message, Thread
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Invalid
from deskhand.testing.fixtures import NOON

DAY = timedelta(days=1)
NAMES = ("task", "note", "message", "comment")


def leaf(of, name, operator=Operator.KNOWN, *values):
    return Filter(name, activities.find(of).by_name[name].kind, operator, values)


def any_of(of, name, *values):
    return leaf(of, name, Operator.ANY_OF, *values)


def thread_of(world, ticket, at=NOON):
    channel = ChannelAccount.objects.get(account_id=world.account.pk)
    return Thread.objects.create(
        account_id=world.account.pk, inbox=Inbox.objects.get(account_id=world.account.pk), channel_account=channel,
        ticket_id=ticket.pk, created_at=at, last_message_at=at,
    )  # fmt: skip


def say(thread, text, direction="IN", *, minutes=0, **more):
    given = {
        "actor_kind": "visitor" if direction == "IN" else "user",
        "subject": "Refund",
        "sender_address": "astrid@x.example",
    }
    return Message.objects.create(
        account_id=thread.account_id, thread=thread, ticket_id=thread.ticket_id, text=text, direction=direction,
        created_at=NOON + timedelta(minutes=minutes), **given | more,
    )  # fmt: skip


@pytest.fixture
def talk(world, noon):
    """Four tickets: one with all that there is, one with other values, one with what is deleted or nearly so, one without."""
    every, other, poor, bare = (world.ticket(name) for name in ("every", "other", "poor", "bare"))
    by = Actor.user(world.ada.pk)
    for wanted, ticket in (
        (Wanted("Call the bank", "Soon", world.ada.pk, noon - DAY, "HIGH", "CALL"), every),
        (Wanted("Send parcel"), every),
        (Wanted("Ask again", due_at=noon + DAY, assignee_id=world.bob.pk), other),
    ):
        tasks.create("ticket", ticket.pk, wanted, by=by, at=noon - 2 * DAY)
    tasks.finish(tasks.of("ticket", every.pk)[-1].pk, True, by=by, at=noon)
    tasks.remove(tasks.create("ticket", poor.pk, Wanted("Gone"), by=by), by=by)
    notes.add("ticket", every.pk, "A VIP", by=by, at=noon)
    notes.add("ticket", other.pk, "By a machine", by=SYSTEM, at=noon - DAY)
    first, second, third = (thread_of(world, ticket) for ticket in (every, other, poor))
    say(first, "Where is my REFUND?")
    say(first, "On its way", "OUT", minutes=1, actor_id=world.ada.pk)
    say(first, "Thanks", minutes=2)
    say(first, "Between us", "NONE", minutes=3, kind="COMMENT", actor_kind="user", actor_id=world.bob.pk)
    sent = say(second, "Hello", "OUT", is_automatic=True, delivery="BOUNCED", subject="")
    files = {"account_id": world.account.pk, "message": sent, "position": 0, "content_type": "text/plain", "size": 1, "sha256": "0" * 64}  # fmt: skip
    Attachment.objects.create(**files, name="a.txt")
    say(third, "", sender_address="")
    return [one.pk for one in (every, other, poor, bare)]


OPEN = any_of("task", "hs_task_status", "NOT_STARTED")
OVERDUE = leaf("task", "hs_timestamp", Operator.MORE_THAN_AGO, Span(1, Unit.HOUR))
CASES = [
    (Associated("task", OPEN), [0, 1]),
    (Associated("task", OPEN, has=False), [2, 3]),
    (Associated("task", AllOf((OPEN, OVERDUE))), [0]),
    (Associated("task", AllOf((OPEN, OVERDUE)), has=False), [1, 2, 3]),
    (Associated("task", AllOf((any_of("task", "hs_task_status", "COMPLETED"), OVERDUE))), []),
    (Associated("task", any_of("task", "hs_task_type", "CALL")), [0]),
    (Associated("note", leaf("note", "hs_note_body", Operator.CONTAINS, "vip")), [0]),
    (Associated("note", leaf("note", "hs_created_by", Operator.UNKNOWN)), [1]),
    (Associated("message", any_of("message", "place", "FIRST")), [0, 1, 2]),
    (Associated("message", AllOf((any_of("message", "place", "FIRST"), leaf("message", "text", Operator.CONTAINS, "refund")))), [0]),
    (Associated("message", AllOf((any_of("message", "place", "LAST"), leaf("message", "text", Operator.CONTAINS, "refund")))), []),
    (Associated("message", AllOf((any_of("message", "place", "LAST_SENT"), leaf("message", "text", Operator.CONTAINS, "way")))), [0]),
    (Associated("message", any_of("message", "direction", "IN"), has=False), [1, 3]),
    (Associated("message", any_of("message", "channel", "email")), [0, 1, 2]),
    (Associated("message", any_of("message", "has_files", True)), [1]),
    (Associated("message", any_of("message", "is_failed", True)), [1]),
    (Associated("message", leaf("message", "text", Operator.UNKNOWN)), [2]),
    (Associated("message", leaf("message", "text", Operator.CONTAINS, "between us")), []),
    (Associated("comment", leaf("comment", "text", Operator.CONTAINS, "between us")), [0]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "found"), CASES)
def test_records_are_asked_what_was_done_around_them_R_TRIG_4(world, talk, noon, condition, found):
    expected = [talk[place] for place in found]

    assert in_sql(world, condition, noon) == expected
    assert in_python(talk, condition, noon) == expected
    assert from_json(to_json(condition)) == condition


PEOPLE = [0, 1]  # places of those who took part
POOLS = {
    Kind.TEXT: st.sampled_from(["refund", "CALL", "a", "x@", "On its way"]), Kind.BOOL: st.booleans(),
    Kind.DATETIME: st.sampled_from([NOON, NOON - DAY, NOON + timedelta(minutes=2), NOON.date()]), Kind.REF: st.sampled_from(PEOPLE),
}  # fmt: skip


@st.composite
def asked_of(draw, of):
    prop = draw(st.sampled_from(activities.find(of).properties))
    usable = [one for one in OPERATORS[prop.kind] if one not in (Operator.EVER, Operator.NEVER)]
    operator = draw(st.sampled_from(usable))
    pool = (
        POOLS[prop.kind] if prop.kind in POOLS else st.sampled_from([option.value for option in prop.options])
    )
    match OPERATORS[prop.kind][operator]:
        case Takes.NOTHING:
            values = []
        case Takes.SOME:
            values = draw(st.lists(pool, min_size=1, max_size=3))
        case Takes.TWO:
            values = [NOON - DAY, NOON + timedelta(minutes=1)]
        case Takes.DAY:
            values = [NOON.date()]
        case Takes.SPAN:
            values = [draw(st.builds(Span, st.integers(1, 3), st.sampled_from(Unit)))]
        case Takes.WINDOW:
            values = [draw(st.sampled_from(Window))]
        case _:
            values = [draw(pool)]
    return Filter(prop.name, prop.kind, operator, tuple(values))


def inner(of):
    return st.recursive(
        asked_of(of), lambda one: st.builds(AllOf, st.lists(one, max_size=3).map(tuple)) | st.builds(AnyOf, st.lists(one, max_size=3).map(tuple)), max_leaves=3
    )  # fmt: skip


ACTIVITY = st.sampled_from(NAMES).flatmap(lambda of: st.builds(Associated, st.just(of), inner(of), st.none(), st.booleans()))  # fmt: skip
CONDITIONS = st.recursive(
    ACTIVITY,
    lambda one: st.builds(AllOf, st.lists(one, max_size=2).map(tuple)) | st.builds(AnyOf, st.lists(one, max_size=2).map(tuple)),
    max_leaves=3,
)  # fmt: skip


def test_python_and_postgresql_agree_whatever_is_asked_of_activities_R_TRIG_4(world, talk, noon):
    users = [world.ada.pk, world.bob.pk]

    def real(condition):
        match condition:
            case Filter(name, Kind.REF, operator, values):
                return Filter(name, Kind.REF, operator, tuple(users[place] for place in values))
            case Associated(to, where, _type_id, has):
                return Associated(to, real(where), has=has)
            case AllOf(parts) | AnyOf(parts):
                return type(condition)(tuple(map(real, parts)))
        return condition

    @settings(max_examples=150, deadline=None)
    @given(CONDITIONS)
    def agree(condition) -> None:
        assert in_sql(world, real(condition), noon) == in_python(talk, real(condition), noon)

    agree()


def test_a_further_record_has_the_task_for_both_ways_of_asking_R_TRIG_4_R_WFA_8(world, talk, noon):
    """Whatever is asked of tasks, in PostgreSQL and in Python: those of two tickets are main tasks of another record."""
    person = ("contact", world.contact("bo@x.example").pk)
    bare, poor = ("ticket", talk[3]), ("ticket", talk[2])
    by = Actor.user(world.ada.pk)
    call = Wanted("Call the bank", due_at=noon - DAY, assignee_id=world.ada.pk, priority="HIGH", kind="CALL")
    tasks.create(*person, call, by=by, also=[bare, poor], at=noon - DAY)
    gone = tasks.create(*person, Wanted("Gone"), by=by, also=[("ticket", talk[1])])
    tasks.remove(gone, by=by)
    users = [world.ada.pk, world.bob.pk]

    asked = [
        (Associated("task", OPEN), [0, 1, 2, 3]), (Associated("task", AllOf((OPEN, OVERDUE))), [0, 2, 3]),
        (Associated("task", AllOf((OPEN, OVERDUE)), has=False), [1]),
        (Filter("hs_nextactivitydate", Kind.DATETIME, Operator.KNOWN), [0, 1, 2, 3]),
    ]  # fmt: skip
    for condition, found in asked:
        expected = [talk[place] for place in found]
        assert in_sql(world, condition, noon) == in_python(talk, condition, noon) == expected

    def real(condition):
        match condition:
            case Filter(name, Kind.REF, operator, values):
                return Filter(name, Kind.REF, operator, tuple(users[place] for place in values))
            case AllOf(parts) | AnyOf(parts):
                return type(condition)(tuple(map(real, parts)))
        return condition

    @settings(max_examples=100, deadline=None)
    @given(inner("task"), st.booleans())
    def agree(where, has) -> None:
        condition = Associated("task", real(where), has=has)
        assert in_sql(world, condition, noon) == in_python(talk, condition, noon)

    agree()


def test_tasks_of_linked_records_are_asked_too(world, noon):
    person = world.contact("bo@x.example")
    near, far = world.ticket("near", contact_id=person.pk), world.ticket("far")
    tasks.create("contact", person.pk, Wanted("Call"), by=SYSTEM)
    asked = Associated("contact", Associated("task", OPEN))

    assert in_sql(world, asked, noon) == in_python([near.pk, far.pk], asked, noon) == [near.pk]


def test_activities_are_read_for_all_records_at_once(world, talk, noon, django_assert_num_queries):
    """One query a sort, and one for each text that is asked for."""
    asked = AnyOf((Associated("task", leaf("task", "hs_task_type", Operator.UNKNOWN)), Associated("message", leaf("message", "text", Operator.CONTAINS, "?!"))))  # fmt: skip
    loaded = records.load("ticket", talk)

    with django_assert_num_queries(3):
        found = [holds(asked, records.LoadedFacts("ticket", row), now=noon, zone=ZONE) for row in loaded.values()]  # fmt: skip
    assert not any(found)


def test_a_text_of_what_was_put_away_since_it_was_found_is_unknown(world, talk, noon):
    loaded = records.load("ticket", talk)
    (task_id,) = [one.pk for one in tasks.of("ticket", talk[1])]
    (found,) = records.LoadedFacts("ticket", loaded[talk[1]]).associated("task", None)

    tasks.remove(task_id, by=SYSTEM)

    assert found.value("hs_task_subject") is None


# ── who notices ──────────────────────────────────────────────────────────────────────────────────────────────────────


def do_task(world, ticket):
    tasks.create("ticket", ticket.pk, Wanted("Call", due_at=NOON + DAY), by=SYSTEM)


def do_finish(world, ticket):
    tasks.finish(tasks.create("ticket", ticket.pk, Wanted("Call"), by=SYSTEM), True, by=SYSTEM)


def do_further(world, ticket):
    """A task of somebody else's is about the ticket too, from the beginning."""
    other = world.contact("other@x.example")
    tasks.create(
        "contact", other.pk, Wanted("Call", due_at=NOON + DAY), by=SYSTEM, also=[("ticket", ticket.pk)]
    )


def do_link(world, ticket):
    """And from later on."""
    other, wanted = world.contact("other@x.example"), Wanted("Call", due_at=NOON + DAY)
    task_id = tasks.create("contact", other.pk, wanted, by=SYSTEM)
    tasks.edit(task_id, wanted, by=SYSTEM, also=[("ticket", ticket.pk)])


def do_note(world, ticket):
    notes.add("ticket", ticket.pk, "A VIP", by=SYSTEM)


def do_comment(world, ticket):
    thread_of(world, ticket)
    replies.comment(ticket.pk, "Mind the VIP", by=world.ada)


NOTICED = [
    (do_task, Associated("task", OPEN)),
    (do_task, Filter("hs_nextactivitydate", Kind.DATETIME, Operator.KNOWN)),
    (do_task, AllOf((Filter("subject", Kind.TEXT, Operator.KNOWN), Associated("task", EVERYTHING)))),
    (do_further, Associated("task", OPEN)),
    (do_further, Filter("hs_nextactivitydate", Kind.DATETIME, Operator.KNOWN)),
    (do_link, Associated("task", OPEN)),
    (do_finish, Associated("task", any_of("task", "hs_task_status", "COMPLETED"))),
    (do_note, Associated("note", leaf("note", "hs_note_body", Operator.CONTAINS, "vip"))),
    (do_comment, Associated("comment", leaf("comment", "text", Operator.CONTAINS, "vip"))),
]  # fmt: skip


@pytest.mark.parametrize(("do", "condition"), NOTICED)
def test_a_trigger_notices_at_once_what_is_done_around_a_record_R_TRIG_4(world, office, do, condition):  # noqa: F811
    ticket = world.ticket()
    world.ticket("another")
    office.rest()
    flow = office.flow(WhenTrue(condition))
    office.rest()
    assert office.inside(flow) == []

    do(world, ticket)
    office.rest()

    assert office.inside(flow) == [ticket.pk]


def test_finishing_the_last_open_task_is_noticed_too_R_TRIG_4(world, office):  # noqa: F811
    ticket = world.ticket()
    task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=SYSTEM)
    office.rest()
    flow = office.flow(WhenTrue(Associated("task", OPEN, has=False)))
    office.rest()

    tasks.finish(task_id, True, by=SYSTEM)
    office.rest()

    assert office.inside(flow) == [ticket.pk]


def test_a_record_that_its_task_is_taken_from_is_noticed_R_TRIG_4_R_WFA_8(world, office):  # noqa: F811
    ticket, person = world.ticket(), world.contact("bo@x.example")
    also = [("ticket", ticket.pk)]
    task_id = tasks.create("contact", person.pk, Wanted("Call"), by=SYSTEM, also=also)
    office.rest()
    flow = office.flow(WhenTrue(Associated("task", OPEN, has=False)))
    office.rest()
    assert office.inside(flow) == []

    tasks.edit(task_id, Wanted("Call"), by=SYSTEM, also=[])
    office.rest()

    assert office.inside(flow) == [ticket.pk]


def test_an_event_of_a_task_is_one_of_each_of_its_records_R_TRIG_18_R_WFA_8(world, office):  # noqa: F811
    """Two tickets enter by one task, and a contact's workflow too."""
    one, two, person = world.ticket(), world.ticket(), world.contact("bo@x.example")
    made = (EventMatch("task.created"),)
    flow, of_people = office.flow(WhenEvent(made)), office.flow(WhenEvent(made), object_type="contact")
    office.rest()

    tasks.create(
        "ticket", one.pk, Wanted("Call"), by=SYSTEM, also=[("ticket", two.pk), ("contact", person.pk)]
    )
    office.rest()

    assert (office.inside(flow), office.inside(of_people)) == ([one.pk, two.pk], [person.pk])


def test_a_goal_that_looks_at_tasks_is_met_at_once_R_UN_5_R_WFA_8(world, office):  # noqa: F811
    ticket, person = world.ticket(), world.contact("bo@x.example")
    done = Associated("task", any_of("task", "hs_task_status", "COMPLETED"))
    waits = (
        Delay("1", ForAmount(timedelta(days=9)), Edge("2")),
        Action("2", "create_note", {"text": "Late"}),
    )
    office.flow(WhenEvent((EventMatch("task.created"),)), leaving=Leaving(goal=done), steps=waits)
    office.rest()
    task_id = tasks.create("contact", person.pk, Wanted("Call"), by=SYSTEM, also=[("ticket", ticket.pk)])
    office.rest()
    run = Enrollment.objects.get()
    assert (run.record_id, run.end_reason) == (ticket.pk, "")

    tasks.finish(task_id, True, by=SYSTEM)
    office.rest()

    run.refresh_from_db()
    assert run.end_reason == "goal"


@pytest.mark.parametrize(("do", "condition"), NOTICED)
def test_a_segment_notices_at_once_what_is_done_around_a_record_R_TRIG_4(world, noon, do, condition):
    ticket = world.ticket()
    pk = segments.create("ticket", "x", SegmentKind.FILTER, condition, by=SYSTEM).pk
    told()
    assert inside(pk) == []

    do(world, ticket)
    told()

    assert inside(pk) == [ticket.pk]


@pytest.mark.parametrize(
    "where",
    [Associated("contact", Filter("firstname", Kind.TEXT, Operator.KNOWN)), MemberOf("segment", (1,))],
)
def test_of_an_activity_only_what_it_says_itself_is_asked_R_TRIG_4(world, where):
    with pytest.raises(Invalid):
        in_sql(world, Associated("task", where), NOON)


DONE = any_of("task", "hs_task_status", "COMPLETED")


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize(
    ("of", "leaving", "reason"),
    [
        ("ticket", Leaving(goal=Associated("task", DONE)), "goal"),
        ("ticket", Leaving(condition=Associated("task", OPEN, has=False)), "unenrolled"),
        ("contact", Leaving(goal=Associated("contact", Associated("task", DONE))), "goal"),
    ],
)
def test_a_run_leaves_at_once_by_a_task_of_its_record_or_of_a_linked_one_R_UN_5(world, of, leaving, reason):
    person = world.contact("bo@x.example")
    ticket = world.ticket(contact_id=person.pk)
    about = person.pk if of == "contact" else ticket.pk
    task_id = tasks.create(of, about, Wanted("Call"), by=SYSTEM)
    run = enroll(make(world, Delay("1", ForAmount(DAY), Edge("2")), task(2), leaving=leaving), ticket.pk)
    go()
    assert Enrollment.objects.get(pk=run.pk).state == "DUE"

    tasks.finish(task_id, True, by=SYSTEM)
    go()

    assert Enrollment.objects.get(pk=run.pk).end_reason == reason
