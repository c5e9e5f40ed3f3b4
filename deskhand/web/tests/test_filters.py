"""Filters of boards and tables: made by links and forms, kept in the address, read as sentences."""

from __future__ import annotations

import html
import json
import re
from itertools import product
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest

from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.types import (
    EVERYTHING,
    NOTHING,
    OPERATORS,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Takes,
)
from deskhand.crm.records import tasks, tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web.filters import editing
from deskhand.web.tests.conftest import add_statuses, options, queries_of
from deskhand.web.tests.test_board import cards
from deskhand.web.tests.test_inbox import HTMX, texts


def condition(*groups: list[dict]) -> str:
    return json.dumps({"any": [{"all": group} for group in groups]})


def one(property: str, kind: str, operator: str, *values) -> dict:
    return {"property": property, "kind": kind, "operator": operator, "values": list(values)}


HIGH = one("hs_ticket_priority", "enumeration", "any_of", "HIGH")
ASTRID = {"associated": "contact", "where": one("email", "string", "contains", "astrid")}


@pytest.fixture
def desk(office, sign_in):
    """Two tickets, the second one high and Grace's, and a client on its board."""
    office.mail("Refund")
    parcel = office.mail("Parcel")
    with office.inside() as world:
        tickets.assign(parcel.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.update(parcel.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
        board = f"/pipelines/{world.tickets.default.id}"
    return office, sign_in(office.world.grace), board


def new(client, board, query: dict, **more):
    return client.get(f"{board}/board", query, **more)


def subjects(answer) -> list[str]:
    return cards(answer.content.decode())["New"]


def test_groups_are_joined_by_or_and_filters_by_and(desk):
    _office, client, board = desk
    low = one("hs_ticket_priority", "enumeration", "any_of", "LOW")
    refund = one("subject", "string", "contains", "refund")

    assert subjects(new(client, board, {"f": condition([HIGH])})) == ["Parcel"]
    assert subjects(new(client, board, {"f": condition([HIGH, refund])})) == []
    assert sorted(subjects(new(client, board, {"f": condition([HIGH], [refund])}))) == ["Parcel", "Refund"]
    assert subjects(new(client, board, {"f": condition([low])})) == []
    assert len(subjects(new(client, board, {"f": condition([ASTRID])}))) == 2


def test_a_filter_is_made_by_links_and_a_form(desk):
    """Without scripts: offer, form, apply; then the address alone says it."""
    _office, client, board = desk
    page = new(client, board, {}).content.decode()
    offer = html.unescape(re.search(r'href="([^"]*prop=ticket.hs_ticket_priority[^"]*)"', page)[1])

    form = client.get(offer)
    asked = parse_qs(urlsplit(offer).query) | {"op": ["any_of"], "value": ["HIGH", "URGENT"], "apply": ["1"]}
    done = client.get(f"{board}/board?{urlencode(asked, doseq=True)}")
    shown = client.get(done.headers["Location"])

    assert 'value="HIGH"' in form.content.decode()
    assert subjects(shown) == ["Parcel"]
    assert "Priority is any of High, Urgent" in texts(shown)
    assert set(parse_qs(urlsplit(done.headers["Location"]).query)) == {"f"}
    again = html.unescape(re.search(r'class="filter-text" href="([^"]*)"', shown.content.decode())[1])
    assert re.search(r'value="HIGH" checked', client.get(again).content.decode())
    gone = html.unescape(re.search(r'class="filter-remove" href="([^"]*)"', shown.content.decode())[1])
    assert gone == f"{board}/board"


def test_filters_on_one_task_are_made_one_after_the_other_R_TRIG_4(desk):
    """Has one, has none, and the same one: each is asked in the form, kept in the address and read as a sentence."""
    office, client, board = desk
    with office.inside():
        for subject, title in (("Refund", "Call the bank"), ("Parcel", "Send it")):
            tasks.create("ticket", Ticket.objects.get(subject=subject).pk, Wanted(title), by=SYSTEM)

    def apply(page_url, **typed):
        asked = parse_qs(urlsplit(page_url).query) | typed | {"apply": ["1"]}
        return client.get(f"{board}/board?{urlencode(asked, doseq=True)}")

    offer = html.unescape(re.search(r'href="([^"]*prop=task.hs_task_status[^"]*)"', new(client, board, {}).content.decode())[1])  # fmt: skip
    form = client.get(offer).content.decode()
    assert "No task" in form
    assert "The same task" not in form

    first = client.get(apply(offer, op=["any_of"], value=["NOT_STARTED"], label=[""]).headers["Location"])
    assert sorted(subjects(first)) == ["Parcel", "Refund"]
    offer = html.unescape(re.search(r'href="([^"]*prop=task.hs_task_subject[^"]*)"', first.content.decode())[1])  # fmt: skip
    assert re.search(r'value="same" selected', client.get(offer).content.decode())

    same = client.get(apply(offer, op=["contains"], value=["bank"], label=["same"]).headers["Location"])
    none = client.get(apply(offer, op=["contains"], value=["bank"], label=["none"]).headers["Location"])
    wrong = apply(offer, op=["contains"], value=["bank"], label=["7"])

    assert (subjects(same), subjects(none)) == (["Refund"], ["Parcel"])
    assert "The same task: Title contains any of bank" in texts(same)
    assert "No task: Title contains any of bank" in texts(none)
    assert "Choose from the list." in texts(wrong)


EVERY_KIND = {
    Kind.TEXT: ("subject", "Refund"), Kind.NUMBER: ("hs_ticket_id", "1"), Kind.DATETIME: ("createdate", "2026-01-31"),
    Kind.ENUM: ("hs_ticket_priority", "HIGH"), Kind.BOOL: ("hs_is_closed", "false"), Kind.REF: ("hubspot_owner_id", "1"),
    Kind.REFS: ("hs_assigned_team_ids", "1"), Kind.DURATION: ("time_to_close", "2"), Kind.DATE: ("visit", "2026-01-31"), Kind.MULTI: ("colours", "red"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_operator_of_every_kind_can_be_chosen_and_is_read_again(desk, kind):
    office, client, board = desk
    with office.inside():
        properties.create("ticket", "visit", "Visit", Kind.DATE)
        red = [{"value": "red", "label": "Red"}]
        properties.create("ticket", "colours", "Colours", Kind.MULTI, options=red)
    name, value = EVERY_KIND[kind]
    for operator, takes in OPERATORS[kind].items():
        values = {Takes.TWO: [value, value], Takes.WINDOW: ["this_week"]}.get(takes, [value])
        asked = {
            "edit": "0.0",
            "prop": f"ticket.{name}",
            "op": operator.value,
            "value": values,
            "amount": "2",
            "unit": "day",
        }
        form = client.get(f"{board}/filter", asked, headers=HTMX)
        count = client.get(f"{board}/matches", asked, headers=HTMX)
        done = client.get(f"{board}/board", asked | {"apply": "1"})

        assert f'value="{operator.value}" selected' in form.content.decode()
        assert re.match(r"Matches \d tickets? now", count.content.decode().strip())
        assert done.status_code == 302, operator
        page = client.get(done.headers["Location"])
        assert page.status_code == 200
        assert 'class="filter-chip"' in page.content.decode()


def test_a_duration_is_typed_in_a_unit_and_read_as_it_was_typed_R_PROP_1(desk):
    office, client, board = desk
    with office.inside() as world:
        name = f"hs_v2_cumulative_time_in_{world.stage('New')}"
    asked = {
        "edit": "0.0",
        "prop": f"ticket.{name}",
        "op": "less",
        "value": "90",
        "unit": "minute",
        "apply": "1",
    }

    done = client.get(f"{board}/board", asked)
    shown = client.get(done.headers["Location"])

    assert "5400000" in parse_qs(urlsplit(done.headers["Location"]).query)["f"][0]
    assert "Total time in “New” is less than 90 minutes" in texts(shown)
    again = html.unescape(re.search(r'class="filter-text" href="([^"]*)"', shown.content.decode())[1])
    form = client.get(again).content.decode()
    assert 'value="90"' in form
    assert re.search(r'value="minute" selected', form)
    assert client.get(f"{board}/board", asked | {"unit": "eon"}).content.decode().count("Choose a unit.") == 1


@pytest.mark.parametrize("unit", ["minute", "hour", "week"])
def test_a_duration_beyond_all_counting_is_a_filter_too_R_PROP_1(desk, unit):
    _office, client, board = desk
    asked = {"edit": "0.0", "prop": "ticket.time_to_close", "op": "less", "value": "1e30", "unit": unit, "apply": "1"}  # fmt: skip

    done = client.get(f"{board}/board", asked)

    assert "Time to close is less than" in texts(client.get(done.headers["Location"]))


def offers(page: str) -> str:
    """The menu of what one may filter by."""
    return re.search(r'(?s)id="filter-offers".*?</a>\s*</div>', page)[0]


def chosen_statuses(page: str) -> list[str]:
    """In the form of a filter."""
    return [label for _value, label, is_chosen in options(page, "filter-status") if is_chosen]


def test_times_by_status_are_offered_once_and_the_form_asks_for_the_status_R_PROP_3(desk):
    office, client, board = desk
    with office.inside() as world:
        waiting, pipeline = world.stage("Waiting on us"), world.tickets.default.label
    page = new(client, board, {})
    menu = offers(page.content.decode())

    assert "Ticket: times by status" in menu
    assert "Waiting on us" not in menu
    said = [
        "Date entered a status",
        "Date left a status",
        "Latest time in a status",
        "Total time in a status",
    ]
    assert re.findall(r"prop=ticket\.hs_v2[^>]*>([^<]*)<", menu) == said

    offer = html.unescape(re.search(r'href="([^"]*prop=ticket\.hs_v2_date_entered[^"]*)"', menu)[1])
    form = client.get(offer).content.decode()
    assert f'<optgroup label="{pipeline}">' in form
    assert chosen_statuses(form) == []
    assert "Waiting on us" in [label for _value, label, _chosen in options(form, "filter-status")]

    asked = parse_qs(urlsplit(offer).query) | {"op": ["known"], "status": [str(waiting)], "apply": ["1"]}
    assert "Matches 0 tickets now" in texts(client.get(f"{board}/matches", asked, headers=HTMX))
    done = client.get(f"{board}/board", asked).headers["Location"]
    assert f"hs_v2_date_entered_{waiting}" in parse_qs(urlsplit(done).query)["f"][0]
    assert set(parse_qs(urlsplit(done).query)) == {"f"}
    shown = client.get(done)
    assert "Date entered “Waiting on us” is known" in texts(shown)
    again = html.unescape(re.search(r'class="filter-text" href="([^"]*)"', shown.content.decode())[1])
    assert chosen_statuses(client.get(again).content.decode()) == ["Waiting on us"]


@pytest.mark.parametrize(
    ("status", "said"),
    [("", "Choose a status."), ("999999", "Choose from the list."), ("x", "Choose from the list.")],
)
def test_a_time_without_a_status_of_these_records_is_refused_in_its_form_R_PROP_3(desk, status, said):
    _office, client, board = desk
    asked = {
        "edit": "0.0",
        "prop": "ticket.hs_v2_cumulative_time_in",
        "op": "less",
        "value": "2",
        "unit": "day",
    }

    answer = new(client, board, asked | {"status": status, "apply": "1"})

    assert answer.status_code == 422
    assert said in texts(answer)
    assert 'name="status" aria-label="Status" aria-invalid="true"' in answer.content.decode()
    assert 'value="2"' in answer.content.decode()
    assert said in texts(client.get(f"{board}/matches", asked | {"status": status}, headers=HTMX))


def test_another_way_to_compare_keeps_the_status_R_PROP_3(desk):
    office, client, board = desk
    with office.inside() as world:
        waiting = world.stage("Waiting on us")
    asked = {"edit": "0.0", "prop": "ticket.hs_v2_latest_time_in", "op": "between", "status": str(waiting)}

    part = client.get(f"{board}/filter", asked, headers=HTMX).content.decode()

    assert chosen_statuses(part) == ["Waiting on us"]
    assert 'aria-label="Second value"' in part


@pytest.mark.parametrize("begins", ["hs_v2_date_entered", "hs_date_entered"])
def test_filters_and_addresses_that_name_a_status_open_with_it_chosen_R_PROP_3(desk, begins):
    office, client, board = desk
    with office.inside() as world:
        fresh, waiting = world.stage("New"), world.stage("Waiting on us")
    kept = condition([one(f"{begins}_{fresh}", "datetime", "known")])

    page = new(client, board, {"f": kept})
    assert "Date entered “New” is known" in texts(page)
    forms = (
        new(client, board, {"f": kept, "edit": "0.0"}),
        new(client, board, {"edit": "0.0", "prop": f"ticket.{begins}_{fresh}"}),
    )
    for form in forms:
        assert chosen_statuses(form.content.decode()) == ["New"]
    hidden = html.unescape(re.search(r'name="prop" value="([^"]*)"', forms[0].content.decode())[1])
    asked = {"f": kept, "edit": "0.0", "prop": hidden, "op": "unknown", "status": str(waiting), "apply": "1"}
    done = new(client, board, asked).headers["Location"]
    assert f"{begins}_{waiting}" in parse_qs(urlsplit(done).query)["f"][0]


def test_the_form_of_a_filter_may_ask_for_something_else_than_what_stands_there(desk):
    _office, client, board = desk
    there = condition([one("createdate", "datetime", "before", "2026-01-01")])

    form = new(client, board, {"f": there, "edit": "0.0", "prop": "ticket.subject"})

    assert form.status_code == 200
    assert re.search(r'value="contains" selected', form.content.decode())


def test_the_menu_of_filters_is_as_long_with_many_statuses_as_with_few_R_PROP_3(desk):
    """Nor does it take more queries."""
    office, client, board = desk
    few, asked = offers(new(client, board, {}).content.decode()), queries_of(client, f"{board}/board")

    add_statuses(office, 60)

    assert offers(new(client, board, {}).content.decode()) == few
    assert queries_of(client, f"{board}/board") == asked


def test_the_form_says_how_many_it_finds_now(desk):
    _office, client, board = desk
    asked = {"edit": "0.0", "prop": "ticket.subject", "op": "contains", "value": "parcel"}

    assert "Matches 1 ticket now" in texts(client.get(f"{board}/matches", asked, headers=HTMX))
    assert "Give a value." in texts(client.get(f"{board}/matches", asked | {"value": ""}, headers=HTMX))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"op": "contains", "value": ""}, "Give a value."),
        ({"op": "sings", "value": "x"}, "Choose how to compare."),
        ({"prop": "ticket.createdate", "op": "on", "value": "soon"}, "This is not a date."),
        (
            {"prop": "ticket.createdate", "op": "less_than_ago", "amount": "0", "unit": "day"},
            "Give a whole number",
        ),
        (
            {"prop": "ticket.createdate", "op": "less_than_ago", "amount": "2", "unit": "eon"},
            "Choose a unit.",
        ),
        ({"prop": "ticket.hs_ticket_id", "op": "greater", "value": "many"}, "This is not a number."),
        (
            {"prop": "ticket.hs_ticket_id", "op": "between", "value": ["9", "2"]},
            "The first value must be the smaller one.",
        ),
        ({"prop": "ticket.hubspot_owner_id", "op": "any_of", "value": "\u00b2"}, "Choose from the list."),
    ],
)
def test_what_is_wrong_in_the_form_is_said_in_it(desk, wrong, said):
    _office, client, board = desk
    asked = {"edit": "0.0", "prop": "ticket.subject", "apply": "1"} | wrong

    answer = new(client, board, asked)

    assert answer.status_code == 422
    assert said in texts(answer)


@pytest.mark.parametrize(
    "filters",
    [
        "x", "[]", "{}", "{" * 5000, '{"any": 7}', '{"any": [{"any": []}]}', condition([one("nothing", "string", "contains", "x")]),
        condition([one("subject", "number", "greater", 1)]), condition([one("is_spam", "bool", "any_of", True)]), "9" * 7000,
    ],
)  # fmt: skip
def test_filters_that_are_none_are_refused_in_words(desk, filters):
    _office, client, board = desk

    for path in ("board", "matches", "filter"):
        answer = client.get(f"{board}/{path}", {"f": filters}, headers=HTMX)
        assert answer.status_code == 400
        assert len(answer.content) < 300


def test_who_does_not_see_all_contacts_cannot_find_out_about_them(office, sign_in, desk):
    """R-PERM-1"""
    office, _client, board = desk
    records = {"ticket": {"view": "all"}, "contact": {"view": "own"}}
    office.role(office.world.bob, records=records, capabilities=["service_access"])
    client = sign_in(office.world.bob)

    page = new(client, board, {})

    assert "prop=contact." not in page.content.decode()
    assert new(client, board, {"f": condition([ASTRID])}).status_code == 400


def test_filters_stay_while_cards_move_and_are_shown(desk):
    office, client, board = desk
    page = new(client, board, {"f": condition([HIGH])}).content.decode()
    move = html.unescape(re.search(r'class="card-move" href="([^"]*)"', page)[1])
    form = html.unescape(
        re.search(r'action="(/tickets/\d+/moved[^"]*)"', client.get(move).content.decode())[1]
    )
    with office.inside() as world:
        ours = world.stage("Waiting on us")

    back = client.post(form, {"status": ours}).headers["Location"]

    assert cards(client.get(back).content.decode())["Waiting on us"] == ["Parcel"]
    assert "f=" in back


# ── conditions in conditions ─────────────────────────────────────────────────────────────────────────────────────────

A, B, C, D = (Filter(name, Kind.BOOL, Operator.ANY_OF, (True,)) for name in "abcd")
NESTED = [
    A, AllOf((A, B)), AnyOf((A, B)), AllOf((A, AnyOf((B, C)))), AllOf((AnyOf((A, B)), AnyOf((C, D)))), AnyOf((A, AllOf((B, AnyOf((C, AllOf((A, D)))))))),
    AllOf((MemberOf("segment", (7,)), AnyOf((A, MemberOf("workflow", (8,), False))))), AllOf((A, Associated("contact", AnyOf((C, D))))),
    Associated("task", A), Associated("task", AllOf((A, B)), has=False), AllOf((C, Associated("task", AllOf((A, B))), Associated("task", AllOf((D, B))), A)),
    AllOf((AnyOf((Associated("task", AllOf((A, B))), C)), Associated("note", A, has=False))),
    Associated("contact", A, 7), AllOf((A, Associated("contact", AnyOf((C, AllOf((D,)))), 1))), AnyOf((Associated("ticket", A, 7), B)),
]  # fmt: skip


@pytest.mark.parametrize("given", NESTED)
def test_groups_say_what_conditions_in_conditions_say_R_TRIG_2(given):
    as_groups = editing.condition(editing.groups_of(given))

    assert editing.groups_of(as_groups) == editing.groups_of(given)
    for a, b, c, d, segments, workflows in product((True, False), repeat=6):
        values = dict(zip("abcd", (a, b, c, d), strict=True))
        member_of = {"segment": [7] * segments, "workflow": [8] * workflows}
        links = {("contact", 1): [RecordFacts(values)], ("contact", 7): [RecordFacts({"a": b})], ("ticket", 7): [RecordFacts({"a": c})],
                 ("task", 0): [RecordFacts(values), RecordFacts({"a": c, "b": d})], ("note", 0): [RecordFacts({"a": d})]}  # fmt: skip
        facts = RecordFacts(values, links=links, member_of=member_of)
        told = [holds(one, facts, now=clock.now(), zone=ZoneInfo("UTC")) for one in (given, as_groups)]
        assert told[0] == told[1]


@pytest.mark.parametrize(
    "given",
    [
        Associated("task", AnyOf((A, B))), Associated("contact", A, has=False), Associated("task", A, 7), Associated("task", MemberOf("segment", (1,))),
        NOTHING, AnyOf((A, EVERYTHING)), AllOf((A, NOTHING)), Associated("contact", AllOf((A, B))), Associated("contact", AllOf((A, B)), 7), Associated("ticket", A), MemberOf("import", (1,)),
        AllOf(tuple(AnyOf((A, B, C, Filter(f"p{n}", Kind.BOOL, Operator.UNKNOWN))) for n in range(12))),
    ],
)  # fmt: skip
def test_what_groups_cannot_say_is_never_told_as_something_else(given):
    with pytest.raises(Invalid):
        editing.groups_of(given)
