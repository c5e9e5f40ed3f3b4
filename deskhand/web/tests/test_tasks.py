"""Tasks beside a ticket: written, ticked off, opened again and deleted, with and without scripts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation.models import Workflow
from deskhand.crm.records import associations, companies, objects, tasks, tickets
from deskhand.crm.records.models import Contact, Task, Ticket
from deskhand.crm.records.tasks import NewTask, Wanted
from deskhand.events.types import SYSTEM, Actor, ActorKind
from deskhand.kernel import clock
from deskhand.web import times
from deskhand.web.tests.conftest import queries_of, text_of
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ticket(office) -> Ticket:
    return office.mail()


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def url(ticket, rest=""):
    return f"/inbox/all-open/{ticket.pk}/tasks{rest}"


def page(client, ticket):
    return client.get(f"/inbox/all-open/{ticket.pk}").content.decode()


def panel(client, ticket):
    """The text of the tasks beside a ticket."""
    found = page(client, ticket)
    found = found[found.index('id="section-tasks"') :]
    return text_of(found[: found.index("</details>")])


def make(office, ticket, title="Call back", **more):
    with office.inside() as world:
        return tasks.create("ticket", ticket.pk, Wanted(title, **more), by=Actor.user(world.ada.pk))


def stored(office):
    with office.inside():
        return Task.objects.get()


def test_a_task_is_written_without_scripts(office, ticket, client):
    """R-WFA-8: title, notes, assignee and a due date in one's own zone."""
    office.world.grace.zone = "Europe/Oslo"
    office.world.grace.save()
    assert url(ticket, "/new") in page(client, ticket)
    form = client.get(url(ticket, "/new")).content.decode()
    assert f'action="{url(ticket)}"' in form
    assert f'<option value="{office.world.grace.pk}" selected>' in form  # nobody owns the ticket

    given = {
        "title": "Call back",
        "notes": "Ask for the number",
        "assignee": office.world.bob.pk,
        "due_at": "2026-12-24T18:00",
    }
    response = client.post(url(ticket), given)

    assert response.headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    task = stored(office)
    assert (task.title, task.notes, task.assignee_id) == (
        "Call back",
        "Ask for the number",
        office.world.bob.pk,
    )
    assert task.due_at.isoformat() == "2026-12-24T17:00:00+00:00"
    assert (task.created_by_kind, task.created_by_id) == ("user", office.world.grace.pk)
    shown = panel(client, ticket)
    assert "Call back Ask for the number" in shown
    assert "24 Dec" in shown
    assert "Bob Noyce" in shown
    assert 'value="2026-12-24T18:00"' in client.get(url(ticket, f"/{task.pk}")).content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": " "}, "Give the task a title. Say what is to be done."),
        ({"title": "x" * 251}, "The title is too long."),
        ({"due_at": "soon"}, "“soon” is no date and time."),
        ({"due_at": "0001-01-01T00:00-14:00"}, "is no date and time."),
        ({"assignee": "x"}, "x is not a number."),
        ({"assignee": "9" * 5000}, "is not a number."),  # longer than Python reads
        ({"assignee": "999999"}, "This person may not see tickets."),
        ({"notes": "x" * 10_001}, "The notes are too long."),
        ({"priority": "URGENT"}, "“URGENT” is no priority."),
        ({"kind": "FAX"}, "“FAX” is no type of task."),
        ({"reminder": "0"}, "The task has no due date."),
        ({"reminder": "7"}, "“7” is no reminder."),
        ({"reminder": "at"}, "Say when to remind."),
        ({"reminder": "at", "remind_at": "soon"}, "“soon” is no date and time."),
        ({"reminder": "60", "due_at": "2020-01-01T10:00"}, "This reminder would be in the past."),
    ],
)
def test_what_is_refused_stays_typed_with_the_reason_beside_it(office, ticket, client, headers, given, words):
    task_id = make(office, ticket)
    for place in (url(ticket), url(ticket, f"/{task_id}/save")):
        response = client.post(place, {"title": "Write & call", "notes": "", **given}, headers=headers)

        assert response.status_code == 422
        assert words in texts(response)
        assert 'aria-invalid="true"' in response.content.decode()
        if "title" not in given:
            assert 'value="Write &amp; call"' in response.content.decode()
    assert stored(office).title == "Call back"


def test_a_task_is_edited_ticked_off_opened_again_and_deleted(office, ticket, client):
    task_id = make(office, ticket)
    client.post(
        url(ticket, f"/{task_id}/save"), {"title": "Write", "assignee": "", "due_at": "", "notes": ""}
    )
    assert stored(office).title == "Write"

    told = client.post(url(ticket, f"/{task_id}/done"), {"done": "1"}, headers=HTMX)
    assert "Done: Write" in texts(told)
    assert "1 done" in panel(client, ticket)
    assert stored(office).completed_at
    client.post(url(ticket, f"/{task_id}/done"), {"done": "0"})
    assert not stored(office).completed_at

    told = client.post(url(ticket, f"/{task_id}/delete"), {"deleted": "1"}, headers=HTMX)
    assert "Task deleted" in texts(told)
    assert "Write" not in panel(client, ticket)
    client.post(url(ticket, f"/{task_id}/delete"), {"deleted": "0"})
    assert "Write" in panel(client, ticket)

    history = texts(client.get(f"/inbox/all-open/{ticket.pk}/history"))
    for line in (
        "added: Call back",
        "edited: Write",
        "done: Write",
        "opened again: Write",
        "deleted: Write",
        "restored: Write",
    ):
        assert f"Task {line}" in history
    assert "Ada Lovelace" in history


def test_overdue_is_said_in_words_and_only_while_it_is_open(office, ticket, client):
    task_id = make(office, ticket, due_at=clock.now() - timedelta(hours=1))
    assert "Overdue" in panel(client, ticket)
    client.post(url(ticket, f"/{task_id}/done"), {"done": "1"})

    assert "Overdue" not in panel(client, ticket)


def test_the_task_of_a_workflow_names_it(office, ticket, client):
    """R-ACT-24"""
    with office.inside() as world:
        flow = Workflow.objects.create(
            account_id=world.account.pk, name="Triage", object_type="ticket", created_at=clock.now()
        )
        by = Actor(ActorKind.WORKFLOW, flow.pk)
        tasks.create_many([NewTask("ticket", ticket.pk, Wanted("Thank them"), by, key="step:1:1:0")])

    assert "workflow “Triage”" in panel(client, ticket)


def test_whose_task_it_is_may_tick_it_off_and_no_more(office, ticket, sign_in):
    """R-PERM-1"""
    see = {"ticket": {"view": "all"}}
    office.role(office.world.nils, records=see, capabilities=["service_access"])
    client = sign_in(office.world.nils)
    theirs, other = (
        make(office, ticket, "Theirs", assignee_id=office.world.nils.pk),
        make(office, ticket, "Other"),
    )

    shown = page(client, ticket)
    assert url(ticket, f"/{theirs}/done") in shown
    assert url(ticket, f"/{other}/done") not in shown
    assert url(ticket, "/new") not in shown
    assert client.post(url(ticket, f"/{theirs}/done"), {"done": "1"}).status_code == 302
    assert client.post(url(ticket, f"/{other}/done"), {"done": "1"}).status_code == 403
    for rest in ("", f"/{theirs}/save", f"/{theirs}/delete"):
        assert client.post(url(ticket, rest), {"title": "Mine"}).status_code == 403
    assert (
        client.get(url(ticket, "/new")).status_code
        == client.get(url(ticket, f"/{theirs}")).status_code
        == 403
    )


def test_a_task_is_found_at_its_own_ticket_alone(office, ticket, client):
    task_id = make(office, office.mail("Another"))

    for rest in ("done", "save", "delete"):
        assert client.post(url(ticket, f"/{task_id}/{rest}"), {"done": "1", "title": "x"}).status_code == 404
    assert client.get(url(ticket, f"/{task_id}")).status_code == 404


def test_leaving_the_form_leads_back(office, ticket, client):
    task_id = make(office, ticket)

    for rest in ("/new/shown", f"/{task_id}/shown"):
        assert client.get(url(ticket, rest)).headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    assert "Add a task" in texts(client.get(url(ticket, "/new/shown"), headers=HTMX))
    assert "Call back" in texts(client.get(url(ticket, f"/{task_id}/shown"), headers=HTMX))


def test_tasks_follow_a_merge_and_count_no_queries(office, ticket, client):
    """R-MERGE-6"""
    make(office, ticket)
    there = f"/inbox/all-open/{ticket.pk}"
    client.get(there)
    one = queries_of(client, there)
    for n in range(20):
        make(office, ticket, f"Call {n}")

    assert queries_of(client, there) == one
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)
    assert (
        f'<option value="{office.world.bob.pk}" selected>' in client.get(url(ticket, "/new")).content.decode()
    )


def test_the_form_of_a_task_reads_nothing_of_the_conversation(office, ticket, client):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url(ticket, "/new"), headers=HTMX).status_code == 200
    tables = ("desk_message", "desk_attachment", "crm_propertychange", "desk_follower")
    assert not [
        query["sql"] for query in queries if any(f'from "{one}"' in query["sql"].lower() for one in tables)
    ]


def test_type_priority_and_reminder_are_chosen_shown_and_kept(office, ticket, client):
    """R-WFA-8"""
    due = (clock.now() + timedelta(days=3)).replace(second=0, microsecond=0)
    given = {
        "title": "Call back",
        "assignee": "",
        "notes": "",
        "due_at": times.field(due),
        "kind": "CALL",
        "priority": "HIGH",
        "reminder": "1440",
    }
    client.post(url(ticket), given)

    task = stored(office)
    assert (task.kind, task.priority, task.remind_at) == ("CALL", "HIGH", due - timedelta(days=1))
    shown = panel(client, ticket)
    assert "High" in shown
    assert "Call Reminder" in shown
    form = client.get(url(ticket, f"/{task.pk}")).content.decode()
    for option in ('value="CALL" selected', 'value="HIGH" selected', 'value="1440" selected'):
        assert option in form

    client.post(url(ticket, f"/{task.pk}/save"), {**given, "due_at": times.field(due + timedelta(days=1))})
    assert stored(office).remind_at == due  # it moves with the due date
    moment = due + timedelta(hours=2)
    client.post(
        url(ticket, f"/{task.pk}/save"), {**given, "reminder": "at", "remind_at": times.field(moment)}
    )
    assert stored(office).remind_at == moment
    assert (
        f'name="remind_at" value="{times.field(moment)}"'
        in client.get(url(ticket, f"/{task.pk}")).content.decode()
    )

    client.post(url(ticket, f"/{task.pk}/save"), {"title": "Call", "assignee": ""})  # names no more than that
    assert (stored(office).title, stored(office).remind_at, stored(office).kind) == ("Call", moment, "CALL")
    client.post(
        url(ticket, f"/{task.pk}/save"), {**given, "reminder": "", "kind": "TODO", "priority": "NONE"}
    )
    assert stored(office).remind_at is None
    assert "Reminder" not in panel(client, ticket)


# ── further records ──────────────────────────────────────────────────────────────────────────────────────────────────


FORM = {"title": "Call back", "assignee": "", "notes": "", "due_at": ""}


def boxes(response):
    """{name beside it: (its value, whether it is ticked)} of the records that the form offers."""
    found = re.findall(
        r'name="also" value="(\w+:\d+)"( checked)?>.*?<span class="linked-words"><span>([^<]*)<', response.content.decode()
    )  # fmt: skip
    return {name: (value, bool(ticked)) for value, ticked, name in found}


def records(office, task_id):
    with office.inside():
        return tasks.records_of([task_id])[task_id]


def test_further_records_are_found_ticked_and_taken_away_in_the_form_R_WFA_8(office, ticket, client):
    """Without scripts, and with them: what is linked is offered, all else is looked for."""
    with office.inside():
        firm = companies.create("Fjällbo AB", by=SYSTEM)
        far = companies.create("Faraway Ltd", by=SYSTEM)
        associations.link_many([("ticket", ticket.pk, "company", firm.pk)], office.at)
        person = Contact.objects.get(pk=ticket.contact_id)
    astrid = f"contact:{person.pk}"
    offered = boxes(client.get(url(ticket, "/new"), headers=HTMX))
    assert offered == {person.name: (astrid, False), "Fjällbo AB": (f"company:{firm.pk}", False)}

    find = FORM | {"also": ["", astrid], "also_kind": "company", "also_text": "Faraway", "find": "1"}
    again = client.post(url(ticket), find, headers=HTMX)
    assert again.status_code == 422
    assert boxes(again)["Faraway Ltd"] == (f"company:{far.pk}", False)
    assert boxes(again)[person.name] == (astrid, True)
    assert 'value="Call back"' in again.content.decode()
    with office.inside():
        assert not Task.objects.exists()

    client.post(
        url(ticket), FORM | {"also": ["", astrid, f"company:{far.pk}"], "find": "1", "also_text": " "}
    )
    task = stored(office)
    assert records(office, task.pk) == [("ticket", ticket.pk), ("contact", person.pk), ("company", far.pk)]
    shown = panel(client, ticket)
    assert (person.name in shown, "Faraway Ltd" in shown, "Fjällbo AB" in shown) == (True, True, False)

    ticked = boxes(client.get(url(ticket, f"/{task.pk}"), headers=HTMX))
    assert {name for name, (_value, is_ticked) in ticked.items() if is_ticked} == {person.name, "Faraway Ltd"}
    client.post(url(ticket, f"/{task.pk}/save"), FORM | {"also": ["", f"company:{far.pk}"]})
    assert records(office, task.pk) == [("ticket", ticket.pk), ("company", far.pk)]
    client.post(url(ticket, f"/{task.pk}/save"), FORM)  # a form that says nothing of them
    assert len(records(office, task.pk)) == 2
    client.post(url(ticket, f"/{task.pk}/save"), FORM | {"also": ""})
    assert records(office, task.pk) == [("ticket", ticket.pk)]


def test_nothing_found_is_said_and_what_is_no_record_is_refused_in_its_place_R_WFA_8(office, ticket, client):
    find = FORM | {"also_kind": "company", "also_text": "Nobody", "find": "1"}
    assert "Nothing else was found." in client.post(url(ticket), find, headers=HTMX).content.decode()
    itself = find | {"also_kind": "ticket", "also_text": f"#{ticket.number}"}
    assert "Nothing else was found." in client.post(url(ticket), itself, headers=HTMX).content.decode()

    for wrong in ("company:999999", "planet:1", "company", "1"):
        answer = client.post(url(ticket), FORM | {"also": ["", wrong]}, headers=HTMX)
        assert answer.status_code == 422
        assert 'id="task-new-also-error"' in answer.content.decode()
    with office.inside():
        assert not Task.objects.exists()


def test_of_the_records_of_a_task_everybody_sees_what_they_may_and_the_rest_stays_R_WFA_8(
    office, ticket, sign_in
):
    """Nils sees no companies: they are not named, not offered, and not lost when he saves."""
    with office.inside():
        firm = companies.create("Secret AB", by=SYSTEM)
        task_id = tasks.create("ticket", ticket.pk, Wanted("Call"), by=SYSTEM, also=[("company", firm.pk)])
    may = {"ticket": {"view": "all", "edit": "all"}}
    office.role(office.world.nils, records=may, capabilities=["service_access"])
    nils = sign_in(office.world.nils)

    assert "Call" in panel(nils, ticket)
    for address in (f"/inbox/all-open/{ticket.pk}", url(ticket, f"/{task_id}"), "/tasks?list=all"):
        assert "Secret AB" not in nils.get(address).content.decode()
    assert (
        nils.post(url(ticket), FORM | {"also": ["", f"company:{firm.pk}"]}, headers=HTMX).status_code == 422
    )
    nils.post(url(ticket, f"/{task_id}/save"), FORM | {"title": "Write", "also": ""})
    assert records(office, task_id) == [("ticket", ticket.pk), ("company", firm.pk)]
    assert stored(office).title == "Write"


def test_a_task_is_changed_by_who_may_change_its_main_record_R_WFA_8(office, ticket, sign_in):
    """At another of its records it is shown, with the way to the main one, and whose it is ticks it off there."""
    with office.inside() as world:
        other = world.ticket("The other")
        deal = objects.create("deal", {"dealname": "Big order"}, by=SYSTEM).id
        also = [("ticket", ticket.pk), ("ticket", other.pk)]
        ids = [
            tasks.create("deal", deal, Wanted(title, assignee_id=who), by=SYSTEM, also=also)
            for title, who in (("Theirs", world.nils.pk), ("Nobody's", None))
        ]
    see = {"ticket": {"view": "all", "edit": "all"}, "deal": {"view": "all"}}
    office.role(office.world.nils, records=see, capabilities=["service_access"])
    nils, grace = sign_in(office.world.nils), sign_in(office.world.grace)

    shown = page(nils, ticket)
    assert "Big order" in panel(nils, ticket)
    assert "The other" in panel(nils, ticket)
    theirs, nobodys = (url(ticket, f"/{pk}") for pk in ids)
    assert (f"{theirs}/done" in shown, f"{nobodys}/done" in shown) == (True, False)
    assert not any(f'href="{one}"' in shown for one in (theirs, nobodys))
    for rest in ("/save", "/delete", "/done"):
        assert nils.post(nobodys + rest, FORM | {"done": "1"}).status_code == 403
    assert nils.get(theirs).status_code == 403
    assert nils.post(f"{theirs}/done", {"done": "1"}).status_code == 302

    assert f'href="{nobodys}"' in page(grace, ticket)
    grace.post(f"{nobodys}/save", FORM | {"title": "Ours", "also": ["", f"ticket:{ticket.pk}"]})
    assert records(office, ids[1]) == [("deal", deal), ("ticket", ticket.pk)]
    grace.post(f"{nobodys}/delete", {"deleted": "1"})
    assert "Ours" not in panel(grace, ticket)
    grace.post(f"{nobodys}/delete", {"deleted": "0"})
    assert "Ours" in panel(grace, ticket)
    assert (
        grace.post(url(other, f"/{ids[1]}/save"), FORM).status_code == 404
    )  # it is not about that one any more


def test_the_records_of_many_tasks_are_read_by_as_many_queries_as_those_of_one_R_WFA_8(
    office, ticket, client
):
    def more(count):
        with office.inside() as world:
            for n in range(count):
                person = world.contact(f"{office.at:%H}{count}{n}@x.example").pk
                also = [("contact", person), ("ticket", world.ticket().pk)]
                tasks.create("ticket", ticket.pk, Wanted("Call"), by=SYSTEM, also=also)
                tasks.create("contact", person, Wanted("Write"), by=SYSTEM, also=[("ticket", ticket.pk)])

    pages = (f"/inbox/all-open/{ticket.pk}", "/tasks?list=all", f"/contacts/{ticket.contact_id}")
    more(1)
    for page_ in pages:
        client.get(page_)  # what is asked for once in a process
    few = [queries_of(client, page_) for page_ in pages]
    more(12)
    assert [queries_of(client, page_) for page_ in pages] == few
