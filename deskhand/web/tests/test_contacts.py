"""The screens of contacts and companies."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from deskhand import wiring
from deskhand.accounts import users
from deskhand.automation import workflows
from deskhand.automation.engine.definition import Definition
from deskhand.crm.records import archive, companies, contacts, tasks, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact, PropertyChange, Ticket
from deskhand.crm.records.tasks import NewTask, Wanted
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import customers, threads
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor, ActorKind, Event
from deskhand.web.tests.conftest import queries_of, selected

HTMX = {"HX-Request": "true"}


@pytest.fixture
def astrid(office) -> int:
    return office.mail().contact_id


def page_of(client, name: str, *args, **query) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def again(office, contact_id: int) -> Contact:
    with office.inside():
        return Contact.objects.get(pk=contact_id)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_shows_who_there_is_and_how_they_stand(office, ada, astrid):
    with office.inside() as world:
        firm = companies.create("Fjällbo AB", by=SYSTEM)
        companies.add_contact(firm.pk, astrid, by=SYSTEM)
        contacts.update(astrid, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)

    listed = page_of(ada, "contacts")
    line = listed[listed.index('<th scope="row">') :]

    assert "Astrid Lindqvist" in line
    assert "astrid@fjallbo.example" in line
    assert "Fjällbo AB" in line
    assert "Bob Noyce" in line
    assert '<td class="num">1</td>' in line
    assert '<td class="num">1</td>' in page_of(ada, "companies")


def test_lists_are_searched_and_say_when_nothing_fits(office, ada, astrid):
    assert "Astrid Lindqvist" in page_of(ada, "contacts", q="lind")
    none = page_of(ada, "contacts", q="nobody")
    assert "Astrid Lindqvist" not in none
    assert "No contact fits this search." in none
    part = ada.get(reverse("contacts"), {"q": "astrid"}, headers=HTMX).content.decode()
    assert "Astrid Lindqvist" in part
    assert "<html" not in part


def test_empty_lists_say_what_they_are_for(office, ada):
    assert "No contacts yet" in page_of(ada, "contacts")
    assert "No companies yet" in page_of(ada, "companies")
    assert "Nothing is archived" in page_of(ada, "contacts", list="archived")
    assert "No contacts yet" in page_of(ada, "contacts", list="nonsense", sort="nonsense")


def test_a_long_list_goes_on_where_the_page_ended(office, ada):
    with office.inside():
        contacts.upsert_many([Person(f"p{n}@x.example", f"Person {n:02d}") for n in range(60)], by=SYSTEM)

    first = page_of(ada, "contacts")
    more = first[first.index('id="people-more"') :].split('href="')[1].split('"')[0].replace("&amp;", "&")
    rest = ada.get(more, headers=HTMX).content.decode()

    assert first.count('<th scope="row">') == 50
    assert rest.count('<th scope="row">') == 10
    assert "Person 49" in first
    assert "Person 50" in rest
    assert "people-more" not in rest


def test_the_lists_cost_the_same_however_many_there_are(office, ada, astrid):
    def queries(name: str) -> int:
        return queries_of(ada, reverse(name))

    before = {name: queries(name) for name in ("contacts", "companies")}
    for n in range(6):
        ticket = office.mail(f"Ticket {n}", sender=Mailbox(f"p{n}@x.example", f"P {n}"))
        with office.inside() as world:
            firm = companies.create(f"Firm {n}", by=SYSTEM)
            companies.add_contact(firm.pk, ticket.contact_id, by=SYSTEM)
            contacts.update(ticket.contact_id, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)

    after = {name: queries(name) for name in before}
    # The first owner of a page is one query: their names.
    assert after["contacts"] <= before["contacts"] + 1
    assert after["companies"] <= before["companies"] + 1


# ── one record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_contact_has_its_facts_its_tickets_and_what_happened(office, ada, astrid):
    shown = page_of(ada, "contact", astrid)

    assert "<h1" in shown
    assert "Astrid Lindqvist" in shown
    assert "Refund still missing" in shown
    assert "Where is my money?" in shown
    assert "Ticket opened" in shown


def test_a_company_has_the_tickets_of_its_contacts(office, ada, astrid):
    with office.inside():
        firm = companies.create("Fjällbo AB", by=SYSTEM)
        companies.add_contact(firm.pk, astrid, by=SYSTEM)

    shown = page_of(ada, "company", firm.pk)

    assert "Refund still missing" in shown
    assert "Where is my money?" in shown
    assert reverse("contact", args=[astrid]) in shown


def test_a_mail_that_was_sent_automatically_names_its_workflow_R_MAIL_8(office, ada, astrid):
    with office.inside() as world:
        made = workflows.create(world.account.pk, "Welcome", Definition("ticket"))
        said = Message.objects.get()
        said.pk, said.direction, said.is_automatic = None, "OUT", True
        said.actor_kind, said.actor_id = ActorKind.WORKFLOW, made.pk
        said.save(force_insert=True)

    timeline = html.unescape(page_of(ada, "contact", astrid)).partition('id="timeline-title"')[2]

    assert "Sent automatically" in timeline
    assert "workflow “Welcome”" in timeline


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_open_tasks_stand_beside_it_until_they_are_done(office, ada, sign_in, astrid, kind):
    """R-WFA-8"""
    with office.inside() as world:
        record = astrid if kind == "contact" else companies.create("Fjällbo AB", by=SYSTEM).pk
        call = tasks.create(kind, record, Wanted("Call about the chair", assignee_id=world.bob.pk), by=SYSTEM)
        done = tasks.create(kind, record, Wanted("Long done"), by=SYSTEM)
        tasks.finish(done, True, by=SYSTEM)

    page = page_of(ada, kind, record)
    assert "Call about the chair" in page
    assert "Bob Noyce" in page
    timeline = page.partition('id="timeline-title"')[2]
    assert "Task done: Long done" in html.unescape(timeline)
    assert "&#39;did&#39;" not in timeline
    assert page.count('aria-label="Tick off: Call about the chair"') == 1
    assert "Tick off: Long done" not in page
    assert ada.post(reverse(f"{kind}-task-done", args=[record, call])).url == reverse(kind, args=[record])
    assert 'id="tasks"' not in page_of(ada, kind, record)
    assert ada.post(reverse(f"{kind}-task-done", args=[record, 999])).status_code == 404


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_a_task_beyond_those_that_are_listed_is_done_all_the_same(office, ada, astrid, kind):
    """R-WFA-8"""
    with office.inside() as world:
        record = astrid if kind == "contact" else companies.create("Fjällbo AB", by=SYSTEM).pk
        new = NewTask(kind, record, Wanted("Call"), Actor.user(world.ada.pk))
        *_listed, last = tasks.create_many([new] * (tasks.MOST + 1))
        assert last not in {task.pk for task in tasks.of(kind, record)}

    assert ada.post(reverse(f"{kind}-task-done", args=[record, last])).status_code == 302

    with office.inside():
        assert tasks.find(kind, record, last).completed_at is not None


def test_a_task_is_done_by_whose_it_is_and_who_may_change_the_record_alone(office, sign_in, astrid):
    """R-PERM-1"""
    with office.inside() as world:
        mine, other = (
            tasks.create("contact", astrid, Wanted("Call", assignee_id=who.pk), by=SYSTEM)
            for who in (world.bob, world.grace)
        )
    office.role(office.world.bob, records={"contact": {"view": "all"}})
    bob = sign_in(office.world.bob)

    assert bob.post(reverse("contact-task-done", args=[astrid, other])).status_code == 403
    assert bob.post(reverse("contact-task-done", args=[astrid, mine])).status_code == 302


def test_the_timeline_has_nothing_of_tickets_that_may_not_be_seen(office, sign_in, astrid):
    """R-PERM-1: neither what was said, nor that there is a ticket, nor how many."""
    everything = dict.fromkeys(("view", "edit", "delete", "communicate"), "all")
    own = dict.fromkeys(("view", "edit"), "own")
    office.role(office.world.grace, records={"contact": everything, "ticket": own}, capabilities=["service_access"])  # fmt: skip
    with office.inside() as world:
        ticket_id = customers.tickets_of(_viewer(world, world.ada), "contact", astrid)[0][0].id
        tickets.assign(ticket_id, owner_id=world.bob.pk, by=SYSTEM)
    client = sign_in(office.world.grace)

    shown = page_of(client, "contact", astrid)

    assert "Refund" not in shown
    assert "money" not in shown
    assert "Ticket opened" not in shown
    assert '<td class="num">1</td>' not in page_of(client, "contacts")


def _viewer(world, user):
    from deskhand.accounts.policy import viewer_for

    return viewer_for(world.account.pk, user.pk)


def test_the_timeline_goes_on_without_gap_or_twin(office, ada, astrid):
    for n in range(12):
        office.mail(f"Ticket {n}")
    with office.inside() as world:
        for n in range(20):
            contacts.update(astrid, {"phone": str(n)}, by=Actor.user(world.ada.pk))
        viewer = _viewer(world, world.ada)
        whole, _end = customers.timeline(viewer, "contact", astrid, limit=500)
        seen, after = [], ""
        while True:
            items, after = customers.timeline(viewer, "contact", astrid, after=after, limit=7)
            seen += [(item.what, item.id) for item in items]
            if not after:
                break

    assert seen == [(item.what, item.id) for item in whole]
    assert len(set(seen)) == len(seen) == 13 * 2 + 20

    first = page_of(ada, "contact", astrid)
    more = first[first.index('id="timeline-more"') :].split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert "timeline-item" in ada.get(more, headers=HTMX).content.decode()
    assert "<html" in ada.get(more).content.decode()


def test_a_page_of_the_list_that_is_none_is_not_found(ada):
    assert ada.get(reverse("contacts"), {"after": "x", "sort": "newest"}).status_code == 404


@pytest.mark.parametrize("place", ["x", "1-2", "1-2-3-4", "1-99-1", "99999999999999999999-1-1"])
def test_a_place_that_is_none_of_ours_is_not_found(ada, astrid, place):
    assert ada.get(reverse("contact-timeline", args=[astrid]), {"after": place}).status_code == 404


def test_the_page_costs_the_same_however_much_there_is(office, ada, astrid):
    with office.inside() as world:
        contacts.update(astrid, {"phone": "1"}, by=Actor.user(world.ada.pk))
        firm = companies.create("One", by=SYSTEM)
        companies.add_contact(firm.pk, astrid, by=SYSTEM)

    page, asked = reverse("contact", args=[astrid]), {"open": "phone"}
    before = queries_of(ada, page, data=asked)
    for n in range(8):
        office.mail(f"Ticket {n}")
        with office.inside() as world:
            contacts.update(astrid, {"phone": f"+{n}"}, by=Actor.user(world.bob.pk))
            companies.add_contact(companies.create(f"Firm {n}", by=SYSTEM).pk, astrid, by=SYSTEM)

    assert queries_of(ada, page, data=asked) == before


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_property_is_changed_in_its_place_with_and_without_a_script(office, ada, astrid):
    line = ada.get(reverse("contact-property", args=[astrid]), {"name": "phone", "open": ""}, headers=HTMX)
    assert 'name="value"' in line.content.decode()

    part = ada.post(
        reverse("contact-save", args=[astrid]), {"property": "phone", "value": " +47 1 "}, headers=HTMX
    ).content.decode()
    assert "+47 1" in part
    assert 'hx-target="#record-head"' in part
    assert "<form" not in part.split("<hx-partial")[0]

    plain = ada.post(reverse("contact-save", args=[astrid]), {"property": "jobtitle", "value": "Owner"})
    assert plain.status_code == 302
    assert plain.headers["Location"].endswith("#property-jobtitle")
    row = again(office, astrid)
    assert (row.phone, row.properties["jobtitle"]) == ("+47 1", "Owner")


def test_an_owner_who_left_stays_until_somebody_chooses_another(office, ada, astrid):
    with office.inside() as world:
        contacts.update(astrid, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)
    bob, place = office.world.bob.pk, reverse("contact-save", args=[astrid])
    before = again(office, astrid)

    editor = ada.get(
        reverse("contact-property", args=[astrid]), {"name": "hubspot_owner_id", "open": ""}, headers=HTMX
    )
    assert (str(bob), "Bob Noyce (not there any more)") in selected(editor)
    assert ada.post(place, {"property": "hubspot_owner_id", "value": bob}).status_code == 302
    kept = again(office, astrid)
    assert (kept.owner_id, kept.version) == (bob, before.version)

    ada.post(place, {"property": "hubspot_owner_id", "value": ""})
    assert ada.post(place, {"property": "hubspot_owner_id", "value": bob}).status_code == 422
    assert again(office, astrid).owner_id is None


def test_who_changed_it_stands_beside_the_value(office, ada, astrid):
    """R-DM-13"""
    ada.post(reverse("contact-save", args=[astrid]), {"property": "phone", "value": "+47 1"})

    shown = page_of(ada, "contact", astrid, open="phone")

    history = shown[shown.index("property-history") :]
    assert "+47 1" in history
    assert "Ada Lovelace" in history


def test_what_a_workflow_changed_names_it(office, ada, astrid):
    """R-DM-13: beside the value and among what happened."""
    with office.inside() as world:
        made = workflows.create(world.account.pk, "Called in", Definition("contact"))
        contacts.update(astrid, {"phone": "+47 1"}, by=Actor(ActorKind.WORKFLOW, made.pk))

    assert html.unescape(page_of(ada, "contact", astrid, open="phone")).count("workflow “Called in”") >= 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("email", "astrid", "is not an email address"),
        ("email", "grete@fjallbo.example", "is the address of another contact"),
        ("hubspot_owner_id", "999999", "Choose somebody of this account."),
        ("hubspot_owner_id", "x" * 50, "Choose somebody of this account."),
        ("createdate", "2020-01-01", "can&#39;t be changed here"),
        ("associatedcompanyid", "1", "can&#39;t be changed here"),
    ],
)
def test_what_is_refused_stays_with_the_reason(office, ada, astrid, name, value, words):
    with office.inside():
        grete = contacts.make({"email": "grete@fjallbo.example", "firstname": "Grete"}, by=SYSTEM)
    for more in ({}, {"headers": HTMX}):
        response = ada.post(
            reverse("contact-save", args=[astrid]), {"property": name, "value": value}, **more
        )

        assert response.status_code == 422
        if "changed here" not in words:
            assert words in response.content.decode()
        if "another" in words:
            assert reverse("contact", args=[grete]) in response.content.decode()
    with office.inside():
        assert PropertyChange.objects.filter(object_type="contact", record_id=astrid).count() == 0


@pytest.mark.parametrize(
    ("kind", "typed", "stored", "bad"),
    [
        ("number", "1 234,5", 1234.5, "many"),
        ("date", "2026-11-21", "2026-11-21", "tomorrow"),
        ("datetime", "2026-11-21T10:30", "2026-11-21T09:30:00+00:00", "soon"),
        ("datetime", "2026-11-21T10:30", "2026-11-21T09:30:00+00:00", "0001-01-01T00:00"),
        ("datetime", "2026-11-21T10:30", "2026-11-21T09:30:00+00:00", "9999-12-31T23:59-14:00"),
        ("bool", "true", True, None),
    ],
)
def test_values_are_typed_as_their_kind_and_read_in_the_zone_of_who_types(office, ada, astrid, kind, typed, stored, bad):  # fmt: skip
    from deskhand.crm.schema import properties
    from deskhand.crm.schema.types import Kind

    with office.inside() as world:
        type(world.account).objects.filter(pk=world.account.pk).update(zone="Europe/Copenhagen")
        properties.create("contact", "fact", "A fact", Kind(kind))
    url = reverse("contact-save", args=[astrid])

    assert ada.post(url, {"property": "fact", "value": typed}).status_code == 302
    assert again(office, astrid).properties["fact"] == stored
    if bad:
        assert bad in ada.post(url, {"property": "fact", "value": bad}).content.decode()
    assert ada.post(url, {"property": "fact", "value": ""}).status_code == 302
    assert "fact" not in again(office, astrid).properties


def test_who_may_only_look_changes_nothing(office, sign_in, astrid):
    office.role(office.world.grace, records={"*": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    shown = page_of(client, "contact", astrid, open="phone")

    assert "contact-save" not in shown
    assert 'name="value"' not in shown
    assert "/archive" not in shown
    assert "New contact" not in page_of(client, "contacts")
    for name in ("contact-save", "contact-archive", "contact-restore"):
        assert client.post(reverse(name, args=[astrid]), {"property": "phone", "value": "1"}).status_code == 403  # fmt: skip
    assert client.post(reverse("contact-add"), {"email": "x@x.example"}).status_code == 403
    assert again(office, astrid).phone == ""


def test_who_gives_a_contact_away_may_lose_sight_of_it(office, sign_in, astrid):
    own = dict.fromkeys(("view", "edit"), "own")
    office.role(office.world.grace, records={"contact": own}, capabilities=["service_access"])
    with office.inside() as world:
        contacts.update(astrid, {"hubspot_owner_id": world.grace.pk}, by=SYSTEM)
    client = sign_in(office.world.grace)

    answer = client.post(
        reverse("contact-save", args=[astrid]), {"property": "hubspot_owner_id", "value": office.world.bob.pk}, headers=HTMX
    )  # fmt: skip

    assert answer.headers["HX-Redirect"] == reverse("contacts")
    assert client.get(reverse("contact", args=[astrid])).status_code == 404


def test_a_contact_is_created_and_an_address_that_is_known_leads_to_its_owner(office, ada, astrid):
    form = {"email": "Ole@nord.example", "firstname": "Ole", "lastname": "Moe", "hubspot_owner_id": str(office.world.bob.pk)}  # fmt: skip
    made = ada.post(reverse("contact-add"), form)
    with office.inside():
        ole = Contact.objects.get(email="ole@nord.example")
    assert made.headers["Location"] == reverse("contact", args=[ole.pk])
    assert (ole.name, ole.owner_id) == ("Ole Moe", office.world.bob.pk)

    refused = ada.post(reverse("contact-add"), form | {"email": "astrid@fjallbo.example"})
    assert refused.status_code == 422
    text = refused.content.decode()
    assert reverse("contact", args=[astrid]) in text
    assert 'value="Ole"' in text

    assert ada.post(reverse("contact-add"), {}).status_code == 422


def test_an_address_of_somebody_out_of_sight_is_refused_without_a_name(office, sign_in, astrid):
    """R-PERM-1"""
    own = dict.fromkeys(("view", "edit"), "own")
    office.role(office.world.grace, records={"contact": own}, capabilities=["service_access"])

    refused = sign_in(office.world.grace).post(reverse("contact-add"), {"email": "astrid@fjallbo.example"})

    assert refused.status_code == 422
    assert "Lindqvist" not in refused.content.decode()
    assert f"/contacts/{astrid}" not in refused.content.decode()


def test_a_company_is_created_and_needs_a_name(office, ada):
    made = ada.post(reverse("company-add"), {"name": "Fjällbo AB", "domain": "Fjallbo.example"})
    assert "Fjällbo AB" in ada.get(made.headers["Location"]).content.decode()

    refused = ada.post(reverse("company-add"), {"name": " ", "domain": "x.example"})
    assert refused.status_code == 422
    assert "A company needs a name." in refused.content.decode()


def test_who_is_archived_is_in_no_list_and_comes_back(office, ada, astrid):
    ada.post(reverse("contact-archive", args=[astrid]))

    assert "Astrid" not in page_of(ada, "contacts")
    assert "Astrid" in page_of(ada, "contacts", list="archived")
    shown = page_of(ada, "contact", astrid)
    assert "Restore" in shown
    assert "property-form" not in page_of(ada, "contact", astrid, open="phone")

    ada.post(reverse("contact-restore", args=[astrid]))
    assert "Astrid" in page_of(ada, "contacts")


def test_who_can_not_come_back_is_said(office, ada, astrid):
    with office.inside():
        archive.archive("contact", [astrid], by=SYSTEM)
    office.mail("Once more")

    answer = ada.post(reverse("contact-restore", args=[astrid]), follow=True)

    assert "is the address of another contact" in answer.content.decode()


def test_contacts_and_companies_are_linked_from_both_sides(office, ada, astrid):
    with office.inside():
        one, two = (companies.create(name, by=SYSTEM, domain=f"{name.lower()}.example").pk for name in ("One", "Two"))  # fmt: skip

    assert "One" in page_of(ada, "contact-link", astrid, q="one.ex")
    ada.post(reverse("contact-linked", args=[astrid, one]))
    ada.post(reverse("company-linked", args=[two, astrid]))
    assert again(office, astrid).company_id == one
    ada.post(reverse("contact-primary", args=[astrid, two]))
    assert again(office, astrid).company_id == two

    offered = page_of(ada, "contact-link", astrid)
    assert reverse("contact-linked", args=[astrid, one]) not in offered
    ada.post(reverse("company-unlink", args=[two, astrid]))
    assert again(office, astrid).company_id == one
    assert ada.post(reverse("contact-linked", args=[astrid, 999999])).status_code == 404


# ── merging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def twin(office, astrid) -> int:
    """Astrid again, by another address."""
    return office.mail("My tent", sender=Mailbox("astrid@gmail.example", "A. Lindqvist")).contact_id


def test_two_contacts_are_chosen_compared_and_merged(office, ada, astrid, twin):
    """R-MERGE-2, R-MERGE-6, R-MERGE-7"""
    chosen = page_of(ada, "contact-merge", astrid, q="gmail")
    assert reverse("contact-merge-with", args=[astrid, twin]) in chosen
    assert "1 open ticket" in chosen

    shown = page_of(ada, "contact-merge-with", astrid, twin)
    assert "astrid@gmail.example" in shown
    assert "Mail from astrid@gmail.example is mail from Astrid Lindqvist." in shown
    assert "Additional email addresses" in shown
    assert reverse("contact-merge-with", args=[twin, astrid]) in shown

    assert ada.post(reverse("contact-merged", args=[astrid, twin])).status_code == 302
    old = ada.get(reverse("contact", args=[twin]))
    assert old.headers["Location"] == reverse("contact", args=[astrid])
    survivor = page_of(ada, "contact", astrid)
    assert "My tent" in survivor
    assert "Refund still missing" in survivor
    assert "astrid@gmail.example" in survivor
    assert reverse("contact-unmerge", args=[astrid, twin]) in survivor
    assert "A. Lindqvist" not in page_of(ada, "contacts")


def test_mail_to_the_old_conversation_and_from_the_old_address_is_the_survivors(
    office, ada, astrid, twin, wired
):
    """R-MERGE-6"""
    ada.post(reverse("contact-merged", args=[astrid, twin]))

    again_written = office.mail("Once more", sender=Mailbox("astrid@gmail.example", "A. Lindqvist"))

    assert again_written.contact_id == astrid
    with office.inside():
        assert set(Thread.objects.values_list("contact_id", flat=True)) == {astrid}


def test_a_task_of_who_was_merged_is_done_from_the_old_page_R_MERGE_6(office, ada, astrid, twin):
    with office.inside() as world:
        new = NewTask("contact", twin, Wanted("Call"), Actor.user(world.ada.pk))
        [task] = tasks.create_many([new])
    ada.post(reverse("contact-merged", args=[astrid, twin]))

    done = ada.post(reverse("contact-task-done", args=[twin, task]))

    assert done.headers["Location"] == reverse("contact", args=[astrid])
    with office.inside():
        assert tasks.find("contact", astrid, task).completed_at is not None


def test_a_merge_is_undone_from_the_page(office, ada, astrid, twin, wired):
    """R-MERGE-8: conversations too are the other one's again."""
    ada.post(reverse("contact-merged", args=[astrid, twin]))

    with office.inside():
        assert set(Thread.objects.values_list("contact_id", flat=True)) == {astrid}
    ada.post(reverse("contact-unmerge", args=[astrid, twin]))

    assert "My tent" not in page_of(ada, "contact", astrid)
    assert "My tent" in page_of(ada, "contact", twin)
    with office.inside():
        assert set(Thread.objects.values_list("contact_id", flat=True)) == {astrid, twin}
    assert ada.post(reverse("contact-unmerge", args=[astrid, twin])).status_code == 404


def test_merging_needs_the_right_to_change_both(office, sign_in, astrid, twin):
    """R-PERM-1"""
    records = {"contact": {"view": "all", "edit": "own"}}
    office.role(office.world.grace, records=records, capabilities=["service_access"])
    with office.inside() as world:
        contacts.update(astrid, {"hubspot_owner_id": world.grace.pk}, by=SYSTEM)
    client = sign_in(office.world.grace)

    for pair in ((astrid, twin), (twin, astrid)):
        assert client.get(reverse("contact-merge-with", args=pair)).status_code == 403
        assert client.post(reverse("contact-merged", args=pair)).status_code == 403
    assert again(office, twin).archived_at is None


def test_a_contact_is_not_merged_with_itself(ada, astrid):
    assert ada.get(reverse("contact-merge-with", args=[astrid, astrid])).status_code == 404
    assert ada.post(reverse("contact-merged", args=[astrid, astrid])).status_code == 404


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def letter(office, **more) -> dict[str, str]:
    return {"channel": str(office.world.channel.pk), "to": "astrid@fjallbo.example", "subject": "Your tent", "body": "It is here.", "send_key": "k"} | more  # fmt: skip


def test_t_stat_2_mail_is_written_from_the_contact_and_moves_nothing(office, ada, astrid):
    """R-STAT-4, T-STAT-2"""
    with office.inside():
        before = Ticket.objects.values().get()
    assert "support@nordlys.example" in page_of(ada, "contact-email", astrid)

    for _twice in range(2):
        sent = ada.post(reverse("contact-send", args=[astrid]), letter(office))
        assert sent.headers["Location"] == reverse("contact", args=[astrid])

    with office.inside():
        assert Ticket.objects.values().get() == before
        assert OutboxEntry.objects.filter(recipients=["astrid@fjallbo.example"]).count() == 1
    shown = page_of(ada, "contact", astrid)
    assert "Your tent" in shown
    assert "It is here." in shown


def test_a_mail_that_is_refused_stays_as_it_was_typed(office, ada, astrid):
    refused = ada.post(reverse("contact-send", args=[astrid]), letter(office, subject=""))

    assert refused.status_code == 422
    assert "The mail needs a subject." in refused.content.decode()
    assert "It is here." in refused.content.decode()
    for field in ("to", "channel"):
        assert (
            ada.post(reverse("contact-send", args=[astrid]), letter(office, **{field: "x"})).status_code
            == 422
        )
    with office.inside():
        assert OutboxEntry.objects.count() == 0


def test_who_may_not_write_to_a_contact_does_not(office, sign_in, astrid):
    records = {"*": {"view": "all", "edit": "all"}}
    office.role(office.world.grace, records=records, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    assert reverse("contact-email", args=[astrid]) not in page_of(client, "contact", astrid)
    assert client.get(reverse("contact-email", args=[astrid])).status_code == 403
    assert client.post(reverse("contact-send", args=[astrid]), letter(office)).status_code == 403


def test_such_a_mail_may_be_formatted(office, ada, astrid):
    """S1: cleaned, and its text is made from it; what is refused stays formatted"""
    markup = "<p onclick=x()>Hello <strong>Astrid</strong></p>"
    ada.post(reverse("contact-send", args=[astrid]), letter(office, html=markup))

    with office.inside():
        sent = Message.objects.order_by("-id").first()
        assert (sent.text, sent.html) == ("Hello Astrid", "<p>Hello <strong>Astrid</strong></p>")
    refused = ada.post(
        reverse("contact-send", args=[astrid]), letter(office, subject="", html=markup, send_key="k2")
    )
    assert 'data-rich="1"' in refused.content.decode()


def test_the_answer_to_such_a_mail_opens_a_ticket_with_all_that_was_said(office, ada, astrid):
    ada.post(reverse("contact-send", args=[astrid]), letter(office))
    with office.inside() as world:
        said = Message.objects.get(subject="Your tent")
        answer = InboundMessage(
            external_id="9@fjallbo.example", sender=Mailbox("astrid@fjallbo.example"), subject="Re: Your tent", text="Thanks",
            received_at=office.at, answers=(said.external_id,),
        )  # fmt: skip
        received = threads.receive(Incoming(world.channel.pk, answer), at=office.at)
        assert (received.thread_id, received.ticket_id) == (said.thread_id, None)
        event = Event(
            threads.RECEIVED, "thread", received.thread_id, 1, Actor(ActorKind.VISITOR, astrid), office.at,
            {"message_id": received.message_id, "ticket_id": None, "thread_id": received.thread_id, "opened": False, "unverified": False, "automatic": "no", "sender": "contact"},
        )  # fmt: skip
        for _told_twice in range(2):
            wiring.route_again(world.account.pk, [event])

        ticket = Ticket.objects.get(subject="Your tent")
        assert ticket.contact_id == astrid
        assert ticket.originating_thread_id == said.thread_id
        assert Message.objects.filter(ticket_id=ticket.pk).count() == 2
        assert ticket.stage_id == world.stage("New")
