"""What the product knows of a ticket without anybody setting it (behaviour.md §3: R-PROP-2, R-PROP-5)."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deskhand.accounts.models import Membership
from deskhand.accounts.policy import viewer_for
from deskhand.automation import records, tokens
from deskhand.automation.actions import choices, giving
from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.records import associations, companies, computed, contacts, objects, tasks, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tables import table_of, tables_of
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import formulas, layouts
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.layouts import Section
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.desk import replies
from deskhand.desk.models import Follower, Inbox, Seen, Snooze
from deskhand.desk.replies import NewReply
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.words import Words
from deskhand.web.tests.test_inbox import texts

HOUR = timedelta(hours=1)


def read(ticket, *names):
    """As the record's page reads them, and the same as automation reads them."""
    fresh = Ticket.objects.get(pk=ticket.pk)
    computed.attach("ticket", [fresh], names)
    known = properties_of("ticket")
    found = [computed.value_of(fresh, known[name]) for name in names]
    loaded = records.LoadedFacts("ticket", records.load("ticket", [ticket.pk])[ticket.pk])
    plain = [giving.plain(loaded.value(name)) for name in names]
    assert plain == [giving.plain(one) for one in found]
    return found


def answer(office, ticket, by, text="On its way", at=None):
    with clock.stopped(at or office.at + HOUR):
        return replies.reply(NewReply(ticket.pk, text), by=by)


def test_every_property_that_is_worked_out_has_its_formula_and_can_be_asked_in_sql(office, noon):
    """R-PROP-5: no property that is always empty; each formula is SQL that runs, for every kind of record that has it."""
    with office.inside() as world:
        world.ticket()
        for object_type, properties in BUILT_IN.items():
            if object_type == "custom":
                continue
            for prop in properties:
                if not prop.is_formula:
                    continue
                assert formulas.sql_of(prop.name, object_type, "t"), prop.name
                asked = Filter(prop.name, prop.kind, Operator.KNOWN)
                test = to_sql(
                    asked,
                    SchemaSource(tables_of(world.account.pk), object_type, "t"),
                    now=noon,
                    zone=ZoneInfo("UTC"),
                )
                sql.rows(f"select t.id from {table_of(object_type)} t where {test.text}", list(test.params))


def test_what_messages_tell_R_PROP_5(office):
    names = (
        "hs_num_associated_conversations", "hs_outbound_ticket", "hs_last_email_type", "hs_last_email_details",
        "hs_latest_message_is_thread_comment", "num_notes", "hs_number_of_touches", "hs_originating_generic_channel_id",
        "hs_current_generic_channel_id",
    )  # fmt: skip
    ticket = office.mail("Refund")
    with office.inside() as world:
        assert read(ticket, *names) == [
            1,
            False,
            "ORIGINAL_FROM_CONTACT",
            "Refund",
            False,
            0,
            0,
            "email",
            "email",
        ]

        answer(office, ticket, world.grace)
        told = read(ticket, *names)
        assert (told[2], told[6]) == ("SENT_TO_CONTACT", 1)
        assert (
            read(ticket, "hs_lastcontacted", "hs_lastactivitydate", "hs_last_email_date")
            == [office.at + HOUR] * 3
        )

        with clock.stopped(office.at + 2 * HOUR):
            replies.comment(ticket.pk, "Between us", by=world.grace)
        assert read(ticket, "hs_latest_message_is_thread_comment", "num_notes", "hs_lastactivitydate") == [True, 1, office.at + 2 * HOUR]  # fmt: skip


@pytest.mark.parametrize(("answers", "reopened", "expected"), [(1, False, True), (2, False, False), (1, True, False), (0, False, False)])  # fmt: skip
def test_a_ticket_solved_with_one_answer_R_PROP_5(office, answers, reopened, expected):
    ticket = office.mail("Refund")
    with office.inside() as world:
        for number in range(answers):
            answer(office, ticket, world.grace, str(number), office.at + number * HOUR)
        assert read(ticket, "hs_is_one_touch_ticket") == [False]
        for label in ["Closed", *(["New", "Closed"] if reopened else [])]:
            tickets.move(ticket.pk, to=world.stage(label), by=SYSTEM)

        assert read(ticket, "hs_is_one_touch_ticket") == [expected]


def test_who_has_it_who_made_it_and_who_changed_it_last(office):
    with office.inside() as world:
        ticket = world.ticket(by=Actor.user(world.ada.pk))
        names = ("hs_ticket_owner_type", "hs_first_assignee_type", "hs_all_owner_ids", "hs_created_by_user_id", "hs_object_source")  # fmt: skip
        assert read(ticket, *names) == ["NONE", None, None, world.ada.pk, "CRM_UI"]

        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=Actor.user(world.grace.pk))

        assert read(ticket, *names)[:3] == ["HUMAN", "HUMAN", [world.bob.pk]]
        assert read(ticket, "hs_updated_by_user_id", "hs_object_source_id") == [
            world.grace.pk,
            f"userId:{world.ada.pk}",
        ]


def test_who_is_around_it(office):
    ticket = office.mail("Refund")
    with office.inside() as world:
        firm = companies.create("Fjällbo", by=SYSTEM).pk
        companies.add_contact(firm, ticket.contact_id, by=SYSTEM)
        other = world.contact("bo@fjallbo.example", "Bo")
        contacts.update(other.pk, {"phone": "+45 1"}, by=SYSTEM)
        associations.connect("ticket", ticket.pk, "contact", other.pk, by=SYSTEM)

        task = tasks.create("ticket", ticket.pk, Wanted("Call", due_at=office.at + HOUR), by=SYSTEM)
        tasks.create("ticket", ticket.pk, Wanted("Write", due_at=office.at + 2 * HOUR), by=SYSTEM)

        assert read(ticket, "hs_nextactivitydate") == [office.at + HOUR]
        tasks.finish(task, True, by=SYSTEM)
        assert read(ticket, "hs_nextactivitydate") == [office.at + 2 * HOUR]
        assert read(ticket, "hs_primary_company_id", "hs_primary_company_name") == [firm, "Fjällbo"]
        assert read(ticket, "hs_all_associated_contact_emails") == [
            "astrid@fjallbo.example;bo@fjallbo.example"
        ]
        assert read(ticket, "hs_all_associated_contact_phones") == ["+45 1"]


def test_who_saw_follows_writes_and_sleeps_on_it(office):
    ticket = office.mail("Refund")
    with office.inside() as world:
        ours = {"account_id": world.account.pk, "ticket_id": ticket.pk}
        Seen.objects.create(**ours, user_id=world.ada.pk, seen_at=office.at - HOUR)
        Seen.objects.create(**ours, user_id=world.grace.pk, seen_at=office.at + HOUR)
        Follower.objects.create(**ours, user_id=world.bob.pk, follows=True)
        Follower.objects.create(**ours, user_id=world.eve.pk, follows=False)
        Snooze.objects.create(**ours, user_id=world.bob.pk, set_by=world.bob.pk, set_at=office.at)

        assert read(ticket, "hs_seen_by_agent_ids") == [sorted([world.ada.pk, world.grace.pk])]
        assert read(ticket, "hs_latest_message_seen_by_agent_ids") == [[world.grace.pk]]
        assert read(ticket, "hs_user_ids_of_all_notification_followers") == [[world.bob.pk]]
        assert read(ticket, "hs_user_ids_of_all_notification_unfollowers") == [[world.eve.pk]]
        assert read(ticket, "hs_snoozed_by_user_ids", "hs_snoozed_for_portal") == [[world.bob.pk], False]


def test_python_and_postgresql_agree_on_what_is_worked_out_R_PROP_5(office, noon):
    """Both evaluators read the same formula."""
    first, second = office.mail("Refund"), office.mail("Parcel")
    with office.inside() as world:
        answer(office, first, world.grace)
        tickets.assign(second.pk, owner_id=world.bob.pk, by=SYSTEM)
        ids = [first.pk, second.pk]
        source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
        loaded = records.load("ticket", ids)
        for asked in (
            Filter("hs_ticket_owner_type", Kind.ENUM, Operator.ANY_OF, ("HUMAN",)), Filter("hs_number_of_touches", Kind.NUMBER, Operator.AT_LEAST, (Decimal(1),)),
            Filter("hs_outbound_ticket", Kind.BOOL, Operator.NONE_OF, (True,)), Filter("hs_all_owner_ids", Kind.REFS, Operator.ANY_OF, (world.bob.pk,)),
            Filter("hs_lastcontacted", Kind.DATETIME, Operator.UNKNOWN), Filter("hs_last_email_details", Kind.TEXT, Operator.CONTAINS, ("refund",)),
        ):  # fmt: skip
            test = to_sql(asked, source, now=noon, zone=ZoneInfo("UTC"))
            in_sql = {
                pk
                for (pk,) in sql.rows(f"select t.id from crm_ticket t where {test.text}", list(test.params))
            }
            in_python = {
                pk
                for pk in ids
                if holds(asked, records.LoadedFacts("ticket", loaded[pk]), now=noon, zone=ZoneInfo("UTC"))
            }
            assert in_sql == in_python, asked


def test_where_a_record_came_in_and_who_made_it_can_be_asked_everywhere_R_TRIG_4(office):
    """In conditions of workflows and in views; the ids of inboxes and channels have names, also in a configuration."""
    with office.inside() as world:
        viewer = viewer_for(world.account.pk, world.ada.pk)
        for words in (Asked(viewer, "ticket"), Words(viewer, "ticket")):
            for name, label in {
                "hs_inbox_id": "Help desk", "hs_originating_channel_instance_id": "Support", "hs_object_source": "Workflow",
                "hs_created_by_user_id": world.ada.name, "hs_last_email_details": None,
            }.items():  # fmt: skip
                _kind, prop = words.property(f"ticket.{name}")
                choices = words.choices_of("ticket", prop)
                assert label is None or any(one.label.startswith(label) for one in choices), name
        names = Names()
        asked = {
            "property": "hs_inbox_id",
            "kind": "ref",
            "operator": "any_of",
            "values": [Inbox.objects.get().pk],
        }
        written = definitions.condition_out(asked, "ticket", names)
        assert written["values"] == ["Help desk"]
        assert to_json(definitions.condition_back(written, "ticket", names, "f")) == asked


def test_what_nothing_sets_yet_is_nowhere_R_PROP_2(office):
    with office.inside() as world:
        awaited = {prop.name for prop in BUILT_IN["ticket"] if prop.is_awaited}
        assert {"hs_sla_operating_hours", "tags", "hs_last_csat_rating"} <= awaited

        assert not awaited & {prop.name for prop in everything("ticket")}
        assert not awaited & {name.removeprefix("ticket.") for name in tokens.offered("ticket")}
        assert not awaited & {prop.name for prop in choices.readable("ticket")}
        with pytest.raises(Invalid, match="hs_sla_operating_hours"):
            tickets.update(world.ticket().pk, {"hs_sla_operating_hours": "9-17"}, by=SYSTEM)


def test_reading_them_costs_one_query_for_any_number_of_tickets(office):
    with office.inside() as world:
        made = [Ticket.objects.get(pk=world.ticket(str(number)).pk) for number in range(6)]
        names = [prop.name for prop in properties_of("ticket").values() if prop.is_formula]
        for few in (made[:1], made):
            with CaptureQueriesContext(connection) as queries:
                computed.attach("ticket", few, names)
            assert len(queries) == 1


def test_the_panel_names_people_and_hides_numbers(office, sign_in):
    ticket = office.mail("Refund")
    with office.inside() as world:
        Follower.objects.create(
            account_id=world.account.pk, ticket_id=ticket.pk, user_id=world.bob.pk, follows=True
        )
        assert Membership.objects.filter(user=world.bob).exists()

    page = texts(sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}/properties"))

    assert "First email of a customer" in page
    assert office.world.bob.name in page
    assert "Source reference" not in page


@pytest.mark.parametrize("object_type", ["contact", "deal"])
def test_pages_of_other_records_show_what_is_worked_out_where_the_layout_has_it(office, sign_in, object_type):
    """R-PROP-3, R-PROP-5: a record's times by status, and who made it by name."""
    with office.inside() as world:
        by = Actor.user(world.bob.pk)
        if object_type == "contact":
            pk = contacts.create(Person("bo@fjallbo.example", "Bo"), by=by).pk
        else:
            pk = objects.create("deal", {"dealname": "Boat"}, by=by).id
        section = Section("About", ("hs_created_by_user_id", "hs_object_source"))
        layouts.arrange(object_type, [section], by=Actor.user(world.ada.pk))
    url = reverse("contact", args=[pk]) if object_type == "contact" else reverse("record", args=["deals", pk])

    page = texts(sign_in(office.world.ada).get(url))

    assert f"Created by {office.world.bob.name}" in page
    assert "Record source Person" in page
    assert ("Date entered “" in page) is (object_type == "deal")


@pytest.mark.parametrize(
    ("name", "table", "more", "values"),
    [
        ("hs_seen_by_agent_ids", "seen", "seen_at", "now()"),
        ("hs_user_ids_of_all_notification_followers", "follower", "follows", "true"),
        ("hs_draft_user_ids", "draft", "mode, body, html, recipients, updated_at", "'reply', '', '', '{}', now()"),
    ],
)  # fmt: skip
def test_who_is_around_a_ticket_is_found_by_the_ticket_however_many_people_there_are_R_PROP_5(office, name, table, more, values):  # fmt: skip
    ticket = office.mail("Refund")
    with office.inside() as world:
        sql.execute(
            f"insert into desk_{table} (account_id, user_id, ticket_id, {more})"
            f" select %s, n / 20, n, {values} from generate_series(1, 10000) n",
            [world.account.pk],
        )
        sql.execute(f"analyze desk_{table}")
        sql.execute("set local enable_seqscan = off")
        formula = formulas.sql_of(name, "ticket", "t")

        plan = str(sql.rows(f"explain select {formula} from crm_ticket t where t.id = %s", [ticket.pk]))

    assert f"{table}_of_ticket" in plan
