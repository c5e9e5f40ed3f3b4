"""What holds for every action, and what those on records do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership
from deskhand.automation import integrations, kinds, secrets, templates, tokens, uses, workflows
from deskhand.automation.actions import choices, others, reading
from deskhand.automation.actions.forms import Around, Input, Setting
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Action, in_words
from deskhand.automation.engine.definition import Action as Step
from deskhand.automation.engine.definition import Definition, Edge
from deskhand.automation.models import StepStatus
from deskhand.automation.tests.doing import do, doings
from deskhand.automation.tests.doings import doing_of
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.records import associations, companies, labeling, objects, task_queues, tasks, tickets
from deskhand.crm.records.associations import Why
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.records.models import Company, Contact, Deal, PropertyChange, Task, Ticket
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.schema import association_labels, object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.delivery.models import OutboxEntry
from deskhand.desk.models import Message
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, settle
from deskhand.kernel.errors import Invalid
from deskhand.notifications import wishes
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways
from deskhand.routing import assign, availability, capacity, explain, queries, replaying
from deskhand.routing.models import Decision
from deskhand.routing.types import Drop, Status, Strategy

DONE, SKIPPED, FAILED = StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED


def settings_of(kind, world):
    """Whole settings of an action on tickets."""
    return {
        "create_task": {"title": "Call {{ contact.first_name }}", "due": "day", "due_days": 2, "due_time": "10:30", "assignee": "owner"},
        "set_property": {"property": "hs_ticket_priority", "how": "set", "value": "HIGH", "on": "record"},
        "create_note": {"text": "Look at {{ ticket.subject }}"},
        "create_record": {"record_type": "ticket", "value_subject": "Again: {{ ticket.subject }}", "owner": "nobody", "also": [], "link": True},
        "rotate_owner": {"users": [world.grace.pk], "teams": [], "strategy": "ROUND_ROBIN", "property": "hubspot_owner_id", "overwrite": True},
        "create_association": {"to": "company", "by": "name", "value": "Fjällbo"},
        "remove_association": {"to": "company"},
        "update_association_labels": {"to": "company", "how": "add", "labels": [str(_vip(world, "company"))]},
        "remove_association_labels": {"to": "company", "what": "these", "labels": [str(_vip(world, "company"))]},
        "format_data": {"function": "upper", "value": "{{ ticket.subject }}"},
        "delete_contact": {},
    }[kind]  # fmt: skip


def _vip(world, to):
    """The number of a label of links from tickets."""
    known = association_labels.own_of("ticket", to)
    return (
        known[0] if known else association_labels.create("ticket", to, "VIP", "Is VIP of", by=SYSTEM)
    ).type_id


ON_RECORDS = (
    "create_task", "set_property", "create_note", "create_record", "rotate_owner", "create_association", "remove_association",
    "update_association_labels", "remove_association_labels", "format_data", "delete_contact",
)  # fmt: skip


# ── every action ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ACTIONS)
def test_every_action_has_a_look_and_fields_with_names(world, kind):
    templates.ensure_defaults(world.account.pk)
    action = ACTIONS[kind]
    object_type = next(iter(action.object_types or ["ticket"]))
    form = reading.form_of(action, reading.around(object_type), {})

    assert action.kind == kind
    assert all(str(text) for text in (action.label, action.about, action.icon, action.tone))
    assert all(one.label or one.input is Input.HIDDEN for one in form)
    assert len({one.name for one in form}) == len(form)
    assert not {one.name for one in form} & {"kind", "after", "revision", "redraw", "url"} - {"url"}
    for one in form:
        if one.only_if:
            assert one.only_if[0] in {other.name for other in form}


@pytest.mark.parametrize("kind", [kind for kind in ON_RECORDS if kind != "delete_contact"])
def test_settings_come_back_from_their_own_form(world, kind):
    action, around = ACTIONS[kind], reading.around("ticket")
    given = settings_of(kind, world) | {"object_type": "ticket"}

    typed = reading.settings_typed(action, around, given)
    read = reading.read(reading.form_of(action, around, typed), typed)

    assert {name: read[name] for name in given if name in read} == {
        n: v for n, v in given.items() if n in read
    }
    assert action.problems(read) == []
    assert action.summary(read)
    assert set(given) - {"object_type"} <= set(read)


@pytest.mark.parametrize("kind", [kind for kind in ACTIONS if kind != "delete_contact"])
def test_empty_settings_are_a_problem(world, kind):
    assert ACTIONS[kind].problems({})


@pytest.mark.parametrize("kind", ON_RECORDS)
def test_a_rehearsal_tells_what_would_happen_and_writes_nothing(world, kind):
    contact = world.contact()
    Company.objects.create(account_id=world.account.pk, name="Fjällbo", sort_key="fjallbo", created_at=clock.now(), updated_at=clock.now(), created_by_kind="system")  # fmt: skip
    ticket = world.ticket(contact_id=contact.pk, channel_account_id=world.channel.pk)
    object_type, pk = ("contact", contact.pk) if kind == "delete_contact" else ("ticket", ticket.pk)
    settings = settings_of(kind, world)
    before = counted()
    version = Ticket.objects.get(pk=ticket.pk).version

    batch = doings(world.account.pk, kind, settings, [pk], object_type)
    rehearsed = ACTIONS[kind].rehearse(batch)

    assert counted() == before
    assert Ticket.objects.get(pk=ticket.pk).version == version
    ran = ACTIONS[kind].run(batch)
    assert [(one.status, one.message) for one in ran] == [(one.status, one.message) for one in rehearsed]


def counted():
    return {model._meta.label: model.objects.count() for model in apps.get_models()}


@pytest.mark.parametrize("kind", [k for k in ON_RECORDS if k not in ("delete_contact", "format_data")])
def test_an_action_asks_as_often_for_many_as_for_few(world, kind):
    contact = world.contact()
    few = [
        world.ticket(f"A{n}", contact_id=contact.pk, channel_account_id=world.channel.pk).pk for n in range(2)
    ]
    many = [
        world.ticket(f"B{n}", contact_id=contact.pk, channel_account_id=world.channel.pk).pk for n in range(9)
    ]
    if kind == "create_note":  # conversations that there are
        do(world.account.pk, kind, settings_of(kind, world), few + many, first=100)
    asked = []
    for ids, first in ((few[:1], 1), (few, 20), (many, 40)):
        batch = doings(world.account.pk, kind, settings_of(kind, world), ids, first=first)
        with CaptureQueriesContext(connection) as queries_:
            ACTIONS[kind].run(batch)
        asked.append(len(queries_))

    assert asked[2] <= asked[1]


# ── reading forms ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_field_refuses_what_it_can_not_be_and_names_itself(world):
    refused = [
        (Setting("a", "A", Input.NUMBER, at_least=2), ["1"]), (Setting("a", "A", Input.NUMBER), ["x"]),
        (Setting("a", "A", Input.CHOICE), ["gone"]), (Setting("a", "A", Input.USERS), [str(10**9)]),
        (Setting("a", "A", required=True), [" "]), (Setting("a", "A", takes_tokens=True), ["{{ ticket."]),
        (Setting("a", "A", Input.TIME), ["25:00"]), (Setting("a", "A", at_most=3), ["long"]), (Setting("a", "A", Input.CONDITION), ["{"]),
    ]  # fmt: skip
    for setting, typed in refused:
        with pytest.raises(Invalid) as refusal:
            reading.read([setting], {"a": typed})
        assert refusal.value.field == "a"


def test_spans_and_pairs_are_typed_in_parts():
    form = (Setting("wait", "Wait", Input.SPAN), Setting("sent", "Sent", Input.PAIRS))
    typed = {
        "wait_days": ["1"],
        "wait_minutes": ["5"],
        "sent_name": ["a", "", "b"],
        "sent_value": ["1", "", "2"],
    }

    settings = reading.read(form, typed)

    assert settings == {"wait": 1445, "sent": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}
    again = reading.typed_of(form, settings)
    assert (again["wait_days"], again["wait_hours"], again["sent_value"]) == (["1"], [], ["1", "2"])


def test_what_is_not_asked_for_is_not_kept():
    form = (
        Setting("how", "How", default="a"),
        Setting("more", "More", required=True, only_if=("how", ("b",))),
    )

    assert reading.read(form, {"how": ["a"], "more": ["x"]}) == {"how": "a"}
    with pytest.raises(Invalid):
        reading.read(form, {"how": ["b"]})


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_name_the_record_who_is_around_it_and_earlier_steps_R_MAIL_11(world):
    contact = world.contact()
    properties.create("contact", "club", "Club", Kind.TEXT)
    tickets_ = world.ticket(contact_id=contact.pk, priority="HIGH", owner_id=world.grace.pk)
    do(
        world.account.pk,
        "set_property",
        {"on": "contact", "property": "club", "value": "Rowing"},
        [tickets_.pk],
    )
    text = (
        "{{ ticket.priority }}/{{ ticket.status }}/{{ contact.first_name }}/{{ contact.club }}/{{ owner.name }}/{{ step_2.task_id }}"
        "/{{ company.name | default: 'nobody' }}/{{ ticket.nonsense }}{{ nonsense.at_all }}/{{ ticket.hubspot_owner_id }}"
    )

    [one] = doings(
        world.account.pk, "create_note", {"text": text}, [tickets_.pk], outputs={"2": {"task_id": 12}}
    )

    assert one.fill(text) == f"High/New/Astrid/Rowing/{world.grace.name}/12/nobody//{world.grace.name}"
    assert {"contact.club", "ticket.hs_resolution", "company.domain"} <= set(tokens.offered("ticket"))


def test_tokens_of_other_kinds_of_records(world):
    contact = world.contact()
    deal = objects.create("deal", {"dealname": "Boat", "amount": 5}, by=SYSTEM).id
    associations.connect("deal", deal, "contact", contact.pk, by=SYSTEM)

    [one] = doings(world.account.pk, "format_data", {"value": "{{ x }}"}, [deal], "deal")

    assert (
        one.fill("{{ deal.name }} {{ deal.amount }} {{ contact.email }} {{ record.dealname }}")
        == "Boat 5 astrid@fjallbo.example Boat"
    )
    assert "deal.amount" in tokens.offered("deal")


@pytest.fixture
def closed(world, noon):
    """A ticket that was new for two hours and was closed then, with a number and a text to copy to."""
    properties.create("ticket", "took", "Took", Kind.NUMBER)
    properties.create("ticket", "said", "Said", Kind.TEXT)
    properties.create("ticket", "since", "Since", Kind.DATETIME)
    ticket = world.ticket()
    with clock.stopped(noon + timedelta(hours=2)):
        tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    return ticket


def test_times_by_status_and_durations_can_be_named_in_texts_R_PROP_3_R_PROP_5(world, closed):
    new = world.stage("New")
    text = f"{{{{ ticket.time_to_close }}}}/{{{{ ticket.hs_v2_latest_time_in_{new} }}}}/{{{{ ticket.hs_v2_date_exited_{new} }}}}"
    text += f"/{{{{ ticket.hs_time_in_{world.stage('Waiting on us')} }}}}"

    [one] = doings(world.account.pk, "create_note", {"text": text}, [closed.pk])

    assert one.fill(text) == "2 hours/2 hours/16 Nov 2026, 14:00/"
    assert {"ticket.time_to_close", f"ticket.hs_v2_date_exited_{new}"} <= set(tokens.offered("ticket"))


@pytest.mark.parametrize(
    ("source", "target", "value"),
    [
        ("time_to_close", "took", 7_200_000), ("hs_v2_cumulative_time_in_{new}", "took", 7_200_000),
        ("hs_time_in_{new}", "said", "2 hours"), ("hs_v2_date_exited_{new}", "since", "2026-11-16T14:00:00+00:00"),
    ],
)  # fmt: skip
def test_times_by_status_and_durations_can_be_copied_R_PROP_3_R_PROP_5(world, closed, source, target, value):
    source = source.format(new=world.stage("New"))
    offered = {prop.name for prop in choices.readable("ticket")}

    [done] = do(
        world.account.pk, "set_property", {"property": target, "how": "copy", "from": f"ticket.{source}"}, [closed.pk]
    )  # fmt: skip

    assert done.status is DONE, done.message
    assert Ticket.objects.get(pk=closed.pk).properties[target] == value
    assert source.startswith("hs_time_in") or source in offered


# ── set property ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def deal(world):
    properties.create(
        "deal",
        "colours",
        "Colors",
        Kind.MULTI,
        options=[{"value": one, "label": one} for one in ("red", "blue")],
    )
    return objects.create("deal", {"dealname": "Boat", "amount": 5, "colours": ["red"]}, by=SYSTEM).id


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"property": "amount", "how": "increase", "value": 2}, "amount", 7),
        ({"property": "amount", "how": "decrease", "value": 6}, "amount", -1),
        ({"property": "amount", "how": "clear"}, "amount", None),
        ({"property": "colours", "how": "append", "value": ["blue", "red"]}, "colours", ["red", "blue"]),
        ({"property": "colours", "how": "remove", "value": ["red"]}, "colours", None),
        ({"property": "description", "how": "copy", "from": "deal.amount"}, "description", "5"),
        ({"property": "description", "value": "{{ deal.name }}s"}, "description", "Boats"),
        ({"property": "amount", "how": "copy", "from": "step_1.result"}, "amount", 12),
    ],
)  # fmt: skip
def test_a_property_is_set_counted_copied_and_cleared(world, deal, settings, name, value):
    [done] = do(world.account.pk, "set_property", settings, [deal], "deal", outputs={"1": {"result": "12"}})

    assert done.status is DONE, done.message
    assert Deal.objects.get(pk=deal).properties.get(name) in (value, value or [])


def test_only_clear_it_empties_a_property_and_not_a_field_left_out(world):
    properties.create("ticket", "areas", "Areas", Kind.MULTI, options=[{"value": "north", "label": "North"}])
    action, around = ACTIONS["set_property"], reading.around("ticket")
    for name in ("areas", "hs_assigned_team_ids", "content"):
        typed = {"property": [name], "how": ["set"], "value": [""]}
        with pytest.raises(Invalid, match="missing") as refusal:
            reading.read(reading.form_of(action, around, typed), typed)
        assert refusal.value.field == "value"
        kept = {"object_type": "ticket", "property": name, "how": "set"}
        assert [field for field, _said in action.problems(kept)] == ["value"]
        assert action.problems(kept | {"how": "clear"}) == []


def test_a_date_is_set_to_when_the_step_runs(world, deal):
    now = datetime(2026, 11, 16, 12, tzinfo=UTC)
    settings = {"property": "closedate", "how": "now", "span": 1440, "direction": "after"}

    do(world.account.pk, "set_property", settings, [deal], "deal", now=now)

    assert Deal.objects.get(pk=deal).properties["closedate"].startswith("2026-11-17T12:00")


def test_linked_records_are_set_all_or_the_first_and_two_counts_add_up(world):
    one, other = world.contact(), world.contact("b@x.example", "Bo")
    properties.create("contact", "visits", "Visits", Kind.NUMBER)
    first, second = world.ticket("A", contact_id=one.pk), world.ticket("B", contact_id=one.pk)
    associations.connect("ticket", first.pk, "contact", other.pk, by=SYSTEM)
    count = {"on": "contact", "property": "visits", "how": "increase", "value": 1}

    do(world.account.pk, "set_property", count | {"which": "all"}, [first.pk, second.pk])
    do(world.account.pk, "set_property", count | {"which": "first"}, [first.pk])

    visits = {row.pk: row.properties.get("visits") for row in Contact.objects.all()}
    assert visits == {one.pk: 3, other.pk: 1}
    [nothing] = do(world.account.pk, "set_property", count | {"on": "deal", "property": "amount"}, [first.pk])
    assert nothing.status is SKIPPED


def test_a_status_of_another_pipeline_takes_the_ticket_there_in_one_write_R_PIPE_11(world):
    made = pipelines.create(
        world.account.pk, "ticket", "Claims", [NewStage("Claimed", OPEN), NewStage("Paid", CLOSED)], by=SYSTEM
    )
    stage = made.stages.get(label="Claimed").pk
    ticket = world.ticket()

    do(world.account.pk, "set_property", {"property": "hs_pipeline_stage", "value": stage}, [ticket.pk])

    ticket.refresh_from_db()
    assert (ticket.pipeline_id, ticket.stage_id) == (made.pk, stage)
    assert EventRow.objects.filter(kind="ticket.moved", object_id=ticket.pk).count() == 1


def test_somebody_without_a_seat_gets_nothing_R_WFA_9(world):
    ticket = world.ticket()

    [done] = do(
        world.account.pk,
        "set_property",
        {"property": "hubspot_owner_id", "value": world.nils.pk},
        [ticket.pk],
    )

    assert done.status is FAILED
    assert Ticket.objects.get(pk=ticket.pk).owner_id is None


def test_a_copy_offers_only_what_fits(world):
    form = reading.form_of(
        ACTIONS["set_property"], reading.around("deal"), {"property": ["amount"], "how": ["copy"]}
    )

    offered = {option.value for one in form if one.name == "from" for option in one.options}

    assert "contact.firstname" in offered  # a text that may be a number
    assert not offered & {"deal.amount", "deal.dealtype", "deal.closedate"}


# ── create task, note, record ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("left", ["deactivated", "without a seat"])
def test_a_task_is_not_given_to_who_left_R_WFA_7(world, left):
    """Chosen by name it fails; an owner who left is left out. A task needs no seat, as by hand."""
    gone = {"is_active": False} if left == "deactivated" else {"has_seat": False}
    ticket = world.ticket(owner_id=world.grace.pk)
    Membership.objects.filter(user=world.grace).update(**gone)
    asked = [doing_of(world, ticket, {"title": "Call", "assignee": to}, step_id=f"{n}")
             for n, to in enumerate((str(world.grace.pk), "owner", str(world.ada.pk), "contact_owner", "x"))]  # fmt: skip

    said = [one.status for one in ACTIONS["create_task"].run(asked)]

    named = [StepStatus.FAILED, None] if left == "deactivated" else [StepStatus.SUCCEEDED, world.grace.pk]
    assert said == [named[0], *[StepStatus.SUCCEEDED] * 3, StepStatus.FAILED]
    given = list(Task.objects.order_by("id").values_list("assignee_id", flat=True))
    assert given == [*([] if left == "deactivated" else [world.grace.pk]), named[1], world.ada.pk, None]


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"due_in_minutes": 90}, datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ({"due": "day", "due_days": 1, "due_time": "08:15"}, datetime(2026, 11, 21, 8, 15, tzinfo=UTC)),
        ({"due": "day", "due_days": 1, "due_time": "08:15", "due_working": True}, datetime(2026, 11, 23, 8, 15, tzinfo=UTC)),
        ({"due": "never", "due_in_minutes": 90}, None),
    ],
)  # fmt: skip
def test_a_task_is_due_as_it_says_and_tells_its_id_R_WFA_8(world, settings, due):
    world.account.zone = "UTC"
    world.account.save()
    ticket = world.ticket(owner_id=world.grace.pk)
    given = {"title": "Call", "task_type": "CALL", "priority": "HIGH", "assignee": "owner", **settings}

    [done] = do(
        world.account.pk, "create_task", given, [ticket.pk], now=datetime(2026, 11, 20, 12, tzinfo=UTC)
    )

    task = Task.objects.get()
    assert (task.due_at, task.kind, task.priority, task.assignee_id) == (due, "CALL", "HIGH", world.grace.pk)
    assert done.outputs == {"task_id": task.pk}


#: Noon in Copenhagen on the days before the clocks change, and what is said.
ACROSS = [
    (datetime(2026, 3, 28, 11, tzinfo=UTC), {"due_in_minutes": 1440}, "2026-03-29 12:00"),
    (datetime(2026, 3, 28, 11, tzinfo=UTC), {"due_in_minutes": 1440 + 90}, "2026-03-29 13:30"),
    (datetime(2026, 3, 28, 11, tzinfo=UTC), {"due_in_minutes": 1439}, "2026-03-29 12:59"),
    (datetime(2026, 3, 28, 11, tzinfo=UTC), {"due": "day", "due_days": 1, "due_time": "09:00"}, "2026-03-29 09:00"),
    (datetime(2026, 3, 28, 11, tzinfo=UTC), {"due": "day", "due_days": 1, "due_time": "02:30"}, "2026-03-29 03:00"),
    (datetime(2026, 10, 24, 10, tzinfo=UTC), {"due_in_minutes": 2 * 1440}, "2026-10-26 12:00"),
    (datetime(2026, 10, 24, 10, tzinfo=UTC), {"due": "day", "due_days": 1, "due_time": "09:00"}, "2026-10-25 09:00"),
    (datetime(2026, 10, 25, 1, 10, tzinfo=UTC), {"due": "day", "due_days": 0, "due_time": "02:30"}, "2026-10-25 02:30"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "settings", "due"), ACROSS)
def test_days_are_those_of_the_calendar_when_the_clocks_change_R_WFA_8(world, now, settings, due):
    """The time of day stays; hours pass as they pass; a time that is left out is the moment of the jump, and one that comes
    twice is the first."""
    zone = ZoneInfo("Europe/Copenhagen")
    world.account.zone = zone.key
    world.account.save()

    do(world.account.pk, "create_task", {"title": "Call", **settings}, [world.ticket().pk], now=now)

    found = Task.objects.get().due_at.astimezone(zone)
    assert (f"{found:%Y-%m-%d %H:%M}", found.fold) == (due, 0)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"due": "in", "due_in_minutes": 120, "due_time": "09:00"}, "due_time"),
        ({"due_in_minutes": 120, "due_days": 1}, "due_days"),
        ({"due": "day", "due_days": 1, "due_in_minutes": 60}, "due_in_minutes"),
        ({"due": "day", "due_days": 1, "due_time": "25:00"}, "due_time"),
        ({"due": "day", "due_days": 4000, "due_time": "09:00"}, "due_days"),
        ({"due": "never", "due_working": True}, "due_working"),
        ({"due": "soon"}, "due"),
    ],
)
def test_a_time_of_day_goes_with_days_alone_R_WFA_8(world, settings, field):
    found = ACTIONS["create_task"].problems({"title": "Call", "object_type": "ticket", **settings})

    assert [name for name, _why in found] == [field]


def test_a_task_is_about_what_is_linked_too_by_kind_and_label_R_WFA_8(world, noon):
    """All of a kind, those with a label, or the first; each once, and none of what is not linked."""
    role = association_labels.create("ticket", "contact", "Witness", by=SYSTEM)
    astrid, bo, cleo = (world.contact(f"{name}@x.example") for name in ("astrid", "bo", "cleo"))
    firm = companies.create("Fjällbo AB", by=SYSTEM)
    ticket, bare = world.ticket(contact_id=astrid.pk), world.ticket()
    of = ("ticket", ticket.pk)
    associations.link_many(
        [(*of, "contact", astrid.pk), (*of, "contact", bo.pk), (*of, "company", firm.pk)], noon
    )
    labeling.connect_many({(*of, "contact", cleo.pk): Why()}, [role.type_id], by=SYSTEM)
    people = [("contact", one.pk) for one in (astrid, bo, cleo)]
    labeled, company = f"contact:{role.type_id}", ("company", firm.pk)

    def about(associate, **more) -> list[list[tuple[str, int]]]:
        settings = {"title": "Call", "associate": associate, **more}
        first = Task.objects.count() * 10 + 1
        done = do(world.account.pk, "create_task", settings, [ticket.pk, bare.pk], first=first)
        found = tasks.records_of([one.outputs["task_id"] for one in done])
        return [records[1:] for records in found.values()]

    assert about([]) == [[], []]
    assert about(["contact"]) == [people, []]
    assert about([labeled, "company"]) == [[people[2], company], []]
    assert about(["contact", labeled, "company"]) == [[*people, company], []]
    assert about(["contact", "company"], which="first") == [[people[0], company], []]
    assert about([labeled], which="first") == [[people[2]], []]
    assert [task.title for task in tasks.of(*people[2])] == ["Call"] * 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"due": "in", "due_in_minutes": 1530, "assignee": "contact_owner"}, "for the contact’s owner, due after 1 day 1 hour 30 minutes"),
        ({"due": "day", "due_days": 0, "due_time": "10:30"}, "for the record’s owner, due the same day at 10:30"),
        ({"due": "day", "due_days": 1}, "for the record’s owner, due a day later at 09:00"),
        ({"due": "day", "due_days": 2, "due_working": True}, "for the record’s owner, due 2 working days later at 09:00"),
        ({"due": "never", "assignee": "grace"}, "for Grace Hopper"),
        ({"assignee": "nobody"}, "for nobody yet"),
        ({"assignee": "nobody", "queue": "calls"}, "for the queue Calls"),
    ],
)  # fmt: skip
def test_a_task_says_in_one_sentence_for_whom_and_when_R_WFA_8(world, settings, said):
    queue = task_queues.create(NewQueue("Calls"), by=SYSTEM).pk if "queue" in settings else ""
    named = {"grace": str(world.grace.pk)}
    given = settings | ({"queue": str(queue)} if queue else {})
    if "assignee" in given:
        given["assignee"] = named.get(given["assignee"], given["assignee"])

    summary = ACTIONS["create_task"].summary({"title": "Call {{ contact.first_name }}", **given})

    assert summary == f"Call {{{{ contact.first_name }}}} – {said}"


def test_the_form_of_a_task_offers_what_is_linked_and_names_what_is_gone_R_WFA_8_R_EDIT_9(world):
    role = association_labels.create("ticket", "contact", "Witness", by=SYSTEM)
    action, around = ACTIONS["create_task"], Around(world.account.pk, "ticket")
    chosen = [f"contact:{role.type_id}", "company"]
    settings = {"title": "Call", "associate": chosen, "object_type": "ticket"}

    fields = {setting.name: setting for setting in action.form(around, settings)}
    offered = {option.value: option.label for option in fields["associate"].options}
    assert offered["contact"] == "Linked: Contact"
    assert offered[chosen[0]] == "Linked: Contact (Witness)"
    assert "which" in fields
    assert action.problems(settings) == []
    assert (
        action.summary(settings) == "Call – for the record’s owner – also about: Contact (Witness), Company"
    )
    assert action.summary({"title": "Call"}) == "Call – for the record’s owner"
    assert list(uses.labels(world.account.pk, [role.type_id])) == []

    step = Step("1", "create_task", {"title": "Call", "associate": chosen})
    flow = workflows.create(world.account.pk, "Ask", Definition("ticket", start=Edge("1"), steps=(step,), next_id=2))  # fmt: skip
    assert [use.id for use in uses.labels(world.account.pk, [role.type_id])[role.type_id]] == [flow.pk]
    [(field, why)] = action.problems({**settings, "associate": ["contact:999999"]})
    assert (field, "contact:999999" in why) == ("associate", True)


def test_tasks_about_what_is_linked_ask_the_database_no_oftener_for_many_R_WFA_8(world, noon):
    def made(count: int) -> int:
        ids = [world.ticket().pk for _n in range(count)]
        people = [world.contact(f"{pk}@x.example").pk for pk in ids]
        pairs = zip(ids, people, strict=True)
        associations.link_many([("ticket", pk, "contact", person) for pk, person in pairs], noon)
        batch = doings(world.account.pk, "create_task", {"title": "Call", "associate": ["contact", "company"]}, ids, first=ids[0])  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            ACTIONS["create_task"].run(batch)
        return len(queries)

    made(1)
    assert made(1) == made(20)


def test_a_task_goes_to_a_queue_where_it_needs_no_owner_R_WFA_8(world):
    queue = task_queues.create(NewQueue("Calls"), by=SYSTEM).pk
    settings = {"title": "Call", "assignee": "nobody", "queue": str(queue)}
    tickets_of = [world.ticket().pk for _n in range(2)]

    made = do(world.account.pk, "create_task", settings, tickets_of)
    problems = ACTIONS["create_task"].problems(settings)
    task_queues.delete(queue, by=SYSTEM)
    late = do(world.account.pk, "create_task", settings, [world.ticket().pk])

    assert [one.status for one in made] == [DONE] * 2
    assert set(Task.objects.values_list("record_id", "assignee_id")) == {(pk, None) for pk in tickets_of}
    assert problems == []
    why = "“Task queue” names “Calls”, which is not there any more. Choose another one."
    assert [(one.status, one.message) for one in late] == [(FAILED, why)]


def test_many_tasks_for_a_deleted_queue_ask_no_oftener_than_one_R_WFA_8(world):
    queue = task_queues.create(NewQueue("Calls"), by=SYSTEM).pk
    task_queues.delete(queue, by=SYSTEM)

    def asked(count: int) -> int:
        ids = [world.ticket().pk for _n in range(count)]
        batch = doings(world.account.pk, "create_task", {"title": "Call", "queue": str(queue)}, ids)
        with CaptureQueriesContext(connection) as queries:
            assert {one.status for one in ACTIONS["create_task"].run(batch)} == {FAILED}
        return len(queries)

    asked(1)
    assert asked(8) == asked(1)


def test_a_step_whose_queue_was_deleted_says_so_R_WFA_8(world):
    settings = {"title": "Call", "queue": "987654"}

    why = "“Task queue” names “987654”, which is not there any more. Choose another one."
    assert ACTIONS["create_task"].problems(settings) == [("queue", why)]


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        ({"due_in_minutes": 90, "remind": "30min"}, datetime(2026, 11, 20, 13, tzinfo=UTC)),
        ({"due": "day", "due_days": 3, "due_time": "08:15", "remind": "1440min"}, datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        ({"due": "never", "remind": "after", "remind_in_minutes": 60}, datetime(2026, 11, 20, 13, tzinfo=UTC)),
        ({"due": "never", "remind": "0min"}, None),  # nothing to count from
        ({"due_in_minutes": 90}, None),
    ],
)  # fmt: skip
def test_a_task_reminds_as_it_says_R_WFA_8(world, settings, at):
    world.account.zone = "UTC"
    world.account.save()
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    do(
        world.account.pk,
        "create_task",
        {"title": "Call", "assignee": "owner", **settings},
        [world.ticket().pk],
        now=now,
    )

    task = Task.objects.get()
    assert task.remind_at == at
    found = sql.rows("select key, due_at from kernel_timer where kind = %s", [tasks.REMINDER])
    assert found == ([(str(task.pk), at)] if at else [])


def test_a_reminder_before_the_due_date_is_offered_where_there_is_one_R_WFA_8(world):
    action, around = ACTIONS["create_task"], reading.around("ticket")

    def offered(**settings):
        return {one.name: [option.value for option in one.options] for one in action.form(around, settings)}

    assert offered()["remind"] == ["", "0min", "30min", "60min", "1440min", "10080min", "after"]
    assert offered(due="never")["remind"] == ["", "after"]
    assert "remind_in_minutes" in offered(remind="after")
    assert "remind_in_minutes" not in offered()


def test_a_note_stands_in_the_conversation_and_says_who_wrote_it(world):
    ticket = world.ticket(channel_account_id=world.channel.pk)
    made = workflows.create(world.account.pk, "Tell the shop", Definition("ticket"))
    [one] = doings(world.account.pk, "create_note", {"text": "Look: {{ ticket.subject }}"}, [ticket.pk])

    ACTIONS["create_note"].run([one._replace(workflow_id=made.pk)])

    note = Message.objects.get(ticket_id=ticket.pk)
    assert (note.kind, note.direction, note.text) == ("COMMENT", "NONE", "Look: Refund still missing")
    assert (note.actor_kind, note.actor_id, note.cause["workflow_id"]) == ("workflow", made.pk, made.pk)
    assert note.sender_name == "Tell the shop"  # or people would read “Unknown sender”


def test_notes_about_other_records_are_written_in_a_set(world):
    """R-OBJ-8; one that can't be written fails alone."""
    deals = [objects.create("deal", {"dealname": f"D{n}"}, by=SYSTEM).id for n in range(12)]
    settings = {"text": "Look: {{ deal.name }}"}

    def asked(ids, first):
        batch = doings(world.account.pk, "create_note", settings, ids, "deal", first=first)
        with CaptureQueriesContext(connection) as found:
            done = ACTIONS["create_note"].run(batch)
        assert {(one.status, one.message) for one in done} == {(DONE, "Added a note")}
        return len(found)

    assert asked(deals[:2], 1) == asked(deals[2:], 20)
    texts = ("{{ deal.amount }}", "x" * 10_001, "Fine")
    mixed = [
        one._replace(settings={"text": text})
        for one, text in zip(
            doings(world.account.pk, "create_note", settings, deals[:3], "deal", first=50), texts, strict=True
        )
    ]
    done = ACTIONS["create_note"].run(mixed)
    assert [one.status for one in done] == [SKIPPED, FAILED, DONE]
    kept = PropertyChange.objects.filter(object_type="deal", property="@note").order_by("id")
    assert [one.new["text"] for one in kept] == [*(f"Look: D{n}" for n in range(12)), "Fine"]
    assert {(one.kind, one.actor_kind, one.actor_id, one.depth) for one in EventRow.objects.filter(kind="deal.noted")} == {
        ("deal.noted", "workflow", 7, 1)
    }  # fmt: skip


def test_t_wf_11_a_new_record_names_the_workflow_that_made_it_and_its_depth(world):
    """R-EXEC-20: so enrolment can keep it out of the same workflow."""
    contact = world.contact()
    ticket = world.ticket(contact_id=contact.pk)
    settings = {"record_type": "ticket", "value_subject": "Again: {{ ticket.subject }}", "link": True, "also": ["hs_ticket_priority"],
                "value_hs_ticket_priority": "LOW", "stage": world.stage("Waiting on us")}  # fmt: skip

    [done] = do(world.account.pk, "create_record", settings, [ticket.pk], depth=3)

    made = Ticket.objects.get(pk=done.outputs["record_id"])
    assert (made.subject, made.priority, made.contact_id) == (
        "Again: Refund still missing",
        "LOW",
        contact.pk,
    )
    assert made.stage_id == world.stage("Waiting on us")
    assert associations.linked_ids("ticket", [made.pk], "ticket") == {made.pk: [ticket.pk]}
    event = EventRow.objects.get(kind="ticket.created", object_id=made.pk)
    assert (event.cause["workflow_id"], event.depth, event.actor_kind) == (7, 4, "workflow")
    assert done.message == "Ticket: Again: Refund still missing"


def test_forms_call_records_as_the_account_does_R_OBJ_5(world):
    object_types.rename("deal", "Order", "Orders", by=SYSTEM)

    [which, *_rest] = others.settings_for(reading.around("deal"), {})

    assert [option.label for option in which.options][:2] == ["This record (Order)", "Linked: Ticket"]
    assert kinds.label("2-17") == "2-17"


@pytest.mark.parametrize(
    "settings",
    [
        {"record_type": "ticket", "value_subject": "Again"},
        {"record_type": "deal", "value_dealname": "Boat"},
        {"record_type": "company", "value_name": "Fjällbo", "also": ["city"], "value_city": "Bø"},
        {
            "record_type": "contact", "value_email": "made-{{ ticket.number }}@x.example", "also": ["lastname"],
            "value_lastname": "Bo",
        },
    ],
    ids=lambda settings: settings["record_type"],
)  # fmt: skip
def test_each_new_record_names_the_run_that_made_it_and_has_no_past(world, settings):
    """Else taking back one run would empty what another one made (docs/decisions/0003)."""
    batch = doings(world.account.pk, "create_record", settings, [world.ticket().pk, world.ticket().pk])

    done = ACTIONS["create_record"].run(batch)

    made = {one.outputs["record_id"]: doing.enrollment_id for one, doing in zip(done, batch, strict=True)}
    events = EventRow.objects.filter(object_type=settings["record_type"], object_id__in=made).exclude(
        cause=None
    )
    assert {(event.object_id, event.cause["enrollment_id"]) for event in events} == set(made.items())
    history = PropertyChange.objects.filter(object_type=settings["record_type"], record_id__in=made)
    assert not history.exists()


@pytest.mark.parametrize(
    ("settings", "model", "field", "value"),
    [
        ({"record_type": "deal", "value_dealname": "Boat", "also": ["amount"], "value_amount": 7}, Deal, "name", "Boat"),
        ({"record_type": "company", "value_name": "Fjällbo", "also": ["city"], "value_city": "Bø"}, Company, "name", "Fjällbo"),
        ({"record_type": "contact", "value_email": "Bo@x.example", "also": ["firstname"], "value_firstname": "Bo"}, Contact, "first_name", "Bo"),
    ],
)  # fmt: skip
def test_records_of_every_kind_are_made_and_linked(world, settings, model, field, value):
    ticket = world.ticket()

    [done] = do(world.account.pk, "create_record", {**settings, "link": True}, [ticket.pk])

    made = model.objects.get(pk=done.outputs["record_id"])
    assert getattr(made, field) == value
    assert associations.linked_ids("ticket", [ticket.pk], settings["record_type"])[ticket.pk] == [made.pk]


def test_a_record_without_what_it_needs_fails_alone(world):
    one, other = world.ticket("A"), world.ticket("B", category="BILLING_ISSUE")
    settings = {"record_type": "deal", "value_dealname": "{{ ticket.category }}"}

    done = do(world.account.pk, "create_record", settings, [one.pk, other.pk])

    assert [answer.status for answer in done] == [FAILED, DONE]
    assert Deal.objects.get().name == "Billing issue"


def test_who_can_own_nothing_any_more_owns_no_new_record_R_WFA_9(world):
    ticket = world.ticket(owner_id=world.bob.pk)
    settings = {"record_type": "deal", "value_dealname": "Boat"}
    Membership.objects.filter(user=world.bob).update(has_seat=False)

    [by_name] = do(world.account.pk, "create_record", {**settings, "owner": str(world.bob.pk)}, [ticket.pk])
    assert (by_name.status, Deal.objects.count()) == (FAILED, 0)
    assert "no seat" in by_name.message

    for who, owner in ((str(world.grace.pk), world.grace.pk), ("owner", None)):
        [done] = do(world.account.pk, "create_record", {**settings, "owner": who}, [ticket.pk])
        assert Deal.objects.get(pk=done.outputs["record_id"]).owner_id == owner


# ── links, deleting, formatting ──────────────────────────────────────────────────────────────────────────────────────


def test_records_are_linked_by_a_value_and_parted_again(world):
    contact = world.contact()
    ticket = world.ticket()
    link = {"to": "contact", "by": "email", "value": "ASTRID@fjallbo.example"}

    done = [
        do(world.account.pk, "create_association", given, [ticket.pk])[0]
        for given in (link, link, link | {"value": "x"})
    ]
    linked = associations.linked_ids("ticket", [ticket.pk], "contact")
    parted = [
        do(world.account.pk, "remove_association", {"to": "contact"}, [ticket.pk])[0].status
        for _twice in range(2)
    ]

    assert linked == {ticket.pk: [contact.pk]}
    assert [one.status for one in done] == [DONE, DONE, SKIPPED]
    assert parted == [DONE, SKIPPED]
    kinds = list(
        EventRow.objects.filter(kind__in=("ticket.linked", "ticket.unlinked"))
        .order_by("id")
        .values_list("kind", "depth")
    )
    assert kinds == [("ticket.linked", 1), ("ticket.unlinked", 1)]


def test_a_value_that_no_record_can_have_is_refused_by_its_property(world):
    action, ticket = ACTIONS["create_association"], world.ticket()
    settings = {"object_type": "ticket", "to": "ticket", "by": "hs_ticket_id", "value": "Audit text"}
    wrong = "“Ticket number” is a whole number; “Audit text” is none."
    missing = "There is no Ticket whose “Ticket number” is “999999”."
    by_mail = {"to": "contact", "by": "email", "value": "Nobody@X.example"}

    assert action.problems(settings) == [("value", wrong)]
    assert action.problems(settings | {"by": "hs_object_id"})[0][1].startswith("“Record ID”")
    assert action.problems(settings | {"value": "12"}) == []
    assert action.problems(settings | {"value": "{{ ticket.subject }}"}) == []
    done = [
        do(world.account.pk, "create_association", settings | given, [ticket.pk])[0]
        for given in ({}, {"value": "{{ ticket.subject }}"}, {"value": "999999"}, by_mail)
    ]
    assert [(one.status, one.message) for one in done] == [
        (FAILED, wrong), (FAILED, wrong.replace("Audit text", ticket.subject)), (SKIPPED, missing),
        (SKIPPED, "There is no Contact whose “Email” is “Nobody@X.example”."),
    ]  # fmt: skip


def test_the_requester_stays_when_contacts_are_parted(world):
    one, other = world.contact(), world.contact("b@x.example", "Bo")
    ticket = world.ticket(contact_id=one.pk)
    associations.connect("ticket", ticket.pk, "contact", other.pk, by=SYSTEM)

    do(world.account.pk, "remove_association", {"to": "contact"}, [ticket.pk])

    assert associations.linked_ids("ticket", [ticket.pk], "contact") == {ticket.pk: [one.pk]}


@pytest.fixture
def labelled(world):
    """A ticket of Astrid's, linked to two more contacts, one of them as the boss."""
    ids = [world.contact(f"{name}@x.example", name).pk for name in ("astrid", "bo", "ola")]
    vip = association_labels.create("ticket", "contact", "VIP", "Is VIP of", by=SYSTEM).type_id
    boss = association_labels.create("ticket", "contact", "Boss", by=SYSTEM).type_id
    ticket = world.ticket(contact_id=ids[0])
    labeling.connect_many({("ticket", ticket.pk, "contact", pk): Why() for pk in ids[1:]}, by=SYSTEM)
    labeling.relabel(("ticket", ticket.pk, "contact", ids[1]), Labeling(frozenset({boss})), by=SYSTEM)
    return ticket.pk, ids, vip, boss


def _on(ticket, ids):
    found = labeling.labels_of_record("ticket", ticket)
    return [[label.label for label in found.get(("contact", pk), [])] for pk in ids]


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ({"how": "add"}, [["VIP"], ["VIP", "Boss"], ["VIP"]]),
        ({"how": "replace"}, [["VIP"], ["VIP"], ["VIP"]]),
        ({"how": "add", "label": "9001"}, [["VIP"], ["Boss"], []]),
        ({"how": "replace", "label": "boss"}, [[], ["VIP"], []]),
    ],
)
def test_labels_of_links_are_set_by_a_workflow_R_TRIG_5(world, labelled, settings, after):
    ticket, ids, vip, boss = labelled
    given = {"to": "contact", "labels": [str(vip)], **settings}
    given["label"] = {"boss": str(boss)}.get(given.get("label", ""), given.get("label", ""))

    done = do(world.account.pk, "update_association_labels", given, [ticket])
    again = do(world.account.pk, "update_association_labels", given | {"label": ""}, [ticket])[0] if not given["label"] else None  # fmt: skip

    assert done[0].status == DONE
    assert "VIP" in done[0].message
    assert _on(ticket, ids) == after
    assert again is None or again.message == "The labels were so already."
    told = EventRow.objects.filter(kind="ticket.relabeled", actor_kind="workflow")
    assert told.exists()
    assert {one.depth for one in told} == {1}


@pytest.mark.parametrize(("what", "after"), [("these", [[], ["VIP"], []]), ("all", [[], [], []])])
def test_labels_of_links_are_removed_and_the_links_stay(world, labelled, what, after):
    ticket, ids, vip, boss = labelled
    labeling.relabel(("ticket", ticket, "contact", ids[1]), Labeling(frozenset({vip})), by=SYSTEM)
    given = {"to": "contact", "what": what, "labels": [str(boss)]}

    rehearsed = ACTIONS["remove_association_labels"].rehearse(
        doings(world.account.pk, "remove_association_labels", given, [ticket])
    )
    assert _on(ticket, ids) == [[], ["VIP", "Boss"], []]
    done = do(world.account.pk, "remove_association_labels", given, [ticket])

    assert (rehearsed[0].status, done[0].status) == (DONE, DONE)
    assert _on(ticket, ids) == after
    assert associations.linked_ids("ticket", [ticket], "contact") == {ticket: ids}


def test_records_are_linked_with_labels_and_parted_by_one(world, labelled):
    ticket, ids, vip, boss = labelled
    new = world.contact("new@x.example").pk
    link = {"to": "contact", "by": "email", "value": "new@x.example", "labels": [str(vip), str(boss)]}

    done = do(world.account.pk, "create_association", link, [ticket])
    assert done[0].message == "Contact with new@x.example, as VIP, Boss"
    assert _on(ticket, [*ids, new]) == [[], ["Boss"], [], ["VIP", "Boss"]]
    do(world.account.pk, "remove_association", {"to": "contact", "label": str(vip)}, [ticket])

    assert associations.linked_ids("ticket", [ticket], "contact") == {ticket: ids}


def test_a_label_that_is_gone_fails_its_step_and_changes_nothing(world, labelled):
    ticket, _ids, vip, _boss = labelled
    labeling.delete("ticket", "contact", vip, by=SYSTEM)
    new = world.contact("new@x.example").pk
    link = {"to": "contact", "by": "email", "value": "new@x.example", "labels": [str(vip)]}

    done = do(world.account.pk, "create_association", link, [ticket])
    set_ = do(
        world.account.pk, "update_association_labels", {"to": "contact", "labels": [str(vip)]}, [ticket]
    )

    assert [done[0].status, set_[0].status] == [FAILED, FAILED]
    assert f"There is no label {vip}" in set_[0].message
    assert new not in associations.linked_ids("ticket", [ticket], "contact")[ticket]
    problems = ACTIONS["update_association_labels"].problems({"object_type": "ticket", "to": "contact", "labels": [str(vip)]})  # fmt: skip
    assert [field for field, _text in problems] == ["labels"]


def test_a_property_of_the_records_that_are_linked_as_something_is_set(world, labelled):
    """R-TRIG-5"""
    ticket, ids, _vip, boss = labelled
    given = {"on": "contact", "property": "city", "how": "set", "value": "Oslo"}

    do(world.account.pk, "set_property", given | {"label": str(boss)}, [ticket])
    do(world.account.pk, "set_property", given | {"label": "9001", "value": "Bergen"}, [ticket])

    cities = [Contact.objects.get(pk=pk).properties.get("city") for pk in ids]
    assert cities == ["Bergen", "Oslo", None]
    said = ACTIONS["set_property"].summary({"object_type": "ticket", **given, "label": str(boss)})
    assert said.startswith("Contact (Boss) – ")


def test_setting_labels_for_many_costs_what_it_does_for_one(world, labelled, django_assert_max_num_queries):
    vip, contact = labelled[2], world.contact("many@x.example").pk
    many = [world.ticket(str(n)).pk for n in range(20)]
    associations.link_many([("ticket", pk, "contact", contact) for pk in many], clock.now())

    with django_assert_max_num_queries(20):
        done = do(
            world.account.pk, "update_association_labels", {"to": "contact", "labels": [str(vip)]}, many
        )

    assert {one.status for one in done} == {DONE}


def test_a_contact_is_deleted_once_and_says_by_whom(world):
    contact = world.contact()

    done = [do(world.account.pk, "delete_contact", {}, [contact.pk], "contact")[0]]

    assert Contact.objects.get(pk=contact.pk).archived_at is not None
    assert done[0].status is DONE
    assert EventRow.objects.get(kind="contact.archived").cause["workflow_id"] == 7
    assert ACTIONS["delete_contact"].is_destructive


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        ({"function": "upper", "value": "{{ ticket.subject }}"}, "REFUND STILL MISSING"),
        ({"function": "capitalize", "value": "anna maria"}, "Anna Maria"), ({"function": "cut", "value": "abcdef", "first": "3"}, "abc"),
        ({"function": "replace", "value": "a-b", "first": "-", "second": " "}, "a b"), ({"function": "after", "value": "a@b.c", "first": "@"}, "b.c"),
        ({"function": "digits", "value": "No. 4711"}, "4711"), ({"function": "divide", "value": "1", "first": "3"}, "0.33333333"),
        ({"function": "add", "value": "0,1", "first": "0.2"}, "0.3"), ({"function": "round", "value": "2.345", "first": "2"}, "2.35"),
        ({"function": "later", "value": "2026-11-30", "first": "2"}, "2026-12-02"),
        ({"function": "until", "value": "2026-11-21", "first": "2026-12-24"}, "33"),
        ({"function": "written", "value": "2026-11-21", "first": "%d.%m.%Y"}, "21.11.2026"),
    ],
)  # fmt: skip
def test_data_is_formatted_for_later_steps(world, settings, result):
    ticket = world.ticket()

    [done] = do(world.account.pk, "format_data", settings, [ticket.pk])

    assert done.outputs == {"result": result}


@pytest.mark.parametrize(
    "settings",
    [{"function": "divide", "value": "1", "first": "0"}, {"function": "add", "value": "x", "first": "1"}, {"function": "later", "value": "soon", "first": "1"}],
)  # fmt: skip
def test_what_can_not_be_formatted_fails_with_words(world, settings):
    [done] = do(world.account.pk, "format_data", settings, [world.ticket().pk])

    assert done.status is FAILED
    assert done.message


@pytest.mark.parametrize(
    ("settings", "field", "said"),
    [
        ({"function": "cut", "value": "abc", "first": "three"}, "first", "“three” is not a number."),
        ({"function": "round", "value": "much", "first": "2"}, "value", "“much” is not a number."),
        ({"function": "later", "value": "{{ ticket.createdate }}", "first": "900000"}, "first", "“900000” is too large."),
        ({"function": "until", "value": "{{ ticket.createdate }}", "first": "Christmas"}, "first", "“Christmas” is not a date such as 2026-11-21."),
    ],
)  # fmt: skip
def test_what_no_run_could_read_is_said_at_the_step(world, settings, field, said):
    with account_scope(world.account.pk):
        assert ACTIONS["format_data"].problems(settings) == [(field, said)]
        assert ACTIONS["format_data"].problems({**settings, field: "{{ ticket.subject }}"}) == []


# ── rotating ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tickets_go_round_and_each_choice_is_kept_and_explained_R_ROT_1_R_ROT_2_R_ROT_3(world):
    people = [world.ada.pk, world.grace.pk]
    settings = {"users": people, "strategy": "ROUND_ROBIN"}
    ids = [world.ticket(f"T{n}").pk for n in range(3)]

    first = do(world.account.pk, "rotate_owner", settings, ids[:2])
    [third] = do(world.account.pk, "rotate_owner", settings, ids[2:], first=9)

    owners = [Ticket.objects.get(pk=pk).owner_id for pk in ids]
    assert owners == [world.ada.pk, world.grace.pk, world.ada.pk]
    assert [one.outputs["outcome"] for one in (*first, third)] == ["assigned"] * 3
    decision = queries.decision_for_ticket(world.account.pk, ids[2])
    assert "whose turn it was" in explain.explain(decision).headline
    replayed = replaying.replay(decision)
    assert replayed.chosen.user_id == world.ada.pk


def test_who_has_the_fewest_open_tickets_is_next_R_ROT_3(world):
    world.ticket("Busy", owner_id=world.ada.pk)
    assign.loads.reconcile(world.account.pk, list(Ticket.objects.values_list("pk", flat=True)), clock.now())
    ids = [world.ticket(f"T{n}").pk for n in range(3)]

    do(
        world.account.pk,
        "rotate_owner",
        {"users": [world.ada.pk, world.grace.pk], "strategy": "LOAD_BALANCED"},
        ids,
    )

    owners = [Ticket.objects.get(pk=pk).owner_id for pk in ids]
    assert owners.count(world.grace.pk) == 2


def test_nobody_eligible_leaves_the_owner_and_says_why_R_ROT_4_R_ROT_9_R_ROT_10(world):
    ticket = world.ticket(owner_id=world.ada.pk)

    [done] = do(world.account.pk, "rotate_owner", {"users": [world.nils.pk]}, [ticket.pk])

    assert (done.status, done.outputs) == (SKIPPED, {"outcome": "nobody", "user": ""})
    assert "has no seat" in done.message
    assert Ticket.objects.get(pk=ticket.pk).owner_id == world.ada.pk
    assert world.nils.pk not in [int(one.value) for one in _users_offered()]


def _users_offered():
    form = reading.form_of(ACTIONS["rotate_owner"], reading.around("ticket"), {})
    return next(one.options for one in form if one.name == "users")


LIMITS = [0, 1]  # they may have nothing, or have what they may


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("strategy", [Strategy.LOAD_BALANCED, Strategy.ROUND_ROBIN, Strategy.RANDOM])
def test_t_route_26_rotating_skips_who_is_full_and_setting_the_owner_does_not(world, wired, strategy, limit):
    """T-ROUTE-26, R-CAP-8, R-ROT-6: the actions of workflows themselves, whatever the way to distribute."""
    capacity.set_limits(world.account.pk, [world.ada.pk], total=limit, by=SYSTEM)
    for n in range(limit):
        had = world.ticket(f"Had {n}")
        tickets.assign(had.pk, owner_id=world.ada.pk, by=SYSTEM)
    settle()
    rotated, edited = world.ticket("A"), world.ticket("B")
    among = {"users": [world.ada.pk, world.grace.pk], "strategy": strategy.value}
    to_ada = {"property": "hubspot_owner_id", "value": world.ada.pk}

    do(world.account.pk, "rotate_owner", among, [rotated.pk])
    do(world.account.pk, "set_property", to_ada, [edited.pk], first=5)
    settle()

    assert Ticket.objects.get(pk=rotated.pk).owner_id == world.grace.pk
    assert Ticket.objects.get(pk=edited.pk).owner_id == world.ada.pk
    agents = {agent.user_id: agent for agent in queries.agents_with_state(world.account.pk)}
    assert (agents[world.ada.pk].held, agents[world.ada.pk].limit) == (limit + 1, limit)


def test_t_route_26_when_all_are_full_the_owner_stays_and_the_step_says_why(world, wired):
    """T-ROUTE-26, R-ROT-6, R-ROT-9, R-ROT-10; with room again they are asked again."""
    capacity.set_limits(world.account.pk, [world.ada.pk, world.grace.pk], total=0, by=SYSTEM)
    ticket = world.ticket("A")
    among = {"users": [world.ada.pk, world.grace.pk]}

    [nobody] = do(world.account.pk, "rotate_owner", among, [ticket.pk])
    capacity.set_limits(world.account.pk, [world.grace.pk], total=1, by=SYSTEM)
    [somebody] = do(world.account.pk, "rotate_owner", among, [ticket.pk], first=5)

    assert (nobody.status, nobody.outputs["outcome"]) == (SKIPPED, "nobody")
    assert "Ada" in nobody.message
    assert str(explain.DROPS[Drop.FULL]) in nobody.message
    assert somebody.outputs["outcome"] == "assigned"
    assert Ticket.objects.get(pk=ticket.pk).owner_id == world.grace.pk


def test_t_route_26_one_set_fills_them_up_to_their_limit_and_no_further(world, wired):
    """T-ROUTE-26, R-CAP-6: tickets of one batch count for those behind them."""
    capacity.set_limits(world.account.pk, [world.ada.pk], total=1, by=SYSTEM)
    capacity.set_limits(world.account.pk, [world.grace.pk], total=2, by=SYSTEM)
    ids = [world.ticket(f"T{n}").pk for n in range(5)]

    done = do(world.account.pk, "rotate_owner", {"users": [world.ada.pk, world.grace.pk]}, ids)
    settle()

    owners = [Ticket.objects.get(pk=pk).owner_id for pk in ids]
    assert (owners.count(world.ada.pk), owners.count(world.grace.pk), owners.count(None)) == (1, 2, 2)
    assert [one.outputs["outcome"] for one in done].count("nobody") == 2


def test_only_who_is_there_is_asked_if_the_box_says_so_R_ROT_7(world):
    now = clock.now()
    availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=SYSTEM, now=now)
    settings = {"users": [world.ada.pk, world.grace.pk], "strategy": "ROUND_ROBIN"}
    one, other = world.ticket("A"), world.ticket("B")

    do(world.account.pk, "rotate_owner", settings | {"only_available": True}, [one.pk])
    do(world.account.pk, "rotate_owner", settings, [other.pk], first=5)

    assert Ticket.objects.get(pk=one.pk).owner_id == world.grace.pk
    assert Ticket.objects.get(pk=other.pk).owner_id == world.ada.pk


def test_an_owner_is_kept_if_asked_R_ROT_8(world):
    ticket = world.ticket(owner_id=world.ada.pk)

    [done] = do(
        world.account.pk, "rotate_owner", {"users": [world.grace.pk], "overwrite": False}, [ticket.pk]
    )
    assert done.outputs["outcome"] == "kept"
    do(world.account.pk, "rotate_owner", {"users": [world.grace.pk]}, [ticket.pk])

    assert Ticket.objects.get(pk=ticket.pk).owner_id == world.grace.pk
    assert Decision.objects.filter(ticket_id=ticket.pk).count() == 1


def test_teams_give_their_main_members_only_R_ROT_5(world):
    from deskhand.accounts.models import TeamMember

    ticket = world.ticket()
    mains = set(TeamMember.objects.filter(team=world.team, is_main=True).values_list("user_id", flat=True))

    do(world.account.pk, "rotate_owner", {"teams": [world.team.pk], "strategy": "RANDOM"}, [ticket.pk])

    assert Ticket.objects.get(pk=ticket.pk).owner_id in mains


def test_deals_and_own_properties_for_users_are_rotated_too_R_ROT_1(world):
    properties.create("deal", "helper", "Helper", Kind.REF)
    ids = [objects.create("deal", {"dealname": f"D{n}"}, by=SYSTEM).id for n in range(2)]
    among = {"users": [world.ada.pk, world.grace.pk]}

    do(world.account.pk, "rotate_owner", {**among, "strategy": "LOAD_BALANCED"}, ids, "deal")
    do(
        world.account.pk,
        "rotate_owner",
        {**among, "property": "helper", "strategy": "ROUND_ROBIN"},
        ids,
        "deal",
        first=7,
    )

    deals = list(Deal.objects.order_by("pk"))
    assert {one.owner_id for one in deals} == {world.ada.pk, world.grace.pk}
    assert [one.properties["helper"] for one in deals] == [world.ada.pk, world.grace.pk]
    assert not Decision.objects.exists()


def test_every_action_says_what_it_calls_R_EXEC_21():
    """Those that tell nobody who could enroll in a workflow are named here."""
    silent = {kind for kind, action in ACTIONS.items() if type(action).touches is Action.touches}

    assert silent == {
        "custom_action", "custom_code", "delete_contact", "format_data", "internal_email", "manage_subscription", "notify",
        "post_to_chat", "send_webhook",
    }  # fmt: skip


#: What leaves by an action is a message to somebody, or a call to another system. Custom code can do nothing but compute.
LEAVING = {
    "send_email", "send_survey", "send_sms", "send_whatsapp", "internal_email", "notify", "post_to_chat", "send_webhook",
    "custom_action",
}  # fmt: skip


def test_every_action_by_which_something_leaves_counts_in_the_hours_budget_R_MAIL_12():
    assert {kind for kind, action in ACTIONS.items() if action.costs} == LEAVING


@pytest.mark.parametrize("kind", [*ON_RECORDS, "internal_email", "notify", "post_to_chat", "send_webhook", "custom_action"])  # fmt: skip
def test_an_action_counts_what_it_puts_into_the_outbox_R_MAIL_12(world, kind):
    """Each message that leaves, and each call; one that is not made counts for nothing."""
    account_id = world.account.pk
    for name, value in (("ROOM", "https://chat.example/hook"), ("SIGN", "sesame")):
        secrets.add(account_id, name, value, by=SYSTEM)
    check = {
        "url": "https://check.example",
        "secret": "SIGN",
        "object_types": [],
        "inputs": [],
        "outputs": [],
    }
    integrations.add(account_id, "Check", check, by=SYSTEM)
    wishes.choose(account_id, world.ada.pk, {Topic.NOTICE: Ways(bell=True, mail=True)})
    settings = {
        "internal_email": {"users": [world.ada.pk, world.grace.pk]},
        "notify": {"users": [world.ada.pk, world.grace.pk], "subject": "Look"},
        "post_to_chat": {"service": "slack", "secret": "ROOM", "text": "Look"},
        "send_webhook": {"url": "https://shop.example/hear", "waits": True},
        "custom_action": {"integration": "Check"},
    }
    contact = world.contact()
    tickets = [world.ticket(contact_id=contact.pk, channel_account_id=world.channel.pk) for _ in range(2)]
    object_type, ids = ("contact", [contact.pk]) if kind == "delete_contact" else ("ticket", [one.pk for one in tickets])  # fmt: skip

    done = do(account_id, kind, settings.get(kind) or settings_of(kind, world), ids, object_type)

    assert sum(one.sent for one in done) == OutboxEntry.objects.count()
    assert bool(OutboxEntry.objects.count()) is (kind in LEAVING)
    assert {one.sent for one in done} == {{"internal_email": 2}.get(kind, int(kind in LEAVING))}


def test_settings_written_by_hand_are_told_by_the_workflows_own_kind_of_record_R_WFA_1(world):
    settings = {"property": "hs_marketable_status", "how": "set", "value": "true"}

    said = in_words(ACTIONS["set_property"], settings, "contact")

    assert said.startswith("Marketing contact")
