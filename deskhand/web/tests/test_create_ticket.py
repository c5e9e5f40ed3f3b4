"""Tickets made by hand: by a form that names its errors, and routed when nobody is chosen."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.records import joining
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk.types import Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.routing import rules
from deskhand.routing.types import Option
from deskhand.web.tests.test_inbox import HTMX, texts

NEW = "/tickets/new"
CREATE = "/tickets/create"


@pytest.fixture
def form(office):
    with office.inside() as world:
        return {"subject": "A call about order 7", "status": str(world.stage("New"))}


def goes_to(world, user) -> None:
    rules.set_rule(
        world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[user.pk], only_available=False, by=SYSTEM
    )  # fmt: skip


def made(office) -> Ticket:
    with office.inside():
        return Ticket.objects.select_related("contact").get()


def test_a_ticket_is_created_for_a_contact_who_is_made(office, sign_in, form):
    form |= {
        "email": "Eva@Fjord.example", "name": "Eva Holm", "content": "She waits.\r\nCall back.", "priority": "HIGH",
    }  # fmt: skip

    answer = sign_in(office.world.grace).post(CREATE, form)

    ticket = made(office)
    assert answer.headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    assert (ticket.subject, ticket.content, ticket.priority) == (
        "A call about order 7",
        "She waits.\nCall back.",
        "HIGH",
    )
    assert (ticket.contact.email, ticket.contact.name) == ("eva@fjord.example", "Eva Holm")
    assert ticket.source_type == "MANUAL"
    assert (ticket.created_by_kind, ticket.created_by_id) == ("user", office.world.grace.pk)


def test_a_contact_who_is_known_is_found(office, sign_in, form):
    with office.inside() as world:
        known = world.contact()

    sign_in(office.world.grace).post(CREATE, form | {"email": "ASTRID@fjallbo.example", "name": "Someone"})

    assert made(office).contact_id == known.pk
    with office.inside():
        assert Contact.objects.get().name == "Astrid Lindqvist"


def test_a_contact_is_found_by_a_further_address(office, sign_in, form):
    """R-CC-11"""
    office.mail(sender=Mailbox("eva@fjord.example", "Eva"))
    office.mail(sender=Mailbox("eva@home.example", "Eva"))
    with office.inside() as world:
        kept, gone = (Contact.objects.get(email=one) for one in ("eva@fjord.example", "eva@home.example"))
        joining.join("contact", kept.pk, gone.pk, by=Actor.user(world.ada.pk), at=office.at)
        Ticket.objects.all().update(subject="Before")

    answer = sign_in(office.world.grace).post(CREATE, form | {"email": "eva@home.example"})

    assert answer.status_code == 302
    with office.inside():
        assert Ticket.objects.get(subject=form["subject"]).contact_id == kept.pk


def test_it_stands_where_it_was_asked_for(office, sign_in, form):
    with office.inside() as world:
        closed = world.stage("Closed")
    client = sign_in(office.world.grace)

    page = client.get(NEW, {"status": closed}).content.decode()
    client.post(CREATE, form | {"status": closed})

    assert f'<option value="{closed}" selected>Closed' in page
    assert made(office).is_closed


def test_from_the_board_of_a_pipeline_it_begins_in_that_pipeline_R_PIPE_11(office, sign_in):
    stages = [NewStage("Reported", OPEN), NewStage("Returned", CLOSED)]
    with office.inside() as world:
        made_ = pipelines.create(world.account.pk, "ticket", "Recalls", stages)
    client = sign_in(office.world.grace)
    shown = client.get(reverse("board", args=[made_.id])).content.decode()

    ways = re.findall(r'href="(/tickets/new[^"]*)"', shown)
    asked = [client.get(way.replace("&amp;", "&")).content.decode() for way in ways]

    assert f"{NEW}?pipeline={made_.id}" in ways
    for page in asked:
        assert "selected>Reported" in page
    assert "selected>New" in client.get(NEW, {"pipeline": "x"}).content.decode()


@pytest.mark.parametrize(
    ("owner", "team"), [("user", False), ("team", True), ("none", False)], ids=["person", "team", "nobody"]
)
def test_whom_one_chooses_gets_it_and_no_rule_is_asked_R_ROUTE_71(office, sign_in, form, owner, team):
    bob, support = office.world.bob.pk, office.world.team.pk
    value = {"user": f"user:{bob}", "team": f"team:{support}", "none": "none"}[owner]
    with office.inside() as world:
        goes_to(world, world.grace)

    sign_in(office.world.grace).post(CREATE, form | {"owner": value})

    ticket = made(office)
    assert ticket.owner_id == (bob if owner == "user" else None)
    assert (support in ticket.assigned_team_ids) == (team or owner == "user")


def test_where_nobody_is_chosen_the_help_desks_rule_chooses(office, sign_in, form, wired):
    with office.inside() as world:
        goes_to(world, world.bob)

    sign_in(office.world.grace).post(CREATE, form)

    assert made(office).owner_id == office.world.bob.pk


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"subject": "  "}, "subject", "A ticket needs a subject."),
        ({"subject": "x" * 501}, "subject", "The subject is too long."),
        ({"email": "not an address"}, "email", "This is not an email address."),
        ({"name": "Eva"}, "email", "A contact needs an email address."),
        ({"priority": "SOON"}, "priority", "hs_ticket_priority"),
        ({"status": "999999"}, "status", "There is no such status."),
        ({"owner": "user:999999"}, "owner", "Choose a person or a team."),
        ({"owner": "user:\u00b2"}, "owner", "Choose a person or a team."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    office, sign_in, form, wrong, field, said
):
    client = sign_in(office.world.grace)

    for more in ({}, {"headers": HTMX}):
        answer = client.post(CREATE, form | {"content": "Kept text"} | wrong, **more)
        error = re.search(rf'id="new-{field}-error"[^>]*>.*?</svg>([^<]*)<', answer.content.decode())
        assert answer.status_code == 422
        assert said in error[1]
        assert "Kept text" in answer.content.decode()
    with office.inside():
        assert not Ticket.objects.exists()
        assert not Contact.objects.exists()


def test_a_script_gets_the_drawer_and_is_led_to_the_ticket(office, sign_in, form):
    client = sign_in(office.world.grace)

    drawer = client.get(NEW, headers=HTMX)
    answer = client.post(CREATE, form, headers=HTMX)

    assert "<html" not in drawer.content.decode()
    assert 'hx-post="/tickets/create"' in drawer.content.decode()
    assert answer.headers["HX-Redirect"] == f"/inbox/all-open/{made(office).pk}"


def test_who_may_change_no_tickets_makes_none(office, sign_in, form):
    """R-PERM-1"""
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    assert client.get(NEW).status_code == 403
    assert client.post(CREATE, form).status_code == 403
    assert NEW not in client.get("/tickets", follow=True).content.decode()
    assert made_none(office)


def made_none(office) -> bool:
    with office.inside():
        return not Ticket.objects.exists()


def test_who_may_make_no_contacts_names_one_that_is_there(office, sign_in, form):
    records = {"ticket": {"view": "all", "edit": "all"}, "contact": {"view": "all"}}
    office.role(office.world.grace, records=records, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    refused = client.post(CREATE, form | {"email": "new@fjord.example"})
    assert refused.status_code == 422
    assert "you may not create contacts" in texts(refused)
    with office.inside() as world:
        world.contact()
    assert client.post(CREATE, form | {"email": "astrid@fjallbo.example"}).status_code == 302


def test_who_gives_a_ticket_away_and_loses_sight_of_it_is_told(office, sign_in, form):
    own = {"view": "own", "edit": "own"}
    office.role(office.world.grace, records={"ticket": own}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    answer = client.post(CREATE, form | {"owner": f"user:{office.world.bob.pk}"}, follow=True)

    assert answer.status_code == 200
    assert f"Ticket #{made(office).number} is created. You may not see it." in texts(answer)


# ── what a status asks for ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asking(office):
    """“New” asks for a number and a priority; “Waiting on us” may be told a colour. Tickets begin in these two."""
    with office.inside() as world:
        for name, label, kind in (
            ("order_number", "Order number", Kind.NUMBER),
            ("color", "Color", Kind.TEXT),
        ):
            properties.create("ticket", name, label, kind, by=SYSTEM)
        new, us = world.stage("New"), world.stage("Waiting on us")
        asks = {
            new: (Ask("order_number", True), Ask("hs_ticket_priority", True), Ask("content", True)), us: (Ask("color", False),),
        }  # fmt: skip
        given = Rules(creation=(new, us), limits_creation=True, asks=asks)
        pipelines.set_rules(
            Pipeline.objects.get(key="0", object_type="ticket"), given, by=Actor.user(world.ada.pk)
        )
        return {"New": str(new), "Waiting on us": str(us), "Closed": str(world.stage("Closed"))}


def errors_of(answer) -> dict[str, str]:
    found = re.findall(
        r'id="(?:new|ask)-(\w+)-error"[^>]*>.*?</svg>(?:<span>)?([^<]*)<', answer.content.decode()
    )
    return dict(found)


@pytest.mark.parametrize("more", [{}, {"headers": HTMX}])
def test_all_that_a_status_requires_is_said_at_once_R_REQ_1(office, sign_in, asking, more):
    typed = {"subject": "", "status": asking["New"], "email": "eva@fjord.example"}
    answer = sign_in(office.world.grace).post(CREATE, typed, **more)

    assert answer.status_code == 422
    assert set(errors_of(answer)) == {"subject", "order_number", "priority", "content"}
    assert "eva@fjord.example" in answer.content.decode()
    with office.inside():
        assert not Ticket.objects.exists()
        assert not Contact.objects.exists()


def test_boxes_to_tick_bear_the_name_and_the_error_of_their_field(office, sign_in, asking):
    with office.inside() as world:
        shades = [{"value": "red", "label": "Red"}, {"value": "blue", "label": "Blue"}]
        properties.create("ticket", "shades", "Shades", Kind.MULTI, options=shades, by=SYSTEM)
        asks = Rules(asks={world.stage("New"): (Ask("shades", True),)})
        pipelines.set_rules(
            Pipeline.objects.get(key="0", object_type="ticket"), asks, by=Actor.user(world.ada.pk)
        )

    page = sign_in(office.world.grace).post(CREATE, {"subject": "x", "status": asking["New"]})

    drawn = page.content.decode()
    [group] = re.findall(r'<span role="group"([^>]*)>', drawn)
    named, told = re.findall(r'="([^"]*)"', group)
    assert re.search(rf'id="{named}">Shades <span class="muted">Required', drawn)
    assert told == "ask-shades-error"
    assert "shades" in errors_of(page)


def test_what_it_asks_for_is_stored_with_the_ticket(office, sign_in, asking):
    typed = {
        "subject": "A call",
        "status": asking["New"],
        "content": "She waits.",
        "priority": "LOW",
        "ask-order_number": "30783",
    }
    sign_in(office.world.grace).post(CREATE, typed)

    ticket = made(office)
    assert (ticket.priority, ticket.content, ticket.properties) == (
        "LOW",
        "She waits.",
        {"order_number": 30783},
    )


def test_a_value_of_the_wrong_kind_is_refused_at_its_field(office, sign_in, asking):
    typed = {
        "subject": "A call",
        "status": asking["New"],
        "content": "x",
        "priority": "LOW",
        "ask-order_number": "many",
    }
    assert set(errors_of(sign_in(office.world.grace).post(CREATE, typed))) == {"order_number"}


def test_another_status_asks_for_other_things_and_keeps_what_was_typed(office, sign_in, asking):
    client = sign_in(office.world.grace)
    typed = {
        "subject": "A call",
        "status": asking["Waiting on us"],
        "redraw": "status",
        "ask-order_number": "1",
    }
    for more in ({}, {"headers": HTMX}):
        page = client.post(CREATE, typed, **more).content.decode()
        assert 'name="ask-color"' in page
        assert 'name="ask-order_number"' not in page
        assert 'value="A call"' in page
    with office.inside():
        assert not Ticket.objects.exists()

    client.post(
        CREATE, {name: value for name, value in typed.items() if name != "redraw"}
    )  # optional: may be left out
    assert made(office).properties == {}


def test_tickets_begin_in_the_statuses_of_the_rule_only_R_RULE_5(office, sign_in, asking):
    client = sign_in(office.world.grace)
    page = client.get(f"{NEW}?status={asking['Closed']}").content.decode()
    offered = set(re.findall(r'<option value="(\d+)"', page))

    assert offered == {asking["New"], asking["Waiting on us"]}
    assert f'<option value="{asking["New"]}" selected>' in page
    refused = client.post(CREATE, {"subject": "A call", "status": asking["Closed"]})
    assert "status" in errors_of(refused)


def test_who_may_edit_properties_is_bound_by_none_of_it_R_RULE_4(office, sign_in, asking):
    client = sign_in(office.world.ada)
    page = client.get(NEW).content.decode()
    assert f'<option value="{asking["Closed"]}"' in page
    client.post(CREATE, {"subject": "A call", "status": asking["New"]})
    assert made(office).properties == {}
